package drafts_test

import (
	"strings"
	"testing"

	"github.com/draftwire/draftwire/drafts"
)

// FuzzFind: a name that is found is found again by the name of what it is.
func FuzzFind(f *testing.F) {
	for _, d := range drafts.Documents() {
		f.Add(d.Name)
		f.Add(d.Full)
	}
	f.Add("hybi")
	f.Add("rfc-")
	f.Fuzz(func(t *testing.T, name string) {
		v, d, err := drafts.Find(name)
		if err != nil {
			return
		}
		again := v.String()
		if d != nil {
			again = d.Name
		}
		if w, _, err := drafts.Find(again); err != nil || w != v {
			t.Fatalf("%q is %s, which is %v, %v", name, again, w, err)
		}
	})
}

// FuzzSearch: more words find no more, and every rule is found by its own name.
func FuzzSearch(f *testing.F) {
	f.Add("mask", "server")
	f.Add("5.4", "RFC")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, a, b string) {
		few, err := drafts.Search("frame " + a + " " + b)
		if err != nil {
			t.Fatal(err)
		}
		many, err := drafts.Search("frame " + a)
		if err != nil {
			t.Fatal(err)
		}
		if len(few) > len(many) && !drafts.IsRule(strings.TrimSpace("frame "+a)) {
			t.Fatalf("%d rules with %q, %d with %q too", len(many), a, len(few), b)
		}
	})
}
