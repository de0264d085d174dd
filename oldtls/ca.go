package oldtls

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"strings"
	"time"
)

// The validity of the certificates that a CA makes.
var (
	// DefaultNotBefore is far in the past: the clock of a device whose battery was empty
	// starts in the year when its firmware was built, and the device accepts no
	// certificate from its future. A date before July 2019 also exempts a certificate
	// from Apple's rule that later ones may be valid for at most 825 days.
	DefaultNotBefore = time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)
	// LatestNotAfter is before 19 January 2038, when the seconds since 1970 no longer fit
	// into 32 bits with a sign. Old devices take a later date for 1901, and the
	// certificate for expired.
	LatestNotAfter = time.Date(2037, 12, 31, 23, 59, 59, 0, time.UTC)
)

// CAOptions say how a CA is made. The zero value has an RSA key of 2048 bits, a
// SHA-256 signature, and the default dates.
type CAOptions struct {
	Name                string // default "draftwire private CA" and four bytes of the key's hash
	SHA1                bool   // sign the CA's own certificate with SHA-1, for devices that verify it
	NotBefore, NotAfter time.Time
}

// CA is a private certification authority. A device has to be told to trust it.
type CA struct {
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

// LeafOptions say how a server's certificate is made. The zero value has an RSA key of 2048
// bits, a SHA-256 signature, and the default dates.
type LeafOptions struct {
	// Names are DNS names, which may be like "*.example.com", and IP addresses. At least
	// one is needed. The first one is also the common name, as old clients look only
	// there.
	Names []string
	// Museum makes a key of 1024 bits and a SHA-1 signature. No current browser accepts
	// them, and an attacker with enough money can forge the certificate.
	Museum              bool
	NotBefore, NotAfter time.Time
}

// Issued is a certificate, and its chain and key in PEM.
type Issued struct {
	Leaf  *x509.Certificate
	Chain []byte // the leaf, then the CA
	Key   []byte // PKCS #1, which older software can read too
}

// NewCA makes a CA.
func NewCA(o CAOptions) (*CA, error) {
	key, err := rsa.GenerateKey(rand.Reader, strongBits)
	if err != nil {
		return nil, err
	}
	t, err := template(o.NotBefore, o.NotAfter, o.SHA1)
	if err != nil {
		return nil, err
	}
	id := sha1.Sum(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	if o.Name == "" {
		o.Name = fmt.Sprintf("draftwire private CA %x", id[:4])
	}
	t.Subject = pkix.Name{CommonName: o.Name}
	t.SubjectKeyId = id[:]
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return newCA(der, key)
}

func newCA(der []byte, key crypto.PrivateKey) (*CA, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	k, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("oldtls: the key of the CA is not an RSA key")
	}
	if !cert.IsCA {
		return nil, errors.New("oldtls: the certificate does not belong to a CA")
	}
	return &CA{cert, k}, nil
}

// ReadCA reads what the methods PEM and Key of a CA have returned. The certificate and the key
// must belong together.
func ReadCA(certPEM, keyPEM []byte) (*CA, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("oldtls: CA: %w", err)
	}
	return newCA(pair.Certificate[0], pair.PrivateKey)
}

// Certificate returns the CA's certificate. The caller must not change it.
func (c *CA) Certificate() *x509.Certificate { return c.cert }

// PEM returns the CA's certificate in PEM, to be installed on devices.
func (c *CA) PEM() []byte { return certPEM(c.cert.Raw) }

// Key returns the CA's key in PEM (PKCS #1). Anybody who has it can pose as any server to the
// devices.
func (c *CA) Key() []byte { return keyPEM(c.key) }

// Issue makes a key and a certificate for a server.
func (c *CA) Issue(o LeafOptions) (*Issued, error) {
	t, err := template(o.NotBefore, o.NotAfter, o.Museum)
	if err != nil {
		return nil, err
	}
	if t.NotAfter.After(c.cert.NotAfter) {
		t.NotAfter = c.cert.NotAfter
	}
	if err := setNames(t, o.Names); err != nil {
		return nil, err
	}
	bits := strongBits
	if o.Museum {
		bits = 1024
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, err
	}
	// Key exchange by RSA needs KeyEncipherment, and old clients check that.
	t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, t, c.cert, &key.PublicKey, c.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Issued{Leaf: leaf, Chain: append(certPEM(der), c.PEM()...), Key: keyPEM(key)}, nil
}

// template returns a certificate with what a CA and a server's certificate have in common.
func template(from, to time.Time, sha1 bool) (*x509.Certificate, error) {
	if from.IsZero() {
		from = DefaultNotBefore
	}
	if to.IsZero() || to.After(LatestNotAfter) {
		to = LatestNotAfter
	}
	if !from.Before(to) {
		return nil, fmt.Errorf("oldtls: a certificate from %s to %s would never be valid", from.Format(time.DateOnly), to.Format(time.DateOnly))
	}
	// Eight bytes, as some devices keep a serial number in 64 bits.
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial.SetBit(serial, 62, 1), NotBefore: from, NotAfter: to,
		SignatureAlgorithm: x509.SHA256WithRSA,
	}
	if sha1 {
		t.SignatureAlgorithm = x509.SHA1WithRSA
	}
	return t, nil
}

// maxNames bounds the names of a certificate: some devices do not accept a chain of more than
// 8 KiB.
const maxNames = 100

func setNames(t *x509.Certificate, names []string) error {
	if len(names) == 0 || len(names) > maxNames {
		return fmt.Errorf("oldtls: a certificate can have 1 to %d names, not %d", maxNames, len(names))
	}
	for _, n := range names {
		if err := CheckName(n); err != nil {
			return err
		}
		if ip, err := netip.ParseAddr(n); err == nil {
			t.IPAddresses = append(t.IPAddresses, ip.AsSlice())
		} else {
			t.DNSNames = append(t.DNSNames, strings.ToLower(n))
		}
	}
	if len(names[0]) <= 64 { // the longest common name
		t.Subject = pkix.Name{CommonName: strings.ToLower(names[0])}
	}
	return nil
}

// CheckName reports what is wrong with a name for a certificate. A name is an IP address
// without a zone, or a host name of at most 253 ASCII bytes, whose first label may be "*".
func CheckName(name string) error {
	if ip, err := netip.ParseAddr(name); err == nil {
		if ip.Zone() != "" {
			return fmt.Errorf("oldtls: address %.60q has a zone", name)
		}
		return nil
	}
	bad := len(name) == 0 || len(name) > 253
	for i, label := range strings.Split(name, ".") {
		if i == 0 && label == "*" && strings.Contains(name, ".") {
			continue
		}
		bad = bad || len(label) == 0 || len(label) > 63 || strings.Trim(label, "-") != label
		bad = bad || strings.ContainsFunc(label, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
		})
	}
	if bad {
		return fmt.Errorf("oldtls: %.60q is neither a host name nor an IP address", name)
	}
	return nil
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func keyPEM(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

// WriteKey writes a key to a file that only its owner can read. If the file exists, WriteKey
// does not change it, and the error is fs.ErrExist.
func WriteKey(file string, key []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(key)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		os.Remove(file) // a part of a key is of no use
	}
	return err
}
