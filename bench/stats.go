package main

import (
	"math"
	"slices"
)

// stat is a number over the rounds.
type stat struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// newStat takes what was measured; NaN stands for a round without a number.
func newStat(all []float64) (s stat, ok bool) {
	v := slices.DeleteFunc(slices.Clone(all), math.IsNaN)
	if len(v) == 0 {
		return stat{}, false
	}
	slices.Sort(v)
	mid := len(v) / 2
	s = stat{Median: v[mid], Min: v[0], Max: v[len(v)-1]}
	if len(v)%2 == 0 {
		s.Median = (v[mid-1] + v[mid]) / 2
	}
	return s, true
}

// ratios divides round by round, so that what slowed the machine down in a round
// is in both numbers. A round that lacks one of them has NaN.
func ratios(v, ref []float64) []float64 {
	out := make([]float64, min(len(v), len(ref)))
	for i := range out {
		out[i] = v[i] / ref[i]
		if math.IsInf(out[i], 0) {
			out[i] = math.NaN()
		}
	}
	return out
}

// medians takes the median of each round, which has so many turns.
func medians(v []float64, turns int) []float64 {
	var out []float64
	for round := range slices.Chunk(v, turns) {
		m := math.NaN()
		if s, ok := newStat(round); ok {
			m = s.Median
		}
		out = append(out, m)
	}
	return out
}

// least is how few values give an interval of 95 %.
const least = 6

// interval is where the median is with at least 95 % of certainty, whatever the
// distribution: between the k-th value from below and the k-th from above, where the
// chance of fewer than k heads in as many throws of a coin is at most one in forty.
func interval(v []float64) (low, high float64) {
	v = slices.DeleteFunc(slices.Clone(v), math.IsNaN)
	slices.Sort(v)
	n, k := len(v), 0
	if n == 0 {
		return math.NaN(), math.NaN()
	}
	chance := math.Pow(0.5, float64(n)) // of exactly k heads
	for sum := chance; sum <= 0.025; sum += chance {
		k++
		chance *= float64(n-k+1) / float64(k)
	}
	k = max(0, k-1)
	return v[k], v[n-1-k]
}
