package gateway_test

import (
	"strings"
	"testing"

	"github.com/draftwire/draftwire/gateway"
)

// The balancer's own connections name nobody; what is broken is an error.
func TestReadProxy(t *testing.T) {
	v2 := "\r\n\r\n\x00\r\nQUIT\n"
	for _, tc := range []struct {
		in    string
		n     int
		local bool
		bad   bool
	}{
		{in: "PROXY UNKNOWN\r\nGET", n: 15, local: true},
		{in: "PROXY UNKNOWN ffff::1 ::1 1 2\r\n", n: 31, local: true},
		{in: v2 + "\x20\x00\x00\x00", n: 16, local: true},                                // LOCAL
		{in: v2 + "\x21\x00\x00\x00GET", bad: true},                                      // PROXY of no family
		{in: v2 + "\x21\x31\x00\xd8" + strings.Repeat("\x00", 216), n: 232, local: true}, // a unix socket
		{in: v2 + "\x21\x11\xff\xff", bad: true},                                         // 64 KiB
		{in: v2 + "\x31\x11\x00\x0c123456789012", bad: true},                             // version 3
		{in: v2 + "\x21\x11\x00\x04abcd", bad: true},                                     // too short for its family
		{in: "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", bad: true},
		{in: "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n", bad: true},
		{in: "PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n", bad: true},
		{in: "PROXY TCP4 " + strings.Repeat("1", 200), bad: true},
		{in: "PROXY TCP4 1.2.3.4"},
		{in: ""},
	} {
		n, h, err := gateway.ReadProxy([]byte(tc.in))
		if n != tc.n || (err != nil) != tc.bad || n > 0 && h.Local != tc.local {
			t.Errorf("%q: %d, %+v, %v", tc.in, n, h, err)
		}
	}
}
