package gen

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// bits writes DEFLATE (RFC 1951), block by block: stored ones and ones with the
// fixed codes, as it is told. No compressor chooses, so the bytes never change.
type bits struct {
	out  []byte
	hold uint
	n    int // bits held
}

// put writes the low n bits of v, lowest first.
func (b *bits) put(v uint, n int) {
	b.hold |= v << b.n
	for b.n += n; b.n >= 8; b.n -= 8 {
		b.out = append(b.out, byte(b.hold))
		b.hold >>= 8
	}
}

// code writes a code of n bits, highest first (RFC 1951 3.1.1).
func (b *bits) code(v uint, n int) {
	for n--; n >= 0; n-- {
		b.put(v>>n&1, 1)
	}
}

// align fills the byte up.
func (b *bits) align() *bits {
	if b.n > 0 {
		b.put(0, 8-b.n)
	}
	return b
}

// fixed begins a block with the fixed codes, last one that is marked as the
// last.
func (b *bits) fixed() *bits { b.put(2, 3); return b }
func (b *bits) last() *bits  { b.put(3, 3); return b }

// symbol writes a literal or length by its fixed code (RFC 1951 3.2.6).
func (b *bits) symbol(v uint) *bits {
	switch {
	case v < 144:
		b.code(0x30+v, 8)
	case v < 256:
		b.code(0x190+v-144, 9)
	case v < 280:
		b.code(v-256, 7)
	default:
		b.code(0xC0+v-280, 8)
	}
	return b
}

func (b *bits) text(s string) *bits {
	for i := range len(s) {
		b.symbol(uint(s[i]))
	}
	return b
}

// end ends a block.
func (b *bits) end() *bits { return b.symbol(256) }

// lengths and distances are the least that each code means; the next one's
// tells how many bits follow (RFC 1951 3.2.5).
var (
	lengths   = []uint{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	distances = []uint{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
		8193, 12289, 16385, 24577}
)

// find returns the code of v and the bits behind it. group codes have the same
// number of bits, from the third group on one more each.
func find(v uint, least []uint, group int) (code int, extra uint, n int) {
	for code+1 < len(least) && least[code+1] <= v {
		code++
	}
	return code, v - least[code], max(0, code/group-1)
}

// again repeats n bytes from a distance.
func (b *bits) again(n, distance int) *bits {
	for n > 0 {
		k := min(n, 258)
		if r := n - k; r == 1 || r == 2 { // three is the least
			k -= 3
		}
		n -= k
		code, extra, width := find(uint(k), lengths, 4)
		if k == 258 {
			width = 0
		}
		b.symbol(257+uint(code)).put(extra, width)
		code, extra, width = find(uint(distance), distances, 2)
		b.code(uint(code), 5)
		b.put(extra, width)
	}
	return b
}

// stored writes a block as it is.
func (b *bits) stored(s string) *bits {
	b.put(0, 3)
	b.align().put(uint(len(s)), 16)
	b.put(uint(len(s))^0xFFFF, 16)
	b.out = append(b.out, s...)
	return b
}

// flush ends with an empty stored block, of which the last four bytes are left
// out (RFC 7692 7.2.1).
func (b *bits) flush() []byte {
	b.put(0, 3)
	return b.align().out
}

// packed returns text in one fixed block; it is what zlib makes of a short one.
func packed(s string) []byte { return new(bits).fixed().text(s).end().flush() }

// copied returns n bytes from a distance in one fixed block.
func copied(n, distance int) []byte { return new(bits).fixed().again(n, distance).end().flush() }

// filled returns n bytes, the pattern over and over, in one fixed block.
func filled(n int, pattern string) []byte {
	return new(bits).fixed().text(pattern).again(n-len(pattern), len(pattern)).end().flush()
}

// squares is a text, and squaresPacked the same in a block with codes of its own
// (zlib 1.2.13, level 9).
var squares = func() string {
	var s []string
	for i := 1; i <= 60; i++ {
		s = append(s, strconv.Itoa(i*i))
	}
	return strings.Join(s, " ")
}()

const squaresPacked = "148ed1010021084257618450ce72ffc50ebe28457884b0e0a03ef4408b111ec173c0b24adedab1b6d8539ff52d" +
	"ba643f21fb24eb13be5a7c7730f68df5fa7f3d7fdeaf7d3bc9f5218f13484731992c87b3d3a2d47de99d004c48ae89f8140613d60905435c" +
	"67517d84d2a1c97c5193d7cdec65bbf6752edaf98136793bafe5e476c70f"

// unhex returns the bytes that a document prints in hexadecimal digits.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic("gen: " + err.Error())
	}
	return b
}
