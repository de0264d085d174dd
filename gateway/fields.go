package gateway

import (
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/origin"
	"github.com/draftwire/draftwire/wire"
)

// ofHandshake are the fields that only the gateway's own handshake may set.
var ofHandshake = []string{
	"Connection", "Upgrade", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Content-Length",
	"WebSocket-Protocol", "HTTP2-Settings",
}

// handshakeNeeds are those of them, and one more, without which there is no handshake.
var handshakeNeeds = []string{"Host", "Connection", "Upgrade", "WebSocket-Protocol"}

// hop are the fields that belong to the client's connection, or that the gateway sets
// itself. Expect is for the next hop, and would make a backend send a 100 before its answer.
var hop = fieldSet(slices.Concat(ofHandshake, []string{
	"Host", "Origin", "Expect", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Draftwire-Version", mirrorField,
}))

// claims are fields in which proxies tell servers who the client is and what it asked for.
// Some servers believe them whoever sends them, so a client may not send them.
var claims = fieldSet([]string{
	// its address
	"X-Real-IP", "X-Real-Client-IP", "X-Real-Port", "X-Client-IP", "Client-IP", "X-Cluster-Client-IP", "True-Client-IP", "X-True-Client-IP",
	"Fastly-Client-IP", "Fly-Client-IP", "DO-Connecting-IP", "Incap-Client-IP", "X-Sucuri-ClientIP", "X-NF-Client-Connection-IP",
	"X-Originating-IP", "X-ProxyUser-IP", "X-Remote-IP", "X-Remote-Addr", "Remote-Addr", "Remote-Host", "Forwarded-For", "X-Forward-For",
	// scheme, host, path and method of its request
	"X-Scheme", "X-Url-Scheme", "Front-End-Https", "X-Host", "X-Real-Host", "X-Real-Proto", "X-HTTP-Host-Override", "Script-Name", "X-Script-Name",
	"X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override",
	// the user that it is
	"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "X-Remote-User", "X-Remote-Group",
	"X-ARR-ClientCert", "X-Client-Cert", "X-Client-Certificate", "X-Client-Verify",
	// the proxy of a CGI program
	"Proxy",
})

// claimFamilies are prefixes of further such names, as fieldKey writes them.
var claimFamilies = []string{
	"x-forwarded", "x-original-", "x-rewrite-", "x-envoy-", "wl-proxy-", "cf-", "x-azure-", "x-appengine-", "x-vercel-",
	"x-auth-request-", "x-authenticated-", "x-authentik-", "x-webauth-", "x-consumer-", "x-remote-extra-", "x-goog-authenticated-user-",
	"x-ms-client-principal", "x-amzn-oidc-", "ssl-client-", "x-ssl-",
}

// fieldKey returns the name of a field as the most careless servers compare it: they take
// any punctuation mark in it for any other, as CGI does with - and _.
func fieldKey(name string) string { return string(appendKey(nil, name)) }

// originKey is the fieldKey of Origin.
var originKey = fieldKey("Origin")

// appendKey appends the fieldKey of a name.
func appendKey(b []byte, name string) []byte {
	for _, c := range []byte(name) {
		switch {
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		case (c < 'a' || c > 'z') && (c < '0' || c > '9'):
			c = '-'
		}
		b = append(b, c)
	}
	return b
}

func fieldSet(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[fieldKey(n)] = true
	}
	return set
}

// isClaim reports whether only a proxy may send the field with that key.
func isClaim(key string) bool {
	return claims[key] || slices.ContainsFunc(claimFamilies, func(p string) bool { return strings.HasPrefix(key, p) })
}

// The words of Route.Forwarded.
const (
	forwardedAll  = "all"
	forwardedNone = "none"
)

// moreFields is for how many fields of its own a gateway has room beside the client's.
const moreFields = 8

// fields returns the fields that the backend gets: those of the client in their order, spelled
// as they came, and those that say who the client is, without those that the route drops.
func (s *Session) fields() wire.Fields {
	r, all := s.route, s.handshake.Fields()
	out := make(wire.Fields, 0, len(all)+moreFields)
	ofConnection := fieldsOfConnection(all)
	trusted := s.byTrustedProxy()
	for _, f := range all {
		if r.passes(f.Name, ofConnection, trusted) {
			out = append(out, f)
		}
	}
	if r.Forwarded != forwardedNone {
		out = s.forward(out)
	}
	if len(r.replaced) > 0 {
		out = slices.DeleteFunc(out, func(f wire.Field) bool { return r.replaced[fieldKey(f.Name)] })
	}
	return append(out, r.set...)
}

// fieldsOfConnection returns the keys of the fields that Connection names, without those that
// no request passes on.
func fieldsOfConnection(all wire.Fields) (keys []string) {
	var b [64]byte
	for _, name := range all.List("Connection") {
		if key := appendKey(b[:0], name); !hop[string(key)] {
			keys = append(keys, string(key))
		}
	}
	return keys
}

// passes reports whether the backend gets a field of the client.
func (r *route) passes(name string, ofConnection []string, trusted bool) bool {
	var b [64]byte
	key := string(appendKey(b[:0], name)) // which stays on the stack where it is short
	return !hop[key] && !slices.Contains(ofConnection, key) && !notPassed(key) && (trusted || r.pass[key] || !isClaim(key))
}

// ownFields compiles SetHeaders and DropHeaders.
func (r *route) ownFields() {
	r.drop = fieldSet(r.DropHeaders)
	r.replaced = maps.Clone(r.drop)
	for _, name := range slices.Sorted(maps.Keys(r.SetHeaders)) {
		r.set = append(r.set, wire.Field{Name: name, Value: r.SetHeaders[name]})
		r.replaced[fieldKey(name)] = true
	}
}

// headerOf returns fields in the form of net/http, spelled as they are.
func headerOf(fields wire.Fields) http.Header {
	out := make(http.Header, len(fields))
	for _, f := range fields {
		out[f.Name] = append(out[f.Name], f.Value)
	}
	return out
}

// byTrustedProxy reports whether the request comes from a proxy that may say who the client
// is. A balancer that has named Remote by the PROXY protocol is not such a proxy: it passes
// on what the client has written.
func (s *Session) byTrustedProxy() bool {
	cfg, h := s.g.state.Load().cfg, s.handshake
	if len(cfg.TrustForwarded) == 0 {
		return false
	}
	peer := h.Remote()
	if h.Via() != "" && !slices.ContainsFunc(cfg.Listen, func(l Listener) bool {
		return l.Name == s.Listener && l.Proxy.Mode != "off" && isWithin(l.Proxy.From, h.Via())
	}) {
		peer = h.Via()
	}
	return isWithin(cfg.TrustForwarded, peer)
}

// isWithin reports whether a remote address is in one of the networks.
func isWithin(networks []netip.Prefix, remote string) bool {
	addr, ok := addrOf(remote)
	return ok && origin.Contains(networks, addr)
}

// notPassed reports whether a field belongs to the handshake, or is meant for a proxy.
func notPassed(name string) bool {
	return hasPrefixFold(name, "Sec-WebSocket-") || hasPrefixFold(name, "Proxy-")
}

// forward adds the fields that say who the client is. A client on a unix socket has no
// address.
func (s *Session) forward(out wire.Fields) wire.Fields {
	h, proto, node := s.handshake, "http", "unknown"
	add := func(name, value string) { out = append(out, wire.Field{Name: name, Value: value}) }
	if h.Secure() {
		proto = "https"
	}
	if addr, ok := addrOf(h.Remote()); ok {
		node = addr.String()
		add("X-Forwarded-For", node)
		if addr.Is6() {
			node = `"[` + node + `]"`
		}
	}
	add("X-Forwarded-Proto", proto)
	if host := h.Host(); host != "" {
		add("X-Forwarded-Host", host)
		add("Forwarded", "for="+node+";proto="+proto+";host="+quoteValue(host))
	} else {
		add("Forwarded", "for="+node+";proto="+proto)
	}
	if h.Version() != draftwire.Unknown {
		add("Draftwire-Version", h.Version().String())
	}
	return out
}

// escapes are those of a quoted string (RFC 9110 5.6.4).
var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// quoteValue returns a value of the Forwarded field as a quoted string (RFC 7239 4).
func quoteValue(s string) string { return `"` + escapes.Replace(s) + `"` }

func has(list []string, name string) bool {
	return slices.ContainsFunc(list, func(n string) bool { return strings.EqualFold(n, name) })
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
