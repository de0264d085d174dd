package gen

import (
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// frontForms has requests whose form is not the one of a handshake.
func frontForms(l *list) {
	form := func(name, comment string, when func(dialect) bool, v hostile.Verdict, f func(h head) head) {
		l.each("smuggle/form-"+name, when, func(d dialect) hostile.Case {
			return hostile.Case{Comment: comment, Steps: asks(f(d.request())), Verdict: v}
		})
	}
	some := spoken("hixie-75", "hixie-76", "hybi-04", "rfc6455")
	line := func(s string) func(h head) head { return func(h head) head { return h.start(s) } }
	form("http-10", "A handshake in HTTP/1.0, in which an Upgrade is not looked at (RFC 9110 7.8).", everyVersion, beyondIs(shut(), 1), line("GET / HTTP/1.0"))
	form("http-09", "A handshake without a version of HTTP.", some, beyondIs(shut(), 1), line("GET /"))
	form("http-20", "A handshake that says it is HTTP/2.0.", some, beyondIs(shut(), 1), line("GET / HTTP/2.0"))
	form("http-12", "A handshake in HTTP/1.2, which is HTTP/1.1 to who does not know it.", some, beyondIs(whatever(), 1), line("GET / HTTP/1.2"))
	form("absolute", "A target in the absolute form, for the same host.", some, beyondIs(whatever(), 1), line("GET http://{host}/ HTTP/1.1"))
	form("absolute-other", "A target in the absolute form, for another host: no backend is to be found by it.", some, beyondIs(whatever(), 1), line("GET http://192.0.2.66/ HTTP/1.1"))
	form("absolute-file", "A target in the absolute form, with the scheme file.", some, beyondIs(whatever(), 1), line("GET file:///etc/passwd HTTP/1.1"))
	form("connect", "CONNECT: a proxy for WebSocket is not one for everything.", some, beyondIs(shut(), 1), line("CONNECT 192.0.2.66:22 HTTP/1.1"))
	form("connect-own", "CONNECT to the proxy itself.", some, beyondIs(shut(), 1), line("CONNECT {host} HTTP/1.1"))
	form("star", "The target *, which belongs to OPTIONS.", some, beyondIs(shut(), 1), line("GET * HTTP/1.1"))
	for _, m := range []string{"get", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "GETT", "G\x00ET"} {
		form("method-"+strings.ToLower(strings.ReplaceAll(m, "\x00", "nul-"))+map[bool]string{true: "-small", false: ""}[m == "get"],
			"A handshake whose method is not GET.", finished, beyondIs(shut(), 1), func(h head) head { return h.start(strings.Replace(h.line, "GET", m, 1)) })
	}
	l.add("smuggle/form-h2-preface", hostile.Case{
		Comment: "The preface of HTTP/2 in clear, with SETTINGS and a PING.",
		Steps: steps(send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []byte{0, 0, 0, 4, 0, 0, 0, 0, 0},
			[]byte{0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}), hold(sec)),
		Verdict: beyondIs(whatever(), 0),
	})
	frontHosts(l)
}

// frontHosts has fields Host for which RFC 9112 3.2 has a request refused, with 400.
func frontHosts(l *list) {
	host := func(name, comment string, when func(dialect) bool, f func(h head) head) {
		l.each("smuggle/host-"+name, when, func(d dialect) hostile.Case {
			return hostile.Case{Comment: comment, Steps: asks(f(d.request())), Verdict: beyondIs(refused(), 0)}
		})
	}
	host("none", "A request without Host.", everyVersion, func(h head) head { return h.drop("Host") })
	host("two", "A request with two Host.", everyVersion, func(h head) head { return h.with("Host: evil.example") })
	host("list", "A Host that is a list: a backend may take it apart.", everyVersion, func(h head) head { return h.set("Host", "{host}, evil.example") })
	for _, v := range []struct{ name, value string }{
		{"user", "evil@{host}"}, {"quote", `a"b`}, {"blank", "a b"}, {"escape", "a\x1b[2J"}, {"slash", "{host}/evil"}, {"backslash", `a\b`}, {"query", "{host}?x"},
		{"fragment", "{host}#x"}, {"port-word", "example:http"}, {"bracket", "[::1"}, {"angle", "<script>"}, {"nul", "a\x00b"}, {"tab", "a\tb"}, {"high", "\u00e9.example"},
	} {
		host(v.name, "A Host that is no host: "+v.name+".", spoken("hixie-75", "rfc6455"), func(h head) head { return h.set("Host", v.value) })
	}
}

// frontHops has what a client says about the connection to the proxy, which concerns
// nobody behind (RFC 9110 7.6.1), and asks for other protocols.
func frontHops(l *list) {
	hop := func(name, comment string, v hostile.Verdict, f func(h head) head) {
		l.each("smuggle/hop-"+name, spoken("hixie-76", "hybi-04", "rfc6455"), func(d dialect) hostile.Case {
			return hostile.Case{Comment: comment, Steps: asks(f(d.request())), Verdict: v}
		})
	}
	hop("named", "Connection names a field of its own: a proxy has to take it out.", beyondIs(whatever(), 1, "X-Hop-Secret"), func(h head) head {
		return h.set("Connection", "Upgrade, X-Hop-Secret").with("X-Hop-Secret: 1")
	})
	hop("real-host", "Connection: close, X-Real-Host, and no upgrade.", beyondIs(shut(), 1, "X-Real-Host"), func(h head) head {
		return h.set("Connection", "close, X-Real-Host").with("X-Real-Host: evil.example")
	})
	for _, name := range []string{"Host", "Origin", "Cookie", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "X-Forwarded-For", "Connection", "Transfer-Encoding"} {
		hop("names-"+strings.ToLower(name), "Connection names "+name+", so that a proxy leaves out what the backend needs to know.", beyondIs(whatever(), 1), func(h head) head {
			return h.set("Connection", "Upgrade, "+name).with("Cookie: a=b")
		})
	}
	hop("close", "Connection: close, Upgrade.", beyondIs(whatever(), 1), func(h head) head { return h.set("Connection", "close, Upgrade") })
	hop("h2c", "Upgrade: h2c, with HTTP2-Settings: who passes that on opens a way to all of the backend.", beyondIs(shut(), 1, "Upgrade: h2c", "upgrade: h2c"),
		func(h head) head {
			return h.set("Upgrade", "h2c").set("Connection", "Upgrade, HTTP2-Settings").with("HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA")
		})
	hop("list", "Upgrade: websocket, h2c.", beyondIs(whatever(), 1, "h2c"), func(h head) head { return h.set("Upgrade", "websocket, h2c") })
	hop("two-upgrades", "Two Upgrade, of which the second is h2c.", beyondIs(whatever(), 1, "h2c"), func(h head) head { return h.with("Upgrade: h2c") })
	hop("many-names", "Connection has 1,000 names.", beyondIs(whatever(), 1), func(h head) head {
		return h.set("Connection", "Upgrade"+strings.Repeat(", a", 1000))
	})
}

// frontInjections has bytes that end a line to one program and not to another.
func frontInjections(l *list) {
	holds := func(name, comment string, when func(dialect) bool, f func(d dialect, h head) head, never ...string) {
		l.each("smuggle/inject-"+name, when, func(d dialect) hostile.Case {
			return hostile.Case{Comment: comment, Steps: asks(f(d, d.request())), Verdict: beyondIs(whatever(), 1, never...)}
		})
	}
	ctl := []struct{ name, bytes string }{{"cr", "\r"}, {"nul", "\x00"}, {"cr-lf-folded", "\r\n "}}
	for _, c := range ctl {
		never := []string{c.bytes + "X-Evil"}
		holds("origin-"+c.name, "A control in the origin, behind which a field stands.", everyVersion, func(d dialect, h head) head {
			return h.set(d.origin, "http://{host}"+c.bytes+"X-Evil: 1")
		}, never...)
		holds("protocol-"+c.name, "A control in a subprotocol, behind which a field stands.", everyVersion, func(d dialect, h head) head {
			return h.with(d.protocol + ": chat" + c.bytes + "X-Evil: 1")
		}, never...)
		holds("cookie-"+c.name, "A control in a cookie, behind which a field stands.", spoken("hixie-76", "rfc6455"), func(_ dialect, h head) head {
			return h.with("Cookie: a=b" + c.bytes + "X-Evil: 1")
		}, never...)
		holds("target-"+c.name, "A control in the target, behind which a field stands.", everyVersion, func(_ dialect, h head) head {
			return h.target("/" + c.bytes + "X-Evil:1")
		}, never...)
	}
	for _, v := range []struct{ name, target, never string }{
		{"percent-crlf", "/%0d%0aX-Evil:%201", "\r\nX-Evil"}, {"percent-crlf-utf8", "/%c4%8d%c4%8aX-Evil:%201", "\r\nX-Evil"},
		{"query-crlf", "/?a=%0d%0aX-Evil:%201%0d%0a%0d%0a", "\r\nX-Evil"}, {"wide-crlf", "/\u00c4\u008d\u00c4\u008aX-Evil", "\r\nX-Evil"},
		{"tab", "/\tX-Evil", "\tX-Evil"}, {"vt", "/\x0bX-Evil", "\x0bX-Evil"}, {"del", "/\x7fX-Evil", "\x7fX-Evil"}, {"blank", "/ X-Evil", " X-Evil HTTP/1.1"},
		{"nel", "/\u0085X-Evil", "\nX-Evil"},
	} {
		holds("target-"+v.name, "The target has a line end for who decodes it, or a control.", spoken("hixie-75", "hixie-76", "rfc6455"), func(_ dialect, h head) head {
			return h.target(v.target)
		}, v.never)
	}
	for _, v := range []struct{ name, line, never string }{
		{"name-blank", "X Evil: 1", "X Evil"}, {"name-blank-end", "X-Evil : 1", "X-Evil "}, {"name-tab", "X-Evil\t: 1", "X-Evil\t"}, {"name-empty", ": evil", "\r\n: evil"},
		{"name-nul", "X-\x00Evil: 1", "\x00Evil"}, {"name-cr", "X-\rEvil: 1", "\rEvil"}, {"name-high", "X-\u00e9vil: 1", "\u00e9vil"}, {"no-colon", "X-Evil", "\r\nX-Evil\r\n"},
	} {
		holds(v.name, "A line of the head that is no field.", spoken("hixie-75", "hixie-76", "rfc6455"), func(_ dialect, h head) head { return h.with(v.line) }, v.never)
	}
	holds("folded-first", "The first line of the fields begins with a blank.", spoken("hixie-75", "rfc6455"), func(_ dialect, h head) head {
		return h.first(" X-Evil: 1")
	}, "\r\n X-Evil")
}

// frontAddresses has fields with which proxies tell backends who the client is. From a
// client that is nobody's proxy they must not arrive as it has written them.
func frontAddresses(l *list) {
	for _, v := range []struct{ name, value string }{
		{"X-Forwarded-For", "198.51.100.66"}, {"X-Forwarded-Host", "evil.example"}, {"X-Forwarded-Proto", "gopher"}, {"X-Forwarded-Port", "6666"},
		{"X-Forwarded-Prefix", "/evil"}, {"X-Forwarded-Server", "evil.example"}, {"Forwarded", "for=198.51.100.66;host=evil.example"},
		{"X-Real-IP", "198.51.100.66"}, {"X-Original-URL", "/evil"}, {"X-Rewrite-URL", "/evil"}, {"Proxy", "http://evil.example:8080"},
		{"X_Forwarded_For", "198.51.100.66"}, {"X_Real_IP", "198.51.100.66"},
	} {
		low := strings.ToLower(strings.ReplaceAll(v.name, "_", ".")) // the ID has no underscore
		l.each("smuggle/address-"+low, spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "A client that is no proxy sends " + v.name + ": backends believe it. (Where the target is told to trust the player's address, it may pass.)",
				Steps:   asks(d.request().with(v.name + ": " + v.value)),
				Verdict: beyondIs(whatever(), 1, ": "+v.value+"\r\n"),
			}
		})
	}
	l.each("smuggle/address-twice", spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "X-Forwarded-For twice, the second in small letters.",
			Steps:   asks(d.request().with("X-Forwarded-For: 198.51.100.66", "x-forwarded-for: 198.51.100.67")),
			Verdict: beyondIs(whatever(), 1, ": 198.51.100.66\r\n", ": 198.51.100.67\r\n"),
		}
	})
}

// frontLoose has requests that a proxy reads loosely, for the sake of old devices: the backend
// gets none of that, and no route is passed by it.
func frontLoose(l *list) {
	lf := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }
	needs := []string{"loose"}
	some := spoken("hixie-75", "hixie-76", "rfc6455")
	for _, c := range []struct{ name, line, never string }{
		{"two-versions", "GET /x HTTP/1.1 HTTP/1.1", " HTTP/1.1 HTTP/1.1"}, {"blank", "GET /x X-Evil HTTP/1.1", " X-Evil"}, {"tab", "GET /x\tX-Evil HTTP/1.1", "\tX-Evil"},
		{"fragment", "GET /x#X-Evil HTTP/1.1", "#X-Evil"}, {"at", "GET @evil.example/x HTTP/1.1", " @evil"},
		{"cr", "GET /x\rX-Evil: 1 HTTP/1.1", "\rX-Evil"}, {"second", "GET / GET /secret HTTP/1.1", " /secret"},
	} {
		l.each("smuggle/loose-line-"+c.name, some, func(d dialect) hostile.Case {
			v := never(whatever(), c.never)
			if d.hixie && (c.name == "blank" || c.name == "second") {
				v = whatever() // the answer repeats the URL to who asked for it, with the blanks that it compares
			}
			v.Beyond = &hostile.Beyond{Never: []string{c.never, "X-Evil: 1"}}
			return hostile.Case{Needs: needs, Comment: "a request line that is read loosely, and would be another one behind the proxy", Steps: asks(d.request().start(c.line)), Verdict: v}
		})
	}
	l.each("smuggle/loose-lf-fields", some, func(d dialect) hostile.Case {
		v := whatever()
		v.Beyond = &hostile.Beyond{Never: []string{"1\nX-Second", "1\n\r"}}
		return hostile.Case{Needs: needs, Comment: "lines that end in LF: the backend's end in CR LF",
			Steps: steps(send(lf(d.request().with("X-First: 1", "X-Second: 1").String())), hold(ms*300)), Verdict: v}
	})
	l.each("smuggle/loose-lf-end", some, func(d dialect) hostile.Case {
		v := never(whatever(), " 200 ")
		v.Beyond = &hostile.Beyond{Never: []string{"GET /smuggled"}}
		return hostile.Case{Needs: needs, Comment: "a head that ends early for who reads LF as a line end, and a request behind it",
			Steps: steps(send(d.request().with("X: y\n\r\nGET /smuggled HTTP/1.1\r\nHost: {host}").String()), hold(ms*300)), Verdict: v}
	})
	for _, c := range []struct{ name, line string }{
		{"no-slash", "GET secret HTTP/1.1"}, {"no-slash-below", "GET secret/x HTTP/1.1"}, {"blanks", "GET   /secret  HTTP/1.1 "}, {"tabs", "GET\t/secret\tHTTP/1.1"},
		{"fragment", "GET /secret#x HTTP/1.1"}, {"blank-slash", "GET /secret /x HTTP/1.1"}, {"dots", "GET x/../secret HTTP/1.1"},
	} {
		l.each("smuggle/loose-route-"+c.name, some, func(d dialect) hostile.Case {
			return hostile.Case{Needs: append([]string{"routes"}, needs...), Comment: "a request line that is read loosely leads to the route of /secret, or past it: " + c.name,
				Steps: asks(d.request().start(c.line)), Verdict: beyondIs(shut(), 0)}
		})
	}
}

// frontRoutes has targets that one program takes for what is below /secret, and another
// does not. README.md says what the target does with /secret.
func frontRoutes(l *list) {
	route := func(name, target string, v hostile.Verdict) {
		l.each("smuggle/route-"+name, spoken("hixie-75", "hixie-76", "rfc6455"), func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "The target leads past the route of /secret, if the proxy and the backend read it in two ways: " + name + ".",
				Needs:   []string{"routes"}, Steps: asks(d.request().target(target)), Verdict: v,
			}
		})
	}
	closed := beyondIs(shut(), 0)
	for _, v := range []struct{ name, target string }{
		{"plain", "/secret/x"}, {"fragment", "/secret#x"}, {"fragment-first", "/#/../secret/x"}, {"dots", "/x/../secret/x"}, {"dot", "/./secret/x"},
		{"dots-percent", "/x/%2e%2e/secret/x"}, {"dots-half-percent", "/x/.%2E/secret/x"}, {"above", "/../secret/x"}, {"letter-percent", "/%73ecret/x"},
		{"blank-nel", "/secret\u0085"}, {"blank-no-break", "/secret\u00a0"}, // where Python's http.server and JavaScript's url.parse end a target
	} {
		route(v.name, v.target, closed)
	}
	for _, v := range []struct{ name, target string }{
		{"slashes", "//secret/x"}, {"slashes-percent", "/%2fsecret/x"}, {"backslash", `/\secret/x`}, {"backslash-percent", "/%5csecret/x"}, {"capitals", "/SECRET/x"},
		{"parameter", "/secret;a/x"}, {"dots-parameter", "/x/..;/secret/x"}, {"dots-parameter-percent", "/x/%2e%2e;a=b/secret/x"}, {"dot-parameter", "/.;/secret/x"}, // no dot segments (RFC 3986 3.3)
		{"nul", "/secret%00/x"}, {"twice-percent", "/%2573ecret/x"}, {"overlong", "/%c0%ae%c0%ae/secret/x"}, {"wide", "/%u0073ecret/x"},
		{"query", "/?/../secret/x"}, {"blank", "/%20/secret/x"},
	} {
		route(v.name, v.target, beyondIs(whatever(), 1))
	}
}

// frontProtocols has lists of subprotocols that are none. One bad request is one visit to
// a backend at most.
func frontProtocols(l *list) {
	for _, v := range []struct{ name, value string }{
		{"quoted", `a",b,c"`}, {"quotes", `"a", "b"`}, {"commas", ",,,,"}, {"blanks", "a b c"}, {"empty", ""}, {"semicolon", "a;b=c"}, {"high", "caf\u00e9"},
		{"braces", "{a}"}, {"slash", "a/b"}, {"comment", "(a), b"}, {"same", "a, a, a, a"}, {"controls", "a\x01b"}, {"many", strings.Repeat("p,", 3000) + "p"},
		{"long", letters(8 * kib)}, {"http", "HTTP/1.1 200 OK"},
	} {
		l.each("smuggle/protocol-"+v.name, spoken("hixie-75", "hixie-76", "hybi-02", "hybi-04", "rfc6455"), func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "Subprotocols that are none: " + v.name + ". It is the client's fault and not a backend's.",
				Steps:   asks(d.request().with(d.protocol + ": " + v.value)),
				Verdict: beyondIs(whatever(), 1),
			}
		})
	}
	l.each("smuggle/protocol-two-fields", spoken("hixie-75", "hixie-76", "hybi-02", "hybi-04", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "Two fields with subprotocols, of which one is quoted open.",
			Steps:   asks(d.request().with(d.protocol+`: "a`, d.protocol+": b")),
			Verdict: beyondIs(whatever(), 1),
		}
	})
}

// frontLists has fields with lists that are all commas, or all something else. To read
// them has to take linear time: 300 such requests may not cost more than some
// milliseconds each.
func frontLists(l *list) {
	const rounds = 300
	fill := []struct{ name, unit string }{{"commas", ","}, {"blanks", " "}, {"members", "a,"}, {"backslashes", `"\`}, {"quotes", `a="",`}, {"semicolons", "a;"}}
	for _, f := range []struct{ field, begin, need string }{
		{"Connection", "Upgrade", ""}, {"Upgrade", "websocket", ""}, {"Sec-WebSocket-Protocol", "a", ""}, {"Sec-WebSocket-Extensions", "permessage-deflate", ""},
		{"Cookie", "a=b", ""}, {"X-Forwarded-For", "127.0.0.2", "forward"}, {"Forwarded", "for=127.0.0.2", "forward"}, {"X-Forwarded-For", "127.0.0.2", ""},
		{"Forwarded", "for=127.0.0.2", ""}, {"Via", "1.1 a", ""}, {"Accept-Encoding", "gzip", ""},
	} {
		for _, u := range fill {
			name := "head/linear-" + strings.ToLower(f.field) + "-" + u.name
			c := hostile.Case{
				Version: rfc.name, Rounds: rounds, Holes: []string{"CVE-2021-32640", "CVE-2020-7662"},
				Comment: "15 KiB of " + u.name + " in " + f.field + ", 300 times: it has to be read in linear time.",
				Verdict: taken(), Budget: cost{Time: 30 * sec, CPU: 2 * sec}.lines(rounds), Slow: true,
			}
			if f.need != "" {
				name += "-trusted"
				c.Needs = []string{f.need}
			}
			h := rfc.request()
			if f.field == "Connection" || f.field == "Upgrade" {
				h = h.drop(f.field)
			}
			c.Steps = steps(send(h.blank()+f.field+": "+f.begin+",", over(int64(15*kib/len(u.unit)), u.unit), "\r\n\r\n"), expect(switched))
			l.add(name+"/"+rfc.name, c)
		}
	}
	l.each("head/linear-fields", spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "60 fields and 1,000 names in Connection, 300 times: to compare all with all costs more than reading them.",
			Rounds:  rounds, Slow: true, Holes: []string{"PYSEC-2025-266"},
			Steps: steps(send(d.request().set("Connection", "Upgrade").blank()+"Connection: ", over(1000, "aaaaaaaa,"), "b\r\n", over(60, "X-A: b\r\n"),
				"\r\n"+d.body), expect(switched)),
			Verdict: taken(), Budget: cost{Time: 30 * sec, CPU: 2 * sec}.lines(rounds),
		}
	})
	l.each("head/drips", spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "50 clients send a head of 8 KiB in segments of a byte: it must not be read again from its beginning each time.",
			Holes:   []string{"CVE-2023-43669"}, Clients: 50, Slow: true,
			Steps:   steps(pieces(1, 0, d.request().blank()+"X-A: ", over(8, letters(kib)), "\r\n\r\n"+d.body), expect(switched)),
			Verdict: taken(), Budget: cost{Time: 60 * sec, CPU: 10 * sec, Probe: 3 * sec}.lines(50),
		}
	})
}
