// Package pool lends byte buffers by size class, so that a connection holds a buffer only
// while there are bytes in it.
package pool

import "sync"

// The size classes in bytes.
var sizes = [...]int{512, 2 << 10, 8 << 10, 32 << 10, 128 << 10, 512 << 10, 2 << 20}

var pools [len(sizes)]sync.Pool

// Buf is a buffer that was lent. B may be resliced and appended to; Put accepts what it has
// become.
type Buf struct {
	guard // first, where a struct of no size needs no padding
	B     []byte
	own   bool // Own has lent it
}

// Get lends a buffer of length 0 and a capacity of at least n.
func Get(n int) *Buf {
	for i := range sizes { // without the values, for which the array would be copied to the stack
		if n <= sizes[i] {
			if b, _ := pools[i].Get().(*Buf); b != nil {
				b.lent(b.B)
				b.B = b.B[:0]
				return b
			}
			return newBuf(sizes[i])
		}
	}
	return newBuf(n)
}

// newBuf makes a buffer that no pool had.
//
// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func newBuf(n int) *Buf { return &Buf{B: make([]byte, 0, n)} }

// Put gives a buffer back, which must not be used afterwards. It leaves a buffer of twice
// the largest class or more to the garbage collector.
func Put(b *Buf) {
	if b == nil {
		return
	}
	b.given(b.B)
	if b.own {
		owns.Put(b)
		return
	}
	c := cap(b.B)
	for i := len(sizes) - 1; i >= 0; i-- {
		if c >= sizes[i] {
			if i < len(sizes)-1 || c < 2*sizes[i] {
				pools[i].Put(b)
			}
			return
		}
	}
}
