package live_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/live"
)

// A relay explains what passes between a client and a server.
func ExampleRelay() {
	server, _ := net.Listen("tcp", "127.0.0.1:0")
	go func() {
		nc, _ := server.Accept()
		io.Copy(io.Discard, nc)
		io.WriteString(nc, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
		nc.Close()
	}()
	front, _ := net.Listen("tcp", "127.0.0.1:0")
	relay := &live.Relay{
		Dial: func(ctx context.Context, _ net.Addr) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", server.Addr().String())
		},
		Sink: inspect.New(inspect.Options{}, func(e *inspect.Event) {
			if e.Kind == inspect.KindResponse {
				fmt.Println(e.Lines[0].Text)
			}
		}),
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan live.Stats)
	go func() {
		stats, _ := relay.Serve(ctx, front)
		ended <- stats
	}()

	client, _ := net.Dial("tcp", front.Addr().String())
	io.WriteString(client, "GET / HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: a\r\nOrigin: http://a\r\n\r\n")
	client.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, client)
	client.Close()
	stop()
	var stats live.Stats = <-ended
	fmt.Println(stats.Conns, "connection")
	// Output:
	// HTTP/1.1 403 Forbidden
	// 1 connection
}
