package gen

import (
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// rfc7692 returns the vectors of permessage-deflate.
func rfc7692() []vectors.Vector {
	const name = "permessage-deflate"
	var l list
	for _, s := range squeezers("pmd", "RFC 7692", name, false,
		[2]string{wire.Server: name + "; client_no_context_takeover", wire.Client: name + "; server_no_context_takeover"}) {
		l.add(s.common()...)
		l.add(s.messageFragments()...)
		l.add(s.messageParameters()...)
	}
	l.add(offersMessage()...)
	l.add(answersMessage()...)
	return published(l, map[string]string{
		"pmd-client-text":                 "pmd-fr-01",
		"pmd-client-fragments":            "pmd-fr-02",
		"pmd-client-again":                "pmd-fr-03",
		"pmd-client-final":                "pmd-fr-05",
		"pmd-offer-bare":                  "pmd-neg-01",
		"pmd-offer-client-window":         "pmd-neg-02",
		"pmd-offer-server-window-client":  "pmd-neg-03",
		"pmd-offer-window-7-then-good":    "pmd-neg-05",
		"pmd-offer-older-first":           "pmd-neg-06",
		"pmd-offer-unknown-parameter-set": "pmd-neg-07",
	})
}

// messageFragments: the data of all frames of a message is one.
func (s squeezed) messageFragments() []vectors.Vector {
	first, last := s.z(false, s.op.text, hello[:3]), s.more(true, hello[3:])
	bytewise := s.z(false, s.op.text, hello[:1])
	for i := 1; i < len(hello); i++ {
		bytewise = cat(bytewise, s.more(i == len(hello)-1, hello[i:i+1]))
	}
	big := filled(100000, count)
	word := packed("\u6f22\u5b57")
	return s.forClient([]vectors.Vector{
		s.row("fragments", "7.2.3.1", "a message in two frames, RSV1 on the first", cat(first, last), texts("Hello"), ""),
		s.row("fragments-bytes", "6.1", "a frame for each byte of the compressed data", bytewise, texts("Hello"), ""),
		s.row("fragments-empty-first", "6.1", "the first frame has RSV1 and no bytes", cat(s.z(false, s.op.text, nil), s.more(true, hello)), texts("Hello"), ""),
		s.row("fragments-empty-last", "6.1", "the last frame has no bytes", cat(s.z(false, s.op.text, hello), s.more(true, nil)), texts("Hello"), ""),
		s.row("fragments-empty-message", "7.2.3.6", "the one byte of an empty message, between two frames without any",
			cat(s.z(false, s.op.text, nil), s.more(false, []byte{0}), s.more(true, nil)), texts(""), ""),
		s.row("fragments-again", "7.2.3.2", "messages in two frames, the second repeats the first",
			cat(first, last, s.z(false, s.op.text, helloAgain[:2]), s.more(true, helloAgain[2:])), texts("Hello", "Hello"), ""),
		s.row("fragments-plain", "6.1", "a message in two frames that is not compressed, between two that are",
			cat(s.text(hello), s.f(false, s.op.text, "Wor"), s.f(true, s.op.continuation, "ld"), s.text(helloAgain)), texts("Hello", "World", "Hello"), ""),
		s.row("fragments-32k", "6.1", "a long message, cut where no block ends",
			cat(s.z(false, s.op.binary, big[:333]), s.more(false, big[333:334]), s.more(true, big[334:])), patterned(wire.OpBinary, 100000, count), ""),
		s.row("ping-inside", "6.1", "a ping between two frames of a message comes first, and is not compressed",
			cat(first, s.f(true, s.op.ping, "p"), last), then(pings("p"), texts("Hello")), ""),
		s.row("rsv1-continuation", "6.1", "RSV1 on a later frame of a compressed message", cat(first, s.z(true, s.op.continuation, hello[3:])), nil, wire.FaultRSV),
		s.row("rsv1-continuation-plain", "6.1", "RSV1 on a later frame of a message that is not compressed",
			cat(s.f(false, s.op.text, "Hel"), s.z(true, s.op.continuation, packed("lo"))), nil, wire.FaultRSV),
		limited(5, s.row("limit-fragments", "8", "the limit is on the whole message", cat(s.z(false, s.op.text, packed("Hello!")[:4]), s.more(true, packed("Hello!")[4:])), nil, wire.FaultTooBig)),
		checked(s.row("utf8-fragments", "6.2", "a character in two frames", cat(s.z(false, s.op.text, word[:3]), s.more(true, word[3:])), texts("\u6f22\u5b57"), "")),
		s.row("corrupt-fragments", "7.2.2", "the corrupt part comes in the second frame", cat(s.z(false, s.op.text, []byte{0x00, 0x05}), s.more(true, unhex("00fbff48656c6c6f00"))), nil, wire.FaultDeflate),
	}, "fragments", "fragments-bytes", "fragments-empty-last", "ping-inside", "rsv1-continuation")
}

// messageParameters: what was agreed on binds one side and not the other.
func (s squeezed) messageParameters() []vectors.Vector {
	const name = "permessage-deflate; "
	own, peer := "client", "server"
	if s.role == wire.Server {
		own, peer = peer, own
	}
	two := cat(s.text(hello), s.text(helloAgain))
	both := name + "server_no_context_takeover; client_no_context_takeover"
	near := cat(s.text(packed("Z")), s.binary(filled(255, "a")), s.text(copied(5, 256)))
	nearEvents := then(texts("Z"), binaries(string(lots(255))), texts("Zaaaa"))
	return []vectors.Vector{
		agreeing(name+own+"_no_context_takeover", s.row("own-no-takeover", "7.1.1", "that the "+own+" does not keep its window leaves the "+peer+"'s kept", two, texts("Hello", "Hello"), "")),
		agreeing(both, s.row("both-no-takeover", "7.1.1", "neither keeps its window", cat(s.text(hello), s.text(hello)), texts("Hello", "Hello"), "")),
		agreeing(name+peer+"_max_window_bits=8", s.row("window-8", "7.1.2", "the smallest window, and the longest distance in it", near, nearEvents, "")),
		agreeing(name+peer+"_max_window_bits=15", s.row("window-15", "7.1.2", "the largest window, said", near, nearEvents, "")),
		agreeing(name+peer+"_max_window_bits=8", choice(s.row("window-8-far", "7.1.2", "a distance behind the window that was agreed on is taken; to refuse it is legal",
			cat(s.text(packed("Z")), s.binary(filled(256, "a")), s.text(copied(5, 257))), then(texts("Z"), binaries(string(lots(256))), texts("Zaaaa")), ""))),
		agreeing(name+own+"_max_window_bits=8", s.row("own-window-8", "7.1.2", "the window of the "+own+" leaves the "+peer+"'s as it is",
			cat(s.text(packed("Z")), s.binary(filled(32767, "a")), s.text(copied(5, 32768))),
			then(texts("Z"), patterned(wire.OpBinary, 32767, "a"), texts("Zaaaa")), "")),
	}
}
