package load

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// HeldSessions are connections to several servers that say nothing but pongs.
type HeldSessions struct {
	all            []*generator
	pings, dropped int
}

// fewTogether is how many handshakes of a process are under way at a time: several processes
// open sessions, and the queue of the loopback device holds a thousand packets.
const fewTogether = 16

// OpenHeld opens the connections of the specs, and answers pings meanwhile.
func OpenHeld(specs []Spec) (*HeldSessions, error) {
	h := new(HeldSessions)
	for i := range specs {
		g, err := newGenerator(&specs[i])
		if err != nil {
			h.Close()
			return nil, fmt.Errorf("%s: %w", specs[i].Name, err)
		}
		h.all = append(h.all, g)
		for left := g.Conns; left > 0; left -= fewTogether {
			if err := g.open(min(left, fewTogether)); err != nil {
				h.Close()
				return nil, fmt.Errorf("%s: %w", specs[i].Name, err)
			}
			h.answer(0)
		}
	}
	return h, nil
}

// Close closes the connections.
func (h *HeldSessions) Close() {
	for _, g := range h.all {
		g.close()
	}
}

// Watch answers pings until ended is closed.
func (h *HeldSessions) Watch(ended <-chan struct{}) (Result, error) {
	for {
		select {
		case <-ended:
			sessions := -h.dropped
			for _, g := range h.all {
				sessions += len(g.conns)
			}
			return Result{Held: float64(sessions), Dropped: float64(h.dropped), Pings: float64(h.pings)}, nil
		default:
			if err := h.answer(10); err != nil {
				return nil, err
			}
		}
	}
}

// answer looks once after all connections, and waits for at most so many milliseconds for
// those of each server.
func (h *HeldSessions) answer(wait int) error {
	for _, g := range h.all {
		n, err := unix.EpollWait(g.poll, g.events, wait)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, ev := range g.events[:n] {
			h.pong(g, g.conns[ev.Fd])
		}
	}
	return nil
}

// The heads of a ping and of the pong that answers it.
const (
	pingHead = 0x89
	pongHead = 0x8A
)

// pong answers the pings that have come on a connection. Anything else is a fault, and the
// connection counts as dropped.
func (h *HeldSessions) pong(g *generator, c *conn) {
	n, err := unix.Read(c.fd, g.buf)
	if err == unix.EINTR || err == unix.EAGAIN {
		return
	}
	p := g.buf[:max(n, 0)]
	ok := err == nil && n > 0
	for ok && len(p) > 0 {
		if ok = p[0] == pingHead && len(p) >= 2 && p[1] <= 125 && len(p) >= 2+int(p[1]); ok {
			payload := p[2 : 2+p[1]]
			h.pings++
			ok = writeAll(c.fd, clientFrame(g.Version, pongHead, payload)) == nil
			p = p[2+len(payload):]
		}
	}
	if !ok {
		h.dropped++
		unix.EpollCtl(g.poll, unix.EPOLL_CTL_DEL, c.fd, nil)
	}
}
