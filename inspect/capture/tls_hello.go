package capture

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"

	"golang.org/x/crypto/cryptobyte"
)

// Numbers of extensions.
const (
	extName       = 0
	extALPN       = 16
	extMacOfText  = 22 // encrypt-then-MAC
	extMaster     = 23 // extended master secret
	extTicket     = 35
	extKnownKey   = 41 // pre-shared key
	extEarly      = 42
	extVersions   = 43
	maxServerName = 255
)

// retryRandom is the random number of a ServerHello that is a HelloRetryRequest (RFC 8446 4.1.3).
var retryRandom = sha256.Sum256([]byte("HelloRetryRequest"))

// clientHello is what is used of one.
type clientHello struct {
	random     [32]byte
	id         []byte // of a session
	ticket     []byte
	serverName string
	early      bool
}

// serverHello is what is used of one.
type serverHello struct {
	version   uint16
	random    [32]byte
	id        []byte
	suite     uint16
	deflate   bool
	alpn      string
	macOfText bool
	master    bool
	resumed   bool // by a key that was agreed on before, in TLS 1.3
}

// readHello reads what both hellos begin with. What it returns is part of body.
func readHello(s *cryptobyte.String) (version uint16, random [32]byte, id []byte, ok bool) {
	var session cryptobyte.String
	ok = s.ReadUint16(&version) && s.CopyBytes(random[:]) && s.ReadUint8LengthPrefixed(&session)
	return version, random, session, ok
}

// extensions calls f for each extension. No extensions at all are right too.
func extensions(s cryptobyte.String, f func(kind uint16, body cryptobyte.String)) bool {
	if s.Empty() {
		return true
	}
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) {
		return false
	}
	for !list.Empty() {
		var kind uint16
		var body cryptobyte.String
		if !list.ReadUint16(&kind) || !list.ReadUint16LengthPrefixed(&body) {
			return false
		}
		f(kind, body)
	}
	return true
}

func readClientHello(body []byte) (h clientHello, ok bool) {
	s := cryptobyte.String(body)
	var list, compression cryptobyte.String
	if _, h.random, h.id, ok = readHello(&s); !ok || !s.ReadUint16LengthPrefixed(&list) || !s.ReadUint8LengthPrefixed(&compression) {
		return h, false
	}
	h.id = bytes.Clone(h.id)
	ok = extensions(s, func(kind uint16, body cryptobyte.String) {
		switch kind {
		case extName:
			h.serverName = readName(body)
		case extTicket:
			h.ticket = bytes.Clone(body)
		case extEarly:
			h.early = true
		}
	})
	return h, ok
}

// readName reads the name of a host (RFC 6066 3).
func readName(body cryptobyte.String) string {
	var list, name cryptobyte.String
	var kind uint8
	if !body.ReadUint16LengthPrefixed(&list) || !list.ReadUint8(&kind) || kind != 0 || !list.ReadUint16LengthPrefixed(&name) || len(name) > maxServerName {
		return ""
	}
	return string(name)
}

func readServerHello(body []byte) (h serverHello, ok bool) {
	s := cryptobyte.String(body)
	var compression uint8
	if h.version, h.random, h.id, ok = readHello(&s); !ok || !s.ReadUint16(&h.suite) || !s.ReadUint8(&compression) {
		return h, false
	}
	h.id, h.deflate = bytes.Clone(h.id), compression != 0
	ok = extensions(s, func(kind uint16, body cryptobyte.String) {
		switch kind {
		case extALPN:
			h.alpn = readALPN(body)
		case extMacOfText:
			h.macOfText = true
		case extMaster:
			h.master = true
		case extKnownKey:
			h.resumed = true
		case extVersions:
			body.ReadUint16(&h.version)
		}
	})
	return h, ok
}

// readALPN reads the protocol that a server chose (RFC 7301 3.1).
func readALPN(body cryptobyte.String) string {
	var list, name cryptobyte.String
	if !body.ReadUint16LengthPrefixed(&list) || !list.ReadUint8LengthPrefixed(&name) {
		return ""
	}
	return string(name)
}

// readEncrypted returns the protocol in the encrypted extensions of TLS 1.3.
func readEncrypted(body []byte) (alpn string) {
	extensions(body, func(kind uint16, body cryptobyte.String) {
		if kind == extALPN {
			alpn = readALPN(body)
		}
	})
	return alpn
}

// readTicket returns the ticket of a NewSessionTicket of TLS 1.2 (RFC 5077 3.3).
func readTicket(body []byte) []byte {
	s := cryptobyte.String(body)
	var lifetime uint32
	var ticket cryptobyte.String
	if !s.ReadUint32(&lifetime) || !s.ReadUint16LengthPrefixed(&ticket) {
		return nil
	}
	return ticket
}

// hasSuite reports whether a version can be opened here, and what its suite is.
func hasSuite(version, id uint16) (s suite, ok bool) {
	s, ok = suites[id]
	is13 := id>>8 == 0x13
	return s, ok && version >= tls.VersionTLS10 && version <= tls.VersionTLS13 && is13 == (version == tls.VersionTLS13)
}

var alerts = map[byte]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed", 22: "record_overflow",
	30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate", 42: "bad_certificate", 43: "unsupported_certificate",
	44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca",
	49: "access_denied", 50: "decode_error", 51: "decrypt_error", 60: "export_restriction", 70: "protocol_version",
	71: "insufficient_security", 80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation",
	109: "missing_extension", 110: "unsupported_extension", 112: "unrecognized_name", 113: "bad_certificate_status_response",
	115: "unknown_psk_identity", 116: "certificate_required", 120: "no_application_protocol",
}
