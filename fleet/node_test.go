package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/fleet"
)

// told gathers events.
type told struct {
	mu   sync.Mutex
	list []string
}

func (x *told) tell(e fleet.Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.list = append(x.list, strings.TrimSpace(string(e.Kind)+" "+e.Name))
}

func (x *told) take() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := x.list
	x.list = nil
	return list
}

func join(t *testing.T, bus fleet.Bus, o fleet.Options) *fleet.Node {
	t.Helper()
	n, err := fleet.Join(bus, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Leave)
	return n
}

// states are the members that a node knows, as "name state".
func states(n *fleet.Node) (list []string) {
	for _, m := range n.Members() {
		text := m.Name + " " + string(m.State)
		if m.Claimed {
			text += " claimed"
		}
		list = append(list, text)
	}
	return list
}

func wants[T comparable](t *testing.T, what string, got []T, want ...T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// settle lets news go around.
func settle() {
	time.Sleep(time.Second)
	synctest.Wait()
}

func TestMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := fleet.NewLocal()
		events := &told{}
		about := fleet.About{Version: "1.2\n", Listeners: []string{":80"}, Admin: "127.0.0.1:9090", Ready: true, Connections: 7}
		a := join(t, bus, fleet.Options{Name: "a", Told: events.tell})
		far := bus.Port()
		b := join(t, far, fleet.Options{Name: "b", About: func() fleet.About { return about }})
		settle()
		wants(t, "members", states(a), "a alive", "b alive")
		if m := a.Members()[1]; m.Connections != 7 || m.Version != "1.2" || !slices.Equal(m.Listeners, []string{":80"}) || m.Self || m.ID == "" {
			t.Errorf("a knows of b: %+v", m)
		}
		b.Close()
		settle()
		wants(t, "members behind a farewell", states(a), "a alive", "b left")
		wants(t, "events", events.take(), "joined b", "left b")

		b = join(t, far, fleet.Options{Name: "b"})
		settle()
		wants(t, "events of a restart", events.take(), "joined b")
		far.Break(fleet.Cut) // b is dead to the others
		began := time.Now()
		for a.Members()[1].State == fleet.Alive {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		if d := time.Since(began); d > a.Dead()+fleet.DefaultEvery || d < a.Dead()-fleet.DefaultEvery {
			t.Errorf("a death was found after %v", d)
		}
		wants(t, "events of a death", events.take(), "died b")
		time.Sleep(a.Dead())
		wants(t, "members as b knows them", states(b), "a gone", "b alive")
		if b.Up() || !a.Up() {
			t.Errorf("up: a %v, b %v", a.Up(), b.Up())
		}
		far.Break(fleet.Whole)
		time.Sleep(fleet.DefaultEvery)
		synctest.Wait()
		wants(t, "members again", states(b), "a alive", "b alive")
		if !b.Up() {
			t.Error("the bus is back, and the node does not know")
		}
	})
}

func TestLongGoneIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := fleet.NewLocal()
		a := join(t, bus, fleet.Options{Name: "a"})
		b := join(t, bus.Port(), fleet.Options{Name: "b"})
		c := join(t, bus.Port(), fleet.Options{Name: "c"})
		settle()
		b.Close()
		c.Leave()
		time.Sleep(11 * time.Minute)
		wants(t, "members", states(a), "a alive", "c gone")
		time.Sleep(25 * time.Hour)
		wants(t, "members a day later", states(a), "a alive")
	})
}

func TestClaimedName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := fleet.NewLocal()
		seen, own := &told{}, &told{}
		watch := join(t, bus, fleet.Options{Name: "watch", Told: seen.tell})
		first := join(t, bus.Port(), fleet.Options{Name: "x", Told: own.tell})
		time.Sleep(time.Second)
		second := join(t, bus.Port(), fleet.Options{Name: "x"})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for _, n := range []*fleet.Node{watch, first, second} {
			if !slices.Contains(states(n), "x alive claimed") {
				t.Errorf("members: %v", states(n))
			}
		}
		if list := own.take(); !slices.Contains(list, "claimed x") {
			t.Errorf("the node itself was told %v", list)
		}
		time.Sleep(2 * time.Minute)
		if claims := strings.Count(strings.Join(seen.take(), ","), "claimed x"); claims < 2 || claims > 4 {
			t.Errorf("told %d times in two minutes", claims)
		}
		if err := second.Put(t.Context(), snapshot(t, "l2")); err == nil {
			t.Error("the process that came later writes the book of the first")
		}
		if err := first.Put(t.Context(), snapshot(t, "l1")); err != nil {
			t.Error(err)
		}
		second.Close()
		time.Sleep(first.Dead() + time.Second)
		settle()
		wants(t, "members", states(watch), "watch alive", "x alive")
		wants(t, "members", states(first), "watch alive", "x alive")
	})
}

// A restart and an upgrade are no claim, even if the old process is heard once more.
func TestReplacedIsNoClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := fleet.NewLocal()
		seen := &told{}
		a := join(t, bus, fleet.Options{Name: "a", Told: seen.tell})
		for i := range 20 {
			old := join(t, bus.Port(), fleet.Options{Name: "x"})
			time.Sleep(1900 * time.Millisecond)
			next := join(t, bus.Port(), fleet.Options{Name: "x"})
			time.Sleep(200 * time.Millisecond)
			if i%2 == 0 {
				old.Close()
			} else {
				old.Leave()
			}
			time.Sleep(10 * time.Second)
			settle()
			wants(t, "members", states(a), "a alive", "x alive")
			next.Leave()
			time.Sleep(time.Second)
		}
		for _, e := range seen.take() {
			if e == "claimed x" {
				t.Error("a restart was taken for two processes")
			}
		}
	})
}

func TestTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := fleet.NewLocal()
		events := &told{}
		a := join(t, bus, fleet.Options{Name: "a", Told: events.tell})
		hello := func(name string) {
			bus.Send(t.Context(), "fleet.draftwire.hello", fmt.Appendf(nil, `{"name":%q,"id":"1"}`, name))
		}
		settle()
		for i := range 3 * fleet.MaxNodes {
			hello(fmt.Sprint("n", i))
		}
		synctest.Wait()
		if n := len(a.Members()); n != fleet.MaxNodes {
			t.Errorf("%d members", n)
		}
		if n := strings.Count(strings.Join(events.take(), ","), "too_many"); n != 1 {
			t.Errorf("told %d times", n)
		}
		time.Sleep(a.Dead() + 5*time.Second)
		hello("late")
		synctest.Wait()
		if !slices.Contains(states(a), "late alive") {
			t.Error("the dead make no room")
		}
	})
}

func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := fleet.NewLocal()
		answers := map[string]func(context.Context, string, []byte) ([]byte, error){
			"echo": func(_ context.Context, from string, p []byte) ([]byte, error) {
				return append([]byte(from+": "), p...), nil
			},
			"fail": func(context.Context, string, []byte) ([]byte, error) { return nil, errors.New("no\nway\x1b") },
			"big":  func(context.Context, string, []byte) ([]byte, error) { return make([]byte, fleet.MaxValue), nil },
			"hang": func(ctx context.Context, _ string, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() },
		}
		a := join(t, bus, fleet.Options{Name: "a", Answers: answers})
		hung, dead := bus.Port(), bus.Port()
		join(t, bus.Port(), fleet.Options{Name: "b", Answers: answers})
		join(t, hung, fleet.Options{Name: "c", Answers: answers})
		d := join(t, dead, fleet.Options{Name: "d", Answers: answers})
		settle()
		d.Leave()
		time.Sleep(10 * time.Second)
		hung.Break(fleet.Hung)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var got []string
		for _, x := range a.AskAll(ctx, "echo", []byte("hi")) {
			got = append(got, fmt.Sprint(x.Name, " ", string(x.Body), " ", x.Err))
		}
		wants(t, "answers", got, "a a: hi <nil>", "b a: hi <nil>", "c  fleet: no answer", "d  fleet: not heard any more")
		for kind, want := range map[string]string{"fail": "no\nway", "big": fleet.ErrTooLarge.Error(), "what": "this gateway does not know what \"what\" is"} {
			for _, name := range []string{"a", "b"} {
				if _, err := a.Ask(t.Context(), name, kind, nil); err == nil || err.Error() != want {
					t.Errorf("%s of %s: %v", kind, name, err)
				}
			}
		}
		began := time.Now()
		ctx, cancel = context.WithTimeout(t.Context(), 2*fleet.AnswerTimeout)
		defer cancel()
		if _, err := a.Ask(ctx, "b", "hang", nil); err == nil || time.Since(began) != fleet.AnswerTimeout {
			t.Errorf("an answer that hangs: %v after %v", err, time.Since(began))
		}
		// A node answers a bounded number of questions at a time.
		ctx, cancel = context.WithTimeout(t.Context(), 2*fleet.AnswerTimeout)
		defer cancel()
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() { a.Ask(ctx, "b", "hang", nil) })
		}
		synctest.Wait()
		if _, err := a.Ask(ctx, "b", "echo", nil); err == nil || !strings.Contains(err.Error(), "too many questions") {
			t.Errorf("the 17th question: %v", err)
		}
		all.Wait()
	})
}

func TestElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		four, six := netip.MustParsePrefix("10.1.2.3/32"), netip.MustParsePrefix("2001:db8:1:2::/64")
		bus := fleet.NewLocal()
		far := bus.Port()
		var mu sync.Mutex
		list := []fleet.Count{{Client: four, N: 3}, {Client: six, N: 300}}
		count := func() []fleet.Count {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(list)
		}
		a := join(t, bus, fleet.Options{Name: "a", Counts: count})
		b := join(t, far, fleet.Options{Name: "b", Counts: count})
		join(t, bus.Port(), fleet.Options{Name: "c", Counts: count})
		time.Sleep(fleet.DefaultEvery)
		synctest.Wait()
		wants(t, "elsewhere", []int{a.Elsewhere(four), a.Elsewhere(six), b.Elsewhere(four)}, 6, 600, 6)
		far.Break(fleet.Hung)
		time.Sleep(a.Dead() + 2*fleet.DefaultEvery)
		wants(t, "without b", []int{a.Elsewhere(four), b.Elsewhere(four)}, 3, 0)
		far.Break(fleet.Whole)
		mu.Lock()
		list = nil
		mu.Unlock()
		time.Sleep(2 * fleet.DefaultEvery)
		synctest.Wait()
		wants(t, "when all have gone", []int{a.Elsewhere(four), b.Elsewhere(six)}, 0, 0)
	})
}

// A node starts with a bus that is away, and ends with one that hangs.
func TestBusAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := fleet.NewLocal()
		near := bus.Port()
		near.Break(fleet.Hung)
		a := join(t, near, fleet.Options{Name: "a"})
		b := join(t, bus, fleet.Options{Name: "b"})
		time.Sleep(20 * time.Second)
		if a.Up() {
			t.Error("the bus hangs, and the node does not know")
		}
		near.Break(fleet.Whole)
		time.Sleep(2 * fleet.DefaultEvery)
		settle()
		wants(t, "members", states(b), "a alive", "b alive")
		near.Break(fleet.Hung)
		began := time.Now()
		a.Close()
		if d := time.Since(began); d > time.Second {
			t.Errorf("the end took %v", d)
		}
	})
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{"gw-1": "gw-1", "gw.example.com": "gw-example-com", "": "gateway", "--": "gateway", "bücher": "b-cher", strings.Repeat("x", 100): strings.Repeat("x", 64)} {
		if got := fleet.CleanName(in); got != want || fleet.CheckName(got) != nil {
			t.Errorf("%q: %q", in, got)
		}
	}
	for _, bad := range []string{"", "a.b", "a b", strings.Repeat("x", 65), "ä", "a>"} {
		if _, err := fleet.Join(fleet.NewLocal(), fleet.Options{Name: bad}); err == nil {
			t.Errorf("%q is a name", bad)
		}
	}
}
