package faultnet

import (
	"net"
	"sync"
)

// Listener hands out sockets that Dial makes.
type Listener struct {
	net    *Net
	size   int
	once   sync.Once
	conns  chan net.Conn
	closed chan struct{}
}

// Listen returns a listener whose sockets take size bytes each.
func (n *Net) Listen(size int) *Listener {
	return &Listener{net: n, size: size, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial connects.
func (l *Listener) Dial() (net.Conn, error) {
	c, s := l.net.Pipe(l.size, "client", "server")
	select {
	case l.conns <- s:
		return c, nil
	case <-l.closed:
		c.Close()
		s.Close()
		return nil, net.ErrClosed
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return address }
