// Package pool lends byte buffers by size class, so that a connection holds a
// buffer only while it has bytes in it.
package pool

import "sync"

// The size classes in bytes.
var sizes = [...]int{512, 2 << 10, 8 << 10, 32 << 10, 128 << 10, 512 << 10, 2 << 20}

var pools [len(sizes)]sync.Pool

// Buf is a borrowed buffer. B may be resliced and appended to; Put takes back
// whatever B has become.
type Buf struct {
	guard // first: it takes no room there
	B     []byte
}

// Get lends a buffer of length 0 and a capacity of at least n.
func Get(n int) *Buf {
	for i, s := range sizes {
		if n <= s {
			if b, _ := pools[i].Get().(*Buf); b != nil {
				b.lent(b.B)
				b.B = b.B[:0]
				return b
			}
			return newBuf(s)
		}
	}
	return newBuf(n)
}

//go:noinline
func newBuf(n int) *Buf { return &Buf{B: make([]byte, 0, n)} } // apart, as stacks are short

// Put takes a buffer back. b must not be used afterwards. A buffer larger than
// the largest class is left to the garbage collector.
func Put(b *Buf) {
	if b == nil {
		return
	}
	b.given(b.B)
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
