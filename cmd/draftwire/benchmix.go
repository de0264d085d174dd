package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/draftwire/draftwire"
)

// share is a version's part of the connections.
type share struct {
	version draftwire.Version
	weight  int
	conns   int
}

// maxWeight keeps a weight times the connections within 32 bits.
const maxWeight = 10_000

// parseMix reads "hixie-76=40,rfc6455=60".
func parseMix(text string) ([]share, error) {
	var mix []share
	for part := range strings.SplitSeq(text, ",") {
		name, number, ok := strings.Cut(part, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, usagef("--mix: %q is not like VERSION=WEIGHT, for example hixie-76=40,rfc6455=60", part)
		}
		v, err := spokenVersion("mix", name)
		if err != nil {
			return nil, err
		}
		w, err := strconv.Atoi(strings.TrimSpace(number))
		if err != nil || w < 1 || w > maxWeight {
			return nil, usagef("--mix: %q is no weight for %s; weights are whole numbers from 1 to %d; leave out what is to have none", number, v, maxWeight)
		}
		if slices.ContainsFunc(mix, func(s share) bool { return s.version == v }) {
			return nil, usagef("--mix: %s stands twice; give it the sum of both weights", v)
		}
		mix = append(mix, share{version: v, weight: w})
	}
	return mix, nil
}

// spread gives out the connections by weight, the rest to those that lost most
// by rounding down; nobody goes without.
func spread(mix []share, conns int) error {
	if conns < len(mix) {
		return usagef("--connections: %d are too few for the %d versions of --mix; each needs one", conns, len(mix))
	}
	sum, left := 0, conns
	for _, s := range mix {
		sum += s.weight
	}
	order := make([]int, len(mix)) // by remainder, the largest first
	for i := range mix {
		order[i] = i
		mix[i].conns = mix[i].weight * conns / sum
		left -= mix[i].conns
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(mix[b].weight*conns%sum, mix[a].weight*conns%sum)
	})
	for _, i := range order[:left] {
		mix[i].conns++
	}
	for i := range mix {
		if mix[i].conns == 0 {
			most := slices.MaxFunc(order, func(a, b int) int { return cmp.Compare(mix[a].conns, mix[b].conns) })
			mix[most].conns--
			mix[i].conns = 1
		}
	}
	return nil
}

// interleave lists the version of each connection such that those of a version
// do not stand together: one after the other is opened, and gets its messages.
func interleave(mix []share) []int {
	var out []int
	for round := 0; ; round++ {
		n := len(out)
		for i, s := range mix {
			if round < s.conns {
				out = append(out, i)
			}
		}
		if len(out) == n {
			return out
		}
	}
}
