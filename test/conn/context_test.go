package conn_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
)

// A connection's context ends with it, whenever it was first asked for what.
func TestContext(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		type key struct{}
		for _, c := range []*draftwire.Conn{client, server} {
			ctx := c.Context()
			if _, ok := ctx.Deadline(); ok || ctx.Err() != nil || context.Cause(ctx) != nil || ctx.Value(key{}) != nil {
				t.Errorf("before the end: %v, %v", ctx.Err(), context.Cause(ctx))
			}
			if ctx != c.Context() || ctx.Done() != c.Context().Done() {
				t.Error("a connection has two contexts")
			}
		}
		child, cancel := context.WithCancel(context.WithValue(server.Context(), key{}, 1))
		defer cancel()
		timed, cancel := context.WithTimeout(server.Context(), time.Hour)
		defer cancel()
		free := context.WithoutCancel(server.Context())
		var ran, stopped atomic.Int32
		context.AfterFunc(server.Context(), func() { ran.Add(1) })
		context.AfterFunc(child, func() { ran.Add(1) })
		stop := context.AfterFunc(server.Context(), func() { stopped.Add(1) })
		if !stop() {
			t.Error("AfterFunc cannot be stopped")
		}
		go client.Close(draftwire.CodeNormal, "done")
		_, _, why := server.Read(bg)
		<-server.Context().Done()
		<-child.Done()
		<-timed.Done()
		synctest.Wait()
		for _, ctx := range []context.Context{server.Context(), child, timed} {
			if ctx.Err() != context.Canceled {
				t.Errorf("after the end: %v", ctx.Err())
			}
			if cause := context.Cause(ctx); !errors.Is(cause, why) {
				t.Errorf("the cause is %v, Read said %v", cause, why)
			}
		}
		if free.Err() != nil || ran.Load() != 2 || stopped.Load() != 0 {
			t.Errorf("%v, AfterFunc ran %d times, a stopped one %d times", free.Err(), ran.Load(), stopped.Load())
		}
		if child.Value(key{}) != 1 {
			t.Error("a value is lost")
		}
	})
}

// Who asks late gets the same.
func TestContextAfterTheEnd(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		ctx := client.Context() // of which nothing was asked yet
		client.CloseNow()
		if ctx.Err() != context.Canceled {
			t.Errorf("%v", ctx.Err())
		}
		<-ctx.Done()
		if err := context.Cause(ctx); !errors.Is(err, draftwire.ErrClosed) {
			t.Errorf("the cause is %v", err)
		}
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		if child.Err() != context.Canceled || !errors.Is(context.Cause(child), draftwire.ErrClosed) {
			t.Errorf("a child: %v, %v", child.Err(), context.Cause(child))
		}
		ran := make(chan struct{})
		context.AfterFunc(ctx, func() { close(ran) })
		<-ran
		_, _, why := server.Read(server.Context())
		if cause := context.Cause(server.Context()); !errors.Is(cause, why) {
			t.Errorf("the cause is %v, Read said %v", cause, why)
		}
	})
}

// The connection's own context, and what is derived from it, in every call.
func TestOwnContext(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		derived, cancel := context.WithCancel(server.Context())
		defer cancel()
		short, cancel := context.WithTimeout(server.Context(), time.Second)
		defer cancel()
		for _, ctx := range []context.Context{server.Context(), derived, server.Context(), short, derived} {
			go wstest.Write(t, client, "in")
			if _, p, err := server.Read(ctx); err != nil || string(p) != "in" {
				t.Errorf("%q, %v", p, err)
			}
			if err := server.Write(ctx, draftwire.OpText, []byte("out")); err != nil {
				t.Error(err)
			}
			wstest.Read(t, client, "out")
		}
		if _, _, err := server.Read(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		ended := make(chan error, 2)
		go func() {
			_, _, err := server.Read(derived)
			ended <- err
		}()
		// Another connection's context is any context.
		go func() {
			_, _, err := client.Read(server.Context())
			ended <- err
		}()
		synctest.Wait()
		server.CloseNow()
		for range 2 {
			if err := <-ended; err == nil {
				t.Error("Read goes on")
			}
		}
		if err := server.Write(server.Context(), draftwire.OpText, nil); !errors.Is(err, draftwire.ErrClosed) {
			t.Errorf("write: %v", err)
		}
	})
}

// Behind Accept the request's values are visible, and its end is no matter.
func TestContextOfRequest(t *testing.T) {
	type key struct{}
	got := make(chan error, 1)
	l := memnet.Listen(64 << 10)
	s := &http.Server{
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context { return context.WithValue(ctx, key{}, "value") },
		Handler: draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
			if ctx.Value(key{}) != "value" || c.Context().Value(key{}) != "value" {
				got <- errors.New("the request's value is not there")
				return nil
			}
			if ctx.Value(http.ServerContextKey) == nil {
				got <- errors.New("the server is not there")
				return nil
			}
			_, _, err := c.Read(ctx)
			<-ctx.Done()
			if cause := context.Cause(ctx); ctx.Err() != context.Canceled || !errors.Is(cause, err) {
				err = fmt.Errorf("%v, %v", ctx.Err(), cause)
			} else {
				err = nil
			}
			got <- err
			return nil
		}, nil),
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	c, _, err := draftwire.Dial(bg, "ws://example.com/", wstest.DialTo(l, draftwire.DialOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	c.Close(draftwire.CodeNormal, "")
	if err := <-got; err != nil {
		t.Error(err)
	}
	s.Close()
	<-served
}

// A context with a value, derived from the connection's own: to watch it asks
// the connection for its context in full.
func TestDerivedContextWithValue(t *testing.T) {
	client, server := wstest.Pair(t, draftwire.RFC6455, draftwire.AcceptOptions{}, draftwire.DialOptions{})
	type key struct{}
	ctx := context.WithValue(server.Context(), key{}, 1)
	go client.Write(bg, draftwire.OpText, []byte("a"))
	if _, _, err := server.Read(ctx); err != nil {
		t.Error(err)
	}
	if err := server.Write(ctx, draftwire.OpText, nil); err != nil {
		t.Error(err)
	}
}

func TestCancelledReadLosesNothing(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		cancelled := func() {
			t.Helper()
			ctx, cancel := context.WithTimeout(bg, time.Second)
			defer cancel()
			if _, _, err := server.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("read: %v", err)
			}
		}
		cancelled() // between messages
		w, err := client.Writer(bg, draftwire.OpText)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "half ")
		cancelled() // inside a message
		io.WriteString(w, "and half")
		cancelled()
		go w.Close()
		wstest.Read(t, server, "half and half")
		go wstest.Write(t, client, "next")
		wstest.Read(t, server, "next")
	})
}

// A cancelled read loses nothing over TLS either.
func TestCancelledReadOverTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cert, _ := wstest.SelfSigned(t)
		conns := make(chan *draftwire.Conn, 1)
		l := wstest.Serve(t, &draftwire.Server{Options: wstest.Options(), TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
			WebSocket: wstest.HandOver(conns)})
		client, _, err := draftwire.Dial(bg, "wss://127.0.0.1/", wstest.DialTo(l, draftwire.DialOptions{
			TLS: &tls.Config{InsecureSkipVerify: true}, // the bubble's clock is not the certificate's
		}))
		if err != nil {
			t.Fatal(err)
		}
		server := <-conns
		if server.Handshake().TLS() == nil || !server.Handshake().Secure() {
			t.Error("the handshake does not know of TLS")
		}
		for range 3 {
			ctx, cancel := context.WithTimeout(bg, time.Second)
			if _, _, err := server.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("read: %v", err)
			}
			cancel()
			go wstest.Write(t, client, "still here")
			wstest.Read(t, server, "still here")
		}
		client.CloseNow()
	})
}

// A Reader whose rest is dropped by a cancelled Read.
func TestReaderAfterCancelledRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, client, c := wstest.NewPeer(t, draftwire.RFC6455, 1<<20, draftwire.Limits{}, nil).Split()
		text := strings.Repeat("abcdefghij", 20)
		whole := client.Text(text)
		wstest.Send(t, nc, whole[:100])
		_, r, err := c.Reader(bg)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		if n, err := r.Read(b); n != 10 || err != nil {
			t.Fatal(n, err)
		}
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		for range 20 { // other connections get the buffer
			nc2, client2, c2 := wstest.NewPeer(t, draftwire.RFC6455, 1<<20, draftwire.Limits{}, nil).Split()
			wstest.Send(t, nc2, client2.Text(strings.Repeat("SECRET", 30)))
			c2.ReadBorrowed(bg)
		}
		wstest.Send(t, nc, whole[100:])
		rest, err := io.ReadAll(r)
		if !strings.HasSuffix(text, string(rest)) {
			t.Errorf("the reader of %.20q... gives %q, %v", text, rest, err)
		}
	})
}

// Contexts that end between writes do no harm.
func TestContextEndsBetweenCalls(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		for range 3 {
			ctx, cancel := context.WithCancel(bg)
			go client.Write(ctx, draftwire.OpText, []byte("a"))
			if _, p, err := server.Read(ctx); string(p) != "a" || err != nil {
				t.Fatalf("%q, %v", p, err)
			}
			synctest.Wait()
			cancel()
			synctest.Wait()
			if err := client.Write(ctx, draftwire.OpText, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("write with a context that has ended: %v", err)
			}
			go wstest.Write(t, client, "b")
			wstest.Read(t, server, "b")
		}
	})
}

// A context that outlives connections does not keep them, however they ended.
func TestContextKeepsNoConnection(t *testing.T) {
	for name, end := range map[string]func(client, server *draftwire.Conn){
		"cut here":        func(_, server *draftwire.Conn) { server.CloseNow() },
		"closed here":     func(_, server *draftwire.Conn) { server.Close(draftwire.CodeNormal, "") },
		"gone over there": func(client, server *draftwire.Conn) { client.CloseNow(); server.Read(bg) },
	} {
		ctx, cancel := context.WithCancel(bg)
		var kept weak.Pointer[draftwire.Conn]
		t.Run(name, func(t *testing.T) {
			client, server := wstest.Pair(t, draftwire.RFC6455, draftwire.AcceptOptions{}, draftwire.DialOptions{})
			kept = weak.Make(server)
			go client.Write(bg, draftwire.OpText, nil)
			if _, _, err := server.Read(ctx); err != nil {
				t.Error(err)
			}
			if err := server.Write(ctx, draftwire.OpText, nil); err != nil {
				t.Error(err)
			}
			go client.Read(bg)
			end(client, server)
			<-server.Context().Done()
		})
		deadline := time.After(5 * time.Second)
		for gone := false; !gone; {
			runtime.GC()
			select {
			case <-deadline:
				t.Errorf("%s: the connection is kept", name)
				gone = true
			case <-time.After(10 * time.Millisecond):
				gone = kept.Value() == nil
			}
		}
		cancel()
	}
}

// There is a write deadline also after a context ended between two writes.
func TestWriteTimeoutAfterContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, _, c := wstest.NewPeer(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).Split()
		ctx, cancel := context.WithCancel(bg)
		if err := c.Write(ctx, draftwire.OpText, []byte("a")); err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		ended := make(chan error, 1)
		go func() { ended <- c.Write(bg, draftwire.OpText, make([]byte, 5000)) }()
		select {
		case err := <-ended:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		case <-time.After(time.Hour):
			t.Error("a write that nobody reads hangs for an hour")
			nc.Close()
			<-ended
		}
	})
}

// The error of a call whose context ends while another goroutine writes its frame.
func TestContextEndsBehindAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, c := wstest.NewPeer(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).Split()
		go c.Write(bg, draftwire.OpText, make([]byte, 5000))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		if err := c.Write(ctx, draftwire.OpText, []byte("b")); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// The context ends in the instant the frame has gone.
func TestContextEndsAsWritten(t *testing.T) {
	for i := range 20 {
		synctest.Test(t, func(t *testing.T) {
			nc, _, c := wstest.NewPeer(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).Split()
			ctx, cancel := context.WithCancel(bg)
			defer cancel()
			errs := make(chan error, 3)
			go func() { errs <- c.Write(bg, draftwire.OpText, make([]byte, 1500)) }()
			synctest.Wait()
			go func() { errs <- c.Write(ctx, draftwire.OpText, []byte("b")) }()
			go func() { errs <- c.Write(bg, draftwire.OpText, make([]byte, 1500)) }()
			synctest.Wait()
			io.ReadFull(nc, make([]byte, 1504+500)) // the second system call has begun, and waits
			synctest.Wait()
			cancel()
			nc.Read(make([]byte, 1000)) // ... and ends
			ok := true
			for range 3 {
				if err := <-errs; err != nil {
					ok = false
				}
			}
			synctest.Wait()
			go io.Copy(io.Discard, nc)
			if err := c.Write(bg, draftwire.OpText, []byte("d")); err != nil && ok {
				t.Errorf("%d: all writes went, but the next: %v", i, err)
			}
			nc.Close()
		})
		if t.Failed() {
			return
		}
	}
}

// A Write whose message has gone does not answer for the frames of others.
func TestWriteReturnsWhenGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, client, c := wstest.NewPeer(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).Split()
		ctx, cancel := context.WithTimeout(bg, 5*time.Second)
		defer cancel()
		mine, other := strings.Repeat("x", 1500), strings.Repeat("y", 3000)
		began := time.Now()
		wrote := make(chan time.Duration, 1)
		go func() {
			if err := c.Write(ctx, draftwire.OpText, []byte(mine)); err != nil {
				t.Errorf("write: %v", err)
			}
			wrote <- time.Since(began)
		}()
		synctest.Wait() // it waits for the peer
		wstest.Send(t, nc, wstest.Texts(client.Text, "a", "b"))
		wstest.Read(t, c, "a")
		wstest.Write(t, c, other) // held
		wstest.Read(t, c, "b")
		go c.Read(bg) // no longer
		synctest.Wait()
		wstest.Want(t, nc, client.Echo(mine))
		if d := <-wrote; d != 0 {
			t.Errorf("Write returned after %v", d)
		}
		time.Sleep(10 * time.Second) // ctx ends
		wstest.Want(t, nc, client.Echo(other))
	})
}
