package gateway_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// answers starts a backend that answers each connection with what f writes.
func (w *world) answers(address string, f func(c net.Conn, br *bufio.Reader)) {
	l, _ := w.listen(address)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(c, bufio.NewReader(c))
			}()
		}
	}()
	w.t.Cleanup(func() { l.Close() })
}

// Old clients of HTTP/1.0 keep their connection if they ask for it, and get no status 1xx.
func TestHTTP10(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.page("back:80", func(rw http.ResponseWriter, r *http.Request) {
			rw.WriteHeader(http.StatusEarlyHints)
			rw.Header().Set("Content-Length", "2")
			io.WriteString(rw, "ok")
		})
		w.start(to(gateway.Policy{}, "http://back"))
		u := w.user()
		for range 2 {
			u.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
			if res, body := u.answer("GET"); res.StatusCode != 200 || body != "ok" || res.Header.Get("Connection") != "keep-alive" {
				t.Fatalf("%v %q", res, body)
			}
		}
		u.send("GET / HTTP/1.0\r\n\r\n")
		u.answer("GET")
		if _, err := u.br.ReadByte(); err != io.EOF {
			t.Errorf("the connection stays: %v", err)
		}
		u = w.user()
		if res, _ := u.ask("GET", "/"); res.StatusCode != http.StatusEarlyHints {
			t.Errorf("no early hints: %v", res)
		}
	})
}

// A client that waits for 100 before it sends its body gets it when the backend asks for
// the body, and the answer when the body has come.
func TestContinue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.page("back:80", func(rw http.ResponseWriter, r *http.Request) {
			io.Copy(rw, r.Body)
		})
		w.start(to(gateway.Policy{}, "http://back"))
		u := w.user()
		u.send("POST / HTTP/1.1\r\nHost: front\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
		if res, _ := u.answer("POST"); res.StatusCode != http.StatusContinue {
			t.Fatalf("%v", res)
		}
		u.send("body")
		if res, body := u.answer("POST"); res.StatusCode != 200 || body != "body" {
			t.Errorf("%v %q", res, body)
		}
	})
}

// Both directions stream: an answer begins before the request has ended, and both have
// trailers. The client does not ask for 100: if it did, net/http of Go 1.27 would hold back
// the beginning of the answer until the next part of the body has come.
func TestStreams(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.page("back:80", func(rw http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(rw).EnableFullDuplex(); err != nil {
				t.Error(err)
			}
			rw.Header().Set("Trailer", "X-Sum")
			br := bufio.NewReader(r.Body)
			for {
				line, err := br.ReadString('\n')
				io.WriteString(rw, strings.ToUpper(line))
				http.NewResponseController(rw).Flush()
				if err != nil {
					break
				}
			}
			rw.Header().Set("X-Sum", fmt.Sprint(r.Trailer["X-Good"], r.Trailer["X-Real-Ip"], r.Header["Trailer"]))
		})
		w.start(to(gateway.Policy{}, "http://back"))
		u := w.user()
		u.send("POST / HTTP/1.1\r\nHost: front\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nTrailer: X-Good, X-Real-IP\r\n\r\n")
		u.send("4\r\none\n\r\n")
		res, err := http.ReadResponse(u.br, nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%v %v", res, err)
		}
		body := bufio.NewReader(res.Body)
		for _, line := range []string{"two\n", "three\n"} {
			got, err := body.ReadString('\n')
			if err != nil || got == "" {
				t.Fatalf("%q %v", got, err)
			}
			u.send(fmt.Sprintf("%x\r\n%s\r\n", len(line), line))
		}
		if got, _ := body.ReadString('\n'); got != "THREE\n" {
			t.Errorf("%q", got)
		}
		u.send("0\r\nX-Good: yes\r\nX-Real-IP: 6.6.6.6\r\n\r\n")
		io.Copy(io.Discard, body)
		if sum := res.Trailer.Get("X-Sum"); sum != "[yes] [] []" {
			t.Errorf("trailer %q", sum)
		}
	})
}

// An upgrade to another protocol is declined, unless the route passes it; HTTP/2 is never
// passed, and a backend that switches unasked is refused.
func TestOtherUpgrades(t *testing.T) {
	for _, policy := range []string{"refuse", "pass"} {
		for _, protocol := range []string{"chat/1", "h2c", "HTTP/2.0", "TLS/1.0", "unasked"} {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.answers("back:80", func(c net.Conn, br *bufio.Reader) {
					req, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					if req.Header.Get("Upgrade") == "" && protocol != "unasked" {
						io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
						return
					}
					io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+req.Header.Get("Upgrade")+"\r\n\r\n")
					io.Copy(c, br)
				})
				cfg := to(gateway.Policy{}, "http://back")
				cfg.Routes[0].Upgrades = policy
				w.start(cfg)
				u := w.user()
				fields := []string{"Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__", "Upgrade: " + protocol}
				if protocol == "unasked" {
					fields = nil
				}
				u.send("GET / HTTP/1.1\r\nHost: front\r\n" + strings.Join(append(fields, "\r\n"), "\r\n"))
				res, err := http.ReadResponse(u.br, nil)
				if err != nil {
					t.Fatal(err)
				}
				want := 200
				switch {
				case protocol == "unasked":
					want = 502
				case protocol == "chat/1" && policy == "pass":
					want = 101
				}
				if res.StatusCode != want {
					t.Fatalf("%s, %s: %v", policy, protocol, res)
				}
				if want != 101 {
					return
				}
				for range 3 {
					time.Sleep(gateway.DefaultResponseTimeout - time.Second)
					u.send("hello")
					p := make([]byte, 5)
					if _, err := io.ReadFull(u.br, p); err != nil || string(p) != "hello" {
						t.Fatalf("%q %v", p, err)
					}
				}
				began := time.Now()
				if _, err := u.br.ReadByte(); err == nil || time.Since(began) > gateway.DefaultResponseTimeout+time.Second {
					t.Errorf("a silent tunnel: %v after %v", err, time.Since(began))
				}
			})
		}
	}
}

// The next backend is asked if the first one cannot be reached, and after a failure within
// the request only if asking again does no harm.
func TestHTTPBackends(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		var asked atomic.Int32
		w.answers("broken:80", func(c net.Conn, br *bufio.Reader) {
			if _, err := http.ReadRequest(br); err == nil {
				asked.Add(1)
			}
		})
		w.page("good:80", func(rw http.ResponseWriter, r *http.Request) {
			p, _ := io.ReadAll(r.Body)
			fmt.Fprintf(rw, "%s", p)
		})
		cfg := to(gateway.Policy{}, "http://gone", "http://good")
		cfg.Routes[0].Health.Cooldown = -1
		broken := to(gateway.Policy{}, "http://broken", "http://good").Routes[0]
		broken.Name, broken.Match.Paths, broken.Health.Cooldown = "broken", []string{"/broken"}, -1
		cfg.Routes = append([]gateway.Route{broken}, cfg.Routes...)
		w.start(cfg)
		for range 4 {
			u := w.user()
			u.send("POST / HTTP/1.1\r\nHost: front\r\nContent-Length: 5\r\n\r\nhello")
			if res, body := u.answer("POST"); res.StatusCode != 200 || body != "hello" {
				t.Fatalf("%v %q", res, body)
			}
		}
		var statuses []int
		for range 4 {
			if res, _ := w.user().ask("GET", "/broken"); res.StatusCode != 200 {
				t.Fatalf("%v", res)
			}
			u := w.user()
			u.send("POST /broken HTTP/1.1\r\nHost: front\r\nContent-Length: 5\r\n\r\nhello")
			res, _ := u.answer("POST")
			statuses = append(statuses, res.StatusCode)
		}
		if !strings.Contains(fmt.Sprint(statuses), "502") || asked.Load() < 4 {
			t.Errorf("%v, asked %d times", statuses, asked.Load())
		}
	})
}

// The limits hold for ordinary requests, which need no handshake.
func TestHTTPLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.page("back:80", func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				<-r.Context().Done()
			}
		})
		cfg := to(gateway.Policy{}, "http://back")
		cfg.Limits.Connections, cfg.Limits.HandshakesPerSecond = 2, 1
		w.start(cfg)
		for range 5 {
			if res, _ := w.user().ask("GET", "/"); res.StatusCode != 200 {
				t.Fatalf("%v", res)
			}
		}
		synctest.Wait() // a request counts until its handler has returned
		a, b := w.user(), w.user()
		for _, u := range []*user{a, b} {
			u.send("GET /wait HTTP/1.1\r\nHost: front\r\n\r\n")
		}
		time.Sleep(time.Second)
		if res, _ := w.user().ask("GET", "/"); res.StatusCode != 503 || res.Header.Get("Draftwire-Reason") != "limit" || res.Header.Get("Retry-After") != "5" {
			t.Errorf("%v", res)
		}
		if n := w.gw.Status().Requests.InFlight; n != 2 {
			t.Errorf("%d in flight", n)
		}
		a.Close()
		time.Sleep(time.Second)
		if res, _ := w.user().ask("GET", "/"); res.StatusCode != 200 {
			t.Errorf("%v", res)
		}
	})
}

// A balancer sees that the gateway drains, at the port of the clients; what is under way
// ends, and nothing new begins.
func TestHealthAndDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.page("back:80", func(rw http.ResponseWriter, r *http.Request) {
			time.Sleep(20 * time.Second)
			io.WriteString(rw, "done")
		})
		cfg := to(gateway.Policy{}, "http://back")
		cfg.Listen[0].Health = "/healthz"
		w.start(cfg)
		health := func(method, proto string) (*http.Response, string) {
			u := w.user()
			u.send(method + " /healthz " + proto + "\r\nHost: x\r\n\r\n")
			return u.answer(method)
		}
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			for _, proto := range []string{"HTTP/1.0", "HTTP/1.1"} {
				if res, body := health(method, proto); res.StatusCode != 200 || method != "HEAD" && body != "ok\n" {
					t.Errorf("%s %s: %v %q", method, proto, res, body)
				}
			}
		}
		if res, _ := health("POST", "HTTP/1.1"); res.StatusCode != 405 {
			t.Errorf("%v", res)
		}
		u := w.user()
		u.send("GET / HTTP/1.1\r\nHost: front\r\n\r\n")
		time.Sleep(time.Second)
		drained := make(chan error, 1)
		go func() { drained <- w.gw.Drain(bg) }()
		time.Sleep(time.Second)
		if res, body := health("GET", "HTTP/1.0"); res.StatusCode != 503 || body != "draining\n" || !res.Close {
			t.Errorf("%v %q", res, body)
		}
		if res, _ := w.user().ask("GET", "/"); res.StatusCode != 503 || res.Header.Get("Draftwire-Reason") != "shutdown" || !res.Close {
			t.Errorf("%v", res)
		}
		if _, err := w.client(draftwire.RFC6455, draftwire.DialOptions{}); statusOf(err) != 503 {
			t.Errorf("upgrade: %v", err)
		}
		if res, body := u.answer("GET"); res.StatusCode != 200 || body != "done" || !res.Close {
			t.Errorf("%v %q", res, body)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
	})
}

// Files are served with their type, in ranges, and none that is not meant to be seen.
func TestFiles(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"index.html": "<h1>home", "a.js": "0123456789", "sub/index.html": "sub", ".git/config": "secret", ".well-known/x.txt": "known",
		"empty/x.unknown": "?", "a b.css": "c", "swf.swf": "f",
	} {
		name = filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(name), 0o755)
		os.WriteFile(name, []byte(text), 0o644)
	}
	os.WriteFile(filepath.Join(out, "outside.txt"), []byte("outside"), 0o644)
	os.Symlink(filepath.Join(out, "outside.txt"), filepath.Join(dir, "link.txt"))
	os.Symlink(out, filepath.Join(dir, "linked"))
	os.Symlink("a.js", filepath.Join(dir, "inside.js"))
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Routes[0].Files, cfg.Routes[0].StripPrefix = dir, "/s"
		w.start(cfg)
		u := w.user()
		for _, x := range []struct {
			method, target string
			fields         []string
			status         int
			body           string
		}{
			{"GET", "/s", nil, 200, "<h1>home"}, {"GET", "/s/", nil, 200, "<h1>home"}, {"GET", "/s/index.html?x", nil, 200, "<h1>home"}, {"HEAD", "/s/a.js", nil, 200, ""},
			{"GET", "/s/a.js", []string{"Range: bytes=2-4"}, 206, "234"}, {"GET", "/s/a.js", []string{"Range: bytes=99-"}, 416, "*"},
			{"GET", "/s/a.js", []string{"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"}, 304, ""}, {"GET", "/s/inside.js", nil, 200, "0123456789"},
			{"GET", "/s/a%20b.css", nil, 200, "c"}, {"GET", "/s/sub/", nil, 200, "sub"}, {"GET", "/s/sub?q", nil, 301, "*"}, {"GET", "/s/.well-known/x.txt", nil, 200, "known"},
			{"GET", "/s/empty/x.unknown", nil, 200, "?"}, {"GET", "/s/swf.swf", nil, 200, "f"},
			{"GET", "/s/empty/", nil, 404, "*"}, {"GET", "/s/none", nil, 404, "*"}, {"GET", "/s/a.js/", nil, 404, "*"}, {"GET", "/s//a.js", nil, 404, "*"},
			{"GET", "/s/.git/config", nil, 404, "*"}, {"GET", "/s/%2egit/config", nil, 404, "*"}, {"GET", "/s/sub/../.git/config", nil, 404, "*"},
			{"GET", "/s/link.txt", nil, 404, "*"}, {"GET", "/s/linked/outside.txt", nil, 404, "*"}, {"GET", "/s/linked", nil, 404, "*"},
			{"GET", "/s/..%2f" + filepath.Base(out) + "%2foutside.txt", nil, 404, "*"}, {"GET", "/s/%2e%2e/x", nil, 404, "*"}, {"GET", `/s/..\x`, nil, 404, "*"},
			{"GET", "/s/sub%2findex.html", nil, 200, "sub"}, {"GET", "/s/a.js%00.html", nil, 404, "*"}, {"GET", "/t/a.js", nil, 404, "*"},
			{"POST", "/s/a.js", nil, 405, "*"}, {"DELETE", "/s/a.js", nil, 405, "*"},
		} {
			res, body := u.ask(x.method, x.target, x.fields...)
			if res.StatusCode != x.status || x.body != "*" && body != x.body || strings.Contains(body, "secret") || strings.Contains(body, "outside") {
				t.Errorf("%s %s: %v %q", x.method, x.target, res, body)
			}
			if l := res.Header.Get("Location"); x.status == 301 && l != "./sub/?q" {
				t.Errorf("to %s", l)
			}
		}
		for target, want := range map[string]string{"/s/a.js": "text/javascript; charset=utf-8", "/s/swf.swf": "application/x-shockwave-flash", "/s/empty/x.unknown": "application/octet-stream", "/s/": "text/html; charset=utf-8"} {
			if res, _ := u.ask("GET", target); res.Header.Get("Content-Type") != want || res.Header.Get("Last-Modified") == "" {
				t.Errorf("%s: %v", target, res.Header)
			}
		}
	})
}

// A large body goes through in both directions, unchanged.
func TestLargeBodies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.page("back:80", func(rw http.ResponseWriter, r *http.Request) {
			p, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			rw.Write(p)
		})
		w.start(to(gateway.Policy{}, "http://back"))
		u := w.user()
		body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		go func() {
			u.send(fmt.Sprintf("PUT / HTTP/1.1\r\nHost: front\r\nContent-Length: %d\r\n\r\n", len(body)))
			u.Write(body)
		}()
		if res, got := u.answer("PUT"); res.StatusCode != 200 || got != string(body) {
			t.Errorf("%v, %d bytes", res, len(got))
		}
	})
}
