//go:build faults

package pool

import "sync/atomic"

// guard panics for a buffer that is given back twice, or is written after it was given back.
// A goroutine that reads such a buffer reads poison.
type guard struct{ free atomic.Bool }

const poison = 0xdb

func (g *guard) lent(b []byte) {
	for _, x := range b[:cap(b)] {
		if x != poison {
			panic("pool: a buffer was written after its Put")
		}
	}
	g.free.Store(false)
}

func (g *guard) given(b []byte) {
	if g.free.Swap(true) {
		panic("pool: a buffer was put back twice")
	}
	for i := range b[:cap(b)] {
		b[:cap(b)][i] = poison
	}
}
