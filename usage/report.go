package usage

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// The defaults of ReportOptions, and the longest time that a report looks at.
const (
	DefaultSince = 30 * 24 * time.Hour
	MaxSince     = KeptDays * 24 * time.Hour
	DefaultFew   = 5
)

// ReportOptions are a report's. The zero value has the defaults.
type ReportOptions struct {
	// Since is the window, in whole days; what is over a day counts as one.
	// Default 30 days; at most 180. The trend needs twice that, so it is unknown
	// above 90.
	Since time.Duration

	// Now is the end of the window. Default: when the snapshot was made.
	Now time.Time

	// Plan is what is done with versions, as far as it is decided.
	Plan Plan

	// List are the versions whose clients are listed.
	List wire.Versions

	// Few is up to how many clients are few enough to be asked one by one.
	// Default 5.
	Few int

	// Fleet says that the ledgers are those of gateways that stand in for each
	// other: time that any of them watched has been watched. Without it all
	// must have watched.
	Fleet bool
}

func (o *ReportOptions) fill(s *Snapshot) {
	if o.Since <= 0 {
		o.Since = DefaultSince
	}
	o.Since = min(o.Since, MaxSince)
	if o.Now.IsZero() {
		o.Now = s.Made
	}
	o.Now = o.Now.UTC()
	if o.Few <= 0 {
		o.Few = DefaultFew
	}
}

// Report is what a ledger says about each version.
//
// A window of n days is n whole days in UTC and what there is of today. The
// trend compares the n whole days with the n before them.
type Report struct {
	Format  string    `json:"format"` // "draftwire-report/1"
	Made    time.Time `json:"made"`   // the end of the window
	Days    int       `json:"days"`
	From    Date      `json:"from"`
	To      Date      `json:"to"`
	Watched float64   `json:"watched_days"` // of Days; by the ledger that watched least
	Sources []string  `json:"sources"`
	Rows    []Row     `json:"versions"` // every version, oldest first
}

// Row is a version in a report. Numbers are of the window.
type Row struct {
	Version wire.Version `json:"version"`

	Clients       int `json:"clients"`         // that opened a connection or had one, or were refused
	Served        int `json:"clients_served"`  // those of them that opened a connection or had one
	Turned        int `json:"clients_refused"` // those that were refused at least once
	ClientsBefore int `json:"clients_before"`  // in the window before; zero if nobody knows

	// AtLeast says that Clients may be too few: records had to go.
	AtLeast bool `json:"at_least"`

	LastSeen *time.Time `json:"last_seen"` // ever; nil: never
	Trend    *float64   `json:"trend"`     // of clients: -0.38 is 38 % less; nil: nobody knows

	Handshakes uint64  `json:"handshakes"` // that opened a connection
	Refused    uint64  `json:"refused"`
	BytesIn    uint64  `json:"bytes_in"`
	BytesOut   uint64  `json:"bytes_out"`
	BytesShare float64 `json:"bytes_share"` // of all versions, 0 to 1

	// Daily are the handshakes of each day, those that were refused too, from
	// the first use on and up to today; at most KeptDays.
	Daily []uint64 `json:"daily"`

	Agents    []Named `json:"user_agents"` // the most frequent, by clients
	TLS       []Named `json:"tls"`         // of the last handshake, by clients, lowest first
	TLSFloor  string  `json:"tls_floor"`   // the lowest of these; empty if none used TLS
	Tolerated string  `json:"tolerated"`   // faults that had to be accepted for them, ever

	Stage Stage  `json:"stage"` // of the plan, now
	Next  *Stage `json:"next"`  // of the plan

	Verdict Verdict `json:"verdict"`

	List []Client `json:"list,omitempty"` // the clients, seen last first
}

// Named is how many clients have something in common.
type Named struct {
	Name    string `json:"name"`
	Clients int    `json:"clients"`
}

// topAgents is how many user agents a row names.
const topAgents = 5

// Report makes a report.
func (s *Snapshot) Report(o ReportOptions) *Report {
	o.fill(s)
	days := int((o.Since + secondsADay*time.Second - 1) / (secondsADay * time.Second))
	today := DateOf(o.Now)
	r := &Report{Format: "draftwire-report/1", Made: o.Now, Days: days, From: today - Date(days), To: today}
	w := s.window(o, days)
	r.Watched = w.watched.Hours() / 24
	for _, src := range s.Sources {
		r.Sources = append(r.Sources, src.Name)
	}
	clients := map[wire.Version][]*Client{}
	for i := range s.Clients {
		c := &s.Clients[i]
		clients[c.Version] = append(clients[c.Version], c)
	}
	var bytes uint64
	for i := range s.Versions {
		row := w.row(&s.Versions[i], clients[s.Versions[i].Version])
		r.Rows = append(r.Rows, row)
		bytes = sum(bytes, sum(row.BytesIn, row.BytesOut))
	}
	for i := range r.Rows {
		if row := &r.Rows[i]; bytes > 0 {
			row.BytesShare = float64(sum(row.BytesIn, row.BytesOut)) / float64(bytes)
		}
	}
	return r
}

// window is the time that a report looks at.
type window struct {
	o       ReportOptions
	days    int
	today   Date
	watched time.Duration // of the window
	least   string        // by whom
	twice   bool          // the window before was watched too
}

// enough is the part of a time that must have been watched.
const enough = 0.99

func (s *Snapshot) window(o ReportOptions, days int) *window {
	w := &window{o: o, days: days, today: DateOf(o.Now)}
	length := time.Duration(days) * secondsADay * time.Second
	from := o.Now.Add(-length)
	w.watched, w.least = s.watched(from, o.Now, o.Fleet)
	before, _ := s.watched(from.Add(-length), from, o.Fleet)
	w.twice = w.covered() && before >= time.Duration(enough*float64(length)) && 2*days <= KeptDays
	return w
}

// covered reports whether the window was watched.
func (w *window) covered() bool {
	return w.watched >= time.Duration(enough*float64(w.days)*secondsADay)*time.Second
}

// row makes the row of a version.
func (w *window) row(t *Totals, clients []*Client) Row {
	row := Row{Version: t.Version, Stage: w.o.Plan.At(t.Version, w.o.Now)}
	if next, ok := w.o.Plan.Next(t.Version, w.o.Now); ok {
		row.Next = &next
	}
	if !t.Last.IsZero() {
		row.LastSeen = &t.Last
	}
	first := w.today - Date(w.days)
	total, _ := sumDays(slices.Values(t.Days), first, w.today)
	row.Handshakes, row.Refused, row.BytesIn, row.BytesOut = total.Opened, total.Refused, total.In, total.Out
	row.AtLeast = t.Evicted > 0 && DateOf(t.EvictedLast) >= first
	p := &people{agents: map[string]int{}, tls: map[TLS]int{}}
	for _, c := range clients {
		w.client(&row, p, c)
	}
	p.fill(&row)
	w.trend(&row, p)
	slices.SortFunc(p.seen, func(a, b *Client) int { return cmp.Or(b.Last.Compare(a.Last), strings.Compare(a.Key, b.Key)) })
	if w.o.List.Has(t.Version) {
		for _, c := range p.seen {
			row.List = append(row.List, *c)
		}
	}
	row.Verdict = w.judge(&row, p)
	row.Daily = daily(t.Days, w.today)
	return row
}

// people is what the clients of a version have in common.
type people struct {
	seen          []*Client // in the window
	agents        map[string]int
	tls           map[TLS]int
	tolerated     wire.Tolerances
	whole, before int // clients of the whole days, and of those before
}

func (w *window) client(row *Row, p *people, c *Client) {
	first := w.today - Date(w.days)
	if _, ok := c.Days.Sum(first, w.today-1); ok {
		p.whole++
	}
	if _, ok := c.Days.Sum(first-Date(w.days), first-1); ok {
		p.before++
	}
	d, ok := c.Days.Sum(first, w.today)
	if !ok {
		return
	}
	row.Clients++
	if d.Opened > 0 || d.Carried {
		row.Served++
	}
	if d.Refused > 0 {
		row.Turned++
	}
	p.seen = append(p.seen, c)
	p.agents[agentName(c.UserAgent)]++
	p.tls[c.TLS]++
	p.tolerated |= c.Tolerated
}

func (p *people) fill(row *Row) {
	for name, n := range p.agents {
		row.Agents = append(row.Agents, Named{name, n})
	}
	slices.SortFunc(row.Agents, func(a, b Named) int { return cmp.Or(b.Clients-a.Clients, strings.Compare(a.Name, b.Name)) })
	row.Agents = row.Agents[:min(topAgents, len(row.Agents))]
	var versions []TLS
	for v := range p.tls {
		versions = append(versions, v)
	}
	slices.Sort(versions)
	for _, v := range versions {
		row.TLS = append(row.TLS, Named{v.String(), p.tls[v]})
		if v != 0 && row.TLSFloor == "" {
			row.TLSFloor = v.String()
		}
	}
	row.Tolerated = p.tolerated.String()
}

// trend compares the whole days of the window with those before, if both were
// watched.
func (w *window) trend(row *Row, p *people) {
	if !w.twice {
		return
	}
	row.ClientsBefore = p.before
	if p.before > 0 {
		x := float64(p.whole-p.before) / float64(p.before)
		row.Trend = &x
	}
}

// daily are the handshakes day by day, today's at the end.
func daily(days []Day, today Date) (out []uint64) {
	for _, d := range days {
		at := int(d.Date - today + KeptDays - 1)
		if at < 0 || at >= KeptDays {
			continue
		}
		if out == nil {
			out = make([]uint64, KeptDays-at)
		}
		out[at-(KeptDays-len(out))] += sum(d.Opened, d.Refused)
	}
	return out
}
