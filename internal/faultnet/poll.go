package faultnet

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// What stands here is what Go's internal/poll and its runtime's poller do, step by step:
// a call resets the news of its half, tries, and waits for news that came behind the reset.

// acquire begins a call on a half.
func (c *Conn) acquire(h *half) error {
	for h.busy && !c.closed {
		c.cond.Wait()
	}
	if c.closed {
		return net.ErrClosed
	}
	h.busy = true
	c.users++
	return nil
}

// release ends it. The last user of a closed descriptor closes it in truth.
func (c *Conn) release(h *half) {
	h.busy = false
	c.leave()
}

func (c *Conn) leave() {
	if c.users--; c.closed && c.users == 0 {
		c.destroy()
	}
	c.cond.Broadcast()
}

func (c *Conn) usable(h *half) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case h.late():
		return os.ErrDeadlineExceeded
	}
	return nil
}

// wait waits for news.
func (c *Conn) wait(h *half) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	for {
		if err := c.usable(h); err != nil {
			return err
		}
		if h.ready {
			h.ready = false
			return nil
		}
		c.cond.Wait()
	}
}

// begin is acquire, with the check and the reset that each call begins with.
func (c *Conn) begin(h *half) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if err := c.acquire(h); err != nil {
		return err
	}
	if err := c.usable(h); err != nil {
		c.release(h)
		return err
	}
	h.ready = false
	return nil
}

func (c *Conn) end(h *half) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.release(h)
}

// raw is syscall.RawConn's Read or Write.
func (c *Conn) raw(h *half, f func(fd uintptr) bool) error {
	if err := c.begin(h); err != nil {
		return err
	}
	defer c.end(h)
	for !f(c.fd) {
		if err := c.wait(h); err != nil {
			return err
		}
	}
	return nil
}

type rawConn struct{ c *Conn }

// SyscallConn implements syscall.Conn.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return rawConn{c}, nil }

func (r rawConn) Control(f func(fd uintptr)) error {
	f(r.c.fd)
	return nil
}
func (r rawConn) Read(f func(fd uintptr) bool) error {
	return r.c.opError("raw-read", r.c.raw(&r.c.r, f))
}
func (r rawConn) Write(f func(fd uintptr) bool) error {
	return r.c.opError("raw-write", r.c.raw(&r.c.w, f))
}

func (c *Conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if errno, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if e := c.raw(&c.r, func(uintptr) bool {
		for {
			n, err = c.recv(p)
			switch {
			case err == syscall.EINTR:
				continue
			case err == syscall.EAGAIN:
				return false
			case n == 0 && err == nil:
				err = io.EOF
			}
			return true
		}
	}); e != nil {
		n, err = 0, e
	}
	return n, c.opError("read", err)
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (n int, err error) {
	if e := c.raw(&c.w, func(uintptr) bool {
		for n < len(p) {
			var k int
			k, err = c.send([][]byte{p[n:]})
			switch {
			case err == syscall.EINTR:
				continue
			case err == syscall.EAGAIN:
				return false
			case err != nil:
				return true
			}
			n += k
		}
		return true
	}); e != nil {
		err = e
	}
	return n, c.opError("write", err)
}

// use runs f under the lock, with the descriptor held.
func (c *Conn) use(f func()) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	c.users++
	f()
	c.leave()
	return nil
}

// CloseWrite ends our half of the stream.
func (c *Conn) CloseWrite() error {
	_, err := c.enter(OpShutdown, 0)
	defer c.net.mu.Unlock()
	switch {
	case c.closed:
		err = net.ErrClosed
	case err != nil:
	case c.dead:
		err = syscall.ENOTCONN
	case !c.shut:
		c.shut = true
		c.peer.fin = true
		c.peer.news()
	}
	return c.opError("close", err)
}

// Close implements net.Conn. Like that of package net it waits for calls that hold the
// descriptor: who calls it from within such a call waits for ever.
func (c *Conn) Close() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.closed = true
	c.users++
	c.leave()
	for !c.destroyed {
		c.cond.Wait()
	}
	return nil
}

func (c *Conn) setDeadline(t time.Time, halves ...*half) error {
	return c.use(func() {
		for _, h := range halves {
			h.by = t
			if h.timer != nil {
				h.timer.Stop()
				h.timer = nil
			}
			if !t.IsZero() {
				h.timer = time.AfterFunc(time.Until(t), c.wake)
			}
		}
	})
}

func (c *Conn) wake() {
	c.net.mu.Lock()
	c.cond.Broadcast()
	c.net.mu.Unlock()
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadline(t, &c.r, &c.w) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, &c.r) }

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.w) }

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return address }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return address }

var address = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}
