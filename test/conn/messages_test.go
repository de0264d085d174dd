package conn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// messagesWays are the states that Messages reads in.
var messagesWays = []string{"quiet", "Messages", "memory", "TLS"}

// bodyWith opens a connection whose handler is Messages with fn as its body.
func bodyWith(t *testing.T, way string, v draftwire.Version, lim draftwire.Limits, fn loopFunc) *looped {
	t.Helper()
	return serveLoop(t, way, v, lim, func(ctx context.Context, c *draftwire.Conn) error {
		return loopBy("Messages", ctx, c, warmed(c, fn))
	})
}

// inPoller reports whether the body is called by the runtime's poller, as the tests with a busy
// connection want it.
func inPoller() bool { return bytes.Contains(debug.Stack(), []byte("RawRead")) }

// The body reads in every way, what has come and what comes later, in whatever state the
// connection is, and the loop goes on behind that.
func TestMessagesReadsInside(t *testing.T) {
	eachLoop(t, messagesWays, func(t *testing.T, v draftwire.Version, way string) {
		for name, next := range readOns {
			inside := make(chan bool, 1)
			p := bodyWith(t, way, v, draftwire.Limits{}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
				if string(p) != "in" {
					return c.Write(bg, op, p)
				}
				inside <- inPoller()
				for range 3 {
					got, err := next(bg, c)
					if err != nil {
						return err
					}
					if err := c.Write(bg, op, []byte(name+" "+got)); err != nil {
						return err
					}
				}
				return nil
			})
			long := wstest.Words(100_000)
			for _, together := range []bool{true, false} {
				if isBusy(way) {
					p.warm(t)
				}
				in := [][]byte{p.Text("in"), p.Text("1"), p.Text(""), p.Text(long), wstest.Texts(p.Text, "4", "5")}
				want := wstest.Texts(p.Echo, name+" 1", name+" ", name+" "+long, "4", "5")
				if together {
					go p.Write(bytes.Join(in, nil))
				} else {
					go func() {
						for _, m := range in {
							time.Sleep(2 * time.Millisecond)
							p.Write(m)
						}
					}()
				}
				wstest.Want(t, p, want)
				if got := <-inside; got != isBusy(way) {
					t.Errorf("%s: within the poller: %v", name, got)
				}
			}
		}
	})
}

// What ends a read of the body: its context, the idle timeout, another goroutine, the peer. The
// loop sees the end too, where it is one.
func TestMessagesEndsInside(t *testing.T) {
	for name, want := range map[string]struct {
		is   error
		code draftwire.CloseCode
	}{
		"context": {is: context.DeadlineExceeded}, "idle": {code: draftwire.CodeAbnormal}, "CloseNow": {is: draftwire.ErrClosed},
		"Close": {is: draftwire.ErrClosed}, "peer": {code: draftwire.CodeNormal}, "reset": {code: draftwire.CodeAbnormal},
	} {
		eachLoop(t, []string{"quiet", "Messages"}, func(t *testing.T, v draftwire.Version, way string) {
			if v != draftwire.RFC6455 {
				return
			}
			lim := draftwire.Limits{CloseTimeout: 500 * time.Millisecond}
			if name == "idle" {
				lim.IdleTimeout = 300 * time.Millisecond
			}
			read := make(chan error, 1)
			p := bodyWith(t, way, v, lim, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
				if string(p) != "in" {
					return c.Write(bg, op, p)
				}
				if isBusy(way) != inPoller() {
					t.Errorf("%s: within the poller: %v", name, inPoller())
				}
				ctx, cancel := context.WithTimeout(bg, 100*time.Millisecond)
				if name != "context" {
					ctx = bg
				}
				defer cancel()
				_, _, err := c.Read(ctx)
				read <- err
				return nil
			})
			wstest.Send(t, p, p.Text("in"))
			time.Sleep(20 * time.Millisecond)
			switch name {
			case "CloseNow":
				p.server.CloseNow()
			case "Close":
				go p.server.Close(draftwire.CodeNormal, "")
			case "peer":
				wstest.Send(t, p, p.CloseFrame())
			case "reset":
				p.Close()
			}
			err := wstest.Soon(t, name, read)
			if want.is != nil && !errors.Is(err, want.is) || want.code != 0 && draftwire.CloseStatus(err) != want.code {
				t.Errorf("%s: the read ended with %v", name, err)
			}
			if name == "context" { // that was not the connection's end
				wstest.Send(t, p, p.Text("on"))
				wstest.Want(t, p, p.Echo("on"))
				p.Close()
			}
			if name != "reset" {
				io.Copy(io.Discard, p)
				p.Close()
			}
			if err := p.end(t); name != "context" && (want.is != nil && !errors.Is(err, want.is) || want.code != 0 && draftwire.CloseStatus(err) != want.code) {
				t.Errorf("%s: the loop ended with %v", name, err)
			}
		})
	}
}

// Close waits for the peer's answer, wherever it is called, and the loop ends.
func TestMessagesClose(t *testing.T) {
	eachLoop(t, messagesWays, func(t *testing.T, v draftwire.Version, way string) {
		for name, end := range ends {
			for _, place := range []string{"body", "waiting", "hanging"} {
				what := name + ", " + place
				entered, leave, closed := make(chan bool), make(chan bool), make(chan error, 1)
				p := bodyWith(t, way, v, draftwire.Limits{}, func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
					switch string(p) {
					case "body":
						closed <- end(c)
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
				case "body":
					wstest.Send(t, p, wstest.Texts(p.Text, "body", "behind"))
				case "waiting":
					wstest.Send(t, p, p.Text(place))
					wstest.Want(t, p, p.Echo(place))
					go func() { closed <- end(p.server) }()
				case "hanging":
					wstest.Send(t, p, p.Text(place))
					<-entered
					go func() { closed <- end(p.server) }()
				}
				// The peer is told while the body hangs.
				told := make([]byte, 1)
				n, _ := io.ReadFull(p, told)
				if heard := name == "Close" && p.CloseAnswer != nil; heard != (n > 0) {
					t.Errorf("%s: the peer is told %x", what, told[:n])
				}
				if n > 0 {
					p.Write(p.CloseFrame())
				}
				if err := wstest.Soon(t, what, closed); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				close(leave)
				io.Copy(io.Discard, p)
				p.Close()
				if err := p.end(t); !errors.Is(err, draftwire.ErrClosed) {
					t.Errorf("%s: the loop ended with %v", what, err)
				}
			}
		}
	})
}

// A client that closes from the body of a busy loop is not held up.
func TestMessagesClientCloses(t *testing.T) {
	eachLoop(t, []string{"socket", "memory"}, func(t *testing.T, v draftwire.Version, way string) {
		c := loopPair(t, way, v, draftwire.Compression{}, wstest.Echo)
		go func() {
			for i := range wstest.BusyMessages {
				c.Write(bg, draftwire.OpText, fmt.Append(nil, i))
			}
		}()
		n := 0
		var began time.Time
		for _, err := range c.Messages(bg) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == wstest.BusyMessages {
				began = time.Now()
				if err := c.Close(4001, ""); err != nil {
					t.Error(err)
				}
				break
			}
		}
		if d := time.Since(began); d >= time.Second || n != wstest.BusyMessages {
			t.Errorf("after %d messages, Close took %v", n, d)
		}
	})
}
