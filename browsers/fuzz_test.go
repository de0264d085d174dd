package browsers

import (
	"testing"

	"github.com/draftwire/draftwire/internal/browsercases"
	"github.com/draftwire/draftwire/wire"
)

// FuzzCheck: no answer panics, and what a part of an answer comes to, all of it comes to; bytes
// that come later change nothing that is decided.
func FuzzCheck(f *testing.F) {
	for _, c := range browsercases.Cases() {
		b, _ := Find("phantomjs1.9")
		if c.Family != "hixie-76" {
			b, _ = Find("phantomjs2.1")
		}
		request := requestOf(b, &c)
		response, err := c.Expand(request)
		if err != nil {
			f.Fatal(err)
		}
		if len(response) < 4096 {
			f.Add(request, response, 17, c.End != "")
		}
	}
	f.Fuzz(func(t *testing.T, request, response []byte, cut int, ended bool) {
		a, err := readRequest(request)
		if err != nil {
			return
		}
		for _, b := range All() {
			if b.Version != a.version {
				continue
			}
			whole, err := b.Check(&Exchange{Request: request, Response: response})
			if err != nil {
				t.Fatal(err)
			}
			if n := cut % (len(response) + 1); n > 0 {
				part, _ := b.Check(&Exchange{Request: request, Response: response[:n]})
				if part.Outcome != Waits && part.Outcome != whole.Outcome {
					t.Errorf("%s: %q %s, and all of %q %s", b.Name, response[:n], part.Outcome, response, whole.Outcome)
				}
			}
			if end, _ := b.Check(&Exchange{Request: request, Response: response, Ended: ended}); ended && end.Outcome == Waits {
				t.Errorf("%s waits behind the end of %q", b.Name, response)
			}
			_ = whole.String()
		}
		if a.version == wire.Unknown {
			t.Error("a request of no version")
		}
	})
}
