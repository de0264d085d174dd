package faultnet

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// Fault is what happens to a system call.
type Fault uint8

// The faults. Those up to Yield are soft: they change nothing of what a program sees.
const (
	None      Fault = iota
	Interrupt       // EINTR
	Short           // one byte is moved, or Action.Bytes
	Again           // EAGAIN, though something is there; the news of it comes after Action.After
	Delay           // the call takes Action.After. Time does not go on while others wait for a lock of the caller's: see Yield
	Yield           // the call takes so long that others who can run do
	Reset           // both ends are reset; what is under way is lost
	ResetLate       // both ends are reset; what has come can still be read
	Pipe            // the peer takes no more: EPIPE, and it is told of a reset
	TimedOut        // ETIMEDOUT; the peer hears of it a minute later
	HalfClose       // what the peer sends from here on does not come: the stream ends
	end
)

// Soft and Hard are the faults of either kind.
var (
	Soft = []Fault{Interrupt, Short, Again, Delay}
	Hard = []Fault{Reset, ResetLate, Pipe, TimedOut, HalfClose}
)

func (f Fault) String() string {
	return [end]string{"none", "EINTR", "short", "EAGAIN", "delay", "yield", "reset", "late reset", "EPIPE", "ETIMEDOUT", "half-close"}[f]
}

// Real, if not nil, decides what becomes of the system calls on real sockets, as those of
// loops are: of Fault Interrupt, Short, Again, Reset, Pipe and TimedOut, of which the socket
// itself knows nothing.
var Real atomic.Pointer[func(op Op, room int) Action]

// Action is what a call does. The zero value does what a system does.
type Action struct {
	Fault Fault
	Bytes int           // of Short; 0 is one
	After time.Duration // of Again and Delay; 0 is a millisecond
	Do    func()        // is called besides, by a goroutine of its own
}

func (a Action) after() time.Duration {
	if a.After == 0 {
		return time.Millisecond
	}
	return a.After
}

// pass lets the time of a slow call pass.
func (a Action) pass() {
	if a.Fault == Delay {
		time.Sleep(a.after())
		return
	}
	for range 100 {
		runtime.Gosched()
	}
}

// silence is how long the peer of a socket that has timed out hears nothing.
const silence = time.Minute

// suffer makes the fault happen. It returns how many bytes the call may move, or its error.
func (c *Conn) suffer(op Op, room int, a Action) (most int, err error) {
	switch a.Fault {
	case Interrupt:
		if op != OpShutdown {
			return 0, syscall.EINTR
		}
	case Short:
		return min(room, max(1, a.Bytes)), nil
	case Again:
		if op == OpShutdown {
			break
		}
		c.full = c.full || op == OpSend
		time.AfterFunc(a.after(), func() {
			c.net.mu.Lock()
			defer c.net.mu.Unlock()
			c.news()
		})
		return 0, syscall.EAGAIN
	case Reset:
		c.rcv, c.peer.rcv = c.rcv[:0], c.peer.rcv[:0]
		fallthrough
	case ResetLate:
		c.broken(syscall.ECONNRESET)
		c.peer.broken(syscall.ECONNRESET)
	case Pipe:
		c.rcv = c.rcv[:0]
		c.broken(nil)
		c.peer.broken(syscall.ECONNRESET)
	case TimedOut:
		c.rcv = c.rcv[:0]
		c.broken(syscall.ETIMEDOUT)
		time.AfterFunc(silence, func() {
			c.net.mu.Lock()
			defer c.net.mu.Unlock()
			c.peer.broken(syscall.ECONNRESET)
		})
	case HalfClose:
		c.fin, c.deaf = true, true
		c.news()
	}
	return room, nil
}

// At is a schedule with one fault, at the n-th call.
func At(n int, a Action) Schedule {
	return func(c Call) Action {
		if c.N == n {
			return a
		}
		return Action{}
	}
}

// Random is a schedule in which one call of every is hit by one of faults, with as many
// bytes and as much time as chance will have it.
func Random(rnd *rand.Rand, every int, faults ...Fault) Schedule {
	return func(c Call) Action {
		if rnd.IntN(every) != 0 {
			return Action{}
		}
		return Action{
			Fault: faults[rnd.IntN(len(faults))],
			Bytes: 1 + rnd.IntN(max(1, c.Room)),
			After: time.Duration(rnd.IntN(5000)) * time.Microsecond,
		}
	}
}
