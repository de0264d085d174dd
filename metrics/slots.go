package metrics

import (
	"sync"
	"sync/atomic"

	"github.com/draftwire/draftwire/wire"
)

// What happens for each connection is counted without a look-up: what a series counts in is
// kept beside the labels that led to it. A series still appears when it has something to say.

// slot keeps what one combination of labels counts in.
type slot[T any] struct{ have atomic.Pointer[T] }

// get returns it, and has it looked up the first time.
func (s *slot[T]) get(look func() T) T {
	if have := s.have.Load(); have != nil {
		return *have
	}
	return s.fill(look())
}

func (s *slot[T]) fill(v T) T {
	s.have.Store(&v)
	return v
}

// index is the number of a version in a table of all.
func index(v wire.Version) int {
	if int(v) >= drafts {
		v = wire.Unknown
	}
	return int(v)
}

// The sides that begin a close.
type initiator uint8

const (
	byPeer initiator = iota
	byUs
	byNobody
	numInitiators
)

var initiators = [numInitiators]string{byPeer: "peer", byUs: "local", byNobody: "none"}

// codeRow is the row of a close code: that of its label.
func codeRow(c wire.CloseCode) int {
	const named = int(wire.CodeTLS-wire.CodeNormal) + 1
	switch {
	case c >= wire.CodeNormal && c <= wire.CodeTLS:
		return int(c - wire.CodeNormal)
	case c >= 1000 && c <= 4999:
		return named + int(c)/1000 - 1
	}
	return numCodes - 1
}

// numCodes is the number of labels for codes: 1000 to 1015, 1xxx to 4xxx, other.
const numCodes = int(wire.CodeTLS-wire.CodeNormal) + 1 + 4 + 1

// pairs keeps what counts for a route and a backend.
type pairs[T any] struct {
	mu   sync.RWMutex
	have map[[2]string]T
}

// maxPairs bounds the pairs that are kept.
const maxPairs = maxBackends

// get returns what counts for a pair, and has it looked up the first time.
func (p *pairs[T]) get(route, backend string, look func() T) T {
	key := [2]string{route, backend}
	p.mu.RLock()
	v, ok := p.have[key]
	p.mu.RUnlock()
	if ok {
		return v
	}
	v = look()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.have == nil {
		p.have = make(map[[2]string]T)
	}
	if len(p.have) < maxPairs {
		p.have[key] = v
	}
	return v
}
