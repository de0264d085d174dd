package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// processMetrics are those of a process that has counted n, in this label.
func processMetrics(t *testing.T, label string, n float64) []*dto.MetricFamily {
	t.Helper()
	reg := prometheus.NewRegistry()
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "draftwire_closes_total"}, []string{"draft"})
	other := prometheus.NewCounter(prometheus.CounterOpts{Name: "go_things_total"})
	open := prometheus.NewGauge(prometheus.GaugeOpts{Name: "draftwire_connections"})
	limit := prometheus.NewGauge(prometheus.GaugeOpts{Name: "draftwire_max_connections"})
	seen := prometheus.NewGauge(prometheus.GaugeOpts{Name: "draftwire_draft_last_seen_timestamp_seconds"})
	size := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "draftwire_message_size_bytes", Buckets: []float64{10, 100}})
	reg.MustRegister(counter, other, open, limit, seen, size)
	counter.WithLabelValues("all").Add(n)
	counter.WithLabelValues(label).Inc()
	other.Add(n)
	open.Set(n)
	limit.Set(n)
	seen.Set(n)
	size.Observe(n)
	list, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var wire bytes.Buffer
	if err := writeFamilies(&wire, list); err != nil {
		t.Fatal(err)
	}
	if list, err = readFamilies(wire.Bytes()); err != nil {
		t.Fatal(err)
	}
	return list
}

// What several processes count adds up, also of one that has ended; what they are does not.
func TestFamilies(t *testing.T) {
	for _, c := range []struct {
		live bool
		open string
	}{{true, "55"}, {false, "5"}} {
		var text bytes.Buffer
		for _, f := range addFamilies(processMetrics(t, "new", 5), processMetrics(t, "old", 50), c.live) {
			if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []string{
			`draftwire_closes_total{draft="all"} 55`, `draftwire_closes_total{draft="new"} 1`, `draftwire_closes_total{draft="old"} 1`,
			`draftwire_connections ` + c.open, `draftwire_max_connections 5`, `draftwire_draft_last_seen_timestamp_seconds 50`, `go_things_total 5`,
			`draftwire_message_size_bytes_bucket{le="10"} 1`, `draftwire_message_size_bytes_bucket{le="100"} 2`, `draftwire_message_size_bytes_count 2`, `draftwire_message_size_bytes_sum 55`,
		} {
			if !strings.Contains(text.String(), want+"\n") {
				t.Errorf("live %t: no %s in\n%s", c.live, want, &text)
			}
		}
	}
	if _, err := readFamilies([]byte("\x05abc")); err == nil {
		t.Error("what is cut off is read")
	}
}
