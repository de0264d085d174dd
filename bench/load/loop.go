package load

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// send begins a connection's next batch.
func (g *generator) send(c *conn) error {
	g.await(c)
	c.out = g.scripts[c.script].out
	return g.flush(c)
}

// await makes a connection expect a reply.
func (g *generator) await(c *conn) {
	c.awaits, c.got = true, 0
	g.waiting++
}

// flush writes what the socket takes.
func (g *generator) flush(c *conn) error {
	for len(c.out) > 0 {
		n, err := unix.Write(c.fd, c.out)
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			return g.wantWrite(c, true)
		}
		if err != nil {
			return fmt.Errorf("connection %d: write: %w", c.id, err)
		}
		c.out = c.out[n:]
	}
	return g.wantWrite(c, false)
}

func (g *generator) wantWrite(c *conn, on bool) error {
	if c.wants == on {
		return nil
	}
	c.wants = on
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(c.id)}
	if on {
		ev.Events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(g.poll, unix.EPOLL_CTL_MOD, c.fd, &ev)
}

// settle serves the connections until no reply is outstanding.
func (g *generator) settle() error {
	for g.waiting > 0 {
		n, err := unix.EpollWait(g.poll, g.events, int(stallAfter.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
		if n == 0 {
			return fmt.Errorf("%d replies did not come within %v", g.waiting, stallAfter)
		}
		if err := g.serve(g.events[:n]); err != nil {
			return err
		}
	}
	return nil
}

// serve serves the connections that are ready.
func (g *generator) serve(events []unix.EpollEvent) error {
	for _, ev := range events {
		c := g.conns[ev.Fd]
		if ev.Events&unix.EPOLLOUT != 0 {
			if err := g.flush(c); err != nil {
				return err
			}
		}
		if ev.Events&^unix.EPOLLOUT != 0 {
			if err := g.read(c); err != nil {
				return fmt.Errorf("connection %d: %w", c.id, err)
			}
		}
	}
	return nil
}

var errClosed = errors.New("the server closed the connection")

// read takes what one read gives; the poll tells when there is more.
func (g *generator) read(c *conn) error {
	n, err := unix.Read(c.fd, g.buf)
	switch {
	case err == unix.EINTR || err == unix.EAGAIN:
		return nil
	case err != nil:
		return fmt.Errorf("read: %w", err)
	case n == 0:
		return errClosed
	case !c.awaits:
		return fmt.Errorf("%d bytes beyond the replies: %x", n, short(g.buf[:n]))
	}
	done, err := g.compare(c, g.buf[:n])
	if err != nil || !done {
		return err
	}
	g.waiting--
	c.awaits = false
	c.script = (c.script + 1) % len(g.scripts)
	return g.done(c)
}

// compare checks bytes of a reply and tells whether they end it.
func (g *generator) compare(c *conn, p []byte) (bool, error) {
	t := &g.scripts[c.script]
	if g.Deflate {
		done, err := c.reply.take(p)
		if err != nil || !done {
			return false, err
		}
		g.wire += c.reply.wire
		return true, c.reply.check(t)
	}
	want := t.reply[c.got:]
	if len(t.said) > 0 && (c.parts != nil || len(p) > len(want) || !bytes.Equal(p, want[:len(p)])) {
		if c.parts == nil {
			c.parts = append(c.parts, t.reply[:c.got]...)
		}
		done, err := c.parts.take(p, t.said)
		if done {
			c.parts = nil
		}
		return done, err
	}
	if len(p) > len(want) || !bytes.Equal(p, want[:len(p)]) {
		return false, mismatch(c.got, p, want)
	}
	c.got += len(p)
	return c.got == len(t.reply), nil
}

func mismatch(at int, got, want []byte) error {
	for i := range got {
		if i == len(want) {
			return fmt.Errorf("%d bytes behind the reply: %x", len(got)-i, short(got[i:]))
		}
		if got[i] != want[i] {
			return fmt.Errorf("byte %d of the reply begins %x, not %x", at+i, short(got[i:]), short(want[i:]))
		}
	}
	return nil
}

// echoes lets every connection send, wait and send again.
func (g *generator) echoes(d time.Duration) (count int, err error) {
	until := time.Now().Add(d)
	g.done = func(c *conn) error {
		count += g.Batch
		if time.Now().After(until) {
			return nil
		}
		return g.send(c)
	}
	for _, c := range g.conns {
		if err := g.send(c); err != nil {
			return count, err
		}
	}
	return count, g.settle()
}

// broadcasts lets one connection send, waits until all have the message, and begins
// again. It counts the deliveries.
func (g *generator) broadcasts(d time.Duration) (count int, err error) {
	g.done = func(*conn) error { count++; return nil }
	until := time.Now().Add(d)
	for rounds := 0; rounds == 0 || time.Now().Before(until); rounds++ {
		for _, c := range g.conns {
			c.script = rounds % len(g.scripts)
			g.await(c)
		}
		c := g.conns[rounds%len(g.conns)]
		c.out = g.scripts[c.script].out
		if err := g.flush(c); err != nil {
			return count, err
		}
		if err := g.settle(); err != nil {
			return count, err
		}
	}
	return count, nil
}
