package main

import (
	"fmt"
	"sync"

	"github.com/draftwire/draftwire/hostile"
)

// beyond is what the player's other end sees of an attack through a proxy: its backend
// on the side front, its clients on the side behind.
type beyond struct {
	c *hostile.Case
	v *values

	mu          sync.Mutex
	connections int
	early       bool   // bytes came behind the request before its 101 went
	opened      bool   // a client got a 101
	hit         []byte // what must never come, and came
	requests    int    // pages
	unclear     string // pages: the request that ends in two places
}

// newBeyond returns nil where the case says nothing of it.
func newBeyond(c *hostile.Case, v *values) *beyond {
	if c.Verdict.Beyond == nil {
		return nil
	}
	return &beyond{c: c, v: v}
}

// search returns what looks for the bytes that must never come, in one stream.
func (b *beyond) search() *anyOf {
	if b == nil {
		return &anyOf{}
	}
	return newAnyOf(b.c.Verdict.Beyond.Never, b.v)
}

func (b *beyond) note(f func(*beyond)) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b)
}

// fault says what was seen that must not be, or nothing.
func (b *beyond) fault() string {
	if b == nil {
		return ""
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	may := b.c.Verdict.Beyond
	switch {
	case may.Connections != nil && b.connections > *may.Connections:
		return fmt.Sprintf("beyond: %d connections were made, expected at most %d", b.connections, *may.Connections)
	case may.Early && b.early:
		return "beyond: bytes came behind the request's head before its 101 had gone"
	case may.Opened && b.opened:
		return "beyond: a connection opened that must not"
	case b.hit != nil:
		return fmt.Sprintf("beyond: %q must not come, and came", b.hit)
	}
	return b.tooMany(may)
}
