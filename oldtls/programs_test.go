package oldtls

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait for a program.
const patience = 20 * time.Second

// counter is a listener to which the programs connect. It does handshakes and tells how each
// one ended.
type counter struct {
	addr string
	seen chan Hello
	errs chan error
}

// open starts a counter with that profile.
func open(t *testing.T, p Profile) *counter {
	t.Helper()
	c := &counter{seen: make(chan Hello, 64), errs: make(chan error, 64)}
	conf, err := Options{Profile: p, Certificates: theKit().all(), Seen: func(h Hello) { c.seen <- h }}.Config()
	must(err)
	l := listen(t)
	c.addr = l.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			c.serve(nc, conf)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return c
}

func (c *counter) serve(nc net.Conn, conf *tls.Config) {
	nc.SetDeadline(time.Now().Add(patience))
	s := tls.Server(nc, conf)
	err := s.Handshake()
	if err == nil {
		s.Write([]byte("welcome\n"))
	}
	s.Close()
	c.errs <- err
}

// visit runs a program against the counter and returns what the server saw.
func (c *counter) visit(t *testing.T, program string, args ...string) (h Hello, said string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	// The settings of the distribution would forbid what is tested here.
	cmd.Env = append(os.Environ(), "OPENSSL_CONF=/dev/null", "GNUTLS_SYSTEM_PRIORITY_FILE=/dev/null")
	_, err = cmd.StdinPipe() // open until the server ends the connection
	must(err)
	out, _ := cmd.CombinedOutput()
	select {
	case err := <-c.errs:
		if err != nil {
			return Hello{}, string(out), err
		}
		return <-c.seen, string(out), nil
	case <-ctx.Done():
		t.Fatalf("%s did not connect:\n%s", program, out)
		return Hello{}, "", nil
	}
}

func program(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not here (Debian package %s)", name, pkg)
	}
	return path
}

func rootFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	must(os.WriteFile(file, theKit().ca.PEM(), 0o600))
	return file
}

// result is what a program gets from a profile; suite 0 is a refusal.
type result struct {
	version, suite uint16
	profile        Profile
	key            string // the suite as the program names it
}

var refused = result{}

// OpenSSL with all its remaining old suites, without 3DES and RC4.
func TestOpenSSL(t *testing.T) {
	openssl := program(t, "openssl", "openssl")
	roots := rootFile(t)
	modern13 := result{tls.VersionTLS13, 0, Modern, "id-ecPublicKey"}
	modern12 := result{tls.VersionTLS12, ecdsaGCM, Modern, "id-ecPublicKey"}
	for _, c := range []struct {
		name string
		args string
		want [3]result
	}{
		{"TLS 1.3", "-tls1_3", [3]result{modern13, modern13, modern13}},
		{"whatever is best, old suites offered", "-cipher ALL:COMPLEMENTOFALL:@SECLEVEL=0", [3]result{modern13, modern13, modern13}},
		{"TLS 1.2", "-tls1_2 -cipher ECDHE+AESGCM", [3]result{
			{tls.VersionTLS12, 0, Modern, "id-ecPublicKey"}, {tls.VersionTLS12, 0, Modern, "id-ecPublicKey"}, {tls.VersionTLS12, 0, Modern, "id-ecPublicKey"}}},
		{"TLS 1.2, old suites first", "-tls1_2 -cipher AES128-SHA:ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0", [3]result{modern12, modern12, modern12}},
		{"TLS 1.2, RSA-AES-SHA256", "-tls1_2 -cipher AES128-SHA256:@SECLEVEL=0", [3]result{refused,
			{tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA256, Legacy, "rsaEncryption"}, {tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA256, Legacy, "rsaEncryption"}}},
		{"TLS 1.1, RSA-AES", "-tls1_1 -cipher AES256-SHA:@SECLEVEL=0", [3]result{refused,
			{tls.VersionTLS11, tls.TLS_RSA_WITH_AES_256_CBC_SHA, Legacy, "rsaEncryption"}, {tls.VersionTLS11, tls.TLS_RSA_WITH_AES_256_CBC_SHA, Legacy, "rsaEncryption"}}},
		{"TLS 1.0, ECDHE-AES", "-tls1 -cipher ECDHE-RSA-AES128-SHA:@SECLEVEL=0", [3]result{refused,
			{tls.VersionTLS10, ecdheAES, Legacy, "rsaEncryption"}, {tls.VersionTLS10, ecdheAES, Legacy, "rsaEncryption"}}},
		{"TLS 1.0, RSA-AES128", "-tls1 -cipher AES128-SHA:@SECLEVEL=0", [3]result{refused,
			{tls.VersionTLS10, rsaAES, Legacy, "rsaEncryption"}, {tls.VersionTLS10, rsaAES, Legacy, "rsaEncryption"}}},
		{"TLS 1.0, no name", "-noservername -tls1 -cipher AES128-SHA:@SECLEVEL=0", [3]result{refused,
			{tls.VersionTLS10, rsaAES, Legacy, "2048 bit"}, {tls.VersionTLS10, rsaAES, Legacy, "1024 bit"}}},
		{"TLS 1.0, DHE alone", "-tls1 -cipher DHE-RSA-AES128-SHA:@SECLEVEL=0", [3]result{refused, refused, refused}},
	} {
		for p, want := range c.want {
			t.Run(c.name+"/"+Profile(p).String(), func(t *testing.T) {
				at := open(t, Profile(p))
				args := append([]string{"s_client", "-connect", at.addr, "-CAfile", roots, "-verify_return_error"}, strings.Fields(c.args)...)
				if !strings.Contains(c.args, "-noservername") {
					args = append(args, "-servername", "one.example")
				}
				check(t, at, want, openssl, args...)
			})
		}
	}
}

// GnuTLS still has 3DES and RC4.
func TestGnuTLS(t *testing.T) {
	gnutls := program(t, "gnutls-cli", "gnutls-bin")
	roots := rootFile(t)
	const old = "NONE:+VERS-TLS1.0:+RSA:+SHA1:+MD5:+COMP-NULL:+SIGN-ALL:+GROUP-ALL:%VERIFY_ALLOW_SIGN_WITH_SHA1"
	modern := result{tls.VersionTLS13, 0, Modern, "EC/ECDSA"}
	for _, c := range []struct {
		name, priority string
		want           [3]result
	}{
		{"today", "NORMAL", [3]result{modern, modern, modern}},
		{"TLS 1.0 RSA-3DES", old + ":+3DES-CBC", [3]result{refused, {tls.VersionTLS10, rsa3DES, Legacy, "RSA"}, {tls.VersionTLS10, rsa3DES, Legacy, "RSA"}}},
		{"TLS 1.0 RSA-RC4", old + ":+ARCFOUR-128", [3]result{refused, refused, {tls.VersionTLS10, rsaRC4, Museum, "RSA"}}},
		{"TLS 1.0 RC4 before 3DES", old + ":+ARCFOUR-128:+3DES-CBC", [3]result{refused, {tls.VersionTLS10, rsa3DES, Legacy, "RSA"}, {tls.VersionTLS10, rsa3DES, Legacy, "RSA"}}},
	} {
		for p, want := range c.want {
			t.Run(c.name+"/"+Profile(p).String(), func(t *testing.T) {
				at := open(t, Profile(p))
				host, port, _ := net.SplitHostPort(at.addr)
				check(t, at, want, gnutls, host, "--port", port, "--sni-hostname", "one.example", "--verify-hostname", "one.example", "--x509cafile", roots, "--priority", c.priority)
			})
		}
	}
}

func check(t *testing.T, c *counter, want result, program string, args ...string) {
	t.Helper()
	h, said, err := c.visit(t, program, args...)
	if want == refused {
		if _, ok := errors.AsType[*HelloError](err); !ok {
			t.Errorf("got %v, %v\n%s", h, err, said)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if h.Version != want.version || want.suite != 0 && h.Suite != want.suite || h.Profile != want.profile || !strings.Contains(said, want.key) {
		t.Errorf("got %s, want %s %s (%s) and a key %s\n%s", h, tls.VersionName(want.version), tls.CipherSuiteName(want.suite), want.profile, want.key, said)
	}
	if !strings.Contains(said, "welcome") {
		t.Errorf("what was sent did not arrive:\n%s", said)
	}
}
