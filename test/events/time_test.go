//go:build unix

package events_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// short is a timeout that a test waits for.
const short = 300 * time.Millisecond

// families are versions that differ in how they frame and close.
var families = []draftwire.Version{draftwire.Hixie76, draftwire.Hybi05, draftwire.RFC6455}

// within fails the test unless what began then has taken about as long as it should.
func within(t *testing.T, what string, began time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(began); d < want-want/10 || d > want+2*time.Second {
		t.Errorf("%s: after %v, want %v", what, d, want)
	}
}

// refused is what an observer was told of handshakes.
type refused struct {
	mu  sync.Mutex
	why []wire.Reason
}

func (r *refused) observe(s *draftwire.Server) {
	s.Options.Observer = &draftwire.Observer{Refused: func(_ string, _ []byte, err *draftwire.HandshakeError) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.why = append(r.why, err.Reason)
	}}
}

func (r *refused) want(t *testing.T, reasons ...wire.Reason) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.why) != len(reasons) {
		t.Fatalf("refused: %v, want %v", r.why, reasons)
	}
	for i := range reasons {
		if r.why[i] != reasons[i] {
			t.Errorf("refused: %v, want %v", r.why, reasons)
		}
	}
}

// A client that says nothing, or half a head, has the handshake timeout.
func TestHandshakeTimeout(t *testing.T) {
	for says, answer := range map[string]string{"": "", "G": "HTTP/1.1 408 ", wstest.Head(draftwire.RFC6455)[:40]: "HTTP/1.1 408 "} {
		var r refused
		s, addr := serve(t, wstest.EchoEvents(), limits(draftwire.Limits{HandshakeTimeout: short}), r.observe)
		began := time.Now()
		nc := dial(t, addr)
		io.WriteString(nc, says)
		p, err := io.ReadAll(nc)
		if err != nil || !strings.HasPrefix(string(p), answer) || answer == "" && len(p) > 0 {
			t.Errorf("%q is answered %q, %v", says, p, err)
		}
		within(t, says, began, short)
		r.want(t, wire.ReasonTimeout)
		nc.Close()
		for began = time.Now(); s.Counts() != (draftwire.ServerCounts{}) && time.Since(began) < wstest.Patience; {
			time.Sleep(time.Millisecond)
		}
		if c := s.Counts(); c != (draftwire.ServerCounts{}) {
			t.Errorf("counts %+v", c)
		}
	}
}

// The eight bytes of hixie-76 and hybi-02 may come late and in parts; they have their timeout.
func TestEightBytesLate(t *testing.T) {
	for _, v := range []draftwire.Version{draftwire.Hixie76, draftwire.Hybi02} {
		var r refused
		_, addr := serve(t, wstest.EchoEvents(), limits(draftwire.Limits{Key3Timeout: short}), r.observe)
		p := peer{wstest.NewClient(v), dial(t, addr)}
		wstest.Send(t, p, []byte(p.Head))
		wstest.ReadHead(t, p)
		for i := range len(p.Key3) {
			wstest.Send(t, p, []byte(p.Key3[i:i+1]))
			time.Sleep(5 * time.Millisecond)
		}
		wstest.Want(t, p, []byte(p.Tail))
		p.say(t, "hello")
		p.hear(t, "hello")

		began := time.Now()
		q := peer{wstest.NewClient(v), dial(t, addr)}
		wstest.Send(t, q, []byte(q.Head+q.Key3[:7]))
		wstest.ReadHead(t, q)
		if rest := q.gone(t); len(rest) > 0 {
			t.Errorf("%q", rest)
		}
		within(t, v.String(), began, short)
		r.want(t, wire.ReasonKey3)
		// What goes on by a goroutine comes back to the loop.
		p.say(t, "still there")
		p.hear(t, "still there")
	}
}

// A connection whose peer says nothing has the idle timeout, begun anew by all that comes; it
// does not run while the connection is not read.
func TestIdleTimeout(t *testing.T) {
	for _, v := range families {
		e := wstest.EchoEvents()
		echo := e.Message
		e.Message = func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
			if string(p) == "go" {
				c.Go(func(context.Context, *draftwire.Conn) error {
					time.Sleep(3 * short)
					return c.Write(c.Context(), draftwire.OpText, []byte("went"))
				})
				return nil
			}
			return echo(c, op, p)
		}
		ended := endings(e)
		_, addr := serve(t, e, limits(draftwire.Limits{IdleTimeout: short}))
		began := time.Now()
		silent, busy := open(t, addr, v), open(t, addr, v)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for time.Since(began) < 3*short {
				busy.say(t, "x")
				busy.hear(t, "x")
				time.Sleep(short / 7)
			}
			busy.say(t, "go")
			busy.hear(t, "went")
			busy.say(t, "y")
			busy.hear(t, "y")
		}()
		silent.gone(t)
		within(t, "silent", began, short)
		wstest.Soon(t, "its end", ended)
		<-done
		began = time.Now()
		busy.gone(t)
		within(t, "busy", began, short)
		wstest.Soon(t, "its end", ended)
	}
}

// A peer that trickles bytes for longer than a deadline does not make the loop forget it: here
// the close timeout, from each of whom may close.
func TestCloseTimeout(t *testing.T) {
	ways := map[string]func(c *draftwire.Conn) error{
		"handler": func(c *draftwire.Conn) error { return c.Close(4000, "") },
		"error":   func(*draftwire.Conn) error { return errModel },
		"goroutine": func(c *draftwire.Conn) error {
			go c.Close(4000, "")
			return nil
		},
		"Go": func(c *draftwire.Conn) error {
			c.Go(func(context.Context, *draftwire.Conn) error { return c.Close(4000, "") })
			return nil
		},
		"paused": func(c *draftwire.Conn) error {
			c.Go(func(ctx context.Context, c *draftwire.Conn) error {
				c.Close(4000, "")
				<-ctx.Done()
				return nil
			})
			return nil
		},
		"panic": func(*draftwire.Conn) error { panic(errModel) },
	}
	for name, how := range ways {
		for _, trickle := range []string{"silent", "trickle"} {
			t.Run(name+", "+trickle, func(t *testing.T) {
				t.Parallel()
				for _, v := range families {
					e := &draftwire.Events{Message: func(c *draftwire.Conn, _ draftwire.Op, _ []byte) error { return how(c) }}
					ended := endings(e)
					_, addr := serve(t, e, limits(draftwire.Limits{CloseTimeout: short}), quiet)
					p := open(t, addr, v)
					began := time.Now()
					p.say(t, "close")
					stop := make(chan struct{})
					var all sync.WaitGroup
					if trickle == "trickle" {
						all.Go(func() {
							text := p.Text("x")
							for {
								select {
								case <-stop:
									return
								case <-time.After(time.Millisecond):
									p.Write(text)
								}
							}
						})
					}
					err := wstest.Soon(t, "the end", ended)
					within(t, v.String(), began, short)
					close(stop)
					all.Wait()
					if !errors.Is(err, draftwire.ErrClosed) && !strings.Contains(err.Error(), "handler") && name != "panic" {
						t.Errorf("%v", err)
					}
					p.gone(t)
				}
			})
		}
	}
}

// quiet drops the log of panics.
func quiet(s *draftwire.Server) { s.ErrorLog = discardLog }

// A peer that takes nothing ends by the write timeout, whoever writes.
func TestWriteTimeout(t *testing.T) {
	text := wstest.Words(1 << 20)
	ways := map[string]func(c *draftwire.Conn, p []byte) error{
		"Write":         func(c *draftwire.Conn, p []byte) error { return c.Write(c.Context(), draftwire.OpText, p) },
		"Post":          func(c *draftwire.Conn, p []byte) error { return c.Post(wstest.Prepared(string(p))) },
		"WritePrepared": func(c *draftwire.Conn, p []byte) error { return c.WritePrepared(bg, wstest.Prepared(string(p))) },
		"goroutine": func(c *draftwire.Conn, p []byte) error {
			p = bytes.Clone(p)
			go c.Write(bg, draftwire.OpText, p)
			return nil
		},
		"Go": func(c *draftwire.Conn, p []byte) error {
			p = bytes.Clone(p)
			c.Go(func(ctx context.Context, c *draftwire.Conn) error { return c.Write(ctx, draftwire.OpText, p) })
			return nil
		},
		"close behind": func(c *draftwire.Conn, p []byte) error {
			c.Write(c.Context(), draftwire.OpText, p)
			return c.Close(draftwire.CodeNormal, "")
		},
		"CloseWrite behind": func(c *draftwire.Conn, p []byte) error {
			c.Write(c.Context(), draftwire.OpText, p)
			return c.CloseWrite(draftwire.CodeNormal, "")
		},
	}
	for name, write := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, v := range families {
				e := &draftwire.Events{Message: func(c *draftwire.Conn, _ draftwire.Op, p []byte) error { return write(c, p) }}
				ended := endings(e)
				_, addr := serve(t, e, limits(draftwire.Limits{WriteTimeout: short, CloseTimeout: short}))
				p := open(t, addr, v)
				began := time.Now()
				p.say(t, text)
				err := wstest.Soon(t, "the end", ended)
				within(t, v.String(), began, short)
				if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) && !strings.Contains(name, "behind") {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// A peer that takes a little now and then is waited for, as long as the write timeout does not pass between two of its reads.
func TestHeadway(t *testing.T) {
	text := wstest.Words(320 << 10)
	ways := map[string]func(c *draftwire.Conn, p []byte) error{
		"Write": func(c *draftwire.Conn, p []byte) error { return c.Write(c.Context(), draftwire.OpText, p) },
		"goroutine": func(c *draftwire.Conn, p []byte) error {
			p = bytes.Clone(p)
			go c.Write(bg, draftwire.OpText, p)
			return nil
		},
	}
	for name, write := range ways {
		for _, v := range families {
			t.Run(name+", "+v.String(), func(t *testing.T) {
				t.Parallel()
				e := &draftwire.Events{Message: func(c *draftwire.Conn, _ draftwire.Op, _ []byte) error { return write(c, []byte(text)) }}
				ended := endings(e)
				_, addr := serve(t, e, limits(draftwire.Limits{WriteTimeout: short}))
				p := open(t, addr, v)
				p.say(t, "go")
				want := p.Echo(text)
				got := make([]byte, len(want))
				began := time.Now()
				for rest := got; len(rest) > 0; time.Sleep(short / 5) {
					part := rest[:min(len(rest), little)]
					if _, err := io.ReadFull(p, part); err != nil {
						t.Fatalf("behind %d of %d bytes: %v; %v", len(got)-len(rest), len(got), err, wstest.Soon(t, "the end", ended))
					}
					rest = rest[len(part):]
				}
				if !bytes.Equal(got, want) || time.Since(began) < 2*short {
					t.Errorf("within %v came what was not written: %v", time.Since(began), !bytes.Equal(got, want))
				}
			})
		}
	}
}

// A connection that is silent has no goroutine, in any version, before it has said something and behind that.
func TestIdleHasNoGoroutine(t *testing.T) {
	_, addr := serve(t, wstest.EchoEvents())
	first := open(t, addr, draftwire.RFC6455) // the loops begin
	first.say(t, "x")
	first.hear(t, "x")
	before := runtime.NumGoroutine()
	for _, v := range draftwire.ServedVersions().List() {
		for range 20 {
			p := open(t, addr, v)
			p.say(t, "x")
			p.hear(t, "x")
			open(t, addr, v)
		}
	}
	n := runtime.NumGoroutine()
	for began := time.Now(); n > before && time.Since(began) < wstest.Patience; n = runtime.NumGoroutine() {
		time.Sleep(time.Millisecond) // what a handshake has left to one, ends
	}
	if n > before {
		t.Errorf("%d goroutines, before %d", n, before)
	}
}
