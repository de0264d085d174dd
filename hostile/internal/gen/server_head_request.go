package gen

import (
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// badHosts are values of Host that are no authority (RFC 3986 3.2.2), and must get a 400
// (RFC 9112 3.2).
var badHosts = []struct{ name, value string }{
	{"list", "good.example, evil.example"},
	{"userinfo", "evil.example@good.example"},
	{"password", "a:b@good.example"},
	{"quote", `a"b`},
	{"space", "a b"},
	{"tab", "a\tb"},
	{"escape", "a\x1b[2Jb"},
	{"nul", "a\x00b"},
	{"two-ports", "good.example:80:90"},
	{"port-word", "good.example:http"},
	{"port-sign", "good.example:-1"},
	{"bracket-open", "[::1"},
	{"bracket-close", "::1]"},
	{"bracket-more", "[::1]evil.example"},
	{"bracket-name", "[good.example]"},
	{"path", "good.example/x"},
	{"fragment", "good.example#x"},
	{"query", "good.example?x"},
	{"backslash", `good.example\x`},
	{"percent", "good.example%"},
	{"percent-word", "good.example%zz"},
	{"angle", "<good.example>"},
	{"pipe", "good|example"},
	{"caret", "good^example"},
	{"url", "http://good.example"},
	{"obs-text", "b\u00fccher.example"},
}

// headHosts: no Host, two, and what is none. The origin is of the same host, so that a
// check of origins does not hide the check of Host.
func (l *list) headHosts() {
	for i, b := range badHosts {
		when := everyVersion
		if i > 1 { // these are enough to see that each version looks
			when = named("hixie-76", "rfc6455")
		}
		l.each("head/host-"+b.name, when, func(d dialect) hostile.Case {
			return hostile.Case{Comment: "Host is not a host and a port (RFC 9112 3.2)",
				Steps: ask(d.request().set("Host", b.value).set(d.origin, "http://"+b.value)), Verdict: refused(400, 403)}
		})
	}
	for _, c := range []struct{ name, comment, host string }{
		{"missing", "no Host", ""},
		{"two-equal", "Host twice, with the same value", "Host: {host}\r\nHost: {host}"},
		{"two", "two Hosts", "Host: {host}\r\nHost: evil.example"},
		{"two-first-evil", "two Hosts, the right one last", "Host: evil.example\r\nHost: {host}"},
		{"two-empty", "two Hosts, one of them empty", "Host:\r\nHost: {host}"},
	} {
		l.each("head/host-"+c.name, named("hixie-75", "hixie-76", "rfc6455"), func(d dialect) hostile.Case {
			h := d.request().drop("Host")
			if c.host != "" {
				h = d.request().replace("Host", strings.Split(c.host, "\r\n")...)
			}
			return hostile.Case{Comment: c.comment + " (RFC 9112 3.2)", Steps: ask(h), Verdict: refused(400)}
		})
	}
	l.add("head/host-long", hostile.Case{Version: rfc.name, Comment: "a host of 12 KiB", Rounds: 20,
		Steps: ask(rfc.request().set("Host", gap(6*kib, "a.")).drop("Origin")), Verdict: either()})
}

// targetHoles: what a proxy or a server puts together from its own name and such a
// target is the URL of another host.
var targetHoles = map[string][]string{"at-host": {"CVE-2011-3368"}, "dot-host": {"CVE-2011-3368"}, "colon-host": {"CVE-2011-4317"}}

// headTargets: what is asked for.
func (l *list) headTargets() {
	for _, c := range []struct {
		name, target string
		verdict      hostile.Verdict
	}{
		{"absolute", "http://{host}/", either()},
		{"absolute-ws", "ws://{host}/", either()},
		{"absolute-other", "http://evil.example/", either()},
		{"absolute-user", "http://a:b@{host}/", either()},
		{"absolute-empty", "http:///", either()},
		{"absolute-open", "http://[", either()},
		{"asterisk", "*", either()},
		{"authority", "{host}", refused()},
		{"word", "x", refused()},
		{"at-host", "@evil.example/", refused()},
		{"dot-host", ".evil.example/", refused()},
		{"colon-host", ":80@evil.example/", refused()},
		{"empty", "", refused()},
		{"fragment", "/#x", either()},
		{"backslash", `/\..\..`, either()},
		{"space", "/a b", refused()},
		{"tab", "/a\tb", refused()},
		{"nul", "/\x00", refused()},
		{"control", "/\x01", refused()},
		{"delete", "/\x7f", either()},
		{"escape", "/\x1b[2J", refused()},
		{"cr", "/\rX: y", refused()},
		{"obs-text", "/\u00e4", either()},
		{"quote", `/"<>`, either()},
		{"dots", "/../../../../etc/passwd", either()},
		{"percent-nul", "/%00", either()},
		{"percent-bad", "/%zz", either()},
		{"percent-crlf", "/%0d%0aX-Injected:%20y", either()},
		{"slashes", gap(12*kib, "/"), either()},
		{"dots-12kib", gap(4*kib, "/.."), either()},
		{"percents-12kib", "/" + gap(4*kib, "%25"), either()},
		{"query-12kib", "/?" + gap(6*kib, "a&"), either()},
	} {
		when := named("hixie-76", "rfc6455")
		if strings.Contains(c.target, gapMark) {
			when = finished
		}
		l.each("head/target-"+c.name, when, func(d dialect) hostile.Case {
			return hostile.Case{Holes: targetHoles[c.name], Comment: "a request target that is odd; hixie answers repeat it", Steps: ask(d.request().target(c.target)),
				Verdict: never(c.verdict, "\nX-Injected", "\rX: y", "\x1b", ".evil.example", "@evil.example")}
		})
	}
}

// headStarts: the request line.
func (l *list) headStarts() {
	for _, c := range []struct{ name, line string }{
		{"http-09", "GET /"},
		{"http-10", "GET / HTTP/1.0"},
		{"http-20", "GET / HTTP/2.0"},
		{"http-99", "GET / HTTP/9.9"},
		{"http-long", "GET / HTTP/1.11111111111111111111"},
		{"http-lower", "GET / http/1.1"},
		{"http-space", "GET / HTTP /1.1"},
		{"http-word", "GET / HTTP/one.one"},
		{"http-none", "GET / HTTP/"},
		{"http-other", "GET / ICY/1.1"},
		{"method-post", "POST / HTTP/1.1"},
		{"method-head", "HEAD / HTTP/1.1"},
		{"method-options", "OPTIONS / HTTP/1.1"},
		{"method-connect", "CONNECT {host} HTTP/1.1"},
		{"method-trace", "TRACE / HTTP/1.1"},
		{"method-lower", "get / HTTP/1.1"},
		{"method-prefix", "GE / HTTP/1.1"},
		{"method-longer", "GETT / HTTP/1.1"},
		{"method-none", " / HTTP/1.1"},
		{"method-nul", "GET\x00 / HTTP/1.1"},
		{"method-bad", "G(E)T / HTTP/1.1"},
	} {
		when := everyVersion
		if !strings.HasPrefix(c.name, "method-p") && c.name != "http-10" {
			when = named("hixie-76", "rfc6455")
		}
		l.each("head/line-"+c.name, when, func(d dialect) hostile.Case {
			return hostile.Case{Comment: "a request line with which no handshake begins", Steps: try(d.request().start(c.line)), Verdict: unopened()}
		})
	}
	for _, c := range []struct{ name, line string }{
		{"http-12", "GET / HTTP/1.2"},
		{"spaces", "GET   /   HTTP/1.1"},
		{"tab", "GET\t/\tHTTP/1.1"},
		{"space-behind", "GET / HTTP/1.1 "},
		{"space-before", " GET / HTTP/1.1"},
		{"crlf-before", "\r\nGET / HTTP/1.1"},
		{"lf-before", "\nGET / HTTP/1.1"},
		{"nul-before", "\x00GET / HTTP/1.1"},
		{"bom-before", "\u00ef\u00bb\u00bfGET / HTTP/1.1"},
	} {
		l.add("head/line-"+c.name, hostile.Case{Version: rfc.name, Comment: "a request line that is nearly right", Steps: ask(rfc.request().start(c.line)), Verdict: either()})
	}
	l.add("head/line-preface", hostile.Case{Comment: "the preface of HTTP/2 in clear",
		Steps: steps(send(h2Preface), hold(1*sec)), Verdict: unopened()})
}

// headUpgrades: Upgrade and Connection that do not ask for WebSocket, or in another way.
func (l *list) headUpgrades() {
	for _, c := range []struct {
		name, field, value string
		verdict            hostile.Verdict
	}{
		{"prefix", "Upgrade", "websocke", unopened()},
		{"longer", "Upgrade", "websocketx", unopened()},
		{"two-words", "Upgrade", "web socket", unopened()},
		{"nul", "Upgrade", "websocket\x00", unopened()},
		{"quoted", "Upgrade", `"websocket"`, unopened()},
		{"parameter", "Upgrade", "websocket;a=b", unopened()},
		{"empty", "Upgrade", "", unopened()},
		{"h2c", "Upgrade", "h2c", unopened()},
		{"semicolons", "Upgrade", "h2c; websocket", unopened()},
		{"version", "Upgrade", "websocket/13", either()},
		{"list", "Upgrade", "h2c, websocket", either()},
		{"list-behind", "Upgrade", "websocket, h2c", either()},
		{"connection-close", "Connection", "close", unopened()},
		{"connection-keep", "Connection", "keep-alive", unopened()},
		{"connection-prefix", "Connection", "upgrad", unopened()},
		{"connection-longer", "Connection", "upgrade-insecure", unopened()},
		{"connection-empty", "Connection", "", unopened()},
		{"connection-quoted", "Connection", `"upgrade"`, unopened()},
		{"connection-both", "Connection", "close, Upgrade", either()},
		{"connection-fields", "Connection", "Upgrade, Sec-WebSocket-Key, Sec-WebSocket-Version, Host", either()},
	} {
		l.add("head/upgrade-"+c.name, hostile.Case{Version: rfc.name, Comment: c.field + " is not what a handshake has",
			Steps: try(rfc.request().set(c.field, c.value)), Verdict: c.verdict})
	}
	for _, c := range []struct{ name, comment, value string }{
		{"kelvin", "U+212A, of which the small letter is a k", "websoc\u00e2\u0084\u00aaet"},
		{"long-s", "U+017F, of which the capital letter is an S", "web\u00c5\u00bfocket"},
	} {
		l.each("head/upgrade-"+c.name, everyVersion, func(d dialect) hostile.Case {
			return hostile.Case{Comment: "a word that is websocket to who compares it as Unicode: " + c.comment, Steps: try(d.request().set("Upgrade", c.value)), Verdict: unopened()}
		})
	}
	for _, name := range []string{"Upgrade", "Connection"} {
		l.each("head/upgrade-no-"+strings.ToLower(name), everyVersion, func(d dialect) hostile.Case {
			return hostile.Case{Comment: "no " + name, Steps: try(d.request().drop(name)), Verdict: unopened()}
		})
	}
	for _, c := range []struct{ name, field, line string }{
		{"kelvin", "Sec-WebSocket-Key", "Sec-WebSoc\u00e2\u0084\u00aaet-Key: " + sampleKey},
		{"underscore", "Sec-WebSocket-Key", "Sec_WebSocket_Key: " + sampleKey},
		{"underscore-version", "Sec-WebSocket-Version", "Sec_WebSocket_Version: 13"},
		{"underscore-host", "Host", "HTTP_HOST: {host}"},
		{"nul", "Sec-WebSocket-Key", "Sec-WebSocket-Key\x00: " + sampleKey},
	} {
		h := rfc.request().replace(c.field, c.line)
		l.add("head/name-"+c.name, hostile.Case{Version: rfc.name, Comment: "a name that is another one to some programs: " + c.field + " is missing",
			Steps: try(h), Verdict: unopened()})
	}
}
