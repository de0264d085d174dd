package gateway

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"sync"
	"syscall"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// A backend's answer to an ordinary request: httputil.ReverseProxy carries it.
//
//	ReverseProxy  -> exchange.rewrite    the head that the backend gets   http_fields.go
//	              -> exchange.RoundTrip  which backend                    http_try.go
//	              <- exchange.answered   what is changed in its answer
//	              <- exchange.failed     what the client gets if there is none

// proxy is the content of a route with backends for ordinary requests.
type proxy struct{ *backends }

func (p *proxy) serve(x *exchange) {
	if _, err := x.s.route.target("", x.Handshake.Target()); err != nil {
		x.refuse(noRoute(err))
		return
	}
	// A backend may answer while the client still sends. HTTP/2 can do that anyway.
	_ = http.NewResponseController(x.w).EnableFullDuplex()
	carrier := httputil.ReverseProxy{
		Rewrite: x.rewrite, Transport: x, ModifyResponse: x.answered, ErrorHandler: x.failed,
		FlushInterval: -1, BufferPool: buffers{}, ErrorLog: nowhere,
	}
	carrier.ServeHTTP(x.w, x.r)
}

// nowhere is the log of ReverseProxy: what it says is in Request.Err.
var nowhere = log.New(io.Discard, "", 0)

// buffers lends what an answer is copied with.
type buffers struct{}

var bufferPool = sync.Pool{New: func() any { return new([streamRead]byte) }}

// Get implements httputil.BufferPool.
func (buffers) Get() []byte { return bufferPool.Get().(*[streamRead]byte)[:] }

// Put implements httputil.BufferPool.
func (buffers) Put(p []byte) { bufferPool.Put((*[streamRead]byte)(p[:streamRead])) }

// noRoute refuses a target that the route cannot pass on.
func noRoute(err error) *wire.HandshakeError {
	return wire.NewHandshakeError(draftwire.Unknown, wire.ReasonNoRoute, err.Error())
}

var errSwitched = errors.New("gateway: the backend switched to a protocol that it was not asked for")

// answered looks at a backend's answer before the client gets it.
func (x *exchange) answered(res *http.Response) error {
	if res.StatusCode == http.StatusSwitchingProtocols && len(res.Request.Header["Upgrade"]) == 0 {
		return errSwitched
	}
	if e := x.bodyErr.Load(); e != nil { // the backend has answered what it has not got whole
		return *e
	}
	x.localize(res.Header)
	return nil
}

// localize makes a redirect to the backend itself one that the client can follow.
func (x *exchange) localize(h http.Header) {
	host := ""
	if x.s.route.PreserveHost {
		host = x.Handshake.Host()
	}
	if where := h.Get("Location"); where != "" {
		h.Set("Location", x.s.location(x.try.b, host, where))
	}
}

// failed refuses a request that no backend has answered.
func (x *exchange) failed(_ http.ResponseWriter, _ *http.Request, err error) {
	if e := x.bodyErr.Load(); e != nil {
		err = x.badBody(*e)
	}
	if err == nil || x.bodyErr.Load() == nil && x.gone() {
		x.Err = context.Canceled
		panic(http.ErrAbortHandler) // which ends the connection
	}
	x.refuse(asRefusal(err))
}

// badBody returns the refusal of a body that cannot be read; nil for one that the client
// has broken off.
func (x *exchange) badBody(why error) error {
	reason := wire.ReasonHeadMalformed
	switch {
	case errors.Is(why, io.ErrUnexpectedEOF), errors.Is(why, net.ErrClosed), errors.Is(why, syscall.ECONNRESET), x.r.ProtoMajor > 1:
		return nil
	case errors.Is(why, os.ErrDeadlineExceeded):
		reason = wire.ReasonTimeout
	}
	he := wire.NewHandshakeError(draftwire.Unknown, reason, "the body")
	he.Err = why
	return he
}

// gone reports whether nobody waits for the answer.
func (x *exchange) gone() bool { return x.r.Context().Err() != nil && !x.s.g.draining.Load() }
