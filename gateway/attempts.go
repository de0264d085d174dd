package gateway

import (
	"context"
	"net"
	"os"
	"sync"
	"time"

	"github.com/draftwire/draftwire/internal/sock"
)

// attempts are the connections to backends that are being opened. A clock that each of them
// has for itself, a context with its timer and the goroutine that package net starts to watch
// it, costs a good part of what opening takes. So one timer is for all, and what is too late or
// no longer wanted is interrupted from here.
type attempts struct {
	loops *sock.Loops // which connect; nil where there are none
	mu    sync.Mutex
	open  map[*attempt]struct{}
	timer *time.Timer
	next  time.Time // when timer fires; zero: it does not
	over  bool      // nothing is opened any more
}

// attempt is one of them: a socket that connects, and then has a handshake under way.
type attempt struct {
	all     *attempts
	by      time.Time
	connect func(*sock.Socket) // watches, made once
	nc      net.Conn           // what is interrupted; nil while there is nothing
	why     error              // of the interruption; nil: there was none
}

var attemptPool = sync.Pool{New: func() any {
	a := new(attempt)
	a.connect = func(s *sock.Socket) { a.watches(s) }
	return a
}}

// begin begins an attempt, which is interrupted at by. Its end must be called.
func (all *attempts) begin(by time.Time) *attempt {
	a := attemptPool.Get().(*attempt)
	a.all, a.by = all, by
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.over {
		a.why = context.Canceled
	}
	if all.open == nil {
		all.open = make(map[*attempt]struct{})
	}
	all.open[a] = struct{}{}
	if all.next.IsZero() || by.Before(all.next) {
		all.wakeAt(by)
	}
	return a
}

// end ends the attempt, and returns why it was interrupted, nil where it was not.
func (a *attempt) end() error {
	a.all.mu.Lock()
	delete(a.all.open, a)
	why := a.why
	a.all.mu.Unlock()
	*a = attempt{connect: a.connect}
	attemptPool.Put(a)
	return why
}

// wakeAt sets the timer. The caller holds all.mu.
func (all *attempts) wakeAt(t time.Time) {
	all.next = t
	if all.timer == nil {
		all.timer = time.AfterFunc(time.Until(t), all.expire)
	} else {
		all.timer.Reset(time.Until(t))
	}
}

// expire interrupts the attempts whose time is over.
func (all *attempts) expire() {
	all.mu.Lock()
	defer all.mu.Unlock()
	now := time.Now()
	var next time.Time
	for a := range all.open {
		switch {
		case a.why != nil:
		case !a.by.After(now):
			a.interrupt(os.ErrDeadlineExceeded)
		case next.IsZero() || a.by.Before(next):
			next = a.by
		}
	}
	all.next = time.Time{}
	if !next.IsZero() {
		all.wakeAt(next)
	}
}

// stop interrupts all attempts, those of later too.
func (all *attempts) stop() {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.over = true
	if all.timer != nil {
		all.timer.Stop()
	}
	for a := range all.open {
		if a.why == nil {
			a.interrupt(context.Canceled)
		}
	}
}

// interrupt interrupts what is under way. The caller holds the lock.
func (a *attempt) interrupt(why error) {
	a.why = why
	if a.nc != nil {
		a.nc.SetDeadline(sock.Past)
	}
}

// until sets when the attempt is interrupted, and forgets that it was late before.
func (a *attempt) until(by time.Time) {
	all := a.all
	all.mu.Lock()
	defer all.mu.Unlock()
	a.by = by
	if a.why == os.ErrDeadlineExceeded {
		a.why = nil
	}
	if all.next.IsZero() || by.Before(all.next) {
		all.wakeAt(by)
	}
}

// watches makes nc what is interrupted.
func (a *attempt) watches(nc net.Conn) {
	a.all.mu.Lock()
	defer a.all.mu.Unlock()
	a.nc = nc
	if a.why != nil {
		nc.SetDeadline(sock.Past)
	}
}

// interrupted returns why the attempt was interrupted; nil where it was not.
func (a *attempt) interrupted() error {
	a.all.mu.Lock()
	defer a.all.mu.Unlock()
	return a.why
}

// cancelled reports whether nothing is opened any more.
func (a *attempt) cancelled() bool { return a.interrupted() == context.Canceled }
