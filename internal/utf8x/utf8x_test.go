package utf8x

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

var texts = []string{
	"", "a", "h\u00e9\u20ac\U0001d11e", strings.Repeat("\u6f22", 40),
	"\xff", "a\xc3", "\xc3\x28", "\xe2\x82", "\xe2\x28\xa1", "\xed\xa0\x80", "\xf0\x80\x80\x80",
	"\xf4\x90\x80\x80", "\xf0\x9d\x84", "\xc0\xaf", "\xe0\x80\xaf", "ok\x80ok", "\xf5\x80\x80\x80",
}

// whatwg is the reference: one U+FFFD for each maximal subpart, by the state
// of a fresh validator at each start.
func whatwg(p []byte) []byte {
	var out []byte
	for len(p) > 0 {
		if r, n := utf8.DecodeRune(p); r != utf8.RuneError || n > 1 {
			out, p = append(out, p[:n]...), p[n:]
			continue
		}
		n := 0
		for v := (Validator{}); n < len(p) && v.step(p[n]) && !v.Done(); n++ {
		}
		out, p = append(out, replacement...), p[max(n, 1):]
	}
	return out
}

func check(t *testing.T, p []byte) {
	for i := 0; i <= len(p); i++ {
		for j := i; j <= len(p); j++ {
			var v Validator
			ok := v.Write(p[:i]) && v.Write(p[i:j]) && v.Write(p[j:]) && v.Done()
			if ok != utf8.Valid(p) {
				t.Fatalf("%q cut at %d, %d: %v", p, i, j, ok)
			}
			var r Replacer
			got := r.Append(nil, p[:i], false)
			got = r.Append(got, p[i:j], false)
			got = r.Append(got, p[j:], true)
			if want := whatwg(p); !bytes.Equal(got, want) {
				t.Fatalf("%q cut at %d, %d: replaced %q, want %q", p, i, j, got, want)
			}
		}
	}
}

func TestPieces(t *testing.T) {
	for _, s := range texts {
		check(t, []byte(s))
	}
}

// A bad text must be refused at its first byte that cannot be right.
func TestFailFast(t *testing.T) {
	for _, s := range []string{"\xed\xa0", "\xf0\x80", "\xf4\x90", "\xe0\x80", "\xc0", "\xc3\x28"} {
		var v Validator
		if v.Write([]byte(s)) {
			t.Errorf("%q not refused", s)
		}
	}
	for _, s := range []string{"\xed\x9f", "\xf0\x90\x80", "\xf4", "\xe2\x82"} {
		var v Validator
		if !v.Write([]byte(s)) || v.Done() {
			t.Errorf("%q: a valid prefix refused or complete", s)
		}
	}
}
