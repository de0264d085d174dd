package wstest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
)

// Serve serves s in memory until the test ends. Each direction of a connection holds
// 64 KiB.
func Serve(t testing.TB, s *draftwire.Server) *memnet.Listener {
	t.Helper()
	l := memnet.Listen(64 << 10)
	ServeOn(t, s, l)
	return l
}

// ServeTLS serves s over TLS in memory until the test ends. dial connects, and offers
// protocols of the application layer (ALPN).
func ServeTLS(t testing.TB, s *draftwire.Server) (dial func(protos ...string) *tls.Conn) {
	t.Helper()
	cert, _ := SelfSigned(t)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	l := Serve(t, s)
	return func(protos ...string) *tls.Conn {
		t.Helper()
		nc, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		tc := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: protos}) // the bubble's clock is not the certificate's
		if err := tc.Handshake(); err != nil {
			t.Fatal(err)
		}
		return tc
	}
}

// ServeOn serves s on l until the test ends, which fails if the server then does not end.
func ServeOn(t testing.TB, s *draftwire.Server, l net.Listener) {
	t.Helper()
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		<-served
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("the server does not end: %v", err)
		}
	})
}

// Dial opens a connection of version v to a server in memory, which ends with the test.
func Dial(t testing.TB, l *memnet.Listener, v draftwire.Version, o draftwire.DialOptions) *draftwire.Conn {
	t.Helper()
	o.Version = v
	c, _, err := draftwire.Dial(context.Background(), "ws://example.com/x", DialTo(l, o))
	if err != nil {
		t.Fatalf("%s: %v", v, err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// DialTo returns o with the way to a server in memory.
func DialTo(l *memnet.Listener, o draftwire.DialOptions) *draftwire.DialOptions {
	o.NetDial = func(context.Context, string, string) (net.Conn, error) { return l.Dial() }
	return &o
}

// Pair opens a connection in memory and returns both ends, which end with the test.
func Pair(t testing.TB, v draftwire.Version, so draftwire.AcceptOptions, do draftwire.DialOptions) (client, server *draftwire.Conn) {
	t.Helper()
	got := make(chan *draftwire.Conn, 1)
	so.Versions = draftwire.AllVersions
	l := Serve(t, &draftwire.Server{Options: so, WebSocket: HandOver(got)})
	client = Dial(t, l, v, do)
	return client, <-got
}

// HandOver is a handler that leaves the server's end of each connection to the test, until
// the connection ends.
func HandOver(to chan<- *draftwire.Conn) func(context.Context, *draftwire.Conn) error {
	return func(ctx context.Context, c *draftwire.Conn) error {
		to <- c
		<-ctx.Done()
		return nil
	}
}

// A Network is what connections run over, for tests of what has to hold over each.
type Network string

const (
	Memory   Network = "memory"
	TCP      Network = "TCP"
	TightTCP Network = "tight TCP" // the server's sockets take little at once: a long write goes in parts
	TLS      Network = "TLS"       // over tight TCP
)

// Patience is longer than anything takes that a test does on a real socket. It ends a hang.
const Patience = 20 * time.Second

// ServeOver serves s over a network until the test ends. dial opens a socket to it, which
// ends with the test too.
func ServeOver(t testing.TB, s *draftwire.Server, n Network) (dial func() net.Conn) {
	t.Helper()
	var client *tls.Config
	if n == TLS {
		cert, roots := SelfSigned(t)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		client = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
	}
	var connect func() (net.Conn, error)
	if n == Memory {
		l := Serve(t, s)
		connect = func() (net.Conn, error) { return l.Dial() }
	} else {
		l := ListenTCP(t)
		addr := l.Addr().String()
		if n != TCP {
			l = tightListener{l.(*net.TCPListener)}
		}
		ServeOn(t, s, l)
		connect = func() (net.Conn, error) { return net.Dial("tcp", addr) }
	}
	return func() net.Conn {
		t.Helper()
		nc, err := connect()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(Patience))
		if client != nil {
			nc = tls.Client(nc, client)
		}
		return nc
	}
}

// ListenTCP listens on a port of loopback.
func ListenTCP(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// tightListener gives sockets that take little at once, so that a long write
// goes in parts.
type tightListener struct{ *net.TCPListener }

func (l tightListener) Accept() (net.Conn, error) {
	nc, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	nc.SetWriteBuffer(16 << 10)
	return nc, nil
}

// SelfSigned makes a certificate for 127.0.0.1.
func SelfSigned(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
