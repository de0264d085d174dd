package usage_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/draftwire/draftwire/internal/leak"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// TestMain fails the run if a goroutine outlives the tests. A process that a test has
// started does that test's work instead.
func TestMain(m *testing.M) {
	if work := children[os.Getenv("LEDGER_CHILD")]; work != nil {
		work(os.Getenv("LEDGER_FILE"))
		os.Exit(0)
	}
	leak.Main(m, []string{"bbolt."}, nil)
}

// children says what the processes that a test starts do with a ledger's file.
var children = map[string]func(path string){}

// newYear is when the tests begin.
var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const aDay = 24 * time.Hour

// clock is a clock that the test sets.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func open(t testing.TB, path string, c *clock, o usage.Options) *usage.Ledger {
	t.Helper()
	if o.Name == "" {
		o.Name = "gw-1"
	}
	o.Now = c.now
	o.Every = time.Hour // the test flushes
	l, err := usage.Open(path, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// find returns a client of a snapshot.
func find(t *testing.T, s *usage.Snapshot, v wire.Version, key string) usage.Client {
	t.Helper()
	i := slices.IndexFunc(s.Clients, func(c usage.Client) bool { return c.Version == v && c.Key == key })
	if i < 0 {
		t.Fatalf("no client %s of %s", key, v)
	}
	return s.Clients[i]
}

func rowOf(t *testing.T, r *usage.Report, v wire.Version) usage.Row {
	t.Helper()
	i := slices.IndexFunc(r.Rows, func(x usage.Row) bool { return x.Version == v })
	if i < 0 {
		t.Fatalf("no row of %s", v)
	}
	return r.Rows[i]
}

// event is a call of a ledger's method at some time.
type event struct {
	at      time.Time
	visit   usage.Visit
	refused bool
	carried bool
	traffic usage.Traffic
	mirror  string // its name; "" for none
}

func (e event) tell(l *usage.Ledger) {
	switch {
	case e.carried:
		l.Traffic(e.visit.Version, e.visit.Client, e.traffic)
	case e.refused:
		l.Refused(e.visit)
	default:
		l.Opened(e.visit)
	}
	if e.mirror != "" {
		l.Mirrored(e.visit.Version, e.visit.Client, e.mirror, usage.Mirror{Opened: 1, Equal: e.traffic.In, Missing: e.traffic.MessagesOut})
	}
}

// someEvents returns n events in n different seconds, in order.
func someEvents(rnd *rand.Rand, n int, span time.Duration) []event {
	versions := wire.AllVersions.List()
	out := make([]event, n)
	for i := range out {
		e := &out[i]
		e.at = newYear.Add(time.Duration(i) * (span / time.Duration(n))).Truncate(time.Second)
		e.visit = usage.Visit{
			Version: versions[rnd.IntN(len(versions))], Client: fmt.Sprintf("10.0.0.%d", rnd.IntN(20)), UserAgent: fmt.Sprintf("agent/%d", i), Path: fmt.Sprintf("/%d?q", i),
			Host: "h", Origin: "http://o", TLS: usage.TLS(0x0300 + rnd.IntN(5)), Tolerated: 1 << rnd.IntN(3),
		}
		e.refused, e.carried = rnd.IntN(4) == 0, rnd.IntN(3) == 0
		if i%7 == 0 {
			e.mirror = fmt.Sprint("mirror-", i%4)
		}
		e.traffic = usage.Traffic{In: rnd.Uint64N(1000), Out: rnd.Uint64N(1000), MessagesIn: 1, MessagesOut: rnd.Uint64N(3)}
	}
	return out
}
