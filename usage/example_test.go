package usage_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// two returns a ledger that has watched for 60 days: first two kiosks, then one.
func two() *usage.Snapshot {
	now := newYear
	l, err := usage.Open("", &usage.Options{Name: "gw-1", Now: func() time.Time { return now }})
	if err != nil {
		panic(err)
	}
	defer l.Close()
	l.Opened(usage.Visit{Version: wire.Hixie76, Client: "kiosk-1", UserAgent: "HbbTV/1.1.1"})
	l.Opened(usage.Visit{Version: wire.Hixie76, Client: "kiosk-2", UserAgent: "HbbTV/1.1.1", Path: "/feed?key=1"})
	now = now.Add(60*aDay - time.Hour)
	l.Opened(usage.Visit{Version: wire.Hixie76, Client: "kiosk-2", UserAgent: "HbbTV/1.1.1", Path: "/feed?key=1"})
	now = now.Add(time.Hour)
	return l.Snapshot()
}

// A gateway reports each handshake to its ledger, and the traffic of each connection.
func ExampleLedger() {
	l, err := usage.Open("", &usage.Options{Name: "gw-1"}) // in a gateway it is a file like /var/lib/draftwire/usage.db
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	visit := usage.Visit{Version: wire.Hixie76, Client: "10.0.0.0/24", UserAgent: "HbbTV/1.1.1", Path: "/feed"}
	l.Opened(visit)
	l.Traffic(visit.Version, visit.Client, usage.Traffic{In: 120, Out: 4096})
	c := l.Snapshot().Clients[0]
	fmt.Println(c.Version, c.Key, c.Opened, c.In, c.Out)
	// Output: hixie-76 10.0.0.0/24 1 120 4096
}

func ExampleOptions() {
	l, err := usage.Open("", &usage.Options{
		Clients: 10_000,
		Every:   time.Minute,
		Failed:  func(err error) { fmt.Println("the ledger is not written:", err) },
	})
	fmt.Println(l.Close(), err)
	// Output: <nil> <nil>
}

func ExampleSnapshot() {
	s := two()
	var b strings.Builder
	if err := s.Export(&b); err != nil {
		fmt.Println(err)
	}
	again, err := usage.Import(strings.NewReader(b.String()))
	fmt.Println(len(again.Clients), err)
	// Two gateways: the counts are added.
	fmt.Println(usage.Merge(s, two()).Versions[1].Opened)
	// Output:
	// 2 <nil>
	// 6
}

func ExampleReport() {
	r := two().Report(usage.ReportOptions{Since: 30 * aDay, List: wire.VersionsOf(wire.Hixie76)})
	old := r.Rows[1]
	fmt.Println(old.Version, old.Clients, old.Verdict.Text)
	for _, c := range old.List {
		fmt.Println(c.Key, c.Last.Format(time.DateOnly), c.UserAgent, c.Path)
	}
	// Output:
	// hixie-76 1 ask: 1 client left (kiosk-2)
	// kiosk-2 2026-03-01 HbbTV/1.1.1 /feed
}

func ExampleRow() {
	row := two().Report(usage.ReportOptions{}).Rows[1]
	fmt.Printf("%d before, %d now, %+.0f %%, %v\n", row.ClientsBefore, row.Clients, *row.Trend*100, row.Agents)
	// Output: 2 before, 1 now, -50 %, [{HbbTV/1.1 1}]
}

func ExampleReportOptions() {
	plan, err := usage.ParsePlan("hixie-76=off@2026-04-01")
	if err != nil {
		fmt.Println(err)
	}
	r := two().Report(usage.ReportOptions{Since: 7 * aDay, Plan: plan})
	fmt.Println(r.Rows[1].Verdict.Text)
	// Output: keep: 1 client; off from 2026-04-01
}

func ExampleVerdict() {
	v := two().Report(usage.ReportOptions{}).Rows[1].Verdict
	json.NewEncoder(os.Stdout).Encode(v)
	// Output: {"code":"ask","confidence":"high","text":"ask: 1 client left (kiosk-2)","clients":["kiosk-2"]}
}

// A script reads the code.
func ExampleCode() {
	for _, row := range two().Report(usage.ReportOptions{}).Rows[:2] {
		fmt.Println(row.Version, row.Verdict.Code == usage.SafeToOff)
	}
	// Output:
	// hixie-75 true
	// hixie-76 false
}

func ExampleConfidence() {
	for _, days := range []time.Duration{3, 14, 30} {
		v := two().Report(usage.ReportOptions{Since: days * aDay}).Rows[0].Verdict
		fmt.Println(int(days), v.Code, v.Confidence)
	}
	// Output:
	// 3 safe low
	// 14 safe medium
	// 30 safe high
}

func ExampleNamed() {
	fmt.Println(two().Report(usage.ReportOptions{}).Rows[1].TLS)
	// Output: [{none 1}]
}

func ExamplePlan() {
	plan, err := usage.ParsePlan("hixie-76=warn, hixie-76=sample 10%@2027-01-01, hixie-76=off@2027-03-01")
	if err != nil {
		fmt.Println(err)
	}
	february := time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)
	next, _ := plan.Next(wire.Hixie76, february)
	fmt.Println(plan.At(wire.Hixie76, february), "then", next, "from", next.From.Format(time.DateOnly))
	// Output: sample 10% then off from 2027-03-01
}

func ExampleStage() {
	stage, err := usage.ParseMode("sample 25%")
	if err != nil {
		fmt.Println(err)
	}
	rnd, refused := rand.New(rand.NewPCG(1, 2)), 0
	for range 1000 {
		if stage.Refuses(rnd.Float64) {
			refused++
		}
	}
	fmt.Println(refused > 200 && refused < 300)
	// Output: true
}

func ExampleMode() {
	fmt.Println(usage.On, usage.Warn, usage.Sample, usage.Off)
	// Output: on warn sample off
}

func ExampleDryRun() {
	plan, err := usage.ParsePlan("hixie-76=off")
	if err != nil {
		fmt.Println(err)
	}
	for _, row := range two().DryRun(usage.DryRunOptions{Plan: plan}).Rows {
		fmt.Println(row.Version, row.Expected, "refused:", row.Clients[0].Key)
	}
	// Output: hixie-76 1 refused: kiosk-2
}

func ExampleDryRunOptions() {
	plan, _ := usage.ParsePlan("hixie-76=sample 50%@2027-01-01")
	r := two().DryRun(usage.DryRunOptions{Plan: plan, On: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), First: usage.DateOf(newYear), Last: usage.DateOf(newYear)})
	fmt.Println(r.Rows[0].Asked, r.Rows[0].Expected)
	// Output: 2 1
}

func ExampleDryRow() {
	plan, _ := usage.ParsePlan("hixie-76=warn")
	row := two().DryRun(usage.DryRunOptions{Plan: plan}).Rows[0]
	fmt.Println(row.Asked, row.Expected, len(row.Clients))
	// Output: 1 0 0
}

func ExampleDryClient() {
	plan, _ := usage.ParsePlan("hixie-76=off")
	c := two().DryRun(usage.DryRunOptions{Plan: plan}).Rows[0].Clients[0]
	fmt.Println(c.Key, c.Asked, c.Hit, c.Path)
	// Output: kiosk-2 1 1 /feed
}

func ExampleVisit() {
	l, _ := usage.Open("", nil)
	defer l.Close()
	l.Opened(usage.Visit{Version: wire.Hybi08, Client: "a", UserAgent: "\x1b[2Jold", Path: "/feed?token=secret", TLS: 0x0301})
	c := l.Snapshot().Clients[0]
	fmt.Println(c.UserAgent, c.Path, c.TLS)
	// Output: [2Jold /feed 1.0
}

// A client that stays connected is in use.
func ExampleTraffic() {
	l, _ := usage.Open("", nil)
	defer l.Close()
	l.Traffic(wire.Hybi08, "a", usage.Traffic{Out: 100, MessagesOut: 1, Tolerated: wire.TolerateUnmasked})
	c := l.Snapshot().Clients[0]
	fmt.Println(c.Opened, c.Out, c.Tolerated)
	// Output: 0 100 unmasked
}

func ExampleTLS() {
	fmt.Println(usage.TLS(0), usage.TLS(0x0301))
	// Output: none 1.0
}

func ExampleTotals() {
	t := two().Versions[1]
	fmt.Println(t.Version, t.Opened, t.First.Format(time.DateOnly), len(t.Days))
	// Output: hixie-76 3 2026-01-01 2
}

func ExampleClient() {
	c := two().Clients[1]
	fmt.Println(c.Key, c.Opened, c.First.Format(time.DateOnly), c.Last.Format(time.DateOnly))
	// Output: kiosk-2 2 2026-01-01 2026-03-01
}

func ExampleHistory() {
	for d := range two().Clients[1].Days.All() {
		fmt.Println(d.Date, d.Opened)
	}
	// Output:
	// 2026-01-01 1
	// 2026-03-01 1
}

func ExampleDay() {
	b, _ := json.Marshal(usage.Day{Date: usage.DateOf(newYear), Opened: 3, Refused: 1})
	fmt.Println(string(b))
	// Output: [20454,3,1]
}

func ExampleDate() {
	d, err := usage.ParseDate("2027-01-01")
	fmt.Println(d-1, err)
	// Output: 2026-12-31 <nil>
}

func ExampleSource() {
	s := two().Sources[0]
	fmt.Println(s.Name, s.Watched[0].To.Sub(s.Watched[0].From))
	// Output: gw-1 1440h0m0s
}

func ExampleSpan() {
	w := two().Sources[0].Watched[0]
	fmt.Println(w.From.Format(time.DateOnly), w.To.Format(time.DateOnly))
	// Output: 2026-01-01 2026-03-02
}

func ExampleCount() {
	l, _ := usage.Open("", nil)
	defer l.Close()
	l.Opened(usage.Visit{Version: wire.Hixie75, Client: "a"})
	n := l.Counts(30 * aDay)[0]
	fmt.Println(n.Version, n.Clients, n.AtLeast)
	// Output: hixie-75 1 false
}

// A second backend has got the messages of an iPad too, and answered otherwise twice.
func ExampleMirrorRow() {
	l, err := usage.Open("", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	v := usage.Visit{Version: wire.Hixie76, Client: "10.0.0.7", UserAgent: "Mozilla/5.0 (iPad; CPU OS 5_1_1 like Mac OS X) Safari"}
	l.Opened(v)
	l.Mirrored(v.Version, v.Client, "new backend", usage.Mirror{Opened: 3, Equal: 12034, Differed: 2})
	for _, row := range l.Snapshot().Report(usage.ReportOptions{}).Mirrors {
		fmt.Println(row.Text())
	}
	// Output:
	// iOS 5.1: 99.98 % equal (12,034 of 12,036 answers, 1 device); 2 different
	// all: 99.98 % equal (12,034 of 12,036 answers, 1 device); 2 different
}
