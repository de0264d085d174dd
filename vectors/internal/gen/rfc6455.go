package gen

import (
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// rfc6455 returns the vectors of version 13.
func rfc6455() []vectors.Vector {
	h := hybi{dialect: dialect{op: laterOps}, version: wire.RFC6455, prefix: "rfc", doc: "RFC 6455", frames: "5", text: "8.1", full: true, minimal: true}
	o := opening{hybi: h, number: "13", origin: "Origin", request: "4.1", reply: "4.2.2", judge: "4.1"}

	var l list
	l.add(o.handshakes()...)
	l.add(rfcHandshakes(o)...)
	l.add(o.responses()...)
	l.add(published(h.commonFrames(), map[string]string{
		"rfc-client-text":                "rfc-fr-01",
		"rfc-server-text":                "rfc-fr-02",
		"rfc-client-fragments":           "rfc-fr-03",
		"rfc-client-ping":                "rfc-fr-04",
		"rfc-server-pong":                "rfc-fr-05",
		"rfc-client-binary-256":          "rfc-fr-06",
		"rfc-client-binary-65536":        "rfc-fr-07",
		"rfc-server-text-125":            "rfc-fr-08",
		"rfc-server-text-126":            "rfc-fr-09",
		"rfc-server-binary-65536":        "rfc-fr-10",
		"rfc-server-length-msb":          "rfc-fr-11",
		"rfc-server-unmasked":            "rfc-fr-12",
		"rfc-client-masked":              "rfc-fr-13",
		"rfc-server-rsv1":                "rfc-fr-14",
		"rfc-server-opcode-3":            "rfc-fr-15",
		"rfc-server-ping-not-final":      "rfc-fr-16",
		"rfc-server-ping-126":            "rfc-fr-17",
		"rfc-server-orphan":              "rfc-fr-18",
		"rfc-server-text-in-text":        "rfc-fr-19",
		"rfc-server-utf8-bad-2nd-of-2":   "rfc-fr-20",
		"rfc-server-utf8-across":         "rfc-fr-21",
		"rfc-server-utf8-across-bad":     "rfc-fr-22",
		"rfc-server-utf8-surrogate-d800": "rfc-fr-23",
		"rfc-server-close-1000":          "rfc-cl-01",
		"rfc-server-close-1001-reason":   "rfc-cl-02",
		"rfc-server-close-empty":         "rfc-cl-03",
		"rfc-server-close-1-byte":        "rfc-cl-04",
		"rfc-server-close-0":             "rfc-cl-05",
		"rfc-server-close-999":           "rfc-cl-06",
		"rfc-server-close-1004":          "rfc-cl-07",
		"rfc-server-close-1005":          "rfc-cl-08",
		"rfc-server-close-1006":          "rfc-cl-09",
		"rfc-server-close-1015":          "rfc-cl-10",
		"rfc-server-close-1016":          "rfc-cl-11",
		"rfc-server-close-2999":          "rfc-cl-12",
		"rfc-server-close-5000":          "rfc-cl-13",
		"rfc-server-close-reason-bad":    "rfc-cl-14",
		"rfc-client-close-3000":          "rfc-cl-15",
	})...)
	l.add(h.closeCodes(nil)...)
	l.add(o.talks()...)
	return l
}

// rfcHandshakes: the ways of one version only.
func rfcHandshakes(o opening) []vectors.Vector {
	const site = "http://example.com"
	full := []string{"Origin: " + site, "Sec-WebSocket-Protocol: chat, superchat"}
	known := func(id, comment, key string) vectors.Vector {
		return agreed(id, "RFC 6455 4.2.2", comment, []string{"chat"}, o.ask(key, full...), nil,
			o.answer(key, "Sec-WebSocket-Protocol: chat"), nil, o.accept(site, "chat"))
	}
	plain := func(id, section, comment, key, request string) vectors.Vector {
		return agreed(id, "RFC 6455 "+section, comment, nil, request, nil, o.answer(key), nil, o.accept(site, ""))
	}
	k, v, org := "Sec-WebSocket-Key: "+sampleKey, "Sec-WebSocket-Version: 13", "Origin: "+site
	return []vectors.Vector{
		known("rfc-hs-02", "a key and its proof", "x3JJHMbDL1EzLkh9GBhXDw=="),
		known("rfc-hs-03", "another key and its proof", "OfMWmQZlMFBWe/o7k1CzZg=="),
		known("rfc-hs-05", "the key is hashed as it came, its last character not being canonical (erratum 3150)", "AQIDBAUGBwgJCgsMDQ4PEC=="),
		plain("rfc-hs-04", "4.2.1", "the order and case of names, and the case of tokens, mean nothing", sampleKey,
			message("GET /chat HTTP/1.1", "sec-websocket-version: 13", "ORIGIN: "+site, "connection: UPGRADE", "sec-websocket-key: "+sampleKey, "upgrade: WebSocket", "host: server.example.com")),
		plain("rfc-hs-space", "4.2.1", "white space around values is none of theirs", sampleKey,
			message("GET /chat HTTP/1.1", "Host:server.example.com", "Upgrade:  websocket\t", "Connection: Upgrade", "Sec-WebSocket-Key:\t"+sampleKey+"  ", "Origin: "+site, "Sec-WebSocket-Version:13 ")),
		plain("rfc-hs-absolute", "4.2.1", "an absolute target", sampleKey,
			message("GET http://server.example.com/chat?a=b HTTP/1.1", "Host: server.example.com", "Upgrade: websocket", "Connection: Upgrade", k, org, v)),
	}
}
