package server_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// Counts follows connections from the first byte to the end.
func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &draftwire.Server{Options: wstest.Options(), WebSocket: wstest.Echo}
		expect := func(pending, open int) {
			t.Helper()
			synctest.Wait()
			if got := s.Counts(); got != (draftwire.ServerCounts{Pending: pending, Open: open}) {
				t.Errorf("counts %+v, want %d pending, %d open", got, pending, open)
			}
		}
		expect(0, 0)
		l := wstest.Serve(t, s)
		expect(0, 0)
		nc, _ := l.Dial()
		expect(1, 0)
		c := wstest.Dial(t, l, draftwire.Hixie76, draftwire.DialOptions{})
		expect(1, 1)
		nc.Close()
		expect(0, 1)
		c.Close(draftwire.CodeNormal, "")
		<-time.After(5 * time.Second) // its client does not end the stream at once
		expect(0, 0)
	})
}

// Counts may be asked at any time, of a server that does not serve yet too.
func TestCountsBeforeServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &draftwire.Server{WebSocket: wstest.Echo, Options: wstest.Options()}
		done := make(chan draftwire.ServerCounts)
		go func() { done <- s.Counts() }()
		l := wstest.Serve(t, s)
		if n := <-done; n.Open != 0 || n.Pending != 0 {
			t.Errorf("%+v", n)
		}
		wstest.Dial(t, l, draftwire.RFC6455, draftwire.DialOptions{})
		synctest.Wait()
		if n := s.Counts(); n.Open != 1 || n.Pending != 0 {
			t.Errorf("%+v", n)
		}
	})
}
