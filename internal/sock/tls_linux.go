//go:build linux && (amd64 || arm64) && !msan && !asan

package sock

import (
	"cmp"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/draftwire/draftwire/internal/pool"
)

// TLS is the transport of a crypto/tls connection over a socket of a loop.
//
//	tls.Conn --> TLS --> what the handshake was read from       until settle
//	Reader, Writer --> tls.Conn --> TLS --> Socket              from then on
//
// During the handshake a goroutine waits in it, as in any net.Conn. Behind settle nothing of it waits,
// so that a connection which is silent has no goroutine, as one without TLS: a read gets what the socket
// has, and an error that is temporary where that is nothing, behind which crypto/tls goes on. What is
// written is kept until the socket takes it, as a record of which a part was written would break the
// connection: flush sends it.
type TLS struct {
	net.Conn // what is below during the handshake, then the socket
	conn     *tls.Conn
	s        *Socket
	settled  bool

	// reading is held by who reads: a turn may still do so when the goroutine of a gentle close does too.
	reading sync.Mutex
	fd      uintptr     // the descriptor, while it is held for a read
	drained bool        // the socket has nothing more, as far as the kernel has told
	more    atomic.Bool // there may be more to read, though the last read has not filled its buffer

	mu   sync.Mutex
	out  *pool.Buf // records that the socket has not taken; nil where there are none
	sent int       // bytes at the beginning of out that it has
	room int       // for the records of the write in hand
}

// NewTLS returns the transport for a tls.Conn that does its handshake over nc, which is above the
// socket s.
func NewTLS(nc net.Conn, s *Socket) *TLS { return &TLS{Conn: nc, s: s} }

// settle ends the time of the handshake: t is the transport of conn. It returns the socket, which from
// now on speaks TLS to whoever uses it as a net.Conn; nil where something has come that crypto/tls was not
// given yet.
func (t *TLS) settle(conn *tls.Conn) *Socket {
	if b, ok := t.Conn.(interface{ Buffered() int }); ok && b.Buffered() > 0 {
		return nil
	}
	t.Conn, t.conn, t.settled = t.s, conn, true
	t.s.tls.Store(t)
	return t.s
}

// Below returns what is below TLS.
func (t *TLS) Below() net.Conn { return t.Conn }

// wouldBlock is the error of a read from a socket that has nothing. For crypto/tls it does not end
// the connection, as it is temporary.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "draftwire: nothing to read" }
func (wouldBlock) Timeout() bool   { return false }
func (wouldBlock) Temporary() bool { return true }

var errWouldBlock net.Error = wouldBlock{}

// Read implements net.Conn, for crypto/tls.
func (t *TLS) Read(p []byte) (int, error) {
	switch {
	case !t.settled:
		return t.Conn.Read(p)
	case t.drained:
		return 0, errWouldBlock
	}
	n, err := readNow(t.fd, p)
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		t.s.set(peerEnded, false) // it was no news of this socket
		t.drained = true
		return 0, errWouldBlock
	}
	t.drained = n < len(p) && !t.s.is(peerEnded)
	return n, nil
}

// read reads into p as much as there is. Without bytes and error there is nothing to read.
func (t *TLS) read(fd uintptr, p []byte) (n int, err error) {
	t.reading.Lock()
	defer t.reading.Unlock()
	t.fd, t.drained = fd, false
	t.more.Store(true)
	for n < len(p) && err == nil {
		var m int
		m, err = t.conn.Read(p[n:])
		n += m
	}
	if err == errWouldBlock {
		err = nil
		t.more.Store(false)
	}
	if t.owes() { // crypto/tls has answered the peer
		err = cmp.Or(err, t.answer(fd))
	}
	if n > 0 {
		err = nil // it comes again
	}
	return n, err
}

// answerMost bounds what the socket has not taken of answers that crypto/tls gives by itself. It is more
// than the records of one write.
const answerMost = 2 * writeMost

var errAnswers = errors.New("draftwire: the peer asks for answers of TLS and takes none")

// answer sends what the socket takes of what crypto/tls has written by itself. The rest goes before
// the next write.
func (t *TLS) answer(fd uintptr) error {
	t.flush(fd) // a fault is the next write's
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out != nil && len(t.out.B)-t.sent > answerMost {
		return errAnswers
	}
	return nil
}

// owes reports whether there are records that the socket has not taken.
func (t *TLS) owes() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out != nil
}

// Write implements net.Conn, for crypto/tls.
func (t *TLS) Write(p []byte) (int, error) {
	if !t.settled {
		return t.Conn.Write(p)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if have := t.out; have == nil {
		t.out = pool.Get(max(len(p), t.room))
	} else if need := len(have.B) + len(p); need > cap(have.B) {
		t.out = pool.Get(max(need, 2*cap(have.B)))
		t.out.B = append(t.out.B, have.B...)
		pool.Put(have)
	}
	t.out.B = append(t.out.B, p...)
	return len(p), nil
}

// recordRoom is more than what a record adds to what it carries, and recordLeast is less than it
// carries, unless it is the last of a write.
const (
	recordRoom  = 64
	recordLeast = 1 << 10
)

// seal makes records of p, which flush sends.
func (t *TLS) seal(p []byte) error {
	t.mu.Lock()
	t.room = len(p) + (len(p)/recordLeast+1)*recordRoom
	t.mu.Unlock()
	_, err := t.conn.Write(p)
	return err
}

// flush sends as much as the socket takes. Without an error that is all.
func (t *TLS) flush(fd uintptr) (progress bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.out != nil {
		n, err := send(fd, t.out.B[t.sent:])
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return progress, err
		}
		progress = true
		if t.sent += n; t.sent == len(t.out.B) {
			pool.Put(t.out)
			t.out, t.sent = nil, 0
		}
	}
	return progress, nil
}

// SetWriteDeadline implements net.Conn, for crypto/tls, which sets one before it closes.
func (t *TLS) SetWriteDeadline(at time.Time) error {
	if t.settled {
		return nil // it does not wait
	}
	return t.Conn.SetWriteDeadline(at)
}

// Close implements net.Conn, for crypto/tls. What the socket does not take at once is lost.
func (t *TLS) Close() error {
	if !t.settled {
		return t.Conn.Close()
	}
	t.flushSome()
	err := t.s.close()
	t.mu.Lock()
	defer t.mu.Unlock()
	pool.Put(t.out)
	t.out, t.sent = nil, 0
	return err
}

// flushSome sends what the socket takes, for a goroutine that does not hold the descriptor.
func (t *TLS) flushSome() {
	t.s.try(func(fd uintptr) bool {
		t.flush(fd)
		return true
	})
}

// The socket as a net.Conn, where it speaks TLS.

// readTLS is Read.
func (s *Socket) readTLS(t *TLS, p []byte) (n int, err error) {
	var fault error
	err = s.do(reads, func(fd uintptr) bool {
		n, fault = t.read(fd, p)
		return n > 0 || fault != nil
	})
	if err != nil {
		return 0, s.opError("read", err)
	}
	return n, fault
}

// writeTLS is Write.
func (s *Socket) writeTLS(t *TLS, p []byte) (int, error) {
	if err := t.seal(p); err != nil {
		return 0, err
	}
	var fault error
	err := s.do(writes, func(fd uintptr) bool {
		_, fault = t.flush(fd)
		return fault != syscall.EAGAIN
	})
	if err == nil && fault != nil {
		err = os.NewSyscallError("write", fault)
	}
	if err != nil {
		return 0, s.opError("write", err)
	}
	return len(p), nil
}

// closeWriteTLS is CloseWrite: it says close_notify.
func (s *Socket) closeWriteTLS(t *TLS) error {
	err := t.conn.CloseWrite()
	t.flushSome()
	return err
}

// TLS returns the socket's TLS, nil where it speaks none.
func (s *Socket) TLS() *TLS { return s.tls.Load() }

// Settle makes r, which reads a connection of crypto/tls over a TLS whose handshake is done, read the
// socket below, which from now on speaks TLS as a net.Conn. It does nothing where r reads something else.
func (r *Reader) Settle() {
	conn, ok := r.nc.(*tls.Conn)
	if !ok {
		return
	}
	if t, ok := conn.NetConn().(*TLS); ok {
		if s := t.settle(conn); s != nil {
			r.nc, r.raw, r.tls = s, s.Raw(), t
		}
	}
}
