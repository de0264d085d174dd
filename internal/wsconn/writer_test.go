package wsconn

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// A writer goes from idle to writing and back. What is written meanwhile is queued, and one
// of those that wait writes it when the first write has ended.
func TestPhases(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		phaseIs(t, c, "new", idle, false)
		first := text(c, 2*roomBelow)
		phaseIs(t, c, "the peer takes nothing", writing, false)
		second, third := text(c, 10), text(c, 20)
		c.w.mu.Lock()
		if n := len(c.w.queue.B); n != size(10)+size(20) {
			t.Errorf("%d bytes are queued", n)
		}
		c.w.mu.Unlock()
		takes(t, peer, size(2*roomBelow)+size(10)+size(20))
		for _, done := range []<-chan error{first, second, third} {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		phaseIs(t, c, "all has gone", idle, false)
		if w := peer.Writes(); len(w) < 2 || w[len(w)-1] != size(10)+size(20) {
			t.Errorf("writes of %d bytes: what was queued meanwhile goes together", w)
		}
	})
}

// While the reader has input, answers are held: for a millisecond at most, and no longer
// than until the reader waits.
func TestHold(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		c.state.Or(inputPending)
		began := time.Now()
		if err := <-text(c, 10); err != nil {
			t.Fatal(err)
		}
		phaseIs(t, c, "the reader has input", held, true)
		takes(t, peer, size(10))
		if d := time.Since(began); d != holdTime {
			t.Errorf("the timer has let it go after %v", d)
		}
		phaseIs(t, c, "the timer has let it go", idle, false)

		<-text(c, 10)
		phaseIs(t, c, "the next answer", held, true)
		c.r.mu.Lock()
		c.r.beforeWait(bg)
		c.r.mu.Unlock()
		synctest.Wait()
		phaseIs(t, c, "the reader waits", idle, false)
		if c.is(inputPending) {
			t.Error("a reader that waits says that it has input")
		}
	})
}

// A hold ends when it is full: with holdMost bytes, in however many messages.
func TestHoldMost(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		c.Cork()
		sent := 0
		for sent+size(roomBelow) < holdMost {
			if err := <-text(c, roomBelow); err != nil {
				t.Fatal(err)
			}
			sent += size(roomBelow)
			phaseIs(t, c, "corked", held, false)
		}
		last := text(c, roomBelow)
		phaseIs(t, c, "full", writing, false)
		takes(t, peer, sent+size(roomBelow))
		if err := <-last; err != nil {
			t.Error(err)
		}
		<-text(c, 10)
		phaseIs(t, c, "still corked", held, false)
		if err := c.Flush(bg); err != nil {
			t.Error(err)
		}
		phaseIs(t, c, "flushed", idle, false)
		takes(t, peer, size(10))
	})
}

// A Flush whose context has ended leaves what was held to the timer.
func TestFlushCancelled(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		c.Cork()
		<-text(c, 10)
		ended, cancel := context.WithCancel(bg)
		cancel()
		if err := c.Flush(ended); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		phaseIs(t, c, "the context has ended", held, true)
		takes(t, peer, size(10))
		phaseIs(t, c, "the timer has let it go", idle, false)
	})
}

// A write that the end of the connection cuts off fails with the cause of that end, and
// changes it for nobody; the writer keeps nothing.
func TestWriteCutByEnd(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, h *told, _ *memnet.Conn) {
		cause := errors.New("the cause")
		writes := []<-chan error{text(c, 40<<10), text(c, 10)}
		phaseIs(t, c, "before the end", writing, false)
		c.Fail(cause)
		synctest.Wait()
		for _, done := range writes {
			if err := <-done; !errors.Is(err, cause) {
				t.Errorf("a write failed with %v", err)
			}
		}
		if err := c.Write(bg, wire.OpText, nil); !errors.Is(err, cause) {
			t.Errorf("a later write failed with %v", err)
		}
		phaseIs(t, c, "behind the end", idle, false)
		if len(h.closed) != 1 || h.closed[0] != cause || c.whyClosed() != cause {
			t.Errorf("told %v, closed by %v", h.closed, c.whyClosed())
		}
	})
}

// A write that is cut off by its own context ends the connection, of which it is the cause.
func TestWriteCutByContext(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, h *told, _ *memnet.Conn) {
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		err := c.Write(ctx, wire.OpText, make([]byte, 2*roomBelow))
		if !errors.Is(err, context.DeadlineExceeded) || c.whyClosed() != err || len(h.closed) != 1 || h.released != 1 {
			t.Errorf("%v; closed by %v, told %+v", err, c.whyClosed(), h)
		}
	})
}

// A message in parts keeps other messages out until it ends, and a control frame not.
func TestMessageInParts(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		m, err := c.Writer(bg, wire.OpText)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(m, "part"); err != nil {
			t.Fatal(err)
		}
		other := text(c, 10)
		if err := c.w.reply(bg, &wire.Event{Op: wire.OpPing, Data: []byte("p")}, false); err != nil {
			t.Fatal(err)
		}
		takes(t, peer, size(4)+size(1))
		select {
		case err := <-other:
			t.Fatalf("a message went in between: %v", err)
		default:
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		takes(t, peer, size(0)+size(10))
		if err := <-other; err != nil {
			t.Error(err)
		}
	})
}

// While the runtime lends the socket, an answer goes to it at once and without the runtime,
// as much as it takes; the rest stays queued.
func TestLentSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	ours, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, _ := serverOn(ours)
	defer c.CloseNow()
	if !c.Polls() {
		t.Skip("the engine makes no system calls here")
	}
	c.raw().Read(func(fd uintptr) bool {
		c.w.lend(fd)
		defer c.w.lend(sock.NoSocket)
		if err := c.Write(bg, wire.OpText, []byte("lent")); err != nil {
			t.Error(err)
		}
		phaseIs(t, c, "an answer", idle, false)

		c.w.mu.Lock()
		defer c.w.mu.Unlock()
		frame := make([]byte, 16<<10)
		for c.w.queue == nil { // until the socket is full
			c.w.appendEncoded(frame)
			c.w.writeLent()
		}
		before := len(c.w.queue.B)
		if c.w.writeLent() || len(c.w.queue.B) != before || c.w.queued-c.w.written != uint64(before) {
			t.Errorf("a full socket took something: %d, then %d bytes are queued, %d behind", before, len(c.w.queue.B), c.w.queued-c.w.written)
		}
		return true
	})
	got := make([]byte, size(4))
	if _, err := io.ReadFull(peer, got); err != nil || string(got[2:]) != "lent" {
		t.Errorf("%q, %v", got, err)
	}
}
