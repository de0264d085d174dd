package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// visible returns s with an escape for each character that a terminal would obey or not
// show: a peer must not move the cursor of the person who reads its words.
func visible(s string) string { return escape(s, "") }

// visibleText is visible for a message, which keeps its line ends and tabs.
func visibleText(s string) string { return escape(s, "\n\t") }

// shown reports whether a terminal shows r and does nothing more.
func shown(r rune) bool { return unicode.IsGraphic(r) }

// visibleJSON returns JSON that means the same as p and escapes all that visible escapes:
// DEL, C1 controls, line separators and what turns the direction of text are letters to
// encoding/json. Outside of strings JSON is ASCII.
func visibleJSON(p []byte) []byte {
	bad := func(r rune) bool { return r >= 0x7F && !shown(r) }
	if utf8.Valid(p) && bytes.IndexFunc(p, bad) < 0 {
		return p
	}
	out := make([]byte, 0, len(p)+64)
	for len(p) > 0 {
		switch r, n := utf8.DecodeRune(p); {
		case r == utf8.RuneError && n == 1: // as which JSON parsers read it
			out, p = append(out, `\ufffd`...), p[n:]
		case !bad(r):
			out, p = append(out, p[:n]...), p[n:]
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				out = fmt.Appendf(out, `\u%04x`, unit)
			}
			p = p[n:]
		}
	}
	return out
}

func escape(s, keep string) string {
	ok := func(r rune) bool { return shown(r) || strings.ContainsRune(keep, r) }
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
