// Bench compares echo servers: draftwire, a bare TCP copy, and the WebSocket
// libraries that people use. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// settings are the flags.
type settings struct {
	quick, smoke          bool
	cells, servers, place string
	rounds, turns         int
	each                  time.Duration
	against               string
	json, md, write, from string
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == loadMode {
		exitOn(loadMain(os.Stdin, os.Stdout))
		return
	}
	if len(os.Args) == 2 && os.Args[1] == holdMode {
		exitOn(holdMain(os.Stdin, os.Stdout))
		return
	}
	var s settings
	flag.BoolVar(&s.quick, "quick", false, "less of everything, pinned alone: under three minutes")
	flag.BoolVar(&s.smoke, "smoke", false, "everything once and hardly: are all replies right? Measures nothing")
	flag.StringVar(&s.cells, "cells", "", "only cells whose name matches this `REGEXP`")
	flag.StringVar(&s.servers, "servers", "", "only these servers, a `LIST` with commas; the first of a cell is its reference")
	flag.StringVar(&s.place, "placement", "", "pinned, free or both (default both; pinned with -quick and -turns; free with -smoke)")
	flag.IntVar(&s.rounds, "rounds", 0, "`N` rounds of each cell (default 12; 3 with -quick; 1 with -smoke)")
	flag.IntVar(&s.turns, "turns", 0, "all servers of a cell at once, which take `N` turns in each round: tells differences of 1 %")
	flag.StringVar(&s.against, "against", "", "beside this draftwire (or readme or serve, where -servers begins with it) that of another checkout, in this `DIR`, which is the reference")
	flag.DurationVar(&s.each, "d", 0, "`DURATION` of a measurement (default 250ms; 200ms with -quick; 25ms with -turns; 50ms with -smoke)")
	flag.StringVar(&s.json, "json", "", "write all numbers to this `FILE`, anew behind each cell")
	flag.StringVar(&s.md, "md", "", "write the tables to this `FILE`, not to standard output")
	flag.StringVar(&s.write, "write", "", "put the tables between the marks of this `FILE`, not on standard output")
	flag.StringVar(&s.from, "from", "", "measure nothing: make the tables of these `FILES` of -json, with commas; later ones replace cells of the first")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exitOn(bench(ctx, &s))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// scaleOf is the scale that the flags ask for.
func (s *settings) scaleOf() scale {
	c, place := full, "both"
	switch {
	case s.smoke:
		c, place = smoke, "free"
	case s.quick:
		c, place = quick, "pinned"
	case s.turns > 0:
		c, place = full.inTurns(), "pinned"
	}
	if s.rounds > 0 {
		c.rounds = s.rounds
	}
	if s.each > 0 {
		c.each = s.each
	}
	if s.place == "" {
		s.place = place
	}
	return c
}

// ours is the server of this repository that is compared with that of another checkout: the
// first one of those asked for.
func (s *settings) ours() string {
	for name := range strings.SplitSeq(s.servers, ",") {
		if _, ok := programs[name]; ok {
			return name
		}
		if name == "draftwire" {
			break
		}
	}
	return "draftwire"
}

// bench does what the flags say.
func bench(ctx context.Context, s *settings) error {
	if _, err := os.Stat("servers/raw.go"); err != nil {
		return errors.New("run it in its own folder: go -C bench run .")
	}
	if s.from != "" {
		r, err := fromFiles(s.from, full)
		if err != nil {
			return err
		}
		return s.report(r)
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	r := &runner{scale: s.scaleOf().within(int(min(files.Max, 1<<20))), turns: s.turns, log: os.Stderr}
	if r.turns > 0 && r.rounds < least && !s.smoke {
		return fmt.Errorf("-turns takes %d rounds at the least: an interval of 95 %% comes from these", least)
	}
	places, err := placements(s.place)
	if err != nil {
		return err
	}
	cells := allCells(r.scale)
	if s.against != "" {
		cells = beside(cells, s.ours()+"@"+commitOf(ctx, s.against))
	}
	cells, err = pick(cells, s.cells, s.servers)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	r.built, r.other = filepath.Join(tmp, "this"), filepath.Join(tmp, "other")
	if err := build(ctx, "..", r.built, cells, ""); err != nil {
		return err
	}
	if s.against != "" {
		if err := build(ctx, s.against, r.other, cells, "@"); err != nil {
			return err
		}
	}
	busy := loadAverage()
	skipped := append(leaveOutNode(ctx, cells, r.log), leaveOutGateways(cells, r.log)...)
	all := &report{scale: r.scale, turns: r.turns, about: about(ctx, filepath.Join(r.built, goServers), busy), skipped: skipped}
	for t := range r.all(ctx, cells, places) {
		all.tables, all.faults = append(all.tables, t), r.faults
		if err := s.keep(all); err != nil { // a run that ends early has lost nothing but its last cell
			return err
		}
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if s.smoke {
		fmt.Printf("bench: %d passed, %d failed\n", r.passed, len(r.faults))
	} else if err := s.report(all); err != nil {
		return err
	}
	if len(r.faults) > 0 {
		return fmt.Errorf("faults: %d, the first: %s", len(r.faults), r.faults[0])
	}
	return nil
}

// all runs the cells in each placement, until ctx ends.
func (r *runner) all(ctx context.Context, cells []cell, places []placement) iter.Seq[table] {
	return func(yield func(table) bool) {
		for i, p := range places {
			for j, c := range cells {
				if c.once && i > 0 || len(c.entries) == 0 {
					continue
				}
				began := time.Now()
				t := r.run(ctx, c, p)
				if ctx.Err() != nil || !yield(t) {
					return
				}
				fmt.Fprintf(r.log, "%s %d/%d %s: %d servers, %d rounds, %.1f s\n",
					p.name, j+1, len(cells), c.name, len(c.entries), c.rounds(r.rounds), time.Since(began).Seconds())
			}
		}
	}
}

// pick leaves the cells and servers that were asked for.
func pick(cells []cell, names, servers string) ([]cell, error) {
	re, err := regexp.Compile(names)
	if err != nil {
		return nil, err
	}
	cells = slices.DeleteFunc(cells, func(c cell) bool { return !re.MatchString(c.name) })
	if len(cells) == 0 {
		return nil, fmt.Errorf("no cell matches %q", names)
	}
	if servers == "" {
		return cells, nil
	}
	wanted := strings.Split(servers, ",")
	for _, w := range wanted {
		if !slices.ContainsFunc(cells, func(c cell) bool { return c.has(w) }) {
			return nil, fmt.Errorf("no server %q in these cells", w)
		}
	}
	for i := range cells {
		cells[i].leave(func(server string) bool {
			name, _, _ := strings.Cut(server, "@") // another build of one that is wanted
			return slices.Contains(wanted, name) || slices.Contains(wanted, server)
		})
	}
	return cells, nil
}

func (c *cell) has(server string) bool {
	return slices.ContainsFunc(c.entries, func(e entry) bool { return e.Server == server })
}

// leave takes the other servers out of the cell.
func (c *cell) leave(which func(server string) bool) {
	c.entries = slices.DeleteFunc(c.entries, func(e entry) bool { return !which(e.Server) })
}

// buildTime bounds the build, and the installation of the modules of npm.
const buildTime = 5 * time.Minute

// build builds the Go servers of a checkout, and those of its programs that are in the cells,
// with a mark behind the name: "@" where it is another checkout.
func build(ctx context.Context, root, to string, cells []cell, mark string) error {
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	folder := filepath.Join(root, "bench")
	out, err := exec.CommandContext(ctx, "go", "build", "-C", folder, "-o", filepath.Join(to, goServers), "./servers").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build in %s: %w\n%s", folder, err, out)
	}
	if slices.ContainsFunc(cells, func(c cell) bool { return c.gateways() }) {
		if err := buildGateway(ctx, root, to); err != nil {
			return err
		}
	}
	return buildPrograms(ctx, root, to, func(program string) bool {
		return slices.ContainsFunc(cells, func(c cell) bool {
			return slices.ContainsFunc(c.entries, func(e entry) bool {
				return e.Server == program && mark == "" || mark != "" && strings.HasPrefix(e.Server, program+mark)
			})
		})
	})
}

// leaveOutNode installs what the servers of npm need, or takes them out of the
// cells and says why.
func leaveOutNode(ctx context.Context, cells []cell, log io.Writer) []string {
	isNode := func(server string) bool { return nodeServers[server] != "" }
	wanted := slices.ContainsFunc(cells, func(c cell) bool {
		return slices.ContainsFunc(c.entries, func(e entry) bool { return isNode(e.Server) })
	})
	if !wanted {
		return nil
	}
	err := installNode(ctx)
	if err == nil {
		return nil
	}
	for i := range cells {
		cells[i].leave(func(server string) bool { return !isNode(server) })
	}
	why := "The servers of npm were left out: " + err.Error()
	fmt.Fprintln(log, why)
	return []string{why}
}

func installNode(ctx context.Context) error {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("no %s", program)
		}
	}
	// npm notes in this file what it installed, and when.
	done, err := os.Stat("node/node_modules/.package-lock.json")
	lock, lockErr := os.Stat("node/package-lock.json")
	if err == nil && lockErr == nil && done.ModTime().After(lock.ModTime()) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = "node"
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w: %.300s", err, out)
	}
	return nil
}
