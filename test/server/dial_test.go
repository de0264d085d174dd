package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

func TestDialFallback(t *testing.T) {
	newestFirst := draftwire.ServedVersions().List()
	slices.Reverse(newestFirst)
	for _, served := range newestFirst {
		t.Run(served.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: draftwire.AcceptOptions{Versions: draftwire.VersionsOf(served)}})
				c, _, err := draftwire.Dial(bg, "ws://example.com/", wstest.DialTo(l, draftwire.DialOptions{
					Version:  draftwire.RFC6455,
					Fallback: newestFirst[1:],
				}))
				if err != nil || c.Version() != served {
					t.Fatalf("%v, want %v", err, served)
				}
				go wstest.Write(t, c, "hello")
				wstest.Read(t, c, "hello")
				c.CloseNow()
			})
		})
	}
}

func TestDialRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: draftwire.AcceptOptions{Versions: draftwire.ModernVersions}})
		_, resp, err := draftwire.Dial(bg, "ws://example.com/", wstest.DialTo(l, draftwire.DialOptions{
			Version: draftwire.Hixie75, Fallback: []draftwire.Version{draftwire.Hixie76},
		}))
		var he *draftwire.HandshakeError
		if !errors.As(err, &he) || he.Reason != wire.ReasonRefused || he.Status != 426 {
			t.Errorf("error %v", err)
		}
		if resp == nil || resp.StatusCode != 426 || resp.Header.Get("Sec-WebSocket-Version") != "13, 8, 7" || resp.Header.Get("Draftwire-Reason") != "version_disabled" {
			t.Errorf("response %+v", resp)
		}
		for _, v := range []string{"hixie-75", "hixie-76"} {
			if !strings.Contains(err.Error(), v) {
				t.Errorf("the error does not tell of %s: %v", v, err)
			}
		}
	})
}

// What a server may answer that is no answer.
func TestDialBadServers(t *testing.T) {
	ok := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	for _, tt := range []struct {
		name, answer string
		fin          bool
		reason       wire.Reason
		wait         time.Duration
	}{
		{"nothing", "", false, wire.ReasonTimeout, draftwire.DefaultHandshakeTimeout},
		{"half a head", ok, false, wire.ReasonTimeout, draftwire.DefaultHandshakeTimeout},
		{"the end", "", true, wire.ReasonBadResponse, 0},
		{"half a head and the end", ok, true, wire.ReasonBadResponse, 0},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", false, wire.ReasonBadResponse, 0},
		{"endless", "HTTP/1.1 101 a\r\nX: " + strings.Repeat("y", 20<<10), false, wire.ReasonHeadTooLarge, 0},
		{"no accept", ok + "\r\n", false, wire.ReasonBadAccept, 0},
		{"wrong accept", ok + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", false, wire.ReasonBadAccept, 0},
		{"not found", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope", false, wire.ReasonRefused, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := memnet.Listen(64 << 10)
				go func() {
					nc, err := l.Accept()
					if err != nil {
						t.Error(err)
						return
					}
					defer nc.Close()
					nc.Read(make([]byte, 1024))
					io.WriteString(nc, tt.answer)
					if tt.fin {
						return
					}
					io.Copy(io.Discard, nc) // until the client leaves
				}()
				began := time.Now()
				c, resp, err := draftwire.Dial(bg, "ws://example.com/", wstest.DialTo(l, draftwire.DialOptions{}))
				var he *draftwire.HandshakeError
				if c != nil || !errors.As(err, &he) || he.Reason != tt.reason || he.Version != draftwire.RFC6455 {
					t.Errorf("error %v, want %s", err, tt.reason)
				}
				if d := time.Since(began); d != tt.wait {
					t.Errorf("took %v, want %v", d, tt.wait)
				}
				if tt.reason == wire.ReasonRefused {
					if p, _ := io.ReadAll(resp.Body); resp.StatusCode != 404 || string(p) != "nope" {
						t.Errorf("response %+v, body %q", resp, p)
					}
				}
			})
		})
	}
}

// A server that claims a compression nobody offered is refused, or on the
// versions that know no extensions not heard.
func TestDialUnofferedExtension(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		opt := wstest.Options()
		opt.Authorize = func(_ *draftwire.Handshake, acc *draftwire.Answer) error {
			acc.Fields = append(acc.Fields, wire.Field{Name: "Sec-WebSocket-Extensions", Value: "permessage-deflate; server_no_context_takeover"})
			return nil
		}
		l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt})
		c, _, err := draftwire.Dial(bg, "ws://example.com/", wstest.DialTo(l, draftwire.DialOptions{Version: v}))
		if v.Supports(wire.CapExtensions) {
			var he *draftwire.HandshakeError
			if !errors.As(err, &he) || he.Reason != wire.ReasonNotOffered {
				t.Errorf("error %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		go wstest.Write(t, c, "plain")
		wstest.Read(t, c, "plain")
		c.CloseNow()
	})
}

func TestDialCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen(64 << 10)
		go func() {
			if nc, err := l.Accept(); err == nil {
				io.Copy(io.Discard, nc)
				nc.Close()
			}
		}()
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		began := time.Now()
		_, _, err := draftwire.Dial(ctx, "ws://example.com/", wstest.DialTo(l, draftwire.DialOptions{Fallback: []draftwire.Version{draftwire.Hixie76}}))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestDialNetwork(t *testing.T) {
	no := errors.New("no route")
	_, _, err := draftwire.Dial(bg, "ws://example.com/", &draftwire.DialOptions{
		NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, no },
	})
	var he *draftwire.HandshakeError
	if !errors.Is(err, no) || errors.As(err, &he) {
		t.Errorf("error %v", err)
	}
}

// What goes out: spelling kept, nothing injected, the URL's parts where they
// belong.
func TestDialRequest(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		opt := wstest.Options()
		l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt})
		c, _, err := draftwire.Dial(bg, "ws://user:pass@Example.com:80/a%20b?c=d", wstest.DialTo(l, draftwire.DialOptions{
			Version: v, Header: http.Header{"x-ODD-name": {"a, b"}, "Cookie": {"k=v"}}, Protocols: []string{"chat"},
		}))
		if err != nil {
			t.Fatal(err)
		}
		head := c.Handshake().Request()
		for _, line := range []string{"GET /a%20b?c=d HTTP/1.1", "Host: Example.com", "x-ODD-name: a, b", "Cookie: k=v", "Authorization: Basic dXNlcjpwYXNz"} {
			if strings.Count(head, line+"\r\n") != 1 {
				t.Errorf("%q is not once in %q", line, head)
			}
		}
		if has := strings.Contains(head, "Origin: http://Example.com\r\n"); has != v.Supports(wire.CapOrigin) {
			t.Errorf("the version demands an origin: %v; in the request: %v", v.Supports(wire.CapOrigin), has)
		}
		if c.Subprotocol() != "chat" {
			t.Errorf("subprotocol %q", c.Subprotocol())
		}
		c.CloseNow()
		for _, o := range []draftwire.DialOptions{
			{Header: http.Header{"X": {"a\r\nEvil: b"}}},
			{Header: http.Header{"X\r\nEvil": {"a"}}},
			{Origin: "http://a\r\nEvil: b"},
			{Protocols: []string{"a\r\nEvil: b"}},
		} {
			o.Version = v
			if _, _, err := draftwire.Dial(bg, "ws://example.com/", wstest.DialTo(l, o)); err == nil {
				t.Errorf("%+v went out", o)
			}
		}
		wstest.Dial(t, l, v, draftwire.DialOptions{}).CloseNow()
	})
}

// The zone of an address is for the dialer alone: our own server would refuse it in Host.
func TestDialKeepsZoneToItself(t *testing.T) {
	for _, v := range draftwire.ServedVersions().List() {
		synctest.Test(t, func(t *testing.T) {
			l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: draftwire.AcceptOptions{Versions: draftwire.AllVersions}})
			var dialled string
			c, _, err := draftwire.Dial(bg, "ws://[fe80::1%25eth0]:81/", &draftwire.DialOptions{
				Version: v,
				NetDial: func(_ context.Context, _, addr string) (net.Conn, error) { dialled = addr; return l.Dial() },
			})
			if err != nil {
				t.Fatalf("%s: %v", v, err)
			}
			if h := c.Handshake(); h.Host() != "[fe80::1]:81" || h.Origin() != "" && h.Origin() != "http://[fe80::1]:81" || dialled != "[fe80::1%eth0]:81" {
				t.Errorf("%s: Host %q, origin %q, dialled %q", v, h.Host(), h.Origin(), dialled)
			}
			c.CloseNow()
		})
	}
}

func TestDialURL(t *testing.T) {
	for _, u := range []string{"", "example.com", "ftp://example.com/", "ws://", "ws:///path", "ws://:80/", "ws://a b/"} {
		if _, _, err := draftwire.Dial(bg, u, nil); err == nil {
			t.Errorf("%q was dialled", u)
		}
	}
}
