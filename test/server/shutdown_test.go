package server_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// Shutdown says farewell in each version's way, ends unfinished handshakes, and
// waits for the handlers.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var returned atomic.Int32
		s := &draftwire.Server{Options: wstest.Options(), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			defer returned.Add(1)
			return wstest.Echo(ctx, c)
		}}
		l := wstest.Serve(t, s)
		type end struct {
			v   draftwire.Version
			err error
		}
		ends := make(chan end)
		for _, v := range draftwire.ServedVersions().List() {
			c := wstest.Dial(t, l, v, draftwire.DialOptions{})
			go func() {
				_, _, err := c.Read(bg)
				ends <- end{v, err}
			}()
		}
		half, _ := l.Dial()
		io.WriteString(half, "GET / HT")
		synctest.Wait()
		done := make(chan error)
		go func() { done <- s.Shutdown(bg) }()
		for range draftwire.ServedVersions().Len() {
			e := <-ends
			if want := wstest.Heard(e.v, draftwire.CodeGoingAway, "").Code; draftwire.CloseStatus(e.err) != want {
				t.Errorf("%s was told %v", e.v, e.err)
			}
		}
		if err := <-done; err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if n := returned.Load(); int(n) != draftwire.ServedVersions().Len() {
			t.Errorf("%d handlers have returned", n)
		}
		if p, err := io.ReadAll(half); err != nil || len(p) > 0 {
			t.Errorf("the unfinished handshake got %q, %v", p, err)
		}
		if _, err := l.Dial(); err == nil {
			t.Error("still listening")
		}
	})
}

// A handler that does not return and a peer that does not answer are cut when
// the context ends.
func TestShutdownCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := &draftwire.Server{Options: wstest.Options(), WebSocket: func(context.Context, *draftwire.Conn) error {
			<-release
			return nil
		}}
		l := wstest.Serve(t, s)
		wstest.Dial(t, l, draftwire.RFC6455, draftwire.DialOptions{})
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		close(release)
	})
}

// A connection whose 101 is on its way when the shutdown begins still hears the
// farewell.
func TestShutdownDuringHandshake(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			s := &draftwire.Server{WebSocket: wstest.Echo, Options: wstest.Options()}
			l := wstest.Serve(t, s)
			c := wstest.Dial(t, l, draftwire.RFC6455, draftwire.DialOptions{})
			go s.Shutdown(bg)
			if _, _, err := c.Read(bg); draftwire.CloseStatus(err) != draftwire.CodeGoingAway {
				t.Fatalf("the client was told %v", err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // with the eight bytes still to come
		s := &draftwire.Server{WebSocket: wstest.Echo, Options: wstest.Options()}
		l := wstest.Serve(t, s)
		nc, _ := l.Dial()
		defer nc.Close()
		wstest.Send(t, nc, []byte(wstest.Head(draftwire.Hixie76)))
		wstest.ReadHead(t, nc)
		go s.Shutdown(bg)
		synctest.Wait()
		wstest.Send(t, nc, []byte(wstest.Key3))
		wstest.Want(t, nc, []byte(wstest.Key3Answer+"\xff\x00"))
	})
}
