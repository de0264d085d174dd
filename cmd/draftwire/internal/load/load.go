// Package load loads an echo server over many connections, in a mix of versions, and
// measures how long its answers take.
package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
)

// Options say what a run does.
type Options struct {
	URL         string
	Dial        draftwire.DialOptions // of every connection, all but the version
	Mix         []Share               // the versions, at least one
	Connections int                   // in all; each version of Mix gets at least one
	Messages    int                   // in all; 0: until Duration is over
	Duration    time.Duration         // 0: until Messages have been sent
	Rate        int                   // messages a second in all; 0: as fast as answers come
	Warmup      time.Duration         // of load before anything is measured; 0: none
	Sizes       []int                 // payloads in bytes, which take turns
	Depth       int                   // messages under way on a connection, at most
	Op          draftwire.Op          // of every message
	Timeout     time.Duration         // for an answer

	// Explain says why a connection failed, in words, and how bad that is. A report counts
	// failures by their words, so they should be the same for the same fault. nil takes
	// those of the error.
	Explain func(Failure) (text string, s Severity)
}

// Failure is a connection that could not be opened, or that ended while it was needed.
type Failure struct {
	Version draftwire.Version
	Opened  bool
	Err     error // of Dial; of an open connection ErrLate, or the cause of its end
}

// ErrLate is the failure of a connection that was cut as an answer did not come in time.
var ErrLate = errors.New("no answer in time")

// errNotTried is the failure of connections that are not worth trying.
var errNotTried = errors.New("not tried, as all others had failed")

// Severity is how bad a failure is. The worst one decides what a run has come to.
type Severity uint8

const (
	NoFailure Severity = iota
	Failed             // not opened, closed too early, answered late or wrongly
	Abnormal           // ended without a closing handshake
	Violation          // the peer broke the protocol
)

// Run is a run of load against a server.
type Run struct {
	o       Options
	tallies []*tally // in the order of Options.Mix
	stage   atomic.Pointer[stage]

	mu      sync.Mutex
	workers []*worker // one for each connection that was opened
}

// New prepares a run.
func New(o Options) *Run {
	if o.Explain == nil {
		o.Explain = func(f Failure) (string, Severity) { return f.Err.Error(), Failed }
	}
	r := &Run{o: o}
	for i, n := range spread(o.Mix, o.Connections) {
		r.tallies = append(r.tallies, newTally(o.Mix[i].Version, n, o.Explain))
	}
	r.enter(Connecting, 0)
	return r
}

// Measure opens the connections, loads the server and reports what it has measured. When
// ctx ends before anything was measured there is no report; when it ends later the report
// has what came until then. A version of which no connection could be opened is an error,
// which is that of its first Dial. The connections stay open.
func (r *Run) Measure(ctx context.Context) (*Report, error) {
	r.enter(Connecting, 0)
	if err := r.open(ctx); err != nil || ctx.Err() != nil {
		return nil, err
	}
	if r.o.Warmup > 0 {
		r.enter(WarmingUp, r.o.Warmup)
		r.newPhase(r.o.Warmup, 0).run(ctx)
		for _, t := range r.tallies {
			t.restart()
		}
		if ctx.Err() != nil {
			return nil, nil
		}
	}
	r.enter(Measuring, r.o.Duration)
	p := r.newPhase(r.o.Duration, r.o.Messages)
	p.run(ctx)
	return r.report(p, ctx.Err() != nil), nil
}

// Close closes all connections with a code and waits until they are closed. How that goes
// is not measured.
func (r *Run) Close(code draftwire.CloseCode) {
	var closing sync.WaitGroup
	for _, w := range r.workers {
		closing.Go(func() { w.conn.Close(code, "") })
	}
	closing.Wait()
}

// CloseNow cuts all connections. It may be called while Close waits.
func (r *Run) CloseNow() {
	for _, w := range r.workers {
		w.conn.CloseNow()
	}
}

// maxDials bounds the handshakes that are under way at a time.
const maxDials = 64

// open opens all connections.
func (r *Run) open(ctx context.Context) error {
	longest := 0
	for _, n := range r.o.Sizes {
		longest = max(longest, n)
	}
	filler := newFiller(longest)
	order := interleave(r.tallies)
	var next atomic.Int64
	var dialling sync.WaitGroup
	for range min(maxDials, len(order)) {
		dialling.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1) - 1)
				if i >= len(order) {
					return
				}
				r.openOne(ctx, i, r.tallies[order[i]], filler)
			}
		})
	}
	dialling.Wait()
	if ctx.Err() != nil {
		return nil
	}
	for _, t := range r.tallies {
		if t.opened == 0 {
			return t.firstErr
		}
	}
	return nil
}

// openOne opens the i-th connection.
func (r *Run) openOne(ctx context.Context, i int, t *tally, filler []byte) {
	if t.hopeless() {
		t.addFailed(errNotTried)
		return
	}
	d := r.o.Dial
	d.Version = t.version
	began := time.Now()
	conn, _, err := draftwire.Dial(ctx, r.o.URL, &d)
	if err != nil {
		if ctx.Err() == nil {
			t.addFailed(err)
		}
		return
	}
	t.addOpened(time.Since(began))
	w := &worker{o: &r.o, conn: conn, tally: t, shard: &t.shards[i%len(t.shards)], id: uint32(i), filler: filler}
	w.buf = append(w.buf, filler...)
	r.mu.Lock()
	r.workers = append(r.workers, w)
	r.mu.Unlock()
}
