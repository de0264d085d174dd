package draftwire

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/wire"
)

// PreparedMessage is a message that is encoded once for each version that it
// is sent on, for sending it to many. It is safe for any number of goroutines.
type PreparedMessage struct {
	op     Op
	data   []byte
	frames [len(drafts)][session.NumEncodings]atomic.Pointer[[]byte]
}

// NewPreparedMessage prepares a message. data must not be changed afterwards.
func NewPreparedMessage(op Op, data []byte) *PreparedMessage {
	return &PreparedMessage{op: op, data: data}
}

// frame returns the message as c sends it; nil where c has to encode it itself: a
// client masks each frame anew, and compression with takeover depends on what went
// before.
func (m *PreparedMessage) frame(c *Conn) (*[]byte, error) {
	encoding, ok := c.ses.Encoding(len(m.data))
	if c.role == wire.Client || !ok {
		return nil, nil
	}
	i := 0
	for drafts[i].Version != c.draft.Version {
		i++
	}
	place := &m.frames[i][encoding]
	if f := place.Load(); f != nil {
		return f, nil
	}
	f, err := session.Encode(c.draft.Draft, encoding, m.op, m.data)
	if err != nil {
		return nil, err
	}
	place.Store(&f)
	return &f, nil
}

// WritePrepared sends a prepared message, as Write would. Only servers gain, and
// only where messages are not compressed with takeover: see Compression.
func (c *Conn) WritePrepared(ctx context.Context, m *PreparedMessage) error {
	f, err := m.frame(c)
	if err != nil {
		return err
	}
	if f == nil {
		return c.Write(ctx, m.op, m.data)
	}
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	direct, err := c.turn(ctx, true, len(*f))
	if err != nil {
		return err
	}
	if c.ses.Said() {
		return ErrClosed
	}
	if direct || c.goesAlone(*f) {
		v := c.take(ctx)
		v.parts[1] = *f
		err = c.write(v)
	} else {
		c.enqueueFrame(*f)
		err = c.send(ctx)
	}
	if err == nil {
		c.sent(len(m.data), true)
	}
	return err
}

// Post sends a prepared message as WritePrepared does, but never waits for the peer:
// what its socket does not take at once goes out as the peer reads, within the write
// timeout, and what is posted meanwhile waits behind it, up to Limits.PostLimit. Order
// is kept. ErrBusy is for a message that would be more than that, and for one that comes
// while a Writer has begun another: it is not sent, and the connection goes on.
func (c *Conn) Post(m *PreparedMessage) error {
	f, err := m.frame(c)
	if err != nil {
		return err
	}
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := c.writable(c.Context()); err != nil {
		return err
	}
	switch n := o.waiting(); {
	case c.ses.Said() || o.ends:
		return ErrClosed
	case o.midst, n > 0 && n+len(m.data) > c.set.limits.PostLimit:
		return ErrBusy
	case (o.writing || o.due) && (o.posts != nil || n+len(m.data)+frameRoom > holdMost):
		err = c.defers(m, f)
	case f != nil && c.goesAlone(*f) && c.in.src.raw != nil:
		err = c.push(*f)
	case f != nil && c.goesAlone(*f) && len(*f) >= directSize:
		err = c.defers(m, f)
	default:
		if f != nil {
			c.enqueueFrame(*f)
		} else if err = c.enqueue(m.op, true, m.data); err != nil {
			return err
		}
		if !c.hold() {
			err = c.push(nil)
		}
	}
	if err == nil {
		c.sent(len(m.data), true)
	}
	return err
}

// defers leaves a message to wait behind a write, with others. f is its frame, nil where
// it is the connection's own.
func (c *Conn) defers(m *PreparedMessage, f *[]byte) error {
	o := &c.out
	if o.posts != nil && len(o.posts.frames) >= backlogMost {
		return ErrBusy
	}
	if f == nil {
		own, err := c.ses.AppendFrame(nil, m.op, true, m.data)
		if err != nil {
			return err
		}
		f = &own
	}
	o.leave(f)
	c.makeDue()
	return nil
}

// goesAlone reports whether a frame goes from where it is, as nothing is before it.
func (c *Conn) goesAlone(f []byte) bool {
	return c.out.empty() && !c.out.writing && !c.mayHold(len(f))
}

// enqueueFrame puts a frame into the queue.
func (c *Conn) enqueueFrame(f []byte) {
	q := c.room(len(f))
	before := len(q.B)
	q.B = append(q.B, f...)
	c.put(before)
}

// Broadcast posts m to all of conns, from several goroutines on all processors, and
// returns when each has it or has failed. No slow peer holds up the others. failed, if
// not nil, is called with each connection that did not get it and the error of Post, by
// several goroutines at a time: ErrBusy is for peers that lag, of which the program may
// end some; of connections that have ended the one who reads knows too.
func Broadcast(m *PreparedMessage, conns []*Conn, failed func(c *Conn, err error)) {
	var next atomic.Int64
	some := func() {
		for {
			end := int(next.Add(share))
			for _, c := range conns[min(end-share, len(conns)):min(end, len(conns))] {
				if err := c.Post(m); err != nil && failed != nil {
					failed(c, err)
				}
			}
			if end >= len(conns) {
				return
			}
		}
	}
	var others sync.WaitGroup
	for range min(writers*runtime.GOMAXPROCS(0), (len(conns)+share-1)/share) - 1 {
		others.Go(some)
	}
	some()
	others.Wait()
}

const (
	// share is how many connections a goroutine of Broadcast takes at a time.
	share = 16
	// writers is how many of them there are for each processor. Where the kernel puts
	// one aside in a system call, the runtime gives its processor to another.
	writers = 4
)
