package conformance_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// goodText is text of all kinds; the classes are those of Markus Kuhn's stress
// test. Each is echoed.
var goodText = map[string][]string{
	"a greeting":                 {"Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!"},
	"a Greek word":               {"\u03ba\u1f79\u03c3\u03bc\u03b5"},
	"first of a length":          {"\x00", "\u0080", "\u0800", "\U00010000"},
	"last of a length":           {"\x7f", "\u07ff", "\uffff", "\U0010ffff"},
	"beside the surrogates":      {"\ud7ff", "\ue000"},
	"replacement character":      {"\ufffd"},
	"byte order mark":            {"\ufeff", "\ufeffa", "a\ufeff"},
	"private use":                {"\ue000", "\uf8ff", "\U000f0000", "\U0010fffd"},
	"noncharacters of plane 0":   {"\ufdd0", "\ufdd1", "\ufdef", "\ufffe", "\uffff"},
	"noncharacters of the rest":  nonCharacters(),
	"controls":                   {"\x00\x01\x1f\x7f", "\u0085", "\u2028\u2029"},
	"combining":                  {"a\u0308\u0323", "\u1112\u1161\u11ab"},
	"right to left":              {"\u05e9\u05dc\u05d5\u05dd \u200f\u202e"},
	"lengths side by side":       {"a\u00e9\u20ac\U0001d11e\u20ac\u00e9a"},
	"no normal form is demanded": {"\u00e9e\u0301\ufb01"},
}

func nonCharacters() (out []string) {
	for plane := rune(1); plane <= 16; plane++ {
		out = append(out, string(plane<<16|0xFFFE), string(plane<<16|0xFFFF))
	}
	return out
}

// badText is what is no UTF-8, whatever follows.
var badText = map[string][]string{
	"a continuation alone":        {"\x80", "\xbf", "\x81", "\xa0"},
	"two and more continuations":  {"\x80\xbf", "\x80\xbf\x80\xbf\x80\xbf"},
	"octets that are in no text":  {"\xc0", "\xc1", "\xf5", "\xf6", "\xf7", "\xf8", "\xfb", "\xfc", "\xfd", "\xfe", "\xff", "\xfe\xfe\xff\xff"},
	"starts without continuation": {"\xc2 ", "\xdf ", "\xe0 ", "\xef ", "\xf0 ", "\xf4 "},
	"starts in a row":             {"\xc2\xc2", "\xc3\xdf", "\xe1\xe1", "\xe0\xef", "\xf1\xf1", "\xf0\xf4", "\xf0\xe0"},
	"the last octet missing":      {"\xc3a", "\xe0\xa0a", "\xef\xbfa", "\xf0\x90\x80a", "\xf4\x8f\xbfa"},
	"two octets missing":          {"\xe1a", "\xf0\x90a", "\xf4\x8fa", "\xe1\x80\xc3", "\xf1\x80\xe1"},
	"overlong slash":              {"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"},
	"overlong, the largest":       {"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"},
	"overlong NUL":                {"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"},
	"single surrogates":           {"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"},
	"paired surrogates":           {"\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\xbd\xed\xb8\x80", "\xed\xaf\xbf\xed\xbf\xbf"},
	"above U+10FFFF":              {"\xf4\x90\x80\x80", "\xf4\x90", "\xf4\xbf\xbf\xbf", "\xf7\xbf\xbf\xbf"},
	"five and six octets":         {"\xf8\x88\x80\x80\x80", "\xfb\xbf\xbf\xbf\xbf", "\xfc\x84\x80\x80\x80\x80", "\xfd\xbf\xbf\xbf\xbf\xbf"},
	"Latin-1":                     {"caf\xe9 ", "\xe4\xf6\xfc"},
	"UTF-16":                      {"\xff\xfeH\x00", "\xfe\xff\x00H"},
}

// RFC 6455 5.6, 8.1; RFC 3629 4: text that is UTF-8, in all pieces.
func TestRFC6455GoodText(t *testing.T) {
	var rules []rule
	add := func(name, s string) {
		text := []unit{{b0: 0x81, body: s}}
		rules = append(rules,
			rule{name: "RFC 6455 5.6: " + name, send: text, back: text},
			rule{name: "RFC 6455 5.4: an octet a frame, " + name, send: inFrames(0x81, s, 1), back: text},
			rule{name: "RFC 6455 5.4: pings in the characters, " + name, send: withPings(inFrames(0x81, s, 1)), back: append(pongs(len(s)), text...)})
	}
	for name, all := range goodText {
		for _, s := range all {
			add(fmt.Sprintf("%s %x", name, s), s)
		}
	}
	add("as binary is not looked at", "\u20ac")
	for name, all := range badText {
		data := []unit{{b0: 0x82, body: all[0]}}
		rules = append(rules, rule{name: "RFC 6455 5.6: binary may be any octets: " + name, send: data, back: data})
	}
	greek := "\u03ba\u1f79\u03c3\u03bc\u03b5"
	for cut := range len(greek) + 1 {
		rules = append(rules, rule{name: fmt.Sprintf("RFC 6455 5.4: cut at octet %d", cut), back: []unit{{b0: 0x81, body: greek}},
			send: []unit{{b0: 0x01, body: greek[:cut]}, {b0: 0x00}, {b0: 0x80, body: greek[cut:]}}})
	}
	long := strings.Repeat("h\u00e9\u20ac\U0001d11e", 2000)
	for _, n := range []int{63, 1000, 4096} {
		rules = append(rules, rule{name: fmt.Sprintf("RFC 6455 5.4: 20000 octets in frames of %d", n), send: inFrames(0x81, long, n), back: []unit{{b0: 0x81, body: long}}})
	}
	conform(t, rules, plain, kept)
}

func withPings(units []unit) (out []unit) {
	for i, u := range units {
		if i > 0 {
			out = append(out, onePing)
		}
		out = append(out, u)
	}
	return out
}

// pongs are those to withPings of n units.
func pongs(n int) (out []unit) {
	for range n - 1 {
		out = append(out, onePong)
	}
	return out
}

// RFC 6455 8.1: text that is no UTF-8 fails with 1007, as soon as it is known.
func TestRFC6455BadText(t *testing.T) {
	var rules []rule
	add := func(name, s string) {
		i, rest := firstBad(s), strings.Repeat("z", 200)
		known := s[:i+1]
		rules = append(rules,
			rule{name: "RFC 6455 8.1: " + name, send: []unit{{b0: 0x81, body: s}, onePing}, code: 1007},
			rule{name: "RFC 6455 8.1: in the middle, " + name, send: []unit{{b0: 0x81, body: "caf\u00e9" + s + "x"}}, code: 1007},
			rule{name: "RFC 6455 8.1: an octet a frame, " + name, send: inFrames(0x81, "\u20ac"+s, 1), code: 1007},
			rule{name: "RFC 6455 8.1: before the rest of the frame, " + name, send: []unit{{b0: 0x81, body: known + rest, unsent: 200}}, code: 1007},
			rule{name: "RFC 6455 8.1: before the rest, behind good text, " + name, send: []unit{{b0: 0x81, body: "\u03ba\u1f79" + known + rest, unsent: 200}}, code: 1007},
			rule{name: "RFC 6455 8.1: before the other frames, " + name, send: []unit{{b0: 0x01, body: "\u03ba\u1f79"}, {b0: 0x00, body: known}}, code: 1007},
			rule{name: "RFC 6455 8.1: before the rest of the second frame, " + name, send: []unit{{b0: 0x01, body: "\u03ba"}, {b0: 0x80, body: known + rest, unsent: 200}}, code: 1007},
			rule{name: "RFC 6455 8.1: in the second message, " + name, send: []unit{helloText, {b0: 0x81, body: s}}, back: []unit{helloText}, code: 1007})
		if i > 0 { // the octet that decides comes in another frame
			rules = append(rules, rule{name: "RFC 6455 8.1: over two frames, " + name,
				send: []unit{{b0: 0x01, body: s[:i]}, onePing, {b0: 0x00}, {b0: 0x00, body: known[i:] + rest, unsent: 200}}, back: []unit{onePong}, code: 1007})
		}
	}
	for name, all := range badText {
		for _, s := range all {
			add(fmt.Sprintf("%s %x", name, s), s)
		}
	}
	conform(t, append(rules, unfinished()...), plain, kept)
}

// firstBad is the place of the octet with which s is no longer the beginning of
// a text.
func firstBad(s string) int {
	for i := range len(s) {
		if !utf8.ValidString(s[:i+1]) && utf8.FullRuneInString(lastStart(s[:i+1])) {
			return i
		}
	}
	return 0
}

// lastStart is the end of s that is not UTF-8 by itself.
func lastStart(s string) string {
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			return s
		}
		s = s[n:]
	}
	return s
}

// unfinished are texts that end inside a character, which only their end tells.
func unfinished() (rules []rule) {
	for _, s := range []string{"\xc2", "\xdf", "\xe0\xa0", "\xe1", "\xed\x9f", "\xef\xbf", "\xf0\x90\x80", "\xf0\x90", "\xf0", "\xf4\x8f\xbf", "\xce\xba\xe1\xbd"} {
		rules = append(rules,
			rule{name: fmt.Sprintf("RFC 6455 8.1: it ends in a character, %x", s), send: []unit{{b0: 0x81, body: s}}, code: 1007},
			rule{name: fmt.Sprintf("RFC 6455 8.1: it ends in a character behind text, %x", s), send: []unit{helloText, {b0: 0x81, body: "Hello" + s}}, back: []unit{helloText}, code: 1007},
			rule{name: fmt.Sprintf("RFC 6455 8.1: an empty last frame ends it in a character, %x", s), send: []unit{{b0: 0x01, body: s}, onePing, {b0: 0x80}}, back: []unit{onePong}, code: 1007},
			rule{name: fmt.Sprintf("RFC 6455 8.1: the next message does not go on with it, %x", s), send: []unit{{b0: 0x81, body: s}, {b0: 0x81, body: "\xbf"}}, code: 1007},
			rule{name: fmt.Sprintf("RFC 6455 8.1: it may still become text, %x", s), send: []unit{{b0: 0x01, body: s}, {b0: 0x00}, onePing, {b0: 0x88, body: "\x03\xe8"}}, back: []unit{onePong}, code: 1000})
	}
	return rules
}
