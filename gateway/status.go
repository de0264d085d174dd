package gateway

import (
	"encoding/json"
	"net/http"
	"net/http/pprof"
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
	return noPages(mux)
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
