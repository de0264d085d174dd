package gen

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

func (l *list) serverSlow() {
	l.slowHandshakes()
	l.slowHandshakesEnd()
	l.slowReaders()
	l.slowHalves()
}

// slowHandshakes: many who begin and do not go on. How long a server waits for them is
// its own affair; an honest client must get in, and what they hold must come back.
func (l *list) slowHandshakes() {
	// A handshake whose first segment finds the queue of connections full comes again after
	// a second: that is TCP's.
	b := hostile.Budget{Memory: 64 * mib, CPU: 2 * sec, Time: 12 * sec, Probe: 1500 * ms}
	h := rfc.request()
	for _, c := range []struct {
		name, comment string
		parts         []any
	}{
		{"silent", "send nothing", nil},
		{"one-byte", "send one byte", []any{"G"}},
		{"half-head", "send half of a head", []any{h.line + "\r\n" + strings.Join(h.fields[:3], "\r\n")}},
		{"15kib-head", "send 15 KiB of a head", []any{h.line + "\r\nHost: {host}\r\nX: ", over(15*kib-100, "x")}},
		{"half-hello", "send half of the first record of TLS", []any{clientHello(hello{})[:40]}},
	} {
		for _, n := range []int{500, 2500, 5000} {
			s := steps(send(c.parts...), hold(1500*ms))
			if c.parts == nil {
				s = s[1:]
			}
			budget := b
			if c.name == "15kib-head" {
				budget.Memory = 32*mib + int64(n)*40*kib
			}
			l.add(fmt.Sprintf("slow/%s-%d", c.name, n), hostile.Case{Clients: n, Slow: n > 500, Comment: fmt.Sprintf("%d clients %s, and wait", n, c.comment),
				Steps: s, Verdict: whatever(), Budget: budget})
		}
	}
	l.each("slow/no-eight-bytes", challenged, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 300, Comment: "300 clients do not send the eight bytes behind the head", Steps: steps(send(d.request().then("").String()), hold(1*sec)), Verdict: whatever(), Budget: b}
	})
	l.each("slow/seven-bytes", challenged, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 300, Comment: "300 clients send seven of the eight bytes behind the head", Steps: steps(send(d.request().then(d.body[:7]).String()), hold(1*sec)), Verdict: whatever(), Budget: b}
	})
	l.each("slow/opened", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 500, Comment: "500 clients open and are silent", Steps: steps(open(), hold(1*sec)), Verdict: whatever(), Budget: hostile.Budget{Memory: 64 * mib, CPU: 3 * sec, Time: 12 * sec}}
	})
	l.each("slow/half-frame", hybis, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 300, Comment: "300 clients send the first two bytes of a frame", Steps: steps(open(), send(raw0(d, frame{op: d.op.binary, says: 1000, width: 16})), hold(1*sec)), Verdict: whatever(), Budget: hostile.Budget{Memory: 64 * mib, CPU: 3 * sec, Time: 12 * sec}}
	})
}

// slowHandshakesEnd: a handshake that does not go on is ended by the server, sooner or
// later: these wait long.
func (l *list) slowHandshakesEnd() {
	b := hostile.Budget{Time: 100 * sec, CPU: 5 * sec}
	h := rfc.request().String()
	for _, c := range []struct {
		name, comment string
		step          hostile.Step
	}{
		{"half-head", "half of a head, and then silence", send(h[:60])},
		{"drip-head", "a byte of a head each half second: a limit for each read alone never comes", pieces(1, 500*ms, h[:20], "X: ", over(1000, "x"))},
		{"drip-fields", "a field of a head each half second", pieces(6, 500*ms, "GET / HTTP/1.1\r\n", over(1000, "a: b\r\n"))},
	} {
		l.add("slow/ended-"+c.name, hostile.Case{Slow: true, Comment: c.comment, Steps: steps(c.step, hold(95*sec)), Verdict: refused(), Budget: b})
	}
	l.each("slow/ended-seven-bytes", challenged, func(d dialect) hostile.Case {
		return hostile.Case{Slow: true, Comment: "seven of the eight bytes behind a head, and then silence", Steps: steps(send(d.request().then(d.body[:7]).String()), hold(95*sec)),
			Verdict: ended(), Budget: b}
	})
	l.add("slow/ended-half-hello", hostile.Case{Slow: true, Needs: []string{"tls"}, Comment: "half of the first record of TLS, and then silence",
		Steps: steps(send(clientHello(hello{})[:40]), hold(95*sec)), Verdict: refused(), Budget: b})
	l.add("slow/ended-hello", hostile.Case{Slow: true, Needs: []string{"tls"}, Comment: "the first record of TLS, and nothing behind the server's answer",
		Steps: steps(send(clientHello(hello{})), hold(95*sec)), Verdict: refused(), Budget: b})
	l.add("slow/ended-tls-silent", hostile.Case{Slow: true, TLS: true, Needs: []string{"tls"}, Comment: "silence behind the handshake of TLS",
		Steps: steps(hold(95 * sec)), Verdict: refused(), Budget: b})
}

// slowReaders: echoes that nobody reads.
func (l *list) slowReaders() {
	l.each("slow/unread-one-message", hybis, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 50, Slow: true, Unread: true, Comment: "50 clients send a message of 900000 bytes and do not read its echo", Verdict: whatever(),
			Steps:  steps(open(), send(d.up(frame{op: d.op.binary, payload: make([]byte, 100), times: 9000, mask: make([]byte, 4)})), hold(700*ms)),
			Budget: hostile.Budget{Memory: 50*4*mib + 32*mib, CPU: 3 * sec, Time: 12 * sec}}
	})
	l.each("slow/unread-and-reset", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 20, Unread: true, Comment: "20 clients send until nothing is taken, and reset the connection: what they held comes back at once", Verdict: whatever(),
			Steps: steps(open(), within(800*ms, times(1000000, d.long(32))), reset()), Budget: hostile.Budget{Memory: 20*4*mib + 32*mib, CPU: 5 * sec, Time: 12 * sec, Probe: 2 * sec}}
	})
	l.each("slow/unread-and-end", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 20, Slow: true, Unread: true, Comment: "20 clients send until nothing is taken, and end their half", Verdict: whatever(),
			Steps: steps(open(), within(800*ms, times(1000000, d.long(32))), end(), hold(300*ms)), Budget: hostile.Budget{Memory: 20*4*mib + 32*mib, CPU: 5 * sec, Time: 12 * sec, Probe: 2 * sec}}
	})
	l.each("slow/unread-and-close", closing, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 20, Slow: true, Unread: true, Comment: "20 clients send 256 KiB of messages and a close, and read nothing", Verdict: whatever(),
			Steps: steps(open(), within(800*ms, times(64, d.long(32))), send(d.bye(1000, "")), hold(500*ms)), Budget: hostile.Budget{Memory: 20*4*mib + 32*mib, CPU: 5 * sec, Time: 12 * sec}}
	})
}

// slowHalves: the client ends its half of the stream.
func (l *list) slowHalves() {
	l.each("slow/half-closed", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a client ends its half of the stream and waits", Steps: steps(open(), end(), hold(5*sec)), Verdict: failed()}
	})
	l.each("slow/half-closed-after-message", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a client sends a message, ends its half and waits", Steps: steps(open(), send(d.text("hello")), end(), hold(5*sec)), Verdict: failed()}
	})
	l.each("slow/half-closed-head", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a client ends its half within the head", Steps: steps(send(d.request().blank()), end(), hold(5*sec)), Verdict: refused()}
	})
	l.each("slow/half-closed-eight", challenged, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a client ends its half within the eight bytes", Steps: steps(send(d.request().then(d.body[:4]).String()), end(), hold(5*sec)), Verdict: ended()}
	})
	l.add("slow/half-closed-nothing", hostile.Case{Clients: 100, Comment: "100 clients end their half at once", Steps: steps(end(), hold(5*sec)), Verdict: refused()})
}

// serverResets: connections that break at each byte of a session.
func (l *list) serverResets() {
	for _, c := range []struct{ name, comment string }{{"reset", "reset"}, {"end", "ended"}} {
		b := hostile.Budget{CPU: 4 * sec, Time: 30 * sec, Memory: 48 * mib}
		session := func(d dialect) []hostile.Step {
			return steps(open(), send(d.text("hello")), expect("hello"), send(d.byeOrNothing()...))
		}
		l.each("reset/"+c.name, everyVersion, func(d dialect) hostile.Case {
			return hostile.Case{Cut: c.name, Holes: []string{"CVE-2017-2670"}, Comment: "a session that is " + c.comment + " before each of its bytes", Steps: session(d), Verdict: whatever(), Budget: b}
		})
		l.each("reset/fragments-"+c.name, sample, func(d dialect) hostile.Case {
			return hostile.Case{Cut: c.name, Holes: []string{"CVE-2017-2670"}, Comment: "a session with fragments and a ping that is " + c.comment + " before each of its bytes",
				Steps: steps(open(), send(d.up(frame{op: d.op.text, open: true, payload: []byte("he")}, frame{op: d.op.ping, payload: []byte("p")}, frame{width: 64, payload: []byte("llo")}))), Verdict: whatever(), Budget: b}
		})
		l.each("reset/tls-"+c.name, named("hixie-76", "hybi-05", "rfc6455"), func(d dialect) hostile.Case {
			return hostile.Case{TLS: true, Needs: []string{"tls"}, Slow: true, Cut: c.name, Holes: []string{"CVE-2017-2670"}, Comment: "a session within TLS that is " + c.comment + " before each of its bytes",
				Steps: session(d), Verdict: whatever(), Budget: b}
		})
		l.add("reset/hello-"+c.name, hostile.Case{Needs: []string{"tls"}, Cut: c.name, Comment: "the first record of TLS, " + c.comment + " before each of its bytes",
			Steps: steps(send(clientHello(hello{}))), Verdict: whatever(), Budget: b})
		l.add("reset/deflate-"+c.name, hostile.Case{Version: rfc.name, Needs: []string{"deflate"}, Cut: c.name, Comment: "a session with a compressed message, " + c.comment + " before each of its bytes",
			Steps: steps(negotiated(), send(rfc.up(rfc.squeezed(packed("hello hello hello")), alive)), expect("hello")), Verdict: whatever(), Budget: b})
	}
}
