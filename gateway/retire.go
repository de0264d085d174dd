package gateway

import (
	"net"
	"time"
)

// Socket is a listening socket of a gateway, with the address that the configuration gives it.
type Socket struct {
	Address  string
	Listener net.Listener
}

// Sockets returns the sockets of the ports, for a process that takes the place of this one.
// Those that systemd has passed are not among them; SystemdSockets returns these.
func (g *Gateway) Sockets() (list []Socket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.ports {
		if !p.listener.keep {
			list = append(list, Socket{p.Address, p.listener.Listener})
		}
	}
	return list
}

// SystemdSockets returns all sockets that systemd has passed to the program, in use or not,
// with addresses like fd:NAME.
func SystemdSockets() (list []Socket) {
	named, _ := sockets() // an error, which a port that asks for one has got
	for name, doors := range named {
		for _, d := range doors {
			list = append(list, Socket{"fd:" + name, d.Listener})
		}
	}
	return list
}

// Retire closes the listening sockets of a gateway whose place another process has taken, and
// leaves everything else as it is: handshakes that are under way end here, and sessions stay
// until they end or until Drain. taken reports whether the other process listens at an
// address; the path of a unix socket is then left in place. Retire returns when all that was
// accepted is in the hands of a Server. Members of rooms whose broker reaches this process alone are closed over the drain time. Ordinary HTTP connections end with their next answer.
// It also closes the sockets that systemd has passed and no port holds. Reload is refused
// afterwards.
func (g *Gateway) Retire(taken func(address string) bool) {
	g.changing.Lock()
	defer g.changing.Unlock()
	g.retired.Store(true)
	g.mu.Lock()
	ports := g.ports
	var served []chan struct{} // nil where Run has not begun
	for _, p := range ports {
		served = append(served, p.served)
	}
	g.mu.Unlock()
	for i, p := range ports {
		p.removed.Store(true)
		if u, ok := p.listener.Listener.(*net.UnixListener); ok && taken(p.Address) {
			u.SetUnlinkOnClose(false)
		}
		// The socket first and the lease after it: the server takes what was accepted last,
		// then finds the socket closed.
		p.listener.door.close()
		if served[i] != nil {
			<-served[i]
		}
		p.listener.Close()
	}
	named, _ := sockets()
	for _, doors := range named {
		for _, d := range doors {
			d.close()
		}
	}
	if g.alone {
		g.working.Go(g.farewellRooms)
	}
}

// Idle reports whether the gateway has no connection, finished or not.
func (g *Gateway) Idle() bool {
	for _, s := range g.servers() {
		if n := s.Counts(); n.Pending+n.Open+n.HTTP > 0 {
			return false
		}
	}
	return len(g.Sessions()) == 0
}

// DrainAfter is for how long this gateway keeps its sessions after Retire; 0 is for ever.
func (g *Gateway) DrainAfter() time.Duration {
	return max(time.Duration(g.state.Load().cfg.DrainAfter), 0)
}

// UpgradeTimeout is what a process has that is to take the place of this one.
func (g *Gateway) UpgradeTimeout() time.Duration { return g.state.Load().cfg.UpgradeTimeout.timeout() }
