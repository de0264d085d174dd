package explain

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/wire"
)

// split divides the bytes of steps into parts of one to most bytes.
func split(steps []step, most int) (out []step) {
	random := rand.New(rand.NewPCG(1, uint64(most)))
	for _, st := range steps {
		for runes := []rune(st.Bytes); len(runes) > 0; {
			n := min(len(runes), 1+random.IntN(most))
			out = append(out, step{From: st.From, At: st.At, Bytes: string(runes[:n])})
			runes = runes[n:]
		}
		if st.End != "" {
			out = append(out, st)
		}
	}
	return out
}

// TestSplit holds explanations to the bytes: how they come is not in them.
func TestSplit(t *testing.T) {
	cases := readCases(t)
	for i := range cases {
		c := &cases[i]
		if len(c.Steps) == 0 {
			continue
		}
		want := explainCase(t, c)
		for _, most := range []int{1, 7, 200} {
			other := *c
			other.Steps = split(c.Steps, most)
			if got := explainCase(t, &other); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s in parts of %d:\ngot  %+v\nwant %+v", c.Name, most, got, want)
			}
		}
	}
}

// TestCut holds that nothing wrong is certain of a connection of which only the beginning is there.
func TestCut(t *testing.T) {
	cases := readCases(t)
	for i := range cases {
		c := &cases[i]
		whole := explainCase(t, c)
		for k := range c.Steps {
			st := c.Steps[k]
			runes := []rune(st.Bytes)
			for n := 0; n < len(runes); n += 1 + len(runes)/60 {
				other := *c
				other.Steps = append(slices.Clone(c.Steps[:k]), step{From: st.From, At: st.At, Bytes: string(runes[:n])})
				got := explainCase(t, &other)
				if got.Result == Fails && got.Sure == Certain && (got.Cause != whole.Cause || whole.Result != Fails) {
					t.Errorf("%s up to %d of step %d: %s (%s) is certain; the whole is %s %s", c.Name, n, k, got.Cause, got.Says, whole.Result, whole.Cause)
					break
				}
			}
		}
	}
}

// TestCauses holds the table to what it names: settings of the gateway and tolerances.
func TestCauses(t *testing.T) {
	schema := readSchema(t)
	seen := map[string]bool{}
	for _, c := range Causes() {
		if seen[c.Name] || c.Name == "" || c.Says == "" || strings.HasSuffix(c.Says, ".") {
			t.Errorf("%+v stands twice, or lacks something", c)
		}
		seen[c.Name] = true
		for _, cure := range c.Cures {
			checkCure(t, c.Name, cure, schema)
		}
	}
}

// checkCure holds a cure to the settings that there are.
func checkCure(t *testing.T, cause string, cure Cure, schema map[string]bool) {
	t.Helper()
	if cure.Says == "" {
		t.Errorf("%s: a cure that says nothing: %+v", cause, cure)
	}
	if cure.Where != "gateway.yaml" {
		return
	}
	for _, key := range regexp.MustCompile(`[a-z_]+:`).FindAllString(cure.Set, -1) {
		if key = strings.TrimSuffix(key, ":"); !schema[key] && key != "wss" && key != "ws" {
			t.Errorf("%s: gateway.yaml has no %s (%s)", cause, key, cure.Set)
		}
	}
	where, names, ok := strings.Cut(cure.Set, ": tolerate: [")
	if !ok {
		return
	}
	among := wire.ClientFaults()
	if where == "routes" {
		among = wire.ServerFaults()
	}
	if x, err := wire.ParseTolerances(strings.TrimSuffix(names, "]"), among); err != nil || x == 0 {
		t.Errorf("%s: %s: %v", cause, cure.Set, err)
	}
}

// TestNames holds every name of a cause to the table, and that no reason, fault, tolerance or
// comparison of a browser is without one.
func TestNames(t *testing.T) {
	known := map[string]bool{}
	for _, c := range Causes() {
		known[c.Name] = true
	}
	want := func(of, name string) {
		if !known[name] {
			t.Errorf("%s: there is no cause %q", of, name)
		}
	}
	for _, r := range wire.Reasons() {
		want("the reason "+string(r.Reason), ofReason[r.Reason])
	}
	for from, name := range ofFault {
		want("the fault "+string(from), name)
	}
	for _, x := range wire.ToleranceTable() {
		if other, ok := ofTolerance[x.Name]; ok {
			want(x.Name, other)
		} else {
			want(x.Name, x.Name)
		}
	}
	for code, name := range ofCode {
		want(fmt.Sprint(code), name)
	}
	for _, m := range messages {
		want(m.text, m.cause)
	}
	for _, x := range faultTexts {
		want(x.text, x.cause)
	}
	for _, r := range browsers.Rules() {
		if refined := map[string]bool{"location-mismatch": true, "accept-mismatch": true}; !refined[r.Name] {
			want("the rule "+r.Name, causeOfRule(r.Name))
		}
	}
	cases := readCases(t)
	for i := range cases {
		if c := &cases[i]; c.Cause != "" {
			want(c.Name, c.Cause)
		}
	}
}

// readSchema returns the names of all settings of gateway.yaml.
func readSchema(t *testing.T) map[string]bool {
	t.Helper()
	p, err := os.ReadFile("../docs/config.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(p, &schema); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if p, ok := v["properties"].(map[string]any); ok {
				for name := range p {
					names[name] = true
				}
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(schema)
	return names
}
