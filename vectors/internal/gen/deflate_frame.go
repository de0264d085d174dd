package gen

import (
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// tyoshino is the document of deflate-frame.
const tyoshino = "draft-tyoshino-hybi-websocket-perframe-deflate"

// deflateFrame returns the vectors of deflate-frame and x-webkit-deflate-frame.
func deflateFrame() []vectors.Vector {
	const webkit = "x-webkit-deflate-frame"
	var l list
	// An answer binds the client; what binds the server stood in the request.
	for _, s := range squeezers("dff", tyoshino, webkit, true,
		[2]string{wire.Server: webkit + "; no_context_takeover", wire.Client: webkit}) {
		l.add(s.common()...)
		l.add(s.frameFragments()...)
		l.add(s.frameParameters()...)
	}
	l.add(offersFrame()...)
	return published(l, map[string]string{
		"dff-client-text":          "dff-fr-01",
		"dff-client-fragments":     "dff-fr-02",
		"dff-client-fragments-mix": "dff-fr-03",
		"dff-client-rsv1-ping":     "dff-fr-04",
		"dff-offer-webkit":         "dff-neg-01",
	})
}

// frameFragments: each frame is compressed for itself, or not.
func (s squeezed) frameFragments() []vectors.Vector {
	hel, lo := unhex("f248cd0100"), unhex("cac90700")
	first, last := s.z(false, s.op.text, hel), s.more(true, lo)
	plainFirst, plainLast := s.f(false, s.op.text, "Hel"), s.f(true, s.op.continuation, "lo")
	word := "\u6f22\u5b57"
	return s.forClient([]vectors.Vector{
		s.row("fragments", "", "a message in two frames, each compressed and flushed", cat(first, last), texts("Hello"), ""),
		s.row("fragments-mix", "", "the first frame is compressed, the last is not", cat(first, plainLast), texts("Hello"), ""),
		s.row("fragments-mix-last", "", "the last frame is compressed, the first is not", cat(plainFirst, last), texts("Hello"), ""),
		s.row("fragments-mix-middle", "", "the frame in the middle is compressed, the others are not",
			cat(s.f(false, s.op.text, "He"), s.more(false, packed("l")), plainLast), texts("Hello"), ""),
		s.row("fragments-plain", "", "no frame of a message is compressed, between two that are",
			cat(s.text(hello), plainFirst, plainLast, s.text(helloAgain)), texts("Hello", "Hello", "Hello"), ""),
		s.row("fragments-again", "", "a frame repeats the one before", cat(s.z(false, s.op.text, hello), s.more(true, helloAgain)), texts("HelloHello"), ""),
		s.row("fragments-again-mix", "", "a frame that is not compressed does not enter the window",
			cat(s.z(false, s.op.text, hello), s.f(false, s.op.continuation, "World"), s.more(true, helloAgain)), texts("HelloWorldHello"), ""),
		s.row("fragments-empty-first", "", "the first frame is compressed and empty", cat(s.z(false, s.op.text, []byte{0}), s.more(true, hello)), texts("Hello"), ""),
		s.row("fragments-empty-last", "", "the last frame is compressed and empty", cat(s.z(false, s.op.text, hello), s.more(true, []byte{0})), texts("Hello"), ""),
		s.row("fragments-plain-empty-last", "", "the last frame is empty and not compressed", cat(s.z(false, s.op.text, hello), s.f(true, s.op.continuation, "")), texts("Hello"), ""),
		s.row("fragments-all-empty", "", "three empty frames, two of them compressed",
			cat(s.z(false, s.op.binary, []byte{0}), s.f(false, s.op.continuation, ""), s.more(true, []byte{0})), binaries(""), ""),
		s.row("fragments-final", "", "blocks that are marked as the last, one in each frame",
			cat(s.z(false, s.op.text, new(bits).last().text("Hel").end().align().flush()), s.more(true, new(bits).last().text("lo").end().align().flush())), texts("Hello"), ""),
		s.row("fragments-32k", "", "a long message in frames that repeat what is far before",
			cat(s.z(false, s.op.binary, filled(251*140, count)), s.more(false, copied(251*100, 251*130)), s.more(true, copied(100000-251*240, 251*130))),
			patterned(wire.OpBinary, 100000, count), ""),
		choice(s.row("fragments-of-message", "", "permessage-deflate's way to cut a message: the first frame alone does not expand; zlib waits for the rest, so a reader may get wrong bytes",
			cat(s.z(false, s.op.binary, hello[:3]), s.frame(true, 0, s.op.continuation, s.mask, hello[3:])), nil, wire.FaultDeflate)),
		s.row("ping-inside", "", "a ping between two frames of a message comes first, and is not compressed",
			cat(first, s.f(true, s.op.ping, "p"), last), then(pings("p"), texts("Hello")), ""),
		s.row("corrupt-fragments", "", "the second frame is corrupt", cat(first, s.more(true, []byte{0x06, 0x00})), nil, wire.FaultDeflate),
		limited(5, s.row("limit-fragments", "", "the limit is on the whole message", cat(first, s.more(true, packed("lo!"))), nil, wire.FaultTooBig)),
		limited(5, s.row("limit-fragments-mix", "", "the limit is on the whole message, however its frames are sent", cat(first, s.f(true, s.op.continuation, "lo!")), nil, wire.FaultTooBig)),
		limited(5, s.row("limit-fragments-met", "", "frames that expand to the limit together", cat(first, last), texts("Hello"), "")),
		checked(s.row("utf8-fragments", "", "a character in two compressed frames", cat(s.z(false, s.op.text, packed(word[:2])), s.more(true, packed(word[2:]))), texts(word), "")),
		checked(s.row("utf8-fragments-mix", "", "a character in a compressed frame and one that is not", cat(s.z(false, s.op.text, packed(word[:2])), s.f(true, s.op.continuation, word[2:])), texts(word), "")),
		s.row("utf8-fragments-bad", "", "a character does not go on in the next frame", cat(s.z(false, s.op.text, packed("\xE6")), s.more(true, packed("a"))), nil, wire.FaultText),
	}, "fragments", "fragments-mix", "fragments-mix-last", "fragments-again", "fragments-again-mix", "fragments-plain-empty-last", "ping-inside", "limit-fragments")
}

// frameParameters: what was agreed on.
func (s squeezed) frameParameters() []vectors.Vector {
	const webkit = "x-webkit-deflate-frame"
	two := cat(s.text(hello), s.text(helloAgain))
	out := []vectors.Vector{
		agreeing("deflate-frame", s.row("name", "", "the other name means the same", two, texts("Hello", "Hello"), "")),
	}
	if s.role == wire.Client {
		return append(out, agreeing(webkit+"; no_context_takeover", s.row("own-no-takeover", "", "the answer binds the client: the server's window is kept", two, texts("Hello", "Hello"), "")))
	}
	return append(out,
		agreeing(webkit+"; no_context_takeover", s.row("no-takeover-fragments", "", "each frame of a message for itself", cat(s.z(false, s.op.text, hello), s.more(true, hello)), texts("HelloHello"), "")),
		agreeing(webkit+"; max_window_bits=8", s.row("window-8", "", "the smallest window, and the longest distance in it",
			cat(s.text(packed("Z")), s.binary(filled(255, "a")), s.text(copied(5, 256))), then(texts("Z"), binaries(string(lots(255))), texts("Zaaaa")), "")),
	)
}
