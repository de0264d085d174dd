package conn_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// Both sides read in one goroutine and write in another.
func TestBothSidesSend(t *testing.T) {
	for _, size := range []int{100, 2000, 20000} {
		synctest.Test(t, func(t *testing.T) {
			client, server := wstest.Pair(t, draftwire.RFC6455, draftwire.AcceptOptions{}, draftwire.DialOptions{})
			msg := bytes.Repeat([]byte("x"), size)
			n := (2 << 20 / size) &^ 3
			var wg sync.WaitGroup
			for _, c := range []*draftwire.Conn{client, server} {
				for range 4 {
					wg.Go(func() {
						for i := range n / 4 {
							if err := c.Write(bg, draftwire.OpText, msg); err != nil {
								t.Errorf("size %d write %d: %v", size, i, err)
								return
							}
						}
					})
				}
				wg.Go(func() {
					for i := range n {
						if _, _, err := c.Read(bg); err != nil {
							t.Errorf("size %d read %d: %v", size, i, err)
							return
						}
					}
				})
			}
			began := time.Now()
			wg.Wait()
			if d := time.Since(began); d > time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// A peer that does not take the answers does not hold up the reader's context.
func TestReadIsNotHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, client, c := wstest.NewPeer(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).Split()
		go nc.Write(append(client.Text("a"), client.Text("b")...))
		synctest.Wait()
		c.Read(bg)
		c.Write(bg, draftwire.OpText, bytes.Repeat([]byte("x"), 5000)) // held
		c.Read(bg)
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		began := time.Now()
		_, _, err := c.Read(ctx)
		if d := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || d != time.Second {
			t.Errorf("read: %v after %v", err, d)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		nc, client, c := wstest.NewPeer(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).Split()
		go nc.Write(append(append(client.Text("a"), client.Text("b")...), client.Text("ccccc")[:3]...))
		synctest.Wait()
		c.Read(bg)
		c.Read(bg)
		c.Write(bg, draftwire.OpText, bytes.Repeat([]byte("x"), 5000)) // held
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		began := time.Now()
		_, _, err := c.Read(ctx)
		if d := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || d != time.Second {
			t.Errorf("read 2: %v after %v", err, d)
		}
	})
}

// A peer that takes nothing and sends pings, two at a time so that their pongs are
// held, makes no goroutine for each: one write is under way, whatever is due
// behind it.
func TestHoldsBehindStuckWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, client, c := wstest.NewPeer(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).Split()
		go c.Write(bg, draftwire.OpText, make([]byte, 5000)) // hangs
		go c.Read(bg)
		synctest.Wait()
		before := runtime.NumGoroutine()
		for range 500 {
			wstest.Send(t, nc, append(client.Ping(), client.Ping()...))
			time.Sleep(5 * time.Millisecond)
		}
		if n := runtime.NumGoroutine() - before; n > 3 {
			t.Errorf("%d goroutines more", n)
		}
		c.CloseNow()
	})
}
