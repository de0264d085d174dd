//go:build faults && linux && (amd64 || arm64) && !msan && !asan

package sock

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/draftwire/draftwire/internal/faultnet"
)

// This file lets the real sockets of loops suffer faults, in a program that is built with the
// tag faults: see faultnet.Real.

// loopSockets are those of loops, by descriptor.
var loopSockets sync.Map

// loopSocket is one of them.
type loopSocket struct {
	*Socket
	sends atomic.Int32
}

// handshakeSends are at most made for the answer to a handshake, which finds room: nothing was
// sent before. A loop drops a connection that has none then.
const handshakeSends = 3

// made is called for each new socket of a loop.
func made(s *Socket) { loopSockets.Store(uintptr(s.fd), &loopSocket{Socket: s}) }

// suffer says what becomes of a call on a real socket: how many bytes it may move, or its
// error.
func suffer(fd uintptr, op faultnet.Op, room int) (most int, err error) {
	decide := faultnet.Real.Load()
	x, ok := loopSockets.Load(fd)
	if decide == nil || !ok {
		return room, nil
	}
	s := x.(*loopSocket)
	a := (*decide)(op, room)
	switch {
	case s.state.Load()&socketClosed != 0:
		return room, nil
	case op == faultnet.OpSend && a.Fault != faultnet.Interrupt && s.sends.Add(1) <= handshakeSends && (a.Fault == faultnet.Again || a.Fault == faultnet.Short):
		return room, nil
	case op == faultnet.OpRecv && a.Fault == faultnet.Again && onLoop() && s.is(peerEnded): // there is something: the end
		return room, nil
	}
	switch a.Fault {
	case faultnet.Interrupt:
		return 0, syscall.EINTR
	case faultnet.Short:
		if op == faultnet.OpRecv { // there is more, which the kernel has told of already
			s.tellAgain(a.After)
		}
		return min(room, max(1, a.Bytes)), nil
	case faultnet.Again:
		s.tellAgain(a.After)
		return 0, syscall.EAGAIN
	case faultnet.Reset:
		return 0, syscall.ECONNRESET
	case faultnet.Pipe:
		return 0, syscall.EPIPE
	case faultnet.TimedOut:
		return 0, syscall.ETIMEDOUT
	}
	return room, nil
}

// newsIsSure says that what a short read has left is news: it is not where the read was made short here.
const newsIsSure = false

// tellAgain does what a loop does with the kernel's news.
func (s *Socket) tellAgain(in time.Duration) {
	time.AfterFunc(in, func() {
		if w := s.waits.Load(); w != nil {
			w.news(reads)
			w.news(writes)
		}
		s.Again()
	})
}
