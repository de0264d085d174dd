package gateway

import (
	"context"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
)

// Session is one client and its backend. From Authorize on it is the Value of the
// client's Handshake.
type Session struct {
	// Listener, Route and Backend are the names of what the client came through.
	Listener, Route, Backend string

	g         *Gateway
	route     *route
	backend   *backend
	handshake *draftwire.Handshake
	peer      peer // the backend's side
	client    *socket
	relay     atomic.Pointer[relay]
	loop      *onLoop // where a loop relays
	member    *member // of a room; nil where the client has a backend
	losses    atomic.Pointer[losses]
	meters    [2]func(op draftwire.Op, n, times int) // of what the client and the backend send; nil: nobody counts
	once      sync.Once
	keeps     bool          // it counts in Gateway.headsKept
	pinged    *[2]pinged    // the client and the backend; nil until a look is planned
	place     int32         // of sessions, from 1; 0 where it is not open; under Gateway.mu
	id        uint64        // set by keep
	last      atomic.Uint32 // Gateway.clock at the last message
}

// losses are how often each loss has occurred, by index of lossTable, and who is told of further
// ones. Few sessions have any.
type losses struct {
	counts [32]atomic.Uint32
	told   atomic.Pointer[func(from Side, l Loss)]
}

// key returns what the client counts as in limits.
func (s *Session) key() netip.Prefix { return keyOf(s.handshake.Remote()) }

// Room returns the path that is the room of which the client is a member, "" where it has a backend.
func (s *Session) Room() string {
	if s.member == nil {
		return ""
	}
	return s.member.path
}

// Handshake returns the client's handshake.
func (s *Session) Handshake() *draftwire.Handshake { return s.handshake }

// Version returns the client's version.
func (s *Session) Version() draftwire.Version { return s.handshake.Version() }

// Mirror returns the name of the mirror of the session's route, "" where it has none.
func (s *Session) Mirror() string {
	if s.route == nil || s.route.mirror == nil {
		return ""
	}
	return s.route.mirror.Name
}

// Client returns the client's connection; nil before it is open.
func (s *Session) Client() *draftwire.Conn {
	if s.client == nil {
		return nil
	}
	return s.client.Conn
}

// ID returns the number of an open session. No two sessions of a gateway have the same one, not
// those of processes that were started at different times either; a later session has a greater one.
func (s *Session) ID() uint64 { return s.id }

// Last returns when a side last ended a message, to a second or two; the zero time where none has.
func (s *Session) Last() time.Time {
	if n := s.last.Load(); n > 0 {
		return s.g.began.Add(time.Duration(n) * tick)
	}
	return time.Time{}
}

// BackendConn returns the connection to the backend; nil where that is a stream of bytes.
func (s *Session) BackendConn() *draftwire.Conn {
	if back, ok := s.peer.(*socket); ok {
		return back.Conn
	}
	return nil
}

// KeepHeads makes sessions that open from now on keep the heads of their handshakes with
// backends, which are dropped otherwise, as nothing needs them: those of up to most sessions at a
// time. 0, as at the beginning, is none; sessions that have them keep them to their end.
func (g *Gateway) KeepHeads(most int) { g.headsMost.Store(int32(min(most, math.MaxInt32))) }

// keepsHeads reports whether the session keeps the heads of its handshake with a backend.
func (s *Session) keepsHeads() bool {
	g := s.g
	if s.keeps || g.headsMost.Load() == 0 {
		return s.keeps
	}
	if g.headsKept.Add(1) > g.headsMost.Load() {
		g.headsKept.Add(-1)
		return false
	}
	s.keeps = true
	return true
}

// By returns which side has ended the session, and how: NoSide while it is open.
func (s *Session) By() (Side, error) {
	if r := s.relay.Load(); r != nil {
		if o := r.outcome.Load(); o != nil {
			return o.by, o.err
		}
	}
	return NoSide, nil
}

// Losses returns how often each loss has occurred in this session, without those that
// have not.
func (s *Session) Losses() map[Loss]int {
	out := map[Loss]int{}
	x := s.losses.Load()
	if x == nil {
		return out
	}
	for i, row := range lossTable {
		if n := x.counts[i].Load(); n > 0 {
			out[row.Loss] = int(n)
		}
	}
	return out
}

// needLosses returns s.losses, and makes it where there is none.
func (s *Session) needLosses() *losses {
	if s.losses.Load() == nil {
		s.losses.CompareAndSwap(nil, new(losses))
	}
	return s.losses.Load()
}

// countLoss implements counter.
func (s *Session) countLoss(from Side, l Loss) {
	x := s.needLosses()
	x.counts[slices.IndexFunc(lossTable, func(row LossInfo) bool { return row.Loss == l })].Add(1)
	if f := x.told.Load(); f != nil {
		(*f)(from, l)
	}
	if f := s.g.hooks.Loss; f != nil {
		f(s, l)
	}
}

// TraceLosses makes tell be called for each loss of the session from now on, with the side that has
// sent what was lost or changed, until stop is called. The receiver has not got it yet then. It is
// called by the goroutines of the session, and must not block. There is one at a time: another call
// takes its place.
func (s *Session) TraceLosses(tell func(from Side, l Loss)) (stop func()) {
	x := s.needLosses()
	x.told.Store(&tell)
	return func() { x.told.CompareAndSwap(&tell, nil) }
}

// backendObserver returns what is told of a connection to b; nil if there is nothing to tell.
func (s *Session) backendObserver(b *backend) *draftwire.Observer {
	if b.faults == 0 && b.version.Supports(draftwire.CapBinary) {
		return nil
	}
	return &draftwire.Observer{
		Tolerated: func(_ string, t draftwire.Tolerances) {
			if f := s.g.hooks.BackendTolerated; f != nil {
				f(s.Route, b.name, t)
			}
		},
		Discarded: func(*draftwire.Conn) { s.discarded() },
	}
}

// discarded counts a frame of the backend that was discarded.
func (s *Session) discarded() {
	s.countLoss(BackendSide, LossDiscarded)
	r := s.relay.Load()
	no := &refusal{draftwire.CodeUnsupported, string(LossDiscarded)}
	if r != nil && slices.Contains(r.policy.Fatal, LossDiscarded) && r.decide(GatewaySide, no) {
		// Not here: this goroutine reads the backend, whose answer to the close it awaits.
		s.g.working.Go(func() { (&direction{r: r, fromBackend: true}).refuse(no, atOnce) })
	}
}

// Close releases what the session holds: the backend's connection and its share of the
// limits. It is called when the session is over, or when the client's connection does not
// open after all.
func (s *Session) Close() error {
	s.once.Do(func() {
		if s.backend != nil {
			s.peer.cut()
			s.backend.open.Add(-1)
			if f := s.g.hooks.BackendClosed; f != nil {
				f(s)
			}
		}
		if s.member != nil {
			s.route.rooms.clients.Add(-1)
		}
		if s.keeps {
			s.g.headsKept.Add(-1)
		}
		s.route.backends.open.Add(-1)
		s.g.limits.release(s.key())
	})
	return nil
}

// sayFarewell closes a client's connection as the gateway drains.
func sayFarewell(c *draftwire.Conn) {
	if s, ok := c.Handshake().Value().(*Session); ok && s.route.Policy.Farewell == "cut" {
		c.CloseNow()
		return
	}
	c.Close(draftwire.CodeGoingAway, "server is shutting down")
}

// serve is the handler of a client's connection that has a goroutine.
func (g *Gateway) serve(_ context.Context, c *draftwire.Conn) error {
	s, ok := c.Handshake().Value().(*Session)
	if !ok { // cannot happen: Authorize sets it or refuses the client
		return draftwire.ErrClosed
	}
	if s.member != nil {
		s.member.serve(c)
		return nil
	}
	defer s.end()
	s.begin(c)
	r := new(relay)
	r.init(s)
	s.relay.Store(r)
	if !g.keep(s) {
		c.CloseNow()
		s.peer.cut()
	}
	g.watched.add(s)
	(&pump{r, s.client, s.peer}).run()
	return nil
}

// begin makes a connection that has opened the session's.
func (s *Session) begin(c *draftwire.Conn) {
	s.client = &socket{Conn: c}
	c.AllowHalfOpen()
	c.SetReadLimit(int64(s.route.Message))
	c.SetInvalidText(textPolicy(s.route.Policy.InvalidText))
}

// end ends a session both of whose sides have ended.
func (s *Session) end() {
	defer s.Close()
	defer s.g.forget(s)
	if m := s.relay.Load().mirror; m != nil {
		m.over()
	}
	if f := s.g.hooks.Ended; f != nil {
		f(s, s.client.Conn)
	}
}

// init makes r, a new one, the relay of an open session.
func (r *relay) init(s *Session) {
	r.client, r.backend = s.client, s.peer
	r.policy, r.binary, r.back = &s.route.Policy, s.route.binary, s.route.Policy.BinaryBack
	r.counter = s
	if f := s.g.hooks.Meter; f != nil {
		s.meters = [2]func(op draftwire.Op, n, times int){f(s, ClientSide), f(s, BackendSide)}
	}
	if _, raw := s.peer.(*stream); raw && s.textOnly() {
		r.binary, r.back, r.textOnly = encodings[0], true, true
	}
	if s.route.mirror != nil {
		r.mirror = s.beginMirror(r, s.route.mirror)
	}
}

// textOnly reports whether the client has chosen websockify's subprotocol base64, in which
// both sides send bytes as text, whatever their version has.
func (s *Session) textOnly() bool {
	list := offered(s.handshake)
	if s.handshake.Version().Supports(draftwire.CapBinary) {
		return s.handshake.Protocol() == protocolBase64
	}
	return slices.Contains(list, protocolBase64)
}

// count implements counter.
func (s *Session) count(from Side, op draftwire.Op, n, times int) {
	if now := s.g.clock.Load(); s.last.Load() != now { // mostly it is, and a load costs less than a store
		s.last.Store(now)
	}
	i := 0
	if from == BackendSide {
		i = 1
	}
	if f := s.meters[i]; f != nil {
		f(op, n, times)
	}
}
