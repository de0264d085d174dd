package main

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// certJSON runs the cert command and reads what it says.
func certJSON(t *testing.T, args ...string) (r certResult, stderr string) {
	t.Helper()
	code, out, err := call(t, "", append([]string{"cert", "legacy", "--json"}, args...)...)
	if code != 0 {
		t.Fatalf("%q: exit %d, %s", args, code, err)
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r, err
}

func leafOf(t *testing.T, cert, key string) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func contents(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCert(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	r, said := certJSON(t, "kiosk.example", "192.0.2.7", "--dir", dir)
	if !r.CAMade || r.Museum || said != "" || r.Cert != filepath.Join(dir, "kiosk.example.pem") || r.CA != filepath.Join(dir, "ca.pem") {
		t.Errorf("%+v, %s", r, said)
	}
	x := leafOf(t, r.Cert, r.Key)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(contents(t, r.CA))
	for _, name := range []string{"kiosk.example", "192.0.2.7"} {
		if _, err := x.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Error(err)
		}
	}
	if x.NotBefore.Year() != 2010 || x.NotAfter.Year() != 2037 || !x.NotAfter.Equal(r.NotAfter) {
		t.Errorf("from %s to %s", x.NotBefore, x.NotAfter)
	}
	for _, file := range []string{r.Key, r.CAKey} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, info.Mode(), err)
		}
	}

	// The root stays, a key stays without --force.
	ca, key := contents(t, r.CA), contents(t, r.Key)
	code, out, err := call(t, "", "cert", "legacy", "kiosk.example", "--dir", dir)
	if code != exitFailure || out != "" || !strings.Contains(err, "--force") || !bytes.Equal(contents(t, r.Key), key) {
		t.Errorf("exit %d, %s", code, err)
	}
	again, said := certJSON(t, "--dir", dir, "--force", "--museum", "--days", "30", "kiosk.example")
	if again.CAMade || !again.Museum || !bytes.Equal(contents(t, r.CA), ca) || bytes.Equal(contents(t, r.Key), key) {
		t.Errorf("%+v", again)
	}
	if strings.Count(said, "warning") != 2 {
		t.Errorf("said %s", said)
	}
	x = leafOf(t, r.Cert, r.Key)
	if d := time.Until(x.NotAfter); d > 31*24*time.Hour || d < 29*24*time.Hour || x.PublicKey.(*rsa.PublicKey).N.BitLen() != 1024 || x.SignatureAlgorithm != x509.SHA1WithRSA {
		t.Errorf("%s, %s", x.NotAfter, x.SignatureAlgorithm)
	}
}

func TestCertText(t *testing.T) {
	dir := t.TempDir()
	code, out, err := call(t, "", "cert", "legacy", "*.tv.example", "::1", "--museum", "--dir", dir)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 4 || strings.Count(err, "warning") != 1 {
		t.Fatalf("exit %d, %s, %s", code, out, err)
	}
	for i, want := range []string{`ca\.pem +a new root: install`, `ca-key\.pem +its key: keep it secret`, `_\.tv\.example\.pem +for the server: certificate for \*\.tv\.example, ::1, from 2010-01-01 to 2037-12-31`, `_\.tv\.example-key\.pem +for the server`} {
		if !regexp.MustCompile(want).MatchString(lines[i]) {
			t.Errorf("%q lacks %s", lines[i], want)
		}
	}
}

func TestCertRefuses(t *testing.T) {
	dir := t.TempDir()
	halfRoot := t.TempDir()
	os.WriteFile(filepath.Join(halfRoot, "ca.pem"), nil, 0o600)
	badRoot := t.TempDir()
	os.WriteFile(filepath.Join(badRoot, "ca.pem"), []byte("a"), 0o600)
	os.WriteFile(filepath.Join(badRoot, "ca-key.pem"), []byte("b"), 0o600)
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "is missing", []string{"legacy"}},
		{exitUsage, "is missing", nil},
		{exitUsage, "there is only legacy", []string{"modern", "a.example"}},
		{exitUsage, "neither a host name", []string{"legacy", "a/b"}},
		{exitUsage, "--days", []string{"legacy", "a.example", "--days", "0"}},
		{exitUsage, "root's file name", []string{"legacy", "ca", "--dir", dir}},
		{exitUsage, "root's file name", []string{"legacy", "ca-key", "--dir", dir}},
		{exitFailure, "has no", []string{"legacy", "a.example", "--dir", halfRoot}},
		{exitFailure, "cannot be used as a root", []string{"legacy", "a.example", "--dir", badRoot}},
	} {
		code, out, err := call(t, "", append([]string{"cert"}, c.args...)...)
		if code != c.code || out != "" || !strings.Contains(err, c.want) || strings.Count(err, "\n") != 1 {
			t.Errorf("%q: exit %d, %q, %q", c.args, code, out, err)
		}
	}
	for _, d := range []string{dir, halfRoot, badRoot} {
		if left, _ := filepath.Glob(filepath.Join(d, "a.example*")); left != nil {
			t.Errorf("written: %q", left)
		}
	}
}

// From the cert command to a client of TLS 1.0.
func TestTLSProfile(t *testing.T) {
	r, _ := certJSON(t, "kiosk.example", "127.0.0.1", "--dir", t.TempDir())
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(contents(t, r.CA))
	old := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}
	for profile, level := range map[string]string{"modern": "", "legacy": "info", "museum": "warning"} {
		url, server := serveOn(t, "--tls-profile", profile, "--tls-cert", r.Cert, "--tls-key", r.Key)
		addr := strings.TrimPrefix(url, "ws://")
		for _, c := range []struct {
			conf *tls.Config
			in   bool
		}{{old, profile != "modern"}, {&tls.Config{RootCAs: roots}, true}} {
			conn, err := tls.Dial("tcp", addr, c.conf)
			if (err == nil) != c.in {
				t.Errorf("%s: %v", profile, err)
			}
			if err == nil {
				conn.Close()
			}
		}
		if conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: x509.NewCertPool()}); err == nil {
			conn.Close()
			t.Errorf("%s: a client without the root came in", profile)
		}
		server.err.await(t, `"detail":"the client refused the certificate: bad certificate".*"hint":"install the root.*"reason":"tls"`)
		if profile == "modern" {
			server.err.await(t, `"detail":"[^"]*profile legacy would accept it; it offers TLS 1.0 with TLS_RSA_WITH_AES_128_CBC_SHA".*"reason":"tls_version"`)
		}
		server.stop(t)
		warned := regexp.MustCompile(`"level":"(\w+)","msg":"old clients get`).FindStringSubmatch(server.err.String())
		if level == "" && warned != nil || level != "" && (warned == nil || warned[1] != level) {
			t.Errorf("%s: warned %q\n%s", profile, warned, server.err)
		}
	}
}

func TestTLSProfileUsage(t *testing.T) {
	cert, key := certificate(t)
	for _, c := range []struct {
		want string
		args []string
	}{
		{"not one of modern, legacy, museum", []string{"--tls-profile", "ancient"}},
		{"needs --tls-cert", []string{"--tls-profile", "legacy"}},
		{"go together", []string{"--tls-cert", cert}},
		{"go together", []string{"--tls-cert", cert, "--tls-key", key, "--tls-cert", cert}},
		{"--tls-cert: ", []string{"--tls-cert", key, "--tls-key", key}},
	} {
		if code, _, err := call(t, "", append([]string{"serve"}, c.args...)...); code != exitUsage || !strings.Contains(err, c.want) {
			t.Errorf("%q: exit %d, %s", c.args, code, err)
		}
	}
}
