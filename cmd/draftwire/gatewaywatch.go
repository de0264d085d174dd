package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/cmd/draftwire/internal/console"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/metrics"
	"github.com/draftwire/draftwire/oldtls"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
)

// watch reports what a gateway does to the log, the metrics and the ledger.
type watch struct {
	log     *logrus.Logger
	journal *journal
	tracer  tracer
	tape    *tape // nil: nothing is recorded
	metrics *metrics.Metrics
	console *console.Console
	book    *book
	plan    func() usage.Plan // in force; nil: that of the configuration
	client  func(remote, target string, fields func() draftwire.Fields) string

	mu   sync.Mutex
	told map[*gateway.Session]draftwire.Stats // what the ledger knows about open sessions, of those that a sweep has seen
}

func newWatch(log *logrus.Logger, reg prometheus.Registerer, ledger *book, cfg *gateway.Config) *watch {
	w := &watch{log: log, journal: newJournal(log), book: ledger, client: clientKey(cfg.Ledger.Client),
		told: make(map[*gateway.Session]draftwire.Stats)}
	b := readBuild()
	w.metrics = metrics.New(reg, metrics.Build{Version: b.Version, GoVersion: b.Go})
	ledger.failing = w.metrics.LedgerFailing
	lost := w.metrics.LogLineLost
	w.journal.out.drop.Store(&lost)
	w.configured(cfg)
	return w
}

// hooks are what the gateway calls.
func (w *watch) hooks() gateway.Hooks {
	return gateway.Hooks{
		Observer: func(listener string) *draftwire.Observer {
			return draftwire.JoinObservers(w.journal.observer(listener), w.metrics.Observer(listener), w.tracer.observer(listener), w.console.Observer(), &draftwire.Observer{
				Opened: func(c *draftwire.Conn) { w.opened(c, listener) }, Refused: w.refused,
			}, w.tape.observer())
		},
		Ended: w.ended,
		Meter: func(s *gateway.Session, from gateway.Side) func(op draftwire.Op, n, times int) {
			direction := "in"
			if from == gateway.BackendSide {
				direction = "out"
			}
			count := w.metrics.Meter(s.Version(), direction).Messages
			trace := w.tracer.meter(s, direction)
			if trace == nil {
				return count
			}
			return func(op draftwire.Op, n, times int) {
				count(op, n, times)
				for range times {
					trace(op, n)
				}
			}
		},
		Loss:          func(_ *gateway.Session, l gateway.Loss) { w.metrics.Loss(string(l)) },
		Limited:       w.metrics.Limited,
		BackendOpened: func(s *gateway.Session) { w.metrics.BackendOpened(s.Route, s.Backend) },
		BackendClosed: func(s *gateway.Session) { w.metrics.BackendClosed(s.Route, s.Backend) },
		BackendFailed: w.backendFailed, BackendTolerated: w.backendTolerated,
		BackendUp:   w.backendUp,
		RoomBackend: w.roomBackend,
		Mirrored:    w.mirrored, MirrorUp: w.mirrorUp,
		Retiring:     w.retiring,
		RequestBegan: func(r *gateway.Request) { w.metrics.RequestBegan(r.Listener) },
		RequestEnded: w.requestEnded,
		Certificate: func(listener string, err error) {
			w.log.WithFields(logrus.Fields{"listener": listener, "error": err.Error()}).Error("the certificate cannot be reloaded; the old one stays in use")
		},
		Reloaded: w.reloaded,
	}
}

func (w *watch) opened(c *draftwire.Conn, listener string) {
	w.book.opened(w.visit(c.Handshake()))
	if most, trace := w.tracer.frames(c, listener); trace != nil {
		c.TraceFrames(most, trace)
	}
}

// ended is the end of a session.
func (w *watch) ended(s *gateway.Session, c *draftwire.Conn) {
	w.carried(s, c, true)
	w.journal.ended(s, c)
}

// carried tells the ledger what a session has carried since the last call: a client that
// stays connected for weeks is in use on each of their days. The call with last ends the
// session; a sweep that is under way may call once more, which changes nothing, as a session
// that ends has a side that has ended it.
func (w *watch) carried(s *gateway.Session, c *draftwire.Conn, last bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	by, _ := s.By()
	before, now := w.told[s], c.Stats()
	switch {
	case last:
		delete(w.told, s)
	case by != gateway.NoSide:
		return
	case now != (draftwire.Stats{}): // of a session that has said nothing, nothing is kept
		w.told[s] = now
	}
	w.book.traffic(c.Version(), w.clientOf(c.Handshake()), usage.Traffic{
		In: now.BytesIn - before.BytesIn, Out: now.BytesOut - before.BytesOut,
		MessagesIn: now.MessagesIn - before.MessagesIn, MessagesOut: now.MessagesOut - before.MessagesOut,
		Tolerated: c.Handshake().Tolerated(),
	})
}

// sweepEvery is how often the ledger is told about open sessions.
const sweepEvery = time.Minute

// windows are those of the number of distinct clients.
var windows = map[string]time.Duration{"1d": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour}

// sweep tells the ledger about open sessions, and the metrics what the ledger knows.
func (w *watch) sweep(g *gateway.Gateway) {
	for _, s := range g.Sessions() {
		w.carried(s, s.Client(), false)
	}
	for name, since := range windows {
		for _, n := range w.book.counts(since) {
			w.metrics.Clients(n.Version, name, n.Clients)
		}
	}
}

// refused tells the ledger of a handshake that was refused because of its version, which a
// port or the routes for its path do not have: such clients exist, and would come in if they
// could. Those of a plan to retire versions are told by retiring.
func (w *watch) refused(remote string, head []byte, he *draftwire.HandshakeError) {
	if he.Reason != wire.ReasonDisabled || he.Version == draftwire.Unknown {
		return
	}
	r := readHead(head)
	w.book.refused(usage.Visit{
		Version: he.Version, Client: w.client(remote, r.Target, func() draftwire.Fields { return r.Fields }), UserAgent: r.Fields.Get("User-Agent"),
		Path: r.Target, Host: r.Host(), Origin: originOf(r),
	})
}

// clientOf is how the ledger tells a client apart.
func (w *watch) clientOf(h *draftwire.Handshake) string {
	return w.client(h.Remote(), h.Target(), h.Fields)
}

// visit is a handshake for the ledger.
func (w *watch) visit(h *draftwire.Handshake) usage.Visit {
	v := usage.Visit{
		Version: h.Version(), Client: w.clientOf(h), UserAgent: h.Field("User-Agent"),
		Path: h.Target(), Host: h.Host(), Origin: h.Origin(), Tolerated: h.Tolerated(),
	}
	if t := h.TLS(); t != nil {
		v.TLS = usage.TLS(t.Version)
	}
	return v
}

func (w *watch) retiring(s *gateway.Session, stage usage.Stage, refused bool) {
	h := s.Handshake()
	if refused {
		w.book.refused(w.visit(h))
	}
	if w.journal.fold.pass("retiring " + h.Version().String()) {
		w.log.WithFields(logrus.Fields{
			"draft": h.Version().String(), "mode": stage.String(), "refused": refused, "client_ip": ipOf(h.Remote()),
			"user_agent": short(h.Field("User-Agent")),
		}).Warn("a version that is being retired")
	}
}

func (w *watch) backendFailed(route, backend string, err error) {
	w.metrics.BackendDialFailed(route, metrics.DialReason(err))
	hint := hintOf(err)
	if w.journal.fold.pass("backend " + backend + " " + hint) { // one fault hides no other
		fields := logrus.Fields{"event": "backend.dial", "route": route, "backend": backend, "error": short(errorText(err))}
		if hint != "" {
			fields["hint"] = hint
		}
		w.log.WithFields(fields).Warn("a backend did not accept a client")
	}
}

// hintOf returns what would admit what err complains of, "" if nothing would.
func hintOf(err error) string {
	if hint := trustHint(err, "tls: {ca: FILE} of the backend", "tls: {server_name: NAME} of the backend is needed", "insecure: true"); hint != "" {
		return hint
	}
	h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err)
	if !ok {
		return ""
	}
	return h.Hint()
}

func (w *watch) backendTolerated(route, backend string, t draftwire.Tolerances) {
	w.metrics.BackendTolerated(route, t)
	if w.journal.fold.pass("tolerated " + backend + " " + t.String()) {
		w.log.WithFields(logrus.Fields{"event": "backend.tolerated", "route": route, "backend": backend, "tolerance": t.String()}).
			Warn("a known fault of a backend was tolerated")
	}
}

func (w *watch) backendUp(route, backend string, up bool, err error) {
	w.metrics.BackendUp(route, backend, up)
	log := w.log.WithFields(logrus.Fields{"event": "backend.check", "route": route, "backend": backend})
	if up {
		log.Info("the backend is up")
		return
	}
	fields := logrus.Fields{"error": short(errorText(err))}
	if hint := hintOf(err); hint != "" {
		fields["hint"] = hint
	}
	log.WithFields(fields).Warn("the backend is down")
}

// mirrored counts what was found about the mirror of a session's route.
func (w *watch) mirrored(s *gateway.Session, x usage.Mirror) {
	h := s.Handshake()
	w.book.mirrored(h.Version(), w.clientOf(h), s.Mirror(), x)
	for result, n := range map[string]uint64{
		"equal": x.Equal, "different": x.Differed, "missing": x.Missing, "more": x.More, "not_compared": x.Unknown,
	} {
		if n > 0 {
			w.metrics.MirrorAnswers(s.Route, result, n)
		}
	}
	for result, n := range map[string]uint64{
		"opened": x.Opened, "refused": x.Refused, "failed": x.Failed, "closed": x.Closed, "overrun": x.Overrun, "skipped": x.Skipped,
	} {
		if n > 0 {
			w.metrics.MirrorConnections(s.Route, result, n)
		}
	}
	if x.Opened > 0 {
		w.metrics.MirrorUp(s.Route, true)
	}
}

// mirrorUp reports that the mirror of a route fails, or accepts connections again.
func (w *watch) mirrorUp(route, mirror string, up bool, err error) {
	w.metrics.MirrorUp(route, up)
	if !w.journal.fold.pass(fmt.Sprint("mirror ", route, " ", up)) { // one that comes and goes
		return
	}
	log := w.log.WithFields(logrus.Fields{"event": "mirror", "route": route, "mirror": mirror})
	if up {
		log.Info("the mirror accepts connections again")
		return
	}
	fields := logrus.Fields{"error": short(errorText(err))}
	if hint := hintOf(err); hint != "" {
		fields["hint"] = hint
	}
	log.WithFields(fields).Warn("the mirror does not accept connections; clients do not notice it")
}

// roomBackend reports that a room has its connection to the backend, or has lost it.
func (w *watch) roomBackend(route, backend, path string, err error) {
	fields := logrus.Fields{"event": "room", "route": route, "path": redact(path)}
	if backend != "" {
		fields["backend"] = backend
	}
	if err == nil {
		w.log.WithFields(fields).Debug("the room has its connection to the backend")
		return
	}
	if !w.journal.fold.pass("room " + route) {
		return
	}
	fields["error"] = short(errorText(err))
	if hint := hintOf(err); hint != "" {
		fields["hint"] = hint
	}
	w.log.WithFields(fields).Warn("the room has no connection to the backend; it is tried again")
}

// reloaded reports a configuration that is now in use, or why it is not.
func (w *watch) reloaded(cfg *gateway.Config, err error) {
	w.metrics.Reloaded(err == nil, time.Now())
	if err != nil {
		w.log.WithFields(logrus.Fields{"event": "config.reload", "error": err.Error()}).Error("the configuration was not accepted; the old one stays in use")
		return
	}
	w.configured(cfg)
	w.log.WithField("event", "config.reload").Info("reloaded")
}

// configured tells the metrics what the configuration announces.
func (w *watch) configured(cfg *gateway.Config) {
	limit := cfg.Limits.Connections
	if limit == 0 {
		limit = gateway.DefaultConnections
	}
	w.metrics.Limits(limit, gateway.LimitNames()...)
	plan, _ := cfg.Plan() // checked before
	if w.plan != nil {
		plan = w.plan()
	}
	w.planned(plan)
	for _, l := range cfg.Listen {
		if l.TLS != nil {
			w.metrics.TLSProfile(cmp.Or(l.Name, l.Address), cmp.Or(l.TLS.Profile, "modern"))
			if p, err := oldtls.ParseProfile(l.TLS.Profile); err == nil && p.Warning() != "" {
				w.log.WithFields(logrus.Fields{"listener": cmp.Or(l.Name, l.Address), "profile": p.String()}).Warn(p.Warning())
			}
		}
	}
}

// planned tells the metrics what the plan in force announces.
func (w *watch) planned(plan usage.Plan) {
	for _, v := range draftwire.ServedVersions().List() {
		w.metrics.Retire(v, time.Time{})
		for _, s := range plan[v] {
			if s.Mode == usage.Off && !s.From.IsZero() {
				w.metrics.Retire(v, s.From)
			}
		}
	}
}

// clientKey reads how the ledger tells clients apart. A client that does not send
// the name goes by its address.
func clientKey(how string) func(remote, target string, fields func() draftwire.Fields) string {
	if how == "" {
		return func(remote, _ string, _ func() draftwire.Fields) string { return addressKey(remote) }
	}
	ledger := &gateway.Ledger{Client: how}
	return func(remote, target string, fields func() draftwire.Fields) string {
		return cmp.Or(ledger.ClientOf(target, fields()), addressKey(remote))
	}
}

// addressKey is an address as a client's name; of an IPv6 address it is the network,
// as hosts change the rest by themselves.
func addressKey(remote string) string {
	a, err := netip.ParseAddr(ipOf(remote))
	if err != nil || a.Unmap().Is4() {
		return ipOf(remote)
	}
	p, _ := a.WithZone("").Prefix(64)
	return p.String()
}
