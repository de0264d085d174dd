package wsconn

import (
	"context"
	"time"

	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// ReadLoop reads messages and gives them to fn: see draftwire.Conn.ReadLoop.
func (c *Conn) ReadLoop(ctx context.Context, fn func(op wire.Op, p []byte) error) error {
	return c.r.loop(ctx, fn)
}

func (r *reader) loop(ctx context.Context, fn func(op wire.Op, p []byte) error) error {
	if err := r.lock(); err != nil {
		return err
	}
	r.c.state.Or(looping)
	defer r.leaveLoop()
	pace := NewPace()
	for {
		op, p, err := r.nextMessage(ctx, borrowed)
		if err == nil {
			err = fn(op, p)
		}
		if err != nil {
			return err
		}
		if pace.Busy(r.c) {
			if err := r.readBusy(ctx, borrowed, fn); err != nil {
				return err
			}
		}
	}
}

// Pace counts the messages of a loop, to know when its connection is busy. It is the time when
// it began, and in the last bits how many messages are still to come until it looks at the
// clock: one word of the stack.
type Pace time.Duration

const paceBits = 2*busyMessages - 1

// NewPace returns a pace that begins now.
func NewPace() Pace { return Pace(now())&^paceBits | busyMessages }

// Busy counts a message, and reports whether the connection is busy, and may be read as such.
func (p *Pace) Busy(c *Conn) bool {
	*p--
	return *p&paceBits == 0 && p.again(c)
}

// again begins to count anew, and reports whether the messages have come within a short time.
//
//go:noinline
func (p *Pace) again(c *Conn) bool { // noinline: keeps a cold frame off the 2 KiB stack
	began := time.Duration(*p)
	*p = NewPace()
	return now()-began < busyTime && c.Polls() && !c.ses.Compresses() && !c.is(staying)
}

// A connection that gets busyMessages in busyTime is busy, until it gets fewer than
// stillBusy in checkTime.
const (
	busyMessages = 16
	busyTime     = time.Second
	stillBusy    = 2
)

// leaveLoop gives the lock back. Where Close was called, it has left the peer's answer to
// the loop.
func (r *reader) leaveLoop() {
	c := r.c
	c.state.And(^looping)
	closes := c.is(closing)
	if closes {
		r.awaitClose()
	}
	r.publishPending()
	if c.is(outputHeld) && !c.is(inputPending) {
		c.w.FlushHeld()
	}
	r.unlock()
	if closes {
		c.awaitRelease()
	}
}

// busyReader is ReadLoop on the socket of a busy connection, for as long as it is. It
// waits inside the runtime's call, which keeps news of bytes that come meanwhile: a
// read that got less than there was room for need not be followed by one that gets
// nothing.
//
// It takes more stack, which then stays: only a busy connection is to have that,
// and none with compression, which takes its own. What takes more reads, is no data,
// or ends the connection is handled outside of the runtime's call.
type busyReader struct {
	r    *reader
	ctx  context.Context
	own  ownership // of what fn gets
	fn   func(wire.Op, []byte) error
	exit tryExit
	err  error
}

// tryExit is why a try leaves the runtime's call.
type tryExit uint8

const (
	exitNone    tryExit = iota // it does not, or the stream has ended or failed
	exitControl                // the event in hand, or err, is for control
	exitPart                   // a message has begun to come, or fn has left something that is not done
	exitFull                   // there may be more to read
	exitError                  // err ends the loop
)

// readBusy is ReadLoop while the connection is busy: nil when it no longer is.
func (r *reader) readBusy(ctx context.Context, own ownership, fn func(wire.Op, []byte) error) error {
	b := &busyReader{r: r, ctx: ctx, own: own, fn: fn}
	seen := r.messagesIn()
	for try := b.try; ; {
		for !r.settled() || r.src.Buffered() > 0 {
			op, p, err := r.nextMessage(ctx, own)
			if err == nil {
				err = fn(op, p)
			}
			if err != nil {
				return err
			}
		}
		r.takeBack()
		r.src.Release()
		err := r.beforeWait(ctx)
		if err == nil {
			err = b.handleExit(r.c.raw().Read(try))
		}
		if err != nil {
			return err
		}
		if !r.checkSet {
			if r.messagesIn()-seen < stillBusy {
				return nil
			}
			seen = r.messagesIn()
		}
	}
}

// settled reports whether nothing is to be done before the next event: fn may have read, where
// it is the body of Messages.
func (r *reader) settled() bool {
	return !r.c.is(readEnded) && r.kind == wire.OpNone && r.open == nil && !r.inParts && !r.owesPong
}

// handleExit handles what has made a try leave; err is that of the runtime's call.
func (b *busyReader) handleExit(err error) error {
	r := b.r
	switch {
	case b.exit == exitControl:
		_, err = r.control(b.ctx, r.src.Buffered() > 0, b.err)
	case b.exit == exitError:
		err = b.err
	case b.exit == exitNone && err == nil:
		err = r.fillFailed(b.ctx, r.src.Err())
	case b.exit == exitNone:
		err = r.fillFailed(b.ctx, err)
	}
	b.exit, b.err = exitNone, nil
	return err
}

// try is called by the runtime when the socket may be readable; false means wait.
func (b *busyReader) try(fd uintptr) bool {
	r := b.r
	c := r.c
	defer c.w.lend(sock.NoSocket) // also where fn panics: the runtime takes it back
	done, full := r.src.TryRead(fd)
	if r.src.Buffered() == 0 {
		return done
	}
	r.gotBytes()
	c.w.lend(fd)
	for r.src.Buffered() > 0 {
		b.next()
		if b.exit == exitNone && !r.settled() {
			b.exit = exitPart
		}
		if b.exit != exitNone {
			return true
		}
	}
	r.src.Release()
	if err := r.beforeWait(b.ctx); err != nil {
		b.exit, b.err = exitError, err
		return true
	}
	if full || c.is(closing) { // from outside, where deadlines and a close are seen: a peer may never stop
		b.exit = exitFull
		return true
	}
	r.watchEnd()
	return false
}

// next takes the next event, and gives it to fn if it is a message.
func (b *busyReader) next() {
	r := b.r
	n, ok, err := r.decode(r.src.Bytes())
	r.src.Discard(n)
	switch {
	case err != nil || r.ev.Op.IsControl():
		b.exit, b.err = exitControl, err
	case !ok:
	case !r.ev.Last:
		b.exit = exitPart
		r.begin(r.c.ses.Remaining(), b.own)
	default:
		p := r.ev.Data
		if b.own == owned {
			p = r.own(p)
		}
		r.publishPending()
		if err := b.fn(r.ev.Op, p[:len(p):len(p)]); err != nil { // an append does not reach what is behind
			b.exit, b.err = exitError, err
		}
	}
}

// checkTime is how late the end of a stream is seen at most that came with the
// last bytes.
const checkTime = 100 * time.Millisecond

// watchEnd bounds the wait behind a read that got less than there was room for:
// where the peer has ended the stream behind these bytes, the news of both may have
// come as one, and no other follows. The deadline is not moved each time that bytes
// come. When it passes, a read is tried; where that gets nothing, there will be news
// of whatever comes.
func (r *reader) watchEnd() {
	if r.checkSet {
		return
	}
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.readWatch().hasFired() || c.answerBy() != 0 || c.endCause() != nil {
		return
	}
	by := now() + checkTime
	if r.idleSet {
		by = min(by, r.waitSince+c.lim.IdleTimeout)
	}
	c.Stream().SetReadDeadline(at(by))
	r.checkSet = true
}

// endCheck takes watchEnd's deadline back: it is Close's again, or none.
func (r *reader) endCheck() {
	r.checkSet, r.idleSet = false, false
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.readWatch().hasFired() && c.endCause() == nil {
		c.Stream().SetReadDeadline(at(c.answerBy()))
	}
}
