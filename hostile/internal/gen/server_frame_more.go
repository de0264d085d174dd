package gen

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// frameHixie: the frames of hixie-75 and hixie-76, whose lengths have no end of their
// own (hixie-76 5.3).
func (l *list) frameHixie() {
	for _, c := range []struct {
		name, comment string
		parts         []any
		verdict       hostile.Verdict
	}{
		{"length-zeros-endless", "a length of 0 in 8 MiB of bytes", []any{[]byte{0x80}, over(8*mib, []byte{0x80})}, outcomes(hostile.Failed, hostile.Served)},
		{"length-ones-endless", "a length of more than 2^64 in 8 MiB of bytes", []any{[]byte{0x80}, over(8*mib, []byte{0xFF})}, failed()},
		{"length-2-63-less-1", "2^63 - 1 bytes", []any{hixieLength(0x80, math.MaxInt64, 0), []byte("evil")}, failed()},
		{"length-2-63", "2^63 bytes", []any{hixieLength(0x80, 1<<63, 0), []byte("evil")}, failed()},
		{"length-2-64-less-1", "2^64 - 1 bytes", []any{hixieLength(0x80, math.MaxUint64, 0), []byte("evil")}, failed()},
		{"length-wrap-64", "2^64 + 4 bytes, which 64 bits make 4", []any{[]byte{0x80, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x04}, []byte("evil")}, failed()},
		{"length-wrap-32", "2^32 + 4 bytes, which 32 bits make 4", []any{hixieLength(0x80, 1<<32+4, 0), []byte("evil")}, failed()},
		{"length-zero-long", "a length of 0 in ten bytes", []any{hixieLength(0x80, 0, 9), hixieText("hello")}, outcomes(hostile.Failed, hostile.Served)},
		{"length-empty", "an empty frame with a length", []any{hixieLength(0x80, 0, 0), hixieText("hello")}, outcomes(hostile.Failed, hostile.Served)},
		{"length-binary", "a frame with a length, of which no version says what is in it", []any{hixieLength(0x80, 4, 0), []byte("evil"), hixieText("hello")}, outcomes(hostile.Failed, hostile.Served)},
		{"length-type-fe", "type FE", []any{hixieLength(0xFE, 4, 0), []byte("evil"), hixieText("hello")}, outcomes(hostile.Failed, hostile.Served)},
		{"length-closing", "a closing frame with a payload", []any{hixieLength(0xFF, 4, 0), []byte("evil"), hixieText("hello")}, outcomes(hostile.Failed, hostile.Served)},
		{"length-closing-zeros", "a closing frame whose length is 0 in three bytes", []any{hixieLength(0xFF, 0, 2), hixieText("hello")}, outcomes(hostile.Failed, hostile.Served)},
		{"type-01", "type 01, which is reserved", []any{hixieMarked(0x01, "evil"), hixieText("hello")}, outcomes(hostile.Failed, hostile.Served)},
		{"type-7f", "type 7F, which is reserved", []any{hixieMarked(0x7F, "evil"), hixieText("hello")}, outcomes(hostile.Failed, hostile.Served)},
		{"type-01-endless", "a frame of a reserved type, 64 MiB of it and no end", []any{[]byte{0x01}, over(64*mib, "a")}, outcomes(hostile.Failed, hostile.Served)},
		{"text-00-inside", "bytes 00 within a text, which are text", []any{hixieText("\x00\x00"), hixieText("hello")}, served()},
		{"text-ff-only", "bytes FF outside of frames: closing frames with lengths of 255 and more", []any{bytes.Repeat([]byte{0xFF}, 64)}, whatever()},
	} {
		l.each("frame/hixie-"+c.name, hixies, func(d dialect) hostile.Case {
			s := steps(open(), send(c.parts...))
			if bytes.Contains(raw1(c.parts), []byte("hello")) {
				s = append(s, expect("hello"))
			} else {
				s = append(s, hold(1*sec))
			}
			var holes []string
			if strings.HasPrefix(c.name, "length-") {
				holes = []string{"CVE-2026-27889"}
			}
			return hostile.Case{Holes: holes, Comment: c.comment, Steps: s, Verdict: never(c.verdict, "evil"), Budget: hostile.Budget{CPU: 2 * sec}}
		})
	}
}

// raw1 is the last part, if it is bytes.
func raw1(parts []any) []byte { b, _ := parts[len(parts)-1].([]byte); return b }

// huge is what a message may cost a server whose limit is high: no default should be
// above 100 MiB, and twice that for copies.
var huge = hostile.Budget{Memory: 256 * mib, CPU: 4 * sec, Time: 15 * sec}

// frameLimits: messages that do not end.
func (l *list) frameLimits() {
	holes := []string{"CVE-2018-21035", "CVE-2016-10542", "CVE-2016-10544", "CVE-2025-32049", "CVE-2026-15565"}
	l.each("frame/limit-one-frame", hybis, func(d dialect) hostile.Case {
		return hostile.Case{Holes: holes, Comment: "a message of 512 MiB in one frame: no default allows that",
			Steps: steps(open(), within(8*sec, send(d.up(frame{op: d.op.binary, payload: make([]byte, 64), times: 8 * mib, mask: make([]byte, 4)}))), hold(5*sec)), Verdict: failed(1009), Budget: huge}
	})
	l.each("frame/limit-announced", hybis, func(d dialect) hostile.Case {
		return hostile.Case{Holes: holes, Comment: "512 MiB said, and 100 bytes sent: nothing to wait for",
			Steps:   steps(open(), send(d.up(frame{op: d.op.binary, says: 512 * mib, payload: bytes.Repeat([]byte("a"), 100)})), hold(5*sec)),
			Verdict: failed(1009)}
	})
	l.each("frame/limit-fragments", hybis, func(d dialect) hostile.Case {
		piece := d.up(frame{open: true, payload: make([]byte, 64), times: kib, mask: make([]byte, 4)})
		return hostile.Case{Holes: append([]string{"GHSA-pf94-94m9-536p"}, holes...), Comment: "a message of 512 MiB in fragments of 64 KiB, each of which is within any limit",
			Steps:   steps(open(), send(d.up(frame{op: d.op.binary, open: true, payload: []byte("a")})), within(8*sec, times(8*kib, piece)), hold(5*sec)),
			Verdict: failed(1009), Budget: huge}
	})
	l.each("frame/limit-text", hixies, func(d dialect) hostile.Case {
		return hostile.Case{Holes: holes, Comment: "a text of 512 MiB that has not ended",
			Steps: steps(open(), within(8*sec, send([]byte{0x00}, over(4*mib, strings128))), hold(5*sec)), Verdict: failed(), Budget: huge}
	})
	l.each("frame/announced-and-silent", hybis, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 200, Holes: []string{"CVE-2026-15565"}, Comment: "200 clients say 1000000 bytes and send none: room is made for what comes, not for what is said",
			Steps:   steps(open(), send(d.up(frame{op: d.op.binary, says: 1000000, width: 64})), hold(ms*700)),
			Verdict: whatever(), Budget: hostile.Budget{Memory: 64 * mib, CPU: 2 * sec}}
	})
	l.each("frame/unfinished", hybis, func(d dialect) hostile.Case {
		return hostile.Case{Clients: 20, Comment: "20 clients send 900000 of 1000000 bytes",
			Steps:   steps(open(), send(d.up(frame{op: d.op.binary, says: 1000000, width: 64, payload: make([]byte, 100), times: 9000, mask: make([]byte, 4)})), hold(ms*700)),
			Verdict: whatever(), Budget: hostile.Budget{Memory: 96 * mib, CPU: 2 * sec}}
	})
}

// strings128 is a piece of text.
const strings128 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// frameGarbage: bytes without a meaning, from a generator that is the same everywhere.
func (l *list) frameGarbage() {
	for seed := range uint32(2) {
		l.each(fmt.Sprintf("frame/garbage-%d", seed), everyVersion, func(dialect) hostile.Case {
			return hostile.Case{Comment: "bytes without a meaning, 256 KiB of them", Steps: steps(open(), send(over(kib, noise(seed, 256))), hold(ms*300)), Verdict: whatever()}
		})
	}
	l.each("frame/garbage-zeros", named("hixie-76", "hybi-02", "hybi-05", "rfc6455"), func(dialect) hostile.Case {
		return hostile.Case{Comment: "bytes 00, 1 MiB of them", Steps: steps(open(), send(over(mib/64, make([]byte, 64))), hold(ms*300)), Verdict: whatever(), Budget: hostile.Budget{CPU: 2 * sec}}
	})
	l.each("frame/garbage-ones", named("hixie-76", "hybi-02", "hybi-05", "rfc6455"), func(dialect) hostile.Case {
		return hostile.Case{Comment: "bytes FF, 1 MiB of them", Steps: steps(open(), send(over(mib/64, bytes.Repeat([]byte{0xFF}, 64))), hold(ms*300)), Verdict: whatever()}
	})
}

// noise returns n bytes of a linear congruential generator.
func noise(seed uint32, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		seed = seed*1664525 + 1013904223
		b[i] = byte(seed >> 24)
	}
	return b
}
