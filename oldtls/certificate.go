package oldtls

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// CheckEvery is the shortest time between two checks of the files of a certificate.
const CheckEvery = 5 * time.Second

// strongBits is the length of an RSA key that current clients accept.
const strongBits = 2048

// Certificate is a chain with its key, which may be read again when its files change. Many
// connections and configurations may use it at the same time.
type Certificate struct {
	now   atomic.Pointer[pair]
	files *files
}

// pair is a chain with its key, and the properties by which it is chosen.
type pair struct {
	tls   *tls.Certificate
	leaf  *x509.Certificate
	curve tls.CurveID // of an ECDSA key
	kind  keyKind
	weak  bool // with a SHA-1 signature or a key of less than 2048 bits
}

type keyKind uint8

const (
	keyRSA keyKind = iota
	keyECDSA
	keyEd25519
)

var curves = map[string]tls.CurveID{"P-256": tls.CurveP256, "P-384": tls.CurveP384, "P-521": tls.CurveP521}

// NewCertificate returns a Certificate for a chain with its key. The key may be RSA of at least
// 1024 bits, ECDSA on P-256, P-384 or P-521, or Ed25519.
func NewCertificate(c tls.Certificate) (*Certificate, error) {
	p, err := newPair(c)
	if err != nil {
		return nil, err
	}
	out := new(Certificate)
	out.now.Store(p)
	return out, nil
}

// Replace puts another chain with its key in the place of the current one, for new
// handshakes: a certificate that was renewed. Errors are those of NewCertificate, and change
// nothing. A certificate of LoadFiles is replaced until its files change.
func (c *Certificate) Replace(by tls.Certificate) error {
	p, err := newPair(by)
	if err == nil {
		c.now.Store(p)
	}
	return err
}

func newPair(c tls.Certificate) (*pair, error) {
	if len(c.Certificate) == 0 {
		return nil, errors.New("oldtls: the certificate has no chain")
	}
	signer, ok := c.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("oldtls: a key of type %T cannot sign", c.PrivateKey)
	}
	p := &pair{tls: &c}
	for i, der := range c.Certificate {
		x, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("oldtls: certificate %d of the chain: %w", i+1, err)
		}
		if i == 0 {
			p.leaf, c.Leaf = x, x
		}
		p.weak = p.weak || weakCertificate(x)
	}
	switch pub := signer.Public().(type) {
	case *rsa.PublicKey:
		p.kind = keyRSA
	case *ecdsa.PublicKey:
		p.kind = keyECDSA
		if p.curve = curves[pub.Curve.Params().Name]; p.curve == 0 {
			return nil, fmt.Errorf("oldtls: TLS has no curve %s", pub.Curve.Params().Name)
		}
	case ed25519.PublicKey:
		p.kind = keyEd25519
	default:
		return nil, fmt.Errorf("oldtls: keys of type %T are not supported", pub)
	}
	return p, nil
}

// weakCertificate reports whether current clients refuse a certificate. The signature of a
// root does not matter, as clients do not verify it.
func weakCertificate(x *x509.Certificate) bool {
	if pub, ok := x.PublicKey.(*rsa.PublicKey); ok && pub.N.BitLen() < strongBits {
		return true
	}
	switch x.SignatureAlgorithm {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.MD5WithRSA:
		return string(x.RawIssuer) != string(x.RawSubject)
	}
	return false
}

// files are the files of a certificate.
type files struct {
	cert, key string
	failed    func(error)
	next      atomic.Int64 // when the files are checked again, in Unix nanoseconds

	mu   sync.Mutex
	seen stamp // of the files that were read last, successfully or not
	bad  error // why not
}

// stamp tells whether files have changed.
type stamp struct{ cert, key os.FileInfo }

func (s stamp) same(o stamp) bool { return sameFile(s.cert, o.cert) && sameFile(s.key, o.key) }

// sameFile compares the times, the sizes and the identities of two files: a link may now lead
// to another file with the same time and size.
func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}

// LoadFiles reads a chain and its key from PEM files, and reads them again when they change: a
// handshake checks the files, at most every CheckEvery. If they cannot be read, for example
// because only one of them has been written, the old pair stays in use, and failed, if not
// nil, is called once for that change. A handshake calls it, so it must not block.
func LoadFiles(certFile, keyFile string, failed func(error)) (*Certificate, error) {
	f := &files{cert: certFile, key: keyFile, failed: failed}
	c := &Certificate{files: f}
	f.next.Store(time.Now().Add(CheckEvery).UnixNano())
	f.seen = f.stamp()
	p, err := f.load()
	if err != nil {
		return nil, err
	}
	c.now.Store(p)
	return c, nil
}

func (f *files) stamp() stamp {
	cert, _ := os.Stat(f.cert) // load returns the error
	key, _ := os.Stat(f.key)
	return stamp{cert, key}
}

func (f *files) load() (*pair, error) {
	c, err := f.read()
	if err != nil {
		return nil, fmt.Errorf("oldtls: %s and %s: %w", f.cert, f.key, err)
	}
	p, err := newPair(c)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, f.cert)
	}
	return p, nil
}

// read reads the files. If the chain ends within a certificate, it is still being written.
func (f *files) read() (c tls.Certificate, err error) {
	chain, err := os.ReadFile(f.cert)
	if err != nil {
		return c, err
	}
	key, err := os.ReadFile(f.key)
	if err != nil {
		return c, err
	}
	rest := chain
	for block := (*pem.Block)(nil); ; {
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
	}
	if bytes.HasPrefix(rest, []byte("-")) || bytes.Contains(rest, []byte("\n-")) {
		return c, errors.New("the last certificate of the chain is incomplete")
	}
	return tls.X509KeyPair(chain, key)
}

// pair returns the current chain and key.
func (c *Certificate) pair() *pair {
	if f := c.files; f != nil {
		now, next := time.Now(), f.next.Load()
		if now.UnixNano() >= next && f.next.CompareAndSwap(next, now.Add(CheckEvery).UnixNano()) {
			c.refresh(f.failed)
		}
	}
	return c.now.Load()
}

// Reread reads the files of LoadFiles again now, if they have changed since they were read:
// handshakes that begin later use what is in them. On an error the old pair stays in use; it
// is that of LoadFiles, and failed is not called. A Certificate without files has nothing to
// read.
func (c *Certificate) Reread() error {
	f := c.files
	if f == nil {
		return nil
	}
	c.refresh(nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bad
}

// refresh reads the files again if they have changed. It tells failed, if that is not nil, why
// it could not.
func (c *Certificate) refresh(failed func(error)) {
	f := c.files
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.stamp()
	if now.same(f.seen) {
		return
	}
	f.seen = now
	var p *pair
	if p, f.bad = f.load(); f.bad == nil {
		c.now.Store(p)
	} else if failed != nil {
		failed(f.bad)
	}
}

// Leaf returns the first certificate of the current chain. The caller must not change it.
func (c *Certificate) Leaf() *x509.Certificate { return c.pair().leaf }
