package console

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/usage"
)

// status answers with the state of the program, and TLS.
func (c *Console) status(w http.ResponseWriter, _ *http.Request) {
	if c.o.Status == nil {
		(&problem{http.StatusNotFound, "This program has no backends.", ""}).answer(w)
		return
	}
	b := new(bytes.Buffer)
	if err := encode(b, c.o.Status()); err != nil {
		(&problem{http.StatusInternalServerError, "The status cannot be written: " + err.Error(), ""}).answer(w)
		return
	}
	// What GET /status says, and one member more.
	text := bytes.TrimSuffix(bytes.TrimSpace(b.Bytes()), []byte("}"))
	extra := new(bytes.Buffer)
	encode(extra, c.tlsState())
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, "%s,\"tls\":%s}\n", text, bytes.TrimSpace(extra.Bytes()))
}

// tlsState is what the status says of TLS.
type tlsState struct {
	Profile     map[string]string `json:"profile"`     // by listener
	Connections map[string]int64  `json:"connections"` // by version; "" without TLS
}

func (c *Console) tlsState() tlsState {
	t := tlsState{map[string]string{}, map[string]int64{}}
	if c.o.Profiles != nil {
		t.Profile = c.o.Profiles()
	}
	for i := range c.opened.tls {
		if n := c.opened.tls[i].Load(); n > 0 {
			name := ""
			if i > 0 {
				name = tls.VersionName(uint16(tlsBase + i - 1))
			}
			t.Connections[name] = n
		}
	}
	return t
}

// reportFor is how long a report is answered again: it needs a copy of the ledger.
const reportFor = time.Minute

// reports has the last report.
type reports struct {
	mu   sync.Mutex // held while one is made, so that there is one at a time
	at   time.Time
	last *usage.Report
}

// latest returns a report that is not old; nil without a ledger.
func (c *Console) latest() *usage.Report {
	if c.o.Report == nil {
		return nil
	}
	c.reports.mu.Lock()
	defer c.reports.mu.Unlock()
	if c.reports.last == nil || time.Since(c.reports.at) > reportFor {
		c.reports.last, c.reports.at = c.o.Report(), time.Now()
	}
	return c.reports.last
}

func (c *Console) report(w http.ResponseWriter, _ *http.Request) {
	r := c.latest()
	if r == nil {
		(&problem{http.StatusNotFound, "This program has no ledger.", ""}).answer(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	r.JSON(w)
}

// stage is a row of the answer with the plan.
type stage struct {
	Version string `json:"version"`
	Mode    string `json:"mode"`
	From    string `json:"from"` // RFC 3339; "" for always
	Message string `json:"message"`
}

// messages are what clients notice of a mode.
var modeMessages = map[usage.Mode]string{
	usage.On: "nothing: they are accepted", usage.Warn: "nothing: they are accepted, and the log names them",
	usage.Sample: "a share of their handshakes is refused, with 426 and the versions that are served", usage.Off: "426, and the versions that are served",
}

func (c *Console) plan(w http.ResponseWriter, _ *http.Request) {
	stages := []stage{}
	if c.o.Plan != nil {
		plan := c.o.Plan()
		for _, v := range draftwire.ServedVersions().List() {
			for _, s := range plan[v] {
				x := stage{Version: v.String(), Mode: s.String(), Message: modeMessages[s.Mode]}
				if !s.From.IsZero() {
					x.From = s.From.Format(time.RFC3339)
				}
				stages = append(stages, x)
			}
		}
	}
	slices.SortStableFunc(stages, func(a, b stage) int { return strings.Compare(a.From, b.From) })
	send(w, http.StatusOK, map[string]any{"stages": stages})
}

// whatif is the answer to: what if these versions were off?
type whatif struct {
	Connections int     `json:"connections"`
	Of          int     `json:"of"`
	Clients     []Row   `json:"clients"` // the latest 100
	ByKind      []kinds `json:"by_kind"` // the most frequent first
	LastSeen    string  `json:"last_seen"`
	Verdict     string  `json:"verdict"`
}

type kinds struct {
	Kind string `json:"kind"` // the make of a device or a browser, by its User-Agent
	N    int    `json:"n"`
}

const (
	maxKinds   = 50
	maxClients = 100
)

func (c *Console) whatif(w http.ResponseWriter, r *http.Request) {
	off, err := draftwire.ParseVersions(r.URL.Query().Get("off"))
	if err != nil {
		(&problem{http.StatusBadRequest, "These are no versions: " + err.Error(), "ask with off=hixie-76,hybi-04"}).answer(w)
		return
	}
	send(w, http.StatusOK, c.without(off))
}

// kindOf is the make of a device or a browser.
func kindOf(x *Live) string { return usage.AgentName(x.Conn.Handshake().Field("User-Agent")) }

func (c *Console) without(off draftwire.Versions) *whatif {
	l := c.lend()
	defer c.giveBack(l)
	out := &whatif{Of: len(l.all), Clients: []Row{}, ByKind: []kinds{}}
	count := map[string]int{}
	c.kinds.begin(len(l.all))
	defer c.kinds.end()
	for i := range l.all {
		x := &l.all[i]
		if !off.Has(x.Conn.Version()) {
			continue
		}
		l.found = append(l.found, place{id: x.ID, i: int32(i)})
		count[c.kinds.of(x)]++
	}
	out.Connections = len(l.found)
	for _, p := range l.choose(&query{desc: true, limit: maxClients}) {
		out.Clients = append(out.Clients, c.row(&l.all[p.i]))
	}
	for name, n := range count {
		out.ByKind = append(out.ByKind, kinds{name, n})
	}
	slices.SortFunc(out.ByKind, func(a, b kinds) int { return cmp.Or(b.N-a.N, strings.Compare(a.Kind, b.Kind)) })
	out.ByKind = out.ByKind[:min(maxKinds, len(out.ByKind))]
	out.judge(c.latest(), off)
	return out
}

// judge adds what the ledger says of these versions.
func (x *whatif) judge(r *usage.Report, off draftwire.Versions) {
	if r == nil {
		return
	}
	var last time.Time
	var words []string
	for _, row := range r.Rows {
		if !off.Has(row.Version) {
			continue
		}
		if row.LastSeen != nil && row.LastSeen.After(last) {
			last = *row.LastSeen
		}
		words = append(words, row.Version.String()+": "+row.Verdict.Text+".")
	}
	if !last.IsZero() {
		x.LastSeen = last.UTC().Format(time.RFC3339)
	}
	x.Verdict = strings.Join(words, " ")
}
