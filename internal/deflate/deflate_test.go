package deflate

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	mathrand "math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/wire"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// expand expands a unit whole.
func expand(e *Expander, p []byte, room int64) ([]byte, error) {
	e.Gather(p)
	var out []byte
	for {
		q, err := e.Expand(room - int64(len(out)))
		out = append(out, q...)
		switch err {
		case io.EOF:
			return out, nil
		case nil:
		default:
			return out, err
		}
	}
}

// The examples of RFC 7692 7.2.3, and their kind.
func TestPublished(t *testing.T) {
	for _, tt := range []struct {
		name     string
		takeover bool
		in, want []string
	}{
		{"one block (7.2.3.1)", false, []string{"f248cdc9c90700"}, []string{"Hello"}},
		{"takeover (7.2.3.2)", true, []string{"f248cdc9c90700", "f200110000"}, []string{"Hello", "Hello"}},
		{"stored (7.2.3.3)", false, []string{"000500faff48656c6c6f00"}, []string{"Hello"}},
		{"last block (7.2.3.4)", false, []string{"f348cdc9c9070000"}, []string{"Hello"}},
		{"last block, then more with takeover", true, []string{"f348cdc9c9070000", "f200110000"}, []string{"Hello", "Hello"}},
		{"two blocks (7.2.3.5)", false, []string{"f248050000 00ffffcac9c90700"}, []string{"Hello"}},
		{"empty (7.2.3.6)", false, []string{"00", "f248cdc9c90700"}, []string{"", "Hello"}},
	} {
		e := Expander{Takeover: tt.takeover}
		for i, in := range tt.in {
			got, err := expand(&e, unhex(t, strings.ReplaceAll(in, " ", "")), 1000)
			if err != nil || string(got) != tt.want[i] {
				t.Errorf("%s: %q, %v", tt.name, got, err)
			}
		}
		if e.Drop(); e.Holds() {
			t.Errorf("%s: holds something between units", tt.name)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	noise := make([]byte, 200<<10)
	rand.Read(noise)
	units := [][]byte{nil, []byte("a"), []byte(strings.Repeat("hello ", 40000)), noise, bytes.Repeat(noise[:40000], 3), nil, []byte("end")}
	for _, takeover := range []bool{false, true} {
		c, e := Compressor{Takeover: takeover}, Expander{Takeover: takeover}
		for round := range 3 {
			for i, u := range units {
				var z []byte
				if round == 1 { // in pieces, as a streaming writer does
					for p := u; ; p = p[min(len(p), 5000):] {
						z = c.Append(z, p[:min(len(p), 5000)], len(p) <= 5000)
						if len(p) <= 5000 {
							break
						}
					}
				} else {
					z = c.Append(nil, u, true)
				}
				got, err := expand(&e, z, int64(len(u)))
				if err != nil || !bytes.Equal(got, u) {
					t.Fatalf("takeover %v, unit %d: %d bytes of %d, %v", takeover, i, len(got), len(u), err)
				}
				e.Drop()
			}
		}
		if c.Holds() != takeover || e.Holds() {
			t.Errorf("takeover %v: compressor holds %v, expander %v", takeover, c.Holds(), e.Holds())
		}
	}
}

// A bomb is refused at the limit, however much it would become.
func TestBomb(t *testing.T) {
	var z bytes.Buffer
	w, _ := flate.NewWriter(&z, flate.BestCompression)
	w.Write(make([]byte, 1<<20))
	w.Flush() // ends at a byte, and needs nothing from before: it can be repeated
	bomb := bytes.Repeat(z.Bytes(), 1024)
	var e Expander
	got, err := expand(&e, bomb[:len(bomb)-len(tail)], 1<<20)
	if err != ErrTooBig || len(got) > 1<<20 || e.Holds() {
		t.Errorf("%d bytes of a bomb of %d, %v", len(got), len(bomb), err)
	}
}

func TestCorrupt(t *testing.T) {
	for _, s := range []string{"ff", "07", "000500faff", "f248cdc9c9"} {
		var e Expander
		if got, err := expand(&e, unhex(t, s), 1000); err != ErrCorrupt && s != "f248cdc9c9" {
			t.Errorf("%s: %q, %v", s, got, err)
		}
		e.Drop()
	}
}

// reference expands with the standard library what Expander has to expand alike.
type reference struct {
	takeover bool
	window   []byte
	z        io.ReadCloser
}

func (r *reference) expand(p []byte, room int) ([]byte, error) {
	src := bytes.NewReader([]byte(string(p) + tail + end))
	if r.z == nil {
		r.z = flate.NewReader(src)
	}
	var all []byte
	for {
		r.z.(flate.Resetter).Reset(src, r.window)
		out, err := io.ReadAll(io.LimitReader(r.z, int64(room-len(all))+1))
		all = append(all, out...)
		r.window = append(r.window, out...)
		r.window = r.window[max(0, len(r.window)-MaxWindow):]
		switch {
		case len(all) > room:
			return nil, ErrTooBig
		case err != nil:
			return nil, ErrCorrupt
		case src.Len() <= len(end):
			if !r.takeover {
				r.window = nil
			}
			return all, nil
		}
	}
}

func FuzzExpand(f *testing.F) {
	for _, cases := range [][]blockCase{storedCases(), fixedCases(), distanceCases(), literalCases(), lengthCases()} {
		for _, c := range cases {
			var s stream
			c.write(&s)
			if z := s.bytes(); len(z) <= seed.Most {
				var h Compressor
				seed.Add(f, h.Append(nil, []byte(before), true), z, len(z)%4 > 0)
			}
		}
	}
	seed.Add(f, []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, []byte{0xf2, 0x00, 0x11, 0x00, 0x00}, true)
	seed.Add(f, []byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}, []byte{0x00}, false)
	for _, level := range []int{flate.HuffmanOnly, flate.BestSpeed, flate.BestCompression} {
		var a, b bytes.Buffer
		w, _ := flate.NewWriter(&a, level)
		w.Write(text(3000, 1))
		w.Flush()
		w.Write(skewed(3000))
		w.Close()
		z := append(a.Bytes(), 0)
		if level == flate.HuffmanOnly { // a window that is full, and what refers to the last that came into it
			var c Compressor
			seed.Add(f, c.Append(nil, bytes.Repeat([]byte("abc"), 12000), true), []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, true)
			var s stream
			s.put(1<<1, 3)
			s.match(258, 30000)
			s.match(100, 3)
			s.fixed(256)
			seed.Add(f, c.Append(nil, bytes.Repeat([]byte("abc"), 12000), true), s.bytes(), true)
		}
		w.Reset(&b)
		w.Write(bytes.Repeat([]byte{0}, 70000))
		w.Flush()
		seed.Add(f, z, b.Bytes()[:b.Len()-len(tail)], true)
	}
	f.Fuzz(func(t *testing.T, a, b []byte, takeover bool) {
		const room = 1 << 16
		e, r := Expander{Takeover: takeover}, reference{takeover: takeover}
		for _, p := range [][]byte{a, b, b, a} {
			got, err := expand(&e, p, room)
			want, wantErr := r.expand(p, room)
			if err != wantErr || err == nil && !bytes.Equal(got, want) {
				t.Fatalf("%x: %d bytes, %v; want %d, %v", p, len(got), err, len(want), wantErr)
			}
			if len(got) > room {
				t.Fatalf("%d bytes above the room", len(got))
			}
			if err != nil {
				return
			}
			e.Drop()
			if e.Holds() {
				t.Fatal("holds something between units")
			}
		}
	})
}

// What is damaged anywhere is what the reference says of it.
func TestDamaged(t *testing.T) {
	for _, level := range []int{flate.HuffmanOnly, flate.BestSpeed, flate.BestCompression} {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, level)
		w.Write(text(200, 1))
		w.Flush()
		w.Write(skewed(400))
		w.Flush()
		z := b.Bytes()[:b.Len()-len(tail)]
		var r reference
		check := func(p []byte, room int) {
			t.Helper()
			var e Expander
			r.window = nil
			got, err := expand(&e, p, int64(room))
			want, wantErr := r.expand(p, room)
			if err != wantErr || err == nil && !bytes.Equal(got, want) {
				t.Fatalf("level %d, room %d, %x: %d bytes, %v; want %d, %v", level, room, p, len(got), err, len(want), wantErr)
			}
			if e.Drop(); e.Holds() {
				t.Fatal("holds something")
			}
		}
		for i := range z {
			for _, room := range []int{0, 199, 1 << 20} {
				check(z[:i], room)
				for bit := range 8 {
					z[i] ^= 1 << bit
					check(z, room)
					z[i] ^= 1 << bit
				}
			}
		}
	}
}

// Expand refuses what is one byte above the room, and takes what just fits.
func TestRoom(t *testing.T) {
	for _, n := range []int{0, 1, 257, 259, chunk - slack - 1, chunk - slack, chunk, chunk + 1, 32768, 100000, 500000} {
		for _, u := range [][]byte{make([]byte, n), text(n, 1)} {
			var c Compressor
			z := c.Append(nil, u, true)
			var e Expander
			if got, err := expand(&e, z, int64(n)); err != nil || !bytes.Equal(got, u) {
				t.Errorf("%d bytes: %d, %v", n, len(got), err)
			}
			e.Drop()
			if n == 0 {
				continue
			}
			if _, err := expand(&e, z, int64(n-1)); err != ErrTooBig || e.Holds() {
				t.Errorf("%d bytes, one above the room: %v", n, err)
			}
		}
	}
}

func FuzzAppend(f *testing.F) {
	seed.Add(f, []byte("hello hello hello"), uint16(3), true, uint8(15))
	seed.Add(f, text(2000, 1), uint16(700), false, uint8(9))
	seed.Add(f, skewed(3000), uint16(0), true, uint8(8))
	seed.Add(f, skewed(80000), uint16(4), false, uint8(15))
	seed.Add(f, mixture(mathrand.New(mathrand.NewSource(1)), nil, 1<<16), uint16(0x3e81), true, uint8(14))
	seed.Add(f, []byte{}, uint16(1), false, uint8(8))
	seed.Add(f, bytes.Repeat([]byte{200, 0}, 20000), uint16(0), true, uint8(12))
	f.Fuzz(func(t *testing.T, p []byte, cut uint16, takeover bool, windowBits uint8) {
		p = bytes.Repeat(p, 1+int(cut)%5)
		c := Compressor{Takeover: takeover, Window: 1 << (8 + windowBits%8)}
		e, r := Expander{Takeover: takeover}, reference{takeover: takeover}
		k := min(int(cut), len(p))
		for range 2 {
			for _, pieces := range [][][]byte{{p}, {p[:k], p[k:]}} {
				var z []byte
				for i, q := range pieces {
					z = c.Append(z, q, i == len(pieces)-1)
				}
				want, err := r.expand(z, len(p))
				if err != nil || !bytes.Equal(want, p) {
					t.Fatalf("the standard library reads %d bytes of %d, %v", len(want), len(p), err)
				}
				got, err := expand(&e, z, int64(len(p)))
				if err != nil || !bytes.Equal(got, p) {
					t.Fatalf("%d bytes of %d, %v", len(got), len(p), err)
				}
				if e.Drop(); e.Holds() || c.Holds() && !takeover {
					t.Fatal("holds something between units")
				}
			}
		}
	})
}

// skewed has symbols so rare that their codes have the greatest length.
func skewed(n int) []byte {
	var b []byte
	for i, a, c := 0, 1, 1; len(b) < n; i, a, c = i+1, c, a+c {
		b = append(b, bytes.Repeat([]byte{byte(i)}, a)...)
	}
	rnd := mathrand.New(mathrand.NewSource(1))
	rnd.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
	return b
}

// Units of all kinds and sizes are read by the standard library.
func TestAppend(t *testing.T) {
	noise := make([]byte, 100<<10)
	rand.Read(noise)
	var kinds [][]byte
	for i, r := 0, mathrand.New(mathrand.NewSource(1)); i < 40; i++ {
		n := r.Intn(1 << (4 + i/3))
		few := make([]byte, n)
		for j := range few {
			few[j] = byte(r.Intn(1+r.Intn(256))) &^ byte(i)
		}
		kinds = append(kinds, few, text(n, int64(i)), noise[:min(n, len(noise))], make([]byte, n))
	}
	kinds = append(kinds, skewed(40000), skewed(400000))
	for _, bits := range []int{0, 8, 10, 15} {
		for _, takeover := range []bool{false, true} {
			c, r := Compressor{Takeover: takeover, Window: 1 << bits &^ 1}, reference{takeover: takeover}
			for i, u := range kinds {
				z := c.Append(nil, u, true)
				if got, err := r.expand(z, len(u)); err != nil || !bytes.Equal(got, u) {
					t.Fatalf("takeover %v, unit %d of %d bytes: %d, %v", takeover, i, len(u), len(got), err)
				}
				if most := len(u) + 6 + 5*(len(u)/maxPiece+1); len(z) > most {
					t.Errorf("unit %d: %d bytes became %d", i, len(u), len(z))
				}
			}
		}
	}
}

// A compressor does not reach behind the window that was agreed on.
func TestWindow(t *testing.T) {
	noise := make([]byte, 1000)
	rand.Read(noise)
	for _, takeover := range []bool{false, true} {
		for window, far := range map[int]bool{256: true, 512: true, 1024: false, 0: false} {
			c := Compressor{Takeover: takeover, Window: window}
			z := c.Append(nil, append(noise, noise...), true)
			if got := len(z) > 1900; got != far {
				t.Errorf("window %d: %d bytes", window, len(z))
			}
		}
	}
}

// Codes stay below the limit, however rare a symbol is, and leave no gap.
func TestCodeLengths(t *testing.T) {
	for _, limit := range []int{maxLens, maxLit, maxBits} {
		for n := range numLens + 1 {
			var a alphabet
			for i, x, y := 0, uint32(1), uint32(1); i < n; i, x, y = i+1, y, x+y {
				a.freq[i] = x
			}
			a.gather(numLens)
			a.makeLens(numLens, limit)
			sum := 0
			for _, l := range a.lens[:numLens] {
				if int(l) > limit {
					t.Fatalf("%d symbols: a code of %d bits", n, l)
				}
				if l > 0 {
					sum += 1 << (limit - int(l))
				}
			}
			if sum != 1<<limit {
				t.Errorf("%d symbols, limit %d: the code is not complete", n, limit)
			}
		}
	}
}

// No other code takes fewer bits: as many as all inner nodes of Huffman's tree
// weigh.
func TestOptimal(t *testing.T) {
	rnd := mathrand.New(mathrand.NewSource(1))
	for range 40 {
		var a alphabet
		var weights []int
		for i := range 2 + rnd.Intn(numLit-1) {
			f := 1 + rnd.Intn(1+rnd.Intn(300))
			a.freq[i] = uint32(f)
			weights = append(weights, f)
		}
		want, n := 0, len(weights)
		for len(weights) > 1 {
			slices.Sort(weights)
			weights[1] += weights[0]
			weights = weights[1:]
			want += weights[0]
		}
		a.gather(numLit)
		size := a.makeLens(numLit, maxBits)
		if size != want && slices.Max(a.lens[:]) < maxBits {
			t.Errorf("%d symbols: %d bits, want %d", n, size, want)
		}
	}
}

// text is JSON as servers send it.
func text(n int, seed int64) []byte {
	r := mathrand.New(mathrand.NewSource(seed))
	words := strings.Fields("alpha bravo charlie delta echo foxtrot golf hotel india juliett")
	word := func() string { return words[r.Intn(len(words))] }
	b := []byte{'['}
	for len(b) < n {
		b = fmt.Appendf(b, `{"id":%d,"user":"%s%d","ts":%d,"price":%.2f,"active":%v,"text":"%s %s %s"},`, r.Intn(1e6), word(), r.Intn(100),
			1700000000000+r.Int63n(1e9), r.Float64()*1000, r.Intn(2) == 0, word(), word(), word())
	}
	return b[:n]
}

var sizes = []struct {
	name string
	n    int
}{{"125", 125}, {"1KiB", 1 << 10}, {"16KiB", 16 << 10}}

// benchmark runs over many texts, as a processor learns one by heart.
func benchmark(b *testing.B, run func(b *testing.B, texts [][]byte, takeover bool)) {
	for _, takeover := range []bool{false, true} {
		for _, size := range sizes {
			b.Run(fmt.Sprintf("%s/takeover=%v", size.name, takeover), func(b *testing.B) {
				texts := make([][]byte, 512)
				for i := range texts {
					texts[i] = text(size.n, int64(i))
				}
				b.ReportAllocs()
				b.SetBytes(int64(size.n))
				run(b, texts, takeover)
			})
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	benchmark(b, func(b *testing.B, texts [][]byte, takeover bool) {
		c := Compressor{Takeover: takeover}
		var z []byte
		i, size := 0, 0
		for b.Loop() {
			z = c.Append(z[:0], texts[i%len(texts)], true)
			size += len(z)
			i++
		}
		b.ReportMetric(float64(size)/float64(i), "B-out/op")
	})
}

func BenchmarkExpand(b *testing.B) {
	benchmark(b, func(b *testing.B, texts [][]byte, takeover bool) {
		c := Compressor{Takeover: takeover}
		zs := make([][]byte, len(texts))
		for i := range zs {
			zs[i] = c.Append(nil, texts[i], true)
		}
		e := Expander{Takeover: takeover}
		i := 0
		for b.Loop() {
			if i%len(zs) == 0 {
				e.window = past{}
			}
			e.Gather(zs[i%len(zs)])
			for {
				_, err := e.Expand(1 << 20)
				if err == io.EOF {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			e.Drop()
			i++
		}
	})
}

func TestAnswer(t *testing.T) {
	for _, tt := range []struct{ offer, answer, withTakeover string }{
		{"permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate"},
		{"permessage-deflate; client_max_window_bits", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate"},
		{"permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate; server_no_context_takeover"},
		{"permessage-deflate; client_max_window_bits; server_max_window_bits=10", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"},
		{`permessage-deflate; server_max_window_bits="10"`, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"},
		{"permessage-deflate; server_max_window_bits=7, permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate"},
		{"x-webkit-deflate-frame, permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate"},
		{"x-webkit-deflate-frame", "x-webkit-deflate-frame; no_context_takeover", "x-webkit-deflate-frame"},
		{"deflate-frame; max_window_bits=9; no_context_takeover", "deflate-frame; no_context_takeover", "deflate-frame"},
		{"permessage-deflate; foo=1", "", ""},
		{`foo; a="x, permessage-deflate, y"`, "", ""},
		{`permessage-deflate; server_max_window_bits="1\0"`, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"},
		{"permessage-deflate; server_max_window_bits", "", ""},
		{"permessage-deflate; server_max_window_bits=08", "", ""},
		{"permessage-deflate; server_max_window_bits=16", "", ""},
		{"permessage-deflate; client_max_window_bits=7", "", ""},
		{"permessage-deflate; server_no_context_takeover=1", "", ""},
		{"permessage-deflate; server_no_context_takeover; server_no_context_takeover", "", ""},
		{"permessage-deflate; client_max_window_bits; client_max_window_bits=10", "", ""},
		{"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", "", ""},
		{"permessage-deflate; server_no_context_takeover=", "", ""},
		{"permessage-deflate;", "", ""},
		{"deflate-frame; no_context_takeover; no_context_takeover", "", ""},
		{"deflate-frame; max_window_bits=7", "", ""},
		{"deflate-frame; foo", "", ""},
		{"deflate-stream", "", ""},
		{"x-deflate-frame", "", ""},
		{"; a", "", ""},
	} {
		offers := wire.Fields{{Name: "E", Value: tt.offer}}.List("E")
		if got := new(Params).Answer(offers, false); got != tt.answer {
			t.Errorf("%s: %q, want %q", tt.offer, got, tt.answer)
		}
		if got := new(Params).Answer(offers, true); got != tt.withTakeover {
			t.Errorf("%s with takeover: %q, want %q", tt.offer, got, tt.withTakeover)
		}
	}
}

func TestAccepted(t *testing.T) {
	for answer, ok := range map[string]bool{
		"permessage-deflate": true, "permessage-deflate; client_max_window_bits=10": true,
		"permessage-deflate; server_max_window_bits=9; client_no_context_takeover": true, "": true,
		"permessage-deflate; client_max_window_bits": false, "permessage-deflate; foo": false,
		"x-webkit-deflate-frame": false, "permessage-deflate, permessage-deflate": false,
		"permessage-deflate; client_max_window_bits=16": false,
	} {
		p, got := Accepted(wire.Fields{{Name: "E", Value: answer}}.List("E"), true)
		if got != ok || ok && (p.Name != "") != (answer != "") {
			t.Errorf("%q: %v, %+v", answer, got, p)
		}
	}
	if p, ok := Accepted([]string{"permessage-deflate"}, false); !ok || p.ServerNoTake || !p.Expander(wire.Client).Takeover {
		t.Errorf("a server that keeps its window, though it was asked not to: %v, %+v", ok, p)
	}
}
