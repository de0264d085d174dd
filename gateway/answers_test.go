package gateway_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
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

// proved returns a script that says text and keeps the connection open. {proof} in it is what
// the key demands.
func proved(s **seen, text string) func(net.Conn, *bufio.Reader) {
	return func(nc net.Conn, _ *bufio.Reader) {
		x := *s
		x.mu.Lock()
		sum := sha1.Sum([]byte(field(x.heads[len(x.heads)-1], "Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		x.mu.Unlock()
		io.WriteString(nc, strings.Replace(text, "{proof}", base64.StdEncoding.EncodeToString(sum[:]), 1))
	}
}

// RFC 9110 15.2: answers with a status from 100 to 199 may come before the last one, and a
// client's Expect, which provokes a 100, is not passed on.
func TestInterimAnswers(t *testing.T) {
	const hundred = "HTTP/1.1 100 Continue\r\n\r\n"
	for before, status := range map[string]int{
		hundred:                    101,
		strings.Repeat(hundred, 5): 101,
		strings.Repeat(hundred, 6): 502,
		"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n": 101,
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			var s *seen
			s = w.script("back:80", proved(&s, before+takes))
			w.start(to(gateway.Policy{}, "ws://back"))
			answer, nc := w.ask(head13("/", "Expect: 100-continue\r\n"))
			nc.Close()
			if got := strings.Split(answer, " ")[1]; got != map[int]string{101: "101", 502: "502"}[status] {
				t.Errorf("%q: %q", before, answer)
			}
			if field(s.head(0), "Expect") != "" {
				t.Errorf("the backend got %q", s.head(0))
			}
		})
	}
}

// A redirect is the backend's answer to this client, as a 4xx is: the client gets it, with
// the URL that it can follow.
func TestRedirects(t *testing.T) {
	for _, c := range []struct{ where, want string }{
		{"/base/login?a=b", "/feed/login?a=b"},
		{"/base", "/feed"},
		{"/elsewhere", "/elsewhere"},
		{"login", "login"},
		{"http://back:9000/base/x", "https://example.com/feed/x"},
		{"ws://BACK:9000/base/x#y", "wss://example.com/feed/x#y"},
		{"//back:9000/base/x", "//example.com/feed/x"},
		{"http://me:secret@back:9000/base/x", "https://example.com/feed/x"},
		{"https://example.com/base/x", "https://example.com/feed/x"},
		{"http://back/base/x", "http://back/base/x"},
		{"https://back:9000/base/x", "https://back:9000/base/x"},
		{"http://other.example/base/x", "http://other.example/base/x"},
		{`http://back:9000\@other.example/`, `http://back:9000\@other.example/`},
		{"mailto:me//back:9000/", "mailto:me//back:9000/"},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			s := w.script("back:9000", says("HTTP/1.1 307 Temporary Redirect\r\nLocation: "+c.where+"\r\nContent-Length: 0\r\n\r\n"))
			cfg := to(gateway.Policy{}, "ws://back:9000/base", "ws://back:9000/base/")
			cfg.Routes[0].StripPrefix = "/feed"
			cfg.Listen[0].PublicURL = "wss://example.com"
			w.start(cfg)
			for range 2 {
				answer, nc := w.ask(head13("/feed/x", ""))
				nc.Close()
				if !strings.HasPrefix(answer, "HTTP/1.1 307 ") || field(answer, "Location") != c.want {
					t.Errorf("%q becomes %q, not %q", c.where, answer, c.want)
				}
			}
			if n := s.made.Load(); n != 2 || len(w.gw.Resting()) > 0 {
				t.Errorf("%d backends were asked for two clients, %q rest", n, w.gw.Resting())
			}
		})
	}
}

// Compression towards a backend is only a wish: whatever the backend makes of the offer, the
// client gets its connection.
func TestBackendCompressionIsAWish(t *testing.T) {
	for extension, dials := range map[string]int64{
		"permessage-deflate":                                                       1, // it keeps its window, against our first choice
		"permessage-deflate; server_no_context_takeover":                           1,
		"permessage-deflate; client_max_window_bits":                               2, // our offer comes back
		"permessage-deflate; unknown=1":                                            2,
		"x-webkit-deflate-frame":                                                   2,
		"permessage-deflate, permessage-deflate":                                   2,
		"permessage-deflate; server_max_window_bits=15; client_max_window_bits=10": 1,
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			var s *seen
			s = w.script("back:80", func(nc net.Conn, r *bufio.Reader) {
				text := takes
				if s.made.Load() == 1 {
					text = strings.Replace(takes, "\r\n\r\n", "\r\nSec-WebSocket-Extensions: "+extension+"\r\n\r\n", 1)
				}
				proved(&s, text)(nc, r)
			})
			w.start(to(gateway.Policy{CompressionBackend: "all"}, "ws://back"))
			answer, nc := w.ask(head13("/", ""))
			nc.Close()
			if !strings.HasPrefix(answer, "HTTP/1.1 101 ") || s.made.Load() != dials {
				t.Errorf("%q: %d tries, %q", extension, s.made.Load(), answer)
			}
			if offers := strings.Count(field(s.head(0), "Sec-WebSocket-Extensions"), "permessage-deflate"); offers != 2 || field(s.head(1), "Sec-WebSocket-Extensions") != "" {
				t.Errorf("%q: the offers are in %q and %q", extension, s.head(0), s.head(1))
			}
		})
	}
}

// A client hears of an overload if all backends say so.
func TestAllBackendsUnavailable(t *testing.T) {
	const busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n\r\n"
	for _, c := range []struct {
		answers []string
		want    string
	}{
		{[]string{busy}, "503"},
		{[]string{busy, busy}, "503"},
		{[]string{busy, "HTTP/1.1 500 Internal Server Error\r\n\r\n"}, "502"},
		{[]string{busy, hangs}, "504"},
	} {
		bubble(t, func(t *testing.T) {
			crowd := newCrowd(t, c.answers...)
			answer, nc := crowd.ask(head13("/", ""))
			nc.Close()
			if !strings.HasPrefix(answer, "HTTP/1.1 "+c.want) || field(answer, "Retry-After") != "7" {
				t.Errorf("%q: %q, want %s", c.answers, answer, c.want)
			}
		})
	}
}

// A backend's 403 may be because of the origin, which the log then says.
func TestForbiddenByOrigin(t *testing.T) {
	for _, c := range []struct {
		origin string
		change func(*gateway.Route)
		hint   bool
	}{
		{"http://example.com", nil, true},
		{"http://back", nil, false},
		{"", nil, false},
		{"http://example.com", func(r *gateway.Route) { r.PreserveHost = true }, false},
		{"http://example.com", func(r *gateway.Route) { r.Origin = "http://back" }, false},
		{"http://example.com", func(r *gateway.Route) { r.DropHeaders = []string{"origin"} }, false},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			w.script("back:80", says("HTTP/1.1 403 Forbidden\r\n\r\n"))
			cfg := to(gateway.Policy{}, "ws://back")
			if c.change != nil {
				c.change(&cfg.Routes[0])
			}
			told := make(chan *draftwire.HandshakeError, 1)
			w.startWith(cfg, gateway.Hooks{Observer: func(string) *draftwire.Observer {
				return &draftwire.Observer{Refused: func(_ string, _ []byte, err *draftwire.HandshakeError) { told <- err }}
			}})
			more := ""
			if c.origin != "" {
				more = "Origin: " + c.origin + "\r\n"
			}
			_, nc := w.ask(head13("/", more))
			nc.Close()
			he := <-told
			if has := strings.Contains(he.Detail, "preserve_host") && strings.Contains(he.Detail, "origin"); he.Status != 403 || has != c.hint {
				t.Errorf("origin %q: %v", c.origin, he)
			}
		})
	}
}

// What a route drops is not sent, whoever would have set it.
func TestDroppedFields(t *testing.T) {
	own := []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Draftwire-Version"}
	for name, c := range map[string]struct {
		change func(*gateway.Route)
		gone   []string
	}{
		"two of ours": {func(r *gateway.Route) { r.DropHeaders = []string{"forwarded", "X_Forwarded-For"} }, own[:2]},
		"the origin":  {func(r *gateway.Route) { r.DropHeaders = []string{"Origin"} }, []string{"Origin"}},
		"all of ours": {func(r *gateway.Route) { r.Forwarded = "none" }, own},
		"a client's":  {func(r *gateway.Route) { r.DropHeaders = []string{"Cookie"} }, []string{"Cookie"}},
		"nothing":     {func(*gateway.Route) {}, nil},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			s := w.script("back:80", refusing)
			cfg := to(gateway.Policy{}, "ws://back")
			c.change(&cfg.Routes[0])
			w.start(cfg)
			_, nc := w.ask(strings.Replace(head13("/", "Origin: http://example.com\r\nCookie: a=b\r\n"), "Upgrade\r\n", "Upgrade, Forwarded\r\n", 1))
			nc.Close()
			for _, f := range append([]string{"Origin", "Cookie"}, own...) {
				if gone := field(s.head(0), f) == ""; gone != slices.Contains(c.gone, f) {
					t.Errorf("%s: %s is missing: %v, in %q", name, f, gone, s.head(0))
				}
			}
		})
	}
}

// Dial says what came, a redirect too.
func TestDialSaysRedirect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.script("back:80", says("HTTP/1.1 307 Temporary Redirect\r\nLocation: ws://other/\r\n\r\n"))
		_, _, err := draftwire.Dial(bg, "ws://back/", &draftwire.DialOptions{NetDial: w.dial})
		he, ok := errors.AsType[*draftwire.HandshakeError](err)
		if !ok || he.Reason != wire.ReasonRefused || he.Status != 307 || he.Fields.Get("Location") != "ws://other/" {
			t.Errorf("%v", err)
		}
	})
}

// A fault of a backend is refused by its name, in what the gateway's log gets, and admitted by
// the tolerance of the backend, or of its route; each use is told.
func TestBackendFaults(t *testing.T) {
	lf := strings.ReplaceAll(takes, "\r\n", "\n")
	for name, c := range map[string]struct {
		change func(*gateway.Route)
		takes  bool
	}{
		"none":         {func(*gateway.Route) {}, false},
		"of the route": {func(r *gateway.Route) { r.Tolerate = []string{"masked", "line-ends"} }, true},
		"of its own":   {func(r *gateway.Route) { r.Backends[0].Tolerate = []string{"line-ends", "masked"} }, true},
		"none of its own, for all of the route's": {func(r *gateway.Route) {
			r.Tolerate = []string{"masked", "line-ends"}
			r.Backends[0].Tolerate = []string{}
		}, false},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			var s *seen
			s = w.script("back:80", proved(&s, lf+"\x81\x85\x00\x00\x00\x00hello"))
			cfg := to(gateway.Policy{}, "ws://back")
			c.change(&cfg.Routes[0])
			var failed error
			told := make(map[string]int)
			w.startWith(cfg, gateway.Hooks{
				BackendFailed:    func(_, _ string, err error) { failed = err },
				BackendTolerated: func(route, backend string, t draftwire.Tolerances) { told[route+" "+backend+" "+t.String()]++ },
			})
			began := time.Now()
			conn, err := w.client(draftwire.RFC6455, draftwire.DialOptions{})
			if (err == nil) != c.takes || time.Since(began) > 0 {
				t.Fatalf("%s: %v, after %v", name, err, time.Since(began))
			}
			if !c.takes {
				he, ok := errors.AsType[*draftwire.HandshakeError](failed)
				if !ok || he.Tolerance != wire.TolerateLineEnds || !strings.Contains(he.Error(), "not CR LF") || statusOf(err) != 502 {
					t.Errorf("%s: %v, %v", name, failed, err)
				}
				return
			}
			if _, p, err := conn.Read(bg); string(p) != "hello" || err != nil {
				t.Errorf("%s: %q, %v", name, p, err)
			}
			if told["r ws://back line-ends"] != 1 || told["r ws://back masked"] != 1 || len(told) != 2 {
				t.Errorf("%s: told %v", name, told)
			}
		})
	}
}

// What a hixie backend sends beside its frames takes the message behind it along, and is a
// loss that is counted, and may be fatal.
func TestDiscardedIsALoss(t *testing.T) {
	const answer = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"WebSocket-Origin: http://back\r\nWebSocket-Location: ws://back/x?y=z\r\n\r\n"
	for name, c := range map[string]struct {
		tolerate []string
		fatal    []gateway.Loss
		want     string
		lost     int
	}{
		"counted":   {nil, nil, "second", 1},
		"fatal":     {nil, []gateway.Loss{gateway.LossDiscarded}, "", 1},
		"tolerated": {[]string{"stray-crlf"}, nil, "first", 0},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			s := w.script("back:80", func(nc net.Conn, _ *bufio.Reader) {
				io.WriteString(nc, answer+"\r\n\x00first\xff")
				rest()
				io.WriteString(nc, "\x00second\xff")
			})
			cfg := to(gateway.Policy{Fatal: c.fatal}, "ws://back/?version=hixie-75")
			cfg.Routes[0].Tolerate = c.tolerate
			w.start(cfg)
			conn := w.mustClient(draftwire.RFC6455, draftwire.DialOptions{})
			_, p, err := conn.Read(bg)
			if string(p) != c.want || (err == nil) != (c.want != "") {
				t.Errorf("%s: %q, %v", name, p, err)
			}
			if ce, ok := errors.AsType[*draftwire.CloseError](err); len(c.fatal) > 0 && (!ok || ce.Code != draftwire.CodeInternal || ce.Reason != "discarded") {
				t.Errorf("%s: closed with %v", name, err)
			}
			conn.CloseNow()
			<-w.ends
			if n := w.losses()[gateway.LossDiscarded]; n != c.lost {
				t.Errorf("%s: lost %d", name, n)
			}
			w.settled(s)
		})
	}
}

func TestBackendTolerancesAreChecked(t *testing.T) {
	for yaml, want := range map[string]string{
		"tolerate: [unmasked]":                             `route r: tolerate: unknown tolerance "unmasked"`,
		"backends: [{url: ws://a, tolerate: [lf]}]":        `backend "ws://a": tolerate: unknown tolerance "lf"`,
		"backends: [{url: tcp://a:1, tolerate: [masked]}]": `backend "tcp://a:1": tolerate: a stream has no faults`,
	} {
		if !strings.Contains(yaml, "backends") {
			yaml += "\n    backends: [{url: ws://a}]"
		}
		_, err := gateway.Load(strings.NewReader("routes:\n  - name: r\n    " + yaml + "\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", yaml, err)
		}
	}
	_, err := gateway.Load(strings.NewReader("routes:\n  - tolerate: [masked]\n    backends: [{url: 'tcp://a:1'}, {url: ws://b, tolerate: []}]\n"))
	if err != nil {
		t.Error(err)
	}
}
