package gen

import (
	"strings"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// hybi07 returns the vectors of version 7.
func hybi07() []vectors.Vector {
	h := hybi{dialect: dialect{op: laterOps}, version: wire.Hybi07, prefix: "hy07", doc: "hybi-07", frames: "4", text: "6",
		tooBig: true, masked: true, replace: true}
	o := opening{hybi: h, number: "7", origin: "Sec-WebSocket-Origin", request: "5.1", reply: "5.2.2", judge: "5.1"}

	var l list
	l.add(o.handshakes()...)
	l.add(firefox(o, "hy07-hs-02", "Firefox 6: a list in Connection, and an extension that is declined", "6.0",
		"Sec-WebSocket-Extensions: deflate-stream"))
	l.add(shortKey(o), plainOrigin(o))
	l.add(o.responses()...)
	l.add(published(h.commonFrames(), map[string]string{
		"hy07-client-text":       "hy07-fr-01",
		"hy07-server-text":       "hy07-fr-02",
		"hy07-client-fragments":  "hy07-fr-03",
		"hy07-client-ping":       "hy07-fr-04",
		"hy07-server-pong":       "hy07-fr-05",
		"hy07-client-binary-256": "hy07-fr-06",
		"hy07-client-masked":     "hy07-fr-07",
	})...)
	l.add(oldPong(h, "hy07-fr-08"))
	l.add(h.closeCodes(says06)...)
	l.add(o.talks()...)
	return l
}

// oldPong: opcode 3 was pong in the drafts before.
func oldPong(h hybi, id string) vectors.Vector {
	return read{id, h.sec(".2"), "opcode 3, a pong until draft 06, is reserved now",
		h.frame(true, 0, 0x3, sampleMask, []byte("Hello")), nil, wire.FaultOpcode}.vector(wire.Server)
}

// firefox is a request with the fields and the order of early Firefox.
func firefox(o opening, id, comment, release string, lines ...string) vectors.Vector {
	head := []string{"GET /chat HTTP/1.1", "Host: server.example.com",
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:" + release + ") Gecko/20100101 Firefox/" + release,
		"Connection: keep-alive, Upgrade", "Sec-WebSocket-Version: " + o.number, "Sec-WebSocket-Origin: http://example.com"}
	req := message(with(with(head, lines...), "Sec-WebSocket-Key: "+sampleKey, "Pragma: no-cache", "Cache-Control: no-cache", "Upgrade: websocket")...)
	return agreed(id, o.doc+" "+o.reply, comment, nil, req, nil, o.answer(sampleKey), nil, o.accept("http://example.com", ""))
}

// shortKey: servers of 2011 took any key, and npm ws 0.2 sent 15 bytes.
func shortKey(o opening) vectors.Vector {
	const key = "AAECAwQFBgcICQoLDA0O"
	return choice(agreed(o.prefix+"-hs-key-15", o.doc+" "+o.request, "a key of 15 bytes, as npm ws 0.2 sends it, is taken; to refuse it is legal",
		nil, o.ask(key), nil, o.answer(key), nil, o.accept("", "")))
}

// looseKeys: no form is demanded of a key that is older than npm ws.
func looseKeys(o opening) []vectors.Vector {
	key := func(id, comment, key string) vectors.Vector {
		return choice(agreed(o.prefix+"-hs-key-"+id, o.doc+" "+o.request, comment+" is taken; to refuse it is legal",
			nil, o.ask(key), nil, o.answer(key), nil, o.accept("", "")))
	}
	return []vectors.Vector{
		key("short", "a key of one character, which is no base64,", "k"),
		key("long", "a key of 80 characters", strings.Repeat("0123456789", 8)),
	}
}

// plainOrigin: some clients of versions up to 8 name the field Origin.
func plainOrigin(o opening) vectors.Vector {
	return agreed(o.prefix+"-hs-origin-plain", o.doc+" "+o.request, "the origin stands in Origin",
		nil, o.ask(sampleKey, "Origin: http://example.com"), nil, o.answer(sampleKey), nil, o.accept("http://example.com", ""))
}
