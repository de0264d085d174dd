package utf8x

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/draftwire/draftwire/internal/seed"
)

// FuzzPieces fuzzes short texts, at every two splits.
func FuzzPieces(f *testing.F) {
	for _, s := range texts {
		seed.Add(f, []byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) { check(t, p[:min(len(p), 24)]) })
}

// FuzzText fuzzes texts of any length, in three pieces: what is valid is what the standard
// library takes, refused at the first byte that cannot be right; and what is replaced is
// valid, longer by two bytes for each that was wrong at most, and the text itself where
// nothing was.
func FuzzText(f *testing.F) {
	for _, s := range texts {
		seed.Add(f, []byte(s), uint16(3), uint16(40))
		seed.Add(f, bytes.Repeat(append([]byte(s), "plain text, "...), 20), uint16(100), uint16(5))
		seed.Add(f, append(bytes.Repeat([]byte("é€"), 50), s...), uint16(8), uint16(64))
	}
	f.Fuzz(func(t *testing.T, p []byte, i, j uint16) {
		a := int(i) % (len(p) + 1)
		b := a + int(j)%(len(p)-a+1)
		good := utf8.Valid(p)
		if Valid(p) != good {
			t.Fatalf("%q is valid: %v", p, !good)
		}
		var v Validator
		ok := v.Write(p[:a]) && v.Write(p[a:b]) && v.Write(p[b:]) && v.Done()
		if ok != good {
			t.Fatalf("%q cut at %d and %d is valid: %v", p, a, b, ok)
		}
		if v.Reset(); !v.Done() || !v.Write(nil) {
			t.Fatal("a validator is not new")
		}
		var r Replacer
		clean := r.Clean(p)
		if clean && !good {
			t.Fatalf("%q is clean", p)
		}
		got, replaced := []byte(nil), false
		for k, piece := range [][]byte{p[:a], p[a:b], p[b:]} {
			got = r.Append(got, piece, k == 2)
			replaced = replaced || r.Replaced()
		}
		if want := whatwg(p); !bytes.Equal(got, want) || !utf8.Valid(got) || good != bytes.Equal(got, p) || len(got) > 3*len(p) {
			t.Fatalf("%q cut at %d and %d: replaced %q, want %q", p, a, b, got, want)
		}
		if replaced == good {
			t.Fatalf("%q: replaced %v", p, replaced)
		}
	})
}
