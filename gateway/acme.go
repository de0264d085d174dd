package gateway

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/oldtls"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// issuer has the certificates of a port issued and renewed by an ACME server (RFC 8555), for
// the clients of today. It proves that the domain is ours within TLS (RFC 8737), or by a
// page on a port in clear text.
type issuer struct {
	manager *autocert.Manager
	domains []string
	certs   []*oldtls.Certificate // of the domains, in their order
	pages   http.Handler          // of challenges
	failed  func(error)
}

const (
	// lookEvery is how often an issuer looks whether a certificate was renewed.
	lookEvery = 10 * time.Second
	// retryFirst is how long it waits after a failure; each further one doubles it, up to
	// retryLast, as ACME servers bound how often one may ask.
	retryFirst = time.Minute
	retryLast  = time.Hour
)

// newIssuer returns an issuer. Its certificates are those that an earlier one has kept; as
// long as nothing has been issued they are self-signed.
func newIssuer(c *ACME, failed func(error)) (*issuer, error) {
	client := &acme.Client{DirectoryURL: c.Directory, UserAgent: "draftwire"}
	if c.CA != "" {
		roots, err := rootsOf(c.CA)
		if err != nil {
			return nil, err
		}
		client.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	}
	is := &issuer{domains: c.Domains, failed: failed, manager: &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(c.Cache), Client: client, Email: c.Email,
		HostPolicy: autocert.HostWhitelist(c.Domains...),
	}}
	is.pages = is.manager.HTTPHandler(http.NotFoundHandler())
	for _, domain := range c.Domains {
		now, err := kept(c.Cache, domain)
		if err != nil {
			now, err = selfSigned(domain)
		}
		if err != nil {
			return nil, err
		}
		cert, err := oldtls.NewCertificate(now)
		if err != nil {
			return nil, err
		}
		is.certs = append(is.certs, cert)
	}
	return is, nil
}

// rootsOf reads a file of root certificates.
func rootsOf(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM", file)
	}
	return roots, nil
}

// kept returns a domain's certificate from the folder of an autocert.Manager, which writes key
// and chain to one file. The manager judges it when it runs: it may have expired.
func kept(cache, domain string) (tls.Certificate, error) {
	pem, err := autocert.DirCache(cache).Get(context.Background(), domain)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(pem, pem)
}

// selfSigned returns a certificate that nobody trusts.
func selfSigned(domain string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	x := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: domain}, DNSNames: []string{domain},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, x, x, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// run has certificates issued and renewed until ctx ends.
func (is *issuer) run(ctx context.Context) {
	retry := retryFirst
	for {
		wait := lookEvery
		// A call of the manager may take minutes, and knows no context.
		done := make(chan error, 1)
		go func() { done <- is.refresh(ctx) }()
		select {
		case <-ctx.Done():
			return
		case err := <-done:
			if err != nil {
				is.failed(err)
				wait, retry = retry, min(2*retry, retryLast)
			} else {
				retry = retryFirst
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// refresh takes what the manager has got for each domain.
func (is *issuer) refresh(ctx context.Context) error {
	var errs []error
	for i, domain := range is.domains {
		if ctx.Err() != nil {
			return nil
		}
		got, err := is.manager.GetCertificate(today(domain))
		if err == nil && !bytes.Equal(got.Certificate[0], is.certs[i].Leaf().Raw) {
			err = is.certs[i].Replace(*got)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("acme: %s: %w", domain, err))
		}
	}
	return errors.Join(errs...)
}

// today returns a hello of a client of today, which can use an ECDSA key.
func today(domain string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName: domain, SupportedVersions: []uint16{tls.VersionTLS13, tls.VersionTLS12},
		CipherSuites:     []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		SupportedCurves:  []tls.CurveID{tls.X25519, tls.CurveP256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
	}
}

// serve lets cfg answer the ACME server, which asks in a handshake of its own.
func (is *issuer) serve(cfg *tls.Config) {
	others := cfg.GetConfigForClient
	challenge := &tls.Config{GetCertificate: is.manager.GetCertificate, NextProtos: []string{acme.ALPNProto}, MinVersion: tls.VersionTLS12}
	cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Equal(hello.SupportedProtos, challenge.NextProtos) {
			return challenge, nil
		}
		return others(hello)
	}
}

// challengePath is where an ACME server looks for the proof in clear text (RFC 8555 8.3).
const challengePath = "/.well-known/acme-challenge/"

// answerChallenge answers an ACME server that looks at a domain of any port. It reports
// whether the request was one.
func (g *Gateway) answerChallenge(w http.ResponseWriter, r *http.Request) bool {
	if r.TLS != nil || r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, challengePath) {
		return false
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	g.mu.Lock()
	ports := g.ports
	g.mu.Unlock()
	for _, p := range ports {
		if p.issuer != nil && slices.Contains(p.issuer.domains, strings.ToLower(host)) {
			plain := *r
			plain.Host = host // the manager knows domains, and no port
			p.issuer.pages.ServeHTTP(w, &plain)
			return true
		}
	}
	return false
}
