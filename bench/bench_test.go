package main

import (
	"encoding/json"
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

func TestTable(t *testing.T) {
	c := cell{title: "Echo", columns: echoColumns[:1]}
	tab := table{cell: c, placement: "free", turns: 1, rows: []row{
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

// A round gives one ratio, and one that is slow altogether does not count.
func TestTurnTable(t *testing.T) {
	var ref, v []float64
	for round := range 12 {
		for turn := range 3 {
			ref = append(ref, 10)
			v = append(v, 10+float64(round)+float64(turn-1)/2)
		}
	}
	v[0] = 1000 // neither does a slow turn
	tab := table{cell: cell{title: "Echo", columns: turnColumns}, placement: "pinned", turns: 3, rows: []row{
		{entry{"draftwire@1234567", load.V13}, map[string][]float64{load.CPUMicros: ref}},
		{entry{"draftwire", load.V13}, map[string][]float64{load.CPUMicros: v}},
	}}
	var b strings.Builder
	tab.markdown(&b)
	want := "### Echo (pinned)\n\n" +
		"| server | CPU ns / message | × draftwire@1234567 | 95 % |\n| --- | ---: | ---: | ---: |\n" +
		"| draftwire@1234567 | 10000 | 1.000 | 1.000 - 1.000 |\n| draftwire | 15750 | 1.550 | 1.200 - 1.900 |\n"
	if b.String() != want {
		t.Errorf("%s, not %s", b.String(), want)
	}
}

// The borders are those of the tables for the sign test at 5 %, two-sided.
func TestInterval(t *testing.T) {
	for n, below := range map[int]int{least: 0, 8: 0, 9: 1, 12: 2, 16: 3, 25: 7, 100: 39} {
		var v []float64
		for i := range n {
			v = append(v, float64(n-1-i))
		}
		low, high := interval(append(v, math.NaN()))
		if low != float64(below) || high != float64(n-1-below) {
			t.Errorf("of %d: from %v to %v", n, low, high)
		}
	}
	if low, high := interval(nil); !math.IsNaN(low) || !math.IsNaN(high) {
		t.Errorf("of none: from %v to %v", low, high)
	}
	if got := medians([]float64{1, 2, 9, math.NaN(), 4, math.NaN()}, 3); !slices.Equal(got, []float64{2, 4}) {
		t.Errorf("the medians are %v", got)
	}
}

// Another build is the reference, in each version for itself.
func TestBeside(t *testing.T) {
	cells, err := pick(beside(allCells(full.inTurns()), "draftwire@x"), "^(echo-125|versions-125-76)$", "draftwire,draftwire@x")
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) != 2 || !slices.Equal(cells[0].entries, []entry{{"draftwire@x", "13"}, {"draftwire", "13"}}) ||
		!slices.Equal(cells[1].entries, []entry{{"draftwire@x", "76"}, {"draftwire", "76"}}) {
		t.Errorf("the cells are %v", cells)
	}
	r := runner{built: "this", other: "that"}
	for server, want := range map[string][]string{
		"draftwire": {"this/servers", "-deflate", "draftwire"}, "draftwire@x": {"that/servers", "-deflate", "draftwire"},
		"readme": {"this/readme"}, "serve@x": {"that/serve", "serve", "--listen", "127.0.0.1:0"},
	} {
		if got := r.command(server, []string{"-deflate"}); !slices.Equal(got, want) {
			t.Errorf("%s: %v", server, got)
		}
	}
	for servers, want := range map[string]string{"": "draftwire", "raw,serve": "serve", "draftwire,serve": "draftwire", "readme": "readme"} {
		if got := (&settings{servers: servers}).ours(); got != want {
			t.Errorf("of %q ours is %s", servers, got)
		}
	}
	// All servers of a cell have their connections at once, within the files that may be open.
	if s := full.inTurns().within(2100); s.broadcast*s.alive > 2100 {
		t.Errorf("%d connections each", s.broadcast)
	}
}

func TestFill(t *testing.T) {
	name := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(name, []byte("a\n<!-- tables -->\nold\n<!-- /tables -->\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // filling again changes nothing
		if err := fill(name, serverTables, "new\n"); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if want := "a\n<!-- tables -->\n\nnew\n\n<!-- /tables -->\nb\n"; string(got) != want || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := os.WriteFile(name, []byte("<!-- /tables -->\n<!-- tables -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := fill(name, serverTables, "new\n"); err == nil {
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
	for _, section := range []string{serverTables, gatewayTables} {
		if !strings.Contains(text, "<!-- "+section+" -->\n") || !strings.Contains(text, "<!-- /"+section+" -->\n") {
			t.Errorf("no marks for %s", section)
		}
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

// A later run replaces a cell, its faults go with it, and has others; what was measured makes the same tables again.
func TestTablesFromFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, r *report) string {
		b, err := json.Marshal(r.data())
		if err != nil {
			t.Fatal(err)
		}
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	run := func(commit string, number float64, names ...string) *report {
		r := &report{scale: full, about: []string{"commit " + commit}}
		for _, c := range allCells(full) {
			if !slices.Contains(names, c.name) {
				continue
			}
			x := table{cell: c, placement: "pinned", turns: 1}
			for i, e := range c.entries[:2] {
				values := map[string][]float64{}
				for _, k := range c.columns {
					values[k.key] = []float64{number, number + float64(i), number}
				}
				x.rows = append(x.rows, row{entry: e, values: values})
			}
			r.tables = append(r.tables, x)
		}
		return r
	}
	first, later := run("a", 10, "echo-125", "gw-idle"), run("b", 20, "gw-idle", "handshake")
	same, err := fromFiles(write("first", first), full)
	if err != nil || same.markdown() != first.markdown() {
		t.Errorf("%v\n%s\nwant\n%s", err, same.markdown(), first.markdown())
	}
	first.faults = []string{"gw-idle, pinned, nginx: x", "echo-125, pinned, ws: y"}
	both, err := fromFiles(write("first", first)+","+write("later", later), full)
	if err != nil || len(both.tables) != 3 || !slices.Equal(both.faults, first.faults[1:]) || !strings.Contains(both.markdown(), "Of a later run, at commit b.") {
		t.Errorf("%v, %q\n%s", err, both.faults, both.markdown())
	}
	for _, text := range []string{"", `{"cells": [{"name": "other"}]}`} {
		name := filepath.Join(dir, "bad")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := fromFiles(name, full); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
