package hybi

import (
	"crypto/rand"
	"sync"
)

// blockSize is the number of random bytes that are drawn at once. Where the kernel makes
// them, one system call costs more than the rest of a short frame, so one call is made for
// many masks.
const blockSize = 512

// block holds random bytes, of which the first unused ones were not given out. Bytes that
// were given out are cleared, so that the memory tells nothing of masks that were sent.
type block struct {
	unused int
	b      [blockSize]byte
}

// blocks lends each block to one goroutine at a time, so no two masks are the same bytes.
var blocks = sync.Pool{New: func() any { return new(block) }}

// newMask puts four unpredictable bytes into p (RFC 6455 10.3).
func newMask(p []byte) {
	k := blocks.Get().(*block)
	k.mask(p)
	blocks.Put(k)
}

func (k *block) mask(p []byte) {
	if k.unused == 0 {
		rand.Read(k.b[:]) // never fails
		k.unused = blockSize
	}
	k.unused -= 4
	from := k.b[k.unused : k.unused+4]
	copy(p, from)
	clear(from)
}
