package session

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// of returns a session of a version's side.
func of(d *wire.Draft, role wire.Role) *Session {
	return New(d, Config{CodecConfig: wire.CodecConfig{Role: role}, Limit: runLimit})
}

const runLimit = 70_000

// frameOf returns a frame with a mask of a client, or without one of a server.
func frameOf(role wire.Role, first byte, payload []byte) []byte {
	var mask byte
	if role == wire.Client {
		mask = 0x80
	}
	f := []byte{first}
	switch n := len(payload); {
	case n < 126:
		f = append(f, mask|byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, mask|126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, mask|127), uint64(n))
	}
	if role == wire.Client {
		key := [4]byte{0x11, 0x92, 0x33, 0xF4}
		f = append(f, key[:]...)
		payload = bytes.Clone(payload)
		hybi.Mask(payload, key, 0)
	}
	return append(f, payload...)
}

func TestRun(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 66_000)
	text, binary := byte(0x81), byte(0x82)
	for _, role := range []wire.Role{wire.Client, wire.Server} { // of the sender
		frame := func(first byte, payload string) []byte { return frameOf(role, first, []byte(payload)) }
		for name, x := range map[string]struct {
			in       [][]byte
			messages int
		}{
			"nothing":              {nil, 0},
			"messages":             {[][]byte{frame(text, "a"), frame(binary, "bc"), frame(binary, "de"), frame(text, "")}, 4},
			"a long one":           {[][]byte{frameOf(role, binary, long)}, 1},
			"of 126 bytes":         {[][]byte{frameOf(role, text, long[:126])}, 1},
			"text beyond ASCII":    {[][]byte{frame(text, "für immer, und ewig €")}, 1},
			"one that is not text": {[][]byte{frame(text, "a"), frame(text, "abcdefgh\xc3"), frame(text, "c")}, 1},
			"one above the limit":  {[][]byte{frame(text, "a"), frameOf(role, binary, bytes.Repeat(long, 2))}, 1},
			"a ping between":       {[][]byte{frame(text, "a"), frame(0x89, ""), frame(text, "c")}, 1},
			"a close behind":       {[][]byte{frame(text, "a"), frame(0x88, "\x03\xe8")}, 1},
			"a fragment":           {[][]byte{frame(0x01, "a"), frame(0x80, "b")}, 0},
			"a reserved bit":       {[][]byte{frame(0xC1, "a")}, 0},
			"a reserved opcode":    {[][]byte{frame(0x83, "a")}, 0},
			"the other mask":       {[][]byte{frameOf(1-role, text, []byte("a"))}, 0},
			"a part of a head":     {[][]byte{frame(text, "a"), frame(text, "b")[:1]}, 1},
			"a part of a payload":  {[][]byte{frame(text, "a"), frame(text, "bcd")[:4]}, 1},
			"a length too long":    {[][]byte{longLength(frame(text, "a"))}, 0},
			"many lengths":         {[][]byte{frame(text, ""), frame(text, "a"), frame(text, "ab"), frame(text, "abc"), frame(text, "abcd"), frame(text, "abcde"), frame(text, "abcdef"), frame(text, "abcdefg"), frame(text, "abcdefgh")}, 8},
		} {
			t.Run(name, func(t *testing.T) {
				s := of(&rfc6455.Draft, 1-role)
				if !s.Forwards(of(&hybi07.Draft, role)) {
					t.Fatal("they do not go on")
				}
				if n := checkRun(t, s, bytes.Join(x.in, nil)); n != x.messages {
					t.Errorf("a run of %d messages, want %d", n, x.messages)
				}
			})
		}
	}
}

// longLength returns a short frame with its length in two bytes more than it needs.
func longLength(f []byte) []byte {
	n := f[1] & 0x7F
	return append([]byte{f[0], f[1]&0x80 | 126, 0, n}, f[2:]...)
}

// checkRun compares the run at the beginning of p with what Next gives, and returns how many
// messages it has.
func checkRun(t *testing.T, s *Session, p []byte) (messages int) {
	t.Helper()
	var run Run
	before := bytes.Clone(p)
	s.Run(p, &run)
	if !bytes.Equal(p, before) {
		t.Fatalf("the bytes were changed: %x, before %x", p, before)
	}
	payload, rest := 0, p[:run.Len]
	for _, k := range run.Kinds {
		for range k.Times {
			var ev wire.Event
			n, err := s.Next(rest, &ev)
			if err != nil || !ev.First || !ev.Last || ev.Op != k.Op || len(ev.Data) != k.Size {
				t.Fatalf("%v of %d bytes in the run is %v of %d bytes, first %v, last %v: %v", k.Op, k.Size, ev.Op, len(ev.Data), ev.First, ev.Last, err)
			}
			rest, payload, messages = rest[n:], payload+k.Size, messages+1
		}
	}
	if len(rest) > 0 || messages != run.Messages || payload != run.Payload {
		t.Fatalf("%d messages with %d bytes, and %d bytes are left; the run has %d with %d", messages, payload, len(rest), run.Messages, run.Payload)
	}
	return messages
}

// Nothing goes on as it came where the frames differ, or what they hold is looked at or changed.
func TestForwards(t *testing.T) {
	packed := &deflate.Params{Name: "permessage-deflate"}
	text := func(p wire.TextPolicy) Config {
		return Config{CodecConfig: wire.CodecConfig{Role: wire.Server}, Text: p}
	}
	for name, x := range map[string]struct {
		from, to *Session
		want     bool
	}{
		"RFC 6455 to hybi-07":   {of(&rfc6455.Draft, wire.Server), of(&hybi07.Draft, wire.Client), true},
		"hybi-08 to RFC 6455":   {of(&hybi07.Draft08, wire.Client), of(&rfc6455.Draft, wire.Server), true},
		"from a server to one":  {of(&rfc6455.Draft, wire.Client), of(&rfc6455.Draft, wire.Client), false},
		"text is repaired":      {New(&rfc6455.Draft, text(wire.ReplaceText)), of(&rfc6455.Draft, wire.Client), false},
		"the one is compressed": {New(&rfc6455.Draft, Config{CodecConfig: wire.CodecConfig{Role: wire.Server}, Deflate: packed}), of(&rfc6455.Draft, wire.Client), false},
		"the other one is":      {of(&rfc6455.Draft, wire.Server), New(&rfc6455.Draft, Config{CodecConfig: wire.CodecConfig{Role: wire.Client}, Deflate: packed}), false},
	} {
		if got := x.from.Forwards(x.to); got != x.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// While somebody is told of frames there are no runs, and behind a close or a fault neither.
func TestNoRun(t *testing.T) {
	hello := func() []byte { return frameOf(wire.Client, 0x81, []byte("hello")) }
	s := of(&rfc6455.Draft, wire.Server)
	stop := s.TraceFrames(0, func(*wire.Frame) {})
	if n := checkRun(t, s, hello()); n != 0 {
		t.Errorf("a run of %d while it is traced", n)
	}
	stop()
	if n := checkRun(t, s, hello()); n != 1 {
		t.Errorf("a run of %d behind it", n)
	}
	for name, p := range map[string][]byte{"a close": frameOf(wire.Client, 0x88, nil), "a fault": {0x83, 0x80}, "a part of a head": {0x81}} {
		s := of(&rfc6455.Draft, wire.Server)
		s.Next(p, new(wire.Event))
		if n := checkRun(t, s, hello()); n != 0 {
			t.Errorf("a run of %d behind %s", n, name)
		}
	}
}

// FuzzRun holds what goes on as it came against what is read, at every place of a stream.
func FuzzRun(f *testing.F) {
	for _, p := range []string{"\x81\x85\x00\x00\x00\x00hello\x82\x81\x01\x02\x03\x04x", "\x81\x05hello\x89\x00\x82\x00\x01\x01a\x80\x00", "\x81\x02\xc3\x28", "\x81\x83\x11\x92\x33\xf4\xf3\x10\x9f"} {
		seed.Add(f, []byte(p), true)
		seed.Add(f, []byte(p), false)
	}
	for _, role := range []wire.Role{wire.Client, wire.Server} {
		var p []byte
		for n := range 10 {
			p = append(p, frameOf(role, 0x81, bytes.Repeat([]byte("é"), n*n*n))...)
		}
		seed.Add(f, p, role == wire.Client)
		seed.Add(f, append(longLength(frameOf(role, 0x82, []byte("a"))), p...), role == wire.Client)
	}
	f.Fuzz(func(t *testing.T, p []byte, server bool) {
		role := wire.Client
		if server {
			role = wire.Server
		}
		s := of(&rfc6455.Draft, role)
		for len(p) > 0 {
			var run Run
			s.Run(p, &run)
			if n := run.Len; n > 0 {
				checkRun(t, s, p)
				p = p[n:]
				continue
			}
			n, err := s.Next(p, new(wire.Event))
			if err != nil {
				return
			}
			p = p[n:]
		}
	})
}
