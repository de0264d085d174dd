// Package hixie holds the mechanism that hixie-75 and hixie-76 share: frames
// of the form 00 text FF, and the key challenge of hixie-76. What a draft
// decides stands in its own package.
package hixie

import (
	"bytes"
	"fmt"
	"io"
	"math"

	"github.com/draftwire/draftwire/wire"
)

// Profile is what a draft decides about its frames.
type Profile struct {
	Version wire.Version
	Close   bool   // FF 00 closes (hixie-76); else it is an empty frame to skip (hixie-75)
	Section string // where frames stand in the document
}

// maxLengthBytes bounds a length: nine groups of seven bits fill 63.
const maxLengthBytes = 9

// The states of the reader.
const (
	atType    = iota // between frames
	inText           // behind 00, before FF
	inSkipped        // behind 01-7F, before FF
	inLength         // behind 80-FF
	inPayload        // behind the length
)

// Codec frames one connection.
type Codec struct {
	p     *Profile
	role  wire.Role
	limit int64

	// reader
	err   error
	state uint8
	typ   byte
	begun bool  // an event of the frame in hand was given
	size  int64 // bytes of the frame so far, or its length
	bytes int   // length bytes read

	open bool // writer: a text frame has begun
}

// NewCodec returns a codec for one connection.
func NewCodec(p *Profile, cfg wire.CodecConfig) *Codec {
	return &Codec{p: p, role: cfg.Role, limit: math.MaxInt64}
}

// SetLimit implements wire.Codec.
func (c *Codec) SetLimit(n int64) {
	if n <= 0 {
		n = math.MaxInt64
	}
	c.limit = n
}

func (c *Codec) fail(f wire.Fault, code wire.CloseCode, msg string) error {
	c.err = &wire.ProtocolError{Version: c.p.Version, Fault: f, Section: c.p.Section, Code: code, Msg: msg}
	return c.err
}

// Decode implements wire.Codec.
func (c *Codec) Decode(p []byte, ev *wire.Event) (int, error) {
	*ev = wire.Event{}
	if c.err != nil {
		return 0, c.err
	}
	n := 0
	for n < len(p) {
		switch c.state {
		case atType:
			c.typ, c.begun, c.size, c.bytes = p[n], false, 0, 0
			n++
			switch {
			case c.typ == 0x00:
				c.state = inText
			case c.typ == 0xFF:
				c.state = inLength // FF needs its length to know whether it closes
			case c.role == wire.Server:
				// A server may abort on any other type: hixie-75 5.3, hixie-76 5.3.
				return n, c.fail(wire.FaultHixieType, wire.CodeProtocol, fmt.Sprintf("frame type %#02x from a client", c.typ))
			case c.typ < 0x80:
				c.state = inSkipped
			default:
				c.state = inLength
			}
		case inText, inSkipped:
			return c.sentinel(p, n, ev)
		case inLength:
			b := p[n]
			n++
			if c.bytes++; c.bytes > maxLengthBytes {
				return n, c.fail(wire.FaultHixieLength, wire.CodeTooBig, "frame length without end")
			}
			c.size = c.size<<7 | int64(b&0x7F)
			if b&0x80 != 0 {
				continue
			}
			if c.typ == 0xFF && c.size == 0 && c.p.Close {
				c.state = atType
				*ev = wire.Event{Op: wire.OpClose, First: true, Last: true, FrameEnd: true, Code: wire.CodeNoStatus}
				return n, nil
			}
			if c.role == wire.Server && c.size > 0 {
				return n, c.fail(wire.FaultHixieType, wire.CodeProtocol, "frame type 0xff with a length from a client")
			}
			if c.size > c.limit {
				return n, c.fail(wire.FaultHixieLength, wire.CodeTooBig, "frame length above the limit")
			}
			c.state = inPayload
			if c.size == 0 {
				return n, c.skip(nil, ev)
			}
		case inPayload:
			take := int(min(c.size, int64(len(p)-n)))
			c.size -= int64(take)
			return n + take, c.skip(p[n:n+take], ev)
		}
	}
	return n, nil
}

// sentinel takes bytes from p[n:] up to FF. What fits the limit is delivered
// before a message above it fails.
func (c *Codec) sentinel(p []byte, n int, ev *wire.Event) (int, error) {
	data := p[n:]
	end := bytes.IndexByte(data, 0xFF)
	if end >= 0 {
		data = data[:end]
	}
	if room := c.limit - c.size; int64(len(data)) > room {
		if room == 0 {
			return n, c.fail(wire.FaultTooBig, wire.CodeTooBig, "message above the limit")
		}
		data, end = data[:room], -1
	}
	n += len(data)
	c.size += int64(len(data))
	*ev = wire.Event{Op: wire.OpText, First: !c.begun, Last: end >= 0, FrameEnd: end >= 0, Data: data}
	if c.state == inSkipped {
		ev.Op = wire.OpDiscard
	}
	c.begun = true
	if end >= 0 {
		c.state = atType
		n++ // FF itself
	}
	return n, nil
}

// skip gives the next piece of a length frame, which the drafts tell to
// discard.
func (c *Codec) skip(data []byte, ev *wire.Event) error {
	done := c.size == 0
	*ev = wire.Event{Op: wire.OpDiscard, First: !c.begun, Last: done, FrameEnd: done, Data: data}
	c.begun = true
	if done {
		c.state = atType
	}
	return nil
}

// EOF implements wire.Codec.
func (c *Codec) EOF() error {
	if c.err == nil && c.state != atType {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// AppendFrame implements wire.Codec. A text frame has no length, so a message
// in pieces is one frame on the wire: 00 at its start, FF at its end.
func (c *Codec) AppendFrame(dst []byte, op wire.Op, fin bool, payload []byte) ([]byte, error) {
	if err := c.mayFrame(op, payload); err != nil {
		return dst, err
	}
	if op == wire.OpText {
		dst = append(dst, 0x00)
	}
	dst = append(dst, payload...)
	if fin {
		dst = append(dst, 0xFF)
	}
	c.open = !fin
	return dst, nil
}

// AppendBorders implements wire.Codec.
func (c *Codec) AppendBorders(dst []byte, op wire.Op, fin bool, payload []byte) (out []byte, head int, err error) {
	if c.role == wire.Client {
		return dst, 0, wire.ErrUnsupported
	}
	if err := c.mayFrame(op, payload); err != nil {
		return dst, 0, err
	}
	if op == wire.OpText {
		dst, head = append(dst, 0x00), 1
	}
	if fin {
		dst = append(dst, 0xFF)
	}
	c.open = !fin
	return dst, head, nil
}

func (c *Codec) mayFrame(op wire.Op, payload []byte) error {
	if op != wire.OpText && op != wire.OpContinuation {
		return wire.ErrUnsupported
	}
	if bytes.IndexByte(payload, 0xFF) >= 0 {
		return wire.ErrInvalidText // it would end the frame
	}
	return nil
}

// Left implements wire.Codec: text has no length.
func (c *Codec) Left() int64 { return 0 }

// AppendClose implements wire.Codec. Inside an open text frame nothing can be
// said, as FF would end the text: the caller closes the stream.
func (c *Codec) AppendClose(dst []byte, _ wire.CloseCode, _ string) ([]byte, error) {
	if !c.p.Close || c.open {
		return dst, nil
	}
	return append(dst, 0xFF, 0x00), nil
}
