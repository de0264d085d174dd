package usage_test

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// A ledger to which those of others are added equals one that has counted everything itself,
// and so does its file.
func TestAddIsUnion(t *testing.T) {
	for seed := range uint64(4) {
		parts, whole := shares(t, rand.New(rand.NewPCG(seed, 7)), 3)
		path := filepath.Join(t.TempDir(), "usage.db")
		c := &clock{whole.Made}
		l := open(t, path, c, usage.Options{})
		for _, p := range parts {
			l.Add(p)
		}
		got := l.Snapshot()
		got.Sources = whole.Sources
		if a, b := export(t, got), export(t, whole); a != b {
			t.Fatalf("seed %d: they differ:\n%.3000s\n%.3000s", seed, a, b)
		}
		for _, since := range []time.Duration{aDay, 30 * aDay, 400 * aDay} {
			n := 0
			for _, x := range whole.Clients {
				if !x.Last.Before(c.t.Add(-since)) {
					n++
				}
			}
			for _, x := range l.Counts(since) {
				n -= x.Clients
			}
			if n != 0 {
				t.Errorf("seed %d: the counts since %s differ by %d", seed, since, n)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l.Add(parts[0]) // which changes nothing any more
		got, err := usage.ReadFile(path, 0)
		if err != nil {
			t.Fatal(err)
		}
		got.Sources, got.Made = whole.Sources, whole.Made
		if a, b := export(t, got), export(t, whole); a != b {
			t.Fatalf("seed %d: the file differs:\n%.3000s\n%.3000s", seed, a, b)
		}
	}
}

// What the other ledger has watched counts as watched, and the bound on records holds.
func TestAddBounds(t *testing.T) {
	c := &clock{newYear}
	old := open(t, "", c, usage.Options{})
	c.t = newYear.Add(time.Hour)
	for _, key := range []string{"a", "b", "c", "d"} {
		old.Opened(usage.Visit{Version: wire.Hixie76, Client: key})
	}
	l := open(t, "", c, usage.Options{Clients: 2})
	l.Add(old.Snapshot())
	s := l.Snapshot()
	if w := s.Sources[0].Watched; len(s.Sources) != 1 || len(w) != 1 || !w[0].From.Equal(newYear) || !w[0].To.Equal(c.t) {
		t.Errorf("the sources are %v", s.Sources)
	}
	if len(s.Clients) != 2 {
		t.Errorf("%d clients", len(s.Clients))
	}
}
