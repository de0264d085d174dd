package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/fleet"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// ledger opens a ledger that no goroutine writes: the path of "" is in memory.
func ledger(t testing.TB, path, name string) *usage.Ledger {
	t.Helper()
	l, err := usage.Open(path, &usage.Options{Name: name, Every: 1000 * time.Hour, Clients: 3000})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func snapshot(t testing.TB, name string) *usage.Snapshot {
	l := ledger(t, "", name)
	defer l.Close()
	l.Opened(usage.Visit{Version: wire.Hixie76, Client: name})
	return l.Snapshot()
}

func exported(t testing.TB, s *usage.Snapshot) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Export(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// same compares a fleet's report with the sum of the ledgers' snapshots.
func same(t testing.TB, n *fleet.Node, own ...*usage.Snapshot) {
	t.Helper()
	books, err := n.Books(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range books {
		if k.Err != nil {
			t.Fatalf("book of %s: %v", k.Name, k.Err)
		}
	}
	if got, want := exported(t, fleet.Sum(books)), exported(t, usage.Merge(own...)); got != want {
		t.Fatalf("the fleet's report is not the sum:\n%.2000s\nwant\n%.2000s", got, want)
	}
}

func TestBook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &counting{Local: fleet.NewLocal()}
		a := join(t, bus, fleet.Options{Name: "a"})
		l := ledger(t, "", "a")
		defer l.Close()
		for i := range 2500 {
			l.Opened(usage.Visit{Version: wire.Hixie76, Client: fmt.Sprint("10.0.", i/250, ".", i%250), UserAgent: "TV"})
		}
		s := l.Snapshot()
		if err := a.Put(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		same(t, a, s)
		stores := bus.stores
		l.Traffic(wire.Hixie76, "10.0.1.1", usage.Traffic{In: 1})
		s = l.Snapshot()
		if err := a.Put(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if n := bus.stores - stores; n != 2 {
			t.Errorf("one client in %d: %d values were stored, want its chunk and the head", len(s.Clients), n)
		}
		same(t, a, s)

		// It is read under another name too, and counted once.
		b := join(t, bus.Port(), fleet.Options{Name: "b"})
		if err := b.Put(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		same(t, b, s)

		// What is there cannot be forgotten, what is not is gone with all its chunks.
		settle()
		if err := b.Forget(t.Context(), "a"); !errors.Is(err, fleet.ErrAlive) {
			t.Errorf("forget one that is there: %v", err)
		}
		a.Close()
		settle()
		if err := b.Forget(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		if err := b.Forget(t.Context(), "a"); !errors.Is(err, fleet.ErrNone) {
			t.Errorf("forget one that is forgotten: %v", err)
		}
		keys, _ := bus.Keys(t.Context(), "fleet.draftwire.")
		for _, key := range keys {
			if strings.Contains(key, ".a") {
				t.Errorf("%s is left", key)
			}
		}
		same(t, b, s)
	})
}

// counting counts what is stored.
type counting struct {
	*fleet.Local
	stores int
}

func (b *counting) Store(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	b.stores++
	return b.Local.Store(ctx, key, value, revision)
}

// A ledger with long records and many clients is cut finely enough.
func TestBigBook(t *testing.T) {
	bus := fleet.NewLocal()
	a := join(t, bus, fleet.Options{Name: "a", Every: time.Hour})
	rnd := rand.New(rand.NewPCG(1, 2))
	text := func(n int) string {
		var b strings.Builder
		for b.Len() < n {
			b.WriteString(strconv.FormatUint(rnd.Uint64(), 36))
		}
		return b.String()
	}
	l := ledger(t, "", "a")
	defer l.Close()
	for i := range 3000 {
		l.Opened(usage.Visit{Version: wire.Hybi08, Client: fmt.Sprint(i), UserAgent: text(500), Path: text(500), Host: text(500), Origin: text(500)})
	}
	s := l.Snapshot()
	if err := a.Put(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	same(t, a, s)
}

// fleetModel is three gateways with their ledgers, under random deaths of theirs and of the bus.
type fleetModel struct {
	t     *testing.T
	rnd   *rand.Rand
	bus   *fleet.Local
	gates []*gate
}

// gate is one gateway: a ledger in a file, a way to the bus and a node.
type gate struct {
	name, file string
	port       *fleet.Local
	node       *fleet.Node
	ledger     *usage.Ledger
	last       *usage.Snapshot   // what was stored last with success
	doubt      []*usage.Snapshot // what was stored since then without an answer: one of them may stand in the bus
}

func (m *fleetModel) start(g *gate) {
	g.ledger = ledger(m.t, g.file, g.name)
	node, err := fleet.Join(g.port, fleet.Options{Name: g.name})
	if err != nil {
		m.t.Fatal(err)
	}
	g.node = node
}

func (m *fleetModel) put(g *gate) {
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Second)
	defer cancel()
	s := g.ledger.Snapshot()
	if err := g.node.Put(ctx, s); err != nil {
		g.doubt = append(g.doubt, s)
		return
	}
	g.last, g.doubt = s, nil
}

func (m *fleetModel) step(g *gate) {
	switch x := m.rnd.IntN(20); {
	case g.node == nil:
		if x < 8 {
			m.start(g)
		}
	case x < 8:
		for range m.rnd.IntN(30) {
			v := usage.Visit{Version: wire.AllVersions.List()[m.rnd.IntN(9)], Client: fmt.Sprint("10.0.0.", m.rnd.IntN(900)), UserAgent: fmt.Sprint(m.rnd.IntN(5))}
			switch m.rnd.IntN(4) {
			case 0:
				g.ledger.Refused(v)
			case 1:
				g.ledger.Traffic(v.Version, v.Client, usage.Traffic{In: m.rnd.Uint64N(99), MessagesOut: 1})
			default:
				g.ledger.Opened(v)
			}
		}
	case x < 12:
		m.put(g)
	case x < 14: // a kill: what the file does not have is lost, as it is to the gateway itself
		g.ledger.Flush()
		g.ledger.Close()
		g.node.Leave()
		g.node = nil
	case x < 15: // an end
		m.put(g)
		g.ledger.Close()
		g.node.Close()
		g.node = nil
	case x < 18:
		g.port.Break(fleet.Break(m.rnd.IntN(4)))
	default:
		g.port.Break(fleet.Whole)
	}
}

// check compares: each gateway that is there stores what it has, and of those that are not the book has what they
// have stored last.
func (m *fleetModel) check() {
	var own []*usage.Snapshot
	for _, g := range m.gates {
		g.port.Break(fleet.Whole)
	}
	time.Sleep(2 * fleet.DefaultEvery) // and the bus is back for all
	reader, err := fleet.Join(m.bus, fleet.Options{Name: "reader"})
	if err != nil {
		m.t.Fatal(err)
	}
	defer reader.Leave()
	for _, g := range m.gates {
		if g.node != nil {
			m.put(g)
			if g.doubt != nil {
				m.t.Fatalf("%s cannot store: it is whole", g.name)
			}
		}
		if g.doubt == nil {
			if g.last != nil {
				own = append(own, g.last)
			}
			continue
		}
		books, err := reader.Books(m.t.Context())
		if err != nil {
			m.t.Fatal(err)
		}
		have := (*usage.Snapshot)(nil)
		for _, k := range books {
			if k.Name == g.name {
				have = k.Snapshot
			}
		}
		found := have == nil && g.last == nil
		for _, s := range append(g.doubt, g.last) {
			if have != nil && s != nil && exported(m.t, have) == exported(m.t, s) {
				g.last, found = s, true
				break
			}
		}
		if !found {
			m.t.Fatalf("the book of %s is none that it has stored", g.name)
		}
		g.doubt = nil
		if g.last != nil {
			own = append(own, g.last)
		}
	}
	same(m.t, reader, own...)
}

// TestFleetReportIsTheSum: after any order of kills, ends, restarts and interruptions of the bus, the fleet's report is
// the sum of the ledgers that are there and of what those that are not had stored last. FLEET_ORDERS=N plays more.
func TestFleetReportIsTheSum(t *testing.T) {
	orders, _ := strconv.Atoi(os.Getenv("FLEET_ORDERS"))
	for seed := range uint64(max(orders, 10)) {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			m := &fleetModel{t: t, rnd: rand.New(rand.NewPCG(seed, 17)), bus: fleet.NewLocal()}
			for i := range 3 {
				name := fmt.Sprint("gw-", i)
				m.gates = append(m.gates, &gate{name: name, file: filepath.Join(dir, name+".db"), port: m.bus.Port()})
			}
			for range 60 {
				m.step(m.gates[m.rnd.IntN(3)])
				time.Sleep(time.Duration(m.rnd.IntN(4000)) * time.Millisecond)
				if m.rnd.IntN(10) == 0 {
					m.check()
				}
			}
			m.check()
			for _, g := range m.gates {
				if g.node != nil {
					g.node.Leave()
					g.ledger.Close()
				}
			}
		})
		if t.Failed() {
			t.Fatalf("order %d", seed)
		}
	}
}

// A bus that has lost everything gets the books of those that run again.
func TestBusLosesBooks(t *testing.T) {
	bus := fleet.NewLocal()
	a := join(t, bus, fleet.Options{Name: "a", Every: time.Hour})
	s := snapshot(t, "a")
	if err := a.Put(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	keys, err := bus.Keys(t.Context(), "")
	if err != nil || len(keys) == 0 {
		t.Fatal(keys, err)
	}
	for _, key := range keys {
		_, at, err := bus.Load(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bus.Store(t.Context(), key, nil, at); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the first time it finds out
		a.Put(t.Context(), s)
	}
	same(t, a, s)
}

// A ledger that stands under two names is counted once, as it was stored last.
func TestRenamed(t *testing.T) {
	bus := fleet.NewLocal()
	l := ledger(t, "", "x")
	defer l.Close()
	a := join(t, bus, fleet.Options{Name: "old", Every: time.Hour})
	b := join(t, bus.Port(), fleet.Options{Name: "new", Every: time.Hour})
	l.Opened(usage.Visit{Version: wire.Hixie76, Client: "1"})
	first := l.Snapshot()
	first.Made = first.Made.Add(-time.Minute)
	if err := a.Put(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	l.Opened(usage.Visit{Version: wire.Hixie76, Client: "2"})
	s := l.Snapshot()
	if err := b.Put(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	same(t, a, s)
}

// A node that has died before it had stored anything is forgotten too, by all: otherwise the orders to all would wait for it.
func TestForgetGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := fleet.NewLocal()
		a := join(t, bus, fleet.Options{Name: "a"})
		b := join(t, bus.Port(), fleet.Options{Name: "b"})
		c := join(t, bus.Port(), fleet.Options{Name: "c"})
		settle()
		c.Leave() // without a farewell
		time.Sleep(time.Minute)
		if got := fmt.Sprint(states(b)); got != "[a alive b alive c gone]" {
			t.Fatal(got)
		}
		if err := a.Forget(t.Context(), "c"); err != nil {
			t.Error(err)
		}
		settle()
		for _, n := range []*fleet.Node{a, b} {
			if got := fmt.Sprint(states(n)); got != "[a alive b alive c left]" {
				t.Error(got)
			}
		}
		if err := a.Forget(t.Context(), "c"); !errors.Is(err, fleet.ErrNone) {
			t.Errorf("forget one that is forgotten: %v", err)
		}
	})
}
