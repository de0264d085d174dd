package gateway

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/httphead"
)

// Status is the state of the gateway at one moment.
type Status struct {
	Ready       bool             `json:"ready"`             // the gateway accepts clients, and each route has a backend
	Why         string           `json:"why,omitempty"`     // why it is not ready
	Draining    bool             `json:"draining"`          // it is shutting down
	Started     time.Time        `json:"started"`           //
	Configured  time.Time        `json:"configured"`        // when the configuration came into force
	Connections int              `json:"connections"`       // of clients
	Limit       int              `json:"limit"`             // of Connections; negative: none
	Versions    map[string]int   `json:"versions"`          // connections by version
	Listeners   []ListenerStatus `json:"listeners"`         //
	Routes      []RouteStatus    `json:"routes"`            //
	Requests    RequestStatus    `json:"requests"`          // ordinary ones
	Retiring    []RetireStatus   `json:"retiring,omitzero"` // stages that are in force and not on, and stages to come
	// Generations are the processes that are this gateway, the newest first: one, and
	// those that upgrades have replaced and that still have sessions. The counts above are
	// the sums of all of them. Package gateway itself knows no other process.
	Generations []Generation `json:"generations,omitempty"`
	// Hub is what carries the messages of rooms; nil: the memory of the process. Package gateway itself does not know.
	Hub *HubStatus `json:"hub,omitempty"`
}

// HubStatus is the state of what carries the messages of rooms.
type HubStatus struct {
	URL       string    `json:"url"`                  // as in the configuration
	Up        bool      `json:"up"`                   // it takes messages
	Since     time.Time `json:"since,omitzero"`       // of Up, or of Error; zero: it is looked for since the start
	Error     string    `json:"error,omitempty"`      // why it is away
	Servers   string    `json:"servers,omitempty"`    // how many servers of an embedded cluster are connected, this one too: "2 of 3"
	LastError string    `json:"last_error,omitempty"` // of the embedded server of a cluster, within the last minute
}

// String is the state in words: "embedded, up since 2026-12-01 10:00:00, 3 of 3 servers".
func (h *HubStatus) String() string {
	s := h.URL
	switch {
	case h.Up:
		s += ", up since " + h.Since.Format(time.DateTime)
	case h.Since.IsZero():
		s += ", looked for since the start"
	default:
		s += ", away since " + h.Since.Format(time.DateTime)
	}
	if h.Servers != "" {
		s += ", " + h.Servers + " servers"
	}
	if h.Error != "" {
		s += ": " + h.Error
	}
	if !h.Up && h.LastError != "" {
		s += "; the server here: " + h.LastError
	}
	return s
}

// ListenerStatus is the state of a port.
type ListenerStatus struct {
	Name    string `json:"name"`
	Address string `json:"address"` // that the socket is bound to
	Pending int    `json:"pending"` // connections with an unfinished handshake
	Open    int    `json:"open"`
	HTTP    int    `json:"http"` // connections of ordinary requests, idle ones too
}

// RequestStatus counts ordinary requests since the start.
type RequestStatus struct {
	InFlight int64 `json:"in_flight"`
	Total    int64 `json:"total"`  // that have ended
	Failed   int64 `json:"failed"` // for which no backend had an answer
}

// RouteStatus is the state of a route.
type RouteStatus struct {
	Name     string          `json:"name"`
	Backends []BackendStatus `json:"backends"`
	Mirror   *MirrorStatus   `json:"mirror,omitempty"` // nil: there is none
	Rooms    *RoomsStatus    `json:"rooms,omitempty"`  // nil: there are none
}

// RoomsStatus is the state of the rooms of a route, as far as they have members in this gateway, and what was counted
// since the start: see RoomStats.
type RoomsStatus struct {
	Rooms        int    `json:"rooms"`
	Members      int    `json:"members"`
	Lagging      int    `json:"lagging"`   // members that have not taken what they were sent
	Upstreams    int    `json:"upstreams"` // rooms whose connection to the backend is here
	Delivered    uint64 `json:"delivered"` // messages, to each member
	Missed       uint64 `json:"missed"`
	Unsupported  uint64 `json:"unsupported"`
	Disconnected uint64 `json:"disconnected"` // members that were too slow
	Unpublished  uint64 `json:"unpublished"`  // messages of backends that the hub has not taken
	Unheard      uint64 `json:"unheard"`      // messages of members that the backend was not sent
}

// status returns the state of rooms; nil where a route has none.
func (x *rooms) status() *RoomsStatus {
	if x == nil {
		return nil
	}
	s := x.stats()
	return &RoomsStatus{
		Rooms: s.Rooms, Members: s.Members, Lagging: s.Lagging, Upstreams: s.Upstreams,
		Delivered: s.Delivered, Missed: s.Missed, Unsupported: s.Unsupported, Disconnected: s.Disconnected,
		Unpublished: s.Unpublished, Unheard: s.Unheard,
	}
}

// BackendStatus is the state of a backend.
type BackendStatus struct {
	URL         string    `json:"url"`
	Up          bool      `json:"up"`
	Connections int       `json:"connections"`
	Error       string    `json:"error,omitempty"` // the last failure
	Failed      time.Time `json:"failed,omitzero"` // and when it was
}

// RetireStatus is a stage in the retirement of a version.
type RetireStatus struct {
	Version string    `json:"version"`
	Mode    string    `json:"mode"`
	From    time.Time `json:"from,omitzero"`
}

// Status returns the state of the gateway.
func (g *Gateway) Status() Status {
	st := g.state.Load()
	s := Status{
		Draining: g.draining.Load(), Started: g.began, Configured: st.since, Limit: st.cfg.Limits.Connections,
		Versions: map[string]int{}, Requests: g.requests.status(), Retiring: retiring(g.Plan(), time.Now()),
	}
	for _, v := range draftwire.ServedVersions().List() {
		s.Versions[v.String()] = 0
	}
	g.mu.Lock()
	for _, x := range g.sessions.all {
		s.Versions[x.handshake.Version().String()]++
	}
	s.Connections = len(g.sessions.all)
	for _, p := range g.ports {
		n := p.server.Counts()
		s.Listeners = append(s.Listeners, ListenerStatus{p.Name, p.listener.Addr().String(), n.Pending, n.Open, n.HTTP})
	}
	g.mu.Unlock()
	for _, r := range st.routes {
		rs := RouteStatus{Name: r.Name}
		for _, b := range r.all() {
			bs := BackendStatus{URL: b.name, Up: b.up(), Connections: int(b.open.Load())}
			if f := b.failure.Load(); f != nil {
				bs.Error, bs.Failed = shownError(f.err), f.at
			}
			rs.Backends = append(rs.Backends, bs)
		}
		rs.Mirror, rs.Rooms = r.mirror.status(), r.rooms.status()
		s.Routes = append(s.Routes, rs)
		if !r.up() && s.Why == "" {
			s.Why = "route " + r.Name + " has no backend that is up"
		}
	}
	if s.Draining {
		s.Why = "draining"
	}
	s.Ready = s.Why == ""
	return s
}

// AdminOptions are what the operator's port serves besides the state of the gateway.
type AdminOptions struct {
	Metrics http.Handler // of /metrics; nil: none
	Usage   http.Handler // of /usage, the ledger; nil: none
	// Reload reads the configuration file again; nil if there is no file.
	Reload func() error
	// Drain begins to drain the gateway and end the program. It does not wait for that.
	Drain func()
	// Upgrade starts the program again in place of this process, and waits until the new
	// process serves; nil if that is not possible. status is that of an error's answer.
	Upgrade func() (status int, err error)
	// Status returns the state of all processes of the gateway; nil: that of this one.
	Status func() Status
	Trace  http.Handler // of POST /trace, which shows what chosen clients do; nil: none
	Fleet  http.Handler // of /fleet/, what concerns all gateways of a fleet; nil: none
	// Console is what is below ConsolePath, to which / leads; nil: none. OnlyOperators leaves its
	// requests alone, those of pages too: it has to judge them itself.
	Console http.Handler
	Pprof   bool
}

// ConsolePath is where Admin has the console.
const ConsolePath = "/console/"

// isConsole reports whether a request is the console's.
func isConsole(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, ConsolePath) }

// Admin returns the handler of the operator's port: GET /healthz (200 while the process
// runs), /readyz (200 while the gateway accepts clients, otherwise 503), /status (JSON),
// /metrics and /usage, and POST /drain, /reload, /upgrade and /trace, which no page in a browser can
// send, and nobody elsewhere without the token of admin (OnlyOperators).
//
// It answers requests whose Host is an IP address, localhost, the name in the address of
// admin, or one of admin's hosts, requests without a Host, and all requests that come by a
// unix socket. Every other request gets a 421 (Misdirected Request).
func (g *Gateway) Admin(o AdminOptions) http.Handler {
	if o.Status == nil {
		o.Status = g.Status
	}
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
		json.NewEncoder(w).Encode(o.Status())
	})
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	if o.Usage != nil {
		mux.Handle("GET /usage", o.Usage)
	}
	if o.Trace != nil {
		mux.Handle("POST /trace", o.Trace)
	}
	if o.Fleet != nil {
		mux.Handle("GET /fleet/", o.Fleet)
		mux.Handle("POST /fleet/", o.Fleet)
	}
	if o.Drain != nil {
		mux.HandleFunc("POST /drain", func(w http.ResponseWriter, _ *http.Request) {
			o.Drain()
			answer(w, http.StatusAccepted, "draining")
		})
	}
	mux.HandleFunc("POST /reload", o.reload)
	mux.HandleFunc("POST /upgrade", o.upgrade)
	if o.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	}
	if o.Console != nil {
		mux.Handle(ConsolePath, o.Console)
		mux.Handle("GET /{$}", http.RedirectHandler(ConsolePath, http.StatusFound))
	}
	return g.byName(g.OnlyOperators(mux))
}

func (o *AdminOptions) reload(w http.ResponseWriter, _ *http.Request) {
	if o.Reload == nil {
		answer(w, http.StatusConflict, "the gateway has no configuration file")
	} else if err := o.Reload(); err != nil {
		answer(w, http.StatusUnprocessableEntity, err.Error())
	} else {
		answer(w, http.StatusOK, "reloaded")
	}
}

func (o *AdminOptions) upgrade(w http.ResponseWriter, _ *http.Request) {
	if o.Upgrade == nil {
		answer(w, http.StatusConflict, "this program cannot upgrade the gateway")
	} else if status, err := o.Upgrade(); err != nil {
		answer(w, status, err.Error())
	} else {
		answer(w, http.StatusOK, "upgraded")
	}
}

// OnlyOperators refuses orders (POST) with a 403 that come from a page in a browser, or that
// neither come from this machine nor have the token of admin ("Authorization: Bearer TOKEN").
// Admin does that too; it is for programs that put something before Admin. Requests of the console
// pass.
func (g *Gateway) OnlyOperators(h http.Handler) http.Handler {
	orders := noPages(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !FromHere(r) && !g.HasToken(r) {
			answer(w, http.StatusForbidden, `orders are taken from this machine, or with the token of "admin: token_file" (--admin-token-file)`)
			return
		}
		h.ServeHTTP(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isConsole(r) {
			h.ServeHTTP(w, r)
			return
		}
		orders.ServeHTTP(w, r)
	})
}

// HasToken reports whether a request has the token of admin ("Authorization: Bearer TOKEN"). It is
// false where the configuration names no token_file.
func (g *Gateway) HasToken(r *http.Request) bool { return g.state.Load().cfg.Admin.hasToken(r) }

// Config returns the configuration in force, with its defaults. It must not be changed.
func (g *Gateway) Config() *Config { return g.state.Load().cfg }

// FromHere reports whether a request comes from this machine: from a loopback address, or by a
// unix socket.
func FromHere(r *http.Request) bool {
	if local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr); local != nil && local.Network() == "unix" {
		return true
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}

// hasToken reports whether an order has the token. The file is read each time: orders are rare,
// and a token that was replaced must not go on to be good.
func (a *Admin) hasToken(r *http.Request) bool {
	got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || a.TokenFile == "" {
		return false
	}
	want, err := readAdminToken(a.TokenFile)
	return err == nil && subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

// minAdminToken is how long the token of the admin port is at least, in bytes.
const minAdminToken = 16

// readAdminToken reads the token of the admin port: the only line of a file.
func readAdminToken(file string) (string, error) {
	p, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(p))
	if len(token) < minAdminToken || !httphead.IsFieldValue(token) {
		return "", fmt.Errorf("%s: a token has at least %d characters, in one line", file, minAdminToken)
	}
	return token, nil
}

// byName refuses requests whose Host is not a name of the operator's port. Anybody can make
// a name of theirs resolve to the address of this port. In a browser that can reach the
// port, a page of theirs then has the same origin as the port, and could read its answers
// (DNS rebinding).
func (g *Gateway) byName(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		bySocket := local != nil && local.Network() == "unix" // which no page can open
		if a := &g.state.Load().cfg.Admin; !bySocket && !a.hasName(r.Host) {
			answer(w, http.StatusMisdirectedRequest, fmt.Sprintf("the admin port does not answer for host %.100q: "+
				`use an IP address or localhost, or add the name to "admin: hosts" or --admin-host`, r.Host))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// hasName reports whether the port answers a request with this Host. A request without a
// Host, as in HTTP/1.0, does not come from a browser.
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

// hostName returns the name in HOST or HOST:PORT, without the dot that a whole domain name
// may end with and without the brackets of an IPv6 address.
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

// noPages refuses commands (POST) from a page in a browser, which the browser marks with one
// of these fields: any page can send a POST to a port on loopback.
func noPages(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && (r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "") {
			answer(w, http.StatusForbidden, "a page in a browser may not send commands to the admin port")
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
