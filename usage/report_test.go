package usage_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// fleet is a ledger of 70 days: 14 televisions with hixie-76, two browsers with hybi-08 of
// which one has left, many clients with rfc6455, and refused ones with hybi-07.
func fleet(t testing.TB, o usage.Options) *usage.Snapshot {
	t.Helper()
	c := &clock{newYear}
	l := open(t, "", c, o)
	for day := range 70 {
		c.t = newYear.Add(time.Duration(day)*aDay + 6*time.Hour)
		for i := range 14 {
			v := usage.Visit{Version: wire.Hixie76, Client: fmt.Sprintf("tv-%02d", i), UserAgent: "Mozilla/5.0 (Linux) HbbTV/1.1.1 (;LG;)", Path: "/epg?x", TLS: 0x0301}
			if i < 5 {
				v.UserAgent, v.TLS = "Mozilla/5.0 (iPad; CPU OS 5_1_1 like Mac OS X) Safari", 0
			}
			l.Opened(v)
			l.Traffic(v.Version, v.Client, usage.Traffic{In: 100, Out: 900})
		}
		if day < 30 {
			l.Opened(usage.Visit{Version: wire.Hybi08, Client: "site-11", UserAgent: "Firefox/7.0"})
		}
		l.Opened(usage.Visit{Version: wire.Hybi08, Client: "site-12", UserAgent: "Mozilla/5.0 Firefox/7.0.1", TLS: 0x0302})
		for i := range 20 {
			client := fmt.Sprint("browser-", i)
			l.Opened(usage.Visit{Version: wire.RFC6455, Client: client, UserAgent: "Chrome/120.0", TLS: 0x0304})
			l.Traffic(wire.RFC6455, client, usage.Traffic{Out: 9300})
		}
		if day > 60 {
			l.Refused(usage.Visit{Version: wire.Hybi07, Client: "old", UserAgent: "Firefox/6"})
		}
	}
	return l.Snapshot()
}

func TestText(t *testing.T) {
	plan, err := usage.ParsePlan("hixie-76=off@2026-04-01")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := fleet(t, usage.Options{}).Report(usage.ReportOptions{Plan: plan, List: wire.VersionsOf(wire.Hybi08)}).Text(&b); err != nil {
		t.Fatal(err)
	}
	want := `
DRAFT     CLIENTS  LAST SEEN  TREND 30d  HANDSHAKES  BYTES  TLS        TOP USER AGENTS               VERDICT
hixie-75  0        never      -          0           0 %    -          -                             safe to disable
hixie-76  14       now        +0 %       434         7.0 %  1.0, none  HbbTV/1.1 (9), iOS 5.1 (5)    keep: 14 clients; off from 2026-04-01
hybi-02   0        never      -          0           0 %    -          -                             safe to disable
hybi-04   0        never      -          0           0 %    -          -                             safe to disable
hybi-05   0        never      -          0           0 %    -          -                             safe to disable
hybi-06   0        never      -          0           0 %    -          -                             safe to disable
hybi-07   1        now        -          0           0 %    none       Firefox/6 (1)                 already off; 9 refused, from 1 client
hybi-08   1        now        -50 %      31          0 %    1.1        Firefox/7.0 (1)               ask: 1 client left (site-12)
rfc6455   20       now        +0 %       620         93 %   1.3        Chrome/120.0 (20)             current

2026-02-09 to 2026-03-11 UTC, 30 days and today; watched 30.0 of 30 days, by gw-1

Clients of hybi-08:
CLIENT   FIRST SEEN  LAST SEEN  HANDSHAKES  REFUSED  BYTES  TLS  TOLERATED  USER AGENT   HOST  PATH
site-12  2026-01-01  now        70          0        0      1.1  -          Firefox/7.0  -     -
`
	spaces := regexp.MustCompile(` +`)
	if got := "\n" + b.String(); spaces.ReplaceAllString(got, " ") != spaces.ReplaceAllString(want, " ") {
		t.Errorf("got %s", got)
	}
}

// The rules, each with what has to change for another verdict.
func TestVerdicts(t *testing.T) {
	day := func(n int) time.Time { return newYear.Add(time.Duration(n)*aDay + time.Hour) }
	visit := func(l *usage.Ledger, c *clock, at int, clients ...string) {
		c.t = day(at)
		for _, k := range clients {
			l.Opened(usage.Visit{Version: wire.Hixie76, Client: k})
		}
	}
	for _, x := range []struct {
		name    string
		run     func(l *usage.Ledger, c *clock)
		end     int
		o       usage.ReportOptions
		clients int
		code    usage.Code
		sure    usage.Confidence
		text    string
	}{
		{"never", func(*usage.Ledger, *clock) {}, 60, usage.ReportOptions{}, 0, usage.SafeToOff, usage.High, "safe to disable"},
		{"not for twice as long", func(*usage.Ledger, *clock) {}, 59, usage.ReportOptions{}, 0, usage.SafeToOff, usage.Medium, "safe to disable"},
		{"a short window", func(*usage.Ledger, *clock) {}, 60, usage.ReportOptions{Since: 6 * aDay}, 0, usage.SafeToOff, usage.Low, "safe to disable"},
		{"too early", func(*usage.Ledger, *clock) {}, 29, usage.ReportOptions{}, 0, usage.TooEarly, usage.Low, "too early: watched 29 of 30 days (gw-1)"},
		{"quiet for twice as long", func(l *usage.Ledger, c *clock) { visit(l, c, 29, "a") }, 90, usage.ReportOptions{}, 0, usage.SafeToOff, usage.High, "safe to disable"},
		{"quiet, not before", func(l *usage.Ledger, c *clock) { visit(l, c, 29, "a") }, 60, usage.ReportOptions{}, 0, usage.SafeToOff, usage.Medium, "safe to disable"},
		{"seen early", func(l *usage.Ledger, c *clock) { visit(l, c, 1, "a") }, 2, usage.ReportOptions{}, 1, usage.Keep, usage.High, "keep: 1 client"},
		{"few, steady", func(l *usage.Ledger, c *clock) { visit(l, c, 10, "a", "b"); visit(l, c, 50, "a", "b") }, 60, usage.ReportOptions{}, 2, usage.Keep, usage.High, "keep: 2 clients"},
		{"few, fewer", func(l *usage.Ledger, c *clock) { visit(l, c, 10, "a", "b"); visit(l, c, 50, "b") }, 60, usage.ReportOptions{}, 1, usage.Ask, usage.High, "ask: 1 client left (b)"},
		{"fewer, before not watched", func(l *usage.Ledger, c *clock) { visit(l, c, 10, "a", "b"); visit(l, c, 50, "b") }, 55, usage.ReportOptions{}, 1, usage.Keep, usage.High, "keep: 1 client"},
		{"not few", func(l *usage.Ledger, c *clock) { visit(l, c, 10, "a", "b", "c"); visit(l, c, 50, "b", "c") }, 60, usage.ReportOptions{Few: 1}, 2, usage.Keep, usage.High, "keep: 2 clients"},
		{"carried", func(l *usage.Ledger, c *clock) {
			visit(l, c, 1, "a")
			c.t = day(55)
			l.Traffic(wire.Hixie76, "a", usage.Traffic{})
		}, 60, usage.ReportOptions{}, 1, usage.Keep, usage.High, "keep: 1 client"},
		{"refused alone", func(l *usage.Ledger, c *clock) {
			c.t = day(50)
			l.Refused(usage.Visit{Version: wire.Hixie76, Client: "a"})
		}, 60, usage.ReportOptions{}, 1, usage.IsOff, usage.High, "already off; 1 refused, from 1 client"},
		{"off", func(*usage.Ledger, *clock) {}, 60, usage.ReportOptions{Plan: usage.Plan{wire.Hixie76: {{Mode: usage.Off}}}}, 0, usage.IsOff, usage.High, "already off; no client was refused"},
		{"sampled", func(l *usage.Ledger, c *clock) { visit(l, c, 50, "a") }, 60, usage.ReportOptions{Plan: usage.Plan{wire.Hixie76: {{Mode: usage.Sample, Share: 0.1}, {Mode: usage.Off, From: day(99)}}}},
			1, usage.Keep, usage.High, "keep: 1 client; off from 2026-04-10 01:00 UTC"},
		{"crowd", func(l *usage.Ledger, c *clock) {
			for i := range 30 {
				visit(l, c, 50, fmt.Sprint(i))
			}
		}, 60, usage.ReportOptions{}, 20, usage.Keep, usage.High, "keep: at least 20 clients"},
	} {
		c := &clock{newYear}
		l := open(t, "", c, usage.Options{Clients: 20})
		x.run(l, c)
		c.t = newYear.Add(time.Duration(x.end)*aDay + 12*time.Hour)
		if x.end == 59 || x.end == 29 {
			c.t = c.t.Add(-time.Hour)
		}
		row := rowOf(t, l.Snapshot().Report(x.o), wire.Hixie76)
		if v := row.Verdict; v.Code != x.code || v.Confidence != x.sure || v.Text != x.text || row.Clients != x.clients {
			t.Errorf("%s: %d clients, %+v", x.name, row.Clients, v)
		}
	}
}

// If gateways can replace each other, each of them may have watched only a part.
func TestFleet(t *testing.T) {
	c := &clock{newYear}
	a := open(t, "", c, usage.Options{Name: "a"})
	c.t = newYear.Add(20 * aDay)
	s := a.Snapshot()
	b := open(t, "", c, usage.Options{Name: "b"})
	c.t = newYear.Add(40 * aDay)
	m := usage.Merge(s, b.Snapshot())
	if v := rowOf(t, m.Report(usage.ReportOptions{}), wire.Hixie75).Verdict; v.Text != "too early: watched 10 of 30 days (a)" {
		t.Errorf("%+v", v)
	}
	if v := rowOf(t, m.Report(usage.ReportOptions{Fleet: true}), wire.Hixie75).Verdict; v.Code != usage.SafeToOff {
		t.Errorf("%+v", v)
	}
	if v := rowOf(t, usage.Merge().Report(usage.ReportOptions{Now: newYear}), wire.Hixie75).Verdict; v.Code != usage.TooEarly {
		t.Errorf("nothing: %+v", v)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	s := fleet(t, usage.Options{})
	if err := s.Report(usage.ReportOptions{}).JSON(&b); err != nil {
		t.Fatal(err)
	}
	var r struct {
		Format   string
		Days     int
		Versions []struct {
			Version    string
			Clients    int
			Trend      *float64
			BytesShare float64 `json:"bytes_share"`
			TLSFloor   string  `json:"tls_floor"`
			Daily      []uint64
			Verdict    struct{ Code, Confidence, Text string }
			Stage      struct{ Mode string }
		}
	}
	if err := json.Unmarshal(b.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range r.Versions {
		names = append(names, v.Version)
	}
	old := r.Versions[1]
	if strings.Join(names, ",") != wire.AllVersions.String() || r.Format != "draftwire-report/1" || r.Days != 30 || old.Clients != 14 || *old.Trend != 0 ||
		old.BytesShare < 0.069 || old.BytesShare > 0.071 || old.TLSFloor != "1.0" || old.Verdict.Code != "keep" || old.Stage.Mode != "on" || len(old.Daily) != 70 || old.Daily[69] != 14 {
		t.Errorf("%s", b.String())
	}
	if len(r.Versions[6].Daily) != 9 || r.Versions[0].Daily != nil {
		t.Errorf("daily %v", r.Versions[6].Daily)
	}
}

// evil is a ledger whose peers have sent the worst that they could.
func evil(t *testing.T) *usage.Report {
	l := open(t, "", &clock{newYear}, usage.Options{Name: "<b>gw</b>"})
	l.Opened(usage.Visit{Version: wire.Hixie76, Client: `=cmd|' /C calc'!A0`, UserAgent: `<script>alert(1)</script>`, Path: `/"><img src=x onerror=alert(1)>`,
		Host: "+h\x1b[31m", Origin: "@javascript:alert(1)"})
	return l.Snapshot().Report(usage.ReportOptions{List: wire.AllVersions})
}

func TestHTML(t *testing.T) {
	var b strings.Builder
	if err := evil(t).HTML(&b); err != nil {
		t.Fatal(err)
	}
	if err := fleet(t, usage.Options{}).Report(usage.ReportOptions{List: wire.AllVersions}).HTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, bad := range []string{"<script", "<img", "<b>gw", "http://", "https://", "src=", "href=", "url(", "@import", "\x1b", "ZgotmplZ"} {
		if strings.Contains(strings.ReplaceAll(page, "&gt;&lt;img src=x", ""), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if n := strings.Count(page, "<polyline points="); n != 1+4 {
		t.Errorf("%d charts", n)
	}
	for _, good := range []string{"<!doctype html>", "&lt;script&gt;", "safe to disable", "Clients of hixie-76", "tv-13", `<tr class="already-off">`} {
		if !strings.Contains(page, good) {
			t.Errorf("the page lacks %q", good)
		}
	}
}

func TestCSV(t *testing.T) {
	read := func(r *usage.Report) [][]string {
		t.Helper()
		var b bytes.Buffer
		if err := r.CSV(&b); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	rows := read(fleet(t, usage.Options{}).Report(usage.ReportOptions{}))
	if len(rows) != 10 || rows[2][0] != "hixie-76" || rows[2][1] != "14" || !slices.Contains(rows[2], "keep") {
		t.Errorf("%q", rows)
	}
	rows = read(evil(t))
	if len(rows) != 2 || rows[1][1] != `'=cmd|' /C calc'!A0` || rows[1][11] != "'+h[31m" || rows[1][13] != "'@javascript:alert(1)" {
		t.Errorf("%q", rows)
	}
}

func TestAgents(t *testing.T) {
	for ua, want := range map[string]string{
		"Mozilla/5.0 (iPhone; CPU iPhone OS 4_2_1 like Mac OS X; en-us) AppleWebKit/533.17.9 Version/5.0.2 Mobile/8C148 Safari/6533.18.5": "iOS 4.2",
		"Mozilla/5.0 (X11; Linux) AppleWebKit/534.34 (KHTML, like Gecko) PhantomJS/1.9.8 Safari/534.34":                                   "PhantomJS/1.9",
		"Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2)":                                                                             "IE 10.0",
		"Mozilla/5.0 (Windows) AppleWebKit/534.57 Version/5.1.7 Safari/534.57":                                                            "Safari/5.1",
		"": "no user agent", "curl/8": "curl/8", strings.Repeat("x", 99): strings.Repeat("x", 32), "Firefox/": "Firefox/", "SMART-TV; x": "Smart TV",
	} {
		l := open(t, "", &clock{newYear}, usage.Options{})
		l.Opened(usage.Visit{Version: wire.Hybi08, Client: "a", UserAgent: ua})
		if got := rowOf(t, l.Snapshot().Report(usage.ReportOptions{}), wire.Hybi08).Agents[0].Name; got != want {
			t.Errorf("%s: %s", ua, got)
		}
	}
}

func TestDryRun(t *testing.T) {
	s := fleet(t, usage.Options{})
	plan, err := usage.ParsePlan("hixie-76=warn,hixie-76=off@2026-04-01,hybi-08=sample 10%,hybi-04=off")
	if err != nil {
		t.Fatal(err)
	}
	r := s.DryRun(usage.DryRunOptions{Plan: plan})
	if r.First != usage.DateOf(s.Made)-1 || len(r.Rows) != 3 || r.Rows[0].Expected != 0 || len(r.Rows[0].Clients) != 0 || r.Rows[2].Expected != 0.1 || len(r.Rows[2].Clients) != 1 {
		t.Errorf("%+v", r)
	}
	first := usage.DateOf(newYear)
	r = s.DryRun(usage.DryRunOptions{Plan: plan, On: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), First: first, Last: first + 9})
	tv, ff := r.Rows[0], r.Rows[2]
	if tv.Asked != 140 || tv.Expected != 140 || len(tv.Clients) != 14 || tv.Clients[0].Hit != 1 || ff.Asked != 20 || ff.Expected != 2 || len(ff.Clients) != 2 || ff.Clients[0].Hit < 0.65 || ff.Clients[0].Hit > 0.66 {
		t.Errorf("%+v", r)
	}
	var text, table, object strings.Builder
	if err := r.Text(&text); err != nil || !strings.Contains(text.String(), "hybi-08   site-11  10          1        65 %   Firefox/7.0  -") {
		t.Errorf("%v: %s", err, text.String())
	}
	if err := r.CSV(&table); err != nil || strings.Count(table.String(), "\n") != 17 {
		t.Errorf("%v: %s", err, table.String())
	}
	if err := r.JSON(&object); err != nil || !json.Valid([]byte(object.String())) {
		t.Errorf("%v: %s", err, object.String())
	}
	// A connection that stays open is not refused, and an evicted record shows.
	c := &clock{newYear}
	l := open(t, "", c, usage.Options{Clients: 1})
	l.Opened(usage.Visit{Version: wire.Hixie75, Client: "lost"})
	l.Opened(usage.Visit{Version: wire.Hixie75, Client: "open"})
	c.t = newYear.Add(aDay)
	l.Traffic(wire.Hixie75, "open", usage.Traffic{})
	off := usage.Plan{wire.Hixie75: {{Mode: usage.Off}}}
	if row := l.Snapshot().DryRun(usage.DryRunOptions{Plan: off, First: first, Last: first}).Rows[0]; row.Asked != 2 || !row.AtLeast || len(row.Clients) != 1 {
		t.Errorf("%+v", row)
	}
	if row := l.Snapshot().DryRun(usage.DryRunOptions{Plan: off, First: first + 1, Last: first + 1}).Rows[0]; row.Open != 1 || row.Expected != 0 || row.AtLeast {
		t.Errorf("%+v", row)
	}
}

// A report of the past says what that of its day has said, as far as counts are kept; behind that the
// window was as good as not watched, so that nothing is called safe.
func TestPast(t *testing.T) {
	c := &clock{newYear}
	l := open(t, "", c, usage.Options{})
	reports := map[int]*usage.Report{}
	for d := range 251 {
		c.t = newYear.Add(time.Duration(d)*aDay + 22*time.Hour)
		if d%20 == 0 {
			l.Opened(usage.Visit{Version: wire.Hixie76, Client: "ferry"})
			l.Mirrored(wire.Hixie76, "ferry", "new", usage.Mirror{Equal: 1})
		}
		if d <= 60 {
			l.Opened(usage.Visit{Version: wire.Hixie76, Client: "gone"})
		}
		if d == 45 || d == 75 || d == 105 || d == 150 {
			reports[d] = l.Snapshot().Report(usage.ReportOptions{List: wire.AllVersions})
		}
	}
	s := l.Snapshot()
	for d, then := range reports {
		now := s.Report(usage.ReportOptions{List: wire.AllVersions, Now: then.Made})
		was, is := rowOf(t, then, wire.Hixie76), rowOf(t, now, wire.Hixie76)
		if now.Mirrors != nil || then.Mirrors == nil {
			t.Errorf("day %d: mirrors: %v, and in the past %v", d, then.Mirrors, now.Mirrors)
		}
		if d == 45 || d == 75 { // some of the window is gone
			if now.Watched > 29 || is.Trend != nil || is.Verdict.Code == usage.SafeToOff {
				t.Errorf("day %d: watched %v, %v, %+v", d, now.Watched, is.Trend, is.Verdict)
			}
			continue
		}
		// Without a trend "ask" is "keep".
		if was.Clients != is.Clients || was.Handshakes != is.Handshakes || now.Watched != then.Watched || (was.Verdict.Code == is.Verdict.Code) != (d == 150) || (is.Trend != nil) != (d == 150) {
			t.Errorf("day %d: it was %+v, and is %+v", d, was, is)
		}
		for i, x := range is.List {
			if before := was.List[i]; x.Key != before.Key || usage.DateOf(x.Last) != usage.DateOf(before.Last) {
				t.Errorf("day %d: %s was seen last on %s, and %s on %s", d, before.Key, before.Last, x.Key, x.Last)
			}
		}
	}
}
