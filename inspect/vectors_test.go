package inspect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/internal/vectest"
	"github.com/draftwire/draftwire/vectors"
)

// play gives pieces to an inspector, cut further into pieces of size bytes; 0 leaves them whole.
func play(o inspect.Options, pieces []vectest.Recorded, size int) (events []*inspect.Event) {
	s := inspect.New(o, func(e *inspect.Event) { events = append(events, e) }).Open(capture.Conn{Number: 1})
	var at [2]int64
	for _, p := range pieces {
		from := capture.FromServer
		if p.Client {
			from = capture.FromClient
		}
		for b := range slices.Chunk(p.Bytes, max(1, sizeOr(size, len(p.Bytes)))) {
			s.Data(time.Time{}, from, at[from], bytes.Clone(b))
			at[from] += int64(len(b))
		}
	}
	s.End(time.Time{}, capture.FromClient, capture.Fin)
	s.End(time.Time{}, capture.FromServer, capture.Fin)
	return events
}

func sizeOr(size, whole int) int {
	if size == 0 {
		return whole
	}
	return size
}

func dump(t testing.TB, events []*inspect.Event) string {
	t.Helper()
	var b strings.Builder
	for _, e := range events {
		j, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(j)
		b.WriteByte('\n')
	}
	return b.String()
}

// faults are the codes of the rules that events say are broken.
func faults(events []*inspect.Event) (out []string) {
	for _, e := range events {
		if e.Fault != "" {
			out = append(out, e.Fault)
		}
		for _, n := range e.Broken() {
			if n.Fault != "" {
				out = append(out, n.Fault)
			}
		}
	}
	return out
}

// otherFrames are vectors whose first byte is that of another version which opens in the same
// way: servers that tolerate that take them for it, and so does an inspector.
var otherFrames = map[string]bool{"h76-server-type-01": true, "hy02-server-orphan": true}

// Every vector comes out as it says: the messages, the version, the fault, the refusal.
func TestVectors(t *testing.T) {
	ran := map[string]int{}
	for _, r := range vectest.Recordings(t) {
		v := r.Vector
		o := optionsOf(v)
		o.Payload = 1 << 10
		events := play(o, r.Pieces, 0)
		ran[v.Kind]++
		if otherFrames[v.ID] {
			continue
		}
		var bad string
		switch v.Kind {
		case vectors.KindFrames:
			bad = judgeFrames(v, events)
		case vectors.KindDetect:
			bad = judgeDetect(v, events)
		case vectors.KindResponse:
			if has := slices.Contains(faults(events), v.Error); v.Result == vectors.Invalid && !has && v.Error != "refused" {
				bad = "does not find " + v.Error
			} else if v.Result == vectors.Valid && len(faults(events)) > 0 {
				bad = fmt.Sprintf("finds %q", faults(events))
			}
			if v.Error == "refused" && events[len(events)-1].Closing.Result != "refused" {
				bad = "is not refused"
			}
		case vectors.KindHandshake:
			if v.Accept != nil && events[1].Draft != v.Accept.Version {
				bad = "is taken as " + events[1].Draft
			} else if v.Result == vectors.Valid && len(v.Tolerate) == 0 && len(faults(events)) > 0 {
				bad = fmt.Sprintf("finds %q", faults(events))
			}
		case vectors.KindClose:
			for _, e := range events {
				if e.Fault != "" {
					bad = "finds " + e.Fault
				}
			}
		case vectors.KindSession:
			if len(faults(events)) > 0 {
				bad = fmt.Sprintf("finds %q", faults(events))
			}
		}
		if bad != "" {
			t.Errorf("%s %s: %s %s\n%s", v.Kind, v.ID, v.Comment, bad, dump(t, events))
		}
		if t.Failed() && testing.Short() {
			return
		}
	}
	t.Log(ran)
}

// optionsOf are what a vector says that is not on the wire.
func optionsOf(v *vectors.Vector) inspect.Options {
	return inspect.Options{Limit: v.Limit, MaskKey: v.ConnectionKey, Secure: v.Secure || v.Offer != nil && v.Offer.Secure}
}

func judgeDetect(v *vectors.Vector, events []*inspect.Event) string {
	switch {
	case v.Enabled != nil:
		return "" // which versions are served is not known here
	case v.Result == vectors.Invalid:
		if !slices.Contains(faults(events), v.Reason) && v.Reason != "not_websocket" {
			return fmt.Sprintf("does not find %s but %q", v.Reason, faults(events))
		}
	case events[1].Draft != v.Version:
		return "is taken as " + events[1].Draft
	}
	return ""
}

func judgeFrames(v *vectors.Vector, events []*inspect.Event) string {
	found := faults(events)
	if v.Error != "" && !slices.Contains(found, v.Error) {
		return fmt.Sprintf("does not find %s but %q", v.Error, found)
	}
	if v.Error == "" && len(v.Tolerate) == 0 && slices.ContainsFunc(events, func(e *inspect.Event) bool {
		return e.Kind == inspect.KindFault || e.Kind == inspect.KindFrame && len(e.Broken()) > 0
	}) {
		return fmt.Sprintf("finds %q", found)
	}
	var got []string
	for _, e := range events {
		switch {
		case e.Kind == inspect.KindMessage:
			got = append(got, fmt.Sprintf("%s %d %x", e.Message.Op, e.Message.Size, []byte(e.Message.Payload)))
		case e.Kind == inspect.KindFrame && e.Fault == "" && !e.Frame.Unfinished && (e.Frame.Op == "ping" || e.Frame.Op == "pong" || e.Frame.Op == "close" || e.Frame.Op == "discard"):
			got = append(got, fmt.Sprintf("%s %d", e.Frame.Op, e.Frame.Code))
		}
	}
	for _, w := range v.Events {
		if w.Partial {
			continue
		}
		data := v.Content(&w)
		want := fmt.Sprintf("%s %d %x", w.Op, len(data), data[:min(len(data), 1<<10)])
		if w.Op != "text" && w.Op != "binary" {
			code := w.Code
			if version := events[1].Draft; version < "hybi-06" || strings.HasPrefix(version, "hixie") {
				code = 0
			}
			want = fmt.Sprintf("%s %d", w.Op, code)
		}
		if len(got) == 0 || got[0] != want {
			return fmt.Sprintf("has %.200q, not %.200q", got, want)
		}
		got = got[1:]
	}
	if len(got) > 0 && v.Error == "" {
		return fmt.Sprintf("has %.200q too", got)
	}
	return ""
}

// The events do not depend on how the bytes come.
func TestPieces(t *testing.T) {
	for _, r := range vectest.Recordings(t) {
		if len(r.Vector.Payload()) > 4096 || r.Vector.Limit > 0 { // a limit is met when it is met
			continue
		}
		o := optionsOf(r.Vector)
		want := dump(t, play(o, r.Pieces, 0))
		for _, size := range []int{1, 50} {
			if got := dump(t, play(o, r.Pieces, size)); got != want {
				t.Fatalf("%s in pieces of %d:\n%s\nnot\n%s", r.Vector.ID, size, got, want)
			}
		}
	}
}

// What a client must not accept of a server's extensions is found.
func TestExtensions(t *testing.T) {
	hand := handshake(t, "rfc6455")
	f, err := vectors.Load("rfc7692")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, v := range f.Vectors {
		if v.Kind != vectors.KindExtension || v.Role != "client" {
			continue
		}
		ran++
		with := func(p []byte, value string) []byte {
			if value == "" {
				return p
			}
			return bytes.Replace(p, []byte("\r\n\r\n"), []byte("\r\nSec-WebSocket-Extensions: "+value+"\r\n\r\n"), 1)
		}
		got := faults(play(inspect.Options{}, []vectest.Recorded{{Client: true, Bytes: with(hand[0].Bytes, v.Offered)}, {Client: false, Bytes: with(hand[1].Bytes, v.Answer)}}, 0))
		if slices.Contains(got, v.Error) != (v.Result == vectors.Invalid) {
			t.Errorf("%s: %q to %q: finds %q", v.ID, v.Answer, v.Offered, got)
		}
	}
	if ran < 50 {
		t.Errorf("only %d vectors", ran)
	}
}
