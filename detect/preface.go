package detect

import "bytes"

// Kind is what the first bytes of a connection are.
type Kind uint8

// The kinds.
const (
	NeedMore    Kind = iota // not enough bytes to decide
	HTTP1                   // a request line
	HTTP2                   // the connection preface of HTTP/2
	TLS                     // a ClientHello record
	FlashPolicy             // <policy-file-request/> and a NUL
	Proxy                   // the PROXY protocol, version 1 or 2
	BlankLine               // CR LF, or LF alone, and then something that is not the PROXY protocol
	SSLv2                   // a ClientHello in the format of SSL 2, as OpenSSL 0.9.8 and Java 6 send it
	Unknown                 // none of these
)

var kindNames = [...]string{"need-more", "http/1", "http/2", "tls", "flash-policy", "proxy", "blank line", "sslv2", "unknown"}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// PolicyRequest is what a Flash player sends before it opens a socket, with its NUL.
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

// Preface returns what p, the first bytes of a connection, is. It returns NeedMore only
// while p may become one of the kinds.
func Preface(p []byte) Kind {
	if len(p) == 0 {
		return NeedMore
	}
	for _, x := range prefaces {
		if bytes.HasPrefix(p, []byte(x.text)) {
			return x.kind
		}
		if len(p) < len(x.text) && x.text[:len(p)] == string(p) {
			return NeedMore
		}
	}
	if p[0] == '\n' || p[0] == '\r' {
		switch {
		case p[0] == '\n', len(p) > 1 && p[1] == '\n':
			return BlankLine
		case len(p) == 1:
			return NeedMore
		}
		return Unknown
	}
	if p[0]&0x80 != 0 { // two bytes of length, then the type, which is 1 for a ClientHello
		switch {
		case len(p) < 3:
			return NeedMore
		case p[2] == 1:
			return SSLv2
		}
		return Unknown
	}
	// A method: letters, then a blank.
	for i, c := range p {
		switch {
		case (c == ' ' || c == '\t') && i > 0:
			return HTTP1
		case i >= 20 || (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_':
			return Unknown
		}
	}
	return NeedMore
}
