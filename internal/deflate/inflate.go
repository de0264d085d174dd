package deflate

// The reader of DEFLATE. A unit is whole in memory and has trailer behind it, so
// there is nothing to wait for, and the bits of a symbol are had by one load of
// eight bytes. What a code means is looked up in a table by the next bits; codes
// longer than that in a second one. What it expands to is written to a slice, to
// which matches refer; only those to earlier units go to the window.
//
// What comes in is a stranger's. Everything that is read or written is bounded by
// pad, behind the input, and slack, behind the output: codes looks at both bounds
// once for each turn.

import (
	"encoding/binary"
	"io"
	"math/bits"
	"sync"
)

// What is appended to a unit before it is read: what senders leave out, an empty
// last block, and zeros, so that eight bytes can be loaded wherever a code
// begins.
const (
	pad     = 16
	trailer = tail + end + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// slack is what inflate may write past where it was told to stop: a match, and
// what copying eight bytes at a time adds.
const slack = maxMatch + 16

// A table tells what begins with some bits: entries for each value of the first
// litBits or distBits bits, then tables for codes that are longer. These sizes
// are enough for any code (zlib's examples/enough.c).
const (
	litBits, litSize   = 9, 1 << 10
	distBits, distSize = 8, 1 << 9
)

// entry: bits 0 to 5, the code's length; 8 to 12, how many extra bits follow, or
// for a link how many bits the longer codes' table takes; 13 to 15, the kind;
// from 16, the literal, the base of a length or distance, or where the longer
// codes' table is.
type entry = uint32

const (
	literal  entry = 1 << 15
	special  entry = 1 << 14 // and alone: nothing has this code
	link     entry = 1<<13 | special
	blockEnd       = 1<<16 | special
)

// What symbols stand for: entries without a length.
var (
	litEntries  [numLit + 2]entry
	distEntries [numDist + 2]entry
	lensEntries [numLens]entry

	fixedLit  [litSize]entry
	fixedDist [distSize]entry
)

func init() {
	for i := range 256 {
		litEntries[i] = entry(i)<<16 | literal
	}
	litEntries[endOfBlock] = blockEnd
	for i := range lenBase {
		litEntries[endOfBlock+1+i] = entry(lenBase[i])<<16 | entry(lenExtra[i])<<8
	}
	for i := range distBase {
		distEntries[i] = entry(distBase[i])<<16 | entry(distExtra[i])<<8
	}
	for i := range lensEntries {
		lensEntries[i] = entry(i) << 16
	}
	litEntries[numLit], litEntries[numLit+1] = special, special
	distEntries[numDist], distEntries[numDist+1] = special, special

	var b builder
	lens := fixedLens()
	b.build(fixedLit[:], litBits, lens[:], litEntries[:])
	dists := [numDist + 2]uint8{}
	for i := range dists {
		dists[i] = 5
	}
	b.build(fixedDist[:], distBits, dists[:], distEntries[:])
}

// builder makes tables. What it needs for that stands here and not on the stack.
type builder struct {
	symbol, sorted [numLit + 2]uint16 // those that have a code; by its length
	table          [1 << maxLens]entry
	lens           [numLit + numDist]uint8
}

// build fills a table. ok is false where the lengths are of no code, or leave
// bits without meaning; what is allowed is no code at all, and a single one of
// one bit.
func (b *builder) build(table []entry, tableBits int, lens []uint8, symbols []entry) (ok bool) {
	symbol, used := &b.symbol, 0
	for i, l := range lens {
		symbol[used] = uint16(i)
		used += int(-uint32(l) >> 31) // 1 where l is not 0; a branch is mispredicted too often
	}
	var count [maxBits + 1]int
	for _, s := range symbol[:used] {
		count[lens[s]]++
	}
	space := 0
	var at [maxBits + 2]int
	for l := 1; l <= maxBits; l++ {
		space += count[l] << (maxBits - l)
		at[l+1] = at[l] + count[l]
	}
	if space != 1<<maxBits {
		if used > 1 || used == 1 && count[1] == 0 {
			return false
		}
		for i := range table[:1<<tableBits] {
			table[i] = special
		}
		for i := 0; used == 1 && i < 1<<tableBits; i += 2 {
			table[i] = symbols[symbol[0]] | 1
		}
		return true
	}

	sorted := &b.sorted
	for _, s := range symbol[:used] {
		l := lens[s]
		sorted[at[l]] = s
		at[l]++
	}

	// Short codes: a table of length l, doubled for the next. A code is held
	// turned around; the next one is counted up from its last bit.
	i, c := 0, 0
	for l := 1; l <= tableBits; l++ {
		for range count[l] {
			table[c] = symbols[sorted[i]] | entry(l)
			i++
			if i == used {
				for ; l < tableBits; l++ {
					copy(table[1<<l:2<<l], table[:1<<l])
				}
				return true
			}
			c = following(c, l)
		}
		if l < tableBits {
			copy(table[1<<l:2<<l], table[:1<<l])
		}
	}
	buildLong(table, tableBits, &count, sorted[i:used], symbols, c)
	return true
}

// buildLong fills in the codes that are longer than tableBits, each group with the
// same beginning in a table of its own. sorted are their symbols, c is the first.
func buildLong(table []entry, tableBits int, count *[maxBits + 1]int, sorted []uint16, symbols []entry, c int) {
	free, prefix := 1<<tableBits, -1
	i, sub, subBits := 0, 0, 0
	for l := tableBits + 1; ; l++ {
		for n := count[l]; n > 0; n-- {
			if p := c & (1<<tableBits - 1); p != prefix {
				// As many bits as it takes to fill a table with what is left.
				prefix, sub, subBits = p, free, l-tableBits
				for space := n; space < 1<<subBits; {
					subBits++
					space = space<<1 + count[tableBits+subBits]
				}
				free += 1 << subBits
				table[prefix] = entry(sub)<<16 | entry(subBits)<<8 | link | entry(tableBits)
			}
			e := symbols[sorted[i]] | entry(l-tableBits)
			for j := c >> tableBits; j < 1<<subBits; j += 1 << (l - tableBits) {
				table[sub+j] = e
			}
			i++
			if i == len(sorted) {
				return
			}
			c = following(c, l)
		}
	}
}

// following counts up a code of length l that is held turned around.
func following(c, l int) int {
	bit := 1 << (bits.Len(uint(c^(1<<l-1))) - 1)
	return c&(bit-1) | bit
}

// inflater reads raw DEFLATE (RFC 1951) from a slice that ends with trailer.
type inflater struct {
	in  []byte
	pos int // of what was not loaded
	acc uint64
	n   uint // bits in acc; the bits above are of in[pos:]

	state  int
	final  bool // this block, or the one that ended, was marked as the last
	stored int  // left of a stored block
	lit    *[litSize]entry
	dist   *[distSize]entry

	ownLit  [litSize]entry
	ownDist [distSize]entry
	builder
}

// The states.
const (
	atHead = iota
	inStored
	inCodes
)

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

func (z *inflater) reset(in []byte) {
	z.in, z.pos = in, 0
	z.acc, z.n = 0, 0
	z.state, z.final = atHead, false
}

// over tells that bits were taken from beyond the unit's end.
func (z *inflater) over() bool { return z.pos-int(z.n>>3) > len(z.in)-pad }

// load fills the accumulator to 56 bits or more.
func (z *inflater) load() bool {
	if z.pos > len(z.in)-8 {
		return false
	}
	z.acc |= binary.LittleEndian.Uint64(z.in[z.pos:]) << (z.n & 63)
	z.pos += int(63-z.n) >> 3
	z.n |= 56
	return true
}

// take takes up to 32 bits that were loaded.
func (z *inflater) take(n uint) uint {
	v := z.acc & (1<<n - 1)
	z.acc >>= n
	z.n -= n
	return uint(v)
}

// align goes to the next byte of the input.
func (z *inflater) align() {
	z.pos -= int(z.n >> 3)
	z.acc, z.n = 0, 0
}

// inflate expands to out[n:] until stop is reached or passed, by less than slack.
// What it refers to is before n in out, and before that in w. io.EOF tells that
// the unit has ended.
func (z *inflater) inflate(out []byte, n, stop int, w *past) (int, error) {
	for n < stop {
		switch z.state {
		case atHead:
			if z.over() {
				return n, ErrCorrupt
			}
			if z.final {
				// More may follow a block that was marked as the last (RFC 7692
				// 7.2.3.4).
				z.align()
				if len(z.in)-pad-z.pos <= len(end) {
					return n, io.EOF
				}
			}
			if !z.head() {
				return n, ErrCorrupt
			}
		case inStored:
			if z.stored == 0 {
				z.state = atHead
				continue
			}
			k := copy(out[n:stop], z.in[z.pos:min(z.pos+z.stored, len(z.in)-pad)])
			if k == 0 {
				return n, ErrCorrupt
			}
			n += k
			z.pos += k
			z.stored -= k
		case inCodes:
			var ok bool
			if n, ok = z.codes(out, n, stop, w); !ok || z.over() {
				return n, ErrCorrupt
			}
		}
	}
	return n, nil
}

// head reads what is before a block's data.
func (z *inflater) head() bool {
	if !z.load() {
		return false
	}
	z.final = z.take(1) == 1
	switch z.take(2) {
	case 0:
		z.align()
		if !z.load() {
			return false
		}
		z.stored = int(z.take(16))
		if not := int(z.take(16)); not != z.stored^0xffff {
			return false
		}
		z.align()
		z.state = inStored
		return z.pos <= len(z.in)-pad
	case 1:
		z.lit, z.dist = &fixedLit, &fixedDist
	case 2:
		if !z.dynamic() {
			return false
		}
		z.lit, z.dist = &z.ownLit, &z.ownDist
	default:
		return false
	}
	z.state = inCodes
	return true
}

// dynamic reads the codes of a block: RFC 1951 3.2.7.
func (z *inflater) dynamic() bool {
	lits, dists, n := int(z.take(5))+257, int(z.take(5))+1, int(z.take(4))+4
	if lits > numLit || dists > numDist {
		return false
	}
	var own [numLens]uint8
	for _, s := range lensOrder[:n] {
		if z.n < 3 && !z.load() {
			return false
		}
		own[s] = uint8(z.take(3))
	}
	table, lens := &z.table, &z.lens
	if !z.build(table[:], maxLens, own[:], lensEntries[:]) {
		return false
	}
	clear(lens[:])
	for i := 0; i < lits+dists; {
		if z.n < 14 && !z.load() {
			return false
		}
		e := table[z.acc&(1<<maxLens-1)]
		if e&special != 0 {
			return false
		}
		z.take(uint(e & 63))
		sym := uint8(e >> 16)
		if sym < 16 {
			lens[i] = sym
			i++
			continue
		}
		var l uint8
		var times int
		switch sym {
		case 16:
			if i == 0 {
				return false
			}
			l, times = lens[i-1], 3+int(z.take(2))
		case 17:
			times = 3 + int(z.take(3))
		default:
			times = 11 + int(z.take(7))
		}
		if i+times > lits+dists {
			return false
		}
		if l == 0 { // as lens is
			i += times
			continue
		}
		for range times {
			lens[i] = l
			i++
		}
	}
	return z.build(z.ownLit[:], litBits, lens[:lits], litEntries[:]) &&
		z.build(z.ownDist[:], distBits, lens[lits:lits+dists], distEntries[:])
}

// codes expands a block's codes, to its end or to stop.
func (z *inflater) codes(out []byte, n, stop int, w *past) (int, bool) {
	in, pos := z.in, z.pos
	acc, nb := z.acc, z.n
	lit, dist := z.lit, z.dist
	for n < stop {
		if pos > len(in)-8 {
			return n, false
		}
		acc |= binary.LittleEndian.Uint64(in[pos:]) << (nb & 63)
		pos += int(63-nb) >> 3
		nb |= 56

		// Up to three literals; two leave enough bits for a length.
		e := lit[acc&(1<<litBits-1)]
		if e&literal != 0 {
			out[n] = byte(e >> 16)
			n++
			acc >>= e & 63
			nb -= uint(e & 63)
			if n == stop { // what follows may be corrupt
				break
			}
			e = lit[acc&(1<<litBits-1)]
			if e&literal != 0 {
				out[n] = byte(e >> 16)
				n++
				acc >>= e & 63
				nb -= uint(e & 63)
				if n == stop {
					break
				}
				e = lit[acc&(1<<litBits-1)]
				if e&literal != 0 {
					out[n] = byte(e >> 16)
					n++
					acc >>= e & 63
					nb -= uint(e & 63)
					continue
				}
			}
		}
		if e&special != 0 {
			if e&link == link {
				acc >>= litBits
				nb -= litBits
				e = lit[(uint64(e>>16)+acc&(1<<(e>>8&15)-1))&(litSize-1)]
			}
			if e&literal != 0 {
				out[n] = byte(e >> 16)
				n++
				acc >>= e & 63
				nb -= uint(e & 63)
				continue
			}
			if e&special != 0 {
				if e>>16 != blockEnd>>16 {
					return n, false
				}
				z.pos, z.acc, z.n = pos, acc>>(e&63), nb-uint(e&63)
				z.state = atHead
				return n, true
			}
		}
		acc >>= e & 63
		nb -= uint(e & 63)
		length := int(e>>16) + int(acc&(1<<(e>>8&31)-1))
		acc >>= e >> 8 & 31
		nb -= uint(e >> 8 & 31)

		if nb < 2*maxBits { // a distance takes 28
			if pos > len(in)-8 {
				return n, false
			}
			acc |= binary.LittleEndian.Uint64(in[pos:]) << (nb & 63)
			pos += int(63-nb) >> 3
			nb |= 56
		}
		e = dist[acc&(1<<distBits-1)]
		if e&special != 0 {
			if e&link == link {
				acc >>= distBits
				nb -= distBits
				e = dist[(uint64(e>>16)+acc&(1<<(e>>8&15)-1))&(distSize-1)]
			}
			if e&special != 0 {
				return n, false
			}
		}
		acc >>= e & 63
		nb -= uint(e & 63)
		d := int(e>>16) + int(acc&(1<<(e>>8&31)-1))
		acc >>= e >> 8 & 31
		nb -= uint(e >> 8 & 31)

		from := n - d
		if from < 0 {
			k := w.copy(out[n:n+length], -from)
			if k == 0 {
				return n, false
			}
			n += k
			length -= k
			from = 0
			if length == 0 {
				continue
			}
		}
		stopAt := n + length
		if d >= 8 && length <= 32 {
			for ; n < stopAt; n += 8 {
				binary.LittleEndian.PutUint64(out[n:], binary.LittleEndian.Uint64(out[from:]))
				from += 8
			}
		} else {
			for n < stopAt { // a run grows with each turn
				n += copy(out[n:stopAt], out[from:n])
			}
		}
		n = stopAt
	}
	z.pos, z.acc, z.n = pos, acc, nb
	return n, true
}
