package draftwire

import (
	"context"
	"sync"
	"time"
)

// connContext is a connection's context. Most handlers only hand it back to the
// connection's own calls, which know it; so what a context costs is paid when
// somebody waits for it or asks it for a value.
type connContext struct{ c *Conn }

// fullContext is a connContext of which that was asked.
type fullContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

func newContext(parent context.Context) *fullContext {
	x := new(fullContext)
	x.Context, x.cancel = context.WithCancelCause(parent)
	return x
}

// Deadline implements context.Context.
func (x connContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (x connContext) Done() <-chan struct{} { return x.full().Done() }

// Value implements context.Context. The context package finds its own one, and
// with it the cause, through it.
func (x connContext) Value(key any) any { return x.full().Value(key) }

// Err implements context.Context.
func (x connContext) Err() error {
	if x.c.is(over) {
		return context.Canceled
	}
	return nil
}

// full makes the context. It takes no lock: the context package calls it from
// within calls that are made under Conn.mu.
func (x connContext) full() *fullContext {
	c := x.c
	if full := c.ctx.Load(); full != nil {
		return full
	}
	full := newContext(context.Background())
	if !c.ctx.CompareAndSwap(nil, full) {
		return c.ctx.Load()
	}
	if c.is(over) {
		full.cancel(c.why)
	}
	return full
}

// done returns ctx's Done channel, nil for the connection's own context: its
// end ends every call anyway.
func (c *Conn) done(ctx context.Context) <-chan struct{} {
	if own, ok := ctx.(connContext); ok && own.c == c {
		return nil
	}
	return ctx.Done()
}

// watch keeps the context of the last call armed, so that calls that follow
// with the same context cost nothing. Contexts are told apart by their Done
// channel. A connection has one for reading and one for writing, made when a
// context that can end is used.
type watch struct {
	done <-chan struct{} // of the context that is armed; the calling side's alone

	// Under the mutex given to arm.
	stop  func() bool
	gen   uint64
	fired bool
}

// arm lets the end of ctx, whose Done channel is done, call cut. It reports
// whether cut has run for an earlier context: the caller undoes what it did.
func (w *watch) arm(mu *sync.Mutex, ctx context.Context, done <-chan struct{}, cut func()) (wasCut bool) {
	w.done = done
	mu.Lock()
	defer mu.Unlock()
	w.release()
	wasCut, w.fired = w.fired, false
	if done == nil {
		return wasCut
	}
	gen := w.gen
	w.stop = context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if w.gen == gen {
			w.fired = true
			cut()
		}
	})
	return wasCut
}

// disarm forgets the context; what it has cut is told to the next arm.
func (w *watch) disarm(mu *sync.Mutex) {
	if w == nil {
		return
	}
	mu.Lock()
	w.release()
	mu.Unlock()
	w.done = disarmed
}

// release lets go of the context, which else would keep the connection. It runs
// under the mutex given to arm.
func (w *watch) release() {
	if w == nil {
		return
	}
	w.gen++
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// cut reports whether the context's end has cut a call.
func (w *watch) cut() bool { return w != nil && w.fired }

// disarmed is the Done channel of no context.
var disarmed = make(chan struct{})

// past is a deadline that has always been.
var past = time.Unix(1, 0)
