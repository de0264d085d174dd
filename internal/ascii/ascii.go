// Package ascii compares and writes the words of HTTP, in which only the letters of ASCII
// have case: package strings folds the Kelvin sign to a k and the long s to an s, and
// other programs do not.
package ascii

// EqualFold reports whether s and t are equal when the case of ASCII letters is ignored.
func EqualFold(s, t string) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range len(s) {
		if s[i] != t[i] && lower(s[i]) != lower(t[i]) {
			return false
		}
	}
	return true
}

// Trim returns s without the spaces and tabs at its ends: HTTP's optional white space (RFC
// 9110 5.6.3). strings.Trim takes 500 bytes of stack, which a handshake does not have.
func Trim(s string) string {
	for s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	for s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// ToLower returns s with the letters A to Z in lower case and all other bytes unchanged.
func ToLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lower(c)
	}
	return string(b)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// AppendField appends one header line: name, colon, space, value, CR LF.
func AppendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}
