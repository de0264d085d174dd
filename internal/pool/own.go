package pool

import (
	"strings"
	"sync"
	"unsafe"
)

// owns has what Own lent and got back: buffers whose memory nobody took, and buffers without any.
var owns sync.Pool

// Own lends a buffer of length 0 and a capacity of n, or up to an eighth more, whose memory can be
// taken.
func Own(n int) *Buf {
	b, _ := owns.Get().(*Buf)
	if b == nil {
		b = &Buf{own: true}
	} else {
		b.lent(b.B)
	}
	if c := cap(b.B); c < n || c > n+n/8 {
		b.B = Memory(n)
	}
	b.B = b.B[:0]
	return b
}

// Take gives the memory of a buffer of Own to the caller for good, and the buffer back: as Put
// does, but for the memory. It reports whether b is such a buffer, and at least three quarters of
// it are the n bytes that the caller wants to have; otherwise it does nothing.
func (b *Buf) Take(n int) bool {
	if b == nil || !b.own || n < cap(b.B)-cap(b.B)/4 {
		return false
	}
	b.B = nil
	Put(b)
	return true
}

// Memory returns new memory, of length 0 and capacity n, which was not cleared, as it is to be
// written before anybody reads it: to clear 16 KiB takes as long as to have them copied by the
// system.
func Memory(n int) []byte {
	var b strings.Builder
	b.Grow(n)
	b.WriteByte(0) // so that there is a string, which says where it is
	return unsafe.Slice(unsafe.StringData(b.String()), n)[:0]
}
