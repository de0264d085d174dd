package hybi

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/draftwire/draftwire/wire"
)

// AppendFrame implements wire.Codec (RFC 6455 5.2). A client's frame gets a
// fresh mask (5.3).
func (c *Codec) AppendFrame(dst []byte, op wire.Op, fin bool, payload []byte) ([]byte, error) {
	if op == wire.OpNone || int(op) >= len(numbers) {
		return dst, wire.ErrUnsupported
	}
	if op >= wire.OpPing && (len(payload) > maxControl || !fin) {
		return dst, fmt.Errorf("%w: control frame of %d bytes, %d is the most", wire.ErrTooBig, len(payload), maxControl)
	}
	dst, err := c.appendHead(dst, op, fin, len(payload))
	if err != nil {
		return dst, err
	}
	at := len(dst)
	dst = append(dst, payload...)
	if c.role == wire.Client {
		Mask(dst[at:], c.wmask, 0)
	}
	return dst, nil
}

func (c *Codec) appendHead(dst []byte, op wire.Op, fin bool, length int) ([]byte, error) {
	b0, b1 := numbers[op], byte(0)
	if fin {
		b0 |= 0x80
	}
	if c.role == wire.Client {
		b1 = 0x80
		if _, err := io.ReadFull(c.rand, c.wmask[:]); err != nil {
			return dst, fmt.Errorf("draftwire: no mask: %w", err)
		}
	}
	switch {
	case length < 126:
		dst = append(dst, b0, b1|byte(length))
	case length <= math.MaxUint16:
		dst = append(dst, b0, b1|126, byte(length>>8), byte(length))
	default:
		dst = append(dst, b0, b1|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(length))
	}
	if c.role == wire.Client {
		dst = append(dst, c.wmask[:]...)
	}
	return dst, nil
}

// AppendClose implements wire.Codec (RFC 6455 5.5.1). A reason that is too
// long is cut at a character.
func (c *Codec) AppendClose(dst []byte, code wire.CloseCode, reason string) ([]byte, error) {
	var body [maxControl]byte
	n := 0
	if code != wire.CodeNoStatus {
		if !code.OnWire() {
			return dst, fmt.Errorf("draftwire: close code %d cannot be sent: %w", code, wire.ErrUnsupported)
		}
		binary.BigEndian.PutUint16(body[:], uint16(c.p.Says(code)))
		n = 2 + copy(body[2:], wire.CutReason(reason))
	}
	return c.AppendFrame(dst, wire.OpClose, true, body[:n])
}
