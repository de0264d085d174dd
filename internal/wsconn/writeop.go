package wsconn

import (
	"context"
	"sync"
	"time"

	"github.com/draftwire/draftwire/internal/pool"
	"github.com/draftwire/draftwire/internal/sock"
)

// writeOp is one write: the queue, and what goes behind it from where it is. On a socket
// its deadline is set and its context watched only when the socket has no room.
type writeOp struct {
	sock.Writer
	w      *writer
	ctx    context.Context
	queue  *pool.Buf // the first of Bufs
	goal   uint64    // writer.queued behind it
	waited bool      // the socket had no room: the deadline is set
}

var writeOps = sync.Pool{New: func() any {
	op := new(writeOp)
	op.Init()
	return op
}}

func newWriteOp(w *writer, ctx context.Context) *writeOp {
	op := writeOps.Get().(*writeOp)
	op.w, op.ctx = w, ctx
	op.Wait = op
	if s := w.c.r.socket; s != nil {
		op.TLS = s.TLS()
	}
	return op
}

func (op *writeOp) free() {
	pool.Put(op.queue)
	op.Reset()
	op.w, op.ctx, op.queue = nil, nil, nil
	writeOps.Put(op)
}

// own makes the write independent of the caller, who does not wait for its end: it copies
// what remains of buffers that are the caller's, and no longer ends with the caller's context.
func (op *writeOp) own() {
	op.ctx = op.w.c.Context()
	if len(op.Bufs[1])+len(op.Bufs[2]) == 0 {
		return
	}
	n := 0
	for _, p := range op.Rest() {
		n += len(p)
	}
	b := pool.Get(n)
	for _, p := range op.Rest() {
		b.B = append(b.B, p...)
	}
	op.Rewrite(b.B)
	pool.Put(op.queue)
	op.queue = b
}

// result says how a write to a socket has ended; err is that of the runtime's call.
func (op *writeOp) result(err error) error {
	err = op.Result(err)
	if op.waited {
		op.waited = false
		c := op.w.c
		op.w.watchContext(c.Context()) // no longer op.ctx
		op.w.setDeadline(time.Time{})
	}
	return err
}

// BeforeWait implements sock.Waiter: the peer has the write timeout to take something.
func (op *writeOp) BeforeWait(progress bool) {
	if !op.waited {
		op.waited = true
		op.w.watchContext(op.ctx)
	} else if !progress {
		return
	}
	op.w.setDeadline(time.Now().Add(op.w.c.lim.WriteTimeout))
}

// writeStream writes to what is no socket.
func (op *writeOp) writeStream() error {
	op.w.watchContext(op.ctx)
	return op.WriteTo(op.w.c.Stream(), op.beforeWrite)
}

// beforeWrite keeps the deadline between three quarters and the whole of the write timeout
// ahead, so that most writes set none.
func (op *writeOp) beforeWrite() {
	timeout := op.w.c.lim.WriteTimeout
	x := op.w.c.needRare()
	if t := now(); x.ahead == 0 || x.ahead-t < timeout*3/4 {
		x.ahead = t + timeout
		op.w.setDeadline(time.Now().Add(timeout))
	}
}

// The write deadline of the stream is set by the write that waits, by the end of a write's
// context, and by a close.

// watchContext lets the end of ctx interrupt a write.
func (w *writer) watchContext(ctx context.Context) {
	c := w.c
	done := c.doneOf(ctx)
	if done == nil && c.writeWatch() == nil {
		return
	}
	x := c.needRare()
	watch := &x.write
	if watch.done != done && watch.arm(&c.mu, ctx, done, func() { c.Stream().SetWriteDeadline(sock.Past) }) {
		x.ahead = 0
		w.setDeadline(time.Time{}) // the end of an earlier context has set it
	}
}

// setDeadline sets the deadline of a write, unless a close or a context has set its own.
func (w *writer) setDeadline(t time.Time) {
	c := w.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.writeWatch().hasFired() && !w.final {
		c.Stream().SetWriteDeadline(t)
	}
}

// setLastDeadline sets the deadline of all writes from now on.
func (w *writer) setLastDeadline(in time.Duration) {
	c := w.c
	c.mu.Lock()
	defer c.mu.Unlock()
	w.final = true
	c.Stream().SetWriteDeadline(time.Now().Add(in))
}
