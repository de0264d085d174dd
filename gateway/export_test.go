package gateway

import "net/netip"

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

// KeyOf is what an address counts as.
func KeyOf(remote string) netip.Prefix { return keyOf(remote) }

var (
	MatchHost = matchHost
	MatchPath = matchPath
	ReadProxy = readProxy
	PathOf    = pathOf
	HasDots   = hasDots
)
