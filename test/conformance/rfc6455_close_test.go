package conformance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// closing is a close frame.
func closing(code int, reason string) unit {
	return unit{b0: 0x88, body: string([]byte{byte(code >> 8), byte(code)}) + reason}
}

// RFC 6455 5.5.1, 7.1: the closing handshake.
func TestRFC6455Close(t *testing.T) {
	normal := closing(1000, "")
	many := []unit{}
	for range 20 {
		many = append(many, helloText)
	}
	big := unit{b0: 0x81, body: letters(256 << 10)}
	rules := []rule{
		{name: "RFC 6455 7.1.2: messages, then a close", send: []unit{helloText, helloBinary, normal}, back: []unit{helloText, helloBinary}, code: 1000},
		{name: "RFC 6455 5.5.1: a close without a body", send: []unit{{b0: 0x88}}, code: bare},
		{name: "RFC 6455 5.5.1: a body of one octet", send: []unit{{b0: 0x88, body: "\x03"}}, code: 1002},
		{name: "RFC 6455 5.5.1: a body of one octet, a letter", send: []unit{{b0: 0x88, body: "a"}}, code: 1002},
		{name: "RFC 6455 5.5.1: a close twice", send: []unit{normal, normal}, code: 1000},
		{name: "RFC 6455 5.5.1: another close behind a close", send: []unit{normal, closing(1001, "going")}, code: 1000},
		{name: "RFC 6455 5.5.1: a close of one octet behind a close", send: []unit{normal, {b0: 0x88, body: "a"}}, code: 1000},
		{name: "RFC 6455 5.5.1: a ping behind a close", send: []unit{normal, onePing}, code: 1000},
		{name: "RFC 6455 5.5.1: ten pings behind a close", send: append([]unit{normal}, slices.Repeat([]unit{onePing}, 10)...), code: 1000},
		{name: "RFC 6455 1.4: a message behind a close", send: []unit{normal, helloText, helloBinary}, code: 1000},
		{name: "RFC 6455 1.4: a fault behind a close", send: []unit{normal, {b0: 0xF3, body: "x"}}, code: 1000},
		{name: "RFC 6455 1.4: bad text behind a close", send: []unit{normal, {b0: 0x81, body: "\xff"}}, code: 1000},
		{name: "RFC 6455 1.4: 100 KiB behind a close", send: []unit{normal, {b0: 0x81, body: letters(100 << 10)}}, code: 1000},
		{name: "RFC 6455 5.4: a close inside a message", send: []unit{{b0: 0x01, body: "fragment"}, normal}, code: 1000},
		{name: "RFC 6455 5.4: a close inside a message, then its rest", send: []unit{{b0: 0x01, body: "fragment"}, normal, {b0: 0x80, body: "rest"}}, code: 1000},
		{name: "RFC 6455 5.4: a close inside a character", send: []unit{{b0: 0x01, body: "\xe2\x82"}, normal}, code: 1000},
		{name: "RFC 6455 7.1.2: twenty messages, then a close", send: append(slices.Clone(many), normal), back: many, code: 1000},
		{name: "RFC 6455 7.1.2: 256 KiB, then a close", send: []unit{big, normal}, back: []unit{big}, code: 1000},
		{name: "RFC 6455 7.1.2: 256 KiB, a close and a ping", send: []unit{big, normal, onePing}, back: []unit{big}, code: 1000},
		{name: "RFC 6455 7.1.2: a ping, then a close", send: []unit{onePing, normal}, back: []unit{onePong}, code: 1000},
		{name: "RFC 6455 7.1.2: a pong, then a close", send: []unit{{b0: 0x8A, body: "x"}, normal}, code: 1000},
		{name: "RFC 6455 7.1.1: a close, and the stream ends", send: []unit{normal}, code: 1000, fin: true},
		{name: "RFC 6455 5.5: a close in the 16 bit form", send: []unit{{b0: 0x88, body: "\x03\xe8", form: 126}}, code: 1002},
		{name: "RFC 6455 5.5.1: half a close is none", send: []unit{{b0: 0x88, body: "\x03\xe8", unsent: 1}}, code: silent, fin: true},
	}
	conform(t, rules, plain, kept)
}

// RFC 6455 7.4.1, 7.4.2: the codes that may stand in a close are answered with
// themselves, others are a fault.
func TestRFC6455CloseCodes(t *testing.T) {
	var rules []rule
	good := []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001, 3999, 4000, 4001, 4999}
	for _, c := range good {
		rules = append(rules,
			rule{name: fmt.Sprintf("RFC 6455 7.4: code %d", c), send: []unit{closing(c, "")}, code: c},
			rule{name: fmt.Sprintf("RFC 6455 7.4: code %d with a reason", c), send: []unit{closing(c, "reason \u20ac")}, code: c},
			rule{name: fmt.Sprintf("RFC 6455 7.4: code %d behind a message", c), send: []unit{helloText, closing(c, "")}, back: []unit{helloText}, code: c})
	}
	for _, c := range []int{0, 1, 255, 256, 999, 1004, 1005, 1006, 1015, 1016, 1017, 1099, 1100, 1999, 2000, 2001, 2999, 5000, 5001, 9999, 65534, 65535} {
		rules = append(rules,
			rule{name: fmt.Sprintf("RFC 6455 7.4: code %d", c), send: []unit{closing(c, "")}, code: 1002},
			rule{name: fmt.Sprintf("RFC 6455 7.4: code %d with a reason", c), send: []unit{closing(c, "reason")}, code: 1002},
			rule{name: fmt.Sprintf("RFC 6455 7.4: code %d behind a message", c), send: []unit{helloText, closing(c, "")}, back: []unit{helloText}, code: 1002})
	}
	conform(t, rules, plain, kept)
}

// RFC 6455 5.5.1: reasons.
func TestRFC6455CloseReasons(t *testing.T) {
	var rules []rule
	for _, reason := range []string{"a", "Hello World!", "\u03ba\u1f79\u03c3\u03bc\u03b5", letters(122), letters(123), strings.Repeat("\u20ac", 41), "\x00", "\uffff\U0010ffff"} {
		rules = append(rules, rule{name: fmt.Sprintf("RFC 6455 5.5.1: a reason of %d octets, %x", len(reason), reason[:1]), send: []unit{closing(1000, reason)}, code: 1000})
	}
	for _, n := range []int{124, 125, 126, 1000} {
		rules = append(rules,
			rule{name: fmt.Sprintf("RFC 6455 5.5: a reason of %d octets", n), send: []unit{closing(1000, letters(n))}, code: 1002},
			rule{name: fmt.Sprintf("RFC 6455 5.5: a reason of %d octets by its head", n), send: []unit{{b0: 0x88, body: letters(n + 2), unsent: n + 2}}, code: 1002})
	}
	for name, all := range badText {
		for _, s := range all {
			rules = append(rules, rule{name: fmt.Sprintf("RFC 6455 8.1: a reason that is no text, %s %x", name, s), send: []unit{closing(1000, s)}, code: 1007})
		}
	}
	for _, s := range []string{"\xc3", "Hello\xe2\x82", "\xf0\x9f\x98"} {
		rules = append(rules, rule{name: fmt.Sprintf("RFC 6455 8.1: a reason that ends in a character, %x", s), send: []unit{closing(3000, s)}, code: 1007})
	}
	conform(t, rules, plain)
}
