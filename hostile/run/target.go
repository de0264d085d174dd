package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a program that the player has started and ends.
type process struct {
	line   string // the command, with all names filled in
	cmd    *exec.Cmd
	log    *logWatch
	exited chan struct{}
	err    error       // behind exited
	asked  atomic.Bool // the player ends it
}

// startProcess starts a command. sh becomes the program, so that its process is the one
// to watch and to end.
func startProcess(line string, crash *regexp.Regexp) (*process, error) {
	p := &process{line: line, log: &logWatch{crash: crash}, exited: make(chan struct{})}
	p.cmd = exec.Command("sh", "-c", "exec "+line)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// killed: the program was ended by a signal that the player has not sent.
func (p *process) killed() bool {
	return !p.asked.Load() && p.hasExited() && p.cmd.ProcessState.ExitCode() < 0
}

func (p *process) hasExited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

func (p *process) exitsWithin(ctx context.Context, most time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	select {
	case <-p.exited:
		return true
	case <-ctx.Done():
		return false
	}
}

// end asks the program to end, and makes it.
func (p *process) end() {
	if p.hasExited() {
		return
	}
	p.asked.Store(true)
	p.cmd.Process.Signal(syscall.SIGTERM)
	t := time.NewTimer(3 * time.Second)
	defer t.Stop()
	select {
	case <-p.exited:
		return
	case <-t.C:
	}
	p.cmd.Process.Kill()
	<-p.exited
}

// listening waits until the program takes connections.
func (p *process) listening(ctx context.Context, a address, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		c, err := dial(ctx, a, false, time.Second)
		if err == nil {
			return c.Close()
		}
		if p.hasExited() {
			return fmt.Errorf("the command has ended (%v): %s", p.err, p.log.recent())
		}
		if !sleep(ctx, 20*time.Millisecond) {
			return fmt.Errorf("the command does not listen on %s: %s", a.addr, p.log.recent())
		}
	}
}

// logWatch counts the lines of a program's log and looks for marks of a crash.
type logWatch struct {
	crash *regexp.Regexp

	mu    sync.Mutex
	lines int
	part  []byte   // of a line that has not ended
	last  []string // lines
	mark  string   // the first line with a mark
}

const (
	mostLine  = 4 << 10
	lastLines = 5
)

// Write implements io.Writer.
func (l *logWatch) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, behind, whole := bytes.Cut(rest, []byte("\n"))
		l.part = append(l.part, line[:min(len(line), max(0, mostLine-len(l.part)))]...)
		if whole {
			l.line()
		}
		rest = behind
	}
	return len(p), nil
}

func (l *logWatch) line() {
	l.lines++
	if l.mark == "" && l.crash.Match(l.part) {
		l.mark = string(l.part)
	}
	if len(l.last) == lastLines {
		l.last = append(l.last[:0], l.last[1:]...)
	}
	l.last = append(l.last, string(l.part))
	l.part = l.part[:0]
}

func (l *logWatch) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines
}

// settle waits until no lines have come for a tenth of a second, a second at the longest.
func (l *logWatch) settle(ctx context.Context) {
	const gap = 20 * time.Millisecond
	before := l.count()
	for looks, quiet := 0, 0; looks < 50 && quiet < 5 && sleep(ctx, gap); looks++ {
		now := l.count()
		quiet++
		if now != before {
			before, quiet = now, 0
		}
	}
}

// crashed returns the first line with a mark, and forgets it.
func (l *logWatch) crashed() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.mark
	l.mark = ""
	return m
}

func (l *logWatch) recent() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(append(l.last[:len(l.last):len(l.last)], string(l.part)), " | ")
}

// freePort returns HOST:PORT on which nobody listens. It is outside of the range from which
// systems give ports to connections: one of that range may be another's before the program
// that is told of it listens.
func freePort() (string, error) {
	const first, end = 12000, 32000
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(end-first)))); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}

func splitHostPort(addr string) (host, port string) {
	host, port, _ = net.SplitHostPort(addr)
	return host, port
}
