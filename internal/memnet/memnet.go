// Package memnet is a network in memory for tests: connections with buffers
// and deadlines that work inside a testing/synctest bubble, where time is fake.
package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Pipe returns the two ends of a connection. Each direction holds up to size
// bytes; a writer waits while it is full.
func Pipe(size int) (*Conn, *Conn) {
	ab, ba := newHalf(size), newHalf(size)
	return &Conn{r: ba, w: ab}, &Conn{r: ab, w: ba}
}

// Conn is one end.
type Conn struct{ r, w *half }

// half is one direction.
type half struct {
	mu              sync.Mutex
	cond            *sync.Cond
	buf             []byte
	size            int
	ended, broken   bool // no more writes; the reader is gone
	readBy, writeBy time.Time
	writes          []int // their sizes
	rtimer, wtimer  *time.Timer
}

func newHalf(size int) *half {
	h := &half{size: size}
	h.cond = sync.NewCond(&h.mu)
	return h
}

func passed(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	h := c.r
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.broken:
			return 0, net.ErrClosed
		case passed(h.readBy):
			return 0, os.ErrDeadlineExceeded
		case len(h.buf) > 0:
			n := copy(p, h.buf)
			h.buf = h.buf[n:]
			h.cond.Broadcast()
			return n, nil
		case h.ended:
			return 0, io.EOF
		}
		h.cond.Wait()
	}
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	h := c.w
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writes = append(h.writes, len(p))
	n := 0
	for {
		switch {
		case h.ended:
			return n, net.ErrClosed
		case h.broken:
			return n, io.ErrClosedPipe
		case passed(h.writeBy):
			return n, os.ErrDeadlineExceeded
		}
		k := min(len(p)-n, h.size-len(h.buf))
		h.buf = append(h.buf, p[n:n+k]...)
		n += k
		if k > 0 {
			h.cond.Broadcast()
		}
		if n == len(p) {
			return n, nil
		}
		h.cond.Wait()
	}
}

// Writes returns the sizes of the other end's writes since the last call.
func (c *Conn) Writes() []int {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	sizes := c.r.writes
	c.r.writes = nil
	return sizes
}

// CloseWrite ends the stream in our direction.
func (c *Conn) CloseWrite() error {
	c.w.set(func(h *half) { h.ended = true })
	return nil
}

// Close ends both directions.
func (c *Conn) Close() error {
	c.w.set(func(h *half) { h.ended = true })
	c.r.set(func(h *half) { h.broken = true })
	return nil
}

func (h *half) set(f func(*half)) {
	h.mu.Lock()
	f(h)
	h.cond.Broadcast()
	h.mu.Unlock()
}

func (h *half) wake(old **time.Timer, t time.Time) {
	if *old != nil {
		(*old).Stop()
		*old = nil
	}
	if !t.IsZero() {
		*old = time.AfterFunc(time.Until(t), h.cond.Broadcast)
	}
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.r.set(func(h *half) { h.readBy = t; h.wake(&h.rtimer, t) })
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.w.set(func(h *half) { h.writeBy = t; h.wake(&h.wtimer, t) })
	return nil
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

type addr struct{}

func (addr) Network() string { return "mem" }
func (addr) String() string  { return "192.0.2.1:1" }

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return addr{} }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return addr{} }

// Listener hands out connections made by Dial.
type Listener struct {
	size   int
	once   sync.Once
	conns  chan net.Conn
	closed chan struct{}
}

// Listen returns a listener whose connections hold size bytes a direction.
func Listen(size int) *Listener {
	return &Listener{size: size, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial connects.
func (l *Listener) Dial() (*Conn, error) {
	c, s := Pipe(l.size)
	select {
	case l.conns <- s:
		return c, nil
	case <-l.closed:
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
func (l *Listener) Addr() net.Addr { return addr{} }
