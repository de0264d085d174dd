package conformance_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Payloads of RFC 7692 7.2.3, and what else a sender may make of Hello.
const (
	zHello    = "\xf2\x48\xcd\xc9\xc9\x07\x00"                         // RFC 7692 7.2.3.1
	zAgain    = "\xf2\x00\x11\x00\x00"                                 // RFC 7692 7.2.3.2: from the window
	zStored   = "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"         // RFC 7692 7.2.3.3
	zLast     = "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"                     // RFC 7692 7.2.3.4: a last block
	zTwo      = "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00" // RFC 7692 7.2.3.5: two blocks
	zNothing  = "\x00"                                                 // RFC 7692 7.2.3.6
	zNothing2 = "\x02\x00"                                             // an empty block of the fixed code
)

// deflated is s compressed for itself.
func deflated(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	w.Write([]byte(s))
	w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// packed is a compressed message of one frame.
func packed(b0 byte, s string) unit { return unit{b0: b0 | 0x40, body: deflated(s)} }

// packedIn is a compressed message in frames of n octets.
func packedIn(b0 byte, z string, n int) []unit {
	out := inFrames(b0, z, n)
	out[0].b0 |= 0x40
	return out
}

// noise is what does not compress.
func noise(n int) string {
	r, b := rand.New(rand.NewPCG(1, uint64(n))), make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// RFC 7692 7.2.3: the examples, and what else is right.
func TestRFC7692Messages(t *testing.T) {
	hello := func(z string) unit { return unit{b0: 0xC1, body: z} }
	h, h2 := helloText, unit{b0: 0x81, body: "HelloHello"}
	empty := unit{b0: 0x81}
	rules := []rule{
		{name: "RFC 7692 7.2.3.1: one block", send: []unit{hello(zHello)}, back: []unit{h}},
		{name: "RFC 7692 7.2.3.1: in two frames", send: []unit{{b0: 0x41, body: zHello[:3]}, {b0: 0x80, body: zHello[3:]}}, back: []unit{h}},
		{name: "RFC 7692 7.2.3.1: a ping between", send: []unit{{b0: 0x41, body: zHello[:3]}, onePing, {b0: 0x80, body: zHello[3:]}}, back: []unit{onePong, h}},
		{name: "RFC 7692 7.2.3.2: from the window", send: []unit{hello(zHello), hello(zAgain)}, back: []unit{h, h}, on: onKept},
		{name: "RFC 7692 7.2.3.2: twice from the window", send: []unit{hello(zHello), hello(zAgain), hello(zAgain)}, back: []unit{h, h, h}, on: onKept},
		{name: "RFC 7692 7.2.3.2: what is not compressed is not in the window", send: []unit{hello(zHello), {b0: 0x81, body: "clear"}, hello(zAgain)},
			back: []unit{h, {b0: 0x81, body: "clear"}, h}, on: onKept},
		{name: "RFC 7692 7.2.3.2: each for itself", send: []unit{hello(zHello), hello(zHello)}, back: []unit{h, h}},
		{name: "RFC 7692 7.1.1: from a window that is not kept", send: []unit{hello(zHello), hello(zAgain)}, back: []unit{h}, code: 1007, on: onFresh},
		{name: "RFC 7692 7.2.3.2: from a window that is empty", send: []unit{hello(zAgain)}, code: 1007},
		{name: "RFC 7692 7.2.3.3: a block without compression", send: []unit{hello(zStored)}, back: []unit{h}},
		{name: "RFC 7692 7.2.3.4: a last block", send: []unit{hello(zLast), hello(zHello)}, back: []unit{h, h}},
		{name: "RFC 7692 7.2.3.4: the window outlives a last block", send: []unit{hello(zLast), hello(zAgain)}, back: []unit{h, h}, on: onKept},
		{name: "RFC 7692 7.2.3.4: blocks behind a last block", send: []unit{hello(zLast[:7] + zHello)}, back: []unit{h2}},
		{name: "RFC 7692 7.2.3.4: last blocks behind a last block", send: []unit{hello(zLast[:7] + zLast)}, back: []unit{h2}},
		{name: "RFC 7692 7.2.3.4: the window reaches over a last block", send: []unit{hello(zLast[:7] + zAgain)}, back: []unit{h2}},
		{name: "RFC 7692 7.2.3.4: a last block in octets", send: packedIn(0x81, zLast, 1), back: []unit{h}},
		{name: "RFC 7692 7.2.3.5: two blocks", send: []unit{hello(zTwo)}, back: []unit{h}},
		{name: "RFC 7692 7.2.3.5: two blocks in octets", send: packedIn(0x81, zTwo, 1), back: []unit{h}},
		{name: "RFC 7692 7.2.3.6: an empty message", send: []unit{hello(zNothing)}, back: []unit{empty}},
		{name: "RFC 7692 7.2.3.6: an empty message between", send: []unit{hello(zHello), hello(zNothing), hello(zHello)}, back: []unit{h, empty, h}},
		{name: "RFC 7692 7.2.3.6: an empty block of the fixed code", send: []unit{hello(zNothing2)}, back: []unit{empty}},
		{name: "RFC 7692 6.1: the first frame is empty", send: []unit{{b0: 0x41}, {b0: 0x80, body: zHello}}, back: []unit{h}},
		{name: "RFC 7692 6.1: the last frame is empty", send: []unit{{b0: 0x41, body: zHello}, {b0: 0x00}, {b0: 0x80}}, back: []unit{h}},
		{name: "RFC 7692 6.1: a message that is not compressed", send: []unit{helloText, helloBinary}, back: []unit{helloText, helloBinary}},
		{name: "RFC 7692 6.1: not compressed, among those that are", send: []unit{hello(zHello), helloText, hello(zStored), helloBinary, hello(zLast)}, back: []unit{h, helloText, h, helloBinary, h}},
		{name: "RFC 7692 6.1: not compressed, in fragments, among those that are", send: []unit{hello(zHello), {b0: 0x01, body: "a"}, {b0: 0x80, body: "b"}, hello(zHello)}, back: []unit{h, {b0: 0x81, body: "ab"}, h}},
		{name: "RFC 7692 6.1: binary", send: []unit{packed(0x82, noText(300)), {b0: 0xC2, body: zHello}}, back: []unit{{b0: 0x82, body: noText(300)}, {b0: 0x82, body: "Hello"}}},
		{name: "RFC 7692 6: control frames are never compressed", send: []unit{hello(zHello), {b0: 0x89, body: zHello}}, back: []unit{h, {b0: 0x8A, body: zHello}}},
		{name: "RFC 7692 6: a close is not compressed", send: []unit{hello(zHello), closing(1001, "bye")}, back: []unit{h}, code: 1001},
		{name: "RFC 6455 5.4: a close inside a compressed message", send: []unit{{b0: 0x41, body: zHello[:3]}, closing(1000, "")}, code: 1000},
	}
	for n := 1; n < len(zHello); n++ {
		rules = append(rules, rule{name: fmt.Sprintf("RFC 7692 7.2.3.1: frames of %d octets and pings", n), send: withPings(packedIn(0x81, zHello, n)),
			back: append(pongs(len(packedIn(0x81, zHello, n))), h)})
	}
	conform(t, rules, kept, fresh)
}

// What is wrong with compression.
func TestRFC7692Faults(t *testing.T) {
	var rules []rule
	for _, b0 := range []byte{0xC8, 0xC9, 0xCA} {
		rules = append(rules,
			rule{name: fmt.Sprintf("RFC 7692 6: the bit on %02x", b0), send: []unit{{b0: b0, body: zHello}}, code: 1002},
			rule{name: fmt.Sprintf("RFC 7692 6: the bit on %02x, empty", b0), send: []unit{{b0: b0}}, code: 1002},
			rule{name: fmt.Sprintf("RFC 7692 6: the bit on %02x inside a message", b0), send: []unit{{b0: 0x41, body: zHello[:3]}, {b0: b0}}, code: 1002})
	}
	for _, b0 := range []byte{0xC0, 0x40} {
		rules = append(rules,
			rule{name: fmt.Sprintf("RFC 7692 6: the bit on %02x of a compressed message", b0), send: []unit{{b0: 0x41, body: zHello[:3]}, {b0: b0, body: zHello[3:]}}, code: 1002},
			rule{name: fmt.Sprintf("RFC 7692 6: the bit on %02x of a message in clear", b0), send: []unit{{b0: 0x01, body: "a"}, {b0: b0, body: zHello}}, code: 1002},
			rule{name: fmt.Sprintf("RFC 7692 6: the bit on %02x behind a message", b0), send: []unit{helloText, {b0: b0, body: zHello}}, back: []unit{helloText}, code: 1002})
	}
	for _, rsv := range []byte{1, 2, 3, 5, 6, 7} {
		rules = append(rules, rule{name: fmt.Sprintf("RFC 6455 5.2: reserved bits %03b", rsv), send: []unit{{b0: 0x81 | rsv<<4, body: zHello}}, code: 1002},
			rule{name: fmt.Sprintf("RFC 6455 5.2: reserved bits %03b behind a message", rsv), send: []unit{packed(0x81, "a"), {b0: 0x81 | rsv<<4, body: zHello}}, back: []unit{{b0: 0x81, body: "a"}}, code: 1002})
	}
	for name, z := range map[string]string{
		"a reserved type of block": "\x06", "a reserved type behind text": zHello[:6] + "\x07",
		"lengths that do not agree": "\x00\x05\x00\x00\x00Hello\x00", "a stored block cut short": zStored[:7],
		"a distance before the beginning": "\xf2\x00\x11\x00\x00", "text as it is": "Hello", "noise": "\xff\xff\xff\xff\xff\xff",
		"a dynamic block of rubbish": "\xfd\xff\xff\xff\xff", "cut short": deflated(letters(500))[:9],
	} {
		for _, b0 := range []byte{0x81, 0x82} {
			rules = append(rules, rule{name: fmt.Sprintf("RFC 7692 7.2.2: %s, %02x", name, b0), send: []unit{{b0: b0 | 0x40, body: z}}, code: 1007},
				rule{name: fmt.Sprintf("RFC 7692 7.2.2: behind a message, %s, %02x", name, b0), send: []unit{helloText, {b0: b0 | 0x40, body: z}}, back: []unit{helloText}, code: 1007},
				rule{name: fmt.Sprintf("RFC 7692 7.2.2: an octet a frame, %s, %02x", name, b0), send: packedIn(b0, z, 1), code: 1007})
		}
	}
	long := strings.Repeat("x", 1000)
	rules = append(rules,
		rule{name: "RFC 6455 7.4.1: at the limit, expanded", limit: 1000, send: []unit{packed(0x81, long)}, back: []unit{{b0: 0x81, body: long}}},
		rule{name: "RFC 6455 7.4.1: above the limit, expanded", limit: 1000, send: []unit{packed(0x81, long+"x")}, code: 1009},
		rule{name: "RFC 6455 7.4.1: far above the limit, expanded", limit: 1000, send: []unit{packed(0x82, strings.Repeat("x", 1<<20))}, code: 1009},
		rule{name: "RFC 6455 7.4.1: above the limit in frames, expanded", limit: 1000, send: packedIn(0x82, deflated(long+"x"), 3), code: 1009})
	conform(t, rules, kept, fresh)
}

// RFC 7692 6.2: the text that was compressed is what has to be UTF-8.
func TestRFC7692Text(t *testing.T) {
	var rules []rule
	for name, all := range goodText {
		for _, s := range all {
			back := []unit{{b0: 0x81, body: s}}
			rules = append(rules, rule{name: fmt.Sprintf("RFC 6455 5.6: compressed, %s %x", name, s), send: []unit{packed(0x81, s)}, back: back},
				rule{name: fmt.Sprintf("RFC 6455 5.6: compressed, an octet a frame, %s %x", name, s), send: packedIn(0x81, deflated(s), 1), back: back})
		}
	}
	for name, all := range badText {
		for _, s := range all {
			rules = append(rules, rule{name: fmt.Sprintf("RFC 6455 8.1: compressed, %s %x", name, s), send: []unit{packed(0x81, s)}, code: 1007},
				rule{name: fmt.Sprintf("RFC 6455 8.1: compressed, in the second message, %s %x", name, s), send: []unit{helloText, packed(0x81, "caf\u00e9"+s)}, back: []unit{helloText}, code: 1007})
		}
	}
	for _, s := range []string{"\xc2", "\xe2\x82", "\xf0\x9f\x98", letters(40000) + "\xf0\x9f"} {
		rules = append(rules, rule{name: fmt.Sprintf("RFC 6455 8.1: compressed, it ends in a character, %x", s[max(0, len(s)-4):]), send: []unit{packed(0x81, s)}, code: 1007})
	}
	conform(t, rules, fresh)
}

// Sizes, each several times, so that windows are full.
func TestRFC7692Sizes(t *testing.T) {
	var rules []rule
	for _, n := range []int{16, 64, 256, 1 << 10, 4 << 10, 8 << 10, 16 << 10, 32<<10 - 1, 32 << 10, 32<<10 + 1, 64 << 10, 128 << 10} {
		text, mixed := letters(n), noise(n/2)+strings.Repeat("\x00\xff", n/4)
		back := []unit{{b0: 0x81, body: text}, {b0: 0x82, body: mixed}}
		whole := []unit{packed(0x81, text), packed(0x82, mixed)}
		parts := slices.Concat(packedIn(0x81, deflated(text), 250), packedIn(0x82, deflated(mixed), n/16+1))
		rules = append(rules,
			rule{name: fmt.Sprintf("RFC 7692 7.2: %d octets", n), send: slices.Repeat(whole, 3), back: slices.Repeat(back, 3)},
			rule{name: fmt.Sprintf("RFC 7692 7.2: %d octets in frames", n), send: slices.Repeat(parts, 2), back: slices.Repeat(back, 2)},
			rule{name: fmt.Sprintf("RFC 7692 7.2: %d octets, every other compressed", n), send: slices.Concat(whole, back, whole), back: slices.Repeat(back, 3)})
	}
	rules = append(rules,
		rule{name: "RFC 7692 7.2: text of 4 MiB", send: []unit{packed(0x81, letters(4<<20))}, back: []unit{{b0: 0x81, body: letters(4 << 20)}}, on: onKept},
		rule{name: "RFC 7692 7.2: 1 MiB that does not compress", send: []unit{packed(0x82, noise(1<<20))}, back: []unit{{b0: 0x82, body: noise(1 << 20)}}})
	conform(t, rules, kept, fresh)
}
