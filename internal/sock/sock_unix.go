//go:build unix

package sock

import (
	"io"
	"os"
	"syscall"

	"github.com/draftwire/draftwire/internal/pool"
)

// canPoll says that a read which would block says so, and that the runtime waits for it.
const canPoll = true

// tryRead is called by the runtime when the socket may be readable; false means wait. The
// buffer is borrowed for the try and given back if there was nothing to read.
func (r *Reader) tryRead(fd uintptr) bool {
	if r.buf == nil {
		r.borrow()
	}
	done := r.sysRead(fd)
	if len(r.buf.B) == 0 {
		r.Release()
	}
	return done
}

// sysRead reads what is there into the buffer. done is false where nothing is.
func (r *Reader) sysRead(fd uintptr) (done bool) {
	if r.tls != nil {
		return r.readRecords(fd)
	}
	for {
		b := r.buf.B
		n, errno := recv(fd, b[len(b):cap(b)])
		switch {
		case errno == syscall.EINTR:
			continue
		case errno == syscall.EAGAIN:
			return false
		case errno != 0:
			r.err = os.NewSyscallError("read", errno)
		case n == 0:
			r.err = io.EOF
		default:
			r.err, r.buf.B = nil, b[:len(b)+n]
		}
		return true
	}
}

// readRecords is sysRead where the socket speaks TLS.
//
//go:noinline
func (r *Reader) readRecords(fd uintptr) (done bool) { // noinline: keeps a cold frame off the 2 KiB stack
	b := r.buf.B
	n, err := r.tls.read(fd, b[len(b):cap(b)])
	r.err, r.buf.B = err, b[:len(b)+n]
	return n > 0 || err != nil
}

// readNow reads what a socket has. Without bytes and error there is nothing; the end of the
// stream is io.EOF.
func readNow(fd uintptr, p []byte) (n int, err error) {
	for {
		n, errno := recvNow(fd, p)
		switch {
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN:
			return 0, nil
		case errno != 0:
			return 0, os.NewSyscallError("read", errno)
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// read is recv through package syscall, which tells the runtime of the call.
func read(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), p)
	errno, _ := err.(syscall.Errno)
	return n, errno
}

// WriteSome writes as much of p as the socket takes at once, for a function that its
// caller has given to a syscall.RawConn. An error is no bytes: the caller writes the rest
// in a way that waits, and then sees it.
func WriteSome(fd uintptr, p []byte) int {
	n, err := send(fd, p)
	if err != nil {
		return 0
	}
	return n
}

// tryWrite is called by the runtime when the socket may have room; false means wait.
func (w *Writer) tryWrite(fd uintptr) bool {
	if w.TLS != nil {
		return w.tryRecords(fd)
	}
	for w.wrote(0); w.from < len(w.Bufs); {
		n, err := w.sysWrite(fd)
		switch err {
		case nil:
			w.wrote(n)
			w.progress = true
		case syscall.EINTR:
		case syscall.EAGAIN:
			if !w.Hasty {
				w.Wait.BeforeWait(w.progress)
				w.progress = false
			}
			return w.Hasty
		default:
			w.err = os.NewSyscallError("write", err)
			return true
		}
	}
	return true
}

// tryRecords is tryWrite where the socket speaks TLS: what the socket has not taken of the records so
// far goes first, and then the next ones are made.
//
//go:noinline
func (w *Writer) tryRecords(fd uintptr) bool { // noinline: keeps a cold frame off the 2 KiB stack
	for {
		progress, err := w.TLS.flush(fd)
		w.progress = w.progress || progress
		switch {
		case err == syscall.EAGAIN:
			if !w.Hasty {
				w.Wait.BeforeWait(w.progress)
				w.progress = false
			}
			return w.Hasty
		case err != nil:
			w.err = os.NewSyscallError("write", err)
			return true
		}
		more, err := w.sealNext()
		if err != nil {
			w.err = err
		}
		if !more {
			return true
		}
	}
}

// sealNext makes records of the next part of what is to be written. more is false where nothing is left.
func (w *Writer) sealNext() (more bool, err error) {
	w.wrote(0)
	if w.from == len(w.Bufs) {
		return false, nil
	}
	p, all := w.Bufs[w.from], 0
	for _, q := range w.Bufs[w.from:] {
		all += len(q)
	}
	most := min(all, writeMost)
	if len(p) < most { // together, as each write makes a record at least
		part := pool.Get(most)
		defer pool.Put(part)
		for _, q := range w.Bufs[w.from:] {
			part.B = append(part.B, q[:min(len(q), most-len(part.B))]...)
		}
		p = part.B
	}
	p = p[:most]
	if err := w.TLS.seal(p); err != nil {
		return false, err
	}
	w.wrote(len(p))
	return true, nil
}
