package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// pongOf returns what a peer of that kind answers to a ping.
func pongOf(kind string, body []byte) (pong []byte, ok bool) {
	switch kind {
	case "pongs":
		return body, true
	case "empty pongs":
		return nil, true
	case "other pongs":
		return []byte("pong"), true
	}
	return nil, false
}

// A side that does not answer pings is dropped, unless it sends something else.
func TestPings(t *testing.T) {
	const every = 10 * time.Second
	cases := []struct {
		name  string
		says  []byte // what the client sends each second
		stays bool
	}{
		{"silent", nil, false},
		{"pongs", nil, true},
		{"empty pongs", nil, true}, // uWSGI, phpws
		{"other pongs", nil, true}, // Simple-WebSocket-Server
		{"unasked pongs", masked(0x8A, nil), true},
		{"pings", masked(0x89, []byte("are you there?")), true}, // arduinoWebSockets
		{"messages", masked(0x81, []byte("hello")), true},
		{"a slow message", []byte("x"), true}, // after a head that announces a long message
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				s := accepts(w, "back:80", func(ctx context.Context, c *draftwire.Conn) error {
					for {
						if _, _, err := c.Read(ctx); err != nil {
							return err
						}
					}
				})
				w.start(to(gateway.Policy{Ping: gateway.Duration(every)}, "ws://back"))
				_, nc := w.ask(head13("/", ""))
				go func() { // answers, or not
					r := bufio.NewReader(nc)
					for {
						h := make([]byte, 2)
						if _, err := io.ReadFull(r, h); err != nil {
							return
						}
						body := make([]byte, h[1])
						io.ReadFull(r, body)
						if pong, ok := pongOf(tc.name, body); ok && h[0] == 0x89 {
							nc.Write(masked(0x8A, pong))
						}
					}
				}()
				if tc.name == "a slow message" {
					nc.Write([]byte{0x81, 0xFE, 0x40, 0, 0, 0, 0, 0})
				}
				for range 60 {
					if tc.says != nil {
						nc.Write(tc.says)
					}
					pass(time.Second)
				}
				if n := w.gw.Status().Connections; (n == 1) != tc.stays {
					t.Errorf("%d connections", n)
				}
				if !tc.stays {
					if by, err := (<-w.ends).By(); by != gateway.ClientSide || err == nil {
						t.Errorf("ended by %q: %v", by, err)
					}
				}
				nc.Close()
				w.settled(s)
			})
		})
	}
}

// A backend that does not answer its ping is dropped too, and its client is closed.
func TestBackendPing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		accepts(w, "back:80", func(ctx context.Context, _ *draftwire.Conn) error {
			<-ctx.Done() // it does not read, so it does not answer
			return nil
		})
		w.start(to(gateway.Policy{Ping: gateway.Duration(10 * time.Second)}, "ws://back"))
		c := w.mustClient(draftwire.RFC6455, draftwire.DialOptions{})
		if _, _, err := c.Read(bg); err == nil {
			t.Error("the client read something")
		}
		if by, _ := (<-w.ends).By(); by != gateway.BackendSide {
			t.Errorf("ended by %q", by)
		}
		if n := w.losses()[gateway.LossAbnormal]; n != 1 {
			t.Errorf("%d ends without a close are counted", n)
		}
	})
}

// A client that waits for its backend to read is not dropped, though its pongs wait too.
func TestPingBehindBackpressure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := accepts(w, "back:80", func(ctx context.Context, c *draftwire.Conn) error {
			select {
			case <-time.After(25 * time.Second):
			case <-ctx.Done():
			}
			for {
				if _, _, err := c.Read(ctx); err != nil {
					return err
				}
			}
		})
		// The backend's own pongs wait too, but it gets no pings.
		w.start(to(gateway.Policy{Ping: gateway.Duration(5 * time.Second)}, "ws://back?version=hixie-76"))
		c := w.mustClient(draftwire.RFC6455, draftwire.DialOptions{})
		go func() {
			for {
				if _, _, err := c.Read(bg); err != nil {
					return
				}
			}
		}()
		for range 100 {
			if err := c.Write(bg, draftwire.OpText, bytes.Repeat([]byte("x"), 10000)); err != nil {
				t.Fatalf("after the backend's pause: %v", err)
			}
		}
		pass(30 * time.Second)
		if n := w.gw.Status().Connections; n != 1 {
			t.Errorf("%d connections", n)
		}
		c.Close(draftwire.CodeNormal, "")
		w.settled(s)
	})
}

// Each of ten thousand idle sessions has two goroutines, and nothing is left of its pings.
func TestManyIdle(t *testing.T) {
	n := 10000
	if testing.Short() || raced {
		n = 500
	}
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := new(seen)
		w.raw("back:1", s, func(net.Conn) {})
		cfg := to(gateway.Policy{Ping: gateway.Duration(10 * time.Second)}, "tcp://back:1")
		w.startWith(cfg, gateway.Hooks{Ended: func(*gateway.Session, *draftwire.Conn) {}})
		pass(time.Second)
		before := runtime.NumGoroutine()
		for range n {
			nc := w.front()
			io.WriteString(nc, head13("/", ""))
			r := bufio.NewReaderSize(nc, 16)
			readHead(r)
			go func() { // answers pings
				for {
					f := make([]byte, 10)
					if _, err := io.ReadFull(r, f); err != nil {
						return
					}
					nc.Write(masked(0x8A, bytes.Clone(f[2:])))
				}
			}()
		}
		pass(35 * time.Second)
		synctest.Wait()
		if got := w.gw.Status().Connections; got != n {
			t.Errorf("%d sessions", got)
		}
		// Besides the gateway's two, each session has a goroutine of the client and
		// one of the backend here.
		if got := runtime.NumGoroutine() - before; got > 4*n+20 {
			t.Errorf("%d goroutines for %d sessions", got, n)
		}
	})
}
