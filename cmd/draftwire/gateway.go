package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/usage"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"
)

// runGateway runs a gateway until the first signal, then drains it. A second
// signal ends it at once.
func runGateway(ctx context.Context, o gatewayOptions, log *logrus.Logger, signals <-chan os.Signal) error {
	ledger, err := openLedger(o.config, log)
	if err != nil {
		return err
	}
	defer ledger.Close()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	watch := newWatch(log, registry, ledger, o.config)
	defer watch.journal.fold.flush()
	g, err := gateway.New(o.config, gateway.Options{Hooks: watch.hooks(), ErrorLog: watch.journal.lines()})
	if err != nil {
		return exitf(exitUsage, "%w", err)
	}
	defer g.Close()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	r := &runningGateway{gatewayOptions: o, Gateway: g, log: log, watch: watch, drain: make(chan struct{}, 1)}
	admin, err := r.serveAdmin(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), ledger)
	if err != nil {
		return err
	}
	defer admin.Close()
	checkFiles(o.config, log)
	failed := make(chan error, 1)
	go func() { failed <- g.Run(ctx) }()
	sweeping, stop := context.WithCancel(ctx)
	defer stop()
	go watch.sweep(sweeping, g)
	r.announce()
	daemon.SdNotify(false, daemon.SdNotifyReady)
	for {
		select {
		case err := <-failed:
			return err
		case <-hangups:
			r.reload()
		case <-r.drain:
			return r.end(signals, failed)
		case sig := <-signals:
			log.WithField("signal", sig.String()).Info("draining")
			return r.end(signals, failed)
		}
	}
}

// runningGateway is a gateway and what the command has beside it.
type runningGateway struct {
	gatewayOptions
	*gateway.Gateway
	log   *logrus.Logger
	watch *watch
	drain chan struct{}
}

// openLedger opens the ledger of a configuration.
func openLedger(cfg *gateway.Config, log *logrus.Logger) (*usage.Ledger, error) {
	l, err := usage.Open(cfg.Ledger.File, &usage.Options{
		Clients: cfg.Ledger.Clients, Aside: true,
		Failed: func(err error) { log.WithField("error", err.Error()).Error("the ledger cannot be written") },
	})
	if err != nil {
		return nil, exitf(exitUsage, "ledger: %w", err)
	}
	if why := l.Damage(); why != nil {
		log.WithFields(logrus.Fields{"error": why.Error(), "aside": l.Aside()}).Error("the ledger is damaged and was set aside")
	}
	return l, nil
}

// serveAdmin opens the operator's port.
// It has the limits of a gateway's other ports, smaller: a page that a browser shows, and
// whoever else is on the machine, can reach it.
func (r *runningGateway) serveAdmin(metrics http.Handler, ledger http.Handler) (*draftwire.Server, error) {
	a := r.config.Admin
	if a.Address == "" {
		a.Address = adminAddress
	}
	o := gateway.AdminOptions{
		Metrics: metrics, Usage: ledger, Pprof: a.Pprof,
		Drain: func() {
			select {
			case r.drain <- struct{}{}:
			default:
			}
		},
	}
	if r.file != "" {
		o.Reload = r.reload
	}
	srv := &draftwire.Server{
		Handler: bodyless(r.Admin(o)), MaxPending: 100, MaxHTTP: 100, ErrorLog: r.watch.journal.lines(),
		ReadTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
	}
	srv.Options.Limits.HandshakeTimeout = 5 * time.Second
	if a.Address == "off" {
		return srv, nil
	}
	l, err := gateway.Listen(a.Address)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	r.log.WithField("admin", adminURL(l)).Info("for the operator")
	go srv.Serve(l)
	return srv, nil
}

// adminURL is where the operator's port can be reached.
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
		r.log.WithFields(logrus.Fields{"draft": s.Version, "mode": s.Mode, "from": dated(s.From)}).Warn("on the way out")
	}
}

func dated(t time.Time) string {
	if t.IsZero() {
		return "now"
	}
	return t.Format(time.DateOnly)
}

// reload reads the configuration file again. With an error the old one stays.
func (r *runningGateway) reload() error {
	if r.file == "" {
		r.log.Warn("nothing to reload: the flags said it all")
		return nil
	}
	cfg, err := r.load()
	if err != nil {
		r.watch.reloaded(nil, err)
		return err
	}
	return r.Reload(cfg) // tells the watch
}

// end drains the gateway, until a second signal.
func (r *runningGateway) end(signals <-chan os.Signal, failed <-chan error) error {
	daemon.SdNotify(false, daemon.SdNotifyStopping)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.Drain(ctx) }()
	select {
	case err := <-done:
		<-failed
		return err
	case <-signals:
		cancel()
		<-done
		return &exitError{code: exitInterrupted}
	}
}

// checkFiles warns where the process may not open as many files as the limit of
// connections needs: two each, and some.
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
