package gen

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// hybi is what differs between the versions from hybi-02 on in the rows they
// have in common.
type hybi struct {
	dialect
	version wire.Version
	prefix  string            // of ids
	doc     string            // name of the document
	frames  string            // chapter on frames
	moved   map[string]string // sections of that chapter, as hybi-07 has them, that stand elsewhere
	text    string            // section on text that is not UTF-8
	full    bool              // every case, else a choice of them
	minimal bool              // lengths must be as short as possible
	closes  closing           // body of a close frame
	tooBig  bool              // code 1004 means too big
	masked  bool              // a client takes masked frames
	replace bool              // a client replaces what is not UTF-8
}

// What sections are called elsewhere than in hybi-07.
var (
	moved02 = map[string]string{".4": ".3", ".5": ".4", ".6": ".5"} // no masks, so no section on them
	moved04 = map[string]string{".2": ".3", ".3": ".2"}             // masks come before frames
)

// sec returns a section of the chapter on frames, by its number in hybi-07.
func (h hybi) sec(number string) string {
	if n, ok := h.moved[number[:2]]; ok {
		number = n + number[2:]
	}
	return h.doc + " " + h.frames + number
}

// side is one side that reads, and how its peer writes.
type side struct {
	hybi
	role wire.Role
	mask []byte // of the peer's frames
}

// f is a frame of the peer.
func (s side) f(fin bool, opcode byte, payload string) []byte {
	return s.frame(fin, 0, opcode, s.mask, []byte(payload))
}

func (s side) id(name string) string { return s.prefix + "-" + s.role.String() + "-" + name }

// row makes a row of a vector, id and section in full.
func (s side) row(name, number, comment string, in []byte, ev []vectors.Event, fault wire.Fault) read {
	return read{s.id(name), s.sec(number), comment, in, ev, fault}
}

// commonFrames returns the rows of both sides.
func (h hybi) commonFrames() []vectors.Vector {
	var l list
	own := h
	own.full = false // a client reads as a server does, but for masks: a choice is enough
	for _, s := range []side{{h, wire.Server, h.clientMask()}, {own, wire.Client, nil}} {
		l.add(s.messages()...)
		l.add(s.fragments()...)
		l.add(s.controls()...)
		l.add(s.reserved()...)
		l.add(s.masks()...)
		l.add(s.closing()...)
		l.add(s.utf8()...)
		if s.role == wire.Server || s.minimal {
			l.add(s.order()...)
			l.add(s.lengths()...)
			l.add(s.prefixes()...)
			l.add(s.limits()...)
		}
	}
	return l
}

// messages: whole messages, at the borders of the length forms.
func (s side) messages() []vectors.Vector {
	var l list
	for _, n := range []int{0, 125, 126, 127} {
		if n == 127 && !s.full {
			continue
		}
		p := string(lots(n))
		l.add(s.row(fmt.Sprintf("text-%d", n), ".2", fmt.Sprintf("text of %d bytes", n), s.f(true, s.op.text, p), texts(p), "").vector(s.role))
	}
	for _, n := range []int{65535, 65536} {
		in := s.head(true, 0, s.op.binary, s.mask, uint64(n), shortest(n))
		r := s.row(fmt.Sprintf("binary-%d", n), ".2", fmt.Sprintf("binary of %d bytes", n), in, sized(wire.OpBinary, int64(n)), "")
		l.add(repeated(int64(n), s.cover(s.mask, shortest(n)), r.vector(s.role)))
	}
	two := cat(s.f(true, s.op.text, "Hello"), s.f(true, s.op.text, "World"))
	return append(l, rows(s.role,
		s.row("text", ".6", "one text message", s.f(true, s.op.text, "Hello"), texts("Hello"), ""),
		s.row("two", ".6", "two messages, one behind the other", two, texts("Hello", "World"), ""),
		s.row("binary-any", ".6", "binary takes every byte", s.f(true, s.op.binary, "\x00\xFF\x80\xC0"), binaries("\x00\xFF\x80\xC0"), ""),
		s.row("binary-256", ".6", "binary of 256 bytes", s.f(true, s.op.binary, string(lots(256))), binaries(string(lots(256))), ""),
		s.row("nothing", ".2", "no bytes are no error", nil, nil, ""),
	)...)
}

// fragments: messages in several frames.
func (s side) fragments() []vectors.Vector {
	first, last := s.f(false, s.op.text, "Hel"), s.f(true, s.op.continuation, "lo")
	none := s.f(false, s.op.continuation, "")
	rs := []read{
		s.row("fragments", ".4", "a message in two frames", cat(first, last), texts("Hello"), ""),
		s.row("fragments-empty-first", ".4", "the first frame is empty", cat(s.f(false, s.op.text, ""), s.f(true, s.op.continuation, "lo")), texts("lo"), ""),
		s.row("fragments-empty-last", ".4", "the last frame is empty", cat(first, s.f(true, s.op.continuation, "")), texts("Hel"), ""),
		s.row("ping-inside", ".4", "a ping between two frames of a message comes first", cat(first, s.f(true, s.op.ping, "p"), last), then(pings("p"), texts("Hello")), ""),
	}
	if s.full {
		rs = append(rs,
			s.row("fragments-empty-middle", ".4", "a frame in the middle is empty", cat(first, none, last), texts("Hello"), ""),
			s.row("fragments-all-empty", ".4", "three empty frames are one empty message", cat(s.f(false, s.op.binary, ""), none, s.f(true, s.op.continuation, "")), binaries(""), ""),
			s.row("fragments-bytes", ".4", "a frame for each byte", cat(s.f(false, s.op.binary, "a"), s.f(false, s.op.continuation, "b"), s.f(true, s.op.continuation, "c")), binaries("abc"), ""),
			s.row("two-controls-inside", ".4", "a pong and a ping inside a message", cat(first, s.f(true, s.op.pong, ""), s.f(true, s.op.ping, "q"), last), then(pongs(""), pings("q"), texts("Hello")), ""),
		)
	}
	return rows(s.role, rs...)
}

// controls: ping and pong. Close has its own rows.
func (s side) controls() []vectors.Vector {
	long, pong := string(lots(125)), "a pong that nobody asked for"
	if s.fourBits() {
		pong = "a pong; until draft 06 it must have been asked for, which the frames do not tell"
	}
	rs := []read{
		s.row("ping", ".5.2", "a ping with a body", s.f(true, s.op.ping, "Hello"), pings("Hello"), ""),
		s.row("ping-empty", ".5.2", "a ping without a body", s.f(true, s.op.ping, ""), pings(""), ""),
		s.row("pong", ".5.3", pong, s.f(true, s.op.pong, "Hello"), pongs("Hello"), ""),
		s.row("ping-125", ".5", "a ping with the longest body", s.f(true, s.op.ping, long), pings(long), ""),
		s.row("ping-126", ".5", "a ping with a body of 126 bytes", s.f(true, s.op.ping, long+"a"), nil, wire.FaultControlLong),
		s.row("ping-not-final", ".5", "a ping in two frames", s.f(false, s.op.ping, ""), nil, wire.FaultControlFrag),
	}
	if s.full {
		rs = append(rs,
			s.row("ping-bytes", ".5.2", "a ping's body is bytes, not text", s.f(true, s.op.ping, "\xFF\xFE"), pings("\xFF\xFE"), ""),
			s.row("pong-126", ".5", "a pong with a body of 126 bytes", s.f(true, s.op.pong, long+"a"), nil, wire.FaultControlLong),
			s.row("pong-not-final", ".5", "a pong in two frames", s.f(false, s.op.pong, ""), nil, wire.FaultControlFrag),
			s.row("close-not-final", ".5", "a close in two frames", s.f(false, s.op.close, ""), nil, wire.FaultControlFrag),
		)
	}
	return rows(s.role, rs...)
}

// reserved: bits and opcodes that no version has given a meaning.
func (s side) reserved() []vectors.Vector {
	var l list
	bits, codes := []int{1, 2, 3}, s.op.reserved()
	if s.role == wire.Client {
		bits, codes = bits[:1], []byte{codes[0], 0xB}
	}
	if s.fourBits() {
		bits = append(bits, 4)
	}
	number := map[int]byte{1: 4, 2: 2, 3: 1, 4: 8}
	for _, b := range bits {
		l.add(s.row(fmt.Sprintf("rsv%d", b), ".2", fmt.Sprintf("RSV%d without an extension", b),
			s.frame(true, number[b], s.op.text, s.mask, []byte("Hello")), nil, wire.FaultRSV).vector(s.role))
	}
	for _, c := range codes {
		l.add(s.row(fmt.Sprintf("opcode-%x", c), ".2", fmt.Sprintf("reserved opcode %X", c),
			s.f(true, c, ""), nil, wire.FaultOpcode).vector(s.role))
	}
	if s.role == wire.Server {
		l.add(rows(s.role,
			s.row("rsv1-ping", ".2", "RSV1 on a ping", s.frame(true, 4, s.op.ping, s.mask, nil), nil, wire.FaultRSV),
			s.row("rsv1-continuation", ".2", "RSV1 on a later frame of a message",
				cat(s.f(false, s.op.text, "Hel"), s.frame(true, 4, s.op.continuation, s.mask, []byte("lo"))), partial(wire.OpText, "Hel"), wire.FaultRSV),
		)...)
	}
	return l
}

// order: frames that do not fit the message in hand.
func (s side) order() []vectors.Vector {
	rs := []read{
		s.row("orphan", ".4", "a continuation of nothing", s.f(true, s.op.continuation, "x"), nil, wire.FaultOrphan),
		s.row("text-in-text", ".4", "a text begins inside a text", cat(s.f(false, s.op.text, "Hel"), s.f(true, s.op.text, "lo")), partial(wire.OpText, "Hel"), wire.FaultInterleaved),
	}
	if s.full {
		rs = append(rs,
			s.row("orphan-not-final", ".4", "a continuation of nothing that is to go on", s.f(false, s.op.continuation, "x"), nil, wire.FaultOrphan),
			s.row("orphan-behind", ".4", "a continuation behind a whole message", cat(s.f(true, s.op.text, "Hello"), s.f(true, s.op.continuation, "x")), texts("Hello"), wire.FaultOrphan),
			s.row("orphan-behind-ping", ".4", "a ping does not open a message", cat(s.f(true, s.op.ping, ""), s.f(true, s.op.continuation, "x")), pings(""), wire.FaultOrphan),
			s.row("binary-in-text", ".4", "a binary message begins inside a text", cat(s.f(false, s.op.text, "Hel"), s.f(true, s.op.binary, "lo")), partial(wire.OpText, "Hel"), wire.FaultInterleaved),
		)
	}
	return rows(s.role, rs...)
}

// lengths: forms of the length that are wrong or longer than needed.
func (s side) lengths() []vectors.Vector {
	msb := s.head(true, 0, s.op.binary, s.mask, 1<<63, 8)
	rs := []read{s.row("length-msb", ".2", "the top bit of a length of 64 bits is set", msb, nil, wire.FaultLengthMSB)}
	for _, c := range []struct {
		name, comment string
		length, width int
		always        bool
	}{
		{"long-16-125", "125 in 16 bits", 125, 2, true},
		{"long-64-126", "126 in 64 bits", 126, 8, true},
		{"long-16-0", "0 in 16 bits", 0, 2, false},
		{"long-64-5", "5 in 64 bits", 5, 8, false},
	} {
		if !c.always && !s.full {
			continue
		}
		p := string(lots(c.length))
		in := cat(s.head(true, 0, s.op.binary, s.mask, uint64(c.length), c.width), masked(s.cover(s.mask, c.width), []byte(p)))
		if s.minimal {
			rs = append(rs, s.row(c.name, ".2", c.comment+", longer than needed", in, nil, wire.FaultLengthLong),
				s.row(c.name+"-tolerated", ".2", c.comment+", longer than needed, and tolerated", in, binaries(p), ""))
		} else {
			rs = append(rs, s.row(c.name, ".2", c.comment+", longer than needed and still legal", in, binaries(p), ""))
		}
	}
	out := rows(s.role, rs...)
	for i := range out {
		if strings.HasSuffix(out[i].ID, "-tolerated") {
			out[i] = tolerating(out[i], wire.TolerateLongLength)
		}
	}
	return out
}

// masks: who masks and who does not.
func (s side) masks() []vectors.Vector {
	hello := []byte("Hello")
	switch {
	case s.masking == maskNone:
		return nil
	case s.hidden():
		return s.hiddenMasks()
	}
	if s.role == wire.Client {
		in := s.frame(true, 0, s.op.text, sampleMask, hello)
		v := s.row("masked", ".1", "a masked frame from a server", in, nil, wire.FaultMasked).vector(s.role)
		switch {
		case s.masked:
			v = choice(s.row("masked", ".3", "a masked frame from a server is taken, as Firefox 6 does; to refuse it is legal", in, texts("Hello"), "").vector(s.role))
		case !s.minimal:
			v = choice(v)
			v.Comment += " is refused; drafts before 15 do not demand that, so to take it is legal"
		}
		return []vectors.Vector{v}
	}
	return rows(s.role,
		s.row("unmasked", ".1", "an unmasked frame from a client", s.frame(true, 0, s.op.text, nil, hello), nil, wire.FaultUnmasked),
		s.row("unmasked-empty", ".1", "an empty frame needs its mask too", s.frame(true, 0, s.op.text, nil, nil), nil, wire.FaultUnmasked),
		s.row("unmasked-ping", ".1", "an unmasked ping from a client", s.frame(true, 0, s.op.ping, nil, nil), nil, wire.FaultUnmasked),
		s.row("unmasked-second", ".1", "the second frame lacks its mask", cat(s.f(true, s.op.text, "a"), s.frame(true, 0, s.op.text, nil, []byte("b"))), texts("a"), wire.FaultUnmasked),
		s.row("mask-zero", ".3", "a mask of zeros is a mask", s.frame(true, 0, s.op.text, make([]byte, 4), hello), texts("Hello"), ""),
		s.row("mask-each", ".3", "every frame of a message has its own mask, from its own start",
			cat(s.f(false, s.op.text, "Hel"), s.frame(true, 0, s.op.continuation, otherMask, []byte("lo World"))), texts("Hello World"), ""),
	)
}

// hiddenMasks: masks of whole frames. A server's frames have none, nor a place
// for one.
func (s side) hiddenMasks() []vectors.Vector {
	if s.role == wire.Client {
		return nil
	}
	zero := s.row("mask-zero", ".3", "a mask of zeros is a mask", s.frame(true, 0, s.op.text, make([]byte, 4), []byte("Hello")), texts("Hello"), "")
	if s.masking == maskHash {
		zero.id, zero.comment = s.id("nonce-zero"), "a nonce of zeros is a nonce, and masks as any other"
	}
	return rows(s.role, zero,
		s.row("mask-each", ".3", "every frame of a message has its own mask, from its own start",
			cat(s.f(false, s.op.text, "Hel"), s.frame(true, 0, s.op.continuation, otherMask, []byte("lo"))), texts("Hello"), ""))
}

// prefixes: input that stops early is no error.
func (s side) prefixes() []vectors.Vector {
	hello, long := s.f(true, s.op.text, "Hello"), s.f(true, s.op.binary, string(lots(256)))
	ahead := 0 // bytes in front of the head
	if s.hidden() && s.mask != nil {
		ahead = len(s.mask)
	}
	rs := []read{
		s.row("cut-first-byte", ".2", "one byte of a frame", hello[:1], nil, ""),
		s.row("cut-payload", ".2", "a frame without its last byte", hello[:len(hello)-1], partial(wire.OpText, "Hell"), ""),
		s.row("cut-message", ".4", "a message without its last frame", s.f(false, s.op.text, "Hel"), partial(wire.OpText, "Hel"), ""),
	}
	if ahead > 0 {
		rs = append(rs,
			s.row("cut-mask", ".3", "a mask without its last byte", hello[:ahead-1], nil, ""),
			s.row("cut-behind-mask", ".3", "a mask and nothing behind it", hello[:ahead], nil, ""),
			s.row("cut-in-head", ".3", "one byte of a masked head", hello[:ahead+1], nil, ""),
		)
	}
	if s.full || ahead > 0 {
		rs = append(rs,
			s.row("cut-length", ".2", "one byte of a length of two", long[:ahead+3], nil, ""),
			s.row("cut-before-payload", ".2", "a head without its payload", hello[:len(hello)-5], nil, ""),
			s.row("cut-ping", ".5.2", "a ping without its last byte is not delivered", s.f(true, s.op.ping, "Hello")[:len(hello)-1], nil, ""),
		)
	}
	out := rows(s.role, rs...)
	for i := range out {
		out[i] = unfinished(out[i])
	}
	return out
}

// limits: messages above a limit that was set.
func (s side) limits() []vectors.Vector {
	huge := s.head(true, 0, s.op.binary, s.mask, 1<<63-1, 8)
	section := s.sec(".2")
	if s.closes == closeCode {
		section = s.doc + " 7.4.1"
	}
	row := func(name, comment string, in []byte, ev []vectors.Event, f wire.Fault) read {
		return read{s.id(name), section, comment, in, ev, f}
	}
	out := rows(s.role,
		row("limit-met", "a message as long as the limit", s.f(true, s.op.binary, "12345"), binaries("12345"), ""),
		row("limit-frame", "a frame above the limit", s.f(true, s.op.binary, "123456"), nil, wire.FaultTooBig),
		row("limit-sum", "two frames that are above the limit together", cat(s.f(false, s.op.binary, "123"), s.f(true, s.op.continuation, "456")), partial(wire.OpBinary, "123"), wire.FaultTooBig),
		row("limit-head", "the longest length there is; the head is enough to refuse", huge, nil, wire.FaultTooBig),
		row("limit-message", "each message has the limit to itself", cat(s.f(true, s.op.binary, "12345"), s.f(true, s.op.binary, "12345")), then(binaries("12345"), binaries("12345")), ""),
		row("limit-ping", "a ping does not count", s.f(true, s.op.ping, "123456"), pings("123456"), ""),
	)
	for i := range out {
		out[i] = limited(5, out[i])
	}
	return out
}
