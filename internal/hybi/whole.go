package hybi

import (
	"encoding/binary"

	"github.com/draftwire/draftwire/wire"
)

// SameFrames reports whether what one connection receives in a frame of data can be sent on the other
// one in that frame, mask included: both have the frames of hybi-07 and later, without an
// extension, and one is a server and the other a client.
func (c *Codec) SameFrames(other *Codec) bool {
	return c.plain() && other.plain() && c.role != other.role
}

// plain reports whether the frames are those of hybi-07 and later without an extension.
func (c *Codec) plain() bool {
	p := c.profile
	return p.Masking == MaskPayload && !p.MoreBit && *p.Opcodes == Opcodes07 && c.rsv1Use == wire.NoRSV1
}

// Whole is a message that stands whole, in one frame, at the beginning of some bytes.
type Whole struct {
	Op   wire.Op
	Head int // bytes of the frame's head
	End  int // bytes of the frame
}

// Whole returns the message at the beginning of p, whose payload stays masked, where every version with
// SameFrames takes its frame as it is. Otherwise, and where there is no whole message or no message may begin, Op
// is OpNone, and Decode tells what there is. Nothing is consumed, and c is as before.
func (c *Codec) Whole(p []byte) (w Whole) {
	if c.inFrame || c.headLen > 0 || c.failed || c.messageOp != wire.OpNone || len(p) < 2 || p[0]&0xF0 != 0x80 {
		return w
	}
	op, head := c.profile.Opcodes.ops[p[0]&0x0F], HeadSize(p[1])
	if !op.IsData() || len(p) < head || p[1]&0x80 != 0 != (c.role == wire.Server) {
		return w
	}
	length, least := uint64(p[1]&0x7F), uint64(0)
	switch length {
	case 126:
		length, least = uint64(binary.BigEndian.Uint16(p[2:])), 126
	case 127:
		length, least = binary.BigEndian.Uint64(p[2:]), 1<<16
	}
	if length < least || length > uint64(len(p)-head) || length > uint64(c.limit) {
		return w
	}
	return Whole{op, head, head + int(length)}
}
