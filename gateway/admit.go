package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
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
	for _, r := range st.routes {
		if r.matches(listener, h) {
			s.route, s.Route = r, r.Name
			break
		}
	}
	if s.route == nil {
		return wire.Refuse(h.Version, wire.ReasonNoRoute, "")
	}
	if h.Origin != "" && !draftwire.OriginAllowed(s.route.Origins, h.Origin, h.Host) {
		return wire.Refuse(h.Version, wire.ReasonOrigin, fmt.Sprintf("origin %.200q", h.Origin))
	}
	if name := g.limits.take(s.key); name != "" {
		if f := g.hooks.Limited; f != nil {
			f(name)
		}
		he := wire.Refuse(h.Version, wire.ReasonLimit, name)
		he.Fields = wire.Fields{{Name: "Retry-After", Value: "5"}}
		return he
	}
	h.Value = s // gives back what was taken, in whatever way this ends
	return s.open(acc)
}

// open opens the backend's connection, of the first backend that takes it.
func (s *Session) open(acc *wire.Accept) error {
	r, h := s.route, s.handshake
	ctx, cancel := context.WithTimeout(s.g.ctx, time.Duration(r.Dial))
	defer cancel()
	var failures []error
	for _, b := range r.backends.order() {
		v, err := s.visit(b)
		if err != nil {
			return wire.Refuse(h.Version, wire.ReasonNoRoute, err.Error())
		}
		p, answer, err := b.dial(ctx, s.g.dial, v)
		if err == nil {
			s.backend, s.Backend, s.peer = b, b.name, p
			b.open.Add(1)
			if f := s.g.hooks.BackendOpened; f != nil {
				f(s)
			}
			return s.agree(acc, answer)
		}
		if f := s.g.hooks.BackendFailed; f != nil {
			f(r.Name, b.name, err)
		}
		if he, ok := verdict(err); ok {
			return s.refuse(he)
		}
		b.failed(err, time.Duration(r.Health.Cooldown))
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	he := wire.Refuse(h.Version, wire.ReasonBackend, fmt.Sprintf("route %s: tried %d of %d backends", r.Name, len(failures), len(r.backends.list)))
	if he.Err = errors.Join(failures...); errors.Is(he.Err, context.DeadlineExceeded) {
		he.Status = http.StatusGatewayTimeout
	}
	return he
}

// passed are the fields of a backend's refusal that the client gets.
var passed = []string{"WWW-Authenticate", "Retry-After", "Set-Cookie"}

// refuse passes a backend's refusal on. That it does not take our version is no
// fault of the client.
func (s *Session) refuse(from *draftwire.HandshakeError) error {
	he := wire.Refuse(s.handshake.Version, wire.ReasonBackend, fmt.Sprintf("the backend says %d", from.Status))
	if from.Status != http.StatusUpgradeRequired {
		he.Status = from.Status
	}
	for _, f := range from.Fields {
		if slices.ContainsFunc(passed, func(n string) bool { return strings.EqualFold(n, f.Name) }) {
			he.Fields = append(he.Fields, f)
		}
	}
	return he
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
	} else if acc.Protocol = back.Subprotocol(); acc.Protocol != "" && h.Version.Supports(wire.CapLocation) {
		acc.Protocol = strings.Join(h.Offered, ", ") // a hixie client fails unless its string comes back whole
	}
	if acc.Protocol == "" && len(h.Offered) > 0 && h.Version.Supports(wire.CapLocation) {
		return wire.Refuse(h.Version, wire.ReasonProtocol, fmt.Sprintf("the backend took none of %.200q", h.Offered))
	}
	return nil
}

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
	case h.Version.Supports(wire.CapLocation):
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
	if b.version.Supports(wire.CapLocation) && len(v.protocols) > 1 {
		v.protocols = v.protocols[:1]
		s.lose(LossProtocols)
	}
	var err error
	v.target, err = r.target(b.url.EscapedPath(), h.Target)
	return v, err
}

func textPolicy(name string) wire.TextPolicy {
	if name == "replace" {
		return wire.ReplaceText
	}
	return wire.FailText
}

// hop are the fields that belong to the client's connection, or that the gateway
// says itself.
var hop = []string{
	"Host", "Connection", "Upgrade", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Content-Length",
	"Origin", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Draftwire-Version",
	"WebSocket-Protocol", "HTTP2-Settings",
}

// fields are those of the client that the backend gets, spelled as they came,
// and those that say who the client is.
func (s *Session) fields() http.Header {
	r, h := s.route, s.handshake
	out := make(http.Header)
	all := h.Fields()
	drop := slices.Concat(hop, r.DropHeaders, all.List("Connection"))
	for _, f := range all {
		if has(drop, f.Name) || hasPrefixFold(f.Name, "Sec-WebSocket-") || hasPrefixFold(f.Name, "Proxy-") {
			continue
		}
		out[f.Name] = append(out[f.Name], f.Value)
	}
	client, proto := hostOf(h.Remote), "http"
	if h.Secure {
		proto = "https"
	}
	quoted := client
	if strings.Contains(client, ":") {
		quoted = `"[` + client + `]"`
	}
	out["X-Forwarded-For"] = []string{client}
	out["X-Forwarded-Proto"] = []string{proto}
	out["X-Forwarded-Host"] = []string{h.Host}
	out["Forwarded"] = []string{fmt.Sprintf(`for=%s;proto=%s;host=%s`, quoted, proto, quoteValue(h.Host))}
	out["Draftwire-Version"] = []string{h.Version.String()}
	for name, value := range r.SetHeaders {
		maps.DeleteFunc(out, func(n string, _ []string) bool { return strings.EqualFold(n, name) })
		out[name] = []string{value}
	}
	return out
}

// quoteValue writes a value of the Forwarded field as a quoted string (RFC 7239
// 4).
func quoteValue(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func has(list []string, name string) bool {
	return slices.ContainsFunc(list, func(n string) bool { return strings.EqualFold(n, name) })
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
