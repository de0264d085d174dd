package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/url"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// sum is what one version, or all, came to.
type sum struct {
	name               string
	wanted, open       int
	failed, broken     int
	wrong, bytes       int64
	unanswered, unsent int64
	latency, opening   *hdrhistogram.Histogram
	last               time.Duration
	code               int
	reasons            []reason
}

func newSum(name string) *sum {
	return &sum{name: name, latency: newHistogram(), opening: newHistogram()}
}

func (s *sum) add(t *sum) {
	s.wanted, s.open, s.failed, s.broken = s.wanted+t.wanted, s.open+t.open, s.failed+t.failed, s.broken+t.broken
	s.wrong, s.bytes = s.wrong+t.wrong, s.bytes+t.bytes
	s.unanswered, s.unsent = s.unanswered+t.unanswered, s.unsent+t.unsent
	s.latency.Merge(t.latency)
	s.opening.Merge(t.opening)
	s.last, s.code = max(s.last, t.last), worseCode(s.code, t.code)
	for _, r := range t.reasons {
		s.reasons = addReason(s.reasons, r)
	}
}

func (s *sum) errors() int64 { return int64(s.failed) + int64(s.broken) + s.wrong }

// sum is for when nothing is measured any more.
func (t *tally) sum() *sum {
	s := newSum(t.version.String())
	s.wanted, s.open, s.failed, s.broken = t.wanted, t.opened, t.failed, t.broken
	s.opening, s.code, s.reasons = t.opening, t.code, t.reasons
	for i := range t.shards {
		h := &t.shards[i]
		s.latency.Merge(h.latency)
		s.bytes, s.wrong, s.last = s.bytes+h.bytes, s.wrong+h.wrong, max(s.last, h.last)
	}
	if s.wrong > 0 {
		s.code = worseCode(s.code, exitFailure)
	}
	return s
}

// benchReport is what a run found.
type benchReport struct {
	rows        []*sum
	total       *sum
	lasted      time.Duration
	interrupted bool
}

func (b *bench) report(p *lap, interrupted bool) *benchReport {
	r := &benchReport{total: newSum("total"), interrupted: interrupted}
	byTally := map[*tally]*sum{}
	for _, t := range b.tallies {
		s := t.sum()
		r.rows, byTally[t] = append(r.rows, s), s
	}
	for i, l := range p.live {
		s, sent := byTally[l.tally], l.sent.Load()
		s.unanswered += sent - l.answered.Load()
		s.unsent += max(0, int64(p.planned(i, interrupted))-sent)
	}
	for _, s := range r.rows {
		r.total.add(s)
	}
	r.lasted = p.lasted(r.total.last)
	return r
}

// benchRow is a sum as JSON.
type benchRow struct {
	Version           string   `json:"version"`
	ConnectionsWanted int      `json:"connections_wanted"`
	Connections       int      `json:"connections"`
	Messages          int64    `json:"messages"`
	MessagesPerS      float64  `json:"messages_per_s"`
	Bytes             int64    `json:"bytes"`
	MBPerS            float64  `json:"mb_per_s"`
	P50               int64    `json:"p50_us"`
	P90               int64    `json:"p90_us"`
	P99               int64    `json:"p99_us"`
	P999              int64    `json:"p999_us"`
	Max               int64    `json:"max_us"`
	Mean              float64  `json:"mean_us"`
	HandshakeP50      int64    `json:"handshake_p50_us"`
	HandshakeP99      int64    `json:"handshake_p99_us"`
	Errors            int64    `json:"errors"`
	FailedConnections int      `json:"failed_connections"`
	BrokenConnections int      `json:"broken_connections"`
	WrongAnswers      int64    `json:"wrong_answers"`
	Unanswered        int64    `json:"unanswered_messages"`
	Unsent            int64    `json:"unsent_messages"`
	Reasons           []reason `json:"reasons"`
}

func (s *sum) row(lasted time.Duration) benchRow {
	return benchRow{
		Version: s.name, ConnectionsWanted: s.wanted, Connections: s.open,
		Messages: s.latency.TotalCount(), MessagesPerS: perSecond(float64(s.latency.TotalCount()), lasted),
		Bytes: s.bytes, MBPerS: perSecond(float64(s.bytes)/1e6, lasted),
		P50: s.latency.ValueAtQuantile(50), P90: s.latency.ValueAtQuantile(90), P99: s.latency.ValueAtQuantile(99),
		P999: s.latency.ValueAtQuantile(99.9), Max: s.latency.Max(), Mean: thousandths(s.latency.Mean()),
		HandshakeP50: s.opening.ValueAtQuantile(50), HandshakeP99: s.opening.ValueAtQuantile(99),
		Errors: s.errors(), FailedConnections: s.failed, BrokenConnections: s.broken, WrongAnswers: s.wrong,
		Unanswered: s.unanswered, Unsent: s.unsent, Reasons: append([]reason{}, s.reasons...),
	}
}

func perSecond(n float64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return thousandths(n / d.Seconds())
}

func thousandths(f float64) float64 { return math.Round(f*1000) / 1000 }

// benchJSON is all there is to tell of a run.
type benchJSON struct {
	URL         string     `json:"url"`
	DurationS   float64    `json:"duration_s"`
	Interrupted bool       `json:"interrupted"`
	WarmupS     float64    `json:"warmup_s"`
	RatePerS    int        `json:"rate_per_s"` // 0: none
	MeasuredBy  string     `json:"latency_from"`
	Depth       int        `json:"depth"`
	Sizes       []int      `json:"sizes_bytes"`
	Type        string     `json:"type"`
	Versions    []benchRow `json:"versions"`
	Total       benchRow   `json:"total"`
}

func (r *benchReport) write(w io.Writer, o benchOptions) error {
	if !o.json {
		return r.writeTable(w, o.long)
	}
	out := benchJSON{
		URL: o.url, DurationS: seconds(r.lasted), Interrupted: r.interrupted, WarmupS: seconds(o.warmup),
		RatePerS: o.rate, MeasuredBy: "sent", Depth: o.depth, Sizes: o.sizes, Type: o.op.String(), Total: r.total.row(r.lasted),
	}
	if u, err := url.Parse(o.url); err == nil {
		out.URL = u.Redacted()
	}
	if o.rate > 0 {
		out.MeasuredBy = "due"
	}
	for _, s := range r.rows {
		out.Versions = append(out.Versions, s.row(r.lasted))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// comment says on stderr what the table has no room for.
func (r *benchReport) comment(w io.Writer) {
	for _, s := range r.rows {
		if s.wrong > 0 {
			fmt.Fprintf(w, "%s: %s not what was sent; is this an echo server?\n", s.name, counted(s.wrong, "answer was", "answers were"))
		}
		for _, x := range s.reasons {
			fmt.Fprintf(w, "%s: %s: %s\n", s.name, counted(int64(x.Count), "connection", "connections"), x.Text)
		}
		if s.unsent > 0 {
			fmt.Fprintf(w, "%s: %s due and not sent\n", s.name, counted(s.unsent, "message was", "messages were"))
		}
	}
}

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// verdict is the exit code. That something failed weighs more than a limit,
// which was then measured on less.
func (r *benchReport) verdict(o benchOptions) error {
	p99 := time.Duration(r.total.latency.ValueAtQuantile(99)) * time.Microsecond
	switch {
	case r.interrupted:
		return &exitError{code: exitInterrupted}
	case r.total.errors() > 0:
		return exitf(r.total.code, "%s", counted(r.total.errors(), "error", "errors"))
	case r.total.latency.TotalCount() == 0:
		return exitf(exitFailure, "nothing was measured: no message came back")
	case o.maxP99 > 0 && p99 > o.maxP99:
		return exitf(exitCondition, "p99 is %s, above --max-p99 %s", shortTime(p99.Microseconds()), o.maxP99)
	}
	return nil
}
