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
	"time"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

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
	c := newConn(a.config(s.opt, src, nil))
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
			if c, err := accept(w, r, s.opt); err == nil {
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
