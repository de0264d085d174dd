package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// loadAverage is how busy the machine is, with other things before we begin.
func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// commitOf is the commit of a checkout, as one word.
func commitOf(ctx context.Context, folder string) string {
	git := func(args ...string) ([]byte, error) {
		return exec.CommandContext(ctx, "git", append([]string{"-C", folder}, args...)...).Output()
	}
	out, err := git("rev-parse", "--short", "HEAD")
	if err != nil {
		return "unknown"
	}
	commit := strings.TrimSpace(string(out))
	// The file that -write fills is no change of what was measured.
	if _, err := git("diff", "--quiet", "HEAD", "--", ":/*.go", ":/*go.mod"); err != nil {
		commit += "-with-changes"
	}
	return commit
}

// about says what was measured, and on what.
func about(ctx context.Context, servers, busy string) []string {
	var uts unix.Utsname
	kernel := "unknown"
	if unix.Uname(&uts) == nil {
		kernel = unix.ByteSliceToString(uts.Release[:])
	}
	lines := []string{
		"commit " + commitOf(ctx, "."),
		fmt.Sprintf("%s, %d cores, Linux %s, %s; load average before it began: %s",
			cpuModel(), runtime.NumCPU(), kernel, runtime.Version(), busy),
	}
	return append(lines, "against "+strings.Join(slices.Concat(goModules(servers), nodeModules(ctx), peerVersions(ctx)), ", "))
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(b) {
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && string(bytes.TrimSpace(name)) == "model name" {
			return string(bytes.TrimSpace(value))
		}
	}
	return runtime.GOARCH
}

// compared are the modules whose versions matter.
var compared = []string{
	"github.com/gorilla/websocket", "github.com/coder/websocket", "github.com/gobwas/ws",
	"github.com/lxzan/gws", "github.com/fasthttp/websocket",
}

func goModules(program string) []string {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil
	}
	var out []string
	for _, m := range info.Deps {
		if slices.Contains(compared, m.Path) {
			out = append(out, strings.TrimPrefix(m.Path, "github.com/")+" "+m.Version)
		}
	}
	return out
}

func nodeModules(ctx context.Context) []string {
	version, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return nil
	}
	b, _ := os.ReadFile("node/package-lock.json")
	var lock struct {
		Packages map[string]struct {
			Version string `json:"version"`
		} `json:"packages"`
	}
	if json.Unmarshal(b, &lock) != nil {
		return nil
	}
	var out []string
	for name := range nodeServers {
		out = append(out, "npm "+name+" "+lock.Packages["node_modules/"+name].Version)
	}
	slices.Sort(out)
	return append(out, "Node "+strings.TrimSpace(string(version)))
}
