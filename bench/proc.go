package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/draftwire/draftwire/bench/load"
)

// nodeServers are the programs in node/, by the name of the server.
var nodeServers = map[string]string{"ws": "ws.js", "websocket-driver": "websocket-driver.js"}

// goServers is the program of servers/, in the folder of what was built.
const goServers = "servers"

// command is how a server is started.
func (r *runner) command(server string, args []string) []string {
	if script, ok := nodeServers[server]; ok {
		return append([]string{"node", "--expose-gc", filepath.Join("node", script)}, args...)
	}
	folder := r.built
	if name, _, ok := strings.Cut(server, "@"); ok {
		server, folder = name, r.other
	}
	if p, ok := programs[server]; ok {
		return append([]string{filepath.Join(folder, server)}, p.args...)
	}
	if isGateway(server) {
		return r.gatewayCommand(server, folder, args)
	}
	if name, ok := strings.CutSuffix(server, "-buf"); ok {
		server, args = name, append([]string{"-buffered"}, args...)
	}
	if name, ok := strings.CutSuffix(server, "-apart"); ok {
		server, args = name, append([]string{"-apart"}, args...)
	}
	if name, ok := strings.CutSuffix(server, "-lean"); ok {
		server, args = name, append([]string{"-lean"}, args...)
	}
	if name, ok := strings.CutSuffix(server, "-events"); ok {
		server, args = name, append([]string{"-events"}, args...)
	}
	return append(append([]string{filepath.Join(folder, goServers)}, args...), server)
}

// placement says on which cores processes run. No cores: on any.
type placement struct {
	name         string
	server, load []int
}

// placements returns those asked for that the machine can do.
func placements(which string) ([]placement, error) {
	free, pinned := placement{name: "free"}, placement{name: "pinned"}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, err
	}
	var cores []int
	for i := 0; len(cores) < 2 && i < len(set)*64; i++ {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	if which != "free" && len(cores) < 2 {
		return nil, errors.New("the placement pinned needs two cores; -placement free does not")
	}
	switch which {
	case "free":
		return []placement{free}, nil
	case "pinned", "both":
		pinned.server, pinned.load = cores[:1], cores[1:]
		if which == "both" {
			return []placement{pinned, free}, nil
		}
		return []placement{pinned}, nil
	}
	return nil, fmt.Errorf("no placement %q", which)
}

// startOn starts a command on the cores. A child inherits them from the thread
// that makes it.
func startOn(cmd *exec.Cmd, cores []int) error {
	if cores == nil {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	for _, c := range cores {
		set.Set(c)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return err
	}
	return errors.Join(cmd.Start(), unix.SchedSetaffinity(0, &before))
}

// server is a running server.
type server struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	addr   string
	others []int // the processes that it has started
	stderr bytes.Buffer
	log    *os.File // of a program, in the place of stderr: what it logs costs what it costs people
}

// startTime bounds the wait for a server's address.
const startTime = 15 * time.Second

// start starts a server, which ends with ctx at the latest: it is killed, and
// should the runner itself be killed, it sees its standard input end.
func (r *runner) start(ctx context.Context, name string, args []string, cores []int) (*server, error) {
	argv := r.command(name, args)
	s := &server{cmd: exec.CommandContext(ctx, argv[0], argv[1:]...)}
	s.cmd.Stderr = &s.stderr
	s.cmd.WaitDelay = time.Second
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	s.stdin = in
	if isGateway(name) { // it has processes of its own to end
		s.cmd.Cancel = in.Close
	}
	name, _, _ = strings.Cut(name, "@")
	if _, ok := programs[name]; ok {
		return s, s.startProgram(ctx, filepath.Join(r.built, name+".log"), cores)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := startOn(s.cmd, cores); err != nil {
		return nil, err
	}
	late := time.AfterFunc(startTime, func() { s.cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	late.Stop()
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%s did not start: %w %s", name, err, s.stderr.String())
	}
	s.addr = strings.TrimSpace(line)
	s.others = load.Descendants(s.cmd.Process.Pid)
	return s, nil
}

// startProgram starts a program of the checkout, which logs to a file.
func (s *server) startProgram(ctx context.Context, log string, cores []int) (err error) {
	if s.log, err = os.Create(log); err != nil {
		return err
	}
	s.cmd.Stderr = s.log
	if err := startOn(s.cmd, cores); err != nil {
		return err
	}
	if s.addr, err = listening(ctx, s.cmd.Process.Pid); err != nil {
		s.stop()
		return fmt.Errorf("%w %s", err, s.said())
	}
	return nil
}

// said is what the server has written to its standard error, or the last of it.
func (s *server) said() string {
	if s.log == nil {
		return s.stderr.String()
	}
	b, _ := os.ReadFile(s.log.Name())
	return string(b[max(0, len(b)-300):])
}

// stop ends the server. What it has started ends with its standard input.
func (s *server) stop() {
	if len(s.others) > 0 {
		s.stdin.Close()
		time.AfterFunc(s.cmd.WaitDelay, func() { s.cmd.Process.Kill() })
	} else {
		s.cmd.Process.Kill()
	}
	s.cmd.Wait() // says that it was killed
	if s.log != nil {
		s.log.Close()
	}
}

// runLoad runs the generator in its own process, which is this program again.
func runLoad(ctx context.Context, specs []load.Spec, turns int, cores []int) ([][]load.Result, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	in, err := json.Marshal(job{specs, turns})
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, loadMode)
	var out, fault bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &fault
	if err := startOn(cmd, cores); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%s (the load: %w)", strings.TrimPrefix(strings.TrimSpace(fault.String()), "bench: "), err)
	}
	var res [][]load.Result
	return res, json.Unmarshal(out.Bytes(), &res)
}

// job is what the generator is asked to do.
type job struct {
	Specs []load.Spec
	Turns int
}

// loadMode is the argument that makes this program the generator.
const loadMode = "load-from-stdin"

// loadMain is the generator's process.
func loadMain(in io.Reader, out io.Writer) error {
	runtime.LockOSThread()
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return err
	}
	res, err := load.Run(j.Specs, j.Turns)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(res)
}
