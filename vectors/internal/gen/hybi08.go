package gen

import (
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// hybi08 returns the vectors of version 8, drafts 08 to 12. Where these differ
// the vectors hold to the later ones.
func hybi08() []vectors.Vector {
	h := hybi{dialect: dialect{op: laterOps}, version: wire.Hybi08, prefix: "hy08", doc: "hybi-08", frames: "4", text: "6", tooBig: true}
	o := opening{hybi: h, number: "8", origin: "Sec-WebSocket-Origin", request: "5.1", reply: "5.2.2", judge: "5.1"}
	const site = "http://example.com"

	var l list
	l.add(o.handshakes()...)
	l.add(agreed("hy08-hs-02", "hybi-11 5.1", "since draft 11 the origin stands in Origin", nil,
		o.ask(sampleKey, "Origin: "+site), nil, o.answer(sampleKey), nil, o.accept(site, "")))
	l.add(firefox(o, "hy08-hs-03", "Firefox 7: a list in Connection", "7.0"))
	l.add(agreed("hy08-hs-origin-both", o.doc+" "+o.request, "both origin fields with one value, as npm ws 0.4 sends them", nil,
		o.ask(sampleKey, "Sec-WebSocket-Origin: "+site, "Origin: "+site), nil, o.answer(sampleKey), nil, o.accept(site, "")))
	l.add(shortKey(o))
	l.add(agreed("hy08-hs-origin-differ", o.doc+" "+o.request, "the host as Origin beside the right field, as npm ws 0.4 sends them too: it is ignored", nil,
		o.ask(sampleKey, "Sec-WebSocket-Origin: "+site, "Origin: server.example.com:80"), nil, o.answer(sampleKey), nil, o.accept(site, "")))
	l.add(found("hy08-rej-01", o.doc+" "+o.request, "the two origin fields differ: the second is ignored",
		message("GET /chat HTTP/1.1", "Host: server.example.com", "Upgrade: websocket", "Connection: Upgrade",
			"Sec-WebSocket-Key: "+sampleKey, "Sec-WebSocket-Origin: "+site, "Sec-WebSocket-Protocol: chat, superchat",
			"Sec-WebSocket-Version: 8", "Origin: http://evil.example"), wire.Hybi08))
	l.add(o.responses()...)
	l.add(published(h.commonFrames(), map[string]string{
		"hy08-client-close-1007": "hy08-cl-01",
		"hy08-server-rsv1":       "hy08-fr-01",
	})...)
	// Draft 08 alone says to ignore bits and opcodes that are reserved; draft 09
	// and later fail, with the same version number.
	for i := range l {
		switch wire.Fault(l[i].Error) {
		case wire.FaultRSV, wire.FaultOpcode:
			l[i].Section = "hybi-09 4.2"
			l[i] = choice(l[i])
			l[i].Comment += "; draft 08 alone ignores it"
		}
	}
	// Code 1007 came with draft 10; the others later.
	l.add(h.closeCodes(map[int]int{1008: 1002, 1009: 1004, 1010: 1002, 1011: 1002, 1012: 1002, 1013: 1002, 1014: 1002})...)
	l.add(o.talks()...)
	return l
}
