package draftwire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/draftwiretest"
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
	}, &draftwire.AcceptOptions{Versions: draftwire.AllVersions}))
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

// A handler for connections can be wrapped as one for requests can.
func ExampleHandlerFunc() {
	done := make(chan bool)
	logged := func(fn draftwire.HandlerFunc) draftwire.HandlerFunc {
		return func(ctx context.Context, c *draftwire.Conn) error {
			err := fn(ctx, c)
			fmt.Println(c.Handshake().Target(), "returned", err)
			close(done)
			return err
		}
	}
	srv := httptest.NewServer(draftwire.Handler(logged(func(context.Context, *draftwire.Conn) error {
		return errors.New("nobody is here")
	}), nil))
	defer srv.Close()

	c, _, err := draftwire.Dial(context.Background(), srv.URL+"/chat", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	<-done
	// Output: /chat returned nobody is here
}

// A program with a router of its own, whose handlers call Accept, compiles the options
// once.
func ExampleUpgrader() {
	chat, err := draftwire.NewUpgrader(&draftwire.AcceptOptions{Versions: draftwire.AllVersions, Origins: []string{"*.example.com"}})
	if err != nil {
		log.Fatal(err) // an origin pattern that matches nothing, for example
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rooms/{room}", func(w http.ResponseWriter, r *http.Request) {
		c, err := chat.Accept(w, r)
		if err != nil {
			return // the client has its answer
		}
		defer c.Close(draftwire.CodeNormal, "")
		c.Write(r.Context(), draftwire.OpText, []byte("this is room "+r.PathValue("room")))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL+"/rooms/7", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output: this is room 7 <nil>
}

// Which clients a server takes.
func ExampleAcceptOptions() {
	opt := &draftwire.AcceptOptions{
		Versions:  draftwire.ModernVersions.With(draftwire.Hixie76),
		Origins:   []string{"example.com", "*.example.com"},
		Protocols: []string{"chat"},
		Authorize: func(h *draftwire.Handshake, a *draftwire.Answer) error {
			if h.Fields().Get("Authorization") == "" {
				return wire.NewHandshakeError(h.Version(), wire.ReasonDenied, "no credentials")
			}
			a.Fields = append(a.Fields, wire.Field{Name: "Set-Cookie", Value: "seen=yes"})
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

// What Authorize finds out about a client goes to its handler, and with the answer.
func ExampleAnswer() {
	opt := &draftwire.AcceptOptions{Authorize: func(h *draftwire.Handshake, a *draftwire.Answer) error {
		a.Value = "user of " + h.Target()
		a.Fields = draftwire.Fields{{Name: "Set-Cookie", Value: "seen=yes"}}
		return nil
	}}
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		return c.Write(ctx, draftwire.OpText, []byte(c.Handshake().Value().(string)))
	}, opt))
	defer srv.Close()

	ctx := context.Background()
	c, resp, err := draftwire.Dial(ctx, srv.URL+"/rooms/7", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err, resp.Header.Get("Set-Cookie"))
	// Output: user of /rooms/7 <nil> seen=yes
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
			h.Version(), h.Rule(), h.Origin(), h.Target(), h.Field("User-Agent")))
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
		Options:     draftwire.AcceptOptions{Versions: draftwire.AllVersions},
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
		return c.Write(ctx, draftwire.OpText, []byte(c.Handshake().Deflate()))
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
	s := &draftwire.Server{Options: draftwire.AcceptOptions{Versions: draftwire.AllVersions}}
	fmt.Println(s.SetOptions(draftwire.AcceptOptions{Versions: draftwire.ModernVersions}))
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

func ExampleServer_Conns() {
	s := new(draftwire.Server)
	for _, c := range s.Conns() {
		fmt.Println(c.Version(), c.Handshake().Remote())
	}
	fmt.Println(len(s.Conns()), "connections")
	// Output: 0 connections
}

func ExampleServerCounts() {
	s := new(draftwire.Server)
	fmt.Printf("%+v\n", s.Counts())
	// Output: {Pending:0 Open:0 HTTP:0}
}

// The admin page takes no version whose frames a page can forge.
func ExampleNewVersionRefusal() {
	authorize := func(h *draftwire.Handshake, _ *draftwire.Answer) error {
		if strings.HasPrefix(h.Target(), "/admin") && !draftwire.ModernVersions.Has(h.Version()) {
			return draftwire.NewVersionRefusal(h.Version(), draftwire.ModernVersions)
		}
		return nil
	}
	ask := func(url string) error {
		r := draftwiretest.NewRequest(url, &draftwire.DialOptions{Version: draftwire.Hybi05})
		return authorize(draftwiretest.NewHandshake(r), new(draftwire.Answer))
	}
	err := ask("ws://example.com/admin")
	he := err.(*draftwire.HandshakeError)
	fmt.Println(he.Status, he.Reason, "use", he.Fields.Get("Sec-WebSocket-Version"))
	fmt.Println(ask("ws://example.com/"))
	// Output:
	// 426 version_disabled use 13, 8, 7
	// <nil>
}

func ExampleOriginAllowed() {
	ours := []string{"*.example.com", "https://example.org"}
	for _, origin := range []string{"http://tv.example.com", "https://example.org", "http://example.org"} {
		fmt.Println(origin, draftwire.OriginAllowed(ours, origin, "backend:8080"))
	}
	// Output:
	// http://tv.example.com true
	// https://example.org true
	// http://example.org false
}

// A program that reads its options from a file checks them first.
func ExampleAcceptOptions_Check() {
	for _, url := range []string{"wss://example.com", "example.com"} {
		fmt.Println((&draftwire.AcceptOptions{PublicURL: url}).Check())
	}
	// Output:
	// <nil>
	// draftwire: options: public URL "example.com": the scheme is not ws or wss
}

// A log and a counter on one server.
func ExampleJoinObservers() {
	refused := 0
	log := &draftwire.Observer{Refused: func(remote string, _ []byte, err *draftwire.HandshakeError) {
		fmt.Println(remote, err.Reason)
	}}
	count := &draftwire.Observer{Refused: func(string, []byte, *draftwire.HandshakeError) { refused++ }}
	o := draftwire.JoinObservers(log, count)
	o.Refused("192.0.2.1:5000", nil, wire.NewHandshakeError(draftwire.Unknown, wire.ReasonOrigin, ""))
	fmt.Println(refused, "refused")
	// Output:
	// 192.0.2.1:5000 origin
	// 1 refused
}

// The log says why a handler gave up, though the client only hears 1011.
func ExampleHandlerError() {
	logged := make(chan string)
	o := &draftwire.AcceptOptions{Observer: &draftwire.Observer{Closed: func(c *draftwire.Conn, err error) {
		if failed, ok := errors.AsType[*draftwire.HandlerError](err); ok {
			logged <- fmt.Sprint(failed.Err, ", close code ", uint16(draftwire.CloseStatus(err)))
		}
	}}}
	srv := httptest.NewServer(draftwire.Handler(func(context.Context, *draftwire.Conn) error {
		return errors.New("the database is gone")
	}, o))
	defer srv.Close()
	c, _, err := draftwire.Dial(context.Background(), srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	go c.Read(context.Background()) // answers the close
	fmt.Println(<-logged)
	// Output: the database is gone, close code 1011
}

// A handler of ordinary requests sees who asks, and how the client spells its fields.
func ExampleHandshakeOf() {
	s := &draftwire.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := draftwire.HandshakeOf(r)
		fmt.Fprintln(w, h.Target(), h.Host(), h.Fields()[1], h.Exact())
	})}
	l, err := draftwire.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go s.Serve(l)
	defer s.Close()

	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "GET /page HTTP/1.0\r\nHost: tv.example\r\nx-DeviceID: 7\r\n\r\n")
	p, err := io.ReadAll(nc)
	_, body, _ := strings.Cut(string(p), "\r\n\r\n")
	fmt.Print(body, err)
	// Output:
	// /page tv.example {x-DeviceID 7} true
	// <nil>
}

// A chat room whose idle members cost no goroutine, no stack and no buffer.
func ExampleEvents() {
	var mu sync.Mutex
	var members []*draftwire.Conn
	srv := &draftwire.Server{
		Options: draftwire.AcceptOptions{Versions: draftwire.AllVersions},
		Events: &draftwire.Events{
			Open: func(c *draftwire.Conn) error {
				mu.Lock()
				defer mu.Unlock()
				members = append(members, c)
				return nil
			},
			Message: func(_ *draftwire.Conn, op draftwire.Op, p []byte) error {
				mu.Lock()
				defer mu.Unlock()
				draftwire.Broadcast(draftwire.NewPreparedMessage(op, p), members, nil)
				return nil
			},
			Closed: func(c *draftwire.Conn, _ error) {
				mu.Lock()
				defer mu.Unlock()
				members = slices.DeleteFunc(members, func(m *draftwire.Conn) bool { return m == c })
			},
		},
	}
	l, err := draftwire.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go srv.Serve(l)
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, "ws://"+l.Addr().String()+"/", &draftwire.DialOptions{Version: draftwire.Hixie76})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	if err := c.Write(ctx, draftwire.OpText, []byte("to all")); err != nil {
		log.Fatal(err)
	}
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output: to all <nil>
}

// What has to wait, here for a database, goes on in a goroutine, and the messages behind it
// wait for its end.
func ExampleConn_Go() {
	lookup := func(ctx context.Context, name string) (string, error) { return name + " is 42", nil }
	srv := &draftwire.Server{Events: &draftwire.Events{
		Message: func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
			name := string(p) // p is lent
			c.Go(func(ctx context.Context, c *draftwire.Conn) error {
				answer, err := lookup(ctx, name)
				if err != nil {
					return err
				}
				return c.Write(ctx, op, []byte(answer))
			})
			return nil
		},
	}}
	l, err := draftwire.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go srv.Serve(l)
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, "ws://"+l.Addr().String()+"/", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	if err := c.Write(ctx, draftwire.OpText, []byte("the answer")); err != nil {
		log.Fatal(err)
	}
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output: the answer is 42 <nil>
}
