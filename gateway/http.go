package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// Ordinary HTTP on the ports of the gateway. The way of a request:
//
//	draftwire.Server.Handler
//	  -> exchange.serve   health? draining? a sound target? which route?     http.go
//	  -> limits           connections, of an address, of the route           http.go
//	  -> content          what the route has for it                          http_content.go
//	       proxy          a backend's answer                                 http_proxy.go
//	         fields       what the backend gets of the head                  http_fields.go
//	         try          the backends in order, one after the other         http_try.go
//	       files          a file of a folder                                 http_files.go
//	       redirect, fixed
//	  <- reply            counts what goes back                              http_reply.go
//	  <- exchange.end     limits are given back, Hooks.RequestEnded

// Request is an ordinary request and its answer, for Hooks.
type Request struct {
	// Listener, Route and Backend are the names of what the request came through; Route
	// and Backend are "" if it did not get so far.
	Listener, Route, Backend string
	// Handshake describes the request. Its Version is Unknown.
	Handshake *draftwire.Handshake
	Method    string
	Status    int           // of the answer; 0 if there was none, as the client was gone
	Reason    wire.Reason   // why the gateway itself refused the request; "" for any other answer
	Err       error         // what failed, before or within the answer
	Sent      int64         // bytes of the answer's body
	Took      time.Duration // until the end of the answer
}

// Failed reports whether the request failed because of the gateway or its backends.
func (r *Request) Failed() bool {
	return r.Reason == wire.ReasonBackend || r.Reason == wire.ReasonOverload
}

// exchange is a Request under way.
type exchange struct {
	Request
	s        *Session // of the request, as far as it is like a client's handshake
	w        *reply
	r        *http.Request
	cancel   context.CancelFunc // of r
	listener *Listener
	served   draftwire.Versions // on the port
	entered  bool               // counted in the limits
	try      *try               // that got an answer, or is under way
	silence  silence
	sending  atomic.Bool           // the client's body has not ended
	bodyErr  atomic.Pointer[error] // why the client's body could not be read
}

// handler returns what a port does with ordinary requests.
func (g *Gateway) handler(l *Listener, served draftwire.Versions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.retired.Load() {
			w.Header().Set("Connection", "close") // the next request is for the process that accepts
		}
		h := draftwire.HandshakeOf(r)
		if path, _, _ := strings.Cut(r.RequestURI, "?"); l.Health != "" && path == l.Health && isAdmitted(l.Allow, l.Deny, h.Remote()) {
			g.answerHealth(w, r)
			return
		}
		if g.answerChallenge(w, r) {
			return
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
		defer cancel()
		defer context.AfterFunc(g.ctx, cancel)()
		x := &exchange{Request: Request{Listener: l.Name, Handshake: h, Method: r.Method}, listener: l, served: served, cancel: cancel}
		x.s = &Session{g: g, Listener: l.Name, handshake: h}
		x.w, x.r = &reply{ResponseWriter: w, x: x}, r.WithContext(ctx)
		x.sending.Store(r.ContentLength != 0 && r.ProtoMajor == 1)
		defer context.AfterFunc(r.Context(), x.leave)()
		g.requests.inFlight.Add(1)
		if f := g.hooks.RequestBegan; f != nil {
			f(&x.Request)
		}
		defer x.end()
		x.serve()
	})
}

// leave ends the request of a client that is gone. net/http says so too where a body cannot
// be read: then bodyErr will tell which of both it is.
func (x *exchange) leave() {
	if !x.sending.Load() {
		x.cancel()
	}
}

// serve answers the request.
func (x *exchange) serve() {
	switch err := x.admit(x.s.g.state.Load()); {
	case err != nil:
		x.refuse(err)
	case x.s.route.web == nil:
		x.refuse(notWebSocket(x.served))
	default:
		x.s.route.web.serve(x)
	}
}

// admit finds the route and applies the limits.
func (x *exchange) admit(st *state) *wire.HandshakeError {
	g, h := x.s.g, x.Handshake
	if err := admitNetwork(x.listener.Allow, x.listener.Deny, h.Version(), h.Remote()); err != nil {
		return asRefusal(err)
	}
	switch {
	case g.draining.Load():
		return wire.NewHandshakeError(draftwire.Unknown, wire.ReasonShutdown, "")
	case x.r.Method == http.MethodConnect || x.r.Method == http.MethodTrace:
		return wire.NewHandshakeError(draftwire.Unknown, wire.ReasonMethod, x.r.Method)
	case !httphead.IsTarget(h.Target()) || h.Target()[0] != '/':
		return wire.NewHandshakeError(draftwire.Unknown, wire.ReasonHeadMalformed, fmt.Sprintf("target %.80q", h.Target()))
	case h.Host() != "" && !httphead.IsAuthority(h.Host()), x.r.Host != h.Host(), !strings.EqualFold(h.Host(), h.Fields().Get("Host")):
		return wire.NewHandshakeError(draftwire.Unknown, wire.ReasonHost, fmt.Sprintf("Host is %.80q", h.Host()))
	}
	paths, ok := readings(h.Target())
	if !ok {
		return wire.NewHandshakeError(draftwire.Unknown, wire.ReasonNoRoute, "a segment . or .., or a control character")
	}
	r, detail := routeOf(st.routes, &request{listener: x.Listener, handshake: h, paths: paths, ordinary: true})
	switch {
	case r == nil && st.servesHTTP():
		return wire.NewHandshakeError(draftwire.Unknown, wire.ReasonNoRoute, detail)
	case r == nil:
		return notWebSocket(x.served)
	}
	x.s.route, x.s.Route, x.Route = r, r.Name, r.Name
	if err := r.admit(h); err != nil {
		return asRefusal(err)
	}
	return x.enter(r)
}

// enter counts the request in the limits until end.
func (x *exchange) enter(r *route) *wire.HandshakeError {
	name := x.s.g.limits.enter(x.s.key())
	if name == "" {
		x.entered = true
		if n := r.backends.open.Add(1); r.Connections > 0 && n > int64(r.Connections) {
			name = limitRoute
		}
	}
	if name == "" {
		return nil
	}
	he := asRefusal(x.s.g.limited(x.Handshake, name))
	if name == limitRequests || name == limitRequestsEach {
		he.Status = http.StatusTooManyRequests
	}
	return he
}

// end gives back what the request has taken.
func (x *exchange) end() {
	g := x.s.g
	if x.try != nil {
		x.try.end()
	}
	x.silence.stop()
	if x.entered {
		x.s.route.backends.open.Add(-1)
		g.limits.release(x.s.key())
	}
	x.Took = time.Since(x.Handshake.Began())
	x.Status, x.Sent = x.w.status, x.w.sent
	g.requests.ended(&x.Request)
	if f := g.hooks.RequestEnded; f != nil {
		f(&x.Request)
	}
}

// notWebSocket is the refusal of a request where only WebSocket is served.
func notWebSocket(served draftwire.Versions) *wire.HandshakeError {
	he := wire.NewHandshakeError(draftwire.Unknown, wire.ReasonNotWebSocket, "")
	if list := served.HeaderValue(); list != "" {
		he.Fields = wire.Fields{{Name: "Sec-WebSocket-Version", Value: list}}
	}
	return he
}

// requestCounts counts ordinary requests.
type requestCounts struct{ inFlight, total, failed atomic.Int64 }

func (c *requestCounts) ended(r *Request) {
	c.inFlight.Add(-1)
	c.total.Add(1)
	if r.Failed() {
		c.failed.Add(1)
	}
}

func (c *requestCounts) status() RequestStatus {
	return RequestStatus{c.inFlight.Load(), c.total.Load(), c.failed.Load()}
}
