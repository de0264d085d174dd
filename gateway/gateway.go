package gateway

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/usage"
)

// Hooks are called when something happens; any of them may be nil. The goroutines of
// connections and of loops call them, so they must not block: a loop has many sessions, which would
// all wait. So it is with the functions of an Observer.
type Hooks struct {
	// Observer returns the observer of a listener's clients. The Value of a client's
	// Handshake is its *Session.
	Observer func(listener string) *draftwire.Observer
	// Ended is called when both sides of a session have ended. c is the client's
	// connection.
	Ended func(s *Session, c *draftwire.Conn)
	// Meter returns the function that counts the messages that a side of a session sends: at each
	// call so many, of n bytes each.
	Meter func(s *Session, from Side) func(op draftwire.Op, n, times int)
	// Loss is called when something was lost or changed between the two versions.
	Loss func(s *Session, l Loss)
	// Limited is called when a client was refused because of a limit.
	Limited func(limit string)
	// BackendOpened and BackendClosed are called for each connection to a backend.
	BackendOpened, BackendClosed func(s *Session)
	// BackendFailed is called when a connection to a backend could not be opened. A
	// backend's refusal of the client is not reported here but in the client's refusal.
	BackendFailed func(route, backend string, err error)
	// BackendTolerated is called when a fault of a backend was accepted.
	BackendTolerated func(route, backend string, t draftwire.Tolerances)
	// BackendUp is called when a health check has found that a backend that was down is
	// up, or the reverse.
	BackendUp func(route, backend string, up bool, err error)
	// Mirrored is called with what was found since the last call about the mirror of a session's route:
	// about once a second while there is something, and at the end. The session may be over.
	Mirrored func(s *Session, x usage.Mirror)
	// MirrorUp is called when the mirror of a route has failed to open a connection, behind one that it
	// has accepted or at the beginning, and when it has accepted one again.
	MirrorUp func(route, mirror string, up bool, err error)
	// RoomBackend is called when a room of a route has got its connection to a backend in this gateway, and with
	// an error when it has lost it, or could not get one. backend is "" where none was tried.
	RoomBackend func(route, backend, path string, err error)
	// Retiring is called when a client speaks a version whose stage in the plan is not
	// "on". refused tells whether the client was refused.
	Retiring func(s *Session, stage usage.Stage, refused bool)
	// Certificate is called when the files of a certificate have changed and cannot be
	// read, or an ACME server does not issue one. The old certificate stays in use.
	Certificate func(listener string, err error)
	// RequestBegan and RequestEnded are called for each ordinary request, in this order.
	// Until RequestEnded only Listener and Handshake of the Request are set.
	RequestBegan, RequestEnded func(r *Request)
	// Reloaded is called after Reload: cfg is in force, or err says why it is not.
	Reloaded func(cfg *Config, err error)
}

// Options are what New needs besides a configuration.
type Options struct {
	Hooks Hooks
	// Listen opens an address of the configuration; nil is the function Listen.
	Listen func(address string) (net.Listener, error)
	// Dial connects to a backend; nil is that of a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Elsewhere returns how many connections a client has at other gateways (ByAddress), where limits are to count
	// them (Limits.Fleet). Each handshake calls it, so it must not wait. nil: none.
	Elsewhere func(client netip.Prefix) int
	// Broker carries the messages of rooms between gateways, and Elector chooses who leads a room. They stay the
	// program's, which closes them behind the gateway. Default: one within the gateway, as Config.Hub says.
	Broker  hub.Broker
	Elector hub.Elector
	// Alone says that Broker reaches this process alone: when another process takes its place, members of rooms
	// are closed, so that they come to that one. It is so without a Broker.
	Alone bool
	// ErrorLog gets panics and what net/http logs, like that of a draftwire.Server.
	ErrorLog *log.Logger
}

// Gateway accepts clients of any version and carries their messages to backends of any
// version.
type Gateway struct {
	hooks  Hooks
	listen func(address string) (net.Listener, error)
	dial   dialer
	quick  bool        // connections to backends are opened by attempts, and not by dial
	loops  *sock.Loops // nil where the system has none, or with a dial of the program
	errors *log.Logger
	ctx    context.Context // ends with the gateway
	cancel context.CancelFunc
	began  time.Time

	accepting     context.Context // ends when the gateway accepts no more clients
	stopAccepting context.CancelFunc

	broker  hub.Broker
	elector hub.Elector
	alone   bool // broker reaches no other process

	state    atomic.Pointer[state]
	attempts attempts
	// clientEvents and backendEvents are for sessions whose sides are on a loop.
	clientEvents, backendEvents *draftwire.Events
	workers                     workers
	limits                      limiter
	requests                    requestCounts
	fleetPlan                   atomic.Pointer[usage.Plan] // takes the place of the configuration's; nil: none does
	draining                    atomic.Bool
	retired                     atomic.Bool
	clock                       atomic.Uint32 // ticks since began, counted from 1
	lastID                      atomic.Uint64 // of a session
	headsMost, headsKept        atomic.Int32  // of handshakes with backends: see KeepHeads

	changing sync.Mutex // held while the ports are changed, drained or closed
	mu       sync.Mutex
	ports    []*port
	old      []*port // replaced or removed by a reload, and still with connections
	sessions sessions
	rooms    []*rooms // of all routes that have or had some
	running  bool
	closed   bool
	ended    bool // all connections were cut
	working  sync.WaitGroup
	fatal    chan error
	left     sync.Once // leaveLoops
	watched  watched
}

// state is a configuration in force.
type state struct {
	cfg    *Config
	routes []*route
	plan   usage.Plan
	since  time.Time
}

// New returns a gateway that listens on the ports of cfg. Run serves them. Close must be
// called in any case. The caller must not change cfg after it was passed to New or Reload.
func New(cfg *Config, o Options) (*Gateway, error) {
	g := &Gateway{
		hooks: o.Hooks, listen: o.Listen, dial: o.Dial, errors: o.ErrorLog, began: time.Now(),
		fatal: make(chan error, 1),
	}
	g.connectRooms(cfg, o)
	g.clock.Store(1)
	g.limits.elsewhere = o.Elsewhere
	g.lastID.Store(uint64(g.began.UnixMilli()) << idBits)
	if g.listen == nil {
		g.listen = Listen
	}
	if g.dial == nil {
		g.dial, g.loops = new(net.Dialer).DialContext, sock.NewLoops()
		g.attempts.loops, g.quick = g.loops, g.loops != nil
	}
	g.clientEvents, g.backendEvents = g.events(ClientSide), g.events(BackendSide)
	g.clientEvents.Open = g.openOnLoop
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.accepting, g.stopAccepting = context.WithCancel(g.ctx)
	context.AfterFunc(g.accepting, g.attempts.stop)
	st, err := g.newState(cfg, nil)
	var ports []*port
	if err == nil {
		ports, err = g.openPorts(st.cfg, nil)
	}
	if err != nil {
		g.leaveLoops()
		return nil, err
	}
	g.use(st, ports)
	return g, nil
}

// idBits is how many bits of a session's number count: those above are from the time at which the
// gateway began.
const idBits = 20

// leaveLoops tells the loops that the gateway needs them no more.
func (g *Gateway) leaveLoops() {
	if g.loops != nil {
		g.left.Do(g.loops.Close)
	}
}

// newState compiles a configuration. On a reload it takes from the old state what goes on,
// and refuses changes that only a restart can make.
func (g *Gateway) newState(cfg *Config, old *state) (*state, error) {
	own := cfg.own()
	if err := own.check(); err != nil {
		return nil, err
	}
	if old != nil {
		if err := own.checkReload(old.cfg); err != nil {
			return nil, err
		}
	}
	own.file = nil // only faults need it
	st := &state{cfg: own, since: time.Now()}
	var err error
	if st.plan, err = newPlan(own.Versions); err != nil {
		return nil, err
	}
	for i := range own.Routes {
		var before *route
		if old != nil {
			for _, r := range old.routes {
				if r.Name == own.Routes[i].Name {
					before = r
				}
			}
		}
		r, err := newRoute(&own.Routes[i], before)
		if err != nil {
			return nil, fmt.Errorf("route %s: %w", own.Routes[i].Name, err)
		}
		if r.mirror, err = newMirror(r.Mirror, own.Record.Redact, before); err != nil {
			return nil, fmt.Errorf("route %s: mirror: %w", own.Routes[i].Name, err)
		}
		if r.Rooms != nil {
			r.resume, _ = parseSent(r.Rooms.Resume)
			g.newRooms(r, before)
		}
		st.routes = append(st.routes, r)
	}
	return st, nil
}

// use puts a configuration and its ports into force.
func (g *Gateway) use(st *state, ports []*port) {
	g.limits.set(&st.cfg.Limits)
	g.useRooms(st)
	g.state.Store(st)
	g.mu.Lock()
	g.ports = ports
	g.mu.Unlock()
}

// Run serves until ctx ends or Drain or Close has returned, and then closes the gateway.
// If a listener fails, Run returns its error.
func (g *Gateway) Run(ctx context.Context) error {
	g.mu.Lock()
	if !g.running && !g.closed {
		g.running = true
		for _, p := range g.ports {
			g.start(p)
		}
		g.working.Go(g.tend)
	}
	g.mu.Unlock()
	var err error
	select {
	case <-ctx.Done():
	case err = <-g.fatal:
	case <-g.ctx.Done(): // drained, or closed
	}
	g.Close()
	return err
}

// start serves a port. The caller holds g.mu.
func (g *Gateway) start(p *port) {
	p.served = make(chan struct{})
	if p.issuer != nil {
		ctx, cancel := context.WithCancel(g.ctx)
		p.leave = cancel
		g.working.Go(func() { p.issuer.run(ctx) })
	}
	g.working.Go(func() {
		defer close(p.served)
		err := p.server.Serve(p.listener)
		if p.removed.Load() || g.draining.Load() || g.ctx.Err() != nil {
			return
		}
		select {
		case g.fatal <- fmt.Errorf("listener %s: %w", p.Name, err):
		default:
		}
	})
}

// Reload puts another configuration into force: all of it or, with an error, nothing. The
// address and pprof of admin, and the ledger, cannot change in a reload. Open connections
// keep the settings with which they were opened. Connections of a port that is not in the
// new configuration are drained.
func (g *Gateway) Reload(cfg *Config) (err error) {
	defer func() {
		if f := g.hooks.Reloaded; f != nil {
			f(cfg, err)
		}
	}()
	g.changing.Lock()
	defer g.changing.Unlock()
	g.mu.Lock()
	before, closed := g.ports, g.closed
	g.mu.Unlock()
	switch {
	case closed:
		return errors.New("gateway: the gateway is closed")
	case g.draining.Load():
		return errors.New("gateway: the gateway is draining")
	case g.retired.Load():
		return errors.New("gateway: another process has taken this one's place")
	}
	st, err := g.newState(cfg, g.state.Load())
	if err != nil {
		return err
	}
	ports, err := g.openPorts(st.cfg, before)
	if err != nil {
		return err
	}
	g.use(st, ports)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range ports {
		if !slices.Contains(before, p) && g.running {
			g.start(p)
		}
	}
	for _, p := range before {
		if !slices.Contains(ports, p) {
			g.remove(p)
		}
	}
	return nil
}

// CanReload reports why Reload would refuse a configuration before it opens a port: nothing is changed.
func (g *Gateway) CanReload(cfg *Config) error {
	own := cfg.own()
	if err := own.check(); err != nil {
		return err
	}
	switch {
	case g.draining.Load():
		return errors.New("gateway: the gateway is draining")
	case g.retired.Load():
		return errors.New("gateway: another process has taken this one's place")
	}
	return own.checkReload(g.state.Load().cfg)
}

// remove stops accepting connections on a port. Its open connections stay if the address
// is still served; otherwise they are drained. The caller holds g.mu.
func (g *Gateway) remove(p *port) {
	p.removed.Store(true)
	if p.leave != nil {
		p.leave()
	}
	g.old = append(g.old, p)
	for _, n := range g.ports {
		if n.Address == p.Address {
			p.listener.handOver(n.listener)
			return
		}
	}
	p.listener.Close()
	var servers []*draftwire.Server
	for _, o := range g.old { // this port, and those that it has replaced
		if o.Address == p.Address {
			servers = append(servers, o.server)
		}
	}
	g.working.Go(func() { g.farewell(servers) })
}

// Drain shuts the gateway down: it accepts no more clients, closes each connection in
// the way of its version, spread over the drain time, and lets ordinary requests end. A
// port with a health path stays open meanwhile, and answers 503. Drain returns when all connections
// have ended. If ctx ends before, Drain cuts the remaining connections and returns ctx's
// error. A second call waits for the first one.
func (g *Gateway) Drain(ctx context.Context) error {
	g.changing.Lock()
	again := g.draining.Swap(true)
	g.changing.Unlock()
	stop := context.AfterFunc(ctx, g.cut)
	defer stop()
	if again {
		select {
		case <-g.ctx.Done():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer g.cancel()
	g.stopAccepting()
	leaving := g.servers()
	g.stayOpen()
	g.farewell(leaving)
	return ctx.Err()
}

// drainGrace is what the last connections have to end, beyond the drain time.
const drainGrace = 5 * time.Second

// farewell shuts servers down, each over the drain time.
func (g *Gateway) farewell(servers []*draftwire.Server) {
	cfg := g.state.Load().cfg
	g.shutdown(servers, cfg.Drain.spread()+cfg.Limits.CloseTimeout.timeout()+drainGrace)
}

// shutdown shuts servers down and waits for them, for at most d.
func (g *Gateway) shutdown(servers []*draftwire.Server, d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range servers {
		all.Go(func() { s.Shutdown(ctx) })
	}
	all.Wait()
}

// servers returns the servers of all ports, old ones too.
func (g *Gateway) servers() []*draftwire.Server {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []*draftwire.Server
	for _, p := range slices.Concat(g.old, g.ports) {
		list = append(list, p.server)
	}
	return list
}

// cut ends all connections at once, also those to backends.
func (g *Gateway) cut() {
	for _, s := range g.servers() {
		s.Close()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	for _, s := range g.sessions.all {
		s.peer.cut()
	}
}

// Close ends the gateway and its connections at once, without closing handshakes. It waits
// for the gateway's goroutines and, for a few seconds at most, for those of its
// connections.
func (g *Gateway) Close() error {
	g.changing.Lock()
	g.mu.Lock()
	g.closed = true
	for _, p := range g.ports {
		p.removed.Store(true)
		p.listener.Close()
	}
	g.mu.Unlock()
	g.changing.Unlock()
	g.cancel()
	g.cut()
	g.shutdown(g.servers(), drainGrace)
	g.workers.end()
	g.working.Wait()
	g.closeRooms()
	g.leaveLoops()
	g.state.Load().closeIdle()
	return nil
}
