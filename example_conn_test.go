package draftwire_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http/httptest"
	"time"

	"github.com/draftwire/draftwire"
)

// dialed opens a connection to a server whose handler is fn.
func dialed(fn draftwire.HandlerFunc, o *draftwire.AcceptOptions) (c *draftwire.Conn, stop func()) {
	srv := httptest.NewServer(draftwire.Handler(fn, o))
	c, _, err := draftwire.Dial(context.Background(), srv.URL+"/x", nil)
	if err != nil {
		log.Fatal(err)
	}
	return c, func() { c.CloseNow(); srv.Close() }
}

// The code and the reason tell the peer why.
func ExampleConn_Close() {
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error {
		return c.Close(draftwire.CodeTryLater, "the kitchen is closed")
	}, nil)
	defer stop()
	_, _, err := c.Read(context.Background())
	if closed, ok := errors.AsType[*draftwire.CloseError](err); ok {
		fmt.Println(uint16(closed.Code), closed.Reason)
	}
	// Output: 1013 the kitchen is closed
}

// The server notes the frames of one client, of which it looks at the first bytes.
func ExampleConn_TraceFrames() {
	frames := make(chan string, 8)
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error {
		op, p, err := c.Read(ctx)
		if err == nil {
			err = c.Write(ctx, op, p)
		}
		return err
	}, &draftwire.AcceptOptions{Observer: &draftwire.Observer{Opened: func(c *draftwire.Conn) {
		c.TraceFrames(5, func(f *draftwire.Frame) {
			frames <- fmt.Sprintf("sent %v: %v, opcode %d, masked %v, %d bytes: %q", f.Sent, f.Op, f.Opcode(), f.Masked, f.Length, f.Payload)
		})
	}}})
	defer stop()
	c.Write(context.Background(), draftwire.OpText, []byte("Hello, world"))
	fmt.Println(<-frames)
	fmt.Println(<-frames)
	// Output:
	// sent false: text, opcode 1, masked true, 12 bytes: "Hello"
	// sent true: text, opcode 1, masked false, 12 bytes: "Hello"
}

// The client has asked all that it wants to ask, and says so. The answers still come.
func ExampleConn_CloseWrite() {
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error {
		c.AllowHalfOpen()
		n := 0
		for _, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			n++
		}
		if err := c.Write(ctx, draftwire.OpText, fmt.Appendf(nil, "%d questions", n)); err != nil {
			return err
		}
		return c.Close(draftwire.CodeNormal, "all answered")
	}, nil)
	defer stop()
	ctx := context.Background()
	for _, question := range []string{"who?", "why?"} {
		c.Write(ctx, draftwire.OpText, []byte(question))
	}
	c.CloseWrite(draftwire.CodeNormal, "")
	_, p, _ := c.Read(ctx)
	_, _, err := c.Read(ctx)
	fmt.Printf("%s; %v\n", p, err)
	// Output: 2 questions; draftwire: closed: 1000 (normal) "all answered"
}

// A connection that its program has made half-open still writes when the peer has closed,
// until the program answers.
func ExampleConn_AllowHalfOpen() {
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error {
		c.AllowHalfOpen()
		_, _, err := c.Read(ctx)
		c.Write(ctx, draftwire.OpText, []byte("one thing more"))
		c.Close(draftwire.CodeNormal, "")
		return err
	}, nil)
	defer stop()
	c.CloseWrite(draftwire.CodeNormal, "bye")
	_, p, err := c.Read(context.Background())
	fmt.Println(string(p), err)
	// Output: one thing more <nil>
}

// Where nothing is heard between a ping and the next, the peer is gone.
func ExampleConn_Heard() {
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error {
		_, _, err := c.Read(ctx)
		return err
	}, nil)
	defer stop()
	go c.Read(context.Background())
	before := c.Heard()
	c.Ping(context.Background())
	fmt.Println(before, c.Heard(), c.Heard())
	// Output: false true false
}

// Without a closing handshake the peer hears nothing, and reads an abnormal end.
func ExampleConn_CloseNow() {
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error { return c.CloseNow() }, nil)
	defer stop()
	_, _, err := c.Read(context.Background())
	fmt.Println(uint16(draftwire.CloseStatus(err)))
	// Output: 1006
}

// A program that only writes lets CloseRead answer pings and see the close. Its context
// ends with the connection.
func ExampleConn_CloseRead() {
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error {
		ctx = c.CloseRead(ctx)
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Millisecond):
				if err := c.Write(ctx, draftwire.OpText, []byte("tick")); err != nil {
					return err
				}
			}
		}
	}, nil)
	defer stop()
	_, p, err := c.Read(context.Background())
	fmt.Println(string(p), err, c.Close(draftwire.CodeNormal, ""))
	// Output: tick <nil> <nil>
}

// The context of a connection ends with it, and knows why.
func ExampleConn_Context() {
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error { return nil }, nil)
	defer stop()
	c.Read(context.Background())
	<-c.Context().Done()
	fmt.Println(context.Cause(c.Context()))
	// Output: draftwire: closed: 1000 (normal)
}

// Post never waits for the peer: a peer that does not take what was posted before makes
// it an error, and the program decides.
func ExampleConn_Post() {
	tick := draftwire.NewPreparedMessage(draftwire.OpText, []byte("tick"))
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error {
		if err := c.Post(tick); errors.Is(err, draftwire.ErrBusy) {
			return c.Close(draftwire.CodePolicy, "too slow")
		}
		_, _, err := c.Read(ctx)
		return err
	}, nil)
	defer stop()
	_, p, err := c.Read(context.Background())
	fmt.Println(string(p), err)
	// Output: tick <nil>
}

// Several messages in a row go together.
func ExampleConn_PostAll() {
	tick, tock := draftwire.NewPreparedMessage(draftwire.OpText, []byte("tick")), draftwire.NewPreparedMessage(draftwire.OpText, []byte("tock"))
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error {
		if n, err := c.PostAll(tick, tock); err != nil {
			return fmt.Errorf("only %d of 2: %w", n, err)
		}
		_, _, err := c.Read(ctx)
		return err
	}, nil)
	defer stop()
	for range 2 {
		_, p, err := c.Read(context.Background())
		fmt.Println(string(p), err)
	}
	// Output:
	// tick <nil>
	// tock <nil>
}

// A program that has something else to do looks for input without waiting.
func ExampleConn_TryReadPart() {
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error {
		_, ok, err := c.TryReadPart()
		fmt.Println(ok, err)
		return nil
	}, nil)
	defer stop()
	c.Read(context.Background())
	// Output: false <nil>
}

// A message of which nobody has the whole goes out in parts.
func ExampleConn_WritePart() {
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error {
		for i, word := range []string{"part ", "by ", "part"} {
			part := draftwire.Part{Op: draftwire.OpText, Data: []byte(word), First: i == 0, Last: i == 2}
			if err := c.WritePart(ctx, part); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	defer stop()
	_, p, err := c.Read(context.Background())
	fmt.Println(string(p), err)
	// Output: part by part <nil>
}

// A handler may allow more once it knows who is there; 0 is again what the options say.
func ExampleConn_SetReadLimit() {
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error {
		c.SetReadLimit(8)
		_, _, err := c.Read(ctx)
		return err
	}, nil)
	defer stop()
	c.Write(context.Background(), draftwire.OpText, []byte("more than eight bytes"))
	_, _, err := c.Read(context.Background())
	fmt.Println(uint16(draftwire.CloseStatus(err)))
	// Output: 1009
}

// Text that is not UTF-8 can be repaired on one connection alone.
func ExampleConn_SetInvalidText() {
	repaired := make(chan string, 1)
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error {
		c.SetInvalidText(draftwire.ReplaceText)
		_, p, err := c.Read(ctx)
		repaired <- fmt.Sprint(string(p), " ", c.Stats().Repaired)
		return err
	}, nil)
	defer stop()
	c.Write(context.Background(), draftwire.OpText, []byte("fine"))
	fmt.Println(<-repaired)
	// Output: fine 0
}

// What is known of the other side.
func ExampleConn_RemoteAddr() {
	seen := make(chan string, 1)
	c, stop := dialed(func(ctx context.Context, c *draftwire.Conn) error {
		seen <- c.RemoteAddr().String()
		_, _, err := c.Read(ctx)
		return err
	}, nil)
	defer stop()
	fmt.Println(<-seen == c.LocalAddr().String(), c.PeerGone(), c.Buffered())
	// Output: true false false
}

// Listen has the sockets inherit their keepalive.
func ExampleListen() {
	l, err := draftwire.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := &draftwire.Server{WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		return c.Write(ctx, draftwire.OpText, []byte("hello"))
	}}
	go s.Serve(l)
	defer s.Close()
	c, _, err := draftwire.Dial(context.Background(), "ws://"+l.Addr().String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	_, p, err := c.Read(context.Background())
	fmt.Println(string(p), err)
	// Output: hello <nil>
}

// A balancer's networks are read from a file, and replaced when it changes.
func ExampleServer_SetProxy() {
	s := new(draftwire.Server)
	fmt.Println(s.SetProxy(&draftwire.ProxyProtocol{}))
	fmt.Println(s.SetProxy(nil)) // nobody any more
	// Output:
	// draftwire: options: ProxyProtocol without Read
	// <nil>
}

// Flash movies of the site alone.
func ExampleServer_SetFlashPolicy() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := &draftwire.Server{FlashPolicy: draftwire.DefaultFlashPolicy}
	s.SetFlashPolicy(`<cross-domain-policy><allow-access-from domain="example.com" to-ports="80"/></cross-domain-policy>`)
	go s.Serve(l)
	defer s.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	nc.Write([]byte("<policy-file-request/>\x00"))
	b := make([]byte, 200)
	n, _ := nc.Read(b)
	fmt.Printf("%q\n", b[:n])
	// Output: "<cross-domain-policy><allow-access-from domain=\"example.com\" to-ports=\"80\"/></cross-domain-policy>\x00"
}
