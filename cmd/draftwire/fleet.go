package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/cmd/draftwire/internal/console"
	"github.com/draftwire/draftwire/fleet"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/usage"
	"github.com/sirupsen/logrus"
)

// busOf returns what carries the messages of a fleet: what carries those of rooms does. Tests have one of their own.
var busOf = func(r *runningGateway) fleet.Bus {
	if r.broker.nats == nil {
		return nil // which the configuration's check refuses
	}
	return r.broker.nats.Bus()
}

// What a gateway of a fleet waits for the others. Tests wait less for those that hang.
var (
	statusWait = 3 * time.Second  // for their states
	checkWait  = 10 * time.Second // for them to check their configurations
	putWait    = 10 * time.Second // for all to store their ledgers
)

const (
	reloadWait = 15 * time.Second // for them to reload their configurations
	planWait   = 5 * time.Second  // for the bus
	booksWait  = 15 * time.Second // to read what is stored
	keepWait   = 30 * time.Second // to store the ledger
	lastPut    = 5 * time.Second  // at the end
	putShare   = 20               // of the time, at most a twentieth goes into storing the ledger
)

// The kinds of questions that gateways ask each other.
const (
	askState  = "status"
	askCheck  = "check"
	askReload = "reload"
	askDrain  = "drain"
	askPut    = "put"
)

// membership is a gateway's place in its fleet. A process has it as long as no other one has taken its place.
type membership struct {
	r    *runningGateway
	name string // "" where the gateway is in no fleet
	bus  fleet.Bus

	at      atomic.Pointer[fleet.Node] // nil before the process serves, and when another one has taken its place
	stop    context.CancelFunc
	working sync.WaitGroup
	putting chan struct{} // has an element while the ledger is being stored
}

// fleetName is the name that a configuration gives a gateway in its fleet.
func fleetName(cfg *gateway.Config) string {
	if cfg.Fleet.Name == "hostname" {
		host, _ := os.Hostname()
		return fleet.CleanName(host)
	}
	return cfg.Fleet.Name
}

// newMembership prepares what join begins.
func newMembership(r *runningGateway) *membership {
	m := &membership{r: r, name: fleetName(r.config), stop: func() {}, putting: make(chan struct{}, 1)}
	if m.name != "" {
		m.bus = busOf(r)
	}
	return m
}

// node is the process's node; nil where it has none.
func (m *membership) node() *fleet.Node { return m.at.Load() }

// elsewhere is how many connections a client has at other gateways.
func (m *membership) elsewhere(client netip.Prefix) int {
	n := m.node()
	if n == nil {
		return 0
	}
	return n.Elsewhere(client)
}

// join makes the process a member of the fleet.
func (m *membership) join() error {
	if m.bus == nil {
		return nil
	}
	o := fleet.Options{
		Name: m.name, Group: m.r.Config().Fleet.Group, About: m.about, Planned: m.planned, Told: m.told,
		Answers: map[string]func(context.Context, string, []byte) ([]byte, error){
			askState:  func(context.Context, string, []byte) ([]byte, error) { return json.Marshal(m.r.status()) },
			askCheck:  func(context.Context, string, []byte) ([]byte, error) { return nil, m.check() },
			askReload: m.ordered(askReload, m.reload),
			askDrain:  m.ordered(askDrain, func() error { m.r.orderDrain(); return nil }),
			askPut: func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
				ctx, cancel := context.WithTimeout(ctx, putWait)
				defer cancel()
				return nil, m.put(ctx)
			},
		},
		Counts: m.counts,
	}
	n, err := fleet.Join(m.bus, o)
	if err != nil {
		return configf("%w", err)
	}
	m.at.Store(n)
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	m.working.Go(func() { m.keep(ctx) })
	return nil
}

// leave ends the membership because another process of this gateway has taken it over. It does not wait for what is
// being stored: that ends, as its context has.
func (m *membership) leave() {
	m.stop()
	if n := m.at.Swap(nil); n != nil {
		n.Leave()
	}
}

// close stores the ledger once more, and says farewell.
func (m *membership) close() {
	m.stop()
	m.working.Wait()
	n := m.node()
	if n == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastPut)
	defer cancel()
	if err := m.put(ctx); err != nil {
		m.r.log.WithFields(logrus.Fields{"event": "fleet.report", "error": errorText(err)}).
			Warn("the ledger could not be stored for the fleet at the end: until this gateway is back its reports have what was stored before")
	}
	n.Close()
	m.at.Store(nil)
}

// about is what the gateway announces.
func (m *membership) about() fleet.About {
	s := m.r.Status()
	a := fleet.About{
		Version: readBuild().Version, Ready: s.Ready, Why: s.Why, Draining: s.Draining, Connections: s.Connections,
		Requests: s.Requests.Total, Versions: map[string]int{},
	}
	for _, l := range s.Listeners {
		a.Listeners = append(a.Listeners, l.Address)
	}
	if m.r.adminListener != nil {
		a.Admin = m.r.adminListener.Addr().String()
	}
	for v, n := range s.Versions {
		if n > 0 {
			a.Versions[v] = n
		}
	}
	if n := m.node(); n != nil {
		stored, _ := n.Stored()
		m.r.watch.metrics.Fleet(n.Alive(), n.Up(), n.Plan().Number, stored)
	}
	return a
}

// counts are the connections of each client here, where limits count them in the whole fleet.
func (m *membership) counts() []fleet.Count {
	if !m.r.Config().Limits.Fleet {
		return nil
	}
	var list []fleet.Count
	for client, n := range m.r.ByAddress() {
		if client.IsValid() {
			list = append(list, fleet.Count{Client: client, N: n})
		}
	}
	return list
}

// ordered is the answer to an order, which is noted if it comes from another gateway: that of this one's admin port is
// noted there.
func (m *membership) ordered(what string, f func() error) func(context.Context, string, []byte) ([]byte, error) {
	return func(_ context.Context, from string, _ []byte) ([]byte, error) {
		at := time.Now()
		err := f()
		if from != m.name {
			result := "done"
			if err != nil {
				result = "refused: " + short(errorText(err))
			}
			m.r.watch.console.Note(console.Order{At: at, Who: "gateway " + from, What: what, Result: result})
		}
		return nil, err
	}
}

var errNoFile = errors.New("the gateway has no configuration file")

// check reports what is wrong with the configuration file.
func (m *membership) check() error {
	if m.r.file == "" {
		return errNoFile
	}
	cfg, err := m.r.load()
	if err != nil {
		return err
	}
	return m.r.CanReload(cfg)
}

func (m *membership) reload() error {
	if m.r.file == "" {
		return errNoFile
	}
	return m.r.reload()
}

// errNotWhole is why the ledger is not stored.
var errNotWhole = errors.New("the ledger's file is another process's, during an upgrade")

// put stores the ledger for reports of the fleet.
func (m *membership) put(ctx context.Context) error {
	n := m.node()
	if n == nil {
		return errNotWhole
	}
	select {
	case m.putting <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-m.putting }()
	m.r.before.pull() // without an answer: as of the last time
	s, whole := m.r.watch.book.snapshot()
	if !whole {
		return errNotWhole
	}
	return n.Put(ctx, s)
}

// keep stores the ledger now and then, until ctx ends.
func (m *membership) keep(ctx context.Context) {
	every := time.Duration(m.r.Config().Fleet.Report)
	wait := every // so that a bus that begins with this gateway is there
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		began := time.Now()
		within, cancel := context.WithTimeout(ctx, keepWait)
		err := m.put(within)
		cancel()
		if err != nil && ctx.Err() == nil && m.r.watch.journal.fold.pass("fleet.report "+errorText(err)) {
			m.r.log.WithFields(logrus.Fields{"event": "fleet.report", "error": short(errorText(err))}).
				Warn("the ledger cannot be stored for the fleet; it is kept here, and stored later")
		}
		wait = max(every, putShare*time.Since(began))
	}
}

// planned puts a plan of the fleet into force.
func (m *membership) planned(p fleet.Plan) {
	log := m.r.log.WithFields(logrus.Fields{"event": "fleet.plan", "plan": p.Number, "gateway": p.Node, "who": short(p.Who)})
	if p.Own {
		m.r.SetPlan(nil)
		log.Info("the fleet has no plan of versions any more: that of this gateway's configuration holds")
	} else {
		m.r.SetPlan(p.Stages)
		if len(m.r.Config().Versions) > 0 {
			log = log.WithField("hint", "versions in this gateway's configuration does not hold meanwhile")
		}
		log.WithField("stages", short(cmp.Or(strings.Join(planStages(p.Stages), ", "), "all versions are on"))).Info("the fleet has a new plan of versions")
	}
	m.r.watch.planned(m.r.Plan())
}

// told logs what happens in the fleet.
func (m *membership) told(e fleet.Event) {
	if !m.r.watch.journal.fold.passPeer(foldKey{topic: foldFleet + string(e.Kind), address: e.Name}) { // however many names there are
		return
	}
	fields := logrus.Fields{"event": "fleet." + string(e.Kind)}
	if e.Name != "" {
		fields["gateway"] = e.Name
	}
	if e.Err != nil {
		fields["error"] = short(errorText(e.Err))
	}
	log := m.r.log.WithFields(fields)
	switch e.Kind {
	case fleet.Joined:
		log.Info("a gateway is there")
	case fleet.Leaving:
		log.Info("a gateway has said farewell")
	case fleet.Died:
		log.Warn("a gateway is not heard any more")
	case fleet.Claim:
		log.Error("two processes have this name in the fleet: give each gateway its own (fleet: name)")
	case fleet.TooMany:
		log.Error("the fleet has too many gateways: this one is left out")
	case fleet.BusUp:
		log.Info("the fleet is reached again")
	case fleet.BusDown:
		log.Warn("the fleet cannot be reached: this gateway goes on alone")
	case fleet.BadPlan:
		log.Error("what is stored as the fleet's plan of versions is none: the last one holds")
	default:
		log.Warn("something in the fleet cannot be understood")
	}
}

// noteStage adds a stage to the plan in force, as the fleet's next plan.
func (m *membership) noteStage(n *fleet.Node, v draftwire.Version, s usage.Stage, who string) error {
	ctx, cancel := context.WithTimeout(context.Background(), planWait)
	defer cancel()
	// The plan that is changed and its number are of one moment: otherwise a plan that is made meanwhile would be lost.
	last, next := n.Plan(), usage.Plan{}
	stages := last.Stages
	if last.Number == 0 || last.Own {
		stages, _ = m.r.Config().Plan() // was checked
	}
	for version, stages := range stages {
		for _, x := range stages {
			if version != v || !x.From.Equal(s.From) {
				next[version] = append(next[version], x)
			}
		}
	}
	next[v] = append(next[v], s)
	_, err := n.SetPlan(ctx, last.Number, next, who)
	return err
}

// fleetError is the text of an error that an answer of the admin port has.
func fleetError(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, fleet.ErrSilent), errors.Is(err, context.DeadlineExceeded):
		return "no answer"
	case errors.Is(err, fleet.ErrGone):
		return "not heard any more"
	}
	return strings.TrimPrefix(errorText(err), "fleet: ")
}
