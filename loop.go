package draftwire

import (
	"context"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// ReadLoop reads messages and gives them to fn, one after the other, until fn
// returns an error, the connection ends or ctx does, and returns that error, as
// Read would. The bytes are lent until fn returns: fn may change them and give
// them to Write, and copies what it keeps.
//
// It is the fastest way to read: where messages come often, the runtime's poller
// calls fn, which saves a read for each message.
//
// fn must not read from the connection: that is an error. Close may be called
// while the loop runs, by fn too: it then does not wait for the peer's answer;
// ReadLoop does, and returns.
func (c *Conn) ReadLoop(ctx context.Context, fn func(op Op, p []byte) error) error {
	if err := c.lockIn(); err != nil {
		return err
	}
	c.state.Or(looping)
	defer c.leaveLoop()
	since, more := time.Duration(0), busyMessages // as if it had begun with the connection
	for {
		op, p, err := c.nextMessage(ctx, false)
		if err == nil {
			err = fn(op, p)
		}
		if err != nil {
			return err
		}
		if more--; more == 0 {
			if c.now()-since < busyTime && c.in.src.raw != nil && !c.ses.Compresses() {
				if err := c.readBusy(ctx, fn); err != nil {
					return err
				}
			}
			since, more = c.now(), busyMessages
		}
	}
}

// A connection that gets busyMessages in busyTime is busy, until it gets fewer than
// stillBusy in checkTime.
const (
	busyMessages = 16
	busyTime     = time.Second
	stillBusy    = 2
)

// leaveLoop gives the reading half back. Where Close was called, it has left the
// peer's answer to the loop.
func (c *Conn) leaveLoop() {
	c.state.And(^looping)
	closes := c.is(closing)
	if closes {
		c.readAnswer()
	}
	if c.look(); c.held.Load() && !c.more.Load() {
		c.release()
	}
	c.unlockIn()
	if closes {
		c.settle()
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
	c   *Conn
	ctx context.Context
	fn  func(Op, []byte) error
	how leaving
	err error
}

// leaving is why a try leaves the runtime's call.
type leaving uint8

const (
	leavesNot     leaving = iota // but the stream ends or fails
	leavesControl                // the event in hand, or err, is for control
	leavesPart                   // a message has begun to come
	leavesFull                   // there may be more to read
	leavesError                  // err ends the loop
)

// readBusy is ReadLoop while the connection is busy: nil when it no longer is.
func (c *Conn) readBusy(ctx context.Context, fn func(Op, []byte) error) error {
	b := &busyReader{c: c, ctx: ctx, fn: fn}
	in := &c.in
	seen := in.messages
	for try := b.try; ; {
		for in.kind != wire.OpNone || in.src.buffered() > 0 {
			op, p, err := c.nextMessage(ctx, false)
			if err == nil {
				err = fn(op, p)
			}
			if err != nil {
				return err
			}
		}
		c.takeBack()
		in.src.release()
		err := c.ready(ctx)
		if err == nil {
			err = b.left(in.src.raw.Read(try))
		}
		if err != nil {
			return err
		}
		if !in.checks {
			if in.messages-seen < stillBusy {
				return nil
			}
			seen = in.messages
		}
	}
}

// left handles what has made a try leave; err is that of the runtime's call.
func (b *busyReader) left(err error) error {
	c := b.c
	switch {
	case b.how == leavesControl:
		_, err = c.control(b.ctx, c.in.src.buffered() > 0, b.err)
	case b.how == leavesError:
		err = b.err
	case b.how == leavesNot && err == nil:
		err = c.fillFailed(b.ctx, c.in.src.err)
	case b.how == leavesNot:
		err = c.fillFailed(b.ctx, err)
	}
	b.how, b.err = leavesNot, nil
	return err
}

// try is called by the runtime when the socket may be readable; false means
// wait.
func (b *busyReader) try(fd uintptr) (done bool) {
	c := b.c
	s := &c.in.src
	defer c.lend(noSocket) // also where fn panics: the runtime takes it back
	if done := s.tryRead(fd); s.buf == nil {
		return done
	}
	full := len(s.buf.B) == cap(s.buf.B)
	c.in.waits = false
	s.adapt()
	c.lend(fd)
	for s.buffered() > 0 {
		b.next()
		if b.how != leavesNot {
			return true
		}
	}
	s.release()
	if err := c.ready(b.ctx); err != nil {
		b.how, b.err = leavesError, err
		return true
	}
	if full || c.is(closing) { // from outside, where deadlines and a close are seen: a peer may never stop
		b.how = leavesFull
		return true
	}
	c.watchEnd()
	return false
}

// checkTime is how late the end of a stream is seen at most that came with the
// last bytes.
const checkTime = 100 * time.Millisecond

// watchEnd bounds the wait behind a read that got less than there was room for:
// where the peer has ended the stream behind these bytes, the news of both may have
// come as one, and no other follows. The deadline is not moved each time that bytes
// come. When it passes, a read is tried; where that gets nothing, there will be news
// of whatever comes.
func (c *Conn) watchEnd() {
	in := &c.in
	if in.checks {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rctx.cut() || c.closeBy != 0 || c.why != nil {
		return
	}
	at := c.now() + checkTime
	if in.idle {
		at = min(at, in.since+c.set.limits.IdleTimeout)
	}
	c.nc().SetReadDeadline(c.at(at))
	in.checks = true
}

// endCheck takes watchEnd's deadline back: it is Close's again, or none.
func (c *Conn) endCheck() {
	c.in.checks, c.in.idle = false, false
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.rctx.cut() && c.why == nil {
		c.nc().SetReadDeadline(c.at(c.closeBy))
	}
}

// next takes the next event, and gives it to fn if it is a message.
func (b *busyReader) next() {
	c, in := b.c, &b.c.in
	n, ok, err := c.decode(in.src.bytes())
	in.src.take(n)
	switch {
	case err != nil || in.ev.Op.IsControl():
		b.how, b.err = leavesControl, err
	case !ok:
	case !in.ev.Last:
		b.how = leavesPart
		in.begin(c.ses.Left(), false)
	default:
		c.look()
		p := in.ev.Data
		if err := b.fn(in.ev.Op, p[:len(p):len(p)]); err != nil { // an append does not reach what is behind
			b.how, b.err = leavesError, err
		}
	}
}
