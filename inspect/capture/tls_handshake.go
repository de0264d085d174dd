package capture

import (
	"bytes"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/tls"
	"fmt"
	"math/big"
	"slices"
)

// Types of messages of the handshake.
const (
	helloClient        = 1
	helloServer        = 2
	messageTicket      = 4
	messageEndOfEarly  = 5
	messageExtensions  = 8
	messageCertificate = 11
	messageKeyExchange = 16 // of the client
	messageFinished    = 20
	messageStatus      = 22 // CertificateStatus, the last one in the clear
	messageKeyUpdate   = 24
)

const (
	// maxMessage is how long a message may be that is read. Certificates are not.
	maxMessage = 64 << 10
	// maxScript is how much of a handshake is kept for the extended master secret.
	maxScript = 128 << 10
)

func isRead(kind byte) bool {
	switch kind {
	case helloClient, helloServer, messageTicket, messageEndOfEarly, messageExtensions, messageKeyExchange, messageFinished, messageKeyUpdate:
		return true
	}
	return false
}

// messages takes the bytes of a record of the handshake: messages may go over several records,
// and a record may have several.
func (s *session) messages(from Direction, p []byte) {
	d := &s.sides[from]
	for len(p) > 0 && !s.dead {
		if d.skip > 0 {
			n := min(d.skip, len(p))
			s.record12(from, p[:n])
			d.skip -= n
			p = p[n:]
			continue
		}
		need := 4
		if len(d.message) >= need {
			need += messageSize(d.message)
		}
		n := min(len(p), need-len(d.message))
		if !s.room(n) {
			s.fail(ErrMidway)
			return
		}
		d.message = append(d.message, p[:n]...)
		p = p[n:]
		if len(d.message) < need {
			return
		}
		s.whole(from)
	}
}

func messageSize(m []byte) int { return int(m[1])<<16 + int(m[2])<<8 + int(m[3]) }

// whole takes a message, or its head.
func (s *session) whole(from Direction) {
	d := &s.sides[from]
	m := d.message
	size := messageSize(m)
	switch {
	case len(m) == 4 && (!isRead(m[0]) || size > maxMessage):
		s.certified = s.certified || m[0] == messageCertificate && from == FromServer
		s.record12(from, m)
		d.skip = size
	case len(m) < 4+size:
		return
	default:
		if m[0] == helloClient {
			s.dropScript()
			s.scripting = len(s.rsa) > 0
		}
		s.record12(from, m)
		d.message = nil
		s.take(from, m[0], m[4:])
		s.release(len(m))
		return
	}
	s.dropMessage(d)
}

func (s *session) dropMessage(d *tlsSide) {
	s.release(len(d.message))
	d.message = nil
}

// record12 keeps the handshake, for the extended master secret.
func (s *session) record12(from Direction, p []byte) {
	if !s.scripting {
		return
	}
	if s.scriptSize+len(p) > maxScript || !s.room(len(p)) {
		s.dropScript()
		return
	}
	s.scriptSize += len(p)
	s.sides[from].script = append(s.sides[from].script, p...)
}

func (s *session) dropScript() {
	s.release(s.scriptSize)
	s.scripting, s.scriptSize = false, 0
	for i := range s.sides {
		s.sides[i].script = nil
	}
}

// take takes a message.
func (s *session) take(from Direction, kind byte, body []byte) {
	d := &s.sides[from]
	is13 := s.answer.version == tls.VersionTLS13
	switch {
	case kind == helloClient && from == FromClient:
		s.clientHello(body)
	case kind == helloServer && from == FromServer:
		s.serverHello(body)
	case kind == messageExtensions && from == FromServer && is13:
		s.info.ALPN = readEncrypted(body)
	case kind == messageTicket && from == FromServer && !is13:
		s.ticket = slices.Clone(readTicket(body))
		s.remember(s.ticket, s.master)
	case kind == messageKeyExchange && from == FromClient && !is13:
		s.keyExchange(body)
	case is13 && (kind == messageEndOfEarly || kind == messageFinished) && len(d.next) > 0:
		s.advance(d)
	case is13 && kind == messageFinished:
		s.note(from, "no key for what follows")
		d.gone = true
	case is13 && kind == messageKeyUpdate && d.secret != nil && len(d.next) == 0:
		s.use(d, s.suite.expandLabel(d.secret, "traffic upd", len(d.secret)))
	}
}

func (s *session) clientHello(body []byte) {
	h, ok := readClientHello(body)
	if !ok {
		s.fail(fmt.Errorf("%w: the client's hello cannot be read", ErrMidway))
		return
	}
	s.hello, s.hasHello = h, true
	s.master, s.ticket, s.openers = nil, nil, [2]recordOpener{}
	s.certified = false
	if !s.isOpen {
		s.info.ServerName = h.serverName
	}
}

// isOldHello reports whether a client's first bytes are a hello of TLS in the format of SSLv2, as
// Java 6 and OpenSSL 0.9.8 send it (RFC 5246 E.2).
func isOldHello(b []byte) bool {
	return len(b) >= recordHead && b[0]&0x80 != 0 && oldSize(b) >= 9+16 && b[2] == helloClient && b[3] == 3 && b[4] <= 3
}

func oldSize(b []byte) int { return int(b[0]&0x7f)<<8 + int(b[1]) }

// oldHello reads such a hello, of which nothing is used but the random number.
func (s *session) oldHello(b []byte) {
	challenge := int(b[7])<<8 + int(b[8])
	if challenge < 16 || challenge > 32 || challenge > len(b)-9 {
		s.fail(fmt.Errorf("%w: the client's hello cannot be read", ErrMidway))
		return
	}
	s.hasHello = true
	copy(s.hello.random[32-challenge:], b[len(b)-challenge:])
	s.scripting = len(s.rsa) > 0
	s.record12(FromClient, b)
}

func (s *session) serverHello(body []byte) {
	h, ok := readServerHello(body)
	switch {
	case !ok:
		s.fail(fmt.Errorf("%w: the server's hello cannot be read", ErrMidway))
		return
	case !s.hasHello:
		s.fail(fmt.Errorf("%w: the client's hello is missing", ErrMidway))
		return
	case h.random == retryRandom:
		return
	case s.answer.version == tls.VersionTLS13:
		return // there is no second one
	}
	s.answer = h
	if !s.isOpen {
		s.info.Version, s.info.Suite = h.version, h.suite
		s.info.ALPN, s.info.Resumed = h.alpn, h.resumed
	}
	if s.suite, ok = hasSuite(h.version, h.suite); !ok || h.deflate {
		what := tls.CipherSuiteName(h.suite)
		if h.deflate {
			what += " with compression"
		}
		s.fail(fmt.Errorf("%w: %s with %s", ErrSuite, versionName(h.version), what))
		return
	}
	if h.version == tls.VersionTLS13 {
		s.begin13()
	}
	if d := &s.sides[FromClient]; d.waits && !s.dead {
		d.waits = false
		s.work(FromClient)
	}
}

// versionName names SSL 3.0 too.
func versionName(v uint16) string {
	if v == 0x0300 {
		return "SSL 3.0"
	}
	return tls.VersionName(v)
}

// keyExchange opens the key exchange of RSA (RFC 5246 7.4.7.1), and makes the master secret.
func (s *session) keyExchange(body []byte) {
	if !s.suite.rsa || len(body) < 2 || int(body[0])<<8+int(body[1]) != len(body)-2 {
		return
	}
	for _, key := range s.rsa {
		if secret := decryptRSA(key, body[2:]); len(secret) == 48 {
			s.master = s.masterOf(secret)
			return
		}
	}
}

// decryptRSA undoes PKCS #1 v1.5 (RFC 8017 7.2.2); nil: that is none by this key. Package
// crypto/rsa refuses the short keys of old devices, and advises against what it has, which tells
// who listens whether it worked. Here nobody listens.
func decryptRSA(key *rsa.PrivateKey, b []byte) []byte {
	size := key.Size()
	c := new(big.Int).SetBytes(b)
	if len(b) != size || c.Cmp(key.N) >= 0 {
		return nil
	}
	text := c.Exp(c, key.D, key.N).FillBytes(make([]byte, size))
	if text[0] != 0 || text[1] != 2 {
		return nil
	}
	_, secret, found := bytes.Cut(text[2:], []byte{0})
	if !found {
		return nil
	}
	return secret
}

// masterOf makes the master secret of a premaster secret: RFC 5246 8.1, RFC 7627 4.
func (s *session) masterOf(secret []byte) []byte {
	label, seed := "master secret", slices.Concat(s.hello.random[:], s.answer.random[:])
	if s.answer.master {
		// What the server said stands between the client's hello and its key exchange.
		client, hello := s.sides[FromClient].script, 0
		if len(client) >= 4 {
			hello = min(len(client), 4+messageSize(client))
		}
		label, seed = "extended master secret", s.sessionHash(slices.Concat(client[:hello], s.sides[FromServer].script, client[hello:]))
	}
	return prf(s.answer.version, &s.suite, secret, label, seed, 48)
}

// sessionHash is the hash over a handshake with which it is finished.
func (s *session) sessionHash(script []byte) []byte {
	if s.answer.version >= tls.VersionTLS12 {
		h := s.suite.hash()()
		h.Write(script)
		return h.Sum(nil)
	}
	a, b := md5.Sum(script), sha1.Sum(script)
	return append(a[:], b[:]...)
}
