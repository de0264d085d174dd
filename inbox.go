package draftwire

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/draftwire/draftwire/internal/pool"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/wire"
)

// inbox is the reading half of a connection.
type inbox struct {
	src     source
	mu      sync.Mutex
	ev      wire.Event
	ended   error         // sticky: how the connection ended, for readers
	cur     *msgReader    // the last Reader, while its message is not read to the end
	since   time.Duration // when the wait for bytes began, for the idle timeout
	waits   bool          // there is such a wait
	mid     bool          // ReadPart has given a part of a message that was not its last
	idle    bool          // the read deadline is the idle timeout's
	checks  bool          // it is watchEnd's, which has not passed
	owes    bool          // the event in hand is a ping that was not answered
	parting parting       // of unlockIn

	// A message that is being gathered, or that ReadBorrowed has lent.
	kind wire.Op   // of the former; OpNone where there is none
	here bool      // the latter stands in src
	part []byte    // of the former
	lent *pool.Buf // where either stands, if that is not src

	messages, bytes uint64 // that have come, for Stats
}

// message gathers the next message, for the caller to own or to borrow.
func (c *Conn) message(ctx context.Context, own bool) (Op, []byte, error) {
	if err := c.lockIn(); err != nil {
		return 0, nil, err
	}
	defer c.unlockIn()
	return c.nextMessage(ctx, own)
}

// nextMessage is message, under in.mu.
func (c *Conn) nextMessage(ctx context.Context, own bool) (Op, []byte, error) {
	in := &c.in
	c.takeBack()
	if in.cur != nil || in.mid {
		if err := c.dropRest(ctx); err != nil {
			return 0, nil, err
		}
	}
	if in.kind == wire.OpNone { // else a cancelled call left the beginning of one
		if err := c.nextData(ctx); err != nil {
			return 0, nil, err
		}
		if in.ev.Last && (own || c.ses.InPlace()) {
			p := in.ev.Data
			if in.here = !own; own {
				p = append(make([]byte, 0, len(p)), p...)
			}
			c.look()
			return in.ev.Op, p[:len(p):len(p)], nil // an append does not reach what is behind
		}
	}
	return c.gathered(ctx, own)
}

// gathered gathers a message that does not come at once, or not in place: from
// the event in hand on, or from where a cancelled call stopped.
func (c *Conn) gathered(ctx context.Context, own bool) (Op, []byte, error) {
	in := &c.in
	last := false
	if in.kind == wire.OpNone {
		last = in.ev.Last
		in.begin(c.ses.Left(), own)
	}
	for !last {
		var err error
		if last, err = c.gatherNext(ctx, own); err != nil {
			return 0, nil, err
		}
	}
	op, p := in.give(own)
	c.look()
	return op, p, nil
}

// gatherNext adds the next piece of the message in hand. A long payload is
// read to where it belongs.
func (c *Conn) gatherNext(ctx context.Context, own bool) (last bool, err error) {
	in := &c.in
	left := c.ses.Left()
	if left == 0 || in.src.buffered() > 0 {
		if err := c.nextData(ctx); err != nil {
			return false, err
		}
		in.gather(in.ev.Data, c.ses.Left(), own)
		return in.ev.Last, nil
	}
	in.reserve(int(min(left, smallRead)), left, own)
	n, ok, err := c.straight(ctx, in.part[len(in.part):cap(in.part)], left)
	if !ok {
		return false, err
	}
	in.part = in.part[:len(in.part)+n]
	return in.ev.Last, nil
}

// straight reads at most left bytes of payload into p. ok is false where none
// are there yet.
func (c *Conn) straight(ctx context.Context, p []byte, left int64) (n int, ok bool, err error) {
	if c.in.ended != nil {
		return 0, false, c.in.ended
	}
	p = p[:min(int64(len(p)), left)]
	if n, err = c.fill(ctx, p); n == 0 || err != nil {
		return 0, false, err
	}
	_, ok, err = c.handle(ctx, p[:n])
	return n, ok, err
}

// begin begins to gather the message whose first event is in hand.
func (in *inbox) begin(left int64, own bool) {
	in.kind = in.ev.Op
	in.gather(in.ev.Data, left, own)
}

// gather adds a piece to the message in hand, of which left more bytes are
// announced.
func (in *inbox) gather(p []byte, left int64, own bool) {
	if left > 0 {
		left += int64(len(p))
	}
	in.reserve(len(p), left, own)
	in.part = append(in.part, p...)
}

// reserve makes room for n more bytes of the message in hand. left is how many
// are announced, 0 where that is not known. For all of them there is room once
// an eighth of the message is there: nobody gets memory for a mere announcement.
func (in *inbox) reserve(n int, left int64, own bool) {
	have := len(in.part)
	if cap(in.part)-have >= n && in.part != nil {
		return
	}
	most := int64(8*(have+n)) + firstRead
	if left == 0 {
		left, most = math.MaxInt64, int64(max(n, have))
	}
	size := have + int(min(left, most))
	var lent *pool.Buf
	var b []byte
	if own && left <= most { // for the caller to keep
		b = make([]byte, 0, size)
	} else {
		lent = pool.Get(size)
		b = lent.B
	}
	b = append(b, in.part...)
	pool.Put(in.lent)
	in.part, in.lent = b, lent
}

// give ends the gathering, for the caller to own the message or to borrow it.
func (in *inbox) give(own bool) (Op, []byte) {
	op, p := in.kind, in.part
	in.kind, in.part = wire.OpNone, nil
	if own && in.lent != nil {
		if cap(p) > len(p)+len(p)/4 {
			p = append(make([]byte, 0, len(p)), p...)
			pool.Put(in.lent)
		}
		in.lent = nil
	}
	return op, p[:len(p):len(p)]
}

// takeBack ends the loan of the last ReadBorrowed.
func (c *Conn) takeBack() {
	in := &c.in
	in.here = false
	if in.lent != nil && in.kind == wire.OpNone {
		pool.Put(in.lent)
		in.lent = nil
	}
}

// keepLent lets the reader keep what ReadBorrowed lent it, though another
// goroutine reads on.
func (c *Conn) keepLent() {
	in := &c.in
	if in.here {
		in.src.abandon()
		in.here = false
	}
	in.lent = nil
}

// look tells the writing half whether there is more to read at once.
func (c *Conn) look() {
	if more := c.in.src.buffered() > 0 || c.ses.Pending(); more != c.more.Load() {
		c.more.Store(more)
	}
}

// count publishes what has come, for Stats while the reader waits.
func (c *Conn) count() {
	c.stats.messagesIn.Store(c.in.messages)
	c.stats.bytesIn.Store(c.in.bytes)
}

// nextData puts the next event with data into in.ev.
func (c *Conn) nextData(ctx context.Context) error { return c.next(ctx, true) }

// next puts the next event, or the next one with data, into in.ev, reads as
// needed, and gives the automatic answers. While this side closes, data is
// dropped. An error in in.ended is the end; any other is ctx's, and the
// connection goes on.
func (c *Conn) next(ctx context.Context, data bool) error {
	in := &c.in
	for {
		if in.ended != nil {
			return in.ended
		}
		if in.owes { // a cancelled call has left it
			if err := c.answerOwed(ctx); err != nil {
				return err
			}
		}
		if in.src.buffered() == 0 && !c.ses.Pending() {
			if _, err := c.fill(ctx, nil); err != nil {
				return err
			}
		}
		n, ok, err := c.handle(ctx, in.src.bytes())
		in.src.take(n)
		if ok && (!data || in.ev.Op.IsData()) || err != nil {
			return err
		}
	}
}

// handle takes the next event off p. ok tells that it is one for the caller.
func (c *Conn) handle(ctx context.Context, p []byte) (n int, ok bool, err error) {
	n, ok, err = c.decode(p)
	if err != nil || c.in.ev.Op.IsControl() {
		ok, err = c.control(ctx, len(p) > n, err)
	}
	return n, ok, err
}

// decode takes the next event off p. ok tells that it is data for the caller; what
// is for control is left to it.
func (c *Conn) decode(p []byte) (n int, ok bool, err error) {
	ev := &c.in.ev
	n, err = c.ses.Next(p, ev)
	if err != nil || !ev.Op.IsData() {
		return n, false, err
	}
	c.in.bytes += uint64(len(ev.Data))
	if ev.Last {
		c.in.messages++
	}
	return n, !c.is(closing), nil
}

// control handles an event that is no data, or the failure to find one. more
// tells that there are bytes behind it.
func (c *Conn) control(ctx context.Context, more bool, err error) (ok bool, _ error) {
	ev := &c.in.ev
	if err != nil {
		return false, c.fault(err)
	}
	switch ev.Op {
	case wire.OpPing:
		if err := c.reply(ctx, more); err != nil {
			return false, c.unanswered(ctx, err)
		}
	case wire.OpPong:
		c.pong(ev.Data)
	case wire.OpClose:
		return false, c.closed(ctx, ev)
	}
	return true, nil
}

// unanswered is called where the ping in hand has no answer. Where ctx has ended while the
// peer took no answers, the next call that reads goes on with it.
//
//go:noinline
func (c *Conn) unanswered(ctx context.Context, err error) error { // apart, as stacks are short
	if c.in.owes = ctx.Err() != nil && !c.is(over); c.in.owes {
		return err
	}
	return c.end(err, false)
}

//go:noinline
func (c *Conn) answerOwed(ctx context.Context) error {
	if err := c.reply(ctx, c.in.src.buffered() > 0); err != nil {
		return c.unanswered(ctx, err)
	}
	c.in.owes = false
	return nil
}

// fault ends the connection of a peer that broke the rules. It and closed stand apart
// from control, as stacks are short.
//
//go:noinline
func (c *Conn) fault(err error) error {
	c.writeClose(session.FailureCode(err), reasonOf(err), c.now()+c.closeTimeout())
	return c.end(err, true)
}

// closed answers the peer's close, and ends the connection.
//
//go:noinline
func (c *Conn) closed(ctx context.Context, ev *wire.Event) error {
	ce := &CloseError{Code: ev.Code, Reason: string(ev.Data)}
	if err := c.reply(ctx, false); err != nil {
		return c.end(ce, false)
	}
	return c.end(ce, true)
}

// reasonOf is what a peer is told of its fault.
func reasonOf(err error) string {
	if pe, ok := err.(*ProtocolError); ok {
		return pe.Msg
	}
	return ""
}

// fill reads more bytes, into dst or, where that is nil, into the source's
// buffer. It is bounded by ctx, the idle timeout and the closing handshake's;
// without bytes and error it wants to be called again.
func (c *Conn) fill(ctx context.Context, dst []byte) (int, error) {
	if err := c.ready(ctx); err != nil {
		return 0, err
	}
	var n int
	var err error
	if dst == nil {
		n, err = c.in.src.read(false)
	} else {
		n, err = c.in.src.readInto(dst)
	}
	if err != nil {
		return 0, c.fillFailed(ctx, err)
	}
	c.in.waits = false
	if c.is(closing) && c.dropped(n) {
		return 0, c.end(&abnormalError{errNoEnd}, false)
	}
	return n, nil
}

// A peer that has our close may send what is under way, which is dropped, but not for
// ever: dropMost is in units of a read and of dropUnit bytes, 16 MiB where reads are large.
const (
	dropMost = 4096
	dropUnit = 4 << 10
)

var errNoEnd = errors.New("draftwire: the peer sent on and on behind our close")

// dropped counts a read of n bytes behind our close. It reports whether that was too much.
func (c *Conn) dropped(n int) bool {
	c.drops += uint16(1 + n/dropUnit)
	return c.drops > dropMost
}

// ready does what is to be done before the reader waits for bytes.
func (c *Conn) ready(ctx context.Context) error {
	if c.more.Load() {
		c.more.Store(false)
	}
	if c.in.bytes != c.stats.bytesIn.Load() || c.in.messages != c.stats.messagesIn.Load() {
		c.count()
	}
	if c.held.Load() {
		c.release()
	}
	c.ses.Idle()
	if done := c.done(ctx); done != nil || c.rctx != nil {
		if err := c.watchRead(ctx, done); err != nil {
			return err
		}
	}
	if c.set.limits.IdleTimeout > 0 {
		c.watchIdle()
	}
	return nil
}

// watchRead lets the end of ctx end the read.
func (c *Conn) watchRead(ctx context.Context, done <-chan struct{}) error {
	if done != nil {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if c.rctx == nil {
		c.mu.Lock()
		c.rctx = new(watch)
		c.mu.Unlock()
	}
	if c.rctx.done == done {
		return nil
	}
	if c.rctx.arm(&c.mu, ctx, done, func() { c.nc().SetReadDeadline(past) }) {
		// Take back the deadline that the end of an earlier context set.
		c.mu.Lock()
		c.nc().SetReadDeadline(c.at(c.closeBy))
		c.mu.Unlock()
		c.in.idle, c.in.checks = false, false
	}
	return nil
}

// watchIdle sets the deadline of the idle timeout. It is not moved each time
// that bytes come, but when it passes.
func (c *Conn) watchIdle() {
	in := &c.in
	if !in.waits {
		in.since, in.waits = c.now(), true
	}
	if in.idle {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.rctx.cut() && c.closeBy == 0 {
		c.nc().SetReadDeadline(c.at(in.since + c.set.limits.IdleTimeout))
	}
	in.idle, in.checks = true, false
}

// fillFailed says what a failed read means: nil where it is to be done again.
func (c *Conn) fillFailed(ctx context.Context, err error) error {
	if !isTimeout(err) {
		return c.readFailed(err)
	}
	c.mu.Lock()
	fired, closeBy := c.rctx.cut(), c.closeBy
	c.mu.Unlock()
	idle := c.set.limits.IdleTimeout
	switch {
	case fired:
		c.rctx.disarm(&c.mu)
		return ctx.Err()
	case closeBy != 0 && c.now() >= closeBy:
		return c.end(&abnormalError{errNoAnswer}, false)
	case closeBy != 0 || c.in.checks: // the former: woken by Close
		c.endCheck()
		return nil
	case idle > 0 && c.now() < c.in.since+idle: // the deadline is that of an earlier wait
		c.in.idle = false
		return nil
	case idle > 0:
		c.writeClose(CodeGoingAway, "idle", c.now()+c.closeTimeout())
		return c.end(&abnormalError{errIdle}, true)
	}
	return c.readFailed(err)
}
