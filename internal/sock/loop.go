package sock

import (
	"errors"
	"net"
	"syscall"

	"github.com/draftwire/draftwire/internal/pool"
)

// A loop waits for many sockets at once, in place of a goroutine for each: see Loops. What
// it calls when there is news of a socket is the socket's Turner.
type Turner interface {
	// Turn is called by the goroutine of a loop: it must not wait, or all sockets of the loop
	// wait. Calls for one socket come one after the other.
	Turn(t *Turn)
}

// Turn is what a loop tells of a socket that has its turn.
type Turn struct {
	Socket *Socket
	FD     uintptr   // valid until Turn returns; NoSocket where this side has closed it
	Buf    *pool.Buf // lent for the turn, empty; who keeps it leaves nil
	// Again is set by the Turner where it stops though there may be more to read: it gets
	// another turn when the other sockets have had theirs.
	Again bool
}

// ErrOnLoop is the error of a call that would have to wait, made by the goroutine of a loop.
var ErrOnLoop = errors.New("draftwire: a loop does not wait")

// turnRead is how many bytes a loop's buffer has. It is one for all sockets of the loop, so
// that it stays in the processor's cache.
const turnRead = 128 << 10

// IsSocket reports whether a listener is a socket. One that embeds a socket may do more than that.
func IsSocket(l net.Listener) bool {
	switch l.(type) {
	case *net.TCPListener, *net.UnixListener:
		return true
	}
	return false
}

// Closed reports whether a listener, which is a socket, was closed.
func Closed(l net.Listener) bool {
	c, ok := l.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	return err != nil || raw.Control(func(uintptr) {}) != nil
}
