package nats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/hub/nats"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// raw connects another program to a server, which may do what it likes.
func raw(t *testing.T, port string) (*natsgo.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := natsgo.Connect("nats://t@" + port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// on starts a server that others may connect to.
func on(t *testing.T, port string) *nats.Server {
	return newServer(t, nats.ServerOptions{Listen: port, Token: "t"})
}

func say(t *testing.T, b *nats.Broker, room, what string) hub.Position {
	t.Helper()
	ctx, cancel := context.WithTimeout(bg, 20*time.Second)
	defer cancel()
	for {
		at, err := b.Publish(ctx, room, draftwire.OpText, []byte(what))
		if err == nil {
			return at
		}
		if ctx.Err() != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// A program that has published in a room, and joins it later, begins where the room is, not where its own last
// message is.
func TestSubscribeBeginsAtTheLast(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	a, b := connect(t, nats.Options{Server: s}), connect(t, nats.Options{Server: s})
	say(t, a, "r", "1")
	say(t, b, "r", "2")
	last := say(t, b, "r", "3")
	e := newEar()
	at, cancel, err := a.Subscribe(bg, "r", e.feed(1))
	if err != nil || at != last {
		t.Errorf("%v, %v, want %v", at, err, last)
	}
	defer cancel()
	say(t, b, "r", "4")
	if got := text(e.hears(t, 1)); got != "4:text:4" {
		t.Error(got)
	}
}

// Two programs know a room's last message of a server that forgets everything: they go on in one epoch, also if
// the numbers of the new stream were those of the old one.
func TestEpochsDoNotMix(t *testing.T) {
	port := freePort(t)
	s := on(t, port)
	a, b := connect(t, nats.Options{URL: "nats://t@" + port}), connect(t, nats.Options{URL: "nats://t@" + port})
	old := say(t, a, "r", "before")
	s.Close()
	on(t, port)
	first := say(t, b, "r", "1")
	second := say(t, a, "r", "2")
	if first.Epoch == old.Epoch || second != (hub.Position{Epoch: first.Epoch, Seq: first.Seq + 1}) {
		t.Errorf("before %v, then %v and %v", old, first, second)
	}
}

// What another program writes where a room is, does not end the room.
func TestGarbage(t *testing.T) {
	port := freePort(t)
	on(t, port)
	_, js := raw(t, port)
	a, b := connect(t, nats.Options{URL: "nats://t@" + port}), connect(t, nats.Options{URL: "nats://t@" + port})
	e := newEar()
	_, cancel, err := b.Subscribe(bg, "r", e.feed(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	first := say(t, a, "r", "1")
	huge := append([]byte{1}, make([]byte, 24)...)
	huge[8] = 1
	huge = append(huge, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0)
	for i, p := range [][]byte{[]byte("garbage"), nil, huge, {1}} {
		if _, err := js.Publish(bg, "draftwire.room.cg", p); err != nil {
			t.Fatal(err)
		}
		for _, x := range []*nats.Broker{a, b} {
			if _, _, err := x.Subscribe(bg, "r", newEar().feed(1)); err != nil {
				t.Fatal(i, err)
			}
		}
		if _, err := js.Publish(bg, "draftwire.room.cg", p); err != nil {
			t.Fatal(err)
		}
		if at := say(t, a, "r", "x"); at != (hub.Position{Epoch: first.Epoch, Seq: uint64(i + 2)}) {
			t.Errorf("%v behind %v", at, first)
		}
	}
	e.hears(t, 5)
	if _, err := js.Publish(bg, "draftwire.room.bmV3", []byte("garbage")); err != nil {
		t.Fatal(err)
	}
	if at := say(t, a, "new", "x"); at.Seq != 1 {
		t.Errorf("a room of garbage begins with %v", at)
	}
}

// Why nothing is published is said: here another program has made the stream in memory, and this one asks for disks.
func TestReasons(t *testing.T) {
	port := freePort(t)
	on(t, port)
	connect(t, nats.Options{URL: "nats://t@" + port})
	b, err := nats.Connect(nats.Options{URL: "nats://t@" + port, Disk: true, Timeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	wrong, err := nats.Connect(nats.Options{URL: "nats://wrong@" + port, Timeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	for want, b := range map[string]*nats.Broker{"storage": b, "uthorization": wrong} {
		ctx, cancel := context.WithTimeout(bg, 2*time.Second)
		defer cancel()
		_, err := b.Publish(bg, "r", draftwire.OpText, nil)
		_, _, err2 := b.Subscribe(bg, "r", newEar().feed(1))
		_, err3 := b.Members(bg, "r")
		for i, err := range []error{b.Wait(ctx), err, err2, err3} {
			if i == 3 && want == "storage" {
				continue // which needs no stream
			}
			if !errors.Is(err, nats.ErrAway) || !strings.Contains(err.Error(), want) {
				t.Errorf("%d: %v, want %s", i, err, want)
			}
		}
	}
}

// A server that takes the token no longer, and then again, is not given up.
func TestRefusedForAWhile(t *testing.T) {
	port := freePort(t)
	s := on(t, port)
	b := connect(t, nats.Options{URL: "nats://t@" + port})
	s.Close()
	other := newServer(t, nats.ServerOptions{Listen: port, Token: "other"})
	<-time.After(2 * time.Second) // in which it tries several times
	other.Close()
	on(t, port)
	say(t, b, "r", "x")
}

// An operator deletes the stream and the table while the programs are connected.
func TestDeletedBelow(t *testing.T) {
	port := freePort(t)
	on(t, port)
	_, js := raw(t, port)
	b := connect(t, nats.Options{URL: "nats://t@" + port, Disk: true})
	lead := func(name string) {
		ctx, cancel := context.WithTimeout(bg, 30*time.Second)
		defer cancel()
		led := false
		if err := b.Lead(ctx, name, func(context.Context) error { led = true; return nil }); err != nil || !led {
			t.Errorf("%s: %v", name, err)
		}
	}
	e := newEar()
	if _, _, err := b.Subscribe(bg, "r", e.feed(1)); err != nil {
		t.Fatal(err)
	}
	say(t, b, "r", "1")
	lead("n")
	if err := js.DeleteStream(bg, "draftwire-rooms"); err != nil {
		t.Fatal(err)
	}
	say(t, b, "r", "2")
	e.hears(t, 2)
	if err := js.DeleteKeyValue(bg, "draftwire-table"); err != nil {
		t.Fatal(err)
	}
	<-time.After(6 * time.Second) // until the seat is lost
	lead("m")
}

// A table that is kept in memory is gone when its server ends: whoever makes it anew leads no sooner than those
// that led before have stopped.
func TestForgottenTableHasNoTwoLeaders(t *testing.T) {
	port := freePort(t)
	s := on(t, port)
	w := newWay(t, port)
	a, b := connect(t, nats.Options{URL: "nats://t@" + w.addr()}), connect(t, nats.Options{URL: "nats://t@" + port})
	var leading atomic.Int32
	leads, ended := make(chan struct{}), make(chan struct{})
	ctx, stop := context.WithCancel(bg)
	go func() {
		defer close(ended)
		a.Lead(ctx, "n", func(ctx context.Context) error {
			leading.Add(1)
			close(leads)
			<-ctx.Done()
			leading.Add(-1)
			return nil
		})
	}()
	<-leads
	w.set(true, false)
	s.Close()
	on(t, port)
	limit, cancel := context.WithTimeout(bg, 30*time.Second)
	defer cancel()
	if err := b.Lead(limit, "n", func(context.Context) error {
		if leading.Load() > 0 {
			t.Error("two lead")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	w.set(false, true)
	stop()
	<-ended
}

// Who gives up while an answer is missing does not hold the name for ever.
func TestGivesUpWhileItAsks(t *testing.T) {
	port := freePort(t)
	on(t, port)
	w := newWay(t, port)
	a, b := connect(t, nats.Options{URL: "nats://t@" + w.addr(), Disk: true, Timeout: time.Second}), connect(t, nats.Options{URL: "nats://t@" + port, Disk: true})
	nop := func(context.Context) error { return nil }
	if err := a.Lead(bg, "seat", nop); err != nil { // so that it has a seat
		t.Fatal(err)
	}
	for i := range 8 {
		ctx, cancel := context.WithCancel(bg)
		w.mute(true) // answers do not come
		done := make(chan error)
		go func() { done <- a.Lead(ctx, fmt.Sprint("n", i), nop) }()
		<-time.After(time.Duration(i) * 20 * time.Millisecond)
		cancel()
		<-done
		w.mute(false)
		limit, cancel := context.WithTimeout(bg, 5*time.Second)
		if err := b.Lead(limit, fmt.Sprint("n", i), nop); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		cancel()
	}
}

// Whoever closes a broker has its leaders stop before another one leads.
func TestCloseStopsLeadersFirst(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	a, b := connect(t, nats.Options{Server: s}), connect(t, nats.Options{Server: s})
	var leading atomic.Int32
	leads := make(chan struct{})
	go a.Lead(bg, "n", func(ctx context.Context) error {
		leading.Add(1)
		close(leads)
		<-ctx.Done()
		<-time.After(2500 * time.Millisecond) // which the end takes
		leading.Add(-1)
		return nil
	})
	<-leads
	led := make(chan error)
	go func() {
		led <- b.Lead(bg, "n", func(context.Context) error {
			if leading.Load() > 0 {
				t.Error("two lead")
			}
			return nil
		})
	}()
	<-time.After(500 * time.Millisecond)
	a.Close()
	if err := <-led; err != nil {
		t.Error(err)
	}
}

// Many rooms whose last messages are long: after an interruption all hear what was said meanwhile, soon.
func TestManyLongRoomsComeBack(t *testing.T) {
	port := freePort(t)
	on(t, port)
	w := newWay(t, port)
	a, b := connect(t, nats.Options{URL: "nats://t@" + w.addr()}), connect(t, nats.Options{URL: "nats://t@" + port})
	const rooms = 150
	var ears []*ear
	for i := range rooms {
		e := newEar()
		if _, _, err := a.Subscribe(bg, fmt.Sprint(i), e.feed(1)); err != nil {
			t.Fatal(err)
		}
		ears = append(ears, e)
	}
	w.set(false, true)
	for i := range rooms {
		say(t, b, fmt.Sprint(i), strings.Repeat("x", 60_000))
	}
	began := time.Now()
	w.set(false, false)
	for _, e := range ears {
		e.hears(t, 1)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
}

// What cannot start says why.
func TestServerReasons(t *testing.T) {
	began := time.Now()
	if s, err := nats.StartServer(nats.ServerOptions{Dir: "/dev/null/x"}); err == nil {
		s.Close()
		t.Error("a server without a folder")
	} else if !strings.Contains(err.Error(), "/dev/null") || time.Since(began) > 5*time.Second {
		t.Error(err, time.Since(began))
	}
	port := freePort(t)
	on(t, port)
	began = time.Now()
	if s, err := nats.StartServer(nats.ServerOptions{Listen: port, Token: "t"}); err == nil {
		s.Close()
		t.Error("two servers on a port")
	} else if !strings.Contains(err.Error(), port) || time.Since(began) > 5*time.Second {
		t.Error(err, time.Since(began))
	}
}

// A room whose messages are many and long is told completely after an interruption.
func TestLongRoomComesBack(t *testing.T) {
	port := freePort(t)
	on(t, port)
	w := newWay(t, port)
	a, b := connect(t, nats.Options{URL: "nats://t@" + w.addr()}), connect(t, nats.Options{URL: "nats://t@" + port})
	e := newEar()
	if _, _, err := a.Subscribe(bg, "r", e.feed(1)); err != nil {
		t.Fatal(err)
	}
	w.set(false, true)
	const n = 90
	for range n {
		say(t, b, "r", strings.Repeat("x", 60_000))
	}
	w.set(false, false)
	for i, m := range e.hears(t, n) {
		if m.Seq != uint64(i+1) {
			t.Fatalf("message %d has the number %d", i+1, m.Seq)
		}
	}
	if list, err := a.History(bg, "r", hub.Position{}, 1000); len(list) != n || err != nil {
		t.Errorf("%d messages, %v", len(list), err)
	}
}

// Programs with other options change what the stream keeps, and not on how many servers it is.
func TestOtherOptions(t *testing.T) {
	port := freePort(t)
	on(t, port)
	_, js := raw(t, port)
	a := connect(t, nats.Options{URL: "nats://t@" + port, History: 1, Age: time.Minute})
	for i := range 5 {
		say(t, a, "r", fmt.Sprint(i))
	}
	if list, err := a.History(bg, "r", hub.Position{}, 10); err != nil || text(list) != "5:text:4" {
		t.Error(text(list), err)
	}
	b := connect(t, nats.Options{URL: "nats://t@" + port, History: 1000})
	if list, err := b.History(bg, "r", hub.Position{}, 10); err != nil || len(list) != 5 {
		t.Error(text(list), err)
	}
	s, err := js.Stream(bg, "draftwire-rooms")
	if err != nil {
		t.Fatal(err)
	}
	if c := s.CachedInfo().Config; c.MaxMsgsPerSubject != 1001 || c.FirstSeq < 1e15 {
		t.Errorf("%+v", c)
	}
	say(t, a, "r", "x")
}

// Names may be of any bytes and as long as a hub allows, and a message as long as a hub allows.
func TestNamesAndLimits(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	a, b := connect(t, nats.Options{Server: s}), connect(t, nats.Options{Server: s})
	for _, name := range []string{strings.Repeat("\xff", 256), "a.b", "*", ">", " \r\n\x00", "ä/ö?x=y"} {
		e := newEar()
		_, cancel, err := b.Subscribe(bg, name, e.feed(2))
		if err != nil {
			t.Fatal(err)
		}
		at := say(t, a, name, strings.Repeat("y", hub.DefaultMessage))
		if m := e.hears(t, 1)[0]; m.Position != at || len(m.Data) != hub.DefaultMessage {
			t.Errorf("%q: %v", name, m.Position)
		}
		if n, err := a.Members(bg, name); n != 2 || err != nil {
			t.Errorf("%q: %d members, %v", name, n, err)
		}
		cancel()
		cancel()
	}
}

// A server in this process that is closed below a broker: nothing waits without end.
func TestServerClosedBelow(t *testing.T) {
	s, err := nats.StartServer(nats.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b := connect(t, nats.Options{Server: s, Timeout: time.Second})
	ctx, stop := context.WithCancel(bg)
	ended := make(chan error, 1)
	leads := make(chan struct{})
	go func() {
		ended <- b.Lead(ctx, "n", func(ctx context.Context) error {
			close(leads)
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	<-leads
	_, cancel, err := b.Subscribe(bg, "r", newEar().feed(1))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := <-ended; err == nil {
		t.Error("it leads on")
	}
	stop()
	if _, err := b.Publish(bg, "r", draftwire.OpText, nil); !errors.Is(err, nats.ErrAway) {
		t.Error(err)
	}
	began := time.Now()
	cancel()
	b.Close()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the end takes %v", took)
	}
}

// Many publish in one room from several programs: none waits until its time is over, and each gets its share, also
// where three servers have to agree on each message.
func TestContention(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	var near, apart []*nats.Broker
	for range 4 {
		near = append(near, connect(t, nats.Options{Server: s}))
	}
	for _, m := range newCluster(t, 3, nil) {
		apart = append(apart, m.broker)
	}
	contend(t, near)
	contend(t, apart)
}

func contend(t *testing.T, all []*nats.Broker) {
	const callers = 16
	count := make([]atomic.Int64, len(all))
	longest := make([]atomic.Int64, len(all))
	var wg sync.WaitGroup
	ctx, cancel := context.WithTimeout(bg, 3*time.Second)
	defer cancel()
	for i, b := range all {
		for range callers {
			wg.Go(func() {
				for ctx.Err() == nil {
					began := time.Now()
					if _, err := b.Publish(bg, "r", draftwire.OpText, make([]byte, 100)); err != nil {
						t.Error(err)
					}
					count[i].Add(1)
					longest[i].Store(max(longest[i].Load(), int64(time.Since(began))))
				}
			})
		}
	}
	wg.Wait()
	for i := range all {
		t.Logf("program %d: %d messages, the longest took %v", i, count[i].Load(), time.Duration(longest[i].Load()))
		if count[i].Load() < 10 {
			t.Errorf("program %d got nothing through", i)
		}
	}
}

// A program that is far from the broker publishes in a room in which others, which are near, publish without a
// pause.
func TestFar(t *testing.T) {
	port := freePort(t)
	on(t, port)
	w := newWay(t, port)
	near, far := connect(t, nats.Options{URL: "nats://t@" + port}), connect(t, nats.Options{URL: "nats://t@" + w.addr()})
	w.mu.Lock()
	w.far = 15 * time.Millisecond
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	var wg sync.WaitGroup
	var n atomic.Int64
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := near.Publish(bg, "r", draftwire.OpText, make([]byte, 100)); err != nil {
					t.Error(err)
				}
				n.Add(1)
			}
		})
	}
	for i := range 5 {
		began := time.Now()
		if _, err := far.Publish(bg, "r", draftwire.OpText, []byte("far")); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		t.Logf("it took %v; near: %d", time.Since(began), n.Load())
	}
	cancel()
	wg.Wait()
}

// A question that takes long does not let others wait, and nobody waits where nobody answers.
func TestQuestionsDoNotWait(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	a, b := connect(t, nats.Options{Server: s}).Bus(), connect(t, nats.Options{Server: s}).Bus()
	hold := make(chan struct{})
	held := make(chan struct{})
	cancel, err := a.Handle("q", func(data []byte) []byte {
		if string(data) == "slow" {
			close(held)
			<-hold
		}
		return data
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(bg, 10*time.Second)
	defer stop()
	slow := make(chan int)
	go func() {
		list, _ := b.Ask(ctx, "q", []byte("slow"), 1)
		slow <- len(list)
	}()
	<-held
	if list, err := b.Ask(ctx, "q", []byte("fast"), 1); len(list) != 1 || err != nil {
		t.Errorf("%q, %v", list, err)
	}
	close(hold)
	if n := <-slow; n != 1 {
		t.Errorf("%d answers to the slow one", n)
	}
	cancel()
	if list, err := b.Ask(ctx, "q", []byte("fast"), 1); len(list) != 0 || err != nil || ctx.Err() != nil {
		t.Errorf("where nobody answers: %q, %v", list, err)
	}
}

// Many rooms at a time: subscriptions, one message each, an interruption, one more message each.
func TestManyRooms(t *testing.T) {
	const rooms = 3000
	port := freePort(t)
	on(t, port)
	w := newWay(t, port)
	a, b := connect(t, nats.Options{URL: "nats://t@" + w.addr()}), connect(t, nats.Options{URL: "nats://t@" + port})
	ears := make([]*ear, rooms)
	began := time.Now()
	parallel(rooms, func(i int) {
		ears[i] = newEar()
		if _, _, err := a.Subscribe(bg, fmt.Sprint("room", i), ears[i].feed(1)); err != nil {
			t.Error(i, err)
		}
	})
	t.Logf("subscribed after %v", time.Since(began))
	publish := func() {
		parallel(rooms, func(i int) {
			if _, err := b.Publish(bg, fmt.Sprint("room", i), draftwire.OpText, make([]byte, 1000)); err != nil {
				t.Error(i, err)
			}
		})
	}
	publish()
	w.set(false, true)
	publish()
	publish()
	w.set(false, false)
	began = time.Now()
	for i, e := range ears {
		for k, m := range e.hears(t, 3) {
			if m.Seq != uint64(k+1) {
				t.Errorf("room %d: message %d has the number %d", i, k+1, m.Seq)
			}
		}
	}
	t.Logf("all heard after %v", time.Since(began))
}

// parallel calls f for each number, 50 at a time.
func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 50 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}
