package draftwire

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/draftwire/draftwire/internal/sock"
)

// replayConn is a connection whose first bytes the Server has read already: Read gives them
// again. The Server counts those that it gives to net/http.
type replayConn struct {
	net.Conn
	src   *sock.Reader
	proxy proxied // for net/http, which asks for the client's address
	web   *guest  // nil where the Server has not given it to net/http
	gate  *gate   // nil where it does not carry the bytes of HTTP/1
}

// Read implements net.Conn.
func (r *replayConn) Read(p []byte) (int, error) {
	if r.gate == nil {
		return r.read(p)
	}
	return r.gate.read(p, r)
}

func (r *replayConn) read(p []byte) (int, error) {
	if r.src.Buffered() == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.src.Bytes())
	r.src.Discard(n)
	if r.src.Buffered() == 0 {
		r.src.Release()
	}
	return n, nil
}

// Buffered returns how many bytes Read has still to give again.
func (r *replayConn) Buffered() int { return r.src.Buffered() }

// Close implements net.Conn.
func (r *replayConn) Close() error {
	defer r.web.leave()
	// Who still sends is to get the answer; net/http may close a connection twice.
	if r.gate != nil && r.gate.abandoned.Swap(false) {
		closeGently(r.Conn)
		return nil
	}
	return r.Conn.Close()
}

// Below returns the connection whose first bytes were read.
func (r *replayConn) Below() net.Conn { return r.Conn }

// CloseWrite ends our half of the stream.
func (r *replayConn) CloseWrite() error {
	sock.CloseWrite(r.Conn)
	return nil
}

// RemoteAddr returns the address of the client, which may be one that a PROXY header named.
func (r *replayConn) RemoteAddr() net.Addr {
	if r.proxy.client.IsValid() {
		return net.TCPAddrFromAddrPort(r.proxy.client)
	}
	return r.Conn.RemoteAddr()
}

// strip returns the connection below, and the bytes that have been read from it and not
// been given again.
func (r *replayConn) strip() (net.Conn, []byte) {
	if r.gate == nil {
		return r.Conn, r.src.Bytes()
	}
	return r.Conn, slices.Concat(r.gate.ready, r.src.Bytes())
}

// fed is what net/http cannot see of a connection that a Server has given to it.
type fed struct {
	conn   *replayConn
	tls    *tls.ConnectionState
	via    string // the address of the proxy that named the client, or ""
	secure bool   // that proxy says that the client spoke TLS
}

type fedKey struct{}

// fedOf returns the fed of a request's connection, or the zero value where that did not
// come from a Server.
func fedOf(r *http.Request) fed {
	f, _ := r.Context().Value(fedKey{}).(fed)
	return f
}

// server returns the Server that the connection came from, or nil.
func (f fed) server() *Server {
	if f.conn == nil || f.conn.web == nil {
		return nil
	}
	return f.conn.web.s
}

// feed is the listener by which a Server gives connections to net/http.
type feed struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (f *feed) push(nc net.Conn) {
	select {
	case f.conns <- nc:
	case <-f.closed:
		nc.Close()
	}
}

// Accept implements net.Listener.
func (f *feed) Accept() (net.Conn, error) {
	select {
	case nc := <-f.conns:
		return nc, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (f *feed) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

// Addr implements net.Listener.
func (f *feed) Addr() net.Addr { return feedAddr{} }

type feedAddr struct{}

func (feedAddr) Network() string { return "draftwire" }
func (feedAddr) String() string  { return "draftwire" }
