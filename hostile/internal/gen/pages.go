package gen

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// pagesCases returns the attacks of the side pages: what a client of a proxy that carries
// ordinary requests does to make one request two, or to make the proxy and its backend
// disagree on where a request ends.
//
// A sound proxy refuses the request, or passes on exactly one whose length is said once and
// in one way. Nothing of its body becomes a request: the path /smuggled must not be asked for.
func pagesCases() []hostile.Case {
	l := &list{side: hostile.Pages}
	pagesLengths(l)
	pagesCodings(l)
	pagesChunks(l)
	pagesLines(l)
	pagesNames(l)
	pagesUpgrades(l)
	pagesTargets(l)
	pagesConnections(l)
	pagesH2(l)
	return l.cases
}

const (
	second    = "GET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
	postHead  = "POST / HTTP/1.1\r\nHost: {host}\r\n"
	lastChunk = "0\r\n\r\n"
)

// holesOf are published holes of these kinds, by the name of a case.
var holesOf = map[string][]string{
	"plain": {"CVE-2019-20445"}, "cl-cl-zero-first": {"CVE-2019-20445"}, "cl-cl-zero-last": {"CVE-2019-20445"},
	"blank-before-colon": {"CVE-2019-16276", "CVE-2019-16869", "CVE-2021-22959"}, "folded": {"CVE-2022-32215"}, "folded-length": {"CVE-2022-32215"},
	"no-colon": {"CVE-2019-20444"}, "cr": {"CVE-2023-30589"}, "cr-hides-length": {"CVE-2023-30589"},
}

// requestsAre is a verdict by how many requests the backend may see.
func requestsAre(n int, never ...string) hostile.Verdict {
	v := whatever()
	v.Beyond = &hostile.Beyond{Requests: &n, Never: never}
	return v
}

// page adds a case: text is sent as it is.
func (l *list) page(name, comment, text string, holes ...string) {
	l.add("smuggle/"+name, hostile.Case{
		Comment: comment, Holes: holes, Steps: steps(send(text), hold(ms*400)), Verdict: requestsAre(1, "/smuggled"),
	})
}

// pagesLengths: two lengths, or one that is no number.
func pagesLengths(l *list) {
	body := second
	n := len(strings.ReplaceAll(body, "{host}", "127.0.0.1:65535"))
	for _, v := range []struct{ name, comment, fields string }{
		{"cl-cl-zero-first", "Two lengths, the first is 0.", "Content-Length: 0\r\nContent-Length: %d"},
		{"cl-cl-zero-last", "Two lengths, the last is 0.", "Content-Length: %d\r\nContent-Length: 0"},
		{"cl-cl-list", "Two lengths in one field.", "Content-Length: 0, %d"},
		{"cl-plus", "A length with a sign.", "Content-Length: +%d"},
		{"cl-minus", "A length below 0.", "Content-Length: -1"},
		{"cl-hex", "A length in hexadecimal digits.", "Content-Length: 0x0"},
		{"cl-blank-inside", "A length with a blank inside.", "Content-Length: 0 %d"},
		{"cl-underscore", "A length with an underscore, which some libraries take for a number.", "Content-Length: 0_0"},
		{"cl-point", "A length with a fraction.", "Content-Length: 0.0"},
		{"cl-exponent", "A length with an exponent.", "Content-Length: 0e1"},
		{"cl-empty", "A length that is not said.", "Content-Length:"},
		{"cl-overflow-64", "A length of 2^64, which is 0 to who counts in 64 bits.", "Content-Length: 18446744073709551616"},
		{"cl-overflow-32", "A length of 2^32, which is 0 to who counts in 32 bits.", "Content-Length: 4294967296"},
		{"cl-octal", "A length with a zero before it, which some take for one in octal digits.", "Content-Length: 0%d"},
		{"cl-vertical", "A vertical tab before the length.", "Content-Length: \x0b0"},
		{"cl-form-feed", "A form feed behind the length.", "Content-Length: 0\x0c"},
		{"cl-nul", "NUL behind the length.", "Content-Length: 0\x00"},
		{"cl-comma", "A comma behind the length.", "Content-Length: 0,"},
		{"cl-quoted", "A length in quotes.", `Content-Length: "0"`},
		{"cl-superscript", "A length of a digit beyond ASCII.", "Content-Length: \u00b2"},
	} {
		l.page(v.name, v.comment+" A second request stands in the body.", postHead+numbered(v.fields, n)+"\r\n\r\n"+body, holesOf[v.name]...)
	}
}

// pagesCodings: a length and a coding, or a coding that one program knows and another does
// not: CL.TE, TE.CL and TE.TE.
func pagesCodings(l *list) {
	tail := second
	clTE := func(coding string) string {
		return postHead + fmt.Sprintf("Content-Length: %d\r\n%s\r\n\r\n", len(lastChunk)+len(strings.ReplaceAll(tail, "{host}", "127.0.0.1:65535")), coding) + lastChunk + tail
	}
	teCL := func(coding string) string {
		chunk := strings.ReplaceAll(tail, "{host}", "a")
		return postHead + fmt.Sprintf("%s\r\nContent-Length: 4\r\n\r\n%x\r\n%s\r\n", coding, len(chunk), chunk) + lastChunk
	}
	for _, v := range []struct{ name, comment, coding string }{
		{"plain", "chunked", "Transfer-Encoding: chunked"},
		{"capitals", "chunked in capitals", "TRANSFER-ENCODING: CHUNKED"},
		{"blank-before-colon", "chunked, with a blank before the colon", "Transfer-Encoding : chunked"},
		{"tab-before-colon", "chunked, with a tab before the colon", "Transfer-Encoding\t: chunked"},
		{"folded", "chunked in a folded line", "Transfer-Encoding:\r\n chunked"},
		{"leading-blank", "chunked in a line that begins with a blank", "X-A: b\r\n Transfer-Encoding: chunked"},
		{"vertical", "a vertical tab before chunked", "Transfer-Encoding: \x0bchunked"},
		{"form-feed", "a form feed before chunked", "Transfer-Encoding: \x0cchunked"},
		{"nul", "NUL behind chunked", "Transfer-Encoding: chunked\x00"},
		{"del", "DEL before chunked", "Transfer-Encoding: \x7fchunked"},
		{"high", "a byte beyond ASCII before chunked", "Transfer-Encoding: \u00a0chunked"},
		{"quoted", "chunked in quotes", `Transfer-Encoding: "chunked"`},
		{"apostrophes", "chunked in apostrophes", "Transfer-Encoding: 'chunked'"},
		{"x-chunked", "x-chunked", "Transfer-Encoding: xchunked"},
		{"chunk", "chunk", "Transfer-Encoding: chunk"},
		{"identity", "identity", "Transfer-Encoding: identity"},
		{"identity-chunked", "identity, then chunked", "Transfer-Encoding: identity, chunked"},
		{"chunked-identity", "chunked, then identity", "Transfer-Encoding: chunked, identity"},
		{"chunked-cow", "chunked, then a coding that nobody knows", "Transfer-Encoding: chunked, cow"},
		{"two-fields", "chunked in one field and another coding in the next", "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow"},
		{"two-fields-reversed", "another coding in one field and chunked in the next", "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked"},
		{"parameter", "chunked with a parameter", "Transfer-Encoding: chunked;q=1"},
		{"comma", "a comma before chunked", "Transfer-Encoding: ,chunked"},
		{"empty", "no coding", "Transfer-Encoding:"},
		{"underscore", "the field's name with an underscore", "Transfer_Encoding: chunked"},
		{"lf", "chunked behind a line that ends in LF alone", "X-A: b\nTransfer-Encoding: chunked"},
		{"cr", "chunked behind CR alone", "X-A: b\rTransfer-Encoding: chunked"},
		{"connection", "chunked, which Connection names as a field of its own", "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked"},
	} {
		l.page("cl-te-"+v.name, "CL.TE: a length, and "+v.comment+". Behind the last chunk a second request stands.", clTE(v.coding), holesOf[v.name]...)
		l.page("te-cl-"+v.name, "TE.CL: "+v.comment+", and a length of 4. The chunk has a second request.", teCL(v.coding), holesOf[v.name]...)
	}
	l.page("te-http-10", "chunked in HTTP/1.0, which knows no codings (RFC 9112 6.1).", strings.Replace(clTE("Transfer-Encoding: chunked"), "HTTP/1.1\r\nHost: {host}\r\nContent", "HTTP/1.0\r\nHost: {host}\r\nContent", 1))
}

// pagesChunks: chunks that two programs count in two ways.
func pagesChunks(l *list) {
	chunked := postHead + "Transfer-Encoding: chunked\r\n\r\n"
	inner := strings.ReplaceAll(second, "{host}", "a")
	for _, v := range []struct{ name, comment, body, hole string }{
		{"lf-size", "The line of a size ends in LF alone.", "5\nhello\r\n" + lastChunk + second, "CVE-2025-22871"},
		{"lf-data", "A chunk ends in LF alone.", "5\r\nhello\n" + lastChunk + second, "CVE-2025-22871"},
		{"cr-size", "The line of a size ends in CR alone.", "5\rhello\r\n" + lastChunk + second, ""},
		{"spill", "A chunk is two bytes longer than its size, where some skip two bytes whatever they are.", "5\r\nhelloXX" + lastChunk + second, ""},
		{"extension-lf", "An extension has LF: to some the line ends there.", "2;\nxx\r\nyy\r\n" + lastChunk + second, "CVE-2025-22871"},
		{"extension-cr", "An extension has CR.", "2;\rxx\r\nyy\r\n" + lastChunk + second, ""},
		{"extension-quoted-crlf", "An extension has CR LF in quotes.", "2;a=\"\r\nyy\r\n0\r\n\r\n" + second + "\"\r\nzz\r\n" + lastChunk, ""},
		{"extension-nul", "An extension has NUL.", "2;a=\x00\r\nyy\r\n" + lastChunk, ""},
		{"size-empty", "A size that is not said.", "\r\n" + inner + "\r\n" + lastChunk, ""},
		{"size-0x", "A size with 0x.", "0x5\r\nhello\r\n" + lastChunk + second, ""},
		{"size-plus", "A size with a sign.", "+5\r\nhello\r\n" + lastChunk + second, ""},
		{"size-minus", "A size below 0.", "-1\r\nhello\r\n" + lastChunk + second, ""},
		{"size-overflow-64", "A size of 2^64, which is 0 to who counts in 64 bits.", "10000000000000000\r\n" + inner + lastChunk, ""},
		{"size-overflow-64-and-5", "A size of 2^64 and 5.", "10000000000000005\r\nhello\r\n" + lastChunk + second, ""},
		{"size-overflow-32", "A size of 2^32, which is 0 to who counts in 32 bits.", "100000000\r\n\r\n" + second, ""},
		{"size-top-bit", "A size with the top bit.", "8000000000000000\r\nhello\r\n" + lastChunk + second, ""},
		{"size-blank", "A size with a blank before it.", " 5\r\nhello\r\n" + lastChunk + second, ""},
		{"size-blank-inside", "A size with a blank inside.", "0 5\r\nhello\r\n" + lastChunk + second, ""},
		{"size-underscore", "A size with an underscore, which some libraries take for a number.", "0_5\r\nhello\r\n" + lastChunk + second, ""},
		{"size-letter", "A size with a letter that is no digit.", "5g\r\nhello\r\n" + lastChunk + second, ""},
		{"last-many-zeros", "The last chunk with many zeros.", "5\r\nhello\r\n" + strings.Repeat("0", 40) + "\r\n\r\n" + second, ""},
		{"trailer-length", "A trailer says a length.", "5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n", ""},
		{"trailer-coding", "A trailer says a coding.", "5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", ""},
		{"trailer-blank", "A trailer with a blank before the colon.", "5\r\nhello\r\n0\r\nX-A : b\r\n\r\n", ""},
		{"trailer-lf", "The trailers end in LF alone.", "5\r\nhello\r\n0\r\n\n" + second, ""},
		{"trailer-request", "The trailers begin like a request.", "5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n", ""},
	} {
		var holes []string
		if v.hole != "" {
			holes = []string{v.hole}
		}
		c := hostile.Case{Comment: v.comment, Holes: holes, Steps: steps(send(chunked+v.body), hold(ms*400)), Verdict: requestsAre(1)}
		if v.name == "last-many-zeros" { // the first request is sound, and another one follows
			c.Verdict = requestsAre(2)
		}
		l.add("smuggle/chunk-"+v.name, c)
	}
}

// pagesLines: lines that end where one program sees it and another does not.
func pagesLines(l *list) {
	for _, v := range []struct{ name, comment, text string }{
		{"lf", "Every line ends in LF alone.", "GET / HTTP/1.1\nHost: {host}\n\n"},
		{"lf-hides-length", "A length stands behind LF alone.", postHead + "X-A: b\nContent-Length: 50\r\n\r\n" + second},
		{"cr-hides-length", "A length stands behind CR alone.", postHead + "X-A: b\rContent-Length: 50\r\n\r\n" + second},
		{"lf-ends-head", "The head ends in LF LF within a field.", postHead + "X-A: b\n\n" + second},
		{"cr-lf-lf", "The head ends in CR LF LF.", postHead + "Content-Length: 50\r\n\n" + second},
		{"nul-hides-length", "NUL stands before the length's line end.", postHead + "X-A: b\x00\r\nContent-Length: 50\r\n\r\n" + second},
		{"folded-length", "The length stands in a folded line.", postHead + "Content-Length:\r\n 50\r\n\r\n" + second},
		{"folded-first", "The first line of the fields begins with a blank.", "POST / HTTP/1.1\r\n X-A: b\r\nHost: {host}\r\nContent-Length: 50\r\n\r\n" + second},
		{"blank-before-colon", "A blank before the length's colon.", postHead + "Content-Length : 50\r\n\r\n" + second},
		{"no-colon", "A line without a colon before the length.", postHead + "X-A\r\nContent-Length: 50\r\n\r\n" + second},
		{"colon-first", "A line that begins with a colon.", postHead + ": b\r\nContent-Length: 50\r\n\r\n" + second},
		{"three-words", "A request line of four words.", "GET / /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"},
		{"tab-line", "A request line with tabs.", "GET\t/\tHTTP/1.1\r\nHost: {host}\r\n\r\n"},
		{"http-09", "A request of HTTP/0.9, with a second one behind.", "GET /\r\n" + second},
		{"version-20", "HTTP/2.0 in a request line.", "GET / HTTP/2.0\r\nHost: {host}\r\n\r\n"},
		{"version-long", "HTTP/1.10, which some take for 1.1 and some for 1.0.", postHead[:6] + " HTTP/1.10\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n" + lastChunk},
		{"version-small", "http/1.1 in small letters.", "GET / http/1.1\r\nHost: {host}\r\n\r\n"},
	} {
		l.page("line-"+v.name, v.comment, v.text, holesOf[v.name]...)
	}
}

// pagesNames: names of fields that a backend may read as others.
func pagesNames(l *list) {
	for _, v := range []struct{ name, comment, line string }{
		{"length-underscore", "The length's name with an underscore.", "Content_Length: 50"},
		{"coding-underscore", "The coding's name with an underscore.", "Transfer_Encoding: chunked"},
		{"length-high", "The length's name with a letter beyond ASCII that looks alike.", "C\u00f6ntent-Length: 50"},
		{"length-plus", "The length's name behind a sign.", "+Content-Length: 50"},
		{"length-blank", "The length's name with a blank inside.", "Content Length: 50"},
		{"length-nul", "The length's name behind NUL.", "\x00Content-Length: 50"},
		{"length-tab", "The length's name behind a tab.", "\tContent-Length: 50"},
		{"length-quote", "The length's name in quotes.", `"Content-Length": 50`},
	} {
		l.page("name-"+v.name, v.comment, postHead+v.line+"\r\n\r\n")
	}
}

// pagesUpgrades: a proxy that takes a request for an upgrade, and passes on what follows
// without a look, has to see that the backend has agreed.
func pagesUpgrades(l *list) {
	get := "GET / HTTP/1.1\r\nHost: {host}\r\n"
	ws := get + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, v := range []struct{ name, comment, head, hole string }{
		{"version", "A WebSocket of a version that nobody speaks: the backend answers 426, and the connection stays one of requests.", ws + "Sec-WebSocket-Version: 1337\r\n\r\n", ""},
		{"no-version", "A WebSocket without a version.", ws + "\r\n", ""},
		{"refused", "A WebSocket that the backend refuses with 426.", ws + "Sec-WebSocket-Version: 13\r\n\r\n", ""},
		{"connection", "Upgrade without Connection.", get + "Upgrade: websocket\r\n\r\n", ""},
		{"h2c", "An upgrade to HTTP/2: who passes it on opens a way around all rules.", get + "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n", ""},
		{"h2c-connection", "An upgrade to HTTP/2 that Connection names alone.", get + "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: HTTP2-Settings\r\n\r\n", ""},
		{"h2c-list", "An upgrade to HTTP/2 in a list.", get + "Upgrade: foo, h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n", ""},
		{"tls", "An upgrade to TLS.", get + "Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n", ""},
		{"custom", "An upgrade to a protocol of nobody, which the backend declines.", get + "Upgrade: custom\r\nConnection: Upgrade\r\n\r\n", ""},
		{"connect", "CONNECT with a second request behind.", "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n", ""},
	} {
		c := hostile.Case{Comment: v.comment + " A second request follows; it may come as one, with what the proxy adds, but not as it is.",
			Steps: steps(send(v.head), wait(ms*200), send("GET /smuggled HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"), hold(ms*400)), Verdict: requestsAre(2, "6.6.6.6", "h2c", "HTTP2-Settings")}
		l.add("smuggle/upgrade-"+v.name, c)
	}
	l.add("smuggle/upgrade-body", hostile.Case{Comment: "An upgrade with a body that is a second request.",
		Steps: steps(send(ws+"Sec-WebSocket-Version: 13\r\nContent-Length: 50\r\n\r\n"+second), hold(ms*400)), Verdict: requestsAre(1, "/smuggled")})
	l.add("smuggle/h2-preface-plain", hostile.Case{Comment: "The preface of HTTP/2 behind a request.",
		Steps: steps(send(get+"\r\n"+h2Preface, h2Settings()), hold(ms*400)), Verdict: requestsAre(1, "PRI *")})
}

// pagesTargets: another host or path than the proxy sees.
func pagesTargets(l *list) {
	for _, v := range []struct{ name, comment, text string }{
		{"absolute-other", "A target in the absolute form for another host than Host says.", "GET http://evil.example/ HTTP/1.1\r\nHost: {host}\r\n\r\n"},
		{"absolute-user", "A target in the absolute form with a user.", "GET http://{host}@evil.example/ HTTP/1.1\r\nHost: {host}\r\n\r\n"},
		{"host-two", "Two Host.", "GET / HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n"},
		{"host-folded", "A Host with another one in a folded line.", "GET / HTTP/1.1\r\nHost: {host}\r\n evil.example\r\n\r\n"},
		{"host-blank-colon", "A second Host with a blank before the colon.", "GET / HTTP/1.1\r\nHost: {host}\r\nHost : evil.example\r\n\r\n"},
		{"host-user", "A Host with a user.", "GET / HTTP/1.1\r\nHost: {host}@evil.example\r\n\r\n"},
		{"host-path", "A Host with a path.", "GET / HTTP/1.1\r\nHost: evil.example/x\r\n\r\n"},
		{"at", "A target that begins with @: appended to a host it makes another one.", "GET @evil.example/ HTTP/1.1\r\nHost: {host}\r\n\r\n"},
		{"fragment", "A target with a fragment.", "GET /a#evil.example HTTP/1.1\r\nHost: {host}\r\n\r\n"},
		{"forwarded", "Fields that say another host.", "GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: evil.example\r\nX-Host: evil.example\r\nForwarded: host=evil.example\r\n\r\n"},
		{"rewrite", "Fields that say another path.", "GET / HTTP/1.1\r\nHost: {host}\r\nX-Original-URL: /evil.example\r\nX-Rewrite-URL: /evil.example\r\n\r\n"},
	} {
		l.add("smuggle/target-"+v.name, hostile.Case{Comment: v.comment, Steps: steps(send(v.text), hold(ms*400)), Verdict: requestsAre(1, "evil.example")})
	}
}

// pagesConnections: what a client says of its connection, and bodies that nobody waits for.
func pagesConnections(l *list) {
	for _, name := range []string{"Content-Length", "Transfer-Encoding", "Host", "close, Content-Length"} {
		low := strings.ToLower(strings.ReplaceAll(name, ", ", "-"))
		l.page("hop-"+low, "Connection names "+name+", so that a proxy takes the field out and the body becomes a request.",
			postHead+"Connection: "+name+fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n", len(strings.ReplaceAll(second, "{host}", "a")))+strings.ReplaceAll(second, "{host}", "a"))
	}
	inner := strings.ReplaceAll(second, "{host}", "a")
	with := func(line string) string {
		return line + fmt.Sprintf(" HTTP/1.1\r\nHost: {host}\r\nContent-Length: %d\r\n\r\n", len(inner)) + inner
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "DELETE", "TRACE"} {
		l.page("cl-0-"+strings.ToLower(method), "CL.0: "+method+" with a body that is a request, for a backend that expects none.", with(method+" /"))
	}
	l.page("cl-0-file", "CL.0: a body for a path of a file, that is a request.", with("POST /favicon.ico"))
	l.page("zero-cl", "0.CL: a length that only the backend sees, behind LF.", "GET / HTTP/1.1\r\nHost: {host}\r\nX-A: b\nContent-Length: 50\r\n\r\n"+second)
	l.page("expect", "Expect: 100-continue with a body that is sent at once, and is a request.", strings.Replace(with("POST /"), "Content", "Expect: 100-continue\r\nContent", 1))
	l.page("expect-obfuscated", "An Expect that is none, with a body that is a request.", strings.Replace(with("POST /"), "Content", "Expect: y 100-continue\r\nContent", 1))
	l.page("expect-get", "GET with Expect: 100-continue and a body that is a request.", strings.Replace(with("GET /"), "Content", "Expect: 100-continue\r\nContent", 1))
	l.add("smuggle/expect-late", hostile.Case{Comment: "Expect: 100-continue, and a body that comes late and is a request.",
		Steps:   steps(send(postHead+fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(inner))), wait(ms*300), send(inner), hold(ms*400)),
		Verdict: requestsAre(1, "/smuggled")})
	l.add("smuggle/cut-body", hostile.Case{Comment: "A body that ends before its length: what was sent of it is no request.",
		Steps: steps(send(postHead+"Content-Length: 1000\r\n\r\n"+inner), end(), hold(ms*400)), Verdict: whatever()})
	l.add("smuggle/pipeline", hostile.Case{Comment: "Two requests at once are two, each with what the proxy adds.",
		Steps: steps(send("GET / HTTP/1.1\r\nHost: {host}\r\nX-Real-IP: 6.6.6.6\r\n\r\nGET / HTTP/1.1\r\nHost: {host}\r\nX-Real-IP: 6.6.6.6\r\n\r\n"), hold(ms*400)), Verdict: requestsAre(2, "6.6.6.6")})
}

// pagesH2: requests of HTTP/2 that become two in HTTP/1.
func pagesH2(l *list) {
	ask := func(name, comment string, fields []string, body string, holes ...string) {
		flags := byte(h2EndHeaders)
		if body == "" {
			flags |= h2EndStream
		}
		bytes := h2Frame(h2Headers, flags, 1, h2Fields(fields...))
		if body != "" {
			bytes = append(bytes, h2Frame(h2Data, h2EndStream, 1, []byte(body))...)
		}
		l.add("smuggle/"+name, hostile.Case{Comment: comment, Holes: holes, Needs: []string{"tls", "h2"}, TLS: true, ALPN: []string{"h2"},
			Steps: steps(send(h2Preface, h2Settings(), bytes), hold(ms*400)), Verdict: requestsAre(1, "/smuggled", "X-Evil", "evil.example")})
	}
	inner := strings.ReplaceAll(second, "{host}", "a")
	head := func(method string, more ...string) []string {
		return append([]string{":method", method, ":scheme", "https", ":authority", "localhost", ":path", "/"}, more...)
	}
	ask("h2-cl", "H2.CL: a length of 0, and a body that is a request.", head("POST", "content-length", "0"), inner, "CVE-2021-36740")
	ask("h2-cl-short", "H2.CL: a length that is shorter than the body.", head("POST", "content-length", "4"), "abcd"+inner, "CVE-2021-36740")
	ask("h2-cl-two", "H2.CL: two lengths.", head("POST", "content-length", "0", "content-length", fmt.Sprint(len(inner))), inner)
	ask("h2-te", "H2.TE: chunked, which HTTP/2 does not have.", head("POST", "transfer-encoding", "chunked"), lastChunk+inner)
	ask("h2-te-blank", "H2.TE: chunked in a name with a blank.", head("POST", "transfer-encoding ", "chunked"), lastChunk+inner)
	ask("h2-te-capitals", "H2.TE: chunked in a name with capitals.", head("POST", "Transfer-Encoding", "chunked"), lastChunk+inner)
	ask("h2-value-crlf", "A value with CR LF and another field.", head("GET", "x-a", "b\r\nX-Evil: 1"), "")
	ask("h2-value-lf", "A value with LF and another field.", head("GET", "x-a", "b\nX-Evil: 1"), "")
	ask("h2-value-request", "A value with CR LF CR LF and a request.", head("GET", "x-a", "b\r\n\r\n"+inner), "")
	ask("h2-name-crlf", "A name with CR LF and another field.", head("GET", "x-a: b\r\nX-Evil", "1"), "")
	ask("h2-name-colon", "A name with a colon.", head("GET", "transfer-encoding: chunked\r\nx", "1"), lastChunk+inner)
	ask("h2-method-crlf", "A method with CR LF and a request.", head("GET / HTTP/1.1\r\nX-Evil: 1\r\n\r\nGET"), "", "CVE-2021-33193")
	ask("h2-method-blank", "A method with a blank.", head("GET /smuggled HTTP/1.1"), "", "CVE-2021-33193")
	ask("h2-path-crlf", "A path with CR LF and a field.", []string{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/ HTTP/1.1\r\nX-Evil: 1\r\nX: "}, "")
	ask("h2-path-blank", "A path with a blank.", []string{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/ HTTP/1.1 /smuggled"}, "")
	ask("h2-path-absolute", "A path that is a URL.", []string{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "http://evil.example/"}, "")
	ask("h2-path-at", "A path that begins with @.", []string{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "@evil.example/"}, "")
	ask("h2-scheme", "A scheme that has a host and a path.", []string{":method", "GET", ":scheme", "http://evil.example/?", ":authority", "localhost", ":path", "/"}, "")
	ask("h2-authority-crlf", "An authority with CR LF.", []string{":method", "GET", ":scheme", "https", ":authority", "localhost\r\nX-Evil: 1", ":path", "/"}, "")
	ask("h2-host", "A host that differs from the authority.", head("GET", "host", "evil.example"), "")
	ask("h2-connection", "Connection, which HTTP/2 does not have.", head("GET", "connection", "x-evil", "x-evil", "1"), "")
	ask("h2-upgrade", "Upgrade, which HTTP/2 does not have.", head("GET", "upgrade", "websocket", "connection", "upgrade"), "")
	ask("h2-pseudo-late", "A pseudo-field behind a field.", append(head("GET", "x-a", "b"), ":path", "/smuggled"), "")
	ask("h2-pseudo-two", "Two paths.", append(head("GET"), ":path", "/smuggled"), "")
}
