package hybi

import (
	"encoding/binary"
	"math/bits"
)

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
		binary.LittleEndian.PutUint64(q[0:], binary.LittleEndian.Uint64(q[0:])^kk)
		binary.LittleEndian.PutUint64(q[8:], binary.LittleEndian.Uint64(q[8:])^kk)
		binary.LittleEndian.PutUint64(q[16:], binary.LittleEndian.Uint64(q[16:])^kk)
		binary.LittleEndian.PutUint64(q[24:], binary.LittleEndian.Uint64(q[24:])^kk)
		binary.LittleEndian.PutUint64(q[32:], binary.LittleEndian.Uint64(q[32:])^kk)
		binary.LittleEndian.PutUint64(q[40:], binary.LittleEndian.Uint64(q[40:])^kk)
		binary.LittleEndian.PutUint64(q[48:], binary.LittleEndian.Uint64(q[48:])^kk)
		binary.LittleEndian.PutUint64(q[56:], binary.LittleEndian.Uint64(q[56:])^kk)
		b = b[64:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^kk)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(k >> (8 * (i & 3)))
	}
}
