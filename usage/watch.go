package usage

import (
	"slices"
	"time"
)

// restart is for how long a ledger may be closed, while its gateway is restarted, and the
// time still counts as watched.
const restart = 5 * time.Minute

const (
	maxSpans  = 1000
	keptSpans = 400 * 24 * time.Hour
)

// Span is the time between two times.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Source is a ledger from which a snapshot comes, and the times that it has watched.
type Source struct {
	ID      string `json:"id"`   // of the file, chosen at random
	Name    string `json:"name"` // Options.Name
	Watched []Span `json:"watched"`
}

// resume adds to spans that the ledger watches from now on.
func resume(spans []Span, now time.Time) []Span {
	if n := len(spans); n > 0 && !now.After(spans[n-1].To.Add(restart)) {
		return spans
	}
	spans = append(spans, Span{now, now})
	return pruneSpans(spans, now)
}

func pruneSpans(spans []Span, now time.Time) []Span {
	spans = slices.DeleteFunc(spans, func(s Span) bool { return now.Sub(s.To) > keptSpans })
	return spans[max(0, len(spans)-maxSpans):]
}

// unite returns the times that are in a or in b, in order and without overlaps.
func unite(a, b []Span) []Span {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y Span) int {
		if c := x.From.Compare(y.From); c != 0 {
			return c
		}
		return x.To.Compare(y.To)
	})
	var out []Span
	for _, s := range all {
		if n := len(out); n > 0 && !s.From.After(out[n-1].To) {
			if s.To.After(out[n-1].To) {
				out[n-1].To = s.To
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// covered returns how much of the time between from and to the spans cover. They do not
// overlap.
func covered(spans []Span, from, to time.Time) (d time.Duration) {
	for _, s := range spans {
		a, b := s.From, s.To
		if a.Before(from) {
			a = from
		}
		if b.After(to) {
			b = to
		}
		if b.After(a) {
			d += b.Sub(a)
		}
	}
	return d
}

// watched returns how much of the time between from and to was watched by the source that
// has watched least, and the name of that source. In a fleet it is the time that any source
// has watched.
func (s *Snapshot) watched(from, to time.Time, fleet bool) (d time.Duration, least string) {
	if fleet {
		var all []Span
		for _, src := range s.Sources {
			all = unite(all, src.Watched)
		}
		return covered(all, from, to), ""
	}
	for i, src := range s.Sources {
		if c := covered(src.Watched, from, to); i == 0 || c < d {
			d, least = c, src.Name
		}
	}
	return d, least
}
