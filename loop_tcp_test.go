package draftwire_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
)

// loopWays are the states that ReadLoop reads in: on a socket, where it is busy after
// some messages in a short time, and otherwise, where it never is.
var loopWays = []string{"quiet", "busy", "memory", "TLS"}

// loopGuard is longer than anything here takes, and the limit of a hang.
const loopGuard = 20 * time.Second

// looped is a connection whose handler calls ReadLoop, and whose client is bytes.
type looped struct {
	net.Conn
	legacy
	v      draftwire.Version
	server *draftwire.Conn
	s      *draftwire.Server
	ended  chan error // what the handler returned
	log    *bytes.Buffer
}

type loopFunc = func(c *draftwire.Conn, op draftwire.Op, p []byte) error

// serveLoop opens a connection whose handler is serve.
func serveLoop(t *testing.T, way string, v draftwire.Version, lim draftwire.Limits, serve func(ctx context.Context, c *draftwire.Conn) error) *looped {
	t.Helper()
	p := &looped{v: v, ended: make(chan error, 1), log: new(bytes.Buffer)}
	opt := every()
	opt.Limits = lim
	got := make(chan *draftwire.Conn, 1)
	p.s = &draftwire.Server{Options: opt, ErrorLog: newLogger(p.log), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		got <- c
		err := serve(ctx, c)
		p.ended <- err
		return err
	}}
	var l net.Listener = memnet.Listen(64 << 10)
	if way != "memory" {
		tl, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		l = tightListener{tl}
	}
	var client *tls.Config
	if way == "TLS" {
		cert, roots := selfSigned(t)
		p.s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		client = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
	}
	served := make(chan error, 1)
	go func() { served <- p.s.Serve(l) }()
	t.Cleanup(func() {
		p.s.Close()
		<-served
		ctx, cancel := context.WithTimeout(bg, loopGuard)
		defer cancel()
		if err := p.s.Shutdown(ctx); err != nil {
			t.Errorf("the server does not end: %v", err)
		}
	})
	var err error
	if m, ok := l.(*memnet.Listener); ok {
		p.Conn, err = m.Dial()
	} else {
		p.Conn, err = net.Dial("tcp", l.Addr().String())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Conn.Close() })
	if client != nil {
		p.Conn = tls.Client(p.Conn, client)
	}
	p.SetDeadline(time.Now().Add(loopGuard))
	p.legacy = legacies[v]().at("127.0.0.1", client != nil)
	send(t, p, []byte(p.head+p.key3))
	if head := readHead(t, p); p.learn != nil {
		p.learn(head)
	}
	want(t, p, []byte(p.answer))
	p.server = <-got
	if way == "busy" {
		p.warm(t)
	}
	return p
}

// warmth is how many messages make a connection busy, and some more.
const warmth = 40

// warm makes the connection busy.
func (p *looped) warm(t *testing.T) {
	t.Helper()
	m := strings.Split(strings.Repeat(" warm", warmth)[1:], " ")
	send(t, p, texts(p.text, m...))
	want(t, p, texts(p.echo, m...))
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
	return serveLoop(t, way, v, lim, func(ctx context.Context, c *draftwire.Conn) error { return c.ReadLoop(ctx, warmed(c, fn)) })
}

func answer1(c *draftwire.Conn, op draftwire.Op, p []byte) error { return c.Write(bg, op, p) }

// end returns what the handler returned.
func (p *looped) end(t *testing.T) error {
	t.Helper()
	return soon(t, "the loop's end", p.ended)
}

// soon receives from ch, or fails the test.
func soon[T any](t *testing.T, what string, ch <-chan T) (x T) {
	t.Helper()
	select {
	case x = <-ch:
	case <-time.After(loopGuard):
		t.Fatalf("%s does not come", what)
	}
	return x
}

// eachLoop runs f for each version and state.
func eachLoop(t *testing.T, ways []string, f func(t *testing.T, v draftwire.Version, way string)) {
	for _, v := range draftwire.Served().List() {
		for _, way := range ways {
			t.Run(fmt.Sprint(v, "/", way), func(t *testing.T) { f(t, v, way) })
		}
	}
}

// The tests of this file rest on it: fn is called by the runtime's poller where the
// connection is busy, and only there.
func TestLoopStates(t *testing.T) {
	for _, way := range loopWays {
		p := loopWith(t, way, draftwire.RFC6455, draftwire.Limits{}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
			return c.Write(bg, op, fmt.Append(nil, bytes.Contains(debug.Stack(), []byte("RawRead"))))
		})
		send(t, p, p.text("a"))
		want(t, p, p.echo(fmt.Sprint(way == "busy")))
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
			in, out = append(in, texts(p.text, m...)...), append(out, texts(p.echo, m...)...)
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
			want(t, p, out)
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
			in, out = nil, nil
		}
		whole := func() int { return 4 << 20 }
		for _, n := range sizes {
			add(words(n))
			exchange(whole)
		}
		for _, n := range []int{1, 2, 15, 16, 17, 50, 200} {
			add(numbers(n)...)
			if p.parts != nil {
				in, out = append(in, p.parts()...), append(append(out, p.pong...), p.echo("Hello world")...)
			}
			exchange(whole)
		}
		for range 3 {
			for range 30 {
				add(words([]int{rnd.IntN(20), rnd.IntN(300), rnd.IntN(5000), rnd.IntN(40_000)}[rnd.IntN(4)]))
			}
			exchange(func() int { return 1 + rnd.IntN([]int{3, 100, 9000}[rnd.IntN(3)]) })
		}
		add(append(numbers(20), words(126), "", words(700))...)
		exchange(func() int { return 1 })
	})
}

// A peer that does not read before its own writes are stuck: nothing is lost, though
// the socket takes the answers in parts.
func TestLoopStuckPeer(t *testing.T) {
	eachLoop(t, []string{"quiet", "busy"}, func(t *testing.T, v draftwire.Version, way string) {
		p := loopWith(t, way, v, draftwire.Limits{}, answer1)
		p.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
		var in, out []byte
		size := 1 << 20
		if v == draftwire.RFC6455 {
			size = 5 << 20
		}
		for i := 0; len(in) < size; i++ {
			m := words(i * 37 % []int{100, 3000, 9000, 40_000}[i/50%4])
			in, out = append(in, p.text(m)...), append(out, p.echo(m)...)
		}
		p.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		n, _ := p.Write(in)
		p.SetWriteDeadline(time.Now().Add(loopGuard))
		wrote := make(chan error, 1)
		go func() {
			_, err := p.Write(in[n:])
			wrote <- err
		}()
		oddly(t, p, out)
		if err := <-wrote; err != nil {
			t.Error(err)
		}
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
				r.err = c.ReadLoop(ctx, warmed(c, func(_ *draftwire.Conn, _ draftwire.Op, p []byte) error {
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
				return c.ReadLoop(ctx, warmed(c, answer1))
			})
			m := []string{"1", "", "3", "4", words(3000), "", words(100_000), "8", "9"}
			send(t, p, texts(p.text, m...))
			r := soon(t, "what was read", results)
			if r.err != errEnough || strings.Join(r.got, "|") != strings.Join(m, "|") {
				t.Errorf("%s: the loop ended with %v, and in all came %.60q", name, r.err, r.got)
			}
			p.warm(t)
			send(t, p, p.text("10"))
			want(t, p, p.echo("10"))
		}
	})
}

// A peer ends its stream directly behind a message: the end comes, though no news of
// it comes any more when the message is read.
func TestLoopEndBehindMessage(t *testing.T) {
	eachLoop(t, loopWays[:3], func(t *testing.T, v draftwire.Version, way string) {
		entered, leave := make(chan string, 2), make(chan struct{})
		p := loopWith(t, way, v, draftwire.Limits{}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
			entered <- string(p)
			<-leave
			return c.Write(bg, op, p)
		})
		send(t, p, p.text("first"))
		soon(t, "the first", entered)
		send(t, p, p.text("last"))
		closeWrite(t, p.Conn)
		close(leave)
		want(t, p, texts(p.echo, "first", "last"))
		if err := p.end(t); draftwire.CloseStatus(err) != abrupt(v) {
			t.Errorf("the loop ended with %v", err)
		}
	})
}

// The same where the peer resets the connection, and fn does not write.
func TestLoopResetBehindMessage(t *testing.T) {
	eachLoop(t, loopWays[:2], func(t *testing.T, v draftwire.Version, way string) {
		entered, leave := make(chan string, 2), make(chan struct{})
		p := loopWith(t, way, v, draftwire.Limits{}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
			entered <- string(p)
			<-leave
			return nil
		})
		send(t, p, p.text("first"))
		soon(t, "the first", entered)
		send(t, p, p.text("last"))
		p.Conn.(*net.TCPConn).SetLinger(0)
		p.Close()
		close(leave)
		if err := p.end(t); draftwire.CloseStatus(err) != draftwire.CodeAbnormal {
			t.Errorf("the loop ended with %v", err)
		}
	})
}

func closeWrite(t *testing.T, nc net.Conn) {
	t.Helper()
	if err := nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Error(err)
	}
}

// abrupt is the code of a peer that goes without a word.
func abrupt(v draftwire.Version) draftwire.CloseCode {
	if heard(v, 4001, "").Code == 4001 {
		return draftwire.CodeAbnormal
	}
	return draftwire.CodeNoStatus
}
