package gen

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// bulk is a message of a client with so many KiB.
func (d dialect) bulk(kibs int64) []hostile.Part {
	if d.hixie {
		return cat("\x00", over(kibs, letters(kib)), "\u00ff")
	}
	return d.up(frame{op: d.bulkOp(), payload: []byte(letters(kib)), times: kibs})
}

// bulkOp is the kind of long messages: with hybi-04's masks their bytes are any, and no
// text.
func (d dialect) bulkOp() byte {
	if d.masking == maskHash {
		return d.op.binary
	}
	return d.op.text
}

// frontUnread has clients that send and do not read. Both ways through the proxy get
// stuck: its own limit of time has to end that.
func frontUnread(l *list) {
	const writeTime = 80 * sec // a minute is what many proxies have by default
	stuck := func(s hostile.Step) hostile.Step { s.Stuck = sec; return s }
	l.each("slow/unread-bulk", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "A client sends messages of 512 KiB until nothing is taken, and reads none of the echoes. It has to be gone when the proxy's time for writing is over.",
			Unread:  true, Slow: true,
			Steps:   steps(open(), stuck(times(400, d.bulk(512))), hold(writeTime)),
			Verdict: ended(),
			Budget:  hostile.Budget{Time: writeTime + 10*sec, CPU: 5 * sec, Memory: 64 * mib},
		}
	})
	l.each("slow/unread-then-reset", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "20 clients send until nothing is taken, read nothing, and reset: what they held is given back at once.",
			Clients: 20, Unread: true, Slow: true, Holes: []string{"CVE-2017-2670"},
			Steps:   steps(open(), stuck(times(400, d.bulk(512))), reset()),
			Verdict: whatever(),
			Budget:  cost{Time: 60 * sec, CPU: 10 * sec, Memory: 128 * mib, Probe: 5 * sec}.lines(20),
		}
	})
	l.each("slow/unread-then-end", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "5 clients send until nothing is taken, read nothing, end their half, and stay.",
			Clients: 5, Unread: true, Slow: true,
			Steps:   steps(open(), stuck(times(400, d.bulk(512))), end(), hold(writeTime)),
			Verdict: ended(),
			Budget:  cost{Time: writeTime + 10*sec, CPU: 10 * sec, Memory: 64 * mib}.lines(5),
		}
	})
	unread := func(name, comment string, when func(dialect) bool, n int64, unit func(d dialect) []hostile.Part) {
		for _, tls := range []bool{false, true} {
			name, needs := "flood/"+name, []string(nil)
			if tls {
				name, needs = name+"-over-tls", []string{"tls"}
			}
			l.each(name, when, func(d dialect) hostile.Case {
				u := unit(d)
				s := times(n, u)
				if len(u) == 1 && !u[0].Mask && u[0].Times <= 1 {
					s = send(over(n, u[0]))
				}
				return hostile.Case{
					Comment: "20 clients send " + comment + " for 2 seconds, read nothing, and reset: what waits for them has a bound.",
					Clients: 20, Unread: true, Slow: true, TLS: tls, Needs: needs,
					Steps:   steps(open(), within(2*sec, stuck(s)), reset()),
					Verdict: whatever(),
					Budget:  cost{Time: 30 * sec, CPU: 20 * sec, Memory: 64 * mib, Probe: 5 * sec, Recover: 15 * sec}.lines(20),
				}
			})
		}
	}
	unread("unread-pings", "pings of 100 bytes", hybis, 10_000_000, func(d dialect) []hostile.Part {
		return d.up(frame{op: d.op.ping, payload: []byte(letters(100))})
	})
	unread("unread-messages", "small messages", everyVersion, 10_000_000, func(d dialect) []hostile.Part { return d.text("hello") })
}

// frontFloods has much that comes through the proxy, and is read.
func frontFloods(l *list) {
	flood := func(name, comment string, holes []string, when func(dialect) bool, first func(d dialect) []hostile.Part, n int64, unit func(d dialect) []hostile.Part) {
		l.each("flood/"+name, when, func(d dialect) hostile.Case {
			u := unit(d)
			s := times(n, u)
			if len(u) == 1 && !u[0].Mask && u[0].Times <= 1 {
				s = send(over(n, u[0]))
			}
			all := steps(open())
			if first != nil {
				all = append(all, send(first(d)))
			}
			return hostile.Case{
				Comment: comment + ", and all that comes back is read.", Holes: holes, Slow: true,
				Steps:   append(all, within(downTime, s), hold(ms*200)),
				Verdict: whatever(),
				Budget:  hostile.Budget{Time: 30 * sec, CPU: 20 * sec, Memory: 64 * mib, Probe: 5 * sec, Recover: 15 * sec},
			}
		})
	}
	one := func(f func(d dialect) frame) func(d dialect) []hostile.Part {
		return func(d dialect) []hostile.Part { return d.up(f(d)) }
	}
	begun := one(func(d dialect) frame { return frame{op: d.bulkOp(), open: true} })
	flood("fragments-of-1", "A message of fragments of a byte, which does not end", []string{"CVE-2026-48779", "CVE-2026-62389"}, hybis, begun, 10_000_000,
		one(func(dialect) frame { return frame{open: true, payload: []byte("x")} }))
	flood("empty-continuations", "A message of empty continuations, which does not end", []string{"CVE-2026-12151"}, hybis, begun, 10_000_000,
		one(func(dialect) frame { return frame{open: true} }))
	flood("fragments-of-64kib", "A message of fragments of 64 KiB, which does not end", []string{"GHSA-pf94-94m9-536p"}, hybis, begun, 16_384,
		one(func(dialect) frame { return frame{open: true, payload: []byte(letters(kib)), times: 64} }))
	flood("pings", "Pings of 100 bytes", nil, hybis, nil, 3_000_000, one(func(d dialect) frame { return frame{op: d.op.ping, payload: []byte(letters(100))} }))
	flood("pongs", "Pongs that nobody asked for", []string{"CVE-2021-3690"}, hybis, nil, 10_000_000, one(func(d dialect) frame { return frame{op: d.op.pong} }))
	flood("messages", "Messages of a few bytes", nil, everyVersion, nil, 3_000_000, func(d dialect) []hostile.Part { return d.text("hello") })
	flood("messages-empty", "Empty messages", nil, everyVersion, nil, 10_000_000, func(d dialect) []hostile.Part { return d.text("") })
	flood("message-of-1gib", "A message of 1 GiB", []string{"CVE-2026-15565"}, everyVersion, nil, 1, func(d dialect) []hostile.Part { return d.bulk(mib) })
	flood("types", "Frames of a type that is skipped", nil, hixies, nil, 10_000_000, func(dialect) []hostile.Part { return cat(hixieMarked(0x01, "")) })
	flood("length-endless", "A length that does not end, zeros", nil, hixies, nil, 1, func(dialect) []hostile.Part { return cat("\u0080", sameByte(0x80, 256*mib)) })
	l.each("flood/unfinished-messages", everyVersion, func(d dialect) hostile.Case {
		p := d.bulk(12 * kib)
		p = p[:len(p)-1]
		if !d.hixie {
			p = d.up(frame{op: d.bulkOp(), says: 12 * mib, payload: []byte(letters(kib)), times: 8 * kib})
		}
		return hostile.Case{
			Comment: "50 clients send most of a message of 12 MiB, and then nothing more.", Holes: []string{"CVE-2026-15565"},
			Clients: 50, Slow: true,
			Steps:   steps(open(), within(2*sec, send(p)), hold(sec)),
			Verdict: whatever(),
			Budget:  cost{Time: 60 * sec, CPU: 10 * sec, Memory: 256 * mib, Probe: 5 * sec, Recover: 15 * sec}.lines(50),
		}
	})
}

// frontFrames has frames that are wrong. A proxy that reads them ends the connection,
// one that does not lets the backend do so.
func frontFrames(l *list) {
	bad := func(name string, holes []string, when func(dialect) bool, parts func(d dialect) []hostile.Part) {
		l.each("frame/"+name, when, func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "A frame that is wrong comes through the proxy: " + name + ".", Holes: holes,
				Steps: steps(open(), send(parts(d)), hold(ms*300)), Verdict: beyondIs(whatever(), 1),
			}
		})
	}
	frames := func(name string, holes []string, f func(d dialect) []frame) {
		bad(name, holes, hybis, func(d dialect) []hostile.Part { return d.up(f(d)...) })
	}
	some := []byte(letters(kib))
	for _, v := range []struct {
		name string
		n    uint64
	}{{"2-63", 1 << 63}, {"2-64-minus-1", 1<<64 - 1}, {"2-62", 1 << 62}, {"2-40", 1 << 40}, {"2-32-and-5", 1<<32 + 5}} {
		frames("length-"+v.name, []string{"CVE-2026-27889"}, func(d dialect) []frame { return []frame{{op: d.op.text, says: v.n, payload: some}} })
	}
	frames("fragments-2-63-minus-1", []string{"CVE-2020-27813"}, func(d dialect) []frame {
		return []frame{{op: d.op.text, open: true, payload: []byte("x")}, {open: true, says: 1<<63 - 1, payload: some}}
	})
	frames("opcode-of-1tib", []string{"CVE-2026-19204"}, func(d dialect) []frame { return []frame{{op: d.op.reserved()[0], says: 1 << 40, payload: some}} })
	frames("reserved-bits", nil, func(d dialect) []frame { return []frame{{op: d.op.text, rsv: 7, payload: []byte("x")}} })
	frames("continuation-first", nil, func(dialect) []frame { return []frame{{payload: []byte("x")}} })
	frames("text-in-text", nil, func(d dialect) []frame { return []frame{{op: d.op.text, open: true}, {op: d.op.text}} })
	frames("ping-126", nil, func(d dialect) []frame { return []frame{{op: d.op.ping, payload: []byte(letters(126))}} })
	frames("ping-open", nil, func(d dialect) []frame { return []frame{{op: d.op.ping, open: true}, {}} })
	frames("not-utf8", []string{"GO-2026-5838"}, func(d dialect) []frame { return []frame{{op: d.op.text, payload: []byte("caf\xe9\xff")}} })
	bad("turned-mask", nil, spoken("hybi-04", "hybi-05", "hybi-06", "hybi-07", "hybi-08", "rfc6455"), func(d dialect) []hostile.Part {
		return d.up(frame{op: d.op.text, turned: true, payload: []byte("hello")})
	})
	for _, code := range []int{0, 1005, 1006, 1015, 2999, 65535} {
		bad(fmt.Sprintf("close-code-%d", code), nil, coded, func(d dialect) []hostile.Part { return d.bye(code, "") })
	}
	bad("close-one-byte", nil, coded, func(d dialect) []hostile.Part { return d.up(frame{op: d.op.close, payload: []byte{3}}) })
	bad("close-many", nil, closing, func(d dialect) []hostile.Part {
		return cat(d.bye(1000, ""), d.bye(1001, ""), d.text("x"), d.bye(1002, ""))
	})
	bad("hixie-length", []string{"CVE-2026-27889"}, hixies, func(dialect) []hostile.Part { return cat(hixieLength(0x80, 1<<64-1, 0), letters(kib)) })
	bad("hixie-type", nil, hixies, func(dialect) []hostile.Part { return cat(hixieMarked(0x7F, "x")) })
	bad("hixie-not-utf8", nil, hixies, func(dialect) []hostile.Part { return cat(hixieText("caf\xe9\xc0\x80")) })
	bad("http", nil, everyVersion, func(dialect) []hostile.Part { return cat(page("/smuggled").String(), page("/smuggled").String()) })
}

// frontResets has connections that break, and closes that cross.
func frontResets(l *list) {
	for _, cut := range []string{"reset", "end"} {
		l.each("reset/"+cut+"-at-every-byte", everyVersion, func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "The connection is cut before each byte of a handshake, a message and a close.", Holes: []string{"CVE-2017-2670"},
				Slow: true, Cut: cut,
				Steps:   steps(send(d.request().String()), expect(switched), send(d.text("hello"), d.bye(1000, "")), hold(2*sec)),
				Verdict: cutVerdict(cut),
				Budget:  cost{Time: 2 * 60 * sec, CPU: 10 * sec, Recover: 15 * sec}.lines(500),
			}
		})
	}
	l.each("close/half-stream", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "A client ends its half of the stream without a close, and stays.",
			Steps:   steps(open(), end(), hold(10*sec)), Verdict: ended(), Budget: hostile.Budget{Time: 15 * sec},
		}
	})
	l.each("close/half-stream-in-a-message", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "A client ends its half of the stream in the middle of a message, and stays.",
			Steps:   steps(open(), send(d.cutText()), end(), hold(10*sec)), Verdict: ended(), Budget: hostile.Budget{Time: 15 * sec},
		}
	})
	l.each("close/half-stream-in-the-head", spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "A client ends its half of the stream in the middle of its head, and stays.",
			Steps:   steps(send(d.request().blank()), end(), hold(10*sec)), Verdict: refused(), Budget: hostile.Budget{Time: 15 * sec},
		}
	})
	race := func(name, comment string, when func(dialect) bool, s func(d dialect) []hostile.Step) {
		l.each("close/"+name, when, func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "20 clients, 10 times each: " + comment + ".", Clients: 20, Rounds: 10, Slow: true, Holes: []string{"CVE-2025-11677"},
				Steps: s(d), Verdict: whatever(), Budget: cost{Time: 60 * sec, CPU: 5 * sec, Recover: 10 * sec}.lines(200),
			}
		})
	}
	race("then-reset", "a close, and at once a reset", closing, func(d dialect) []hostile.Step { return steps(open(), send(d.bye(1000, "")), reset()) })
	race("then-messages", "a close, and messages behind it", closing, func(d dialect) []hostile.Step {
		return steps(open(), send(d.bye(1000, "")), times(100, d.text("hello")), hold(200*ms))
	})
	race("message-and-end", "a message, a close and the end in one", everyVersion, func(d dialect) []hostile.Step {
		return steps(open(), send(d.text("hello"), d.bye(1000, "")), end(), hold(sec))
	})
	race("open-and-reset", "the handshake, and at once a reset", everyVersion, func(d dialect) []hostile.Step { return steps(send(d.request().String()), reset()) })
	race("opened-and-reset", "the handshake's end, and at once a reset", everyVersion, func(dialect) []hostile.Step { return steps(open(), reset()) })
}

// cutText is a message of a client that does not come whole.
func (d dialect) cutText() []hostile.Part {
	p := onlyPart(d.text("hello"))
	if p.Mask {
		p.Hex = p.Hex[:len(p.Hex)-2]
	} else {
		p.Hex = p.Hex[:3]
	}
	return []hostile.Part{p}
}

// frontCrowds has many clients at once, or one after another.
func frontCrowds(l *list) {
	crowd := func(name, comment string, n int, memory int64, s ...hostile.Step) {
		l.add("slow/"+name, hostile.Case{
			Comment: comment + " Others have to get in all the same.", Clients: n, Slow: true, Steps: s, Verdict: whatever(),
			Budget: cost{Time: 60 * sec, CPU: 8 * sec, Memory: memory, Probe: 3 * sec, Recover: 15 * sec}.lines(n),
		})
	}
	crowd("silent-5000", "5,000 connections on which nothing comes.", 5000, 160*mib, hold(8*sec))
	crowd("silent-1900", "1,900 connections on which nothing comes.", 1900, 96*mib, hold(8*sec))
	crowd("a-byte-5000", "5,000 connections on which one byte comes.", 5000, 160*mib, send("G"), hold(8*sec))
	crowd("half-a-head-5000", "5,000 connections on which half a head comes.", 5000, 160*mib, send("GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"), hold(8*sec))
	crowd("head-drips-500", "500 connections on which a byte comes now and then.", 500, 64*mib, within(12*sec, pieces(1, sec, letters(kib))))
	crowd("no-digest-2000", "2,000 handshakes of hixie-76 without their eight bytes.", 2000, 128*mib, send(dialects[1].request().then("").String()), hold(8*sec))
	l.add("slow/silent-again-and-again", hostile.Case{
		Comment: "200 connections a second on which nothing comes, for 10 seconds. Others have to get in all the same.",
		Clients: 2000, PerSecond: 200, Slow: true, Steps: steps(hold(5 * sec)), Verdict: whatever(),
		Budget: cost{Time: 60 * sec, CPU: 8 * sec, Memory: 96 * mib, Probe: 3 * sec, Recover: 15 * sec}.lines(2000),
	})
	l.each("flood/sessions", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "4,000 sessions: a handshake, a message, a close.", Clients: 20, Rounds: 200, Slow: true, Holes: []string{"CVE-2021-42340"},
			Steps:   steps(open(), send(d.text("hello"), d.bye(1000, "")), end(), hold(2*sec)),
			Verdict: whatever(), Budget: cost{Time: 90 * sec, CPU: 20 * sec, Probe: 2 * sec}.lines(4000),
		}
	})
	l.add("flood/connects", hostile.Case{
		Comment: "10,000 connections that are reset at once.", Clients: 20, Rounds: 500, Slow: true, Steps: steps(reset()), Verdict: whatever(),
		Budget: cost{Time: 90 * sec, CPU: 20 * sec, Probe: 2 * sec}.lines(10_000),
	})
	l.each("log/refusals", spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "2,000 handshakes that are refused, with escapes in all that a log may show.", Clients: 10, Rounds: 200, Slow: true,
			Steps: steps(send(d.request().target("/\x1b[2J%1b\u009b").set(d.origin, "\x1b]0;owned\x07\u202e"[:10]).with("User-Agent: \x1b[31m").String()), hold(2*sec)),
			// What a log shows cannot be seen here, how long it is can.
			Verdict: whatever(), Budget: cost{Time: 90 * sec, CPU: 15 * sec, Probe: 2 * sec}.lines(2000),
		}
	})
}

// frontTLS has what comes in the place of TLS, and goes on behind it.
func frontTLS(l *list) {
	tls := []string{"tls"}
	for _, v := range []struct{ name, comment, text string }{
		{"half-a-record", "half a record", "\x16\x03\x01\x02\x00\x01"},
		{"long-record", "a record that is longer than any", "\x16\x03\x01\u00ff\u00ff" + letters(64)},
		{"long-hello", "a greeting of 16 MiB", "\x16\x03\x01\x40\x00\x01\u00ff\u00ff\u00ff" + letters(256)},
		{"alerts", "a thousand warnings", strings.Repeat("\x15\x03\x01\x00\x02\x01\x00", 1000)},
	} {
		l.add("tls/"+v.name, hostile.Case{
			Comment: "In the place of TLS comes " + v.comment + ", and then nothing more.", Needs: tls, Slow: true,
			Steps: steps(send(v.text), hold(long)), Verdict: ended(), Budget: patientBudget,
		})
	}
	l.add("tls/h2-silent", hostile.Case{
		Comment: "200 clients agree on HTTP/2, where the proxy takes it, and are silent behind the preface and settings: nobody holds them for ever.",
		Clients: 200, TLS: true, ALPN: []string{"h2", "http/1.1"}, Needs: []string{"tls"}, Slow: true,
		Steps: steps(send(h2Begin().Parts), hold(95*sec)), Verdict: ended(),
		Budget: cost{Time: 100 * sec, CPU: 3 * sec, Memory: 64 * mib}.lines(200),
	})
	l.each("tls/reset-in-session", spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "100 clients within TLS are reset in the middle of a session.", Clients: 100, TLS: true, Needs: tls, Slow: true,
			Steps: steps(open(), send(d.text("hello")), reset()), Verdict: whatever(), Budget: cost{Time: 30 * sec, CPU: 8 * sec, Memory: 64 * mib}.lines(100),
		}
	})
}

// frontDeflate has messages that a proxy expands, if it has agreed to compression.
func frontDeflate(l *list) {
	for _, p := range unpackables(dialect.up) {
		l.each("deflate/"+p.name, deflating, func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "A compressed message has " + p.comment + ".", Holes: p.holes, Needs: []string{"deflate"},
				Steps: steps(open("Sec-WebSocket-Extensions: permessage-deflate"), send(p.parts(d)), hold(5*sec)), Verdict: failed(),
				Budget: hostile.Budget{CPU: 3 * sec},
			}
		})
	}
}
