package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// admit decides on a client, before anything is sent to it: it finds the route,
// applies the plan and the limits, and opens the backend's connection, so that a
// client that gets its 101 has a backend.
func (g *Gateway) admit(listener string, h *draftwire.Handshake, acc *wire.Accept) error {
	st := g.state.Load()
	if g.draining.Load() {
		return wire.Refuse(h.Version, wire.ReasonShutdown, "")
	}
	s := &Session{g: g, Listener: listener, handshake: h, key: keyOf(h.Remote)}
	if err := st.judge(s); err != nil {
		return err
	}
	if err := s.choose(st.routes); err != nil {
		return err
	}
	if h.Origin != "" && !draftwire.OriginAllowed(s.route.Origins, h.Origin, h.Host) {
		return wire.Refuse(h.Version, wire.ReasonOrigin, fmt.Sprintf("origin %.200q", h.Origin))
	}
	if name := g.limits.take(s.key); name != "" {
		return g.limited(h, name)
	}
	h.Value = s // gives back what was taken, in whatever way this ends
	if n := s.route.backends.open.Add(1); s.route.Connections > 0 && n > int64(s.route.Connections) {
		return g.limited(h, limitRoute)
	}
	return s.open(acc)
}

// choose finds the client's route.
func (s *Session) choose(routes []*route) error {
	h := s.handshake
	paths, ok := readings(h.Target)
	if !ok {
		return wire.Refuse(h.Version, wire.ReasonNoRoute, "a path that does not begin with /, or has . or .. or a control character in it")
	}
	list := offered(h)
	if i := slices.IndexFunc(list, func(p string) bool { return !httphead.IsToken(p) }); i >= 0 {
		return wire.Refuse(h.Version, wire.ReasonProtocol, fmt.Sprintf("%.80q is no name of a subprotocol", list[i]))
	}
	if len(list) == 0 && len(h.Offered) > 0 {
		return wire.Refuse(h.Version, wire.ReasonProtocol, fmt.Sprintf("there is none in %.80q", h.Offered))
	}
	r, detail := routeOf(routes, &asked{s.Listener, h, paths, list})
	if r == nil {
		return wire.Refuse(h.Version, wire.ReasonNoRoute, detail)
	}
	s.route, s.Route = r, r.Name
	return nil
}

// limited refuses a client for a limit.
func (g *Gateway) limited(h *draftwire.Handshake, name string) error {
	if f := g.hooks.Limited; f != nil {
		f(name)
	}
	he := wire.Refuse(h.Version, wire.ReasonLimit, name)
	he.Fields = wire.Fields{{Name: "Retry-After", Value: "5"}}
	return he
}

// open opens the backend's connection, of the first backend that takes it.
func (s *Session) open(acc *wire.Accept) error {
	r := s.route
	by := time.Now().Add(time.Duration(r.Dial))
	if all := s.handshake.Began.Add(s.handshakeTime()); all.Before(by) {
		by = all // the client is to hear of it
	}
	ctx, cancel := context.WithDeadline(s.g.taking, by)
	defer cancel()
	var failures []error
	var silent []*backend
	list := r.backends.order()
	for i, b := range list {
		v, err := s.visit(b)
		if err != nil {
			return err
		}
		inTime := s.inTime(by)
		p, answer, err := b.try(ctx, len(list)-i, s.g.dial, v)
		if err == nil {
			b.took()
			for _, x := range silent { // it was not what they were asked for
				x.rest(time.Duration(r.Health.Cooldown))
			}
			return s.opened(b, p, acc, answer)
		}
		switch whose := ownerOf(err); {
		case whose == ofClient:
			return s.refuse(err)
		case whose == ofGateway:
			return s.unable(err)
		case inTime || !timedOut(err):
			if s.blame(b, whose, err) {
				silent = append(silent, b)
			}
		}
		if failures = append(failures, err); ctx.Err() != nil {
			break
		}
	}
	return s.nobody(failures)
}

// inTime reports whether a backend that does not answer until then has had its time: a
// client that takes its own time for the handshake leaves none.
func (s *Session) inTime(by time.Time) bool {
	return time.Until(by) >= min(leastTry, time.Duration(s.route.Dial), s.handshakeTime()/2)
}

// blame notes a backend's failure, and lets it rest if that is certainly its own. wait
// tells that this depends on whether another one answers what it did not answer in time.
func (s *Session) blame(b *backend, whose owner, err error) (wait bool) {
	if f := s.g.hooks.BackendFailed; f != nil {
		f(s.Route, b.name, err)
	}
	b.failed(err)
	if whose == ofBackend || b.doubted(s.key) {
		b.rest(time.Duration(s.route.Health.Cooldown))
		return false
	}
	return timedOut(err)
}

// opened takes a backend's connection over.
func (s *Session) opened(b *backend, p peer, acc *wire.Accept, answer *http.Response) error {
	s.backend, s.Backend, s.peer = b, b.name, p
	b.open.Add(1)
	if f := s.g.hooks.BackendOpened; f != nil {
		f(s)
	}
	return s.agree(acc, answer)
}

// unable refuses a client as the gateway itself cannot reach a backend: it ends, or has
// run out of files, ports or memory.
func (s *Session) unable(err error) error {
	if s.g.draining.Load() || errors.Is(err, context.Canceled) {
		return wire.Refuse(s.handshake.Version, wire.ReasonShutdown, "")
	}
	he := wire.Refuse(s.handshake.Version, wire.ReasonOverload, "no connection to a backend can be made")
	he.Err = err
	return he
}

// nobody refuses a client that no backend took.
func (s *Session) nobody(failures []error) error {
	r := s.route
	if s.g.draining.Load() {
		return wire.Refuse(s.handshake.Version, wire.ReasonShutdown, "")
	}
	he := wire.Refuse(s.handshake.Version, wire.ReasonBackend, fmt.Sprintf("route %s: tried %d of %d backends", r.Name, len(failures), len(r.backends.list)))
	if he.Err = errors.Join(failures...); slices.ContainsFunc(failures, timedOut) {
		he.Status = http.StatusGatewayTimeout
	}
	for _, err := range failures {
		if from, ok := errors.AsType[*draftwire.HandshakeError](err); ok {
			he.Fields = keep(he.Fields[:0], from, "Retry-After") // the last one's
		}
	}
	return he
}

// handshakeTime bounds the client's handshake.
func (s *Session) handshakeTime() time.Duration {
	return time.Duration(s.g.state.Load().cfg.Limits.Handshake)
}

// timedOut reports whether a try failed because nothing came.
func timedOut(err error) bool {
	he, ok := errors.AsType[*draftwire.HandshakeError](err)
	return ok && he.Reason == wire.ReasonTimeout ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// passed are the fields of a backend's refusal that the client gets.
var passed = []string{"WWW-Authenticate", "Retry-After", "Set-Cookie"}

// refuse passes a backend's refusal on. That it does not take our version, or answers
// with a page, a redirect or something that was not offered, is not in the client's words.
func (s *Session) refuse(err error) error {
	he := wire.Refuse(s.handshake.Version, wire.ReasonBackend, "")
	he.Err = err
	if from, ok := errors.AsType[*draftwire.HandshakeError](err); ok && from.Reason == wire.ReasonRefused {
		he.Err, he.Detail = nil, fmt.Sprintf("the backend says %d", from.Status)
		if from.Status >= 400 && from.Status != http.StatusUpgradeRequired {
			he.Status = from.Status
		}
		he.Fields = keep(he.Fields, from, passed...)
	}
	return he
}

// keep appends the fields of a refusal that have one of the names.
func keep(to wire.Fields, from *draftwire.HandshakeError, names ...string) wire.Fields {
	for _, f := range from.Fields {
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, f.Name) }) {
			to = append(to, f)
		}
	}
	return to
}

// agree takes over what client and backend agree on.
func (s *Session) agree(acc *wire.Accept, answer *http.Response) error {
	h := s.handshake
	if answer != nil {
		for _, c := range answer.Header.Values("Set-Cookie") {
			acc.Fields = append(acc.Fields, wire.Field{Name: "Set-Cookie", Value: c})
		}
	}
	acc.Protocol = ""
	back, ok := s.peer.(*socket)
	if !ok {
		s.peer.(*stream).text = s.route.Policy.RawText
		acc.Protocol = rawProtocol(h)
	} else if acc.Protocol = back.Subprotocol(); acc.Protocol != "" && oneProtocol(h.Version) {
		acc.Protocol = strings.Join(h.Offered, ", ") // a hixie client fails unless its string comes back whole
	}
	if ok && oneProtocol(back.Version()) && len(offered(h)) > 1 {
		s.lose(LossProtocols)
	}
	if acc.Protocol == "" && len(h.Offered) > 0 && oneProtocol(h.Version) {
		return wire.Refuse(h.Version, wire.ReasonProtocol, fmt.Sprintf("the backend took none of %.200q", h.Offered))
	}
	return nil
}

// oneProtocol reports whether a version has one string for the subprotocol.
func oneProtocol(v draftwire.Version) bool { return !v.Supports(wire.CapProtocolSet) }

// The subprotocols of websockify: a stream's bytes as they are, or as text.
const (
	protocolBinary = "binary"
	protocolBase64 = "base64"
)

// rawProtocol is the subprotocol where the backend is a stream: one of
// websockify's, or the client's first.
func rawProtocol(h *draftwire.Handshake) string {
	list := offered(h)
	switch {
	case len(list) == 0:
		return ""
	case oneProtocol(h.Version):
		return strings.Join(h.Offered, ", ")
	case slices.Contains(list, protocolBinary):
		return protocolBinary
	case slices.Contains(list, protocolBase64):
		return protocolBase64
	}
	return list[0]
}

// visit says what the backend is asked for.
func (s *Session) visit(b *backend) (*visit, error) {
	r, h, l := s.route, s.handshake, &s.g.state.Load().cfg.Limits
	v := &visit{
		origin: h.Origin, protocols: offered(h), fields: s.fields(),
		compress: r.Policy.Compression == "backend" || r.Policy.Compression == "both",
		text:     textPolicy(r.Policy.InvalidText),
		limits: draftwire.Limits{
			ReadLimit: int64(r.Message), HeadLimit: int(l.Head), HandshakeTimeout: time.Duration(r.Dial),
			CloseTimeout: time.Duration(l.Close), WriteTimeout: time.Duration(l.Write),
		},
	}
	if r.Origin != "" {
		v.origin = r.Origin
	}
	if r.PreserveHost {
		v.host = h.Host
	}
	if b.url == nil {
		return v, nil
	}
	if oneProtocol(b.version) && len(v.protocols) > 1 {
		if slices.Contains(r.Policy.Fatal, LossProtocols) {
			s.lose(LossProtocols)
			return nil, wire.Refuse(h.Version, wire.ReasonProtocol, "the backend takes one, and not the first alone")
		}
		v.protocols = v.protocols[:1]
	}
	var err error
	if v.target, err = r.target(b.url.EscapedPath(), h.Target); err != nil {
		return nil, wire.Refuse(h.Version, wire.ReasonNoRoute, err.Error())
	}
	if b.url.User != nil { // the gateway's own credentials stand instead
		maps.DeleteFunc(v.fields, func(n string, _ []string) bool { return strings.EqualFold(n, "Authorization") })
	}
	return v, nil
}

func textPolicy(name string) wire.TextPolicy {
	if name == "replace" {
		return wire.ReplaceText
	}
	return wire.FailText
}
