package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
)

// member is a client in a room: the relay of what it says, and the backend's side of that, which publishes it. What the room
// says goes from its hub to the client's connection.
type member struct {
	relay
	direction // from the client
	s         *Session
	path      string
	onLoop    bool
	over      bool // what it says is not passed on any more
	said      said // of a message that was passed on and is to be published
	entered   *line
	once      sync.Once
}

// said is what a member has said.
type said struct {
	whole bool
	op    draftwire.Op
	data  []byte
}

func newMember(s *Session, path string) *member { return &member{s: s, path: path} }

// memberOf returns the member whose connection that is.
func memberOf(c *draftwire.Conn) *member { return sessionOf(c).member }

// begin makes the connection that has opened the member's.
func (m *member) begin(c *draftwire.Conn) {
	s := m.s
	s.client = &socket{Conn: c}
	c.SetReadLimit(int64(min(s.route.Message, s.route.Rooms.Message)))
	c.SetInvalidText(textPolicy(s.route.Policy.InvalidText))
	m.init(s)
	m.policy = s.route.roomPolicy
	m.direction.r = &m.relay
	s.relay.Store(&m.relay)
	s.g.working.Add(1)
	if !s.g.keep(s) {
		c.CloseNow()
	}
}

// openOnLoop begins with a connection that a loop reads. To join may wait for the broker, and for the client that
// gets the history.
func (m *member) openOnLoop(c *draftwire.Conn) {
	m.onLoop = true
	m.begin(c)
	c.Go(func(_ context.Context, c *draftwire.Conn) error {
		m.join(c)
		return nil
	})
}

// serve is openOnLoop for a connection that has a goroutine, which it takes until the end.
func (m *member) serve(c *draftwire.Conn) {
	m.begin(c)
	m.join(c)
	for {
		p, err := c.ReadPart(background)
		if err != nil {
			m.closed(err)
			return
		}
		m.part(c, p)
	}
}

// join makes the client a member of its room.
func (m *member) join(c *draftwire.Conn) {
	r := m.s.route
	o := hub.JoinOptions{Last: max(r.Rooms.History, 0)}
	if at, err := hub.ParsePosition(r.resume.of(m.s.handshake.Target(), m.s.handshake.Fields())); err == nil {
		o.After = at
	}
	if r.Rooms.Notices {
		o.Begins = func(at hub.Position) { m.notice("position " + at.String()) }
	}
	j, err := r.hub.Join(c.Context(), c, r.rooms.outName(m.path), o)
	switch {
	case err == nil && m.s.g.alone && m.s.g.retired.Load(): // its handshake has ended behind farewellRooms
		sayFarewell(c)
	case err == nil:
		m.entered = r.rooms.enter(m)
		if j.Missed > 0 && r.Rooms.Notices { // behind the history, so that Post may be refused
			c.Write(c.Context(), draftwire.OpText, fmt.Appendf(nil, "draftwire missed %d", j.Missed))
		}
	case c.Context().Err() == nil:
		m.refuseAll(draftwire.CodeTryLater, "the room cannot be joined", err)
	}
}

// part takes a part of what the client says.
func (m *member) part(c *draftwire.Conn, p draftwire.Part) {
	if m.over || m.entered == nil { // what has come with the close of one that could not join
		return
	}
	if err := m.pass(p, false); err != nil {
		m.over = true
		m.stop(err, inTurn)
		return
	}
	if !m.said.whole {
		return
	}
	if m.s.route.rooms.route.Load().Rooms.Members == "listen" {
		m.said = said{}
		m.s.route.rooms.count.ignored.Add(1)
		return
	}
	if !m.onLoop {
		m.publish()
		return
	}
	c.Go(func(context.Context, *draftwire.Conn) error {
		m.publish()
		return nil
	})
}

// publish publishes what the client has said: to the backend, if the room has one, or to the members. The client
// is not read meanwhile, which is what keeps it from saying more than the broker takes.
func (m *member) publish() {
	x := m.s.route.rooms
	name := x.outName(m.path)
	ctx, cancel := context.WithTimeout(m.s.g.ctx, brokerTimeout)
	defer cancel()
	holds := m.holds(ClientSide)
	holds.Store(true)
	m.s.g.watched.add(m.s)
	var err error
	if x.route.Load().Rooms.Backend == "one" {
		name = x.inName(m.path)
		err = m.entered.awaitLeader(ctx)
	}
	if err == nil {
		_, err = m.s.g.broker.Publish(ctx, name, m.said.op, m.said.data)
	}
	holds.Store(false)
	m.said = said{}
	if err != nil {
		m.over = true
		code := draftwire.CodeTryLater
		if errors.Is(err, hub.ErrTooLarge) {
			code = draftwire.CodeTooBig
		}
		m.refuseAll(code, "the room did not take the message", err)
	}
}

// refuseAll closes the client, for a reason of the gateway. What lies behind it, if err is not nil, is for the log alone: it may
// name servers.
func (m *member) refuseAll(code draftwire.CloseCode, reason string, err error) {
	logged := reason
	if err != nil {
		logged += ": " + err.Error()
	}
	if m.decide(GatewaySide, &refusal{code, logged}) {
		m.s.client.close(code, reason)
	}
}

// closed is called when the client's connection has ended.
func (m *member) closed(err error) {
	m.once.Do(func() {
		defer m.s.g.working.Done()
		m.free()
		m.s.route.hub.LeaveAll(m.s.client.Conn)
		if m.entered != nil {
			m.entered.leave(m)
		}
		m.decide(blame(ClientSide, err), err)
		m.s.end()
	})
}

// endedByBackend closes the client as the backend has ended the room. It does not wait for that.
func (m *member) endedByBackend(ce *draftwire.CloseError) {
	if !m.decide(BackendSide, ce) {
		return
	}
	m.s.g.working.Go(func() {
		if m.policy.Abnormal == "cut" && ce.Code == draftwire.CodeInternal {
			m.s.client.cut()
			return
		}
		m.s.client.close(ce.Code, ce.Reason)
	})
}

// missed is called when the member has missed n messages, and with 0 where nobody knows how many.
func (m *member) missed(n uint64) error {
	if n == 0 {
		return m.notice("missed")
	}
	return m.notice(fmt.Sprintf("missed %d", n))
}

// unsupported is called when the member does not get n binary messages, as its version has none.
func (m *member) unsupported(n uint64) error {
	loss := LossBinaryRejected
	if m.rejects() {
		m.s.g.working.Go(func() {
			m.refuseAll(draftwire.CodeUnsupported, "no binary messages on "+m.s.Version().String(), nil)
		})
	} else if err := m.missed(n); err != nil {
		return err
	} else {
		loss = LossBinaryDropped
	}
	for range n {
		m.s.countLoss(BackendSide, loss)
	}
	return nil
}

// rejects reports whether a member is closed for a binary message that its version has not.
func (m *member) rejects() bool {
	if m.policy.Binary != "drop" {
		return true
	}
	return slices.Contains(m.policy.Fatal, LossBinaryDropped)
}

// notice tells the client about its membership, if the route has notices. Its error is that of Post.
func (m *member) notice(text string) error {
	if !m.s.route.Rooms.Notices {
		return nil
	}
	return m.s.client.Post(draftwire.NewPreparedMessage(draftwire.OpText, []byte("draftwire "+text)))
}

// The backend's side of the relay.

func (m *member) write(p draftwire.Part, _ bool) error {
	m.said = said{true, p.Op, bytes.Clone(p.Data)}
	return nil
}

func (m *member) flush() error                                 { return nil }
func (m *member) lagging() bool                                { return false }
func (m *member) cannotClose() bool                            { return true }
func (m *member) closeWrite(draftwire.CloseCode, string) error { return nil }
func (m *member) close(draftwire.CloseCode, string) error      { return nil }
func (m *member) cut()                                         {}
func (m *member) buffered() bool                               { return false }
func (m *member) version() draftwire.Version                   { return draftwire.RFC6455 }
func (m *member) tryRead() (draftwire.Part, bool, error)       { return draftwire.Part{}, false, nil }
func (m *member) read() (draftwire.Part, error)                { return draftwire.Part{}, draftwire.ErrClosed }
