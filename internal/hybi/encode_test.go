package hybi

import (
	"errors"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

// The masks of a client in these tests are "abcd" and then "efgh".
func encoder(p *FrameProfile, role wire.Role) *Codec {
	return NewCodec(p, wire.CodecConfig{Role: role, Rand: strings.NewReader("abcdefgh"), MaskKey: []byte(key04)})
}

// maskedRFC masks a payload as a client of RFC 6455 does.
func maskedRFC(key, payload string) string {
	b := []byte(payload)
	for i := range b {
		b[i] ^= key[i%4]
	}
	return key + string(b)
}

func TestAppendFrame(t *testing.T) {
	s := strings.Repeat("s", 1<<16)
	for _, tc := range []struct {
		name    string
		p       *FrameProfile
		role    wire.Role
		op      wire.Op
		fin     bool
		payload string
		want    string
	}{
		{"a short text message", profile6455, wire.Server, wire.OpText, true, "Hello", "\x81\x05Hello"},
		{"an empty binary message", profile6455, wire.Server, wire.OpBinary, true, "", "\x82\x00"},
		{"the first frame of a message", profile6455, wire.Server, wire.OpText, false, "Hel", "\x01\x03Hel"},
		{"a frame between", profile6455, wire.Server, wire.OpContinuation, false, "l", "\x00\x01l"},
		{"the last frame", profile6455, wire.Server, wire.OpContinuation, true, "o", "\x80\x01o"},
		{"the longest length of one byte", profile6455, wire.Server, wire.OpText, true, s[:125], "\x81\x7d" + s[:125]},
		{"the shortest of two bytes", profile6455, wire.Server, wire.OpText, true, s[:126], "\x81\x7e\x00\x7e" + s[:126]},
		{"the longest of two bytes", profile6455, wire.Server, wire.OpText, true, s[:65535], "\x81\x7e\xff\xff" + s[:65535]},
		{"the shortest of eight bytes", profile6455, wire.Server, wire.OpText, true, s, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + s},
		{"the first reserved bit", profile6455, wire.Server, wire.OpText | wire.RSV1, true, "z", "\xc1\x01z"},
		{"the first reserved bit of a continuation", profile6455, wire.Server, wire.OpContinuation | wire.RSV1, false, "z", "\x40\x01z"},
		{"the longest ping", profile6455, wire.Server, wire.OpPing, true, s[:125], "\x89\x7d" + s[:125]},
		{"a pong", profile6455, wire.Server, wire.OpPong, true, "p", "\x8a\x01p"},
		{"a client's text message", profile6455, wire.Client, wire.OpText, true, "Hello", "\x81\x85" + maskedRFC("abcd", "Hello")},
		{"a client's empty message has a mask too", profile6455, wire.Client, wire.OpText, true, "", "\x81\x80abcd"},
		{"a client's long message", profile6455, wire.Client, wire.OpBinary, true, s[:126], "\x82\xfe\x00\x7e" + maskedRFC("abcd", s[:126])},
		{"hybi-02: more follows", profile02, wire.Server, wire.OpText, false, "Hel", "\x84\x03Hel"},
		{"hybi-02: nothing follows", profile02, wire.Server, wire.OpText, true, "Hello", "\x04\x05Hello"},
		{"hybi-02: a client does not mask", profile02, wire.Client, wire.OpBinary, true, "Hello", "\x05\x05Hello"},
		{"hybi-04: a client masks with a hash", profile04, wire.Client, wire.OpText, true, s[:30], masked04("abcd", "\x84\x1e"+s[:30])},
		{"hybi-04: a server does not mask", profile04, wire.Server, wire.OpPing, true, "p", "\x82\x01p"},
		{"hybi-05: a client masks the head too", profile05, wire.Client, wire.OpText, true, "Hello", masked05("abcd", "\x84\x05Hello")},
		{"hybi-05: a client masks a long head too", profile05, wire.Client, wire.OpText, false, s[:126], masked05("abcd", "\x04\x7e\x00\x7e"+s[:126])},
	} {
		got, err := encoder(tc.p, tc.role).AppendFrame([]byte("before"), tc.op, tc.fin, []byte(tc.payload))
		if err != nil || string(got) != "before"+tc.want {
			t.Errorf("%s: %.80x, %v, want %.80x", tc.name, got, err, "before"+tc.want)
		}

		// AppendFraming appends the same bytes without the payload; a client cannot.
		framing, head, err := encoder(tc.p, tc.role).AppendFraming([]byte("before"), tc.op, tc.fin, []byte(tc.payload))
		switch {
		case tc.role == wire.Client && (err != wire.ErrUnsupported || string(framing) != "before" || head != 0):
			t.Errorf("%s: framing %x, %d, %v", tc.name, framing, head, err)
		case tc.role == wire.Server && (err != nil || string(framing) != "before"+strings.TrimSuffix(tc.want, tc.payload) || head != len(framing)-len("before")):
			t.Errorf("%s: framing %x, %d, %v", tc.name, framing, head, err)
		}
	}
}

// Each frame of a client has a mask of its own.
func TestClientMasks(t *testing.T) {
	c := encoder(profile6455, wire.Client)
	var out []byte
	for range 2 {
		var err error
		if out, err = c.AppendFrame(out, wire.OpText, true, []byte("m")); err != nil {
			t.Fatal(err)
		}
	}
	if want := "\x81\x81" + maskedRFC("abcd", "m") + "\x81\x81" + maskedRFC("efgh", "m"); string(out) != want {
		t.Errorf("%x, want %x", out, want)
	}
	if out, err := c.AppendFrame([]byte("before"), wire.OpText, true, []byte("m")); err == nil || string(out) != "before" {
		t.Errorf("without a mask: %x, %v", out, err)
	}
}

// A frame that must not be sent is an error, and nothing is appended.
func TestAppendFrameErrors(t *testing.T) {
	long := make([]byte, 126)
	for _, tc := range []struct {
		name    string
		op      wire.Op
		fin     bool
		payload []byte
		err     error
	}{
		{"no operation", wire.OpNone, true, nil, wire.ErrUnsupported},
		{"an operation of a receiver", wire.OpDiscard, true, nil, wire.ErrUnsupported},
		{"a fragmented ping", wire.OpPing, false, nil, wire.ErrTooBig},
		{"a ping of 126 bytes", wire.OpPing, true, long, wire.ErrTooBig},
		{"a close of 126 bytes", wire.OpClose, true, long, wire.ErrTooBig},
	} {
		for _, role := range []wire.Role{wire.Server, wire.Client} {
			if out, err := encoder(profile6455, role).AppendFrame([]byte("before"), tc.op, tc.fin, tc.payload); !errors.Is(err, tc.err) || string(out) != "before" {
				t.Errorf("%s, %s: %x, %v", tc.name, role, out, err)
			}
		}
		if out, head, err := encoder(profile6455, wire.Server).AppendFraming([]byte("before"), tc.op, tc.fin, tc.payload); !errors.Is(err, tc.err) || string(out) != "before" || head != 0 {
			t.Errorf("%s: framing %x, %d, %v", tc.name, out, head, err)
		}
	}
}

func TestAppendClose(t *testing.T) {
	for _, tc := range []struct {
		name   string
		p      *FrameProfile
		role   wire.Role
		code   wire.CloseCode
		reason string
		want   string
	}{
		{"code and reason", profile6455, wire.Server, wire.CodeGoingAway, "bye", "\x88\x05\x03\xe9bye"},
		{"no code, so no reason either", profile6455, wire.Server, wire.CodeNoStatus, "bye", "\x88\x00"},
		{"the longest reason", profile6455, wire.Server, wire.CodeNormal, strings.Repeat("r", 123), "\x88\x7d\x03\xe8" + strings.Repeat("r", 123)},
		{"a reason that is too long", profile6455, wire.Server, wire.CodeNormal, strings.Repeat("r", 124), "\x88\x7d\x03\xe8" + strings.Repeat("r", 123)},
		{"a reason is cut before a character", profile6455, wire.Server, wire.CodeNormal, strings.Repeat("r", 121) + "\u20ac", "\x88\x7b\x03\xe8" + strings.Repeat("r", 121)},
		{"a client masks it", profile6455, wire.Client, wire.CodeNormal, "", "\x88\x82" + maskedRFC("abcd", "\x03\xe8")},
		{"hybi-07: 1009 is 1004", profile07, wire.Server, wire.CodeTooBig, "", "\x88\x02\x03\xec"},
		{"hybi-05: the letter of a server", profile05, wire.Server, wire.CodeNormal, "bye", "\x81\x01S"},
		{"hybi-05: the letter of a client", profile05, wire.Client, wire.CodeNoStatus, "", masked05("abcd", "\x81\x01C")},
		{"hybi-04: there is no body", profile04, wire.Server, wire.CodeNormal, "bye", "\x81\x00"},
		{"hybi-02: a body without a code goes back as it came", profile02, wire.Server, wire.CodeNoStatus, "\xff\x00", "\x01\x02\xff\x00"},
		{"hybi-02: there is no code", profile02, wire.Server, wire.CodeNormal, "bye", "\x01\x00"},
	} {
		if got, err := encoder(tc.p, tc.role).AppendClose([]byte("before"), tc.code, tc.reason); err != nil || string(got) != "before"+tc.want {
			t.Errorf("%s: %x, %v, want %x", tc.name, got, err, "before"+tc.want)
		}
	}
	for _, code := range []wire.CloseCode{0, 999, wire.CodeReserved, wire.CodeAbnormal, wire.CodeTLS, 2999, 5000} {
		if got, err := encoder(profile6455, wire.Server).AppendClose([]byte("before"), code, ""); !errors.Is(err, wire.ErrUnsupported) || string(got) != "before" {
			t.Errorf("%d: %x, %v", code, got, err)
		}
	}
}

func TestCutReason(t *testing.T) {
	r := strings.Repeat("r", wire.MaxReason)
	for in, want := range map[string]string{
		"":                          "",
		r:                           r,
		r + "r":                     r,
		r[:122] + "\u00e9":          r[:122],
		r[:121] + "\u00e9":          r[:121] + "\u00e9",
		r[:120] + "\U0001F600r":     r[:120],
		strings.Repeat("\x80", 200): "", // all of it looks like the inside of one character
	} {
		if got := cutReason(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// hybi-06 to hybi-12 have other numbers for some codes. 1006 to 1008 need no row: 1006 is
// never sent, and 1007 is badData.
func TestCloseCodes06(t *testing.T) {
	toWire := CodeToWire06(3999)
	for code, want := range map[wire.CloseCode]wire.CloseCode{
		wire.CodeNormal: 1000, wire.CodeUnsupported: 1003, wire.CodeTooBig: 1004, wire.CodeInvalidData: 3999,
		wire.CodePolicy: 1002, wire.CodeExtension: 1002, 2999: 1002, 3000: 3000, 4999: 4999,
	} {
		if got := toWire(code); got != want {
			t.Errorf("%d is sent as %d, want %d", code, got, want)
		}
	}
	for code, want := range map[wire.CloseCode]wire.CloseCode{1000: 1000, 1004: wire.CodeTooBig, 1007: 1007, 4999: 4999} {
		if got, ok := CodeFromWire06(code); got != want || !ok {
			t.Errorf("%d means %d, %v, want %d", code, got, ok, want)
		}
	}
	for _, code := range []wire.CloseCode{999, 1005, 1006, 5000} {
		if _, ok := CodeFromWire06(code); ok {
			t.Errorf("%d may be sent", code)
		}
	}
}
