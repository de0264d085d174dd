package draftwire_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// readers are the ways to read a message.
var readers = map[string]func(ctx context.Context, c *draftwire.Conn) ([]byte, error){
	"Read": func(ctx context.Context, c *draftwire.Conn) ([]byte, error) {
		_, p, err := c.Read(ctx)
		return p, err
	},
	"ReadBorrowed": func(ctx context.Context, c *draftwire.Conn) ([]byte, error) {
		_, p, err := c.ReadBorrowed(ctx)
		return p, err
	},
	"Reader, small": readerOf(100),
	"Reader, odd":   readerOf(2049),
	"Reader, large": readerOf(100_000),
	"Reader, ReadAll": func(ctx context.Context, c *draftwire.Conn) ([]byte, error) {
		_, r, err := c.Reader(ctx)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	},
}

func readerOf(size int) func(ctx context.Context, c *draftwire.Conn) ([]byte, error) {
	return func(ctx context.Context, c *draftwire.Conn) ([]byte, error) {
		_, r, err := c.Reader(ctx)
		if err != nil {
			return nil, err
		}
		var all []byte
		for b := make([]byte, size); ; {
			n, err := r.Read(b)
			if all = append(all, b[:n]...); err == io.EOF {
				return all, nil
			} else if err != nil {
				return all, err
			}
		}
	}
}

// A long message from a peer that sends it in odd pieces.
func TestLongMessages(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		for name, read := range readers {
			m := words(100_000)
			if v == draftwire.RFC6455 && name != "Reader, small" && name != "Reader, odd" {
				m = words(3 << 20)
			}
			rnd := rand.New(rand.NewPCG(1, 2))
			p := handClient(t, v, 64<<10, draftwire.Limits{ReadLimit: 4 << 20}, nil)
			var wg sync.WaitGroup
			wg.Go(func() {
				out := texts(p.text, "before", m, "behind")
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
				if got, err := read(bg, p.server); err != nil || string(got) != want {
					t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, len(want))
				}
			}
			if s := p.server.Stats(); s.MessagesIn != 3 || s.BytesIn != uint64(12+len(m)) {
				t.Errorf("%s: stats: %+v", name, s)
			}
			wg.Wait()
			p.server.CloseNow()
		}
	})
}

// Fragments of all sizes, with pings in between.
func TestLongFragments(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		client.CloseRead(bg) // pongs
		var all string
		pieces := []int{1, 50_000, 0, 3, 2048, 100_000, 4095, 0}
		for _, n := range pieces {
			all += words(n)
		}
		go func() {
			for range len(readers) {
				w, err := client.Writer(bg, draftwire.OpText)
				if err != nil {
					t.Error(err)
					return
				}
				for _, n := range pieces {
					io.WriteString(w, words(n))
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
		for name, read := range readers {
			if got, err := read(bg, server); err != nil || string(got) != all {
				t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, len(all))
			}
		}
	})
}

// A message that stops in the middle goes on with the next call's context.
func TestLongMessageCancelled(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		m := words(100_000)
		for _, name := range []string{"Read", "ReadBorrowed"} {
			p := handClient(t, v, 1<<20, draftwire.Limits{}, nil)
			out := p.text(m)
			for len(out) > 0 {
				n := min(30_001, len(out))
				send(t, p, out[:n])
				if out = out[n:]; len(out) == 0 {
					break
				}
				ctx, cancel := context.WithTimeout(bg, time.Second)
				if got, err := readers[name](ctx, p.server); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("%s: %d bytes, %v", name, len(got), err)
				}
				cancel()
			}
			if got, err := readers[name](bg, p.server); err != nil || string(got) != m {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
	})
}

// A peer gets no memory for saying that much will come.
func TestAnnouncedMemory(t *testing.T) {
	for name, read := range map[string]func(ctx context.Context, c *draftwire.Conn) ([]byte, error){
		"Read": readers["Read"], "ReadBorrowed": readers["ReadBorrowed"], "Reader": readers["Reader, odd"],
	} {
		for _, sent := range []int{0, 100, 3000} {
			bubble(t, func(t *testing.T) {
				const n = 100
				var clients []byHand
				for range n {
					clients = append(clients, handClient(t, draftwire.RFC6455, 64<<10, draftwire.Limits{}, func(ctx context.Context, c *draftwire.Conn) error {
						_, err := read(ctx, c)
						return err
					}))
				}
				synctest.Wait()
				begin := append([]byte{0x82, 0xFF, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2, 3, 4}, make([]byte, sent)...) // 1 MiB
				before := heap()
				for _, c := range clients {
					send(t, c, begin)
				}
				synctest.Wait()
				if after := heap(); after > before && (after-before)/n > 64<<10 {
					t.Errorf("%s: a message of which %d bytes came costs %d", name, sent, (after-before)/n)
				}
				runtime.KeepAlive(clients)
			})
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestLongLimits(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		const limit = 40_000
		for name, read := range readers {
			for _, n := range []int{1, 4} {
				client, server := pair(t, v, draftwire.AcceptOptions{Limits: draftwire.Limits{ReadLimit: limit}}, draftwire.DialOptions{})
				go func() {
					writePieces(t, client, strings.Repeat("x", limit), n)
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
