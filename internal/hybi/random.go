package hybi

import (
	"crypto/rand"
	"sync"
)

// blockSize is how many random bytes are drawn at once: where the kernel is called for
// them, the call costs more than all else of a short frame, and is made once for so many
// masks.
const blockSize = 512

// block is random bytes of which the first left are unused. What was used is cleared: who
// finds the memory later learns nothing of masks that were sent.
type block struct {
	left int
	b    [blockSize]byte
}

// blocks are lent to who needs a mask, one to each at a time, so that no two masks are of
// the same bytes.
var blocks = sync.Pool{New: func() any { return new(block) }}

// newMask puts four bytes that nobody can predict into p (RFC 6455 10.3).
func newMask(p []byte) {
	k := blocks.Get().(*block)
	k.mask(p)
	blocks.Put(k)
}

func (k *block) mask(p []byte) {
	if k.left == 0 {
		rand.Read(k.b[:]) // never fails
		k.left = blockSize
	}
	k.left -= 4
	from := k.b[k.left : k.left+4]
	copy(p, from)
	clear(from)
}
