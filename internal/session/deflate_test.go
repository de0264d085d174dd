package session_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// What was agreed on: permessage-deflate that keeps the window between messages and that
// does not, and deflate-frame.
var (
	takeover   = &deflate.Params{Name: deflate.PerMessage}
	noTakeover = &deflate.Params{Name: deflate.PerMessage, ServerNoTake: true, ClientNoTake: true}
	perFrame   = &deflate.Params{Name: "deflate-frame", PerFrame: true, ServerNoTake: true, ClientNoTake: true}
)

// inflater is a client's session, which reads frames without a mask.
func inflater(p *deflate.Params, limit int64) *session.Session {
	return session.New(&rfc6455.Draft, session.Config{CodecConfig: wire.CodecConfig{Role: wire.Client}, Deflate: p, Limit: limit})
}

const hello = "\xf2\x48\xcd\xc9\xc9\x07\x00" // "Hello", RFC 7692 7.2.3.1

// The examples of RFC 7692 7.2.3, and what may be mixed with them.
func TestInflate(t *testing.T) {
	for _, tc := range []struct {
		name string
		p    *deflate.Params
		in   string
		want []string
	}{
		{"7.2.3.1: one block", takeover, "\xc1\x07" + hello, []string{`text ("Hello")`}},
		{"7.2.3.1: two frames", takeover, "\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", []string{`text ("Hello")`}},
		{"7.2.3.2: the window is kept", takeover, "\xc1\x07" + hello + "\xc1\x05\xf2\x00\x11\x00\x00", []string{`text ("Hello")`, `text ("Hello")`}},
		{"7.2.3.3: a stored block", noTakeover, "\xc1\x0b\x00\x05\x00\xfa\xffHello\x00", []string{`text ("Hello")`}},
		{"7.2.3.4: a block that says it is the last", noTakeover, "\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", []string{`text ("Hello")`}},
		{"7.2.3.5: two blocks", noTakeover, "\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", []string{`text ("Hello")`}},
		{"an empty message", noTakeover, "\xc2\x01\x00", []string{`binary ("")`}},
		{"a message that is not compressed", takeover, "\x81\x05Hello\xc1\x07" + hello + "\x01\x01a\x80\x01b", []string{`text ("Hello")`, `text ("Hello")`, `text ("a"`, `text"b")`}},
		{"a ping between the frames of a compressed message", takeover, "\x41\x03\xf2\x48\xcd\x89\x01p\x80\x04\xc9\xc9\x07\x00", []string{`ping ("p")`, `text ("Hello")`}},
		{"deflate-frame: each frame for itself", perFrame, "\x41\x07" + hello + "\xc0\x07" + hello, []string{`text ("Hello"`, `text"Hello")`}},
		{"deflate-frame: a frame that is not compressed, and one that is", perFrame, "\x01\x01a\x40\x07" + hello + "\x80\x01b", []string{`text ("a"`, `text"Hello"`, `text"b")`}},
	} {
		s := inflater(tc.p, 0)
		if got, err := next(s, tc.in); err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, %v, want %q", tc.name, got, err, tc.want)
		}
		s.ReleaseScratch()
		if s.Pending() {
			t.Errorf("%s: an event is pending at the end", tc.name)
		}
	}
}

// A message that expands to much comes in pieces, of which one is the first and one the
// last, and Pending says that there are more.
func TestInflatePieces(t *testing.T) {
	text := strings.Repeat("0123456789", 10_000)
	out, err := session.Encode(&rfc6455.Draft, session.CompressedMessage, wire.OpText, []byte(text))
	if err != nil || len(out) > 1000 {
		t.Fatalf("%d bytes, %v", len(out), err)
	}
	s := inflater(noTakeover, int64(len(text)))
	got, pieces := "", 0
	for p := out; len(p) > 0 || s.Pending(); {
		var ev wire.Event
		n, err := s.Next(p, &ev)
		if err != nil {
			t.Fatal(err)
		}
		if p = p[n:]; ev.Op == wire.OpNone {
			continue
		}
		got += string(ev.Data)
		pieces++
		if ev.Op != wire.OpText || ev.First != (pieces == 1) || ev.Last != (len(got) == len(text)) || ev.FrameEnd != ev.Last || ev.Last == s.Pending() {
			t.Fatalf("piece %d behind %d bytes: first %v, last %v, frame end %v, pending %v", pieces, len(got), ev.First, ev.Last, ev.FrameEnd, s.Pending())
		}
	}
	if got != text || pieces < 2 {
		t.Errorf("%d bytes in %d pieces", len(got), pieces)
	}
}

// The limit is for the message as it is expanded, however it was compressed, and counts
// what is not compressed as it is.
func TestInflateLimit(t *testing.T) {
	for _, tc := range []struct {
		name  string
		p     *deflate.Params
		limit int64
		in    string
		fails bool
	}{
		{"at the limit", takeover, 5, "\xc1\x07" + hello, false},
		{"above it", takeover, 4, "\xc1\x07" + hello, true},
		{"no limit", takeover, 0, "\xc1\x07" + hello, false},
		{"two messages", noTakeover, 5, "\xc1\x07" + hello + "\xc1\x07" + hello, false},
		{"two compressed frames at the limit", perFrame, 10, "\x41\x07" + hello + "\xc0\x07" + hello, false},
		{"two compressed frames above it", perFrame, 9, "\x41\x07" + hello + "\xc0\x07" + hello, true},
		{"not compressed, at the limit", takeover, 5, "\x81\x05Hello", false},
		{"not compressed, above it", takeover, 4, "\x81\x05", false}, // nothing has come of it
		{"not compressed, above it, with a byte of it", takeover, 4, "\x81\x05H", true},
		{"not compressed, in two frames above it", takeover, 4, "\x01\x03abc\x80\x02de", true},
		{"a frame of each above it", perFrame, 6, "\x01\x02ab\xc0\x07" + hello, true},
		{"a frame of each at it", perFrame, 7, "\x01\x02ab\xc0\x07" + hello, false},
	} {
		s := inflater(tc.p, tc.limit)
		_, err := next(s, tc.in)
		pe, _ := errors.AsType[*wire.ProtocolError](err)
		if (err != nil) != tc.fails || err != nil && (!errors.Is(err, wire.ErrTooBig) || pe.Fault != wire.FaultTooBig || pe.Code != wire.CodeTooBig || pe.Version != wire.RFC6455) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// The codec's own limit leaves room for data that does not compress: a message at the limit
// whose compressed form is longer passes.
func TestInflateIncompressible(t *testing.T) {
	const limit = 1000
	p := make([]byte, limit)
	for i := range p {
		p[i] = byte(i * i * 31 >> 3)
	}
	stored := "\x00\xe8\x03\x17\xfc" + string(p) + "\x00" // a stored block: 5 bytes more, and the tail
	in := string([]byte{0xc2, 126, byte(len(stored) >> 8), byte(len(stored))}) + stored
	if got, err := next(inflater(noTakeover, limit), in); err != nil || len(got) != 1 {
		t.Errorf("%d events, %v", len(got), err)
	}
	// One byte behind the room is refused by its head, before any of it has come.
	in = string([]byte{0xc2, 126, byte((limit + limit/256 + 65) >> 8), byte((limit + limit/256 + 65) & 0xff)})
	if _, err := next(inflater(noTakeover, limit), in); !errors.Is(err, wire.ErrTooBig) {
		t.Errorf("a head above the room: %v", err)
	}
	in = string([]byte{0xc2, 126, byte((limit + limit/256 + 64) >> 8), byte((limit + limit/256 + 64) & 0xff)})
	if _, err := next(inflater(noTakeover, limit), in); err != nil {
		t.Errorf("a head at the room: %v", err)
	}
}

// Data that does not expand fails the connection, and its error sticks.
func TestInflateFault(t *testing.T) {
	s := inflater(noTakeover, 0)
	_, err := next(s, "\xc1\x02\xff\xff")
	if pe, _ := errors.AsType[*wire.ProtocolError](err); pe == nil || pe.Fault != wire.FaultDeflate || pe.Code != wire.CodeInvalidData || pe.Version != wire.RFC6455 || pe.Msg == "" {
		t.Errorf("%+v", err)
	}
	if n, again := s.Next([]byte("\x81\x00"), new(wire.Event)); n != 2 || again != err || s.EOF() != err {
		t.Errorf("then %d, %v", n, again)
	}
}

// payload feeds p to s and returns the data of all events.
func payload(s *session.Session, p string) (data string, err error) {
	for b := []byte(p); len(b) > 0 || s.Pending(); {
		var ev wire.Event
		n, err := s.Next(b, &ev)
		if err != nil {
			return data, err
		}
		b = b[n:]
		data += string(ev.Data)
	}
	return data, nil
}

// Which frames are compressed: with permessage-deflate that is decided for the message, by
// its length if that is known; with deflate-frame for each frame.
func TestDeflate(t *testing.T) {
	const compressed, plain = true, false
	type frame struct {
		op     wire.Op
		fin    bool
		n      int
		packed bool // it is compressed
		rsv1   bool
	}
	const threshold = 64
	for _, tc := range []struct {
		name   string
		p      *deflate.Params
		frames []frame
	}{
		{"a message below the threshold", noTakeover, []frame{{text, true, threshold - 1, plain, false}}},
		{"a message at it", noTakeover, []frame{{text, true, threshold, compressed, true}}},
		{"a message of unknown length", noTakeover, []frame{{binary, false, 1, compressed, true}, {more, false, 1, compressed, false}, {more, true, 200, compressed, false}}},
		{"a short message behind a compressed one", takeover, []frame{{text, true, 200, compressed, true}, {text, true, 1, plain, false}, {text, true, 200, compressed, true}}},
		{"a ping is never compressed", noTakeover, []frame{{ping, true, 100, plain, false}}},
		{"deflate-frame: each frame by its length", perFrame, []frame{{text, false, threshold - 1, plain, false}, {more, false, threshold, compressed, true}, {more, true, 1, plain, false}}},
	} {
		s := session.New(&rfc6455.Draft, session.Config{Deflate: tc.p, Threshold: threshold})
		back := inflater(tc.p, 0)
		sent, received := "", ""
		for i, f := range tc.frames {
			p := strings.Repeat("a", f.n)
			out, err := s.AppendFrame([]byte("before"), f.op, f.fin, []byte(p))
			out, kept := bytes.CutPrefix(out, []byte("before"))
			if !kept || err != nil || len(out) < 2 || (out[0]&0x40 != 0) != f.rsv1 || strings.HasSuffix(string(out), p) == f.packed {
				t.Errorf("%s, frame %d: %.80x, %v", tc.name, i, out, err)
			}
			read, err := payload(back, string(out))
			if err != nil {
				t.Errorf("%s, frame %d comes back as %v", tc.name, i, err)
			}
			sent += p
			received += read
		}
		if received != sent {
			t.Errorf("%s: %q comes back as %q", tc.name, sent, received)
		}
	}
}

// A whole message may be encoded once for many connections where no window is kept and it
// fits the window. What Encode returns is what each of them would send.
func TestEncoding(t *testing.T) {
	const threshold = 64
	small := &deflate.Params{Name: deflate.PerMessage, ServerNoTake: true, ServerWindow: 9} // 512 bytes
	for _, tc := range []struct {
		name string
		p    *deflate.Params
		n    int
		want int
		ok   bool
	}{
		{"no compression", nil, 1000, session.Plain, true},
		{"below the threshold", takeover, threshold - 1, session.Plain, true},
		{"the window is kept", takeover, threshold, 0, false},
		{"the window is not kept", noTakeover, threshold, session.CompressedMessage, true},
		{"it fits a small window", small, 512, session.CompressedMessage, true},
		{"it does not", small, 513, 0, false},
		{"deflate-frame", perFrame, threshold, session.CompressedFrame, true},
	} {
		s := session.New(&rfc6455.Draft, session.Config{Deflate: tc.p, Threshold: threshold})
		encoding, ok := s.Encoding(tc.n)
		if ok != tc.ok || encoding != tc.want {
			t.Errorf("%s: %d, %v", tc.name, encoding, ok)
		}
		if !ok {
			continue
		}
		message := []byte(strings.Repeat("abcd", tc.n)[:tc.n])
		once, err := session.Encode(&rfc6455.Draft, encoding, wire.OpText, message)
		each, err2 := s.AppendFrame(nil, wire.OpText, true, message)
		if err != nil || err2 != nil || string(once) != string(each) {
			t.Errorf("%s: %x, %v, but %x, %v", tc.name, once, err, each, err2)
		}
	}
	// Another draft's numbers.
	if p, err := session.Encode(&hybi07.Draft, session.Plain, wire.OpBinary, []byte("a")); err != nil || string(p) != "\x82\x01a" {
		t.Errorf("%x, %v", p, err)
	}
}
