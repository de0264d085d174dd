package draftwire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// HandlerFunc serves one connection, which it owns until it returns. ctx is the
// connection's Context: it ends when the connection ends. The error decides how the
// connection closes, and reaches Observer.Closed: see Handler.
type HandlerFunc func(ctx context.Context, c *Conn) error

// Accept answers an upgrade request of any enabled version and returns the
// connection. It works behind every router and middleware whose
// ResponseWriter can be taken over by http.ResponseController, and writes the
// answer byte by byte itself, past net/http's canonical spelling.
//
// On an error it has already answered the client; the error is a
// *HandshakeError with status and reason. The connection outlives the handler
// and belongs to the caller; to have it closed with the handler, use Handler.
// Below the Handler field of a Server the connection is one of the Server's: Counts
// counts it, and Shutdown says farewell to it and waits until it has ended.
//
// Fields that were set in w.Header() before, by a middleware for example, go with the
// answer, behind those that Authorize adds.
//
// net/http hands over a request whose head it has read, so Handshake().Request
// is rebuilt and Exact is false.
//
// Accept compiles its options on each call. An Upgrader does so once.
func Accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*Conn, error) {
	return (&Upgrader{compile(o)}).Accept(w, r)
}

// An Upgrader accepts connections with options that were compiled once: for a program
// that has a router of its own and calls Accept in its handlers. Its methods may be
// called by many goroutines.
type Upgrader struct{ config *config }

// NewUpgrader returns an Upgrader with these options; nil is as for Accept. The error is
// what Check says of them.
func NewUpgrader(o *AcceptOptions) (*Upgrader, error) {
	c := compile(o)
	if c.bad != nil {
		return nil, c.bad
	}
	return &Upgrader{c}, nil
}

// Accept is func Accept with the options of u.
func (u *Upgrader) Accept(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	return u.acceptWith(w, r, nil)
}

// acceptWith is Accept with an Authorize for this call alone, where it is not nil.
func (u *Upgrader) acceptWith(w http.ResponseWriter, r *http.Request, authorize func(*Handshake, *Answer) error) (*Conn, error) {
	c, s, err := u.config.accept(w, r, authorize)
	if s != nil {
		s.running.Done()
	}
	return c, err
}

// Handler serves WebSocket with fn, which owns the connection until it
// returns. Then the connection closes: with CodeNormal where fn returned nil or
// how the peer closed, otherwise with CodeInternal. What fn returned is then within the
// error that Observer.Closed gets.
//
// It stands behind any net/http server and router. Below the Handler field of a Server
// its connections are the Server's, as those of Server.WebSocket are.
func Handler(fn HandlerFunc, o *AcceptOptions) http.Handler {
	c := compile(o)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.serve(w, r, fn)
	})
}

// serve accepts a request and lets fn serve the connection.
func (c *config) serve(w http.ResponseWriter, r *http.Request, fn HandlerFunc) {
	conn, s, err := c.accept(w, r, nil)
	if s != nil {
		defer s.running.Done()
	}
	if err == nil {
		serveConn(conn, fn, nil)
	}
}

// accept answers an upgrade request that came by net/http. Where it came on a connection
// of a Server, that Server is returned too, also beside an error: it waits at its
// shutdown until the caller calls running.Done.
func (c *config) accept(w http.ResponseWriter, r *http.Request, authorize func(*Handshake, *Answer) error) (*Conn, *Server, error) {
	began := time.Now()
	req, head := rebuildRequest(r)
	u := upgrade{authorize: authorize}
	f := fedOf(r)
	req.Secure = req.Secure || f.secure
	info := newHandshake(began, head, c.DropHeads, nil)
	info.setTLS(r.TLS)
	info.setRemote(r.RemoteAddr, f.via)
	var s *Server // of the connection, once the upgrade has entered it
	refuse := func(err error) (*Conn, *Server, error) {
		info.abandon()
		he := asHandshakeError(err)
		c.Observer.refused(info.Remote(), []byte(head), he)
		return nil, s, he
	}
	err := c.unfit()
	if err == nil && len(head) > c.Limits.HeadLimit { // net/http lets 4 KiB more pass
		err = sock.ErrLimit
	}
	if err == nil {
		err = c.admit(&u, req, info)
	}
	if on := f.server(); err == nil && on != nil {
		if on.enter() {
			s = on
		} else {
			err = wire.NewHandshakeError(info.version, wire.ReasonShutdown, "")
		}
	}
	if err != nil {
		he := asHandshakeError(err)
		c.excuse(he, head)
		answerRefusal(w, r, he)
		return refuse(he)
	}
	u.acc.Fields = append(u.acc.Fields, kept(w.Header())...)
	outer, src, err := hijack(w, began.Add(c.Limits.HandshakeTimeout))
	if err != nil {
		he := wire.NewHandshakeError(info.version, wire.ReasonHijack, hijackHint(w, r))
		he.Err = err
		w.Header().Set("Draftwire-Reason", string(he.Reason))
		w.WriteHeader(he.Status)
		return refuse(he)
	}
	if err := u.complete(src, new(answer), c); err != nil {
		outer.Close()
		return refuse(err)
	}
	u.awaitFrame(src, c)
	src.Conn().SetDeadline(time.Time{}) // net/http leaves its own behind, too
	cfg := u.connConfig(src, c, c.settingsOf(s))
	cfg.parent = context.WithoutCancel(r.Context())
	conn := newConn(cfg)
	if s != nil {
		s.track(conn, nil)
		f.conn.web.leave() // it is one of the open connections now
	}
	return conn, s, nil
}

// hijack takes the connection from net/http, with what the client has sent behind its head, key3 of hixie-76 too, declared
// as a body or not, which is in net/http's reader.
func hijack(w http.ResponseWriter, by time.Time) (outer net.Conn, src *sock.Reader, err error) {
	outer, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	outer.SetDeadline(by)
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	nc := outer
	if of, ok := nc.(*replayConn); ok { // of a Server, which read the beginning
		below, rest := of.strip()
		nc, early = below, slices.Concat(early, rest)
	}
	src = sock.NewReader(nc, early)
	*rw.Reader = *bufio.NewReaderSize(nil, 0) // net/http holds it until the handler returns, but not its buffer
	return outer, src, nil
}

// rebuildRequest makes a wire.Request, and the head it stands for, from what
// net/http has left of one: order and spelling are lost.
func rebuildRequest(r *http.Request) (*wire.Request, string) {
	req := &wire.Request{Method: r.Method, Target: r.RequestURI, Proto: r.Proto, Secure: r.TLS != nil}
	req.Fields = make(wire.Fields, 0, 2+len(r.TransferEncoding)+len(r.Header)) // nearly always enough
	if r.Host != "" {
		req.Fields = append(req.Fields, wire.Field{Name: "Host", Value: r.Host})
	}
	for _, te := range r.TransferEncoding {
		req.Fields = append(req.Fields, wire.Field{Name: "Transfer-Encoding", Value: te})
	}
	for name, values := range r.Header {
		for _, v := range values {
			req.Fields = append(req.Fields, wire.Field{Name: name, Value: v})
		}
	}
	if r.ContentLength > 0 && r.Header.Get("Content-Length") == "" {
		req.Fields = append(req.Fields, wire.Field{Name: "Content-Length", Value: strconv.FormatInt(r.ContentLength, 10)})
	}
	size := len(req.Method) + len(req.Target) + len(req.Proto) + len("  \r\n\r\n")
	for _, f := range req.Fields {
		size += len(f.Name) + len(f.Value) + len(": \r\n")
	}
	b := make([]byte, 0, size)
	for _, s := range [...]string{req.Method, " ", req.Target, " ", req.Proto, "\r\n"} {
		b = append(b, s...)
	}
	b = append(req.Fields.Append(b), "\r\n"...)
	return req, unsafe.String(unsafe.SliceData(b), len(b)) // nobody else has b
}

// kept returns the fields of h, which the program or a middleware has set before, that go
// with a 101: all but those that describe a body or are the handshake's own.
func kept(h http.Header) (f Fields) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		own := strings.HasPrefix(name, "Sec-Websocket-") || strings.HasPrefix(name, "Websocket-") || strings.HasPrefix(name, "Content-")
		if own || slices.Contains(handshakeFields, name) || !httphead.IsToken(name) {
			continue
		}
		for _, value := range h[name] {
			if httphead.IsFieldValue(value) {
				f = append(f, Field{Name: name, Value: value})
			}
		}
	}
	return f
}

// handshakeFields are those that a 101 has anyway, and those that end it elsewhere.
var handshakeFields = []string{"Connection", "Upgrade", "Transfer-Encoding", "Trailer", "Te", "Keep-Alive"}

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

// serveConn runs fn and closes the connection behind it. A panic is told to the
// peer; it ends with s, where that is not nil, and otherwise passes through.
func serveConn(c *Conn, fn HandlerFunc, s *Server) {
	code := CodeInternal
	defer func() {
		var e any
		if s != nil {
			defer s.running.Done()
			e = recover()
		}
		c.Close(code, "")
		if e != nil {
			s.panicked(c.c.Stream(), e)
		}
	}()
	if err := fn(c.Context(), c); !c.c.Closed() { // otherwise nobody hears the code
		code = c.codeBehind(err)
	}
}

// HandlerError is how a connection ended whose handler returned an error while it was
// open: what Observer.Closed gets then. errors.Is and errors.As find both.
type HandlerError struct {
	Err error // what the handler returned
	End error // how the connection ended: the peer's answer to CodeInternal, for example
}

// Error implements error.
func (e *HandlerError) Error() string { return "draftwire: handler: " + e.Err.Error() }

// Unwrap returns both errors, End first: its close code is the one that was heard.
func (e *HandlerError) Unwrap() []error { return []error{e.End, e.Err} }

// codeBehind returns the code to close with behind a handler that returned err. Where
// that is CodeInternal it keeps err for the observer.
//
// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func (c *Conn) codeBehind(err error) CloseCode {
	code := codeFor(err)
	if code == CodeInternal {
		c.c.NoteFailure(err)
	}
	return code
}

// codeFor returns the code that tells a peer of err, which a handler returned.
func codeFor(err error) CloseCode {
	if err == nil || isClean(err) || errors.Is(err, ErrClosed) {
		return CodeNormal
	}
	return CodeInternal
}
