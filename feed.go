package draftwire

import (
	"context"
	"net"
	"sync"
)

// replayConn is a connection whose first bytes were read already.
type replayConn struct {
	net.Conn
	src *source
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

// CloseWrite ends our half of the stream.
func (r *replayConn) CloseWrite() error {
	closeWrite(r.Conn)
	return nil
}

type tlsKey struct{}

// withTLS keeps the TLS state of a connection that net/http cannot see.
func withTLS(ctx context.Context, nc net.Conn) context.Context {
	if r, ok := nc.(*replayConn); ok {
		if state := tlsState(r.Conn); state != nil {
			return context.WithValue(ctx, tlsKey{}, state)
		}
	}
	return ctx
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
