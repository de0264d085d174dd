package session_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/draftwire/draftwire/hixie75"
	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/hybi04"
	"github.com/draftwire/draftwire/hybi05"
	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

var drafts = []*wire.Draft{
	&hixie75.Draft, &hixie76.Draft, &hybi02.Draft, &hybi04.Draft, &hybi05.Draft, &hybi05.Draft06,
	&hybi07.Draft, &hybi07.Draft08, &rfc6455.Draft,
}

// sent are messages, each in its frames, and what a receiver that repairs them
// reads. None has an FF, which ends a frame of the hixie versions.
var sent = []struct {
	frames []string
	reads  string
}{
	{[]string{"good \u20ac"}, "good \u20ac"},
	{[]string{"a\xc3(b"}, "a\ufffd(b"},
	{[]string{"cut \xe2\x82"}, "cut \ufffd"},
	{[]string{"\u20ac", "!"}, "\u20ac!"},
	{[]string{"a \xe2", "\x82\xac in pieces"}, "a \u20ac in pieces"},
	{[]string{"\xc0 first ", "fine", "\x80"}, "\ufffd first fine\ufffd"},
	{[]string{"only the last ", "\xf0\x9f"}, "only the last \ufffd"},
	{[]string{""}, ""},
}

const spoiled = 4 // of them

// stream is what a peer that checks nothing sends.
func stream(t *testing.T, d *wire.Draft, from wire.Role, cfg wire.CodecConfig) (p []byte, messages []string) {
	cfg.Role = from
	codec := d.NewCodec(cfg)
	for _, m := range sent {
		frames := m.frames
		if !d.Version.Supports(wire.CapFragments) {
			frames = []string{string(bytes.Join(pieces(frames), nil))}
		}
		for i, f := range frames {
			op := wire.OpText
			if i > 0 {
				op = wire.OpContinuation
			}
			var err error
			if p, err = codec.AppendFrame(p, op, i == len(frames)-1, []byte(f)); err != nil {
				t.Fatal(err)
			}
		}
		messages = append(messages, m.reads)
	}
	return p, messages
}

func pieces(s []string) (p [][]byte) {
	for _, x := range s {
		p = append(p, []byte(x))
	}
	return p
}

// hear feeds a session and returns the messages it gives.
func hear(s *session.Session, parts ...[]byte) (got []string, err error) {
	var text []byte
	for _, p := range parts {
		p = slices.Clone(p) // it is unmasked in place
		for len(p) > 0 || s.Pending() {
			var ev wire.Event
			n, err := s.Next(p, &ev)
			if err != nil {
				return got, err
			}
			p = p[n:]
			if ev.Op != wire.OpText {
				continue
			}
			if ev.First {
				text = text[:0]
			}
			if text = append(text, ev.Data...); ev.Last {
				got = append(got, string(text))
			}
		}
	}
	return got, nil
}

// Every version, both roles, each policy, the stream cut at every byte.
func TestInvalidText(t *testing.T) {
	key := wire.CodecConfig{MaskKey: bytes.Repeat([]byte("k"), 20)}
	for _, d := range drafts {
		for _, role := range []wire.Role{wire.Server, wire.Client} {
			in, messages := stream(t, d, 1-role, key)
			for _, policy := range []wire.TextPolicy{wire.TextByVersion, wire.FailText, wire.ReplaceText} {
				replaces := policy == wire.ReplaceText || policy == wire.TextByVersion && d.InvalidText[role] == wire.ReplaceText
				check := func(parts ...[]byte) {
					t.Helper()
					cfg := session.Config{CodecConfig: key, Text: policy}
					cfg.Role = role
					s := session.New(d, cfg)
					got, err := hear(s, parts...)
					var pe *wire.ProtocolError
					switch {
					case replaces && (err != nil || !slices.Equal(got, messages) || s.RepairedMessages() != spoiled):
						t.Fatalf("%s %s, policy %d: %q, %v, %d repaired", d.Version, role, policy, got, err, s.RepairedMessages())
					case !replaces && (!errors.As(err, &pe) || pe.Fault != wire.FaultText || pe.Code != wire.CodeInvalidData || !slices.Equal(got, messages[:1]) || s.RepairedMessages() != 0):
						t.Fatalf("%s %s, policy %d: %q, %v, %d repaired", d.Version, role, policy, got, err, s.RepairedMessages())
					}
				}
				for cut := range len(in) + 1 {
					check(in[:cut], in[cut:])
				}
				check(slices.Collect(slices.Chunk(in, 1))...)
			}
		}
	}
}

// Text is repaired behind the expansion too.
func TestInvalidTextCompressed(t *testing.T) {
	var params deflate.Params
	params.Answer([]string{"permessage-deflate"}, false)
	for _, policy := range []wire.TextPolicy{wire.FailText, wire.ReplaceText} {
		raw := session.New(&rfc6455.Draft, session.Config{CodecConfig: wire.CodecConfig{Role: wire.Client}, Deflate: &params})
		// As binary it may go; then the opcode is made text's.
		p, err := raw.AppendFrame(nil, wire.OpBinary, true, bytes.Repeat([]byte("a\xc3("), 3000))
		if err != nil {
			t.Fatal(err)
		}
		p[0] ^= 3
		for cut := range len(p) + 1 {
			s := session.New(&rfc6455.Draft, session.Config{CodecConfig: wire.CodecConfig{Role: wire.Server}, Deflate: &params, Text: policy})
			got, err := hear(s, p[:cut], p[cut:])
			if policy == wire.FailText {
				if err == nil {
					t.Fatalf("no error, %d messages", len(got))
				}
				continue
			}
			if want := string(bytes.Repeat([]byte("a\ufffd("), 3000)); err != nil || len(got) != 1 || got[0] != want || s.RepairedMessages() != 1 {
				t.Fatalf("%d messages, %v, %d repaired", len(got), err, s.RepairedMessages())
			}
		}
	}
}
