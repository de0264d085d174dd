package gateway_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/wire"
	"pgregory.net/rapid"
)

// valueEnd is one side of a relay as the gateway has it: what internal/wsconn is to a real one,
// without the socket and the clock.
type valueEnd struct {
	v   draftwire.Version
	ses *session.Session
	in  []byte // that the peer has sent
	out []byte // for the peer
	fin bool   // the stream ends behind out
	eof bool   // it has ended behind in

	inMessage, paused            bool
	closing, writeClosed, closed bool
	peerClosed, ended            bool
	lags, lagged                 bool
	writes, failAt               int
}

var errBroken = errors.New("broken")

func (e *valueEnd) Version() draftwire.Version { return e.v }
func (e *valueEnd) Lagging() bool              { return e.lagged }
func (e *valueEnd) CannotClose() bool {
	return e.inMessage && !e.v.Supports(draftwire.CapFragments)
}

func (e *valueEnd) Write(p draftwire.Part) (err error) {
	e.writes++
	switch {
	case e.closed:
		return draftwire.ErrClosed
	case e.writes == e.failAt:
		e.Cut()
		return errBroken
	}
	op := wire.OpContinuation
	if p.First {
		op = p.Op
	}
	e.out, err = e.ses.AppendFrame(e.out, op, p.Last, p.Data)
	e.inMessage = !p.Last
	e.lagged = e.lags && rand.IntN(3) == 0
	return err
}

func (e *valueEnd) CloseWrite(code draftwire.CloseCode, reason string) {
	switch {
	case e.CannotClose():
		e.Cut()
	case e.closed || e.closing || e.writeClosed:
	case e.peerClosed:
		e.Close(code, reason)
	default:
		e.writeClosed = true
		e.out, _ = e.ses.AppendClose(e.out, code, reason)
		e.fin = !e.v.Supports(draftwire.CapCloseFrame)
	}
}

func (e *valueEnd) Close(code draftwire.CloseCode, reason string) {
	switch {
	case e.CannotClose():
		e.Cut()
	case e.closed || e.closing:
	default:
		e.closing = true
		e.out, _ = e.ses.AppendClose(e.out, code, reason)
		if e.peerClosed || !e.v.Supports(draftwire.CapCloseFrame) {
			e.Cut()
		}
	}
}

func (e *valueEnd) Cut() { e.closed, e.fin = true, true }

// valuePlayer plays the peer of a valueEnd.
type valuePlayer struct {
	ses     *session.Session
	script  []byte // to be sent
	fin     bool   // the stream ends behind script
	got     []message
	part    message
	heard   heard
	over    bool
	answers *ending
	dead    bool // it has cut the connection
}

func (p *valuePlayer) frame(op wire.Op, fin bool, data string) {
	var err error
	p.script, err = p.ses.AppendFrame(p.script, op, fin, []byte(data))
	if err != nil && !errors.Is(err, draftwire.ErrClosed) { // it was closed behind a write that failed
		panic(err)
	}
}

// say appends a message to the script.
func (p *valuePlayer) say(s step, way string) {
	if s.ping {
		p.frame(wire.OpPing, true, "p")
	}
	data, op := s.data(way), s.op
	if s.pieces == 0 {
		p.frame(op, true, data)
		return
	}
	cuts := s.cuts(len(data))
	for i := range s.pieces {
		p.frame(op, false, data[cuts[i]:cuts[i+1]])
		op = wire.OpContinuation
	}
	p.frame(op, true, "")
}

// end appends the plan's ending.
func (p *valuePlayer) end(e *ending, way string) {
	switch {
	case e.half:
		data := e.last.data(way)
		p.frame(e.last.op, false, data[:len(data)/2])
	case e.how == "reject":
		s := e.last
		s.op, s.kind = draftwire.OpBinary, "bytes"
		p.say(s, way)
		return
	case e.how == "garble":
		p.frame(draftwire.OpText, true, "Š is in none of them")
		return
	}
	if e.closes && !(e.half && isHixie(p.ses.Draft().Version)) {
		p.script, _ = p.ses.AppendClose(p.script, e.code, e.reason)
		p.fin = p.ses.Draft().Version == draftwire.Hixie75
		return
	}
	p.fin, p.dead = true, true
}

// hear takes what the gateway sends.
func (p *valuePlayer) hear(b []byte, fin bool) error {
	if p.dead || p.over {
		return nil
	}
	for len(b) > 0 || p.ses.Pending() {
		var ev wire.Event
		n, err := p.ses.Next(b, &ev)
		if err != nil {
			return err
		}
		b = b[n:]
		switch {
		case ev.Op.IsData():
			if ev.First {
				p.part = message{op: ev.Op}
			}
			p.part.data += string(ev.Data)
			if ev.Last {
				p.got = append(p.got, p.part)
			}
		case ev.Op == wire.OpPing:
			p.script, _ = p.ses.AppendReply(p.script, &ev)
		case ev.Op == wire.OpClose:
			p.over, p.heard = true, heard{ev.Code, string(ev.Data)}
			if p.answers != nil {
				p.script, _ = p.ses.AppendClose(p.script, p.answers.answer, p.answers.answerReason)
			} else {
				p.script, _ = p.ses.AppendReply(p.script, &ev)
			}
			p.fin = true
			return nil
		}
	}
	if fin {
		ce, _ := errors.AsType[*draftwire.CloseError](p.ses.EOF())
		p.over, p.fin, p.heard = true, true, heard{ce.Code, ce.Reason}
	}
	return nil
}

// way says in which way a plan crosses the value: nothing of it may make a difference.
type way struct {
	name  string
	chunk func() int
	first int // the side that is read first
	lags  bool
	fail  int // the write to the other side that fails; 0: none does
}

// valueRun is a plan that crosses.
type valueRun struct {
	p       *plan
	value   *gateway.Value
	ends    [2]*valueEnd
	players [2]*valuePlayer
	zipped  [2]bool
	taken   int // events
}

// zips are the kinds of compression.
var zips = []*deflate.Params{nil, {Name: deflate.PerMessage}, {Name: deflate.DeflateFrame, PerFrame: true}}

func (p *plan) value(zip [2]int) *valueRun {
	m := &valueRun{p: p}
	roles := [2]wire.Role{wire.Client, wire.Server}
	for side, v := range p.versions {
		d := draftOf[v]
		var z *deflate.Params
		if v >= draftwire.Hybi07 {
			z = zips[zip[side]]
		}
		m.zipped[side] = z != nil && !z.PerFrame
		key := []byte("0123456789abcdefghij")
		make := func(role wire.Role) *session.Session {
			return session.New(d, session.Config{CodecConfig: wire.CodecConfig{Role: role, MaskKey: key}, Deflate: z})
		}
		m.ends[side] = &valueEnd{v: v, ses: make(1 - roles[side])}
		x := &valuePlayer{ses: make(roles[side])}
		if p.end.answers && side != p.end.by {
			x.answers = &p.end
		}
		for _, s := range p.steps[side] {
			x.say(s, p.policy.Binary)
		}
		m.players[side] = x
	}
	m.value = gateway.NewValue(&p.policy, m.ends[0], m.ends[1])
	return m
}

// finish lets a side end.
func (m *valueRun) finish(side int, err error) {
	e := m.ends[side]
	if e.ended {
		return
	}
	m.taken++
	e.ended, e.paused = true, false
	m.ends[1-side].paused = false
	if e.closing && !errors.Is(err, draftwire.ErrClosed) {
		err = errors.Join(draftwire.ErrClosed, err)
	}
	m.value.End(side, err)
}

// take takes what has come from a side, as far as it is read.
func (m *valueRun) take(side int) {
	e := m.ends[side]
	for !e.ended && !e.closed && !e.paused && (len(e.in) > 0 || e.ses.Pending()) {
		var ev wire.Event
		n, err := e.ses.Next(e.in, &ev)
		m.taken++
		e.in = e.in[n:]
		switch {
		case err != nil:
			e.out, _ = e.ses.AppendClose(e.out, session.FailureCode(err), err.Error())
			e.Cut()
			m.finish(side, err)
		case ev.Op.IsData() && !e.closing:
			e.paused = m.value.Part(side, draftwire.Part{Op: ev.Op, Data: ev.Data, First: ev.First, Last: ev.Last,
				FrameEnd: ev.FrameEnd, Repaired: e.ses.MessageRepaired()}, len(e.in) > 0)
		case ev.Op == wire.OpPing:
			e.out, _ = e.ses.AppendReply(e.out, &ev)
		case ev.Op == wire.OpClose:
			m.closedBy(side, &draftwire.CloseError{Code: ev.Code, Reason: string(ev.Data)})
		}
	}
	if e.eof && len(e.in) == 0 && !e.ended && !e.closed && !e.paused {
		ce, _ := errors.AsType[*draftwire.CloseError](e.ses.EOF())
		if ce.Code == draftwire.CodeAbnormal {
			e.Cut()
			m.finish(side, ce)
		} else {
			m.closedBy(side, ce)
		}
	}
	if e.closed {
		m.finish(side, draftwire.ErrClosed)
	}
}

// closedBy notes the close of a side: it is the answer to ours, or waits for it.
func (m *valueRun) closedBy(side int, ce *draftwire.CloseError) {
	e := m.ends[side]
	if e.closing || e.writeClosed {
		e.Cut()
	} else {
		e.peerClosed = true
	}
	m.finish(side, ce)
}

// run lets the plan cross, and says what was wrong.
func (m *valueRun) run(w way) string {
	p := m.p
	m.ends[0].lags, m.ends[1].lags = w.lags, w.lags
	m.ends[1-p.end.by].failAt = w.fail
	sent, heard, told := [2]int{}, [2]int{}, [2]bool{}
	begun := !p.end.settled
	end := func() {
		m.players[p.end.by].end(&p.end, p.policy.Binary)
		if x := m.players[1-p.end.by]; p.end.both {
			x.end(&p.reversed().end, p.policy.Binary)
		}
	}
	if begun {
		end()
	}
	for {
		moved := false
		for i := range 2 {
			side := (i + w.first) % 2
			e, x := m.ends[side], m.players[side]
			if e.lagged && w.lags && rand.IntN(2) == 0 {
				e.lagged, m.ends[1-side].paused, moved = false, false, true
			}
			if n := min(len(x.script)-sent[side], w.chunk()); n > 0 && !e.paused {
				e.in = append(e.in, x.script[sent[side]:sent[side]+n]...)
				sent[side] += n
				moved = true
			}
			if x.fin && sent[side] == len(x.script) && !e.eof {
				e.eof, moved = true, true
			}
			before := m.taken
			m.take(side)
			moved = moved || m.taken > before
			if heard[side] < len(e.out) || e.fin && !told[side] {
				if err := x.hear(e.out[heard[side]:], e.fin); err != nil {
					return fmt.Sprintf("the %s got what it cannot read: %v", sides[side], err)
				}
				heard[side], told[side], moved = len(e.out), e.fin, true
			}
		}
		if moved {
			continue
		}
		if m.ends[0].lagged || m.ends[1].lagged || m.ends[0].paused || m.ends[1].paused {
			for _, e := range m.ends {
				e.lagged, e.paused = false, false
			}
			continue
		}
		if begun {
			break
		}
		begun = true
		end()
	}
	if w.fail > 0 {
		return m.failed()
	}
	return m.judge()
}

// judge compares with what the oracle says.
func (m *valueRun) judge() string {
	p, by := m.p, m.value.By()
	for side, name := range sides {
		if !m.ends[side].ended {
			return fmt.Sprintf("the %s has not ended; by %q", name, by)
		}
	}
	if err := m.value.Waste(); err != nil {
		return err.Error()
	}
	if p.end.both && string(by) == sides[1-p.end.by] {
		p = p.reversed()
	}
	if string(by) != p.blamed() {
		return fmt.Sprintf("it was ended by %q, want %q", by, p.blamed())
	}
	got := outcome{exact: m.value.Lost}
	for side, x := range m.players {
		got.come[side], got.ends[side] = x.got, x.heard
	}
	return p.want(m.zipped).differs(got, p)
}

// failed says what was wrong where a write to the other side has failed.
func (m *valueRun) failed() string {
	other := 1 - m.p.end.by
	if m.ends[other].writes < m.ends[other].failAt {
		return m.judge()
	}
	for side, name := range sides {
		if !m.ends[side].ended {
			return fmt.Sprintf("behind a failed write the %s has not ended", name)
		}
	}
	if m.value.By() == gateway.NoSide {
		return "behind a failed write nobody has ended it"
	}
	return ""
}

// length is how long a plan is on the wire.
func (m *valueRun) length() int { return len(m.players[0].script) + len(m.players[1].script) }

// TestRelay lets plans as those of TestModel cross the relay alone, without a socket, a goroutine
// or a gateway: bytes of both sides in, bytes for both sides out. Where the bytes are split, which
// side is read first and who lags makes no difference.
func TestRelay(t *testing.T) {
	seeds := 2
	if raced { // which finds nothing more where there is one goroutine
		seeds = 1
	}
	pairs(func(front, back draftwire.Version, n int) {
		for seed := range seeds {
			r := rand.New(rand.NewPCG(uint64(seed), uint64(n)))
			zip := [2]int{r.IntN(3), r.IntN(3)}
			p := rapid.Custom(func(t *rapid.T) *plan { return drawPlan(t, front, back) }).Example(1000*seed + n)
			if p.end.closes && !p.end.half && seed%2 == 1 {
				p.end.both, p.end.answers = true, true
			}
			fresh := func() *valueRun { return p.value(zip) }
			whole := func() int { return 1 << 30 }
			ways := []way{
				{name: "whole", chunk: whole}, {name: "the other first", chunk: whole, first: 1},
				{name: "in pieces", chunk: func() int { return 1 + r.IntN(3000) }, first: r.IntN(2)},
				{name: "lagging", chunk: func() int { return 1 + r.IntN(9000) }, first: r.IntN(2), lags: true},
				{name: "a failed write", chunk: whole, fail: 1 + r.IntN(4)},
			}
			if l := fresh().length(); l < 2000 {
				ways = append(ways, way{name: "byte by byte", chunk: func() int { return 1 }}, way{name: "byte by byte, lagging", chunk: func() int { return 1 }, lags: true})
			}
			for _, w := range ways {
				if m := fresh(); !t.Failed() {
					if wrong := m.run(w); wrong != "" {
						t.Errorf("%s: %s\nseed %d, compressed %v\n%v", w.name, wrong, seed, zip, m.p)
					}
				}
			}
		}
	})
}

// TestRelayAtEachSplit lets a short text in two fragments and another one cross each way, between every two versions, and a close
// of either side, behind all else and at once, with what a side sends in two parts: at each place of either side's bytes, and
// whichever is read first.
func TestRelayAtEachSplit(t *testing.T) {
	pairs(func(front, back draftwire.Version, _ int) {
		for n := range 4 {
			by, settled := n%2, n < 2
			p := &plan{versions: [2]draftwire.Version{front, back}}
			p.policy = gateway.Policy{Binary: "reject", Fragments: "stream", CloseWithoutCode: "normal"}
			for side := range sides {
				pings := !isHixie(p.versions[side])
				p.steps[side] = []step{{op: draftwire.OpText, kind: "wide", size: 9, pieces: 2, seed: 1, ping: pings}, {op: draftwire.OpText, kind: "ascii", size: 3, seed: 2}}
			}
			p.end = ending{by: by, how: "close", closes: true, settled: settled, code: draftwire.CodeNormal, answer: draftwire.CodeNormal}
			m := p.value([2]int{})
			longest := max(len(m.players[0].script), len(m.players[1].script)) + 16 // with the close, which run adds
			for at := 1; at < longest; at++ {
				for first := range sides {
					k := 0
					w := way{name: fmt.Sprintf("split at %d", at), first: first, chunk: func() int {
						if k++; k <= 2 {
							return at
						}
						return 1 << 30
					}}
					if wrong := p.value([2]int{}).run(w); wrong != "" {
						t.Fatalf("%s, side %d first: %s\n%v", w.name, first, wrong, p)
					}
				}
			}
		}
	})
}

// pairs calls f for each pair of versions.
func pairs(f func(front, back draftwire.Version, n int)) {
	list := draftwire.ServedVersions().List()
	for i, front := range list {
		for k, back := range list {
			f(front, back, i*len(list)+k)
		}
	}
}
