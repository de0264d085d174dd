package oldtls

import (
	"bytes"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// written writes an issued pair to files.
func written(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	i, err := theKit().ca.Issue(LeafOptions{Names: []string{name}})
	must(err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(os.WriteFile(cert, i.Chain, 0o600))
	must(os.WriteFile(key, i.Key, 0o600))
	return cert, key
}

func TestReload(t *testing.T) {
	theKit()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		cert, key := written(t, dir, "one.example")
		var failed []error
		c, err := LoadFiles(cert, key, func(err error) { failed = append(failed, err) })
		if err != nil {
			t.Fatal(err)
		}
		want := func(when, name string, failures int) {
			t.Helper()
			if got := c.Leaf().Subject.CommonName; got != name || len(failed) != failures {
				t.Errorf("%s: %s, failed %v", when, got, failed)
			}
		}
		written(t, dir, "another.example")
		want("at once", "one.example", 0)
		time.Sleep(CheckEvery)
		want("after the interval", "another.example", 0)

		must(os.WriteFile(cert, []byte("half a fi"), 0o600))
		for range 3 {
			time.Sleep(CheckEvery)
			want("while it is written", "another.example", 1)
		}
		must(os.Remove(key))
		time.Sleep(CheckEvery)
		want("without a key", "another.example", 2)
		written(t, dir, "third.example")
		time.Sleep(CheckEvery)
		want("when it is whole again", "third.example", 2)
	})
}

// If a file is cut anywhere, while it is written or because the disk is full, the old pair
// stays in use and failed is called. When the files are whole, they are used.
func TestReloadOfCutFiles(t *testing.T) {
	theKit()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		cert, key := written(t, dir, "one.example")
		failed := 0
		c, err := LoadFiles(cert, key, func(error) { failed++ })
		must(err)
		look := func() *pair {
			time.Sleep(CheckEvery)
			return c.pair()
		}
		before, told := c.pair(), 0
		written(t, dir, "another.example")
		for _, file := range []string{cert, key} {
			whole, err := os.ReadFile(file)
			must(err)
			for n := range len(whole) - len("-----END CERTIFICATE-----") {
				if bytes.HasSuffix(bytes.TrimSpace(whole[:n]), []byte("-----END CERTIFICATE-----")) {
					continue // a chain can end there
				}
				must(os.WriteFile(file, whole[:n], 0o600))
				must(os.Chtimes(file, time.Time{}, time.Unix(int64(n), 0))) // each is a further change
				told++
				if got := look(); got != before || failed != told {
					t.Fatalf("%d of %d bytes of %s: it serves %s, and told of %d of %d", n, len(whole), file, got.leaf.Subject.CommonName, failed, told)
				}
			}
			must(os.WriteFile(file, whole, 0o600))
		}
		if got := look(); got.leaf.Subject.CommonName != "another.example" || failed != told {
			t.Errorf("when they are whole: %s, failed %d", got.leaf.Subject.CommonName, failed-told)
		}
	})
}

// A link that is moved to a file with the same time and size is noticed.
func TestReloadThroughLink(t *testing.T) {
	theKit()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		age := time.Now().Add(-time.Hour)
		for _, sub := range []string{"aaa.example", "bbb.example"} {
			must(os.Mkdir(filepath.Join(dir, sub), 0o700))
			cert, key := written(t, filepath.Join(dir, sub), sub)
			must(os.Chtimes(cert, age, age))
			must(os.Chtimes(key, age, age))
		}
		link := filepath.Join(dir, "now")
		must(os.Symlink("aaa.example", link))
		c, err := LoadFiles(filepath.Join(link, "cert.pem"), filepath.Join(link, "key.pem"), nil)
		must(err)
		must(os.Remove(link))
		must(os.Symlink("bbb.example", link))
		time.Sleep(CheckEvery)
		if got := c.Leaf().Subject.CommonName; got != "bbb.example" {
			t.Error(got)
		}
	})
}

func TestLoadFilesErrors(t *testing.T) {
	dir := t.TempDir()
	cert, key := written(t, dir, "one.example")
	for _, c := range [][2]string{{cert, cert}, {key, key}, {filepath.Join(dir, "none"), key}} {
		if got, err := LoadFiles(c[0], c[1], nil); err == nil || got != nil || !contains(err.Error(), c[0]) {
			t.Errorf("%q: %v", c, err)
		}
	}
}

// Many handshakes check files that keep changing: one at a time reads them, and each gets a
// whole pair.
func TestReloadAtOnce(t *testing.T) {
	theKit()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		cert, key := written(t, dir, "one.example")
		failed := 0
		c, err := LoadFiles(cert, key, func(error) { failed++ })
		must(err)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 20 {
					time.Sleep(CheckEvery / 2)
					if p := c.pair(); !p.leaf.Equal(p.tls.Leaf) {
						t.Error("half a pair")
					}
				}
			})
		}
		for i := range 4 {
			time.Sleep(2 * CheckEvery)
			// Writing a file in place is two changes, one when it is truncated
			// and one when it is filled. Renaming a file is one change, whatever
			// handshake comes in between.
			next := key + ".next"
			must(os.WriteFile(next, make([]byte, i), 0o600))
			must(os.Rename(next, key))
		}
		all.Wait()
		if failed != 4 {
			t.Errorf("failed %d times", failed)
		}
	})
}

// Reread does not wait for the next check, and fails as long as the files are wrong.
func TestReread(t *testing.T) {
	theKit()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		cert, key := written(t, dir, "one.example")
		c, err := LoadFiles(cert, key, func(err error) { t.Error(err) })
		must(err)
		old := c.Leaf()
		must(c.Reread())
		must(os.WriteFile(key, nil, 0o600))
		for range 2 {
			if c.Reread() == nil || c.Leaf() != old {
				t.Error("a wrong key is taken")
			}
		}
		written(t, dir, "two.example")
		must(c.Reread())
		if c.Leaf() == old {
			t.Error("still the old certificate")
		}
		if c, err = NewCertificate(*c.pair().tls); err != nil || c.Reread() != nil {
			t.Error("a certificate without files", err)
		}
	})
}

// A new certificate is used from the next handshake on.
func TestReloadIsServed(t *testing.T) {
	theKit()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		cert, key := written(t, dir, "one.example")
		c, err := LoadFiles(cert, key, nil)
		must(err)
		conf, err := Config(Legacy, []*Certificate{c})
		must(err)
		client := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: []uint16{rsaAES}, InsecureSkipVerify: true}
		name := func() string {
			m := handshake(new(met), conf, client)
			if m.clientErr != nil {
				t.Fatal(m.clientErr)
			}
			return m.client.PeerCertificates[0].Subject.CommonName
		}
		first := name()
		written(t, dir, "new.example")
		time.Sleep(CheckEvery)
		if second := name(); first != "one.example" || second != "new.example" {
			t.Errorf("%s, then %s", first, second)
		}
	})
}

func TestNewCertificateErrors(t *testing.T) {
	der := theKit().ca.cert.Raw
	_, edKey, err := ed25519.GenerateKey(nil)
	must(err)
	for name, c := range map[string]tls.Certificate{
		"no key":   {Certificate: [][]byte{der}},
		"no DER":   {Certificate: [][]byte{{1}}, PrivateKey: edKey},
		"half DER": {Certificate: [][]byte{der, der[:9]}, PrivateKey: edKey},
	} {
		if _, err := NewCertificate(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if p, err := newPair(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: edKey}); err != nil || p.kind != keyEd25519 {
		t.Error(err)
	}
	if curves[elliptic.P224().Params().Name] != 0 {
		t.Error("P-224 is served")
	}
}

// The signature of a root does not make a chain weak, that of a leaf does.
func TestWeak(t *testing.T) {
	k := theKit()
	for c, want := range map[*Certificate]bool{k.rsa: false, k.ecdsa: false, k.weak: true} {
		if got := c.pair().weak; got != want {
			t.Errorf("%s: %t", c.Leaf().SignatureAlgorithm, got)
		}
	}
	ca, err := NewCA(CAOptions{SHA1: true})
	must(err)
	i, err := ca.Issue(LeafOptions{Names: []string{"a"}})
	must(err)
	pair, err := tls.X509KeyPair(i.Chain, i.Key)
	must(err)
	if p, err := newPair(pair); err != nil || p.weak || ca.cert.SignatureAlgorithm != x509.SHA1WithRSA {
		t.Errorf("%v, weak %t", err, p.weak)
	}
}
