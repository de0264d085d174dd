package main

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible returns s with all that a terminal would obey, or not show, written
// as an escape: a peer must not move the cursor of whoever reads its words.
func visible(s string) string { return escape(s, "") }

// visibleText is visible for a message, whose line ends and tabs stay.
func visibleText(s string) string { return escape(s, "\n\t") }

func escape(s, keep string) string {
	ok := func(r rune) bool { return unicode.IsGraphic(r) || strings.ContainsRune(keep, r) }
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !ok(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 || !ok(r) {
			q := strconv.QuoteToASCII(s[:n])
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}
