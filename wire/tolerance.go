package wire

import (
	"fmt"
	"strings"
)

// Tolerances is a set of known faults of devices and middleboxes that may be
// accepted. The zero value tolerates nothing. Each use is reported, so that an
// operator sees which are needed.
type Tolerances uint16

// The tolerances.
const (
	// TolerateInjectedKey takes a Sec-WebSocket-Key without a version for
	// something a proxy added to a hixie request, as HAProxy 3 does in its
	// relaxed mode.
	TolerateInjectedKey Tolerances = 1 << iota
	// TolerateNoConnection takes an upgrade without "Connection: Upgrade".
	TolerateNoConnection
	// TolerateNoOrigin takes a hixie-75 request without Origin. Any HTTP client
	// can send one.
	TolerateNoOrigin
	// TolerateUnmasked takes frames from a client that are not masked.
	TolerateUnmasked
	// TolerateEmptyUnmasked takes an empty unmasked frame from a client, as
	// npm ws 0.3 sends for an empty message.
	TolerateEmptyUnmasked
	// TolerateHybi01 takes a client with the handshake of hixie-76 whose first
	// frame is one of hybi-01 for hybi-02: hybi-01 had no field to tell. The
	// server waits up to a second for that frame before it opens a hixie-76
	// connection.
	TolerateHybi01
	numTolerances = iota
)

var toleranceNames = [numTolerances]string{"injected-key", "no-connection", "no-origin", "unmasked", "empty-unmasked", "hybi-01"}

// Has reports whether every tolerance of x is in t.
func (t Tolerances) Has(x Tolerances) bool { return t&x == x }

// String returns the names joined by commas.
func (t Tolerances) String() string {
	var out []string
	for i, n := range toleranceNames {
		if t&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return strings.Join(out, ",")
}

// ParseTolerances reads names joined by commas. The empty string is the empty set.
func ParseTolerances(s string) (Tolerances, error) {
	var t Tolerances
next:
	for f := range strings.SplitSeq(s, ",") {
		if f = strings.TrimSpace(f); f == "" {
			continue
		}
		for i, n := range toleranceNames {
			if strings.EqualFold(n, f) {
				t |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("draftwire: unknown tolerance %q; known are %s", f, strings.Join(toleranceNames[:], ","))
	}
	return t, nil
}
