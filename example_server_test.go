package draftwire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// A route of an ordinary HTTP server echoes.
func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/echo", draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			if err := c.Write(ctx, m.Op, m.Data); err != nil {
				return err
			}
		}
		return nil
	}, &draftwire.AcceptOptions{Versions: draftwire.Every}))
	srv := httptest.NewServer(mux)
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL+"/echo", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	if err := c.Write(ctx, draftwire.OpText, []byte("Hello")); err != nil {
		log.Fatal(err)
	}
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output: Hello <nil>
}

// With Accept the connection belongs to the caller, who closes it.
func ExampleAccept() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := draftwire.Accept(w, r, nil)
		if err != nil {
			return // the client has its answer
		}
		defer c.Close(draftwire.CodeNormal, "")
		c.Write(c.Context(), draftwire.OpText, []byte("you asked for "+r.URL.Path))
	}))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL+"/time", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output: you asked for /time <nil>
}

// Which clients a server takes.
func ExampleAcceptOptions() {
	opt := &draftwire.AcceptOptions{
		Versions:  draftwire.Modern.With(draftwire.Hixie76),
		Origins:   []string{"example.com", "*.example.com"},
		Protocols: []string{"chat"},
		Authorize: func(h *draftwire.Handshake, acc *wire.Accept) error {
			if h.Fields().Get("Authorization") == "" {
				return wire.Refuse(h.Version, wire.ReasonDenied, "no credentials")
			}
			acc.Fields = append(acc.Fields, wire.Field{Name: "Set-Cookie", Value: "seen=yes"})
			return nil
		},
	}
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		return nil
	}, opt))
	defer srv.Close()

	for _, origin := range []string{"https://evil.example", "https://www.example.com"} {
		_, resp, err := draftwire.Dial(context.Background(), srv.URL, &draftwire.DialOptions{Origin: origin})
		fmt.Println(resp.Header.Get("Draftwire-Reason"), err)
	}
	// Output:
	// origin draftwire: handshake: rfc6455: refused: HTTP/1.1 403 Forbidden, for origin
	// denied draftwire: handshake: rfc6455: refused: HTTP/1.1 403 Forbidden, for denied
}

// A message above the limit ends the connection before it fills the memory.
func ExampleLimits() {
	read := make(chan error, 1)
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		_, _, err := c.Read(ctx)
		read <- err
		return err
	}, &draftwire.AcceptOptions{Limits: draftwire.Limits{ReadLimit: 4}}))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(ctx, draftwire.OpText, []byte("Hello")); err != nil {
		log.Fatal(err)
	}
	_, _, err = c.Read(ctx)
	fmt.Println("client:", draftwire.CloseStatus(err))
	fmt.Println("server:", errors.Is(<-read, draftwire.ErrTooBig))
	// Output:
	// client: 1009 (message too big)
	// server: true
}

// How a connection was opened.
func ExampleHandshake() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		h := c.Handshake()
		return c.Write(ctx, draftwire.OpText, fmt.Appendf(nil, "%s, because of %s\n%s asks for %s as %s",
			h.Version, h.Rule, h.Origin, h.Target, h.Fields().Get("User-Agent")))
	}, &draftwire.AcceptOptions{Origins: []string{"example.com"}}))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL+"/chat?room=7", &draftwire.DialOptions{
		Version: draftwire.Hybi08,
		Origin:  "http://example.com",
		Header:  http.Header{"User-Agent": {"Firefox/7.0"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output:
	// hybi-08, because of Sec-WebSocket-Version: 8
	// http://example.com asks for /chat?room=7 as Firefox/7.0 <nil>
}

// An Observer is where logs and counters come from.
func ExampleObserver() {
	events := make(chan string, 3)
	obs := &draftwire.Observer{
		Opened:  func(c *draftwire.Conn) { events <- "opened " + c.Version().String() },
		Refused: func(_ string, _ []byte, err *draftwire.HandshakeError) { events <- "refused " + string(err.Reason) },
		Closed:  func(_ *draftwire.Conn, err error) { events <- "closed " + draftwire.CloseStatus(err).String() },
	}
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		_, _, err := c.Read(ctx)
		return err
	}, &draftwire.AcceptOptions{Observer: obs}))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, &draftwire.DialOptions{
		Version:  draftwire.Hixie75, // which is not enabled
		Fallback: []draftwire.Version{draftwire.RFC6455},
	})
	if err != nil {
		log.Fatal(err)
	}
	c.Close(draftwire.CodeNormal, "")
	for range 3 {
		fmt.Println(<-events)
	}
	// Output:
	// refused version_disabled
	// opened rfc6455
	// closed 1000 (normal)
}

// WebSocket of every version and ordinary HTTP on one port.
func ExampleServer() {
	srv := &draftwire.Server{
		WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			return c.Write(ctx, draftwire.OpText, []byte("hello, socket"))
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "hello, page")
		}),
		Options:     draftwire.AcceptOptions{Versions: draftwire.Every},
		FlashPolicy: draftwire.DefaultFlashPolicy,
	}
	l, err := draftwire.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go srv.Serve(l)
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	resp, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	fmt.Println(string(page), err)

	c, _, err := draftwire.Dial(ctx, "ws://"+l.Addr().String(), &draftwire.DialOptions{Version: draftwire.Hixie76})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output:
	// hello, page <nil>
	// hello, socket <nil>
}

// Shutdown tells every client why.
func ExampleServer_Shutdown() {
	srv := &draftwire.Server{WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		if err := c.Write(ctx, draftwire.OpText, []byte("welcome")); err != nil {
			return err
		}
		_, _, err := c.Read(ctx)
		return err
	}}
	l, err := draftwire.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, "ws://"+l.Addr().String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)

	stopped := make(chan error, 1)
	go func() { stopped <- srv.Shutdown(ctx) }()
	_, _, err = c.Read(ctx)
	fmt.Println(err)
	fmt.Println(<-stopped, <-served)
	// Output:
	// welcome <nil>
	// draftwire: closed: 1001 (going away) "server is shutting down"
	// <nil> http: Server closed
}

// Messages from 1 KiB on are compressed, for clients that offer it.
func ExampleCompression() {
	pays := draftwire.Compression{Mode: draftwire.CompressLarge, Threshold: 1024}
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		return c.Write(ctx, draftwire.OpText, []byte(c.Handshake().Deflate))
	}, &draftwire.AcceptOptions{Compression: pays}))
	defer srv.Close()

	ctx := context.Background()
	for _, offer := range []draftwire.Compression{{}, pays} {
		c, _, err := draftwire.Dial(ctx, srv.URL, &draftwire.DialOptions{Compression: offer})
		if err != nil {
			log.Fatal(err)
		}
		_, p, err := c.Read(ctx)
		fmt.Printf("%q %v\n", p, err)
		c.Close(draftwire.CodeNormal, "")
	}
	// Output:
	// "" <nil>
	// "permessage-deflate; server_no_context_takeover; client_no_context_takeover" <nil>
}

// The zero mode negotiates nothing.
func ExampleCompressionMode() {
	var c draftwire.Compression
	fmt.Println(c.Mode == draftwire.CompressNothing)
	// Output: true
}

// Options change while the server serves, as when a program reads its
// configuration again.
func ExampleServer_SetOptions() {
	s := &draftwire.Server{Options: draftwire.AcceptOptions{Versions: draftwire.Every}}
	fmt.Println(s.SetOptions(draftwire.AcceptOptions{Versions: draftwire.Modern}))
	fmt.Println(s.SetOptions(draftwire.AcceptOptions{Origins: []string{"[.example.com"}}))
	// Output:
	// <nil>
	// draftwire: options: origin pattern "[.example.com": it matches no origin
}

// Parts are passed on as they come: nothing is gathered, so a message of any size
// needs little memory.
func ExamplePart() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		for {
			p, err := c.ReadPart(ctx)
			if err != nil {
				return err
			}
			fmt.Printf("%s %q, first %v, last %v\n", p.Op, p.Data, p.First, p.Last)
			if p.Last {
				return nil
			}
		}
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	w, err := c.Writer(ctx, draftwire.OpText)
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(w, "a message ")
	io.WriteString(w, "in pieces")
	w.Close()
	c.Read(ctx) // the handler has returned: its close comes
	// Output:
	// text "a message ", first true, last false
	// text "in pieces", first false, last false
	// text "", first false, last true
}
