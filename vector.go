package draftwire

import (
	"context"
	"sync"
	"time"

	"github.com/draftwire/draftwire/internal/pool"
)

// vector is a write of up to three pieces, from where they are: the queue, and
// what goes behind it. On a socket its deadline is set and its context watched only
// when the socket has no room. It is kept from the garbage collector.
type vector struct {
	c      *Conn
	ctx    context.Context
	queue  *pool.Buf // the first piece
	goal   uint64    // outbox.queued behind it
	parts  [3][]byte // what is still to go
	from   int       // the first of them that is not gone
	hasty  bool      // does not wait for room
	waited bool      // the socket had no room: the deadline is set
	err    error
	try    func(fd uintptr) bool
	pieces sysPieces // as the system wants them
}

var vectors = sync.Pool{New: func() any { return new(vector) }}

func newVector(c *Conn, ctx context.Context) *vector {
	v := vectors.Get().(*vector)
	if v.try == nil {
		v.try = v.tryWrite
	}
	v.c, v.ctx = c, ctx
	return v
}

func (v *vector) free() {
	pool.Put(v.queue)
	clear(v.parts[:])
	v.c, v.ctx, v.queue, v.from, v.err = nil, nil, nil, 0, nil
	vectors.Put(v)
}

// noSocket is no file descriptor.
const noSocket = ^uintptr(0)

// left reports whether something is still to go.
func (v *vector) left() bool { return v.from < len(v.parts) }

// whole writes to what is no socket: as one piece, which TLS makes one record.
func (v *vector) whole() error {
	c := v.c
	c.watchWrite(v.ctx)
	// The deadline is kept between three quarters and the whole of the timeout
	// ahead, so that most writes set none.
	timeout := c.set.limits.WriteTimeout
	if now := c.now(); c.out.until-now < timeout*3/4 {
		c.out.until = now + timeout
		c.setWriteDeadline(time.Now().Add(timeout))
	}
	p := v.parts[0]
	if n := len(v.parts[1]) + len(v.parts[2]); n > 0 && len(p) == 0 && len(v.parts[2]) == 0 {
		p = v.parts[1]
	} else if n > 0 {
		whole := pool.Get(len(p) + n)
		defer pool.Put(whole)
		whole.B = append(append(append(whole.B, p...), v.parts[1]...), v.parts[2]...)
		p = whole.B
	}
	_, err := c.nc().Write(p)
	return err
}

// ended says how a write to a socket ended; err is that of the runtime's call.
func (v *vector) ended(err error) error {
	if err == nil {
		err = v.err
	}
	if v.waited {
		v.waited = false
		v.c.watchWrite(v.c.Context()) // no longer ctx
		v.c.setWriteDeadline(time.Time{})
	}
	return err
}

// took notes that n bytes have gone.
func (v *vector) took(n int) {
	for v.from < len(v.parts) && n >= len(v.parts[v.from]) {
		n -= len(v.parts[v.from])
		v.from++
	}
	if n > 0 {
		v.parts[v.from] = v.parts[v.from][n:]
	}
}

// full is called when the socket has no room. It reports whether that ends the
// try.
func (v *vector) full() bool {
	if !v.hasty && !v.waited {
		v.waited = true
		v.c.watchWrite(v.ctx)
		v.c.setWriteDeadline(time.Now().Add(v.c.set.limits.WriteTimeout))
	}
	return v.hasty
}
