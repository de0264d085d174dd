package gen

import (
	"github.com/draftwire/draftwire/hostile"
)

// bits writes DEFLATE (RFC 1951), as it is told. No compressor chooses, so that the
// bytes never change.
type bits struct {
	out  []byte
	hold uint
	n    int // bits held
}

// put writes the low n bits of v, lowest first.
func (b *bits) put(v uint, n int) *bits {
	b.hold |= v << b.n
	for b.n += n; b.n >= 8; b.n -= 8 {
		b.out = append(b.out, byte(b.hold))
		b.hold >>= 8
	}
	return b
}

// code writes a code of n bits, highest first (RFC 1951 3.1.1).
func (b *bits) code(v uint, n int) *bits {
	for n--; n >= 0; n-- {
		b.put(v>>n&1, 1)
	}
	return b
}

// align fills the byte up.
func (b *bits) align() *bits {
	if b.n > 0 {
		b.put(0, 8-b.n)
	}
	return b
}

// fixed begins a block with the fixed codes.
func (b *bits) fixed() *bits { return b.put(2, 3) }

// symbol writes a literal or length by its fixed code (RFC 1951 3.2.6).
func (b *bits) symbol(v uint) *bits {
	switch {
	case v < 144:
		return b.code(0x30+v, 8)
	case v < 256:
		return b.code(0x190+v-144, 9)
	case v < 280:
		return b.code(v-256, 7)
	}
	return b.code(0xC0+v-280, 8)
}

func (b *bits) text(s string) *bits {
	for i := range len(s) {
		b.symbol(uint(s[i]))
	}
	return b
}

// end ends a block with the fixed codes.
func (b *bits) end() *bits { return b.symbol(256) }

// flush ends a message: an empty stored block, of which the last four bytes are left out
// (RFC 7692 7.2.1).
func (b *bits) flush() []byte {
	b.put(0, 3)
	return b.align().out
}

// packed returns a text in one block.
func packed(s string) []byte { return new(bits).fixed().text(s).end().flush() }

// codeLengths is the order of the lengths of the codes of lengths (RFC 1951 3.2.7).
var codeLengths = []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// tables begins a block with codes of its own. The lengths of codes are sent with the
// lengths 0 (by 18 as well), 1 and 2 alone.
func (b *bits) tables(last uint, literals, distances []int) *bits {
	b.put(last|2<<1, 3)
	b.put(uint(len(literals)-257), 5).put(uint(len(distances)-1), 5).put(uint(len(codeLengths)-4), 4)
	// 0 has the code 00, 1 has 01, 2 has 10, and 18, eleven to 138 zeros, has 11.
	codes := map[int]uint{0: 0, 1: 1, 2: 2, 18: 3}
	for _, c := range codeLengths {
		if _, ok := codes[c]; ok {
			b.put(2, 3)
		} else {
			b.put(0, 3)
		}
	}
	all := append(append([]int(nil), literals...), distances...)
	for i := 0; i < len(all); {
		zeros := 0
		for i+zeros < len(all) && all[i+zeros] == 0 && zeros < 138 {
			zeros++
		}
		if zeros >= 11 {
			b.code(codes[18], 2).put(uint(zeros-11), 7)
			i += zeros
			continue
		}
		b.code(codes[all[i]], 2)
		i++
	}
	return b
}

// bombBegin and bombEnd stand around any number of bytes 00, each of which is 1032 bytes
// of text: a block whose codes for "258 bytes more" and "from one byte before" have one
// bit each, 0. The end is a whole message's.
var bombBegin, bombEnd = func() ([]byte, []byte) {
	literals := make([]int, 286)
	literals['a'], literals[256], literals[285] = 2, 2, 1 // 285 is 0, 'a' is 10, 256 is 11
	b := new(bits).tables(0, literals, []int{1}).code(2, 2)
	half := b.n % 2 // 258 bytes more take two bits: the second of the last ones stands behind
	return b.align().out, new(bits).code(0, half).code(3, 2).flush()
}()

// emptyTables is a block with codes of its own and nothing in it, in whole bytes if eight
// of them follow each other.
func emptyTables() []byte {
	b := new(bits)
	literals := make([]int, 257)
	literals[0], literals[256] = 1, 1
	for range 8 {
		b.tables(0, literals, []int{1}).code(1, 1)
	}
	if b.n != 0 {
		panic("gen: eight blocks are not whole bytes")
	}
	return b.out
}

// offer is what a client says to have its messages compressed.
const (
	offer      = "Sec-WebSocket-Extensions: permessage-deflate"
	frameOffer = "Sec-WebSocket-Extensions: x-webkit-deflate-frame"
)

// squeezed is a frame with RSV1.
func (d dialect) squeezed(payload []byte) frame {
	return frame{op: d.op.text, rsv: 4, payload: payload}
}

// bomb returns a text message of n times 1032 bytes, and some, in one frame.
func (d dialect) bomb(n int64) []hostile.Part {
	length := uint64(len(bombBegin)+len(bombEnd)) + uint64(n)
	return cat(d.up(frame{op: d.op.text, rsv: 4, says: length, mask: make([]byte, 4)}), bombBegin, fill(nil, make([]byte, 64), n/64), bombEnd)
}
