package gateway_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// drivers runs a test with each driver of sessions: a loop, where the system has one, and
// goroutines.
func drivers(t *testing.T, f func(t *testing.T, o gateway.Options)) {
	t.Run("loop", func(t *testing.T) { f(t, gateway.Options{}) })
	t.Run("goroutines", func(t *testing.T) { f(t, gateway.Options{Dial: new(net.Dialer).DialContext}) })
}

// tcpBackend starts a real backend.
func tcpBackend(t *testing.T, f draftwire.HandlerFunc) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, open(draftwire.AllVersions), f)
	return l.Addr().String()
}

// serveOn serves until the test ends.
func serveOn(t *testing.T, l net.Listener, o draftwire.AcceptOptions, f draftwire.HandlerFunc) {
	s := &draftwire.Server{Options: o, WebSocket: f}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done; s.Shutdown(bg) })
}

// flood writes until it fails, and tells when it does or when nothing has been taken for a while.
func flood(c *draftwire.Conn) (stuck <-chan struct{}) {
	wrote, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(wrote)
		for m := []byte(strings.Repeat("x", 100_000)); c.Write(bg, draftwire.OpText, m) == nil; {
			wrote <- struct{}{}
		}
	}()
	go func() {
		quiet := time.NewTimer(time.Second)
		for {
			select {
			case _, ok := <-wrote:
				if !ok {
					close(told)
					return
				}
				quiet.Reset(time.Second)
			case <-quiet.C:
				close(told)
				for range wrote {
				}
				return
			}
		}
	}()
	return told
}

// Both sides of a session are not read, as the other one takes nothing, when the client
// is gone: the session ends.
func TestGoneWhileStuck(t *testing.T) {
	deaf := func(ctx context.Context, c *draftwire.Conn) error {
		for c.Write(ctx, draftwire.OpText, make([]byte, 1000)) == nil {
		}
		return nil
	}
	backends := map[string]draftwire.HandlerFunc{"echo": echo, "deaf": deaf}
	ends := map[string]func(nc net.Conn){
		"reset": func(nc net.Conn) { nc.(*net.TCPConn).SetLinger(0); nc.Close() },
		"half":  func(nc net.Conn) { nc.(*net.TCPConn).CloseWrite() },
		"none":  func(net.Conn) {},
	}
	for name, back := range backends {
		for how, end := range ends {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				drivers(t, func(t *testing.T, o gateway.Options) {
					t.Parallel()
					ended := make(chan string, 1)
					o.Hooks.Ended = func(s *gateway.Session, _ *draftwire.Conn) { by, err := s.By(); ended <- fmt.Sprint(by, " ", err) }
					cfg := tcp("ws://"+tcpBackend(t, back), "main")
					cfg.Limits.WriteTimeout, cfg.Limits.CloseTimeout = gateway.Duration(2*time.Second), gateway.Duration(time.Second)
					r := realGateway(t, cfg, o)
					nc, err := net.Dial("tcp", r.address("main"))
					if err != nil {
						t.Fatal(err)
					}
					defer nc.Close()
					c, _, err := draftwire.Dial(bg, "ws://main/", &draftwire.DialOptions{NetDial: func(context.Context, string, string) (net.Conn, error) { return nc, nil }})
					if err != nil {
						t.Fatal(err)
					}
					<-flood(c)
					began := time.Now()
					end(nc)
					select {
					case by := <-ended:
						t.Logf("ended after %v: %v", time.Since(began).Round(100*time.Millisecond), by)
					case <-time.After(15 * time.Second):
						t.Error("the session is still open")
					}
				})
			})
		}
	}
}
