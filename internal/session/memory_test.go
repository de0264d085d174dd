package session

import (
	"strings"
	"testing"

	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// Between messages a session without takeover holds nothing of what was expanded. Inside
// one, ReleaseScratch takes nothing away.
func TestReleaseScratch(t *testing.T) {
	p := &deflate.Params{Name: deflate.PerMessage, ServerNoTake: true, ClientNoTake: true}
	text := strings.Repeat("0123456789", 10_000)
	message, err := Encode(&rfc6455.Draft, CompressedMessage, wire.OpText, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s := New(&rfc6455.Draft, Config{CodecConfig: wire.CodecConfig{Role: wire.Client}, Deflate: p})
	got := ""
	feed := func(p []byte) {
		t.Helper()
		for len(p) > 0 || s.Pending() {
			var ev wire.Event
			n, err := s.Next(p, &ev)
			if err != nil {
				t.Fatal(err)
			}
			p = p[n:]
			got += string(ev.Data)
			inside := len(p) > 0 || s.Pending()
			if s.ReleaseScratch(); s.z.in.x.Holds() != inside && got != "" {
				t.Fatalf("behind %d bytes it holds something: %v", len(got), s.z.in.x.Holds())
			}
		}
	}
	for cut := 1; cut < len(message); cut += 40 {
		got = ""
		feed(append([]byte(nil), message[:cut]...))
		if s.ReleaseScratch(); cut > 10 && !s.z.in.x.Holds() {
			t.Errorf("cut at %d: what was gathered is gone", cut)
		}
		if feed(append([]byte(nil), message[cut:]...)); got != text {
			t.Fatalf("cut at %d: %d bytes", cut, len(got))
		}
	}
	New(&rfc6455.Draft, Config{}).ReleaseScratch() // without compression there is nothing
}

// Text that is repaired leaves memory up to maxScratch with the session, and no more.
func TestScratchOfRepairedText(t *testing.T) {
	for _, tc := range []struct {
		n    int
		kept bool
	}{{100, true}, {maxScratch + 1, false}} {
		s := New(&rfc6455.Draft, Config{CodecConfig: wire.CodecConfig{Role: wire.Client}, Text: wire.ReplaceText})
		text := strings.Repeat("a", tc.n-1) + "\xff"
		frame := append([]byte{0x81, 126, byte(len(text) >> 8), byte(len(text))}, text...)
		if len(text) < 126 {
			frame = append([]byte{0x81, byte(len(text))}, text...)
		}
		var ev wire.Event
		if _, err := s.Next(frame, &ev); err != nil || string(ev.Data) != text[:tc.n-1]+"\ufffd" {
			t.Fatalf("%d bytes, %v", len(ev.Data), err)
		}
		if kept := s.repairing().scratch != nil; kept != tc.kept {
			t.Errorf("%d bytes: memory is kept: %v", tc.n, kept)
		}
	}
}

// Memory of maxScratch bytes exactly stays, and one byte more does not.
func TestMostScratch(t *testing.T) {
	for n, kept := range map[int]bool{maxScratch: true, maxScratch + 1: false} {
		s := New(&rfc6455.Draft, Config{CodecConfig: wire.CodecConfig{Role: wire.Client}, Text: wire.ReplaceText})
		s.repairing().scratch = make([]byte, 0, n)
		var ev wire.Event
		if _, err := s.Next([]byte("\x81\x01\xff"), &ev); err != nil || string(ev.Data) != "\ufffd" {
			t.Fatalf("%q, %v", ev.Data, err)
		}
		if (s.repairing().scratch != nil) != kept {
			t.Errorf("%d bytes: memory is kept: %v", n, !kept)
		}
	}
}
