package draftwire

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// NewVersionRefusal returns what Authorize returns to refuse a version by a policy of the
// program's own, for example on some paths only: the refusal that a version gets
// which is not enabled. Its status is 426, its reason wire.ReasonDisabled, and it
// lists the numbers of the versions in served, best first. v itself is left out,
// or the client would come back with it; so are the hixie versions and hybi-02,
// which have no number.
func NewVersionRefusal(v Version, served Versions) *HandshakeError {
	he := wire.NewHandshakeError(v, wire.ReasonDisabled, v.String()+" is not enabled")
	if list := (served & ServedVersions()).Without(v).HeaderValue(); list != "" {
		he.Fields = wire.Fields{{Name: "Sec-WebSocket-Version", Value: list}}
	}
	return he
}

func refuseFor(v Version, reason wire.Reason, detail string, args ...any) error {
	return wire.NewHandshakeError(v, reason, fmt.Sprintf(detail, args...))
}

// unfit returns the refusal of all requests, where the options cannot be served.
func (c *config) unfit() error {
	if c.bad == nil {
		return nil
	}
	he := wire.NewHandshakeError(Unknown, wire.ReasonOptions, "")
	he.Err = c.bad
	return he
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

// appendRefusal writes a refusal as an HTTP response. It closes: what follows
// a refused upgrade may be frames.
func appendRefusal(dst []byte, e *HandshakeError) []byte {
	dst = fmt.Appendf(dst, "HTTP/1.1 %d %s\r\n", e.Status, http.StatusText(e.Status))
	dst = ascii.AppendField(dst, "Connection", "close")
	dst = refusalFields(e).Append(dst)
	dst = ascii.AppendField(dst, "Content-Length", "0")
	return append(dst, "\r\n"...)
}

// refusalFields are the lines of a refusal that depend on its cause.
func refusalFields(e *HandshakeError) wire.Fields {
	var f wire.Fields
	switch e.Status {
	case http.StatusUpgradeRequired:
		f = append(f, wire.Field{Name: "Upgrade", Value: "websocket"})
	case http.StatusMethodNotAllowed:
		f = append(f, wire.Field{Name: "Allow", Value: "GET"})
	}
	for _, x := range e.Fields {
		if httphead.IsToken(x.Name) && httphead.IsFieldValue(x.Value) {
			f = append(f, x)
		}
	}
	return append(f, wire.Field{Name: "Draftwire-Reason", Value: string(e.Reason)})
}

// asHandshakeError returns err as a *HandshakeError.
//
// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func asHandshakeError(err error) *HandshakeError {
	if he, ok := errors.AsType[*HandshakeError](err); ok {
		return he
	}
	if err == sock.ErrLimit {
		return wire.NewHandshakeError(Unknown, wire.ReasonHeadTooLarge, "")
	}
	return &HandshakeError{Reason: wire.ReasonIO, Err: err}
}
