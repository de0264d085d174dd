package usage

import (
	"time"

	"github.com/draftwire/draftwire/wire"
)

// Count is how many clients a version has; see Counts.
type Count struct {
	Version wire.Version
	Clients int
	AtLeast bool      // there may be more: records were evicted
	Last    time.Time // zero: never seen
}

// Counts returns for each version, oldest first, how many clients were seen within since,
// and when the last one was. It is made for metrics: it reads no more records than it
// counts.
func (l *Ledger) Counts(since time.Duration) []Count {
	from := l.now().Add(-since)
	var out []Count
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range wire.AllVersions.List() {
		t := l.versions[v]
		n := Count{Version: v, Last: t.Last, AtLeast: t.Evicted > 0 && !t.EvictedLast.Before(from)}
		for c := t.list.next; c != &t.list && !c.Last.Before(from); c = c.next {
			n.Clients++
		}
		out = append(out, n)
	}
	return out
}
