package hybi

import (
	"crypto/sha1"
	"encoding/binary"
	"math/bits"
)

// hidesHead: the mask covers the head too, so four clear bytes come first.
func (m Masking) hidesHead() bool { return m == MaskFrame || m == MaskHash }

// makeMask puts the mask that four clear bytes stand for into mask.
func (c *Codec) makeMask(mask *[maskSize]byte, clear []byte) {
	if c.p.Masking == MaskHash {
		c.hashMask(mask, clear)
		return
	}
	copy(mask[:4], clear)
}

// hashMask is makeMask for hybi-04: SHA-1 of the frame's nonce and the connection's key.
//
//go:noinline
func (c *Codec) hashMask(mask *[maskSize]byte, clear []byte) { // apart, as stacks are short
	var in [4 + sha1.Size]byte
	copy(in[:], clear)
	copy(in[4:], c.own.key)
	*mask = sha1.Sum(in[:])
}

// apply masks or unmasks b in place; pos is the place of b[0] in what the mask
// covers.
func (m Masking) apply(b []byte, mask *[maskSize]byte, pos int) {
	if m != MaskHash {
		Mask(b, [4]byte(mask[:4]), pos)
		return
	}
	for i := range b {
		b[i] ^= mask[(pos+i)%maskSize]
	}
}

// Mask XORs b with key repeated, in place; pos is the place of b[0] in the
// payload (RFC 6455 5.3). Masking and unmasking are the same.
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
