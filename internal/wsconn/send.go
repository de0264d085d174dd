package wsconn

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// Write sends one message: see draftwire.Conn.Write.
func (c *Conn) Write(ctx context.Context, op wire.Op, p []byte) error {
	return c.w.frame(ctx, op, whole, p)
}

// place is where in a message a frame stands.
type place uint8

const (
	whole  place = iota // it is a message, first and last
	first               // of several
	middle              // neither first nor last
	last                // of several
	alone               // a control frame, of no message
)

// begins reports whether a message begins with the frame, ends whether it ends.
func (p place) begins() bool { return p == whole || p == first }
func (p place) ends() bool   { return p != first && p != middle }

// frame sends a frame, or holds it. It is called without the lock. From here to the system
// the stack's frames are few and small, and none has a defer: 2 KiB are to suffice for a
// connection that says something now and then (ARCHITECTURE.md, "Stacks").
func (w *writer) frame(ctx context.Context, op wire.Op, at place, p []byte) error {
	w.mu.Lock()
	if at == whole && w.joins(len(p)) && (w.c.doneOf(ctx) == nil || ctx.Err() == nil) {
		err := w.join(op, p)
		w.mu.Unlock()
		return err
	}
	var direct bool
	var err error
	if at == first { // no message of another goroutine goes in between
		direct, err = w.beginMessage(ctx, len(p))
	} else {
		direct, err = w.awaitTurn(ctx, at, len(p))
	}
	if err == nil {
		if direct {
			err = w.writeDirect(ctx, op, at, p)
		} else if err = w.appendFrame(op, at, p); err == nil {
			err = w.send(ctx)
		}
		w.sent(op, at, len(p), err)
	} else if err == sock.ErrOnLoop && at == whole {
		err = w.postOnLoop(op, p, nil)
		w.sent(op, at, len(p), err)
	}
	w.mu.Unlock()
	return err
}

// awaitTurn waits until a frame with n bytes of payload may be encoded: until no
// message is under way, if it begins one, and there is room in the queue. direct
// tells that the payload need not go through the queue; nobody is writing then.
//
// The queue goes before the backlog: a message is put into it when what was posted before
// has gone, a control frame at once.
func (w *writer) awaitTurn(ctx context.Context, at place, n int) (direct bool, err error) {
	behind := nothing
	if at.begins() {
		behind = w.backlogSoFar()
	}
	for {
		if err := w.writable(ctx); err != nil {
			return false, err
		}
		direct = n >= directSize && w.c.ses.PayloadAsIs() && !w.mayHold(n) && w.backlog() == nil
		if !(at.begins() && w.message) && !(w.writing && direct) && !w.blocked(behind) {
			return direct, nil
		}
		err := w.awaitChange(ctx)
		switch {
		case w.queues(err) && !(at.begins() && w.message):
			return false, nil
		case err != nil:
			return false, err
		}
	}
}

// queues reports whether a part of a message goes to the queue, full or not, as a loop would have
// to wait: err says so. The program sees that the connection lags, and sends no more.
func (w *writer) queues(err error) bool { return err == sock.ErrOnLoop && w.c.is(relayed) }

// beginMessage is awaitTurn for a message in parts, which then is under way. What is posted
// before goes before it; meanwhile nothing is posted, as that would come in between.
//
//go:noinline
func (w *writer) beginMessage(ctx context.Context, n int) (direct bool, err error) { // noinline: keeps a cold frame off the 2 KiB stack
	for w.message {
		if err := w.awaitChange(ctx); err != nil {
			return false, err
		}
	}
	w.message = true
	if err = w.awaitRoom(ctx, everything); err == nil || w.queues(err) {
		direct, err = w.awaitTurn(ctx, middle, n)
	}
	if err != nil {
		w.endMessage()
	}
	return direct, err
}

// awaitRoom waits until the queue takes something behind that part of the backlog.
//
//go:noinline
func (w *writer) awaitRoom(ctx context.Context, behind posted) error { // noinline: keeps a cold frame off the 2 KiB stack
	for w.blocked(behind) {
		if err := w.awaitChange(ctx); err != nil {
			return err
		}
	}
	return nil
}

// endMessage lets the messages of other goroutines go. It is called with the lock.
func (w *writer) endMessage() {
	w.message = false
	w.wake()
}

// join appends a message to the queue, where joins says so.
func (w *writer) join(op wire.Op, p []byte) (err error) {
	q := w.queue
	before := len(q.B)
	q.B, err = w.c.ses.AppendFrame(q.B, op, true, p)
	w.queued += uint64(len(q.B) - before)
	if err == nil {
		w.bytes += uint64(len(p))
		w.messages++
	}
	return err
}

// appendFrame appends a frame to the queue.
func (w *writer) appendFrame(op wire.Op, at place, p []byte) (err error) {
	q := w.room(len(p))
	before := len(q.B)
	q.B, err = w.c.ses.AppendFrame(q.B, op, at.ends(), p)
	w.appended(before)
	return err
}

// appendEncoded appends a frame that is encoded already.
func (w *writer) appendEncoded(f []byte) {
	q := w.room(len(f))
	before := len(q.B)
	q.B = append(q.B, f...)
	w.appended(before)
}

// writeDirect writes a frame whose payload goes from where it is, behind the queue.
func (w *writer) writeDirect(ctx context.Context, op wire.Op, at place, p []byte) error {
	q := w.room(0)
	before := len(q.B)
	out, head, err := w.c.ses.AppendFraming(q.B, op, at.ends(), p)
	if err != nil {
		w.appended(before)
		return err
	}
	tail := out[before+head:] // stays where it is until the queue is given back
	q.B = out[:before+head]
	w.queued += uint64(head)
	write := w.begin(ctx)
	write.Bufs[1], write.Bufs[2] = p, tail
	return w.write(write)
}

// sent notes what has become of a frame with n bytes of payload.
func (w *writer) sent(op wire.Op, at place, n int, err error) {
	switch {
	case err == nil && !op.IsControl():
		w.count(at, n)
	case err != nil && at == first:
		w.endMessage()
	}
}

// count counts for Stats.
func (w *writer) count(at place, n int) {
	w.bytes += uint64(n)
	if at.ends() {
		w.messages++
	}
}

// writeClose sends our close, once, until by.
func (w *writer) writeClose(code wire.CloseCode, reason string, by time.Duration) error {
	// A write that hangs is in the way: let it fail by then.
	w.setLastDeadline(by - now())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closing = true
	for w.backlog() != nil && w.failed() == nil { // it goes before the close
		if err := w.awaitChange(w.c.Context()); err != nil {
			return err
		}
	}
	if err := w.failed(); err != nil || w.c.ses.CloseSent() {
		return err
	}
	q := w.room(0)
	before := len(q.B)
	var err error
	q.B, err = w.c.ses.AppendClose(q.B, code, reason)
	w.appended(before)
	if err != nil {
		return err
	}
	return w.flush(w.c.Context()) // where the version has no close frame, what goes before it
}

// reply sends the automatic answer to an event; more tells that there are bytes behind it.
// The goroutine that reads only waits for the peer to take answers when the peer has sent
// so many pings that the queue is full, and no longer than ctx, which is that of the read.
func (w *writer) reply(ctx context.Context, ev *wire.Event, more bool) (err error) {
	w.mu.Lock()
	behind := nothing
	if ev.Op == wire.OpClose {
		behind = everything
		w.closing = true
	}
	if w.blocked(behind) {
		err = w.awaitRoom(ctx, behind)
	}
	if err == nil {
		_, err = w.awaitTurn(w.c.Context(), alone, 0)
	}
	if err == nil {
		err = w.appendReply(ev)
	}
	switch {
	case err != nil || w.queue == nil:
	case ev.Op == wire.OpClose:
		if ctx.Err() == nil { // otherwise a write would be cut at once; the end sends it
			err = w.flush(ctx)
		}
	case more && !w.full():
		w.holdForAWhile()
		err = w.failed()
	default: // as FlushHeld does, without its frame on the stack
		if w.unhold(); !w.corked || w.full() {
			w.flushNoWait(nil)
			err = w.failed()
		}
	}
	w.mu.Unlock()
	return err
}

// appendReply appends the answer to an event to the queue.
func (w *writer) appendReply(ev *wire.Event) (err error) {
	q := w.room(len(ev.Data))
	before := len(q.B)
	q.B, err = w.c.ses.AppendReply(q.B, ev)
	w.appended(before)
	return err
}

// MessageWriter writes a message in parts: see Conn.Writer.
type MessageWriter struct {
	c    *Conn
	ctx  context.Context
	op   wire.Op // OpContinuation after the first frame
	done bool
}

// Writer starts a message in parts: see draftwire.Conn.Writer.
func (c *Conn) Writer(ctx context.Context, op wire.Op) (*MessageWriter, error) {
	if err := c.mayBegin(op); err != nil {
		return nil, err
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if _, err := c.w.beginMessage(ctx, 0); err != nil {
		return nil, err
	}
	return &MessageWriter{c: c, ctx: ctx, op: op}, nil
}

// mayBegin returns why no message of that kind can begin.
func (c *Conn) mayBegin(op wire.Op) error {
	switch {
	case !op.IsData():
		return wire.ErrUnsupported
	case op == wire.OpBinary && !c.supports(wire.CapBinary):
		return wire.NewUnsupportedError(c.version, "binary messages")
	}
	return nil
}

// Write implements io.Writer.
func (m *MessageWriter) Write(p []byte) (int, error) {
	if m.done {
		return 0, io.ErrClosedPipe
	}
	if err := m.frame(middle, p); err != nil {
		return 0, err
	}
	m.op = wire.OpContinuation
	return len(p), nil
}

// Close ends the message.
func (m *MessageWriter) Close() error {
	if m.done {
		return nil
	}
	err := m.frame(last, nil)
	if err == nil {
		m.end()
	}
	return err
}

func (m *MessageWriter) frame(at place, p []byte) error {
	err := m.c.w.frame(m.ctx, m.op, at, p)
	if err == nil {
		return nil
	}
	// If a part of the message has gone it can never be ended, and neither can the
	// connection be used.
	if m.op == wire.OpContinuation && !errors.Is(err, wire.ErrClosed) {
		m.c.finish(err, abort)
	}
	m.end()
	return err
}

func (m *MessageWriter) end() {
	m.done = true
	m.c.endMessage()
}

// endMessage is writer.endMessage, without the lock.
func (c *Conn) endMessage() {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.w.endMessage()
}

// WritePart sends a part of a message: see draftwire.Conn.WritePart.
func (c *Conn) WritePart(ctx context.Context, p Part) error {
	if p.First && p.Last {
		return c.Write(ctx, p.Op, p.Data)
	}
	op, at := wire.OpContinuation, middle
	switch {
	case p.First:
		op, at = p.Op, first
		if err := c.mayBegin(op); err != nil {
			return err
		}
	case p.Last:
		at = last
	}
	err := c.w.frame(ctx, op, at, p.Data)
	if err != nil && !p.First && !errors.Is(err, wire.ErrClosed) {
		c.finish(err, abort)
	}
	if p.Last || err != nil && !p.First {
		c.endMessage()
	}
	return err
}
