package draftwire_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
)

// A connection's context ends with it, whenever it was first asked for what.
func TestContext(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
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
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
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
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		derived, cancel := context.WithCancel(server.Context())
		defer cancel()
		short, cancel := context.WithTimeout(server.Context(), time.Second)
		defer cancel()
		for _, ctx := range []context.Context{server.Context(), derived, server.Context(), short, derived} {
			go write(t, client, "in")
			if _, p, err := server.Read(ctx); err != nil || string(p) != "in" {
				t.Errorf("%q, %v", p, err)
			}
			if err := server.Write(ctx, draftwire.OpText, []byte("out")); err != nil {
				t.Error(err)
			}
			read(t, client, "out")
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
	c, _, err := draftwire.Dial(bg, "ws://example.com/", &draftwire.DialOptions{
		NetDial: func(context.Context, string, string) (net.Conn, error) { return l.Dial() },
	})
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

// Messages just before the timeout keep a connection for ever; then it ends
// exactly after it.
func TestIdleTimeoutIsExact(t *testing.T) {
	const idle = 10 * time.Second
	type readFunc func(c *draftwire.Conn) ([]byte, error)
	with := func(ctx func(c *draftwire.Conn) (context.Context, context.CancelFunc)) readFunc {
		return func(c *draftwire.Conn) ([]byte, error) {
			ctx, cancel := ctx(c)
			defer cancel()
			_, p, err := c.Read(ctx)
			return p, err
		}
	}
	for name, read := range map[string]readFunc{
		"none": with(func(*draftwire.Conn) (context.Context, context.CancelFunc) { return bg, func() {} }),
		"own":  with(func(c *draftwire.Conn) (context.Context, context.CancelFunc) { return c.Context(), func() {} }),
		"per call": with(func(c *draftwire.Conn) (context.Context, context.CancelFunc) {
			return context.WithTimeout(bg, time.Hour)
		}),
		"reader": func(c *draftwire.Conn) ([]byte, error) { return readers["Reader, odd"](bg, c) },
	} {
		t.Run(name, func(t *testing.T) {
			forEach(t, func(t *testing.T, v draftwire.Version) {
				p := handClient(t, v, 64<<10, draftwire.Limits{IdleTimeout: idle}, nil)
				var last time.Time
				go func() {
					m := p.text("some message")
					for i := range 200 {
						wait := idle - 1
						if i%3 > 0 {
							wait /= 7
						}
						time.Sleep(wait)
						last = time.Now()
						if i%5 == 0 { // a part of one is enough
							send(t, p, m[:6])
							time.Sleep(idle - 1)
							last = time.Now()
							send(t, p, m[6:])
							continue
						}
						send(t, p, m)
					}
				}()
				for i := range 200 {
					if got, err := read(p.server); err != nil || string(got) != "some message" {
						t.Fatalf("message %d: %q, %v", i, got, err)
					}
				}
				_, err := read(p.server)
				if d := time.Since(last); err == nil || d != idle {
					t.Errorf("%v, %v after the last message", err, d)
				}
			})
		})
	}
}

// A context with a value, derived from the connection's own: to watch it asks
// the connection for its context in full.
func TestDerivedContextWithValue(t *testing.T) {
	client, server := pair(t, draftwire.RFC6455, draftwire.AcceptOptions{}, draftwire.DialOptions{})
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
