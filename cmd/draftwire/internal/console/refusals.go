package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/wire"
)

// maxRefusals bounds the kinds of refusals: reasons and versions.
const maxRefusals = 200

// refusals are the handshakes that were refused, by reason and version.
type refusals struct {
	explain func(*draftwire.HandshakeError) (reason, detail, hint string)

	mu  sync.Mutex
	all map[refusalKey]*refusal
}

type refusalKey struct {
	reason  string
	version wire.Version
}

type refusal struct {
	Reason  string  `json:"reason"`
	Version string  `json:"version"` // "" where it is not known
	Count   uint64  `json:"count"`
	Last    int64   `json:"last_ms"`
	Example example `json:"example"` // the last one
	Detail  string  `json:"detail"`  // of the last one
	Hint    string  `json:"hint"`    // what would admit it
}

type example struct {
	Client    string `json:"client"`
	Path      string `json:"path"`
	UserAgent string `json:"user_agent"`
}

// note implements draftwire.Observer's Refused.
func (s *refusals) note(remote string, head []byte, he *draftwire.HandshakeError) {
	if len(head) == 0 && he.Status == 0 || he.Reason == wire.ReasonShutdown {
		return // a health check, or a spare connection of a browser
	}
	reason, detail, hint := s.explain(he)
	now := time.Now().UnixMilli()
	s.mu.Lock()
	defer s.mu.Unlock()
	key := refusalKey{reason, he.Version}
	x := s.all[key]
	if x == nil {
		if len(s.all) >= maxRefusals {
			return
		}
		x = &refusal{Reason: reason}
		if he.Version != wire.Unknown {
			x.Version = he.Version.String()
		}
		if s.all == nil {
			s.all = map[refusalKey]*refusal{}
		}
		s.all[key] = x
	}
	x.Count++
	if now-x.Last < time.Second.Milliseconds() && x.Count > 1 {
		return // a storm costs no more than this
	}
	path, agent := requestOf(string(head))
	x.Last, x.Example = now, example{strings.Clone(remote), path, agent}
	x.Detail, x.Hint = bounded(detail), hint
}

// requestOf returns the path, without its query, and the user agent of a head, which may be refused
// because it cannot be read.
func requestOf(head string) (path, agent string) {
	first := true
	for line := range strings.SplitAfterSeq(strings.ReplaceAll(head, "\r", "\n"), "\n") {
		line = strings.TrimRight(line, "\n")
		if first {
			first = false
			_, path, _ = strings.Cut(line, " ")
			path, _, _ = strings.Cut(path, " ")
			path, _, _ = strings.Cut(path, "?")
			if scheme, rest, ok := strings.Cut(path, "://"); ok { // perhaps with a name and a password
				path = scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
			}
			continue
		}
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(name), "User-Agent") {
			agent = strings.TrimSpace(value)
			break
		}
	}
	return bounded(strings.ToValidUTF8(path, "\ufffd")), bounded(strings.ToValidUTF8(agent, "\ufffd"))
}

func (s *refusals) byReason() map[string]uint64 {
	out := map[string]uint64{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, x := range s.all {
		out[key.reason] += x.Count
	}
	return out
}

func (c *Console) refusals(w http.ResponseWriter, r *http.Request) {
	rows := []refusal{}
	c.refused.mu.Lock()
	for _, x := range c.refused.all {
		rows = append(rows, *x)
	}
	c.refused.mu.Unlock()
	if !c.mayRead(r) { // details quote heads: a target with its query, a line that is no field
		for i := range rows {
			rows[i].Detail = ""
		}
	}
	slices.SortFunc(rows, func(a, b refusal) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Version, b.Version))
	})
	send(w, http.StatusOK, map[string]any{"rows": rows})
}

// loss is a row of the answer with losses.
type loss struct {
	Loss    string `json:"loss"`
	Meaning string `json:"meaning"` // what the receiver gets instead
	Count   uint64 `json:"count"`
	From    string `json:"from"` // what the sender sends
	To      string `json:"to"`   // the receivers that cannot get it
	Policy  string `json:"policy"`
}

func (c *Console) losses(w http.ResponseWriter, _ *http.Request) {
	rows := []loss{}
	if c.o.Totals != nil {
		counts := c.o.Totals().Losses
		for _, l := range gateway.Losses() {
			if n := counts[string(l.Loss)]; n > 0 {
				rows = append(rows, loss{string(l.Loss), l.What, n, l.From, l.To, l.Policy})
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b loss) int { return cmp.Compare(b.Count, a.Count) })
	send(w, http.StatusOK, map[string]any{"rows": rows})
}
