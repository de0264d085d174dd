package draftwire

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/internal/wsconn"
	"github.com/draftwire/draftwire/wire"
)

// settings are what all connections of one server have in common.
type settings struct {
	limits    Limits
	engine    wsconn.Limits // of limits
	tolerate  Tolerances
	dropHeads bool
	text      wire.TextPolicy
	obs       *Observer
	// The Server's.
	forget   func(*Conn)
	left     func() // a connection of a loop has ended for the program; nil: nobody counts them
	events   *Events
	logPanic func(net.Conn, any)
}

// own makes s, which is not to be copied any more, what its connections find by Conn.set.
func (s *settings) own() *settings {
	s.engine.Owner = s
	return s
}

// set returns the settings of the connection.
func (c *Conn) set() *settings { return c.c.Owner().(*settings) }

// engineLimits returns those of l that the engine keeps.
func (l *Limits) engineLimits() wsconn.Limits {
	return wsconn.Limits{CloseTimeout: l.CloseTimeout, WriteTimeout: l.WriteTimeout, IdleTimeout: l.IdleTimeout, PostLimit: l.PostLimit}
}

// connConfig is what a handshake makes a connection from.
type connConfig struct {
	draft     *row
	role      wire.Role
	info      *Handshake
	acc       *wire.Accept
	deflate   *deflate.Params
	threshold int
	set       *settings
	rand      io.Reader
	parent    context.Context
	src       *sock.Reader
	engine    wsconn.Config // made of these
}

// newConn makes a connection, in steps of their own: stacks are short.
func newConn(cfg *connConfig) *Conn {
	c := prepareConn(cfg)
	c.c.Init(&cfg.engine)
	c.opened()
	return c
}

//go:noinline
func prepareConn(cfg *connConfig) *Conn { // noinline: keeps a cold frame off the 2 KiB stack
	c := &Conn{info: cfg.info}
	c.info.took = time.Since(c.info.Began())
	e := &cfg.engine
	e.Draft, e.HastyPeer = cfg.draft.Draft, cfg.draft.hastyPeer
	e.Limits, e.Hooks = &cfg.set.engine, (*hooks)(c)
	e.Source, e.Parent = cfg.src, cfg.parent
	s := &e.Session
	s.Role, s.Rand, s.MaskKey = cfg.role, cfg.rand, cfg.acc.MaskKey
	s.Limit, s.Text = cfg.set.limits.ReadLimit, cfg.set.text
	s.Deflate, s.Threshold = cfg.deflate, cfg.threshold
	s.Tolerate = cfg.set.tolerate
	if s.Tolerate != 0 {
		s.Seen = func(t Tolerances) { c.set().obs.tolerated(c.info.Remote(), t) }
	}
	return c
}

//go:noinline
func (c *Conn) opened() { // noinline: keeps a cold frame off the 2 KiB stack
	set := c.set()
	set.obs.opened(c)
	if set.dropHeads {
		c.info.forgetHeads()
	}
}

// hooks are what the engine of a connection calls.
type hooks Conn

// Closed implements wsconn.Hooks.
func (h *hooks) Closed(cause error) {
	c := (*Conn)(h)
	if c.set().events != nil { // the caller may be a loop, which has many connections
		defer c.recoverEvent()
	}
	c.set().obs.closed(c, c.ending())
}

// ending is how an ended connection has ended, for the program.
func (c *Conn) ending() error {
	cause := c.c.Cause()
	if err := c.c.Failure(); err != nil {
		cause = &HandlerError{Err: err, End: cause}
	}
	return cause
}

// Ended implements wsconn.Hooks.
func (h *hooks) Ended() {
	c := (*Conn)(h)
	c.endedEvents()
	if left := c.set().left; left != nil && c.c.Driven() {
		left()
	}
}

// Message implements wsconn.Hooks.
func (h *hooks) Message(op wire.Op, p []byte) { (*Conn)(h).message(op, p) }

// Part implements wsconn.Hooks.
func (h *hooks) Part(p wsconn.Part) { (*Conn)(h).part(Part(p)) }

// Run implements wsconn.Hooks.
func (h *hooks) Run(p []byte, run *session.Run) bool { return (*Conn)(h).run(p, run) }

// Read implements wsconn.Hooks.
func (h *hooks) Read() { (*Conn)(h).readEvents() }

// Drained implements wsconn.Hooks.
func (h *hooks) Drained() { (*Conn)(h).drainedEvents() }

// PeerClosed implements wsconn.Hooks.
func (h *hooks) PeerClosed(ce *wire.CloseError) { (*Conn)(h).peerClosedEvents(ce) }

// Discarded implements wsconn.Hooks.
func (h *hooks) Discarded() {
	c := (*Conn)(h)
	c.set().obs.discarded(c)
}

// Released implements wsconn.Hooks.
func (h *hooks) Released() {
	c := (*Conn)(h)
	if forget := c.set().forget; forget != nil {
		forget(c)
	}
}
