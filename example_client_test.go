package draftwire_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/draftwire/draftwire"
)

// A client of today's version.
func ExampleDial() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		return c.Write(ctx, draftwire.OpText, []byte("Hello"))
	}, nil))
	defer srv.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output: Hello <nil>
}

// A server that only speaks an old version is tried again in that one.
func ExampleDial_fallback() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		return nil
	}, &draftwire.AcceptOptions{Versions: draftwire.Versions(0).With(draftwire.Hixie76)}))
	defer srv.Close()

	c, _, err := draftwire.Dial(context.Background(), srv.URL, &draftwire.DialOptions{
		Fallback: []draftwire.Version{draftwire.Hybi08, draftwire.Hixie76},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	fmt.Println(c.Version())
	// Output: hixie-76
}

// A handshake on a connection that the program has opened, here by a way of its own.
func ExampleOpen() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		return c.Write(ctx, draftwire.OpText, []byte("hello "+c.Handshake().Fields().Get("X-Device")))
	}, nil))
	defer srv.Close()

	nc, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(5 * time.Second)) // of the handshake
	c, answer, err := draftwire.Open(nc, &url.URL{Scheme: "ws", Host: "example.com", Path: "/"}, &draftwire.DialOptions{
		Fields: draftwire.Fields{{Name: "X-Device", Value: "42"}},
	})
	if err != nil {
		nc.Close()
		log.Fatal(err)
	}
	nc.SetDeadline(time.Time{})
	defer c.Close(draftwire.CodeNormal, "")
	_, p, err := c.Read(context.Background())
	fmt.Println(answer.Get("Upgrade"), string(p), err)
	// Output: websocket hello 42 <nil>
}

// What a refusal tells.
func ExampleDial_refused() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		return nil
	}, &draftwire.AcceptOptions{Versions: draftwire.ModernVersions}))
	defer srv.Close()

	_, resp, err := draftwire.Dial(context.Background(), srv.URL, &draftwire.DialOptions{Version: draftwire.Hixie76})
	var he *draftwire.HandshakeError
	if errors.As(err, &he) {
		fmt.Println(he.Status, he.Reason)
		fmt.Println("use", resp.Header.Get("Sec-WebSocket-Version"))
	}
	// Output:
	// 426 refused
	// use 13, 8, 7
}

// A client as a page of 2011 had it.
func ExampleDialOptions() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		h := c.Handshake()
		return c.Write(ctx, draftwire.OpText, fmt.Appendf(nil, "%s %s %s", h.Version(), h.Origin(), h.Fields().Get("Cookie")))
	}, &draftwire.AcceptOptions{Origins: []string{"example.com"}, Protocols: []string{"chat"}}))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, &draftwire.DialOptions{
		Version:   draftwire.Hybi07,
		Origin:    "http://example.com",
		Protocols: []string{"superchat", "chat"},
		Header:    http.Header{"Cookie": {"a=b"}},
		Limits:    draftwire.Limits{HandshakeTimeout: 5 * time.Second},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), c.Subprotocol(), err)
	// Output: hybi-07 http://example.com a=b chat <nil>
}

// A request with fields in an order and spelling of the program's own, as a device that is not at
// hand would send it. The server's proof is checked against its key.
func ExampleOffer() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		return c.Write(ctx, draftwire.OpText, []byte("hello "+c.Handshake().Target()))
	}, nil))
	defer srv.Close()

	c, _, err := draftwire.Dial(context.Background(), srv.URL+"/feed", &draftwire.DialOptions{
		Version: draftwire.Hybi08,
		Compose: func(o *draftwire.Offer) ([][]byte, error) {
			return [][]byte{[]byte("GET " + o.Target + " HTTP/1.1\r\nHOST: " + o.Host + "\r\nupgrade: WEBSOCKET\r\n" +
				"connection: keep-alive, Upgrade\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 8\r\n\r\n")}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	_, p, err := c.Read(context.Background())
	fmt.Println(string(p), err, c.Version())
	// Output: hello /feed <nil> hybi-08
}
