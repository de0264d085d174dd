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
		s.buf = pool.Get(int(s.size))
	}
	b := s.buf.B
	n, done := s.sysRead(fd, b[len(b):cap(b)])
	if s.buf.B = b[:len(b)+n]; len(s.buf.B) == 0 {
		s.release()
	}
	return done
}

// sysRead reads what is there. done is false where nothing is.
func (s *source) sysRead(fd uintptr, p []byte) (n int, done bool) {
	for {
		n, err := recv(fd, p)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return 0, false
		case err != nil:
			s.err = os.NewSyscallError("read", err)
			return 0, true
		case n == 0:
			s.err = io.EOF
			return 0, true
		}
		s.err = nil
		return n, true
	}
}

// writeSome writes as much of p as the socket takes at once. Who calls it writes
// the rest in a way that waits, and then sees an error too.
func writeSome(fd uintptr, p []byte) int {
	n, err := send(fd, p)
	if err != nil {
		return 0
	}
	return n
}

// tryWrite is called by the runtime when the socket may have room; false means
// wait.
func (v *vector) tryWrite(fd uintptr) bool {
	for v.took(0); v.from < len(v.parts); {
		n, err := v.sysWrite(fd)
		switch err {
		case nil:
			v.took(n)
		case syscall.EINTR:
		case syscall.EAGAIN:
			return v.full()
		default:
			v.err = os.NewSyscallError("write", err)
			return true
		}
	}
	return true
}
