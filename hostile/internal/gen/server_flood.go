package gen

import (
	"bytes"

	"github.com/draftwire/draftwire/hostile"
)

// pouring is what a server may use while a client sends as fast as it takes for
// moment: it works as it is asked, on as many processors as it has.
var pouring = hostile.Budget{CPU: 6 * sec, Time: 10 * sec, Probe: 1500 * ms, Recover: 10 * sec}

// moment is how long a flood lasts.
const moment = 800 * ms

func (l *list) serverFloods() {
	l.floodControls()
	l.floodFragments()
	l.floodMessages()
	l.floodUnread()
	l.floodManyUnread()
	l.floodConnections()
}

// flood returns the steps of a flood of one thing.
func flood(part []hostile.Part) []hostile.Step {
	return steps(open(), within(moment, times(100000000, part)))
}

// floodControls: pings that are to be answered, and pongs that are not.
func (l *list) floodControls() {
	full := bytes.Repeat([]byte("p"), 125)
	for _, c := range []struct {
		name, comment string
		frame         func(o opcodes) frame
	}{
		{"pings-empty", "pings without a payload", func(o opcodes) frame { return frame{op: o.ping} }},
		{"pings-125", "pings of 125 bytes", func(o opcodes) frame { return frame{op: o.ping, payload: full} }},
		{"pongs-empty", "pongs that answer nothing", func(o opcodes) frame { return frame{op: o.pong} }},
		{"pongs-125", "pongs of 125 bytes that answer nothing", func(o opcodes) frame { return frame{op: o.pong, payload: full} }},
	} {
		l.each("flood/"+c.name, hybis, func(d dialect) hostile.Case {
			return hostile.Case{Slow: c.name != "pings-125", Holes: []string{"CVE-2021-3690"}, Comment: c.comment + ", as fast as they are taken", Steps: flood(d.up(c.frame(d.op))), Verdict: whatever(), Budget: pouring}
		})
	}
	l.add("flood/pongs-10000000", hostile.Case{Version: rfc.name, Slow: true, Holes: []string{"CVE-2021-3690"}, Comment: "ten million pongs",
		Steps:   steps(open(), within(20*sec, times(10000000, rfc.up(frame{op: rfc.op.pong, payload: []byte("p")}))), send(rfc.text("hello")), expect("hello")),
		Verdict: outcomes(hostile.Served, hostile.Failed), Budget: hostile.Budget{CPU: 30 * sec, Time: 40 * sec, Probe: 1500 * ms}})
}

// floodFragments: what costs a server for each piece, not for each byte.
func (l *list) floodFragments() {
	budget := pouring
	budget.Memory = 64 * mib
	holes := []string{"CVE-2026-48779", "CVE-2026-62389", "CVE-2026-12151"}
	for _, c := range []struct {
		name, comment string
		frames        func(o opcodes) []frame
	}{
		{"fragments-empty", "empty fragments of a message that does not end", func(opcodes) []frame { return []frame{{open: true}} }},
		{"fragments-1-byte", "fragments of one byte of a message that does not end", func(opcodes) []frame { return []frame{{open: true, payload: []byte("a")}} }},
		{"fragments-and-pings", "fragments of one byte, and a ping behind each", func(o opcodes) []frame { return []frame{{open: true, payload: []byte("a")}, {op: o.ping}} }},
	} {
		l.each("flood/"+c.name, hybis, func(d dialect) hostile.Case {
			return hostile.Case{Slow: c.name != "fragments-1-byte", Holes: holes, Comment: c.comment,
				Steps:   steps(open(), send(d.up(frame{op: d.op.binary, open: true})), within(moment, times(100000000, d.up(c.frames(d.op)...)))),
				Verdict: whatever(), Budget: budget}
		})
	}
	l.add("flood/fragments-10000000", hostile.Case{Version: rfc.name, Slow: true, Holes: holes, Comment: "ten million fragments of one byte",
		Steps:   steps(open(), send(rfc.up(frame{op: rfc.op.binary, open: true})), within(30*sec, times(10000000, rfc.up(frame{open: true, payload: []byte("a")}))), hold(1*sec)),
		Verdict: whatever(), Budget: hostile.Budget{CPU: 40 * sec, Time: 45 * sec, Memory: 96 * mib, Probe: 1500 * ms}})
	l.each("flood/bytes-in-segments", everyVersion, func(d dialect) hostile.Case {
		var p []hostile.Part
		if d.hixie {
			p = cat([]byte{0x00}, over(500, strings128), []byte{0xFF})
		} else {
			p = d.up(frame{op: d.op.binary, payload: make([]byte, 64), times: 1000, mask: make([]byte, 4)})
		}
		return hostile.Case{Holes: []string{"CVE-2026-123817"}, Comment: "a message of 64000 bytes, each byte a segment", Steps: steps(open(), pieces(1, 0, p)), Verdict: whatever(), Budget: hostile.Budget{CPU: 3 * sec, Time: 10 * sec}}
	})
	l.add("flood/bytes-in-segments-many", hostile.Case{Version: rfc.name, Slow: true, Clients: 100, Holes: []string{"CVE-2026-123817"}, Comment: "a hundred clients send a message of 64000 bytes, each byte a segment",
		Steps:   steps(open(), within(8*sec, pieces(1, 0, rfc.up(frame{op: rfc.op.binary, payload: make([]byte, 64), times: 1000, mask: make([]byte, 4)})))),
		Verdict: whatever(), Budget: hostile.Budget{CPU: 20 * sec, Time: 20 * sec, Probe: 5 * sec, Memory: 96 * mib}})
}

// floodMessages: messages whose echoes are read.
func (l *list) floodMessages() {
	for _, c := range []struct {
		name, comment string
		message       func(d dialect) []hostile.Part
	}{
		{"messages-empty", "messages of no bytes", func(d dialect) []hostile.Part { return d.text("") }},
		{"messages-1-byte", "messages of one byte", func(d dialect) []hostile.Part { return d.text("a") }},
		{"messages-1kib", "messages of a KiB", func(d dialect) []hostile.Part { return d.long(8) }},
	} {
		l.each("flood/"+c.name, everyVersion, func(d dialect) hostile.Case {
			return hostile.Case{Slow: c.name != "messages-1kib", Comment: c.comment + ", whose echoes are read", Steps: flood(c.message(d)), Verdict: whatever(), Budget: pouring}
		})
	}
}

// floodUnread: a client that sends and never reads. What is to be sent to it must not
// grow with what it sends.
func (l *list) floodUnread() {
	unread := func(c hostile.Case) hostile.Case {
		c.Unread, c.Verdict, c.Budget = true, whatever(), pouring
		c.Steps = append(c.Steps, hold(300*ms))
		return c
	}
	l.each("flood/unread-messages", everyVersion, func(d dialect) hostile.Case {
		return unread(hostile.Case{Comment: "messages of a KiB, and no echo is read", Steps: flood(d.long(8))})
	})
	l.each("flood/unread-512kib", hybis, func(d dialect) hostile.Case {
		return unread(hostile.Case{Slow: true, Comment: "messages of 512 KiB, and no echo is read", Steps: flood(d.up(frame{op: d.op.binary, payload: make([]byte, 64), times: 8 * kib, mask: make([]byte, 4)}))})
	})
	l.each("flood/unread-pings", hybis, func(d dialect) hostile.Case {
		return unread(hostile.Case{Comment: "pings of 125 bytes, and no pong is read", Steps: flood(d.up(frame{op: d.op.ping, payload: bytes.Repeat([]byte("p"), 125)}))})
	})
	for _, name := range []string{"pings", "messages"} {
		l.each("flood/tls-unread-"+name, everyVersionBut75Pings(name), func(d dialect) hostile.Case {
			p := d.text(strings128)
			if name == "pings" {
				p = d.up(frame{op: d.op.ping, payload: bytes.Repeat([]byte("p"), 100)})
			}
			c := unread(hostile.Case{Slow: name != "pings", TLS: true, Needs: []string{"tls"}, Clients: 20, Comment: "20 clients send " + name + " within TLS, and read nothing", Steps: flood(p)})
			c.Steps[1].Most = 1500 * ms // until what grows without a bound shows
			c.Budget.Memory = 20*mib + 32*mib
			c.Budget.CPU = 10 * sec
			return c
		})
	}
	l.each("flood/tls-pings-read", hybis, func(d dialect) hostile.Case {
		return hostile.Case{Slow: true, TLS: true, Needs: []string{"tls"}, Comment: "pings within TLS, whose pongs are read", Steps: flood(d.up(frame{op: d.op.ping, payload: []byte("p")})), Verdict: whatever(), Budget: pouring}
	})
}

// everyVersionBut75Pings: hixie-75 and hixie-76 have no pings.
func everyVersionBut75Pings(name string) func(dialect) bool {
	if name == "pings" {
		return hybis
	}
	return everyVersion
}

// floodManyUnread: many that do not read.
func (l *list) floodManyUnread() {
	l.each("flood/unread-80-clients", sample, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 80, Unread: true, Slow: true, Comment: "80 clients send pings and read nothing", Verdict: whatever(),
			Steps:  append(flood(d.up(frame{op: d.op.ping, payload: bytes.Repeat([]byte("p"), 125)})), hold(300*ms)),
			Budget: hostile.Budget{Memory: 80*2*mib + 32*mib, CPU: 10 * sec, Time: 12 * sec, Probe: 3 * sec}}
	})
	l.add("flood/tls-unread-80-clients", hostile.Case{Version: rfc.name, TLS: true, Needs: []string{"tls"}, Clients: 80, Unread: true, Slow: true,
		Comment: "80 clients send pings within TLS and read nothing", Verdict: whatever(),
		Steps:  append(flood(rfc.up(frame{op: rfc.op.ping, payload: bytes.Repeat([]byte("p"), 100)})), hold(2*sec)),
		Budget: hostile.Budget{Memory: 80*mib + 32*mib, CPU: 12 * sec, Time: 20 * sec, Probe: 5 * sec}})
}

// floodConnections: handshakes, and connections without one.
func (l *list) floodConnections() {
	b := hostile.Budget{CPU: 6 * sec, Time: 20 * sec, Probe: 2 * sec, Memory: 64 * mib}
	l.each("flood/handshakes", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 20, Rounds: 20, Holes: []string{"CVE-2021-42340"}, Comment: "400 clients open, send a message and close", Budget: b,
			Steps: steps(open(), send(d.text("hello")), expect("hello"), send(d.byeOrNothing()...)), Verdict: outcomes(hostile.Served, hostile.Failed)}
	})
	l.each("flood/handshakes-reset", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 20, Rounds: 20, Holes: []string{"CVE-2017-2670"}, Comment: "400 clients open and reset the connection", Budget: b, Steps: steps(open(), reset()), Verdict: whatever()}
	})
	l.each("flood/handshakes-gone", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 20, Rounds: 20, Holes: []string{"CVE-2017-2670"}, Comment: "400 clients ask and reset the connection before the answer", Budget: b, Steps: steps(send(d.request().String()), reset()), Verdict: whatever()}
	})
	l.add("flood/connections", hostile.Case{Clients: 20, Rounds: 100, Comment: "2000 connections that end without a byte", Budget: b, Steps: steps(end()), Verdict: whatever()})
	l.add("flood/connections-reset", hostile.Case{Clients: 20, Rounds: 100, Holes: []string{"CVE-2017-2670"}, Comment: "2000 connections that are reset without a byte", Budget: b, Steps: steps(reset()), Verdict: whatever()})
	l.add("flood/connections-20000", hostile.Case{Version: rfc.name, Clients: 20, Rounds: 1000, Slow: true, Holes: []string{"CVE-2021-42340"}, Comment: "20000 clients open and close: nothing may stay of them",
		Steps: steps(open(), send(rfc.bye(1000, "")), hold(1*sec)), Verdict: failed(), Budget: hostile.Budget{CPU: 60 * sec, Time: 90 * sec, Probe: 2 * sec, Memory: 64 * mib}})
	l.add("flood/refusals", hostile.Case{Version: rfc.name, Clients: 20, Rounds: 50, Comment: "1000 handshakes that are refused", Budget: b,
		Steps: ask(rfc.request().set("Sec-WebSocket-Version", "999")), Verdict: refused(400, 426)})
}

// byeOrNothing is bye as parts of a send; where the version has no closing handshake, a
// last message.
func (d dialect) byeOrNothing() []any {
	if !d.closeFrame {
		return []any{d.text("bye")}
	}
	return []any{d.bye(1000, "")}
}
