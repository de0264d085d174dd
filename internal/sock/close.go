package sock

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"github.com/draftwire/draftwire/internal/pool"
)

// Past is a deadline that has always been.
var Past = time.Unix(1, 0)

// IsTimeout reports whether err is that of a deadline that has passed.
func IsTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// CloseWrite ends our half of the stream, where the connection can: on TCP the peer reads
// the end of the stream and may still write.
func CloseWrite(nc net.Conn) {
	if cw, ok := nc.(interface{ CloseWrite() error }); ok {
		cw.CloseWrite()
	}
}

// drainMost bounds what a peer may still send into an ended connection, in bytes.
const drainMost = 1 << 20

// Drain reads and drops what comes, up to 1 MiB, until the stream ends or its read
// deadline passes.
func Drain(nc net.Conn) {
	b := pool.Get(SmallRead)
	defer pool.Put(b)
	for total := 0; total < drainMost; {
		n, err := nc.Read(b.B[:cap(b.B)])
		if err != nil {
			return
		}
		total += n
	}
}

// DrainTurn is Drain for a turn, which has dropped so many bytes before: it does not wait. over says
// that nothing more is to be read.
func DrainTurn(t *Turn, before int) (n int, over bool) {
	if t.Buf == nil {
		t.Buf = pool.Get(turnRead)
	}
	b := t.Buf.B[:cap(t.Buf.B)]
	for more := true; more && before+n < drainMost; {
		if t.nothing() {
			return n, false
		}
		got, err := readNow(t.FD, b)
		if err != nil {
			return n, true
		}
		n += got
		more = t.more(got, len(b), nil)
	}
	return n, before+n >= drainMost
}

// Gone reports whether the system knows that the peer of a TCP connection, below TLS or
// not, has reset it, or has given it up as the peer does not answer: for a program that
// does not read at the moment, and so is not told. Where the system cannot say, it is
// false.
func Gone(nc net.Conn) bool {
	for {
		if t, ok := nc.(*tls.Conn); ok {
			nc = t.NetConn()
		} else if b, ok := nc.(interface{ Below() net.Conn }); ok {
			nc = b.Below()
		} else {
			return reset(nc)
		}
	}
}
