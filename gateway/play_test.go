package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// player plays one side of a plan.
type player struct {
	c     *draftwire.Conn
	way   string // how binary is encoded
	mu    sync.Mutex
	got   []message
	err   error
	sent  int           // how many messages
	said  chan struct{} // closed when all messages are sent, or one could not be
	rest  func()        // waits until what was sent has crossed
	reset func() error  // ends the connection without what is under way; nil where that cannot be
	done  chan struct{} // closed when reading has ended
}

func newPlayer(c *draftwire.Conn, way string) *player { return newAnswering(c, way, nil) }

// newAnswering returns a player that answers the peer's close as e says, behind all that it
// has to say.
func newAnswering(c *draftwire.Conn, way string, e *ending) *player {
	p := &player{c: c, way: way, said: make(chan struct{}), done: make(chan struct{}), rest: rest}
	if e != nil {
		c.AllowHalfOpen()
	}
	go func() {
		defer close(p.done)
		if e != nil {
			defer func() {
				<-p.said
				c.CloseWrite(e.answer, e.answerReason)
			}()
		}
		for {
			op, data, err := c.Read(bg)
			p.mu.Lock()
			p.err = err
			if err == nil {
				p.got = append(p.got, message{op, string(data)})
			}
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return p
}

func (p *player) come() []message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]message(nil), p.got...)
}

// heard says how the connection ended.
func (p *player) heard() heard {
	ce, ok := errors.AsType[*draftwire.CloseError](p.err)
	if !ok {
		return heard{0, p.err.Error()}
	}
	return heard{ce.Code, ce.Reason}
}

// zipped reports whether what the player sends is compressed by messages.
func (p *player) zipped() bool { return p.c.Handshake().Deflate() != "" }

// send sends a message.
func (p *player) send(s step) error {
	data := s.data(p.way)
	if s.pieces == 0 {
		return p.c.Write(bg, s.op, []byte(data))
	}
	w, err := p.c.Writer(bg, s.op)
	if err != nil {
		return err
	}
	cuts := s.cuts(len(data))
	for i := range s.pieces {
		if _, err := w.Write([]byte(data[cuts[i]:cuts[i+1]])); err != nil {
			return err
		}
	}
	return w.Close()
}

// perform sends messages, and pings in between.
func (p *player) perform(steps []step) <-chan error {
	done := make(chan error, 1)
	go func() {
		var all sync.WaitGroup
		errs := make([]error, 2*len(steps))
		for i, s := range steps {
			if s.ping {
				all.Go(func() {
					if err := p.c.Ping(bg); err != nil {
						errs[len(steps)+i] = fmt.Errorf("ping %d: %w", i, err)
					}
				})
			}
			if errs[i] = p.send(s); errs[i] != nil {
				break
			}
			p.sent++
		}
		close(p.said)
		all.Wait()
		done <- errors.Join(errs...)
	}()
	return done
}

// end ends the connection as the plan says.
func (p *player) end(e *ending) error {
	switch {
	case e.half:
		w, err := p.c.Writer(bg, e.last.op)
		if err != nil {
			return err
		}
		data := e.last.data(p.way)
		if _, err := w.Write([]byte(data[:len(data)/2])); err != nil {
			return err
		}
		p.rest()
	case e.how == "reject":
		s := e.last
		s.op, s.kind = draftwire.OpBinary, "bytes"
		return p.send(s)
	case e.how == "garble":
		return p.c.Write(bg, draftwire.OpText, []byte("Š is in none of them"))
	}
	if e.how == "reset" {
		return p.reset()
	}
	if e.closes && !(e.half && isHixie(p.c.Version())) { // inside text a close cannot be sent
		return p.c.CloseWrite(e.code, e.reason)
	}
	return p.c.CloseNow()
}

// rest waits until nothing moves any more, also what is held for a moment.
func rest() {
	<-time.After(10 * time.Millisecond)
	synctest.Wait()
}

// open opens the plan's connection.
func (p *plan) open(w *world) (players [2]*player) {
	conns := make(chan *draftwire.Conn, 1)
	over := make(chan struct{})
	zip := draftwire.Compression{Mode: draftwire.CompressAll}
	o := open(draftwire.VersionsOf(p.versions[1]))
	o.Compression = zip
	w.backend("back:80", &draftwire.Server{Options: o, WebSocket: func(_ context.Context, c *draftwire.Conn) error {
		conns <- c
		<-over
		return nil
	}})
	w.t.Cleanup(func() { close(over) })
	cfg := to(p.policy, backURL(p.versions[1]))
	cfg.Routes[0].Message = p.limit
	w.start(cfg)
	c := w.mustClient(p.versions[0], draftwire.DialOptions{Compression: zip})
	for side, c := range []*draftwire.Conn{c, <-conns} {
		players[side] = p.player(c, side)
	}
	return players
}

// player returns the player of a side.
func (p *plan) player(c *draftwire.Conn, side int) *player {
	switch e := p.end; {
	case !e.answers:
		return newPlayer(c, p.policy.Binary)
	case side != e.by:
		return newAnswering(c, p.policy.Binary, &e)
	case e.both:
		return newAnswering(c, p.policy.Binary, &p.reversed().end)
	}
	return newPlayer(c, p.policy.Binary)
}

// soon is longer than crossing takes in fake time, and shorter than every timer that could
// make up for a message that got stuck.
const soon = 500 * time.Millisecond

// play plays a plan, and says what was wrong.
func (p *plan) play(t *testing.T) string {
	w := newWorld(t)
	players := p.open(w)
	for _, x := range players {
		defer x.c.CloseNow()
	}
	began := time.Now()
	return p.run(players, w.ends, func(want outcome) string {
		rest()
		for side, name := range sides {
			if n := len(players[side].come()); n != len(want.come[side]) {
				return fmt.Sprintf("the %s has got %d messages, want %d", name, n, len(want.come[side]))
			}
		}
		if d := time.Since(began); d > soon {
			return fmt.Sprintf("crossing took %v", d)
		}
		return ""
	})
}

// run plays a plan with players whose connections are open, and says what was wrong. arrive
// waits until everything has arrived, and says what has not.
func (p *plan) run(players [2]*player, over <-chan *gateway.Session, arrive func(want outcome) string) string {
	zipped := [2]bool{players[0].zipped(), players[1].zipped()}
	want := p.want(zipped)
	var sent [2]<-chan error
	for side, x := range players {
		sent[side] = x.perform(p.steps[side])
	}
	for side, name := range sides {
		if p.end.settled || side == p.end.by {
			if err := <-sent[side]; err != nil {
				return fmt.Sprintf("the %s: %v", name, err)
			}
		}
	}
	if p.end.settled {
		if wrong := arrive(want); wrong != "" {
			return wrong
		}
	}
	if other := players[1-p.end.by]; p.end.both {
		go func() {
			<-other.said
			other.c.CloseWrite(p.end.answer, p.end.answerReason)
		}()
	}
	// A message may be refused at its first part, while the rest is still being sent.
	if err := players[p.end.by].end(&p.end); err != nil && p.end.settled && p.end.own() {
		return fmt.Sprintf("the end: %v", err)
	}
	var got outcome
	for side, x := range players {
		<-x.done
		got.come[side], got.ends[side] = x.come(), x.heard()
	}
	if p.end.closes { // what the other side had said by then comes first
		n := p.crossing(players[1-p.end.by])
		if came := len(got.come[p.end.by]); came < n {
			return fmt.Sprintf("the %s got %d messages of the %d that were sent", sides[p.end.by], came, n)
		}
	}
	s := <-over
	got.exact = s.Losses()
	by, err := s.By()
	if p.end.both && string(by) == sides[1-p.end.by] {
		p = p.reversed()
		want = p.want(zipped)
	}
	if string(by) != p.blamed() {
		return fmt.Sprintf("it was ended by %q (%v), want %q", by, err, p.blamed())
	}
	return want.differs(got, p)
}

func (p *plan) blamed() string {
	if p.end.own() {
		return sides[p.end.by]
	}
	return string(gateway.GatewaySide)
}

// reversed is a plan in which both sides close, as it is where the other one was the first.
func (p *plan) reversed() *plan {
	q := *p
	e := &q.end
	e.by = 1 - e.by
	e.code, e.answer = e.answer, e.code
	e.reason, e.answerReason = e.answerReason, e.reason
	return &q
}

// want asks the oracle.
func (p *plan) want(zipped [2]bool) outcome {
	o := outcome{exact: losses{}, most: losses{}}
	for side := range sides {
		d := p.direction(side, zipped[side])
		come, exact, most := d.all(p.steps[side])
		o.come[1-side] = come
		o.most.add(most)
		if !p.end.settled && !p.end.answers && side != p.end.by {
			o.most.add(exact)
		} else {
			o.exact.add(exact)
		}
	}
	by := p.end.by
	d := p.direction(by, zipped[by])
	if !p.end.own() {
		p.wantRefusal(&o, d)
		return o
	}
	midst := false
	if p.end.half {
		_, comes, _ := d.crosses(p.end.last)
		midst = comes && p.policy.Fragments != "gather" && !d.zipped
		p.wantHalf(&o, d, comes)
	}
	h, lost := d.ends(p.end, sides[by], midst)
	o.ends[1-by] = h
	o.exact.add(lost)
	if p.end.answers {
		h, lost = d.answer(p.end)
		o.ends[by] = h
		o.exact.add(lost)
	}
	return o
}

// crossing returns how many of the messages that a player has sent cross.
func (p *plan) crossing(x *player) (n int) {
	<-x.said
	from := 1 - p.end.by
	for _, s := range p.steps[from][:x.sent] {
		if _, ok, _ := p.direction(from, x.zipped()).crosses(s); ok {
			n++
		}
	}
	return n
}

// wantHalf counts the losses of the beginning of a message.
func (p *plan) wantHalf(o *outcome, d direction, comes bool) {
	if d.zipped {
		return // it is not expanded before it is whole
	}
	s := p.end.last
	s.pieces = 0
	_, _, lost := d.crosses(s)
	o.exact.add(lost)
	switch {
	case !comes || isHixie(d.from):
	case d.joins():
		o.exact[gateway.LossFragmentsJoined]++
	}
	if comes && !d.joins() {
		o.most[gateway.LossFragmentsMoved]++
	}
}

// wantRefusal expects that the sender is told what cannot be passed on, and the receiver that
// the sender is gone.
func (p *plan) wantRefusal(o *outcome, d direction) {
	by, reason := p.end.by, ""
	code := draftwire.CodeUnsupported
	if p.end.how == "reject" {
		o.exact[gateway.LossBinaryRejected]++
		reason = "no binary messages on " + d.to.String()
	} else {
		o.exact[gateway.LossTextDecoded]++
		code, reason = draftwire.CodeInvalidData, "the text is not "+p.policy.Binary
	}
	o.ends[by] = hears(d.from, code, reason)
	code = []draftwire.CloseCode{draftwire.CodeGoingAway, draftwire.CodeInternal}[by]
	o.ends[1-by] = hears(d.to, code, reason)
}
