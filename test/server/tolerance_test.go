package server_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// faulty is what a device sends that a tolerance admits.
type faulty struct {
	name    string
	head    string
	need    draftwire.Tolerances
	version draftwire.Version
	reason  draftwire.Reason // without the tolerance
	target  string           // Handshake.Target; "/chat" where empty
}

// lines13 and lines76 are plain requests without their first line.
const (
	lines13 = "Host: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	lines76 = "Host: example.com\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nOrigin: http://example.com\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n" +
		"Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n"
)

var faults = []faulty{
	{name: "LF for CR LF", head: strings.ReplaceAll("GET /chat HTTP/1.1\r\n"+lines13, "\r\n", "\n"), need: wire.TolerateLineEnds, version: wire.RFC6455, reason: wire.ReasonHeadMalformed},
	{name: "LF for CR LF in hixie-76", head: strings.ReplaceAll("GET /chat HTTP/1.1\r\n"+lines76, "\r\n", "\n"), need: wire.TolerateLineEnds, version: wire.Hixie76, reason: wire.ReasonHeadMalformed},
	{name: "one LF, then CR LF", head: "GET /chat HTTP/1.1\r\n" + strings.Replace(lines13, "13\r\n", "13\n", 1), need: wire.TolerateLineEnds, version: wire.RFC6455, reason: wire.ReasonHeadMalformed},
	{name: "a key with a line end", head: "GET /chat HTTP/1.1\r\n" + strings.Replace(lines13, "Q==\r\n", "Q==\n\r\n", 1), need: wire.TolerateLineEnds, version: wire.RFC6455, reason: wire.ReasonHeadMalformed},
	{name: "a key with a line end, at the end", head: "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\n\r\n\r\n", need: wire.TolerateLineEnds, version: wire.Hybi08, reason: wire.ReasonHeadMalformed},
	{name: "CR CR LF", head: strings.ReplaceAll("GET /chat HTTP/1.1\r\n"+lines13, "\r\n", "\r\r\n"), need: wire.TolerateLineEnds, version: wire.RFC6455, reason: wire.ReasonHeadMalformed},
	{name: "LF before the request", head: "\nGET /chat HTTP/1.1\r\n" + lines13, need: wire.TolerateLineEnds, version: wire.RFC6455, reason: wire.ReasonHeadMalformed},
	{name: "no target", head: "GET  HTTP/1.1\r\n" + lines13, need: wire.TolerateRequestLine, version: wire.RFC6455, reason: wire.ReasonHeadMalformed, target: "/"},
	{name: "a blank behind the version", head: "GET /chat HTTP/1.1 \r\n" + lines76, need: wire.TolerateRequestLine, version: wire.Hixie76, reason: wire.ReasonHeadMalformed},
	{name: "a blank in the target", head: "GET /ocpp/CP 01 HTTP/1.1\r\n" + lines13, need: wire.TolerateRequestLine, version: wire.RFC6455, reason: wire.ReasonHeadMalformed, target: "/ocpp/CP%2001"},
	{name: "tabs", head: "GET\t/chat\tHTTP/1.1\r\n" + lines13, need: wire.TolerateRequestLine, version: wire.RFC6455, reason: wire.ReasonHeadMalformed},
	{name: "no slash", head: "GET ocpp/CP01 HTTP/1.1\r\n" + lines13, need: wire.TolerateRequestLine, version: wire.RFC6455, reason: wire.ReasonHeadMalformed, target: "/ocpp/CP01"},
	{name: "a number sign", head: "GET /CP#1 HTTP/1.1\r\n" + lines13, need: wire.TolerateRequestLine, version: wire.RFC6455, reason: wire.ReasonHeadMalformed, target: "/CP%231"},
	{name: "two faults", head: "GET /a b HTTP/1.1\n" + lines13, need: wire.TolerateRequestLine | wire.TolerateLineEnds, version: wire.RFC6455, reason: wire.ReasonHeadMalformed, target: "/a%20b"},
	{name: "HTTP/1.0", head: "GET /chat HTTP/1.0\r\n" + lines13, need: wire.TolerateHTTP10, version: wire.RFC6455, reason: wire.ReasonHTTPVersion},
	{name: "HTTP/1.0 in hixie-76", head: "GET /chat HTTP/1.0\r\n" + lines76, need: wire.TolerateHTTP10, version: wire.Hixie76, reason: wire.ReasonHTTPVersion},
	{name: "a bare address", head: "GET /chat HTTP/1.1\r\n" + strings.Replace(lines76, "example.com", "fe80::1%eth0", 1), need: wire.TolerateLooseHost, version: wire.Hixie76, reason: wire.ReasonHost},
	{name: "a key of eight bytes", head: "GET /chat HTTP/1.1\r\n" + strings.Replace(lines13, "dGhlIHNhbXBsZSBub25jZQ==", "qjaovfzeqzo=", 1), need: wire.TolerateAnyKey, version: wire.RFC6455, reason: wire.ReasonBadKey},
	{name: "an uneven key", head: "GET /chat HTTP/1.1\r\n" + strings.Replace(lines76, "P00\r\n", "P01\r\n", 1), need: wire.TolerateUnevenKey, version: wire.Hixie76, reason: wire.ReasonChallenge},
	{name: "a draft's number", head: "GET /chat HTTP/1.1\r\n" + strings.Replace(lines13, ": 13\r\n", ": 10\r\n", 1), need: wire.TolerateDraftNumber, version: wire.Hybi08, reason: wire.ReasonVersion},
}

// Each fault is refused at once, by its true reason, and the hint names what admits it; with
// that the connection opens and says what it needed; in whatever pieces the head comes.
func TestFaultsOfClients(t *testing.T) {
	for _, f := range faults {
		for _, piece := range []int{1 << 20, 17, 1} {
			for _, tolerate := range []draftwire.Tolerances{0, wire.ClientFaults() &^ f.need &^ (wire.TolerateHybi01 | wire.TolerateHixieFrames), f.need} {
				synctest.Test(t, func(t *testing.T) { f.play(t, piece, tolerate) })
			}
		}
	}
}

func (f *faulty) play(t *testing.T, piece int, tolerate draftwire.Tolerances) {
	opt := wstest.Options()
	opt.Tolerate = tolerate
	var refused *draftwire.HandshakeError
	var info *draftwire.Handshake
	opt.Observer = &draftwire.Observer{
		Refused: func(_ string, _ []byte, he *draftwire.HandshakeError) { refused = he },
		Opened:  func(c *draftwire.Conn) { info = c.Handshake() },
	}
	l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt})
	nc, _ := l.Dial()
	defer nc.Close()
	began := time.Now()
	sent := f.head
	if f.version == wire.Hixie76 {
		sent += wstest.Key3
	}
	for rest := sent; rest != ""; rest = rest[min(piece, len(rest)):] {
		io.WriteString(nc, rest[:min(piece, len(rest))])
		synctest.Wait()
	}
	status := strings.Fields(wstest.ReadHead(t, nc))[1]
	synctest.Wait()
	switch {
	case !tolerate.Has(f.need):
		if refused == nil || refused.Reason != f.reason || status != strconv.Itoa(f.reason.Info().Status) || refused.Tolerance != f.need ||
			!strings.HasSuffix(refused.Hint(), "tolerate "+f.need.String()+" admits it") || time.Since(began) != 0 {
			t.Errorf("%s in pieces of %d with %q: %s, %v, hint of %q, after %v", f.name, piece, tolerate, status, refused, f.need, time.Since(began))
		}
	case status != "101" || info == nil || info.Version() != f.version || info.Tolerated() != f.need || time.Since(began) != 0:
		t.Errorf("%s in pieces of %d with %q: %s, %+v, %v", f.name, piece, tolerate, status, info, refused)
	default:
		if want := f.target; info.Target() != want && (want != "" || info.Target() != "/chat") || len(info.Fields()) < 5 {
			t.Errorf("%s: target %q, fields %q", f.name, info.Target(), info.Fields())
		}
	}
}

// Who sends a blank in its target compares the URL in the answer with one that has it too:
// PhantomJS 1.9.8 does, of a page's URL with %20.
func TestLocationAsSent(t *testing.T) {
	lines75 := "Host: example.com\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nOrigin: http://example.com\r\n\r\n"
	for head, want := range map[string]string{
		"GET /a b?c d HTTP/1.1\r\n" + lines76 + wstest.Key3: "\r\nSec-WebSocket-Location: ws://example.com/a b?c d\r\n",
		"GET /a b HTTP/1.1\r\n" + lines75:                   "\r\nWebSocket-Location: ws://example.com/a b\r\n",
		"GET /a%20b HTTP/1.1\r\n" + lines75:                 "\r\nWebSocket-Location: ws://example.com/a%20b\r\n",
		"GET  /a  HTTP/1.1\r\n" + lines75:                   "\r\nWebSocket-Location: ws://example.com/a\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			opt := wstest.Options()
			opt.Tolerate = wire.TolerateRequestLine
			l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt})
			nc, _ := l.Dial()
			defer nc.Close()
			go io.WriteString(nc, head)
			if got := wstest.ReadHead(t, nc); !strings.Contains(got, want) {
				t.Errorf("%q is answered with %q", head, got)
			}
		})
	}
}

// An ordinary request that needs a tolerance is refused, whoever is there to serve it: it is
// never read again by somebody who may take its head for another. An upgrade that goes to the
// Handler is one of them.
func TestFaultsOfOrdinaryRequests(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was served", r.Method, r.URL) })
	for name, tc := range map[string]struct {
		head   string
		server *draftwire.Server
	}{
		"LF":                      {"GET / HTTP/1.1\nHost: a\n\n", &draftwire.Server{Handler: page, WebSocket: wstest.Echo}},
		"a smuggled request":      {"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\nGET /secret HTTP/1.1\r\nHost: a\r\n\r\n", &draftwire.Server{Handler: page, WebSocket: wstest.Echo}},
		"a blank in the target":   {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", &draftwire.Server{Handler: page, WebSocket: wstest.Echo}},
		"LF before":               {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &draftwire.Server{Handler: page, WebSocket: wstest.Echo}},
		"LF before a handler":     {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &draftwire.Server{Handler: page}},
		"an upgrade to a handler": {"GET /a b HTTP/1.1\r\n" + lines13, &draftwire.Server{Handler: page}},
		"LF without a handler":    {"GET / HTTP/1.1\nHost: a\n\n", &draftwire.Server{WebSocket: wstest.Echo}},
		"a POST with a body":      {"POST / HTTP/1.1\nHost: a\nContent-Length: 40\n\nGET /secret HTTP/1.1\r\nHost: a\r\n\r\n", &draftwire.Server{Handler: page, WebSocket: wstest.Echo}},
		"an upgrade with a body":  {strings.Replace("GET / HTTP/1.0\n"+lines13, "Host:", "Content-Length: 5\nHost:", 1) + "abcde", &draftwire.Server{Handler: page, WebSocket: wstest.Echo}},
		"chunks in HTTP/1.0":      {strings.Replace("GET / HTTP/1.0\r\n"+lines13, "Host:", "Transfer-Encoding: chunked\r\nHost:", 1) + "0\r\n\r\n", &draftwire.Server{Handler: page, WebSocket: wstest.Echo}},
	} {
		synctest.Test(t, func(t *testing.T) {
			opt := wstest.Options()
			opt.Tolerate = wire.ClientFaults()
			opt.Observer = &draftwire.Observer{Refused: func(_ string, _ []byte, he *draftwire.HandshakeError) {
				if he.Tolerance != 0 {
					t.Errorf("%s: the hint is %q", name, he.Hint())
				}
			}}
			s := tc.server
			s.Options = opt
			l := wstest.Serve(t, s)
			nc, _ := l.Dial()
			defer nc.Close()
			go io.WriteString(nc, tc.head)
			answer, _ := io.ReadAll(nc)
			if !strings.HasPrefix(string(answer), "HTTP/1.1 4") || strings.Count(string(answer), "HTTP/1.1") != 1 {
				t.Errorf("%s: %q", name, answer)
			}
		})
	}
}

// Behind net/http, in any program, the faults are tolerated that it lets pass.
func TestFaultsBehindNetHTTP(t *testing.T) {
	played := 0
	for _, f := range faults {
		switch f.need {
		case wire.TolerateHTTP10, wire.TolerateAnyKey, wire.TolerateDraftNumber, wire.TolerateUnevenKey:
		default:
			continue // of the lines, or of Host, which net/http judges
		}
		for _, tolerate := range []draftwire.Tolerances{0, f.need} {
			played++
			synctest.Test(t, func(t *testing.T) {
				opt := wstest.Options()
				opt.Tolerate = tolerate
				var refused *draftwire.HandshakeError
				var needed draftwire.Tolerances
				opt.Observer = &draftwire.Observer{
					Refused:   func(_ string, _ []byte, he *draftwire.HandshakeError) { refused = he },
					Tolerated: func(_ string, x draftwire.Tolerances) { needed |= x },
				}
				l := wstest.Serve(t, &draftwire.Server{Handler: draftwire.Handler(wstest.Echo, &opt)})
				nc, _ := l.Dial()
				defer nc.Close()
				wstest.Send(t, nc, []byte(f.head))
				open := strings.Contains(wstest.ReadHead(t, nc), " 101 ")
				if tolerate != 0 && (!open || needed != f.need) || tolerate == 0 && (open || refused == nil || refused.Tolerance != f.need) {
					t.Errorf("%s with %q: open %v, needed %q, %v", f.name, tolerate, open, needed, refused)
				}
			})
		}
	}
	if played < 8 {
		t.Errorf("only %d were played", played)
	}
}

// One blank line before a request is skipped, for ordinary ones too; more are a 400 at once.
func TestBlankLine(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(299) })
	for head, want := range map[string]string{
		"\r\nGET / HTTP/1.1\r\n" + lines13:                 "101",
		"\r\nGET / HTTP/1.1\r\n" + lines76:                 "101",
		"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n":            "299",
		"\r\n\r\nGET / HTTP/1.1\r\n" + lines13:             "400",
		"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n":    "400",
		"\nGET / HTTP/1.1\r\n" + lines13:                   "400",
		"\r\n\x16\x03\x01\x00\x2e\x01\x00\x00\x2a\x03\x03": "",
		"\r\n\r\nPROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n":       "400",
		"\r\nPROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n":           "",
	} {
		for _, piece := range []int{1 << 20, 1} {
			synctest.Test(t, func(t *testing.T) {
				l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Handler: page, Options: wstest.Options()})
				nc, _ := l.Dial()
				defer nc.Close()
				began := time.Now()
				for rest := head; rest != ""; rest = rest[min(piece, len(rest)):] {
					io.WriteString(nc, rest[:min(piece, len(rest))])
					synctest.Wait()
				}
				answer := make([]byte, 12)
				n, _ := io.ReadFull(nc, answer)
				if got := string(answer[min(n, 9):n]); got != want || time.Since(began) != 0 {
					t.Errorf("%q in pieces of %d: %q after %v, want %q", head, piece, got, time.Since(began), want)
				}
			})
		}
	}
}

// A head whose lines end in CR alone has no end: it is refused when that is seen.
func TestStrayCR(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: wstest.Options()})
		nc, _ := l.Dial()
		defer nc.Close()
		began := time.Now()
		io.WriteString(nc, strings.ReplaceAll("GET / HTTP/1.1\r\n"+lines13, "\r\n", "\r"))
		if head := wstest.ReadHead(t, nc); !strings.HasPrefix(head, "HTTP/1.1 400 ") || time.Since(began) != 0 {
			t.Errorf("%q after %v", head, time.Since(began))
		}
	})
}

// A Flash policy request without its NUL is answered when the stream ends, or after half a
// second; where there is no policy it is refused then.
func TestFlashPolicyWithoutNUL(t *testing.T) {
	const request = "<policy-file-request/>"
	for _, tt := range []struct {
		name, policy, want string
		then               func(nc *memnet.Conn)
		after              time.Duration
	}{
		{"silence", "<policy/>", "<policy/>\x00", func(*memnet.Conn) {}, time.Second / 2},
		{"the end of the stream", "<policy/>", "<policy/>\x00", func(nc *memnet.Conn) { nc.CloseWrite() }, 0},
		{"a late NUL", "<policy/>", "<policy/>\x00", func(nc *memnet.Conn) { time.Sleep(time.Second / 4); nc.Write([]byte{0}) }, time.Second / 4},
		{"something else", "<policy/>", "", func(nc *memnet.Conn) { nc.Write([]byte{'x'}) }, 0},
		{"no policy", "", "", func(*memnet.Conn) {}, time.Second / 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, FlashPolicy: tt.policy})
			nc, _ := l.Dial()
			defer nc.Close()
			began := time.Now()
			for _, c := range []byte(request) {
				nc.Write([]byte{c})
				synctest.Wait()
			}
			tt.then(nc)
			answer := make([]byte, len("<policy/>\x00"))
			n, _ := io.ReadFull(nc, answer)
			if string(answer[:n]) != tt.want || time.Since(began) != tt.after {
				t.Errorf("%s: %q after %v", tt.name, answer[:n], time.Since(began))
			}
		})
	}
}

// The host of an absolute target goes before the Host field, for the check of origins and in
// a hixie answer; an address that lacked its brackets gets them.
func TestHostOfRequest(t *testing.T) {
	for _, tt := range []struct {
		target, host, origin string
		status, want         string
	}{
		{"http://a.example/chat", "b.example", "http://a.example", "101", "a.example"},
		{"http://a.example/chat", "b.example", "http://b.example", "403", ""},
		{"ws://a.example:80", "b.example", "http://a.example", "101", "a.example:80"},
		{"/chat", "2001:db8::1", "http://[2001:db8::1]", "101", "[2001:db8::1]"},
		{"/chat", "[fe80::1%25eth0]:8080", "http://[fe80::1]:8080", "101", "[fe80::1]:8080"},
		{"/chat", "a.example", "http://a.example:80", "101", "a.example"},
	} {
		for _, lines := range []string{lines13, lines76} {
			synctest.Test(t, func(t *testing.T) {
				var host string
				opt := draftwire.AcceptOptions{Versions: draftwire.AllVersions, Tolerate: wire.TolerateLooseHost,
					Observer: &draftwire.Observer{Opened: func(c *draftwire.Conn) { host = c.Handshake().Host() }}}
				l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt})
				nc, _ := l.Dial()
				defer nc.Close()
				lines := strings.Replace(strings.Replace(lines, "Origin: http://example.com\r\n", "", 1), "example.com", tt.host, 1)
				wstest.Send(t, nc, []byte("GET "+tt.target+" HTTP/1.1\r\nOrigin: "+tt.origin+"\r\n"+lines+"12345678"[:8*strings.Count(lines, "Key1")]))
				head := wstest.ReadHead(t, nc)
				synctest.Wait()
				if !strings.HasPrefix(head, "HTTP/1.1 "+tt.status+" ") || host != tt.want ||
					strings.Contains(head, "Location:") && !strings.Contains(head, "Location: ws://"+strings.TrimSuffix(tt.want, ":80")+"/") {
					t.Errorf("%s at %s from %s: %q, host %q", tt.target, tt.host, tt.origin, head, host)
				}
			})
		}
	}
}

// A client takes lengths that are longer than needed where it tolerates them; otherwise the
// error names the tolerance. So does a server, of control frames too.
func TestLongLength(t *testing.T) {
	for _, tolerate := range []draftwire.Tolerances{0, wire.TolerateLongLength} {
		synctest.Test(t, func(t *testing.T) {
			var seen draftwire.Tolerances
			see := &draftwire.Observer{Tolerated: func(_ string, x draftwire.Tolerances) { seen |= x }}
			l := memnet.Listen(1 << 16)
			defer l.Close()
			go func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				head := wstest.ReadHead(t, nc)
				_, key, _ := strings.Cut(head, "Sec-WebSocket-Key: ")
				key, _, _ = strings.Cut(key, "\r\n")
				io.WriteString(nc, "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+wstest.AcceptOf(key)+"\r\n\r\n\x8a\x7e\x00\x01x\x81\x7e\x00\x05Hello")
				io.Copy(io.Discard, nc)
			}()
			c, _, err := draftwire.Dial(bg, "ws://x/", wstest.DialTo(l, draftwire.DialOptions{Tolerate: tolerate, Observer: see}))
			if err != nil {
				t.Fatal(err)
			}
			_, p, err := c.Read(bg)
			if tolerate == 0 && err == nil || tolerate != 0 && (string(p) != "Hello" || seen != tolerate) {
				t.Errorf("with %q: %q, %v, seen %q", tolerate, p, err, seen)
			}
			c.CloseNow()
			time.Sleep(time.Minute) // until both sides have gone
		})
		synctest.Test(t, func(t *testing.T) {
			opt := wstest.Options()
			opt.Tolerate = tolerate
			closed := make(chan error, 1)
			opt.Observer = &draftwire.Observer{Closed: func(_ *draftwire.Conn, err error) { closed <- err }}
			l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt})
			nc, _ := l.Dial()
			wstest.Send(t, nc, []byte("GET / HTTP/1.1\r\n"+lines13+"\x81\xfe\x00\x05\x00\x00\x00\x00Hello"))
			wstest.ReadHead(t, nc)
			if tolerate != 0 {
				wstest.Want(t, nc, []byte("\x81\x05Hello"))
				nc.Close()
				return
			}
			io.Copy(io.Discard, nc)
			nc.Close()
			pe, ok := (<-closed).(*draftwire.ProtocolError)
			if !ok || pe.Hint() != "tolerate long-length admits it" {
				t.Errorf("%v", pe)
			}
		})
	}
}

// The limit of a head holds on a connection that began with ordinary requests, too.
func TestHeadLimitBehindARequest(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for _, n := range []int{1024, 1025, 5000} {
		synctest.Test(t, func(t *testing.T) {
			opt := wstest.Options()
			opt.Limits.HeadLimit = 1024
			l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Handler: page, Options: opt})
			nc, _ := l.Dial()
			defer nc.Close()
			wstest.Send(t, nc, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
			wstest.ReadHead(t, nc)
			plain := wstest.Head(draftwire.RFC6455)
			wstest.Send(t, nc, []byte(wstest.Head(draftwire.RFC6455, "X: "+strings.Repeat("x", n-len(plain)-5))))
			if head := wstest.ReadHead(t, nc); strings.HasPrefix(head, "HTTP/1.1 101 ") != (n <= 1024) || n > 1024 && !strings.HasPrefix(head, "HTTP/1.1 431 ") {
				t.Errorf("%d bytes: %q", n, head)
			}
		})
	}
}
