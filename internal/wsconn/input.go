package wsconn

import (
	"net"
	"sync"
	"syscall"

	"github.com/draftwire/draftwire/internal/pool"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// input is what a reader needs while it has input, or a message that has not come whole.
// A driven connection borrows it for a turn, and while it has something unfinished in it;
// others, whose goroutine waits within a read, keep the one that they got at first.
type input struct {
	src  sock.Reader
	ev   wire.Event     // in hand
	open *MessageReader // the last one, while its message is not read to the end

	messages, bytes uint64 // that have come since publishCounts, for Stats

	owesPong bool // the event in hand is a ping that was not answered
	inParts  bool // ReadPart has given a part of a message that was not its last
	gave     bool // a turn has given a part, and Hooks.Read was not called since

	// A message that is being gathered, or that ReadBorrowed has lent.
	kind    wire.Op   // of the former; OpNone where there is none
	inPlace bool      // the latter stands in src
	part    []byte    // of the former; where there is none, what is left of the chunk of own
	lent    *pool.Buf // where either stands, if that is not src
}

var inputs = sync.Pool{New: func() any { return new(input) }}

// borrow makes the reader have an input. It is called with the lock.
func (r *reader) borrow() {
	if r.input == nil {
		r.input = inputs.Get().(*input)
		r.src.Attach(r.socket)
	}
}

// giveBack gives the input back, where the reader may do without it.
func (r *reader) giveBack() {
	in := r.input
	switch {
	case !r.c.is(driven), in.src.Buffered() > 0, in.inPlace, in.lent != nil, in.kind != wire.OpNone, in.open != nil, in.inParts, in.owesPong:
		return
	}
	if in.messages > 0 || in.bytes > 0 {
		r.publishCounts()
	}
	r.input = nil
	in.src.Detach()
	in.ev, in.part = wire.Event{}, nil
	inputs.Put(in)
}

// Stream returns the connection below.
func (c *Conn) Stream() net.Conn {
	if c.r.socket != nil {
		return c.r.socket
	}
	return c.r.src.Conn()
}

// raw returns the socket below, nil where the stream is none: see package sock.
func (c *Conn) raw() syscall.RawConn {
	if c.r.socket != nil {
		return c.r.socket.Raw()
	}
	return c.r.src.Raw()
}

// Polls reports whether the connection makes its own system calls: see package sock.
func (c *Conn) Polls() bool { return c.raw() != nil }
