package draftwire_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
)

// counted notes what each write of the server's end hands to the network.
type counted struct {
	*memnet.Conn
	mu    sync.Mutex
	sizes []int
}

func (c *counted) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.sizes = append(c.sizes, len(p))
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// writes returns the sizes of the writes since the last call.
func (c *counted) writes() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	sizes := c.sizes
	c.sizes = nil
	return sizes
}

type countedListener struct {
	*memnet.Listener
	conns chan *counted
}

func (l countedListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &counted{Conn: nc.(*memnet.Conn)}
	l.conns <- c
	return c, nil
}

// byHand is a connection whose client is bytes of the test.
type byHand struct {
	legacy
	*memnet.Conn // the client's end
	server       *draftwire.Conn
	net          *counted // the server's end, below
}

// handClient opens one, in memory that holds size bytes a direction. fn is the
// handler; nil leaves the server's end to the test.
func handClient(t *testing.T, v draftwire.Version, size int, lim draftwire.Limits, fn func(ctx context.Context, c *draftwire.Conn) error) byHand {
	t.Helper()
	opt := every()
	opt.Limits = lim
	got := make(chan *draftwire.Conn, 1)
	s := &draftwire.Server{Options: opt, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		got <- c
		if fn != nil {
			return fn(ctx, c)
		}
		<-ctx.Done()
		return nil
	}}
	l := countedListener{memnet.Listen(size), make(chan *counted, 1)}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	nc, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		s.Close()
		<-served
	})
	p := byHand{legacy: legacies[v]().at("example.com", false), Conn: nc, net: <-l.conns}
	send(t, nc, []byte(p.head+p.key3))
	if head := readHead(t, nc); p.learn != nil {
		p.learn(head)
	}
	want(t, nc, []byte(p.answer))
	p.server = <-got
	p.net.writes()
	return p
}

// texts is messages in one piece of the stream.
func texts(text func(string) []byte, messages ...string) []byte {
	var out []byte
	for _, m := range messages {
		out = append(out, text(m)...)
	}
	return out
}

func numbers(n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprint("message ", i)
	}
	return s
}
