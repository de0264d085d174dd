package server_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// What Authorize leaves in Value reaches the handler, or is closed where there
// will be none.
func TestHandshakeValue(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		left := make(closer)
		opt := wstest.Options()
		refuse := true
		opt.Authorize = func(_ *draftwire.Handshake, a *draftwire.Answer) error {
			a.Value = left
			if refuse {
				return errors.New("no")
			}
			return nil
		}
		seen := make(chan any, 1)
		l := wstest.Serve(t, &draftwire.Server{Options: opt, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			seen <- c.Handshake().Value()
			return nil
		}})
		if _, _, err := draftwire.Dial(bg, "ws://example.com/", wstest.DialTo(l, draftwire.DialOptions{Version: v})); err == nil {
			t.Fatal("not refused")
		}
		<-left
		refuse, left = false, make(closer)
		c, _, err := draftwire.Dial(bg, "ws://example.com/", wstest.DialTo(l, draftwire.DialOptions{Version: v}))
		if err != nil {
			t.Fatal(err)
		}
		if got := <-seen; got != any(left) {
			t.Errorf("the handler has %v", got)
		}
		select {
		case <-left:
			t.Error("closed, though the connection opened")
		default:
		}
		c.CloseNow()
	})
}

// What a connection tells of its handshake is exact, whatever it has in common with
// others; with DropHeads it tells the parts, not the heads.
func TestHeadsExact(t *testing.T) {
	for _, drop := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			opened := make(chan *draftwire.Conn, 1)
			opt := wstest.Options()
			opt.DropHeads, opt.Protocols = drop, []string{"chat"}
			l := wstest.Serve(t, &draftwire.Server{Options: opt, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
				opened <- c
				return wstest.Echo(ctx, c)
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
				wstest.Send(t, nc, []byte(sent))
				got := wstest.ReadHead(t, nc)
				h := (<-opened).Handshake()
				if h.Target() != tt.target || h.Host() != "example.com" || h.Origin() != "http://example.com" || h.Protocol() != "chat" ||
					len(h.Offered()) != 1 || h.Offered()[0] != "chat" {
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

type closer chan struct{}

func (c closer) Close() error { close(c); return nil }
