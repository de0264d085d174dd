package gateway

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/compare"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// mirrorField tells a server that it is a mirror, so that it need not do twice what the backend
// does: send a mail, charge a card.
const mirrorField = "Draftwire-Mirror"

// Bounds of mirrors, beside those of the configuration.
const (
	maxMirrored       = 1 << 30 // bytes that connections to all mirrors may hold
	mirrorKinds       = 50      // kinds of clients that are told apart in the state of a mirror
	mirrorDifferences = 3       // that are kept of each kind
	mirrorShown       = 1 << 10 // bytes of an answer by which differences are found
)

// otherKind is what the kinds beyond mirrorKinds are counted under.
const otherKind = "other"

func (m *Mirror) withDefaults(tolerate []string) {
	if m.To.Tolerate == nil && !isStream(m.To.URL) {
		m.To.Tolerate = tolerate
	}
	m.To.SendProxy = cmp.Or(m.To.SendProxy, "off")
	m.Sample = cmp.Or(m.Sample, 100)
	m.Connections = cmp.Or(m.Connections, 100)
	m.Queue = cmp.Or(m.Queue, 256<<10)
	m.Message = cmp.Or(m.Message, 64<<10)
	m.Wait = cmp.Or(m.Wait, Duration(5*time.Second))
}

// most is how many connections there may be at a time.
func (m *Mirror) most() int {
	if m.To.MaxConns > 0 {
		return min(m.Connections, m.To.MaxConns)
	}
	return m.Connections
}

// holds is how many bytes the connections to the mirror may hold.
func (m *Mirror) holds() int64 { return int64(m.most()) * 2 * int64(m.Queue+m.Message) }

// checkMirrors checks what the mirrors of all routes may hold.
func (c *Config) checkMirrors(f *faults) {
	var all int64
	for i := range c.Routes {
		if m := c.Routes[i].Mirror; m != nil {
			if all += m.holds(); all > maxMirrored {
				f.add("route %s: mirror: connections: the connections to all mirrors may hold %d MiB, which is more than 1 GiB: lower connections, queue or message", c.Routes[i].Name, all>>20)
				return
			}
		}
	}
}

func (r *Route) checkMirror(f *faults, at string) {
	m := r.Mirror
	if m == nil {
		return
	}
	if m.To.URL == "" {
		f.add("%sto: it needs the URL of a server", at)
	} else if b, err := newBackend(&m.To); err != nil {
		f.add("%sto: %v", at, err)
	} else if b.url == nil {
		f.add("%sto: %q is a stream, in which answers have no boundaries: it has to be a ws:, wss:, http: or https: URL", at, b.name)
	}
	switch {
	case len(r.Backends) == 0:
		f.add("%sto: the route has no backends whose answers it could be compared with", at)
	case slices.ContainsFunc(r.Backends, func(b Backend) bool { return isStream(b.URL) }):
		f.add("%sto: a backend of the route is a stream, in which answers have no boundaries", at)
	}
	if m.Wait < 0 {
		f.add("%swait: %s is negative", at, m.Wait)
	}
	for _, text := range m.Ignore {
		if _, err := compare.ParseIgnore(text); err != nil {
			f.add("%signore: %s", at, strings.TrimPrefix(err.Error(), "compare: "))
		}
	}
}

// mirror is a Mirror ready for use.
type mirror struct {
	Mirror
	backend *backend
	rules   compare.Rules
	redact  recording.Redaction
	*mirrorState
}

// mirrorState is what is known of a mirror, under all configurations in which it has its name.
type mirrorState struct {
	open    atomic.Int64 // connections, those that are being opened included
	tried   atomic.Bool  // a connection was opened, or could not be
	failing atomic.Bool  // the last one could not be opened

	mu     sync.Mutex
	counts usage.Mirror
	kinds  map[string]*mirrorKind
}

// mirrorKind is what was found for the clients of a kind.
type mirrorKind struct {
	counts      usage.Mirror
	differences []MirrorDifference
}

// newMirror returns the mirror of a route, nil for none; what is known of one with the same name goes on.
func newMirror(cfg *Mirror, redact []string, before *route) (*mirror, error) {
	if cfg == nil {
		return nil, nil
	}
	m := &mirror{Mirror: *cfg, mirrorState: &mirrorState{kinds: map[string]*mirrorKind{}}}
	var old []*backend
	if before != nil && before.mirror != nil {
		old = []*backend{before.mirror.backend}
	}
	list, err := backendsOf([]Backend{cfg.To}, old)
	if err != nil {
		return nil, err
	}
	m.backend = list[0]
	m.Name = cmp.Or(m.Name, m.backend.name)
	if old != nil && before.mirror.Name == m.Name {
		m.mirrorState = before.mirror.mirrorState
	}
	m.rules, err = compare.ParseRules(cfg.Ignore)
	m.redact.Names = append(slices.Clone(recording.DefaultNames), redact...)
	return m, err
}

// count counts what was found for clients of a kind.
func (m *mirror) count(kind string, x usage.Mirror) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts.Add(x)
	m.kind(kind).counts.Add(x)
}

// kind returns what is known of a kind of clients. The caller holds m.mu.
func (m *mirror) kind(name string) *mirrorKind {
	if k := m.kinds[name]; k != nil {
		return k
	}
	if len(m.kinds) >= mirrorKinds {
		name = otherKind
	}
	k := m.kinds[name]
	if k == nil {
		k = &mirrorKind{}
		m.kinds[name] = k
	}
	return k
}

// MirrorStatus is the state of the mirror of a route. Counts are those of the process, since the
// mirror has its name.
type MirrorStatus struct {
	Name        string       `json:"name"`
	URL         string       `json:"url"`
	Up          bool         `json:"up"`          // the last connection was accepted or refused, or none was tried yet
	Connections int          `json:"connections"` // those that are being opened included
	Error       string       `json:"error,omitempty"`
	Failed      time.Time    `json:"failed,omitzero"` // when Error was
	Counts      usage.Mirror `json:"counts"`
	Kinds       []MirrorKind `json:"kinds,omitempty"` // by their names
}

// MirrorKind is what was found for the clients of a kind (usage.AgentName): at most 50 of them, and "other".
type MirrorKind struct {
	Kind        string             `json:"kind"`
	Counts      usage.Mirror       `json:"counts"`
	Differences []MirrorDifference `json:"differences,omitempty"` // the first three
}

// MirrorDifference is an answer of a mirror that is not that of the backend.
type MirrorDifference struct {
	At      time.Time `json:"at"`
	Version string    `json:"version"`         // of the client
	Verdict string    `json:"verdict"`         // different, missing or more
	Number  int       `json:"number"`          // of the answer in its connection, from 1: of the backend's, or of the mirror's for more
	Where   string    `json:"where,omitempty"` // it begins to differ: a JSON pointer, or "byte N"
	// Want is the size of the backend's answer, and Got that of the mirror's, in bytes; -1 where
	// there is none.
	Want int `json:"want"`
	Got  int `json:"got"`
	// Backend and Mirror are the beginnings of both answers, without secrets, where the mirror's payload is true.
	Backend string `json:"backend,omitempty"`
	Mirror  string `json:"mirror,omitempty"`
}

// String returns the difference in a line.
func (d MirrorDifference) String() string {
	text := fmt.Sprintf("answer %d of a connection of %s: %s", d.Number, d.Version, d.Verdict)
	switch {
	case d.Got < 0:
		text += fmt.Sprintf(", %d bytes", d.Want)
	case d.Want < 0:
		text += fmt.Sprintf(", %d bytes", d.Got)
	default:
		text += fmt.Sprintf(" at %s, %d and %d bytes", cmp.Or(d.Where, "its end"), d.Want, d.Got)
	}
	if d.Backend != "" {
		text += fmt.Sprintf("; backend: %s", d.Backend)
	}
	if d.Mirror != "" {
		text += fmt.Sprintf("; mirror: %s", d.Mirror)
	}
	return text
}

// status returns the state of a mirror, nil for none.
func (m *mirror) status() *MirrorStatus {
	if m == nil {
		return nil
	}
	s := &MirrorStatus{Name: m.Name, URL: m.backend.name, Up: !m.failing.Load(), Connections: int(m.open.Load())}
	if f := m.backend.failure.Load(); f != nil {
		s.Error, s.Failed = shownError(f.err), f.at
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Counts = m.counts
	for _, name := range slices.Sorted(maps.Keys(m.kinds)) {
		k := m.kinds[name]
		s.Kinds = append(s.Kinds, MirrorKind{name, k.counts, slices.Clone(k.differences)})
	}
	return s
}

// add adds what an older process has counted of the same mirror.
func (s *MirrorStatus) add(older *MirrorStatus) {
	if s == nil || older == nil || s.Name != older.Name {
		return
	}
	s.Connections += older.Connections
	s.Counts.Add(older.Counts)
	for _, k := range older.Kinds {
		i, ok := slices.BinarySearchFunc(s.Kinds, k.Kind, func(x MirrorKind, name string) int { return strings.Compare(x.Kind, name) })
		if !ok {
			s.Kinds = slices.Insert(s.Kinds, i, k)
			continue
		}
		s.Kinds[i].Counts.Add(k.Counts)
		both := append(slices.Clip(k.Differences), s.Kinds[i].Differences...)
		s.Kinds[i].Differences = both[:min(len(both), mirrorDifferences)]
	}
}

// differs keeps a difference, if it is one of the first of its kind of clients.
func (m *mirror) differs(kind string, v draftwire.Version, verdict compare.Verdict, want, got *compare.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.kind(kind)
	if len(k.differences) >= mirrorDifferences {
		return
	}
	d := MirrorDifference{At: time.Now().UTC(), Version: v.String(), Verdict: verdict.String(), Want: -1, Got: -1}
	if got != nil {
		d.Number, d.Got = got.Number, got.Size
		d.Mirror = m.shown(got)
	}
	if want != nil {
		d.Number, d.Want = want.Number, want.Size
		d.Backend = m.shown(want)
	}
	if want != nil && got != nil {
		d.Where = m.where(want, got)
	}
	k.differences = append(k.differences, d)
}

// where says in which place two answers differ, "" where that is behind what was kept of them.
func (m *mirror) where(want, got *compare.Message) string {
	a, b, rules := want.Shown, got.Shown, m.rules
	if len(a) < want.Size || len(b) < got.Size {
		n := min(len(a), len(b))
		a, b, rules = a[:n], b[:n], nil
		if string(a) == string(b) {
			return ""
		}
	}
	if want.Op != got.Op {
		return "its type"
	}
	return rules.Where(want.Op, a, b)
}

// shown is the beginning of an answer, for people; "" where no payload is shown.
func (m *mirror) shown(x *compare.Message) string {
	const most = 200
	if !m.Payload {
		return ""
	}
	if x.Op != wire.OpText {
		return fmt.Sprintf("%x", x.Shown[:min(len(x.Shown), most/2)])
	}
	text, _ := m.redact.Text(x.Shown)
	return strings.ToValidUTF8(string(text[:min(len(text), most)]), "")
}
