package gen

import (
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// repeats: a clue that stands twice is no clue.
func repeats() []vectors.Vector {
	const sec = "RFC 6455 11.3"
	v8 := "Sec-WebSocket-Version: 8"
	return []vectors.Vector{
		row("rej-10", sec, "two keys that differ", upgrade(keyLine, "Sec-WebSocket-Key: X+GGAmbls8/0QqLJ9xTgXQ==", v13), wire.ReasonDuplicate),
		row("key-twice-same", sec, "the same key twice", upgrade(keyLine, keyLine, v13), wire.ReasonDuplicate),
		row("rej-11", sec, "two versions in two lines", upgrade(keyLine, v13, v8), wire.ReasonDuplicate),
		row("version-twice-same", sec, "the same version twice", upgrade(keyLine, v13, v13), wire.ReasonDuplicate),
		row("key1-twice", "hixie-76 5.1", "the first key twice", upgrade(orgLine, k1Line, k1Line, k2Line), wire.ReasonDuplicate),
		row("key2-twice", "hixie-76 5.1", "the second key twice", upgrade(orgLine, k1Line, k2Line, k2Line), wire.ReasonDuplicate),
		row("draft-twice", "hixie-76 5.1", "the draft twice", upgrade(orgLine, k1Line, k2Line, "Sec-WebSocket-Draft: 0", "Sec-WebSocket-Draft: 0"), wire.ReasonDuplicate),
	}
}

// mixtures: fields of two families, or half of one.
func mixtures() []vectors.Vector {
	const sec = "hixie-76 5.1"
	v7, draft := "Sec-WebSocket-Version: 7", "Sec-WebSocket-Draft: "
	return []vectors.Vector{
		trailed(row("rej-08", sec, "a version and a key, and the two keys of hixie-76", upgrade(orgLine, keyLine, v7, k1Line, k2Line), wire.ReasonMixed), key3A),
		trailed(row("rej-09", sec, "a key without a version, and the two keys of hixie-76", upgrade(orgLine, keyLine, k1Line, k2Line), wire.ReasonMixed), key3A),
		row("mixed-version", sec, "a version, and the two keys of hixie-76", upgrade(orgLine, v7, k1Line, k2Line), wire.ReasonMixed),
		row("mixed-key1", sec, "a version and a key, and one key of hixie-76", upgrade(orgLine, keyLine, v13, k1Line), wire.ReasonMixed),
		row("mixed-key2", sec, "a key, and the second key of hixie-76", upgrade(orgLine, keyLine, k2Line), wire.ReasonMixed),
		row("mixed-version-4", "hybi-04 5.1", "a version and a key of hybi-04, and the two keys", upgrade(secOrg, keyLine, "Sec-WebSocket-Version: 4", k1Line, k2Line), wire.ReasonMixed),
		row("mixed-draft", sec, "a version and a key, and a draft", upgrade(orgLine, keyLine, v13, draft+"2"), wire.ReasonMixed),
		row("half-key1", sec, "the first key without the second: not hixie-75", upgrade(orgLine, k1Line), wire.ReasonHalfChallenge),
		row("half-key1-02", "hybi-02 5.1", "the first key without the second, and a draft", upgrade(orgLine, k1Line, draft+"2"), wire.ReasonHalfChallenge),
		row("half-key2", sec, "the second key without the first: not hixie-75", upgrade(orgLine, k2Line), wire.ReasonHalfChallenge),
		row("rej-18", sec, "a draft without keys", upgrade(orgLine, draft+"2"), wire.ReasonDraftAlone),
		row("draft-4", sec, "draft 4 has no such keys", upgrade(orgLine, k1Line, k2Line, draft+"4"), wire.ReasonBadDraft),
		row("draft-75", sec, "draft 75 has no keys", upgrade(orgLine, k1Line, k2Line, draft+"75"), wire.ReasonBadDraft),
		row("draft-02", sec, "a draft with a leading zero", upgrade(orgLine, k1Line, k2Line, draft+"02"), wire.ReasonBadDraft),
		row("draft-word", sec, "a draft that is a word", upgrade(orgLine, k1Line, k2Line, draft+"hybi"), wire.ReasonBadDraft),
		row("draft-list", sec, "a list of drafts", upgrade(orgLine, k1Line, k2Line, draft+"2, 3"), wire.ReasonBadDraft),
		row("draft-256", sec, "a draft above 255", upgrade(orgLine, k1Line, k2Line, draft+"256"), wire.ReasonBadDraft),
		row("draft-empty", sec, "a draft without a value", upgrade(orgLine, k1Line, k2Line, draft), wire.ReasonBadDraft),
		only(row("draft-1", "hybi-01 5.1", "draft 1 is known and not served", upgrade(orgLine, k1Line, k2Line, draft+"1"), wire.ReasonDisabled), shipped...),
		only(row("draft-2", "hybi-02 5.1", "draft 2 is known and not served", upgrade(orgLine, k1Line, k2Line, draft+"2"), wire.ReasonDisabled), shipped...),
		only(row("draft-3", "hybi-03 5.1", "draft 3 is known and not served", upgrade(orgLine, k1Line, k2Line, draft+"3"), wire.ReasonDisabled), shipped...),
	}
}

// hixieShapes: requests without a clue.
func hixieShapes() []vectors.Vector {
	return []vectors.Vector{
		row("rej-19", "hixie-75 5.1", "no clue and no origin: any HTTP client could have sent it", upgrade(), wire.ReasonNoOrigin),
		row("no-origin-sec", "hixie-75 5.1", "Sec-WebSocket-Origin is not hixie-75's origin", upgrade(secOrg), wire.ReasonNoOrigin),
		row("origin-twice-75", "hixie-75 5.1", "the same origin twice", upgrade(orgLine, orgLine), wire.ReasonOriginConflict),
		row("origin-twice-75-differ", "hixie-75 5.1", "two origins", upgrade(orgLine, "Origin: http://evil.example"), wire.ReasonOriginConflict),
	}
}

// origins: one origin, in one field or another.
func origins() []vectors.Vector {
	const sec = "RFC 6455 10.2"
	evil, v8 := "Origin: http://evil.example", "Sec-WebSocket-Version: 8"
	return []vectors.Vector{
		row("origin-differ-13", sec, "two origins", upgrade(keyLine, orgLine, evil, v13), wire.ReasonOriginConflict),
		row("origin-differ-76", "hixie-76 5.1", "two origins", upgrade(orgLine, evil, k1Line, k2Line), wire.ReasonOriginConflict),
		row("origin-differ-02", "hybi-02 5.1", "two origins", upgrade(orgLine, evil, k1Line, k2Line, "Sec-WebSocket-Draft: 2"), wire.ReasonOriginConflict),
		pass("origin-fields-differ-4", "hybi-04 5.1", "Sec-WebSocket-Origin is the version's field; Origin beside it is ignored", upgrade(keyLine, secOrg, evil, "Sec-WebSocket-Version: 4"), wire.Hybi04),
		pass("origin-fields-differ", sec, "Sec-WebSocket-Origin is the version's field; Origin beside it is ignored", upgrade(keyLine, secOrg, evil, v8), wire.Hybi08),
		pass("origin-fields-differ-13", sec, "Origin is the version's field; Sec-WebSocket-Origin beside it is ignored", upgrade(keyLine, orgLine, "Sec-WebSocket-Origin: http://evil.example", v13), wire.RFC6455),
		pass("origin-fields-differ-76", "hixie-76 5.1", "hixie-76 has Origin alone; Sec-WebSocket-Origin beside it is ignored", upgrade(orgLine, "Sec-WebSocket-Origin: http://evil.example", k1Line, k2Line), wire.Hixie76),
		pass("origin-other-twice", sec, "two lines of the field that is ignored may differ", upgrade(keyLine, secOrg, orgLine, evil, v8), wire.Hybi08),
		row("origin-plain-differ", sec, "two lines of Origin differ, and there is no Sec-WebSocket-Origin", upgrade(keyLine, orgLine, evil, v8), wire.ReasonOriginConflict),
		row("origin-sec-differ-13", sec, "two lines of Sec-WebSocket-Origin differ, and there is no Origin", upgrade(keyLine, secOrg, "Sec-WebSocket-Origin: http://evil.example", v13), wire.ReasonOriginConflict),
		pass("origin-sec-13", sec, "version 13 with the field of hybi-04 to hybi-10", upgrade(keyLine, secOrg, v13), wire.RFC6455),
		row("origin-sec-differ", sec, "two lines of Sec-WebSocket-Origin differ", upgrade(keyLine, secOrg, "Sec-WebSocket-Origin: http://evil.example", v8), wire.ReasonOriginConflict),
		pass("origin-fields-same", sec, "Origin and Sec-WebSocket-Origin are equal", upgrade(keyLine, secOrg, orgLine, v8), wire.Hybi08),
		pass("origin-plain-6", "hybi-06 5.1", "version 6 with Origin", upgrade(keyLine, orgLine, "Sec-WebSocket-Version: 6"), wire.Hybi06),
		pass("origin-none-6", "hybi-06 5.1", "no origin, which draft 06 does not demand of a client that is no browser", upgrade(keyLine, "Sec-WebSocket-Version: 6"), wire.Hybi06),
		pass("origin-none-13", sec, "no origin: the client is no browser", upgrade(keyLine, v13), wire.RFC6455),
	}
}

// controls: fields whose values come back in an answer, or may, hold no control characters
// but tabs. Bytes from 80 on are no characters of HTTP's.
func controls() []vectors.Vector {
	const sec = "RFC 6455 4.2.1"
	draft2, v8 := "Sec-WebSocket-Draft: 2", "Sec-WebSocket-Version: 8"
	no := func(id, comment string, lines ...string) vectors.Vector {
		return row("control-"+id, sec, comment, upgrade(lines...), wire.ReasonHeadMalformed)
	}
	return []vectors.Vector{
		no("origin-75", "a vertical tab, which some take for a line end, in the origin", "Origin: http://a\x0bX: y"),
		no("origin-76", "a form feed, which some take for a line end, in the origin", "Origin: http://a\x0cX: y", k1Line, k2Line),
		no("origin-02", "a separator, which some take for a line end, in the origin", "Origin: http://a\x1eb", k1Line, k2Line, draft2),
		no("origin-8", "ESC in Sec-WebSocket-Origin", keyLine, "Sec-WebSocket-Origin: http://a\x1b[2J", v8),
		no("origin-13", "DEL in the origin", keyLine, "Origin: http://a\x7f", v13),
		no("protocol-75", "ESC in the subprotocol", orgLine, "WebSocket-Protocol: a\x1b[2J"),
		no("protocol-76", "the first control character after NUL in the subprotocol", orgLine, "Sec-WebSocket-Protocol: a\x01", k1Line, k2Line),
		no("protocol-76-old-name", "DEL in the subprotocol, by its older name", orgLine, "WebSocket-Protocol: \x7f", k1Line, k2Line),
		no("protocol-02", "the last control character below a space, between two subprotocols", orgLine, "Sec-WebSocket-Protocol: a\x1fb", k1Line, k2Line, draft2),
		no("protocol-13", "backspace in a list of subprotocols", keyLine, "Sec-WebSocket-Protocol: a, b\x08", v13),
		no("protocol-13-second", "a vertical tab in the second line of a list", keyLine, "Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: b\x0b", v13),
		pass("control-tab-13", sec, "a tab in a list of subprotocols is white space", upgrade(keyLine, "Sec-WebSocket-Protocol: a,\tb", v13), wire.RFC6455),
		pass("control-tab-75", sec, "a tab in the subprotocol", upgrade(orgLine, "WebSocket-Protocol: a\tb"), wire.Hixie75),
		pass("control-high-75", sec, "NEL and letters beyond ASCII in the origin", upgrade("Origin: http://a\u0085\u00e9"), wire.Hixie75),
		pass("control-elsewhere-13", sec, "ESC in a field that is not repeated", upgrade(keyLine, "User-Agent: a\x1b[2J", v13), wire.RFC6455),
	}
}

// bodies: an upgrade has none, but for the eight bytes of hixie-76 and hybi-02.
func bodies() []vectors.Vector {
	const sec, old = "RFC 6455 4.1", "hixie-76 5.2"
	length, chunked := "Content-Length: ", "Transfer-Encoding: chunked"
	return []vectors.Vector{
		trailed(row("rej-20", sec, "a body would be read as frames", upgrade(keyLine, v13, length+"3"), wire.ReasonBody), "abc"),
		row("body-8-13", sec, "a body of eight bytes belongs to the two keys", upgrade(keyLine, v13, length+"8"), wire.ReasonBody),
		row("body-chunked", sec, "a body in chunks", upgrade(keyLine, v13, chunked), wire.ReasonBody),
		row("body-chunked-8", "hybi-08 5.1", "a body in chunks with version 8", upgrade(keyLine, "Sec-WebSocket-Version: 8", chunked), wire.ReasonBody),
		pass("body-0", sec, "Content-Length: 0 is no body", upgrade(keyLine, v13, length+"0"), wire.RFC6455),
		pass("body-8-76", old, "the eight bytes are announced", upgrade(orgLine, k1Line, k2Line, length+"8"), wire.Hixie76),
		pass("body-8-02", "hybi-02 5.2", "the eight bytes are announced", upgrade(orgLine, k1Line, k2Line, "Sec-WebSocket-Draft: 2", length+"8"), wire.Hybi02),
		row("body-7-02", "hybi-02 5.2", "Content-Length: 7", upgrade(orgLine, k1Line, k2Line, "Sec-WebSocket-Draft: 2", length+"7"), wire.ReasonBody),
		row("body-8-4", "hybi-04 5.1", "a body of eight bytes with version 4", upgrade(keyLine, secOrg, "Sec-WebSocket-Version: 4", length+"8"), wire.ReasonBody),
		pass("body-0-76", old, "Content-Length: 0, although eight bytes follow", upgrade(orgLine, k1Line, k2Line, length+"0"), wire.Hixie76),
		row("body-7-76", old, "Content-Length: 7", upgrade(orgLine, k1Line, k2Line, length+"7"), wire.ReasonBody),
		row("body-16-76", old, "Content-Length: 16", upgrade(orgLine, k1Line, k2Line, length+"16"), wire.ReasonBody),
		row("body-chunked-76", old, "the eight bytes in a chunk", upgrade(orgLine, k1Line, k2Line, chunked), wire.ReasonBody),
		row("body-twice-76", old, "two lengths that differ", upgrade(orgLine, k1Line, k2Line, length+"8", length+"0"), wire.ReasonBody),
		row("body-75", "hixie-75 5.1", "hixie-75 with a body", upgrade(orgLine, length+"3"), wire.ReasonBody),
		row("body-twice", sec, "two lengths that differ, the first of which is none", upgrade(keyLine, v13, length+"0", length+"5"), wire.ReasonBody),
		row("body-twice-8", "hybi-08 5.1", "two lengths that differ, with version 8", upgrade(keyLine, "Sec-WebSocket-Version: 8", length+"0", length+"8"), wire.ReasonBody),
		row("body-twice-4", "hybi-04 5.1", "two lengths that differ, with version 4", upgrade(keyLine, secOrg, "Sec-WebSocket-Version: 4", length+"0", length+"5"), wire.ReasonBody),
		row("body-twice-02", "hybi-02 5.2", "two lengths that differ, and either alone would do", upgrade(orgLine, k1Line, k2Line, "Sec-WebSocket-Draft: 2", length+"0", length+"8"), wire.ReasonBody),
		row("body-twice-75", "hixie-75 5.1", "two lengths that differ, with hixie-75", upgrade(orgLine, length+"0", length+"5"), wire.ReasonBody),
		row("body-list", sec, "two lengths in one line", upgrade(keyLine, v13, length+"0, 5"), wire.ReasonBody),
		row("body-sign", sec, "a length with a sign", upgrade(keyLine, v13, length+"+0"), wire.ReasonBody),
	}
}

// hosts: Host is one host, as others make lists of it, put it into URLs and decide by it.
func hosts() []vectors.Vector {
	const sec = "RFC 6455 4.2.1"
	at := func(host string, lines ...string) string {
		return message(with([]string{getChat, "Host: " + host, upLine, connLine}, lines...)...)
	}
	all := []vectors.Vector{
		pass("host-port", sec, "a port", at("example.com:8080", keyLine, v13), wire.RFC6455),
		pass("host-port-empty", sec, "a colon and no port", at("example.com:", keyLine, v13), wire.RFC6455),
		pass("host-address", sec, "an IPv4 address", at("192.0.2.1:80", keyLine, v13), wire.RFC6455),
		pass("host-v6", sec, "an IPv6 address", at("[2001:db8::1]", keyLine, v13), wire.RFC6455),
		pass("host-v6-port", sec, "an IPv6 address with a port", at("[::1]:8080", keyLine, v13), wire.RFC6455),
		pass("host-underscore", sec, "a name that the DNS of some houses has", at("my_tv.local", keyLine, v13), wire.RFC6455),
	}
	for _, bad := range []struct{ id, host, comment string }{
		{"empty", "", "no host"}, {"list", "good, evil", "two hosts in one line"}, {"user", "evil@good", "a user"},
		{"quote", `a"b`, "a quote"}, {"space", "a b", "a space"}, {"escape", "a\x1bb", "a control character"},
		{"slash", "good/evil", "a path"}, {"query", "good?evil", "a query"}, {"fragment", "good#evil", "a fragment"},
		{"backslash", `good\evil`, "a backslash"}, {"ports", "good:80:90", "two ports"}, {"port-word", "good:evil", "a port that is no number"},
		{"port-only", ":80", "a port alone"}, {"v6-open", "[::1", "a bracket that stays open"}, {"v6-behind", "[::1]evil", "more behind the bracket"},
		{"v6-name", "[good]", "a name in brackets"}, {"v6-bare", "::1", "an IPv6 address without brackets"}, {"angle", "<good>", "angle brackets"},
		{"percent", "good%2eevil", "an escape"}, {"latin", "caf\u00e9", "a byte beyond ASCII"},
	} {
		all = append(all, row("host-"+bad.id, sec, bad.comment, at(bad.host, keyLine, v13), wire.ReasonHost))
	}
	for _, v := range []struct {
		id    string
		lines []string
	}{
		{"75", []string{orgLine}}, {"76", []string{orgLine, k1Line, k2Line}}, {"02", []string{orgLine, k1Line, k2Line, "Sec-WebSocket-Draft: 2"}},
		{"4", []string{keyLine, secOrg, "Sec-WebSocket-Version: 4"}}, {"8", []string{keyLine, "Sec-WebSocket-Version: 8"}},
	} {
		all = append(all, row("host-list-"+v.id, sec, "two hosts in one line", at("good, evil", v.lines...), wire.ReasonHost))
	}
	return all
}

// disabled: versions that are known and not served here.
func disabled() []vectors.Vector {
	const sec = "RFC 6455 4.4"
	off := func(id, comment, request string, enabled ...wire.Version) vectors.Vector {
		return only(row("off-"+id, sec, comment, request, wire.ReasonDisabled), enabled...)
	}
	return []vectors.Vector{
		off("13", "version 13 is not served", numbered("13"), wire.Hybi08, wire.Hybi07),
		off("8", "version 8 is not served", numbered("8"), wire.RFC6455, wire.Hybi07),
		off("7", "version 7 is not served", numbered("7"), wire.RFC6455),
		off("6", "version 6 is not served; the list holds its neighbours", numbered("6"), wire.RFC6455, wire.Hybi07, wire.Hybi05),
		off("5", "version 5 is not served; the list is in falling order", numbered("5"), wire.Hybi04, wire.Hybi06),
		off("4", "version 4 is not served; version 5 is", numbered("4"), wire.Hybi05),
		off("02", "hybi-02 is not served, although hixie-76 is", upgrade(orgLine, k1Line, k2Line, "Sec-WebSocket-Draft: 2"), wire.RFC6455, wire.Hixie76),
		off("76-not-02", "hixie-76 is not served, although hybi-02 is", upgrade(orgLine, k1Line, k2Line), wire.RFC6455, wire.Hybi02),
		off("76", "hixie-76 is not served; the list cannot name it anyway", upgrade(orgLine, k1Line, k2Line), wire.RFC6455, wire.Hybi08, wire.Hybi07),
		off("75", "hixie-75 is not served", upgrade(orgLine), wire.RFC6455, wire.Hixie76),
		off("75-no-origin", "no clue and no origin, where hixie-75 is not served", upgrade(), wire.RFC6455),
		off("13-hixie-only", "only versions without a number are served: there is no list", numbered("13"), wire.Hixie75, wire.Hixie76),
		only(row("off-unknown", sec, "an unknown version; the list holds what is served", numbered("99"), wire.ReasonVersion), wire.RFC6455),
		only(row("off-no-version", "RFC 6455 4.2.1", "a key without a version; the list holds what is served", upgrade(keyLine), wire.ReasonVersionMissing), wire.RFC6455, wire.Hixie76),
		only(row("off-plain", sec, "an ordinary request; the list holds what is served", message(getChat, hostLine), wire.ReasonNotWebSocket), wire.Hybi08),
		only(pass("on-02", sec, "hybi-02 is served alone", upgrade(orgLine, k1Line, k2Line, "Sec-WebSocket-Draft: 2"), wire.Hybi02), wire.Hybi02),
		only(pass("on-4", sec, "hybi-04 is served alone", numbered("4"), wire.Hybi04), wire.Hybi04),
		only(pass("on-76", sec, "hixie-76 is served alone", upgrade(orgLine, k1Line, k2Line), wire.Hixie76), wire.Hixie76),
	}
}
