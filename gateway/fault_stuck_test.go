package gateway_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// endsSoon waits for the end of a session, which has a cause.
func (w *world) endsSoon(within time.Duration) {
	w.t.Helper()
	select {
	case s := <-w.ends:
		if by, err := s.By(); by == gateway.NoSide || err == nil {
			w.t.Errorf("the session was ended by %q: %v", by, err)
		}
	case <-time.After(within):
		w.t.Errorf("the session is open after %v", within)
		<-w.ends
	}
}

// Both directions are blocked in a write, as a client sends to an echo and does not read.
// After the write timeout the session ends, and its end has a cause.
func TestBothWaysStuck(t *testing.T) {
	forVersions(t, func(t *testing.T, v draftwire.Version) {
		w := newWorld(t)
		s := accepts(w, "back:80", echo)
		cfg := to(gateway.Policy{Ping: -1}, backURL(v))
		cfg.Limits.WriteTimeout = gateway.Duration(2 * time.Second)
		w.start(cfg)
		c := w.mustClient(v, draftwire.DialOptions{})
		go func() {
			for m := []byte(strings.Repeat("x", 100_000)); c.Write(bg, draftwire.OpText, m) == nil; {
			}
		}()
		synctest.Wait()
		w.endsSoon(4 * time.Second)
		c.CloseNow()
		w.settled(s)
	})
}

// A client is cut while both directions are blocked in a write. What it holds is released at
// once if the echo goes on when it is read, and after the close timeout if the backend
// accepts nothing more.
func TestCutWhileStuck(t *testing.T) {
	deaf := func(ctx context.Context, c *draftwire.Conn) error {
		for c.Write(ctx, draftwire.OpText, make([]byte, 1000)) == nil {
		}
		return nil
	}
	cases := map[string]struct {
		f      func(context.Context, *draftwire.Conn) error
		within time.Duration
	}{
		"echo":              {echo, lastWords},
		"who reads nothing": {deaf, lastWords + draftwire.DefaultCloseTimeout},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			forVersions(t, func(t *testing.T, v draftwire.Version) {
				w := newWorld(t)
				s := accepts(w, "back:80", tc.f)
				w.start(to(gateway.Policy{Ping: -1}, backURL(v)))
				c := w.mustClient(v, draftwire.DialOptions{})
				go func() {
					for m := []byte(strings.Repeat("x", 100_000)); c.Write(bg, draftwire.OpText, m) == nil; {
					}
				}()
				synctest.Wait()
				c.CloseNow()
				w.endsSoon(tc.within)
				w.settled(s)
			})
		})
	}
}

const lastWords = time.Second + time.Millisecond

// A client has sent messages that its backend does not accept, so it is not read. When it
// resets, the gateway notices it all the same, and releases what it holds long before the
// write timeout.
func TestResetWhileBackendTakesNothing(t *testing.T) {
	back, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	srv := &draftwire.Server{Options: open(draftwire.AllVersions), WebSocket: func(context.Context, *draftwire.Conn) error { <-over; return nil }}
	var all sync.WaitGroup
	all.Go(func() { srv.Serve(back) })
	defer all.Wait()
	defer srv.Close()
	defer close(over)

	cfg := to(gateway.Policy{Ping: -1}, "ws://"+back.Addr().String())
	cfg.Listen[0].Address = "127.0.0.1:0"
	ends := make(chan *gateway.Session, 1)
	gw, err := gateway.New(cfg, gateway.Options{Hooks: gateway.Hooks{
		Ended: func(s *gateway.Session, _ *draftwire.Conn) { ends <- s },
	}})
	if err != nil {
		t.Fatal(err)
	}
	all.Go(func() { gw.Run(bg) })
	defer gw.Close()
	nc, err := net.Dial("tcp", gw.Status().Listeners[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(nc, head13("/", ""))
	readHead(bufio.NewReaderSize(nc, 16))
	for m := masked(0x82, make([]byte, 60_000)); err == nil; { // until all buffers are full
		nc.SetWriteDeadline(time.Now().Add(time.Second))
		_, err = nc.Write(m)
	}
	tcp := nc.(*net.TCPConn)
	tcp.SetLinger(0)
	tcp.Close()
	select {
	case s := <-ends:
		if by, err := s.By(); by != gateway.ClientSide || err == nil {
			t.Errorf("ended by %q: %v", by, err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the session is open")
	}
}
