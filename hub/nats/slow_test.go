package nats

import (
	"context"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
)

// A program that is too slow for a moment for what comes, and to which nothing comes any more then, reads it
// from the stream soon.
func TestTooSlowForAMoment(t *testing.T) {
	s, err := StartServer(ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var both []*Broker
	for range 2 {
		b, err := Connect(Options{Server: s, History: 3000})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		both = append(both, b)
	}
	all := make(chan struct{})
	const n = 2500
	_, cancel, err := both[0].Subscribe(context.Background(), "r", hub.Feed{Members: func() int { return 1 }, Message: func(m hub.Message) {
		if m.Seq == n {
			close(all)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	both[0].mu.Lock()
	for range n {
		if _, err := both[1].Publish(context.Background(), "r", draftwire.OpText, []byte("x")); err != nil {
			t.Error(err)
		}
	}
	both[0].mu.Unlock()
	select {
	case <-all:
	case <-time.After(4 * time.Second):
		t.Error("it has not come")
	}
}
