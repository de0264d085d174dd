package main

import (
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sirupsen/logrus"
)

// line makes a line of the log without a map, reflection and package json, byte for byte as
// the formatters make it of the same fields. The fields are added in the order of the
// alphabet. Its level is info.
type line struct {
	b     []byte
	style lineStyle
}

// lineStyle is how a line looks.
type lineStyle uint8

const (
	jsonStyle lineStyle = iota
	plainStyle
	colourStyle
)

// styleOf is the style of a formatter of newLogger.
func styleOf(f logrus.Formatter) lineStyle {
	t, ok := f.(textLines)
	switch {
	case !ok:
		return jsonStyle
	case t.coloured:
		return colourStyle
	}
	return plainStyle
}

// What logrus puts around the names of fields at level info.
const (
	cyan    = "\x1b[36m"
	noColor = "\x1b[0m"
	spaces  = "                                             "
)

// begin makes l a line with that message, which consists of letters alone.
func (l *line) begin(style lineStyle, at time.Time, msg string) {
	l.style, l.b = style, l.b[:0]
	switch style {
	case jsonStyle:
		l.b = at.AppendFormat(append(l.b, `{"time":"`...), time.RFC3339Nano)
		l.b = append(append(append(l.b, `","level":"info","msg":"`...), msg...), '"')
	case plainStyle:
		l.b = at.AppendFormat(append(l.b, `time="`...), time.TimeOnly)
		l.b = append(append(l.b, `" level=info msg=`...), msg...)
	case colourStyle:
		l.b = at.AppendFormat(append(l.b, cyan+"INFO"+noColor+"["...), time.TimeOnly)
		l.b = append(append(l.b, "] "...), msg...)
		l.b = append(l.b, spaces[:max(44-len(msg), 0)+1]...)
	}
}

// finish ends the line.
func (l *line) finish() {
	if l.style == jsonStyle {
		l.b = append(l.b, '}')
	}
	l.b = append(l.b, '\n')
}

// key adds the name of a field.
func (l *line) key(name string) {
	switch l.style {
	case jsonStyle:
		l.b = append(append(append(l.b, `,"`...), name...), `":`...)
	case plainStyle:
		l.b = append(append(append(l.b, ' '), name...), '=')
	case colourStyle:
		l.b = append(append(append(l.b, " "+cyan...), name...), noColor+"="...)
	}
}

// text adds a field with a text, which a peer may have written.
func (l *line) text(name, value string) {
	l.key(name)
	switch {
	case l.style == jsonStyle:
		l.b = appendJSON(l.b, value)
	case isBare(value):
		l.b = append(l.b, value...)
	default:
		l.b = strconv.AppendQuote(l.b, value)
	}
}

// textIf adds a field if its text is not empty.
func (l *line) textIf(name, value string) {
	if value != "" {
		l.text(name, value)
	}
}

func (l *line) number(name string, n uint64) {
	l.key(name)
	l.b = strconv.AppendUint(l.b, n, 10)
}

func (l *line) truth(name string, yes bool) {
	l.key(name)
	l.b = strconv.AppendBool(l.b, yes)
}

// id adds a field with a number in letters and digits.
func (l *line) id(name string, n uint64) {
	l.key(name)
	if l.style == jsonStyle {
		l.b = append(strconv.AppendUint(append(l.b, '"'), n, 36), '"')
		return
	}
	l.b = strconv.AppendUint(l.b, n, 36)
}

// seconds adds a field with a time of seconds.
func (l *line) seconds(name string, s float64) {
	l.key(name)
	format := byte('g')
	if l.style == jsonStyle {
		format = 'f' // up to 1e21
	}
	l.b = strconv.AppendFloat(l.b, s, format, -1, 64)
}

// isBare reports whether a text stands in a line of text without quotes.
func isBare(s string) bool {
	for i := range len(s) {
		if !bareBytes[s[i]] {
			return false
		}
	}
	return true
}

// bareBytes need no quotes in a line of text, and plainBytes no escape in JSON.
var bareBytes, plainBytes = func() (bare, plain [256]bool) {
	for c := range utf8.RuneSelf {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		switch c {
		case '-', '.', '_', '/', '@', '^', '+':
			bare[c], plain[c] = true, true
		case '"', '\\', '<', '>', '&':
		default:
			bare[c], plain[c] = letter, c >= ' ' && c <= '~'
		}
	}
	return bare, plain
}()

// appendJSON appends a text as package json and visibleJSON write it.
func appendJSON(b []byte, s string) []byte {
	b = append(b, '"')
	for {
		n := 0
		for n < len(s) && plainBytes[s[n]] {
			n++
		}
		b = append(b, s[:n]...)
		if s = s[n:]; s == "" {
			return append(b, '"')
		}
		r, size := utf8.DecodeRuneInString(s)
		if r >= utf8.RuneSelf && size > 1 && shown(r) {
			b = append(b, s[:size]...)
		} else {
			b = appendEscape(b, r)
		}
		s = s[size:]
	}
}

// appendEscape appends the escape of a character in JSON.
func appendEscape(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	const hex = "0123456789abcdef"
	var units [2]uint16
	for _, u := range utf16.AppendRune(units[:0], r) {
		b = append(b, '\\', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15])
	}
	return b
}
