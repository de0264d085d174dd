package wsconn

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// reader is the reading half of a connection. Its lock belongs to the goroutine that reads,
// for as long as its call lasts.
type reader struct {
	socket    *sock.Socket // the stream, if it is one of a loop; first, as a write needs it
	c         *Conn
	mu        sync.Mutex
	*input                  // see borrow
	waitSince time.Duration // when the wait for bytes began, for the idle timeout

	waits    bool   // there is such a wait
	idleSet  bool   // the read deadline is the idle timeout's
	checkSet bool   // it is watchEnd's
	ending   ending // of unlock
	place    int32  // Conn.Place, which has room here
}

func (r *reader) init(c *Conn, src *sock.Reader) {
	r.c = c
	r.socket, _ = src.Conn().(*sock.Socket)
	r.input = inputs.Get().(*input)
	r.src.Adopt(src)
}

// The lock.

// lock locks the reader for a call that reads.
func (r *reader) lock() error {
	switch c := r.c; {
	case c.is(driven): // also while no turn has the lock, as the loop is not to wait for it
		return errLooping
	case r.mu.TryLock():
	case c.is(looping):
		return errLooping
	case !c.is(closing):
		r.mu.Lock()
	case !r.lockForClose():
		return errLooping
	}
	r.borrow()
	r.src.Prepare()
	return nil
}

// unlock gives the lock back, and closes the stream where the reader has found the end: here
// and not where that was found, as there the stack is deep already.
func (r *reader) unlock() {
	how := r.ending
	if how != notEnding {
		r.ending = notEnding
	}
	r.giveBack()
	r.mu.Unlock()
	if how != notEnding {
		r.c.closeStream(how)
	}
}

// lockForClose locks the reader for Close, or behind one. Where another goroutine reads,
// that one sees the peer's answer, unless its context ends before; both are waited
// for in a way that testing/synctest's clock goes on, as it would not for a mutex.
// A ReadLoop keeps the lock: its function may be what closes.
func (r *reader) lockForClose() bool {
	for wait := time.Millisecond; !r.mu.TryLock(); wait = min(2*wait, time.Second) {
		if r.c.is(looping) {
			return false
		}
		t := time.NewTimer(wait)
		select {
		case <-r.c.Context().Done():
			t.Stop()
			r.mu.Lock() // the goroutine that reads is on its way out
			r.borrow()
			return true
		case <-t.C:
		}
	}
	r.borrow()
	return true
}

// Events.

// next puts the next event, or with data the next one that has data, into r.ev, reads as
// needed, and gives the automatic answers. While this side closes, data is dropped. An
// error that ended returns is the end; any other is ctx's, and the connection goes on.
func (r *reader) next(ctx context.Context, data bool) error {
	for {
		if err := r.ended(); err != nil {
			return err
		}
		if r.owesPong { // an interrupted call has left it
			if err := r.answerOwed(ctx); err != nil {
				return err
			}
		}
		if r.src.Buffered() == 0 && !r.c.ses.Pending() {
			if _, err := r.fill(ctx, nil); err != nil {
				return err
			}
		}
		n, ok, err := r.decode(r.src.Bytes())
		if err != nil || r.ev.Op.IsControl() {
			ok, err = r.control(ctx, r.src.Buffered() > n, err)
		}
		r.src.Discard(n)
		if ok && (!data || r.ev.Op.IsData()) || err != nil {
			return err
		}
	}
}

// nextData puts the next event with data into r.ev.
func (r *reader) nextData(ctx context.Context) error { return r.next(ctx, true) }

// decode takes the next event off p. ok tells that it is data for the caller; what
// is for control is left to it.
func (r *reader) decode(p []byte) (n int, ok bool, err error) {
	ev := &r.ev
	n, err = r.c.ses.Next(p, ev)
	if err != nil || !ev.Op.IsData() {
		if ev.Op == wire.OpDiscard && ev.First && len(ev.Data) > 0 {
			r.c.hooks.Discarded()
		}
		return n, false, err
	}
	r.bytes += uint64(len(ev.Data))
	if ev.Last {
		r.messages++
	}
	return n, !r.c.is(closing), nil
}

// control handles an event that is no data, or the failure to find one. more
// tells that there are bytes behind it.
func (r *reader) control(ctx context.Context, more bool, err error) (ok bool, _ error) {
	if err != nil {
		return false, r.failFault(err)
	}
	if ok, err := r.told(); ok {
		return err == nil, err
	}
	switch r.ev.Op {
	case wire.OpPing:
		if err := r.c.w.reply(ctx, &r.ev, more); err != nil {
			return false, r.unanswered(ctx, err)
		}
	case wire.OpPong:
		r.c.gotPong(r.ev.Data)
	case wire.OpClose:
		return false, r.failClosed(ctx)
	}
	return true, nil
}

// unanswered is called where the ping in hand has no answer. Where ctx has ended while the
// peer took no answers, the next call that reads goes on with it.
//
//go:noinline
func (r *reader) unanswered(ctx context.Context, err error) error { // noinline: keeps a cold frame off the 2 KiB stack
	r.owesPong = ctx.Err() != nil && !r.c.is(closed)
	if r.owesPong {
		r.ev.Data = bytes.Clone(r.ev.Data) // a turn gives its buffer back
		return err
	}
	return r.fail(err, abort)
}

//go:noinline
func (r *reader) answerOwed(ctx context.Context) error { // noinline: keeps a cold frame off the 2 KiB stack
	if err := r.c.w.reply(ctx, &r.ev, r.src.Buffered() > 0); err != nil {
		return r.unanswered(ctx, err)
	}
	r.owesPong = false
	return nil
}

// Waiting for bytes.

// fill reads more bytes, into dst or, where that is nil, into the source's
// buffer. It is bounded by ctx, the idle timeout and the closing handshake's;
// without bytes and error it wants to be called again.
func (r *reader) fill(ctx context.Context, dst []byte) (int, error) {
	if err := r.beforeWait(ctx); err != nil {
		return 0, err
	}
	var n int
	var err error
	switch {
	case r.c.is(staying) && r.inBody():
		n, err = r.fillInBody(dst)
	case dst == nil:
		n, err = r.src.Refill()
	default:
		n, err = r.src.ReadInto(dst)
	}
	if err != nil {
		return 0, r.fillFailed(ctx, err)
	}
	if state := r.gotBytes(); state&closing != 0 && r.tooMuchBehindClose(n) {
		return 0, r.fail(&abnormalError{errTooMuch}, abort)
	}
	return n, nil
}

// gotBytes notes that something has come, and returns the connection's state.
func (r *reader) gotBytes() (state uint32) {
	r.waits = false
	if state = r.c.state.Load(); state&heard == 0 {
		r.c.state.Or(heard)
	}
	return state
}

// A peer that has our close may send what is under way, which is dropped, but not for
// ever: behindCloseMost is in units of a read and of behindCloseUnit bytes, 16 MiB where
// reads are large.
const (
	behindCloseMost = 4096
	behindCloseUnit = 4 << 10
)

// tooMuchBehindClose counts a read of n bytes behind our close. It reports whether that
// was too much.
func (r *reader) tooMuchBehindClose(n int) bool {
	r.c.readBehind += uint16(1 + n/behindCloseUnit)
	return r.c.readBehind > behindCloseMost
}

// beforeWait does what is to be done before the reader waits for bytes.
func (r *reader) beforeWait(ctx context.Context) error {
	if r.c.is(inputPending) {
		r.c.state.And(^inputPending)
	}
	if r.bytes > 0 || r.messages > 0 {
		r.publishCounts()
	}
	if r.c.is(outputHeld) {
		r.c.w.FlushHeld()
	}
	r.c.ses.ReleaseScratch()
	if done := r.c.doneOf(ctx); done != nil || r.c.readWatch() != nil {
		if err := r.watchContext(ctx, done); err != nil {
			return err
		}
	}
	if r.c.lim.IdleTimeout > 0 {
		r.watchIdle()
	}
	return nil
}

// publishPending tells the writer whether there is more to read at once.
func (r *reader) publishPending() {
	switch pending := r.src.Buffered() > 0 || r.c.ses.Pending(); {
	case pending == r.c.is(inputPending):
	case pending:
		r.c.state.Or(inputPending)
	default:
		r.c.state.And(^inputPending)
	}
}

// publishCounts publishes what has come, for Stats while the reader waits.
func (r *reader) publishCounts() {
	s := &r.c.stats
	s.messagesIn.Store(s.messagesIn.Load() + r.messages)
	s.bytesIn.Store(s.bytesIn.Load() + r.bytes)
	r.messages, r.bytes = 0, 0
}

// messagesIn returns how many messages have come.
func (r *reader) messagesIn() uint64 { return r.c.stats.messagesIn.Load() + r.messages }

// watchContext lets the end of ctx interrupt the read.
func (r *reader) watchContext(ctx context.Context, done <-chan struct{}) error {
	if done != nil {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	c := r.c
	watch := &c.needRare().read
	if watch.done == done {
		return nil
	}
	if watch.arm(&c.mu, ctx, done, func() { c.Stream().SetReadDeadline(sock.Past) }) {
		// Take back the deadline that the end of an earlier context set.
		c.mu.Lock()
		c.Stream().SetReadDeadline(at(c.answerBy()))
		c.mu.Unlock()
		r.idleSet, r.checkSet = false, false
	}
	return nil
}

// watchIdle sets the deadline of the idle timeout. It is not moved each time
// that bytes come, but when it passes.
func (r *reader) watchIdle() {
	if !r.waits {
		r.waitSince, r.waits = now(), true
	}
	if r.idleSet {
		return
	}
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.readWatch().hasFired() && c.answerBy() == 0 {
		c.Stream().SetReadDeadline(at(r.waitSince + c.lim.IdleTimeout))
	}
	r.idleSet, r.checkSet = true, false
}

// fillFailed says what a failed read means: nil where it is to be done again.
func (r *reader) fillFailed(ctx context.Context, err error) error {
	if !sock.IsTimeout(err) {
		return r.failStream(err)
	}
	c := r.c
	c.mu.Lock()
	fired, answerBy := c.readWatch().hasFired(), c.answerBy()
	c.mu.Unlock()
	idle := c.lim.IdleTimeout
	switch {
	case fired:
		c.readWatch().disarm(&c.mu)
		return ctx.Err()
	case answerBy != 0 && now() >= answerBy:
		return r.fail(&abnormalError{errNoAnswer}, abort)
	case answerBy != 0 || r.checkSet: // the former: woken by Close
		r.endCheck()
		return nil
	case idle > 0 && (!r.waits || now() < r.waitSince+idle): // the deadline is that of an earlier wait
		r.idleSet = false
		return nil
	case idle > 0 && r.handOver(func() { r.fillFailed(ctx, err) }):
		return err
	case idle > 0:
		c.w.writeClose(wire.CodeGoingAway, "idle", now()+c.closeTimeout())
		return r.fail(&abnormalError{errIdle}, linger)
	}
	return r.failStream(err)
}

// The end.

// fail makes err the end of the connection, for readers. The stream is closed by unlock.
func (r *reader) fail(err error, how ending) error {
	c := r.c
	if r.handOver(func() { r.fail(err, how) }) {
		return err
	}
	if c.is(closing) && !errors.Is(err, wire.ErrClosed) {
		err = &closedError{err}
	}
	c.w.flushLast()
	r.endReading(err)
	if c.markClosed(err) {
		r.ending = how
	}
	return err
}

// ended returns how the connection has ended, for readers; nil while it has not.
func (r *reader) ended() error {
	if !r.c.is(readEnded) {
		return nil
	}
	return r.c.rare.Load().readEnd
}

// endReading makes err what all calls that read return from now on.
func (r *reader) endReading(err error) error {
	c := r.c
	c.needRare().readEnd = err
	c.state.Or(readEnded)
	r.publishCounts()
	c.state.And(^inputPending)
	if c.is(outputHeld) {
		c.w.FlushHeld()
	}
	c.readWatch().disarm(&c.mu)
	r.src.Release()
	r.part = nil
	return err
}

// failFault ends the connection of a peer that broke the rules.
//
//go:noinline
func (r *reader) failFault(err error) error { // noinline: keeps a cold frame off the 2 KiB stack
	if r.handOver(func() { r.failFault(err) }) {
		return err
	}
	said := ""
	if pe, ok := err.(*wire.ProtocolError); ok {
		said = pe.Msg
	}
	r.c.w.writeClose(session.FailureCode(err), said, now()+r.c.closeTimeout())
	return r.fail(err, linger)
}

// failClosed answers the peer's close, and ends the connection.
//
//go:noinline
func (r *reader) failClosed(ctx context.Context) error { // noinline: keeps a cold frame off the 2 KiB stack
	ce := &wire.CloseError{Code: r.ev.Code, Reason: string(r.ev.Data)}
	if r.c.holdClose(ce) {
		return r.endReading(ce)
	}
	return r.answerClose(ctx, ce)
}

// answerClose answers the close in hand.
func (r *reader) answerClose(ctx context.Context, ce *wire.CloseError) error {
	if r.handOver(func() {
		r.ev.Data = []byte(ce.Reason) // the turn has given its buffer back
		r.answerClose(r.c.Context(), ce)
	}) {
		return ce
	}
	if err := r.c.w.reply(ctx, &r.ev, false); err != nil {
		return r.fail(ce, abort)
	}
	return r.fail(ce, linger)
}

// failStream turns an error of the stream into the connection's end.
func (r *reader) failStream(err error) error {
	if cause := r.c.whyClosed(); cause != nil {
		return r.fail(cause, abort)
	}
	// A TLS peer that leaves without close_notify is an io.ErrUnexpectedEOF;
	// where TCP's end is the end, that is one.
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		r.noteCutOff(err)
		err = r.c.ses.EOF()
		if closeStatus(err) != wire.CodeNoStatus {
			return r.fail(err, abort)
		}
		if r.c.holdClose(&wire.CloseError{Code: wire.CodeNoStatus}) {
			return r.endReading(err)
		}
		return r.fail(err, linger)
	}
	return r.fail(&abnormalError{err}, abort)
}

// awaitClose reads until the peer has answered our close.
func (r *reader) awaitClose() {
	for !r.c.is(readEnded) {
		if err := r.next(r.c.Context(), false); err != nil {
			break
		}
	}
}
