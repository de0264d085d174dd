package draftwire

import (
	"context"
	"sync"
	"time"

	"github.com/draftwire/draftwire/internal/pool"
)

// writeWhole writes to what is no socket: as one piece, which TLS makes one
// record.
func (c *Conn) writeWhole(ctx context.Context, head, body, tail []byte) error {
	c.watchWrite(ctx)
	// The deadline is kept between three quarters and the whole of the timeout
	// ahead, so that most writes set none.
	timeout := c.set.limits.WriteTimeout
	if now := c.now(); c.out.until-now < timeout*3/4 {
		c.out.until = now + timeout
		c.setWriteDeadline(time.Now().Add(timeout))
	}
	if body != nil {
		whole := pool.Get(len(head) + len(body) + len(tail))
		defer pool.Put(whole)
		whole.B = append(append(append(whole.B, head...), body...), tail...)
		head = whole.B
	}
	_, err := c.nc().Write(head)
	return err
}

// vector is a write of up to three pieces to a socket, from where they are. Its
// deadline is set and its context watched only when the socket has no room. It is
// kept from the garbage collector.
type vector struct {
	c      *Conn
	ctx    context.Context
	parts  [3][]byte // what is still to go
	from   int       // the first of them that is not gone
	hasty  bool      // does not wait for room
	waited bool      // the socket had no room: the deadline is set
	err    error
	try    func(fd uintptr) bool
	pieces sysPieces // as the system wants them
}

var vectors = sync.Pool{New: func() any { return new(vector) }}

func newVector(c *Conn, ctx context.Context, head, body, tail []byte) *vector {
	v := vectors.Get().(*vector)
	if v.try == nil {
		v.try = v.tryWrite
	}
	v.c, v.ctx, v.parts[0], v.parts[1], v.parts[2] = c, ctx, head, body, tail
	return v
}

func (v *vector) free() {
	clear(v.parts[:])
	v.c, v.ctx, v.from, v.err = nil, nil, 0, nil
	vectors.Put(v)
}

// left reports whether something is still to go.
func (v *vector) left() bool { return v.from < len(v.parts) }

func (v *vector) write() error {
	err := v.c.in.src.raw.Write(v.try)
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
