//go:build !race

package budget_test

import (
	"bytes"
	"compress/flate"
	"context"
	"math"
	"net"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// The budget of stack (without the race detector, under which frames are larger):
// a connection that says something now and then has one goroutine, whose stack is
// still the 2 KiB it began with, after a message and a ping of every version, and
// after a compressed message.
func TestStackBudget(t *testing.T) {
	var room room
	loops := map[string]func(context.Context, *draftwire.Conn) error{
		"ReadBorrowed": func(ctx context.Context, c *draftwire.Conn) error {
			for {
				op, p, err := c.ReadBorrowed(ctx)
				if err == nil {
					err = c.Write(ctx, op, p)
				}
				if err != nil {
					return err
				}
			}
		},
		"Read": func(ctx context.Context, c *draftwire.Conn) error {
			for {
				op, p, err := c.Read(ctx)
				if err == nil {
					err = c.Write(ctx, op, p)
				}
				if err != nil {
					return err
				}
			}
		},
		"Messages": wstest.Echo,
		"ReadLoop": func(ctx context.Context, c *draftwire.Conn) error {
			// As the benchmark's handler, which takes a hundred bytes more.
			if strings.HasPrefix(c.Handshake().Target(), "/room") {
				room.join(c)
				defer room.leave(c)
			}
			return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error { return c.Write(ctx, op, p) })
		},
	}
	clients := &many{t: t}
	defer clients.close() // not before: nobody is to take over the stacks of others
	for name, loop := range loops {
		opt := wstest.Options()
		opt.Compression = wstest.Deflate
		l := wstest.ListenTCP(t)
		// A handler that calls another, as programs do: not much more than that is left.
		s := &draftwire.Server{Options: opt, WebSocket: func(ctx context.Context, c *draftwire.Conn) error { return loop(ctx, c) }}
		wstest.ServeOn(t, s, l)
		t.Run(name, func(t *testing.T) {
			for v, newClient := range wstest.Clients {
				clients.budget(v.String(), l.Addr(), newClient, func(t *testing.T, nc net.Conn, client wstest.Client) {
					wstest.Send(t, nc, client.Text("hello"))
					wstest.Want(t, nc, client.Echo("hello"))
					if client.Ping != nil {
						wstest.Send(t, nc, client.Ping())
						wstest.Want(t, nc, client.Pong)
					}
				})
			}
			zipped, back := zippedHello(t)
			clients.budget("rfc6455 compressed", l.Addr(), wstest.Clients[draftwire.RFC6455], func(t *testing.T, nc net.Conn, client wstest.Client) {
				wstest.Send(t, nc, zipped)
				wstest.Want(t, nc, back)
			})
		})
	}
}

type room struct{ conns []*draftwire.Conn }

//go:noinline
func (r *room) join(c *draftwire.Conn) { r.conns = append(r.conns, c) }

//go:noinline
func (r *room) leave(*draftwire.Conn) { r.conns = r.conns[:0] }

// A handshake does not make the stack grow, or the connection would need a second
// goroutine: of a browser's request too, but for a few, where the allocator goes deep. In
// three old versions it does, and no connection has more than that second one.
func TestHandshakeGoroutines(t *testing.T) {
	opt := wstest.Options()
	opt.Compression = wstest.Deflate
	l, err := draftwire.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &draftwire.Server{Options: opt, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		_, _, err := c.ReadBorrowed(ctx)
		return err
	}}
	wstest.ServeOn(t, s, l)
	clients := &many{t: t}
	defer clients.close()
	for v, newClient := range wstest.Clients {
		browser := func() wstest.Client {
			c := newClient()
			if v == draftwire.RFC6455 {
				c.Head = strings.Replace(c.Head, "\r\nSec-WebSocket-Key", "\r\nPragma: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)"+
					"\r\nAccept-Encoding: gzip, deflate\r\nCookie: session=0123456789abcdef; seen=1"+
					"\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Key", 1)
			}
			return c
		}
		const n = 40
		clients.open(v.String(), l.Addr(), browser, quiet)
		// The least of five: the process may have others, and the allocator goes deep
		// more often where much is to be swept.
		least := uint64(math.MaxUint64)
		for range 5 {
			before := goroutines()
			for range n {
				clients.open(v.String(), l.Addr(), browser, quiet)
			}
			least = min(least, goroutines()-before)
		}
		most := uint64(n + n*3/4)
		switch v {
		case draftwire.Hybi02, draftwire.Hybi04, draftwire.Hybi05:
			most = 2 * n // their handshake takes more stack
		}
		t.Logf("%s: %d goroutines for %d connections", v, least, n)
		if least > most {
			t.Errorf("%s: %d goroutines for %d connections, want at most %d", v, least, n, most)
		}
	}
}

func quiet(*testing.T, net.Conn, wstest.Client) {}

// goroutines returns how many were ever made.
func goroutines() uint64 {
	s := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// zippedHello is a compressed message, and the beginning of one that answers it.
func zippedHello(t *testing.T) (message, answer []byte) {
	var z bytes.Buffer
	w, err := flate.NewWriter(&z, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(wstest.Words(600)))
	w.Flush()
	return wstest.Frame(0xC1, string(z.Bytes()[:z.Len()-4]), true), []byte{0xC1, 126}
}

// many are connections that stay open.
type many struct {
	t     *testing.T
	conns []net.Conn
}

func (m *many) close() {
	for _, nc := range m.conns {
		nc.Close()
	}
}

// budget opens connections, lets each talk, and looks at what stack they cost.
func (m *many) budget(name string, at net.Addr, newClient func() wstest.Client, talk func(*testing.T, net.Conn, wstest.Client)) {
	m.t.Helper()
	const n = 80
	m.open(name, at, newClient, talk) // fills the pools
	most := int64(3 << 10)
	if name == "hybi-04" {
		most = 5 << 10 // it takes SHA-1 of each frame (4.2), which needs more
	}
	// The least of three: other goroutines of the process have stacks too, and the allocator goes
	// deep more often on a busy machine.
	each := int64(math.MaxInt64)
	for try := 0; try < 3 && each > most; try++ {
		before := wstest.InUse(1).Stacks
		for range n {
			m.open(name, at, newClient, talk)
		}
		each = min(each, (wstest.InUse(1).Stacks-before)/n)
	}
	m.t.Logf("%s: %d bytes of stack a connection", name, each)
	if each > most {
		m.t.Errorf("%s: %d bytes of stack a connection: it has grown", name, each)
	}
}

func (m *many) open(name string, at net.Addr, newClient func() wstest.Client, talk func(*testing.T, net.Conn, wstest.Client)) {
	m.t.Helper()
	nc, err := net.Dial("tcp", at.String())
	if err != nil {
		m.t.Fatal(err)
	}
	m.conns = append(m.conns, nc)
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	client := newClient().At(at.String(), false)
	if name == "rfc6455 compressed" {
		client.Head = client.Head[:len(client.Head)-2] + "Sec-WebSocket-Extensions: permessage-deflate; " +
			"client_no_context_takeover; server_no_context_takeover\r\n\r\n"
	}
	client.Shake(m.t, nc)
	talk(m.t, nc, client)
}
