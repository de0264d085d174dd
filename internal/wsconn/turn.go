package wsconn

import (
	"os"

	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// This file is the connection without a goroutine: a loop (sock.Loops) gives it a turn when
// there is news of its socket, and a turn is what a ReadLoop does between two waits. It reads
// what is there, gives each message to Hooks.Message, and sends the answers together. So the
// state of such a connection is that of one whose ReadLoop never ends.
//
// A turn never waits. Where the peer does not take what is written, a goroutine waits for
// it, at most one a connection (writer.leave), and the connection is stuck: it is not read
// until that has gone. Where the end of a connection has to wait, the turn hands the reader
// over to a goroutine (handOver).
//
// A connection that is read in parts is one half of something else, whose other half is read: it
// is read on while it lags, and the program pauses what its writes come from.

// turnReads is how often a turn reads at most, while others wait for theirs.
const turnReads = 4

// turnBytes is how much payload a turn handles at most. It is more than the reads of a turn
// bring, but for compressed messages, of which one read may bring a hundred times as much.
const turnBytes = 1 << 20

// turnEvents is how many events a turn handles at most: empty frames have no payload.
const turnEvents = 8 << 10

// intoPlace is the payload from which the rest of it is read to where it stays.
const intoPlace = 32 << 10

// Delivery is in what a loop gives what has come to the program.
type Delivery uint32

const (
	Messages Delivery = 0
	Parts    Delivery = Delivery(relayed)
)

// LeaveToLoop says that a loop will read the connection, which nobody reads any more.
func (c *Conn) LeaveToLoop(in Delivery) {
	c.state.Or(looping | driven | uint32(in))
	c.ses.OnDeepStack()
}

// Drive lets the loop of the connection's socket read it from now on. here says that the
// caller is the loop's goroutine.
func (c *Conn) Drive(here bool) {
	if here {
		c.r.socket.DriveHere(c)
	} else {
		c.r.socket.Drive(c)
	}
}

// Join makes the loop of another connection this one's, before Drive. It is false where one of
// them has none.
func (c *Conn) Join(other *Conn) bool {
	s, ok := c.Stream().(*sock.Socket)
	o, also := other.Stream().(*sock.Socket)
	return ok && also && s.Join(o) == nil
}

// Lagging reports whether something that was written waits for the peer.
func (c *Conn) Lagging() bool { return c.is(lagging) }

// EndTurn gives a turn its buffer back, which a handshake has used.
func (c *Conn) EndTurn(t *sock.Turn) { c.r.src.EndTurn(t) }

// Pause stops the reading of a driven connection, behind the message in hand, until each
// Pause has had its Resume. The end of the connection is told all the same.
func (c *Conn) Pause() { c.pause(paused) }

// Resume ends a Pause.
func (c *Conn) Resume() { c.resume(0) }

// Leave is a Pause for a goroutine of the program, which has the connection until Return: its end
// is not told before.
func (c *Conn) Leave() { c.pause(paused | away) }

// Return ends a Leave.
func (c *Conn) Return() { c.resume(1) }

func (c *Conn) pause(bits uint32) {
	x := c.needRare()
	c.mu.Lock()
	defer c.mu.Unlock()
	x.pauses++
	if bits&away != 0 {
		x.aways++
	}
	c.state.Or(bits)
}

// resume ends a Pause, and so many Leaves.
func (c *Conn) resume(aways int) {
	x := c.needRare()
	c.mu.Lock()
	defer c.mu.Unlock()
	x.pauses--
	x.aways -= aways
	if x.aways == 0 {
		c.state.And(^away)
	}
	if x.pauses == 0 {
		c.state.And(^paused)
	}
	if x.resumed != nil {
		close(x.resumed)
		x.resumed = nil
	}
	if c.is(driven) && (x.pauses == 0 || x.aways == 0) {
		c.again()
	}
}

// AwaitResume waits, on a connection that is not driven, for the end of each Pause, and where
// the connection has ended for that of each Leave alone.
func (c *Conn) AwaitResume() {
	for c.is(paused) {
		x := c.needRare()
		c.mu.Lock()
		over := x.pauses == 0 || x.aways == 0 && x.cause != nil
		if over {
			c.mu.Unlock()
			return
		}
		if x.resumed == nil {
			x.resumed = make(chan struct{})
		}
		resumed, leaves := x.resumed, x.aways > 0
		c.mu.Unlock()
		if leaves {
			<-resumed
			continue
		}
		select {
		case <-resumed:
		case <-c.Context().Done():
		}
	}
}

// Left says, on a connection that is not driven, that no function of the program is called
// for it any more but that for its end.
func (c *Conn) Left() {
	if c.state.Or(left)&announced != 0 {
		c.hooks.Ended()
	}
}

// tellEnd tells of the end of a driven connection, behind all else that is told of it. It is
// for the goroutine of its loop.
func (c *Conn) tellEnd() {
	if s := c.state.Load(); s&(announced|left|away) == announced {
		c.state.Or(left)
		c.hooks.Ended()
	}
}

// endTold notes that Hooks.Closed has returned.
func (c *Conn) endTold() {
	switch before := c.state.Or(announced); {
	case before&driven != 0:
		c.again()
	case before&left != 0:
		c.hooks.Ended()
	}
}

// again gives a driven connection a turn.
func (c *Conn) again() { c.r.socket.Again() }

// mustNotWait reports whether the caller is the goroutine of a loop.
func (c *Conn) mustNotWait() bool {
	return c.r.socket != nil && c.r.socket.OnLoop()
}

// Turn implements sock.Turner.
func (c *Conn) Turn(t *sock.Turn) {
	if c.is(drained) && c.state.And(^drained)&left == 0 {
		c.hooks.Drained()
	}
	if c.is(handed) {
		return
	}
	r := &c.r
	r.mu.Lock()
	r.borrow()
	switch {
	case c.is(closed):
		if !c.is(readEnded) { // another goroutine has closed it
			r.endReading(c.whyClosed())
		}
	case c.is(paused | stuck):
		r.waits = false // for the peer: it is not its fault
		r.checkDeadline(t)
	default:
		r.turn(t)
	}
	if c.is(handed) {
		go c.needRare().later()
		return
	}
	r.unlock()
	c.tellPeerClosed()
	c.tellEnd()
	if c.is(lingering) {
		c.lingerTurn(t)
	}
}

// tellPeerClosed tells of the close that the program is to answer.
func (c *Conn) tellPeerClosed() {
	if c.state.Load()&(peerClosed|closed|toldClosed) != peerClosed {
		return
	}
	c.state.Or(toldClosed)
	c.hooks.PeerClosed(c.heldClose())
}

// turn reads what is there.
func (r *reader) turn(t *sock.Turn) {
	c := r.c
	if r.owesPong && r.answerOwed(noWait{}) != nil {
		return
	}
	c.w.lend(t.FD)
	left := share{until: r.bytes + turnBytes, events: turnEvents}
	for reads, more := 0, true; r.takeTurn(t, &left) && more; reads++ {
		if reads == turnReads {
			t.Again = true
			break
		}
		more = r.readTurn(t)
	}
	if r.gave { // not by the counts, which begin anew where the reading ends
		r.gave = false
		c.hooks.Read()
	}
	r.checkDeadline(t)
	if !c.is(readEnded | handed) {
		r.beforeWait(c.Context())
		r.waits = r.waits && !c.is(paused|stuck)
	}
	r.src.EndTurn(t)
	c.w.lend(sock.NoSocket)
}

// checkDeadline looks whether the read deadline has passed. It tells of that once, so that
// each turn has to look, also one that has read something.
func (r *reader) checkDeadline(t *sock.Turn) {
	if !r.c.is(readEnded|handed) && t.Socket.Expired() {
		r.fillFailed(noWait{}, os.ErrDeadlineExceeded)
	}
}

// share is what a turn may still handle.
type share struct {
	until  uint64 // as reader.bytes counts
	events int
}

// takeTurn handles what was read, up to a share. It is false where the connection is not to be read on.
func (r *reader) takeTurn(t *sock.Turn, left *share) bool {
	c := r.c
	const stops = readEnded | stuck | paused | handed
	mayForward := c.is(forwards)
	for !c.is(stops) && (r.src.Buffered() > 0 || c.ses.Pending()) {
		if r.bytes >= left.until || left.events == 0 {
			t.Again = true
			return false
		}
		left.events--
		if mayForward {
			var ok bool
			if ok, mayForward = r.forward(); ok {
				continue
			}
		}
		if !r.takeEvent(r.src.Bytes()) {
			return false
		}
	}
	return !c.is(stops)
}

// takeEvent takes one event off p, the bytes of the source.
func (r *reader) takeEvent(p []byte) bool {
	n, ok, err := r.decode(p)
	if err != nil || r.ev.Op.IsControl() {
		ok, err = r.control(noWait{}, len(p) > n, err)
	}
	r.src.Discard(n)
	switch {
	case err != nil:
		return false
	case !ok || !r.ev.Op.IsData():
	case r.c.is(relayed):
		r.gave = true
		r.publishPending()
		r.c.hooks.Part(r.partOf(r.ev.Data))
	case r.kind == wire.OpNone && r.ev.Last:
		r.publishPending()
		data := r.ev.Data
		r.c.hooks.Message(r.ev.Op, data[:len(data):len(data)]) // an append does not reach what is behind
	default:
		r.takePart(r.ev.Data)
	}
	return true
}

// takePart adds a part to a message, and delivers that if it was the last.
func (r *reader) takePart(p []byte) {
	if r.kind == wire.OpNone {
		r.begin(r.c.ses.Remaining(), borrowed)
	} else {
		r.gather(p, r.c.ses.Remaining(), borrowed)
	}
	if r.ev.Last {
		r.deliver()
	}
}

// deliver gives the message that was gathered to the program.
func (r *reader) deliver() {
	op, p := r.give(borrowed)
	r.publishPending()
	r.c.hooks.Message(op, p)
	r.takeBack()
}

// readTurn reads. It reports whether there may be more to read at once.
func (r *reader) readTurn(t *sock.Turn) bool {
	c := r.c
	var n int
	var full bool
	var err error
	if remaining := c.ses.Remaining(); r.kind != wire.OpNone && remaining >= intoPlace {
		n, full, err = r.readIntoPlace(t, remaining)
	} else {
		full, err = r.src.BeginTurn(t)
		n = r.src.Buffered()
	}
	switch {
	case err != nil:
		r.fillFailed(noWait{}, err)
		return false
	case n == 0:
		return false
	}
	if state := r.gotBytes(); state&closing != 0 && r.tooMuchBehindClose(n) {
		r.fail(&abnormalError{errTooMuch}, abort)
		return false
	}
	return full
}

// readIntoPlace reads payload to where it stays.
func (r *reader) readIntoPlace(t *sock.Turn, remaining int64) (n int, full bool, err error) {
	r.reserve(sock.SmallRead, remaining, borrowed)
	p := r.part[len(r.part):cap(r.part)]
	p = p[:min(int64(len(p)), remaining)]
	n, full, err = r.src.ReadTurn(t, p)
	if n == 0 || err != nil {
		return n, full, err
	}
	_, ok, fault := r.decode(p[:n])
	if fault != nil || r.ev.Op.IsControl() {
		r.control(noWait{}, false, fault)
		return n, false, nil
	}
	if !ok {
		return n, full, nil
	}
	r.part = r.part[:len(r.part)+n]
	if r.ev.Last {
		r.deliver()
	}
	return n, full, nil
}

// handOver leaves f, which ends the connection and has to wait for the peer to take what goes
// before, to a goroutine, if this is a turn. The turn has the lock until it ends, and then the
// goroutine has it.
func (r *reader) handOver(f func()) bool {
	c := r.c
	if !c.is(driven) || c.w.settle() || !c.mustNotWait() {
		return false
	}
	c.needRare().later = func() {
		f()
		c.state.And(^handed)
		r.unlock()
		c.again()
	}
	c.state.Or(handed)
	return true
}

// settle sends what is held, as far as the peer takes it at once. It reports whether nothing
// is left.
func (w *writer) settle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unhold()
	if w.phase() == held && w.writable(w.c.Context()) == nil {
		w.flushNoWait(nil)
	}
	return w.phase() == idle || w.failed() != nil
}

// postOnLoop leaves a message behind a write, for the goroutine of a loop, which does not
// wait. f is as for postBehind. The first message may always wait, whatever others have
// posted: the connection is not read before it has gone.
func (w *writer) postOnLoop(op wire.Op, p []byte, f *[]byte) error {
	switch n := w.waiting(); {
	case w.c.ses.CloseSent() || w.closing:
		return wire.ErrClosed
	case w.message, n > 0 && n+len(p) > w.c.lim.PostLimit && !w.first:
		return ErrBusy
	}
	return w.postBehind(op, p, f)
}
