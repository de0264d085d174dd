package gateway_test

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/wire"
)

// echoing starts a backend that notes the request and refuses it with 404.
var refusing = says("HTTP/1.1 404 Not Found\r\n\r\n")

// The first route that matches takes the client.
func TestRoutes(t *testing.T) {
	routes := []gateway.Route{
		{Name: "other-port", Match: gateway.Match{Listeners: []string{"other"}}},
		{Name: "old", Match: gateway.Match{Versions: "hixie-75,hixie-76", Paths: []string{"/old/*"}}},
		{Name: "chat", Match: gateway.Match{Protocols: []string{"chat"}}},
		{Name: "host", Match: gateway.Match{Hosts: []string{"a.example", "*.b.example", "[::1]"}}},
		{Name: "feed", Match: gateway.Match{Paths: []string{"/feed"}}},
		{Name: "feeds", Match: gateway.Match{Paths: []string{"/feed/*", "/ä"}}},
		{Name: "again", Match: gateway.Match{Paths: []string{"/feed", "/rest/*"}}},
	}
	cases := []struct {
		target, more, want string
		listener           string
		old                bool
	}{
		{target: "/x", listener: "other", want: "other-port"},
		{target: "/x"},
		{target: "/feed", want: "feed"},
		{target: "/feed?a=/b", want: "feed"},
		{target: "/%66eed", want: "feed"},
		{target: "/feed/", want: "feeds"},
		{target: "/feed/a/b?c", want: "feeds"},
		{target: "/%C3%A4", want: "feeds"},
		{target: "/feeds"},
		{target: "/Feed"},
		{target: "http://example.com/feed", want: "feed"},
		{target: "/feed/../rest/x"},
		{target: "/feed/%2e%2E/rest/x"},
		{target: "/feed/..%2frest/x"},
		{target: "/rest/.", want: ""},
		{target: "/rest/..a", want: "again"},
		{target: "/rest/%zz", want: "again"},
		{target: "rest/x"},
		{target: "*"},
		{target: "/x", more: "Sec-WebSocket-Protocol: news, chat\r\n", want: "chat"},
		{target: "/x", more: "Sec-WebSocket-Protocol: chats\r\n"},
		{target: "/x", more: "Host: a.example\r\n", want: "host"},
		{target: "/x", more: "Host: A.Example:8080\r\n", want: "host"},
		{target: "/x", more: "Host: a.example.\r\n", want: "host"},
		{target: "/x", more: "Host: x.B.example:80\r\n", want: "host"},
		{target: "/x", more: "Host: b.example\r\n"},
		{target: "/x", more: "Host: evilb.example\r\n"},
		{target: "/x", more: "Host: [::1]:80\r\n", want: "host"},
		{target: "/old/x", old: true, want: "old"},
		{target: "/old/x"},
	}
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Listen = append(cfg.Listen, gateway.Listener{Name: "other", Address: "other:80"})
		cfg.Routes = nil
		for _, r := range routes {
			w.script(r.Name+":80", says("HTTP/1.1 404 Not Found\r\nSet-Cookie: "+r.Name+"\r\n\r\n"))
			r.Backends, r.Health.Check = urls("ws://"+r.Name), "off"
			cfg.Routes = append(cfg.Routes, r)
		}
		w.start(cfg)
		for _, tc := range cases {
			address := "front:80"
			if tc.listener != "" {
				address = "other:80"
			}
			nc, err := w.dial(bg, "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			head := head13(tc.target, tc.more)
			if strings.Contains(tc.more, "Host:") {
				head = strings.Replace(head, "Host: example.com\r\n", "", 1)
			}
			if tc.old {
				head = strings.Replace(head76, "/x", tc.target, 1)
			}
			io.WriteString(nc, head)
			answer := readHead(bufio.NewReader(nc))
			nc.Close()
			took := field(answer, "Set-Cookie")
			if took != tc.want {
				t.Errorf("%s %q: taken by %q, not %q", tc.target, tc.more, took, tc.want)
			}
			reason := wire.ReasonNoRoute
			switch {
			case tc.target[0] != '/': // not a path, so that it has no route
				reason = wire.ReasonHeadMalformed
			case tc.target == "/old/x": // it has a route, but for other versions
				reason = wire.ReasonDisabled
			}
			if took == "" && field(answer, "Draftwire-Reason") != string(reason) {
				t.Errorf("%s: answered %q", tc.target, answer)
			}
		}
		w.settled()
	})
}

// field returns a field of a head, "" if it is missing.
func field(head, name string) string {
	if all := fieldsOf(head, name); len(all) > 0 {
		return all[0]
	}
	return ""
}

func fieldsOf(head, name string) (all []string) {
	for line := range strings.SplitSeq(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ": "); ok && n == name {
			all = append(all, v)
		}
	}
	return all
}

func TestRouteOrigins(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.echo("back:80", draftwire.AllVersions)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Routes[0].Origins = []string{"https://*.example.com", "example.org"}
		w.start(cfg)
		for _, v := range draftwire.ServedVersions().List() {
			for origin, status := range map[string]int{
				"https://www.example.com": 0, "https://www.example.com.evil": 403, "http://www.example.com": 403,
				"http://example.org": 0, "null": 403,
			} {
				c, err := w.client(v, draftwire.DialOptions{Origin: origin})
				if statusOf(err) != status {
					t.Errorf("%s from %s: %v", v, origin, err)
				}
				if err == nil {
					c.CloseNow()
				}
			}
		}
		w.settled()
	})
}

// The target and the Host that the backend gets.
func TestTargetAndHost(t *testing.T) {
	cases := []struct {
		name     string
		url      string
		change   func(r *gateway.Route)
		target   string
		asked    string // "" if no route takes it
		host     string
		noChange bool
	}{
		{name: "as it is", url: "ws://back", target: "/a%20b/?x=%y&z", asked: "/a%20b/?x=%y&z", host: "back"},
		{name: "a base", url: "ws://back:80/base/", target: "/a?b", asked: "/base/a?b", host: "back"},
		{name: "an escaped base", url: "ws://back/b%2Fc", target: "/a", asked: "/b%2Fc/a", host: "back"},
		{name: "strip", url: "ws://back", change: strip("/feed"), target: "/feed/a?b", asked: "/a?b", host: "back"},
		{name: "strip all", url: "ws://back", change: strip("/feed"), target: "/feed", asked: "/", host: "back"},
		{name: "strip before a query", url: "ws://back/base", change: strip("/feed"), target: "/feed?a", asked: "/base/?a", host: "back"},
		{name: "strip with a slash", url: "ws://back", change: strip("/feed/"), target: "/feed/a", asked: "/a", host: "back"},
		{name: "strip a part of a segment", url: "ws://back", change: strip("/feed"), target: "/feeds"},
		{name: "strip what is not there", url: "ws://back", change: strip("/feed"), target: "/x"},
		{name: "the client's host", url: "ws://back", change: func(r *gateway.Route) { r.PreserveHost = true }, target: "/", asked: "/", host: "example.com"},
		{name: "a host", url: "ws://back", change: func(r *gateway.Route) { r.SetHeaders = map[string]string{"Host": "inner"} }, target: "/", asked: "/", host: "inner"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				s := w.script("back:80", refusing)
				cfg := to(gateway.Policy{}, tc.url)
				if tc.change != nil {
					tc.change(&cfg.Routes[0])
				}
				w.start(cfg)
				answer, nc := w.ask(head13(tc.target, ""))
				nc.Close()
				if !strings.HasPrefix(answer, "HTTP/1.1 404 ") {
					t.Errorf("answered %q", answer)
				}
				line, _, _ := strings.Cut(s.head(0), "\r\n")
				if want := "GET " + tc.asked + " HTTP/1.1"; tc.asked != "" && line != want || tc.asked == "" && line != "" {
					t.Errorf("asked %q, not %q", line, want)
				}
				if got := field(s.head(0), "Host"); got != tc.host {
					t.Errorf("of host %q, not %q", got, tc.host)
				}
			})
		})
	}
}

func strip(p string) func(r *gateway.Route) { return func(r *gateway.Route) { r.StripPrefix = p } }

// The origin is sent in the field of the backend's version.
func TestOriginByVersion(t *testing.T) {
	for _, v := range draftwire.ServedVersions().List() {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			s := w.script("back:80", refusing)
			w.start(to(gateway.Policy{}, backURL(v)))
			_, nc := w.ask(head13("/", "Origin: http://page.example\r\n"))
			nc.Close()
			name := "Origin"
			if v >= draftwire.Hybi04 && v <= draftwire.Hybi08 {
				name = "Sec-WebSocket-Origin"
			}
			if got := fieldsOf(s.head(0), name); !slices.Equal(got, []string{"http://page.example"}) {
				t.Errorf("%s: %s is %q in %q", v, name, got, s.head(0))
			}
			if n := strings.Count(s.head(0), "Origin: "); n != 1 {
				t.Errorf("%s: %d origins in %q", v, n, s.head(0))
			}
		})
	}
}

// What the backend agrees on comes back to the client in the form of its version.
func TestAgreement(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		opt := open(draftwire.AllVersions)
		opt.Protocols = []string{"chat"}
		opt.Authorize = func(_ *draftwire.Handshake, acc *draftwire.Answer) error {
			acc.Fields = append(acc.Fields, wire.Field{Name: "Set-Cookie", Value: "a=b"}, wire.Field{Name: "Set-Cookie", Value: "c=d"}, wire.Field{Name: "X-Own", Value: "1"})
			return nil
		}
		w.backend("back:80", &draftwire.Server{WebSocket: echo, Options: opt})
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Listen[0].PublicURL = "wss://public.example"
		w.start(cfg)
		answer, nc := w.ask(head13("/", "Sec-WebSocket-Protocol: news, chat\r\n"))
		nc.Close()
		if got := fieldsOf(answer, "Set-Cookie"); !slices.Equal(got, []string{"a=b", "c=d"}) || field(answer, "X-Own") != "" {
			t.Errorf("answered %q", answer)
		}
		if got := field(answer, "Sec-WebSocket-Protocol"); got != "chat" {
			t.Errorf("subprotocol %q", got)
		}
		answer, nc = w.ask(strings.Replace(head76, "Origin:", "Sec-WebSocket-Protocol: news chat\r\nOrigin:", 1) + "^n:ds[4U")
		nc.Close()
		if got := field(answer, "Sec-WebSocket-Protocol"); got != "news chat" {
			t.Errorf("hixie-76: subprotocol %q", got)
		}
		if got := field(answer, "Sec-WebSocket-Location"); got != "wss://public.example/x" {
			t.Errorf("hixie-76: location %q", got)
		}
		answer, nc = w.ask(head13("/", "Sec-WebSocket-Protocol: news\r\n")) // none of it
		nc.Close()
		if field(answer, "Sec-WebSocket-Protocol") != "" || !strings.HasPrefix(answer, "HTTP/1.1 101 ") {
			t.Errorf("answered %q", answer)
		}
		answer, nc = w.ask(strings.Replace(head76, "Origin:", "Sec-WebSocket-Protocol: news\r\nOrigin:", 1) + "^n:ds[4U")
		nc.Close()
		if !strings.HasPrefix(answer, "HTTP/1.1 403 ") {
			t.Errorf("hixie-76: answered %q", answer)
		}
		w.settled()
	})
}

// A trusted proxy names the client, to the backend and for the limits.
func TestTrustForwarded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.script("back:80", func(nc net.Conn, _ *bufio.Reader) { <-time.After(time.Second); nc.Close() })
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.TrustForwarded = prefixes("192.0.2.0/24")
		cfg.Limits.ConnectionsPerAddress = 1
		w.start(cfg)
		for _, tc := range []struct{ from, seen string }{
			{"198.51.100.7", "198.51.100.7"}, {"6.6.6.6, 203.0.113.9, 192.0.2.7", "203.0.113.9"}, {"2001:db8::1", "2001:db8::1"},
		} {
			nc := w.front()
			io.WriteString(nc, head13("/", "X-Forwarded-Proto: https\r\nX-Forwarded-For: "+tc.from+"\r\n"))
			pass(0)
			i := int(s.made.Load()) - 1
			if got := s.head(i); field(got, "X-Forwarded-For") != tc.seen || field(got, "X-Forwarded-Proto") != "https" {
				t.Errorf("%s: %q", tc.from, got)
			}
		}
		if _, addresses := w.gw.Held(); addresses != 3 {
			t.Errorf("%d addresses are counted", addresses)
		}
		w.settled(s)
	})
}
