package compare_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/compare"
	"github.com/draftwire/draftwire/wire"
)

// FuzzSame holds what must be true of any rules and messages: a message is the same as itself, and
// as what is compared of it is; sameness has no direction; a Collector says what Same does, whatever
// the parts are; and there is a place where others differ.
func FuzzSame(f *testing.F) {
	f.Add("/at\nre:[0-9]+", []byte(`{"at":1,"b":[1,2]}`), []byte(`{"b":[1,2],"at":2}`), 3)
	f.Add("/*/x", []byte(`42[1,{"x":true}]`), []byte(`42[1,{"x":false}]`), 0)
	f.Add("re:(", []byte(`{`), []byte(`{}]`), 100)
	f.Add("/", []byte(`{"":1}`), []byte(`{"":{"":2}}`), 1)
	f.Fuzz(func(t *testing.T, list string, a, b []byte, cut int) {
		r, err := compare.ParseRules(strings.Split(list, "\n"))
		if err != nil {
			return
		}
		first, second := bytes.Clone(a), bytes.Clone(b)
		same := r.Same(wire.OpText, a, b)
		switch {
		case !r.Same(wire.OpText, a, a) || !r.Same(wire.OpText, b, b):
			t.Error("a message is not the same as itself")
		case same != r.Same(wire.OpText, b, a):
			t.Error("sameness has a direction")
		case same != collected(r, a, b, cut):
			t.Errorf("Same is %v, a Collector says otherwise", same)
		case !same && r.Where(wire.OpText, a, b) == "":
			t.Error("they differ nowhere")
		case !bytes.Equal(a, first) || !bytes.Equal(b, second):
			t.Error("the messages have changed")
		}
	})
}

// collected reports whether two messages are the same for Pairs, where they come in two parts.
func collected(r compare.Rules, a, b []byte, cut int) (same bool) {
	p := compare.Pairs{Tell: func(v compare.Verdict, _, _ *compare.Message) { same = v == compare.Equal }}
	make := func(m []byte) compare.Message {
		c := compare.Collector{Rules: r, Most: 1 << 20}
		at := max(0, min(cut, len(m)))
		c.Part(wire.OpText, m[:at], true, false)
		out, _ := c.Part(wire.OpText, m[at:], false, true)
		return out
	}
	p.Want(make(a))
	p.Got(make(b))
	p.End(compare.Missing, compare.More)
	return same
}
