package gateway

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/draftwire/draftwire"
)

// route is a Route ready for use.
type route struct {
	Route
	versions draftwire.Versions
	binary   *encoding // nil where binary is rejected or dropped
	backends *backends
}

func newRoute(cfg *Route, old *route) (*route, error) {
	r := &route{Route: *cfg, binary: encodingOf(cfg.Policy.Binary)}
	var err error
	if r.versions, err = draftwire.ParseVersions(cfg.Match.Versions); err != nil {
		return nil, err
	}
	r.backends, err = newBackends(cfg, old)
	return r, err
}

// matches reports whether the route takes a client that came to listener.
func (r *route) matches(listener string, h *draftwire.Handshake) bool {
	m := &r.Match
	path := pathOf(h.Target)
	return r.versions.Has(h.Version) &&
		anyOf(m.Listeners, func(l string) bool { return l == listener }) &&
		anyOf(m.Hosts, func(p string) bool { return matchHost(p, h.Host) }) &&
		anyOf(m.Paths, func(p string) bool { return matchPath(p, path) }) &&
		anyOf(m.Protocols, func(p string) bool { return offers(h, p) })
}

// pathOf is the path of a target, without escapes: what a backend will see, so
// that nobody passes by a route by writing it in another way.
func pathOf(target string) string {
	path, _, _ := strings.Cut(target, "?")
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}

// hasDots reports whether a path has a segment . or .., which no browser sends:
// what it means is for each server to say, and not to be routed by.
func hasDots(target string) bool {
	for seg := range strings.FieldsFuncSeq(pathOf(target), func(r rune) bool { return r == '/' || r == '\\' }) {
		if seg == "." || seg == ".." {
			return true
		}
	}
	return false
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

// offers reports whether a client offers a subprotocol. A hixie client's one
// string may be a list.
func offers(h *draftwire.Handshake, name string) bool {
	for _, o := range offered(h) {
		if o == name {
			return true
		}
	}
	return false
}

// offered is the client's list of subprotocols, each a token.
func offered(h *draftwire.Handshake) []string {
	var list []string
	for _, o := range h.Offered {
		list = append(list, strings.FieldsFunc(o, func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	return list
}

// target is what the backend is asked for: its own path, and behind it the
// client's, without the prefix that is to be stripped.
func (r *route) target(base, target string) (string, error) {
	if r.StripPrefix != "" {
		prefix := strings.TrimSuffix(r.StripPrefix, "/")
		rest, ok := strings.CutPrefix(target, prefix)
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
