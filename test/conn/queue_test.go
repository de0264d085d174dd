package conn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// Fifty goroutines write in all ways to a peer that reads slowly.
func TestManyWritersSlowPeer(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		writers, each := 12, 60
		if v == draftwire.RFC6455 {
			writers, each = 50, 200
		}
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		go server.Read(bg) // pongs
		text := func(i, j int) string { return fmt.Sprintf("%d/%d/%s", i, j, strings.Repeat("x", (i*31+j*17)%400)) }
		for i := range writers {
			go func() {
				for j := range each {
					m := text(i, j)
					var err error
					switch (i + j) % 8 {
					case 0:
						err = server.WritePrepared(bg, draftwire.NewPreparedMessage(draftwire.OpText, []byte(m)))
					case 1, 2:
						var w io.WriteCloser
						if w, err = server.Writer(bg, draftwire.OpText); err == nil {
							io.WriteString(w, m[:len(m)/2])
							io.WriteString(w, m[len(m)/2:])
							err = w.Close()
						}
					case 3:
						if i == 3 && v.Supports(wire.CapPing) {
							if err := server.Ping(bg); err != nil {
								t.Errorf("ping: %v", err)
							}
						}
						fallthrough
					default:
						err = server.Write(bg, draftwire.OpText, []byte(m))
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
		next := make([]int, writers) // of each its messages come in order
		for n := range writers * each {
			if n%100 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
			_, p, err := client.Read(bg)
			if err != nil {
				t.Fatal(err)
			}
			var i int
			fmt.Sscanf(string(p), "%d/", &i)
			if i >= writers || string(p) != text(i, next[i]) {
				t.Fatalf("message %d is %.40q", n, p)
			}
			next[i]++
		}
	})
}

// A peer that does not read: writers wait, what is queued is bounded, and the
// write timeout ends it.
func TestQueueIsBounded(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := wstest.NewPeer(t, v, 1000, draftwire.Limits{}, nil)
		text := strings.Repeat("x", 1000)
		const n = 200
		began := time.Now()
		errs := make(chan error, n)
		for range n {
			go func() { errs <- p.Server.Write(bg, draftwire.OpText, []byte(text)) }()
		}
		synctest.Wait()
		wstest.Want(t, p, p.Echo(text))
		synctest.Wait()
		if w := p.Writes(); len(w) != 2 || w[1] > 34<<10 {
			t.Errorf("writes of %d bytes", w)
		}
		failed := 0
		for range n {
			if err := <-errs; err != nil {
				failed++
			}
		}
		if d := time.Since(began); failed < n-1 || d > draftwire.DefaultWriteTimeout {
			t.Errorf("%d of %d failed, after %v", failed, n, d)
		}
		<-p.Server.Context().Done()
		if err := context.Cause(p.Server.Context()); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the end is %v", err)
		}
	})
}

// A context that ends before anything of its message is queued harms nobody.
func TestContextEndsWaiting(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := wstest.NewPeer(t, v, 1000, draftwire.Limits{}, nil)
		c := p.Server
		short := func(what string, f func(context.Context) error) {
			t.Helper()
			ctx, cancel := context.WithTimeout(bg, time.Second)
			defer cancel()
			began := time.Now()
			if err := f(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("%s: %v after %v", what, err, time.Since(began))
			}
		}
		calls := func(what string) {
			t.Helper()
			short(what+", Write", func(ctx context.Context) error { return c.Write(ctx, draftwire.OpText, []byte("never")) })
			short(what+", a long Write", func(ctx context.Context) error { return c.Write(ctx, draftwire.OpText, make([]byte, 100_000)) })
			short(what+", Writer", func(ctx context.Context) error { _, err := c.Writer(ctx, draftwire.OpText); return err })
			short(what+", WritePrepared", func(ctx context.Context) error {
				return c.WritePrepared(ctx, draftwire.NewPreparedMessage(draftwire.OpText, nil))
			})
		}
		// For room.
		text := strings.Repeat("x", 2000)
		const n = 30
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() { wstest.Write(t, c, text) })
		}
		synctest.Wait()
		calls("no room")
		for range n {
			wstest.Want(t, p, p.Echo(text))
		}
		wg.Wait()
		wstest.Write(t, c, "next")
		wstest.Want(t, p, p.Echo("next"))
		// For the turn.
		w, err := c.Writer(bg, draftwire.OpText)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "half")
		calls("not its turn")
		go io.Copy(io.Discard, p)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		wstest.Write(t, c, "last")
		// A context that has ended already.
		ctx, cancel := context.WithCancel(bg)
		cancel()
		if err := c.Write(ctx, draftwire.OpText, nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		wstest.Write(t, c, "still open")
	})
}

// A context that ends inside a write ends the connection, and says so.
func TestContextEndsWriting(t *testing.T) {
	for name, f := range map[string]func(ctx context.Context, c *draftwire.Conn) error{
		"short": func(ctx context.Context, c *draftwire.Conn) error {
			return c.Write(ctx, draftwire.OpText, make([]byte, 5000))
		},
		"long": func(ctx context.Context, c *draftwire.Conn) error {
			return c.Write(ctx, draftwire.OpText, make([]byte, 50_000))
		},
		"writer": func(ctx context.Context, c *draftwire.Conn) error {
			w, err := c.Writer(ctx, draftwire.OpText)
			if err == nil {
				w.Write([]byte("begin"))
				_, err = w.Write(make([]byte, 5000))
			}
			return err
		},
		"flush": func(ctx context.Context, c *draftwire.Conn) error {
			c.Cork()
			c.Write(bg, draftwire.OpText, make([]byte, 5000))
			return c.Flush(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
				p := wstest.NewPeer(t, v, 1000, draftwire.Limits{}, nil)
				ctx, cancel := context.WithTimeout(bg, time.Second)
				defer cancel()
				began := time.Now()
				if err := f(ctx, p.Server); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
				<-p.Server.Context().Done()
				if err := context.Cause(p.Server.Context()); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the end is %v", err)
				}
				if err := p.Server.Write(bg, draftwire.OpText, nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a write behind it: %v", err)
				}
			})
		})
	}
}
