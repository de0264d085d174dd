package main

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/cmd/draftwire/internal/console"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/wire"
)

// newConsole returns the console of the gateway's admin port.
func (r *runningGateway) newConsole() http.Handler {
	r.console = console.New(console.Options{
		Prefix: gateway.ConsolePath, Kind: "gateway", Version: readBuild().Version,
		Live: r.live, Replaced: r.replacedConnections, Status: func() any { return r.status() },
		Here: gateway.FromHere, Token: r.HasToken, TokenFile: func() bool { return r.AdminConfig().TokenFile != "" },
		Payload: func() bool { return r.AdminConfig().Console == "on" },
	})
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if r.AdminConfig().Console == "off" {
			http.NotFound(w, q)
			return
		}
		r.console.ServeHTTP(w, q)
	})
}

// live appends the open sessions.
func (r *runningGateway) live(list []console.Live) []console.Live {
	for _, s := range r.Sessions() {
		list = append(list, console.Live{ID: s.ID(), Conn: s.Client(), Session: s})
	}
	return list
}

// replacedConnections is how many connections the processes before this one have.
func (r *runningGateway) replacedConnections() int {
	older, err := r.before.askStatus(askTimeout)
	if err != nil {
		return 0
	}
	return older.Connections
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
	a.Value = &served{began: s.began, id: s.lastID.Add(1)}
	return nil
}

// tick lets the clock of the service go, until the function is called that it returns.
func (s *service) tick() (stop func()) {
	t, done := time.NewTicker(time.Second), make(chan struct{})
	go func() {
		for {
			select {
			case now := <-t.C:
				s.clock.Store(uint32(now.Sub(s.began)/time.Second) + 1)
			case <-done:
				return
			}
		}
	}()
	return func() {
		t.Stop()
		close(done)
	}
}

// newConsole returns the console of serve.
func (s *service) newConsole(srv *draftwire.Server) http.Handler {
	return console.New(console.Options{
		Prefix: servedConsole, Kind: "serve", Version: readBuild().Version,
		Live: func(list []console.Live) []console.Live {
			for _, c := range srv.Conns() {
				if v, ok := c.Handshake().Value().(*served); ok {
					list = append(list, console.Live{ID: v.id, Conn: c})
				}
			}
			return list
		},
		Last: func(x *console.Live) time.Time {
			v := x.Conn.Handshake().Value().(*served)
			if n := v.last.Load(); n > 0 {
				return v.began.Add(time.Duration(n) * time.Second)
			}
			return time.Time{}
		},
		Here: fromLoopback, Payload: func() bool { return true },
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
	for _, name := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}
