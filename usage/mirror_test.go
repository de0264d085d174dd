package usage_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// A hundred percent are said only of answers that are all equal.
func TestMirrorWords(t *testing.T) {
	for _, x := range []struct {
		m    usage.Mirror
		want string
	}{
		{usage.Mirror{}, "no answer compared"},
		{usage.Mirror{Opened: 3, Equal: 12034, Differed: 2}, "99.98 % equal (12,034 of 12,036 answers); 2 different"},
		{usage.Mirror{Equal: 7}, "100 % equal (7 of 7 answers)"},
		{usage.Mirror{Equal: 9_999_999, Missing: 1}, "99.99 % equal (9,999,999 of 10,000,000 answers); 1 missing"},
		{usage.Mirror{More: 1, Unknown: 1234, Refused: 1, Failed: 2, Closed: 3, Overrun: 4, Skipped: 5},
			"0.00 % equal (0 of 1 answers); 1 more than the backend's, 1,234 not compared, 1 connection refused, 2 failed, 3 closed early, 4 too slow, 5 not mirrored"},
	} {
		if got := x.m.String(); got != x.want {
			t.Errorf("got  %s\nwant %s", got, x.want)
		}
	}
}

// mirrored is a ledger of three kinds of clients and two mirrors.
func mirrored(t *testing.T, path string, c *clock) *usage.Ledger {
	l := open(t, path, c, usage.Options{})
	for i, agent := range []string{"Mozilla/5.0 (iPad; CPU OS 5_1_1 like Mac OS X) Safari", "Mozilla/5.0 (iPad; CPU OS 5_1_0 like Mac OS X) Safari", "Chrome/120.0", "Mozilla/5.0 (Linux) HbbTV/1.1.1 (;LG;)"} {
		v := usage.Visit{Version: wire.Hixie76, Client: fmt.Sprint("client-", i), UserAgent: agent}
		if i == 2 {
			v.Version = wire.RFC6455
		}
		l.Opened(v)
		l.Mirrored(v.Version, v.Client, "new", usage.Mirror{Opened: 1, Equal: 1000})
		if i == 1 {
			l.Mirrored(v.Version, v.Client, "new", usage.Mirror{Opened: 1, Equal: 17, Differed: 3})
		}
		if i == 3 {
			l.Mirrored(v.Version, v.Client, "newer", usage.Mirror{Refused: 2})
		}
	}
	return l
}

// A report has a line for each kind of client on each mirror, in text, JSON and HTML.
func TestMirrorReport(t *testing.T) {
	c := &clock{newYear}
	l := mirrored(t, "", c)
	c.t = newYear.Add(3 * aDay)
	report := l.Snapshot().Report(usage.ReportOptions{})
	var text, page, object strings.Builder
	for _, err := range []error{report.Text(&text), report.HTML(&page), report.JSON(&object)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := `
On the mirror new, since 2026-01-01:
  iOS 5.1: 99.85 % equal (2,017 of 2,020 answers, 2 devices); 3 different
  Chrome/120.0: 100 % equal (1,000 of 1,000 answers, 1 device)
  HbbTV/1.1: 100 % equal (1,000 of 1,000 answers, 1 device)
  all: 99.92 % equal (4,017 of 4,020 answers, 4 devices); 3 different

On the mirror newer, since 2026-01-01:
  HbbTV/1.1: no answer compared (1 device); 2 connections refused
  all: no answer compared (1 device); 2 connections refused
`
	if !strings.HasSuffix(text.String(), want) {
		t.Errorf("got %s", text.String())
	}
	for name, has := range map[string][2]string{"HTML": {page.String(), "iOS 5.1: 99.85 % equal (2,017 of 2,020 answers, 2 devices); 3 different"},
		"JSON": {object.String(), `"mirror": "new",
      "kind": "iOS 5.1",
      "clients": 2,
      "since": "2026-01-01T00:00:00Z",
      "equal_share": 0.99`}} {
		if !strings.Contains(has[0], has[1]) {
			t.Errorf("%s has no %s:\n%s", name, has[1], has[0])
		}
	}
	c.t = newYear.Add(40 * aDay)
	if old := l.Snapshot().Report(usage.ReportOptions{}); len(old.Mirrors) != 0 {
		t.Errorf("a month later: %+v", old.Mirrors)
	}
}

// What a file has, a ledger that is opened later has too, and of names only the newest four.
func TestMirrorsAreKept(t *testing.T) {
	c := &clock{newYear}
	path := filepath.Join(t.TempDir(), "ledger")
	l := mirrored(t, path, c)
	for i := range 6 {
		c.t = c.t.Add(time.Minute)
		l.Mirrored(wire.Hixie76, "client-0", fmt.Sprint("name-", (i*5)%6), usage.Mirror{Equal: uint64(i)})
	}
	before := export(t, l.Snapshot())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, path, c, usage.Options{})
	if after := export(t, l.Snapshot()); after != before {
		t.Errorf("before %s\nafter %s", before, after)
	}
	var names []string
	for _, m := range find(t, l.Snapshot(), wire.Hixie76, "client-0").Mirrors {
		names = append(names, fmt.Sprint(m.Name, "=", m.Equal))
	}
	if got := strings.Join(names, " "); got != "name-1=5 name-2=4 name-3=3 name-4=2" {
		t.Errorf("kept: %s", got)
	}
	s, err := usage.Import(strings.NewReader(before))
	if err != nil {
		t.Fatal(err)
	}
	if again := export(t, s); again != before {
		t.Errorf("imported: %s", again)
	}
	if _, err := usage.Import(strings.NewReader(strings.ReplaceAll(before, "name-2", "name-0"))); err == nil {
		t.Error("names that are not in order are taken")
	}
}

// A copy of a ledger does not change while the ledger goes on.
func TestMirrorsOfACopy(t *testing.T) {
	l := mirrored(t, "", &clock{newYear})
	s := l.Snapshot()
	before := export(t, s)
	l.Mirrored(wire.Hixie76, "client-0", "new", usage.Mirror{Equal: 1})
	l.Mirrored(wire.Hixie76, "client-0", "a", usage.Mirror{Equal: 1})
	if after := export(t, s); after != before {
		t.Errorf("before %s\nafter %s", before, after)
	}
}
