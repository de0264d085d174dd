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

// player is one side of a plan.
type player struct {
	c    *draftwire.Conn
	way  string // how binary is encoded
	mu   sync.Mutex
	got  []message
	err  error
	done chan struct{} // what comes has ended
}

func newPlayer(c *draftwire.Conn, way string) *player {
	p := &player{c: c, way: way, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for {
			op, data, err := c.Read(bg)
			p.mu.Lock()
			if p.err = err; err == nil {
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

// heard is how the connection ended.
func (p *player) heard() heard {
	ce, ok := errors.AsType[*draftwire.CloseError](p.err)
	if !ok {
		return heard{0, p.err.Error()}
	}
	return heard{ce.Code, ce.Reason}
}

// zipped reports whether what the player sends is compressed by messages.
func (p *player) zipped() bool { return p.c.Handshake().Deflate != "" }

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
		}
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
		rest()
	case e.how == "reject":
		s := e.last
		s.op, s.kind = draftwire.OpBinary, "bytes"
		return p.send(s)
	case e.how == "garble":
		return p.c.Write(bg, draftwire.OpText, []byte("Š is in none of them"))
	}
	if e.closes && !(e.half && isHixie(p.c.Version())) { // inside text a close cannot be said
		return p.c.Close(e.code, e.reason)
	}
	return p.c.CloseNow()
}

// rest waits until nothing moves, what is held for a moment included.
func rest() {
	<-time.After(10 * time.Millisecond)
	synctest.Wait()
}

// open opens the plan's connection.
func (p *plan) open(w *world) (players [2]*player) {
	conns := make(chan *draftwire.Conn, 1)
	over := make(chan struct{})
	zip := draftwire.Compression{Mode: draftwire.CompressAll}
	o := open(draftwire.SetOf(p.versions[1]))
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
		players[side] = newPlayer(c, p.policy.Binary)
	}
	return players
}

// soon is more than crossing takes in fake time, and less than any timer that
// could make up for a message that got stuck.
const soon = 500 * time.Millisecond

// play plays a plan, and says what was wrong.
func (p *plan) play(t *testing.T) string {
	w := newWorld(t)
	players := p.open(w)
	for _, x := range players {
		defer x.c.CloseNow()
	}
	want := p.want(players)
	began := time.Now()
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
		rest()
		for side, name := range sides {
			if n := len(players[side].come()); n != len(want.come[side]) {
				return fmt.Sprintf("the %s has got %d messages, want %d", name, n, len(want.come[side]))
			}
		}
		if d := time.Since(began); d > soon {
			return fmt.Sprintf("crossing took %v", d)
		}
	}
	// What is refused may be so at its first piece, while the rest is being sent.
	if err := players[p.end.by].end(&p.end); err != nil && p.end.settled && p.end.own() {
		return fmt.Sprintf("the end: %v", err)
	}
	var got outcome
	for side, x := range players {
		<-x.done
		got.come[side], got.ends[side] = x.come(), x.heard()
	}
	s := <-w.ends
	got.exact = s.Lost()
	if by, err := s.By(); string(by) != p.blamed() {
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

// want asks the oracle.
func (p *plan) want(players [2]*player) outcome {
	o := outcome{exact: losses{}, most: losses{}}
	for side := range sides {
		d := p.direction(side, players[side].zipped())
		come, exact, most := d.all(p.steps[side])
		o.come[1-side] = come
		o.most.add(most)
		if !p.end.settled && side != p.end.by {
			o.most.add(exact)
		} else {
			o.exact.add(exact)
		}
	}
	by := p.end.by
	d := p.direction(by, players[by].zipped())
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
	return o
}

// wantHalf counts what the beginning of a message loses.
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

// wantRefusal: the sender is told of what cannot be passed on, the receiver that
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
