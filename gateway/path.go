package gateway

import (
	"slices"
	"strings"
)

// readings returns the paths that servers make of a target, each once. The first is the
// plain one, with its escapes read once, by which routes are chosen; the others are for
// finding out whether a backend could take the path for another route's. ok is false for
// what no route takes: a path that does not begin with /, that has a segment . or .. in
// any reading, or a control character.
func readings(target string) (list []string, ok bool) {
	raw, _, _ := strings.Cut(target, "?")
	if raw == "" || raw[0] != '/' {
		return nil, false
	}
	if isPlain(raw) {
		return []string{raw}, true
	}
	if all := unescapeAll(raw, true); climbs(all) || strings.ContainsFunc(all, isControl) {
		return nil, false
	}
	list = appendReadings(nil, raw)
	for _, rest := range behindAuthority(raw) {
		list = appendReadings(list, rest)
	}
	return list, true
}

// isPlain reports whether all servers read a path as it stands.
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

// appendReadings adds what servers make of a path. All that they do is done here, in the
// orders that give different paths: they read escapes once, or again and again, those of
// slashes too or not; they take a backslash for a slash and several slashes for one; they
// leave out parameters behind a semicolon, before they read the escapes or behind that, and
// dots and blanks at the end of a segment; and what has become a query or a fragment ends
// the path.
func appendReadings(list []string, raw string) []string {
	list = appendNew(list, unescape(raw, true), unescape(raw, false))
	var read []string
	for _, p := range appendNew([]string{raw}, withoutParameters(raw), withoutParameters(slashed(raw))) {
		read = appendNew(read, unescapeAll(p, true), unescapeAll(p, false))
	}
	for _, f := range []func(string) string{cutQuery, withoutParameters, cutQuery} {
		for _, p := range read {
			read = appendNew(read, f(p))
		}
	}
	for _, p := range read {
		list = appendNew(list, tidy(p))
	}
	return list
}

// appendNew adds those paths that are not in the list.
func appendNew(list []string, paths ...string) []string {
	for _, p := range paths {
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// behindAuthority returns what is left of a path that begins with two slashes for who
// resolves it like a link on a page: new URL(target, base) of JavaScript and urlsplit of
// Python take what follows for a host. They differ in whether a backslash ends that.
func behindAuthority(raw string) (rests []string) {
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

// climbs reports whether a path has a segment . or .., which no browser sends: what it
// means is for each server to say, and not to be routed by.
func climbs(p string) bool {
	for seg := range strings.FieldsFuncSeq(p, func(r rune) bool { return r == '/' || r == '\\' }) {
		if seg = strings.TrimRight(cutParameter(cutQuery(seg)), " "); seg == "." || seg == ".." {
			return true
		}
	}
	return false
}

// tidy leaves out of a path what servers leave out of theirs.
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

// slashed is a path with slashes for backslashes.
func slashed(p string) string { return strings.ReplaceAll(p, `\`, "/") }

// withoutParameters leaves out what stands behind the semicolons of a path's segments.
func withoutParameters(p string) string {
	if !strings.Contains(p, ";") {
		return p
	}
	b := make([]byte, 0, len(p))
	leave := false
	for i := range len(p) {
		if leave = p[i] != '/' && (leave || p[i] == ';'); !leave {
			b = append(b, p[i])
		}
	}
	return string(b)
}

func cutParameter(seg string) string {
	seg, _, _ = strings.Cut(seg, ";")
	return seg
}

// cutQuery cuts off what an unescaped path would have as query or fragment.
func cutQuery(p string) string {
	if i := strings.IndexAny(p, "?#"); i >= 0 {
		return p[:i]
	}
	return p
}

// unescape reads the escapes of a path once, as far as they are well formed; those of
// slashes stay with slashes false.
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

// unescapeAll reads escapes until there are none, with those that only some servers know:
// %u002f, and UTF-8 that is longer than needed, C0 AF. It is one pass, whatever stands
// within whatever: what an escape gives may end another.
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

// isUnescaped reports whether there is no escape in a path.
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

// lastEscape reads the escape at the end of b, of n bytes; n is 0 where there is none.
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

// escaped reads %41.
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
