package inspect

import "unicode/utf8"

// textOf returns bytes of the wire as text: UTF-8, or else Latin-1.
func textOf(p []byte) string {
	if utf8.Valid(p) {
		return string(p)
	}
	r := make([]rune, len(p))
	for i, c := range p {
		r[i] = rune(c)
	}
	return string(r)
}

// whole returns the beginning of p that ends at the end of a character, where p was cut off.
func whole(p []byte, cut bool) []byte {
	if !cut {
		return p
	}
	for i := 1; i <= utf8.UTFMax && i <= len(p); i++ {
		if c := p[len(p)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(p[len(p)-i:]) {
				return p[:len(p)-i]
			}
			break
		}
	}
	return p
}
