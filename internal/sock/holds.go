package sock

import (
	"sync"
	"time"
)

// Holder is a connection that may hold something back in its turn.
type Holder interface {
	// FlushHeld sends what is held, if anything is. It does not wait.
	FlushHeld()
}

// holds bounds how long the turns of a loop hold something back. One timer does for all
// connections, as one turn comes behind the other, and it runs on while any of them holds
// something: to set one and to stop it for each turn costs as much as two messages.
type holds struct {
	mu    sync.Mutex
	of    Holder // what has held something last; nil where nothing has since the timer has fired
	every time.Duration
	timer *time.Timer
	runs  bool
}

// add notes that h holds something, in the turn that is under way.
func (x *holds) add(h Holder, most time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.of = h
	switch {
	case x.runs:
		return
	case x.timer == nil:
		x.every = most
		x.timer = time.AfterFunc(most, x.late)
	default:
		x.timer.Reset(most)
	}
	x.runs = true
}

// late is called when the timer fires: what is held now was not held for longer.
func (x *holds) late() {
	x.mu.Lock()
	of := x.of
	x.of, x.runs = nil, of != nil
	if x.runs {
		x.timer.Reset(x.every)
	}
	x.mu.Unlock()
	if of != nil {
		of.FlushHeld()
	}
}
