// Package hybi holds the mechanism of length-prefixed frames (hybi-07 to RFC
// 6455) and of the handshake with Sec-WebSocket-Key. What a draft decides
// stands in its own package, as a Profile.
package hybi

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/draftwire/draftwire/wire"
)

// Profile is what a draft decides about its frames.
type Profile struct {
	Version wire.Version
	Chapter string // of data framing in the document: "4" or "5"
	Closing string // section of the status codes
	Minimal bool   // a length longer than needed is an error (RFC 6455 5.2)
	// MaskedServer: a client takes masked frames (until draft 14).
	MaskedServer bool
	// Says gives the code that the draft has for a code of RFC 6455.
	Says func(wire.CloseCode) wire.CloseCode
	// Means is its inverse for a code on the wire; false where the code must
	// not stand there.
	Means func(wire.CloseCode) (wire.CloseCode, bool)
}

const (
	maxHead    = 14  // 2 bytes, 8 of length, 4 of mask
	maxControl = 125 // RFC 6455 5.5
)

// opcodes: RFC 6455 5.2, the same since hybi-07.
var opcodes = [16]wire.Op{0x0: wire.OpContinuation, 0x1: wire.OpText, 0x2: wire.OpBinary,
	0x8: wire.OpClose, 0x9: wire.OpPing, 0xA: wire.OpPong}

// numbers is the inverse of opcodes.
var numbers = [...]byte{wire.OpContinuation: 0x0, wire.OpText: 0x1, wire.OpBinary: 0x2,
	wire.OpClose: 0x8, wire.OpPing: 0x9, wire.OpPong: 0xA}

// Codec frames one connection.
type Codec struct {
	p        *Profile
	role     wire.Role
	tolerate wire.Tolerances
	seen     func(wire.Tolerances)
	rand     io.Reader
	limit    int64

	// reader
	err     error
	inFrame bool
	nhead   uint8
	head    [maxHead]byte
	op      wire.Op // of the frame in hand
	fin     bool
	masked  bool
	mask    [4]byte
	pos     int   // payload bytes unmasked so far, for the mask's phase
	left    int64 // payload bytes still to come
	msg     wire.Op
	begun   bool // an event of the message in hand was given
	size    int64
	nctl    int
	ctl     [maxControl]byte

	wmask [4]byte // writer
}

// NewCodec returns a codec for one connection.
func NewCodec(p *Profile, cfg wire.CodecConfig) *Codec {
	c := &Codec{p: p, role: cfg.Role, tolerate: cfg.Tolerate, seen: cfg.Seen, rand: cfg.Rand, limit: math.MaxInt64}
	if c.rand == nil {
		c.rand = rand.Reader
	}
	return c
}

// SetLimit implements wire.Codec.
func (c *Codec) SetLimit(n int64) {
	if n <= 0 {
		n = math.MaxInt64
	}
	c.limit = n
}

func (c *Codec) fail(f wire.Fault, code wire.CloseCode, section, msg string) error {
	c.err = &wire.ProtocolError{Version: c.p.Version, Fault: f, Section: section, Code: code, Msg: msg}
	return c.err
}

// frameFault is a protocol error in section c.Chapter.sub.
func (c *Codec) frameFault(f wire.Fault, sub, msg string) error {
	return c.fail(f, wire.CodeProtocol, c.p.Chapter+sub, msg)
}

// Decode implements wire.Codec.
func (c *Codec) Decode(p []byte, ev *wire.Event) (int, error) {
	*ev = wire.Event{}
	if c.err != nil {
		return 0, c.err
	}
	n := 0
	if !c.inFrame {
		var ok bool
		if n, ok = c.takeHead(p); !ok || c.err != nil {
			return n, c.err
		}
	}
	data := p[n:]
	if int64(len(data)) > c.left {
		data = data[:c.left]
	}
	if c.masked {
		Mask(data, c.mask, c.pos)
		c.pos += len(data)
	}
	c.left -= int64(len(data))
	n += len(data)
	if c.op.IsData() || c.op == wire.OpContinuation {
		if len(data) == 0 && c.left > 0 {
			return n, nil
		}
		c.dataEvent(data, ev)
		return n, nil
	}
	if c.left > 0 || c.nctl > 0 { // a control frame in pieces: gathered
		c.nctl += copy(c.ctl[c.nctl:], data)
		if c.left > 0 {
			return n, nil
		}
		data = c.ctl[:c.nctl]
	}
	c.inFrame = false
	*ev = wire.Event{Op: c.op, First: true, Last: true, FrameEnd: true, Data: data}
	if c.op == wire.OpClose {
		return n, c.closeEvent(ev)
	}
	return n, nil
}

func (c *Codec) dataEvent(data []byte, ev *wire.Event) {
	*ev = wire.Event{Op: c.msg, First: !c.begun, Data: data}
	c.begun = true
	if c.left == 0 {
		c.inFrame, ev.FrameEnd = false, true
		if c.fin {
			c.msg, ev.Last = wire.OpNone, true
		}
	}
}

// takeHead reads a frame head from p, which may hold only a part of it. ok is
// false while the head is not complete.
func (c *Codec) takeHead(p []byte) (n int, ok bool) {
	h := p
	if c.nhead == 0 && len(p) >= 2 && len(p) >= headSize(p[1]) {
		if c.judge(p[0], p[1]) != nil {
			return 2, false
		}
		n = headSize(p[1])
	} else {
		need := 2
		if c.nhead >= 2 {
			need = headSize(c.head[1])
		}
		for int(c.nhead) < need {
			if n == len(p) {
				return n, false
			}
			c.head[c.nhead] = p[n]
			c.nhead++
			n++
			if c.nhead == 2 && c.judge(c.head[0], c.head[1]) != nil {
				return n, false
			}
			if c.nhead >= 2 {
				need = headSize(c.head[1])
			}
		}
		h, c.nhead = c.head[:], 0
	}
	if c.measure(h) != nil {
		return n, false
	}
	c.inFrame = true
	return n, true
}

// headSize returns the length of a frame head by its second byte.
func headSize(b byte) int {
	n := 2
	switch b & 0x7F {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b&0x80 != 0 {
		n += 4
	}
	return n
}

// judge checks what the first two bytes of a head say, and begins the frame.
func (c *Codec) judge(b0, b1 byte) error {
	c.fin = b0&0x80 != 0
	c.op = opcodes[b0&0x0F]
	c.masked = b1&0x80 != 0
	control := b0&0x08 != 0
	switch {
	case b0&0x70 != 0:
		return c.frameFault(wire.FaultRSV, ".2", "reserved bit set")
	case c.op == wire.OpNone:
		return c.frameFault(wire.FaultOpcode, ".2", fmt.Sprintf("reserved opcode %#x", b0&0x0F))
	case control && !c.fin:
		return c.frameFault(wire.FaultControlFrag, ".4", "fragmented control frame")
	case c.role == wire.Server && !c.masked && !c.tolerated(wire.TolerateUnmasked) &&
		!(b1 == 0 && c.tolerated(wire.TolerateEmptyUnmasked)):
		return c.frameFault(wire.FaultUnmasked, ".1", "client frame without mask")
	case c.role == wire.Client && c.masked && !c.p.MaskedServer:
		return c.frameFault(wire.FaultMasked, ".1", "server frame with mask")
	case control && b1&0x7F > maxControl:
		return c.frameFault(wire.FaultControlLong, ".5", "control frame above 125 bytes")
	case control:
		return nil
	case c.op == wire.OpContinuation && c.msg == wire.OpNone:
		return c.frameFault(wire.FaultOrphan, ".4", "continuation of nothing")
	case c.op != wire.OpContinuation && c.msg != wire.OpNone:
		return c.frameFault(wire.FaultInterleaved, ".4", "new message inside a message")
	}
	if c.op != wire.OpContinuation {
		c.msg, c.begun, c.size = c.op, false, 0
	}
	return nil
}

func (c *Codec) tolerated(t wire.Tolerances) bool {
	if !c.tolerate.Has(t) {
		return false
	}
	if c.seen != nil {
		c.seen(t)
	}
	return true
}

// measure reads length and mask from a complete head.
func (c *Codec) measure(h []byte) error {
	length, at := uint64(h[1]&0x7F), 2
	shortest := uint64(0)
	switch length {
	case 126:
		length, at, shortest = uint64(binary.BigEndian.Uint16(h[2:])), 4, 126
	case 127:
		length, at, shortest = binary.BigEndian.Uint64(h[2:]), 10, 1<<16
	}
	if length>>63 != 0 {
		return c.frameFault(wire.FaultLengthMSB, ".2", "top bit of the length set")
	}
	if c.p.Minimal && length < shortest {
		return c.frameFault(wire.FaultLengthLong, ".2", "length written longer than needed")
	}
	if c.op.IsData() || c.op == wire.OpContinuation {
		if int64(length) > c.limit-c.size {
			return c.fail(wire.FaultTooBig, wire.CodeTooBig, "", fmt.Sprintf("message above the limit of %d bytes", c.limit))
		}
		c.size += int64(length)
	}
	c.left, c.pos, c.nctl = int64(length), 0, 0
	if c.masked {
		copy(c.mask[:], h[at:at+4])
	}
	return nil
}

// closeEvent reads the body of a close frame (RFC 6455 5.5.1, 7.4).
func (c *Codec) closeEvent(ev *wire.Event) error {
	body := ev.Data
	ev.Code, ev.Data = wire.CodeNoStatus, nil
	var err error
	switch {
	case len(body) == 0:
	case len(body) == 1:
		err = c.frameFault(wire.FaultCloseLength, ".5.1", "close frame with a body of one byte")
	default:
		raw := wire.CloseCode(binary.BigEndian.Uint16(body))
		code, ok := c.p.Means(raw)
		ev.Code, ev.Data = code, body[2:]
		if !ok {
			err = c.fail(wire.FaultCloseCode, wire.CodeProtocol, c.p.Closing, fmt.Sprintf("close code %d must not be sent", raw))
		} else if !utf8.Valid(body[2:]) {
			err = c.fail(wire.FaultCloseText, wire.CodeInvalidData, c.p.Chapter+".5.1", "close reason is not UTF-8")
		}
	}
	if err != nil {
		*ev = wire.Event{}
	}
	return err
}

// EOF implements wire.Codec.
func (c *Codec) EOF() error {
	if c.err == nil && (c.inFrame || c.nhead > 0 || c.msg != wire.OpNone) {
		return io.ErrUnexpectedEOF
	}
	return nil
}
