package hub_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/internal/wstest"
)

// delivered waits until all have got what was published.
func delivered(b *testing.B, h *hub.Hub, want uint64) {
	for h.Stats().Delivered+h.Stats().Missed < want {
		time.Sleep(100 * time.Microsecond)
	}
	if s := h.Stats(); s.Missed > 0 {
		b.Fatalf("%+v", s)
	}
}

// A message to 1,000 members, by a hub and by a loop over Broadcast; and ten in a row.
func BenchmarkRoom(b *testing.B) {
	const members = 1000
	conns := wstest.Crowd(b, members, func(_ int, nc net.Conn) { io.Copy(io.Discard, nc) })
	data := make([]byte, 125)
	report := func(b *testing.B, each int) {
		b.ReportMetric(float64(b.N)*members*float64(each)/b.Elapsed().Seconds(), "deliveries/s")
	}
	b.Run("broadcast", func(b *testing.B) {
		for b.Loop() {
			draftwire.Broadcast(draftwire.NewPreparedMessage(draftwire.OpText, data), conns, func(_ *draftwire.Conn, err error) { b.Error(err) })
		}
		report(b, 1)
	})
	for _, x := range []struct {
		name string
		row  int
	}{{"hub", 1}, {"hub, ten in a row", 10}} {
		b.Run(x.name, func(b *testing.B) {
			h := newHub(b, hub.Options{})
			for _, c := range conns {
				join(b, h, c, "r", hub.JoinOptions{})
			}
			var sent uint64
			for b.Loop() {
				for range x.row {
					if _, err := h.Publish(bg, "r", draftwire.OpText, data); err != nil {
						b.Fatal(err)
					}
				}
				sent += members * uint64(x.row)
				delivered(b, h, sent)
			}
			report(b, x.row)
			h.Close()
		})
	}
}
