package draftwire_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
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

// What a refusal tells.
func ExampleDial_refused() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		return nil
	}, &draftwire.AcceptOptions{Versions: draftwire.Modern}))
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
		return c.Write(ctx, draftwire.OpText, fmt.Appendf(nil, "%s %s %s", h.Version, h.Origin, h.Fields().Get("Cookie")))
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
