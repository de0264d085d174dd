package wstest

import (
	"context"
	"net"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
)

// A Peer is a client whose bytes the test writes, in memory, and the server's end of its
// connection.
type Peer struct {
	Client
	*memnet.Conn // the client's end: its Writes are the server's
	Server       *draftwire.Conn
}

// NewPeer opens a connection of version v, each direction of which holds size bytes. fn is
// the handler; nil leaves the server's end to the test.
func NewPeer(t testing.TB, v draftwire.Version, size int, lim draftwire.Limits, fn func(ctx context.Context, c *draftwire.Conn) error) Peer {
	t.Helper()
	opt := Options()
	opt.Limits = lim
	got := make(chan *draftwire.Conn, 1)
	s := &draftwire.Server{Options: opt, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		if fn == nil {
			return HandOver(got)(ctx, c)
		}
		got <- c
		return fn(ctx, c)
	}}
	l := memnet.Listen(size)
	ServeOn(t, s, l)
	nc, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	p := Peer{Client: NewClient(v), Conn: nc}
	p.Shake(t, nc)
	p.Server = <-got
	nc.Writes()
	return p
}

// Split returns the parts for a test that names them.
func (p Peer) Split() (*memnet.Conn, Client, *draftwire.Conn) { return p.Conn, p.Client, p.Server }

// TCPPeers serves over TCP or TightTCP until the test ends. open opens a connection of a
// version: the client's socket and bytes, and the server's end.
func TCPPeers(t testing.TB, n Network, lim draftwire.Limits) (open func(v draftwire.Version) (*net.TCPConn, Client, *draftwire.Conn)) {
	t.Helper()
	opt := Options()
	opt.Limits = lim
	conns := make(chan *draftwire.Conn)
	dial := ServeOver(t, &draftwire.Server{Options: opt, WebSocket: HandOver(conns)}, n)
	return func(v draftwire.Version) (*net.TCPConn, Client, *draftwire.Conn) {
		t.Helper()
		nc := dial().(*net.TCPConn)
		client := NewClient(v)
		client.Shake(t, nc)
		return nc, client, <-conns
	}
}
