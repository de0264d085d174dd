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

// CheckEvery is how often, at most, the files of a certificate are looked at.
const CheckEvery = 5 * time.Second

// strongBits is the RSA key that nobody calls short.
const strongBits = 2048

// Certificate is a chain with its key, fixed or kept up to date with files. It
// may be used by many connections and configurations at once.
type Certificate struct {
	now   atomic.Pointer[pair]
	files *files
}

// pair is a chain with its key, and what the choice needs to know of it.
type pair struct {
	tls   *tls.Certificate
	leaf  *x509.Certificate
	curve tls.CurveID // of an ECDSA key
	kind  keyKind
	weak  bool // signed with SHA-1, or a key below 2048 bits
}

type keyKind uint8

const (
	keyRSA keyKind = iota
	keyECDSA
	keyEd25519
)

var curves = map[string]tls.CurveID{"P-256": tls.CurveP256, "P-384": tls.CurveP384, "P-521": tls.CurveP521}

// NewCertificate takes a chain with its key. Keys are RSA, of 1024 bits at
// least, ECDSA on P-256, P-384 or P-521, or Ed25519.
func NewCertificate(c tls.Certificate) (*Certificate, error) {
	p, err := newPair(c)
	if err != nil {
		return nil, err
	}
	out := new(Certificate)
	out.now.Store(p)
	return out, nil
}

func newPair(c tls.Certificate) (*pair, error) {
	if len(c.Certificate) == 0 {
		return nil, errors.New("oldtls: a certificate without a chain")
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
			return nil, fmt.Errorf("oldtls: no client knows the curve %s", pub.Curve.Params().Name)
		}
	case ed25519.PublicKey:
		p.kind = keyEd25519
	default:
		return nil, fmt.Errorf("oldtls: keys of type %T cannot be served", pub)
	}
	return p, nil
}

// weakCertificate reports a certificate that clients of today do not take. A
// root is trusted for being there, so its own signature does not count.
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

// files are where a certificate comes from.
type files struct {
	cert, key string
	failed    func(error)
	next      atomic.Int64 // when to look again, in nanoseconds of time.Time.UnixNano

	mu   sync.Mutex
	seen stamp // of the last attempt, whether it succeeded or not
}

// stamp tells whether files are as they were.
type stamp struct{ cert, key os.FileInfo }

func (s stamp) same(o stamp) bool { return sameFile(s.cert, o.cert) && sameFile(s.key, o.key) }

// sameFile compares times, sizes, and which file it is: a link may have moved to
// another one that is as old and as long.
func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}

// LoadFiles reads a chain and its key from PEM files, and reads them again when
// they change: handshakes look at time and size of the files, at most every
// CheckEvery. Where that fails, for example between the writing of the two files,
// the pair before stays, and failed, if not nil, is told, once for each change. It
// is called from a handshake and must not block.
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
	cert, _ := os.Stat(f.cert) // what is wrong with it, load will say
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

// read reads the files. A chain that ends within a certificate is being written.
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
		return c, errors.New("the last certificate of the chain is not whole")
	}
	return tls.X509KeyPair(chain, key)
}

// pair returns the chain and key of now.
func (c *Certificate) pair() *pair {
	if f := c.files; f != nil {
		now, next := time.Now(), f.next.Load()
		if now.UnixNano() >= next && f.next.CompareAndSwap(next, now.Add(CheckEvery).UnixNano()) {
			c.refresh()
		}
	}
	return c.now.Load()
}

// refresh reads the files again if they have changed.
func (c *Certificate) refresh() {
	f := c.files
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.stamp()
	if now.same(f.seen) {
		return
	}
	f.seen = now
	p, err := f.load()
	if err == nil {
		c.now.Store(p)
	} else if f.failed != nil {
		f.failed(err)
	}
}

// Leaf returns the first certificate of the chain as it is now. It is not to be
// changed.
func (c *Certificate) Leaf() *x509.Certificate { return c.pair().leaf }
