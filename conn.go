package draftwire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/pool"
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
	draft *row
	set   *settings
	info  *Handshake
	role  wire.Role
	gone  bool   // the stream is closed, under mu
	drops uint16 // what the reader has dropped behind our close: Conn.dropped

	state atomic.Uint32 // closing, over, looping
	more  atomic.Bool   // the reader has bytes that it has not looked at
	held  atomic.Bool   // the writers hold something back

	// What a write touches lies close together: who writes to ten thousand connections
	// finds none of them in the processor's cache.
	out   outbox // writing, under out.mu: outbox.go
	in    inbox  // reading, under in.mu: read.go
	ses   session.Session
	stats stats
	pongs *pongs

	// The end, and the deadlines.
	mu      sync.Mutex
	why     error                       // set by finish, before the bit over
	ctx     atomic.Pointer[fullContext] // made when somebody asks for it
	goneCh  chan struct{}               // made by who waits for that
	closeBy time.Duration               // our close has gone: the peer answers until then; 0 before
	rctx    *watch
	wctx    *watch
}

// The bits of Conn.state.
const (
	closing uint32 = 1 << iota // Close was called
	over                       // the connection has ended, why says how
	looping                    // a ReadLoop has the reading half
)

// is reports whether one of the bits is set.
func (c *Conn) is(bit uint32) bool { return c.state.Load()&bit != 0 }

// settings are what all connections of one server have in common.
type settings struct {
	limits    Limits
	tolerate  Tolerances
	dropHeads bool
	text      wire.TextPolicy
	obs       *Observer
	forget    func(*Conn) // the Server's
}

// Stats counts what a connection has carried.
type Stats struct {
	MessagesIn, MessagesOut uint64
	BytesIn, BytesOut       uint64 // payload
	Repaired                uint64 // messages that came with text that is not UTF-8, and got U+FFFD in its place
}

type stats struct{ messagesIn, bytesIn atomic.Uint64 }

type connConfig struct {
	draft     *row
	role      wire.Role
	info      *Handshake
	acc       *wire.Accept
	deflate   *deflate.Params
	threshold int
	set       *settings
	rand      io.Reader
	parent    context.Context
	src       *source
	ses       session.Config // made of these
}

// newConn makes a connection, in steps of their own: stacks are short.
func newConn(cfg *connConfig) *Conn {
	c := prepareConn(cfg)
	c.ses.Init(cfg.draft.Draft, &cfg.ses)
	c.opened()
	return c
}

//go:noinline
func prepareConn(cfg *connConfig) *Conn {
	c := new(Conn)
	c.draft, c.role, c.info, c.set = cfg.draft, cfg.role, cfg.info, cfg.set
	if cfg.parent != nil {
		c.ctx.Store(newContext(cfg.parent))
	}
	c.info.Took = time.Since(c.info.Began)
	c.in.src.adopt(cfg.src)
	c.out.fd = noSocket
	ses := &cfg.ses
	ses.Limit, ses.Deflate, ses.Threshold, ses.Text = cfg.set.limits.ReadLimit, cfg.deflate, cfg.threshold, cfg.set.text
	ses.Role, ses.Rand, ses.MaskKey, ses.Tolerate = cfg.role, cfg.rand, cfg.acc.MaskKey, cfg.set.tolerate
	if cfg.set.tolerate != 0 {
		ses.Seen = func(t Tolerances) { c.set.obs.tolerated(c.info.Remote, t) }
	}
	return c
}

//go:noinline
func (c *Conn) opened() {
	if c.set.dropHeads {
		c.info.rehome(&noHead, &noHead)
	}
	c.set.obs.opened(c)
	if c.set.dropHeads {
		c.info.request, c.info.response = noHead, noHead
	}
}

func (c *Conn) nc() net.Conn { return c.in.src.nc }

// now is a clock of the connection's own, at is a time on it.
func (c *Conn) now() time.Duration { return time.Since(c.info.Began) - c.info.Took }

func (c *Conn) at(t time.Duration) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return c.info.Began.Add(c.info.Took + t)
}

// closeTimeout bounds the wait for the peer's answer to our close.
func (c *Conn) closeTimeout() time.Duration {
	if c.draft.closeWait > 0 {
		return min(c.set.limits.CloseTimeout, c.draft.closeWait)
	}
	return c.set.limits.CloseTimeout
}

// Version returns the version that the connection speaks.
func (c *Conn) Version() Version { return c.draft.Version }

// Subprotocol returns the subprotocol that was agreed on, or "".
func (c *Conn) Subprotocol() string { return c.info.Protocol }

// Handshake returns how the connection was opened. It is not to be changed.
func (c *Conn) Handshake() *Handshake { return c.info }

// Context ends when the connection ends; context.Cause tells why.
func (c *Conn) Context() context.Context { return connContext{c} }

// Stats returns what the connection has carried so far. While ReadLoop's fn runs,
// what has come since the loop last waited is not in it.
func (c *Conn) Stats() Stats {
	if c.in.mu.TryLock() { // else the reader waits, and has counted before
		c.count()
		c.in.mu.Unlock()
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return Stats{c.stats.messagesIn.Load(), c.out.messages, c.stats.bytesIn.Load(), c.out.bytes, c.ses.Repaired()}
}

// LocalAddr and RemoteAddr are those of the connection below.
func (c *Conn) LocalAddr() net.Addr { return c.nc().LocalAddr() }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.nc().RemoteAddr() }

// PeerGone reports whether the system knows that the peer has reset the connection, or
// has given it up as the peer does not answer: for a program that does not read at the
// moment, and so is not told. It is for TCP on Linux; elsewhere it is false.
func (c *Conn) PeerGone() bool {
	nc := c.nc()
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if r, ok := nc.(*replayConn); ok {
		nc = r.Conn
	}
	return peerGone(nc)
}

// SetReadLimit bounds the payload of messages that begin after the call; 0 or
// less is no bound. It is for the reading goroutine.
func (c *Conn) SetReadLimit(n int64) { c.ses.SetLimit(n) }

// SetInvalidText is AcceptOptions.InvalidText for this connection. It is for the
// reading goroutine, before it reads.
func (c *Conn) SetInvalidText(p wire.TextPolicy) { c.ses.SetText(p) }

// finish ends the connection, once. why is what readers and the context get.
// With graceful the closing handshake is done: the server ends the stream
// first, and what is under way still arrives (RFC 6455 7.1.1).
func (c *Conn) finish(why error, graceful bool) {
	if c.ends(why) {
		c.depart(graceful)
	}
}

// ends notes the end, and leaves depart to the caller. It reports whether there was none
// before.
func (c *Conn) ends(why error) bool {
	c.mu.Lock()
	if c.why != nil {
		c.mu.Unlock()
		return false
	}
	c.why = why
	c.state.Or(over)
	c.rctx.release()
	c.wctx.release()
	c.mu.Unlock()
	if ctx := c.ctx.Load(); ctx != nil {
		ctx.cancel(why)
	}
	return true
}

// depart is the rest of finish: it says farewell to the observer, and closes the stream.
func (c *Conn) depart(graceful bool) {
	c.set.obs.closed(c, c.why)
	switch {
	case graceful:
		go c.linger()
	case c.is(looping) && c.in.src.raw != nil:
		// Close waits until ReadLoop gives back the socket that the runtime has lent it,
		// and ReadLoop's fn may be what has called.
		closeWrite(c.nc())
		go c.cut()
	default:
		c.cut()
	}
}

// cut closes the stream.
func (c *Conn) cut() {
	c.nc().Close()
	c.left()
}

// lingerTime bounds the wait for the peer to end the stream after the closing
// handshake.
const lingerTime = 2 * time.Second

// linger ends the stream in order: half first where the connection can, then
// reads until the peer has ended its half. Closing with unread bytes would
// reset the connection and could cost the peer our close frame.
func (c *Conn) linger() {
	defer c.left()
	defer c.nc().Close()
	if c.role == wire.Server || !c.Version().Supports(wire.CapCloseFrame) {
		closeWrite(c.nc())
	}
	c.nc().SetReadDeadline(time.Now().Add(lingerTime))
	drain(c.nc())
}

// left notes that the stream is closed.
func (c *Conn) left() {
	c.mu.Lock()
	c.gone = true
	if c.goneCh != nil {
		close(c.goneCh)
	}
	c.mu.Unlock()
	if c.set.forget != nil {
		c.set.forget(c)
	}
}

func (c *Conn) isGone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

func closeWrite(nc net.Conn) {
	if cw, ok := nc.(interface{ CloseWrite() error }); ok {
		cw.CloseWrite()
	}
}

// drainMost bounds what a peer may still send into an ended connection.
const drainMost = 1 << 20

func drain(nc net.Conn) {
	b := pool.Get(smallRead)
	defer pool.Put(b)
	for total := 0; total < drainMost; {
		n, err := nc.Read(b.B[:cap(b.B)])
		if err != nil {
			return
		}
		total += n
	}
}

// CloseNow ends the connection without a closing handshake.
func (c *Conn) CloseNow() error {
	c.state.Or(closing)
	c.flushAtOnce()
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
	if c.state.Or(closing)&closing != 0 || c.is(over) {
		c.settle()
		return nil
	}
	defer c.settle()
	by := c.now() + c.closeTimeout()
	if err := c.writeClose(code, reason, by); err != nil {
		c.finish(ErrClosed, false)
		return err
	}
	c.mu.Lock()
	c.closeBy = by
	if c.is(looping) { // its check may be under way, and this takes its deadline away
		by = min(by, c.now()+checkTime)
	}
	c.nc().SetReadDeadline(c.at(by)) // a reader that waits now wakes then
	c.mu.Unlock()
	if !c.Version().Supports(wire.CapCloseFrame) {
		c.finish(ErrClosed, true)
		return nil
	}
	if !c.takeOver() {
		return nil // ReadLoop sees the answer
	}
	defer c.unlockIn()
	c.keepLent()
	c.readAnswer()
	ce, ok := errors.AsType[*CloseError](c.in.ended)
	if ok && ce.Code != CodeAbnormal || !c.Version().Supports(wire.CapCloseCode) {
		return nil
	}
	return c.in.ended
}

// readAnswer reads until the peer has answered our close.
func (c *Conn) readAnswer() {
	for c.in.ended == nil {
		if err := c.next(c.Context(), false); err != nil {
			break
		}
	}
}

var errLooping = errors.New("draftwire: a ReadLoop is reading")

// lockIn locks the reading half for a reader.
func (c *Conn) lockIn() error {
	switch {
	case c.in.mu.TryLock():
	case c.is(looping):
		return errLooping
	case !c.is(closing):
		c.in.mu.Lock()
	case !c.takeOver():
		return errLooping
	}
	return nil
}

// parting says that the reader has found the end, and depart is still to be called.
type parting uint8

const (
	partsNot parting = iota
	partsAtOnce
	partsGently
)

// unlockIn gives the reading half back, and departs where the reader has found the end:
// not where it was found, as there the stack is deep already.
func (c *Conn) unlockIn() {
	how := c.in.parting
	if how != partsNot {
		c.in.parting = partsNot
	}
	c.in.mu.Unlock()
	if how != partsNot {
		c.depart(how == partsGently)
	}
}

// takeOver locks the reading half for Close, or behind one. Where somebody reads,
// that one sees the peer's answer, unless its context ends before; both are waited
// for in a way that testing/synctest's clock goes on, as it would not for a mutex.
// A ReadLoop keeps it: its fn may be what closes.
func (c *Conn) takeOver() bool {
	for wait := time.Millisecond; !c.in.mu.TryLock(); wait = min(2*wait, time.Second) {
		if c.is(looping) {
			return false
		}
		t := time.NewTimer(wait)
		select {
		case <-c.Context().Done():
			t.Stop()
			c.in.mu.Lock() // the reader is on its way out
			return true
		case <-t.C:
		}
	}
	return true
}

// settle waits, on a client, for the server to end the stream: a program that
// exits at once would reset it, and the server might miss our close. A ReadLoop does
// so when it ends: its fn, which may be what closes, holds what the end waits for.
func (c *Conn) settle() {
	if c.role != wire.Client || !c.is(over) || c.is(looping) {
		return
	}
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return
	}
	if c.goneCh == nil {
		c.goneCh = make(chan struct{})
	}
	gone := c.goneCh
	c.mu.Unlock()
	select {
	case <-gone:
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
	if c.is(closing) && !errors.Is(err, ErrClosed) {
		err = &closedError{err}
	}
	c.in.ended = err
	c.count()
	c.flushLast()
	c.rctx.disarm(&c.mu)
	c.in.src.release()
	c.in.part = nil
	if c.ends(err) {
		c.in.parting = partsAtOnce
		if graceful {
			c.in.parting = partsGently
		}
	}
	return err
}

// closedError is the end of a connection that this side closed: ErrClosed, and
// what the peer said to it.
type closedError struct{ peer error }

func (e *closedError) Error() string   { return ErrClosed.Error() + " (" + e.peer.Error() + ")" }
func (e *closedError) Unwrap() []error { return []error{ErrClosed, e.peer} }

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

var errIdle = errors.New("draftwire: idle timeout")

// ending returns how the connection ended, nil while it has not.
func (c *Conn) ending() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// readFailed turns an error of the stream into the connection's end.
func (c *Conn) readFailed(err error) error {
	if why := c.ending(); why != nil {
		return c.end(why, false)
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
func (e *abnormalError) Unwrap() error { return e.cause }
func (e *abnormalError) As(target any) bool {
	ce, ok := target.(**CloseError)
	if ok {
		*ce = &CloseError{Code: CodeAbnormal}
	}
	return ok
}
