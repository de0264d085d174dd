package draftwire_test

import (
	"context"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/leak"
	"github.com/draftwire/draftwire/internal/memnet"
)

// TestMain fails the run if a goroutine outlives the tests.
func TestMain(m *testing.M) { leak.Main(m, nil, nil) }

// every is the options of a server that takes all comers.
func every() draftwire.AcceptOptions {
	return draftwire.AcceptOptions{Versions: draftwire.Every, Origins: []string{"*"}, Protocols: []string{"sample", "chat"}}
}

// echo answers each message with itself.
func echo(ctx context.Context, c *draftwire.Conn) error {
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := c.Write(ctx, m.Op, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// memServer serves s in memory. The dial function opens connections to it;
// the server stops with the test.
func memServer(t *testing.T, s *draftwire.Server) (dial func(v draftwire.Version, o draftwire.DialOptions) *draftwire.Conn, l *memnet.Listener) {
	t.Helper()
	l = memnet.Listen(64 << 10)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return func(v draftwire.Version, o draftwire.DialOptions) *draftwire.Conn {
		t.Helper()
		o.Version = v
		o.NetDial = func(context.Context, string, string) (net.Conn, error) { return l.Dial() }
		c, _, err := draftwire.Dial(context.Background(), "ws://example.com/x", &o)
		if err != nil {
			t.Fatalf("%s: %v", v, err)
		}
		t.Cleanup(func() { c.CloseNow() })
		return c
	}, l
}

// pair opens a connection in memory and returns both ends. The server's end
// closes with the test.
func pair(t *testing.T, v draftwire.Version, so draftwire.AcceptOptions, do draftwire.DialOptions) (client, server *draftwire.Conn) {
	t.Helper()
	got := make(chan *draftwire.Conn, 1)
	so.Versions = draftwire.Every
	dial, _ := memServer(t, &draftwire.Server{Options: so, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		got <- c
		<-ctx.Done()
		return nil
	}})
	client = dial(v, do)
	return client, <-got
}

// forEach runs a test for each version that is served, in a bubble of fake time.
func forEach(t *testing.T, f func(t *testing.T, v draftwire.Version)) {
	for _, v := range draftwire.Served().List() {
		t.Run(v.String(), func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, v) }) })
	}
}

// inUse returns the bytes of heap and stacks in use.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
