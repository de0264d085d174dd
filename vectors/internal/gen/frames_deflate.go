package gen

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// squeezed is one side that reads frames with compressed payload.
type squeezed struct {
	side
	doc      string
	agreed   string // what was agreed on, both windows being kept
	noWindow string // the same, the peer's window not being kept
	perFrame bool
}

// squeezers returns both sides.
func squeezers(prefix, doc, agreed string, perFrame bool, noWindow [2]string) []squeezed {
	h := hybi{dialect: dialect{op: laterOps}, version: wire.RFC6455, prefix: prefix, doc: "RFC 6455", frames: "5"}
	var out []squeezed
	for _, role := range []wire.Role{wire.Server, wire.Client} {
		s := squeezed{side{h, role, nil}, doc, agreed, noWindow[role], perFrame}
		if role == wire.Server {
			s.mask = sampleMask
		}
		out = append(out, s)
	}
	return out
}

// z is a frame of the peer with RSV1.
func (s squeezed) z(fin bool, opcode byte, payload []byte) []byte {
	return s.frame(fin, 4, opcode, s.mask, payload)
}

// text and binary are whole messages, compressed.
func (s squeezed) text(payload []byte) []byte   { return s.z(true, s.op.text, payload) }
func (s squeezed) binary(payload []byte) []byte { return s.z(true, s.op.binary, payload) }

// more is a later frame of a compressed message.
func (s squeezed) more(fin bool, payload []byte) []byte {
	if s.perFrame {
		return s.z(fin, s.op.continuation, payload)
	}
	return s.frame(fin, 0, s.op.continuation, s.mask, payload)
}

// row is a vector of what was agreed on with both windows kept.
func (s squeezed) row(name, number, comment string, in []byte, ev []vectors.Event, fault wire.Fault) vectors.Vector {
	section := number
	switch {
	case strings.HasPrefix(number, "RFC "):
	case s.perFrame: // the text had chapters of its own
		section = s.doc
	default:
		section = s.doc + " " + number
	}
	v := read{s.id(name), section, comment, in, ev, fault}.vector(s.role)
	v.Extension = s.agreed
	return v
}

// agreeing changes what was agreed on.
func agreeing(extension string, v vectors.Vector) vectors.Vector { v.Extension = extension; return v }

// patterned: so many bytes of a pattern.
func patterned(op wire.Op, n int64, pattern string) []vectors.Event {
	e := sized(op, n)
	e[0].Pattern = vectors.Hex(pattern)
	return e
}

// Hello in one block, and again from the window.
var (
	hello      = unhex("f248cdc9c90700")
	helloAgain = unhex("f200110000")
)

// count is 251 bytes, all different.
var count = func() string {
	var b strings.Builder
	for i := range 251 {
		b.WriteByte(byte(i))
	}
	return b.String()
}()

// blocks: every form of compressed data, in messages of one frame, where the
// two extensions do not differ.
func (s squeezed) blocks() []vectors.Vector {
	mixed := new(bits).fixed().text("Hel").end().stored("lo ").stored("").fixed().text("World").end().flush()
	finals := new(bits).last().text("Hel").end().align().last().text("lo").end().align().flush()
	return []vectors.Vector{
		s.row("text", "7.2.3.1", "one fixed block", s.text(hello), texts("Hello"), ""),
		s.row("again", "7.2.3.2", "the second message repeats the first from the window", cat(s.text(hello), s.text(helloAgain)), texts("Hello", "Hello"), ""),
		s.row("stored", "7.2.3.3", "a stored block", s.text(unhex("000500faff48656c6c6f00")), texts("Hello"), ""),
		s.row("final", "7.2.3.4", "a block that is marked as the last", s.text(unhex("f348cdc9c9070000")), texts("Hello"), ""),
		s.row("two-blocks", "7.2.3.5", "two blocks and a flush between them", s.text(unhex("f248050000 00ffffcac9c90700")), texts("Hello"), ""),
		s.row("empty", "7.2.3.6", "an empty message is one byte", s.text([]byte{0}), texts(""), ""),
		s.row("dynamic", "7.2.1", "a block with codes of its own", s.text(unhex(squaresPacked)), texts(squares), ""),
		s.row("mixed-blocks", "7.2.1", "fixed, stored, empty and fixed blocks in one message", s.text(mixed), texts("Hello World"), ""),
		s.row("two-finals", "7.2.3.4", "two blocks that are marked as the last, each from a byte on", s.text(finals), texts("Hello"), ""),
		s.row("final-then-more", "7.2.3.4", "a block that is marked as the last, and one more",
			s.text(new(bits).last().text("Hel").end().align().fixed().text("lo").end().flush()), texts("Hello"), ""),
		s.row("flushes", "7.2.1", "many flushes in one message, empty ones too",
			s.text(new(bits).stored("").fixed().text("H").end().stored("").stored("").fixed().text("ello").end().stored("").flush()), texts("Hello"), ""),
		s.row("binary-any", "7.2.1", "binary takes every byte, in codes of eight and nine bits", s.binary(packed(count)), binaries(count), ""),
		s.row("length-126", "6.2", "compressed data of more than 125 bytes", s.binary(new(bits).stored(string(lots(300))).flush()), binaries(string(lots(300))), ""),
		s.row("small-large", "6.2", "300 bytes of one byte in a few", s.binary(filled(300, "a")), binaries(string(lots(300))), ""),
	}
}

// windows: what is repeated from where.
func (s squeezed) windows() []vectors.Vector {
	big, step := int64(100000), 130*len(count)
	far := new(bits).fixed().text(count).again(40000-len(count), len(count)).again(60000, step).end().flush()
	l := list{
		s.row("message-32k", "7.2.1", "a message longer than the window", s.binary(filled(int(big), count)), patterned(wire.OpBinary, big, count), ""),
		s.row("message-32k-far", "7.2.1", "a long message that repeats itself from nearly 32 KiB before", s.binary(far), patterned(wire.OpBinary, big, count), ""),
		s.row("distance-32768", "7.2.3.2", "the longest distance, over messages",
			cat(s.text(packed("Z")), s.binary(filled(32767, "a")), s.text(copied(5, 32768))),
			then(texts("Z"), patterned(wire.OpBinary, 32767, "a"), texts("Zaaaa")), ""),
		s.row("window-moves", "7.2.3.2", "the window holds the last 32 KiB of several messages",
			cat(s.binary(filled(30000, "x")), s.binary(filled(30000, "y")), s.text(copied(4, 30001)), s.text(copied(4, 30005))),
			then(patterned(wire.OpBinary, 30000, "x"), patterned(wire.OpBinary, 30000, "y"), texts("xyyy", "xyyy")), ""),
		s.row("window-small", "7.2.3.2", "small messages behind a long one fill the window too",
			cat(s.binary(filled(32768, "x")), s.text(packed("abc")), s.text(packed("def")), s.text(copied(6, 6)), s.text(copied(3, 12))),
			then(patterned(wire.OpBinary, 32768, "x"), texts("abc", "def", "abcdef", "abc")), ""),
		s.row("plain-between", "6", "a message that is not compressed does not enter the window",
			cat(s.text(hello), s.f(true, s.op.text, "World"), s.text(helloAgain)), texts("Hello", "World", "Hello"), ""),
		s.row("plain", "6", "a message that is not compressed", s.f(true, s.op.text, "Hello"), texts("Hello"), ""),
		s.row("empty-between", "7.2.3.6", "an empty message leaves the window as it is",
			cat(s.text(hello), s.text([]byte{0}), s.text(helloAgain)), texts("Hello", "", "Hello"), ""),
		s.row("plain-empty-between", "6", "an empty message that is not compressed leaves the window as it is",
			cat(s.text(hello), s.f(true, s.op.text, ""), s.text(helloAgain)), texts("Hello", "", "Hello"), ""),
		s.row("control-between", "6.1", "a ping does not enter the window",
			cat(s.text(hello), s.f(true, s.op.ping, "World"), s.text(helloAgain)), then(texts("Hello"), pings("World"), texts("Hello")), ""),
		choice(s.row("final-again", "7.2.3.4", "a message repeats one whose block is marked as the last; a reader for which that ends the window may refuse it",
			cat(s.text(unhex("f348cdc9c9070000")), s.text(helloAgain)), texts("Hello", "Hello"), "")),
		s.row("distance-too-far", "7.2.2", "a distance of six behind five bytes",
			cat(s.text(hello), s.text(copied(3, 6))), texts("Hello"), wire.FaultDeflate),
		s.row("distance-nothing", "7.2.2", "a distance in the first message, behind nothing", s.text(copied(3, 1)), nil, wire.FaultDeflate),
		agreeing(s.noWindow, s.row("no-takeover", "7.1.1", "each message for itself", cat(s.text(hello), s.text(hello)), texts("Hello", "Hello"), "")),
		agreeing(s.noWindow, s.row("no-takeover-mixed", "7.1.1", "each message for itself, empty and plain ones between them",
			cat(s.text(filled(300, "a")), s.text([]byte{0}), s.f(true, s.op.text, "a"), s.text(hello)), texts(string(lots(300)), "", "a", "Hello"), "")),
	}
	if s.noWindow != s.agreed {
		l.add(agreeing(s.noWindow, choice(s.row("no-takeover-again", "7.1.1",
			"a message repeats the one before though its sender must not; a reader that keeps the window may take it",
			cat(s.text(hello), s.text(helloAgain)), texts("Hello"), wire.FaultDeflate))))
	}
	zeros := "\x00\xFF\xFF\x00\x00" // a stored block of 65535; the last zero is the flush's
	v := s.row("stored-65535", "7.2.1", "the longest stored block there is", cat(s.head(true, 4, s.op.binary, s.mask, 65541, 8), masked(s.mask, []byte(zeros))),
		sized(wire.OpBinary, 65535), "")
	var turned []byte
	if s.mask != nil {
		turned = cat(s.mask[1:], s.mask[:1])
	}
	v.Repeat = &vectors.Repeat{Byte: vectors.Hex{0}, Count: 65536, Mask: turned}
	l.add(v)
	return l
}

// corrupt: what does not expand.
func (s squeezed) corrupt() []vectors.Vector {
	var l list
	for _, c := range []struct {
		name, comment string
		data          []byte
	}{
		{"block-type", "a block of the reserved type", []byte{0x06, 0x00}},
		{"block-type-later", "a block of the reserved type behind a good one", append(new(bits).stored("Hello").out, 0x06, 0x00)},
		{"stored-check", "a stored block whose length and its complement differ", unhex("000500fbff48656c6c6f00")},
		{"stored-short", "a stored block that lacks two bytes takes them from the flush", unhex("000400fbff4865")},
		{"symbol-286", "a length that no code has", new(bits).fixed().text("a").symbol(286).end().flush()},
		{"distance-30", "a distance that no code has", func() []byte {
			b := new(bits).fixed().text("a").symbol(257)
			b.code(30, 5)
			return b.end().flush()
		}()},
		{"dynamic-codes", "codes of a block's own that are too many for their lengths", unhex("04 00 fe ff 00")},
	} {
		l.add(s.row("corrupt-"+c.name, "7.2.2", c.comment, s.text(c.data), nil, wire.FaultDeflate))
	}
	bad := s.text([]byte{0x06, 0x00})
	l.add(
		s.row("corrupt-second", "7.2.2", "what came before corrupt data counts", cat(s.text(hello), bad), texts("Hello"), wire.FaultDeflate),
		s.row("corrupt-then-more", "7.2.2", "behind corrupt data nothing counts", cat(bad, s.f(true, s.op.text, "Hello")), nil, wire.FaultDeflate),
		choice(s.row("corrupt-stored-long", "7.2.2", "a stored block that is much longer than the message; zlib waits for the rest, so many take what there is",
			s.binary(unhex("0064009bff4865")), nil, wire.FaultDeflate)),
		choice(s.row("corrupt-nothing", "7.2.3.6", "compressed data of no bytes, which no compressor makes; zlib asks for more of it, so many take it for an empty message",
			s.text(nil), nil, wire.FaultDeflate)),
	)
	return l
}

// reserved: bits where nobody gave them a meaning.
func (s squeezed) reserved() []vectors.Vector {
	var l list
	for _, c := range []struct {
		name    string
		rsv     byte
		comment string
	}{
		{"rsv2", 2, "RSV2 means nothing"},
		{"rsv3", 1, "RSV3 means nothing"},
		{"rsv1-rsv2", 6, "RSV2 means nothing beside RSV1 either"},
		{"rsv1-rsv3", 5, "RSV3 means nothing beside RSV1 either"},
	} {
		l.add(s.row(c.name, "6", c.comment, s.frame(true, c.rsv, s.op.text, s.mask, hello), nil, wire.FaultRSV))
	}
	for _, c := range []struct {
		name   string
		opcode byte
		body   []byte
	}{{"close", s.op.close, closeBody(1000, "")}, {"ping", s.op.ping, nil}, {"pong", s.op.pong, hello}} {
		l.add(s.row("rsv1-"+c.name, "6.1", "a "+c.name+" is never compressed", s.z(true, c.opcode, c.body), nil, wire.FaultRSV))
	}
	l.add(
		s.row("rsv1-opcode", "RFC 6455 5.2", "RSV1 does not make a reserved opcode legal", s.f(true, 3, ""), nil, wire.FaultOpcode),
		s.row("rsv1-orphan", "RFC 6455 5.4", "a continuation of nothing", s.f(true, s.op.continuation, "x"), nil, wire.FaultOrphan),
		s.row("rsv1-interleaved", "RFC 6455 5.4", "a compressed message begins inside a compressed message",
			cat(s.z(false, s.op.text, packed("Hel")), s.text(hello)), nil, wire.FaultInterleaved),
		s.row("close", "6.1", "a close behind a compressed message", cat(s.text(hello), s.f(true, s.op.close, string(closeBody(1000, "bye")))),
			then(texts("Hello"), closes(1000, "bye")), ""),
	)
	return l
}

// limits: a limit is on what a message expands to.
func (s squeezed) limits() []vectors.Vector {
	const section = "8"
	bomb := filled(1<<16, "\x00")
	rows := []vectors.Vector{
		limited(5, s.row("limit-met", section, "a message that expands to the limit", s.text(hello), texts("Hello"), "")),
		limited(4, s.row("limit", section, "a message that expands to more than the limit", s.text(hello), nil, wire.FaultTooBig)),
		limited(5, s.row("limit-stored", section, "the limit does not count what is compressed: eleven bytes for five", s.text(unhex("000500faff48656c6c6f00")), texts("Hello"), "")),
		limited(5, s.row("limit-each", section, "each message has the limit to itself", cat(s.text(hello), s.text(helloAgain)), texts("Hello", "Hello"), "")),
		limited(5, s.row("limit-plain", section, "a message that is not compressed has the same limit", s.f(true, s.op.text, "Hello!"), nil, wire.FaultTooBig)),
		limited(1024, s.row("bomb", section, fmt.Sprintf("%d bytes expand to 65536", len(bomb)), s.binary(bomb), nil, wire.FaultTooBig)),
		limited(60000, s.row("bomb-late", section, "the limit is met in the middle of a long message", s.binary(bomb), nil, wire.FaultTooBig)),
		limited(65536, s.row("limit-65536", section, "a long message that expands to the limit", s.binary(bomb), patterned(wire.OpBinary, 65536, "\x00"), "")),
		limited(5, s.row("limit-corrupt", section, "above the limit, corrupt data is not looked at", s.text(append(new(bits).fixed().text("Hello!").end().stored("").out, 0x06, 0x00)), nil, wire.FaultTooBig)),
	}
	last := len(rows) - 1
	rows[last] = choice(rows[last])
	rows[last].Comment += "; a reader that expands first and counts later finds it corrupt"
	return rows
}

// unicode: text is judged when it is expanded.
func (s squeezed) unicode() []vectors.Vector {
	word := "\u6f22\u5b57"
	return []vectors.Vector{
		checked(s.row("utf8", "6.2", "text is UTF-8 once it is expanded", s.text(packed(word)), texts(word), "")),
		s.row("utf8-bad", "6.2", "text that is not UTF-8 once it is expanded", s.text(packed("a\xFFb")), nil, wire.FaultText),
		s.row("utf8-cut", "6.2", "text that ends inside a character", s.text(packed("a\xE6\xBC")), nil, wire.FaultText),
		s.row("utf8-surrogate", "6.2", "a surrogate half in a stored block", s.text(new(bits).stored("\xED\xA0\x80").flush()), nil, wire.FaultText),
		checked(s.row("utf8-blocks", "6.2", "a character begins in one block and ends in another",
			s.text(new(bits).fixed().text(word[:2]).end().stored(word[2:]).flush()), texts(word), "")),
		s.row("utf8-second", "6.2", "the second message is bad, and its bad part comes from the window",
			cat(s.binary(packed("\xFFabc")), s.text(copied(4, 4))), binaries("\xFFabc"), wire.FaultText),
		s.row("binary-not-text", "6.2", "binary need not be UTF-8", s.binary(packed("a\xFFb")), binaries("a\xFFb"), ""),
	}
}

// unended: input that stops early is no error.
func (s squeezed) unended() []vectors.Vector {
	whole := s.text(hello)
	out := []vectors.Vector{
		s.row("cut-payload", "6.2", "a compressed frame without its last byte", whole[:len(whole)-1], nil, ""),
		s.row("cut-message", "6.2", "a compressed message without its last frame", s.z(false, s.op.text, packed("Hel")), nil, ""),
		s.row("cut-second", "6.2", "a whole message and a part of another", cat(whole, whole[:4]), texts("Hello"), ""),
	}
	for i := range out {
		out[i] = unfinished(out[i])
	}
	return out
}

// forClient are the rows that a client has too, of those that a server has: it
// reads as a server does, but for masks.
func (s squeezed) forClient(vs []vectors.Vector, names ...string) []vectors.Vector {
	if s.role == wire.Server {
		return vs
	}
	var out []vectors.Vector
	for _, v := range vs {
		for _, n := range names {
			if v.ID == s.id(n) {
				out = append(out, v)
			}
		}
	}
	if len(out) != len(names) {
		panic("gen: a name is of no row")
	}
	return out
}

// common returns the rows that both extensions have.
func (s squeezed) common() []vectors.Vector {
	var l list
	l.add(s.blocks()...)
	l.add(s.forClient(s.windows(), "message-32k-far", "distance-32768", "window-moves", "plain-between", "no-takeover", "distance-too-far", "stored-65535")...)
	l.add(s.forClient(s.corrupt(), "corrupt-block-type", "corrupt-stored-check", "corrupt-second")...)
	l.add(s.forClient(s.reserved(), "rsv2", "rsv3", "rsv1-ping", "rsv1-close", "close")...)
	l.add(s.forClient(s.limits(), "limit-met", "limit", "bomb", "limit-65536")...)
	l.add(s.forClient(s.unicode(), "utf8", "utf8-bad", "utf8-blocks")...)
	l.add(s.forClient(s.unended(), "cut-message")...)
	return l
}
