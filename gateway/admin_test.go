package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// The operator's port.
func TestAdmin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.echo("back:80", draftwire.AllVersions)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Routes[0].Health.Check = "tcp"
		cfg.Versions = map[string][]gateway.Stage{
			"hixie-75": {{Mode: "warn"}, {Mode: "off", From: time.Now().Add(time.Hour)}},
		}
		w.start(cfg)
		var reloads error
		drains := 0
		h := w.gw.Admin(gateway.AdminOptions{
			Metrics: http.NotFoundHandler(), Reload: func() error { return reloads }, Drain: func() { drains++ },
		})
		ask := func(method, path string, fields ...string) (int, string) {
			r := httptest.NewRequest(method, "http://127.0.0.1:9090"+path, nil)
			r.RemoteAddr = "127.0.0.1:40000"
			for i := 0; i < len(fields); i += 2 {
				r.Header.Set(fields[i], fields[i+1])
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			return rec.Code, rec.Body.String()
		}
		expect := func(wantStatus int, want, method, path string, fields ...string) {
			t.Helper()
			if status, body := ask(method, path, fields...); status != wantStatus || !strings.Contains(body, want) {
				t.Errorf("%s %s %v: %d %q", method, path, fields, status, body)
			}
		}
		w.mustClient(draftwire.Hixie75, draftwire.DialOptions{})
		w.mustClient(draftwire.RFC6455, draftwire.DialOptions{})
		expect(200, "ok", "GET", "/healthz")
		expect(200, "ready", "GET", "/readyz")
		expect(200, "reloaded", "POST", "/reload")
		reloads = errors.New("line 5: no")
		expect(422, "line 5: no", "POST", "/reload")
		expect(405, "", "GET", "/reload")
		expect(405, "", "GET", "/drain")
		expect(404, "", "GET", "/debug/pprof/")
		expect(404, "", "GET", "/usage")
		expect(404, "", "GET", "/metrics")
		expect(403, "", "POST", "/drain", "Origin", "https://evil.example")
		expect(403, "", "POST", "/reload", "Sec-Fetch-Site", "cross-site")
		expect(403, "", "POST", "/reload", "Sec-Fetch-Site", "same-site")
		expect(403, "", "POST", "/reload", "Sec-Fetch-Site", "same-origin") // a page of that origin may be somebody else's, whose name leads here
		if drains != 0 {
			t.Error("another site's page drained the gateway")
		}
		pass(0) // a session is counted after its 101
		_, body := ask("GET", "/status")
		var s gateway.Status
		if err := json.Unmarshal([]byte(body), &s); err != nil {
			t.Fatal(err)
		}
		if !s.Ready || s.Connections != 2 || s.Versions["hixie-75"] != 1 || s.Versions["rfc6455"] != 1 || s.Versions["hybi-08"] != 0 ||
			len(s.Versions) != len(draftwire.ServedVersions().List()) || s.Limit != gateway.DefaultConnections ||
			s.Listeners[0].Open != 2 || s.Routes[0].Backends[0].Connections != 2 || !s.Routes[0].Backends[0].Up {
			t.Errorf("status: %s", body)
		}
		if len(s.Retiring) != 2 || s.Retiring[0].Mode != "warn" || s.Retiring[1].Mode != "off" {
			t.Errorf("retiring: %+v", s.Retiring)
		}
		w.down("back:80")
		pass(10 * time.Second)
		expect(503, "route r has no backend that is up", "GET", "/readyz")
		expect(200, "ok", "GET", "/healthz")
		expect(202, "draining", "POST", "/drain")
		if drains != 1 {
			t.Error("not drained")
		}
		for _, s := range w.gw.Sessions() {
			s.Client().CloseNow()
		}
		w.gw.Drain(bg)
		expect(503, "draining", "GET", "/readyz")
		none := w.gw.Admin(gateway.AdminOptions{Pprof: true})
		h = none
		expect(409, "no configuration file", "POST", "/reload")
		expect(404, "", "POST", "/drain")
		expect(200, "goroutine", "GET", "/debug/pprof/")
	})
}

// Hosts of requests to a port at gw.example, which has three more names.
var ownHosts = []string{
	"", "127.0.0.1", "127.0.0.1:9090", "127.0.0.1.:9090", "192.0.2.7:1", "[::1]:9090", "[::1]", "[2001:db8::1]:", "localhost", "LocalHost:9090", "localhost.:80",
	"gw.example:9090", "GW.Example.", "gw-1.example.com", "a.fleet.example:9090", "gateway",
}

var foreignHosts = []string{
	"evil.example", "evil.example:9090", "127.0.0.1.evil.example", "127.0.0.1.nip.io:9090", "localhost.evil.example", "evil-localhost", "fleet.example",
	"gw-1.example.com.evil.example", "gw.example..", "xgw.example", "::1", "[localhost]", "[evil.example]:9090", "[::1", "[::1]x", "127.0.0.1:9090:evil", "127.0.0.1:x",
	"localhost@evil.example", "evil.example,127.0.0.1", "127.1", "0x7f000001", ".", ":9090x", "*", "off",
}

// The operator's port answers queries and commands only under its own names: any other name
// that leads to it may belong to somebody else, and so may the page that asks.
func TestAdminAnswersUnderItsOwnNamesAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Admin = gateway.Admin{Address: "gw.example:9090", Hosts: []string{"gw-1.example.com", "*.fleet.example", "gateway"}}
		w.start(cfg)
		orders := 0
		h := w.gw.Admin(gateway.AdminOptions{
			Metrics: http.NotFoundHandler(), Usage: http.NotFoundHandler(), Pprof: true,
			Reload: func() error { orders++; return nil }, Drain: func() { orders++ },
		})
		ask := func(ctx context.Context, head string) *httptest.ResponseRecorder {
			t.Helper()
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
			if err != nil {
				t.Fatalf("%q: %v", head, err)
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r.WithContext(ctx))
			return rec
		}
		for _, host := range ownHosts {
			if rec := ask(bg, "GET /status HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); rec.Code != 200 {
				t.Errorf("%q: %d %s", host, rec.Code, rec.Body)
			}
		}
		if rec := ask(bg, "GET /readyz HTTP/1.0\r\n\r\n"); rec.Code != 200 { // HAProxy's check
			t.Errorf("HTTP/1.0: %d %s", rec.Code, rec.Body)
		}
		for _, host := range foreignHosts {
			for _, line := range []string{"GET /status", "GET /usage", "GET /metrics", "GET /healthz", "GET /readyz", "GET /debug/pprof/", "POST /drain", "POST /reload"} {
				rec := ask(bg, line+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
				if rec.Code != 421 || !strings.Contains(rec.Body.String(), ": use an IP address or localhost, or add the name to \"admin: hosts\"") {
					t.Errorf("%s of %q: %d %s", line, host, rec.Code, rec.Body)
				}
			}
		}
		if rec := ask(bg, "GET http://evil.example/status HTTP/1.1\r\nHost: localhost\r\n\r\n"); rec.Code != 421 {
			t.Errorf("a whole URL: %d %s", rec.Code, rec.Body)
		}
		if orders != 0 {
			t.Errorf("%d orders were obeyed", orders)
		}
		local := context.WithValue(bg, http.LocalAddrContextKey, net.Addr(&net.UnixAddr{Name: "/run/admin", Net: "unix"}))
		if rec := ask(local, "GET /status HTTP/1.1\r\nHost: evil.example\r\n\r\n"); rec.Code != 200 {
			t.Errorf("by a unix socket: %d %s", rec.Code, rec.Body)
		}
		if rec := ask(bg, "POST /reload HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n"); rec.Code != 403 || orders != 0 {
			t.Errorf("an order of a page: %d %s", rec.Code, rec.Body)
		}
		cfg.Admin.Hosts = []string{"*"}
		if err := w.gw.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		if rec := ask(bg, "GET /status HTTP/1.1\r\nHost: evil.example\r\n\r\n"); rec.Code != 200 {
			t.Errorf("with any host taken: %d %s", rec.Code, rec.Body)
		}
	})
}

// Orders are taken from this machine, or with the token, and never from a page.
func TestAdminTakesOrdersFromOperatorsAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		os.WriteFile(file, []byte("0123456789abcdef\n"), 0o600)
		w := newWorld(t)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Admin.TokenFile = file
		w.start(cfg)
		h := w.gw.Admin(gateway.AdminOptions{Drain: func() {}, Reload: func() error { return nil }})
		ask := func(method, path, from, token, site string) int {
			r := httptest.NewRequest(method, "http://10.0.0.1:9090"+path, nil)
			r.RemoteAddr = from
			if token != "" {
				r.Header.Set("Authorization", token)
			}
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			return rec.Code
		}
		for _, c := range []struct {
			from, token, site string
			want              int
		}{
			{"127.0.0.1:1", "", "", 202}, {"[::1]:1", "", "", 202}, {"[::ffff:127.0.0.1]:1", "", "", 202},
			{"10.0.0.2:1", "", "", 403}, {"[2001:db8::1]:1", "", "", 403}, {"", "", "", 403}, {"127.0.0.1.evil:1", "", "", 403},
			{"10.0.0.2:1", "Bearer 0123456789abcdef", "", 202}, {"10.0.0.2:1", "Bearer 0123456789abcdeF", "", 403},
			{"10.0.0.2:1", "Bearer ", "", 403}, {"10.0.0.2:1", "0123456789abcdef", "", 403},
			{"127.0.0.1:1", "", "cross-site", 403}, {"10.0.0.2:1", "Bearer 0123456789abcdef", "same-origin", 403},
		} {
			if got := ask("POST", "/drain", c.from, c.token, c.site); got != c.want {
				t.Errorf("%+v: %d", c, got)
			}
		}
		if got := ask("GET", "/status", "10.0.0.2:1", "", ""); got != 200 {
			t.Errorf("a question from elsewhere: %d", got)
		}
		for _, token := range []string{"", "short\n", "0123456789abcdef\nsecond\n"} {
			os.WriteFile(file, []byte(token), 0o600)
			if got := ask("POST", "/drain", "10.0.0.2:1", "Bearer "+strings.TrimSpace(token), ""); got != 403 {
				t.Errorf("token %q: %d", token, got)
			}
			if err := cfg.CheckFiles(); err == nil {
				t.Errorf("token %q passes the check", token)
			}
		}
	})
}

// The console judges its own requests, of pages too; no other order passes in its name.
func TestAdminConsole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.echo("back:80", draftwire.AllVersions)
		w.start(to(gateway.Policy{}, "ws://back"))
		drains, asked := 0, 0
		h := w.gw.OnlyOperators(w.gw.Admin(gateway.AdminOptions{
			Drain:   func() { drains++ },
			Console: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked++; w.WriteHeader(http.StatusTeapot) }),
		}))
		for _, tt := range []struct {
			method, target, from, host string
			want                       int
		}{
			{"GET", "/", "192.0.2.1:4", "127.0.0.1", 302},
			{"GET", "/console/", "192.0.2.1:4", "127.0.0.1", 418},
			{"POST", "/console/api/orders/drain", "192.0.2.1:4", "127.0.0.1", 418},
			{"GET", "/console/", "127.0.0.1:4", "evil.example", 421},
			{"POST", "/console/api/orders/drain", "127.0.0.1:4", "evil.example", 421},
			{"POST", "/", "127.0.0.1:4", "127.0.0.1", 403},
			{"POST", "/drain", "192.0.2.1:4", "127.0.0.1", 403},
			{"POST", "/console/../drain", "192.0.2.1:4", "127.0.0.1", 307},
			{"POST", "/console/%2e%2e/drain", "192.0.2.1:4", "127.0.0.1", 418},
			{"POST", "/console//../../drain", "192.0.2.1:4", "127.0.0.1", 307},
			{"CONNECT", "/console/../drain", "192.0.2.1:4", "127.0.0.1", 418},
			{"POST", "/consolex", "192.0.2.1:4", "127.0.0.1", 403},
			{"GET", "/consolex", "192.0.2.1:4", "127.0.0.1", 404},
		} {
			r := httptest.NewRequest("GET", "http://127.0.0.1:9090/", nil)
			u, err := url.Parse("http://127.0.0.1:9090" + tt.target)
			if err != nil {
				t.Fatal(err)
			}
			r.Method, r.URL, r.RequestURI = tt.method, u, tt.target
			r.RemoteAddr, r.Host = tt.from, tt.host
			r.Header.Set("Origin", "https://page.example")
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Code != tt.want {
				t.Errorf("%s %s from %s for %s: %d, want %d", tt.method, tt.target, tt.from, tt.host, rec.Code, tt.want)
			}
		}
		if drains != 0 || asked != 4 {
			t.Errorf("%d drains, the console was asked %d times", drains, asked)
		}
	})
}
