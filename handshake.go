package draftwire

import (
	"cmp"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/intern"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// Handshake is how a connection was opened. Nobody who has it can change it, so all who
// ask a connection get the same one. (A test gets one from package draftwiretest.)
type Handshake struct {
	*outline
	target string
	began  moment
	took   time.Duration
	value  any
	peer   *sock.Socket // its peer is Remote; nil where that is in way
	rest   *rest        // nil where there is none, as in a Server with Events that drops the heads
}

// rest is what not all handshakes have in the end.
type rest struct {
	request, response intern.Head // empty where they are forgotten
	way               *way        // nil where a Socket is all that there is to say: no TLS, no proxy
}

// way is how a connection came.
type way struct {
	tls    *tls.ConnectionState
	remote string
	via    string
}

var emptyWay way

// came returns how the connection came.
func (h *Handshake) came() *way {
	if h.rest == nil || h.rest.way == nil {
		return &emptyWay
	}
	return h.rest.way
}

// needWay is came for one who sets something of it.
func (h *Handshake) needWay() *way {
	if h.rest.way == nil {
		h.rest.way = new(way)
	}
	return h.rest.way
}

// newHandshake returns the description of a handshake that began then, with this request, on nc, or where that is
// nil, with a client of which setRemote says who it is. Of one whose heads will be dropped the rest may go with them.
func newHandshake(began time.Time, request string, dropped bool, nc net.Conn) *Handshake {
	var h *Handshake
	s, direct := nc.(*sock.Socket)
	switch {
	case dropped:
		h = &Handshake{rest: new(rest)}
	case direct:
		both := new(struct {
			h    Handshake
			rest rest
		})
		h, both.h.rest = &both.h, &both.rest
	default:
		all := new(struct {
			h    Handshake
			rest rest
			way  way
		})
		h, all.h.rest, all.rest.way = &all.h, &all.rest, &all.way
	}
	h.outline, h.began, h.peer = new(outline), momentOf(began), s
	h.rest.request = intern.Whole(request)
	if nc != nil && !direct {
		h.needWay().remote = peerAddr(nc)
	}
	return h
}

// forgetHeads forgets both heads.
func (h *Handshake) forgetHeads() {
	x := h.rest
	x.request, x.response = intern.Head{}, intern.Head{}
	if x.way == nil {
		h.rest = nil
	}
}

// setTLS sets the state of the TLS connection, nil for none.
func (h *Handshake) setTLS(state *tls.ConnectionState) {
	if state != nil {
		h.needWay().tls = state
	}
}

// setRemote says who the client is, in words; via is as for Via.
func (h *Handshake) setRemote(remote, via string) {
	h.peer = nil
	x := h.needWay()
	x.remote, x.via = remote, via
}

// said returns the outline, an empty one of the zero Handshake.
func (h *Handshake) said() *outline {
	if h.outline == nil {
		return &noOutline
	}
	return h.outline
}

var noOutline outline

// Version returns the version that the connection speaks.
func (h *Handshake) Version() Version { return h.said().version }

// Rule says in words what showed the version, for a log.
func (h *Handshake) Rule() string { return h.said().rule }

// Tolerated returns the tolerances that the handshake needed.
func (h *Handshake) Tolerated() Tolerances { return h.said().tolerated }

// Secure reports whether the URL that the client used is wss.
func (h *Handshake) Secure() bool { return h.said().secure }

// Target returns the path and the query of that URL, as the request has them.
func (h *Handshake) Target() string { return h.target }

// Host returns the host of that URL, with its port where the request names one.
func (h *Handshake) Host() string { return h.said().host }

// Origin returns the origin of the page that the client runs, or "".
func (h *Handshake) Origin() string { return h.said().origin }

// Offered returns a copy of the list of subprotocols that the client offered, the first
// 32. A hixie client offers one string.
func (h *Handshake) Offered() []string { return slices.Clone(h.said().offered) }

// Protocol returns the subprotocol that was agreed on, or "".
func (h *Handshake) Protocol() string { return h.said().protocol }

// Deflate returns the compression that was agreed on, as the answer says it, or "".
func (h *Handshake) Deflate() string { return h.said().deflate }

// TLS returns a copy of the state of the TLS connection, or nil where there is none.
func (h *Handshake) TLS() *tls.ConnectionState {
	x := h.came()
	if x.tls == nil {
		return nil
	}
	s := *x.tls
	return &s
}

// Remote returns the address and the port of the peer, or of the client that a proxy
// named (see Via); port 0 where the proxy did not say it.
func (h *Handshake) Remote() string {
	if h.peer != nil {
		return peerAddr(h.peer)
	}
	return h.came().remote
}

// Via returns the address of the proxy that named the client, or "" where Remote is the
// peer.
func (h *Handshake) Via() string { return h.came().via }

// Began returns when the connection was accepted or dialled.
func (h *Handshake) Began() time.Time { return h.began.time() }

// Took returns how long it took from then until the connection was open; 0 before.
func (h *Handshake) Took() time.Duration { return h.took }

// Value returns what Authorize left for the handler in Answer.Value, or nil.
func (h *Handshake) Value() any { return h.value }

// Exact reports whether Request gives the very bytes, in their order and spelling. It is
// false for a request that came by net/http.
func (h *Handshake) Exact() bool { return h.said().exact }

// Request returns the head of the request as it came, or as net/http gave it; a
// client's as it went. A server's connections hold in common what is the same in the
// heads of many, so each call puts the head together.
func (h *Handshake) Request() string {
	if h.rest == nil {
		return ""
	}
	return h.rest.request.String()
}

// Response returns the head of the answer as it went; a client's as it came. It is
// empty until it is there.
func (h *Handshake) Response() string {
	if h.rest == nil {
		return ""
	}
	return h.rest.response.String()
}

// Answer is what AcceptOptions.Authorize may say of the answer to a client: the 101.
type Answer struct {
	// Protocol is the subprotocol. It is set to what was chosen by
	// AcceptOptions.Protocols; Authorize may choose another one. A hixie client fails
	// unless its whole string comes back.
	Protocol string
	// Fields go with the answer, for example Set-Cookie.
	Fields Fields
	// Value is for the handler, to which Handshake.Value gives it: for example what
	// Authorize has opened on the connection's behalf. Where the connection does not open
	// after all and Value is an io.Closer, it is closed, also where Authorize refuses.
	Value any
}

// abandon closes what Authorize left for a handler that is not called.
func (h *Handshake) abandon() {
	if v, ok := h.Value().(io.Closer); ok {
		v.Close()
	}
}

// own makes h hold memory of its own, or what others hold anyway, where it held parts of the
// whole heads: shared are the outlines of other connections, nil where there are none, and kept
// is the request as it is held from now on.
func (h *Handshake) own(shared *outlines, kept *intern.Head) {
	if shared != nil {
		shared.share(h)
	} else {
		h.detach()
	}
	if h.target == h.usual {
		h.target = h.usual
	} else {
		h.target = kept.Slice(h.target)
	}
}

// Field returns the value of the first of the request's header lines with that name, in any
// case, and "" where there is none: Fields().Get(name), but it reads only the lines up to that
// one, and copies no other.
func (h *Handshake) Field(name string) string {
	if h.Tolerated()&wire.TolerateLineEnds != 0 { // where a line ends has to be judged
		return h.Fields().Get(name)
	}
	if h.rest == nil || strings.Contains(name, ":") {
		return ""
	}
	isField := false
	for shared, own := range h.rest.request.Lines() {
		if _, ok := httphead.FieldValue(cmp.Or(shared, own), name); ok && isField {
			value, _ := httphead.FieldValue(shared+own, name)
			return value
		}
		isField = true // from the second line on
	}
	return ""
}

// Fields returns the request's header lines. For the value of one of them see Field.
func (h *Handshake) Fields() Fields {
	req := wire.Request{Tolerate: h.Tolerated()}
	head := h.Request()
	if n := httphead.End(head, 0); n > 0 {
		_ = httphead.ParseRequest(head[:n], &req) // it was read once before
	}
	return req.Fields
}

// tlsState returns the state of a TLS connection, nil for others.
func tlsState(nc net.Conn) *tls.ConnectionState {
	if t, ok := nc.(*tls.Conn); ok {
		return stateOf(t)
	}
	return nil
}

// noinline: keeps a large frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func stateOf(t *tls.Conn) *tls.ConnectionState {
	s := t.ConnectionState()
	return &s
}

// peerAddr returns the address of the peer, as its String does.
//
// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func peerAddr(nc net.Conn) string {
	if s, ok := nc.(*sock.Socket); ok {
		if ap := s.RemoteAddrPort(); ap.IsValid() {
			return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String()
		}
	}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok { // by one allocation, not four
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String()
	}
	return nc.RemoteAddr().String()
}
