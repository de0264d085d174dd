package draftwire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/wire"
)

// ProxyHeaderLimit bounds a PROXY header, with all that it carries beside the
// addresses, in bytes.
const ProxyHeaderLimit = 4 << 10

// ProxyProtocol says from whom a Server takes the header of the PROXY protocol,
// version 1 or 2, with which a balancer that forwards TCP names its client. What
// follows the header is looked at as if it had come first: TLS, HTTP, Flash and
// so on.
//
// The header comes first on a connection, once, never within TLS, has
// ProxyHeaderLimit bytes at most and shares the deadline of the handshake. What
// breaks that is closed without an answer and told to the Observer with
// wire.ReasonProxyHeader.
type ProxyProtocol struct {
	// From are the networks that may send the header; from elsewhere it is
	// refused with wire.ReasonProxyUntrusted. A balancer that is listed here must
	// send it on each connection, or a client behind it writes its own. A peer
	// without an IP address, on a unix socket, may send it always: who reaches
	// that is for the rights of its file to say.
	From []netip.Prefix
	// Required refuses every connection that does not come from From and begin
	// with a header: with wire.ReasonProxyUntrusted what comes from elsewhere, at
	// once, and with wire.ReasonProxyMissing what begins with something else.
	// Without it both are served as direct connections.
	Required bool
	// Read reads the header at the beginning of p, which is all that has come so
	// far and is not to be kept. It returns how many bytes the header has, or 0
	// and nil while there have to be more. An error, a number outside p, or 0 for
	// ProxyHeaderLimit bytes refuses the connection. It is called for each piece
	// that comes.
	Read func(p []byte) (n int, h ProxyHeader, err error)
}

// ProxyHeader is what a PROXY header says.
type ProxyHeader struct {
	// Client is the address of the balancer's client; the zero value leaves the
	// peer's own.
	Client netip.AddrPort
	// Secure: the client spoke TLS with the balancer, so its URL is wss.
	Secure bool
	// Local: the connection is the balancer's own, LOCAL or UNKNOWN, and all else
	// means nothing. Where nothing follows it is a health check, of which the
	// Observer is not told.
	Local bool
}

func (p *ProxyProtocol) check() error {
	if p != nil && p.Read == nil {
		return errors.New("draftwire: options: ProxyProtocol without Read")
	}
	return nil
}

// trusts reports whether the peer of nc may send a header.
func (p *ProxyProtocol) trusts(nc net.Conn) bool {
	a, ok := peerIP(nc)
	return !ok || contains(p.From, a)
}

// contains reports whether a is in one of the networks.
func contains(networks []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// peerIP returns the address of the peer; ok is false where it has none.
func peerIP(nc net.Conn) (a netip.Addr, ok bool) {
	switch x := nc.RemoteAddr().(type) {
	case *net.TCPAddr:
		a = x.AddrPort().Addr()
	case *net.UnixAddr:
		return a, false
	default:
		ap, _ := netip.ParseAddrPort(x.String())
		a = ap.Addr()
	}
	return a, true
}

// proxied is what is known of a connection by its PROXY header.
type proxied struct {
	seen   bool           // there was one
	local  bool           // it said LOCAL
	secure bool           // the client spoke TLS
	client netip.AddrPort // valid where it named one
}

func (x *proxied) set(h ProxyHeader) {
	*x = proxied{seen: true, local: h.Local}
	if !h.Local {
		x.secure = h.Secure
		x.client = netip.AddrPortFrom(h.Client.Addr().Unmap().WithZone(""), h.Client.Port())
	}
}

// unproxied refuses what breaks the rule that all connections come by a proxy.
// kind is what the connection begins with, detect.More before that is known.
func (o *opening) unproxied(kind detect.Kind) bool {
	p := o.rules.proxy
	if p == nil || !p.Required || o.proxy.seen || kind == detect.Proxy {
		return false
	}
	switch {
	case !p.trusts(o.below):
		o.refuse(wire.Refuse(Unknown, wire.ReasonProxyUntrusted, ""))
	case kind != detect.More:
		o.refuse(wire.Refuse(Unknown, wire.ReasonProxyMissing, "the connection begins with "+kind.String()))
	default:
		return false
	}
	return true
}

// readProxy takes a PROXY header off the connection.
func (o *opening) readProxy() bool {
	p, src := o.rules.proxy, &o.src
	switch {
	case o.proxy.seen:
		o.refuse(wire.Refuse(Unknown, wire.ReasonProxyHeader, "a second one"))
		return false
	case src.nc != o.below:
		o.refuse(wire.Refuse(Unknown, wire.ReasonProxyHeader, "within TLS"))
		return false
	case !p.trusts(o.below):
		o.refuse(wire.Refuse(Unknown, wire.ReasonProxyUntrusted, ""))
		return false
	}
	for {
		b := src.bytes()
		b = b[:min(len(b), ProxyHeaderLimit)]
		n, h, err := p.Read(b)
		switch {
		case err == nil && n > 0 && n <= len(b):
			src.take(n)
			o.proxy.set(h)
			return true
		case err == nil && n != 0:
			err = fmt.Errorf("%d of %d bytes read", n, len(b))
		case err == nil && len(b) == ProxyHeaderLimit:
			err = fmt.Errorf("more than %d bytes", ProxyHeaderLimit)
		case err == nil:
			err = src.more(ProxyHeaderLimit)
		}
		if err != nil {
			he := wire.Refuse(Unknown, wire.ReasonProxyHeader, "")
			he.Err = err
			o.refuse(he)
			return false
		}
	}
}

// remote returns the address of the client, as far as it is known.
func (o *opening) remote() string {
	if o.proxy.client.IsValid() {
		return o.proxy.client.String()
	}
	return remote(o.below)
}
