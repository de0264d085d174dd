package origin

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/wire"
)

// globbed is match, by a regular expression.
func globbed(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	ok, err := regexp.MatchString(`(?s)\A`+strings.Join(parts, `[^/]*`)+`\z`, s)
	return ok && err == nil
}

// ofAddress reports whether an origin, or a pattern, has an address of numbers for a host.
func ofAddress(s string) bool {
	if _, authority, ok := strings.Cut(s, "://"); ok {
		s = authority
	}
	return address.MatchString(s)
}

var address = regexp.MustCompile(`^[*.]*[0-9][0-9.*]*(:([^:]*[^:\]])?)?$`)

// FuzzOrigin fuzzes origins and the patterns that allow them. Without a pattern only a
// page of the host itself is allowed; a star stays within its part of the name, and in an
// address within numbers; all else stands for itself; and case does not matter.
func FuzzOrigin(f *testing.F) {
	for _, s := range [][3]string{
		{"", "http://example.com", "example.com"}, {"", "https://example.com:443", "EXAMPLE.com"}, {"", "null", "null"}, {"", "http://evil.example", "example.com"},
		{"*", "null", "a"}, {"http://a", "http://a:80", "x"}, {"https://*.a", "https://b.a:443", "x"}, {"http://a", "http://a:443", "x"}, {"a", "https://a:443", "x"}, {"*.example.com", "http://a.example.com:81", "x"}, {"*.example.com", "http://example.com", "x"}, {"https://*.example.com", "http://a.example.com", "x"},
		{"example.com:8080", "http://example.com:8080", "x"}, {"[", "http://[", "x"}, {"[::1]", "http://[::1]", "x"}, {"HTTP://A", "http://a", "x"}, {"*.example.com", "http://evil.example/.example.com", "x"},
		{"a**b*", "http://axxbyyb", "x"}, {"10.*", "http://10.0.0.1:80", "x"}, {"10.*", "http://10.evil.example", "x"}, {"http://10.*:*", "http://10.1:1", "x"}, {"a?c", "http://abc", "x"}, {"", "file://example.com", "example.com"},
	} {
		seed.Add(f, s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, pattern, origin, host string) {
		if !utf8.ValidString(pattern + origin + host) {
			return // for the regular expression
		}
		scheme, authority, isURL := strings.Cut(ascii.ToLower(origin), "://")
		page := scheme == "http" || scheme == "https" || scheme == "ws" || scheme == "wss"
		own := Allowed(nil, origin, host)
		if own != (isURL && page && StripPort(scheme, authority) == StripPort(scheme, strings.ToLower(host))) {
			t.Fatalf("%q at %q: %v", origin, host, own)
		}
		got := Allowed([]string{pattern}, origin, host)
		p, o := ascii.ToLower(pattern), ascii.ToLower(origin)
		matches := func(o, authority string) bool {
			named := ofAddress(p) && !ofAddress(o)
			switch {
			case p == "*" || p == o:
				return true
			case strings.Contains(p, "://"):
				return globbed(p, o) && !named
			}
			return isURL && (globbed(p, authority) || globbed(p, hostOf(authority))) && !named
		}
		want := matches(o, authority)
		if page { // a default port is the same as none
			short := StripPort(scheme, authority)
			want = want || matches(scheme+"://"+short, short)
		}
		if got != want || got != Allowed([]string{p}, o, "elsewhere") || got != Allowed([]string{"no such", pattern}, origin, host) {
			t.Fatalf("%q allows %q: %v", pattern, origin, got)
		}
	})
}

// FuzzHops fuzzes the fields in which proxies say whom they forward: each is read as as
// many hops as it has commas at most, addresses are written and read again as the same, a
// host that is believed can stand in a URL, and behind what nobody can read the client of
// the proxy that is trusted is found.
func FuzzHops(f *testing.F) {
	for _, s := range []string{
		"for=192.0.2.60;proto=http;by=203.0.113.43", `for="[2001:db8:cafe::17]:4711", for=unknown;host="a\"b"`, "for=_hidden, for=1.2.3.4", `x=",for=6.6.6.6`, "192.0.2.1, [::1]:80", "1.2.3.4:x", "[::1", "[::1]80",
		"::ffff:1.2.3.4", "fe80::1%eth0", ",,", `for="a\`, "for=a for=b", "for=1.1.1.1;for=2.2.2.2", " ; for=1.1.1.1:_p", "http,https", "evil.example/x",
	} {
		seed.Add(f, s, "https", "example.com")
		seed.Add(f, `for="`+s+`"`, "http", s)
	}
	f.Fuzz(func(t *testing.T, value, proto, host string) {
		const client = "203.0.113.7"
		trusted := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		for name, last := range map[string]func(string) (hop, int, bool){"Forwarded": lastHop, "X-Forwarded-For": lastXHop} {
			fields := wire.Fields{{Name: name, Value: value}}
			for rest, comma := value, 0; comma >= 0; rest = rest[:max(comma, 0)] {
				h, at, ok := last(rest)
				if !ok {
					break
				}
				if comma = at; comma >= len(rest) || comma >= 0 && rest[comma] != ',' {
					t.Fatalf("%s %q: an element behind %d", name, rest, comma)
				}
				if again := parseNode(h.node.String()); h.node.IsValid() && (again != h.node || h.node.Addr().Is4In6() || h.node.Addr().Zone() != "") {
					t.Fatalf("%s %q: %v is read as %v", name, value, h.node, again)
				}
			}
			added := map[string]string{"Forwarded": "for=" + client, "X-Forwarded-For": client}[name]
			req := wire.Request{Fields: append(fields, wire.Field{Name: name, Value: added}, wire.Field{Name: "Host", Value: "direct"},
				wire.Field{Name: "X-Forwarded-Proto", Value: proto}, wire.Field{Name: "X-Forwarded-Host", Value: host})}
			if u, from := Client(trusted, &req, "192.0.2.1:1"); from.String() != client+":0" || !httphead.IsAuthority(u.Host) {
				t.Fatalf("%s %q: %v, %+v", name, value, from, u)
			}
			if u, from := Client(trusted, &req, "198.51.100.1:1"); from.IsValid() || u != (PublicURL{Host: "direct"}) {
				t.Fatalf("%s %q, from elsewhere: %v, %+v", name, value, from, u)
			}
		}
	})
}
