package websocket

import (
	"bufio"
	"encoding/base64"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/inside"
	"github.com/draftwire/draftwire/wire"
)

// Upgrader answers the handshakes of clients. Its methods may be called by many goroutines.
type Upgrader struct {
	// HandshakeTimeout bounds the handshake. Default draftwire.DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration
	// WriteBufferSize is what NextWriter's messages gather for a frame, in bytes. Default 4096.
	// ReadBufferSize has no effect.
	ReadBufferSize, WriteBufferSize int
	// WriteBufferPool has no effect.
	WriteBufferPool BufferPool
	// Subprotocols are those of the server, best first: the first that the client offers too is chosen,
	// none where there is no such one. nil takes what responseHeader says.
	Subprotocols []string
	// Error answers a request that is refused. nil is http.Error with the text of the status.
	Error func(w http.ResponseWriter, r *http.Request, status int, reason error)
	// CheckOrigin reports whether a page may connect. nil allows pages of the host that the request
	// names, and clients that name no page. It finds the page in the field Origin, where the versions that
	// have it in another field have it too.
	CheckOrigin func(r *http.Request) bool
	// EnableCompression agrees to compression without takeover, where the client offers it.
	EnableCompression bool

	// Versions are those served; the zero value is RFC 6455. gorilla has no such field.
	Versions draftwire.Versions
	// Observer is told of each connection and refusal; may be nil. gorilla has no such field.
	Observer *draftwire.Observer
}

// Upgrade answers the handshake of a client. responseHeader goes with the answer: its
// Sec-WebSocket-Protocol chooses the subprotocol where Subprotocols is nil. An error has been answered already, and is a
// HandshakeError, or one of the network.
func (u *Upgrader) Upgrade(w http.ResponseWriter, r *http.Request, responseHeader http.Header) (*Conn, error) {
	if status, why := u.check(r, responseHeader); status != 0 {
		if o := u.Observer; o != nil && o.Refused != nil {
			o.Refused(r.RemoteAddr, nil, &draftwire.HandshakeError{Status: status, Reason: reasonOf(status), Err: HandshakeError{why}})
		}
		return u.refuse(w, r, status, why)
	}
	q := &quiet{w: w, header: http.Header{}}
	c, err := u.accept(q, r, responseHeader)
	if err == nil {
		return wrap(c, u.WriteBufferSize), nil
	}
	he, _ := errors.AsType[*draftwire.HandshakeError](err)
	if q.hijacked {
		return nil, err
	}
	for name, values := range q.header {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	if hre, ok := errors.AsType[HandshakeError](he.Err); ok {
		return u.refuse(w, r, he.Status, hre.message)
	}
	return u.refuse(w, r, max(he.Status, http.StatusBadRequest), "websocket: "+err.Error())
}

// accept answers the handshake on another goroutine: on that of net/http, which the connection
// keeps where the handler does not return, it would make the stack grow from 4 KiB to 8.
func (u *Upgrader) accept(w http.ResponseWriter, r *http.Request, responseHeader http.Header) (*draftwire.Conn, error) {
	type result struct {
		conn  any
		err   error
		panic any
	}
	done := make(chan result)
	go func() {
		x := result{err: &draftwire.HandshakeError{Status: http.StatusInternalServerError, Reason: wire.ReasonDenied}} // where CheckOrigin ends its goroutine
		defer func() {
			x.panic = recover()
			done <- x
		}()
		x.conn, x.err = inside.Accept(u.compiled(), w, r, u.authorize(r, responseHeader))
	}()
	x := <-done
	if x.panic != nil {
		panic(x.panic) // of CheckOrigin, for net/http
	}
	c, _ := x.conn.(*draftwire.Conn)
	return c, x.err
}

// quiet lets Accept take the connection over, and leaves refusals to Error.
type quiet struct {
	w        http.ResponseWriter
	header   http.Header
	hijacked bool
}

// Header implements http.ResponseWriter.
func (q *quiet) Header() http.Header { return q.header }

// Write implements http.ResponseWriter.
func (q *quiet) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (q *quiet) WriteHeader(int) {}

// Hijack implements http.Hijacker.
func (q *quiet) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(q.w).Hijack()
	q.hijacked = err == nil
	return nc, rw, err
}

// refuse answers with status, and returns why as the error.
func (u *Upgrader) refuse(w http.ResponseWriter, r *http.Request, status int, why string) (*Conn, error) {
	err := HandshakeError{why}
	if u.Error != nil {
		u.Error(w, r, status, err)
		return nil, err
	}
	w.Header().Set("Sec-Websocket-Version", "13")
	http.Error(w, http.StatusText(status), status)
	return nil, err
}

// versions returns those that are served.
func (u *Upgrader) versions() draftwire.Versions {
	if u.Versions == 0 {
		return draftwire.VersionsOf(draftwire.RFC6455)
	}
	return u.Versions
}

const badHandshake = "websocket: the client is not using the websocket protocol: "

// check does gorilla's checks, in its order, on a request of RFC 6455, or on each where no other
// version is served. status is 0 where they pass.
func (u *Upgrader) check(r *http.Request, responseHeader http.Header) (status int, why string) {
	modern := tokenListContainsValue(r.Header, "Sec-Websocket-Version", "13")
	_, ownExtensions := responseHeader["Sec-Websocket-Extensions"]
	old := !modern && u.versions() != draftwire.VersionsOf(draftwire.RFC6455)
	if old && !ownExtensions {
		return 0, ""
	}
	switch {
	case old:
		return http.StatusInternalServerError, noOwnExtensions
	case !tokenListContainsValue(r.Header, "Connection", "upgrade"):
		return http.StatusBadRequest, badHandshake + "'upgrade' token not found in 'Connection' header"
	case !tokenListContainsValue(r.Header, "Upgrade", "websocket"):
		return http.StatusBadRequest, badHandshake + "'websocket' token not found in 'Upgrade' header"
	case r.Method != http.MethodGet:
		return http.StatusMethodNotAllowed, badHandshake + "request method is not GET"
	case !modern:
		return http.StatusBadRequest, "websocket: unsupported version: 13 not found in 'Sec-Websocket-Version' header"
	case ownExtensions:
		return http.StatusInternalServerError, noOwnExtensions
	case !u.allows(r):
		return http.StatusForbidden, badOrigin
	case !isValidChallengeKey(r.Header.Get("Sec-Websocket-Key")):
		return http.StatusBadRequest, "websocket: not a websocket handshake: 'Sec-WebSocket-Key' header must be Base64 encoded value of 16-byte in length"
	}
	return 0, ""
}

// reasonOf returns draftwire's word for a refusal by check.
func reasonOf(status int) draftwire.Reason {
	switch status {
	case http.StatusForbidden:
		return wire.ReasonOrigin
	case http.StatusMethodNotAllowed:
		return wire.ReasonMethod
	case http.StatusInternalServerError:
		return wire.ReasonOptions
	}
	return wire.ReasonNotWebSocket
}

const noOwnExtensions = "websocket: application specific 'Sec-WebSocket-Extensions' headers are unsupported"

const badOrigin = "websocket: request origin not allowed by Upgrader.CheckOrigin"

func (u *Upgrader) allows(r *http.Request) bool {
	if u.CheckOrigin != nil {
		return u.CheckOrigin(r)
	}
	return checkSameOrigin(r)
}

// setting is what options are compiled of. The other fields of an Upgrader are looked at for each
// request.
type setting struct {
	versions    draftwire.Versions
	timeout     time.Duration
	compression bool
	observer    *draftwire.Observer
}

// settings are those in use, at most mostSettings, for all Upgraders: programs change the fields of
// theirs between calls, copy it, or make one for each request.
var settings struct {
	sync.Mutex                                      // for who adds one
	atomic.Pointer[map[setting]*draftwire.Upgrader] // replaced, never changed
}

// mostSettings bounds what is kept for programs that make an observer for each request.
const mostSettings = 64

// compiled returns the options of u.
func (u *Upgrader) compiled() *draftwire.Upgrader {
	s := setting{u.versions(), u.HandshakeTimeout, u.EnableCompression, u.Observer}
	if known := settings.Load(); known != nil && (*known)[s] != nil {
		return (*known)[s]
	}
	o := &draftwire.AcceptOptions{
		Versions: s.versions, Origins: []string{"*"}, Protocols: []string{"*"}, Tolerate: tolerated,
		Limits: limits(s.timeout), DropHeads: true, Observer: s.observer,
	}
	if s.compression {
		o.Compression = draftwire.Compression{Mode: draftwire.CompressAll}
	}
	made := inside.Compile(o).(*draftwire.Upgrader)
	settings.Lock()
	defer settings.Unlock()
	all := map[setting]*draftwire.Upgrader{s: made}
	if known := settings.Load(); known != nil && len(*known) < mostSettings {
		maps.Copy(all, *known)
	}
	settings.Store(&all)
	return made
}

// authorize returns what is asked of this request when its version is known.
func (u *Upgrader) authorize(r *http.Request, responseHeader http.Header) func(*draftwire.Handshake, *draftwire.Answer) error {
	return func(h *draftwire.Handshake, a *draftwire.Answer) error {
		if h.Version() != draftwire.RFC6455 && !u.allows(withOrigin(r, h.Origin())) {
			return &draftwire.HandshakeError{Status: http.StatusForbidden, Reason: wire.ReasonOrigin, Err: HandshakeError{badOrigin}}
		}
		u.answer(h, a, responseHeader)
		return nil
	}
}

// withOrigin returns r with the origin in the field where RFC 6455 has it.
func withOrigin(r *http.Request, origin string) *http.Request {
	if origin == "" {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Set("Origin", origin)
	return r
}

// answer chooses the subprotocol and adds the fields of the program.
func (u *Upgrader) answer(h *draftwire.Handshake, a *draftwire.Answer, responseHeader http.Header) {
	switch {
	case u.Subprotocols != nil:
		a.Protocol = chooseProtocol(u.Subprotocols, h)
	default:
		a.Protocol = responseHeader.Get("Sec-Websocket-Protocol")
	}
	for name, values := range responseHeader {
		if name == "Sec-Websocket-Protocol" {
			continue
		}
		for _, v := range values {
			a.Fields = append(a.Fields, draftwire.Field{Name: name, Value: oneLine(v)})
		}
	}
}

// chooseProtocol returns the first of ours that the client offers. A hixie client gets its one
// string back if it is one of ours.
func chooseProtocol(ours []string, h *draftwire.Handshake) string {
	offered := h.Offered()
	for _, p := range ours {
		if slices.Contains(offered, p) {
			return p
		}
	}
	return ""
}

// oneLine replaces what would begin another line or is no part of a field.
func oneLine(v string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, v))
}

// Upgrade answers the handshake of a client, and does not check which page it runs.
//
// Deprecated: Use an Upgrader.
func Upgrade(w http.ResponseWriter, r *http.Request, responseHeader http.Header, readBufSize, writeBufSize int) (*Conn, error) {
	u := Upgrader{
		ReadBufferSize: readBufSize, WriteBufferSize: writeBufSize,
		Error:       func(http.ResponseWriter, *http.Request, int, error) {},
		CheckOrigin: func(*http.Request) bool { return true },
	}
	return u.Upgrade(w, r, responseHeader)
}

// Subprotocols returns what the client offers.
func Subprotocols(r *http.Request) []string {
	offer := strings.TrimSpace(r.Header.Get("Sec-Websocket-Protocol"))
	if offer == "" {
		return nil
	}
	protocols := strings.Split(offer, ",")
	for i, p := range protocols {
		protocols[i] = strings.TrimSpace(p)
	}
	return protocols
}

// IsWebSocketUpgrade reports whether the request asks for an upgrade to WebSocket, of any
// version.
func IsWebSocketUpgrade(r *http.Request) bool {
	return tokenListContainsValue(r.Header, "Connection", "upgrade") && tokenListContainsValue(r.Header, "Upgrade", "websocket")
}

// checkSameOrigin reports whether the request names no page, or one of its own host.
func checkSameOrigin(r *http.Request) bool {
	origin := r.Header["Origin"]
	if len(origin) == 0 {
		return true
	}
	u, err := url.Parse(origin[0])
	return err == nil && equalASCIIFold(u.Host, r.Host)
}

// isValidChallengeKey reports whether a key is 16 bytes in base64 (RFC 6455 4.2.1).
func isValidChallengeKey(key string) bool {
	var b [48]byte
	p, err := base64.StdEncoding.AppendDecode(b[:0], []byte(key))
	return err == nil && len(p) == 16
}

// equalASCIIFold compares without regard to the case of ASCII letters.
func equalASCIIFold(s, t string) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range len(s) {
		if lower(s[i]) != lower(t[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// tokenListContainsValue reports whether the lists in the fields of that name have value.
func tokenListContainsValue(header http.Header, name, value string) bool {
	for _, list := range header[name] {
		for member := range strings.SplitSeq(list, ",") {
			if equalASCIIFold(strings.Trim(member, " \t"), value) {
				return true
			}
		}
	}
	return false
}
