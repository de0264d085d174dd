package nats_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/hub/nats"
)

// machine is a program with a server of the cluster in it.
type machine struct {
	o      nats.ServerOptions
	server *nats.Server
	broker *nats.Broker
}

func (m *machine) start(t *testing.T) {
	t.Helper()
	var err error
	if m.server, err = nats.StartServer(m.o); err != nil {
		t.Fatal(err)
	}
	if m.broker, err = nats.Connect(nats.Options{Server: m.server, Disk: true}); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) end() {
	m.broker.Close()
	m.server.Close()
}

func (m *machine) ready(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(bg, 60*time.Second)
	defer cancel()
	if err := m.broker.Wait(ctx); err != nil {
		t.Fatal(err)
	}
}

// newCluster starts machines whose servers are a cluster.
func newCluster(t *testing.T, n int) (all []*machine) {
	t.Helper()
	var routes []string
	for range n {
		routes = append(routes, freePort(t))
	}
	for i := range n {
		m := &machine{o: nats.ServerOptions{Name: fmt.Sprint("m", i), Dir: t.TempDir(), Cluster: routes[i], Routes: routes, Token: "secret"}}
		m.start(t)
		all = append(all, m)
	}
	t.Cleanup(func() {
		for _, m := range all {
			m.end()
		}
	})
	for _, m := range all {
		m.ready(t)
	}
	return all
}

// Of three machines each may die and come back, one after the other: nothing that was published is lost, and
// who listens on another one hears all of it.
func TestClusterSurvivesEachDeath(t *testing.T) {
	all := newCluster(t, 3)
	ears := []*ear{newEar(), newEar(), newEar()}
	sub := func(i int) {
		if _, _, err := all[i].broker.Subscribe(bg, "r", ears[i].feed(1)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range all {
		sub(i)
	}
	n := 0
	say := func(i int) {
		ctx, cancel := context.WithTimeout(bg, 60*time.Second)
		defer cancel()
		n++
		for {
			if p, err := all[i].broker.Publish(ctx, "r", draftwire.OpText, fmt.Append(nil, n)); err == nil {
				if p.Seq != uint64(n) {
					t.Fatalf("message %d is %v", n, p)
				}
				return
			} else if ctx.Err() != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range all {
		say(i)
	}
	for dead := range all {
		all[dead].end()
		for k := range 5 {
			say((dead + 1 + k%2) % 3)
		}
		for _, i := range []int{(dead + 1) % 3, (dead + 2) % 3} {
			ears[i].until(t, func(list []hub.Message) bool { return len(list) > 0 && list[len(list)-1].Seq == uint64(n) })
		}
		all[dead].start(t)
		all[dead].ready(t)
		ears[dead] = newEar()
		sub(dead)
		say(dead)
	}
	list, err := all[0].broker.History(bg, "r", hub.Position{}, 100)
	if err != nil || len(list) != n || list[n-1].Seq != uint64(n) {
		t.Errorf("%d of %d messages, %v", len(list), n, err)
	}
}

// A machine that holds a name dies without a farewell: another one leads, and never two at a time.
func TestLead(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	var brokers []*nats.Broker
	for range 3 {
		brokers = append(brokers, connect(t, nats.Options{Server: s}))
	}
	var mu sync.Mutex
	leading, turns := 0, 0
	ctx, stop := context.WithCancel(bg)
	defer stop()
	var wg sync.WaitGroup
	for i := range 9 { // three in each program
		wg.Go(func() {
			err := brokers[i%3].Lead(ctx, "room", func(ctx context.Context) error {
				mu.Lock()
				if leading++; leading > 1 {
					t.Errorf("%d lead", leading)
				}
				mu.Unlock()
				select {
				case <-time.After(30 * time.Millisecond):
				case <-ctx.Done():
				}
				mu.Lock()
				leading--
				turns++
				mu.Unlock()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if turns != 9 {
		t.Errorf("%d have led, want 9", turns)
	}
	canceled, cancel := context.WithCancel(bg)
	cancel()
	if err := brokers[0].Lead(canceled, "other", func(context.Context) error { t.Error("it leads"); return nil }); err == nil {
		t.Error("no error")
	}
}

// A program that cannot reach the broker stops to lead before another one begins.
func TestLeadIsTakenOver(t *testing.T) {
	port := freePort(t)
	newServer(t, nats.ServerOptions{Listen: port, Token: "t"})
	w := newWay(t, port)
	a, b := connect(t, nats.Options{URL: "nats://t@" + w.addr()}), connect(t, nats.Options{URL: "nats://t@" + port})
	leads, ended := make(chan struct{}), make(chan time.Time, 1)
	var first sync.WaitGroup
	ctx, stop := context.WithCancel(bg)
	first.Go(func() {
		a.Lead(ctx, "room", func(ctx context.Context) error {
			close(leads)
			<-ctx.Done()
			ended <- time.Now()
			return nil
		})
	})
	<-leads
	w.set(true, false)
	began := time.Now()
	limit, cancel := context.WithTimeout(bg, time.Minute)
	defer cancel()
	err := b.Lead(limit, "room", func(context.Context) error {
		select {
		case at := <-ended:
			t.Logf("the first one has ended after %v, the second one leads after %v", at.Sub(began), time.Since(began))
		default:
			t.Error("two lead")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	w.set(false, false)
	stop()
	first.Wait()
}
