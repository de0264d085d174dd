package gen

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// bombHoles are those whose limit was looked at behind the inflater, or not at all.
var bombHoles = []string{"CVE-2026-1526", "CVE-2018-1000518", "CVE-2026-27571", "CVE-2026-39804"}

// inflated are the codes with which a server may refuse what it cannot inflate.
var inflated = []int{1002, 1003, 1007, 1009, 1011}

func (l *list) serverDeflate() {
	l.deflateBombs()
	l.deflateBlocks()
	l.deflateGarbage()
	l.deflateFrames()
	l.deflateOffers()
	l.deflatePerFrame()
}

// deflate adds a case of permessage-deflate.
func (l *list) deflate(name string, c hostile.Case) {
	c.Version, c.Needs = rfc.name, append(c.Needs, "deflate")
	l.add("deflate/"+name, c)
}

// negotiated opens with compression.
func negotiated() hostile.Step { return open(offer) }

// deflateBombs: little that becomes much.
func (l *list) deflateBombs() {
	d, zero := rfc, make([]byte, 4)
	b := hostile.Budget{Memory: 256 * mib, CPU: 3 * sec, Time: 15 * sec}
	l.deflate("bomb-one-frame", hostile.Case{Holes: bombHoles, Comment: "1 MiB that becomes 1 GiB, in one frame", Budget: b,
		Steps: steps(negotiated(), send(d.bomb(mib)), hold(10*sec)), Verdict: failed(1009)})
	l.deflate("bomb-small", hostile.Case{Holes: bombHoles, Comment: "200 KiB that become 200 MiB: less than any limit of what is read", Budget: b,
		Steps: steps(negotiated(), send(d.bomb(200*kib)), hold(10*sec)), Verdict: failed(1009)})
	l.deflate("bomb-1000-fragments", hostile.Case{Holes: bombHoles, Comment: "1 MiB that becomes 1 GiB, in a thousand fragments", Budget: b,
		Steps: steps(negotiated(), send(d.up(frame{op: d.op.text, rsv: 4, open: true, payload: bombBegin})),
			times(1000, d.up(frame{open: true, payload: make([]byte, 64), times: 16, mask: zero})), send(d.up(frame{payload: bombEnd})), hold(10*sec)), Verdict: failed(1009)})
	l.deflate("bomb-unfinished", hostile.Case{Holes: bombHoles, Comment: "fragments that become 64 KiB each, and no last one", Budget: b,
		Steps: steps(negotiated(), send(d.up(frame{op: d.op.text, rsv: 4, open: true, payload: bombBegin})),
			within(5*sec, times(20000, d.up(frame{open: true, payload: make([]byte, 64), mask: zero}))), hold(10*sec)), Verdict: failed(1009)})
	l.deflate("bomb-nothing-of-it", hostile.Case{Holes: bombHoles, Comment: "a frame of 1 GiB of compressed bytes is said, and 64 KiB of them come", Budget: b,
		Steps: steps(negotiated(), send(d.up(frame{op: d.op.text, rsv: 4, says: 1 << 30, mask: zero}), bombBegin, over(kib, make([]byte, 64))), hold(10*sec)), Verdict: failed(1009)})
	l.deflate("bomb-many", hostile.Case{Holes: bombHoles, Clients: 20, Comment: "twenty bombs at a time", Slow: true,
		Steps: steps(negotiated(), send(d.bomb(200*kib)), hold(20*sec)), Verdict: failed(1009), Budget: hostile.Budget{Memory: 512 * mib, CPU: 20 * sec, Time: 30 * sec, Probe: 3 * sec}})
	l.deflate("bomb-below-limit", hostile.Case{Holes: []string{"CVE-2026-33219"}, Unread: true, Clients: 4,
		Comment: "messages of 256 KiB in 260 bytes, over and over, and no echo is read", Budget: hostile.Budget{Memory: 128 * mib, CPU: 8 * sec, Time: 15 * sec},
		Steps: steps(negotiated(), within(1500*ms, times(100000, d.bomb(192))), hold(300*ms)), Verdict: whatever()})
	l.deflate("bomb-takeover", hostile.Case{Comment: "messages of 64 KiB that refer to the one before, over and over, and no echo is read", Unread: true, Clients: 4,
		Budget: hostile.Budget{Memory: 128 * mib, CPU: 8 * sec, Time: 15 * sec},
		Steps:  steps(negotiated(), send(d.bomb(64)), within(1500*ms, times(100000, d.up(d.squeezed(bytes.Clone(again64k)))))), Verdict: whatever()})
	l.deflate("bomb-behind-handshake", hostile.Case{Holes: []string{"CVE-2026-27571", "CVE-2026-33219"}, Comment: "a bomb directly behind the handshake, in the same segment", Budget: b,
		Steps: steps(send(d.request().with(offer).String(), d.bomb(200*kib)), hold(10*sec)), Verdict: outcomes(hostile.Refused, hostile.Failed)})
}

// again64k repeats the byte before, 65536 times.
var again64k = func() []byte {
	b := new(bits).fixed()
	for range 254 {
		b.symbol(285).code(0, 5)
	}
	return b.end().flush()
}()

// alive is a ping whose pong tells that the server lives: it is never compressed.
var alive = frame{op: rfc.op.ping, payload: []byte("hello")}

// deflateBlocks: what costs an inflater much and yields nothing.
func (l *list) deflateBlocks() {
	d, zero := rfc, make([]byte, 4)
	tables := emptyTables()
	filledWith := func(block []byte, n int64) []hostile.Part {
		says := uint64(len(block))*uint64(n) + 1
		return cat(d.up(frame{op: d.op.text, rsv: 4, says: says, mask: zero}), over(n, block), []byte{0})
	}
	for _, c := range []struct {
		name, comment string
		block         []byte
	}{
		{"stored", "empty stored blocks", []byte{0x00, 0x00, 0x00, 0xFF, 0xFF}},
		{"fixed", "empty blocks with the fixed codes", []byte{0x02, 0x08, 0x20, 0x80, 0x00}},
		{"tables", "empty blocks with codes of their own, whose tables are built each time", tables},
	} {
		n := int64(900 * kib / len(c.block))
		l.deflate("blocks-"+c.name, hostile.Case{Clients: 4, Comment: "900 KiB of " + c.comment + ": a message of no bytes",
			Budget: hostile.Budget{CPU: 3 * sec}, Steps: steps(negotiated(), send(filledWith(c.block, n), d.up(alive)), expect("hello")), Verdict: outcomes(hostile.Served, hostile.Failed)})
		l.deflate("blocks-"+c.name+"-endless", hostile.Case{Comment: "fragments of " + c.comment + " without end: a message of no bytes that has no limit",
			Budget: hostile.Budget{CPU: 6 * sec, Time: 10 * sec}, Slow: true,
			Steps: steps(negotiated(), send(d.up(frame{op: d.op.text, rsv: 4, open: true})),
				within(3*sec, times(1000000, d.up(frame{open: true, payload: c.block, times: 20, mask: zero}))), hold(500*ms)), Verdict: whatever()})
	}
	l.deflate("empty-messages", hostile.Case{Comment: "compressed messages of no bytes without end", Budget: hostile.Budget{CPU: 5 * sec, Time: 10 * sec},
		Steps: steps(negotiated(), within(1500*ms, times(1000000, d.up(d.squeezed([]byte{0}))))), Verdict: whatever()})
	l.deflate("one-byte-messages", hostile.Case{Comment: "compressed messages of one byte without end", Budget: hostile.Budget{CPU: 5 * sec, Time: 10 * sec},
		Steps: steps(negotiated(), within(1500*ms, times(1000000, d.up(d.squeezed(packed("a")))))), Verdict: whatever()})
	l.deflate("silent-clients", hostile.Case{Clients: 200, Comment: "200 clients send one compressed message each and stay: two windows and their tables a client",
		Budget: hostile.Budget{Memory: 200 * 512 * kib, CPU: 3 * sec}, Steps: steps(negotiated(), send(d.up(d.squeezed(packed("hello")))), hold(ms*800)), Verdict: whatever()})
}

// deflateGarbage: what is no DEFLATE.
func (l *list) deflateGarbage() {
	d := rfc
	flat := func(literals []int, distances ...int) []byte {
		return new(bits).tables(0, literals, distances).align().out
	}
	all := func(n int) []int { return bytesOf(257, n) }
	for _, c := range []struct {
		name, comment string
		payload       []byte
	}{
		{"block-type", "a block of the type that is none", []byte{0x07, 0x00}},
		{"stored-length", "a stored block whose length and its complement differ", []byte{0x00, 0x05, 0x00, 0x00, 0x00, 'h', 'e', 'l', 'l', 'o', 0x00}},
		{"distance-before", "a distance before the beginning", new(bits).fixed().text("a").symbol(257).code(29, 5).put(8191, 13).end().flush()},
		{"distance-nothing", "a copy before anything is there", new(bits).fixed().symbol(285).code(0, 5).end().flush()},
		{"distance-30", "a distance that is reserved", new(bits).fixed().text("ab").symbol(257).code(30, 5).end().flush()},
		{"length-286", "a length that is reserved", new(bits).fixed().text("ab").symbol(286).code(0, 5).end().flush()},
		{"tables-over", "more codes than their bits have", flat(all(1), 1)},
		{"tables-none", "no codes at all", flat(all(0), 0)},
		{"tables-no-end", "codes without one for the end of a block", flat(append(append([]int{1, 1}, bytesOf(254, 0)...), 0), 1)},
		{"tables-286-and-32", "more codes of distances than there are", flat(bytesOf(286, 0), bytesOf(32, 1)...)},
		{"noise", "noise", append([]byte{0x05}, noise(7, 200)...)},
		{"ones", "bytes FF", bytes.Repeat([]byte{0xFF}, 200)},
	} {
		l.deflate("garbage-"+c.name, hostile.Case{Comment: c.comment, Steps: steps(negotiated(), send(d.up(d.squeezed(c.payload))), hold(5*sec)), Verdict: failed(inflated...)})
	}
	for _, c := range []struct {
		name, comment string
		payload       []byte
	}{
		{"cut", "a block that does not end", new(bits).fixed().text("hel").align().out},
		{"nothing", "no byte at all", nil},
		{"last-block", "a last block, and another behind it", append(new(bits).put(3, 3).text("hel").end().align().out, packed("lo")...)},
		{"tables-cut", "a block whose tables do not end", bombBegin[:8]},
	} {
		l.deflate("odd-"+c.name, hostile.Case{Comment: c.comment + ": what becomes of it is not said", Steps: steps(negotiated(), send(d.up(d.squeezed(c.payload))), hold(ms*300)), Verdict: whatever()})
	}
	for _, b := range badTexts[:10] {
		l.deflate("text-"+b.name, hostile.Case{Comment: b.comment + ", compressed", Steps: steps(negotiated(), send(d.up(d.squeezed(packed(b.text)))), hold(5*sec)), Verdict: failed(1007)})
	}
}

// bytesOf returns so many lengths.
func bytesOf(n, v int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// deflateFrames: the bit where it does not belong (RFC 7692 6).
func (l *list) deflateFrames() {
	d := rfc
	p := packed("evil")
	for _, c := range []struct {
		name, comment string
		frames        []frame
	}{
		{"ping", "a ping that says that it is compressed", []frame{{op: d.op.ping, rsv: 4, payload: p}}},
		{"close", "a close that says that it is compressed", []frame{{op: d.op.close, rsv: 4, payload: []byte{0x03, 0xE8}}}},
		{"continuation", "a continuation that says that it is compressed", []frame{{op: d.op.text, rsv: 4, open: true, payload: p[:2]}, {rsv: 4, payload: p[2:]}}},
		{"second", "a message of which the second frame alone says that it is compressed", []frame{{op: d.op.text, open: true, payload: []byte("e")}, {rsv: 4, payload: p}}},
		{"rsv2", "another reserved bit beside", []frame{{op: d.op.text, rsv: 6, payload: p}}},
		{"rsv3", "another reserved bit beside", []frame{{op: d.op.text, rsv: 5, payload: p}}},
		{"opcode", "a frame of a kind that nobody knows", []frame{{op: 3, rsv: 4, payload: p}}},
		{"unmasked", "a compressed frame that is not masked", []frame{{op: d.op.text, rsv: 4, turned: true, payload: p}}},
		{"huge", "a compressed frame of 2^63 bytes", []frame{{op: d.op.text, rsv: 4, says: 1 << 63, width: 64}}},
	} {
		l.deflate("frame-"+c.name, hostile.Case{Comment: c.comment, Steps: steps(negotiated(), send(d.up(c.frames...)), hold(5*sec)), Verdict: never(failed(1002, 1009), "evil")})
	}
	l.each("deflate/frame-not-agreed", deflating, func(d dialect) hostile.Case {
		v := failed(1002)
		if d.version != "13" {
			v = overlooked()
		}
		return hostile.Case{Comment: "a compressed message where nothing was agreed on", Steps: steps(open(), send(d.up(d.squeezed(p)), d.text("hello")), expect("hello")), Verdict: v}
	})
}

// deflateOffers: offers that a server has to decline (RFC 7692 5.1, 7.1), if it does not
// refuse the whole handshake.
func (l *list) deflateOffers() {
	const name = "permessage-deflate"
	for _, c := range []struct{ name, value string }{
		{"bits-0", name + "; server_max_window_bits=0"},
		{"bits-7", name + "; server_max_window_bits=7"},
		{"bits-16", name + "; server_max_window_bits=16"},
		{"bits-999", name + "; server_max_window_bits=999"},
		{"bits-08", name + "; server_max_window_bits=08"},
		{"bits-plus", name + "; server_max_window_bits=+9"},
		{"bits-minus", name + "; server_max_window_bits=-9"},
		{"bits-word", name + "; server_max_window_bits=ten"},
		{"bits-none", name + "; server_max_window_bits"},
		{"bits-empty", name + "; server_max_window_bits="},
		{"bits-quoted-empty", name + `; server_max_window_bits=""`},
		{"bits-wrap-32", name + "; server_max_window_bits=4294967305"},
		{"bits-wrap-64", name + "; server_max_window_bits=18446744073709551625"},
		{"bits-twice", name + "; server_max_window_bits=10; server_max_window_bits=10"},
		{"client-bits-0", name + "; client_max_window_bits=0"},
		{"client-bits-7", name + "; client_max_window_bits=7"},
		{"client-bits-16", name + "; client_max_window_bits=16"},
		{"client-bits-empty", name + "; client_max_window_bits="},
		{"client-bits-twice", name + "; client_max_window_bits; client_max_window_bits"},
		{"takeover-value", name + "; server_no_context_takeover=1"},
		{"takeover-twice", name + "; server_no_context_takeover; server_no_context_takeover"},
		{"unknown", name + "; evil"},
		{"unknown-value", name + "; evil=1"},
		{"quote-open", name + `; server_max_window_bits="10`},
		{"quote-escape", name + `; server_max_window_bits="\`},
		{"prefix", "permessage-deflat"},
		{"nul", name + "\x00"},
		{"parameters-1000", name + gap(1000, "; a=b")},
		{"parameter-12kib", name + "; " + gap(12*kib, "a")},
		{"digits-12kib", name + "; server_max_window_bits=" + gap(12*kib, "1")},
		{"escapes-12kib", name + `; a="` + gap(6*kib, `\c`)},
	} {
		l.add("deflate/offer-"+c.name, hostile.Case{Version: rfc.name, Holes: []string{"CVE-2026-2229", "CVE-2020-7662"}, Comment: "an offer that is to be declined",
			Steps:   steps(send(rfc.request().with("Sec-WebSocket-Extensions: "+c.value).parts()), hold(ms*150)),
			Verdict: never(whatever(), "xtensions: permessage-deflate", "xtensions: evil")})
	}
	for _, c := range []struct{ name, value string }{
		{"200", gap(200, name+", ") + name},
		{"200-bad", gap(200, name+"; server_max_window_bits=7, ") + name},
		{"2000-short", gap(2000, "a;b, ") + name},
		{"twice", name + ", " + name},
		{"200-fields", gap(100, name+"\r\nSec-WebSocket-Extensions: ") + name},
		{"empty-members", gap(4*kib, ",") + name},
		{"bits-8", name + "; server_max_window_bits=8; client_max_window_bits=8"},
	} {
		l.add("deflate/offers-"+c.name, hostile.Case{Version: rfc.name, Rounds: 20, Comment: "many offers, twenty times",
			Steps: steps(send(rfc.request().with("Sec-WebSocket-Extensions: "+c.value).parts()), expect(answered)), Verdict: either()})
	}
	for _, v := range []dialect{dialects[6], dialects[7], rfc} {
		l.add(fmt.Sprintf("deflate/stream-%s", v.name), hostile.Case{Version: v.name, Comment: "deflate-stream of the drafts, which would undo masks, must not be taken",
			Steps: steps(send(v.request().with("Sec-WebSocket-Extensions: deflate-stream").String()), hold(ms*100)), Verdict: never(whatever(), "xtensions: deflate-stream")})
	}
}

// deflatePerFrame: x-webkit-deflate-frame, in which each frame is compressed alone.
func (l *list) deflatePerFrame() {
	d, zero := rfc, make([]byte, 4)
	add := func(name string, c hostile.Case) {
		c.Version, c.Needs = d.name, []string{"frame-deflate"}
		l.add("deflate/per-frame-"+name, c)
	}
	b := hostile.Budget{Memory: 256 * mib, CPU: 3 * sec, Time: 15 * sec}
	agreed := open(frameOffer)
	add("bomb", hostile.Case{Holes: bombHoles, Comment: "200 KiB that become 200 MiB, in one frame", Budget: b, Steps: steps(agreed, send(d.bomb(200*kib)), hold(10*sec)), Verdict: failed(1009)})
	small := cat(bombBegin, make([]byte, 64), bombEnd)
	piece := d.up(frame{rsv: 4, open: true, payload: raw(small), mask: zero})
	add("bomb-fragments", hostile.Case{Holes: bombHoles, Comment: "fragments that become 64 KiB each, without end: a limit for each frame is none for the message", Budget: b,
		Steps:   steps(agreed, send(d.up(frame{op: d.op.text, rsv: 4, open: true, payload: packed("a")})), within(5*sec, times(20000, piece)), hold(10*sec)),
		Verdict: failed(1009)})
	add("garbage", hostile.Case{Comment: "a block of the type that is none", Steps: steps(agreed, send(d.up(d.squeezed([]byte{0x07}))), hold(5*sec)), Verdict: failed(inflated...)})
	add("ping", hostile.Case{Comment: "a ping that says that it is compressed", Steps: steps(agreed, send(d.up(frame{op: d.op.ping, rsv: 4, payload: packed("evil")})), hold(5*sec)), Verdict: failed(1002)})
	add("blocks", hostile.Case{Comment: "fragments of empty blocks without end", Slow: true, Budget: hostile.Budget{CPU: 6 * sec, Time: 10 * sec},
		Steps: steps(agreed, send(d.up(frame{op: d.op.text, rsv: 4, open: true, payload: []byte{0}})),
			within(3*sec, times(1000000, d.up(frame{rsv: 4, open: true, payload: append(emptyTables(), 0), mask: zero}))), hold(500*ms)), Verdict: whatever()})
	for _, c := range []struct{ name, value string }{
		{"bits-0", "; max_window_bits=0"}, {"bits-7", "; max_window_bits=7"}, {"bits-16", "; max_window_bits=16"}, {"bits-empty", "; max_window_bits="},
		{"twice", "; no_context_takeover; no_context_takeover"}, {"unknown", "; evil"}, {"quote", `; max_window_bits="10`},
	} {
		add("offer-"+c.name, hostile.Case{Comment: "an offer that is to be declined", Steps: steps(send(d.request().with(frameOffer+c.value).String()), hold(ms*100)),
			Verdict: never(whatever(), strings.TrimPrefix(frameOffer, "Sec-WebSocket-E"))})
	}
}
