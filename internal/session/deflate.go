package session

import (
	"io"
	"math"

	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/pool"
	"github.com/draftwire/draftwire/wire"
)

// inflation is the reading half's compression.
type inflation struct {
	x        deflate.Expander
	perFrame bool
	limit    int64 // of a message, expanded

	on      bool // the unit in hand is compressed
	begun   bool // an event of the message was given
	pending bool // the unit is whole and has more to give
	op      wire.Op
	last    bool  // the unit ends the message
	size    int64 // given of the message so far
}

// inflate gathers the bytes of a compressed unit; ev becomes OpNone. When the unit
// is whole it is pending. The unit is the message, or with deflate-frame the frame.
func (s *Session) inflate(ev *wire.Event) error {
	in := &s.z.in
	if ev.First {
		in.begun, in.size, in.on = false, 0, ev.RSV1
	}
	if in.perFrame {
		in.on = ev.RSV1
	}
	if !in.on {
		ev.First, in.begun = !in.begun, true
		in.size += int64(len(ev.Data))
		if in.limit > 0 && in.size+s.codec.Left() > in.limit { // refused as soon as that is known, in whatever pieces it comes
			return s.tooBig()
		}
		return nil
	}
	in.x.Gather(ev.Data)
	in.pending = ev.Last || in.perFrame && ev.FrameEnd
	in.op, in.last = ev.Op, ev.Last
	*ev = wire.Event{}
	return nil
}

// expand gives the next piece of the pending unit.
func (s *Session) expand(ev *wire.Event) error {
	in := &s.z.in
	room := int64(math.MaxInt64)
	if in.limit > 0 {
		room = in.limit - in.size
	}
	p, err := in.x.Expand(room)
	if err == deflate.ErrTooBig {
		return s.tooBig()
	}
	if err != nil && err != io.EOF {
		return &wire.ProtocolError{Version: s.draft.Version, Fault: wire.FaultDeflate, Code: wire.CodeInvalidData,
			Msg: "compressed data does not expand"}
	}
	done := err == io.EOF
	in.pending = !done
	in.size += int64(len(p))
	*ev = wire.Event{Op: in.op, First: !in.begun, Last: done && in.last, FrameEnd: done, Data: p}
	in.begun = true
	return nil
}

func (s *Session) tooBig() error {
	return &wire.ProtocolError{Version: s.draft.Version, Fault: wire.FaultTooBig, Code: wire.CodeTooBig,
		Msg: "message above the limit when expanded"}
}

// deflation is the writing half's compression.
type deflation struct {
	c         deflate.Compressor
	perFrame  bool
	threshold int
	on        bool // the message in hand is compressed
}

// packs decides whether a frame is compressed.
func (d *deflation) packs(op wire.Op, fin bool, n int) bool {
	if op != wire.OpContinuation || d.perFrame {
		d.on = d.pays(fin, n)
	}
	return d.on
}

// pack compresses a frame and appends it.
func (d *deflation) pack(codec wire.Codec, dst []byte, op wire.Op, fin bool, p []byte) ([]byte, error) {
	buf := pool.Get(len(p)/2 + 64)
	defer pool.Put(buf)
	buf.B = d.c.Append(buf.B, p, fin || d.perFrame)
	if op != wire.OpContinuation || d.perFrame {
		op |= wire.RSV1
	}
	return codec.AppendFrame(dst, op, fin, buf.B)
}

// The ways in which a whole message may be encoded once for many connections.
const (
	Plain = iota
	CompressedMessage
	CompressedFrame
	NumEncodings
)

// Encoding returns how a whole message of n bytes would be sent; ok is false
// where that depends on what this connection has sent before.
func (s *Session) Encoding(n int) (encoding int, ok bool) {
	if s.z == nil {
		return Plain, true
	}
	d := &s.z.out
	switch {
	case !d.pays(true, n):
		return Plain, true
	case d.c.Takeover || d.c.Window > 0 && n > d.c.Window:
		return 0, false
	case d.perFrame:
		return CompressedFrame, true
	}
	return CompressedMessage, true
}

// Encode returns a whole message as a server of d sends it.
func Encode(d *wire.Draft, encoding int, op wire.Op, p []byte) ([]byte, error) {
	var cfg Config
	if encoding != Plain {
		cfg.Deflate = &deflate.Params{Name: "any", PerFrame: encoding == CompressedFrame, ServerNoTake: true, ClientNoTake: true}
	}
	const room = 16 // more than a head
	return New(d, cfg).AppendFrame(make([]byte, 0, len(p)+room), op, true, p)
}

// pays: is it worth it? How long a message in several frames will be is not
// known.
func (d *deflation) pays(fin bool, n int) bool {
	return !fin && !d.perFrame || n >= d.threshold
}
