package metrics

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/wire"
	"github.com/prometheus/client_golang/prometheus"
)

// Build says how the program was built.
type Build struct {
	Version   string // of the program
	GoVersion string // what runtime.Version() returns
}

// Metrics is a set of metrics in one registry. Its methods may be called from any goroutine,
// but not on nil.
type Metrics struct {
	connections       *prometheus.GaugeVec
	handshakes        *prometheus.CounterVec
	failures          *prometheus.CounterVec
	handshakeDuration *prometheus.HistogramVec
	messages          *prometheus.CounterVec
	messageBytes      *prometheus.CounterVec
	messageSize       *sizes
	closes            *prometheus.CounterVec
	duration          *prometheus.HistogramVec
	tlsConnections    *prometheus.CounterVec
	tlsProfile        *prometheus.GaugeVec
	tolerated         *prometheus.CounterVec
	losses            *prometheus.CounterVec
	limits            *prometheus.CounterVec
	backends          *prometheus.GaugeVec
	backendUp         *prometheus.GaugeVec
	dialFailures      *prometheus.CounterVec
	backendTolerated  *prometheus.CounterVec
	mirrorAnswers     *prometheus.CounterVec
	mirrorConnections *prometheus.CounterVec
	mirrorUp          *prometheus.GaugeVec
	reloads           *prometheus.CounterVec
	upgrades          *prometheus.CounterVec
	limit             prometheus.Gauge
	lastReload        prometheus.Gauge
	ledgerFailing     prometheus.Gauge
	linesLost         prometheus.Counter
	fleetNodes        prometheus.Gauge
	fleetBus          prometheus.Gauge
	fleetPlan         prometheus.Gauge
	fleetReport       prometheus.Gauge
	lastSeen          *prometheus.GaugeVec
	retire            *prometheus.GaugeVec
	clients           *prometheus.GaugeVec
	requests          requestMetrics
	hubUp             *prometheus.GaugeVec
	rooms             roomMetrics

	listenerSet, routeSet, backendSet, limitSet, lossSet, windowSet values

	meters     [][numDirections]atomic.Pointer[Meter] // by version
	byDraft    []draftSlots                           // by version
	backendsOf pairs[prometheus.Gauge]
}

// The buckets of the histograms.
var (
	handshakeBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	durationBuckets  = []float64{1, 10, 60, 300, 1800, 3600, 4 * 3600, 86400, 7 * 86400, 2.6e6} // a second to a month
)

// New registers the metrics. It panics if reg already has metrics with these names, as
// prometheus.MustRegister does.
func New(reg prometheus.Registerer, b Build) *Metrics {
	f := maker{reg}
	m := &Metrics{
		connections:       f.gauge("connections", "Open connections.", "listener", "draft", "tls"),
		handshakes:        f.counter("handshakes_total", "Opening handshakes by result: accepted, refused, or silent, where the peer sent nothing, as health checks do.", "listener", "draft", "result"),
		failures:          f.counter("handshake_failures_total", "Opening handshakes that were refused or broke off, by reason.", "listener", "draft", "reason"),
		handshakeDuration: f.histogram("handshake_duration_seconds", "Time from the acceptance of a connection to the answer, for accepted handshakes.", handshakeBuckets, "draft"),
		messages:          f.counter("messages_total", "Messages by type and by direction from the server's point of view.", "draft", "direction", "type"),
		messageBytes:      f.counter("message_bytes_total", "Payload of messages.", "draft", "direction"),
		messageSize:       newSizes(f.reg, "message_size_bytes", "Payload of a text or binary message."),
		closes:            f.counter("closes_total", "Ended connections by close code and by the side that began the close: local, peer, or none if the connection broke.", "draft", "code", "initiator"),
		duration:          f.histogram("connection_duration_seconds", "Time from the end of the handshake to the end of the connection.", durationBuckets, "draft"),
		tlsConnections:    f.counter("tls_connections_total", "WebSocket connections over TLS.", "version", "cipher"),
		tlsProfile:        f.gauge("tls_profile", "1 for the TLS profile of a listener.", "listener", "profile"),
		tolerated:         f.counter("tolerated_total", "Known faults of peers that were accepted.", "tolerance"),
		losses:            f.counter("losses_total", "What was lost or changed because the version of the other side cannot express it.", "loss"),
		limits:            f.counter("limit_rejections_total", "Clients that were refused because of a limit.", "limit"),
		backends:          f.gauge("backend_connections", "Open connections to a backend.", "route", "backend"),
		backendUp:         f.gauge("backend_up", "1 if the last health check reached the backend, otherwise 0.", "route", "backend"),
		dialFailures:      f.counter("backend_dial_failures_total", "Connections to a backend that could not be opened.", "route", "reason"),
		backendTolerated:  f.counter("backend_tolerated_total", "Known faults of backends that were accepted.", "route", "tolerance"),
		mirrorAnswers:     f.counter("mirror_answers_total", "Answers of the mirror of a route beside those of its backend, by result: equal, different, missing, more (than the backend's) or not_compared.", "route", "result"),
		mirrorConnections: f.counter("mirror_connections_total", "Connections to the mirror of a route, by what became of them: opened, refused or failed; closed (early) and overrun, which were opened before; or skipped.", "route", "result"),
		mirrorUp:          f.gauge("mirror_up", "1 if the last connection to the mirror of a route was accepted, 0 if it failed.", "route"),
		reloads:           f.counter("config_reloads_total", "Reloads of the configuration by result: ok or failed.", "result"),
		upgrades:          f.counter("upgrades_total", "Upgrades of the running program by result: ok or failed.", "result"),
		lastSeen:          f.gauge("draft_last_seen_timestamp_seconds", "When a client last opened a connection in this version.", "draft"),
		retire:            f.gauge("draft_retire_timestamp_seconds", "When the version will be switched off.", "draft"),
		clients:           f.gauge("draft_distinct_clients", "Different clients within a window of time.", "draft", "window"),
		requests:          newRequestMetrics(f),
		hubUp:             f.gauge("hub_up", "1 while there is a connection to what carries the messages of rooms, otherwise 0."),
		meters:            make([][numDirections]atomic.Pointer[Meter], drafts),
		byDraft:           make([]draftSlots, drafts),
	}
	m.lastReload = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "config_last_reload_success_timestamp_seconds", Help: "When a new configuration last came into force."})
	reg.MustRegister(m.lastReload)
	m.ledgerFailing = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "ledger_failing", Help: "1 while the ledger's file cannot be written, otherwise 0."})
	reg.MustRegister(m.ledgerFailing)
	m.linesLost = prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "log_lines_lost_total", Help: "Lines of the log that were lost, because it was not read or could not be written."})
	reg.MustRegister(m.linesLost)
	for _, g := range []struct {
		to         *prometheus.Gauge
		name, help string
	}{
		{&m.fleetNodes, "fleet_gateways", "Gateways of the fleet that are there, this one too; 0 where this one is in none."},
		{&m.fleetBus, "fleet_up", "1 while the other gateways of the fleet can be reached, otherwise 0."},
		{&m.fleetPlan, "fleet_plan", "The number of the fleet's plan of versions; 0: there is none."},
		{&m.fleetReport, "fleet_report_timestamp_seconds", "When the ledger was last stored for reports of the fleet."},
	} {
		*g.to = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: g.name, Help: g.help})
		reg.MustRegister(*g.to)
	}
	for _, result := range []string{"ok", "failed"} {
		m.reloads.WithLabelValues(result) // exists from the start, so that the first failure is an increase
		m.upgrades.WithLabelValues(result)
	}
	f.gauge("generations", "Processes that are this program: 1, and those that upgrades have replaced and that still have connections.").WithLabelValues().Set(1)
	m.limit = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "max_connections", Help: "How many connections may be open; 0 if there is no limit."})
	reg.MustRegister(m.limit)
	f.gauge("build_info", "How the program was built; always 1.", "version", "goversion").WithLabelValues(b.Version, b.GoVersion).Set(1)
	m.listenerSet.max, m.routeSet.max, m.backendSet.max = maxListeners, maxRoutes, maxBackends
	m.limitSet.max, m.lossSet.max, m.windowSet.max = maxValues, maxValues, maxValues
	m.rooms.begin(reg)
	return m
}

const namespace = "draftwire"

// maker registers metrics.
type maker struct{ reg prometheus.Registerer }

func (f maker) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.reg.MustRegister(v)
	return v
}

func (f maker) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.reg.MustRegister(v)
	return v
}

func (f maker) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	f.reg.MustRegister(v)
	return v
}

// BackendOpened counts a connection to a backend that was opened.
func (m *Metrics) BackendOpened(route, backend string) {
	m.connectionsTo(route, backend).Inc()
}

// BackendClosed counts the end of a connection that BackendOpened has counted.
func (m *Metrics) BackendClosed(route, backend string) {
	m.connectionsTo(route, backend).Dec()
}

// connectionsTo is the gauge of connections to a backend.
func (m *Metrics) connectionsTo(route, backend string) prometheus.Gauge {
	return m.backendsOf.get(route, backend, func() prometheus.Gauge {
		return m.backends.WithLabelValues(m.routeSet.pass(route), m.backendSet.pass(backend))
	})
}

// BackendDialFailed counts a connection to a backend that could not be opened. reason is one
// that DialReason returns or one of package wire; any other is counted as "other".
func (m *Metrics) BackendDialFailed(route, reason string) {
	if !dialReasons[reason] && !reasons[reason] {
		reason = other
	}
	m.dialFailures.WithLabelValues(m.routeSet.pass(route), reason).Inc()
}

// BackendTolerated counts known faults of a backend that were accepted.
func (m *Metrics) BackendTolerated(route string, t wire.Tolerances) {
	for name := range strings.SplitSeq(t.String(), ",") {
		if name != "" {
			m.backendTolerated.WithLabelValues(m.routeSet.pass(route), name).Inc()
		}
	}
}

// BackendUp sets whether a backend is up.
func (m *Metrics) BackendUp(route, backend string, up bool) {
	n := 0.0
	if up {
		n = 1
	}
	m.backendUp.WithLabelValues(m.routeSet.pass(route), m.backendSet.pass(backend)).Set(n)
}

// The results for MirrorAnswers and MirrorConnections.
var mirrorResults = map[string]bool{
	"equal": true, "different": true, "missing": true, "more": true, "not_compared": true,
	"opened": true, "refused": true, "failed": true, "closed": true, "overrun": true, "skipped": true,
}

func mirrorResult(result string) string {
	if mirrorResults[result] {
		return result
	}
	return other
}

// MirrorAnswers counts n answers of the mirror of a route: equal, different, missing, more or
// not_compared. Any other result is counted as "other".
func (m *Metrics) MirrorAnswers(route, result string, n uint64) {
	m.mirrorAnswers.WithLabelValues(m.routeSet.pass(route), mirrorResult(result)).Add(float64(n))
}

// MirrorConnections counts n connections to the mirror of a route: opened, refused, failed, closed, overrun or
// skipped. Any other result is counted as "other".
func (m *Metrics) MirrorConnections(route, result string, n uint64) {
	m.mirrorConnections.WithLabelValues(m.routeSet.pass(route), mirrorResult(result)).Add(float64(n))
}

// MirrorUp sets whether the mirror of a route accepts connections.
func (m *Metrics) MirrorUp(route string, up bool) {
	n := 0.0
	if up {
		n = 1
	}
	m.mirrorUp.WithLabelValues(m.routeSet.pass(route)).Set(n)
}

// Limited counts a client that was refused because of a limit. The program chooses the names
// of limits; at most 50 different ones are kept.
func (m *Metrics) Limited(limit string) { m.limits.WithLabelValues(m.limitSet.pass(limit)).Inc() }

// Limits sets how many connections may be open, 0 or less for no limit, and the names of the
// limits, so that their counters exist before the first refusal.
func (m *Metrics) Limits(connections int, names ...string) {
	m.limit.Set(float64(max(connections, 0)))
	for _, n := range names {
		m.limits.WithLabelValues(m.limitSet.pass(n))
	}
}

// Loss counts what was lost or changed because the version of the other side cannot express
// it. The program chooses the names of losses; at most 50 different ones are kept.
func (m *Metrics) Loss(loss string) { m.losses.WithLabelValues(m.lossSet.pass(loss)).Inc() }

// Reloaded counts a reload of the configuration, and sets the time of the last success.
func (m *Metrics) Reloaded(ok bool, at time.Time) {
	if !ok {
		m.reloads.WithLabelValues("failed").Inc()
		return
	}
	m.reloads.WithLabelValues("ok").Inc()
	m.lastReload.Set(unix(at))
}

// LedgerFailing says whether the file of the ledger cannot be written.
func (m *Metrics) LedgerFailing(failing bool) {
	var x float64
	if failing {
		x = 1
	}
	m.ledgerFailing.Set(x)
}

// Fleet says how many gateways of the fleet are there, this one too, whether they can be reached, the number of the
// plan of versions that holds, 0 for none, and when the ledger was last stored for reports of the fleet, zero for never.
// A gateway that is in no fleet does not call it: its metrics are 0.
func (m *Metrics) Fleet(nodes int, up bool, plan uint64, stored time.Time) {
	m.fleetNodes.Set(float64(nodes))
	m.fleetBus.Set(0)
	if up {
		m.fleetBus.Set(1)
	}
	m.fleetPlan.Set(float64(plan))
	if !stored.IsZero() {
		m.fleetReport.Set(unix(stored))
	}
}

// LogLineLost counts a line of the log that was lost, because it was not read or could not be
// written.
func (m *Metrics) LogLineLost() { m.linesLost.Inc() }

// Upgraded counts an upgrade of the running program.
func (m *Metrics) Upgraded(ok bool) {
	result := "failed"
	if ok {
		result = "ok"
	}
	m.upgrades.WithLabelValues(result).Inc()
}

// Retire sets when a version will be switched off. The zero time means that it will not.
func (m *Metrics) Retire(v wire.Version, at time.Time) {
	if at.IsZero() {
		m.retire.DeleteLabelValues(draft(v))
		return
	}
	m.retire.WithLabelValues(draft(v)).Set(unix(at))
}

// Clients sets how many different clients have spoken a version within a window of time, for
// example "30d". At most 50 different windows are kept.
func (m *Metrics) Clients(v wire.Version, window string, n int) {
	m.clients.WithLabelValues(draft(v), m.windowSet.pass(window)).Set(float64(n))
}

// TLSProfile sets the TLS profile of a listener: modern, legacy or museum, or "" for none.
func (m *Metrics) TLSProfile(listener, profile string) {
	listener = m.listenerSet.pass(listener)
	m.tlsProfile.DeletePartialMatch(prometheus.Labels{"listener": listener})
	if profile != "" {
		m.tlsProfile.WithLabelValues(listener, tlsProfile(profile)).Set(1)
	}
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func yesNo(b bool) string { return strconv.FormatBool(b) }
