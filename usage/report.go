package usage

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// The defaults of ReportOptions, and the longest window of a report.
const (
	DefaultSince = 30 * 24 * time.Hour
	MaxSince     = KeptDays * 24 * time.Hour
	DefaultFew   = 5
)

// ReportOptions are the options of a report. Fields that are zero have their defaults.
type ReportOptions struct {
	// Since is the length of the window, rounded up to whole days. Default 30 days; at
	// most 180. The trend needs twice that, so it is unknown above 90 days.
	Since time.Duration

	// Now is the end of the window. Default: when the snapshot was made. It may be up to 180
	// days earlier, as far back as counts are kept, to see what a report would have said.
	Now time.Time

	// Plan is the plan to retire versions.
	Plan Plan

	// List are the versions whose clients are listed.
	List wire.Versions

	// Few is the number of clients up to which they can be asked one by one. Default 5.
	Few int

	// Fleet says that the ledgers are those of gateways that can replace each other: a
	// time counts as watched if any of them has watched. Without it all of them must
	// have watched.
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
// A window of n days is n whole days in UTC and the part of today until now. The trend
// compares the n whole days with the n days before them.
type Report struct {
	Format  string    `json:"format"` // "draftwire-report/1"
	Made    time.Time `json:"made"`   // the end of the window
	Days    int       `json:"days"`
	From    Date      `json:"from"`
	To      Date      `json:"to"`
	Watched float64   `json:"watched_days"` // how many of Days the ledger that has watched least has watched
	Sources []string  `json:"sources"`
	Rows    []Row     `json:"versions"` // every version, oldest first
	// Mirrors has, for each mirror of a route (docs/gateway.md), a row for each kind of client and
	// one for all. A report of the past has none, as what was counted of mirrors has no days.
	Mirrors []MirrorRow `json:"mirrors,omitempty"`
}

// Row is a version in a report. Its numbers are those of the window.
type Row struct {
	Version wire.Version `json:"version"`

	Clients       int `json:"clients"`         // that opened a connection, had one open, or were refused
	Served        int `json:"clients_served"`  // those of them that opened a connection or had one open
	Turned        int `json:"clients_refused"` // those of them that were refused at least once
	ClientsBefore int `json:"clients_before"`  // in the window before; zero if it was not watched

	// AtLeast says that there may have been more Clients, whose records were evicted.
	AtLeast bool `json:"at_least"`

	LastSeen *time.Time `json:"last_seen"` // also before the window; nil: never
	Trend    *float64   `json:"trend"`     // of clients: -0.38 is 38 % less; nil: unknown

	Handshakes uint64  `json:"handshakes"` // that opened a connection
	Refused    uint64  `json:"refused"`
	BytesIn    uint64  `json:"bytes_in"`
	BytesOut   uint64  `json:"bytes_out"`
	BytesShare float64 `json:"bytes_share"` // of the bytes of all versions, 0 to 1

	// Daily has the number of handshakes of each day, also refused ones, from the first
	// day with one up to today; at most KeptDays.
	Daily []uint64 `json:"daily"`

	Agents    []Named `json:"user_agents"` // the most frequent ones, by number of clients
	TLS       []Named `json:"tls"`         // versions of TLS in the last handshakes, lowest first
	TLSFloor  string  `json:"tls_floor"`   // the lowest version of TLS; empty if no client used TLS
	Tolerated string  `json:"tolerated"`   // faults that were ever accepted of these clients

	Stage Stage  `json:"stage"` // the current stage of the plan
	Next  *Stage `json:"next"`  // the next stage of the plan

	Verdict Verdict `json:"verdict"`

	List []Client `json:"list,omitempty"` // the clients, the one seen last first
}

// Named is the number of clients that have something in common.
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
	if !w.past {
		r.Mirrors = w.mirrorRows(s.Clients)
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		if bytes > 0 {
			row.BytesShare = float64(sum(row.BytesIn, row.BytesOut)) / float64(bytes)
		}
	}
	return r
}

// window is the time of a report.
type window struct {
	o       ReportOptions
	days    int
	today   Date
	watched time.Duration // how much of the window the source that has watched least has watched
	least   string        // the name of that source
	twice   bool          // the window before was watched too
	past    bool          // it ends on a day before the snapshot was made
}

// enough is the part of a time that must have been watched for the time to count as watched.
const enough = 0.99

func (s *Snapshot) window(o ReportOptions, days int) *window {
	w := &window{o: o, days: days, today: DateOf(o.Now)}
	length := time.Duration(days) * secondsADay * time.Second
	from := o.Now.Add(-length)
	begin := from
	w.twice = 2*days <= KeptDays
	if made := DateOf(s.Made); w.today < made { // days that are no longer kept were as good as not watched
		w.past = true
		w.twice = w.twice && w.today-Date(2*days) > made-KeptDays
		if kept := (made - KeptDays + 1).Time(); begin.Before(kept) {
			begin = kept
		}
	}
	w.watched, w.least = s.watched(begin, o.Now, o.Fleet)
	before, _ := s.watched(from.Add(-length), from, o.Fleet)
	w.twice = w.twice && w.covered() && before >= time.Duration(enough*float64(length))
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
	row.LastSeen = w.lastSeen(t)
	first := w.today - Date(w.days)
	total, _ := sumDays(slices.Values(t.Days), first, w.today)
	row.Handshakes, row.Refused = total.Opened, total.Refused
	row.BytesIn, row.BytesOut = total.In, total.Out
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

// lastSeen returns when a version was seen last, up to the end of the window. Of a day before the
// last one only the day is known.
func (w *window) lastSeen(t *Totals) *time.Time {
	if !t.Last.After(w.o.Now) {
		if t.Last.IsZero() {
			return nil
		}
		return &t.Last
	}
	for _, d := range slices.Backward(t.Days) {
		if d.Date <= w.today {
			last := w.endOf(d.Date)
			return &last
		}
	}
	return nil
}

// endOf is the end of a day, or that of the window, if that is earlier.
func (w *window) endOf(d Date) time.Time {
	end := d.Time().Add(secondsADay*time.Second - time.Second)
	if end.After(w.o.Now) {
		return w.o.Now
	}
	return end
}

// asOf is a client as of the end of the window, behind which it came again: with its last visit before.
func (w *window) asOf(c Client) *Client {
	for d := range c.Days.All() {
		if d.Date <= w.today {
			c.Last = w.endOf(d.Date)
		}
	}
	return &c
}

// people are the clients of a version, and what they have in common.
type people struct {
	seen          []*Client // the clients in the window
	agents        map[string]int
	tls           map[TLS]int
	tolerated     wire.Tolerances
	whole, before int // clients on the whole days of the window, and on the days before
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
	if c.Last.After(w.o.Now) {
		c = w.asOf(*c)
	}
	p.seen = append(p.seen, c)
	p.agents[AgentName(c.UserAgent)]++
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

// trend compares the whole days of the window with the days before, if both were watched.
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

// daily returns the number of handshakes of each day, today's last.
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
