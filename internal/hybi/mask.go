package hybi

import (
	"crypto/sha1"
	"encoding/binary"
	"math/bits"

	"github.com/draftwire/draftwire/wire"
)

// hidesHead reports whether the head is masked too. Then four unmasked bytes precede it.
func (m Masking) hidesHead() bool { return m == MaskFrame || m == MaskHash }

// ClearHead returns, of a frame whose head is masked, the head without its mask, and the mask:
// four bytes, or with MaskHash twenty. Of other frames it returns nothing. It may be called
// until the next frame begins, and is valid until then.
func (c *Codec) ClearHead() (head, mask []byte) {
	if c.role != wire.Server || !c.profile.Masking.hidesHead() {
		return nil, nil
	}
	const clear = 4
	mask = c.extra.mask[:clear]
	if c.profile.Masking == MaskHash {
		mask = c.extra.mask[:]
	}
	const rsv4 = 0x80 // where later versions have MASK; a frame that has it set is told of too
	h := c.extra.head[clear:]
	return h[:HeadSize(h[1]&^rsv4)], mask
}

// makeMask puts the mask that is made of four unmasked bytes into mask.
func (c *Codec) makeMask(mask *[maskSize]byte, clear []byte) {
	if c.profile.Masking == MaskHash {
		c.hashMask(mask, clear)
		return
	}
	copy(mask[:4], clear)
}

// hashMask is makeMask for MaskHash.
//
// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func (c *Codec) hashMask(mask *[maskSize]byte, clear []byte) {
	*mask = FrameKey(clear, c.extra.key)
}

// FrameKey returns what a frame of hybi-04 is masked with: the SHA-1 of the four bytes that
// stand before it and of the connection's key, which is that of MaskKey.
func FrameKey(nonce, key []byte) [sha1.Size]byte {
	var in [4 + sha1.Size]byte
	copy(in[:], nonce)
	copy(in[4:], key)
	return sha1.Sum(in[:])
}

// apply masks or unmasks b in place. pos is the place of b[0] in the masked part of the
// frame.
func (m Masking) apply(b []byte, mask *[maskSize]byte, pos int) {
	if m != MaskHash {
		Mask(b, [4]byte(mask[:4]), pos)
		return
	}
	for i := range b {
		b[i] ^= mask[(pos+i)%maskSize]
	}
}

// Mask XORs b in place with key, repeated. pos is the place of b[0] in the payload (RFC
// 6455 5.3). Masking and unmasking are the same operation.
func Mask(b []byte, key [4]byte, pos int) {
	k := bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*(pos&3))
	if k == 0 {
		return
	}
	kk := uint64(k)<<32 | uint64(k)
	for len(b) >= 64 {
		q := b[:64:64]
		xor(q[0:], kk)
		xor(q[8:], kk)
		xor(q[16:], kk)
		xor(q[24:], kk)
		xor(q[32:], kk)
		xor(q[40:], kk)
		xor(q[48:], kk)
		xor(q[56:], kk)
		b = b[64:]
	}
	if len(b) >= 32 {
		xor(b, kk)
		xor(b[8:], kk)
		xor(b[16:], kk)
		xor(b[24:], kk)
		b = b[32:]
	}
	if len(b) >= 16 {
		xor(b, kk)
		xor(b[8:], kk)
		b = b[16:]
	}
	if len(b) >= 8 {
		xor(b, kk)
		b = b[8:]
	}
	if len(b) >= 4 {
		binary.LittleEndian.PutUint32(b, binary.LittleEndian.Uint32(b)^k)
		b = b[4:]
	}
	for i := range b {
		b[i] ^= byte(k)
		k >>= 8
	}
}

// xor XORs the first eight bytes of b.
func xor(b []byte, kk uint64) {
	binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^kk)
}
