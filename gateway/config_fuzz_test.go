package gateway_test

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/gateway"
	"github.com/pires/go-proxyproto"
)

// Whatever a file holds, Load says what is wrong, or has a configuration that is
// printed and read again as the same.
func FuzzLoad(f *testing.F) {
	f.Add(gateway.Example)
	f.Add(someRoutes)
	f.Add("routes: [{backends: [{url: 'ws://b?version=76'}], match: {hosts: ['*.a'], paths: [/a/*]}, policy: {ping: 1s}}]")
	f.Add("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n")
	f.Add("routes: [~]\nlisten: [~]\nversions: {76: ~}\n")
	f.Add("versions: {hixie-75: [{mode: sample 10%, from: 2027-01-01}]}\n" + someRoutes)
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := gateway.Load(strings.NewReader(text))
		if err != nil {
			if err.Error() == "" {
				t.Error("an error that says nothing")
			}
			return
		}
		var b bytes.Buffer
		if err := cfg.Print(&b); err != nil {
			t.Fatal(err)
		}
		again, err := gateway.Load(&b)
		if err != nil {
			t.Fatalf("printed, it is no configuration: %v", err)
		}
		var first, second bytes.Buffer
		cfg.Print(&first)
		again.Print(&second)
		if first.String() != second.String() {
			t.Errorf("printed\n%s\nand again\n%s", &first, &second)
		}
	})
}

// A header that the other implementation writes is read as it was meant, at every
// split and with anything behind it; nothing else is taken for whole too early.
func FuzzReadProxy(f *testing.F) {
	f.Add([]byte{192, 0, 2, 1}, uint16(1000), byte(1), false, []byte("GET / HTTP/1.1\r\n"), []byte{})
	f.Add([]byte{192, 0, 2, 1}, uint16(1000), byte(2), true, []byte("GET"), []byte("some name"))
	f.Add(make([]byte, 16), uint16(0), byte(2), false, []byte{}, bytes.Repeat([]byte("x"), 2000))
	f.Add(bytes.Repeat([]byte{0xFF}, 16), uint16(65535), byte(1), false, []byte("PROXY "), []byte{})
	f.Fuzz(func(t *testing.T, addr []byte, port uint16, version byte, secure bool, behind, name []byte) {
		a, ok := netip.AddrFromSlice(addr)
		if !ok || a.Is4In6() || version != 1 && version != 2 {
			garbage(t, append(append([]byte("PROXY "), addr...), behind...))
			garbage(t, append(append([]byte("\r\n\r\n\x00\r\nQUIT\n"), version, byte(port), byte(port>>8)), append(name, behind...)...))
			return
		}
		h := proxyproto.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, port)), net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, 80)))
		if version == 2 && len(name) < 3000 {
			tlvs := []proxyproto.TLV{{Type: proxyproto.PP2_TYPE_AUTHORITY, Value: name}}
			if secure {
				tlvs = append(tlvs, proxyproto.TLV{Type: proxyproto.PP2_TYPE_SSL, Value: []byte{1, 0, 0, 0, 0}})
			}
			if err := h.SetTLVs(tlvs); err != nil {
				t.Fatal(err)
			}
		}
		p, err := h.Format()
		if err != nil {
			t.Fatal(err)
		}
		for i := range p {
			if n, _, err := gateway.ReadProxy(p[:i:i]); n != 0 || err != nil {
				t.Fatalf("%d of %d bytes: %d, %v", i, len(p), n, err)
			}
		}
		n, got, err := gateway.ReadProxy(append(bytes.Clone(p), behind...))
		if n != len(p) || err != nil {
			t.Fatalf("%q: %d, %v", p, n, err)
		}
		if got.Client != netip.AddrPortFrom(a, port) || got.Local || got.Secure != (secure && version == 2 && len(name) < 3000) {
			t.Errorf("%q: %+v", p, got)
		}
	})
}

func garbage(t *testing.T, p []byte) {
	n, h, err := gateway.ReadProxy(p)
	if n < 0 || n > len(p) || err != nil && n != 0 || n == 0 && h.Client.IsValid() {
		t.Errorf("%q: %d, %+v, %v", p, n, h, err)
	}
}

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

// A pattern takes a host whatever its port, case and last dot, and no other's.
func FuzzMatchHost(f *testing.F) {
	f.Add("*.example.com", "a.example.com:80")
	f.Add("example.com", "EXAMPLE.com.")
	f.Add("[::1]", "[::1]:80")
	f.Add("*", "")
	f.Fuzz(func(t *testing.T, pattern, host string) {
		got := gateway.MatchHost(pattern, host)
		if pattern == "*" && !got {
			t.Errorf("* does not take %q", host)
		}
		if !strings.ContainsAny(host, ":[].") && gateway.MatchHost(pattern, host+":8080") != got {
			t.Errorf("%q, %q: a port changes it", pattern, host)
		}
		if below, ok := strings.CutPrefix(pattern, "*"); ok && got && below != "" {
			bare, _, _ := strings.Cut(strings.ToLower(host), ":")
			if !strings.Contains(strings.ToLower(host), strings.ToLower(below)) && !strings.HasSuffix(bare, ".") && isASCII(pattern+host) {
				t.Errorf("%q takes %q", pattern, host)
			}
		}
	})
}

func isASCII(s string) bool {
	for _, r := range s {
		if r > 0x7F {
			return false
		}
	}
	return true
}

// A path that is taken by /x/* is below /x/.
func FuzzMatchPath(f *testing.F) {
	f.Add("/feed/*", "/feed/a/b")
	f.Add("/feed", "/feed")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		got := gateway.MatchPath(pattern, path)
		if below, ok := strings.CutSuffix(pattern, "*"); ok {
			if got != strings.HasPrefix(path, below) {
				t.Errorf("%q, %q: %v", pattern, path, got)
			}
		} else if got != (pattern == path) {
			t.Errorf("%q, %q: %v", pattern, path, got)
		}
	})
}
