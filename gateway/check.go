package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// check finds what is wrong with a configuration, all of it.
func (c *Config) check() error {
	var f faults
	names := map[string]bool{}
	addresses := map[string]bool{}
	for i := range c.Listen {
		l := &c.Listen[i]
		at := "listen " + l.Name
		f.unique(at, names, l.Name)
		f.unique(at+": address", addresses, l.Address)
		l.check(&f, at)
	}
	if c.Admin.Address != "off" {
		f.address("admin: address", c.Admin.Address)
	}
	f.hosts("admin: hosts", c.Admin.Hosts)
	f.positive("drain", c.Drain)
	c.Limits.check(&f)
	c.Ledger.check(&f)
	if _, err := newPlan(c.Versions); err != nil {
		f.add("versions: %v", err)
	}
	if len(c.Routes) == 0 {
		f.add("routes: there is none, so no client has a backend")
	}
	routes := map[string]bool{}
	for i := range c.Routes {
		r := &c.Routes[i]
		f.unique("routes", routes, r.Name)
		r.check(&f, "route "+r.Name, names)
	}
	return errors.Join(f...)
}

// faults gathers what is wrong.
type faults []error

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

func (f *faults) unique(what string, seen map[string]bool, s string) {
	if seen[s] {
		f.add("%s: %q stands twice", what, s)
	}
	seen[s] = true
}

func (f *faults) positive(what string, d Duration) {
	if d < 0 {
		f.add("%s: %s is below 0", what, d)
	}
}

// word checks that s is one of words.
func (f *faults) word(what, s string, words ...string) {
	if !slices.Contains(words, s) {
		f.add("%s: %q is none of %s", what, s, strings.Join(words, ", "))
	}
}

func (f *faults) address(what, s string) {
	kind, rest, _ := strings.Cut(s, ":")
	if (kind == "unix" || kind == "fd") && rest != "" {
		return
	}
	if _, port, err := net.SplitHostPort(s); err != nil || port == "" {
		f.add("%s: %q is none of HOST:PORT, unix:PATH, fd:NAME", what, s)
	}
}

func (f *faults) hosts(what string, patterns []string) {
	for _, h := range patterns {
		if !isHostPattern(h) {
			f.add("%s: %q is not like example.com, *.example.com or *, without a port", what, h)
		}
	}
}

func (f *faults) versions(what, s string) {
	if _, err := draftwire.ParseVersions(s); err != nil {
		f.add("%s: %s", what, strings.TrimPrefix(err.Error(), "draftwire: "))
	}
}

func (l *Listener) check(f *faults, at string) {
	f.address(at+": address", l.Address)
	f.versions(at+": versions", l.Versions)
	if _, err := wire.ParseTolerances(strings.Join(l.Tolerate, ",")); err != nil {
		f.add("%s: tolerate: %s", at, strings.TrimPrefix(err.Error(), "draftwire: "))
	}
	f.word(at+": proxy_protocol: mode", l.Proxy.Mode, "off", "accept", "require")
	if l.Proxy.Mode != "off" && len(l.Proxy.From) == 0 {
		f.add("%s: proxy_protocol: from: which networks may name the client?", at)
	}
	if u, err := url.Parse(l.PublicURL); l.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" || strings.Trim(u.Path, "/") != "") {
		f.add("%s: public_url: %q is not like wss://example.com", at, l.PublicURL)
	}
	if l.TLS != nil {
		f.word(at+": tls: profile", l.TLS.Profile, "modern", "legacy", "museum")
		if len(l.TLS.Certificates) == 0 {
			f.add("%s: tls: certificates: there is none", at)
		}
	}
}

func (l *Ledger) check(f *faults) {
	what := strings.Fields(l.Client)
	switch {
	case len(what) == 1 && what[0] == "address":
	case len(what) == 2 && slices.Contains([]string{"header", "cookie", "query"}, what[0]):
	default:
		f.add("ledger: client: %q is none of address, header NAME, cookie NAME, query NAME", l.Client)
	}
	if l.Clients < 0 {
		f.add("ledger: clients: %d is below 0", l.Clients)
	}
}

func (l *Limits) check(f *faults) {
	if l.Head > 1<<20 || l.Head < 256 {
		f.add("limits: head: %d is not from 256 to 1 MiB", l.Head)
	}
	f.positive("limits: handshake", l.Handshake)
	f.positive("limits: key3", l.Key3)
	f.positive("limits: close", l.Close)
	f.positive("limits: write", l.Write)
	f.positive("limits: idle", l.Idle)
	if l.Pending < 0 {
		f.add("limits: pending: %d is below 0", l.Pending)
	}
}

func (r *Route) check(f *faults, at string, listeners map[string]bool) {
	r.Match.check(f, at+": match: ", listeners)
	if err := (&draftwire.AcceptOptions{Origins: r.Origins}).Check(); err != nil {
		f.add("%s: origins: %s", at, strings.TrimPrefix(err.Error(), "draftwire: options: "))
	}
	if len(r.Backends) == 0 {
		f.add("%s: backends: there is none", at)
	}
	urls := map[string]bool{}
	for i := range r.Backends {
		b, err := newBackend(&r.Backends[i])
		if err != nil {
			f.add("%s: %v", at, err)
			continue
		}
		f.unique(at+": backends", urls, b.name)
	}
	f.word(at+": health: check", r.Health.Check, "tcp", "off")
	f.positive(at+": dial", r.Dial)
	f.positive(at+": health: interval", r.Health.Interval)
	f.positive(at+": health: timeout", r.Health.Timeout)
	f.positive(at+": health: cooldown", r.Health.Cooldown)
	if p := r.StripPrefix; p != "" && (p[0] != '/' || strings.ContainsAny(p, "?#")) {
		f.add("%s: strip_prefix: %q is no path that begins with /", at, p)
	}
	r.checkFields(f, at)
	r.Policy.check(f, at+": policy: ")
}

// checkFields checks what the backend's request is made of.
func (r *Route) checkFields(f *faults, at string) {
	if !httphead.IsFieldValue(r.Origin) {
		f.add("%s: origin: %q cannot be sent", at, r.Origin)
	}
	for _, name := range r.DropHeaders {
		if !httphead.IsToken(name) {
			f.add("%s: drop_headers: %q is no name of a field", at, name)
		}
	}
	for _, name := range r.PassHeaders {
		if !isClaim(fieldKey(name)) || hop[fieldKey(name)] {
			f.add("%s: pass_headers: %q is none of the fields that are held back", at, name)
		}
	}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(r.SetHeaders)) {
		value := r.SetHeaders[name]
		switch {
		case !httphead.IsToken(name) || !httphead.IsFieldValue(value):
			f.add("%s: set_headers: %q: %q cannot be sent", at, name, value)
		case strings.EqualFold(name, "Origin"):
			f.add("%s: set_headers: %s is set by the route's origin", at, name)
		case has(ofHandshake, name) || notPassed(name):
			f.add("%s: set_headers: %s belongs to the handshake", at, name)
		}
		f.unique(at+": set_headers", seen, strings.ToLower(name))
	}
}

func (m *Match) check(f *faults, at string, listeners map[string]bool) {
	f.versions(at+"versions", m.Versions)
	for _, l := range m.Listeners {
		if !listeners[l] {
			f.add("%slisteners: there is no listener %q", at, l)
		}
	}
	f.hosts(at+"hosts", m.Hosts)
	for _, p := range m.Paths {
		plain := strings.TrimSuffix(p, "/*")
		if p == "*" || p == "/*" {
			continue
		}
		if plain == "" || plain[0] != '/' || strings.ContainsAny(plain, "*?#") {
			f.add("%spaths: %q is not like /feed, /feed/* or *", at, p)
		}
	}
	for _, p := range m.Protocols {
		if !httphead.IsToken(p) {
			f.add("%sprotocols: %q is no subprotocol", at, p)
		}
	}
}

// isHostPattern reports whether a client's host can match p.
func isHostPattern(p string) bool {
	if p == "*" {
		return true
	}
	host := strings.TrimPrefix(p, "*.")
	if a, ok := strings.CutPrefix(host, "["); ok {
		a, ok = strings.CutSuffix(a, "]")
		return ok && strings.Contains(a, ":")
	}
	return host != "" && !strings.ContainsAny(host, "*:/[] ")
}

func (p *Policy) check(f *faults, at string) {
	f.word(at+"binary", p.Binary, "reject", "base64", "hex", "latin1", "drop")
	if p.BinaryBack && encodingOf(p.Binary) == nil {
		f.add("%sbinary_back: binary says %q, not how", at, p.Binary)
	}
	f.word(at+"invalid_text", p.InvalidText, "fail", "replace")
	f.word(at+"fragments", p.Fragments, "stream", "gather")
	f.word(at+"close_without_code", p.CloseWithoutCode, "normal", "none")
	f.word(at+"compression", p.Compression, "off", "client", "backend", "both")
	for i, every := range []Duration{p.Ping, p.PingBackend} {
		if name := []string{"ping", "ping_backend"}[i]; every > 0 && time.Duration(every) < tick && (i == 0 || every != p.Ping) {
			f.add("%s%s: %s is below 1s", at, name, every)
		}
	}
	for _, l := range p.Fatal {
		if !slices.ContainsFunc(lossTable, func(row LossInfo) bool { return row.Loss == l }) {
			f.add("%sfatal: there is no loss %q", at, l)
		}
	}
}
