package metrics

import (
	"math/bits"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// sizes is the histogram of the payload of messages, by direction. A gateway counts messages of equal
// length that came together in one step, which the library's histogram does one by one.
type sizes struct {
	desc *prometheus.Desc
	of   [numDirections]sizesOf
}

// sizesOf is the histogram of a direction: in the buckets, whose bounds are 4^3 to 4^12, are the messages up to a bound and
// above the one before. The last one is for those above all.
type sizesOf struct {
	used    atomic.Bool
	buckets [sizeBounds + 1]atomic.Uint64
	sum     atomic.Uint64
}

const (
	firstBound = 3 // as a power of four: 64 bytes
	sizeBounds = 10
)

// directions are the values of the label, by the index of a row.
var directions = [numDirections]string{rowIn: In, rowOut: Out, rowOther: other}

func newSizes(reg prometheus.Registerer, name, help string) *sizes {
	s := &sizes{desc: prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, []string{"direction"}, nil)}
	reg.MustRegister(s)
	return s
}

// add counts messages of n bytes each.
func (s *sizesOf) add(n, times int) {
	i := 0
	if n > 0 {
		i = (bits.Len(uint(n-1))+1)/2 - firstBound // n is above 4^(i+2) and at most 4^(i+3)
	}
	s.buckets[min(max(i, 0), sizeBounds)].Add(uint64(times))
	s.sum.Add(uint64(max(n, 0)) * uint64(times))
}

// Describe implements prometheus.Collector.
func (s *sizes) Describe(ch chan<- *prometheus.Desc) { ch <- s.desc }

// Collect implements prometheus.Collector.
func (s *sizes) Collect(ch chan<- prometheus.Metric) {
	for row := range s.of {
		of := &s.of[row]
		if !of.used.Load() {
			continue
		}
		upTo := make(map[float64]uint64, sizeBounds)
		all := uint64(0)
		for i := range of.buckets {
			all += of.buckets[i].Load()
			if i < sizeBounds {
				upTo[float64(uint64(1)<<(2*(i+firstBound)))] = all
			}
		}
		ch <- prometheus.MustNewConstHistogram(s.desc, all, float64(of.sum.Load()), upTo, directions[row])
	}
}
