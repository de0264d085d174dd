package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/hixie75"
	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/hybi05"
	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// of returns a session of d. A session of a client reads frames without a mask.
func of(d *wire.Draft, role wire.Role) *session.Session {
	return session.New(d, session.Config{CodecConfig: wire.CodecConfig{Role: role}})
}

// next feeds p to s and returns a line for each event: operation, code, payload, with ( for
// the first and ) for the last of a message.
func next(s *session.Session, p string) (lines []string, err error) {
	for b := []byte(p); len(b) > 0 || s.Pending(); {
		var ev wire.Event
		n, err := s.Next(b, &ev)
		if err != nil {
			if ev.Op != wire.OpNone {
				return lines, fmt.Errorf("the event %+v beside the error %v", ev, err)
			}
			return lines, err
		}
		if b = b[n:]; ev.Op == wire.OpNone {
			continue
		}
		line := ev.Op.String()
		if ev.Code != 0 {
			line += fmt.Sprintf(" %d", ev.Code)
		}
		if ev.First {
			line += " ("
		}
		line += fmt.Sprintf("%q", ev.Data)
		if ev.Last {
			line += ")"
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// What a session reads as its codec, and what it adds: the check of text, and silence
// behind the peer's close.
func TestNext(t *testing.T) {
	for _, tc := range []struct {
		name  string
		in    string
		want  []string
		fault wire.Fault // "" for none
	}{
		{"messages", "\x81\x05Hello\x82\x02\xff\xfe", []string{`text ("Hello")`, `binary ("\xff\xfe")`}, ""},
		{"a ping and a pong", "\x89\x01p\x8a\x01q", []string{`ping ("p")`, `pong ("q")`}, ""},
		{"text of two frames, cut inside a character", "\x01\x03a\xe2\x82\x80\x02\xacb", []string{`text ("a\xe2\x82"`, `text"\xacb")`}, ""},
		{"text that is not UTF-8", "\x81\x01a\x81\x01\xff", []string{`text ("a")`}, wire.FaultText},
		{"a later frame that is not UTF-8", "\x01\x01a\x00\x01\xff", []string{`text ("a"`}, wire.FaultText},
		{"text that ends inside a character", "\x01\x01a\x80\x02\xe2\x82", []string{`text ("a"`}, wire.FaultText},
		{"a character of the message before is forgotten", "\x02\x02\xe2\x82\x80\x01b\x01\x01a\x80\x01b", []string{`binary ("\xe2\x82"`, `binary"b")`, `text ("a"`, `text"b")`}, ""},
		{"the peer's close ends what is read", "\x88\x02\x03\xe8\x81\x05Hello\xff\xff", []string{`close 1000 ("")`}, ""},
		{"a fault of the codec", "\x81\x01a\xf1\x00", []string{`text ("a")`}, wire.FaultRSV},
	} {
		s := of(&rfc6455.Draft, wire.Client)
		got, err := next(s, tc.in)
		pe, _ := errors.AsType[*wire.ProtocolError](err)
		if !slices.Equal(got, tc.want) || (err == nil) != (tc.fault == "") || err != nil && (pe == nil || pe.Fault != tc.fault) {
			t.Errorf("%s: %q, %v, want %q, %q", tc.name, got, err, tc.want, tc.fault)
			continue
		}
		if tc.fault == wire.FaultText && (pe.Version != wire.RFC6455 || pe.Section != "8.1" || pe.Code != wire.CodeInvalidData || pe.Msg == "") {
			t.Errorf("%s: %+v", tc.name, pe)
		}
		if err == nil {
			continue
		}
		// The error sticks, and what follows is consumed.
		ev := wire.Event{Op: wire.OpText}
		if n, again := s.Next([]byte("\x81\x01a"), &ev); n != 3 || again != err || ev.Op != wire.OpNone || s.EOF() != err {
			t.Errorf("%s: then %d, %v, %+v", tc.name, n, again, ev)
		}
	}
}

// How a stream ended: behind the peer's close in order, without one abnormally, but for the
// versions whose clients just leave.
func TestEOF(t *testing.T) {
	for _, tc := range []struct {
		d    *wire.Draft
		in   string
		want error
	}{
		{&rfc6455.Draft, "", &wire.CloseError{Code: wire.CodeAbnormal}},
		{&rfc6455.Draft, "\x81", &wire.CloseError{Code: wire.CodeAbnormal}},
		{&rfc6455.Draft, "\x88\x00", io.EOF},
		{&hybi07.Draft, "", &wire.CloseError{Code: wire.CodeAbnormal}},
		{&hybi05.Draft, "", &wire.CloseError{Code: wire.CodeNoStatus}}, // has no codes
		{&hixie76.Draft, "", &wire.CloseError{Code: wire.CodeNoStatus}},
		{&hixie76.Draft, "\x00a", &wire.CloseError{Code: wire.CodeAbnormal}}, // inside a message
		{&hixie76.Draft, "\xff\x00", io.EOF},
		{&hixie75.Draft, "\x00a\xff", &wire.CloseError{Code: wire.CodeNoStatus}},
	} {
		s := of(tc.d, wire.Client)
		if _, err := next(s, tc.in); err != nil {
			t.Errorf("%s %x: %v", tc.d.Version, tc.in, err)
		}
		if err := s.EOF(); fmt.Sprint(err) != fmt.Sprint(tc.want) {
			t.Errorf("%s %x: %v, want %v", tc.d.Version, tc.in, err, tc.want)
		}
	}
}

// A step is one call of the writing half, and what it appends or the error it returns.
type step struct {
	op      wire.Op
	fin     bool
	payload string
	want    string
	err     error
}

const (
	text, binary, more = wire.OpText, wire.OpBinary, wire.OpContinuation
	ping, pong         = wire.OpPing, wire.OpPong
)

// errOrder stands for the error of a frame out of its order.
var errOrder = errors.New("out of order")

// The order of frames, and what a version cannot say, are checked before anything is
// appended. An error changes nothing: the frame after it goes on where the one before was.
func TestAppendFrame(t *testing.T) {
	for _, tc := range []struct {
		name  string
		d     *wire.Draft
		steps []step
	}{
		{"whole messages", &rfc6455.Draft, []step{
			{text, true, "a", "\x81\x01a", nil}, {binary, true, "\xff", "\x82\x01\xff", nil}, {text, true, "b", "\x81\x01b", nil}}},
		{"a fragmented message, and a ping inside it", &rfc6455.Draft, []step{
			{text, false, "a", "\x01\x01a", nil}, {ping, true, "p", "\x89\x01p", nil}, {more, false, "b", "\x00\x01b", nil},
			{pong, true, "q", "\x8a\x01q", nil}, {more, true, "c", "\x80\x01c", nil}, {binary, true, "d", "\x82\x01d", nil}}},
		{"a continuation of nothing", &rfc6455.Draft, []step{
			{more, true, "a", "", errOrder}, {text, true, "a", "\x81\x01a", nil}, {more, true, "b", "", errOrder}}},
		{"a message inside a message", &rfc6455.Draft, []step{
			{binary, false, "a", "\x02\x01a", nil}, {text, true, "b", "", errOrder}, {binary, true, "b", "", errOrder}, {more, true, "c", "\x80\x01c", nil}}},
		{"an operation that nobody sends", &rfc6455.Draft, []step{
			{wire.OpNone, true, "", "", errOrder}, {wire.OpClose, true, "", "", errOrder}, {wire.OpDiscard, true, "", "", errOrder}}},
		{"text that is not UTF-8", &rfc6455.Draft, []step{
			{text, true, "\xff", "", wire.ErrInvalidText}, {text, true, "\u20ac", "\x81\x03\u20ac", nil}, {binary, true, "\xff", "\x82\x01\xff", nil}}},
		{"text that is cut inside a character", &rfc6455.Draft, []step{
			{text, false, "a\xe2\x82", "\x01\x03a\xe2\x82", nil}, {more, true, "\xac", "\x80\x01\xac", nil}, {text, false, "b", "\x01\x01b", nil}, {more, true, "c", "\x80\x01c", nil}}},
		{"text that ends inside a character", &rfc6455.Draft, []step{
			{text, false, "a", "\x01\x01a", nil}, {more, true, "\xe2\x82", "", wire.ErrInvalidText}}},
		{"a character of the message before is forgotten", &rfc6455.Draft, []step{
			{text, false, "\xe2\x82\xff", "", wire.ErrInvalidText}, {text, false, "a", "\x01\x01a", nil}, {more, true, "b", "\x80\x01b", nil}}},
		{"binary is not checked", &rfc6455.Draft, []step{
			{binary, false, "\xff", "\x02\x01\xff", nil}, {more, true, "\xfe", "\x80\x01\xfe", nil}}},
		{"a ping that is too long", &rfc6455.Draft, []step{
			{ping, true, strings.Repeat("p", 126), "", wire.ErrTooBig}, {text, true, "a", "\x81\x01a", nil}}},
		{"hixie-76 has no binary, and no ping", &hixie76.Draft, []step{
			{binary, true, "a", "", wire.ErrUnsupported}, {binary, false, "a", "", wire.ErrUnsupported}, {ping, true, "", "", wire.ErrUnsupported},
			{pong, true, "", "", wire.ErrUnsupported}, {text, true, "a", "\x00a\xff", nil}}},
		{"hixie-76 has a message in one frame", &hixie76.Draft, []step{
			{text, false, "a", "\x00a", nil}, {more, false, "b", "b", nil}, {more, true, "c", "c\xff", nil}, {text, true, "d", "\x00d\xff", nil}}},
	} {
		framed, framing := of(tc.d, wire.Server), of(tc.d, wire.Server)
		for i, x := range tc.steps {
			out, err := framed.AppendFrame([]byte("before"), x.op, x.fin, []byte(x.payload))
			if string(out) != "before"+x.want || !isErr(err, x.err) {
				t.Errorf("%s, step %d: %q, %v, want %q, %v", tc.name, i, out, err, x.want, x.err)
			}
			// AppendFraming leaves out the payload, and is for data alone.
			if !x.op.IsData() && x.op != more {
				continue
			}
			out, head, err := framing.AppendFraming([]byte("before"), x.op, x.fin, []byte(x.payload))
			if !isErr(err, x.err) {
				t.Errorf("%s, step %d: framing: %v, want %v", tc.name, i, err, x.err)
			} else if err == nil {
				out = slices.Insert(out, len("before")+head, []byte(x.payload)...)
			} else if head != 0 {
				t.Errorf("%s, step %d: a head of %d bytes, %v", tc.name, i, head, err)
			}
			if string(out) != "before"+x.want {
				t.Errorf("%s, step %d: framing: %q, want %q", tc.name, i, out, x.want)
			}
		}
	}
}

func isErr(err, want error) bool {
	if want == errOrder {
		return err != nil && strings.Contains(err.Error(), "out of sequence")
	}
	return errors.Is(err, want)
}

// Our close goes once, as much of it as the version can say, and nothing goes after it.
func TestAppendClose(t *testing.T) {
	for _, tc := range []struct {
		d    *wire.Draft
		code wire.CloseCode
		want string
	}{
		{&rfc6455.Draft, wire.CodeGoingAway, "\x88\x05\x03\xe9bye"},
		{&rfc6455.Draft, wire.CodeNoStatus, "\x88\x00"},
		{&hixie76.Draft, wire.CodeGoingAway, "\xff\x00"},
		{&hixie75.Draft, wire.CodeGoingAway, ""},
	} {
		s := of(tc.d, wire.Server)
		if s.CloseSent() {
			t.Errorf("%s: closed from the beginning", tc.d.Version)
		}
		if out, err := s.AppendClose(nil, wire.CodeAbnormal, ""); tc.d.Version == wire.RFC6455 && (!errors.Is(err, wire.ErrUnsupported) || len(out) > 0 || s.CloseSent()) {
			t.Errorf("a code that must not be sent: %x, %v, sent %v", out, err, s.CloseSent())
		}
		s = of(tc.d, wire.Server)
		if out, err := s.AppendClose([]byte("before"), tc.code, "bye"); err != nil || string(out) != "before"+tc.want || !s.CloseSent() {
			t.Errorf("%s: %x, %v, sent %v, want %x", tc.d.Version, out, err, s.CloseSent(), tc.want)
		}
		if out, err := s.AppendClose([]byte("before"), tc.code, "bye"); err != nil || string(out) != "before" {
			t.Errorf("%s: again: %x, %v", tc.d.Version, out, err)
		}
		for _, op := range []wire.Op{text, more, ping} {
			if out, err := s.AppendFrame([]byte("before"), op, true, nil); err != wire.ErrClosed || string(out) != "before" {
				t.Errorf("%s: %s behind it: %x, %v", tc.d.Version, op, out, err)
			}
		}
		if out, head, err := s.AppendFraming([]byte("before"), text, true, nil); err != wire.ErrClosed || string(out) != "before" || head != 0 {
			t.Errorf("%s: framing behind it: %x, %d, %v", tc.d.Version, out, head, err)
		}
	}
}

// The answers that go by themselves.
func TestAppendReply(t *testing.T) {
	for _, tc := range []struct {
		name string
		d    *wire.Draft
		ev   wire.Event
		want string
		sent bool // the closing handshake is answered
	}{
		{"a ping is answered with its body", &rfc6455.Draft, wire.Event{Op: wire.OpPing, Data: []byte("p")}, "\x8a\x01p", false},
		{"a pong is not answered", &rfc6455.Draft, wire.Event{Op: wire.OpPong, Data: []byte("p")}, "", false},
		{"a message is not answered", &rfc6455.Draft, wire.Event{Op: wire.OpText, Data: []byte("p")}, "", false},
		{"a close is answered with its code, without its reason", &rfc6455.Draft, wire.Event{Op: wire.OpClose, Code: wire.CodeGoingAway, Data: []byte("bye")}, "\x88\x02\x03\xe9", true},
		{"a close without a code", &rfc6455.Draft, wire.Event{Op: wire.OpClose, Code: wire.CodeNoStatus}, "\x88\x00", true},
		{"hybi-02: a body of any bytes goes back", &hybi02.Draft, wire.Event{Op: wire.OpClose, Code: wire.CodeNoStatus, Data: []byte("\xff\x01")}, "\x01\x02\xff\x01", true},
		{"hixie-76", &hixie76.Draft, wire.Event{Op: wire.OpClose, Code: wire.CodeNoStatus}, "\xff\x00", true},
	} {
		s := of(tc.d, wire.Server)
		if out, err := s.AppendReply([]byte("before"), &tc.ev); err != nil || string(out) != "before"+tc.want || s.CloseSent() != tc.sent {
			t.Errorf("%s: %x, %v, sent %v", tc.name, out, err, s.CloseSent())
		}
		// Behind our own close nothing is answered.
		s = of(tc.d, wire.Server)
		if _, err := s.AppendClose(nil, wire.CodeNormal, ""); err != nil {
			t.Fatal(err)
		}
		if out, err := s.AppendReply([]byte("before"), &tc.ev); err != nil || string(out) != "before" {
			t.Errorf("%s, behind our close: %x, %v", tc.name, out, err)
		}
	}
}

// What the caller may rely on to spare a copy.
func TestPayloadInPlace(t *testing.T) {
	deflated := &deflate.Params{Name: deflate.PerMessage}
	for _, tc := range []struct {
		name            string
		cfg             session.Config
		inPlace, asIs   bool
		compresses      bool
		remainingOfHalf int64
	}{
		{"a server", session.Config{}, true, true, false, 3},
		{"a client, which masks", session.Config{CodecConfig: wire.CodecConfig{Role: wire.Client}}, true, false, false, 3},
		{"text is repaired elsewhere", session.Config{Text: wire.ReplaceText}, false, true, false, 0},
		{"compressed", session.Config{Deflate: deflated}, false, false, true, 0},
		{"no compression was agreed on", session.Config{Deflate: new(deflate.Params)}, true, true, false, 3},
	} {
		s := session.New(&rfc6455.Draft, tc.cfg)
		in := "\x81\x85\x00\x00\x00\x00He"
		if tc.cfg.Role == wire.Client {
			in = "\x81\x05He"
		}
		if s.Remaining() != 0 {
			t.Errorf("%s: %d remain of nothing", tc.name, s.Remaining())
		}
		if _, err := next(s, in); err != nil || s.InPlace() != tc.inPlace || s.PayloadAsIs() != tc.asIs || s.Compresses() != tc.compresses || s.Remaining() != tc.remainingOfHalf {
			t.Errorf("%s: %v, in place %v, as is %v, compresses %v, %d remain", tc.name, err, s.InPlace(), s.PayloadAsIs(), s.Compresses(), s.Remaining())
		}
	}
	s := of(&rfc6455.Draft, wire.Client)
	if next(s, "\x88\x00\x81\x05He"); s.Remaining() != 0 {
		t.Errorf("behind a close %d remain", s.Remaining())
	}
}

// The policy for text may be changed until the first is read.
func TestSetText(t *testing.T) {
	for _, tc := range []struct {
		policy   wire.TextPolicy
		want     string
		fails    bool
		repaired uint64
	}{
		{wire.TextByVersion, "", true, 0},
		{wire.FailText, "", true, 0},
		{wire.ReplaceText, "text (\"a\ufffd\")", false, 1},
	} {
		s := session.New(&rfc6455.Draft, session.Config{CodecConfig: wire.CodecConfig{Role: wire.Client}, Text: wire.ReplaceText})
		s.SetText(tc.policy)
		got, err := next(s, "\x81\x02a\xff")
		if (err != nil) != tc.fails || strings.Join(got, "") != tc.want || s.RepairedMessages() != tc.repaired || s.MessageRepaired() != (tc.repaired > 0) {
			t.Errorf("policy %d: %q, %v, %d repaired", tc.policy, got, err, s.RepairedMessages())
		}
	}
}

// A message counts as repaired once, and the next one is asked about anew.
func TestMessageRepaired(t *testing.T) {
	s := session.New(&rfc6455.Draft, session.Config{CodecConfig: wire.CodecConfig{Role: wire.Client}, Text: wire.ReplaceText})
	for _, x := range []struct {
		in       string
		repaired bool
		messages uint64
	}{
		{"\x81\x01a", false, 0},
		{"\x01\x01\xff", true, 1}, {"\x00\x01\xff", true, 1}, {"\x80\x01a", true, 1},
		{"\x81\x01a", false, 1},
		{"\x81\x01\xff", true, 2},
		{"\x01\x01a", false, 2}, {"\x80\x01\xe2", true, 3}, // cut inside a character
	} {
		if _, err := next(s, x.in); err != nil || s.MessageRepaired() != x.repaired || s.RepairedMessages() != x.messages {
			t.Errorf("%x: %v, repaired %v, %d", x.in, err, s.MessageRepaired(), s.RepairedMessages())
		}
	}
}

func TestFailureCode(t *testing.T) {
	pe := &wire.ProtocolError{Code: wire.CodeInvalidData}
	for err, want := range map[error]wire.CloseCode{
		pe:                         wire.CodeInvalidData,
		fmt.Errorf("read: %w", pe): wire.CodeInvalidData,
		io.ErrUnexpectedEOF:        wire.CodeInternal,
	} {
		if got := session.FailureCode(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

// The limit of a message without compression is the codec's.
func TestLimit(t *testing.T) {
	s := session.New(&rfc6455.Draft, session.Config{CodecConfig: wire.CodecConfig{Role: wire.Client}, Limit: 3})
	if got, err := next(s, "\x82\x03abc\x82\x04"); !errors.Is(err, wire.ErrTooBig) || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
	s = of(&rfc6455.Draft, wire.Client)
	s.SetLimit(3)
	if _, err := next(s, "\x82\x04"); !errors.Is(err, wire.ErrTooBig) {
		t.Error(err)
	}
}

// A write of AppendReply must not hold on to the bytes of an event, which are the reader's.
func TestReplyCopiesTheEvent(t *testing.T) {
	s := of(&rfc6455.Draft, wire.Server)
	body := []byte("ping")
	out, err := s.AppendReply(nil, &wire.Event{Op: wire.OpPing, Data: body})
	if copy(body, "gone"); err != nil || !bytes.Equal(out, []byte("\x8a\x04ping")) {
		t.Errorf("%q, %v", out, err)
	}
}

// once fails the first time that it is read, and then gives masks that change nothing.
type once struct{ failed bool }

func (o *once) Read(p []byte) (int, error) {
	if !o.failed {
		o.failed = true
		return 0, io.ErrUnexpectedEOF
	}
	clear(p)
	return len(p), nil
}

// A frame that could not be encoded has not begun a message, and the text that it began is
// forgotten.
func TestAppendFrameFails(t *testing.T) {
	s := session.New(&rfc6455.Draft, session.Config{CodecConfig: wire.CodecConfig{Role: wire.Client, Rand: new(once)}})
	if out, err := s.AppendFrame([]byte("before"), text, false, []byte("\xe2\x82")); !errors.Is(err, io.ErrUnexpectedEOF) || string(out) != "before" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := s.AppendFrame(nil, more, true, []byte("a")); !isErr(err, errOrder) {
		t.Errorf("a continuation of it: %v", err)
	}
	if out, err := s.AppendFrame(nil, text, false, []byte("a")); err != nil || string(out) != "\x01\x81\x00\x00\x00\x00a" {
		t.Errorf("the next message: %q, %v", out, err)
	}
}
