package oldtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/draftwire/draftwire/internal/leak"
	"github.com/draftwire/draftwire/internal/memnet"
)

// TestMain fails the run if a goroutine outlives the tests.
func TestMain(m *testing.M) { leak.Main(m, nil, nil) }

// kit has the certificates of the tests, made once.
type kit struct {
	ca                    *CA
	rsa, ecdsa, weak, two *Certificate
}

var theKit = sync.OnceValue(func() kit {
	ca, err := NewCA(CAOptions{Name: "test"})
	must(err)
	issue := func(o LeafOptions) *Certificate {
		i, err := ca.Issue(o)
		must(err)
		pair, err := tls.X509KeyPair(i.Chain, i.Key)
		must(err)
		c, err := NewCertificate(pair)
		must(err)
		return c
	}
	k := kit{ca: ca}
	k.rsa = issue(LeafOptions{Names: []string{"one.example", "127.0.0.1"}})
	k.weak = issue(LeafOptions{Names: []string{"one.example"}, Museum: true})
	k.two = issue(LeafOptions{Names: []string{"two.example"}})
	k.ecdsa = ecdsaLeaf(ca, "one.example")
	return k
})

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func ecdsaLeaf(ca *CA, name string) *Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	t := &x509.Certificate{
		SerialNumber: big.NewInt(9), NotBefore: DefaultNotBefore, NotAfter: LatestNotAfter,
		DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca.cert, &key.PublicKey, ca.key)
	must(err)
	c, err := NewCertificate(tls.Certificate{Certificate: [][]byte{der, ca.cert.Raw}, PrivateKey: key})
	must(err)
	return c
}

// all returns the certificates in the order in which operators would give them.
func (k kit) all() []*Certificate { return []*Certificate{k.rsa, k.ecdsa, k.weak, k.two} }

// met is the result of a handshake, as the server and the client saw it.
type met struct {
	client    tls.ConnectionState
	seen      []Hello
	serverErr error
	clientErr error
}

// meet does a handshake in memory.
func meet(t *testing.T, o Options, client *tls.Config) (m met) {
	t.Helper()
	o.Seen = func(h Hello) { m.seen = append(m.seen, h) }
	conf, err := o.Config()
	if err != nil {
		t.Fatal(err)
	}
	return handshake(&m, conf, client)
}

func handshake(m *met, conf, client *tls.Config) met {
	a, b := memnet.Pipe(64 << 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := tls.Server(a, conf)
		m.serverErr = s.Handshake()
		s.Close()
	}()
	c := tls.Client(b, client)
	m.clientErr = c.Handshake()
	m.client = c.ConnectionState()
	if m.clientErr == nil {
		c.Read(make([]byte, 1)) // what comes after the handshake of TLS 1.3
	}
	b.Close()
	<-done
	return *m
}

// shown names the certificate that a client got.
func (k kit) shown(s tls.ConnectionState) string {
	if len(s.PeerCertificates) == 0 {
		return "none"
	}
	for name, c := range map[string]*Certificate{"rsa": k.rsa, "ecdsa": k.ecdsa, "weak": k.weak, "two": k.two} {
		if c.Leaf().Equal(s.PeerCertificates[0]) {
			return name
		}
	}
	return "another"
}

func (k kit) roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(k.ca.cert)
	return p
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func contains(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
