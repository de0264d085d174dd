package wsconn

import (
	"errors"
	"time"

	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// This file is the life cycle of a connection: open, closing, closed, released.
//
//	Close, CloseNow            this side begins, or answers
//	reader.fail                the reader has found the end: the peer's close, a fault,
//	                           the end of the stream, a timeout
//	writer.fail                a write was cut off
//	   |
//	markClosed                 the cause is kept; the context ends         closed
//	closeStream                the observer is told; the stream ends
//	markReleased                                                          released
//
// A connection may be half-open between open and closed: CloseWrite has ended what this side
// says, and the peer's messages still come; or, after AllowHalfOpen, the peer has closed, its
// close is held, and this side still writes. The close of the other side ends it.

// ending is how the stream of a closed connection ends.
type ending uint8

const (
	notEnding ending = iota
	abort            // at once
	// linger: the closing handshake is done, or the peer is told of its fault. The server
	// ends the stream first, and what is under way still arrives (RFC 6455 7.1.1).
	linger
)

// Fail ends the connection at once. cause is what readers and the context get.
func (c *Conn) Fail(cause error) { c.finish(cause, abort) }

// finish ends the connection, once.
func (c *Conn) finish(cause error, how ending) {
	if c.markClosed(cause) {
		c.closeStream(how)
	}
}

// markClosed keeps the cause of the end, and leaves closeStream to the caller. It reports
// whether there was none before.
func (c *Conn) markClosed(cause error) bool {
	x := c.needRare()
	c.mu.Lock()
	if x.cause != nil {
		c.mu.Unlock()
		return false
	}
	if x.held != nil {
		cause = x.held // that the peer has closed, and not what went wrong behind it
		x.answer.Stop()
	}
	x.cause = cause
	c.state.Or(closed)
	c.readWatch().stop()
	c.writeWatch().stop()
	c.mu.Unlock()
	if ctx := x.ctx.Load(); ctx != nil {
		ctx.cancel(cause)
	}
	return true
}

// closeStream tells that the connection has ended, and ends its stream.
func (c *Conn) closeStream(how ending) {
	c.hooks.Closed(c.endCause())
	c.endTold()
	switch {
	case how == linger && c.lingersInTurns():
	case how == linger:
		go c.lingerClose()
	case c.is(looping|staying) && !c.is(driven) && c.Polls():
		// The stream's Close waits until ReadLoop, or Messages, gives back the socket that the
		// runtime has lent it, and its function may be what has called.
		sock.CloseWrite(c.Stream())
		go c.abortStream()
	default:
		c.abortStream()
	}
}

func (c *Conn) abortStream() {
	c.Stream().Close()
	c.markReleased()
}

// awaitWritten waits until what a turn has left to a goroutine is written.
func (w *writer) awaitWritten() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.writing && w.failed() == nil {
		changed := w.change()
		w.mu.Unlock()
		<-changed // the write has a deadline
		w.mu.Lock()
	}
}

// lingerTime bounds the wait for the peer to end the stream after the closing
// handshake.
const lingerTime = 2 * time.Second

// lingerClose ends our half of the stream first, where the connection can, then
// reads until the peer has ended its half. Closing with unread bytes would
// reset the connection and could cost the peer our close frame.
func (c *Conn) lingerClose() {
	defer c.markReleased()
	defer c.Stream().Close()
	if c.is(driven) {
		c.w.awaitWritten()
	}
	c.beginLinger()
	sock.Drain(c.Stream())
}

func (c *Conn) beginLinger() {
	if c.ses.Role() == wire.Server || !c.supports(wire.CapCloseFrame) {
		sock.CloseWrite(c.Stream())
	}
	c.Stream().SetReadDeadline(time.Now().Add(lingerTime))
}

// lingersInTurns is lingerClose for a driven connection whose turns go on with it. It is false where
// something is still to be written, and over TLS, whose end is not that of the bytes below.
func (c *Conn) lingersInTurns() bool {
	s := c.r.socket
	if s == nil || s.TLS() != nil || !c.is(driven) || !c.w.isWritten() {
		return false
	}
	c.beginLinger()
	c.state.Or(lingering)
	c.again()
	return true
}

// lingerTurn is what a turn does of lingerClose.
func (c *Conn) lingerTurn(t *sock.Turn) {
	over := t.FD == sock.NoSocket || t.Socket.Expired()
	if !over {
		x := c.needRare()
		var n int
		n, over = sock.DrainTurn(t, x.drained)
		x.drained += n
	}
	if over && c.state.And(^lingering)&lingering != 0 {
		c.abortStream()
	}
}

// isWritten reports whether there is nothing that a turn has left to a goroutine.
func (w *writer) isWritten() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.writing || w.failed() != nil
}

// markReleased notes that the stream is closed.
func (c *Conn) markReleased() {
	c.mu.Lock()
	c.state.Or(released)
	if x := c.rare.Load(); x != nil && x.released != nil {
		close(x.released)
	}
	c.mu.Unlock()
	c.hooks.Released()
}

// Released reports whether the stream is closed.
func (c *Conn) Released() bool { return c.is(released) }

// awaitRelease waits, on a client, for the server to end the stream: a program that
// exits at once would reset it, and the server might miss our close. A ReadLoop does
// so when it ends: its function, which may be what closes, holds what the end waits for. So
// does the body of Messages on a busy connection.
func (c *Conn) awaitRelease() {
	if c.ses.Role() != wire.Client || !c.is(closed) || c.is(looping) || c.inBody() {
		return
	}
	x := c.needRare()
	c.mu.Lock()
	if c.is(released) {
		c.mu.Unlock()
		return
	}
	if x.released == nil {
		x.released = make(chan struct{})
	}
	done := x.released
	c.mu.Unlock()
	select {
	case <-done:
	case <-time.After(lingerTime):
	}
}

// whyClosed returns the cause of the connection's end, nil while it has not ended.
func (c *Conn) whyClosed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.endCause()
}

// CloseNow ends the connection without a closing handshake. What is held goes before, as
// far as the peer takes it without waiting.
func (c *Conn) CloseNow() {
	c.state.Or(closing)
	c.w.flushBeforeAbort()
	c.finish(wire.ErrClosed, abort)
}

// Close does the closing handshake: see draftwire.Conn.Close.
func (c *Conn) Close(code wire.CloseCode, reason string) error {
	if code != wire.CodeNoStatus && !code.OnWire() {
		return &closeCodeError{code}
	}
	if c.is(driven) && !c.w.settle() && c.mustNotWait() {
		go c.Close(code, reason)
		return nil
	}
	before := c.state.Or(closing)
	if before&(closing|closed) != 0 {
		c.awaitAnswer(before)
		c.awaitRelease()
		return nil
	}
	defer c.awaitRelease()
	if err := c.sendClose(code, reason); err != nil {
		return err
	}
	if before&peerClosed != 0 || !c.supports(wire.CapCloseFrame) {
		c.finish(wire.ErrClosed, linger)
		return nil
	}
	if c.is(driven) || !c.r.lockForClose() {
		return nil // ReadLoop or the loop sees the answer
	}
	defer c.r.unlock()
	c.r.keepLent()
	c.r.awaitClose()
	ce, ok := errors.AsType[*wire.CloseError](c.r.ended())
	if ok && ce.Code != wire.CodeAbnormal || !c.supports(wire.CapCloseCode) {
		return nil
	}
	return c.r.ended()
}

// sendClose sends our close, and bounds the wait for the peer's.
func (c *Conn) sendClose(code wire.CloseCode, reason string) error {
	by := now() + c.closeTimeout()
	if err := c.w.writeClose(code, reason, by); err != nil {
		c.finish(wire.ErrClosed, abort)
		return err
	}
	x := c.needRare()
	c.mu.Lock()
	defer c.mu.Unlock()
	x.answerBy = by
	if c.is(looping|staying) && !c.is(driven) { // its check of the end may be under way, and this takes its deadline away
		by = min(by, now()+checkTime)
	}
	c.Stream().SetReadDeadline(at(by)) // a reader that waits now wakes then
	return nil
}

// AllowHalfOpen leaves the answer to the peer's close to the program: see
// draftwire.Conn.AllowHalfOpen.
func (c *Conn) AllowHalfOpen() { c.state.Or(halfOpen) }

// CloseWrite sends our close, and leaves reading as it is: see draftwire.Conn.CloseWrite.
func (c *Conn) CloseWrite(code wire.CloseCode, reason string) error {
	if code != wire.CodeNoStatus && !code.OnWire() {
		return &closeCodeError{code}
	}
	if c.is(driven) && !c.w.settle() && c.mustNotWait() {
		go c.CloseWrite(code, reason)
		return nil
	}
	switch before := c.state.Or(writeClosed); {
	case before&(closing|closed|writeClosed) != 0:
		c.awaitAnswer(before)
		return nil
	case before&peerClosed != 0:
		return c.Close(code, reason)
	}
	if err := c.sendClose(code, reason); err != nil {
		return err
	}
	if !c.supports(wire.CapCloseFrame) {
		sock.CloseWrite(c.Stream())
	}
	return nil
}

// holdClose keeps the peer's close for the program to answer, and reports whether it does:
// not where ours has begun, to which the peer's is the answer.
func (c *Conn) holdClose(ce *wire.CloseError) bool {
	if !c.is(halfOpen) {
		return false
	}
	x := c.needRare()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		before := c.state.Load()
		if before&(closing|closed|writeClosed) != 0 {
			return false
		}
		if c.state.CompareAndSwap(before, before|peerClosed) {
			break
		}
	}
	x.held = ce
	x.answer = time.AfterFunc(c.lim.CloseTimeout, func() { c.answer(ce) })
	return true
}

// heldClose returns the close that the program is to answer.
func (c *Conn) heldClose() *wire.CloseError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rare.Load().held
}

// awaitAnswer waits until another goroutine has answered the peer's close: one that cuts the
// connection next would take that answer away.
func (c *Conn) awaitAnswer(before uint32) {
	if before&peerClosed != 0 && !(c.is(driven) && c.mustNotWait()) {
		<-c.Context().Done()
	}
}

// answer answers a close as the engine does by itself: see session.AppendReply.
func (c *Conn) answer(ce *wire.CloseError) {
	body := ""
	if ce.Code == wire.CodeNoStatus {
		body = ce.Reason
	}
	c.Close(ce.Code, body)
}

// closeCodeError is a code that must not be sent.
type closeCodeError struct{ code wire.CloseCode }

func (e *closeCodeError) Error() string {
	return "draftwire: close code " + e.code.String() + " must not be sent"
}
func (e *closeCodeError) Unwrap() error { return wire.ErrUnsupported }

// closedError is the end of a connection that this side closed: ErrClosed, and
// what the peer said to it.
type closedError struct{ peer error }

func (e *closedError) Error() string        { return wire.ErrClosed.Error() + " (" + e.peer.Error() + ")" }
func (e *closedError) Is(target error) bool { return target == wire.ErrClosed }
func (e *closedError) Unwrap() error        { return e.peer }

// abnormalError is a stream that broke: CodeAbnormal, and the cause.
type abnormalError struct{ cause error }

func (e *abnormalError) Error() string { return "draftwire: read: " + e.cause.Error() }
func (e *abnormalError) Unwrap() error { return e.cause }
func (e *abnormalError) As(target any) bool {
	ce, ok := target.(**wire.CloseError)
	if ok {
		*ce = &wire.CloseError{Code: wire.CodeAbnormal}
	}
	return ok
}

// The causes of an abnormal end that this side finds.
var (
	errIdle     = errors.New("draftwire: idle timeout")
	errNoAnswer = errors.New("draftwire: the peer did not answer the close in time")
	errTooMuch  = errors.New("draftwire: the peer sent on and on behind our close")
	errLooping  = errors.New("draftwire: a ReadLoop is reading")
)

// closeStatus returns the close code that err carries, or 0.
func closeStatus(err error) wire.CloseCode {
	if ce, ok := errors.AsType[*wire.CloseError](err); ok {
		return ce.Code
	}
	return 0
}
