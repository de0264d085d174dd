package inspect

import (
	"compress/flate"
	"io"
	"iter"
)

// expander undoes deflate-stream: all bytes of a direction are one stream of DEFLATE. Its goroutine
// is a coroutine, which runs only within add, as package flate asks for its input, and this package
// gets it in pieces.
type expander struct {
	in, out []byte
	err     error // the stream is damaged, or has ended
	more    func() (struct{}, bool)
	stop    func()
	wait    func(struct{}) bool // within the coroutine; false: stop was called
}

func newExpander() *expander {
	x := new(expander)
	x.more, x.stop = iter.Pull(x.run)
	return x
}

// expandMost is how many bytes are given to an expander at once: they come to at most 1032 times
// as many.
const expandMost = 512

// add appends what p, the next piece of the stream, comes to, and returns how much of p that was:
// all, unless there is an error at the byte behind it.
func (x *expander) add(dst, p []byte) (out []byte, n int, err error) {
	x.in, x.out = p, dst
	x.more()
	out, x.out = x.out, nil
	if x.err != nil {
		return out, max(0, len(p)-len(x.in)-1), x.err
	}
	return out, len(p), nil
}

func (x *expander) run(wait func(struct{}) bool) {
	x.wait = wait
	z := flate.NewReader(x)
	var b [4 << 10]byte
	for x.err == nil {
		n, err := z.Read(b[:])
		x.out, x.err = append(x.out, b[:n]...), err
	}
}

// Read implements io.Reader for the coroutine.
func (x *expander) Read(p []byte) (int, error) {
	for len(x.in) == 0 {
		if !x.wait(struct{}{}) {
			return 0, io.ErrClosedPipe
		}
	}
	n := copy(p, x.in)
	x.in = x.in[n:]
	return n, nil
}

// ReadByte implements io.ByteReader, so that package flate reads no further than it has to.
func (x *expander) ReadByte() (byte, error) {
	var b [1]byte
	_, err := x.Read(b[:])
	return b[0], err
}

// expandStreams makes what follows in both directions streams of DEFLATE.
func (c *conversation) expandStreams() {
	for i := range c.sides {
		s := &c.sides[i]
		s.expander, s.expanded = newExpander(), true
		s.packed, s.buf = append(s.packed, s.buf...), s.buf[:0]
	}
}

// expand expands the next bytes of a side, and reports whether there were any.
func (c *conversation) expand(s *side) bool {
	if s.expander == nil || len(s.packed) == 0 || len(s.buf) > maxWaiting {
		return false
	}
	var n int
	var err error
	s.buf, n, err = s.expander.add(s.buf, s.packed[:min(len(s.packed), expandMost)])
	s.packed = s.packed[:copy(s.packed, s.packed[n:])]
	if err != nil {
		for c.advance(s) { // what has come whole
		}
		c.endExpanding(s, "deflate-stream: the stream is damaged, or has ended")
	}
	return true
}

// endExpanding makes what follows on a side unknown.
func (c *conversation) endExpanding(s *side, why string) {
	if s.expander == nil {
		return
	}
	s.expander.stop()
	s.expander = nil
	c.lose(s, why)
	s.buf, s.packed = append(s.buf, s.packed...), nil
}
