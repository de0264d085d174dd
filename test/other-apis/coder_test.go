package otherapis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/draftwire/draftwire"
)

// byCoder is a server by coder's library.
func byCoder(t *testing.T, o *coder.AcceptOptions, fn func(ctx context.Context, c *coder.Conn)) string {
	t.Helper()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, o)
		if err != nil {
			return
		}
		defer c.CloseNow()
		fn(r.Context(), c)
	}))
}

// byUs is the same by this one.
func byUs(t *testing.T, o *draftwire.AcceptOptions, fn func(ctx context.Context, c *draftwire.Conn)) string {
	t.Helper()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := draftwire.Accept(w, r, o)
		if err != nil {
			return
		}
		defer c.CloseNow()
		fn(r.Context(), c)
	}))
}

func coderEcho(ctx context.Context, c *coder.Conn) {
	for {
		kind, p, err := c.Read(ctx)
		if err != nil || c.Write(ctx, kind, p) != nil {
			return
		}
	}
}

func ourEcho(ctx context.Context, c *draftwire.Conn) {
	for {
		op, p, err := c.Read(ctx)
		if err != nil || c.Write(ctx, op, p) != nil {
			return
		}
	}
}

func coderDial(t *testing.T, url string, o *coder.DialOptions) *coder.Conn {
	t.Helper()
	c, _, err := coder.Dial(limited(t), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// short is a context that has ended before anything comes.
func short(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestCoder(t *testing.T) {
	page := "http://a.example.com"
	long := strings.Repeat("again and ", 200)
	// server returns both programs of a row that is a server, which a client asks something.
	server := func(theirs func(context.Context, *coder.Conn), ours func(context.Context, *draftwire.Conn), ask func(*testing.T, *draftwire.Conn) string) (a, b func(*testing.T) string) {
		return func(t *testing.T) string { return ask(t, peer(t, byCoder(t, nil, theirs), nil)) },
			func(t *testing.T) string { return ask(t, peer(t, byUs(t, nil, ours), nil)) }
	}
	ask := func(text string) func(*testing.T, *draftwire.Conn) string {
		return func(t *testing.T, c *draftwire.Conn) string { return asked(t, c, text) }
	}
	var rows []row
	add := func(name, want string, theirs, ours func(*testing.T) string) {
		rows = append(rows, row{name: name, theirs: theirs, ours: ours, want: want})
	}

	a, b := server(coderEcho, ourEcho, ask("hello"))
	add("`websocket.Accept(w, r, nil)`", "hello", a, b)
	add("`AcceptOptions.Subprotocols`", "chat",
		func(t *testing.T) string {
			return peer(t, byCoder(t, &coder.AcceptOptions{Subprotocols: []string{"chat"}}, coderEcho), &draftwire.DialOptions{Protocols: []string{"x", "chat"}}).Subprotocol()
		}, func(t *testing.T) string {
			return peer(t, byUs(t, &draftwire.AcceptOptions{Protocols: []string{"chat"}}, ourEcho), &draftwire.DialOptions{Protocols: []string{"x", "chat"}}).Subprotocol()
		})
	add("`AcceptOptions.OriginPatterns`", "101 403",
		func(t *testing.T) string {
			url := byCoder(t, &coder.AcceptOptions{OriginPatterns: []string{"*.example.com"}}, coderEcho)
			return fmt.Sprint(refused(t, url, page), refused(t, url, "http://other.example"))
		}, func(t *testing.T) string {
			url := byUs(t, &draftwire.AcceptOptions{Origins: []string{"*.example.com"}}, ourEcho)
			return fmt.Sprint(refused(t, url, page), refused(t, url, "http://other.example"))
		})
	add("`AcceptOptions.InsecureSkipVerify`", "101",
		func(t *testing.T) string {
			return fmt.Sprint(refused(t, byCoder(t, &coder.AcceptOptions{InsecureSkipVerify: true}, coderEcho), page))
		}, func(t *testing.T) string {
			return fmt.Sprint(refused(t, byUs(t, &draftwire.AcceptOptions{Origins: []string{"*"}}, ourEcho), page))
		})
	squeezed := func(t *testing.T, url string) string {
		c := peer(t, url, &draftwire.DialOptions{Compression: draftwire.Compression{Mode: draftwire.CompressAll, Takeover: true}})
		return fmt.Sprint(strings.HasPrefix(c.Handshake().Deflate(), "permessage-deflate"), strings.Contains(c.Handshake().Deflate(), "no_context"), asked(t, c, long) == long)
	}
	add("`AcceptOptions.CompressionMode`", "true false true",
		func(t *testing.T) string {
			return squeezed(t, byCoder(t, &coder.AcceptOptions{CompressionMode: coder.CompressionContextTakeover}, coderEcho))
		}, func(t *testing.T) string {
			return squeezed(t, byUs(t, &draftwire.AcceptOptions{Compression: draftwire.Compression{Mode: draftwire.CompressLarge, Takeover: true}}, ourEcho))
		})
	add("`websocket.Dial(ctx, url, nil)`", "hello",
		func(t *testing.T) string {
			c := coderDial(t, echo(t, nil), nil)
			c.Write(limited(t), coder.MessageText, []byte("hello"))
			_, p, _ := c.Read(limited(t))
			return string(p)
		}, func(t *testing.T) string { return asked(t, peer(t, echo(t, nil), nil), "hello") })

	// What a client asks for, as the server sees it.
	seen := func(t *testing.T, field string) (url string, value chan string) {
		value = make(chan string, 1)
		return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if field == "Host" { // net/http has it elsewhere
				value <- r.Host
			} else {
				value <- r.Header.Get(field)
			}
			draftwire.Handler(echoAll, &draftwire.AcceptOptions{Protocols: []string{"chat"}}).ServeHTTP(w, r)
		})), value
	}
	for _, f := range []struct {
		name, field, want string
		theirs            coder.DialOptions
		ours              draftwire.DialOptions
	}{
		{"`DialOptions.HTTPHeader`", "X-Mine", "yes", coder.DialOptions{HTTPHeader: http.Header{"X-Mine": {"yes"}}}, draftwire.DialOptions{Header: http.Header{"X-Mine": {"yes"}}}},
		{"`DialOptions.Subprotocols`", "Sec-Websocket-Protocol", "chat", coder.DialOptions{Subprotocols: []string{"chat"}}, draftwire.DialOptions{Protocols: []string{"chat"}}},
		{"`DialOptions.Host`", "Host", "other.example", coder.DialOptions{Host: "other.example"}, draftwire.DialOptions{Header: http.Header{"Host": {"other.example"}}}},
	} {
		add(f.name, f.want,
			func(t *testing.T) string {
				url, value := seen(t, f.field)
				coderDial(t, url, &f.theirs)
				return <-value
			},
			func(t *testing.T) string { url, value := seen(t, f.field); peer(t, url, &f.ours); return <-value })
	}

	a, b = server(
		func(ctx context.Context, c *coder.Conn) {
			kind, p, err := c.Read(ctx)
			c.Write(ctx, coder.MessageText, fmt.Append(nil, kind == coder.MessageText, string(p), err))
		}, func(ctx context.Context, c *draftwire.Conn) {
			op, p, err := c.Read(ctx)
			c.Write(ctx, draftwire.OpText, fmt.Append(nil, op == draftwire.OpText, string(p), err))
		}, ask("hello"))
	add("`c.Read(ctx)`", "truehello<nil>", a, b)
	a, b = server(
		func(ctx context.Context, c *coder.Conn) {
			_, r, _ := c.Reader(ctx)
			p, err := io.ReadAll(r)
			c.Write(ctx, coder.MessageText, fmt.Append(p, err))
		}, func(ctx context.Context, c *draftwire.Conn) {
			_, r, _ := c.Reader(ctx)
			p, err := io.ReadAll(r)
			c.Write(ctx, draftwire.OpText, fmt.Append(p, err))
		}, ask("hello"))
	add("`c.Reader(ctx)`", "hello<nil>", a, b)
	a, b = server(
		func(ctx context.Context, c *coder.Conn) { c.Write(ctx, coder.MessageBinary, []byte("hello")) },
		func(ctx context.Context, c *draftwire.Conn) { c.Write(ctx, draftwire.OpBinary, []byte("hello")) }, heard)
	add("`c.Write(ctx, websocket.MessageBinary, p)`", "binary hello", a, b)
	a, b = server(
		func(ctx context.Context, c *coder.Conn) {
			w, _ := c.Writer(ctx, coder.MessageText)
			io.WriteString(w, "in ")
			io.WriteString(w, "parts")
			w.Close()
		}, func(ctx context.Context, c *draftwire.Conn) {
			w, _ := c.Writer(ctx, draftwire.OpText)
			io.WriteString(w, "in ")
			io.WriteString(w, "parts")
			w.Close()
		}, heard)
	add("`c.Writer(ctx, websocket.MessageText)`", "in parts", a, b)
	a, b = server(
		func(ctx context.Context, c *coder.Conn) {
			var v int
			err := wsjson.Read(ctx, c, &v)
			c.Write(ctx, coder.MessageText, fmt.Append(nil, v+1, err))
		}, func(ctx context.Context, c *draftwire.Conn) {
			var v int
			_, p, err := c.Read(ctx)
			if err == nil {
				err = json.Unmarshal(p, &v)
			}
			c.Write(ctx, draftwire.OpText, fmt.Append(nil, v+1, err))
		}, ask("41"))
	add("`wsjson.Read(ctx, c, &v)`", "42 <nil>", a, b)
	a, b = server(
		func(ctx context.Context, c *coder.Conn) { wsjson.Write(ctx, c, []int{1, 2}) },
		func(ctx context.Context, c *draftwire.Conn) {
			p, _ := json.Marshal([]int{1, 2})
			c.Write(ctx, draftwire.OpText, p)
		}, func(t *testing.T, c *draftwire.Conn) string { return strings.TrimSpace(heard(t, c)) })
	add("`wsjson.Write(ctx, c, v)`", "[1,2]", a, b)
	a, b = server(
		func(ctx context.Context, c *coder.Conn) {
			ctx = c.CloseRead(ctx)
			err := c.Ping(ctx)
			c.Write(ctx, coder.MessageText, fmt.Append(nil, err))
		}, func(ctx context.Context, c *draftwire.Conn) {
			ctx = c.CloseRead(ctx)
			err := c.Ping(ctx)
			c.Write(ctx, draftwire.OpText, fmt.Append(nil, err))
		}, heard)
	add("`c.Ping(ctx)`", "<nil>", a, b)
	a, b = server(
		func(ctx context.Context, c *coder.Conn) { c.Close(4000, "bye") },
		func(ctx context.Context, c *draftwire.Conn) { c.Close(4000, "bye") }, heard)
	add("`c.Close(code, reason)`", "closed with 4000", a, b)
	a, b = server(
		func(ctx context.Context, c *coder.Conn) { c.CloseNow() },
		func(ctx context.Context, c *draftwire.Conn) { c.CloseNow() }, heard)
	add("`c.CloseNow()`", "cut off", a, b)
	a, b = server(
		func(ctx context.Context, c *coder.Conn) { <-c.CloseRead(ctx).Done() },
		func(ctx context.Context, c *draftwire.Conn) { <-c.CloseRead(ctx).Done() }, ask("a message"))
	add("`c.CloseRead(ctx)`", "closed with 1008", a, b)
	a, b = server(
		func(ctx context.Context, c *coder.Conn) { c.SetReadLimit(5); coderEcho(ctx, c) },
		func(ctx context.Context, c *draftwire.Conn) { c.SetReadLimit(5); ourEcho(ctx, c) }, ask("longer"))
	add("`c.SetReadLimit(n)`", "closed with 1009", a, b)
	closes := func(t *testing.T, c *draftwire.Conn) string {
		c.Close(4001, "why")
		return ""
	}
	status := func(theirs func(error) string, ours func(error) string) (a, b func(*testing.T) string) {
		said := make(chan string, 1)
		x, y := server(
			func(ctx context.Context, c *coder.Conn) { _, _, err := c.Read(ctx); said <- theirs(err) },
			func(ctx context.Context, c *draftwire.Conn) { _, _, err := c.Read(ctx); said <- ours(err) }, closes)
		return func(t *testing.T) string { x(t); return <-said }, func(t *testing.T) string { y(t); return <-said }
	}
	a, b = status(func(err error) string { return fmt.Sprint(int(coder.CloseStatus(err))) }, func(err error) string { return fmt.Sprint(uint16(draftwire.CloseStatus(err))) })
	add("`websocket.CloseStatus(err)`", "4001", a, b)
	a, b = status(
		func(err error) string { ce, _ := errors.AsType[coder.CloseError](err); return ce.Reason },
		func(err error) string { ce, _ := errors.AsType[*draftwire.CloseError](err); return ce.Reason })
	add("`websocket.CloseError`", "why", a, b)
	a, b = server(
		func(ctx context.Context, c *coder.Conn) {
			nc := coder.NetConn(ctx, c, coder.MessageBinary)
			io.CopyN(nc, strings.NewReader("stream"), 6)
		}, func(ctx context.Context, c *draftwire.Conn) {
			nc := draftwire.NetConn(ctx, c, draftwire.OpBinary)
			io.CopyN(nc, strings.NewReader("stream"), 6)
		}, heard)
	add("`websocket.NetConn(ctx, c, websocket.MessageBinary)`", "binary stream", a, b)
	a, b = server(
		func(ctx context.Context, c *coder.Conn) { c.Read(short(t)); coderEcho(ctx, c) },
		func(ctx context.Context, c *draftwire.Conn) { c.Read(short(t)); ourEcho(ctx, c) },
		func(t *testing.T, c *draftwire.Conn) string {
			<-short(t).Done()
			<-short(t).Done()
			err := c.Write(limited(t), draftwire.OpText, []byte("still here"))
			if s := heard(t, c); err == nil && s == "still here" {
				return s
			}
			return "ended"
		})
	rows = append(rows, row{name: "`ctx` of a read that ends", theirs: a, ours: b, want: "ended", wantOurs: "still here"})
	play(t, "../../docs/from-coder.md", rows)
}
