package metrics_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/metrics"
	"github.com/draftwire/draftwire/wire"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A server that counts, and what a gateway reports in addition. promhttp.HandlerFor serves
// the registry.
func ExampleMetrics() {
	reg := prometheus.NewRegistry()
	m := metrics.New(reg, metrics.Build{Version: "v1.0.0", GoVersion: "go1.26"})
	_ = &draftwire.Server{Options: draftwire.AcceptOptions{Observer: m.Observer(":8080")}}
	m.Retire(wire.Hixie75, time.Unix(1800000000, 0))
	m.TLSProfile(":8080", "legacy")
	err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP draftwire_draft_retire_timestamp_seconds When the version will be switched off.
# TYPE draftwire_draft_retire_timestamp_seconds gauge
draftwire_draft_retire_timestamp_seconds{draft="hixie-75"} 1.8e+09
`), "draftwire_draft_retire_timestamp_seconds")
	fmt.Println(err)
	// Output: <nil>
}

func ExampleMeter() {
	reg := prometheus.NewRegistry()
	m := metrics.New(reg, metrics.Build{})
	in := m.Meter(wire.RFC6455, metrics.In) // once for a connection
	in.Message(wire.OpText, 5)              // for each message
	n, err := testutil.GatherAndCount(reg, "draftwire_message_bytes_total")
	fmt.Println(n, err)
	// Output: 1 <nil>
}

func ExampleBuild() {
	reg := prometheus.NewRegistry()
	metrics.New(reg, metrics.Build{Version: "v1.0.0", GoVersion: "go1.26"})
	families, _ := reg.Gather()
	for _, l := range families[0].Metric[0].Label {
		fmt.Println(l.GetName(), l.GetValue())
	}
	// Output:
	// goversion go1.26
	// version v1.0.0
}

func ExampleRooms() {
	reg := prometheus.NewRegistry()
	m := metrics.New(reg, metrics.Build{})
	m.RoomsFrom(func() []metrics.Rooms { // whenever somebody asks for the metrics
		return []metrics.Rooms{{Route: "news", Rooms: 1, Members: 10_000, Deliveries: map[string]uint64{"delivered": 20_000}}}
	})
	err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP draftwire_room_members Members of rooms.
# TYPE draftwire_room_members gauge
draftwire_room_members{route="news"} 10000
`), "draftwire_room_members")
	fmt.Println(err)
	// Output: <nil>
}
