package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/wire"
)

// route is a Route ready for use.
type route struct {
	Route
	versions draftwire.Versions
	// paths are the patterns of Match; tidyPaths are the same for paths that a server has
	// tidied up.
	paths, tidyPaths []string
	binary           *encoding       // nil where binary is rejected or dropped
	drop             map[string]bool // fields that the backend does not get, by fieldKey
	set              wire.Fields     // fields that it always gets
	replaced         map[string]bool // the fields of both, by fieldKey
	pass             map[string]bool // claims that the backend gets, by fieldKey
	balance          balance
	guard            *guard // nil: no credentials are asked for
	backends         *backends
	mirror           *mirror // nil: there is none
	rooms            *rooms  // nil: there are none
	hub              *hub.Hub
	roomPolicy       *Policy // with which members of rooms are heard
	resume           sent    // in what a member says where it was
	web              content // of ordinary requests; nil: there is none
	ordinary         bool    // an ordinary request can match
}

func newRoute(cfg *Route, old *route) (*route, error) {
	r := &route{Route: *cfg, binary: encodingOf(cfg.Policy.Binary), pass: fieldSet(cfg.PassHeaders)}
	r.ownFields()
	for _, p := range cfg.Match.Paths {
		if cfg.Match.IgnoreCase {
			p = foldCase(p)
		}
		r.paths = append(r.paths, p)
		r.tidyPaths = append(r.tidyPaths, tidyPattern(p))
	}
	var err error
	if r.versions, err = draftwire.ParseVersions(cfg.Match.Versions); err != nil {
		return nil, err
	}
	if r.balance, err = parseBalance(cfg.Balance); err != nil {
		return nil, err
	}
	if r.guard, err = newGuard(&cfg.Auth); err != nil {
		return nil, err
	}
	r.ordinary = r.versions == draftwire.ServedVersions() && len(cfg.Match.Protocols) == 0
	if r.backends, err = newBackends(cfg, old); err != nil {
		return nil, err
	}
	r.web, err = newContent(cfg, r.backends, old)
	return r, err
}

// request is what a client is matched by.
type request struct {
	listener  string
	handshake *draftwire.Handshake
	paths     []string // the readings of its path
	protocols []string // the subprotocols that it offers
	ordinary  bool     // it does not ask for WebSocket

	anyVersion bool // whether a route has its version is not asked
}

// routeOf returns the route that takes a client: the first one that matches. A path must
// lead to the same route in whatever way a backend reads it. Otherwise a client could get
// around a route and its limits by writing the path in another way. So a path that does not
// has no route, and detail says why.
func routeOf(routes []*route, q *request) (found *route, detail string) {
	for i, path := range q.paths {
		var r *route
		if k := slices.IndexFunc(routes, func(r *route) bool { return r.matches(q, path, i > 0) }); k >= 0 {
			r = routes[k]
		}
		if i > 0 && r != found {
			return nil, fmt.Sprintf("a backend may read %.80q as %.80q, which does not belong to the same route", q.paths[0], path)
		}
		found = r
	}
	return found, ""
}

// matches reports whether the route takes a client for path. odd tells that path is not the
// plain reading of what the client sent.
func (r *route) matches(q *request, path string, odd bool) bool {
	m, h := &r.Match, q.handshake
	if m.IgnoreCase {
		path = foldCase(path)
	}
	return (q.anyVersion || r.versions.Has(h.Version()) || q.ordinary && r.ordinary) &&
		anyOf(m.Listeners, func(l string) bool { return l == q.listener }) &&
		anyOf(m.Hosts, func(p string) bool { return matchHost(p, h.Host()) }) &&
		(anyOf(r.paths, func(p string) bool { return matchPath(p, path) }) ||
			odd && anyOf(r.tidyPaths, func(p string) bool { return matchPath(p, path) })) &&
		(len(m.Headers) == 0 || matchFields(m.Headers, h.Fields())) &&
		anyOf(m.Protocols, func(p string) bool { return slices.Contains(q.protocols, p) })
}

// matchFields reports whether a request has a field with a fitting value for each pattern.
func matchFields(patterns map[string]string, fields wire.Fields) bool {
	for name, pattern := range patterns {
		if !slices.ContainsFunc(fields, func(f wire.Field) bool {
			return strings.EqualFold(f.Name, name) && matchValue(pattern, f.Value)
		}) {
			return false
		}
	}
	return true
}

// matchValue matches a value against a pattern, which may begin and end with *.
func matchValue(pattern, value string) bool {
	rest, before := strings.CutPrefix(pattern, "*")
	rest, behind := strings.CutSuffix(rest, "*")
	switch {
	case before && behind:
		return strings.Contains(value, rest)
	case before:
		return strings.HasSuffix(value, rest)
	case behind:
		return strings.HasPrefix(value, rest)
	}
	return value == pattern
}

// takesWebSocket reports whether there is something for WebSocket behind the route.
func (r *route) takesWebSocket() bool { return len(r.backends.list) > 0 || r.rooms != nil }

// servedThere returns the versions of the routes that would take a client but for its own.
func servedThere(routes []*route, q request) (served draftwire.Versions) {
	q.anyVersion = true
	for _, r := range routes {
		if r.takesWebSocket() && r.matches(&q, q.paths[0], false) {
			served |= r.versions
		}
	}
	return served
}

// foldCase returns the same string for all strings that differ only in case.
func foldCase(s string) string { return strings.ToLower(strings.ToUpper(s)) }

// tidyPattern returns the pattern that a path matches after a server has tidied it up.
func tidyPattern(p string) string {
	plain, below := strings.CutSuffix(p, "/*")
	if plain == "" || plain[0] != '/' {
		return p // all paths
	}
	plain = tidy(cutQuery(unescapeAll(cutBlank(plain), true)))
	if below {
		plain = strings.TrimSuffix(plain, "/") + "/*"
	}
	return plain
}

// anyOf reports whether a list is empty or f holds for one of its members.
func anyOf(list []string, f func(string) bool) bool {
	for _, x := range list {
		if f(x) {
			return true
		}
	}
	return len(list) == 0
}

// matchHost matches a host against a pattern. It ignores the host's port, and the dot that
// a whole domain name may end with.
func matchHost(pattern, host string) bool {
	if pattern == "*" {
		return true
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	host = strings.TrimSuffix(host, ".")
	if below, ok := strings.CutPrefix(pattern, "*"); ok {
		return len(host) > len(below) && strings.EqualFold(host[len(host)-len(below):], below)
	}
	return strings.EqualFold(pattern, host)
}

// matchPath matches a path against a pattern, which may end in /* for all paths below it.
func matchPath(pattern, path string) bool {
	if below, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(path, below)
	}
	return pattern == path
}

// offered returns the subprotocols that the client offers. A hixie client has one string
// for them, which may be a list.
func offered(h *draftwire.Handshake) []string {
	if !oneProtocol(h.Version()) {
		return h.Offered()
	}
	var list []string
	for _, o := range h.Offered() {
		list = append(list, strings.FieldsFunc(o, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })...)
	}
	return list[:min(len(list), wire.MaxOffers)] // as the library does with a list of later versions
}

// target returns the target of the backend's request: the path in the backend's URL, and
// after it the client's target without the prefix to strip.
func (r *route) target(base, target string) (string, error) {
	if r.StripPrefix != "" {
		prefix := strings.TrimSuffix(r.StripPrefix, "/")
		rest, ok := strings.CutPrefix(target, prefix)
		if r.Match.IgnoreCase && hasPrefixFold(target, prefix) {
			rest, ok = target[len(prefix):], true
		}
		if !ok || rest != "" && rest[0] != '/' && rest[0] != '?' {
			return "", fmt.Errorf("%.200q is not below %q", target, r.StripPrefix)
		}
		if target = rest; !strings.HasPrefix(target, "/") {
			target = "/" + target
		}
	}
	if base = strings.TrimSuffix(base, "/"); base != "" {
		return base + target, nil
	}
	return target, nil
}

// clientTarget is the inverse of target: it returns the client's target for one of the
// backend. What is not below the backend's path cannot be reached through the route, and
// stays as it is.
func (r *route) clientTarget(base, target string) string {
	rest, ok := strings.CutPrefix(target, strings.TrimSuffix(base, "/"))
	if !ok || rest != "" && !strings.ContainsAny(rest[:1], "/?#") {
		return target
	}
	return strings.TrimSuffix(r.StripPrefix, "/") + rest
}
