// Package deflate is the compression of WebSocket: permessage-deflate (RFC 7692) and its
// predecessor deflate-frame, which WebKit calls x-webkit-deflate-frame. Both are raw DEFLATE
// (RFC 1951) without the end of each flush. They differ in the unit that is flushed, a
// message or a frame.
//
// Its DEFLATE is made for units that are short and complete in memory: nothing is reset
// between them, no reader is asked for each byte, and no window is copied. To compress and
// expand a unit of 1 KiB takes two fifths of the time of compress/flate.
package deflate

import (
	"errors"
	"io"
	"sync"

	"github.com/draftwire/draftwire/internal/pool"
)

// MaxWindow is the size of DEFLATE's window.
const MaxWindow = 1 << 15

// tail is the end of a sync flush, which senders leave out (RFC 7692 7.2.1). end is an empty
// last block, at which a reader stops.
const (
	tail = "\x00\x00\xff\xff"
	end  = "\x01\x00\x00\xff\xff"
)

// Compressor compresses what one side of a connection sends. Without takeover it holds a
// history only inside a unit that is compressed in parts.
type Compressor struct {
	// Takeover: the window is kept from one unit to the next. That costs 16 KiB as long as
	// the connection is open, and as much as was sent, up to 32 KiB.
	Takeover bool
	// Window is the size of the other side's window; 0 is MaxWindow.
	Window int

	h *history
}

// Append compresses a part of a unit (a message or a frame), flushes it and appends it to
// dst. For the last part it leaves out the end of the flush.
func (c *Compressor) Append(dst, p []byte, last bool) []byte {
	e := encoders.Get().(*encoder)
	b := bitWriter{out: dst}
	reach := MaxWindow
	if c.Window > 0 {
		reach = min(c.Window, MaxWindow)
	}
	if c.h == nil && last && !c.Takeover {
		e.own.table = e.all[:tableSize(len(p))]
		e.blocks(&b, p, 0, &e.own, reach)
		e.own.base += uint32(len(p))
	} else {
		if c.h == nil {
			c.h = histories.Get().(*history)
			c.h.table = c.h.all[:]
		}
		for len(p) > 0 {
			n := min(len(p), maxPiece)
			src := c.h.add(p[:n])
			e.blocks(&b, src, len(src)-n, &c.h.positions, reach)
			p = p[n:]
		}
	}
	encoders.Put(e)
	b.put(0, 3)
	b.align()
	if !last {
		b.out = append(b.out, tail...)
	} else if c.h != nil && !c.Takeover {
		c.h.drop()
		c.h = nil
	}
	return b.out
}

// Holds reports whether c holds a history.
func (c *Compressor) Holds() bool { return c.h != nil }

// history is what a compressor has compressed, and matches may refer to.
type history struct {
	buf *pool.Buf
	positions
	all [historyTable]uint32
}

// maxHistory is the longest history. maxPiece is the most that is compressed at once, and
// what is kept of a history that is full.
const (
	maxHistory = 32 << 10
	maxPiece   = 16 << 10
)

var histories = sync.Pool{New: func() any { return &history{positions: positions{base: 1}} }}

// add returns the history with p at its end.
func (h *history) add(p []byte) []byte {
	if h.buf == nil {
		h.buf = pool.Get(len(p))
	}
	b := h.buf.B
	if over := len(b) + len(p) - maxHistory; over > 0 {
		over = len(b) - min(len(b), maxPiece)
		b = b[:copy(b, b[over:])]
		h.base += uint32(over)
	}
	if len(b)+len(p) > cap(b) {
		bigger := pool.Get(min(2*(len(b)+len(p)), maxHistory))
		b = append(bigger.B, b...)
		pool.Put(h.buf)
		h.buf = bigger
	}
	h.buf.B = append(b, p...)
	return h.buf.B
}

// drop gives the history back. Nothing that is compressed later refers to it.
func (h *history) drop() {
	if h.buf != nil { // nil after a unit without bytes
		h.base += uint32(len(h.buf.B))
		pool.Put(h.buf)
		h.buf = nil
	}
	histories.Put(h)
}

// Errors of Inflate.
var (
	ErrTooBig  = errors.New("deflate: more than the limit")
	ErrCorrupt = errors.New("deflate: corrupt data")
)

// Expander expands what the other side sends. It gathers the bytes of a unit, and then
// expands them in parts. Between units it holds the window, if there is takeover, and nothing
// more.
type Expander struct {
	Takeover bool // the sender keeps its window

	in     *pool.Buf // of the unit, compressed
	z      *inflater // while a unit is expanded
	out    *pool.Buf // what was expanded, as far back as a match may refer
	window past      // the end of the units before this one
}

// Gather adds a part of a unit.
func (e *Expander) Gather(p []byte) {
	if e.in == nil {
		e.in = pool.Get(len(p) + len(trailer))
	}
	e.in.B = append(e.in.B, p...)
}

// Gathered returns how many bytes of the unit were added.
func (e *Expander) Gathered() int {
	if e.in == nil {
		return 0
	}
	return len(e.in.B)
}

// chunk is the most that Expand returns at once.
const chunk = 16 << 10

// Expand returns the next part of the unit that was gathered: at most chunk bytes, which are
// valid until the next call, and io.EOF with the last part. The error is ErrTooBig if more
// than room bytes remain, of which it expands one at most.
func (e *Expander) Expand(room int64) ([]byte, error) {
	if e.z == nil {
		e.begin()
	}
	from := len(e.out.B)
	piece := chunk - slack
	if room < int64(piece) {
		piece = int(room) + 1
	}
	for {
		out := e.out.B[:cap(e.out.B)]
		n, err := e.z.inflate(out, len(e.out.B), min(from+piece, len(out)-slack), &e.window)
		e.out.B = out[:n]
		switch {
		case err != nil && err != io.EOF:
			e.Drop()
			return nil, err
		case int64(n-from) > room:
			e.Drop()
			return nil, ErrTooBig
		case err == io.EOF:
			if e.Takeover {
				e.window.add(out[:n])
			}
			e.finish()
			return out[from:n], io.EOF
		case n >= from+piece:
			return out[from:n], nil
		}
		from -= e.makeRoom()
	}
}

// begin borrows what is needed until the unit is expanded.
func (e *Expander) begin() {
	e.Gather(nil)
	e.in.B = append(e.in.B, trailer...)
	e.z = inflaters.Get().(*inflater)
	e.z.reset(e.in.B)
	if e.out == nil {
		// Text becomes a third or a fourth.
		e.out = pool.Get(min(4*len(e.in.B)+slack, maxOut))
	}
	e.out.B = e.out.B[:0]
}

// maxOut is the size at which out grows no more and its beginning is discarded. It is several
// windows, so that the window is not moved often.
const maxOut = 128 << 10

// makeRoom makes room in out, and returns by how much it moved what is in it.
func (e *Expander) makeRoom() int {
	b := e.out.B
	if cap(b) < maxOut {
		bigger := pool.Get(2 * cap(b))
		bigger.B = append(bigger.B, b...)
		pool.Put(e.out)
		e.out = bigger
		return 0
	}
	over := len(b) - MaxWindow
	e.out.B = b[:copy(b, b[over:])]
	return over
}

// finish gives back what is needed only until the unit is expanded.
func (e *Expander) finish() {
	pool.Put(e.in)
	if e.z != nil {
		e.z.in = nil
		inflaters.Put(e.z)
	}
	e.in, e.z = nil, nil
}

// Drop gives back the unit and the part that was returned last. Between units the window is
// kept, if there is takeover.
func (e *Expander) Drop() {
	e.finish()
	pool.Put(e.out)
	e.out = nil
}

// Holds reports whether e holds more than a window with takeover.
func (e *Expander) Holds() bool {
	return e.in != nil || e.z != nil || e.out != nil || e.window.buf != nil && !e.Takeover
}

// past is the end of what was expanded. When it is full it is a ring.
type past struct {
	buf *pool.Buf
	at  int // of the oldest byte
}

// add puts p at the end.
func (w *past) add(p []byte) {
	p = p[max(0, len(p)-MaxWindow):]
	if w.buf == nil {
		w.buf = pool.Get(len(p))
	}
	b := w.buf.B
	if n := min(len(p), MaxWindow-len(b)); n > 0 { // not full yet
		if len(b)+n > cap(b) {
			bigger := pool.Get(min(2*(len(b)+n), MaxWindow))
			bigger.B = append(bigger.B, b...)
			pool.Put(w.buf)
			w.buf = bigger
		}
		w.buf.B = append(w.buf.B, p[:n]...)
		b, p = w.buf.B, p[n:]
	}
	for len(p) > 0 {
		n := copy(b[w.at:], p)
		p = p[n:]
		w.at = (w.at + n) % MaxWindow
	}
}

// copy copies the bytes that begin back bytes before the end, as far as the end. It returns
// 0 if there are not so many bytes.
func (w *past) copy(dst []byte, back int) int {
	if w.buf == nil || back > len(w.buf.B) {
		return 0
	}
	b := w.buf.B
	dst = dst[:min(len(dst), back)]
	from := w.at + len(b) - back
	if from >= len(b) {
		from -= len(b)
	}
	n := copy(dst, b[from:])
	copy(dst[n:], b)
	return len(dst)
}
