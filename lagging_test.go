package draftwire_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// lag makes the server post all that a peer may leave unread, for as long as it lasts,
// and the peer take a part of it: 50 kB a second, of which 100 kB wait.
func lag(t *testing.T, v draftwire.Version, fn func(ctx context.Context, p byHand)) {
	p := handClient(t, v, 1000, draftwire.Limits{PostLimit: 100_000}, nil)
	ctx, stop := context.WithCancel(bg)
	defer stop()
	m := prepared(strings.Repeat("x", 1000))
	var both sync.WaitGroup
	both.Go(func() {
		for ctx.Err() == nil {
			for p.server.Post(m) == nil {
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
	p.server.CloseNow()
	both.Wait()
}

// A peer that takes less than is posted to it, but takes it, is read, is written to, and
// hears of the close.
func TestLaggingPeer(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		within := func(ctx context.Context) context.Context {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			t.Cleanup(cancel)
			return ctx
		}
		lag(t, v, func(ctx context.Context, p byHand) {
			if v.Supports(wire.CapPing) {
				p.Write(p.ping())
			}
			p.Write(p.text("hello"))
			if _, got, err := p.server.Read(within(ctx)); string(got) != "hello" {
				t.Errorf("read: %q, %v", got, err)
			}
		})
		lag(t, v, func(ctx context.Context, p byHand) {
			if err := p.server.Write(within(ctx), draftwire.OpText, []byte("hello")); err != nil {
				t.Errorf("write: %v", err)
			}
		})
		lag(t, v, func(ctx context.Context, p byHand) {
			w, err := p.server.Writer(within(ctx), draftwire.OpText)
			if err == nil {
				if _, err = w.Write([]byte("hello")); err == nil {
					err = w.Close()
				}
			}
			if err != nil {
				t.Errorf("writer: %v", err)
			}
		})
		lag(t, v, func(ctx context.Context, p byHand) {
			ended := make(chan struct{})
			began := time.Now()
			go func() {
				p.server.Close(draftwire.CodeNormal, "")
				close(ended)
			}()
			<-time.After(4 * time.Second)
			synctest.Wait()
			if err := p.server.Post(prepared("late")); err == nil || err == draftwire.ErrBusy {
				t.Errorf("behind a close of %v the server posts: %v", time.Since(began), err)
			}
			<-ended
		})
	})
}
