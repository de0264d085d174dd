package browsers

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/hixie"
)

// webkit is a state of WebKit's handshake.
type webkit struct {
	bounded  bool // a status line has at most 1024 bytes and no NUL
	versions bool // HTTP/1.1 at least, and a status line in ASCII
	upgrades bool // hixie-76 looks at Upgrade and Connection
}

// maxStatusLine is the longest status line that is read, with its end.
const maxStatusLine = 1024

const during = "Error during WebSocket handshake: "

// The lines that begin an answer of hixie-75.
const (
	line75       = "HTTP/1.1 101 Web Socket Protocol Handshake\r\n"
	upgrade75    = "Upgrade: WebSocket\r\n"
	connection75 = "Connection: Upgrade\r\n"
)

// check75 is the client of hixie-75: the first three lines are compared as they are.
func (w webkit) check75(r *reading) bool {
	if len(r.b) < len(line75) {
		return r.more()
	}
	if !bytes.HasPrefix(r.b, []byte(line75)) {
		return r.firstLine75()
	}
	at := len(line75)
	for _, line := range []string{upgrade75, connection75} {
		if len(r.b)-at < len(line) {
			return r.more()
		}
		if got := string(r.b[at : at+len(line)]); got != line {
			name, _, _ := strings.Cut(line, ":")
			return r.mismatch(ruleFirstLines, name, strings.TrimSpace(line), firstLineOf(r.b[at:]), "Bad "+name+" header: "+trimmed(r.b[at:]))
		}
		at += len(line)
	}
	if !hasEnd(r.b[at:]) {
		return r.more()
	}
	fields, _, ok := w.fields(r, at)
	return ok && r.repeats(fields, "WebSocket-")
}

// firstLine75 says what is wrong with another first line.
func (r *reading) firstLine75() bool {
	end := bytes.IndexByte(r.b, '\n')
	if end < 0 {
		return r.more()
	}
	words := strings.SplitN(string(r.b[:end]), " ", 3)
	if len(words) < 3 {
		return r.mismatch(ruleStatusLine, "", "", firstLineOf(r.b), "No response code found: "+trimmed(r.b))
	}
	if words[1] == "101" {
		return r.mismatch(ruleFirstLines, "", strings.TrimSpace(line75), firstLineOf(r.b), "Unexpected response code:"+words[1])
	}
	message := "Unexpected response code:" + words[1]
	if words[1] == "401" {
		message = "Authentication required, but not implemented yet." // WebKit's words, as all that a console shows
	}
	return r.mismatch(ruleStatusCode, "", "101", words[1], message)
}

// check76 is the client of hixie-76.
func (w webkit) check76(r *reading) bool {
	fields, at, ok := w.head(r)
	if !ok || w.upgrades && !present(r, fields, "Upgrade", "Connection") {
		return false
	}
	if !present(r, fields, "Sec-WebSocket-Origin", "Sec-WebSocket-Location") || w.upgrades && !r.upgraded(fields, get) || !r.repeats(fields, "Sec-WebSocket-") {
		return false
	}
	if len(r.b)-at < hixie.AnswerSize {
		return r.more()
	}
	if got := r.b[at : at+hixie.AnswerSize]; r.digest != nil && !bytes.Equal(got, r.digest) {
		return r.mismatch(ruleDigest, "", string(r.digest), string(got), "")
	}
	return true
}

// check8 is the client of version 8.
func (w webkit) check8(r *reading) bool {
	fields, _, ok := w.head(r)
	if !ok || !present(r, fields, "Upgrade", "Connection", "Sec-WebSocket-Accept") || !r.upgraded(fields, get) {
		return false
	}
	if got, _ := get(fields, "Sec-WebSocket-Accept"); r.key != "" && got != r.accept() {
		return r.mismatch(ruleAccept, "Sec-WebSocket-Accept", r.accept(), got, during+"Sec-WebSocket-Accept mismatch")
	}
	if got, ok := get(fields, "Sec-WebSocket-Extensions"); ok {
		return r.mismatch(ruleExtensionUnasked, "Sec-WebSocket-Extensions", "", got, during+"Sec-WebSocket-Extensions header is invalid")
	}
	return true
}

// check13 is the client of RFC 6455.
func (w webkit) check13(r *reading) bool {
	fields, _, ok := w.head(r)
	if !ok {
		return false
	}
	frames := 0
	for i, f := range fields { // in their order, before anything is compared
		switch {
		case ascii.EqualFold(f.name, "Sec-WebSocket-Extensions"):
			if !r.webkitExtensions(f.value, &frames) {
				return false
			}
		case ascii.EqualFold(f.name, "Sec-WebSocket-Accept"), ascii.EqualFold(f.name, "Sec-WebSocket-Protocol"):
			if count(fields[:i], f.name) > 0 {
				return r.mismatch(ruleFieldTwice, f.name, "", f.value, "The "+f.name+" header must not appear more than once in an HTTP response")
			}
		}
	}
	if !present(r, fields, "Upgrade", "Connection", "Sec-WebSocket-Accept") || !r.upgraded(fields, joined) {
		return false
	}
	if got, _ := get(fields, "Sec-WebSocket-Accept"); r.key != "" && got != r.accept() {
		return r.mismatch(ruleAccept, "Sec-WebSocket-Accept", r.accept(), got, during+"Sec-WebSocket-Accept mismatch")
	}
	got, ok := get(fields, "Sec-WebSocket-Protocol")
	if !ok {
		return true
	}
	message := during + "Sec-WebSocket-Protocol mismatch"
	if r.protocol == "" {
		return r.mismatch(ruleProtocolUnasked, "Sec-WebSocket-Protocol", "", got, message)
	}
	for _, p := range strings.Split(r.protocol, ", ") {
		if p == got {
			return true
		}
	}
	return r.mismatch(ruleProtocol, "Sec-WebSocket-Protocol", r.protocol, got, message)
}

// head reads the status line and the fields; at is where the head ends.
func (w webkit) head(r *reading) (fields []field, at int, ok bool) {
	at, ok = w.statusLine(r)
	if !ok {
		return nil, 0, false
	}
	if !hasEnd(r.b) {
		return nil, 0, r.more()
	}
	return w.fields(r, at)
}

// hasEnd reports whether the end of a head is found: it is searched for as in a string of C,
// which a NUL ends.
func hasEnd(p []byte) bool {
	p, _, _ = bytes.Cut(p, []byte{0})
	return bytes.Contains(p, []byte("\r\n\r\n"))
}

// statusLine reads the status line; n is its length, with its end.
func (w webkit) statusLine(r *reading) (n int, ok bool) {
	end := bytes.IndexByte(r.b, '\n')
	scanned := r.b
	if end >= 0 {
		scanned = r.b[:end]
	}
	bad := func(message string) (int, bool) {
		return 0, r.mismatch(ruleStatusLine, "", "", firstLineOf(r.b), message)
	}
	if w.bounded {
		for _, c := range scanned {
			switch {
			case c == 0:
				return bad("Status line contains embedded null")
			case w.versions && c >= utf8.RuneSelf:
				return bad("Status line contains non-ASCII character")
			}
		}
	}
	if end < 0 {
		return 0, r.more()
	}
	if w.bounded && end+1 > maxStatusLine {
		return 0, r.mismatch(ruleHeadLong, "", fmt.Sprintf("at most %d bytes", maxStatusLine), fmt.Sprintf("%d bytes", end+1), "Status line is too long")
	}
	if end == 0 || r.b[end-1] != '\r' {
		return bad("Status line does not end with CRLF")
	}
	words := strings.SplitN(string(r.b[:end-1]), " ", 3)
	if len(words) < 3 {
		return bad("No response code found: " + trimmed(r.b[:end-1]))
	}
	if w.versions && !isHTTP11(words[0]) {
		return 0, r.mismatch(ruleHTTPVersion, "", "HTTP/1.1", words[0], "Invalid HTTP version string: "+words[0])
	}
	code := words[1]
	if len(code) != 3 {
		return bad("")
	}
	if strings.Trim(code, "0123456789") != "" {
		return bad("Invalid status code: " + code)
	}
	if code != "101" {
		return 0, r.mismatch(ruleStatusCode, "", "101", code, "Unexpected response code: "+code)
	}
	return end + 1, true
}

// isHTTP11 reports whether a version is HTTP/1.1 or above. What stands before it is not looked at.
func isHTTP11(s string) bool {
	_, version, ok := strings.Cut(s, "HTTP/")
	major, minor, dot := strings.Cut(version, ".")
	x, ok1 := atoi(major)
	y, ok2 := atoi(minor)
	return ok && dot && ok1 && ok2 && (x > 1 || x == 1 && y >= 1)
}

// fields reads fields; at is where they end. A value is what stands behind the blanks that
// follow the colon, up to CR; those at its end belong to it. One without any is no UTF-8 to
// WebKit.
func (w webkit) fields(r *reading, from int) (fields []field, at int, ok bool) {
	bad := func(got []byte, message string) ([]field, int, bool) {
		return nil, 0, r.mismatch(ruleFieldSyntax, "", "", string(got), message)
	}
	// These two messages have other words in later states.
	invalid, cr := "invalid UTF-8 sequence in header", "CR doesn't follow LF after value at "
	if w.versions {
		invalid = "Invalid UTF-8 sequence in header"
	}
	for p := from; p < len(r.b); {
		rest := r.b[p:]
		n := bytes.IndexAny(rest, ":\r\n")
		if n < 0 {
			return bad(rest, cr+trimmed(rest))
		}
		name := rest[:n]
		switch {
		case rest[n] == '\r' && n == 0 && len(rest) > 1 && rest[1] == '\n':
			return fields, p + 2, true
		case rest[n] == '\r' && n == 0:
			return bad(rest, "CR doesn't follow LF at "+trimmed(rest))
		case rest[n] == '\r':
			return bad(name, "Unexpected CR in name at "+trimmed(name))
		case rest[n] == '\n':
			return bad(rest[:n+1], "Unexpected LF in name at "+trimmed(name))
		}
		line := bytes.TrimLeft(rest[n+1:], " ")
		p += len(rest) - len(line)
		n = bytes.IndexAny(line, "\r\n")
		if n < 0 || line[n] == '\r' && (n+1 == len(line) || line[n+1] != '\n') {
			return bad(name, cr+trimmed(line[max(n, 0)+1:]))
		}
		value := line[:n]
		if line[n] == '\n' {
			return bad(name, "Unexpected LF in value at "+trimmed(value))
		}
		r.v.Field = string(name)
		if len(name) == 0 || !utf8.Valid(name) {
			return bad(name, invalid+" name")
		}
		if len(value) == 0 || !utf8.Valid(value) {
			return bad(value, invalid+" value")
		}
		r.v.Field = ""
		fields = append(fields, field{string(name), string(value)})
		p += n + 2
	}
	return bad(nil, "")
}

// present checks that there are fields.
func present(r *reading, fields []field, names ...string) bool {
	for _, name := range names {
		if _, ok := get(fields, name); !ok {
			rule := map[string]string{"Upgrade": ruleUpgradeMissing, "Connection": ruleConnMissing, "Sec-WebSocket-Accept": ruleAcceptMissing,
				"Sec-WebSocket-Origin": ruleOriginMissing, "Sec-WebSocket-Location": ruleLocationMissing,
				"WebSocket-Origin": ruleOriginMissing, "WebSocket-Location": ruleLocationMissing}[name]
			r.v.Field = name
			return r.fail(rule, during+"'"+name+"' header is missing")
		}
	}
	return true
}

// upgraded checks the values of Upgrade and Connection, each of which is one word. value takes
// the first of several fields, or all as one list.
func (r *reading) upgraded(fields []field, value func([]field, string) (string, bool)) bool {
	if got, _ := value(fields, "Upgrade"); !ascii.EqualFold(got, "websocket") {
		return r.mismatch(ruleUpgradeValue, "Upgrade", "WebSocket", got, during+"'Upgrade' header value is not 'WebSocket'")
	}
	if got, _ := value(fields, "Connection"); !ascii.EqualFold(got, "upgrade") {
		return r.mismatch(ruleConnValue, "Connection", "Upgrade", got, during+"'Connection' header value is not 'Upgrade'")
	}
	return true
}

// repeats checks what an answer of the hixie versions has to repeat.
func (r *reading) repeats(fields []field, prefix string) bool {
	if prefix == "WebSocket-" {
		for _, name := range []string{"WebSocket-Origin", "WebSocket-Location"} {
			if _, ok := get(fields, name); !ok {
				r.v.Field = name
				rule := ruleOriginMissing
				if name == "WebSocket-Location" {
					rule = ruleLocationMissing
				}
				return r.fail(rule, during+"'"+ascii.ToLower(name)+"' header is missing")
			}
		}
	}
	if got, _ := get(fields, prefix+"Origin"); got != r.origin {
		return r.mismatch(ruleOrigin, prefix+"Origin", r.origin, got, during+"origin mismatch: "+r.origin+" != "+got)
	}
	want := r.location(r.secure)
	if got, _ := get(fields, prefix+"Location"); got != want {
		return r.mismatch(ruleLocation, prefix+"Location", want, got, during+"location mismatch: "+want+" != "+got)
	}
	got, ok := get(fields, prefix+"Protocol")
	if r.protocol == "" || got == r.protocol {
		return true
	}
	rule := ruleProtocol
	if !ok {
		rule = ruleProtocolMissing
	}
	return r.mismatch(rule, prefix+"Protocol", r.protocol, got, during+"protocol mismatch: "+r.protocol+" != "+got)
}

// firstLineOf returns the first line, without its end, of which there is at most so much.
func firstLineOf(p []byte) string {
	line, _, _ := bytes.Cut(p, []byte{'\n'})
	line = bytes.TrimRight(line, "\r")
	return string(line[:min(len(line), maxShown)])
}

// maxShown is how much of an answer a verdict shows.
const maxShown = 200

// trimmed is a part of an answer as WebKit's messages show it.
func trimmed(p []byte) string {
	const most = 128
	if len(p) > most {
		return string(p[:most]) + "\u2026"
	}
	return string(p)
}
