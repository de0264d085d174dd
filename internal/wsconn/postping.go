package wsconn

import (
	"encoding/binary"

	"github.com/draftwire/draftwire/wire"
)

// PostPing sends a ping and waits for nothing: see draftwire.Conn.PostPing.
func (c *Conn) PostPing() error {
	if !c.supports(wire.CapPing) {
		return wire.NewUnsupportedError(c.version, "ping and pong")
	}
	w := &c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.writable(c.Context()); err != nil {
		return err
	}
	switch {
	case c.ses.CloseSent() || w.closing:
		return wire.ErrClosed
	case w.writing || w.backlog() != nil:
		return ErrBusy
	}
	var body [8]byte
	binary.BigEndian.PutUint64(body[:], uint64(now()))
	if err := w.appendFrame(wire.OpPing, alone, body[:]); err != nil {
		return err
	}
	if !w.hold() {
		w.flushNoWait(nil)
	}
	return w.failed()
}
