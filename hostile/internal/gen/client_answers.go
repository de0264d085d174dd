package gen

import (
	"strconv"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// reply is an answer to an opening handshake, for the sides client and behind.
type reply struct {
	name    string // KIND/WHAT
	comment string
	holes   []string
	needs   []string
	when    func(dialect) bool
	text    func(d dialect) string
	takes   takes
	endless bool // the head does not end, to a program that knows how heads end: only its time does
}

// takes is what a client makes of a reply.
type takes int

const (
	mustNot takes = iota // it must not open
	may                  // either
	must                 // it has to open
)

// client is the case of the side client.
func (r reply) client(d dialect) hostile.Case {
	c := hostile.Case{Comment: r.comment, Holes: r.holes, Needs: r.needs}
	switch r.takes {
	case must:
		c.Steps, c.Verdict = steps(send(r.text(d)), expect(d.helloes()[0])), served()
	case may:
		c.Steps, c.Verdict = steps(send(r.text(d), d.farewell()), end(), hold(5*sec)), ended()
	default:
		c.Steps, c.Verdict = steps(send(r.text(d), d.farewell()), hold(6*sec)), refused()
	}
	if r.endless {
		c.Slow, c.Budget = true, patientBudget
		c.Steps[len(c.Steps)-1].For = long
	}
	return c
}

// spoken is the versions of these names.
func spoken(names ...string) func(dialect) bool {
	return func(d dialect) bool {
		for _, n := range names {
			if n == d.name {
				return true
			}
		}
		return false
	}
}

func kibs(n int) string     { return strconv.Itoa(n) + "kib" }
func number(n int64) string { return strconv.FormatInt(n, 10) }

// letters is n letters.
func letters(n int) string { return strings.Repeat("a", n) }

// short is a proof of hixie-76 without its last byte, whatever the keys are.
const short = "123456789012345"

// half returns what parts begin with.
func half(ps []hostile.Part) []hostile.Part {
	p := ps[0]
	if len(ps) != 1 || len(p.Hex) == 0 {
		panic("gen: half of what is not one part")
	}
	p.Hex = p.Hex[:len(p.Hex)/2]
	return []hostile.Part{p}
}

// onlyPart returns the only part.
func onlyPart(ps []hostile.Part) hostile.Part {
	if len(ps) != 1 {
		panic("gen: more than one part")
	}
	return ps[0]
}

// replies are those of all kinds.
func replies() []reply {
	var all []reply
	for _, some := range [][]reply{
		proofReplies(), digestReplies(), upgradeReplies(), statusReplies(), lineReplies(), interimReplies(),
		formReplies(), offerReplies(), windowReplies(), placeReplies(), strangeReplies(),
	} {
		all = append(all, some...)
	}
	return all
}

// change makes a reply's text from the version's own answer.
func change(f func(h head) head) func(dialect) string {
	return func(d dialect) string { return f(d.answer()).String() }
}

// altered returns a reply for a change of one field.
func altered(name, comment string, when func(dialect) bool, t takes, f func(h head) head) reply {
	return reply{name: name, comment: comment, when: when, takes: t, text: change(f)}
}

// otherDigest is what proves other keys than those of the example: a proxy may hand on
// what an honest client sends, and players send the example.
const otherDigest = "fQJ,fN/4F4!~K~MH"

// proofReplies are those with another Sec-WebSocket-Accept than the right one.
func proofReplies() []reply {
	const field = "Sec-WebSocket-Accept"
	out := []reply{
		altered("head/accept-missing", "The 101 has no Sec-WebSocket-Accept.", keyed, mustNot,
			func(h head) head { return h.drop(field) }),
		altered("head/accept-twice-same", "The right Sec-WebSocket-Accept, twice.", keyed, may,
			func(h head) head { return h.with(field + ": {accept}") }),
		altered("head/accept-twice-wrong-first", "Two Sec-WebSocket-Accept, of which the second is right.", keyed, mustNot,
			func(h head) head { return h.first(field + ": " + otherProof) }),
		altered("head/accept-twice-wrong-last", "Two Sec-WebSocket-Accept, of which the first is right.", keyed, mustNot,
			func(h head) head { return h.with(field + ": " + otherProof) }),
		altered("head/accept-underscored", "The proof stands in Sec_WebSocket_Accept.", keyed, mustNot,
			func(h head) head { return h.replace(field, "Sec_WebSocket_Accept: {accept}") }),
		altered("head/nonce-missing", "The 101 has no Sec-WebSocket-Nonce, which hybi-04 has to have.", spoken("hybi-04"), mustNot,
			func(h head) head { return h.drop("Sec-WebSocket-Nonce") }),
		altered("head/nonce-twice", "Two Sec-WebSocket-Nonce that differ: each makes another key for the masks.", spoken("hybi-04"), may,
			func(h head) head { return h.with("Sec-WebSocket-Nonce: AAAAAAAAAAAAAAAAAAAAAA==") }),
		altered("head/nonce-long", "A Sec-WebSocket-Nonce of 8 KiB.", spoken("hybi-04", "hybi-05"), may,
			func(h head) head { return h.set("Sec-WebSocket-Nonce", letters(8*kib)) }),
	}
	for _, v := range []struct{ name, value, comment string }{
		{"wrong", otherProof, "is for another key"},
		{"empty", "", "is empty"},
		{"longer", "{accept}x", "has a character more"},
		{"list", "{accept}, {accept}", "is a list"},
		{"quoted", `"{accept}"`, "is quoted"},
		{"blank", "", "is blank"},
		{"long", letters(12 * kib), "has 12 KiB"},
	} {
		when := keyed
		if v.name == "long" {
			when = finished
		}
		out = append(out, altered("head/accept-"+v.name, "The 101's Sec-WebSocket-Accept "+v.comment+".", when, mustNot,
			func(h head) head {
				if v.name == "blank" {
					return h.set(field, strings.Repeat(" ", kib))
				}
				return h.set(field, v.value)
			}))
	}
	return out
}

// digestReplies are those with other sixteen bytes than the right ones.
func digestReplies() []reply {
	body := func(name, comment, body string, t takes) reply {
		return altered("head/digest-"+name, comment, challenged, t, func(h head) head { return h.then(body) })
	}
	return []reply{
		body("wrong", "The sixteen bytes are those of another challenge.", otherDigest, mustNot),
		body("zeros", "The sixteen bytes are zeros.", strings.Repeat("\x00", 16), mustNot),
		body("blank", "The sixteen bytes are blanks.", strings.Repeat(" ", 16), mustNot),
		body("hex", "The proof comes in hexadecimal digits, 32 of them.", "fc4c36e1d1e80f2b7d2f6a1cbe9d0a53", mustNot),
		body("missing", "Frames come in the place of the sixteen bytes.", strings.Repeat("\x00hello\u00ff", 3), mustNot),
		body("late", "A line end comes before the sixteen bytes.", "\r\n{digest}", mustNot),
		altered("head/digest-announced", "A Content-Length announces the sixteen bytes.", challenged, may,
			func(h head) head { return h.with("Content-Length: 16") }),
		altered("head/digest-chunked", "The sixteen bytes come in a chunk.", challenged, may,
			func(h head) head { return h.with("Transfer-Encoding: chunked").then("10\r\n{digest}\r\n0\r\n\r\n") }),
		altered("head/digest-announced-longer", "A Content-Length of 1 GiB announces the sixteen bytes.", challenged, may,
			func(h head) head { return h.with("Content-Length: 1073741824") }),
	}
}

// upgradeReplies are those whose Upgrade and Connection are not the right ones.
func upgradeReplies() []reply {
	out := []reply{
		altered("head/upgrade-missing", "The 101 has no Upgrade.", everyVersion, mustNot, func(h head) head { return h.drop("Upgrade") }),
		altered("head/connection-missing", "The 101 has no Connection.", everyVersion, mustNot, func(h head) head { return h.drop("Connection") }),
		altered("head/connection-twice", "Two Connection, of which the second is close.", everyVersion, may,
			func(h head) head { return h.with("Connection: close") }),
		altered("head/upgrade-case", "The value of Upgrade in capitals. It is compared without case from hybi-04 on.", showsKeyed, must,
			func(h head) head { return h.set("Upgrade", "WEBSOCKET") }),
		altered("head/connection-case", "The value of Connection in lower case.", showsKeyed, must,
			func(h head) head { return h.set("Connection", "upgrade") }),
		altered("head/names-case", "All names of fields in lower case.", showsKeyed, must, func(h head) head {
			for i, f := range h.fields {
				name, value, _ := strings.Cut(f, ":")
				h.fields[i] = strings.ToLower(name) + ":" + value
			}
			return h
		}),
	}
	two := func(name, comment string, f func(h head) head) {
		out = append(out, reply{name: "smuggle/" + name, comment: comment, when: but(everyVersion, "hixie-75"), takes: mustNot, text: change(f)},
			reply{name: "smuggle/" + name, comment: comment + " hixie-75 looks at the first three lines alone.", when: spoken("hixie-75"), takes: may, text: change(f)})
	}
	two("two-upgrades", "A 101 with two Upgrade: websocket and h2c. What is spoken now?",
		func(h head) head { return h.with("Upgrade: h2c") })
	two("two-upgrades-h2c-first", "A 101 with two Upgrade: h2c and websocket.",
		func(h head) head { return h.first("Upgrade: h2c") })
	two("upgrade-list", "A 101 whose Upgrade is a list of two protocols.", func(h head) head {
		return h.replace("Upgrade", "Upgrade: websocket, h2c")
	})
	for _, v := range []struct{ name, value string }{
		{"h2c", "h2c"}, {"empty", ""}, {"version", "websocket/13"}, {"longer", "websockets"}, {"tls", "TLS/1.0"}, {"quoted", `"websocket"`},
	} {
		out = append(out, altered("head/upgrade-"+v.name, "The 101's Upgrade is "+strconv.Quote(v.value)+".", everyVersion, mustNot,
			func(h head) head { return h.set("Upgrade", v.value) }))
	}
	for _, v := range []struct{ name, value string }{
		{"close", "close"}, {"keep-alive", "keep-alive"}, {"empty", ""}, {"longer", "upgrades"}, {"joined", "keep-alive-upgrade"},
	} {
		out = append(out, altered("head/connection-"+v.name, "The 101's Connection is "+strconv.Quote(v.value)+".", everyVersion, mustNot,
			func(h head) head { return h.set("Connection", v.value) }))
	}
	return out
}

// showsKeyed: from hybi-07 on, where helloes is known.
func showsKeyed(d dialect) bool { return keyed(d) && showsHello(d) }

// statusReplies are those that have all of a 101 but its status.
func statusReplies() []reply {
	var out []reply
	status := func(when func(dialect) bool, line, comment string, holes []string, fields ...string) {
		code := strings.Fields(line)[0]
		out = append(out, reply{
			name: "smuggle/status-" + code, holes: holes, when: when, takes: mustNot,
			comment: comment + " It has all fields of a 101.",
			text: change(func(h head) head {
				return h.start("HTTP/1.1 " + line).with(fields...).with("Content-Length: 0")
			}),
		})
	}
	some := spoken("hixie-76", "hybi-04", "rfc6455")
	status(everyVersion, "200 OK", "A 200 is no 101.", []string{"CVE-2024-23326"})
	status(everyVersion, "426 Upgrade Required", "A 426 is no tunnel.", nil, "Sec-WebSocket-Version: 13, 8, 7")
	status(some, "301 Moved Permanently", "A redirect to the same place, for ever.", nil, "Location: /")
	status(some, "302 Found", "A redirect to a port where nobody listens.", nil, "Location: ws://127.0.0.1:1/")
	status(some, "307 Temporary Redirect", "A redirect to a file.", nil, "Location: file:///etc/passwd")
	status(some, "308 Permanent Redirect", "A redirect with a line end in it.", nil, "Location: /%0d%0aX-Evil:%201\x01")
	status(some, "401 Unauthorized", "A 401 with a challenge.", nil, "WWW-Authenticate: Basic realm=\"x")
	status(some, "407 Proxy Authentication Required", "A 407, from no proxy.", nil, "Proxy-Authenticate: Negotiate")
	for _, line := range []string{
		"201 Created", "202 Accepted", "204 No Content", "205 Reset Content", "206 Partial Content", "300 Multiple Choices", "304 Not Modified",
		"400 Bad Request", "403 Forbidden", "404 Not Found", "429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable",
		"599 Unknown", "600 Unknown", "999 Unknown",
	} {
		status(finished, line, "A "+line[:3]+" is no 101.", nil, "Retry-After: 99999999999999999999")
	}
	return out
}

// lineReplies are those whose first line is not as it should be.
func lineReplies() []reply {
	var out []reply
	for _, v := range []struct {
		name, line string
		takes      takes
	}{
		{"no-reason", "HTTP/1.1 101", may},
		{"reason-empty", "HTTP/1.1 101 ", may},
		{"two-blanks", "HTTP/1.1  101 Switching Protocols", may},
		{"tab", "HTTP/1.1\t101\tSwitching Protocols", may},
		{"blank-first", " HTTP/1.1 101 Switching Protocols", may},
		{"lines-first", "\r\n\r\nHTTP/1.1 101 Switching Protocols", may},
		{"plus", "HTTP/1.1 +101 Switching Protocols", mustNot},
		{"minus", "HTTP/1.1 -101 Switching Protocols", mustNot},
		{"zeros", "HTTP/1.1 0101 Switching Protocols", mustNot},
		{"hex", "HTTP/1.1 0x65 Switching Protocols", mustNot},
		{"joined", "HTTP/1.1 101Switching Protocols", mustNot},
		{"four-digits", "HTTP/1.1 1010 Switching Protocols", mustNot},
		{"two-digits", "HTTP/1.1 10 Switching Protocols", mustNot},
		{"huge", "HTTP/1.1 18446744073709551717 Switching Protocols", mustNot},
		{"letter", "HTTP/1.1 1O1 Switching Protocols", mustNot},
		{"none", "HTTP/1.1  Switching Protocols", mustNot},
		{"one-word", "HTTP/1.1", mustNot},
		{"not-http", "ICY 101 Switching Protocols", mustNot},
		{"lower-case", "http/1.1 101 Switching Protocols", may},
		{"http-10", "HTTP/1.0 101 Switching Protocols", may},
		{"http-09", "HTTP/0.9 101 Switching Protocols", may},
		{"http-2", "HTTP/2 101 Switching Protocols", may},
		{"http-2.0", "HTTP/2.0 101 Switching Protocols", may},
		{"http-11", "HTTP/11 101 Switching Protocols", mustNot},
		{"http-1.1.1", "HTTP/1.1.1 101 Switching Protocols", mustNot},
		{"a-request", "GET /101 HTTP/1.1", mustNot},
		{"nul", "HTTP/1.1 101 Switching\x00Protocols", may},
		{"nul-in-status", "HTTP/1.1 101\x00 Switching Protocols", mustNot},
		{"escapes", "HTTP/1.1 101 \x1b[2J\x1b]0;owned\x07", may},
		{"long-reason", "HTTP/1.1 101 " + letters(12*kib), may},
		{"bare-cr", "HTTP/1.1 101 Switching\rProtocols", may},
	} {
		r := reply{
			name: "head/line-" + v.name, comment: "The answer's first line is no proper one: " + v.name + ".", takes: v.takes,
			when: spoken("hixie-75", "rfc6455"), text: change(func(h head) head { return h.start(v.line) }),
		}
		out = append(out, r)
		r.when = spoken("hixie-76")
		if strings.Contains(v.line, " 101 ") { // the word between two blanks is all that hixie-76 4.1 looks at
			r.takes = may
		}
		out = append(out, r)
	}
	return out
}

// interimReplies are those before which others come.
func interimReplies() []reply {
	before := func(name, comment string, t takes, n int, text string) reply {
		return reply{name: "head/" + name, comment: comment, takes: t, when: spoken("hixie-76", "hybi-04", "rfc6455"), text: func(d dialect) string {
			return strings.Repeat(text, n) + d.answer().String()
		}}
	}
	const (
		cont  = "HTTP/1.1 100 Continue\r\n\r\n"
		hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
	)
	return []reply{
		before("interim-100", "A 100 before the 101, which HTTP allows.", may, 1, cont),
		before("interim-103", "A 103 before the 101.", may, 1, hints),
		before("interim-102-upgrades", "A 102 with all fields of an upgrade before the 101.", may, 1,
			"HTTP/1.1 102 Processing\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"),
		before("interim-199", "A status that nobody knows before the 101.", may, 1, "HTTP/1.1 199 Miscellaneous\r\n\r\n"),
		before("interim-101-bare", "A 101 that upgrades to nothing before the right one.", mustNot, 1, "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
		before("interim-101-h2c", "A 101 for h2c before the right one.", mustNot, 1,
			"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
		before("interim-200", "A 200 before the 101, which answers nothing.", mustNot, 1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
		before("interim-404", "A 404 before the 101.", mustNot, 1, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
	}
}

// formReplies are those whose fields have not the form that they should.
func formReplies() []reply {
	var out []reply
	line := func(name, comment string, t takes, extra string) {
		out = append(out, reply{
			name: "head/field-" + name, comment: comment, takes: t, when: spoken("hixie-75", "hixie-76", "rfc6455"),
			text: func(d dialect) string { h := d.answer(); return h.blank() + extra + "\r\n" + h.body },
		})
	}
	line("no-colon", "A line of the head without a colon.", may, "X-Evil\r\n")
	line("no-name", "A field without a name.", may, ": x\r\n")
	line("blank-in-name", "A field with a blank in its name.", may, "X Evil: x\r\n")
	line("blank-before-colon", "A blank before a field's colon.", may, "X-Evil : x\r\n")
	line("nul", "NUL in a field.", may, "X-Evil: a\x00b\r\n")
	line("nul-in-name", "NUL in a field's name.", may, "X-\x00Evil: b\r\n")
	line("bare-cr", "CR without LF in a field.", may, "X-Evil: a\rSec-WebSocket-Protocol: evil\r\n")
	line("high", "Bytes above 7F in a name and in a value.", may, "X-\u00c3\u00a9: \u00ff\u00fe\r\n")
	line("escapes", "Escapes of a terminal in a field. What a client prints of it must not obey them; a player cannot see that.", may,
		"Server: \x1b[2J\x1b]0;owned\x07\r\n")
	line("folded", "A folded field.", may, "X-Evil: a\r\n b\r\n\tc\r\n")
	line("folded-first", "A line that continues nothing.", may, " x\r\n")
	line("cookies", "A hundred cookies, one of them no cookie.", may, strings.Repeat("Set-Cookie: a=b; Path=/; HttpOnly\r\n", 99)+"Set-Cookie: ;=;\"\r\n")
	line("length", "A Content-Length, which a 101 must not have.", may, "Content-Length: 5\r\n")
	line("lengths", "Two Content-Length that differ.", may, "Content-Length: 0\r\nContent-Length: 5\r\n")
	line("length-negative", "A negative Content-Length.", may, "Content-Length: -1\r\n")
	line("chunked", "A Transfer-Encoding, which a 101 must not have.", may, "Transfer-Encoding: chunked\r\n")
	fold := func(name, comment string, t takes, f func(text string) string) {
		endless := name == "bare-cr" || name == "lf-cr"
		out = append(out, reply{name: "head/" + name, comment: comment, takes: t, endless: endless, when: spoken("hixie-75", "hixie-76", "rfc6455"), text: func(d dialect) string {
			h := d.answer()
			return f(h.blank()+"\r\n") + h.body
		}})
	}
	fold("bare-lf", "The head's lines end with LF alone.", may, func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") })
	fold("bare-cr", "The head's lines end with CR alone.", mustNot, func(s string) string { return strings.ReplaceAll(s, "\r\n", "\r") })
	fold("lf-cr", "The head's lines end with LF CR.", mustNot, func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n\r") })
	fold("bare-lf-once", "One line of the head ends with LF alone.", may, func(s string) string { return strings.Replace(s, "\r\n", "\n", 1) })
	fold("cr-cr-lf", "The head's lines end with CR CR LF.", may, func(s string) string { return strings.ReplaceAll(s, "\r\n", "\r\r\n") })
	fold("all-folded", "Each value stands in a line of its own, folded.", may, func(s string) string { return strings.ReplaceAll(s, ": ", ":\r\n ") })
	fold("blanks-before-colons", "A blank stands before each colon.", may, func(s string) string { return strings.ReplaceAll(s, ": ", " : ") })
	return out
}

// offerReplies are those that grant what was not offered.
func offerReplies() []reply {
	const protocol, extension = "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"
	var out []reply
	grant := func(name, comment string, when func(dialect) bool, t takes, lines ...string) {
		out = append(out, altered("head/"+name, comment, when, t, func(h head) head { return h.with(lines...) }))
	}
	grant("protocol-not-offered", "A subprotocol that the client did not offer.", finished, mustNot, protocol+": evil")
	grant("protocol-not-offered", "A subprotocol that the client did not offer. Clients of the time took it.", but(everyVersion, "rfc6455", "hixie-75"), may, protocol+": evil")
	grant("protocol-not-offered", "A subprotocol that the client did not offer. Clients of the time took it.", spoken("hixie-75"), may, "WebSocket-Protocol: evil")
	grant("protocols-two", "Two subprotocols that the client did not offer.", finished, mustNot, protocol+": evil", protocol+": worse")
	grant("protocols-list", "A list of subprotocols that the client did not offer.", finished, mustNot, protocol+": evil, worse")
	grant("protocol-blank", "A subprotocol of blanks.", finished, may, protocol+":  \t ")
	grant("protocol-escapes", "A subprotocol with escapes, which a program may print.", finished, mustNot, protocol+": \x1b[2J")
	grant("extension-not-offered", "An extension that nobody has.", keyed, mustNot, extension+": x-evil")
	grant("extension-quoted-open", "An extension's quoted value that never ends: time has to be linear.", spoken("hybi-04", "rfc6455"), mustNot, extension+": x; a=\""+strings.Repeat(`\c`, 7*kib))
	grant("extension-commas", "15 KiB of commas for extensions: time has to be linear.", spoken("hybi-04", "rfc6455"), may, extension+": "+strings.Repeat(",", 15*kib))
	grant("extension-many", "5,000 extensions.", spoken("hybi-04", "rfc6455"), mustNot, extension+": "+strings.Repeat("x,", 5000)+"x")
	grant("extension-stream", "deflate-stream, which nobody should speak.", spoken("hybi-04", "hybi-07", "hybi-08", "rfc6455"), mustNot, extension+": deflate-stream")
	grant("extension-webkit", "WebKit's old name for the old compression.", finished, may, extension+": x-webkit-deflate-frame")
	for i := range out {
		switch {
		case strings.HasPrefix(out[i].name, "head/extension-quoted"):
			out[i].holes = []string{"CVE-2020-7662", "CVE-2020-7663"}
		case out[i].name == "head/extension-commas":
			out[i].holes = []string{"CVE-2021-32640"}
		}
	}
	return out
}

// windowReplies are those that grant compression in a way that RFC 7692 does not have.
func windowReplies() []reply {
	var out []reply
	for _, v := range []struct {
		name, params string
		takes        takes
	}{
		{"server-bits-0", "server_max_window_bits=0", mustNot},
		{"server-bits-7", "server_max_window_bits=7", mustNot},
		{"server-bits-16", "server_max_window_bits=16", mustNot},
		{"server-bits-999", "server_max_window_bits=999", mustNot},
		{"server-bits-huge", "server_max_window_bits=18446744073709551624", mustNot},
		{"server-bits-negative", "server_max_window_bits=-8", mustNot},
		{"server-bits-zeros", "server_max_window_bits=015", mustNot},
		{"server-bits-hex", "server_max_window_bits=0xf", mustNot},
		{"server-bits-none", "server_max_window_bits", mustNot},
		{"server-bits-empty", "server_max_window_bits=", mustNot},
		{"server-bits-quoted-empty", `server_max_window_bits=""`, mustNot},
		{"server-bits-twice", "server_max_window_bits=10; server_max_window_bits=12", mustNot},
		{"server-bits-8", "server_max_window_bits=8", may},
		{"client-bits-7", "client_max_window_bits=7", mustNot},
		{"client-bits-16", "client_max_window_bits=16", mustNot},
		{"client-bits-999", "client_max_window_bits=999", mustNot},
		{"client-bits-none", "client_max_window_bits", mustNot},
		{"client-bits-twice", "client_max_window_bits=10; client_max_window_bits=12", mustNot},
		{"client-bits-8", "client_max_window_bits=8", may},
		{"takeover-valued", "server_no_context_takeover=1", mustNot},
		{"takeover-twice", "client_no_context_takeover; client_no_context_takeover", mustNot},
		{"unknown", "x_evil=1", mustNot},
		{"nameless", "=8", mustNot},
		{"nothing", "", may},
		{"twice", ", permessage-deflate", mustNot},
	} {
		params := "; " + v.params
		if v.name == "twice" {
			params = v.params
		}
		out = append(out, reply{
			name: "deflate/answer-" + v.name, holes: []string{"CVE-2026-2229"}, needs: []string{"deflate"}, when: finished, takes: v.takes,
			comment: "The compression that is granted has the parameters " + strconv.Quote(v.params) + ".",
			text: change(func(h head) head {
				return h.with("Sec-WebSocket-Extensions: permessage-deflate" + params)
			}),
		})
	}
	return out
}

// placeReplies are those of the versions that repeat origin and URL, with others.
func placeReplies() []reply {
	old := func(d dialect) bool { return d.version == "" }
	var out []reply
	place := func(name, comment string, f func(h head, prefix string) head) {
		out = append(out, reply{name: "head/" + name, comment: comment, when: old, takes: mustNot, text: func(d dialect) string {
			prefix := "Sec-WebSocket-"
			if d.name == "hixie-75" {
				prefix = "WebSocket-"
			}
			return f(d.answer(), prefix).String()
		}})
	}
	for _, what := range []struct{ field, value, same string }{
		{"Origin", "http://evil.example", "{origin}"}, {"Location", "ws://evil.example/", "{location}"},
	} {
		low := strings.ToLower(what.field)
		place(low+"-wrong", "The "+low+" of the answer is another one.", func(h head, p string) head { return h.set(p+what.field, what.value) })
		place(low+"-missing", "The answer has no "+low+".", func(h head, p string) head { return h.drop(p + what.field) })
		place(low+"-empty", "The answer's "+low+" is empty.", func(h head, p string) head { return h.set(p+what.field, "") })
		place(low+"-longer", "The answer's "+low+" begins with the right one.", func(h head, p string) head {
			return h.set(p+what.field, what.same+".evil.example")
		})
		place(low+"-twice", "The answer has two, the right "+low+" first.", func(h head, p string) head { return h.with(p + what.field + ": " + what.value) })
	}
	place("location-secure", "The answer's location has the scheme wss, and the connection is in clear.", func(h head, p string) head {
		return h.set(p+"Location", "wss://{host}/")
	})
	return out
}

// strangeReplies are no answers of HTTP at all.
func strangeReplies() []reply {
	var out []reply
	for _, v := range []struct{ name, comment, text string }{
		{"frames", "Frames without any head.", "\u0081\x05hello\x00hello\u00ff\x04\x05hello\r\n\r\n"},
		{"tls-alert", "An alert of TLS.", "\x15\x03\x01\x00\x02\x02\x46\r\n\r\n"},
		{"ssh", "The banner of SSH.", "SSH-2.0-OpenSSH_9.6\r\n\r\n"},
		{"smtp", "The greeting of SMTP.", "220 mail.example ESMTP\r\n\r\n"},
		{"html", "A page without a head.", "<html><head><title>Login</title></head>\r\n\r\n</html>"},
		{"h2", "SETTINGS and GOAWAY of HTTP/2.", "\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\r\n\r\n"},
		{"echo", "The request comes back.", "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
		{"blank-lines", "Nothing but 4,000 empty lines.", strings.Repeat("\r\n", 4000)},
		{"utf-16", "An answer in UTF-16.", "\u00ff\u00feH\x00T\x00T\x00P\x00/\x001\x00.\x001\x00 \x001\x000\x001\x00\r\x00\n\x00\r\x00\n\x00\r\n\r\n"},
		{"bom", "A mark of order before the answer.", "\u00ef\u00bb\u00bfHTTP/1.1 101 Switching Protocols\r\n\r\n"},
	} {
		out = append(out, reply{
			name: "head/strange-" + v.name, comment: "No answer: " + v.comment, when: spoken("hixie-76", "rfc6455"), takes: mustNot,
			text: func(dialect) string { return v.text },
		})
	}
	return out
}

// endless is a message that has begun, and its bytes, a mebibyte of them.
func (d dialect) endless() []hostile.Part {
	if d.hixie {
		return cat("\x00", over(kib, letters(kib)))
	}
	return d.down(frame{op: d.op.text, payload: []byte(letters(kib)), times: kib - 1, says: mib})
}
