package main

import (
	"bytes"
	"errors"
	"net"
	"runtime"
	"slices"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/hixie75"
	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/hybi04"
	"github.com/draftwire/draftwire/hybi05"
	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
	"golang.org/x/sys/unix"
)

// This is a PROTOTYPE, to be measured and not to be used: what an event loop in
// place of a goroutine for each connection would bring. It has the library's
// detection, handshakes and session, in all versions. It leaves out
//
//   - timeouts: who sends half a head, or takes no answer, stays for ever;
//   - handlers: the echo is a function that must not block, and nothing else can
//     write to a connection;
//   - TLS, compression, ordinary HTTP and Flash on the same port;
//   - origins, subprotocols, an answer to a refused request (it just closes), and
//     the wait for the peer behind a close;
//   - a bound on all connections together: without a descriptor left it ends.
//
// Each connection is bounded: its head, its message, and what the peer has not
// taken, as nothing is read before that has gone.

const (
	loopHead    = 16 << 10
	loopMessage = 16 << 20
	loopRead    = 64 << 10 // the buffer of all connections of a loop
	loopKeep    = 1 << 20  // of the answers' buffer; what a long message made of it goes
	loopTurns   = 256      // events, or new connections, in a row
)

func init() { servers["loop"] = serveLoop }

var loopDrafts = [...]*wire.Draft{
	&hixie75.Draft, &hixie76.Draft, &hybi02.Draft, &hybi04.Draft, &hybi05.Draft, &hybi05.Draft06,
	&hybi07.Draft, &hybi07.Draft08, &rfc6455.Draft,
}

// loop is a core's share of the connections.
type loop struct {
	poll     int
	listener int     // of the first loop, which deals the connections
	all      []*loop // to all
	dealt    int
	conns    []*loopConn // by descriptor
	in, out  []byte      // of the connection that has its turn
	req      wire.Request
}

// loopConn is all that a connection holds between its turns.
type loopConn struct {
	fd      int32
	opened  bool // the handshake is done
	last    bool // close when out has gone
	session *session.Session
	hs      wire.ServerHandshake // from the answer's head to its tail, which
	body    int                  // takes these bytes: the eight of hixie-76
	rest    []byte               // of a head, then of a message; nil where nothing is incomplete
	out     []byte               // what the peer has not taken
}

// serveLoop runs a loop for each core.
func serveLoop(l net.Listener, _ options) error {
	fd, err := loopListener(l.(*net.TCPListener))
	if err != nil {
		return err
	}
	loops := make([]*loop, runtime.GOMAXPROCS(0))
	for i := range loops {
		poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return err
		}
		loops[i] = &loop{poll: poll, listener: -1, in: make([]byte, loopRead)}
	}
	loops[0].listener, loops[0].all = fd, loops
	if err := loops[0].watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN); err != nil {
		return err
	}
	ended := make(chan error)
	for _, l := range loops {
		go func() { ended <- l.run() }()
	}
	return <-ended
}

// loopListener takes the descriptor from Go's own poller, which would wake for
// each connection too. Accepted sockets inherit the options, so that what Go sets
// takes no system call.
func loopListener(l *net.TCPListener) (fd int, err error) {
	rc, err := l.SyscallConn()
	if err != nil {
		return 0, err
	}
	var fault error
	err = rc.Control(func(lent uintptr) { fd, fault = unix.FcntlInt(lent, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, fault, l.Close()); err != nil {
		return 0, err
	}
	return fd, errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1))
}

// watch is level-triggered: who has more to read is told again, after the others
// had their turn. Edge-triggered was no faster.
func (l *loop) watch(op, fd int, events uint32) error {
	return unix.EpollCtl(l.poll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (l *loop) run() error {
	events := make([]unix.EpollEvent, loopTurns)
	for {
		n, err := unix.EpollWait(l.poll, events, -1)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, ev := range events[:max(n, 0)] {
			fd := int(ev.Fd)
			if fd == l.listener {
				if err := l.accept(); err != nil {
					return err
				}
			} else if !l.serve(l.conn(fd)) {
				l.conns[fd] = nil
				unix.Close(fd) // which ends the watch, and frees the number for the next
			}
		}
	}
}

// accept deals new connections to the loops.
func (l *loop) accept() error {
	for range loopTurns {
		fd, _, err := unix.Accept4(l.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err == unix.EAGAIN || err == unix.ECONNABORTED || err == unix.EINTR {
			return nil // if there are more, the listener is still ready
		}
		l.dealt++
		if err == nil {
			err = l.all[l.dealt%len(l.all)].watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// conn returns a connection, which is noted when it first says something: loops
// share no memory, and the silent cost none.
func (l *loop) conn(fd int) *loopConn {
	if fd >= len(l.conns) {
		l.conns = append(l.conns, make([]*loopConn, fd+1-len(l.conns))...)
	}
	if l.conns[fd] == nil {
		l.conns[fd] = &loopConn{fd: int32(fd)}
	}
	return l.conns[fd]
}

// serve is a connection's turn: one read, and one write of all answers. It
// returns false when the connection has ended.
func (l *loop) serve(c *loopConn) bool {
	if len(c.out) > 0 {
		return l.write(c, c.out)
	}
	n, err := unix.Read(int(c.fd), l.in)
	if n <= 0 {
		return err == unix.EAGAIN || err == unix.EINTR
	}
	l.out = l.out[:0]
	c.last = !l.take(c, l.in[:n])
	ok := l.write(c, l.out)
	if cap(l.out) > loopKeep {
		l.out = nil
	}
	return ok
}

// write sends p. What the peer does not take is kept, and goes before the next read.
func (l *loop) write(c *loopConn, p []byte) bool {
	waited := len(c.out) > 0
	if len(p) > 0 {
		n, err := unix.Write(int(c.fd), p)
		if err != nil && err != unix.EAGAIN {
			return false
		}
		p = p[max(n, 0):]
	}
	if len(p) > 0 {
		c.out = append(c.out[:0], p...)
		return waited || l.watch(unix.EPOLL_CTL_MOD, int(c.fd), unix.EPOLLOUT) == nil
	}
	c.out = nil
	return !c.last && (!waited || l.watch(unix.EPOLL_CTL_MOD, int(c.fd), unix.EPOLLIN) == nil)
}

// take appends the answers to p to l.out. False: the connection ends behind them.
func (l *loop) take(c *loopConn, p []byte) bool {
	if !c.opened {
		if c.rest != nil {
			p = append(c.rest, p...)
		}
		n, ok := l.open(c, p)
		if p, c.rest = p[n:], nil; !ok {
			return false
		}
		if !c.opened {
			c.rest = bytes.Clone(p)
			return true
		}
	}
	return l.echo(c, p)
}

// open does as much of a handshake as p allows, and returns how much that was.
func (l *loop) open(c *loopConn, p []byte) (n int, ok bool) {
	if c.hs == nil {
		if n = httphead.End(p, 0); n < 0 {
			return 0, len(p) <= loopHead
		}
		if n > loopHead || !l.answer(c, string(p[:n])) {
			return 0, false
		}
	}
	if len(p)-n < c.body {
		return n, true
	}
	l.out = c.hs.Tail(l.out, p[n:n+c.body])
	c.hs, c.opened = nil, true
	return n + c.body, true
}

// answer answers a request head, and makes the session.
func (l *loop) answer(c *loopConn, head string) bool {
	l.req = wire.Request{Fields: l.req.Fields[:0]}
	if err := httphead.ParseRequest(head, &l.req); err != nil {
		return false
	}
	found, err := detect.Request(&l.req, wire.Every, 0)
	if err != nil {
		return false
	}
	i := slices.IndexFunc(loopDrafts[:], func(d *wire.Draft) bool { return d.Version == found.Version })
	c.hs = loopDrafts[i].NewServer(nil)
	if err := c.hs.Open(&l.req, new(wire.Opening)); err != nil {
		return false
	}
	var acc wire.Accept
	if found.Version.Supports(wire.CapLocation) {
		acc.Location = wire.Location(false, l.req.Host(), l.req.Path())
	}
	l.out, c.body = c.hs.Head(l.out, &acc)
	codec := wire.CodecConfig{Role: wire.Server, MaskKey: acc.MaskKey}
	c.session = session.New(loopDrafts[i], session.Config{CodecConfig: codec, Limit: loopMessage})
	return true
}

// echo gives back the messages in p, and those that p completes.
func (l *loop) echo(c *loopConn, p []byte) bool {
	for len(p) > 0 {
		var ev wire.Event
		n, err := c.session.Next(p, &ev)
		p = p[n:]
		switch {
		case err != nil:
			l.out, _ = c.session.AppendClose(l.out, session.FailureCode(err), "") // it ends, said or not
		case !ev.Op.IsData():
			l.out, err = c.session.AppendReply(l.out, &ev)
		case ev.First && ev.Last:
			l.out, err = c.session.AppendFrame(l.out, ev.Op, true, ev.Data)
		default:
			c.rest = append(c.rest, ev.Data...)
			if ev.Last {
				l.out, err = c.session.AppendFrame(l.out, ev.Op, true, c.rest)
				c.rest = nil
			}
		}
		if err != nil || ev.Op == wire.OpClose {
			return false
		}
	}
	return true
}
