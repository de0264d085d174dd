package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/bench/load"
)

// Gateways are started by the program of servers/ of this checkout, also another checkout's.
func TestGatewayCommand(t *testing.T) {
	r := runner{built: "this", other: "that"}
	for server, want := range map[string]string{
		"nginx":     "this/servers -program this/gateway -backend A nginx",
		"gateway":   "this/servers -program this/gateway -backend A gateway",
		"gateway@x": "this/servers -program that/gateway -backend A gateway",
	} {
		if got := strings.Join(r.command(server, []string{"-backend", "A"}), " "); got != want {
			t.Errorf("%s: %s", server, got)
		}
	}
	cells, err := pick(beside(allCells(full), "draftwire@x"), "^gw-(125|versions-76)$", "gateway")
	if err != nil {
		t.Fatal(err)
	}
	for i, version := range []string{load.V13, load.V76} {
		if want := []entry{{"gateway@x", version}, {"gateway", version}}; !slices.Equal(cells[i].entries, want) {
			t.Errorf("%s has %v", cells[i].name, cells[i].entries)
		}
	}
}

// Gateways take turns without being asked to, but where memory is measured.
func TestGatewayTurns(t *testing.T) {
	r := runner{scale: full}
	for _, c := range gatewayCells(full) {
		silent := c.spec.Kind == load.Idle || c.spec.Kind == load.Hold
		if got := r.turnsOf(&c); (got == 0) != silent || !c.gateways() {
			t.Errorf("%s: %d turns", c.name, got)
		}
	}
	if s := full.within(20_000); s.sessions != eachGateway {
		t.Errorf("%d sessions with 20,000 files", s.sessions)
	}
	if s := full.within(1100); s.sessions != 500 {
		t.Errorf("%d sessions with 1,100 files", s.sessions)
	}
}

// What is not installed is left out of all cells, and what is stays.
func TestLeaveOutGateways(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("PATH", folder)
	if err := os.WriteFile(filepath.Join(folder, "haproxy"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	old := gatewayPrograms
	defer func() { gatewayPrograms = old }()
	gatewayPrograms = []string{"haproxy", "none-such"}
	cells := []cell{{name: "gw-a", entries: in13("haproxy", "none-such", "copy")}, {name: "b", entries: in13("raw")}}
	var log strings.Builder
	why := leaveOutGateways(cells, &log)
	if len(why) != 1 || !strings.Contains(log.String(), "apt-get install none-such") {
		t.Errorf("%q, %q", why, log.String())
	}
	if !slices.Equal(cells[0].entries, in13("haproxy", "copy")) || !slices.Equal(cells[1].entries, in13("raw")) {
		t.Errorf("the cells have %v, %v", cells[0].entries, cells[1].entries)
	}
}

// The tables of gateways have a section of their own.
func TestParts(t *testing.T) {
	row := []row{{entry: entry{"raw", load.V13}}}
	r := report{tables: []table{{cell: cell{name: "echo-125", title: "one"}, rows: row}, {cell: cell{name: "gw-125", title: "two"}, rows: row}}}
	for section, want := range map[string]string{serverTables: "### one", gatewayTables: "### two"} {
		if got := r.part(section).markdown(); !strings.Contains(got, want) || strings.Count(got, "###") != 1 {
			t.Errorf("%s: %s", section, got)
		}
	}
}
