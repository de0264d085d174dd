package conn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// ReadBorrowed gives what Read gives, in every size, on both sides.
func TestBorrowedIsTheMessage(t *testing.T) {
	sizes := []int{0, 1, 125, 126, 511, 512, 2047, 2048, 4096, 65536, 200 << 10}
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		for _, compression := range wstest.Compressions(v) {
			client, server := wstest.Pair(t, v, draftwire.AcceptOptions{Compression: compression}, draftwire.DialOptions{Compression: compression})
			for _, ends := range [][2]*draftwire.Conn{{client, server}, {server, client}} {
				from, to := ends[0], ends[1]
				go func() {
					for _, n := range sizes {
						wstest.Write(t, from, wstest.Words(n))
						wstest.Write(t, from, wstest.Words(n))
						wstest.WriteFragments(t, from, wstest.Words(n), 5)
					}
				}()
				for i, n := range sizes {
					for j := range 3 {
						read := to.ReadBorrowed
						if (i+j)%4 == 0 {
							read = to.Read
						}
						op, p, err := read(bg)
						if err != nil || op != draftwire.OpText || string(p) != wstest.Words(n) {
							t.Fatalf("%d bytes, way %d: %v, %d bytes, %v", n, j, op, len(p), err)
						}
					}
				}
			}
			client.CloseNow()
		}
	})
}

// Two messages that came together are lent from one buffer; what is done to the
// first, which is the borrower's, does not reach the second.
func TestBorrowedSideBySide(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := wstest.NewPeer(t, v, 1<<20, draftwire.Limits{}, nil)
		wstest.Send(t, p, wstest.Texts(p.Text, "first", "second", "third"))
		for _, m := range []string{"first", "second", "third"} {
			op, b, err := p.Server.ReadBorrowed(bg)
			if err != nil || op != draftwire.OpText || string(b) != m {
				t.Fatalf("%q, %v", b, err)
			}
			wstest.Write(t, p.Server, "an answer") // what the writing half does is no matter
			time.Sleep(time.Second)
			if string(b) != m {
				t.Errorf("%q became %q", m, b)
			}
			clear(b)
			_ = append(b, "something behind it"...)
		}
	})
}

// The borrower keeps its bytes though another goroutine closes, which reads on.
func TestBorrowedDuringClose(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		for _, compression := range wstest.Compressions(v) {
			for _, n := range []int{5, 300, 3000, 100_000} {
				client, server := wstest.Pair(t, v, draftwire.AcceptOptions{Compression: compression}, draftwire.DialOptions{Compression: compression})
				m := wstest.Words(n)
				go func() {
					client.Cork()
					wstest.Write(t, client, m)
					wstest.Write(t, client, "behind it")
					if err := client.Flush(bg); err != nil {
						t.Error(err)
					}
					for client.Write(bg, draftwire.OpText, bytes.Repeat([]byte("-"), 3000)) == nil && client.Context().Err() == nil {
						time.Sleep(time.Millisecond)
					}
				}()
				_, p, err := server.ReadBorrowed(bg)
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				wg.Go(func() { server.Close(draftwire.CodeNormal, "") })
				wg.Go(func() {
					time.Sleep(20 * time.Millisecond)
					client.Read(bg)
					client.CloseNow()
				})
				for range 100 {
					if string(p) != m {
						t.Fatalf("%d bytes changed", n)
					}
					time.Sleep(time.Millisecond)
				}
				wg.Wait()
				if string(p) != m {
					t.Errorf("%d bytes changed", n)
				}
				if _, _, err := server.ReadBorrowed(bg); !errors.Is(err, draftwire.ErrClosed) {
					t.Errorf("then: %v", err)
				}
			}
		}
	})
}

// A borrowed message goes out to the same connection and to another one.
func TestBorrowedIsWritten(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		for _, compression := range wstest.Compressions(v) {
			so, do := draftwire.AcceptOptions{Compression: compression}, draftwire.DialOptions{Compression: compression}
			c1, s1 := wstest.Pair(t, v, so, do)
			c2, s2 := wstest.Pair(t, v, so, do)
			// The message goes round: c1 to s1, back to c1, on to c2 (by its server),
			// back to s2.
			for _, n := range []int{0, 5, 1000, 8 << 10, 20 << 10, 150 << 10} {
				m := wstest.Words(n)
				hop := func(from *draftwire.Conn, to ...*draftwire.Conn) {
					_, p, err := from.ReadBorrowed(bg)
					if err != nil {
						t.Error(err)
					}
					for _, c := range to {
						if err := c.Write(bg, draftwire.OpText, p); err != nil {
							t.Error(err)
						}
					}
					if string(p) != m {
						t.Errorf("%d bytes changed under Write", n)
					}
				}
				go wstest.Write(t, c1, m)
				var wg sync.WaitGroup
				wg.Go(func() {
					hop(s1, s1, s2)
					hop(s1)
				})
				wg.Go(func() { hop(c1, c1) })
				wg.Go(func() { hop(c2, c2) })
				wstest.Read(t, s2, m)
				wg.Wait()
			}
		}
	})
}

// Every way of reading, in any order, with contexts that end anywhere: each
// message comes once and whole.
func TestReadsInAnyOrder(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		for _, compression := range wstest.Compressions(v) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rnd := rand.New(rand.NewPCG(seed, uint64(v)))
			client, server := wstest.Pair(t, v, draftwire.AcceptOptions{Compression: compression}, draftwire.DialOptions{Compression: compression})
			const n = 50
			texts := make([]string, n)
			for i := range texts {
				texts[i] = fmt.Sprint(i, "/") + wstest.Words([]int{rnd.IntN(20), rnd.IntN(1000), rnd.IntN(10_000), rnd.IntN(90_000)}[rnd.IntN(4)])
			}
			cseed := rnd.Uint64()
			var wg sync.WaitGroup
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(cseed, 0))
				for _, m := range texts {
					if rnd.IntN(3) > 0 {
						wstest.Write(t, client, m)
						continue
					}
					w, err := client.Writer(bg, draftwire.OpText)
					if err != nil {
						t.Error(err)
						return
					}
					for len(m) > 0 {
						k := min(1+rnd.IntN(20_000), len(m))
						io.WriteString(w, m[:k])
						m = m[k:]
						time.Sleep(time.Duration(rnd.IntN(4)) * time.Millisecond)
					}
					w.Close()
				}
			})
			for i := 0; i < n; {
				ctx, cancel := context.WithCancel(bg)
				if rnd.IntN(2) == 0 {
					ctx, cancel = context.WithTimeout(bg, time.Duration(rnd.IntN(3000))*time.Microsecond)
				}
				var p []byte
				var err error
				switch rnd.IntN(4) {
				case 0:
					_, p, err = server.Read(ctx)
				case 1, 2:
					_, p, err = server.ReadBorrowed(ctx)
				case 3:
					var r io.Reader
					if _, r, err = server.Reader(ctx); err != nil {
						break
					}
					b := make([]byte, []int{1 + rnd.IntN(100), 1 + rnd.IntN(5000), 50_000}[rnd.IntN(3)])
					leave := rnd.IntN(4) == 0
					for err == nil && !(leave && len(p) > 0) {
						var k int
						k, err = r.Read(b)
						p = append(p, b[:k]...)
					}
					if err == io.EOF {
						err = nil
					} else if strings.HasPrefix(texts[i], string(p)) { // the rest is dropped
						p, err = []byte(texts[i]), nil
					}
				}
				if err != nil && !errors.Is(err, ctx.Err()) || err != nil && ctx.Err() == nil {
					t.Fatalf("message %d: %v", i, err)
				}
				if err == nil {
					if string(p) != texts[i] {
						t.Fatalf("message %d is %.20q, %d bytes, want %.20q, %d bytes", i, p, len(p), texts[i], len(texts[i]))
					}
					i++
				}
				cancel()
			}
			go server.Read(bg) // the last one may not have come to its end
			wg.Wait()
			if m := client.Stats(); m.MessagesOut != n {
				t.Errorf("stats: %+v", m)
			}
			client.CloseNow()
		}
	})
}

// What Read returned is the caller's for ever, also where a ReadBorrowed that
// was cancelled began it.
func TestReadIsKept(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		var kept [][]byte
		var wants []string
		for i := range 20 {
			m := fmt.Sprint(i, "/", wstest.Words(700*i))
			wants = append(wants, m)
			w, err := client.Writer(bg, draftwire.OpText)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(w, m[:len(m)/2])
			ctx, cancel := context.WithTimeout(bg, time.Millisecond)
			if _, _, err := server.ReadBorrowed(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			cancel()
			io.WriteString(w, m[len(m)/2:])
			go w.Close()
			_, p, err := server.Read(bg)
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, p)
		}
		if !slices.EqualFunc(kept, wants, func(p []byte, s string) bool { return string(p) == s }) {
			t.Error("a message changed after Read")
		}
	})
}

// What a borrower appends does not reach the next message.
func TestBorrowedIsAppendedTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, client, c := wstest.NewPeer(t, draftwire.RFC6455, 1<<20, draftwire.Limits{}, nil).Split()
		wstest.Send(t, nc, append(client.Text("first"), client.Text("second")...))
		_, p, _ := c.ReadBorrowed(bg)
		_ = append(p, '!')
		wstest.Read(t, c, "second")
	})
}
