package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/cmd/draftwire/internal/console"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/metrics"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
	"github.com/sirupsen/logrus"
)

// newConsole returns the console of the gateway's admin port.
func (r *runningGateway) newConsole() *console.Console {
	o := console.Options{
		Prefix: gateway.ConsolePath, Kind: "gateway", Version: readBuild().Version,
		Live: r.live, Replaced: r.replacedConnections, Status: func() any { return r.consoleStatus() },
		// Whoever lets the port answer to any name has given up what keeps out pages whose names
		// lead here. What a proxy on this machine passes on comes from anywhere.
		Here: func(q *http.Request) bool {
			return gateway.FromHere(q) && (q.Host == "" || namesMachine(q.Host)) && !isForwarded(q.Header)
		},
		Token:     func(q *http.Request) bool { return r.HasToken(q) },
		TokenFile: func() bool { return r.Config().Admin.TokenFile != "" }, Payload: func() bool { return r.Config().Admin.Console == "on" },
		Profiles: r.tlsProfiles, Totals: r.totals, Explain: refusal, Report: r.report, Plan: r.plan,
		Orders: console.Orders{Drain: r.orderDrain, Retire: r.noteStage}, Audit: r.noteOrder, Target: r.tryTarget,
		Watching: func(on bool) {
			most := 0
			if on {
				most = watchedHeads
			}
			r.KeepHeads(most)
		},
	}
	if r.file != "" {
		o.Orders.Reload = r.reload
	}
	return console.New(o)
}

// watchedHeads is how many sessions at a time keep the heads of their handshakes with backends,
// of those that open while somebody looks at the console.
const watchedHeads = 1000

// serveConsole answers a request for the console, which a reload may switch off.
func (r *runningGateway) serveConsole(w http.ResponseWriter, q *http.Request) {
	if r.Config().Admin.Console == "off" {
		http.NotFound(w, q)
		return
	}
	r.watch.console.ServeHTTP(w, q)
}

// noteOrder logs an order.
func (r *runningGateway) noteOrder(o console.Order) {
	r.log.WithFields(logrus.Fields{"event": "audit", "who": o.Who, "what": short(o.What), "result": short(o.Result)}).Info("an order")
}

// audited notes the orders that come to the admin port beside the console.
func (r *runningGateway) audited(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodPost || strings.HasPrefix(q.URL.Path, gateway.ConsolePath) {
			h.ServeHTTP(w, q)
			return
		}
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		at := time.Now()
		h.ServeHTTP(s, q)
		result := "done"
		if s.status >= 300 {
			result = "refused: " + http.StatusText(s.status)
		}
		r.watch.console.Note(console.Order{At: at, Who: console.Who(q), What: short(strings.TrimPrefix(q.URL.Path, "/")), Result: result})
	})
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// tlsProfiles are the profiles of the listeners with TLS.
func (r *runningGateway) tlsProfiles() map[string]string {
	out := map[string]string{}
	for _, l := range r.Config().Listen {
		if l.TLS != nil {
			out[l.Name] = l.TLS.Profile
		}
	}
	return out
}

// plan is the plan in force.
func (r *runningGateway) plan() usage.Plan {
	return r.Plan()
}

// report is that of the ledger.
func (r *runningGateway) report() *usage.Report {
	r.before.pull() // without an answer: as of the last time
	var s *usage.Snapshot
	r.watch.book.use(func(l *usage.Ledger) { s = l.Snapshot() })
	return s.Report(usage.ReportOptions{Plan: r.plan(), Now: time.Now()})
}

// totals are what this process has counted, as its metrics have it.
func (r *runningGateway) totals() console.Totals {
	t := console.Totals{Losses: map[string]uint64{}}
	families, err := r.registry.Gather()
	if err != nil {
		return t
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			n := uint64(m.GetCounter().GetValue())
			switch kind := labels["type"]; {
			case f.GetName() == "draftwire_losses_total":
				t.Losses[labels["loss"]] += n
			case f.GetName() != "draftwire_messages_total" || kind != "text" && kind != "binary":
			case labels["direction"] == metrics.In:
				t.MessagesIn += n
			default:
				t.MessagesOut += n
			}
		}
	}
	return t
}

// tryTarget is where the console connects to as a client: the listener of that name, or the first.
func (r *runningGateway) tryTarget(name string) (*console.Target, error) {
	open := map[string]string{} // names of listeners to where they listen
	for _, l := range r.Status().Listeners {
		open[l.Name] = l.Address
	}
	for _, l := range r.Config().Listen {
		if name != "" && l.Name != name {
			continue
		}
		t := &console.Target{}
		if u, err := url.Parse(l.PublicURL); err == nil {
			t.Host = u.Host
		}
		if l.Proxy.Mode == "require" {
			return nil, fmt.Errorf("listener %s wants a PROXY header", l.Name)
		}
		at, err := netip.ParseAddrPort(open[l.Name])
		if err != nil {
			path := open[l.Name]
			t.URL, t.Dial = "ws://localhost", func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "unix", path) }
			return t, nil
		}
		switch a := at.Addr(); {
		case a == netip.IPv4Unspecified():
			at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
		case a.IsUnspecified():
			at = netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
		}
		t.URL = "ws://" + at.String()
		return t, nil
	}
	return nil, fmt.Errorf("there is no listener %.80q", name)
}

// live appends the open sessions.
func (r *runningGateway) live(list []console.Live) []console.Live {
	for _, s := range r.Sessions() {
		list = append(list, console.Live{ID: s.ID(), Conn: s.Client(), Session: s})
	}
	return list
}

// replacedEvery is how often the processes before this one are asked how many connections they
// have, while a console wants to know.
const replacedEvery = 5 * time.Second

// replacedCount is what they said last.
type replacedCount struct {
	connections atomic.Int64
	asked       atomic.Int64 // when, in nanoseconds
}

// replacedConnections is how many connections the processes before this one have, as far as it is
// known: nobody waits for their answer.
func (r *runningGateway) replacedConnections() int {
	if r.before.over() {
		return 0
	}
	now, last := time.Now().UnixNano(), r.older.asked.Load()
	if now-last > int64(replacedEvery) && r.older.asked.CompareAndSwap(last, now) {
		go func() {
			if s, err := r.before.askStatus(askTimeout); err == nil {
				r.older.connections.Store(int64(s.Connections))
			}
		}()
	}
	return int(r.older.connections.Load())
}

// servedConsole is where serve has its console.
const servedConsole = "/_console/"

// consoleURL is the console of serve at a listener, as this machine reaches it.
func consoleURL(l net.Listener) string {
	return "http" + strings.TrimPrefix(strings.TrimSuffix(urlOf(l, false), "/"), "ws") + servedConsole
}

// served is what serve notes of a connection for its console, as Handshake.Value.
type served struct {
	began time.Time // of serve
	id    uint64
	last  atomic.Uint32 // service.clock at the last message; 0: none
}

// said notes that a message has come.
func (v *served) said(now uint32) {
	if v.last.Load() != now { // mostly it is, and a load costs less than a store
		v.last.Store(now)
	}
}

// authorize admits every client, but to paths of the console: that has no WebSocket.
func (s *service) authorize(h *draftwire.Handshake, a *draftwire.Answer) error {
	if path, _ := splitTarget(h); strings.HasPrefix(path+"/", servedConsole) {
		return wire.NewHandshakeError(h.Version(), wire.ReasonNoRoute, "the console has no WebSocket")
	}
	a.Value = &served{began: s.start, id: s.lastID.Add(1)}
	return nil
}

// begin lets the clock of the service go, until the function is called that it returns.
func (s *service) begin() (end func()) {
	t, done := time.NewTicker(time.Second), make(chan struct{})
	go func() {
		for {
			select {
			case now := <-t.C:
				s.clock.Store(uint32(now.Sub(s.start)/time.Second) + 1)
			case <-done:
				return
			}
		}
	}()
	return func() {
		t.Stop()
		close(done)
		if s.console != nil {
			s.console.Close()
		}
	}
}

// newConsole returns the console of serve.
func (s *service) newConsole(srv *draftwire.Server) *console.Console {
	live := func(list []console.Live) []console.Live {
		for _, c := range srv.Conns() {
			if v, ok := c.Handshake().Value().(*served); ok {
				list = append(list, console.Live{ID: v.id, Conn: c})
			}
		}
		return list
	}
	return console.New(console.Options{
		Prefix: servedConsole, Kind: "serve", Version: readBuild().Version, Live: live,
		Last: func(x *console.Live) time.Time {
			v := x.Conn.Handshake().Value().(*served)
			if n := v.last.Load(); n > 0 {
				return v.began.Add(time.Duration(n) * time.Second)
			}
			return time.Time{}
		},
		Status: func() any {
			counts := srv.Counts()
			all := gateway.ListenerStatus{Name: "serve", Address: strings.Join(s.addresses, " "), Pending: counts.Pending, Open: counts.Open, HTTP: counts.HTTP}
			return gateway.Status{
				Ready: true, Started: s.start, Configured: s.start, Limit: -1, Connections: counts.Open,
				Versions: map[string]int{}, Listeners: []gateway.ListenerStatus{all}, Routes: []gateway.RouteStatus{},
			}
		},
		Totals: func() console.Totals {
			in, out := s.ended[0].Load(), s.ended[1].Load()
			for _, x := range live(nil) {
				n := x.Conn.Stats()
				in, out = in+n.MessagesIn, out+n.MessagesOut
			}
			return console.Totals{MessagesIn: in, MessagesOut: out}
		},
		Explain: refusal, Here: fromLoopback, Payload: func() bool { return true },
	})
}

// withConsole has the console beside another handler, for requests from this machine that ask it by an
// address or as localhost: other names may be those of somebody else that lead here, and what a
// proxy on this machine passes on comes from anywhere.
func withConsole(h, own http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasPrefix(r.URL.Path+"/", servedConsole):
			h.ServeHTTP(w, r)
		case !fromLoopback(r) || !namesMachine(r.Host) || isForwarded(r.Header):
			http.NotFound(w, r)
		default:
			own.ServeHTTP(w, r)
		}
	})
}

// fromLoopback reports whether a request comes from a loopback address. One by a unix socket may be
// passed on by a web server.
func fromLoopback(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}

// namesMachine reports whether the Host of a request is an address or localhost.
func namesMachine(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	_, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil || strings.EqualFold(name, "localhost")
}

// isForwarded reports whether a proxy says that it has passed a request on.
func isForwarded(h http.Header) bool {
	for name := range h {
		switch name {
		case "Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip":
			return true
		}
		if strings.HasPrefix(name, "X-Forwarded-") {
			return true
		}
	}
	return false
}
