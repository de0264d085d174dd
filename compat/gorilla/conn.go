package websocket

import (
	"compress/flate"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/inside"
	"github.com/draftwire/draftwire/internal/wsconn"
	"github.com/draftwire/draftwire/wire"
)

const (
	maxControlFramePayloadSize = 125 // RFC 6455 5.5
	minCompressionLevel        = -2  // of package compress/flate
	maxCompressionLevel        = flate.BestCompression
	defaultWriteBufferSize     = 4096
	maxFailedReads             = 1000        // behind which a program reads for ever
	handlerTimeout             = time.Second // for the answers of the default handlers
	settleTime                 = 100 * time.Millisecond
	never                      = 10 * 365 * 24 * time.Hour
)

// BufferPool is a pool of write buffers. It is not used: see the package's documentation.
type BufferPool interface {
	// Get gets a value from the pool, or nil.
	Get() any
	// Put adds a value to the pool.
	Put(any)
}

// Conn is a connection. One goroutine at a time may read; WriteMessage, WriteJSON,
// WritePreparedMessage, WriteControl and Close may be called by any number at a time.
type Conn struct {
	dw          *draftwire.Conn
	eng         *wsconn.Conn
	net         net.Conn
	subprotocol string
	writeSize   int

	reader      *messageReader // the current one
	readErr     error          // sticky
	failedReads int

	ping, pong atomic.Pointer[func(string) error] // nil: the default
	onClose    atomic.Pointer[func(int, string) error]

	writer        atomic.Pointer[messageWriter] // the current one
	writeDeadline atomic.Pointer[time.Time]     // nil is none
	writeErr      atomic.Pointer[error]         // sticky
	closeSent     atomic.Bool
	closed        atomic.Bool // Close was called
}

// wrap returns the Conn of a connection that nobody has read from.
func wrap(dw *draftwire.Conn, writeSize int) *Conn {
	if writeSize <= 0 {
		writeSize = defaultWriteBufferSize
	}
	eng := inside.Engine(dw).(*wsconn.Conn)
	eng.AllowHalfOpen() // the close handler answers
	return &Conn{dw: dw, eng: eng, net: eng.Stream(), subprotocol: dw.Subprotocol(), writeSize: writeSize}
}

// tolerated is what gorilla takes too: a length that is not in its shortest form, which tells nobody
// anything else.
const tolerated = wire.TolerateLongLength

// limits are those of gorilla: none but the handshake's and the closing handshake's.
func limits(handshake time.Duration) draftwire.Limits {
	return draftwire.Limits{ReadLimit: -1, HandshakeTimeout: max(handshake, 0), WriteTimeout: never}
}

// Version returns the version of the protocol that the connection speaks. gorilla has no
// such method.
func (c *Conn) Version() draftwire.Version { return c.dw.Version() }

// Subprotocol returns the subprotocol that was agreed on, or "".
func (c *Conn) Subprotocol() string { return c.subprotocol }

// LocalAddr returns this side's address.
func (c *Conn) LocalAddr() net.Addr { return c.net.LocalAddr() }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.net.RemoteAddr() }

// NetConn returns the connection below. Who reads or writes there is in the way of this one.
func (c *Conn) NetConn() net.Conn { return c.net }

// UnderlyingConn returns the connection below.
//
// Deprecated: Use NetConn.
func (c *Conn) UnderlyingConn() net.Conn { return c.net }

// Close closes the connection below, and says nothing to the peer: write a CloseMessage before
// to do so. A second Close is an error, as of a net.Conn.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return c.opError("close", net.ErrClosed)
	}
	c.eng.Settle(settleTime) // in gorilla a write that has returned has gone
	c.eng.CloseNow()
	_ = c.eng.Stream().Close() // where the peer has closed, the engine is still waiting for its end
	return nil
}

// SetReadDeadline sets the time at which reads fail, with an error whose Timeout is true. It
// holds until it is set again, also for a read that waits; the zero time is none. A read that has failed by it has
// ended the connection.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.eng.SetReadDeadline(t) }

// SetWriteDeadline sets the time at which writes fail, with an error whose Timeout is true. It
// holds until it is set again, for writes that begin after the call; the zero time is none. A write that
// has failed by it has ended the connection.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		c.writeDeadline.Store(nil)
	} else {
		c.writeDeadline.Store(&t)
	}
	return nil
}

// SetReadLimit bounds a message that is read, in bytes, as the program gets it. Above it the peer gets a close
// with CloseMessageTooBig, and the read ErrReadLimit. 0 or less is no bound, the default.
func (c *Conn) SetReadLimit(limit int64) { c.eng.SetReadLimit(max(limit, 0)) }

// EnableWriteCompression says whether messages that begin after the call are compressed. They
// are by default, where compression was agreed on.
func (c *Conn) EnableWriteCompression(enable bool) { c.eng.SetCompress(enable) }

// SetCompressionLevel checks a level of package compress/flate, -2 to 9, and has no other
// effect.
func (c *Conn) SetCompressionLevel(level int) error {
	if level < minCompressionLevel || level > maxCompressionLevel {
		return errors.New("websocket: invalid compression level")
	}
	return nil
}

// PingHandler returns the function that is called for pings.
func (c *Conn) PingHandler() func(appData string) error {
	if h := c.ping.Load(); h != nil {
		return *h
	}
	return func(appData string) error {
		err := c.WriteControl(PongMessage, []byte(appData), time.Now().Add(handlerTimeout))
		if ne, ok := err.(net.Error); err == ErrCloseSent || ok && ne.Timeout() {
			return nil
		}
		return err
	}
}

// SetPingHandler makes h be called for each ping, by the calls that read. nil is the default,
// which answers with a pong. An error of h is that of the read.
func (c *Conn) SetPingHandler(h func(appData string) error) {
	c.eng.OnPing(setHandler(&c.ping, h))
}

// PongHandler returns the function that is called for pongs.
func (c *Conn) PongHandler() func(appData string) error {
	if h := c.pong.Load(); h != nil {
		return *h
	}
	return func(string) error { return nil }
}

// SetPongHandler makes h be called for each pong, by the calls that read. nil is the default,
// which does nothing. An error of h is that of the read.
func (c *Conn) SetPongHandler(h func(appData string) error) {
	c.eng.OnPong(setHandler(&c.pong, h))
}

// setHandler keeps h and returns what the engine calls for it, nil for the default.
func setHandler(at *atomic.Pointer[func(string) error], h func(string) error) func([]byte) error {
	if h == nil {
		at.Store(nil)
		return nil
	}
	at.Store(&h)
	return func(payload []byte) error { return h(string(payload)) }
}

// CloseHandler returns the function that is called for the peer's close.
func (c *Conn) CloseHandler() func(code int, text string) error {
	if h := c.onClose.Load(); h != nil {
		return *h
	}
	return func(code int, _ string) error {
		c.answerClose(code)
		return nil
	}
}

// answerClose answers the peer's close with its code.
func (c *Conn) answerClose(code int) {
	_ = c.WriteControl(CloseMessage, FormatCloseMessage(code, ""), time.Now().Add(handlerTimeout))
}

// SetCloseHandler makes h be called for the peer's close, by the call that reads, which then
// returns a *CloseError or the error of h. code is CloseNoStatusReceived where the peer gave none. nil is the default, which
// answers with the same code. Where h does not answer, the connection does so after
// draftwire.DefaultCloseTimeout.
func (c *Conn) SetCloseHandler(h func(code int, text string) error) {
	if h == nil {
		c.onClose.Store(nil)
	} else {
		c.onClose.Store(&h)
	}
}

func isControl(messageType int) bool {
	return messageType == CloseMessage || messageType == PingMessage || messageType == PongMessage
}

func isData(messageType int) bool { return messageType == TextMessage || messageType == BinaryMessage }

// opOf returns the engine's word for a type of data.
func opOf(messageType int) wire.Op {
	if messageType == TextMessage {
		return wire.OpText
	}
	return wire.OpBinary
}
