package gen

import (
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// headVersions: numbers of versions that nobody speaks, and such that some arithmetic
// makes one of.
func (l *list) headVersions() {
	for _, c := range []struct{ name, value string }{
		{"0", "0"}, {"1", "1"}, {"3", "3"}, {"9", "9"}, {"12", "12"}, {"14", "14"}, {"255", "255"}, {"999", "999"},
		{"minus-1", "-1"}, {"minus-13", "-13"}, {"plus-13", "+13"}, {"zero-13", "013"}, {"zeros-13", gap(8*kib, "0") + "13"},
		{"point", "13.0"}, {"hexadecimal", "0xd"}, {"exponent", "1.3e1"}, {"underscore", "1_3"}, {"word", "thirteen"}, {"empty", ""},
		{"list", "13, 8"}, {"list-equal", "13, 13"}, {"list-spaces", "13 8"}, {"quoted", `"13"`}, {"nul", "13\x00"},
		{"wrap-8", "269"}, {"wrap-16", "65549"}, {"wrap-32", "4294967309"}, {"wrap-64", "18446744073709551629"},
		{"digits-12kib", gap(12*kib, "9")}, {"other-digits", "\u00d9\u00a1\u00d9\u00a3"},
	} {
		l.add("head/version-"+c.name, hostile.Case{Version: rfc.name, Comment: "a version that is none (RFC 6455 4.2.2, 4.4)",
			Steps: ask(rfc.request().set("Sec-WebSocket-Version", c.value)), Verdict: refused(400, 426, 431)})
	}
	l.each("head/version-twice", keyed, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "the version twice (RFC 6455 11.3.5)", Steps: ask(d.request().with("Sec-WebSocket-Version: " + d.version)), Verdict: refused(400, 426)}
	})
	l.each("head/version-two", keyed, func(d dialect) hostile.Case {
		other := "13"
		if d.version == other {
			other = "8"
		}
		return hostile.Case{Comment: "two versions (RFC 6455 11.3.5)", Steps: ask(d.request().with("Sec-WebSocket-Version: " + other)), Verdict: refused(400, 426)}
	})
	l.each("head/version-missing", keyed, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a key and no version, which no older handshake has either", Steps: ask(d.request().drop("Sec-WebSocket-Version")), Verdict: refused()}
	})
	l.each("head/key-missing", keyed, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a version and no key", Steps: ask(d.request().drop("Sec-WebSocket-Key")), Verdict: refused()}
	})
	l.each("head/key-two", keyed, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "two keys (RFC 6455 11.3.1)", Steps: ask(d.request().with("Sec-WebSocket-Key: " + otherKey)), Verdict: refused(400)}
	})
}

// headKeys: Sec-WebSocket-Key. Before RFC 6455 clients sent keys of other sizes. Since
// then a key is 16 bytes in base64 (4.2.1), but a server need not decode it (4.2.2).
func (l *list) headKeys() {
	for _, c := range []struct{ name, value string }{
		{"empty", ""},
		{"1-byte", "AA=="},
		{"15-bytes", "AQIDBAUGBwgJCgsMDQ4P"},
		{"17-bytes", "AQIDBAUGBwgJCgsMDQ4PEBE="},
		{"16-raw", "0123456789abcdef"},
		{"24-raw", "************************"},
		{"padding", "dGhlIHNhbXBsZSBub25jZQ"},
		{"padding-only", "========================"},
		{"space", "dGhlIHNhbXBs ZSBub25jZQ=="},
		{"list", sampleKey + ", " + sampleKey},
		{"url-alphabet", "-_-_-_-_-_-_-_-_-_-_-w=="},
		{"nul", "dGhlIHNhbXBsZSBub25jZQ=\x00"},
		{"obs-text", "dGhlIHNhbXBsZSBub25j\u00e4Q=="},
		{"12kib", gap(12*kib, "A")},
	} {
		l.each("head/key-"+c.name, named("hybi-04", "hybi-08", "rfc6455"), func(d dialect) hostile.Case {
			v := either()
			if finished(d) {
				v.Status = []int{400, 431}
			}
			if finished(d) && c.value == "" {
				v = refused(400, 431)
			}
			return hostile.Case{Comment: "a key that is not 16 bytes in base64 (RFC 6455 4.2.1)", Steps: ask(d.request().set("Sec-WebSocket-Key", c.value)), Verdict: v}
		})
	}
}

// headOldKeys: the two keys of hixie-76, whose digits are to be divided by their spaces
// (hixie-76 5.2).
func (l *list) headOldKeys() {
	for _, c := range []struct{ name, comment, key string }{
		{"no-space", "a key without a space: a division by zero", "4146546xW%0l15"},
		{"no-digit", "a key without a digit", "ab c de"},
		{"remainder", "a number that its spaces do not divide", "1 2 3x"},
		{"big", "a quotient of more than 32 bits", "x8589934592 y"},
		{"overflow", "a number of 20 digits", "x99999999999999999998 y 1"},
		{"wrap-64", "2^64 + 4 and two spaces", "1844674407370955 1620 x"},
		{"digits", "12 KiB of digits", gap(12*kib, "2") + " a"},
		{"spaces", "12 KiB of spaces", "1" + gap(12*kib, " ") + "x"},
		{"empty", "an empty key", ""},
		{"minus", "a key with a sign that is no digit, and no space", "-1-2-3"},
	} {
		for _, n := range []string{"1", "2"} {
			l.each("head/oldkey"+n+"-"+c.name, challenged, func(d dialect) hostile.Case {
				return hostile.Case{Comment: c.comment + ", as Sec-WebSocket-Key" + n,
					Steps:   steps(send(d.request().set("Sec-WebSocket-Key"+n, c.key).parts()), hold(5*sec)),
					Verdict: never(outcomes(hostile.Refused, hostile.Ended), hixieDigest)}
			})
		}
	}
	for _, n := range []string{"1", "2"} {
		l.each("head/oldkey"+n+"-missing", challenged, func(d dialect) hostile.Case {
			return hostile.Case{Comment: "only one of the two keys: to take it for hixie-75 removes the challenge", Steps: ask(d.request().drop("Sec-WebSocket-Key" + n)),
				Verdict: refused()}
		})
		l.each("head/oldkey"+n+"-two", challenged, func(d dialect) hostile.Case {
			return hostile.Case{Comment: "a key twice, with two values", Steps: ask(d.request().with("Sec-WebSocket-Key" + n + ": 1 2x")),
				Verdict: outcomes(hostile.Refused, hostile.Ended)}
		})
	}
	for _, c := range []struct{ name, value string }{
		{"0", "0"}, {"4", "4"}, {"minus-1", "-1"}, {"zero-2", "02"}, {"list", "2, 2"}, {"wrap-8", "258"}, {"empty", ""}, {"word", "x"},
	} {
		l.each("head/draft-"+c.name, named("hybi-02"), func(d dialect) hostile.Case {
			return hostile.Case{Comment: "Sec-WebSocket-Draft is none that was written", Steps: ask(d.request().set("Sec-WebSocket-Draft", c.value)), Verdict: either()}
		})
	}
}

// headMixtures: fields of two versions in one request. Who knows one of the versions
// only sees nothing wrong.
func (l *list) headMixtures() {
	old := []string{"Sec-WebSocket-Key1: " + key1, "Sec-WebSocket-Key2: " + key2}
	l.each("head/mixed-old-keys", keyed, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "the keys of hixie-76 beside a version's own", Steps: ask(d.request().with(old...).then(d.body)),
			Verdict: never(either(), hixieDigest)}
	})
	l.each("head/mixed-old-keys-and-bytes", keyed, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "the keys of hixie-76 beside a version's own, and the eight bytes", Steps: ask(d.request().with(old...).then("^n:ds[4U")),
			Verdict: never(outcomes(hostile.Refused, hostile.Served, hostile.Failed), hixieDigest)}
	})
	l.each("head/mixed-new-key", challenged, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a key of later versions beside those of hixie-76", Steps: ask(d.request().with("Sec-WebSocket-Key: " + sampleKey)), Verdict: either()}
	})
	l.each("head/mixed-new-version", challenged, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a version beside the keys of hixie-76", Steps: ask(d.request().with("Sec-WebSocket-Version: 13")), Verdict: either()}
	})
	l.each("head/mixed-draft", keyed, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "Sec-WebSocket-Draft beside a version", Steps: ask(d.request().with("Sec-WebSocket-Draft: 2")), Verdict: either()}
	})
	l.add("head/mixed-draft-alone", hostile.Case{Version: "hixie-75", Comment: "Sec-WebSocket-Draft without a key, which a server may take for a field that it does not know",
		Steps: ask(dialects[0].request().with("Sec-WebSocket-Draft: 2")), Verdict: either()})
}

// headRepeats: one field, over and over.
func (l *list) headRepeats() {
	for _, c := range []struct{ name, line string }{
		{"unknown", "X-Same: y"}, {"cookie", "Cookie: a=b"}, {"protocol", "Sec-WebSocket-Protocol: chat"},
		{"extensions", "Sec-WebSocket-Extensions: permessage-deflate"}, {"connection", "Connection: a, b, c, d, e, f, g, h, i, j, k, l"},
		{"upgrade", "Upgrade: websocket"}, {"origin", "Origin: http://evil.example"}, {"forwarded-for", "X-Forwarded-For: 192.0.2.1, 192.0.2.2"},
		{"long", "X-Same: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"},
	} {
		l.add("head/repeat-"+c.name, hostile.Case{Version: rfc.name, Holes: []string{"PYSEC-2025-266"}, Rounds: 20,
			Comment: "one field 120 times, twenty such heads: who joins the values anew each time copies them over and over",
			Steps:   ask(rfc.request().with(gap(119, c.line+"\r\n") + c.line)), Verdict: either()})
	}
}

// headEchoes: what the answers of hixie-75, hixie-76 and hybi-02 repeat.
func (l *list) headEchoes() {
	for _, c := range []struct{ name, value string }{
		{"cr", "http://{host}\rX-Injected: y"}, {"nul", "http://{host}\x00"}, {"lf", "http://{host}\nX-Injected: y"},
		{"escape", "http://{host}/\x1b[2J"}, {"percent", "http://{host}/%0d%0aX-Injected: y"}, {"obs-text", "http://{host}/\u00e4"},
	} {
		for _, field := range []string{"origin", "protocol", "host"} {
			l.each("head/echo-"+field+"-"+c.name, named("hixie-75", "hixie-76", "hybi-02"), func(d dialect) hostile.Case {
				h := d.request()
				switch field {
				case "origin":
					h = h.set("Origin", c.value)
				case "protocol":
					h = h.with(d.protocol + ": " + strings.ReplaceAll(c.value, "http://{host}", "chat"))
				default:
					h = h.set("Host", strings.TrimPrefix(c.value, "http://"))
				}
				return hostile.Case{Comment: "a byte that would break the answer, which repeats the value", Steps: steps(send(h.String()), hold(ms*300)),
					Verdict: never(whatever(), "\rX-Injected", "\nX-Injected", "\x00", "\x1b")}
			})
		}
	}
}

// headLists: fields that are taken apart, filled with what takes a bad parser long.
func (l *list) headLists() {
	const n = 12 * kib
	fills := []struct{ name, value string }{
		{"commas", gap(n, ",")},
		{"spaces", "b" + gap(n, " ") + "x"},
		{"tabs", "b" + gap(n, "\t") + "x"},
		{"members", gap(n/2, "a,") + "b"},
		{"members-spaced", gap(n/4, "a , ") + "b"},
		{"semicolons", "a" + gap(n, ";")},
		{"parameters", "a" + gap(n/4, ";b=c")},
		{"equals", "a;" + gap(n, "=")},
		{"quotes", "a;b=" + gap(n, `"`)},
		{"quote-open", `a;b="` + gap(n, "c")},
		{"escapes-open", `a;b="` + gap(n/2, `\c`)},
		{"word", gap(n, "a")},
	}
	for _, field := range []string{"Connection", "Upgrade", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "X-Forwarded-For", "Forwarded", "Cookie", "Origin"} {
		for _, f := range fills {
			h := rfc.request()
			switch field {
			case "Connection":
				h = h.set(field, "Upgrade, "+f.value)
			case "Upgrade":
				h = h.set(field, "websocket, "+f.value)
			case "Origin":
				h = h.set(field, f.value)
			default:
				h = h.with(field + ": " + f.value)
			}
			l.add("head/list-"+strings.ToLower(field)+"-"+f.name, hostile.Case{Version: rfc.name, Rounds: 20,
				Holes:   []string{"CVE-2021-32640", "CVE-2020-7662", "CVE-2020-7663"},
				Comment: "12 KiB in one field, twenty times: a parser that goes back takes long",
				Steps:   ask(h), Verdict: either(), Budget: hostile.Budget{CPU: sec / 2}})
		}
	}
}
