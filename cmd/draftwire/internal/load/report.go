package load

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what a run has measured.
type Report struct {
	Versions    []Result // in the order of Options.Mix
	Total       Result
	Lasted      time.Duration // that rates are told of
	Interrupted bool
	Worst       Severity // of all failures
}

// Result is what one version has come to, or all of them. Percentiles are in microseconds,
// to three digits; times above MaxLatency count as that.
type Result struct {
	Version           string   `json:"version"` // "total" for all
	ConnectionsWanted int      `json:"connections_wanted"`
	Connections       int      `json:"connections"`
	Messages          int64    `json:"messages"` // that were answered right
	MessagesPerS      float64  `json:"messages_per_s"`
	Bytes             int64    `json:"bytes"` // of their payload, one way
	MBPerS            float64  `json:"mb_per_s"`
	P50               int64    `json:"p50_us"`
	P90               int64    `json:"p90_us"`
	P99               int64    `json:"p99_us"`
	P999              int64    `json:"p999_us"`
	Max               int64    `json:"max_us"`
	Mean              float64  `json:"mean_us"`
	HandshakeP50      int64    `json:"handshake_p50_us"`
	HandshakeP99      int64    `json:"handshake_p99_us"`
	Errors            int64    `json:"errors"` // the sum of the next three
	FailedConnections int      `json:"failed_connections"`
	BrokenConnections int      `json:"broken_connections"`
	WrongAnswers      int64    `json:"wrong_answers"`
	Unanswered        int64    `json:"unanswered_messages"`
	Unsent            int64    `json:"unsent_messages"` // that were due
	Reasons           []Reason `json:"reasons"`         // of failed and broken connections
}

// sum adds up what was counted.
type sum struct {
	wanted, open       int
	failed, broken     int
	wrong, bytes       int64
	unanswered, unsent int64
	latency, opening   *hdrhistogram.Histogram
	last               time.Duration // when the last answer came
	worst              Severity
	reasons            []Reason
}

func newSum() *sum { return &sum{latency: newHistogram(), opening: newHistogram()} }

func (s *sum) add(t *sum) {
	s.wanted += t.wanted
	s.open += t.open
	s.failed += t.failed
	s.broken += t.broken
	s.wrong += t.wrong
	s.bytes += t.bytes
	s.unanswered += t.unanswered
	s.unsent += t.unsent
	s.latency.Merge(t.latency)
	s.opening.Merge(t.opening)
	s.last = max(s.last, t.last)
	s.worst = max(s.worst, t.worst)
	for _, r := range t.reasons {
		s.reasons = addReason(s.reasons, r)
	}
}

// sum is called when nothing is measured any more.
func (t *tally) sum() *sum {
	s := newSum()
	s.wanted, s.open = t.wanted, t.opened
	s.failed, s.broken = t.failed, t.broken
	s.worst, s.reasons = t.worst, t.reasons
	s.opening = t.opening
	for i := range t.shards {
		h := &t.shards[i]
		s.latency.Merge(h.latency)
		s.bytes += h.bytes
		s.wrong += h.wrong
		s.last = max(s.last, h.last)
	}
	if s.wrong > 0 {
		s.worst = max(s.worst, Failed)
	}
	return s
}

// report adds up the tallies, and what of p was not answered or not sent.
func (r *Run) report(p *phase, interrupted bool) *Report {
	sums := map[*tally]*sum{}
	for _, t := range r.tallies {
		sums[t] = t.sum()
	}
	for i, w := range p.workers {
		s, sent := sums[w.tally], w.sent.Load()
		s.unanswered += sent - w.answered.Load()
		s.unsent += max(0, int64(p.planned(i, interrupted))-sent)
	}
	total := newSum()
	for _, t := range r.tallies {
		total.add(sums[t])
	}
	out := &Report{Lasted: p.lasted(total.last), Interrupted: interrupted, Worst: total.worst}
	for _, t := range r.tallies {
		out.Versions = append(out.Versions, sums[t].result(t.version.String(), out.Lasted))
	}
	out.Total = total.result("total", out.Lasted)
	return out
}

func (s *sum) result(name string, lasted time.Duration) Result {
	return Result{
		Version: name, ConnectionsWanted: s.wanted, Connections: s.open,
		Messages: s.latency.TotalCount(), MessagesPerS: perSecond(float64(s.latency.TotalCount()), lasted),
		Bytes: s.bytes, MBPerS: perSecond(float64(s.bytes)/1e6, lasted),
		P50: s.latency.ValueAtQuantile(50), P90: s.latency.ValueAtQuantile(90), P99: s.latency.ValueAtQuantile(99),
		P999: s.latency.ValueAtQuantile(99.9), Max: s.latency.Max(), Mean: thousandths(s.latency.Mean()),
		HandshakeP50: s.opening.ValueAtQuantile(50), HandshakeP99: s.opening.ValueAtQuantile(99),
		Errors: int64(s.failed) + int64(s.broken) + s.wrong, FailedConnections: s.failed, BrokenConnections: s.broken, WrongAnswers: s.wrong,
		Unanswered: s.unanswered, Unsent: s.unsent, Reasons: append([]Reason{}, s.reasons...), // never null in JSON
	}
}

func perSecond(n float64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return thousandths(n / d.Seconds())
}

func thousandths(f float64) float64 { return math.Round(f*1000) / 1000 }
