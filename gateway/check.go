package gateway

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// check reports everything that is wrong with a configuration.
func (c *Config) check() error {
	var f faults
	f.keys("", reflect.ValueOf(c).Elem())
	names := map[string]bool{}
	var taken []Listener
	for i := range c.Listen {
		l := &c.Listen[i]
		at := "listen " + l.Name
		f.unique("listen: name", names, l.Name)
		l.check(&f, at)
		f.free(at+": address", l.Address, taken)
		taken = append(taken, *l)
	}
	if a := c.Admin.Address; a != "off" {
		f.address("admin: address", a)
		f.free("admin: address", a, taken)
	}
	f.hosts("admin: hosts", c.Admin.Hosts)
	f.word("admin: console", c.Admin.Console, "on", "without_payload", "off")
	f.rate("limits: handshakes_per_second_per_address", c.Limits.HandshakesPerSecondPerAddress)
	f.rate("limits: requests_per_second_per_address", c.Limits.RequestsPerSecondPerAddress)
	c.Ledger.check(&f)
	c.checkRecord(&f)
	c.checkFleet(&f)
	c.Hub.check(&f)
	f.plan(c.Versions)
	if len(c.Routes) == 0 && !c.partial {
		f.add("routes: there is no route, so no client would have a backend")
	}
	routes := map[string]bool{}
	for i := range c.Routes {
		r := &c.Routes[i]
		f.unique("routes: name", routes, r.Name)
		r.check(&f, "route "+r.Name, names)
	}
	c.checkMirrors(&f)
	c.checkRooms(&f)
	f.locate(c.file)
	return errors.Join(f...)
}

// checkReload reports what differs from the configuration in force and cannot be changed by
// a reload, as it is used only at the start.
func (c *Config) checkReload(current *Config) error {
	var f faults
	if c.Admin.Address != current.Admin.Address {
		f.add("admin: address: a reload cannot change it from %q to %q; restart the gateway", current.Admin.Address, c.Admin.Address)
	}
	if c.Admin.Pprof != current.Admin.Pprof {
		f.add("admin: pprof: a reload cannot change it; restart the gateway")
	}
	if c.Ledger.File != current.Ledger.File {
		f.add("ledger: file: a reload cannot change it from %q to %q; restart the gateway", current.Ledger.File, c.Ledger.File)
	}
	if c.Ledger.Client != current.Ledger.Client || c.Ledger.Clients != current.Ledger.Clients {
		f.add("ledger: a reload cannot change client or clients; restart the gateway")
	}
	if c.Fleet != current.Fleet {
		f.add("fleet: a reload cannot change it; restart the gateway, or upgrade it")
	}
	if !reflect.DeepEqual(c.Hub, current.Hub) {
		f.add("hub: a reload cannot change it; restart the gateway")
	}
	if !reflect.DeepEqual(c.Record, current.Record) {
		f.add("record: a reload cannot change it; restart the gateway, or upgrade it")
	}
	return errors.Join(f...)
}

func (c *Config) checkFleet(f *faults) {
	for _, x := range []struct{ key, name string }{{"name", c.Fleet.Name}, {"group", c.Fleet.Group}} {
		if x.name != "" && !isFleetName(x.name) {
			f.add("fleet: %s: %q is not a name of 1 to 64 letters, digits and hyphens", x.key, x.name)
		}
	}
	if c.Fleet.Name != "" && c.Hub.URL == "" {
		f.add("fleet: nothing reaches other gateways: give hub the url of servers of NATS, or embedded with a cluster")
	}
	if c.Fleet.Report < 0 {
		f.add("fleet: report: always has a bound")
	}
	if c.Limits.Fleet && c.Fleet.Name == "" {
		f.add("limits: fleet: the gateway is in no fleet; give it a name in fleet")
	}
	if c.Limits.Fleet && c.Limits.ConnectionsPerAddress <= 0 {
		f.add("limits: fleet: it is about connections_per_address, which has no value")
	}
}

func isFleetName(s string) bool {
	return len(s) > 0 && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// faults gathers what is wrong.
type faults []error

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

func (f *faults) unique(what string, seen map[string]bool, s string) {
	if seen[s] {
		f.add("%s: %q is used more than once", what, s)
	}
	seen[s] = true
}

// word checks that s is one of words.
func (f *faults) word(what, s string, words ...string) {
	if !slices.Contains(words, s) {
		f.add("%s: %q is not one of %s", what, s, strings.Join(words, ", "))
	}
}

func (f *faults) address(what, s string) {
	kind, rest, _ := strings.Cut(s, ":")
	if (kind == "unix" || kind == "fd") && rest != "" {
		return
	}
	_, port, err := net.SplitHostPort(s)
	if err != nil || port == "" {
		f.add("%s: %q is not HOST:PORT, unix:PATH or fd:NAME", what, s)
	} else if n, err := strconv.Atoi(port); err == nil && (n < 0 || n > 65535) {
		f.add("%s: %q has a port that is not from 0 to 65535", what, s)
	} else if _, known := portOf(port); !known {
		f.add("%s: %q has a port that is neither a number nor the name of a service", what, s)
	}
}

// portOf returns the number of a port that may be named as a service.
func portOf(s string) (int, bool) {
	n, err := net.LookupPort("tcp", s)
	return n, err == nil
}

// free checks that an address is none of those that are taken, nor a part of one: who listens at
// all addresses of a machine has each of them.
func (f *faults) free(what, s string, taken []Listener) {
	for _, l := range taken {
		switch {
		case s == l.Address && !strings.HasSuffix(s, ":0"):
			f.add("%s: %q is also that of listener %s", what, s, l.Name)
		case overlap(s, l.Address):
			f.add("%s: %q overlaps with the address of listener %s, which is %s", what, s, l.Name, l.Address)
		default:
			continue
		}
		return
	}
}

// overlap reports whether two addresses of TCP have one in common.
func overlap(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || strings.HasPrefix(a, "unix:") || strings.HasPrefix(b, "unix:") || strings.HasPrefix(a, "fd:") || strings.HasPrefix(b, "fd:") {
		return false
	}
	m, ok := portOf(portA)
	n, known := portOf(portB)
	if !ok || !known || m != n || n == 0 {
		return false
	}
	x, y := ipOfHost(hostA), ipOfHost(hostB)
	switch {
	case x.IsUnspecified() || y.IsUnspecified(): // also of the other family: package net listens on both
		return true
	case x.IsValid() && y.IsValid():
		return x == y
	}
	return strings.EqualFold(hostA, hostB)
}

// ipOfHost returns the IP address that a host of an address to listen at stands for; it is not
// valid for a name that has to be looked up.
func ipOfHost(host string) netip.Addr {
	switch {
	case host == "":
		return netip.IPv6Unspecified()
	case strings.EqualFold(host, "localhost"):
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	a, _ := netip.ParseAddr(host)
	return a.Unmap()
}

// rate checks a number that may have a fraction: YAML has words for what is no number.
func (f *faults) rate(what string, x float64) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		f.add("%s: %v is not a number", what, x)
	}
}

// tolerances checks each name of a list, and reports whether all are right.
func (f *faults) tolerances(what string, names []string, among wire.Tolerances) bool {
	right := true
	for _, name := range names {
		if _, err := wire.ParseTolerances(name, among); err != nil {
			f.add("%s: %s", what, strings.TrimPrefix(err.Error(), "draftwire: "))
			right = false
		}
	}
	return right
}

// plan checks the plan to retire versions, each version of it by itself, and then as a whole.
func (f *faults) plan(versions map[string][]Stage) {
	before := len(*f)
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		if _, err := newPlan(map[string][]Stage{name: versions[name]}); err != nil {
			f.add("versions: %v", err)
		}
	}
	if len(*f) > before {
		return
	}
	if _, err := newPlan(versions); err != nil {
		f.add("versions: %v", err)
	}
}

func (f *faults) hosts(what string, patterns []string) {
	for _, h := range patterns {
		if !isHostPattern(h) {
			f.add("%s: %q is not like example.com, *.example.com or *, without a port", what, h)
		}
	}
}

func (f *faults) pingInterval(what string, d Duration) {
	if d > 0 && time.Duration(d) < tick {
		f.add("%s: %s is less than 1s", what, d)
	}
}

func (f *faults) versions(what, s string) {
	if _, err := draftwire.ParseVersions(s); err != nil {
		f.add("%s: %s", what, strings.TrimPrefix(err.Error(), "draftwire: "))
	}
}

func (l *Listener) check(f *faults, at string) {
	f.keys(at+": ", reflect.ValueOf(l).Elem())
	f.address(at+": address", l.Address)
	f.versions(at+": versions", l.Versions)
	f.tolerances(at+": tolerate", l.Tolerate, wire.ClientFaults())
	if l.Proxy.Mode != "off" && len(l.Proxy.From) == 0 {
		f.add("%s: proxy_protocol: from: it is empty; name the networks that may send a PROXY header", at)
	}
	if u, err := url.Parse(l.PublicURL); l.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" || strings.Trim(u.Path, "/") != "" || u.User != nil || strings.ContainsAny(l.PublicURL, "?#")) {
		f.add("%s: public_url: %q is not like wss://example.com", at, l.PublicURL)
	}
	l.checkHealth(f, at)
	if l.TLS != nil {
		for i, k := range l.TLS.Certificates {
			if k.Cert == "" || k.Key == "" {
				f.add("%s: tls: certificates: number %d needs cert and key", at, i+1)
			}
		}
		switch {
		case l.TLS.ACME != nil:
			l.TLS.ACME.check(f, at+": tls: acme: ")
		case len(l.TLS.Certificates) == 0:
			f.add("%s: tls: certificates: at least one is needed, or acme", at)
		}
	}
}

func (a *ACME) check(f *faults, at string) {
	if len(a.Domains) == 0 {
		f.add("%sdomains: at least one is needed", at)
	}
	for _, d := range a.Domains {
		if !strings.Contains(d, ".") || !isHostPattern(d) || strings.Contains(d, "*") {
			f.add("%sdomains: %q is not the name of a host like tv.example.com", at, d)
		}
	}
	if addr, err := mail.ParseAddress(a.Email); a.Email != "" && (err != nil || addr.Address != a.Email) {
		f.add("%semail: %q is not an address like ops@example.com", at, a.Email)
	}
	if a.Cache == "" {
		f.add("%scache: it needs a folder: without one each start would ask for new certificates", at)
	}
	if u, err := url.Parse(a.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		f.add("%sdirectory: %q is not an https URL", at, a.Directory)
	}
}

func (l *Ledger) check(f *faults) {
	if _, ok := parseSent(l.Client); !ok && strings.TrimSpace(l.Client) != "address" {
		f.add("ledger: client: %q is not one of address, %s", l.Client, sentForms)
	}
	if l.Clients < 0 {
		f.add("ledger: clients: %d is negative, but the ledger needs a bound", l.Clients)
	}
}

// maxRecorded is the longest message that can be recorded.
const maxRecorded = 64 << 20

func (c *Config) checkRecord(f *faults) {
	r := &c.Record
	if r.Sample < 0 || r.Sample > 100 {
		f.add("record: sample: %d is not from 1 to 100", r.Sample)
	}
	if r.Message < 0 || r.Message > maxRecorded {
		f.add("record: message: %d bytes are not a size up to 64MiB", r.Message)
	}
	for _, name := range r.Routes {
		if !slices.ContainsFunc(c.Routes, func(r Route) bool { return r.Name == name }) {
			f.add("record: routes: there is no route %q", name)
		}
	}
}

func (r *Route) check(f *faults, at string, listeners map[string]bool) {
	r.Match.check(f, at+": match: ", listeners)
	f.keys(at+": ", reflect.ValueOf(r).Elem())
	for _, pattern := range r.Origins {
		if err := (&draftwire.AcceptOptions{Origins: []string{pattern}}).Check(); err != nil {
			f.add("%s: origins: %s", at, strings.TrimPrefix(err.Error(), "draftwire: options: "))
		}
	}
	r.Auth.check(f, at+": auth: ")
	r.checkHTTP(f, at)
	rightFaults := f.tolerances(at+": tolerate", r.Tolerate, wire.ServerFaults())
	urls := map[string]bool{}
	for i := range r.Backends {
		cfg := r.Backends[i]
		if !rightFaults && slices.Equal(cfg.Tolerate, r.Tolerate) {
			cfg.Tolerate = nil // the backend has no list of its own, and that of the route is no second fault
		}
		b, err := newBackend(&cfg)
		if err != nil {
			f.add("%s: %v", at, err)
			continue
		}
		f.unique(at+": backends", urls, b.name)
	}
	if _, err := parseBalance(r.Balance); err != nil {
		f.add("%s: balance: %q: %v", at, r.Balance, err)
	}
	r.Health.check(f, at+": health: ", slices.ContainsFunc(r.Backends, func(b Backend) bool { return isStream(b.URL) }))
	if p := r.StripPrefix; p != "" && (p[0] != '/' || strings.ContainsAny(p, "?#")) {
		f.add("%s: strip_prefix: %q is not a path that begins with /", at, p)
	}
	r.checkMirror(f, at+": mirror: ")
	r.checkFields(f, at)
	r.Policy.check(f, at+": policy: ")
}

func (a *Auth) check(f *faults, at string) {
	if _, ok := parseSent(a.Token); !ok {
		f.add("%stoken: %q is not one of %s", at, a.Token, sentForms)
	}
	switch _, ok := parseSent(a.User); {
	case a.User == "":
	case !ok:
		f.add("%suser: %q is not one of %s", at, a.User, sentForms)
	case a.Users == "":
		f.add("%suser: it is nothing without users", at)
	}
}

func (h *Health) check(f *faults, at string, streams bool) {
	if h.Interval < 0 {
		f.add("%sinterval: %s is negative; for no checks set check to off", at, h.Interval)
	}
	if !strings.HasPrefix(h.Path, "/") || !httphead.IsTarget(h.Path) {
		f.add("%spath: %q is not a path that begins with /", at, h.Path)
	}
	if streams && (h.Check == "http" || h.Check == "websocket") {
		f.add("%scheck: a tcp: or unix: backend can be checked by tcp alone, not by %s", at, h.Check)
	}
}

// checkFields checks the fields of the request that the backend gets.
func (r *Route) checkFields(f *faults, at string) {
	if !httphead.IsFieldValue(r.Origin) {
		f.add("%s: origin: %q cannot be the value of a field", at, r.Origin)
	}
	for _, name := range r.DropHeaders {
		switch {
		case !httphead.IsToken(name):
			f.add("%s: drop_headers: %q cannot be the name of a field", at, name)
		case strings.Contains(name, "*"):
			f.add("%s: drop_headers: %q stands for no field: name each of them, or set forwarded to none", at, name)
		case has(handshakeNeeds, name) || hasPrefixFold(name, "Sec-WebSocket-"):
			f.add("%s: drop_headers: the handshake needs %s", at, name)
		case r.Origin != "" && strings.EqualFold(name, "Origin"):
			f.add("%s: drop_headers: the route's origin sets %s", at, name)
		}
	}
	for _, name := range r.PassHeaders {
		if !isClaim(fieldKey(name)) || hop[fieldKey(name)] {
			f.add("%s: pass_headers: %q is not a field that the gateway holds back", at, name)
		}
	}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(r.SetHeaders)) {
		value := r.SetHeaders[name]
		switch {
		case !httphead.IsToken(name) || !httphead.IsFieldValue(value):
			f.add("%s: set_headers: a field with name %q and value %q cannot be sent", at, name, value)
		case strings.EqualFold(name, "Origin"):
			f.add("%s: set_headers: the route's origin sets %s", at, name)
		case has(ofHandshake, name) || strings.EqualFold(name, "Expect") || notPassed(name):
			f.add("%s: set_headers: %s belongs to the handshake", at, name)
		}
		f.unique(at+": set_headers", seen, strings.ToLower(name))
	}
}

func (m *Match) check(f *faults, at string, listeners map[string]bool) {
	f.versions(at+"versions", m.Versions)
	for _, l := range m.Listeners {
		if !listeners[l] {
			f.add("%slisteners: no listener is named %q", at, l)
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
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		if !httphead.IsToken(name) || !httphead.IsFieldValue(m.Headers[name]) {
			f.add("%sheaders: no request can have a field %q with the value %q", at, name, m.Headers[name])
		}
	}
	for _, p := range m.Protocols {
		if !httphead.IsSubprotocol(p) {
			f.add("%sprotocols: %q cannot be the name of a subprotocol", at, p)
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
	if p.BinaryBack && encodingOf(p.Binary) == nil {
		f.add("%sbinary_back: text can be decoded only if binary is base64, hex or latin1, not %q", at, p.Binary)
	}
	f.pingInterval(at+"ping", p.Ping)
	if p.PingBackend != p.Ping {
		f.pingInterval(at+"ping_backend", p.PingBackend)
	}
	for _, l := range p.Fatal {
		if !slices.ContainsFunc(lossTable, func(row LossInfo) bool { return row.Loss == l }) {
			f.add("%sfatal: no loss is named %q", at, l)
		}
	}
}
