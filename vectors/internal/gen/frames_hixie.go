package gen

import (
	"fmt"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// hixie is what differs between hixie-75 and hixie-76 in the rows they have in
// common.
type hixie struct {
	version wire.Version
	prefix  string
	doc     string
	// Sections on frames and on text that is not UTF-8, server first.
	frames, text [2]string
	closes       bool // FF 00 is a close
	full         bool // every case of text that is not UTF-8
}

func (h hixie) id(role wire.Role, name string) string {
	return h.prefix + "-" + role.String() + "-" + name
}

func (h hixie) row(role wire.Role, name, comment string, in []byte, ev []vectors.Event, fault wire.Fault) read {
	return read{h.id(role, name), h.doc + " " + h.frames[role], comment, in, ev, fault}
}

// commonFrames returns the rows of both sides.
func (h hixie) commonFrames() []vectors.Vector {
	var l list
	for _, role := range []wire.Role{wire.Server, wire.Client} {
		l.add(h.messages(role)...)
		l.add(h.utf8(role)...)
		l.add(h.closing(role)...)
	}
	l.add(h.serverTypes()...)
	l.add(h.clientTypes()...)
	return l
}

// messages: text, which has the same form both ways.
func (h hixie) messages(role wire.Role) []vectors.Vector {
	row := func(name, comment string, in []byte, ev []vectors.Event) read {
		return h.row(role, name, comment, in, ev, "")
	}
	long := string(lots(126))
	l := list(rows(role,
		row("text", "one text message", hixieText("Hello"), texts("Hello")),
		row("empty", "an empty message", hixieText(""), texts("")),
		row("two", "two messages, one behind the other", cat(hixieText("Hello"), hixieText("World!")), texts("Hello", "World!")),
		row("text-126", "126 bytes: text has no length, so no border is there", hixieText(long), texts(long)),
		row("nul", "00 inside a text is a character", hixieText("a\x00b"), texts("a\x00b")),
		row("nothing", "no bytes are no error", nil, nil),
	))
	for _, r := range []read{
		row("cut-begin", "a text without its content", []byte{0x00}, nil),
		row("cut-text", "a text without its end", hixieText("Hell")[:5], partial(wire.OpText, "Hell")),
		row("cut-second", "the second text lacks its end", cat(hixieText("Hello"), []byte("\x00Wor")), then(texts("Hello"), partial(wire.OpText, "Wor"))),
	} {
		l.add(unfinished(r.vector(role)))
	}
	r := row("text-65536", "65536 bytes without an end", []byte{0x00}, nil)
	r.events = events(vectors.Event{Op: wire.OpText.String(), Size: 65536, Partial: true})
	l.add(unfinished(repeated(65536, nil, r.vector(role))))
	l.add(
		limited(5, row("limit-met", "a message as long as the limit", hixieText("12345"), texts("12345")).vector(role)),
		limited(5, h.row(role, "limit-over", "a message above the limit fails as soon as it is", hixieText("123456"), partial(wire.OpText, "12345"), wire.FaultTooBig).vector(role)),
		limited(5, row("limit-message", "each message has the limit to itself", cat(hixieText("12345"), hixieText("12345")), texts("12345", "12345")).vector(role)),
	)
	return l
}

// utf8: a client replaces; what a server does is left open by both drafts.
func (h hixie) utf8(role wire.Role) []vectors.Vector {
	var l list
	sec := h.doc + " " + h.text[role]
	cases := core
	if h.full && role == wire.Client {
		cases = with2(core, rest)
	}
	for _, c := range cases {
		if role == wire.Client {
			l.add(checked(read{h.id(role, "utf8-"+c.name), sec, c.comment + "; it is replaced", hixieText(c.text), texts(c.repaired), ""}.vector(role)))
			continue
		}
		l.add(checked(choice(read{h.id(role, "utf8-"+c.name), sec, c.comment + "; what a server does is left open, replacing and passing on are legal",
			hixieText(c.text), nil, wire.FaultText}.vector(role))))
	}
	for _, b := range borders {
		if b.name != "nul" && (h.full && role == wire.Server || b.name == "borders") {
			l.add(read{h.id(role, "utf8-"+b.name), sec, b.comment, hixieText(b.text), texts(b.text), ""}.vector(role))
		}
	}
	if role == wire.Client {
		l.add(checked(read{h.id(role, "utf8-next"), sec, "a character cut by the end of a message does not go on in the next",
			cat(hixieText("a\xE2\x82"), hixieText("(b")), texts("a\uFFFD", "(b"), ""}.vector(role)))
	}
	return l
}

// closing: FF 00 and what looks like it.
func (h hixie) closing(role wire.Role) []vectors.Vector {
	ev, what := closes(1005, ""), "closes"
	if !h.closes {
		ev, what = discards(""), "is an empty frame to skip; x/net of 2013 sends it at its close"
	}
	l := list(rows(role,
		h.row(role, "ff-00", "FF 00 "+what, []byte{0xFF, 0x00}, ev, ""),
		h.row(role, "ff-long-zero", "zero written long, FF 80 80 00, is still zero", []byte{0xFF, 0x80, 0x80, 0x00}, ev, ""),
		h.row(role, "ff-00-behind", "FF 00 behind a message", cat(hixieText("Hello"), []byte{0xFF, 0x00}), then(texts("Hello"), ev), ""),
	))
	if !h.closes {
		l.add(h.row(role, "ff-00-goes-on", "a message behind FF 00 counts", cat([]byte{0xFF, 0x00}, hixieText("ok")), then(ev, texts("ok")), "").vector(role))
	}
	l.add(unfinished(h.row(role, "cut-ff", "FF without its length", []byte{0xFF}, nil, "").vector(role)),
		unfinished(h.row(role, "cut-ff-long", "FF with a length that goes on", []byte{0xFF, 0x80}, nil, "").vector(role)))
	return l
}

// serverTypes: a server takes text and FF with length 0, and no other type.
func (h hixie) serverTypes() []vectors.Vector {
	var l list
	row := func(name, comment string, in []byte, ev []vectors.Event, f wire.Fault) {
		l.add(h.row(wire.Server, name, comment, in, ev, f).vector(wire.Server))
	}
	for _, t := range []byte{0x01, 0x7F} {
		row(fmt.Sprintf("type-%02x", t), fmt.Sprintf("type %02X ends with FF and is reserved", t), hixieMarked(t, "Hello"), nil, wire.FaultHixieType)
	}
	for _, t := range []byte{0x80, 0xFE} {
		row(fmt.Sprintf("type-%02x", t), fmt.Sprintf("type %02X has a length and is reserved", t), hixieLength(t, []byte("Hello")), nil, wire.FaultHixieType)
	}
	row("type-ff", "type FF with a length above 0 is no close", hixieLength(0xFF, []byte("Hello")), nil, wire.FaultHixieType)
	row("type-behind", "a good message is delivered before a bad type fails", cat(hixieText("ok"), hixieLength(0x80, nil)), texts("ok"), wire.FaultHixieType)
	row("type-at-once", "the type byte alone decides, its length is not waited for", []byte{0x80}, nil, wire.FaultHixieType)
	row("length-endless", "a length of FF that never ends", append([]byte{0xFF}, endless(11)...), nil, wire.FaultHixieLength)
	return l
}

// clientTypes: a client skips every reserved type.
func (h hixie) clientTypes() []vectors.Vector {
	var l list
	const c = wire.Client
	row := func(name, comment string, in []byte, ev []vectors.Event, f wire.Fault) vectors.Vector {
		return h.row(c, name, comment, in, ev, f).vector(c)
	}
	ok := hixieText("ok")
	for _, t := range []byte{0x01, 0x7F} {
		l.add(row(fmt.Sprintf("type-%02x", t), fmt.Sprintf("type %02X is skipped up to FF", t), cat(hixieMarked(t, "Hello"), ok), then(discards("Hello"), texts("ok")), ""))
	}
	for _, t := range []byte{0x80, 0xFE, 0xFF} {
		l.add(row(fmt.Sprintf("type-%02x", t), fmt.Sprintf("type %02X is skipped by its length", t), cat(hixieLength(t, []byte("Hello")), ok), then(discards("Hello"), texts("ok")), ""))
	}
	l.add(row("length-0", "a length of 0", cat(hixieLength(0x80, nil), ok), then(discards(""), texts("ok")), ""),
		row("length-ff-inside", "FF inside a payload with a length ends nothing", cat(hixieLength(0x80, []byte("a\xFFb")), ok), then(discards("a\xFFb"), texts("ok")), ""))
	for _, n := range []int{127, 128, 256, 300, 16383, 16384} {
		v := row(fmt.Sprintf("length-%d", n), fmt.Sprintf("a length of %d", n), cat([]byte{0x80}, base128(n)), sized(wire.OpDiscard, int64(n)), "")
		l.add(repeated(int64(n), nil, v))
	}
	most := append([]byte{0x80}, base128(1<<63-1)...)
	l.add(
		row("length-long", "a length written longer than needed", cat([]byte{0x80, 0x80, 0x80, 0x05}, []byte("Hello"), ok), then(discards("Hello"), texts("ok")), ""),
		unfinished(row("cut-length", "a length that goes on", []byte{0x80, 0x82}, nil, "")),
		unfinished(row("cut-discard", "a payload without its end", hixieLength(0x80, []byte("Hello"))[:4], partial(wire.OpDiscard, "He"), "")),
		unfinished(row("length-most", "nine groups of seven bits, the longest length there is", most, nil, "")),
		row("length-endless", "a length of ten groups", append([]byte{0x80}, endless(10)...), nil, wire.FaultHixieLength),
		limited(5, row("limit-length", "a length above the limit", cat([]byte{0x80}, base128(6), []byte("123456")), nil, wire.FaultHixieLength)),
	)
	return l
}

// endless returns a length of n groups, all of them full.
func endless(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = 0xFF
	}
	out[n-1] = 0x7F
	return out
}
