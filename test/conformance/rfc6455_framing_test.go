package conformance_test

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
)

var (
	helloText   = unit{b0: 0x81, body: "Hello"}
	helloBinary = unit{b0: 0x82, body: "He\x00\xfe\xffo"}
	onePing     = unit{b0: 0x89, body: "ping"}
	onePong     = unit{b0: 0x8A, body: "ping"}
)

// letters is text of n octets.
func letters(n int) string { return strings.Repeat("abcdefghijk", n/11+1)[:n] }

// noText is data of n octets, no text.
func noText(n int) string { return strings.Repeat("\x00\xff\xfe\x80\x7f\xc0\x0a", n/7+1)[:n] }

// inFrames cuts a message into frames of n octets; the last may be empty.
func inFrames(b0 byte, body string, n int) (out []unit) {
	for b0 &= 0x7F; len(body) > n; b0 = 0 {
		out = append(out, unit{b0: b0, body: body[:n]})
		body = body[n:]
	}
	return append(out, unit{b0: b0 | 0x80, body: body})
}

// RFC 6455 5.2, 5.6: messages of one frame, at all forms of the length.
func TestRFC6455Sizes(t *testing.T) {
	var rules []rule
	for _, n := range []int{0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 128, 254, 255, 256, 65534, 65535, 65536, 65537, 128 << 10} {
		text, data := unit{b0: 0x81, body: letters(n)}, unit{b0: 0x82, body: noText(n)}
		rules = append(rules,
			rule{name: fmt.Sprintf("RFC 6455 5.2: text of %d octets", n), send: []unit{text}, back: []unit{text}},
			rule{name: fmt.Sprintf("RFC 6455 5.2: binary of %d octets", n), send: []unit{data}, back: []unit{data}},
			rule{name: fmt.Sprintf("RFC 6455 5.2: two messages of %d octets", n), send: []unit{text, data}, back: []unit{text, data}})
	}
	top := "\x80\x00\x00\x00\x00\x00\x00\x05"
	rules = append(rules, []rule{
		{name: "RFC 6455 5.2: 5 octets in the 16 bit form", send: []unit{{b0: 0x81, body: "Hello", form: 126}}, code: 1002},
		{name: "RFC 6455 5.2: 125 octets in the 16 bit form", send: []unit{{b0: 0x82, body: noText(125), form: 126}}, code: 1002},
		{name: "RFC 6455 5.2: 0 octets in the 64 bit form", send: []unit{{b0: 0x81, form: 127}}, code: 1002},
		{name: "RFC 6455 5.2: 126 octets in the 64 bit form", send: []unit{{b0: 0x81, body: letters(126), form: 127}}, code: 1002},
		{name: "RFC 6455 5.2: 65535 octets in the 64 bit form", send: []unit{{b0: 0x82, body: noText(65535), form: 127}}, code: 1002},
		{name: "RFC 6455 5.2: top bit of the length", send: []unit{{raw: "\x82\xff" + top + "maskHello"}}, code: 1002, role: "server"},
		{name: "RFC 6455 5.2: top bit of the length", send: []unit{{raw: "\x82\x7f" + top + "Hello"}}, code: 1002, role: "client"},
		{name: "RFC 6455 5.2: a length is judged before its octets come", send: []unit{{b0: 0x81, body: "Hello", form: 126, unsent: 5}}, code: 1002},
		{name: "RFC 6455 5.1: masked as the other role", send: []unit{{b0: 0x81, body: "Hello", wrong: true}}, code: 1002},
		{name: "RFC 6455 5.1: masked as the other role, empty", send: []unit{{b0: 0x81, wrong: true}}, code: 1002},
		{name: "RFC 6455 5.1: a ping masked as the other role", send: []unit{{b0: 0x89, body: "p", wrong: true}}, code: 1002},
		{name: "RFC 6455 5.1: a close masked as the other role", send: []unit{{b0: 0x88, body: "\x03\xe8", wrong: true}}, code: 1002},
		{name: "RFC 6455 5.1: a second message masked as the other role", send: []unit{helloText, {b0: 0x81, body: "Hello", wrong: true}}, back: []unit{helloText}, code: 1002},
		{name: "RFC 6455 5.1: a continuation masked as the other role", send: []unit{{b0: 0x01, body: "He"}, {b0: 0x80, body: "llo", wrong: true}}, code: 1002},
		{name: "RFC 6455 5.3: a mask of zeros", send: []unit{{raw: "\x81\x85\x00\x00\x00\x00Hello"}}, back: []unit{helloText}, role: "server"},
		{name: "RFC 6455 5.3: another mask in each frame", send: []unit{{raw: "\x81\x81\x01\x00\x00\x00\x60\x81\x82\x00\x01\x00\x00\x61\x60"}},
			back: []unit{{b0: 0x81, body: "a"}, {b0: 0x81, body: "aa"}}, role: "server"},
		{name: "RFC 6455 5.7: the masked Hello", send: []unit{{raw: "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"}}, back: []unit{helloText}, role: "server"},
		{name: "RFC 6455 5.7: the unmasked Hello", send: []unit{{raw: "\x81\x05\x48\x65\x6c\x6c\x6f"}}, back: []unit{helloText}, role: "client"},
		{name: "RFC 6455 5.7: the fragmented Hello", send: []unit{{raw: "\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f"}}, back: []unit{helloText}, role: "client"},
		{name: "RFC 6455 7.1.7: nothing behind a fault is answered", send: []unit{{b0: 0x83}, helloText, onePing}, code: 1002},
		{name: "RFC 6455 7.4.1: the stream ends without a close", code: silent, fin: true},
		{name: "RFC 6455 7.4.1: the stream ends in a head", send: []unit{{b0: 0x81, body: letters(300), unsent: 301}}, code: silent, fin: true},
		{name: "RFC 6455 7.4.1: the stream ends in a frame", send: []unit{helloText, {b0: 0x81, body: "Hello", unsent: 2}}, back: []unit{helloText}, code: silent, fin: true},
		{name: "RFC 6455 7.4.1: the stream ends in a message", send: []unit{{b0: 0x01, body: "Hello"}}, code: silent, fin: true},
	}...)
	conform(t, rules, plain, kept)
}

// RFC 6455 5.5.2, 5.5.3: pings and pongs.
func TestRFC6455Pings(t *testing.T) {
	ten := func(b0 byte) (out []unit) {
		for i := range 10 {
			out = append(out, unit{b0: b0, body: fmt.Sprint("payload ", i)})
		}
		return out
	}
	rules := []rule{
		{name: "RFC 6455 5.5: a ping of 126 octets", send: []unit{{b0: 0x89, body: letters(126)}}, code: 1002},
		{name: "RFC 6455 5.5: a ping of 126 octets by its head", send: []unit{{b0: 0x89, body: letters(126), unsent: 126}}, code: 1002},
		{name: "RFC 6455 5.5: a ping of 65536 octets by its head", send: []unit{{b0: 0x89, body: letters(65536), unsent: 65536}}, code: 1002},
		{name: "RFC 6455 5.5: a pong of 126 octets", send: []unit{{b0: 0x8A, body: letters(126)}}, code: 1002},
		{name: "RFC 6455 5.5: a ping in the 16 bit form", send: []unit{{b0: 0x89, body: "p", form: 126}}, code: 1002},
		{name: "RFC 6455 5.5.2: ten pings in a row", send: ten(0x89), back: ten(0x8A)},
		{name: "RFC 6455 5.5.3: an unsolicited pong", send: []unit{{b0: 0x8A}}},
		{name: "RFC 6455 5.5.3: an unsolicited pong with a payload", send: []unit{{b0: 0x8A, body: noText(125)}}},
		{name: "RFC 6455 5.5.3: an unsolicited pong, then a ping", send: []unit{{b0: 0x8A, body: "pong"}, onePing}, back: []unit{onePong}},
		{name: "RFC 6455 5.5.3: ten pongs, then a message", send: append(ten(0x8A), helloText), back: []unit{helloText}},
		{name: "RFC 6455 5.5.2: a ping before, between and behind messages", send: []unit{onePing, helloText, onePing, helloBinary, onePing},
			back: []unit{onePong, helloText, onePong, helloBinary, onePong}},
	}
	for _, n := range []int{0, 1, 5, 124, 125} {
		rules = append(rules, rule{name: fmt.Sprintf("RFC 6455 5.5.2: a ping of %d octets", n), send: []unit{{b0: 0x89, body: noText(n)}}, back: []unit{{b0: 0x8A, body: noText(n)}}})
	}
	conform(t, rules, plain, kept)
}

// RFC 6455 5.2: reserved bits and opcodes.
func TestRFC6455Reserved(t *testing.T) {
	var rules []rule
	add := func(name string, u unit, on int) {
		empty := u
		empty.body = ""
		rules = append(rules,
			rule{name: name, send: []unit{u}, code: 1002, on: on},
			rule{name: name + ", empty", send: []unit{empty}, code: 1002, on: on},
			rule{name: name + ", by its head", send: []unit{{b0: u.b0, body: "Hello", unsent: 5}}, code: 1002, on: on},
			rule{name: name + ", between messages", send: []unit{helloText, u, helloText}, back: []unit{helloText}, code: 1002, on: on},
			rule{name: name + ", behind two messages and a ping", send: []unit{helloText, helloBinary, onePing, u, onePing},
				back: []unit{helloText, helloBinary, onePong}, code: 1002, on: on},
			rule{name: name + ", inside a message", send: []unit{{b0: 0x01, body: "a"}, u, {b0: 0x80}}, code: 1002, on: on})
	}
	for rsv := byte(1); rsv < 8; rsv++ {
		for _, b0 := range []byte{0x81, 0x82, 0x01, 0x80, 0x88, 0x89, 0x8A} {
			on := 0
			if rsv == 4 && b0&0x0F != 0 && b0&0x0F < 8 {
				on = onPlain // permessage-deflate gives it a meaning
			}
			body := map[bool]string{true: "\x03\xe8", false: "Hello"}[b0 == 0x88]
			add(fmt.Sprintf("RFC 6455 5.2: reserved bits %03b on %02x", rsv, b0), unit{b0: b0 | rsv<<4, body: body}, on)
		}
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF} {
		add(fmt.Sprintf("RFC 6455 5.2: opcode %X", op), unit{b0: 0x80 | op, body: "Hello"}, 0)
		rules = append(rules, rule{name: fmt.Sprintf("RFC 6455 5.2: opcode %X, not final", op), send: []unit{{b0: op, body: "a"}}, code: 1002})
	}
	conform(t, rules, plain, kept)
}

// RFC 6455 5.4: fragmentation.
func TestRFC6455Fragments(t *testing.T) {
	a, b, end := unit{b0: 0x01, body: "frag1"}, unit{b0: 0x00, body: "frag2"}, unit{b0: 0x80, body: "frag3"}
	whole := unit{b0: 0x81, body: "frag1frag2frag3"}
	two, both := unit{b0: 0x80, body: "frag2"}, unit{b0: 0x81, body: "frag1frag2"}
	pong := unit{b0: 0x8A, body: "unasked"}
	nothing := unit{b0: 0x00}
	var echoed []unit // five pings in a row between fragments
	for range 5 {
		echoed = append(echoed, onePong)
	}
	rules := []rule{
		{name: "RFC 6455 5.4: two fragments", send: []unit{a, two}, back: []unit{both}},
		{name: "RFC 6455 5.4: three fragments", send: []unit{a, b, end}, back: []unit{whole}},
		{name: "RFC 6455 5.4: binary in fragments", send: []unit{{b0: 0x02, body: "\x00\xff"}, {b0: 0x00, body: "\x80"}, {b0: 0x80, body: "\xfe"}}, back: []unit{{b0: 0x82, body: "\x00\xff\x80\xfe"}}},
		{name: "RFC 6455 5.4: a ping between", send: []unit{a, onePing, two}, back: []unit{onePong, both}},
		{name: "RFC 6455 5.4: pings between and behind", send: []unit{a, onePing, b, onePing, end, onePing}, back: []unit{onePong, onePong, whole, onePong}},
		{name: "RFC 6455 5.4: five pings between", send: []unit{a, onePing, onePing, onePing, onePing, onePing, two}, back: append(slices.Clone(echoed), both)},
		{name: "RFC 6455 5.4: a pong between", send: []unit{a, pong, two}, back: []unit{both}},
		{name: "RFC 6455 5.4: the pong does not wait for the message", send: []unit{a, onePing, {b0: 0x88, body: "\x03\xe8"}}, back: []unit{onePong}, code: 1000},
		{name: "RFC 6455 5.4: empty fragments", send: []unit{{b0: 0x01}, nothing, {b0: 0x80}}, back: []unit{{b0: 0x81}}},
		{name: "RFC 6455 5.4: empty but the middle one", send: []unit{{b0: 0x01}, b, nothing, {b0: 0x80}}, back: []unit{{b0: 0x81, body: "frag2"}}},
		{name: "RFC 6455 5.4: messages in fragments, one behind the other", send: []unit{a, two, {b0: 0x02, body: "x"}, {b0: 0x80, body: "y"}, a, two}, back: []unit{both, {b0: 0x82, body: "xy"}, both}},
		{name: "RFC 6455 5.5: a ping in two fragments", send: []unit{{b0: 0x09, body: "fra"}, {b0: 0x80, body: "g"}}, code: 1002},
		{name: "RFC 6455 5.5: a pong in two fragments", send: []unit{{b0: 0x0A, body: "fra"}, {b0: 0x80, body: "g"}}, code: 1002},
		{name: "RFC 6455 5.5: a close in two fragments", send: []unit{{b0: 0x08, body: "\x03\xe8"}, {b0: 0x80, body: "g"}}, code: 1002},
		{name: "RFC 6455 5.5: a fragmented ping by its head", send: []unit{{b0: 0x09, body: "fra", unsent: 3}}, code: 1002},
		{name: "RFC 6455 5.5: a fragmented ping inside a message", send: []unit{a, {b0: 0x09, body: "p"}, two}, code: 1002},
		{name: "RFC 6455 5.4: a continuation of nothing", send: []unit{{b0: 0x80, body: "frag"}, helloText}, code: 1002},
		{name: "RFC 6455 5.4: a continuation of nothing, not final", send: []unit{{b0: 0x00, body: "frag"}, helloText}, code: 1002},
		{name: "RFC 6455 5.4: an empty continuation of nothing", send: []unit{{b0: 0x80}}, code: 1002},
		{name: "RFC 6455 5.4: a continuation behind a message", send: []unit{helloText, {b0: 0x80, body: "frag"}}, back: []unit{helloText}, code: 1002},
		{name: "RFC 6455 5.4: a continuation behind fragments", send: []unit{a, two, {b0: 0x00, body: "frag"}}, back: []unit{both}, code: 1002},
		{name: "RFC 6455 5.4: a continuation of a ping", send: []unit{onePing, {b0: 0x80, body: "frag"}}, back: []unit{onePong}, code: 1002},
		{name: "RFC 6455 5.4: text that begins with two text frames", send: []unit{a, {b0: 0x81, body: "frag2"}}, code: 1002},
		{name: "RFC 6455 5.4: text that begins with two text frames, neither final", send: []unit{a, {b0: 0x01, body: "frag2"}, end}, code: 1002},
		{name: "RFC 6455 5.4: binary inside text", send: []unit{a, {b0: 0x82, body: "x"}, two}, code: 1002},
		{name: "RFC 6455 5.4: text inside binary", send: []unit{{b0: 0x02, body: "x"}, {b0: 0x81, body: "frag"}}, code: 1002},
		{name: "RFC 6455 5.4: an empty text frame inside text", send: []unit{a, {b0: 0x81}}, code: 1002},
		{name: "RFC 6455 5.4: a message inside a message by its head", send: []unit{a, {b0: 0x81, body: "Hello", unsent: 5}}, code: 1002},
	}
	for _, n := range []int{1, 2, 3, 7} {
		text, data := letters(20), noText(20)
		rules = append(rules,
			rule{name: fmt.Sprintf("RFC 6455 5.4: text in fragments of %d", n), send: inFrames(0x81, text, n), back: []unit{{b0: 0x81, body: text}}},
			rule{name: fmt.Sprintf("RFC 6455 5.4: binary in fragments of %d", n), send: inFrames(0x82, data, n), back: []unit{{b0: 0x82, body: data}}})
	}
	for _, n := range []int{125, 126, 127, 1300, 65535, 65536} {
		text := letters(80 << 10)
		rules = append(rules, rule{name: fmt.Sprintf("RFC 6455 5.4: 80 KiB in fragments of %d", n), send: inFrames(0x81, text, n), back: []unit{{b0: 0x81, body: text}}})
	}
	conform(t, rules, plain, kept)
}

// Large messages, and the limit.
func TestRFC6455Limits(t *testing.T) {
	big := func(b0 byte, n int) unit {
		return unit{b0: b0, body: map[byte]func(int) string{0x81: letters, 0x82: noText}[b0](n)}
	}
	const ki, mi = 1 << 10, 1 << 20
	one := letters(1000)
	rules := []rule{
		{name: "RFC 6455 5.2: text of 16 MiB", send: []unit{big(0x81, 16*mi)}, back: []unit{big(0x81, 16*mi)}, on: onPlain, role: "server"},
		{name: "RFC 6455 5.2: binary of 1 MiB", send: []unit{big(0x82, mi)}, back: []unit{big(0x82, mi)}},
		{name: "RFC 6455 5.4: binary of 16 MiB in fragments of 256 KiB", send: inFrames(0x82, noText(16*mi), 256*ki), back: []unit{big(0x82, 16*mi)}, on: onPlain, role: "client"},
		{name: "RFC 6455 5.4: text of 4 MiB in fragments of 64 KiB", send: inFrames(0x81, letters(4*mi), 64*ki), back: []unit{big(0x81, 4*mi)}, on: onKept},
		{name: "RFC 6455 5.4: text of 64 KiB in fragments of 64 octets", send: inFrames(0x81, letters(64*ki), 64), back: []unit{big(0x81, 64*ki)}},
		{name: "RFC 6455 7.4.1: at the limit", limit: 1000, send: []unit{{b0: 0x81, body: one}}, back: []unit{{b0: 0x81, body: one}}},
		{name: "RFC 6455 7.4.1: one above the limit", limit: 1000, send: []unit{{b0: 0x81, body: one + "x"}}, code: 1009},
		{name: "RFC 6455 7.4.1: above the limit by the head", limit: 1000, send: []unit{{b0: 0x82, body: noText(2000), unsent: 2000}}, code: 1009},
		{name: "RFC 6455 7.4.1: above the limit in fragments", limit: 1000, send: []unit{{b0: 0x01, body: one}, {b0: 0x80, body: "x"}}, code: 1009},
		{name: "RFC 6455 7.4.1: the limit is of one message", limit: 1000, send: []unit{{b0: 0x81, body: one}, {b0: 0x81, body: one}}, back: []unit{{b0: 0x81, body: one}, {b0: 0x81, body: one}}},
	}
	conform(t, rules, plain, kept)
}

// RFC 6455 5.4, RFC 7692 6.1: messages that are sent in pieces come as one.
func TestRFC6455Pieces(t *testing.T) {
	const n = 64 << 10
	for _, s := range []setup{plain, kept, fresh} {
		for _, piece := range []int{1, 100, 1300, 65535, 65536, 1 << 20} {
			t.Run(fmt.Sprintf("%s/RFC 6455 5.4: in pieces of %d", s.name, piece), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					size := min(n, 2000*piece)
					nc, _ := offered(t, inMemory(t, &draftwire.Server{Options: draftwire.AcceptOptions{Compression: s.c}, WebSocket: inPieces(piece)}), s.ext)
					defer nc.Close()
					nc.SetDeadline(time.Now().Add(time.Minute))
					p := &peer{r: bufio.NewReader(nc), isClient: true, deflate: s.on != onPlain, keeps: s.on == onKept}
					for _, u := range []unit{{b0: 0x81, body: letters(size)}, {b0: 0x82, body: noText(size)}, {b0: 0x81}} {
						echoed(t, nc, p, u)
					}
				})
			})
		}
	}
}

// inPieces echoes by a Writer, n octets at a time.
func inPieces(n int) func(context.Context, *draftwire.Conn) error {
	return func(ctx context.Context, c *draftwire.Conn) error {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			w, err := c.Writer(ctx, m.Op)
			if err != nil {
				return err
			}
			for p := range slices.Chunk(m.Data, n) {
				if _, err := w.Write(p); err != nil {
					return err
				}
			}
			if err := w.Close(); err != nil {
				return err
			}
		}
		return nil
	}
}
