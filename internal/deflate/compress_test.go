package deflate

import (
	"bytes"
	"fmt"
	"math/bits"
	"math/rand"
	"sync"
	"testing"
)

// mixture appends n bytes to b: text, noise, runs, few symbols, and what was
// before, at distances around those that matter.
func mixture(r *rand.Rand, b []byte, n int) []byte {
	start := len(b)
	for n += start; len(b) < n; {
		k := min(n-len(b), 1+r.Intn(1<<r.Intn(12)))
		switch r.Intn(6) {
		case 0:
			b = append(b, text(k, r.Int63())...)
		case 1:
			p := make([]byte, k)
			r.Read(p)
			b = append(b, p...)
		case 2:
			b = append(b, bytes.Repeat([]byte{byte(r.Intn(256))}, k)...)
		case 3:
			for range k {
				b = append(b, byte(r.Intn(4)))
			}
		default:
			d := 1<<(8+r.Intn(8)) + r.Intn(9) - 4
			if r.Intn(2) == 0 {
				d = 1 + r.Intn(d)
			}
			if d <= len(b) {
				for range k {
					b = append(b, b[len(b)-d])
				}
			}
		}
	}
	return b
}

// plainReader reads DEFLATE as RFC 1951 tells it, a bit at a time, and panics
// where that goes wrong. far is the greatest distance that it met.
type plainReader struct {
	in  []byte
	at  int // bit
	out []byte
	far int
}

func (r *plainReader) bits(n int) (v int) {
	for i := range n {
		v |= int(r.in[r.at>>3]>>(r.at&7)&1) << i
		r.at++
	}
	return v
}

// plainCode has how many codes there are of each length, and their symbols.
type plainCode struct {
	count [maxBits + 1]int
	syms  []int
}

func newPlainCode(lens []uint8) (c plainCode) {
	for l := 1; l <= maxBits; l++ {
		for sym := range lens {
			if int(lens[sym]) == l {
				c.count[l]++
				c.syms = append(c.syms, sym)
			}
		}
	}
	left := 1
	for l := 1; l <= maxBits; l++ {
		left = left<<1 - c.count[l]
	}
	if left != 0 {
		panic("a code that is not complete")
	}
	return c
}

func (r *plainReader) sym(c *plainCode) int {
	code, first, at := 0, 0, 0
	for l := 1; ; l++ {
		code = code<<1 | r.bits(1)
		first <<= 1
		if code-first < c.count[l] {
			return c.syms[at+code-first]
		}
		first += c.count[l]
		at += c.count[l]
	}
}

// block reads a block.
func (r *plainReader) block() {
	if r.bits(1) != 0 {
		panic("a block that is the last")
	}
	var lits, dists plainCode
	switch r.bits(2) {
	case 0:
		r.at = (r.at + 7) &^ 7
		n := r.bits(16)
		if not := r.bits(16); n != not^0xffff {
			panic("NLEN")
		}
		r.out = append(r.out, r.in[r.at>>3:][:n]...)
		r.at += 8 * n
		return
	case 1:
		lens := fixedLens()
		lits, dists = newPlainCode(lens[:]), newPlainCode(bytes.Repeat([]byte{5}, 32))
	case 2:
		lits, dists = r.codes()
	}
	for {
		sym := r.sym(&lits)
		switch {
		case sym < endOfBlock:
			r.out = append(r.out, byte(sym))
		case sym == endOfBlock:
			return
		default:
			sym -= endOfBlock + 1
			n := int(lenBase[sym]) + r.bits(int(lenExtra[sym]))
			sym = r.sym(&dists)
			d := int(distBase[sym]) + r.bits(int(distExtra[sym]))
			r.far = max(r.far, d)
			for range n {
				r.out = append(r.out, r.out[len(r.out)-d])
			}
		}
	}
}

// codes reads the codes of a dynamic block.
func (r *plainReader) codes() (lits, dists plainCode) {
	nlits, ndists, n := 257+r.bits(5), 1+r.bits(5), 4+r.bits(4)
	if nlits > numLit || ndists > numDist {
		panic("too many symbols")
	}
	var own [numLens]uint8
	for _, sym := range lensOrder[:n] {
		own[sym] = uint8(r.bits(3))
	}
	code := newPlainCode(own[:])
	var lens []uint8
	for len(lens) < nlits+ndists {
		switch sym := r.sym(&code); sym {
		case 16:
			lens = append(lens, bytes.Repeat(lens[len(lens)-1:], 3+r.bits(2))...)
		case 17:
			lens = append(lens, make([]uint8, 3+r.bits(3))...)
		case 18:
			lens = append(lens, make([]uint8, 11+r.bits(7))...)
		default:
			lens = append(lens, uint8(sym))
		}
	}
	return newPlainCode(lens[:nlits]), newPlainCode(lens[nlits : nlits+ndists])
}

// unit reads a unit, and returns what it gives.
func (r *plainReader) unit(z []byte) []byte {
	from := len(r.out)
	r.in, r.at = append(z[:len(z):len(z)], tail...), 0
	for r.at < 8*len(r.in) {
		r.block()
	}
	return r.out[from:]
}

// No match reaches behind the window, in units of all sizes around it, whole and
// in pieces, whatever came before.
func TestReach(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	for _, takeover := range []bool{false, true} {
		for bits := 8; bits <= 15; bits++ {
			window := 1 << bits
			c := Compressor{Takeover: takeover, Window: window}
			var r plainReader
			var before []byte
			total := 0
			for _, n := range []int{window - 1, 1, window, window + 1, 0, 2, 2*window - 1, 3, 2*window + 1, maxPiece - 1, maxPiece + 1, 3*window + 7} {
				before = before[max(0, len(before)-1<<16):]
				from := len(before)
				before = mixture(rnd, before, n)
				u := before[from:]
				var z []byte
				for p := u; ; {
					k := min(len(p), 1+rnd.Intn(2*n+1))
					z = c.Append(z, p[:k], k == len(p))
					if p = p[k:]; len(p) == 0 {
						break
					}
				}
				if !takeover {
					r.out = nil // what is referred to is in the unit
				}
				if got := r.unit(z); !bytes.Equal(got, u) {
					t.Fatalf("window %d, takeover %v, %d bytes: %d", window, takeover, n, len(got))
				}
				total += n
			}
			if r.far > window || r.far < min(window, total)*3/4 {
				t.Errorf("window %d, takeover %v: the greatest distance is %d", window, takeover, r.far)
			}
		}
	}
}

// Positions are counted in 32 bits. After 4 GiB they begin again, and what is in
// the table may look near.
func TestPositionsWrap(t *testing.T) {
	const near = 1<<32 - 150<<10
	rnd := rand.New(rand.NewSource(1))
	var data []byte
	size := map[string]int{}
	for _, base := range []uint32{1 << 20, near} {
		data = mixture(rand.New(rand.NewSource(2)), data[:0], 400<<10)
		c := Compressor{Takeover: true, h: new(history)}
		c.h.table, c.h.base = c.h.all[:], base
		e := new(encoder)
		e.own = positions{e.all[:], base}
		for i := range e.all { // as if something had been everywhere
			e.all[i] = base - uint32(rnd.Intn(1<<20))
			c.h.all[i%historyTable] = e.all[i]
		}
		r, own := reference{takeover: true}, reference{}
		for p := data; len(p) > 0; {
			n := min(len(p), 1+rnd.Intn(40000))
			z := c.Append(nil, p[:n], true)
			if got, err := r.expand(z, n); err != nil || !bytes.Equal(got, p[:n]) {
				t.Fatalf("base %#x: %d bytes of %d, %v", c.h.base, len(got), n, err)
			}
			size[fmt.Sprint("takeover ", base == near)] += len(z)

			var b bitWriter
			e.blocks(&b, p[:n], 0, &e.own, MaxWindow)
			e.own.base += uint32(n)
			b.put(0, 3)
			b.align()
			if got, err := own.expand(b.out, n); err != nil || !bytes.Equal(got, p[:n]) {
				t.Fatalf("base %#x: %d bytes of %d, %v", e.own.base, len(got), n, err)
			}
			size[fmt.Sprint("own ", base == near)] += len(b.out)
			p = p[n:]
		}
		if base == near && (c.h.base > 1<<20 || e.own.base > 1<<20) {
			t.Error("they did not wrap")
		}
	}
	for _, kind := range []string{"takeover ", "own "} {
		if a, b := size[kind+"false"], size[kind+"true"]; b > a+a/50 {
			t.Errorf("%s: %d bytes, %d where positions wrap", kind, a, b)
		}
	}
}

// What an encoder did before changes nothing in what it does next.
func TestPooled(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	used := encoders.New().(*encoder)
	unit := func(e *encoder, p []byte) []byte {
		var b bitWriter
		e.own.table = e.all[:tableSize(len(p))]
		e.blocks(&b, p, 0, &e.own, MaxWindow)
		e.own.base += uint32(len(p))
		return b.out
	}
	for range 300 {
		p := mixture(rnd, nil, rnd.Intn(1<<rnd.Intn(17)))
		if !bytes.Equal(unit(used, p), unit(encoders.New().(*encoder), p)) {
			t.Fatalf("%d bytes become something else in an encoder that was used", len(p))
		}
	}
}

// Connections that share pools do not see each other's bytes.
func TestConcurrent(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewSource(int64(g)))
			takeover := g%2 == 0
			c, e := Compressor{Takeover: takeover}, Expander{Takeover: takeover}
			for range 20 {
				u := bytes.Repeat([]byte{byte(g)}, rnd.Intn(40000))
				for i := range u {
					u[i] |= byte(rnd.Intn(4)) << 4
				}
				k := rnd.Intn(len(u) + 1)
				z := c.Append(nil, u[:k], false)
				z = c.Append(z, u[k:], true)
				got, err := expand(&e, z, int64(len(u)))
				if err != nil || !bytes.Equal(got, u) {
					t.Errorf("%d bytes of %d, %v", len(got), len(u), err)
					return
				}
				e.Gather(bytes.Repeat([]byte{7}, rnd.Intn(100)+1)) // corrupt, and let go of in the middle
				e.Expand(1 << 20)
				e.Drop()
			}
		})
	}
	wg.Wait()
}

// Every length and distance has its symbol.
func TestSymbols(t *testing.T) {
	for l := minMatch; l <= maxMatch; l++ {
		s, x := lenSyms[l-minMatch], lenBits[l-minMatch]
		if int(lenBase[s])+int(x.bits()) != l || x.len() != uint(lenExtra[s]) || bits.Len64(x.bits()) > int(x.len()) {
			t.Errorf("length %d: symbol %d, extra %d of %d bits", l, s, x.bits(), x.len())
		}
	}
	for d := 1; d <= MaxWindow; d++ {
		s := distSym(uint32(d - 1))
		if x := d - int(distBase[s]); x < 0 || x >= 1<<distExtra[s] {
			t.Errorf("distance %d: symbol %d", d, s)
		}
	}
}

// A long unit's time grows as its length does, and not faster: the buffer grows
// by more than it needs.
func TestGrowth(t *testing.T) {
	p := make([]byte, 3<<20)
	rnd := rand.New(rand.NewSource(1))
	for i := range p {
		p[i] = "0123456789abcdef"[rnd.Intn(16)]
	}
	grown := 0
	var b bitWriter
	e := encoders.New().(*encoder)
	e.own.table = e.all[:]
	for q := p; len(q) > 0; q = q[maxBlock:] {
		had := cap(b.out)
		e.blocks(&b, q[:maxBlock], 0, &e.own, MaxWindow)
		if cap(b.out) != had {
			grown++
		}
	}
	if grown > 40 {
		t.Errorf("the buffer grew %d times", grown)
	}
}
