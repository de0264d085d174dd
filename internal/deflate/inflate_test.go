package deflate

import (
	"bytes"
	"compress/flate"
	"math/rand"
	"slices"
	"testing"
)

// compare expands units with Expander and with the standard library, and returns
// what the last one gave.
func compare(t *testing.T, r *reference, name string, takeover bool, room int, units ...[]byte) ([]byte, error) {
	t.Helper()
	e := Expander{Takeover: takeover}
	r.takeover, r.window = takeover, r.window[:0]
	var got []byte
	var err error
	for _, z := range units {
		got, err = expand(&e, z, int64(room))
		want, wantErr := r.expand(z, room)
		if err != wantErr || err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%s, room %d: %d bytes, %v; want %d, %v: %.300x", name, room, len(got), err, len(want), wantErr, z)
		}
		if e.Drop(); err != nil {
			if e.in != nil || e.z != nil || e.out != nil {
				t.Fatalf("%s: holds something", name)
			}
			break
		}
	}
	return got, err
}

// Every case is what it should be, and what it becomes when it is cut or a bit is
// turned is what the standard library says of it.
func TestBlocks(t *testing.T) {
	const room = 1 << 17
	first := new(stream)
	first.stored(before)
	first.put(0, 3)
	var r reference
	for _, c := range slices.Concat(storedCases(), fixedCases(), distanceCases(), literalCases(), lengthCases()) {
		s := new(stream)
		c.write(s)
		s.put(0, 3)
		z := s.bytes()
		got, err := compare(t, &r, c.name, true, room, first.bytes(), z)
		if err == ErrCorrupt {
			got, err = []byte(corrupt), nil
		}
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %d bytes, %.50q, %v", c.name, len(got), got, err)
		}
		if len(z) > 1000 {
			continue
		}
		for room := range 40 {
			compare(t, &r, c.name, false, room, z)
		}
		for i := range z {
			compare(t, &r, c.name+", cut", true, room, first.bytes(), z[:i])
			for bit := range 8 {
				z[i] ^= 1 << bit
				compare(t, &r, c.name+", damaged", true, room, first.bytes(), z)
				z[i] ^= 1 << bit
			}
		}
	}
}

// randomLens are lengths of a complete code, none above 15, sometimes damaged.
func randomLens(r *rand.Rand, symbols int) []uint8 {
	leaves := []uint8{0}
	n := 1 + r.Intn(symbols)
	deep := r.Intn(3) // how often the deepest leaf is split
	for len(leaves) < n {
		i := r.Intn(len(leaves))
		if r.Intn(3) < deep {
			i = len(leaves) - 1
		}
		if leaves[i] == maxBits {
			if i = slices.IndexFunc(leaves, func(l uint8) bool { return l < maxBits }); i < 0 {
				break
			}
		}
		leaves[i]++
		leaves = append(leaves, leaves[i])
	}
	if r.Intn(8) == 0 {
		leaves[r.Intn(len(leaves))] = uint8(r.Intn(maxBits + 1))
	}
	lens := make([]uint8, symbols)
	for i, at := range r.Perm(symbols)[:len(leaves)] {
		lens[at] = leaves[i]
	}
	return lens
}

// Codes of all shapes, and after them random bits: with a full window before
// them, most that follows has a meaning.
func TestRandomCodes(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	window := make([]byte, MaxWindow)
	rnd.Read(window)
	first := new(stream)
	first.stored(string(window))
	first.put(0, 3)
	var r reference
	good, long := 0, 0
	for i := range 2000 {
		s := new(stream)
		lits, dists := randomLens(rnd, 257+rnd.Intn(30)), randomLens(rnd, 1+rnd.Intn(30))
		if i%4 > 0 && lits[256] == 0 { // most blocks can end
			at := slices.Index(lits, slices.Max(lits))
			lits[256], lits[at] = lits[at], 0
		}
		s.dynamic(len(lits), len(dists), allLens, each(lits...), each(dists...))
		body := make([]byte, rnd.Intn(1<<rnd.Intn(13)))
		rnd.Read(body)
		s.align()
		s.out = append(s.out, body...)
		got, err := compare(t, &r, "random codes", true, 1<<rnd.Intn(18), first.bytes(), s.out)
		if err == nil {
			good++
		} else if err == ErrTooBig || len(got) > 1000 {
			long++
		}
	}
	if good < 20 || long < 200 {
		t.Errorf("%d ended well, %d were long: this tests little", good, long)
	}
}

// The most bits that come between two loads: two literals that need no second
// table, and a match whose codes have 15 bits and all extra bits.
func TestLongest(t *testing.T) {
	lits, dists := make([]uint8, numLit), make([]uint8, numDist)
	for i := range 14 {
		lits[i], dists[i] = uint8(i+1), uint8(i+1)
	}
	lits[256], lits[284], dists[28], dists[29] = 15, 15, 15, 15
	first := new(stream)
	first.stored(string(text(MaxWindow, 1)))
	first.put(0, 3)
	var r reference
	for shift := range 64 {
		s := new(stream)
		s.dynamic(numLit, numDist, allLens, each(lits...), each(dists...))
		for range shift {
			s.code(0, 1)
		}
		for i := range 20 {
			s.code(1<<9-2, 9)
			s.code(1<<9-2, 9)
			s.code(1<<15-1, 15) // 284
			s.put(uint64(i), 5)
			s.code(1<<15-1, 15) // 29
			s.put(uint64(8191-400*i), 13)
		}
		s.code(1<<15-2, 15)
		s.put(0, 3)
		if _, err := compare(t, &r, "longest", true, 1<<16, first.bytes(), s.bytes()); err != nil {
			t.Fatalf("%d literals before: %v", shift, err)
		}
	}
}

// Matches lie across the ends of pieces, and across where out is made larger or
// moved.
func TestBorders(t *testing.T) {
	var r reference
	text := string(text(MaxWindow, 1))
	for _, border := range []int{512 - slack, chunk - slack, 2 * (chunk - slack), MaxWindow, maxOut - slack, maxOut - slack + maxOut - MaxWindow} {
		for before := 0; before < slack; before += 1 + before/8 {
			s := new(stream)
			n := max(0, border-before)
			for left := n; left > 0; left -= min(left, len(text)) {
				s.stored(text[:min(left, len(text))])
			}
			s.put(1<<1, 3)
			size := n
			for _, d := range []int{MaxWindow, MaxWindow - 1, 500, 33, 31, 9, 8, 7, 6, 5, 4, 3, 2, 1} {
				if d <= n {
					for _, l := range []int{258, 3, 32, 33} {
						s.match(l, d)
						size += l
					}
					s.fixed('x')
					size++
				}
			}
			s.fixed(256)
			s.put(0, 3)
			z := s.bytes()
			got, err := compare(t, &r, "border", false, size, z)
			if err != nil || len(got) != size {
				t.Fatalf("border %d, %d before it: %d bytes of %d, %v", border, before, len(got), size, err)
			}
			compare(t, &r, "border", false, size-1, z)
		}
	}
}

// A window is a ring: units of all sizes refer to all of it, and not behind it.
func TestRing(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	for range 4 {
		e, r := Expander{Takeover: true}, reference{takeover: true}
		seen := 0
		for range 200 {
			s := new(stream)
			size := 0
			if n := rnd.Intn(1 << rnd.Intn(16)); n > 0 {
				s.stored(string(text(n, rnd.Int63())))
				size += n
			}
			s.put(1<<1, 3)
			for range 1 + rnd.Intn(20) {
				reach := min(seen+size, MaxWindow)
				if reach == 0 {
					break
				}
				d := 1 + rnd.Intn(reach)
				if rnd.Intn(2) == 0 {
					d = reach - rnd.Intn(min(reach, 300))
				}
				l := minMatch + rnd.Intn(maxMatch-minMatch+1)
				s.match(l, d)
				size += l
			}
			s.fixed(256)
			s.put(0, 3)
			z := s.bytes()
			want, err := r.expand(z, 1<<20)
			if err != nil || len(want) != size {
				t.Fatalf("the standard library reads %d bytes of %d, %v", len(want), size, err)
			}
			got, err := expand(&e, z, 1<<20)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes of %d after %d, %v", len(got), size, seen, err)
			}
			e.Drop()
			seen += size
			if seen < MaxWindow {
				s := new(stream)
				s.put(1<<1, 3)
				s.match(3, seen+1)
				far := e
				if far.window.buf != nil { // the failing unit does not change it
					if _, err := expand(&far, s.bytes(), 100); err != ErrCorrupt {
						t.Fatalf("a match before the first byte: %v", err)
					}
				}
			}
		}
	}
}

// What others write is read, whole and damaged.
func TestOthers(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	var r reference
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		for _, n := range []int{0, 1, 100, 3000, 40000} {
			var b bytes.Buffer
			w, _ := flate.NewWriter(&b, level)
			data := mixture(rnd, nil, n)
			for p := data; len(p) > 0; {
				k := min(len(p), 1+rnd.Intn(n))
				w.Write(p[:k])
				if p = p[k:]; rnd.Intn(2) == 0 {
					w.Flush()
				}
			}
			w.Flush()
			z := b.Bytes()[:b.Len()-len(tail)]
			if got, err := compare(t, &r, "whole", false, n, z); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("level %d: %d bytes of %d, %v", level, len(got), n, err)
			}
			for range 15 {
				bad := slices.Clone(z)
				for range 1 + rnd.Intn(4) {
					bad[rnd.Intn(len(bad))] ^= 1 << rnd.Intn(8)
				}
				compare(t, &r, "damaged", false, 2*n, bad)
			}
		}
	}
}
