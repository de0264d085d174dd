package oldtls_test

import (
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"

	"github.com/draftwire/draftwire/oldtls"
)

// pair issues a certificate for a host, ready to be used.
func pair(ca *oldtls.CA, name string) (*oldtls.Certificate, error) {
	issued, err := ca.Issue(oldtls.LeafOptions{Names: []string{name}})
	if err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(issued.Chain, issued.Key)
	if err != nil {
		return nil, err
	}
	return oldtls.NewCertificate(c)
}

// An old and a new client with one configuration.
func ExampleOptions() {
	ca, err := oldtls.NewCA(oldtls.CAOptions{Name: "our devices"})
	if err != nil {
		log.Fatal(err)
	}
	cert, err := pair(ca, "kiosk.example")
	if err != nil {
		log.Fatal(err)
	}
	server, err := oldtls.Options{
		Profile: oldtls.Legacy, Certificates: []*oldtls.Certificate{cert},
		Seen: func(h oldtls.Hello) { fmt.Println(h) },
	}.Config()
	if err != nil {
		log.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS10} {
		c, s := net.Pipe()
		go tls.Client(c, &tls.Config{
			MinVersion: tls.VersionTLS10, MaxVersion: version, InsecureSkipVerify: true,
			CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
		}).Handshake()
		if err := tls.Server(s, server).Handshake(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// TLS 1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 (modern)
	// TLS 1.0 TLS_RSA_WITH_AES_128_CBC_SHA (legacy)
}

func ExampleProfile() {
	for _, name := range []string{"modern", "legacy", "museum"} {
		p, err := oldtls.ParseProfile(name)
		fmt.Println(p, p.Warning() != "", err)
	}
	// Output:
	// modern false <nil>
	// legacy true <nil>
	// museum true <nil>
}

func ExampleHello() {
	fmt.Println(oldtls.Hello{Version: tls.VersionTLS10, Suite: tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, Profile: oldtls.Legacy})
	// Output: TLS 1.0 TLS_RSA_WITH_3DES_EDE_CBC_SHA (legacy)
}

// A hello in the format of SSLv2, and the error for the log.
func ExampleHelloError() {
	first := "\x80\x31\x01\x03\x01\x00\x06\x00\x00\x00\x20\x00\x00\x2f\x00\x00\x0a"
	if err, ok := oldtls.SSLv2Hello([]byte(first)); ok {
		fmt.Println(err)
	}
	// Output: oldtls: the client's hello shares no version with profile modern; it has the format of SSLv2; it offers TLS 1.0 with TLS_RSA_WITH_AES_128_CBC_SHA, TLS_RSA_WITH_3DES_EDE_CBC_SHA
}

func ExampleMiss() {
	fmt.Println(oldtls.MissVersion, oldtls.MissSuite, oldtls.MissCertificate)
	// Output: version suite certificate
}

// Files that are read again when they change.
func ExampleCertificate() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ca, _ := oldtls.NewCA(oldtls.CAOptions{})
	issued, _ := ca.Issue(oldtls.LeafOptions{Names: []string{"kiosk.example"}})
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	os.WriteFile(cert, issued.Chain, 0o644)
	if err := oldtls.WriteKey(key, issued.Key); err != nil {
		log.Fatal(err)
	}
	c, err := oldtls.LoadFiles(cert, key, func(err error) { log.Print(err) })
	if err != nil {
		log.Fatal(err)
	}
	if _, err := oldtls.Config(oldtls.Legacy, []*oldtls.Certificate{c}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Leaf().DNSNames)
	// Output: [kiosk.example]
}

func ExampleCA() {
	ca, err := oldtls.NewCA(oldtls.CAOptions{Name: "our devices"})
	if err != nil {
		log.Fatal(err)
	}
	same, err := oldtls.ReadCA(ca.PEM(), ca.Key())
	fmt.Println(same.Certificate().Subject, err)
	// Output: CN=our devices <nil>
}

func ExampleCAOptions() {
	ca, _ := oldtls.NewCA(oldtls.CAOptions{SHA1: true})
	fmt.Println(ca.Certificate().SignatureAlgorithm, ca.Certificate().NotAfter.Year())
	// Output: SHA1-RSA 2037
}

func ExampleLeafOptions() {
	ca, _ := oldtls.NewCA(oldtls.CAOptions{})
	_, err := ca.Issue(oldtls.LeafOptions{Names: []string{"kiosk.example", "192.0.2.7"}})
	fmt.Println(err)
	_, err = ca.Issue(oldtls.LeafOptions{Names: []string{"kiosk example"}})
	fmt.Println(err)
	// Output:
	// <nil>
	// oldtls: "kiosk example" is neither a host name nor an IP address
}

func ExampleIssued() {
	ca, _ := oldtls.NewCA(oldtls.CAOptions{})
	i, _ := ca.Issue(oldtls.LeafOptions{Names: []string{"kiosk.example"}})
	_, err := tls.X509KeyPair(i.Chain, i.Key)
	fmt.Println(err)
	// Output: <nil>
}
