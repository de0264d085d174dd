package gen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// fault is what a server must not send on an open connection, for the sides client and
// behind.
type fault struct {
	name    string // KIND/WHAT
	comment string
	holes   []string
	when    func(dialect) bool
	// strict: the versions in which a client has to fail the connection. In others it may
	// also ignore the fault, and gets a farewell behind it.
	strict func(dialect) bool
	codes  []int
	parts  func(d dialect) []hostile.Part
	slow   bool // the client may need its own limit of time
}

// client is the case of the side client.
func (f fault) client(d dialect) hostile.Case {
	c := hostile.Case{Comment: f.comment, Holes: f.holes, Slow: f.slow}
	if f.strict != nil && f.strict(d) {
		c.Steps, c.Verdict = steps(open(), send(f.parts(d)), hold(6*sec)), failed(f.codes...)
	} else {
		c.Steps, c.Verdict = steps(open(), send(f.parts(d)), send(d.farewell()), end(), hold(5*sec)), failed()
	}
	if f.slow {
		c.Budget.Time = long
		c.Steps[len(c.Steps)-1].For = long
	}
	return c
}

// faults are those of all kinds.
func faults() []fault {
	var all []fault
	for _, some := range [][]fault{
		opcodeFaults(), orderFaults(), lengthFaults(), textFaults(), closeFaults(), hixieFaults(), shownFaults(),
	} {
		all = append(all, some...)
	}
	return all
}

// one makes parts of frames.
func one(f func(d dialect) []frame) func(d dialect) []hostile.Part {
	return func(d dialect) []hostile.Part { return d.down(f(d)...) }
}

// later is the versions from hybi-07 on, whose servers have to close on these faults
// but where hybi-08 had them ignored for a time.
var later = spoken("hybi-07", "hybi-08", "rfc6455")

// opcodeFaults are kinds of frames that mean nothing, and reserved bits.
func opcodeFaults() []fault {
	var out []fault
	for op := range byte(16) {
		means := func(d dialect) bool { return hybis(d) && slices.Contains(d.op.reserved(), op) }
		out = append(out, fault{
			name: fmt.Sprintf("frame/opcode-%x", op), comment: fmt.Sprintf("A frame with the opcode %x, which means nothing.", op),
			when: means, strict: but(means, "hybi-08"), codes: []int{1002},
			parts: one(func(dialect) []frame { return []frame{{op: op, payload: []byte("x")}} }),
		})
		if op != 6 && op != 15 {
			continue
		}
		out = append(out, fault{
			name:    fmt.Sprintf("frame/opcode-%x-of-1tib", op),
			comment: "A frame whose opcode means nothing announces 1 TiB: memory must not be taken before the opcode is looked at.",
			holes:   []string{"CVE-2026-19204"}, when: means, strict: but(means, "hybi-08"), codes: []int{1002, 1009},
			parts: one(func(dialect) []frame { return []frame{{op: op, payload: []byte(letters(kib)), says: 1 << 40}} }),
		})
	}
	for rsv, name := range map[byte]string{4: "rsv1", 2: "rsv2", 1: "rsv3", 7: "rsv-all", 8: "rsv4"} {
		when := hybis
		if rsv == 8 {
			when = spoken("hybi-02", "hybi-04", "hybi-05", "hybi-06")
		}
		out = append(out, fault{
			name: "frame/" + name, comment: "A reserved bit is set, and no extension has been agreed on: " + name + ".",
			when: when, strict: finished, codes: []int{1002},
			parts: one(func(d dialect) []frame { return []frame{{op: d.op.text, rsv: rsv, payload: []byte("x")}} }),
		}, fault{
			name: "frame/" + name + "-on-ping", comment: "A reserved bit is set on a ping: " + name + ".",
			when: when, strict: finished, codes: []int{1002},
			parts: one(func(d dialect) []frame { return []frame{{op: d.op.ping, rsv: rsv}} }),
		})
	}
	slices.SortStableFunc(out, func(a, b fault) int { return strings.Compare(a.name, b.name) })
	return out
}

// orderFaults are frames that have no place where they come.
func orderFaults() []fault {
	var out []fault
	frames := func(name, comment string, when, strict func(dialect) bool, codes []int, f func(d dialect) []frame) {
		out = append(out, fault{name: "frame/" + name, comment: comment, when: when, strict: strict, codes: codes, parts: one(f)})
	}
	protocol := []int{1002}
	frames("continuation-first", "A continuation of nothing.", hybis, hybis, protocol, func(d dialect) []frame {
		return []frame{{payload: []byte("x")}}
	})
	frames("continuation-open-first", "A continuation of nothing, which is not the last.", hybis, hybis, protocol, func(d dialect) []frame {
		return []frame{{open: true, payload: []byte("x")}}
	})
	frames("text-in-text", "A text begins within another one.", hybis, hybis, protocol, func(d dialect) []frame {
		return []frame{{op: d.op.text, open: true, payload: []byte("x")}, {op: d.op.text, payload: []byte("y")}}
	})
	frames("binary-in-text", "A binary message begins within a text.", hybis, hybis, protocol, func(d dialect) []frame {
		return []frame{{op: d.op.text, open: true, payload: []byte("x")}, {op: d.op.binary, payload: []byte("y")}}
	})
	frames("close-in-text", "The close comes within a text.", hybis, nil, nil, func(d dialect) []frame {
		return []frame{{op: d.op.text, open: true, payload: []byte("x")}, {op: d.op.close, payload: d.closeBody(false, 1000, "")}}
	})
	frames("ping-open", "A ping that is not the last of its message.", hybis, hybis, protocol, func(d dialect) []frame {
		return []frame{{op: d.op.ping, open: true, payload: []byte("x")}, {payload: []byte("y")}}
	})
	frames("close-open", "A close that is not the last of its message.", hybis, nil, nil, func(d dialect) []frame {
		return []frame{{op: d.op.close, open: true}, {payload: []byte("y")}}
	})
	frames("pong-unasked", "A pong that nobody asked for.", hybis, nil, nil, func(d dialect) []frame {
		return []frame{{op: d.op.pong, payload: []byte("x")}}
	})
	frames("masked", "A server masks its frame.", later, finished, protocol, func(d dialect) []frame {
		return []frame{{op: d.op.text, turned: true, payload: []byte("hello")}}
	})
	frames("masked-by-zeros", "A server masks its frame by zeros.", later, finished, protocol, func(d dialect) []frame {
		return []frame{{op: d.op.text, turned: true, mask: make([]byte, 4), payload: []byte("hello")}}
	})
	frames("masked-ping", "A server masks a ping.", later, finished, protocol, func(d dialect) []frame {
		return []frame{{op: d.op.ping, turned: true, payload: []byte("x")}}
	})
	frames("binary", "A binary message is the answer to a text.", hybis, nil, nil, func(d dialect) []frame {
		return []frame{{op: d.op.binary, payload: []byte{0, 0xFF, 0x1B}}}
	})
	frames("empty", "An empty text is the answer.", hybis, nil, nil, func(d dialect) []frame { return []frame{{op: d.op.text}} })
	return out
}

// lengthFaults are lengths that lie, or are too much.
func lengthFaults() []fault {
	var out []fault
	wire := []int{1002, 1009}
	lengths := func(name, comment string, when, strict func(dialect) bool, codes []int, holes []string, f func(d dialect) []frame) {
		out = append(out, fault{name: "frame/" + name, comment: comment, when: when, strict: strict, codes: codes, holes: holes, parts: one(f)})
	}
	some := []byte(letters(kib))
	for _, v := range []struct {
		name string
		n    uint64
	}{
		{"2-63", 1 << 63}, {"2-63-and-5", 1<<63 + 5}, {"2-64-minus-1", 1<<64 - 1}, {"2-64-minus-8", 1<<64 - 8},
	} {
		holes := []string{"CVE-2026-27889", "CVE-2026-1528", "CVE-2020-13935"}
		lengths("length-"+v.name, "A length with its top bit set: "+v.name+".", hybis, hybis, wire, holes, func(d dialect) []frame {
			return []frame{{op: d.op.text, says: v.n, payload: some}}
		})
		lengths("ping-length-"+v.name, "A ping's length has its top bit set: "+v.name+".", spoken("hybi-02", "rfc6455"), hybis, wire, holes, func(d dialect) []frame {
			return []frame{{op: d.op.ping, says: v.n, payload: some}}
		})
	}
	for _, v := range []struct {
		name string
		n    uint64
	}{
		{"2-62", 1 << 62}, {"2-63-minus-1", 1<<63 - 1}, {"2-40", 1 << 40}, {"2-32-and-5", 1<<32 + 5}, {"2-31", 1 << 31},
	} {
		lengths("length-"+v.name, "A message of a length that nobody takes: "+v.name+".", hybis, hybis, wire,
			[]string{"CVE-2018-21035", "CVE-2016-10542", "CVE-2025-32049"}, func(d dialect) []frame {
				return []frame{{op: d.op.text, says: v.n, payload: some}}
			})
	}
	lengths("fragments-2-63-minus-1", "Fragments whose lengths add up to more than a number holds.", hybis, hybis, wire, []string{"CVE-2020-27813"},
		func(d dialect) []frame {
			return []frame{{op: d.op.text, open: true, payload: []byte("x")}, {open: true, says: 1<<63 - 1, payload: some}}
		})
	for _, width := range []int{16, 64} {
		lengths(fmt.Sprintf("length-in-%d-bits", width), fmt.Sprintf("The length 5 in %d bits, which is more than it needs.", width),
			hybis, nil, nil, nil, func(d dialect) []frame {
				return []frame{{op: d.op.text, width: width, payload: []byte("hello")}}
			})
		lengths(fmt.Sprintf("length-0-in-%d-bits", width), fmt.Sprintf("The length 0 in %d bits.", width),
			hybis, nil, nil, nil, func(d dialect) []frame {
				return []frame{{op: d.op.text, width: width}}
			})
	}
	return append(out, controlLengthFaults()...)
}

// controlLengthFaults are pings, pongs and closes that are too long.
func controlLengthFaults() []fault {
	var out []fault
	some := []byte(letters(kib))
	lengths := func(name, comment string, strict func(dialect) bool, codes []int, holes []string, f func(d dialect) []frame) {
		out = append(out, fault{name: "frame/" + name, comment: comment, when: hybis, strict: strict, codes: codes, holes: holes, parts: one(f)})
	}
	lengths("ping-126", "A ping of 126 bytes: a control frame has 125 at most.", later, []int{1002}, nil, func(d dialect) []frame {
		return []frame{{op: d.op.ping, payload: []byte(letters(126))}}
	})
	lengths("ping-in-16-bits", "A ping whose short length comes in 16 bits.", nil, nil, nil, func(d dialect) []frame {
		return []frame{{op: d.op.ping, width: 16, payload: []byte("x")}}
	})
	lengths("pong-64kib", "A pong of 64 KiB.", later, []int{1002}, []string{"CVE-2021-3690"}, func(d dialect) []frame {
		return []frame{{op: d.op.pong, payload: []byte("ab"), times: 32 * kib}}
	})
	lengths("pong-of-1tib", "A pong of 1 TiB.", later, []int{1002, 1009}, nil, func(d dialect) []frame {
		return []frame{{op: d.op.pong, says: 1 << 40, payload: some}}
	})
	lengths("close-126", "A close of 126 bytes.", nil, nil, nil, func(d dialect) []frame {
		return []frame{{op: d.op.close, payload: append(d.closeBody(false, 1000, ""), letters(126)...)}}
	})
	lengths("close-of-1tib", "A close of 1 TiB.", later, []int{1002, 1009}, nil, func(d dialect) []frame {
		return []frame{{op: d.op.close, says: 1 << 40, payload: some}}
	})
	return out
}

// notUTF8 are bytes that are no text.
var notUTF8 = []struct{ name, bytes string }{
	{"overlong-2", "\xc0\x80"}, {"overlong-3", "\xe0\x80\x80"}, {"overlong-4", "\xf0\x80\x80\x80"}, {"surrogate", "\xed\xa0\x80"},
	{"surrogates", "\xed\xa0\xbd\xed\xb8\x80"}, {"beyond", "\xf4\x90\x80\x80"}, {"five-bytes", "\xf8\x88\x80\x80\x80"}, {"fe", "\xfe"},
	{"ff", "\xff"}, {"continuation", "\x80"}, {"cut", "\xe2\x82"}, {"latin-1", "caf\xe9"},
}

// textFaults are texts that are none. Clients before hybi-08 put U+FFFD in their place.
func textFaults() []fault {
	var out []fault
	for _, v := range notUTF8 {
		out = append(out, fault{
			name: "text/" + v.name, comment: "A text that is not UTF-8: " + v.name + ".", holes: []string{"GO-2026-5838"},
			when: func(d dialect) bool { return !d.hixie || v.name != "ff" }, strict: finished, codes: []int{1007},
			parts: func(d dialect) []hostile.Part { return d.textDown(v.bytes) },
		})
	}
	return append(out, fault{
		name: "text/cut-by-fragments", comment: "A character is cut by a fragment's end, and what follows does not belong to it.",
		when: hybis, strict: finished, codes: []int{1007},
		parts: one(func(d dialect) []frame {
			return []frame{{op: d.op.text, open: true, payload: []byte("\xe2\x82")}, {op: d.op.ping}, {payload: []byte("x")}}
		}),
	}, fault{
		name: "text/close-reason", comment: "A close whose reason is not UTF-8.",
		when: coded, strict: coded, codes: []int{1000, 1002, 1007},
		parts: func(d dialect) []hostile.Part { return d.byeDown(1000, "\xc0\x80") },
	})
}

// closeFaults are closes that say what they must not. A client ends behind a close in
// any case; it must not repeat such a code.
func closeFaults() []fault {
	var out []fault
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535} {
		allowed := []int{1000, 1001, 1002}
		if code >= 5000 {
			allowed = nil // no document says what becomes of these
		}
		when := coded
		if code == 1004 {
			when = finished // which had a meaning before
		}
		out = append(out, fault{
			name: fmt.Sprintf("close/code-%d", code), comment: fmt.Sprintf("A close with the code %d, which no frame may have.", code),
			when: when, strict: when, codes: allowed,
			parts: func(d dialect) []hostile.Part { return d.byeDown(code, "") },
		})
	}
	bye := func(name, comment string, when func(dialect) bool, codes []int, parts func(d dialect) []hostile.Part) {
		out = append(out, fault{name: "close/" + name, comment: comment, when: when, strict: when, codes: codes, parts: parts})
	}
	bye("one-byte", "A close with half a code.", coded, []int{1000, 1002},
		one(func(d dialect) []frame { return []frame{{op: d.op.close, payload: []byte{3}}} }))
	bye("longest-reason", "A close with the longest reason.", coded, nil,
		func(d dialect) []hostile.Part { return d.byeDown(1000, letters(123)) })
	bye("letter", "hybi-05's close says that it comes from a client.", spoken("hybi-05"), nil,
		one(func(d dialect) []frame { return []frame{{op: d.op.close, payload: []byte("C")}} }))
	bye("code-too-early", "A close with a code in a version that has none.", spoken("hybi-02", "hybi-04", "hybi-05"), nil,
		one(func(d dialect) []frame { return []frame{{op: d.op.close, payload: []byte("\x03\xe8bye")}} }))
	bye("then-text", "Messages behind the close, 10,000 of them.", closing, nil, func(d dialect) []hostile.Part {
		return cat(d.byeDown(1000, ""), hostile.Part{Hex: raw(d.textDown("hello")), Times: 10_000})
	})
	bye("then-pings", "Pings behind the close, 10,000 of them.", hybis, nil, func(d dialect) []hostile.Part {
		return cat(d.byeDown(1000, ""), hostile.Part{Hex: raw(d.down(frame{op: d.op.ping, payload: []byte("x")})), Times: 10_000})
	})
	bye("many", "10,000 closes.", closing, nil, func(d dialect) []hostile.Part {
		return cat(hostile.Part{Hex: raw(d.byeDown(1000, "")), Times: 10_000})
	})
	bye("then-garbage", "Bytes that are no frames behind the close.", closing, nil, func(d dialect) []hostile.Part {
		return cat(d.byeDown(1000, ""), sameByte(0xFB, 64*kib))
	})
	out = append(out, fault{
		name: "close/half", comment: "A close that does not come whole.", when: coded, strict: coded, slow: true,
		parts: one(func(d dialect) []frame { return []frame{{op: d.op.close, says: 100, payload: []byte("\x03\xe8")}} }),
	})
	return out
}

// sameByte is one byte, n times over.
func sameByte(b byte, n int64) hostile.Part {
	return hostile.Part{Hex: []byte(strings.Repeat(string([]byte{b}), 64)), Times: n / 64}
}

// hixieFaults are frames of hixie-75 and hixie-76 that a server must not send.
func hixieFaults() []fault {
	var out []fault
	bytes := func(name, comment string, parts ...any) {
		out = append(out, fault{name: "frame/hixie-" + name, comment: comment, when: hixies, parts: func(dialect) []hostile.Part { return cat(parts...) }})
	}
	bytes("type-01", "A frame of a type that means nothing, up to FF.", hixieMarked(0x01, "x"))
	bytes("type-7f", "A frame of a type that means nothing, up to FF.", hixieMarked(0x7F, "x"))
	bytes("type-80", "A frame with a length, which means nothing.", hixieLength(0x80, 5, 0), "hello")
	bytes("type-fe", "A frame with a length, which means nothing.", hixieLength(0xFE, 5, 0), "hello")
	bytes("length-with-zeros", "A length with a hundred zeros before it.", hixieLength(0x80, 5, 100), "hello")
	bytes("ff-with-length", "The type of the close, with a length.", hixieLength(0xFF, 5, 0), "hello")
	bytes("ff-zero-zeros", "The close, its length of nothing in three bytes.", hixieLength(0xFF, 0, 2))
	bytes("nul-in-text", "NUL within a text.", hixieText("a\x00b"))
	bytes("ff-first", "FF at once, which ends nothing.", "\u00ff\u00ff\u00ff")
	bytes("empty-text", "An empty text is the answer.", "\x00\u00ff")
	for _, v := range []struct {
		name  string
		parts []any
	}{
		{"length-2-62", []any{hixieLength(0x80, 1<<62, 0), over(kib, letters(kib))}},
		{"length-2-64-minus-1", []any{hixieLength(0x80, 1<<64-1, 0), over(kib, letters(kib))}},
		{"length-overflows", []any{"\u0080", sameByte(0xFF, 64), "\x7f", over(kib, letters(kib))}},
		{"length-2-64", []any{"\u0080\u0082\u0080\u0080\u0080\u0080\u0080\u0080\u0080\u0080\x00", over(kib, letters(kib))}},
	} {
		out = append(out, fault{
			name: "frame/hixie-" + v.name, comment: "A frame that is skipped has a length that nobody has the time for: " + v.name + ".",
			holes: []string{"CVE-2026-27889"}, when: hixies, strict: hixies, slow: true,
			parts: func(dialect) []hostile.Part { return cat(v.parts...) },
		})
	}
	return out
}

// shownFaults are texts that do harm where they are shown.
func shownFaults() []fault {
	var out []fault
	for _, v := range []struct{ name, text, comment string }{
		{"escapes", "\x1b[2J\x1b]0;owned\x07\x1b[31mhello", "Escapes of a terminal"},
		{"c1", "\u009b2J\u0090+q544e\u009c", "Controls of C1"},
		{"bidi", "abc\u202etxt.exe\u2066\u2069", "Marks that turn the direction of writing"},
		{"lines", "hello\r\nclosed: 1000\r\nconnected: rfc6455", "Line ends, with lines such as a program prints itself"},
		{"backspaces", "hello\b\b\b\b\bevil\x7f\x00", "Backspaces"},
	} {
		out = append(out, fault{
			name: "log/message-" + v.name, comment: v.comment + " in a text. They must not reach a terminal raw; what a program prints, a player cannot see.",
			when: spoken("hixie-76", "rfc6455"), parts: func(d dialect) []hostile.Part { return d.textDown(v.text) },
		}, fault{
			name: "log/reason-" + v.name, comment: v.comment + " in a close's reason. They must not reach a terminal raw; what a program prints, a player cannot see.",
			when: finished, parts: func(d dialect) []hostile.Part { return d.byeDown(4000, v.text) },
		})
	}
	return out
}
