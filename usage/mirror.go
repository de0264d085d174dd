package usage

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// Mirror counts what became of connections to the mirror of a route, a second backend that gets the
// same messages, and of its answers beside those of the route's own backend.
type Mirror struct {
	Opened   uint64 `json:"opened,omitzero"`   // connections that the mirror has accepted
	Refused  uint64 `json:"refused,omitzero"`  // that it has refused, though the backend has accepted the client
	Failed   uint64 `json:"failed,omitzero"`   // that could not be opened, or broke
	Closed   uint64 `json:"closed,omitzero"`   // of Opened: that it has closed while the backend's went on
	Overrun  uint64 `json:"overrun,omitzero"`  // of Opened: compared only until it was too slow
	Skipped  uint64 `json:"skipped,omitzero"`  // that were not tried: there were enough, or the mirror was failing
	Equal    uint64 `json:"equal,omitzero"`    // answers that both have said
	Differed uint64 `json:"differed,omitzero"` // pairs of answers that are not the same
	Missing  uint64 `json:"missing,omitzero"`  // answers of the backend alone
	More     uint64 `json:"more,omitzero"`     // answers of the mirror alone
	Unknown  uint64 `json:"unknown,omitzero"`  // answers that could not be compared
}

// Add adds the counts of x.
func (m *Mirror) Add(x Mirror) {
	to, from := m.counts(), x.counts()
	for i := range to {
		*to[i] = sum(*to[i], *from[i])
	}
}

func (m *Mirror) counts() [11]*uint64 {
	return [11]*uint64{&m.Opened, &m.Refused, &m.Failed, &m.Closed, &m.Overrun, &m.Skipped, &m.Equal, &m.Differed, &m.Missing, &m.More, &m.Unknown}
}

// Answers returns how many answers were compared, those that one side alone has said included.
func (m *Mirror) Answers() uint64 { return sum(sum(m.Equal, m.Differed), sum(m.Missing, m.More)) }

// Share returns the share of Answers that are equal, 0 to 1; ok is false where there are none.
func (m *Mirror) Share() (share float64, ok bool) {
	n := m.Answers()
	if n == 0 {
		return 0, false
	}
	return float64(m.Equal) / float64(n), true
}

// String returns the counts in words, like "99.98 % equal (12,034 of 12,036 answers); 2 different".
// It says 100 % only where all are equal.
func (m *Mirror) String() string { return m.words("") }

// words is String with what else stands in the brackets.
func (m *Mirror) words(more string) string {
	share, ok := m.Share()
	text := "no answer compared"
	if ok {
		percent := strconv.FormatFloat(math.Floor(share*1e4)/100, 'f', 2, 64)
		if m.Equal == m.Answers() {
			percent = "100"
		}
		text = fmt.Sprintf("%s %% equal (%s of %s answers%s)", percent, thousands(m.Equal), thousands(m.Answers()), more)
	} else if more != "" {
		text += " (" + strings.TrimPrefix(more, ", ") + ")"
	}
	refused := "connections refused"
	if m.Refused == 1 {
		refused = "connection refused"
	}
	var parts []string
	for _, x := range []struct {
		n    uint64
		what string
	}{
		{m.Differed, "different"}, {m.Missing, "missing"}, {m.More, "more than the backend's"}, {m.Unknown, "not compared"},
		{m.Refused, refused}, {m.Failed, "failed"}, {m.Closed, "closed early"}, {m.Overrun, "too slow"}, {m.Skipped, "not mirrored"},
	} {
		if x.n > 0 {
			parts = append(parts, thousands(x.n)+" "+x.what)
		}
	}
	if parts != nil {
		text += "; " + strings.Join(parts, ", ")
	}
	return text
}

// thousands writes a number like 12,034.
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Mirrored is what was counted of a client under the name of a mirror.
type Mirrored struct {
	Name  string    `json:"name"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Mirror
}

// keptMirrors is how many names of mirrors a ledger keeps for a client, those counted last;
// maxMirrors is how many an export may have.
const (
	keptMirrors = 4
	maxMirrors  = 100
)

// Mirrored counts what was found since the last call about a client by a mirror of that name. A
// ledger keeps four names for each client, those that were counted last.
func (l *Ledger) Mirrored(v wire.Version, client, name string, x Mirror) {
	client, name = cleanKey(client), cleanText(name)
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	c, _ := l.seat(v, client, now)
	if c == nil {
		return
	}
	if i := slices.IndexFunc(c.Mirrors, func(m Mirrored) bool { return m.Name == name }); i >= 0 {
		name = c.Mirrors[i].Name // which is in memory already
	} else {
		name = strings.Clone(name)
	}
	c.Mirrors = newestMirrors(mergeMirrors(c.Mirrors, []Mirrored{{name, now, now, x}}))
}

// mergeMirrors adds up two lists, each in the order of its names. It changes neither, as copies of
// a record share them.
func mergeMirrors(a, b []Mirrored) []Mirrored {
	if len(b) == 0 {
		return a
	}
	out := slices.Clone(a)
	for _, x := range b {
		i, ok := slices.BinarySearchFunc(out, x.Name, func(m Mirrored, name string) int { return strings.Compare(m.Name, name) })
		if !ok {
			out = slices.Insert(out, i, x)
			continue
		}
		m := &out[i]
		if x.First.Before(m.First) {
			m.First = x.First
		}
		m.Last = latest(m.Last, x.Last)
		m.Add(x.Mirror)
	}
	return out
}

// newestMirrors returns those of a list that a ledger keeps.
func newestMirrors(list []Mirrored) []Mirrored {
	for len(list) > keptMirrors {
		oldest := 0
		for i := range list {
			if list[i].Last.Before(list[oldest].Last) {
				oldest = i
			}
		}
		list = slices.Delete(slices.Clone(list), oldest, oldest+1)
	}
	return list
}

// checkMirrors refuses what a record cannot have, and cleans the names.
func checkMirrors(list []Mirrored) error {
	if len(list) > maxMirrors {
		return fmt.Errorf("usage: a client has %d mirrors", len(list))
	}
	for i := range list {
		m := &list[i]
		m.Name = cleanText(m.Name)
		if i > 0 && m.Name <= list[i-1].Name {
			return fmt.Errorf("usage: the mirrors of a client are not in order")
		}
		if err := cleanTimes(&m.First, &m.Last); err != nil {
			return err
		}
	}
	return nil
}

// MirrorRow is what a report says about the clients of one kind and a mirror. The counts are all that was
// counted of clients for which something was counted in the window.
type MirrorRow struct {
	Mirror  string    `json:"mirror"`      // its name
	Kind    string    `json:"kind"`        // of clients; "" for all of them
	Clients int       `json:"clients"`     //
	Since   time.Time `json:"since"`       // when the first was counted
	Equal   *float64  `json:"equal_share"` // 0 to 1; nil: nothing was compared
	Counts  Mirror    `json:"counts"`
}

// Text says what the row does, for people.
func (r *MirrorRow) Text() string {
	clients := " devices"
	if r.Clients == 1 {
		clients = " device"
	}
	return cmp.Or(r.Kind, "all") + ": " + r.Counts.words(", "+thousands(uint64(r.Clients))+clients)
}

// mirrorRows returns the rows of all mirrors: by name, the kinds with the most clients first, and all
// of them last.
func (w *window) mirrorRows(clients []Client) (rows []MirrorRow) {
	type key struct{ mirror, kind string }
	found := map[key]*MirrorRow{}
	first := w.today - Date(w.days)
	for i := range clients {
		for _, m := range clients[i].Mirrors {
			if DateOf(m.Last) < first {
				continue
			}
			for _, kind := range []string{AgentName(clients[i].UserAgent), ""} {
				r := found[key{m.Name, kind}]
				if r == nil {
					r = &MirrorRow{Mirror: m.Name, Kind: kind, Since: m.First}
					found[key{m.Name, kind}] = r
				}
				if m.First.Before(r.Since) {
					r.Since = m.First
				}
				r.Clients++
				r.Counts.Add(m.Mirror)
			}
		}
	}
	for _, r := range found {
		if share, ok := r.Counts.Share(); ok {
			r.Equal = &share
		}
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b MirrorRow) int {
		last := func(r MirrorRow) int { return min(len(r.Kind), 1) }
		return cmp.Or(strings.Compare(a.Mirror, b.Mirror), last(b)-last(a), b.Clients-a.Clients, strings.Compare(a.Kind, b.Kind))
	})
	return rows
}
