package console

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
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

	mu      sync.Mutex
	watched map[uint64]*watch // by the number of the connection
}

// New returns a console. Close must be called.
func New(o Options) *Console {
	return &Console{o: o, started: time.Now(), done: make(chan struct{})}
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
	do, method := c.route(path)
	switch {
	case do == nil:
		unknown.answer(w)
	case method == http.MethodPost && r.Method != method:
		wrongMethod(w, "POST")
	case method == http.MethodGet && r.Method != method && r.Method != http.MethodHead:
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
	case len(path) == 1:
		do = map[string]http.HandlerFunc{"about": c.about, "connections": c.connections, "status": c.status}[path[0]]
		return do, http.MethodGet
	case len(path) == 2 && path[0] == "connections":
		return with(c.connection, path[1]), http.MethodGet
	case len(path) == 3 && path[0] == "connections" && path[2] == "frames":
		return with(c.frames, path[1]), http.MethodGet
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
	json.NewEncoder(w).Encode(x) // an error of it is the reader's end
}

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
		Token: c.orders(), Orders: []string{}, Payload: c.o.Payload(),
	}
	for _, v := range draftwire.ServedVersions().List() {
		i := v.Info()
		a.Versions = append(a.Versions, version{v.String(), i.Spec, i.Date, i.Shipped})
	}
	send(w, http.StatusOK, a)
}

func (c *Console) status(w http.ResponseWriter, _ *http.Request) {
	if c.o.Status == nil {
		(&problem{http.StatusNotFound, "This program has no backends.", ""}).answer(w)
		return
	}
	send(w, http.StatusOK, c.o.Status())
}

// names are the names of tolerances, never nil.
func names(t wire.Tolerances) []string {
	s := t.String()
	if s == "" {
		return []string{}
	}
	return slices.Collect(strings.SplitSeq(s, ","))
}
