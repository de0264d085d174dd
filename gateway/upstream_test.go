package gateway

import (
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire/hub"
)

// What members say is bounded while the backend is away, where the oldest goes, and while it takes nothing, where they
// wait. What is not sent is counted, and so is what the broker has lost.
func TestUplinkBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n roomCounts
		u := &uplink{count: &n, ready: make(chan struct{}, 1)}
		u.changed.L = &u.mu
		seq := uint64(0)
		say := func(size int) {
			seq++
			u.put(hub.Message{Position: hub.Position{Epoch: 1, Seq: seq}, Data: make([]byte, size)})
		}
		for range uplinkMessages + 10 {
			say(1)
		}
		if len(u.queue) != uplinkMessages || u.queue[0].Seq != 11 || n.unheard.Load() != 10 {
			t.Errorf("%d wait, of which the first is %d; %d unheard", len(u.queue), u.queue[0].Seq, n.unheard.Load())
		}
		say(uplinkBytes)
		say(uplinkBytes)
		if len(u.queue) != 1 || u.bytes != uplinkBytes {
			t.Errorf("%d wait, %d bytes", len(u.queue), u.bytes)
		}
		before := n.unheard.Load()
		seq += 5 // which the broker has lost
		u.connected(true)
		said := make(chan struct{})
		go func() {
			say(2 * uplinkBytes) // one that is too long by itself is taken
			say(1)
			close(said)
		}()
		synctest.Wait()
		select {
		case <-said:
			t.Error("one who says too much does not wait")
		default:
		}
		if len(u.take()) == 0 {
			t.Error("nothing to send")
		}
		<-said
		if len(u.queue) != 1 || n.unheard.Load() != before+5 {
			t.Errorf("%d wait, %d unheard", len(u.queue), n.unheard.Load()-before)
		}
		u.end()
		say(1)
		if n.unheard.Load() != before+7 || u.queue != nil {
			t.Errorf("behind the end %d unheard", n.unheard.Load()-before)
		}
	})
}
