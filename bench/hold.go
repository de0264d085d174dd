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
	"runtime"
	"strings"

	"github.com/draftwire/draftwire/bench/load"
)

// holdMode is the argument that makes this program hold sessions.
const holdMode = "hold-from-stdin"

// holding is a process that opens sessions and holds them until its standard input ends.
type holding struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
	fault bytes.Buffer
}

func startHolding(ctx context.Context, specs []load.Spec, cores []int) (*holding, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := &holding{cmd: exec.CommandContext(ctx, self, holdMode)}
	h.cmd.Stderr = &h.fault
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h.out = bufio.NewReader(out)
	if err := startOn(h.cmd, cores); err != nil {
		return nil, err
	}
	return h, json.NewEncoder(h.stdin).Encode(specs)
}

// opened waits until all sessions are open.
func (h *holding) opened() error { return h.read(new(bool)) }

// end ends the sessions, and returns what was seen of them.
func (h *holding) end() (load.Result, error) {
	h.stdin.Close()
	var res load.Result
	return res, h.read(&res)
}

// read reads the next line, which is JSON.
func (h *holding) read(to any) error {
	line, err := h.out.ReadBytes('\n')
	if err != nil {
		h.stop()
		return fmt.Errorf("%s (the load: %w)", strings.TrimPrefix(strings.TrimSpace(h.fault.String()), "bench: "), err)
	}
	return json.Unmarshal(line, to)
}

func (h *holding) stop() {
	h.cmd.Process.Kill()
	h.cmd.Wait()
}

// holdMain is the process that holds sessions.
func holdMain(in io.Reader, out io.Writer) error {
	runtime.LockOSThread()
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	var specs []load.Spec
	if err := json.Unmarshal(line, &specs); err != nil {
		return err
	}
	h, err := load.OpenHeld(specs)
	if err != nil {
		return err
	}
	defer h.Close()
	if err := json.NewEncoder(out).Encode(true); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		lines.ReadByte()
		close(ended)
	}()
	res, err := h.Watch(ended)
	return errors.Join(err, json.NewEncoder(out).Encode(res))
}
