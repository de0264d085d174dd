package conn_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// lag makes the server post all that a peer may leave unread, for as long as it lasts,
// and the peer take a part of it: 50 kB a second, of which 100 kB wait.
func lag(t *testing.T, v draftwire.Version, fn func(ctx context.Context, p wstest.Peer)) {
	p := wstest.NewPeer(t, v, 1000, draftwire.Limits{PostLimit: 100_000}, nil)
	ctx, stop := context.WithCancel(bg)
	defer stop()
	m := wstest.Prepared(strings.Repeat("x", 1000))
	var both sync.WaitGroup
	both.Go(func() {
		for ctx.Err() == nil {
			for p.Server.Post(m) == nil {
			}
			<-time.After(10 * time.Millisecond)
		}
	})
	both.Go(func() {
		for b := make([]byte, 1000); ; {
			if _, err := p.Read(b); err != nil {
				return
			}
			<-time.After(20 * time.Millisecond)
		}
	})
	<-time.After(10 * time.Second)
	synctest.Wait()
	fn(ctx, p)
	stop()
	p.Server.CloseNow()
	both.Wait()
}

// A peer that takes less than is posted to it, but takes it, is read, is written to, and
// hears of the close.
func TestLaggingPeer(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		within := func(ctx context.Context) context.Context {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			t.Cleanup(cancel)
			return ctx
		}
		lag(t, v, func(ctx context.Context, p wstest.Peer) {
			if v.Supports(wire.CapPing) {
				p.Write(p.Ping())
			}
			p.Write(p.Text("hello"))
			if _, got, err := p.Server.Read(within(ctx)); string(got) != "hello" {
				t.Errorf("read: %q, %v", got, err)
			}
		})
		lag(t, v, func(ctx context.Context, p wstest.Peer) {
			if err := p.Server.Write(within(ctx), draftwire.OpText, []byte("hello")); err != nil {
				t.Errorf("write: %v", err)
			}
		})
		lag(t, v, func(ctx context.Context, p wstest.Peer) {
			w, err := p.Server.Writer(within(ctx), draftwire.OpText)
			if err == nil {
				if _, err = w.Write([]byte("hello")); err == nil {
					err = w.Close()
				}
			}
			if err != nil {
				t.Errorf("writer: %v", err)
			}
		})
		lag(t, v, func(ctx context.Context, p wstest.Peer) {
			ended := make(chan struct{})
			began := time.Now()
			go func() {
				p.Server.Close(draftwire.CodeNormal, "")
				close(ended)
			}()
			<-time.After(4 * time.Second)
			synctest.Wait()
			if err := p.Server.Post(wstest.Prepared("late")); err == nil || err == draftwire.ErrBusy {
				t.Errorf("behind a close of %v the server posts: %v", time.Since(began), err)
			}
			<-ended
		})
	})
}
