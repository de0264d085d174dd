package gen

import "github.com/draftwire/draftwire/hostile"

// endlessHead is an answer whose head does not end.
type endlessHead struct {
	name, comment string
	holes         []string
	when          func(dialect) bool
	before, unit  string // unit comes over and over
	units         int64  // in a repetition; so that a player does not copy bytes one by one
}

// send is what sends it: 1 GiB, if it is taken.
func (h endlessHead) send(d dialect) hostile.Step {
	unit := over(max(h.units, 1), h.unit)
	s := send(h.before, unit)
	if h.before == "answer" {
		s = send(d.answer().blank(), unit)
	}
	last := &s.Parts[len(s.Parts)-1]
	last.Times = (1 << 30) / int64(len(hostile.Latin1(last.Text)))
	return s
}

// endlessHeads are those that come to a client.
func endlessHeads() []endlessHead {
	const ok = "HTTP/1.1 101 Switching Protocols\r\n"
	some, one := spoken("hixie-75", "hixie-76", "rfc6455"), spoken("rfc6455")
	return []endlessHead{
		{name: "first-line", comment: "its first line goes on and on", when: some, before: "HTTP/1.1 101 ", unit: letters(kib)},
		{name: "no-line", comment: "it is one line without a blank", when: some, unit: letters(kib)},
		{name: "value", comment: "a field's value goes on and on", when: some, before: ok + "X-A: ", unit: letters(kib)},
		{name: "name", comment: "a field's name goes on and on", when: one, before: ok, unit: letters(kib)},
		{name: "fields", comment: "there is always one more field", when: some, before: "answer", unit: "X-A: b\r\n",
			holes: []string{"CVE-2023-43669"}},
		{name: "folds", comment: "a field is folded on and on", when: one, before: ok + "X-A: b\r\n", unit: " c\r\n"},
		{name: "first-lines", comment: "its first line comes over and over", when: one, unit: ok},
		{name: "empty-lines", comment: "empty lines come before it", when: one, unit: "\r\n"},
		{name: "line-ends", comment: "CR after CR comes", when: one, before: ok, unit: "\r\r\r\r\r\r\r\r"},
		{name: "zeros", comment: "zeros come", when: some, unit: "\x00\x00\x00\x00\x00\x00\x00\x00"},
		{name: "interim-100", comment: "a 100 comes over and over", when: one, unit: "HTTP/1.1 100 Continue\r\n\r\n"},
		{name: "interim-103", comment: "a 103 comes over and over", when: some, unit: "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"},
	}
}

// delivery is how bytes are sent.
type delivery struct {
	name, comment string
	of            func(hostile.Step) hostile.Step
}

var deliveries = []delivery{
	{"at-once", "which come at once", func(s hostile.Step) hostile.Step { return s }},
	{"in-pieces", "which come in pieces of 1,000 bytes", func(s hostile.Step) hostile.Step {
		s.Piece, s.Pause = 1000, ms
		return s
	}},
}

// endlessBody is a refusal whose body does not end.
type endlessBody struct {
	name, comment string
	head, unit    string
	when          func(dialect) bool
}

// downFlood is what sends the body: 1 GiB, if it is taken.
func (b endlessBody) flood() hostile.Step {
	return send(over((1<<30)/int64(len(b.unit)), b.unit))
}

var endlessBodies = []endlessBody{
	{"length", "its length is 1 TiB", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 1099511627776\r\n\r\n", letters(kib), spoken("hixie-76", "hybi-04", "rfc6455")},
	{"until-end", "it lasts until the end of the stream", "HTTP/1.1 403 Forbidden\r\n\r\n", letters(kib), spoken("hixie-75", "rfc6455")},
	{"page", "it is a page of status 200", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", "<p>" + letters(kib), spoken("hixie-76", "rfc6455")},
	{"chunks", "it comes in chunks", "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n", "400\r\n" + letters(kib) + "\r\n", spoken("hixie-76", "rfc6455")},
	{"small-chunks", "it comes in chunks of a byte", "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", spoken("rfc6455")},
	{"huge-chunk", "its first chunk is longer than any number", "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n", letters(kib), spoken("rfc6455")},
	{"chunk-extension", "an extension of its first chunk goes on and on", "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n1;a=", letters(kib), spoken("rfc6455")},
	{"trailers", "there is always one more trailer", "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-A: b\r\n", spoken("rfc6455")},
	{"redirect", "it belongs to a redirect", "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 1099511627776\r\n\r\n", letters(kib), spoken("rfc6455")},
	{"negative", "its length is negative", "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: -1\r\n\r\n", letters(kib), spoken("rfc6455")},
}
