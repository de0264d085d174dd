package load

import (
	"context"
	"math"
	"sync"
	"time"
)

// phase is a stretch of load: the warm-up, or what is measured.
type phase struct {
	start    time.Time
	length   time.Duration // 0: not bounded by time
	messages int           // in all; 0: not bounded by number
	rate     int
	timeout  time.Duration
	workers  []*worker
	ran      time.Duration

	over   context.Context // ends when nothing more is to be sent
	overAt time.Time       // when over ends; zero: not by time
}

// lateTimers is for messages that were due just before the end: a timer that fires late is
// no fault of the server.
const lateTimers = 100 * time.Millisecond

// newPhase plans a phase on the connections that are still open.
func (r *Run) newPhase(length time.Duration, messages int) *phase {
	p := &phase{length: length, messages: messages, rate: r.o.Rate, timeout: r.o.Timeout}
	if p.rate > 0 && p.messages == 0 {
		p.messages = dueWithin(length, p.rate)
	}
	for _, w := range r.workers {
		if w.conn.Context().Err() == nil {
			p.workers = append(p.workers, w)
		}
	}
	return p
}

// dueWithin is how many messages are due in the time d, the first of them at its beginning.
func dueWithin(d time.Duration, rate int) int {
	return int(min(math.Ceil(d.Seconds()*float64(rate)), math.MaxInt))
}

// run loads the server until the phase is over and every answer has come or is given up.
func (p *phase) run(ctx context.Context) {
	p.start = time.Now()
	p.over = ctx
	if p.length > 0 {
		p.overAt = p.start.Add(p.length)
		if p.rate > 0 {
			p.overAt = p.overAt.Add(lateTimers)
		}
		var cancel context.CancelFunc
		p.over, cancel = context.WithDeadline(ctx, p.overAt)
		defer cancel()
	}
	var working, watching sync.WaitGroup
	done := make(chan struct{})
	for i, w := range p.workers {
		w.prepare()
		working.Go(func() { w.work(ctx, p, i) })
	}
	watching.Go(func() { p.watch(done) })
	working.Wait()
	p.ran = time.Since(p.start)
	close(done)
	watching.Wait()
}

// watch cuts connections whose answer is late. A timer for each message would cost as much
// as the message.
func (p *phase) watch(done <-chan struct{}) {
	tick := time.NewTicker(max(min(p.timeout/8, time.Second), time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		now := time.Since(p.start)
		for _, w := range p.workers {
			if w.waiting(now) > p.timeout && !w.late.Swap(true) {
				w.conn.CloseNow()
			}
		}
	}
}

// due is when the k-th message of the i-th worker is to be sent; ok is false after the
// last one. The messages go round the workers.
func (p *phase) due(i, k int) (at time.Time, ok bool) {
	n := i + k*len(p.workers)
	if p.messages > 0 && n >= p.messages {
		return at, false
	}
	if p.rate == 0 {
		return p.start, true
	}
	return p.start.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second))), true
}

func (p *phase) ended(now time.Time) bool { return !p.overAt.IsZero() && !now.Before(p.overAt) }

// planned is how many messages the i-th worker should have sent by now.
func (p *phase) planned(i int, interrupted bool) int {
	all := p.messages
	switch {
	case interrupted && p.rate == 0:
		return 0
	case interrupted:
		all = min(all, dueWithin(p.ran, p.rate))
	}
	return max(0, all-i+len(p.workers)-1) / len(p.workers)
}

// lasted is the time that rates are told of. A run by number lasts until its last answer.
// With a rate each message has its share of a second, the last one too.
func (p *phase) lasted(last time.Duration) time.Duration {
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
