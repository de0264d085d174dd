package load

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
)

// timed is a server in memory: within it time is fake, and passes only while all wait.
type timed struct {
	seen  atomic.Int64                // messages that came
	stall func(n int64) time.Duration // before the n-th answer
}

func (s *timed) serve(ctx context.Context, c *draftwire.Conn) error {
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		n := s.seen.Add(1)
		if s.stall != nil {
			if d := s.stall(n); d > 0 {
				select {
				case <-time.After(d):
				case <-ctx.Done():
				}
			}
		}
		if err := c.Write(ctx, m.Op, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// run measures that server, within a bubble.
func (s *timed) run(t *testing.T, ctx context.Context, o Options) *Report {
	t.Helper()
	l := memnet.Listen(64 << 10)
	srv := &draftwire.Server{WebSocket: s.serve}
	served := make(chan struct{})
	go func() { defer close(served); srv.Serve(l) }()
	o.URL = "ws://memory/"
	o.Op = draftwire.OpText
	o.Dial.NetDial = func(context.Context, string, string) (net.Conn, error) { return l.Dial() }
	o.Depth, o.Sizes = max(o.Depth, 1), []int{20}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	o.Mix = []Share{{draftwire.RFC6455, 1}}
	run := New(o)
	report, err := run.Measure(ctx)
	run.Close(draftwire.CodeNormal)
	srv.Close()
	<-served
	if err != nil || report == nil || len(report.Versions) != 1 {
		t.Fatalf("%v, %+v", err, report)
	}
	return report
}

// With a rate the number of messages is that of the rate, and each goes when it
// is due.
func TestRate(t *testing.T) {
	for _, o := range []Options{
		{Connections: 7, Rate: 100, Duration: 10 * time.Second},
		{Connections: 3, Rate: 100, Duration: 10 * time.Second, Depth: 4},
		{Connections: 7, Rate: 100, Messages: 1000},
		{Connections: 4, Rate: 100, Duration: 10 * time.Second, Warmup: 5 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, began := &timed{}, time.Now()
			r := s.run(t, t.Context(), o)
			if r.Total.Messages != 1000 || r.Total.Unsent != 0 || r.Total.Errors != 0 || r.Worst != NoFailure || r.Interrupted {
				t.Errorf("%+v: %+v", o, r)
			}
			if n := s.seen.Load(); n != 1000+int64(o.Warmup.Seconds()*100) {
				t.Errorf("the server saw %d messages", n)
			}
			if took, least := time.Since(began), 9980*time.Millisecond+o.Warmup; took < least || took > least+3*time.Second {
				t.Errorf("it took %s", took)
			}
			if r.Total.Max != 1 || r.Lasted != 10*time.Second || r.Total.MessagesPerS != 100 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A server that stalls for a second, once: with a rate all that was held up
// shows, without one a single message.
func TestShowsStalls(t *testing.T) {
	run := func(o Options) (r *Report) {
		synctest.Test(t, func(t *testing.T) {
			o.Connections = 1
			s := &timed{stall: func(n int64) time.Duration {
				if n == 500 {
					return time.Second
				}
				return time.Millisecond
			}}
			if r = s.run(t, t.Context(), o); r.Total.Messages != 1000 {
				t.Errorf("%+v", r)
			}
		})
		return r
	}
	about := func(us int64, want time.Duration) bool {
		return us >= want.Microseconds()*999/1000 && us <= want.Microseconds()*1001/1000
	}
	r := run(Options{Messages: 1000, Rate: 100})
	// 500 waits 1 s, and each after it 9 ms less: 11 of 1000 wait 900 ms or more.
	if !about(r.Total.P50, time.Millisecond) || !about(r.Total.Max, time.Second) || r.Total.P99 < 900_000 || r.Total.P90 < 90_000 {
		t.Errorf("with a rate: %+v", r.Total)
	}
	r = run(Options{Messages: 1000})
	if !about(r.Total.P999, time.Millisecond) || !about(r.Total.Max, time.Second) {
		t.Errorf("without: %+v", r.Total)
	}
}

// A server that stalls for good ends the run, and what could not be sent is told.
func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &timed{stall: func(n int64) time.Duration {
			if n > 5 {
				return time.Hour
			}
			return 0
		}}
		began := time.Now()
		r := s.run(t, t.Context(), Options{Connections: 1, Rate: 10, Duration: 2 * time.Second, Timeout: 5 * time.Second, Depth: 3})
		x := r.Total
		if x.Messages != 5 || x.Unanswered != 3 || x.Unsent != 12 || x.BrokenConnections != 1 || x.Errors != 1 || r.Worst != Failed {
			t.Errorf("%+v", r)
		}
		if len(x.Reasons) != 1 || x.Reasons[0] != (Reason{ErrLate.Error(), 1}) {
			t.Errorf("%v", x.Reasons)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %s", took)
		}
		if r.Lasted != 2*time.Second {
			t.Errorf("%+v", r)
		}
	})
}

// A run that is interrupted reports what came until then, and blames nobody for the rest.
func TestInterrupted(t *testing.T) {
	for _, rate := range []int{0, 100} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 1005*time.Millisecond)
			defer cancel()
			s := &timed{stall: func(int64) time.Duration { return 10 * time.Millisecond }}
			r := s.run(t, ctx, Options{Connections: 1, Rate: rate, Duration: time.Hour, Depth: 4})
			if !r.Interrupted || r.Total.Messages < 98 || r.Total.Messages > 101 || r.Total.Errors != 0 || r.Total.Unsent > 1 {
				t.Errorf("rate %d: %+v", rate, r)
			}
		})
	}
}

// A version of which no connection can be opened is an error, and after some failures the
// others are not tried.
func TestNoConnection(t *testing.T) {
	var dials atomic.Int64
	down := errors.New("down")
	r := New(Options{URL: "ws://memory/", Connections: 1000, Mix: []Share{{draftwire.RFC6455, 1}}, Sizes: []int{1},
		Dial: draftwire.DialOptions{NetDial: func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			return nil, down
		}}})
	if report, err := r.Measure(t.Context()); report != nil || !errors.Is(err, down) {
		t.Errorf("%v, %+v", err, report)
	}
	if n := dials.Load(); n < 16 || n > 16+maxDials {
		t.Errorf("%d dials", n)
	}
	if n := r.tallies[0].failed; n != 1000 {
		t.Errorf("%d failed", n)
	}
}
