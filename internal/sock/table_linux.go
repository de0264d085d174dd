//go:build linux && (amd64 || arm64) && !msan && !asan

package sock

import (
	"sync/atomic"
	"syscall"
)

// socketTable has the sockets of all loops by their descriptors, as the kernel tells of these. It
// grows in pieces that never move, so that nobody needs a lock.
type socketTable [tableSize / pieceSize]atomic.Pointer[[pieceSize]atomic.Pointer[Socket]]

const (
	pieceSize = 1 << 10
	tableSize = 4 << 20 // descriptors
)

var sockets socketTable

// of returns the socket of a descriptor, nil where there is none.
func (t *socketTable) of(fd int) *Socket {
	if piece := t[fd/pieceSize].Load(); piece != nil {
		return piece[fd%pieceSize].Load()
	}
	return nil
}

// put puts a socket in the place of the last one that had its descriptor.
func (t *socketTable) put(s *Socket) error {
	fd := int(s.fd)
	if fd >= tableSize {
		return syscall.EMFILE
	}
	at := &t[fd/pieceSize]
	if at.Load() == nil {
		at.CompareAndSwap(nil, new([pieceSize]atomic.Pointer[Socket]))
	}
	at.Load()[fd%pieceSize].Store(s)
	return nil
}

// forget takes a socket out of the table, if it is still there.
func (t *socketTable) forget(s *Socket) {
	if fd := int(s.fd); fd < tableSize {
		if piece := t[fd/pieceSize].Load(); piece != nil {
			piece[fd%pieceSize].CompareAndSwap(s, nil)
		}
	}
}
