package gen

import (
	"fmt"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// closing is what the body of a close frame holds.
type closing int

const (
	closeCode    closing = iota // a code and a reason, or nothing
	closeOpaque                 // any bytes, which the answer repeats
	closeNothing                // nothing
	closeLetter                 // S from a server, C from a client
)

// bye is the body that a side closes with where nothing went wrong.
func (h hybi) bye(from wire.Role) string {
	switch h.closes {
	case closeCode:
		return string(closeBody(1000, ""))
	case closeLetter:
		return map[wire.Role]string{wire.Server: "S", wire.Client: "C"}[from]
	}
	return ""
}

// plainClosing: bodies of close frames where no code is said.
func (s side) plainClosing() []vectors.Vector {
	row := func(name, comment, body string) read {
		ev := closes(1005, "")
		if s.closes == closeOpaque {
			ev = closes(1005, body)
		}
		return s.row("close-"+name, ".5.1", comment, s.f(true, s.op.close, body), ev, "")
	}
	any := "is ignored"
	if s.closes == closeOpaque {
		any = "is data"
	}
	long := string(lots(125))
	rs := []read{
		row("empty", "a close without a body; there is no code, which is 1005", ""),
		row("1-byte", "a body of one byte "+any, "\x03"),
		row("1000", "a body that is a code in later versions "+any, string(closeBody(1000, "bye"))),
		row("bytes", "a body that is not UTF-8 "+any, "\x03\xE8\xC3("),
		row("125", "the longest body "+any, long),
		s.row("close-126", ".5", "a body of 126 bytes", s.f(true, s.op.close, long+"a"), nil, wire.FaultControlLong),
	}
	if s.closes == closeLetter {
		own, peer := s.bye(s.role), s.bye(wire.Client-s.role)
		rs = append(rs,
			row("letter", "the letter of the side that sends, "+peer, peer),
			row("letter-other", "the letter of the other side, "+own+", is ignored like any body", own))
	}
	return rows(s.role, rs...)
}

// closing: bodies of close frames.
func (s side) closing() []vectors.Vector {
	if s.closes != closeCode {
		return s.plainClosing()
	}
	in := func(code int, reason string) []byte { return s.f(true, s.op.close, string(closeBody(code, reason))) }
	row := func(name, section, comment string, in []byte, ev []vectors.Event, f wire.Fault) read {
		return read{s.id(name), section, comment, in, ev, f}
	}
	body, code := s.sec(".5.1"), s.doc+" 7.4.1"
	rs := []read{
		row("close-empty", body, "a close without a body has no code, which is 1005", s.f(true, s.op.close, ""), closes(1005, ""), ""),
		row("close-1-byte", body, "a body of one byte holds no code", s.f(true, s.op.close, "\x03"), nil, wire.FaultCloseLength),
		row("close-reason-bad", body, "the reason is not UTF-8", in(1000, "\xC3("), nil, wire.FaultCloseText),
		row("close-1001-reason", body, "a code and a reason", in(1001, "g\u00E9"), closes(1001, "g\u00E9"), ""),
	}
	if s.full {
		long := string(lots(123))
		rs = append(rs,
			row("close-reason-123", body, "the longest reason", in(1000, long), closes(1000, long), ""),
			row("close-reason-124", s.sec(".5"), "a body of 126 bytes", in(1000, long+"a"), nil, wire.FaultControlLong),
			row("close-reason-cut", body, "the reason's last character lacks a byte", in(1000, "a\xC3"), nil, wire.FaultCloseText),
		)
	}
	good, bad := s.codes()
	for _, c := range good {
		rs = append(rs, row(fmt.Sprintf("close-%d", c), code, fmt.Sprintf("code %d", c), in(c, ""), closes(wire.CloseCode(c), ""), ""))
	}
	for _, c := range bad {
		rs = append(rs, row(fmt.Sprintf("close-%d", c), code, fmt.Sprintf("code %d must not stand in a frame", c), in(c, ""), nil, wire.FaultCloseCode))
	}
	if s.tooBig {
		rs = append(rs, row("close-1004", code, "code 1004 means too big in this version, which is 1009", in(1004, ""), closes(1009, ""), ""))
	}
	return rows(s.role, rs...)
}

// codes returns codes that may and that may not stand in a frame, as far as
// this side tests them.
func (s side) codes() (good, bad []int) {
	switch {
	case s.full:
		good = []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999}
		bad = []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}
	case s.role == wire.Server:
		good, bad = []int{1000, 1003, 1007, 1009, 1011, 3000, 4999}, []int{0, 999, 1005, 1006, 1015, 2999, 5000}
	default:
		good, bad = []int{1000, 1007, 3000}, []int{1005, 2999}
	}
	return good, bad
}

// utf8: text, judged one layer above the frames.
func (s side) utf8() []vectors.Vector {
	var l list
	sec := s.doc + " " + s.text
	replaces := s.replace && s.role == wire.Client
	cases := core
	if s.full || replaces {
		cases = with2(core, rest)
	}
	if s.full || replaces {
		cases = with2(cases, []illFormed{{"lead-ff", "FF is never part of a text", "a\xFFb", "a\uFFFDb"}})
	}
	for _, c := range cases {
		r := read{s.id("utf8-" + c.name), sec, c.comment, s.f(true, s.op.text, c.text), nil, wire.FaultText}
		if replaces {
			r.comment, r.events, r.fault = c.comment+"; it is replaced", texts(c.repaired), ""
		}
		l.add(s.undefined(checked(r.vector(s.role))))
	}
	for _, b := range borders {
		if s.full {
			l.add(read{s.id("utf8-" + b.name), sec, b.comment, s.f(true, s.op.text, b.text), texts(b.text), ""}.vector(s.role))
		}
	}
	l.add(read{s.id("utf8-across"), sec, "characters cut by the borders of frames",
		cat(s.f(false, s.op.text, "\xE6\xBC"), s.f(false, s.op.continuation, "\xA2\xE5"), s.f(true, s.op.continuation, "\xAD\x97")), texts("\u6F22\u5B57"), ""}.vector(s.role))
	bad := read{s.id("utf8-across-bad"), sec, "a character that begins in one frame goes wrong in the next",
		cat(s.f(false, s.op.text, "a\xE2\x82"), s.f(true, s.op.continuation, "(")), nil, wire.FaultText}
	end := read{s.id("utf8-across-end"), sec, "a message ends, with an empty frame, inside a character",
		cat(s.f(false, s.op.text, "a\xE2\x82"), s.f(true, s.op.continuation, "")), nil, wire.FaultText}
	if replaces {
		bad.events, bad.fault = texts("a\uFFFD("), ""
		end.events, end.fault = texts("a\uFFFD"), ""
	}
	l.add(s.undefined(checked(bad.vector(s.role))), s.undefined(checked(end.vector(s.role))))
	if s.role == wire.Server {
		behind := read{s.id("utf8-behind"), sec, "a good message is delivered before a bad one fails",
			cat(s.f(true, s.op.text, "ok"), s.f(true, s.op.text, "\xFF")), texts("ok"), wire.FaultText}
		early := read{s.id("utf8-early"), sec, "the first frame cannot become text: failing at once and failing at the end of the message are both legal",
			s.f(false, s.op.text, "a\xFF"), nil, wire.FaultText}
		l.add(s.undefined(checked(behind.vector(s.role))), checked(choice(early.vector(s.role))))
	}
	return l
}

// undefined: documents before draft 10 do not say what a server does with text
// that is not UTF-8.
func (s side) undefined(v vectors.Vector) vectors.Vector {
	if s.replace && s.role == wire.Server {
		v = choice(v)
		v.Comment += "; this draft leaves open what a server does"
	}
	return v
}

// with2 joins two tables.
func with2(a, b []illFormed) []illFormed { return append(append([]illFormed(nil), a...), b...) }

// says06 is what hybi-06 and hybi-07 have for codes that came later: 1004 for
// too big, and protocol error.
var says06 = map[int]int{1007: 1002, 1008: 1002, 1009: 1004, 1010: 1002, 1011: 1002, 1012: 1002, 1013: 1002, 1014: 1002}

// say is the frame with which a side closes.
func (h hybi) say(name, section, comment string, role wire.Role, code int, reason string, body []byte) vectors.Vector {
	var mask []byte
	if role == wire.Client {
		mask = h.clientMask()
	}
	v := sent(h.prefix+"-say-"+name, section, comment, role, wire.CloseCode(code), reason, h.frame(true, 0, h.op.close, mask, body))
	v.Mask = vectors.Hex(mask)
	return v
}

// closeCodes: the frame that says a code of RFC 6455. says gives the code that
// the version has for it.
func (h hybi) closeCodes(says map[int]int) []vectors.Vector {
	var l list
	for _, c := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999} {
		to, comment := c, fmt.Sprintf("code %d goes out as it is", c)
		if n, ok := says[c]; ok && n != c {
			to, comment = n, fmt.Sprintf("code %d goes out as %d, which this version has for it", c, n)
		}
		l.add(h.say(fmt.Sprint(c), h.doc+" 7.4.1", comment, wire.Server, c, "", closeBody(to, "")))
	}
	body, long := h.sec(".5.1"), string(lots(122))
	return append(l,
		h.say("nothing", body, "1005 never goes out: the body is empty", wire.Server, 1005, "", nil),
		h.say("client", body, "a client masks its close", wire.Client, 1000, "bye", closeBody(1000, "bye")),
		h.say("reason", body, "a reason", wire.Server, 1001, "g\u00E9", closeBody(1001, "g\u00E9")),
		h.say("reason-124", body, "a reason of 124 bytes is cut to 123", wire.Server, 1000, long+"aa", closeBody(1000, long+"a")),
		h.say("reason-cut", body, "a reason is cut before a character that does not fit whole", wire.Server, 1000, long+"\u20AC", closeBody(1000, long)),
	)
}

// plainClosings: the frame that closes where no code is said.
func (h hybi) plainClosings() []vectors.Vector {
	what := "the body is empty"
	if h.closes == closeLetter {
		what = "the body is the server's letter"
	}
	var l list
	add := func(name, comment string, role wire.Role, code int, reason string) {
		l.add(h.say(name, h.sec(".5.1"), comment, role, code, reason, []byte(h.bye(role))))
	}
	for _, c := range []int{1000, 1001, 1009, 4999} {
		add(fmt.Sprint(c), fmt.Sprintf("code %d cannot be said: %s", c, what), wire.Server, c, "")
	}
	add("nothing", "no code, which is 1005: "+what, wire.Server, 1005, "")
	add("reason", "a code and its reason cannot be said: "+what, wire.Server, 1001, "going away")
	switch h.closes {
	case closeLetter:
		add("client", "a client has its own letter", wire.Client, 1000, "")
	default:
		add("client", "a client says the same", wire.Client, 1000, "")
	}
	return l
}
