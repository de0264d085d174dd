package nats_test

import (
	"context"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/hub/nats"
)

// A server that keeps its messages in memory has forgotten them when it comes back: the rooms go on in
// another epoch, which members are told of.
func TestServerForgets(t *testing.T) {
	port := freePort(t)
	serve := func() *nats.Server {
		s, err := nats.StartServer(nats.ServerOptions{Listen: port, Token: "t"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := serve()
	defer func() { s.Close() }()
	b := connect(t, nats.Options{URL: "nats://t@" + port})
	e := newEar()
	at, cancel, err := b.Subscribe(bg, "r", e.feed(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	if _, err := b.Publish(bg, "r", draftwire.OpText, []byte("before")); err != nil {
		t.Fatal(err)
	}
	e.hears(t, 1)
	s.Close()
	s = serve()
	var later hub.Position
	for limit := time.Now().Add(20 * time.Second); ; {
		if later, err = b.Publish(bg, "r", draftwire.OpText, []byte("after")); err == nil {
			break
		}
		if time.Now().After(limit) {
			t.Fatal(err)
		}
	}
	got := e.hears(t, 2)
	if got[1].Position != later || later.Epoch == at.Epoch || string(got[1].Data) != "after" {
		t.Errorf("%v, published as %v, before %v", got[1], later, at)
	}
	list, err := b.History(bg, "r", hub.Position{Epoch: at.Epoch, Seq: 1}, 10)
	if err != nil || len(list) != 1 || list[0].Position != later {
		t.Errorf("%v, %v", list, err)
	}
}

// What is too old is not in the history, though the stream keeps it for the number of the next message.
func TestAge(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	b := connect(t, nats.Options{Server: s, Age: 200 * time.Millisecond})
	p, err := b.Publish(bg, "r", draftwire.OpText, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(10 * time.Second); ; {
		list, err := b.History(bg, "r", hub.Position{}, 10)
		if err == nil && len(list) == 0 {
			break
		}
		if time.Now().After(limit) {
			t.Fatal(list, err)
		}
		<-time.After(20 * time.Millisecond)
	}
	if next, err := b.Publish(bg, "r", draftwire.OpText, []byte("y")); err != nil || next.Epoch != p.Epoch || next.Seq != p.Seq+1 {
		t.Errorf("%v, %v, behind %v", next, err, p)
	}
}

// Close ends what waits.
func TestCloseEndsWhatWaits(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	b := connect(t, nats.Options{Server: s})
	other := connect(t, nats.Options{Server: s})
	leads := make(chan struct{})
	ctx, stop := context.WithCancel(bg)
	defer stop()
	go other.Lead(ctx, "n", func(ctx context.Context) error {
		close(leads)
		<-ctx.Done()
		return nil
	})
	<-leads
	ended := make(chan error)
	go func() { ended <- b.Lead(bg, "n", func(context.Context) error { return nil }) }()
	if _, _, err := b.Subscribe(bg, "r", newEar().feed(1)); err != nil {
		t.Error(err)
	}
	b.Close()
	if err := <-ended; err == nil {
		t.Error("it has led")
	}
	if _, err := b.Publish(bg, "r", draftwire.OpText, nil); err != hub.ErrClosed {
		t.Error(err)
	}
	if _, _, err := b.Subscribe(bg, "r", newEar().feed(1)); err == nil {
		t.Error("a subscription of a closed broker")
	}
}

// Close ends subscriptions that are still waiting for the broker, which stalls, and many wait no longer than one.
func TestManyWaitForOneTime(t *testing.T) {
	port := freePort(t)
	newServer(t, nats.ServerOptions{Listen: port, Token: "t"})
	w := newWay(t, port)
	b := connect(t, nats.Options{URL: "nats://t@" + w.addr(), Timeout: time.Second})
	w.set(true, false)
	began := time.Now()
	errs := make(chan error)
	for range 20 {
		go func() {
			_, _, err := b.Subscribe(bg, "r", newEar().feed(1))
			errs <- err
		}()
	}
	for range 20 {
		if err := <-errs; err == nil {
			t.Error("a subscription without an answer")
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("all together waited %v", took)
	}
	go b.Subscribe(bg, "r", newEar().feed(1))
	b.Close()
}
