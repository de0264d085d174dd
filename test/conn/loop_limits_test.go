package conn_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
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
				wstest.Send(t, p, p.Text("slow"))
				wstest.Want(t, p, p.Echo("slow"))
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
	eachLoop(t, loopWays[:4], func(t *testing.T, v draftwire.Version, way string) {
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
			m := wstest.Texts(p.Text, wstest.Words(900), wstest.Words(12_000), wstest.Words(3))
			var err error
			for err == nil {
				_, err = p.Write(m)
			}
			wrote <- err
		}()
		if err := wstest.Soon(t, "the failure", failed); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %v", err)
		}
		if err := p.end(t); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the loop ended with %v", err)
		}
		p.Close()
		<-wrote
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
				flood := bytes.Repeat(p.Text(wstest.Words(100)), 10_000)
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

// A peer that does not read before its own writes are stuck: nothing is lost, though
// the socket takes the answers in parts.
func TestLoopStuckPeer(t *testing.T) {
	eachLoop(t, []string{"quiet", "busy", "Messages"}, func(t *testing.T, v draftwire.Version, way string) {
		p := loopWith(t, way, v, draftwire.Limits{}, answer1)
		p.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
		var in, out []byte
		size := 1 << 20
		if v == draftwire.RFC6455 {
			size = 5 << 20
		}
		for i := 0; len(in) < size; i++ {
			m := wstest.Words(i * 37 % []int{100, 3000, 9000, 40_000}[i/50%4])
			in, out = append(in, p.Text(m)...), append(out, p.Echo(m)...)
		}
		p.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		n, _ := p.Write(in)
		p.SetWriteDeadline(time.Now().Add(wstest.Patience))
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
