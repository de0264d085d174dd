package gateway

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// readings returns the paths that servers may read a target as, each once. The first is the
// plain reading, with the escapes decoded once: by it a route is chosen. The others show
// whether a backend could take the path for one that belongs to another route. ok is false
// for a path that no route takes: it does not begin with /, or it has a control character,
// or in any reading a segment . or ...
func readings(target string) (list []string, ok bool) {
	raw, _, _ := strings.Cut(target, "?")
	if raw == "" || raw[0] != '/' {
		return nil, false
	}
	if isPlain(raw) {
		return []string{raw}, true
	}
	for _, p := range appendNew([]string{raw}, cutBlank(raw)) {
		if all := unescapeAll(p, true); climbs(all) || strings.ContainsFunc(all, isControl) {
			return nil, false
		}
		list = appendReadings(list, p)
		for _, rest := range afterAuthority(p) {
			list = appendReadings(list, rest)
		}
	}
	return list, true
}

// isPlain reports whether all servers read a path as it is written.
func isPlain(p string) bool {
	for i := range len(p) {
		switch c := p[i]; {
		case c <= ' ' || c >= 0x7F || c == '%' || c == ';' || c == '\\' || c == '#':
			return false
		case (c == '/' || c == '.') && i+1 == len(p):
			return c == '/'
		case (c == '/' || c == '.') && p[i+1] == '/':
			return false
		}
	}
	return true
}

func isControl(r rune) bool { return r < ' ' || r == 0x7F }

// appendReadings appends the paths that servers may read a path as. It does all that servers
// do, in each order that gives a different path. They decode escapes once or again and
// again, with or without those of slashes. They take a backslash for a slash, and several
// slashes for one. They remove parameters after a semicolon, before or after they decode
// escapes, and dots and blanks at the end of a segment. And a decoded ? or # ends the path.
func appendReadings(list []string, raw string) []string {
	list = appendNew(list, unescape(raw, true), unescape(raw, false))
	var decoded []string
	for _, p := range appendNew([]string{raw}, withoutParameters(raw), withoutParameters(slashed(raw))) {
		decoded = appendNew(decoded, unescapeAll(p, true), unescapeAll(p, false))
	}
	for _, f := range []func(string) string{cutQuery, withoutParameters, cutQuery} {
		for _, p := range decoded {
			decoded = appendNew(decoded, f(p))
		}
	}
	for _, p := range decoded {
		list = appendNew(list, tidy(p))
	}
	return list
}

// appendNew appends the paths that are not in the list yet.
func appendNew(list []string, paths ...string) []string {
	for _, p := range paths {
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// afterAuthority returns the path that a server sees if it resolves a target with two
// leading slashes like a link on a page: new URL(target, base) of JavaScript and urlsplit of
// Python take what follows the slashes for a host. They disagree whether a backslash ends
// the host.
func afterAuthority(raw string) (rests []string) {
	rest := strings.TrimLeft(raw, `/\`)
	if len(raw)-len(rest) < 2 {
		return nil
	}
	for _, ends := range []string{`/\`, `/`} {
		if i := strings.IndexAny(rest, ends); i >= 0 {
			rests = append(rests, rest[i:])
		} else {
			rests = append(rests, "/")
		}
	}
	return rests
}

// cutBlank cuts a path at its first unescaped blank beyond ASCII, of Unicode or of Latin-1.
// Some servers end a path there: http.server of Python takes U+0085 and U+00A0 for blanks when
// it splits the request line, as Perl may, and url.parse of JavaScript removes U+00A0 at the
// end.
func cutBlank(raw string) string {
	for i := 0; i < len(raw); {
		r, n := utf8.DecodeRuneInString(raw[i:])
		if n == 1 && r == utf8.RuneError {
			r = rune(raw[i])
		}
		if r >= utf8.RuneSelf && (unicode.IsSpace(r) || r == '\uFEFF') {
			return raw[:i]
		}
		i += n
	}
	return raw
}

// climbs reports whether a path has a segment . or ... No browser sends one, and servers
// disagree about its meaning, so a route cannot be chosen by it.
func climbs(p string) bool {
	for seg := range strings.FieldsFuncSeq(p, func(r rune) bool { return r == '/' || r == '\\' }) {
		if seg = strings.TrimRight(cutParameter(cutQuery(seg)), " "); seg == "." || seg == ".." {
			return true
		}
	}
	return false
}

// tidy removes from a path all that servers remove.
func tidy(p string) string {
	b := make([]byte, 0, len(p)+1)
	for rest, more := slashed(p), true; more; {
		var seg string
		seg, rest, more = strings.Cut(rest, "/")
		if seg = strings.TrimRight(cutParameter(seg), " ."); seg != "" {
			b = append(append(b, '/'), seg...)
		} else if !more { // a slash at the end, or nothing at all
			b = append(b, '/')
		}
	}
	return string(b)
}

// slashed returns a path with slashes in place of its backslashes.
func slashed(p string) string { return strings.ReplaceAll(p, `\`, "/") }

// withoutParameters removes from each segment of a path what follows a semicolon.
func withoutParameters(p string) string {
	if !strings.Contains(p, ";") {
		return p
	}
	b := make([]byte, 0, len(p))
	inParameter := false
	for i := range len(p) {
		inParameter = p[i] != '/' && (inParameter || p[i] == ';')
		if !inParameter {
			b = append(b, p[i])
		}
	}
	return string(b)
}

func cutParameter(seg string) string {
	seg, _, _ = strings.Cut(seg, ";")
	return seg
}

// cutQuery cuts a decoded path at its first ? or #.
func cutQuery(p string) string {
	if i := strings.IndexAny(p, "?#"); i >= 0 {
		return p[:i]
	}
	return p
}

// unescape decodes the well-formed escapes of a path once. Unless slashes is true, those of
// slashes and backslashes stay.
func unescape(p string, slashes bool) string {
	if !strings.Contains(p, "%") {
		return p
	}
	b := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		c, ok := byte(0), false
		if i+2 < len(p) {
			c, ok = escaped(p[i : i+3])
		}
		if !ok || !slashes && (c == '/' || c == '\\') {
			b = append(b, p[i])
			continue
		}
		b = append(b, c)
		i += 2
	}
	return string(b)
}

// unescapeAll decodes escapes until there are none, also those that only some servers know:
// %u002f, and overlong UTF-8 like C0 AF. One pass is enough for escapes within escapes, as
// each decoded byte is looked at again as the possible end of another escape.
func unescapeAll(p string, slashes bool) string {
	if isUnescaped(p) {
		return p
	}
	b := make([]byte, 0, len(p))
	for i := range len(p) {
		b = append(b, p[i])
		for endsEscape[b[len(b)-1]] {
			c, n := lastEscape(b)
			if n == 0 || !slashes && (c == '/' || c == '\\') {
				break
			}
			b = append(b[:len(b)-n], c)
		}
	}
	return string(b)
}

// isUnescaped reports whether a path has no escape.
func isUnescaped(p string) bool {
	for i := range len(p) {
		if p[i] == '%' || p[i] >= 0xC0 {
			return false
		}
	}
	return true
}

// endsEscape are the bytes with which an escape may end.
var endsEscape = func() (is [256]bool) {
	for c := range is {
		_, is[c] = hexDigit(byte(c))
		is[c] = is[c] || c&0xC0 == 0x80
	}
	return is
}()

// lastEscape decodes the escape at the end of b, which is n bytes long; n is 0 if there is
// none.
func lastEscape(b []byte) (c byte, n int) {
	if len(b) >= 3 {
		if c, ok := escaped(string(b[len(b)-3:])); ok {
			return c, 3
		}
		if x := b[len(b)-3:]; x[0] == 0xE0 && x[1]|1 == 0x81 && x[2]&0xC0 == 0x80 {
			return x[1]<<6 | x[2]&0x3F, 3
		}
	}
	if len(b) >= 6 {
		if x := string(b[len(b)-6:]); x[0] == '%' && x[1]|0x20 == 'u' && x[2:4] == "00" {
			if c, ok := escaped("%" + x[4:]); ok && c < 0x80 {
				return c, 6
			}
		}
	}
	if len(b) >= 2 {
		if x := b[len(b)-2:]; x[0]|1 == 0xC1 && x[1]&0xC0 == 0x80 {
			return x[0]<<6 | x[1]&0x3F, 2
		}
	}
	return 0, 0
}

// escaped decodes an escape like %41.
func escaped(s string) (c byte, ok bool) {
	if s[0] != '%' {
		return 0, false
	}
	high, ok1 := hexDigit(s[1])
	low, ok2 := hexDigit(s[2])
	return high<<4 | low, ok1 && ok2
}

func hexDigit(c byte) (v byte, ok bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
