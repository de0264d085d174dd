package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/compare"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// mirrored is a session that is mirrored. The goroutines of the session give it what both sides say
// (part), how the session ends (ending) and that it is over, and wait for nothing. Two goroutines of
// its own do the rest: one sends what the client says to the mirror, and one reads the mirror.
//
// What is compared is what the client gets of the backend with what it would get of the mirror. So
// the parts of both go through a relay of their own each, which translates them by the rules of the
// session's relay; at its other end stands a listener in place of the client.
type mirrored struct {
	s    *Session
	m    *mirror
	r    *relay // the session's
	kind string // of the client
	wake chan struct{}

	off     atomic.Bool   // nothing is taken any more
	unheard atomic.Uint64 // answers of the backend that came then

	mu      sync.Mutex
	batch   mirrorBatch
	taken   int // bytes of batches that are under way
	overrun bool
	outcome *outcome // nil while both sides of the session are open
	isOver  bool

	peer *socket // nil until it is open

	// Of the two goroutines.
	toMirror    direction
	fromMirror  direction
	fromBackend direction
	spare       mirrorBatch
	heard       chan struct{} // closed when the mirror says nothing more
	heardErr    error         // why, then
	sendErr     error         // why nothing more is sent
	unsayable   bool          // the mirror's version has no binary messages, and the client's has
	waiting     atomic.Int64  // bytes of answers of the backend that wait for those of the mirror

	pairing  sync.Mutex
	pairs    compare.Pairs
	room     sync.Cond    // in pairs, for answers of the mirror
	stopping bool         // what the mirror says is discarded
	found    usage.Mirror // that was not told yet
}

// mirrorBatch are parts that wait for the mirror, with their bytes one behind the other.
type mirrorBatch struct {
	parts []mirrorPart
	bytes []byte
}

// mirrorPart is a part of a message of one side.
type mirrorPart struct {
	op                           draftwire.Op
	fromBackend                  bool
	first, last, frame, repaired bool
	size                         int
}

// Sizes that count beside payload.
const (
	mirrorPartSize   = 48
	mirrorAnswerSize = 128
	keptBatch        = 16 << 10 // bytes of a buffer that is kept while nothing waits
)

// mirrorAhead is how many answers of a mirror may wait for those of the backend. It is not read while there are more.
const mirrorAhead = 64

func (b *mirrorBatch) size() int { return len(b.bytes) + mirrorPartSize*len(b.parts) }

// reset empties b.
func (b *mirrorBatch) reset() {
	if cap(b.bytes) > keptBatch {
		b.bytes = nil
	}
	if cap(b.parts)*mirrorPartSize > keptBatch {
		b.parts = nil
	}
	b.parts, b.bytes = b.parts[:0], b.bytes[:0]
}

// beginMirror begins to mirror a session, whose relay is r, unless it is not chosen or there is no place for
// it; then it returns nil.
func (s *Session) beginMirror(r *relay, m *mirror) *mirrored {
	if m.Sample < 100 && rand.IntN(100) >= m.Sample || s.g.ctx.Err() != nil {
		return nil
	}
	x := &mirrored{s: s, m: m, r: r, kind: usage.AgentName(s.handshake.Field("User-Agent")), wake: make(chan struct{}, 1), heard: make(chan struct{})}
	if n := m.open.Add(1); n > int64(m.most()) || !m.backend.available(time.Now()) {
		m.open.Add(-1)
		x.tell(usage.Mirror{Skipped: 1})
		return nil
	}
	x.room.L = &x.pairing
	s.g.working.Go(func() {
		defer m.open.Add(-1)
		x.run()
	})
	return x
}

// part takes a part of what a side of the session says. It keeps nothing of p.
func (x *mirrored) part(fromBackend bool, p draftwire.Part) {
	if (x.off.Load() || !x.takes(fromBackend, p)) && fromBackend && p.Last {
		x.unheard.Add(1)
	}
}

// takes puts a part into the batch. It is false where nothing is taken any more.
func (x *mirrored) takes(fromBackend bool, p draftwire.Part) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.off.Load() {
		return false
	}
	if x.batch.size()+x.taken+int(x.waiting.Load())+len(p.Data)+mirrorPartSize > int(x.m.Queue) {
		x.overrun = true
		x.stop()
		if x.peer != nil && x.taken > 0 { // a write may wait for it
			x.s.g.working.Go(x.peer.cut)
		}
		return false
	}
	x.batch.bytes = append(x.batch.bytes, p.Data...)
	x.batch.parts = append(x.batch.parts, mirrorPart{p.Op, fromBackend, p.First, p.Last, p.FrameEnd, p.Repaired, len(p.Data)})
	if len(x.batch.parts) == 1 {
		x.signal()
	}
	return true
}

// stop takes nothing any more. The caller holds x.mu.
func (x *mirrored) stop() {
	x.off.Store(true)
	for i := range x.batch.parts {
		if p := &x.batch.parts[i]; p.fromBackend && p.last {
			x.unheard.Add(1)
		}
	}
	x.batch = mirrorBatch{}
	x.signal()
}

// signal wakes the goroutine that sends.
func (x *mirrored) signal() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// ending is told how the session ends. Behind it the other side may still say something.
func (x *mirrored) ending(o *outcome) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.outcome = o
	x.signal()
}

// over is told that both sides of the session have ended.
func (x *mirrored) over() {
	x.mu.Lock()
	x.isOver = true
	x.signal()
	x.mu.Unlock()
	x.tellUnheard()
}

// tellUnheard counts answers of the backend that have come when nothing was compared any more.
func (x *mirrored) tellUnheard() {
	if x.off.Load() {
		if n := x.unheard.Swap(0); n > 0 {
			x.tell(usage.Mirror{Unknown: n})
		}
	}
}

// tell counts what was found.
func (x *mirrored) tell(found usage.Mirror) {
	x.m.count(x.kind, found)
	if f := x.s.g.hooks.Mirrored; f != nil {
		f(x.s, found)
	}
}

// run opens the connection to the mirror, and compares until the session or the mirror has ended.
func (x *mirrored) run() {
	err := x.open()
	if err != nil {
		x.unopened(err)
	} else {
		x.listenTo()
		x.found.Opened++
		stop := context.AfterFunc(x.s.g.ctx, x.peer.cut)
		var listening sync.WaitGroup
		listening.Go(x.listen)
		x.follow()
		x.pairing.Lock()
		x.pairs.End(compare.NotCompared, compare.NotCompared) // where the gateway ends before it is settled
		x.stopping = true
		x.room.Broadcast()
		x.pairing.Unlock()
		x.close()
		listening.Wait()
		stop()
	}
	x.mu.Lock()
	x.stop()
	x.mu.Unlock()
	x.tellFound()
	x.tellUnheard()
}

// open opens the connection to the mirror, with the request that the backend has got.
func (x *mirrored) open() error {
	s, b := x.s, x.m.backend
	v, err := s.mirrorVisit(b)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(forClient(s.g.accepting, v.remote), s.route.DialTimeout.timeout())
	defer cancel()
	p, _, err := b.openWith(v, func(o *draftwire.DialOptions) (*draftwire.Conn, wire.Fields, error) { return b.dial(ctx, s.g.dial, o) })
	if err != nil {
		return err
	}
	peer := p.(*socket)
	x.m.accepted(s)
	if back, ok := s.peer.(*socket); ok && back.Subprotocol() != peer.Subprotocol() {
		peer.closeWrite(draftwire.CodeGoingAway, "")
		peer.cut()
		return wire.NewHandshakeError(b.version, wire.ReasonProtocol, fmt.Sprintf("the mirror chose the subprotocol %.80q, and the backend %.80q", peer.Subprotocol(), back.Subprotocol()))
	}
	x.mu.Lock()
	x.peer = peer
	x.mu.Unlock()
	return nil
}

// mirrorVisit is visit for a mirror.
func (s *Session) mirrorVisit(b *backend) (*visit, error) {
	if oneProtocol(b.version) && len(offered(s.handshake)) > 1 && slices.Contains(s.route.Policy.Fatal, LossProtocols) {
		return nil, wire.NewHandshakeError(b.version, wire.ReasonProtocol, "the mirror's version can offer only one subprotocol, and the policy makes that loss fatal")
	}
	v, err := s.visit(b)
	if err != nil {
		return nil, err
	}
	if s.route.Forwarded != forwardedNone && !s.route.replaced[fieldKey(mirrorField)] {
		v.fields = append(v.fields, wire.Field{Name: mirrorField, Value: "1"})
	}
	return v, nil
}

// accepted notes that the mirror has accepted a client.
func (m *mirror) accepted(s *Session) {
	m.backend.until.Store(0)
	m.tried.Store(true)
	if m.failing.Swap(false) {
		m.tellUp(s, nil)
	}
}

func (m *mirror) tellUp(s *Session, err error) {
	if f := s.g.hooks.MirrorUp; f != nil {
		f(s.Route, m.backend.name, err == nil, err)
	}
}

// unopened counts a connection that could not be opened, because of err. After a failure the mirror
// rests, as a backend does; a refusal may be for one client alone, but the first is told of.
func (x *mirrored) unopened(err error) {
	whose := ownerOf(err)
	if x.s.g.accepting.Err() != nil {
		return // the gateway ends
	}
	b := x.m.backend
	b.failed(err)
	first := !x.m.tried.Swap(true)
	if whose == ofClient {
		x.found.Refused++
	} else {
		x.found.Failed++
		b.rest(time.Duration(x.s.route.Health.Cooldown))
	}
	if (whose != ofClient || first) && !x.m.failing.Swap(true) {
		x.m.tellUp(x.s, err)
	}
}

// listenTo makes the relays for what both servers say.
func (x *mirrored) listenTo() {
	s, r := x.s, x.r
	policy := *r.policy
	policy.Fragments = "stream" // messages are compared, and not their frames
	relayTo := func(back receiver, take func(compare.Message), policy *Policy) *relay {
		client := &listener{of: s.Version(), take: take}
		client.Rules, client.Most, client.Keep = x.m.rules, int(x.m.Message), mirrorShown
		return &relay{client: client, backend: back, policy: policy, binary: r.binary, back: r.back, counter: noCounter{}}
	}
	x.toMirror = direction{r: relayTo(x.peer, nil, r.policy)}
	x.fromMirror = direction{r: relayTo(x.peer, x.got, &policy), fromBackend: true}
	x.fromBackend = direction{r: relayTo(speaker{of: s.peer.version()}, x.want, &policy), fromBackend: true}
	has := func(p receiver) bool { return p.version().Supports(draftwire.CapBinary) }
	x.unsayable = !has(x.peer) && has(s.client) && !(r.binary != nil && r.back)
	x.pairs.Wait, x.pairs.Tell = time.Duration(x.m.Wait), x.verdict
}

// want takes an answer of the backend, as the client gets it.
func (x *mirrored) want(a compare.Message) {
	x.pairing.Lock()
	defer x.pairing.Unlock()
	if x.unsayable && a.Op == draftwire.OpBinary {
		x.found.Unknown++
		return
	}
	x.waiting.Add(int64(len(a.Shown) + mirrorAnswerSize))
	x.pairs.Want(a)
}

// got takes an answer of the mirror, and waits while too many wait for those of the backend.
func (x *mirrored) got(a compare.Message) {
	x.pairing.Lock()
	defer x.pairing.Unlock()
	if x.stopping {
		return
	}
	x.pairs.Got(a)
	for {
		if _, ahead := x.pairs.Waiting(); ahead < mirrorAhead || x.stopping {
			return
		}
		x.signal() // so that Pass is called when it is time
		x.room.Wait()
	}
}

// verdict counts what was found about an answer. The caller holds x.pairing.
func (x *mirrored) verdict(v compare.Verdict, want, got *compare.Message) {
	if want != nil {
		x.waiting.Add(-int64(len(want.Shown) + mirrorAnswerSize))
	}
	if got != nil {
		x.room.Signal()
	}
	switch v {
	case compare.Equal:
		x.found.Equal++
		return
	case compare.NotCompared:
		x.found.Unknown++
		return
	case compare.Different:
		x.found.Differed++
	case compare.Missing:
		x.found.Missing++
	case compare.More:
		x.found.More++
	}
	x.m.differs(x.kind, x.s.Version(), v, want, got)
}

// listen reads the mirror until it ends.
func (x *mirrored) listen() {
	defer close(x.heard)
	defer x.fromMirror.free()
	for discarded := 0; ; {
		p, err := x.peer.read()
		if err == nil {
			err = x.fromMirror.pass(p, false)
		}
		if x.isStopping() {
			if discarded += len(p.Data); discarded > mirrorDiscarded {
				x.peer.cut()
			}
		}
		if err != nil {
			x.heardErr = err
			return
		}
	}
}

// mirrorDiscarded is how many bytes of a mirror are read and discarded until it answers a close.
const mirrorDiscarded = 1 << 20

func (x *mirrored) isStopping() bool {
	x.pairing.Lock()
	defer x.pairing.Unlock()
	return x.stopping
}

// mirrorTell is how long what was found may wait to be told.
const mirrorTell = time.Second

// follow sends what the client says to the mirror, and takes what the backend says, until the session is over and
// compared, or the mirror has ended, or was too slow.
func (x *mirrored) follow() {
	timer := time.NewTimer(mirrorTell)
	defer timer.Stop()
	heard, told := x.heard, time.Now()
	var endedAt time.Time // of the mirror
	for {
		batch, state := x.take()
		x.send(&batch, endedAt.IsZero())
		now := time.Now()
		next := endedAt.Add(x.pairs.Wait)
		if endedAt.IsZero() { // otherwise what has no counterpart is judged when it is known how the session ends
			x.pairing.Lock()
			next = x.pairs.Pass(now)
			x.pairing.Unlock()
		}
		if now.Sub(told) >= mirrorTell {
			told = now
			x.tellFound()
		}
		if x.settled(state, endedAt, now) {
			return
		}
		if !endedAt.IsZero() && state.outcome != nil {
			next = time.Time{} // until it is over
		}
		if soon := told.Add(mirrorTell); x.hasFound() && (next.IsZero() || soon.Before(next)) {
			next = soon
		}
		timer.Stop()
		if !next.IsZero() {
			timer.Reset(max(time.Until(next), 0))
		}
		select {
		case <-x.wake:
		case <-heard:
			heard, endedAt = nil, time.Now()
		case <-timer.C:
		case <-x.s.g.ctx.Done():
			return
		}
	}
}

// sessionState is what take has seen of the session.
type sessionState struct {
	overrun, isOver bool
	outcome         *outcome
}

// take returns what waits for the mirror.
func (x *mirrored) take() (mirrorBatch, sessionState) {
	x.mu.Lock()
	defer x.mu.Unlock()
	b := x.batch
	x.batch, x.spare = x.spare, mirrorBatch{}
	x.taken = b.size()
	return b, sessionState{x.overrun, x.isOver, x.outcome}
}

// send sends the client's parts of a batch to the mirror, where that is open, and takes the backend's.
func (x *mirrored) send(b *mirrorBatch, open bool) {
	at := 0
	var failed error
	for i := range b.parts {
		p := &b.parts[i]
		part := draftwire.Part{Op: p.op, Data: b.bytes[at : at+p.size : at+p.size], First: p.first, Last: p.last, FrameEnd: p.frame, Repaired: p.repaired}
		at += p.size
		switch {
		case p.fromBackend:
			x.fromBackend.pass(part, false) // an error is the session's own, which ends by it
		case open && failed == nil:
			if failed = x.toMirror.pass(part, true); failed == nil {
				failed = x.checkGathered()
			}
		}
	}
	if open && failed == nil {
		failed = x.toMirror.to().flush()
	}
	if failed != nil {
		x.sendErr = failed
		x.peer.cut() // listen notices
	}
	b.reset()
	x.mu.Lock()
	x.spare, x.taken = *b, 0
	x.mu.Unlock()
}

var errGathered = errors.New("gateway: a message that is gathered for the mirror is longer than its queue")

// checkGathered fails where a message that is gathered for the mirror is longer than all that may
// wait for it.
func (x *mirrored) checkGathered() error {
	rest := x.toMirror.rest
	if rest == nil || rest.gathered == nil || len(rest.gathered.B) <= int(x.m.Queue) {
		return nil
	}
	x.mu.Lock()
	x.overrun = true
	x.stop()
	x.mu.Unlock()
	return errGathered
}

// settled reports whether there is nothing more to compare, and counts how it has ended. endedAt is
// when the mirror has ended; zero: it is open.
func (x *mirrored) settled(state sessionState, endedAt, now time.Time) bool {
	x.pairing.Lock()
	defer x.pairing.Unlock()
	want, _ := x.pairs.Waiting()
	switch {
	case state.overrun:
		x.found.Overrun++
		x.pairs.End(compare.NotCompared, compare.NotCompared)
	case !endedAt.IsZero() && state.outcome == nil && now.Sub(endedAt) < x.pairs.Wait:
		return false // maybe the backend closes too
	case !endedAt.IsZero() && closeOf(x.heardErr) == nil:
		x.found.Failed++
		x.m.backend.failed(cmp.Or(x.sendErr, x.heardErr))
		x.pairs.End(compare.NotCompared, compare.NotCompared)
	case !endedAt.IsZero() && state.outcome == nil:
		x.found.Closed++
		x.m.backend.failed(fmt.Errorf("it has closed early: %w", x.heardErr))
		x.pairs.End(compare.NotCompared, compare.NotCompared)
	case !state.isOver || endedAt.IsZero() && want > 0:
		return false
	default:
		x.pairs.End(compare.Missing, compare.NotCompared)
	}
	return true
}

// hasFound reports whether something was found that was not told.
func (x *mirrored) hasFound() bool {
	x.pairing.Lock()
	defer x.pairing.Unlock()
	return x.found != usage.Mirror{}
}

// tellFound tells what was found since the last call.
func (x *mirrored) tellFound() {
	x.pairing.Lock()
	found := x.found
	x.found = usage.Mirror{}
	x.pairing.Unlock()
	if found != (usage.Mirror{}) {
		x.tell(found)
	}
}

// close closes the mirror as the client has closed, or as the session has ended otherwise, and waits for its answer.
func (x *mirrored) close() {
	x.mu.Lock()
	o := x.outcome
	x.mu.Unlock()
	var ce *draftwire.CloseError
	if o != nil && o.by == ClientSide {
		ce = closeOf(o.err)
	}
	switch {
	case ce != nil:
		x.peer.closeWrite(x.toMirror.passClose(ce))
	case o != nil && o.by == ClientSide:
		x.toMirror.r.closeLost(x.peer, ClientSide, o.err)
	default:
		x.peer.closeWrite(draftwire.CodeGoingAway, "")
	}
	timer := time.NewTimer(x.s.g.state.Load().cfg.Limits.CloseTimeout.timeout())
	defer timer.Stop()
	select {
	case <-x.heard:
	case <-timer.C:
	case <-x.s.g.ctx.Done():
	}
	x.peer.cut()
	x.toMirror.free()
	x.fromBackend.free()
}

// listener stands in place of the client: it collects the messages that the client gets.
type listener struct {
	compare.Collector
	of   draftwire.Version
	take func(compare.Message)
}

func (l *listener) write(p draftwire.Part, _ bool) error {
	if m, ok := l.Part(p.Op, p.Data, p.First, p.Last); ok {
		m.At = time.Now()
		l.take(m)
	}
	return nil
}

func (l *listener) flush() error                                 { return nil }
func (l *listener) lagging() bool                                { return false }
func (l *listener) cannotClose() bool                            { return false }
func (l *listener) closeWrite(draftwire.CloseCode, string) error { return nil }
func (l *listener) close(draftwire.CloseCode, string) error      { return nil }
func (l *listener) cut()                                         {}
func (l *listener) version() draftwire.Version                   { return l.of }

// speaker stands in place of the backend, which is only listened to.
type speaker struct{ of draftwire.Version }

func (speaker) write(draftwire.Part, bool) error             { return nil }
func (speaker) flush() error                                 { return nil }
func (speaker) lagging() bool                                { return false }
func (speaker) cannotClose() bool                            { return false }
func (speaker) closeWrite(draftwire.CloseCode, string) error { return nil }
func (speaker) close(draftwire.CloseCode, string) error      { return nil }
func (speaker) cut()                                         {}
func (s speaker) version() draftwire.Version                 { return s.of }

// noCounter counts nothing: what crosses to a mirror is no loss of the client's.
type noCounter struct{}

func (noCounter) count(Side, draftwire.Op, int, int) {}
func (noCounter) countLoss(Side, Loss)               {}
