package oldtls

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// Hello is a handshake whose settings are agreed on.
type Hello struct {
	Version uint16  // as tls.VersionTLS10
	Suite   uint16  // as tls.TLS_RSA_WITH_AES_128_CBC_SHA
	Profile Profile // the strictest profile with which the client could be answered
	SNI     string  // chosen by the client; "" for none
	Resumed bool    // with the keys of an earlier session
}

// String returns the version, the suite and the profile in one line, and no text that the
// client has chosen.
func (h Hello) String() string {
	return tls.VersionName(h.Version) + " " + tls.CipherSuiteName(h.Suite) + " (" + h.Profile.String() + ")"
}

// Miss says what a hello and the server do not share.
type Miss uint8

// The misses.
const (
	MissVersion     Miss = iota + 1 // no version of TLS
	MissSuite                       // no cipher suite
	MissCertificate                 // no certificate whose key fits the suites, curves and signatures
)

// String returns "version", "suite" or "certificate".
func (m Miss) String() string {
	switch m {
	case MissVersion:
		return "version"
	case MissSuite:
		return "suite"
	case MissCertificate:
		return "certificate"
	}
	return "unknown"
}

// alert returns the alert for the client (RFC 5246 7.2.2).
func (m Miss) alert() byte {
	if m == MissVersion {
		return alertProtocolVersion
	}
	return alertHandshakeFailure
}

const (
	alertHandshakeFailure = 40
	alertProtocolVersion  = 70
)

// maxListed bounds the suites and versions of a hello that a HelloError keeps.
const maxListed = 64

// HelloError is the error for a hello that shares nothing with the server. errors.As finds it
// in the error of the handshake.
type HelloError struct {
	Miss       Miss
	Profile    Profile  // of the server
	Needs      Profile  // the profile that would accept the hello; Modern if there is none
	Versions   []uint16 // that the client offered, at most 64; empty below TLS 1.0
	Suites     []uint16 // that the client offered, at most 64
	ServerName string   // chosen by the client
	SSLv2      bool     // the hello has the format of SSLv2
}

// Reason returns the reason for logs and metrics: tls_version, tls_suite or tls_certificate.
func (e *HelloError) Reason() string { return "tls_" + e.Miss.String() }

// Error returns what the client offered, by name, and which profile would accept it.
func (e *HelloError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "oldtls: the client's hello shares no %s with profile %s", e.Miss, e.Profile)
	if e.Needs != Modern {
		b.WriteString("; profile " + e.Needs.String() + " would accept it")
	}
	if e.SSLv2 {
		b.WriteString("; it has the format of SSLv2")
	}
	b.WriteString("; it offers " + versionNames(e.Versions))
	if len(e.Suites) > 0 {
		b.WriteString(" with " + suiteNames(e.Suites))
	}
	return b.String()
}

func versionNames(vs []uint16) string {
	if len(vs) == 0 {
		return "nothing above SSL 3.0"
	}
	var names []string
	for _, v := range vs {
		if isGrease(v) {
			continue
		}
		names = append(names, tls.VersionName(v))
	}
	return strings.Join(names, ", ")
}

func suiteNames(ids []uint16) string {
	var names []string
	for _, id := range ids {
		if !isGrease(id) {
			names = append(names, suiteName(id))
		}
	}
	return strings.Join(names, ", ")
}

// others are suites that old clients offer and that Go does not know.
var others = map[uint16]string{
	0x0003: "TLS_RSA_EXPORT_WITH_RC4_40_MD5",
	0x0004: "TLS_RSA_WITH_RC4_128_MD5",
	0x0009: "TLS_RSA_WITH_DES_CBC_SHA",
	0x0013: "TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA",
	0x0016: "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA",
	0x0032: "TLS_DHE_DSS_WITH_AES_128_CBC_SHA",
	0x0033: "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
	0x0038: "TLS_DHE_DSS_WITH_AES_256_CBC_SHA",
	0x0039: "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
	0x009e: "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
	0x009f: "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
	0x00ff: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
	0x5600: "TLS_FALLBACK_SCSV",
}

func suiteName(id uint16) string {
	if n, ok := others[id]; ok {
		return n
	}
	return tls.CipherSuiteName(id)
}

// isGrease reports whether a value is a reserved one without meaning (RFC 8701 2).
func isGrease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

func head[T any](list []T) []T {
	return append([]T(nil), list[:min(len(list), maxListed)]...)
}

// SSLv2Alert is the answer to a hello in the format of SSLv2: a fatal alert, protocol_version.
const SSLv2Alert = "\x15\x03\x01\x00\x02\x02\x46"

// SSLv2Hello recognises a hello in the format of SSLv2 by the first bytes of a connection, of
// which it needs at least five. Clients as old as OpenSSL 0.9.8 and Java 6 begin with it,
// though they may go on with TLS 1.0. Go cannot serve them, as the checksum of such a
// handshake covers the old format. The error has what the client offers, as far as it is in
// p, for the log. The answer to send is SSLv2Alert.
func SSLv2Hello(p []byte) (*HelloError, bool) {
	// Two bytes of length with the top bit set, the type 1, the version, three lengths, and
	// then suites of three bytes each (RFC 5246 E.2).
	if len(p) < 5 || p[0]&0x80 == 0 || p[2] != 1 || p[3] != 0 && p[3] != 3 {
		return nil, false
	}
	length := int(p[0]&0x7f)<<8 | int(p[1])
	if length < 9 || p[3] == 0 && p[4] != 2 {
		return nil, false
	}
	e := &HelloError{Miss: MissVersion, SSLv2: true}
	if p[3] == 3 {
		for v := uint16(tls.VersionTLS12); v >= tls.VersionTLS10; v-- {
			if byte(v) <= p[4] {
				e.Versions = append(e.Versions, v)
			}
		}
	}
	if len(p) < 11 {
		return e, true
	}
	specs := p[11:min(len(p), 11+(int(p[5])<<8|int(p[6])), 2+length)]
	for ; len(specs) >= 3 && len(e.Suites) < maxListed; specs = specs[3:] {
		if specs[0] == 0 { // the other suites exist only in SSLv2
			e.Suites = append(e.Suites, uint16(specs[1])<<8|uint16(specs[2]))
		}
	}
	return e, true
}
