package gateway

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/inside"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// This file is admit for a client whose request a loop has read. In the usual case its backend is
// opened by the loop too, without a goroutine:
//
//	request --> judge, enter --> connects --> asked --> answered --> then: the client's 101
//	               |                |           |          |
//	               '----------------+-----------+----------'---> a goroutine, which does as admit does
//
// A goroutine has everything that may wait or is rare: credentials, rooms, names that have to be looked
// up, TLS, PROXY headers, streams, old versions, an answer that does not come whole, and all that
// follows a failure.

// answerer goes on with a client's handshake: with what Authorize would have returned, which ask says.
type answerer = func(ask func() error)

// admitOnLoop is admit for the goroutine of the client's loop.
func (g *Gateway) admitOnLoop(listener *Listener, h *draftwire.Handshake, a *draftwire.Answer, client *sock.Socket, then answerer) {
	s, err := g.judge(listener, h)
	if err == nil && s.route.guard != nil {
		g.elsewhere(then, func() error { return s.admitLate(a) })
		return
	}
	if err == nil {
		err = s.route.admit(h)
	}
	if err == nil {
		err = s.enter(a)
	}
	switch {
	case err != nil:
		then(func() error { return err })
	case s.route.rooms != nil:
		g.elsewhere(then, func() error { return s.enterRoom(a) })
	default:
		s.newOpening(a).begin(client, then)
	}
}

// admitLate is the rest of admit behind judge.
func (s *Session) admitLate(a *draftwire.Answer) error {
	if err := s.route.admit(s.handshake); err != nil {
		return err
	}
	if err := s.enter(a); err != nil {
		return err
	}
	return s.openAny(a)
}

// elsewhere lets a goroutine go on with a handshake.
func (g *Gateway) elsewhere(then answerer, ask func() error) {
	go then(func() error { return g.workers.do(ask) })
}

// opensOnLoop returns the address of a backend whose connection a loop can open.
func (g *Gateway) opensOnLoop(b *backend) (at netip.AddrPort, ok bool) {
	if !g.quick || b.url == nil || b.url.Scheme != "ws" || b.proxy != 0 || b.version != draftwire.RFC6455 {
		return at, false
	}
	if b.literal.IsValid() {
		return b.literal, true
	}
	return b.known.only()
}

// only returns the address that a name stands for, where it is known and there is no other.
func (a *addresses) only() (at netip.AddrPort, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) != 1 || !a.looking && time.Since(a.at) >= addressTime {
		return at, false
	}
	return a.list[0], true
}

// begin is run for the goroutine of the client's loop.
func (o *opening) begin(client *sock.Socket, then answerer) {
	g := o.s.g
	x, err := o.next()
	switch {
	case err != nil:
		then(func() error { return err })
		return
	case x == nil:
		then(o.none)
		return
	}
	at, ok := g.opensOnLoop(x.b)
	if !ok {
		g.elsewhere(then, func() error { return o.try(x) })
		return
	}
	x.v.events = g.backendEvents
	d := &onLoopDial{o: o, x: x, then: then, by: share(x.n, o.by), options: x.b.options(x.v)}
	d.begin(client, at)
}

// try makes an attempt, and tries the backends that remain.
func (o *opening) try(x *attemptOf) error {
	p, answer, err := o.s.g.try(x.b, x.n, o.by, x.v)
	return o.goOn(x, p, answer, err)
}

// goOn takes the result of an attempt, and tries the backends that remain.
func (o *opening) goOn(x *attemptOf, p peer, answer wire.Fields, err error) error {
	if over, err := o.tried(x, p, answer, err); over {
		return err
	}
	return o.run()
}

// onLoopDial is an attempt that a loop makes, as quickOpen is one of a goroutine.
type onLoopDial struct {
	o       *opening
	x       *attemptOf
	then    answerer
	by      time.Time
	options *draftwire.DialOptions
	attempt *attempt
	asked   inside.Asked // nil until it has connected
}

// begin connects.
func (d *onLoopDial) begin(client *sock.Socket, at netip.AddrPort) {
	d.attempt = d.o.s.g.attempts.begin(d.by)
	own, err := client.DialBeside(at, d)
	if err != nil {
		d.unreached(at, err)
		return
	}
	d.attempt.watches(own)
}

// unreached goes on behind a connection that has not come to be.
func (d *onLoopDial) unreached(at netip.AddrPort, err error) {
	switch why := d.attempt.end(); why {
	case nil:
		if !d.x.b.literal.IsValid() { // its name may stand for another address by now
			d.o.s.g.elsewhere(d.then, func() error { return d.o.try(d.x) })
			return
		}
	case context.Canceled:
		err = why
	default:
		err = fmt.Errorf("dial tcp %s: %w", at, why)
	}
	d.failed(nil, fmt.Errorf("draftwire: dial: %w", err))
}

// failed lets a goroutine go on behind a failure.
func (d *onLoopDial) failed(answer wire.Fields, err error) {
	o := d.o
	o.s.g.elsewhere(d.then, func() error {
		return d.goOn(nil, nil, answer, err)
	})
}

// goOn goes on behind the end of the attempt, for a goroutine that may wait: another version, or
// another backend, may follow.
func (d *onLoopDial) goOn(c *draftwire.Conn, own *sock.Socket, answer wire.Fields, err error) error {
	o, x := d.o, d.x
	g, first := o.s.g, true
	p, answer, err := g.tryQuick(x.b, x.v, func(options *draftwire.DialOptions) (*draftwire.Conn, *sock.Socket, wire.Fields, error) {
		if first {
			first = false
			return c, own, answer, err
		}
		return x.b.quickOpen(g, d.by, x.v.remote, options)
	})
	return o.goOn(x, p, answer, err)
}

// Turn implements sock.Turner.
func (d *onLoopDial) Turn(t *sock.Turn) {
	defer d.recover(t.Socket)
	own := t.Socket
	switch {
	case t.FD != sock.NoSocket && !own.Expired():
		if d.asked == nil {
			d.connected(t)
		} else {
			d.read(t)
		}
	case d.asked == nil:
		own.DriveHere(nil)
		own.Close()
		d.unreached(own.RemoteAddrPort(), os.ErrDeadlineExceeded)
	default:
		own.DriveHere(nil)
		d.answered(t, os.ErrDeadlineExceeded)
	}
}

// recover makes a panic, of a hook, one of the client's handshake.
func (d *onLoopDial) recover(own *sock.Socket) {
	if e := recover(); e != nil {
		own.DriveHere(nil)
		own.Close()
		go d.then(func() error { panic(e) })
	}
}

// connected sends the request, when the socket has connected. The news of that may be of an answer too,
// or of an end: of a backend that does not wait for the request.
func (d *onLoopDial) connected(t *sock.Turn) {
	own := t.Socket
	if own.Connecting() {
		return
	}
	if err := own.DialFault(); err != nil {
		own.DriveHere(nil)
		own.Close()
		d.unreached(own.RemoteAddrPort(), err)
		return
	}
	asked, err := inside.Ask(own, d.x.b.url, d.options)
	if err != nil {
		own.DriveHere(nil)
		d.over(own, nil, nil, err)
		return
	}
	d.asked = asked
	d.read(t)
}

// read reads the answer.
func (d *onLoopDial) read(t *sock.Turn) {
	own := t.Socket
	whole, err := d.asked.Turn(t)
	switch {
	case whole:
		own.DriveHere(nil)
		d.answered(t, nil)
	case err != nil && err != io.EOF:
		own.DriveHere(nil)
		d.answered(t, err)
	case err == nil && d.asked.Buffered() == 0:
		d.asked.EndTurn(t)
	default: // a part of it, or the end
		own.DriveHere(nil)
		d.asked.EndTurn(t)
		go d.then(func() error { return d.o.s.g.workers.do(func() error { return d.finish(own) }) })
	}
}

// finish reads the rest of the answer, for a goroutine that may wait.
func (d *onLoopDial) finish(own *sock.Socket) error {
	c, answer, err := d.end(own, nil)
	return d.goOn(c, own, answer, err)
}

// end ends the attempt, with what was answered, or fault in its place.
func (d *onLoopDial) end(own *sock.Socket, fault error) (c *draftwire.Conn, answer wire.Fields, err error) {
	conn, answer, err := d.asked.Answered(fault)
	if err == nil {
		c = conn.(*draftwire.Conn)
	} else if itself := own.IsItself(); itself != nil {
		err = fmt.Errorf("draftwire: dial: %w", itself)
	}
	return d.close(own, c, answer, err)
}

// close ends the attempt, and closes the socket where there is an error.
func (d *onLoopDial) close(own *sock.Socket, c *draftwire.Conn, answer wire.Fields, err error) (*draftwire.Conn, wire.Fields, error) {
	if err = d.attempt.ended(c, d.options.Version, err); err != nil {
		own.Close()
		return nil, answer, err
	}
	return c, answer, nil
}

// over ends an attempt that has failed.
func (d *onLoopDial) over(own *sock.Socket, c *draftwire.Conn, answer wire.Fields, err error) {
	_, answer, err = d.close(own, c, answer, err)
	d.failed(answer, err)
}

// answered goes on with the answer, or with a fault in its place, in a turn.
func (d *onLoopDial) answered(t *sock.Turn, fault error) {
	c, answer, err := d.end(t.Socket, fault)
	d.asked.EndTurn(t)
	if err != nil {
		d.failed(answer, err)
		return
	}
	own := t.Socket
	c.AllowHalfOpen()
	p := &socket{Conn: c, fresh: own, onLoop: true}
	ask := func() error {
		_, err := d.o.tried(d.x, p, answer, nil)
		return err
	}
	if sizeOf(answer) > answerOnLoop { // the client may not take at once what of it is its own
		go d.then(ask)
		return
	}
	d.then(ask)
}

// answerOnLoop is how many bytes of a backend's answer a loop passes on: a socket takes them at once.
const answerOnLoop = 4 << 10

func sizeOf(fields wire.Fields) (n int) {
	for _, f := range fields {
		n += len(f.Name) + len(f.Value)
	}
	return n
}
