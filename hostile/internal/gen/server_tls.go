package gen

import (
	"bytes"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

func (l *list) serverTLS() {
	l.tlsHellos()
	l.tlsRecords()
	l.tlsAnswered()
	l.tlsCrossed()
}

// secure adds a case that needs TLS.
func (l *list) secure(name string, c hostile.Case) {
	c.Needs = append([]string{"tls"}, c.Needs...)
	l.add("tls/"+name, c)
}

// tlsHellos: first messages that are wrong. A server tells an alert or ends the
// connection; some overlook what they do not use.
func (l *list) tlsHellos() {
	twice := extension(0x1234, nil)
	for _, c := range []struct {
		name, comment string
		h             hello
		strict        bool
	}{
		{"version-ssl3", "SSL 3.0, and nothing newer", hello{record: 0x0300, version: 0x0300, only12: true}, true},
		{"version-0", "version 0.0", hello{version: 1, only12: true}, true},
		{"suites-none", "no cipher suite", hello{suites: []byte{}}, true},
		{"suites-odd", "half of a cipher suite", hello{suites: []byte{0x13}}, true},
		{"suites-unknown", "cipher suites that nobody knows", hello{suites: []byte{0xEE, 0xEE, 0xEE, 0xEF}}, true},
		{"suites-many", "7000 cipher suites", hello{suites: bytes.Repeat([]byte{0xEE, 0xEE}, 500)}, true},
		{"methods-none", "no compression method", hello{methods: []byte{}}, true},
		{"methods-other", "a compression method that is not none", hello{methods: []byte{1}}, true},
		{"session-255", "a session of 255 bytes", hello{session: 255}, false},
		{"name-nul", "NUL in the name of the server", hello{name: "localhost\x00evil"}, false},
		{"name-dots", "dots as the name of the server", hello{name: strings.Repeat(".", 255)}, false},
		{"name-path", "a path as the name of the server", hello{name: "../../etc/passwd"}, false},
		{"name-escape", "an escape in the name of the server", hello{name: "\x1b]0;evil\x07"}, false},
		{"protocols-none", "an empty list of protocols", hello{protocols: []string{}}, true},
		{"protocols-empty", "a protocol without a name", hello{protocols: []string{""}}, true},
		{"protocols-unknown", "a protocol that nobody knows", hello{protocols: []string{"evil"}}, false},
		{"protocols-200", "200 protocols", hello{protocols: strings.Split(strings.Repeat("evil,", 199)+"evil", ",")}, false},
		{"extension-twice", "an extension twice", hello{more: append(bytes.Clone(twice), twice...)}, false},
		{"extension-cut", "an extension that says more than there is", hello{more: []byte{0x12, 0x34, 0xFF, 0xFF}}, true},
		{"extensions-many", "300 extensions that nobody knows", hello{more: manyExtensions(300)}, false},
		{"extension-big", "an extension of 1000 bytes that nobody knows", hello{more: extension(0x1234, make([]byte, 1000))}, false},
		{"share-zero", "a key share of zeros beside a good one", hello{more: extension(0x3333, make([]byte, 32))}, false},
	} {
		v := whatever()
		if c.strict {
			v = refused()
		}
		l.secure("hello-"+c.name, hostile.Case{Comment: c.comment, Steps: steps(send(clientHello(c.h)), hold(ms*500)), Verdict: v})
	}
}

func manyExtensions(n int) []byte {
	var out []byte
	for i := range n {
		out = append(out, extension(uint16(0x4000+i), nil)...)
	}
	return out
}

// tlsRecords: what a server reads before it can know who speaks.
func (l *list) tlsRecords() {
	h := clientHello(hello{})
	for _, c := range []struct {
		name, comment string
		parts         []any
	}{
		{"sslv2", "a first message of SSL 2.0", []any{[]byte{0x80, 0x2E, 0x01, 0x00, 0x02, 0x00, 0x15, 0x00, 0x00, 0x00, 0x10}, noise(3, 37)}},
		{"oversized", "a record of 65535 bytes", []any{[]byte{0x16, 0x03, 0x01, 0xFF, 0xFF, 0x01, 0x00, 0xFF, 0xFB}, over(1024, make([]byte, 64))}},
		{"just-oversized", "a record of a byte more than the most", []any{[]byte{0x16, 0x03, 0x01, 0x48, 0x01, 0x01, 0x00, 0x47, 0xFD}, over(289, make([]byte, 64))}},
		{"message-16mib", "a first message that says 16 MiB, in records without end", []any{tlsRecord(0x16, 0x0301, append([]byte{1, 0xFF, 0xFF, 0xFF}, make([]byte, 60)...)), over(20000, tlsRecord(0x16, 0x0301, make([]byte, 500)))}},
		{"empty-records", "records without a byte", []any{over(20000, tlsRecord(0x16, 0x0301, nil))}},
		{"one-byte-records", "a first message of 16 MiB whose records have one byte each", []any{tlsRecord(0x16, 0x0301, []byte{1, 0xFF, 0xFF, 0xFF}), over(100000, tlsRecord(0x16, 0x0301, []byte{0}))}},
		{"alerts", "warnings without end", []any{over(20000, tlsRecord(0x15, 0x0301, []byte{1, 0x5A}))}},
		{"alert-fatal", "a fatal alert at first", []any{tlsRecord(0x15, 0x0301, []byte{2, 40})}},
		{"heartbeat", "a heartbeat that says more than it has (Heartbleed)", []any{[]byte{0x18, 0x03, 0x02, 0x00, 0x03, 0x01, 0x40, 0x00}}},
		{"change-cipher-spec", "changes of the cipher without end", []any{over(20000, tlsRecord(0x14, 0x0303, []byte{1}))}},
		{"data-first", "data before the first message", []any{tlsRecord(0x17, 0x0303, noise(4, 64))}},
		{"server-hello", "a server's first message", []any{tlsRecord(0x16, 0x0303, handshake(2, make([]byte, 70)))}},
		{"finished-first", "the last message at first", []any{tlsRecord(0x16, 0x0303, handshake(20, make([]byte, 12)))}},
		{"noise", "a record of noise", []any{tlsRecord(0x16, 0x0301, noise(5, 200))}},
		{"zeros", "a first message of zeros", []any{tlsRecord(0x16, 0x0301, handshake(1, make([]byte, 200)))}},
		{"long-empty", "a first message without a byte", []any{tlsRecord(0x16, 0x0301, handshake(1, nil))}},
		{"version-high", "a record of version 5.5", []any{[]byte{0x16, 0x05, 0x05}, h[3:]}},
	} {
		holes := []string(nil)
		if c.name == "heartbeat" {
			holes = []string{"CVE-2014-0160"}
		}
		v := refused()
		if c.name == "version-high" {
			v = whatever()
		}
		l.secure("record-"+c.name, hostile.Case{Holes: holes, Comment: c.comment, Steps: steps(send(c.parts...), hold(5*sec)), Verdict: v})
	}
	l.secure("record-noise-behind", hostile.Case{Comment: "noise behind a first message that is right", Steps: steps(send(h, tlsRecord(0x17, 0x0303, noise(6, 100))), hold(5*sec)), Verdict: refused()})
	l.secure("record-hello-twice", hostile.Case{Comment: "the first message twice", Steps: steps(send(h, h), hold(5*sec)), Verdict: refused()})
	l.secure("record-pieces", hostile.Case{Comment: "a first message, each byte a segment", Steps: steps(pieces(1, ms, h), expectHex([]byte{0x16, 0x03})), Verdict: served()})
	var small []byte
	for _, b := range h[5:] {
		small = append(small, tlsRecord(0x16, 0x0301, []byte{b})...)
	}
	l.secure("record-bytes", hostile.Case{Comment: "a first message, each byte a record: allowed, and dear", Steps: steps(send(small), hold(ms*500)), Verdict: whatever()})
}

// tlsAnswered: the server's answer costs it a signature.
func (l *list) tlsAnswered() {
	h := clientHello(hello{})
	l.secure("hello-and-reset", hostile.Case{Clients: 20, Rounds: 30, Comment: "600 first messages, each of which costs the server a signature, and then a reset",
		Steps: steps(send(h), expectHex([]byte{0x16, 0x03}), reset()), Verdict: whatever(), Budget: hostile.Budget{CPU: 6 * sec, Time: 15 * sec, Probe: 2 * sec}})
	l.secure("hello-and-silence", hostile.Case{Clients: 300, Comment: "300 clients send the first message and wait", Steps: steps(send(h), hold(1500*ms)), Verdict: whatever(),
		Budget: hostile.Budget{Memory: 64 * mib, CPU: 3 * sec, Time: 12 * sec, Probe: 2 * sec}})
	l.secure("opened-and-silence", hostile.Case{Clients: 300, TLS: true, Comment: "300 clients complete the handshake of TLS and wait", Steps: steps(hold(1500 * ms)), Verdict: whatever(),
		Budget: hostile.Budget{Memory: 64 * mib, CPU: 4 * sec, Time: 15 * sec, Probe: 3 * sec}})
	l.secure("handshakes", hostile.Case{Clients: 10, Rounds: 30, TLS: true, Version: rfc.name, Comment: "300 clients open within TLS and go",
		Steps: steps(open(), end()), Verdict: whatever(), Budget: hostile.Budget{CPU: 6 * sec, Time: 20 * sec, Probe: 2 * sec}})
}

// tlsCrossed: one protocol where the other is due.
func (l *list) tlsCrossed() {
	l.secure("within-tls", hostile.Case{TLS: true, Comment: "TLS within TLS", Steps: steps(send(clientHello(hello{})), hold(5*sec)), Verdict: refused()})
	l.secure("noise-within", hostile.Case{TLS: true, Comment: "noise within TLS", Steps: steps(send(over(256, noise(9, 256))), hold(5*sec)), Verdict: refused()})
	l.secure("endless-head-within", hostile.Case{TLS: true, Comment: "a head without an end within TLS, 16 MiB of it", Steps: steps(send("GET / HTTP/1.1\r\nX: ", over(16*mib, "x")), hold(5*sec)), Verdict: refused(), Budget: hostile.Budget{CPU: 2 * sec}})
	for _, p := range []string{"http/1.0", "h2c", "evil", "h3"} {
		l.secure("protocol-"+strings.NewReplacer("/", "-", ".", "").Replace(p), hostile.Case{Version: rfc.name, TLS: true, ALPN: []string{p}, Comment: "ALPN that asks for " + p + " alone, and then a handshake of WebSocket",
			Steps: ask(rfc.request()), Verdict: outcomes(hostile.Refused, hostile.Served)})
	}
	l.secure("h2-then-1", hostile.Case{Version: rfc.name, TLS: true, ALPN: []string{"h2"}, Needs: []string{"h2"}, Comment: "HTTP/2 was agreed on, and a handshake of HTTP/1.1 comes",
		Steps: steps(send(rfc.request().String()), hold(ms*500)), Verdict: unopened()})
	l.secure("1-then-h2", hostile.Case{TLS: true, ALPN: []string{"http/1.1"}, Comment: "HTTP/1.1 was agreed on, and HTTP/2 comes", Steps: steps(send(h2Preface, h2Settings()), hold(ms*500)), Verdict: unopened()})
}
