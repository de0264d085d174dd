package oldtls

import (
	"crypto/tls"
	"strings"
	"testing"
)

func TestProfile(t *testing.T) {
	for in, want := range map[string]Profile{"": Modern, "modern": Modern, " Legacy": Legacy, "MUSEUM": Museum} {
		if got, err := ParseProfile(in); err != nil || got != want {
			t.Errorf("%q: %s, %v", in, got, err)
		}
	}
	p := Legacy
	if err := p.UnmarshalText([]byte("ancient")); err == nil || p != Legacy || !strings.Contains(err.Error(), "modern, legacy, museum") {
		t.Errorf("%s, %v", p, err)
	}
	if b, err := Museum.MarshalText(); string(b) != "museum" || err != nil || Profile(7).String() != "profile 7" {
		t.Errorf("%s %v %s", b, err, Profile(7))
	}
	if Modern.Warning() != "" || Legacy.Warning() == "" || !strings.Contains(Museum.Warning(), "RC4") || strings.Contains(Museum.Warning(), "\n") {
		t.Error("warnings")
	}
}

// The old suites that each profile has.
func TestSuites(t *testing.T) {
	for _, p := range []Profile{Modern, Legacy, Museum} {
		rsaKeys, des, rc4 := 0, 0, 0
		for _, id := range suitesOf(p, true) {
			name := tls.CipherSuiteName(id)
			switch {
			case strings.Contains(name, "RC4"):
				rc4++
			case strings.Contains(name, "3DES"):
				des++
			case strings.HasPrefix(name, "TLS_RSA_"):
				rsaKeys++
			}
		}
		if (rsaKeys > 0) != (p >= Legacy) || (des > 0) != (p >= Legacy) || (rc4 > 0) != (p == Museum) {
			t.Errorf("%s: %d RSA, %d 3DES, %d RC4", p, rsaKeys, des, rc4)
		}
		for _, id := range suitesOf(p, false) {
			if strings.Contains(tls.CipherSuiteName(id), "ECDHE") {
				t.Errorf("%s: %s among the unsigned", p, tls.CipherSuiteName(id))
			}
		}
	}
}

func TestHelloError(t *testing.T) {
	e := &HelloError{Miss: MissSuite, Profile: Legacy, Needs: Museum, Versions: []uint16{0x3a3a, tls.VersionTLS10}, Suites: []uint16{0x2a2a, rsaRC4, 0x39, 0xc0ff}, ServerName: "\x1b"}
	const want = "oldtls: the client's hello shares no suite with profile legacy; profile museum would accept it; it offers TLS 1.0 with TLS_RSA_WITH_RC4_128_SHA, TLS_DHE_RSA_WITH_AES_256_CBC_SHA, 0xC0FF"
	if e.Error() != want || e.Reason() != "tls_suite" {
		t.Errorf("%s: %s", e.Reason(), e)
	}
	if m := []string{MissVersion.String(), MissSuite.String(), MissCertificate.String(), Miss(0).String()}; strings.Join(m, " ") != "version suite certificate unknown" {
		t.Errorf("%q", m)
	}
	if h := (Hello{Version: tls.VersionTLS10, Suite: rsaAES, Profile: Legacy, SNI: "\x1b"}); h.String() != "TLS 1.0 TLS_RSA_WITH_AES_128_CBC_SHA (legacy)" {
		t.Errorf("%s", h)
	}
}

func TestSSLv2Hello(t *testing.T) {
	// The hello of OpenSSL 0.9.8: TLS 1.0 in the format of SSLv2.
	const openssl = "\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" +
		"\x00\x00\x39\x00\x00\x35\x07\x00\xc0\x00\x00\x33\x00\x00\x2f\x00\x00\x0a\x00\x00\x05" + "0123456789abcdef"
	e, ok := SSLv2Hello([]byte(openssl))
	if !ok || !e.SSLv2 || len(e.Versions) != 1 || e.Versions[0] != tls.VersionTLS10 || len(e.Suites) != 6 || e.Suites[3] != rsaAES {
		t.Fatalf("%+v %t", e, ok)
	}
	if !contains(e.Error(), "SSLv2", "TLS 1.0 with TLS_DHE_RSA_WITH_AES_256_CBC_SHA, TLS_RSA_WITH_AES_256_CBC_SHA") {
		t.Error(e)
	}
	for n := range len(openssl) {
		if _, ok := SSLv2Hello([]byte(openssl[:n])); ok != (n >= 5) {
			t.Errorf("%d bytes: %t", n, ok)
		}
	}
	for _, no := range []string{"\x16\x03\x01\x00\x05", "GET /", "\x80\x2e\x02\x03\x01", "\x80\x2e\x01\x07\x01", "\x80\x02\x01\x03\x01", "\x80\x2e\x01\x00\x03"} {
		if _, ok := SSLv2Hello([]byte(no)); ok {
			t.Errorf("%q is taken for a hello", no)
		}
	}
	if e, ok := SSLv2Hello([]byte("\x80\x1c\x01\x00\x02\x00\x03\x00\x00\x00\x10\x07\x00\xc0")); !ok || len(e.Versions) != 0 || len(e.Suites) != 0 || !contains(e.Error(), "nothing above SSL 3.0") {
		t.Errorf("SSLv2 alone: %v %t", e, ok)
	}
	// Our alerts are those of crypto/tls.
	conf, err := Config(Museum, theKit().all())
	must(err)
	if out, _ := play(conf, []byte(openssl)); string(out) != SSLv2Alert {
		t.Errorf("crypto/tls answers %q", out)
	}
}
