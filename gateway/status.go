package gateway

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
)

// Status is what the gateway does at the moment.
type Status struct {
	Ready       bool             `json:"ready"`             // it takes clients, and each route has a backend
	Why         string           `json:"why,omitempty"`     // it is not ready
	Draining    bool             `json:"draining"`          // it ends
	Started     time.Time        `json:"started"`           //
	Configured  time.Time        `json:"configured"`        // when the configuration in force was taken
	Connections int              `json:"connections"`       // of clients
	Limit       int              `json:"limit"`             // of these; 0 or less is none
	Versions    map[string]int   `json:"versions"`          // connections by version
	Listeners   []ListenerStatus `json:"listeners"`         //
	Routes      []RouteStatus    `json:"routes"`            //
	Retiring    []RetireStatus   `json:"retiring,omitzero"` // stages of the plan to come, and those that are not on
}

// ListenerStatus is a port.
type ListenerStatus struct {
	Name    string `json:"name"`
	Address string `json:"address"` // where it listens
	Pending int    `json:"pending"` // connections whose handshake is not done
	Open    int    `json:"open"`
}

// RouteStatus is a route and its backends.
type RouteStatus struct {
	Name     string          `json:"name"`
	Backends []BackendStatus `json:"backends"`
}

// BackendStatus is a backend.
type BackendStatus struct {
	URL         string `json:"url"`
	Up          bool   `json:"up"`
	Connections int    `json:"connections"`
	Error       string `json:"error,omitempty"` // of the last failure
}

// RetireStatus is a stage of a version's retirement.
type RetireStatus struct {
	Version string    `json:"version"`
	Mode    string    `json:"mode"`
	From    time.Time `json:"from,omitzero"`
}

// Status returns what the gateway does at the moment.
func (g *Gateway) Status() Status {
	st := g.state.Load()
	s := Status{
		Draining: g.draining.Load(), Started: g.began, Configured: st.since, Limit: st.cfg.Limits.Connections,
		Versions: map[string]int{}, Retiring: st.retiring(time.Now()),
	}
	for _, v := range draftwire.Served().List() {
		s.Versions[v.String()] = 0
	}
	g.mu.Lock()
	for x := range g.sessions {
		s.Versions[x.handshake.Version.String()]++
	}
	s.Connections = len(g.sessions)
	for _, p := range g.ports {
		n := p.server.Counts()
		s.Listeners = append(s.Listeners, ListenerStatus{p.Name, p.listener.Addr().String(), n.Pending, n.Open})
	}
	g.mu.Unlock()
	for _, r := range st.routes {
		rs := RouteStatus{Name: r.Name}
		for _, b := range r.backends.list {
			bs := BackendStatus{URL: b.name, Up: b.up(), Connections: int(b.open.Load())}
			if err := b.err.Load(); err != nil {
				bs.Error = shownError(*err)
			}
			rs.Backends = append(rs.Backends, bs)
		}
		s.Routes = append(s.Routes, rs)
		if !r.backends.up() && s.Why == "" {
			s.Why = "route " + r.Name + " has no backend that is up"
		}
	}
	if s.Draining {
		s.Why = "draining"
	}
	s.Ready = s.Why == ""
	return s
}

// AdminOptions are what the operator's port serves beside the gateway's own.
type AdminOptions struct {
	Metrics http.Handler // of /metrics; nil: none
	Usage   http.Handler // of /usage, the ledger; nil: none
	// Reload reads the configuration again; nil: there is none to read.
	Reload func() error
	// Drain begins the end of the program, and does not wait for it.
	Drain func()
	Pprof bool
}

// Admin returns the handler of the operator's port: GET /healthz (the process
// lives), /readyz (it takes clients; 503 while it does not), /status (JSON),
// /metrics, /usage, and POST /drain and /reload, which no page in a browser can send.
//
// It answers where the request's Host is an IP address, localhost, the name in the
// configuration's admin address or one of admin's hosts, or missing, and whatever comes by
// a unix socket; all else is a 421 (Misdirected Request).
func (g *Gateway) Admin(o AdminOptions) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s := g.Status(); !s.Ready {
			answer(w, http.StatusServiceUnavailable, s.Why)
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(g.Status())
	})
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	if o.Usage != nil {
		mux.Handle("GET /usage", o.Usage)
	}
	if o.Drain != nil {
		mux.HandleFunc("POST /drain", func(w http.ResponseWriter, _ *http.Request) {
			o.Drain()
			answer(w, http.StatusAccepted, "draining")
		})
	}
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, _ *http.Request) {
		if o.Reload == nil {
			answer(w, http.StatusConflict, "the gateway has no configuration file")
		} else if err := o.Reload(); err != nil {
			answer(w, http.StatusUnprocessableEntity, err.Error())
		} else {
			answer(w, http.StatusOK, "reloaded")
		}
	})
	if o.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	}
	return g.byName(noPages(mux))
}

// byName refuses requests for a host that is not the operator's port. Whoever owns a name
// can let it point here, and then his page, in a browser that reaches this port, is one
// of the port's own: it could read all that it says.
func (g *Gateway) byName(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		bySocket := local != nil && local.Network() == "unix" // which no page can open
		if a := &g.state.Load().cfg.Admin; !bySocket && !a.hasName(r.Host) {
			answer(w, http.StatusMisdirectedRequest, fmt.Sprintf("%.100q is no name of this port: "+
				`ask by an IP address or localhost, or add the name to "admin: hosts" or --admin-host`, r.Host))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// hasName reports whether the port may be asked under the host of a request. A request
// without one, as HTTP/1.0 has it, comes from no browser.
func (a *Admin) hasName(host string) bool {
	if host == "" {
		return true
	}
	name, ok := hostName(host)
	if !ok {
		return false
	}
	if _, err := netip.ParseAddr(name); err == nil || strings.EqualFold(name, "localhost") {
		return true
	}
	own, ok := hostName(a.Address)
	return ok && own != "" && strings.EqualFold(name, own) ||
		slices.ContainsFunc(a.Hosts, func(p string) bool { return matchHost(p, name) })
}

// hostName is the name in HOST or HOST:PORT, without the root's dot and the brackets of an
// IPv6 address.
func hostName(s string) (name string, ok bool) {
	if rest, bracket := strings.CutPrefix(s, "["); bracket {
		if name, s, ok = strings.Cut(rest, "]"); !ok {
			return "", false
		}
		if _, err := netip.ParseAddr(name); err != nil {
			return "", false
		}
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		name, s = s[:i], s[i:]
	} else {
		name, s = s, ""
	}
	if port, has := strings.CutPrefix(s, ":"); has != (s != "") || strings.Trim(port, "0123456789") != "" {
		return "", false
	}
	return strings.TrimSuffix(name, "."), true
}

// noPages refuses orders that come from a page in a browser, which says so in one of
// these fields: a page of anybody's can reach a port on loopback, and by a name that
// it lets point there even as one of its own.
func noPages(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && (r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "") {
			answer(w, http.StatusForbidden, "orders do not come from pages")
			return
		}
		h.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	w.Write([]byte(text + "\n"))
}
