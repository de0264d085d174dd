package nats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/hub/nats"
)

var bg = context.Background()

// newServer starts a server that has its messages in memory.
func newServer(t *testing.T, o nats.ServerOptions) *nats.Server {
	t.Helper()
	s, err := nats.StartServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func connect(t *testing.T, o nats.Options) *nats.Broker {
	t.Helper()
	b, err := nats.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	ctx, cancel := context.WithTimeout(bg, 30*time.Second)
	defer cancel()
	if err := b.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

// ear is a feed that remembers.
type ear struct {
	mu   sync.Mutex
	more sync.Cond
	got  []hub.Message
}

func newEar() *ear {
	e := &ear{}
	e.more.L = &e.mu
	return e
}

func (e *ear) feed(members int) hub.Feed {
	return hub.Feed{Members: func() int { return members }, Message: func(m hub.Message) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.got = append(e.got, m)
		e.more.Broadcast()
	}}
}

// hears waits for so many messages.
func (e *ear) hears(t *testing.T, n int) []hub.Message {
	t.Helper()
	return e.until(t, func(list []hub.Message) bool { return len(list) >= n })
}

// until waits until enough has come.
func (e *ear) until(t *testing.T, enough func([]hub.Message) bool) []hub.Message {
	t.Helper()
	late := false
	timer := time.AfterFunc(20*time.Second, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		late = true
		e.more.Broadcast()
	})
	defer timer.Stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	for !enough(e.got) {
		if late {
			t.Fatalf("only %d messages have come", len(e.got))
		}
		e.more.Wait()
	}
	return e.got
}

func text(list []hub.Message) string {
	var words []string
	for _, m := range list {
		words = append(words, fmt.Sprintf("%d:%v:%s", m.Seq, m.Op, m.Data))
	}
	return strings.Join(words, " ")
}

// Who has seen a member may publish for it: a member that still asks where its room is would not get the message.
func TestSeenAndHeard(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	a, b := connect(t, nats.Options{Server: s}), connect(t, nats.Options{Server: s})
	for i := range 100 {
		room, e := fmt.Sprintf("r%d", i), newEar()
		var subscribing sync.WaitGroup
		subscribing.Go(func() {
			if _, _, err := b.Subscribe(bg, room, e.feed(1)); err != nil {
				t.Error(err)
			}
		})
		for n := 0; n == 0; {
			var err error
			if n, err = a.Members(bg, room); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Publish(bg, room, draftwire.OpText, []byte("m")); err != nil {
			t.Fatal(err)
		}
		e.hears(t, 1)
		subscribing.Wait()
	}
}

// What one program publishes comes to all, in order and with the same numbers; who comes later reads it
// from the history.
func TestTwoPrograms(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	a, b := connect(t, nats.Options{Server: s}), connect(t, nats.Options{Server: s})
	e := newEar()
	at, cancel, err := b.Subscribe(bg, "lobby", e.feed(3))
	if err != nil || at.Epoch == 0 || at.Seq != 0 {
		t.Fatal(at, err)
	}
	for i, broker := range []*nats.Broker{a, b, a} {
		p, err := broker.Publish(bg, "lobby", []draftwire.Op{draftwire.OpText, draftwire.OpBinary}[i%2], fmt.Appendf(nil, "m%d", i))
		if want := (hub.Position{Epoch: at.Epoch, Seq: uint64(i + 1)}); p != want || err != nil {
			t.Fatalf("%v, %v, want %v", p, err, want)
		}
	}
	const want = "1:text:m0 2:binary:m1 3:text:m2"
	if got := text(e.hears(t, 3)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, c := range []struct {
		after hub.Position
		limit int
		want  string
	}{{hub.Position{}, 10, want}, {hub.Position{Epoch: at.Epoch, Seq: 1}, 10, "2:binary:m1 3:text:m2"}, {hub.Position{Epoch: at.Epoch, Seq: 1}, 1, "2:binary:m1"}, {hub.Position{Epoch: 7, Seq: 2}, 2, "1:text:m0 2:binary:m1"}, {hub.Position{Epoch: at.Epoch, Seq: 3}, 10, ""}} {
		list, err := a.History(bg, "lobby", c.after, c.limit)
		if got := text(list); got != c.want || err != nil {
			t.Errorf("behind %v: %s, %v, want %s", c.after, got, err, c.want)
		}
	}
	if _, cancel, err := a.Subscribe(bg, "lobby", newEar().feed(4)); err != nil {
		t.Error(err)
	} else {
		defer cancel()
	}
	if n, err := a.Members(bg, "lobby"); n != 7 || err != nil {
		t.Errorf("%d members, %v, want 7", n, err)
	}
	cancel()
	if _, err := a.Publish(bg, "lobby", draftwire.OpText, []byte("later")); err != nil {
		t.Error(err)
	}
	if got := len(e.hears(t, 3)); got != 3 {
		t.Errorf("%d messages after the end of the subscription", got)
	}
}

// Many publish at once from several programs: the numbers have no holes, and each message stands once.
func TestManyPublish(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	var brokers []*nats.Broker
	var ears []*ear
	for range 3 {
		b := connect(t, nats.Options{Server: s, History: 10})
		e := newEar()
		_, cancel, err := b.Subscribe(bg, "r", e.feed(1))
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		brokers, ears = append(brokers, b), append(ears, e)
	}
	const callers, each = 20, 50
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for k := range each {
				if _, err := brokers[i%3].Publish(bg, "r", draftwire.OpText, fmt.Appendf(nil, "%d.%d", i, k)); err != nil {
					t.Errorf("%d.%d: %v", i, k, err)
				}
			}
		})
	}
	wg.Wait()
	for _, e := range ears {
		seen := map[string]bool{}
		for i, m := range e.hears(t, callers*each) {
			if m.Seq != uint64(i+1) || seen[string(m.Data)] {
				t.Fatalf("message %d has the number %d: %s", i+1, m.Seq, m.Data)
			}
			seen[string(m.Data)] = true
		}
	}
}

func TestOptionsAreJudged(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	for _, c := range []struct {
		o    nats.Options
		want string
	}{
		{nats.Options{}, "a URL or a server"}, {nats.Options{URL: "nats://127.0.0.1:1", Server: s}, "not both"},
		{nats.Options{Server: s, Prefix: "a.b"}, "prefix"}, {nats.Options{Server: s, History: -1}, "negative"}, {nats.Options{Server: s, Bytes: 1000}, "at least"}, {nats.Options{URL: "nats://[x"}, "hub/nats"},
	} {
		if b, err := nats.Connect(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
			if err == nil {
				b.Close()
			}
		}
	}
	for _, c := range []struct {
		o    nats.ServerOptions
		want string
	}{{nats.ServerOptions{Routes: []string{"a:1"}}, "routes need"}, {nats.ServerOptions{Cluster: "127.0.0.1:1"}, "token"}, {nats.ServerOptions{Cluster: "x", Token: "t"}, "HOST:PORT"}, {nats.ServerOptions{Cluster: "127.0.0.1:7", Routes: []string{"y"}, Token: "t"}, "HOST:PORT"}, {nats.ServerOptions{Listen: "127.0.0.1:99"}, "token"}} {
		if s, err := nats.StartServer(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
			if err == nil {
				s.Close()
			}
		}
	}
}

// A broker that is not there lets nobody wait without end.
func TestAway(t *testing.T) {
	b, err := nats.Connect(nats.Options{URL: "nats://127.0.0.1:9", Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Publish(bg, "r", draftwire.OpText, []byte("x")); !errors.Is(err, nats.ErrAway) {
		t.Error(err)
	}
	if _, _, err := b.Subscribe(bg, "r", newEar().feed(1)); !errors.Is(err, nats.ErrAway) {
		t.Error(err)
	}
	if _, err := b.History(bg, "r", hub.Position{}, 1); !errors.Is(err, nats.ErrAway) {
		t.Error(err)
	}
	if _, err := b.Members(bg, "r"); !errors.Is(err, nats.ErrAway) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(bg, 50*time.Millisecond)
	defer cancel()
	if err := b.Wait(ctx); !errors.Is(err, nats.ErrAway) {
		t.Error(err)
	}
	if b.Connected() {
		t.Error("it says that it is connected")
	}
}

func TestTooLarge(t *testing.T) {
	b := connect(t, nats.Options{Server: newServer(t, nats.ServerOptions{})})
	if _, err := b.Publish(bg, "r", draftwire.OpText, make([]byte, 1<<20)); err != nil {
		t.Error(err)
	}
	if _, err := b.Publish(bg, "r", draftwire.OpText, make([]byte, 2<<20)); err != hub.ErrTooLarge {
		t.Error(err)
	}
}
