//go:build unix

package events_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// Read is called behind a part also where the close has come with it, on a loop and in a
// goroutine: what the program holds goes.
func TestReadBeforeClose(t *testing.T) {
	for name, wrap := range map[string]func(net.Listener) net.Listener{
		"loop":      func(l net.Listener) net.Listener { return l },
		"goroutine": func(l net.Listener) net.Listener { return struct{ net.Listener }{l} },
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var told []string
			note := func(what string) {
				mu.Lock()
				told = append(told, what)
				mu.Unlock()
			}
			ended := make(chan struct{}, 1)
			s := &draftwire.Server{Options: draftwire.AcceptOptions{Origins: []string{"*"}}, Events: &draftwire.Events{
				Part:   func(*draftwire.Conn, draftwire.Part) error { note("part"); return nil },
				Read:   func(*draftwire.Conn) error { note("read"); return nil },
				Closed: func(*draftwire.Conn, error) { note("closed"); ended <- struct{}{} },
			}}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- s.Serve(wrap(l)) }()
			defer func() { s.Close(); <-done; s.Shutdown(bg) }()
			var nc net.Conn
			c, _, err := draftwire.Dial(bg, "ws://"+l.Addr().String(), &draftwire.DialOptions{NetDial: func(ctx context.Context, network, at string) (net.Conn, error) {
				var err error
				nc, err = new(net.Dialer).DialContext(ctx, network, at)
				return nc, err
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			nc.Write([]byte("\x81\x82\x00\x00\x00\x00hi\x88\x80\x00\x00\x00\x00"))
			wstest.Soon(t, "Closed", ended)
			mu.Lock()
			defer mu.Unlock()
			if want := []string{"part", "read", "closed"}; !slices.Equal(told, want) {
				t.Errorf("told of %v, want %v", told, want)
			}
		})
	}
}
