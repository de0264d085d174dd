package fuzz_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// target is a line of fuzz/list.
type target struct{ dir, function, name, where string }

func run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

func targets(t *testing.T) (all []target) {
	t.Helper()
	for line := range strings.Lines(run(t, "fuzz/list")) {
		f := strings.Fields(line)
		if len(f) != 4 || f[3] != "everywhere" && f[3] != "go" {
			t.Fatalf("%q is no target", line)
		}
		all = append(all, target{f[0], f[1], f[2], f[3]})
	}
	if len(all) < 60 {
		t.Fatalf("only %d targets", len(all))
	}
	return all
}

// OSS-Fuzz's builds look for the text "func FuzzX" in the folder and all below it, and
// want to find it once.
func TestNames(t *testing.T) {
	all := targets(t)
	names := map[string]bool{}
	for _, x := range all {
		if names[x.name] {
			t.Errorf("two fuzzers are named %s", x.name)
		}
		names[x.name] = true
		for _, y := range all {
			below := x.dir == "." || y.dir == x.dir || strings.HasPrefix(y.dir, x.dir+"/")
			if x.where == "everywhere" && x != y && below && strings.HasPrefix(y.function, x.function) {
				t.Errorf("looking for %s in %s finds %s in %s", x.function, x.dir, y.function, y.dir)
			}
		}
	}
	said := run(t, "fuzz/build.sh", "-n")
	for _, x := range all {
		if x.where == "everywhere" && !strings.Contains(said, " "+x.function+" "+x.name) || x.where == "go" && !strings.Contains(said, " "+x.function+": for go test alone") {
			t.Errorf("fuzz/build.sh does not know %s", x.name)
		}
	}
}

// OSS-Fuzz's builds take the test files of a package into the package itself, without the
// files of the package beside it. That builds.
func TestBuildsWithin(t *testing.T) {
	var dirs []string
	for _, x := range targets(t) {
		if x.where == "everywhere" && !slices.Contains(dirs, x.dir) {
			dirs = append(dirs, x.dir)
		}
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for _, dir := range dirs {
		var p struct {
			Dir                       string
			TestGoFiles, XTestGoFiles []string
		}
		if err := json.Unmarshal([]byte(run(t, "go", "list", "-json=Dir,TestGoFiles,XTestGoFiles", dir)), &p); err != nil {
			t.Fatal(err)
		}
		for _, name := range p.TestGoFiles {
			path := filepath.Join(p.Dir, name)
			overlay.Replace[strings.TrimSuffix(path, "_test.go")+"_libFuzzer.go"] = path
		}
		for _, name := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			overlay.Replace[filepath.Join(p.Dir, name)] = ""
		}
		b, err := json.Marshal(overlay)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "overlay.json")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "go", "build", "-overlay", file, dir)
		clear(overlay.Replace)
	}
}

// word is a line of a dictionary for libFuzzer.
var word = regexp.MustCompile(`^(#.*|"(\\x[0-9a-f]{2}|\\[\\"]|[^\\"])+"|)$`)

func TestDictionaries(t *testing.T) {
	script, err := os.ReadFile("build.sh")
	if err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob("dict/*.dict")
	if len(names) < 6 {
		t.Errorf("only %q", names)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if base := strings.TrimSuffix(filepath.Base(name), ".dict"); !strings.Contains(string(script), "echo "+base+" ;;") {
			t.Errorf("nobody uses %s", name)
		}
		for line := range strings.Lines(string(b)) {
			if !word.MatchString(strings.TrimSuffix(line, "\n")) {
				t.Errorf("%s: %q is no word", name, line)
			}
		}
	}
}
