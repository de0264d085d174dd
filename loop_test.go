package draftwire_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// A context that ends while the loop waits, while fn runs, and before: the loop ends,
// and the connection goes on.
func TestLoopContext(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		next, errs := make(chan bool), make(chan error)
		p := serveLoop(t, way, v, draftwire.Limits{}, func(_ context.Context, c *draftwire.Conn) error {
			var ctx context.Context
			for range 2 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(bg)
				errs <- c.ReadLoop(ctx, warmed(c, func(_ *draftwire.Conn, _ draftwire.Op, p []byte) error {
					if string(p) == "now" {
						cancel()
					} else {
						time.AfterFunc(5*time.Millisecond, cancel)
					}
					return nil
				}))
			}
			errs <- c.ReadLoop(ctx, warmed(c, answer1))
			<-next
			for _, m := range []string{"after", "it"} {
				if _, b, err := c.Read(bg); string(b) != m {
					return fmt.Errorf("%q, %w", b, err)
				}
			}
			return c.ReadLoop(bg, warmed(c, answer1))
		})
		for i, m := range []string{"soon", "now"} {
			if i > 0 && way == "busy" {
				p.warm(t)
			}
			send(t, p, p.text(m))
			if err := soon(t, "the loop's end", errs); err != context.Canceled {
				t.Errorf("%s: the loop ended with %v", m, err)
			}
		}
		if err := soon(t, "the loop's end", errs); err != context.Canceled {
			t.Errorf("with a context that had ended: %v", err)
		}
		close(next)
		send(t, p, texts(p.text, "after", "it", "echo"))
		want(t, p, p.echo("echo"))
	})
}

// ends are the ways in which this side closes.
var ends = map[string]func(c *draftwire.Conn) error{
	"Close":    func(c *draftwire.Conn) error { return c.Close(4001, "bye") },
	"CloseNow": (*draftwire.Conn).CloseNow,
}

// farewell reads to the end of the stream, answers what comes on the way, and checks
// that it is the version's close, or nothing. began is called when it has begun.
func (p *looped) farewell(t *testing.T, told bool, began ...func()) {
	t.Helper()
	b := make([]byte, 1)
	n, _ := io.ReadFull(p, b)
	if told = told && p.closed != nil; told != (n > 0) || told && b[0] != p.closed[0] {
		t.Errorf("the farewell begins with %x", b[:n])
	}
	for _, f := range began {
		f()
	}
	if n > 0 {
		p.Write(p.close())
	}
	if _, err := io.Copy(io.Discard, p); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the stream does not end")
	}
}

// This side closes: from within fn, while the loop waits, and while fn hangs.
func TestLoopClose(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		for name, end := range ends {
			for _, place := range []string{"fn", "waiting", "hanging"} {
				what := name + ", " + place
				entered, leave, closed := make(chan bool), make(chan bool), make(chan time.Duration, 1)
				closes := func(c *draftwire.Conn) {
					began := time.Now()
					end(c)
					closed <- time.Since(began)
				}
				p := loopWith(t, way, v, draftwire.Limits{}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
					switch string(p) {
					case "fn":
						closes(c)
					case "hanging":
						entered <- true
						<-leave
					case "behind":
						t.Errorf("%s: a message behind Close", what)
					case "waiting":
						c.Write(bg, op, p)
					}
					return nil
				})
				switch place {
				case "fn":
					send(t, p, texts(p.text, "fn", "behind"))
				case "waiting":
					send(t, p, p.text(place))
					want(t, p, p.echo(place))
					go closes(p.server)
				case "hanging":
					send(t, p, p.text(place))
					<-entered
					go closes(p.server)
				}
				if d := soon(t, what, closed); d >= draftwire.DefaultCloseTimeout {
					t.Errorf("%s took %v", what, d)
				}
				close(leave)
				p.farewell(t, name == "Close")
				p.Close()
				if err := p.end(t); !errors.Is(err, draftwire.ErrClosed) {
					t.Errorf("%s: the loop ended with %v", what, err)
				}
			}
		}
	})
}

func TestLoopClosedByPeer(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		p := loopWith(t, way, v, draftwire.Limits{}, answer1)
		send(t, p, texts(p.text, "1", "2"))
		if p.close != nil {
			send(t, p, p.close())
		} else {
			closeWrite(t, p.Conn)
		}
		want(t, p, append(texts(p.echo, "1", "2"), p.closed...))
		if _, err := io.Copy(io.Discard, p); err != nil {
			t.Error(err)
		}
		p.Close()
		if err := p.end(t); draftwire.CloseStatus(err) != heard(v, draftwire.CodeNormal, "").Code || errors.Is(err, draftwire.ErrClosed) {
			t.Errorf("the loop ended with %v", err)
		}
	})
}

// A server shuts down while loops wait, and while fn hangs.
func TestLoopShutdown(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		for _, hang := range []bool{false, true} {
			entered, leave := make(chan bool), make(chan bool)
			p := loopWith(t, way, v, draftwire.Limits{}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
				entered <- true
				<-leave
				return nil
			})
			if hang {
				send(t, p, p.text("hang"))
				<-entered
			}
			done := make(chan error, 1)
			go func() { done <- p.s.Shutdown(bg) }()
			p.farewell(t, true, func() { close(leave) })
			p.Close()
			if err := p.end(t); !errors.Is(err, draftwire.ErrClosed) {
				t.Errorf("the loop ended with %v", err)
			}
			if err := soon(t, "the shutdown's end", done); err != nil {
				t.Error(err)
			}
		}
	})
}

// Reading from within fn is an error, and the loop goes on.
func TestLoopReadsInside(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
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
		send(t, p, texts(p.text, "in", "behind", "in"))
		want(t, p, texts(p.echo, "in", "behind", "in"))
		send(t, p, texts(p.text, "in", "2"))
		want(t, p, texts(p.echo, "in", "2"))
	})
}

// fn panics, and nobody catches it but the server.
func TestLoopPanics(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		p := loopWith(t, way, v, draftwire.Limits{}, func(*draftwire.Conn, draftwire.Op, []byte) error { panic("oh") })
		send(t, p, texts(p.text, "a", "b"))
		if v == draftwire.RFC6455 { // before, there was no such code
			want(t, p, []byte{0x88, 2, 0x03, 0xF3})
			p.closed = nil // that was it
			send(t, p, p.close())
		}
		p.farewell(t, true)
		p.Close()
		if err := p.s.Shutdown(bg); err != nil || !strings.Contains(p.log.String(), "oh") {
			t.Errorf("%v, log %.40q", err, p.log)
		}
	})
}

// fn leaves by a panic or runtime.Goexit, and the handler loops again: the messages
// behind are there.
func TestLoopLeftOtherwise(t *testing.T) {
	for name, leave := range map[string]func(){"panic": func() { panic("oh") }, "Goexit": runtime.Goexit} {
		eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
			p := serveLoop(t, way, v, draftwire.Limits{}, func(ctx context.Context, c *draftwire.Conn) error {
				for range 2 {
					left := make(chan bool)
					go func() {
						defer close(left)
						defer func() { recover() }()
						c.ReadLoop(ctx, warmed(c, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
							c.Write(bg, op, p)
							if string(p) == "leave" {
								leave()
							}
							return nil
						}))
						t.Error("ReadLoop has returned")
					}()
					<-left
				}
				return c.ReadLoop(ctx, warmed(c, answer1))
			})
			for range 2 {
				send(t, p, texts(p.text, "a", "leave", "b"))
				want(t, p, texts(p.echo, "a", "leave", "b"))
				p.warm(t)
			}
			p.Close()
			if err := p.end(t); draftwire.CloseStatus(err) != abrupt(v) {
				t.Errorf("%s: then the loop ended with %v", name, err)
			}
		})
	}
}

// Pings in the midst of a burst are answered in their place.
func TestLoopPings(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		if !v.Supports(wire.CapPing) {
			return
		}
		p := loopWith(t, way, v, draftwire.Limits{}, answer1)
		send(t, p, p.ping())
		want(t, p, p.pong)
		for range 3 {
			send(t, p, bytes.Join([][]byte{p.text("a"), p.ping(), p.text("b"), p.text("c"), p.ping(), p.ping()}, nil))
			want(t, p, bytes.Join([][]byte{p.echo("a"), p.pong, p.echo("b"), p.echo("c"), p.pong, p.pong}, nil))
		}
	})
}

// A fault in the midst of a burst: what is in front of it is delivered, and the peer is
// told the right code.
func TestLoopFaults(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		type fault struct {
			name string
			is   []byte // nil where the connection's own client makes it
			code draftwire.CloseCode
		}
		faults := []fault{{"text", nil, draftwire.CodeInvalidData}, {"size", nil, draftwire.CodeTooBig}}
		if v >= draftwire.Hybi07 {
			faults = append(faults, fault{"opcode", frame(0x83, "x", true), draftwire.CodeProtocol}, fault{"no mask", frame(0x81, "x", false), draftwire.CodeProtocol})
		}
		for _, f := range faults {
			var got []string
			p := loopWith(t, way, v, draftwire.Limits{ReadLimit: 1000}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
				got = append(got, string(p))
				return c.Write(bg, op, p)
			})
			switch f.name {
			case "text":
				f.is = p.text("\xc3(")
			case "size":
				f.is = p.text(words(1001))
			}
			send(t, p, append(append(texts(p.text, "1", "2"), f.is...), p.text("3")...))
			want(t, p, texts(p.echo, "1", "2"))
			if v == draftwire.RFC6455 {
				head := make([]byte, 4)
				io.ReadFull(p, head)
				if head[0] != 0x88 || draftwire.CloseCode(head[2])<<8|draftwire.CloseCode(head[3]) != f.code {
					t.Errorf("%s: the peer was told %x", f.name, head)
				}
			} else {
				p.farewell(t, true)
			}
			p.Close()
			var pe *draftwire.ProtocolError
			if err := p.end(t); !errors.As(err, &pe) || pe.Code != f.code || strings.Join(got, " ") != "1 2" {
				t.Errorf("%s: %q, then %v", f.name, got, err)
			}
		}
	})
}
