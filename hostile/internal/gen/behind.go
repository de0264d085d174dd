package gen

import (
	"slices"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// behindCases returns the attacks of the side behind: what a backend can do to a proxy,
// and through it to an honest client.
//
// The proxy may read the backend's frames and its proof itself, or leave both to the
// client. So a wrong proof ends in a refusal on the backend's side in both, and a wrong
// frame is judged by what it costs. That an answer is no 101 of HTTP, the proxy has to
// see: the client must not get one.
func behindCases() []hostile.Case {
	l := &list{side: hostile.Behind}
	for _, r := range replies() {
		// A proxy that says X-Forwarded-Proto has to take the scheme that a server makes of it.
		if r.takes != must && r.name != "head/location-secure" {
			l.each(r.name, both(r.when, spoken("hixie-75", "hixie-76", "hybi-04", "rfc6455")), r.behind)
		}
	}
	for _, f := range faults() {
		l.each(f.name, both(f.when, spoken("hixie-76", "hybi-02", "hybi-06", "rfc6455")), f.behind)
	}
	behindTunnels(l)
	behindInjections(l)
	behindRedirects(l)
	behindHeads(l)
	behindFloods(l)
	behindSlow(l)
	behindCuts(l)
	behindDeflate(l)
	behindLogs(l)
	return l.cases
}

// both is the versions of two.
func both(a, b func(dialect) bool) func(dialect) bool {
	return func(d dialect) bool { return a(d) && b(d) }
}

// ofHTTP are the beginnings of the names of replies that are no 101 to any program.
var ofHTTP = []string{"smuggle/", "head/line-", "head/strange-", "head/interim-", "head/upgrade-missing", "head/connection-missing"}

// behind is the case of the side behind.
func (r reply) behind(d dialect) hostile.Case {
	c := r.client(d)
	if r.endless {
		c.Budget.Time = proxyTime + 10*sec
		c.Steps[len(c.Steps)-1].For = proxyTime
	}
	if r.takes == mustNot && slices.ContainsFunc(ofHTTP, func(p string) bool { return strings.HasPrefix(r.name, p) }) {
		c.Verdict.Beyond = &hostile.Beyond{Opened: true}
		if !r.endless && (strings.HasPrefix(r.name, "head/line-") || strings.HasPrefix(r.name, "head/strange-")) {
			// What has no status line may be passed on as a page of HTTP/0.9, until it ends.
			c.Verdict.Outcomes = []string{hostile.Any}
			c.Steps[len(c.Steps)-1].For = 500 * ms
		}
	}
	return c
}

// behind is the case of the side behind.
func (f fault) behind(d dialect) hostile.Case {
	return hostile.Case{
		Comment: f.comment, Holes: f.holes, Verdict: whatever(),
		Steps: steps(open(), send(f.parts(d)), hold(ms*300)),
	}
}

// behindTunnels has refusals behind which a backend goes on as if there was a tunnel.
func behindTunnels(l *list) {
	for _, v := range []struct{ name, head string }{
		{"200", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
		{"401", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"},
		{"404-short", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"},
		{"426", "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n"},
		{"101-bare", "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
		{"101-h2c", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"},
		{"304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n"},
	} {
		l.each("smuggle/tunnel-"+v.name, spoken("hixie-76", "hybi-05", "rfc6455"), func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "The backend refuses, and sends frames behind that: there must be no tunnel.",
				Holes:   []string{"CVE-2024-23326"},
				Steps:   steps(send(v.head), wait(50*ms), send(d.textDown("smuggled")), hold(ms*500)),
				Verdict: hostile.Verdict{Outcomes: []string{hostile.Any}, Beyond: &hostile.Beyond{Opened: true, Never: []string{"smuggled"}}},
			}
		})
		l.each("smuggle/second-answer-"+v.name, spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "Another answer comes directly behind the backend's first. It answers nobody, and nobody else's request.",
				Holes:   []string{"CVE-2026-58055", "CVE-2025-64763"},
				Steps:   steps(send(v.head, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX-Smuggled: 1\r\n\r\nsmuggled"), hold(ms*500)),
				Verdict: hostile.Verdict{Outcomes: []string{hostile.Any}, Beyond: &hostile.Beyond{Opened: true, Never: []string{"X-Smuggled"}}},
			}
		})
	}
}

// behindRedirects has redirects whose Location must not reach the client as it is.
func behindRedirects(l *list) {
	for _, v := range []struct{ name, lines, never string }{
		{"cr", "Location: /a\rX-Evil: 1\r\n", "\rX-Evil"}, {"nul", "Location: /a\x00X-Evil: 1\r\n", "\x00X-Evil"}, {"lf", "Location: /a\nX-Evil: 1\r\n", "\nX-Evil"},
		{"folded", "Location: /a\r\n X-Evil: 1\r\n", "\r\n X-Evil"}, {"name-blank", "Location : /X-Evil\r\n", "Location :"},
	} {
		l.each("smuggle/redirect-"+v.name, spoken("hixie-76", "rfc6455"), func(dialect) hostile.Case {
			return hostile.Case{
				Comment: "A redirect whose Location one program reads in one way and another in another: " + v.name + ". It must not reach the client as it is.",
				Steps:   steps(send("HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n"+v.lines+"\r\n"), hold(2*sec)),
				Verdict: hostile.Verdict{Outcomes: []string{hostile.Any}, Beyond: &hostile.Beyond{Opened: true, Never: []string{v.never}}},
			}
		})
	}
}

// behindInjections has fields of a good answer that must not reach the client as they are.
func behindInjections(l *list) {
	for _, v := range []struct{ name, lines, never string }{
		{"cookie-cr", "Set-Cookie: a=b\rX-Evil: 1\r\n", "\rX-Evil"}, {"cookie-nul", "Set-Cookie: a=b\x00X-Evil: 1\r\n", "\x00X-Evil"},
		{"cookie-folded", "Set-Cookie: a=b\r\n X-Evil: 1\r\n", "\r\n X-Evil"}, {"field-cr", "X-A: b\rX-Evil: 1\r\n", "\rX-Evil"},
		{"name-cr", "X-\rX-Evil: 1\r\n", "\rX-Evil"}, {"name-nul", "X\x00X-Evil: 1\r\n", "\x00X-Evil"}, {"no-colon", "X-Evil\r\n", "\r\nX-Evil\r\n"},
		{"name-blank", "X-Evil : 1\r\n", "X-Evil :"}, {"hop", "Connection: X-Evil\r\nX-Evil: 1\r\n", "\r\nX-Evil: 1"},
	} {
		l.each("smuggle/inject-"+v.name, spoken("hixie-76", "hybi-04", "rfc6455"), func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "A 101 with a line that one program reads in one way and another in another: " + v.name + ". It must not reach the client as it is.",
				Steps:   steps(send(d.answer().blank()+v.lines+"\r\n"+d.answer().body, d.farewell()), end(), hold(5*sec)),
				Verdict: hostile.Verdict{Outcomes: []string{hostile.Ended}, Beyond: &hostile.Beyond{Never: []string{v.never}}},
			}
		})
		l.each("smuggle/inject-refusal-"+v.name, spoken("hixie-76", "rfc6455"), func(dialect) hostile.Case {
			return hostile.Case{
				Comment: "A refusal with a line that one program reads in one way and another in another: " + v.name + ". It must not reach the client as it is.",
				Steps:   steps(send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nRetry-After: 1\r\n"+v.lines+"\r\n"), hold(2*sec)),
				Verdict: hostile.Verdict{Outcomes: []string{hostile.Any}, Beyond: &hostile.Beyond{Opened: true, Never: []string{v.never}}},
			}
		})
	}
	for _, v := range []struct{ name, value, never string }{
		{"cr", "a\rX-Evil: 1", "\rX-Evil"}, {"nul", "a\x00X-Evil", "\x00X-Evil"}, {"folded", "a\r\n X-Evil: 1", "\r\n X-Evil"},
	} {
		l.each("smuggle/inject-protocol-"+v.name, spoken("hixie-75", "hixie-76", "rfc6455"), func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "A 101 with a subprotocol in which a line ends, for some.",
				Steps:   steps(send(d.answer().with(d.protocol+": "+v.value).String(), d.farewell()), end(), hold(5*sec)),
				Verdict: hostile.Verdict{Outcomes: []string{hostile.Ended}, Beyond: &hostile.Beyond{Never: []string{v.never}}},
			}
		})
	}
}

// proxyTime is how long a proxy may wait for a backend: a minute is what many have by
// default.
const proxyTime = 75 * sec

// behindHeads has heads and bodies that cost.
func behindHeads(l *list) {
	for _, h := range endlessHeads() {
		l.each("head/endless/"+h.name, h.when, func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "The backend's head never ends: " + h.comment + ".", Holes: h.holes, Slow: true,
				Steps:   steps(within(10*sec, h.send(d)), hold(proxyTime)),
				Verdict: refused(),
				Budget:  hostile.Budget{Time: proxyTime + 15*sec, CPU: 6 * sec},
			}
		})
	}
	for _, size := range []int{17, 31, 40, 64, 256} {
		for _, way := range deliveries {
			l.each("head/large/"+kibs(size)+"-"+way.name, spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
				return hostile.Case{
					Comment: "The backend's head has " + kibs(size) + ", " + way.comment + ". A proxy may have a limit; the way of delivery must not matter to it.",
					Steps:   steps(way.of(send(d.answer().blank()+"X-Long: ", over(int64(size), letters(kib)), "\r\n\r\n"+d.answer().body, d.farewell())), end(), hold(5*sec)),
					Verdict: ended(),
				}
			})
		}
	}
	for _, n := range []int64{129, 2000, 20_000} {
		l.each("head/fields/"+number(n), spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "The backend's answer has " + number(n) + " more fields of one name.", Holes: []string{"PYSEC-2025-266"},
				Steps:   steps(send(d.answer().blank(), over(n, "Set-Cookie: a=b\r\n"), "\r\n"+d.answer().body, d.farewell()), end(), hold(5*sec)),
				Verdict: ended(),
			}
		})
	}
	for _, b := range endlessBodies {
		l.each("flood/body/"+b.name, b.when, func(dialect) hostile.Case {
			return hostile.Case{
				Comment: "The backend refuses, and the refusal's body does not end: " + b.comment + ".", Slow: true,
				Steps:   steps(send(b.head), within(5*sec, b.flood()), hold(proxyTime)),
				Verdict: hostile.Verdict{Outcomes: []string{hostile.Refused}, Beyond: &hostile.Beyond{Opened: true}},
				Budget:  hostile.Budget{Time: proxyTime + 10*sec, CPU: 6 * sec},
			}
		})
	}
}

// behindFloods has floods toward the client.
func behindFloods(l *list) {
	for _, f := range downFloods() {
		for _, unread := range []bool{false, true} {
			if unread && !f.unread {
				continue
			}
			name, tail := "flood/"+f.name, ", and all that comes back is read."
			if unread {
				name, tail = name+"-unread", ", and nothing that comes back is read."
			}
			l.each(name, f.when, func(d dialect) hostile.Case {
				return hostile.Case{
					Comment: f.comment + tail, Holes: f.holes, Slow: true, Unread: unread,
					Steps:   slices.Concat(steps(open()), f.steps(d), steps(wait(200*ms), reset())),
					Verdict: whatever(),
					Budget:  hostile.Budget{Time: 60 * sec, CPU: 30 * sec, Memory: 64 * mib, Probe: 5 * sec, Recover: 15 * sec},
				}
			})
		}
	}
	for _, body := range []string{"401 Unauthorized", "503 Service Unavailable"} {
		code, _, _ := strings.Cut(body, " ")
		l.each("flood/fields-of-"+code, spoken("hixie-76", "rfc6455"), func(dialect) hostile.Case {
			return hostile.Case{
				Comment: "A refusal with 500 Retry-After and 500 challenges, 200 times.", Rounds: 200, Slow: true,
				Steps: steps(send("HTTP/1.1 "+body+"\r\nContent-Length: 0\r\n", over(500, "Retry-After: 99999999999999999999\r\n"),
					over(500, "WWW-Authenticate: x\r\n"), "\r\n"), hold(2*sec)),
				Verdict: whatever(), Budget: cost{Time: 60 * sec, CPU: 3 * sec}.lines(400),
			}
		})
	}
}

// behindSlow has backends that take their time. The client must not wait for ever.
func behindSlow(l *list) {
	idle := func(name, comment string, when func(dialect) bool, v hostile.Verdict, s func(d dialect) []hostile.Step) {
		l.each("slow/"+name, when, func(d dialect) hostile.Case {
			return hostile.Case{Comment: comment, Slow: true, Verdict: v, Steps: append(s(d), hold(proxyTime)),
				Budget: hostile.Budget{Time: proxyTime + 10*sec}}
		})
	}
	some := spoken("hixie-76", "hybi-04", "rfc6455")
	idle("no-answer", "The backend takes the connection and never answers.", some, refused(), func(dialect) []hostile.Step { return nil })
	idle("half-a-head", "The backend stops in the middle of its head.", some, refused(), func(d dialect) []hostile.Step { return steps(send(d.answer().blank())) })
	idle("head-drips", "A byte of the head every half second: there is always some headway.", spoken("hixie-76", "rfc6455"), refused(),
		func(d dialect) []hostile.Step {
			return steps(pieces(1, 500*ms, d.answer().blank(), over(mib, "X-A: b\r\n")))
		})
	idle("short-digest", "The backend stops before the last byte of its proof.", challenged, refused(),
		func(d dialect) []hostile.Step { return steps(send(d.answer().then(short).String())) })
	idle("half-a-close", "The backend says the close and never ends the connection.", closing, ended(),
		func(d dialect) []hostile.Step { return steps(open(), send(d.textDown("hello"), d.byeDown(1000, ""))) })
	l.each("slow/crowd", spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "500 clients wait for a backend that never answers. Others have to get in all the same.", Clients: 500, Slow: true,
			Steps: steps(hold(proxyTime)), Verdict: ended(),
			Budget: cost{Time: proxyTime + 10*sec, CPU: 5 * sec, Memory: 128 * mib, Probe: 2 * sec}.lines(1000),
		}
	})
	l.each("slow/byte-by-byte", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "Each byte of the answer, a message of 4 KiB and the close comes in a segment of its own.", Holes: []string{"CVE-2026-123817"},
			Slow:    true,
			Steps:   steps(pieces(1, ms/4, d.answer().String(), d.textDown(letters(4*kib)), d.byeDown(1000, "")), end(), hold(5*sec)),
			Verdict: ended(), Budget: hostile.Budget{Time: 20 * sec, CPU: 3 * sec},
		}
	})
}

// behindCuts has connections that break.
func behindCuts(l *list) {
	for _, cut := range []string{"reset", "end"} {
		l.each("reset/"+cut+"-at-every-byte", everyVersion, func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "The backend's connection is cut before each byte of an ordinary answer, message and close.", Holes: []string{"CVE-2017-2670"},
				Slow: true, Cut: cut,
				Steps:   steps(send(d.answer().String(), d.farewell())),
				Verdict: cutVerdict(cut),
				Budget:  cost{Time: 3 * 60 * sec, CPU: 10 * sec, Recover: 15 * sec}.lines(800),
			}
		})
	}
	race := func(name, comment string, when func(dialect) bool, s func(d dialect) []hostile.Step) {
		l.each("close/"+name, when, func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "20 clients, 10 times each: " + comment + ".", Clients: 20, Rounds: 10, Slow: true,
				Steps: s(d), Verdict: whatever(), Budget: cost{Time: 60 * sec, CPU: 5 * sec, Recover: 10 * sec}.lines(400),
			}
		})
	}
	race("refused-and-reset", "the backend resets at once", everyVersion, func(dialect) []hostile.Step { return steps(reset()) })
	race("opened-and-reset", "the backend opens and resets", everyVersion, func(dialect) []hostile.Step { return steps(open(), reset()) })
	race("then-reset", "the backend says the close and resets", closing, func(d dialect) []hostile.Step { return steps(open(), send(d.byeDown(1000, "")), reset()) })
	race("then-messages", "the backend says the close, and messages behind it", closing, func(d dialect) []hostile.Step {
		return steps(open(), send(d.byeDown(1000, "")), times(100, d.textDown("hello")), end(), hold(sec))
	})
	l.each("close/half-stream", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "The backend ends its half of the stream without a close, and stays.",
			Steps:   steps(open(), end(), hold(10*sec)), Verdict: ended(), Budget: hostile.Budget{Time: 15 * sec},
		}
	})
	l.each("close/half-stream-in-a-message", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "The backend ends its half of the stream in the middle of a message, and stays.",
			Steps:   steps(open(), send(half(d.textDown("hello"))), end(), hold(10*sec)), Verdict: ended(), Budget: hostile.Budget{Time: 15 * sec},
		}
	})
	l.each("tls/plain", spoken("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "The proxy comes with TLS, and the backend answers in clear.", Needs: []string{"tls"},
			Steps: steps(send("HTTP/1.1 101 Switching Protocols\r\n\r\n"), hold(5*sec)), Verdict: ended(),
		}
	})
}

// behindDeflate has messages that a proxy expands, if it has asked for compression.
func behindDeflate(l *list) {
	for _, p := range unpackables(dialect.down) {
		l.each("deflate/"+p.name, deflating, func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: "A compressed message has " + p.comment + ".", Holes: p.holes, Needs: []string{"deflate"},
				Steps: steps(open(granted), send(p.parts(d)), hold(5*sec)), Verdict: failed(), Budget: hostile.Budget{CPU: 3 * sec},
			}
		})
	}
}

// behindLogs has what an operator reads of a backend. What a log shows cannot be seen
// here, how long it is can.
func behindLogs(l *list) {
	for _, v := range []struct{ name, head string }{
		{"escapes", "HTTP/1.1 500 \x1b[2J\x1b]0;owned\x07\r\nContent-Length: 0\r\n\r\n"},
		{"lines", "HTTP/1.1 500 a\rpanic: no\x0bpanic: no\u0085panic: no\r\nContent-Length: 0\r\n\r\n"},
		{"long", "HTTP/1.1 500 " + letters(12*kib) + "\r\nContent-Length: 0\r\n\r\n"},
		{"not-http", "\x1b[2J\u009b2J\r\n\r\n"},
	} {
		l.each("log/status-"+v.name, spoken("hixie-76", "rfc6455"), func(dialect) hostile.Case {
			return hostile.Case{
				Comment: "A status line that does harm where it is shown, 200 times.", Rounds: 200, Slow: true,
				Steps: steps(send(v.head), hold(sec)), Verdict: hostile.Verdict{Outcomes: []string{hostile.Any}, Beyond: &hostile.Beyond{Opened: true}},
				Budget: cost{Time: 60 * sec, CPU: 3 * sec}.lines(400),
			}
		})
	}
}
