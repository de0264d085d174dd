package main

import (
	"testing"
	"time"
)

// Memory is given back when a process has become quiet and has enough of it, and not so often that
// the collections take more than a hundredth of the time.
func TestGiver(t *testing.T) {
	const mib = 1 << 20
	var m memory
	var given int
	now := time.Now()
	g := &giver{
		clock: func() time.Time { return now },
		read:  func() memory { return m },
		giveBack: func() {
			given++
			now = now.Add(50 * time.Millisecond)
		},
	}
	for i, step := range []struct {
		after                 time.Duration
		allocates, live, idle uint64
		gives                 bool
	}{
		{0, 300 * mib, 100 * mib, 80 * mib, false},                           // a rush of clients
		{0, 2 * mib, 100 * mib, 80 * mib, false},                             // its end
		{0, mib, 100 * mib, 80 * mib, true},                                  // quiet
		{0, mib, 100 * mib, 80 * mib, false},                                 // so soon
		{6 * time.Second, mib, 100 * mib, 80 * mib, true},                    // later
		{6 * time.Second, mib, 100 * mib, 12 * mib, false},                   // little
		{6 * time.Second, 0, mib, 3 * mib, false},                            // of a small process
		{6 * time.Second, 0, mib, 4 * mib, true},                             // of a small one, too
		{6 * time.Second, 100 * mib / quietShare, 100 * mib, 13 * mib, true}, // as loud as quiet can be
	} {
		now = now.Add(step.after)
		m.allocated += step.allocates
		m.live, m.idle = step.live, step.idle
		before := given
		if g.look(); given > before != step.gives {
			t.Errorf("step %d: memory was given back: %v", i, given > before)
		}
	}
}

// The runtime tells what is asked of it.
func TestReadMemory(t *testing.T) {
	if m := readMemory(); m.allocated == 0 || m.idle > 1<<40 {
		t.Errorf("%+v", m)
	}
}
