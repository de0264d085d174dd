// Day types the commands of docs/a-day.md and compares what they print with what stands there:
// a day of an operator.
//
//	go run ./test/day           # compares; exit status 1 with the differences
//	go run ./test/day -write    # puts what they print into the document
//
// One bash runs all commands. The paths of the system and the ports are replaced by some of a
// temporary directory and free ones; times, process numbers and the like may differ. systemctl
// and journalctl are functions of prelude.sh, which start what the units of deploy/systemd say.
// Needs bash, curl, openssl, and systemd for systemd-socket-activate.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

//go:embed prelude.sh
var prelude string

const document = "docs/a-day.md"

func main() {
	write := flag.Bool("write", false, "put the outputs into the document")
	flag.Parse()
	dir, err := os.MkdirTemp("", "day")
	if err == nil {
		err = day(dir, *write)
		os.RemoveAll(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "day:", err)
		os.Exit(1)
	}
}

func day(dir string, write bool) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	here, err := sandbox(dir)
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(text), "\n")
	outputs, err := run(dir, here.Replace(prelude), commands(lines, here))
	if err != nil {
		return err
	}
	got := fill(lines, outputs)
	if write {
		return os.WriteFile(document, []byte(got), 0o644)
	}
	return compare(string(text), got)
}

// sandbox returns what replaces the paths and the ports of the document by those of dir.
func sandbox(dir string) (*strings.Replacer, error) {
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "draftwire"), "./cmd/draftwire")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%v\n%s", err, out)
	}
	pairs := []string{"/usr/bin/draftwire", dir + "/usr/bin/draftwire", "755 draftwire ", "755 " + dir + "/draftwire ", "deploy/", dir + "/deploy/"}
	for _, p := range []string{"/etc/", "/var/lib/", "/run/credentials/", "/tmp/"} {
		pairs = append(pairs, p, dir+p)
	}
	var ports []string
	for range 4 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
	}
	pairs = append(pairs,
		"127.0.0.1:9000", "127.0.0.1:"+ports[0], "127.0.0.1:9090", "127.0.0.1:"+ports[1], "127.0.0.1:443", "127.0.0.1:"+ports[3],
		"wss://127.0.0.1/", "wss://127.0.0.1:"+ports[3]+"/", "ws://127.0.0.1/", "ws://127.0.0.1:"+ports[2]+"/", "http://127.0.0.1/", "http://127.0.0.1:"+ports[2]+"/",
		"ROOT", dir, "PORT80", ports[2], "PORT443", ports[3])
	back = strings.NewReplacer(append(swapped(pairs), "127.0.0.1:"+ports[2], "127.0.0.1:80")...)
	here := strings.NewReplacer(pairs...)
	return here, copyDeploy(dir, here)
}

// copyDeploy copies what the document installs, made for the sandbox.
func copyDeploy(dir string, here *strings.Replacer) error {
	files, err := filepath.Glob("deploy/systemd/*")
	if err != nil {
		return err
	}
	for _, f := range append(files, "deploy/gateway.yaml") {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(to, []byte(here.Replace(string(text))), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// back replaces what sandbox has made by what stands in the document.
var back *strings.Replacer

func swapped(pairs []string) []string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		if !strings.HasPrefix(pairs[i], "PORT") && pairs[i] != "ROOT" {
			out = append(out, pairs[i+1], pairs[i])
		}
	}
	return out
}

// commands returns the commands of the document.
func commands(lines []string, here *strings.Replacer) (out []string) {
	each(lines, func(line string) { out = append(out, here.Replace(line)) }, func(string, bool) {})
	return out
}

// each calls command for each command of the document, without its prompt, and other for each
// line that is none; output says that the line is one that a command has printed.
func each(lines []string, command func(string), other func(line string, output bool)) {
	in := false
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, "```"):
			in = strings.HasPrefix(line, "```console")
			other(line, false)
		case in && strings.HasPrefix(line, "$ "):
			command(strings.TrimSuffix(line[2:], "\n"))
		default:
			other(line, in)
		}
	}
}

// limit is how long the day may last.
const limit = 2 * time.Minute

// mark stands between the outputs of two commands.
const mark = "\x1e"

// run returns what each command prints, its standard error among it, and how it fails.
func run(dir, prelude string, commands []string) ([]string, error) {
	var script strings.Builder
	script.WriteString(prelude)
	for _, c := range commands {
		fmt.Fprintf(&script, "%s\ncode=$?; if ((code)); then echo \"# exit code $code\"; fi; printf '%s'\n", c, mark)
	}
	script.WriteString("farewell\n")
	file := filepath.Join(dir, "script")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", file)
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "LC_ALL=C", "COLUMNS=100")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	said := strings.ReplaceAll(out.String(), "\r\n", "\n") // heads of HTTP, which the document has as text
	outputs := strings.Split(said, mark)
	if len(outputs) != len(commands)+1 {
		return nil, fmt.Errorf("%d of %d commands ran: %v\n%s", len(outputs)-1, len(commands), err, out.String())
	}
	return outputs, nil
}

// fill returns the document with other outputs.
func fill(lines, outputs []string) string {
	var b strings.Builder
	n := 0
	each(lines, func(c string) {
		fmt.Fprintf(&b, "$ %s\n%s", c, back.Replace(outputs[n]))
		n++
	}, func(line string, output bool) {
		if !output {
			b.WriteString(line)
		}
	})
	return b.String()
}

// various is what differs from one day to the next.
var various = []*regexp.Regexp{
	regexp.MustCompile(`\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC|[+-]\d\d:?\d\d)?)?`),
	regexp.MustCompile(`\b\d+(\.\d+)?(h|m|s|ms|us|µs)\b`),
	regexp.MustCompile(`(pid|PID|process)"?[ =:]+\d+`),
	regexp.MustCompile(`127\.0\.0\.1:\d{4,5}`),
	regexp.MustCompile(`"ms":[\d.]+`),
	regexp.MustCompile(`days,? (by [\w.-]+|\([\w.-]+\))$`),
	regexp.MustCompile(` +`),
}

// compare compares two documents, line by line.
func compare(want, got string) error {
	plain := func(line string) string {
		for _, r := range various {
			line = r.ReplaceAllString(line, "~")
		}
		return line
	}
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if plain(a[i]) != plain(b[i]) {
			return fmt.Errorf("%s: line %d\nsays   %s\nprints %s\nIf that is right: go run ./test/day -write", document, i+1, a[i], b[i])
		}
	}
	if len(a) != len(b) {
		return fmt.Errorf("%s has %d lines, not %d", document, len(a), len(b))
	}
	fmt.Println("passed")
	return nil
}
