package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/bench/load"
)

// Gateways are measured like servers: each stands before a server of its own process, which
// is the same for all and runs on the load's core where processes are pinned. servers/gateway.go
// starts them.

// gatewayNames are the gateways. The first one is this repository's, as it is shipped, and the next two are
// the same while it records, and where its policy lets no frame go on as it came.
var gatewayNames = []string{"gateway", "gateway-record", "gateway-translate", "copy", "nginx", "haproxy", "httputil"}

// gatewayPrograms are those that have to be installed, as Debian packages of the same name.
var gatewayPrograms = []string{"nginx", "haproxy"}

// behind is the server behind a gateway.
const behind = "behind"

func isGateway(server string) bool {
	name, _, _ := strings.Cut(server, "@")
	return slices.Contains(gatewayNames, name)
}

// gateways reports whether the servers of the cell are gateways.
func (c *cell) gateways() bool { return strings.HasPrefix(c.name, "gw-") }

// gatewayCommand is how a gateway is started: by the program of servers/, which for one of
// draftwire's starts the command that was built in folder.
func (r *runner) gatewayCommand(server, folder string, args []string) []string {
	starter := []string{filepath.Join(r.built, goServers), "-program", filepath.Join(folder, gatewayProgram)}
	return append(append(starter, args...), server)
}

// gatewayProgram is the gateway command, in the folder of what was built.
const gatewayProgram = "gateway"

// buildGateway builds the gateway command of a checkout.
func buildGateway(ctx context.Context, root, to string) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-C", root, "-o", filepath.Join(to, gatewayProgram), "./cmd/draftwire").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build of the gateway in %s: %w\n%s", root, err, out)
	}
	return nil
}

// gatewayCells are the cells of gateways.
func gatewayCells(s scale) []cell {
	cells := []cell{
		gatewayCell("gw-125", "Gateway: echo, 125 bytes, one at a time", load.Spec{Size: 125, Conns: s.conns}),
		gatewayCell("gw-125c1000", "Gateway: echo, 125 bytes, one at a time", load.Spec{Size: 125, Conns: s.many}),
		gatewayCell("gw-125x32", "Gateway: echo, 125 bytes, 32 in flight", load.Spec{Size: 125, Batch: 32, Conns: s.conns}),
		gatewayCell("gw-16k", "Gateway: echo, 16 KiB, 4 in flight", load.Spec{Size: 16 << 10, Batch: 4, Conns: s.conns}),
		{
			name: "gw-handshake", title: "Gateway: connect, upgrade, close",
			spec: load.Spec{Kind: load.Handshake, Conns: s.conns}, entries: in13("haproxy", "gateway", "copy", "nginx", "httputil"), columns: gatewayShakes,
		},
		{
			name: "gw-idle", title: "Gateway: idle sessions",
			spec:    load.Spec{Kind: load.Idle, Size: 125, Conns: s.sessions},
			entries: in13("haproxy", "gateway", "copy", "nginx", "httputil"), once: true, steady: true, columns: sessionColumns,
		},
		{
			name: "gw-idle-tls", title: "Gateway: idle sessions, TLS in front",
			spec:    load.Spec{Kind: load.Idle, Size: 125, Conns: s.sessions, TLS: true},
			entries: in13("haproxy", "gateway", "nginx", "httputil"), args: []string{"-tls"}, once: true, steady: true, columns: sessionColumns,
		},
		{
			name: "gw-versions", title: "Gateway: each version to RFC 6455, 125 bytes of text",
			spec: load.Spec{Kind: load.Echo, Size: 125, Text: true, Conns: s.conns}, columns: gatewayColumns, once: true,
			entries: append([]entry{{"gateway-translate", load.V13}}, inAll("gateway")...),
		},
		{
			name: "gw-versions-handshake", title: "Gateway: each version to RFC 6455, handshake",
			spec: load.Spec{Kind: load.Handshake, Conns: s.conns}, columns: gatewayShakes, once: true, entries: inAll("gateway"),
		},
		{
			name: "gw-hold", title: "Gateway: sessions over several processes, with pings",
			spec: load.Spec{Kind: load.Hold, Conns: s.hold}, entries: in13("gateway"), once: true, steady: true, columns: holdColumns,
		},
	}
	return cells
}

func gatewayCell(name, title string, spec load.Spec) cell {
	spec.Kind = load.Echo
	return cell{name: name, title: title, spec: spec, entries: in13("copy", "gateway", "gateway-record", "nginx", "haproxy", "httputil"), columns: gatewayColumns}
}

var (
	gatewayColumns = []column{
		{load.PerCPU, "messages / CPU second", thousands, true},
		{load.PerSecond, "messages / second", thousands, true},
		{load.Busy, "cores busy", short, false},
	}
	gatewayShakes  = []column{{load.CPUMicros, "CPU µs / handshake", oneDigit, true}}
	sessionColumns = []column{
		{load.OpenBytes, "bytes / session", whole, true},
		{load.UsedBytes, "after a message each", whole, true},
	}
	holdColumns = []column{
		{load.Held, "sessions", whole, false},
		{load.Processes, "processes", whole, false},
		{load.Dropped, "dropped", whole, false},
		{load.Pings, "pings answered", whole, false},
		{load.OpenBytes, "bytes / session", whole, false},
		{load.Busy, "cores busy", thirdDigit, false},
	}
)

func thirdDigit(v float64) string { return fmt.Sprintf("%.3f", v) }

// leaveOutGateways takes programs that are not installed out of the cells and says so.
func leaveOutGateways(cells []cell, log io.Writer) []string {
	// Debian has them where only root's PATH leads.
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin")
	var why []string
	for _, program := range gatewayPrograms {
		if _, err := exec.LookPath(program); err == nil || !slices.ContainsFunc(cells, func(c cell) bool { return c.has(program) }) {
			continue
		}
		for i := range cells {
			cells[i].leave(func(server string) bool { return server != program })
		}
		why = append(why, fmt.Sprintf("%s is not installed (apt-get install %s) and was left out.", program, program))
		fmt.Fprintln(log, why[len(why)-1])
	}
	return why
}

// peerVersions are the versions of the programs that are there.
func peerVersions(ctx context.Context) []string {
	var list []string
	for _, program := range gatewayPrograms {
		out, err := exec.CommandContext(ctx, program, "-v").CombinedOutput()
		if err != nil {
			continue
		}
		line, _, _ := strings.Cut(string(out), "\n")
		line = strings.TrimPrefix(strings.TrimPrefix(line, "nginx version: nginx/"), "HAProxy version ")
		version, _, _ := strings.Cut(line, " ")
		list = append(list, program+" "+version)
	}
	return list
}

// startBehind starts the server behind the gateways of a cell, and returns what they are
// started with.
func (r *runner) startBehind(ctx context.Context, c *cell, p placement) (*server, []string, error) {
	s, err := r.start(ctx, behind, nil, p.load)
	if err != nil {
		return nil, nil, fmt.Errorf("the server behind: %w", err)
	}
	return s, append([]string{"-backend", s.addr}, c.args...), nil
}

// Sessions held by several processes.
const (
	eachGateway = 9000  // sessions of a gateway, which has two files for each
	eachLoad    = 18000 // of a load
)

// holdCell measures gateways whose sessions are silent but for pings. The load opens all
// sessions, and then watches them for a time.
func (r *runner) holdCell(ctx context.Context, c *cell, p placement) ([]load.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, r.holdFor+10*time.Minute)
	defer cancel()
	each := min(eachGateway, r.sessions)
	var specs []load.Spec
	var pids []int
	for left := c.spec.Conns; left > 0; left -= each {
		back, args, err := r.startBehind(ctx, c, p)
		if err != nil {
			return nil, err
		}
		defer back.stop()
		s, err := r.start(ctx, c.entries[0].Server, append(args, "-ping", r.ping.String()), p.server)
		if err != nil {
			return nil, err
		}
		defer s.stop()
		pids = append(append(pids, s.cmd.Process.Pid), s.others...)
		spec := c.spec
		spec.Name, spec.Version, spec.Addr, spec.Conns = c.entries[0].Server, c.entries[0].Version, s.addr, min(each, left)
		spec.PID, spec.Others = s.cmd.Process.Pid, s.others
		specs = append(specs, spec)
	}
	base, err := load.Resident(pids...)
	if err != nil {
		return nil, err
	}
	var loads []*holding
	for part := range slices.Chunk(specs, max(1, eachLoad/each)) {
		h, err := startHolding(ctx, part, p.load)
		if err != nil {
			return nil, err
		}
		defer h.stop()
		loads = append(loads, h)
	}
	for _, h := range loads {
		if err := h.opened(); err != nil {
			return nil, err
		}
	}
	res, err := r.watch(ctx, pids)
	if err != nil {
		return nil, err
	}
	res[load.OpenBytes] = (res[load.OpenBytes] - float64(base)) / float64(c.spec.Conns)
	res[load.Processes] = float64(len(specs))
	for _, h := range loads {
		part, err := h.end()
		if err != nil {
			return nil, err
		}
		for _, name := range []string{load.Held, load.Dropped, load.Pings} {
			res[name] += part[name]
		}
	}
	return []load.Result{res}, nil
}

// watch measures processes for the time of holding.
func (r *runner) watch(ctx context.Context, pids []int) (load.Result, error) {
	before, err := load.ReadUsage(pids...)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(r.holdFor):
	}
	after, err := load.ReadUsage(pids...)
	if err != nil {
		return nil, err
	}
	busy := (after.CPU - before.CPU).Seconds() / time.Since(began).Seconds()
	bytes, err := load.Resident(pids...)
	return load.Result{load.Busy: busy, load.OpenBytes: float64(bytes)}, err
}
