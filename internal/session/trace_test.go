package session_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/hixie75"
	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/hybi04"
	"github.com/draftwire/draftwire/hybi05"
	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

var allDrafts = []*wire.Draft{&hixie75.Draft, &hixie76.Draft, &hybi02.Draft, &hybi04.Draft, &hybi05.Draft, &hybi05.Draft06, &hybi07.Draft, &hybi07.Draft08, &rfc6455.Draft}

func draftOf(t *testing.T, v wire.Version) *wire.Draft {
	i := slices.IndexFunc(allDrafts, func(d *wire.Draft) bool { return d.Version == v })
	if i < 0 {
		t.Fatal(v)
	}
	return allDrafts[i]
}

// traceOf makes a session that notes its frames.
func traceOf(d *wire.Draft, role wire.Role, most int) (*session.Session, *[]string) {
	s := session.New(d, session.Config{CodecConfig: wire.CodecConfig{Role: role, MaskKey: []byte("a key of the handshake")}})
	notes := new([]string)
	s.TraceFrames(most, func(f *wire.Frame) {
		*notes = append(*notes, noteOf(f))
	})
	return s, notes
}

func noteOf(f *wire.Frame) string {
	return fmt.Sprintf("%v %02x fin=%v masked=%v %d %x %q", f.Op, f.Type, f.Fin, f.Masked, f.Length, f.Head, f.Payload)
}

// What one side tells of the frames that it sends, the other side tells of those that it
// receives, in each version, from either side, and however the bytes come.
func TestTraceFrames(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, d := range allDrafts {
		for _, role := range []wire.Role{wire.Server, wire.Client} {
			for _, step := range []int{1, 7, 1 << 20} {
				sender, sent := traceOf(d, role, 5)
				other := wire.Client - role
				receiver, received := traceOf(d, other, 5)
				var out []byte
				say := func(op wire.Op, fin bool, p string) {
					next, err := sender.AppendFrame(out, op, fin, []byte(p))
					if err == nil {
						out = next
					}
				}
				say(wire.OpText, true, "Hello, world")
				say(wire.OpText, true, "")
				say(wire.OpText, false, "one")
				say(wire.OpContinuation, false, "two")
				say(wire.OpPing, true, "p")
				say(wire.OpContinuation, true, long)
				say(wire.OpBinary, true, strings.Repeat(long, 300))
				out, _ = sender.AppendClose(out, wire.CodeGoingAway, "bye")
				for len(out) > 0 {
					p := bytes.Clone(out[:min(step, len(out))])
					var ev wire.Event
					n, err := receiver.Next(p, &ev)
					if err != nil {
						t.Fatal(err)
					}
					out = out[n:]
				}
				for i := range *sent { // the letter in the body of hybi-05 says only who closes, and is in no event
					(*sent)[i] = regexp.MustCompile(`^(close 81 .*) "[SC]"$`).ReplaceAllString((*sent)[i], `$1 ""`)
				}
				if !slices.Equal(*sent, *received) || len(*sent) < 3 {
					t.Errorf("%s, a %s sends, %d bytes at a time:\n%s\nreceived:\n%s", d.Version, role, step, strings.Join(*sent, "\n"), strings.Join(*received, "\n"))
				}
			}
		}
	}
}

// The bytes of the documents are told as they are.
func TestTraceFrameHeads(t *testing.T) {
	for _, tt := range []struct {
		version wire.Version
		role    wire.Role
		bytes   string
		want    []string
	}{
		{wire.RFC6455, wire.Server, "818537fa213d7f9f4d5158", []string{`text 81 fin=true masked=true 5 818537fa213d "Hello"`}}, // RFC 6455 5.7
		{wire.RFC6455, wire.Server, "018300000000414243" + "808100000000" + "44", []string{`text 01 fin=false masked=true 3 018300000000 "ABC"`, `continuation 80 fin=true masked=true 1 808100000000 "D"`}},
		{wire.RFC6455, wire.Server, "88820000000003e8", []string{`close 88 fin=true masked=true 2 888200000000 "\x03\xe8"`}},
		{wire.RFC6455, wire.Server, "f18000000000", []string{`none f1 fin=false masked=true 0 f180 ""`}}, // reserved bits, refused
		{wire.Hybi02, wire.Server, "0403414243", []string{`text 04 fin=true masked=false 3 0403 "ABC"`}},
		{wire.Hixie76, wire.Server, "8003414243", []string{`none 80 fin=false masked=false 0 80 ""`}}, // a server refuses it
		{wire.Hixie76, wire.Client, "00414243ff" + "8003414243" + "ff00", []string{`text 00 fin=true masked=false 3 00 "ABC"`, `discard 80 fin=true masked=false 3 8003 "ABC"`, `close ff fin=true masked=false 0 ff00 ""`}},
		{wire.Hixie76, wire.Client, "808100" + strings.Repeat("41", 128), []string{`discard 80 fin=true masked=false 128 808100 "AAAAA"`}},
	} {
		s, notes := traceOf(draftOf(t, tt.version), tt.role, 5)
		p, _ := hex.DecodeString(tt.bytes)
		for len(p) > 0 {
			var ev wire.Event
			n, err := s.Next(p, &ev)
			if err != nil {
				break
			}
			p = p[n:]
		}
		if !slices.Equal(*notes, tt.want) {
			t.Errorf("%s %s:\n%s\nnot\n%s", tt.version, tt.bytes, strings.Join(*notes, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// A trace may begin and end at any byte of a connection: it is told of the frames that begin
// behind its beginning, of each as the one that has been there from the first is.
func TestTraceFramesMidway(t *testing.T) {
	note := func(notes *[]string) func(*wire.Frame) {
		return func(f *wire.Frame) {
			*notes = append(*notes, noteOf(f))
		}
	}
	for _, d := range allDrafts {
		for _, role := range []wire.Role{wire.Server, wire.Client} {
			sender, _ := traceOf(d, role, 5)
			var out []byte
			var borders []int
			say := func(op wire.Op, fin bool, p string) {
				if next, err := sender.AppendFrame(out, op, fin, []byte(p)); err == nil {
					out = next
					borders = append(borders, len(out))
				}
			}
			say(wire.OpText, true, "Hello, world")
			say(wire.OpPing, true, "p")
			say(wire.OpText, true, strings.Repeat("y", 200))
			say(wire.OpText, false, "one")
			say(wire.OpContinuation, true, "two")
			say(wire.OpText, true, "last")
			feed := func(s *session.Session, p []byte) {
				for p = bytes.Clone(p); len(p) > 0; {
					var ev wire.Event
					n, err := s.Next(p, &ev)
					if err != nil {
						t.Fatal(err)
					}
					p = p[n:]
				}
			}
			for at := range out {
				reference, all := traceOf(d, wire.Client-role, 5)
				feed(reference, out[:at])
				before := len(*all)
				feed(reference, out[at:])
				rest := (*all)[before:] // of the frames that end behind at
				receiver := session.New(d, session.Config{CodecConfig: wire.CodecConfig{Role: wire.Client - role, MaskKey: []byte("a key of the handshake")}})
				feed(receiver, out[:at])
				var midway []string
				stop := receiver.TraceFrames(5, note(&midway))
				feed(receiver, out[at:])
				stop()
				// Between two frames of a message the codec does not say that it is between them.
				whole := slices.Contains(borders, at) || at == 0
				skipped := len(rest) - len(midway)
				if skipped < 0 || skipped > 1 || skipped == 0 && !whole || skipped == 1 && whole && at != borders[len(borders)-3] {
					t.Errorf("%s, a %s, at %d of %v: %d of %d frames were left out", d.Version, role, at, borders, skipped, len(rest))
					continue
				}
				if !slices.Equal(midway, rest[skipped:]) {
					t.Errorf("%s, a %s, at %d: %q, not %q", d.Version, role, at, midway, rest[skipped:])
				}
			}
		}
	}
}

// With its last trace the cost of tracing ends, and a part of a frame of hixie that was begun
// without a trace is not told of as a frame.
func TestTraceFramesStop(t *testing.T) {
	for _, d := range allDrafts {
		s := session.New(d, session.Config{CodecConfig: wire.CodecConfig{MaskKey: []byte("key")}})
		var notes []string
		tell := func(f *wire.Frame) { notes = append(notes, f.Op.String()+" "+string(f.Payload)) }
		var out []byte
		out, _ = s.AppendFrame(out, wire.OpText, false, []byte("a"))
		one, two := s.TraceFrames(1, tell), s.TraceFrames(9, tell)
		out, _ = s.AppendFrame(out, wire.OpContinuation, true, []byte("bc"))
		out, _ = s.AppendFrame(out, wire.OpText, true, []byte("de"))
		one()
		out, _ = s.AppendFrame(out, wire.OpText, true, []byte("fg"))
		two()
		two()
		if s.Traced() {
			t.Errorf("%s: it is traced", d.Version)
		}
		s.AppendFrame(out, wire.OpText, true, []byte("hi"))
		want := []string{"continuation b", "continuation bc", "text d", "text de", "text fg"}
		if d.Version <= wire.Hixie76 {
			want = want[2:]
		}
		if !slices.Equal(notes, want) {
			t.Errorf("%s: %q", d.Version, notes)
		}
	}
}
