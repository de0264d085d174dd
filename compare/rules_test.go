package compare_test

import (
	"testing"

	"github.com/draftwire/draftwire/compare"
	"github.com/draftwire/draftwire/wire"
)

func rules(t testing.TB, list ...string) compare.Rules {
	t.Helper()
	r, err := compare.ParseRules(list)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What is left out of messages does not make them different, and everything else does.
func TestSame(t *testing.T) {
	r := rules(t, "/at", "/list/*/t", "/a~1b", "re:[0-9:]{8}")
	for _, x := range []struct {
		a, b string
		same bool
	}{
		{`{"id":1,"at":"10"}`, `{"at":"11", "id":1}`, true},
		{`{"id":1,"at":"10"}`, `{"id":1}`, true},
		{`{"id":1}`, `{"id":2}`, false},
		{`{"id":1}`, `{"id":1.0}`, false},
		{`{"list":[{"t":1,"v":2}]}`, `{"list":[{"v":2,"t":3}]}`, true},
		{`{"list":[{"t":1,"v":2}]}`, `{"list":[{"t":1,"v":2},{}]}`, false},
		{`{"a/b":1}`, `{"a/b":2}`, true},
		{`42{"at":1}`, `42{"at":2}`, true},
		{`42{"at":1}`, `43{"at":1}`, false},
		{`at 10:00:01 {`, `at 11:30:59 {`, true},
		{`{"at":1}]`, `{"at":2}]`, false}, // no JSON
		{`{"at":1} {}`, `{"at":2} {}`, false},
		{`plain`, `plain`, true},
		{`plain`, `other`, false},
		{``, ``, true},
	} {
		if got := r.Same(wire.OpText, []byte(x.a), []byte(x.b)); got != x.same {
			t.Errorf("%s and %s are the same: %v", x.a, x.b, got)
		}
	}
	if r.Same(wire.OpBinary, []byte(`{"at":1}`), []byte(`{"at":2}`)) {
		t.Error("rules are for text alone")
	}
	for _, text := range []string{"x", "", "re:("} {
		if _, err := compare.ParseIgnore(text); err == nil {
			t.Errorf("%q is taken", text)
		}
		if _, err := compare.ParseRules([]string{"/a", text}); err == nil {
			t.Errorf("%q is taken among others", text)
		}
	}
}

// The place of a difference is named without a value.
func TestWhere(t *testing.T) {
	r := rules(t, "/at")
	for _, x := range []struct{ a, b, want string }{
		{`{"at":1,"data":{"list":[1,2,{"price":3}]}}`, `{"at":2,"data":{"list":[1,2,{"price":4}]}}`, "/data/list/2/price"},
		{`{"a":[1]}`, `{"a":[1,2]}`, "/a/1"},
		{`{"a":1}`, `{"a":1,"b/c":2}`, "/b~1c"},
		{`{"a":1}`, `[1]`, "byte 1"},
		{`42[1,{"x":true}]`, `42[1,{"x":false}]`, "/1/x"},
		{`1[2]`, `3[2]`, "byte 1"},
		{`abc`, `abd`, "byte 3"},
		{`abc`, `abcd`, "byte 4"},
	} {
		if got := r.Where(wire.OpText, []byte(x.a), []byte(x.b)); got != x.want {
			t.Errorf("%s and %s differ at %q, want %q", x.a, x.b, got, x.want)
		}
	}
	if got := r.Where(wire.OpBinary, []byte(`[1]`), []byte(`[2]`)); got != "byte 2" {
		t.Errorf("binary: %q", got)
	}
}
