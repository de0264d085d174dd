package conn_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

func TestIdleTimeout(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		_, server := wstest.Pair(t, v, draftwire.AcceptOptions{Limits: draftwire.Limits{IdleTimeout: 10 * time.Second}}, draftwire.DialOptions{})
		began := time.Now()
		_, _, err := server.Read(bg)
		if d := time.Since(began); err == nil || d != 10*time.Second {
			t.Errorf("read: %v after %v", err, d)
		}
	})
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
		"reader": func(c *draftwire.Conn) ([]byte, error) { return wstest.Readers["Reader, odd"](bg, c) },
	} {
		t.Run(name, func(t *testing.T) {
			wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
				p := wstest.NewPeer(t, v, 64<<10, draftwire.Limits{IdleTimeout: idle}, nil)
				var last time.Time
				go func() {
					m := p.Text("some message")
					for i := range 200 {
						wait := idle - 1
						if i%3 > 0 {
							wait /= 7
						}
						time.Sleep(wait)
						last = time.Now()
						if i%5 == 0 { // a part of one is enough
							wstest.Send(t, p, m[:6])
							time.Sleep(idle - 1)
							last = time.Now()
							wstest.Send(t, p, m[6:])
							continue
						}
						wstest.Send(t, p, m)
					}
				}()
				for i := range 200 {
					if got, err := read(p.Server); err != nil || string(got) != "some message" {
						t.Fatalf("message %d: %q, %v", i, got, err)
					}
				}
				_, err := read(p.Server)
				if d := time.Since(last); err == nil || d != idle {
					t.Errorf("%v, %v after the last message", err, d)
				}
			})
		})
	}
}

// A slow handler is not an idle peer.
func TestIdleTimeoutSlowHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := wstest.Pair(t, draftwire.RFC6455, draftwire.AcceptOptions{Limits: draftwire.Limits{IdleTimeout: 10 * time.Second}}, draftwire.DialOptions{})
		go func() {
			for range 20 {
				time.Sleep(5 * time.Second)
				if client.Write(bg, draftwire.OpText, []byte("a")) != nil {
					return
				}
			}
		}()
		for i := range 5 {
			if _, _, err := server.Read(bg); err != nil {
				t.Errorf("read %d: %v", i, err)
				break
			}
			time.Sleep(16 * time.Second) // a slow handler
		}
		client.CloseNow()
		time.Sleep(time.Minute)
	})
}

// Contexts that end between do not put the idle timeout off.
func TestIdleTimeoutShortContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server := wstest.Pair(t, draftwire.RFC6455, draftwire.AcceptOptions{Limits: draftwire.Limits{IdleTimeout: 10 * time.Second}}, draftwire.DialOptions{})
		began := time.Now()
		var err error
		for range 100 {
			ctx, cancel := context.WithTimeout(bg, 3*time.Second)
			_, _, err = server.Read(ctx)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				break
			}
		}
		if d := time.Since(began); d < 10*time.Second || d > 10*time.Second+time.Millisecond {
			t.Errorf("%v after %v", err, d)
		}
	})
}
