package inspect_test

import (
	"testing"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/internal/vectest"
)

// FuzzInspect: any bytes of two sides can be explained, the events are the same in any pieces,
// and what is kept of a payload is bounded.
func FuzzInspect(f *testing.F) {
	for i, r := range vectest.Recordings(f) {
		if i%9 != 0 || len(r.Vector.Payload()) > 4096 {
			continue
		}
		var sides [2][]byte
		for _, p := range r.Pieces {
			if p.Client {
				sides[0] = append(sides[0], p.Bytes...)
			} else {
				sides[1] = append(sides[1], p.Bytes...)
			}
		}
		seed.Add(f, sides[0], sides[1], i%2 == 0, uint16(i))
	}
	stream := append([]byte(streamRequest), packed(f, "\x81\x85\x00\x00\x00\x00Hello", "\x88\x80\x00\x00\x00\x00")...)
	seed.Add(f, stream, append([]byte(streamAnswer), packed(f, "\x81\x05Hello", "\x88\x00")...), true, uint16(5))
	f.Fuzz(func(t *testing.T, client, server []byte, clientFirst bool, size uint16) {
		pieces := []vectest.Recorded{{Client: clientFirst, Bytes: client}, {Client: !clientFirst, Bytes: server}}
		o := inspect.Options{Payload: 32}
		whole := play(o, pieces, 0)
		for _, e := range whole {
			if e.Frame != nil && len(e.Frame.Payload) > 125 || e.Message != nil && len(e.Message.Payload) > 32 {
				t.Fatalf("too much is kept: %+v", e)
			}
			for _, p := range e.Parts {
				if p.Offset < 0 || p.Length < 1 || p.Offset+int(p.Length) > len(e.Bytes) {
					t.Fatalf("a part of %d bytes is at %d: %+v", len(e.Bytes), p.Offset, p)
				}
			}
		}
		want := dump(t, whole)
		if got := dump(t, play(o, pieces, 1+int(size)%200)); got != want {
			t.Fatalf("in pieces:\n%s\nnot\n%s", got, want)
		}
	})
}
