package deflate

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// stream is DEFLATE made by hand, bit by bit.
type stream struct{ bitWriter }

// code is written from its first bit.
func (s *stream) code(c, n uint) { s.put(uint64(bits.Reverse32(uint32(c))>>(32-n)), n) }

func (s *stream) bytes() []byte {
	s.align()
	return s.out
}

// stored is a stored block.
func (s *stream) stored(p string) {
	s.put(0, 3)
	s.align()
	s.put(uint64(len(p)), 16)
	s.put(uint64(len(p)^0xffff), 16)
	s.out = append(s.out, p...)
}

// fixed writes a symbol of the fixed literal code (RFC 1951 3.2.6).
func (s *stream) fixed(syms ...uint) {
	for _, sym := range syms {
		switch {
		case sym < 144:
			s.code(0x30+sym, 8)
		case sym < 256:
			s.code(0x190+sym-144, 9)
		case sym < 280:
			s.code(sym-256, 7)
		default:
			s.code(0xc0+sym-280, 8)
		}
	}
}

// match is a match in a block of fixed codes.
func (s *stream) match(length, dist int) {
	sym := len(lenBase) - 1
	for int(lenBase[sym]) > length {
		sym--
	}
	s.fixed(257 + uint(sym))
	s.put(uint64(length-int(lenBase[sym])), uint(lenExtra[sym]))
	sym = len(distBase) - 1
	for int(distBase[sym]) > dist {
		sym--
	}
	s.code(uint(sym), 5)
	s.put(uint64(dist-int(distBase[sym])), uint(distExtra[sym]))
}

// canon gives codes to lengths as RFC 1951 3.2.2 tells it.
func canon(lens []uint8) []uint {
	codes := make([]uint, len(lens))
	next := uint(0)
	for l := uint8(1); l <= maxBits; l++ {
		for i := range lens {
			if lens[i] == l {
				codes[i] = next
				next++
			}
		}
		next <<= 1
	}
	return codes
}

// told is a symbol of the code lengths' alphabet.
type told struct {
	sym   uint8
	extra uint64
}

// each tells lengths one by one.
func each(lens ...uint8) (t []told) {
	for _, l := range lens {
		t = append(t, told{sym: l})
	}
	return t
}

// zeros tells n lengths of 0.
func zeros(n int) (t []told) {
	for ; n >= 11; n -= min(n, 138) {
		t = append(t, told{18, uint64(min(n, 138) - 11)})
	}
	return append(t, each(make([]uint8, n)...)...)
}

// allLens is a complete code of all the code lengths' symbols.
var allLens = []uint8{4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5}

// dynamic begins a block of dynamic codes, with lengths that may be wrong: own are
// of the code in which the others are told.
func (s *stream) dynamic(lits, dists int, own []uint8, lens ...[]told) {
	s.put(2<<1, 3)
	s.put(uint64(lits-257), 5)
	s.put(uint64(dists-1), 5)
	s.put(numLens-4, 4)
	for _, sym := range lensOrder {
		s.put(uint64(own[sym]), 3)
	}
	codes := canon(own)
	for _, t := range slices.Concat(lens...) {
		s.code(codes[t.sym], uint(own[t.sym]))
		s.put(t.extra, runExtra[t.sym])
	}
}

// blockCase is a unit that has a case of RFC 1951 in it, or what it forbids.
type blockCase struct {
	name  string
	want  string // corrupt where it cannot be expanded
	write func(s *stream)
}

const corrupt = "(corrupt)"

// before is in the window when a blockCase comes.
const before = "0123456789"

func repeat(s string, n int) string { return strings.Repeat(s, n/len(s)+1)[:n] }

func storedCases() []blockCase {
	big := repeat("0123456789abcdef", 65535)
	return []blockCase{
		{"no bytes", "", func(s *stream) {}},
		{"an empty block", "", func(s *stream) { s.put(0, 3) }},
		{"block type 3", corrupt, func(s *stream) { s.put(3<<1, 3) }},
		{"stored, empty", "", func(s *stream) { s.stored(""); s.stored("") }},
		{"stored, 65535", big, func(s *stream) { s.stored(big) }},
		{"stored, cut", corrupt, func(s *stream) { s.stored(big); s.out = s.out[:1000] }},
		{"stored, cut so that it reaches behind all", corrupt, func(s *stream) { s.stored(before + before); s.out = s.out[:len(s.out)-12] }},
		{"stored, NLEN is not the complement of LEN", corrupt, func(s *stream) { s.stored("abc"); s.out[3] ^= 1 }},
		{"stored, ones before LEN", "a", func(s *stream) {
			s.put(0x1f<<3, 8)
			s.put(1|0xfffe<<16, 32)
			s.put('a', 8)
		}},
		{"final, then more", "ab", func(s *stream) {
			s.put(1|1<<1, 3)
			s.fixed('a', 256)
			s.align()
			s.put(1<<1, 3)
			s.fixed('b', 256)
		}},
	}
}

func fixedCases() (cases []blockCase) {
	add := func(want string, write func(s *stream), name string, args ...any) {
		cases = append(cases, blockCase{"fixed, " + fmt.Sprintf(name, args...), want, func(s *stream) {
			s.put(1<<1, 3)
			write(s)
			s.fixed(256)
		}})
	}
	var all []byte
	for i := range 256 {
		all = append(all, byte(i))
	}
	add(string(all), func(s *stream) {
		for i := range uint(256) {
			s.fixed(i)
		}
	}, "every literal")
	for _, sym := range []uint{286, 287} {
		add(corrupt, func(s *stream) { s.fixed('a', sym); s.code(0, 5) }, "length code %d", sym)
	}
	for _, sym := range []uint{30, 31} {
		add(corrupt, func(s *stream) { s.fixed('a', 257); s.code(sym, 5); s.put(0, 13) }, "distance code %d", sym)
	}
	add(repeat("a", 1+258+258+257), func(s *stream) {
		s.fixed('a')
		s.match(258, 1)
		for _, extra := range []uint64{31, 30} {
			s.fixed(284)
			s.put(extra, 5)
			s.code(0, 5)
		}
	}, "258 by code 285, and by 284")
	for d := 1; d <= 17; d++ {
		add(repeat("ABCDEFGHIJKLMNOPQ"[:d], d+258+257+43*19), func(s *stream) {
			for _, c := range "ABCDEFGHIJKLMNOPQ"[:d] {
				s.fixed(uint(c))
			}
			for l := 3; l <= 40; l++ {
				s.match(l, d)
			}
			s.match(258, d)
			s.match(257, d)
		}, "overlap of distance %d", d)
	}
	for d, want := range map[int]string{1: repeat("9", 12), 10: "012345678901", 11: corrupt, 32768: corrupt} {
		add(want, func(s *stream) { s.match(12, d) }, "into the window, distance %d", d)
	}
	for d, want := range map[int]string{2: "ababa", 4: "ab89a", 12: "ab012", 13: corrupt} {
		add(want, func(s *stream) { s.fixed('a', 'b'); s.match(3, d) }, "after two literals, distance %d", d)
	}
	add("ab89ab89ab89", func(s *stream) { s.fixed('a', 'b'); s.match(10, 4) }, "out of the window into the unit")
	return cases
}

// distanceCases are of the codes of distances. Those of 'a', the block's end, the
// lengths 3 and 258 have two bits.
func distanceCases() (cases []blockCase) {
	const a, eob, three, most = 0, 1, 2, 3
	none := make([]uint8, 32)
	for _, c := range []struct {
		name, want string
		dists      []uint8
		body       []uint // pairs: code, length
	}{
		{"none", "aa", []uint8{0}, []uint{a, 2, a, 2, eob, 2}},
		{"none, and a match", corrupt, []uint8{0}, []uint{a, 2, three, 2, 0, 1, eob, 2}},
		{"one", "aaaa", []uint8{1}, []uint{a, 2, three, 2, 0, 1, eob, 2}},
		{"one, the other bit", corrupt, []uint8{1}, []uint{a, 2, three, 2, 1, 1, eob, 2}},
		{"one, not the first", "898", []uint8{0, 1}, []uint{three, 2, 0, 1, eob, 2}},
		{"one of two bits", corrupt, []uint8{2}, []uint{a, 2, eob, 2}},
		{"incomplete", corrupt, []uint8{1, 2}, []uint{a, 2, eob, 2}},
		{"too many", corrupt, []uint8{1, 1, 1}, []uint{a, 2, eob, 2}},
		{"length 258", repeat("a", 259), []uint8{1}, []uint{a, 2, most, 2, 0, 1, eob, 2}},
		{"30", "a", append([]uint8{1}, append(none[:28:28], 1)...), []uint{a, 2, eob, 2}},
		{"31", corrupt, append([]uint8{1, 1}, none[:29]...), []uint{a, 2, eob, 2}},
		{"32", corrupt, append([]uint8{1, 1}, none[:30]...), []uint{a, 2, eob, 2}},
	} {
		cases = append(cases, blockCase{"distances, " + c.name, c.want, func(s *stream) {
			s.dynamic(286, len(c.dists), allLens, zeros('a'), each(2), zeros(256-'a'-1), each(2, 2), zeros(27), each(2), each(c.dists...))
			for i := 0; i < len(c.body); i += 2 {
				s.code(c.body[i], c.body[i+1])
			}
		}})
	}
	return cases
}

// literalCases are of the codes of literals, without distances.
func literalCases() (cases []blockCase) {
	deep := map[int]uint8{256: 15, 14: 15}
	var body []uint
	for l := range uint(14) {
		deep[int(l)] = uint8(l + 1)
		body = append(body, 1<<(l+1)-2, l+1)
	}
	body = append(body, 1<<15-2, 15, 1<<15-1, 15)
	for _, c := range []struct {
		name, want string
		lits       map[int]uint8
		body       []uint // pairs: code, length
	}{
		{"only the end", "", map[int]uint8{256: 1}, []uint{0, 1}},
		{"only the end, the other bit", corrupt, map[int]uint8{256: 1}, []uint{1, 1}},
		{"only the end, of two bits", corrupt, map[int]uint8{256: 2}, []uint{0, 2}},
		{"no end", corrupt, map[int]uint8{'a': 1, 'b': 1}, []uint{1, 3}},
		{"no end, one literal", corrupt, map[int]uint8{'a': 1}, []uint{0, 3}},
		{"none", corrupt, nil, []uint{0, 3}},
		{"incomplete", corrupt, map[int]uint8{'a': 1, 256: 2}, []uint{2, 2}},
		{"too many", corrupt, map[int]uint8{'a': 1, 'b': 1, 256: 2}, []uint{2, 2}},
		{"one of 15 bits too many", corrupt, map[int]uint8{'a': 1, 'b': 15, 256: 1}, []uint{1, 1}},
		{"one of 15 bits missing", corrupt, map[int]uint8{0: 1, 1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8, 8: 9, 9: 10, 10: 11, 11: 12, 12: 13, 13: 14, 256: 15}, []uint{1<<15 - 2, 15}},
		{"to 15 bits", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e", deep, body},
	} {
		cases = append(cases, blockCase{"literals, " + c.name, c.want, func(s *stream) {
			lens := make([]uint8, 258)
			for i, l := range c.lits {
				lens[i] = l
			}
			s.dynamic(257, 1, allLens, each(lens...))
			for i := 0; i < len(c.body); i += 2 {
				s.code(c.body[i], c.body[i+1])
			}
		}})
	}
	return cases
}

// lengthCases are of how the codes' lengths are told.
func lengthCases() (cases []blockCase) {
	add := func(name, want string, lits, dists int, lens ...[]told) {
		cases = append(cases, blockCase{"lengths, " + name, want, func(s *stream) {
			s.dynamic(lits, dists, allLens, lens...)
			s.code(0, 1) // the literal 0, or what is wrong
			s.code(1, 1) // the end
		}})
	}
	one, rep := each(1), func(n uint64) []told { return []told{{16, n - 3}} }
	add("16 first", corrupt, 257, 1, rep(3), zeros(252), one, one, each(0))
	add("16 after zeros", "\x00", 257, 1, one, zeros(252), rep(3), one, each(0))
	add("16 from literals to distances", corrupt, 257, 4, one, zeros(255), one, rep(4)) // four distances of one bit
	add("17 from literals to distances", "\x00", 259, 4, one, zeros(255), one, []told{{17, 3}})
	add("18 from literals to distances", "\x00", 260, 20, one, zeros(255), one, []told{{18, 23 - 11}})
	add("16 beyond the last", corrupt, 257, 2, one, zeros(255), one, rep(3))
	add("17 beyond the last", corrupt, 257, 2, one, zeros(255), one, []told{{17, 0}})
	add("18 beyond the last", corrupt, 257, 10, one, zeros(255), one, []told{{18, 0}})
	add("286 literals", "\x00", 286, 1, one, zeros(255), one, zeros(29), each(0))
	add("287 literals", corrupt, 287, 1, one, zeros(255), one, zeros(30), each(0))
	add("288 literals", corrupt, 288, 1, one, zeros(255), one, zeros(31), each(0))
	cases = append(cases, blockCase{"lengths, 16 makes literals and distances", "\xfd\xff", func(s *stream) {
		s.dynamic(257, 4, allLens, zeros(253), each(2), rep(6), each(2))
		s.code(0, 2)
		s.code(2, 2)
		s.code(3, 2)
	}})

	for _, c := range []struct {
		name, want string
		own        map[int]uint8
		body       []uint // pairs: code, length
	}{
		{"none", corrupt, nil, nil},
		{"one", corrupt, map[int]uint8{18: 1}, nil}, // and 138 zeros again and again
		{"one of two bits", corrupt, map[int]uint8{18: 2}, nil},
		{"incomplete", corrupt, map[int]uint8{1: 1, 18: 2}, nil},
		{"too many", corrupt, map[int]uint8{1: 1, 2: 1, 18: 1}, nil},
		// 138 zeros, 118 zeros (127 and 107 are the same from both ends), lengths of 1
		// and of 0; then the end.
		{"to 7 bits", "", map[int]uint8{18: 1, 17: 2, 16: 3, 2: 4, 3: 5, 0: 6, 1: 7, 5: 7},
			[]uint{0, 1, 127, 7, 0, 1, 118 - 11, 7, 126, 7, 62, 6, 0, 1}},
	} {
		cases = append(cases, blockCase{"lengths' own code, " + c.name, c.want, func(s *stream) {
			own := make([]uint8, numLens)
			for i, l := range c.own {
				own[i] = l
			}
			s.dynamic(257, 1, own)
			for i := 0; i < len(c.body); i += 2 {
				s.code(c.body[i], c.body[i+1])
			}
			if c.body == nil {
				s.put(0, 60)
			}
		}})
	}
	return cases
}
