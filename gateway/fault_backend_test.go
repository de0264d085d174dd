package gateway_test

import (
	"bufio"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/wire"
)

// A client of every version is told what its backend did, and nothing is left behind.
func TestBackendRefuses(t *testing.T) {
	cases := []struct {
		name   string
		script func(net.Conn, *bufio.Reader) // nil: no listener
		status int
		field  string // that the client gets
	}{
		{"nobody listens", nil, 502, ""},
		{"401", says("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nX-Secret: 1\r\n\r\n"), 401, "WWW-Authenticate"},
		{"403", says("HTTP/1.1 403 Forbidden\r\n\r\n"), 403, ""},
		{"404", says("HTTP/1.1 404 Not Found\r\nSet-Cookie: a=b\r\n\r\n"), 404, "Set-Cookie"},
		{"429", says("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\n"), 429, "Retry-After"},
		{"426 with versions nobody speaks", says("HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 14, 99\r\n\r\n"), 502, ""},
		{"426 without versions", says("HTTP/1.1 426 Upgrade Required\r\n\r\n"), 502, ""},
		{"302", says("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"), 302, "Location"},
		{"500", says("HTTP/1.1 500 Internal Server Error\r\n\r\n"), 502, ""},
		{"503", says("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\n\r\n"), 503, "Retry-After"},
		{"garbage", says("\x16\x03\x01 what is this?\r\n\r\n"), 502, ""},
		{"an endless head", says("HTTP/1.1 101 Switching Protocols\r\n" + strings.Repeat("X-Y: z\r\n", 5000)), 502, ""},
		{"no proof", says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), 502, ""},
		{"dies at once", says(""), 502, ""},
		{"dies in its head", says("HTTP/1.1 101 Switching Prot"), 502, ""},
		{"says nothing", silent, 504, ""},
		{"says a byte a second", slowly("HTTP/1.1 101 Switching Protocols\r\n"), 504, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				var back []*seen
				if tc.script != nil {
					back = append(back, w.script("back:80", tc.script))
				}
				w.start(to(gateway.Policy{}, "ws://back"))
				for _, v := range draftwire.ServedVersions().List() {
					began := time.Now()
					he := w.refusal(v)
					if he.Status != tc.status {
						t.Errorf("%s: %v", v, he)
					}
					if tc.field != "" && he.Fields.Get(tc.field) == "" {
						t.Errorf("%s: without %s: %v", v, tc.field, he.Fields)
					}
					if he.Fields.Get("X-Secret") != "" {
						t.Errorf("%s: the backend's fields: %v", v, he.Fields)
					}
					if got := he.Fields.Get("Draftwire-Reason"); got != string(wire.ReasonBackend) {
						t.Errorf("%s: reason %q", v, got)
					}
					if d := time.Since(began); d > 5*time.Second {
						t.Errorf("%s: after %v", v, d)
					}
				}
				w.settled(back...)
			})
		})
	}
}

// slowly is a script that never ends.
func slowly(text string) func(net.Conn, *bufio.Reader) {
	return func(nc net.Conn, _ *bufio.Reader) {
		for _, b := range []byte(text) {
			<-time.After(time.Second)
			if _, err := nc.Write([]byte{b}); err != nil {
				return
			}
		}
	}
}

// A backend that lists the versions it speaks gets the newest of them.
func TestBackendSpeaksAnotherVersion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.echo("back:80", draftwire.VersionsOf(draftwire.Hybi07, draftwire.Hybi08))
		w.start(to(gateway.Policy{}, "ws://back"))
		for _, v := range draftwire.ServedVersions().List() {
			c := w.mustClient(v, draftwire.DialOptions{})
			if err := exchange(c, "hello"); err != nil {
				t.Errorf("%s: %v", v, err)
			}
			c.Close(draftwire.CodeNormal, "")
		}
		w.settled()
	})
}

// What ends a backend after its 101 ends the client too.
func TestBackendDies(t *testing.T) {
	die := func(f func(ctx context.Context, c *draftwire.Conn)) func(context.Context, *draftwire.Conn) error {
		return func(ctx context.Context, c *draftwire.Conn) error {
			f(ctx, c)
			return c.CloseNow()
		}
	}
	cases := []struct {
		name string
		f    func(ctx context.Context, c *draftwire.Conn)
	}{
		{"at once", func(context.Context, *draftwire.Conn) {}},
		{"behind a message", func(ctx context.Context, c *draftwire.Conn) { c.Write(ctx, draftwire.OpText, []byte("hello")) }},
		{"in a message", func(ctx context.Context, c *draftwire.Conn) {
			w, err := c.Writer(ctx, draftwire.OpText)
			if err == nil {
				w.Write([]byte(strings.Repeat("x", 100000)))
			}
		}},
		{"in a message of the client", func(ctx context.Context, c *draftwire.Conn) {
			_, r, err := c.Reader(ctx)
			if err == nil {
				r.Read(make([]byte, 10))
			}
		}},
	}
	for _, tc := range cases {
		forPairs(t, func(t *testing.T, front, back draftwire.Version) {
			w := newWorld(t)
			w.backend("back:80", &draftwire.Server{WebSocket: die(tc.f), Options: open(draftwire.VersionsOf(back))})
			w.start(to(gateway.Policy{}, backURL(back)))
			c := w.mustClient(front, draftwire.DialOptions{})
			go c.Write(bg, draftwire.OpText, []byte(strings.Repeat("y", 200000)))
			var err error
			for err == nil {
				_, _, err = c.Read(bg)
			}
			lost := draftwire.HeardCode(front, draftwire.CodeInternal)
			want := lost
			if !back.Supports(draftwire.CapCloseCode) && tc.name != "in a message" {
				want = draftwire.HeardCode(front, draftwire.CodeNormal) // a clean close, unless a write notices it first
			}
			switch code := draftwire.CloseStatus(err); {
			case front == draftwire.Hixie75, code == want, code == lost:
			case front == draftwire.Hixie76 && tc.name == "in a message": // no close can be sent inside it
			default:
				t.Errorf("%s: the client heard %v, not %d", tc.name, err, want)
			}
			if by, err := (<-w.ends).By(); by != gateway.BackendSide {
				t.Errorf("%s: ended by %q: %v", tc.name, by, err)
			}
			w.settled()
		})
	}
}

// A backend that does not read slows its client down, and is cut after the write timeout. One
// that reads again goes on.
func TestBackendDoesNotRead(t *testing.T) {
	for _, tc := range []struct {
		name string
		rest time.Duration
		ok   bool
	}{{"for a while", 20 * time.Second, true}, {"ever", time.Hour, false}} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				got := make(chan int, 1)
				w.backend("back:80", &draftwire.Server{Options: open(draftwire.AllVersions), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
					n := 0
					defer func() { got <- n }()
					select {
					case <-time.After(tc.rest):
					case <-ctx.Done():
						return nil
					}
					for m, err := range c.Messages(ctx) {
						if err != nil {
							return err
						}
						n += len(m.Data)
					}
					return nil
				}})
				cfg := to(gateway.Policy{Ping: -1}, "ws://back")
				w.start(cfg)
				c := w.mustClient(draftwire.RFC6455, draftwire.DialOptions{})
				sent, part := 0, strings.Repeat("z", 10000)
				var err error
				for range 100 {
					if err = c.Write(bg, draftwire.OpText, []byte(part)); err != nil {
						break
					}
					sent += len(part)
				}
				if tc.ok {
					if err != nil {
						t.Fatal(err)
					}
					c.Close(draftwire.CodeNormal, "")
					if n := <-got; n != sent {
						t.Errorf("%d of %d bytes came", n, sent)
					}
				} else {
					if _, _, err := c.Read(bg); draftwire.CloseStatus(err) < draftwire.CodeGoingAway {
						t.Errorf("the client heard %v", err)
					}
					if by, err := (<-w.ends).By(); by == gateway.ClientSide {
						t.Errorf("ended by the client: %v", err)
					}
				}
				w.settled()
			})
		})
	}
}

// After the 101 no other connection to a backend is opened, and before it none to another
// backend if the first one has given an answer.
func TestTriesAnotherBackend(t *testing.T) {
	cases := []struct {
		name   string
		first  func(net.Conn, *bufio.Reader)
		status int // 0: the second backend accepts it
	}{
		{"nobody listens", nil, 0},
		{"says nothing", silent, 0},
		{"dies at once", says(""), 0},
		{"garbage", says("what?\r\n\r\n"), 0},
		{"500", says("HTTP/1.1 500 No\r\n\r\n"), 0},
		{"403", says("HTTP/1.1 403 No\r\n\r\n"), 403},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				var back []*seen
				if tc.first != nil {
					back = append(back, w.script("one:80", tc.first))
				}
				w.echo("two:80", draftwire.AllVersions)
				w.start(to(gateway.Policy{}, "ws://one", "ws://two"))
				refused := 0
				for range 4 { // whichever backend is first
					c, err := w.client(draftwire.RFC6455, draftwire.DialOptions{})
					if err != nil {
						refused++
						if statusOf(err) != tc.status {
							t.Errorf("refused: %v", err)
						}
						continue
					}
					if err := exchange(c, "hello"); err != nil {
						t.Error(err)
					}
					c.Close(draftwire.CodeNormal, "")
				}
				if tc.status != 0 && refused == 0 {
					t.Error("nobody was refused")
				}
				w.settled(back...)
			})
		})
	}
}

func TestAllBackendsDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(to(gateway.Policy{}, "ws://one", "ws://two", "tcp://three:1"))
		for _, v := range draftwire.ServedVersions().List() {
			if he := w.refusal(v); he.Status != 502 {
				t.Errorf("%s: %v", v, he)
			}
		}
		for _, b := range w.gw.Status().Routes[0].Backends {
			if b.Error == "" {
				t.Errorf("%s: no error in the status", b.URL)
			}
		}
		w.settled()
	})
}
