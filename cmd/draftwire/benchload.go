package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
)

// loader is one connection and what it is loaded with.
type loader struct {
	o      *benchOptions
	conn   *draftwire.Conn
	tally  *tally
	shard  *shard
	id     uint32
	filler []byte // of all connections
	buf    []byte // what is sent: a stamp, then filler
	next   uint64 // number of the message that goes next
	wants  uint64 // number of the message whose answer comes next

	// Of one lap; the watch looks at them.
	sent, answered atomic.Int64
	moved          atomic.Int64 // when the last answer came or the oldest one began to be owed
	late           atomic.Bool
}

// stampLen is the part of a payload by which it is told from all others: the
// message's number and the connection's, as far as they fit.
const stampLen = 16 + 8

func writeStamp(p []byte, number uint64, id uint32) {
	const digits = "0123456789abcdef" // the lowest first: they fit into the shortest payload
	for i := range min(len(p), stampLen) {
		if i < 16 {
			p[i] = digits[number>>(4*i)&15]
		} else {
			p[i] = digits[id>>(4*(i-16))&15]
		}
	}
}

// newFiller makes text that compresses about as JSON does.
func newFiller(size int) []byte {
	const most = 64 << 10 // more than any compression looks back
	r := rand.New(rand.NewPCG(1, 2))
	var block []byte
	for len(block) < min(size, most) {
		block = fmt.Appendf(block, `{"id":%d,"name":"sensor-%03d","value":%.3f,"ok":%t},`, r.Uint32(), r.IntN(1000), r.NormFloat64(), r.IntN(8) > 0)
	}
	out := make([]byte, 0, size)
	for len(out) < size {
		out = append(out, block[:min(len(block), size-len(out))]...)
	}
	return out
}

func (l *loader) sizeOf(number uint64) int { return l.o.sizes[number%uint64(len(l.o.sizes))] }

// prepare begins a lap.
func (l *loader) prepare() {
	l.sent.Store(0)
	l.answered.Store(0)
	l.moved.Store(0)
}

// owes is how long the server has owed an answer.
func (l *loader) owes(now time.Duration) time.Duration {
	if l.sent.Load() == l.answered.Load() {
		return 0
	}
	return now - time.Duration(l.moved.Load())
}

// twoWayMost is the largest message that is sent before its answer is read. A
// server may begin to answer a larger one before it has all of it: then both
// would write and nobody read.
const twoWayMost = 16 << 10

// work does the connection's part of a lap.
func (l *loader) work(ctx context.Context, p *lap, i int) {
	if l.o.depth == 1 && l.o.rate == 0 && len(l.buf) <= twoWayMost {
		l.takeTurns(ctx, p, i)
	} else {
		l.bothWays(ctx, p, i)
	}
	if ctx.Err() == nil && l.conn.Context().Err() != nil {
		l.tally.hasBroken(l.ending())
	}
}

// takeTurns sends a message, waits for its answer, and so on.
func (l *loader) takeTurns(ctx context.Context, p *lap, i int) {
	for k := 0; ; k++ {
		now := time.Now()
		if _, ok := p.due(i, k); !ok || p.ended(now) || !l.send(ctx, p, now) {
			return
		}
		op, data, err := l.conn.Read(ctx)
		if err != nil {
			return
		}
		l.judge(p, op, data, now)
	}
}

// flight are the messages under way on a connection.
type flight struct {
	slots chan struct{}  // one taken for each
	times chan time.Time // from when on each is measured
}

// bothWays sends in one goroutine and reads in another. It reads all the time:
// pings are answered between messages.
func (l *loader) bothWays(ctx context.Context, p *lap, i int) {
	f := flight{make(chan struct{}, l.o.depth), make(chan time.Time, l.o.depth)}
	rctx, stop := context.WithCancel(ctx)
	var sending sync.WaitGroup
	sending.Go(func() {
		defer stop()
		l.sendAll(ctx, p, i, f)
		for range cap(f.slots) { // with all of them in hand every answer has come
			if !l.takeSlot(ctx, f) {
				return
			}
		}
	})
	for {
		op, data, err := l.conn.Read(rctx)
		if err != nil {
			break
		}
		select {
		case at := <-f.times:
			l.judge(p, op, data, at)
			<-f.slots
		default: // nobody asked
			l.shard.mistaken()
		}
	}
	sending.Wait()
}

// sendAll sends until the lap is over.
func (l *loader) sendAll(ctx context.Context, p *lap, i int, f flight) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for k := 0; ; k++ {
		at, ok := p.due(i, k)
		if !ok {
			return
		}
		if d := time.Until(at); p.rate > 0 && d > 0 {
			if !l.sleep(ctx, timer, d) {
				return
			}
			at = time.Now() // the server has no part in a timer's delay, of up to 1 ms
		}
		if !l.takeSlot(p.over, f) {
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
		if !l.send(ctx, p, now) {
			return
		}
	}
}

// sleep reports whether there is still something to do after it.
func (l *loader) sleep(ctx context.Context, timer *time.Timer, d time.Duration) bool {
	timer.Reset(d)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-l.conn.Context().Done():
	}
	return false
}

func (l *loader) takeSlot(ctx context.Context, f flight) bool {
	select {
	case f.slots <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-l.conn.Context().Done():
	}
	return false
}

// send sends the next message.
func (l *loader) send(ctx context.Context, p *lap, now time.Time) bool {
	if l.sent.Load() == l.answered.Load() {
		l.moved.Store(int64(now.Sub(p.start)))
	}
	l.sent.Add(1)
	msg := l.buf[:l.sizeOf(l.next)]
	writeStamp(msg, l.next, l.id)
	l.next++
	return l.conn.Write(ctx, l.o.op, msg) == nil
}

// judge counts an answer. at is from when on it is measured.
func (l *loader) judge(p *lap, op draftwire.Op, data []byte, at time.Time) {
	now := time.Now()
	l.moved.Store(int64(now.Sub(p.start)))
	l.answered.Add(1)
	if op == l.o.op && l.isNext(data) {
		l.shard.right(now.Sub(at), now.Sub(p.start), len(data))
	} else {
		l.shard.mistaken()
	}
	l.wants++
}

// isNext reports whether an answer is the message that is to come back next.
func (l *loader) isNext(data []byte) bool {
	size := l.sizeOf(l.wants)
	if len(data) != size {
		return false
	}
	n := min(size, stampLen)
	var want [stampLen]byte
	writeStamp(want[:], l.wants, l.id)
	return bytes.Equal(data[:n], want[:n]) && bytes.Equal(data[n:], l.filler[n:size])
}

// ending is why the connection has ended before its time.
func (l *loader) ending() error {
	cause := context.Cause(l.conn.Context())
	code, reason := ending(l.conn.Version(), cause)
	if l.late.Load() {
		return fmt.Errorf("no answer within %s", l.o.timeout)
	}
	if errors.Is(cause, draftwire.ErrTooBig) {
		return errors.New("an answer is larger than any message")
	}
	if err := broken(cause, code); err != nil {
		return err
	}
	return errors.New(strings.TrimSpace(fmt.Sprintf("the server closed: %d %s", code, visible(reason))))
}
