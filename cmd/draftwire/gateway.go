package main

import (
	"cmp"
	"context"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/cmd/draftwire/internal/generation"
	"github.com/draftwire/draftwire/gateway"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"
)

// runGateway runs a gateway until the first signal, then drains it. The second signal ends it
// at once. before is the process whose place it takes, nil if there is none.
func runGateway(ctx context.Context, o gatewayOptions, before *generation.Parent, log *logrus.Logger, signals <-chan os.Signal) error {
	r, err := newRunning(o, before, log)
	if err != nil {
		return err
	}
	defer r.close()
	hangups, upgrades := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	notifyUpgrade(upgrades)
	defer signal.Stop(hangups)
	defer signal.Stop(upgrades)
	if err := r.begin(ctx); err != nil {
		return err
	}
	for {
		select {
		case err := <-r.failed:
			return err
		case <-hangups:
			r.reload()
		case <-upgrades:
			go r.upgrade()
		case s := <-r.replaced:
			return r.outlive(s, signals)
		case <-r.drain:
			return r.end(signals)
		case sig := <-signals:
			log.WithField("signal", sig.String()).Info("draining")
			return r.end(signals)
		}
	}
}

// runningGateway is a gateway with its log, its admin port and its configuration.
type runningGateway struct {
	gatewayOptions
	*gateway.Gateway
	log      *logrus.Logger
	watch    *watch
	registry *prometheus.Registry
	program  generation.Program
	broker   *broker
	drain    chan struct{}
	failed   chan error // the result of Run

	admin         *draftwire.Server
	adminListener net.Listener                 // nil: no admin port
	forward       atomic.Pointer[http.Handler] // to the admin port of the successor

	fleet  *membership
	before *ancestry
	paths  []*net.UnixListener // taken from the parent

	upgrading   sync.Mutex // held during an upgrade
	upgrades    context.Context
	endUpgrades context.CancelCauseFunc
	replaced    chan *generation.Successor
	successor   atomic.Int64 // the process that has taken this one's place; 0: none
	until       atomic.Int64 // when the sessions that are left then are drained; 0: never
	ending      chan struct{}
	stopSweep   context.CancelFunc
	older       replacedCount
	told        atomic.Bool // the successor has all that this process has counted
}

// newRunning opens all that the gateway needs and that two processes can have at a time.
func newRunning(o gatewayOptions, before *generation.Parent, log *logrus.Logger) (*runningGateway, error) {
	r := &runningGateway{
		gatewayOptions: o, log: log, registry: prometheus.NewRegistry(),
		stopSweep: func() {}, drain: make(chan struct{}, 1), failed: make(chan error, 1), replaced: make(chan *generation.Successor, 1), ending: make(chan struct{}),
	}
	r.upgrades, r.endUpgrades = context.WithCancelCause(context.Background())
	var err error
	if r.program, err = generation.Self(); err != nil {
		return nil, err
	}
	r.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	ledger := newBook(o.config.Ledger, fleetName(o.config), log)
	r.before = newAncestry(before, ledger, log)
	r.watch = newWatch(log, r.registry, ledger, o.config)
	if before == nil {
		if err := ledger.open(); err != nil {
			return nil, err
		}
	}
	if r.watch.tape, err = openTape(o.config.Record, log); err != nil {
		ledger.close()
		return nil, err
	}
	if r.broker, err = openBroker(o.config.Hub, log, r.watch.journal.fold, r.watch.metrics.HubUp); err != nil {
		r.watch.tape.close()
		ledger.close()
		return nil, err
	}
	r.fleet = newMembership(r)
	r.watch.console = r.newConsole()
	stdlog.SetOutput(r.watch.journal) // where net/http says what backends send unasked
	stdlog.SetFlags(0)
	r.Gateway, err = gateway.New(o.config, gateway.Options{
		Hooks: r.watch.hooks(), Listen: r.listen, ErrorLog: r.watch.journal.lines(), Broker: r.broker, Elector: r.broker, Alone: r.broker.alone,
		Elsewhere: r.fleet.elsewhere,
	})
	if err == nil {
		r.watch.metrics.RoomsFrom(r.rooms)
		r.watch.plan = r.Plan
		if err = r.openAdmin(); err == nil {
			return r, nil
		}
		r.Gateway.Close()
	} else {
		err = listenError(err)
	}
	r.watch.console.Close()
	r.broker.close()
	r.watch.tape.close()
	ledger.close()
	return nil, err
}

// begin takes the place of the process before this one, if there is one, and serves.
func (r *runningGateway) begin(ctx context.Context) error {
	if err := r.before.Checked(); err != nil {
		return err
	}
	if err := r.watch.book.open(); err != nil {
		return err
	}
	checkFiles(r.config, r.log)
	go func() { r.failed <- r.Run(ctx) }()
	if r.adminListener != nil {
		fields := logrus.Fields{"admin": adminURL(r.adminListener)}
		if r.adminListener.Addr().Network() != "unix" && r.Config().Admin.Console != "off" {
			fields["console"] = adminURL(r.adminListener) + gateway.ConsolePath
		}
		r.log.WithFields(fields).Info("admin port")
		go r.admin.Serve(r.adminListener)
	}
	if err := r.before.Ready(); err != nil {
		return err
	}
	for _, l := range r.paths {
		l.SetUnlinkOnClose(true) // as the socket is this process's now
	}
	go r.before.follow()
	if err := r.fleet.join(); err != nil {
		return err
	}
	sweeping, stop := context.WithCancel(ctx)
	r.stopSweep = stop
	go r.sweep(sweeping)
	go newGiver().run(sweeping)
	r.announce()
	state := daemon.SdNotifyReady
	if r.before.Parent != nil {
		state += fmt.Sprintf("\nMAINPID=%d", os.Getpid())
	}
	daemon.SdNotify(false, state)
	return nil
}

// close ends everything.
func (r *runningGateway) close() {
	r.watch.console.Close()
	stopAdmin(r.admin)
	if r.adminListener != nil {
		r.adminListener.Close()
	}
	r.Gateway.Close()
	r.before.Close()
	r.stopSweep()
	r.fleet.close()
	r.broker.close()
	r.watch.journal.fold.flush()
	r.watch.book.close()
	r.watch.tape.close()
}

// adminAddressOf is the address of the admin port.
func adminAddressOf(cfg *gateway.Config) string { return cmp.Or(cfg.Admin.Address, adminAddress) }

// openAdmin opens the admin port. It has the limits of a gateway's other ports, but smaller
// ones: pages in a browser and other users of the machine can reach it.
func (r *runningGateway) openAdmin() error {
	o := gateway.AdminOptions{
		Metrics: promhttp.HandlerFor(prometheus.GathererFunc(r.gather), promhttp.HandlerOpts{}),
		Usage:   http.HandlerFunc(r.usage), Pprof: r.config.Admin.Pprof, Drain: r.orderDrain, Status: r.status, Upgrade: r.upgrade, Trace: &r.watch.tracer,
		Console: http.HandlerFunc(r.serveConsole), Fleet: r.fleet.handler(),
	}
	if r.file != "" {
		o.Reload = r.reload
	}
	r.admin = &draftwire.Server{
		Handler: bodyless(r.OnlyOperators(r.orForward(r.audited(r.Admin(o))))), MaxPending: 100, MaxHTTP: 100, ErrorLog: r.watch.journal.lines(),
		ReadTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
	}
	r.admin.Options.Limits.HandshakeTimeout = 5 * time.Second
	address := adminAddressOf(r.config)
	if address == "off" {
		return nil
	}
	var err error
	if r.adminListener, err = r.inherit(adminSocket(r.config), address); err != nil {
		return listenError(fmt.Errorf("admin: %w", err))
	}
	return nil
}

// stopAdmin ends the admin port: an order to drain may still be waiting for its answer.
func stopAdmin(admin *draftwire.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	admin.Shutdown(ctx)
	admin.Close()
}

// adminURL is where the admin port can be reached.
func adminURL(l net.Listener) string {
	if a := l.Addr(); a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return "http://" + l.Addr().String()
}

func (r *runningGateway) announce() {
	for _, l := range r.Status().Listeners {
		r.log.WithFields(logrus.Fields{"listener": l.Name, "addr": l.Address}).Info("listening")
	}
	for _, route := range r.Status().Routes {
		var urls []string
		for _, b := range route.Backends {
			urls = append(urls, b.URL)
		}
		r.log.WithFields(logrus.Fields{"route": route.Name, "backends": strings.Join(urls, " ")}).Info("route")
	}
	for _, s := range r.Status().Retiring {
		r.log.WithFields(logrus.Fields{"draft": s.Version, "mode": s.Mode, "from": dated(s.From)}).Warn("retiring")
	}
}

func dated(t time.Time) string {
	if t.IsZero() {
		return "now"
	}
	return t.Format(time.DateOnly)
}

// reload reads the configuration file again. After an error the old configuration stays.
func (r *runningGateway) reload() error {
	if r.file == "" {
		r.log.Warn("nothing to reload: the gateway has no configuration file")
		return nil
	}
	cfg, err := r.load()
	if err != nil {
		r.watch.reloaded(nil, err)
		return err
	}
	return r.Reload(cfg) // which calls watch.reloaded
}

// end drains the gateway, and the processes before this one. A second signal cuts that short.
func (r *runningGateway) end(signals <-chan os.Signal) error {
	daemon.SdNotify(false, daemon.SdNotifyStopping)
	r.endUpgrades(errDraining)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		older := make(chan struct{})
		go func() {
			r.before.drain(ctx)
			close(older)
		}()
		err := r.Drain(ctx)
		<-older
		done <- err
	}()
	select {
	case err := <-done:
		<-r.failed
		return err
	case <-signals:
		cancel()
		<-done
		return &exitError{code: exitInterrupted}
	}
}

// checkFiles warns if the process may open fewer files than the limit of connections
// needs: two each, and some more.
func checkFiles(cfg *gateway.Config, log *logrus.Logger) {
	may, ok := openFiles()
	if !ok {
		return
	}
	need := uint64(2*max(cfg.Limits.Connections, 0) + 200)
	if cfg.Limits.Connections == 0 {
		need = 2*gateway.DefaultConnections + 200
	}
	if may < need {
		log.WithFields(logrus.Fields{"may": may, "needs": need}).
			Warn("the limit of connections needs more files than the process may open: raise LimitNOFILE (ulimit -n), or lower the limit")
	}
}
