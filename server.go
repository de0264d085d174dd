package draftwire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// DefaultFlashPolicy lets Flash movies of any site open sockets to any port
// that serves it.
const DefaultFlashPolicy = `<?xml version="1.0"?>` +
	`<!DOCTYPE cross-domain-policy SYSTEM "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd">` +
	`<cross-domain-policy><allow-access-from domain="*" to-ports="*"/></cross-domain-policy>`

// Server serves every version of WebSocket, TLS, ordinary HTTP and Flash
// policy requests on one port. It looks at the first bytes of each connection,
// reads the head of a request itself, byte by byte as it came, and answers an
// upgrade right there; all else it gives to Handler.
//
// It counts every connection, also those taken over from HTTP, so Shutdown can
// say farewell to each in its own way. The fields are not to be changed once it
// serves.
type Server struct {
	// WebSocket owns each connection until it returns, as in Handler. nil
	// leaves upgrade requests to the Handler field.
	WebSocket func(ctx context.Context, c *Conn) error
	// Handler serves ordinary HTTP; nil answers 426 with the versions served.
	Handler http.Handler
	// Options are those of Accept.
	Options AcceptOptions
	// TLS, if not nil, serves connections that begin with a TLS hello; others
	// stay in clear.
	TLS *tls.Config
	// FlashPolicy answers <policy-file-request/>; "" refuses it.
	FlashPolicy string
	// MaxPending bounds the connections whose handshake is not done; what comes
	// above it is closed at once. Default 20,000.
	MaxPending int
	// ErrorLog is for panics of handlers and what net/http logs; nil is the log
	// package's standard logger.
	ErrorLog *log.Logger

	once    sync.Once
	opt     *AcceptOptions
	tls     *tls.Config
	http    *http.Server
	feed    *feed
	mu      sync.Mutex
	closing bool
	listen  map[net.Listener]struct{}
	pending map[net.Conn]bool // true once the 101 is on its way
	conns   map[*Conn]struct{}
	running sync.WaitGroup // goroutines of connections, and connections
}

func (s *Server) setup() {
	s.once.Do(func() {
		s.opt = s.Options.withDefaults()
		def(&s.MaxPending, DefaultMaxPending)
		s.listen = make(map[net.Listener]struct{})
		s.pending = make(map[net.Conn]bool)
		s.conns = make(map[*Conn]struct{})
		if s.TLS != nil {
			s.tls = s.TLS.Clone()
			if s.tls.NextProtos == nil {
				s.tls.NextProtos = []string{"h2", "http/1.1"}
			}
		}
		s.feed = &feed{conns: make(chan net.Conn), closed: make(chan struct{})}
		s.http = &http.Server{
			Handler:           http.HandlerFunc(s.serveHTTP),
			ReadHeaderTimeout: s.opt.Limits.HandshakeTimeout,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    s.opt.Limits.HeadLimit,
			ErrorLog:          s.ErrorLog,
			ConnContext:       withTLS,
		}
		go s.http.Serve(s.feed)
	})
}

// Serve takes connections from l until Shutdown or Close, then returns
// http.ErrServerClosed. It may run on several listeners at once.
func (s *Server) Serve(l net.Listener) error {
	s.setup()
	defer l.Close()
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return http.ErrServerClosed
	}
	s.listen[l] = struct{}{}
	s.mu.Unlock()
	var pause time.Duration
	for {
		nc, err := l.Accept()
		if err != nil {
			s.mu.Lock()
			closing := s.closing
			s.mu.Unlock()
			if closing {
				return http.ErrServerClosed
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			// Out of descriptors or the like: the backlog waits a little.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			time.Sleep(pause)
			continue
		}
		pause = 0
		s.take(nc)
	}
}

// take starts a connection, or refuses it.
func (s *Server) take(nc net.Conn) {
	s.mu.Lock()
	reason := wire.Reason("")
	switch {
	case s.closing:
		reason = wire.ReasonShutdown
	case len(s.pending) >= s.MaxPending:
		reason = wire.ReasonOverload
	default:
		s.pending[nc] = false
		s.running.Add(1)
	}
	s.mu.Unlock()
	if reason != "" {
		he := wire.Refuse(Unknown, reason, "")
		he.Status = 0 // no time is spent on an answer
		s.opt.Observer.refused(nc.RemoteAddr().String(), nil, he)
		nc.Close()
		return
	}
	go s.serve(nc)
}

// answering notes that a connection gets its 101, so that a shutdown lets it
// open and then says farewell; false if the shutdown has begun.
func (s *Server) answering(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.pending[nc] = true
	return true
}

// decided takes a connection out of the pending ones.
func (s *Server) decided(nc net.Conn) {
	s.mu.Lock()
	delete(s.pending, nc)
	s.mu.Unlock()
}

// track counts an open connection.
func (s *Server) track(c *Conn) {
	s.mu.Lock()
	closing := s.closing
	select {
	case <-c.done: // it has ended already
	default:
		s.conns[c] = struct{}{}
		s.running.Add(1)
	}
	s.mu.Unlock()
	if closing {
		c.Close(CodeGoingAway, shutdownReason)
	}
}

func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	_, ok := s.conns[c]
	delete(s.conns, c)
	s.mu.Unlock()
	if ok {
		s.running.Done()
	}
}

// serve is the life of one connection, from its first byte.
func (s *Server) serve(nc net.Conn) {
	defer s.running.Done()
	defer s.decided(nc)
	defer s.recover(nc)
	began := time.Now()
	nc.SetDeadline(began.Add(s.opt.Limits.HandshakeTimeout))
	s.sniff(nc, nc, began)
}

func (s *Server) recover(nc net.Conn) {
	if e := recover(); e != nil {
		nc.Close()
		if e != http.ErrAbortHandler {
			s.logf("draftwire: panic serving %s: %v\n%s", nc.RemoteAddr(), e, debug.Stack())
		}
	}
}

func (s *Server) logf(format string, args ...any) {
	if s.ErrorLog != nil {
		s.ErrorLog.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}

// sniff finds out what a connection is. nc is the stream to read, below it the
// accepted connection: they differ within TLS.
func (s *Server) sniff(nc, below net.Conn, began time.Time) {
	src := newSource(nc, nil)
	kind := detect.More
	for kind == detect.More {
		if err := src.more(s.opt.Limits.HeadLimit); err != nil {
			s.drop(src, err)
			return
		}
		kind = detect.Preface(src.bytes())
	}
	within := nc != below
	switch {
	case kind == detect.HTTP1:
		s.serveHead(src, below, began)
	case kind == detect.TLS && s.tls != nil && !within:
		s.serveTLS(src, began)
	case kind == detect.HTTP2 && within:
		s.toHTTP(src, below)
	case kind == detect.FlashPolicy && s.FlashPolicy != "" && !within:
		nc.Write([]byte(s.FlashPolicy + "\x00"))
		closeGently(nc)
	default:
		s.refuse(src, wire.Refuse(Unknown, wire.ReasonPreface, "the connection begins with "+kind.String()))
	}
}

func (s *Server) serveTLS(src *source, began time.Time) {
	t := tls.Server(&replayConn{Conn: src.nc, src: src}, s.tls)
	if err := t.Handshake(); err != nil {
		s.drop(src, fmt.Errorf("tls: %w", err))
		return
	}
	if t.ConnectionState().NegotiatedProtocol == "h2" {
		s.decided(src.nc)
		src.nc.SetDeadline(time.Time{})
		s.feed.push(t)
		return
	}
	s.sniff(t, src.nc, began)
}

// serveHead reads a request head and answers it, or gives it to net/http.
func (s *Server) serveHead(src *source, below net.Conn, began time.Time) {
	end, seen := -1, 0
	for {
		b := src.bytes()
		if end = httphead.End(b, seen); end >= 0 {
			break
		}
		seen = len(b)
		if err := src.more(s.opt.Limits.HeadLimit); err != nil {
			s.drop(src, err)
			return
		}
	}
	var room [16]wire.Field
	req := &wire.Request{Fields: room[:0]}
	err := httphead.ParseRequest(src.peek(end), req)
	attempt := detect.IsAttempt(req)
	switch {
	case err != nil:
		s.refuse(src, asHandshakeError(err))
	case s.Handler != nil && (!attempt || s.WebSocket == nil):
		s.toHTTP(src, below)
	default:
		s.upgrade(src, below, req, end, began)
	}
}

// upgrade answers a request for WebSocket whose head is the first end bytes of
// src.
func (s *Server) upgrade(src *source, below net.Conn, req *wire.Request, end int, began time.Time) {
	req.Secure = src.nc != below
	info := &Handshake{
		Request: append([]byte(nil), src.peek(end)...), Exact: true,
		TLS: tlsState(src.nc), Remote: src.nc.RemoteAddr().String(), Began: began,
	}
	a, err := s.opt.admit(req, info)
	if err == nil && s.WebSocket == nil {
		err = wire.Refuse(info.Version, wire.ReasonNotWebSocket, "no handler")
	}
	if err == nil && !s.answering(below) {
		err = wire.Refuse(info.Version, wire.ReasonShutdown, "")
	}
	if err != nil {
		s.refuse(src, asHandshakeError(err))
		return
	}
	src.take(end)
	if err := a.complete(src, &s.opt.Limits); err != nil {
		s.opt.Observer.refused(info.Remote, info.Request, asHandshakeError(err))
		src.nc.Close()
		src.release()
		return
	}
	a.settle(src, s.opt)
	c := newConn(a.config(s.opt, src, context.Background(), s))
	s.track(c)
	s.decided(below)
	serveConn(c, s.WebSocket)
}

// drop ends a connection whose head did not come whole.
func (s *Server) drop(src *source, err error) {
	var he *HandshakeError
	switch {
	case errors.As(err, &he):
	case isTimeout(err):
		he = wire.Refuse(Unknown, wire.ReasonTimeout, fmt.Sprintf("%d bytes came", src.buffered()))
	default:
		he = &HandshakeError{Reason: wire.ReasonIO, Err: err}
	}
	if src.buffered() == 0 { // it said nothing: a health check, or a connection kept in reserve
		quiet := *he
		quiet.Status = 0
		he = &quiet
	}
	s.refuse(src, he)
}

// refuse answers with the error's status, if it has one, and closes.
func (s *Server) refuse(src *source, he *HandshakeError) {
	s.opt.Observer.refused(src.nc.RemoteAddr().String(), append([]byte(nil), src.bytes()...), he)
	src.release()
	if he.Status != 0 {
		src.nc.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := src.nc.Write(appendRefusal(nil, he)); err == nil {
			closeGently(src.nc)
			return
		}
	}
	src.nc.Close()
}

// closeGently ends a stream so that what was written arrives, though the peer
// may have sent more than was read.
func closeGently(nc net.Conn) {
	closeWrite(nc)
	nc.SetReadDeadline(time.Now().Add(time.Second))
	drain(nc)
	nc.Close()
}

// toHTTP gives a connection, with what was read of it, to net/http.
func (s *Server) toHTTP(src *source, below net.Conn) {
	s.decided(below)
	if s.Handler == nil {
		s.refuse(src, wire.Refuse(Unknown, wire.ReasonNotWebSocket, ""))
		return
	}
	below.SetDeadline(time.Time{})
	src.nc.SetDeadline(time.Time{})
	s.feed.push(&replayConn{Conn: src.nc, src: src})
}

// serveHTTP is what net/http calls. An upgrade on a connection that began with
// ordinary requests is answered here.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if r.TLS == nil {
		r.TLS, _ = r.Context().Value(tlsKey{}).(*tls.ConnectionState)
	}
	if s.WebSocket != nil && r.ProtoMajor == 1 {
		f := wire.Fields{{Name: "Upgrade", Value: r.Header.Get("Upgrade")}}
		for _, name := range []string{"Sec-Websocket-Key", "Sec-Websocket-Key1", "Sec-Websocket-Version"} {
			if v := r.Header.Get(name); v != "" {
				f = append(f, wire.Field{Name: name, Value: v})
			}
		}
		if detect.IsAttempt(&wire.Request{Fields: f}) {
			if c, err := accept(w, r, s.opt, s); err == nil {
				s.track(c)
				serveConn(c, s.WebSocket)
			}
			return
		}
	}
	if s.Handler == nil {
		w.WriteHeader(http.StatusUpgradeRequired)
		return
	}
	s.Handler.ServeHTTP(w, r)
}

const shutdownReason = "server is shutting down"

// Shutdown stops listening, drops unfinished handshakes, and says farewell to
// every connection in its version's way: CodeGoingAway, FF 00 on hixie-76, the
// end of the stream on hixie-75. It waits until all handlers have returned and
// all connections have ended, or until ctx ends: then it cuts what is left and
// returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	conns := s.stop(false)
	for _, c := range conns {
		go c.Close(CodeGoingAway, shutdownReason)
	}
	err := s.http.Shutdown(ctx)
	idle := make(chan struct{})
	go func() {
		s.running.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return err
	case <-ctx.Done():
		s.Close()
		return ctx.Err()
	}
}

// Close ends everything at once, without farewell.
func (s *Server) Close() error {
	for _, c := range s.stop(true) {
		c.CloseNow()
	}
	return s.http.Close()
}

// stop ends the taking of connections and returns the open ones. What is
// pending is cut; with now also what has its 101 on the way.
func (s *Server) stop(now bool) []*Conn {
	s.setup()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for l := range s.listen {
		l.Close()
	}
	for nc, answering := range s.pending {
		if now || !answering {
			nc.Close()
		}
	}
	s.feed.Close()
	conns := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	return conns
}

// replayConn is a connection whose first bytes were read already.
type replayConn struct {
	net.Conn
	src *source
}

// Read implements net.Conn.
func (r *replayConn) Read(p []byte) (int, error) {
	if r.src.buffered() == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.src.bytes())
	r.src.take(n)
	if r.src.buffered() == 0 {
		r.src.release()
	}
	return n, nil
}

// CloseWrite ends our half of the stream.
func (r *replayConn) CloseWrite() error {
	closeWrite(r.Conn)
	return nil
}

type tlsKey struct{}

// withTLS keeps the TLS state of a connection that net/http cannot see.
func withTLS(ctx context.Context, nc net.Conn) context.Context {
	if r, ok := nc.(*replayConn); ok {
		if state := tlsState(r.Conn); state != nil {
			return context.WithValue(ctx, tlsKey{}, state)
		}
	}
	return ctx
}

// feed is a listener whose connections come from a Server.
type feed struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (f *feed) push(nc net.Conn) {
	select {
	case f.conns <- nc:
	case <-f.closed:
		nc.Close()
	}
}

// Accept implements net.Listener.
func (f *feed) Accept() (net.Conn, error) {
	select {
	case nc := <-f.conns:
		return nc, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (f *feed) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

// Addr implements net.Listener.
func (f *feed) Addr() net.Addr { return feedAddr{} }

type feedAddr struct{}

func (feedAddr) Network() string { return "draftwire" }
func (feedAddr) String() string  { return "draftwire" }
