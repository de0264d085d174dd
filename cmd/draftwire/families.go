package main

import (
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// Metrics of several processes that are one gateway. Counters and histograms add up. Gauges
// are those of the process that accepts clients, but for these.
var (
	addedGauges  = []string{"draftwire_connections", "draftwire_backend_connections", "draftwire_http_requests_in_flight", "draftwire_generations"}
	latestGauges = []string{"draftwire_draft_last_seen_timestamp_seconds"}
)

// addFamilies adds the metrics of older processes to own; live tells whether these processes
// still run. Only the gateway's own metrics add up: those of Go and of the process are about
// one process.
func addFamilies(own, older []*dto.MetricFamily, live bool) []*dto.MetricFamily {
	for _, f := range older {
		if !adds(f, live) {
			continue
		}
		i := slices.IndexFunc(own, func(o *dto.MetricFamily) bool { return o.GetName() == f.GetName() })
		if i < 0 {
			own = append(own, f)
			continue
		}
		addMetrics(own[i], f)
	}
	slices.SortFunc(own, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return own
}

// adds reports whether a family of an older process counts.
func adds(f *dto.MetricFamily, live bool) bool {
	name := f.GetName()
	switch f.GetType() {
	case dto.MetricType_COUNTER, dto.MetricType_HISTOGRAM:
		return strings.HasPrefix(name, "draftwire_")
	case dto.MetricType_GAUGE:
		return live && slices.Contains(addedGauges, name) || slices.Contains(latestGauges, name)
	}
	return false
}

func addMetrics(to, from *dto.MetricFamily) {
	known := make(map[string]*dto.Metric, len(to.Metric))
	for _, m := range to.Metric {
		known[labelsOf(m)] = m
	}
	latest := slices.Contains(latestGauges, to.GetName())
	for _, m := range from.Metric {
		have := known[labelsOf(m)]
		switch {
		case have == nil:
			to.Metric = append(to.Metric, m)
		case have.Counter != nil:
			sum(&have.Counter.Value, m.Counter.GetValue())
		case have.Gauge != nil && latest:
			v := max(have.Gauge.GetValue(), m.Gauge.GetValue())
			have.Gauge.Value = &v
		case have.Gauge != nil:
			sum(&have.Gauge.Value, m.Gauge.GetValue())
		case have.Histogram != nil:
			addHistogram(have.Histogram, m.Histogram)
		}
	}
}

func addHistogram(to, from *dto.Histogram) {
	sum(&to.SampleCount, from.GetSampleCount())
	sum(&to.SampleSum, from.GetSampleSum())
	for _, b := range from.GetBucket() {
		i := slices.IndexFunc(to.Bucket, func(o *dto.Bucket) bool { return o.GetUpperBound() == b.GetUpperBound() })
		if i >= 0 { // a program of another version may have had other buckets
			sum(&to.Bucket[i].CumulativeCount, b.GetCumulativeCount())
		}
	}
}

func sum[T uint64 | float64](to **T, more T) {
	if *to != nil {
		more += **to
	}
	*to = &more
}

// labelsOf is what tells a metric from others of its family.
func labelsOf(m *dto.Metric) string {
	var list []string
	for _, l := range m.Label {
		list = append(list, l.GetName()+"\x00"+l.GetValue())
	}
	slices.Sort(list)
	return strings.Join(list, "\x01")
}
