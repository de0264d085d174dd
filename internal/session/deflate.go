package session

import (
	"io"
	"math"

	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/pool"
	"github.com/draftwire/draftwire/wire"
)

// inflation is the compression of the reading half. It works on units: a unit is a message,
// or with deflate-frame a frame.
type inflation struct {
	x        deflate.Expander
	perFrame bool
	limit    int64 // of a message, after it was expanded

	compressed bool // this unit is
	delivered  bool // an event of this message was delivered
	pending    bool // the unit is complete, and more of it is to be delivered
	op         wire.Op
	last       bool  // the unit ends the message
	size       int64 // bytes of the message that were delivered
}

// inflate gathers the bytes of a compressed unit; ev becomes OpNone. When the unit is
// complete, pending is set. Events of a unit that is not compressed pass.
func (s *Session) inflate(ev *wire.Event) error {
	in := &s.z.in
	if ev.First {
		in.delivered, in.size, in.compressed = false, 0, ev.RSV1
	}
	if in.perFrame {
		in.compressed = ev.RSV1
	}
	if !in.compressed {
		in.delivered = true
		in.size += int64(len(ev.Data))
		if in.limit > 0 && in.size+s.codec.Remaining() > in.limit { // refused as soon as it is known
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

// expand delivers the next part of the pending unit.
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
	*ev = wire.Event{Op: in.op, First: !in.delivered, Last: done && in.last, FrameEnd: done, Data: p}
	in.delivered = true
	return nil
}

func (s *Session) tooBig() error {
	return &wire.ProtocolError{Version: s.draft.Version, Fault: wire.FaultTooBig, Code: wire.CodeTooBig,
		Msg: "message above the limit when expanded"}
}

// deflation is the compression of the writing half.
type deflation struct {
	c          deflate.Compressor
	perFrame   bool
	threshold  int
	off        bool // SetCompress
	compressed bool // this message is, or with deflate-frame this frame
}

// packs reports whether a frame is compressed, and decides it for the first of a message.
func (d *deflation) packs(op wire.Op, fin bool, n int) bool {
	if op != wire.OpContinuation || d.perFrame {
		d.compressed = d.worthIt(fin, n)
	}
	return d.compressed
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

// Encoding returns how a whole message of n bytes would be sent. ok is false where that
// depends on what this connection has sent before.
func (s *Session) Encoding(n int) (encoding int, ok bool) {
	if s.z == nil {
		return Plain, true
	}
	d := &s.z.out
	switch {
	case !d.worthIt(true, n):
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

// worthIt reports whether n bytes are to be compressed. A message in several frames is, as
// its length is not known.
func (d *deflation) worthIt(fin bool, n int) bool {
	return !d.off && (!fin && !d.perFrame || n >= d.threshold)
}

// SetCompress says whether messages that begin from now on may be compressed, which they may
// at first where compression was agreed on. It belongs to the half that writes.
func (s *Session) SetCompress(yes bool) {
	if s.z != nil {
		s.z.out.off = !yes
	}
}
