//go:build unix

package generation_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire/cmd/draftwire/internal/generation"
	"github.com/draftwire/draftwire/internal/leak"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

// TestMain does the work of a successor where a test has started the process.
func TestMain(m *testing.M) {
	if how := os.Getenv("SUCCESSOR"); how != "" {
		succeed(how)
		return
	}
	leak.Main(m, nil, nil)
}

// succeed is a successor that does as a test wants: it fails in a step, or takes the socket
// and answers each connection with what its parent says.
func succeed(how string) {
	p, err := generation.Inherit()
	if err != nil || p == nil {
		fmt.Fprintln(os.Stderr, "successor: inherit:", err)
		os.Exit(9)
	}
	l := p.Listener("port")
	switch {
	case how == "wrong":
		p.Failed(generation.Failure{Code: 2, Text: "wrong configuration"})
		return
	case p.Listener("port") != nil || p.Listener("other") != nil:
		fmt.Fprintln(os.Stderr, "successor: a listener that was not passed")
		return
	}
	if err := p.Checked(); err != nil {
		fmt.Fprintln(os.Stderr, "successor: checked:", err)
		return
	}
	switch how {
	case "dies":
		return
	case "hangs":
		time.Sleep(time.Hour)
	}
	if err := p.Ready(); err != nil {
		fmt.Fprintln(os.Stderr, "successor: ready:", err)
		return
	}
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		said, err := p.Ask(context.Background(), http.MethodGet, "/question", nil)
		fmt.Fprintf(nc, "%s %v", said, err)
		nc.Close()
		select {
		case <-p.Gone():
			return
		default:
		}
	}
}

// upgrade starts this test's program as a successor.
func upgrade(t *testing.T, how string, l net.Listener) (u *generation.Upgrade, steps *[]string) {
	t.Helper()
	t.Setenv("SUCCESSOR", how)
	program, err := generation.Self()
	if err != nil {
		t.Fatal(err)
	}
	steps = new([]string)
	return &generation.Upgrade{
		Program: program, Sockets: []generation.Socket{{Name: "port", Listener: l}}, Timeout: patience,
		Release:  func() error { *steps = append(*steps, "release"); return nil },
		TakeBack: func() { *steps = append(*steps, "take back") },
		Retire:   func(_ int, taken []string) { *steps = append(*steps, "retire "+strings.Join(taken, ",")) },
		Control:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "answer") }),
	}, steps
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// A successor that fails in any step leaves everything as it was, and its parent can say why.
func TestFailures(t *testing.T) {
	l := listen(t)
	for _, c := range []struct {
		how, want, steps string
		timeout          time.Duration
	}{
		{"wrong", "wrong configuration", "", patience},
		{"dies", "has ended before it was ready", "release take back", patience},
		{"hangs", "was not ready within 3s", "release take back", 3 * time.Second},
	} {
		u, steps := upgrade(t, c.how, l)
		u.Timeout = c.timeout
		if _, err := u.Start(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.how, err)
		}
		if got := strings.Join(*steps, " "); got != c.steps {
			t.Errorf("%s: the steps are %q", c.how, got)
		}
	}
	u, _ := upgrade(t, "hangs", l)
	ctx, cancel := context.WithCancelCause(t.Context())
	u.Release = func() error { cancel(errors.New("the gateway drains")); return nil }
	if _, err := u.Start(ctx); err == nil || err.Error() != "the gateway drains" {
		t.Errorf("an upgrade that is given up: %v", err)
	}
	u, steps := upgrade(t, "serves", l)
	u.Release = func() error { return errors.New("the disk is full") }
	if _, err := u.Start(t.Context()); err == nil || len(*steps) != 1 || (*steps)[0] != "take back" {
		t.Errorf("without a release: %v, %q", err, *steps)
	}
	u, _ = upgrade(t, "serves", l)
	u.Program.Path += ".missing"
	if _, err := u.Start(t.Context()); err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing program: %v", err)
	}
}

// A successor serves the socket, asks its parent, and notices its end.
func TestSuccessor(t *testing.T) {
	l := listen(t)
	u, steps := upgrade(t, "serves", l)
	s, err := u.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Wait4(s.PID, nil, 0, nil) // of a child where it is one
	defer syscall.Kill(s.PID, syscall.SIGKILL)
	if got := strings.Join(*steps, " "); got != "release retire port" {
		t.Errorf("the steps are %q", got)
	}
	l.Close()
	if got := ask(t, l.Addr().String()); got != "answer <nil>" {
		t.Errorf("it answers %q", got)
	}
	syscall.Kill(s.PID, syscall.SIGKILL)
	select {
	case <-s.Gone():
	case <-time.After(patience):
		t.Error("the end of the successor is not noticed")
	}
}

func ask(t *testing.T, addr string) string {
	t.Helper()
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	answer, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// A process that no upgrade has started has no parent, and none of its steps does anything.
func TestNoParent(t *testing.T) {
	p, err := generation.Inherit()
	if p != nil || err != nil {
		t.Fatal(p, err)
	}
	if p.Listener("port") != nil || p.Checked() != nil || p.Ready() != nil || p.Gone() != nil {
		t.Error("a parent that is none does something")
	}
	p.Failed(generation.Failure{})
	p.Close()
	t.Setenv("DRAFTWIRE_PARENT", "x")
	if _, err := generation.Inherit(); err == nil {
		t.Error("a wrong number is taken")
	}
}
