package draftwire

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/wire"
)

// Conn is one WebSocket connection of any version, on the server's or the
// client's side.
//
// Reading is for one goroutine at a time, writing for any number. Somebody has
// to read for pings to be answered and a close to be seen: a program that only
// writes calls CloseRead.
//
// A context that ends stops the call it was given to. A cancelled read loses
// nothing: the next one goes on where it stopped. A write that was cut off
// cannot be taken back, so it closes the connection.
type Conn struct {
	draft    row
	role     wire.Role
	info     *Handshake
	protocol string
	obs      *Observer
	limits   Limits
	nc       net.Conn
	ses      *session.Session

	ctx    context.Context
	cancel context.CancelCauseFunc

	// Reading, under rmu.
	rmu   sync.Mutex
	src   *source
	ev    wire.Event
	ended error      // sticky: how the connection ended, for readers
	part  []byte     // of a message whose Read was cancelled
	kind  wire.Op    // of that message; OpNone where there is none
	cur   *msgReader // the last Reader, while its message is not read to the end
	rctx  watch

	// Writing. mmu is held for a message, wmu for a frame.
	mmu    chan struct{}
	wmu    sync.Mutex
	wctx   watch
	wuntil time.Time // the write deadline that is set
	broken error     // sticky: a write was cut off

	// Deadlines of reading, under dmu.
	dmu     sync.Mutex
	closeBy time.Time // our close has gone: the peer answers until then

	closing atomic.Bool // Close was called
	once    sync.Once   // finish
	done    chan struct{}
	pongs   pongs
	stats   stats
	forget  func(*Conn) // the Server's
}

// Stats counts what a connection has carried.
type Stats struct {
	MessagesIn, MessagesOut uint64
	BytesIn, BytesOut       uint64 // payload
}

type stats struct{ messagesIn, messagesOut, bytesIn, bytesOut atomic.Uint64 }

type connConfig struct {
	draft     row
	role      wire.Role
	info      *Handshake
	acc       *wire.Accept
	deflate   *deflate.Params
	threshold int
	limits    Limits
	tolerate  Tolerances
	obs       *Observer
	rand      io.Reader
	parent    context.Context
	src       *source
	forget    func(*Conn)
}

func newConn(cfg connConfig) *Conn {
	c := &Conn{
		draft: cfg.draft, role: cfg.role, info: cfg.info, protocol: cfg.acc.Protocol,
		obs: cfg.obs, limits: cfg.limits, nc: cfg.src.nc, src: cfg.src,
		mmu: make(chan struct{}, 1), done: make(chan struct{}), forget: cfg.forget,
	}
	if c.draft.closeWait > 0 {
		c.limits.CloseTimeout = min(c.limits.CloseTimeout, c.draft.closeWait)
	}
	cc := wire.CodecConfig{Role: cfg.role, Rand: cfg.rand, MaskKey: cfg.acc.MaskKey, Tolerate: cfg.tolerate}
	if cfg.tolerate != 0 {
		cc.Seen = func(t Tolerances) { c.obs.tolerated(c.info.Remote, t) }
	}
	c.ses = session.New(cfg.draft.Draft, session.Config{
		CodecConfig: cc, Limit: cfg.limits.ReadLimit, Deflate: cfg.deflate, Threshold: cfg.threshold,
	})
	c.ctx, c.cancel = context.WithCancelCause(cfg.parent)
	c.rctx.cut = func() { c.nc.SetReadDeadline(past) }
	c.wctx.cut = func() { c.nc.SetWriteDeadline(past) }
	c.nc.SetDeadline(time.Time{}) // net/http leaves its own behind
	c.info.Done = time.Now()
	c.obs.opened(c)
	return c
}

// Version returns the version that the connection speaks.
func (c *Conn) Version() Version { return c.draft.Version }

// Subprotocol returns the subprotocol that was agreed on, or "".
func (c *Conn) Subprotocol() string { return c.protocol }

// Handshake returns how the connection was opened. It is not to be changed.
func (c *Conn) Handshake() *Handshake { return c.info }

// Context ends when the connection ends; context.Cause tells why.
func (c *Conn) Context() context.Context { return c.ctx }

// Stats returns what the connection has carried so far.
func (c *Conn) Stats() Stats {
	return Stats{c.stats.messagesIn.Load(), c.stats.messagesOut.Load(), c.stats.bytesIn.Load(), c.stats.bytesOut.Load()}
}

// LocalAddr and RemoteAddr are those of the connection below.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// SetReadLimit bounds the payload of messages that begin after the call; 0 or
// less is no bound. It is for the reading goroutine.
func (c *Conn) SetReadLimit(n int64) { c.ses.SetLimit(n) }

// watch keeps the context of the last call armed, so that calls that follow
// with the same context cost nothing. Contexts are told apart by their Done
// channel.
type watch struct {
	cut  func()          // runs under the mutex given to arm
	done <-chan struct{} // of the context that is armed; the owner's alone

	// Under the mutex given to arm.
	stop  func() bool
	gen   uint64
	fired bool
}

// arm lets the end of ctx call cut. It reports whether cut has run for an
// earlier context: the caller undoes what it did.
func (w *watch) arm(mu *sync.Mutex, c *Conn, ctx context.Context) (wasCut bool) {
	done := ctx.Done()
	if done == w.done {
		return false
	}
	w.done = done
	mu.Lock()
	defer mu.Unlock()
	w.release()
	wasCut, w.fired = w.fired, false
	if done == nil || done == c.ctx.Done() {
		return wasCut // never ends, or ends with the connection
	}
	gen := w.gen
	w.stop = context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if w.gen == gen {
			w.fired = true
			w.cut()
		}
	})
	return wasCut
}

// disarm forgets the context; what it has cut is told to the next arm.
func (w *watch) disarm(mu *sync.Mutex) {
	mu.Lock()
	w.release()
	mu.Unlock()
	w.done = disarmed
}

// release lets go of the context, which else would keep the connection. It runs
// under the mutex given to arm.
func (w *watch) release() {
	w.gen++
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// disarmed is the Done channel of no context.
var disarmed = make(chan struct{})

// past is a deadline that has always been.
var past = time.Unix(1, 0)

// finish ends the connection, once. why is what readers and the context get.
// With graceful the closing handshake is done: the server ends the stream
// first, and what is under way still arrives (RFC 6455 7.1.1).
func (c *Conn) finish(why error, graceful bool) {
	c.once.Do(func() {
		c.cancel(why)
		c.dmu.Lock()
		c.rctx.release()
		c.wctx.release()
		c.dmu.Unlock()
		c.obs.closed(c, why)
		if !graceful {
			c.nc.Close()
			c.gone()
			return
		}
		go c.linger()
	})
}

// lingerTime bounds the wait for the peer to end the stream after the closing
// handshake.
const lingerTime = 2 * time.Second

// linger ends the stream in order: half first where the connection can, then
// reads until the peer has ended its half. Closing with unread bytes would
// reset the connection and could cost the peer our close frame.
func (c *Conn) linger() {
	defer c.gone()
	defer c.nc.Close()
	if c.role == wire.Server || !c.Version().Supports(wire.CapCloseFrame) {
		closeWrite(c.nc)
	}
	c.nc.SetReadDeadline(time.Now().Add(lingerTime))
	drain(c.nc)
}

func (c *Conn) gone() {
	close(c.done)
	if c.forget != nil {
		c.forget(c)
	}
}

func closeWrite(nc net.Conn) {
	if cw, ok := nc.(interface{ CloseWrite() error }); ok {
		cw.CloseWrite()
	}
}

// drainMost bounds what a peer may still send into an ended connection.
const drainMost = 1 << 20

func drain(nc net.Conn) {
	var b [smallRead]byte
	for total := 0; total < drainMost; {
		n, err := nc.Read(b[:])
		if err != nil {
			return
		}
		total += n
	}
}

// CloseNow ends the connection without a closing handshake.
func (c *Conn) CloseNow() error {
	c.closing.Store(true)
	c.finish(ErrClosed, false)
	return nil
}

// Close does the closing handshake: it sends what the version can say of code
// and reason, waits for the peer's answer, at most the close timeout, and ends
// the stream. A reason longer than 123 bytes is cut at a character. Messages
// that come meanwhile are dropped. It returns nil once the peer has answered
// or where the version has no closing handshake; a client also waits, up to two
// seconds, for the server to end the stream.
//
// A code that must not be sent (RFC 6455 7.4.1) is ErrUnsupported and leaves
// the connection open; CodeNoStatus sends none. Closing again is no error.
func (c *Conn) Close(code CloseCode, reason string) error {
	if code != CodeNoStatus && !code.OnWire() {
		return &closeCodeError{code}
	}
	if c.closing.Swap(true) || c.ctx.Err() != nil {
		c.settle()
		return nil
	}
	defer c.settle()
	by := time.Now().Add(c.limits.CloseTimeout)
	if err := c.writeClose(code, reason, by); err != nil {
		c.finish(ErrClosed, false)
		return err
	}
	c.dmu.Lock()
	c.closeBy = by
	c.nc.SetReadDeadline(by) // a reader that waits now wakes then
	c.dmu.Unlock()
	if !c.Version().Supports(wire.CapCloseFrame) {
		c.finish(ErrClosed, true)
		return nil
	}
	c.rmu.Lock()
	defer c.rmu.Unlock()
	for c.ended == nil {
		if err := c.next(c.ctx); err != nil {
			break
		}
	}
	var ce *CloseError
	if errors.As(c.ended, &ce) && ce.Code != CodeAbnormal || !c.Version().Supports(wire.CapCloseCode) {
		return nil
	}
	return c.ended
}

// settle waits, on a client, for the server to end the stream: a program that
// exits at once would reset it, and the server might miss our close.
func (c *Conn) settle() {
	if c.role != wire.Client || c.ctx.Err() == nil {
		return
	}
	select {
	case <-c.done:
	case <-time.After(lingerTime):
	}
}

type closeCodeError struct{ code CloseCode }

func (e *closeCodeError) Error() string {
	return "draftwire: close code " + e.code.String() + " must not be sent"
}
func (e *closeCodeError) Unwrap() error { return ErrUnsupported }

// end makes err the connection's end, for readers.
func (c *Conn) end(err error, graceful bool) error {
	if c.closing.Load() && !errors.Is(err, ErrClosed) {
		err = &closedError{err}
	}
	c.ended = err
	c.rctx.disarm(&c.dmu)
	c.src.release()
	c.part = nil
	c.finish(err, graceful)
	return err
}

// closedError is the end of a connection that this side closed: ErrClosed, and
// what the peer said to it.
type closedError struct{ peer error }

func (e *closedError) Error() string   { return ErrClosed.Error() + " (" + e.peer.Error() + ")" }
func (e *closedError) Unwrap() []error { return []error{ErrClosed, e.peer} }

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

var errIdle = errors.New("draftwire: idle timeout")

// readFailed turns an error of the stream into the connection's end.
func (c *Conn) readFailed(err error) error {
	if c.ctx.Err() != nil {
		return c.end(context.Cause(c.ctx), false)
	}
	// A TLS peer that leaves without close_notify is an io.ErrUnexpectedEOF;
	// where TCP's end is the end, that is one.
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = c.ses.EOF()
		return c.end(err, CloseStatus(err) == CodeNoStatus)
	}
	return c.end(&abnormalError{err}, false)
}

// abnormalError is a stream that broke: CodeAbnormal, and the cause.
type abnormalError struct{ cause error }

func (e *abnormalError) Error() string { return "draftwire: read: " + e.cause.Error() }
func (e *abnormalError) Unwrap() []error {
	return []error{&CloseError{Code: CodeAbnormal}, e.cause}
}
