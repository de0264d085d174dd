package gen

import (
	"encoding/base64"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// hybi04 returns the vectors of version 4, the first that masks. Frames have
// the keys of pywebsocket's tests: a connection's key of digits, the nonce
// ABCD.
func hybi04() []vectors.Vector {
	h := hybi{dialect: dialect{op: earlyOps, masking: maskHash, connection: []byte("01234567890123456789")}, version: wire.Hybi04,
		prefix: "hy04", doc: "hybi-04", frames: "4", moved: moved04, text: "6", closes: closeNothing, replace: true}
	o := opening{hybi: h, number: "4", nonce: sampleNonce, origin: "Sec-WebSocket-Origin", request: "5.1", reply: "5.2.2", judge: "5.1"}

	var l list
	l.add(originDemanded(o.handshakes())...)
	l[0].Comment = "a list of subprotocols; key and nonce of pywebsocket's tests, as the document's own example is wrong"
	l.add(plainOrigin(o))
	l.add(looseKeys(o)...)
	l.add(o.responses()...)
	l.add(responses04(o)...)
	l.add(published(h.commonFrames(), map[string]string{
		"hy04-server-text":         "hy04-fr-01",
		"hy04-server-text-126":     "hy04-fr-03",
		"hy04-server-binary-65536": "hy04-fr-04",
		"hy04-client-text":         "hy04-fr-06",
		"hy04-client-pong":         "hy04-fr-09",
		"hy04-client-binary-256":   "hy04-fr-10",
		"hy04-client-utf8-lone-80": "hy04-fr-12",
		"hy04-client-close-empty":  "hy04-cl-01",
		"hy04-server-close-empty":  "hy04-cl-02",
	})...)
	l.add(frames04(h)...)
	l.add(h.plainClosings()...)
	l.add(o.talks()...)
	return keyed(o.nonced(l), h.connection)
}

// keyed tells the connection's key: for frames the one they were made with, for
// handshakes the one that follows from key and nonce.
func keyed(vs []vectors.Vector, connection []byte) []vectors.Vector {
	for i := range vs {
		v := &vs[i]
		key := fieldOf(v.Request, "Sec-WebSocket-Key")
		if v.Offer != nil {
			key = v.Offer.Key
		}
		switch {
		case v.ConnectionKey != nil:
		case v.Kind == vectors.KindFrames, v.Kind == vectors.KindClose:
			v.ConnectionKey = connection
		case v.Accept != nil:
			v.Accept.ConnectionKey = connectionKey(key, fieldOf(v.Response, "Sec-WebSocket-Nonce"))
		}
	}
	return vs
}

// originDemanded: drafts 04 and 05 want every client to send its origin.
func originDemanded(vs []vectors.Vector) []vectors.Vector {
	for i, v := range vs {
		if v.Accept.Origin == "" {
			vs[i] = choice(v)
			vs[i].Comment = "a request without an origin, which this draft demands, is taken; to refuse it is legal"
		}
	}
	return vs
}

// responses04: the nonce, without which a client cannot send.
func responses04(o opening) []vectors.Vector {
	offer := vectors.Offer{Target: "/chat", Host: "server.example.com", Origin: "http://example.com", Key: sampleKey}
	asked := offer
	asked.Protocols = []string{"chat", "superchat"}
	bare := o
	bare.nonce = nil
	nonce := o.nonceLine()[0]
	const other = "Sec-WebSocket-Nonce: AQIDBAUGBwgJCgsMDQ4PEC=="
	one := func(id, comment string, off vectors.Offer, response string, reason wire.Reason) vectors.Vector {
		return judged("hy04-"+id, o.doc+" "+o.judge, comment, off, response, nil, reason, o.accept("", ""))
	}
	example := one("hs-02", "the answer in the document's own example: its proof is not what the document's algorithm gives", asked,
		message("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
			"Sec-WebSocket-Accept: me89jWimTRKTWwrS3aRrL53YZSo=", other, "Sec-WebSocket-Protocol: chat"), wire.ReasonBadAccept)
	example.Section = "hybi-04 1.3"
	return []vectors.Vector{
		example,
		one("resp-nonce-text", "a nonce is used as it stands there, its last character not being canonical", offer, bare.answer(sampleKey, other), ""),
		one("resp-no-nonce", "no nonce", offer, bare.answer(sampleKey), wire.ReasonBadResponse),
		one("resp-nonce-twice", "the nonce twice", offer, bare.answer(sampleKey, nonce, nonce), wire.ReasonBadResponse),
		one("resp-nonces", "two nonces", offer, bare.answer(sampleKey, nonce, other), wire.ReasonBadResponse),
	}
}

// frames04: more from the tests of 2011.
func frames04(h hybi) []vectors.Vector {
	s, c := side{h, wire.Server, h.clientMask()}, side{h, wire.Client, nil}
	hello := func(s side) []byte {
		op := s.op
		return cat(s.f(false, op.text, "Hello"), s.f(false, op.continuation, " "), s.f(false, op.continuation, "World"), s.f(true, op.continuation, "!"))
	}
	out := rows(wire.Server,
		read{"hy04-fr-02", h.sec(".4"), "a message in four frames, each with a nonce in front", hello(s), texts("Hello World!"), ""},
		read{"hy04-fr-13", h.sec(".5"), "a ping that is not final, with a body", s.f(false, h.op.ping, "Hello"), nil, wire.FaultControlFrag},
	)
	out = append(out, unhashed(h))
	return append(out, rows(wire.Client,
		read{"hy04-fr-07", h.sec(".4"), "a message in four frames", hello(c), texts("Hello World!"), ""},
		read{"hy04-fr-08", h.sec(".5.2"), "a ping with a longer body", c.f(true, h.op.ping, "Hello World!"), pings("Hello World!"), ""},
		read{"hy04-fr-11", h.sec(".6"), "a character of three bytes", c.f(true, h.op.text, "\u65E5"), texts("\u65E5"), ""},
	)...)
}

// unhashed is a frame of libwebsockets of January 2011, which masks with the
// connection's key itself.
func unhashed(h hybi) vectors.Vector {
	h.connection = connectionKey(sampleKey, base64.StdEncoding.EncodeToString(sampleNonce))
	clear := h.frame(true, 0, h.op.text, nil, []byte("Hello"))
	v := read{"hy04-fr-05", h.sec(".3"), "masked with the connection's key itself, as libwebsockets of January 2011 does: it comes out as noise, of which the reserved bits are judged first",
		cat(sampleMask, masked(h.connection, clear)), nil, wire.FaultRSV}.vector(wire.Server)
	v.ConnectionKey = h.connection
	return v
}
