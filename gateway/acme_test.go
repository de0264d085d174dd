package gateway_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/gateway"
)

// A port whose ACME server cannot be reached serves all the same, and says what is wrong. What Pebble issues is a part of test/gateway.
func TestACMEUnreachable(t *testing.T) {
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := to(gateway.Policy{}, "ws://127.0.0.1:1")
	cfg.Listen[0].TLS = &gateway.TLS{Profile: "legacy", ACME: &gateway.ACME{
		Domains: []string{"tv.example.test"}, Cache: t.TempDir(), Directory: "https://127.0.0.1:1/dir",
	}}
	failed := make(chan error, 1)
	gw, err := gateway.New(cfg, gateway.Options{
		Listen: func(string) (net.Listener, error) { return front, nil },
		Hooks:  gateway.Hooks{Certificate: func(_ string, err error) { failed <- err }},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- gw.Run(bg) }()
	select {
	case err := <-failed:
		if !strings.Contains(err.Error(), "acme: tv.example.test: ") {
			t.Errorf("the hook got %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the hook was not called")
	}
	nc, err := tls.Dial("tcp", front.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: "tv.example.test"})
	if err != nil {
		t.Fatal(err)
	}
	if x := nc.ConnectionState().PeerCertificates[0]; x.VerifyHostname("tv.example.test") != nil || x.Issuer.String() != x.Subject.String() {
		t.Errorf("shown: %v of %v", x.DNSNames, x.Issuer)
	}
	nc.Close()
	// A challenge that nobody has asked for has no certificate.
	nc, err = tls.Dial("tcp", front.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: "tv.example.test", NextProtos: []string{"acme-tls/1"}})
	if err == nil {
		nc.Close()
		t.Error("a challenge was answered")
	}
	gw.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A certificate that was issued before is shown from the first handshake on: after a restart,
// an upgrade or a reload no client gets one that nobody trusts.
func TestACMEKept(t *testing.T) {
	is, err := gateway.SelfSigned("tv.example.test")
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalECPrivateKey(is.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key})
	p = append(p, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: is.Certificate[0]})...)
	if err := os.WriteFile(filepath.Join(dir, "tv.example.test"), p, 0o600); err != nil {
		t.Fatal(err)
	}
	for cache, want := range map[string]bool{dir: true, t.TempDir(): false} {
		leaf, err := gateway.FirstCertificate(&gateway.ACME{Domains: []string{"tv.example.test"}, Cache: cache})
		if err != nil || bytes.Equal(leaf, is.Certificate[0]) != want {
			t.Errorf("kept %v: %v", want, err)
		}
	}
}

// What cannot work is a fault of the configuration.
func TestACMECheck(t *testing.T) {
	good := gateway.ACME{Domains: []string{"tv.example.com"}, Cache: "/var/lib/acme"}
	for want, change := range map[string]func(*gateway.ACME){
		"":                      func(*gateway.ACME) {},
		"domains: at least one": func(a *gateway.ACME) { a.Domains = nil },
		`"*.example.com" is not the name of a host`:  func(a *gateway.ACME) { a.Domains = []string{"*.example.com"} },
		`"tv" is not the name of a host`:             func(a *gateway.ACME) { a.Domains = []string{"tv"} },
		`"tv.example.com:443" is not the name`:       func(a *gateway.ACME) { a.Domains = []string{"tv.example.com:443"} },
		"cache: it needs a folder":                   func(a *gateway.ACME) { a.Cache = "" },
		`directory: "http://ca/dir" is not an https`: func(a *gateway.ACME) { a.Directory = "http://ca/dir" },
		"ca: open /nowhere: no such file":            func(a *gateway.ACME) { a.CA = "/nowhere" },
	} {
		a := good
		change(&a)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Listen[0].TLS = &gateway.TLS{ACME: &a}
		switch err := errors.Join(cfg.Check(), cfg.CheckFiles()); {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%+v: %v, want %q", a, err, want)
		}
	}
}
