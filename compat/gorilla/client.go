package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/inside"
	"github.com/draftwire/draftwire/wire"
)

// DefaultDialer is a Dialer for most programs, and what a nil *Dialer is.
var DefaultDialer = &Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: 45 * time.Second}

var nilDialer = *DefaultDialer

var errMalformedURL = errors.New("malformed ws or wss URL")

// Dialer opens connections to servers. Its methods may be called by many goroutines.
type Dialer struct {
	// NetDial opens the TCP connection, to a proxy where there is one. nil is net.Dialer.
	NetDial func(network, addr string) (net.Conn, error)
	// NetDialContext is asked before NetDial.
	NetDialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// NetDialTLSContext is asked before both for a wss URL, and does TLS itself.
	NetDialTLSContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy returns the proxy for a request: an http, https or socks5 URL. nil is none.
	Proxy func(*http.Request) (*url.URL, error)
	// TLSClientConfig is for wss URLs; nil is the default of package tls.
	TLSClientConfig *tls.Config
	// HandshakeTimeout bounds all of Dial; 0 is no bound.
	HandshakeTimeout time.Duration
	// WriteBufferSize is what NextWriter's messages gather for a frame, in bytes. Default 4096.
	// ReadBufferSize has no effect.
	ReadBufferSize, WriteBufferSize int
	// WriteBufferPool has no effect.
	WriteBufferPool BufferPool
	// Subprotocols are offered, best first.
	Subprotocols []string
	// EnableCompression offers compression without takeover.
	EnableCompression bool
	// Jar gives the cookies of the request, and takes those of the answer. nil is none.
	Jar http.CookieJar

	// Version is what to speak; the zero value is RFC 6455. gorilla has no such field.
	Version draftwire.Version
	// Observer is told of the connection or the refusal; may be nil. gorilla has no such field.
	Observer *draftwire.Observer
}

// Dial is DialContext without a context.
func (d *Dialer) Dial(urlStr string, requestHeader http.Header) (*Conn, *http.Response, error) {
	return d.DialContext(context.Background(), urlStr, requestHeader)
}

// NewClient speaks the handshake of a client on a connection that the caller has opened.
//
// Deprecated: Use a Dialer with a NetDial.
func NewClient(netConn net.Conn, u *url.URL, requestHeader http.Header, readBufSize, writeBufSize int) (c *Conn, response *http.Response, err error) {
	d := Dialer{
		ReadBufferSize: readBufSize, WriteBufferSize: writeBufSize,
		NetDial: func(string, string) (net.Conn, error) { return netConn, nil },
	}
	return d.Dial(u.String(), requestHeader)
}

// DialContext opens a connection to a ws or wss URL. requestHeader goes with the request; its Host
// takes the place of the URL's. ctx bounds the call, and its httptrace.ClientTrace is told of it. The error
// of an answer that is no handshake is ErrBadHandshake, and the response then has up to 1024 bytes of its body.
func (d *Dialer) DialContext(ctx context.Context, urlStr string, requestHeader http.Header) (*Conn, *http.Response, error) {
	if d == nil {
		d = &nilDialer
	}
	u, err := url.Parse(urlStr)
	if err != nil {
		return nil, nil, err
	}
	if u.Scheme != "ws" && u.Scheme != "wss" || u.User != nil {
		return nil, nil, errMalformedURL
	}
	page := *u // as cookies and proxies know it
	page.Scheme = "http" + strings.TrimPrefix(u.Scheme, "ws")
	o, req, err := d.options(ctx, &page, requestHeader)
	if err != nil {
		return nil, nil, err
	}
	if d.HandshakeTimeout != 0 {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, d.HandshakeTimeout)
		defer cancel()
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil {
		trace = new(httptrace.ClientTrace)
	}
	nc, err := d.connect(ctx, req, trace)
	if err != nil {
		return nil, nil, err
	}
	c, resp, err := d.open(ctx, nc, u, o, req, trace)
	if err != nil {
		nc.Close()
	}
	return c, resp, err
}

// ownFields are those of a request that the program may not give.
var ownFields = []string{"Upgrade", "Connection", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions"}

// defaultUserAgent is what package net/http says, and so gorilla.
const defaultUserAgent = "Go-http-client/1.1"

// options are those of draftwire, and a request that describes the same for a proxy function.
func (d *Dialer) options(ctx context.Context, page *url.URL, requestHeader http.Header) (*draftwire.DialOptions, *http.Request, error) {
	o := &draftwire.DialOptions{
		Version: d.Version, Protocols: d.Subprotocols, Header: http.Header{}, Limits: limits(0), DropHeads: true, Observer: d.Observer,
		Tolerate: tolerated,
	}
	if d.EnableCompression {
		o.Compression = draftwire.Compression{Mode: draftwire.CompressAll}
	}
	req := (&http.Request{
		Method: http.MethodGet, URL: page, Host: page.Host, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	o.Header["User-Agent"] = []string{defaultUserAgent}
	if page.Port() != "" && (d.Version == draftwire.Unknown || d.Version == draftwire.RFC6455) {
		o.Header["Host"] = []string{page.Host} // with a port that is the scheme's too, as gorilla has it
	}
	for name, values := range requestHeader {
		switch {
		case name == "User-Agent" && (len(values) == 0 || values[0] == ""):
			delete(o.Header, name) // as package net/http has it
		case slices.Contains(ownFields, name), name == "Sec-Websocket-Protocol" && len(d.Subprotocols) > 0:
			return nil, nil, errors.New("websocket: duplicate header not allowed: " + name)
		case name == "Sec-Websocket-Protocol":
			o.Protocols = Subprotocols(&http.Request{Header: requestHeader})
		case name == "Origin" && len(values) > 0:
			o.Origin = values[0]
		case name == "Host":
			if len(values) > 0 {
				req.Host = values[0]
				o.Header[name] = values[:1]
			}
		default:
			o.Header[name], req.Header[name] = values, values
		}
	}
	if d.Jar != nil {
		for _, cookie := range d.Jar.Cookies(page) {
			req.AddCookie(cookie)
		}
		if cookies := req.Header["Cookie"]; len(cookies) > 0 {
			o.Header["Cookie"] = cookies
		}
	}
	return o, req, nil
}

// connect opens the connection to the server, through the proxy and with TLS.
func (d *Dialer) connect(ctx context.Context, req *http.Request, trace *httptrace.ClientTrace) (net.Conn, error) {
	dial, secured := d.dialer(ctx, req.URL.Scheme), d.NetDialTLSContext != nil
	if d.Proxy != nil {
		proxy, err := d.Proxy(req)
		if err != nil {
			return nil, err
		}
		if proxy != nil && proxy.Scheme == "https" { // as gorilla behind v1.5.3 has it
			dial, secured = d.dialerTLS(ctx, proxy), false
		}
		if dial, err = through(proxy, dial); err != nil {
			return nil, err
		}
	}
	hostPort, host := hostPortNoPort(req.URL)
	if trace.GetConn != nil {
		trace.GetConn(hostPort)
	}
	nc, err := dial("tcp", hostPort)
	if err != nil {
		return nil, err
	}
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: nc})
	}
	if req.URL.Scheme != "https" || secured {
		return nc, nil
	}
	t, err := d.secure(ctx, nc, host, trace)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return t, nil
}

// secure does the handshake of TLS, which checks the certificate.
func (d *Dialer) secure(ctx context.Context, nc net.Conn, host string, trace *httptrace.ClientTrace) (net.Conn, error) {
	cfg := new(tls.Config)
	if d.TLSClientConfig != nil {
		cfg = d.TLSClientConfig.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = strings.Trim(host, "[]")
	}
	t := tls.Client(nc, cfg)
	if trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	err := t.HandshakeContext(ctx)
	if trace.TLSHandshakeDone != nil {
		trace.TLSHandshakeDone(t.ConnectionState(), err)
	}
	return t, err
}

// dialerTLS returns how to open a connection to an https proxy.
func (d *Dialer) dialerTLS(ctx context.Context, proxy *url.URL) dialFunc {
	dial := d.dialer(ctx, "https")
	if d.NetDialTLSContext != nil {
		return dial
	}
	_, host := hostPortNoPort(proxy)
	return func(network, addr string) (net.Conn, error) {
		nc, err := dial(network, addr)
		if err != nil {
			return nil, err
		}
		t, err := d.secure(ctx, nc, host, new(httptrace.ClientTrace))
		if err != nil {
			nc.Close()
			return nil, err
		}
		return t, nil
	}
}

type dialFunc func(network, addr string) (net.Conn, error)

// dialer returns how to open a TCP connection, whose deadline is that of ctx.
func (d *Dialer) dialer(ctx context.Context, scheme string) dialFunc {
	bind := func(dial func(context.Context, string, string) (net.Conn, error)) dialFunc {
		return func(network, addr string) (net.Conn, error) { return dial(ctx, network, addr) }
	}
	dial := bind(new(net.Dialer).DialContext)
	switch {
	case scheme == "https" && d.NetDialTLSContext != nil:
		dial = bind(d.NetDialTLSContext)
	case d.NetDialContext != nil:
		dial = bind(d.NetDialContext)
	case d.NetDial != nil:
		dial = d.NetDial
	}
	return func(network, addr string) (net.Conn, error) {
		nc, err := dial(network, addr)
		if err != nil {
			return nil, err
		}
		if by, ok := ctx.Deadline(); ok {
			if err := nc.SetDeadline(by); err != nil {
				nc.Close()
				return nil, err
			}
		}
		return nc, nil
	}
}

// open speaks the handshake on nc.
func (d *Dialer) open(ctx context.Context, nc net.Conn, u *url.URL, o *draftwire.DialOptions, req *http.Request, trace *httptrace.ClientTrace) (*Conn, *http.Response, error) {
	below := nc
	if trace.WroteHeaders != nil || trace.WroteRequest != nil || trace.GotFirstResponseByte != nil {
		nc = &traced{Conn: nc, trace: trace}
	}
	stop := context.AfterFunc(ctx, func() { _ = below.SetDeadline(time.Unix(1, 0)) })
	dw, head, rest, err := inside.Open(nc, u, o)
	ended := !stop()
	resp, respErr := answer(head, rest, below, req)
	if resp != nil && d.Jar != nil {
		if cookies := resp.Cookies(); len(cookies) > 0 {
			d.Jar.SetCookies(req.URL, cookies)
		}
	}
	switch {
	case err == nil && ended:
		dw.(*draftwire.Conn).CloseNow()
		return nil, nil, ctx.Err()
	case err == nil && respErr != nil:
		dw.(*draftwire.Conn).CloseNow()
		return nil, nil, respErr
	case err == nil:
		_ = below.SetDeadline(time.Time{})
		c := wrap(dw.(*draftwire.Conn), d.WriteBufferSize)
		c.net = below
		return c, resp, nil
	case resp != nil:
		return nil, resp, ErrBadHandshake
	}
	return nil, nil, d.noAnswer(err)
}

// noAnswer returns the error of a server that gave no answer that can be read.
func (d *Dialer) noAnswer(err error) error {
	he, ok := errors.AsType[*draftwire.HandshakeError](err)
	if ok && he.Err != nil && he.Reason != wire.ReasonBadResponse {
		return he.Err
	}
	if d.TLSClientConfig != nil && slices.ContainsFunc(d.TLSClientConfig.NextProtos, func(p string) bool { return p != "http/1.1" }) {
		return fmt.Errorf("websocket: a protocol other than http/1.1 was given in NextProtos, as sharing a tls.Config with http.Transport does: %w", err)
	}
	return err
}

// mostBody is how much of a refusal's body is kept, in bytes.
const mostBody = 1 << 10

// answer returns the server's answer, nil where there is none.
func answer(head string, rest []byte, nc net.Conn, req *http.Request) (*http.Response, error) {
	if head == "" {
		return nil, nil
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader(head), bytes.NewReader(rest), nc)), req)
	if err != nil {
		return nil, err
	}
	body := []byte{}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ = io.ReadAll(io.LimitReader(resp.Body, mostBody)) // what came of it
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// traced tells a trace of the first bytes each way.
type traced struct {
	net.Conn
	trace      *httptrace.ClientTrace
	wrote, got bool
}

// Write implements net.Conn.
func (t *traced) Write(p []byte) (int, error) {
	n, err := t.Conn.Write(p)
	if t.wrote {
		return n, err
	}
	t.wrote = true
	if t.trace.WroteHeaders != nil {
		t.trace.WroteHeaders()
	}
	if t.trace.WroteRequest != nil {
		t.trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
	return n, err
}

// Read implements net.Conn.
func (t *traced) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if n > 0 && !t.got {
		t.got = true
		if t.trace.GotFirstResponseByte != nil {
			t.trace.GotFirstResponseByte()
		}
	}
	return n, err
}

// hostPortNoPort returns the host of u with its port, or that of the scheme, and without.
func hostPortNoPort(u *url.URL) (hostPort, hostNoPort string) {
	if i := strings.LastIndex(u.Host, ":"); i > strings.LastIndex(u.Host, "]") {
		return u.Host, u.Host[:i]
	}
	port := ":80"
	if u.Scheme == "wss" || u.Scheme == "https" {
		port = ":443"
	}
	return u.Host + port, u.Host
}
