package gateway

import (
	"bytes"
	"errors"
	"testing"

	"github.com/draftwire/draftwire/internal/seed"
)

// inPieces converts as a direction does: the rest of a part goes in front of the next one.
func inPieces(p []byte, size int, most int, f func(dst, p []byte, last bool) ([]byte, int, error)) (out []byte, err error) {
	var carry []byte
	for first := true; first || len(p) > 0; first = false {
		k := min(size, len(p))
		in := append(bytes.Clone(carry), p[:k]...)
		p = p[k:]
		var n int
		if out, n, err = f(out, in, len(p) == 0); err != nil {
			return out, err
		}
		if carry = in[n:]; len(carry) > most || len(p) == 0 && len(carry) > 0 {
			return out, errors.New("more is left than said")
		}
	}
	return out, nil
}

func (e *encoding) encodeErr(dst, p []byte, last bool) ([]byte, int, error) {
	dst, n := e.encode(dst, p, last)
	return dst, n, nil
}

// In whatever parts a message is converted, the result is the same: for binary, which comes
// back unchanged, and for text, valid or not.
func FuzzEncoding(f *testing.F) {
	for _, s := range []string{"", "a", "ab", "abc", "QUJD", "QQ==", "QQ==QUJD", "QU\nJD", "QUJD\n", "4142", "414", "é\xff", "\u00ff\u0100"} {
		seed.Add(f, []byte(s), 1)
		seed.Add(f, []byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, p []byte, size int) {
		size = max(1, size)
		for _, e := range encodings {
			whole, n := e.encode(nil, p, true)
			if n != len(p) {
				t.Fatalf("%s: %d of %d bytes were taken", e.name, n, len(p))
			}
			text, err := inPieces(p, size, e.rest, e.encodeErr)
			if err != nil || !bytes.Equal(text, whole) {
				t.Fatalf("%s: %q in pieces of %d: %q, %v; whole %q", e.name, p, size, text, err, whole)
			}
			back, err := inPieces(text, size, e.rest, e.decode)
			if err != nil || !bytes.Equal(back, p) {
				t.Fatalf("%s: %q came back as %q, %v", e.name, p, back, err)
			}
			want, _, wrong := e.decode(nil, p, true)
			got, err := inPieces(p, size, e.rest, e.decode)
			if (err == nil) != (wrong == nil) || err == nil && !bytes.Equal(got, want) {
				t.Fatalf("%s: text %q in pieces of %d: %q, %v; whole %q, %v", e.name, p, size, got, err, want, wrong)
			}
		}
	})
}
