package gen

import (
	"bytes"
	"fmt"

	"github.com/draftwire/draftwire/hostile"
)

func (l *list) serverClosings() {
	l.closeCodes()
	l.closeBodies()
	l.closeOrder()
	l.closeFloods()
}

// closeFrameOf is a close frame with any body.
func (d dialect) closeFrameOf(body []byte) []hostile.Part {
	return d.up(frame{op: d.op.close, payload: body})
}

// closeCodes: codes that no frame may have (RFC 6455 7.4).
func (l *list) closeCodes() {
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 0x8000, 65535} {
		l.each(fmt.Sprintf("close/code-%d", code), coded, func(d dialect) hostile.Case {
			v := failed()
			switch code {
			case 1005, 1006, 1015: // MUST NOT be set in a frame
				if finished(d) {
					v = never(failed(1000, 1002, 1007, 1008), latin1([]byte{0x88, 2, byte(code >> 8), byte(code)}))
				}
			}
			return hostile.Case{Comment: fmt.Sprintf("a close with the code %d", code), Steps: steps(open(), send(d.bye(code, "")), hold(5*sec)), Verdict: v}
		})
	}
}

// closeBodies: what else stands in a close.
func (l *list) closeBodies() {
	for _, c := range []struct {
		name, comment string
		body          []byte
		codes         []int
	}{
		{"one-byte", "a close of one byte (RFC 6455 5.5.1)", []byte{0x03}, []int{1002, 1000, 1007}},
		{"reason-ff", "a reason that is not UTF-8", []byte("\x03\xE8\xFF\xFE"), nil},
		{"reason-surrogate", "a reason with a surrogate in UTF-8", []byte("\x03\xE8\xED\xA0\x80"), nil},
		{"reason-cut", "a reason that ends within a character", append([]byte("\x03\xE8"), append(bytes.Repeat([]byte("a"), 122), 0xE2)...), nil},
		{"reason-escape", "a reason with an escape for the terminal of who reads it", []byte("\x03\xE8\x1b]0;evil\x07"), nil},
		{"reason-123", "a reason of 123 bytes, the most", append([]byte{0x03, 0xE8}, bytes.Repeat([]byte("a"), 123)...), nil},
	} {
		l.each("close/"+c.name, coded, func(d dialect) hostile.Case {
			return hostile.Case{Holes: []string{"CVE-2026-45736"}, Comment: c.comment, Steps: steps(open(), send(d.closeFrameOf(c.body)), hold(5*sec)), Verdict: failed(c.codes...)}
		})
	}
	for _, body := range []string{"S", "CC", "SC", "x", "\xff"} {
		l.each(fmt.Sprintf("close/letter-%x", body), named("hybi-02", "hybi-04", "hybi-05"), func(d dialect) hostile.Case {
			return hostile.Case{Comment: "a close with what this version, or the next one, does not have in it", Steps: steps(open(), send(d.closeFrameOf([]byte(body))), hold(5*sec)), Verdict: failed()}
		})
	}
}

// closeOrder: what comes behind a close, and who waits for whom.
func (l *list) closeOrder() {
	l.each("close/and-stay", closing, func(d dialect) hostile.Case {
		return hostile.Case{Holes: []string{"CVE-2024-23672"}, Comment: "a close, and then the connection stays open: the server is to end it (RFC 6455 7.1.1)",
			Steps: steps(open(), send(d.bye(1000, "")), hold(5*sec)), Verdict: failed()}
	})
	l.each("close/then-message", closing, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a message behind a close, which nobody may see (RFC 6455 5.5.1)",
			Steps: steps(open(), send(d.bye(1000, ""), d.text("behind")), hold(5*sec)), Verdict: never(failed(), "behind")}
	})
	l.each("close/then-ping", func(d dialect) bool { return d.binary }, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a ping behind a close", Steps: steps(open(), send(d.bye(1000, ""), d.up(frame{op: d.op.ping, payload: []byte("behind")})), hold(5*sec)),
			Verdict: never(failed(), "behind")}
	})
	l.each("close/twice", closing, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "two closes", Steps: steps(open(), send(d.bye(1000, ""), d.bye(1001, "")), hold(5*sec)), Verdict: failed()}
	})
	l.each("close/within-message", func(d dialect) bool { return d.binary }, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a close between the fragments of a message",
			Steps:   steps(open(), send(d.up(frame{op: d.op.text, open: true, payload: []byte("be")}), d.bye(1000, ""), d.up(frame{payload: []byte("hind")})), hold(5*sec)),
			Verdict: never(failed(), "behind")}
	})
	l.each("close/within-frame", hybis, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "the connection ends within a frame", Steps: steps(open(), send(d.up(frame{op: d.op.text, says: 100, payload: []byte("evil")})), end(), hold(5*sec)),
			Verdict: never(failed(), "evil")}
	})
	l.each("close/half", closing, func(d dialect) hostile.Case {
		p := d.bye(1000, "")
		if !p[0].Mask {
			p[0].Hex = p[0].Hex[:len(p[0].Hex)-1]
		}
		return hostile.Case{Comment: "a close without its last byte, and then the connection ends", Steps: steps(open(), send(p), end(), hold(5*sec)), Verdict: failed()}
	})
	l.add("close/asked-for", hostile.Case{Version: rfc.name, Slow: true,
		Comment: "a server that closes at once where /close?code=4001 is asked for gets no answer to its close: it must not wait for ever",
		Steps:   steps(send(rfc.request().target("/close?code=4001").String()), hold(35*sec)),
		Verdict: whatever(), Budget: hostile.Budget{Time: 40 * sec}})
}

// wrong is a frame for which any server fails the connection.
func (d dialect) wrong() []hostile.Part {
	if d.hixie {
		return cat(hixieLength(0x80, 1<<62, 0))
	}
	return d.up(frame{payload: []byte("evil")})
}

// closeFloods: much behind a close, the client's own or the server's.
func (l *list) closeFloods() {
	flood := func(d dialect) []hostile.Part {
		if d.hixie {
			return cat(hixieText(strings128))
		}
		return d.up(frame{op: d.op.text, payload: []byte(strings128)})
	}
	b := hostile.Budget{CPU: 3 * sec, Time: 10 * sec, Memory: 64 * mib}
	l.each("close/flood-behind-own", closing, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "messages without end behind the client's close", Steps: steps(open(), send(d.bye(1000, "")), within(4*sec, times(10*mib, flood(d))), hold(4*sec)),
			Verdict: never(failed(), strings128), Budget: b}
	})
	l.each("close/flood-behind-servers", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a wrong frame, for which the server closes, and messages without end behind it: it must not read them for ever",
			Steps: steps(open(), send(d.wrong()), within(4*sec, times(10*mib, flood(d))), hold(4*sec)), Verdict: never(failed(), strings128), Budget: b}
	})
	l.each("close/flood-behind-servers-unread", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Unread: true, Comment: "the same, and the client reads nothing",
			Steps: steps(open(), send(d.wrong()), within(4*sec, times(10*mib, flood(d))), hold(4*sec)), Verdict: whatever(), Budget: b}
	})
	l.each("close/never-answered", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Slow: true, Holes: []string{"CVE-2024-23672", "CVE-2021-42340"}, Comment: "a wrong frame, and then silence: the server's close is never answered, and it must end the connection by itself",
			Steps: steps(open(), send(d.wrong()), hold(35*sec)), Verdict: failed(), Budget: hostile.Budget{Time: 40 * sec}}
	})
	l.each("close/never-answered-many", named("hixie-76", "hybi-05", "rfc6455"), func(d dialect) hostile.Case {
		return hostile.Case{Slow: true, Clients: 300, Holes: []string{"CVE-2024-23672", "CVE-2021-42340"}, Comment: "300 of them",
			Steps: steps(open(), send(d.wrong()), hold(35*sec)), Verdict: failed(), Budget: hostile.Budget{Time: 40 * sec, CPU: 2 * sec}}
	})
}

// badTexts are bytes that are not UTF-8 (RFC 3629 3), of all shapes.
var badTexts = []struct{ name, comment, text string }{
	{"lone-80", "a byte of a tail alone", "a\x80b"},
	{"lone-bf", "the last byte of a tail alone", "\xBF"},
	{"overlong-2", "a character in too many bytes", "\xC0\xAF"},
	{"overlong-3", "a character in too many bytes", "\xE0\x80\xAF"},
	{"overlong-4", "a character in too many bytes", "\xF0\x80\x80\xAF"},
	{"overlong-nul", "NUL in two bytes", "\xC0\x80"},
	{"surrogate-high", "a surrogate", "\xED\xA0\x80"},
	{"surrogate-low", "a surrogate", "\xED\xBF\xBF"},
	{"surrogate-pair", "a character as two surrogates", "\xED\xA0\xBD\xED\xB2\xA9"},
	{"beyond", "a number beyond Unicode", "\xF4\x90\x80\x80"},
	{"beyond-f5", "a first byte beyond Unicode", "\xF5\x80\x80\x80"},
	{"five-bytes", "a character of five bytes", "\xF8\x88\x80\x80\x80"},
	{"fe", "a byte that is in no character", "\xFE"},
	{"no-tail", "a first byte and no tail", "\xC3("},
	{"short-tail", "a first byte and half of its tail", "\xE2\x82("},
	{"cut-2", "a text that ends within a character of two bytes", "a\xC3"},
	{"cut-3", "a text that ends within a character of three bytes", "a\xE2\x82"},
	{"cut-4", "a text that ends within a character of four bytes", "a\xF0\x9F\x92"},
	{"late", "the last of 301 bytes is wrong", string(bytes.Repeat([]byte("a"), 300)) + "\xFF"},
}

func (l *list) serverTexts() {
	for i, b := range badTexts {
		when := finished
		if i < 4 || b.name == "surrogate-high" || b.name == "cut-3" {
			when = everyVersion
		}
		l.each("text/"+b.name, when, func(d dialect) hostile.Case {
			if d.hixie {
				return hostile.Case{Comment: b.comment, Steps: steps(open(), send(hixieText(b.text), hixieText("hello")), expect("hello")), Verdict: overlooked()}
			}
			return hostile.Case{Holes: []string{"CVE-2025-12689"}, Comment: b.comment + " (RFC 6455 8.1; drafts before 10 do not say)",
				Steps: steps(open(), send(d.text(b.text), d.text("hello")), expect("hello")), Verdict: d.lawful(1007)}
		})
		l.each("text/"+b.name+"-fragments", but(when, "hixie-75", "hixie-76"), func(d dialect) hostile.Case {
			var fs []frame
			for i := range min(len(b.text), 6) {
				fs = append(fs, frame{open: true, payload: []byte(b.text[i : i+1])})
			}
			fs[0].op = d.op.text
			fs = append(fs, frame{payload: []byte(b.text[min(len(b.text), 6):])})
			return hostile.Case{Comment: b.comment + ", in fragments of one byte", Steps: steps(open(), send(d.up(fs...), d.text("hello")), expect("hello")), Verdict: d.lawful(1007)}
		})
	}
	l.each("text/split-right", hybis, func(d dialect) hostile.Case {
		var fs []frame
		const s = "a\u00e9\u20ac\U0001F4A9b"
		for i := range len(s) {
			fs = append(fs, frame{open: true, payload: []byte(s[i : i+1])}, frame{op: d.op.ping}, frame{open: true})
		}
		fs[0].op = d.op.text
		fs = append(fs, frame{payload: []byte("hello")})
		return hostile.Case{Comment: "characters cut at every byte, with pings between, which is right", Steps: steps(open(), send(d.up(fs...)), expect("hello")), Verdict: served()}
	})
	l.each("text/early", finished, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a fragment is wrong and the message has not ended: a server may fail at once or at its end",
			Steps:   steps(open(), send(d.up(frame{op: d.op.text, open: true, payload: []byte("\xED\xA0\x80")})), hold(ms*500), send(d.up(frame{})), hold(5*sec)),
			Verdict: failed(1007)}
	})
	l.each("text/controls", everyVersion, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "controls and what is no character, which is UTF-8 all the same",
			Steps: steps(open(), send(d.text("\x00\x01\x1b[2J\x7f\u0085\u2028\ufeff\ufffe\uffff\U0010ffff")), send(d.text("hello")), expect("hello")), Verdict: served()}
	})
}
