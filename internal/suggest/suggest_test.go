package suggest

import "testing"

func TestNearest(t *testing.T) {
	words := []string{"serve", "gateway", "client", "bench", "status", "drain", "versions", "version"}
	for s, want := range map[string]string{
		"serev": "serve", "serve": "serve", "gatway": "gateway", "vers": "", "versio": "version", "versionss": "versions",
		"nosuch": "", "x": "", "": "", "bnech": "bench",
	} {
		if got := Nearest(s, words); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"abc", "abc", 0}, {"abc", "cba", 2}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
