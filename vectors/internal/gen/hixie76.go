package gen

import (
	"strings"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// The keys of the document's first example (1.2).
const (
	key1A = "4 @1  46546xW%0l 1 5"
	key2A = "12998 5 Y3 1  .P00"
	key3A = "^n:ds[4U"
)

// ask76 returns a request head in the order that WebKit uses. Lines go before
// the keys.
func ask76(target, host, origin, key1, key2 string, more ...string) string {
	l := with([]string{"GET " + target + " HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade", "Host: " + host, "Origin: " + origin}, more...)
	return message(with(l, "Sec-WebSocket-Key1: "+key1, "Sec-WebSocket-Key2: "+key2)...)
}

// reply76 returns the response head.
func reply76(origin, location string, more ...string) string {
	return message(with([]string{"HTTP/1.1 101 WebSocket Protocol Handshake", "Upgrade: WebSocket", "Connection: Upgrade",
		"Sec-WebSocket-Origin: " + origin, "Sec-WebSocket-Location: " + location}, more...)...)
}

// challenged is how a version with two keys and eight bytes opens: hixie-76 and
// hybi-02.
type challenged struct {
	version wire.Version
	prefix  string // of ids
	doc     string // name of the document
	draft   string // Sec-WebSocket-Draft, or nothing
	list    bool   // a list of subprotocols, else one string
}

// ask returns a request head. Lines go before the draft and the keys.
func (c challenged) ask(target, host, origin, key1, key2 string, lines ...string) string {
	if c.draft != "" {
		lines = with(lines, "Sec-WebSocket-Draft: "+c.draft)
	}
	return ask76(target, host, origin, key1, key2, lines...)
}

// sec returns a section; hixie-76 alone has its steps.
func (c challenged) sec(number, step string) string {
	if c.version == wire.Hixie76 && step != "" {
		number += " " + step
	}
	return c.doc + " " + number
}

// hixie76 returns the vectors of hixie-76.
func hixie76() []vectors.Vector {
	h := hixie{version: wire.Hixie76, prefix: "h76", doc: "hixie-76", closes: true, full: true,
		frames: [2]string{"5.3", "4.2"}, text: [2]string{"5.4", "4.3"}}
	c := challenged{version: wire.Hixie76, prefix: "h76", doc: "hixie-76"}
	var l list
	l.add(handshakes76()...)
	l.add(c.keys()...)
	l.add(c.responses()...)
	l.add(published(h.commonFrames(), map[string]string{
		"h76-server-text":         "h76-fr-01",
		"h76-server-type-80":      "h76-fr-03",
		"h76-server-type-ff":      "h76-fr-04",
		"h76-client-length-300":   "h76-fr-05",
		"h76-server-ff-00":        "h76-cl-01",
		"h76-server-ff-long-zero": "h76-cl-03",
	})...)
	l.add(
		read{"h76-fr-02", "hixie-76 5.3", "characters of one to four bytes", hixieText("h\u00E9\u20AC\U0001D11E"), texts("h\u00E9\u20AC\U0001D11E"), ""}.vector(wire.Server),
		checked(read{"h76-fr-06", "hixie-76 4.3", "a continuation byte alone in its message; it is replaced", hixieText("\x80"), texts("\uFFFD"), ""}.vector(wire.Client)),
		sent("h76-cl-02", "hixie-76 5.3", "a code and its reason cannot be said: FF 00 is all", wire.Server, 1001, "going away", []byte{0xFF, 0x00}),
		sent("h76-ses-02", "hixie-76 5.3", "a close by the server; WebKit 534 never answers it, so the server ends the stream after a second", wire.Server, 1000, "", []byte{0xFF, 0x00}),
		sent("h76-say-client", "hixie-76 4.2", "a client says the same, without a mask", wire.Client, 1000, "", []byte{0xFF, 0x00}),
		sent("h76-say-nothing", "hixie-76 5.3", "1005, no code, is FF 00 too", wire.Server, 1005, "", []byte{0xFF, 0x00}),
	)
	return append(l, talks76()...)
}

// talks76: whole connections. The response head leaves before the eight bytes
// come, because a proxy may hold these back until it has seen the head.
func talks76() []vectors.Vector {
	const site, where = "http://example.com", "ws://example.com/demo"
	req, resp := []byte(ask76("/demo", "example.com", site, key1A, key2A)), []byte(reply76(site, where))
	counted := []byte(ask76("/demo", "example.com", site, key1A, key2A, "Content-Length: 8"))
	key3, proof := []byte(key3A), challenge(key1A, key2A, []byte(key3A))
	hi := hixieText("hi!")
	closing := []byte{0xFF, 0x00}
	one := func(id, section, comment string, steps ...vectors.Step) vectors.Vector {
		return talk("h76-ses-"+id, "hixie-76 "+section, comment,
			append(steps, ask(hi), server(hi), ask(closing), server(closing), fin(wire.Server))...)
	}
	return []vectors.Vector{
		one("01", "5.2", "the answer's head comes before the eight bytes were sent", ask(req), server(resp), ask(key3), server(proof)),
		one("03", "5.2", "the eight bytes come in two pieces", ask(req), server(resp), client(key3[:3]), ask(key3[3:]), server(proof)),
		one("whole", "5.2", "the request and its eight bytes come in one piece", ask(cat(req, key3)), server(cat(resp, proof))),
		one("length", "5.2", "the eight bytes are announced by Content-Length", ask(cat(counted, key3)), server(cat(resp, proof))),
		talk("h76-ses-frame-behind", "hixie-76 5.2", "a message directly behind the eight bytes",
			ask(req), server(resp), ask(cat(key3, hi)), server(cat(proof, hi)), ask(closing), server(closing), fin(wire.Server)),
		talk("h76-ses-drop", "hixie-76 5.3", "a client may just end the stream",
			ask(req), server(resp), ask(key3), server(proof), ask(hi), server(hi), fin(wire.Client)),
		talk("h76-ses-behind-close", "hixie-76 5.3", "a message behind FF 00 is not answered",
			ask(req), server(resp), ask(key3), server(proof), ask(cat(closing, hi)), server(closing), fin(wire.Server)),
	}
}

// handshakes76: requests and their answers.
func handshakes76() []vectors.Vector {
	const site, demo, root = "http://example.com", "ws://example.com/demo", "ws://example.com/"
	sample := []string{"sample"}
	one := func(id, section, comment string, protocols []string, request, key3, response string, acc vectors.Accept) vectors.Vector {
		k1, k2 := fieldOf(request, "Sec-WebSocket-Key1"), fieldOf(request, "Sec-WebSocket-Key2")
		acc.Version = "hixie-76"
		return agreed("h76-"+id, "hixie-76 "+section, comment, protocols, request, []byte(key3), response, challenge(k1, k2, []byte(key3)), acc)
	}
	// simple asks for /demo with the first keys.
	simple := func(id, section, comment, host, origin, location string, more ...string) vectors.Vector {
		return one(id, section, comment, nil, ask76("/demo", host, origin, key1A, key2A, more...), key3A,
			reply76(strings.ToLower(origin), location), vectors.Accept{Origin: origin, Location: location})
	}
	secure := one("hs-09", "5.2", "over TLS the location is wss; the query stays", nil,
		ask76("/s?q=1", "example.com", "https://example.com", key1A, key2A), key3A,
		reply76("https://example.com", "wss://example.com/s?q=1"), vectors.Accept{Origin: "https://example.com", Location: "wss://example.com/s?q=1"})
	secure.Secure = true
	refusal := vectors.Vector{ID: "h76-rej-protocol", Kind: vectors.KindHandshake, Section: "hixie-76 4.1",
		Comment: "the server does not speak the subprotocol; without it in the answer the client would fail", Result: vectors.Invalid,
		Server: &vectors.Server{Protocols: []string{"chat"}}, Request: ask76("/demo", "example.com", site, key1A, key2A, "Sec-WebSocket-Protocol: sample"),
		Tail: vectors.Hex(key3A), Status: 403, Reason: string(wire.ReasonProtocol)}
	return []vectors.Vector{
		one("hs-01", "1.2", "the first example of the document, with a subprotocol; the order of lines is random", sample,
			message("GET /demo HTTP/1.1", "Host: example.com", "Connection: Upgrade", "Sec-WebSocket-Key2: "+key2A, "Sec-WebSocket-Protocol: sample",
				"Upgrade: WebSocket", "Sec-WebSocket-Key1: "+key1A, "Origin: "+site), key3A,
			reply76(site, demo, "Sec-WebSocket-Protocol: sample"), vectors.Accept{Origin: site, Protocol: "sample", Location: demo}),
		one("hs-02", "1.3", "ten and twelve spaces, and one among the eight bytes", []string{"chat"},
			ask76("/", "example.com", site, "18x 6]8vM;54 *(5:  {   U1]8  z [  8", "1_ tx7X d  <  nw  334J702) 7]o}` 0", "Sec-WebSocket-Protocol: chat"), "Tm[K T2u",
			reply76(site, root, "Sec-WebSocket-Protocol: chat"), vectors.Accept{Origin: site, Protocol: "chat", Location: root}),
		one("hs-03", "5.2", "the first key's digits are above 2^31", nil,
			message("GET / HTTP/1.1", "Connection: Upgrade", "Host: example.com", "Upgrade: WebSocket", "Sec-WebSocket-Key1: 3e6b263  4 17 80",
				"Origin: "+site, "Sec-WebSocket-Key2: 17  9 G`ZD9   2 2b 7X 3 /r90"), "WjN}|M(6",
			reply76(site, root), vectors.Accept{Origin: site, Location: root}),
		one("hs-04", "4.1", "the example of the client's part", nil,
			ask76("/", "example.com", site, "P388 O503D&ul7 {K%gX( %7  15", "1 N ?|k UT0or 3o  4 I97N 5-S3O 31"), "G0\"-Z?GX",
			reply76(site, root), vectors.Accept{Origin: site, Location: root}),
		one("hs-05", "5.2", "a request in the order of Safari 5, with a cookie, and eight bytes that are no text", nil,
			message("GET /echo HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade", "Host: example.com:8001", "Origin: http://example.com:8000", "Cookie: a=b",
				"Sec-WebSocket-Key1: "+key1A, "Sec-WebSocket-Key2: "+key2A), "\xFF\x00\x80\r\n\r\n\x7F",
			reply76("http://example.com:8000", "ws://example.com:8001/echo"), vectors.Accept{Origin: "http://example.com:8000", Location: "ws://example.com:8001/echo"}),
		one("hs-06", "5.2", "random order of lines; port 80 is left out of the location", nil,
			message("GET /demo HTTP/1.1", "Sec-WebSocket-Key2: "+key2A, "Origin: "+site, "Connection: Upgrade", "Host: example.com:80",
				"Sec-WebSocket-Key1: "+key1A, "Upgrade: WebSocket"), key3A, reply76(site, demo), vectors.Accept{Origin: site, Location: demo}),
		one("hs-07", "5.2", "the eight bytes are announced by Content-Length", nil,
			message("GET /demo HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade", "Host: example.com", "Origin: "+site,
				"Sec-WebSocket-Key1: "+key1A, "Sec-WebSocket-Key2: "+key2A, "Content-Length: 8"), key3A, reply76(site, demo), vectors.Accept{Origin: site, Location: demo}),
		one("hs-08", "5.2", "Flash clients of 2010 ask in WebSocket-Protocol and look in Sec-WebSocket-Protocol", sample,
			ask76("/demo", "example.com", site, key1A, key2A, "WebSocket-Protocol: sample"), key3A,
			reply76(site, demo, "Sec-WebSocket-Protocol: sample"), vectors.Accept{Origin: site, Protocol: "sample", Location: demo}),
		secure,
		simple("hs-10", "5.1", "the origin of a page from a file", "example.com", "file://", demo),
		simple("hs-origin-case", "5.2", "the origin goes back in lower case", "example.com", "HTTP://Example.COM", demo),
		simple("hs-host-case", "5.2", "the host goes back in lower case", "EXAMPLE.com", site, demo),
		simple("hs-port", "5.2", "another port stays in the location", "example.com:8080", site, "ws://example.com:8080/demo"),
		one("hs-protocol-space", "5.1", "a subprotocol is one string, which may hold spaces", []string{"a b"},
			ask76("/demo", "example.com", site, key1A, key2A, "Sec-WebSocket-Protocol: a b"), key3A,
			reply76(site, demo, "Sec-WebSocket-Protocol: a b"), vectors.Accept{Origin: site, Protocol: "a b", Location: demo}),
		refusal,
	}
}

// fieldOf returns the value of the line with that name.
func fieldOf(head, name string) string {
	_, v, _ := strings.Cut(head, "\r\n"+name+": ")
	v, _, _ = strings.Cut(v, "\r\n")
	return v
}

// keys: what a key may hide, and keys that hide nothing.
func (c challenged) keys() []vectors.Vector {
	const site, where = "http://example.com", "ws://example.com/demo"
	good := func(id, comment, key string, n uint32) vectors.Vector {
		if part(key) != n {
			panic("gen: " + id)
		}
		return agreed(c.prefix+"-key-"+id, c.sec("5.2", "steps 4 to 7"), comment, nil, c.ask("/demo", "example.com", site, key, key2A), []byte(key3A),
			reply76(site, where), challenge(key, key2A, []byte(key3A)), vectors.Accept{Version: c.version.String(), Origin: site, Location: where})
	}
	asked := func(id, comment, key string, part1 uint32) vectors.Vector {
		return agreed(c.prefix+"-key-"+id, c.sec("5.2", "steps 4 to 7"), comment, nil, c.ask("/demo", "example.com", site, key, key2A), []byte(key3A),
			reply76(site, where), proof(part1, part(key2A), []byte(key3A)), vectors.Accept{Version: c.version.String(), Origin: site, Location: where})
	}
	blank := func(id, comment, key string) vectors.Vector { return asked(id, comment, key, part(key)) }
	uneven := func(id, comment, key string) vectors.Vector {
		return tolerating(asked(id, comment, key, quotient(key)), wire.TolerateUnevenKey)
	}
	bad := func(id, step, comment, key1, key2 string) vectors.Vector {
		return trailed(refused(c.prefix+"-"+id, c.sec("5.2", step), comment, c.ask("/demo", "example.com", site, key1, key2), wire.ReasonChallenge), key3A)
	}
	without := func(name string) string {
		return strings.Replace(c.ask("/demo", "example.com", site, key1A, key2A), name+": "+fieldOf(ask76("", "", "", key1A, key2A), name)+"\r\n", "", 1)
	}
	return []vectors.Vector{
		good("zero", "the number is 0", "a0 b", 0),
		good("most", "the highest number, 2^32-1", "4294967295 x", 1<<32-1),
		good("most-12", "twelve spaces and digits far above 2^32", "5 1 5 3 9 6 0 7 5 4 0 x x", 1<<32-1),
		good("leading-zeros", "leading zeros count for nothing", "000 0 12x", 6),
		good("run", "three spaces in a run count as three", "3x   0", 10),
		good("alphabet", "the characters between which digits hide", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~1 2", 12),
		good("high", "a character above 7E is skipped", "1\u0080 2", 12),
		choice(good("del", "7F, which one client of the time sends, is skipped; to refuse the head is legal", "1\u007F 2", 12)),
		bad("rej-01", "step 5", "the first key has no space", "4146546015", key2A),
		bad("rej-02", "step 6", "the first key's number is no multiple of its spaces", "4 @1  46546xW%0l 1 6", key2A),
		bad("rej-03", "step 7", "the first key's part is 2^33", "8589934592 x", key2A),
		bad("rej-04", "step 4", "the first key's digits do not fit 64 bits", "99999999999999999999999999 x", key2A),
		bad("rej-05", "step 4", "the first key has no digit", "abc def", key2A),
		refused(c.prefix+"-rej-06", c.sec("5.2", "step 1"), "the first key without the second", without("Sec-WebSocket-Key2"), wire.ReasonHalfChallenge),
		refused(c.prefix+"-rej-07", c.sec("5.2", "step 1"), "the second key without the first", without("Sec-WebSocket-Key1"), wire.ReasonHalfChallenge),
		bad("rej-part", "step 7", "the first key's part is 2^32, one too many", "4294967296 x", key2A),
		bad("rej-64-bits", "step 4", "the first key's digits are 2^64", "18446744073709551616 x", key2A),
		bad("rej-key2-space", "step 5", "the second key has no space", key1A, "1299853100"),
		bad("rej-key2-multiple", "step 6", "the second key's number is no multiple of its spaces", key1A, "12998 5 Y3 1  .P01"),
		bad("rej-tab", "step 5", "a tab is no space", "41465\t46015", key2A),
		blank("blank-behind", "two blanks behind a key count, as they came", "12 x9 y96  "),
		blank("blank-before", "of two blanks before a key the one behind the colon does not count", " 12 x9 y6 "),
		uneven("uneven", "a number that is no multiple of its spaces, rounded down", "4 @1  46546xW%0l 1 6"),
		tolerating(bad("rej-uneven-space", "step 5", "no space, whatever is tolerated", "4146546015", key2A), wire.TolerateUnevenKey),
		bad("rej-empty", "step 4", "an empty key", "", key2A),
	}
}

// responses: what a client makes of an answer.
func (c challenged) responses() []vectors.Vector {
	const site, demo = "http://example.com", "ws://example.com/demo"
	offer := vectors.Offer{Target: "/demo", Host: "example.com", Origin: site, Key1: key1A, Key2: key2A, Key3: vectors.Hex(key3A)}
	asked := offer
	asked.Protocols = []string{"sample"}
	proof := challenge(key1A, key2A, []byte(key3A))
	var l list
	client := "4.1"
	if c.version != wire.Hixie76 {
		client = "5.1"
	}
	agree := func(id, comment string, off vectors.Offer, response string, tail []byte, reason wire.Reason, protocol string) {
		l.add(judged(c.prefix+"-"+id, c.sec(client, ""), comment, off, response, tail, reason,
			vectors.Accept{Version: c.version.String(), Protocol: protocol}))
	}
	add := func(id, comment string, off vectors.Offer, response string, tail []byte, reason wire.Reason) {
		agree(id, comment, off, response, tail, reason, strings.Join(off.Protocols, ""))
	}
	const line, up, conn = "HTTP/1.1 101 WebSocket Protocol Handshake", "Upgrade: WebSocket", "Connection: Upgrade"
	o, w, p := "Sec-WebSocket-Origin: "+site, "Sec-WebSocket-Location: "+demo, "Sec-WebSocket-Protocol: sample"
	ok := func(id, comment string, off vectors.Offer, lines ...string) {
		add(id, comment, off, message(lines...), proof, "")
	}
	bad := func(id, comment string, off vectors.Offer, lines ...string) {
		add(id, comment, off, message(lines...), proof, wire.ReasonBadResponse)
	}
	ok("resp-good", "all is in order", offer, line, up, conn, o, w)
	ok("resp-protocol", "the subprotocol asked for", asked, line, up, conn, o, w, p)
	ok("resp-protocol-unasked", "a subprotocol that was not asked for is skipped", offer, line, up, conn, o, w, p)
	ok("resp-phrase", "the phrase behind 101 means nothing", offer, "HTTP/1.1 101 Switching Protocols", up, conn, o, w)
	ok("resp-order", "the order of lines means nothing", offer, line, "Server: x", w, o, conn, up)
	ok("resp-connection-case", "Connection is compared without regard to case", offer, line, up, "Connection: upgrade", o, w)
	bad("rej-08", "Upgrade in another case", offer, line, "Upgrade: websocket", conn, o, w)
	bad("resp-no-upgrade", "no Upgrade", offer, line, conn, o, w)
	bad("resp-upgrade-twice", "two Upgrade lines", offer, line, up, up, conn, o, w)
	bad("resp-no-connection", "no Connection", offer, line, up, o, w)
	bad("resp-connection-twice", "two Connection lines", offer, line, up, conn, conn, o, w)
	bad("resp-connection-list", "Connection is a list", offer, line, up, "Connection: keep-alive, Upgrade", o, w)
	bad("resp-no-origin", "no origin", offer, line, up, conn, w)
	bad("resp-origin-other", "another origin", offer, line, up, conn, "Sec-WebSocket-Origin: http://evil.example", w)
	bad("resp-origin-twice", "two origins", offer, line, up, conn, o, o, w)
	bad("resp-no-location", "no location", offer, line, up, conn, o)
	bad("resp-location-other", "another location", offer, line, up, conn, o, "Sec-WebSocket-Location: ws://example.com/")
	bad("resp-location-port", "the default port stands in the location", offer, line, up, conn, o, "Sec-WebSocket-Location: ws://example.com:80/demo")
	bad("resp-location-twice", "two locations", offer, line, up, conn, o, w, w)
	bad("resp-old-names", "the names of hixie-75", offer, line, up, conn, "WebSocket-Origin: "+site, "WebSocket-Location: "+demo)
	if c.list {
		several := asked
		several.Protocols = []string{"sample", "chat"}
		agree("resp-protocol-list", "one of the subprotocols offered", several, message(line, up, conn, o, w, "Sec-WebSocket-Protocol: chat"), proof, "", "chat")
		agree("resp-protocol-none", "a server need not choose a subprotocol", asked, message(line, up, conn, o, w), proof, "", "")
		add("resp-protocol-other", "a subprotocol that was not offered", asked, message(line, up, conn, o, w, "Sec-WebSocket-Protocol: other"), proof, wire.ReasonNotOffered)
	} else {
		bad("resp-protocol-none", "the subprotocol asked for is not there", asked, line, up, conn, o, w)
		bad("resp-protocol-other", "another subprotocol", asked, line, up, conn, o, w, "Sec-WebSocket-Protocol: other")
		bad("resp-protocol-twice", "the subprotocol twice", asked, line, up, conn, o, w, p, p)
	}
	add("resp-status-400", "the server refuses", offer, message("HTTP/1.1 400 Bad Request", "Content-Length: 0"), nil, wire.ReasonRefused)
	wrong := append([]byte(nil), proof...)
	wrong[15] ^= 1
	add("resp-proof", "one bit of the sixteen bytes is wrong", offer, message(line, up, conn, o, w), wrong, wire.ReasonBadAccept)
	add("resp-proof-swapped", "the proof for the two keys in the other order", offer, message(line, up, conn, o, w), challenge(key2A, key1A, []byte(key3A)), wire.ReasonBadAccept)
	return l
}
