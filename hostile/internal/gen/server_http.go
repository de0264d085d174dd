package gen

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

func (l *list) serverHTTP() {
	l.httpStuck()
	l.httpStuckEnd()
	l.httpBodies()
	l.httpHeads()
	l.httpPaths()
	l.httpSmuggling()
}

// http adds a case that needs pages.
func (l *list) http(name string, c hostile.Case) {
	c.Needs = append([]string{"http"}, c.Needs...)
	l.add("http/"+name, c)
}

func post(fields ...string) head { return page("/").start("POST / HTTP/1.1").with(fields...) }

// httpStuck: many connections that do not go on.
func (l *list) httpStuck() {
	b := hostile.Budget{Memory: 300*128*kib + 16*mib, CPU: 5 * sec, Time: 12 * sec, Probe: 2 * sec}
	get := page("/").String()
	for _, c := range []struct {
		name, comment string
		unread        bool
		steps         []hostile.Step
	}{
		{"post-no-body", "say a body of 1000 bytes and send none of it", false, steps(send(post("Content-Length: 1000").String()))},
		{"post-half-body", "send half of a body", false, steps(send(post("Content-Length: 1000").String(), over(500, "x")))},
		{"post-expect", "wait for 100 Continue, and send nothing then", false, steps(send(post("Content-Length: 1000", "Expect: 100-continue").String()))},
		{"chunk-half", "send half of a chunk", false, steps(send(post("Transfer-Encoding: chunked").String(), "3E8\r\n", over(500, "x")))},
		{"chunk-size-half", "send half of a chunk's size", false, steps(send(post("Transfer-Encoding: chunked").String(), "3"))},
		{"keep-alive", "get a page and stay", false, steps(send(get), expect("HTTP/1.1 2"))},
		{"keep-alive-half", "get a page and begin another request", false, steps(send(get), expect("HTTP/1.1 2"), send("GET / HT"))},
		{"pipelined-unread", "ask for 300 pages and read none", true, steps(within(1*sec, times(300, get)))},
		{"pipelined-unread-16", "ask for 16 pages and read none", true, steps(within(1*sec, times(16, get)))},
		{"half-closed", "get a page, end their half and stay", false, steps(send(get), expect("HTTP/1.1 2"), end())},
	} {
		l.http("stuck-"+c.name, hostile.Case{Clients: 300, Unread: c.unread, Comment: "300 clients " + c.comment, Steps: append(c.steps, hold(1200*ms)), Verdict: whatever(), Budget: b})
	}
	l.http("stuck-pipelined-unread-tls", hostile.Case{Clients: 100, TLS: true, Needs: []string{"tls"}, Unread: true, Comment: "100 clients ask for 300 pages within TLS and read none",
		Steps: steps(within(1*sec, times(300, get)), hold(1*sec)), Verdict: whatever(), Budget: hostile.Budget{Memory: 64 * mib, CPU: 4 * sec, Time: 12 * sec, Probe: 2 * sec}})
}

// httpStuckEnd: a server does not wait for ever. Five minutes and a half are what the
// slowest default gives for a request.
func (l *list) httpStuckEnd() {
	b := hostile.Budget{Time: 350 * sec, CPU: 10 * sec}
	get := page("/").String()
	for _, c := range []struct {
		name, comment string
		unread        bool
		steps         []hostile.Step
	}{
		{"post-no-body", "a body of 1000 bytes is said and none of it comes", false, steps(send(post("Content-Length: 1000").String()))},
		{"keep-alive", "a page, and then silence", false, steps(send(get), expect("HTTP/1.1 2"))},
		{"pipelined-unread", "3000 pages, of which none is read", true, steps(within(2*sec, times(3000, get)))},
	} {
		l.http("ended-"+c.name, hostile.Case{Slow: true, Unread: c.unread, Comment: c.comment, Steps: append(c.steps, hold(340*sec)), Verdict: outcomes(hostile.Ended, hostile.Refused), Budget: b})
	}
}

// httpBodies: bodies that do not end, or are large.
func (l *list) httpBodies() {
	b := hostile.Budget{Memory: 64 * mib, CPU: 4 * sec, Time: 12 * sec}
	for _, c := range []struct {
		name, comment string
		steps         []hostile.Step
	}{
		{"10gib", "a body of 10 GiB for a page that takes none", steps(send(post("Content-Length: 10737418240").String()), within(1500*ms, send(over(1<<24, strings128))))},
		{"chunked-endless", "chunks without end", steps(send(post("Transfer-Encoding: chunked").String()), within(1500*ms, send(over(1<<20, "400\r\n"+strings.Repeat("x", kib)+"\r\n"))))},
		{"chunks-1-byte", "chunks of one byte without end", steps(send(post("Transfer-Encoding: chunked").String()), within(1500*ms, send(over(1<<24, "1\r\nx\r\n"))))},
		{"chunk-extensions", "chunks with extensions of a KiB without end", steps(send(post("Transfer-Encoding: chunked").String()), within(1500*ms, send(over(1<<20, "1;"+strings.Repeat("e", kib)+"\r\nx\r\n"))))},
		{"chunk-extension-endless", "an extension of a chunk without end", steps(send(post("Transfer-Encoding: chunked").String()), within(1500*ms, send("1;", over(1<<20, strings128))))},
		{"chunk-size-digits", "a chunk's size of zeros without end", steps(send(post("Transfer-Encoding: chunked").String()), within(1500*ms, send(over(1<<20, strings.Repeat("0", 64)))))},
		{"trailers-endless", "fields behind the last chunk without end", steps(send(post("Transfer-Encoding: chunked").String()), within(1500*ms, send("0\r\n", over(1<<24, "a: b\r\n"))))},
		{"get-with-body", "a body of 10 GiB behind a GET", steps(send(page("/").with("Content-Length: 10737418240").String()), within(1500*ms, send(over(1<<24, strings128))))},
		{"multipart", "a form of parts without end", steps(send(post("Transfer-Encoding: chunked", "Content-Type: multipart/form-data; boundary=x").String()), within(1500*ms, send(over(1<<22, "20\r\n--x\r\nContent-Disposition: a\r\n\r\n\r\n\r\n"))))},
		{"drip", "a byte of a body at a time", steps(send(post("Content-Length: 1000").String()), within(1500*ms, pieces(1, 20*ms, over(1000, "x"))))},
	} {
		l.http("body-"+c.name, hostile.Case{Comment: c.comment, Steps: append(c.steps, hold(200*ms)), Verdict: whatever(), Budget: b})
	}
}

// httpHeads: fields that cost much.
func (l *list) httpHeads() {
	ranges := "Range: bytes=0-" + gap(1300, ",5-9,0-")
	for _, c := range []struct{ name, comment, field string }{
		{"ranges", "2600 ranges of a page", ranges},
		{"ranges-overlap", "1000 ranges that overlap", "Range: bytes=0-" + gap(1000, ",0-")},
		{"range-huge", "a range beyond 64 bits", "Range: bytes=18446744073709551615-18446744073709551616"},
		{"range-backwards", "a range that ends before it begins", "Range: bytes=9-0,-18446744073709551615"},
		{"encodings", "12 KiB of encodings", "Accept-Encoding: " + gap(3*kib, "gz, ")},
		{"languages", "12 KiB of languages", "Accept-Language: " + gap(3*kib, "x-y;")},
		{"language-subtags", "a language of 12 KiB", "Accept-Language: x" + gap(6*kib, "-a")},
		{"etags", "12 KiB of entity tags", "If-None-Match: " + gap(3*kib, `"a,`)},
		{"date", "12 KiB of a date", "If-Modified-Since: " + gap(12*kib, "M")},
		{"cookies", "3000 cookies", "Cookie: " + gap(3*kib, "a=b;")},
		{"quoted", "an open quote", `Cookie: a="` + gap(6*kib, `\"`)},
		{"authorization", "12 KiB of base64", "Authorization: Basic " + gap(12*kib, "A")},
	} {
		l.http("head-"+c.name, hostile.Case{Rounds: 20, Holes: []string{"CVE-2011-3192"}, Comment: c.comment + ", twenty times",
			Steps: steps(send(page("/").with(c.field).parts()), expect("HTTP/1.1 ")), Verdict: either(), Budget: hostile.Budget{Time: 10 * sec}})
	}
	for _, m := range []string{"TRACE", "OPTIONS", "DELETE", "PROPFIND", "CONNECT", "PATCH", strings.Repeat("A", 4000)} {
		name := strings.ToLower(m[:min(len(m), 8)])
		l.http("method-"+name, hostile.Case{Comment: "a method that a page does not have", Steps: steps(send(page("/").start(m+" / HTTP/1.1").with("Cookie: evil=1").String()), hold(ms*150)),
			Verdict: never(whatever(), "evil=1")})
	}
}

// httpPaths: ways out of a folder.
func (l *list) httpPaths() {
	up := strings.Repeat("../", 12)
	for i, p := range []string{
		"/" + up + "etc/passwd", "/" + strings.Repeat("%2e%2e/", 12) + "etc/passwd", "/" + strings.Repeat("..%2f", 12) + "etc/passwd", "/" + strings.Repeat("%252e%252e/", 12) + "etc/passwd",
		"/" + strings.Repeat(`..\`, 12) + "etc/passwd", "/" + strings.Repeat("..%5c", 12) + "etc/passwd", "//etc/passwd", "/./" + up + "etc/passwd", "/x/" + up + "etc/passwd",
		"/" + strings.Repeat("..;/", 12) + "etc/passwd", "/" + strings.Repeat("%c0%ae%c0%ae/", 12) + "etc/passwd", "/" + strings.Repeat(".../", 12) + "etc/passwd",
		"/" + up + "etc/passwd%00.html", "/etc/passwd", "/" + up + "proc/self/environ", "file:///etc/passwd", "/?file=/etc/passwd", "/%2fetc%2fpasswd",
	} {
		line := "GET " + p + " HTTP/1.1"
		l.http(fmt.Sprintf("path-%d", i), hostile.Case{Comment: "a path out of the folder of pages: " + p[:min(len(p), 40)], Steps: steps(send(page("/").start(line).String()), hold(ms*150)),
			Verdict: never(whatever(), "root:x:0:", "root:*:0:", "PATH=/")})
	}
}

// httpSmuggling: requests that are one to some and two to others. A page of /first must
// not be followed by one of /second.
func (l *list) httpSmuggling() {
	second := "GET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
	n := len(second) - len("{host}") // the host's own length is not known: one byte more or less is no matter
	for _, c := range []struct{ name, comment, head, body string }{
		{"length-two", "two lengths", "Content-Length: 0\r\nContent-Length: " + fmt.Sprint(n), second},
		{"length-plus", "a length with a sign", "Content-Length: +0", second},
		{"length-word", "a length that is none", "Content-Length: x", second},
		{"length-list", "two lengths in one field", "Content-Length: 0, 5", second},
		{"length-negative", "a length below nothing", "Content-Length: -1", second},
		{"length-wrap-64", "a length that 64 bits make 0", "Content-Length: 18446744073709551616", second},
		{"chunked-not-last", "chunked is not the last coding", "Transfer-Encoding: chunked, x", "0\r\n\r\n" + second},
		{"chunked-space", "a blank before the colon", "Transfer-Encoding : chunked", "0\r\n\r\n" + second},
		{"chunked-identity", "a coding that is none", "Transfer-Encoding: identity", second},
		{"chunk-plus", "a chunk's size with a sign", "Transfer-Encoding: chunked", "+0\r\n\r\n" + second},
		{"chunk-hex", "a chunk's size with 0x", "Transfer-Encoding: chunked", "0x0\r\n\r\n" + second},
		{"chunk-minus", "a chunk's size below nothing", "Transfer-Encoding: chunked", "-1\r\n\r\n" + second},
		{"chunk-wrap-64", "a chunk's size that 64 bits make 0", "Transfer-Encoding: chunked", "10000000000000000\r\n\r\n" + second},
		{"chunk-no-crlf", "a chunk that does not end with its line", "Transfer-Encoding: chunked", "1\r\nxx0\r\n\r\n" + second},
		{"chunk-cr", "a chunk's size that ends with CR alone", "Transfer-Encoding: chunked", "0\rx\r\n\r\n" + second},
	} {
		l.http("smuggle-"+c.name, hostile.Case{Comment: "a POST that is to be refused, and a page behind it: " + c.comment,
			Steps: steps(send(post(strings.Split(c.head, "\r\n")...).String(), c.body, page("/").with("X-End: 1").String()), hold(ms*300)), Verdict: never(whatever(), " 200 OK\r\n", " 101 ")})
	}
}
