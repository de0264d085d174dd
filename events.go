package draftwire

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/internal/wsconn"
	"github.com/draftwire/draftwire/wire"
)

// Events are the functions of a program that leaves the waiting to its Server: they are
// called when something has happened, so that an idle connection needs no goroutine, no stack
// and no buffer. They are called one after the other for each connection, and for different
// connections at the same time. Any of them may be nil.
//
// On Linux the connections of a TCP or unix listener are read by a loop on each processor.
// The functions run on it: they must not wait, or all connections of the loop wait. A call
// that has to wait for the peer does not do so there:
//
//   - Write, WritePrepared and Post leave what the peer does not take at once behind, and the
//     connection is not read until that has gone. Above Limits.PostLimit they return ErrBusy:
//     Write and WritePrepared not for the first that has to wait. Behind a message that
//     somebody else has begun with a Writer they return it too.
//   - Close does not wait for the answer, which Closed tells.
//   - Calls that read return an error.
//
// What takes longer, or has to wait, goes on in a goroutine: see Conn.Go. Over TLS it is the same
// once its handshake is done. Connections on other systems and from other listeners have a goroutine
// each, which calls the same functions.
type Events struct {
	// Open is called when a connection has been opened. An error closes it, as that of a
	// HandlerFunc does.
	Open func(c *Conn) error
	// Message is called for each message. p is lent until it returns: it may change p and
	// give it to Write, and copies what it keeps. An error closes the connection.
	Message func(c *Conn, op Op, p []byte) error
	// Closed is called once when a connection has ended, behind Observer.Closed and with the
	// same error. No other function is called behind it.
	Closed func(c *Conn, err error)

	// Part takes the place of Message for a program that carries messages elsewhere while they
	// come: it is called for each part of one, which is lent as p is to Message.
	//
	// A connection with Part is one half of something: it is read on while its own peer does not
	// take what is written. Where Lagging says so behind a write, the program pauses what
	// the write came from (Pause), until Drained. On a loop WritePart takes a part in any case.
	Part func(c *Conn, p Part) error
	// Read is called behind one or several calls of Part, when all that has come was given: what
	// was held by Cork goes now.
	Read func(c *Conn) error
	// Drained is called when all has gone that a connection lagged with.
	Drained func(c *Conn)
	// PeerClosed is called when the peer has closed and the program is to answer: see
	// AllowHalfOpen.
	PeerClosed func(c *Conn, ce *CloseError)

	// run is called in place of Part for messages that can go on as they came: see wsconn.Hooks.
	run func(c *Conn, p []byte, run *session.Run) bool
}

// serve is Events for a connection that has a goroutine.
func (e *Events) serve(ctx context.Context, c *Conn) error {
	defer c.c.Left()
	defer c.c.AwaitResume() // where the function behind which it ends has called Go
	if e.Open != nil {
		if err := e.Open(c); err != nil {
			return err
		}
		c.c.AwaitResume()
	}
	if e.Part != nil {
		return e.serveParts(ctx, c)
	}
	return c.ReadLoop(ctx, func(op Op, p []byte) error {
		if e.Message == nil {
			return nil
		}
		err := e.Message(c, op, p)
		c.c.AwaitResume()
		return err
	})
}

// serveParts is serve for a program that gets parts.
func (e *Events) serveParts(ctx context.Context, c *Conn) error {
	p, err := c.ReadPart(ctx)
	for err == nil {
		for more := true; more && err == nil; {
			if err = e.Part(c, p); err == nil {
				c.c.AwaitResume()
				p, more, err = c.TryReadPart()
			}
		}
		if e.Read != nil { // also where the end has come behind the part
			err = cmp.Or(err, e.Read(c))
			c.c.AwaitResume()
		}
		if err == nil {
			p, err = c.ReadPart(ctx)
		}
	}
	if ce, ok := errors.AsType[*CloseError](err); ok && e.PeerClosed != nil && !c.c.Closed() {
		e.PeerClosed(c, ce)
		<-c.Context().Done()
	}
	return err
}

// ServeEvents begins to call the functions of DialOptions.Events for a connection that Dial or
// Open has opened. beside, unless it is nil, is a connection of a Server with Events that is
// being opened (Events.Open) and that a loop will read: the same loop then reads c too, so that
// the functions of both are called one after the other. It is false where that cannot be, or where
// there are no Events, and nothing has begun then: TLS of Dial and what is no socket of the loops have a
// goroutine.
func (c *Conn) ServeEvents(beside *Conn) bool {
	if c.set().events == nil {
		return false
	}
	if beside != nil && !c.c.Join(&beside.c) {
		return false
	}
	if _, ok := c.c.Stream().(*sock.Socket); ok {
		c.drive(elsewhere)
		return true
	}
	go func() {
		defer c.recoverEvent()
		e := c.set().events
		if err := e.serve(c.Context(), c); !c.c.Closed() {
			c.Close(c.codeBehind(err), "")
		}
	}()
	return true
}

// Pause stops the reading of a connection with Events, behind what is being given, until Resume
// was called as often. Closed is called all the same.
func (c *Conn) Pause() { c.c.Pause() }

// Resume ends a Pause.
func (c *Conn) Resume() { c.c.Resume() }

// Lagging reports whether the peer of a connection with Events.Part has not taken at once what
// was written: Events.Drained tells when it has. It is false where writes wait.
func (c *Conn) Lagging() bool { return c.c.Lagging() }

// Go lets fn go on with the connection in a goroutine, for what takes long or has to wait. It
// is for the functions of Events. Until fn returns, no other function of them is called for
// the connection, whose messages wait. fn may use everything but the calls that read; Ping
// gets no pong meanwhile. What it returns is handled as what a function of Events returns.
// A message that fn needs has to be copied.
func (c *Conn) Go(fn HandlerFunc) {
	c.c.Leave()
	go func() {
		defer c.c.Return()
		defer c.recoverEvent()
		if err := fn(c.Context(), c); err != nil {
			c.endEvents(err)
		}
	}()
}

// message gives a message to the program.
func (c *Conn) message(op Op, p []byte) {
	defer c.recoverEvent()
	if f := c.set().events.Message; f != nil {
		if err := f(c, op, p); err != nil {
			c.endEvents(err)
		}
	}
}

// part gives a part to the program.
func (c *Conn) part(p Part) {
	defer c.recoverEvent()
	if err := c.set().events.Part(c, p); err != nil {
		c.endEvents(err)
	}
}

// run gives messages to the program as they came. It is false where the program does not take them so.
func (c *Conn) run(p []byte, run *session.Run) bool {
	defer c.recoverEvent()
	return c.set().events.run(c, p, run)
}

// readEvents tells the program that all that has come was given.
func (c *Conn) readEvents() {
	defer c.recoverEvent()
	if f := c.set().events.Read; f != nil {
		if err := f(c); err != nil {
			c.endEvents(err)
		}
	}
}

// drainedEvents tells the program that a connection lags no more.
func (c *Conn) drainedEvents() {
	defer c.recoverEvent()
	if f := c.set().events.Drained; f != nil {
		f(c)
	}
}

// peerClosedEvents tells the program that the peer has closed.
func (c *Conn) peerClosedEvents(ce *CloseError) {
	defer c.recoverEvent()
	if f := c.set().events.PeerClosed; f != nil {
		f(c, ce)
	}
}

// openEvents tells the program of a new connection.
func (c *Conn) openEvents() {
	defer c.recoverEvent()
	if f := c.set().events.Open; f != nil {
		if err := f(c); err != nil {
			c.endEvents(err)
		}
	}
}

// endEvents closes the connection behind an error of the program.
func (c *Conn) endEvents(err error) {
	if !c.c.Closed() {
		c.Close(c.codeBehind(err), "")
	}
}

// endedEvents tells the program of the end of the connection.
func (c *Conn) endedEvents() {
	defer c.recoverEvent()
	if f := c.set().events.Closed; f != nil {
		f(c, c.ending())
	}
}

// recoverEvent is deferred by what calls the program.
func (c *Conn) recoverEvent() {
	if e := recover(); e != nil {
		c.Close(CodeInternal, "")
		if log := c.set().logPanic; log != nil {
			log(c.c.Stream(), e)
		} else {
			new(Server).logPanic(c.c.Stream(), e)
		}
	}
}

// Loops.

// loopListener is a listener that is no socket itself, and may let loops accept its connections
// nevertheless.
type loopListener interface {
	// ServeOnLoops returns true when the listener is closed; false, at once, where no loop accepts.
	ServeOnLoops(accept func(net.Conn)) bool
}

// loopOn lets the loops of s take the connections of l. It is false where they cannot.
func (s *Server) loopOn(l net.Listener) (ok bool, err error) {
	if s.Events == nil || !sock.IsSocket(l) {
		return false, nil
	}
	s.mu.Lock()
	if s.loops == nil && !s.closing {
		s.loops = sock.NewLoops()
	}
	loops := s.loops
	s.mu.Unlock()
	if loops == nil {
		return false, nil
	}
	return true, loops.Listen(l, s.begin)
}

// listenCheck is how late Serve sees at most that somebody else has closed its listener.
const listenCheck = time.Second

// awaitClosed waits until the listener is closed, and returns what Serve returns then.
func (s *Server) awaitClosed(l net.Listener) error {
	t := time.NewTicker(listenCheck)
	defer t.Stop()
	for {
		select {
		case <-s.stopped:
			return http.ErrServerClosed
		case <-t.C:
			if sock.Closed(l) {
				return net.ErrClosed
			}
		}
	}
}

// endLoops ends the loops when all connections have ended.
func (s *Server) endLoops() {
	s.running.Wait()
	s.mu.Lock()
	loops := s.loops
	s.loops = nil
	s.mu.Unlock()
	if loops != nil {
		loops.Close()
	}
}

// Turn implements sock.Turner, for a connection of a loop whose handshake is not done. The
// loop does the handshake itself if that need not wait: of an upgrade whose head is there. All
// others get a goroutine, and an upgrade comes back to the loop when it is open.
func (h *handshakeState) Turn(t *sock.Turn) {
	if t.FD != sock.NoSocket && !t.Socket.Expired() {
		_, err := h.src.BeginTurn(t)
		switch {
		case err != nil:
		case h.src.Buffered() == 0:
			h.src.EndTurn(t)
			return
		case h.isWhole():
			t.Socket.DriveHere(nil)
			h.s.openOnLoop(h, t)
			return
		}
		h.src.EndTurn(t)
	}
	t.Socket.DriveHere(nil)
	go h.run()
}

// isWhole reports whether a request head is there that asks for an upgrade, with what follows
// it in hixie-76, and nothing has to be asked that may wait.
func (h *handshakeState) isWhole() bool {
	b := h.src.Bytes()
	end := httphead.End(b, 0)
	if end < 0 || end > h.live.config.Limits.HeadLimit || detect.Preface(b) != detect.HTTP1 || h.live.proxy != nil || h.live.config.Authorize != nil && h.s.authorize == nil {
		return false
	}
	if h.parseHead(end) != nil || !detect.IsAttempt(&h.req) {
		h.head, h.req = "", wire.Request{} // it is parsed again by the goroutine, which answers
		return false
	}
	return h.req.Fields.Get("Sec-WebSocket-Key1") == "" || len(b)-end > keyBytes || len(b)-end == keyBytes && h.live.config.Tolerate&mayDecideLater == 0
}

// keyBytes are behind the head of hixie-76.
const keyBytes = 8

// mayDecideLater are the tolerances with which the first frame decides the version.
const mayDecideLater = TolerateHybi01 | TolerateHixieFrames

// openOnLoop is open for the goroutine of a loop.
func (s *Server) openOnLoop(h *handshakeState, t *sock.Turn) {
	defer s.recover(h)
	h.onLoop = true
	ok := h.sniff() && h.readHead()
	if ok && s.authorize != nil && h.live.config.Authorize != nil {
		h.askOnLoop(t)
		return
	}
	c := h.finish(ok && h.judge())
	if c == nil {
		return
	}
	c.c.EndTurn(t)
	if !s.onLoop(c) {
		go serveConn(c, s.handler, s)
		return
	}
	c.drive(onItsLoop)
	c.c.Turn(t)
}

// finish answers a request on which a loop has decided, and returns the connection; nil where it has
// ended.
func (h *handshakeState) finish(admitted bool) (c *Conn) {
	s := h.s
	switch {
	case admitted && h.respond():
		c = h.connect()
	case h.answered:
		go h.leave()
		return nil
	default:
		s.unlist(h)
	}
	h.recycle()
	if c == nil {
		s.running.Done()
	}
	return c
}

// askOnLoop asks Server.authorize in place of Authorize. What has come stays with h, and more waits in
// the socket until the answer is there: then goOn is called.
func (h *handshakeState) askOnLoop(t *sock.Turn) {
	info := h.describeRequest()
	if err := h.live.config.examine(&h.upgrade, &h.req, info); err != nil {
		h.judged(info, err)
		h.finish(false)
		return
	}
	h.src.EndTurn(t)
	h.s.authorize(info, &h.policy, t.Socket, h.then)
}

// goOn goes on with a handshake behind Server.authorize: ask returns what Authorize would have
// returned. The caller is the loop's goroutine or any other that may wait.
func (h *handshakeState) goOn(ask func() error) {
	s := h.s
	defer s.recover(h)
	h.onLoop = h.below.(*sock.Socket).OnLoop()
	err := h.authorized(ask())
	if err == nil {
		h.live.config.agree(&h.upgrade)
	}
	onLoop := h.onLoop
	c := h.finish(h.judged(h.info, err))
	switch {
	case c == nil:
	case !onLoop:
		s.serve(c)
	case s.onLoop(c):
		c.drive(onItsLoop)
		c.c.Stream().(*sock.Socket).Again()
	default:
		go serveConn(c, s.handler, s)
	}
}

// leave ends a connection that a loop has refused, and that has to hear of it.
func (h *handshakeState) leave() {
	defer h.s.running.Done()
	closeGently(h.src.Conn())
	h.s.unlist(h)
	h.recycle()
}

// where says who calls.
type where bool

const (
	onItsLoop where = true
	elsewhere where = false
)

// drive leaves an open connection to its loop. The server waits at its shutdown until the
// program was told of the end: for functions of Conn.Go, and that of Events.
func (c *Conn) drive(at where) {
	in := wsconn.Messages
	if c.set().events.Part != nil {
		in = wsconn.Parts
	}
	c.c.LeaveToLoop(in)
	c.openEvents()
	c.c.Drive(at == onItsLoop)
}

// serve lets the program have an open connection. The caller is its goroutine.
func (s *Server) serve(c *Conn) {
	if s.onLoop(c) {
		c.drive(elsewhere)
		return
	}
	serveConn(c, s.handler, s)
}

// onLoop reports whether a loop reads a connection.
func (s *Server) onLoop(c *Conn) bool {
	if _, ok := c.c.Stream().(*sock.Socket); !ok || s.Events == nil {
		return false
	}
	return s.Takes == nil || s.Takes(c)
}
