package draftwire

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/origin"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// What a Server knows of an ordinary request that net/http does not say. net/http reads the
// requests of a connection from a replayConn, which has a gate: it reads each head first, more
// strictly than net/http, as the Server has read the first one, and lets it pass when it is
// whole. Bodies pass as they come.
//
//	socket --> replayConn.Read --> gate.read --> net/http --> serveHTTP --> Handler --> HandshakeOf
//	                                 |                           |
//	                                 '--------- the head ------> next
//
// So both agree on where each request ends, and a request that cannot be read gets an answer
// that says why.

// HandshakeOf describes an ordinary request that a Server has given to its Handler, in the
// words in which the opening of a connection is described: Remote, Via, Host, Secure,
// Target, TLS, and by Request and Fields its head. They are what TrustForwarded and a PROXY
// header make of them. Version is Unknown. Began is the time of the call.
//
// On HTTP/1 the head has its spelling and its order, and Exact is true; a header line that
// is malformed (RFC 9112 5), or a body whose length is given in two ways, never reaches the
// Handler. On HTTP/2, and where another server has read the request, the head is rebuilt
// from what net/http has left of it. HandshakeOf must be called before the handler returns.
func HandshakeOf(r *http.Request) *Handshake {
	f := fedOf(r)
	exact := false
	req, head := rebuildRequest(r)
	if f.conn != nil {
		if raw := f.conn.gate.head(); raw != "" && httphead.ParseRequest(raw, req) == nil {
			head, exact = raw, true
		}
	}
	req.Secure = r.TLS != nil || f.secure
	info := newHandshake(time.Now(), head, false, nil)
	info.exact = exact
	info.setTLS(r.TLS)
	info.setRemote(r.RemoteAddr, f.via)
	url := origin.PublicURL{Host: req.Host(), Secure: req.Secure}
	if s := f.server(); s != nil {
		o := s.live.Load().config
		through, client := origin.Client(o.TrustForwarded, req, r.RemoteAddr)
		url = through
		if client.IsValid() {
			info.setRemote(client.String(), r.RemoteAddr)
		}
		if o.public.Host != "" {
			url = o.public
		}
	}
	info.target, info.host, info.secure = req.Path(), req.Host(), url.Secure
	info.origin = req.Fields.Get("Origin")
	return info
}

// badRequest tells why the head or the body of a request cannot be read.
type badRequest struct{ why string }

func (e *badRequest) Error() string { return "draftwire: bad request: " + e.why }

// phase is what a gate waits for.
type phase uint8

const (
	inHead      phase = iota
	inBody            // as many bytes as are left
	inChunkSize       // a line
	inChunk           // as many bytes as are left, and CR LF
	inChunkEnd        // CR LF
	inTrailer         // lines up to a blank one
	inNothing         // what comes is thrown away: the connection ends
	inOther           // everything passes: the connection has left HTTP
)

// gate reads the requests of an HTTP/1 connection. While a handler has one, the next waits.
// Only one goroutine of net/http reads at a time; mu is for what the handler's asks.
type gate struct {
	limit   int           // of a head, of a line of a chunk, and of trailers, in bytes
	timeout time.Duration // of a head, from its first byte

	phase phase
	left  uint64    // of a body or a chunk
	skips string    // the line ends that may still come before the next head
	buf   []byte    // of a head, a line or trailers
	until time.Time // when the head has to be whole; zero where that is not bounded
	ready []byte    // may pass
	rest  []byte    // was read, and is not looked at
	bad   error     // why the rest of a body is not to be read

	attempt   bool        // the last head asks for WebSocket
	abandoned atomic.Bool // a handler has left a body behind, and the connection ends with its answer

	mu      sync.Mutex
	serving bool   // a head has passed, and its handler has not returned
	current string // that head; "" where net/http must not serve it
	refused error  // why not
}

// read is Read of a connection with a gate.
func (t *gate) read(p []byte, r *replayConn) (int, error) {
	for {
		if len(t.ready) > 0 {
			n := copy(p, t.ready)
			t.ready = trim(t.ready[n:])
			return n, nil
		}
		if t.bad != nil {
			return 0, t.bad
		}
		if t.phase == inHead && t.isServing() {
			return 0, t.peek(p, r)
		}
		if t.phase == inHead && t.isWhole() {
			t.judge()
			continue
		}
		in, stored := t.rest, true
		if len(in) == 0 {
			stored = false
			n, err := t.fill(p, r)
			if len(t.ready) > 0 {
				continue // the head has not come in time
			}
			if n == 0 {
				return 0, err
			}
			in = p[:n]
		}
		if t.phase == inHead {
			t.setRest(in[t.seeHead(in):], stored)
			continue
		}
		if stored {
			in = in[:copy(p, in)]
		}
		n := t.pass(in)
		switch {
		case stored:
			t.rest = trim(t.rest[n:])
		case t.bad == nil:
			t.setRest(in[n:], false)
		}
		if t.phase != inNothing && n > 0 {
			return n, nil
		}
	}
}

// peek waits for the client to send something, or to leave: all that net/http wants to know
// while a handler has the last request. What came is not looked at, since the handler may
// take the connection over.
func (t *gate) peek(p []byte, r *replayConn) error {
	if len(t.rest) > 0 {
		return nil
	}
	n, err := r.read(p)
	if n > 0 {
		t.setRest(p[:n], false)
		return nil
	}
	return err
}

// fill reads from the connection. A head has its time.
func (t *gate) fill(p []byte, r *replayConn) (int, error) {
	if t.phase == inHead && len(t.buf) > 0 && t.until.IsZero() && t.timeout > 0 {
		t.until = time.Now().Add(t.timeout)
		r.web.nc.SetReadDeadline(t.until)
	}
	n, err := r.read(p)
	if n == 0 && sock.IsTimeout(err) && !t.until.IsZero() {
		if time.Now().Before(t.until) { // net/http ends a read that it began beside a handler
			t.until = time.Time{}
		} else {
			t.refuse("", wire.NewHandshakeError(Unknown, wire.ReasonTimeout, fmt.Sprintf("%d bytes came", len(t.buf))))
		}
	}
	return n, err
}

// setRest keeps what was read behind the part that passes; stored says that it is a part of
// rest already.
func (t *gate) setRest(p []byte, stored bool) {
	if !stored {
		p = append([]byte(nil), p...)
	}
	t.rest = trim(p)
}

// trim returns p, or nil where it is empty: the connection may be idle from now on.
func trim(p []byte) []byte {
	if len(p) == 0 {
		return nil
	}
	return p
}

// open lets everything pass, from the first byte behind the current head: the connection has
// left HTTP.
func (t *gate) open() {
	if t == nil {
		return
	}
	if t.phase == inHead {
		t.ready = append(t.ready, t.buf...)
	}
	t.ready = append(t.ready, t.rest...)
	t.buf, t.rest, t.phase = nil, nil, inOther
}

// pass returns how many bytes of p pass, up to the next head or a fault.
func (t *gate) pass(p []byte) (n int) {
	for n < len(p) && t.bad == nil && t.phase != inHead {
		k := len(p) - n
		switch t.phase {
		case inBody, inChunk:
			k = t.skip(k)
		case inNothing, inOther:
		default:
			k, t.bad = t.seeLine(p[n:])
		}
		if t.bad == nil {
			n += k
		}
	}
	return n
}

// skip takes bytes of a body.
func (t *gate) skip(have int) int {
	n := int(min(uint64(have), t.left))
	if t.left -= uint64(n); t.left > 0 {
		return n
	}
	if t.phase == inBody {
		t.phase = inHead
	} else {
		t.phase = inChunkEnd
	}
	return n
}

// The line ends that may come before a head (RFC 9112 2.2). Behind a POST some old clients
// send one or two.
const (
	lineEnd  = "\r\n"
	lineEnds = "\r\n\r\n"
)

// seeHead takes bytes of a head, and returns how many.
func (t *gate) seeHead(p []byte) int {
	if len(t.buf) == 0 && t.skips != "" && p[0] == t.skips[0] {
		t.skips = t.skips[1:]
		return 1
	}
	if len(t.skips)%2 != 0 { // a CR was skipped, and no LF is behind it
		t.buf = append(t.buf, '\r')
	}
	t.skips = ""
	if end := httphead.End(p, 0); len(t.buf) == 0 && end >= 0 {
		p = p[:end] // what is behind it is not copied for each of the heads that came together
	}
	before := len(t.buf)
	t.buf = append(t.buf, p...)
	if end := httphead.End(t.buf, before); end >= 0 {
		t.buf = t.buf[:end]
	}
	return len(t.buf) - before
}

// isWhole reports whether all of a head has come, or too much.
func (t *gate) isWhole() bool {
	return len(t.buf) > t.limit || httphead.End(t.buf, len(t.buf)-1) >= 0
}

// judge lets a head pass, or refuses it.
func (t *gate) judge() {
	if len(t.buf) > t.limit {
		t.refuse("", wire.NewHandshakeError(Unknown, wire.ReasonHeadTooLarge, ""))
		return
	}
	head := string(t.buf)
	if err := t.frame(head); err != nil {
		t.refuse(head, asHandshakeError(err))
		return
	}
	t.ready, t.buf, t.until = t.buf, nil, time.Time{}
	t.mu.Lock()
	t.serving, t.current = true, head
	t.mu.Unlock()
}

// refusedHead is what net/http gets in place of a head that it must not serve.
const refusedHead = "GET / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n"

// refuse lets net/http ask for the answer to a head that cannot be served.
func (t *gate) refuse(head string, he *HandshakeError) {
	he.Tolerance = 0 // it is for upgrades alone, at the beginning of a connection
	t.ready, t.buf, t.phase = []byte(refusedHead), nil, inNothing
	t.mu.Lock()
	t.serving, t.current, t.refused = true, head, he
	t.mu.Unlock()
}

// frame finds out what follows a head (RFC 9112 6.3).
func (t *gate) frame(head string) error {
	var req wire.Request
	if err := httphead.ParseRequest(head, &req); err != nil {
		return err
	}
	t.attempt = detect.IsAttempt(&req)
	t.skips = lineEnd
	if req.Method == http.MethodPost {
		t.skips = lineEnds
	}
	length, coded := req.Fields.Count("Content-Length"), req.Fields.Count("Transfer-Encoding")
	for _, f := range req.Fields {
		if strings.Contains(f.Name, "_") && isLength(strings.ReplaceAll(f.Name, "_", "-")) {
			return refuseFor(Unknown, wire.ReasonHeadMalformed, "%s, which some take for the length", f.Name)
		}
	}
	switch {
	case length+coded == 0:
		return nil
	case length+coded > 1:
		return refuseFor(Unknown, wire.ReasonHeadMalformed, "%d lengths of one body", length+coded)
	case coded == 1:
		if v := req.Fields.Get("Transfer-Encoding"); req.Proto != "HTTP/1.1" || !ascii.EqualFold(v, "chunked") {
			he := asHandshakeError(refuseFor(Unknown, wire.ReasonHeadMalformed, "Transfer-Encoding %.40q in %s", v, req.Proto))
			if req.Proto == "HTTP/1.1" {
				he.Status = http.StatusNotImplemented // RFC 9112 6.1
			}
			return he
		}
		t.phase = inChunkSize
		return nil
	}
	n, ok := number(req.Fields.Get("Content-Length"), 10)
	if !ok {
		return refuseFor(Unknown, wire.ReasonHeadMalformed, "Content-Length %.40q", req.Fields.Get("Content-Length"))
	}
	t.left = n
	if n > 0 {
		t.phase = inBody
	}
	return nil
}

// isLength reports whether a field says where a body ends.
func isLength(name string) bool {
	return ascii.EqualFold(name, "Content-Length") || ascii.EqualFold(name, "Transfer-Encoding")
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }

// number reads digits of a base, and nothing else; ok is false for a number that no length
// can be.
func number(s string, base uint64) (n uint64, ok bool) {
	for i := range len(s) {
		c := uint64(strings.IndexByte("0123456789abcdef", s[i]|0x20))
		if s[i] < '0' || c >= base || n > 1<<58 {
			return 0, false
		}
		n = n*base + c
	}
	return n, s != ""
}

// isServing reports whether net/http has a request.
func (t *gate) isServing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.serving
}

// next returns why the request that net/http has read must not be served, with its head as
// it came.
func (t *gate) next(r *http.Request) (head string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refused == nil && !strings.HasPrefix(t.current, r.Method+" "+r.RequestURI+" ") {
		return t.current, refuseFor(Unknown, wire.ReasonHeadMalformed, "request line")
	}
	return t.current, t.refused
}

// done forgets the current head.
func (t *gate) done() {
	t.mu.Lock()
	t.serving, t.current = false, ""
	t.mu.Unlock()
}

// head returns the current head; "" where there is none, or no gate.
func (t *gate) head() string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}
