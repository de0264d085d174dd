package wsconn

import (
	"errors"
	"testing"

	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/wire"
)

// prepared is a text message of n bytes.
func prepared(n int) *Prepared {
	m := new(Prepared)
	m.Init(wire.OpText, make([]byte, n))
	return m
}

// Post leaves up to PostLimit bytes behind a write, and then says that the peer is busy. It
// sends what it has taken, in order, as the peer reads.
func TestPostLimit(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		const n = 20 << 10
		first := text(c, 2*roomBelow)
		m, taken := prepared(n), 0
		for err := error(nil); ; taken++ {
			if err = c.Post(m); errors.Is(err, ErrBusy) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if want := (limits.PostLimit-n)/size(n) + 1; taken != want {
			t.Errorf("%d messages were taken, %d fit", taken, want)
		}
		c.w.mu.Lock()
		if got := c.w.waiting(); got != taken*size(n) {
			t.Errorf("%d bytes wait for %d messages", got, taken)
		}
		c.w.mu.Unlock()
		phaseIs(t, c, "the peer takes nothing", writing, false)
		takes(t, peer, size(2*roomBelow)+taken*size(n))
		if err := <-first; err != nil {
			t.Error(err)
		}
		phaseIs(t, c, "all has gone", idle, false)
		if c.w.backlog() != nil || c.w.queued != c.w.written {
			t.Errorf("a backlog %v, %d bytes queued, %d written", c.w.backlog(), c.w.queued, c.w.written)
		}
		if err := c.Post(m); err != nil {
			t.Errorf("a peer that has taken all is busy: %v", err)
		}
	})
}

// One message always fits, whatever its length; and the number of frames has a bound of its
// own, as an empty message costs memory too.
func TestPostBounds(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		if err := c.Post(prepared(2 * limits.PostLimit)); err != nil {
			t.Error(err)
		}
		takes(t, peer, size(2*limits.PostLimit))

		text(c, 2*roomBelow)
		c.Post(prepared(holdMost)) // from here on all goes to the backlog
		empty, n := prepared(0), 1
		for ; c.Post(empty) == nil; n++ {
		}
		if n != backlogMost {
			t.Errorf("%d frames wait", n)
		}
	})
}

// A message that is written waits for what was posted before it and not for what is posted
// later; a control frame goes before both; and a message in parts keeps Post out.
func TestBacklogOrder(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		text(c, 2*roomBelow)
		c.Post(prepared(holdMost))
		written := text(c, 5)
		c.Post(prepared(6))
		c.w.mu.Lock()
		before, now := posted{c.w.backlog(), 1}, posted{c.w.backlog(), 2}
		if got := c.w.backlogSoFar(); got != now {
			t.Errorf("so far %+v, not %+v", got, now)
		}
		if !c.w.blocked(before) || !c.w.blocked(everything) || c.w.blocked(nothing) {
			t.Error("who waits for what is posted")
		}
		c.w.mu.Unlock()
		if err := c.w.reply(bg, &wire.Event{Op: wire.OpPing}, true); err != nil {
			t.Error(err)
		}
		takes(t, peer, size(2*roomBelow)+size(0)+size(holdMost)+size(6)+size(5))
		if err := <-written; err != nil {
			t.Error(err)
		}
		m, err := c.Writer(bg, wire.OpText)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Post(prepared(1)); !errors.Is(err, ErrBusy) {
			t.Errorf("within a message: %v", err)
		}
		m.Close()
	})
}

// A write takes small frames of the backlog together, up to holdMost bytes, and then one
// large frame from where it is. Who waits for the beginning of the backlog waits until it
// has been taken.
func TestTakeBacklog(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, _ *memnet.Conn) {
		w := &c.w
		post := func(sizes ...int) {
			for _, n := range sizes {
				f := make([]byte, n)
				w.post(&f)
			}
		}
		take := func(together, alone, left int) {
			t.Helper()
			b := w.backlog()
			op := w.begin(bg)
			if len(op.Bufs[0]) != together || len(op.Bufs[1]) != alone || b.bytes != left || op.goal != w.queued-uint64(left) {
				t.Errorf("%d bytes together, %d alone, %d left, the goal is %d of %d", len(op.Bufs[0]), len(op.Bufs[1]), b.bytes, op.goal, w.queued)
			}
			if w.again != (left > 0) || (w.backlog() == nil) != (left == 0) {
				t.Errorf("%d bytes are left: again %v, backlog %v", left, w.again, w.backlog())
			}
			op.free()
			w.writing, w.again = false, false
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		post(1000, directSize-1, directSize, 2000)
		four, other := posted{w.backlog(), 4}, posted{new(backlog), 4}
		take(1000+directSize-1, directSize, 2000)
		if b := w.backlog(); !b.has(four) || b.has(posted{b, 3}) || b.has(other) || !b.has(everything) || b.has(nothing) {
			t.Errorf("of a backlog that has begun %d", b.begun)
		}
		take(2000, 0, 0)
		for range 8 {
			post(holdMost / 8)
		}
		post(0, 1)
		take(holdMost, 0, 1)
		take(1, 0, 0)
	})
}
