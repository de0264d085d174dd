package gateway

import (
	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/inside"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/internal/wsconn"
)

// onLoop is the driver of a relay whose two sides are sockets of one loop: the loop's goroutine
// calls its functions, one after the other, so that they need no lock, and a session that is
// silent has no goroutine. Nothing waits: where a receiver lags its sender is paused.
type onLoop struct {
	relay           // whose counter is the session
	sides [2]looped // the client's and the backend's
}

func (l *onLoop) session() *Session { return l.counter.(*Session) }

// looped is a side, with the direction in which it sends.
type looped struct {
	direction
	discards *discards // nil while the receiver is not gone
	paused   bool
	over     bool // nothing is passed on any more
	ended    bool // the reading half has ended
	closed   bool
}

// discards is what becomes of a side whose receiver is gone.
type discards struct {
	why   error // the receiver is gone
	bytes int   // that were discarded
}

// conn is the connection of a side.
func (l *looped) conn() *draftwire.Conn { return l.from().(*socket).Conn }

// side returns a side, and the other one.
func (l *onLoop) side(s Side) (this, other *looped) {
	if s == ClientSide {
		return &l.sides[0], &l.sides[1]
	}
	return &l.sides[1], &l.sides[0]
}

// events returns the functions for connections of a side.
func (g *Gateway) events(side Side) *draftwire.Events {
	e := &draftwire.Events{
		Part: func(c *draftwire.Conn, p draftwire.Part) error {
			s := sessionOf(c)
			if s.member != nil {
				s.member.part(c, p)
			} else {
				s.loop.part(side, p)
			}
			return nil
		},
		Read: func(c *draftwire.Conn) error {
			if l := sessionOf(c).loop; l != nil {
				l.flush(side)
			}
			return nil
		},
		Drained: func(c *draftwire.Conn) {
			if l := sessionOf(c).loop; l != nil {
				l.drained(side)
			}
		},
		PeerClosed: func(c *draftwire.Conn, ce *draftwire.CloseError) { sessionOf(c).loop.endOf(side, ce) },
		Closed: func(c *draftwire.Conn, err error) {
			s := sessionOf(c)
			if s.member != nil {
				s.member.closed(err)
			} else {
				s.loop.closedBy(side, err)
			}
		},
	}
	inside.OnRun(e, func(c any, p []byte, run *session.Run) bool {
		return sessionOf(c.(*draftwire.Conn)).loop.run(side, p, run)
	})
	return e
}

// sessionOf returns the session of a connection that was admitted, or opened to a backend.
func sessionOf(c *draftwire.Conn) *Session { return c.Handshake().Value().(*Session) }

// takes reports whether a loop can read both sides of a client's session, or the only one of a member.
func takes(c *draftwire.Conn) bool {
	s, ok := c.Handshake().Value().(*Session)
	if !ok { // cannot happen: Authorize sets it or refuses the client
		return false
	}
	back, ok := s.peer.(*socket)
	return ok && back.onLoop || s.member != nil
}

// openOnLoop begins to relay. The client's connection is about to be left to its loop.
func (g *Gateway) openOnLoop(c *draftwire.Conn) error {
	s := sessionOf(c)
	if s.member != nil {
		s.member.openOnLoop(c)
		return nil
	}
	back := s.peer.(*socket)
	s.begin(c)
	l := new(onLoop)
	l.init(s)
	l.sides = [2]looped{{direction: direction{r: &l.relay}}, {direction: direction{r: &l.relay, fromBackend: true}}}
	s.loop = l
	s.relay.Store(&l.relay)
	l.forward()
	g.working.Add(1)
	kept := g.keep(s)
	if !back.ServeEvents(c) { // out of memory: nobody will tell of the backend's end
		l.sides[1].ended, l.sides[1].closed = true, true
		kept = false
	}
	if !kept {
		c.CloseNow()
		s.peer.cut()
	}
	return nil
}

// engine returns the engine of the side's connection.
func (l *looped) engine() *wsconn.Conn { return inside.Engine(l.conn()).(*wsconn.Conn) }

// forward lets messages that come whole go on as they came, where the two sides have the same frames. All else, and
// what a mirror is told, goes through the relay: parts of a message, a control frame, what breaks a rule.
func (l *onLoop) forward() {
	if l.mirror != nil {
		return
	}
	client, backend := l.sides[0].engine(), l.sides[1].engine()
	client.Forward(backend)
	backend.Forward(client)
}

// run is called with messages that a side sends and that can go on as they came. It is false where they
// have to come as parts.
func (l *onLoop) run(side Side, p []byte, run *session.Run) bool {
	this, other := l.side(side)
	if this.over {
		return false
	}
	ok, err := other.engine().WriteRun(p, run)
	if !ok {
		return false
	}
	for _, k := range run.Kinds {
		l.counter.count(side, k.Op, k.Size, k.Times)
	}
	l.went(this, err)
	return true
}

// part is called with what a side sends.
func (l *onLoop) part(side Side, p draftwire.Part) {
	this, _ := l.side(side)
	switch x := this.discards; {
	case !this.over:
		l.went(this, this.pass(p, this.conn().Buffered()))
	case x != nil:
		if x.bytes += len(p.Data); x.bytes > maxDiscarded {
			this.from().cut()
		}
	}
}

// flush is called when all that has come was passed on.
func (l *onLoop) flush(side Side) {
	if this, _ := l.side(side); !this.over {
		l.went(this, this.to().flush())
	}
}

// went notes how a write to the receiver of a side went.
func (l *onLoop) went(this *looped, err error) {
	switch {
	case err != nil:
		this.over = true
		if gone := this.stop(err, inTurn); gone != nil {
			this.discards = &discards{why: gone}
		}
	case this.to().lagging() && !this.paused:
		this.paused = true
		l.holds(this.sender()).Store(true)
		s := l.session()
		s.g.watched.add(s)
		this.conn().Pause()
	}
}

// inTurn is together for calls that do not wait.
func inTurn(f, g func()) {
	f()
	g()
}

// drained is called when a side has taken everything.
func (l *onLoop) drained(side Side) {
	_, sender := l.side(side)
	l.resume(sender)
}

func (l *onLoop) resume(this *looped) {
	if this.paused {
		this.paused = false
		l.holds(this.sender()).Store(false)
		this.conn().Resume()
	}
}

// endOf is called when a side has said its last, as err says.
func (l *onLoop) endOf(side Side, err error) {
	this, other := l.side(side)
	if this.ended {
		return
	}
	this.ended, this.over = true, true
	l.resume(other) // nothing that it sends has to wait any more
	if x := this.discards; x != nil {
		if l.decide(blame(side.other(), x.why), x.why) && closeOf(err) != nil { // who is gone answers no close
			l.closeLost(this.from(), side.other(), nil)
		}
		return
	}
	this.end(err)
}

// closedBy is called when the connection of a side has ended, and for nothing of it is called
// behind that.
func (l *onLoop) closedBy(side Side, err error) {
	l.endOf(side, err)
	this, other := l.side(side)
	this.closed = true
	l.resume(other)
	if other.closed {
		s := l.session()
		defer s.g.working.Done()
		s.end()
	}
}
