package gen

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

func (l *list) serverHeads() {
	l.headCounts()
	l.headSizes()
	l.headSyntax()
	l.headHosts()
	l.headTargets()
	l.headStarts()
	l.headUpgrades()
	l.headVersions()
	l.headKeys()
	l.headOldKeys()
	l.headMixtures()
	l.headRepeats()
	l.headEchoes()
	l.headLists()
}

// headCounts: many fields.
func (l *list) headCounts() {
	for _, n := range []int64{129, 1000, 2000} {
		l.each(fmt.Sprintf("head/fields-%d", n), everyVersion, func(d dialect) hostile.Case {
			h := d.request()
			return hostile.Case{
				Holes:   []string{"CVE-2024-37890"},
				Comment: fmt.Sprintf("%d fields that nobody knows stand before those of the handshake, in less than 16 KiB", n),
				Steps:   steps(send(h.line+"\r\n", over(n, "a: b\r\n"), strings.Join(h.fields, "\r\n")+"\r\n\r\n"+h.body), expect(answered)),
				Verdict: either(),
			}
		})
	}
	h := rfc.request()
	l.add("head/fields-2000-between", hostile.Case{
		Version: rfc.name, Holes: []string{"CVE-2024-37890"},
		Comment: "2000 fields stand between Upgrade and Sec-WebSocket-Version, so that a server with a limit of fields sees half of a handshake",
		Steps: steps(send(h.line+"\r\n"+strings.Join(h.fields[:3], "\r\n")+"\r\n", over(2000, "a: b\r\n"),
			strings.Join(h.fields[3:], "\r\n")+"\r\n\r\n"), expect(answered)),
		Verdict: either(),
	})
	l.add("head/fields-endless", hostile.Case{
		Comment: "fields, 64 MiB of them, and no end",
		Steps:   steps(send("GET / HTTP/1.1\r\nHost: {host}\r\n", over(16*mib, "a:\r\n")), hold(5*sec)),
		Verdict: refused(),
	})
	l.add("head/fields-empty-lines-endless", hostile.Case{
		Comment: "empty lines before the request line, 16 MiB of them",
		Steps:   steps(within(2*sec, send(over(8*mib, "\r\n"))), hold(1*sec)),
		Verdict: whatever(), Slow: true,
		Budget: hostile.Budget{CPU: 3 * sec},
	})
}

// headSizes: long lines, and long heads in pieces of all sizes.
func (l *list) headSizes() {
	long := func(n int64, d dialect) []any {
		h := d.request()
		return []any{h.line + "\r\nX-Long: ", over(n, "x"), "\r\n" + strings.Join(h.fields, "\r\n") + "\r\n\r\n" + h.body}
	}
	for _, n := range []int64{17, 31, 40} {
		when := everyVersion
		if n > 17 {
			when = named("hixie-75", "hixie-76", "rfc6455")
		}
		l.each(fmt.Sprintf("head/size-%dkib-at-once", n), when, func(d dialect) hostile.Case {
			return hostile.Case{
				Comment: fmt.Sprintf("a head of %d KiB in one write: a limit of heads is to say the same as when they come in pieces", n),
				Steps:   steps(send(long(n*kib, d)...), expect(answered)),
				Verdict: either(),
			}
		})
	}
	l.each("head/size-17kib-pieces", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "a head of 17 KiB in segments of 1 KiB",
			Steps:   steps(pieces(kib, ms, long(17*kib, d)...), expect(answered)),
			Verdict: either(),
		}
	})
	l.each("head/size-1mib", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "a field of 1 MiB, which some programs allow by default",
			Steps:   steps(send(long(mib, d)...), expect(answered)),
			Verdict: either(),
		}
	})
	l.each("head/size-15kib-byte-by-byte", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{
			Holes:   []string{"CVE-2023-43669"},
			Comment: "a head of 15 KiB, each byte a segment: who reads it from its beginning again each time reads 115 MB",
			Steps:   steps(pieces(1, 0, long(15*kib-500, d)...), expect(answered)),
			Verdict: either(),
		}
	})
	l.add("head/size-15kib-byte-by-byte-20-clients", hostile.Case{
		Version: rfc.name, Holes: []string{"CVE-2023-43669"}, Clients: 20, Slow: true,
		Comment: "twenty such heads at a time",
		Steps:   steps(pieces(1, 0, long(15*kib-500, rfc)...), expect(answered)),
		Verdict: either(), Budget: hostile.Budget{CPU: 6 * sec, Time: 20 * sec},
	})
	for _, c := range []struct{ name, comment, text string }{
		{"line", "a request line", "GET /"},
		{"method", "a method", "G"},
		{"name", "a field's name", "GET / HTTP/1.1\r\nHost: {host}\r\nX"},
		{"value", "a field's value", "GET / HTTP/1.1\r\nHost: {host}\r\nX: "},
		{"fold", "a folded field", "GET / HTTP/1.1\r\nHost: {host}\r\nX: y\r\n "},
	} {
		l.add("head/size-endless-"+c.name, hostile.Case{
			Comment: c.comment + " without an end, 64 MiB of it",
			Steps:   steps(send(c.text, over(64*mib, "x")), hold(5*sec)),
			Verdict: refused(),
		})
	}
}

// headSyntax: lines that are no fields, and some that nearly are.
func (l *list) headSyntax() {
	for i, c := range []struct {
		name, comment string
		fields        []string
		verdict       hostile.Verdict
	}{
		{"space-before-colon", "a blank before a colon, which proxies read in two ways (RFC 9112 5.1)", []string{"X-A : b"}, refused(400)},
		{"tab-before-colon", "a tab before a colon", []string{"X-A\t: b"}, refused(400)},
		{"empty-name", "a field without a name", []string{": b"}, refused(400)},
		{"no-colon", "a line without a colon", []string{"X-A b"}, refused(400)},
		{"blank-line-of-spaces", "a line of blanks", []string{"   "}, either()},
		{"fold", "a folded field (RFC 9112 5.2)", []string{"X-A: b\r\n c"}, either()},
		{"fold-upgrade", "a folded field whose second line looks like another one", []string{"X-A: b\r\n Content-Length: 5"}, either()},
		{"nul", "NUL in a value (RFC 9110 5.5: refused or replaced)", []string{"X-A: b\x00c"}, either()},
		{"cr", "a CR alone in a value", []string{"X-A: b\rc"}, either()},
		{"lf", "a line that ends with LF alone", []string{"X-A: b\nX-B: c"}, either()},
		{"escape", "ESC in a value", []string{"X-A: \x1b[2J"}, either()},
		{"obs-text", "bytes beyond ASCII in a value", []string{"X-A: \u00e4\u00ff"}, either()},
		{"obs-text-name", "a byte beyond ASCII in a name", []string{"X-\u00e4: b"}, refused(400)},
		{"nul-name", "NUL in a name", []string{"X-\x00A: b"}, refused(400)},
		{"at-name", "a name that is no token", []string{"X@A: b"}, refused(400)},
		{"bracket-name", "a name that is no token", []string{"X(A): b"}, refused(400)},
		{"quote-name", "a name in quotes", []string{`"X-A": b`}, refused(400)},
	} {
		when := everyVersion
		if i > 3 { // these are enough to see that each version looks
			when = named("hixie-76", "rfc6455")
		}
		l.each("head/syntax-"+c.name, when, func(d dialect) hostile.Case {
			return hostile.Case{Comment: c.comment, Steps: ask(d.request().with(c.fields...)), Verdict: c.verdict}
		})
	}
	l.each("head/syntax-all-lf", everyVersion, func(d dialect) hostile.Case {
		h := d.request()
		text := strings.ReplaceAll(h.blank(), "\r\n", "\n") + "\n" + h.body
		return hostile.Case{Comment: "every line ends with LF alone (RFC 9112 2.2 allows a server to take it)", Steps: steps(send(text), hold(ms*200)), Verdict: whatever()}
	})
	l.each("head/syntax-space-first", named("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a blank between the request line and the first field (RFC 9112 2.2: refused, or the line is dropped)",
			Steps: ask(d.request().first(" X-A: b")), Verdict: either()}
	})
	l.each("head/syntax-space-colon-upgrade", named("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		h := d.request()
		return hostile.Case{Comment: "a blank before the colon of Upgrade", Steps: ask(h.replace("Upgrade", "Upgrade : websocket")), Verdict: refused()}
	})
	l.each("head/syntax-space-colon-host", named("hixie-76", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a blank before the colon of Host", Steps: ask(d.request().replace("Host", "Host : {host}")), Verdict: refused(400)}
	})
}
