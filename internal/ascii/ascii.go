// Package ascii compares the words of HTTP, in which case counts for nothing and only
// ASCII has case: package strings folds the Kelvin sign to a k and the long s to an s, and
// other programs do not.
package ascii

// EqualFold reports whether s and t are the same but for the case of ASCII letters.
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

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
