package recording_test

import (
	"io"
	"testing"

	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/wire"
)

// message writes the events of a text message as a gateway's recording does.
func message(w *recording.Writer, r *recording.Redaction, e *recording.Event, p []byte) error {
	*e = recording.Event{Kind: recording.KindFrame, Conn: 7, From: recording.Client, Op: wire.OpText, Masked: true, Size: int64(len(p)), Payload: p}
	r.Apply(e, true)
	if err := w.Write(e); err != nil {
		return err
	}
	*e = recording.Event{Kind: recording.KindMessage, Conn: 7, From: recording.Client, Op: wire.OpText, Size: int64(len(p)), Payload: p}
	r.Apply(e, false)
	return w.Write(e)
}

var television = []byte(`{"id":17,"jsonrpc":"2.0","method":"status","params":{"device":"tv-lobby-07","state":"playing","position":1234,"volume":11}}`)

// To record a message takes no memory of its own.
func TestRecordingAllocatesNothing(t *testing.T) {
	w, err := recording.NewWriter(io.Discard, recording.Header{})
	if err != nil {
		t.Fatal(err)
	}
	r := &recording.Redaction{Names: recording.DefaultNames}
	var e recording.Event
	if n := testing.AllocsPerRun(1000, func() {
		if err := message(w, r, &e, television); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for a message", n)
	}
}

func BenchmarkMessage(b *testing.B) {
	w, err := recording.NewWriter(io.Discard, recording.Header{})
	if err != nil {
		b.Fatal(err)
	}
	r := &recording.Redaction{Names: recording.DefaultNames}
	var e recording.Event
	b.ReportAllocs()
	for b.Loop() {
		if err := message(w, r, &e, television); err != nil {
			b.Fatal(err)
		}
	}
}
