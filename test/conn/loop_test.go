package conn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// loopWays are the states that ReadLoop reads in: on a socket, where it is busy after
// some messages in a short time, and otherwise, where it never is. "Messages" is a busy socket
// that is read by Messages, which does what ReadLoop does there.
var loopWays = []string{"quiet", "busy", "Messages", "memory", "TLS"}

// loopBy is ReadLoop, or the same by Messages.
func loopBy(way string, ctx context.Context, c *draftwire.Conn, fn func(op draftwire.Op, p []byte) error) error {
	if way != "Messages" {
		return c.ReadLoop(ctx, fn)
	}
	for m, err := range c.Messages(ctx) {
		if err == nil {
			err = fn(m.Op, m.Data)
		}
		if err != nil {
			return err
		}
	}
	return context.Cause(c.Context()) // a clean close
}

// isBusy reports whether a connection of that way is made busy.
func isBusy(way string) bool { return way == "busy" || way == "Messages" }

// looped is a connection whose handler calls ReadLoop, and whose client is bytes.
type looped struct {
	net.Conn
	wstest.Client
	v      draftwire.Version
	server *draftwire.Conn
	s      *draftwire.Server
	ended  chan error // what the handler returned
	log    *bytes.Buffer
}

// warm makes the connection busy.
func (p *looped) warm(t *testing.T) {
	t.Helper()
	m := strings.Split(strings.Repeat(" warm", wstest.BusyMessages)[1:], " ")
	wstest.Send(t, p, wstest.Texts(p.Text, m...))
	wstest.Want(t, p, wstest.Texts(p.Echo, m...))
}

// end returns what the handler returned.
func (p *looped) end(t *testing.T) error {
	t.Helper()
	return wstest.Soon(t, "the loop's end", p.ended)
}

type loopFunc = func(c *draftwire.Conn, op draftwire.Op, p []byte) error

// serveLoop opens a connection whose handler is serve.
func serveLoop(t *testing.T, way string, v draftwire.Version, lim draftwire.Limits, serve func(ctx context.Context, c *draftwire.Conn) error) *looped {
	t.Helper()
	p := &looped{v: v, ended: make(chan error, 1), log: new(bytes.Buffer)}
	opt := wstest.Options()
	opt.Limits = lim
	got := make(chan *draftwire.Conn, 1)
	p.s = &draftwire.Server{Options: opt, ErrorLog: log.New(p.log, "", 0), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		got <- c
		err := serve(ctx, c)
		p.ended <- err
		return err
	}}
	over := wstest.Network(way)
	if way == "quiet" || isBusy(way) {
		over = wstest.TightTCP
	}
	p.Conn = wstest.ServeOver(t, p.s, over)()
	p.Client = wstest.Clients[v]().At("127.0.0.1", over == wstest.TLS)
	p.Shake(t, p)
	p.server = <-got
	if isBusy(way) {
		p.warm(t)
	}
	return p
}

// warmed is what is given to ReadLoop: fn, and answers for warm.
func warmed(c *draftwire.Conn, fn loopFunc) func(op draftwire.Op, p []byte) error {
	return func(op draftwire.Op, p []byte) error {
		if string(p) == "warm" {
			return c.Write(bg, op, p)
		}
		return fn(c, op, p)
	}
}

// loopWith opens a connection whose handler is ReadLoop with fn.
func loopWith(t *testing.T, way string, v draftwire.Version, lim draftwire.Limits, fn loopFunc) *looped {
	t.Helper()
	return serveLoop(t, way, v, lim, func(ctx context.Context, c *draftwire.Conn) error { return loopBy(way, ctx, c, warmed(c, fn)) })
}

func answer1(c *draftwire.Conn, op draftwire.Op, p []byte) error { return c.Write(bg, op, p) }

// eachLoop runs f for each version and state.
func eachLoop(t *testing.T, ways []string, f func(t *testing.T, v draftwire.Version, way string)) {
	for _, v := range draftwire.ServedVersions().List() {
		for _, way := range ways {
			t.Run(fmt.Sprint(v, "/", way), func(t *testing.T) { f(t, v, way) })
		}
	}
}

// The tests of ReadLoop rest on it: fn is called by the runtime's poller where the
// connection is busy, and only there.
func TestLoopStates(t *testing.T) {
	for _, way := range loopWays {
		p := loopWith(t, way, draftwire.RFC6455, draftwire.Limits{}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
			return c.Write(bg, op, fmt.Append(nil, bytes.Contains(debug.Stack(), []byte("RawRead"))))
		})
		wstest.Send(t, p, p.Text("a"))
		wstest.Want(t, p, p.Echo(fmt.Sprint(isBusy(way))))
	}
}

// Whatever the sizes and pieces, each message is answered with itself, in order.
func TestLoopEchoes(t *testing.T) {
	sizes := []int{0, 1, 125, 126, 2047, 2048, 4096, 8191, 8192, 16 << 10, 64 << 10, 1 << 20}
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		p := loopWith(t, way, v, draftwire.Limits{}, answer1)
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, uint64(v)))
		var in, out []byte
		add := func(m ...string) {
			in, out = append(in, wstest.Texts(p.Text, m...)...), append(out, wstest.Texts(p.Echo, m...)...)
		}
		exchange := func(piece func() int) {
			t.Helper()
			wrote := make(chan error, 1)
			go func(in []byte) {
				var err error
				for len(in) > 0 && err == nil {
					n := min(piece(), len(in))
					_, err = p.Write(in[:n])
					in = in[n:]
				}
				wrote <- err
			}(in)
			wstest.Want(t, p, out)
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
			in, out = nil, nil
		}
		whole := func() int { return 4 << 20 }
		for _, n := range sizes {
			add(wstest.Words(n))
			exchange(whole)
		}
		for _, n := range []int{1, 2, 15, 16, 17, 50, 200} {
			add(wstest.Numbers(n)...)
			if p.Fragments != nil {
				in, out = append(in, p.Fragments()...), append(append(out, p.Pong...), p.Echo("Hello world")...)
			}
			exchange(whole)
		}
		for range 3 {
			for range 30 {
				add(wstest.Words([]int{rnd.IntN(20), rnd.IntN(300), rnd.IntN(5000), rnd.IntN(40_000)}[rnd.IntN(4)]))
			}
			exchange(func() int { return 1 + rnd.IntN([]int{3, 100, 9000}[rnd.IntN(3)]) })
		}
		add(append(wstest.Numbers(20), wstest.Words(126), "", wstest.Words(700))...)
		exchange(func() int { return 1 })
	})
}

// readOns are the ways to go on behind a loop.
var readOns = map[string]func(ctx context.Context, c *draftwire.Conn) (string, error){
	"Read": func(ctx context.Context, c *draftwire.Conn) (string, error) {
		_, p, err := c.Read(ctx)
		return string(p), err
	},
	"ReadBorrowed": func(ctx context.Context, c *draftwire.Conn) (string, error) {
		_, p, err := c.ReadBorrowed(ctx)
		return string(p), err
	},
	"Reader": func(ctx context.Context, c *draftwire.Conn) (string, error) {
		_, r, err := c.Reader(ctx)
		if err != nil {
			return "", err
		}
		p, err := io.ReadAll(r)
		return string(p), err
	},
	"ReadPart": func(ctx context.Context, c *draftwire.Conn) (s string, err error) {
		for last := false; !last && err == nil; {
			var p draftwire.Part
			p, err = c.ReadPart(ctx)
			s, last = s+string(p.Data), p.Last
		}
		return s, err
	},
	"ReadLoop": func(ctx context.Context, c *draftwire.Conn) (s string, err error) {
		err = c.ReadLoop(ctx, func(_ draftwire.Op, p []byte) error {
			s = string(p)
			return errEnough
		})
		if err == errEnough {
			err = nil
		}
		return s, err
	},
}

var errEnough = errors.New("enough")

// fn's error ends the loop, and what is behind its message is there for whoever reads
// next.
func TestLoopError(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		for name, next := range readOns {
			type result struct {
				got []string
				err error
			}
			results := make(chan result, 1)
			p := serveLoop(t, way, v, draftwire.Limits{}, func(ctx context.Context, c *draftwire.Conn) error {
				var r result
				r.err = loopBy(way, ctx, c, warmed(c, func(_ *draftwire.Conn, _ draftwire.Op, p []byte) error {
					if r.got = append(r.got, string(p)); len(r.got) == 3 {
						return errEnough
					}
					return nil
				}))
				for err := error(nil); err == nil && len(r.got) < 9; {
					var s string
					if s, err = next(ctx, c); err != nil {
						s = err.Error()
					}
					r.got = append(r.got, s)
				}
				results <- r
				return loopBy(way, ctx, c, warmed(c, answer1))
			})
			m := []string{"1", "", "3", "4", wstest.Words(3000), "", wstest.Words(100_000), "8", "9"}
			wstest.Send(t, p, wstest.Texts(p.Text, m...))
			r := wstest.Soon(t, "what was read", results)
			if r.err != errEnough || strings.Join(r.got, "|") != strings.Join(m, "|") {
				t.Errorf("%s: the loop ended with %v, and in all came %.60q", name, r.err, r.got)
			}
			p.warm(t)
			wstest.Send(t, p, p.Text("10"))
			wstest.Want(t, p, p.Echo("10"))
		}
	})
}

// What the loop has carried is counted when it has ended.
func TestLoopStats(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		counts := make(chan draftwire.Stats, 1)
		n := 0
		p := serveLoop(t, way, v, draftwire.Limits{}, func(ctx context.Context, c *draftwire.Conn) error {
			err := loopBy(way, ctx, c, warmed(c, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
				if n++; n == 100 {
					return errEnough
				}
				return c.Write(ctx, op, p)
			}))
			counts <- c.Stats()
			return err
		})
		wstest.Send(t, p, wstest.Texts(p.Text, strings.Split(strings.Repeat(" 12345", 150)[1:], " ")...))
		got, expect := wstest.Soon(t, "the count", counts), draftwire.Stats{MessagesIn: 100, MessagesOut: 99, BytesIn: 500, BytesOut: 495}
		if isBusy(way) {
			expect.MessagesIn, expect.MessagesOut = expect.MessagesIn+wstest.BusyMessages, expect.MessagesOut+wstest.BusyMessages
			expect.BytesIn, expect.BytesOut = expect.BytesIn+4*wstest.BusyMessages, expect.BytesOut+4*wstest.BusyMessages
		}
		if got != expect {
			t.Errorf("%+v, want %+v", got, expect)
		}
	})
}

// What fn does to its bytes, and behind them, does not reach the next message.
func TestLoopLent(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		p := loopWith(t, way, v, draftwire.Limits{}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
			err := c.Write(bg, op, p)
			for i := range p {
				p[i] = 0xFF
			}
			_ = append(p, bytes.Repeat([]byte{0xFF}, 100)...)
			return err
		})
		for range 3 {
			m := append(wstest.Numbers(100), wstest.Words(5000), "", "a", wstest.Words(70_000), "behind")
			go p.Write(wstest.Texts(p.Text, m...))
			wstest.Want(t, p, wstest.Texts(p.Echo, m...))
		}
	})
}

// Text that is repaired does not stand where it came, and is the message all the same.
func TestLoopRepairs(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		p := serveLoop(t, way, v, draftwire.Limits{}, func(ctx context.Context, c *draftwire.Conn) error {
			c.SetInvalidText(wire.ReplaceText)
			return loopBy(way, ctx, c, warmed(c, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
				err := c.Write(ctx, op, p)
				_ = append(p, '!')
				clear(p)
				return err
			}))
		})
		for range 2 {
			wstest.Send(t, p, wstest.Texts(p.Text, "a\xc3(b", "good", "\xc3(", wstest.Words(3000)+"\xc3(", "last"))
			wstest.Want(t, p, wstest.Texts(p.Echo, "a\uFFFD(b", "good", "\uFFFD(", wstest.Words(3000)+"\uFFFD(", "last"))
		}
		if s := p.server.Stats(); s.Repaired != 6 {
			t.Errorf("%+v", s)
		}
	})
}

// Reading from within fn is an error, and the loop goes on.
func TestLoopReadsInside(t *testing.T) {
	eachLoop(t, []string{"quiet", "busy", "memory", "TLS"}, func(t *testing.T, v draftwire.Version, way string) {
		p := loopWith(t, way, v, draftwire.Limits{}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
			if string(p) == "in" {
				for name, next := range readOns {
					if got, err := next(bg, c); err == nil || got != "" {
						t.Errorf("%s gives %q", name, got)
					}
				}
			}
			return c.Write(bg, op, p)
		})
		wstest.Send(t, p, wstest.Texts(p.Text, "in", "behind", "in"))
		wstest.Want(t, p, wstest.Texts(p.Echo, "in", "behind", "in"))
		wstest.Send(t, p, wstest.Texts(p.Text, "in", "2"))
		wstest.Want(t, p, wstest.Texts(p.Echo, "in", "2"))
	})
}

// Pings in the midst of a burst are answered in their place.
func TestLoopPings(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		if !v.Supports(wire.CapPing) {
			return
		}
		p := loopWith(t, way, v, draftwire.Limits{}, answer1)
		wstest.Send(t, p, p.Ping())
		wstest.Want(t, p, p.Pong)
		for range 3 {
			wstest.Send(t, p, bytes.Join([][]byte{p.Text("a"), p.Ping(), p.Text("b"), p.Text("c"), p.Ping(), p.Ping()}, nil))
			wstest.Want(t, p, bytes.Join([][]byte{p.Echo("a"), p.Pong, p.Echo("b"), p.Echo("c"), p.Pong, p.Pong}, nil))
		}
	})
}
