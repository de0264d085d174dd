package main

import (
	"context"
	"math"
	"sync"
	"time"
)

// lap is a stretch of load: the warm-up, or what is measured.
type lap struct {
	start    time.Time
	length   time.Duration // 0: no end by time
	messages int           // in all; 0: no end by number
	rate     int
	live     []*loader
	ran      time.Duration

	over    context.Context // has ended when nothing is to be sent any more
	overAt  time.Time       // the same; zero: no end by time
	timeout time.Duration
}

// overGrace is for messages that were due just before the end: a timer that
// fires late is no fault of the server.
const overGrace = 100 * time.Millisecond

// newLap plans a lap on the connections that are still open.
func (b *bench) newLap(length time.Duration, messages int) *lap {
	p := &lap{length: length, messages: messages, rate: b.o.rate, timeout: b.o.timeout}
	if p.rate > 0 && p.messages == 0 {
		p.messages = dueWithin(length, p.rate)
	}
	for _, l := range b.loaders {
		if l.conn.Context().Err() == nil {
			p.live = append(p.live, l)
		}
	}
	return p
}

// dueWithin is how many messages are due in the time: the first at its
// beginning.
func dueWithin(d time.Duration, rate int) int {
	return int(min(math.Ceil(d.Seconds()*float64(rate)), math.MaxInt))
}

// run loads the server until the lap is over and every answer has come or is
// given up.
func (p *lap) run(ctx context.Context) {
	p.start, p.over = time.Now(), ctx
	if p.length > 0 {
		p.overAt = p.start.Add(p.length)
		if p.rate > 0 {
			p.overAt = p.overAt.Add(overGrace)
		}
		var cancel context.CancelFunc
		p.over, cancel = context.WithDeadline(ctx, p.overAt)
		defer cancel()
	}
	var working, watching sync.WaitGroup
	done := make(chan struct{})
	for i, l := range p.live {
		l.prepare()
		working.Go(func() { l.work(ctx, p, i) })
	}
	watching.Go(func() { p.watch(done) })
	working.Wait()
	p.ran = time.Since(p.start)
	close(done)
	watching.Wait()
}

// watch cuts the connections that owe an answer for too long. A timer for each
// message would cost as much as the message.
func (p *lap) watch(done <-chan struct{}) {
	tick := time.NewTicker(max(min(p.timeout/8, time.Second), time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		now := time.Since(p.start)
		for _, l := range p.live {
			if l.owes(now) > p.timeout && l.late.CompareAndSwap(false, true) {
				l.conn.CloseNow()
			}
		}
	}
}

// due is when the k-th message of the i-th connection is to go; ok is false
// behind the last. The messages go round the connections.
func (p *lap) due(i, k int) (at time.Time, ok bool) {
	n := i + k*len(p.live)
	if p.messages > 0 && n >= p.messages {
		return at, false
	}
	if p.rate == 0 {
		return p.start, true
	}
	return p.start.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second))), true
}

func (p *lap) ended(now time.Time) bool { return !p.overAt.IsZero() && !now.Before(p.overAt) }

// planned is how many messages the i-th connection should have sent by now.
func (p *lap) planned(i int, interrupted bool) int {
	all := p.messages
	switch {
	case interrupted && p.rate == 0:
		return 0
	case interrupted:
		all = min(all, dueWithin(p.ran, p.rate))
	}
	return max(0, all-i+len(p.live)-1) / len(p.live)
}

// lasted is the time that rates are told of. A run by number ends with its last
// answer, which came at last; with a rate, each message has its share of a
// second, the last one too.
func (p *lap) lasted(last time.Duration) time.Duration {
	switch {
	case p.rate > 0:
		each := float64(time.Second) / float64(p.rate)
		last = max(last, min(time.Duration(each*float64(p.messages)), p.ran+time.Duration(each)))
	case p.length > 0:
		last = max(last, min(p.length, p.ran))
	}
	if last == 0 {
		return p.ran
	}
	return last
}
