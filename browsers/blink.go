package browsers

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
)

// blink is the handshake of Chromium since it has one of its own.
type blink struct{}

// maxBlinkHead is the longest head that Chromium reads.
const maxBlinkHead = 256 << 10

// check is the client.
func (b blink) check(r *reading) bool {
	fields, ok := b.head(r)
	if !ok {
		return false
	}
	if _, ok := r.blinkOne(fields, "Upgrade", ruleUpgradeMissing); !ok {
		return false
	}
	if got := firstOf(fields, "Upgrade"); !ascii.EqualFold(got, "websocket") {
		return r.mismatch(ruleUpgradeValue, "Upgrade", "websocket", got, during+"'Upgrade' header value is not 'WebSocket': "+got)
	}
	got, ok := r.blinkOne(fields, "Sec-WebSocket-Accept", ruleAcceptMissing)
	if !ok {
		return false
	}
	if r.key != "" && got != r.accept() {
		return r.mismatch(ruleAccept, "Sec-WebSocket-Accept", r.accept(), got, during+"Incorrect 'Sec-WebSocket-Accept' header value")
	}
	if count(fields, "Connection") == 0 {
		r.v.Field = "Connection"
		return r.fail(ruleConnMissing, during+"'Connection' header is missing")
	}
	if !has(blinkMembers(fields, "Connection"), "upgrade") {
		got, _ := joined(fields, "Connection")
		return r.mismatch(ruleConnValue, "Connection", "Upgrade", got, during+"'Connection' header value must contain 'Upgrade'")
	}
	return r.blinkProtocol(fields) && r.blinkExtensions(fields)
}

// firstOf is the first value of a field.
func firstOf(fields []field, name string) string {
	value, _ := get(fields, name)
	return value
}

// blinkMembers are the members of the lists of a field; one without a value has an empty one.
func blinkMembers(fields []field, name string) (out []string) {
	for _, f := range fields {
		if ascii.EqualFold(f.name, name) {
			for _, v := range strings.Split(f.value, ",") {
				out = append(out, ascii.Trim(v))
			}
		}
	}
	return out
}

func has(list []string, token string) bool {
	for _, t := range list {
		if ascii.EqualFold(t, token) {
			return true
		}
	}
	return false
}

// blinkOne returns the value of a field that has one member.
func (r *reading) blinkOne(fields []field, name, absent string) (string, bool) {
	switch values := blinkMembers(fields, name); len(values) {
	case 0:
		r.v.Field = name
		return "", r.fail(absent, during+"'"+name+"' header is missing")
	case 1:
		return values[0], true
	default:
		return "", r.mismatch(ruleFieldTwice, name, "", strings.Join(values, ", "), during+"'"+name+"' header must not appear more than once in a response")
	}
}

// blinkProtocol checks the subprotocol, which has to be answered where one was asked for.
func (r *reading) blinkProtocol(fields []field) bool {
	const name = "Sec-WebSocket-Protocol"
	var asked []string
	if r.protocol != "" {
		for _, p := range strings.Split(r.protocol, ",") {
			asked = append(asked, ascii.Trim(p))
		}
	}
	values := blinkMembers(fields, name)
	for i, v := range values {
		switch {
		case i > 0:
			return r.mismatch(ruleFieldTwice, name, "", strings.Join(values, ", "), during+"'"+name+"' header must not appear more than once in a response")
		case len(asked) == 0:
			return r.mismatch(ruleProtocolUnasked, name, "", v, during+"Response must not include '"+name+"' header if not present in request: "+v)
		case !contains(asked, v):
			return r.mismatch(ruleProtocol, name, r.protocol, v, during+"'"+name+"' header value '"+v+"' in response does not match any of sent values")
		}
	}
	if len(values) == 0 && len(asked) > 0 {
		return r.mismatch(ruleProtocolMissing, name, r.protocol, "", during+"Sent non-empty '"+name+"' header but no response was received")
	}
	return true
}

// blinkExtensions checks the extensions, each member of the lists by itself.
func (r *reading) blinkExtensions(fields []field) bool {
	const name, deflate = "Sec-WebSocket-Extensions", "permessage-deflate"
	seen := false
	for _, f := range fields {
		if !ascii.EqualFold(f.name, name) {
			continue
		}
		for _, part := range unquotedParts(f.value) {
			bad := func(rule, message string) bool {
				return r.mismatch(rule, name, r.extensions, f.value, during+message)
			}
			l := lister{part}
			m, ok := l.member()
			switch {
			case !ok || l.s != "":
				return bad(ruleExtension, "'"+name+"' header value is rejected by the parser: "+part)
			case m.name != deflate:
				return bad(ruleExtensionUnasked, "Found an unsupported extension '"+m.name+"' in '"+name+"' header")
			case !strings.Contains(r.extensions, deflate):
				return bad(ruleExtensionUnasked, "")
			case seen:
				return bad(ruleExtension, "Received duplicate permessage-deflate response")
			}
			seen = true
			if wrong := deflateParams(m.params, blinkBits); wrong != "" {
				return bad(ruleExtension, "Error in permessage-deflate: "+wrong)
			}
		}
	}
	return true
}

// unquotedParts are what commas divide, but those in quotes.
func unquotedParts(s string) (parts []string) {
	quoted, from := false, 0
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			parts = append(parts, ascii.Trim(s[from:i]))
			from = i + 1
		}
	}
	return append(parts, ascii.Trim(s[from:]))
}

// blinkBits reports whether a parameter is a window: 8 to 15, without a zero in front.
func blinkBits(p param) bool {
	n, ok := atoi(p.value)
	return ok && n >= 8 && n <= 15 && p.value[0] != '0'
}

// head reads the head of an answer as Chromium's code for HTTP does.
func (blink) head(r *reading) (fields []field, ok bool) {
	const http = "http"
	if len(r.b) == 0 {
		return nil, r.cut("Connection closed before receiving a handshake response")
	}
	window := ascii.ToLower(string(r.b[:min(len(r.b), junkMost+len(http))]))
	at := strings.Index(window, http)
	if at < 0 {
		if len(r.b) < junkMost+len(http) && !r.ended {
			return nil, r.more()
		}
		return nil, r.mismatch(ruleStatusLine, "", "", firstLineOf(r.b), during+"net::ERR_INVALID_HTTP_RESPONSE")
	}
	end := blinkEnd(r.b[at:])
	if end < 0 && len(r.b) < maxBlinkHead {
		return nil, r.cut(during + "net::ERR_CONNECTION_CLOSED")
	}
	if end < 0 || at+end > maxBlinkHead {
		return nil, r.mismatch(ruleHeadLong, "", fmt.Sprintf("at most %d bytes", maxBlinkHead), fmt.Sprintf("%d bytes", len(r.b)), during+"net::ERR_RESPONSE_HEADERS_TOO_BIG")
	}
	head := r.b[at : at+end]
	if i := bytes.IndexByte(head, 0); i >= 0 {
		return nil, r.mismatch(ruleFieldSyntax, "", "", firstLineOf(head[max(0, bytes.LastIndexByte(head[:i], '\n')+1):]), during+"net::ERR_INVALID_HTTP_RESPONSE")
	}
	lines := blinkLines(string(head))
	singles := map[string]string{}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		name, value = ascii.Trim(name), ascii.Trim(value)
		if !ok || name == "" {
			continue
		}
		if old, ok := conflict(singles, name, value); ok {
			return nil, r.mismatch(ruleFieldConflict, name, old, value, during+"net::ERR_RESPONSE_HEADERS_MULTIPLE_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
		}
		fields = append(fields, field{name, value})
	}
	switch code := geckoStatus(lines[0]); code {
	case 101:
	case 401:
		return nil, r.mismatch(ruleStatusCode, "", "101", "401", "HTTP Authentication failed; no valid credentials available")
	default:
		return nil, r.mismatch(ruleStatusCode, "", "101", fmt.Sprint(code), during+"Unexpected response code: "+fmt.Sprint(code))
	}
	return fields, true
}

// blinkLines divides a head into its lines, folded ones joined: a CR ends a line too. There is
// one at least, as the head has a letter.
func blinkLines(head string) (lines []string) {
	var line []byte
	for i, next := range strings.FieldsFunc(head, func(c rune) bool { return c == '\r' || c == '\n' }) {
		if i > 1 && isBlank(next[0]) {
			line = append(append(line, ' '), ascii.Trim(next)...)
			continue
		}
		if i > 0 {
			lines = append(lines, string(line))
		}
		line = append(line[:0], next...)
	}
	return append(lines, string(line))
}

// cut ends the reading where bytes are missing.
func (r *reading) cut(message string) bool {
	if r.more(); r.v.Outcome == Fails {
		r.v.Message = message
	}
	return false
}

// blinkEnd is where a head ends: behind two ends of lines, each with CR or without; -1 where it
// does not.
func blinkEnd(p []byte) int {
	for i := range p {
		if p[i] != '\n' {
			continue
		}
		switch {
		case i+1 < len(p) && p[i+1] == '\n':
			return i + 2
		case i+2 < len(p) && p[i+1] == '\r' && p[i+2] == '\n':
			return i + 3
		}
	}
	return -1
}
