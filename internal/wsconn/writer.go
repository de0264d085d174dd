package wsconn

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/draftwire/draftwire/internal/pool"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// writer is the writing half of a connection.
//
// Frames are appended to a queue, in the order they go. It is a group commit: the
// goroutine that finds nobody writing writes all that is queued, the frames of others with
// its own, so that many goroutines share one system call.
//
// The lock is not held during a write, with one exception: writeLent writes the queue to
// the socket that the runtime has lent to ReadLoop, by a call that never waits.
//
// A queue of which nobody writes anything yet is held: while the connection is corked, or
// while the reader has input that it has not looked at, since the answers to it go
// together. A hold of the latter kind ends when the reader waits, and after holdTime.
type writer struct {
	c       *Conn
	mu      sync.Mutex
	queue   *pool.Buf // nil while empty
	writing bool      // a goroutine hands bytes to the system
	again   bool      // in the phase writing: what is queued goes as soon as the write has ended
	message bool      // a message in parts is under way
	first   bool      // what a loop leaves behind is the first since the connection is stuck
	closing bool      // our close comes next: nothing more is posted
	corked  bool      // Cork was called
	final   bool      // the write deadline is a close's, which has the last word; under Conn.mu
	lent    bool      // the runtime, or a loop, lends the socket
	queued  uint64    // bytes that were ever queued or posted
	written uint64    // of these, handed to the system
	rare    *rareWriter

	messages, bytes uint64 // sent, for Stats
}

// rareWriter is what few writers need. It is made when a writer first does.
type rareWriter struct {
	backlog *backlog      // what is posted behind the queue; nil while empty
	changed chan struct{} // closed at a change; made by a goroutine that waits for one
	timer   *time.Timer   // ends a hold
	err     error         // sticky: a write was cut off
	fd      uintptr       // the socket while the runtime lends it to ReadLoop
}

// needRare returns w.rare, and makes it where there is none.
func (w *writer) needRare() *rareWriter {
	if w.rare == nil {
		w.rare = new(rareWriter)
	}
	return w.rare
}

// backlog returns what is posted behind the queue, nil where that is nothing.
func (w *writer) backlog() *backlog {
	if w.rare == nil {
		return nil
	}
	return w.rare.backlog
}

// failed returns the error of a write that was cut off.
func (w *writer) failed() error {
	if w.rare == nil {
		return nil
	}
	return w.rare.err
}

// phase is what a writer does with the queue and the backlog.
//
//	phase    they are          what ends it
//	idle     empty             a frame is appended
//	held     not empty         begin: a goroutine that sends and may not hold them, Flush,
//	                           the timer, the reader before it waits
//	writing  empty, or what    finish; where again is set the next write begins at once
//	         came since begin
//
// From hold until begin a timer runs, in a turn the loop's (sock.Holder), and outputHeld is set,
// in whatever phase; where Cork alone holds the queue there is neither.
type phase uint8

const (
	idle phase = iota
	held
	writing
)

func (w *writer) phase() phase {
	switch {
	case w.writing:
		return writing
	case w.queue != nil || w.backlog() != nil:
		return held
	}
	return idle
}

const (
	// holdMost is how many bytes are held at most.
	holdMost = 32 << 10
	// replyRoom is more than the answer to a ping: with it a queue that is not full fits
	// into holdMost.
	replyRoom = 256
	// holdRoom is the room for the first of several answers.
	holdRoom = 4 << 10
	// holdTime is how long an answer waits at most for the ones behind it: only a
	// handler that does not come back to read sees it.
	holdTime = time.Millisecond
	// directSize is the payload from which it is not copied into the queue.
	directSize = 8 << 10
	// frameRoom is more than any head and end of a frame.
	frameRoom = 16
)

// Queueing.

// room returns the queue with room for a frame with n bytes of payload.
func (w *writer) room(n int) *pool.Buf {
	n += frameRoom
	if w.queue == nil {
		if w.c.is(inputPending) {
			n = max(n, holdRoom)
		}
		w.queue = pool.Get(n)
	} else if have := len(w.queue.B); cap(w.queue.B)-have < n {
		larger := pool.Get(max(have+n, min(2*have+n, holdMost)))
		larger.B = append(larger.B, w.queue.B...)
		pool.Put(w.queue)
		w.queue = larger
	}
	return w.queue
}

// appended counts what was appended to the queue, which had before bytes.
func (w *writer) appended(before int) {
	w.queued += uint64(len(w.queue.B) - before)
	if len(w.queue.B) == 0 {
		w.dropQueue()
	}
}

func (w *writer) dropQueue() {
	pool.Put(w.queue)
	w.queue = nil
}

// full reports whether the queue has as much as may be held.
func (w *writer) full() bool { return w.queue != nil && len(w.queue.B) > holdMost-replyRoom }

// blocked reports whether the queue takes nothing behind that part of the backlog, until
// a write has ended.
func (w *writer) blocked(behind posted) bool {
	if !w.writing {
		return false
	}
	b := w.backlog()
	return b != nil && b.has(behind) || w.full()
}

// Holding.

// mayHold reports whether the queue, with n bytes more, may be held.
func (w *writer) mayHold(n int) bool {
	if w.queue != nil {
		n += len(w.queue.B)
	}
	return (w.corked || w.c.is(inputPending)) && n < holdMost
}

// hold holds what is queued, where it may: for a limited time, unless it is corked. It
// reports whether it does.
func (w *writer) hold() bool {
	switch {
	case !w.mayHold(0):
		return false
	case w.corked:
		return true
	}
	w.holdForAWhile()
	return w.c.is(inputPending) // otherwise the reader may not have seen that there is something
}

// holdForAWhile lets the reader know that something is held, and starts the timer.
func (w *writer) holdForAWhile() {
	if w.c.is(outputHeld) {
		return
	}
	if s := w.c.r.socket; s != nil && w.lent {
		s.Holding(w, holdTime) // at most until the turn ends
	} else if x := w.needRare(); x.timer == nil {
		x.timer = time.AfterFunc(holdTime, w.FlushHeld)
	} else {
		x.timer.Reset(holdTime)
	}
	w.c.state.Or(outputHeld)
}

// unhold ends a hold.
func (w *writer) unhold() {
	if w.c.is(outputHeld) {
		w.c.state.And(^outputHeld)
		if x := w.rare; x != nil && x.timer != nil {
			x.timer.Stop()
		}
	}
}

// joins reports whether a message of n bytes goes to what is held, and stays held: one of
// several answers, but the first. It is the fast path: awaitTurn, appendFrame and send
// would come to the same.
func (w *writer) joins(n int) bool {
	const held = outputHeld | inputPending
	return w.queue != nil && len(w.queue.B)+n+frameRoom <= min(cap(w.queue.B), holdMost) &&
		w.c.state.Load()&(held|closed) == held && !w.message && w.backlog() == nil && w.failed() == nil
}

// Sending what is queued: send holds it where it may; flush waits until it has gone;
// flushNoWait, for the reader, for Post and for the timer, never waits for the peer.

// send holds the queue or flushes it.
func (w *writer) send(ctx context.Context) error {
	switch {
	case w.hold():
		return nil
	case w.writing || w.queue == nil:
		return w.flush(ctx)
	case w.lent && w.writeLent():
		return nil
	}
	return w.write(w.begin(ctx)) // as flush does, without its frame on the stack
}

// flush writes the queue as it is now, or waits until others have. Where ctx
// ends before, it is left to those.
func (w *writer) flush(ctx context.Context) error {
	for goal := w.queued; w.written < goal && w.failed() == nil; {
		if !w.writing {
			w.write(w.begin(ctx))
		} else if err := w.awaitChange(ctx); err == sock.ErrOnLoop {
			return nil // the goroutine that writes sees to it
		} else if err != nil {
			if w.writable(w.c.Context()) == nil {
				w.flushNoWait(nil)
			}
			return err
		}
	}
	return w.failed()
}

// flushNoWait sees to it that what is queued goes, and does not wait for the peer to take
// it: two sides that write to each other would wait for ever. What the socket does not
// take at once is for a goroutine, at most one a connection. alone is a frame that goes
// from where it is, in the phase idle; otherwise it is nil.
func (w *writer) flushNoWait(alone []byte) {
	switch {
	case w.writing:
		w.again = true
		return
	case alone == nil && (w.phase() == idle || w.lent && w.queue != nil && w.writeLent()):
		return
	}
	op := w.begin(w.c.Context())
	if alone != nil {
		op.Bufs[1] = alone
	}
	if !w.c.Polls() {
		w.leave(op)
		return
	}
	op.Hasty = true
	w.mu.Unlock()
	err := op.result(w.c.raw().Write(op.Try()))
	w.mu.Lock()
	op.Hasty = false
	if err == nil && op.Remaining() {
		w.leave(op)
		return
	}
	w.finish(op, err)
}

// leave leaves a write to another goroutine.
//
//go:noinline
func (w *writer) leave(op *writeOp) { // noinline: keeps a cold frame off the 2 KiB stack
	if w.lent && w.c.is(driven) {
		w.lag()
	}
	go w.carryOn(op)
}

// lag notes that the peer of a driven connection does not take what is written. It reports
// whether it did so far.
func (w *writer) lag() bool {
	bit := stuck
	if w.c.is(relayed) {
		bit = lagging
	}
	return w.c.state.Or(bit)&bit == 0
}

// carryOn ends a write that another goroutine began.
func (w *writer) carryOn(op *writeOp) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.write(op)
}

// writeLent writes the queue to the lent socket, with the lock held, as much as it takes
// at once. It reports whether that was all.
func (w *writer) writeLent() bool {
	if s := w.c.r.socket; s != nil && s.TLS() != nil {
		return false // there are records to be made
	}
	n := sock.WriteSome(w.fd(), w.queue.B)
	w.written += uint64(n)
	if n < len(w.queue.B) {
		w.queue.B = append(w.queue.B[:0], w.queue.B[n:]...)
		return false
	}
	w.dropQueue()
	w.unhold()
	return true
}

// fd is the socket that is lent.
func (w *writer) fd() uintptr {
	if s := w.c.r.socket; s != nil {
		return s.FD()
	}
	return w.rare.fd
}

// lend notes the socket while the runtime lends it to ReadLoop, or a loop to a turn, and with
// sock.NoSocket that it does no longer.
func (w *writer) lend(fd uintptr) {
	w.mu.Lock()
	w.lent = fd != sock.NoSocket
	if w.lent && w.c.r.socket == nil {
		w.needRare().fd = fd
	}
	w.mu.Unlock()
}

// FlushHeld ends a hold, unless the connection is corked: for the timer, and for the
// reader before it waits.
func (w *writer) FlushHeld() {
	w.mu.Lock()
	w.unhold()
	if w.mayGo() {
		w.flushNoWait(nil)
	}
	w.mu.Unlock()
}

// mayGo reports whether what is queued may be written without a call of Flush.
func (w *writer) mayGo() bool {
	return (!w.corked || w.backlog() != nil || w.full()) && w.writable(w.c.Context()) == nil
}

// flushLast sends what is held and waits for what is being written, as the reader
// has come to the end: a peer that ends its half first still gets its answers.
func (w *writer) flushLast() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase() == idle || w.failed() != nil || w.c.is(closed) {
		return
	}
	w.setLastDeadline(w.c.closeTimeout())
	w.flush(w.c.Context())
}

// flushBeforeAbort sends what is held, if the peer takes it without waiting.
func (w *writer) flushBeforeAbort() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unhold()
	if w.phase() != held || w.failed() != nil || w.c.is(closed) {
		return
	}
	w.setLastDeadline(holdTime)
	w.write(w.begin(w.c.Context()))
}

// Cork holds what is written, until Flush is called or holdMost bytes are held.
func (c *Conn) Cork() {
	c.w.mu.Lock()
	c.w.corked = true
	c.w.mu.Unlock()
}

// Flush ends the hold of Cork and sends what was held.
func (c *Conn) Flush(ctx context.Context) error {
	w := &c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = false
	if err := w.writable(ctx); err != nil {
		if w.queue != nil && w.failed() == nil {
			w.holdForAWhile()
		}
		return err
	}
	return w.flush(ctx)
}

// Writing.

// begin takes what is queued for writing. No other goroutine may be writing.
func (w *writer) begin(ctx context.Context) *writeOp {
	op := newWriteOp(w, ctx)
	op.goal = w.queued
	if w.queue != nil {
		op.queue, op.Bufs[0] = w.queue, w.queue.B
	}
	w.queue = nil
	w.writing, w.again = true, false
	if w.backlog() != nil {
		w.takeBacklog(op)
	}
	w.unhold()
	return op
}

// write does a write; the lock is free meanwhile. A write that is cut off breaks the
// connection.
func (w *writer) write(op *writeOp) (err error) {
	w.mu.Unlock()
	if raw := w.c.raw(); raw != nil {
		err = op.result(raw.Write(op.Try()))
	} else {
		err = op.writeStream()
	}
	w.mu.Lock()
	if err == sock.ErrOnLoop {
		op.own()
		w.lag()
		w.leave(op)
		return nil
	}
	return w.finish(op, err)
}

// finish notes the end of a write.
func (w *writer) finish(op *writeOp, err error) error {
	ctx := op.ctx
	w.writing, w.written = false, op.goal
	op.free()
	w.wake()
	if err != nil {
		return w.fail(ctx, err)
	}
	if w.again { // by another goroutine, as the caller's context is not that of the rest
		w.again = false
		if w.phase() == held && w.mayGo() {
			go w.carryOn(w.begin(w.c.Context()))
		}
	}
	if w.phase() != writing && w.lagEnds() {
		w.c.again()
	}
	return nil
}

// lagEnds notes that nothing waits for the peer of a driven connection any more. It reports
// whether something did.
func (w *writer) lagEnds() bool {
	if !w.c.is(stuck | lagging) {
		return false
	}
	if w.c.state.And(^(stuck|lagging))&lagging != 0 {
		w.c.state.Or(drained)
	}
	return true
}

// fail ends the connection whose write was cut off.
func (w *writer) fail(ctx context.Context, err error) error {
	c := w.c
	x := w.needRare()
	switch {
	case c.is(closed): // the end of the stream has cut the write off: it is not the cause
		err = c.errAfterClose()
	case c.doneOf(ctx) != nil && ctx.Err() != nil && sock.IsTimeout(err):
		err = fmt.Errorf("draftwire: write: %w", ctx.Err())
	default:
		err = fmt.Errorf("draftwire: write: %w", err)
	}
	x.err, x.backlog = err, nil
	w.dropQueue()
	w.unhold()
	lagged := w.lagEnds() // whoever is paused until that has gone waits no longer
	w.mu.Unlock()
	defer w.mu.Lock()
	c.writeWatch().disarm(&c.mu)
	c.finish(err, abort)
	if lagged {
		c.again()
	}
	return err
}

// writable returns why nothing can be written.
func (w *writer) writable(ctx context.Context) error {
	switch err := w.failed(); {
	case err != nil:
		return err
	case w.c.is(closed):
		return w.c.errAfterClose()
	case w.c.doneOf(ctx) != nil:
		return ctx.Err()
	}
	return nil
}

// errAfterClose is the error of a write to a connection that has ended.
func (c *Conn) errAfterClose() error {
	if cause := c.whyClosed(); cause != nil && !errors.Is(cause, context.Canceled) {
		return fmt.Errorf("draftwire: write: %w", cause)
	}
	return wire.ErrClosed
}

// Waiting.

// awaitChange waits for a change of what other goroutines do. The goroutine of a loop does
// not: what is queued then goes behind the write that is under way, and the connection is
// not read until it has gone.
func (w *writer) awaitChange(ctx context.Context) error {
	if w.c.is(driven) && w.c.mustNotWait() {
		if w.writing {
			w.again = true
			w.first = w.lag()
		}
		return sock.ErrOnLoop
	}
	changed := w.change()
	w.mu.Unlock()
	defer w.mu.Lock()
	return w.c.await(ctx, changed)
}

// change returns what is closed at the next change.
func (w *writer) change() <-chan struct{} {
	x := w.needRare()
	if x.changed == nil {
		x.changed = make(chan struct{})
	}
	return x.changed
}

// wake wakes the goroutines that wait for a change.
func (w *writer) wake() {
	if x := w.rare; x != nil && x.changed != nil {
		close(x.changed)
		x.changed = nil
	}
}

// await waits for ch to be closed, at most until ctx or the connection ends.
func (c *Conn) await(ctx context.Context, ch <-chan struct{}) error {
	if c.is(driven) && c.mustNotWait() {
		return sock.ErrOnLoop
	}
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		if c.is(closed) {
			return c.errAfterClose()
		}
		return ctx.Err()
	case <-c.Context().Done():
		return c.errAfterClose()
	}
}
