package hub

import "testing"

// A position comes from clients: what is read is written in one way.
func FuzzParsePosition(f *testing.F) {
	for _, s := range []string{"0000000000000001-17", "ffffffffffffffff-18446744073709551615", "", "-", "1-1", "00000000000000g1-1", "0000000000000001-+1", "0000000000000001-01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePosition(s)
		if err != nil {
			return
		}
		if q, err := ParsePosition(p.String()); err != nil || q != p {
			t.Fatalf("%q is %v, which is read as %v, %v", s, p, q, err)
		}
	})
}
