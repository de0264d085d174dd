// Package faultnet is a network of sockets for tests, which stops, slows, cuts, shortens
// and breaks at any system call. Its sockets behave as those of Linux below Go's poller
// do: bounded buffers, EAGAIN, news of readiness once and only once, errors that are told
// once, half of a stream that ends. They work inside a testing/synctest bubble, where time
// is fake.
//
// A [Schedule] decides what each system call does. The engine's own system calls come here
// where the program is built with the tag faults: see [Recv] and [Send].
package faultnet

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Op is a system call.
type Op uint8

// The system calls.
const (
	OpRecv     Op = iota + 1
	OpSend        // send, write, writev
	OpShutdown    // of the sending half
)

func (o Op) String() string { return [...]string{"none", "recv", "send", "shutdown"}[o] }

// Call is one system call. All of a Net's are counted, from 1 on.
type Call struct {
	N    int
	Op   Op
	End  string // whose socket
	Room int    // bytes that are asked for, or to be sent
}

// Schedule says what is to happen at a call. It is called under the network's lock, one
// call at a time.
type Schedule func(Call) Action

// Net is a network. The zero value has no faults.
type Net struct {
	mu       sync.Mutex
	schedule Schedule
	calls    int
	open     int
}

// New returns a network whose calls do what s says; nil has no faults.
func New(s Schedule) *Net { return &Net{schedule: s} }

// Calls returns how many system calls there were.
func (n *Net) Calls() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls
}

// Open returns how many sockets are not closed.
func (n *Net) Open() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open
}

// Conn is a socket: a net.Conn that can also be used by its descriptor.
type Conn struct {
	net  *Net
	name string
	fd   uintptr
	cond *sync.Cond // on net.mu, like all below

	peer      *Conn
	rcv       []byte // what has come and was not read
	size      int    // how much may be there
	fin       bool   // the peer's end has come, behind rcv
	deaf      bool   // what the peer sends is answered with a reset
	err       error  // to be told by one call
	dead      bool   // both halves have ended
	shut      bool   // our half has ended
	full      bool   // a call found no room: room is news
	destroyed bool
	closed    bool // Close was called
	users     int  // calls that hold the descriptor

	r, w half
}

// half is what Go's poller keeps for reading or for writing.
type half struct {
	busy  bool // a call is under way
	ready bool // news that nobody has waited for yet
	by    time.Time
	timer *time.Timer
}

func (h *half) late() bool { return !h.by.IsZero() && !time.Now().Before(h.by) }

// sockets are all open ones, by descriptor.
var (
	sockets sync.Map
	lastFD  atomic.Uintptr
)

// firstFD is above any descriptor of the system's.
const firstFD = 1 << 30

// Pipe returns two connected sockets. Each takes up to size bytes before its program
// reads them.
func (n *Net) Pipe(size int, left, right string) (*Conn, *Conn) {
	a, b := n.socket(size, left), n.socket(size, right)
	a.peer, b.peer = b, a
	n.mu.Lock()
	n.open += 2
	n.mu.Unlock()
	return a, b
}

func (n *Net) socket(size int, name string) *Conn {
	c := &Conn{net: n, name: name, size: size, fd: firstFD + lastFD.Add(1)}
	c.cond = sync.NewCond(&n.mu)
	sockets.Store(c.fd, c)
	return c
}

// Recv is the system call, for a descriptor of a Conn. Of others ok is false.
func Recv(fd uintptr, p []byte) (n int, ok bool, err error) {
	c, ok := sockets.Load(fd)
	if !ok {
		return 0, false, nil
	}
	n, err = c.(*Conn).recv(p)
	return n, true, err
}

// Send is the system call, for a descriptor of a Conn, with one or more pieces. Of others
// ok is false.
func Send(fd uintptr, parts [][]byte) (n int, ok bool, err error) {
	c, ok := sockets.Load(fd)
	if !ok {
		return 0, false, nil
	}
	n, err = c.(*Conn).send(parts)
	return n, true, err
}

// enter counts a call, locks the network, and returns what the call may do: at most room
// bytes, or fail with err.
func (c *Conn) enter(op Op, room int) (most int, err error) {
	n := c.net
	n.mu.Lock()
	n.calls++
	var a Action
	if n.schedule != nil {
		a = n.schedule(Call{n.calls, op, c.name, room})
	}
	if a.Fault == Delay || a.Fault == Yield {
		n.mu.Unlock()
		a.pass()
		n.mu.Lock()
	}
	if a.Do != nil {
		go a.Do()
	}
	return c.suffer(op, room, a)
}

func (c *Conn) recv(p []byte) (int, error) {
	most, err := c.enter(OpRecv, len(p))
	defer c.net.mu.Unlock()
	switch {
	case err != nil:
		return 0, err
	case len(c.rcv) > 0:
		n := copy(p[:most], c.rcv)
		c.rcv = append(c.rcv[:0], c.rcv[n:]...)
		if c.peer.full && c.peer.roomy() {
			c.peer.full = false
			c.peer.news()
		}
		return n, nil
	case c.err != nil:
		return 0, c.tell()
	case c.fin || c.dead:
		return 0, nil
	}
	return 0, syscall.EAGAIN
}

func (c *Conn) send(parts [][]byte) (int, error) {
	total := 0
	for _, p := range parts {
		total += len(p)
	}
	most, err := c.enter(OpSend, total)
	defer c.net.mu.Unlock()
	switch {
	case err != nil:
		return 0, err
	case c.err != nil:
		return 0, c.tell()
	case c.dead || c.shut:
		return 0, syscall.EPIPE
	case c.peer.destroyed || c.peer.deaf: // the reset that answers is for the next call
		c.broken(syscall.ECONNRESET)
		return most, nil
	}
	room := min(most, c.peer.size-len(c.peer.rcv))
	c.full = c.full || room < most
	if room <= 0 && total > 0 {
		return 0, syscall.EAGAIN
	}
	left := room
	for _, p := range parts {
		n := min(left, len(p))
		c.peer.rcv = append(c.peer.rcv, p[:n]...)
		left -= n
	}
	c.peer.news()
	return room, nil
}

// tell returns the socket's error, which it then has no longer.
func (c *Conn) tell() error {
	err := c.err
	c.err = nil
	return err
}

// roomy: room is told to a writer from a third of the buffer on.
func (c *Conn) roomy() bool { return 3*(c.peer.size-len(c.peer.rcv)) >= c.peer.size }

// news tells the poller that something has changed: it looks at both halves.
func (c *Conn) news() {
	ends := c.err != nil || c.dead
	if ends || c.fin || len(c.rcv) > 0 {
		c.r.ready = true
	}
	if ends || c.roomy() {
		c.w.ready = true
	}
	c.cond.Broadcast()
}

// broken ends both halves, with an error.
func (c *Conn) broken(err error) {
	if c.dead || c.destroyed {
		return
	}
	c.err, c.dead = err, true
	c.news()
}

// destroy is the last close of the descriptor.
func (c *Conn) destroy() {
	sockets.Delete(c.fd)
	c.destroyed = true
	c.net.open--
	for _, h := range []*half{&c.r, &c.w} {
		if h.timer != nil {
			h.timer.Stop()
		}
	}
	if len(c.rcv) > 0 { // unread bytes are answered with a reset
		c.peer.broken(syscall.ECONNRESET)
	} else if !c.dead {
		c.peer.fin = true
	}
	c.rcv = nil
	c.peer.news()
	c.cond.Broadcast()
}

var _ net.Conn = (*Conn)(nil)
