package gen

import (
	"bytes"
	"fmt"
	"math"

	"github.com/draftwire/draftwire/hostile"
)

func (l *list) serverFrames() {
	l.frameLengths()
	l.frameSums()
	l.frameOpcodes()
	l.frameReserved()
	l.frameControls()
	l.frameOrder()
	l.frameMasks()
	l.frameHixie()
	l.frameLimits()
	l.frameGarbage()
}

// lawful: RFC 6455 says that the connection fails, and which codes say so; older drafts
// do not say what becomes of it.
func (d dialect) lawful(codes ...int) hostile.Verdict {
	if finished(d) {
		return failed(codes...)
	}
	return overlooked()
}

// frameLengths: lengths that no message has. A program that reads a frame piece by piece
// and counts may wait for the rest of one that RFC 6455 has a length for; what is longer
// has to be seen in the head.
func (l *list) frameLengths() {
	for _, c := range []struct {
		name, comment string
		says          uint64
		holes         []string
	}{
		{"2-31", "2^31 bytes", 1 << 31, nil},
		{"2-32-and-1", "2^32 + 1 bytes, which 32 bits make 1", 1<<32 + 1, []string{"CVE-2026-27889"}},
		{"2-40", "2^40 bytes", 1 << 40, []string{"CVE-2018-21035", "CVE-2016-10542"}},
		{"2-53-and-1", "2^53 + 1 bytes, which a double makes 2^53", 1<<53 + 1, nil},
		{"2-63-less-1", "2^63 - 1 bytes, the most that RFC 6455 has", math.MaxInt64, []string{"CVE-2020-13935", "CVE-2026-27889"}},
		{"2-63-less-14", "2^63 - 14 bytes: with the head's more than 63 bits", math.MaxInt64 - 13, []string{"CVE-2020-13935"}},
		{"2-63", "2^63 bytes, a length that is negative to some", 1 << 63, []string{"CVE-2026-27889", "CVE-2020-13935", "CVE-2026-1528"}},
		{"2-64-less-1", "2^64 - 1 bytes", math.MaxUint64, []string{"CVE-2026-27889", "CVE-2020-13935", "CVE-2026-1528"}},
		{"2-64-less-6", "2^64 - 6 bytes: with the head's less than nothing", math.MaxUint64 - 5, []string{"CVE-2026-27889"}},
	} {
		for _, open1 := range []bool{false, true} {
			name, when := c.name, hybis
			if open1 {
				name, when = name+"-fragment", sample
			}
			l.each("frame/length-"+name, when, func(d dialect) hostile.Case {
				return hostile.Case{Holes: c.holes, Comment: "a frame that says that it has " + c.comment,
					Steps:   steps(open(), send(d.up(frame{op: d.op.binary, open: open1, says: c.says, width: 64, payload: bytes.Repeat([]byte("a"), 64)})), hold(sec)),
					Verdict: counted(c.says)}
			})
		}
	}
	for _, c := range []struct {
		name    string
		width   int
		payload string
	}{{"16-for-5", 16, "hello"}, {"64-for-5", 64, "hello"}, {"16-for-0", 16, ""}, {"64-for-0", 64, ""}, {"64-for-200", 64, string(bytes.Repeat([]byte("hello"), 40))}} {
		l.each("frame/length-not-least-"+c.name, sample, func(d dialect) hostile.Case {
			s := steps(open(), send(d.up(frame{op: d.op.text, width: c.width, payload: []byte(c.payload)}, frame{op: d.op.text, payload: []byte("hello")})), expect("hello"))
			return hostile.Case{Comment: "a length in more bits than it needs (RFC 6455 5.2: the least; drafts before 14 do not say)", Steps: s, Verdict: overlooked(1002)}
		})
	}
}

// counted is the verdict of a frame that says it has so many bytes, of which few come.
func counted(says uint64) hostile.Verdict {
	if says > math.MaxInt64 {
		return failed(1002, 1009)
	}
	return overlooked(1002, 1009)
}

// frameSums: fragments whose lengths add up to more than an integer holds.
func (l *list) frameSums() {
	for _, c := range []struct {
		name string
		says uint64
	}{{"63", math.MaxInt64}, {"64", math.MaxUint64}, {"32", math.MaxUint32}, {"31", math.MaxInt32}} {
		l.each("frame/sum-"+c.name, hybis, func(d dialect) hostile.Case {
			return hostile.Case{Holes: []string{"CVE-2020-27813"}, Comment: "a fragment of one byte, and one whose length makes the sum more than " + c.name + " bits have",
				Steps: steps(open(), send(d.up(frame{op: d.op.binary, open: true, payload: []byte("a")},
					frame{says: c.says, width: 64, payload: []byte("aaaa")})), hold(sec)),
				Verdict: counted(c.says)}
		})
	}
}

// frameOpcodes: kinds of frames that there are not.
func (l *list) frameOpcodes() {
	for i := range 10 {
		when := hybis
		if i != 0 && i != 9 {
			when = sample
		}
		l.each(fmt.Sprintf("frame/opcode-reserved-%d-huge", i), when, func(d dialect) hostile.Case {
			op := d.op.reserved()[i]
			return hostile.Case{Holes: []string{"CVE-2026-19204"},
				Comment: fmt.Sprintf("opcode %X, which nobody knows, with 2^40 bytes: refused before they are waited for or made room for", op),
				Steps:   steps(open(), send(d.up(frame{op: op, says: 1 << 40, width: 64})), hold(5*sec)), Verdict: failed(1002, 1003, 1009)}
		})
		l.each(fmt.Sprintf("frame/opcode-reserved-%d", i), when, func(d dialect) hostile.Case {
			v := failed(1002, 1003)
			if d.version == "8" {
				v = overlooked()
			}
			op := d.op.reserved()[i]
			return hostile.Case{Comment: fmt.Sprintf("opcode %X, which nobody knows (RFC 6455 5.2; only draft 8 passes over it)", op),
				Steps: steps(open(), send(d.up(frame{op: op, payload: []byte("evil")}), d.text("hello")), expect("hello")), Verdict: never(v, "evil")}
		})
	}
	l.each("frame/opcode-reserved-most-of-it", hybis, func(d dialect) hostile.Case {
		return hostile.Case{Holes: []string{"CVE-2026-19204"}, Comment: "the first two bytes of a frame that nobody knows: enough to refuse it, and no more comes",
			Steps: steps(open(), send(raw0(d, frame{op: d.op.reserved()[0], says: 1 << 40, width: 64})), hold(ms*1500)), Verdict: overlooked(1002, 1003, 1009)}
	})
}

// raw0 is the beginning of a frame: two bytes, and a mask that stands before them.
func raw0(d dialect, f frame) []hostile.Part {
	p := d.up(f)
	n := 2
	if d.masking == maskFrame {
		n = 6
	}
	p[0].Hex = p[0].Hex[:n]
	return p[:1]
}

// frameReserved: the reserved bits, with nothing agreed on that gives them a meaning.
func (l *list) frameReserved() {
	for _, c := range []struct {
		name string
		rsv  byte
	}{{"1", 4}, {"2", 2}, {"3", 1}, {"all", 7}, {"4", 8}} {
		when := hybis
		if c.rsv == 8 { // the mask bit of hybi-07 and later
			when = named("hybi-02", "hybi-04", "hybi-05", "hybi-06")
		}
		l.each("frame/reserved-"+c.name, when, func(d dialect) hostile.Case {
			return hostile.Case{Comment: "a reserved bit in a text frame (RFC 6455 5.2; some drafts let it pass)",
				Steps: steps(open(), send(d.up(frame{op: d.op.text, rsv: c.rsv, payload: []byte("evil")}), d.text("hello")), expect("hello")), Verdict: d.lawful(1002)}
		})
		if c.rsv == 8 {
			continue
		}
		l.each("frame/reserved-"+c.name+"-continuation", sample, func(d dialect) hostile.Case {
			return hostile.Case{Comment: "a reserved bit in a continuation",
				Steps:   steps(open(), send(d.up(frame{op: d.op.text, open: true, payload: []byte("e")}, frame{rsv: c.rsv, payload: []byte("vil")}), d.text("hello")), expect("hello")),
				Verdict: d.lawful(1002)}
		})
		l.each("frame/reserved-"+c.name+"-ping", sample, func(d dialect) hostile.Case {
			return hostile.Case{Comment: "a reserved bit in a ping",
				Steps: steps(open(), send(d.up(frame{op: d.op.ping, rsv: c.rsv, payload: []byte("evil")}), d.text("hello")), expect("hello")), Verdict: d.lawful(1002)}
		})
	}
}

// frameControls: control frames that are too long, or in pieces.
func (l *list) frameControls() {
	kinds := func(d dialect) map[string]byte {
		return map[string]byte{"ping": d.op.ping, "pong": d.op.pong, "close": d.op.close}
	}
	late := func(d dialect, codes ...int) hostile.Verdict { // the rule stands in hybi-07 and later
		if d.op == laterOps {
			return failed(codes...)
		}
		return outcomes(hostile.Failed, hostile.Served)
	}
	for _, kind := range []string{"ping", "pong", "close"} {
		l.each("frame/control-126-"+kind, but(hybis, "hybi-04", "hybi-05"), func(d dialect) hostile.Case {
			return hostile.Case{Comment: "a " + kind + " of 126 bytes (RFC 6455 5.5: 125)",
				Steps:   steps(open(), send(d.up(frame{op: kinds(d)[kind], payload: append([]byte{0x03, 0xE8}, bytes.Repeat([]byte("a"), 124)...)})), hold(1*sec)),
				Verdict: late(d, 1002, 1009), Budget: hostile.Budget{Time: 3 * sec}}
		})
		l.each("frame/control-64kib-"+kind, sample, func(d dialect) hostile.Case {
			return hostile.Case{Comment: "a " + kind + " that says 65535 bytes, and none of them",
				Steps: steps(open(), send(d.up(frame{op: kinds(d)[kind], says: 0xFFFF})), hold(1*sec)), Verdict: late(d, 1002, 1009), Budget: hostile.Budget{Time: 3 * sec}}
		})
		l.each("frame/control-2-63-"+kind, hybis, func(d dialect) hostile.Case {
			return hostile.Case{Holes: []string{"CVE-2020-13935"}, Comment: "a " + kind + " of 2^63 bytes",
				Steps: steps(open(), send(d.up(frame{op: kinds(d)[kind], says: 1 << 63, width: 64})), hold(5*sec)), Verdict: failed(1002, 1009)}
		})
		l.each("frame/control-fragmented-"+kind, hybis, func(d dialect) hostile.Case {
			return hostile.Case{Comment: "a " + kind + " that is not the last frame of its kind",
				Steps:   steps(open(), send(d.up(frame{op: kinds(d)[kind], open: true, payload: []byte{0x03, 0xE8}}, frame{payload: []byte("evil")})), hold(5*sec)),
				Verdict: never(failed(1002), "evil")}
		})
		l.each("frame/control-unfinished-"+kind, clearHead, func(d dialect) hostile.Case {
			return hostile.Case{Comment: "half of a " + kind + ", and no more",
				Steps: steps(open(), send(d.up(frame{op: kinds(d)[kind], says: 100, payload: bytes.Repeat([]byte("a"), 50)})), hold(ms*300)), Verdict: whatever()}
		})
	}
}

// frameOrder: fragments that belong to nothing.
func (l *list) frameOrder() {
	text, more := []byte("evil"), []byte("more")
	for _, c := range []struct {
		name, comment string
		frames        func(o opcodes) []frame
	}{
		{"continuation-alone", "a continuation of nothing", func(opcodes) []frame { return []frame{{payload: text}} }},
		{"continuation-alone-open", "a continuation of nothing, and it is not the last", func(opcodes) []frame { return []frame{{open: true, payload: text}} }},
		{"continuation-alone-empty", "an empty continuation of nothing", func(opcodes) []frame { return []frame{{}} }},
		{"continuation-behind", "a continuation behind a message that was whole", func(o opcodes) []frame { return []frame{{op: o.text, payload: more}, {payload: text}} }},
		{"continuation-behind-ping", "a continuation behind a ping", func(o opcodes) []frame { return []frame{{op: o.ping, payload: more}, {payload: text}} }},
		{"message-inside", "a message within one that has not ended", func(o opcodes) []frame {
			return []frame{{op: o.text, open: true, payload: more}, {op: o.text, payload: text}}
		}},
		{"binary-inside", "a binary message within a text that has not ended", func(o opcodes) []frame {
			return []frame{{op: o.text, open: true, payload: more}, {op: o.binary, payload: text}}
		}},
		{"begun-twice", "a message that begins twice", func(o opcodes) []frame {
			return []frame{{op: o.text, open: true}, {op: o.text, open: true, payload: text}, {payload: more}}
		}},
	} {
		l.each("frame/order-"+c.name, hybis, func(d dialect) hostile.Case {
			return hostile.Case{Comment: c.comment, Steps: steps(open(), send(d.up(c.frames(d.op)...), d.text("hello")), expect("hello")), Verdict: never(failed(1002), "evil")}
		})
	}
	l.each("frame/order-empty-fragments", hybis, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a message of empty fragments, with a ping between two, which is right",
			Steps: steps(open(), send(d.up(frame{op: d.op.text, open: true}, frame{open: true}, frame{op: d.op.ping}, frame{open: true}, frame{payload: []byte("hello")})), expect("hello")), Verdict: served()}
	})
}

// frameMasks: frames that are masked where they must not be, or not where they must.
func (l *list) frameMasks() {
	l.each("frame/mask-none", func(d dialect) bool { return d.op == laterOps }, func(d dialect) hostile.Case {
		v := failed(1002)
		if d.version == "7" {
			v = overlooked(1002)
		}
		return hostile.Case{Comment: "a client's frame that is not masked (RFC 6455 5.1)",
			Steps: steps(open(), send(d.up(frame{op: d.op.text, turned: true, payload: []byte("evil")}), d.text("hello")), expect("hello")), Verdict: v}
	})
	l.each("frame/mask-none-ping", finished, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a ping that is not masked", Steps: steps(open(), send(d.up(frame{op: d.op.ping, turned: true, payload: []byte("evil")})), hold(5*sec)),
			Verdict: failed(1002)}
	})
	l.each("frame/mask-none-huge", finished, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a frame of 2^40 bytes that is not masked", Steps: steps(open(), send(d.up(frame{op: d.op.binary, turned: true, says: 1 << 40})), hold(5*sec)),
			Verdict: failed(1002, 1009)}
	})
	l.each("frame/mask-zeros", func(d dialect) bool { return d.masking >= maskFrame }, func(d dialect) hostile.Case {
		return hostile.Case{Holes: []string{"CVE-2025-10148"}, Comment: "a mask of zeros, which is one, however little it hides",
			Steps: steps(open(), send(d.up(frame{op: d.op.text, mask: make([]byte, 4), payload: []byte("hello")})), expect("hello")), Verdict: served()}
	})
	l.each("frame/mask-ones", func(d dialect) bool { return d.masking >= maskFrame }, func(d dialect) hostile.Case {
		return hostile.Case{Comment: "a mask of ones", Steps: steps(open(), send(d.up(frame{op: d.op.text, mask: bytes.Repeat([]byte{0xFF}, 4), payload: []byte("hello")})), expect("hello")),
			Verdict: served()}
	})
}
