package metrics

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Rooms are the counts of the rooms of a route.
type Rooms struct {
	Route string
	// Now: rooms with members in this process, their members, those that lag, and rooms whose connection to the backend
	// is here.
	Rooms, Members, Lagging, Upstreams int
	// Deliveries are what became of messages for members since the start, each for each member: delivered, missed or
	// unsupported. Messages are those of backends (published, unpublished) and of members (heard, unheard,
	// ignored). Other keys are left out.
	Deliveries, Messages map[string]uint64
	Disconnected         uint64 // members that were too slow
}

// HubUp sets whether there is a connection to what carries the messages of rooms.
func (m *Metrics) HubUp(up bool) {
	n := 0.0
	if up {
		n = 1
	}
	m.hubUp.WithLabelValues().Set(n)
}

// RoomsFrom sets the function that returns the counts of rooms whenever the metrics are asked for. At most 500
// routes are told apart; what is counted of further ones is left out.
func (m *Metrics) RoomsFrom(read func() []Rooms) { m.rooms.read.Store(&read) }

// roomMetrics are the metrics of rooms, which are read when they are asked for: the hub counts them.
type roomMetrics struct {
	read                               atomic.Pointer[func() []Rooms]
	rooms, members, lagging, upstreams *prometheus.Desc
	deliveries, messages, disconnects  *prometheus.Desc
}

var (
	deliveryResults = []string{"delivered", "missed", "unsupported"}
	messageResults  = []string{"published", "unpublished", "heard", "unheard", "ignored"}
)

func (x *roomMetrics) begin(reg prometheus.Registerer) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, append([]string{"route"}, labels...), nil)
	}
	x.rooms = desc("rooms", "Rooms with members in this process.")
	x.members = desc("room_members", "Members of rooms.")
	x.lagging = desc("room_members_lagging", "Members of rooms that have not taken what they were sent.")
	x.upstreams = desc("room_upstreams", "Rooms whose connection to the backend is in this process.")
	x.deliveries = desc("room_deliveries_total", "Messages for members of rooms, each for each member, by what became of them: delivered, missed or unsupported.", "result")
	x.messages = desc("room_messages_total", "Messages of the backends of rooms: published, or unpublished as the hub did not take them; and those of members: heard by the backend, unheard, or ignored.", "result")
	x.disconnects = desc("room_disconnects_total", "Members of rooms that were closed as they were too slow.")
	reg.MustRegister(x)
}

// Describe implements prometheus.Collector.
func (x *roomMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{x.rooms, x.members, x.lagging, x.upstreams, x.deliveries, x.messages, x.disconnects} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (x *roomMetrics) Collect(to chan<- prometheus.Metric) {
	read := x.read.Load()
	if read == nil {
		return
	}
	var seen []string
	for _, r := range (*read)() {
		r.Route = strings.ToValidUTF8(r.Route, "?") // otherwise a metric would panic
		if slices.Contains(seen, r.Route) || len(seen) >= maxRoutes || len(r.Route) > maxValue {
			continue
		}
		seen = append(seen, r.Route)
		gauge := func(d *prometheus.Desc, n int) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), r.Route)
		}
		counter := func(d *prometheus.Desc, n uint64, labels ...string) {
			to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{r.Route}, labels...)...)
		}
		gauge(x.rooms, r.Rooms)
		gauge(x.members, r.Members)
		gauge(x.lagging, r.Lagging)
		gauge(x.upstreams, r.Upstreams)
		for _, result := range deliveryResults {
			counter(x.deliveries, r.Deliveries[result], result)
		}
		for _, result := range messageResults {
			counter(x.messages, r.Messages[result], result)
		}
		counter(x.disconnects, r.Disconnected)
	}
}
