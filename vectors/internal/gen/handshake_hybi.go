package gen

import (
	"encoding/base64"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// The key of the RFC's example (1.3).
const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// sampleNonce is the server's sixteen random bytes in the tests of pywebsocket
// for hybi-04.
var sampleNonce = []byte("\x1F\xE7\x0D\x8F\x97\xA5\x6B\x26\xDF\x18\x84\x2F\xD5\xEB\x25\xDB")

// opening is how a version with Sec-WebSocket-Key opens.
type opening struct {
	hybi
	number  string // Sec-WebSocket-Version
	nonce   []byte // sent in Sec-WebSocket-Nonce
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
func (o opening) answer(key string, lines ...string) string {
	l := []string{"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: " + acceptFor(key)}
	return message(with(with(l, o.nonceLine()...), lines...)...)
}

// nonceLine returns Sec-WebSocket-Nonce, if the version has it.
func (o opening) nonceLine() []string {
	if o.nonce == nil {
		return nil
	}
	return []string{"Sec-WebSocket-Nonce: " + base64.StdEncoding.EncodeToString(o.nonce)}
}

// nonced tells what a server with a nonce takes for random.
func (o opening) nonced(vs []vectors.Vector) []vectors.Vector {
	for i := range vs {
		switch v := &vs[i]; v.Kind {
		case vectors.KindHandshake:
			v.Server.Nonce = o.nonce
		case vectors.KindSession:
			v.Server = &vectors.Server{Protocols: []string{"sample", "chat"}, Nonce: o.nonce}
		}
	}
	return vs
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
			o.ask(sampleKey, org, "Sec-WebSocket-Protocol: chat, superchat"), o.answer(sampleKey, "Sec-WebSocket-Protocol: chat"), o.accept(site, "chat")),
		one("no-origin", "a client that is no browser may leave its origin out", nil,
			o.ask(sampleKey), o.answer(sampleKey), o.accept("", "")),
		one("no-protocol-known", "the server speaks none of the subprotocols and says nothing of it", chat,
			o.ask(sampleKey, org, "Sec-WebSocket-Protocol: superchat"), o.answer(sampleKey), o.accept(site, "")),
		one("protocol-unasked", "a client that asks for no subprotocol gets none", chat,
			o.ask(sampleKey, org), o.answer(sampleKey), o.accept(site, "")),
		one("protocol-lines", "a list of subprotocols over two lines is one list", []string{"third"},
			o.ask(sampleKey, org, "Sec-WebSocket-Protocol: first, second", "Sec-WebSocket-Protocol: third"),
			o.answer(sampleKey, "Sec-WebSocket-Protocol: third"), o.accept(site, "third")),
		choice(one("protocol-choice", "several subprotocols fit: the client's first is taken, any other of them is legal", []string{"b", "a"},
			o.ask(sampleKey, org, "Sec-WebSocket-Protocol: a, b"), o.answer(sampleKey, "Sec-WebSocket-Protocol: a"), o.accept(site, "a"))),
		choice(one("extension-declined", "an extension is declined by saying nothing; to take it would be legal too", nil,
			o.ask(sampleKey, org, "Sec-WebSocket-Extensions: x-unknown; a=1, x-other"), o.answer(sampleKey), o.accept(site, ""))),
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
	say := func(lines ...string) string { return message(with(lines, o.nonceLine()...)...) }
	add("good", "all is in order", offer, o.answer(sampleKey), "", "")
	add("protocol", "one of the subprotocols offered", asked, o.answer(sampleKey, "Sec-WebSocket-Protocol: superchat"), "", "superchat")
	add("protocol-none", "a server need not choose a subprotocol", asked, o.answer(sampleKey), "", "")
	add("status-200", "a status other than 101", offer, message("HTTP/1.1 200 OK", up, conn, proof), wire.ReasonRefused, "")
	add("status-426", "the server wants another version", offer, message("HTTP/1.1 426 Upgrade Required", up, conn, "Sec-WebSocket-Version: 99"), wire.ReasonRefused, "")
	add("no-upgrade", "no Upgrade", offer, say(line, conn, proof), wire.ReasonBadResponse, "")
	add("no-connection", "no Connection", offer, say(line, up, proof), wire.ReasonBadResponse, "")
	add("no-accept", "no Sec-WebSocket-Accept", offer, say(line, up, conn), wire.ReasonBadAccept, "")
	add("bad-accept", "the proof is for another key", offer, say(line, up, conn, "Sec-WebSocket-Accept: "+acceptFor("x3JJHMbDL1EzLkh9GBhXDw==")), wire.ReasonBadAccept, "")
	add("protocol-other", "a subprotocol that was not offered", asked, o.answer(sampleKey, "Sec-WebSocket-Protocol: other"), wire.ReasonNotOffered, "")
	add("protocol-unasked", "a subprotocol although none was offered", offer, o.answer(sampleKey, "Sec-WebSocket-Protocol: chat"), wire.ReasonNotOffered, "")
	add("extension-unasked", "an extension although none was offered", offer, o.answer(sampleKey, "Sec-WebSocket-Extensions: permessage-deflate"), wire.ReasonNotOffered, "")
	if !o.full {
		return l
	}
	add("case", "names and the two tokens in other cases", offer, say(line, "UPGRADE: WebSocket", "connection: upgrade", "sec-websocket-accept: "+acceptFor(sampleKey)), "", "")
	add("connection-list", "upgrade is one token of several", offer, say(line, up, "Connection: keep-alive, Upgrade", proof), "", "")
	add("phrase", "the phrase behind 101 means nothing", offer, say("HTTP/1.1 101 Web Socket Protocol Handshake", up, conn, proof), "", "")
	add("order", "the order of lines means nothing", offer, say(line, proof, "Server: x", conn, up), "", "")
	add("status-302", "a redirect is no 101", offer, message("HTTP/1.1 302 Found", "Location: http://example.com/"), wire.ReasonRefused, "")
	add("upgrade-other", "an upgrade to something else", offer, say(line, "Upgrade: h2c", conn, proof), wire.ReasonBadResponse, "")
	add("upgrade-twice", "two protocols in two lines", offer, say(line, up, "Upgrade: h2c", conn, proof), wire.ReasonBadResponse, "")
	add("upgrade-list", "two protocols in one line", offer, say(line, "Upgrade: websocket, h2c", conn, proof), wire.ReasonBadResponse, "")
	add("connection-other", "upgrade is not a token of Connection", offer, say(line, up, "Connection: upgrade-later", proof), wire.ReasonBadResponse, "")
	add("accept-twice", "two proofs", offer, say(line, up, conn, proof, proof), wire.ReasonBadAccept, "")
	add("accept-case", "base64 has two cases", offer, say(line, up, conn, "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO="), wire.ReasonBadAccept, "")
	add("protocol-twice", "two subprotocols", asked, o.answer(sampleKey, "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: superchat"), wire.ReasonNotOffered, "")
	add("protocol-case", "a subprotocol in another case is another one", asked, o.answer(sampleKey, "Sec-WebSocket-Protocol: Chat"), wire.ReasonNotOffered, "")
	return l
}

// talks returns whole connections. The server ends the stream first.
func (o opening) talks() []vectors.Vector {
	org := o.origin + ": http://example.com"
	req, resp := []byte(o.ask(sampleKey, org)), []byte(o.answer(sampleKey))
	t := talker{o.hybi, []vectors.Step{ask(req), server(resp)}, sampleMask}
	if o.masking == maskHash {
		t.connection = connectionKey(sampleKey, base64.StdEncoding.EncodeToString(o.nonce))
		t.last = otherMask // as in the known example
	}
	var l list
	l.add(t.echo("01", o.doc+" 1.2", "handshake, echo, close by the client; the server ends the stream"), t.ping())
	if o.masking != maskHash { // whose client waits for the nonce
		early := talker{o.hybi, nil, sampleMask}
		l.add(early.one("early", o.doc+" "+o.reply, "a frame in the same piece as the request is answered after the handshake",
			ask(cat(req, t.c(o.op.text, "hi"))), server(cat(resp, t.s(o.op.text, "hi")))))
	}
	if o.closes == closeLetter {
		l.add(t.closed("close-empty", "a close without a body is answered with the server's letter", "", o.bye(wire.Server)))
	} else {
		l.add(t.closed("close-empty", "a close without a body is answered without one", "", ""))
	}
	if o.closes == closeNothing || o.closes == closeLetter {
		l.add(t.closed("close-body", "the body of a close is no code and does not come back", string(closeBody(1000, "bye")), o.bye(wire.Server)))
	}
	if o.fourBits() {
		t.open = []vectors.Step{ask([]byte(o.ask(sampleKey, org, "Sec-WebSocket-Protocol: superchat, chat"))),
			server([]byte(o.answer(sampleKey, "Sec-WebSocket-Protocol: chat")))}
		l.add(t.echo("protocol", o.doc+" "+o.reply, "the server speaks the second of the subprotocols"))
	}
	return l
}

// talker makes whole connections of a version.
type talker struct {
	hybi
	open []vectors.Step // the handshake
	last []byte         // mask of a client's close
}

// c and s are frames of the client and of the server.
func (t talker) c(op byte, p string) []byte {
	mask := sampleMask
	switch {
	case t.masking == maskNone:
		mask = nil
	case op == t.op.close:
		mask = t.last
	}
	return t.frame(true, 0, op, mask, []byte(p))
}

func (t talker) s(op byte, p string) []byte { return t.frame(true, 0, op, nil, []byte(p)) }

// one has steps between the handshake and a close by the client.
func (t talker) one(id, section, comment string, steps ...vectors.Step) vectors.Vector {
	all := append(append([]vectors.Step(nil), t.open...), steps...)
	return talk(t.prefix+"-ses-"+id, section, comment, append(all,
		ask(t.c(t.op.close, t.bye(wire.Client))), server(t.s(t.op.close, t.bye(wire.Server))), fin(wire.Server))...)
}

// echo: one message and its echo.
func (t talker) echo(id, section, comment string) vectors.Vector {
	return t.one(id, section, comment, ask(t.c(t.op.text, "hi")), server(t.s(t.op.text, "hi")))
}

func (t talker) ping() vectors.Vector {
	return t.one("ping", t.sec(".5.2"), "a ping is answered with its own body",
		ask(t.c(t.op.ping, "p")), server(t.s(t.op.pong, "p")))
}

// closed: the client closes at once, with this body, and gets that one.
func (t talker) closed(id, comment, body, reply string) vectors.Vector {
	return talk(t.prefix+"-ses-"+id, t.sec(".5.1"), comment, append(append([]vectors.Step(nil), t.open...),
		ask(t.c(t.op.close, body)), server(t.s(t.op.close, reply)), fin(wire.Server))...)
}
