// Package httphead parses the heads of HTTP/1 requests and responses. It keeps the spelling
// and the order of the fields, which hixie-75 needs, and reads nothing behind the blank
// line, which hixie-76 needs.
package httphead

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/wire"
)

// MaxFields is the largest number of header lines of a head.
const MaxFields = 128

// End returns the length of the head that p begins with, its blank line included, or -1
// while it is not complete. p[:from] is known to hold no end, so that a head that arrives in
// parts is scanned once.
//
// A line ends in LF here, whatever CRs stand before it: so the end of a head whose lines do
// not end in CR LF is found at once, and the parser says what is wrong with it. One thing is
// no end: an LF before CR LF behind a key or its proof, as there a program has added a line
// end to a value in base64 that had its own.
func End[T string | []byte](p T, from int) int {
	from = max(0, from-maxLineEnd)
	b := []byte(p[from:])
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return -1
		}
		at += i + 1
		end := at
		for end < len(b) && end-at < maxLineEnd-1 && b[end] == '\r' {
			end++
		}
		if end < len(b) && b[end] == '\n' && !(end > at && isDoubled(p, from+at)) {
			return from + end + 1
		}
	}
}

// isDoubled reports whether the line before p[at] ends in LF alone, in a head with CR LF, and
// has a value in base64.
func isDoubled[T string | []byte](p T, at int) bool {
	if at < 2 || p[at-2] == '\r' {
		return false
	}
	lines := []byte(p[:at-1])
	if first := bytes.IndexByte(lines, '\n'); first < 1 || lines[first-1] != '\r' {
		return false
	}
	name, _, _ := bytes.Cut(lines[bytes.LastIndexByte(lines, '\n')+1:], []byte{':'})
	return ascii.EqualFold(string(name), "Sec-WebSocket-Key") || ascii.EqualFold(string(name), "Sec-WebSocket-Accept")
}

// maxLineEnd is the length of the longest end of a line that anybody reads as one: CR CR LF
// is what a text stream that adds CRs makes of CR LF.
const maxLineEnd = 3

// HasStrayCR reports whether a part of a head has a CR that is in no end of a line: with the
// lines of such a head nothing is right, and its end may never come.
func HasStrayCR(p []byte) bool {
	i := bytes.IndexByte(p, '\r')
	for i >= 0 && i < len(p) && p[i] == '\r' {
		i++
	}
	return i >= 0 && i < len(p) && p[i] != '\n'
}

func malformed(format string, args ...any) *wire.HandshakeError {
	return wire.NewHandshakeError(wire.Unknown, wire.ReasonHeadMalformed, fmt.Sprintf(format, args...))
}

// ParseRequest parses a complete request head, which ends with its blank line, into req. The
// strings in req are parts of head. Faults that req.Tolerate names are accepted, and noted
// in req.Tolerated. The error is a *wire.HandshakeError with ReasonHeadMalformed, or with
// ReasonHeadTooLarge for more than MaxFields.
func ParseRequest(head string, req *wire.Request) error {
	l := lineReader{rest: head}
	line, err := l.next()
	if err != nil {
		return err
	}
	if err := l.requestLine(line, req); err != nil {
		return err
	}
	if req.Fields, err = l.fields(req.Fields[:0]); err != nil {
		return err
	}
	return l.judge(req.Tolerate, &req.Tolerated)
}

// ParseResponse parses a complete response head into resp. resp.Raw is head itself. Faults
// and errors are as with ParseRequest.
func ParseResponse(head string, resp *wire.Response) error {
	l := lineReader{rest: head, response: true}
	line, err := l.next()
	if err != nil {
		return err
	}
	// HTTP/1.1 101 Phrase: the phrase and the space before it may be missing.
	if len(line) < 12 || !isProto(line[:8]) || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return malformed("status line %.80q", line)
	}
	status := 0
	for _, c := range []byte(line[9:12]) {
		if c < '0' || c > '9' {
			return malformed("status line %.80q", line)
		}
		status = status*10 + int(c-'0')
	}
	resp.Line, resp.Status, resp.Raw = line, status, head
	if resp.Fields, err = l.fields(resp.Fields[:0]); err != nil {
		return err
	}
	return l.judge(resp.Tolerate, &resp.Tolerated)
}

// lineReader reads the lines of a head, and gathers the tolerances that it needs.
type lineReader struct {
	rest     string
	response bool
	need     wire.Tolerances
	why      string // the first fault that needs one
	bare     bool   // the last line ended in LF alone
}

// judge returns the error of a head whose faults are not all tolerated.
func (l *lineReader) judge(tolerate wire.Tolerances, tolerated *wire.Tolerances) error {
	*tolerated |= l.need
	if l.need&^tolerate == 0 {
		return nil
	}
	he := malformed("%s", l.why)
	he.Tolerance = l.need
	return he
}

// fault notes a fault that a tolerance accepts.
func (l *lineReader) fault(by wire.Tolerances, format string, args ...any) {
	l.need |= by
	if l.why == "" {
		l.why = fmt.Sprintf(format, args...)
	}
}

// next returns the next line. It ends in CR LF and contains neither.
func (l *lineReader) next() (line string, err error) {
	i := strings.IndexByte(l.rest, '\n')
	if i < 1 || l.rest[i-1] != '\r' || strings.IndexByte(l.rest[:i-1], '\r') >= 0 {
		return l.nextLoose(i)
	}
	line, l.rest = l.rest[:i-1], l.rest[i+1:]
	l.bare = false
	return line, nil
}

// nextLoose returns the next line, whose LF is at i, of a head whose lines do not end in CR LF.
func (l *lineReader) nextLoose(i int) (line string, err error) {
	line = strings.TrimRight(l.rest[:max(i, 0)], "\r")
	if i < 0 || i-len(line) >= maxLineEnd || strings.IndexByte(line, '\r') >= 0 {
		return "", malformed("line end in %.80q is not CR LF", l.rest[:max(i, 0)])
	}
	l.fault(wire.TolerateLineEnds, "line end in %.80q is not CR LF", l.rest[:i+1])
	l.rest, l.bare = l.rest[i+1:], len(line) == i
	return line, nil
}

// requestLine parses the first line of a request (RFC 9112 3).
func (l *lineReader) requestLine(line string, req *wire.Request) error {
	method, rest, ok1 := strings.Cut(line, " ")
	target, proto, ok2 := strings.Cut(rest, " ")
	if !ok1 || !ok2 || !isToken(method) || !isTarget(target) || !isProto(proto) {
		return l.looseRequestLine(line, req)
	}
	req.Method, req.Target, req.Proto = method, target, proto
	return nil
}

const blanks = " \t"

// putRight makes a target of what stood in its place.
var putRight = strings.NewReplacer(" ", "%20", "\t", "%09", "#", "%23")

// looseRequestLine parses a request line with other blanks than two.
func (l *lineReader) looseRequestLine(line string, req *wire.Request) error {
	text := strings.TrimRight(line, blanks)
	first, last := strings.IndexAny(text, blanks), strings.LastIndexAny(text, blanks)
	if first < 0 || !isToken(text[:first]) || !isProto(text[last+1:]) {
		return malformed("request line %.80q", line)
	}
	sent := strings.Trim(text[first:last+1], blanks)
	target := putRight.Replace(sent)
	if target == "" {
		target = "/"
	}
	if target != sent && !strings.ContainsAny(sent, "\t#") {
		req.Unescaped = sent // with blanks, which clients of the hixie versions leave in
	}
	if !isTarget(target) { // a control character
		return malformed("request line %.80q", line)
	}
	l.fault(wire.TolerateRequestLine, "request line %.80q", line)
	req.Method, req.Target, req.Proto = text[:first], target, text[last+1:]
	return nil
}

// fields parses the lines behind the first, up to the blank one.
func (l *lineReader) fields(f wire.Fields) (wire.Fields, error) {
	if n := min(strings.Count(l.rest, "\n"), MaxFields); cap(f) < n {
		f = make(wire.Fields, 0, n)
	}
	for {
		bare := l.bare
		line, err := l.next()
		if err != nil {
			return f, err
		}
		if line == "" {
			if bare && l.rest != "" { // the other half of a line end: see End
				continue
			}
			if l.rest != "" {
				return f, malformed("%d bytes behind the blank line", len(l.rest))
			}
			return f, nil
		}
		name, value, ok := strings.Cut(line, ":")
		if l.response {
			if name, value, err = l.loosely(name, value); err != nil {
				return f, err
			}
		}
		// In a request a folded line and a space before the colon fail here too, as proxies
		// read them in different ways (RFC 9112 5.1, 5.2).
		if !ok || !isToken(name) {
			return f, malformed("field line %.80q", line)
		}
		if strings.IndexByte(value, 0) >= 0 {
			return f, malformed("NUL in field %.80q", name)
		}
		if len(f) == MaxFields {
			return f, &wire.HandshakeError{Status: 431, Reason: wire.ReasonHeadTooLarge,
				Detail: fmt.Sprintf("more than %d fields", MaxFields)}
		}
		f = append(f, wire.Field{Name: name, Value: trimValue(name, value)})
	}
}

// loosely returns a field of an answer without white space before its colon (RFC 9112 5.1)
// and with the lines that it goes on in (RFC 9112 5.2).
func (l *lineReader) loosely(name, value string) (string, string, error) {
	if bare := strings.TrimRight(name, blanks); bare != name && bare != "" {
		l.fault(wire.TolerateSpaceBeforeColon, "white space before the colon of %.80q", name)
		name = bare
	}
	parts := []string{value}
	for l.rest != "" && strings.IndexByte(blanks, l.rest[0]) >= 0 {
		line, err := l.next()
		if err != nil {
			return name, value, err
		}
		parts = append(parts, strings.Trim(line, blanks))
	}
	if len(parts) > 1 {
		l.fault(wire.TolerateFoldedFields, "the field %.80q goes on in the next line", name)
		value = strings.Join(parts, " ")
	}
	return name, value, nil
}

// trimValue takes the white space off a value. Of a key of hixie-76 it takes one space off
// the front: its other spaces count (hixie-76 5.2).
func trimValue(name, value string) string {
	if len(name) == len(challengeKey)+1 && ascii.EqualFold(name[:len(challengeKey)], challengeKey) && (name[len(challengeKey)] == '1' || name[len(challengeKey)] == '2') {
		return strings.TrimPrefix(value, " ")
	}
	return ascii.Trim(value)
}

// FieldValue returns the value of a line of a request that ParseRequest has accepted, with
// lines that end in CR LF; ok is false unless the line is a field with that name, in any case.
func FieldValue(line, name string) (value string, ok bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || !ascii.EqualFold(line[:len(name)], name) {
		return "", false
	}
	return trimValue(line[:len(name)], strings.TrimSuffix(line[len(name)+1:], "\r\n")), true
}

const challengeKey = "Sec-WebSocket-Key"

// isToken: RFC 9110 5.6.2.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

var tokenBytes = func() (is [256]bool) {
	for c := '!'; c < 0x7F; c++ {
		is[c] = !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	}
	return is
}()

// isTarget takes what a client of the time may send: no white space, no
// controls, and no fragment, which servers cut off or take for a part of the path
// (RFC 9112 3.2).
func isTarget(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7F || s[i] == '#' {
			return false
		}
	}
	return s != ""
}

func isProto(s string) bool {
	return len(s) == 8 && s[:5] == "HTTP/" && s[5] >= '0' && s[5] <= '9' && s[6] == '.' && s[7] >= '0' && s[7] <= '9'
}

// IsFieldValue reports whether s may be the value of a field that we write. It has no CR, LF
// or NUL, so that it cannot add lines.
func IsFieldValue(s string) bool {
	return !strings.ContainsAny(s, "\r\n\x00")
}

// IsToken reports whether s is a token (RFC 9110 5.6.2).
func IsToken(s string) bool { return isToken(s) }

// IsSubprotocol reports whether s may stand in a list of subprotocols. RFC 6455 4.1 has
// only tokens, but pages and clients of the earlier versions chose from all of U+0021 to
// U+007E ("jwebsocket.org/json"). A comma divides the list, and a quote may hide a comma
// from a program that reads quoted strings.
func IsSubprotocol(s string) bool {
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' || s[i] == ',' || s[i] == '"' {
			return false
		}
	}
	return s != ""
}

// IsTarget reports whether s may be the target of a request.
func IsTarget(s string) bool { return isTarget(s) }

// maxAuthority is longer than a name of the DNS with a port.
const maxAuthority = 300

// IsAuthority reports whether s may stand as host and port of a URL, and so as the Host
// field: a name, an IPv4 address, or one of IPv6 in brackets, and behind a colon a port
// or nothing (RFC 3986 3.2, RFC 9112 3.2). Of what a name may have, the comma is left
// out, as fields that are lists repeat hosts, and so are escapes, which others undo.
func IsAuthority(s string) bool {
	host, port, _ := strings.Cut(s, ":")
	bytes := &hostBytes
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if host, port, ok = strings.Cut(inner, "]"); !ok || strings.IndexByte(host, ':') < 0 || port != "" && port[0] != ':' {
			return false
		}
		port, bytes = strings.TrimPrefix(port, ":"), &addressBytes
	}
	return host != "" && len(s) <= maxAuthority && consists(host, bytes) && len(port) <= 5 && consists(port, &digits)
}

// LooseHost returns what an IPv6 address stands for that IsAuthority refuses, because it lacks
// its brackets or has a zone: the address in brackets, without the zone, and its port if it
// had brackets. It returns "" for all else.
func LooseHost(s string) string {
	host, port := s, ""
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if host, port, ok = strings.Cut(inner, "]"); !ok {
			return ""
		}
	}
	host, _, _ = strings.Cut(host, "%")
	if a, err := netip.ParseAddr(host); err != nil || !a.Is6() {
		return ""
	}
	host = "[" + host + "]" + port
	if !IsAuthority(host) {
		return ""
	}
	return host
}

func consists(s string, of *[256]bool) bool {
	for i := 0; i < len(s); i++ {
		if !of[s[i]] {
			return false
		}
	}
	return true
}

const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

var (
	digits       = setOf("0123456789")
	addressBytes = setOf("0123456789ABCDEFabcdef:.")
	hostBytes    = setOf(alphanumeric + "-._~!$&'()*+;=")
)

func setOf(s string) (is [256]bool) {
	for i := range len(s) {
		is[s[i]] = true
	}
	return is
}
