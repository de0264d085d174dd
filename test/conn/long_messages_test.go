package conn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// A long message from a peer that sends it in odd pieces.
func TestLongMessages(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		for name, read := range wstest.Readers {
			m := wstest.Words(100_000)
			if v == draftwire.RFC6455 && name != "Reader, small" && name != "Reader, odd" {
				m = wstest.Words(3 << 20)
			}
			rnd := rand.New(rand.NewPCG(1, 2))
			p := wstest.NewPeer(t, v, 64<<10, draftwire.Limits{ReadLimit: 4 << 20}, nil)
			var wg sync.WaitGroup
			wg.Go(func() {
				out := wstest.Texts(p.Text, "before", m, "behind")
				for len(out) > 0 {
					n := min(1+rnd.IntN([]int{10, 1000, 200_000}[rnd.IntN(3)]), len(out))
					if _, err := p.Write(out[:n]); err != nil {
						t.Error(err)
						return
					}
					out = out[n:]
					if rnd.IntN(4) == 0 {
						time.Sleep(time.Millisecond)
					}
				}
			})
			for _, want := range []string{"before", m, "behind"} {
				if got, err := read(bg, p.Server); err != nil || string(got) != want {
					t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, len(want))
				}
			}
			if s := p.Server.Stats(); s.MessagesIn != 3 || s.BytesIn != uint64(12+len(m)) {
				t.Errorf("%s: stats: %+v", name, s)
			}
			wg.Wait()
			p.Server.CloseNow()
		}
	})
}

// Fragments of all sizes, with pings in between.
func TestLongFragments(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		client.CloseRead(bg) // pongs
		var all string
		pieces := []int{1, 50_000, 0, 3, 2048, 100_000, 4095, 0}
		for _, n := range pieces {
			all += wstest.Words(n)
		}
		go func() {
			for range len(wstest.Readers) {
				w, err := client.Writer(bg, draftwire.OpText)
				if err != nil {
					t.Error(err)
					return
				}
				for _, n := range pieces {
					io.WriteString(w, wstest.Words(n))
					if v.Supports(wire.CapPing) {
						if err := client.Ping(bg); err != nil {
							t.Errorf("ping: %v", err)
						}
					}
				}
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			}
		}()
		for name, read := range wstest.Readers {
			if got, err := read(bg, server); err != nil || string(got) != all {
				t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, len(all))
			}
		}
	})
}

// A message that stops in the middle goes on with the next call's context.
func TestLongMessageCancelled(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		m := wstest.Words(100_000)
		for _, name := range []string{"Read", "ReadBorrowed"} {
			p := wstest.NewPeer(t, v, 1<<20, draftwire.Limits{}, nil)
			out := p.Text(m)
			for len(out) > 0 {
				n := min(30_001, len(out))
				wstest.Send(t, p, out[:n])
				if out = out[n:]; len(out) == 0 {
					break
				}
				ctx, cancel := context.WithTimeout(bg, time.Second)
				if got, err := wstest.Readers[name](ctx, p.Server); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("%s: %d bytes, %v", name, len(got), err)
				}
				cancel()
			}
			if got, err := wstest.Readers[name](bg, p.Server); err != nil || string(got) != m {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
	})
}

func TestLongLimits(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		const limit = 40_000
		for name, read := range wstest.Readers {
			for _, n := range []int{1, 4} {
				client, server := wstest.Pair(t, v, draftwire.AcceptOptions{Limits: draftwire.Limits{ReadLimit: limit}}, draftwire.DialOptions{})
				go func() {
					wstest.WriteFragments(t, client, strings.Repeat("x", limit), n)
					w, err := client.Writer(bg, draftwire.OpText)
					for i := 0; err == nil && i < n; i++ {
						_, err = w.Write(bytes.Repeat([]byte("y"), (i+1)*(limit+1)/n-i*(limit+1)/n))
					}
					if err == nil {
						w.Close()
					}
				}()
				what := fmt.Sprint(name, " in ", n)
				if got, err := read(bg, server); err != nil || len(got) != limit {
					t.Errorf("%s: at the limit: %d bytes, %v", what, len(got), err)
				}
				if got, err := read(bg, server); !errors.Is(err, draftwire.ErrTooBig) {
					t.Errorf("%s: above the limit: %d bytes, %v", what, len(got), err)
				}
				client.CloseNow()
			}
		}
	})
}

// A later piece of a hixie message has no head: nothing goes before its payload.
func TestLongPieces(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		go func() {
			wstest.WriteFragments(t, server, wstest.Words(30_000), 3)
			wstest.WriteFragments(t, server, wstest.Words(300_000), 7)
		}()
		wstest.Read(t, client, wstest.Words(30_000))
		wstest.Read(t, client, wstest.Words(300_000))
	})
}

// A long Write waits for another's write, and meanwhile a Writer begins.
func TestLongWriteBehindWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, client, c := wstest.NewPeer(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).Split()
		first, long := strings.Repeat("a", 3000), strings.Repeat("b", 10000)
		go c.Write(bg, draftwire.OpText, []byte(first))
		synctest.Wait()
		go wstest.Write(t, c, long)
		synctest.Wait()
		go func() {
			w, err := c.Writer(bg, draftwire.OpText)
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(w, "one")
			time.Sleep(time.Second)
			io.WriteString(w, "two")
			w.Close()
		}()
		synctest.Wait()
		wstest.Want(t, nc, client.Echo(first))
		go io.Copy(io.Discard, nc)
		time.Sleep(2 * time.Second)
	})
}
