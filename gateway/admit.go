package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// admit decides on a client before anything is sent to it: it applies the plan, finds the
// route, applies the limits, and opens the backend's connection. So a client that gets its
// 101 has a backend.
func (g *Gateway) admit(listener *Listener, h *draftwire.Handshake, a *draftwire.Answer) error {
	s, err := g.judge(listener, h)
	if err == nil {
		err = s.route.admit(h)
	}
	if err == nil {
		err = s.enter(a)
	}
	if err != nil {
		return err
	}
	return s.openAny(a)
}

// judge decides whether a client of a version may come, and finds its route.
func (g *Gateway) judge(listener *Listener, h *draftwire.Handshake) (*Session, error) {
	st, remote := g.state.Load(), h.Remote()
	if err := admitNetwork(listener.Allow, listener.Deny, h.Version(), remote); err != nil {
		return nil, err
	}
	if g.draining.Load() {
		return nil, wire.NewHandshakeError(h.Version(), wire.ReasonShutdown, "")
	}
	s := &Session{g: g, Listener: listener.Name, handshake: h}
	if err := st.judge(s); err != nil {
		return nil, err
	}
	return s, s.choose(st.routes)
}

// enter applies the limits to a client that may come to its route.
func (s *Session) enter(a *draftwire.Answer) error {
	g, h := s.g, s.handshake
	if h.Origin() != "" && !draftwire.OriginAllowed(s.route.Origins, h.Origin(), h.Host()) {
		return wire.NewHandshakeError(h.Version(), wire.ReasonOrigin, fmt.Sprintf("origin %.200q", h.Origin()))
	}
	if name := g.limits.acquire(s.key()); name != "" {
		return g.limited(h, name)
	}
	a.Value = s // the server closes it, and so releases what was acquired, however this ends
	if n := s.route.backends.open.Add(1); s.route.Connections > 0 && n > int64(s.route.Connections) {
		return g.limited(h, limitRoute)
	}
	return nil
}

// openAny opens what is behind the route.
func (s *Session) openAny(a *draftwire.Answer) error {
	if s.route.rooms != nil {
		return s.enterRoom(a)
	}
	return s.newOpening(a).run()
}

// admit refuses a client that may not come to the route.
func (r *route) admit(h *draftwire.Handshake) error {
	if len(r.Allow)+len(r.Deny) == 0 && r.guard == nil {
		return nil
	}
	remote := h.Remote()
	if err := admitNetwork(r.Allow, r.Deny, h.Version(), remote); err != nil || r.guard == nil {
		return err
	}
	return r.guard.admit(h.Version(), remote, h.Target(), h.Fields())
}

// choose finds the client's route.
func (s *Session) choose(routes []*route) error {
	h := s.handshake
	paths, ok := readings(h.Target())
	if !ok {
		return wire.NewHandshakeError(h.Version(), wire.ReasonNoRoute, "the path does not begin with /, or has a segment . or .., or a control character")
	}
	list := offered(h)
	if i := slices.IndexFunc(list, func(p string) bool { return !httphead.IsSubprotocol(p) }); i >= 0 {
		return wire.NewHandshakeError(h.Version(), wire.ReasonProtocol, fmt.Sprintf("%.80q cannot be the name of a subprotocol", list[i]))
	}
	if len(list) == 0 && len(h.Offered()) > 0 {
		return wire.NewHandshakeError(h.Version(), wire.ReasonProtocol, fmt.Sprintf("%.80q names no subprotocol", h.Offered()))
	}
	q := request{listener: s.Listener, handshake: h, paths: paths, protocols: list}
	r, detail := routeOf(routes, &q)
	if r == nil {
		return unrouted(routes, q, detail)
	}
	if !r.takesWebSocket() {
		return wire.NewHandshakeError(h.Version(), wire.ReasonNoRoute, "route "+r.Name+" has no backend for WebSocket")
	}
	s.route, s.Route = r, r.Name
	return nil
}

// unrouted refuses a client that no route takes. Where routes would take it but for its
// version, the refusal says so, and which versions they have.
func unrouted(routes []*route, q request, detail string) error {
	v := q.handshake.Version()
	if served := servedThere(routes, q); detail == "" && served != 0 {
		return draftwire.NewVersionRefusal(v, served)
	}
	return wire.NewHandshakeError(v, wire.ReasonNoRoute, detail)
}

// limited refuses a client because of a limit.
func (g *Gateway) limited(h *draftwire.Handshake, name string) error {
	if f := g.hooks.Limited; f != nil {
		f(name)
	}
	he := wire.NewHandshakeError(h.Version(), wire.ReasonLimit, name)
	he.Fields = wire.Fields{{Name: "Retry-After", Value: "5"}}
	return he
}

// opening opens a connection to the first backend that accepts it.
type opening struct {
	s        *Session
	a        *draftwire.Answer
	by       time.Time  // after it the client could not be told the result
	list     []*backend // in the order in which they are tried
	i        int        // the next one
	full     bool       // one was left out
	failures []error
	silent   []*backend // did not answer, which may be the client's fault
}

func (s *Session) newOpening(a *draftwire.Answer) *opening {
	r := s.route
	by := time.Now().Add(r.DialTimeout.timeout())
	if end := s.handshake.Began().Add(s.handshakeTimeout()); end.Before(by) {
		by = end
	}
	return &opening{s: s, a: a, by: by, list: r.backends.order(s.balanceKey())}
}

// attemptOf is what one backend is asked for.
type attemptOf struct {
	b      *backend
	v      *visit
	n      int  // of backends that remain, this one too
	inTime bool // it has enough time
}

// next returns the next backend that has room, nil where there is none. A client that no backend can
// take is an error.
func (o *opening) next() (*attemptOf, error) {
	for ; o.i < len(o.list); o.i++ {
		b, s := o.list[o.i], o.s
		v, err := s.visit(b)
		if err != nil {
			return nil, err
		}
		if !b.take() {
			o.full = true
			continue
		}
		v.observer, v.session, v.keepHeads = s.backendObserver(b), s, s.keepsHeads()
		o.i++
		return &attemptOf{b, v, len(o.list) - o.i + 1, s.inTime(o.by)}, nil
	}
	return nil, nil
}

// run tries the backends that remain.
func (o *opening) run() error {
	for {
		x, err := o.next()
		switch {
		case err != nil:
			return err
		case x == nil:
			return o.none()
		}
		p, answer, err := o.s.g.try(x.b, x.n, o.by, x.v)
		if over, err := o.tried(x, p, answer, err); over {
			return err
		}
	}
}

// tried takes the result of an attempt. over says that none follows.
func (o *opening) tried(x *attemptOf, p peer, answer wire.Fields, err error) (over bool, _ error) {
	s, b := o.s, x.b
	if err == nil {
		b.accepted()
		for _, x := range o.silent { // another backend took this client: the fault is theirs
			x.rest(time.Duration(s.route.Health.Cooldown))
		}
		defer b.give()
		return true, s.opened(b, p, o.a, answer)
	}
	b.give()
	switch whose := ownerOf(err); {
	case whose == ofClient:
		return true, s.refuse(b, x.v, err)
	case whose == ofGateway:
		return true, s.unable(err)
	case x.inTime || !timedOut(err):
		if s.blame(b, whose, err) {
			o.silent = append(o.silent, b)
		}
	}
	o.failures = append(o.failures, err)
	if s.g.accepting.Err() != nil || !time.Now().Before(o.by) {
		return true, o.none()
	}
	return false, nil
}

// none refuses a client that no backend has accepted.
func (o *opening) none() error {
	if o.full && len(o.failures) == 0 {
		return o.s.g.limited(o.s.handshake, limitBackends)
	}
	return o.s.noBackend(o.failures)
}

// balanceKey returns what the client is balanced by, or "".
func (s *Session) balanceKey() string { return s.route.balance.key(s.handshake, s.key()) }

// inTime reports whether a backend that has not answered at the deadline by will have had
// enough time: a client that is slow in its handshake leaves it less.
func (s *Session) inTime(by time.Time) bool {
	return time.Until(by) >= min(minTry, s.route.DialTimeout.timeout(), s.handshakeTimeout()/2)
}

// blame notes a backend's failure, and lets the backend rest if the fault is certainly its
// own. wait tells that this is known only when another backend answers the same client.
func (s *Session) blame(b *backend, whose owner, err error) (wait bool) {
	if f := s.g.hooks.BackendFailed; f != nil {
		f(s.Route, b.name, err)
	}
	b.failed(err)
	if whose == ofBackend || b.doubted(s.key()) {
		b.rest(time.Duration(s.route.Health.Cooldown))
		return false
	}
	return timedOut(err)
}

// opened makes a backend's connection the session's.
func (s *Session) opened(b *backend, p peer, a *draftwire.Answer, answer wire.Fields) error {
	s.backend, s.Backend, s.peer = b, b.name, p
	b.open.Add(1)
	if f := s.g.hooks.BackendOpened; f != nil {
		f(s)
	}
	return s.agree(a, answer)
}

// unable refuses a client because the gateway itself cannot open a connection: it is
// shutting down, or has run out of files, ports or memory.
func (s *Session) unable(err error) error {
	if s.g.draining.Load() || errors.Is(err, context.Canceled) {
		return wire.NewHandshakeError(s.handshake.Version(), wire.ReasonShutdown, "")
	}
	he := wire.NewHandshakeError(s.handshake.Version(), wire.ReasonOverload, "the gateway cannot open a connection to a backend")
	he.Err = err
	return he
}

// noBackend refuses a client that no backend has accepted.
func (s *Session) noBackend(failures []error) error {
	r := s.route
	if s.g.draining.Load() {
		return wire.NewHandshakeError(s.handshake.Version(), wire.ReasonShutdown, "")
	}
	he := wire.NewHandshakeError(s.handshake.Version(), wire.ReasonBackend, fmt.Sprintf("route %s: tried %d of %d backends", r.Name, len(failures), len(r.backends.list)))
	he.Err = errors.Join(failures...)
	switch {
	case slices.ContainsFunc(failures, timedOut):
		he.Status = http.StatusGatewayTimeout
	case !slices.ContainsFunc(failures, func(err error) bool { return !unavailable(err) }):
		he.Status = http.StatusServiceUnavailable
	}
	for _, err := range failures {
		if from, ok := errors.AsType[*draftwire.HandshakeError](err); ok {
			he.Fields = appendFields(he.Fields[:0], from, "Retry-After") // of the last failure that has it
		}
	}
	return he
}

// handshakeTimeout bounds the client's handshake.
func (s *Session) handshakeTimeout() time.Duration {
	return s.g.state.Load().cfg.Limits.HandshakeTimeout.timeout()
}

// timedOut reports whether a backend did not answer in time.
func timedOut(err error) bool {
	he, ok := errors.AsType[*draftwire.HandshakeError](err)
	return ok && he.Reason == wire.ReasonTimeout ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// unavailable reports whether a backend has said that it cannot serve now.
func unavailable(err error) bool {
	he, ok := errors.AsType[*draftwire.HandshakeError](err)
	return ok && he.Reason == wire.ReasonRefused && he.Status == http.StatusServiceUnavailable
}

// passed are the fields of a backend's refusal that the client gets.
var passed = []string{"WWW-Authenticate", "Retry-After", "Set-Cookie"}

// refuse passes a backend's refusal on to the client, a redirect too. Some refusals would
// mean nothing to it, as they concern the gateway's own request: a backend that does not
// speak our version, or that answers with a page or something that was not offered. They are
// a 502.
func (s *Session) refuse(b *backend, v *visit, err error) error {
	he := wire.NewHandshakeError(s.handshake.Version(), wire.ReasonBackend, "")
	he.Err = err
	from, ok := errors.AsType[*draftwire.HandshakeError](err)
	if !ok || from.Reason != wire.ReasonRefused {
		return he
	}
	he.Err, he.Detail = nil, fmt.Sprintf("the backend answered %d", from.Status)
	he.Fields = appendFields(he.Fields, from, passed...)
	where := s.redirect(b, v, from)
	switch {
	case where != "":
		he.Status = from.Status
		he.Fields = append(he.Fields, wire.Field{Name: "Location", Value: where})
	case from.Status >= 400 && from.Status != http.StatusUpgradeRequired:
		he.Status = from.Status
	}
	if from.Status == http.StatusForbidden {
		he.Detail += v.originHint(b)
	}
	return he
}

// originHint says what a backend that compares Origin with Host has seen, "" where it saw
// them equal or no origin.
func (v *visit) originHint(b *backend) string {
	host := cmp.Or(v.host, b.url.Host)
	if v.origin == "" || draftwire.OriginAllowed(nil, v.origin, host) {
		return ""
	}
	return fmt.Sprintf(", maybe as it got the Origin %.80q and the Host %.80q: the route's preserve_host or origin can make them equal", v.origin, host)
}

// appendFields appends the fields of a refusal that have one of the names.
func appendFields(to wire.Fields, from *draftwire.HandshakeError, names ...string) wire.Fields {
	for _, f := range from.Fields {
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, f.Name) }) {
			to = append(to, f)
		}
	}
	return to
}

// agree sets what the client's answer has of the backend's: its cookies and its subprotocol.
func (s *Session) agree(a *draftwire.Answer, answer wire.Fields) error {
	h := s.handshake
	for _, f := range answer {
		if strings.EqualFold(f.Name, "Set-Cookie") {
			a.Fields = append(a.Fields, wire.Field{Name: "Set-Cookie", Value: f.Value})
		}
	}
	a.Protocol = ""
	back, ok := s.peer.(*socket)
	if !ok {
		s.peer.(*stream).text = s.route.Policy.RawText
		a.Protocol = rawProtocol(h)
	} else if len(h.Offered()) == 0 {
		// The backend may have chosen what the route offers in the client's place.
	} else if a.Protocol = back.Subprotocol(); a.Protocol != "" && oneProtocol(h.Version()) {
		a.Protocol = strings.Join(h.Offered(), ", ") // a hixie client fails unless its whole string comes back
	}
	if ok && oneProtocol(back.Version()) && len(offered(h)) > 1 {
		s.countLoss(ClientSide, LossProtocols)
	}
	if a.Protocol == "" && len(h.Offered()) > 0 && oneProtocol(h.Version()) {
		return wire.NewHandshakeError(h.Version(), wire.ReasonProtocol, fmt.Sprintf("the backend chose none of %.200q", h.Offered()))
	}
	return nil
}

// oneProtocol reports whether a version offers subprotocols in one string and not in a list.
func oneProtocol(v draftwire.Version) bool { return !v.Supports(wire.CapProtocolSet) }

// The subprotocols of websockify: the bytes of a stream as they are, or as text in base64.
const (
	protocolBinary = "binary"
	protocolBase64 = "base64"
)

// rawProtocol returns the subprotocol for a client whose backend is a stream: one of
// websockify's, or else the first that the client offers.
func rawProtocol(h *draftwire.Handshake) string {
	list := offered(h)
	switch {
	case len(list) == 0:
		return ""
	case oneProtocol(h.Version()):
		return strings.Join(h.Offered(), ", ")
	case slices.Contains(list, protocolBinary):
		return protocolBinary
	case slices.Contains(list, protocolBase64):
		return protocolBase64
	}
	return list[0]
}

// visit says what a backend, or a mirror, is asked for on behalf of the client.
func (s *Session) visit(b *backend) (*visit, error) {
	r, h, l := s.route, s.handshake, &s.g.state.Load().cfg.Limits
	v := &visit{
		origin: h.Origin(), protocols: offered(h), fields: s.fields(),
		compression: compressionModes[r.Policy.CompressionBackend],
		text:        textPolicy(r.Policy.InvalidText),
		limits: draftwire.Limits{
			ReadLimit: int64(r.Message), HeadLimit: int(l.Head), HandshakeTimeout: r.DialTimeout.timeout(),
			CloseTimeout: l.CloseTimeout.timeout(), WriteTimeout: l.WriteTimeout.timeout(),
		},
	}
	if b.proxy != 0 {
		v.remote = h.Remote()
	}
	if r.Origin != "" || r.drop[originKey] {
		v.origin = r.Origin
	}
	if len(h.Offered()) == 0 && r.Subprotocol != "" {
		v.protocols = []string{r.Subprotocol}
	}
	if r.PreserveHost {
		v.host = h.Host()
	}
	if b.url == nil {
		return v, nil
	}
	if oneProtocol(b.version) && len(v.protocols) > 1 {
		if slices.Contains(r.Policy.Fatal, LossProtocols) {
			s.countLoss(ClientSide, LossProtocols)
			return nil, wire.NewHandshakeError(h.Version(), wire.ReasonProtocol, "the backend's version can offer only one subprotocol, and the policy makes that loss fatal")
		}
		v.protocols = v.protocols[:1]
	}
	var err error
	if v.target, err = r.target(b.url.EscapedPath(), h.Target()); err != nil {
		return nil, wire.NewHandshakeError(h.Version(), wire.ReasonNoRoute, err.Error())
	}
	if b.url.User != nil { // the URL of the backend has credentials, which replace the client's
		v.fields = slices.DeleteFunc(v.fields, func(f wire.Field) bool { return strings.EqualFold(f.Name, "Authorization") })
	}
	return v, nil
}

func textPolicy(name string) wire.TextPolicy {
	if name == "replace" {
		return wire.ReplaceText
	}
	return wire.FailText
}
