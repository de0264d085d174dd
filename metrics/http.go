package metrics

import (
	"strconv"
	"time"

	"github.com/draftwire/draftwire/wire"
	"github.com/prometheus/client_golang/prometheus"
)

// requestMetrics are of ordinary requests.
type requestMetrics struct {
	total    *prometheus.CounterVec
	failures *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
}

// requestBuckets reach from a file of the page cache to a long poll.
var requestBuckets = []float64{.001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

func newRequestMetrics(f maker) requestMetrics {
	return requestMetrics{
		total:    f.counter("http_requests_total", "Ordinary requests that have ended, by the class of the status: 2xx to 5xx, 1xx for an upgrade, none without an answer.", "listener", "route", "status"),
		failures: f.counter("http_failures_total", "Ordinary requests that the gateway itself refused, or whose answer broke off, by reason.", "route", "reason"),
		duration: f.histogram("http_request_duration_seconds", "Time from the head of an ordinary request to the end of its answer.", requestBuckets, "route"),
		inFlight: f.gauge("http_requests_in_flight", "Ordinary requests that have not ended.", "listener"),
	}
}

// RequestBegan counts an ordinary request that has begun.
func (m *Metrics) RequestBegan(listener string) {
	m.requests.inFlight.WithLabelValues(m.listenerSet.pass(listener)).Inc()
}

// RequestEnded counts the end of a request that RequestBegan has counted. status is that of
// its answer, 0 for none; reason is why the gateway refused it or broke its answer off, "" for
// any other end.
func (m *Metrics) RequestEnded(listener, route string, status int, why wire.Reason, took time.Duration) {
	listener, route = m.listenerSet.pass(listener), m.routeSet.pass(route)
	m.requests.inFlight.WithLabelValues(listener).Dec()
	m.requests.total.WithLabelValues(listener, route, statusClass(status)).Inc()
	m.requests.duration.WithLabelValues(route).Observe(took.Seconds())
	if why == "" {
		return
	}
	r := string(why)
	if !reasons[r] {
		r = other
	}
	m.requests.failures.WithLabelValues(route, r).Inc()
}

// statusClass is the label of a status.
func statusClass(status int) string {
	switch {
	case status == 0:
		return "none"
	case status >= 100 && status <= 599:
		return strconv.Itoa(status/100) + "xx"
	}
	return other
}
