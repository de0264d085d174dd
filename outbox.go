package draftwire

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/draftwire/draftwire/internal/pool"
	"github.com/draftwire/draftwire/wire"
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
	queued  uint64        // bytes that were ever put into the queue
	written uint64        // of these, handed to the system
	changed chan struct{} // made by who waits for a change of the next two
	writing bool          // somebody hands bytes to the system
	midst   bool          // a Writer's message is under way
	corked  bool          // Cork was called
	timed   bool          // late is running
	final   bool          // the close's deadline is set (under Conn.mu)
	late    *time.Timer   // ends a hold; made with the first
	until   time.Duration // the write deadline that is set where that is done ahead
	broken  error         // sticky: a write was cut off

	messages, bytes uint64 // sent, for Stats
}

const (
	// holdMost is how many bytes are held back at most.
	holdMost = 32 << 10
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
		return err
	}
	return c.flush(ctx)
}

// turn waits until no message is under way and the queue has room. As all here,
// it runs under out.mu.
func (c *Conn) turn(ctx context.Context) error {
	o := &c.out
	for o.midst || o.writing && o.queue != nil && len(o.queue.B) >= holdMost {
		if err := c.awaitChange(ctx); err != nil {
			return err
		}
	}
	return nil
}

// writable returns why nothing can be written.
func (c *Conn) writable(ctx context.Context) error {
	if c.out.broken != nil {
		return c.out.broken
	}
	if c.over.Load() {
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

// frame puts a frame into the queue and sends it, or holds it.
func (c *Conn) frame(ctx context.Context, op Op, fin bool, p []byte) (err error) {
	if err := c.writable(ctx); err != nil {
		return err
	}
	if len(p) >= directSize && c.ses.Direct() {
		err = c.direct(ctx, op, fin, p)
	} else {
		q := c.room(len(p))
		before := len(q.B)
		q.B, err = c.ses.AppendFrame(q.B, op, fin, p)
		c.put(before)
		if err == nil {
			err = c.send(ctx)
		}
	}
	if err == nil && (op.IsData() || op == wire.OpContinuation) {
		c.out.bytes += uint64(len(p))
		if fin {
			c.out.messages++
		}
	}
	return err
}

// room returns the queue with room for a frame with n bytes of payload.
func (c *Conn) room(n int) *pool.Buf {
	o := &c.out
	if n += frameRoom; o.queue == nil {
		o.queue = pool.Get(n)
	} else if have := len(o.queue.B); cap(o.queue.B)-have < n {
		more := pool.Get(2*have + n)
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

// send flushes the queue, unless it is to be held.
func (c *Conn) send(ctx context.Context) error {
	o := &c.out
	if more := c.more.Load(); (o.corked || more) && o.queue != nil && len(o.queue.B) < holdMost {
		if more && !o.corked {
			c.limitHold()
		}
		return nil
	}
	if !o.writing && o.queue != nil {
		return c.write(ctx, nil, nil)
	}
	return c.flush(ctx)
}

// limitHold starts the time that a hold lasts.
func (c *Conn) limitHold() {
	o := &c.out
	switch {
	case o.timed:
		return
	case o.late == nil:
		o.late = time.AfterFunc(holdTime, c.flushHeld)
	default:
		o.late.Reset(holdTime)
	}
	o.timed = true
}

// flushHeld ends a hold.
func (c *Conn) flushHeld() {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.queue != nil && !o.corked && c.writable(c.Context()) == nil {
		c.flush(c.Context())
	}
}

// flushAtOnce sends what is held, if the peer takes it without waiting.
func (c *Conn) flushAtOnce() {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.queue == nil || o.writing || o.broken != nil || c.over.Load() {
		return
	}
	c.mu.Lock()
	o.final = true
	c.nc().SetWriteDeadline(time.Now().Add(holdTime))
	c.mu.Unlock()
	c.write(c.Context(), nil, nil)
}

// flush sends the queue as it is now, or waits until others have.
func (c *Conn) flush(ctx context.Context) error {
	o := &c.out
	for goal := o.queued; o.written < goal && o.broken == nil; {
		if !o.writing {
			c.write(ctx, nil, nil)
			continue
		}
		if err := c.awaitChange(ctx); err != nil && c.done(ctx) != nil && ctx.Err() != nil {
			// The frame is in the queue and cannot be taken back.
			c.mu.Lock()
			c.nc().SetWriteDeadline(past)
			c.mu.Unlock()
			ctx = c.Context()
		} else if err != nil {
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
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		if c.over.Load() {
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
	o := &c.out
	for o.writing {
		if err := c.awaitChange(ctx); err != nil {
			return err
		}
	}
	if err := c.writable(ctx); err != nil {
		return err
	}
	q := c.room(0)
	before := len(q.B)
	out, head, err := c.ses.AppendBorders(q.B, op, fin, p)
	if err != nil {
		c.put(before)
		return err
	}
	var tail [frameRoom]byte
	n := copy(tail[:], out[before+head:])
	q.B = out[:before+head]
	c.put(before)
	return c.write(ctx, p, tail[:n])
}

// write hands the queue to the system, and body and tail behind it. Nobody else
// may be writing; out.mu is free meanwhile. A write that is cut off breaks the
// connection.
func (c *Conn) write(ctx context.Context, body, tail []byte) error {
	o := &c.out
	q, goal := o.queue, o.queued
	o.queue, o.writing = nil, true
	if o.timed {
		o.late.Stop()
		o.timed = false
	}
	if done := c.done(ctx); done != nil || c.wctx != nil {
		c.watchWrite(ctx, done)
	}
	o.mu.Unlock()
	var err error
	if c.in.src.raw != nil {
		err = c.writeVector(q.B, body, tail)
	} else {
		err = c.writeWhole(q, body, tail)
	}
	pool.Put(q)
	o.mu.Lock()
	o.writing, o.written = false, goal
	o.change()
	if err == nil {
		return nil
	}
	return c.writeFailed(ctx, err)
}

func (c *Conn) writeFailed(ctx context.Context, err error) error {
	o := &c.out
	if c.done(ctx) != nil && ctx.Err() != nil && isTimeout(err) {
		err = ctx.Err()
	}
	o.broken = fmt.Errorf("draftwire: write: %w", err)
	c.dropQueue()
	o.mu.Unlock()
	defer o.mu.Lock()
	c.wctx.disarm(&c.mu)
	c.finish(o.broken, false)
	return o.broken
}

// watchWrite lets the end of ctx cut a write.
func (c *Conn) watchWrite(ctx context.Context, done <-chan struct{}) {
	if c.wctx == nil {
		c.mu.Lock()
		c.wctx = new(watch)
		c.mu.Unlock()
	}
	if c.wctx.done != done && c.wctx.arm(&c.mu, ctx, done, func() { c.nc().SetWriteDeadline(past) }) {
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

// writeWhole writes to what is no socket: as one piece, which TLS makes one
// record.
func (c *Conn) writeWhole(q *pool.Buf, body, tail []byte) error {
	// The deadline is kept between three quarters and the whole of the timeout
	// ahead, so that most writes set none.
	timeout := c.set.limits.WriteTimeout
	if now := c.now(); c.out.until-now < timeout*3/4 {
		c.out.until = now + timeout
		c.setWriteDeadline(time.Now().Add(timeout))
	}
	if body != nil {
		whole := pool.Get(len(q.B) + len(body) + len(tail))
		defer pool.Put(whole)
		whole.B = append(append(append(whole.B, q.B...), body...), tail...)
		q = whole
	}
	_, err := c.nc().Write(q.B)
	return err
}

// writeVector writes up to three pieces to a socket, from where they are. It
// sets a deadline only when the socket has no room.
func (c *Conn) writeVector(head, body, tail []byte) error {
	v := vectors.Get().(*vector)
	if v.try == nil {
		v.try = v.tryWrite
	}
	v.c, v.parts[0], v.parts[1], v.parts[2] = c, head, body, tail
	err := c.in.src.raw.Write(v.try)
	if err == nil {
		err = v.err
	}
	if v.waited {
		c.setWriteDeadline(time.Time{})
	}
	v.reset()
	vectors.Put(v)
	return err
}

// vector is a write to a socket. It is kept from the garbage collector.
type vector struct {
	c      *Conn
	parts  [3][]byte // what is still to go
	from   int       // the first of them that is not gone
	waited bool      // the socket had no room: the deadline is set
	err    error
	try    func(fd uintptr) bool
	pieces sysPieces // as the system wants them
}

var vectors = sync.Pool{New: func() any { return new(vector) }}

func (v *vector) reset() {
	clear(v.parts[:])
	v.c, v.from, v.waited, v.err = nil, 0, false, nil
}

// took notes that n bytes have gone.
func (v *vector) took(n int) {
	for v.from < len(v.parts) && n >= len(v.parts[v.from]) {
		n -= len(v.parts[v.from])
		v.from++
	}
	if n > 0 {
		v.parts[v.from] = v.parts[v.from][n:]
	}
}

// wait is called when the socket has no room.
func (v *vector) wait() {
	if !v.waited {
		v.waited = true
		v.c.setWriteDeadline(time.Now().Add(v.c.set.limits.WriteTimeout))
	}
}
