package metrics

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/draftwire/draftwire/wire"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// The histogram of sizes has what one of the library has that counts each message.
func TestSizes(t *testing.T) {
	m, reg := fresh()
	want := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "want", Help: "x", Buckets: prometheus.ExponentialBuckets(64, 4, 10)})
	in, r := m.Meter(wire.RFC6455, In), rand.New(rand.NewPCG(1, 2))
	sizes := []int{0, 1, 1 << 30}
	for n := 64; n <= 1<<24; n *= 4 {
		sizes = append(sizes, n-1, n, n+1)
	}
	for range 1000 {
		n, times := sizes[r.IntN(len(sizes))], 1+r.IntN(5)
		in.Messages(wire.OpBinary, n, times)
		for range times {
			want.Observe(float64(n))
		}
	}
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(f *dto.MetricFamily) bool { return f.GetName() == "draftwire_message_size_bytes" })
	var w dto.Metric
	if err := want.Write(&w); err != nil {
		t.Fatal(err)
	}
	a, b := all[i].Metric[0].Histogram, w.Histogram
	same := func(x, y *dto.Bucket) bool {
		return x.GetUpperBound() == y.GetUpperBound() && x.GetCumulativeCount() == y.GetCumulativeCount()
	}
	if a.GetSampleCount() != b.GetSampleCount() || a.GetSampleSum() != b.GetSampleSum() || !slices.EqualFunc(a.Bucket, b.Bucket, same) {
		t.Errorf("%v\nthe library has %v", a, b)
	}
}
