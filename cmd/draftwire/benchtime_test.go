package main

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
)

// timed is a server in memory: within it time is fake, and passes only while
// all wait.
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

// run runs a bench with that server, within a bubble.
func (s *timed) run(t *testing.T, o benchOptions) (out benchJSON, said string, err error) {
	t.Helper()
	l := memnet.Listen(64 << 10)
	srv := &draftwire.Server{WebSocket: s.serve}
	served := make(chan struct{})
	go func() { defer close(served); srv.Serve(l) }()
	o.url, o.json, o.op = "ws://memory/", true, draftwire.OpText
	o.dial.NetDial = func(context.Context, string, string) (net.Conn, error) { return l.Dial() }
	o.depth, o.sizes = max(o.depth, 1), []int{20}
	if o.timeout == 0 {
		o.timeout = 10 * time.Second
	}
	o.mix = []share{{version: draftwire.RFC6455, weight: 1, conns: o.connections}}
	var text, talk strings.Builder
	err = runBench(t.Context(), o, stdio{strings.NewReader(""), &text, &talk}, nil)
	srv.Close()
	<-served
	parseBench(t, text.String(), &out)
	return out, talk.String(), err
}

// With a rate the number of messages is that of the rate, and each goes when it
// is due.
func TestBenchRate(t *testing.T) {
	for _, o := range []benchOptions{
		{connections: 7, rate: 100, duration: 10 * time.Second},
		{connections: 3, rate: 100, duration: 10 * time.Second, depth: 4},
		{connections: 7, rate: 100, messages: 1000},
		{connections: 4, rate: 100, duration: 10 * time.Second, warmup: 5 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, began := &timed{}, time.Now()
			out, said, err := s.run(t, o)
			if err != nil || said != "" || out.Total.Messages != 1000 || out.Total.Unsent != 0 || out.MeasuredBy != "due" {
				t.Errorf("%+v: %v, %q, %+v", o, err, said, out)
			}
			if n := s.seen.Load(); n != 1000+int64(o.warmup.Seconds()*100) {
				t.Errorf("the server saw %d messages", n)
			}
			if took, least := time.Since(began), 9980*time.Millisecond+o.warmup; took < least || took > least+3*time.Second {
				t.Errorf("it took %s", took)
			}
			if out.Total.Max != 1 || out.DurationS != 10 || out.Total.MessagesPerS != 100 {
				t.Errorf("%+v", out)
			}
		})
	}
}

// A server that stalls for a second, once: with a rate all that was held up
// shows, without one a single message.
func TestBenchShowsStalls(t *testing.T) {
	run := func(o benchOptions) (out benchJSON) {
		synctest.Test(t, func(t *testing.T) {
			o.connections = 1
			s := &timed{stall: func(n int64) time.Duration {
				if n == 500 {
					return time.Second
				}
				return time.Millisecond
			}}
			var err error
			if out, _, err = s.run(t, o); err != nil || out.Total.Messages != 1000 {
				t.Errorf("%v, %+v", err, out)
			}
		})
		return out
	}
	about := func(us int64, want time.Duration) bool {
		return us >= want.Microseconds()*999/1000 && us <= want.Microseconds()*1001/1000
	}
	out := run(benchOptions{messages: 1000, rate: 100})
	// 500 waits 1 s, and each behind it 9 ms less: 11 of 1000 wait 900 ms or more.
	if !about(out.Total.P50, time.Millisecond) || !about(out.Total.Max, time.Second) || out.Total.P99 < 900_000 || out.Total.P90 < 90_000 {
		t.Errorf("with a rate: %+v", out.Total)
	}
	out = run(benchOptions{messages: 1000})
	if !about(out.Total.P999, time.Millisecond) || !about(out.Total.Max, time.Second) || out.MeasuredBy != "sent" {
		t.Errorf("without: %+v", out.Total)
	}
}

// A server that stalls for good ends the run, and what could not go is told.
func TestBenchGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &timed{stall: func(n int64) time.Duration {
			if n > 5 {
				return time.Hour
			}
			return 0
		}}
		began := time.Now()
		out, said, err := s.run(t, benchOptions{connections: 1, rate: 10, duration: 2 * time.Second, timeout: 5 * time.Second, depth: 3})
		r := out.Total
		if err == nil || r.Messages != 5 || r.Unanswered != 3 || r.Unsent != 12 || r.BrokenConnections != 1 || r.Errors != 1 {
			t.Errorf("%v, %+v", err, r)
		}
		if !strings.Contains(said, "no answer within 5s") || !strings.Contains(said, "12 messages were due and not sent") {
			t.Errorf("%q", said)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %s", took)
		}
		if out.DurationS != 2 {
			t.Errorf("%+v", out)
		}
	})
}

func TestBenchProgress(t *testing.T) {
	b := &bench{tallies: []*tally{newTally(share{version: draftwire.RFC6455, conns: 2})}}
	now := time.Now()
	v := b.tallies[0]
	v.hasOpened(time.Millisecond)
	step := func(name string, length, after time.Duration, before int64, want string) int64 {
		t.Helper()
		b.stage.Store(&stage{name, now, length})
		line, answers := b.progressLine(now.Add(after), before)
		if line != want {
			t.Errorf("got %q, want %q", line, want)
		}
		return answers
	}
	step("connecting", 0, time.Second, 0, "connecting, 1s  1 connections  0 errors")
	for range 5 {
		v.shards[0].right(time.Millisecond, 0, 1)
	}
	before := step("warming up", time.Minute, 1100*time.Millisecond, 0, "warming up, 1s of 1m0s  5 msgs/s  0 errors")
	v.restart()
	v.shards[0].mistaken()
	v.shards[0].right(time.Millisecond, 0, 1)
	v.hasBroken(io.EOF)
	before = step("", 10*time.Second, 3*time.Second, before, "3s of 10s  1 msgs/s  2 errors")
	v.shards[0].right(time.Millisecond, 0, 1)
	step("", 10*time.Second, 4*time.Second, before, "4s of 10s  1 msgs/s  2 errors")

	w, tick := newStream(), make(chan time.Time)
	stop := b.showProgress(w, tick)
	tick <- now
	tick <- now
	stop()
	if got := w.String(); strings.Count(got, "\r") != 3 || !strings.HasSuffix(got, "errors\x1b[K\r\x1b[K") || strings.Contains(got, "\n") {
		t.Errorf("%q", got)
	}
}
