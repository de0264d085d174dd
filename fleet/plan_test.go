package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/fleet"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

func plan(t *testing.T, s string) usage.Plan {
	t.Helper()
	p, err := usage.ParsePlan(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := fleet.NewLocal()
		far := bus.Port()
		var taken atomic.Uint64
		a := join(t, bus, fleet.Options{Name: "a"})
		b := join(t, far, fleet.Options{Name: "b", Planned: func(p fleet.Plan) { taken.Store(p.Number) }})
		settle()
		p, err := a.SetPlan(t.Context(), 0, plan(t, "hixie-75=off,hybi-08=sample 10%@2027-01-01"), "ada")
		if err != nil || p.Number != 1 || p.Who != "ada" || p.Node != "a" {
			t.Fatalf("%+v, %v", p, err)
		}
		time.Sleep(fleet.DefaultEvery)
		settle()
		got := b.Plan()
		if taken.Load() != 1 || got.Number != 1 || got.Stages[wire.Hybi08][0].String() != "sample 10%" || got.Stages[wire.Hybi08][0].From.Year() != 2027 || got.Stages[wire.Hixie75][0].Mode != usage.Off {
			t.Errorf("b has %+v", got)
		}

		// Two changes of the same plan: one of them holds, and the other is told.
		if _, err := b.SetPlan(t.Context(), 1, plan(t, "hixie-76=warn"), "bob"); err != nil {
			t.Fatal(err)
		}
		_, err = a.SetPlan(t.Context(), 1, plan(t, "hixie-76=off"), "ada")
		if c, ok := errors.AsType[*fleet.PlanConflict](err); !ok || c.Current.Number != 2 || !strings.Contains(err.Error(), "by bob (b)") {
			t.Errorf("the second change: %v", err)
		}

		// One that was away takes it when it is back, and cannot change it meanwhile.
		far.Break(fleet.Cut)
		time.Sleep(time.Minute)
		if _, err := b.SetPlan(t.Context(), 2, plan(t, "hixie-76=off"), "bob"); !errors.Is(err, fleet.ErrAway) {
			t.Errorf("a change without the bus: %v", err)
		}
		if _, err := a.SetPlan(t.Context(), 2, nil, "ada"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if b.Plan().Number != 2 {
			t.Errorf("b has %d", b.Plan().Number)
		}
		far.Break(fleet.Whole)
		time.Sleep(2 * fleet.DefaultEvery)
		settle()
		if p := b.Plan(); p.Number != 3 || !p.Own {
			t.Errorf("b has %+v", p)
		}

		// The answer is lost, and not the plan.
		far.Break(fleet.Deaf)
		if _, err := b.SetPlan(t.Context(), 3, plan(t, "hixie-76=off"), "bob"); err == nil {
			t.Error("a plan of one that hears nothing")
		}
		far.Break(fleet.Whole)

		// History is bounded.
		time.Sleep(fleet.DefaultEvery)
		for range 2 * fleet.KeptPlans {
			if _, err := a.SetPlan(t.Context(), a.Plan().Number, plan(t, "hixie-76=off"), "ada"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(fleet.DefaultEvery)
		settle()
		if list := b.Plans(); len(list) != fleet.KeptPlans || list[len(list)-1].Number != a.Plan().Number {
			t.Errorf("b has %d plans", len(list))
		}

		// A bus that has lost everything gets the plan again; one that comes later finds it.
		key := "fleet.draftwire.plan"
		_, at, err := bus.Load(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bus.Store(t.Context(), key, nil, at); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		c := join(t, bus.Port(), fleet.Options{Name: "c"})
		time.Sleep(time.Second)
		settle()
		if c.Plan().Number != a.Plan().Number {
			t.Errorf("c has %d, a has %d", c.Plan().Number, a.Plan().Number)
		}

		// What is no plan changes nothing, and is told.
		_, at, _ = bus.Load(t.Context(), key)
		bus.Store(t.Context(), key, []byte(`{"format":1,"plans":[{"number":99}]}`), at)
		events := &told{}
		d := join(t, bus.Port(), fleet.Options{Name: "d", Told: events.tell})
		time.Sleep(fleet.DefaultEvery)
		settle()
		if d.Plan().Number != 0 || !strings.Contains(strings.Join(events.take(), ","), "bad_plan") {
			t.Error("a plan that is none")
		}
	})
}

// A change whose answer was lost is found again.
func TestPlanLostAnswer(t *testing.T) {
	bus := &onceLost{Local: fleet.NewLocal()}
	a := join(t, bus, fleet.Options{Name: "a", Every: time.Hour})
	p, err := a.SetPlan(t.Context(), 0, plan(t, "hixie-76=off"), "ada")
	if err != nil || p.Number != 1 || a.Plan().Number != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := json.Marshal(p); err != nil {
		t.Error(err)
	}
}

// onceLost loses the answer of the first Store.
type onceLost struct {
	*fleet.Local
	lost bool
}

func (b *onceLost) Store(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	at, err := b.Local.Store(ctx, key, value, revision)
	if !b.lost {
		b.lost, err = true, fleet.ErrAway
	}
	return at, err
}
