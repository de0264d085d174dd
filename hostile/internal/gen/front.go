package gen

import (
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// frontCases returns the attacks of the side front: what a client can do to a proxy, and
// through it to what is behind.
//
// A proxy may carry frames as they come, or read and write them itself. So what is wrong
// with a frame ends the connection in the one and not in the other, and the verdict is
// what it costs. What is wrong with a request concerns both.
func frontCases() []hostile.Case {
	l := &list{side: hostile.Front}
	frontEarly(l)
	frontBodies(l)
	frontRefused(l)
	frontForms(l)
	frontHops(l)
	frontInjections(l)
	frontAddresses(l)
	frontRoutes(l)
	frontLoose(l)
	frontProtocols(l)
	frontLists(l)
	frontUnread(l)
	frontFloods(l)
	frontFrames(l)
	frontResets(l)
	frontCrowds(l)
	frontTLS(l)
	frontDeflate(l)
	l.costs()
	return l.cases
}

// switched is what a 101 has in its first line.
const switched = " 101 "

// beyondIs is a verdict with what the backend must not see: more than so many connections,
// or these bytes.
func beyondIs(v hostile.Verdict, connections int, never ...string) hostile.Verdict {
	v.Beyond = &hostile.Beyond{Connections: &connections, Never: never}
	return v
}

// heldBack is a verdict for bytes behind a request, which have to wait for its 101.
func heldBack(v hostile.Verdict) hostile.Verdict {
	v = beyondIs(v, 1)
	v.Beyond.Early = true
	return v
}

// taken: the handshake is refused or served.
func taken() hostile.Verdict { return outcomes(hostile.Refused, hostile.Served) }

// shut: there is no 101. A page may come, if what is left of the request asks for one.
func shut() hostile.Verdict { return never(whatever(), switched) }

// asks sends a request and gives the proxy the time to do with it what it does.
func asks(h head) []hostile.Step { return steps(send(h.String()), hold(ms*300)) }

// lines is a budget for so many connections of which a proxy logs a line or two each.
func (b cost) lines(n int) hostile.Budget {
	b.LogLines = 2*n + 20
	return hostile.Budget(b)
}

type cost hostile.Budget

// frontEarly has bytes behind a request that come before its 101.
func frontEarly(l *list) {
	holes := []string{"CVE-2026-2833"}
	early := func(name, comment string, when func(dialect) bool, parts func(d dialect) []any) {
		l.each("smuggle/early-"+name, when, func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: comment + " comes behind the request, before the 101: a backend must not see it until then.",
				Holes:   holes,
				Steps:   steps(send(append([]any{d.request().String()}, parts(d)...)...), hold(ms*500)),
				Verdict: heldBack(whatever()),
			}
		})
	}
	plain := but(keyed, "hybi-04") // whose frames nobody can mask before the answer
	l.each("smuggle/early-frame", plain, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "A message comes behind the request, before the 101. It is answered behind the 101 or the handshake is refused; it is not lost.",
			Holes:   holes,
			Steps:   steps(send(d.request().String(), d.text("early")), expect(switched), expectHex(raw(d.textDown("early")))),
			Verdict: heldBack(taken()),
		}
	})
	early("close", "The close", plain, func(d dialect) []any { return []any{d.bye(1000, "")} })
	early("1mib", "A message of 1 MiB", spoken("hybi-05", "rfc6455"), func(d dialect) []any {
		return []any{d.up(frame{op: d.op.text, payload: []byte(letters(kib)), times: kib})}
	})
	early("request", "Another request", keyed, func(dialect) []any { return []any{page("/smuggled").String()} })
	early("upgrade", "The same request once more", keyed, func(d dialect) []any { return []any{d.request().String()} })
	early("h2", "The preface of HTTP/2", spoken("rfc6455"), func(dialect) []any { return []any{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"} })
	early("zeros", "64 KiB of zeros", keyed, func(dialect) []any { return []any{sameByte(0, 64*kib)} })
	early("answer", "The head of a 101", spoken("hybi-07", "rfc6455"), func(d dialect) []any {
		return []any{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"}
	})
	l.each("smuggle/early-drip", spoken("hybi-05", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "The request and a message behind it come in segments of a byte.",
			Holes:   holes,
			Steps:   steps(pieces(1, ms/2, d.request().String(), d.text("early")), expect(switched), expectHex(raw(d.textDown("early")))),
			Verdict: heldBack(taken()),
		}
	})
	l.each("smuggle/early-frame", challenged, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "A message comes behind the request and its eight bytes, before the 101.",
			Holes:   holes,
			Steps:   steps(send(d.request().String(), d.text("early")), hold(ms*500)),
			Verdict: beyondIs(whatever(), 1),
		}
	})
	l.each("smuggle/early-much", spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "20 clients send 16 MiB each behind their request, before the 101: a proxy does not hold all that.",
			Holes:   []string{"CVE-2026-33219"}, Clients: 20,
			Steps:   steps(within(3*sec, send(d.request().String(), d.text(letters(4*kib)), over(16*kib, letters(kib)))), hold(ms*500)),
			Verdict: whatever(),
			Budget:  cost{Memory: 64 * mib, CPU: 8 * sec, Time: 15 * sec, Probe: 4 * sec}.lines(20),
		}
	})
}

// frontBodies has requests with bodies that two programs measure in two ways.
func frontBodies(l *list) {
	holes := []string{"CVE-2026-69243", "CVE-2026-58055"}
	for _, v := range []struct {
		name, comment, fields string
		refuse                bool // RFC 9112 has it refused
	}{
		{"two-lengths-0-5", "two lengths that differ, the first 0", "Content-Length: 0\r\nContent-Length: 5", true},
		{"two-lengths-5-0", "two lengths that differ, the last 0", "Content-Length: 5\r\nContent-Length: 0", true},
		{"two-lengths-0-8", "two lengths that differ, one of them that of hixie-76's body", "Content-Length: 0\r\nContent-Length: 8", true},
		{"two-lengths-list", "two lengths in one field", "Content-Length: 5, 6", true},
		{"length-5", "a length of 5", "Content-Length: 5", false},
		{"length-negative", "a length of -5", "Content-Length: -5", true},
		{"length-plus", "a length of +5", "Content-Length: +5", true},
		{"length-huge", "a length beyond all numbers", "Content-Length: 18446744073709551621", true},
		{"length-hex", "a length in hexadecimal digits", "Content-Length: 0x5", true},
		{"length-blank", "a length with a blank in it", "Content-Length: 5 5", true},
		{"chunked", "chunks", "Transfer-Encoding: chunked", false},
		{"chunked-and-length", "chunks, and a length", "Content-Length: 5\r\nTransfer-Encoding: chunked", false},
		{"chunked-twice", "chunks of chunks", "Transfer-Encoding: chunked, chunked", true},
		{"chunked-first", "a coding behind the chunks", "Transfer-Encoding: chunked, identity", true},
		{"chunked-unknown", "a coding that nobody knows", "Transfer-Encoding: xchunked", true},
		{"chunked-folded", "chunks, in a folded field", "Transfer-Encoding:\r\n chunked", false},
		{"chunked-blank", "chunks, and a blank before the colon", "Transfer-Encoding : chunked", true},
		{"chunked-vt", "chunks, behind a vertical tab", "Transfer-Encoding: \x0bchunked", true},
		{"length-underscore", "Content_Length", "Content_Length: 5", false},
	} {
		l.each("smuggle/body-"+v.name, spoken("hixie-75", "hixie-76", "hybi-04", "rfc6455"), func(d dialect) hostile.Case {
			h := d.request().with(strings.Split(v.fields, "\r\n")...)
			if strings.Contains(v.fields, "folded") {
				h = d.request().with(v.fields)
			}
			verdict := beyondIs(whatever(), 1)
			if v.refuse {
				verdict = beyondIs(refused(), 0)
			}
			return hostile.Case{
				Comment: "A handshake with a body: " + v.comment + ".", Holes: holes,
				Steps:   steps(send(h.String(), "5\r\nhello\r\n0\r\n\r\n"), hold(2*sec)),
				Verdict: verdict,
			}
		})
	}
}

// frontRefused has handshakes that are refused, behind which a client sends what would be
// a frame in a tunnel: it must not reach the backend, whoever has refused.
func frontRefused(l *list) {
	for _, v := range []struct {
		name, comment string
		when          func(dialect) bool
		ask           func(d dialect) head
	}{
		{"version", "asks for a version that nobody speaks", keyed, func(d dialect) head { return d.request().set("Sec-WebSocket-Version", "99") }},
		{"post", "is a POST", everyVersion, func(d dialect) head { h := d.request(); return h.start(strings.Replace(h.line, "GET", "POST", 1)) }},
		{"no-key", "has no key", keyed, func(d dialect) head { return d.request().drop("Sec-WebSocket-Key") }},
		{"one-key", "has one of two keys", challenged, func(d dialect) head { return d.request().drop("Sec-WebSocket-Key2") }},
		{"bad-key", "has a key without blanks", challenged, func(d dialect) head { return d.request().set("Sec-WebSocket-Key1", "12998") }},
		{"two-keys", "has two keys", keyed, func(d dialect) head { return d.request().with("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==") }},
		{"http-10", "is one of HTTP/1.0", everyVersion, func(d dialect) head { return d.request().start("GET / HTTP/1.0") }},
		{"no-upgrade", "has no Upgrade", everyVersion, func(d dialect) head { return d.request().drop("Upgrade") }},
		{"other-upgrade", "asks for h2c", everyVersion, func(d dialect) head { return d.request().set("Upgrade", "h2c") }},
	} {
		l.each("smuggle/refused-"+v.name, but(v.when, "hybi-04"), func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "The handshake " + v.comment + ". Behind its refusal comes a frame: there must be no tunnel.",
				Steps: steps(send(v.ask(d).String()), expect("HTTP/1.1 "), wait(50*ms),
					send(d.text("smuggled"), "\x00\r\n\r\n"), hold(ms*500)),
				Verdict: beyondIs(shut(), 1, "smuggled"),
			}
		})
	}
}
