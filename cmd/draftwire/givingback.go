package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// giver gives memory back to the system that nobody needs when a gateway has become quiet. What
// handshakes leave behind is collected only when it is as much as all that is held, and what was
// collected is kept for a while: behind a rush of clients who then say little, a process would have twice
// the memory of its sessions for minutes.
type giver struct {
	clock     func() time.Time
	read      func() memory
	giveBack  func()
	allocated uint64 // at the last look
	next      time.Time
}

// memory is what a process has of it, in bytes.
type memory struct {
	allocated uint64 // ever
	live      uint64 // what the last collection has found in use
	idle      uint64 // allocated since, or free and not given back
}

const (
	giverTick = 500 * time.Millisecond
	// quietShare and idleShare are of the memory in use: a process is quiet that allocates less of it in
	// a tick, and more than the latter is worth a collection.
	quietShare = 64
	idleShare  = 8
	idleLeast  = 4 << 20
	// givingShare bounds the time that collections take, as a part of all time.
	givingShare = 100
)

func newGiver() *giver {
	return &giver{clock: time.Now, read: readMemory, giveBack: debug.FreeOSMemory}
}

// run looks at the memory until ctx ends.
func (g *giver) run(ctx context.Context) {
	t := time.NewTicker(giverTick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			g.look()
		}
	}
}

// look gives memory back, if it is worth that.
func (g *giver) look() {
	m := g.read()
	quiet := m.allocated-g.allocated <= m.live/quietShare
	g.allocated = m.allocated
	if !quiet || m.idle < max(m.live/idleShare, idleLeast) || g.clock().Before(g.next) {
		return
	}
	began := g.clock()
	g.giveBack()
	ended := g.clock()
	g.next = ended.Add(givingShare * ended.Sub(began))
}

// readMemory asks the runtime, which does not stop for that.
func readMemory() memory {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	m := memory{allocated: s[0].Value.Uint64(), live: s[1].Value.Uint64(), idle: s[3].Value.Uint64()}
	if objects := s[2].Value.Uint64(); objects > m.live {
		m.idle += objects - m.live
	}
	return m
}
