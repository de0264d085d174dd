package conn_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// keptWays are the ways to read messages that the caller keeps: take is called with each, until
// it says that it has all.
var keptWays = map[string]func(ctx context.Context, c *draftwire.Conn, take func(p []byte) (more bool)) error{
	"Messages": func(ctx context.Context, c *draftwire.Conn, take func(p []byte) bool) error {
		for m, err := range c.Messages(ctx) {
			if err != nil || !take(m.Data) {
				return err
			}
		}
		return nil
	},
	"Read": func(ctx context.Context, c *draftwire.Conn, take func(p []byte) bool) error {
		for {
			if _, p, err := c.Read(ctx); err != nil || !take(p) {
				return err
			}
		}
	},
	// Messages, of which the body reads some in other ways, and leaves them now and then.
	"mixed": func(ctx context.Context, c *draftwire.Conn, take func(p []byte) bool) error {
		for n := 0; ; {
			for m, err := range c.Messages(ctx) {
				if err != nil || !take(m.Data) {
					return err
				}
				if n++; n%3 == 0 {
					if _, p, err := c.Read(ctx); err != nil || !take(p) {
						return err
					}
				}
				if n%4 == 0 {
					if _, p, err := c.ReadBorrowed(ctx); err != nil || !take(bytes.Clone(p)) {
						return err
					}
				}
				if n%10 == 0 {
					break
				}
			}
		}
	},
}

// Messages that the program keeps never change, whatever their sizes and the pieces they come
// in, and whatever comes behind them; and what the program does to one, and behind it, which
// are its own, does not reach another.
func TestKeptMessages(t *testing.T) {
	for name, read := range keptWays {
		eachLoop(t, []string{"TCP", "quiet", "busy", "memory", "TLS"}, func(t *testing.T, v draftwire.Version, way string) {
			seed := rand.Uint64()
			t.Logf("%s, seed %d", name, seed)
			rnd := rand.New(rand.NewPCG(seed, uint64(v)))
			var texts []string
			for range 6 { // bursts of one kind, of several, and of one size
				most := []int{1, 50, 300, 2000, 6000, 40_000, 150_000}[rnd.IntN(7)]
				same := rnd.IntN(2) == 0
				size := rnd.IntN(most)
				for range 1 + rnd.IntN([]int{2, 10, 60}[rnd.IntN(3)])*(1+150_000/(most+2000))/75 {
					if !same {
						size = rnd.IntN(most)
					}
					texts = append(texts, fmt.Sprint(len(texts), "/")+wstest.Words(size))
				}
			}
			kept := make(chan [][]byte, 1)
			p := serveLoop(t, way, v, draftwire.Limits{}, func(ctx context.Context, c *draftwire.Conn) error {
				var all [][]byte
				err := read(ctx, c, func(p []byte) bool {
					if string(p) == "warm" {
						if err := c.Write(ctx, draftwire.OpText, p); err != nil {
							t.Error(err)
						}
						return true
					}
					all = append(all, p)
					if len(all)%7 == 0 {
						if err := c.Write(ctx, draftwire.OpText, p); err != nil {
							t.Error(err)
						}
					}
					return len(all) < len(texts)
				})
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				kept <- all
				return c.ReadLoop(ctx, func(draftwire.Op, []byte) error { return nil })
			})
			var back []byte
			for i, m := range texts {
				if i%7 == 6 {
					back = append(back, p.Echo(m)...)
				}
			}
			go func() {
				in := wstest.Texts(p.Text, texts...)
				for err := error(nil); err == nil && len(in) > 0; {
					n := min(len(in), 1+rnd.IntN([]int{20, 3000, 20_000, 150_000}[rnd.IntN(4)]))
					_, err = p.Write(in[:n])
					in = in[n:]
				}
			}()
			oddly(t, p, back)
			all := wstest.Soon(t, "the messages", kept)
			p.warmUnanswered(t)
			for i := range all {
				if string(all[i]) != texts[i] {
					t.Fatalf("%s: message %d of %d, %d bytes, has changed", name, i, len(all), len(texts[i]))
				}
				for j := range all[i] {
					all[i][j] = 0xFF
				}
				_ = append(all[i], bytes.Repeat([]byte{0xFF}, 100)...)
			}
		})
	}
}

// warmUnanswered sends what would be written over memory that the connection has given away.
func (p *looped) warmUnanswered(t *testing.T) {
	t.Helper()
	for range 3 {
		wstest.Send(t, p, wstest.Texts(p.Text, append(wstest.Numbers(50), wstest.Words(16<<10), wstest.Words(100_000))...))
	}
}
