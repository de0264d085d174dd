package draftwire_test

import (
	"context"
	"fmt"
	"log"

	"github.com/draftwire/draftwire"
)

// A proxy between clients and another server, in parts of messages as they come, without a
// goroutine for a connection. While one side does not take what the other one sends, that one
// is not read.
func ExampleConn_ServeEvents() {
	echo := &draftwire.Server{WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error { return c.Write(ctx, op, p) })
	}}
	behind, err := draftwire.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go echo.Serve(behind)
	defer echo.Close()

	var toServer, toClient draftwire.Events
	pass := func(from, to *draftwire.Conn, p draftwire.Part) error {
		err := to.WritePart(context.Background(), p)
		if to.Lagging() {
			from.Pause() // until Drained
		}
		return err
	}
	other := func(c *draftwire.Conn) *draftwire.Conn { return c.Handshake().Value().(*link).other(c) }
	for _, e := range []*draftwire.Events{&toServer, &toClient} {
		e.Part = func(c *draftwire.Conn, p draftwire.Part) error { return pass(c, other(c), p) }
		e.Drained = func(c *draftwire.Conn) { other(c).Resume() }
		e.Closed = func(c *draftwire.Conn, _ error) { other(c).Close(draftwire.CodeGoingAway, "") }
	}
	toServer.Open = func(c *draftwire.Conn) error {
		x := c.Handshake().Value().(*link)
		x.client = c
		if !x.server.ServeEvents(c) {
			return draftwire.ErrUnsupported // this system has no loops
		}
		return nil
	}
	proxy := &draftwire.Server{Events: &toServer, Options: draftwire.AcceptOptions{
		Versions: draftwire.AllVersions,
		Authorize: func(_ *draftwire.Handshake, a *draftwire.Answer) error {
			x := new(link)
			a.Value = x
			var err error
			x.server, _, err = draftwire.Dial(context.Background(), "ws://"+behind.Addr().String()+"/", &draftwire.DialOptions{Events: &toClient, Value: x})
			return err
		},
	}}
	front, err := draftwire.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go proxy.Serve(front)
	defer proxy.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, "ws://"+front.Addr().String()+"/", &draftwire.DialOptions{Version: draftwire.Hixie76})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	if err := c.Write(ctx, draftwire.OpText, []byte("through")); err != nil {
		log.Fatal(err)
	}
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output: through <nil>
}

// link is a client of the proxy and its server.
type link struct{ client, server *draftwire.Conn }

func (x *link) other(c *draftwire.Conn) *draftwire.Conn {
	if c == x.client {
		return x.server
	}
	return x.client
}
