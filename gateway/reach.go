package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/pires/go-proxyproto"
)

// How a backend is reached: TCP or a unix socket, a PROXY header that names the client, TLS
// with a certificate of the gateway's; and how it is checked that it can be.

// clientKey is the key of a context whose value is the address of the client for whom a
// backend is reached.
type clientKey struct{}

// forClient returns a context for reaching a backend on behalf of a client.
func forClient(ctx context.Context, remote string) context.Context {
	return context.WithValue(ctx, clientKey{}, remote)
}

// connect opens a connection to the backend, and says by a PROXY header for whom, if it is
// configured.
func (b *backend) connect(ctx context.Context, dial dialer) (net.Conn, error) {
	nc, err := dial(ctx, b.network, b.addr)
	if err != nil || b.proxy == 0 {
		return nc, err
	}
	remote, _ := ctx.Value(clientKey{}).(string)
	if by, ok := ctx.Deadline(); ok {
		nc.SetWriteDeadline(by)
		defer nc.SetWriteDeadline(time.Time{})
	}
	if _, err := proxyHeader(b.proxy, remote, nc.RemoteAddr()).WriteTo(nc); err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}

// firstTime is how long the first of several addresses may take before the others are tried
// too: that of package net, which then tries them (RFC 8305 5).
const firstTime = 300 * time.Millisecond

// reach connects to the backend on behalf of a client, says so by a PROXY header, if it is
// configured, and speaks TLS, if its URL has it. accepting is for what package net does.
func (b *backend) reach(a *attempt, accepting context.Context, remote string) (net.Conn, error) {
	tcp, err := b.connectTCP(a, accepting)
	if err != nil {
		return nil, fmt.Errorf("draftwire: dial: %w", err)
	}
	if b.proxy != 0 {
		if _, err := proxyHeader(b.proxy, remote, tcp.RemoteAddr()).WriteTo(tcp); err != nil {
			tcp.Close()
			return nil, fmt.Errorf("draftwire: dial: %w", err)
		}
	}
	if b.url.Scheme == "ws" {
		return tcp, nil
	}
	t := tls.Client(tcp, b.clientTLS())
	if err := t.Handshake(); err != nil {
		tcp.Close()
		return nil, fmt.Errorf("draftwire: dial: tls: %w", err)
	}
	return t, nil
}

// clientTLS returns the configuration of TLS with the backend.
func (b *backend) clientTLS() *tls.Config {
	if c := b.ready.Load(); c != nil {
		return c
	}
	c := &tls.Config{}
	if b.tls != nil {
		c = b.tls.Clone()
	}
	if c.ServerName == "" {
		c.ServerName, _, _ = strings.Cut(b.url.Hostname(), "%") // without a zone
	}
	c.NextProtos = []string{"http/1.1"}
	b.ready.Store(c)
	return c
}

// connectTCP connects to the first address that the backend's name is known to stand for. Where
// that fails, or takes longer than firstTime and there are others, package net tries them all,
// as it finds them then.
func (b *backend) connectTCP(a *attempt, accepting context.Context) (net.Conn, error) {
	if b.literal.IsValid() {
		return a.to(b.literal)
	}
	by := a.by
	ctx, cancel := context.WithDeadline(accepting, by)
	defer cancel()
	list, known, err := b.known.of(ctx, b.addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	if len(list) > 1 {
		if soon := time.Now().Add(firstTime); soon.Before(by) {
			a.until(soon)
		}
	}
	nc, err := a.to(list[0])
	if err == nil {
		a.until(by)
		return nc, nil
	}
	if a.cancelled() || !time.Now().Before(by) {
		return nil, err
	}
	if known {
		b.known.renew(ctx, b.addr)
	}
	if now, _, e := b.known.of(ctx, b.addr); e == nil && len(now) == 1 && now[0] == list[0] {
		return nil, err
	}
	a.until(by)
	nc, err = new(net.Dialer).DialContext(ctx, "tcp", b.addr)
	if err == nil {
		a.watches(nc)
	}
	return nc, err
}

// to connects to an address.
func (a *attempt) to(to netip.AddrPort) (net.Conn, error) {
	if why := a.interrupted(); why != nil {
		return nil, fmt.Errorf("dial tcp %s: %w", to, why)
	}
	nc, err := a.all.loops.Dial(to, a.connect)
	if err == nil {
		return nc, nil
	}
	if why := a.interrupted(); why != nil {
		err = fmt.Errorf("dial tcp %s: %w", to, why)
	}
	return nil, err
}

// proxyVersions are the values of a backend's send_proxy.
var proxyVersions = map[string]byte{"": 0, "off": 0, "v1": 1, "v2": 2}

// proxyHeader returns a PROXY header for a client. Without one, as for a check, or where it
// has no address, it says that the connection is the gateway's own.
func proxyHeader(version byte, remote string, to net.Addr) *proxyproto.Header {
	addr, ok := addrOf(remote)
	if !ok {
		return &proxyproto.Header{Version: version, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}
	}
	from := netip.AddrPortFrom(addr, 0)
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		from = netip.AddrPortFrom(addr, ap.Port())
	}
	// A header has addresses of one family. What the client connected to is not known here.
	var at netip.AddrPort
	if t, ok := to.(*net.TCPAddr); ok {
		at = netip.AddrPortFrom(t.AddrPort().Addr().Unmap().WithZone(""), t.AddrPort().Port())
	}
	if at.Addr().Is4() != addr.Is4() || !at.IsValid() {
		nowhere := netip.IPv6Unspecified()
		if addr.Is4() {
			nowhere = netip.IPv4Unspecified()
		}
		at = netip.AddrPortFrom(nowhere, at.Port())
	}
	return proxyproto.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(at))
}

// loadTLS reads the files of the backend's TLS.
func (b *backend) loadTLS() error {
	c := &b.cfg
	if b.tls != nil || !c.Insecure && c.TLS == (BackendTLS{}) {
		return nil
	}
	b.tls = &tls.Config{InsecureSkipVerify: c.Insecure, ServerName: c.TLS.ServerName}
	if c.TLS.CA != "" {
		roots, err := rootsOf(c.TLS.CA)
		if err != nil {
			return fmt.Errorf("backend %q: tls: ca: %w", b.name, err)
		}
		b.tls.RootCAs = roots
	}
	if c.TLS.Cert != "" {
		own, err := tls.LoadX509KeyPair(c.TLS.Cert, c.TLS.Key)
		if err != nil {
			return fmt.Errorf("backend %q: tls: cert: %w", b.name, err)
		}
		b.tls.Certificates = []tls.Certificate{own}
	}
	return nil
}

// probe reports whether the backend is fit for clients, as far as the check that is
// configured can tell: it can be connected to, or it answers a request or a handshake.
func (b *backend) probe(ctx context.Context, dial dialer, h *Health) error {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout.timeout())
	defer cancel()
	switch h.Check {
	case "http":
		return b.probeHTTP(ctx, dial, h.Path)
	case "websocket":
		return b.probeWebSocket(ctx, dial, h)
	}
	nc, err := b.connect(ctx, dial)
	if err != nil {
		return err
	}
	return nc.Close()
}

// checkAgent is the User-Agent of checks.
const checkAgent = "draftwire-check"

// probeHTTP asks for a page: a status below 400 is well.
func (b *backend) probeHTTP(ctx context.Context, dial dialer, path string) error {
	page := url.URL{Scheme: "http", Host: b.url.Host}
	if b.url.Scheme == "wss" {
		page.Scheme = "https"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, page.String()+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", checkAgent)
	t := &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: b.tls.Clone(), MaxResponseHeaderBytes: backendHead,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return b.connect(ctx, dial) },
	}
	defer t.CloseIdleConnections()
	res, err := t.RoundTrip(r)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("the check of %s got %s", path, res.Status)
	}
	return nil
}

// probeWebSocket opens a connection as a client would, and closes it.
func (b *backend) probeWebSocket(ctx context.Context, dial dialer, h *Health) error {
	at := *b.url
	at.Path, at.RawPath = h.Path, ""
	c, _, err := draftwire.Dial(ctx, at.String(), &draftwire.DialOptions{
		Version: b.version, TLS: b.tls, Tolerate: b.faults, Header: http.Header{"User-Agent": {checkAgent}},
		NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) { return b.connect(ctx, dial) },
		Limits:  draftwire.Limits{CloseTimeout: time.Second},
	})
	if err != nil {
		return err
	}
	if err := c.Close(draftwire.CodeGoingAway, ""); err != nil && !errors.Is(err, draftwire.ErrClosed) {
		c.CloseNow() // it has opened, which is what was asked
	}
	return nil
}
