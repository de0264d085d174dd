package draftwire

import (
	"net"
	"syscall"

	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/pool"
	"github.com/draftwire/draftwire/wire"
)

// source reads a connection into a pooled buffer that it holds only while
// there are bytes in it. Where the system can tell readiness (a TCP socket),
// it borrows the buffer when bytes are there, so that a connection that waits
// costs none.
type source struct {
	raw  syscall.RawConn // nil where readiness cannot be told
	nc   net.Conn
	try  func(fd uintptr) bool
	buf  *pool.Buf // nil while empty and waiting
	off  int32     // bytes of buf that were taken
	size int32     // how much to borrow for the next read
	err  error     // of the last try
}

// Sizes of the buffers borrowed for reading: the first look at a connection
// needs little, a stream of large messages pays for much.
const (
	smallRead = 512
	firstRead = 2 << 10
	largeRead = 128 << 10
)

func newSource(nc net.Conn, early []byte) *source {
	s := new(source)
	s.reset(nc)
	if len(early) > 0 {
		s.buf = pool.Get(len(early))
		s.buf.B = append(s.buf.B, early...)
	}
	return s
}

// reset makes s read nc from its beginning.
func (s *source) reset(nc net.Conn) {
	*s = source{nc: nc, size: firstRead, try: s.try}
	if !canPoll {
		return
	}
	var err error
	switch c := nc.(type) { // not every syscall.Conn: one may have a Read of its own around a socket
	case *net.TCPConn:
		s.raw, err = c.SyscallConn()
	case *net.UnixConn:
		s.raw, err = c.SyscallConn()
	default:
		s.raw = madeUp(nc)
	}
	if err != nil {
		s.raw = nil
	}
	if s.raw != nil {
		s.ready()
	}
}

// ready makes the function that is given to raw, once.
func (s *source) ready() {
	if s.try == nil {
		s.try = s.tryRead
	}
}

// adopt makes s, a new one, go on where from is, which then is empty.
func (s *source) adopt(from *source) {
	*s = *from
	*from = source{nc: from.nc, try: from.try}
	if s.try = nil; s.raw != nil {
		s.ready()
	}
}

// buffered returns the number of bytes read and not taken.
func (s *source) buffered() int {
	if s.buf == nil {
		return 0
	}
	return len(s.buf.B) - int(s.off)
}

// bytes returns the bytes read and not taken, valid until the next fill.
func (s *source) bytes() []byte {
	if s.buf == nil {
		return nil
	}
	return s.buf.B[s.off:]
}

func (s *source) peek(n int) []byte { return s.bytes()[:n] }
func (s *source) take(n int)        { s.off += int32(n) }

// read waits for bytes and reads them: behind those that are there, or with
// keep false, when all of them were taken, in their place. It returns how many
// there are then.
func (s *source) read(keep bool) (int, error) {
	if !keep {
		s.off = 0
		if s.buf != nil {
			if s.buf.B = s.buf.B[:0]; cap(s.buf.B) < int(s.size) {
				s.release()
			}
		}
	}
	if s.raw == nil {
		return s.readBlind()
	}
	err := s.raw.Read(s.try)
	if err == nil {
		err = s.err
	}
	s.adapt()
	return s.buffered(), err
}

// readBlind is read where readiness cannot be told: a buffer is held meanwhile.
func (s *source) readBlind() (int, error) {
	if s.buf == nil {
		s.buf = pool.Get(int(s.size))
	}
	b := s.buf.B
	n, err := s.nc.Read(b[len(b):cap(b)])
	s.buf.B = b[:len(b)+n]
	if n > 0 {
		err = nil // a sticky error comes again
	}
	s.adapt()
	if s.buffered() == 0 {
		s.release()
	}
	return s.buffered(), err
}

// readInto waits for bytes and reads them into p. Only call it when all others
// were taken.
func (s *source) readInto(p []byte) (int, error) {
	s.release()
	n, err := s.nc.Read(p)
	if n > 0 {
		err = nil
	}
	return n, err
}

// more reads behind the bytes that are there, up to limit bytes in all.
func (s *source) more(limit int) error {
	if s.buffered() == 0 {
		_, err := s.read(false)
		return err
	}
	b := s.bytes()
	if len(b) >= limit {
		return errHeadTooLarge
	}
	if s.off > 0 || len(s.buf.B) == cap(s.buf.B) {
		grown := pool.Get(min(2*len(b)+smallRead, limit+smallRead))
		grown.B = append(grown.B, b...)
		s.release()
		s.buf, s.off = grown, 0
	}
	_, err := s.read(true)
	return err
}

// readHead reads until a whole head is there, and returns how long that is. The limit
// holds for the head, in however many pieces it comes.
func (s *source) readHead(limit int) (end int, err error) {
	for seen := 0; ; {
		b := s.bytes()
		end = httphead.End(b, seen)
		switch {
		case end > limit, end < 0 && len(b) > limit:
			return 0, errHeadTooLarge
		case end >= 0:
			return end, nil
		}
		seen = len(b)
		if err := s.more(limit); err != nil {
			return 0, err
		}
	}
}

var errHeadTooLarge error = wire.Refuse(wire.Unknown, wire.ReasonHeadTooLarge, "")

// adapt chooses the next read's size: more after a read that filled its
// buffer, less after one that left it all but empty. The end of a burst is no
// reason to read the next one in pieces.
func (s *source) adapt() {
	switch {
	case s.buf == nil:
	case len(s.buf.B) == cap(s.buf.B):
		s.size = int32(min(4*cap(s.buf.B), largeRead))
	case len(s.buf.B) < cap(s.buf.B)/16:
		if s.size = firstRead; s.raw == nil {
			s.size = smallRead // this one is held while waiting
		}
	}
}

// abandon leaves the buffer to somebody who still looks at its bytes, and goes
// on with a copy of those that were not taken.
func (s *source) abandon() {
	rest := s.bytes()
	s.buf, s.off = nil, 0
	if len(rest) > 0 {
		s.buf = pool.Get(len(rest))
		s.buf.B = append(s.buf.B, rest...)
	}
}

// release gives the buffer back. Bytes in it are lost.
func (s *source) release() {
	pool.Put(s.buf)
	s.buf, s.off = nil, 0
}
