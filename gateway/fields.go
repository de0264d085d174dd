package gateway

import (
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ofHandshake are the fields that nobody but the handshake itself may say.
var ofHandshake = []string{
	"Connection", "Upgrade", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Content-Length",
	"WebSocket-Protocol", "HTTP2-Settings",
}

// hop are the fields that belong to the client's connection, or that the gateway
// says itself.
var hop = fieldSet(slices.Concat(ofHandshake, []string{
	"Host", "Origin", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Draftwire-Version",
}))

// claims are fields by which proxies tell servers who the client is, and what it asked
// for. There are servers that believe them of anybody, so a client may not say them.
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

// claimFamilies are beginnings of more such names, as fieldKey writes them.
var claimFamilies = []string{
	"x-forwarded", "x-original-", "x-rewrite-", "x-envoy-", "wl-proxy-", "cf-", "x-azure-", "x-appengine-", "x-vercel-",
	"x-auth-request-", "x-authenticated-", "x-authentik-", "x-webauth-", "x-consumer-", "x-remote-extra-", "x-goog-authenticated-user-",
	"x-ms-client-principal", "x-amzn-oidc-", "ssl-client-", "x-ssl-",
}

// fieldKey is the name of a field as the most careless servers compare it: some take any
// sign in it for another, as CGI does with - and _.
func fieldKey(name string) string {
	b := []byte(name)
	for i, c := range b {
		switch {
		case c >= 'A' && c <= 'Z':
			b[i] = c | 0x20
		case (c < 'a' || c > 'z') && (c < '0' || c > '9'):
			b[i] = '-'
		}
	}
	return string(b)
}

func fieldSet(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[fieldKey(n)] = true
	}
	return set
}

// isClaim reports whether a field, by its key, is for proxies to say.
func isClaim(key string) bool {
	return claims[key] || slices.ContainsFunc(claimFamilies, func(p string) bool { return strings.HasPrefix(key, p) })
}

// fields are those of the client that the backend gets, spelled as they came,
// and those that say who the client is.
func (s *Session) fields() http.Header {
	r, all := s.route, s.handshake.Fields()
	out := make(http.Header)
	drop := fieldSet(all.List("Connection"))
	maps.Copy(drop, r.drop)
	trusted := s.byTrustedProxy()
	for _, f := range all {
		key := fieldKey(f.Name)
		if hop[key] || drop[key] || notPassed(key) || !trusted && !r.pass[key] && isClaim(key) {
			continue
		}
		out[f.Name] = append(out[f.Name], f.Value)
	}
	s.forward(out)
	for name, value := range r.SetHeaders {
		maps.DeleteFunc(out, func(n string, _ []string) bool { return strings.EqualFold(n, name) })
		out[name] = []string{value}
	}
	return out
}

// byTrustedProxy reports whether the request comes from a proxy that may say who the
// client is. A balancer that named Remote by the PROXY protocol is none: it passes on what
// that has written.
func (s *Session) byTrustedProxy() bool {
	cfg, h := s.g.state.Load().cfg, s.handshake
	peer := h.Remote
	if h.Via != "" && !slices.ContainsFunc(cfg.Listen, func(l Listener) bool {
		return l.Name == s.Listener && l.Proxy.Mode != "off" && isWithin(l.Proxy.From, h.Via)
	}) {
		peer = h.Via
	}
	return isWithin(cfg.TrustForwarded, peer)
}

// isWithin reports whether a remote address is in one of the networks.
func isWithin(networks []netip.Prefix, remote string) bool {
	addr, err := netip.ParseAddr(hostOf(remote))
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// notPassed reports whether a field is one of the handshake, or for a proxy.
func notPassed(name string) bool {
	return hasPrefixFold(name, "Sec-WebSocket-") || hasPrefixFold(name, "Proxy-")
}

// forward says who the client is. A client on a unix socket has no address.
func (s *Session) forward(out http.Header) {
	h, proto, node := s.handshake, "http", "unknown"
	if h.Secure {
		proto = "https"
	}
	if addr, err := netip.ParseAddr(hostOf(h.Remote)); err == nil {
		addr = addr.Unmap().WithZone("")
		if node = addr.String(); addr.Is6() {
			node = `"[` + node + `]"`
		}
		out["X-Forwarded-For"] = []string{addr.String()}
	}
	out["X-Forwarded-Proto"] = []string{proto}
	forwarded := "for=" + node + ";proto=" + proto
	if h.Host != "" {
		out["X-Forwarded-Host"] = []string{h.Host}
		forwarded += ";host=" + quoteValue(h.Host)
	}
	out["Forwarded"] = []string{forwarded}
	out["Draftwire-Version"] = []string{h.Version.String()}
}

// quoteValue writes a value of the Forwarded field as a quoted string (RFC 7239
// 4).
func quoteValue(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func has(list []string, name string) bool {
	return slices.ContainsFunc(list, func(n string) bool { return strings.EqualFold(n, name) })
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
