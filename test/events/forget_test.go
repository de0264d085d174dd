//go:build unix

package events_test

import (
	"context"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
)

// Nothing holds the functions of a connection that was dialled when it has ended.
func TestDialledForgotten(t *testing.T) {
	s := &draftwire.Server{Options: draftwire.AcceptOptions{Origins: []string{"*"}}, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		_, _, err := c.Read(ctx)
		return err
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	defer func() { s.Close(); <-done; s.Shutdown(bg) }()
	forgotten := make(chan struct{})
	func() {
		large := new([1 << 20]byte)
		runtime.AddCleanup(large, func(int) { close(forgotten) }, 0)
		e := &draftwire.Events{Message: func(*draftwire.Conn, draftwire.Op, []byte) error { large[0]++; return nil }}
		c, _, err := draftwire.Dial(bg, "ws://"+l.Addr().String(), &draftwire.DialOptions{Events: e})
		if err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
	}()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		runtime.GC()
		select {
		case <-forgotten:
			return
		default:
		}
	}
	t.Error("the functions are still held")
}
