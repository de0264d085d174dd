package draftwire

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/draftwire/draftwire/internal/pool"
)

// outbox is the writing half of a connection.
//
// Frames are encoded into a queue, in the order they go. Who finds nobody
// writing takes the queue and hands it to the system, the others' frames with
// its own; so many writers share one call, and no lock is held during it. A
// queue that nobody takes yet is held: while the connection is corked, or while
// the reader has input that it has not looked at, whose answers go together.
type outbox struct {
	mu      sync.Mutex
	queue   *pool.Buf     // nil while empty
	posts   *backlog      // behind the queue; nil while empty
	queued  uint64        // bytes that were ever put into the queue
	written uint64        // of these, handed to the system
	changed chan struct{} // made by who waits for a change of the next two
	writing bool          // somebody hands bytes to the system
	midst   bool          // a Writer's message is under way
	due     bool          // the queue is to be written once nobody is writing, by flushDue
	ends    bool          // our close comes next: nothing more is posted
	corked  bool          // Cork was called
	timed   bool          // late is running
	final   bool          // the close's deadline is set (under Conn.mu)
	late    *time.Timer   // ends a hold; made with the first
	until   time.Duration // the write deadline that is set where that is done ahead
	broken  error         // sticky: a write was cut off
	fd      uintptr       // the socket, while the runtime lends it to ReadLoop; else noSocket

	messages, bytes uint64 // sent, for Stats
}

const (
	// holdMost is how many bytes are held back at most.
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

// Cork holds back what is written, until Flush is called or 32 KiB are held: for
// several messages with one system call. Answers to messages that came together
// need none: what is written while there is more to read goes out when the
// connection waits for input again, or after a millisecond.
func (c *Conn) Cork() {
	c.out.mu.Lock()
	c.out.corked = true
	c.out.mu.Unlock()
}

// Flush ends the hold of Cork and sends what was held.
func (c *Conn) Flush(ctx context.Context) error {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	o.corked = false
	if err := c.writable(ctx); err != nil {
		if o.queue != nil && o.broken == nil {
			c.limitHold()
		}
		return err
	}
	return c.flush(ctx)
}

// writable returns why nothing can be written.
func (c *Conn) writable(ctx context.Context) error {
	if c.out.broken != nil {
		return c.out.broken
	}
	if c.is(over) {
		return c.overError()
	}
	if c.done(ctx) != nil {
		return ctx.Err()
	}
	return nil
}

func (c *Conn) overError() error {
	if why := c.ending(); why != nil && !errors.Is(why, context.Canceled) {
		return fmt.Errorf("draftwire: write: %w", why)
	}
	return ErrClosed
}

// turn waits until a frame with n bytes of payload may be encoded: until no
// message is under way, if it begins one, and there is room in the queue. direct
// tells that the payload need not go through the queue; nobody is writing then.
//
// The bound holds for the queue, whatever becomes of it: a full one is waited for while
// somebody writes, and also where a goroutine is on its way to write, since the scheduler
// may let a reader with much input go on for long before that goroutine runs. Nobody else
// leaves a full queue: send and reply write it. The queue goes before the backlog of Post:
// a message is put into it when what was posted before has gone, a control frame at once.
func (c *Conn) turn(ctx context.Context, begins bool, n int) (direct bool, err error) {
	o := &c.out
	before := c.posted(begins)
	for {
		if err := c.writable(ctx); err != nil {
			return false, err
		}
		direct = n >= directSize && c.ses.Direct() && !c.mayHold(n) && o.posts == nil
		if !(begins && o.midst) && !(o.writing && direct) && !c.blocked(before) {
			return direct, nil
		}
		if err := c.awaitChange(ctx); err != nil {
			return false, err
		}
	}
}

// claim is turn for a message in pieces, which then is under way. What is posted before
// goes before it; meanwhile nothing is posted, as that would come in between.
//
//go:noinline
func (c *Conn) claim(ctx context.Context, n int) (direct bool, err error) { // apart, as stacks are short
	o := &c.out
	for o.midst {
		if err := c.awaitChange(ctx); err != nil {
			return false, err
		}
	}
	o.midst = true
	if err = c.awaitRoom(ctx, everything); err == nil {
		direct, err = c.turn(ctx, false, n)
	}
	if err != nil {
		o.midst = false
		o.change()
	}
	return direct, err
}

// blocked reports whether the queue takes nothing, behind those posts, until somebody has
// written.
func (c *Conn) blocked(before posted) bool {
	o := &c.out
	return (o.writing || o.due) && (o.posts != nil && o.posts.has(before) || c.full())
}

// full reports whether the queue holds as much as may be held back.
func (c *Conn) full() bool {
	q := c.out.queue
	return q != nil && len(q.B) > holdMost-replyRoom
}

// frame encodes a frame and sends it, or holds it. begins tells that it begins
// a message. Unlike the functions below it takes out.mu itself. From here to the
// system the stack's frames are few and small, and none has a defer: 2 KiB are to
// suffice for a connection that says something now and then.
func (c *Conn) frame(ctx context.Context, op Op, begins, fin bool, p []byte) error {
	c.out.mu.Lock()
	if begins && fin && c.joins(len(p)) && c.writable(ctx) == nil {
		err := c.join(op, p)
		c.out.mu.Unlock()
		return err
	}
	var direct bool
	var err error
	if begins && !fin { // for WritePart: nobody else's message in between
		direct, err = c.claim(ctx, len(p))
	} else {
		direct, err = c.turn(ctx, begins, len(p))
	}
	if err == nil {
		if direct {
			err = c.direct(ctx, op, fin, p)
		} else if err = c.enqueue(op, fin, p); err == nil {
			err = c.send(ctx)
		}
		c.framed(op, begins, fin, len(p), err)
	}
	c.out.mu.Unlock()
	return err
}

// joins reports whether a message of n bytes goes to what is held, which stays held:
// one of several answers, but the first. turn, enqueue and send would come to the same.
func (c *Conn) joins(n int) bool {
	o := &c.out
	return o.timed && o.queue != nil && len(o.queue.B)+n+frameRoom <= min(cap(o.queue.B), holdMost) &&
		c.held.Load() && c.more.Load() && !o.midst && o.posts == nil
}

// join encodes a message into the queue, where joins.
func (c *Conn) join(op Op, p []byte) (err error) {
	q := c.out.queue
	before := len(q.B)
	q.B, err = c.ses.AppendFrame(q.B, op, true, p)
	c.out.queued += uint64(len(q.B) - before)
	if err == nil {
		c.sent(len(p), true)
	}
	return err
}

// enqueue encodes a frame into the queue.
func (c *Conn) enqueue(op Op, fin bool, p []byte) (err error) {
	q := c.room(len(p))
	before := len(q.B)
	q.B, err = c.ses.AppendFrame(q.B, op, fin, p)
	c.put(before)
	return err
}

// framed notes what has become of a frame with n bytes of payload.
func (c *Conn) framed(op Op, begins, fin bool, n int, err error) {
	switch {
	case err == nil && !op.IsControl():
		c.sent(n, fin)
	case err != nil && begins && !fin:
		c.out.midst = false
		c.out.change()
	}
}

// sent counts for Stats.
func (c *Conn) sent(n int, fin bool) {
	c.out.bytes += uint64(n)
	if fin {
		c.out.messages++
	}
}

// room returns the queue with room for a frame with n bytes of payload.
func (c *Conn) room(n int) *pool.Buf {
	o := &c.out
	if n += frameRoom; o.queue == nil {
		if c.more.Load() {
			n = max(n, holdRoom)
		}
		o.queue = pool.Get(n)
	} else if have := len(o.queue.B); cap(o.queue.B)-have < n {
		more := pool.Get(max(have+n, min(2*have+n, holdMost)))
		more.B = append(more.B, o.queue.B...)
		pool.Put(o.queue)
		o.queue = more
	}
	return o.queue
}

// put counts what was appended to the queue, which had before bytes.
func (c *Conn) put(before int) {
	o := &c.out
	o.queued += uint64(len(o.queue.B) - before)
	if len(o.queue.B) == 0 {
		c.dropQueue()
	}
}

func (c *Conn) dropQueue() {
	pool.Put(c.out.queue)
	c.out.queue = nil
}

// empty reports whether nothing waits to be written.
func (o *outbox) empty() bool { return o.queue == nil && o.posts == nil }

// send flushes the queue, unless it is to be held.
func (c *Conn) send(ctx context.Context) error {
	o := &c.out
	if c.hold() {
		return nil
	}
	switch {
	case o.writing || o.queue == nil:
		return c.flush(ctx)
	case o.fd != noSocket && c.writeNow():
		return nil
	}
	return c.write(c.take(ctx))
}

// hold reports whether the queue is held, and sees to it that it is not for long.
func (c *Conn) hold() bool {
	if !c.mayHold(0) {
		return false
	}
	if c.out.corked {
		return true
	}
	c.limitHold()
	return c.more.Load() // else the reader may not have seen that there is something
}

// lend notes the socket while the runtime lends it to ReadLoop, and with noSocket
// that it does no longer.
func (c *Conn) lend(fd uintptr) {
	c.out.mu.Lock()
	c.out.fd = fd
	c.out.mu.Unlock()
}

// writeNow writes the queue to the lent socket, under out.mu, as much as it takes
// at once. It reports whether that was all.
func (c *Conn) writeNow() bool {
	o := &c.out
	n := writeSome(o.fd, o.queue.B)
	o.written += uint64(n)
	if n < len(o.queue.B) {
		o.queue.B = append(o.queue.B[:0], o.queue.B[n:]...)
		return false
	}
	c.dropQueue()
	c.unhold()
	return true
}

// mayHold reports whether the queue, with n bytes more, is to be held.
func (c *Conn) mayHold(n int) bool {
	o := &c.out
	if o.queue != nil {
		n += len(o.queue.B)
	}
	return (o.corked || c.more.Load()) && n < holdMost
}

// limitHold starts the time that a hold lasts, and lets the reader know of it.
func (c *Conn) limitHold() {
	o := &c.out
	if !c.held.Load() {
		c.held.Store(true)
	}
	switch {
	case o.timed:
		return
	case o.late == nil:
		o.late = time.AfterFunc(holdTime, c.flushLate)
	default:
		o.late.Reset(holdTime)
	}
	o.timed = true
}

// flushLate ends a hold that has lasted too long.
func (c *Conn) flushLate() {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	o.timed = false
	c.flushHeld()
}

// makeDue sees to it that the queue is written, and does not wait for that. What
// is due and not behind a write has a goroutine on its way.
func (c *Conn) makeDue() {
	o := &c.out
	if !o.writing && !o.due {
		go c.flushDue()
	}
	o.due = true
}

// flushDue sends what is due, on a goroutine of its own.
func (c *Conn) flushDue() {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	o.due = false
	c.flushHeld()
	o.change() // for turn, which waits for what is due
}

// flushHeld ends a hold, but for Cork's. Behind a write that is under way the
// queue is due, and nobody waits: a peer that takes nothing could make a goroutine
// wait for each hold.
func (c *Conn) flushHeld() {
	o := &c.out
	switch {
	case o.empty() || o.corked && o.posts == nil && !c.full() || c.writable(c.Context()) != nil:
	case o.writing:
		o.due = true
	default:
		c.write(c.take(c.Context()))
	}
}

// release ends a hold for the reader, which does not wait for the peer to take
// what was held: two sides that write to each other would wait for ever.
func (c *Conn) release() {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	c.releaseHeld()
}

func (c *Conn) releaseHeld() {
	o := &c.out
	c.held.Store(false)
	if o.queue != nil && !o.corked && c.writable(c.Context()) == nil {
		c.push(nil)
	}
}

// push sends the queue and, where nobody is writing, f behind it. It does not wait for
// the peer: what the socket does not take at once is for a goroutine.
func (c *Conn) push(f []byte) error {
	o := &c.out
	switch {
	case o.writing || c.in.src.raw == nil:
		c.makeDue()
		return nil
	case o.fd != noSocket && f == nil && c.writeNow():
		return nil
	}
	v := c.take(c.Context())
	if v.hasty = true; f != nil {
		v.parts[1] = f
	}
	o.mu.Unlock()
	err := v.ended(c.in.src.raw.Write(v.try))
	if v.hasty = false; err == nil && v.left() {
		go c.carryOn(v)
		o.mu.Lock()
		return nil
	}
	o.mu.Lock()
	return c.wrote(v, err)
}

// carryOn ends a write that push began.
func (c *Conn) carryOn(v *vector) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.write(v)
}

// flushLast sends what is held and waits for what is being sent, as the reader
// has come to the end: a peer that ends its half first still gets its answers.
func (c *Conn) flushLast() {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken != nil || c.is(over) || o.empty() && !o.writing {
		return
	}
	c.endWritesIn(c.closeTimeout())
	c.flush(c.Context())
}

// endWritesIn sets the last deadline of writes.
func (c *Conn) endWritesIn(t time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.final = true
	c.nc().SetWriteDeadline(time.Now().Add(t))
}

// flushAtOnce sends what is held, if the peer takes it without waiting.
func (c *Conn) flushAtOnce() {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.empty() || o.writing || o.broken != nil || c.is(over) {
		return
	}
	c.endWritesIn(holdTime)
	c.write(c.take(c.Context()))
}

// flush sends the queue as it is now, or waits until others have. Where ctx
// ends before, it is left to those.
func (c *Conn) flush(ctx context.Context) error {
	o := &c.out
	for goal := o.queued; o.written < goal && o.broken == nil; {
		if !o.writing {
			c.write(c.take(ctx))
		} else if err := c.awaitChange(ctx); err != nil {
			c.makeDue()
			return err
		}
	}
	return o.broken
}

// awaitChange waits for a change of what others do.
func (c *Conn) awaitChange(ctx context.Context) error {
	o := &c.out
	if o.changed == nil {
		o.changed = make(chan struct{})
	}
	changed := o.changed
	o.mu.Unlock()
	defer o.mu.Lock()
	return c.await(ctx, changed)
}

// await waits for ch to be closed, at most until ctx or the connection ends.
func (c *Conn) await(ctx context.Context, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		if c.is(over) {
			return c.overError()
		}
		return ctx.Err()
	case <-c.Context().Done():
		return c.overError()
	}
}

// change wakes who waits for one.
func (o *outbox) change() {
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
}

// direct sends a frame whose payload goes from where it is, behind the queue.
func (c *Conn) direct(ctx context.Context, op Op, fin bool, p []byte) error {
	q := c.room(0)
	before := len(q.B)
	out, head, err := c.ses.AppendBorders(q.B, op, fin, p)
	if err != nil {
		c.put(before)
		return err
	}
	tail := out[before+head:] // stays where it is until the queue is given back
	q.B = out[:before+head]
	o := &c.out
	o.queued += uint64(head)
	v := c.take(ctx)
	v.parts[1], v.parts[2] = p, tail
	return c.write(v)
}

// take takes the queue for writing. Nobody else may be writing.
func (c *Conn) take(ctx context.Context) *vector {
	o := &c.out
	v := newVector(c, ctx)
	if v.goal = o.queued; o.queue != nil {
		v.queue, v.parts[0] = o.queue, o.queue.B
	}
	o.queue, o.writing, o.due = nil, true, false
	if o.posts != nil {
		o.takePosts(v)
	}
	c.unhold()
	return v
}

// unhold ends a hold, as what was held goes.
func (c *Conn) unhold() {
	if c.held.Load() {
		c.held.Store(false)
	}
	if c.out.timed {
		c.out.late.Stop()
		c.out.timed = false
	}
}

// write hands v, which was taken, to the system; out.mu is free meanwhile. A write
// that is cut off breaks the connection.
func (c *Conn) write(v *vector) (err error) {
	c.out.mu.Unlock()
	if raw := c.in.src.raw; raw != nil {
		err = v.ended(raw.Write(v.try))
	} else {
		err = v.whole()
	}
	c.out.mu.Lock()
	return c.wrote(v, err)
}

// wrote notes the end of a write.
func (c *Conn) wrote(v *vector, err error) error {
	o := &c.out
	ctx := v.ctx
	o.writing, o.written = false, v.goal
	v.free()
	o.change()
	if err != nil {
		return c.writeFailed(ctx, err)
	}
	if o.due {
		go c.flushDue() // not this caller, whose context is not that of the rest
	}
	return nil
}

func (c *Conn) writeFailed(ctx context.Context, err error) error {
	o := &c.out
	if c.done(ctx) != nil && ctx.Err() != nil && isTimeout(err) {
		err = ctx.Err()
	}
	o.broken = fmt.Errorf("draftwire: write: %w", err)
	c.dropQueue()
	o.posts = nil
	o.mu.Unlock()
	defer o.mu.Lock()
	c.wctx.disarm(&c.mu)
	c.finish(o.broken, false)
	return o.broken
}

// watchWrite lets the end of ctx cut a write.
func (c *Conn) watchWrite(ctx context.Context) {
	done := c.done(ctx)
	if done == nil && c.wctx == nil {
		return
	}
	if c.wctx == nil {
		c.mu.Lock()
		c.wctx = new(watch)
		c.mu.Unlock()
	}
	if c.wctx.done != done && c.wctx.arm(&c.mu, ctx, done, func() { c.nc().SetWriteDeadline(past) }) {
		c.out.until = 0
		c.setWriteDeadline(time.Time{}) // the end of an earlier one has set it
	}
}

// setWriteDeadline sets the deadline of a write, unless a close or a context
// has set its own.
func (c *Conn) setWriteDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.wctx.cut() && !c.out.final {
		c.nc().SetWriteDeadline(t)
	}
}
