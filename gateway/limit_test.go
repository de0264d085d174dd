package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/wire"
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// Each limit refuses clients of every version with a status and a Retry-After, and accepts
// clients again when there is room.
func TestLimits(t *testing.T) {
	cases := []struct {
		name  string
		set   func(c *gateway.Config)
		after time.Duration // until there is room, with all connections closed
	}{
		{"connections", func(c *gateway.Config) { c.Limits.Connections = 3 }, 0},
		{"connections_per_address", func(c *gateway.Config) { c.Limits.ConnectionsPerAddress = 3 }, 0},
		{"handshakes_per_second", func(c *gateway.Config) { c.Limits.HandshakesPerSecond = 3 }, time.Second},
		{"connections_per_route", func(c *gateway.Config) { c.Routes[0].Connections = 3 }, 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				s := accepts(w, "back:80", echo)
				cfg := to(gateway.Policy{}, "ws://back")
				tc.set(cfg)
				limited := map[string]int{}
				w.startWith(cfg, gateway.Hooks{Limited: func(name string) { limited[name]++ }})
				var in []*draftwire.Conn
				for range 3 {
					in = append(in, w.mustClient(draftwire.RFC6455, draftwire.DialOptions{}))
				}
				for _, v := range draftwire.ServedVersions().List() {
					he := w.refusal(v)
					if he.Status != 503 || he.Fields.Get("Draftwire-Reason") != string(wire.ReasonLimit) || he.Fields.Get("Retry-After") == "" {
						t.Errorf("%s: %v, %v", v, he, he.Fields)
					}
				}
				if n := len(draftwire.ServedVersions().List()); limited[tc.name] != n || len(limited) != 1 {
					t.Errorf("limited: %v", limited)
				}
				pass(0) // until all are counted
				if s.made.Load() != 3 {
					t.Errorf("%d connections to the backend", s.made.Load())
				}
				// A reload with the same limits does not reset them.
				if err := w.gw.Reload(cfg); err != nil {
					t.Fatal(err)
				}
				w.refusal(draftwire.RFC6455)
				for _, c := range in {
					c.Close(draftwire.CodeNormal, "")
				}
				pass(tc.after)
				w.mustClient(draftwire.RFC6455, draftwire.DialOptions{}).CloseNow()
				w.settled(s)
			})
		})
	}
}

// One address is an IPv4 address, or an IPv6 /64.
func TestAddressKey(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1/32", "[::ffff:192.0.2.1]:80": "192.0.2.1/32", "[2001:db8:1:2:3::4]:80": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80": "fe80::/64", "192.0.2.1": "192.0.2.1/32", "@": "invalid Prefix", "": "invalid Prefix", "203.0.113.9:0": "203.0.113.9/32",
	} {
		if got := gateway.KeyOf(remote).String(); got != want {
			t.Errorf("%q is %s, not %s", remote, got, want)
		}
	}
}

// Clients of one /64 share a limit, others do not.
func TestConnectionsPerNetwork(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := accepts(w, "back:80", echo)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Limits.ConnectionsPerAddress = 2
		cfg.Listen[0].Proxy = gateway.ProxyProtocol{Mode: "require", From: prefixes("192.0.2.0/24")}
		w.start(cfg)
		from := func(a string) string {
			nc := w.front()
			family := "TCP6 " + a + " ::1"
			if !strings.Contains(a, ":") {
				family = "TCP4 " + a + " 192.0.2.1"
			}
			fmt.Fprintf(nc, "PROXY %s 1000 80\r\n%s", family, head13("/", ""))
			head := readHead(bufio.NewReaderSize(nc, 16))
			return strings.Fields(head)[1]
		}
		for _, tc := range []struct{ address, status string }{
			{"2001:db8:1:2::1", "101"}, {"2001:db8:1:2:ffff::2", "101"}, {"2001:db8:1:2::3", "503"}, {"2001:db8:1:3::1", "101"},
			{"198.51.100.1", "101"}, {"198.51.100.1", "101"}, {"198.51.100.1", "503"}, {"198.51.100.2", "101"},
		} {
			if got := from(tc.address); got != tc.status {
				t.Errorf("%s: %s, not %s", tc.address, got, tc.status)
			}
		}
		if open, addresses := w.gw.Held(); open != 6 || addresses != 4 {
			t.Errorf("%d connections of %d addresses", open, addresses)
		}
		_ = s
	})
}

// Unfinished handshakes are bounded in number, in all and for one address, and in time. A
// client that finishes its handshake is accepted all the same.
func TestPending(t *testing.T) {
	for _, tc := range []struct{ perAddress, want int }{{0, 3}, {2, 2}, {100, 3}} {
		pendingOf(t, tc.perAddress, tc.want)
	}
}

func pendingOf(t *testing.T, perAddress, want int) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := accepts(w, "back:80", echo)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Limits.Pending, cfg.Limits.ConnectionsPerAddress = 5, perAddress
		w.start(cfg)
		first := w.front()
		for range 5 {
			io.WriteString(w.front(), "GET / HTTP/1.1\r\n")
		}
		pass(0)
		if n := w.gw.Status().Listeners[0].Pending; n != want {
			t.Errorf("%d are pending, not %d", n, want)
		}
		if n, err := first.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the oldest got %d bytes, %v", n, err)
		}
		w.mustClient(draftwire.RFC6455, draftwire.DialOptions{}).CloseNow()
		pass(11 * time.Second)
		if n := w.gw.Status().Listeners[0].Pending; n != 0 {
			t.Errorf("%d are pending", n)
		}
		w.mustClient(draftwire.RFC6455, draftwire.DialOptions{}).CloseNow()
		w.settled(s)
	})
}
