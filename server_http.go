package draftwire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// What a Server does for ordinary HTTP. net/http speaks it. This file adds the bounds that
// net/http does not have: on the number of connections, and on the time in which a peer
// sends or takes nothing.

// web counts the connections that a Server has given to net/http. Server.mu protects it.
type web struct {
	n    int
	from addresses
	idle guest // the head of a ring of those that wait for a request, the one that waits longest first
}

func (w *web) init() {
	w.from = make(addresses)
	w.idle.prev, w.idle.next = &w.idle, &w.idle
}

// guest is what a Server knows about a connection that it has given to net/http.
type guest struct {
	s          *Server
	nc         net.Conn
	from       netip.Prefix
	in         bool   // web counts it
	prev, next *guest // in web.idle; nil while a request is served

	readLifted  atomic.Bool // the handler has set a deadline of its own, which replaces ours
	writeLifted atomic.Bool
}

// enterWeb moves a connection from the pending ones to those of net/http. It returns false
// where there is no room; the connection then stays pending until it is refused.
func (s *Server) enterWeb(h *handshakeState, r *replayConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.web
	if h.from.IsValid() && w.from[h.from] >= s.limits.webOf && !w.evict(h.from) || w.n >= s.limits.web && !w.evict(netip.Prefix{}) {
		return false
	}
	s.pending.remove(&h.pendingEntry)
	h.below.SetDeadline(time.Time{})
	r.proxy = h.proxy
	r.web = &guest{s: s, nc: h.below, from: h.from, in: true}
	if t, ok := r.Conn.(*tls.Conn); ok {
		fedConn(t).web = r.web
	}
	w.n++
	w.from.add(h.from)
	return true
}

// evict closes the connection that has waited longest for its next request: of the address
// from, or where that is not valid, of any. It returns false where it finds none.
func (w *web) evict(from netip.Prefix) bool {
	g := w.idle.next
	for i := 0; g != &w.idle && i < evictLook; i++ {
		if !from.IsValid() || g.from == from {
			w.remove(g)
			go g.nc.Close()
			return true
		}
		g = g.next
	}
	return false
}

// remove takes g out of the count and out of the ring.
func (w *web) remove(g *guest) {
	if !g.in {
		return
	}
	w.wake(g)
	g.in = false
	w.n--
	w.from.remove(g.from)
}

// wake takes g out of the ring: a request has begun.
func (w *web) wake(g *guest) {
	if g.next == nil {
		return
	}
	g.prev.next, g.next.prev = g.next, g.prev
	g.prev, g.next = nil, nil
}

// rest puts g at the end of the ring: it waits for a request.
func (w *web) rest(g *guest) {
	if g.next != nil || !g.in {
		return
	}
	g.prev, g.next = w.idle.prev, &w.idle
	g.prev.next, g.next.prev = g, g
}

// leave ends the count of g, when the connection has closed or net/http has given it back.
// On nil it does nothing.
func (g *guest) leave() {
	if g == nil {
		return
	}
	g.s.mu.Lock()
	g.s.web.remove(g)
	g.s.mu.Unlock()
}

// connState is what net/http calls when the state of a connection changes.
func (s *Server) connState(nc net.Conn, state http.ConnState) {
	r := fedConn(nc)
	if r == nil || r.web == nil {
		return
	}
	if state == http.StateHijacked {
		r.gate.open()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateIdle {
		s.web.rest(r.web)
	} else {
		s.web.wake(r.web)
	}
}

func (s *Server) httpServer(c *config) *http.Server {
	write := max(s.limits.write, 0)
	return &http.Server{
		Handler:           http.HandlerFunc(s.serveHTTP),
		ReadHeaderTimeout: c.Limits.HandshakeTimeout,
		IdleTimeout:       s.limits.idle,
		MaxHeaderBytes:    c.Limits.HeadLimit,
		ErrorLog:          s.httpLog(),
		ConnContext:       withFed,
		ConnState:         s.connState,
		// "OPTIONS *" is a request like others: it has its gate, and whoever serves answers it.
		DisableGeneralOptionsHandler: true,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerConnection: 256 << 10,
			MaxReceiveBufferPerStream:     64 << 10,
			WriteByteTimeout:              write,
			SendPingTimeout:               s.limits.idle,
		},
	}
}

// maxStreams is the most requests that one HTTP/2 connection may have at the same time.
const maxStreams = 100

// steps is into how many parts Write divides the timeout, to see whether the peer has
// taken something in one of them.
const steps = 4

// Write implements net.Conn. Where net/http writes, it fails when the peer has taken
// nothing for WriteTimeout, or for at most a quarter more. Under TLS only the connection
// below TLS has the timeout, because TLS cannot go on after a write that was cut.
func (r *replayConn) Write(p []byte) (n int, err error) {
	g := r.web
	if g == nil || g.s.limits.write < 0 || r.Conn != g.nc {
		return r.Conn.Write(p)
	}
	step := g.s.limits.write / steps
	for nothing := 0; nothing < steps; nothing++ {
		if g.writeLifted.Load() {
			step = 0
		} else {
			g.nc.SetWriteDeadline(time.Now().Add(step))
		}
		var k int
		k, err = g.nc.Write(p[n:])
		n += k
		if step == 0 || err == nil || !sock.IsTimeout(err) {
			break
		}
		if k > 0 {
			nothing = -1
		}
	}
	return n, err
}

// SetReadDeadline implements net.Conn. While a handler runs, only the handler calls it,
// through an http.ResponseController.
func (r *replayConn) SetReadDeadline(t time.Time) error {
	if r.web != nil {
		r.web.readLifted.Store(true)
	}
	return r.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (r *replayConn) SetWriteDeadline(t time.Time) error {
	if r.web != nil {
		r.web.writeLifted.Store(true)
	}
	return r.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn. net/http calls it when a handler hijacks the connection.
func (r *replayConn) SetDeadline(t time.Time) error {
	return errors.Join(r.SetReadDeadline(t), r.SetWriteDeadline(t))
}

// serveHTTP is the handler that net/http calls. It also answers an upgrade request on a
// connection that began with ordinary requests.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	f := fedOf(r)
	if r.TLS == nil {
		r.TLS = f.tls
	}
	if t := f.conn.gate; t != nil {
		defer t.done()
		if head, err := t.next(r); err != nil {
			he := asHandshakeError(err)
			s.live.Load().config.Observer.refused(r.RemoteAddr, []byte(head), he)
			answerRefusal(w, r, he)
			return
		}
	}
	switch {
	case s.handler != nil && r.ProtoMajor == 1 && isAttempt(r, f.conn.gate):
		s.live.Load().config.serve(w, r, s.handler)
	case isExtendedConnect(r):
		w.WriteHeader(http.StatusNotImplemented)
	case s.Handler == nil:
		w.WriteHeader(http.StatusUpgradeRequired)
	case r.ProtoMajor == 1:
		f.conn.web.readLifted.Store(false)
		f.conn.web.writeLifted.Store(false)
		s.handle(w, r, f.conn)
	default:
		x := &stream{ResponseWriter: w, rc: http.NewResponseController(w), timeout: s.limits.write}
		defer x.arm() // for what net/http writes behind the handler
		s.handle(x, r, x)
	}
}

// isAttempt reports whether a request asks for WebSocket: as the gate has read it.
func isAttempt(r *http.Request, t *gate) bool {
	if t != nil {
		return t.attempt
	}
	f := wire.Fields{{Name: "Upgrade", Value: r.Header.Get("Upgrade")}}
	for _, name := range []string{"Sec-Websocket-Key", "Sec-Websocket-Key1", "Sec-Websocket-Version"} {
		if v := r.Header.Get(name); v != "" {
			f = append(f, wire.Field{Name: name, Value: v})
		}
	}
	return detect.IsAttempt(&wire.Request{Fields: f})
}

// isExtendedConnect reports whether a request asks for another protocol on a stream of
// HTTP/2 or later (RFC 8441 4, RFC 9220 3).
func isExtendedConnect(r *http.Request) bool {
	return r.ProtoMajor >= 2 && r.Method == http.MethodConnect && len(r.Header[":protocol"]) > 0
}

// handle calls Server.Handler. If the request has a body, c bounds the time for each part
// of it, and nobody reads it when the handler has returned.
func (s *Server) handle(w http.ResponseWriter, r *http.Request, c clock) {
	if r.ContentLength == 0 {
		s.Handler.ServeHTTP(w, r)
		return
	}
	// The handler gets a copy of the request. net/http keeps the original, and looks at its
	// body to see whether it was read.
	own := r.WithContext(r.Context())
	body := &timedBody{ReadCloser: r.Body, clock: c, timeout: s.limits.read}
	body.idle.L = &body.mu
	own.Body = body
	body.begin()
	defer body.end()
	s.Handler.ServeHTTP(w, own)
	r.MultipartForm = own.MultipartForm // net/http removes its files
}

// clock sets the deadline for a part of a request's body, unless the handler has set one
// of its own.
type clock interface {
	readBy(t time.Time)
	readDone(end bool) // a part has come; end: it is the end of the body
	// interrupt ends a read that the handler has left behind; false where it may go on.
	interrupt() bool
	abandon() // there is no such read any more: the connection ends with the answer
}

func (r *replayConn) readBy(t time.Time) {
	if !r.web.readLifted.Load() {
		r.web.nc.SetReadDeadline(t) // not r.Conn: below TLS that is a replayConn too, which would think that the handler calls
	}
}

// readDone keeps the deadline until the end of the body, since net/http may read the rest of
// a body that the handler does not want. After the end net/http reads on for as long as the
// handler runs, to notice when the peer leaves; for that there is no deadline.
func (r *replayConn) readDone(end bool) {
	if end {
		r.readBy(time.Time{})
	}
}

// interrupt implements clock. A reader beside net/http, which goes on with the connection when
// the handler has returned, would make it panic.
func (r *replayConn) interrupt() bool {
	r.web.nc.SetReadDeadline(time.Unix(1, 0))
	return true
}

func (r *replayConn) abandon() {
	r.gate.bad = errLeft
	r.gate.abandoned.Store(true)
}

var errLeft = errors.New("draftwire: the handler has returned while it still read the body")

// timedBody is the body of a request. While the handler runs, a clock bounds the time for
// each part. A goroutine that the handler has left behind cannot read on.
type timedBody struct {
	io.ReadCloser
	timeout time.Duration // negative: none

	mu    sync.Mutex
	clock clock     // nil when the handler has returned
	reads int       // under way
	idle  sync.Cond // there are none
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	if b.clock == nil {
		b.mu.Unlock()
		return 0, http.ErrBodyReadAfterClose
	}
	b.reads++
	b.mu.Unlock()
	b.begin()
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.clock != nil && b.timeout >= 0 {
		b.clock.readDone(err == io.EOF)
	}
	if b.reads--; b.reads == 0 {
		b.idle.Broadcast()
	}
	return n, err
}

// begin starts the time for a part.
func (b *timedBody) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.clock != nil && b.timeout >= 0 {
		b.clock.readBy(time.Now().Add(b.timeout))
	}
}

// end forgets the clock: the handler has returned.
func (b *timedBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.clock
	b.clock = nil
	if b.reads == 0 || !c.interrupt() {
		return
	}
	for b.reads > 0 {
		b.idle.Wait()
	}
	c.abandon()
}

// stream is the answer on one stream of HTTP/2. Its timeout is its own, because a peer may
// take nothing of one stream while it takes others.
type stream struct {
	http.ResponseWriter
	rc                      *http.ResponseController
	timeout                 time.Duration
	readLifted, writeLifted atomic.Bool // as in guest; goroutines of the handler may set and read them at the same time
}

// interrupt implements clock: the streams of a connection do not read for each other.
func (x *stream) interrupt() bool { return false }

func (x *stream) abandon() {}

// arm starts the time for a part of the answer, and disarm ends it: if a deadline passed
// between two parts, net/http would reset the stream.
func (x *stream) arm() {
	if !x.writeLifted.Load() && x.timeout > 0 {
		x.rc.SetWriteDeadline(time.Now().Add(x.timeout))
	}
}

func (x *stream) disarm() {
	if !x.writeLifted.Load() && x.timeout > 0 {
		x.rc.SetWriteDeadline(time.Time{})
	}
}

// streamPart is the size in bytes of the parts of an answer that have a timeout each.
const streamPart = 16 << 10

// Write implements io.Writer.
func (x *stream) Write(p []byte) (n int, err error) {
	defer x.disarm()
	for first := true; err == nil && (first || n < len(p)); first = false {
		x.arm()
		var k int
		k, err = x.ResponseWriter.Write(p[n:min(n+streamPart, len(p))])
		n += k
	}
	return n, err
}

// FlushError is what http.ResponseController.Flush calls.
func (x *stream) FlushError() error {
	x.arm()
	defer x.disarm()
	return x.rc.Flush()
}

// Flush implements http.Flusher.
func (x *stream) Flush() { x.FlushError() }

// Push implements http.Pusher.
func (x *stream) Push(target string, o *http.PushOptions) error {
	if p, ok := x.ResponseWriter.(http.Pusher); ok {
		return p.Push(target, o)
	}
	return http.ErrNotSupported
}

// Unwrap returns what http.ResponseController looks at for all other methods.
func (x *stream) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// SetReadDeadline is what http.ResponseController.SetReadDeadline calls. The handler's
// deadline replaces ours from then on.
func (x *stream) SetReadDeadline(t time.Time) error {
	x.readLifted.Store(true)
	return x.rc.SetReadDeadline(t)
}

// SetWriteDeadline is as SetReadDeadline.
func (x *stream) SetWriteDeadline(t time.Time) error {
	x.writeLifted.Store(true)
	return x.rc.SetWriteDeadline(t)
}

func (x *stream) readBy(t time.Time) {
	if !x.readLifted.Load() {
		x.rc.SetReadDeadline(t)
	}
}

func (x *stream) readDone(bool) { x.readBy(time.Time{}) }

// fedConn returns the connection that a Server gave to net/http as nc.
func fedConn(nc net.Conn) *replayConn {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS with HTTP/2: net/http wants the *tls.Conn itself
		nc = t.NetConn()
	}
	if t, ok := nc.(*sock.TLS); ok {
		nc = t.Below()
	}
	r, _ := nc.(*replayConn)
	return r
}

// withFed puts what net/http cannot see of a connection into the context of its requests.
func withFed(ctx context.Context, nc net.Conn) context.Context {
	r := fedConn(nc)
	if r == nil {
		return ctx
	}
	f := fed{conn: r, tls: tlsState(r.Conn), secure: r.proxy.secure}
	if r.proxy.client.IsValid() {
		f.via = peerAddr(r.Conn)
	}
	return context.WithValue(ctx, fedKey{}, f)
}
