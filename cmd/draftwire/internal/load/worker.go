package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
)

// worker loads one connection.
type worker struct {
	o      *Options
	conn   *draftwire.Conn
	tally  *tally
	shard  *shard
	id     uint32
	filler []byte // of all connections
	buf    []byte // what is sent: a stamp, then filler
	next   uint64 // number of the message that is sent next
	wants  uint64 // number of the message whose answer comes next

	// Of one phase; the goroutine that watches it reads them.
	sent, answered atomic.Int64
	waitsFrom      atomic.Int64 // when the last answer came, or the first message after it was sent
	late           atomic.Bool
}

// prepare begins a phase.
func (w *worker) prepare() {
	w.sent.Store(0)
	w.answered.Store(0)
	w.waitsFrom.Store(0)
}

// waiting is how long the worker has waited for an answer.
func (w *worker) waiting(now time.Duration) time.Duration {
	if w.sent.Load() == w.answered.Load() {
		return 0
	}
	return now - time.Duration(w.waitsFrom.Load())
}

// maxInTurns is the largest message that is sent before its answer is read. A server may
// begin to answer a larger one before it has all of it: then both sides would write and
// neither would read.
const maxInTurns = 16 << 10

// work does the connection's part of a phase.
func (w *worker) work(ctx context.Context, p *phase, i int) {
	if w.o.Depth == 1 && w.o.Rate == 0 && len(w.buf) <= maxInTurns {
		w.takeTurns(ctx, p, i)
	} else {
		w.bothWays(ctx, p, i)
	}
	if ctx.Err() == nil && w.conn.Context().Err() != nil {
		err := context.Cause(w.conn.Context())
		if w.late.Load() {
			err = ErrLate
		}
		w.tally.addBroken(err)
	}
}

// takeTurns sends a message, waits for its answer, and so on.
func (w *worker) takeTurns(ctx context.Context, p *phase, i int) {
	for k := 0; ; k++ {
		now := time.Now()
		if _, ok := p.due(i, k); !ok || p.ended(now) || !w.send(ctx, p, now) {
			return
		}
		op, data, err := w.conn.Read(ctx)
		if err != nil {
			return
		}
		w.check(p, op, data, now)
	}
}

// flight has the messages that are under way on a connection.
type flight struct {
	slots chan struct{}  // one taken for each
	times chan time.Time // when each was due or sent: it is measured from there
}

// bothWays sends in one goroutine and reads in another. The one that reads does so all the
// time, so that pings are answered between messages.
func (w *worker) bothWays(ctx context.Context, p *phase, i int) {
	f := flight{make(chan struct{}, w.o.Depth), make(chan time.Time, w.o.Depth)}
	rctx, stop := context.WithCancel(ctx)
	var sending sync.WaitGroup
	sending.Go(func() {
		defer stop()
		w.sendAll(ctx, p, i, f)
		for range cap(f.slots) { // once all slots are taken every answer has come
			if !w.takeSlot(ctx, f) {
				return
			}
		}
	})
	for {
		op, data, err := w.conn.Read(rctx)
		if err != nil {
			break
		}
		select {
		case at := <-f.times:
			w.check(p, op, data, at)
			<-f.slots
		default: // an answer to no message
			w.shard.addWrong()
		}
	}
	sending.Wait()
}

// sendAll sends until the phase is over.
func (w *worker) sendAll(ctx context.Context, p *phase, i int, f flight) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for k := 0; ; k++ {
		at, ok := p.due(i, k)
		if !ok {
			return
		}
		if d := time.Until(at); p.rate > 0 && d > 0 {
			if !w.sleep(ctx, timer, d) {
				return
			}
			at = time.Now() // a timer may be 1 ms late, which is not the server's fault
		}
		if !w.takeSlot(p.over, f) {
			return
		}
		now := time.Now()
		if p.rate == 0 {
			at = now
		}
		if p.ended(now) {
			<-f.slots
			return
		}
		f.times <- at // has room for as many as there are slots
		if !w.send(ctx, p, now) {
			return
		}
	}
}

// sleep reports whether there is still something to do after it.
func (w *worker) sleep(ctx context.Context, timer *time.Timer, d time.Duration) bool {
	timer.Reset(d)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-w.conn.Context().Done():
	}
	return false
}

func (w *worker) takeSlot(ctx context.Context, f flight) bool {
	select {
	case f.slots <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-w.conn.Context().Done():
	}
	return false
}

// send sends the next message.
func (w *worker) send(ctx context.Context, p *phase, now time.Time) bool {
	if w.sent.Load() == w.answered.Load() {
		w.waitsFrom.Store(int64(now.Sub(p.start)))
	}
	w.sent.Add(1)
	msg := w.payload(w.next)
	w.next++
	return w.conn.Write(ctx, w.o.Op, msg) == nil
}

// check counts an answer, which is measured from at.
func (w *worker) check(p *phase, op draftwire.Op, data []byte, at time.Time) {
	now := time.Now()
	w.waitsFrom.Store(int64(now.Sub(p.start)))
	w.answered.Add(1)
	if op == w.o.Op && w.isNext(data) {
		w.shard.addRight(now.Sub(at), now.Sub(p.start), len(data))
	} else {
		w.shard.addWrong()
	}
	w.wants++
}
