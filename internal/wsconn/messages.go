package wsconn

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// MessagesBusy is Read in a loop, for Messages, while the connection is busy: it reads as
// ReadLoop does then. more is false where yield was, and where there is an error.
//
// Unlike ReadLoop's function, the body of Messages may do what it likes: it has the lock. What
// it cannot do is to wait for bytes on the socket, which the runtime has lent to the loop
// around it. So it waits on a second descriptor (fillInBody).
func (c *Conn) MessagesBusy(ctx context.Context, yield func(op wire.Op, p []byte) bool) (more bool, err error) {
	r := &c.r
	if err := r.lock(); err != nil {
		return false, err
	}
	if c.is(staying) || !sock.HasSecond(c.Stream()) {
		r.unlock()
		return true, nil
	}
	c.state.Or(staying)
	defer r.leaveMessages()
	err = r.readBusy(ctx, owned, func(op wire.Op, p []byte) error {
		r.mu.Unlock()
		defer r.relock()
		if !yield(op, p) {
			return errBreak
		}
		return nil
	})
	if err == errBreak {
		return false, nil
	}
	return err == nil, err
}

var errBreak = errors.New("draftwire: the body of Messages has left it")

// relock locks the reader behind the body. A goroutine that closes may have it.
func (r *reader) relock() {
	switch {
	case r.mu.TryLock():
	case r.c.is(closing) && r.lockForClose():
	default:
		r.mu.Lock()
	}
}

// leaveMessages ends MessagesBusy, also where the body has left it by a panic.
func (r *reader) leaveMessages() {
	c := r.c
	c.state.And(^staying)
	if x := c.rare.Load(); x != nil && x.second != nil {
		x.second.Close()
		x.second = nil
	}
	r.unlock()
	if c.is(closing) {
		c.awaitRelease()
	}
}

// inBody reports whether the runtime has lent the socket to a Messages, whose body runs. It is
// for a goroutine that has the reader's lock.
func (r *reader) inBody() bool { return r.c.w.lent }

// inBody is reader.inBody for any goroutine.
func (c *Conn) inBody() bool {
	if !c.is(staying) {
		return false
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.w.lent
}

// bodyLook is how often a wait for bytes within the body of Messages looks whether it is to
// end: it does not see the deadlines of the connection, which are those of the first descriptor.
const bodyLook = 50 * time.Millisecond

// fillInBody is fill within the body of Messages. Where it is to end without bytes the error is
// for fillFailed.
//
//go:noinline
func (r *reader) fillInBody(dst []byte) (int, error) { // noinline: keeps a cold frame off the 2 KiB stack
	c := r.c
	x := c.needRare()
	if x.second == nil {
		var err error
		if x.second, err = sock.NewSecond(c.Stream()); err != nil {
			return 0, err
		}
	}
	for {
		n, err := x.second.Refill(&r.src, dst, bodyLook)
		if n > 0 || !sock.IsTimeout(err) {
			return n, err
		}
		c.mu.Lock()
		ended, fired, by := c.endCause() != nil, c.readWatch().hasFired(), c.answerBy()
		c.mu.Unlock()
		idle := c.lim.IdleTimeout
		switch t := now(); {
		case ended:
			return 0, net.ErrClosed
		case fired, by != 0 && t >= by, idle > 0 && t >= r.waitSince+idle:
			return 0, err
		}
	}
}
