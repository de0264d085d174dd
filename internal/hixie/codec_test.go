package hixie

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

var (
	frames75 = &FrameProfile{Version: wire.Hixie75, Section: "5.3"}
	frames76 = &FrameProfile{Version: wire.Hixie76, Section: "5.3", Close: true}
)

// decode feeds the parts to c and returns a line for each frame: operation, ( and payload and
// ), with the error.
func decode(t *testing.T, c *Codec, parts ...[]byte) (lines []string, err error) {
	t.Helper()
	data, begun := "", false
	for _, p := range parts {
		for len(p) > 0 {
			ev := wire.Event{Op: wire.OpPing, First: true, Last: true, Code: 1, Data: []byte("old")}
			n, err := c.Decode(p, &ev)
			if err != nil {
				if n, again := c.Decode([]byte("\x00a\xff"), &ev); n != 0 || again != err || ev.Op != wire.OpNone {
					t.Errorf("the error does not stick: %v, then %d, %v", err, n, again)
				}
				return lines, err
			}
			if p = p[n:]; ev.Op == wire.OpNone {
				if len(p) > 0 {
					t.Fatalf("no event, and %d bytes were not consumed", len(p))
				}
				continue
			}
			if ev.First == begun || ev.Last != ev.FrameEnd || len(ev.Data) == 0 && ev.Op == wire.OpDiscard && !ev.Last {
				t.Errorf("%+v inside a frame: %v", ev, begun)
			}
			data += string(ev.Data)
			if begun = !ev.Last; ev.Last {
				line := fmt.Sprintf("%s (%q)", ev.Op, data)
				if ev.Code != 0 {
					line = fmt.Sprintf("%s %d (%q)", ev.Op, ev.Code, data)
				}
				lines, data = append(lines, line), ""
			}
		}
	}
	return lines, nil
}

// everyCut calls f with p whole, cut in two at every byte, and byte by byte.
func everyCut(p string, f func(cut string, parts ...[]byte)) {
	b := []byte(p)
	f("whole", b)
	for cut := 1; cut < len(b); cut++ {
		f(fmt.Sprintf("cut at %d", cut), b[:cut], b[cut:])
	}
	f("byte by byte", slices.Collect(slices.Chunk(b, 1))...)
}

// What a stream is decoded to, whatever the pieces it comes in: frames, and the fault that
// ends it.
func TestDecode(t *testing.T) {
	const nine = "\x80\x80\x80\x80\x80\x80\x80\x80" // with one more byte the longest length
	for _, tc := range []struct {
		name  string
		p     *FrameProfile
		role  wire.Role
		limit int64
		in    string
		want  []string
		fault wire.Fault
		eof   error
	}{
		{"text", frames76, wire.Server, 0, "\x00Hello\xff\x00\xff", []string{`text ("Hello")`, `text ("")`}, "", nil},
		{"text without its end", frames76, wire.Server, 0, "\x00a\xff\x00b", []string{`text ("a")`}, "", io.ErrUnexpectedEOF},
		{"a type and no more", frames76, wire.Client, 0, "\x80", nil, "", io.ErrUnexpectedEOF},
		{"hixie-76: a close", frames76, wire.Server, 0, "\x00a\xff\xff\x00", []string{`text ("a")`, `close 1005 ("")`}, "", nil},
		{"hixie-76: a close whose length is longer than needed", frames76, wire.Server, 0, "\xff\x80\x00", []string{`close 1005 ("")`}, "", nil},
		{"hixie-76: 80 00 closes nothing", frames76, wire.Client, 0, "\x80\x00\x00a\xff", []string{`discard ("")`, `text ("a")`}, "", nil},
		{"an empty frame is an event at once", frames76, wire.Client, 0, "\x80\x00", []string{`discard ("")`}, "", nil},
		{"each frame has a length of its own", frames76, wire.Client, 0, strings.Repeat("\x80\x80\x01a", 6), slices.Repeat([]string{`discard ("a")`}, 6), "", nil},
		{"hixie-75: FF 00 closes nothing", frames75, wire.Server, 0, "\xff\x00\x00a\xff", []string{`discard ("")`, `text ("a")`}, "", nil},
		{"a client discards a frame with a length", frames76, wire.Client, 0, "\x80\x03abc\xfe\x81\x00" + string(make([]byte, 128)), []string{`discard ("abc")`, fmt.Sprintf("discard (%q)", make([]byte, 128))}, "", nil},
		{"a client discards FF with a length", frames76, wire.Client, 0, "\xff\x01a", []string{`discard ("a")`}, "", nil},
		{"a client discards other text", frames76, wire.Client, 0, "\x01abc\xff\x7f\xff", []string{`discard ("abc")`, `discard ("")`}, "", nil},
		{"a server refuses it", frames76, wire.Server, 0, "\x00a\xff\x01", []string{`text ("a")`}, wire.FaultHixieType, nil},
		{"a server refuses a frame with a length", frames75, wire.Server, 0, "\x80\x00", nil, wire.FaultHixieType, nil},
		{"a server refuses FF with a length", frames76, wire.Server, 0, "\xff\x01", nil, wire.FaultHixieType, nil},
		{"text at the limit", frames76, wire.Server, 3, "\x00abc\xff\x00abc\xff", []string{`text ("abc")`, `text ("abc")`}, "", nil},
		{"text above it", frames76, wire.Server, 3, "\x00abcd\xff", nil, wire.FaultTooBig, nil},
		{"a length at the limit", frames76, wire.Client, 3, "\x80\x03abc", []string{`discard ("abc")`}, "", nil},
		{"a length above it", frames76, wire.Client, 3, "\x80\x04", nil, wire.FaultHixieLength, nil},
		{"no limit", frames76, wire.Client, -1, "\x80\xff\x7f", nil, "", io.ErrUnexpectedEOF},
		{"the longest length", frames76, wire.Client, 0, "\x80" + nine + "\x01a", []string{`discard ("a")`}, "", nil},
		{"a longer one", frames76, wire.Client, 0, "\x80" + nine + "\x80\x01", nil, wire.FaultHixieLength, nil},
	} {
		everyCut(tc.in, func(cut string, parts ...[]byte) {
			c := NewCodec(tc.p, wire.CodecConfig{Role: tc.role})
			c.SetLimit(tc.limit)
			got, err := decode(t, c, parts...)
			pe, _ := errors.AsType[*wire.ProtocolError](err)
			code := map[wire.Fault]wire.CloseCode{wire.FaultHixieType: wire.CodeProtocol}[tc.fault]
			if code == 0 {
				code = wire.CodeTooBig
			}
			if !slices.Equal(got, tc.want) || (err == nil) != (tc.fault == "") || c.EOF() != tc.eof || c.Remaining() != 0 ||
				err != nil && (pe == nil || pe.Fault != tc.fault || pe.Version != tc.p.Version || pe.Section != "5.3" || pe.Code != code) {
				t.Errorf("%s, %s: %q, %+v, the end %v", tc.name, cut, got, err, c.EOF())
			}
		})
	}
}

// Of a message that is too long, what the limit allows is delivered first.
func TestDecodeUpToTheLimit(t *testing.T) {
	c := NewCodec(frames76, wire.CodecConfig{Role: wire.Server})
	c.SetLimit(3)
	var ev wire.Event
	n, err := c.Decode([]byte("\x00abcd\xff"), &ev)
	if n != 4 || err != nil || string(ev.Data) != "abc" || !ev.First || ev.Last || ev.FrameEnd {
		t.Errorf("%d, %v, %+v", n, err, ev)
	}
	if n, err := c.Decode([]byte("d\xff"), &ev); n != 0 || !errors.Is(err, wire.ErrTooBig) || ev.Op != wire.OpNone {
		t.Errorf("%d, %v, %+v", n, err, ev)
	}
}

// The fragments of a message are one frame. What has no place in it is refused, and nothing
// is appended.
func TestAppend(t *testing.T) {
	type step struct {
		op      wire.Op
		fin     bool
		payload string
		want    string
		err     error
	}
	steps := []step{
		{wire.OpText, true, "Hello", "\x00Hello\xff", nil},
		{wire.OpText, true, "", "\x00\xff", nil},
		{wire.OpText, false, "a", "\x00a", nil},
		{wire.OpContinuation, false, "b", "b", nil},
		{wire.OpContinuation, true, "c", "c\xff", nil},
		{wire.OpText, true, "a\xff", "", wire.ErrInvalidText},
		{wire.OpText, true, "\xffa", "", wire.ErrInvalidText},
		{wire.OpBinary, true, "a", "", wire.ErrUnsupported},
		{wire.OpPing, true, "", "", wire.ErrUnsupported},
	}
	server, framing := NewCodec(frames76, wire.CodecConfig{Role: wire.Server}), NewCodec(frames76, wire.CodecConfig{Role: wire.Server})
	for i, x := range steps {
		out, err := server.AppendFrame([]byte("before"), x.op, x.fin, []byte(x.payload))
		if string(out) != "before"+x.want || err != x.err {
			t.Errorf("step %d: %q, %v", i, out, err)
		}
		out, head, err := framing.AppendFraming([]byte("before"), x.op, x.fin, []byte(x.payload))
		if err != x.err || err != nil && (head != 0 || string(out) != "before") {
			t.Errorf("step %d: framing %q, %d, %v", i, out, head, err)
		} else if err == nil {
			if out = slices.Insert(out, len("before")+head, []byte(x.payload)...); string(out) != "before"+x.want {
				t.Errorf("step %d: framing %q, a head of %d bytes", i, out, head)
			}
		}
	}
	client := NewCodec(frames76, wire.CodecConfig{Role: wire.Client})
	if out, head, err := client.AppendFraming([]byte("before"), wire.OpText, true, nil); err != wire.ErrUnsupported || string(out) != "before" || head != 0 {
		t.Errorf("a client: %q, %d, %v", out, head, err)
	}
}

// hixie-75 has no close, and inside a message there is no place for one.
func TestAppendClose(t *testing.T) {
	for _, tc := range []struct {
		p         *FrameProfile
		inMessage bool
		want      string
	}{{frames75, false, ""}, {frames76, false, "\xff\x00"}, {frames76, true, ""}} {
		framed, framing := NewCodec(tc.p, wire.CodecConfig{}), NewCodec(tc.p, wire.CodecConfig{})
		if tc.inMessage {
			framed.AppendFrame(nil, wire.OpText, false, nil)
			framing.AppendFraming(nil, wire.OpText, false, nil)
		}
		for _, c := range []*Codec{framed, framing} {
			if out, err := c.AppendClose([]byte("before"), wire.CodeNormal, "bye"); err != nil || string(out) != "before"+tc.want {
				t.Errorf("%s, in a message %v: %x, %v", tc.p.Version, tc.inMessage, out, err)
			}
		}
	}
}

// A draft names its version once.
func TestDraft(t *testing.T) {
	d := WithFrames(WithHandshake(wire.Draft{Version: wire.Hixie76, TextSection: "5.4"}, HandshakeProfile{WholeProtocol: true}), FrameProfile{Close: true})
	rand := strings.NewReader("")
	client, server := d.NewClient(rand).(*Client), d.NewServer(rand).(*Server)
	if client.Profile.Version != wire.Hixie76 || !client.Profile.WholeProtocol || server.Profile != client.Profile || client.Rand != rand {
		t.Errorf("%+v, %+v", client, server)
	}
	codec := d.NewCodec(wire.CodecConfig{Role: wire.Client}).(*Codec)
	if codec.profile.Version != wire.Hixie76 || !codec.profile.Close || codec.role != wire.Client || d.TextSection != "5.4" {
		t.Errorf("%+v", codec)
	}
}
