package gateway_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/gateway"
)

// The table of losses in the documentation is the one in the code.
func TestLossTableIsDocumented(t *testing.T) {
	b, err := os.ReadFile("../docs/gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("<!-- losses -->\n| loss | the sender sends | to | the receiver gets | decided by |\n| --- | --- | --- | --- | --- |\n")
	for _, l := range gateway.Losses() {
		policy := "-"
		if l.Policy != "" {
			policy = "`" + l.Policy + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s | %s |\n", l.Loss, l.From, l.To, l.What, policy)
	}
	want.WriteString("<!-- /losses -->\n")
	if !strings.Contains(string(b), want.String()) {
		t.Errorf("docs/gateway.md should have\n%s", want.String())
	}
}

// The documentation lists exactly the fields that are held back.
func TestFieldsHeldBackAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../docs/gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(b), "### Fields held back\n")
	_, table, _ := strings.Cut(section, "| --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var documented []string
	for i, name := range strings.Split(table, "`") {
		if i%2 == 1 && name[0] != '-' { // members of a family are written without their prefix
			documented = append(documented, strings.ToLower(name))
		}
	}
	slices.Sort(documented)
	if want := gateway.HeldBack(); !slices.Equal(documented, want) {
		t.Errorf("documented are\n%q, held back are\n%q", documented, want)
	}
}
