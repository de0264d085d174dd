package main

import (
	"bytes"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// values are what the names in braces of a text stand for on a connection.
type values struct {
	host, port                         string
	accept, origin, location, protocol string
	digest                             string
	key, nonce                         string // what hybi-04's masks are made from
}

// render returns the bytes of a text of a case. A name in braces that is none of the
// contract's stays as it is.
func (v *values) render(text string) []byte {
	b := hostile.Latin1(text)
	if !strings.Contains(text, "{") {
		return b
	}
	for _, r := range []struct{ name, value string }{
		{"{host}", v.host}, {"{port}", v.port}, {"{accept}", v.accept}, {"{digest}", v.digest},
		{"{origin}", v.origin}, {"{location}", v.location}, {"{protocol}", v.protocol},
	} {
		b = bytes.ReplaceAll(b, []byte(r.name), []byte(r.value))
	}
	return b
}

// pattern returns what an expect step waits for.
func (v *values) pattern(s *hostile.Step) []byte {
	if len(s.Hex) > 0 {
		return s.Hex
	}
	return v.render(s.Text)
}

// segment is bytes, so many times over.
type segment struct {
	data  []byte
	times int64
}

// compile returns what the parts of a send step are on a connection.
func (v *values) compile(parts []hostile.Part) []segment {
	var out []segment
	for _, p := range parts {
		data := []byte(p.Hex)
		if p.Text != "" {
			data = v.render(p.Text)
		}
		if p.Mask {
			nonce := []byte{0, 0, 0, 1}
			sum := hashMask(v.key, v.nonce, nonce)
			data = append(nonce, xored(data, sum[:])...)
		}
		if len(data) > 0 {
			out = append(out, segment{data, max(p.Times, 1)})
		}
	}
	return out
}

// lengthOf returns how many bytes a send step has.
func lengthOf(segs []segment, times int64) int64 {
	var n int64
	for _, s := range segs {
		n += int64(len(s.data)) * s.times
	}
	return n * max(times, 1)
}

// cursor reads segments, over and over.
type cursor struct {
	segs  []segment
	times int64 // of all segments, which remain
	at    int   // the segment
	done  int64 // how often it is through
	off   int
}

func newCursor(segs []segment, times int64) *cursor {
	c := &cursor{segs: segs, times: max(times, 1)}
	if len(segs) == 0 {
		c.times = 0
	}
	return c
}

// fill copies what comes next; 0 means that all is through.
func (c *cursor) fill(p []byte) int {
	n := 0
	for n < len(p) && c.times > 0 {
		s := &c.segs[c.at]
		m := copy(p[n:], s.data[c.off:])
		n += m
		c.off += m
		if c.off < len(s.data) {
			break
		}
		c.off = 0
		c.done++
		if c.done < s.times {
			continue
		}
		c.done = 0
		c.at++
		if c.at == len(c.segs) {
			c.at = 0
			c.times--
		}
	}
	return n
}

// finder looks for bytes in a stream.
type finder struct {
	want []byte
	tail []byte // of what came, less than want
}

// feed returns where in p the first match ends, or -1.
func (f *finder) feed(p []byte) int {
	if len(f.want) == 0 {
		return 0
	}
	if len(f.tail) > 0 {
		border := append(bytes.Clone(f.tail), p[:min(len(p), len(f.want)-1)]...)
		if i := bytes.Index(border, f.want); i >= 0 {
			end := i + len(f.want) - len(f.tail)
			f.tail = nil
			return end
		}
	}
	if i := bytes.Index(p, f.want); i >= 0 {
		f.tail = nil
		return i + len(f.want)
	}
	keep := len(f.want) - 1
	if len(p) >= keep {
		f.tail = append(f.tail[:0], p[len(p)-keep:]...)
		return -1
	}
	f.tail = append(f.tail, p...)
	f.tail = f.tail[max(0, len(f.tail)-keep):]
	return -1
}

// sequence looks for several byte strings, each behind the one before.
type sequence struct {
	finders []*finder
	found   int
}

func newSequence(wants [][]byte) *sequence {
	s := &sequence{}
	for _, w := range wants {
		s.finders = append(s.finders, &finder{want: w})
	}
	return s
}

func (s *sequence) feed(p []byte) {
	for s.found < len(s.finders) {
		end := s.finders[s.found].feed(p)
		if end < 0 {
			return
		}
		s.found++
		p = p[end:]
	}
}

// anyOf looks for whichever of several byte strings comes.
type anyOf struct {
	finders []*finder
	hit     []byte
}

func newAnyOf(never []string, v *values) *anyOf {
	a := &anyOf{}
	for _, text := range never {
		a.finders = append(a.finders, &finder{want: v.render(text)})
	}
	return a
}

func (a *anyOf) feed(p []byte) {
	if a.hit != nil {
		return
	}
	for _, f := range a.finders {
		if f.feed(p) >= 0 {
			a.hit = f.want
			return
		}
	}
}
