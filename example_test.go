package draftwire_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"

	"github.com/draftwire/draftwire"
)

// One handler serves clients of every version.
func Example() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		return c.Write(ctx, draftwire.OpText, []byte("hello, "+c.Version().String()))
	}, &draftwire.AcceptOptions{Versions: draftwire.AllVersions}))
	defer srv.Close()

	ctx := context.Background()
	for _, v := range draftwire.ServedVersions().List() {
		c, _, err := draftwire.Dial(ctx, srv.URL, &draftwire.DialOptions{Version: v})
		if err != nil {
			log.Fatal(err)
		}
		_, p, err := c.Read(ctx)
		fmt.Println(string(p), err)
		c.Close(draftwire.CodeNormal, "")
	}
	// Output:
	// hello, hixie-75 <nil>
	// hello, hixie-76 <nil>
	// hello, hybi-02 <nil>
	// hello, hybi-04 <nil>
	// hello, hybi-05 <nil>
	// hello, hybi-06 <nil>
	// hello, hybi-07 <nil>
	// hello, hybi-08 <nil>
	// hello, rfc6455 <nil>
}

// A question and its answer.
func ExampleConn() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		_, name, err := c.Read(ctx)
		if err != nil {
			return err
		}
		return c.Write(ctx, draftwire.OpText, fmt.Appendf(nil, "good day, %s", name))
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	if err := c.Write(ctx, draftwire.OpText, []byte("Ada")); err != nil {
		log.Fatal(err)
	}
	op, p, err := c.Read(ctx)
	fmt.Println(op, string(p), err)
	// Output: text good day, Ada <nil>
}

// A function for each message is the fastest way to read.
func ExampleConn_ReadLoop() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error {
			return c.Write(ctx, op, bytes.ToUpper(p))
		})
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	c.Write(ctx, draftwire.OpText, []byte("hello"))
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output: HELLO <nil>
}

// An echo that copies nothing: the bytes are lent until the next read.
func ExampleConn_ReadBorrowed() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		for {
			op, p, err := c.ReadBorrowed(ctx)
			if err != nil {
				return err
			}
			if err := c.Write(ctx, op, bytes.ToUpper(p)); err != nil {
				return err
			}
		}
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	c.Write(ctx, draftwire.OpText, []byte("hello"))
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output: HELLO <nil>
}

// Three messages with one system call.
func ExampleConn_Cork() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		c.Cork()
		for _, line := range []string{"one", "two", "three"} {
			if err := c.Write(ctx, draftwire.OpText, []byte(line)); err != nil {
				return err
			}
		}
		return c.Flush(ctx)
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	for m, err := range c.Messages(ctx) {
		fmt.Println(string(m.Data), err)
	}
	// Output:
	// one <nil>
	// two <nil>
	// three <nil>
}

// The loop ends without an error when the peer closes in order.
func ExampleConn_Messages() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		for _, s := range []string{"one", "two"} {
			if err := c.Write(ctx, draftwire.OpText, []byte(s)); err != nil {
				return err
			}
		}
		return nil // closes with CodeNormal
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	for m, err := range c.Messages(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Op, string(m.Data))
	}
	fmt.Println("the end")
	// Output:
	// text one
	// text two
	// the end
}

// A message that is read piece by piece is never whole in memory.
func ExampleConn_Reader() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		return c.Write(ctx, draftwire.OpText, []byte("a long story\n"))
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	_, r, err := c.Reader(ctx)
	if err != nil {
		log.Fatal(err)
	}
	n, err := io.Copy(os.Stdout, r)
	fmt.Println(n, err)
	// Output:
	// a long story
	// 13 <nil>
}

// A message is made while it is sent.
func ExampleConn_Writer() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		w, err := c.Writer(ctx, draftwire.OpText)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(w).Encode(map[string]int{"x": 1, "y": 2}); err != nil {
			return err
		}
		return w.Close()
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	_, p, err := c.Read(ctx)
	fmt.Printf("%s%v\n", p, err)
	// Output:
	// {"x":1,"y":2}
	// <nil>
}

// A client that only wants to know that the server is there.
func ExampleConn_Ping() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		_, _, err := c.Read(ctx) // answers pings until the client closes
		return err
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	c.CloseRead(ctx) // somebody has to see the pong
	fmt.Println(c.Ping(ctx))
	fmt.Println(c.PostPing()) // for a look at many: Heard then says who lives
	// Output:
	// <nil>
	// <nil>
}

// The same news for many, encoded once for each version.
func ExampleConn_WritePrepared() {
	conns := make(chan *draftwire.Conn)
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		conns <- c
		_, _, err := c.Read(ctx) // until the client closes
		return err
	}, &draftwire.AcceptOptions{Versions: draftwire.AllVersions}))
	defer srv.Close()

	ctx := context.Background()
	news := draftwire.NewPreparedMessage(draftwire.OpText, []byte("news"))
	for _, v := range []draftwire.Version{draftwire.Hixie76, draftwire.Hybi08, draftwire.RFC6455} {
		client, _, err := draftwire.Dial(ctx, srv.URL, &draftwire.DialOptions{Version: v})
		if err != nil {
			log.Fatal(err)
		}
		if err := (<-conns).WritePrepared(ctx, news); err != nil {
			log.Fatal(err)
		}
		_, p, err := client.Read(ctx)
		fmt.Println(v, string(p), err)
		client.Close(draftwire.CodeNormal, "")
	}
	// Output:
	// hixie-76 news <nil>
	// hybi-08 news <nil>
	// rfc6455 news <nil>
}

// News for everybody who is connected. Who does not read holds up nobody, and goes.
func ExampleBroadcast() {
	conns := make(chan *draftwire.Conn)
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		conns <- c
		_, _, err := c.Read(ctx) // until the client closes
		return err
	}, &draftwire.AcceptOptions{Versions: draftwire.AllVersions}))
	defer srv.Close()

	ctx := context.Background()
	var room []*draftwire.Conn
	var clients []*draftwire.Conn
	for _, v := range []draftwire.Version{draftwire.Hixie75, draftwire.RFC6455} {
		client, _, err := draftwire.Dial(ctx, srv.URL, &draftwire.DialOptions{Version: v})
		if err != nil {
			log.Fatal(err)
		}
		clients, room = append(clients, client), append(room, <-conns)
	}
	news := draftwire.NewPreparedMessage(draftwire.OpText, []byte("news"))
	draftwire.Broadcast(news, room, func(c *draftwire.Conn, err error) {
		if errors.Is(err, draftwire.ErrBusy) {
			c.CloseNow()
		}
	})
	for _, c := range clients {
		_, p, err := c.Read(ctx)
		fmt.Println(c.Version(), string(p), err)
		c.Close(draftwire.CodeNormal, "")
	}
	// Output:
	// hixie-75 news <nil>
	// rfc6455 news <nil>
}

// A greeting that every client gets.
func ExamplePreparedMessage() {
	greeting := draftwire.NewPreparedMessage(draftwire.OpText, []byte("welcome"))
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		return c.WritePrepared(ctx, greeting)
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output: welcome <nil>
}

// Messages through a channel.
func ExampleMessage() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		if err := c.Write(ctx, draftwire.OpText, []byte("Hi")); err != nil {
			return err
		}
		return c.Write(ctx, draftwire.OpBinary, []byte{1, 2})
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	inbox := make(chan draftwire.Message)
	go func() {
		defer close(inbox)
		for m, err := range c.Messages(ctx) {
			if err == nil {
				inbox <- m
			}
		}
	}()
	for m := range inbox {
		fmt.Printf("%s % x\n", m.Op, m.Data)
	}
	// Output:
	// text 48 69
	// binary 01 02
}

func ExampleStats() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		_, p, err := c.Read(ctx)
		if err != nil {
			return err
		}
		return c.Write(ctx, draftwire.OpText, append(p, '!'))
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(draftwire.CodeNormal, "")
	if err := c.Write(ctx, draftwire.OpText, []byte("Hello")); err != nil {
		log.Fatal(err)
	}
	if _, _, err := c.Read(ctx); err != nil {
		log.Fatal(err)
	}
	s := c.Stats()
	fmt.Println(s.MessagesOut, s.BytesOut, s.MessagesIn, s.BytesIn)
	// Output: 1 5 1 6
}

// Any protocol that runs over a stream runs over WebSocket.
func ExampleNetConn() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		stream := draftwire.NetConn(ctx, c, draftwire.OpBinary)
		_, err := io.Copy(stream, stream) // an echo
		return err
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	stream := draftwire.NetConn(ctx, c, draftwire.OpBinary)
	defer stream.Close()
	fmt.Fprintln(stream, "12 apples")
	var n int
	var what string
	_, err = fmt.Fscanln(stream, &n, &what)
	fmt.Println(n, what, err)
	// Output: 12 apples <nil>
}

// What the peer said when it left.
func ExampleCloseStatus() {
	srv := httptest.NewServer(draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		return c.Close(4001, "too late")
	}, nil))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	_, _, err = c.Read(ctx)
	switch draftwire.CloseStatus(err) {
	case draftwire.CodeNormal, draftwire.CodeGoingAway:
		fmt.Println("bye")
	case 4001:
		fmt.Println(err)
	}
	// Output: draftwire: closed: 4001 "too late"
}
