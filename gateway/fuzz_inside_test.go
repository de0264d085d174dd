package gateway

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/internal/seed"
	"github.com/pires/go-proxyproto"
)

const fewRoutes = "routes: [{backends: [{url: 'ws://b'}]}]\n"

// For any file, Load says what is wrong, or returns a configuration that is the same when it
// is printed and read again.
func FuzzLoad(f *testing.F) {
	seed.Add(f, Example)
	seed.Add(f, fewRoutes)
	seed.Add(f, "routes: [{backends: [{url: 'ws://b?version=76'}], match: {hosts: ['*.a'], paths: [/a/*]}, policy: {ping: 1s}}]")
	seed.Add(f, "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n")
	seed.Add(f, "routes: [~]\nlisten: [~]\nversions: {76: ~}\n")
	seed.Add(f, "versions: {hixie-75: [{mode: sample 10%, from: 2027-01-01}]}\n"+fewRoutes)
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := Load(strings.NewReader(text))
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
		again, err := Load(&b)
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

// A header that the other implementation writes is read as it was meant, at every split and
// with anything after it. Nothing else is taken for a whole header too early.
func FuzzReadProxy(f *testing.F) {
	seed.Add(f, []byte{192, 0, 2, 1}, uint16(1000), byte(1), false, []byte("GET / HTTP/1.1\r\n"), []byte{})
	seed.Add(f, []byte{192, 0, 2, 1}, uint16(1000), byte(2), true, []byte("GET"), []byte("some name"))
	seed.Add(f, make([]byte, 16), uint16(0), byte(2), false, []byte{}, bytes.Repeat([]byte("x"), 2000))
	seed.Add(f, bytes.Repeat([]byte{0xFF}, 16), uint16(65535), byte(1), false, []byte("PROXY "), []byte{})
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
			if n, _, err := readProxy(p[:i:i]); n != 0 || err != nil {
				t.Fatalf("%d of %d bytes: %d, %v", i, len(p), n, err)
			}
		}
		n, got, err := readProxy(append(bytes.Clone(p), behind...))
		if n != len(p) || err != nil {
			t.Fatalf("%q: %d, %v", p, n, err)
		}
		if got.Client != netip.AddrPortFrom(a, port) || got.Local || got.Secure != (secure && version == 2 && len(name) < 3000) {
			t.Errorf("%q: %+v", p, got)
		}
	})
}

func garbage(t *testing.T, p []byte) {
	n, h, err := readProxy(p)
	if n < 0 || n > len(p) || err != nil && n != 0 || n == 0 && h.Client.IsValid() {
		t.Errorf("%q: %d, %+v, %v", p, n, h, err)
	}
}

// A pattern matches a host with any port, in any case and with or without a last dot, and no
// other host.
func FuzzMatchHost(f *testing.F) {
	seed.Add(f, "*.example.com", "a.example.com:80")
	seed.Add(f, "example.com", "EXAMPLE.com.")
	seed.Add(f, "[::1]", "[::1]:80")
	seed.Add(f, "*", "")
	f.Fuzz(func(t *testing.T, pattern, host string) {
		got := matchHost(pattern, host)
		if pattern == "*" && !got {
			t.Errorf("* does not take %q", host)
		}
		if !strings.ContainsAny(host, ":[].") && matchHost(pattern, host+":8080") != got {
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

// A path that matches /x/* is below /x/.
func FuzzMatchPath(f *testing.F) {
	seed.Add(f, "/feed/*", "/feed/a/b")
	seed.Add(f, "/feed", "/feed")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		got := matchPath(pattern, path)
		if below, ok := strings.CutSuffix(pattern, "*"); ok {
			if got != strings.HasPrefix(path, below) {
				t.Errorf("%q, %q: %v", pattern, path, got)
			}
		} else if got != (pattern == path) {
			t.Errorf("%q, %q: %v", pattern, path, got)
		}
	})
}

// FuzzTarget fuzzes the target that a backend gets: its own path, and after it the client's
// target without the prefix to strip, and nothing that the client did not send. The backend
// sees what the route was chosen by.
func FuzzTarget(f *testing.F) {
	seed.Add(f, "", "/a/b?c", "/base")
	seed.Add(f, "/a", "/a/b?c", "")
	seed.Add(f, "/a/", "/a", "/base/")
	seed.Add(f, "/a", "/ab", "/")
	seed.Add(f, "/a", "/a?x=/../", "/b")
	seed.Add(f, "/", "//x", "/b//")
	f.Fuzz(func(t *testing.T, strip, target, base string) {
		_, ok := readings(target)
		if !ok || strip != "" && strip[0] != '/' || strings.ContainsAny(base, "?#") {
			return // refused before, or in no configuration
		}
		r := &route{Route: Route{StripPrefix: strip}}
		got, err := r.target(base, target)
		prefix := strings.TrimSuffix(strip, "/")
		path, query, asks := strings.Cut(target, "?")
		below := prefix == "" || path == prefix || strings.HasPrefix(path, prefix+"/")
		if strings.Contains(prefix, "?") { // no configuration has it
			return
		}
		if (err == nil) != below {
			t.Fatalf("%q below %q: %q, %v", target, strip, got, err)
		}
		if err != nil {
			return
		}
		want := strings.TrimPrefix(path, prefix)
		if want == "" {
			want = "/"
		}
		want = strings.TrimSuffix(base, "/") + want
		if asks {
			want += "?" + query
		}
		if got != want {
			t.Fatalf("%q below %q at %q: %q, want %q", target, strip, base, got, want)
		}
		if _, ok := readings(base); ok {
			if _, ok := readings(got); !ok {
				t.Fatalf("%q climbs, %q and %q do not", got, base, target)
			}
		}
	})
}

// FuzzBackend fuzzes the URLs of backends: one that is accepted has an address that can be
// dialled, and no password in its name.
func FuzzBackend(f *testing.F) {
	for _, s := range []string{"ws://b", "wss://u:p@b:1/x", "tcp://:1", "unix:/x", "unix:", "ws://b/?version=76", "ws://b?version=76&x=1", "http://b", "ws://b:99999", "ws://[::1]:80/a#b", "tcp://b:1/x", "ws://:80", "%"} {
		seed.Add(f, s, false)
		seed.Add(f, s, true)
	}
	f.Fuzz(func(t *testing.T, url string, insecure bool) {
		b, err := newBackend(&Backend{URL: url, Insecure: insecure})
		if err != nil {
			if b != nil || err.Error() == "" {
				t.Fatalf("%q: %+v, %v", url, b, err)
			}
			return
		}
		if b.network != "unix" {
			if _, port, err := net.SplitHostPort(b.addr); err != nil || port == "" || b.network != "tcp" {
				t.Fatalf("%q: %s %q, %v", url, b.network, b.addr, err)
			}
		}
		if b.url != nil {
			if p, ok := b.url.User.Password(); ok && len(p) > 3 && strings.Contains(b.name, ":"+p+"@") {
				t.Fatalf("%q is named %q", url, b.name)
			}
			if b.url.RawQuery != "" || b.url.Fragment != "" || b.version == 0 {
				t.Fatalf("%q: %v, %v", url, b.url, b.version)
			}
		}
	})
}
