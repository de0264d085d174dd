package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

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
	if c.Drain < 0 {
		f.add("drain: %s is below 0", c.Drain)
	}
	c.Limits.check(&f)
	f.word("ledger: client", strings.Fields(c.Ledger.Client + " x")[0], "address", "header", "cookie", "query")
	if n := len(strings.Fields(c.Ledger.Client)); (c.Ledger.Client == "address") != (n == 1) || n > 2 {
		f.add("ledger: client: %q is none of address, header NAME, cookie NAME, query NAME", c.Ledger.Client)
	}
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

// word checks that s is one of words.
func (f *faults) word(what, s string, words ...string) {
	if !slices.Contains(words, s) {
		f.add("%s: %q is none of %s", what, s, strings.Join(words, ", "))
	}
}

func (f *faults) address(what, s string) {
	if strings.HasPrefix(s, "unix:") || strings.HasPrefix(s, "fd:") {
		return
	}
	if _, _, err := net.SplitHostPort(s); err != nil {
		f.add("%s: %q is none of HOST:PORT, unix:PATH, fd:NAME", what, s)
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

func (l *Limits) check(f *faults) {
	if l.Head > 1<<20 || l.Head < 256 {
		f.add("limits: head: %d is not from 256 to 1 MiB", l.Head)
	}
	for name, d := range map[string]Duration{"handshake": l.Handshake, "key3": l.Key3, "close": l.Close, "write": l.Write} {
		if d < 0 {
			f.add("limits: %s: %s is below 0", name, d)
		}
	}
	if l.Idle < 0 {
		f.add("limits: idle: %s is below 0", l.Idle)
	}
	if l.Pending < 0 {
		f.add("limits: pending: %d is below 0", l.Pending)
	}
}

func (r *Route) check(f *faults, at string, listeners map[string]bool) {
	f.versions(at+": match: versions", r.Match.Versions)
	for _, l := range r.Match.Listeners {
		if !listeners[l] {
			f.add("%s: match: listeners: there is no listener %q", at, l)
		}
	}
	for _, p := range r.Match.Paths {
		if !strings.HasPrefix(p, "/") && p != "*" {
			f.add("%s: match: paths: %q does not begin with /", at, p)
		}
	}
	if len(r.Backends) == 0 {
		f.add("%s: backends: there is none", at)
	}
	urls := map[string]bool{}
	for i := range r.Backends {
		if _, err := newBackend(&r.Backends[i]); err != nil {
			f.add("%s: %v", at, err)
		}
		f.unique(at+": backends", urls, r.Backends[i].URL)
	}
	f.word(at+": health: check", r.Health.Check, "tcp", "off")
	for name, d := range map[string]Duration{"dial": r.Dial, "health: interval": r.Health.Interval, "health: timeout": r.Health.Timeout, "health: cooldown": r.Health.Cooldown} {
		if d < 0 {
			f.add("%s: %s: %s is below 0", at, name, d)
		}
	}
	if r.StripPrefix != "" && !strings.HasPrefix(r.StripPrefix, "/") {
		f.add("%s: strip_prefix: %q does not begin with /", at, r.StripPrefix)
	}
	for name, value := range r.SetHeaders {
		if !httphead.IsToken(name) || !httphead.IsFieldValue(value) {
			f.add("%s: set_headers: %q: %q cannot be sent", at, name, value)
		}
	}
	r.Policy.check(f, at+": policy: ")
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
}
