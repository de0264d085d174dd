package sock

import (
	"io"

	"github.com/draftwire/draftwire/internal/pool"
)

// Writer is a write of up to three buffers from where they are. A write to a socket is as
// few system calls as the socket lets it be; it is kept from the garbage collector, so a
// Writer is used again and again.
type Writer struct {
	Bufs  [3][]byte // what is still to be written
	Hasty bool      // does not wait for room in the socket
	// Wait is told each time before the write waits for room in the socket, unless it is
	// Hasty: to set the deadline of the wait.
	Wait Waiter
	TLS  *TLS // what the socket speaks; nil: the bytes are as they are

	from     int  // the first of Bufs that is not written
	progress bool // bytes have gone since the write waited last
	err      error
	try      func(fd uintptr) bool
	sys      sysVector // Bufs as the system wants them
}

// Waiter is told that a write waits.
type Waiter interface {
	// BeforeWait is called before the write waits for room. progress says whether
	// bytes have gone since it was called last, or since the write began.
	BeforeWait(progress bool)
}

// Try returns the function that writes Bufs to a socket, to be given to Write of its
// syscall.RawConn, whose error is then given to Result. The caller calls Write itself: a
// frame more on the stack, and that of an idle connection would have grown.
func (w *Writer) Try() func(fd uintptr) bool { return w.try }

// Result returns the error of a write to a socket. A Hasty write has none where the socket
// has no more room: see Remaining.
func (w *Writer) Result(err error) error {
	if err == nil {
		err = w.err
	}
	return err
}

// WriteTo writes Bufs to what is no socket, with one Write where that is not long: TLS then
// makes as few records as it can. before is called before each Write, for its deadline.
func (w *Writer) WriteTo(nc io.Writer, before func()) error {
	p := w.Bufs[0]
	if n := len(w.Bufs[1]) + len(w.Bufs[2]); n > 0 && len(p) == 0 && len(w.Bufs[2]) == 0 {
		p = w.Bufs[1]
	} else if n > 0 {
		whole := pool.Get(len(p) + n)
		defer pool.Put(whole)
		whole.B = append(append(append(whole.B, p...), w.Bufs[1]...), w.Bufs[2]...)
		p = whole.B
	}
	for {
		before()
		n := min(len(p), writeMost)
		if _, err := nc.Write(p[:n]); err != nil {
			return err
		}
		if p = p[n:]; len(p) == 0 {
			return nil
		}
	}
}

// writeMost is how much WriteTo writes with one Write, within which it cannot be seen
// whether the peer takes something.
const writeMost = 64 << 10

// Init makes a new Writer an empty write.
func (w *Writer) Init() { w.try = w.tryWrite }

// Reset makes w an empty write once more, and keeps what can be used again.
func (w *Writer) Reset() {
	clear(w.Bufs[:])
	w.Hasty, w.Wait, w.TLS = false, nil, nil
	w.from, w.progress, w.err = 0, false, nil
}

// Rest returns what is still to be written.
func (w *Writer) Rest() [][]byte { return w.Bufs[w.from:] }

// Rewrite makes p, a copy of what is still to be written, take its place.
func (w *Writer) Rewrite(p []byte) {
	w.Bufs = [3][]byte{p}
	w.from, w.err = 0, nil
}

// Remaining reports whether something is still to be written.
func (w *Writer) Remaining() bool { return w.from < len(w.Bufs) || w.TLS != nil && w.TLS.owes() }

// wrote notes that n bytes have gone.
func (w *Writer) wrote(n int) {
	for w.from < len(w.Bufs) && n >= len(w.Bufs[w.from]) {
		n -= len(w.Bufs[w.from])
		w.from++
	}
	if n > 0 {
		w.Bufs[w.from] = w.Bufs[w.from][n:]
	}
}

// NoSocket is no file descriptor.
const NoSocket = ^uintptr(0)
