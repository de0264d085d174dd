// Package sock is the system below a connection, as internal/poll is below package net:
// every system call, every raw descriptor, the vector of a write, and the tricks with the
// stack. It is the lowest package that does I/O. It knows nothing of WebSocket.
//
// A Reader reads a connection into a buffer that it borrows; a Writer writes up to three
// buffers from where they are. On a socket of TCP or a Unix socket both make their own
// system calls, within the function that the runtime calls when the socket is ready
// (syscall.RawConn), so that a connection which waits holds no buffer. Over everything
// else, TLS and memory for example, they use Read and Write of the net.Conn.
package sock

import (
	"errors"
	"net"
	"syscall"

	"github.com/draftwire/draftwire/internal/pool"
)

// Reader reads a connection into a pooled buffer, which it holds only while there are
// bytes in it. Where the system tells readiness (a socket), it borrows the buffer when
// bytes are there, so that a connection that waits costs none. It is for one goroutine at
// a time.
type Reader struct {
	raw  syscall.RawConn // nil where readiness cannot be told
	tls  *TLS            // what the socket speaks; nil: the bytes are as they are
	nc   net.Conn
	try  func(fd uintptr) bool
	buf  *pool.Buf // nil while empty and waiting
	off  int32     // bytes of buf that were discarded
	size int32     // how much to borrow for the next read; below 0: as much, to be taken (Expect)
	err  error     // of the last try
}

// Sizes of the buffers borrowed for reading, in bytes: the first look at a connection
// needs little, a stream of large messages pays for much.
const (
	SmallRead = 512
	FirstRead = 2 << 10
	largeRead = 128 << 10
)

// NewReader returns a reader of nc, which gives early before what nc has.
func NewReader(nc net.Conn, early []byte) *Reader {
	r := new(Reader)
	r.Reset(nc)
	if len(early) > 0 {
		r.buf = pool.Get(len(early))
		r.buf.B = append(r.buf.B, early...)
	}
	return r
}

// Reset makes r read nc from its beginning.
func (r *Reader) Reset(nc net.Conn) {
	*r = Reader{nc: nc, size: FirstRead, try: r.try}
	if !canPoll {
		return
	}
	var err error
	switch c := nc.(type) { // not every syscall.Conn: one may have a Read of its own around a socket
	case *net.TCPConn:
		r.raw, err = c.SyscallConn()
	case *net.UnixConn:
		r.raw, err = c.SyscallConn()
	case *Socket:
		r.raw, r.tls = c.Raw(), c.TLS()
	default:
		r.raw = madeUp(nc)
	}
	if err != nil {
		r.raw = nil
	}
}

// Attach makes r, which is new or detached, read a socket from where it is. It does less than
// Reset, as each turn of a loop does it.
func (r *Reader) Attach(s *Socket) {
	r.nc, r.raw, r.size = s, s.Raw(), FirstRead
	r.tls = s.TLS()
}

// Detach makes r, which has nothing that was not discarded, the reader of nothing.
func (r *Reader) Detach() {
	if r.buf != nil {
		r.Release()
	}
	r.nc, r.raw, r.err = nil, nil, nil
	r.tls = nil
}

// Clear makes r the reader of nothing, and keeps what can be used again.
func (r *Reader) Clear() {
	r.Release()
	*r = Reader{try: r.try}
}

// Adopt makes r, a new one, go on where from is, which then is empty.
func (r *Reader) Adopt(from *Reader) {
	*r = *from
	*from = Reader{nc: from.nc, try: from.try}
	r.try = nil
}

// Conn returns the connection that is read.
func (r *Reader) Conn() net.Conn { return r.nc }

// Raw returns the connection's socket, nil where readiness cannot be told.
func (r *Reader) Raw() syscall.RawConn { return r.raw }

// Buffered returns the number of bytes that were read and not discarded.
func (r *Reader) Buffered() int {
	if r.buf == nil {
		return 0
	}
	return len(r.buf.B) - int(r.off)
}

// Bytes returns the bytes that were read and not discarded. They are valid until the next
// call that reads.
func (r *Reader) Bytes() []byte {
	if r.buf == nil {
		return nil
	}
	return r.buf.B[r.off:]
}

// Peek returns the first n of Bytes.
func (r *Reader) Peek(n int) []byte { return r.Bytes()[:n] }

// Discard drops the first n of Bytes.
func (r *Reader) Discard(n int) { r.off += int32(n) }

// Refill waits for bytes and reads them in the place of those that are there, all of which
// were discarded. It returns how many there are then.
func (r *Reader) Refill() (int, error) {
	return r.read(replace)
}

// placement says where what is read goes.
type placement uint8

const (
	replace placement = iota // in the place of what was discarded, which is all
	behind                   // behind the bytes that are there
)

// read waits for bytes and reads them.
func (r *Reader) read(where placement) (int, error) {
	if where == replace {
		r.off = 0
		if r.buf != nil {
			r.buf.B = r.buf.B[:0]
			if r.size < 0 || cap(r.buf.B) < int(r.size) {
				r.Release()
			}
		}
	}
	if r.raw == nil {
		return r.readBlind()
	}
	r.Prepare()
	err := r.raw.Read(r.try)
	if err == nil {
		err = r.err
	}
	r.adapt()
	return r.Buffered(), err
}

// Prepare makes what a read on a socket needs, once. It is for a caller that has more of the stack
// left than a read has.
func (r *Reader) Prepare() {
	if r.try == nil && r.raw != nil {
		r.prepare()
	}
}

//go:noinline
func (r *Reader) prepare() { r.try = r.tryRead } // noinline: keeps a cold frame off the 2 KiB stack

// borrow borrows a buffer for the next read.
func (r *Reader) borrow() {
	if r.size < 0 {
		r.buf = pool.Own(int(-r.size))
		return
	}
	r.buf = pool.Get(int(r.size))
}

// Expect says that the next read may be of some n bytes, a message that its receiver will keep:
// they are read into memory that Take leaves to it. It is for a socket, where a buffer is
// borrowed only when bytes are there.
func (r *Reader) Expect(n int) {
	if r.raw != nil {
		r.size = -int32(n + n/16 + expectRoom)
	}
}

// expectRoom is more than the head of a frame and its end: a read of what was expected leaves
// room, or there would seem to be more.
const expectRoom = 32

// Take leaves the buffer's memory to somebody who keeps n bytes of it, where it is memory for that
// and most of it are these. Bytes behind them are lost.
func (r *Reader) Take(n int) bool {
	if !r.buf.Take(n) {
		return false
	}
	r.buf, r.off = nil, 0
	return true
}

// readBlind is read where readiness cannot be told: a buffer is held meanwhile.
func (r *Reader) readBlind() (int, error) {
	if r.buf == nil {
		r.borrow()
	}
	b := r.buf.B
	n, err := r.nc.Read(b[len(b):cap(b)])
	r.buf.B = b[:len(b)+n]
	if n > 0 {
		err = nil // a sticky error comes again
	}
	r.adapt()
	if r.Buffered() == 0 {
		r.Release()
	}
	return r.Buffered(), err
}

// ReadInto waits for bytes and reads them into p. All that were read before have to be
// discarded.
func (r *Reader) ReadInto(p []byte) (int, error) {
	r.Release()
	n, err := r.nc.Read(p)
	if n > 0 {
		err = nil
	}
	return n, err
}

// ErrLimit is the error of Fill where there are as many bytes as its limit.
var ErrLimit = errors.New("draftwire: more bytes than may be buffered")

// Fill waits for bytes and reads them behind those that are there, up to limit bytes in
// all.
func (r *Reader) Fill(limit int) error {
	if r.Buffered() == 0 {
		_, err := r.Refill()
		return err
	}
	b := r.Bytes()
	if len(b) >= limit {
		return ErrLimit
	}
	if r.off > 0 || len(r.buf.B) == cap(r.buf.B) {
		grown := pool.Get(min(2*len(b)+SmallRead, limit+SmallRead))
		grown.B = append(grown.B, b...)
		r.Release()
		r.buf, r.off = grown, 0
	}
	_, err := r.read(behind)
	return err
}

// TryRead reads what the socket fd has, for a function that its caller has given to Raw.
// done is false where the socket has nothing, so that the function is to return false and
// wait; full says that there may be more to read at once.
func (r *Reader) TryRead(fd uintptr) (done, full bool) {
	done = r.tryRead(fd)
	if r.buf == nil {
		return done, false
	}
	full = len(r.buf.B) == cap(r.buf.B) || r.tls != nil && r.tls.more.Load()
	r.adapt()
	return done, full
}

// BeginTurn reads what the socket of a turn has into the turn's buffer, which r then has. All
// bytes that were read before have to be discarded. full says that there may be more to read
// at once. Without bytes and error there is nothing to read.
func (r *Reader) BeginTurn(t *Turn) (full bool, err error) {
	if r.tls == nil && t.nothing() {
		return false, nil
	}
	switch {
	case t.Buf != nil:
		r.Release()
		r.buf, t.Buf = t.Buf, nil
	case r.buf == nil:
		r.buf = pool.Get(turnRead)
	}
	b := r.buf.B[:cap(r.buf.B)]
	r.off = 0
	n, full, err := r.readNow(t, b)
	r.buf.B = b[:n]
	return full, err
}

// ReadTurn reads what the socket of a turn has into p. The results are as for BeginTurn.
func (r *Reader) ReadTurn(t *Turn, p []byte) (n int, full bool, err error) {
	return r.readNow(t, p)
}

// readNow reads what the socket of a turn has.
func (r *Reader) readNow(t *Turn, p []byte) (n int, full bool, err error) {
	if r.tls != nil {
		n, err = r.tls.read(t.FD, p)
		return n, n > 0 && r.tls.more.Load(), err
	}
	if t.nothing() {
		return 0, false, nil
	}
	n, err = readNow(t.FD, p)
	return n, t.more(n, len(p), err), err
}

// more reports whether there may be more to read behind n bytes, for which there was that
// much room: bytes, or the end of the stream.
func (t *Turn) more(n, room int, err error) bool {
	if n == 0 {
		t.Socket.set(peerEnded, false) // it was no news of this socket
	}
	more := n > 0 && (n == room || t.Socket.is(peerEnded))
	t.Socket.drained = newsIsSure && !more && err == nil
	return more
}

// nothing reports whether there is nothing to read, as an earlier turn has found it.
func (t *Turn) nothing() bool { return t.Socket.drained && t.FD != NoSocket }

// EndTurn gives the turn its buffer back, if r still has it, and keeps the bytes in it that
// were not discarded.
func (r *Reader) EndTurn(t *Turn) {
	if r.buf == nil || t.Buf != nil {
		return
	}
	rest := r.Bytes()
	t.Buf = r.buf
	r.buf, r.off = nil, 0
	if len(rest) > 0 {
		r.buf = pool.Get(len(rest))
		r.buf.B = append(r.buf.B, rest...)
	}
}

// Err returns the error of the last TryRead that was done without bytes.
func (r *Reader) Err() error { return r.err }

// adapt chooses the next read's size: more after a read that filled its
// buffer, less after one that left it all but empty. The end of a burst is no
// reason to read the next one in parts.
func (r *Reader) adapt() {
	switch {
	case r.buf == nil:
	case len(r.buf.B) == cap(r.buf.B):
		r.size = int32(min(4*cap(r.buf.B), largeRead))
	case len(r.buf.B) < cap(r.buf.B)/16:
		r.size = FirstRead
		if r.raw == nil {
			r.size = SmallRead // this one is held while waiting
		}
	case r.size < 0:
		r.size = int32(cap(r.buf.B))
	}
}

// Abandon leaves the buffer to somebody who still looks at its bytes, and goes
// on with a copy of those that were not discarded.
func (r *Reader) Abandon() {
	rest := r.Bytes()
	r.buf, r.off = nil, 0
	if len(rest) > 0 {
		r.buf = pool.Get(len(rest))
		r.buf.B = append(r.buf.B, rest...)
	}
}

// Release gives the buffer back. Bytes in it are lost.
func (r *Reader) Release() {
	pool.Put(r.buf)
	r.buf, r.off = nil, 0
}
