package gen

import (
	"slices"

	"github.com/draftwire/draftwire/hostile"
)

// downFlood is much that costs its sender little, for the sides client and behind.
type downFlood struct {
	name    string // WHAT
	comment string
	holes   []string
	when    func(dialect) bool
	first   func(d dialect) []hostile.Part // before the others; nil: nothing
	n       int64
	unit    func(d dialect) []hostile.Part // comes n times
	unread  bool                           // worth to be tried by a server that does not read
}

// downFloods are those that a server can send.
func downFloods() []downFlood {
	return append(frameFloods(), messageFloods()...)
}

// frameFloods are those of single frames.
func frameFloods() []downFlood {
	begun := one(func(d dialect) []frame { return []frame{{op: d.op.text, open: true}} })
	fragment := func(payload string) func(d dialect) []hostile.Part {
		return one(func(dialect) []frame { return []frame{{open: true, payload: []byte(payload)}} })
	}
	ping := func(payload string) func(d dialect) []hostile.Part {
		return one(func(d dialect) []frame { return []frame{{op: d.op.ping, payload: []byte(payload)}} })
	}
	return []downFlood{
		{name: "empty-continuations", comment: "A message of 10,000,000 empty continuations, which does not end",
			holes: []string{"CVE-2026-12151"}, when: hybis, first: begun, n: 10_000_000, unit: fragment("")},
		{name: "fragments-of-1", comment: "A message of 10,000,000 fragments of a byte, which does not end",
			holes: []string{"CVE-2026-48779", "CVE-2026-62389"}, when: hybis, first: begun, n: 10_000_000, unit: fragment("x")},
		{name: "fragments-of-64kib", comment: "A message of fragments of 64 KiB, which does not end", unread: true,
			holes: []string{"GHSA-pf94-94m9-536p"}, when: hybis, first: begun, n: 4096, unit: one(func(d dialect) []frame {
				return []frame{{open: true, payload: []byte(letters(kib)), times: 64}}
			})},
		{name: "pings", comment: "3,000,000 pings of 100 bytes", unread: true, when: hybis, n: 3_000_000, unit: ping(letters(100))},
		{name: "pings-empty", comment: "5,000,000 empty pings", unread: true, when: hybis, n: 5_000_000, unit: ping("")},
		{name: "pongs", comment: "3,000,000 pongs that nobody asked for", holes: []string{"CVE-2021-3690"}, when: later, n: 3_000_000,
			unit: one(func(d dialect) []frame { return []frame{{op: d.op.pong, payload: []byte(letters(100))}} })},
		{name: "pings-in-text", comment: "A ping between two fragments, 3,000,000 times", when: hybis, first: begun, n: 3_000_000,
			unit: one(func(d dialect) []frame { return []frame{{op: d.op.ping, payload: []byte("x")}, {open: true}} })},
	}
}

// messageFloods are those of whole messages.
func messageFloods() []downFlood {
	bytes := func(parts ...any) func(dialect) []hostile.Part {
		return func(dialect) []hostile.Part { return cat(parts...) }
	}
	message := func(kibs int64) func(d dialect) []hostile.Part {
		return func(d dialect) []hostile.Part {
			if d.hixie {
				return cat("\x00", over(kibs, letters(kib)), "\u00ff")
			}
			return d.down(frame{op: d.op.text, payload: []byte(letters(kib)), times: kibs})
		}
	}
	text := func(s string) func(d dialect) []hostile.Part {
		return func(d dialect) []hostile.Part { return d.textDown(s) }
	}
	return []downFlood{
		{name: "messages", comment: "5,000,000 messages of a few bytes", unread: true, when: everyVersion, n: 5_000_000, unit: text("hello")},
		{name: "messages-empty", comment: "10,000,000 empty messages", when: everyVersion, n: 10_000_000, unit: text("")},
		{name: "messages-of-512kib", comment: "1,000 messages of 512 KiB", unread: true, when: everyVersion, n: 1000, unit: message(512)},
		{name: "message-of-1gib", comment: "A message of 1 GiB, which comes whole", holes: []string{"CVE-2016-10542"}, when: everyVersion,
			n: 1, unit: message(mib)},
		{name: "types", comment: "10,000,000 frames of a type that is skipped", when: hixies, n: 10_000_000, unit: bytes(hixieMarked(0x01, ""))},
		{name: "lengths-of-0", comment: "10,000,000 frames of the length 0", when: hixies, n: 10_000_000, unit: bytes([]byte{0x80, 0})},
		{name: "type-endless", comment: "A frame of a type that is skipped, which does not end", when: hixies,
			first: bytes("\x01"), n: mib, unit: bytes(letters(kib))},
		{name: "length-endless", comment: "A length that does not end: zeros, 256 MiB of them", when: hixies,
			n: 1, unit: bytes(sameByte(0x80, 256*mib))},
	}
}

// steps is what sends it.
func (f downFlood) steps(d dialect) []hostile.Step {
	var out []hostile.Step
	if f.first != nil {
		out = append(out, send(f.first(d)))
	}
	unit := f.unit(d)
	s := times(f.n, unit)
	if len(unit) == 1 && unit[0].Times <= 1 {
		s = send(over(f.n, unit[0]))
	}
	return append(out, within(downTime, s))
}

// downTime is how long such a flood lasts: what a sound program has not stopped by then
// is as large as it will be.
const downTime = 2 * sec

// shown is how many lines a client may print that prints each message.
const shown = 20_000_000

// clientFloods has the floods toward a client.
func clientFloods(l *list) {
	for _, f := range downFloods() {
		for _, unread := range []bool{false, true} {
			if unread && !f.unread {
				continue
			}
			name, tail := "flood/"+f.name, ", and all that comes is read."
			if unread {
				name, tail = name+"-unread", ", and nothing that comes is read."
			}
			l.each(name, f.when, func(d dialect) hostile.Case {
				c := hostile.Case{
					Comment: f.comment + tail, Holes: f.holes, Slow: true, Unread: unread,
					Steps:   slices.Concat(steps(open()), f.steps(d), steps(hold(95*sec))),
					Verdict: ended(),
					Budget:  hostile.Budget{Time: 100 * sec, CPU: 20 * sec, Memory: 64 * mib, LogLines: shown},
				}
				if unread { // a client may wait in its own write longer than for an answer
					c.Steps[len(c.Steps)-1].For = 12 * sec
					c.Verdict, c.Budget.Time = whatever(), 15*sec
				}
				return c
			})
		}
	}
}
