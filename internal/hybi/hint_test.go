package hybi

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

// A fault names the tolerance that would have taken the frame, where there is one, and what
// it says of the frame is true.
func TestFaultHints(t *testing.T) {
	hixie := *profile02
	hixie.HixieFrames = true
	const none = wire.Tolerances(0)
	for _, tc := range []struct {
		name     string
		p        *FrameProfile
		role     wire.Role
		tolerate wire.Tolerances
		in       string
		msg      string // "" for no fault
		by       wire.Tolerances
	}{
		{"no mask", profile6455, wire.Server, none, "\x81\x01a", "client frame without mask", wire.TolerateUnmasked},
		{"no mask and nothing to mask", profile6455, wire.Server, none, "\x81\x00", "client frame without mask", wire.TolerateEmptyUnmasked},
		{"a reserved opcode", profile6455, wire.Server, none, "\x83\x80" + noMask, "reserved opcode 0x3", none},

		{"a ping of 126 bytes", profile6455, wire.Server, none, "\x89\xfe\x00\x7e" + noMask, "control frame above 125 bytes", none},
		{"the same, tolerated", profile6455, wire.Server, wire.TolerateLongLength, "\x89\xfe\x00\x7e" + noMask, "control frame above 125 bytes", none},
		{"a ping of 65,536 bytes", profile6455, wire.Server, wire.TolerateLongLength, "\x89\xff\x00\x00\x00\x00\x00\x01\x00\x00" + noMask, "control frame above 125 bytes", none},
		{"a ping of 125 bytes with a long length", profile6455, wire.Server, none, "\x89\xfe\x00\x7d" + noMask, "the length of a control frame written longer than needed", wire.TolerateLongLength},
		{"the same, tolerated", profile6455, wire.Server, wire.TolerateLongLength, "\x89\xfe\x00\x7d" + noMask + strings.Repeat("p", 125), "", none},

		{"hixie-76's text as the first byte", &hixie, wire.Server, none, "\x00a\xff", "continuation of nothing", wire.TolerateHixieFrames},
		{"hixie-76's close as the first byte", &hixie, wire.Server, none, "\xff\x00", "reserved bit set", wire.TolerateHixieFrames},
		{"another continuation", &hixie, wire.Server, none, "\x80\x00", "continuation of nothing", none},
		{"another reserved bit", &hixie, wire.Server, none, "\x7f\x00", "reserved bit set", none},
		{"the text behind a message", &hixie, wire.Server, none, "\x04\x01b\x00a\xff", "continuation of nothing", none},
		{"the text from a server", &hixie, wire.Client, none, "\x00a\xff", "continuation of nothing", none},
		{"the text in a draft that nobody takes for hixie-76", profile02, wire.Server, none, "\x00a\xff", "continuation of nothing", none},
	} {
		everyCut(tc.in, func(cut string, parts ...[]byte) {
			c := NewCodec(tc.p, wire.CodecConfig{Role: tc.role, Tolerate: tc.tolerate})
			_, err := decode(t, c, parts...)
			pe, ok := errors.AsType[*wire.ProtocolError](err)
			if ok != (tc.msg != "") || ok && (pe.Msg != tc.msg || pe.Tolerance != tc.by) {
				t.Errorf("%s, tolerated %q, %s: %+v", tc.name, tc.tolerate, cut, err)
			}
		})
	}
}

// A short message is taken alone, however much has come behind it, and a limit counts its
// payload and not its head.
func TestShortAmongMany(t *testing.T) {
	for _, limit := range []int64{0, 3} {
		c := NewCodec(profile6455, wire.CodecConfig{Role: wire.Server})
		c.SetLimit(limit)
		got, err := decode(t, c, []byte(strings.Repeat("\x81\x83"+noMask+"abc", 100)))
		if want := strings.Repeat(`text ("abc") `, 100); err != nil || strings.Join(got, " ")+" " != want {
			t.Errorf("limit %d: %s, %v", limit, fmt.Sprint(got), err)
		}
	}
}
