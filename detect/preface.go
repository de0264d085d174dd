package detect

import "bytes"

// Kind is what the first bytes of a connection are.
type Kind uint8

// The kinds.
const (
	More        Kind = iota // not enough bytes to tell
	HTTP1                   // a request line
	HTTP2                   // the connection preface of HTTP/2
	TLS                     // a ClientHello record
	FlashPolicy             // <policy-file-request/> and a NUL
	Proxy                   // the PROXY protocol, version 1 or 2
	SSLv2                   // a ClientHello in the format of SSL 2, as OpenSSL 0.9.8 and Java 6 send it
	Unknown                 // nothing of these
)

var kindNames = [...]string{"more", "http/1", "http/2", "tls", "flash-policy", "proxy", "sslv2", "unknown"}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// PolicyRequest is what a Flash player sends before it opens a socket, its NUL
// included.
const PolicyRequest = "<policy-file-request/>\x00"

// prefaces are tried in order.
var prefaces = []struct {
	kind Kind
	text string
}{
	{FlashPolicy, PolicyRequest},
	{HTTP2, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
	{Proxy, "PROXY "},
	{Proxy, "\r\n\r\n\x00\r\nQUIT\n"},
	{TLS, "\x16\x03"},
}

// Preface tells what p, the first bytes of a connection, is. It answers More
// only while p could still become one of the kinds.
func Preface(p []byte) Kind {
	if len(p) == 0 {
		return More
	}
	for _, x := range prefaces {
		if bytes.HasPrefix(p, []byte(x.text)) {
			return x.kind
		}
		if len(p) < len(x.text) && x.text[:len(p)] == string(p) {
			return More
		}
	}
	if p[0]&0x80 != 0 { // two bytes of length, then the type: a hello is 1
		switch {
		case len(p) < 3:
			return More
		case p[2] == 1:
			return SSLv2
		}
		return Unknown
	}
	// A method: letters, then a space.
	for i, c := range p {
		switch {
		case c == ' ' && i > 0:
			return HTTP1
		case i >= 20 || (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_':
			return Unknown
		}
	}
	return More
}
