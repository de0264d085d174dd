package wsconn

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/wire"
)

// stateIs checks the state of c, and that the hooks know of it.
func stateIs(t *testing.T, c *Conn, h *told, when string, want uint32) {
	t.Helper()
	synctest.Wait()
	closedOnce, releasedOnce := want&closed != 0, want&released != 0
	if got := c.state.Load() & (closing | closed | released); got != want || (len(h.closed) == 1) != closedOnce || (h.released == 1) != releasedOnce {
		t.Errorf("%s: state %04b, want %04b; told %+v", when, got, want, h)
	}
}

// A connection is closing when Close has sent its frame, closed when the peer has answered,
// and released when the peer has ended its half of the stream.
func TestCloseStates(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, h *told, peer *memnet.Conn) {
		if err := c.Close(wire.CodeAbnormal, ""); !errors.Is(err, wire.ErrUnsupported) {
			t.Error(err)
		}
		stateIs(t, c, h, "a code that must not be sent", 0)
		done := make(chan error, 1)
		go func() { done <- c.Close(wire.CodeNormal, "") }()
		stateIs(t, c, h, "our close has gone", closing)
		if err := c.Post(prepared(1)); !errors.Is(err, wire.ErrClosed) {
			t.Errorf("behind our close: %v", err)
		}
		peer.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 3, 0xE8}) // 1000
		stateIs(t, c, h, "the peer has answered", closing|closed)
		if err := <-done; err != nil || !errors.Is(h.closed[0], wire.ErrClosed) {
			t.Errorf("%v, %v", err, h.closed[0])
		}
		if err := c.Close(wire.CodeNormal, ""); err != nil {
			t.Errorf("again: %v", err)
		}
		peer.CloseWrite()
		stateIs(t, c, h, "the peer has ended the stream", closing|closed|released)
		c.Fail(errors.New("too late"))
		c.CloseNow()
		stateIs(t, c, h, "what comes too late", closing|closed|released)
		if got, err := io.ReadAll(peer); err != nil || string(got) != "\x88\x02\x03\xe8" {
			t.Errorf("the peer got %q, %v", got, err)
		}
	})
}

// A peer that does not answer, or does not end the stream, is waited for so long and no
// longer.
func TestCloseTimes(t *testing.T) {
	for _, tt := range []struct {
		name           string
		hasty, answers bool
		closed, gone   time.Duration
	}{
		{"no answer", false, false, limits.CloseTimeout, limits.CloseTimeout},
		{"no answer of a hasty peer", true, false, hastyCloseWait, hastyCloseWait},
		{"an answer, and the stream stays", false, true, 0, lingerTime},
	} {
		inMemory(t, func(t *testing.T, c *Conn, h *told, peer *memnet.Conn) {
			c.hastyPeer = tt.hasty
			if tt.answers {
				peer.Write([]byte{0x88, 0x80, 0, 0, 0, 0})
			}
			began := time.Now()
			c.Close(wire.CodeNormal, "")
			if d := time.Since(began); d != tt.closed {
				t.Errorf("%s: Close took %v", tt.name, d)
			}
			time.Sleep(tt.gone - tt.closed - time.Nanosecond)
			if tt.answers && c.Released() {
				t.Errorf("%s: the stream ended early", tt.name)
			}
			time.Sleep(time.Nanosecond)
			stateIs(t, c, h, tt.name, closing|closed|released)
		})
	}
}

// The first cause of an end is the one that all hear of.
func TestFirstCause(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, h *told, _ *memnet.Conn) {
		c.NoteFailure(errors.New("of the handler"))
		first := errors.New("first")
		if !c.markClosed(first) || c.markClosed(errors.New("second")) {
			t.Error("markClosed counts wrong")
		}
		c.NoteFailure(errors.New("too late"))
		stateIs(t, c, &told{closed: []error{nil}}, "marked", closed)
		c.closeStream(abort)
		if cause := context.Cause(c.Context()); cause != first || h.closed[0] != first || c.Failure().Error() != "of the handler" {
			t.Errorf("cause %v, told %v, failure %v", cause, h.closed, c.Failure())
		}
		if _, _, err := c.Read(bg); err != first {
			t.Errorf("a reader gets %v", err)
		}
	})
}

// What a peer sends behind our close is dropped, up to a bound for reads of any size.
func TestTooMuchBehindClose(t *testing.T) {
	for n, want := range map[int]int{1: behindCloseMost, behindCloseUnit - 1: behindCloseMost, behindCloseUnit: behindCloseMost / 2, 64 << 10: behindCloseMost / 17} {
		c := new(Conn)
		c.r.c = c
		reads := 0
		for ; !c.r.tooMuchBehindClose(n); reads++ {
		}
		if reads != want {
			t.Errorf("%d reads of %d bytes, want %d", reads, n, want)
		}
	}
}
