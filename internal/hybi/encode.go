package hybi

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/draftwire/draftwire/wire"
)

// AppendFrame implements wire.Codec (RFC 6455 5.2). A client's frame gets a
// fresh mask (5.3).
func (c *Codec) AppendFrame(dst []byte, op wire.Op, fin bool, payload []byte) ([]byte, error) {
	if fin && op.IsData() && len(payload) < 126 && c.role == wire.Server && !c.profile.MoreBit { // the fast path: a short message of a server
		return append(append(dst, 0x80|c.profile.Opcodes.numbers[op], byte(len(payload))), payload...), nil
	}
	if err := c.mayFrame(op&^wire.RSV1, fin, len(payload)); err != nil {
		return dst, err
	}
	if c.role == wire.Client {
		return c.appendMasked(dst, op, fin, payload)
	}
	return append(c.appendHead(dst, op, fin, false, len(payload)), payload...), nil
}

// appendMasked appends a client's frame.
func (c *Codec) appendMasked(dst []byte, op wire.Op, fin bool, payload []byte) ([]byte, error) {
	masked := c.profile.Masking != MaskNone
	var own [maskSize]byte
	sent := &own
	if masked {
		// Four random bytes. They are in sent until the mask is made of them.
		if c.quick != quickMasks {
			sent = &c.extra.sent // rand may keep what it fills: that is not of the stack
		}
		if c.quick == quickMasks || c.extra.rand == nil {
			newMask(sent[:4])
		} else if _, err := io.ReadFull(c.extra.rand, c.extra.sent[:4]); err != nil {
			return dst, fmt.Errorf("draftwire: no mask: %w", err)
		}
	}
	maskedFrom := 0 // where the masked part of dst begins
	if masked && c.profile.Masking.hidesHead() {
		dst = append(dst, sent[:4]...)
		c.makeMask(sent, dst[len(dst)-4:])
		maskedFrom = len(dst)
	}
	dst = c.appendHead(dst, op, fin, masked && maskedFrom == 0, len(payload))
	if masked && maskedFrom == 0 {
		dst = append(dst, sent[:4]...)
		maskedFrom = len(dst)
	}
	dst = append(dst, payload...)
	if masked {
		c.profile.Masking.apply(dst[maskedFrom:], sent, 0)
	}
	return dst, nil
}

// AppendFraming implements wire.Codec. Nothing follows the payload.
func (c *Codec) AppendFraming(dst []byte, op wire.Op, fin bool, payload []byte) ([]byte, int, error) {
	if c.role == wire.Client {
		return dst, 0, wire.ErrUnsupported
	}
	if err := c.mayFrame(op&^wire.RSV1, fin, len(payload)); err != nil {
		return dst, 0, err
	}
	before := len(dst)
	dst = c.appendHead(dst, op, fin, false, len(payload))
	return dst, len(dst) - before, nil
}

// mayFrame returns the error of a frame that must not be sent.
func (c *Codec) mayFrame(op wire.Op, fin bool, length int) error {
	if op == wire.OpNone || op > wire.OpClose {
		return wire.ErrUnsupported
	}
	if op.IsControl() && (length > maxControl || !fin) {
		return errControl(length)
	}
	return nil
}

func errControl(length int) error {
	return fmt.Errorf("%w: control frame of %d bytes, %d is the most", wire.ErrTooBig, length, maxControl)
}

// appendHead appends the first two bytes of a head and the extended length.
func (c *Codec) appendHead(dst []byte, op wire.Op, fin, maskBit bool, length int) []byte {
	b0, b1 := c.profile.Opcodes.numbers[op&^wire.RSV1]|byte(op&wire.RSV1)>>1, byte(0)
	if fin != c.profile.MoreBit {
		b0 |= 0x80
	}
	if maskBit {
		b1 = 0x80
	}
	switch {
	case length < 126:
		return append(dst, b0, b1|byte(length))
	case length <= math.MaxUint16:
		return append(dst, b0, b1|126, byte(length>>8), byte(length))
	}
	dst = append(dst, b0, b1|127)
	return binary.BigEndian.AppendUint64(dst, uint64(length))
}

// AppendClose implements wire.Codec (RFC 6455 5.5.1). A reason that is too
// long is cut at a character.
func (c *Codec) AppendClose(dst []byte, code wire.CloseCode, reason string) ([]byte, error) {
	if code != wire.CodeNoStatus && !code.OnWire() {
		return dst, fmt.Errorf("draftwire: close code %d cannot be sent: %w", code, wire.ErrUnsupported)
	}
	var body [maxControl]byte
	n := 0
	switch cl := &c.profile.Close; {
	case cl.Opaque && code == wire.CodeNoStatus:
		n = copy(body[:], reason)
	case cl.Letters != "":
		n = copy(body[:], cl.Letters[c.role:c.role+1])
	case cl.ToWire != nil && code != wire.CodeNoStatus:
		binary.BigEndian.PutUint16(body[:], uint16(cl.ToWire(code)))
		n = 2 + copy(body[2:], cutReason(reason))
	}
	return c.AppendFrame(dst, wire.OpClose, true, body[:n])
}

// cutReason shortens s to wire.MaxReason bytes without cutting through a character.
func cutReason(s string) string {
	if len(s) <= wire.MaxReason {
		return s
	}
	n := wire.MaxReason
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
