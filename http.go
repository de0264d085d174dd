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
	"github.com/draftwire/draftwire/wire"
)

// What a Server does for ordinary HTTP. net/http speaks it; here is what that has no
// bound for: how many connections there are, and how long a peer may neither send nor
// take anything.

// web are the connections of a Server that net/http has, under Server.mu.
type web struct {
	n           int
	from        addresses
	first, last *guest // those that wait for a request, the longest first
}

// guest is what a Server knows of a connection that net/http has.
type guest struct {
	s          *Server
	nc         net.Conn
	from       netip.Prefix
	in         bool // it is counted
	idle       bool // it is in the list
	prev, next *guest

	readLifted  atomic.Bool // the handler has set a deadline of its own
	writeLifted atomic.Bool
}

// enterWeb moves a pending connection to those of net/http; false where there is no room.
// Then it stays pending, to be refused.
func (s *Server) enterWeb(o *opening, r *replayConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.web
	if o.from.IsValid() && w.from[o.from] >= s.limits.webOf && !w.evict(o.from) || w.n >= s.limits.web && !w.evict(netip.Prefix{}) {
		return false
	}
	s.pending.remove(o)
	o.below.SetDeadline(time.Time{})
	r.proxy = o.proxy
	r.web = &guest{s: s, nc: o.below, from: o.from, in: true}
	if t, ok := r.Conn.(*tls.Conn); ok {
		t.NetConn().(*replayConn).web = r.web
	}
	w.n++
	w.from.add(o.from)
	return true
}

// evict ends the connection, of one address if that is valid, that has waited longest for
// its next request.
func (w *web) evict(from netip.Prefix) bool {
	g := w.first
	for i := 0; g != nil && i < evictLook; i++ {
		if !from.IsValid() || g.from == from {
			w.remove(g)
			go g.nc.Close()
			return true
		}
		g = g.next
	}
	return false
}

// remove takes g out of the count.
func (w *web) remove(g *guest) {
	if !g.in {
		return
	}
	w.wake(g)
	g.in = false
	w.n--
	w.from.remove(g.from)
}

// wake takes g out of the list.
func (w *web) wake(g *guest) {
	if !g.idle {
		return
	}
	if g.idle = false; g.prev == nil {
		w.first = g.next
	} else {
		g.prev.next = g.next
	}
	if g.next == nil {
		w.last = g.prev
	} else {
		g.next.prev = g.prev
	}
}

// rest puts g at the end of the list.
func (w *web) rest(g *guest) {
	if g.idle || !g.in {
		return
	}
	g.idle, g.prev, g.next = true, w.last, nil
	if w.last == nil {
		w.first = g
	} else {
		w.last.next = g
	}
	w.last = g
}

// leave is called when net/http has the connection no longer; on nil it does nothing.
func (g *guest) leave() {
	if g == nil {
		return
	}
	g.s.mu.Lock()
	g.s.web.remove(g)
	g.s.mu.Unlock()
}

// connState is told by net/http what a connection does.
func (s *Server) connState(nc net.Conn, state http.ConnState) {
	r := fedConn(nc)
	if r == nil || r.web == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateIdle {
		s.web.rest(r.web)
	} else {
		s.web.wake(r.web)
	}
}

func (s *Server) httpServer(r *rules) *http.Server {
	write := max(s.limits.write, 0)
	return &http.Server{
		Handler:           http.HandlerFunc(s.serveHTTP),
		ReadHeaderTimeout: r.Limits.HandshakeTimeout,
		IdleTimeout:       s.limits.idle,
		MaxHeaderBytes:    r.Limits.HeadLimit,
		ErrorLog:          s.httpLog(),
		ConnContext:       withFed,
		ConnState:         s.connState,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerConnection: 256 << 10,
			MaxReceiveBufferPerStream:     64 << 10,
			WriteByteTimeout:              write,
			SendPingTimeout:               s.limits.idle,
		},
	}
}

// maxStreams bounds the requests of an HTTP/2 connection that are under way.
const maxStreams = 100

// steps are how often it is looked in a timeout whether a peer takes something.
const steps = 4

// Write implements net.Conn. Where net/http writes it fails when the peer has taken
// nothing for WriteTimeout, or at most a quarter longer. Within TLS that is for the
// connection below: TLS cannot go on behind a write that was cut.
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
		if step == 0 || err == nil || !isTimeout(err) {
			break
		}
		if k > 0 {
			nothing = -1
		}
	}
	return n, err
}

// SetReadDeadline implements net.Conn. While a handler runs it is the handler that calls
// it, by http.ResponseController.
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

// SetDeadline implements net.Conn. net/http calls it where a handler takes the connection
// over.
func (r *replayConn) SetDeadline(t time.Time) error {
	return errors.Join(r.SetReadDeadline(t), r.SetWriteDeadline(t))
}

// serveHTTP is what net/http calls. An upgrade on a connection that began with
// ordinary requests is answered here.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	f := fedOf(r)
	if r.TLS == nil {
		r.TLS = f.tls
	}
	switch {
	case s.WebSocket != nil && r.ProtoMajor == 1 && isAttempt(r):
		c, err := accept(w, r, s.live.Load().acceptor)
		if err == nil {
			s.track(c, nil)
		}
		if f.conn.web.leave(); err == nil { // it is one of the open ones, or ends
			serveConn(c, s.WebSocket, nil)
		}
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

// isAttempt reports whether a request asks for WebSocket.
func isAttempt(r *http.Request) bool {
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

// handle calls the Handler.
func (s *Server) handle(w http.ResponseWriter, r *http.Request, c clock) {
	if r.ContentLength == 0 || s.limits.read < 0 {
		s.Handler.ServeHTTP(w, r)
		return
	}
	// The handler gets a copy of the request: net/http looks at the body of its own to see
	// whether it was read.
	own := r.WithContext(r.Context())
	body := &timedBody{ReadCloser: r.Body, clock: c, timeout: s.limits.read}
	own.Body = body
	body.begin()
	defer body.end()
	s.Handler.ServeHTTP(w, own)
	r.MultipartForm = own.MultipartForm // whose files net/http removes
}

// clock sets the deadline for a part of a request's body, unless the handler has set its
// own.
type clock interface {
	readBy(t time.Time)
	readDone(end bool) // a part has come, or the end of the body
}

func (r *replayConn) readBy(t time.Time) {
	if !r.web.readLifted.Load() {
		r.web.nc.SetReadDeadline(t) // within TLS a replayConn is below too, which would take it for the handler's
	}
}

// readDone leaves the deadline until the end of the body: net/http may read the rest of
// one that the handler does not want. Behind the end it waits for the peer to leave, as
// long as the handler runs.
func (r *replayConn) readDone(end bool) {
	if end {
		r.readBy(time.Time{})
	}
}

// timedBody is the body of a request, of which each part has its time while the handler
// runs. A goroutine that the handler leaves behind may still read it; the clock is then
// that of another request, or gone.
type timedBody struct {
	io.ReadCloser
	timeout time.Duration

	mu    sync.Mutex
	clock clock // nil behind the handler
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	b.begin()
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.clock != nil {
		b.clock.readDone(err == io.EOF)
	}
	return n, err
}

// begin begins the time for a part.
func (b *timedBody) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.clock != nil {
		b.clock.readBy(time.Now().Add(b.timeout))
	}
}

// end is called when the handler has returned.
func (b *timedBody) end() {
	b.mu.Lock()
	b.clock = nil
	b.mu.Unlock()
}

// stream is the answer on a stream of HTTP/2, whose peer may take nothing of it though it
// takes what others get.
type stream struct {
	http.ResponseWriter
	rc                      *http.ResponseController
	timeout                 time.Duration
	readLifted, writeLifted atomic.Bool // goroutines of the handler may read, write and lift at a time
}

// arm begins the time for a part of the answer, disarm ends it: of a deadline that passes
// between two parts the stream would die.
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

// streamPart is how much of an answer has the timeout for itself.
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

// FlushError is for http.ResponseController.
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

// Unwrap is for http.ResponseController.
func (x *stream) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// SetReadDeadline is for http.ResponseController, with which a handler lifts ours.
func (x *stream) SetReadDeadline(t time.Time) error {
	x.readLifted.Store(true)
	return x.rc.SetReadDeadline(t)
}

// SetWriteDeadline is for http.ResponseController.
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
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS with HTTP/2, which net/http only takes as it is
		nc = t.NetConn()
	}
	r, _ := nc.(*replayConn)
	return r
}

// withFed keeps what net/http cannot see of a connection for its requests.
func withFed(ctx context.Context, nc net.Conn) context.Context {
	r := fedConn(nc)
	if r == nil {
		return ctx
	}
	f := fed{conn: r, tls: tlsState(r.Conn), secure: r.proxy.secure}
	if r.proxy.client.IsValid() {
		f.via = remote(r.Conn)
	}
	return context.WithValue(ctx, fedKey{}, f)
}
