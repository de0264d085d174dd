package gen

import (
	"bytes"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// leastRun is from how many bytes on a run is written as one unit and a number.
const leastRun = 96

// shortened returns the same bytes in parts that are shorter to write: the longest run of
// each part becomes a unit that is repeated.
func shortened(parts []hostile.Part) []hostile.Part {
	var out []hostile.Part
	for _, p := range parts {
		out = append(out, folded(p)...)
	}
	return out
}

// folded takes the runs out of a part. A text with names in braces has them filled in by
// the player, and stays whole.
func folded(p hostile.Part) []hostile.Part {
	if p.Times > 1 || p.Mask || strings.Contains(p.Text, "{") {
		return []hostile.Part{p}
	}
	data, part := []byte(p.Hex), func(b []byte) hostile.Part { return hostile.Part{Hex: slices.Clone(b)} }
	if p.Text != "" {
		data, part = hostile.Latin1(p.Text), func(b []byte) hostile.Part { return hostile.Part{Text: latin1(b)} }
	}
	at, unit, n := longestRun(data)
	if unit*n < leastRun {
		return []hostile.Part{p}
	}
	var out []hostile.Part
	if at > 0 {
		out = folded(part(data[:at]))
	}
	run := part(data[at : at+unit])
	run.Times = int64(n)
	out = append(out, run)
	if rest := data[at+unit*n:]; len(rest) > 0 {
		out = append(out, folded(part(rest))...)
	}
	return out
}

// longestRun returns where a unit of one, two or four bytes, the lengths of a mask and of
// its parts, stands most bytes long, and how often.
func longestRun(b []byte) (at, unit, n int) {
	for _, u := range []int{1, 2, 4} {
		for i := 0; i+u <= len(b); {
			end := i + u
			for end+u <= len(b) && bytes.Equal(b[end:end+u], b[i:i+u]) {
				end += u
			}
			if end-i > unit*n {
				at, unit, n = i, u, (end-i)/u
			}
			i = max(i+1, end-u)
		}
	}
	return at, unit, n
}
