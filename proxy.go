package draftwire

import (
	"errors"
	"net"
	"net/netip"

	"github.com/draftwire/draftwire/internal/origin"
)

// ProxyHeaderLimit is the most bytes that a PROXY header may have, with all that it carries
// beside the addresses.
const ProxyHeaderLimit = 4 << 10

// ProxyProtocol says from whom a Server takes the header of the PROXY protocol,
// version 1 or 2, in which a balancer that forwards TCP names its client. The Server
// treats what follows the header as the beginning of the connection: TLS, HTTP, Flash
// and so on.
//
// The header is the first thing on a connection. There is one, never within TLS, of
// ProxyHeaderLimit bytes at most, and it has to come before the deadline of the
// handshake. The Server closes a connection that breaks these rules without an answer,
// and tells the Observer wire.ReasonProxyHeader.
type ProxyProtocol struct {
	// From are the networks that may send the header. A header from elsewhere is
	// refused with wire.ReasonProxyUntrusted. A balancer that is listed here must send
	// a header on each connection, or else its clients can send one of their own. A
	// peer on a unix socket, which has no IP address, may always send it: the
	// permissions of the socket's file say who may connect.
	From []netip.Prefix
	// Required refuses every connection that does not come from From, at once and with
	// wire.ReasonProxyUntrusted, and every one that does not begin with a header, with
	// wire.ReasonProxyMissing. Without Required the Server serves both as direct
	// connections.
	Required bool
	// Read reads the header at the beginning of p, which has all bytes that have come
	// so far; it must not keep p. It returns the length of the header, or 0 and nil
	// where it needs more bytes, and is then called again when more have come. An
	// error, a length outside p, or 0 for ProxyHeaderLimit bytes refuses the
	// connection.
	Read func(p []byte) (n int, h ProxyHeader, err error)
}

// ProxyHeader is what a PROXY header says.
type ProxyHeader struct {
	// Client is the address of the balancer's client. With the zero value the peer is
	// the client.
	Client netip.AddrPort
	// Secure: the client spoke TLS with the balancer, so its URL is wss.
	Secure bool
	// Local: the connection is the balancer's own (LOCAL, or UNKNOWN in version 1), and
	// the other fields mean nothing. If it closes and nothing has followed the header,
	// it was a health check, and the Observer is not told.
	Local bool
}

// Check returns an error where p has no Read. Serve and SetProxy return the same error. A
// nil p is correct: no header is expected.
func (p *ProxyProtocol) Check() error {
	if p != nil && p.Read == nil {
		return errors.New("draftwire: options: ProxyProtocol without Read")
	}
	return nil
}

// trusts reports whether the peer of nc may send a header.
func (p *ProxyProtocol) trusts(nc net.Conn) bool {
	a, ok := peerIP(nc)
	return !ok || origin.Contains(p.From, a)
}

// peerIP returns the IP address of the peer; ok is false on a unix socket.
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

// proxied is what a PROXY header has said about its connection.
type proxied struct {
	seen   bool           // a header has come
	local  bool           // the connection is the balancer's own
	secure bool           // the client spoke TLS with the balancer
	client netip.AddrPort // valid where the header named a client
}

func (x *proxied) set(h ProxyHeader) {
	*x = proxied{seen: true, local: h.Local}
	if !h.Local {
		x.secure = h.Secure
		x.client = netip.AddrPortFrom(h.Client.Addr().Unmap().WithZone(""), h.Client.Port())
	}
}
