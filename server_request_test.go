package draftwire

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// Where a request on a connection of a Server ends is beyond doubt, or it is refused: the
// first one and each behind it.
func TestRequestsAreStrict(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: a\r\n"
	const chunked = post + "Transfer-Encoding: chunked\r\n\r\n"
	for request, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: a\r\nx-A: b\r\n\r\n":                               "200 GET x-A= body=",
		"GET / HTTP/1.0\r\n\r\n":                                                    "200 GET body=",
		post + "Content-Length: 3\r\n\r\nabc":                                       "200 POST Content-Length= body=abc",
		chunked + "3\r\nabc\r\n0\r\n\r\n":                                           "200 POST Transfer-Encoding= body=abc",
		chunked + "0003;x=\"y\"\r\nabc\r\nA \t\r\n0123456789\r\n0\r\nT: u\r\n\r\n":  "200 POST Transfer-Encoding= body=abc0123456789",
		"GET / HTTP/1.1\nHost: a\n\n":                                               "400",
		"GET / HTTP/1.1\r\nHost: a\n\r\n":                                           "400",
		"GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n":                                "400",
		"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n":                           "400",
		"GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n":                              "400",
		"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n":                                      "400",
		post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc":                  "400",
		post + "Content-Length: 3, 3\r\n\r\nabc":                                    "400",
		post + "Content-Length: +3\r\n\r\nabc":                                      "400",
		post + "Content-Length: 0x3\r\n\r\nabc":                                     "400",
		post + "Content-Length:\r\n\r\nabc":                                         "400",
		post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":   "400",
		post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n":               "501",
		post + "Transfer-Encoding: identity\r\n\r\n":                                "501",
		post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n":                    "501",
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":            "400",
		post + "Content_Length: 3\r\n\r\n":                                          "400",
		post + "transfer_encoding: chunked\r\nContent-Length: 0\r\n\r\n":            "400",
		chunked + "3;a=\"\r\nabc\r\n0\r\n\r\n":                                      "bad body",
		chunked + "3;a=\x00\r\nabc\r\n0\r\n\r\n":                                    "bad body",
		chunked + "3\nabc\r\n0\r\n\r\n":                                             "bad body",
		chunked + "3\r\nabc\n0\r\n\r\n":                                             "bad body",
		chunked + "3\r\nabcd\r\n0\r\n\r\n":                                          "bad body",
		chunked + "3;a\n\r\nabc\r\n0\r\n\r\n":                                       "bad body",
		chunked + "0x3\r\nabc\r\n0\r\n\r\n":                                         "bad body",
		chunked + "-1\r\nabc\r\n0\r\n\r\n":                                          "bad body",
		chunked + "FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n":                           "bad body",
		chunked + "\r\n0\r\n\r\n":                                                   "bad body",
		chunked + "0\r\nT : u\r\n\r\n":                                              "bad body",
		chunked + "0\r\nT: u\nV: w\r\n\r\n":                                         "bad body",
		"GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("b", 1200) + "\r\n\r\n": "431",
	} {
		for _, before := range []string{"", "GET /first HTTP/1.1\r\nHost: a\r\n\r\n", post + "Content-Length: 1\r\n\r\nx\r\n"} {
			for _, pieces := range []int{1, 7} {
				t.Run(fmt.Sprintf("%q%q/%d", before, request, pieces), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { strict(t, before, request, want, pieces) })
				})
			}
		}
	}
}

func strict(t *testing.T, before, request, want string, pieces int) {
	defer time.Sleep(time.Second) // net/http waits before it closes a connection that it has refused
	got := make(chan string, 2)
	s := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := HandshakeOf(r)
		text := r.Method
		for _, f := range h.Fields() {
			if f.Name != "Host" {
				text += " " + f.Name + "="
			}
		}
		if !h.Exact() {
			t.Error("the head is not exact")
		}
		if p, err := io.ReadAll(r.Body); err != nil {
			text = "bad body"
			w.WriteHeader(400)
		} else {
			text += " body=" + string(p)
		}
		if r.URL.Path != "/first" && !strings.HasSuffix(text, "body=x") {
			got <- text
		}
	})}
	s.Options.Limits.HeadLimit = 1000
	a, b := net.Pipe()
	l := &oneConn{conns: make(chan net.Conn, 1)}
	l.conns <- b
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	defer func() { a.Close(); s.Close(); <-served }()
	go func() {
		text := before + request
		for i := range pieces {
			io.WriteString(a, text[i*len(text)/pieces:(i+1)*len(text)/pieces])
		}
	}()
	br := bufio.NewReader(a)
	for last := before == ""; ; last = true {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		if !last {
			continue
		}
		if status, what, ok := strings.Cut(want, " "); want != "bad body" && fmt.Sprint(res.StatusCode) != status && !(before == "" && res.StatusCode == 408) {
			t.Errorf("status %d, not %s", res.StatusCode, want)
		} else if ok {
			if want != "bad body" {
				want = what
			}
			if text := <-got; text != want {
				t.Errorf("%q, not %q", text, want)
			}
		}
		return
	}
}

// playKept plays parts on a kept connection of s and returns what s answers, with a pause of a
// second behind each part, and the end.
func playKept(t *testing.T, s *Server, parts ...string) (answers string) {
	a, b := net.Pipe()
	l := &oneConn{conns: make(chan net.Conn, 1)}
	l.conns <- b
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	var got bytes.Buffer
	read := make(chan struct{})
	go func() { defer close(read); io.Copy(&got, a) }()
	for _, part := range parts {
		io.WriteString(a, part)
		time.Sleep(time.Second)
	}
	time.Sleep(time.Minute)
	a.Close()
	<-read
	s.Close()
	<-served
	time.Sleep(time.Second) // net/http waits before it closes a connection that it has refused
	return got.String()
}

// One blank line may stand before a request on a kept connection, two behind a POST. What
// cannot be read has an answer that says why, and the observer hears of it.
func TestBetweenRequests(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
	for _, c := range []struct {
		parts []string
		want  string // the statuses, and the reason of the last
	}{
		{[]string{get + "\r\n" + get}, "200 200"},
		{[]string{get, "\r", "\n", get}, "200 200"},
		{[]string{post, "\r\n\r\n" + get}, "200 200"},
		{[]string{get, "\r\n"}, "200"},
		{[]string{get, strings.Replace(get, "\r\n\r\n", "\r\nConnection: Upgrade\r\nUpgrade: foo\r\nUpgrade: websocket\r\n\r\n", 1)}, "200 426 version_disabled"},
		{[]string{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" + get, get}, "200 200 200"},
		{[]string{get, "\r\n\r\n" + get}, "200 400 bad_head"},
		{[]string{get, "\n" + get}, "200 400 bad_head"},
		{[]string{get, "\r" + get}, "200 400 bad_head"},
		{[]string{get, " " + get}, "200 400 bad_head"},
		{[]string{get, "GET / HTTP/1.1\r\nHo"}, "200 408 timeout"},
		{[]string{get, "GET / HT", "TP/1.1\r\nHost: a\r\n\r\n", get}, "200 200 200"},
		{[]string{get + get + get + "\r"}, "200 200 200"},
		{[]string{get, strings.Repeat("A", 2000)}, "200 431 head_too_large"},
		{[]string{get, "rubbish\r\n\r\n" + get}, "200 400 bad_head"},
	} {
		synctest.Test(t, func(t *testing.T) {
			reason := ""
			s := &Server{IdleTimeout: 30 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if fedOf(r).conn.web.in {
					w.WriteHeader(200)
				}
			}), WebSocket: echoOnce}
			s.Options.Limits.HeadLimit = 1000
			s.Options.Observer = &Observer{Refused: func(_ string, _ []byte, err *HandshakeError) { reason = " " + string(err.Reason) }}
			answers := playKept(t, s, c.parts...)
			var statuses []string
			for _, part := range strings.Split(answers, "HTTP/1.1 ")[1:] {
				statuses = append(statuses, part[:3])
			}
			if got := strings.Join(statuses, " ") + reason; got != c.want {
				t.Errorf("%q: %s, not %s\n%s", c.parts, got, c.want, answers)
			}
			if reason != "" && !strings.Contains(answers, "Draftwire-Reason:"+reason+"\r\n") {
				t.Errorf("%q: no reason in %s", c.parts, answers)
			}
		})
	}
}

// A refusal names all tolerances that would admit the request, by whichever fault it was
// refused; and those that are on already it does not name.
func TestAllTolerancesAreNamed(t *testing.T) {
	const rest = "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	for _, c := range []struct {
		head     string
		tolerate wire.Tolerances
		want     wire.Tolerances
	}{
		{"GET / HTTP/1.0\r\n" + rest, 0, wire.TolerateHTTP10},
		{"GET / HTTP/1.0\n" + rest, 0, wire.TolerateHTTP10 | wire.TolerateLineEnds},
		{"GET  / HTTP/1.0\n" + rest, wire.TolerateLineEnds, wire.TolerateHTTP10 | wire.TolerateRequestLine},
		{"GET / HTTP/1.0\r\n" + strings.Replace(rest, "Connection: Upgrade\r\n", "", 1), 0, wire.TolerateHTTP10 | wire.TolerateNoConnection},
		{"GET / HTTP/1.0\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" + rest, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			var got wire.Tolerances
			s := &Server{WebSocket: echoOnce}
			s.Options.Tolerate = c.tolerate
			s.Options.Observer = &Observer{Refused: func(_ string, _ []byte, err *HandshakeError) { got = err.Tolerance }}
			playKept(t, s, c.head)
			if got != c.want {
				t.Errorf("%q: %s, not %s", c.head, got, c.want)
			}
		})
	}
}

// A handshake of hixie-76 behind a page is whole, whatever the bytes behind its head are.
func TestHandshakeBehindPage(t *testing.T) {
	for _, key3 := range []string{"12345678", "\n\n\r\n\r\n12", "\r\nGET / ", "GET /\r\n\r", " \r\n\r\n\r\n\x00"} {
		for _, apart := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{
					Handler:   http.NotFoundHandler(),
					WebSocket: echoOnce,
					Options:   AcceptOptions{Versions: AllVersions},
				}
				head := "GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n" +
					"Sec-WebSocket-Key1: 3e6b263  4 17 80\r\nSec-WebSocket-Key2: 17  9 G`ZD9   2 2b 7X 3 /r90\r\n\r\n"
				parts := []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", head + key3 + "\x00hello\xff"}
				if apart {
					parts = []string{parts[0], head, key3[:3], key3[3:] + "\x00hel", "lo\xff"}
				}
				if answers := playKept(t, s, parts...); !strings.HasSuffix(answers, "\x00hello\xff\xff\x00") {
					t.Errorf("%q: %q", key3, answers)
				}
			})
		}
	}
}

func echoOnce(ctx context.Context, c *Conn) error {
	kind, p, err := c.Read(ctx)
	if err != nil {
		return err
	}
	return c.Write(ctx, kind, p)
}

// A handler may return while a goroutine of its own still reads the body, as ReverseProxy does
// where a backend answers early. The client gets the answer, and the connection ends.
func TestBodyLeftBehind(t *testing.T) {
	for _, body := range []string{"Content-Length: 6\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"} {
		for _, more := range []string{"", "def"} {
			synctest.Test(t, func(t *testing.T) {
				left := make(chan error, 1)
				s := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					http.NewResponseController(w).EnableFullDuplex()
					r.Body.Read(make([]byte, 3))
					go func() {
						_, err := io.ReadAll(r.Body)
						left <- err
					}()
					time.Sleep(time.Millisecond)
					io.WriteString(w, "ok")
				})}
				s.ErrorLog = log.New(testWriter{t}, "", 0)
				answers := playKept(t, s, "POST / HTTP/1.1\r\nHost: a\r\n"+body, more)
				if !strings.HasPrefix(answers, "HTTP/1.1 200") || !strings.HasSuffix(answers, "ok") || strings.Count(answers, "HTTP/1.1") != 1 {
					t.Errorf("%q: %q", body, answers)
				}
				if err := <-left; err == nil {
					t.Error("the body is whole")
				}
			})
		}
	}
}

// testWriter makes a line of a log a fault of the test.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Errorf("the log says %q", p)
	return len(p), nil
}

// oneConn is a listener with one connection.
type oneConn struct {
	conns chan net.Conn
	net.Listener
}

func (l *oneConn) Accept() (net.Conn, error) {
	nc, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return nc, nil
}

func (l *oneConn) Close() error {
	defer func() { recover() }()
	close(l.conns)
	return nil
}

func (l *oneConn) Addr() net.Addr { return feedAddr{} }

// slow is a connection that says text, in pieces of n bytes at most.
type slow struct {
	net.Conn
	text []byte
	n    int
}

func (c *slow) Read(p []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.text[:min(c.n, len(c.text))])
	c.text = c.text[n:]
	return n, nil
}

// requestsOf returns the requests of a connection as net/http reads them behind a gate, with
// their bodies, and how the last one ended.
func requestsOf(t *testing.T, p []byte, piece int) (all []string) {
	g := &gate{limit: 1 << 10}
	c := &slow{text: p, n: piece}
	br := bufio.NewReader(&replayConn{Conn: c, src: new(sock.Reader), gate: g})
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			if g.current == "" && g.bad == nil && g.phase == inHead && len(g.buf) == 0 && (len(g.ready) > 0 || br.Buffered() > 0) {
				t.Fatalf("%q: net/http has %q left", p, g.ready)
			}
			return append(all, "no request")
		}
		if _, err := g.next(req); err != nil {
			return append(all, err.Error())
		}
		var read wire.Request
		if err := httphead.ParseRequest(g.current, &read); err != nil || read.Method != req.Method || read.Target != req.RequestURI {
			t.Fatalf("%q: %q, but %s %s to net/http (%v)", p, g.current, req.Method, req.RequestURI, err)
		}
		body, err := io.ReadAll(req.Body)
		all = append(all, fmt.Sprintf("%q %q", g.current, body))
		if err != nil {
			if g.bad == nil && err != io.ErrUnexpectedEOF && !strings.Contains(err.Error(), "chunk") && !strings.Contains(err.Error(), "trailer") {
				t.Fatalf("%q: body %q: %v", p, body, err)
			}
			return append(all, "bad body")
		}
		g.done()
	}
}

// FuzzRequests fuzzes the bytes of a connection with ordinary requests: what the gate lets
// pass, net/http reads as the same requests, and in whatever pieces they come they are the
// same, with the same bodies.
func FuzzRequests(f *testing.F) {
	const post = "POST /p HTTP/1.1\r\nHost: a\r\n"
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
		post + "Content-Length: 3\r\n\r\nabc\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		post + "Transfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: u\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		post + "Transfer-Encoding: chunked\r\n\r\n0\r\nT: u\x1d\r\n\r\n", // net/http refuses that trailer
		post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", post + "Content-Length: 18446744073709551616\r\n\r\n",
		post + "Transfer-Encoding: Chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", post + "Content-Length: 00\r\n\r\n\n\n\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		seed.Add(f, []byte(s), uint8(5))
	}
	f.Fuzz(func(t *testing.T, p []byte, piece uint8) {
		whole, pieces := requestsOf(t, p, len(p)+1), requestsOf(t, p, int(piece)+1)
		if !slices.Equal(whole, pieces) {
			t.Fatalf("%q: whole\n%q\nin pieces of %d\n%q", p, whole, int(piece)+1, pieces)
		}
	})
}
