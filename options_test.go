package draftwire_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/wire"
)

// New options hold for the handshakes that begin behind SetOptions; connections
// and handshakes that were there before go on with theirs.
func TestSetOptions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var opened, closed [2]atomic.Int32
		generation := func(n int, vs draftwire.Versions) draftwire.AcceptOptions {
			o := every()
			o.Versions, o.Limits.ReadLimit = vs, int64(8*(n+1))
			o.Observer = &draftwire.Observer{
				Opened: func(*draftwire.Conn) { opened[n].Add(1) },
				Closed: func(*draftwire.Conn, error) { closed[n].Add(1) },
			}
			return o
		}
		s := &draftwire.Server{WebSocket: echo, Options: generation(0, draftwire.Every)}
		dial, l := memServer(t, s)
		old := dial(draftwire.Hixie76, draftwire.DialOptions{})
		half, _ := l.Dial()
		defer half.Close()
		io.WriteString(half, upgradeHead[draftwire.Hixie76][:40])
		synctest.Wait()

		if err := s.SetOptions(generation(1, draftwire.Modern)); err != nil {
			t.Fatal(err)
		}
		io.WriteString(half, upgradeHead[draftwire.Hixie76][40:]+key3)
		readHead(t, half)
		want(t, half, []byte(answer))
		if _, _, err := draftwire.Dial(bg, "ws://example.com/x", dialTo(l, draftwire.DialOptions{Version: draftwire.Hixie76})); err == nil {
			t.Error("hixie-76 is still accepted")
		}
		recent := dial(draftwire.RFC6455, draftwire.DialOptions{})
		go write(t, old, "eight by")
		read(t, old, "eight by")
		go write(t, recent, "more than eight")
		read(t, recent, "more than eight")
		go write(t, old, "more than eight")
		if _, _, err := old.Read(bg); err == nil {
			t.Error("the old limit is gone")
		}
		recent.CloseNow()
		half.Close()
		synctest.Wait()
		if o, c := fmt.Sprint(opened[0].Load(), opened[1].Load()), fmt.Sprint(closed[0].Load(), closed[1].Load()); o != "2 1" || c != "2 1" {
			t.Errorf("opened %s, closed %s, want 2 1 both", o, c)
		}
	})
}

// What cannot be served is refused where options are taken, and changes nothing.
func TestBadOptions(t *testing.T) {
	for name, bad := range map[string]draftwire.AcceptOptions{
		"versions": {Versions: 1 << 15},
		"origins":  {Origins: []string{"example.com", "[.example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := &draftwire.Server{WebSocket: echo, Options: every()}
				dial, _ := memServer(t, s)
				if err := s.SetOptions(bad); err == nil || !strings.HasPrefix(err.Error(), "draftwire: options: ") {
					t.Errorf("SetOptions: %v", err)
				}
				c := dial(draftwire.Hixie75, draftwire.DialOptions{})
				go write(t, c, "as before")
				read(t, c, "as before")
			})
			l := memnet.Listen(1)
			if err := (&draftwire.Server{Options: bad}).Serve(l); err == nil || err == http.ErrServerClosed {
				t.Errorf("Serve: %v", err)
			}
			if _, err := l.Dial(); err == nil {
				t.Error("Serve left the listener open")
			}
			r := httptest.NewRequest("GET", "/", nil)
			w := httptest.NewRecorder()
			if _, err := draftwire.Accept(w, r, &bad); err == nil || w.Code != 500 || w.Header().Get("Draftwire-Reason") != string(wire.ReasonOptions) {
				t.Errorf("Accept: %v, %d", err, w.Code)
			}
		})
	}
	// Good ones cure bad ones.
	bubble(t, func(t *testing.T) {
		s := &draftwire.Server{WebSocket: echo, Options: draftwire.AcceptOptions{Versions: 1 << 15}}
		if err := s.SetOptions(every()); err != nil {
			t.Fatal(err)
		}
		dial, _ := memServer(t, s)
		dial(draftwire.Hixie75, draftwire.DialOptions{})
	})
}

func TestSetFlashPolicy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &draftwire.Server{WebSocket: echo, FlashPolicy: "<one/>"}
		_, l := memServer(t, s)
		for _, policy := range []string{"<one/>", "<two/>", ""} {
			s.SetFlashPolicy(policy)
			nc, _ := l.Dial()
			defer nc.Close()
			io.WriteString(nc, "<policy-file-request/>\x00")
			if p, _ := io.ReadAll(nc); strings.TrimSuffix(string(p), "\x00") != policy {
				t.Errorf("got %q, want %q", p, policy)
			}
		}
	})
}

// Options change while clients come and go (for the race detector).
func TestSetOptionsRace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &draftwire.Server{WebSocket: echo, Options: every(), Handler: http.NotFoundHandler()}
		_, l := memServer(t, s)
		ctx, cancel := context.WithCancel(bg)
		var clients, changes sync.WaitGroup
		for i := range 2 {
			changes.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					o := every()
					o.Limits.ReadLimit = int64(100 + n)
					if err := s.SetOptions(o); err != nil {
						t.Error(err)
					}
					s.SetFlashPolicy(fmt.Sprint("<policy n='", i, n, "'/>"))
				}
			})
		}
		for _, v := range draftwire.Served().List() {
			clients.Go(func() {
				for range 20 {
					c, _, err := draftwire.Dial(bg, "ws://example.com/x", dialTo(l, draftwire.DialOptions{Version: v}))
					if err != nil {
						t.Error(err)
						return
					}
					write(t, c, "hello")
					read(t, c, "hello")
					c.CloseNow()
				}
			})
		}
		clients.Wait()
		cancel()
		changes.Wait()
	})
}

// What a connection tells of its handshake is exact, whatever it has in common with
// others; with DropHeads it tells the parts, not the heads.
func TestHeadsExact(t *testing.T) {
	for _, drop := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			opened := make(chan *draftwire.Conn, 1)
			opt := every()
			opt.DropHeads, opt.Protocols = drop, []string{"chat"}
			_, l := memServer(t, &draftwire.Server{Options: opt, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
				opened <- c
				return echo(ctx, c)
			}})
			for i, tt := range []struct{ target, key, more string }{
				{"/a", "dGhlIHNhbXBsZSBub25jZQ==", ""},
				{"/a", "AQIDBAUGBwgJCgsMDQ4PEA==", ""},
				{"/b?token=1", "AQIDBAUGBwgJCgsMDQ4PEA==", "Cookie: a=1\r\n"},
				{"/b?token=22", "dGhlIHNhbXBsZSBub25jZQ==", "Cookie: b=22\r\n"},
			} {
				sent := "GET " + tt.target + " HTTP/1.1\r\nhost: example.com\r\nUPGRADE: websocket\r\nConnection:  Upgrade\r\n" +
					"Origin: http://example.com\r\nSec-WebSocket-Protocol: chat\r\n" + tt.more +
					"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + tt.key + "\r\n\r\n"
				nc, err := l.Dial()
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				send(t, nc, []byte(sent))
				got := readHead(t, nc)
				h := (<-opened).Handshake()
				if h.Target != tt.target || h.Host != "example.com" || h.Origin != "http://example.com" || h.Protocol != "chat" ||
					len(h.Offered) != 1 || h.Offered[0] != "chat" {
					t.Errorf("%d: %+v", i, h)
				}
				if drop {
					sent, got = "", ""
				}
				if h.Request() != sent || h.Response() != string(got) {
					t.Errorf("%d: %q and %q, not %q and %q", i, h.Request(), h.Response(), sent, got)
				}
				if !drop && tt.more != "" && h.Fields().Get("Cookie") != tt.more[8:len(tt.more)-2] {
					t.Errorf("%d: cookie %q", i, h.Fields().Get("Cookie"))
				}
			}
		})
	}
}

func TestSetRequest(t *testing.T) {
	var h draftwire.Handshake
	h.SetRequest("GET / HTTP/1.1\r\nAuthorization: Basic x\r\n\r\n")
	if got := h.Fields().Get("authorization"); got != "Basic x" || h.Response() != "" {
		t.Errorf("%q", got)
	}
}

// "*" alone has a meaning in a pattern of origins: a class, as path.Match knows it, would
// let addresses in that nobody listed.
func TestOriginPatterns(t *testing.T) {
	cases := []struct {
		pattern, origin string
		want            bool
	}{
		{"http://[::1]:8080", "http://[::1]:8080", true},
		{"http://[::1]:8080", "http://1:8080", false},
		{"http://[::1]:8080", "http://::8080", false},
		{"[::1]", "http://[::1]:99", true},
		{"https://*.example.com", "https://a.b.example.com", true},
		{"https://*.example.com", "https://example.com", false},
		{"https://*.example.com", "https://evil.com/.example.com", false},
		{"*.example.com", "https://a.example.com:8443", true},
		{"*.example.com", "https://a.example.com.evil.org", false},
		{"*.example.com", "https://aexample.com", false},
		{"*a*b*", "http://xxaxxbxx", true},
		{"*a*b*", "http://xxbxxaxx", false},
		{"http://*:*", "http://example.com:8080", true},
		{"file://", "file://", true},
		{"null", "null", true},
	}
	for _, tc := range cases {
		if got := draftwire.OriginAllowed([]string{tc.pattern}, tc.origin, "example.com"); got != tc.want {
			t.Errorf("%q, origin %q: %v", tc.pattern, tc.origin, got)
		}
	}
	// An origin may be as long as a head: a matcher that tries all ways would not come back.
	if draftwire.OriginAllowed([]string{strings.Repeat("*a", 20) + "b"}, "http://"+strings.Repeat("a", 15<<10), "") {
		t.Error("an origin without a b matches")
	}
	for _, p := range []string{"", "a b", "?.example.com", "[a-z].example.com", `a\*`, "https://example.com/path", "://a", "[1]"} {
		if err := (&draftwire.AcceptOptions{Origins: []string{p}}).Check(); err == nil {
			t.Errorf("the pattern %q was taken", p)
		}
	}
}

// Without a list the pages of the host itself may connect, and nothing else that has its
// name in a URL.
func TestOriginOfTheHost(t *testing.T) {
	for origin, want := range map[string]bool{
		"http://example.com": true, "https://example.com": true, "HTTP://EXAMPLE.com": true, "http://example.com:80": true,
		"ftp://example.com": false, "chrome-extension://example.com": false, "file://example.com": false, "null": false,
		"http://example.com:81": false, "http://example.com.evil.org": false, "http://evil@example.com": false, "": false,
	} {
		if got := draftwire.OriginAllowed(nil, origin, "example.com"); got != want {
			t.Errorf("%q: %v", origin, got)
		}
	}
}
