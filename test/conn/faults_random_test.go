//go:build faults

package conn_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/faultnet"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// scrum is a connection on both sides of which several write, each in a way of its own,
// while one reads.
type scrum struct {
	mu    sync.Mutex
	bad   []string
	heard [2]map[string]int // of each side: how many messages of each of the other's writers
}

const (
	scrumWriters  = 3
	scrumMessages = 12
)

func (s *scrum) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bad = append(s.bad, fmt.Sprintf(format, args...))
}

// part is one side of it.
func (s *scrum) part(side int, c *draftwire.Conn, m manner) {
	var writers sync.WaitGroup
	for w := range scrumWriters {
		writers.Go(func() { s.write(c, w) })
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.read(context.Background(), c, func(_ draftwire.Op, p []byte) error {
			s.hear(side, string(p))
			return nil
		})
	}()
	writers.Wait()
	if side == 0 {
		<-time.After(5 * time.Second) // for the other side to have said all
		c.Close(draftwire.CodeNormal, "")
	}
	<-done
}

// write is one of several who write, in its own way.
func (s *scrum) write(c *draftwire.Conn, w int) {
	for i := range scrumMessages {
		text := fmt.Sprintf("%d %d %s", w, i, strings.Repeat("x", (w+1)*(w+1)*i*60))
		var err error
		switch ctx := context.Background(); {
		case w == 0 && i%4 == 3:
			err = streamMessage(c, ctx, draftwire.OpText, []byte(text))
		case w == 1 && i%2 == 1:
			for err = draftwire.ErrBusy; err == draftwire.ErrBusy; {
				if err = post(c, ctx, draftwire.OpText, []byte(text)); err == draftwire.ErrBusy {
					<-time.After(time.Millisecond) // behind another's Writer
				}
			}
		case w == 2 && i%5 == 4 && c.Version().Supports(wire.CapPing):
			if err = c.Ping(ctx); err == nil {
				err = c.Write(ctx, draftwire.OpText, []byte(text))
			}
		default:
			err = c.Write(ctx, draftwire.OpText, []byte(text))
		}
		if err != nil {
			return
		}
	}
}

// hear checks that a message is the next of its writer, and whole.
func (s *scrum) hear(side int, p string) {
	var w, i int
	n, _ := fmt.Sscan(p, &w, &i)
	who := fmt.Sprint(w)
	s.mu.Lock()
	next := s.heard[side][who]
	s.heard[side][who]++
	s.mu.Unlock()
	if n != 2 || i != next || p != fmt.Sprintf("%d %d %s", w, i, strings.Repeat("x", (w+1)*(w+1)*i*60)) {
		s.fault("side %d heard %.30q, %d bytes, in the place of %d of %d", side, p, len(p), next, w)
	}
}

// run plays it once.
func (s *scrum) run(t *testing.T, v draftwire.Version, m manner, room int, schedule faultnet.Schedule) {
	for i := range s.heard {
		s.heard[i] = map[string]int{}
	}
	n := faultnet.New(schedule)
	var client, server side
	srv := &draftwire.Server{Options: wstest.Options(), WebSocket: func(_ context.Context, c *draftwire.Conn) error {
		s.part(1, c, m)
		return nil
	}}
	srv.Options.Limits, srv.Options.Observer = playLimits, server.observer()
	l := n.Listen(room)
	served := make(chan struct{})
	go func() {
		srv.Serve(l)
		close(served)
	}()
	over := make(chan struct{})
	go func() {
		defer close(over)
		c, _, err := draftwire.Dial(context.Background(), "ws://example.com/x", &draftwire.DialOptions{
			Version: v, Limits: playLimits, Observer: client.observer(),
			NetDial: func(context.Context, string, string) (net.Conn, error) { return l.Dial() },
		})
		if err == nil {
			s.part(0, c, m)
		}
	}()
	select {
	case <-over:
	case <-time.After(curtain):
		buf := make([]byte, 1<<20)
		t.Errorf("it does not come to its end:\n%s", buf[:runtime.Stack(buf, true)])
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	<-served
	synctest.Wait()
	if n.Open() != 0 || srv.Counts() != (draftwire.ServerCounts{}) {
		t.Errorf("%d sockets are open, counts %+v", n.Open(), srv.Counts())
	}
	for _, s := range []*side{&client, &server} {
		if s.opened != s.closed || s.opened+s.refused != 1 {
			t.Errorf("%d opened, %d refused, %d closed", s.opened, s.refused, s.closed)
		}
	}
}

// complete reports whether all have heard all.
func (s *scrum) complete() bool {
	for _, h := range s.heard {
		for w := range scrumWriters {
			if h[fmt.Sprint(w)] != scrumMessages {
				return false
			}
		}
	}
	return true
}

// Several who write at once on both sides, over sockets that do by chance what sockets may
// do: nothing is lost, doubled or out of the order of its writer. Where the sockets break,
// that holds until then, and both sides come to their end.
func TestScrum(t *testing.T) {
	versions := draftwire.ServedVersions().List()
	soft := []faultnet.Fault{faultnet.Interrupt, faultnet.Short, faultnet.Again, faultnet.Yield}
	seeds := uint64(1000)
	if os.Getenv("FAULTS") == "all" {
		seeds = 20000
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 1))
		faults, every := soft, 1+rnd.IntN(6)
		if seed%3 == 0 {
			faults, every = slices.Concat(soft, faultnet.Hard), 20+rnd.IntN(200)
		}
		v, m, room := versions[rnd.IntN(len(versions))], manners[rnd.IntN(len(manners))], 512<<rnd.IntN(7)
		m.compress = false
		s := new(scrum)
		synctest.Test(t, func(t *testing.T) { s.run(t, v, m, room, faultnet.Random(rnd, every, faults...)) })
		if seed%3 != 0 && !s.complete() {
			t.Errorf("heard: %v", s.heard)
		}
		if len(s.bad) > 0 {
			t.Errorf("%.2000q", s.bad)
		}
		if t.Failed() {
			t.Fatalf("seed %d: %s, %s, buffers of %d, one call of %d", seed, v, m.name, room, every)
		}
	}
}

// deaf is a manner of not reading at all.
var deaf = manner{name: "nobody reads", read: func(_ context.Context, c *draftwire.Conn, _ func(draftwire.Op, []byte) error) error {
	<-c.Context().Done()
	return context.Cause(c.Context())
}}

// Two sides that write and never read come to their end by their timeouts, or when the
// sockets break, and leave nothing behind.
func TestScrumOfTheDeaf(t *testing.T) {
	versions := draftwire.ServedVersions().List()
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		faults := []faultnet.Fault{faultnet.Interrupt, faultnet.Short, faultnet.Again, faultnet.Yield}
		every := 1 + rnd.IntN(6)
		if seed%2 == 0 {
			faults, every = faultnet.Hard, 5+rnd.IntN(100)
		}
		v, room := versions[rnd.IntN(len(versions))], 512<<rnd.IntN(4)
		s := new(scrum)
		synctest.Test(t, func(t *testing.T) { s.run(t, v, deaf, room, faultnet.Random(rnd, every, faults...)) })
		if t.Failed() {
			t.Fatalf("seed %d: %s, buffers of %d, one call of %d", seed, v, room, every)
		}
	}
}
