package hybi

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

// One profile of each kind. The drafts' own are in their packages, with their vectors.
var (
	profile02 = &FrameProfile{Version: wire.Hybi02, Chapter: "4", Opcodes: &Opcodes02, MoreBit: true, Masking: MaskNone,
		Close: Close{Opaque: true}}
	profile04 = &FrameProfile{Version: wire.Hybi04, Chapter: "4", Opcodes: &Opcodes02, Masking: MaskHash}
	profile05 = &FrameProfile{Version: wire.Hybi05, Chapter: "4", Opcodes: &Opcodes02, Masking: MaskFrame,
		Close: Close{Letters: "SC"}}
	profile07 = &FrameProfile{Version: wire.Hybi07, Chapter: "4", Opcodes: &Opcodes07, MaskedServer: true,
		Close: Close{Section: "7.4", ToWire: CodeToWire06(wire.CodeProtocol), FromWire: CodeFromWire06}}
	profile6455 = &FrameProfile{Version: wire.RFC6455, Chapter: "5", Opcodes: &Opcodes07, MinimalLength: true,
		Close: Close{Section: "7.4.1",
			ToWire:   func(c wire.CloseCode) wire.CloseCode { return c },
			FromWire: func(c wire.CloseCode) (wire.CloseCode, bool) { return c, c.OnWire() }}}
)

const (
	noMask = "\x00\x00\x00\x00" // a mask that leaves the payload readable
	key04  = "twenty bytes of key!"
)

// masked05 masks the head and the payload of a frame as a client of hybi-05 does.
func masked05(key, frame string) string {
	b := []byte(frame)
	for i := range b {
		b[i] ^= key[i%4]
	}
	return key + string(b)
}

// masked04 masks them as a client of hybi-04 does, on a connection with key04.
func masked04(nonce, frame string) string {
	mask := sha1.Sum([]byte(nonce + key04))
	b := []byte(frame)
	for i := range b {
		b[i] ^= mask[i%sha1.Size]
	}
	return nonce + string(b)
}

// eventLine writes an event as: operation, code, ( for the first of a message, rsv1,
// payload, ) for the last of it.
func eventLine(ev *wire.Event) string {
	line := ev.Op.String()
	if ev.Code != 0 {
		line += fmt.Sprintf(" %d", ev.Code)
	}
	if ev.First {
		line += " ("
	}
	if ev.RSV1 {
		line += "rsv1"
	}
	line += fmt.Sprintf("%q", ev.Data)
	if ev.Last {
		line += ")"
	}
	return line
}

// decode feeds the parts to c and returns a line for each event, with the payload of each
// frame joined, and the error.
func decode(t *testing.T, c *Codec, parts ...[]byte) (lines []string, err error) {
	t.Helper()
	var frame wire.Event // the frame whose events are being joined
	for _, p := range parts {
		for p = slices.Clone(p); len(p) > 0; {
			// A caller uses the same event again, so what it holds must not matter.
			old := len(lines)%2 == 1
			ev := wire.Event{Op: wire.OpClose, First: old, Last: old, FrameEnd: old, RSV1: true, Code: 1, Data: []byte("old")}
			n, err := c.Decode(p, &ev)
			if err != nil {
				if ev.Op != wire.OpNone {
					t.Errorf("an event comes with the error: %+v", ev)
				}
				if n, again := c.Decode([]byte("\x81\x81"+noMask+"a"), &ev); n != 0 || again != err || ev.Op != wire.OpNone {
					t.Errorf("the error does not stick: %v, then %d, %v, %+v", err, n, again, ev)
				}
				return lines, err
			}
			p = p[n:]
			switch {
			case ev.Op == wire.OpNone && len(p) > 0:
				t.Fatalf("no event, and %d bytes were not consumed", len(p))
			case ev.Op == wire.OpNone:
				continue
			case ev.Op.IsControl():
				lines = append(lines, eventLine(&ev))
				continue
			case len(ev.Data) == 0 && !ev.FrameEnd:
				t.Fatalf("an event of nothing: %+v", ev)
			case frame.Op == wire.OpNone:
				frame = ev
				frame.Data = slices.Clone(ev.Data)
			default:
				frame.Data = append(frame.Data, ev.Data...)
				frame.Last = ev.Last
				if ev.Op != frame.Op || ev.First || ev.RSV1 != frame.RSV1 {
					t.Errorf("%+v goes on with %+v", frame, ev)
				}
			}
			if ev.FrameEnd {
				lines = append(lines, eventLine(&frame))
				frame = wire.Event{}
			} else if ev.Last {
				t.Errorf("the message ends inside a frame: %+v", ev)
			}
		}
	}
	return lines, nil
}

// everyCut calls f with p whole, cut in two at every byte (of a long p at some), and byte
// by byte.
func everyCut(p string, f func(name string, parts ...[]byte)) {
	b := []byte(p)
	f("whole", b)
	for cut := 1; cut < len(b); cut += 1 + len(b)/20 {
		f(fmt.Sprintf("cut at %d", cut), b[:cut], b[cut:])
	}
	f("byte by byte", slices.Collect(slices.Chunk(b, 1))...)
}

func TestDecode(t *testing.T) {
	long16, long64 := strings.Repeat("a", 126), strings.Repeat("b", 1<<16)
	for _, tc := range []struct {
		name string
		p    *FrameProfile
		role wire.Role
		in   string
		want []string
	}{
		{"RFC 6455 5.7: a masked text message", profile6455, wire.Server,
			"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", []string{`text ("Hello")`}},
		{"RFC 6455 5.7: an unmasked text message", profile6455, wire.Client,
			"\x81\x05Hello", []string{`text ("Hello")`}},
		{"RFC 6455 5.7: a fragmented text message", profile6455, wire.Client,
			"\x01\x03Hel\x80\x02lo", []string{`text ("Hel"`, `text"lo")`}},
		{"RFC 6455 5.7: a ping and a masked pong", profile6455, wire.Server,
			"\x89\x85" + noMask + "Hello\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", []string{`ping ("Hello")`, `pong ("Hello")`}},
		{"an empty message is an event", profile6455, wire.Server,
			"\x81\x80" + noMask, []string{`text ("")`}},
		{"two messages do not run into each other", profile6455, wire.Server,
			"\x82\x81" + noMask + "a\x81\x81" + noMask + "b", []string{`binary ("a")`, `text ("b")`}},
		{"a ping may come between the fragments of a message", profile6455, wire.Server,
			"\x02\x81" + noMask + "a\x89\x81" + noMask + "p\x00\x80" + noMask + "\x80\x81" + noMask + "b",
			[]string{`binary ("a"`, `ping ("p")`, `binary""`, `binary"b")`}},
		{"a ping whose body looks like a frame", profile6455, wire.Server,
			"\x89\x87" + noMask + "\x81\x81" + noMask + "a", []string{`ping ("\x81\x81\x00\x00\x00\x00a")`}},
		{"a message whose body looks like a frame", profile6455, wire.Server,
			"\x82\x87" + noMask + "\x81\x81" + noMask + "a", []string{`binary ("\x81\x81\x00\x00\x00\x00a")`}},
		{"a head that behind its first byte looks like a frame", profile6455, wire.Server,
			"\x81\x81\x81\x00\x00\x00\xe0\x82\x80" + noMask, []string{`text ("a")`, `binary ("")`}},
		{"the shortest payload with a length of two bytes", profile6455, wire.Server,
			"\x81\xfe\x00\x7e" + noMask + long16, []string{`text ("` + long16 + `")`}},
		{"the shortest payload with a length of eight bytes", profile6455, wire.Server,
			"\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00" + noMask + long64, []string{`binary ("` + long64 + `")`}},
		{"the longest control frame", profile6455, wire.Server,
			"\x89\xfd" + noMask + long16[:125], []string{`ping ("` + long16[:125] + `")`}},
		{"a close without a code", profile6455, wire.Server,
			"\x88\x80" + noMask, []string{`close 1005 ("")`}},
		{"a close with a code and no reason", profile6455, wire.Client,
			"\x88\x02\x03\xe8", []string{`close 1000 ("")`}},
		{"a close with a code and a reason", profile6455, wire.Server,
			"\x88\x85" + noMask + "\x03\xe9bye", []string{`close 1001 ("bye")`}},
		{"hybi-07: a length may be longer than needed", profile07, wire.Server,
			"\x81\xfe\x00\x01" + noMask + "a\x81\xff\x00\x00\x00\x00\x00\x00\x00\x01" + noMask + "b", []string{`text ("a")`, `text ("b")`}},
		{"hybi-07: a client accepts a masked frame", profile07, wire.Client,
			"\x81\x81\x01\x02\x03\x04\x60", []string{`text ("a")`}},
		{"hybi-07: 1004 is a message that is too big", profile07, wire.Server,
			"\x88\x82" + noMask + "\x03\xec", []string{`close 1009 ("")`}},
		{"hybi-05: the mask covers the head", profile05, wire.Server,
			masked05("\x01\x02\x03\x04", "\x84\x05Hello") + masked05("\x50\x60\x70\x80", "\x85\x01b"), []string{`text ("Hello")`, `binary ("b")`}},
		{"hybi-05: a mask that looks like the head of a later draft", profile05, wire.Server,
			masked05("\x84\x81\x00\x00", "\x84\x05Hello"), []string{`text ("Hello")`}},
		{"hybi-05: a length of two bytes is masked too", profile05, wire.Server,
			masked05("\x01\x02\x03\x04", "\x04\x7e\x00\x7e"+long16) + masked05("\xff\xfe\xfd\xfc", "\x80\x01!"), []string{`text ("` + long16 + `"`, `text"!")`}},
		{"hybi-05: the body of a close is of no interest", profile05, wire.Server,
			masked05("\x01\x02\x03\x04", "\x81\x01C"), []string{`close 1005 ("")`}},
		{"hybi-05: a server's frame is not masked", profile05, wire.Client,
			"\x84\x05Hello\x81\x01S", []string{`text ("Hello")`, `close 1005 ("")`}},
		{"hybi-04: the mask is a hash of 20 bytes", profile04, wire.Server,
			masked04("abcd", "\x84\x1ethirty bytes, more than a mask") + masked04("efgh", "\x82\x01p"), []string{`text ("thirty bytes, more than a mask")`, `ping ("p")`}},
		{"hybi-02: the first bit says that more follows", profile02, wire.Server,
			"\x84\x03Hel\x00\x02lo\x05\x00", []string{`text ("Hel"`, `text"lo")`, `binary ("")`}},
		{"hybi-02: the body of a close is any bytes", profile02, wire.Client,
			"\x01\x03\xff\x00\xfe", []string{`close 1005 ("\xff\x00\xfe")`}},
	} {
		everyCut(tc.in, func(cut string, parts ...[]byte) {
			c := NewCodec(tc.p, wire.CodecConfig{Role: tc.role, MaskKey: []byte(key04)})
			got, err := decode(t, c, parts...)
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("%s, %s: %.200q, %v, want %.200q", tc.name, cut, got, err, tc.want)
			}
			if err := c.EOF(); err != nil {
				t.Errorf("%s, %s: %v at the end", tc.name, cut, err)
			}
		})
	}
}

// Each fault has its code, the section that it is against, and the code that the
// connection is closed with. What came before it is delivered.
func TestDecodeFaults(t *testing.T) {
	protocol, data := wire.CodeProtocol, wire.CodeInvalidData
	for _, tc := range []struct {
		name    string
		p       *FrameProfile
		role    wire.Role
		rsv1    wire.RSV1Use
		in      string
		fault   wire.Fault
		section string
		code    wire.CloseCode
	}{
		{"the first reserved bit, of no extension", profile6455, wire.Server, wire.NoRSV1, "\xc1\x80" + noMask, wire.FaultRSV, "5.2", protocol},
		{"the second", profile6455, wire.Server, wire.NoRSV1, "\xa1\x80" + noMask, wire.FaultRSV, "5.2", protocol},
		{"the third", profile6455, wire.Server, wire.NoRSV1, "\x91\x80" + noMask, wire.FaultRSV, "5.2", protocol},
		{"the first, for messages, on a control frame", profile6455, wire.Server, wire.RSV1Message, "\xc9\x80" + noMask, wire.FaultRSV, "5.2", protocol},
		{"the first, for messages, on a later frame", profile6455, wire.Server, wire.RSV1Message, "\x01\x80" + noMask + "\xc0\x80" + noMask, wire.FaultRSV, "5.2", protocol},
		{"the first, for frames, on a control frame", profile6455, wire.Server, wire.RSV1Frame, "\xc8\x80" + noMask, wire.FaultRSV, "5.2", protocol},
		{"the second, with an extension that has the first", profile6455, wire.Server, wire.RSV1Frame, "\xa1\x80" + noMask, wire.FaultRSV, "5.2", protocol},
		{"hybi-05: the fourth, where later drafts have the mask bit", profile05, wire.Client, wire.NoRSV1, "\x84\x80" + noMask, wire.FaultRSV, "4.2", protocol},
		{"hybi-05: the fourth, of a client", profile05, wire.Server, wire.NoRSV1, masked05("\x01\x02\x03\x04", "\x84\x80"), wire.FaultRSV, "4.2", protocol},
		{"the first opcode that is no data", profile6455, wire.Server, wire.NoRSV1, "\x83\x80" + noMask, wire.FaultOpcode, "5.2", protocol},
		{"the first opcode that is no control", profile6455, wire.Server, wire.NoRSV1, "\x8b\x80" + noMask, wire.FaultOpcode, "5.2", protocol},
		{"hybi-02: the first opcode that is reserved", profile02, wire.Server, wire.NoRSV1, "\x06\x00", wire.FaultOpcode, "4.2", protocol},
		{"a fragmented ping", profile6455, wire.Server, wire.NoRSV1, "\x09\x80" + noMask, wire.FaultControlFrag, "5.4", protocol},
		{"hybi-02: a ping that more follows", profile02, wire.Server, wire.NoRSV1, "\x82\x00", wire.FaultControlFrag, "4.4", protocol},
		{"a client's frame without a mask", profile6455, wire.Server, wire.NoRSV1, "\x81\x01a", wire.FaultUnmasked, "5.1", protocol},
		{"a client's empty frame without a mask", profile6455, wire.Server, wire.NoRSV1, "\x81\x00", wire.FaultUnmasked, "5.1", protocol},
		{"a server's frame with a mask", profile6455, wire.Client, wire.NoRSV1, "\x81\x81" + noMask + "a", wire.FaultMasked, "5.1", protocol},
		{"a control frame of 126 bytes", profile6455, wire.Server, wire.NoRSV1, "\x89\xfe\x00\x7e" + noMask, wire.FaultControlLong, "5.5", protocol},
		{"a continuation of nothing", profile6455, wire.Server, wire.NoRSV1, "\x80\x80" + noMask, wire.FaultOrphan, "5.4", protocol},
		{"a message inside a message", profile6455, wire.Server, wire.NoRSV1, "\x01\x80" + noMask + "\x82\x80" + noMask, wire.FaultInterleaved, "5.4", protocol},
		{"a short message inside a message", profile6455, wire.Server, wire.NoRSV1, "\x01\x81" + noMask + "a\x81\x81" + noMask + "b", wire.FaultInterleaved, "5.4", protocol},
		{"the top bit of a length", profile6455, wire.Server, wire.NoRSV1, "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00" + noMask, wire.FaultLengthMSB, "5.2", protocol},
		{"a length of 125 in two bytes", profile6455, wire.Server, wire.NoRSV1, "\x82\xfe\x00\x7d" + noMask, wire.FaultLengthLong, "5.2", protocol},
		{"a length of 65535 in eight bytes", profile6455, wire.Server, wire.NoRSV1, "\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff" + noMask, wire.FaultLengthLong, "5.2", protocol},
		{"a close of one byte", profile6455, wire.Server, wire.NoRSV1, "\x88\x81" + noMask + "\x03", wire.FaultCloseLength, "5.5.1", protocol},
		{"a close with the code for no code", profile6455, wire.Client, wire.NoRSV1, "\x88\x02\x03\xed", wire.FaultCloseCode, "7.4.1", protocol},
		{"hybi-07: a close with 1005", profile07, wire.Client, wire.NoRSV1, "\x88\x02\x03\xed", wire.FaultCloseCode, "7.4", protocol},
		{"a close with a reason that is not UTF-8", profile6455, wire.Server, wire.NoRSV1, "\x88\x83" + noMask + "\x03\xe8\xff", wire.FaultCloseText, "5.5.1", data},
	} {
		// A ping goes before, in the frame format of the profile.
		before := map[*FrameProfile]string{profile02: "\x02\x00", profile05: "\x82\x00"}[tc.p]
		switch {
		case tc.p == profile05 && tc.role == wire.Server:
			before = masked05("abcd", before)
		case before == "" && tc.role == wire.Server:
			before = "\x89\x80" + noMask
		case before == "":
			before = "\x89\x00"
		}
		everyCut(before+tc.in, func(cut string, parts ...[]byte) {
			c := NewCodec(tc.p, wire.CodecConfig{Role: tc.role, RSV1: tc.rsv1})
			got, err := decode(t, c, parts...)
			pe, ok := errors.AsType[*wire.ProtocolError](err)
			if !ok || pe.Fault != tc.fault || pe.Section != tc.section || pe.Code != tc.code || pe.Version != tc.p.Version || pe.Msg == "" {
				t.Errorf("%s, %s: %+v, want %s against %s, closed with %d", tc.name, cut, err, tc.fault, tc.section, tc.code)
			}
			if len(got) == 0 || got[0] != `ping ("")` {
				t.Errorf("%s, %s: before it came %q", tc.name, cut, got)
			}
			if err := c.EOF(); err != nil {
				t.Errorf("%s, %s: behind a fault the end is %v", tc.name, cut, err)
			}
		})
	}
}

// An extension may have the first reserved bit where RSV1Use says so.
func TestRSV1(t *testing.T) {
	for _, tc := range []struct {
		use  wire.RSV1Use
		in   string
		want []string
	}{
		{wire.RSV1Message, "\xc1\x81" + noMask + "a\x81\x81" + noMask + "b", []string{`text (rsv1"a")`, `text ("b")`}},
		{wire.RSV1Message, "\x42\x81" + noMask + "a\x80\x81" + noMask + "b", []string{`binary (rsv1"a"`, `binary"b")`}},
		{wire.RSV1Frame, "\x41\x81" + noMask + "a\xc0\x81" + noMask + "b", []string{`text (rsv1"a"`, `textrsv1"b")`}},
		{wire.RSV1Frame, "\x01\x81" + noMask + "a\xc0\x81" + noMask + "b", []string{`text ("a"`, `textrsv1"b")`}},
	} {
		everyCut(tc.in, func(cut string, parts ...[]byte) {
			c := NewCodec(profile6455, wire.CodecConfig{Role: wire.Server, RSV1: tc.use})
			if got, err := decode(t, c, parts...); err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("%x, %s: %q, %v, want %q", tc.in, cut, got, err, tc.want)
			}
		})
	}
}

// The limit is for the payload of a message, over all its frames, and is checked when a
// head announces more.
func TestDecodeLimit(t *testing.T) {
	for _, tc := range []struct {
		name  string
		limit int64
		in    string
		fails bool
	}{
		{"a short message at the limit", 3, "\x81\x83" + noMask + "abc", false},
		{"a short message above it", 3, "\x81\x84" + noMask + "abcd", true},
		{"the head of a long message above it", 200, "\x82\xfe\x00\xc9" + noMask, true},
		{"a long message at the limit", 200, "\x82\xfe\x00\xc8" + noMask + strings.Repeat("a", 200), false},
		{"fragments at the limit", 3, "\x01\x81" + noMask + "a\x80\x82" + noMask + "bc", false},
		{"fragments above it", 3, "\x01\x81" + noMask + "a\x80\x83" + noMask, true},
		{"the next message counts anew", 3, "\x81\x83" + noMask + "abc\x01\x83" + noMask + "abc\x80\x80" + noMask, false},
		{"control frames do not count", 3, "\x01\x83" + noMask + "abc\x89\x84" + noMask + "ping\x80\x80" + noMask, false},
		{"no limit", 0, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + noMask, false},
		{"no limit, said in another way", -1, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + noMask, false},
	} {
		everyCut(tc.in, func(cut string, parts ...[]byte) {
			c := NewCodec(profile6455, wire.CodecConfig{Role: wire.Server})
			c.SetLimit(tc.limit)
			_, err := decode(t, c, parts...)
			if errors.Is(err, wire.ErrTooBig) != tc.fails || !tc.fails && err != nil {
				t.Errorf("%s, %s: %v", tc.name, cut, err)
			}
			if pe, ok := errors.AsType[*wire.ProtocolError](err); ok && (pe.Fault != wire.FaultTooBig || pe.Code != wire.CodeTooBig) {
				t.Errorf("%s, %s: %+v", tc.name, cut, pe)
			}
		})
	}
}

// A tolerated fault is told each time that it is seen.
func TestTolerances(t *testing.T) {
	for _, tc := range []struct {
		tolerate wire.Tolerances
		in       string
		seen     []wire.Tolerances
		fails    bool
	}{
		{wire.TolerateUnmasked, "\x81\x01a\x81\x81" + noMask + "b\x89\x00", []wire.Tolerances{wire.TolerateUnmasked, wire.TolerateUnmasked}, false},
		{wire.TolerateEmptyUnmasked, "\x81\x00\x81\x81" + noMask + "b", []wire.Tolerances{wire.TolerateEmptyUnmasked}, false},
		{wire.TolerateEmptyUnmasked, "\x81\x01a", nil, true},
	} {
		everyCut(tc.in, func(cut string, parts ...[]byte) {
			var seen []wire.Tolerances
			c := NewCodec(profile6455, wire.CodecConfig{Role: wire.Server, Tolerate: tc.tolerate,
				Seen: func(t wire.Tolerances) { seen = append(seen, t) }})
			if _, err := decode(t, c, parts...); (err != nil) != tc.fails || !slices.Equal(seen, tc.seen) {
				t.Errorf("%s, %x, %s: %v, seen %v", tc.tolerate, tc.in, cut, err, seen)
			}
			c = NewCodec(profile6455, wire.CodecConfig{Role: wire.Server, Tolerate: tc.tolerate})
			if _, err := decode(t, c, parts...); (err != nil) != tc.fails {
				t.Errorf("%s, %x, %s, told nobody: %v", tc.tolerate, tc.in, cut, err)
			}
		})
	}
}

// The stream may end between messages, and nowhere else. Remaining is what is left of the
// payload of a data frame.
func TestEOFAndRemaining(t *testing.T) {
	for _, tc := range []struct {
		p         *FrameProfile
		role      wire.Role
		in        string
		remaining int64
		eof       error
	}{
		{profile6455, wire.Server, "", 0, nil},
		{profile6455, wire.Server, "\x81", 0, io.ErrUnexpectedEOF},
		{profile6455, wire.Server, "\x81\x82" + noMask, 2, io.ErrUnexpectedEOF},
		{profile6455, wire.Server, "\x81\x82" + noMask + "a", 1, io.ErrUnexpectedEOF},
		{profile6455, wire.Server, "\x81\x82" + noMask + "ab", 0, nil},
		{profile6455, wire.Server, "\x01\x82" + noMask + "ab", 0, io.ErrUnexpectedEOF}, // inside a message
		{profile6455, wire.Server, "\x89\x82" + noMask + "a", 0, io.ErrUnexpectedEOF},  // no data
		{profile05, wire.Server, "\x01\x02\x03\x04", 0, io.ErrUnexpectedEOF},
		{profile05, wire.Server, masked05("\x01\x02\x03\x04", "\x84\x03a"), 2, io.ErrUnexpectedEOF},
	} {
		c := NewCodec(tc.p, wire.CodecConfig{Role: tc.role})
		if _, err := decode(t, c, []byte(tc.in)); err != nil || c.Remaining() != tc.remaining || c.EOF() != tc.eof {
			t.Errorf("%x: %v, %d remain, the end is %v", tc.in, err, c.Remaining(), c.EOF())
		}
	}
}

// Nothing is allocated for a frame that arrives whole.
func TestDecodeAllocs(t *testing.T) {
	for _, frame := range []string{"\x81\x05Hello", "\x89\x01p", "\x88\x05\x03\xe8bye"} {
		c, p, ev := NewCodec(profile6455, wire.CodecConfig{Role: wire.Client}), []byte(frame), wire.Event{}
		if n := testing.AllocsPerRun(10, func() { c.Decode(p, &ev) }); n != 0 || ev.Op == wire.OpNone {
			t.Errorf("%q: %v allocations, %+v", frame, n, ev)
		}
	}
}

// No bytes are no event and no error.
func TestDecodeNothing(t *testing.T) {
	c := NewCodec(profile6455, wire.CodecConfig{Role: wire.Server})
	ev := wire.Event{Op: wire.OpText, Data: []byte("old")}
	if n, err := c.Decode(nil, &ev); n != 0 || err != nil || ev.Op != wire.OpNone || ev.Data != nil {
		t.Errorf("%d, %v, %+v", n, err, ev)
	}
}
