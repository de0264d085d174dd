package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// start is the first day of the year that is tested.
var start = time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC)

func TestYear(t *testing.T) {
	dir := t.TempDir()
	each, together, err := play(dir, start)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range check(each, together) {
		t.Error(f)
	}
	onThePage(t, dir, together)
	fromTheFiles(t, dir, together)
	theLongerWindow(t, dir)
}

// The page has a strip for each version, with the day on which hixie-76 may go.
func onThePage(t *testing.T, dir string, together judged) {
	name := filepath.Join(dir, "year.html")
	if err := writePage(name, start, together); err != nil {
		t.Fatal(err)
	}
	p, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<th scope="row">hixie-76`, "ask from 2026-08-21 to 2026-09-19; safe from 2026-09-20 to 2026-11-30", "2026-09-19: ask: 1 client left (tv-lobby-07) (confidence: high)"} {
		if !strings.Contains(string(p), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// The files of the ledgers, at the end of the year, still know what was said of each version on
// each day, as far back as a report can look.
func fromTheFiles(t *testing.T, dir string, together judged) {
	s := ledgers(t, dir)
	for day := 255; day < days; day += 3 {
		at := start.AddDate(0, 0, day+1).Add(-time.Second)
		r := s.Report(usage.ReportOptions{Fleet: true, Now: at})
		for _, row := range r.Rows {
			want := together[row.Version][day]
			if row.Verdict.Code != want.Code || row.Verdict.Text != want.Text {
				t.Errorf("%s of day %d: %q, and %q on that day", row.Version, day, row.Verdict.Text, want.Text)
			}
			if row.LastSeen != nil && row.LastSeen.After(at) {
				t.Errorf("%s of day %d: seen last on %s", row.Version, day, row.LastSeen)
			}
		}
	}
}

// A window of 90 days knows what one of 30 does not: at no time is hybi-07 safe, nor does the
// television come as a surprise.
func theLongerWindow(t *testing.T, dir string) {
	s := ledgers(t, dir)
	for day := 300; day < days; day += 2 {
		r := s.Report(usage.ReportOptions{Fleet: true, Now: start.AddDate(0, 0, day+1).Add(-time.Second), Since: 90 * 24 * time.Hour})
		for _, row := range r.Rows {
			safe := row.Verdict.Code == usage.SafeToOff
			if v := row.Version; v == wire.Hybi07 && safe || v == wire.Hixie76 && safe != (day >= 262+90+1) {
				t.Errorf("%s of day %d: %s", v, day, row.Verdict.Text)
			}
		}
	}
}

func ledgers(t *testing.T, dir string) *usage.Snapshot {
	var all []*usage.Snapshot
	for i := range gateways {
		s, err := usage.ReadFile(file(dir, i), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return usage.Merge(all...)
}
