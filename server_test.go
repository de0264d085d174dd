package draftwire_test

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
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/wire"
)

// upgradeHead is a request head in each version, for the resource /x.
var upgradeHead = map[draftwire.Version]string{
	draftwire.Hixie75: "GET /x HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: example.com\r\nOrigin: http://example.com\r\n\r\n",
	draftwire.Hixie76: "GET /x HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: example.com\r\nOrigin: http://example.com\r\n" +
		"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n",
	draftwire.Hybi07:  "GET /x HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Origin: http://example.com\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 7\r\n\r\n",
	draftwire.Hybi08:  "GET /x HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://example.com\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n",
	draftwire.RFC6455: "GET /x HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nOrigin: http://example.com\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
}

const (
	key3   = "^n:ds[4U"         // of the challenge above
	answer = "8jKS'y:G*Co,Wxa-" // to it
)

// refusals collects what an Observer is told.
type refusals struct {
	mu  sync.Mutex
	got []*draftwire.HandshakeError
}

func (r *refusals) observer() *draftwire.Observer {
	return &draftwire.Observer{Refused: func(_ string, _ []byte, err *draftwire.HandshakeError) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, err)
	}}
}

func (r *refusals) reasons() []wire.Reason {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []wire.Reason
	for _, e := range r.got {
		out = append(out, e.Reason)
	}
	return out
}

// A client that stalls in any phase is dropped at that phase's deadline, and
// does not hold up others.
func TestStalls(t *testing.T) {
	long := "GET /x HTTP/1.1\r\nHost: example.com\r\nX: " + strings.Repeat("y", 5000)
	for _, tt := range []struct {
		name, sent string
		wait       time.Duration
		reason     wire.Reason
		status     string // what the client is told
	}{
		{"nothing", "", draftwire.DefaultHandshakeTimeout, wire.ReasonTimeout, ""},
		{"one byte", "G", draftwire.DefaultHandshakeTimeout, wire.ReasonTimeout, "408"},
		{"half a head", upgradeHead[draftwire.RFC6455][:60], draftwire.DefaultHandshakeTimeout, wire.ReasonTimeout, "408"},
		{"most of a long head", long, draftwire.DefaultHandshakeTimeout, wire.ReasonTimeout, "408"},
		{"no key3", upgradeHead[draftwire.Hixie76], draftwire.DefaultKey3Timeout, wire.ReasonKey3, "101"},
		{"half of key3", upgradeHead[draftwire.Hixie76] + key3[:4], draftwire.DefaultKey3Timeout, wire.ReasonKey3, "101"},
		{"half a policy request", "<policy-file", draftwire.DefaultHandshakeTimeout, wire.ReasonTimeout, "408"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var told refusals
				opt := every()
				opt.Observer = told.observer()
				dial, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: opt, FlashPolicy: draftwire.DefaultFlashPolicy})
				nc, err := l.Dial()
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				io.WriteString(nc, tt.sent)
				began := time.Now()
				other := dial(draftwire.Hixie76, draftwire.DialOptions{})
				go write(t, other, "not held up")
				read(t, other, "not held up")
				if time.Since(began) != 0 {
					t.Errorf("another client was held up for %v", time.Since(began))
				}
				p, _ := io.ReadAll(nc)
				if d := time.Since(began); d < tt.wait || d > tt.wait+time.Second {
					t.Errorf("dropped after %v, want %v", d, tt.wait)
				}
				if status, _, _ := strings.Cut(strings.TrimPrefix(string(p), "HTTP/1.1 "), " "); status != tt.status {
					t.Errorf("the client was told %q, want %q", p, tt.status)
				}
				if got := told.reasons(); len(got) != 1 || got[0] != tt.reason {
					t.Errorf("refused for %v, want %v", got, tt.reason)
				}
			})
		})
	}
}

// One byte a second makes no progress past the deadline.
func TestDrippingHead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: every()})
		nc, _ := l.Dial()
		defer nc.Close()
		began := time.Now()
		for _, b := range []byte(upgradeHead[draftwire.RFC6455]) {
			if _, err := nc.Write([]byte{b}); err != nil {
				break
			}
			<-time.After(time.Second)
		}
		if d := time.Since(began); d > draftwire.DefaultHandshakeTimeout+2*time.Second {
			t.Errorf("a dripping client was dropped after %v", d)
		}
	})
}

func TestHostileHeads(t *testing.T) {
	get := "GET /x HTTP/1.1\r\nHost: example.com\r\n"
	for _, tt := range []struct {
		name, sent, status string
		reason             wire.Reason
	}{
		{"endless head", get + "X: " + strings.Repeat("y", 20<<10), "431", wire.ReasonHeadTooLarge},
		{"endless fields", get + strings.Repeat("X: y\r\n", 200) + "\r\n", "431", wire.ReasonHeadTooLarge},
		{"bare line feeds", "GET /x HTTP/1.1\nHost: example.com\n\r\n\r\n", "400", wire.ReasonHeadMalformed},
		{"NUL in a field", get + "X: \x00\r\n\r\n", "400", wire.ReasonHeadMalformed},
		{"endless method", strings.Repeat("G", 100), "", wire.ReasonPreface},
		{"binary", "\x00\x01\x02\x03", "", wire.ReasonPreface},
		{"TLS without a certificate", "\x16\x03\x01\x02\x00\x01\x00", "", wire.ReasonPreface},
		{"SSL 2 hello", "\x80\x2e\x01\x03\x01", "", wire.ReasonPreface},
		{"PROXY without trust", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n" + upgradeHead[draftwire.RFC6455], "", wire.ReasonPreface},
		{"HTTP/2 in clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", wire.ReasonPreface},
		{"wrong origin", strings.Replace(upgradeHead[draftwire.Hixie76], "Origin: http://example.com", "Origin: http://evil.example", 1), "403", wire.ReasonOrigin},
		{"version 99", strings.Replace(upgradeHead[draftwire.RFC6455], "Version: 13", "Version: 99", 1), "426", wire.ReasonVersion},
		{"unspoken subprotocol", strings.Replace(upgradeHead[draftwire.Hixie75], "\r\n\r\n", "\r\nWebSocket-Protocol: other\r\n\r\n", 1), "403", wire.ReasonProtocol},
		{"key without space", strings.Replace(upgradeHead[draftwire.Hixie76], "4 @1  46546xW%0l 1 5", "4146546015", 1), "400", wire.ReasonChallenge},
		{"plain GET", get + "\r\n", "426", wire.ReasonNotWebSocket},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var told refusals
				opt := every()
				opt.Origins = nil
				opt.Observer = told.observer()
				_, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: opt})
				nc, _ := l.Dial()
				defer nc.Close()
				io.WriteString(nc, tt.sent)
				nc.CloseWrite()
				p, _ := io.ReadAll(nc)
				if status, _, _ := strings.Cut(strings.TrimPrefix(string(p), "HTTP/1.1 "), " "); status != tt.status {
					t.Errorf("the client was told %q, want %q", p, tt.status)
				}
				if tt.status != "" {
					resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(p)), nil)
					if err != nil || resp.Header.Get("Draftwire-Reason") != string(tt.reason) || !resp.Close {
						t.Errorf("response %q: %v", p, err)
					}
					if list := resp.Header.Get("Sec-WebSocket-Version"); (list == "13, 8, 7, 6, 5, 4") != (tt.status == "426") {
						t.Errorf("status %s with the list %q", tt.status, list)
					}
				}
				if got := told.reasons(); len(got) != 1 || got[0] != tt.reason {
					t.Errorf("refused for %v, want %v", got, tt.reason)
				}
			})
		})
	}
}

func TestFlashPolicy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, l := memServer(t, &draftwire.Server{WebSocket: echo, FlashPolicy: "<policy/>"})
		nc, _ := l.Dial()
		defer nc.Close()
		io.WriteString(nc, "<policy-file-request/>\x00")
		if p, err := io.ReadAll(nc); string(p) != "<policy/>\x00" || err != nil {
			t.Errorf("got %q, %v", p, err)
		}
	})
}

// Shutdown says farewell in each version's way, ends unfinished handshakes, and
// waits for the handlers.
func TestShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var returned atomic.Int32
		s := &draftwire.Server{Options: every(), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			defer returned.Add(1)
			return echo(ctx, c)
		}}
		dial, l := memServer(t, s)
		type end struct {
			v   draftwire.Version
			err error
		}
		ends := make(chan end)
		for _, v := range draftwire.Served().List() {
			c := dial(v, draftwire.DialOptions{})
			go func() {
				_, _, err := c.Read(bg)
				ends <- end{v, err}
			}()
		}
		half, _ := l.Dial()
		io.WriteString(half, "GET / HT")
		synctest.Wait()
		done := make(chan error)
		go func() { done <- s.Shutdown(bg) }()
		for range draftwire.Served().Len() {
			e := <-ends
			if want := heard(e.v, draftwire.CodeGoingAway, "").Code; draftwire.CloseStatus(e.err) != want {
				t.Errorf("%s was told %v", e.v, e.err)
			}
		}
		if err := <-done; err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if n := returned.Load(); int(n) != draftwire.Served().Len() {
			t.Errorf("%d handlers have returned", n)
		}
		if p, err := io.ReadAll(half); err != nil || len(p) > 0 {
			t.Errorf("the unfinished handshake got %q, %v", p, err)
		}
		if _, err := l.Dial(); err == nil {
			t.Error("still listening")
		}
	})
}

// A handler that does not return and a peer that does not answer are cut when
// the context ends.
func TestShutdownCut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		s := &draftwire.Server{Options: every(), WebSocket: func(context.Context, *draftwire.Conn) error {
			<-release
			return nil
		}}
		dial, _ := memServer(t, s)
		dial(draftwire.RFC6455, draftwire.DialOptions{})
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		close(release)
	})
}

func TestHandlerPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &draftwire.Server{Options: every(), ErrorLog: newLogger(&log), WebSocket: func(context.Context, *draftwire.Conn) error { panic("oh") }}
		dial, _ := memServer(t, s)
		c := dial(draftwire.RFC6455, draftwire.DialOptions{})
		if _, _, err := c.Read(bg); draftwire.CloseStatus(err) != draftwire.CodeInternal {
			t.Errorf("the client was told %v", err)
		}
		s.Shutdown(bg)
		if !strings.Contains(log.String(), "oh") {
			t.Errorf("log: %q", log.String())
		}
	})
}

func TestAuthorize(t *testing.T) {
	bubble(t, func(t *testing.T) {
		opt := every()
		opt.Authorize = func(h *draftwire.Handshake, acc *wire.Accept) error {
			switch h.Fields().Get("Cookie") {
			case "good":
				acc.Fields = append(acc.Fields, wire.Field{Name: "Set-Cookie", Value: "seen=1"})
				return nil
			case "late":
				return &draftwire.HandshakeError{Status: 404, Reason: wire.ReasonDenied}
			}
			return errors.New("no cookie")
		}
		_, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: opt})
		for cookie, want := range map[string]int{"good": 101, "late": 404, "": 403} {
			for _, v := range draftwire.Served().List() {
				c, resp, err := draftwire.Dial(bg, "ws://example.com/x", &draftwire.DialOptions{
					Version: v, Header: http.Header{"Cookie": {cookie}},
					NetDial: func(context.Context, string, string) (net.Conn, error) { return l.Dial() },
				})
				if resp == nil || resp.StatusCode != want {
					t.Errorf("%s, cookie %q: %v, %v", v, cookie, resp, err)
				}
				if want == 101 {
					if got := resp.Header.Get("Set-Cookie"); got != "seen=1" {
						t.Errorf("%s: Set-Cookie is %q", v, got)
					}
					c.CloseNow()
				}
			}
		}
	})
}

// Whole connections of the vectors, against an echo server.
func TestVectorConnections(t *testing.T) {
	runConnections(t, func(t *testing.T, nonce io.Reader) *memnet.Listener {
		opt := every()
		opt.Rand = nonce
		_, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: opt})
		return l
	})
}

// The eight bytes do not extend the deadline of the whole handshake.
func TestKey3WithinHandshake(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: every()})
		nc, _ := l.Dial()
		defer nc.Close()
		began := time.Now()
		<-time.After(draftwire.DefaultHandshakeTimeout - time.Second)
		send(t, nc, []byte(upgradeHead[draftwire.Hixie76]))
		io.Copy(io.Discard, nc)
		if d := time.Since(began); d != draftwire.DefaultHandshakeTimeout {
			t.Errorf("the connection ended after %v", d)
		}
	})
}

// One error value may be returned to many requests at once.
func TestAuthorizeSharedError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		shared := &draftwire.HandshakeError{Detail: "no"}
		opt := every()
		opt.Authorize = func(*draftwire.Handshake, *wire.Accept) error { return shared }
		_, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: opt})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				_, resp, _ := draftwire.Dial(bg, "ws://example.com/", dialTo(l, draftwire.DialOptions{}))
				if resp == nil || resp.StatusCode != 403 || resp.Header.Get("Draftwire-Reason") != "denied" {
					t.Errorf("response %+v", resp)
				}
			})
		}
		wg.Wait()
		if shared.Status != 0 || shared.Reason != "" {
			t.Errorf("the caller's error became %+v", shared)
		}
	})
}

// Behind a proxy that ends TLS, the URL that hixie answers repeat is the
// client's, if and only if the proxy is trusted to tell it.
func TestForwarded(t *testing.T) {
	head := strings.Replace(upgradeHead[draftwire.Hixie76], "Host: example.com", "Host: backend:8080\r\nX-Forwarded-Host: example.com, inner\r\nX-Forwarded-Proto: https, http", 1)
	for trusted, want := range map[string]string{
		"192.0.2.0/24":    "101 wss://example.com/x",
		"198.51.100.0/24": "403 ", // the origin is not the host
	} {
		bubble(t, func(t *testing.T) {
			_, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: draftwire.AcceptOptions{
				Versions: draftwire.Every, TrustForwarded: []netip.Prefix{netip.MustParsePrefix(trusted)},
			}})
			nc, _ := l.Dial()
			defer nc.Close()
			send(t, nc, []byte(head+key3))
			resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Sec-Websocket-Location")); got != want {
				t.Errorf("trusting %s: %q, want %q", trusted, got, want)
			}
		})
	}
}

// A cancelled read loses nothing over TLS either.
func TestCancelledReadOverTLS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cert, _ := selfSigned(t)
		conns := make(chan *draftwire.Conn, 1)
		_, l := memServer(t, &draftwire.Server{Options: every(), TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
			WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
				conns <- c
				<-ctx.Done()
				return nil
			}})
		client, _, err := draftwire.Dial(bg, "wss://127.0.0.1/", &draftwire.DialOptions{
			NetDial: func(context.Context, string, string) (net.Conn, error) { return l.Dial() },
			TLS:     &tls.Config{InsecureSkipVerify: true}, // the bubble's clock is not the certificate's
		})
		if err != nil {
			t.Fatal(err)
		}
		server := <-conns
		if server.Handshake().TLS == nil || !server.Handshake().Secure {
			t.Error("the handshake does not know of TLS")
		}
		for range 3 {
			ctx, cancel := context.WithTimeout(bg, time.Second)
			if _, _, err := server.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("read: %v", err)
			}
			cancel()
			go write(t, client, "still here")
			read(t, server, "still here")
		}
		client.CloseNow()
	})
}

// A connection whose 101 is on its way when the shutdown begins still hears the
// farewell.
func TestShutdownDuringHandshake(t *testing.T) {
	for range 200 {
		bubble(t, func(t *testing.T) {
			s := &draftwire.Server{WebSocket: echo, Options: every()}
			dial, _ := memServer(t, s)
			c := dial(draftwire.RFC6455, draftwire.DialOptions{})
			go s.Shutdown(bg)
			if _, _, err := c.Read(bg); draftwire.CloseStatus(err) != draftwire.CodeGoingAway {
				t.Fatalf("the client was told %v", err)
			}
		})
	}
	bubble(t, func(t *testing.T) { // with the eight bytes still to come
		s := &draftwire.Server{WebSocket: echo, Options: every()}
		_, l := memServer(t, s)
		nc, _ := l.Dial()
		defer nc.Close()
		send(t, nc, []byte(upgradeHead[draftwire.Hixie76]))
		readHead(t, nc)
		go s.Shutdown(bg)
		synctest.Wait()
		send(t, nc, []byte(key3))
		want(t, nc, []byte(answer+"\xff\x00"))
	})
}

// hybi-01 has the handshake of hixie-76; its first frame tells.
func TestHybi01(t *testing.T) {
	for _, tt := range []struct {
		name, frame string
		tolerate    bool
		echo        string
	}{
		{"text", "\x04\x05Hello", true, "\x04\x05Hello"},
		{"fragments", "\x84\x03Hel\x00\x02lo", true, "\x04\x05Hello"},
		{"hixie text", "\x00Hello\xff", true, "\x00Hello\xff"},
		{"hixie close", "\xff\x00", true, "\xff\x00"},
		{"text, not tolerated", "\x04\x05Hello", false, "\xff\x00"},
	} {
		for _, late := range []bool{false, true} {
			bubble(t, func(t *testing.T) {
				opt := every()
				if tt.tolerate {
					opt.Tolerate = draftwire.TolerateHybi01
				}
				_, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: opt})
				nc, _ := l.Dial()
				defer nc.Close()
				sent := key3 + tt.frame
				send(t, nc, []byte(upgradeHead[draftwire.Hixie76]))
				if late {
					send(t, nc, []byte(key3))
					synctest.Wait()
					sent = tt.frame
				}
				send(t, nc, []byte(sent))
				readHead(t, nc)
				want(t, nc, []byte(answer+tt.echo))
			})
		}
	}
	// A server that speaks first waits a second, then speaks hixie-76.
	bubble(t, func(t *testing.T) {
		opt := every()
		opt.Tolerate = draftwire.TolerateHybi01
		_, l := memServer(t, &draftwire.Server{Options: opt, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			return c.Write(ctx, draftwire.OpText, []byte("hello"))
		}})
		nc, _ := l.Dial()
		defer nc.Close()
		began := time.Now()
		send(t, nc, []byte(upgradeHead[draftwire.Hixie76]+key3))
		readHead(t, nc)
		want(t, nc, []byte(answer+"\x00hello\xff"))
		if d := time.Since(began); d != time.Second {
			t.Errorf("it waited %v", d)
		}
	})
}

// A client that begins as in SSL 2 hears in the words of TLS that it is too old,
// where TLS is served; where it is not, nothing.
func TestSSLv2Hello(t *testing.T) {
	for _, tt := range []struct {
		tls  *tls.Config
		want string
	}{
		{&tls.Config{Certificates: []tls.Certificate{{}}}, "\x15\x03\x01\x00\x02\x02\x46"},
		{nil, ""},
	} {
		bubble(t, func(t *testing.T) {
			refused := make(chan *draftwire.HandshakeError, 1)
			opt := every()
			opt.Observer = &draftwire.Observer{Refused: func(_ string, _ []byte, he *draftwire.HandshakeError) { refused <- he }}
			_, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: opt, TLS: tt.tls})
			nc, _ := l.Dial()
			defer nc.Close()
			io.WriteString(nc, "\x80\x2e\x01\x03\x01\x00")
			if p, err := io.ReadAll(nc); string(p) != tt.want || err != nil {
				t.Errorf("got %q, %v", p, err)
			}
			if he := <-refused; he.Reason != wire.ReasonPreface {
				t.Errorf("refused with %v", he)
			}
		})
	}
}

// Counts may be asked at any time, of a server that does not serve yet too.
func TestCountsBeforeServe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &draftwire.Server{WebSocket: echo, Options: every()}
		done := make(chan draftwire.ServerCounts)
		go func() { done <- s.Counts() }()
		dial, _ := memServer(t, s)
		if n := <-done; n.Open != 0 || n.Pending != 0 {
			t.Errorf("%+v", n)
		}
		dial(draftwire.RFC6455, draftwire.DialOptions{})
		synctest.Wait()
		if n := s.Counts(); n.Open != 1 || n.Pending != 0 {
			t.Errorf("%+v", n)
		}
	})
}
