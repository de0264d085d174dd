package draftwire_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

// toleranceTable is the table of tolerances in docs/gateway.md: it follows from the table in
// package wire.
func toleranceTable() string {
	var b strings.Builder
	b.WriteString("<!-- tolerances -->\n| tolerance | whose | accepts | of | relaxes | why nothing can be smuggled with it |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, i := range wire.ToleranceTable() {
		whose := map[[2]bool]string{{true, false}: "clients", {false, true}: "servers", {true, true}: "both"}[[2]bool{i.Clients, i.Servers}]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", i.Name, whose, i.Accepts, i.Devices, i.Section, i.Safe)
	}
	return b.String() + "<!-- /tolerances -->\n"
}

func TestToleranceTableIsDocumented(t *testing.T) {
	b, err := os.ReadFile("docs/gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := toleranceTable(); !strings.Contains(string(b), want) {
		t.Errorf("docs/gateway.md should have\n%s", want)
	}
}

// Each tolerance has a whole row, at its place, and a name of its own that is read again.
func TestToleranceTable(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9]+([-.][a-z0-9]+)*$`)
	table := wire.ToleranceTable()
	for n, i := range table {
		if i.Tolerance != 1<<n || i.Tolerance.String() != i.Name || !name.MatchString(i.Name) || !i.Clients && !i.Servers {
			t.Errorf("row %d: %s is %#x, of clients %v, of servers %v", n, i.Name, uint32(i.Tolerance), i.Clients, i.Servers)
		}
		for _, text := range []string{i.Accepts, i.Devices, i.Section, i.Safe} {
			if text == "" || strings.ContainsAny(text, "|\n") || strings.HasSuffix(text, ".") {
				t.Errorf("%s: %q cannot stand in the table", i.Name, text)
			}
		}
		if got, err := wire.ParseTolerances(" "+strings.ToUpper(i.Name)+",", wire.AllTolerances); got != i.Tolerance || err != nil {
			t.Errorf("%s is read as %s, %v", i.Name, got, err)
		}
		if _, err := wire.ParseTolerances(i.Name, wire.AllTolerances&^i.Tolerance); err == nil {
			t.Errorf("%s is read where it is not among those that are meant", i.Name)
		}
	}
	if all := wire.ClientFaults() | wire.ServerFaults(); all != wire.AllTolerances || len(table) == 0 {
		t.Errorf("all are %s, of somebody are %s", wire.AllTolerances, all)
	}
}

// A refusal's hint names the tolerance.
func TestToleranceHint(t *testing.T) {
	he := wire.NewHandshakeError(wire.Hixie75, wire.ReasonNoOrigin, "")
	before := he.Hint()
	if he.Tolerance = wire.TolerateNoOrigin; before != "send Origin" || he.Hint() != "send Origin; tolerate no-origin admits it" {
		t.Errorf("%q, %q", before, he.Hint())
	}
	pe := wire.ProtocolError{}
	before = pe.Hint()
	if pe.Tolerance = wire.TolerateUnmasked; before != "" || pe.Hint() != "tolerate unmasked admits it" {
		t.Errorf("%q, %q", before, pe.Hint())
	}
}
