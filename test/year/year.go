package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// judged is what the merged report said of each version at the end of each day.
type judged map[wire.Version][]usage.Verdict

// file is where a gateway's ledger is.
func file(dir string, gateway int) string {
	return filepath.Join(dir, fmt.Sprintf("gw-%d.db", gateway+1))
}

// play lets the year pass that begins at start, with the ledgers of the gateways in dir, and
// returns what their reports say: together, each on its own watched, and as a fleet.
func play(dir string, start time.Time) (each, together judged, err error) {
	clock := start
	ledgers := make([]*usage.Ledger, gateways)
	open := func(i int) (err error) {
		ledgers[i], err = usage.Open(file(dir, i), &usage.Options{Name: fmt.Sprintf("gw-%d", i+1), Every: 24 * time.Hour, Now: func() time.Time { return clock }})
		return err
	}
	shut := func(i int) error {
		if ledgers[i] == nil {
			return nil
		}
		err := ledgers[i].Close()
		ledgers[i] = nil
		return err
	}
	for i := range ledgers {
		if err := open(i); err != nil {
			return nil, nil, err
		}
		defer shut(i)
	}
	each, together = judged{}, judged{}
	for day := range days {
		clock = start.AddDate(0, 0, day)
		restart := day%28 == 13 // a new release each month
		for i := range ledgers {
			off := i == down.gateway && day >= down.from && day < down.to
			if restart || off {
				if err := shut(i); err != nil {
					return nil, nil, err
				}
			}
			if ledgers[i] == nil && !off {
				if err := open(i); err != nil {
					return nil, nil, err
				}
			}
		}
		live(ledgers, &clock, start, day)
		clock = start.AddDate(0, 0, day+1).Add(-time.Second)
		s, err := gathered(dir, ledgers)
		if err != nil {
			return nil, nil, err
		}
		each.add(s.Report(usage.ReportOptions{}))
		together.add(s.Report(usage.ReportOptions{Fleet: true}))
	}
	for i := range ledgers {
		if err := shut(i); err != nil {
			return nil, nil, err
		}
	}
	return each, together, nil
}

// gathered adds the ledgers up, as report does: of a gateway that is down it reads the file.
func gathered(dir string, ledgers []*usage.Ledger) (*usage.Snapshot, error) {
	var all []*usage.Snapshot
	for i, l := range ledgers {
		if l != nil {
			all = append(all, l.Snapshot())
			continue
		}
		s, err := usage.ReadFile(file(dir, i), time.Second)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return usage.Merge(all...), nil
}

func (j judged) add(r *usage.Report) {
	for _, row := range r.Rows {
		j[row.Version] = append(j[row.Version], row.Verdict)
	}
}

// span is a time with one verdict: from the first day to the last one.
type span struct {
	code     usage.Code
	from, to int
}

// spans returns the verdicts on a version, one after the other.
func (j judged) spans(v wire.Version) (out []span) {
	for day, x := range j[v] {
		if n := len(out); n > 0 && out[n-1].code == x.Code {
			out[n-1].to = day
			continue
		}
		out = append(out, span{x.Code, day, day})
	}
	return out
}
