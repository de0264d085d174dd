package nats_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/draftwire/draftwire/fleet"
	"github.com/draftwire/draftwire/hub/nats"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// Three gateways over a server of NATS: they know each other, have one plan, and one report that is the sum of their
// ledgers, also when one of them is no more; what is forgotten is gone.
func TestFleet(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	ctx, cancel := context.WithTimeout(bg, 30*time.Second)
	defer cancel()
	var nodes []*fleet.Node
	var ledgers []*usage.Ledger
	for i := range 3 {
		name := fmt.Sprint("gw-", i)
		n, err := fleet.Join(connect(t, nats.Options{Server: s}).Bus(), fleet.Options{Name: name, Every: 100 * time.Millisecond,
			Answers: map[string]func(context.Context, string, []byte) ([]byte, error){
				"hi": func(_ context.Context, from string, p []byte) ([]byte, error) { return append(p, from...), nil },
			}})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Leave()
		l, err := usage.Open("", &usage.Options{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		nodes, ledgers = append(nodes, n), append(ledgers, l)
	}
	await := func(what string, cond func() bool) {
		t.Helper()
		for !cond() {
			if ctx.Err() != nil {
				t.Fatal(what)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	for _, n := range nodes {
		await("they do not know each other", func() bool { return n.Alive() == 3 && n.Up() })
	}
	for _, a := range nodes[1].AskAll(ctx, "hi", []byte("from ")) {
		if a.Err != nil || string(a.Body) != "from gw-1" {
			t.Errorf("%s says %q, %v", a.Name, a.Body, a.Err)
		}
	}

	plan, err := usage.ParsePlan("hixie-76=off")
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(3) {
		if _, err := nodes[i].SetPlan(ctx, i, plan, "ada"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := nodes[0].SetPlan(ctx, 1, plan, "bob"); !isConflict(err) {
		t.Errorf("a plan in place of an old one: %v", err)
	}
	for _, n := range nodes {
		await("a plan does not come", func() bool { return n.Plan().Number == 3 })
	}

	var own []*usage.Snapshot
	for round := range 5 {
		own = nil
		for i, l := range ledgers {
			for c := range 700 {
				l.Opened(usage.Visit{Version: wire.Hixie76, Client: fmt.Sprint(c * (i + 1)), UserAgent: fmt.Sprint(round)})
			}
			s := l.Snapshot()
			if err := nodes[i].Put(ctx, s); err != nil {
				t.Fatal(err)
			}
			own = append(own, s)
		}
	}
	nodes[2].Close()
	books, err := nodes[0].Books(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got, want bytes.Buffer
	if err := errors.Join(fleet.Sum(books).Export(&got), usage.Merge(own...).Export(&want)); err != nil || got.String() != want.String() {
		t.Errorf("%d books: the report is not the sum of the ledgers, %v", len(books), err)
	}
	await("a farewell is not heard", func() bool { return nodes[0].Alive() == 2 })
	if err := nodes[0].Forget(ctx, "gw-2"); err != nil {
		t.Error(err)
	}
	if books, err := nodes[1].Books(ctx); err != nil || len(books) != 2 {
		t.Errorf("%d books are left, %v", len(books), err)
	}
}

// An empty value is none.
func TestBusTakesAway(t *testing.T) {
	b := connect(t, nats.Options{Server: newServer(t, nats.ServerOptions{})}).Bus()
	ctx, cancel := context.WithTimeout(bg, 10*time.Second)
	defer cancel()
	at, err := b.Store(ctx, "k", []byte("v"), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []uint64{0, at + 1} {
		if _, err := b.Store(ctx, "k", nil, wrong); !errors.Is(err, fleet.ErrChanged) {
			t.Errorf("taken away at %d: %v", wrong, err)
		}
	}
	if _, err := b.Store(ctx, "k", nil, at); err != nil {
		t.Error(err)
	}
	if _, err := b.Store(ctx, "k", nil, 0); err != nil {
		t.Errorf("none taken away: %v", err)
	}
	if _, _, err := b.Load(ctx, "k"); !errors.Is(err, fleet.ErrNone) {
		t.Errorf("what was taken away: %v", err)
	}
	if keys, err := b.Keys(ctx, ""); err != nil || len(keys) != 0 {
		t.Errorf("keys: %q, %v", keys, err)
	}
	if _, err := b.Store(ctx, "k", []byte("again"), 0); err != nil {
		t.Error(err)
	}
}

func isConflict(err error) bool {
	_, ok := errors.AsType[*fleet.PlanConflict](err)
	return ok
}
