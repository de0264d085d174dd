package console

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
)

// CONSOLE_CROWD=50000 serves a console of so many connections, for the browsers of test/console,
// until its standard input ends. The connections are real ones of a Server, in every version, each
// of which has said something; their network is memory, as a process has not that many sockets
// everywhere.
func TestServeCrowd(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("CONSOLE_CROWD"))
	if n == 0 {
		t.Skip("CONSOLE_CROWD is not set")
	}
	var mu sync.Mutex
	var all []Live
	l := crowdListener{memnet.Listen(1024)}
	srv := &draftwire.Server{
		Options: draftwire.AcceptOptions{Versions: draftwire.AllVersions, Origins: []string{"*"}},
		WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			mu.Lock()
			all = append(all, Live{ID: uint64(len(all) + 1), Conn: c})
			mu.Unlock()
			return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error { return c.Write(ctx, op, p) })
		},
	}
	go srv.Serve(l)
	defer srv.Close()
	agents := []string{"Mozilla/5.0 (SMART-TV; Linux) AppleWebKit/534.7", "Mozilla/5.0 (iPad; CPU OS 5_1 like Mac OS X)", "<img src=x onerror=window.hacked=1>", "Kiosk/2.1"}
	versions := draftwire.AllVersions.List()
	for i := range n {
		c, _, err := draftwire.Dial(t.Context(), fmt.Sprintf("ws://example.com/live/%d", i), &draftwire.DialOptions{
			Version: versions[i*7%len(versions)], Header: http.Header{"User-Agent": {agents[i%len(agents)]}},
			NetDial: func(context.Context, string, string) (net.Conn, error) { return l.Dial() },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		for range i % 4 {
			if err := c.Write(t.Context(), draftwire.OpText, make([]byte, i%97)); err != nil {
				t.Fatal(err)
			}
		}
	}
	console := New(Options{
		Prefix: "/console/", Kind: "serve", Version: "test",
		Live: func(list []Live) []Live {
			mu.Lock()
			defer mu.Unlock()
			return append(list, all...)
		},
		Here: func(*http.Request) bool { return true }, Payload: func() bool { return true },
	})
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	go http.Serve(web, console)
	fmt.Printf("CROWD http://%s/console/\n", web.Addr())
	io.Copy(io.Discard, os.Stdin)
}

// crowdListener gives each client an address of its own.
type crowdListener struct{ *memnet.Listener }

func (l crowdListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return crowdConn{c, net.TCPAddrFromAddrPort(nextAddress())}, nil
}

type crowdConn struct {
	net.Conn
	from net.Addr
}

func (c crowdConn) RemoteAddr() net.Addr { return c.from }

var accepted uint32

func nextAddress() netip.AddrPort {
	accepted++
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(accepted >> 16), byte(accepted >> 8), byte(accepted)}), uint16(1024+accepted%60_000))
}
