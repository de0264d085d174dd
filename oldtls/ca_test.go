package oldtls

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func leafOf(t *testing.T, i *Issued) *x509.Certificate {
	t.Helper()
	b, rest := pem.Decode(i.Chain)
	x, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if ca, end := pem.Decode(rest); ca == nil || len(end) > 0 {
		t.Error("the chain is not leaf and CA")
	}
	return x
}

func TestIssue(t *testing.T) {
	ca := theKit().ca
	for _, museum := range []bool{false, true} {
		i, err := ca.Issue(LeafOptions{Names: []string{"Box.example", "*.box.example", "192.0.2.1", "2001:db8::1"}, Museum: museum})
		if err != nil {
			t.Fatal(err)
		}
		x := leafOf(t, i)
		for _, name := range []string{"box.example", "a.box.example", "192.0.2.1", "[2001:db8::1]"} {
			if err := x.VerifyHostname(name); err != nil {
				t.Error(err)
			}
		}
		bits, alg := 2048, x509.SHA256WithRSA
		if museum {
			bits, alg = 1024, x509.SHA1WithRSA
		}
		if x.PublicKey.(*rsa.PublicKey).N.BitLen() != bits || x.SignatureAlgorithm != alg || x.Subject.CommonName != "box.example" {
			t.Errorf("museum %t: %s %s", museum, x.SignatureAlgorithm, x.Subject)
		}
		if x.NotBefore.Year() != 2010 || x.NotAfter.Unix() > 1<<31-1 || x.SerialNumber.BitLen() != 63 {
			t.Errorf("from %s to %s, serial %x", x.NotBefore, x.NotAfter, x.SerialNumber)
		}
		if x.KeyUsage&x509.KeyUsageKeyEncipherment == 0 || x.IsCA {
			t.Error("usage")
		}
		if !museum { // Go itself does not accept SHA-1
			if _, err := x.Verify(x509.VerifyOptions{Roots: theKit().roots(), DNSName: "box.example"}); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestDates(t *testing.T) {
	at := func(y int) time.Time { return time.Date(y, 5, 1, 0, 0, 0, 0, time.UTC) }
	ca, err := NewCA(CAOptions{NotBefore: at(2012), NotAfter: at(2030), SHA1: true})
	if err != nil {
		t.Fatal(err)
	}
	if x := ca.Certificate(); x.SignatureAlgorithm != x509.SHA1WithRSA || !x.NotBefore.Equal(at(2012)) || !strings.HasPrefix(x.Subject.CommonName, "draftwire private CA ") {
		t.Errorf("%s %s %s", x.SignatureAlgorithm, x.NotBefore, x.Subject)
	}
	i, err := ca.Issue(LeafOptions{Names: []string{"a"}, NotAfter: at(2050)})
	if err != nil {
		t.Fatal(err)
	}
	if x := leafOf(t, i); !x.NotAfter.Equal(at(2030)) {
		t.Errorf("the leaf outlives the CA: %s", x.NotAfter)
	}
	if _, err := ca.Issue(LeafOptions{Names: []string{"a"}, NotBefore: at(2020), NotAfter: at(2019)}); err == nil {
		t.Error("never valid, and issued")
	}
}

func TestNames(t *testing.T) {
	for name, good := range map[string]bool{
		"a.example": true, "*.example.com": true, "192.0.2.1": true, "2001:db8::1": true, "under_score.example": true,
		"": false, "*": false, "a..b": false, "a.*.b": false, "é.example": false, "-a.example": false, "a.example/x": false, "fe80::1%eth0": false, "a\x00b": false,
		strings.Repeat("a.", 127) + "ab": false, strings.Repeat("a", 64): false,
	} {
		if err := CheckName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
	ca := theKit().ca
	for _, names := range [][]string{nil, {"good", "b ad"}, make([]string, maxNames+1)} {
		if _, err := ca.Issue(LeafOptions{Names: names}); err == nil {
			t.Errorf("%q: issued", names)
		}
	}
}

func TestReadCA(t *testing.T) {
	ca := theKit().ca
	again, err := ReadCA(ca.PEM(), ca.Key())
	if err != nil || !bytes.Equal(again.PEM(), ca.PEM()) || !bytes.Equal(again.Key(), ca.Key()) {
		t.Fatalf("%v", err)
	}
	i, err := again.Issue(LeafOptions{Names: []string{"a"}})
	must(err)
	other, err := NewCA(CAOptions{})
	must(err)
	for name, c := range map[string][2][]byte{
		"a leaf": {i.Chain, i.Key}, "keys of two": {ca.PEM(), other.Key()}, "nothing": {nil, nil}, "no PEM": {[]byte("x"), []byte("y")},
	} {
		if _, err := ReadCA(c[0], c[1]); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

func TestWriteKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := WriteKey(file, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := WriteKey(file, []byte("two")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v", err)
	}
	info, err := os.Stat(file)
	must(err)
	if b, _ := os.ReadFile(file); string(b) != "one" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q, %s", b, info.Mode())
	}
}
