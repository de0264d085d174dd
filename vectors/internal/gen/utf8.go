package gen

// illFormed is text that is not UTF-8. repaired is what a reader that replaces
// makes of it: U+FFFD for each maximal part that no character can begin with
// or go on with (Unicode 15, 3.9, and the WHATWG decoder).
type illFormed struct{ name, comment, text, repaired string }

// core are the cases that every version has.
var core = []illFormed{
	{"lone-80", "a continuation byte with nothing before it", "a\x80b", "a\uFFFDb"},
	{"cut-at-end", "the last character lacks its last byte", "a\xE6\xBC", "a\uFFFD"},
	{"surrogate-d800", "a surrogate half, D800, is no character", "\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},
	{"above-10ffff", "110000 is above the last character", "\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},
	{"overlong-2", "NUL in two bytes is overlong", "\xC0\x80", "\uFFFD\uFFFD"},
}

// rest are the other classes.
var rest = []illFormed{
	{"lone-bf", "the highest continuation byte with nothing before it", "\xBF", "\uFFFD"},
	{"overlong-2-high", "7F in two bytes is overlong", "\xC1\xBF", "\uFFFD\uFFFD"},
	{"overlong-3", "7FF in three bytes is overlong", "\xE0\x9F\xBF", "\uFFFD\uFFFD\uFFFD"},
	{"overlong-4", "FFFF in four bytes is overlong", "\xF0\x8F\xBF\xBF", "\uFFFD\uFFFD\uFFFD\uFFFD"},
	{"surrogate-dfff", "a surrogate half, DFFF, is no character", "\xED\xBF\xBF", "\uFFFD\uFFFD\uFFFD"},
	{"surrogate-pair", "two surrogate halves do not make a character", "\xED\xA0\xBD\xED\xB8\x80", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"},
	{"lead-f5", "F5 begins no character", "\xF5\x80\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},
	{"five-bytes", "a form of five bytes does not exist", "\xF8\x88\x80\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"},
	{"lead-fe", "FE is never part of a text", "a\xFEb", "a\uFFFDb"},
	{"bad-2nd-of-2", "a letter where the second byte should be", "\xC3(", "\uFFFD("},
	{"bad-3rd-of-3", "a letter where the third byte should be", "\xE2\x82(", "\uFFFD("},
	{"bad-4th-of-4", "a letter where the fourth byte should be", "\xF0\x9F\x98A", "\uFFFDA"},
	{"lead-after-lead", "a new character begins before the last one ended", "\xE6\xE6\x9C\xAC", "\uFFFD\u672C"},
	{"cut-2-at-end", "one byte of two at the very end", "\xC3", "\uFFFD"},
	{"cut-4-at-end", "three bytes of four at the very end", "\xF0\x9D\x84", "\uFFFD"},
}

// borders are characters at the borders of the forms; all of them are legal.
var borders = []struct{ name, comment, text string }{
	{"nul", "NUL is a character like any other", "a\x00b"},
	{"borders", "the first and last character of each length of the form", "\u007F\u0080\u07FF\u0800\uFFFF\U00010000\U0010FFFF"},
	{"around-surrogates", "the characters next to the surrogate halves", "\uD7FF\uE000"},
	{"noncharacters", "noncharacters are legal UTF-8", "\uFFFE\uFDD0\U0001FFFF"},
	{"bom", "a byte order mark is text and stays", "\uFEFFa"},
	{"replacement", "U+FFFD sent as such is legal", "\uFFFD"},
}
