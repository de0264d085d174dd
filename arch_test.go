package draftwire_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/draftwire/draftwire"

// floors gives each package its floor; the longest prefix wins. An import only
// points to a lower floor. See ARCHITECTURE.md.
var floors = map[string]int{
	"cmd": 11,

	"cmd/draftwire/internal": 10, "replay": 10, "explain": 10,

	"gateway": 9, "inspect": 9, "inspect/input": 9, "inspect/live": 9, "probe": 9, "recorder": 9,

	"usage": 8, "metrics": 8, "oldtls": 8, "draftwiretest": 8, "inspect/capture": 8, "drafts": 8, "browsers": 8, "recording": 8, "compare": 8, "compat": 8, "hub": 8, "fleet": 9,

	"": 7, // the root package

	"internal/wsconn": 6,

	"internal/sock": 5, "internal/inside": 5,

	"detect": 4, "internal/session": 4,

	"internal/origin": 3, "hixie75": 3, "hixie76": 3, "hybi02": 3, "hybi04": 3, "hybi05": 3, "hybi07": 3, "rfc6455": 3,

	"internal/hybi": 2, "internal/hixie": 2, "internal/httphead": 2, "internal/deflate": 2, "internal/intern": 2,

	"wire": 1,

	"internal/ascii": 0, "internal/utf8x": 0, "internal/pool": 0, "internal/suggest": 0, "internal/spread": 0, "vectors": 0,
}

// beside are packages for tests and other implementers, outside the house.
var beside = []string{"vectors/gen", "vectors/internal", "internal/vectest", "internal/browsercases", "internal/wstest", "internal/memnet", "internal/faultnet", "internal/leak", "internal/seed", "examples", "hostile", "fuzz", "test"}

// noIO may not be imported by floors 0 to 4: they do no I/O and know no clock.
var noIO = []string{"net", "net/http", "os", "time", "context", "log"}

type pkg struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p pkg
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	return pkgs
}

// floor returns the floor of a package of this module; ok is false beside the
// house.
func floor(t *testing.T, path string) (n int, ok bool) {
	t.Helper()
	dir := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
	for _, b := range beside {
		if dir == b || strings.HasPrefix(dir, b+"/") {
			return 0, false
		}
	}
	if n, ok := floors[dir]; ok {
		return n, true
	}
	for d := dir; strings.Contains(d, "/"); {
		d = d[:strings.LastIndexByte(d, '/')]
		if n, ok := floors[d]; ok {
			return n, true
		}
	}
	t.Errorf("package %s has no floor: give it one in arch_test.go and ARCHITECTURE.md", path)
	return 0, false
}

func TestFloors(t *testing.T) {
	for _, p := range listPackages(t) {
		from, ok := floor(t, p.ImportPath)
		if !ok {
			continue
		}
		for _, imp := range p.Imports {
			if from <= 4 && slices.Contains(noIO, imp) {
				t.Errorf("%s (floor %d) imports %s: floors 0 to 4 do no I/O and know no clock", p.ImportPath, from, imp)
			}
			inside := imp == module || strings.HasPrefix(imp, module+"/")
			if !inside {
				// A dot in the first element: not the standard library.
				if first, _, _ := strings.Cut(imp, "/"); from <= 7 && strings.Contains(first, ".") {
					t.Errorf("%s (floor %d) imports %s: the library depends on the standard library alone", p.ImportPath, from, imp)
				}
				if from < floors["cmd"] && (strings.Contains(imp, "urfave/cli") || strings.Contains(imp, "sirupsen/logrus")) {
					t.Errorf("%s (floor %d) imports %s, which only the program may", p.ImportPath, from, imp)
				}
				continue
			}
			to, ok := floor(t, imp)
			switch {
			case !ok:
				t.Errorf("%s imports %s, which is for tests and others", p.ImportPath, imp)
			case to >= from:
				t.Errorf("%s (floor %d) imports %s (floor %d): an arrow only points down", p.ImportPath, from, imp, to)
			}
		}
	}
}

// The functions that ARCHITECTURE.md names for its questions are where it says.
func TestWhereIsIt(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| (.+\\?) \\| `(.+\\.go)` \\| `(.+)` \\|$").FindAllStringSubmatch(string(text), -1)
	if len(rows) < 20 {
		t.Errorf("%d questions", len(rows))
	}
	for _, row := range rows {
		question, file, function := row[1], row[2], row[3]
		code, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s %v", question, err)
		} else if !regexp.MustCompile(`(?m)^func (\(.+?\) )?` + function + `\(`).Match(code) {
			t.Errorf("%s %s has no function %s", question, file, function)
		}
	}
}
