// Package hybi holds the mechanism of length-prefixed frames (hybi-02 to RFC
// 6455) and of the handshake with Sec-WebSocket-Key. What a draft decides
// stands in its own package, as a Profile.
package hybi

import (
	"crypto/sha1"
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
	Chapter string   // of data framing in the document: "4" or "5"
	Opcodes *Opcodes // numbers of the operations
	More    bool     // bit 7 of the first byte says that more follows, not that this is the last
	Masking Masking  // of what a client sends
	Minimal bool     // a length longer than needed is an error (RFC 6455 5.2)
	// MaskedServer: a client takes masked frames (until draft 14).
	MaskedServer bool
	Close        Close
}

// Masking is how a client's frames are hidden from proxies.
type Masking uint8

// The ways of masking, newest first.
const (
	MaskPayload Masking = iota // four bytes at the end of the head, over the payload
	MaskFrame                  // four bytes before the head, over head and payload
	MaskHash                   // four bytes before the head, SHA-1 of them and the connection's key over both
	MaskNone
)

// Close is what the body of a close frame holds.
type Close struct {
	Section string // of the status codes in the document
	// Says gives the code that the draft has for a code of RFC 6455; nil where
	// a close frame has no code.
	Says func(wire.CloseCode) wire.CloseCode
	// Means is its inverse for a code on the wire; false where the code must
	// not stand there.
	Means func(wire.CloseCode) (wire.CloseCode, bool)
	// Without codes: Letters are what a server and a client put there, Opaque
	// is any body, which the answer repeats.
	Letters string
	Opaque  bool
}

const (
	maxHead    = 14  // 2 bytes, 8 of length, 4 of mask
	maxControl = 125 // RFC 6455 5.5
)

// Opcodes are the numbers of the operations, both ways.
type Opcodes struct {
	ops     [16]wire.Op
	numbers [wire.OpClose + 1]byte
}

func numbered(ops [16]wire.Op) Opcodes {
	o := Opcodes{ops: ops}
	for i, op := range ops {
		o.numbers[op] = byte(i)
	}
	return o
}

// The two numberings.
var (
	// Opcodes02 is that of hybi-01 to hybi-06.
	Opcodes02 = numbered([16]wire.Op{0x0: wire.OpContinuation, 0x1: wire.OpClose, 0x2: wire.OpPing, 0x3: wire.OpPong,
		0x4: wire.OpText, 0x5: wire.OpBinary})
	// Opcodes07 is that of hybi-07 and later (RFC 6455 5.2).
	Opcodes07 = numbered([16]wire.Op{0x0: wire.OpContinuation, 0x1: wire.OpText, 0x2: wire.OpBinary,
		0x8: wire.OpClose, 0x9: wire.OpPing, 0xA: wire.OpPong})
)

// Codec frames one connection.
type Codec struct {
	p        *Profile
	role     wire.Role
	tolerate wire.Tolerances
	rsv1Use  wire.RSV1Use
	usual    bool // frames come with a mask over their payload, bit 7 marks the last, and none had a fault
	seen     func(wire.Tolerances)
	limit    int64
	own      *masks // nil where frames are sent without mask and no key is needed

	// reader
	err     error
	ctl     *pieces // of a control frame; nil between them
	left    int64   // payload bytes still to come
	size    int64   // of the message in hand, as far as its frames were announced
	head    [maxHead]byte
	mask    [maskSize]byte
	pos     uint8 // the mask's phase
	nhead   uint8
	inFrame bool
	op      wire.Op // of the frame in hand
	fin     bool
	rsv1    bool // the frame in hand has it
	masked  bool
	msg     wire.Op // of the message in hand
	begun   bool    // an event of the message in hand was given
}

// masks is what a codec needs that masks its frames, or unmasks by a key.
type masks struct {
	rand io.Reader // nil: newMask
	key  []byte    // of hybi-04's masks
	mask [maskSize]byte
}

// pieces gathers a control frame that does not come at once.
type pieces struct {
	n int
	b [maxControl]byte
}

const maskSize = sha1.Size // the longest period, MaskHash's

// NewCodec returns a codec for one connection.
func NewCodec(p *Profile, cfg wire.CodecConfig) *Codec {
	c := &Codec{p: p, role: cfg.Role, tolerate: cfg.Tolerate, seen: cfg.Seen, rsv1Use: cfg.RSV1, limit: math.MaxInt64}
	c.usual = cfg.Role == wire.Server && p.Masking == MaskPayload && !p.More
	if cfg.Role == wire.Client || p.Masking == MaskHash {
		c.own = &masks{rand: cfg.Rand, key: cfg.MaskKey}
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
	c.usual = false
	c.err = &wire.ProtocolError{Version: c.p.Version, Fault: f, Section: section, Code: code, Msg: msg}
	return c.err
}

// frameFault is a protocol error in section c.Chapter.sub.
func (c *Codec) frameFault(f wire.Fault, sub, msg string) error {
	return c.fail(f, wire.CodeProtocol, c.p.Chapter+sub, msg)
}

// Decode implements wire.Codec.
func (c *Codec) Decode(p []byte, ev *wire.Event) (int, error) {
	if n := c.takeShort(p, ev); n > 0 {
		return n, nil
	}
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
		c.p.Masking.apply(data, &c.mask, int(c.pos))
		c.pos = uint8((int(c.pos) + len(data)) % maskSize) // a whole number of either period
	}
	c.left -= int64(len(data))
	n += len(data)
	if c.op.IsControl() {
		return n, c.controlEvent(data, ev)
	}
	if len(data) > 0 || c.left == 0 {
		c.dataEvent(data, ev)
	}
	return n, nil
}

// takeShort takes a short message in one masked frame, if that is what p begins
// with: by far the most are, and what the general way finds out piece by piece
// is known of them at once. 0 leaves p to the general way.
func (c *Codec) takeShort(p []byte, ev *wire.Event) int {
	const head, most = 6, 0x80 | 125
	if !c.usual || c.inFrame || c.nhead > 0 || c.msg != wire.OpNone || len(p) < head || p[0]&0xF0 != 0x80 || p[1] < 0x80 || p[1] > most {
		return 0
	}
	op, end := c.p.Opcodes.ops[p[0]&0x0F], head+int(p[1]&0x7F)
	if !op.IsData() || len(p) < end || int64(end-head) > c.limit {
		return 0
	}
	data := p[head:end]
	Mask(data, [4]byte(p[2:]), 0)
	ev.Op, ev.First, ev.Last, ev.FrameEnd, ev.RSV1, ev.Code, ev.Data = op, true, true, true, false, 0, data
	return end
}

func (c *Codec) controlEvent(data []byte, ev *wire.Event) error {
	if c.left > 0 || c.ctl != nil {
		if c.ctl == nil {
			c.ctl = new(pieces)
		}
		c.ctl.n += copy(c.ctl.b[c.ctl.n:], data)
		if c.left > 0 {
			return nil
		}
		data, c.ctl = c.ctl.b[:c.ctl.n], nil
	}
	c.inFrame = false
	*ev = wire.Event{Op: c.op, First: true, Last: true, FrameEnd: true, Data: data}
	if c.op == wire.OpClose {
		return c.closeEvent(ev)
	}
	return nil
}

func (c *Codec) dataEvent(data []byte, ev *wire.Event) {
	ev.Op, ev.First, ev.RSV1, ev.Data = c.msg, !c.begun, c.rsv1, data
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
	if c.role == wire.Server && c.p.Masking.hidesHead() {
		return c.takeHidden(p)
	}
	h := p
	if c.nhead == 0 && len(p) >= 2 && len(p) >= headSize(p[1]) {
		if c.judge(p[0], p[1]) != nil {
			return 2, false
		}
		n = headSize(p[1])
	} else {
		for c.nhead < 2 || int(c.nhead) < headSize(c.head[1]) {
			if n == len(p) {
				return n, false
			}
			c.head[c.nhead] = p[n]
			c.nhead++
			n++
			if c.nhead == 2 && c.judge(c.head[0], c.head[1]) != nil {
				return n, false
			}
		}
		h, c.nhead = c.head[:], 0
	}
	if c.measure(h) != nil {
		return n, false
	}
	if c.masked {
		copy(c.mask[:4], h[headSize(h[1])-4:])
	}
	c.inFrame = true
	return n, true
}

// takeHidden reads four bytes in clear, which make the mask, and the head
// behind them, which is masked with the payload (hybi-04 4.2, hybi-05 4.2).
func (c *Codec) takeHidden(p []byte) (n int, ok bool) {
	const clear = 4
	for c.nhead < clear+2 || int(c.nhead) < clear+headSize(c.head[clear+1]) {
		if n == len(p) {
			return n, false
		}
		c.head[c.nhead] = p[n]
		n++
		switch c.nhead++; {
		case c.nhead == clear:
			c.makeMask(&c.mask, c.head[:clear])
			c.pos = 0
		case c.nhead > clear:
			c.p.Masking.apply(c.head[c.nhead-1:c.nhead], &c.mask, int(c.pos))
			c.pos++
		}
		if c.nhead == clear+2 && c.judge(c.head[clear], c.head[clear+1]) != nil {
			return n, false
		}
	}
	c.nhead = 0
	if c.measure(c.head[clear:]) != nil {
		return n, false
	}
	c.masked, c.inFrame = true, true
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
	c.fin = b0&0x80 != 0 != c.p.More
	c.op = c.p.Opcodes.ops[b0&0x0F]
	c.rsv1 = b0&0x40 != 0
	c.masked = b1&0x80 != 0
	payloadMask := c.p.Masking == MaskPayload // else the bit is a fourth reserved one
	switch {
	case b0&0x30 != 0, c.rsv1 && !c.mayRSV1(), c.masked && !payloadMask:
		return c.frameFault(wire.FaultRSV, ".2", "reserved bit set")
	case c.op == wire.OpNone:
		return c.frameFault(wire.FaultOpcode, ".2", fmt.Sprintf("reserved opcode %#x", b0&0x0F))
	case c.op.IsControl() && !c.fin:
		return c.frameFault(wire.FaultControlFrag, ".4", "fragmented control frame")
	case payloadMask && c.role == wire.Server && !c.masked && !c.tolerated(wire.TolerateUnmasked) &&
		!(b1 == 0 && c.tolerated(wire.TolerateEmptyUnmasked)):
		return c.frameFault(wire.FaultUnmasked, ".1", "client frame without mask")
	case c.role == wire.Client && c.masked && !c.p.MaskedServer:
		return c.frameFault(wire.FaultMasked, ".1", "server frame with mask")
	case c.op.IsControl() && b1&0x7F > maxControl:
		return c.frameFault(wire.FaultControlLong, ".5", "control frame above 125 bytes")
	case c.op.IsControl():
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

// mayRSV1: may the frame in hand have the first reserved bit?
func (c *Codec) mayRSV1() bool {
	switch c.rsv1Use {
	case wire.RSV1Message:
		return c.op.IsData()
	case wire.RSV1Frame:
		return c.op.IsData() || c.op == wire.OpContinuation
	}
	return false
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

// measure reads the length from a complete head.
func (c *Codec) measure(h []byte) error {
	length, shortest := uint64(h[1]&0x7F), uint64(0)
	switch length {
	case 126:
		length, shortest = uint64(binary.BigEndian.Uint16(h[2:])), 126
	case 127:
		length, shortest = binary.BigEndian.Uint64(h[2:]), 1<<16
	}
	if length>>63 != 0 {
		return c.frameFault(wire.FaultLengthMSB, ".2", "top bit of the length set")
	}
	if c.p.Minimal && length < shortest {
		return c.frameFault(wire.FaultLengthLong, ".2", "length written longer than needed")
	}
	if !c.op.IsControl() {
		if int64(length) > c.limit-c.size {
			return c.fail(wire.FaultTooBig, wire.CodeTooBig, "", fmt.Sprintf("message above the limit of %d bytes", c.limit))
		}
		c.size += int64(length)
	}
	c.left = int64(length)
	if c.p.Masking == MaskPayload {
		c.pos = 0
	}
	return nil
}

// closeEvent reads the body of a close frame (RFC 6455 5.5.1, 7.4).
func (c *Codec) closeEvent(ev *wire.Event) error {
	body := ev.Data
	ev.Code, ev.Data = wire.CodeNoStatus, nil
	var err error
	switch {
	case c.p.Close.Opaque:
		ev.Data = body
	case c.p.Close.Means == nil, len(body) == 0:
	case len(body) == 1:
		err = c.frameFault(wire.FaultCloseLength, ".5.1", "close frame with a body of one byte")
	default:
		raw := wire.CloseCode(binary.BigEndian.Uint16(body))
		code, ok := c.p.Close.Means(raw)
		ev.Code, ev.Data = code, body[2:]
		if !ok {
			err = c.fail(wire.FaultCloseCode, wire.CodeProtocol, c.p.Close.Section, fmt.Sprintf("close code %d must not be sent", raw))
		} else if !utf8.Valid(body[2:]) {
			err = c.fail(wire.FaultCloseText, wire.CodeInvalidData, c.p.Chapter+".5.1", "close reason is not UTF-8")
		}
	}
	if err != nil {
		*ev = wire.Event{}
	}
	return err
}

// Left implements wire.Codec.
func (c *Codec) Left() int64 {
	if !c.inFrame || c.op.IsControl() {
		return 0
	}
	return c.left
}

// EOF implements wire.Codec.
func (c *Codec) EOF() error {
	if c.err == nil && (c.inFrame || c.nhead > 0 || c.msg != wire.OpNone) {
		return io.ErrUnexpectedEOF
	}
	return nil
}
