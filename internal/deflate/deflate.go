// Package deflate holds the two compressions that WebSocket has had:
// permessage-deflate (RFC 7692) and its forerunner deflate-frame, which WebKit
// calls x-webkit-deflate-frame. Both are raw DEFLATE (RFC 1951) with the end of
// each flush left out; they differ in what is flushed, a message or a frame.
package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"sync"

	"github.com/draftwire/draftwire/internal/pool"
)

// MaxWindow is the size of DEFLATE's window.
const MaxWindow = 1 << 15

// tail is what a sync flush ends with, and what senders leave out (RFC 7692
// 7.2.1). end is an empty last block, so that a reader comes to an end.
const (
	tail = "\x00\x00\xff\xff"
	end  = "\x01\x00\x00\xff\xff"
)

// Level is the level of compression: fast, as one connection's gain is every
// other connection's wait.
const Level = flate.BestSpeed

var writers = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(io.Discard, Level) // the level is valid
	return w
}}

var readers = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// Compressor compresses what one side of a connection sends. Without takeover
// it holds a writer only inside a message.
type Compressor struct {
	// Takeover keeps the window from one unit to the next. It costs about 1.2
	// MiB for as long as the connection lives.
	Takeover bool
	// MaxUnit bounds the size of what may be compressed, 0 for no bound: Go's
	// writer cannot use a smaller window than MaxWindow, but what is shorter than
	// the window that was asked for cannot reach behind it.
	MaxUnit int

	w   *flate.Writer
	out appender
}

type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// Append appends a flushed piece of a unit (a message or a frame) to dst; last
// tells that the unit ends, and leaves the flush's end out.
func (c *Compressor) Append(dst, p []byte, last bool) []byte {
	c.out.b = dst
	if c.w == nil {
		c.w = writers.Get().(*flate.Writer)
		c.w.Reset(&c.out)
	}
	c.w.Write(p) // an appender does not fail
	c.w.Flush()
	dst, c.out.b = c.out.b, nil
	if last {
		dst = dst[:len(dst)-len(tail)]
		if !c.Takeover {
			writers.Put(c.w)
			c.w = nil
		}
	}
	return dst
}

// Holds reports whether c holds a writer.
func (c *Compressor) Holds() bool { return c.w != nil }

// Errors of Inflate.
var (
	ErrTooBig  = errors.New("deflate: more than the limit")
	ErrCorrupt = errors.New("deflate: corrupt data")
)

// Expander expands what the other side sends. It gathers a unit's bytes and
// gives them expanded, piece by piece. Between units it holds nothing but, with
// takeover, the window.
type Expander struct {
	Takeover bool // the sender keeps its window

	in     *pool.Buf // of the unit, compressed
	src    bytes.Reader
	r      io.ReadCloser // while a unit is expanded
	out    *pool.Buf     // what was given last
	window *pool.Buf
}

// Gather takes a piece of a unit.
func (e *Expander) Gather(p []byte) {
	if e.in == nil {
		e.in = pool.Get(len(p) + len(tail) + len(end))
	}
	e.in.B = append(e.in.B, p...)
}

// Gathered returns how many bytes of the unit were taken.
func (e *Expander) Gathered() int {
	if e.in == nil {
		return 0
	}
	return len(e.in.B)
}

// chunk is the most that Expand gives at once.
const chunk = 16 << 10

// Expand gives the next piece of the unit that was gathered, at most chunk
// bytes, valid until the next call; io.EOF with the last one. room is how much
// more may come out: above it the error is ErrTooBig, whatever the compressed
// bytes would still expand to.
func (e *Expander) Expand(room int64) ([]byte, error) {
	if e.r == nil {
		e.Gather(nil)
		e.in.B = append(append(e.in.B, tail...), end...)
		e.src.Reset(e.in.B)
		e.r = readers.Get().(io.ReadCloser)
		e.restart()
		if e.out == nil {
			e.out = pool.Get(chunk)
		}
	}
	b := e.out.B[:chunk]
	n := 0
	for n < chunk {
		k, err := e.r.Read(b[n:])
		n += k
		if int64(n) > room {
			e.Drop()
			return nil, ErrTooBig
		}
		switch {
		case err == io.EOF && e.src.Len() > len(end):
			// A block that was marked as the last; more follow (RFC 7692 7.2.3.4).
			e.remember(b[:n])
			e.restart()
			if n > 0 {
				return b[:n], nil
			}
		case err == io.EOF:
			if e.Takeover {
				e.remember(b[:n])
			}
			e.finish()
			return b[:n], io.EOF
		case err != nil:
			e.Drop()
			return nil, ErrCorrupt
		}
	}
	e.remember(b[:n])
	return b[:n], nil
}

func (e *Expander) restart() {
	var dict []byte
	if e.window != nil {
		dict = e.window.B
	}
	e.r.(flate.Resetter).Reset(&e.src, dict)
}

// remember keeps the window: across units with takeover, and within a unit for
// a restart.
func (e *Expander) remember(p []byte) {
	if e.window == nil {
		e.window = pool.Get(MaxWindow)
	}
	w := e.window.B
	if len(p) >= MaxWindow {
		w, p = w[:0], p[len(p)-MaxWindow:]
	}
	if over := len(w) + len(p) - MaxWindow; over > 0 {
		w = w[:copy(w, w[over:])]
	}
	e.window.B = append(w, p...)
}

// finish lets go of what only an unfinished unit needs.
func (e *Expander) finish() {
	pool.Put(e.in)
	if e.r != nil {
		e.src.Reset(nil)
		readers.Put(e.r)
	}
	if !e.Takeover {
		pool.Put(e.window)
		e.window = nil
	}
	e.in, e.r = nil, nil
}

// Drop lets go of the unit, and of the piece that was given last. Between units
// it leaves the window, where there is takeover.
func (e *Expander) Drop() {
	e.finish()
	pool.Put(e.out)
	e.out = nil
}

// Holds reports whether e holds more than a window with takeover.
func (e *Expander) Holds() bool {
	return e.in != nil || e.r != nil || e.out != nil || e.window != nil && !e.Takeover
}
