package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

// stream is a buffer that can be waited on.
type stream struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{}
}

func newStream() *stream { return &stream{more: make(chan struct{})} }

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.more)
	s.more = make(chan struct{})
	return s.b.Write(p)
}

func (s *stream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// await waits until the pattern is in the stream and returns its groups.
func (s *stream) await(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.After(patience)
	for {
		s.mu.Lock()
		m, more := re.FindStringSubmatch(s.b.String()), s.more
		s.mu.Unlock()
		if m != nil {
			return m
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("no %s in\n%s", pattern, s)
		}
	}
}

// process is a run of the program within the test.
type process struct {
	in       *io.PipeWriter
	out, err *stream
	signals  chan os.Signal
	done     chan struct{}
	code     int
}

// start runs the program until it ends or the test does.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	in, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	p := startOn(t, in, args...)
	p.in = w
	return p
}

func startOn(t *testing.T, in io.Reader, args ...string) *process {
	t.Helper()
	p := &process{out: newStream(), err: newStream(), signals: make(chan os.Signal, 2), done: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(p.done)
		p.code = run(ctx, append([]string{"draftwire"}, args...), stdio{in, p.out, p.err}, p.signals)
	}()
	t.Cleanup(func() {
		cancel()
		p.wait(t)
	})
	return p
}

func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("the program does not end; stderr:\n%s", p.err)
	}
	return p.code
}

// stop ends a server as an operator would.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	p.signals <- syscall.SIGTERM
	return p.wait(t)
}

// call runs the program with that stdin to its end.
func call(t *testing.T, stdin string, args ...string) (code int, out, err string) {
	t.Helper()
	p := startOn(t, strings.NewReader(stdin), args...)
	code = p.wait(t)
	return code, p.out.String(), p.err.String()
}

// serveOn starts a server on a free port and returns its URL without the last
// slash.
func serveOn(t *testing.T, args ...string) (string, *process) {
	t.Helper()
	p := start(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--log-format", "json"}, args...)...)
	return strings.TrimSuffix(p.err.await(t, `"url":"([^"]+)"`)[1], "/"), p
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dial connects in one version; the connection is cut when the test ends.
func dial(t *testing.T, url string, v draftwire.Version) *draftwire.Conn {
	t.Helper()
	return dialWith(t, url, draftwire.DialOptions{Version: v})
}

func dialWith(t *testing.T, url string, o draftwire.DialOptions) *draftwire.Conn {
	t.Helper()
	c, _, err := draftwire.Dial(deadline(t), url, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func write(t *testing.T, c *draftwire.Conn, op draftwire.Op, text string) {
	t.Helper()
	if err := c.Write(deadline(t), op, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func wantMessage(t *testing.T, c *draftwire.Conn, want string) {
	t.Helper()
	_, got, err := c.Read(deadline(t))
	if err != nil || string(got) != want {
		t.Fatalf("%s: read %q, %v; want %q", c.Version(), got, err, want)
	}
}
