package usage

// Add counts what another ledger has counted, for example one that was kept in memory by
// another process of the same gateway. It adds as Merge does; what the other ledger watched
// counts as watched by this one. A snapshot that is added twice is counted twice. A ledger
// that is closed adds nothing.
func (l *Ledger) Add(s *Snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.finished {
		return
	}
	for _, src := range s.Sources {
		l.watched = unite(l.watched, src.Watched)
	}
	l.watched = pruneSpans(l.watched, l.watched[len(l.watched)-1].To)
	for i := range s.Versions {
		if t := l.versions[s.Versions[i].Version]; t != nil {
			t.Totals = t.merge(s.Versions[i])
			t.dirty = true
		}
	}
	for i := range s.Clients {
		l.addClient(&s.Clients[i])
	}
}

func (l *Ledger) addClient(x *Client) {
	if l.versions[x.Version] == nil {
		return
	}
	last := x.Last
	if have := l.seats[seatKey{x.Version, x.Key}]; have != nil {
		last = latest(last, have.Last)
	}
	c, t := l.seat(x.Version, x.Key, last)
	key := c.Key
	c.Client = c.Client.merge(*x)
	c.Mirrors = newestMirrors(c.Mirrors)
	c.Key = key
	v := Visit{UserAgent: c.UserAgent, Path: c.Path, Host: c.Host, Origin: c.Origin}
	c.clearTexts()
	l.keep(&c.Client, &v)
	t.sink(c)
}

// sink moves a record from the front of its list behind those that were seen later.
func (t *tally) sink(c *seat) {
	at := c.next
	for at != &t.list && at.Last.After(c.Last) {
		at = at.next
	}
	t.remove(c)
	c.prev, c.next = at.prev, at
	c.prev.next, c.next.prev = c, c
	t.seats++
}
