package otherapis

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/lxzan/gws"
)

// events is a handler of gws's of functions, any of them nil.
type events struct {
	gws.BuiltinEventHandler
	open    func(c *gws.Conn)
	message func(c *gws.Conn, m *gws.Message)
	closed  func(c *gws.Conn, err error)
}

func (e *events) OnOpen(c *gws.Conn) {
	if e.open != nil {
		e.open(c)
	}
}

// OnPing answers with what the ping has; that of BuiltinEventHandler answers with nothing.
func (e *events) OnPing(c *gws.Conn, payload []byte) { c.WritePong(payload) }

func (e *events) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	if e.message != nil {
		e.message(c, m)
	}
}

func (e *events) OnClose(c *gws.Conn, err error) {
	if e.closed != nil {
		e.closed(c, err)
	}
}

func gwsEcho(c *gws.Conn, m *gws.Message) { c.WriteMessage(m.Opcode, m.Bytes()) }

// byGws is a server by gws.
func byGws(t *testing.T, e *events, o *gws.ServerOption) string {
	t.Helper()
	if o == nil {
		o = &gws.ServerOption{}
	}
	o.Logger = quiet{}
	u := gws.NewUpgrader(e, o)
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r)
		if err != nil {
			return // it has been told
		}
		c.ReadLoop()
	}))
}

type quiet struct{}

func (quiet) Error(...any) {}

// served is a server of this library's with its own loop.
func served(t *testing.T, s *draftwire.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return "ws://" + l.Addr().String()
}

func TestGws(t *testing.T) {
	var rows []row
	add := func(name, want string, theirs, ours func(*testing.T) string) {
		rows = append(rows, row{name: name, theirs: theirs, ours: ours, want: want})
	}
	hello := func(t *testing.T, url string) string { return asked(t, peer(t, url, nil), "hello") }
	// atOpen is a row of a server that says something when a client is there.
	atOpen := func(name, want string, theirs func(c *gws.Conn), ours func(ctx context.Context, c *draftwire.Conn), hear func(*testing.T, *draftwire.Conn) string) {
		add(name, want,
			func(t *testing.T) string { return hear(t, peer(t, byGws(t, &events{open: theirs}, nil), nil)) },
			func(t *testing.T) string {
				return hear(t, peer(t, byUs(t, nil, func(ctx context.Context, c *draftwire.Conn) { ours(ctx, c); ourEcho(ctx, c) }), nil))
			})
	}

	add("`gws.NewUpgrader(handler, o).Upgrade(w, r)`", "hello",
		func(t *testing.T) string { return hello(t, byGws(t, &events{message: gwsEcho}, nil)) },
		func(t *testing.T) string { return hello(t, echo(t, nil)) })
	add("`c.ReadLoop()`", "hello",
		func(t *testing.T) string { return hello(t, byGws(t, &events{message: gwsEcho}, nil)) },
		func(t *testing.T) string {
			return hello(t, serve(t, draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
				return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error { return c.Write(ctx, op, p) })
			}, nil)))
		})
	add("`gws.NewServer(handler, o).RunListener(l)`", "hello",
		func(t *testing.T) string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			go gws.NewServer(&events{message: gwsEcho}, &gws.ServerOption{Logger: quiet{}}).RunListener(l)
			return hello(t, "ws://"+l.Addr().String())
		},
		func(t *testing.T) string { return hello(t, served(t, &draftwire.Server{WebSocket: echoAll})) })
	events3 := func(said chan string) (*events, *draftwire.Events) {
		return &events{
				open: func(*gws.Conn) { said <- "open" }, closed: func(_ *gws.Conn, err error) { said <- fmt.Sprint("closed ", err != nil) },
				message: func(_ *gws.Conn, m *gws.Message) { said <- string(m.Bytes()) },
			}, &draftwire.Events{
				Open:    func(*draftwire.Conn) error { said <- "open"; return nil },
				Message: func(_ *draftwire.Conn, _ draftwire.Op, p []byte) error { said <- string(p); return nil },
				Closed:  func(_ *draftwire.Conn, err error) { said <- fmt.Sprint("closed ", err != nil) },
			}
	}
	add("`OnOpen`, `OnMessage`, `OnClose`", "open hello closed true",
		func(t *testing.T) string {
			said := make(chan string, 3)
			e, _ := events3(said)
			peer(t, byGws(t, e, nil), nil).Write(limited(t), draftwire.OpText, []byte("hello"))
			first := <-said + " " + <-said
			return first + " " + after(t, said, byGws(t, e, nil))
		},
		func(t *testing.T) string {
			said := make(chan string, 3)
			_, e := events3(said)
			peer(t, served(t, &draftwire.Server{Events: e}), nil).Write(limited(t), draftwire.OpText, []byte("hello"))
			first := <-said + " " + <-said
			return first + " " + after(t, said, served(t, &draftwire.Server{Events: e}))
		})
	add("`OnPing`, `c.WritePong(payload)`", "<nil>",
		func(t *testing.T) string {
			return pinged(t, byGws(t, &events{}, nil))
		}, func(t *testing.T) string { return pinged(t, echo(t, nil)) })
	atOpen("`c.WriteMessage(gws.OpcodeBinary, p)`", "binary hello",
		func(c *gws.Conn) { c.WriteMessage(gws.OpcodeBinary, []byte("hello")) },
		func(ctx context.Context, c *draftwire.Conn) { c.Write(ctx, draftwire.OpBinary, []byte("hello")) }, heard)
	atOpen("`c.WriteString(s)`", "hello",
		func(c *gws.Conn) { c.WriteString("hello") },
		func(ctx context.Context, c *draftwire.Conn) { c.Write(ctx, draftwire.OpText, []byte("hello")) }, heard)
	atOpen("`c.WriteAsync(op, p, nil)`", "hello",
		func(c *gws.Conn) { c.WriteAsync(gws.OpcodeText, []byte("hello"), nil) },
		func(_ context.Context, c *draftwire.Conn) {
			c.Post(draftwire.NewPreparedMessage(draftwire.OpText, []byte("hello")))
		}, heard)
	atOpen("`c.Writev(op, a, b)`", "in parts",
		func(c *gws.Conn) { c.Writev(gws.OpcodeText, []byte("in "), []byte("parts")) },
		func(ctx context.Context, c *draftwire.Conn) {
			w, _ := c.Writer(ctx, draftwire.OpText)
			io.WriteString(w, "in ")
			io.WriteString(w, "parts")
			w.Close()
		}, heard)
	atOpen("`gws.NewBroadcaster(op, p).Broadcast(c)`", "to all",
		func(c *gws.Conn) {
			b := gws.NewBroadcaster(gws.OpcodeText, []byte("to all"))
			b.Broadcast(c)
			b.Close()
		}, func(_ context.Context, c *draftwire.Conn) {
			draftwire.Broadcast(draftwire.NewPreparedMessage(draftwire.OpText, []byte("to all")), []*draftwire.Conn{c}, nil)
		}, heard)
	atOpen("`c.WriteClose(code, reason)`", "closed with 4000",
		func(c *gws.Conn) { c.WriteClose(4000, []byte("bye")) },
		func(_ context.Context, c *draftwire.Conn) { c.Close(4000, "bye") }, heard)
	atOpen("`c.WritePing(nil)`", "ping",
		func(c *gws.Conn) { c.WritePing(nil); c.WriteString("behind") },
		func(ctx context.Context, c *draftwire.Conn) {
			c.PostPing()
			c.Write(ctx, draftwire.OpText, []byte("behind"))
		},
		func(t *testing.T, c *draftwire.Conn) string {
			got := "none"
			c.TraceFrames(0, func(f *draftwire.Frame) {
				if f.Op.String() == "ping" {
					got = "ping"
				}
			})
			if s := asked(t, c, "x"); s != "behind" {
				return s
			}
			return got
		})
	add("`c.SetReadDeadline(t)`", "ended",
		func(t *testing.T) string {
			return silent(t, byGws(t, &events{open: func(c *gws.Conn) { c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) }}, nil))
		}, func(t *testing.T) string {
			return silent(t, echo(t, &draftwire.AcceptOptions{Limits: draftwire.Limits{IdleTimeout: 20 * time.Millisecond}}))
		})
	add("`c.Session()`", "you",
		func(t *testing.T) string {
			o := &gws.ServerOption{Authorize: func(_ *http.Request, s gws.SessionStorage) bool { s.Store("user", "you"); return true }}
			return hello(t, byGws(t, &events{message: func(c *gws.Conn, _ *gws.Message) {
				user, _ := c.Session().Load("user")
				c.WriteString(user.(string))
			}}, o))
		}, func(t *testing.T) string {
			o := &draftwire.AcceptOptions{Authorize: func(_ *draftwire.Handshake, a *draftwire.Answer) error { a.Value = "you"; return nil }}
			return hello(t, byUs(t, o, func(ctx context.Context, c *draftwire.Conn) {
				c.Read(ctx)
				c.Write(ctx, draftwire.OpText, []byte(c.Handshake().Value().(string)))
			}))
		})
	add("`ServerOption.Authorize`", "101 400",
		func(t *testing.T) string {
			url := byGws(t, &events{}, &gws.ServerOption{Authorize: func(r *http.Request, _ gws.SessionStorage) bool { return r.Header.Get("Origin") == "http://a.example" }})
			return fmt.Sprint(refused(t, url, "http://a.example"), refused(t, url, "http://b.example"))
		}, func(t *testing.T) string {
			url := echo(t, &draftwire.AcceptOptions{Origins: []string{"*"}, Authorize: func(h *draftwire.Handshake, _ *draftwire.Answer) error {
				if h.Origin() != "http://a.example" {
					return fmt.Errorf("the page %s", h.Origin())
				}
				return nil
			}})
			return fmt.Sprint(refused(t, url, "http://a.example"), refused(t, url, "http://b.example"))
		})
	rows[len(rows)-1].wantOurs = "101 403"
	add("`ServerOption.SubProtocols`", "chat",
		func(t *testing.T) string {
			return peer(t, byGws(t, &events{}, &gws.ServerOption{SubProtocols: []string{"chat"}}), &draftwire.DialOptions{Protocols: []string{"x", "chat"}}).Subprotocol()
		}, func(t *testing.T) string {
			return peer(t, echo(t, &draftwire.AcceptOptions{Protocols: []string{"chat"}}), &draftwire.DialOptions{Protocols: []string{"x", "chat"}}).Subprotocol()
		})
	add("`ServerOption.ReadMaxPayloadSize`", "closed with 1009",
		func(t *testing.T) string {
			return hello(t, byGws(t, &events{message: gwsEcho}, &gws.ServerOption{ReadMaxPayloadSize: 4}))
		},
		func(t *testing.T) string {
			return hello(t, echo(t, &draftwire.AcceptOptions{Limits: draftwire.Limits{ReadLimit: 4}}))
		})
	compressed := func(t *testing.T, url string) string {
		c := peer(t, url, &draftwire.DialOptions{Compression: draftwire.Compression{Mode: draftwire.CompressAll}})
		long := strings.Repeat("again and ", 200)
		return fmt.Sprint(c.Handshake().Deflate() != "", asked(t, c, long) == long)
	}
	add("`ServerOption.PermessageDeflate`", "true true",
		func(t *testing.T) string {
			return compressed(t, byGws(t, &events{message: gwsEcho}, &gws.ServerOption{PermessageDeflate: gws.PermessageDeflate{Enabled: true}}))
		}, func(t *testing.T) string {
			return compressed(t, echo(t, &draftwire.AcceptOptions{Compression: draftwire.Compression{Mode: draftwire.CompressLarge}}))
		})
	add("`ServerOption.ParallelEnabled`", "behind",
		func(t *testing.T) string {
			return parallel(t, byGws(t, &events{message: slowFirst(make(chan bool))}, &gws.ServerOption{ParallelEnabled: true}))
		}, func(t *testing.T) string {
			release := make(chan bool)
			return parallel(t, serve(t, draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
				return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error {
					s := string(p) // p is lent
					go func() { waitFirst(s, release); c.Write(ctx, op, []byte(s)) }()
					return nil
				})
			}, nil)))
		})
	add("`gws.NewClient(handler, &gws.ClientOption{Addr: url})`", "hello",
		func(t *testing.T) string {
			said := make(chan string, 1)
			c, _, err := gws.NewClient(&events{message: func(_ *gws.Conn, m *gws.Message) { said <- string(m.Bytes()) }}, &gws.ClientOption{Addr: echo(t, nil), Logger: quiet{}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.NetConn().Close()
			go c.ReadLoop()
			c.WriteString("hello")
			return <-said
		}, func(t *testing.T) string {
			said := make(chan string, 1)
			c := peer(t, echo(t, nil), nil)
			go c.ReadLoop(limited(t), func(_ draftwire.Op, p []byte) error { said <- string(p); return nil })
			c.Write(limited(t), draftwire.OpText, []byte("hello"))
			return <-said
		})
	play(t, "../../docs/from-gws.md", rows)
}

// after returns what a server says when a client goes that has only come.
func after(t *testing.T, said chan string, url string) string {
	c := peer(t, url, nil)
	<-said
	c.Close(draftwire.CodeNormal, "")
	return <-said
}

// pinged pings a server.
func pinged(t *testing.T, url string) string {
	c := peer(t, url, nil)
	go c.Read(limited(t))
	return fmt.Sprint(c.Ping(limited(t)))
}

// silent says nothing, and waits for the end.
func silent(t *testing.T, url string) string {
	if s := heard(t, peer(t, url, nil)); s == "cut off" || strings.HasPrefix(s, "closed") {
		return "ended"
	}
	return "alive"
}

// waitFirst holds the message first until another has come.
func waitFirst(s string, release chan bool) {
	if s == "first" {
		<-release
	} else {
		defer close(release)
	}
}

// slowFirst echoes by waitFirst.
func slowFirst(release chan bool) func(*gws.Conn, *gws.Message) {
	return func(c *gws.Conn, m *gws.Message) {
		s := string(m.Bytes())
		waitFirst(s, release)
		c.WriteString(s)
	}
}

// parallel sends two messages, of which the first waits for the other.
func parallel(t *testing.T, url string) string {
	c := peer(t, url, nil)
	c.Write(limited(t), draftwire.OpText, []byte("first"))
	return asked(t, c, "behind")
}
