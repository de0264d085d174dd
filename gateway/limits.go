package gateway

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// Names of the limits, for metrics and refusals.
const (
	limitConnections = "connections"
	limitAddress     = "connections_per_address"
	limitHandshakes  = "handshakes_per_second"
	limitRoute       = "connections_per_route"
)

// LimitNames are the limits for which a client may be refused, as the hook Limited
// names them.
func LimitNames() []string {
	return []string{limitConnections, limitAddress, limitHandshakes, limitRoute}
}

// limiter counts what clients hold.
type limiter struct {
	mu   sync.Mutex
	open int
	by   map[netip.Prefix]int

	most, mostBy int
	perSecond    int
	handshakes   atomic.Pointer[rate.Limiter]
}

// set takes new limits; what is open stays.
func (l *limiter) set(c *Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most, l.mostBy = c.Connections, c.ConnectionsPerAddress
	n := c.HandshakesPerSecond
	if n == l.perSecond {
		return // a new limiter would allow a burst
	}
	if l.perSecond = n; n > 0 {
		l.handshakes.Store(rate.NewLimiter(rate.Limit(n), n))
	} else {
		l.handshakes.Store(nil)
	}
}

// keyOf is what counts as one address: an IPv6 client has a /64 to choose from.
func keyOf(remote string) netip.Prefix {
	addr, err := netip.ParseAddr(hostOf(remote))
	if err != nil {
		return netip.Prefix{} // a unix socket
	}
	bits := 32
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits)
	return p
}

// hostOf is an address without its port.
func hostOf(remote string) string {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return ap.Addr().String()
	}
	return remote
}

// take counts a connection of key, or names the limit that it would exceed.
func (l *limiter) take(key netip.Prefix) (exceeded string) {
	if r := l.handshakes.Load(); r != nil && !r.Allow() {
		return limitHandshakes
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.most > 0 && l.open >= l.most:
		return limitConnections
	case l.mostBy > 0 && key.IsValid() && l.by[key] >= l.mostBy:
		return limitAddress
	}
	if l.by == nil {
		l.by = make(map[netip.Prefix]int)
	}
	l.open++
	l.by[key]++
	return ""
}

// release gives back what take counted.
func (l *limiter) release(key netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.by[key]--; l.by[key] == 0 {
		delete(l.by, key)
	}
}
