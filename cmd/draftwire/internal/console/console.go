package console

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// Options are what a console needs to know of its program.
type Options struct {
	Prefix  string // of its paths: begins and ends with a slash
	Kind    string // "gateway" or "serve"
	Version string // of the program
	// Live appends the open connections to list, in any order.
	Live func(list []Live) []Live
	// Last returns when a message of a connection last ended, the zero time for never; nil: what
	// its Session says.
	Last func(x *Live) time.Time
	// Replaced returns how many connections processes have that an upgrade has replaced; nil: none.
	Replaced func() int
	// Status returns what is known of the program as a whole, as JSON has it; nil: nothing.
	Status func() any
	// Profiles returns the TLS profiles of listeners; nil: none.
	Profiles func() map[string]string
	// Totals returns what the program has counted; nil: nothing.
	Totals func() Totals
	// Explain says why a client was refused, and what would admit it.
	Explain func(*draftwire.HandshakeError) (reason, detail, hint string)
	// Report makes a report of the ledger, and Plan returns the plan to retire versions; nil: none.
	Report func() *usage.Report
	Plan   func() usage.Plan
	Orders Orders
	// Target returns where a try goes to: the listener of that name, or the first; nil: there are no
	// tries.
	Target func(listener string) (*Target, error)
	// Audit is told of each order, for the log.
	Audit func(Order)
	// Watching is told when somebody begins to look at the console, and when nobody does any more.
	Watching func(on bool)
	// Here reports whether a request comes from this machine, and Token whether it has the token
	// that orders need; nil: there are no orders. TokenFile reports whether there is such a token.
	Here, Token func(r *http.Request) bool
	TokenFile   func() bool
	// Payload reports whether what frames carry may be shown.
	Payload func() bool
}

// Live is an open connection.
type Live struct {
	ID      uint64 // greater than that of a connection that was opened before
	Conn    *draftwire.Conn
	Session *gateway.Session // nil of serve
}

// Console answers the requests of a console.
type Console struct {
	o       Options
	started time.Time
	lists   sync.Pool // of *list
	done    chan struct{}
	close   sync.Once

	asked    atomic.Int64 // when a request came last
	watching atomic.Bool  // as it was told last
	opened   opened
	refused  refusals
	reports  reports
	audit    audit
	tries    tries
	searches searches

	addresses memo[[2]uint64] // for sorting
	kinds     memo[string]

	mu        sync.Mutex
	watched   map[uint64]*watch // by the number of the connection
	histories [3]history
	before    [3]map[string]uint64 // counters as they were at the last sample
}

// New returns a console. Close must be called.
func New(o Options) *Console {
	c := &Console{o: o, started: time.Now(), done: make(chan struct{})}
	c.refused.explain, c.addresses.make, c.kinds.make = o.Explain, addressKey, kindOf
	for i, s := range spans {
		c.histories[i] = history{every: s.every, most: s.most, open: series{}, refused: series{}, losses: series{}, messages: series{}}
	}
	c.sample(c.started)
	go c.run()
	return c
}

// Close ends the answers that go on.
func (c *Console) Close() { c.close.Do(func() { close(c.done) }) }

// policy is the Content-Security-Policy of every answer: the page is its files, and asks its own
// origin alone.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"font-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	rest, ok := strings.CutPrefix(r.URL.Path, c.o.Prefix)
	switch bad := c.judge(r); {
	case bad != nil:
		bad.answer(w)
	case !ok && r.URL.Path+"/" == c.o.Prefix:
		http.Redirect(w, r, c.o.Prefix, http.StatusPermanentRedirect)
	case !ok:
		unknown.answer(w)
	case rest == "api" || strings.HasPrefix(rest, "api/"):
		c.api(w, r, strings.Split(rest, "/")[1:])
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		wrongMethod(w, "GET, HEAD")
	default:
		serveApp(w, r, rest)
	}
}

// api answers a request for path, below api/.
func (c *Console) api(w http.ResponseWriter, r *http.Request, path []string) {
	c.asked.Store(time.Now().UnixNano())
	c.setWatching(true)
	do, method := c.route(path)
	switch {
	case do == nil:
		unknown.answer(w)
	case method == http.MethodPost && r.Method != method:
		wrongMethod(w, "POST")
	case method == http.MethodGet && r.Method != method && (r.Method != http.MethodHead || path[len(path)-1] == "frames"): // which have no end
		wrongMethod(w, "GET, HEAD")
	default:
		do(w, r)
	}
}

// route returns what answers a path, and to which method; nil for nothing.
func (c *Console) route(path []string) (do http.HandlerFunc, method string) {
	with := func(f func(http.ResponseWriter, *http.Request, string), id string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { f(w, r, id) }
	}
	switch {
	case len(path) == 0:
		return nil, ""
	case len(path) == 1 && path[0] == "try" && c.o.Target != nil:
		return c.try, http.MethodPost
	case len(path) == 1:
		do = map[string]http.HandlerFunc{
			"about": c.about, "connections": c.connections, "status": c.status, "history": c.history, "refusals": c.refusals,
			"losses": c.losses, "report": c.report, "plan": c.plan, "whatif": c.whatif, "audit": c.audits,
		}[path[0]]
		return do, http.MethodGet
	case len(path) == 2 && path[0] == "connections":
		return with(c.connection, path[1]), http.MethodGet
	case len(path) == 3 && path[0] == "connections" && path[2] == "frames":
		return with(c.frames, path[1]), http.MethodGet
	case len(path) == 3 && path[0] == "connections" && path[2] == "export":
		return with(c.export, path[1]), http.MethodGet
	case path[0] == "try" && c.o.Target == nil:
		return nil, ""
	case len(path) == 3 && path[0] == "try" && path[2] == "frames":
		return with(c.tryFrames, path[1]), http.MethodGet
	case len(path) == 3 && path[0] == "try" && path[2] == "send":
		return with(c.trySend, path[1]), http.MethodPost
	case len(path) == 2 && path[0] == "orders":
		return c.orderNamed(path[1]), http.MethodPost
	}
	return nil, ""
}

// problem is an answer other than what was asked for.
type problem struct {
	status      int
	Error, Hint string
}

var unknown = &problem{http.StatusNotFound, "There is nothing at this address.", ""}

func (p *problem) answer(w http.ResponseWriter) {
	send(w, p.status, map[string]string{"error": p.Error, "hint": p.Hint})
}

func wrongMethod(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	(&problem{http.StatusMethodNotAllowed, "This address takes " + allowed + " alone.", ""}).answer(w)
}

// send answers with JSON.
func send(w http.ResponseWriter, status int, x any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encode(w, x) // an error of it is the reader's end
}

func encode(w io.Writer, x any) error { return json.NewEncoder(w).Encode(x) }

// about is what the page asks first.
type about struct {
	Program  string    `json:"program"`
	Version  string    `json:"version"`
	Kind     string    `json:"kind"`
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
	Now      time.Time `json:"now"`
	Token    bool      `json:"token"`   // there is a token, so orders are possible
	Orders   []string  `json:"orders"`  // that are possible with it
	Payload  bool      `json:"payload"` // what frames carry may be shown
	Versions []version `json:"versions"`
}

type version struct {
	Name    string `json:"name"`
	Title   string `json:"title"`   // the documents
	Date    string `json:"date"`    // of these
	Shipped string `json:"shipped"` // who shipped it
}

func (c *Console) about(w http.ResponseWriter, _ *http.Request) {
	a := about{
		Program: "draftwire", Version: c.o.Version, Kind: c.o.Kind, PID: os.Getpid(), Started: c.started, Now: time.Now(),
		Token: c.orders(), Orders: c.possible(), Payload: c.o.Payload(),
	}
	for _, v := range draftwire.ServedVersions().List() {
		i := v.Info()
		a.Versions = append(a.Versions, version{v.String(), i.Spec, i.Date, i.Shipped})
	}
	send(w, http.StatusOK, a)
}

// names are the names of tolerances, never nil.
func names(t wire.Tolerances) []string {
	s := t.String()
	if s == "" {
		return []string{}
	}
	return slices.Collect(strings.SplitSeq(s, ","))
}
