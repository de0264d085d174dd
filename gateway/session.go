package gateway

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
)

// Session is one client and its backend. It is the Value of the client's
// Handshake, from Authorize on.
type Session struct {
	// Listener, Route and Backend are the names of the ways it took.
	Listener, Route, Backend string

	g         *Gateway
	route     *route
	backend   *backend
	key       netip.Prefix
	handshake *draftwire.Handshake
	peer      peer // the backend's side
	client    *socket
	relay     atomic.Pointer[relay]
	lost      [32]atomic.Uint32 // by place in lossTable
	once      sync.Once
	next      [2]time.Time // when client and backend are pinged again
}

// Handshake is the client's.
func (s *Session) Handshake() *draftwire.Handshake { return s.handshake }

// Version is the client's.
func (s *Session) Version() draftwire.Version { return s.handshake.Version }

// Client is the client's connection; nil before it is open.
func (s *Session) Client() *draftwire.Conn {
	if s.client == nil {
		return nil
	}
	return s.client.Conn
}

// By is who ended the session, and how: NoSide while it is open.
func (s *Session) By() (Side, error) {
	if r := s.relay.Load(); r != nil {
		if e := r.by.Load(); e != nil {
			return e.by, e.err
		}
	}
	return NoSide, nil
}

// Lost returns how often each loss occurred, those that did.
func (s *Session) Lost() map[Loss]int {
	out := map[Loss]int{}
	for i, row := range lossTable {
		if n := s.lost[i].Load(); n > 0 {
			out[row.Loss] = int(n)
		}
	}
	return out
}

// lose counts a loss.
func (s *Session) lose(l Loss) {
	s.lost[slices.IndexFunc(lossTable, func(row LossInfo) bool { return row.Loss == l })].Add(1)
	if f := s.g.hooks.Lost; f != nil {
		f(s, l)
	}
}

// Close gives back what the session holds. It is called where the client's
// connection does not open, and when the session is over.
func (s *Session) Close() error {
	s.once.Do(func() {
		if s.peer != nil {
			s.peer.cut()
			s.backend.open.Add(-1)
			if f := s.g.hooks.BackendClosed; f != nil {
				f(s)
			}
		}
		s.route.backends.open.Add(-1)
		s.g.limits.release(s.key)
	})
	return nil
}

// serve is the handler of a client's connection.
func (g *Gateway) serve(_ context.Context, c *draftwire.Conn) error {
	s, ok := c.Handshake().Value.(*Session)
	if !ok { // cannot be: Authorize leaves one, or refuses
		return draftwire.ErrClosed
	}
	defer s.Close()
	s.client = &socket{Conn: c}
	c.SetReadLimit(int64(s.route.Message))
	c.SetInvalidText(textPolicy(s.route.Policy.InvalidText))
	r := s.relayed()
	s.relay.Store(r)
	if !g.keep(s) {
		c.CloseNow()
		s.peer.cut()
	}
	defer g.forget(s)
	r.run()
	if f := g.hooks.Ended; f != nil {
		f(s, c)
	}
	return nil
}

// relayed makes the relay of an open session.
func (s *Session) relayed() *relay {
	r := &relay{
		client: s.client, backend: s.peer, policy: &s.route.Policy, binary: s.route.binary,
		back: s.route.Policy.BinaryBack, count: s.counter(), lost: s.lose,
	}
	if _, raw := s.peer.(*stream); raw && s.textOnly() {
		r.binary, r.back, r.textOnly = encodings[0], true, true
	}
	return r
}

// textOnly reports whether the client has chosen websockify's subprotocol base64,
// in which both sides say bytes as text, whatever the version.
func (s *Session) textOnly() bool {
	list := offered(s.handshake)
	if s.handshake.Version.Supports(draftwire.CapBinary) {
		return s.handshake.Protocol == protocolBase64
	}
	return slices.Contains(list, protocolBase64)
}

// counter returns what counts messages.
func (s *Session) counter() func(from Side, op draftwire.Op, n int) {
	if s.g.hooks.Meter == nil {
		return func(Side, draftwire.Op, int) {}
	}
	in, out := s.g.hooks.Meter(s, ClientSide), s.g.hooks.Meter(s, BackendSide)
	return func(from Side, op draftwire.Op, n int) {
		if from == ClientSide {
			in(op, n)
		} else {
			out(op, n)
		}
	}
}
