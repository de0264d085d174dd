package draftwire

import (
	"github.com/draftwire/draftwire/internal/spread"
	"github.com/draftwire/draftwire/internal/wsconn"
)

// PreparedMessage is a message that is encoded once for each version that it
// is sent on, for sending it to many. It is safe for any number of goroutines.
type PreparedMessage struct{ m wsconn.Prepared }

// NewPreparedMessage prepares a message. data must not be changed afterwards.
func NewPreparedMessage(op Op, data []byte) *PreparedMessage {
	m := new(PreparedMessage)
	m.m.Init(op, data)
	return m
}

// Broadcast posts m to all of conns, from several goroutines on all processors, and
// returns when each has it or has failed. No slow peer holds up the others. failed, if
// not nil, is called with each connection that did not get it and the error of Post, by
// several goroutines at a time: ErrBusy is for peers that lag, of which the program may
// end some; a connection that has ended is also reported to its reader.
func Broadcast(m *PreparedMessage, conns []*Conn, failed func(c *Conn, err error)) {
	spread.Each(len(conns), func(from, to int) {
		for _, c := range conns[from:to] {
			if err := c.Post(m); err != nil && failed != nil {
				failed(c, err)
			}
		}
	})
}
