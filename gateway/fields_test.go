package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// Whatever a client writes, its fields do not become other fields at the backend, and the
// backend does not count as failed.
func TestHostileFields(t *testing.T) {
	cases := []string{
		"X-A: b\rX-Injected: 1\r\n", "X-A: b\nX-Injected: 1\r\n", "X-A: b\x00c\r\n", "X-A: \x7f\x80\xff\t\r\n",
		"X-A: b\r\n X-Injected: 1\r\n", "X-A : b\r\n", "Sec-WebSocket-Protocol: a\x80, \tb\r\n", "Sec-WebSocket-Protocol: ,, ,\r\n",
		"Origin: http://a\"; x=\"b\r\n", "Cookie: " + strings.Repeat("x", 10000) + "\r\n", strings.Repeat("A: b\r\n", 120),
		strings.Repeat("A: b\r\n", 200), "Connection: close, Host, Cookie\r\n",
	}
	for _, hostile := range cases {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			s := w.script("back:80", refusing)
			var failed error
			w.startWith(to(gateway.Policy{}, "ws://back"), gateway.Hooks{BackendFailed: func(_, _ string, err error) {
				if he, ok := err.(*draftwire.HandshakeError); !ok || he.Status != 404 {
					failed = err
				}
			}})
			answer, nc := w.ask(head13("/a\x80b", hostile))
			nc.Close()
			if failed != nil {
				t.Errorf("%.60q: %v", hostile, failed)
			}
			if !strings.HasPrefix(answer, "HTTP/1.1 4") {
				t.Errorf("%.60q: answered %q", hostile, answer)
			}
			if strings.Contains(s.head(0), "\nX-Injected") || strings.Contains(s.head(0), "\rX-Injected") {
				t.Errorf("%.60q: injected: %q", hostile, s.head(0))
			}
			if b := w.gw.Status().Routes[0].Backends[0]; b.Error != "" {
				t.Errorf("%.60q: the backend failed: %s", hostile, b.Error)
			}
			w.settled(s)
		})
	}
}

// A Host that quotes does not break out of Forwarded.
func TestForwardedHostIsQuoted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.script("back:80", refusing)
		w.start(to(gateway.Policy{}, "ws://back"))
		_, nc := w.ask(strings.Replace(head13("/", ""), "Host: example.com", `Host: a";for=6.6.6.6;\"`, 1))
		nc.Close()
		if got := field(s.head(0), "Forwarded"); got != "" && got != `for=192.0.2.1;proto=http;host="a\";for=6.6.6.6;\\\""` {
			t.Errorf("Forwarded: %s", got)
		}
	})
}

// The gateway's credentials for the backend replace the client's, and no client or operator
// sees them.
func TestBackendCredentials(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.script("back:80", refusing)
		w.start(to(gateway.Policy{}, "ws://me:hidden@back"))
		_, nc := w.ask(head13("/", "authorization: Bearer x\r\n"))
		nc.Close()
		if got := s.head(0); strings.Count(strings.ToLower(got), "authorization:") != 1 || !strings.Contains(got, "Authorization: Basic ") {
			t.Errorf("got %q", got)
		}
		if url := w.gw.Status().Routes[0].Backends[0].URL; strings.Contains(url, "hidden") {
			t.Errorf("the status has %q", url)
		}
		bad := to(gateway.Policy{}, "ws://me:hidden@back?x=y")
		if err := bad.Check(); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("check: %v", err)
		}
	})
}

// Which of the client's fields the backend gets, and which fields the gateway sets.
func TestFields(t *testing.T) {
	const sent = "Cookie: a=b\r\nCookie: c=d\r\nAuthorization: Bearer x\r\nx-odd-SPELLING: kept\r\nX-Secret: 1\r\n" +
		"Origin: http://example.com\r\n" +
		"X-Forwarded-For: 6.6.6.6\r\nx-forwarded-proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n" +
		"Draftwire-Version: hixie-75\r\ndraftwire_version: hixie-75\r\nProxy-Authorization: Basic x\r\nKeep-Alive: 1\r\nTE: trailers\r\n" +
		"Trailer: x\r\nX-Hop: 1\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec_WebSocket_Key: x\r\nSec-WebSocket-Foo: x\r\n" +
		"x-set: 2\r\nX_Set: 2\r\nX.SET: 2\r\n"
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.script("back:80", refusing)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Routes[0].DropHeaders = []string{"x-secret"}
		cfg.Routes[0].SetHeaders = map[string]string{"X-Set": "1", "authorization": "Bearer mine"}
		w.start(cfg)
		head := strings.Replace(head13("/", sent), "Connection: Upgrade", "Connection: Upgrade, X-Hop", 1)
		_, nc := w.ask(head)
		nc.Close()
		got := s.head(0)
		for _, want := range []string{
			"Cookie: a=b", "Cookie: c=d", "x-odd-SPELLING: kept", "X-Set: 1", "authorization: Bearer mine",
			"X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: example.com",
			`Forwarded: for=192.0.2.1;proto=http;host="example.com"`, "Draftwire-Version: rfc6455", "Origin: http://example.com",
		} {
			if strings.Count(got, "\r\n"+want+"\r\n") != 1 {
				t.Errorf("without %q: %q", want, got)
			}
		}
		for _, bad := range []string{
			"6.6.6.6", "evil", "hixie", "X-Secret", "Bearer x", "X-Hop", "Proxy-", "Keep-Alive", "TE:", "Trailer", "deflate", "Sec_", "Foo", ": 2\r\n",
		} {
			if strings.Contains(got, bad) {
				t.Errorf("with %q: %q", bad, got)
			}
		}
		for _, name := range []string{"Host", "Upgrade", "Connection", "Origin", "Sec-WebSocket-Key", "Sec-WebSocket-Version"} {
			if n := len(fieldsOf(got, name)); n != 1 {
				t.Errorf("%s stands %d times: %q", name, n, got)
			}
		}
	})
}

// claimed are 38 fields that servers believe, with spellings that some servers take for them.
const claimed = "X-Real-IP: 6.6.6.6\r\nx-real-ip: 6.6.6.6\r\nX_Real_IP: 6.6.6.6\r\nX.Real.IP: 6.6.6.6\r\nx-Real_ip: 6.6.6.6\r\nTrue-Client-IP: 6.6.6.6\r\n" +
	"CF-Connecting-IP: 6.6.6.6\r\nCF_IPCountry: 6.6.6.6\r\nClient-IP: 6.6.6.6\r\nX-Client-IP: 6.6.6.6\r\nX-Cluster-Client-IP: 6.6.6.6\r\nFastly-Client-IP: 6.6.6.6\r\n" +
	"X-Forwarded: for=6.6.6.6\r\nX-Forwarded-Port: 6666\r\nX-Forwarded-Prefix: /6.6.6.6\r\nX-Forwarded-Server: 6.6.6.6\r\nX-Forwarded-Ssl: 6.6.6.6\r\n" +
	"X-Forwarded-Scheme: 6.6.6.6\r\nX-Forwarded-User: 6.6.6.6\r\nX-Forwarded-Client-Cert: 6.6.6.6\r\nX_FORWARDED_Uri: 6.6.6.6\r\nX-Scheme: 6.6.6.6\r\n" +
	"X-Url-Scheme: 6.6.6.6\r\nFront-End-Https: 6.6.6.6\r\nX-Original-URL: /6.6.6.6\r\nX-Rewrite-URL: /6.6.6.6\r\nX-Original-Host: 6.6.6.6\r\nX-Host: 6.6.6.6\r\n" +
	"X-HTTP-Method-Override: 6.6.6.6\r\nProxy: http://6.6.6.6\r\nX-Envoy-External-Address: 6.6.6.6\r\nRemote-User: 6.6.6.6\r\nREMOTE_ADDR: 6.6.6.6\r\n" +
	"X-Auth-Request-Email: 6.6.6.6\r\nX-WEBAUTH-USER: 6.6.6.6\r\nWL-Proxy-Client-IP: 6.6.6.6\r\nSSL-Client-Verify: 6.6.6.6\r\nX-ARR-ClientCert: 6.6.6.6\r\n"

// unclaimed are fields with similar names, which are passed.
const unclaimed = "X-Device: 7\r\nX-Remote-Control: 7\r\nX-Real-Time: 7\r\nVia: 1.1 home\r\nX-Requested-With: 7\r\nForwarding: 7\r\nX-User: 7\r\n"

func trust(networks ...string) func(cfg *gateway.Config) {
	return func(cfg *gateway.Config) { cfg.TrustForwarded = prefixes(networks...) }
}

// balanced is a configuration that trusts proxies and accepts PROXY headers from the clients
// of the test.
func balanced(networks ...string) func(cfg *gateway.Config) {
	return func(cfg *gateway.Config) {
		cfg.TrustForwarded = prefixes(networks...)
		cfg.Listen[0].Proxy = gateway.ProxyProtocol{Mode: "accept", From: prefixes("192.0.2.0/24")}
	}
}

// A field in which proxies name a client goes to a backend only if a trusted proxy has sent
// it, or if the route passes it.
func TestClientsMakeNoClaims(t *testing.T) {
	const all = 37 // without the one that is set
	passIt := func(cfg *gateway.Config) { cfg.Routes[0].PassHeaders = []string{"x-real-ip"} }
	for _, tc := range []struct {
		name          string
		change        func(cfg *gateway.Config)
		before        string // on the connection
		passed, named int    // fields of claimed; the second if a field names the client too
	}{
		{"a client", trust(), "", 0, 0},
		{"another proxy is trusted", trust("10.0.0.0/8"), "", 0, 0},
		{"a trusted proxy", trust("192.0.2.0/24"), "", all, all},
		{"the route passes one, in five spellings", passIt, "", 5, 5},
		{"one that may be a balancer of TCP as well: who named the client is not certain", balanced("192.0.2.0/24"), "", all, 0},
		{"a balancer of TCP, trusted too", balanced("192.0.2.0/24"), "PROXY TCP4 198.51.100.1 192.0.2.1 1 2\r\n", 0, 0},
		{"a trusted proxy behind a balancer of TCP", balanced("10.0.0.0/8"), "PROXY TCP4 10.0.0.1 192.0.2.1 1 2\r\n", all, all},
	} {
		for more, want := range map[string]int{"": tc.passed, "X-Forwarded-For: 203.0.113.9\r\n": tc.named} {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				s := w.script("back:80", refusing)
				cfg := to(gateway.Policy{}, "ws://back")
				tc.change(cfg)
				cfg.Routes[0].SetHeaders = map[string]string{"X-Client-Ip": "mine"}
				w.start(cfg)
				_, nc := w.ask(tc.before + head13("/", claimed+unclaimed+more))
				nc.Close()
				got := s.head(0)
				if n := strings.Count(got, "6.6.6.6") + strings.Count(got, ": 6666\r\n"); n != want {
					t.Errorf("%s, %q: %d passed, not %d: %q", tc.name, more, n, want, got)
				}
				for line := range strings.SplitSeq(strings.TrimSuffix(unclaimed, "\r\n"), "\r\n") {
					if !strings.Contains(got, "\r\n"+line+"\r\n") {
						t.Errorf("%s: without %q", tc.name, line)
					}
				}
				if set := fieldsOf(got, "X-Client-Ip"); len(set) != 1 || set[0] != "mine" {
					t.Errorf("%s: X-Client-Ip is %q", tc.name, set)
				}
			})
		}
	}
}

// The fields that a client names in Connection do not reach the backend, however many it
// names, with - or _ and in upper or lower case.
func TestFieldsOfALongConnectionListAreDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.script("back:80", refusing)
		w.start(to(gateway.Policy{}, "ws://back"))
		var list, sent strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&list, ", X-Hop-%d", i)
		}
		for i := range 35 {
			fmt.Fprintf(&sent, "x-hop-%d: y\r\nX_HOP_%d: y\r\nx-kept-%d: y\r\n", i, i+50, i)
		}
		head := strings.Replace(head13("/", sent.String()), "Connection: Upgrade", "Connection: Upgrade"+list.String(), 1)
		_, nc := w.ask(head)
		nc.Close()
		if got := strings.ToLower(s.head(0)); strings.Contains(got, "hop") || strings.Count(got, "x-kept") != 35 {
			t.Errorf("%q", got)
		}
	})
}
