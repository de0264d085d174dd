package gateway

import (
	"maps"
	"net/netip"
	"sync"
)

// Names of the limits, for metrics and refusals.
const (
	limitConnections = "connections"
	limitAddress     = "connections_per_address"
	limitHandshakes  = "handshakes_per_second"
	limitRoute       = "connections_per_route"
	limitBackends    = "connections_per_backend"

	limitHandshakesEach = "handshakes_per_second_per_address"
	limitRooms          = "rooms"
	limitMembers        = "room_members"
	limitRequests       = "requests_per_second"
	limitRequestsEach   = "requests_per_second_per_address"
)

// LimitNames returns the names of the limits because of which a client may be refused, as
// the hook Limited gets them.
func LimitNames() []string {
	return []string{
		limitConnections, limitAddress, limitHandshakes, limitRoute, limitHandshakesEach, limitBackends,
		limitRequests, limitRequestsEach, limitRooms, limitMembers,
	}
}

// limiter counts connections, in all and by address, and bounds the handshakes and requests
// of a second.
type limiter struct {
	mu        sync.Mutex
	open      int
	byAddress map[netip.Prefix]int

	maxOpen, maxByAddress int // 0 or less: no limit
	fleet                 bool
	elsewhere             func(key netip.Prefix) int // connections at other gateways; nil: none
	handshakes, requests  rates
}

// set sets new limits. Open connections stay.
func (l *limiter) set(c *Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.maxOpen, l.maxByAddress = c.Connections, c.ConnectionsPerAddress
	l.fleet = c.Fleet && l.elsewhere != nil
	l.handshakes.set(c.HandshakesPerSecond, c.HandshakesPerSecondPerAddress)
	l.requests.set(c.RequestsPerSecond, c.RequestsPerSecondPerAddress)
}

// keyOf returns what counts as one address: an IPv4 address or an IPv6 /64, as an IPv6
// client has a whole /64 to choose from. It is not valid for a client on a unix socket.
func keyOf(remote string) netip.Prefix {
	addr, ok := addrOf(remote)
	if !ok {
		return netip.Prefix{}
	}
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits)
	return p
}

// addrOf returns the IP address of a client, with or without a port: an IPv4 address is not
// mapped into IPv6, and an IPv6 address has no zone. ok is false for a client on a unix
// socket.
func addrOf(remote string) (addr netip.Addr, ok bool) {
	ap, err := netip.ParseAddrPort(remote)
	addr = ap.Addr()
	if err != nil {
		addr, err = netip.ParseAddr(remote)
	}
	return addr.Unmap().WithZone(""), err == nil
}

// acquire counts a connection of key, or returns the name of the limit that it would exceed.
func (l *limiter) acquire(key netip.Prefix) (exceeded string) {
	if total, each := l.handshakes.take(key); !total {
		return limitHandshakes
	} else if !each {
		return limitHandshakesEach
	}
	return l.hold(key)
}

// enter is acquire for an ordinary request.
func (l *limiter) enter(key netip.Prefix) (exceeded string) {
	if total, each := l.requests.take(key); !total {
		return limitRequests
	} else if !each {
		return limitRequestsEach
	}
	return l.hold(key)
}

// hold counts a connection of key.
func (l *limiter) hold(key netip.Prefix) (exceeded string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.maxOpen > 0 && l.open >= l.maxOpen:
		return limitConnections
	case l.maxByAddress > 0 && key.IsValid() && l.connections(key) >= l.maxByAddress:
		return limitAddress
	}
	if l.byAddress == nil {
		l.byAddress = make(map[netip.Prefix]int)
	}
	l.open++
	l.byAddress[key]++
	return ""
}

// connections is how many connections key has: here, and as far as other gateways have announced it, there.
func (l *limiter) connections(key netip.Prefix) int {
	n := l.byAddress[key]
	if l.fleet && n < l.maxByAddress {
		n += l.elsewhere(key)
	}
	return n
}

// ByAddress returns how many connections each client has, that is an IPv4 address or an IPv6 /64: those that have
// passed the limit of connections_per_address, ordinary requests that are under way too.
func (g *Gateway) ByAddress() map[netip.Prefix]int {
	l := &g.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.byAddress)
}

// release takes back what acquire has counted.
func (l *limiter) release(key netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.byAddress[key]--; l.byAddress[key] == 0 {
		delete(l.byAddress, key)
	}
}
