package conn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// loopPair opens a connection of which both ends are Conns; the handler is serve.
func loopPair(t *testing.T, way string, v draftwire.Version, compression draftwire.Compression, serve func(ctx context.Context, c *draftwire.Conn) error) *draftwire.Conn {
	t.Helper()
	opt := wstest.Options()
	opt.Compression = compression
	s := &draftwire.Server{Options: opt, WebSocket: serve}
	over := wstest.TightTCP
	if way == "memory" {
		over = wstest.Memory
	}
	dial := wstest.ServeOver(t, s, over)
	c, _, err := draftwire.Dial(bg, "ws://example.com/", &draftwire.DialOptions{Version: v, Compression: compression,
		NetDial: func(context.Context, string, string) (net.Conn, error) { return dial(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// Both sides loop, ping each other meanwhile, and close at last from within fn.
func TestLoopBothSides(t *testing.T) {
	eachLoop(t, []string{"socket", "memory"}, func(t *testing.T, v draftwire.Version, way string) {
		for _, compression := range wstest.Compressions(v) {
			ctx, cancel := context.WithTimeout(bg, wstest.Patience)
			ended := make(chan error, 1)
			var wg sync.WaitGroup
			pings := func(c *draftwire.Conn) {
				if v.Supports(wire.CapPing) {
					wg.Go(func() {
						for range 20 {
							if err := c.Ping(ctx); err != nil {
								t.Errorf("ping: %v", err)
							}
						}
					})
				}
			}
			client := loopPair(t, way, v, compression, func(ctx context.Context, c *draftwire.Conn) error {
				pings(c)
				err := c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error { return c.Write(ctx, op, p) })
				ended <- err
				return err
			})
			text := func(i int) string { return fmt.Sprint(i, "/", wstest.Words(i*211%3000)) }
			const n = 300
			wg.Go(func() {
				for i := range n {
					wstest.Write(t, client, text(i))
				}
			})
			pings(client)
			pinged := make(chan bool)
			next := 0
			err := client.ReadLoop(ctx, func(_ draftwire.Op, p []byte) error {
				if string(p) != text(next) {
					return fmt.Errorf("message %d is %.30q", next, p)
				}
				if next++; next < n {
					return nil
				}
				go func() {
					wg.Wait()
					close(pinged)
					client.Close(4001, "bye")
				}()
				return nil
			})
			<-pinged
			if !errors.Is(err, draftwire.ErrClosed) {
				t.Errorf("the client's loop ended with %v after %d", err, next)
			}
			if err := wstest.Soon(t, "the server's end", ended); draftwire.CloseStatus(err) != wstest.Heard(v, 4001, "").Code {
				t.Errorf("the server's loop ended with %v", err)
			}
			cancel()
		}
	})
}

// A client closes from within fn, and is not held up, not even where the version has
// no closing handshake.
func TestLoopClientCloses(t *testing.T) {
	eachLoop(t, []string{"socket", "memory"}, func(t *testing.T, v draftwire.Version, way string) {
		c := loopPair(t, way, v, draftwire.Compression{}, wstest.Echo)
		go func() {
			for range wstest.BusyMessages {
				c.Write(bg, draftwire.OpText, []byte("a"))
			}
		}()
		n := 0
		began := time.Now()
		var took time.Duration
		err := c.ReadLoop(bg, func(op draftwire.Op, p []byte) error {
			if n++; n == wstest.BusyMessages {
				return c.Write(bg, op, p)
			} else if n > wstest.BusyMessages {
				began = time.Now()
				c.Close(4001, "")
				took = time.Since(began)
			}
			return nil
		})
		if all := time.Since(began); !errors.Is(err, draftwire.ErrClosed) || took >= draftwire.DefaultCloseTimeout || all >= draftwire.DefaultCloseTimeout {
			t.Errorf("%v, Close took %v, all %v", err, took, all)
		}
	})
}

// Many goroutines write in all ways to a connection whose fn answers.
func TestLoopWriters(t *testing.T) {
	const writers, each, answers = 8, 40, 200
	text := func(i, j int) string { return fmt.Sprintf("%d/%d/%s", i, j, wstest.Words((i*31+j*457)%12_000)) }
	eachLoop(t, []string{"socket", "memory"}, func(t *testing.T, v draftwire.Version, way string) {
		client := loopPair(t, way, v, draftwire.Compression{}, func(ctx context.Context, c *draftwire.Conn) error {
			var once sync.Once
			return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error {
				once.Do(func() {
					for i := range writers {
						go func() {
							for j := range each {
								if err := writeAnyhow(c, i+j, text(i, j)); err != nil {
									t.Errorf("writer %d, message %d: %v", i, j, err)
								}
							}
						}()
					}
				})
				return c.Write(ctx, op, p)
			})
		})
		go func() {
			for j := range answers {
				wstest.Write(t, client, text(writers, j))
			}
		}()
		next := make([]int, writers+1)
		ctx, cancel := context.WithTimeout(bg, wstest.Patience)
		defer cancel()
		for n := range writers*each + answers {
			_, p, err := client.Read(ctx)
			i := -1
			fmt.Sscanf(string(p), "%d/", &i)
			if err != nil || i < 0 || i > writers || string(p) != text(i, next[i]) {
				t.Fatalf("message %d is %.40q, %v", n, p, err)
			}
			next[i]++
		}
	})
}

// writeAnyhow writes in one of several ways.
func writeAnyhow(c *draftwire.Conn, way int, m string) error {
	switch way % 4 {
	case 0:
		return c.WritePrepared(bg, draftwire.NewPreparedMessage(draftwire.OpText, []byte(m)))
	case 1:
		c.Cork()
		if err := c.Write(bg, draftwire.OpText, []byte(m)); err != nil {
			return err
		}
		return c.Flush(bg)
	case 2:
		w, err := c.Writer(bg, draftwire.OpText)
		if err != nil {
			return err
		}
		io.WriteString(w, m[:len(m)/2])
		io.WriteString(w, m[len(m)/2:])
		return w.Close()
	}
	return c.Write(bg, draftwire.OpText, []byte(m))
}
