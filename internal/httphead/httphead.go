// Package httphead reads HTTP/1 request and response heads as bytes. It keeps
// spelling and order of the fields, which hixie-75 depends on, and reads
// nothing beyond the blank line, which hixie-76 depends on.
package httphead

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/wire"
)

// MaxFields is the most header lines a head may have.
const MaxFields = 128

// End returns the length of the head in p, its blank line included, or -1
// while it is not complete. from is a length of p that is known to hold no
// end, so that a head that comes in pieces is scanned once.
func End[T string | []byte](p T, from int) int {
	from = max(0, from-3)
	if i := bytes.Index([]byte(p[from:]), []byte("\r\n\r\n")); i >= 0 {
		return from + i + 4
	}
	return -1
}

func malformed(format string, args ...any) error {
	return wire.Refuse(wire.Unknown, wire.ReasonHeadMalformed, fmt.Sprintf(format, args...))
}

// ParseRequest reads a complete request head into req. head ends with its
// blank line. The strings in req are parts of head. The error is a
// *wire.HandshakeError with ReasonHeadMalformed.
func ParseRequest(head string, req *wire.Request) error {
	line, rest, err := cutLine(head)
	if err != nil {
		return err
	}
	method, line, ok1 := strings.Cut(line, " ")
	target, proto, ok2 := strings.Cut(line, " ")
	if !ok1 || !ok2 || !isToken(method) || !isTarget(target) || !isProto(proto) {
		return malformed("request line %.80q", head[:len(head)-len(rest)])
	}
	req.Method, req.Target, req.Proto = method, target, proto
	req.Fields, err = parseFields(req.Fields[:0], rest)
	return err
}

// ParseResponse reads a complete response head into resp; resp.Raw is head
// itself. The error is a *wire.HandshakeError with ReasonHeadMalformed.
func ParseResponse(head string, resp *wire.Response) error {
	line, rest, err := cutLine(head)
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
	resp.Fields, err = parseFields(resp.Fields[:0], rest)
	return err
}

// cutLine takes the first line off s. Lines end in CR LF and hold neither.
func cutLine(s string) (line, rest string, err error) {
	i := strings.IndexByte(s, '\n')
	if i < 1 || s[i-1] != '\r' || strings.IndexByte(s[:i-1], '\r') >= 0 {
		return "", "", malformed("line end in %.80q is not CR LF", s[:max(i, 0)])
	}
	return s[:i-1], s[i+1:], nil
}

func parseFields(f wire.Fields, s string) (wire.Fields, error) {
	for {
		line, rest, err := cutLine(s)
		if err != nil {
			return f, err
		}
		s = rest
		if line == "" {
			if s != "" {
				return f, malformed("%d bytes behind the blank line", len(s))
			}
			return f, nil
		}
		name, value, ok := strings.Cut(line, ":")
		// A folded line or a space before the colon fails here as well: what
		// proxies read differently is refused (RFC 9112 5.1, 5.2).
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
		f = append(f, wire.Field{Name: name, Value: strings.Trim(value, " \t")})
	}
}

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

// IsFieldValue reports whether s may stand as the value of a field that we
// write: no CR, LF or NUL, so that nobody can add lines.
func IsFieldValue(s string) bool {
	return !strings.ContainsAny(s, "\r\n\x00")
}

// IsToken reports whether s is a token (RFC 9110 5.6.2).
func IsToken(s string) bool { return isToken(s) }

// IsTarget reports whether s may stand as the target of a request.
func IsTarget(s string) bool { return isTarget(s) }

// maxAuthority is more than a name of the DNS and a port have.
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
