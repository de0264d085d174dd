package gen

import "github.com/draftwire/draftwire/hostile"

// clientCases returns the attacks of the side client: what a server can do to a program
// that has asked it for a connection.
//
// The program sends "hello" when it is connected, takes the first message for the
// answer, closes, and has a limit of time of its own for each of these. So whatever
// the attack is, the connection has to end. That a client took an answer for good shows
// in what it sends behind its request: refused is that it sent nothing there.
func clientCases() []hostile.Case {
	l := &list{side: hostile.Client}
	for _, r := range replies() {
		l.each(r.name, r.when, r.client)
	}
	for _, f := range faults() {
		l.each(f.name, f.when, f.client)
	}
	clientHeads(l)
	clientBodies(l)
	clientFloods(l)
	clientDeflate(l)
	clientSlow(l)
	clientCuts(l)
	return l.cases
}

// helloes is what a client's message "hello" has in it, if that can be known: from
// hybi-07 on the head of its frame, masked from hybi-04 to hybi-06 nothing.
func (d dialect) helloes() []string {
	switch {
	case d.hixie:
		return []string{latin1(hixieText("hello"))}
	case d.hidesHead():
		return nil
	case d.masking == maskPayload:
		return []string{"\u0081\u0085"}
	}
	return []string{latin1(raw(d.up(frame{op: d.op.text, payload: []byte("hello")})))}
}

// showsHello: helloes knows it.
func showsHello(d dialect) bool { return !d.hidesHead() }

// farewell is what a server says to a client that shall come to an end: the answer it
// waits for, and the close.
func (d dialect) farewell() []hostile.Part {
	return cat(d.textDown("hello"), d.byeDown(1000, ""))
}

// long is a hold for a client that has to give up by itself.
const long = 30 * sec

// patientBudget is the budget of a case in which nothing comes that a client could judge: its
// own limits of time end it.
var patientBudget = hostile.Budget{Time: long}

// clientHeads has heads that cost: in bytes, fields, time.
func clientHeads(l *list) {
	for _, h := range endlessHeads() {
		l.each("head/endless/"+h.name, h.when, func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "The answer's head never ends: " + h.comment + ".",
				Holes:   h.holes,
				Slow:    true,
				Steps:   steps(within(10*sec, h.send(d)), hold(long)),
				Verdict: refused(),
				Budget:  hostile.Budget{Time: long, CPU: 5 * sec},
			}
		})
	}
	for _, size := range []int{17, 31, 40, 64, 256} {
		for _, way := range deliveries {
			l.each("head/large/"+kibs(size)+"-"+way.name, spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
				return hostile.Case{
					Comment: "The answer's head has " + kibs(size) + ", " + way.comment + ". A client may have a limit; the way of delivery must not matter to it.",
					Steps:   steps(way.of(send(d.answer().blank()+"X-Long: ", over(int64(size), letters(kib)), "\r\n\r\n"+d.answer().body, d.farewell())), end(), hold(5*sec)),
					Verdict: ended(),
				}
			})
		}
	}
	l.each("head/interim-10000", spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "10,000 answers of status 103 before the 101.",
			Steps:   steps(send(over(10_000, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), d.answer().String(), d.farewell()), end(), hold(5*sec)),
			Verdict: ended(),
		}
	})
	for _, n := range []int64{129, 2000, 20_000} {
		l.each("head/fields/"+number(n), spoken("hixie-75", "hixie-76", "rfc6455"), func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "The answer has " + number(n) + " more fields of one name.",
				Holes:   []string{"CVE-2024-37890", "PYSEC-2025-266"},
				Steps: steps(send(d.answer().blank(), over(n, "X-A: b\r\n"), "\r\n"+d.answer().body, d.farewell()),
					end(), hold(5*sec)),
				Verdict: ended(),
			}
		})
	}
}

// clientBodies has refusals whose bodies cost.
func clientBodies(l *list) {
	for _, b := range endlessBodies {
		l.each("flood/body/"+b.name, b.when, func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "The handshake is refused, and the refusal's body does not end: " + b.comment + ".",
				Holes:   []string{"CVE-2025-69199"},
				Slow:    true,
				Steps:   steps(send(b.head), within(10*sec, b.flood()), hold(long)),
				Verdict: refused(),
				Budget:  hostile.Budget{Time: long, CPU: 5 * sec},
			}
		})
	}
}

// clientSlow has servers that take their time.
func clientSlow(l *list) {
	idle := func(name, comment string, when func(dialect) bool, s func(d dialect) []hostile.Step) {
		l.each("slow/"+name, when, func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: comment, Slow: true, Budget: patientBudget, Verdict: ended(),
				Steps: append(s(d), hold(long)),
			}
		})
	}
	idle("no-answer", "The server takes the connection and never answers.", everyVersion,
		func(dialect) []hostile.Step { return nil })
	idle("half-a-head", "The server stops in the middle of its answer's head.", everyVersion,
		func(d dialect) []hostile.Step { return steps(send(d.answer().blank())) })
	idle("short-digest", "The server stops before the last byte of its proof.", challenged,
		func(d dialect) []hostile.Step { return steps(send(d.answer().then(short).String())) })
	idle("nothing-behind-101", "The server opens the connection and says nothing more.", everyVersion,
		func(dialect) []hostile.Step { return steps(open()) })
	idle("half-a-message", "The server stops in the middle of its answer to the client's message.", everyVersion,
		func(d dialect) []hostile.Step { return steps(open(), send(half(d.textDown("hello")))) })
	idle("no-close", "The server answers the client's message, and never the client's close.", everyVersion,
		func(d dialect) []hostile.Step { return steps(open(), send(d.textDown("hello"))) })
	idle("silent-body", "A refusal announces a body that does not come.", spoken("hixie-76", "rfc6455"),
		func(dialect) []hostile.Step {
			return steps(send("HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\nno"))
		})
	idle("head-drips", "A byte of the head every half second: there is always some headway.", spoken("hixie-76", "rfc6455"),
		func(d dialect) []hostile.Step {
			return steps(within(25*sec, pieces(1, 500*ms, d.answer().blank(), over(mib, "X-A: b\r\n"))))
		})
	idle("message-drips", "A byte of a message every half second, which never ends.", spoken("hixie-76", "hybi-02", "rfc6455"),
		func(d dialect) []hostile.Step { return steps(open(), within(25*sec, pieces(1, 500*ms, d.endless()))) })
	idle("pings-for-ever", "A ping every half second, and never the answer to the client's message.", hybis,
		func(d dialect) []hostile.Step {
			return steps(open(), within(25*sec, pieces(2, 500*ms, over(100, raw(d.down(frame{op: d.op.ping}))))))
		})
	clientDelivery(l)
}

// clientDelivery has servers that talk on, and those that talk by bytes.
func clientDelivery(l *list) {
	l.each("slow/close-then-floods", closing, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "The server answers the client's message, never its close, and sends messages on and on.",
			Slow:    true,
			Steps:   steps(open(), within(10*sec, send(d.textDown("hello"), over(1<<20, onlyPart(d.textDown(letters(4*kib)))))), hold(long)),
			Verdict: ended(), Budget: hostile.Budget{Time: long, CPU: 10 * sec, LogLines: shown},
		}
	})
	l.each("slow/byte-by-byte", showsHello, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "Each byte of the answer comes in a segment of its own: a client has to connect.",
			Holes:   []string{"CVE-2023-43669"},
			Steps:   steps(pieces(1, 2*ms, d.answer().String()), expect(d.helloes()[0])),
			Verdict: served(),
		}
	})
	l.each("slow/message-byte-by-byte", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "Each byte of a message of 16 KiB, and of the close behind it, comes in a segment of its own.",
			Holes:   []string{"CVE-2026-123817"},
			Steps:   steps(open(), pieces(1, 0, d.textDown(letters(16*kib)), d.byeDown(1000, "")), end(), hold(10*sec)),
			Verdict: failed(1000, 1001),
			Budget:  hostile.Budget{Time: 10 * sec, CPU: 2 * sec},
		}
	})
}

// cutVerdict is that of connections that are cut: behind a reset there is no end of the
// target's to be seen.
func cutVerdict(cut string) hostile.Verdict {
	if cut == "end" {
		return ended()
	}
	return whatever()
}

// clientCuts has connections that break, at every byte.
func clientCuts(l *list) {
	for _, cut := range []string{"reset", "end"} {
		l.each("reset/"+cut+"-at-every-byte", everyVersion, func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "The connection is cut before each byte of an ordinary answer, message and close.",
				Holes:   []string{"CVE-2017-2670"},
				Slow:    true,
				Cut:     cut,
				Steps:   steps(send(d.answer().String(), d.farewell())),
				Verdict: cutVerdict(cut),
				Budget:  hostile.Budget{Time: 2 * 60 * sec, CPU: 60 * sec, Recover: 15 * sec, LogLines: 5000},
			}
		})
	}
	tls := []string{"tls"}
	l.each("tls/end-without-notice", spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "Within TLS, the server resets the TCP connection in the place of a close and of close_notify.",
			Needs:   tls, TLS: true,
			Steps:   steps(open(), send(d.textDown("hello")), reset()),
			Verdict: whatever(),
		}
	})
	l.each("tls/end-in-a-message", spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "Within TLS, the stream ends in the middle of a message: a truncation, not an answer.",
			Needs:   tls, TLS: true,
			Steps:   steps(open(), send(half(d.textDown("hello"))), end(), hold(5*sec)),
			Verdict: ended(),
		}
	})
}
