package browsers

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/hixie"
)

// gecko is a state of Firefox's handshake, behind hixie-76.
type gecko struct {
	versions  bool // HTTP/1.1 at least
	protocols bool // another subprotocol fails the connection; in 2011 it was ignored
	extension string
}

// check76 is the client of Firefox 4 and 5, which reads its answers itself.
func (gecko) check76(r *reading) bool {
	at, ok := r.geckoStatus76()
	if !ok {
		return false
	}
	fields, at, ok := r.geckoFields76(at)
	if !ok {
		return false
	}
	if got, _ := get(fields, "Upgrade"); got != "WebSocket" {
		return r.mismatch(ruleUpgradeValue, "Upgrade", "WebSocket", got, "")
	}
	if got, _ := get(fields, "Connection"); !ascii.EqualFold(got, "upgrade") {
		return r.mismatch(ruleConnValue, "Connection", "Upgrade", got, "")
	}
	if got, _ := get(fields, "Sec-WebSocket-Origin"); ascii.ToLower(got) != r.origin {
		return r.mismatch(ruleOrigin, "Sec-WebSocket-Origin", r.origin, got, "")
	}
	if got, _ := get(fields, "Sec-WebSocket-Location"); !r.isLocation76(got) {
		return r.mismatch(ruleLocation, "Sec-WebSocket-Location", r.location(r.secure), got, "")
	}
	if got, _ := get(fields, "Sec-WebSocket-Protocol"); r.protocol != "" && got != r.protocol {
		return r.mismatch(ruleProtocol, "Sec-WebSocket-Protocol", r.protocol, got, "")
	}
	if len(r.b)-at < hixie.AnswerSize {
		return r.more()
	}
	if got := r.b[at : at+hixie.AnswerSize]; r.digest != nil && !bytes.Equal(got, r.digest) {
		return r.mismatch(ruleDigest, "", string(r.digest), string(got), "")
	}
	return true
}

// isLocation76 reports whether a URL is that of the socket: with its port always, or without
// where the port is the scheme's own.
func (r *reading) isLocation76(got string) bool {
	if got == r.location(r.secure) {
		return true
	}
	scheme, port := "ws://", ":80"
	if r.secure {
		scheme, port = "wss://", ":443"
	}
	return got == scheme+strings.TrimSuffix(ascii.ToLower(r.host), port)+port+r.target
}

// geckoStatus76 reads the status line.
func (r *reading) geckoStatus76() (n int, ok bool) {
	const begin = "HTTP"
	bad := func() (int, bool) { return 0, r.mismatch(ruleStatusLine, "", "", firstLineOf(r.b), "") }
	if len(r.b) < len(begin) {
		return 0, r.more()
	}
	if string(r.b[:len(begin)]) != begin {
		return bad()
	}
	end := bytes.Index(r.b, []byte("\r\n"))
	line := r.b
	if end >= 0 {
		line = r.b[:end+1] // its CR is read as a part of the code where no blank is between
	}
	code, reading := 0, 0 // 0: before the code, 1: in it, 2: behind it
	for _, c := range line[len(begin):] {
		switch {
		case c == ' ' && reading < 2:
			reading++
		case reading == 1 && (c < '0' || c > '9'):
			return bad()
		case reading == 1:
			if code = code*10 + int(c-'0'); code > 999 {
				return bad()
			}
		}
	}
	if end < 0 {
		return 0, r.more()
	}
	if code != 101 {
		return 0, r.mismatch(ruleStatusCode, "", "101", fmt.Sprint(code), "")
	}
	return end + 2, true
}

// geckoFields76 reads the fields; end is where they end.
func (r *reading) geckoFields76(at int) (fields []field, end int, ok bool) {
	bad := func(got []byte) ([]field, int, bool) {
		return nil, 0, r.mismatch(ruleFieldSyntax, "", "", string(got[:min(len(got), maxShown)]), "")
	}
	for at < len(r.b) {
		line := r.b[at:]
		if line[0] == '\r' {
			switch {
			case len(line) == 1:
				return nil, 0, r.more()
			case line[1] != '\n':
				return bad(line)
			}
			return fields, at + 2, true
		}
		n := bytes.IndexAny(line, ":\r\n")
		if n < 0 {
			return nil, 0, r.more()
		}
		if line[n] != ':' {
			return bad(line[:n])
		}
		m := bytes.IndexAny(line, "\r\n")
		if m < 0 || line[m] == '\r' && m+1 == len(line) {
			return nil, 0, r.more()
		}
		if line[m] == '\n' || line[m+1] != '\n' || n == 0 {
			return bad(line[:m])
		}
		f := field{string(line[:n]), string(line[n+1 : m])}
		if len(f.value) > 1 && f.value[0] == ' ' {
			f.value = f.value[1:]
		}
		if isOnce76(f.name) {
			if old, _ := get(fields, f.name); old != "" {
				return nil, 0, r.mismatch(ruleFieldTwice, f.name, "", f.value, "")
			}
			if i := indexOfField(fields, f.name); i >= 0 {
				fields[i].value = f.value // the one before it has no value
			} else {
				fields = append(fields, f)
			}
		}
		at += m + 2
	}
	return nil, 0, r.more()
}

// isOnce76 reports whether Firefox 4 takes a field once.
func isOnce76(name string) bool {
	for _, n := range []string{"Upgrade", "Connection", "Sec-WebSocket-Origin", "Sec-WebSocket-Location", "Sec-WebSocket-Protocol", "Set-Cookie", "Server"} {
		if ascii.EqualFold(n, name) {
			return true
		}
	}
	return false
}

func indexOfField(fields []field, name string) int {
	for i, f := range fields {
		if ascii.EqualFold(f.name, name) {
			return i
		}
	}
	return -1
}

// check is the client of Firefox since version 6, whose answers the code for HTTP reads.
func (g gecko) check(r *reading) bool {
	fields, ok := g.head(r)
	if !ok {
		return false
	}
	if got, _ := joined(fields, "Upgrade"); !geckoHas(got, "websocket") {
		return r.missing(fields, "Upgrade", ruleUpgradeMissing, ruleUpgradeValue, "websocket", got)
	}
	if got, _ := joined(fields, "Connection"); !geckoHas(got, "upgrade") {
		return r.missing(fields, "Connection", ruleConnMissing, ruleConnValue, "Upgrade", got)
	}
	if got, ok := joined(fields, "Sec-WebSocket-Accept"); !ok || got == "" || r.key != "" && got != r.accept() {
		return r.missing(fields, "Sec-WebSocket-Accept", ruleAcceptMissing, ruleAccept, r.accept(), got)
	}
	got, ok := joined(fields, "Sec-WebSocket-Protocol")
	if g.protocols && ok && r.protocol != "" && !contains(geckoTokens(r.protocol), got) {
		return r.mismatch(ruleProtocol, "Sec-WebSocket-Protocol", r.protocol, got, "")
	}
	value, _ := joined(fields, "Sec-WebSocket-Extensions")
	if !g.extensions(r, value) {
		return false
	}
	if g.versions && r.ended && r.last {
		return r.fail(ruleEndsAtOnce, "")
	}
	return true
}

// missing ends the reading at a field that is not there, or is not right.
func (r *reading) missing(fields []field, name, absent, wrong, want, got string) bool {
	if count(fields, name) == 0 {
		r.v.Field = name
		return r.fail(absent, "")
	}
	return r.mismatch(wrong, name, want, got, "")
}

// geckoTokens are the words of a list that commas, blanks and tabs divide.
func geckoTokens(list string) []string {
	return strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' })
}

func geckoHas(list, token string) bool {
	for _, t := range geckoTokens(list) {
		if ascii.EqualFold(t, token) {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, t := range list {
		if t == s {
			return true
		}
	}
	return false
}

// extensions checks the extension of an answer, of which Firefox knows one.
func (g gecko) extensions(r *reading, value string) bool {
	if value = strings.TrimSpace(value); value == "" {
		return true
	}
	bad := func(rule string) bool {
		return r.mismatch(rule, "Sec-WebSocket-Extensions", r.extensions, value, "")
	}
	parts := strings.Split(value, ";")
	name := strings.TrimSpace(parts[0])
	if name != g.extension || !strings.Contains(r.extensions, g.extension) {
		return bad(ruleExtensionUnasked)
	}
	if g.extension == "deflate-stream" && len(parts) > 1 {
		return bad(ruleExtension)
	}
	var params []param
	for i, p := range parts[1:] {
		if p = strings.TrimSpace(p); p == "" && i == len(parts)-2 {
			break // nothing stands behind the last semicolon
		}
		n, v, _ := strings.Cut(p, "=")
		params = append(params, param{name: n, value: strings.Trim(v, `"`), has: v != ""})
	}
	if wrong := deflateParams(params, geckoBits); wrong != "" {
		return bad(ruleExtension)
	}
	return true
}

func geckoBits(p param) bool {
	n, ok := atoi(p.value)
	return ok && n >= 8 && n <= 15
}

// junkMost is how many bytes before a status line are skipped.
const junkMost = 4

// head reads the head of an answer as Firefox's code for HTTP does.
func (g gecko) head(r *reading) (fields []field, ok bool) {
	const one = "HTTP/1."
	rest := r.b
	window := ascii.ToLower(string(rest[:min(len(rest), junkMost+len(one))]))
	at := strings.Index(window, ascii.ToLower(one))
	if at < 0 {
		if len(rest) == 0 || len(rest) < junkMost+len(one) && !r.ended {
			return nil, r.more()
		}
		if strings.Contains(window, "http/2") || strings.Contains(window, "icy ") {
			return nil, r.mismatch(ruleHTTPVersion, "", "HTTP/1.1", firstLineOf(r.b), "")
		}
		return nil, r.mismatch(ruleStatusLine, "", "", firstLineOf(r.b), "")
	}
	rest = rest[at:]
	for {
		head, after, ok := geckoLines(rest)
		if !ok {
			return nil, r.more()
		}
		status := geckoStatus(head[0])
		if status/100 == 1 && status != 101 {
			rest = after // 100 and its kind are passed over
			continue
		}
		// In other letters it is found, and not read.
		if version := head[0][:min(len(head[0]), len("HTTP/1.1"))]; g.versions && (version == "HTTP/1.0" || !strings.HasPrefix(version, one)) {
			return nil, r.mismatch(ruleHTTPVersion, "", "HTTP/1.1", version, "")
		}
		if status != 101 {
			return nil, r.mismatch(ruleStatusCode, "", "101", firstLineOf([]byte(head[0])), "")
		}
		r.last = len(after) == 0
		return r.geckoFields(head[1:])
	}
}

// geckoLines divides a head into its lines, folded ones joined. ok is false while its end has
// not come.
func geckoLines(p []byte) (lines []string, after []byte, ok bool) {
	var line []byte // the last one, which may go on
	for begun := false; ; begun = true {
		next, rest, found := bytes.Cut(p, []byte{'\n'})
		if !found {
			return nil, nil, false
		}
		p = rest
		next = bytes.TrimSuffix(next, []byte{'\r'})
		if len(lines) > 0 && len(next) > 0 && isBlank(next[0]) {
			line = append(append(line, ' '), bytes.TrimLeft(next, " \t")...)
			continue
		}
		if begun {
			lines = append(lines, string(line))
		}
		if len(next) == 0 && begun {
			return lines, p, true
		}
		line = append(line[:0], next...)
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// geckoStatus is the code of a status line; a line without one is that of an ordinary page.
func geckoStatus(line string) int {
	_, rest, ok := strings.Cut(line, " ")
	if !ok {
		return 200
	}
	rest = strings.TrimLeft(rest, " \t")
	n := 0
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	code, _ := atoi(rest[:n])
	return code
}

// geckoFields reads the fields. What is no field is passed over.
func (r *reading) geckoFields(lines []string) (fields []field, ok bool) {
	singles := map[string]string{}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) {
			continue
		}
		value = strings.Trim(value, " \t")
		if strings.Contains(value, "\x00") {
			return nil, r.mismatch(ruleFieldSyntax, name, "", value, "")
		}
		if old, ok := conflict(singles, name, value); ok {
			return nil, r.mismatch(ruleFieldConflict, name, old, value, "")
		}
		fields = append(fields, field{name, value})
	}
	return fields, true
}

func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// conflict notes a field that must not stand twice with other values, and reports whether it does.
func conflict(singles map[string]string, name, value string) (old string, is bool) {
	for _, single := range []string{"Content-Length", "Location", "Content-Disposition"} {
		if !ascii.EqualFold(name, single) {
			continue
		}
		if old, is = singles[single]; is {
			return old, old != value
		}
		singles[single] = value
	}
	return "", false
}
