package conn_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// readClose reads the close of a peer.
func readClose(t *testing.T, c *draftwire.Conn, want draftwire.CloseError) {
	t.Helper()
	_, _, err := c.Read(bg)
	var ce *draftwire.CloseError
	if !errors.As(err, &ce) || *ce != want {
		t.Errorf("%s read %v, want %v", c.Version(), err, &want)
	}
}

// bothWays plays f with the client as a, and with the server.
func bothWays(t *testing.T, f func(t *testing.T, v draftwire.Version, a, b *draftwire.Conn)) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		for _, byServer := range []bool{false, true} {
			a, b := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
			if byServer {
				a, b = b, a
			}
			f(t, v, a, b)
		}
	})
}

// Who closes its half still reads, and the answer is the program's, behind all that it says.
func TestHalfOpen(t *testing.T) {
	bothWays(t, func(t *testing.T, v draftwire.Version, a, b *draftwire.Conn) {
		b.AllowHalfOpen()
		wstest.Write(t, a, "question")
		if err := a.CloseWrite(4001, "asked"); err != nil {
			t.Error(err)
		}
		if err := a.Write(bg, draftwire.OpText, nil); v != draftwire.Hixie75 && !errors.Is(err, draftwire.ErrClosed) {
			t.Errorf("write behind CloseWrite: %v", err)
		}
		wstest.Read(t, b, "question")
		readClose(t, b, wstest.Heard(v, 4001, "asked"))
		for _, answer := range []string{"one", wstest.Words(100_000)} {
			go wstest.Write(t, b, answer)
			wstest.Read(t, a, answer)
		}
		go b.CloseWrite(4002, "answered")
		readClose(t, a, wstest.Heard(v, 4002, "answered"))
		<-b.Context().Done()
		if err := b.Write(bg, draftwire.OpText, nil); err == nil {
			t.Error("write behind the answer")
		}
		readClose(t, b, wstest.Heard(v, 4001, "asked"))
		<-a.Context().Done()
	})
}

// Close answers, too.
func TestHalfOpenClose(t *testing.T) {
	bothWays(t, func(t *testing.T, v draftwire.Version, a, b *draftwire.Conn) {
		b.AllowHalfOpen()
		a.CloseWrite(4001, "asked")
		readClose(t, b, wstest.Heard(v, 4001, "asked"))
		go b.Close(4002, "answered")
		readClose(t, a, wstest.Heard(v, 4002, "answered"))
		<-a.Context().Done()
		<-b.Context().Done()
	})
}

// Where the program does not answer in time, the connection does.
func TestHalfOpenUnanswered(t *testing.T) {
	bothWays(t, func(t *testing.T, v draftwire.Version, a, b *draftwire.Conn) {
		b.AllowHalfOpen()
		go a.Close(4001, "")
		readClose(t, b, wstest.Heard(v, 4001, ""))
		if b.Context().Err() != nil {
			t.Error("it has ended")
		}
		began := time.Now()
		<-b.Context().Done()
		<-a.Context().Done()
		if d := time.Since(began); d != draftwire.DefaultCloseTimeout {
			t.Errorf("it ended after %v", d)
		}
		readClose(t, b, wstest.Heard(v, 4001, ""))
	})
}

// A peer that does not answer CloseWrite, but sends on, has the close timeout.
func TestCloseWriteUnanswered(t *testing.T) {
	bothWays(t, func(t *testing.T, v draftwire.Version, a, b *draftwire.Conn) {
		b.AllowHalfOpen()
		began := time.Now()
		if err := a.CloseWrite(draftwire.CodeNormal, ""); err != nil {
			t.Error(err)
		}
		var talk sync.WaitGroup
		talk.Go(func() {
			for b.Write(bg, draftwire.OpText, []byte("on and on")) == nil {
				time.Sleep(100 * time.Millisecond)
			}
		})
		n := 0
		for ; ; n++ {
			if _, _, err := a.Read(bg); err != nil {
				var ce *draftwire.CloseError
				if !errors.As(err, &ce) || ce.Code != draftwire.CodeAbnormal {
					t.Error(err)
				}
				break
			}
		}
		if d := time.Since(began); n < 5 || d < time.Second || d > draftwire.DefaultCloseTimeout {
			t.Errorf("%d messages in %v", n, d)
		}
		talk.Wait()
		b.CloseNow()
	})
}

// Both close at once: each close is the answer to the other.
func TestHalfOpenBoth(t *testing.T) {
	bothWays(t, func(t *testing.T, v draftwire.Version, a, b *draftwire.Conn) {
		for _, c := range []*draftwire.Conn{a, b} {
			c.AllowHalfOpen()
			if err := c.CloseWrite(4001, "both"); err != nil {
				t.Error(err)
			}
		}
		readClose(t, a, wstest.Heard(v, 4001, "both"))
		readClose(t, b, wstest.Heard(v, 4001, "both"))
		<-a.Context().Done()
		<-b.Context().Done()
	})
}

// A connection whose peer has closed and gone ends with the first write that shows it, and
// the peer's close stays the cause.
func TestHalfOpenGone(t *testing.T) {
	bothWays(t, func(t *testing.T, v draftwire.Version, a, b *draftwire.Conn) {
		b.AllowHalfOpen()
		a.CloseWrite(4001, "gone")
		readClose(t, b, wstest.Heard(v, 4001, "gone"))
		a.CloseNow()
		for b.Write(bg, draftwire.OpText, []byte("still there?")) == nil {
			time.Sleep(time.Millisecond)
		}
		<-b.Context().Done()
		readClose(t, b, wstest.Heard(v, 4001, "gone"))
	})
}
