package browsers

import (
	"strconv"
	"strings"
)

// member is one member of Sec-WebSocket-Extensions.
type member struct {
	name   string
	params []param
}

type param struct {
	name, value string
	has         bool // it has a value
	quoted      bool
}

// lister reads a list of extensions. Both engines have written it after RFC 6455 9.1; what
// differs is what may stand behind the last comma.
type lister struct{ s string }

func (l *lister) blanks() { l.s = strings.TrimLeft(l.s, " \t") }

func (l *lister) take(c byte) bool {
	l.blanks()
	if l.s == "" || l.s[0] != c {
		return false
	}
	l.s = l.s[1:]
	return true
}

func (l *lister) token() (string, bool) {
	l.blanks()
	n := 0
	for n < len(l.s) && isTokenByte(l.s[n]) {
		n++
	}
	t := l.s[:n]
	l.s = l.s[n:]
	return t, n > 0
}

func isTokenByte(c byte) bool {
	return c > ' ' && c < 0x7F && !strings.ContainsRune(`()<>@,;:\"/[]?={}`, rune(c))
}

func (l *lister) quoted() (string, bool) {
	if !l.take('"') {
		return "", false
	}
	var b []byte
	for l.s != "" && l.s[0] != '"' {
		if l.s[0] == '\\' {
			if l.s = l.s[1:]; l.s == "" {
				return "", false
			}
		}
		b = append(b, l.s[0])
		l.s = l.s[1:]
	}
	if l.s == "" {
		return "", false
	}
	l.s = l.s[1:]
	return string(b), true
}

// member reads one member.
func (l *lister) member() (m member, ok bool) {
	if m.name, ok = l.token(); !ok {
		return m, false
	}
	for l.take(';') {
		var p param
		if p.name, ok = l.token(); !ok {
			return m, false
		}
		if l.take('=') {
			p.has = true
			if p.value, p.quoted = l.quoted(); !p.quoted {
				if p.value, ok = l.token(); !ok {
					return m, false
				}
			}
		}
		m.params = append(m.params, p)
	}
	l.blanks()
	return m, true
}

// webkitExtensions checks a field of extensions as WebKit of 2014 does, which offers
// x-webkit-deflate-frame or nothing. seen counts those that came.
func (r *reading) webkitExtensions(value string, seen *int) bool {
	const frame = "x-webkit-deflate-frame"
	bad := func(rule, message string) bool {
		return r.mismatch(rule, "Sec-WebSocket-Extensions", r.extensions, value, message)
	}
	if !strings.Contains(r.extensions, frame) {
		return bad(ruleExtensionUnasked, "Received unexpected Sec-WebSocket-Extensions header")
	}
	l := lister{value}
	for l.s != "" {
		m, ok := l.member()
		if !ok || l.s != "" && !l.take(',') {
			return bad(ruleExtension, "Sec-WebSocket-Extensions header is invalid")
		}
		if m.name != frame {
			return bad(ruleExtensionUnasked, "Received unexpected extension: "+m.name)
		}
		if *seen++; *seen > 1 {
			return bad(ruleExtension, "Received duplicate deflate-frame response")
		}
		if message := frameParams(m.params); message != "" {
			return bad(ruleExtension, message)
		}
	}
	return true
}

// frameParams returns what is wrong with the parameters of x-webkit-deflate-frame. The first
// parameter of a name counts.
func frameParams(params []param) (message string) {
	first := map[string]param{}
	for _, p := range params {
		if _, ok := first[p.name]; !ok {
			first[p.name] = p
		}
	}
	known := 0
	if p, ok := first["max_window_bits"]; ok {
		if n, _ := atoi(p.value); n < 8 || n > 15 {
			return "Received invalid max_window_bits parameter"
		}
		known++
	}
	if p, ok := first["no_context_takeover"]; ok {
		if p.has {
			return "Received invalid no_context_takeover parameter"
		}
		known++
	}
	if known != len(first) {
		return "Received unexpected deflate-frame parameter"
	}
	return ""
}

// deflateParams returns what is wrong with the parameters of an answer of permessage-deflate, as
// Chromium says it.
func deflateParams(params []param, bits func(param) bool) string {
	seen := map[string]bool{}
	for _, p := range params {
		if seen[p.name] {
			return "Received duplicate permessage-deflate extension parameter " + p.name
		}
		seen[p.name] = true
		switch p.name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if p.has {
				return "Received invalid " + p.name + " parameter"
			}
		case "server_max_window_bits", "client_max_window_bits":
			switch {
			case p.name[0] == 'c' && !p.has:
				return p.name + " must have value"
			case !bits(p):
				return "Received invalid " + p.name + " parameter"
			}
		default:
			return "Received an unexpected permessage-deflate extension parameter"
		}
	}
	return ""
}

// atoi reads decimal digits.
func atoi(s string) (int, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
