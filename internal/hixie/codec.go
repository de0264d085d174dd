// Package hixie is the mechanism that hixie-75 and hixie-76 share: frames of the form 00
// text FF, and the handshake with two keys of hixie-76. What a draft decides stands in the
// draft's own package, as a FrameProfile and a HandshakeProfile.
package hixie

import (
	"bytes"
	"fmt"
	"io"
	"math"

	"github.com/draftwire/draftwire/wire"
)

// FrameProfile is what a draft decides about its frames.
type FrameProfile struct {
	Version wire.Version
	Close   bool   // FF 00 is a close (hixie-76), not an empty frame to discard (hixie-75)
	Section string // the section of the document on frames
}

// maxLengthBytes is the longest length: nine groups of seven bits are 63 bits.
const maxLengthBytes = 9

// The states of the reader.
const (
	atType      = iota // between frames
	inText             // after 00, before FF
	inDiscarded        // after 01 to 7F, before FF
	inLength           // after 80 to FF
	inPayload          // after the length
	inCRLF             // after CR, where CR LF before the first frame is tolerated
)

// Codec implements wire.Codec for one connection.
type Codec struct {
	profile *FrameProfile
	role    wire.Role

	// the writing half
	inMessage bool // a text frame has begun and has not ended

	// the reading half
	crlf        bool // CR LF may come: no frame has, and it is tolerated
	state       uint8
	typ         byte
	begun       bool  // a frame has begun before
	delivered   bool  // an event of this frame was delivered
	lengthBytes uint8 // bytes of the length that were read
	limit       int64
	size        int64 // bytes of the frame until now; of a frame with a length, those that remain
	err         *wire.ProtocolError
	seen        func(wire.Tolerances)
}

// NewCodec returns a codec for one connection.
func NewCodec(p *FrameProfile, cfg wire.CodecConfig) *Codec {
	return &Codec{profile: p, role: cfg.Role, limit: math.MaxInt64, seen: cfg.Seen, crlf: cfg.Role == wire.Client && cfg.Tolerate.Has(wire.TolerateStrayCRLF)}
}

// SetLimit implements wire.Codec.
func (c *Codec) SetLimit(n int64) {
	if n <= 0 {
		n = math.MaxInt64
	}
	c.limit = n
}

func (c *Codec) fail(f wire.Fault, code wire.CloseCode, msg string) *wire.ProtocolError {
	err := &wire.ProtocolError{Version: c.profile.Version, Fault: f, Section: c.profile.Section, Code: code, Msg: msg}
	c.err = err
	return err
}

// wrongType fails with a frame type that no client sends. As the first byte of a connection
// it may be one of hybi-01.
func (c *Codec) wrongType() error {
	err := c.fail(wire.FaultHixieType, wire.CodeProtocol, fmt.Sprintf("frame type %#02x from a client", c.typ))
	if op := c.typ &^ 0x80; !c.begun && c.profile.Close && op >= 1 && op <= 5 {
		err.Tolerance = wire.TolerateHybi01
	}
	return err
}

// tolerated tells that a fault was accepted.
func (c *Codec) tolerated(t wire.Tolerances) {
	if c.seen != nil {
		c.seen(t)
	}
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
			c.typ, c.delivered = p[n], false
			c.size, c.lengthBytes = 0, 0
			n++
			mayBeCRLF := c.crlf && c.typ == '\r'
			c.crlf = false
			switch {
			case mayBeCRLF:
				c.state = inCRLF
			case c.typ == 0x00:
				c.state, c.begun = inText, true
			case c.typ == 0xFF:
				c.state, c.begun = inLength, true // whether FF is a close depends on its length
			case c.role == wire.Server:
				// A server may abort on any other type: hixie-75 5.3, hixie-76 5.3.
				return n, c.wrongType()
			case c.typ < 0x80:
				c.state = inDiscarded
			default:
				c.state = inLength
			}
		case inCRLF:
			if p[n] != '\n' { // it is a frame of type 0D
				c.state = inDiscarded
				continue
			}
			c.state = atType
			n++
			c.tolerated(wire.TolerateStrayCRLF)
		case inText, inDiscarded:
			return c.sentinel(p, n, ev)
		case inLength:
			b := p[n]
			n++
			if c.lengthBytes++; c.lengthBytes > maxLengthBytes {
				return n, c.fail(wire.FaultHixieLength, wire.CodeTooBig, "frame length without end")
			}
			c.size = c.size<<7 | int64(b&0x7F)
			if b&0x80 != 0 {
				continue
			}
			if c.typ == 0xFF && c.size == 0 && c.profile.Close {
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
				return n, c.discard(nil, ev)
			}
		case inPayload:
			take := int(min(c.size, int64(len(p)-n)))
			c.size -= int64(take)
			return n + take, c.discard(p[n:n+take], ev)
		}
	}
	return n, nil
}

// sentinel consumes bytes of p[n:] up to and including FF. Of a message that is too long it
// delivers what the limit allows, and then fails.
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
	*ev = wire.Event{Op: wire.OpText, First: !c.delivered, Last: end >= 0, FrameEnd: end >= 0, Data: data}
	if c.state == inDiscarded {
		ev.Op = wire.OpDiscard
	}
	c.delivered = true
	if end >= 0 {
		c.state = atType
		n++ // FF itself
	}
	return n, nil
}

// discard delivers a part of a frame with a length, which the drafts tell a receiver to
// discard.
func (c *Codec) discard(data []byte, ev *wire.Event) error {
	done := c.size == 0
	*ev = wire.Event{Op: wire.OpDiscard, First: !c.delivered, Last: done, FrameEnd: done, Data: data}
	c.delivered = true
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

// AppendFrame implements wire.Codec. A text frame has no length, so the fragments of a
// message are one frame on the wire: 00 at its start, FF at its end.
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
	c.inMessage = !fin
	return dst, nil
}

// AppendFraming implements wire.Codec.
func (c *Codec) AppendFraming(dst []byte, op wire.Op, fin bool, payload []byte) (out []byte, head int, err error) {
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
	c.inMessage = !fin
	return dst, head, nil
}

// mayFrame returns the error of a frame that must not be sent.
func (c *Codec) mayFrame(op wire.Op, payload []byte) error {
	if op != wire.OpText && op != wire.OpContinuation {
		return wire.ErrUnsupported
	}
	if bytes.IndexByte(payload, 0xFF) >= 0 {
		return wire.ErrInvalidText // it would end the frame
	}
	return nil
}

// Remaining implements wire.Codec. Text has no length, so it is always 0.
func (c *Codec) Remaining() int64 { return 0 }

// AppendClose implements wire.Codec. Inside a text frame it appends nothing, as FF would end
// the text. The caller then closes the stream.
func (c *Codec) AppendClose(dst []byte, _ wire.CloseCode, _ string) ([]byte, error) {
	if !c.profile.Close || c.inMessage {
		return dst, nil
	}
	return append(dst, 0xFF, 0x00), nil
}
