package load

import (
	"cmp"
	"slices"

	"github.com/draftwire/draftwire"
)

// MaxWeight is the largest weight of a version: times the connections it fits into 32 bits.
const MaxWeight = 10_000

// Share is a version's part of the connections.
type Share struct {
	Version draftwire.Version
	Weight  int // from 1 to MaxWeight
}

// spread gives each version its connections, by weight. Those that remain after rounding
// down go to the versions that lost most by it, and each version has at least one.
func spread(mix []Share, conns int) []int {
	conns = max(conns, len(mix))
	sum, remaining := 0, conns
	for _, s := range mix {
		sum += s.Weight
	}
	each := make([]int, len(mix))
	order := make([]int, len(mix)) // by remainder, the largest first
	for i, s := range mix {
		order[i] = i
		each[i] = s.Weight * conns / sum
		remaining -= each[i]
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(mix[b].Weight*conns%sum, mix[a].Weight*conns%sum)
	})
	for _, i := range order[:remaining] {
		each[i]++
	}
	for i := range each {
		if each[i] == 0 {
			most := slices.MaxFunc(order, func(a, b int) int { return cmp.Compare(each[a], each[b]) })
			each[most]--
			each[i] = 1
		}
	}
	return each
}

// interleave lists the version of each connection, by its place in tallies, such that those
// of one version do not stand together: connections are opened, and get their messages, in
// this order.
func interleave(tallies []*tally) []int {
	var out []int
	for round := 0; ; round++ {
		n := len(out)
		for i, t := range tallies {
			if round < t.wanted {
				out = append(out, i)
			}
		}
		if len(out) == n {
			return out
		}
	}
}
