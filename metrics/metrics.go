package metrics

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/wire"
	"github.com/prometheus/client_golang/prometheus"
)

// Build is what the program was built from.
type Build struct {
	Version   string // of the program
	GoVersion string // as runtime.Version() says it
}

// Metrics is a set of counters in one registry. Its methods may be called from
// any goroutine. They must not be called on nil.
type Metrics struct {
	connections       *prometheus.GaugeVec
	handshakes        *prometheus.CounterVec
	failures          *prometheus.CounterVec
	handshakeDuration *prometheus.HistogramVec
	messages          *prometheus.CounterVec
	messageBytes      *prometheus.CounterVec
	messageSize       *prometheus.HistogramVec
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
	reloads           *prometheus.CounterVec
	limit             prometheus.Gauge
	lastReload        prometheus.Gauge
	lastSeen          *prometheus.GaugeVec
	retire            *prometheus.GaugeVec
	clients           *prometheus.GaugeVec

	listenerSet, routeSet, backendSet, limitSet, lossSet, windowSet words

	meters [][numDirections]atomic.Pointer[Meter] // by version
}

// The buckets of the histograms.
var (
	handshakeBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	sizeBuckets      = prometheus.ExponentialBuckets(64, 4, 10)                                 // 64 bytes to 16 MiB
	durationBuckets  = []float64{1, 10, 60, 300, 1800, 3600, 4 * 3600, 86400, 7 * 86400, 2.6e6} // a second to a month
)

// New registers the metrics. It panics where reg has metrics of the same names
// already, as prometheus.MustRegister does.
func New(reg prometheus.Registerer, b Build) *Metrics {
	f := maker{reg}
	m := &Metrics{
		connections:       f.gauge("connections", "Open connections.", "listener", "draft", "tls"),
		handshakes:        f.counter("handshakes_total", "Opening handshakes by result: accepted, refused, or silent, where nothing was said, as health checks do.", "listener", "draft", "result"),
		failures:          f.counter("handshake_failures_total", "Opening handshakes that were refused or broke off, by reason.", "listener", "draft", "reason"),
		handshakeDuration: f.histogram("handshake_duration_seconds", "Time from the first look at a connection to its answer, of accepted handshakes.", handshakeBuckets, "draft"),
		messages:          f.counter("messages_total", "Messages by direction, as the server sees it, and type.", "draft", "direction", "type"),
		messageBytes:      f.counter("message_bytes_total", "Payload of messages.", "draft", "direction"),
		messageSize:       f.histogram("message_size_bytes", "Payload of a text or binary message.", sizeBuckets, "direction"),
		closes:            f.counter("closes_total", "Ended connections by close code, and by who began: local, peer, or none where it broke.", "draft", "code", "initiator"),
		duration:          f.histogram("connection_duration_seconds", "Time from the end of the handshake to the end of the connection.", durationBuckets, "draft"),
		tlsConnections:    f.counter("tls_connections_total", "WebSocket connections over TLS.", "version", "cipher"),
		tlsProfile:        f.gauge("tls_profile", "1 for the TLS profile that a listener has.", "listener", "profile"),
		tolerated:         f.counter("tolerated_total", "Known faults of peers that were accepted.", "tolerance"),
		losses:            f.counter("losses_total", "What could not be said in the version of the other side.", "loss"),
		limits:            f.counter("limit_rejections_total", "What was refused because of a limit.", "limit"),
		backends:          f.gauge("backend_connections", "Open connections to a backend.", "route", "backend"),
		backendUp:         f.gauge("backend_up", "Whether a backend is taken for reachable.", "route", "backend"),
		dialFailures:      f.counter("backend_dial_failures_total", "Connections to a backend that did not come about.", "route", "reason"),
		reloads:           f.counter("config_reloads_total", "Reloads of the configuration by result: ok or failed.", "result"),
		lastSeen:          f.gauge("draft_last_seen_timestamp_seconds", "When a client last opened a connection in this version.", "draft"),
		retire:            f.gauge("draft_retire_timestamp_seconds", "When the version is to be switched off.", "draft"),
		clients:           f.gauge("draft_distinct_clients", "Different clients within a window of time.", "draft", "window"),
		meters:            make([][numDirections]atomic.Pointer[Meter], drafts),
	}
	m.lastReload = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "config_last_reload_success_timestamp_seconds", Help: "When the configuration was last taken."})
	reg.MustRegister(m.lastReload)
	for _, result := range []string{"ok", "failed"} {
		m.reloads.WithLabelValues(result) // there from the start, so that the first failure is an increase
	}
	m.limit = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "max_connections", Help: "How many connections may be open; 0 where there is no limit."})
	reg.MustRegister(m.limit)
	f.gauge("build_info", "What the program was built from; always 1.", "version", "goversion").WithLabelValues(b.Version, b.GoVersion).Set(1)
	m.listenerSet.most, m.routeSet.most, m.backendSet.most = mostListeners, mostRoutes, mostBackends
	m.limitSet.most, m.lossSet.most, m.windowSet.most = mostWords, mostWords, mostWords
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

// BackendOpened counts a connection to a backend that is open now.
func (m *Metrics) BackendOpened(route, backend string) {
	m.backends.WithLabelValues(m.routeSet.pass(route), m.backendSet.pass(backend)).Inc()
}

// BackendClosed takes back what BackendOpened counted.
func (m *Metrics) BackendClosed(route, backend string) {
	m.backends.WithLabelValues(m.routeSet.pass(route), m.backendSet.pass(backend)).Dec()
}

// BackendDialFailed counts a connection to a backend that did not come about.
// reason is one that DialReason returns, or one of package wire; others are
// "other".
func (m *Metrics) BackendDialFailed(route, reason string) {
	if !dialReasons[reason] && !reasons[reason] {
		reason = other
	}
	m.dialFailures.WithLabelValues(m.routeSet.pass(route), reason).Inc()
}

// BackendUp tells whether a backend is taken for reachable.
func (m *Metrics) BackendUp(route, backend string, up bool) {
	n := 0.0
	if up {
		n = 1
	}
	m.backendUp.WithLabelValues(m.routeSet.pass(route), m.backendSet.pass(backend)).Set(n)
}

// Limited counts what was refused because of a limit. The name is the program's;
// at most 50 different ones are kept.
func (m *Metrics) Limited(limit string) { m.limits.WithLabelValues(m.limitSet.pass(limit)).Inc() }

// Limits tells how many connections may be open, 0 for no limit, and the names of
// the limits, so that their counters are there before the first refusal.
func (m *Metrics) Limits(connections int, names ...string) {
	m.limit.Set(float64(max(connections, 0)))
	for _, n := range names {
		m.limits.WithLabelValues(m.limitSet.pass(n))
	}
}

// Lost counts something that the version of the other side cannot say. The name
// is the program's; at most 50 different ones are kept.
func (m *Metrics) Lost(loss string) { m.losses.WithLabelValues(m.lossSet.pass(loss)).Inc() }

// Reloaded counts a reload of the configuration, and notes when one succeeded.
func (m *Metrics) Reloaded(ok bool, at time.Time) {
	if !ok {
		m.reloads.WithLabelValues("failed").Inc()
		return
	}
	m.reloads.WithLabelValues("ok").Inc()
	m.lastReload.Set(unix(at))
}

// Retire announces when a version is to be switched off. The zero time takes the
// announcement back.
func (m *Metrics) Retire(v wire.Version, at time.Time) {
	if at.IsZero() {
		m.retire.DeleteLabelValues(draft(v))
		return
	}
	m.retire.WithLabelValues(draft(v)).Set(unix(at))
}

// Clients tells how many different clients spoke a version within a window, for
// example "30d". At most 50 different windows are kept.
func (m *Metrics) Clients(v wire.Version, window string, n int) {
	m.clients.WithLabelValues(draft(v), m.windowSet.pass(window)).Set(float64(n))
}

// TLSProfile tells which TLS profile a listener has: modern, legacy or museum; ""
// is none.
func (m *Metrics) TLSProfile(listener, profile string) {
	listener = m.listenerSet.pass(listener)
	m.tlsProfile.DeletePartialMatch(prometheus.Labels{"listener": listener})
	if profile != "" {
		m.tlsProfile.WithLabelValues(listener, tlsProfile(profile)).Set(1)
	}
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func yesNo(b bool) string { return strconv.FormatBool(b) }
