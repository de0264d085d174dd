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
