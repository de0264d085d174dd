package draftwire

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/wire"
)

// Message is one whole message.
type Message struct {
	Op   Op // OpText or OpBinary
	Data []byte
}

// Read reads the next message whole. The bytes are the caller's. In the error at
// the end of the connection errors.As finds a *CloseError, and errors.Is
// ErrClosed after this side's Close; a message above the limit is ErrTooBig and closes. If ctx ends, the
// error is ctx's and the connection goes on: the next Read gets the message.
func (c *Conn) Read(ctx context.Context) (Op, []byte, error) {
	c.rmu.Lock()
	defer c.rmu.Unlock()
	if err := c.dropRest(ctx); err != nil {
		return 0, nil, err
	}
	for {
		if err := c.next(ctx); err != nil {
			return 0, nil, err
		}
		if !c.ev.Op.IsData() {
			continue
		}
		if c.kind == wire.OpNone {
			c.kind = c.ev.Op
		}
		c.part = append(c.part, c.ev.Data...)
		if c.ev.Last {
			op, p := c.kind, c.part
			if p == nil {
				p = []byte{}
			}
			c.kind, c.part = wire.OpNone, nil
			return op, p, nil
		}
	}
}

// Messages yields the messages until the connection or ctx ends. The last pair
// has the error; an end in order (CodeNormal, CodeGoingAway, CodeNoStatus) ends
// the loop without one.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			op, p, err := c.Read(ctx)
			if err != nil {
				switch CloseStatus(err) {
				case CodeNormal, CodeGoingAway, CodeNoStatus:
				default:
					yield(Message{}, err)
				}
				return
			}
			if !yield(Message{op, p}, nil) {
				return
			}
		}
	}
}

// Reader waits for the next message and returns a reader of its payload, which
// ends with io.EOF. What the caller leaves unread is dropped by the next Read
// or Reader. ctx holds for the reader too.
func (c *Conn) Reader(ctx context.Context) (Op, io.Reader, error) {
	c.rmu.Lock()
	defer c.rmu.Unlock()
	if err := c.dropRest(ctx); err != nil {
		return 0, nil, err
	}
	if c.kind != wire.OpNone { // a cancelled Read left the beginning of a message
		r := &msgReader{c: c, ctx: ctx, rest: c.part}
		op := c.kind
		c.kind, c.part, c.cur = wire.OpNone, nil, r
		return op, r, nil
	}
	for {
		if err := c.next(ctx); err != nil {
			return 0, nil, err
		}
		if c.ev.Op.IsData() {
			r := &msgReader{c: c, ctx: ctx, rest: c.ev.Data, last: c.ev.Last}
			c.cur = r
			return c.ev.Op, r, nil
		}
	}
}

type msgReader struct {
	c    *Conn
	ctx  context.Context
	rest []byte // of the event in hand; part of the connection's buffer
	last bool   // it is the message's last event
}

// Read implements io.Reader.
func (r *msgReader) Read(p []byte) (int, error) {
	c := r.c
	c.rmu.Lock()
	defer c.rmu.Unlock()
	if c.closing.Load() {
		return 0, ErrClosed // Close reads on, and r.rest with it is gone
	}
	if c.cur != r {
		return 0, io.EOF // read to the end, or left behind by a later Read
	}
	for len(r.rest) == 0 {
		if r.last {
			c.cur = nil
			return 0, io.EOF
		}
		if err := c.next(r.ctx); err != nil {
			if c.ended != nil {
				c.cur = nil
			}
			return 0, err
		}
		if c.ev.Op.IsData() {
			r.rest, r.last = c.ev.Data, c.ev.Last
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// dropRest reads the message of an unfinished Reader to its end.
func (c *Conn) dropRest(ctx context.Context) error {
	for r := c.cur; r != nil; {
		if r.last {
			c.cur, r = nil, nil
			break
		}
		if err := c.next(ctx); err != nil {
			return err
		}
		r.rest = nil
		r.last = c.ev.Op.IsData() && c.ev.Last
	}
	return nil
}

// next puts the next event into c.ev, reads as needed, and gives the automatic
// answers. While this side closes, data is dropped. An error in c.ended is the
// end; any other is ctx's, and the connection goes on.
func (c *Conn) next(ctx context.Context) error {
	for {
		if c.ended != nil {
			return c.ended
		}
		if c.src.buffered() == 0 && !c.ses.Pending() {
			if err := c.fill(ctx); err != nil {
				return err
			}
		}
		n, err := c.ses.Next(c.src.bytes(), &c.ev)
		c.src.take(n)
		if err != nil {
			c.writeClose(session.FailureCode(err), reasonOf(err), time.Now().Add(c.limits.CloseTimeout))
			return c.end(err, true)
		}
		switch c.ev.Op {
		case wire.OpText, wire.OpBinary:
			c.stats.bytesIn.Add(uint64(len(c.ev.Data)))
			if c.ev.Last {
				c.stats.messagesIn.Add(1)
			}
			if !c.closing.Load() {
				return nil
			}
		case wire.OpPing:
			if err := c.reply(); err != nil {
				return c.end(err, false)
			}
			return nil
		case wire.OpPong:
			c.pongs.got(c.ev.Data)
			return nil
		case wire.OpClose:
			ce := &CloseError{Code: c.ev.Code, Reason: string(c.ev.Data)}
			if err := c.reply(); err != nil {
				return c.end(ce, false)
			}
			return c.end(ce, true)
		}
	}
}

// reasonOf is what a peer is told of its fault.
func reasonOf(err error) string {
	if pe, ok := err.(*ProtocolError); ok {
		return pe.Msg
	}
	return ""
}

// fill reads more bytes, bounded by ctx, the idle timeout and the closing
// handshake's.
func (c *Conn) fill(ctx context.Context) error {
	if err := ctx.Err(); err != nil && ctx != c.ctx {
		return err
	}
	c.ses.Idle()
	if c.rctx.arm(&c.dmu, c, ctx) {
		c.uncutRead()
	}
	c.dmu.Lock()
	switch {
	case c.rctx.fired:
	case !c.closeBy.IsZero():
		c.nc.SetReadDeadline(c.closeBy)
	case c.limits.IdleTimeout > 0:
		c.nc.SetReadDeadline(time.Now().Add(c.limits.IdleTimeout))
	}
	c.dmu.Unlock()
	err := c.src.fill()
	if err == nil {
		return nil
	}
	if !isTimeout(err) {
		return c.readFailed(err)
	}
	c.dmu.Lock()
	fired, closeBy := c.rctx.fired, c.closeBy
	c.dmu.Unlock()
	switch {
	case fired:
		c.rctx.disarm(&c.dmu)
		return ctx.Err()
	case !closeBy.IsZero() && !time.Now().Before(closeBy):
		return c.end(&abnormalError{errNoAnswer}, false)
	case !closeBy.IsZero():
		return nil // woken by Close: look again
	case c.limits.IdleTimeout > 0:
		c.writeClose(CodeGoingAway, "idle", time.Now().Add(c.limits.CloseTimeout))
		return c.end(&abnormalError{errIdle}, true)
	}
	return c.readFailed(err)
}

// uncutRead takes back the deadline that the end of an earlier context set.
func (c *Conn) uncutRead() {
	c.dmu.Lock()
	c.nc.SetReadDeadline(c.closeBy)
	c.dmu.Unlock()
}

// CloseRead reads in a goroutine of its own for a program that only writes:
// pings are answered and a close is seen. A message from the peer is a policy
// violation and closes. The context returned ends with the connection or ctx.
func (c *Conn) CloseRead(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		if _, _, err := c.Reader(ctx); err == nil {
			c.Close(CodePolicy, "unexpected message")
		}
	}()
	return ctx
}
