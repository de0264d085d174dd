package wsconn

import (
	"sync"

	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/wire"
)

// Of two connections that carry each other's messages, both of one loop and with the same frames, what
// comes whole on the one is written to the other as it came, from where it was read: it is
// looked at, and not copied or masked anew.

// Forward says that messages of c, which a loop will read in parts, may be given to Hooks.Run, for to. It is false
// where they cannot go to it as they come.
func (c *Conn) Forward(to *Conn) bool {
	if c.r.socket == nil || to.r.socket == nil || !c.ses.Forwards(&to.ses) {
		return false
	}
	c.state.Or(forwards)
	return true
}

var runs = sync.Pool{New: func() any { return new(session.Run) }}

// forward gives the messages that have come whole to Hooks.Run. ok is false where there are none, or
// where they have to go the other way. may is false where all that was read has to: to find the messages again behind each
// of them would take as long as there are many, squared.
func (r *reader) forward() (ok, may bool) {
	c := r.c
	if c.is(closing) {
		return false, false
	}
	run := runs.Get().(*session.Run)
	defer runs.Put(run)
	p := r.src.Bytes()
	if c.ses.Run(p, run); run.Messages == 0 {
		return false, true
	}
	if !c.hooks.Run(p[:run.Len], run) {
		return false, false
	}
	r.src.Discard(run.Len)
	r.messages += uint64(run.Messages)
	r.bytes += uint64(run.Payload)
	r.gave = true
	return true, true
}

// WriteRun sends messages of another connection as they came: p are the bytes of run. It is for the goroutine of
// the loop. ok is false where they cannot go so at the moment, and nothing was done.
func (c *Conn) WriteRun(p []byte, run *session.Run) (ok bool, err error) {
	w := &c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.message || c.ses.Traced() {
		return false, nil
	}
	if err := w.writable(c.Context()); err != nil {
		return true, err
	}
	if c.ses.CloseSent() {
		return true, wire.ErrClosed
	}
	if w.phase() == idle && !w.corked {
		n := c.r.socket.WriteSome(p) // nothing within TLS: there are records to be made
		w.queued += uint64(n)
		w.written += uint64(n)
		p = p[n:]
	}
	if len(p) > 0 {
		w.appendEncoded(p)
		err = w.send(c.Context())
	}
	if err == nil {
		w.messages += uint64(run.Messages)
		w.bytes += uint64(run.Payload)
	}
	return true, err
}
