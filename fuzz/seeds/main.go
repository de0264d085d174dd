// Seeds writes what the fuzz targets begin with, from vectors/*.json, hostile/*.json and
// testdata/fuzz, for fuzzers that do not know f.Add: a folder for each target, with a file
// for each input.
//
//	go run ./fuzz/seeds [-go] [-o DIR] [EXPRESSION...]
//
// The files are in the form of OSS-Fuzz's builds for libFuzzer, or with -go in that of
// testdata/fuzz. Targets are those of fuzz/list whose folder or name matches one of the
// expressions, all that can run everywhere where there is none.
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/draftwire/draftwire/internal/seed"
)

// target is a line of fuzz/list.
type target struct{ dir, function, name, where string }

func main() {
	log.SetFlags(0)
	log.SetPrefix("seeds: ")
	asGo := flag.Bool("go", false, "in the form of testdata/fuzz")
	out := flag.String("o", "fuzz/corpus", "the `folder` that gets one for each target")
	flag.Parse()
	targets, err := list(flag.Args())
	if err != nil {
		log.Fatal(err)
	}
	told, err := os.MkdirTemp("", "seeds")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(told)
	for i, t := range targets {
		from := filepath.Join(told, fmt.Sprintf("%x", t.dir))
		if i == 0 || targets[i-1].dir != t.dir {
			if err := tell(t.dir, from); err != nil {
				log.Fatal(err)
			}
		}
		n, left, err := t.write(from, filepath.Join(*out, t.name), *asGo)
		if err != nil {
			log.Fatalf("%s: %v", t.name, err)
		}
		fmt.Printf("%-36s %5d seeds", t.name, n)
		if left > 0 {
			fmt.Printf(", %d more have no form there", left)
		}
		fmt.Println()
	}
}

func list(expressions []string) (targets []target, err error) {
	which, err := regexp.Compile(strings.Join(expressions, "|"))
	if err != nil {
		return nil, err
	}
	lines, err := exec.Command("fuzz/list").Output()
	if err != nil {
		return nil, fmt.Errorf("fuzz/list: %w; this runs in the module's folder", err)
	}
	for line := range strings.Lines(string(lines)) {
		f := strings.Fields(line)
		if len(f) != 4 {
			return nil, fmt.Errorf("fuzz/list says %q", line)
		}
		t := target{f[0], f[1], f[2], f[3]}
		if which.MatchString(t.dir+" "+t.function) && (t.where == "everywhere" || len(expressions) > 0) {
			targets = append(targets, t)
		}
	}
	if len(targets) == 0 {
		return nil, errors.New("no target matches")
	}
	return targets, nil
}

// tell lets the targets of a package tell their seeds: they are run on them.
func tell(dir, to string) error {
	run := exec.Command("go", "test", "-count=1", "-run", "^Fuzz", dir)
	run.Env = append(os.Environ(), seed.Folder+"="+to)
	if said, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", dir, err, said)
	}
	return nil
}

// write writes the seeds of a target to a folder. left is how many cannot be said in
// libFuzzer's form.
func (t target) write(from, to string, asGo bool) (n, left int, err error) {
	var files []string
	for _, dir := range []string{filepath.Join(from, t.function), filepath.Join(t.dir, "testdata", "fuzz", t.function)} {
		names, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			return 0, 0, err
		}
		files = append(files, names...)
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return 0, 0, err
	}
	for _, name := range files {
		p, err := os.ReadFile(name)
		if err != nil {
			return n, left, err
		}
		if !asGo {
			args, err := seed.Decode(p)
			if err != nil {
				return n, left, fmt.Errorf("%s: %w", name, err)
			}
			if p, err = seed.LibFuzzer(args...); err != nil {
				left++
				continue
			}
		}
		if err := os.WriteFile(filepath.Join(to, fmt.Sprintf("%x", sha256.Sum256(p))[:16]), p, 0o644); err != nil {
			return n, left, err
		}
		n++
	}
	return n, left, nil
}
