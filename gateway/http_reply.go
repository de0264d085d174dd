package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// What goes back to the client: reply is the http.ResponseWriter of all content, and refuse
// is the answer of the gateway itself.

// reply notes what is answered.
type reply struct {
	http.ResponseWriter
	x      *exchange
	status int // 0 before the answer has begun
	sent   int64
}

// WriteHeader implements http.ResponseWriter. Status 1xx goes to clients that may get it:
// not to HTTP/1.0, and 100 only to who has asked for it (RFC 9110 15.2, 10.1.1).
func (w *reply) WriteHeader(status int) {
	if status < 200 && status != http.StatusSwitchingProtocols {
		if w.x.r.ProtoAtLeast(1, 1) && (status != http.StatusContinue || w.x.r.Header.Get("Expect") != "") {
			w.ResponseWriter.WriteHeader(status)
		}
		return
	}
	if w.status == 0 {
		w.status = status
	}
	if h := w.Header(); len(h["Content-Type"]) == 0 {
		h["Content-Type"] = nil // or net/http would guess one
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *reply) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *reply) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack implements http.Hijacker: the client's side of a tunnel.
func (w *reply) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.status = http.StatusSwitchingProtocols
	t := &tunnel{Conn: nc, x: w.x, timeout: w.x.s.g.state.Load().cfg.Limits.WriteTimeout.timeout()}
	return t, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(t)), nil
}

// tunnel is the client's connection after an upgrade to another protocol. Both directions
// pass it, so it knows when neither side says anything.
type tunnel struct {
	net.Conn
	x       *exchange
	timeout time.Duration // of a write
}

// Read implements io.Reader.
func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.x.silence.begin()
	return n, err
}

// Write implements io.Writer.
func (t *tunnel) Write(p []byte) (int, error) {
	t.x.silence.begin()
	t.SetWriteDeadline(time.Now().Add(t.timeout))
	n, err := t.Conn.Write(p)
	t.x.w.sent += int64(n)
	return n, err
}

// closing are the reasons after which the client's connection is of no more use.
var closing = []wire.Reason{wire.ReasonShutdown, wire.ReasonNotWebSocket, wire.ReasonHeadMalformed, wire.ReasonHost, wire.ReasonTimeout}

// refuse answers as a handshake is refused, and with a line of text for people.
func (x *exchange) refuse(he *wire.HandshakeError) {
	x.Reason, x.Err = he.Reason, he
	if x.w.status != 0 {
		panic(http.ErrAbortHandler) // in the middle of an answer
	}
	h := x.w.Header()
	clear(h) // of what a backend has said before it failed
	switch he.Status {
	case http.StatusUpgradeRequired:
		h.Set("Upgrade", "websocket")
	case http.StatusMethodNotAllowed:
		h.Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	}
	for _, f := range he.Fields {
		h[f.Name] = append(h[f.Name], f.Value)
	}
	if x.r.ProtoMajor < 2 && slices.Contains(closing, he.Reason) {
		h.Set("Connection", "close")
	}
	h.Set("Draftwire-Reason", string(he.Reason))
	h.Set("Content-Type", "text/plain; charset=utf-8")
	text := fmt.Sprintf("%d %s: %s\n", he.Status, http.StatusText(he.Status), he.Reason)
	h.Set("Content-Length", fmt.Sprint(len(text)))
	x.w.WriteHeader(he.Status)
	if x.r.Method != http.MethodHead {
		x.w.Write([]byte(text))
	}
}

// asRefusal returns an error of the gateway as the refusal that it is.
func asRefusal(err error) *wire.HandshakeError {
	if he, ok := errors.AsType[*draftwire.HandshakeError](err); ok {
		return he
	}
	he := wire.NewHandshakeError(draftwire.Unknown, wire.ReasonBackend, "")
	he.Err = err
	return he
}
