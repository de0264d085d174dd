package draftwire_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

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
		if _, err := os.Stat(link[1]); err != nil {
			t.Errorf("README.md points to %s: %v", link[1], err)
		}
	}
}
