package deflate

// The writer of DEFLATE. match looks each place up in a table of where the same
// bytes, by their hash, were seen last, and takes what it finds, without a search
// for something longer: messages are short, and time counts for more than the last
// bytes. block counts the symbols that came of it, and writes them in the way that
// takes the fewest bits: as they are, with the fixed codes, or with codes made for
// them.
//
// Branches that depend on the data are avoided where they are mispredicted often:
// on short messages that costs more than the work they save.

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
)

// encoder writes raw DEFLATE (RFC 1951). It is needed only while a piece is
// compressed.
type encoder struct {
	lits  []byte // literals of a block
	seqs  []seq
	extra int // bits, of all lengths and distances

	lit, dist alphabet
	runs      []run // the lengths of their codes, as they are written
	runLens   alphabet

	own positions // for a unit that needs no history
	all [maxTable]uint32
}

// seq is some literals and the match after them.
type seq struct {
	lits   uint16
	dist   uint16 // less 1
	length uint8  // less minMatch
	sym    uint8  // of dist
}

// run is a symbol of the code lengths' alphabet and its extra bits.
type run struct{ sym, extra uint8 }

var encoders = sync.Pool{New: func() any { return &encoder{own: positions{base: 1}} }}

// maxBlock is the most that is in one block: its literals can be counted in a
// seq, and its symbols in an alphabet.
const maxBlock = 32 << 10

// positions remembers by hash where something was seen last. A position counts
// from base, which only grows: so what is left of an earlier unit is known to be
// out of reach, and the table is never cleared. It begins above the zeros of a new
// table. After 4 GiB it wraps, and an old position may look near: it does no harm,
// as whatever the table tells is compared with what is there.
type positions struct {
	table []uint32 // a power of 2
	base  uint32
}

// How many places a table has: a short unit takes a small part of it, which stays
// in the cache. What is kept for a connection is small for its sake.
const minTable, maxTable, historyTable = 1 << 9, 1 << 14, 1 << 12

func tableSize(n int) int { return min(max(1<<(bits.Len(uint(n))+1), minTable), maxTable) }

// hash is of the first five bytes of x.
func hash(x uint64, shift int) uint32 {
	return uint32(x << 24 * 0xcf1bbcdcbb >> (shift & 63))
}

// The symbols of lengths and distances.
var (
	lenSyms  [maxMatch - minMatch + 1]uint8
	lenBits  [maxMatch - minMatch + 1]code // the extra bits
	distSyms [512]uint8                    // of distances to 256, and of 128ths of those above; less 1

	fixedLits, fixedDists = new(alphabet), new(alphabet)
)

func init() {
	for s, l := range lenBase {
		for i := int(l) - minMatch; i < len(lenSyms); i++ {
			lenSyms[i] = uint8(s)
			lenBits[i] = code(i+minMatch-int(l)) | code(lenExtra[s])<<16
		}
	}
	for s, d := range distBase {
		for i := int(d) - 1; i < 256; i++ {
			distSyms[i] = uint8(s)
		}
		for i := (int(d) - 1) >> 7; i < 256 && d > 256; i++ {
			distSyms[256+i] = uint8(s)
		}
	}
	lens := fixedLens()
	fixedCodes(fixedLits, lens[:])
	fixedCodes(fixedDists, bytes.Repeat([]byte{5}, numDist))
}

func fixedCodes(t *alphabet, lens []uint8) {
	// Those without a meaning are the last, and change no other's code.
	t.n = copy(t.lens[:], lens)
	for i := range t.n {
		t.used[i] = uint32(i)
	}
	t.makeCodes()
}

func distSym(less1 uint32) uint8 {
	far := -(less1 >> 8) >> 31 // 1 above 256: distances are mixed, and a branch mispredicted
	return distSyms[(less1>>(7*far)+far<<8)&511]
}

// blocks writes src[from:]. Matches go back to the beginning of src, and at most
// reach bytes.
func (e *encoder) blocks(b *bitWriter, src []byte, from int, p *positions, reach int) {
	for from < len(src) {
		to := min(len(src), from+maxBlock)
		e.match(src[:to], from, p, reach)
		e.block(b, src[from:to])
		from = to
	}
}

func load32(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// match finds what of src[from:] was in src before.
func (e *encoder) match(src []byte, from int, p *positions, reach int) {
	if n := len(src) - from + spare; cap(e.lits) < n {
		e.lits = make([]byte, 2*n)
	}
	lits := e.lits[:cap(e.lits)]
	seqs := e.seqs[:0]
	nlits := 0
	table, base := p.table, p.base
	shift := 64 - bits.TrailingZeros(uint(len(table)))

	s, lit := from, from
	end := len(src) - 16
	for {
		var off uint32
		for ; s < end; s += 1 + (s-lit)>>1&1 + (s-lit)>>6 {
			x := load64(src, s)
			h := hash(x, shift)
			off = base + uint32(s) - table[h]
			table[h] = base + uint32(s)
			if off-1 < uint32(min(s, reach)) && load32(src, s-int(off)) == uint32(x) {
				break
			}
		}
		if s >= end {
			break
		}
		from := s - int(off)
		length := 4 + same(src, from+4, s+4, maxMatch-4)
		if from >= 8 {
			// What is before, too: not every place in a match is in the table.
			x := load64(src, s-8) ^ load64(src, from-8)
			back := min(bits.LeadingZeros64(x)>>3, s-lit, maxMatch-length)
			s -= back
			length += back
		}
		run := s - lit
		if run <= 16 {
			binary.LittleEndian.PutUint64(lits[nlits:], load64(src, lit))
			binary.LittleEndian.PutUint64(lits[nlits+8:], load64(src, lit+8))
		} else {
			copy(lits[nlits:], src[lit:s])
		}
		nlits += run
		seqs = append(seqs, seq{uint16(run), uint16(off - 1), uint8(length - minMatch), 0})
		s += length
		lit = s
		if s < end {
			x := load64(src, s-2)
			table[hash(x, shift)] = base + uint32(s-2)
			table[hash(x>>8, shift)] = base + uint32(s-1)
		}
	}
	nlits += copy(lits[nlits:], src[lit:])
	e.lits, e.seqs = lits[:nlits], seqs
}

// spare is what may be read or written past the literals.
const spare = 32

// same returns how much is the same at two places, at most most.
func same(src []byte, a, b, most int) int {
	n := 0
	most = min(most, len(src)-b)
	for ; n+8 <= most; n += 8 {
		if x := load64(src, a+n) ^ load64(src, b+n); x != 0 {
			return n + bits.TrailingZeros64(x)>>3
		}
	}
	for n < most && src[a+n] == src[b+n] {
		n++
	}
	return n
}

// tally counts symbols.
func (e *encoder) tally() {
	clear(e.lit.freq[:])
	clear(e.dist.freq[:numDist])
	e.lit.freq[endOfBlock] = 1
	for _, c := range e.lits {
		e.lit.freq[c]++
	}
	extra := 0
	for i := range e.seqs {
		q := &e.seqs[i]
		q.sym = distSym(uint32(q.dist))
		l := lenSyms[q.length]
		e.lit.freq[endOfBlock+1+int(l)]++
		e.dist.freq[q.sym]++
		extra += int(lenExtra[l]) + int(distExtra[q.sym])
	}
	e.extra = extra
}

// bitWriter appends bits.
type bitWriter struct {
	out []byte
	acc uint64
	n   uint // bits in acc
}

func (b *bitWriter) put(v uint64, n uint) {
	b.acc |= v << (b.n & 63)
	b.n += n
	if b.n >= 32 {
		b.out = binary.LittleEndian.AppendUint32(b.out, uint32(b.acc))
		b.acc >>= 32
		b.n -= 32
	}
}

// grow makes room for that many bits, and a little more: what writes them writes
// eight bytes at a time.
func (b *bitWriter) grow(size int) {
	b.out = slices.Grow(b.out, size/8+16)
}

// align ends the byte.
func (b *bitWriter) align() {
	for ; b.n > 0; b.n -= min(8, b.n) {
		b.out = append(b.out, byte(b.acc))
		b.acc >>= 8
	}
}

// few is how many symbols a block has for which codes of its own do not pay, as
// they have to be told.
const few = 96

// block writes what match found, as a block of the kind that takes the fewest
// bits; src is its bytes.
func (e *encoder) block(b *bitWriter, src []byte) {
	e.tally()
	e.lit.gather(numLit)
	fixed := 3 + e.extra + 5*len(e.seqs)
	squares := 0
	for _, u := range e.lit.used[:e.lit.n] {
		f := int(u >> 16)
		fixed += f * int(fixedLits.lens[u&0xffff])
		squares += f * f
	}
	stored := 3 + 7 + 32 + 8*len(src)

	// Of noise all bytes are about as frequent, and no code makes it shorter. As
	// many bytes that are all the same would have a sum of n*n, noise n*n/256+n.
	n := len(e.lits)
	noise := len(e.seqs) == 0 && squares-n < n*n/220 // 220*squares overflows 32 bits

	own := fixed
	lits, dists, runs := numLit, numDist, numLens
	if n+len(e.seqs) > few && !noise {
		e.dist.gather(numDist)
		own = 3 + 14 + e.extra + e.lit.makeLens(numLit, maxLit) + e.dist.makeLens(numDist, maxBits)
		for e.lit.lens[lits-1] == 0 {
			lits--
		}
		for e.dist.lens[dists-1] == 0 {
			dists--
		}
		own += e.count(lits)
		for e.runLens.lens[lensOrder[runs-1]] == 0 {
			runs--
		}
		own += 3 * runs
	}

	switch {
	case stored < fixed && stored < own:
		b.put(0, 3)
		b.align()
		b.put(uint64(len(src)), 16)
		b.put(uint64(^uint16(len(src))), 16)
		b.out = append(b.out, src...)
	case fixed <= own:
		b.put(1<<1, 3)
		b.grow(fixed)
		e.write(b, &fixedLits.codes, &fixedDists.codes)
	default:
		b.grow(own)
		b.put(2<<1, 3)
		b.put(uint64(lits-257), 5)
		b.put(uint64(dists-1), 5)
		b.put(uint64(runs-4), 4)
		for _, s := range lensOrder[:runs] {
			b.put(uint64(e.runLens.lens[s]), 3)
		}
		e.runLens.makeCodes()
		e.writeRuns(b)
		e.lit.makeCodes()
		e.dist.makeCodes()
		e.write(b, &e.lit.codes, &e.dist.codes)
	}
}

var runExtra = [numLens]uint{16: 2, 17: 3, 18: 7}

// count turns the codes' lengths into runs, and returns how many bits those
// take. lits is how many lengths of literals are told.
func (e *encoder) count(lits int) int {
	e.runs = e.runs[:0]
	clear(e.runLens.freq[:numLens])
	told, length, times := 0, uint8(0), 0
	for _, t := range [...]struct {
		*alphabet
		at int
	}{{&e.lit, 0}, {&e.dist, lits}} {
		for _, u := range t.used[:t.n] {
			sym := int(u & 0xffff)
			l := t.lens[sym]
			zeros := t.at + sym - told
			if zeros == 0 && l == length {
				times++
			} else {
				e.run(length, times)
				e.run(0, zeros)
				length, times = l, 1
			}
			told = t.at + sym + 1
		}
	}
	e.run(length, times)
	e.runLens.gather(numLens)
	size := e.runLens.makeLens(numLens, maxLens)
	for s, x := range runExtra {
		size += int(x) * int(e.runLens.freq[s])
	}
	return size
}

// run notes that so many codes have a length.
func (e *encoder) run(l uint8, n int) {
	if l != 0 && n > 0 {
		e.runs = append(e.runs, run{sym: l})
		e.runLens.freq[l]++
		n--
	}
	for n >= 3 {
		var r run
		var k int
		switch {
		case l != 0:
			k = min(n, 6)
			r = run{16, uint8(k - 3)}
		case n <= 10:
			k = n
			r = run{17, uint8(k - 3)}
		default:
			k = min(n, 138)
			r = run{18, uint8(k - 11)}
		}
		n -= k
		e.runs = append(e.runs, r)
		e.runLens.freq[r.sym]++
	}
	for ; n > 0; n-- {
		e.runs = append(e.runs, run{sym: l})
		e.runLens.freq[l]++
	}
}

// writeRuns writes the runs.
func (e *encoder) writeRuns(b *bitWriter) {
	at := len(b.out)
	out := b.out[:cap(b.out)]
	acc, n := b.acc, b.n
	for _, r := range e.runs {
		c := e.runLens.codes[r.sym]
		acc |= (c.bits() | uint64(r.extra)<<(c.len()&63)) << (n & 63)
		n += c.len() + runExtra[r.sym]
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(n >> 3)
		acc >>= n & 56
		n &= 7
	}
	b.out, b.acc, b.n = out[:at], acc, n
}

// write writes the symbols.
func (e *encoder) write(b *bitWriter, lits, dists *[numLit + 2]code) {
	at := len(b.out)
	out := b.out[:cap(b.out)]
	acc, n := b.acc, b.n
	src := e.lits[:cap(e.lits)]
	i := 0
	for _, q := range e.seqs {
		// Four literals at once, those above the run with nothing to write: runs
		// are mixed, and a branch for each mispredicted.
		for left := int(q.lits); left > 0; left -= 4 {
			x := load32(src, i+int(q.lits)-left)
			c := lits[x&0xff]
			acc |= c.bits() << (n & 63)
			n += c.len()
			c = lits[x>>8&0xff] & code((1-left)>>31)
			acc |= c.bits() << (n & 63)
			n += c.len()
			c = lits[x>>16&0xff] & code((2-left)>>31)
			acc |= c.bits() << (n & 63)
			n += c.len()
			c = lits[x>>24] & code((3-left)>>31)
			acc |= c.bits() << (n & 63)
			n += c.len()
			binary.LittleEndian.PutUint64(out[at:], acc)
			at += int(n >> 3)
			acc >>= n & 56
			n &= 7
		}
		i += int(q.lits)

		sym := lenSyms[q.length]
		c := lits[endOfBlock+1+int(sym)]
		acc |= c.bits() << (n & 63)
		n += c.len()
		x := lenBits[q.length]
		acc |= x.bits() << (n & 63)
		n += x.len()
		c = dists[q.sym]
		acc |= c.bits() << (n & 63)
		n += c.len()
		acc |= uint64(q.dist+1-distBase[q.sym]) << (n & 63)
		n += uint(distExtra[q.sym])
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(n >> 3)
		acc >>= n & 56
		n &= 7
	}
	for _, l := range e.lits[i:] {
		c := lits[l]
		acc |= c.bits() << (n & 63)
		n += c.len()
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(n >> 3)
		acc >>= n & 56
		n &= 7
	}
	c := lits[endOfBlock]
	acc |= c.bits() << (n & 63)
	n += c.len()
	binary.LittleEndian.PutUint64(out[at:], acc)
	at += int(n >> 3)
	acc >>= n & 56
	n &= 7
	b.out, b.acc, b.n = out[:at], acc, n
}
