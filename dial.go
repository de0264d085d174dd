package draftwire

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// DialOptions say how a client connects. nil and the zero value speak RFC 6455.
type DialOptions struct {
	// Version to speak; Unknown is RFC6455.
	Version Version
	// Fallback are versions to try, in this order and each on a connection of
	// its own, when the server refuses the one before.
	Fallback []Version
	// Origin is sent in the version's field. "" leaves it out; the hixie
	// versions demand one and then send the URL's own host.
	Origin string
	// Protocols are the subprotocols offered, best first. The hixie versions
	// send them as one string.
	Protocols []string
	// Header is sent with the request, its names spelled as they are here.
	Header http.Header
	// Target is the path and query to ask for, byte by byte; "" takes the URL's.
	Target string
	// Compression is offered on versions that have it; Threshold and Mode are for
	// what this side sends.
	Compression Compression
	// InvalidText says what happens to text from the server that is not UTF-8. The
	// zero value is what the version's document says: clients up to hybi-07 put
	// U+FFFD in its place, which Stats counts, later ones fail the connection.
	InvalidText wire.TextPolicy
	// NetDial makes the connection; nil is a net.Dialer.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is for wss URLs.
	TLS      *tls.Config
	Limits   Limits
	Observer *Observer
	// Rand is the source of keys and masks; nil is crypto/rand.
	Rand io.Reader
}

// Dial opens a connection to a ws or wss URL (http and https are the same). The
// response is what the server answered last, nil where there was none; its
// body holds at most the first bytes of a refusal's. The error is a
// *HandshakeError or what the network said; with a Fallback those of all tries,
// joined.
//
// ctx and the handshake timeout bound the call; neither ends the connection.
func Dial(ctx context.Context, rawURL string, o *DialOptions) (*Conn, *http.Response, error) {
	var d DialOptions
	if o != nil {
		d = *o
	}
	d.Limits = d.Limits.withDefaults()
	def(&d.Version, RFC6455)
	if d.Observer == nil {
		d.Observer = &noObserver
	}
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, nil, err
	}
	var errs []error
	versions := append([]Version{d.Version}, d.Fallback...)
	for i, v := range versions {
		c, resp, err := d.dial(ctx, u, v)
		if err == nil {
			return c, resp, nil
		}
		errs = append(errs, err)
		he, ok := errors.AsType[*HandshakeError](err)
		refused := ok && he.Reason != wire.ReasonTimeout && he.Reason != wire.ReasonIO
		switch {
		case len(versions) == 1:
			return nil, resp, err
		case !refused || ctx.Err() != nil || i == len(versions)-1:
			return nil, resp, errors.Join(errs...)
		}
	}
	panic("unreachable")
}

func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("draftwire: dial: %w", err)
	}
	switch u.Scheme {
	case "ws", "wss":
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	default:
		return nil, fmt.Errorf("draftwire: dial: %q is no ws or wss URL", raw)
	}
	if u.Host == "" {
		return nil, fmt.Errorf("draftwire: dial: no host in %q", raw)
	}
	return u, nil
}

// offer is what goes into the request. The Host field has no default port:
// hixie servers repeat it, and clients of the time left it out.
func (d *DialOptions) offer(u *url.URL, v Version) (*wire.Offer, error) {
	o := &wire.Offer{Target: u.RequestURI(), Secure: u.Scheme == "wss", Origin: d.Origin, Protocols: d.Protocols}
	if d.Target != "" {
		if !httphead.IsTarget(d.Target) {
			return nil, fmt.Errorf("draftwire: dial: target %.200q cannot be sent", d.Target)
		}
		o.Target = d.Target
	}
	o.Host = stripPort(u.Scheme, u.Host)
	if d.Compression.Mode != CompressNothing && v.Supports(wire.CapDeflate) {
		o.Extensions = deflate.Offer(d.Compression.Takeover)
	}
	if o.Origin == "" && v.Supports(wire.CapOrigin) {
		o.Origin = "http" + strings.TrimPrefix(u.Scheme, "ws") + "://" + o.Host
	}
	if u.User != nil {
		pass, _ := u.User.Password()
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(u.User.Username(), pass)
		o.Fields = append(o.Fields, wire.Field{Name: "Authorization", Value: r.Header.Get("Authorization")})
	}
	names := make([]string, 0, len(d.Header))
	for name := range d.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range d.Header[name] {
			if strings.EqualFold(name, "Host") {
				o.Host = value
				continue
			}
			o.Fields = append(o.Fields, wire.Field{Name: name, Value: value})
		}
	}
	check := append(wire.Fields{{Name: "Host", Value: o.Host}, {Name: "Origin", Value: o.Origin}}, o.Fields...)
	for _, p := range o.Protocols {
		check = append(check, wire.Field{Name: "Protocol", Value: p})
	}
	for _, f := range check {
		if !httphead.IsToken(f.Name) || !httphead.IsFieldValue(f.Value) {
			return nil, fmt.Errorf("draftwire: dial: field %q with value %q cannot be sent", f.Name, f.Value)
		}
	}
	return o, nil
}

func (d *DialOptions) connect(ctx context.Context, u *url.URL) (net.Conn, error) {
	port := cmp.Or(u.Port(), map[string]string{"ws": "80", "wss": "443"}[u.Scheme])
	dial := d.NetDial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	nc, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("draftwire: dial: %w", err)
	}
	if u.Scheme == "ws" {
		return nc, nil
	}
	cfg := &tls.Config{}
	if d.TLS != nil {
		cfg = d.TLS.Clone()
	}
	def(&cfg.ServerName, u.Hostname())
	cfg.NextProtos = []string{"http/1.1"}
	t := tls.Client(nc, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, fmt.Errorf("draftwire: dial: tls: %w", err)
	}
	return t, nil
}

// dial opens a connection in one version.
func (d *DialOptions) dial(ctx context.Context, u *url.URL, v Version) (*Conn, *http.Response, error) {
	draft, ok := draftOf(v)
	if !ok {
		return nil, nil, fmt.Errorf("draftwire: dial: version %s is not spoken here; spoken are %s", v, Served())
	}
	offer, err := d.offer(u, v)
	if err != nil {
		return nil, nil, err
	}
	hctx, cancel := context.WithTimeout(ctx, d.Limits.HandshakeTimeout)
	defer cancel()
	began := time.Now()
	nc, err := d.connect(hctx, u)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(hctx, func() { nc.SetDeadline(past) })
	c, resp, err := d.handshake(nc, draft, offer, began)
	if !stop() && err == nil { // the deadline may be set on the open connection
		c.finish(context.Cause(hctx), false)
		err = wire.Refuse(v, wire.ReasonTimeout, "")
	}
	if err == nil {
		return c, resp, nil
	}
	nc.Close()
	he := asHandshakeError(err)
	if he.Version = v; isTimeout(err) {
		he = wire.Refuse(v, wire.ReasonTimeout, "no complete answer")
		he.Status, he.Err = 0, cmp.Or(ctx.Err(), err)
	}
	d.Observer.refused(nc.RemoteAddr().String(), nil, he)
	return nil, resp, he
}

// handshake speaks the opening handshake on nc.
func (d *DialOptions) handshake(nc net.Conn, draft *row, offer *wire.Offer, began time.Time) (*Conn, *http.Response, error) {
	hs := draft.NewClient(d.Rand)
	out, err := hs.Head(nil, offer)
	if err != nil {
		return nil, nil, err
	}
	if _, err := nc.Write(out); err != nil {
		return nil, nil, err
	}
	src := newSource(nc, nil)
	head, err := takeHead(src, d.Limits.HeadLimit)
	if err != nil {
		return nil, nil, err
	}
	var resp wire.Response
	if err := httphead.ParseResponse(head, &resp); err != nil {
		e := wire.Refuse(draft.Version, wire.ReasonBadResponse, "")
		e.Err = err
		return nil, nil, e
	}
	var acc wire.Accept
	body, err := hs.Check(&resp, &acc)
	if err != nil {
		return nil, httpResponse(&resp, src), err
	}
	var params deflate.Params
	if offer.Extensions != "" { // else hs has judged what the server says
		var ok bool
		if params, ok = deflate.Accepted(resp.Fields.List("Sec-WebSocket-Extensions"), d.Compression.Takeover); !ok {
			return nil, httpResponse(&resp, nil), wire.Refuse(draft.Version, wire.ReasonNotOffered, fmt.Sprintf("extension %q", acc.Extensions))
		}
	}
	for src.buffered() < body {
		if err := src.more(d.Limits.HeadLimit); err != nil {
			return nil, httpResponse(&resp, nil), err
		}
	}
	if err := hs.CheckBody(src.peek(body)); err != nil {
		return nil, httpResponse(&resp, nil), err
	}
	src.take(body)
	info := &Handshake{
		Version: draft.Version, Rule: "chosen", Target: offer.Target, Host: offer.Host, Origin: offer.Origin,
		Offered: offer.Protocols, Secure: offer.Secure, Exact: true,
		Protocol: acc.Protocol, Deflate: acc.Extensions, TLS: tlsState(nc), Remote: remote(nc), Began: began,
	}
	info.request.own, info.response.own = string(out), head
	return newConn(&connConfig{
		draft: draft, role: wire.Client, info: info, acc: &acc,
		deflate: &params, threshold: d.Compression.threshold(), rand: d.Rand,
		set: &settings{limits: d.Limits, obs: d.Observer, text: d.InvalidText}, src: src,
	}), httpResponse(&resp, nil), nil
}

// takeHead takes a response head off src.
func takeHead(src *source, limit int) (string, error) {
	end, err := src.readHead(limit)
	if errors.Is(err, io.EOF) {
		err = wire.Refuse(Unknown, wire.ReasonBadResponse, fmt.Sprintf("the server closed after %d bytes", src.buffered()))
	}
	if err != nil {
		return "", err
	}
	head := string(src.peek(end))
	src.take(end)
	return head, nil
}

// httpResponse gives net/http's form of a response, with what has come of its
// body.
func httpResponse(r *wire.Response, src *source) *http.Response {
	resp := &http.Response{
		Status: strings.TrimSpace(strings.TrimPrefix(r.Line[8:], " ")), StatusCode: r.Status,
		Proto: r.Line[:8], ProtoMajor: 1, ProtoMinor: int(r.Line[7] - '0'), Header: http.Header{},
		Body: http.NoBody,
	}
	for _, f := range r.Fields {
		resp.Header.Add(f.Name, f.Value)
	}
	if src != nil && src.buffered() > 0 {
		resp.Body = io.NopCloser(bytes.NewReader(slices.Clone(src.bytes())))
	}
	return resp
}
