package server_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/drafts"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// pieces keeps what each write to a connection was.
type pieces struct {
	net.Conn
	all [][]byte
}

func (p *pieces) Write(b []byte) (int, error) {
	p.all = append(p.all, bytes.Clone(b))
	return p.Conn.Write(b)
}

// Each device of the time opens a connection with its own request, in its own pieces: the answer
// is judged by the keys that it sent, and the connection carries messages.
func TestCompose(t *testing.T) {
	for _, d := range drafts.Clients(wire.Unknown) {
		synctest.Test(t, func(t *testing.T) {
			o := wstest.Options()
			o.Compression = draftwire.Compression{Mode: draftwire.CompressAll, Takeover: true}
			l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: o})
			time.Sleep(3 * 365 * 24 * time.Hour) // the clock of the test begins in 2000, when the keys of npm ws were shorter
			var sent pieces
			c, _, err := draftwire.Dial(context.Background(), "ws://example.com/x", &draftwire.DialOptions{
				Version: d.Version, Protocols: []string{"chat"},
				Compose: func(o *draftwire.Offer) ([][]byte, error) { return d.Ask(o, nil) },
				NetDial: func(context.Context, string, string) (net.Conn, error) {
					nc, err := l.Dial()
					sent.Conn = nc
					return &sent, err
				},
			})
			if err != nil {
				t.Fatal(d.Name, err)
			}
			h := c.Handshake()
			if h.Target() != "/x" || h.Host() != "example.com" || len(h.Offered()) != 1 || h.Origin() == "" {
				t.Errorf("%s: target %q, host %q, origin %q, offered %q", d.Name, h.Target(), h.Host(), h.Origin(), h.Offered())
			}
			wantDeflate := ""
			if d.Name == "phantomjs2.1" {
				wantDeflate = "x-webkit-deflate-frame"
			}
			if h.Deflate() != wantDeflate || h.Protocol() != c.Subprotocol() {
				t.Errorf("%s: deflate %q, subprotocol %q", d.Name, h.Deflate(), h.Protocol())
			}
			if n := len(sent.all); n != 1 && !d.Sending.Apart || d.Sending.Apart && len(sent.all[n-1]) != 8 || string(bytes.Join(sent.all, nil)) != h.Request() {
				t.Errorf("%s: it was sent in %d pieces, %q", d.Name, n, sent.all)
			}
			for _, text := range []string{"hello", strings.Repeat("again ", 50), strings.Repeat("again ", 50)} {
				go wstest.Write(t, c, text)
				wstest.Read(t, c, text)
			}
			c.CloseNow()
		})
	}
}

// A request that the version cannot have is an error before anything is sent.
func TestComposeFails(t *testing.T) {
	const head13 = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	for _, tt := range []struct {
		v    draftwire.Version
		sent []string
		want string
	}{
		{draftwire.RFC6455, nil, "does not end"},
		{draftwire.RFC6455, []string{head13}, "does not end"},
		{draftwire.RFC6455, []string{"GET\r\n\r\n"}, "bad_head"},
		{draftwire.RFC6455, []string{head13 + "\r\n", "12345678"}, "8 bytes follow its head, not 0"},
		{draftwire.Hixie76, []string{"GET / HTTP/1.1\r\nSec-WebSocket-Key1: 1 2\r\nSec-WebSocket-Key2: 1 2\r\n\r\n1234567"}, "7 bytes follow its head, not 8"},
		{draftwire.Hixie76, []string{"GET / HTTP/1.1\r\n\r\n"}, "Sec-WebSocket-Key1: no digit"},
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			_, _, err := draftwire.Dial(context.Background(), "ws://h/", &draftwire.DialOptions{
				Version: tt.v,
				NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
				Compose: func(*draftwire.Offer) (out [][]byte, err error) {
					for _, s := range tt.sent {
						out = append(out, []byte(s))
					}
					return out, nil
				},
			})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q: %v, not %q", tt.sent, err, tt.want)
			}
			if n, err := far.Read(make([]byte, 1)); n > 0 || err == nil {
				t.Errorf("%q: something was sent", tt.sent)
			}
			far.Close()
		})
	}
	no := errors.New("no keys today")
	_, _, err := draftwire.Dial(context.Background(), "ws://h/", &draftwire.DialOptions{
		NetDial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			far.Close()
			return near, nil
		},
		Compose: func(*draftwire.Offer) ([][]byte, error) { return nil, no },
	})
	if !errors.Is(err, no) {
		t.Errorf("the error of Compose is lost: %v", err)
	}
}

// An answer with an extension that the request does not offer, or that is not spoken here, fails.
func TestComposeExtensions(t *testing.T) {
	for _, tt := range []struct {
		offers, answer string
		ok             bool
	}{
		{"", "x-webkit-deflate-frame", false},
		{"x-webkit-deflate-frame", "x-webkit-deflate-frame", true},
		{"x-webkit-deflate-frame", "x-webkit-deflate-frame; no_context_takeover", true},
		{"x-webkit-deflate-frame", "deflate-frame", false},
		{"x-webkit-deflate-frame", "x-webkit-deflate-frame; what", false},
		{"deflate-frame; max_window_bits=9", "deflate-frame; max_window_bits=8", true},
		{"deflate-frame; what", "deflate-frame", false},
		{"deflate-stream", "deflate-stream", false},
		{"permessage-deflate", "permessage-deflate", true},
		{"permessage-deflate", "permessage-deflate; server_no_context_takeover", true},
		{"permessage-deflate", "permessage-deflate, permessage-deflate", false},
		{"deflate-frame, permessage-deflate", "permessage-deflate", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			go func() {
				b := make([]byte, 4096)
				far.Read(b)
				far.Write([]byte("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
					"Sec-WebSocket-Extensions: " + tt.answer + "\r\n\r\n"))
			}()
			c, _, err := draftwire.Dial(context.Background(), "ws://h/", &draftwire.DialOptions{
				NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
				Compose: func(o *draftwire.Offer) ([][]byte, error) {
					head := "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
					if tt.offers != "" {
						head += "Sec-WebSocket-Extensions: " + tt.offers + "\r\n"
					}
					return [][]byte{[]byte(head + "\r\n")}, nil
				},
			})
			if (err == nil) != tt.ok {
				t.Errorf("%q, answered %q: %v", tt.offers, tt.answer, err)
			}
			if err == nil {
				if c.Handshake().Deflate() != tt.answer {
					t.Errorf("%q is held as %q", tt.answer, c.Handshake().Deflate())
				}
				c.CloseNow()
			}
		})
	}
}
