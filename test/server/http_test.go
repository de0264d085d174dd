package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// lasts returns how long a connection is open, whose bytes are thrown away.
func lasts(nc net.Conn) time.Duration {
	began := time.Now()
	io.Copy(io.Discard, nc)
	return time.Since(began)
}

// A request's body that does not come, an answer that is not taken and a connection that
// is kept for nothing end at the limits of the server, and count until then.
func TestHTTPTimeouts(t *testing.T) {
	const get, post = "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\n"
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page") })
	reads := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			io.WriteString(w, "page")
		}
	})
	long := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for p := make([]byte, 1<<20); ; {
			if _, err := w.Write(p); err != nil {
				return
			}
		}
	})
	cases := []struct {
		name    string
		h       http.Handler
		request string
		want    time.Duration
	}{
		{"a body that nobody reads", page, post + "Content-Length: 1000\r\n\r\n", 10 * time.Second},
		{"a body that is read", reads, post + "Content-Length: 1000\r\n\r\n", 10 * time.Second},
		{"chunks without end", reads, post + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 10 * time.Second},
		{"chunks that nobody reads", page, post + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 10 * time.Second},
		{"a promise", reads, post + "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n", 10 * time.Second},
		{"pipelined requests, unread", page, strings.Repeat(get, 2000), 25 * time.Second},
		{"an answer, unread", long, get, 25 * time.Second}, // a quarter later: it is not known when something was taken last
		{"kept for nothing", page, get, 30 * time.Second},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &draftwire.Server{Handler: tc.h, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second, IdleTimeout: 30 * time.Second}
				l := wstest.Serve(t, s)
				nc, _ := l.Dial()
				defer nc.Close()
				io.WriteString(nc, tc.request)
				synctest.Wait()
				if n := s.Counts(); n != (draftwire.ServerCounts{HTTP: 1}) {
					t.Errorf("%+v", n)
				}
				took := time.Now()
				if unread := strings.HasSuffix(tc.name, "unread"); unread {
					for s.Counts().HTTP > 0 {
						<-time.After(time.Second)
						synctest.Wait()
					}
				} else {
					lasts(nc)
				}
				if d := time.Since(took).Truncate(time.Second); d != tc.want {
					t.Errorf("ended after %v, not %v", d, tc.want)
				}
				<-time.After(time.Second) // net/http lets an answer arrive
				synctest.Wait()
				if n := s.Counts(); n != (draftwire.ServerCounts{}) {
					t.Errorf("at the end: %+v", n)
				}
			})
		})
	}
}

// Who makes headway is not cut, however slow; and a handler may do without our clock.
func TestHTTPHeadway(t *testing.T) {
	const size = 4 << 20
	reads := func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, " ", err)
	}
	lifted := func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := errors.Join(rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Time{})); err != nil {
			panic(err)
		}
		reads(w, r)
	}
	download := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		for range 4 {
			w.Write(make([]byte, size/4))
			select { // as long as the peer is there
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		}
	}
	waits := func(w http.ResponseWriter, r *http.Request) { // a long poll
		io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
			t.Error("the request was cancelled")
		case <-time.After(time.Hour):
			io.WriteString(w, "late")
		}
	}
	run := func(t *testing.T, h http.HandlerFunc, pause time.Duration, want string) {
		s := &draftwire.Server{Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
		l := wstest.Serve(t, s)
		nc, _ := l.Dial()
		defer nc.Close()
		io.WriteString(nc, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
		for range 5 {
			<-time.After(pause)
			io.WriteString(nc, "x")
		}
		r := bufio.NewReader(nc)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		var text strings.Builder
		for p := make([]byte, 32<<10); err == nil; {
			<-time.After(5 * time.Second)
			var k int
			if k, err = resp.Body.Read(p); n < 100 {
				text.Write(p[:k])
			}
			n += k
		}
		if want == "" {
			want = fmt.Sprint(size, " bytes")
			text.Reset()
			fmt.Fprint(&text, n, " bytes")
		}
		if text.String() != want || err != io.EOF {
			t.Errorf("got %q, %v", text.String(), err)
		}
	}
	t.Run("upload", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { run(t, reads, 9*time.Second, "5 <nil>") })
	})
	t.Run("upload, lifted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { run(t, lifted, time.Hour, "5 <nil>") })
	})
	t.Run("download", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { run(t, download, 0, "") }) })
	t.Run("long poll", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { run(t, waits, 0, "late") }) })
}

// The connections of ordinary HTTP have a limit of their own. The one that has waited
// longest for its next request gives its place; where all are at work a new one gets a 503.
func TestMaxHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const get = "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
		work := make(chan struct{})
		s := &draftwire.Server{WebSocket: wstest.Echo, MaxHTTP: 4, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/work" {
				<-work
			}
			io.WriteString(w, "page")
		})}
		x := newCrossroads(t, s)
		var idle []net.Conn
		for i := range 4 {
			nc := x.come(fmt.Sprintf("192.0.2.%d", i), fmt.Sprintf(get, "")) // each of an address of its own
			bufio.NewReader(io.LimitReader(nc, 1)).ReadByte()
			idle = append(idle, nc)
		}
		x.counts(0, 0, 4)
		io.WriteString(idle[0], fmt.Sprintf(get, "")) // is now the last one to have asked
		synctest.Wait()
		x.come("192.0.2.9", fmt.Sprintf(get, "work"))
		lasts(idle[1])
		x.counts(0, 0, 4)
		x.come("192.0.2.9", fmt.Sprintf(get, "work")) // the share of an address is half
		x.counts(0, 0, 4)
		p, _ := io.ReadAll(x.come("192.0.2.9", fmt.Sprintf(get, "work")))
		if !strings.HasPrefix(string(p), "HTTP/1.1 503 ") || !strings.Contains(string(p), "overload") {
			t.Errorf("above the share: %q", p)
		}
		io.WriteString(idle[0], wstest.Head(draftwire.RFC6455)) // an upgrade on a connection that began with requests
		synctest.Wait()
		if n := s.Counts(); n.Open != 1 || n.HTTP != 3 {
			t.Errorf("behind an upgrade: %+v", n)
		}
		close(work)
	})
}

const (
	h2Preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	h2Settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
)

// Connections of HTTP/2 count like others, from the end of their TLS handshake, and end.
// A server that has no Handler has nothing to say in it and does not offer it.
func TestHTTP2IsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &draftwire.Server{WebSocket: wstest.Echo, Handler: http.NotFoundHandler(), MaxHTTP: 3}
		dial := wstest.ServeTLS(t, s)
		var first *tls.Conn
		for i := range 5 {
			tc := dial("h2")
			defer tc.Close()
			io.WriteString(tc, h2Preface+h2Settings)
			synctest.Wait()
			if i == 0 {
				first = tc
				settings := make([]byte, 100)
				n, _ := io.ReadAtLeast(tc, settings, 30)
				if !bytes.Contains(settings[:n], []byte("\x00\x03\x00\x00\x00\x64")) { // SETTINGS_MAX_CONCURRENT_STREAMS, 100
					t.Errorf("settings % x", settings[:n])
				}
			}
			if n := s.Counts(); n.Pending != 0 || n.HTTP != min(i+1, 2) { // half of them are for one address
				t.Errorf("%d connections: %+v", i+1, n)
			}
		}
		first.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := io.Copy(io.Discard, first); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the oldest is still open")
		}
		silent := dial("h2") // not even the preface
		if d := lasts(silent); d > time.Minute {
			t.Errorf("one that says nothing is open for %v", d)
		}
		<-time.After(3 * time.Minute)
		synctest.Wait()
		if n := s.Counts(); n != (draftwire.ServerCounts{}) {
			t.Errorf("at the end: %+v", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		dial := wstest.ServeTLS(t, &draftwire.Server{WebSocket: wstest.Echo})
		tc := dial("h2", "http/1.1")
		defer tc.Close()
		if p := tc.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
			t.Errorf("without a Handler %q is spoken", p)
		}
	})
}

// A peer of HTTP/2 that takes what others get, but nothing of one answer, and one whose
// body does not come, lose that stream when its time has passed, and no other.
func TestHTTP2StreamTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := make(chan string, 2)
		s := &draftwire.Server{ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			switch r.URL.Path {
			case "/down":
				w.(http.Flusher).Flush()
				for p := make([]byte, 100_000); ; {
					if _, err := w.Write(p); err != nil {
						failed <- fmt.Sprint("down ", time.Since(began))
						return
					}
				}
			case "/up":
				w.WriteHeader(200)
				w.(http.Flusher).Flush()
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					failed <- fmt.Sprint("up ", time.Since(began))
				}
			default:
				io.WriteString(w, "page")
			}
		})}
		dial := wstest.ServeTLS(t, s)
		tr := &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return dial("h2"), nil }}
		defer tr.CloseIdleConnections()
		c := &http.Client{Transport: tr}
		down, err := c.Get("https://example.com/down")
		if err != nil {
			t.Fatal(err)
		}
		defer down.Body.Close()
		body, never := io.Pipe()
		defer never.Close()
		req, _ := http.NewRequest("POST", "https://example.com/up", body)
		up, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer up.Body.Close()
		if a, b := <-failed, <-failed; a != "up 10s" || b != "down 20s" {
			t.Errorf("%s, %s", a, b)
		}
		if n := s.Counts(); n.HTTP != 1 {
			t.Errorf("%+v", n)
		}
		resp, err := c.Get("https://example.com/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if p, _ := io.ReadAll(resp.Body); string(p) != "page" {
			t.Errorf("got %q", p)
		}
	})
}

// A request for WebSocket on a stream of HTTP/2 (RFC 8441), which is not spoken here, gets
// a 501 for itself; the connection, which other requests share, goes on.
func TestExtendedConnectRefused(t *testing.T) {
	h := draftwire.Handler(wstest.Echo, nil)
	w := &recorder{header: http.Header{}}
	r, _ := http.NewRequest(http.MethodConnect, "https://example.com/ws", nil)
	r.ProtoMajor, r.ProtoMinor, r.Proto = 2, 0, "HTTP/2.0"
	r.Header[":protocol"] = []string{"websocket"}
	h.ServeHTTP(w, r)
	if w.status != http.StatusNotImplemented || w.header.Get("Connection") != "" {
		t.Errorf("%d %v", w.status, w.header)
	}
	r.Header = http.Header{}
	w = &recorder{header: http.Header{}}
	h.ServeHTTP(w, r)
	if w.status != http.StatusMethodNotAllowed || w.header.Get("Connection") != "" {
		t.Errorf("an ordinary CONNECT: %d %v", w.status, w.header)
	}
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }
