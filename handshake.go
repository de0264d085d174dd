package draftwire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"
	"unsafe"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// admission is a request that may be answered with 101.
type admission struct {
	draft     *row
	hs        wire.ServerHandshake
	url       place // as the client has it
	open      wire.Opening
	acc       wire.Accept
	info      *Handshake
	deflate   deflate.Params
	threshold int
	out       []byte // the answer; its room is used again
	kind      uint   // of client: heads.go
	cfg       connConfig

	sendNow func(fd uintptr) bool // send, made once; nil for what came by net/http
	left    []byte                // for it to send
}

// send is called by the runtime with the socket. It takes from left what goes at once.
func (a *admission) send(fd uintptr) bool {
	a.left = a.left[writeSome(fd, a.left):]
	return true
}

// admit does all checks on a request and fills a. Their order: version, policy,
// origin, subprotocol, authorisation. Nothing has been sent yet, so each can
// still refuse with a status.
func (o *acceptor) admit(a *admission, req *wire.Request, info *Handshake) error {
	a.url = o.clientURL(req, info) // first, as a refusal names the client too
	if err := o.find(req, info); err != nil {
		return err
	}
	if err := o.admitVersion(a, req, info); err != nil {
		return err
	}
	o.compress(a, a.open.Extensions)
	o.Observer.tolerated(info.Remote, info.Tolerated)
	return nil
}

// find finds out which version the client speaks.
//
//go:noinline
func (o *acceptor) find(req *wire.Request, info *Handshake) error { // apart, as stacks are short
	found, err := detect.Request(req, o.Versions, o.Tolerate)
	if err == nil {
		info.Version, info.Rule, info.Tolerated = found.Version, found.Rule, found.Tolerated
	}
	return err
}

// admitVersion does the checks behind the version's.
func (o *acceptor) admitVersion(a *admission, req *wire.Request, info *Handshake) error {
	u := &a.url
	d, ok := draftOf(info.Version)
	if !ok { // cannot be: Versions is within Served
		return wire.Refuse(info.Version, wire.ReasonDisabled, "")
	}
	a.draft, a.hs, a.info = d, d.NewServer(o.Rand), info
	a.kind = kindOf(req.Fields)
	open := &a.open
	if err := a.hs.Open(req, open); err != nil {
		return err
	}
	if open.HasOrigin && !o.allows(open.Origin, u.host) {
		return refuseFor(info.Version, wire.ReasonOrigin, "origin %.200q", open.Origin)
	}
	a.acc.Protocol, ok = chooseProtocol(o.Protocols, open.Protocols, open.WholeProtocol)
	if !ok {
		return refuseFor(info.Version, wire.ReasonProtocol, "subprotocol %.200q", open.Protocols)
	}
	if o.public.host != "" {
		*u = o.public
	}
	if info.Version.Supports(wire.CapLocation) {
		a.acc.Location = wire.Location(u.secure, u.host, req.Path())
	}

	info.Target, info.Host, info.Secure = req.Path(), req.Host(), u.secure
	info.Origin, info.Offered = open.Origin, open.Protocols
	if o.Authorize != nil {
		return o.authorize(a)
	}
	return nil
}

// allows reports whether a page of origin may connect to host.
func (o *acceptor) allows(origin, host string) bool {
	return OriginAllowed(o.Origins, origin, host) ||
		len(o.Origins) == 0 && o.public.host != "" && OriginAllowed(nil, origin, o.public.host)
}

func refuseFor(v Version, reason wire.Reason, detail string, args ...any) error {
	return wire.Refuse(v, reason, fmt.Sprintf(detail, args...))
}

// authorize asks Authorize.
func (o *acceptor) authorize(a *admission) error {
	v := a.draft.Version
	if err := o.Authorize(a.info, &a.acc); err != nil {
		he, ok := errors.AsType[*HandshakeError](err)
		if !ok {
			he = wire.Refuse(v, wire.ReasonDenied, "")
			he.Err = err
			return he
		}
		own := *he // the caller may return one value to many
		def(&own.Version, v)
		def(&own.Status, http.StatusForbidden)
		def(&own.Reason, wire.ReasonDenied)
		return &own
	}
	for _, f := range a.acc.Fields {
		if !httphead.IsToken(f.Name) || !httphead.IsFieldValue(f.Value) {
			return &HandshakeError{Version: v, Status: 500, Reason: wire.ReasonDenied,
				Detail: fmt.Sprintf("response field %.80q cannot be written", f.Name)}
		}
	}
	return nil
}

// compress chooses from the compressions that the client offers. All other
// extensions, deflate-stream too, are declined by leaving them out.
func (o *acceptor) compress(a *admission, offers []string) {
	c := o.Compression
	if o.CompressionFor != nil {
		c = o.CompressionFor(a.info)
	}
	if c.Mode == CompressNothing || len(offers) == 0 || !a.draft.Version.Supports(wire.CapDeflate) {
		return
	}
	a.acc.Extensions = a.deflate.Answer(offers, c.Takeover)
	a.threshold, a.info.Deflate = c.threshold(), a.acc.Extensions
}

// complete sends the answer over src and reads the eight bytes of hixie-76.
// The head leaves before they have come: proxies hold them back until they see
// it (hixie-76 5.2; every HTTP proxy since).
func (a *admission) complete(src *source, o *acceptor) error {
	out, body := a.hs.Head(a.out, &a.acc)
	a.out = out
	a.hold(o)
	if body > 0 && src.buffered() < body {
		if err := a.awaitBody(src, body, &o.Limits); err != nil {
			return err
		}
		out = out[:0]
	}
	a.out = a.hs.Tail(out, src.peek(body))
	src.take(body)
	return a.write(src, a.out)
}

// hold gives the description its heads: the connection holds them as long as it lives.
func (a *admission) hold(o *acceptor) {
	h := a.info
	h.Protocol = a.acc.Protocol
	if o.DropHeads || !h.Exact { // what net/http gives has no order
		h.response.own = string(a.out)
		return
	}
	answer := unsafe.String(unsafe.SliceData(a.out), len(a.out)) // share keeps none of it
	o.heads.requests.share(a.kind, h.request.own, &h.request)
	o.heads.answers.share(a.kind, answer, &h.response)
	h.rehome(&h.request, &h.response)
}

// awaitBody sends the head and reads the bytes behind the request's.
func (a *admission) awaitBody(src *source, body int, l *Limits) error {
	if err := a.write(src, a.out); err != nil {
		return err
	}
	by := a.info.Began.Add(l.HandshakeTimeout)
	if soon := time.Now().Add(l.Key3Timeout); soon.Before(by) {
		by = soon
	}
	src.nc.SetReadDeadline(by)
	for src.buffered() < body {
		if err := src.more(l.HeadLimit); err != nil {
			he := wire.Refuse(a.draft.Version, wire.ReasonKey3, fmt.Sprintf("%d of the eight bytes behind the head came", src.buffered()))
			he.Err = err
			return he
		}
	}
	src.nc.SetReadDeadline(time.Time{})
	return nil
}

func (a *admission) write(src *source, p []byte) error {
	if a.sendNow != nil && src.raw != nil { // as a connection writes, without a word to the runtime
		a.left = p
		src.raw.Write(a.sendNow)
		if p = a.left; len(p) == 0 {
			return nil
		}
	}
	if _, err := src.nc.Write(p); err != nil {
		return &HandshakeError{Version: a.draft.Version, Reason: wire.ReasonIO, Err: err}
	}
	return nil
}

// firstFrameWait bounds the wait for the frame that tells hybi-01 from
// hixie-76.
const firstFrameWait = time.Second

// settle waits for the client's first byte where that decides the version.
func (a *admission) settle(src *source, o *acceptor) {
	hybi, served := draftOf(Hybi02)
	if a.draft.Version != Hixie76 || !o.Tolerate.Has(wire.TolerateHybi01) || !served || !o.Versions.Has(Hybi02) {
		return
	}
	if src.buffered() == 0 {
		src.nc.SetReadDeadline(time.Now().Add(firstFrameWait))
		err := src.more(o.Limits.HeadLimit)
		src.nc.SetReadDeadline(time.Time{})
		if err != nil {
			return // it is silent; the connection will see what else there is
		}
	}
	if detect.IsHybi01(src.bytes()[0]) {
		a.draft, a.info.Version, a.info.Rule = hybi, Hybi02, "Sec-WebSocket-Key1 and -Key2, then a frame of hybi-01"
		a.info.Tolerated |= wire.TolerateHybi01
		o.Observer.tolerated(a.info.Remote, wire.TolerateHybi01)
	}
}

// appendRefusal writes a refusal as an HTTP response. It closes: what follows
// a refused upgrade may be frames.
func appendRefusal(dst []byte, e *HandshakeError) []byte {
	dst = fmt.Appendf(dst, "HTTP/1.1 %d %s\r\n", e.Status, http.StatusText(e.Status))
	dst = wire.AppendField(dst, "Connection", "close")
	dst = refusalFields(e).Append(dst)
	dst = wire.AppendField(dst, "Content-Length", "0")
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
//go:noinline
func asHandshakeError(err error) *HandshakeError {
	if he, ok := errors.AsType[*HandshakeError](err); ok {
		return he
	}
	return &HandshakeError{Reason: wire.ReasonIO, Err: err}
}

// tlsState returns the state of a TLS connection, nil for others.
func tlsState(nc net.Conn) *tls.ConnectionState {
	if t, ok := nc.(*tls.Conn); ok {
		return stateOf(t)
	}
	return nil
}

//go:noinline
func stateOf(t *tls.Conn) *tls.ConnectionState { // apart, as it is large on the stack
	s := t.ConnectionState()
	return &s
}

// rebuildRequest makes a wire.Request, and the head it stands for, from what
// net/http has left of one: order and spelling are lost.
func rebuildRequest(r *http.Request) (*wire.Request, string) {
	req := &wire.Request{Method: r.Method, Target: r.RequestURI, Proto: r.Proto, Secure: r.TLS != nil}
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
	b := fmt.Appendf(nil, "%s %s %s\r\n", req.Method, req.Target, req.Proto)
	return req, string(append(req.Fields.Append(b), "\r\n"...))
}

// remote returns the address of the peer, as its String does.
//
//go:noinline
func remote(nc net.Conn) string {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok { // with one allocation for four
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String()
	}
	return nc.RemoteAddr().String()
}
