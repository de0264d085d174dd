package gen

import (
	"strings"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// tolerances: known faults that may be accepted.
func tolerances() []vectors.Vector {
	injected := upgrade(orgLine, k1Line, k2Line, keyLine)
	no := upgrade(keyLine, orgLine)
	l := list{
		row("haproxy", "hixie-76 5.1", "HAProxy 3 in its relaxed mode adds a key to a hixie-76 request", injected, wire.ReasonMixed),
		tolerating(pass("haproxy-tolerated", "hixie-76 5.1", "the added key is set aside", injected, wire.Hixie76), wire.TolerateInjectedKey),
		row("haproxy-75", "hixie-75 5.1", "a key beside an origin is not hixie-75, although HAProxy 3 may have added it", no, wire.ReasonVersionMissing),
		tolerating(pass("haproxy-75-tolerated", "hixie-75 5.1", "the added key is set aside", no, wire.Hixie75), wire.TolerateInjectedKey),
		tolerating(pass("haproxy-02-tolerated", "hybi-02 5.1", "the added key is set aside", upgrade(orgLine, k1Line, k2Line, keyLine, "Sec-WebSocket-Draft: 2"), wire.Hybi02), wire.TolerateInjectedKey),
		tolerating(pass("haproxy-13", "RFC 6455 4.2.1", "a key with its version is none that a proxy added", upgrade(keyLine, v13), wire.RFC6455), wire.TolerateInjectedKey),
		tolerating(row("haproxy-mixed", "hixie-76 5.1", "a version beside the two keys is refused all the same", upgrade(orgLine, k1Line, k2Line, keyLine, v13), wire.ReasonMixed), wire.TolerateInjectedKey),
		tolerating(pass("no-connection-tolerated", "RFC 6455 4.2.1", "a client without Connection", message(getChat, hostLine, upLine, keyLine, v13), wire.RFC6455), wire.TolerateNoConnection),
		tolerating(row("no-connection-other", "RFC 6455 4.2.1", "another Connection is not a missing one", message(getChat, hostLine, upLine, "Connection: close", keyLine, v13), wire.ReasonStrayHeader), wire.TolerateNoConnection),
		tolerating(pass("no-origin-tolerated", "hixie-75 5.1", "hixie-75 without an origin", upgrade(), wire.Hixie75), wire.TolerateNoOrigin),
	}
	l.add(excusedKeys()...)
	l.add(excusedLines()...)
	l.add(excusedTargets()...)
	return l
}

// excused is a request twice: refused, and accepted with a tolerance.
func excused(id, section, comment, request string, reason wire.Reason, t wire.Tolerances, v wire.Version) []vectors.Vector {
	return []vectors.Vector{
		row("strict-"+id, section, comment, request, reason),
		tolerating(pass("loose-"+id, section, comment+"; it is tolerated", request, v), t),
	}
}

// families are one plain request of each way to open, as the lines behind Connection.
var families = []struct {
	id      string
	version wire.Version
	lines   []string
}{
	{"75", wire.Hixie75, []string{orgLine}},
	{"76", wire.Hixie76, []string{orgLine, k1Line, k2Line}},
	{"02", wire.Hybi02, []string{orgLine, k1Line, k2Line, "Sec-WebSocket-Draft: 2"}},
	{"4", wire.Hybi04, []string{keyLine, secOrg, "Sec-WebSocket-Version: 4"}},
	{"8", wire.Hybi08, []string{keyLine, secOrg, "Sec-WebSocket-Version: 8"}},
	{"13", wire.RFC6455, []string{keyLine, orgLine, v13}},
}

// excusedKeys: keys and versions that are not those of the documents.
func excusedKeys() []vectors.Vector {
	const sec = "RFC 6455 4.2.1"
	var l list
	for _, k := range []struct{ id, key, comment string }{
		{"8-bytes", "qjaovfzeqzo=", "a key of eight bytes"},
		{"15-bytes", "AAECAwQFBgcICQoLDA0O", "a key of 15 bytes"},
		{"url", "_-hlIHNhbXBsZSBub25jZQ==", "a key in the alphabet of URLs"},
		{"text", "x3JJHMbDL1EzLkh9GBhXDw", "a key without its padding"},
		{"word", "key with spaces", "a key of words"},
		{"80", strings.Repeat("0123456789", 8), "a key of 80 characters"},
	} {
		l.add(excused("key-"+k.id, sec, k.comment, upgrade("Sec-WebSocket-Key: "+k.key, orgLine, v13), wire.ReasonBadKey, wire.TolerateAnyKey, wire.RFC6455)...)
	}
	l.add(
		tolerating(row("loose-key-empty", sec, "an empty key is none, whatever is tolerated", upgrade("Sec-WebSocket-Key: ", v13), wire.ReasonBadKey), wire.TolerateAnyKey),
		tolerating(row("loose-key-81", sec, "a key of 81 characters, whatever is tolerated", upgrade("Sec-WebSocket-Key: "+strings.Repeat("0123456789", 8)+"0", v13), wire.ReasonBadKey), wire.TolerateAnyKey),
	)
	for _, n := range []struct {
		number string
		v      wire.Version
	}{{"9", wire.Hybi08}, {"10", wire.Hybi08}, {"11", wire.Hybi08}, {"12", wire.Hybi08}, {"14", wire.RFC6455}, {"15", wire.RFC6455}, {"16", wire.RFC6455}, {"17", wire.RFC6455}} {
		l.add(tolerating(pass("loose-draft-"+n.number, "RFC 6455 4.4", "the number of a draft, tolerated as the version that it speaks", numbered(n.number), n.v), wire.TolerateDraftNumber))
	}
	return append(l,
		tolerating(row("loose-draft-18", "RFC 6455 4.4", "there was no draft 18", numbered("18"), wire.ReasonVersion), wire.TolerateDraftNumber),
		tolerating(row("loose-draft-3", "RFC 6455 4.4", "draft 3 had no such field", numbered("3"), wire.ReasonVersion), wire.TolerateDraftNumber),
		only(tolerating(row("loose-draft-off", "RFC 6455 4.4", "the number of a draft whose version is not served", numbered("10"), wire.ReasonDisabled), wire.TolerateDraftNumber), wire.RFC6455),
	)
}

// excusedLines: lines that do not end in CR LF, and HTTP/1.0.
func excusedLines() []vectors.Vector {
	const sec, head = "RFC 6455 4.1", wire.ReasonHeadMalformed
	var l list
	for _, f := range families {
		whole := upgrade(f.lines...)
		l.add(excused("lf-"+f.id, sec, "all lines end in LF", strings.ReplaceAll(whole, "\r\n", "\n"), head, wire.TolerateLineEnds, f.version)...)
		l.add(excused("http-10-"+f.id, sec, "HTTP/1.0", strings.Replace(whole, "HTTP/1.1", "HTTP/1.0", 1), wire.ReasonHTTPVersion, wire.TolerateHTTP10, f.version)...)
	}
	plain := upgrade(keyLine, v13)
	l.add(excused("lf-last", sec, "LF behind the last field, then CR LF", strings.TrimSuffix(plain, "\r\n\r\n")+"\n\r\n", head, wire.TolerateLineEnds, wire.RFC6455)...)
	l.add(excused("lf-blank", sec, "the blank line alone ends in LF", strings.TrimSuffix(plain, "\r\n")+"\n", head, wire.TolerateLineEnds, wire.RFC6455)...)
	l.add(excused("cr-cr-lf", sec, "all lines end in CR CR LF", strings.ReplaceAll(plain, "\r\n", "\r\r\n"), head, wire.TolerateLineEnds, wire.RFC6455)...)
	return append(l,
		tolerating(row("loose-cr-inside", sec, "a CR within a line is refused, whatever is tolerated", upgrade("X: a\rb", keyLine, v13), head), wire.TolerateLineEnds),
		tolerating(row("loose-fold", sec, "a folded line is refused, whatever is tolerated", upgrade("X: a", " b", keyLine, v13), head), wire.TolerateLineEnds),
		tolerating(row("loose-lf-plain", sec, "an ordinary request is no upgrade, however its lines end", "GET /chat HTTP/1.1\nHost: server.example.com\n\n", wire.ReasonNotWebSocket), wire.TolerateLineEnds),
		tolerating(row("loose-http-10-body", sec, "HTTP/1.0 with a body", strings.Replace(upgrade(keyLine, v13, "Content-Length: 3"), "HTTP/1.1", "HTTP/1.0", 1), wire.ReasonBody), wire.TolerateHTTP10),
		tolerating(row("loose-http-09", sec, "HTTP/0.9 is no HTTP/1.0", strings.Replace(plain, "HTTP/1.1", "HTTP/0.9", 1), wire.ReasonHTTPVersion), wire.TolerateHTTP10),
	)
}

// excusedTargets: request lines and hosts that are not those of HTTP.
func excusedTargets() []vectors.Vector {
	const sec, head = "RFC 6455 4.1", wire.ReasonHeadMalformed
	line := func(first string, lines ...string) string {
		return message(with([]string{first, hostLine, upLine, connLine}, lines...)...)
	}
	var l list
	for _, f := range families {
		l.add(excused("target-none-"+f.id, sec, "no target between two blanks", line("GET  HTTP/1.1", f.lines...), head, wire.TolerateRequestLine, f.version)...)
	}
	for _, t := range []struct{ id, line, comment string }{
		{"blank-behind", "GET /chat HTTP/1.1 ", "a blank behind the version"},
		{"blank-inside", "GET /ocpp/CP 01 HTTP/1.1", "a blank within the target"},
		{"blanks", "GET   /chat  HTTP/1.1", "more blanks than two"},
		{"tab", "GET\t/chat\tHTTP/1.1", "tabs for blanks"},
		{"slash", "GET ocpp/CP01 HTTP/1.1", "a path without its slash"},
		{"query", "GET ?id=CP01 HTTP/1.1", "a query without a path"},
		{"fragment", "GET /ocpp/CP#01 HTTP/1.1", "a number sign in the target"},
	} {
		l.add(excused(t.id, sec, t.comment, line(t.line, keyLine, v13), head, wire.TolerateRequestLine, wire.RFC6455)...)
	}
	host := func(h string) string { return message(getChat, "Host: "+h, upLine, connLine, keyLine, v13) }
	for _, h := range []struct{ id, host, comment string }{
		{"bare", "2001:db8::1", "an IPv6 address without brackets"},
		{"zone", "fe80::1%eth0", "an IPv6 address with a zone"},
		{"zone-port", "[fe80::1%25wlan0]:8080", "an IPv6 address in brackets with a zone"},
	} {
		l.add(excused("host-"+h.id, sec, h.comment, host(h.host), wire.ReasonHost, wire.TolerateLooseHost, wire.RFC6455)...)
	}
	return append(l,
		tolerating(row("loose-target-star", sec, "a target for OPTIONS, whatever is tolerated", line("GET * HTTP/1.1", keyLine, v13), head), wire.TolerateRequestLine),
		tolerating(row("loose-target-control", sec, "a control character in the target, whatever is tolerated", line("GET /a\x01 b HTTP/1.1", keyLine, v13), head), wire.TolerateRequestLine),
		tolerating(row("loose-no-version", sec, "no version of HTTP, whatever is tolerated", line("GET /chat", keyLine, v13), head), wire.TolerateRequestLine),
		tolerating(row("loose-host-name", sec, "a name with colons is no address, whatever is tolerated", host("good:evil:80"), wire.ReasonHost), wire.TolerateLooseHost),
		pass("absolute-differs", sec, "the host of an absolute target goes before Host (RFC 9112 3.2.2)", line("GET http://other.example/chat HTTP/1.1", keyLine, v13), wire.RFC6455),
		row("absolute-user", sec, "a user in an absolute target", line("GET http://evil@server.example.com/chat HTTP/1.1", keyLine, v13), wire.ReasonHost),
		row("absolute-empty", sec, "an absolute target without a host", line("GET http:///chat HTTP/1.1", keyLine, v13), wire.ReasonHost),
	)
}
