package gateway_test

import (
	"fmt"
	"os"
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
	want.WriteString("<!-- losses -->\n| loss | what is said | to whom | what becomes of it | decided by |\n| --- | --- | --- | --- | --- |\n")
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
