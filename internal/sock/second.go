package sock

import (
	"net"
	"os"
	"syscall"
	"time"
)

// Second is a second descriptor of a socket: a goroutine can wait for bytes on it while another
// one has the first, inside the runtime's call.
type Second struct {
	f   *os.File
	raw syscall.RawConn
}

// HasSecond reports whether NewSecond knows how to make one of nc.
func HasSecond(nc net.Conn) bool {
	_, ok := nc.(filer)
	return ok
}

type filer interface{ File() (*os.File, error) }

// NewSecond returns a second descriptor of nc, which has one.
func NewSecond(nc net.Conn) (*Second, error) {
	f, err := nc.(filer).File()
	if err != nil {
		return nil, err
	}
	s := &Second{f: f}
	if s.raw, err = f.SyscallConn(); err == nil {
		err = f.SetReadDeadline(time.Time{}) // the runtime waits for it
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// Close closes the descriptor. The first one stays open.
func (s *Second) Close() { s.f.Close() }

// Refill is Reader.Refill of the socket, or ReadInto where dst is not nil, for a limited time.
func (s *Second) Refill(r *Reader, dst []byte, within time.Duration) (n int, err error) {
	if err := s.f.SetReadDeadline(time.Now().Add(within)); err != nil {
		return 0, err
	}
	r.Release()
	if dst == nil {
		r.Prepare()
		if err = s.raw.Read(r.try); err == nil {
			err = r.err
		}
		r.adapt()
		return r.Buffered(), err
	}
	if n, err = s.f.Read(dst); n > 0 {
		err = nil
	}
	return n, err
}
