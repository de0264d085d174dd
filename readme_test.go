package draftwire_test

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
)

// versionTable is the table of versions in README.md: it follows from the table
// in package wire.
func versionTable() string {
	b := strings.Builder{}
	b.WriteString("| version | number | documents | date | who spoke it | messages | closing | default |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, v := range draftwire.ServedVersions().List() {
		i := v.Info()
		messages, closing, on := "text", "TCP closes", "off"
		if v.Supports(draftwire.CapBinary) {
			messages = "text, binary"
		}
		switch {
		case v.Supports(draftwire.CapCloseCode):
			closing = "code"
		case v.Supports(draftwire.CapCloseFrame):
			closing = "no code"
		}
		if draftwire.ModernVersions.Has(v) {
			on = "on"
		}
		spec := strings.ReplaceAll(strings.ReplaceAll(i.Spec, "draft-ietf-hybi-thewebsocketprotocol", "hybi"), "draft-hixie-thewebsocketprotocol", "hixie")
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", i.Name, cmp.Or(i.HeaderValue, "-"), spec, i.Date, i.Shipped, messages, closing, on)
	}
	return b.String()
}

func TestReadmeVersions(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := versionTable(); !strings.Contains(string(b), "\n"+want+"\n") {
		t.Errorf("the table of versions in README.md should be\n%s", want)
	}
}

// The program in README.md is examples/echo, which is built with the rest, and
// the files that it points to are there.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(b)
	code := regexp.MustCompile("(?s)```go\n(.*?)```").FindStringSubmatch(readme)
	program, err := os.ReadFile("examples/echo/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if _, body, _ := strings.Cut(string(program), "\n"); code == nil || body != code[1] {
		t.Error("the program in README.md is not examples/echo/main.go")
	}
	for _, link := range regexp.MustCompile(`\]\(([^):]+)\)`).FindAllStringSubmatch(readme, -1) {
		file, _, _ := strings.Cut(link[1], "#")
		if _, err := os.Stat(file); err != nil {
			t.Errorf("README.md points to %s: %v", link[1], err)
		}
	}
}
