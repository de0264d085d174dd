package usage

import (
	"time"

	"github.com/draftwire/draftwire/wire"
)

// Count is how many clients a version has; see Counts.
type Count struct {
	Version wire.Version
	Clients int
	AtLeast bool      // others may have been there whose records had to go
	Last    time.Time // zero: never seen
}

// Counts tells for each version, oldest first, how many clients were seen in
// the time until now, and when the last was. It is made for metrics: it looks
// at no more records than it counts.
func (l *Ledger) Counts(since time.Duration) []Count {
	from := l.now().Add(-since)
	var out []Count
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range wire.Every.List() {
		t := l.versions[v]
		n := Count{Version: v, Last: t.Last, AtLeast: t.Evicted > 0 && !t.EvictedLast.Before(from)}
		for c := t.list.next; c != &t.list && !c.Last.Before(from); c = c.next {
			n.Clients++
		}
		out = append(out, n)
	}
	return out
}
