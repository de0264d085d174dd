package load

import (
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// generator has the connections of a measurement and the loop that serves them.
type generator struct {
	*Spec
	to      unix.SockaddrInet4
	opening *opening
	scripts []script
	conns   []*conn
	secrets []*secret // those over TLS
	poll    int
	events  []unix.EpollEvent
	buf     []byte
	waiting int                 // connections with a reply to come
	wire    int                 // bytes of compressed replies
	took    []time.Duration     // of Paced: what each reply took
	done    func(c *conn) error // a connection has its whole reply
}

// conn is a connection to the server. At any time it has one batch under way.
type conn struct {
	fd     int
	id     int
	script int    // the batch, of generator.scripts
	out    []byte // what of it is still to be sent
	awaits bool   // a reply is to come
	got    int    // bytes of it that came
	reply  reply  // of compressed messages
	parts  parts  // of a reply that comes in fragments; nil while it does not
	wants  bool   // to hear when it can write
}

const path, roomPath = "/echo", "/broadcast"

func newGenerator(s *Spec) (*generator, error) {
	addr, err := net.ResolveTCPAddr("tcp4", s.Addr)
	if err != nil {
		return nil, err
	}
	g := &generator{Spec: s, buf: make([]byte, 256<<10), events: make([]unix.EpollEvent, 256)}
	g.to = unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}
	target := path
	if s.Kind == Broadcast {
		target = roomPath
	}
	if g.opening, err = newOpening(s.Version, s.Addr, target, s.Deflate); err != nil {
		return nil, err
	}
	if g.scripts, err = newScripts(s); err != nil {
		return nil, err
	}
	g.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return g, err
}

func (g *generator) close() {
	g.hangUp()
	unix.Close(g.poll)
}

// hangUp closes all connections.
func (g *generator) hangUp() {
	for _, c := range g.conns {
		unix.Close(c.fd)
	}
	for _, s := range g.secrets {
		s.NetConn().Close()
	}
	g.conns, g.secrets = nil, nil
}

// together is how many handshakes are under way at a time.
const together = 64

// open opens n connections and leaves them to the loop.
func (g *generator) open(n int) error {
	for n > 0 {
		fds, err := g.shake(min(n, together))
		for _, fd := range fds {
			c := &conn{fd: fd, id: len(g.conns), script: len(g.conns) % max(1, len(g.scripts))}
			g.conns = append(g.conns, c)
			if err == nil {
				err = g.register(c)
			}
		}
		if err != nil {
			return err
		}
		n -= len(fds)
	}
	return nil
}

func (g *generator) register(c *conn) error {
	if err := unix.SetNonblock(c.fd, true); err != nil {
		return err
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(c.id)}
	return unix.EpollCtl(g.poll, unix.EPOLL_CTL_ADD, c.fd, &ev)
}

// shake does n handshakes side by side. The sockets, also those of a fault, are
// the caller's to close.
func (g *generator) shake(n int) ([]int, error) {
	var fds []int
	var accepts []string
	for range n {
		fd, err := g.connect()
		if err != nil {
			return fds, err
		}
		fds = append(fds, fd)
		accepts = append(accepts, g.opening.accept)
		if g.Silent {
			continue
		}
		if err := writeAll(fd, g.opening.request); err != nil {
			return fds, fmt.Errorf("handshake: write: %w", err)
		}
		if !g.Raw {
			g.opening.renew()
		}
	}
	for i, fd := range fds {
		if err := g.answered(fd, accepts[i]); err != nil {
			return fds, fmt.Errorf("handshake: %w", err)
		}
	}
	return fds, nil
}

// connect opens a socket whose reads give up after a while.
func (g *generator) connect() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("socket: %w", err)
	}
	limit := unix.NsecToTimeval(stallAfter.Nanoseconds())
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit),
	)
	if err == nil {
		err = unix.Connect(fd, &g.to)
	}
	if err == unix.EINTR { // Go's scheduler sends signals; the connection goes on
		err = connected(fd)
	}
	if err != nil {
		unix.Close(fd)
		return 0, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// connected waits until a connection that is under way is there.
func connected(fd int) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(stallAfter.Milliseconds()))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case n == 0:
			return unix.ETIMEDOUT
		}
		fault, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && fault != 0 {
			err = unix.Errno(fault)
		}
		return err
	}
}

// writeAll writes to a socket that blocks.
func writeAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err != nil && err != unix.EINTR {
			return err
		}
		p = p[max(n, 0):]
	}
	return nil
}

// answered reads the answer to a handshake.
func (g *generator) answered(fd int, accept string) error {
	n := 0
	for {
		m, err := unix.Read(fd, g.buf[n:])
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			return fmt.Errorf("no answer within %v", stallAfter)
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if m == 0 && g.Silent {
			return nil
		}
		if m == 0 {
			return fmt.Errorf("the server closed after %q", g.buf[:n])
		}
		n += m
		if done, err := g.opening.check(g.buf[:n], accept); done || err != nil {
			return err
		}
	}
}

// handshakes opens and closes connections.
func (g *generator) handshakes(d time.Duration) (count int, err error) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		fds, err := g.shake(min(g.Conns, together))
		for _, fd := range fds {
			unix.Close(fd)
		}
		if err != nil {
			return count, err
		}
		count += len(fds)
	}
	return count, nil
}
