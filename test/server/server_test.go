package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

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
		{"PROXY without trust", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n" + wstest.Head(draftwire.RFC6455), "", wire.ReasonPreface},
		{"HTTP/2 in clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", wire.ReasonPreface},
		{"wrong origin", strings.Replace(wstest.Head(draftwire.Hixie76), "Origin: http://example.com", "Origin: http://evil.example", 1), "403", wire.ReasonOrigin},
		{"version 99", strings.Replace(wstest.Head(draftwire.RFC6455), "Version: 13", "Version: 99", 1), "426", wire.ReasonVersion},
		{"unspoken subprotocol", wstest.Head(draftwire.Hixie75, "WebSocket-Protocol: other"), "403", wire.ReasonProtocol},
		{"key without space", strings.Replace(wstest.Head(draftwire.Hixie76), "4 @1  46546xW%0l 1 5", "4146546015", 1), "400", wire.ReasonChallenge},
		{"plain GET", get + "\r\n", "426", wire.ReasonNotWebSocket},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told refusals
				opt := wstest.Options()
				opt.Origins = nil
				opt.Observer = told.observer()
				l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt})
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
	synctest.Test(t, func(t *testing.T) {
		l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, FlashPolicy: "<policy/>"})
		nc, _ := l.Dial()
		defer nc.Close()
		io.WriteString(nc, "<policy-file-request/>\x00")
		if p, err := io.ReadAll(nc); string(p) != "<policy/>\x00" || err != nil {
			t.Errorf("got %q, %v", p, err)
		}
	})
}

func TestHandlerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		s := &draftwire.Server{Options: wstest.Options(), ErrorLog: log.New(&lines, "", 0), WebSocket: func(context.Context, *draftwire.Conn) error { panic("oh") }}
		l := wstest.Serve(t, s)
		c := wstest.Dial(t, l, draftwire.RFC6455, draftwire.DialOptions{})
		if _, _, err := c.Read(bg); draftwire.CloseStatus(err) != draftwire.CodeInternal {
			t.Errorf("the client was told %v", err)
		}
		s.Shutdown(bg)
		if !strings.Contains(lines.String(), "oh") {
			t.Errorf("log: %q", lines.String())
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
		synctest.Test(t, func(t *testing.T) {
			refused := make(chan *draftwire.HandshakeError, 1)
			opt := wstest.Options()
			opt.Observer = &draftwire.Observer{Refused: func(_ string, _ []byte, he *draftwire.HandshakeError) { refused <- he }}
			l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt, TLS: tt.tls})
			nc, _ := l.Dial()
			defer nc.Close()
			io.WriteString(nc, "\x80\x2e\x01\x03\x01\x00")
			if p, err := io.ReadAll(nc); string(p) != tt.want || err != nil {
				t.Errorf("got %q, %v", p, err)
			}
			want := wire.ReasonPreface
			if tt.tls != nil {
				want = wire.ReasonSSLv2
			}
			if he := <-refused; he.Reason != want {
				t.Errorf("refused with %v", he)
			}
		})
	}
}
