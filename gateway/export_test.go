package gateway

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/draftwire/draftwire"
)

// What the tests of the outside may see.

// Held returns how many connections the limits count, and of how many addresses.
func (g *Gateway) Held() (open, addresses int) {
	g.limits.mu.Lock()
	defer g.limits.mu.Unlock()
	return g.limits.open, len(g.limits.by)
}

// Old returns how many ports are left that a reload replaced.
func (g *Gateway) Old() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.old)
}

// Resting are the backends that rest after a failure.
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

// KeyOf is what an address counts as.
func KeyOf(remote string) netip.Prefix { return keyOf(remote) }

var (
	ReadProxy = readProxy
	Readings  = readings
)

// RouteOf is the place of the route, among routes with one pattern of a path each, that
// takes a client that asks for target; -1 where none does.
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
	r, _ := routeOf(routes, &asked{handshake: &draftwire.Handshake{Version: draftwire.RFC6455}, paths: paths})
	return slices.Index(routes, r)
}

// HeldBack are the fields that are for proxies to say, and the families of such, sorted.
func HeldBack() []string {
	list := slices.Collect(maps.Keys(claims))
	for _, f := range claimFamilies {
		list = append(list, f+"*")
	}
	slices.Sort(list)
	return list
}
