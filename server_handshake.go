package draftwire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// handshakeState is the work of one handshake on a connection of a Server, from its first
// byte to the 101 or the refusal. A pool keeps it, so that a handshake allocates little
// but the connection.
type handshakeState struct {
	scratch
	attempt
}

// scratch is the part that the next handshake uses again.
type scratch struct {
	run    func()             // the life of one connection
	then   func(func() error) // goOn
	src    sock.Reader        // what the client sends; empty between two handshakes
	answer answer
}

// attempt is the part that the next handshake finds zeroed.
type attempt struct {
	s      *Server
	live   *liveConfig
	began  time.Time
	proxy  proxied
	blank  bool // a blank line was skipped before the request
	onLoop bool // the goroutine of a loop does the handshake: it must not wait
	// answered: the loop has refused it, and it has to hear of that.
	answered bool
	head     string
	fields   [24]wire.Field // for req
	req      wire.Request
	pendingEntry
	upgrade
}

var handshakeStates = sync.Pool{New: func() any { return new(handshakeState) }}

// begin begins the life of a connection, or refuses it.
func (s *Server) begin(nc net.Conn) {
	h := handshakeStates.Get().(*handshakeState)
	if h.run == nil {
		h.init()
	}
	h.s, h.live = s, s.live.Load()
	h.below, h.began = nc, time.Now()
	s.mu.Lock()
	reason := s.enlist(h)
	if reason == "" {
		s.running.Add(1)
	}
	s.mu.Unlock()
	if reason != "" {
		he := wire.NewHandshakeError(Unknown, reason, "")
		he.Status = 0 // no time is spent on an answer
		h.live.config.Observer.refused(nc.RemoteAddr().String(), nil, he)
		nc.Close()
		h.recycle()
		return
	}
	h.src.Reset(nc)
	if sk, ok := nc.(*sock.Socket); ok && sk.OnLoop() {
		sk.DriveFirst(h)
		return
	}
	go h.run()
}

// init makes the functions that are given away, once: they would be made anew each time.
func (h *handshakeState) init() {
	h.answer.send, h.answer.bodyAwaited = h.answer.trySend, h.lacksBody
	h.then = h.goOn
	// The frame of run is as small as can be: it stays on the stack of the connection.
	h.run = func() {
		s := h.s
		if c := s.open(h); c != nil {
			s.serve(c)
		}
	}
}

// open does the handshake. It returns nil where the connection has ended, belongs to
// net/http, or has got a goroutine of its own.
func (s *Server) open(h *handshakeState) (c *Conn) {
	defer s.recover(h)
	var here byte // on the stack, which moves when it grows
	mark := sock.MarkStack(&here)
	if h.sniff() && h.readHead() && h.judge() && h.respond() {
		c = h.connect()
	} else {
		s.unlist(h)
	}
	h.recycle()
	switch {
	case c == nil:
		s.running.Done()
	case mark.Moved(&here):
		// The handshake took more stack than a waiting connection needs, and the goroutine
		// would keep it: the connection gets a new one.
		go s.serve(c)
		c = nil
	}
	return c
}

// recycle gives h back to the pool.
func (h *handshakeState) recycle() {
	h.src.Clear()
	h.attempt = attempt{}
	handshakeStates.Put(h)
}

func (s *Server) recover(h *handshakeState) {
	if e := recover(); e != nil {
		s.unlist(h)
		s.panicked(h.below, e)
		s.running.Done()
	}
}

// The steps of a handshake. Each reports whether the next is to follow; otherwise the
// connection has had its answer, or is net/http's.

// sniff finds out what a connection is, and goes on with an HTTP/1 request.
func (h *handshakeState) sniff() bool {
	s, src := h.s, &h.src
	for {
		kind, within := detect.Preface(src.Bytes()), src.Conn() != h.below
		switch {
		case h.unproxied(kind):
			return false
		case kind == detect.BlankLine:
			if !h.skipBlankLine() {
				return false
			}
		case h.blank && kind != detect.HTTP1 && kind != detect.NeedMore:
			h.refuse(wire.NewHandshakeError(Unknown, wire.ReasonPreface, "a blank line, then "+kind.String()))
			return false
		case kind == detect.NeedMore && !within && string(src.Bytes()) == policyWithoutNUL:
			if h.awaitNUL() {
				continue
			}
			h.answerPolicy()
			return false
		case kind == detect.NeedMore:
			if err := src.Fill(h.live.config.Limits.HeadLimit); err != nil {
				h.drop(err)
				return false
			}
		case kind == detect.Proxy && h.live.proxy != nil:
			if !h.readProxy() {
				return false
			}
		case kind == detect.HTTP1:
			return true
		case kind == detect.TLS && s.tls != nil && !within:
			if !h.enterTLS() {
				return false
			}
		case kind == detect.HTTP2 && within:
			h.toHTTP()
			return false
		case kind == detect.SSLv2 && s.tls != nil && !within:
			h.refuseSSLv2()
			return false
		case kind == detect.FlashPolicy && !within:
			h.answerPolicy()
			return false
		default:
			h.refuse(wire.NewHandshakeError(Unknown, wire.ReasonPreface, "the connection begins with "+kind.String()))
			return false
		}
	}
}

// skipBlankLine skips an empty line before the request line, which some clients leave behind
// the request before (RFC 9112 2.2). There may be one.
func (h *handshakeState) skipBlankLine() bool {
	n := 2
	he := wire.NewHandshakeError(Unknown, wire.ReasonHeadMalformed, "more than one blank line before the request")
	if h.src.Bytes()[0] == '\n' {
		n, he = 1, looseStart()
	}
	if h.blank || !h.live.config.Tolerate.Has(he.Tolerance) {
		h.refuse(he)
		return false
	}
	h.blank = true
	h.req.Tolerated |= he.Tolerance
	h.src.Discard(n)
	return true
}

// looseStart returns the refusal of a request with LF alone before it.
func looseStart() *HandshakeError {
	he := wire.NewHandshakeError(Unknown, wire.ReasonHeadMalformed, "a line end before the request that is not CR LF")
	he.Tolerance = wire.TolerateLineEnds
	return he
}

// policyWithoutNUL is a Flash policy request as some clients send it.
var policyWithoutNUL = strings.TrimSuffix(detect.PolicyRequest, "\x00")

// nulWait bounds the wait for the NUL of a Flash policy request.
const nulWait = 500 * time.Millisecond

// awaitNUL waits for the NUL of a Flash policy request. It reports whether something came.
func (h *handshakeState) awaitNUL() bool {
	h.src.Conn().SetReadDeadline(time.Now().Add(nulWait)) // it stands: what follows is answered and closed
	return h.src.Fill(h.live.config.Limits.HeadLimit) == nil
}

// answerPolicy answers a Flash policy request.
func (h *handshakeState) answerPolicy() {
	if h.live.flash == "" {
		h.refuse(wire.NewHandshakeError(Unknown, wire.ReasonPreface, "the connection begins with "+detect.FlashPolicy.String()))
		return
	}
	h.src.Conn().Write([]byte(h.live.flash + "\x00"))
	h.closeAnswered()
}

// refuseSSLv2 refuses a hello in the format of SSL 2. The rest of it may still be on its way,
// and must not take the alert with it.
func (h *handshakeState) refuseSSLv2() {
	h.live.config.Observer.refused(h.client(), append([]byte(nil), h.src.Bytes()...), wire.NewHandshakeError(Unknown, wire.ReasonSSLv2, ""))
	h.src.Conn().Write([]byte(sslv2Alert))
	h.src.Release()
	h.closeAnswered()
}

// unproxied refuses what breaks the rule that all connections come by a proxy.
// kind is what the connection begins with, detect.NeedMore before that is known.
func (h *handshakeState) unproxied(kind detect.Kind) bool {
	p := h.live.proxy
	if p == nil || !p.Required || h.proxy.seen || kind == detect.Proxy {
		return false
	}
	switch {
	case !p.trusts(h.below):
		h.refuse(wire.NewHandshakeError(Unknown, wire.ReasonProxyUntrusted, ""))
	case kind != detect.NeedMore:
		h.refuse(wire.NewHandshakeError(Unknown, wire.ReasonProxyMissing, "the connection begins with "+kind.String()))
	default:
		return false
	}
	return true
}

// readProxy takes a PROXY header off the connection.
func (h *handshakeState) readProxy() bool {
	p, src := h.live.proxy, &h.src
	switch {
	case h.proxy.seen:
		h.refuse(wire.NewHandshakeError(Unknown, wire.ReasonProxyHeader, "a second one"))
		return false
	case src.Conn() != h.below:
		h.refuse(wire.NewHandshakeError(Unknown, wire.ReasonProxyHeader, "within TLS"))
		return false
	case !p.trusts(h.below):
		h.refuse(wire.NewHandshakeError(Unknown, wire.ReasonProxyUntrusted, ""))
		return false
	}
	for {
		b := src.Bytes()
		b = b[:min(len(b), ProxyHeaderLimit)]
		n, header, err := p.Read(b)
		switch {
		case err == nil && n > 0 && n <= len(b):
			src.Discard(n)
			h.proxy.set(header)
			return true
		case err == nil && n != 0:
			err = fmt.Errorf("%d of %d bytes read", n, len(b))
		case err == nil && len(b) == ProxyHeaderLimit:
			err = fmt.Errorf("more than %d bytes", ProxyHeaderLimit)
		case err == nil:
			err = src.Fill(ProxyHeaderLimit)
		}
		if err != nil {
			he := wire.NewHandshakeError(Unknown, wire.ReasonProxyHeader, "")
			he.Err = err
			h.refuse(he)
			return false
		}
	}
}

// sslv2Alert tells a client that begins as in SSL 2, in the words of TLS 1.0,
// that its version is not served (RFC 5246 7.2, E.2).
const sslv2Alert = "\x15\x03\x01\x00\x02\x02\x46"

// enterTLS makes src the stream within TLS.
func (h *handshakeState) enterTLS() bool {
	s := h.s
	r := h.replay()
	below := net.Conn(r)
	if socket, ok := h.below.(*sock.Socket); ok {
		below = sock.NewTLS(r, socket)
	}
	t := tls.Server(below, s.tls)
	if err := t.Handshake(); err != nil {
		h.drop(fmt.Errorf("tls: %w", err))
		return false
	}
	if t.ConnectionState().NegotiatedProtocol == "h2" {
		if s.Handler == nil || !h.advance(isJudged) || !s.enterWeb(h, r) {
			t.Close()
			return false
		}
		s.feed.push(t)
		return false
	}
	h.src.Reset(t)
	return true
}

// replay returns the connection as it was before something was read of it.
func (h *handshakeState) replay() *replayConn {
	src := new(sock.Reader)
	src.Adopt(&h.src)
	return &replayConn{Conn: src.Conn(), src: src}
}

// readHead reads a request, and goes on with one for WebSocket.
func (h *handshakeState) readHead() bool {
	s, src := h.s, &h.src
	end, err := readHead(src, h.live.config.Limits.HeadLimit, "")
	if err == nil && !h.advance(isJudged) {
		err = net.ErrClosed
	}
	if err != nil {
		h.drop(err)
		return false
	}
	if err := h.parseHead(end); err != nil {
		he := asHandshakeError(err)
		if detect.IsAttempt(&h.req) {
			h.live.config.excuse(he, h.head)
		} else {
			he.Tolerance = 0 // it is for upgrades alone
		}
		h.refuse(he)
		return false
	}
	if s.Handler != nil && (s.handler == nil || !detect.IsAttempt(&h.req)) {
		if h.req.Tolerated != 0 {
			h.refuseLoose()
		} else {
			h.toHTTP()
		}
		return false
	}
	return true
}

// parseHead parses the first end bytes as a request's head, once: a loop may have done it.
func (h *handshakeState) parseHead(end int) error {
	if h.head != "" {
		return nil
	}
	h.head = string(h.src.Peek(end))
	h.req.Fields = h.fields[:0]
	h.req.Tolerate = h.live.config.Tolerate
	return httphead.ParseRequest(h.head, &h.req)
}

// refuseLoose refuses an ordinary request whose head needed a tolerance: net/http, or who
// gets the request from it, might read it in another way.
//
// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func (h *handshakeState) refuseLoose() {
	he := looseStart()
	if err := httphead.ParseRequest(h.head, &wire.Request{Fields: h.req.Fields[:0]}); err != nil {
		he = asHandshakeError(err)
	}
	he.Tolerance = 0 // it is for upgrades alone
	h.refuse(he)
}

// advance notes how far the connection is. It reports whether it still has its place.
func (h *handshakeState) advance(stage uint32) bool {
	for {
		was := h.stage.Load()
		if was == isEvicted || h.stage.CompareAndSwap(was, stage) {
			return was != isEvicted
		}
	}
}

// judge decides on a request for WebSocket.
func (h *handshakeState) judge() bool {
	info := h.describeRequest()
	return h.judged(info, h.live.config.admit(&h.upgrade, &h.req, info))
}

// describeRequest begins the description of a request for WebSocket.
func (h *handshakeState) describeRequest() *Handshake {
	h.req.Secure = h.src.Conn() != h.below || h.proxy.secure
	return h.describe()
}

// judged goes on with a request that was admitted, and refuses one with err.
func (h *handshakeState) judged(info *Handshake, err error) bool {
	s, src := h.s, &h.src
	if err == nil && s.handler == nil {
		err = wire.NewHandshakeError(info.version, wire.ReasonNotWebSocket, "no handler")
	}
	if err == nil && !s.answering(h) {
		err = wire.NewHandshakeError(info.version, wire.ReasonShutdown, "")
	}
	if err != nil {
		info.abandon()
		he := asHandshakeError(err)
		h.live.config.excuse(he, h.head)
		h.refuseTo(info.Remote(), he)
		return false
	}
	src.Discard(len(h.head))
	return true
}

// client returns the address of the client, as far as it is known.
func (h *handshakeState) client() string {
	if h.proxy.client.IsValid() {
		return h.proxy.client.String()
	}
	return peerAddr(h.below)
}

// describe begins the description of the handshake.
func (h *handshakeState) describe() *Handshake {
	from := h.below
	if h.proxy.client.IsValid() {
		from = nil
	}
	info := newHandshake(h.began, h.head, h.live.config.DropHeads, from)
	info.exact = true
	info.setTLS(tlsState(h.src.Conn()))
	if from == nil {
		info.setRemote(h.client(), peerAddr(h.below))
	}
	return info
}

// respond sends the 101.
func (h *handshakeState) respond() bool {
	err := h.complete(&h.src, &h.answer, h.live.config)
	if !h.advance(isJudged) { // it lacked its body for too long
		he := wire.NewHandshakeError(h.draft.Version, wire.ReasonOverload, "")
		he.Status = 0
		err = he
	}
	if err != nil {
		h.giveUp(err)
		return false
	}
	h.awaitFrame(&h.src, h.live.config)
	return true
}

func (h *handshakeState) giveUp(err error) {
	h.info.abandon()
	h.live.config.Observer.refused(h.info.Remote(), []byte(h.head), asHandshakeError(err))
	h.src.Conn().Close()
}

// connect makes the connection of what was answered.
func (h *handshakeState) connect() *Conn {
	h.src.Settle()
	c := newConn(h.connConfig(&h.src, h.live.config, h.live.config.settings))
	h.s.track(c, h)
	return c
}

// drop ends a connection whose head did not come whole.
func (h *handshakeState) drop(err error) {
	src := &h.src
	if h.proxy.local && src.Buffered() == 0 { // the health check of a balancer
		h.src.Conn().Close()
		return
	}
	he, ok := errors.AsType[*HandshakeError](err)
	switch {
	case h.stage.Load() == isEvicted:
		he = wire.NewHandshakeError(Unknown, wire.ReasonOverload, "")
		he.Status = 0
	case ok:
	case err == sock.ErrLimit:
		he = asHandshakeError(err)
	case sock.IsTimeout(err):
		he = wire.NewHandshakeError(Unknown, wire.ReasonTimeout, fmt.Sprintf("%d bytes came", src.Buffered()))
	default:
		he = &HandshakeError{Reason: wire.ReasonIO, Err: err}
	}
	if src.Buffered() == 0 { // it said nothing: a health check, or a connection kept in reserve
		quiet := *he
		quiet.Status = 0
		he = &quiet
	}
	h.refuse(he)
}

// refuse answers with the error's status, if it has one, and closes.
func (h *handshakeState) refuse(he *HandshakeError) { h.refuseTo(h.client(), he) }

// refuseTo refuses a client whose address is known better.
func (h *handshakeState) refuseTo(remote string, he *HandshakeError) {
	src := &h.src
	h.live.config.Observer.refused(remote, append([]byte(nil), src.Bytes()...), he)
	src.Release()
	if he.Status != 0 {
		src.Conn().SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := src.Conn().Write(appendRefusal(nil, he)); err == nil {
			h.closeAnswered()
			return
		}
	}
	src.Conn().Close()
}

// closeAnswered ends a connection that has its answer; others may have its place.
func (h *handshakeState) closeAnswered() {
	if h.advance(isLeaving) {
		if h.onLoop {
			h.answered = true
			return
		}
		closeGently(h.src.Conn())
	}
	h.src.Conn().Close()
}

// toHTTP gives a connection, with what was read of it, to net/http.
func (h *handshakeState) toHTTP() {
	if h.s.Handler == nil {
		h.refuse(wire.NewHandshakeError(Unknown, wire.ReasonNotWebSocket, ""))
		return
	}
	r := h.replay()
	limits := h.live.config.Limits
	r.gate = &gate{limit: limits.HeadLimit, timeout: limits.HandshakeTimeout}
	if h.s.enterWeb(h, r) {
		h.s.feed.push(r)
	} else {
		h.src.Adopt(r.src)
		h.refuse(wire.NewHandshakeError(Unknown, wire.ReasonOverload, ""))
	}
}

// closeGently ends a stream so that what was written arrives, though the peer
// may have sent more than was read.
func closeGently(nc net.Conn) {
	sock.CloseWrite(nc)
	nc.SetReadDeadline(time.Now().Add(time.Second))
	sock.Drain(nc)
	nc.Close()
}
