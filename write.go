package draftwire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/draftwire/draftwire/wire"
)

var errNoAnswer = errors.New("draftwire: the peer did not answer the close in time")

// Write sends one message, op being OpText or OpBinary. Any number of
// goroutines may write. Binary on a version without it is ErrUnsupported; text
// that is not UTF-8 is ErrInvalidText; neither harms the connection. p is the
// caller's again when Write returns.
//
// An answer that is written while more messages are there to read waits for
// theirs: see Cork. What then cannot be sent is an error of a later call.
func (c *Conn) Write(ctx context.Context, op Op, p []byte) error {
	return c.frame(ctx, op, true, true, p)
}

// writeClose sends our close, once, until by.
func (c *Conn) writeClose(code CloseCode, reason string, by time.Duration) error {
	// A writer that hangs is in the way: let it fail by then.
	c.endWritesIn(by - c.now())
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ends = true
	for o.posts != nil && o.broken == nil { // they go before it
		if err := c.awaitChange(c.Context()); err != nil {
			return err
		}
	}
	if c.ses.Said() || o.broken != nil {
		return o.broken
	}
	q := c.room(0)
	before := len(q.B)
	var err error
	q.B, err = c.ses.AppendClose(q.B, code, reason)
	if c.put(before); err != nil || o.queue == nil {
		return err
	}
	return c.flush(c.Context())
}

// reply sends the automatic answer to the event in hand; more tells that there
// are bytes behind it. The reader only waits for the peer to take answers when
// it has sent so many pings that the queue is full, and no longer than ctx, which is that
// of the read.
func (c *Conn) reply(ctx context.Context, more bool) (err error) {
	o := &c.out
	o.mu.Lock()
	var before posted
	if c.in.ev.Op == wire.OpClose {
		before, o.ends = everything, true
	}
	if c.blocked(before) {
		err = c.awaitRoom(ctx, before)
	}
	if err == nil {
		_, err = c.turn(c.Context(), false, 0)
	}
	if err == nil {
		err = c.enqueueReply()
	}
	switch {
	case err != nil || o.queue == nil:
	case c.in.ev.Op == wire.OpClose:
		if ctx.Err() == nil { // else a write would be cut at once; the end sends it
			err = c.flush(ctx)
		}
	case more && !c.full():
		c.limitHold()
		err = o.broken
	default: // as releaseHeld does, without its frame on the stack
		if c.held.Store(false); !o.corked || c.full() {
			err = c.push(nil)
		}
	}
	o.mu.Unlock()
	return err
}

//go:noinline
func (c *Conn) awaitRoom(ctx context.Context, before posted) error { // apart, as stacks are short
	for c.blocked(before) {
		if err := c.awaitChange(ctx); err != nil {
			return err
		}
	}
	return nil
}

// enqueueReply encodes it into the queue.
func (c *Conn) enqueueReply() (err error) {
	q := c.room(len(c.in.ev.Data))
	before := len(q.B)
	q.B, err = c.ses.AppendReply(q.B, &c.in.ev)
	c.put(before)
	return err
}

// Writer starts a message in pieces and returns its writer. Each Write is a
// frame, or on hixie a part of the one frame; Close ends the message. Other
// messages wait until then; pings and closes may go in between.
func (c *Conn) Writer(ctx context.Context, op Op) (io.WriteCloser, error) {
	if op == OpBinary && !c.Version().Supports(wire.CapBinary) || !op.IsData() {
		return nil, ErrUnsupported
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if _, err := c.claim(ctx, 0); err != nil {
		return nil, err
	}
	return &msgWriter{c: c, ctx: ctx, op: op}, nil
}

type msgWriter struct {
	c    *Conn
	ctx  context.Context
	op   Op // OpContinuation after the first frame
	done bool
}

// Write implements io.Writer.
func (w *msgWriter) Write(p []byte) (int, error) {
	if w.done {
		return 0, io.ErrClosedPipe
	}
	if err := w.frame(false, p); err != nil {
		return 0, err
	}
	w.op = wire.OpContinuation
	return len(p), nil
}

// Close ends the message.
func (w *msgWriter) Close() error {
	if w.done {
		return nil
	}
	err := w.frame(true, nil)
	if err == nil {
		w.release()
	}
	return err
}

func (w *msgWriter) frame(fin bool, p []byte) error {
	err := w.c.frame(w.ctx, w.op, false, fin, p)
	if err == nil {
		return nil
	}
	// If a part of the message has gone it can never be ended, and neither can the
	// connection be used.
	if w.op == wire.OpContinuation && !errors.Is(err, ErrClosed) {
		w.c.finish(err, false)
	}
	w.release()
	return err
}

func (w *msgWriter) release() {
	w.done = true
	w.c.endMessage()
}

// WritePart sends a piece of a message, whose borders First and Last tell; FrameEnd
// and Repaired are not looked at. Each piece is a frame, or on hixie a part of the
// one frame. Other messages wait until the Last; pings and closes may go in between.
// It is what ReadPart reads, for passing messages on. One goroutine at a time may
// send parts; a part that fails behind the first ends the connection, as its message
// cannot be ended.
func (c *Conn) WritePart(ctx context.Context, p Part) error {
	if p.First && p.Last {
		return c.Write(ctx, p.Op, p.Data)
	}
	op := wire.OpContinuation
	if p.First {
		if op = p.Op; op == OpBinary && !c.Version().Supports(wire.CapBinary) || !op.IsData() {
			return ErrUnsupported
		}
	}
	err := c.frame(ctx, op, p.First, p.Last, p.Data)
	if err != nil && !p.First && !errors.Is(err, ErrClosed) {
		c.finish(err, false)
	}
	if p.Last || err != nil && !p.First {
		c.endMessage()
	}
	return err
}

// endMessage lets others' messages go out.
func (c *Conn) endMessage() {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	o.midst = false
	o.change()
}

// Ping sends a ping and waits for its pong, which a reader has to see: call it
// beside a goroutine that reads. On versions without ping it is
// ErrUnsupported.
func (c *Conn) Ping(ctx context.Context) error {
	if !c.Version().Supports(wire.CapPing) {
		return ErrUnsupported
	}
	pongs := c.expectPongs()
	body, pong := pongs.expect()
	defer pongs.forget(body)
	if err := c.frame(ctx, wire.OpPing, false, true, body[:]); err != nil {
		return err
	}
	return c.await(ctx, pong)
}

func (c *Conn) expectPongs() *pongs {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pongs == nil {
		c.pongs = &pongs{wait: make(map[[8]byte]chan struct{})}
	}
	return c.pongs
}

// pong is called for each pong that comes.
func (c *Conn) pong(data []byte) {
	c.mu.Lock()
	pongs := c.pongs
	c.mu.Unlock()
	if pongs != nil {
		pongs.got(data)
	}
}

// pongs are the pings that wait for their pong.
type pongs struct {
	mu   sync.Mutex
	last uint64
	wait map[[8]byte]chan struct{}
}

func (p *pongs) expect() (body [8]byte, pong <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	binary.BigEndian.PutUint64(body[:], p.last)
	ch := make(chan struct{})
	p.wait[body] = ch
	return body, ch
}

func (p *pongs) forget(body [8]byte) {
	p.mu.Lock()
	delete(p.wait, body)
	p.mu.Unlock()
}

func (p *pongs) got(data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for body, ch := range p.wait {
		if bytes.Equal(body[:], data) {
			close(ch)
			delete(p.wait, body)
		}
	}
}
