package draftwire

import (
	"context"
	"io"
	"iter"

	"github.com/draftwire/draftwire/internal/pool"
	"github.com/draftwire/draftwire/wire"
)

// Message is one whole message.
type Message struct {
	Op   Op // OpText or OpBinary
	Data []byte
}

// Read reads the next message whole. The bytes are the caller's. In the error at
// the end of the connection errors.As finds a *CloseError, and errors.Is
// ErrClosed after this side's Close; a message above the limit is ErrTooBig and
// closes. If ctx ends, the error is ctx's and the connection goes on: the next
// Read gets the message.
func (c *Conn) Read(ctx context.Context) (Op, []byte, error) {
	return c.message(ctx, true)
}

// ReadBorrowed is Read without the copy: the bytes are lent, until the next call
// that reads. They may be changed, and be given to Write of this or another
// connection; who keeps them copies them.
func (c *Conn) ReadBorrowed(ctx context.Context) (Op, []byte, error) {
	return c.message(ctx, false)
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
	in := &c.in
	if err := c.lockIn(); err != nil {
		return 0, nil, err
	}
	defer c.unlockIn()
	c.takeBack()
	if err := c.dropRest(ctx); err != nil {
		return 0, nil, err
	}
	if in.kind != wire.OpNone { // a cancelled Read left the beginning of a message
		r := &msgReader{c: c, ctx: ctx, rest: in.part}
		op := in.kind
		in.kind, in.part, in.lent, in.cur = wire.OpNone, nil, nil, r
		return op, r, nil
	}
	if err := c.nextData(ctx); err != nil {
		return 0, nil, err
	}
	r := &msgReader{c: c, ctx: ctx, rest: in.ev.Data, last: in.ev.Last}
	in.cur = r
	c.look()
	return in.ev.Op, r, nil
}

type msgReader struct {
	c    *Conn
	ctx  context.Context
	rest []byte // of the event in hand; part of the connection's buffer
	last bool   // it is the message's last event
	left bool   // behind: a later Read drops the rest
}

// Read implements io.Reader.
func (r *msgReader) Read(p []byte) (int, error) {
	c := r.c
	in := &c.in
	if err := c.lockIn(); err != nil {
		return 0, err
	}
	defer c.unlockIn()
	if c.is(closing) {
		return 0, ErrClosed // Close reads on, and r.rest with it is gone
	}
	if in.cur != r || r.left {
		return 0, io.EOF // read to the end, or left behind by a later Read
	}
	for len(r.rest) == 0 {
		if r.last {
			in.cur = nil
			return 0, io.EOF
		}
		n, err := r.more(p)
		if err != nil {
			if in.ended != nil {
				in.cur = nil
			}
			return 0, err
		}
		if n > 0 {
			return n, nil
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// more takes the next piece of the message: n bytes of it into p, where p is
// worth reading into, else as rest.
func (r *msgReader) more(p []byte) (n int, err error) {
	c := r.c
	if left := c.ses.Left(); left > 0 && c.in.src.buffered() == 0 && len(p) >= firstRead {
		n, ok, err := c.straight(r.ctx, p, left)
		if !ok {
			return 0, err
		}
		r.last = c.in.ev.Last
		return n, nil
	}
	if err := c.nextData(r.ctx); err != nil {
		return 0, err
	}
	r.rest, r.last = c.in.ev.Data, c.in.ev.Last
	c.look()
	return 0, nil
}

// Part is a piece of a message, as it came.
type Part struct {
	Op          Op     // OpText or OpBinary
	Data        []byte // lent, until the next call that reads
	First, Last bool   // borders of the message; both, where it came at once
	FrameEnd    bool   // a frame of the peer ends here
	Repaired    bool   // so far the message has U+FFFD in place of what is no UTF-8 (InvalidText)
}

// ReadPart reads the next piece of a message, as soon as there is one: for
// passing on messages without gathering them. Text may be cut inside a
// character. What the caller leaves unread of a message is dropped by the next
// Read, ReadBorrowed or Reader. Errors are those of Read.
func (c *Conn) ReadPart(ctx context.Context) (Part, error) {
	in := &c.in
	if err := c.lockIn(); err != nil {
		return Part{}, err
	}
	defer c.unlockIn()
	c.takeBack()
	if in.cur != nil {
		if err := c.dropRest(ctx); err != nil {
			return Part{}, err
		}
	}
	if in.kind != wire.OpNone { // a cancelled Read left the beginning of a message
		op, p := in.give(false)
		in.mid = true
		return Part{Op: op, Data: p, First: true, Repaired: c.ses.Mended()}, nil
	}
	if err := c.nextData(ctx); err != nil {
		return Part{}, err
	}
	ev := &in.ev
	p := ev.Data
	if in.here = c.ses.InPlace(); !in.here {
		in.lent = pool.Get(len(p))
		p = append(in.lent.B, p...)
	}
	in.mid = !ev.Last
	c.look()
	return Part{Op: ev.Op, Data: p[:len(p):len(p)], First: ev.First, Last: ev.Last, FrameEnd: ev.FrameEnd, Repaired: c.ses.Mended()}, nil
}

// Buffered reports whether input has come that is not read yet, behind what the
// last call that reads gave: a program that passes messages on then corks the
// other side, and flushes it before it waits.
func (c *Conn) Buffered() bool { return c.more.Load() }

// dropRest reads the message of an unfinished Reader, or of parts, to its end.
func (c *Conn) dropRest(ctx context.Context) error {
	in := &c.in
	for in.mid {
		if err := c.next(ctx, false); err != nil {
			return err
		}
		in.mid = !(in.ev.Op.IsData() && in.ev.Last)
	}
	r := in.cur
	if r == nil {
		return nil
	}
	r.rest, r.left = nil, true
	for !r.last {
		if err := c.next(ctx, false); err != nil {
			return err
		}
		r.last = in.ev.Op.IsData() && in.ev.Last
	}
	in.cur = nil
	return nil
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
