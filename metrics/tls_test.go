package metrics

import (
	"bufio"
	"crypto/tls"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/oldtls"
)

// legacy is a configuration for old devices.
func legacy(t *testing.T) *tls.Config {
	t.Helper()
	ca, err := oldtls.NewCA(oldtls.CAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	issued, err := ca.Issue(oldtls.LeafOptions{Names: []string{"example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(issued.Chain, issued.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := oldtls.NewCertificate(pair)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := oldtls.Config(oldtls.Legacy, []*oldtls.Certificate{cert})
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

// Over TLS: the versions and suites of accepted clients, and why others were refused.
func TestTLS(t *testing.T) {
	conf := legacy(t)
	synctest.Test(t, func(t *testing.T) {
		m, reg := fresh()
		l := memnet.Listen(64 << 10)
		s := &draftwire.Server{TLS: conf, Options: draftwire.AcceptOptions{Observer: m.Observer("front")}, WebSocket: hold}
		done := make(chan error, 1)
		go func() { done <- s.Serve(l) }()
		dial := func(suites ...uint16) error {
			nc, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			c := tls.Client(nc, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: suites, InsecureSkipVerify: true})
			defer c.Close()
			if err := c.Handshake(); err != nil {
				return err
			}
			c.Write([]byte("GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
			for head := bufio.NewReader(c); ; { // TLS 1.0 sends the first byte in a record of its own
				line, err := head.ReadString('\n')
				if err != nil || line == "\r\n" {
					return err
				}
			}
		}
		if err := dial(tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA); err != nil {
			t.Error(err)
		}
		if err := dial(tls.TLS_RSA_WITH_RC4_128_SHA); err == nil {
			t.Error("RC4 came in")
		}
		nc, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		nc.Write([]byte("\x16\x03\x01\x00\x01x")) // not a hello
		nc.Close()
		<-time.After(time.Minute)
		synctest.Wait()
		want(t, reg, "draftwire_tls_connections_total", `{cipher="TLS_RSA_WITH_3DES_EDE_CBC_SHA",version="TLS 1.0"} 1`)
		want(t, reg, "draftwire_handshake_failures_total", `{draft="unknown",listener="front",reason="tls"} 1`, `{draft="unknown",listener="front",reason="tls_suite"} 1`)
		want(t, reg, "draftwire_connections", `{draft="rfc6455",listener="front",tls="true"} 0`)
		s.Close()
		<-done
		s.Shutdown(t.Context())
	})
}
