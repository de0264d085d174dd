package draftwire

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/draftwire/draftwire/internal/wsconn"
)

// NetConn turns a connection into a net.Conn: what is written goes as messages
// of kind op, one each Write, and the messages that come are read as one
// stream. A clean close (CodeNormal, CodeGoingAway, CodeNoStatus) is io.EOF.
// Deadlines may be extended after they passed; a write deadline that cuts a
// write closes the connection. ctx bounds all calls. Close does the closing
// handshake with CodeNormal.
//
// On versions without binary use OpText, and write only UTF-8.
func NetConn(ctx context.Context, c *Conn, op Op) net.Conn {
	n := &netConn{c: c, op: op}
	n.read.init(ctx)
	n.write.init(ctx)
	return n
}

type netConn struct {
	c           *Conn
	op          Op
	read, write deadline
	mu          sync.Mutex // reading
	r           io.Reader
}

func (n *netConn) Read(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		ctx := n.read.context()
		if n.r == nil {
			_, r, err := n.c.Reader(ctx)
			if err != nil {
				return 0, n.read.err(ctx, endOf(err))
			}
			n.r = r
		}
		if r, ok := n.r.(*wsconn.MessageReader); ok {
			r.SetContext(ctx) // deadlines may have moved since the message began
		}
		k, err := n.r.Read(p)
		if err == io.EOF {
			n.r, err = nil, nil
		}
		if err != nil {
			return k, n.read.err(ctx, endOf(err))
		}
		if k > 0 || len(p) == 0 {
			return k, nil
		}
	}
}

func endOf(err error) error {
	if isClean(err) {
		return io.EOF
	}
	return err
}

func (n *netConn) Write(p []byte) (int, error) {
	ctx := n.write.context()
	if err := n.c.Write(ctx, n.op, p); err != nil {
		return 0, n.write.err(ctx, err)
	}
	return len(p), nil
}

func (n *netConn) Close() error {
	err := n.c.Close(CodeNormal, "")
	n.read.stop()
	n.write.stop()
	return err
}

func (n *netConn) LocalAddr() net.Addr  { return n.c.LocalAddr() }
func (n *netConn) RemoteAddr() net.Addr { return n.c.RemoteAddr() }

func (n *netConn) SetDeadline(t time.Time) error {
	n.read.set(t)
	n.write.set(t)
	return nil
}

func (n *netConn) SetReadDeadline(t time.Time) error {
	n.read.set(t)
	return nil
}

func (n *netConn) SetWriteDeadline(t time.Time) error {
	n.write.set(t)
	return nil
}

// deadline is a context whose end can be moved.
type deadline struct {
	parent context.Context
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func (d *deadline) init(ctx context.Context) {
	d.parent = ctx
	d.ctx, d.cancel = context.WithCancelCause(ctx)
}

func (d *deadline) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ctx
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if d.ctx.Err() != nil {
		d.init(d.parent)
	}
	if t.IsZero() {
		return
	}
	cancel := d.cancel
	if wait := time.Until(t); wait <= 0 {
		cancel(os.ErrDeadlineExceeded)
	} else {
		d.timer = time.AfterFunc(wait, func() { cancel(os.ErrDeadlineExceeded) })
	}
}

// stop lets go of the parent context and the timer.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.cancel(net.ErrClosed)
}

// err turns the end of ctx into os.ErrDeadlineExceeded, which is what users of
// a net.Conn look for.
func (d *deadline) err(ctx context.Context, err error) error {
	if ctx.Err() != nil && context.Cause(ctx) == os.ErrDeadlineExceeded {
		return os.ErrDeadlineExceeded
	}
	return err
}
