package gen

import (
	"strings"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// first75 is what a client compares byte by byte (4.1 steps 12 and 13).
var first75 = []string{"HTTP/1.1 101 Web Socket Protocol Handshake", "Upgrade: WebSocket", "Connection: Upgrade"}

// ask75 returns a request head. Its lines have one order (4.1).
func ask75(target, host, origin string, more ...string) string {
	return message(with([]string{"GET " + target + " HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade",
		"Host: " + host, "Origin: " + origin}, more...)...)
}

// reply75 returns the response head.
func reply75(origin, location string, more ...string) string {
	return message(with(with(first75, "WebSocket-Origin: "+origin, "WebSocket-Location: "+location), more...)...)
}

// hixie75 returns the vectors of hixie-75.
func hixie75() []vectors.Vector {
	h := hixie{version: wire.Hixie75, prefix: "h75", doc: "hixie-75",
		frames: [2]string{"5.3", "4.2"}, text: [2]string{"5.4", "4.4"}}
	var l list
	l.add(handshakes75()...)
	l.add(responses75()...)
	l.add(published(h.commonFrames(), map[string]string{
		"h75-server-text":       "h75-fr-01",
		"h75-server-empty":      "h75-fr-02",
		"h75-server-two":        "h75-fr-03",
		"h75-client-type-80":    "h75-fr-05",
		"h75-client-length-256": "h75-fr-06",
	})...)
	l.add(
		read{"h75-fr-04", "hixie-75 5.3", "a character of three bytes", hixieText("\u672C"), texts("\u672C"), ""}.vector(wire.Server),
		read{"h75-fr-07", "hixie-75 5.3", "a type with a length that never ends: the type is judged first", append([]byte{0x80}, endless(11)...), nil, wire.FaultHixieType}.vector(wire.Server),
		read{"h75-fr-08", "hixie-75 4.2", "a reserved type that ends with FF, alone", hixieMarked(0x01, "ignored"), discards("ignored"), ""}.vector(wire.Client),
		checked(read{"h75-fr-09", "hixie-75 4.4", "a letter where the second byte should be; it is replaced", hixieText("a\xC3(b"), texts("a\uFFFD(b"), ""}.vector(wire.Client)),
		sent("h75-cl-01", "hixie-75 6", "no frame closes: the stream ends", wire.Server, 1000, "", nil),
		sent("h75-say-client", "hixie-75 6", "a client says nothing either, whatever the code", wire.Client, 4000, "bye", nil),
	)
	const where, site = "ws://example.com/echo", "http://example.com"
	req, resp := []byte(ask75("/echo", "example.com", site)), []byte(reply75(site, where))
	hi := hixieText("hi")
	l.add(
		talk("h75-ses-01", "hixie-75 1.2", "handshake, echo, end of the stream by the client",
			ask(req), server(resp), ask(hi), server(hi), fin(wire.Client)),
		talk("h75-ses-early", "hixie-75 5.2", "a message in the same piece as the request is answered after the handshake",
			ask(cat(req, hi)), server(cat(resp, hi)), fin(wire.Client)),
		talk("h75-ses-ff-00", "hixie-75 5.3", "FF 00 is no close: the next message is still answered",
			ask(req), server(resp), ask(cat([]byte{0xFF, 0x00}, hi)), server(hi), fin(wire.Client)),
	)
	return l
}

// handshakes75: requests and their answers.
func handshakes75() []vectors.Vector {
	const site = "http://example.com"
	one := func(id, section, comment string, protocols []string, request, response, origin, protocol, location string) vectors.Vector {
		return agreed(id, "hixie-75 "+section, comment, protocols, request, nil, response, nil,
			vectors.Accept{Version: "hixie-75", Origin: origin, Protocol: protocol, Location: location})
	}
	const demo = "ws://example.com/demo"
	secure := one("h75-hs-02", "5.1", "over TLS the location is wss, and its port 443 is left out", nil,
		ask75("/demo", "example.com:443", "https://example.com"), reply75("https://example.com", "wss://example.com/demo"),
		"https://example.com", "", "wss://example.com/demo")
	secure.Secure = true
	refusal := vectors.Vector{ID: "h75-rej-protocol", Kind: vectors.KindHandshake, Section: "hixie-75 4.1",
		Comment: "the server does not speak the subprotocol; without it in the answer the client would fail", Result: vectors.Invalid,
		Server: &vectors.Server{Protocols: []string{"chat"}}, Request: ask75("/demo", "example.com", site, "WebSocket-Protocol: sample"),
		Status: 403, Reason: string(wire.ReasonProtocol)}
	return []vectors.Vector{
		one("h75-hs-01", "1.2", "the example of the document, with a subprotocol", []string{"sample"},
			ask75("/demo", "example.com", site, "WebSocket-Protocol: sample"), reply75(site, demo, "WebSocket-Protocol: sample"), site, "sample", demo),
		secure,
		one("h75-hs-03", "5.1", "the target goes back as it came: escapes, case and query", nil,
			ask75("/A%2fb/%C3%A9?q=%20X", "example.com", site), reply75(site, "ws://example.com/A%2fb/%C3%A9?q=%20X"), site, "", "ws://example.com/A%2fb/%C3%A9?q=%20X"),
		one("h75-hs-port-80", "5.1", "port 80 is left out of the location", nil,
			ask75("/demo", "example.com:80", site), reply75(site, demo), site, "", demo),
		one("h75-hs-port", "5.1", "another port stays in the location", nil,
			ask75("/demo", "example.com:8080", site), reply75(site, "ws://example.com:8080/demo"), site, "", "ws://example.com:8080/demo"),
		one("h75-hs-host-case", "5.1", "the host goes back in lower case", nil,
			ask75("/demo", "EXAMPLE.Com", site), reply75(site, demo), site, "", demo),
		one("h75-hs-origin-case", "5.2", "the origin goes back in lower case", nil,
			ask75("/demo", "example.com", "HTTP://Example.COM"), reply75(site, demo), "HTTP://Example.COM", "", demo),
		one("h75-hs-origin-null", "5.1", "null is an origin like any other", nil,
			ask75("/demo", "example.com", "null"), reply75("null", demo), "null", "", demo),
		one("h75-hs-cookie", "4.1", "cookies stand behind the fixed lines", nil,
			ask75("/demo", "example.com", site, "Cookie: a=b"), reply75(site, demo), site, "", demo),
		one("h75-hs-protocol-unasked", "5.2", "a client that asks for no subprotocol gets none", []string{"sample"},
			ask75("/demo", "example.com", site), reply75(site, demo), site, "", demo),
		refusal,
	}
}

// responses75: what a client makes of an answer.
func responses75() []vectors.Vector {
	const site, demo = "http://example.com", "ws://example.com/demo"
	offer := vectors.Offer{Target: "/demo", Host: "example.com", Origin: site}
	asked := offer
	asked.Protocols = []string{"sample"}
	upper := offer
	upper.Origin = "HTTP://Example.com"
	var l list
	add := func(id, section, comment string, off vectors.Offer, response string, reason wire.Reason) {
		l.add(judged("h75-"+id, "hixie-75 4.1 "+section, comment, off, response, nil, reason,
			vectors.Accept{Version: "hixie-75", Protocol: strings.Join(off.Protocols, "")}))
	}
	o, w, p := "WebSocket-Origin: "+site, "WebSocket-Location: "+demo, "WebSocket-Protocol: sample"
	lines := func(l ...string) string { return message(with(first75, l...)...) }
	from := func(l ...string) string { return message(append(l, o, w)...) }
	add("resp-good", "step 23", "all is in order", offer, reply75(site, demo), "")
	add("resp-order", "step 23", "behind the third line the order means nothing", asked, lines(p, "X-Other: 1", w, o), "")
	add("resp-protocol-unasked", "step 23", "a subprotocol that was not asked for is skipped", offer, lines(o, w, p), "")
	add("resp-origin-own-case", "step 23", "the client compares with its own origin in lower case", upper, reply75(site, demo), "")
	add("rej-01", "step 13", "the second line has another case", offer, from(first75[0], "Upgrade: websocket", first75[2]), wire.ReasonBadResponse)
	add("rej-02", "step 13", "the second and third line have changed places", offer, from(first75[0], first75[2], first75[1]), wire.ReasonBadResponse)
	add("resp-phrase", "step 12", "the status line of hixie-76", offer, from("HTTP/1.1 101 WebSocket Protocol Handshake", first75[1], first75[2]), wire.ReasonBadResponse)
	add("resp-line-between", "step 13", "a line stands between the status line and Upgrade", offer, from(first75[0], "Server: x", first75[1], first75[2]), wire.ReasonBadResponse)
	add("resp-status-403", "step 12", "the server refuses", offer, message("HTTP/1.1 403 Forbidden", "Content-Length: 0"), wire.ReasonRefused)
	add("resp-no-origin", "step 23", "no origin", offer, lines(w), wire.ReasonBadResponse)
	add("resp-no-location", "step 23", "no location", offer, lines(o), wire.ReasonBadResponse)
	add("resp-origin-twice", "step 23", "two origins", offer, lines(o, o, w), wire.ReasonBadResponse)
	add("resp-location-twice", "step 23", "two locations", offer, lines(o, w, w), wire.ReasonBadResponse)
	add("resp-origin-other", "step 23", "another origin", offer, reply75("http://evil.example", demo), wire.ReasonBadResponse)
	add("resp-origin-case", "step 23", "the origin in another case", offer, reply75("http://Example.com", demo), wire.ReasonBadResponse)
	add("resp-location-other", "step 23", "another path", offer, reply75(site, "ws://example.com/Demo"), wire.ReasonBadResponse)
	add("resp-location-port", "step 23", "the default port stands in the location", offer, reply75(site, "ws://example.com:80/demo"), wire.ReasonBadResponse)
	add("resp-sec-names", "step 23", "the names of hixie-76", offer, lines("Sec-WebSocket-Origin: "+site, "Sec-WebSocket-Location: "+demo), wire.ReasonBadResponse)
	add("resp-protocol-none", "step 23", "the subprotocol asked for is not there", asked, reply75(site, demo), wire.ReasonBadResponse)
	add("resp-protocol-other", "step 23", "another subprotocol", asked, reply75(site, demo, "WebSocket-Protocol: other"), wire.ReasonBadResponse)
	add("resp-protocol-twice", "step 23", "the subprotocol twice", asked, reply75(site, demo, p, p), wire.ReasonBadResponse)
	return l
}
