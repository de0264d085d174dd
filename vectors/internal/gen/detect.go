package gen

import (
	"strings"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// Lines that requests of the detect file are made of.
const (
	getChat  = "GET /chat HTTP/1.1"
	hostLine = "Host: server.example.com"
	upLine   = "Upgrade: websocket"
	connLine = "Connection: Upgrade"
	keyLine  = "Sec-WebSocket-Key: " + sampleKey
	orgLine  = "Origin: http://example.com"
	secOrg   = "Sec-WebSocket-Origin: http://example.com"
	k1Line   = "Sec-WebSocket-Key1: " + key1A
	k2Line   = "Sec-WebSocket-Key2: " + key2A
	v13      = "Sec-WebSocket-Version: 13"
)

// upgrade returns a request that asks for WebSocket, with these lines.
func upgrade(lines ...string) string {
	return message(with([]string{getChat, hostLine, upLine, connLine}, lines...)...)
}

// numbered returns a request with a key and this version.
func numbered(version string) string {
	return upgrade(keyLine, "Sec-WebSocket-Version: "+version)
}

// detect returns the vectors of version selection.
func detect() []vectors.Vector {
	var l list
	l.add(accepted()...)
	l.add(plainHTTP()...)
	l.add(tokens()...)
	l.add(numbers()...)
	l.add(repeats()...)
	l.add(mixtures()...)
	l.add(hixieShapes()...)
	l.add(origins()...)
	l.add(controls()...)
	l.add(bodies()...)
	l.add(hosts()...)
	l.add(disabled()...)
	l.add(tolerances()...)
	return l
}

// row is a refusal with the default settings.
func row(id, section, comment, request string, reason wire.Reason) vectors.Vector {
	return refused("any-"+id, section, comment, request, reason)
}

// pass is a request that is accepted.
func pass(id, section, comment, request string, v wire.Version) vectors.Vector {
	return found("any-"+id, section, comment, request, v)
}

// accepted: each version in its plain form.
func accepted() []vectors.Vector {
	const sec = "RFC 6455 4.2.1"
	return []vectors.Vector{
		pass("ok-13", sec, "version 13", upgrade(keyLine, orgLine, v13), wire.RFC6455),
		pass("ok-8", "hybi-08 5.2.1", "version 8", upgrade(keyLine, secOrg, "Sec-WebSocket-Version: 8"), wire.Hybi08),
		pass("ok-7", "hybi-07 5.2.1", "version 7", upgrade(keyLine, secOrg, "Sec-WebSocket-Version: 7"), wire.Hybi07),
		pass("ok-6", "hybi-06 5.2.1", "version 6", upgrade(keyLine, secOrg, "Sec-WebSocket-Version: 6"), wire.Hybi06),
		pass("ok-5", "hybi-05 5.2.1", "version 5", upgrade(keyLine, secOrg, "Sec-WebSocket-Version: 5"), wire.Hybi05),
		pass("ok-4", "hybi-04 5.2.1", "version 4", upgrade(keyLine, secOrg, "Sec-WebSocket-Version: 4"), wire.Hybi04),
		pass("ok-02", "hybi-02 5.2.1", "two keys and draft 2: hybi-02", upgrade(orgLine, k1Line, k2Line, "Sec-WebSocket-Draft: 2"), wire.Hybi02),
		pass("ok-02-draft-1", "hybi-01 5.2.1", "draft 1 speaks as draft 2 does", upgrade(orgLine, k1Line, k2Line, "Sec-WebSocket-Draft: 1"), wire.Hybi02),
		pass("ok-02-draft-3", "hybi-03 5.2.1", "draft 3 speaks as draft 2 does", upgrade(orgLine, k1Line, k2Line, "Sec-WebSocket-Draft: 3"), wire.Hybi02),
		pass("ok-02-names", "hybi-02 5.2.1", "the case of names means nothing", upgrade(orgLine, k1Line, k2Line, "SEC-WEBSOCKET-DRAFT: 2"), wire.Hybi02),
		pass("ok-76", "hixie-76 5.1", "two keys: hixie-76", ask76("/chat", "server.example.com", "http://example.com", key1A, key2A), wire.Hixie76),
		pass("ok-75", "hixie-75 5.1", "no key at all: hixie-75", ask75("/chat", "server.example.com", "http://example.com"), wire.Hixie75),
		pass("ok-75-protocol", "hixie-75 5.1", "WebSocket-Protocol is hixie-75's own", upgrade(orgLine, "WebSocket-Protocol: sample"), wire.Hixie75),
		pass("ok-76-draft-0", "hixie-76 5.1", "draft 0 is hixie-76", upgrade(orgLine, k1Line, k2Line, "Sec-WebSocket-Draft: 0"), wire.Hixie76),
		pass("ok-76-draft-76", "hixie-76 5.1", "draft 76 is hixie-76", upgrade(orgLine, k1Line, k2Line, "Sec-WebSocket-Draft: 76"), wire.Hixie76),
		pass("ok-76-names", "hixie-76 5.1", "the case of names means nothing", upgrade(orgLine, "SEC-WEBSOCKET-KEY1: "+key1A, "sec-websocket-key2: "+key2A), wire.Hixie76),
		pass("ok-upgrade-case", sec, "the case of the token in Upgrade tells no version", message(getChat, hostLine, "Upgrade: WebSocket", connLine, keyLine, v13), wire.RFC6455),
		pass("ok-lower-75", "hixie-75 5.1", "a lower-case token does not make a hixie request newer", upgrade(orgLine), wire.Hixie75),
		pass("ok-absolute", sec, "an absolute target", message("GET http://server.example.com/chat HTTP/1.1", hostLine, upLine, connLine, keyLine, v13), wire.RFC6455),
		pass("ok-absolute-ws", "hybi-08 5.2.1", "an absolute target with the scheme ws", message("GET ws://server.example.com/chat HTTP/1.1", hostLine, upLine, connLine, keyLine, "Sec-WebSocket-Version: 8"), wire.Hybi08),
		pass("ok-old-keys", "hybi-08 5.2.1", "a key of 15 bytes, as npm ws 0.2 sends it with version 8", upgrade("Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0O", "Sec-WebSocket-Version: 8"), wire.Hybi08),
		pass("ok-key-80", "hybi-06 5.2.1", "a key of 80 characters with version 6", upgrade("Sec-WebSocket-Key: "+strings.Repeat("0123456789", 8), "Sec-WebSocket-Version: 6"), wire.Hybi06),
		pass("ok-key-short", "hybi-04 5.2.1", "a key of one character with version 4", upgrade("Sec-WebSocket-Key: k", "Sec-WebSocket-Version: 4"), wire.Hybi04),
		pass("ok-key-loose", sec, "the last character of a key need not be canonical (erratum 3150)", upgrade("Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC==", v13), wire.RFC6455),
	}
}

// plainHTTP: what is wrong before WebSocket begins.
func plainHTTP() []vectors.Vector {
	const sec = "RFC 6455 4.1"
	return []vectors.Vector{
		row("rej-17", sec, "POST", message("POST /chat HTTP/1.1", hostLine, upLine, connLine, keyLine, v13), wire.ReasonMethod),
		row("method-head", sec, "HEAD", message("HEAD /chat HTTP/1.1", hostLine, upLine, connLine, keyLine, v13), wire.ReasonMethod),
		row("method-case", sec, "methods have one case", message("get /chat HTTP/1.1", hostLine, upLine, connLine, keyLine, v13), wire.ReasonMethod),
		row("rej-16", sec, "HTTP/1.0", message("GET /chat HTTP/1.0", hostLine, upLine, connLine, keyLine, v13), wire.ReasonHTTPVersion),
		row("target-star", sec, "a target for OPTIONS", message("GET * HTTP/1.1", hostLine, upLine, connLine, keyLine, v13), wire.ReasonHeadMalformed),
		row("target-authority", sec, "a target for CONNECT", message("GET server.example.com:80 HTTP/1.1", hostLine, upLine, connLine, keyLine, v13), wire.ReasonHeadMalformed),
		row("target-word", sec, "a path without its slash", message("GET chat HTTP/1.1", hostLine, upLine, connLine, keyLine, v13), wire.ReasonHeadMalformed),
		row("target-at-75", "hixie-75 5.1", "a target that, put behind the host, makes it a user", message("GET @evil.example/chat HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade", hostLine, orgLine), wire.ReasonHeadMalformed),
		row("target-dot-76", "hixie-76 5.2", "a target that, put behind the host, makes another", message("GET .evil.example/chat HTTP/1.1", hostLine, upLine, connLine, orgLine, k1Line, k2Line), wire.ReasonHeadMalformed),
		row("upgrade-long-s", sec, "only ASCII has case: a long s is no s", message(getChat, hostLine, "Upgrade: web\u00c5\u00bfocket", connLine, keyLine, v13), wire.ReasonStrayHeader),
		row("upgrade-kelvin", sec, "only ASCII has case: the Kelvin sign is no k", message(getChat, hostLine, "Upgrade: websoc\u00e2\u0084\u00aaet", connLine, keyLine, v13), wire.ReasonStrayHeader),
		row("host-none", sec, "no Host", message(getChat, upLine, connLine, keyLine, v13), wire.ReasonHost),
		row("host-twice", sec, "two Host lines", message(getChat, hostLine, hostLine, upLine, connLine, keyLine, v13), wire.ReasonHost),
		row("plain", sec, "an ordinary request", message(getChat, hostLine), wire.ReasonNotWebSocket),
		row("plain-h2c", sec, "an upgrade to something else", message(getChat, hostLine, "Upgrade: h2c", connLine), wire.ReasonNotWebSocket),
	}
}

// tokens: Upgrade and Connection.
func tokens() []vectors.Vector {
	const sec = "RFC 6455 4.2.1"
	conn := func(lines ...string) string {
		return message(with(with([]string{getChat, hostLine, upLine}, lines...), keyLine, v13)...)
	}
	return []vectors.Vector{
		pass("conn-list", sec, "upgrade is one token of a list", conn("Connection: keep-alive, Upgrade"), wire.RFC6455),
		pass("conn-lines", sec, "upgrade stands in the second line of the list", conn("Connection: keep-alive", "Connection: Upgrade"), wire.RFC6455),
		pass("conn-case", sec, "the case of the token means nothing", conn("connection: UPGRADE"), wire.RFC6455),
		pass("conn-space", sec, "empty members and white space in the list", conn("Connection: ,keep-alive ,\tupgrade ,"), wire.RFC6455),
		pass("upgrade-list", sec, "websocket is one token of Upgrade", message(getChat, hostLine, "Upgrade: h2c, websocket", connLine, keyLine, v13), wire.RFC6455),
		pass("conn-list-75", "hixie-75 5.1", "a list in Connection of a hixie-75 request", message(getChat, "Upgrade: WebSocket", "Connection: keep-alive, Upgrade", hostLine, orgLine), wire.Hixie75),
		row("conn-none", sec, "no Connection", conn(), wire.ReasonStrayHeader),
		row("conn-other", sec, "upgrade is only part of a token", conn("Connection: upgrades"), wire.ReasonStrayHeader),
		row("conn-spaces", sec, "tokens without a comma are one token", conn("Connection: keep-alive Upgrade"), wire.ReasonStrayHeader),
		row("upgrade-none", sec, "no Upgrade", message(getChat, hostLine, connLine, keyLine, v13), wire.ReasonStrayHeader),
		row("upgrade-other", sec, "websocket is only part of a token", message(getChat, hostLine, "Upgrade: websockets", connLine, keyLine, v13), wire.ReasonStrayHeader),
		row("stray-key", sec, "a key and nothing else", message(getChat, hostLine, keyLine), wire.ReasonStrayHeader),
		row("stray-version", sec, "a version and nothing else", message(getChat, hostLine, v13), wire.ReasonStrayHeader),
		row("stray-76", "hixie-76 5.1", "a proxy took Upgrade and Connection from a hixie-76 request", message(getChat, hostLine, orgLine, k1Line, k2Line), wire.ReasonStrayHeader),
		row("stripped-75", "hixie-75 5.1", "a proxy took Upgrade and Connection from a hixie-75 request: nothing is left of it", message(getChat, hostLine, orgLine), wire.ReasonNotWebSocket),
		row("conn-none-75", "hixie-75 5.1", "hixie-75 without Connection", message(getChat, "Upgrade: WebSocket", hostLine, orgLine), wire.ReasonNotWebSocket),
	}
}

// numbers: values of Sec-WebSocket-Version.
func numbers() []vectors.Vector {
	const known, form = "RFC 6455 4.4", "RFC 6455 4.3"
	var l list
	for _, n := range []struct{ id, value, comment string }{
		{"rej-12", "0", "version 0 was never sent"},
		{"v1", "1", "draft 01 sent no version"},
		{"v2", "2", "draft 02 sent no version"},
		{"v3", "3", "draft 03 sent no version"},
		{"rej-02", "9", "draft 09 sends version 8"},
		{"rej-03", "10", "draft 10 sends version 8"},
		{"rej-04", "11", "draft 11 sends version 8"},
		{"rej-05", "12", "draft 12 sends version 8"},
		{"v14", "14", "no version is above 13"},
		{"rej-01", "25", "a version of the future"},
		{"v99", "99", "a version that cannot be"},
		{"v255", "255", "the highest number"},
	} {
		l.add(row(n.id, known, n.comment, numbered(n.value), wire.ReasonVersion))
	}
	for _, n := range []string{"4", "5", "6"} {
		l.add(only(row("v"+n, known, "version "+n+" is known and not served", numbered(n), wire.ReasonDisabled), shipped...))
	}
	for _, n := range []struct{ id, value, comment string }{
		{"rej-13", "013", "a leading zero"},
		{"version-list", "13, 8", "a list in one line"},
		{"version-plus", "+13", "a sign"},
		{"version-minus", "-1", "a negative number"},
		{"version-256", "256", "a number above 255"},
		{"version-long", "13000000000000000000013", "a number that overflows"},
		{"version-empty", "", "no value"},
		{"version-word", "draft-8", "a word"},
		{"version-point", "13.0", "a point"},
		{"version-hex", "0xd", "a number in another base"},
		{"version-00", "00", "two zeros"},
		{"version-space", "1 3", "a space inside"},
		{"version-wide", "\u00B98", "a digit that is not ASCII"},
	} {
		l.add(row(n.id, form, n.comment, numbered(n.value), wire.ReasonBadVersion))
	}
	return append(l,
		row("version-unknown-no-key", known, "an unknown version comes first, its key is not asked for", upgrade("Sec-WebSocket-Version: 99"), wire.ReasonVersion),
		row("rej-06", "RFC 6455 4.2.1", "a key without a version is never taken for an old request", upgrade(keyLine), wire.ReasonVersionMissing),
		row("rej-07", "RFC 6455 4.2.1", "a version without a key", upgrade(v13), wire.ReasonKeyMissing),
		row("key-missing-8", "hybi-08 5.2.1", "version 8 without a key", upgrade("Sec-WebSocket-Version: 8"), wire.ReasonKeyMissing),
		row("rej-14", "RFC 6455 4.2.1", "a key of one byte", upgrade("Sec-WebSocket-Key: YQ==", v13), wire.ReasonBadKey),
		row("rej-15", "RFC 6455 4.2.1", "a key that is not base64", upgrade("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==", v13), wire.ReasonBadKey),
		row("key-15", "RFC 6455 4.2.1", "a key of 15 bytes with version 13", upgrade("Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0O", v13), wire.ReasonBadKey),
		row("key-17", "RFC 6455 4.2.1", "a key of 17 bytes", upgrade("Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODxA=", v13), wire.ReasonBadKey),
		row("key-bare", "RFC 6455 4.2.1", "a key without its padding", upgrade("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ", v13), wire.ReasonBadKey),
		row("key-url", "RFC 6455 4.2.1", "a key in the alphabet of URLs", upgrade("Sec-WebSocket-Key: _-hlIHNhbXBsZSBub25jZQ==", v13), wire.ReasonBadKey),
		row("key-empty", "RFC 6455 4.2.1", "an empty key", upgrade("Sec-WebSocket-Key: ", v13), wire.ReasonBadKey),
		row("key-missing-4", "hybi-04 5.2.1", "version 4 without a key", upgrade("Sec-WebSocket-Version: 4"), wire.ReasonKeyMissing),
		row("key-empty-4", "hybi-04 5.2.1", "an empty key with version 4", upgrade("Sec-WebSocket-Key: ", "Sec-WebSocket-Version: 4"), wire.ReasonBadKey),
		row("key-empty-6", "hybi-06 5.2.1", "an empty key with version 6", upgrade("Sec-WebSocket-Key: ", "Sec-WebSocket-Version: 6"), wire.ReasonBadKey),
		row("key-81-5", "hybi-05 5.2.1", "a key of 81 characters with version 5, longer than any that was sent", upgrade("Sec-WebSocket-Key: "+strings.Repeat("0123456789", 8)+"0", "Sec-WebSocket-Version: 5"), wire.ReasonBadKey),
		row("key-empty-8", "hybi-08 5.2.1", "an empty key with version 8", upgrade("Sec-WebSocket-Key: ", "Sec-WebSocket-Version: 8"), wire.ReasonBadKey),
	)
}
