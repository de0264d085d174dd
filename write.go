package draftwire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/internal/pool"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/wire"
)

var errNoAnswer = errors.New("draftwire: the peer did not answer the close in time")

// frameRoom is more than any head and end of a frame.
const frameRoom = 16

// Write sends one message, op being OpText or OpBinary. Any number of
// goroutines may write. Binary on a version without it is ErrUnsupported; text
// that is not UTF-8 is ErrInvalidText; neither harms the connection.
func (c *Conn) Write(ctx context.Context, op Op, p []byte) error {
	if err := c.lockMessage(ctx); err != nil {
		return err
	}
	err := c.writeFrame(ctx, op, true, p)
	<-c.mmu
	return err
}

// lockMessage waits until no other message is under way.
func (c *Conn) lockMessage(ctx context.Context) error {
	select {
	case c.mmu <- struct{}{}:
		return nil
	default:
	}
	select {
	case c.mmu <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ctx.Done():
		return c.gonebyError()
	}
}

func (c *Conn) gonebyError() error {
	if err := context.Cause(c.ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("draftwire: write: %w", err)
	}
	return ErrClosed
}

// writeFrame encodes one frame and sends it.
func (c *Conn) writeFrame(ctx context.Context, op Op, fin bool, p []byte) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	buf := pool.Get(len(p) + frameRoom)
	defer pool.Put(buf)
	var err error
	if buf.B, err = c.ses.AppendFrame(buf.B, op, fin, p); err != nil {
		return err
	}
	if err := c.send(ctx, buf.B); err != nil {
		return err
	}
	if op.IsData() || op == wire.OpContinuation {
		c.stats.bytesOut.Add(uint64(len(p)))
		if fin {
			c.stats.messagesOut.Add(1)
		}
	}
	return nil
}

// send writes bytes under wmu. A write that is cut off breaks the connection.
func (c *Conn) send(ctx context.Context, b []byte) error {
	if c.broken != nil {
		return c.broken
	}
	if c.ctx.Err() != nil {
		return c.gonebyError()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.wctx.arm(&c.dmu, c, ctx) {
		c.wuntil = time.Time{}
	}
	// The deadline is kept between three quarters and the whole of the timeout
	// ahead, so that most writes set none.
	if now := time.Now(); c.wuntil.Sub(now) < c.limits.WriteTimeout*3/4 {
		c.wuntil = now.Add(c.limits.WriteTimeout)
		c.dmu.Lock()
		if !c.wctx.fired && !c.closing.Load() {
			c.nc.SetWriteDeadline(c.wuntil)
		}
		c.dmu.Unlock()
	}
	_, err := c.nc.Write(b)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && isTimeout(err) {
		err = ctx.Err()
	}
	c.broken = fmt.Errorf("draftwire: write: %w", err)
	c.wctx.disarm(&c.dmu)
	c.finish(c.broken, false)
	return c.broken
}

// writeClose sends our close, once, until by.
func (c *Conn) writeClose(code CloseCode, reason string, by time.Time) error {
	// A writer that hangs holds wmu: let it fail by then.
	c.dmu.Lock()
	c.nc.SetWriteDeadline(by)
	c.dmu.Unlock()
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.ses.Said() || c.broken != nil {
		return c.broken
	}
	var room [128 + frameRoom]byte
	b, err := c.ses.AppendClose(room[:0], code, reason)
	if err != nil || len(b) == 0 {
		return err
	}
	_, err = c.nc.Write(b)
	return err
}

// reply sends the automatic answer to c.ev.
func (c *Conn) reply() error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.broken != nil {
		return c.broken
	}
	var room [128 + frameRoom]byte
	b, err := c.ses.AppendReply(room[:0], &c.ev)
	if err != nil || len(b) == 0 {
		return err
	}
	return c.send(c.ctx, b)
}

// Writer starts a message in pieces and returns its writer. Each Write is a
// frame, or on hixie a part of the one frame; Close ends the message. Other
// messages wait until then; pings and closes may go in between.
func (c *Conn) Writer(ctx context.Context, op Op) (io.WriteCloser, error) {
	if op == OpBinary && !c.Version().Supports(wire.CapBinary) || !op.IsData() {
		return nil, ErrUnsupported
	}
	if err := c.lockMessage(ctx); err != nil {
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
	if err := w.c.writeFrame(w.ctx, w.op, false, p); err != nil {
		w.fail(err)
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
	if err := w.c.writeFrame(w.ctx, w.op, true, nil); err != nil {
		w.fail(err)
		return err
	}
	w.release()
	return nil
}

// fail gives the message up. If a part of it has gone it can never be ended,
// and neither can the connection be used.
func (w *msgWriter) fail(err error) {
	if w.op == wire.OpContinuation && !errors.Is(err, ErrClosed) {
		w.c.finish(err, false)
	}
	w.release()
}

func (w *msgWriter) release() {
	w.done = true
	<-w.c.mmu
}

// PreparedMessage is a message that is encoded once for each version that it
// is sent on, for sending it to many. It is safe for any number of goroutines.
type PreparedMessage struct {
	op     Op
	data   []byte
	frames [len(drafts)][session.NumEncodings]atomic.Pointer[[]byte]
}

// NewPreparedMessage prepares a message. data must not be changed afterwards.
func NewPreparedMessage(op Op, data []byte) *PreparedMessage {
	return &PreparedMessage{op: op, data: data}
}

// frame returns the message as a server of the version sends it.
func (m *PreparedMessage) frame(d row, encoding int) ([]byte, error) {
	i := 0
	for drafts[i].Version != d.Version {
		i++
	}
	place := &m.frames[i][encoding]
	if f := place.Load(); f != nil {
		return *f, nil
	}
	f, err := session.Encode(d.Draft, encoding, m.op, m.data)
	if err != nil {
		return nil, err
	}
	place.Store(&f)
	return f, nil
}

// WritePrepared sends a prepared message, as Write would. A client masks each
// frame anew, and a compression with takeover depends on what went before: only
// servers without it gain.
func (c *Conn) WritePrepared(ctx context.Context, m *PreparedMessage) error {
	encoding, ok := c.ses.Encoding(len(m.data))
	if c.role == wire.Client || !ok {
		return c.Write(ctx, m.op, m.data)
	}
	f, err := m.frame(c.draft, encoding)
	if err != nil {
		return err
	}
	if err := c.lockMessage(ctx); err != nil {
		return err
	}
	defer func() { <-c.mmu }()
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.ses.Said() {
		return ErrClosed
	}
	if err := c.send(ctx, f); err != nil {
		return err
	}
	c.stats.messagesOut.Add(1)
	c.stats.bytesOut.Add(uint64(len(m.data)))
	return nil
}

// Ping sends a ping and waits for its pong, which a reader has to see: call it
// beside a goroutine that reads. On versions without ping it is
// ErrUnsupported.
func (c *Conn) Ping(ctx context.Context) error {
	if !c.Version().Supports(wire.CapPing) {
		return ErrUnsupported
	}
	body, pong := c.pongs.expect()
	defer c.pongs.forget(body)
	if err := c.writeFrame(ctx, wire.OpPing, true, body[:]); err != nil {
		return err
	}
	select {
	case <-pong:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ctx.Done():
		return c.gonebyError()
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
	if p.wait == nil {
		p.wait = make(map[[8]byte]chan struct{})
	}
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
