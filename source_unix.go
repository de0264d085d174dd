//go:build unix

package draftwire

import (
	"io"
	"os"
	"syscall"

	"github.com/draftwire/draftwire/internal/pool"
)

// canPoll: a read that would block says so, and the runtime waits for it.
const canPoll = true

// tryRead is called by the runtime when the socket may be readable; false
// means wait. The buffer is borrowed for the try and given back if it was in
// vain.
func (s *source) tryRead(fd uintptr) bool {
	if s.buf == nil {
		s.buf = pool.Get(s.size)
	}
	b := s.buf.B
	for {
		n, err := syscall.Read(int(fd), b[len(b):cap(b)])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			if len(b) == 0 {
				s.release()
			}
			return false
		case err != nil:
			s.err = os.NewSyscallError("read", err)
		case n == 0:
			s.err = io.EOF
		default:
			s.buf.B = b[:len(b)+n]
			s.err = nil
			return true
		}
		if len(b) == 0 {
			s.release()
		}
		return true
	}
}
