package conn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// The answers to pings that wait for a peer are bounded where a goroutine writes them, as
// over TLS: also on one processor, where the reader may go through megabytes of input
// before that goroutine runs, and while the program has corked the connection.
func TestAnswersQueuedForUnreadPeer(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		if !v.Supports(wire.CapPing) {
			return
		}
		for _, corked := range []bool{false, true} {
			func() {
				const size = 1 << 20
				p := wstest.NewPeer(t, v, size, draftwire.Limits{}, nil)
				if corked {
					p.Server.Cork()
				}
				one := p.Ping()
				go p.Write(bytes.Repeat(one, 4*size/len(one))) // more than the two directions hold
				synctest.Wait()                                // a megabyte of it stands before the reader
				ctx := p.Server.CloseRead(bg)
				synctest.Wait()
				if most := slices.Max(p.Writes()); most > 33<<10 {
					t.Errorf("corked %v: %d bytes were queued", corked, most)
				}
				select {
				case <-ctx.Done():
				case <-time.After(2 * draftwire.DefaultWriteTimeout):
					t.Errorf("corked %v: the connection is open after the write timeout", corked)
				}
			}()
		}
	})
}

// Members of a room who do not read share the frames that wait for them: what each costs
// beside is bounded by the number of messages. Whoever reads again gets all, in order.
func TestUnreadPostsAreShared(t *testing.T) {
	for _, size := range []int{100, 100_000} {
		synctest.Test(t, func(t *testing.T) {
			const members, limit = 100, 1 << 20
			conns := make([]wstest.Peer, members)
			for i := range conns {
				conns[i] = wstest.NewPeer(t, draftwire.RFC6455, 10, draftwire.Limits{PostLimit: limit}, nil)
			}
			before := wstest.InUse(1).Sum()
			var all []*draftwire.Conn
			for _, p := range conns {
				all = append(all, p.Server)
			}
			text := func(i int) string { return fmt.Sprint(i, strings.Repeat("x", size)) }
			sent := 0
			for busy := new(atomic.Bool); !busy.Load(); {
				draftwire.Broadcast(wstest.Prepared(text(sent)), all, func(_ *draftwire.Conn, err error) {
					if errors.Is(err, draftwire.ErrBusy) {
						busy.Store(true)
					}
				})
				if !busy.Load() {
					sent++
				}
				synctest.Wait()
			}
			each := (wstest.InUse(1).Sum() - before - limit) / members
			t.Logf("%d messages of %d bytes: %d bytes each", sent, size, each)
			if each > 100<<10 {
				t.Errorf("a member that does not read costs %d bytes", each)
			}
			p := conns[7]
			for i := range sent {
				wstest.Want(t, p, p.Echo(text(i)))
			}
			if err := p.Server.Post(wstest.Prepared("late")); err != nil {
				t.Error(err)
			}
			go p.Server.Close(draftwire.CodeNormal, "")
			wstest.Want(t, p, p.Echo("late"))
			if b, _ := io.ReadAll(io.LimitReader(p, 4)); len(b) != 4 || b[0] != 0x88 {
				t.Errorf("behind the posts: % x", b)
			}
		})
	}
}

// A read whose context ends while the peer takes no answers to its pings returns, as every
// call does; the next one goes on where it stopped, and no ping goes unanswered.
func TestCancelledReadBehindUnreadAnswers(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		if !v.Supports(wire.CapPing) {
			return
		}
		p := wstest.NewPeer(t, v, 1000, draftwire.Limits{}, nil)
		const pings = 60_000 // their answers are more than the queue and the network hold
		go func() {
			p.Write(bytes.Repeat(p.Ping(), pings))
			p.Write(p.Text("hello"))
		}()
		began := time.Now()
		for range 3 {
			ctx, cancel := context.WithTimeout(bg, time.Second)
			if _, _, err := p.Server.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("read: %v", err)
			}
			cancel()
		}
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("three reads of a second took %v", d)
		}
		answers := make(chan []byte)
		go func() {
			b := make([]byte, pings*len(p.Pong))
			io.ReadFull(p, b)
			answers <- b
		}()
		wstest.Read(t, p.Server, "hello")
		if !bytes.Equal(<-answers, bytes.Repeat(p.Pong, pings)) {
			t.Error("not every ping was answered once")
		}
		p.Server.CloseNow()
	})
}
