package oldtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
)

const (
	rsaAES   = tls.TLS_RSA_WITH_AES_128_CBC_SHA
	rsa3DES  = tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA
	rsaRC4   = tls.TLS_RSA_WITH_RC4_128_SHA
	rsaGCM   = tls.TLS_RSA_WITH_AES_128_GCM_SHA256
	ecdheAES = tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
	ecdheGCM = tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	ecdsaGCM = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	ecdsaAES = tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
)

// clients are hellos of several ages, and what each profile answers: the version, the suite
// and the certificate, or what is missing.
type answer struct {
	version, suite uint16
	cert           string
	profile        Profile
	miss           Miss
	needs          Profile
}

func no(m Miss, needs Profile) answer { return answer{miss: m, needs: needs} }

func yes(v, suite uint16, cert string, p Profile) answer {
	return answer{version: v, suite: suite, cert: cert, profile: p}
}

func one(a answer) [3]answer { return [3]answer{a, a, a} }

var generations = []struct {
	name     string
	min, max uint16
	suites   []uint16
	sni      string
	want     [3]answer // for modern, legacy and museum
}{
	{"TLS 1.3", 0, tls.VersionTLS13, nil, "one.example", one(yes(tls.VersionTLS13, 0, "ecdsa", Modern))},
	{"TLS 1.3 without a name", 0, tls.VersionTLS13, nil, "", one(yes(tls.VersionTLS13, 0, "ecdsa", Modern))},
	{"TLS 1.3 for another name", 0, tls.VersionTLS13, nil, "two.example", one(yes(tls.VersionTLS13, 0, "two", Modern))},
	{"TLS 1.2", 0, tls.VersionTLS12, nil, "one.example", one(yes(tls.VersionTLS12, ecdsaGCM, "ecdsa", Modern))},
	{"TLS 1.2 for nobody's name", 0, tls.VersionTLS12, nil, "three.example", one(yes(tls.VersionTLS12, ecdsaGCM, "ecdsa", Modern))},
	{"TLS 1.2 with old suites too", tls.VersionTLS10, tls.VersionTLS12, []uint16{rsaRC4, rsa3DES, rsaAES, rsaGCM, ecdheGCM}, "one.example",
		one(yes(tls.VersionTLS12, ecdheGCM, "rsa", Modern))},
	{"TLS 1.3 with old suites too", tls.VersionTLS10, tls.VersionTLS13, []uint16{rsaRC4, rsa3DES, rsaAES}, "one.example",
		one(yes(tls.VersionTLS13, 0, "ecdsa", Modern))},
	{"TLS 1.2, RSA alone", 0, tls.VersionTLS12, []uint16{rsaGCM, rsaAES, rsaRC4}, "one.example",
		[3]answer{no(MissSuite, Legacy), yes(tls.VersionTLS12, rsaGCM, "rsa", Legacy), yes(tls.VersionTLS12, rsaGCM, "rsa", Legacy)}},
	{"TLS 1.1", tls.VersionTLS10, tls.VersionTLS11, []uint16{ecdheAES, rsaAES}, "one.example",
		[3]answer{no(MissVersion, Legacy), yes(tls.VersionTLS11, ecdheAES, "rsa", Legacy), yes(tls.VersionTLS11, ecdheAES, "rsa", Legacy)}},
	{"TLS 1.0 with ECDSA", tls.VersionTLS10, tls.VersionTLS10, []uint16{ecdheAES, ecdsaAES, rsaAES}, "one.example",
		[3]answer{no(MissVersion, Legacy), yes(tls.VersionTLS10, ecdsaAES, "ecdsa", Legacy), yes(tls.VersionTLS10, ecdsaAES, "ecdsa", Legacy)}},
	{"TLS 1.0, RSA", tls.VersionTLS10, tls.VersionTLS10, []uint16{rsaAES, rsa3DES, rsaRC4}, "one.example",
		[3]answer{no(MissVersion, Legacy), yes(tls.VersionTLS10, rsaAES, "rsa", Legacy), yes(tls.VersionTLS10, rsaAES, "rsa", Legacy)}},
	{"TLS 1.0, 3DES", tls.VersionTLS10, tls.VersionTLS10, []uint16{rsa3DES, rsaRC4}, "two.example",
		[3]answer{no(MissVersion, Legacy), yes(tls.VersionTLS10, rsa3DES, "two", Legacy), yes(tls.VersionTLS10, rsa3DES, "two", Legacy)}},
	{"TLS 1.0, RC4", tls.VersionTLS10, tls.VersionTLS10, []uint16{rsaRC4}, "one.example",
		[3]answer{no(MissVersion, Museum), no(MissSuite, Museum), yes(tls.VersionTLS10, rsaRC4, "rsa", Museum)}},
	{"TLS 1.2, RC4", 0, tls.VersionTLS12, []uint16{rsaRC4}, "one.example",
		[3]answer{no(MissSuite, Museum), no(MissSuite, Museum), yes(tls.VersionTLS12, rsaRC4, "rsa", Museum)}},
}

func TestGenerations(t *testing.T) {
	k := theKit()
	for _, g := range generations {
		for p, want := range g.want {
			t.Run(g.name+"/"+Profile(p).String(), func(t *testing.T) {
				m := meet(t, Options{Profile: Profile(p), Certificates: k.all()}, &tls.Config{
					MinVersion: g.min, MaxVersion: g.max, CipherSuites: g.suites, ServerName: g.sni, InsecureSkipVerify: true,
				})
				if want.miss != 0 {
					he, ok := errors.AsType[*HelloError](m.serverErr)
					if !ok || he.Miss != want.miss || he.Needs != want.needs || he.Profile != Profile(p) || he.ServerName != g.sni {
						t.Fatalf("server: %v; want no %s, needs %s", m.serverErr, want.miss, want.needs)
					}
					if len(m.seen) != 0 || m.clientErr == nil {
						t.Errorf("seen %v, client %v", m.seen, m.clientErr)
					}
					if told := strings.TrimPrefix(tls.AlertError(want.miss.alert()).Error(), "tls: "); m.clientErr == nil || !strings.HasSuffix(m.clientErr.Error(), told) {
						t.Errorf("the client was told %v", m.clientErr)
					}
					return
				}
				if m.serverErr != nil || m.clientErr != nil {
					t.Fatalf("server: %v, client: %v", m.serverErr, m.clientErr)
				}
				s := m.client
				if s.Version != want.version || want.suite != 0 && s.CipherSuite != want.suite || k.shown(s) != want.cert {
					t.Errorf("got %s %s %s", tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite), k.shown(s))
				}
				if h := (Hello{Version: s.Version, Suite: s.CipherSuite, Profile: want.profile, SNI: g.sni}); len(m.seen) != 1 || m.seen[0] != h {
					t.Errorf("seen %+v, want %+v", m.seen, h)
				}
			})
		}
	}
}

// A device without SNI and curves gets the weak chain with Museum, and with no other profile.
func TestWeakChain(t *testing.T) {
	k := theKit()
	old := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: []uint16{rsaAES}, InsecureSkipVerify: true}
	for _, c := range []struct {
		profile Profile
		certs   []*Certificate
		want    string
	}{
		{Legacy, k.all(), "rsa"}, {Museum, k.all(), "rsa"}, // Go's client names curves
		{Legacy, []*Certificate{k.ecdsa, k.weak}, "weak"}, {Legacy, []*Certificate{k.weak, k.rsa}, "rsa"},
	} {
		if m := meet(t, Options{Profile: c.profile, Certificates: c.certs}, old); k.shown(m.client) != c.want {
			t.Errorf("%s: got %s, want %s (%v)", c.profile, k.shown(m.client), c.want, m.serverErr)
		}
	}
}

// choose with hellos that Go's client does not send.
func TestChoose(t *testing.T) {
	k := theKit()
	v12, v10 := []uint16{tls.VersionTLS12, tls.VersionTLS11, tls.VersionTLS10}, []uint16{tls.VersionTLS10}
	p256, sha256, sha1 := []tls.CurveID{tls.CurveP256}, []tls.SignatureScheme{tls.PKCS1WithSHA256}, []tls.SignatureScheme{tls.PKCS1WithSHA1, tls.ECDSAWithSHA1}
	for _, c := range []struct {
		name    string
		chi     tls.ClientHelloInfo
		most    Profile
		profile Profile
		signed  bool
		cert    *Certificate
		miss    Miss
	}{
		{"bare in a museum", tls.ClientHelloInfo{SupportedVersions: v10, CipherSuites: []uint16{rsaAES}}, Museum, Legacy, false, k.weak, 0},
		{"bare elsewhere", tls.ClientHelloInfo{SupportedVersions: v10, CipherSuites: []uint16{rsaAES}}, Legacy, Legacy, false, k.rsa, 0},
		{"a name, but no curves", tls.ClientHelloInfo{SupportedVersions: v10, CipherSuites: []uint16{rsaAES}, ServerName: "one.example"}, Museum, Legacy, false, k.rsa, 0},
		{"SHA-1 alone", tls.ClientHelloInfo{SupportedVersions: v12, CipherSuites: []uint16{ecdheGCM, rsaAES}, SupportedCurves: p256, SignatureSchemes: sha1}, Legacy, Legacy, false, k.weak, 0},
		{"no schemes", tls.ClientHelloInfo{SupportedVersions: v12, CipherSuites: []uint16{ecdheGCM, rsaAES}, SupportedCurves: p256}, Legacy, Legacy, false, k.rsa, 0},
		{"SHA-1 alone, signed alone", tls.ClientHelloInfo{SupportedVersions: v12, CipherSuites: []uint16{ecdheGCM}, SupportedCurves: p256, SignatureSchemes: sha1}, Museum, 0, false, nil, MissCertificate},
		{"ECDHE without our curves", tls.ClientHelloInfo{SupportedVersions: v12, CipherSuites: []uint16{ecdheGCM, rsaAES}, SupportedCurves: []tls.CurveID{22}, SignatureSchemes: sha256}, Legacy, Legacy, false, k.rsa, 0},
		{"compressed points alone", tls.ClientHelloInfo{SupportedVersions: v12, CipherSuites: []uint16{ecdheGCM, rsaAES}, SupportedCurves: p256, SupportedPoints: []uint8{1}, SignatureSchemes: sha256}, Legacy, Legacy, false, k.rsa, 0},
		{"ECDSA on another curve", tls.ClientHelloInfo{SupportedVersions: v12, CipherSuites: []uint16{ecdsaGCM, ecdheGCM}, SupportedCurves: []tls.CurveID{tls.CurveP384}, SignatureSchemes: append(sha256, tls.ECDSAWithP256AndSHA256)}, Legacy, Modern, true, k.rsa, 0},
		{"SSL 3.0", tls.ClientHelloInfo{CipherSuites: []uint16{rsaAES}}, Museum, 0, false, nil, MissVersion},
		{"GREASE", tls.ClientHelloInfo{SupportedVersions: []uint16{0x7a7a, tls.VersionTLS10}, CipherSuites: []uint16{0x1a1a, rsaAES}, ServerName: "two.example"}, Legacy, Legacy, false, k.two, 0},
		{"DHE alone", tls.ClientHelloInfo{SupportedVersions: v10, CipherSuites: []uint16{0x33, 0x39}}, Museum, 0, false, nil, MissSuite},
		{"GCM below TLS 1.2", tls.ClientHelloInfo{SupportedVersions: v10, CipherSuites: []uint16{rsaGCM}}, Museum, 0, false, nil, MissSuite},
		{"nothing", tls.ClientHelloInfo{SupportedVersions: v12}, Museum, 0, false, nil, MissSuite},
	} {
		s := server{profile: c.most, certs: k.all()}
		o, pairs := read(&c.chi), s.pairs()
		got, miss := choose(&o, pairs, c.most)
		if miss != c.miss {
			t.Errorf("%s: missed %s", c.name, miss)
			continue
		}
		if miss == 0 && (got.profile != c.profile || got.signed != c.signed || got.pair != c.cert.pair()) {
			t.Errorf("%s: %s, signed %t, certificate %s weak %t", c.name, got.profile, got.signed, got.pair.leaf.Subject, got.pair.weak)
		}
	}
}

// A client under attack: its own hello offers TLS 1.3, but the hello that arrives offers
// less. The client finds the mark and ends the handshake (RFC 8446 4.1.3). A client that says
// that it fell back is refused (RFC 7507 3).
func TestPushedDown(t *testing.T) {
	conf, err := Config(Museum, theKit().all())
	must(err)
	first := hello(0x0302, []uint16{rsaAES}, nil)
	out, _ := play(conf, first)
	const mark = "DOWNGRD\x00" // RFC 8446 4.1.3
	if !contains(string(out), mark) {
		t.Errorf("no mark in %q", out)
	}
	out, _ = play(conf, hello(0x0302, []uint16{rsaAES, 0x5600}, nil))
	if !contains(string(out), "\x15\x03\x02\x00\x02\x02\x56") { // inappropriate fallback
		t.Errorf("a client that fell back was answered %q", out)
	}
}

func TestConfigErrors(t *testing.T) {
	k := theKit()
	for name, o := range map[string]Options{
		"no certificate":       {},
		"a nil one":            {Certificates: []*Certificate{nil}},
		"no such profile":      {Profile: 9, Certificates: k.all()},
		"two choices":          {Certificates: k.all(), Base: &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }}},
		"certificates in base": {Certificates: k.all(), Base: &tls.Config{Certificates: []tls.Certificate{{}}}},
	} {
		if c, err := o.Config(); err == nil || c != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewCertificate(tls.Certificate{}); err == nil {
		t.Error("a certificate without a chain")
	}
}

// The settings in the base hold for old clients too.
func TestBase(t *testing.T) {
	k := theKit()
	refuse := errors.New("not today")
	base := &tls.Config{NextProtos: []string{"h2", "http/1.1"}, VerifyConnection: func(tls.ConnectionState) error { return refuse }}
	old := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: []uint16{rsaAES}, RootCAs: k.roots(), ServerName: "one.example"}
	if m := meet(t, Options{Profile: Legacy, Certificates: k.all(), Base: base}, old); !errors.Is(m.serverErr, refuse) || len(m.seen) != 0 {
		t.Errorf("%v, seen %v", m.serverErr, m.seen)
	}
	base.VerifyConnection = nil
	base.ClientAuth, base.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if m := meet(t, Options{Profile: Legacy, Certificates: k.all(), Base: base}, old); m.serverErr == nil {
		t.Error("an old client came in without a certificate of its own")
	}
	base.ClientAuth = tls.NoClientCert
	for proto, client := range map[string]*tls.Config{"h2": {RootCAs: k.roots(), ServerName: "one.example"}, "http/1.1": old} {
		client = client.Clone()
		client.NextProtos = []string{"h2", "http/1.1"}
		m := meet(t, Options{Profile: Legacy, Certificates: k.all(), Base: base}, client)
		if m.clientErr != nil || m.client.NegotiatedProtocol != proto {
			t.Errorf("got %q, want %q (%v)", m.client.NegotiatedProtocol, proto, m.clientErr)
		}
	}
	if !slices.Equal(base.NextProtos, []string{"h2", "http/1.1"}) {
		t.Errorf("the base was changed: %q", base.NextProtos)
	}
}

func TestResumed(t *testing.T) {
	k := theKit()
	var seen []Hello
	conf, err := Options{Profile: Legacy, Certificates: k.all(), Seen: func(h Hello) { seen = append(seen, h) }}.Config()
	must(err)
	client := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: []uint16{rsaAES}, RootCAs: k.roots(), ServerName: "one.example", ClientSessionCache: tls.NewLRUClientSessionCache(2)}
	for range 2 {
		if m := handshake(new(met), conf, client); m.clientErr != nil {
			t.Fatal(m.clientErr)
		}
	}
	if len(seen) != 2 || seen[0].Resumed || !seen[1].Resumed || seen[1].Profile != Legacy {
		t.Fatalf("%+v", seen)
	}
	// A session with old settings cannot be resumed with a modern hello.
	client.MaxVersion, client.CipherSuites = tls.VersionTLS12, nil
	if m := handshake(new(met), conf, client); m.clientErr != nil || seen[2].Resumed || seen[2].Profile != Modern {
		t.Errorf("%v, %+v", m.clientErr, seen)
	}
}
