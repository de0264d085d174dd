package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/pires/go-proxyproto"
)

// numbered starts n backends that say their number, and returns their URLs.
func numbered(w *world, n int) (list []gateway.Backend) {
	for i := range n {
		host := fmt.Sprintf("b%d", i)
		accepts(w, host+":80", func(ctx context.Context, c *draftwire.Conn) error {
			c.Write(ctx, text, []byte(host))
			_, _, err := c.Read(ctx)
			return err
		})
		list = append(list, gateway.Backend{URL: "ws://" + host})
	}
	return list
}

// backendOf opens a connection and returns the name of its backend.
func backendOf(t *testing.T, w *world, o draftwire.DialOptions) string {
	t.Helper()
	c := w.mustClient(draftwire.Hixie76, o)
	_, p, err := c.Read(bg)
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// A client that sends the same again comes to the same backend, under whatever
// configuration, and only those of a backend that is gone move.
func TestBalanceByHash(t *testing.T) {
	field := func(name, format string) func(i int) draftwire.DialOptions {
		return func(i int) draftwire.DialOptions {
			return draftwire.DialOptions{Header: http.Header{name: {fmt.Sprintf(format, i)}}}
		}
	}
	target := func(format string) func(i int) draftwire.DialOptions {
		return func(i int) draftwire.DialOptions { return draftwire.DialOptions{Target: fmt.Sprintf(format, i)} }
	}
	for balance, client := range map[string]func(i int) draftwire.DialOptions{
		"hash address":         field("X-Forwarded-For", "203.0.113.%d"),
		"hash path":            target("/room/%d?now"),
		"hash segment 2":       target("/echo/%d/session"),
		"hash cookie ID":       field("Cookie", "a=b; ID=%d"),
		"hash header X-Device": field("X-Device", "tv-%d"),
		"hash query device":    target("/socket.io/?EIO=3&device=%d&sid=x"),
	} {
		t.Run(balance, func(t *testing.T) {
			const clients = 60
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				cfg := to(gateway.Policy{})
				cfg.TrustForwarded = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
				cfg.Routes[0].Backends, cfg.Routes[0].Balance = numbered(w, 4), balance
				w.start(cfg)
				var first [clients]string
				count := map[string]int{}
				for i := range clients {
					first[i] = backendOf(t, w, client(i))
					count[first[i]]++
					if again := backendOf(t, w, client(i)); again != first[i] {
						t.Errorf("client %d: %s, then %s", i, first[i], again)
					}
				}
				if len(count) != 4 {
					t.Errorf("they came to %v", count)
				}
				less := *cfg
				less.Routes = []gateway.Route{cfg.Routes[0]}
				less.Routes[0].Backends = append(cfg.Routes[0].Backends[2:4:4], cfg.Routes[0].Backends[0])
				if err := w.gw.Reload(&less); err != nil {
					t.Fatal(err)
				}
				for i := range clients {
					if now := backendOf(t, w, client(i)); first[i] != "b1" && now != first[i] {
						t.Errorf("client %d moved from %s to %s", i, first[i], now)
					}
				}
			})
		})
	}
}

// What is not sent is balanced by the number of connections.
func TestBalanceWithoutKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := to(gateway.Policy{})
		cfg.Routes[0].Backends, cfg.Routes[0].Balance = numbered(w, 3), "hash cookie ID"
		w.start(cfg)
		count := map[string]int{}
		for range 9 {
			count[backendOf(t, w, draftwire.DialOptions{})]++
		}
		for name, n := range count {
			if n != 3 {
				t.Errorf("%s has %d", name, n)
			}
		}
	})
}

// A backend has no more connections than it may; where all are full a client is refused.
func TestMaxConns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := to(gateway.Policy{})
		cfg.Routes[0].Backends = numbered(w, 2)
		cfg.Routes[0].Backends[0].MaxConns, cfg.Routes[0].Backends[1].MaxConns = 1, 2
		w.start(cfg)
		count := map[string]int{}
		for range 3 {
			count[backendOf(t, w, draftwire.DialOptions{})]++
		}
		if count["b0"] != 1 || count["b1"] != 2 {
			t.Errorf("%v", count)
		}
		_, err := w.client(draftwire.RFC6455, draftwire.DialOptions{})
		he, ok := errors.AsType[*draftwire.HandshakeError](err)
		if !ok || he.Status != 503 || he.Fields.Get("Draftwire-Reason") != "limit" {
			t.Errorf("the fourth: %v", err)
		}
		more := *cfg // what a reload allows counts the connections that are open
		more.Routes = []gateway.Route{cfg.Routes[0]}
		more.Routes[0].Backends = []gateway.Backend{{URL: "ws://b0", MaxConns: 2}, {URL: "ws://b1", MaxConns: 2}}
		if err := w.gw.Reload(&more); err != nil {
			t.Fatal(err)
		}
		if got := backendOf(t, w, draftwire.DialOptions{}); got != "b0" {
			t.Errorf("after the reload: %s", got)
		}
		if _, err := w.client(draftwire.RFC6455, draftwire.DialOptions{}); statusOf(err) != 503 {
			t.Errorf("above it: %v", err)
		}
	})
}

// A backend that comes up takes its share slowly.
func TestSlowStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := to(gateway.Policy{})
		cfg.Routes[0].Backends = append(numbered(w, 1), gateway.Backend{URL: "ws://late"})
		cfg.Routes[0].Health = gateway.Health{SlowStart: gateway.Duration(time.Minute)}
		w.start(cfg)
		pass(10 * time.Second) // b1 is found down
		accepts(w, "late:80", func(ctx context.Context, c *draftwire.Conn) error {
			c.Write(ctx, text, []byte("late"))
			_, _, err := c.Read(ctx)
			return err
		})
		pass(12 * time.Second) // and up
		late := func(n int) (count int) {
			for range n {
				if backendOf(t, w, draftwire.DialOptions{}) == "late" {
					count++
				}
			}
			return count
		}
		if n := late(40); n < 1 || n > 12 {
			t.Errorf("%d of 40 clients came to a backend that has just come up", n)
		}
		pass(time.Minute)
		if n := late(40); n < 28 {
			t.Errorf("a minute later %d of 40 came, to even it out", n)
		}
	})
}

// A backend that accepts connections and fails its check gets no clients.
func TestChecks(t *testing.T) {
	for check, well := range map[string]bool{"http /up": true, "http /broken": false, "websocket /ws": true, "websocket /refused": false} {
		t.Run(check, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				ws := draftwire.Handler(echo, &draftwire.AcceptOptions{Origins: []string{"*"}})
				mux := http.NewServeMux()
				mux.Handle("/ws", ws)
				mux.HandleFunc("/up", func(http.ResponseWriter, *http.Request) {})
				mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
				mux.HandleFunc("/refused", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) })
				w.backend("back:80", &draftwire.Server{Handler: mux})
				cfg := to(gateway.Policy{}, "ws://back")
				h := &cfg.Routes[0].Health
				h.Check, h.Path, _ = strings.Cut(check, " ")
				w.start(cfg)
				pass(10 * time.Second)
				if up := w.gw.Status().Routes[0].Backends[0].Up; up != well {
					t.Errorf("up: %v (%s)", up, w.gw.Status().Routes[0].Backends[0].Error)
				}
			})
		})
	}
}

// A backend that is told the client's address gets it before all else, in each version.
func TestSendProxy(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		forVersions(t, func(t *testing.T, v draftwire.Version) {
			w := newWorld(t)
			heads := make(chan *proxyproto.Header, 10)
			l, _ := w.listen("back:80")
			srv := &draftwire.Server{WebSocket: echo, Options: open(draftwire.VersionsOf(v))}
			done := make(chan error, 1)
			go func() { done <- srv.Serve(behindProxy{l, heads}) }()
			t.Cleanup(func() { srv.Close(); <-done; srv.Shutdown(bg) })
			cfg := to(gateway.Policy{}, backURL(v))
			cfg.TrustForwarded = networks("0.0.0.0/0", "::/0")
			cfg.Routes[0].Backends[0].SendProxy = version
			cfg.Routes[0].Health.Check = "tcp"
			w.start(cfg)
			for _, from := range []string{"203.0.113.9", "2001:db8::9"} {
				c := w.mustClient(v, draftwire.DialOptions{Header: http.Header{"X-Forwarded-For": {from}}})
				if err := c.Write(bg, text, []byte("hello")); err != nil {
					t.Error(err)
				}
				if _, p, err := c.Read(bg); string(p) != "hello" {
					t.Errorf("%q, %v", p, err)
				}
				head := <-heads
				if addr, ok := head.SourceAddr.(*net.TCPAddr); !ok || addr.IP.String() != from {
					t.Errorf("the header names %v", head.SourceAddr)
				}
				c.CloseNow()
			}
			pass(6 * time.Second)
			synctest.Wait()
			select {
			case head := <-heads:
				if head.SourceAddr != nil {
					t.Errorf("a check names %v", head.SourceAddr)
				}
			default:
				t.Error("no check came")
			}
			if !w.gw.Status().Routes[0].Backends[0].Up {
				t.Error("the backend is down")
			}
		})
	}
}

// behindProxy is a listener whose connections begin with a PROXY header.
type behindProxy struct {
	net.Listener
	heads chan<- *proxyproto.Header
}

func (p behindProxy) Accept() (net.Conn, error) {
	nc, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	r := bufio.NewReader(nc)
	head, err := proxyproto.Read(r)
	if err != nil {
		nc.Close()
		return nil, err
	}
	p.heads <- head
	return buffered{nc, r}, nil
}

type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// A route may ask for fields of the request.
func TestMatchHeaders(t *testing.T) {
	for _, tt := range []struct {
		pattern, value string
		want           bool
	}{
		{"tv-*", "tv-7", true}, {"tv-*", "TV-7", false}, {"*-7", "tv-7", true}, {"*v-*", "tv-7", true},
		{"tv-7", "tv-7", true}, {"tv-7", "tv-70", false}, {"*", "", true}, {"", "", true}, {"", "x", false},
	} {
		if got := gateway.MatchValue(tt.pattern, tt.value); got != tt.want {
			t.Errorf("%q, %q: %v", tt.pattern, tt.value, got)
		}
	}
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := to(gateway.Policy{})
		list := numbered(w, 2)
		tv := cfg.Routes[0]
		tv.Name, tv.Backends = "tv", list[1:]
		tv.Match = gateway.Match{Headers: map[string]string{"x-device": "tv-*"}}
		cfg.Routes[0].Backends = list[:1]
		cfg.Routes = []gateway.Route{tv, cfg.Routes[0]}
		w.start(cfg)
		for value, want := range map[string]string{"tv-7": "b1", "kiosk-7": "b0"} {
			if got := backendOf(t, w, draftwire.DialOptions{Header: http.Header{"X-Device": {value}}}); got != want {
				t.Errorf("%s came to %s", value, got)
			}
		}
		if got := backendOf(t, w, draftwire.DialOptions{}); got != "b0" {
			t.Errorf("without the field: %s", got)
		}
	})
}
