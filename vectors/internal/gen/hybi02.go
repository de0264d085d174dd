package gen

import (
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// hybi02 returns the vectors of drafts 01 to 03: the handshake of hixie-76 with
// one more field, and frames that nobody masks. They are held to draft 03 where
// it says more.
func hybi02() []vectors.Vector {
	h := hybi{dialect: dialect{op: earlyOps, more: true, masking: maskNone}, version: wire.Hybi02,
		prefix: "hy02", doc: "hybi-02", frames: "4", moved: moved02, text: "6", closes: closeOpaque, replace: true}
	c := challenged{version: h.version, prefix: h.prefix, doc: h.doc, draft: "2", list: true}

	var l list
	l.add(handshakes02(c)...)
	l.add(c.keys()...)
	l.add(c.responses()...)
	l.add(published(h.commonFrames(), map[string]string{
		"hy02-server-text":         "hy02-fr-01",
		"hy02-server-fragments":    "hy02-fr-02",
		"hy02-server-ping":         "hy02-fr-04",
		"hy02-server-pong":         "hy02-fr-05",
		"hy02-server-binary-256":   "hy02-fr-06",
		"hy02-server-binary-65536": "hy02-fr-07",
		"hy02-server-close-empty":  "hy02-cl-01",
	})...)
	s, peer := side{h, wire.Server, nil}, side{h, wire.Client, nil}
	row := func(role wire.Role, id, number, comment string, in []byte, ev []vectors.Event, f wire.Fault) {
		l.add(read{id, h.sec(number), comment, in, ev, f}.vector(role))
	}
	row(wire.Server, "hy02-fr-03", ".4", "a message in three frames",
		cat(s.f(false, s.op.text, "Hel"), s.f(false, s.op.continuation, "lo"), s.f(true, s.op.continuation, " world")), texts("Hello world"), "")
	row(wire.Client, "hy02-fr-08", ".4", "a continuation of nothing", peer.f(true, s.op.continuation, "f"), nil, wire.FaultOrphan)
	row(wire.Server, "hy02-fr-09", ".2", "jWebSocket of the time puts its opcode into the upper half of the byte: a reserved bit comes first",
		[]byte("\x40\x0AHello"), nil, wire.FaultRSV)
	l.add(h.plainClosings()...)
	l.add(h.say("reason-bare", h.sec(".5.1"), "a reason without a code is the body", wire.Server, 1005, "bye", []byte("bye")))
	return append(l, talks02(h, c)...)
}

// handshakes02: what is not as in hixie-76.
func handshakes02(c challenged) []vectors.Vector {
	const site, demo = "http://example.com", "ws://example.com/demo"
	sample := []string{"sample"}
	one := func(id, number, comment string, protocols []string, request, response string, acc vectors.Accept) vectors.Vector {
		acc.Version = c.version.String()
		return agreed("hy02-hs-"+id, c.doc+" "+number, comment, protocols, request, []byte(key3A), response, challenge(key1A, key2A, []byte(key3A)), acc)
	}
	asks := func(protocol string) string {
		return c.ask("/demo", "example.com", site, key1A, key2A, "Sec-WebSocket-Protocol: "+protocol)
	}
	says := func(protocol string) string {
		return reply76(site, demo, "Sec-WebSocket-Protocol: "+protocol)
	}
	with := func(protocol string) vectors.Accept {
		return vectors.Accept{Origin: site, Protocol: protocol, Location: demo}
	}
	draft := func(n string) string {
		d := c
		d.draft = n
		return d.ask("/demo", "example.com", site, key1A, key2A)
	}
	secure := one("secure", "5.2.2", "over TLS the location is wss", nil, c.ask("/s?q=1", "example.com", "https://example.com", key1A, key2A),
		reply76("https://example.com", "wss://example.com/s?q=1"), vectors.Accept{Origin: "https://example.com", Location: "wss://example.com/s?q=1"})
	secure.Secure = true
	return []vectors.Vector{
		one("01", "5.2.2", "the keys of hixie-76, and a draft", sample, asks("sample"), says("sample"), with("sample")),
		one("draft-1", "5.2.2", "draft 1 is answered as draft 2", nil, draft("1"), reply76(site, demo), with("")),
		one("draft-3", "5.2.2", "draft 3 is answered as draft 2", nil, draft("3"), reply76(site, demo), with("")),
		one("protocol-list", "5.2.2", "subprotocols are separated by spaces; one of them comes back", sample, asks("chat sample"), says("sample"), with("sample")),
		choice(one("protocol-choice", "5.2.2", "several subprotocols fit: the client's first is taken, any other of them is legal", []string{"b", "a"},
			asks("a b"), says("a"), with("a"))),
		one("protocol-no-known", "5.2.2", "the server speaks none of the subprotocols and says nothing of it", sample, asks("chat superchat"), reply76(site, demo), with("")),
		one("protocol-unasked", "5.2.2", "a client that asks for no subprotocol gets none", sample, c.ask("/demo", "example.com", site, key1A, key2A), reply76(site, demo), with("")),
		one("length", "5.2.2", "the eight bytes are announced by Content-Length", nil,
			c.ask("/demo", "example.com", site, key1A, key2A, "Content-Length: 8"), reply76(site, demo), with("")),
		one("port", "5.2.2", "another port stays in the location", nil, c.ask("/demo", "example.com:8080", site, key1A, key2A),
			reply76(site, "ws://example.com:8080/demo"), vectors.Accept{Origin: site, Location: "ws://example.com:8080/demo"}),
		secure,
	}
}

// talks02: whole connections. As in hixie-76 the response head leaves before
// the eight bytes come.
func talks02(h hybi, c challenged) []vectors.Vector {
	const site, where = "http://example.com", "ws://example.com/demo"
	req, resp := []byte(c.ask("/demo", "example.com", site, key1A, key2A)), []byte(reply76(site, where))
	key3, proof := []byte(key3A), challenge(key1A, key2A, []byte(key3A))
	t := talker{hybi: h, open: []vectors.Step{ask(cat(req, key3)), server(cat(resp, proof))}}
	from := func(steps ...vectors.Step) talker { return talker{hybi: h, open: steps} }
	hi := t.c(h.op.text, "hi")
	body := t.closed("close-body", "the body of a close comes back, whatever it is", "\x00\xFFbye", "\x00\xFFbye")
	body.ID = "hy02-cl-02"
	chat := from(ask(cat([]byte(c.ask("/demo", "example.com", site, key1A, key2A, "Sec-WebSocket-Protocol: superchat chat")), key3)),
		server(cat([]byte(reply76(site, where, "Sec-WebSocket-Protocol: chat")), proof)))
	return []vectors.Vector{
		t.echo("01", "hybi-02 1.2", "handshake, echo, close by the client; the server ends the stream"),
		from(ask(req), server(resp), ask(key3), server(proof)).echo("head-first", "hybi-02 5.2.2", "the answer's head comes before the eight bytes were sent"),
		from(ask(req), server(resp), client(key3[:3]), ask(key3[3:]), server(proof)).echo("pieces", "hybi-02 5.2.2", "the eight bytes come in two pieces"),
		from().one("frame-behind", "hybi-02 5.2.2", "a message directly behind the eight bytes",
			ask(req), server(resp), ask(cat(key3, hi)), server(cat(proof, t.s(h.op.text, "hi")))),
		t.ping(),
		t.closed("close-empty", "a close without a body is answered without one", "", ""),
		body,
		chat.echo("protocol", "hybi-02 5.2.2", "the server speaks the second of the subprotocols"),
	}
}
