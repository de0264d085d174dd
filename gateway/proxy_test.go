package gateway_test

import (
	"hash/crc32"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/gateway"
)

// inet is a header of version 2 behind its beginning, of TCP over IPv4, with TLVs.
func inet(tlvs string) string {
	return "\x21\x11\x00" + string(rune(12+len(tlvs))) + "\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02" + tlvs
}

// summed puts the CRC-32C of a header, whose last four bytes are zeros, in their place.
func summed(p string) string {
	sum := crc32.Checksum([]byte(p), crc32.MakeTable(crc32.Castagnoli))
	return p[:len(p)-4] + string([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

// The balancer's own connections name no client, and a malformed header is an error.
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
		{in: v2 + "\x20\x00\x00\x00", n: 16, local: true},                    // LOCAL
		{in: v2 + "\x21\x00\x00\x00GET", n: 16, local: true},                 // PROXY without an address family
		{in: v2 + "\x21\x00\x00\x04\x04\x00\x01\x00GET", n: 20, local: true}, // and with a TLV
		{in: v2 + "\x20\x00\x00\x03abc", n: 19, local: true},                 // bytes that are to be skipped
		{in: v2 + "\x20\x11\x00\x0c123456789012", n: 28, local: true},
		{in: v2 + "\x21\x00\x00\x0c123456789012", n: 28, local: true},
		{in: v2 + inet("\x04\x00\x01\x00"), n: 32},                                       // a TLV that says nothing
		{in: v2 + inet("\x04\x00\x02\x00"), bad: true},                                   // one that is longer than the header
		{in: v2 + inet("\x04\x00"), bad: true},                                           // one that is cut
		{in: v2 + inet("\x03\x00\x04\x71\x82\xfd\x5a"), bad: true},                       // a checksum of something else
		{in: v2 + inet("\x03\x00\x02\x00\x00"), bad: true},                               // one that is too short
		{in: summed(v2 + inet("\x04\x00\x01\x00\x03\x00\x04\x00\x00\x00\x00")), n: 39},   // the right one
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
