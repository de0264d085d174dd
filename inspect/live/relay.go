package live

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/draftwire/draftwire/inspect/capture"
)

// Relay carries connections. Its fields are set before Serve, which may be called once.
type Relay struct {
	// Dial opens the connection to the server for a client.
	Dial func(ctx context.Context, client net.Addr) (net.Conn, error)
	// Sink is told of what passes. Its calls come from one goroutine at a time.
	Sink capture.Sink
	// Idle, if not nil, is called on that goroutine when the Sink knows all that has passed.
	Idle func()
	// Failed, if not nil, is called when a client could not be connected: by Dial, or by the
	// handshake of its TLS. The client's connection is reset then.
	Failed func(client net.Addr, err error)
	// MaxConns is how many connections are carried at once; further ones wait until one ends.
	// Default 1000.
	MaxConns int
	// MaxBehind is how many bytes the Sink may be behind, over all connections, before it gets
	// gaps. Default 16 MiB.
	MaxBehind int
	// Timeout bounds Dial, and the handshake of a client's TLS. Default 10 s.
	Timeout time.Duration

	news  news
	conns sync.WaitGroup
}

// Defaults of a Relay.
const (
	DefaultMaxConns  = 1000
	DefaultMaxBehind = 16 << 20
	DefaultTimeout   = 10 * time.Second
)

// Stats say what a Relay has carried.
type Stats struct {
	Conns  int   // connections
	Hidden int   // those of them that the Sink was not told of, as it was too far behind
	Bytes  int64 // of both directions
	Gaps   int64 // bytes that the Sink was not told of
}

// Serve accepts connections from l until ctx ends or l fails, and returns when none is open any
// more and the Sink knows all. The connections that are open when ctx ends are closed. A
// listener of package crypto/tls makes the clients' side TLS. The error is that of l, nil where
// ctx has ended.
func (r *Relay) Serve(ctx context.Context, l net.Listener) (Stats, error) {
	r.news.begin(r)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	places := make(chan struct{}, cmp.Or(r.MaxConns, DefaultMaxConns))
	var err error
	var pause time.Duration
	for ctx.Err() == nil {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		var nc net.Conn
		if nc, err = l.Accept(); err != nil {
			if ctx.Err() != nil || !isShort(err) {
				break
			}
			<-places
			pause = min(max(2*pause, 5*time.Millisecond), time.Second) // as net/http does
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		pause = 0
		r.conns.Go(func() {
			defer func() { <-places }()
			r.carry(ctx, nc)
		})
	}
	l.Close()
	r.conns.Wait()
	if ctx.Err() != nil {
		err = nil
	}
	return r.news.end(), err
}

// isShort reports whether an error of Accept says that something is short for now, or that the
// client has gone already.
func isShort(err error) bool {
	return slices.ContainsFunc([]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED},
		func(e error) bool { return errors.Is(err, e) })
}

// carry carries one connection.
func (r *Relay) carry(ctx context.Context, client net.Conn) {
	server, err := r.open(ctx, client)
	if err != nil {
		reset(client)
		if r.Failed != nil && ctx.Err() == nil {
			r.Failed(client.RemoteAddr(), err)
		}
		return
	}
	stop := context.AfterFunc(ctx, func() {
		client.Close()
		server.Close()
	})
	defer stop()
	c := r.news.open(connOf(client, server))
	var both sync.WaitGroup
	both.Go(func() { c.pass(ctx, capture.FromClient, server, client) })
	both.Go(func() { c.pass(ctx, capture.FromServer, client, server) })
	both.Wait()
	client.Close()
	server.Close()
}

// open opens the server's side, and both sides' TLS.
func (r *Relay) open(ctx context.Context, client net.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.Timeout, DefaultTimeout))
	defer cancel()
	if t, ok := client.(*tls.Conn); ok {
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, err
		}
	}
	return r.Dial(ctx, client.RemoteAddr())
}

// connOf returns what a Sink is told of a connection.
func connOf(client, server net.Conn) capture.Conn {
	c := capture.Conn{Client: addrOf(client.RemoteAddr()), Server: addrOf(server.RemoteAddr())}
	if t, ok := client.(*tls.Conn); ok {
		s := t.ConnectionState()
		c.TLS = &capture.TLS{Version: s.Version, Suite: s.CipherSuite, ServerName: s.ServerName, ALPN: s.NegotiatedProtocol, Resumed: s.DidResume}
	}
	return c
}

func addrOf(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// pieceSize is what is passed on at once.
const pieceSize = 32 << 10

// pass carries one direction to its end, and passes that on.
func (c *conn) pass(ctx context.Context, from capture.Direction, to, of net.Conn) {
	buf := make([]byte, pieceSize)
	for {
		n, err := of.Read(buf)
		if n > 0 {
			// The Sink hears of bytes before their receiver can answer them.
			c.data(from, buf[:n])
			if _, werr := to.Write(buf[:n]); werr != nil {
				// The receiver is gone, whose own direction tells how. What its peer still
				// sends has no reader, as there.
				c.end(from, capture.Cut)
				reset(of)
				return
			}
		}
		switch {
		case err == io.EOF:
			c.end(from, capture.Fin)
			closeWrite(to)
			return
		case ctx.Err() != nil:
			c.end(from, capture.Cut)
			return
		case err != nil:
			c.end(from, capture.Reset)
			reset(to)
			return
		}
	}
}

// closeWrite ends what is sent on a connection.
func closeWrite(nc net.Conn) {
	if h, ok := nc.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
		return
	}
	nc.Close()
}

// reset closes a connection as one that has failed.
func reset(nc net.Conn) {
	below := nc
	if t, ok := nc.(*tls.Conn); ok {
		below = t.NetConn()
	}
	if t, ok := below.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	below.Close()
}
