package wsconn

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// Prepared is a message that is encoded once for each version that it is sent on: see
// draftwire.PreparedMessage.
type Prepared struct {
	op     wire.Op
	data   []byte
	frames [wire.RFC6455 + 1][session.NumEncodings]atomic.Pointer[[]byte]
}

// Init makes m, a new one, a message. data must not be changed afterwards.
func (m *Prepared) Init(op wire.Op, data []byte) { m.op, m.data = op, data }

// frame returns the message as c sends it; nil where c has to encode it itself: a
// client masks each frame anew, compression with takeover depends on what went before, and a
// trace is told of each frame.
func (m *Prepared) frame(c *Conn) (*[]byte, error) {
	encoding, ok := c.ses.Encoding(len(m.data))
	if c.ses.Role() == wire.Client || !ok || c.ses.Traced() {
		return nil, nil
	}
	slot := &m.frames[c.version][encoding]
	if f := slot.Load(); f != nil {
		return f, nil
	}
	f, err := session.Encode(c.ses.Draft(), encoding, m.op, m.data)
	if err != nil {
		return nil, err
	}
	slot.Store(&f)
	return &f, nil
}

// WritePrepared sends a prepared message, as Write would: see
// draftwire.Conn.WritePrepared.
func (c *Conn) WritePrepared(ctx context.Context, m *Prepared) error {
	f, err := m.frame(c)
	if err != nil {
		return err
	}
	if f == nil {
		return c.Write(ctx, m.op, m.data)
	}
	w := &c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	direct, err := w.awaitTurn(ctx, whole, len(*f))
	switch {
	case err == sock.ErrOnLoop:
		err = w.postOnLoop(m.op, m.data, f)
	case err != nil:
	case c.ses.CloseSent():
		err = wire.ErrClosed
	case direct || w.goesAlone(*f):
		op := w.begin(ctx)
		op.Bufs[1] = *f
		err = w.write(op)
	default:
		w.appendEncoded(*f)
		err = w.send(ctx)
	}
	if err == nil {
		w.count(whole, len(m.data))
	}
	return err
}

// ErrBusy is Post's, for a peer that has not taken what was sent before.
var ErrBusy = errors.New("draftwire: the peer has not taken what was sent before")

// Post sends a prepared message and never waits for the peer: see draftwire.Conn.Post.
func (c *Conn) Post(m *Prepared) error {
	f, err := m.frame(c)
	if err != nil {
		return err
	}
	w := &c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.postOne(m, f, single)
}

// PostAll posts n messages in a row, in one write as far as they may be held: see
// draftwire.Conn.PostAll.
func (c *Conn) PostAll(n int, message func(i int) *Prepared) (posted int, err error) {
	if n == 1 {
		if err := c.Post(message(0)); err != nil {
			return 0, err
		}
		return 1, nil
	}
	w := &c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for posted < n && err == nil {
		var f *[]byte
		m := message(posted)
		if f, err = m.frame(c); err == nil {
			err = w.postOne(m, f, followed)
		}
		if err == nil {
			posted++
		}
	}
	if posted > 0 && !w.hold() {
		w.flushNoWait(nil)
		if err == nil {
			err = w.failed()
		}
	}
	return posted, err
}

// burst says whether another message is posted at once behind one.
type burst bool

const (
	single   burst = false
	followed burst = true
)

// postOne posts a message, whose frame is f, nil where it is the connection's own. One that another
// one follows may be left in the queue.
func (w *writer) postOne(m *Prepared, f *[]byte, next burst) error {
	if err := w.writable(w.c.Context()); err != nil {
		return err
	}
	var err error
	switch n := w.waiting(); {
	case w.c.ses.CloseSent() || w.closing:
		return wire.ErrClosed
	case w.message, n > 0 && n+len(m.data) > w.c.lim.PostLimit:
		return ErrBusy
	case w.writing && (w.backlog() != nil || n+len(m.data)+frameRoom > holdMost):
		err = w.postBehind(m.op, m.data, f)
	case f != nil && w.goesAlone(*f) && (next == single || len(*f) > holdMost):
		w.flushNoWait(*f)
		err = w.failed()
	default:
		if f != nil {
			w.appendEncoded(*f)
		} else if err = w.appendFrame(m.op, whole, m.data); err != nil {
			return err
		}
		if next == followed && n+len(m.data)+frameRoom < holdMost {
			break
		}
		if !w.hold() {
			w.flushNoWait(nil)
			err = w.failed()
		}
	}
	if err == nil {
		w.count(whole, len(m.data))
	}
	return err
}

// postBehind leaves a message to wait behind a write, in the backlog. f is its frame, nil
// where it is the connection's own.
func (w *writer) postBehind(op wire.Op, p []byte, f *[]byte) error {
	if b := w.backlog(); b != nil && len(b.frames) >= backlogMost {
		return ErrBusy
	}
	if f == nil {
		own, err := w.c.ses.AppendFrame(nil, op, true, p)
		if err != nil {
			return err
		}
		f = &own
	}
	w.post(f)
	w.again = true
	return nil
}

// goesAlone reports whether a frame goes from where it is, as nothing is before it.
func (w *writer) goesAlone(f []byte) bool { return w.phase() == idle && !w.mayHold(len(f)) }
