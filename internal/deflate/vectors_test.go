package deflate

import (
	"strings"
	"testing"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// Offers and answers of the vectors; the frames are run by package rfc6455.
func TestVectors(t *testing.T) {
	list := func(value string) []string { return wire.Fields{{Name: "E", Value: value}}.List("E") }
	ran := map[string]int{}
	for _, name := range []string{"rfc7692", "deflate-frame"} {
		f, err := vectors.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range f.Vectors {
			if v.Kind != vectors.KindExtension {
				continue
			}
			ran[v.Role]++
			if v.Role == "server" {
				var p Params
				got := p.Answer(list(v.Offered), v.Takeover)
				if got != v.Answer || (p.Name != "") != (got != "") {
					t.Errorf("%s: %s\n%q is answered with %q, %+v, want %q", v.ID, v.Comment, v.Offered, got, p, v.Answer)
				}
				continue
			}
			takeover := !strings.Contains(v.Offered, "no_context_takeover")
			if own := Offer(takeover); own != v.Offered {
				t.Errorf("%s: the offer is %q, want %q", v.ID, own, v.Offered)
			}
			p, ok := Accepted(list(v.Answer), takeover)
			if ok != (v.Result != vectors.Invalid) || ok && (p.Name != "") != (v.Answer != "") {
				t.Errorf("%s: %s\n%q is taken: %v, %+v", v.ID, v.Comment, v.Answer, ok, p)
			}
		}
	}
	if ran["server"] < 50 || ran["client"] < 30 {
		t.Errorf("only %v ran", ran)
	}
}
