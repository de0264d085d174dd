package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// page starts a backend with ordinary requests and upgrades on one port.
func (w *world) page(address string, h http.HandlerFunc) {
	w.backend(address, &draftwire.Server{WebSocket: echo, Options: open(draftwire.AllVersions), Handler: h})
}

// recorder is a backend that keeps what comes and answers each request with 200.
type recorder struct {
	mu  sync.Mutex
	got bytes.Buffer
}

func (w *world) recorder(address string) *recorder {
	l, _ := w.listen(address)
	rec := &recorder{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go rec.serve(c)
		}
	}()
	w.t.Cleanup(func() { l.Close() })
	return rec
}

func (rec *recorder) serve(c net.Conn) {
	defer c.Close()
	br := bufio.NewReader(io.TeeReader(c, rec))
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		io.Copy(io.Discard, req.Body)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

func (rec *recorder) Write(p []byte) (int, error) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.got.Write(p)
}

func (rec *recorder) text() string {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.got.String()
}

// user is a client of ordinary HTTP.
type user struct {
	t *testing.T
	net.Conn
	br *bufio.Reader
}

func (w *world) user() *user {
	w.t.Helper()
	c, err := w.dial(bg, "tcp", "front:80")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return &user{w.t, c, bufio.NewReader(c)}
}

// send sends text as it is.
func (u *user) send(text string) { io.WriteString(u.Conn, text) }

// answer reads an answer to a request with that method, whole.
func (u *user) answer(method string) (*http.Response, string) {
	u.t.Helper()
	res, err := http.ReadResponse(u.br, &http.Request{Method: method})
	if err != nil {
		u.t.Fatalf("no answer: %v", err)
	}
	p, err := io.ReadAll(res.Body)
	if err != nil {
		u.t.Errorf("body: %v", err)
	}
	return res, string(p)
}

// ask sends a request and reads the answer.
func (u *user) ask(method, target string, fields ...string) (*http.Response, string) {
	u.t.Helper()
	u.send(method + " " + target + " HTTP/1.1\r\nHost: front\r\n" + strings.Join(append(fields, "\r\n"), "\r\n"))
	return u.answer(method)
}

// A page and its WebSocket come through one port from one backend: with the target as it
// was, the spelling of the fields, and what says who the client is.
func TestPageAndWebSocket(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.page("back:80", func(rw http.ResponseWriter, r *http.Request) {
			h := draftwire.HandshakeOf(r)
			fmt.Fprintf(rw, "%s %s %s", r.Method, r.RequestURI, r.Host)
			for _, f := range h.Fields() {
				fmt.Fprintf(rw, "|%s: %s", f.Name, f.Value)
			}
		})
		w.start(to(gateway.Policy{}, "http://back"))
		u := w.user()
		for range 2 { // on one connection
			res, body := u.ask("GET", "/a%20b/%41?c=%zz&&d;e", "x-oDD: 1", "X-Real-IP: 6.6.6.6", "user-agent: old", "CoNNection: x-hop", "X-Hop: 2", "Cookie: a=b", "Forwarded: for=6.6.6.6", "Origin: http://front")
			if res.StatusCode != 200 || !strings.HasPrefix(body, "GET /a%20b/%41?c=%zz&&d;e back|") {
				t.Fatalf("%d %s", res.StatusCode, body)
			}
			for _, f := range []string{"x-oDD: 1", "user-agent: old", "Cookie: a=b", "Origin: http://front", "X-Forwarded-Proto: http", "X-Forwarded-Host: front"} {
				if !strings.Contains(body+"|", "|"+f+"|") {
					t.Errorf("no %s in %s", f, body)
				}
			}
			for _, f := range []string{"6.6.6.6", "x-hop", "x-hop: 2", "go-http-client", "draftwire-version", "accept-encoding", "connection:"} {
				if strings.Contains(strings.ToLower(body), f) {
					t.Errorf("%s in %s", f, body)
				}
			}
			if res.Header.Get("Content-Type") != "text/plain; charset=utf-8" { // which the backend has guessed
				t.Errorf("%v", res.Header)
			}
		}
		for _, v := range []draftwire.Version{draftwire.Hixie76, draftwire.RFC6455} {
			c := w.mustClient(v, draftwire.DialOptions{})
			if err := c.Write(bg, draftwire.OpText, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, p, err := c.Read(bg); err != nil || string(p) != "hello" {
				t.Fatalf("%q, %v", p, err)
			}
			c.Close(draftwire.CodeNormal, "")
		}
		synctest.Wait() // a request counts as done a moment behind its answer
		if n := w.gw.Status().Requests; n.Total != 2 || n.InFlight != 0 || n.Failed != 0 {
			t.Errorf("%+v", n)
		}
	})
}

// The settings of a route mean the same for requests as for upgrades.
func TestHTTPRouteSettings(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		rec := w.recorder("back:8080")
		cfg := to(gateway.Policy{}, "http://user:secret@back:8080/base/")
		r := &cfg.Routes[0]
		r.StripPrefix, r.PreserveHost, r.DropHeaders, r.PassHeaders = "/app", true, []string{"Cookie"}, []string{"X-Real-IP"}
		r.SetHeaders = map[string]string{"X-Set": "yes"}
		r.Origin = "http://other"
		w.start(cfg)
		w.user().ask("GET", "/app//x?y", "Cookie: a=b", "x-real-ip: 1.2.3.4", "x-set: no", "Authorization: mine", "origin: http://front")
		got := rec.text()
		if !strings.HasPrefix(got, "GET /base//x?y HTTP/1.1\r\nHost: front\r\n") {
			t.Errorf("%s", got)
		}
		for _, f := range []string{"X-Set: yes", "x-real-ip: 1.2.3.4", "Authorization: Basic dXNlcjpzZWNyZXQ=", "Origin: http://other"} {
			if !strings.Contains(got, "\r\n"+f+"\r\n") {
				t.Errorf("no %s in %s", f, got)
			}
		}
		for _, f := range []string{"Cookie", ": mine", "x-set", "http://front"} {
			if strings.Contains(got, f) {
				t.Errorf("%s in %s", f, got)
			}
		}
		if res, _ := w.user().ask("GET", "/elsewhere"); res.StatusCode != 404 || res.Header.Get("Draftwire-Reason") != "no_route" {
			t.Errorf("%v", res)
		}
	})
}

// Routes choose by listener, host and path for both kinds of requests; a route of versions or
// subprotocols takes no ordinary one.
func TestHTTPRoutes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.echo("ws:80", draftwire.AllVersions)
		w.page("a:80", func(rw http.ResponseWriter, r *http.Request) { io.WriteString(rw, "a") })
		w.page("b:80", func(rw http.ResponseWriter, r *http.Request) { io.WriteString(rw, "b") })
		cfg := to(gateway.Policy{}, "ws://ws")
		cfg.Routes[0].Match.Versions = "hixie-76"
		more := to(gateway.Policy{}, "ws://ws").Routes[0]
		add := func(name string, f func(r *gateway.Route)) {
			r := more
			r.Name = name
			f(&r)
			cfg.Routes = append(cfg.Routes, r)
		}
		add("chat", func(r *gateway.Route) { r.Match.Protocols = []string{"chat"} })
		add("secret", func(r *gateway.Route) { r.Match.Paths, r.Status = []string{"/secret", "/secret/*"}, 403 })
		add("moved", func(r *gateway.Route) { r.Match.Paths, r.Redirect = []string{"/old/*"}, "https://new.example/*" })
		add("socket", func(r *gateway.Route) { r.Match.Paths = []string{"/socket"} })
		add("only", func(r *gateway.Route) {
			r.Match.Paths, r.Backends, r.HTTP = []string{"/only"}, nil, []gateway.Backend{{URL: "http://a"}}
		})
		add("rest", func(r *gateway.Route) { r.HTTP = []gateway.Backend{{URL: "http://b"}} })
		w.start(cfg)
		u := w.user()
		for _, x := range []struct {
			method, target string
			status         int
			body           string
		}{
			{"GET", "/", 200, "b"}, {"GET", "/only", 200, "a"}, {"GET", "/secret/x", 403, "Forbidden\n"},
			{"GET", "//secret", 404, "404 Not Found: no_route\n"}, {"GET", "/a/../secret", 404, "404 Not Found: no_route\n"}, {"GET", "/%2e%2e/x", 404, "404 Not Found: no_route\n"},
			{"GET", "/old/x?y", 302, "Found\n"}, {"POST", "/old/x?y", 307, "Temporary Redirect\n"}, {"TRACE", "/", 405, "405 Method Not Allowed: method\n"},
			{"OPTIONS", "/", 200, "b"}, {"PROPFIND", "/", 200, "b"}, {"HEAD", "/", 200, ""},
		} {
			res, body := u.ask(x.method, x.target)
			if res.StatusCode != x.status || body != x.body {
				t.Errorf("%s %s: %d %q", x.method, x.target, res.StatusCode, body)
			}
			if l := res.Header.Get("Location"); x.status/100 == 3 && l != "https://new.example/old/x?y" {
				t.Errorf("%s %s: to %s", x.method, x.target, l)
			}
		}
		if res, body := u.ask("GET", "/socket"); res.StatusCode != 426 || res.Header.Get("Upgrade") != "websocket" || res.Header.Get("Draftwire-Reason") != "not_websocket" || !res.Close {
			t.Errorf("%v %q", res, body)
		}
		for path, want := range map[string]int{"/socket": 0, "/only": 404} {
			o := draftwire.DialOptions{NetDial: w.dial}
			c, _, err := draftwire.Dial(bg, "ws://front"+path, &o)
			if statusOf(err) != want {
				t.Errorf("upgrade at %s: %v", path, err)
			}
			if err == nil {
				c.CloseNow()
			}
		}
	})
}

// Without an http URL a gateway answers ordinary requests as before.
func TestNoHTTP(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(to(gateway.Policy{}, "ws://back"))
		for _, method := range []string{"GET", "HEAD", "POST"} {
			res, _ := w.user().ask(method, "/")
			if res.StatusCode != 426 || res.Header.Get("Draftwire-Reason") != "not_websocket" || res.Header.Get("Sec-WebSocket-Version") != "13, 8, 7, 6, 5, 4" || !res.Close {
				t.Errorf("%s: %v", method, res)
			}
		}
	})
}

// A backend's own error page is passed as it is; the gateway's errors have a reason.
func TestHTTPErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.page("back:80", func(rw http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/500":
				rw.Header()["Content-Type"] = nil
				rw.Header().Set("X-Powered-By", "test")
				rw.WriteHeader(500)
				io.WriteString(rw, "<html>mine")
			case "/die":
				panic(http.ErrAbortHandler)
			case "/half":
				rw.Header().Set("Content-Length", "10")
				io.WriteString(rw, "half")
				http.NewResponseController(rw).Flush()
				panic(http.ErrAbortHandler)
			case "/redirect":
				http.Redirect(rw, r, "http://back/there?x#y", http.StatusFound)
			case "/silent":
				<-r.Context().Done()
			}
		})
		cfg := to(gateway.Policy{}, "http://back")
		gone := to(gateway.Policy{}, "http://gone").Routes[0]
		gone.Name, gone.Match.Paths = "gone", []string{"/gone"}
		cfg.Routes = []gateway.Route{gone, cfg.Routes[0]}
		ended := make(chan *gateway.Request, 10)
		w.hooks.RequestEnded = func(r *gateway.Request) { ended <- r }
		w.start(cfg)
		for _, x := range []struct {
			target       string
			status       int
			reason, body string
		}{
			{"/gone", 502, "backend", "502 Bad Gateway: backend\n"}, {"/die", 502, "backend", "502 Bad Gateway: backend\n"},
			{"/500", 500, "", "<html>mine"}, {"/silent", 504, "backend", "504 Gateway Timeout: backend\n"},
		} {
			res, body := w.user().ask("GET", x.target)
			if res.StatusCode != x.status || body != x.body || res.Header.Get("Draftwire-Reason") != x.reason {
				t.Errorf("%s: %v %q", x.target, res, body)
			}
			if x.status == 500 && (res.Header["Content-Type"] != nil || res.Header.Get("X-Powered-By") != "test") {
				t.Errorf("%v", res.Header)
			}
			r := <-ended
			if r.Status != x.status || string(r.Reason) != x.reason || r.Failed() != (x.reason != "") || r.Failed() != (r.Err != nil) {
				t.Errorf("%s: %+v", x.target, r)
			}
		}
		res, _ := w.user().ask("GET", "/redirect")
		<-ended
		if res.Header.Get("Location") != "http://front/there?x#y" {
			t.Errorf("to %s", res.Header.Get("Location"))
		}
		u := w.user()
		u.send("GET /half HTTP/1.1\r\nHost: front\r\n\r\n")
		res, err := http.ReadResponse(u.br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := io.ReadAll(res.Body); string(p) != "half" || err != io.ErrUnexpectedEOF {
			t.Errorf("%q %v", p, err)
		}
		if r := <-ended; r.Status != 200 || r.Reason != "backend" || !r.Failed() {
			t.Errorf("%+v", r)
		}
	})
}

// A long poll is silent for minutes, events go out as they come, and a client that leaves
// ends the backend's request.
func TestLongPollsAndEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		left := make(chan error, 1)
		w.page("back:80", func(rw http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/poll":
				time.Sleep(gateway.DefaultResponseTimeout - time.Second)
				io.WriteString(rw, "news")
			case "/events":
				rw.Header().Set("Content-Type", "text/event-stream")
				for range 3 {
					http.NewResponseController(rw).Flush()
					time.Sleep(5 * time.Minute)
					io.WriteString(rw, "data: x\n\n")
				}
			case "/left":
				<-r.Context().Done()
				left <- context.Cause(r.Context())
			}
		})
		w.start(to(gateway.Policy{}, "http://back"))
		if res, body := w.user().ask("GET", "/poll"); res.StatusCode != 200 || body != "news" {
			t.Errorf("%v %q", res, body)
		}
		u := w.user()
		u.send("GET /events HTTP/1.1\r\nHost: front\r\n\r\n")
		began := time.Now()
		res, err := http.ReadResponse(u.br, nil)
		if err != nil || time.Since(began) > time.Second {
			t.Fatalf("%v after %v", err, time.Since(began))
		}
		p := make([]byte, 9)
		if _, err := io.ReadFull(res.Body, p); err != nil || time.Since(began) > 301*time.Second {
			t.Errorf("%q %v after %v", p, err, time.Since(began))
		}
		io.Copy(io.Discard, res.Body)
		u = w.user()
		u.send("GET /left HTTP/1.1\r\nHost: front\r\n\r\n")
		time.Sleep(time.Second)
		u.Close()
		began = time.Now()
		if <-left; time.Since(began) > time.Second {
			t.Errorf("noticed after %v", time.Since(began))
		}
	})
}
