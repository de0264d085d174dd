package gen

import (
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// hybi05 returns the vectors of version 5.
func hybi05() []vectors.Vector {
	h := hybi{dialect: dialect{op: earlyOps, masking: maskFrame}, version: wire.Hybi05,
		prefix: "hy05", doc: "hybi-05", frames: "4", moved: moved04, text: "6", closes: closeLetter, replace: true}
	o := opening{hybi: h, number: "5", nonce: sampleNonce, origin: "Sec-WebSocket-Origin", request: "5.1", reply: "5.2.2", judge: "5.1"}

	var l list
	l.add(originDemanded(o.handshakes())...)
	l[0].Comment = "a list of subprotocols; whether draft 05 still has the nonce is in doubt, and to send it does no harm"
	l.add(plainOrigin(o))
	l.add(looseKeys(o)...)
	l.add(o.responses()...)
	l.add(freeNonces(o)...)
	l.add(published(h.commonFrames(), map[string]string{
		"hy05-server-text":         "hy05-fr-01",
		"hy05-client-text":         "hy05-fr-02",
		"hy05-server-text-126":     "hy05-fr-03",
		"hy05-server-mask-zero":    "hy05-fr-04",
		"hy05-client-close-letter": "hy05-cl-01",
		"hy05-server-close-letter": "hy05-cl-02",
	})...)
	l.add(h.plainClosings()...)
	l.add(o.talks()...)
	return o.nonced(l)
}

// freeNonces: from draft 05 on nothing depends on a nonce.
func freeNonces(o opening) []vectors.Vector {
	offer := vectors.Offer{Target: "/chat", Host: "server.example.com", Origin: "http://example.com", Key: sampleKey}
	bare := o
	bare.nonce = nil
	const nonce = "Sec-WebSocket-Nonce: AQIDBAUGBwgJCgsMDQ4PEA=="
	one := func(id, comment, response string) vectors.Vector {
		return judged(o.prefix+"-resp-"+id, o.doc+" "+o.judge, comment, offer, response, nil, "", o.accept("", ""))
	}
	if o.nonce == nil {
		return []vectors.Vector{one("nonce", "a nonce, which this draft does not have any more, is skipped", bare.answer(sampleKey, nonce))}
	}
	return []vectors.Vector{
		choice(one("no-nonce", "no nonce: nothing depends on it, although libwebsockets of February 2011 waits for one", bare.answer(sampleKey))),
		choice(one("nonces", "two nonces: nothing depends on either; to fail is legal", bare.answer(sampleKey, o.nonceLine()[0], nonce))),
	}
}
