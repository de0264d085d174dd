package wsconn

import (
	"context"
	"sync"
	"time"
)

// connContext is a connection's context. Most handlers only hand it back to the
// connection's own calls, which know it; so what a context costs is paid only where
// a goroutine waits for it or asks it for a value.
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
	if x.c.is(closed) {
		return context.Canceled
	}
	return nil
}

// full makes the context. It takes no lock: the context package calls it from
// within calls that are made under Conn.mu.
func (x connContext) full() *fullContext {
	c := x.c
	ctx := &c.needRare().ctx
	if full := ctx.Load(); full != nil {
		return full
	}
	full := newContext(context.Background())
	if !ctx.CompareAndSwap(nil, full) {
		return ctx.Load()
	}
	if c.is(closed) {
		full.cancel(c.endCause())
	}
	return full
}

// doneOf returns ctx's Done channel. It is nil for the connection's own context: the
// connection's end interrupts every call anyway.
func (c *Conn) doneOf(ctx context.Context) <-chan struct{} {
	if own, ok := ctx.(connContext); ok && own.c == c {
		return nil
	}
	return ctx.Done()
}

// watch lets the end of a context interrupt a call, by a deadline. It keeps the context of
// the last call armed, so that calls that follow with the same context cost nothing.
// Contexts are told apart by their Done channel. A connection has one for reading and one
// for writing, made when a context that can end is used; its methods do nothing on nil.
type watch struct {
	done <-chan struct{} // of the context that is armed; for the half that has the watch alone

	// Under the mutex given to arm.
	unarm func() bool
	gen   uint64
	fired bool
}

// arm lets the end of ctx, whose Done channel is done, call interrupt. It reports
// whether interrupt has run for an earlier context: the caller undoes what it did.
func (w *watch) arm(mu *sync.Mutex, ctx context.Context, done <-chan struct{}, interrupt func()) (hadFired bool) {
	w.done = done
	mu.Lock()
	defer mu.Unlock()
	w.stop()
	hadFired = w.fired
	w.fired = false
	if done == nil {
		return hadFired
	}
	gen := w.gen
	w.unarm = context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if w.gen == gen {
			w.fired = true
			interrupt()
		}
	})
	return hadFired
}

// disarm forgets the context; that it has fired is told to the next arm.
func (w *watch) disarm(mu *sync.Mutex) {
	if w == nil {
		return
	}
	mu.Lock()
	w.stop()
	mu.Unlock()
	w.done = disarmed
}

// stop lets go of the context, which otherwise would keep the connection in memory. It is
// called under the mutex given to arm.
func (w *watch) stop() {
	if w == nil {
		return
	}
	w.gen++
	if w.unarm != nil {
		w.unarm()
		w.unarm = nil
	}
}

// hasFired reports whether the context's end has interrupted a call. It is called under the
// mutex given to arm.
func (w *watch) hasFired() bool { return w != nil && w.fired }

// disarmed is the Done channel of no context.
var disarmed = make(chan struct{})
