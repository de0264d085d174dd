package draftwire

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// replayConn is a connection whose first bytes were read already. Those that a Server
// gives to net/http are counted by it.
type replayConn struct {
	net.Conn
	src   *source
	proxy proxied // for net/http, which asks for the client's address
	web   *guest  // nil where net/http does not have it
}

// Read implements net.Conn.
func (r *replayConn) Read(p []byte) (int, error) {
	if r.src.buffered() == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.src.bytes())
	r.src.take(n)
	if r.src.buffered() == 0 {
		r.src.release()
	}
	return n, nil
}

// Close implements net.Conn.
func (r *replayConn) Close() error {
	r.web.leave()
	return r.Conn.Close()
}

// CloseWrite ends our half of the stream.
func (r *replayConn) CloseWrite() error {
	closeWrite(r.Conn)
	return nil
}

// RemoteAddr returns the address of the client.
func (r *replayConn) RemoteAddr() net.Addr {
	if r.proxy.client.IsValid() {
		return net.TCPAddrFromAddrPort(r.proxy.client)
	}
	return r.Conn.RemoteAddr()
}

// strip returns the connection below, and what is to be read before it.
func (r *replayConn) strip() (net.Conn, []byte) { return r.Conn, r.src.bytes() }

// fed is what net/http cannot see of a connection that a Server gave it.
type fed struct {
	conn   *replayConn
	tls    *tls.ConnectionState
	via    string // the proxy that named the client
	secure bool   // the proxy says so
}

type fedKey struct{}

func fedOf(r *http.Request) fed {
	f, _ := r.Context().Value(fedKey{}).(fed)
	return f
}

// feed is a listener whose connections come from a Server.
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
