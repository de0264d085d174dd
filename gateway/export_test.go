package gateway

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/compare"
	"github.com/draftwire/draftwire/draftwiretest"
	"github.com/draftwire/draftwire/wire"
)

// This file has what the tests in package gateway_test need of the inside.

// Held returns how many connections the limits count, and of how many addresses.
func (g *Gateway) Held() (open, addresses int) {
	g.limits.mu.Lock()
	defer g.limits.mu.Unlock()
	return g.limits.open, len(g.limits.byAddress)
}

// OnLoop reports whether a loop reads both sides of the session.
func (s *Session) OnLoop() bool { return s.loop != nil }

// Holds reports whether a side of the session is not read, as the other one lags.
func (s *Session) Holds(side Side) bool {
	r := s.relay.Load()
	return r != nil && r.holds(side).Load()
}

// PlansPings reports whether the session holds what is known of its pings.
func (s *Session) PlansPings() bool {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	return s.pinged != nil
}

// Old returns how many ports that a reload has replaced still exist.
func (g *Gateway) Old() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.old)
}

// Resting returns the backends that rest after a failure.
func (g *Gateway) Resting() (names []string) {
	for _, r := range g.state.Load().routes {
		for _, b := range r.backends.list {
			if b.until.Load() > time.Now().UnixNano() {
				names = append(names, b.name)
			}
		}
	}
	return names
}

// KeyOf returns what counts as one address.
func KeyOf(remote string) netip.Prefix { return keyOf(remote) }

var (
	ReadProxy = readProxy
	Readings  = readings
)

// RouteOf returns the index of the route that takes a client with that target, of routes with
// one path pattern each; -1 if none does.
func RouteOf(target string, patterns ...string) int {
	routes := make([]*route, len(patterns))
	for i, p := range patterns {
		r, err := newRoute(&Route{Match: Match{Paths: []string{p}, Versions: "all"}}, nil)
		if err != nil {
			panic(err)
		}
		routes[i] = r
	}
	paths, ok := readings(target)
	if !ok {
		return -1
	}
	r, _ := routeOf(routes, &request{handshake: draftwiretest.NewHandshake(draftwiretest.NewRequest("ws://example.com/", nil)), paths: paths})
	return slices.Index(routes, r)
}

// HeldBack returns the fields, and the families of fields, that only proxies may send,
// sorted.
func HeldBack() []string {
	list := slices.Collect(maps.Keys(claims))
	for _, f := range claimFamilies {
		list = append(list, f+"*")
	}
	slices.Sort(list)
	return list
}

// IsAdmitted reports whether an address may come.
var IsAdmitted = isAdmitted

// Guard checks credentials.
type Guard struct{ *guard }

// NewGuard reads the files of credentials.
func NewGuard(a *Auth) (Guard, error) {
	gd, err := newGuard(a)
	return Guard{gd}, err
}

// Admit is guard.admit.
func (gd Guard) Admit(v draftwire.Version, remote, target string, fields wire.Fields) error {
	return gd.admit(v, remote, target, fields)
}

// WrongPerMinute is how many wrong passwords an address may try.
const WrongPerMinute = wrongPerMinute

// MatchValue matches a value against a pattern.
var MatchValue = matchValue

// SelfSigned returns a certificate that nobody trusts.
var SelfSigned = selfSigned

// FirstCertificate returns what a new issuer shows for its first domain.
func FirstCertificate(a *ACME) ([]byte, error) {
	is, err := newIssuer(a, nil)
	if err != nil {
		return nil, err
	}
	return is.certs[0].Leaf().Raw, nil
}

// BenchRelay passes messages of 128 bytes through a relay without a network, to the queue of a mirror too
// where the session is chosen.
func BenchRelay(b *testing.B, chosen bool) {
	take := func(compare.Message) {}
	r := &relay{client: &listener{of: draftwire.RFC6455, take: take}, backend: speaker{of: draftwire.RFC6455}, policy: &Policy{}, counter: noCounter{}}
	var x *mirrored
	if chosen {
		x = &mirrored{m: &mirror{Mirror: Mirror{Queue: 1 << 20}}, wake: make(chan struct{}, 1)}
		r.mirror = x
	}
	d := &direction{r: r}
	p := draftwire.Part{Op: draftwire.OpText, Data: make([]byte, 128), First: true, Last: true, FrameEnd: true}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if err := d.pass(p, false); err != nil {
			b.Fatal(err)
		}
		if chosen && n%64 == 63 { // as the mirror's goroutine does
			batch, _ := x.take()
			batch.reset()
			x.mu.Lock()
			x.spare, x.taken = batch, 0
			x.mu.Unlock()
		}
	}
}
