package draftwire

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
	"unsafe"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// opening is the work of one handshake. It is kept for the next, so that a
// handshake allocates little but the connection.
type opening struct {
	run    func()
	s      *Server
	rules  *rules
	began  time.Time
	below  net.Conn // as it was accepted; what src reads differs within TLS
	proxy  proxied
	src    source
	head   string
	fields [24]wire.Field
	req    wire.Request
	admission
	waiting
}

var openings = sync.Pool{New: func() any { return new(opening) }}

// ready makes what an opening keeps, once: functions that are given away would be made
// anew each time.
func (o *opening) ready() {
	o.sendNow = o.send
	// run is the life of one connection, from its first byte. It and its stack's frame
	// are as small as can be, as they stay.
	o.run = func() {
		s := o.s
		if c := s.open(o); c != nil {
			serveConn(c, s.WebSocket, s)
		}
	}
}

// open does the handshake. It returns nil for what is no connection of ours, and where
// the connection has a goroutine of its own.
func (s *Server) open(o *opening) (c *Conn) {
	defer s.recover(o)
	var here byte // on the stack, which moves when it grows
	was := uintptr(unsafe.Pointer(&here))
	o.src.reset(o.below)
	if o.sniff() && o.readHead() && o.judge() && o.answer() {
		c = o.connect()
	} else {
		s.decided(o)
	}
	o.end()
	switch {
	case c == nil:
		s.running.Done()
	case uintptr(unsafe.Pointer(&here)) != was:
		// The handshake took more stack than a waiting connection needs, and it would
		// stay: the connection gets a new one.
		go serveConn(c, s.WebSocket, s)
		c = nil
	}
	return c
}

// end gives o back.
func (o *opening) end() {
	o.src.release()
	run, try, sendNow, out := o.run, o.src.try, o.sendNow, o.out[:0]
	*o = opening{}
	o.run, o.src.try, o.sendNow, o.out = run, try, sendNow, out
	openings.Put(o)
}

func (s *Server) recover(o *opening) {
	if e := recover(); e != nil {
		s.decided(o)
		s.panicked(o.below, e)
		s.running.Done()
	}
}

func (s *Server) panicked(nc net.Conn, e any) {
	nc.Close()
	if e != http.ErrAbortHandler {
		s.logf("draftwire: panic serving %s: %v\n%s", nc.RemoteAddr(), e, debug.Stack())
	}
}

func (s *Server) logf(format string, args ...any) {
	if s.ErrorLog != nil {
		s.ErrorLog.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}

// httpLog is net/http's logger.
func (s *Server) httpLog() *log.Logger {
	if s.ErrorLog != nil {
		return s.ErrorLog
	}
	return log.New(panicsOnly{}, "", 0)
}

// panicsOnly passes on what the program did, and drops what a peer did.
type panicsOnly struct{}

func (panicsOnly) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("http: panic serving")) || bytes.HasPrefix(p, []byte("http2: panic serving")) {
		log.Print(string(p))
	}
	return len(p), nil
}

// The steps of a handshake. Each tells whether the next is to follow; else the
// connection was answered, or is somebody else's.

// sniff finds out what a connection is, and goes on with an HTTP/1 request.
func (o *opening) sniff() bool {
	s, src := o.s, &o.src
	for {
		kind, within := detect.Preface(src.bytes()), src.nc != o.below
		switch {
		case o.unproxied(kind):
			return false
		case kind == detect.More:
			if err := src.more(o.rules.Limits.HeadLimit); err != nil {
				o.drop(err)
				return false
			}
		case kind == detect.Proxy && o.rules.proxy != nil:
			if !o.readProxy() {
				return false
			}
		case kind == detect.HTTP1:
			return true
		case kind == detect.TLS && s.tls != nil && !within:
			if !o.enterTLS() {
				return false
			}
		case kind == detect.HTTP2 && within:
			o.toHTTP()
			return false
		case kind == detect.SSLv2 && s.tls != nil && !within:
			src.nc.Write([]byte(sslv2Alert))
			o.refuse(wire.Refuse(Unknown, wire.ReasonPreface, "a hello in the format of SSL 2"))
			return false
		case kind == detect.FlashPolicy && o.rules.flash != "" && !within:
			src.nc.Write([]byte(o.rules.flash + "\x00"))
			o.leave()
			return false
		default:
			o.refuse(wire.Refuse(Unknown, wire.ReasonPreface, "the connection begins with "+kind.String()))
			return false
		}
	}
}

// sslv2Alert tells a client that begins as in SSL 2, in the words of TLS 1.0,
// that its version is not served (RFC 5246 7.2, E.2).
const sslv2Alert = "\x15\x03\x01\x00\x02\x02\x46"

// enterTLS makes src the stream within TLS.
func (o *opening) enterTLS() bool {
	s := o.s
	r := o.replay()
	t := tls.Server(r, s.tls)
	if err := t.Handshake(); err != nil {
		o.drop(fmt.Errorf("tls: %w", err))
		return false
	}
	if t.ConnectionState().NegotiatedProtocol == "h2" {
		if s.Handler == nil || !o.advance(isJudged) || !s.enterWeb(o, r) {
			t.Close()
			return false
		}
		s.feed.push(t)
		return false
	}
	o.src.reset(t)
	return true
}

// replay returns the connection as it was before something was read of it.
func (o *opening) replay() *replayConn {
	src := new(source)
	src.adopt(&o.src)
	return &replayConn{Conn: src.nc, src: src}
}

// readHead reads a request, and goes on with one for WebSocket.
func (o *opening) readHead() bool {
	s, src := o.s, &o.src
	end, err := src.readHead(o.rules.Limits.HeadLimit)
	if err == nil && !o.advance(isJudged) {
		err = net.ErrClosed
	}
	if err != nil {
		o.drop(err)
		return false
	}
	o.head = string(src.peek(end))
	o.req.Fields = o.fields[:0]
	if err := httphead.ParseRequest(o.head, &o.req); err != nil {
		o.refuse(asHandshakeError(err))
		return false
	}
	if s.Handler != nil && (s.WebSocket == nil || !detect.IsAttempt(&o.req)) {
		o.toHTTP()
		return false
	}
	return true
}

// advance notes how far the connection is. It reports whether it still has its place.
func (o *opening) advance(stage uint32) bool {
	for {
		was := o.stage.Load()
		if was == isEvicted || o.stage.CompareAndSwap(was, stage) {
			return was != isEvicted
		}
	}
}

// judge decides on a request for WebSocket.
func (o *opening) judge() bool {
	s, src := o.s, &o.src
	o.req.Secure = src.nc != o.below || o.proxy.secure
	info := o.describe()
	err := o.rules.admit(&o.admission, &o.req, info)
	if err == nil && s.WebSocket == nil {
		err = wire.Refuse(info.Version, wire.ReasonNotWebSocket, "no handler")
	}
	if err == nil && !s.answering(o) {
		err = wire.Refuse(info.Version, wire.ReasonShutdown, "")
	}
	if err != nil {
		info.abandon()
		o.refuseTo(info.Remote, asHandshakeError(err))
		return false
	}
	src.take(len(o.head))
	return true
}

// describe begins the description of the handshake.
func (o *opening) describe() *Handshake {
	info := new(Handshake)
	info.request.own, info.Exact, info.Began = o.head, true, o.began
	info.TLS, info.Remote = tlsState(o.src.nc), o.remote()
	if o.proxy.client.IsValid() {
		info.Via = remote(o.below)
	}
	return info
}

// answer says yes.
func (o *opening) answer() bool {
	if err := o.complete(&o.src, o.rules.acceptor); err != nil {
		o.giveUp(err)
		return false
	}
	o.settle(&o.src, o.rules.acceptor)
	return true
}

func (o *opening) giveUp(err error) {
	o.info.abandon()
	o.rules.Observer.refused(o.info.Remote, []byte(o.head), asHandshakeError(err))
	o.src.nc.Close()
}

// connect makes the connection of what was answered.
func (o *opening) connect() *Conn {
	c := newConn(o.config(o.rules.acceptor, &o.src, nil))
	o.s.track(c, o)
	return c
}

// drop ends a connection whose head did not come whole.
func (o *opening) drop(err error) {
	src := &o.src
	if o.proxy.local && src.buffered() == 0 { // the health check of a balancer
		o.src.nc.Close()
		return
	}
	he, ok := errors.AsType[*HandshakeError](err)
	switch {
	case o.stage.Load() == isEvicted:
		he = wire.Refuse(Unknown, wire.ReasonOverload, "")
		he.Status = 0
	case ok:
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
	o.refuse(he)
}

// refuse answers with the error's status, if it has one, and closes.
func (o *opening) refuse(he *HandshakeError) { o.refuseTo(o.remote(), he) }

// refuseTo refuses a client whose address is known better.
func (o *opening) refuseTo(remote string, he *HandshakeError) {
	src := &o.src
	o.rules.Observer.refused(remote, append([]byte(nil), src.bytes()...), he)
	src.release()
	if he.Status != 0 {
		src.nc.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := src.nc.Write(appendRefusal(nil, he)); err == nil {
			o.leave()
			return
		}
	}
	src.nc.Close()
}

// leave ends a connection that has its answer; others may have its place.
func (o *opening) leave() {
	if o.advance(isLeaving) {
		closeGently(o.src.nc)
	}
	o.src.nc.Close()
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
func (o *opening) toHTTP() {
	if o.s.Handler == nil {
		o.refuse(wire.Refuse(Unknown, wire.ReasonNotWebSocket, ""))
		return
	}
	if r := o.replay(); o.s.enterWeb(o, r) {
		o.s.feed.push(r)
	} else {
		o.src.adopt(r.src)
		o.refuse(wire.Refuse(Unknown, wire.ReasonOverload, ""))
	}
}
