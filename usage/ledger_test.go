package usage_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

func TestCounts(t *testing.T) {
	c := &clock{newYear}
	l := open(t, "", c, usage.Options{})
	v := usage.Visit{Version: wire.Hixie76, Client: "kiosk-1", UserAgent: "old", Path: "/feed?token=secret", Host: "h:80", Origin: "http://o", TLS: 0x0301, Tolerated: wire.TolerateNoConnection}
	l.Opened(v)
	c.t = newYear.Add(aDay)
	v.UserAgent, v.TLS, v.Tolerated = "new", 0, wire.TolerateUnmasked
	l.Refused(v)
	c.t = newYear.Add(2 * aDay)
	l.Traffic(wire.Hixie76, "kiosk-1", usage.Traffic{In: 10, Out: 200, MessagesIn: 1, MessagesOut: 2, Tolerated: wire.TolerateHybi01})
	l.Traffic(wire.Hixie76, "kiosk-1", usage.Traffic{In: 1})
	l.Opened(usage.Visit{Version: wire.Unknown, Client: "x"})
	l.Opened(usage.Visit{Version: 200, Client: "x"})
	s := l.Snapshot()
	if len(s.Clients) != 1 || len(s.Versions) != wire.AllVersions.Len() {
		t.Fatalf("%d clients, %d versions", len(s.Clients), len(s.Versions))
	}
	got := s.Clients[0]
	days := slices.Collect(got.Days.All())
	day := usage.DateOf(newYear)
	if want := []usage.Day{{Date: day, Opened: 1}, {Date: day + 1, Refused: 1}, {Date: day + 2, Carried: true}}; !slices.Equal(days, want) {
		t.Errorf("days %v", days)
	}
	got.Days = usage.History{}
	want := usage.Client{
		Version: wire.Hixie76, Key: "kiosk-1", First: newYear, Last: newYear.Add(2 * aDay), Visited: newYear.Add(aDay), Opened: 1, Refused: 1,
		In: 11, Out: 200, MessagesIn: 1, MessagesOut: 2, UserAgent: "new", Path: "/feed", Host: "h:80", Origin: "http://o",
		Tolerated: wire.TolerateNoConnection | wire.TolerateUnmasked | wire.TolerateHybi01,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	total := s.Versions[1]
	if total.Opened != 1 || total.Refused != 1 || total.In != 11 || len(total.Days) != 3 || total.Days[2].Out != 200 || total.First != newYear {
		t.Errorf("totals %+v", total)
	}
}

// Texts of a peer are cut and cleaned, and different keys stay different.
func TestStrings(t *testing.T) {
	l := open(t, "", &clock{newYear}, usage.Options{})
	long := strings.Repeat("x", 300)
	for _, key := range []string{long + "1", long + "2", "", "\x1b\x00", "tab\there"} {
		l.Opened(usage.Visit{Version: wire.RFC6455, Client: key})
		l.Traffic(wire.RFC6455, key, usage.Traffic{In: 1})
	}
	var keys []string
	for _, c := range l.Snapshot().Clients {
		keys = append(keys, c.Key)
		if len(c.Key) > 200 || c.In != c.Opened {
			t.Errorf("key of %d bytes, %d bytes in", len(c.Key), c.In)
		}
	}
	if len(keys) != 4 || !slices.Contains(keys, "unknown") || !slices.Contains(keys, "tabhere") {
		t.Errorf("keys %q", keys)
	}
	for in, want := range map[string]string{
		"plain": "plain", "a\x1b[2Jb\r\n": "a[2Jb", "\u202eevil\u2066": "evil", "\xffa": "\ufffda", strings.Repeat("é", 150): strings.Repeat("é", 100),
		strings.Repeat("\x00", 5000) + "z": "", "x" + strings.Repeat("漢", 100): "x" + strings.Repeat("漢", 66),
	} {
		l.Opened(usage.Visit{Version: wire.Hybi08, Client: "c", UserAgent: in, Origin: in, Host: in, Path: in})
		c := find(t, l.Snapshot(), wire.Hybi08, "c")
		for _, got := range []string{c.UserAgent, c.Origin, c.Host, c.Path} {
			if got != want || !utf8.ValidString(got) {
				t.Errorf("%.20q: %q", in, got)
			}
		}
	}
}

// Whatever a peer sends, its texts are kept short and printable, and its key finds its record
// again.
func FuzzVisit(f *testing.F) {
	f.Add("10.0.0.1", "Mozilla/5.0", "/feed?x#y")
	f.Add(strings.Repeat("\xff", 300), "\u202e\x1b[2J", strings.Repeat("漢", 100))
	f.Fuzz(func(t *testing.T, key, agent, path string) {
		l := open(t, "", &clock{newYear}, usage.Options{})
		l.Opened(usage.Visit{Version: wire.Hixie76, Client: key, UserAgent: agent, Path: path})
		l.Traffic(wire.Hixie76, key, usage.Traffic{In: 1})
		s := l.Snapshot()
		if len(s.Clients) != 1 || s.Clients[0].In != 1 {
			t.Fatalf("%d clients", len(s.Clients))
		}
		c := s.Clients[0]
		for _, got := range []string{c.Key, c.UserAgent, c.Path} {
			if len(got) > 200 || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				t.Errorf("%q", got)
			}
		}
		if c.Key == "" || strings.ContainsAny(c.Path, "?#") {
			t.Errorf("%q, %q", c.Key, c.Path)
		}
		if b, err := usage.Import(strings.NewReader(export(t, s))); err != nil || b.Clients[0].Key != c.Key || b.Clients[0].UserAgent != c.UserAgent {
			t.Errorf("it comes back as %+v, %v", b, err)
		}
	})
}

// A crowd of 200,000 keys stays within the bound, evicts no client of another version, and
// shows in the report.
func TestBound(t *testing.T) {
	c := &clock{newYear}
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path, c, usage.Options{Clients: 5000})
	for i := range 20 {
		l.Opened(usage.Visit{Version: wire.Hixie76, Client: fmt.Sprint("kiosk-", i)})
	}
	c.t = c.t.Add(time.Hour)
	for i := range 200_000 {
		if i%1000 == 0 {
			c.t = c.t.Add(time.Second)
		}
		l.Opened(usage.Visit{Version: wire.RFC6455, Client: fmt.Sprint("browser-", i)})
		if i%60_000 == 0 {
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(s *usage.Snapshot) {
		t.Helper()
		old, crowd := s.Versions[1], s.Versions[8]
		if len(s.Clients) != 5000 || old.Evicted != 0 || crowd.Evicted != 200_000-4980 || crowd.Opened != 200_000 || crowd.Days[0].Opened != 200_000 {
			t.Errorf("%d clients; %d and %d had to go; %d opened", len(s.Clients), old.Evicted, crowd.Evicted, crowd.Opened)
		}
		find(t, s, wire.RFC6455, "browser-199999")
		r := s.Report(usage.ReportOptions{Now: c.t})
		if a, b := rowOf(t, r, wire.Hixie76), rowOf(t, r, wire.RFC6455); a.Clients != 20 || a.AtLeast || b.Clients != 4980 || !b.AtLeast {
			t.Errorf("%d clients (at least: %t) and %d (%t)", a.Clients, a.AtLeast, b.Clients, b.AtLeast)
		}
	}
	check(l.Snapshot())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	check(open(t, path, c, usage.Options{Clients: 5000}).Snapshot())
	few := open(t, filepath.Join(t.TempDir(), "x"), c, usage.Options{Clients: 10})
	for i := range 30 {
		few.Opened(usage.Visit{Version: wire.Hybi07, Client: fmt.Sprint(i)})
	}
	if n := len(few.Snapshot().Clients); n != 10 {
		t.Errorf("%d clients", n)
	}
}

// If a file has more records than the bound, the oldest are evicted.
func TestSmallerBound(t *testing.T) {
	c := &clock{newYear}
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path, c, usage.Options{})
	for i := range 10 {
		c.t = c.t.Add(time.Minute)
		l.Opened(usage.Visit{Version: wire.Hybi08, Client: fmt.Sprint(i)})
	}
	l.Close()
	for range 2 { // evicted records are deleted from the file too
		l = open(t, path, c, usage.Options{Clients: 3})
		var keys string
		for _, c := range l.Snapshot().Clients {
			keys += c.Key
		}
		if keys != "789" || l.Snapshot().Versions[7].Evicted != 7 {
			t.Errorf("left are %s", keys)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDistinct(t *testing.T) {
	c := &clock{newYear}
	l := open(t, "", c, usage.Options{Clients: 3})
	for i := range 4 {
		l.Opened(usage.Visit{Version: wire.Hixie75, Client: fmt.Sprint(i)})
		c.t = c.t.Add(time.Hour)
	}
	for since, want := range map[time.Duration]usage.Count{
		90 * time.Minute: {Version: wire.Hixie75, Clients: 1, Last: newYear.Add(3 * time.Hour)},
		3 * time.Hour:    {Version: wire.Hixie75, Clients: 3, Last: newYear.Add(3 * time.Hour)},
		aDay:             {Version: wire.Hixie75, Clients: 3, AtLeast: true, Last: newYear.Add(3 * time.Hour)},
	} {
		if got := l.Counts(since); len(got) != 9 || got[0] != want || got[1] != (usage.Count{Version: wire.Hixie76}) {
			t.Errorf("%s: %+v", since, got[:2])
		}
	}
}

// Any goroutine may call the methods, also after Close.
func TestConcurrently(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path, &clock{newYear}, usage.Options{Clients: 50})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				v := usage.Visit{Version: wire.AllVersions.List()[i%9], Client: fmt.Sprint(g, i%40)}
				l.Opened(v)
				l.Refused(v)
				l.Traffic(v.Version, v.Client, usage.Traffic{In: 1, Out: 1})
				if i%100 == g {
					l.Snapshot()
					l.Counts(time.Hour)
					if err := l.Flush(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	before := l.Snapshot()
	var opened uint64
	for _, v := range before.Versions {
		opened += v.Opened
	}
	if opened != 8*500 || len(before.Clients) != 50 {
		t.Errorf("%d opened, %d clients", opened, len(before.Clients))
	}
	wg.Go(func() { l.Close() })
	wg.Go(func() { l.Opened(usage.Visit{Version: wire.Hybi04, Client: "late"}) })
	wg.Wait()
	l.Opened(usage.Visit{Version: wire.Hybi04, Client: "too late"})
	if s := l.Snapshot(); slices.ContainsFunc(s.Clients, func(c usage.Client) bool { return c.Key == "too late" }) {
		t.Error("counted after Close")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestHistory(t *testing.T) {
	c := &clock{newYear}
	l := open(t, "", c, usage.Options{})
	var want []usage.Day
	for i := range 700 {
		c.t = newYear.Add(time.Duration(i) * aDay)
		d := usage.Day{Date: usage.DateOf(c.t)}
		for range i % 5 {
			l.Opened(usage.Visit{Version: wire.Hybi06, Client: "c"})
			d.Opened++
		}
		for range i % 3 {
			l.Refused(usage.Visit{Version: wire.Hybi06, Client: "c"})
			d.Refused++
		}
		if i%7 == 0 {
			l.Traffic(wire.Hybi06, "c", usage.Traffic{})
			d.Carried = true
		}
		if d.Opened+d.Refused > 0 || d.Carried {
			want = append(want, d)
		}
		for len(want) > 0 && want[0].Date <= want[len(want)-1].Date-usage.KeptDays {
			want = want[1:]
		}
		s := l.Snapshot()
		if i > 0 {
			if got := slices.Collect(find(t, s, wire.Hybi06, "c").Days.All()); !slices.Equal(got, want) {
				t.Fatalf("day %d:\n%v\n%v", i, got, want)
			}
			if !slices.Equal(s.Versions[5].Days, want) {
				t.Fatalf("day %d: totals %v", i, s.Versions[5].Days)
			}
		}
	}
	c.t = newYear // a clock that goes back counts on the last day
	l.Opened(usage.Visit{Version: wire.Hybi06, Client: "c"})
	got := find(t, l.Snapshot(), wire.Hybi06, "c")
	if n := slices.Collect(got.Days.All()); n[len(n)-1].Opened != want[len(want)-1].Opened+1 || got.Last != newYear.Add(699*aDay) {
		t.Errorf("%v, last %s", n[len(n)-1], got.Last)
	}
}

func BenchmarkOpened(b *testing.B) {
	l := open(b, filepath.Join(b.TempDir(), "ledger"), &clock{newYear}, usage.Options{})
	keys := make([]string, 20_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("10.0.%d.%d", i>>8, i&255)
	}
	v := usage.Visit{Version: wire.Hixie76, UserAgent: "Mozilla/5.0 (iPad; CPU OS 5_1_1 like Mac OS X) AppleWebKit/534.46", Path: "/feed?x=1", Host: "kiosk.example", Origin: "http://kiosk.example"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		v.Client = keys[i%len(keys)]
		l.Opened(v)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	c := &clock{newYear}
	l := open(b, "", c, usage.Options{})
	for d := range 60 {
		c.t = newYear.Add(time.Duration(d) * aDay)
		for i := range 50_000 {
			l.Opened(usage.Visit{Version: wire.Hixie76, Client: fmt.Sprint(i)})
		}
	}
	for b.Loop() {
		l.Snapshot()
	}
}
