package hixie

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

// A client that tolerates CR LF before the first frame takes it there and nowhere else. To
// all others, and before anything but LF, CR is the type of a frame.
func TestStrayCRLF(t *testing.T) {
	for _, tc := range []struct {
		name     string
		role     wire.Role
		tolerate wire.Tolerances
		in       string
		want     []string
		seen     int
		fault    bool
	}{
		{"tolerated", wire.Client, wire.TolerateStrayCRLF, "\r\n\x00a\xff", []string{`text ("a")`}, 1, false},
		{"not tolerated", wire.Client, 0, "\r\n\x00a\xff", []string{`discard ("\n\x00a")`}, 0, false},
		{"twice", wire.Client, wire.TolerateStrayCRLF, "\r\n\r\n\x00a\xff", []string{`discard ("\n\x00a")`}, 1, false},
		{"behind a frame", wire.Client, wire.TolerateStrayCRLF, "\x00a\xff\r\nb\xff", []string{`text ("a")`, `discard ("\nb")`}, 0, false},
		{"CR alone", wire.Client, wire.TolerateStrayCRLF, "\rab\xff", []string{`discard ("ab")`}, 0, false},
		{"LF alone", wire.Client, wire.TolerateStrayCRLF, "\nab\xff", []string{`discard ("ab")`}, 0, false},
		{"a server", wire.Server, wire.TolerateStrayCRLF, "\r\n\x00a\xff", nil, 0, true},
	} {
		everyCut(tc.in, func(cut string, parts ...[]byte) {
			seen := 0
			c := NewCodec(frames76, wire.CodecConfig{Role: tc.role, Tolerate: tc.tolerate, Seen: func(what wire.Tolerances) {
				if seen++; what != wire.TolerateStrayCRLF {
					t.Errorf("%s: %v was seen", tc.name, what)
				}
			}})
			got, err := decode(t, c, parts...)
			if !slices.Equal(got, tc.want) || seen != tc.seen || (err != nil) != tc.fault {
				t.Errorf("%s, %s: %q, %v, seen %d times", tc.name, cut, got, err, seen)
			}
		})
	}
	// Nobody has to be told.
	c := NewCodec(frames76, wire.CodecConfig{Role: wire.Client, Tolerate: wire.TolerateStrayCRLF})
	if got, err := decode(t, c, []byte("\r\n\x00a\xff")); len(got) != 1 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// What begins like a frame of hybi-01 says which tolerance would take it: in hixie-76, which
// shares its handshake, and as the first byte.
func TestHybi01Hint(t *testing.T) {
	for b := range 256 {
		if b == 0x00 || b == 0xFF {
			continue
		}
		opcode := b &^ 0x80
		for before, p := range map[string]*FrameProfile{"": frames76, "\x00a\xff": frames76, "75": frames75} {
			c := NewCodec(p, wire.CodecConfig{Role: wire.Server})
			if before == "75" {
				before = ""
			}
			_, err := decode(t, c, []byte(before+string([]byte{byte(b)})))
			var want wire.Tolerances
			if before == "" && p == frames76 && opcode >= 1 && opcode <= 5 {
				want = wire.TolerateHybi01
			}
			if pe, ok := errors.AsType[*wire.ProtocolError](err); !ok || pe.Tolerance != want {
				t.Errorf("%s, %#x behind %q: %v", p.Version, b, before, err)
			}
		}
	}
}

// Digits that are no multiple of the spaces are a fault that can be tolerated, in either key.
func TestUnevenKey(t *testing.T) {
	for i := range 2 {
		req := request()
		req.Fields[i].Value = "1 2 1"
		err := (&Server{Profile: profile76}).ReadRequest(req, new(wire.ClientRequest))
		if he, ok := errors.AsType[*wire.HandshakeError](err); !ok || he.Tolerance != wire.TolerateUnevenKey || he.Reason != wire.ReasonChallenge {
			t.Errorf("key %d: %v", i+1, err)
		}
		req.Tolerate = wire.TolerateUnevenKey
		var asked wire.ClientRequest
		if err := (&Server{Profile: profile76}).ReadRequest(req, &asked); err != nil || asked.Tolerated != wire.TolerateUnevenKey {
			t.Errorf("key %d, tolerated: %v, %v", i+1, err, asked.Tolerated)
		}
	}
}

// What is said of a key that hides no number.
func TestPartFaults(t *testing.T) {
	for key, want := range map[string]string{
		"a b":                    "Key1: no digit",
		"12":                     "Key1: no space",
		"42949 67296":            "Key1: 4294967296 does not fit 32 bits",
		"858993459 2 ":           "Key1: 4294967296 does not fit 32 bits",
		"1844674407370955161 5":  "Key1: 18446744073709551615 does not fit 32 bits",
		"1844674407370955161 6":  "Key1: the digits overflow 64 bits",
		"18446744073709551620 0": "Key1: the digits overflow 64 bits",
	} {
		_, _, err := Part(wire.Hixie76, "Key1", key)
		if he, ok := errors.AsType[*wire.HandshakeError](err); !ok || he.Detail != want || he.Reason != wire.ReasonChallenge {
			t.Errorf("%q: %v", key, err)
		}
	}
}

// The largest number of a key is 4294967295, whatever it is divided by (hixie-76 4.1 steps 17
// to 20).
func TestLargestKey(t *testing.T) {
	for spaces := range 12 {
		// The number is r[1:5] modulo the most that may be, and one more.
		most := uint32(math.MaxUint32 / (spaces + 1))
		for _, n := range []uint32{0, most, most + 1, math.MaxUint32} {
			r := make([]byte, 40)
			r[0] = byte(spaces)
			r[1], r[2], r[3], r[4] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
			want := uint32(uint64(n) % (uint64(most) + 1))
			key, part, err := NewKey(strings.NewReader(string(r)))
			if got, _, err2 := Part(wire.Hixie76, "Key1", key); err != nil || err2 != nil || part != want || got != want {
				t.Errorf("%d spaces, %d: %q, %d, %v, %v", spaces+1, n, key, part, err, err2)
			}
		}
	}
}

// The URLs that a server may repeat, where a proxy has told it another host or scheme.
func TestLocations(t *testing.T) {
	for _, tc := range []struct {
		fields wire.Fields
		want   string
	}{
		{nil, "ws://h/"},
		{wire.Fields{{Name: "X-Forwarded-Host", Value: "h"}}, "ws://h/"},
		{wire.Fields{{Name: "X-Forwarded-Host", Value: ""}}, "ws://h/"},
		{wire.Fields{{Name: "X-Forwarded-Host", Value: "other"}}, "ws://h/ ws://other/"},
		{wire.Fields{{Name: "X-Forwarded-Proto", Value: "http"}}, "ws://h/ wss://h/"},
		{wire.Fields{{Name: "X-Forwarded-Host", Value: "other"}, {Name: "X-Forwarded-Proto", Value: "https"}}, "ws://h/ wss://h/ ws://other/ wss://other/"},
	} {
		if got := strings.Join(Locations(&wire.Offer{Host: "h", Target: "/", Fields: tc.fields}), " "); got != tc.want {
			t.Errorf("%v: %q, not %q", tc.fields, got, tc.want)
		}
	}
}

// What a client tolerates of an answer: the case of Upgrade, and another URL. Each field
// stands once even so.
func TestTolerantClient(t *testing.T) {
	const upgrade, location = "Upgrade: WebSocket", "Sec-WebSocket-Location: ws://h/"
	for _, tc := range []struct {
		name, upgrade, location string
		by                      wire.Tolerances // what it takes; 0 for a fault that nothing excuses
	}{
		{"another case", "Upgrade: websocket", location, wire.TolerateUpgradeCase},
		{"another case, twice", "Upgrade: websocket|Upgrade: websocket", location, 0},
		{"another protocol", "Upgrade: h2c", location, 0},
		{"no Upgrade", "", location, 0},
		{"another URL", upgrade, "Sec-WebSocket-Location: ws://other/", wire.TolerateOtherLocation},
		{"another URL, twice", upgrade, "Sec-WebSocket-Location: ws://other/|Sec-WebSocket-Location: ws://other/", 0},
		{"the URL twice", upgrade, location + "|" + location, 0},
		{"no URL", upgrade, "", 0},
	} {
		for _, tolerated := range []wire.Tolerances{0, wire.TolerateUpgradeCase | wire.TolerateOtherLocation} {
			c := Client{Profile: profile76}
			if _, err := c.Head(nil, &wire.Offer{Target: "/", Host: "h", Origin: "http://o"}); err != nil {
				t.Fatal(err)
			}
			resp := wire.Response{Status: 101, Tolerate: tolerated}
			for _, line := range []string{tc.upgrade, "Connection: Upgrade", "Sec-WebSocket-Origin: http://o", tc.location} {
				for _, l := range strings.FieldsFunc(line, func(r rune) bool { return r == '|' }) {
					name, value, _ := strings.Cut(l, ": ")
					resp.Fields = append(resp.Fields, wire.Field{Name: name, Value: value})
				}
			}
			_, err := c.Check(&resp, new(wire.Accept))
			he, _ := errors.AsType[*wire.HandshakeError](err)
			accepted := tc.by != 0 && tolerated != 0
			if accepted != (err == nil) || accepted && resp.Tolerated != tc.by || he != nil && he.Tolerance != tc.by {
				t.Errorf("%s, tolerated %v: %v, noted %v", tc.name, tolerated, fmt.Sprint(err), resp.Tolerated)
			}
		}
	}
}
