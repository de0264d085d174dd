package main

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/metrics"
	"github.com/draftwire/draftwire/oldtls"
	"github.com/draftwire/draftwire/usage"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
)

// watch tells what a gateway does to the log, the metrics and the ledger.
type watch struct {
	log     *logrus.Logger
	journal *journal
	metrics *metrics.Metrics
	ledger  *usage.Ledger
	client  func(h *draftwire.Handshake) string

	mu   sync.Mutex
	told map[*gateway.Session]draftwire.Stats // what the ledger knows of open sessions
}

func newWatch(log *logrus.Logger, reg prometheus.Registerer, ledger *usage.Ledger, cfg *gateway.Config) *watch {
	w := &watch{log: log, journal: newJournal(log), ledger: ledger, client: clientKey(cfg.Ledger.Client),
		told: make(map[*gateway.Session]draftwire.Stats)}
	b := readBuild()
	w.metrics = metrics.New(reg, metrics.Build{Version: b.Version, GoVersion: b.Go})
	w.configured(cfg)
	return w
}

// hooks is how the gateway tells the watch.
func (w *watch) hooks() gateway.Hooks {
	return gateway.Hooks{
		Observer: func(listener string) *draftwire.Observer {
			return draftwire.JoinObservers(w.journal.observer(), w.metrics.Observer(listener), &draftwire.Observer{Opened: w.opened})
		},
		Ended: w.ended,
		Meter: func(s *gateway.Session, from gateway.Side) func(draftwire.Op, int) {
			direction := "in"
			if from == gateway.BackendSide {
				direction = "out"
			}
			return w.metrics.Meter(s.Version(), direction).Message
		},
		Lost:          func(_ *gateway.Session, l gateway.Loss) { w.metrics.Lost(string(l)) },
		Limited:       w.metrics.Limited,
		BackendOpened: func(s *gateway.Session) { w.metrics.BackendOpened(s.Route, s.Backend) },
		BackendClosed: func(s *gateway.Session) { w.metrics.BackendClosed(s.Route, s.Backend) },
		BackendFailed: w.backendFailed,
		BackendUp:     w.backendUp,
		Retiring:      w.retiring,
		Certificate: func(listener string, err error) {
			w.log.WithFields(logrus.Fields{"listener": listener, "error": err.Error()}).Error("the certificate cannot be read again; the old one stays")
		},
		Reloaded: w.reloaded,
	}
}

func (w *watch) opened(c *draftwire.Conn) {
	w.ledger.Opened(w.visit(c.Handshake()))
	if s, ok := c.Handshake().Value.(*gateway.Session); ok {
		w.mu.Lock()
		w.told[s] = draftwire.Stats{}
		w.mu.Unlock()
	}
}

// ended is the end of a session.
func (w *watch) ended(s *gateway.Session, c *draftwire.Conn) {
	w.carried(s, c, true)
	w.journal.ended(s, c)
}

// carried tells the ledger what a session has carried since the last time. A
// client that is connected for weeks is in use every day of them. last tells that the
// session is over; what comes behind that, from a sweep under way, is nothing new.
func (w *watch) carried(s *gateway.Session, c *draftwire.Conn, last bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, open := w.told[s]
	if !open {
		return
	}
	now := c.Stats()
	if w.told[s] = now; last {
		delete(w.told, s)
	}
	w.ledger.Traffic(c.Version(), w.client(c.Handshake()), usage.Traffic{
		In: now.BytesIn - before.BytesIn, Out: now.BytesOut - before.BytesOut,
		MessagesIn: now.MessagesIn - before.MessagesIn, MessagesOut: now.MessagesOut - before.MessagesOut,
		Tolerated: c.Handshake().Tolerated,
	})
}

// sweepEvery is how often the ledger hears of sessions that are open.
const sweepEvery = time.Minute

// windows are those of the number of distinct clients.
var windows = map[string]time.Duration{"1d": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour}

// sweep tells the ledger of open sessions, and the metrics what the ledger knows,
// until ctx ends.
func (w *watch) sweep(ctx context.Context, g *gateway.Gateway) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		for _, s := range g.Sessions() {
			if by, _ := s.By(); by == gateway.NoSide {
				w.carried(s, s.Client(), false)
			}
		}
		for name, since := range windows {
			for _, n := range w.ledger.Counts(since) {
				w.metrics.Clients(n.Version, name, n.Clients)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// visit is a handshake for the ledger.
func (w *watch) visit(h *draftwire.Handshake) usage.Visit {
	v := usage.Visit{
		Version: h.Version, Client: w.client(h), UserAgent: h.Fields().Get("User-Agent"),
		Path: h.Target, Host: h.Host, Origin: h.Origin, Tolerated: h.Tolerated,
	}
	if h.TLS != nil {
		v.TLS = usage.TLS(h.TLS.Version)
	}
	return v
}

func (w *watch) retiring(s *gateway.Session, stage usage.Stage, refused bool) {
	h := s.Handshake()
	if refused {
		w.ledger.Refused(w.visit(h))
	}
	if w.journal.fold.pass("retiring " + h.Version.String()) {
		w.log.WithFields(logrus.Fields{
			"draft": h.Version.String(), "mode": stage.String(), "refused": refused, "client_ip": ipOf(h.Remote),
			"user_agent": short(h.Fields().Get("User-Agent")),
		}).Warn("a version on its way out")
	}
}

func (w *watch) backendFailed(route, backend string, err error) {
	w.metrics.BackendDialFailed(route, metrics.DialReason(err))
	if w.journal.fold.pass("backend " + backend) {
		w.log.WithFields(logrus.Fields{"event": "backend.dial", "route": route, "backend": backend, "error": short(errorText(err))}).
			Warn("a backend did not take a client")
	}
}

func (w *watch) backendUp(route, backend string, up bool, err error) {
	w.metrics.BackendUp(route, backend, up)
	log := w.log.WithFields(logrus.Fields{"event": "backend.check", "route": route, "backend": backend})
	if up {
		log.Info("the backend is up")
		return
	}
	log.WithField("error", short(errorText(err))).Warn("the backend is down")
}

// reloaded tells of a configuration that was taken, or why it was not.
func (w *watch) reloaded(cfg *gateway.Config, err error) {
	w.metrics.Reloaded(err == nil, time.Now())
	if err != nil {
		w.log.WithFields(logrus.Fields{"event": "config.reload", "error": err.Error()}).Error("the configuration was not taken; the old one stays")
		return
	}
	w.configured(cfg)
	w.log.WithField("event", "config.reload").Info("reloaded")
}

// configured tells the metrics of what the configuration announces.
func (w *watch) configured(cfg *gateway.Config) {
	limit := cfg.Limits.Connections
	if limit == 0 {
		limit = gateway.DefaultConnections
	}
	w.metrics.Limits(limit, gateway.LimitNames()...)
	plan, _ := cfg.Plan() // checked before
	for _, v := range draftwire.Served().List() {
		w.metrics.Retire(v, time.Time{})
		for _, s := range plan[v] {
			if s.Mode == usage.Off && !s.From.IsZero() {
				w.metrics.Retire(v, s.From)
			}
		}
	}
	for _, l := range cfg.Listen {
		if l.TLS != nil {
			w.metrics.TLSProfile(cmp.Or(l.Name, l.Address), cmp.Or(l.TLS.Profile, "modern"))
			if p, err := oldtls.ParseProfile(l.TLS.Profile); err == nil && p.Warning() != "" {
				w.log.WithFields(logrus.Fields{"listener": cmp.Or(l.Name, l.Address), "profile": p.String()}).Warn(p.Warning())
			}
		}
	}
}

// clientKey reads how the ledger tells clients apart. A client that does not send
// the name goes by its address.
func clientKey(how string) func(h *draftwire.Handshake) string {
	kind, name, _ := strings.Cut(how, " ")
	return func(h *draftwire.Handshake) string {
		key := ""
		switch kind {
		case "header":
			key = h.Fields().Get(name)
		case "cookie":
			r := http.Request{Header: http.Header{"Cookie": {strings.Join(h.Fields().List("Cookie"), "; ")}}}
			if c, err := r.Cookie(name); err == nil {
				key = c.Value
			}
		case "query":
			if _, query, ok := strings.Cut(h.Target, "?"); ok {
				values, _ := url.ParseQuery(query)
				key = values.Get(name)
			}
		}
		return cmp.Or(key, addressKey(h.Remote))
	}
}

// addressKey is an address as a client's name: of an IPv6 address its network,
// as the rest changes by itself.
func addressKey(remote string) string {
	a, err := netip.ParseAddr(ipOf(remote))
	if err != nil || a.Unmap().Is4() {
		return ipOf(remote)
	}
	p, _ := a.WithZone("").Prefix(64)
	return p.String()
}
