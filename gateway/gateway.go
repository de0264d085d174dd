package gateway

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/usage"
)

// Hooks are told what happens; any of them may be nil. They are called from the
// goroutines of connections and must not block.
type Hooks struct {
	// Observer is that of a listener's clients. The Value of a client's Handshake
	// is its *Session.
	Observer func(listener string) *draftwire.Observer
	// Ended: a session is over, both sides of it. c is the client's connection.
	Ended func(s *Session, c *draftwire.Conn)
	// Meter returns what counts the messages that a side of a session sends.
	Meter func(s *Session, from Side) func(op draftwire.Op, n int)
	// Lost: the translation lost something.
	Lost func(s *Session, l Loss)
	// Limited: a client was refused for a limit.
	Limited func(limit string)
	// Backend connections, and what keeps one from opening, but for the answer that a
	// backend has for the client: that is in the client's refusal.
	BackendOpened, BackendClosed func(s *Session)
	BackendFailed                func(route, backend string, err error)
	// BackendUp: a check found a backend that was down to be up, or the reverse.
	BackendUp func(route, backend string, up bool, err error)
	// Retiring: a client speaks a version whose stage of the plan is not on.
	// refused tells what became of it.
	Retiring func(s *Session, stage usage.Stage, refused bool)
	// Certificate: one whose files have changed cannot be read; the old one stays.
	Certificate func(listener string, err error)
	// Reloaded: a configuration was taken, or err says why not.
	Reloaded func(cfg *Config, err error)
}

// Options are what New needs beside a configuration.
type Options struct {
	Hooks Hooks
	// Listen opens an address of the configuration; nil is the function Listen.
	Listen func(address string) (net.Listener, error)
	// Dial connects to a backend; nil is a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// ErrorLog is for panics and what net/http logs, as that of draftwire.Server is.
	ErrorLog *log.Logger
}

// Gateway takes clients of any version and carries their messages to backends
// of any version.
type Gateway struct {
	hooks  Hooks
	listen func(address string) (net.Listener, error)
	dial   dialer
	errors *log.Logger
	ctx    context.Context // ends with the gateway
	cancel context.CancelFunc
	taking context.Context // ends as soon as it takes no more clients
	refuse context.CancelFunc
	began  time.Time

	state    atomic.Pointer[state]
	limits   limiter
	draining atomic.Bool

	changing sync.Mutex // held while the ports change, or come to their end
	mu       sync.Mutex
	ports    []*port
	old      []*port // that were replaced or removed, while they have connections
	sessions map[*Session]struct{}
	running  bool
	closed   bool
	ended    bool // what is open was cut
	working  sync.WaitGroup
	fatal    chan error
}

// state is a configuration in force.
type state struct {
	cfg    *Config
	routes []*route
	plan   usage.Plan
	since  time.Time
}

// New returns a gateway that listens, as cfg says, but does not serve yet: that
// is for Run. Close lets go of it in any case. cfg is not to be changed behind
// New, nor behind Reload.
func New(cfg *Config, o Options) (*Gateway, error) {
	g := &Gateway{
		hooks: o.Hooks, listen: o.Listen, dial: o.Dial, errors: o.ErrorLog, began: time.Now(),
		sessions: make(map[*Session]struct{}), fatal: make(chan error, 1),
	}
	if g.listen == nil {
		g.listen = Listen
	}
	if g.dial == nil {
		g.dial = new(net.Dialer).DialContext
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.taking, g.refuse = context.WithCancel(g.ctx)
	st, err := newState(cfg, nil)
	if err != nil {
		return nil, err
	}
	ports, err := g.openPorts(st.cfg, nil)
	if err != nil {
		return nil, err
	}
	g.use(st, ports)
	return g, nil
}

// newState compiles a configuration, and takes over from the old one what goes
// on.
func newState(cfg *Config, old *state) (*state, error) {
	own := cfg.own()
	if err := own.check(); err != nil {
		return nil, err
	}
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
		st.routes = append(st.routes, r)
	}
	return st, nil
}

// use puts a configuration and its ports in force.
func (g *Gateway) use(st *state, ports []*port) {
	g.limits.set(&st.cfg.Limits)
	g.state.Store(st)
	g.mu.Lock()
	g.ports = ports
	g.mu.Unlock()
}

// Run serves until ctx ends, or Drain or Close have done their work; then it ends
// what is left. It returns the first error of a listener, if one fails.
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
	g.working.Go(func() {
		defer close(p.served)
		err := p.server.Serve(p.listener)
		if p.left.Load() || g.draining.Load() || g.ctx.Err() != nil {
			return
		}
		select {
		case g.fatal <- fmt.Errorf("listener %s: %w", p.Name, err):
		default:
		}
	})
}

// Reload puts another configuration in force: all of it or, with an error, none.
// Connections that are open go on as they are, but those of a port that is no
// longer there, which are drained.
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
		return errors.New("gateway: it is closed")
	case g.draining.Load():
		return errors.New("gateway: it is draining")
	}
	st, err := newState(cfg, g.state.Load())
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
			g.leave(p)
		}
	}
	return nil
}

// leave stops taking connections from a port. Those that are open stay where the
// address is still served, else they are drained. The caller holds g.mu.
func (g *Gateway) leave(p *port) {
	p.left.Store(true)
	g.old = append(g.old, p)
	for _, n := range g.ports {
		if n.Address == p.Address {
			p.listener.handOver(n.listener)
			return
		}
	}
	p.listener.Close()
	var servers []*draftwire.Server
	for _, o := range g.old { // with those that the port replaced
		if o.Address == p.Address {
			servers = append(servers, o.server)
		}
	}
	g.working.Go(func() { g.farewell(servers) })
}

// Drain ends the gateway in order: no new clients are taken, and each client gets
// its version's farewell, spread over the drain time. It returns when all
// connections have ended, or ctx's error with what is left cut. A second call
// waits for the first.
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
	g.refuse()
	g.farewell(g.servers())
	return ctx.Err()
}

// drainGrace is the time beyond the drain's own for the last ones to end.
const drainGrace = 5 * time.Second

// farewell shuts servers down, each over the drain time.
func (g *Gateway) farewell(servers []*draftwire.Server) {
	cfg := g.state.Load().cfg
	g.shutdown(servers, time.Duration(cfg.Drain+cfg.Limits.Close)+drainGrace)
}

// shutdown waits until servers have ended, at most so long.
func (g *Gateway) shutdown(servers []*draftwire.Server, most time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range servers {
		all.Go(func() { s.Shutdown(ctx) })
	}
	all.Wait()
}

// servers are those of all ports, old ones too.
func (g *Gateway) servers() []*draftwire.Server {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []*draftwire.Server
	for _, p := range slices.Concat(g.old, g.ports) {
		list = append(list, p.server)
	}
	return list
}

// cut ends all connections at once, those to backends too.
func (g *Gateway) cut() {
	for _, s := range g.servers() {
		s.Close()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	for s := range g.sessions {
		s.peer.cut()
	}
}

// Close ends the gateway at once, without farewell, and waits for its goroutines
// and, a few seconds at most, for those of its connections.
func (g *Gateway) Close() error {
	g.changing.Lock()
	g.mu.Lock()
	g.closed = true
	for _, p := range g.ports {
		p.left.Store(true)
		p.listener.Close()
	}
	g.mu.Unlock()
	g.changing.Unlock()
	g.cancel()
	g.cut()
	g.shutdown(g.servers(), drainGrace)
	g.working.Wait()
	return nil
}
