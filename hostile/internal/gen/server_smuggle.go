package gen

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// smuggled is what stands in a body and is to be read as a body, or not at all.
const smuggled = "smuggled"

func (l *list) serverSmuggling() {
	l.smuggleBodies()
	l.smuggleLengths()
	l.smuggleOldBodies()
	l.smuggleRequests()
	l.smuggleOthers()
	l.smuggleLoosely()
}

// smuggleLoosely: a server that reads the heads of upgrades loosely, for the sake of old
// devices, must not read ordinary requests so, nor bodies, nor what comes behind.
func (l *list) smuggleLoosely() {
	lf := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }
	const second = "GET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
	for _, c := range []struct{ name, comment, head string }{
		{"lf", "an ordinary request whose lines end in LF", lf("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")},
		{"lf-end", "an ordinary request with LF before its last line end, and a second one behind it", "GET / HTTP/1.1\r\nHost: {host}\r\nX: y\n\r\n" + second},
		{"lf-body", "an ordinary request whose lines end in LF, with a body that is a request", lf(numbered("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: %d\r\n\r\n", len(second))) + second},
		{"cr-cr-lf", "an ordinary request whose lines end in CR CR LF", strings.ReplaceAll("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n", "\r\n", "\r\r\n")},
		{"blank", "an ordinary request with a blank in its target", "GET /a b HTTP/1.1\r\nHost: {host}\r\n\r\n"},
		{"two-versions", "an ordinary request with two versions of HTTP", "GET / HTTP/1.1 HTTP/1.1\r\nHost: {host}\r\n\r\n"},
		{"lf-before", "LF before an ordinary request", "\nGET / HTTP/1.1\r\nHost: {host}\r\n\r\n"},
		{"host", "an ordinary request with LF in what hides an upgrade from others", "GET / HTTP/1.1\r\nHost: {host}\r\nX: a\n b\r\n\r\n"},
	} {
		l.add("smuggle/loose-plain-"+c.name, hostile.Case{Needs: []string{"http", "loose"}, Comment: "read loosely: " + c.comment,
			Steps: steps(send(c.head), hold(ms*500)), Verdict: never(refused(400), " 200 ", " 404 ")})
	}
	for _, c := range []struct{ name, comment, field string }{
		{"length", "a length", "Content-Length: %d"},
		{"chunked", "a chunk", "Transfer-Encoding: chunked"},
		{"lengths", "two lengths", "Content-Length: 0\r\nContent-Length: %d"},
		{"folded", "a folded coding", "Transfer-Encoding:\r\n chunked"},
		{"cr", "a CR within a line", "X: a\rContent-Length: %d"},
	} {
		l.each("smuggle/loose-body-"+c.name, named("hixie-75", "hybi-05", "rfc6455"), func(d dialect) hostile.Case {
			h := d.request().then("").with(numbered(c.field, bodyLength(d)))
			return hostile.Case{Needs: []string{"loose"}, Comment: "a handshake in LF and HTTP/1.0 with a body that is a frame: " + c.comment,
				Steps:   steps(send(lf(strings.Replace(h.String(), "HTTP/1.1", "HTTP/1.0", 1)), d.text(smuggled)), hold(ms*500)),
				Verdict: never(refused(400), smuggled)}
		})
	}
	l.each("smuggle/loose-behind", named("hixie-75", "hybi-07", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{Needs: []string{"loose"}, Comment: "a request directly behind a handshake whose lines end in LF: it is frames, and faulty ones",
			Steps: steps(send(lf(d.request().String()), second), hold(ms*500)), Verdict: never(whatever(), " 200 ", " 404 ", " 400 ")}
	})
}

// smuggleBodies: a handshake with a body, which is a frame. Who overlooks the length
// takes the body for what comes behind the handshake, and echoes it.
func (l *list) smuggleBodies() {
	for _, c := range []struct {
		name, comment string
		fields        []string // %d is the body's length
		before, after string
		verdict       hostile.Verdict
	}{
		{"length", "a body with its length", []string{"Content-Length: %d"}, "", "", whatever()},
		{"length-twice", "the length twice", []string{"Content-Length: %d", "Content-Length: %d"}, "", "", whatever()},
		{"length-list", "the length twice in one field", []string{"Content-Length: %d, %d"}, "", "", whatever()},
		{"length-0-and-more", "two lengths, the first is 0", []string{"Content-Length: 0", "Content-Length: %d"}, "", "", refused(400)},
		{"length-more-and-0", "two lengths, the last is 0", []string{"Content-Length: %d", "Content-Length: 0"}, "", "", refused(400)},
		{"length-0-between", "three lengths, the one in the middle is none", []string{"Content-Length: 0", "Content-Length: %d", "Content-Length: 0"}, "", "", refused(400)},
		{"length-and-longer", "two lengths", []string{"Content-Length: %d", "Content-Length: 1%[1]d"}, "", "", refused(400)},
		{"length-list-two", "two lengths in one field", []string{"Content-Length: 0, %d"}, "", "", refused(400)},
		{"chunked", "a chunk", []string{"Transfer-Encoding: chunked"}, "%x\r\n", "\r\n0\r\n\r\n", whatever()},
		{"chunked-capitals", "a chunk, said in capitals", []string{"TRANSFER-ENCODING: CHUNKED"}, "%x\r\n", "\r\n0\r\n\r\n", whatever()},
		{"chunked-folded", "a chunk, said in a folded field", []string{"Transfer-Encoding:\r\n chunked"}, "%x\r\n", "\r\n0\r\n\r\n", whatever()},
		{"chunked-and-length", "a chunk, and a length of 0", []string{"Content-Length: 0", "Transfer-Encoding: chunked"}, "%x\r\n", "\r\n0\r\n\r\n", whatever()},
		{"length-and-chunked", "a length, and chunked", []string{"Transfer-Encoding: chunked", "Content-Length: %d"}, "", "", whatever()},
		{"identity", "a coding that is no longer one (RFC 9112 7)", []string{"Transfer-Encoding: identity"}, "", "", refused()},
		{"chunked-not-last", "chunked is not the last coding (RFC 9112 6.3)", []string{"Transfer-Encoding: chunked, x"}, "", "", refused()},
		{"chunked-behind-unknown", "a coding that nobody knows", []string{"Transfer-Encoding: x, chunked"}, "", "", refused()},
		{"chunked-twice", "chunked twice", []string{"Transfer-Encoding: chunked, chunked"}, "", "", refused()},
		{"chunked-two-fields", "chunked in one field, another coding in the next", []string{"Transfer-Encoding: chunked", "Transfer-Encoding: identity"}, "", "", refused()},
		{"chunked-quoted", "chunked in quotes", []string{`Transfer-Encoding: "chunked"`}, "", "", refused()},
		{"chunked-tab", "a tab before the colon", []string{"Transfer-Encoding\t: chunked"}, "", "", refused()},
		{"chunked-space", "a blank before the colon", []string{"Transfer-Encoding : chunked"}, "", "", refused()},
		{"chunked-vertical", "a vertical tab before the coding", []string{"Transfer-Encoding: \x0bchunked"}, "", "", refused()},
		{"chunked-nul", "NUL behind the coding", []string{"Transfer-Encoding: chunked\x00"}, "", "", refused()},
		{"chunked-empty", "an empty coding", []string{"Transfer-Encoding:"}, "", "", whatever()},
		{"length-in-lf", "a length behind a line that ends with LF alone", []string{"X-A: b\nContent-Length: %d"}, "", "", whatever()},
	} {
		when := but(everyVersion, "hybi-04") // whose frames nobody can mask before the answer came
		if c.name != "length" && !strings.HasPrefix(c.name, "length-0") && c.name != "chunked" && c.name != "identity" && c.name != "chunked-not-last" {
			when = named("hixie-76", "hybi-05", "rfc6455")
		}
		l.each("smuggle/body-"+c.name, when, func(d dialect) hostile.Case {
			body := d.text(smuggled)
			n := bodyLength(d)
			h := d.request().then("")
			for _, f := range c.fields {
				h = h.with(numbered(f, n))
			}
			return hostile.Case{
				Holes:   []string{"CVE-2026-69243", "CVE-2026-58055"},
				Comment: "a handshake with a body that is a frame: " + c.comment,
				Steps:   steps(send(h.String(), numbered(c.before, n), body, c.after), hold(ms*500)),
				Verdict: never(c.verdict, smuggled),
			}
		})
	}
}

// numbered puts a length into a text, wherever that has %d or %x.
func numbered(text string, n int) string {
	args := make([]any, strings.Count(text, "%")-strings.Count(text, "%["))
	for i := range args {
		args[i] = n
	}
	if len(args) == 0 {
		args = []any{n}
	}
	if !strings.Contains(text, "%") {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// bodyLength is how many bytes smuggled has as a client's frame.
func bodyLength(d dialect) int {
	switch {
	case d.masking == maskNone:
		return 2 + len(smuggled)
	}
	return 6 + len(smuggled)
}

// smuggleLengths: lengths that are none.
func (l *list) smuggleLengths() {
	for _, c := range []struct{ name, value string }{
		{"plus", "+%d"}, {"minus", "-%d"}, {"hexadecimal", "0x%x"}, {"exponent", "%de0"}, {"point", "%d.0"}, {"word", "x"}, {"empty", ""}, {"space-inside", "1 %d"},
		{"comma", ","}, {"underscore", "1_%d"}, {"quoted", `"%d"`}, {"nul", "%d\x00"}, {"parameter", "%d;a=b"},
		{"overflow", "18446744073709551616"}, {"overflow-63", "9223372036854775808"}, {"digits", gap(4*kib, "9")}, {"zeros", gap(4*kib, "0") + "%d"},
		{"other-digits", "\u00d9\u00a1\u00d9\u00a4"},
	} {
		l.each("smuggle/length-"+c.name, named("hixie-75", "hixie-76", "rfc6455"), func(d dialect) hostile.Case {
			v := refused()
			if c.name == "zeros" {
				v = whatever()
			}
			h := d.request().then("").with(numbered("Content-Length: "+c.value, bodyLength(d)))
			return hostile.Case{Comment: "a length that is none (RFC 9112 6.3)", Steps: steps(send(h.parts(), d.text(smuggled)), hold(5*sec)), Verdict: never(v, smuggled)}
		})
	}
}

// smuggleOldBodies: the eight bytes of hixie-76 and hybi-02 are the one body that a
// handshake has; a length may be told, if it is 8.
func (l *list) smuggleOldBodies() {
	for _, c := range []struct{ name, field string }{
		{"7", "Content-Length: 7"}, {"9", "Content-Length: 9"}, {"16", "Content-Length: 16"}, {"plus-8", "Content-Length: +8"},
		{"list", "Content-Length: 8, 9"}, {"two", "Content-Length: 8\r\nContent-Length: 0"}, {"two-turned", "Content-Length: 0\r\nContent-Length: 8"},
		{"wrap-64", "Content-Length: 18446744073709551624"}, {"wrap-32", "Content-Length: 4294967304"},
		{"chunked", "Transfer-Encoding: chunked"}, {"identity", "Transfer-Encoding: identity"}, {"both", "Content-Length: 8\r\nTransfer-Encoding: chunked"},
	} {
		l.each("smuggle/eight-"+c.name, challenged, func(d dialect) hostile.Case {
			return hostile.Case{Holes: []string{"CVE-2026-69243"}, Comment: "the eight bytes of the challenge are there, and the head says something else of its body",
				Steps:   steps(send(d.request().with(c.field).String(), d.text(smuggled)), hold(5*sec)),
				Verdict: never(outcomes(hostile.Refused, hostile.Ended), smuggled)}
		})
	}
	l.each("smuggle/eight-0", challenged, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "Content-Length: 0, which says no more than no length does", Steps: ask(d.request().with("Content-Length: 0")), Verdict: either()}
	})
	l.each("smuggle/eight-8", challenged, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "Content-Length: 8 for the eight bytes, as some clients said", Steps: ask(d.request().with("Content-Length: 8")), Verdict: either()}
	})
	l.each("smuggle/eight-chunk", challenged, func(d dialect) hostile.Case {
		h := d.request().with("Transfer-Encoding: chunked").then("8\r\n^n:ds[4U\r\n0\r\n\r\n")
		return hostile.Case{Comment: "the eight bytes in a chunk", Steps: steps(send(h.String()), hold(5*sec)), Verdict: never(outcomes(hostile.Refused, hostile.Ended), hixieDigest)}
	})
	l.each("smuggle/eight-and-frame", challenged, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a frame directly behind the eight bytes, before the answer", Steps: steps(send(d.request().String(), d.text("early")), hold(ms*300)),
			Verdict: whatever()}
	})
}

// smuggleRequests: a request behind a handshake. Behind one that is refused, a server that
// keeps the connection may take it: then it is a handshake of its own, and what is wrong
// with the first has no part in it.
func (l *list) smuggleRequests() {
	for _, c := range []struct {
		name, comment string
		change        func(h head) head
	}{
		{"version", "a version that nobody speaks", func(h head) head { return h.set("Sec-WebSocket-Version", "999") }},
		{"key", "no key", func(h head) head { return h.drop("Sec-WebSocket-Key") }},
		{"host", "a host that is none", func(h head) head { return h.set("Host", "a b") }},
		{"post", "a method that is none of a handshake", func(h head) head { return h.start("POST / HTTP/1.1") }},
		{"http-10", "HTTP/1.0", func(h head) head { return h.start("GET / HTTP/1.0").with("Connection: keep-alive") }},
		{"length", "a length that is none", func(h head) head { return h.with("Content-Length: x") }},
	} {
		for _, pause := range []bool{false, true} {
			name, how := "at-once", "in the same segment"
			second := rfc.request().set("Sec-WebSocket-Key", otherKey).String()
			first := []hostile.Step{send(c.change(rfc.request()).String(), second)}
			if pause {
				name, how = "later", "a moment later"
				first = steps(send(c.change(rfc.request()).String()), wait(200*ms), send(second))
			}
			l.add("smuggle/behind-refused-"+c.name+"-"+name, hostile.Case{Version: rfc.name,
				Comment: "behind a handshake that is refused for " + c.comment + " another one, which is right, " + how + ": the first has to be refused, whether the second is read or not",
				Steps:   append(first, hold(1*sec)), Verdict: never(whatever(), sampleProof, emptyProof), Budget: hostile.Budget{Time: 3 * sec}})
		}
	}
	l.each("smuggle/behind-opened-request", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "an ordinary request behind a handshake: these are frames, and wrong ones",
			Steps:   steps(send(d.request().String(), page("/").String()), hold(1*sec)),
			Verdict: never(whatever(), " 200 ", " 404 "), Budget: hostile.Budget{Time: 3 * sec}}
	})
	l.each("smuggle/behind-opened-handshake", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a second handshake behind one, once that is open: its answer would have the other key's proof",
			Steps:   steps(open(), send(rfc.request().set("Sec-WebSocket-Key", otherKey).String()), hold(1*sec)),
			Verdict: never(whatever(), otherProof), Budget: hostile.Budget{Time: 3 * sec}}
	})
}

// smuggleOthers: other ways to change the protocol. A 426 may name WebSocket (RFC 9110
// 15.5.22); an answer that proves a handshake may not come.
func (l *list) smuggleOthers() {
	const settings = "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"
	l.each("smuggle/expect-continue", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a handshake that expects 100 Continue", Steps: steps(send(d.request().with("Expect: 100-continue").String()), hold(ms*300)),
			Verdict: never(whatever(), "\n\nHTTP/1.1 2")}
	})
	for _, c := range []struct{ name, value string }{{"unknown", "Expect: x"}, {"body", "Expect: 100-continue\r\nContent-Length: 5"}, {"long", "Expect: " + gap(8*kib, "1")}} {
		l.add("smuggle/expect-"+c.name, hostile.Case{Version: rfc.name, Comment: "a handshake that expects something else",
			Steps: steps(send(rfc.request().with(c.value).parts()), hold(ms*300)), Verdict: whatever()})
	}
	for _, c := range []struct {
		name, comment string
		fields        []string
	}{
		{"h2c", "HTTP/2 in clear", []string{"Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", settings}},
		{"h2c-short", "HTTP/2 in clear, without Connection's members", []string{"Upgrade: h2c", "Connection: Upgrade", settings}},
		{"tls", "TLS within HTTP (RFC 2817)", []string{"Upgrade: TLS/1.0", "Connection: Upgrade"}},
		{"nothing", "nothing", []string{"Upgrade:", "Connection: Upgrade"}},
	} {
		l.add("smuggle/upgrade-"+c.name, hostile.Case{Comment: "an upgrade to " + c.comment + ", and a page in the same segment",
			Steps: steps(send(page("/").with(c.fields...).String(), h2Preface, h2Settings()), hold(ms*300)), Verdict: never(whatever(), "ocket-Accept:", "ocket-accept:", "ocket-Location:")})
	}
	l.each("smuggle/upgrade-both", everyVersion, func(d dialect) hostile.Case {
		h := d.request().replace("Upgrade", "Upgrade: h2c, websocket").replace("Connection", "Connection: Upgrade, HTTP2-Settings").with(settings)
		return hostile.Case{Comment: "an upgrade to HTTP/2 in clear or WebSocket", Steps: steps(send(h.String()), hold(ms*300)), Verdict: never(whatever(), "pgrade: h2c")}
	})
}
