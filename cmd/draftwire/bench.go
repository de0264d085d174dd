package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
)

// bench is a run of load against a server.
type bench struct {
	o       benchOptions
	tallies []*tally // in the order of the mix
	stage   atomic.Pointer[stage]

	mu      sync.Mutex
	loaders []*loader // open connections
}

// runBench opens the connections, loads the server, prints what was measured
// and closes.
func runBench(ctx context.Context, o benchOptions, std stdio, signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-signals:
			cancel(errInterrupted)
		case <-ctx.Done():
		}
	}()
	b := &bench{o: o}
	for _, s := range o.mix {
		b.tallies = append(b.tallies, newTally(s))
	}
	p, err := b.load(ctx, std)
	interrupted := ctx.Err() != nil
	cancel(nil) // the next signal is for close
	defer b.close(interrupted, signals)
	if err != nil {
		return err
	}
	if p == nil {
		return &exitError{code: exitInterrupted} // before anything was measured
	}
	r := b.report(p, interrupted)
	if err := r.write(std.out, o); err != nil {
		return err
	}
	if !o.quiet {
		r.comment(std.err)
	}
	return r.verdict(o)
}

// load opens the connections and runs the laps. It returns the one that was
// measured, nil if it was interrupted before.
func (b *bench) load(ctx context.Context, std stdio) (*lap, error) {
	if !b.o.quiet && isTerminal(std.err) {
		tick := time.NewTicker(time.Second)
		defer b.showProgress(std.err, tick.C)()
		defer tick.Stop()
	}
	b.enter("connecting", 0)
	if err := b.open(ctx); err != nil || ctx.Err() != nil {
		return nil, err
	}
	if b.o.warmup > 0 {
		b.enter("warming up", b.o.warmup)
		b.newLap(b.o.warmup, 0).run(ctx)
		for _, t := range b.tallies {
			t.restart()
		}
		if ctx.Err() != nil {
			return nil, nil
		}
	}
	b.enter("", b.o.duration)
	p := b.newLap(b.o.duration, b.o.messages)
	p.run(ctx)
	return p, nil
}

// dialsAtOnce bounds the handshakes that are under way.
const dialsAtOnce = 64

var errNotTried = errors.New("not tried, as all others had failed")

// open opens all connections. A version without any is an error.
func (b *bench) open(ctx context.Context) error {
	longest := 0
	for _, n := range b.o.sizes {
		longest = max(longest, n)
	}
	filler := newFiller(longest)
	order := interleave(b.o.mix)
	var next atomic.Int64
	var dialling sync.WaitGroup
	for range min(dialsAtOnce, len(order)) {
		dialling.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1) - 1)
				if i >= len(order) {
					return
				}
				b.openOne(ctx, i, b.tallies[order[i]], filler)
			}
		})
	}
	dialling.Wait()
	if ctx.Err() != nil {
		return nil
	}
	for _, t := range b.tallies {
		if t.opened == 0 {
			return t.firstFail
		}
	}
	return nil
}

func (b *bench) openOne(ctx context.Context, i int, t *tally, filler []byte) {
	if t.hopeless() {
		t.hasFailed(errNotTried)
		return
	}
	d := b.o.dial
	d.Version = t.version
	began := time.Now()
	conn, _, err := draftwire.Dial(ctx, b.o.url, &d)
	if err != nil {
		if ctx.Err() == nil {
			t.hasFailed(err)
		}
		return
	}
	t.hasOpened(time.Since(began))
	l := &loader{o: &b.o, conn: conn, tally: t, shard: &t.shards[i%len(t.shards)], id: uint32(i), filler: filler}
	l.buf = append(l.buf, filler...)
	b.mu.Lock()
	b.loaders = append(b.loaders, l)
	b.mu.Unlock()
}

// close closes all connections in order; a signal cuts them.
func (b *bench) close(interrupted bool, signals <-chan os.Signal) {
	code := draftwire.CodeNormal
	if interrupted {
		code = draftwire.CodeGoingAway
	}
	var closing sync.WaitGroup
	for _, l := range b.loaders {
		closing.Go(func() { l.conn.Close(code, "") }) // how that goes is not measured
	}
	done := make(chan struct{})
	go func() {
		closing.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-signals:
		for _, l := range b.loaders {
			l.conn.CloseNow()
		}
		<-done
	}
}
