package otherapis

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	gorilla "github.com/gorilla/websocket"
)

// byGorilla is a server by gorilla, with fields of its answer.
func byGorilla(t *testing.T, u *gorilla.Upgrader, header http.Header, fn func(c *gorilla.Conn)) string {
	t.Helper()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, header)
		if err != nil {
			return
		}
		defer c.Close()
		fn(c)
	}))
}

func gorillaEcho(c *gorilla.Conn) {
	for {
		kind, p, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, p) != nil {
			return
		}
	}
}

func TestGorilla(t *testing.T) {
	var rows []row
	add := func(name, want string, theirs, ours func(*testing.T) string) {
		rows = append(rows, row{name: name, theirs: theirs, ours: ours, want: want})
	}
	// server adds a row of a server, which a client asks something.
	server := func(name, want string, theirs func(*gorilla.Conn), ours func(context.Context, *draftwire.Conn), ask func(*testing.T, *draftwire.Conn) string) {
		add(name, want,
			func(t *testing.T) string {
				return ask(t, peer(t, byGorilla(t, new(gorilla.Upgrader), nil, theirs), nil))
			},
			func(t *testing.T) string { return ask(t, peer(t, byUs(t, nil, ours), nil)) })
	}
	say := func(text string) func(*testing.T, *draftwire.Conn) string {
		return func(t *testing.T, c *draftwire.Conn) string { return asked(t, c, text) }
	}
	page, other := "http://a.example.com", "http://other.example"

	mine := func(t *testing.T, url string) string {
		_, resp, err := draftwire.Dial(limited(t), url, nil)
		return fmt.Sprint(resp.Header.Get("X-Mine"), err)
	}
	add("`Upgrader{…}.Upgrade(w, r, header)`", "yes<nil>",
		func(t *testing.T) string {
			return mine(t, byGorilla(t, new(gorilla.Upgrader), http.Header{"X-Mine": {"yes"}}, gorillaEcho))
		}, func(t *testing.T) string {
			return mine(t, byUs(t, &draftwire.AcceptOptions{Authorize: func(_ *draftwire.Handshake, a *draftwire.Answer) error {
				a.Fields = draftwire.Fields{{Name: "X-Mine", Value: "yes"}}
				return nil
			}}, ourEcho))
		})
	add("`Upgrader.CheckOrigin`", "101 403",
		func(t *testing.T) string {
			url := byGorilla(t, &gorilla.Upgrader{CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == page }}, nil, gorillaEcho)
			return fmt.Sprint(refused(t, url, page), refused(t, url, other))
		}, func(t *testing.T) string {
			url := byUs(t, &draftwire.AcceptOptions{Origins: []string{"*.example.com"}}, ourEcho)
			return fmt.Sprint(refused(t, url, page), refused(t, url, other))
		})
	two := &draftwire.DialOptions{Protocols: []string{"b", "a"}}
	add("`Upgrader.Subprotocols`", "a",
		func(t *testing.T) string {
			return peer(t, byGorilla(t, &gorilla.Upgrader{Subprotocols: []string{"a", "b"}}, nil, gorillaEcho), two).Subprotocol()
		}, func(t *testing.T) string {
			return peer(t, byUs(t, &draftwire.AcceptOptions{Protocols: []string{"a", "b"}}, ourEcho), two).Subprotocol()
		})
	rows[len(rows)-1].wantOurs = "b"
	add("`Upgrader.Error`", "418",
		func(t *testing.T) string {
			return fmt.Sprint(refused(t, byGorilla(t, &gorilla.Upgrader{Error: func(w http.ResponseWriter, _ *http.Request, _ int, _ error) { w.WriteHeader(418) }}, nil, gorillaEcho), other))
		}, func(t *testing.T) string {
			return fmt.Sprint(refused(t, byUs(t, &draftwire.AcceptOptions{Origins: []string{"*"}, Authorize: func(*draftwire.Handshake, *draftwire.Answer) error {
				return &draftwire.HandshakeError{Status: 418}
			}}, ourEcho), other))
		})
	compressed := func(t *testing.T, url string) string {
		c := peer(t, url, &draftwire.DialOptions{Compression: draftwire.Compression{Mode: draftwire.CompressAll}})
		long := strings.Repeat("again and ", 200)
		return fmt.Sprint(c.Handshake().Deflate() != "", asked(t, c, long) == long)
	}
	add("`EnableCompression`", "true true",
		func(t *testing.T) string {
			return compressed(t, byGorilla(t, &gorilla.Upgrader{EnableCompression: true}, nil, gorillaEcho))
		}, func(t *testing.T) string {
			return compressed(t, byUs(t, &draftwire.AcceptOptions{Compression: draftwire.Compression{Mode: draftwire.CompressAll}}, ourEcho))
		})
	both := func(t *testing.T, url string) string {
		resp, err := http.Get("http" + strings.TrimPrefix(url, "ws"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		p, _ := io.ReadAll(resp.Body)
		return string(p) + " " + asked(t, peer(t, url, nil), "hello")
	}
	web := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a page") })
	add("`IsWebSocketUpgrade(r)`", "a page hello",
		func(t *testing.T) string {
			return both(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !gorilla.IsWebSocketUpgrade(r) {
					web(w, r)
					return
				}
				if c, err := new(gorilla.Upgrader).Upgrade(w, r, nil); err == nil {
					defer c.Close()
					gorillaEcho(c)
				}
			})))
		}, func(t *testing.T) string {
			return both(t, served(t, &draftwire.Server{WebSocket: echoAll, Handler: web}))
		})

	client := func(c *gorilla.Conn) string {
		defer c.Close()
		c.WriteMessage(gorilla.TextMessage, []byte("hello"))
		_, p, err := c.ReadMessage()
		return fmt.Sprintf("%s %v", p, err)
	}
	add("`Dialer.DialContext(ctx, url, header)`", "hello <nil>",
		func(t *testing.T) string {
			c, _, err := new(gorilla.Dialer).DialContext(limited(t), echo(t, nil), http.Header{"X-Mine": {"yes"}})
			if err != nil {
				t.Fatal(err)
			}
			return client(c)
		}, func(t *testing.T) string {
			return asked(t, peer(t, echo(t, nil), &draftwire.DialOptions{Header: http.Header{"X-Mine": {"yes"}}}), "hello") + " <nil>"
		})
	raw := func(t *testing.T) (net.Conn, *url.URL) {
		u, err := url.Parse(echo(t, nil))
		if err != nil {
			t.Fatal(err)
		}
		nc, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return nc, u
	}
	add("`NewClient`", "hello <nil>",
		func(t *testing.T) string {
			nc, u := raw(t)
			c, _, err := gorilla.NewClient(nc, u, nil, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			return client(c)
		}, func(t *testing.T) string {
			nc, u := raw(t)
			c, _, err := draftwire.Open(nc, u, nil)
			if err != nil {
				t.Fatal(err)
			}
			return asked(t, c, "hello") + " <nil>"
		})

	server("`c.ReadMessage()`", "hello", gorillaEcho, ourEcho, say("hello"))
	server("`c.NextReader()`", "hello<nil>",
		func(c *gorilla.Conn) {
			_, r, _ := c.NextReader()
			p, err := io.ReadAll(r)
			c.WriteMessage(gorilla.TextMessage, fmt.Append(p, err))
		}, func(ctx context.Context, c *draftwire.Conn) {
			_, r, _ := c.Reader(ctx)
			p, err := io.ReadAll(r)
			c.Write(ctx, draftwire.OpText, fmt.Append(p, err))
		}, say("hello"))
	server("`c.ReadJSON(v)`", "42 <nil>",
		func(c *gorilla.Conn) {
			var v int
			err := c.ReadJSON(&v)
			c.WriteMessage(gorilla.TextMessage, fmt.Append(nil, v+1, err))
		}, func(ctx context.Context, c *draftwire.Conn) {
			var v int
			_, p, err := c.Read(ctx)
			if err == nil {
				err = json.Unmarshal(p, &v)
			}
			c.Write(ctx, draftwire.OpText, fmt.Append(nil, v+1, err))
		}, say("41"))
	server("`c.WriteMessage(type, p)`", "binary hello",
		func(c *gorilla.Conn) { c.WriteMessage(gorilla.BinaryMessage, []byte("hello")) },
		func(ctx context.Context, c *draftwire.Conn) { c.Write(ctx, draftwire.OpBinary, []byte("hello")) }, heard)
	server("`c.NextWriter(type)`", "in parts",
		func(c *gorilla.Conn) {
			w, _ := c.NextWriter(gorilla.TextMessage)
			io.WriteString(w, "in ")
			io.WriteString(w, "parts")
			w.Close()
		}, func(ctx context.Context, c *draftwire.Conn) {
			w, _ := c.Writer(ctx, draftwire.OpText)
			io.WriteString(w, "in ")
			io.WriteString(w, "parts")
			w.Close()
		}, heard)
	server("`c.WriteJSON(v)`", "[1,2]",
		func(c *gorilla.Conn) { c.WriteJSON([]int{1, 2}) },
		func(ctx context.Context, c *draftwire.Conn) {
			p, _ := json.Marshal([]int{1, 2})
			c.Write(ctx, draftwire.OpText, p)
		}, func(t *testing.T, c *draftwire.Conn) string { return strings.TrimSpace(heard(t, c)) })
	server("`c.WritePreparedMessage(pm)`", "to all",
		func(c *gorilla.Conn) {
			pm, _ := gorilla.NewPreparedMessage(gorilla.TextMessage, []byte("to all"))
			c.WritePreparedMessage(pm)
		}, func(ctx context.Context, c *draftwire.Conn) {
			c.WritePrepared(ctx, draftwire.NewPreparedMessage(draftwire.OpText, []byte("to all")))
		}, heard)
	server("`c.WriteControl(PingMessage, …)`", "ponged",
		func(c *gorilla.Conn) {
			c.SetPongHandler(func(string) error { return c.WriteMessage(gorilla.TextMessage, []byte("ponged")) })
			c.WriteControl(gorilla.PingMessage, nil, time.Now().Add(time.Minute))
			c.ReadMessage()
		}, func(ctx context.Context, c *draftwire.Conn) {
			ctx = c.CloseRead(ctx)
			if c.Ping(ctx) == nil {
				c.Write(ctx, draftwire.OpText, []byte("ponged"))
			}
		}, heard)
	server("`c.WriteControl(CloseMessage, …)`, `c.Close()`", "closed with 4000",
		func(c *gorilla.Conn) {
			c.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(4000, "bye"), time.Now().Add(time.Minute))
			c.Close()
		}, func(_ context.Context, c *draftwire.Conn) { c.Close(4000, "bye") }, heard)
	server("`c.SetReadDeadline(t)`", "true",
		func(c *gorilla.Conn) {
			c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			_, _, err := c.ReadMessage()
			ne, ok := errors.AsType[net.Error](err)
			c.WriteMessage(gorilla.TextMessage, fmt.Append(nil, ok && ne.Timeout()))
		}, func(ctx context.Context, c *draftwire.Conn) {
			soon, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			_, _, err := c.Read(soon)
			c.Write(ctx, draftwire.OpText, fmt.Append(nil, errors.Is(err, context.DeadlineExceeded)))
		}, heard)
	big := make([]byte, 1<<20)
	add("`c.SetWriteDeadline(t)`", "true",
		func(t *testing.T) string {
			said := make(chan string, 1)
			peer(t, byGorilla(t, new(gorilla.Upgrader), nil, func(c *gorilla.Conn) {
				c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
				var err error
				for err == nil {
					err = c.WriteMessage(gorilla.BinaryMessage, big)
				}
				ne, ok := errors.AsType[net.Error](err)
				said <- fmt.Sprint(ok && ne.Timeout())
			}), nil)
			return <-said
		}, func(t *testing.T) string {
			said := make(chan string, 1)
			peer(t, byUs(t, nil, func(ctx context.Context, c *draftwire.Conn) {
				ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
				defer cancel()
				var err error
				for err == nil {
					err = c.Write(ctx, draftwire.OpBinary, big)
				}
				said <- fmt.Sprint(errors.Is(err, context.DeadlineExceeded))
			}), nil)
			return <-said
		})
	server("`c.SetReadLimit(n)`", "closed with 1009",
		func(c *gorilla.Conn) { c.SetReadLimit(5); gorillaEcho(c) },
		func(ctx context.Context, c *draftwire.Conn) { c.SetReadLimit(5); ourEcho(ctx, c) }, say("longer"))
	add("`c.SetPingHandler`, `c.SetPongHandler`", "<nil>",
		func(t *testing.T) string {
			return pinged(t, byGorilla(t, new(gorilla.Upgrader), nil, gorillaEcho))
		},
		func(t *testing.T) string { return pinged(t, byUs(t, nil, ourEcho)) })
	last := func(t *testing.T, c *draftwire.Conn) string {
		c.CloseWrite(4000, "bye")
		return heard(t, c)
	}
	server("`c.SetCloseHandler(h)`", "last words",
		func(c *gorilla.Conn) {
			c.SetCloseHandler(func(code int, text string) error {
				c.WriteMessage(gorilla.TextMessage, []byte("last words"))
				return c.WriteMessage(gorilla.CloseMessage, gorilla.FormatCloseMessage(code, text))
			})
			c.ReadMessage()
		}, func(ctx context.Context, c *draftwire.Conn) {
			c.AllowHalfOpen()
			_, _, err := c.Read(ctx)
			c.Write(ctx, draftwire.OpText, []byte("last words"))
			c.Close(draftwire.CloseStatus(err), "")
		}, last)
	said := make(chan string, 1)
	server("`IsCloseError(err, codes...)`", "true",
		func(c *gorilla.Conn) {
			_, _, err := c.ReadMessage()
			said <- fmt.Sprint(gorilla.IsCloseError(err, 4000))
		}, func(ctx context.Context, c *draftwire.Conn) {
			_, _, err := c.Read(ctx)
			said <- fmt.Sprint(draftwire.CloseStatus(err) == 4000)
		}, func(_ *testing.T, c *draftwire.Conn) string { c.Close(4000, ""); return <-said })
	server("`c.NetConn()`", "binary stream",
		func(c *gorilla.Conn) { c.NetConn().Write([]byte("\x82\x06stream")) }, // a frame
		func(ctx context.Context, c *draftwire.Conn) {
			io.Copy(draftwire.NetConn(ctx, c, draftwire.OpBinary), bytes.NewReader([]byte("stream")))
		}, heard)
	play(t, "../../docs/from-gorilla.md", rows)
}
