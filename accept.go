package draftwire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// Accept answers an upgrade request of any enabled version and returns the
// connection. It works behind every router and middleware whose
// ResponseWriter can be taken over by http.ResponseController, and writes the
// answer byte by byte itself, past net/http's canonical spelling.
//
// On an error it has already answered the client; the error is a
// *HandshakeError with status and reason. The connection outlives the handler
// and belongs to the caller; to have it closed with the handler and drained
// with the server, use Handler or Server.
//
// net/http hands over a request whose head it has read, so Handshake().Request
// is rebuilt and Exact is false.
func Accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*Conn, error) {
	return accept(w, r, o.withDefaults())
}

func accept(w http.ResponseWriter, r *http.Request, o *acceptor) (*Conn, error) {
	began := time.Now()
	req, head := rebuildRequest(r)
	var a admission
	f := fedOf(r)
	req.Secure = req.Secure || f.secure
	info := &Handshake{TLS: r.TLS, Remote: r.RemoteAddr, Via: f.via, Began: began}
	info.request.own = head
	refuse := func(err error) (*Conn, error) {
		info.abandon()
		he := asHandshakeError(err)
		o.Observer.refused(info.Remote, []byte(head), he)
		return nil, he
	}
	err := o.unfit()
	if err == nil {
		err = o.admit(&a, req, info)
	}
	if err != nil {
		he := asHandshakeError(err)
		answerRefusal(w, r, he)
		return refuse(he)
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		he := wire.Refuse(info.Version, wire.ReasonHijack, hijackHint(w, r))
		he.Err = err
		w.Header().Set("Draftwire-Reason", string(he.Reason))
		w.WriteHeader(he.Status)
		return refuse(he)
	}
	nc.SetDeadline(began.Add(o.Limits.HandshakeTimeout))
	// What the client sent behind its head is in net/http's reader, key3 of
	// hixie-76 too, declared as a body or not. After this the reader is let go.
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	outer := nc
	of, _ := nc.(*replayConn) // of a Server, which read the beginning
	if of != nil {
		below, rest := of.strip()
		nc, early = below, slices.Concat(early, rest)
	}
	src := newSource(nc, early)
	if err := a.complete(src, o); err != nil {
		outer.Close()
		return refuse(err)
	}
	if of != nil && o.set.forget == nil { // it is the program's, and the Server does not hear of its end
		of.web.leave()
	}
	a.settle(src, o)
	nc.SetDeadline(time.Time{}) // net/http leaves its own behind, too
	return newConn(a.config(o, src, context.WithoutCancel(r.Context()))), nil
}

// answerRefusal answers a request with the status and the fields of an error.
func answerRefusal(w http.ResponseWriter, r *http.Request, he *HandshakeError) {
	for _, f := range refusalFields(he) {
		w.Header()[f.Name] = append(w.Header()[f.Name], f.Value)
	}
	if isExtendedConnect(r) {
		he.Status = http.StatusNotImplemented
	}
	if r.ProtoMajor < 2 { // where it would end the connection that others share
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(he.Status)
}

// unfit returns the refusal of all requests, where the options cannot be served.
func (o *acceptor) unfit() error {
	if o.bad == nil {
		return nil
	}
	he := wire.Refuse(Unknown, wire.ReasonOptions, "")
	he.Err = o.bad
	return he
}

func (a *admission) config(o *acceptor, src *source, parent context.Context) *connConfig {
	c := &a.cfg
	c.draft, c.role, c.info, c.acc, c.set, c.parent, c.src = a.draft, wire.Server, a.info, &a.acc, &o.set, parent, src
	c.deflate, c.threshold = &a.deflate, a.threshold
	return c
}

// hijackHint says what stands in the way of taking the response over.
func hijackHint(w http.ResponseWriter, r *http.Request) string {
	if r.ProtoMajor >= 2 {
		return fmt.Sprintf("%s has no upgrade; the client must use HTTP/1.1", r.Proto)
	}
	inner := w
	for {
		u, ok := inner.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		inner = u.Unwrap()
	}
	return fmt.Sprintf("the response writer %T hides the connection: it has neither Hijack nor Unwrap", inner)
}

// Handler serves WebSocket with fn, which owns the connection until it
// returns. Then the connection closes: with CodeNormal where fn returned nil or
// how the peer closed, with CodeInternal else.
func Handler(fn func(ctx context.Context, c *Conn) error, o *AcceptOptions) http.Handler {
	a := o.withDefaults()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := accept(w, r, a); err == nil {
			serveConn(c, fn, nil)
		}
	})
}

// serveConn runs fn and closes the connection behind it. A panic is told to the
// peer; it ends with s, where that is not nil, and else passes through.
func serveConn(c *Conn, fn func(ctx context.Context, c *Conn) error, s *Server) {
	code := CodeInternal
	defer func() {
		var e any
		if s != nil {
			defer s.running.Done()
			e = recover()
		}
		if c.Close(code, ""); e != nil {
			s.panicked(c.nc(), e)
		}
	}()
	if err := fn(c.Context(), c); !c.is(over) { // else nobody hears it
		code = codeFor(err)
	}
}

// codeFor returns the code to close with behind a handler that returned err.
func codeFor(err error) CloseCode {
	switch CloseStatus(err) {
	case CodeNormal, CodeGoingAway, CodeNoStatus:
		return CodeNormal
	}
	if err == nil || errors.Is(err, ErrClosed) {
		return CodeNormal
	}
	return CodeInternal
}
