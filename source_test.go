package draftwire

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"runtime"
	"testing"
)

// Behind a PROXY header, and behind an ordinary request, a connection still
// reads its socket itself: it waits for readiness and holds no buffer.
func TestSocketIsKept(t *testing.T) {
	const upgrade = "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	const request = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
	unix := filepath.Join(t.TempDir(), "s")
	for _, tt := range []struct{ network, addr, sent string }{
		{"tcp", "127.0.0.1:0", upgrade},
		{"tcp", "127.0.0.1:0", "PROXY x\r\n" + upgrade},
		{"tcp", "127.0.0.1:0", request + upgrade},
		{"tcp", "127.0.0.1:0", "PROXY x\r\n" + request + upgrade},
		{"unix", unix, "PROXY x\r\n" + upgrade},
	} {
		l, err := net.Listen(tt.network, tt.addr)
		if err != nil {
			t.Fatal(err)
		}
		conns := make(chan *Conn, 1)
		s := &Server{
			Handler: http.NotFoundHandler(),
			Proxy: &ProxyProtocol{From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Read: func(p []byte) (int, ProxyHeader, error) {
				return bytes.IndexByte(p, '\n') + 1, ProxyHeader{Client: netip.MustParseAddrPort("203.0.113.7:1")}, nil
			}},
			WebSocket: func(ctx context.Context, c *Conn) error {
				conns <- c
				<-ctx.Done()
				return nil
			},
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		nc, err := net.Dial(tt.network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(nc, tt.sent)
		br := bufio.NewReader(nc)
		for {
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode == http.StatusSwitchingProtocols {
				break
			}
			io.Copy(io.Discard, resp.Body)
		}
		c := <-conns
		if _, ok := c.c.Stream().(*replayConn); ok || !c.c.Polls() && runtime.GOOS != "windows" {
			t.Errorf("%s, %.20q: reads a %T, polls: %v", tt.network, tt.sent, c.c.Stream(), c.c.Polls())
		}
		if got, want := c.info.Remote() == "203.0.113.7:1", tt.sent[0] == 'P'; got != want {
			t.Errorf("%s, %.20q: remote %q via %q", tt.network, tt.sent, c.info.Remote(), c.info.Via())
		}
		nc.Close()
		s.Close()
		<-served
	}
}
