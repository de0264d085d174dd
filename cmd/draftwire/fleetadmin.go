package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/draftwire/draftwire/cmd/draftwire/internal/console"
	"github.com/draftwire/draftwire/fleet"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/usage"
)

// What /fleet/ of the admin port answers with.

// fleetStatus is the state of a fleet, as one gateway of it tells it.
type fleetStatus struct {
	Gateway  string         `json:"gateway"` // that has answered
	Group    string         `json:"group"`
	Bus      bool           `json:"bus"` // the others can be reached
	Plan     *fleet.Plan    `json:"plan,omitempty"`
	Gateways []fleetGateway `json:"gateways"`
	Sum      fleetSum       `json:"sum"`
}

// fleetGateway is a gateway, and what it has answered.
type fleetGateway struct {
	fleet.Member
	Error  string          `json:"error,omitempty"`  // why there is no answer
	Status *gateway.Status `json:"status,omitempty"` // nil with an error
	Result string          `json:"result,omitempty"` // of an order
}

// fleetSum adds up those that have answered.
type fleetSum struct {
	Gateways    int                   `json:"gateways"`
	Answered    int                   `json:"answered"`
	Connections int                   `json:"connections"`
	Requests    gateway.RequestStatus `json:"requests"`
	Versions    map[string]int        `json:"versions"`
}

func (s *fleetSum) add(x *gateway.Status) {
	s.Answered++
	s.Connections += x.Connections
	s.Requests.InFlight += x.Requests.InFlight
	s.Requests.Total += x.Requests.Total
	s.Requests.Failed += x.Requests.Failed
	for v, n := range x.Versions {
		s.Versions[v] += n
	}
}

// bookState says of a gateway what a report has of it.
type bookState struct {
	Name  string      `json:"name"`
	State fleet.State `json:"state"`
	Made  time.Time   `json:"made,omitzero"`   // as of when its counts are
	Error string      `json:"error,omitempty"` // why they are not newer, or not there
	None  bool        `json:"none,omitempty"`  // it has none
}

// booksField is the field of an answer with the ledgers of a fleet that says what of each gateway is in it.
const booksField = "Draftwire-Fleet"

// handler is /fleet/ of the admin port; nil where the gateway is in no fleet.
func (m *membership) handler() http.Handler {
	if m.bus == nil {
		return nil
	}
	mux := http.NewServeMux()
	handle := func(pattern string, f func(*fleet.Node, http.ResponseWriter, *http.Request)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, q *http.Request) {
			n := m.node()
			if n == nil {
				http.Error(w, "this process is not in the fleet: it does not serve yet, or another one has taken its place", http.StatusServiceUnavailable)
				return
			}
			f(n, w, q)
		})
	}
	handle("GET /fleet/nodes", func(n *fleet.Node, w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, m.members(n))
	})
	handle("GET /fleet/status", func(n *fleet.Node, w http.ResponseWriter, q *http.Request) {
		answerJSON(w, http.StatusOK, m.status(q.Context(), n))
	})
	handle("GET /fleet/usage", m.serveUsage)
	handle("GET /fleet/plan", func(n *fleet.Node, w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, planAnswer{n.Plans(), len(m.r.Config().Versions) > 0})
	})
	handle("POST /fleet/plan", m.servePlan)
	handle("POST /fleet/reload", m.serveReload)
	handle("POST /fleet/drain", m.serveDrain)
	handle("POST /fleet/forget", m.serveForget)
	return mux
}

func answerJSON(w http.ResponseWriter, status int, x any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(x)
}

// members is the state of the fleet as it is announced, without a question to others.
func (m *membership) members(n *fleet.Node) *fleetStatus {
	s := &fleetStatus{Gateway: n.Name(), Group: m.r.Config().Fleet.Group, Bus: n.Up(), Sum: fleetSum{Versions: map[string]int{}}}
	if p := n.Plan(); p.Number > 0 {
		s.Plan = &p
	}
	for _, x := range n.Members() {
		s.Gateways = append(s.Gateways, fleetGateway{Member: x})
	}
	s.Sum.Gateways = len(s.Gateways)
	return s
}

// consoleStatus is the state that the console shows: of this gateway, and of the fleet as it is announced.
type consoleStatus struct {
	gateway.Status
	Fleet *fleetStatus `json:"fleet,omitempty"`
}

func (r *runningGateway) consoleStatus() consoleStatus {
	s := consoleStatus{Status: r.status()}
	if n := r.fleet.node(); n != nil {
		s.Fleet = r.fleet.members(n)
	}
	return s
}

// ask asks all gateways, and returns the state of the fleet with what they answer.
func (m *membership) ask(ctx context.Context, n *fleet.Node, wait time.Duration, kind string, take func(*fleetGateway, []byte) error) (*fleetStatus, error) {
	s := m.members(n)
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var errs []error
	answers := map[string]fleet.Answer{}
	for _, a := range n.AskAll(ctx, kind, nil) {
		answers[a.Name] = a
	}
	for i := range s.Gateways {
		g := &s.Gateways[i]
		a, asked := answers[g.Name]
		if !asked {
			continue // it has said farewell
		}
		err := a.Err
		if err == nil {
			err = take(g, a.Body)
		}
		if err != nil {
			g.Error = fleetError(err)
			errs = append(errs, err)
		}
	}
	return s, errors.Join(errs...)
}

func (m *membership) status(ctx context.Context, n *fleet.Node) *fleetStatus {
	s, _ := m.ask(ctx, n, statusWait, askState, func(g *fleetGateway, body []byte) error {
		g.Status = &gateway.Status{}
		if err := json.Unmarshal(body, g.Status); err != nil {
			g.Status = nil
			return errors.New("what it says is no state of a gateway")
		}
		return nil
	})
	for _, g := range s.Gateways {
		if g.Status != nil {
			s.Sum.add(g.Status)
		}
	}
	return s
}

// serveReload lets all gateways check their configuration files, and if none finds a fault, reload them. The status is
// 200 if all have, 422 if a file has a fault, and 502 if a gateway does not answer: nothing is changed then, unless the
// answer says otherwise.
func (m *membership) serveReload(n *fleet.Node, w http.ResponseWriter, q *http.Request) {
	told := func(result string) func(*fleetGateway, []byte) error {
		return func(g *fleetGateway, _ []byte) error { g.Result = result; return nil }
	}
	s, err := m.ask(q.Context(), n, checkWait, askCheck, told("checked; not reloaded"))
	if err == nil {
		s, err = m.ask(q.Context(), n, reloadWait, askReload, told("reloaded"))
	}
	status := http.StatusOK
	if err != nil {
		status = http.StatusBadGateway
		if _, said := errors.AsType[*fleet.AnswerError](err); said {
			status = http.StatusUnprocessableEntity
		}
	}
	answerJSON(w, status, s)
}

// serveDrain lets one gateway drain.
func (m *membership) serveDrain(n *fleet.Node, w http.ResponseWriter, q *http.Request) {
	name := q.URL.Query().Get("name")
	if err := fleet.CheckName(name); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(q.Context(), statusWait)
	defer cancel()
	if _, err := n.Ask(ctx, name, askDrain, nil); err != nil {
		http.Error(w, fleetError(err), http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintln(w, "draining")
}

// serveForget takes away what the fleet has stored of a gateway that is no more.
func (m *membership) serveForget(n *fleet.Node, w http.ResponseWriter, q *http.Request) {
	ctx, cancel := context.WithTimeout(q.Context(), booksWait)
	defer cancel()
	name := q.URL.Query().Get("name")
	switch err := n.Forget(ctx, name); {
	case err == nil:
		fmt.Fprintln(w, "forgotten")
	case errors.Is(err, fleet.ErrNone):
		http.Error(w, "there is nothing of a gateway of that name", http.StatusNotFound)
	case errors.Is(err, fleet.ErrAlive):
		http.Error(w, "this gateway is there: drain it first", http.StatusConflict)
	default:
		http.Error(w, fleetError(err), http.StatusBadGateway)
	}
}

// planAnswer is the history of plans.
type planAnswer struct {
	Plans []fleet.Plan `json:"plans"` // the newest last
	Own   bool         `json:"own"`   // the file of this gateway has a plan too
}

// servePlan makes the fleet's next plan: plan is its text, as draftwire report has it, "on" for one without stages and
// "own" for that of each gateway's file; number, that of the plan that it takes the place of, is by default the one that
// this gateway knows.
func (m *membership) servePlan(n *fleet.Node, w http.ResponseWriter, q *http.Request) {
	number := n.Plan().Number
	if s := q.URL.Query().Get("number"); s != "" {
		var err error
		if number, err = strconv.ParseUint(s, 10, 63); err != nil {
			http.Error(w, "number is not one", http.StatusBadRequest)
			return
		}
	}
	var stages usage.Plan // nil: own
	switch text := q.URL.Query().Get("plan"); text {
	case "own":
	case "on":
		stages = usage.Plan{}
	default:
		var err error
		if stages, err = usage.ParsePlan(text); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
	}
	ctx, cancel := context.WithTimeout(q.Context(), planWait)
	defer cancel()
	p, err := n.SetPlan(ctx, number, stages, console.Who(q))
	if _, ok := errors.AsType[*fleet.PlanConflict](err); ok {
		http.Error(w, fleetError(err), http.StatusConflict)
		return
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the servers of the hub do not answer within %v: %v", planWait, err) // not "no answer", as of a gateway
	}
	if err != nil {
		http.Error(w, fleetError(err), http.StatusBadGateway)
		return
	}
	answerJSON(w, http.StatusOK, planAnswer{Plans: []fleet.Plan{p}})
}

// serveUsage answers with the ledgers of all gateways, added up. A field says what of each is in it.
func (m *membership) serveUsage(n *fleet.Node, w http.ResponseWriter, q *http.Request) {
	s, states := m.usage(q.Context(), n)
	field, err := json.Marshal(states)
	if err == nil {
		w.Header().Set(booksField, string(field))
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	s.Export(w)
}

// stored lets all gateways store their ledgers, and reads what is stored. With a bus that is known to be away it does
// not wait for it.
func (m *membership) stored(ctx context.Context, n *fleet.Node) (*fleetStatus, []fleet.Kept, error) {
	if !n.Up() {
		return m.members(n), nil, fleet.ErrAway
	}
	stored, _ := m.ask(ctx, n, putWait, askPut, func(*fleetGateway, []byte) error { return nil })
	ctx, cancel := context.WithTimeout(ctx, booksWait)
	defer cancel()
	books, err := n.Books(ctx)
	return stored, books, err
}

// usage adds up the ledgers of all gateways.
func (m *membership) usage(ctx context.Context, n *fleet.Node) (*usage.Snapshot, []bookState) {
	stored, books, err := m.stored(ctx, n)
	states := map[string]*bookState{}
	var list []*bookState
	for _, g := range stored.Gateways {
		if g.State == fleet.Left && g.Error == "" {
			continue // if it has a book, it is below
		}
		b := &bookState{Name: g.Name, State: g.State, Error: g.Error, None: true}
		states[g.Name] = b
		list = append(list, b)
	}
	own := false
	for _, k := range books {
		b := states[k.Name]
		if b == nil {
			b = &bookState{Name: k.Name, State: k.State}
			list = append(list, b)
		}
		b.Made, b.None = k.Made, k.Err != nil
		if k.Err != nil {
			b.Error = fleetError(k.Err)
		}
		own = own || k.Name == n.Name() && k.Err == nil
	}
	if b := states[n.Name()]; b != nil && (!own || b.Error != "") { // what is here is newer, and needs no bus
		mine := fleet.Kept{Name: n.Name(), State: fleet.Alive}
		mine.Snapshot, _ = m.r.watch.book.snapshot()
		mine.Made = mine.Snapshot.Made
		books = append(without(books, n.Name()), mine)
		b.Made, b.None, b.Error = mine.Made, false, ""
	}
	if err != nil {
		for _, b := range list {
			if b.Error == "" && b.None {
				b.Error = fleetError(err)
			}
		}
	}
	out := make([]bookState, len(list))
	for i, b := range list {
		out[i] = *b
	}
	return fleet.Sum(books), out
}

func without(books []fleet.Kept, name string) (list []fleet.Kept) {
	for _, k := range books {
		if k.Name != name {
			list = append(list, k)
		}
	}
	return list
}

// parseBooks reads the field that serveUsage writes.
func parseBooks(field string) (list []bookState, err error) {
	d := json.NewDecoder(bytes.NewReader([]byte(field)))
	err = d.Decode(&list)
	return list, err
}
