package conn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

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
	if told = told && p.CloseAnswer != nil; told != (n > 0) || told && b[0] != p.CloseAnswer[0] {
		t.Errorf("the farewell begins with %x", b[:n])
	}
	for _, f := range began {
		f()
	}
	if n > 0 {
		p.Write(p.CloseFrame())
	}
	if _, err := io.Copy(io.Discard, p); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the stream does not end")
	}
}

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
				errs <- loopBy(way, ctx, c, warmed(c, func(_ *draftwire.Conn, _ draftwire.Op, p []byte) error {
					if string(p) == "now" {
						cancel()
					} else {
						time.AfterFunc(5*time.Millisecond, cancel)
					}
					return nil
				}))
			}
			errs <- loopBy(way, ctx, c, warmed(c, answer1))
			<-next
			for _, m := range []string{"after", "it"} {
				if _, b, err := c.Read(bg); string(b) != m {
					return fmt.Errorf("%q, %w", b, err)
				}
			}
			return loopBy(way, bg, c, warmed(c, answer1))
		})
		for i, m := range []string{"soon", "now"} {
			if i > 0 && isBusy(way) {
				p.warm(t)
			}
			wstest.Send(t, p, p.Text(m))
			if err := wstest.Soon(t, "the loop's end", errs); err != context.Canceled {
				t.Errorf("%s: the loop ended with %v", m, err)
			}
		}
		if err := wstest.Soon(t, "the loop's end", errs); err != context.Canceled {
			t.Errorf("with a context that had ended: %v", err)
		}
		close(next)
		wstest.Send(t, p, wstest.Texts(p.Text, "after", "it", "echo"))
		wstest.Want(t, p, p.Echo("echo"))
	})
}

// This side closes: from within fn, while the loop waits, and while fn hangs.
func TestLoopClose(t *testing.T) {
	eachLoop(t, []string{"quiet", "busy", "memory", "TLS"}, func(t *testing.T, v draftwire.Version, way string) {
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
					wstest.Send(t, p, wstest.Texts(p.Text, "fn", "behind"))
				case "waiting":
					wstest.Send(t, p, p.Text(place))
					wstest.Want(t, p, p.Echo(place))
					go closes(p.server)
				case "hanging":
					wstest.Send(t, p, p.Text(place))
					<-entered
					go closes(p.server)
				}
				if d := wstest.Soon(t, what, closed); d >= draftwire.DefaultCloseTimeout {
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
		wstest.Send(t, p, wstest.Texts(p.Text, "1", "2"))
		if p.CloseFrame != nil {
			wstest.Send(t, p, p.CloseFrame())
		} else {
			wstest.CloseWrite(t, p.Conn)
		}
		wstest.Want(t, p, append(wstest.Texts(p.Echo, "1", "2"), p.CloseAnswer...))
		if _, err := io.Copy(io.Discard, p); err != nil {
			t.Error(err)
		}
		p.Close()
		if err := p.end(t); draftwire.CloseStatus(err) != wstest.Heard(v, draftwire.CodeNormal, "").Code || errors.Is(err, draftwire.ErrClosed) {
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
				wstest.Send(t, p, p.Text("hang"))
				<-entered
			}
			done := make(chan error, 1)
			go func() { done <- p.s.Shutdown(bg) }()
			p.farewell(t, true, func() { close(leave) })
			p.Close()
			if err := p.end(t); !errors.Is(err, draftwire.ErrClosed) {
				t.Errorf("the loop ended with %v", err)
			}
			if err := wstest.Soon(t, "the shutdown's end", done); err != nil {
				t.Error(err)
			}
		}
	})
}

// fn panics, and nobody catches it but the server.
func TestLoopPanics(t *testing.T) {
	eachLoop(t, loopWays, func(t *testing.T, v draftwire.Version, way string) {
		p := loopWith(t, way, v, draftwire.Limits{}, func(*draftwire.Conn, draftwire.Op, []byte) error { panic("oh") })
		wstest.Send(t, p, wstest.Texts(p.Text, "a", "b"))
		if v == draftwire.RFC6455 { // before, there was no such code
			wstest.Want(t, p, []byte{0x88, 2, 0x03, 0xF3})
			p.CloseAnswer = nil // that was it
			wstest.Send(t, p, p.CloseFrame())
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
						loopBy(way, ctx, c, warmed(c, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
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
				return loopBy(way, ctx, c, warmed(c, answer1))
			})
			for range 2 {
				wstest.Send(t, p, wstest.Texts(p.Text, "a", "leave", "b"))
				wstest.Want(t, p, wstest.Texts(p.Echo, "a", "leave", "b"))
				p.warm(t)
			}
			p.Close()
			if err := p.end(t); draftwire.CloseStatus(err) != wstest.Abrupt(v) {
				t.Errorf("%s: then the loop ended with %v", name, err)
			}
		})
	}
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
			faults = append(faults, fault{"opcode", wstest.Frame(0x83, "x", true), draftwire.CodeProtocol}, fault{"no mask", wstest.Frame(0x81, "x", false), draftwire.CodeProtocol})
		}
		for _, f := range faults {
			var got []string
			p := loopWith(t, way, v, draftwire.Limits{ReadLimit: 1000}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
				got = append(got, string(p))
				return c.Write(bg, op, p)
			})
			switch f.name {
			case "text":
				f.is = p.Text("\xc3(")
			case "size":
				f.is = p.Text(wstest.Words(1001))
			}
			wstest.Send(t, p, append(append(wstest.Texts(p.Text, "1", "2"), f.is...), p.Text("3")...))
			wstest.Want(t, p, wstest.Texts(p.Echo, "1", "2"))
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

// A peer ends its stream directly behind a message: the end comes, though no news of
// it comes any more when the message is read.
func TestLoopEndBehindMessage(t *testing.T) {
	eachLoop(t, loopWays[:4], func(t *testing.T, v draftwire.Version, way string) {
		entered, leave := make(chan string, 2), make(chan struct{})
		p := loopWith(t, way, v, draftwire.Limits{}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
			entered <- string(p)
			<-leave
			return c.Write(bg, op, p)
		})
		wstest.Send(t, p, p.Text("first"))
		wstest.Soon(t, "the first", entered)
		wstest.Send(t, p, p.Text("last"))
		wstest.CloseWrite(t, p.Conn)
		close(leave)
		wstest.Want(t, p, wstest.Texts(p.Echo, "first", "last"))
		if err := p.end(t); draftwire.CloseStatus(err) != wstest.Abrupt(v) {
			t.Errorf("the loop ended with %v", err)
		}
	})
}

// The same where the peer resets the connection, and fn does not write.
func TestLoopResetBehindMessage(t *testing.T) {
	eachLoop(t, loopWays[:3], func(t *testing.T, v draftwire.Version, way string) {
		entered, leave := make(chan string, 2), make(chan struct{})
		p := loopWith(t, way, v, draftwire.Limits{}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
			entered <- string(p)
			<-leave
			return nil
		})
		wstest.Send(t, p, p.Text("first"))
		wstest.Soon(t, "the first", entered)
		wstest.Send(t, p, p.Text("last"))
		p.Conn.(*net.TCPConn).SetLinger(0)
		p.Close()
		close(leave)
		if err := p.end(t); draftwire.CloseStatus(err) != draftwire.CodeAbnormal {
			t.Errorf("the loop ended with %v", err)
		}
	})
}
