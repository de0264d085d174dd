// Package hybi is the mechanism of frames with a length (hybi-02 to RFC 6455) and of the
// handshake with Sec-WebSocket-Key (hybi-04 to RFC 6455). What a draft decides stands in
// the draft's own package, as a FrameProfile and a HandshakeProfile.
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

// FrameProfile is what a draft decides about its frames.
type FrameProfile struct {
	Version wire.Version
	Chapter string   // the chapter of the document on data framing: "4" or "5"
	Opcodes *Opcodes // the numbers of the operations
	// MoreBit: the first bit of a frame says that another frame of the message follows.
	// Where it is false the bit is FIN, which says the opposite.
	MoreBit bool
	Masking Masking // of a client's frames
	// MinimalLength: a length in more bytes than it needs is an error (RFC 6455 5.2).
	MinimalLength bool
	// MaskedServer: a client accepts masked frames (until draft 14).
	MaskedServer bool
	// HixieFrames: clients are known that send frames of hixie-76 behind this handshake.
	HixieFrames bool
	Close       Close
}

// Masking is how a client masks its frames, so that a page cannot choose the bytes that a
// proxy sees.
type Masking uint8

// The ways of masking, newest first.
const (
	MaskPayload Masking = iota // four bytes at the end of the head mask the payload
	MaskFrame                  // four bytes before the head mask head and payload
	MaskHash                   // SHA-1 of four bytes before the head and of the connection's key masks both
	MaskNone
)

// Close is what the body of a close frame holds.
type Close struct {
	Section string // the section of the document on status codes
	// ToWire returns the draft's number for a code of RFC 6455. It is nil where a close
	// frame has no code.
	ToWire func(wire.CloseCode) wire.CloseCode
	// FromWire is the inverse of ToWire. It returns false for a code that must not be
	// sent.
	FromWire func(wire.CloseCode) (wire.CloseCode, bool)
	// Letters is, where there are no codes, the body that a server sends (its first byte)
	// and the body that a client sends (its second).
	Letters string
	// Opaque: the body may be any bytes, and the answer to a close repeats them.
	Opaque bool
}

const (
	maxHead    = 14  // 2 bytes, 8 of length, 4 of mask
	maxControl = 125 // RFC 6455 5.5
)

// Opcodes maps the numbers of the operations to the operations, and back.
type Opcodes struct {
	ops     [16]wire.Op
	numbers [wire.OpClose + 1]byte
}

func opcodes(ops [16]wire.Op) Opcodes {
	o := Opcodes{ops: ops}
	for i, op := range ops {
		o.numbers[op] = byte(i)
	}
	return o
}

// Knows reports whether a number is an operation.
func (o *Opcodes) Knows(number byte) bool { return o.ops[number&0x0F] != wire.OpNone }

// The two numberings.
var (
	// Opcodes02 is that of hybi-01 to hybi-06.
	Opcodes02 = opcodes([16]wire.Op{0x0: wire.OpContinuation, 0x1: wire.OpClose, 0x2: wire.OpPing, 0x3: wire.OpPong,
		0x4: wire.OpText, 0x5: wire.OpBinary})
	// Opcodes07 is that of hybi-07 and later (RFC 6455 5.2).
	Opcodes07 = opcodes([16]wire.Op{0x0: wire.OpContinuation, 0x1: wire.OpText, 0x2: wire.OpBinary,
		0x8: wire.OpClose, 0x9: wire.OpPing, 0xA: wire.OpPong})
)

// Codec implements wire.Codec for one connection. An idle connection holds it, so it fits 64
// bytes.
type Codec struct {
	profile  *FrameProfile
	limit    int64
	extra    *extra
	tolerate wire.Tolerances
	role     wire.Role
	rsv1Use  wire.RSV1Use
	quick    quick

	// the reading half
	failed    bool  // extra.err says why
	remaining int64 // bytes of the frame's payload that have not arrived
	size      int64 // of the message, as far as its frame heads have announced it
	mask      [4]byte
	maskPos   uint8 // the place in the mask of the next byte
	headLen   uint8 // bytes of extra.head that have arrived
	inFrame   bool  // the head is complete and the payload is not
	op        wire.Op
	fin       bool
	rsv1      bool
	masked    bool
	messageOp wire.Op // of the message that has begun; OpNone between messages
	delivered bool    // an event of this message was delivered
}

// quick is what a codec may do in a quicker way.
type quick uint8

const (
	nothingQuick quick = iota
	// quickReads: decodeShort may be tried. It is so for a server whose clients mask the payload alone
	// and whose first bit is FIN, until a frame was faulty.
	quickReads
	// quickMasks: a client's masks are newMask's and stand before the payload, so that what it sends needs
	// nothing of extra.
	quickMasks
)

// extra is what few codecs need. That of a client whose masks come from elsewhere, and where they have a key
// or hide the head, is made with the codec; otherwise the reading half makes it, and the other one has no need
// of it.
type extra struct {
	seen func(wire.Tolerances)
	err  *wire.ProtocolError

	// the reading half
	head    [maxHead]byte  // that arrives in parts
	mask    [maskSize]byte // where it hides the head
	control *controlBody   // of a control frame that arrives in parts; nil between them

	// of a codec that masks its frames, or that unmasks frames with a key
	rand io.Reader // nil: newMask
	key  []byte    // of MaskHash
	sent [maskSize]byte
}

// needExtra returns c.extra, and makes it where there is none.
func (c *Codec) needExtra() *extra {
	if c.extra == nil {
		c.extra = new(extra)
	}
	return c.extra
}

// controlBody gathers the body of a control frame that arrives in parts.
type controlBody struct {
	n int
	b [maxControl]byte
}

const maskSize = sha1.Size // the longest mask, that of MaskHash

// NewCodec returns a codec for one connection.
func NewCodec(p *FrameProfile, cfg wire.CodecConfig) *Codec {
	c := &Codec{profile: p, role: cfg.Role, tolerate: cfg.Tolerate, rsv1Use: cfg.RSV1, limit: math.MaxInt64}
	switch {
	case cfg.Role == wire.Server && p.Masking == MaskPayload && !p.MoreBit:
		c.quick = quickReads
	case cfg.Role == wire.Client && cfg.Rand == nil && !p.Masking.hidesHead():
		c.quick = quickMasks
	}
	if cfg.Role == wire.Client && c.quick != quickMasks || p.Masking.hidesHead() || cfg.Seen != nil {
		c.extra = &extra{seen: cfg.Seen, rand: cfg.Rand, key: cfg.MaskKey}
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

//go:noinline
func (c *Codec) fail(f wire.Fault, code wire.CloseCode, section, msg string) *wire.ProtocolError { // noinline: keeps a cold frame off the 2 KiB stack
	c.failed = true
	if c.quick == quickReads {
		c.quick = nothingQuick
	}
	err := &wire.ProtocolError{Version: c.profile.Version, Fault: f, Section: section, Code: code, Msg: msg}
	c.needExtra().err = err
	return err
}

// frameFault returns a protocol error against a section of the profile's chapter.
func (c *Codec) frameFault(f wire.Fault, sub, msg string) *wire.ProtocolError {
	return c.fail(f, wire.CodeProtocol, c.profile.Chapter+sub, msg)
}

// Decode implements wire.Codec.
func (c *Codec) Decode(p []byte, ev *wire.Event) (int, error) {
	if n := c.decodeShort(p, ev); n > 0 {
		return n, nil
	}
	*ev = wire.Event{}
	if c.failed {
		return 0, c.extra.err
	}
	n := 0
	if !c.inFrame {
		var ok bool
		switch n, ok = c.readHead(p); {
		case c.failed:
			return n, c.extra.err
		case !ok:
			return n, nil
		}
	}
	data := p[n:]
	if int64(len(data)) > c.remaining {
		data = data[:c.remaining]
	}
	if c.masked {
		if c.profile.Masking == MaskPayload {
			Mask(data, c.mask, int(c.maskPos))
		} else {
			c.profile.Masking.apply(data, &c.extra.mask, int(c.maskPos))
		}
		// maskSize is a multiple of 4, the length of the other masks.
		c.maskPos = uint8((int(c.maskPos) + len(data)) % maskSize)
	}
	c.remaining -= int64(len(data))
	n += len(data)
	if c.op.IsControl() {
		return n, c.controlEvent(data, ev)
	}
	if len(data) > 0 || c.remaining == 0 {
		c.dataEvent(data, ev)
	}
	return n, nil
}

// decodeShort is the fast path: it decodes a short, masked message in one frame without a
// fault, if p begins with one, and returns its length. Otherwise it returns 0 and the rest
// of Decode does what is needed. Most frames of most clients are such messages.
func (c *Codec) decodeShort(p []byte, ev *wire.Event) int {
	const head, maxLength = 6, 0x80 | 125
	if c.quick != quickReads || c.inFrame || c.headLen > 0 || c.messageOp != wire.OpNone || len(p) < head || p[0]&0xF0 != 0x80 || p[1] < 0x80 || p[1] > maxLength {
		return 0
	}
	op, end := c.profile.Opcodes.ops[p[0]&0x0F], head+int(p[1]&0x7F)
	if !op.IsData() || len(p) < end || int64(end-head) > c.limit {
		return 0
	}
	data := p[head:end]
	Mask(data, [4]byte(p[2:]), 0)
	ev.Op, ev.RSV1, ev.Code = op, false, 0
	ev.First, ev.Last, ev.FrameEnd = true, true, true
	ev.Data = data
	return end
}

func (c *Codec) controlEvent(data []byte, ev *wire.Event) error {
	if c.remaining > 0 || c.extra != nil && c.extra.control != nil {
		x := c.needExtra()
		if x.control == nil {
			x.control = new(controlBody)
		}
		x.control.n += copy(x.control.b[x.control.n:], data)
		if c.remaining > 0 {
			return nil
		}
		data, x.control = x.control.b[:x.control.n], nil
	}
	c.inFrame = false
	*ev = wire.Event{Op: c.op, First: true, Last: true, FrameEnd: true, Data: data}
	if c.op == wire.OpClose {
		return c.closeEvent(ev)
	}
	return nil
}

func (c *Codec) dataEvent(data []byte, ev *wire.Event) {
	ev.Op, ev.RSV1, ev.Data = c.messageOp, c.rsv1, data
	ev.First = !c.delivered
	c.delivered = true
	if c.remaining == 0 {
		c.inFrame, ev.FrameEnd = false, true
		if c.fin {
			c.messageOp, ev.Last = wire.OpNone, true
		}
	}
}

// readHead reads a frame head from p, which may hold only a part of it. ok is false while
// the head is not complete.
func (c *Codec) readHead(p []byte) (n int, ok bool) {
	if c.role == wire.Server && c.profile.Masking.hidesHead() {
		return c.readMaskedHead(p)
	}
	h := p
	if c.headLen == 0 && len(p) >= 2 && len(p) >= HeadSize(p[1]) {
		if c.beginFrame(p[0], p[1]) != nil {
			return 2, false
		}
		n = HeadSize(p[1])
	} else {
		head := &c.needExtra().head
		for c.headLen < 2 || int(c.headLen) < HeadSize(head[1]) {
			if n == len(p) {
				return n, false
			}
			head[c.headLen] = p[n]
			c.headLen++
			n++
			if c.headLen == 2 && c.beginFrame(head[0], head[1]) != nil {
				return n, false
			}
		}
		h, c.headLen = head[:], 0
	}
	if c.readLength(h) != nil {
		return n, false
	}
	if c.masked {
		copy(c.mask[:], h[HeadSize(h[1])-4:])
	}
	c.inFrame = true
	return n, true
}

// readMaskedHead reads four unmasked bytes, which make the mask, and the head that follows
// them, which is masked like the payload (hybi-04 4.2, hybi-05 4.2).
func (c *Codec) readMaskedHead(p []byte) (n int, ok bool) {
	x := c.extra
	const clear = 4 // unmasked bytes before the head
	for c.headLen < clear+2 || int(c.headLen) < clear+HeadSize(x.head[clear+1]) {
		if n == len(p) {
			return n, false
		}
		x.head[c.headLen] = p[n]
		n++
		switch c.headLen++; {
		case c.headLen == clear:
			c.makeMask(&x.mask, x.head[:clear])
			c.maskPos = 0
		case c.headLen > clear:
			c.profile.Masking.apply(x.head[c.headLen-1:c.headLen], &x.mask, int(c.maskPos))
			c.maskPos++
		}
		if c.headLen == clear+2 && c.beginFrame(x.head[clear], x.head[clear+1]) != nil {
			return n, false
		}
	}
	c.headLen = 0
	if c.readLength(x.head[clear:]) != nil {
		return n, false
	}
	c.masked, c.inFrame = true, true
	return n, true
}

// HeadSize returns the length of a frame head by its second byte, a mask behind it included.
func HeadSize(b byte) int {
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

// beginFrame checks the first two bytes of a head, and begins the frame if they are right.
func (c *Codec) beginFrame(b0, b1 byte) error {
	c.fin = b0&0x80 != 0 != c.profile.MoreBit
	c.op = c.profile.Opcodes.ops[b0&0x0F]
	c.rsv1 = b0&0x40 != 0
	c.masked = b1&0x80 != 0
	hasMaskBit := c.profile.Masking == MaskPayload // otherwise the bit is a fourth reserved one
	switch {
	case b0&0x30 != 0, c.rsv1 && !c.allowsRSV1(), c.masked && !hasMaskBit:
		return c.misread(b0, c.frameFault(wire.FaultRSV, ".2", "reserved bit set"))
	case c.op == wire.OpNone:
		return c.frameFault(wire.FaultOpcode, ".2", fmt.Sprintf("reserved opcode %#x", b0&0x0F))
	case c.op.IsControl() && !c.fin:
		return c.frameFault(wire.FaultControlFrag, ".4", "fragmented control frame")
	case hasMaskBit && c.role == wire.Server && !c.masked && !c.tolerated(wire.TolerateUnmasked) &&
		!(b1 == 0 && c.tolerated(wire.TolerateEmptyUnmasked)):
		return c.unmasked(b1)
	case c.role == wire.Client && c.masked && !c.profile.MaskedServer && !c.tolerated(wire.TolerateMasked):
		err := c.frameFault(wire.FaultMasked, ".1", "server frame with mask")
		err.Tolerance = wire.TolerateMasked
		return err
	case c.op.IsControl():
		return nil
	case c.op == wire.OpContinuation && c.messageOp == wire.OpNone:
		return c.misread(b0, c.frameFault(wire.FaultOrphan, ".4", "continuation of nothing"))
	case c.op != wire.OpContinuation && c.messageOp != wire.OpNone:
		return c.frameFault(wire.FaultInterleaved, ".4", "new message inside a message")
	}
	if c.op != wire.OpContinuation {
		c.messageOp, c.delivered, c.size = c.op, false, 0
	}
	return nil
}

// unmasked fails with a frame that lacks its mask.
func (c *Codec) unmasked(b1 byte) error {
	by := wire.TolerateUnmasked
	if b1 == 0 {
		by = wire.TolerateEmptyUnmasked
	}
	err := c.frameFault(wire.FaultUnmasked, ".1", "client frame without mask")
	err.Tolerance = by
	return err
}

// misread notes in err that b0, as the first byte of a connection, may begin a frame of
// hixie-76.
func (c *Codec) misread(b0 byte, err *wire.ProtocolError) error {
	if c.profile.HixieFrames && c.role == wire.Server && !c.delivered && (b0 == 0x00 || b0 == 0xFF) {
		err.Tolerance = wire.TolerateHixieFrames
	}
	return err
}

// allowsRSV1 reports whether the frame may have the first reserved bit.
func (c *Codec) allowsRSV1() bool {
	switch c.rsv1Use {
	case wire.RSV1Message:
		return c.op.IsData()
	case wire.RSV1Frame:
		return c.op.IsData() || c.op == wire.OpContinuation
	}
	return false
}

// tolerated reports whether the fault t is tolerated, and tells that it was seen.
func (c *Codec) tolerated(t wire.Tolerances) bool {
	if !c.tolerate.Has(t) {
		return false
	}
	if c.extra != nil && c.extra.seen != nil {
		c.extra.seen(t)
	}
	return true
}

// readLength reads the length from a complete head.
func (c *Codec) readLength(h []byte) error {
	length, shortest := uint64(h[1]&0x7F), uint64(0)
	switch length {
	case 126:
		length, shortest = uint64(binary.BigEndian.Uint16(h[2:])), 126
	case 127:
		length, shortest = binary.BigEndian.Uint64(h[2:]), 1<<16
	}
	if c.op.IsControl() && shortest > 0 && (length > maxControl || !c.tolerated(wire.TolerateLongLength)) {
		return c.longControl(length)
	}
	if length>>63 != 0 {
		return c.frameFault(wire.FaultLengthMSB, ".2", "top bit of the length set")
	}
	if c.profile.MinimalLength && !c.op.IsControl() && length < shortest && !c.tolerated(wire.TolerateLongLength) {
		err := c.frameFault(wire.FaultLengthLong, ".2", "length written longer than needed")
		err.Tolerance = wire.TolerateLongLength
		return err
	}
	if !c.op.IsControl() {
		if int64(length) > c.limit-c.size {
			return c.fail(wire.FaultTooBig, wire.CodeTooBig, "", fmt.Sprintf("message above the limit of %d bytes", c.limit))
		}
		c.size += int64(length)
	}
	c.remaining = int64(length)
	if c.profile.Masking == MaskPayload {
		c.maskPos = 0
	}
	return nil
}

// longControl fails with a control frame whose length takes more than seven bits.
func (c *Codec) longControl(length uint64) error {
	if length > maxControl {
		return c.frameFault(wire.FaultControlLong, ".5", "control frame above 125 bytes")
	}
	err := c.frameFault(wire.FaultControlLong, ".5", "the length of a control frame written longer than needed")
	err.Tolerance = wire.TolerateLongLength
	return err
}

// closeEvent reads the body of a close frame (RFC 6455 5.5.1, 7.4).
func (c *Codec) closeEvent(ev *wire.Event) error {
	body := ev.Data
	ev.Code, ev.Data = wire.CodeNoStatus, nil
	var err error
	switch {
	case c.profile.Close.Opaque:
		ev.Data = body
	case c.profile.Close.FromWire == nil, len(body) == 0:
	case len(body) == 1:
		err = c.frameFault(wire.FaultCloseLength, ".5.1", "close frame with a body of one byte")
	default:
		raw := wire.CloseCode(binary.BigEndian.Uint16(body))
		code, ok := c.profile.Close.FromWire(raw)
		ev.Code, ev.Data = code, body[2:]
		if !ok {
			err = c.fail(wire.FaultCloseCode, wire.CodeProtocol, c.profile.Close.Section, fmt.Sprintf("close code %d must not be sent", raw))
		} else if !utf8.Valid(body[2:]) {
			err = c.fail(wire.FaultCloseText, wire.CodeInvalidData, c.profile.Chapter+".5.1", "close reason is not UTF-8")
		}
	}
	if err != nil {
		*ev = wire.Event{}
	}
	return err
}

// Remaining implements wire.Codec.
func (c *Codec) Remaining() int64 {
	if !c.inFrame || c.op.IsControl() {
		return 0
	}
	return c.remaining
}

// EOF implements wire.Codec.
func (c *Codec) EOF() error {
	if !c.failed && (c.inFrame || c.headLen > 0 || c.messageOp != wire.OpNone) {
		return io.ErrUnexpectedEOF
	}
	return nil
}
