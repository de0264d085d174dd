package gateway_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// crowd is a world whose clients come through a trusted proxy, from any address.
type crowd struct {
	*world
	backends []*seen
	answers  []string // of the backends; {proof} in them is what the key demands
	failed   []string // backends that the hook BackendFailed was called for
}

const (
	takes = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {proof}\r\n\r\n"
	hangs = "" // does not answer, and keeps the connection open
)

// newCrowd starts a gateway before the backends one, two and so on.
func newCrowd(t *testing.T, answers ...string) *crowd {
	c := &crowd{world: newWorld(t), answers: answers}
	cfg := to(gateway.Policy{})
	cfg.TrustForwarded = prefixes("192.0.2.0/24")
	for i := range answers {
		name := []string{"one", "two", "three"}[i]
		var s *seen
		s = c.script(name+":80", func(nc net.Conn, _ *bufio.Reader) {
			text := c.answers[i]
			s.mu.Lock()
			sum := sha1.Sum([]byte(field(s.heads[len(s.heads)-1], "Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			s.mu.Unlock()
			io.WriteString(nc, strings.Replace(text, "{proof}", base64.StdEncoding.EncodeToString(sum[:]), 1))
			if text != hangs && text != takes {
				nc.Close()
			}
		})
		c.backends = append(c.backends, s)
		cfg.Routes[0].Backends = append(cfg.Routes[0].Backends, gateway.Backend{URL: "ws://" + name})
	}
	c.startWith(cfg, gateway.Hooks{BackendFailed: func(_, b string, _ error) { c.failed = append(c.failed, b) }})
	return c
}

// from connects a client at that address, with more as fields of its request. It returns the
// status and the reason that the client gets.
func (c *crowd) from(address, more string) string {
	c.t.Helper()
	answer, nc := c.ask(head13("/x", "X-Forwarded-For: "+address+"\r\n"+more))
	nc.Close()
	pass(0)
	line, _, _ := strings.Cut(strings.TrimPrefix(answer, "HTTP/1.1 "), " ")
	return strings.TrimSpace(line + " " + field(answer, "Draftwire-Reason"))
}

func (c *crowd) gets(want, address, more string) {
	c.t.Helper()
	if got := c.from(address, more); got != want {
		c.t.Errorf("a client at %s with %.50q gets %q, not %q", address, more, got, want)
	}
}

// resting checks which backends rest.
func (c *crowd) resting(behind string, want ...string) {
	c.t.Helper()
	if got := c.gw.Resting(); !slices.Equal(got, want) {
		c.t.Errorf("behind %s %q rest, not %q", behind, got, want)
	}
}

func (c *crowd) made() (n int) {
	for _, s := range c.backends {
		n += int(s.made.Load())
	}
	return n
}

// A backend's answer to one client concerns only that client: no other backend is asked, none
// rests, and none counts as failed.
func TestAnswerToOneClientIsNoFailure(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n\r\n":                                                          "400 backend",
		"HTTP/1.1 404 Not Found\r\n\r\n":                                                            "404 backend",
		"HTTP/1.1 414 URI Too Long\r\n\r\n":                                                         "414 backend",
		"HTTP/1.1 429 Too Many Requests\r\n\r\n":                                                    "429 backend",
		"HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n":                                      "431 backend",
		"HTTP/1.1 426 Upgrade Required\r\n\r\n":                                                     "502 backend",
		"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n":                                            "302 backend",
		"HTTP/1.1 307 Temporary Redirect\r\n\r\n":                                                   "502 backend",
		"HTTP/1.1 200 OK\r\n\r\n":                                                                   "502 backend",
		strings.Replace(takes, "\r\n\r\n", "\r\nSec-WebSocket-Protocol: other\r\n\r\n", 1):          "502 backend",
		strings.Replace(takes, "\r\n\r\n", "\r\nX-Echo: "+strings.Repeat("x", 40000)+"\r\n\r\n", 1): "502 backend",
	} {
		bubble(t, func(t *testing.T) {
			c := newCrowd(t, answer, answer, answer)
			for i, address := range []string{"198.51.100.1", "198.51.100.2"} {
				c.gets(want, address, "Sec-WebSocket-Protocol: chat\r\n")
				if c.made() != i+1 {
					t.Errorf("%.40q: %d backends were asked for %d clients", answer, c.made(), i+1)
				}
			}
			c.resting(answer)
			if len(c.failed) > 0 {
				t.Errorf("%.40q: %q failed", answer, c.failed)
			}
			for _, b := range c.gw.Status().Routes[0].Backends {
				if b.Error != "" {
					t.Errorf("%.40q: the status says %q", answer, b.Error)
				}
			}
			c.settled(c.backends...)
		})
	}
}

// A list of subprotocols that two programs may read as two different lists is not offered to a
// backend.
func TestUnclearSubprotocolsAreNotOffered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCrowd(t, takes, takes)
		for _, list := range []string{`a",b,c"`, "a b", "chat, a\x80", `"chat"`, "a\tb"} {
			c.gets("403 subprotocol", "198.51.100.1", "Sec-WebSocket-Protocol: "+list+"\r\n")
		}
		for _, list := range []string{`"a"`, `a b"c`, "a/b \xe9", " , ,"} {
			answer, nc := c.ask(strings.Replace(head76, "Origin:", "Sec-WebSocket-Protocol: "+list+"\r\nOrigin:", 1) + "^n:ds[4U")
			nc.Close()
			if list != " , ," && field(answer, "Draftwire-Reason") != "subprotocol" {
				t.Errorf("hixie-76 with %q: %q", list, answer)
			}
		}
		if c.made() != 0 {
			t.Errorf("backends were asked %d times", c.made())
		}
		for i, list := range []string{"", " ,, ,", "chat", "a, ,b,a!#$%&'*+-.^_`|~c", "jwebsocket.org/json, (x), a;b=c:d", "token=YQ==, ocpp1.6"} {
			c.gets("101", "198.51.100.1", "Sec-WebSocket-Protocol: "+list+"\r\n")
			if c.made() != i+1 {
				t.Errorf("%q: backends were asked %d times, not %d", list, c.made(), i+1)
			}
		}
		c.resting("all of them")
	})
}

// Pages of 2010 with jWebSocket name their subprotocols like URLs, as the drafts of that time
// allow. Such names reach a backend, and routes can match them.
func TestSubprotocolsOfOldPages(t *testing.T) {
	for _, tc := range []struct{ head, want string }{
		{strings.Replace(head76, "Origin:", "Sec-WebSocket-Protocol: jwebsocket.org/json\r\nOrigin:", 1) + "^n:ds[4U", "jwebsocket.org/json"},
		{strings.Replace(head76, "Origin:", "Sec-WebSocket-Protocol: jwebsocket.org/json\tjwebsocket.org/xml\r\nOrigin:", 1) + "^n:ds[4U", "jwebsocket.org/json\tjwebsocket.org/xml"},
		{head13("/x", "Sec-WebSocket-Protocol: jwebsocket.org/json, jwebsocket.org/xml\r\n"), "jwebsocket.org/json"},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			w.echo("back:80", draftwire.AllVersions)
			cfg := to(gateway.Policy{}, "ws://back")
			cfg.Routes[0].Match.Protocols = []string{"jwebsocket.org/json"}
			if err := cfg.Check(); err != nil {
				t.Fatal(err)
			}
			w.start(cfg)
			answer, nc := w.ask(tc.head)
			nc.Close()
			if got := field(answer, "Sec-WebSocket-Protocol"); got != tc.want {
				t.Errorf("subprotocol %q, not %q: %q", got, tc.want, answer)
			}
			w.settled()
		})
	}
}

// A route can offer a subprotocol in the place of a client that offers none, which does not hear
// of it; what a client offers itself is passed on.
func TestSubprotocolOfTheRoute(t *testing.T) {
	for _, tc := range []struct{ head, offered, answered string }{
		{head13("/x", ""), "ocpp1.6", ""},
		{head76 + "^n:ds[4U", "ocpp1.6", ""},
		{head13("/x", "Sec-WebSocket-Protocol: ocpp2.0.1\r\n"), "ocpp2.0.1", "ocpp2.0.1"},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			var s *seen
			s = w.script("back:80", proved(&s, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {proof}\r\nSec-WebSocket-Protocol: "+tc.offered+"\r\n\r\n"))
			cfg := to(gateway.Policy{}, "ws://back")
			cfg.Routes[0].Subprotocol = "ocpp1.6"
			w.start(cfg)
			answer, nc := w.ask(tc.head)
			nc.Close()
			if got := field(s.head(0), "Sec-WebSocket-Protocol"); got != tc.offered {
				t.Errorf("the backend is offered %q, not %q", got, tc.offered)
			}
			if status, got := strings.Split(answer, " ")[1], field(answer, "Sec-WebSocket-Protocol"); status != "101" || got != tc.answered {
				t.Errorf("the client gets %s and %q, not %q", status, got, tc.answered)
			}
		})
	}
}

// A backend that fails again and again for one client does not rest; one that fails for two
// clients in a row does. Each failed client is also tried on the other backends.
func TestDoubtfulFailuresNeedTwoClients(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 500 Internal Server Error\r\n\r\n", "HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 408 Request Timeout\r\n\r\n",
		"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 101 Swi", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
	} {
		bubble(t, func(t *testing.T) {
			c := newCrowd(t, answer, takes)
			asked := func() int64 { return c.backends[0].made.Load() }
			for asked() < 3 {
				c.gets("101", "198.51.100.1", "")
			}
			c.resting(answer + " for one client")
			c.answers[0] = takes
			for n := asked(); asked() == n; {
				c.gets("101", "198.51.100.1", "")
			}
			c.answers[0] = answer
			for n := asked(); asked() == n; {
				c.gets("101", "198.51.100.2", "")
			}
			c.resting(answer + " for another client, but one was taken between them")
			for n := asked(); asked() == n; {
				c.gets("101", "2001:db8::1", "")
			}
			c.resting(answer+" for two clients", "ws://one")
			if e := c.gw.Status().Routes[0].Backends[0].Error; e == "" || len(c.failed) != int(asked()-1) {
				t.Errorf("%.30q: the status says %q, %d failures were told of %d", answer, e, len(c.failed), asked()-1)
			}
		})
	}
}

// One client that asks for something that no backend can do makes none of them rest.
func TestOneClientCannotLetAllBackendsRest(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 500 Oops\r\n\r\n", hangs} {
		bubble(t, func(t *testing.T) {
			c := newCrowd(t, answer, answer, answer)
			for range 5 {
				if got := c.from("198.51.100.1", ""); got != "502 backend" && got != "504 backend" {
					t.Errorf("gets %q", got)
				}
			}
			c.resting("one client")
			c.from("198.51.100.2", "")
			c.resting("two clients", "ws://one", "ws://two", "ws://three")
		})
	}
}

// A backend that does not answer, while another one accepts the same client at once, rests
// after the first client.
func TestSilenceIsJudgedByAnotherBackend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCrowd(t, hangs, takes)
		for c.backends[0].made.Load() == 0 {
			c.gets("101", "198.51.100.1", "")
		}
		c.resting("silence", "ws://one")
	})
}

// A wrong proof and an unreachable backend are always the backend's own fault.
func TestFailuresOfItsOwnLetABackendRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCrowd(t, strings.Replace(takes, "{proof}", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", 1))
		c.gets("502 backend", "198.51.100.1", "")
		c.resting("a wrong proof", "ws://one")
	})
	bubble(t, func(t *testing.T) {
		c := newCrowd(t, takes)
		c.down("one:80")
		c.gets("502 backend", "198.51.100.1", "")
		c.resting("no connection", "ws://one")
	})
}

// If a slow client leaves the backend little time, the backend is not to blame.
func TestSlowClientIsNotTheBackendsFault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCrowd(t, hangs)
		for _, address := range []string{"198.51.100.1", "198.51.100.2"} {
			nc := c.front()
			head := head13("/x", "X-Forwarded-For: "+address+"\r\n")
			io.WriteString(nc, head[:20])
			pass(9500 * time.Millisecond)
			io.WriteString(nc, head[20:])
			if answer := readHead(bufio.NewReader(nc)); !strings.HasPrefix(answer, "HTTP/1.1 504 ") {
				t.Errorf("gets %q", answer)
			}
		}
		c.resting("slow clients")
		if len(c.failed) > 0 || c.made() != 2 {
			t.Errorf("%q failed, %d times asked", c.failed, c.made())
		}
	})
}

// If the gateway has no more files or ports, no backend is to blame, neither after a client
// nor after a check.
func TestOwnShortageIsNotTheBackendsFault(t *testing.T) {
	for _, lack := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			cfg := to(gateway.Policy{}, "ws://one", "ws://two", "tcp://three:1")
			cfg.Routes[0].Health.Check = "tcp"
			var dials atomic.Int64
			gw, err := gateway.New(cfg, gateway.Options{
				Listen: w.listen,
				Dial: func(context.Context, string, string) (net.Conn, error) {
					dials.Add(1)
					return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", lack)}
				},
				Hooks: gateway.Hooks{
					BackendFailed: func(_, b string, err error) { t.Errorf("%s failed: %v", b, err) },
					BackendUp:     func(_, b string, _ bool, err error) { t.Errorf("%s is said to be down: %v", b, err) },
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			w.gw = gw
			done := make(chan error, 1)
			go func() { done <- gw.Run(bg) }()
			defer func() { gw.Close(); <-done }()
			answer, nc := w.ask(head13("/", ""))
			nc.Close()
			if !strings.HasPrefix(answer, "HTTP/1.1 503 ") || field(answer, "Draftwire-Reason") != "overload" || dials.Load() != 1 {
				t.Errorf("%v: %d dials, %q", lack, dials.Load(), answer)
			}
			pass(time.Minute)
			if s := gw.Status(); !s.Ready || s.Routes[0].Backends[0].Error != "" || dials.Load() < 10 {
				t.Errorf("%v: %d dials, %+v", lack, dials.Load(), s)
			}
		})
	}
}

// What a peer sends cannot control the operator's terminal, and is cut.
func TestStatusShowsNoPeersBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCrowd(t, "HTTP/1.1 500 \x1b]0;pwn\x07\x9b2J \u202e\xff "+strings.Repeat("é", 5000)+"\r\n\r\n")
		c.gets("502 backend", "198.51.100.1", "")
		got := c.gw.Status().Routes[0].Backends[0].Error
		if !strings.Contains(got, `\x1b]0;pwn\a\x9b2J \u202e\xff é`) || len(got) > 310 || !strings.HasSuffix(got, "é...") {
			t.Errorf("the status says %q", got)
		}
	})
}
