package gen

import (
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// The key of the RFC's example (1.3).
const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// opening is how a version with Sec-WebSocket-Key opens.
type opening struct {
	hybi
	number  string // Sec-WebSocket-Version
	origin  string // the field with the origin
	request string // section on the client's request
	reply   string // section on the server's answer
	judge   string // section on the client's check
}

// ask returns a request head. Lines go between the key and the version.
func (o opening) ask(key string, lines ...string) string {
	l := []string{"GET /chat HTTP/1.1", "Host: server.example.com", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: " + key}
	return message(with(with(l, lines...), "Sec-WebSocket-Version: "+o.number)...)
}

// answer returns the response head that accepts a key.
func answer(key string, lines ...string) string {
	return message(with([]string{"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: " + acceptFor(key)}, lines...)...)
}

// accept is the outcome of a handshake.
func (o opening) accept(origin, protocol string) vectors.Accept {
	return vectors.Accept{Version: o.version.String(), Origin: origin, Protocol: protocol}
}

// handshakes returns what the versions have in common.
func (o opening) handshakes() []vectors.Vector {
	const site = "http://example.com"
	org := o.origin + ": " + site
	chat := []string{"chat"}
	one := func(id, comment string, protocols []string, request, response string, acc vectors.Accept) vectors.Vector {
		return agreed(o.prefix+"-hs-"+id, o.doc+" "+o.reply, comment, protocols, request, nil, response, nil, acc)
	}
	var l list
	l.add(
		one("01", "the example of the document, with a list of subprotocols", chat,
			o.ask(sampleKey, org, "Sec-WebSocket-Protocol: chat, superchat"), answer(sampleKey, "Sec-WebSocket-Protocol: chat"), o.accept(site, "chat")),
		one("no-origin", "a client that is no browser may leave its origin out", nil,
			o.ask(sampleKey), answer(sampleKey), o.accept("", "")),
		one("no-protocol-known", "the server speaks none of the subprotocols and says nothing of it", chat,
			o.ask(sampleKey, org, "Sec-WebSocket-Protocol: superchat"), answer(sampleKey), o.accept(site, "")),
		one("protocol-unasked", "a client that asks for no subprotocol gets none", chat,
			o.ask(sampleKey, org), answer(sampleKey), o.accept(site, "")),
		one("protocol-lines", "a list of subprotocols over two lines is one list", []string{"third"},
			o.ask(sampleKey, org, "Sec-WebSocket-Protocol: first, second", "Sec-WebSocket-Protocol: third"),
			answer(sampleKey, "Sec-WebSocket-Protocol: third"), o.accept(site, "third")),
		choice(one("protocol-choice", "several subprotocols fit: the client's first is taken, any other of them is legal", []string{"b", "a"},
			o.ask(sampleKey, org, "Sec-WebSocket-Protocol: a, b"), answer(sampleKey, "Sec-WebSocket-Protocol: a"), o.accept(site, "a"))),
		choice(one("extension-declined", "an extension is declined by saying nothing; to take it would be legal too", nil,
			o.ask(sampleKey, org, "Sec-WebSocket-Extensions: x-unknown; a=1, x-other"), answer(sampleKey), o.accept(site, ""))),
	)
	return l
}

// responses returns a client's judgements.
func (o opening) responses() []vectors.Vector {
	offer := vectors.Offer{Target: "/chat", Host: "server.example.com", Origin: "http://example.com", Key: sampleKey}
	asked := offer
	asked.Protocols = []string{"chat", "superchat"}
	var l list
	add := func(id, comment string, off vectors.Offer, response string, reason wire.Reason, protocol string) {
		l.add(judged(o.prefix+"-resp-"+id, o.doc+" "+o.judge, comment, off, response, nil, reason, o.accept("", protocol)))
	}
	const line, up, conn = "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"
	proof := "Sec-WebSocket-Accept: " + acceptFor(sampleKey)
	add("good", "all is in order", offer, answer(sampleKey), "", "")
	add("protocol", "one of the subprotocols offered", asked, answer(sampleKey, "Sec-WebSocket-Protocol: superchat"), "", "superchat")
	add("protocol-none", "a server need not choose a subprotocol", asked, answer(sampleKey), "", "")
	add("status-200", "a status other than 101", offer, message("HTTP/1.1 200 OK", up, conn, proof), wire.ReasonRefused, "")
	add("status-426", "the server wants another version", offer, message("HTTP/1.1 426 Upgrade Required", up, conn, "Sec-WebSocket-Version: 99"), wire.ReasonRefused, "")
	add("no-upgrade", "no Upgrade", offer, message(line, conn, proof), wire.ReasonBadResponse, "")
	add("no-connection", "no Connection", offer, message(line, up, proof), wire.ReasonBadResponse, "")
	add("no-accept", "no Sec-WebSocket-Accept", offer, message(line, up, conn), wire.ReasonBadAccept, "")
	add("bad-accept", "the proof is for another key", offer, message(line, up, conn, "Sec-WebSocket-Accept: "+acceptFor("x3JJHMbDL1EzLkh9GBhXDw==")), wire.ReasonBadAccept, "")
	add("protocol-other", "a subprotocol that was not offered", asked, answer(sampleKey, "Sec-WebSocket-Protocol: other"), wire.ReasonNotOffered, "")
	add("protocol-unasked", "a subprotocol although none was offered", offer, answer(sampleKey, "Sec-WebSocket-Protocol: chat"), wire.ReasonNotOffered, "")
	add("extension-unasked", "an extension although none was offered", offer, answer(sampleKey, "Sec-WebSocket-Extensions: permessage-deflate"), wire.ReasonNotOffered, "")
	if !o.full {
		return l
	}
	add("case", "names and the two tokens in other cases", offer, message(line, "UPGRADE: WebSocket", "connection: upgrade", "sec-websocket-accept: "+acceptFor(sampleKey)), "", "")
	add("connection-list", "upgrade is one token of several", offer, message(line, up, "Connection: keep-alive, Upgrade", proof), "", "")
	add("phrase", "the phrase behind 101 means nothing", offer, message("HTTP/1.1 101 Web Socket Protocol Handshake", up, conn, proof), "", "")
	add("order", "the order of lines means nothing", offer, message(line, proof, "Server: x", conn, up), "", "")
	add("status-302", "a redirect is no 101", offer, message("HTTP/1.1 302 Found", "Location: http://example.com/"), wire.ReasonRefused, "")
	add("upgrade-other", "an upgrade to something else", offer, message(line, "Upgrade: h2c", conn, proof), wire.ReasonBadResponse, "")
	add("connection-other", "upgrade is not a token of Connection", offer, message(line, up, "Connection: upgrade-later", proof), wire.ReasonBadResponse, "")
	add("accept-twice", "two proofs", offer, message(line, up, conn, proof, proof), wire.ReasonBadAccept, "")
	add("accept-case", "base64 has two cases", offer, message(line, up, conn, "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO="), wire.ReasonBadAccept, "")
	add("protocol-twice", "two subprotocols", asked, answer(sampleKey, "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: superchat"), wire.ReasonNotOffered, "")
	add("protocol-case", "a subprotocol in another case is another one", asked, answer(sampleKey, "Sec-WebSocket-Protocol: Chat"), wire.ReasonNotOffered, "")
	return l
}

// talks returns whole connections. The server ends the stream first.
func (o opening) talks() []vectors.Vector {
	req := []byte(o.ask(sampleKey, o.origin+": http://example.com"))
	resp := []byte(answer(sampleKey))
	c := func(op byte, p string) []byte { return frame(true, 0, op, sampleMask, []byte(p)) }
	s := func(op byte, p string) []byte { return frame(true, 0, op, nil, []byte(p)) }
	bye := string(closeBody(1000, ""))
	end := []vectors.Step{ask(c(opClose, bye)), server(s(opClose, bye)), fin(wire.Server)}
	steps := func(s ...vectors.Step) []vectors.Step { return append(s, end...) }
	one := func(id, section, comment string, s []vectors.Step) vectors.Vector {
		return talk(o.prefix+"-ses-"+id, o.doc+" "+section, comment, s...)
	}
	return []vectors.Vector{
		one("01", "1.2", "handshake, echo, close by the client; the server ends the stream",
			steps(ask(req), server(resp), ask(c(opText, "hi")), server(s(opText, "hi")))),
		one("ping", o.frames+".5.2", "a ping is answered with its own body",
			steps(ask(req), server(resp), ask(c(opPing, "p")), server(s(opPong, "p")))),
		one("early", o.reply, "a frame in the same piece as the request is answered after the handshake",
			steps(ask(cat(req, c(opText, "hi"))), server(cat(resp, s(opText, "hi"))))),
		one("close-empty", o.frames+".5.1", "a close without a body is answered without one",
			[]vectors.Step{ask(req), server(resp), ask(c(opClose, "")), server(s(opClose, "")), fin(wire.Server)}),
	}
}
