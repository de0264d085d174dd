package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/bench/load"
)

func TestMedianOfRatios(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		v, ref []float64
		want   stat
		ok     bool
	}{
		{[]float64{1, 20, 3}, []float64{1, 10, 6}, stat{1, 0.5, 2}, true},
		{[]float64{1, 20, 3, 4}, []float64{1, 10, 6, 1}, stat{1.5, 0.5, 4}, true},
		{[]float64{nan, 20, 3}, []float64{1, 10, nan}, stat{2, 2, 2}, true},
		{[]float64{1, 2}, []float64{0, nan}, stat{}, false},
		{nil, []float64{1}, stat{}, false},
	} {
		if got, ok := newStat(ratios(tt.v, tt.ref)); got != tt.want || ok != tt.ok {
			t.Errorf("%v over %v: %v, %v", tt.v, tt.ref, got, ok)
		}
	}
	// The ratio is taken within a round, so a slow round does not count.
	v, ref := []float64{10, 1, 10}, []float64{5, 0.5, 5}
	if got, _ := newStat(ratios(v, ref)); got != (stat{2, 2, 2}) {
		t.Errorf("with a slow round: %v", got)
	}
}

func TestPick(t *testing.T) {
	cells, err := pick(allCells(full), "^(echo-125|deflate-1k)$", "gws,draftwire")
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) != 2 || cells[0].name != "echo-125" {
		t.Fatalf("%d cells", len(cells))
	}
	if got := cells[0].entries; !slices.Equal(got, []entry{{"draftwire", "13"}, {"gws", "13"}}) {
		t.Errorf("the servers are %v", got)
	}
	for _, bad := range [][2]string{{"nothing", ""}, {"", "nobody"}, {"(", ""}} {
		if _, err := pick(allCells(full), bad[0], bad[1]); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	// Taking servers out of one cell leaves the lists of the others alone.
	if all := allCells(full); len(all[0].entries) != len(all13) {
		t.Errorf("then the servers are %v", all[0].entries)
	}
}

// The prototype is beside the others, but where messages are long.
func TestPrototype(t *testing.T) {
	for _, c := range allCells(full) {
		if !strings.HasPrefix(c.name, "echo-") {
			continue
		}
		if want := c.name != "echo-1m"; c.has(prototype) != want || !c.has("raw") || !c.has("ws") {
			t.Errorf("%s has %v", c.name, c.entries)
		}
	}
}

func TestTable(t *testing.T) {
	c := cell{title: "Echo", columns: echoColumns[:1]}
	tab := table{cell: c, placement: "free", rows: []row{
		{entry{"raw", load.V13}, map[string][]float64{load.PerCPU: {10000, 30000, 20000}}},
		{entry{"gobwas-buf", load.V13}, map[string][]float64{load.PerCPU: {5000, 15000, math.NaN()}}},
	}}
	var b strings.Builder
	tab.markdown(&b)
	want := "### Echo (free)\n\n" +
		"| server | messages / CPU second | × raw | from - to |\n| --- | ---: | ---: | ---: |\n" +
		"| raw | 20.0 k | 1.00 | 1.00 - 1.00 |\n| gobwas, buffered | 10.0 k | 0.50 | 0.50 - 0.50 |\n"
	if b.String() != want {
		t.Errorf("%s, not %s", b.String(), want)
	}
}

func TestFill(t *testing.T) {
	name := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(name, []byte("a\n"+beginMark+"old\n"+endMark+"b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // filling again changes nothing
		if err := fill(name, "new\n"); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if want := "a\n" + beginMark + "\nnew\n\n" + endMark + "b\n"; string(got) != want || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := os.WriteFile(name, []byte(endMark+beginMark), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := fill(name, "new\n"); err == nil {
		t.Error("no marks, no error")
	}
}

// The README has the marks, and names every cell and every server.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if !strings.Contains(text, beginMark) || !strings.Contains(text, endMark) {
		t.Error("no marks")
	}
	for _, c := range allCells(full) {
		if !strings.Contains(text, "`"+c.name+"`") {
			t.Errorf("nothing about the cell %s", c.name)
		}
		for _, e := range c.entries {
			if !strings.Contains(text, "`"+e.Server+"`") {
				t.Errorf("nothing about the server %s", e.Server)
			}
		}
	}
}
