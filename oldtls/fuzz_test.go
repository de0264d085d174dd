package oldtls

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/internal/seed"
)

// script is a connection that sends what it was told to and keeps the answer.
type script struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *script) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return nil }
func (s *script) RemoteAddr() net.Addr             { return nil }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// play lets a client send in, and returns how the handshake ended and what the server sent.
func play(conf *tls.Config, in []byte) (out []byte, err error) {
	s := &script{in: bytes.NewReader(in)}
	err = tls.Server(s, conf).Handshake()
	return s.out.Bytes(), err
}

// hello returns a ClientHello record.
func hello(version uint16, suites []uint16, extensions []byte) []byte {
	body := binary.BigEndian.AppendUint16(nil, version)
	body = append(body, make([]byte, 32)...) // random
	body = append(body, 0)                   // session
	body = binary.BigEndian.AppendUint16(body, uint16(2*len(suites)))
	for _, s := range suites {
		body = binary.BigEndian.AppendUint16(body, s)
	}
	body = append(body, 1, 0) // no compression
	if extensions != nil {
		body = binary.BigEndian.AppendUint16(body, uint16(len(extensions)))
		body = append(body, extensions...)
	}
	msg := append([]byte{1, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	return append([]byte{0x16, 3, 1, byte(len(msg) >> 8), byte(len(msg))}, msg...)
}

// No hello causes a panic, and one that offers TLS 1.3, or TLS 1.2 with something that the
// defaults support, never gets old settings.
func FuzzHello(f *testing.F) {
	k := theKit()
	conf, err := Config(Museum, k.all())
	must(err)
	type decision struct {
		chi  tls.ClientHelloInfo
		conf *tls.Config
		err  error
	}
	var last *decision
	choose := conf.GetConfigForClient
	conf.GetConfigForClient = func(chi *tls.ClientHelloInfo) (*tls.Config, error) {
		c, err := choose(chi)
		last = &decision{*chi, c, err}
		return c, err
	}
	groups := []byte{0, 10, 0, 4, 0, 2, 0, 23}
	schemes := []byte{0, 13, 0, 4, 0, 2, 4, 1}
	versions := []byte{0, 43, 0, 3, 2, 3, 4}
	add := func(v uint16, suites []uint16, ext ...[]byte) {
		var s []byte
		for _, x := range suites {
			s = binary.BigEndian.AppendUint16(s, x)
		}
		seed.Add(f, v, s, slices.Concat(ext...))
	}
	add(0x0301, []uint16{rsaAES, rsa3DES})
	add(0x0301, []uint16{rsaRC4}, groups)
	add(0x0303, []uint16{rsaRC4, ecdheGCM}, groups, schemes)
	add(0x0303, []uint16{0x1301, rsaRC4}, groups, schemes, versions)
	add(0x0303, []uint16{ecdsaGCM, rsaAES}, groups)
	add(0x0300, []uint16{rsaAES, 0x5600})
	f.Fuzz(func(t *testing.T, version uint16, suites, extensions []byte) {
		if len(suites)+len(extensions) > 15<<10 {
			return
		}
		var ids []uint16
		for ; len(suites) >= 2; suites = suites[2:] {
			ids = append(ids, binary.BigEndian.Uint16(suites))
		}
		last = nil
		if _, err := play(conf, hello(version, ids, extensions)); err == nil {
			t.Fatal("half a handshake succeeded")
		}
		if last == nil || last.conf == nil {
			return
		}
		if slices.Contains(last.chi.SupportedVersions, tls.VersionTLS13) {
			t.Fatalf("old settings for TLS 1.3: %+v", last.chi)
		}
		chi := last.chi
		chi.ServerName = ""
		for _, c := range k.all() {
			// The opinion of crypto/tls itself, for the modern configuration. It
			// ignores that it does not sign without schemes.
			if len(chi.SignatureSchemes) > 0 && chi.SupportsCertificate(c.pair().tls) == nil {
				t.Fatalf("old settings for a hello that the defaults can answer: %+v", chi)
			}
		}
	})
}

// FuzzRecords sends any bytes: nothing panics, and the server sends something short or goes
// on.
func FuzzRecords(f *testing.F) {
	conf, err := Config(Museum, theKit().all())
	must(err)
	seed.Add(f, hello(0x0301, []uint16{rsaAES}, nil))
	seed.Add(f, []byte("\x80\x2e\x01\x03\x01"))
	seed.Add(f, []byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, err := play(conf, in); err == nil {
			t.Fatal("a handshake without a client succeeded")
		}
		if e, ok := SSLv2Hello(in); ok && (len(e.Suites) > maxListed || len(e.Error()) > 8<<10 || in[0] < 0x80) {
			t.Fatalf("%+v", e)
		}
	})
}

func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"a.example", "*.example.com", "::1", "fe80::1%eth0", "-", "a..b", "*", "\x00", strings.Repeat("a", 300)} {
		seed.Add(f, s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) == nil && (name == "" || len(name) > 253 || strings.ContainsAny(name, "/\\\x00%\r\n ")) {
			t.Errorf("%q is taken", name)
		}
	})
}
