package gateway_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// Clients go to the backend with the fewest connections. A backend that has failed rests, and
// is then tried again.
func TestLeastConnectionsAndCooldown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.echo("one:80", draftwire.AllVersions)
		w.echo("two:80", draftwire.AllVersions)
		w.start(to(gateway.Policy{}, "ws://one", "ws://two"))
		count := func(want ...int) {
			t.Helper()
			for i, b := range w.gw.Status().Routes[0].Backends {
				if b.Connections != want[i] {
					t.Errorf("%s has %d connections, not %d", b.URL, b.Connections, want[i])
				}
			}
		}
		join := func(n int) (list []*draftwire.Conn) {
			for range n {
				list = append(list, w.mustClient(draftwire.RFC6455, draftwire.DialOptions{}))
			}
			return list
		}
		first := join(10)
		count(5, 5)
		w.down("one:80")
		for _, c := range first {
			c.CloseNow()
		}
		pass(10 * time.Second)
		join(6)
		count(0, 6)
		w.echo("one:80", draftwire.AllVersions)
		join(2) // it still rests
		count(0, 8)
		pass(6 * time.Second)
		join(2)
		count(2, 8)
	})
}

// Checks find backends that go down or come up, and tell the hook.
func TestHealth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.echo("one:80", draftwire.AllVersions)
		type news struct {
			up      bool
			backend string
		}
		heard := make(chan news, 100)
		cfg := to(gateway.Policy{}, "ws://one", "ws://two")
		cfg.Routes[0].Health.Check = ""
		w.startWith(cfg, gateway.Hooks{BackendUp: func(_, b string, up bool, err error) {
			if up != (err == nil) {
				t.Errorf("%s: up %v, %v", b, up, err)
			}
			heard <- news{up, b}
		}})
		expect := func(want news) {
			t.Helper()
			pass(11 * time.Second)
			select {
			case got := <-heard:
				if got != want {
					t.Errorf("heard %v, not %v", got, want)
				}
			default:
				t.Errorf("heard nothing, not %v", want)
			}
		}
		expect(news{false, "ws://two"})
		if s := w.gw.Status(); !s.Ready || s.Routes[0].Backends[1].Up || s.Routes[0].Backends[1].Error == "" {
			t.Errorf("status %+v", s)
		}
		w.down("one:80")
		expect(news{false, "ws://one"})
		if s := w.gw.Status(); s.Ready || s.Why == "" {
			t.Errorf("ready: %+v", s)
		}
		w.echo("two:80", draftwire.AllVersions)
		expect(news{true, "ws://two"})
		if s := w.gw.Status(); !s.Ready {
			t.Errorf("not ready: %s", s.Why)
		}
		if len(heard) != 0 {
			t.Errorf("%d news more", len(heard))
		}
		// If backends are no longer checked, none of them stays down.
		cfg.Routes[0].Health.Check = "off"
		if err := w.gw.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		expect(news{true, "ws://one"})
	})
}

// A backend that accepts connections and does not answer rests, though the checks reach it.
func TestHalfOpenBackendRests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := new(seen)
		w.raw("one:80", s, func(nc net.Conn) { io.Copy(io.Discard, nc) })
		w.echo("two:80", draftwire.AllVersions)
		cfg := to(gateway.Policy{}, "ws://one", "ws://two")
		cfg.Routes[0].Health = gateway.Health{Check: "tcp", Interval: gateway.Duration(time.Second), Cooldown: gateway.Duration(time.Minute)}
		w.start(cfg)
		slow := 0
		for range 10 {
			began := time.Now()
			w.mustClient(draftwire.RFC6455, draftwire.DialOptions{})
			if time.Since(began) > time.Second {
				slow++
			}
			pass(3 * time.Second)
		}
		if slow > 1 {
			t.Errorf("%d clients waited for it", slow)
		}
	})
}
