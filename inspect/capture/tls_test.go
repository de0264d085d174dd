package capture

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// wire records what goes over a connection, and writes it as a capture.
type wire struct {
	mu    sync.Mutex
	to    Stream
	clock tick
	sent  [2]int64
}

func (w *wire) write(from Direction, p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to.Data(w.clock.next(), from, w.sent[from], p)
	w.sent[from] += int64(len(p))
}

// tapped is an end of a connection that tells of what is written to it.
type tapped struct {
	net.Conn
	w    *wire
	from Direction
}

func (t *tapped) Write(p []byte) (int, error) {
	t.w.write(t.from, p)
	return t.Conn.Write(p)
}

// pair is a connection in memory whose writes do not wait for reads.
func pair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// identities are two certificates for the tests.
var identities = sync.OnceValue(func() (ids struct {
	rsa, ecdsa tls.Certificate
	key        *rsa.PrivateKey
}) {
	make := func(key any, public any) tls.Certificate {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"old.example"}, NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
		if err != nil {
			panic(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	var err error
	if ids.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(err)
	}
	ids.rsa = make(ids.key, &ids.key.PublicKey)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	ids.ecdsa = make(ec, &ec.PublicKey)
	return ids
})

// talk is what both sides say in a test: in turns, the client first.
var talk = [2][]string{
	{"GET / HTTP/1.1\r\n\r\n", strings.Repeat("a long one ", 4000), "bye"},
	{"HTTP/1.1 101 ok\r\n\r\n", strings.Repeat("another one ", 3000), ""},
}

// speak plays a connection of TLS over a wire.
func speak(t testing.TB, w *wire, clientConf, serverConf *tls.Config) (state tls.ConnectionState) {
	t.Helper()
	return speakOf(t, talk, w, clientConf, serverConf)
}

func speakOf(t testing.TB, talk [2][]string, w *wire, clientConf, serverConf *tls.Config) (state tls.ConnectionState) {
	t.Helper()
	a, b := pair(t)
	client, server := tls.Client(&tapped{a, w, FromClient}, clientConf), tls.Server(&tapped{b, w, FromServer}, serverConf)
	done := make(chan error, 1)
	go func() {
		done <- func() error {
			for i, says := range talk[FromServer] {
				buf := make([]byte, len(talk[FromClient][i]))
				if _, err := io.ReadFull(server, buf); err != nil {
					return err
				}
				if _, err := io.WriteString(server, says); err != nil {
					return err
				}
			}
			return server.Close()
		}()
	}()
	for i, says := range talk[FromClient] {
		if _, err := io.WriteString(client, says); err != nil {
			t.Fatalf("client: %v", err)
		}
		buf := make([]byte, len(talk[FromServer][i]))
		if _, err := io.ReadFull(client, buf); err != nil {
			t.Fatalf("client: %v", err)
		}
	}
	if err := <-done; err != nil {
		t.Fatalf("server: %v", err)
	}
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("client: %v", err)
	}
	state = client.ConnectionState()
	client.Close()
	return state
}

var said = [2]string{strings.Join(talk[0], ""), strings.Join(talk[1], "")}

// confs are a client's and a server's settings for a version and a suite.
func confs(version, suite uint16, log io.Writer) (client, server *tls.Config) {
	client = &tls.Config{InsecureSkipVerify: true, ServerName: "old.example", MinVersion: version, MaxVersion: version, NextProtos: []string{"http/1.1"}, KeyLogWriter: log}
	server = &tls.Config{MinVersion: version, MaxVersion: version, NextProtos: []string{"http/1.1"}, Certificates: []tls.Certificate{identities().rsa, identities().ecdsa}}
	if suite != 0 {
		client.CipherSuites, server.CipherSuites = []uint16{suite}, []uint16{suite}
	}
	return client, server
}

func keyLog(t testing.TB, text []byte) *KeyLog {
	t.Helper()
	k, err := ReadKeyLog(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// record plays a connection and returns the capture.
func record(t testing.TB, clientConf, serverConf *tls.Config) ([]byte, tls.ConnectionState) {
	t.Helper()
	var file bytes.Buffer
	state := recordTo(t, NewWriter(&file), 1, clientConf, serverConf)
	return file.Bytes(), state
}

func recordTo(t testing.TB, out *Writer, number int, clientConf, serverConf *tls.Config) tls.ConnectionState {
	t.Helper()
	w := &wire{to: out.Open(Conn{Client: v4client, Server: v4server, Number: number})}
	state := speak(t, w, clientConf, serverConf)
	w.to.End(w.clock.next(), FromServer, Fin)
	w.to.End(w.clock.next(), FromClient, Fin)
	return state
}

func wantOpened(t testing.TB, k *taken, state tls.ConnectionState) {
	t.Helper()
	if k.TLS == nil || k.TLS.Err != nil {
		t.Fatalf("TLS is %+v", k.TLS)
	}
	want := TLS{Version: state.Version, Suite: state.CipherSuite, ServerName: "old.example", ALPN: state.NegotiatedProtocol, Resumed: state.DidResume}
	if *k.TLS != want {
		t.Errorf("got %+v, expected %+v", *k.TLS, want)
	}
	for from := range Direction(2) {
		if got := string(k.bytes(from)); got != said[from] {
			t.Errorf("%v: %d bytes, expected %d; they differ at %d", from, len(got), len(said[from]), differ([]byte(got), []byte(said[from])))
		}
	}
	if k.how != [2]End{Fin, Fin} || len(k.notes) > 0 {
		t.Errorf("ends %v, notes %q", k.how, k.notes)
	}
}

// kinds are all versions with all suites that Go speaks.
func kinds() (all []struct{ version, suite uint16 }) {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		for _, v := range s.SupportedVersions {
			if v == tls.VersionTLS13 {
				continue
			}
			all = append(all, struct{ version, suite uint16 }{v, s.ID})
		}
	}
	return append(all, struct{ version, suite uint16 }{tls.VersionTLS13, 0})
}

func TestEachSuite(t *testing.T) {
	for _, x := range kinds() {
		t.Run(fmt.Sprint(versionName(x.version), " ", tls.CipherSuiteName(x.suite)), func(t *testing.T) {
			var log bytes.Buffer
			file, state := record(t, first(confs(x.version, x.suite, &log)), second(confs(x.version, x.suite, nil)))
			conns, _ := read(t, file, Options{Keys: keyLog(t, log.Bytes())})
			wantOpened(t, conns[0], state)
			if strings.HasPrefix(tls.CipherSuiteName(x.suite), "TLS_RSA_") { // and by the private key
				conns, _ = read(t, file, Options{RSA: []*rsa.PrivateKey{identities().key}})
				wantOpened(t, conns[0], state)
			}
			conns, _ = read(t, file, Options{})
			if k := conns[0]; !errors.Is(k.TLS.Err, ErrNoKey) || len(k.bytes(0))+len(k.bytes(1)) > 0 {
				t.Errorf("without a key: %+v", k.TLS)
			}
		})
	}
}

func first[A, B any](a A, _ B) A  { return a }
func second[A, B any](_ A, b B) B { return b }

// Sessions are resumed by tickets, in TLS 1.2 and 1.3.
func TestResumed(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS12, tls.VersionTLS13} {
		for _, byRSA := range []bool{false, true} {
			if byRSA && version == tls.VersionTLS13 {
				continue
			}
			var log, file bytes.Buffer
			suite := uint16(0)
			if byRSA {
				suite = tls.TLS_RSA_WITH_AES_128_CBC_SHA
			}
			client, server := confs(version, suite, &log)
			client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
			out := NewWriter(&file)
			states := []tls.ConnectionState{recordTo(t, out, 1, client, server), recordTo(t, out, 2, client, server)}
			if !states[1].DidResume {
				t.Fatal("the test does not resume")
			}
			o := Options{Keys: keyLog(t, log.Bytes())}
			if byRSA {
				o = Options{RSA: []*rsa.PrivateKey{identities().key}}
			}
			conns, _ := read(t, file.Bytes(), o)
			if len(conns) != 2 {
				t.Fatalf("%d connections", len(conns))
			}
			for i, k := range conns {
				wantOpened(t, k, states[i])
			}
		}
	}
}

// Records go over any borders of segments, and through any order of them.
func TestRecordsInPieces(t *testing.T) {
	for seed := range uint64(20) {
		r := mrand.New(mrand.NewPCG(seed, 2))
		x := kinds()[r.IntN(len(kinds()))]
		var log, file bytes.Buffer
		client, server := confs(x.version, x.suite, &log)
		out := NewWriter(&file)
		rough := &roughen{r: r, to: out.Open(Conn{Client: v4client, Server: v4server, Number: 1})}
		state := speak(t, &wire{to: rough}, client, server)
		rough.to.End(epoch, FromServer, Fin)
		rough.to.End(epoch, FromClient, Fin)
		conns, _ := read(t, file.Bytes(), Options{Keys: keyLog(t, log.Bytes())})
		wantOpened(t, conns[0], state)
	}
}

// roughen cuts what is written, and writes parts of it twice and out of order.
type roughen struct {
	r  *mrand.Rand
	to Stream
}

func (g *roughen) Data(at time.Time, from Direction, off int64, p []byte) {
	type part struct {
		off int64
		p   []byte
	}
	var parts []part
	most := []int{3, 100, 1400}[g.r.IntN(3)]
	if len(p) > 500 {
		most = 1400
	}
	for len(p) > 0 {
		n := 1 + g.r.IntN(min(len(p), most))
		parts = append(parts, part{off, p[:n]})
		if g.r.IntN(4) == 0 {
			parts = append(parts, part{off, p[:1+g.r.IntN(len(p))]})
		}
		p, off = p[n:], off+int64(n)
	}
	for i := 0; i+3 < len(parts); i += 3 {
		g.r.Shuffle(3, func(a, b int) { parts[i+a], parts[i+b] = parts[i+b], parts[i+a] })
	}
	for _, x := range parts {
		g.to.Data(at, from, x.off, x.p)
	}
}

func (g *roughen) Gap(at time.Time, from Direction, off, n int64) { g.to.Gap(at, from, off, n) }
func (g *roughen) End(at time.Time, from Direction, how End)      { g.to.End(at, from, how) }

// Where packets are lost, what comes behind them is found again, and what is missing becomes a
// gap: of the right size, where the suite tells how long a record's plaintext is.
func TestLostRecords(t *testing.T) {
	r := mrand.New(mrand.NewPCG(3, 3))
	var talk [2][]string
	for range 60 {
		for from := range talk {
			talk[from] = append(talk[from], string(text(r, 1+r.IntN(900))))
		}
	}
	said := [2]string{strings.Join(talk[0], ""), strings.Join(talk[1], "")}
	for _, x := range kinds() {
		name := fmt.Sprint(versionName(x.version), " ", tls.CipherSuiteName(x.suite))
		var log, file bytes.Buffer
		client, server := confs(x.version, x.suite, &log)
		out := NewWriter(&file)
		speakOf(t, talk, &wire{to: out.Open(simpleV4)}, client, server)
		head, packets := split(file.Bytes())
		keys := keyLog(t, log.Bytes())
		exact := !strings.Contains(name, "CBC") && !strings.Contains(name, "3DES")
		for round := range 3 {
			var kept [][]byte
			for i, p := range packets {
				// The handshake is whole, and so is the end, which shows what was lost before it.
				if _, data := payload(p); i > 40 && i < len(packets)-20 && len(data) > 0 && r.IntN(10) == 0 {
					continue
				}
				kept = append(kept, p)
			}
			conns, _ := read(t, join(head, kept), Options{Keys: keys})
			k := conns[0]
			if k.TLS == nil || k.TLS.Err != nil {
				t.Fatalf("%s: %+v", name, k.TLS)
			}
			for from := range Direction(2) {
				given, at := 0, 0
				for _, p := range k.pieces[from] {
					given += len(p.data)
					if p.gap > 0 {
						continue
					}
					if exact && said[from][p.off:p.off+int64(len(p.data))] != string(p.data) {
						t.Fatalf("%s, round %d: %v: other bytes at %d", name, round, from, p.off)
					}
					n := strings.Index(said[from][at:], string(p.data))
					if n < 0 {
						t.Fatalf("%s: %v: something that was not said, or not then", name, from)
					}
					at += n + len(p.data)
				}
				if given < len(said[from])*6/10 || at != len(said[from]) {
					t.Fatalf("%s, round %d: %v: %d bytes of %d, the last at %d; notes %q", name, round, from, given, len(said[from]), at, k.notes)
				}
				if exact && k.at[from] != int64(len(said[from])) {
					t.Errorf("%s: %v: %d bytes with gaps, expected %d", name, from, k.at[from], len(said[from]))
				}
			}
		}
	}
}
