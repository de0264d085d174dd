package gateway

import "net/http"

// The health of the gateway for a balancer, on the port of its clients.

// answerHealth tells whether the gateway takes clients.
func (g *Gateway) answerHealth(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions:
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		answer(w, http.StatusMethodNotAllowed, "method not allowed")
	case g.draining.Load():
		if r.ProtoMajor < 2 {
			w.Header().Set("Connection", "close")
		}
		answer(w, http.StatusServiceUnavailable, "draining")
	default:
		answer(w, http.StatusOK, "ok")
	}
}

// stayOpen lets ports with a health path go on while the gateway drains: each gets a
// successor, as in a reload, that refuses all but the question for its health. A socket of
// systemd is closed instead, as it waits for the next program.
func (g *Gateway) stayOpen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, p := range g.ports {
		if p.Health == "" || p.listener.keep || !g.running {
			continue
		}
		next, err := g.openPort(p.portConfig, p)
		if err != nil {
			continue // its certificate cannot be read any more
		}
		p.removed.Store(true)
		g.old, g.ports[i] = append(g.old, p), next
		p.listener.handOver(next.listener)
		g.start(next)
	}
}
