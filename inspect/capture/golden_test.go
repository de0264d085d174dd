package capture

import (
	"bytes"
	"crypto/tls"
	"embed"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// golden are captures of TLS with their keys, by the programs that their names say.
//
//go:embed testdata/tls/*.pcapng
var golden embed.FS

// goldenTalk is what both sides say in them.
var goldenTalk = [2][]string{
	{"GET /chat HTTP/1.1\r\nHost: old.example\r\n\r\n", "hello", strings.Repeat("again and ", 60), "bye"},
	{"HTTP/1.1 101 Switching Protocols\r\n\r\n", "you", strings.Repeat("and again ", 30), ""},
}

// opensslTalk is that of the captures by OpenSSL's programs, whose server says lines backwards.
var opensslTalk = [2]string{"hello\nagain\n", "olleh\nniaga\n"}

// withKeys writes a capture as pcapng with the keys in it.
func withKeys(file, keys []byte) []byte {
	order := binary.LittleEndian
	ng := append(sectionBlock(order), interfaceBlock(order, linkEthernet, 0, 9, 0)...)
	body := append(order.AppendUint32(order.AppendUint32(nil, secretsTLS), uint32(len(keys))), keys...)
	ng = append(ng, block(order, blockSecrets, body)...)
	for _, f := range framesOf(file) {
		ng = append(ng, packetBlock(order, 0, uint64(f.at.UnixNano()), f.b)...)
	}
	return ng
}

func writeGolden(t *testing.T, name string, file, keys []byte) {
	t.Helper()
	dir := filepath.Join("testdata", "tls")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".pcapng"), withKeys(file, keys), 0o644); err != nil {
		t.Fatal(err)
	}
}

// CAPTURE_GOLDEN=1 go test -run MakeGolden makes the captures anew.
func TestMakeGolden(t *testing.T) {
	if os.Getenv("CAPTURE_GOLDEN") == "" {
		t.Skip("CAPTURE_GOLDEN is not set")
	}
	for name, x := range map[string]struct{ version, suite uint16 }{
		"go-1.0-rc4":        {tls.VersionTLS10, tls.TLS_RSA_WITH_RC4_128_SHA},
		"go-1.0-3des":       {tls.VersionTLS10, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA},
		"go-1.1-cbc":        {tls.VersionTLS11, tls.TLS_RSA_WITH_AES_128_CBC_SHA},
		"go-1.2-cbc-sha256": {tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256},
		"go-1.2-gcm":        {tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
		"go-1.2-chacha":     {tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
		"go-1.3":            {tls.VersionTLS13, 0},
	} {
		var log, file bytes.Buffer
		client, server := confs(x.version, x.suite, &log)
		w := &wire{to: NewWriter(&file).Open(simpleV4)}
		speakOf(t, goldenTalk, w, client, server)
		w.to.End(w.clock.next(), FromServer, Fin)
		w.to.End(w.clock.next(), FromClient, Fin)
		writeGolden(t, name, file.Bytes(), log.Bytes())
	}
	need(t, "openssl")
	hello, again := [2]string{"hello\n", "olleh"}, [2]string{"again\n", "niaga"}
	for name, x := range map[string]struct {
		talk [][2]string
		args []string
	}{
		"openssl-1.3-chacha-key-updates": {[][2]string{hello, {"K\n", "KEYUPDATE"}, again}, []string{"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}},
		"openssl-1.2-etm-renegotiated":   {[][2]string{hello, {"R\n", "RENEGOTIATING"}, again}, []string{"-tls1_2", "-cipher", "AES128-SHA"}},
	} {
		var file bytes.Buffer
		dir := t.TempDir()
		addr, done := tap(t, opensslServer(t, dir, append([]string{"-rev", "-client_renegotiation"}, x.args...)...), NewWriter(&file).Open(simpleV4))
		log := filepath.Join(dir, "keys")
		opensslClient(t, addr, x.talk, append([]string{"-keylogfile", log}, x.args...)...)
		<-done
		keys, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		writeGolden(t, name, file.Bytes(), keys)
	}
}

// goldenFile is a golden capture, and what is said in it.
type goldenFile struct {
	name string
	file []byte
	said [2]string
}

func goldens(t testing.TB) (all []goldenFile) {
	t.Helper()
	entries, err := golden.ReadDir("testdata/tls")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		file, err := golden.ReadFile("testdata/tls/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		g := goldenFile{e.Name(), file, opensslTalk}
		if strings.HasPrefix(g.name, "go-") {
			g.said = [2]string{strings.Join(goldenTalk[0], ""), strings.Join(goldenTalk[1], "")}
		}
		all = append(all, g)
	}
	return all
}

func TestGolden(t *testing.T) {
	all := goldens(t)
	if len(all) < 9 {
		t.Fatalf("%d golden captures", len(all))
	}
	for _, g := range all {
		conns, _ := read(t, g.file, Options{})
		k := conns[0]
		if k.TLS == nil || k.TLS.Err != nil || string(k.bytes(0)) != g.said[0] || string(k.bytes(1)) != g.said[1] || len(k.notes) > 0 {
			t.Errorf("%s: %+v, %.80q, notes %q", g.name, k.TLS, k.bytes(0), k.notes)
		}
	}
}

// raw is the TCP of a golden capture: pieces, in order.
type raw struct {
	keys   *KeyLog
	pieces []rawPiece
	said   [2]string
}

type rawPiece struct {
	from Direction
	p    []byte
}

// raws takes the golden captures apart, up to TLS.
func raws(t testing.TB) (all []raw) {
	t.Helper()
	for _, g := range goldens(t) {
		x := raw{keys: new(KeyLog), said: g.said}
		p, err := openFile(bytes.NewReader(g.file), x.keys)
		if err != nil {
			t.Fatal(err)
		}
		for {
			pk, err := p.next()
			if err != nil {
				break
			}
			var s tcpSegment
			if s.tcp(pk) == isTCP && len(s.data) > 0 {
				from := FromServer
				if s.src.addrPort() == v4client {
					from = FromClient
				}
				x.pieces = append(x.pieces, rawPiece{from, bytes.Clone(s.data)})
			}
		}
		all = append(all, x)
	}
	return all
}
