package deflate

// Codes for symbols by how often they occur: Huffman's lengths, cut to what DEFLATE
// can tell, and the canonical codes of those lengths.

import "math/bits"

// The alphabets of RFC 1951 3.2.5 and 3.2.7.
const (
	numLit     = 286 // literals, the end of the block, lengths
	numDist    = 30
	numLens    = 19 // the code lengths' own alphabet
	endOfBlock = 256

	minMatch = 3
	maxMatch = 258
	maxBits  = 15 // of a code
	maxLit   = 14 // of a literal's code as we write it, so that four fit into a word
	maxLens  = 7  // of a code of the code lengths
)

var (
	lenBase   = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lenExtra  = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase  = [numDist]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra = [numDist]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}

	// lensOrder is the order in which the lengths of the code lengths' codes come.
	lensOrder = [numLens]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// fixedLens are the lengths of the fixed literal codes (RFC 1951 3.2.6); two
// symbols of them mean nothing.
func fixedLens() (l [numLit + 2]uint8) {
	for i := range l {
		switch {
		case i < 144:
			l[i] = 8
		case i < 256:
			l[i] = 9
		case i < 280:
			l[i] = 7
		default:
			l[i] = 8
		}
	}
	return l
}

// alphabet is how often each symbol occurs in a block, and what code it gets.
type alphabet struct {
	freq  [numLit + 2]uint32
	lens  [numLit + 2]uint8 // of the codes, 0 where there is none
	codes [numLit + 2]code
	used  [numLit + 2]uint32 // symbols that occur, in their order: frequency<<16 | symbol
	n     int                // of used

	a, b [numLit + 2]uint32
	at   [256]uint16 // of sort
}

// code is a code as it is written, its length in the upper half.
type code uint32

func (c code) bits() uint64 { return uint64(c & 0xffff) }
func (c code) len() uint    { return uint(c >> 16) }

// gather finds which of the symbols occur.
func (t *alphabet) gather(symbols int) {
	n := 0
	for i, f := range t.freq[:symbols] {
		t.used[n] = f<<16 | uint32(i)
		n += int(-f >> 31) // 1 where f is not 0; a branch is mispredicted too often
	}
	t.n = n
}

// makeLens gives each symbol that occurs the length of its code, none above
// limit. Two symbols get one at least, as some readers want a complete code. It
// returns how many bits all of them take.
func (t *alphabet) makeLens(symbols, limit int) (size int) {
	clear(t.lens[:symbols])
	if t.n == 0 {
		t.used[0], t.n = 1<<16, 1
	}
	if t.n == 1 {
		if t.used[1] = 1<<16 | 1; t.used[0]&0xffff != 0 {
			t.used[0], t.used[1] = 1<<16, t.used[0]
		}
		t.n = 2
	}
	n := t.n
	sorted, w := t.sort()

	// Huffman's tree, in place (Moffat and Katajainen 1995): first w[i] is a
	// weight, then the parent of inner node i, then its depth.
	for i, k := range sorted {
		w[i] = k >> 16
	}
	leaf, root := 0, 0
	for next := range n - 1 {
		sum := uint32(0)
		for range 2 {
			if leaf >= n || root < next && w[root] < w[leaf] {
				sum += w[root]
				w[root] = uint32(next)
				root++
			} else {
				sum += w[leaf]
				leaf++
			}
		}
		w[next] = sum
	}
	// How many codes there are of each length.
	var count [maxBits + 2]int // the last one for all that are too long
	w[n-2] = 0
	for i := n - 3; i >= 0; i-- {
		w[i] = w[w[i]] + 1
	}
	left, inner := 1, n-2
	for depth := 0; left > 0; depth++ {
		used := 0
		for inner >= 0 && w[inner] == uint32(depth) {
			used++
			inner--
		}
		count[min(depth, limit+1)] += left - used
		left = 2 * used
	}
	shorten(&count, limit)

	// The most frequent get the shortest.
	i := n
	for l := 1; l <= limit; l++ {
		for range count[l] {
			i--
			t.lens[sorted[i]&0xffff] = uint8(l)
			size += l * int(sorted[i]>>16)
		}
	}
	return size
}

// sort returns the used symbols, the rarest first, and as much place.
func (t *alphabet) sort() (sorted, spare []uint32) {
	from, to, spare := t.used[:t.n], t.a[:t.n], t.b[:t.n]
	most := uint32(0)
	for _, k := range from {
		most = max(most, k>>16)
	}
	for shift := 16; ; shift += 8 {
		at := &t.at
		clear(at[:])
		for _, k := range from {
			at[k>>shift&0xff]++
		}
		sum := uint16(0)
		for i, n := range at[:min(255, most)+1] {
			at[i], sum = sum, sum+n
		}
		for _, k := range from {
			d := k >> shift & 0xff
			to[at[d]] = k
			at[d]++
		}
		most >>= 8
		if most == 0 {
			return to, spare
		}
		from, to, spare = to, spare, to
	}
}

// shorten makes codes that are too long as long as the limit, and others longer
// until there is place for all.
func shorten(count *[maxBits + 2]int, limit int) {
	if count[limit+1] == 0 {
		return
	}
	count[limit] += count[limit+1]
	count[limit+1] = 0
	sum := 0
	for l := 1; l <= limit; l++ {
		sum += count[l] << (limit - l)
	}
	for ; sum > 1<<limit; sum-- {
		l := limit - 1
		for count[l] == 0 {
			l--
		}
		count[limit]--
		count[l]--
		count[l+1] += 2
	}
}

// makeCodes gives the codes to their lengths (RFC 1951 3.2.2), turned around, as
// the first bit of a code is written first.
func (t *alphabet) makeCodes() {
	var next [maxBits + 1]uint16
	for _, u := range t.used[:t.n] {
		next[t.lens[u&0xffff]]++
	}
	c := uint16(0)
	for l, n := range next {
		c <<= 1
		next[l] = c
		c += n
	}
	for _, u := range t.used[:t.n] {
		l := t.lens[u&0xffff]
		t.codes[u&0xffff] = code(bits.Reverse16(next[l])>>(16-l)) | code(l)<<16
		next[l]++
	}
}
