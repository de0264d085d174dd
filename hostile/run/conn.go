package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire/hostile"
)

// pieces lends what is read into and written from, so that a connection that waits
// holds no buffer.
var pieces = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// conn is a connection of the attacker.
type conn struct {
	play   *play
	c      net.Conn // with TLS, if the case has it
	raw    net.Conn // below
	server bool     // the attacker is the server
	in     *inbound
	v      values
	wake   chan struct{} // something came, or the end; one who waits
	resume chan struct{} // an unread case is read again
	once   sync.Once     // closes resume
	done   chan struct{} // the reader has left
	buf    []byte        // of a reader over TLS

	opened  bool // the open step is through
	expects int  // steps that were
	sent    int64
	cutAt   int64 // bytes; -1: no cut
}

func newConn(p *play, c, raw net.Conn, server bool) *conn {
	k := &conn{play: p, c: c, raw: raw, server: server, v: p.values, cutAt: -1,
		wake: make(chan struct{}, 1), resume: make(chan struct{}), done: make(chan struct{})}
	k.in = newInbound(p.c, &k.v, server)
	return k
}

// read feeds what comes until the end.
func (k *conn) read() {
	defer close(k.done)
	for {
		n, err := k.readSome()
		if err != nil {
			k.in.end(err)
		}
		if n > 0 || err != nil {
			k.notify()
		}
		if err != nil {
			return
		}
		if k.play.c.Unread && k.in.handshakeDone() {
			<-k.resume
		}
	}
}

func (k *conn) notify() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// readSome reads and feeds once. Over TLS it holds a small buffer while it waits, else
// none.
func (k *conn) readSome() (int, error) {
	if k.c != k.raw {
		if k.buf == nil {
			k.buf = make([]byte, 2<<10)
		}
		n, err := k.c.Read(k.buf)
		k.in.feed(k.buf[:n])
		return n, err
	}
	return readBorrowed(k.raw, k.in.feed)
}

// wait waits until cond, and tells whether it is so; else the time or the case is over.
func (k *conn) wait(cond func() bool, most time.Duration) bool {
	var over <-chan time.Time
	if most > 0 {
		t := time.NewTimer(most)
		defer t.Stop()
		over = t.C
	}
	for !cond() {
		select {
		case <-k.wake:
		case <-over:
			return cond()
		case <-k.play.ctx.Done():
			return cond()
		}
	}
	return true
}

// errOver is why the steps that remain are not played: the target has ended the
// connection, the case's time is over, or the connection was cut.
var errOver = errors.New("the connection is over")

// run plays the steps.
func (k *conn) run() {
	for i := range k.play.c.Steps {
		if err := k.step(&k.play.c.Steps[i]); err != nil {
			return
		}
	}
}

func (k *conn) step(s *hostile.Step) error {
	switch s.Do {
	case hostile.Open:
		return k.open(s)
	case hostile.Send:
		return k.send(s)
	case hostile.Expect:
		n := k.expects
		k.expects++
		if !k.wait(func() bool { return k.in.isFound(n) || k.in.hasEnded() || k.saysGoodbye() }, 0) || !k.in.isFound(n) {
			return errOver
		}
	case hostile.Wait:
		if !k.wait(func() bool { return false }, time.Duration(s.For)) && k.play.ctx.Err() != nil {
			return errOver
		}
	case hostile.Hold:
		return k.hold(time.Duration(s.For))
	case hostile.End:
		return k.endHalf()
	case hostile.Reset:
		k.reset()
	}
	return nil
}

// hold waits for the target's end. Where nothing is read the state of the socket tells.
func (k *conn) hold(most time.Duration) error {
	until := time.Now().Add(most)
	// The clock is read once a turn: to wait for no time at all is to wait for all of it.
	for left := most; k.play.c.Unread && left > 0 && !peerEnded(k.raw) && k.play.ctx.Err() == nil; left = time.Until(until) {
		k.wait(k.in.hasEnded, min(50*time.Millisecond, left))
	}
	if !k.play.c.Unread {
		k.wait(k.in.hasEnded, most)
	}
	if k.play.ctx.Err() != nil {
		return errOver
	}
	return nil
}

// open is the opening handshake without a fault.
func (k *conn) open(s *hostile.Step) error {
	if k.server {
		return k.openServer(s)
	}
	head := k.in.d.request(k.v.host, k.play.path, k.v.render(s.Fields))
	if err := k.write(head, 0); err != nil {
		return err
	}
	k.wait(func() bool { return k.in.handshakeDone() || k.in.hasEnded() }, 0)
	if !k.in.handshakeDone() || !k.in.look(func(in *inbound) bool { return in.opened }) {
		return errOver
	}
	k.v.nonce = fieldOf(k.in.head, "Sec-WebSocket-Nonce")
	k.opened = true
	return nil
}

// openServer sends the answer. The digest waits for the client's eight bytes, which
// some send only when the head has come.
func (k *conn) openServer(s *hostile.Step) error {
	if err := k.write(k.in.d.answer(&k.v, k.v.render(s.Fields)), 0); err != nil {
		return err
	}
	k.opened = true
	if !k.in.d.digest {
		return nil
	}
	k.wait(func() bool { return k.in.handshakeDone() || k.in.hasEnded() }, 0)
	if !k.in.handshakeDone() {
		return errOver
	}
	k.readProof()
	return k.write([]byte(k.v.digest), 0)
}

// readRequest waits for the request's head and takes from it what the steps can name.
func (k *conn) readRequest() {
	k.wait(func() bool { return k.in.look(func(in *inbound) bool { return in.headEnd }) || k.in.hasEnded() }, 0)
	k.in.look(func(in *inbound) bool { k.v.request(in.head, k.c != k.raw); return true })
	if fieldOf(k.in.head, "Sec-WebSocket-Key1") != "" && k.namesDigest() {
		k.wait(func() bool { return k.in.handshakeDone() || k.in.hasEnded() }, 0)
		k.readProof()
	}
}

func (k *conn) readProof() {
	k.in.look(func(in *inbound) bool {
		k.v.digest, _ = challenge(fieldOf(in.head, "Sec-WebSocket-Key1"), fieldOf(in.head, "Sec-WebSocket-Key2"), string(in.proof))
		return true
	})
}

// namesDigest: a step that sends bytes of its own has the digest among them.
func (k *conn) namesDigest() bool {
	for _, s := range k.play.c.Steps {
		for _, p := range s.Parts {
			if strings.Contains(p.Text, "{digest}") {
				return true
			}
		}
	}
	return false
}

// send sends the parts of a step.
func (k *conn) send(s *hostile.Step) error {
	if !k.server && k.v.nonce == "" {
		k.in.look(func(in *inbound) bool { k.v.nonce = fieldOf(in.head, "Sec-WebSocket-Nonce"); return true })
	}
	cur := newCursor(k.v.compile(s.Parts), s.Times)
	buf := pieces.Get().(*[32 << 10]byte)
	defer pieces.Put(buf)
	size := len(buf)
	if s.Piece > 0 {
		size = min(size, s.Piece)
	}
	begin := time.Now()
	for first := true; ; first = false {
		if !first && s.Pause > 0 && k.wait(k.in.hasEnded, time.Duration(s.Pause)) {
			return errOver
		}
		if most := time.Duration(s.Most); most > 0 && time.Since(begin) >= most {
			return nil
		}
		n := cur.fill(buf[:size])
		if n == 0 {
			return nil
		}
		if err := k.writeWithin(buf[:n], s, begin); err != nil {
			if errors.Is(err, errStuck) {
				return nil
			}
			return err
		}
	}
}

// errStuck: the target takes nothing more, or the step has sent for long enough.
var errStuck = errors.New("nothing is taken")

const defaultStuck = 5 * time.Second

// writeWithin writes within what the step allows.
func (k *conn) writeWithin(p []byte, s *hostile.Step, begin time.Time) error {
	stuck := time.Duration(s.Stuck)
	if stuck == 0 {
		stuck = defaultStuck
	}
	if most := time.Duration(s.Most); most > 0 {
		stuck = min(stuck, max(time.Millisecond, time.Until(begin.Add(most))))
	}
	return k.write(p, stuck)
}

// write writes all, or up to the cut, as long as the target takes a byte in the time of
// stuck; 0 is the case's time.
func (k *conn) write(p []byte, stuck time.Duration) error {
	cut := k.cutAt >= 0 && k.sent+int64(len(p)) >= k.cutAt
	if cut {
		p = p[:k.cutAt-k.sent]
	}
	for len(p) > 0 {
		deadline := k.play.deadline
		if stuck > 0 && time.Now().Add(stuck).Before(deadline) {
			deadline = time.Now().Add(stuck)
		}
		k.c.SetWriteDeadline(deadline)
		n, err := k.c.Write(p)
		k.sent += int64(n)
		p = p[n:]
		var ne net.Error
		switch {
		case err == nil:
		case !errors.As(err, &ne) || !ne.Timeout() || k.play.ctx.Err() != nil:
			return errOver
		case n == 0 || k.c != k.raw:
			return errStuck
		}
	}
	if cut {
		return k.cutNow()
	}
	return nil
}

func (k *conn) cutNow() error {
	if k.play.c.Cut == "end" {
		k.endHalf()
	} else {
		k.reset()
	}
	return errOver
}

func (k *conn) endHalf() error {
	if t, ok := k.c.(*tls.Conn); ok {
		t.CloseWrite()
	}
	if h, ok := k.raw.(interface{ CloseWrite() error }); ok && h.CloseWrite() == nil {
		return nil
	}
	return errOver
}

func (k *conn) reset() {
	k.in.cutHere()
	if t, ok := k.raw.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	k.raw.Close()
}

// close ends the connection and its reader.
func (k *conn) close() {
	k.in.cutHere()
	k.raw.Close()
	k.once.Do(func() { close(k.resume) })
	<-k.done
}

// drain has an unread connection read again.
func (k *conn) drain() { k.once.Do(func() { close(k.resume) }) }

// dial connects to the target.
func dial(ctx context.Context, a address, unread bool, timeout time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout, KeepAlive: -1}
	if unread {
		d.ControlContext = smallReceiveBuffer
	}
	return d.DialContext(ctx, a.network, a.addr)
}

// readPlain reads once, into a buffer that it holds while it waits.
func readPlain(c net.Conn, feed func([]byte)) (int, error) {
	buf := pieces.Get().(*[32 << 10]byte)
	defer pieces.Put(buf)
	n, err := c.Read(buf[:])
	if n > 0 {
		feed(buf[:n])
	}
	return n, err
}
