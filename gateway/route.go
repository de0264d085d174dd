package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// route is a Route ready for use.
type route struct {
	Route
	versions draftwire.Versions
	// paths are the patterns of Match, tidyPaths the same for paths that are tidied up.
	paths, tidyPaths []string
	binary           *encoding       // nil where binary is rejected or dropped
	drop             map[string]bool // fields that the backend does not get, by fieldKey
	pass             map[string]bool // claims that it gets
	backends         *backends
}

func newRoute(cfg *Route, old *route) (*route, error) {
	r := &route{Route: *cfg, binary: encodingOf(cfg.Policy.Binary), drop: fieldSet(cfg.DropHeaders), pass: fieldSet(cfg.PassHeaders)}
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
	r.backends, err = newBackends(cfg, old)
	return r, err
}

// asked is what routes see of a client.
type asked struct {
	listener  string
	handshake *draftwire.Handshake
	paths     []string // readings of its path
	protocols []string // that it offers
}

// routeOf finds the route that takes a client: the first that matches. detail says why
// there is none, where that is not plain: the same path must lead to the same route in
// whatever way a backend reads it, or a client could pass by a route and its limits by
// writing the path in another way.
func routeOf(routes []*route, a *asked) (found *route, detail string) {
	for i, path := range a.paths {
		var r *route
		if k := slices.IndexFunc(routes, func(r *route) bool { return r.matches(a, path, i > 0) }); k >= 0 {
			r = routes[k]
		}
		if i > 0 && r != found {
			return nil, fmt.Sprintf("%.80q may be read as %.80q, which is not for the same route", a.paths[0], path)
		}
		found = r
	}
	return found, ""
}

// matches reports whether the route takes a client for path. odd tells that it is not the
// plain reading of the client's path.
func (r *route) matches(a *asked, path string, odd bool) bool {
	m, h := &r.Match, a.handshake
	if m.IgnoreCase {
		path = foldCase(path)
	}
	return r.versions.Has(h.Version) &&
		anyOf(m.Listeners, func(l string) bool { return l == a.listener }) &&
		anyOf(m.Hosts, func(p string) bool { return matchHost(p, h.Host) }) &&
		(anyOf(r.paths, func(p string) bool { return matchPath(p, path) }) ||
			odd && anyOf(r.tidyPaths, func(p string) bool { return matchPath(p, path) })) &&
		anyOf(m.Protocols, func(p string) bool { return slices.Contains(a.protocols, p) })
}

// foldCase makes one of strings that differ in case alone.
func foldCase(s string) string { return strings.ToLower(strings.ToUpper(s)) }

// tidyPattern is a pattern of a path as a path that servers have tidied up matches it.
func tidyPattern(p string) string {
	plain, below := strings.CutSuffix(p, "/*")
	if plain == "" || plain[0] != '/' {
		return p // all paths
	}
	plain = tidy(cutQuery(unescapeAll(plain, true)))
	if below {
		plain = strings.TrimSuffix(plain, "/") + "/*"
	}
	return plain
}

// anyOf reports whether a list is empty or f holds for one of it.
func anyOf(list []string, f func(string) bool) bool {
	for _, x := range list {
		if f(x) {
			return true
		}
	}
	return len(list) == 0
}

// matchHost matches a host, without regard to its port and the root's dot.
func matchHost(pattern, host string) bool {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	if host = strings.TrimSuffix(host, "."); pattern == "*" {
		return true
	}
	if below, ok := strings.CutPrefix(pattern, "*"); ok {
		return len(host) > len(below) && strings.EqualFold(host[len(host)-len(below):], below)
	}
	return strings.EqualFold(pattern, host)
}

// matchPath matches a path or, with /*, all below it.
func matchPath(pattern, path string) bool {
	if below, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(path, below)
	}
	return pattern == path
}

// offered is the client's list of subprotocols. A hixie client's one string may be a
// list.
func offered(h *draftwire.Handshake) []string {
	if !oneProtocol(h.Version) {
		return h.Offered
	}
	var list []string
	for _, o := range h.Offered {
		list = append(list, strings.FieldsFunc(o, func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	return list[:min(len(list), wire.MostOffers)] // as the library has it where the client sends a list
}

// target is what the backend is asked for: its own path, and behind it the
// client's, without the prefix that is to be stripped.
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
