package wsconn

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// This file is for a program that handles control frames itself: package compat/gorilla.

// OnPing makes fn be called for each ping in place of the pong, by the goroutine that reads,
// with the payload, which is valid until it returns. fn must not read. An error of fn ends the connection, and
// is within the error of the call that reads. nil gives the pong back.
func (c *Conn) OnPing(fn func(payload []byte) error) { handle(&c.needRare().onPing, fn) }

// OnPong makes fn be called for each pong, as OnPing does for pings.
func (c *Conn) OnPong(fn func(payload []byte) error) { handle(&c.needRare().onPong, fn) }

func handle(at *atomic.Pointer[func([]byte) error], fn func([]byte) error) {
	if fn == nil {
		at.Store(nil)
	} else {
		at.Store(&fn)
	}
}

// told gives the ping or pong in hand to whom OnPing or OnPong named; ok is false where
// nobody was.
//
//go:noinline
func (r *reader) told() (ok bool, err error) { // noinline: keeps a cold frame off the 2 KiB stack
	x := r.c.rare.Load()
	if x == nil {
		return false, nil
	}
	var fn *func([]byte) error
	switch r.ev.Op {
	case wire.OpPing:
		fn = x.onPing.Load()
	case wire.OpPong:
		fn = x.onPong.Load()
	}
	if fn == nil {
		return false, nil
	}
	if err = (*fn)(r.ev.Data); err != nil {
		err = r.fail(&abnormalError{err}, abort)
	}
	return true, err
}

// Settle sends what is held, and waits until what was written before has gone to the stream, but no
// longer than that.
func (c *Conn) Settle(most time.Duration) {
	w := &c.w
	if w.settle() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.phase() == writing && w.failed() == nil {
		if w.awaitChange(ctx) != nil {
			return
		}
	}
}

// noteCutOff notes an end of the stream for CutOff.
func (r *reader) noteCutOff(err error) {
	if err == io.ErrUnexpectedEOF {
		r.c.needRare().cutOff = true
	}
}

// CutOff reports whether the stream below has ended with io.ErrUnexpectedEOF itself, as one of
// TLS does without close_notify. It is for the goroutine that reads.
func (c *Conn) CutOff() bool {
	x := c.rare.Load()
	return x != nil && x.cutOff
}

// WriteControl sends a ping or a pong with a payload of its own.
func (c *Conn) WriteControl(ctx context.Context, op wire.Op, payload []byte) error {
	if !c.supports(wire.CapPing) {
		return wire.NewUnsupportedError(c.version, "ping and pong")
	}
	return c.w.frame(ctx, op, alone, payload)
}

// SendClose is CloseWrite, but waits for nobody: neither for another goroutine's answer, which
// is ErrClosed, nor for a server to end the stream.
func (c *Conn) SendClose(code wire.CloseCode, reason string) error {
	if code != wire.CodeNoStatus && !code.OnWire() {
		return &closeCodeError{code}
	}
	before := c.state.Or(writeClosed)
	if before&(closing|closed|writeClosed) != 0 {
		return wire.ErrClosed
	}
	if before&peerClosed != 0 && c.state.Or(closing)&closing != 0 {
		return wire.ErrClosed
	}
	if err := c.sendClose(code, reason); err != nil {
		return err
	}
	switch {
	case before&peerClosed != 0:
		c.finish(wire.ErrClosed, linger)
	case !c.supports(wire.CapCloseFrame):
		sock.CloseWrite(c.Stream())
	}
	return nil
}

// SetReadDeadline makes the connection end when the time has come and a call that reads
// waits for bytes, unless this side has closed: that has a time of its own. The zero time is none.
// It is for connections without an IdleTimeout, whose reads have no context.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answerBy() != 0 {
		return nil
	}
	return c.Stream().SetReadDeadline(t)
}

// SetCompress says whether messages that begin from now on may be compressed.
func (c *Conn) SetCompress(yes bool) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.ses.SetCompress(yes)
}
