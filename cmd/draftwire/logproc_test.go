//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
)

// serverProcess is the serve command in a process of its own.
type serverProcess struct {
	t   *testing.T
	cmd *exec.Cmd
	url string
}

// launchServer starts a server that logs to stderr, and finds its address by ask, which reads
// what it logs.
func launchServer(t *testing.T, stderr *os.File, ask func() string) *serverProcess {
	t.Helper()
	p := &serverProcess{t: t, cmd: exec.Command(built(t), "serve", "--listen", "127.0.0.1:0", "--log-format", "json")}
	p.cmd.Stderr = stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	for late := time.Now().Add(patience); p.url == ""; time.Sleep(10 * time.Millisecond) {
		if _, rest, ok := strings.Cut(ask(), `"url":"`); ok {
			p.url, _, _ = strings.Cut(rest, `/"`)
		} else if time.Now().After(late) {
			t.Fatal("the server does not say its address")
		}
	}
	return p
}

// logFile is a file for the log of a process.
func logFile(t *testing.T) (f *os.File, read func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, func() string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
}

// visits opens and closes n connections, whose paths are numbered.
func (p *serverProcess) visits(from, n int) {
	p.t.Helper()
	for i := range n {
		c := dial(p.t, fmt.Sprint(p.url, "/", from+i), draftwire.RFC6455)
		write(p.t, c, draftwire.OpText, "x")
		wantMessage(p.t, c, "x")
		c.Close(draftwire.CodeNormal, "")
	}
}

// await waits until a log has a text n times.
func await(t *testing.T, read func() string, text string, n int) {
	t.Helper()
	for late := time.Now().Add(patience); strings.Count(read(), text) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("no %s in %s", text, read())
		}
	}
}

// end sends a signal and returns the exit code, -1 for that of a signal.
func (p *serverProcess) end(s syscall.Signal) int {
	p.t.Helper()
	p.cmd.Process.Signal(s)
	done := make(chan struct{})
	go func() {
		p.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		p.t.Fatal("the server does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// numbered returns how often each of n paths is in a log, whose lines must be whole.
func numbered(t *testing.T, text string, n int) []int {
	t.Helper()
	times := make([]int, n)
	for line := range strings.Lines(text) {
		var x struct {
			Msg, Path string
		}
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatalf("%v in %.200q", err, line)
		}
		var i int
		if _, err := fmt.Sscanf(x.Path, "/%d", &i); x.Msg == "connection" && err == nil {
			times[i]++
		}
	}
	return times
}

// Every line is there once, however the program ends.
func TestNoLineIsLostAtTheEnd(t *testing.T) {
	const n = 20
	for _, tt := range []struct {
		name    string
		signals []syscall.Signal
		code    int
		stuck   bool // a client does not answer the close
	}{
		{"SIGTERM", []syscall.Signal{syscall.SIGTERM}, exitDone, false},
		{"two SIGINT", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, exitInterrupted, true},
		{"SIGHUP", []syscall.Signal{syscall.SIGHUP}, -1, false},
		{"SIGQUIT", []syscall.Signal{syscall.SIGQUIT}, 2, false},
		{"SIGABRT", []syscall.Signal{syscall.SIGABRT}, 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, read := logFile(t)
			p := launchServer(t, f, read)
			if tt.stuck {
				dial(t, p.url+"/stuck", draftwire.RFC6455)
			}
			p.visits(0, n)
			if tt.stuck {
				await(t, read, `"connection"`, n)
			}
			if tt.stuck { // the second signal is another one only once the first was taken
				p.cmd.Process.Signal(tt.signals[0])
				await(t, read, `"shutting down"`, 1)
			}
			if code := p.end(tt.signals[len(tt.signals)-1]); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			text, _, _ := strings.Cut(read(), "SIGQUIT: quit")
			text, _, _ = strings.Cut(text, "SIGABRT: abort")
			for i, times := range numbered(t, text, n) {
				if times != 1 && (times != 0 || i < n-1 || tt.code >= 0 && tt.code != 2) { // the last one may have been open still
					t.Errorf("line %d is there %d times", i, times)
				}
			}
		})
	}
}

// After kill -9 every line is there that is older than the bound, and none is torn but the
// last.
func TestKillLosesNoOldLine(t *testing.T) {
	f, read := logFile(t)
	p := launchServer(t, f, read)
	var closed atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := range 100_000 {
			c, _, err := draftwire.Dial(deadline(t), fmt.Sprint(p.url, "/", i), nil)
			if err != nil {
				return
			}
			if c.Close(draftwire.CodeNormal, ""); c.PeerGone() {
				return
			}
			closed.Store(int64(i))
		}
	}()
	for closed.Load() < 100 {
		time.Sleep(time.Millisecond)
	}
	old := int(closed.Load())
	time.Sleep(20 * logDelay) // the bound, and what a busy machine adds to it
	p.end(syscall.SIGKILL)
	<-ended
	text := read()
	text = text[:strings.LastIndexByte(text, '\n')+1]
	for i, times := range numbered(t, text, 100_000)[:old] {
		if times != 1 {
			t.Errorf("line %d of %d is there %d times", i, old, times)
		}
	}
}

// A server goes on when nobody reads its log any more, and ends as ever.
func TestServerSurvivesTheReaderOfItsLog(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	lines := bufio.NewScanner(r)
	p := launchServer(t, w, func() string { lines.Scan(); return lines.Text() })
	w.Close()
	r.Close()
	p.visits(0, 50)
	if code := p.end(syscall.SIGTERM); code != exitDone {
		t.Errorf("exit code %d", code)
	}
}

// A pipe that nobody reads delays no message; who reads it later finds every line.
func TestServerServesWhileNobodyReadsItsLog(t *testing.T) {
	for _, blocking := range []bool{true, false} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		lines := bufio.NewReader(r)
		p := launchServer(t, w, func() string { line, _ := lines.ReadString('\n'); return line })
		if !blocking { // as another program that has the pipe may make it
			if err := syscall.SetNonblock(int(w.Fd()), true); err != nil {
				t.Fatal(err)
			}
		}
		w.Close()
		const n = 400 // some 150 KB, of which the pipe takes 64 KiB
		p.visits(0, n)
		rest := make(chan string)
		go func() {
			text, err := io.ReadAll(lines)
			if err != nil && !errors.Is(err, os.ErrClosed) {
				t.Error(err)
			}
			rest <- string(text)
		}()
		if code := p.end(syscall.SIGTERM); code != exitDone {
			t.Errorf("exit code %d", code)
		}
		for i, times := range numbered(t, <-rest, n) {
			if times != 1 {
				t.Errorf("blocking %t: line %d is there %d times", blocking, i, times)
			}
		}
		r.Close()
	}
}

// The end of a server whose log nobody reads comes in time.
func TestServerEndsWhileNobodyReadsItsLog(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	lines := bufio.NewReader(r)
	p := launchServer(t, w, func() string { line, _ := lines.ReadString('\n'); return line })
	w.Close()
	p.visits(0, 300)
	if code := p.end(syscall.SIGTERM); code != exitDone {
		t.Errorf("exit code %d", code)
	}
}

// The lines of two processes that write into one pipe, as those of an upgrade do, stay whole.
func TestLinesOfTwoProcessesStayWhole(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	lines := bufio.NewReader(r)
	ask := func() string { line, _ := lines.ReadString('\n'); return line }
	both := []*serverProcess{launchServer(t, w, ask), launchServer(t, w, ask)}
	w.Close()
	rest := make(chan string)
	go func() {
		text, _ := io.ReadAll(lines)
		rest <- string(text)
	}()
	const n, clients = 100, 3
	var all sync.WaitGroup
	for i, p := range both {
		for k := range clients {
			all.Go(func() { p.visits((i*clients+k)*n, n) })
		}
	}
	all.Wait()
	for _, p := range both {
		p.end(syscall.SIGTERM)
	}
	for i, times := range numbered(t, <-rest, 2*clients*n) {
		if times != 1 {
			t.Errorf("line %d is there %d times", i, times)
		}
	}
}
