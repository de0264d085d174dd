package usage_test

import (
	"math/rand/v2"
	"testing"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// shares distributes events over n ledgers, and gives all of them to one further ledger. Each
// ledger is open the whole time.
func shares(t *testing.T, rnd *rand.Rand, n int) (parts []*usage.Snapshot, whole *usage.Snapshot) {
	t.Helper()
	c := &clock{newYear}
	var ledgers []*usage.Ledger
	for range n + 1 {
		ledgers = append(ledgers, open(t, "", c, usage.Options{}))
	}
	for _, e := range someEvents(rnd, 3000, 400*aDay) {
		c.t = e.at
		e.tell(ledgers[rnd.IntN(n)])
		e.tell(ledgers[n])
	}
	for _, l := range ledgers {
		parts = append(parts, l.Snapshot())
	}
	return parts[:n], parts[n]
}

// The merged ledgers of several gateways equal the ledger of one that has seen everything.
func TestMergeIsUnion(t *testing.T) {
	for seed := range uint64(8) {
		parts, whole := shares(t, rand.New(rand.NewPCG(seed, 1)), 1+int(seed%5))
		got := usage.Merge(parts...)
		if len(got.Sources) != len(parts) {
			t.Errorf("%d sources", len(got.Sources))
		}
		got.Sources = whole.Sources
		if a, b := export(t, got), export(t, whole); a != b {
			t.Fatalf("seed %d: they differ:\n%.3000s\n%.3000s", seed, a, b)
		}
	}
}

// Neither the order nor the grouping of a merge matters, and merging nothing gives nothing.
func TestMergeLaws(t *testing.T) {
	for seed := range uint64(4) {
		p, _ := shares(t, rand.New(rand.NewPCG(seed, 2)), 3)
		before := export(t, p[0])
		want := export(t, usage.Merge(p...))
		for name, s := range map[string]*usage.Snapshot{
			"backwards": usage.Merge(p[2], p[1], p[0]), "left": usage.Merge(usage.Merge(p[0], p[1]), p[2]), "right": usage.Merge(p[0], usage.Merge(p[1], p[2])),
			"nothing": usage.Merge(p[1], usage.Merge(), p[0], &usage.Snapshot{}, p[2]),
		} {
			if got := export(t, s); got != want {
				t.Fatalf("seed %d: %s differs:\n%.2000s\n%.2000s", seed, name, got, want)
			}
		}
		if export(t, p[0]) != before {
			t.Error("merging changed what was merged")
		}
	}
}

// Two handshakes in the same second have only one outcome.
func TestMergeTies(t *testing.T) {
	var s []*usage.Snapshot
	for _, agent := range []string{"a", "b", "a"} {
		l := open(t, "", &clock{newYear}, usage.Options{})
		l.Opened(usage.Visit{Version: wire.Hybi07, Client: "c", UserAgent: agent})
		s = append(s, l.Snapshot())
	}
	for _, m := range []*usage.Snapshot{usage.Merge(s...), usage.Merge(s[1], s[2], s[0]), usage.Merge(s[2], s[0], s[1])} {
		if c := find(t, m, wire.Hybi07, "c"); c.UserAgent != "b" || c.Opened != 3 {
			t.Errorf("%+v", c)
		}
	}
}
