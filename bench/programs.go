package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// program is a program of the library's checkout, which is measured as people run it. It is
// built with an overlay: harness/harness.go is added to it.
type program struct {
	folder string   // in the checkout
	args   []string // it listens on a port of 127.0.0.1 that the system chooses
	// source says what its main.go is, where that is not the one of its folder.
	source func(root string) (string, error)
}

var programs = map[string]program{
	"readme": {folder: "examples/echo", source: readmeExample},
	"serve":  {folder: "cmd/draftwire", args: []string{"serve", "--listen", anyPort}},
}

const anyPort = "127.0.0.1:0"

// readmePort is the address in README.md's example: the one thing of it that is changed.
const readmePort = "127.0.0.1:8080"

// readmeExample is the program in README.md, on another port.
func readmeExample(root string) (string, error) {
	b, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		return "", err
	}
	code := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindSubmatch(b)
	if code == nil || strings.Count(string(code[1]), readmePort) != 1 {
		return "", fmt.Errorf("README.md has no program that listens on %s", readmePort)
	}
	return strings.Replace(string(code[1]), readmePort, anyPort, 1), nil
}

// buildPrograms builds those programs of a checkout that are among the servers.
func buildPrograms(ctx context.Context, root, to string, wanted func(server string) bool) error {
	for name, p := range programs {
		if !wanted(name) {
			continue
		}
		if err := p.build(ctx, root, filepath.Join(to, name)); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) build(ctx context.Context, root, to string) error {
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	overlay, err := p.overlay(root, to)
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "go", "build", "-C", root, "-tags", "bench", "-overlay", overlay, "-o", to, "./"+p.folder).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build of %s in %s: %w\n%s", p.folder, root, err, out)
	}
	return nil
}

// overlay writes the file that tells go build what is added and replaced, and what it names,
// beside the program that is to be built.
func (p *program) overlay(root, program string) (string, error) {
	folder, err := filepath.Abs(filepath.Join(root, p.folder))
	if err != nil {
		return "", err
	}
	harness, err := filepath.Abs("harness/harness.go")
	if err != nil {
		return "", err
	}
	replace := map[string]string{filepath.Join(folder, "harness_bench.go"): harness}
	if p.source != nil {
		source, err := p.source(root)
		if err != nil {
			return "", err
		}
		replace[filepath.Join(folder, "main.go")] = program + ".go"
		if err := os.WriteFile(program+".go", []byte(source), 0o600); err != nil {
			return "", err
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	return program + ".json", os.WriteFile(program+".json", b, 0o600)
}

// listening waits until a process listens, and returns the address. The programs print none,
// or print it for people.
func listening(ctx context.Context, pid int) (string, error) {
	for until := time.Now().Add(startTime); time.Now().Before(until) && ctx.Err() == nil; time.Sleep(2 * time.Millisecond) {
		if addr := listeningAt(pid); addr != "" {
			return addr, nil
		}
	}
	return "", errors.New("it does not listen")
}

// listeningAt returns where a process listens on 127.0.0.1, or "".
func listeningAt(pid int) string {
	own := make(map[string]bool)
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		to, _ := os.Readlink(fd)
		own[to] = true
	}
	table, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line) // number, local, remote, state, ..., inode in the tenth
		if len(f) < 10 || f[3] != "0A" || !own["socket:["+f[9]+"]"] {
			continue
		}
		if port, ok := strings.CutPrefix(f[1], "0100007F:"); ok {
			n, err := strconv.ParseUint(port, 16, 16)
			if err == nil {
				return fmt.Sprintf("127.0.0.1:%d", n)
			}
		}
	}
	return ""
}
