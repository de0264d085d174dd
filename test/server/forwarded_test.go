package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// trusting are options that trust memnet's peer, and two more proxies.
func trusting() draftwire.AcceptOptions {
	o := wstest.Options()
	for _, n := range []string{"192.0.2.0/24", "198.51.100.0/24", "2001:db8:1::/48"} {
		o.TrustForwarded = append(o.TrustForwarded, netip.MustParsePrefix(n))
	}
	return o
}

// asked returns what a server makes of a hixie-76 request with these fields
// behind its own: the client, the proxy and the location.
func asked(t *testing.T, o draftwire.AcceptOptions, p *draftwire.ProxyProtocol, before, fields string) string {
	l, opened := proxyServer(t, o, p, false)
	nc, _ := l.Dial()
	defer nc.Close()
	head := wstest.Head(draftwire.Hixie76)
	if fields != "" {
		head = wstest.Head(draftwire.Hixie76, fields)
	}
	io.WriteString(nc, before+head+wstest.Key3)
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 101 {
		return fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Draftwire-Reason"))
	}
	c := <-opened
	h := c.Handshake()
	location := resp.Header.Get("Sec-Websocket-Location")
	if h.Secure() != strings.HasPrefix(location, "wss:") || c.RemoteAddr().String() != "192.0.2.1:1" {
		t.Errorf("secure %v and %s; peer %s", h.Secure(), location, c.RemoteAddr())
	}
	if ap, err := netip.ParseAddrPort(h.Remote()); err != nil || ap.String() != h.Remote() {
		t.Errorf("remote %q: %v", h.Remote(), err)
	}
	return strings.Join(strings.Fields(h.Remote()+" "+h.Via()+" "+strings.TrimSuffix(location, "/x")), " ")
}

const (
	bareURL = " ws://example.com"
	asIs    = "192.0.2.1:1" + bareURL // nothing was told
	by      = " 192.0.2.1:1"
)

var forwardedCases = []struct{ fields, want string }{
	{"", asIs},
	{"X-Forwarded-For: 203.0.113.7", "203.0.113.7:0" + by + bareURL},
	{"X-Forwarded-For: 203.0.113.7:4711", "203.0.113.7:4711" + by + bareURL},
	{"X-Forwarded-For: 2001:db8::7", "[2001:db8::7]:0" + by + bareURL},
	{"X-Forwarded-For: [2001:db8::7]", "[2001:db8::7]:0" + by + bareURL},
	{"X-Forwarded-For: [2001:db8::7]:4711", "[2001:db8::7]:4711" + by + bareURL},
	{"X-Forwarded-For: ::ffff:203.0.113.7", "203.0.113.7:0" + by + bareURL},
	{"x-forwarded-for: 6.6.6.6, 203.0.113.7, 198.51.100.9", "203.0.113.7:0" + by + bareURL},
	{"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 2001:db8:1::1,198.51.100.9", "203.0.113.7:0" + by + bareURL},
	{"X-Forwarded-For: 198.51.100.8, 198.51.100.9", "198.51.100.8:0" + by + bareURL},
	{"X-Forwarded-For: 6.6.6.6, unknown", asIs},
	{"X-Forwarded-For: 6.6.6.6, unknown, 198.51.100.9", "198.51.100.9:0" + by + bareURL},
	{"X-Forwarded-For: 6.6.6.6, ", asIs},
	{"X-Forwarded-For: \"6.6.6.6, 203.0.113.7", "203.0.113.7:0" + by + bareURL},
	{"X-Forwarded-For: fe80::1%eth0", asIs},
	{"X-Forwarded-For: 203.0.113.7:70000", asIs},
	{"X-Forwarded-For: 203.0.113.7:", asIs},
	{"X-Forwarded-For: [203.0.113.7]", asIs},
	{"X-Forwarded-For: [2001:db8::7]4711", asIs},
	{"X-Forwarded-For: example.com", asIs},
	{"X-Forwarded-Proto: https", "192.0.2.1:1 wss://example.com"},
	{"X-Forwarded-Proto: HTTPS, http\r\nX-Forwarded-Host: tv.example.com, inner", "192.0.2.1:1 wss://tv.example.com"},
	{"X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a b", asIs},
	{"X-Forwarded-Host: example.com/evil", asIs},
	{"X-Forwarded-Host: evil@example.com", asIs},
	{"X-Forwarded-Host: [2001:db8::7]:8080", "192.0.2.1:1 ws://[2001:db8::7]:8080"},

	{"Forwarded: for=203.0.113.7", "203.0.113.7:0" + by + bareURL},
	{"forwarded: FOR=203.0.113.7;Proto=https;HOST=tv.example.com;by=198.51.100.9", "203.0.113.7:0" + by + " wss://tv.example.com"},
	{`Forwarded: for="203.0.113.7:4711"`, "203.0.113.7:4711" + by + bareURL},
	{`Forwarded: for=203.0.113.7:4711`, "203.0.113.7:4711" + by + bareURL},
	{`Forwarded: for="[2001:db8::7]:4711"`, "[2001:db8::7]:4711" + by + bareURL},
	{`Forwarded: for="[2001:db8::7]"`, "[2001:db8::7]:0" + by + bareURL},
	{`Forwarded: for="203.0.113.7:_port"`, "203.0.113.7:0" + by + bareURL},
	{`Forwarded: for="\2\0\3.0.113.7" ; proto="https"`, "203.0.113.7:0" + by + " wss://example.com"},
	{`Forwarded: for=6.6.6.6;host=evil.example, for=203.0.113.7, for=198.51.100.9`, "203.0.113.7:0" + by + bareURL},
	{"Forwarded: for=6.6.6.6\r\nForwarded: for=203.0.113.7;proto=https\r\nForwarded: for=198.51.100.9;proto=http", "203.0.113.7:0" + by + " wss://example.com"},
	{`Forwarded: for=203.0.113.7;x="a, for=6.6.6.6;y=\"", for=198.51.100.9`, "203.0.113.7:0" + by + bareURL},
	{"Forwarded: for=203.0.113.7\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example", asIs},
	{"Forwarded: for=203.0.113.7;proto=https\r\nX-Forwarded-For: 203.0.113.7", "203.0.113.7:0" + by + " wss://example.com"},
	{"Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 203.0.113.7", asIs},
	{"Forwarded: nonsense\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https", asIs},
	{"Forwarded: for=_hidden;proto=https", "192.0.2.1:1 wss://example.com"},
	{"Forwarded: for=6.6.6.6, for=_hidden", asIs},
	{"Forwarded: for=6.6.6.6, for=unknown, for=198.51.100.9", "198.51.100.9:0" + by + bareURL},
	{"Forwarded: for=6.6.6.6, by=_x", asIs},
	{"Forwarded: for=6.6.6.6,", asIs},
	{"Forwarded: for=6.6.6.6;for=203.0.113.7", asIs},
	{"Forwarded: for=", asIs},
	{"Forwarded: for", asIs},
	{"Forwarded: =203.0.113.7", asIs},
	{"Forwarded: for = 203.0.113.7", asIs},
	{`Forwarded: for="203.0.113.7`, asIs},
	{`Forwarded: for="203.0.113.7\`, asIs},
	{`Forwarded: for="203.0.113.7"x`, asIs},
	{`Forwarded: for=6.6.6.6;x=", for=203.0.113.7`, "203.0.113.7:0" + by + bareURL},
	{`Forwarded: for=6.6.6.6;x=", for="[2001:db8::7]:1";proto=https`, "[2001:db8::7]:1" + by + " wss://example.com"},
	{`Forwarded: x=", for=203.0.113.7;host=",for=6.6.6.6,z="`, "203.0.113.7:0" + by + bareURL}, // a host that the client chose, in quotes that it opened
	{`Forwarded: for=203.0.113.7;host="evil.example/x"`, "203.0.113.7:0" + by + bareURL},
	{`Forwarded: for=203.0.113.7;host="[2001:db8::7]:8080"`, "203.0.113.7:0" + by + " ws://[2001:db8::7]:8080"},
}

// Whom a request comes from, by the fields of the proxies that are trusted.
func TestForwardedClient(t *testing.T) {
	for _, tt := range forwardedCases {
		synctest.Test(t, func(t *testing.T) {
			if got := asked(t, trusting(), nil, "", tt.fields); got != tt.want {
				t.Errorf("%q: %s, want %s", tt.fields, got, tt.want)
			}
			o := wstest.Options()
			o.TrustForwarded = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
			if got := asked(t, o, nil, "", tt.fields); got != asIs {
				t.Errorf("%q, from elsewhere: %s, want %s", tt.fields, got, asIs)
			}
		})
	}
}

// Behind PROXY the peer that is judged is the one that the header names.
func TestForwardedBehindProxy(t *testing.T) {
	for peer, want := range map[string]string{
		"198.51.100.9": "203.0.113.7:0 198.51.100.9:48396 wss://example.com",
		"203.0.113.99": "203.0.113.99:48396 192.0.2.1:1 ws://example.com",
	} {
		synctest.Test(t, func(t *testing.T) {
			o := wstest.Options()
			o.TrustForwarded = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
			before := "PROXY TCP4 " + peer + " 192.0.2.1 48396 443\r\n"
			if got := asked(t, o, proxyTrusting(), before, "Forwarded: for=203.0.113.7;proto=https"); got != want {
				t.Errorf("%s: %s, want %s", peer, got, want)
			}
		})
	}
}

// A refusal names the client too, and net/http's requests are read the same.
func TestForwardedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen refusals
		o := trusting()
		o.Versions, o.Observer = draftwire.ModernVersions, seen.observer()
		if got := asked(t, o, nil, "", "X-Forwarded-For: 203.0.113.7"); got != "426 version_disabled" {
			t.Errorf("got %s", got)
		}
		if got := seen.String(); got != "203.0.113.7:0 version_disabled" {
			t.Errorf("told %s", got)
		}
	})
	seen := make(chan string, 1)
	o := trusting()
	o.TrustForwarded = append(o.TrustForwarded, netip.MustParsePrefix("127.0.0.0/8"))
	o.Authorize = func(h *draftwire.Handshake, _ *draftwire.Answer) error {
		host, _, _ := net.SplitHostPort(h.Via())
		seen <- h.Remote() + " " + host
		return nil
	}
	srv := httptest.NewServer(draftwire.Handler(wstest.Echo, &o))
	defer srv.Close()
	c, _, err := draftwire.Dial(context.Background(), srv.URL, &draftwire.DialOptions{Header: http.Header{"Forwarded": {`for="[2001:db8::7]:1", for=198.51.100.9`}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if got := <-seen; got != "[2001:db8::7]:1 127.0.0.1" {
		t.Errorf("Accept saw %s", got)
	}
}

// Whatever a client writes, in front of what a trusted proxy adds behind a comma
// of its own it changes nothing but the reading of quotes that it left open: the
// address is the proxy's word or the peer's, never the client's.
func FuzzForwarded(f *testing.F) {
	for _, tt := range forwardedCases {
		name, value, _ := strings.Cut(tt.fields, ":")
		f.Add(strings.TrimSpace(value), strings.EqualFold(name, "Forwarded"))
	}
	f.Fuzz(func(t *testing.T, value string, rfc bool) {
		name, added := "X-Forwarded-For", "203.0.113.7"
		if rfc {
			name, added = "Forwarded", "for=203.0.113.7"
		}
		o := trusting()
		got := make(chan string, 1)
		o.Authorize = func(h *draftwire.Handshake, _ *draftwire.Answer) error {
			got <- h.Remote()
			return nil
		}
		ask := func(values ...string) string {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = "192.0.2.1:1"
			r.Header = http.Header{name: values, "Upgrade": {"websocket"}, "Connection": {"Upgrade"},
				"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Version": {"13"}}
			draftwire.Accept(httptest.NewRecorder(), r, &o) // has nothing to take over, and says so
			remote := <-got
			if ap, err := netip.ParseAddrPort(remote); err != nil || ap.String() != remote || ap.Addr().Is4In6() {
				t.Errorf("%q: remote %q", values, remote)
			}
			return remote
		}
		ask(value)
		if remote := ask(value, added); remote != "203.0.113.7:0" {
			t.Errorf("%q in a field of its own: %s", value, remote)
		}
		if remote := ask(value + ", " + added); remote != "203.0.113.7:0" {
			t.Errorf("%q in the same field: %s", value, remote)
		}
		if !rfc {
			return
		}
		host := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value)
		if remote := ask(value + ", " + added + `;host="` + host + `"`); remote != "203.0.113.7:0" {
			t.Errorf("%q in quotes of the proxy's: %s", value, remote)
		}
	})
}

// Behind a proxy that ends TLS, the URL that hixie answers repeat is the
// client's, if and only if the proxy is trusted to tell it.
func TestForwarded(t *testing.T) {
	head := strings.Replace(wstest.Head(draftwire.Hixie76), "Host: example.com", "Host: backend:8080\r\nX-Forwarded-Host: example.com, inner\r\nX-Forwarded-Proto: https, http", 1)
	for trusted, want := range map[string]string{
		"192.0.2.0/24":    "101 wss://example.com/x",
		"198.51.100.0/24": "403 ", // the origin is not the host
	} {
		synctest.Test(t, func(t *testing.T) {
			l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: draftwire.AcceptOptions{
				Versions: draftwire.AllVersions, TrustForwarded: []netip.Prefix{netip.MustParsePrefix(trusted)},
			}})
			nc, _ := l.Dial()
			defer nc.Close()
			wstest.Send(t, nc, []byte(head+wstest.Key3))
			resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Sec-Websocket-Location")); got != want {
				t.Errorf("trusting %s: %q, want %q", trusted, got, want)
			}
		})
	}
}
