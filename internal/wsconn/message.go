package wsconn

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"github.com/draftwire/draftwire/internal/pool"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// ownership says whose the bytes of a message are.
type ownership bool

const (
	owned    ownership = true  // the caller's
	borrowed ownership = false // the connection's, lent until the next call that reads
)

// Read reads the next message whole: see draftwire.Conn.Read.
func (c *Conn) Read(ctx context.Context) (wire.Op, []byte, error) {
	return c.r.message(ctx, owned)
}

// ReadBorrowed is Read without the copy: see draftwire.Conn.ReadBorrowed.
func (c *Conn) ReadBorrowed(ctx context.Context) (wire.Op, []byte, error) {
	return c.r.message(ctx, borrowed)
}

// message reads the next message.
func (r *reader) message(ctx context.Context, own ownership) (wire.Op, []byte, error) {
	if err := r.lock(); err != nil {
		return 0, nil, err
	}
	defer r.unlock()
	return r.nextMessage(ctx, own)
}

// nextMessage is message, with the lock.
func (r *reader) nextMessage(ctx context.Context, own ownership) (wire.Op, []byte, error) {
	r.takeBack()
	if r.open != nil || r.inParts {
		if err := r.dropRest(ctx); err != nil {
			return 0, nil, err
		}
	}
	if r.kind == wire.OpNone { // otherwise an interrupted call has left the beginning of one
		if err := r.nextData(ctx); err != nil {
			return 0, nil, err
		}
		if r.ev.Last && (own == owned || r.c.ses.InPlace()) {
			p := r.ev.Data
			if own == owned {
				p = r.own(p)
			} else {
				r.inPlace = true
			}
			r.publishPending()
			return r.ev.Op, p[:len(p):len(p)], nil // an append does not reach what is behind
		}
	}
	return r.gathered(ctx, own)
}

// Small messages that came together are cut from one chunk, as an allocation each would cost more
// than all else that is done for them: one that is kept keeps the chunk. A large one that came
// alone stays where it was read, if that was expected.
const (
	chunkSize   = 3 << 10 // of which the allocator gets eight at a time, and of 4 KiB two
	cutMost     = 1 << 10 // a longer message has its own memory
	expectLeast = 4 << 10 // behind a message as long as that, another one is expected
	expectMost  = 4 << 20
)

// own makes a message that stands in src the caller's. The reader holds a chunk only while it has
// input that it has not looked at.
func (r *reader) own(p []byte) []byte {
	n, behind := len(p), r.src.Buffered()
	switch {
	case n == 0:
		return []byte{}
	case n >= expectLeast && behind == 0 && r.c.ses.InPlace():
		if !r.src.Take(n) {
			p = clone(p)
		}
		r.expect(n)
		return p
	case n > cutMost || behind == 0 && len(r.part) < n:
		return clone(p)
	}
	if len(r.part) < n {
		size := min(n+behind, chunkSize)
		r.part = pool.Memory(size)[:size]
	}
	own := r.part[:n:n]
	copy(own, p)
	r.part = r.part[n:]
	if behind == 0 {
		r.part = nil
	}
	return own
}

// expect expects another message behind one of n bytes.
func (r *reader) expect(n int) {
	if n >= expectLeast && n <= expectMost && r.src.Buffered() == 0 && r.c.ses.InPlace() {
		r.src.Expect(n)
	}
}

// clone copies p. The compiler sees that what it allocates need not be cleared.
func clone(p []byte) []byte {
	own := make([]byte, len(p))
	copy(own, p)
	return own
}

// gathered gathers a message that does not come at once, or not in place: from
// the event in hand on, or from where an interrupted call stopped.
func (r *reader) gathered(ctx context.Context, own ownership) (wire.Op, []byte, error) {
	last := false
	if r.kind == wire.OpNone {
		last = r.ev.Last
		r.begin(r.c.ses.Remaining(), own)
	}
	for !last {
		var err error
		if last, err = r.gatherNext(ctx, own); err != nil {
			return 0, nil, err
		}
	}
	op, p := r.give(own)
	r.publishPending()
	return op, p, nil
}

// gatherNext adds the next part of the message in hand. A long payload is
// read to where it belongs.
func (r *reader) gatherNext(ctx context.Context, own ownership) (last bool, err error) {
	remaining := r.c.ses.Remaining()
	if remaining == 0 || r.src.Buffered() > 0 {
		if err := r.nextData(ctx); err != nil {
			return false, err
		}
		r.gather(r.ev.Data, r.c.ses.Remaining(), own)
		return r.ev.Last, nil
	}
	r.reserve(int(min(remaining, sock.SmallRead)), remaining, own)
	n, ok, err := r.readPayload(ctx, r.part[len(r.part):cap(r.part)], remaining)
	if !ok {
		return false, err
	}
	r.part = r.part[:len(r.part)+n]
	return r.ev.Last, nil
}

// readPayload reads payload straight into p, of the remaining bytes as many as there is
// room for. ok is false where none are there yet.
func (r *reader) readPayload(ctx context.Context, p []byte, remaining int64) (n int, ok bool, err error) {
	if err := r.ended(); err != nil {
		return 0, false, err
	}
	p = p[:min(int64(len(p)), remaining)]
	if n, err = r.fill(ctx, p); n == 0 || err != nil {
		return 0, false, err
	}
	_, ok, err = r.decode(p[:n])
	if err != nil || r.ev.Op.IsControl() {
		ok, err = r.control(ctx, false, err)
	}
	return n, ok, err
}

// begin begins to gather the message whose first event is in hand.
func (r *reader) begin(remaining int64, own ownership) {
	r.kind, r.part = r.ev.Op, nil
	if own == owned && r.keeps(remaining) {
		r.part = r.ev.Data
		return
	}
	r.gather(r.ev.Data, remaining, own)
}

// keeps reports whether the message whose beginning is in hand, and of which so many more bytes
// are announced, stays where it was read: where that was expected, and an eighth of it is there.
func (r *reader) keeps(remaining int64) bool {
	p := r.ev.Data
	return remaining > 0 && remaining <= int64(cap(p)-len(p)) && remaining/8 <= int64(len(p)) && r.src.Take(len(p)+int(remaining))
}

// gather adds a part to the message in hand, of which so many more bytes are announced.
func (r *reader) gather(p []byte, remaining int64, own ownership) {
	if remaining > 0 {
		remaining += int64(len(p))
	}
	r.reserve(len(p), remaining, own)
	r.part = append(r.part, p...)
}

// reserve makes room for n more bytes of the message in hand. remaining is how many
// are announced, 0 where that is not known. For all of them there is room once
// an eighth of the message is there: nobody gets memory for a mere announcement.
func (r *reader) reserve(n int, remaining int64, own ownership) {
	have := len(r.part)
	if cap(r.part)-have >= n && r.part != nil {
		return
	}
	most := int64(8*(have+n)) + sock.FirstRead
	if remaining == 0 {
		remaining, most = math.MaxInt64, int64(max(n, have))
	}
	size := have + int(min(remaining, most))
	var lent *pool.Buf
	var b []byte
	if own == owned && remaining <= most { // for the caller to keep
		b = pool.Memory(size)
	} else {
		lent = pool.Get(size)
		b = lent.B
	}
	b = append(b, r.part...)
	pool.Put(r.lent)
	r.part, r.lent = b, lent
}

// give ends the gathering, and gives the message to the caller.
func (r *reader) give(own ownership) (wire.Op, []byte) {
	op, p := r.kind, r.part
	r.kind, r.part = wire.OpNone, nil
	if own == owned {
		if r.lent != nil {
			if cap(p) > len(p)+len(p)/4 {
				p = clone(p)
				pool.Put(r.lent)
			}
			r.lent = nil
		}
		r.expect(len(p))
	}
	return op, p[:len(p):len(p)]
}

// takeBack ends the loan of the last ReadBorrowed.
func (r *reader) takeBack() {
	r.inPlace = false
	if r.lent != nil && r.kind == wire.OpNone {
		pool.Put(r.lent)
		r.lent = nil
	}
}

// keepLent lets the program keep what ReadBorrowed lent it, though another
// goroutine reads on.
func (r *reader) keepLent() {
	if r.inPlace {
		r.src.Abandon()
		r.inPlace = false
	}
	r.lent = nil
}

// MessageReader reads a message as a stream: see Conn.Reader.
type MessageReader struct {
	c      *Conn
	ctx    context.Context
	rest   []byte // of the event in hand; part of the connection's buffer
	last   bool   // it is the message's last event
	passed bool   // a later call has dropped what was not read
}

// SetContext makes ctx the one that holds for the reader.
func (m *MessageReader) SetContext(ctx context.Context) { m.ctx = ctx }

// Reader waits for the next message and returns a reader of its payload: see
// draftwire.Conn.Reader.
func (c *Conn) Reader(ctx context.Context) (wire.Op, *MessageReader, error) {
	r := &c.r
	if err := r.lock(); err != nil {
		return 0, nil, err
	}
	defer r.unlock()
	r.takeBack()
	if err := r.dropRest(ctx); err != nil {
		return 0, nil, err
	}
	if r.kind != wire.OpNone { // an interrupted Read has left the beginning of a message
		m := &MessageReader{c: c, ctx: ctx, rest: r.part}
		op := r.kind
		r.kind, r.part = wire.OpNone, nil
		r.lent, r.open = nil, m
		return op, m, nil
	}
	if err := r.nextData(ctx); err != nil {
		return 0, nil, err
	}
	m := &MessageReader{c: c, ctx: ctx, rest: r.ev.Data, last: r.ev.Last}
	r.open = m
	r.publishPending()
	return r.ev.Op, m, nil
}

// Read implements io.Reader.
func (m *MessageReader) Read(p []byte) (int, error) {
	c := m.c
	r := &c.r
	if err := r.lock(); err != nil {
		return 0, err
	}
	defer r.unlock()
	if c.is(closing) {
		return 0, wire.ErrClosed // Close reads on, and m.rest with it is gone
	}
	if r.open != m || m.passed {
		return 0, io.EOF // read to the end, or passed by a later Read
	}
	for len(m.rest) == 0 {
		if m.last {
			r.open = nil
			return 0, io.EOF
		}
		n, err := m.fill(p)
		if err != nil {
			if c.is(readEnded) {
				r.open = nil
			}
			return 0, err
		}
		if n > 0 {
			return n, nil
		}
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// fill takes the next part of the message: n bytes of it into p, where p is
// worth reading into, otherwise as rest.
func (m *MessageReader) fill(p []byte) (n int, err error) {
	r := &m.c.r
	if remaining := m.c.ses.Remaining(); remaining > 0 && r.src.Buffered() == 0 && len(p) >= sock.FirstRead {
		n, ok, err := r.readPayload(m.ctx, p, remaining)
		if !ok {
			return 0, err
		}
		m.last = r.ev.Last
		return n, nil
	}
	if err := r.nextData(m.ctx); err != nil {
		return 0, err
	}
	m.rest, m.last = r.ev.Data, r.ev.Last
	r.publishPending()
	return 0, nil
}

// Part is a part of a message, as it came: see draftwire.Part.
type Part struct {
	Op          wire.Op
	Data        []byte
	First, Last bool
	FrameEnd    bool
	Repaired    bool
}

// ReadPart reads the next part of a message: see draftwire.Conn.ReadPart.
func (c *Conn) ReadPart(ctx context.Context) (Part, error) {
	r := &c.r
	if err := r.lock(); err != nil {
		return Part{}, err
	}
	defer r.unlock()
	r.takeBack()
	if r.open != nil {
		if err := r.dropRest(ctx); err != nil {
			return Part{}, err
		}
	}
	if r.kind != wire.OpNone { // an interrupted Read has left the beginning of a message
		op, p := r.give(borrowed)
		r.inParts = true
		return Part{Op: op, Data: p, First: true, Repaired: c.ses.MessageRepaired()}, nil
	}
	if err := r.nextData(ctx); err != nil {
		return Part{}, err
	}
	ev := &r.ev
	p := ev.Data
	r.inPlace = c.ses.InPlace()
	if !r.inPlace {
		r.lent = pool.Get(len(p))
		p = append(r.lent.B, p...)
	}
	r.inParts = !ev.Last
	r.publishPending()
	return r.partOf(p), nil
}

// partOf returns the event in hand as a part, with its data p.
func (r *reader) partOf(p []byte) Part {
	ev := &r.ev
	return Part{Op: ev.Op, Data: p[:len(p):len(p)], First: ev.First, Last: ev.Last, FrameEnd: ev.FrameEnd, Repaired: r.c.ses.MessageRepaired()}
}

// TryReadPart is ReadPart where there is a part without waiting for bytes; otherwise ok is
// false: see draftwire.Conn.TryReadPart.
func (c *Conn) TryReadPart() (p Part, ok bool, err error) {
	p, err = c.ReadPart(noWait{})
	if err == errWouldWait {
		return Part{}, false, nil
	}
	return p, err == nil, err
}

// noWait is the context of calls that may not wait: it has ended.
type noWait struct{}

var errWouldWait = errors.New("draftwire: would wait")

func (noWait) Deadline() (time.Time, bool) { return time.Time{}, false }
func (noWait) Done() <-chan struct{}       { return ended }
func (noWait) Err() error                  { return errWouldWait }
func (noWait) Value(any) any               { return nil }

// ended is the Done channel of noWait.
var ended = func() chan struct{} { ch := make(chan struct{}); close(ch); return ch }()

// Buffered reports whether input has come that is not read yet, behind what the
// last call that reads gave.
func (c *Conn) Buffered() bool { return c.is(inputPending) }

// dropRest reads the message of an unfinished MessageReader, or of parts, to its end.
func (r *reader) dropRest(ctx context.Context) error {
	for r.inParts {
		if err := r.next(ctx, false); err != nil {
			return err
		}
		r.inParts = !(r.ev.Op.IsData() && r.ev.Last)
	}
	m := r.open
	if m == nil {
		return nil
	}
	m.rest, m.passed = nil, true
	for !m.last {
		if err := r.next(ctx, false); err != nil {
			return err
		}
		m.last = r.ev.Op.IsData() && r.ev.Last
	}
	r.open = nil
	return nil
}

// CloseRead reads in a goroutine of its own, for a program that only writes: see
// draftwire.Conn.CloseRead.
func (c *Conn) CloseRead(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		if _, _, err := c.Reader(ctx); err == nil {
			c.Close(wire.CodePolicy, "unexpected message")
		}
	}()
	return ctx
}
