package usage

import (
	"cmp"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/wire"
)

// Merge adds up the snapshots of several ledgers. It adds counts, takes the earliest First
// and the latest Last, and takes the texts of a client's last handshake from the latest one.
// The result does not depend on the order of the snapshots, or on whether some of them were
// merged before. A ledger that is given twice is counted twice.
func Merge(all ...*Snapshot) *Snapshot {
	out := &Snapshot{}
	versions := map[wire.Version]Totals{}
	clients := map[seatKey]Client{}
	sources := map[string]Source{}
	for _, s := range all {
		out.Made = latest(out.Made, s.Made)
		for _, t := range s.Versions {
			have, ok := versions[t.Version]
			if ok {
				t = have.merge(t)
			} else {
				t.Days = slices.Clone(t.Days)
			}
			versions[t.Version] = t
		}
		for _, c := range s.Clients {
			key := seatKey{c.Version, c.Key}
			if have, ok := clients[key]; ok {
				c = have.merge(c)
			}
			clients[key] = c
		}
		for _, src := range s.Sources {
			have := sources[src.ID]
			src.Name = max(src.Name, have.Name)
			src.Watched = unite(have.Watched, src.Watched)
			sources[src.ID] = src
		}
	}
	for _, t := range versions {
		out.Versions = append(out.Versions, t)
	}
	for _, c := range clients {
		out.Clients = append(out.Clients, c)
	}
	for _, src := range sources {
		out.Sources = append(out.Sources, src)
	}
	out.complete()
	return out
}

func (t Totals) merge(x Totals) Totals {
	if t.First.IsZero() || !x.First.IsZero() && x.First.Before(t.First) {
		t.First = x.First
	}
	t.Last = latest(t.Last, x.Last)
	t.Opened, t.Refused = sum(t.Opened, x.Opened), sum(t.Refused, x.Refused)
	t.In, t.Out = sum(t.In, x.In), sum(t.Out, x.Out)
	t.MessagesIn, t.MessagesOut = sum(t.MessagesIn, x.MessagesIn), sum(t.MessagesOut, x.MessagesOut)
	t.Evicted = sum(t.Evicted, x.Evicted)
	t.EvictedLast = latest(t.EvictedLast, x.EvictedLast)
	t.Days = mergeDays(t.Days, x.Days)
	return t
}

func (c Client) merge(x Client) Client {
	if x.compareVisit(c) > 0 {
		c, x = x, c
	}
	if c.First.IsZero() || !x.First.IsZero() && x.First.Before(c.First) {
		c.First = x.First
	}
	c.Last = latest(c.Last, x.Last)
	c.Opened, c.Refused = sum(c.Opened, x.Opened), sum(c.Refused, x.Refused)
	c.In, c.Out = sum(c.In, x.In), sum(c.Out, x.Out)
	c.MessagesIn, c.MessagesOut = sum(c.MessagesIn, x.MessagesIn), sum(c.MessagesOut, x.MessagesOut)
	c.Tolerated |= x.Tolerated
	c.Mirrors = mergeMirrors(c.Mirrors, x.Mirrors)
	var days History
	for _, d := range mergeDays(slices.Collect(c.Days.All()), slices.Collect(x.Days.All())) {
		days.add(d)
	}
	c.Days = days
	return c
}

// compareVisit orders by the time of the last handshake, and within a second by its texts, so
// that the result of a merge does not depend on the order.
func (c Client) compareVisit(x Client) int {
	return cmp.Or(c.Visited.Compare(x.Visited), strings.Compare(c.UserAgent, x.UserAgent), strings.Compare(c.Path, x.Path),
		strings.Compare(c.Host, x.Host), strings.Compare(c.Origin, x.Origin), cmp.Compare(c.TLS, x.TLS))
}
