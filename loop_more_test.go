package draftwire_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/wire"
)

// A peer that says nothing is idle; one whose message is being handled is not.
func TestLoopIdle(t *testing.T) {
	const idle = time.Second
	for _, way := range loopWays {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			p := loopWith(t, way, draftwire.RFC6455, draftwire.Limits{IdleTimeout: idle}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
				<-time.After(idle * 3 / 2)
				return c.Write(bg, op, p)
			})
			var began time.Time
			for range 2 {
				began = time.Now()
				send(t, p, p.text("slow"))
				want(t, p, p.echo("slow"))
			}
			p.farewell(t, true)
			if d := time.Since(began); d < idle*3/2+idle {
				t.Errorf("the peer was idle %v after it began its message", d)
			}
			p.Close()
			if err := p.end(t); draftwire.CloseStatus(err) != draftwire.CodeAbnormal {
				t.Errorf("the loop ended with %v", err)
			}
		})
	}
}

// The peer does not read: fn's Write fails in time, and the loop ends.
func TestLoopWriteTimeout(t *testing.T) {
	eachLoop(t, loopWays[:3], func(t *testing.T, v draftwire.Version, way string) {
		failed := make(chan error, 1)
		p := loopWith(t, way, v, draftwire.Limits{WriteTimeout: 50 * time.Millisecond, CloseTimeout: 50 * time.Millisecond}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
			err := c.Write(bg, op, p)
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
			return nil // the loop is to see it by itself
		})
		wrote := make(chan error, 1)
		go func() {
			m := texts(p.text, words(900), words(12_000), words(3))
			var err error
			for err == nil {
				_, err = p.Write(m)
			}
			wrote <- err
		}()
		if err := soon(t, "the failure", failed); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %v", err)
		}
		if err := p.end(t); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the loop ended with %v", err)
		}
		p.Close()
		<-wrote
	})
}

// loopPair opens a connection of which both ends are Conns; the handler is serve.
func loopPair(t *testing.T, way string, v draftwire.Version, compression draftwire.Compression, serve func(ctx context.Context, c *draftwire.Conn) error) *draftwire.Conn {
	t.Helper()
	opt := every()
	opt.Compression = compression
	s := &draftwire.Server{Options: opt, WebSocket: serve}
	o := draftwire.DialOptions{Version: v, Compression: compression}
	var l net.Listener
	if way == "memory" {
		m := memnet.Listen(64 << 10)
		o.NetDial = func(context.Context, string, string) (net.Conn, error) { return m.Dial() }
		l = m
	} else {
		tl, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		l = tightListener{tl}
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		<-served
		ctx, cancel := context.WithTimeout(bg, loopGuard)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("the server does not end: %v", err)
		}
	})
	c, _, err := draftwire.Dial(bg, "ws://"+l.Addr().String()+"/", &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// Both sides loop, ping each other meanwhile, and close at last from within fn.
func TestLoopBothSides(t *testing.T) {
	eachLoop(t, []string{"socket", "memory"}, func(t *testing.T, v draftwire.Version, way string) {
		for _, compression := range compressions(v) {
			ctx, cancel := context.WithTimeout(bg, loopGuard)
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
			text := func(i int) string { return fmt.Sprint(i, "/", words(i*211%3000)) }
			const n = 300
			wg.Go(func() {
				for i := range n {
					write(t, client, text(i))
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
			if err := soon(t, "the server's end", ended); draftwire.CloseStatus(err) != heard(v, 4001, "").Code {
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
		c := loopPair(t, way, v, draftwire.Compression{}, echo)
		go func() {
			for range warmth {
				c.Write(bg, draftwire.OpText, []byte("a"))
			}
		}()
		n := 0
		began := time.Now()
		var took time.Duration
		err := c.ReadLoop(bg, func(op draftwire.Op, p []byte) error {
			if n++; n == warmth {
				return c.Write(bg, op, p)
			} else if n > warmth {
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
	text := func(i, j int) string { return fmt.Sprintf("%d/%d/%s", i, j, words((i*31+j*457)%12_000)) }
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
				write(t, client, text(writers, j))
			}
		}()
		next := make([]int, writers+1)
		ctx, cancel := context.WithTimeout(bg, loopGuard)
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

// What the loop has carried is counted when it has ended.
func TestLoopStats(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		counts := make(chan draftwire.Stats, 1)
		n := 0
		p := serveLoop(t, way, v, draftwire.Limits{}, func(ctx context.Context, c *draftwire.Conn) error {
			err := c.ReadLoop(ctx, warmed(c, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
				if n++; n == 100 {
					return errEnough
				}
				return c.Write(ctx, op, p)
			}))
			counts <- c.Stats()
			return err
		})
		send(t, p, texts(p.text, strings.Split(strings.Repeat(" 12345", 150)[1:], " ")...))
		got, expect := soon(t, "the count", counts), draftwire.Stats{MessagesIn: 100, MessagesOut: 99, BytesIn: 500, BytesOut: 495}
		if way == "busy" {
			expect.MessagesIn, expect.MessagesOut = expect.MessagesIn+warmth, expect.MessagesOut+warmth
			expect.BytesIn, expect.BytesOut = expect.BytesIn+4*warmth, expect.BytesOut+4*warmth
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
			m := append(numbers(100), words(5000), "", "a", words(70_000), "behind")
			go p.Write(texts(p.text, m...))
			want(t, p, texts(p.echo, m...))
		}
	})
}

// Text that is repaired does not stand where it came, and is the message all the same.
func TestLoopRepairs(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		p := serveLoop(t, way, v, draftwire.Limits{}, func(ctx context.Context, c *draftwire.Conn) error {
			c.SetInvalidText(wire.ReplaceText)
			return c.ReadLoop(ctx, warmed(c, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
				err := c.Write(ctx, op, p)
				_ = append(p, '!')
				clear(p)
				return err
			}))
		})
		for range 2 {
			send(t, p, texts(p.text, "a\xc3(b", "good", "\xc3(", words(3000)+"\xc3(", "last"))
			want(t, p, texts(p.echo, "a\uFFFD(b", "good", "\uFFFD(", words(3000)+"\uFFFD(", "last"))
		}
		if s := p.server.Stats(); s.Repaired != 6 {
			t.Errorf("%+v", s)
		}
	})
}

// A peer that never stops sending cannot keep a loop that was told to end.
func TestLoopFlood(t *testing.T) {
	closes := map[string]func(c *draftwire.Conn) error{
		"Close":    func(c *draftwire.Conn) error { return c.Close(draftwire.CodeNormal, "") },
		"CloseNow": (*draftwire.Conn).CloseNow,
	}
	for name, closes := range closes {
		for _, way := range []string{"quiet", "busy"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				p := loopWith(t, way, draftwire.RFC6455, draftwire.Limits{CloseTimeout: 100 * time.Millisecond},
					func(c *draftwire.Conn, op draftwire.Op, p []byte) error { return nil })
				flood := bytes.Repeat(p.text(words(100)), 10_000)
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					for {
						if _, err := p.Write(flood); err != nil {
							return
						}
					}
				}()
				if err := closes(p.server); err != nil {
					t.Error(err)
				}
				if err := p.end(t); !errors.Is(err, draftwire.ErrClosed) {
					t.Error(err)
				}
				p.Conn.Close()
				<-stopped
			})
		}
	}
}
