package capture

import (
	"bytes"
	"crypto/hmac"
	"crypto/rc4"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// Each packet of the handshake is lost in turn: the connection opens all the same, or says why it
// does not.
func TestLostHandshake(t *testing.T) {
	talk := [2][]string{{"GET / HTTP/1.1\r\n\r\n", strings.Repeat("a long one ", 40), "and more", "bye"}, {"HTTP/1.1 101 ok\r\n\r\n", "short", "middle", "end"}}
	said := [2]string{strings.Join(talk[0], ""), strings.Join(talk[1], "")}
	for _, x := range kinds() {
		name := fmt.Sprint(versionName(x.version), " ", tls.CipherSuiteName(x.suite))
		var log, file bytes.Buffer
		client, server := confs(x.version, x.suite, &log)
		out := NewWriter(&file)
		rough := &small{to: out.Open(simpleV4)}
		speakOf(t, talk, &wire{to: rough}, client, server)
		head, packets := split(file.Bytes())
		opened := 0
		for i := 3; i < len(packets)-24; i++ {
			if _, data := payload(packets[i]); len(data) == 0 {
				continue
			}
			kept := append(append([][]byte{}, packets[:i]...), packets[i+1:]...)
			conns, _ := read(t, join(head, kept), Options{Keys: keyLog(t, log.Bytes())})
			k := conns[0]
			if k.TLS == nil {
				t.Fatalf("%s, without packet %d: not TLS", name, i)
			}
			if k.TLS.Err != nil {
				if !errors.Is(k.TLS.Err, ErrMidway) && !errors.Is(k.TLS.Err, ErrNoKey) {
					t.Errorf("%s, without packet %d: %v", name, i, k.TLS.Err)
				}
				continue
			}
			for from := range Direction(2) {
				for _, p := range k.pieces[from] {
					if !strings.Contains(said[from], string(p.data)) {
						t.Fatalf("%s, without packet %d: something that was not said", name, i)
					}
				}
				// Whatever was lost, the last word is heard.
				if last := talk[from][len(talk[from])-1]; !strings.HasSuffix(string(k.bytes(from)), last) {
					t.Errorf("%s, without packet %d: %v: %q; notes %q", name, i, from, k.bytes(from), k.notes)
				}
			}
			opened++
		}
		if opened == 0 {
			t.Errorf("%s: never opened", name)
		}
	}
}

// small cuts what is written into packets of 100 bytes, as far as the handshake goes.
type small struct {
	to Stream
	n  int
}

func (g *small) Data(at time.Time, from Direction, off int64, p []byte) {
	for len(p) > 0 {
		n := min(len(p), 100)
		if g.n > 4000 {
			n = len(p)
		}
		g.to.Data(at, from, off, p[:n])
		p, off = p[n:], off+int64(n)
		g.n += n
	}
}

func (g *small) Gap(at time.Time, from Direction, off, n int64) { g.to.Gap(at, from, off, n) }
func (g *small) End(at time.Time, from Direction, how End)      { g.to.End(at, from, how) }

func TestNotOpened(t *testing.T) {
	var log, other, file bytes.Buffer
	client, server := confs(tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA, &log)
	whole, _ := record(t, client, server)
	client, server = confs(tls.VersionTLS13, 0, &other)
	recordTo(t, NewWriter(&file), 1, client, server)
	modern := file.Bytes()

	// The right label and random number, and another secret.
	wrong := func(log []byte) *KeyLog {
		lines := strings.Split(string(log), "\n")
		for i, line := range lines {
			if f := strings.Fields(line); len(f) == 3 {
				lines[i] = strings.Join([]string{f[0], f[1], strings.Repeat("00", len(f[2])/2)}, " ")
			}
		}
		return keyLog(t, []byte(strings.Join(lines, "\n")))
	}
	only := func(log []byte, labels ...string) *KeyLog {
		var b strings.Builder
		for line := range strings.Lines(string(log)) {
			for _, l := range labels {
				if strings.HasPrefix(line, l+" ") {
					b.WriteString(line)
				}
			}
		}
		return keyLog(t, []byte(b.String()))
	}
	for name, x := range map[string]struct {
		file []byte
		o    Options
		err  error
	}{
		"no key":                    {whole, Options{}, ErrNoKey},
		"no key, 1.3":               {modern, Options{}, ErrNoKey},
		"of others":                 {whole, Options{Keys: keyLog(t, other.Bytes())}, ErrNoKey},
		"wrong key":                 {whole, Options{Keys: wrong(log.Bytes())}, ErrBadKey},
		"wrong key, 1.3":            {modern, Options{Keys: wrong(other.Bytes())}, ErrBadKey},
		"private key where no use":  {modern, Options{RSA: []*rsa.PrivateKey{identities().key}}, ErrNoKey},
		"begins behind the hello":   {skip(whole, 4), Options{Keys: keyLog(t, log.Bytes())}, ErrMidway},
		"begins behind the hello's": {skip(modern, 4), Options{Keys: keyLog(t, other.Bytes())}, ErrMidway},
		"only secrets of traffic":   {modern, Options{Keys: only(other.Bytes(), labelClientTraffic, labelServerTraffic)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			conns, _ := read(t, x.file, x.o)
			k := conns[0]
			if k.TLS == nil || !errors.Is(k.TLS.Err, x.err) {
				t.Fatalf("%+v", k.TLS)
			}
			if opened := string(k.bytes(0)) == said[0] && string(k.bytes(1)) == said[1]; opened != (x.err == nil) {
				t.Errorf("%d and %d bytes; notes %q", len(k.bytes(0)), len(k.bytes(1)), k.notes)
			}
		})
	}
	// One direction alone.
	conns, _ := read(t, modern, Options{Keys: only(other.Bytes(), labelClientHandshake, labelClientTraffic)})
	if k := conns[0]; string(k.bytes(0)) != said[0] || len(k.bytes(1)) > 0 || len(k.notes) != 1 {
		t.Errorf("%d and %d bytes; notes %q", len(k.bytes(0)), len(k.bytes(1)), k.notes)
	}
}

// skip leaves out the first packets of a file.
func skip(file []byte, n int) []byte {
	head, packets := split(file)
	return join(head, packets[n:])
}

// A handshake that fails says by which alert; an alert later is a note, and close_notify an end.
func TestAlerts(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		var log, file bytes.Buffer
		client, server := confs(version, 0, &log)
		client.InsecureSkipVerify = false // it knows no such authority
		w := &wire{to: NewWriter(&file).Open(simpleV4)}
		a, b := pair(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			s := tls.Server(&tapped{b, w, FromServer}, server)
			s.Handshake()
			io.Copy(io.Discard, b)
			b.Close()
		}()
		if err := tls.Client(&tapped{a, w, FromClient}, client).Handshake(); err == nil {
			t.Fatal("the test's client trusts everybody")
		}
		a.Close()
		<-done
		conns, _ := read(t, file.Bytes(), Options{Keys: keyLog(t, append(log.Bytes(), "CLIENT_RANDOM "+strings.Repeat("0", 64)+" "+strings.Repeat("0", 96)+"\n"...))})
		k := conns[0]
		if k.TLS == nil || !errors.Is(k.TLS.Err, ErrAlert) || !strings.Contains(k.TLS.Err.Error(), "the client says") || k.TLS.ServerName != "old.example" || k.TLS.Version != version {
			t.Errorf("%s: %+v", versionName(version), k.TLS)
		}
	}

	plain := script(simpleV4, func(s Stream, c *tick) {
		s.Data(c.next(), FromClient, 0, clientHelloRecord)
		s.Data(c.next(), FromServer, 0, []byte{recordAlert, 3, 1, 0, 2, 2, 40})
		s.End(c.next(), FromServer, Reset)
	})
	conns, _ := read(t, plain, Options{})
	if k := conns[0]; k.TLS == nil || !errors.Is(k.TLS.Err, ErrAlert) || !strings.HasSuffix(k.TLS.Err.Error(), "the server says handshake_failure") || k.how != [2]End{Reset, Reset} {
		t.Errorf("%+v, %v", k.TLS, k.how)
	}
	// Nobody answers.
	conns, _ = read(t, script(simpleV4, func(s Stream, c *tick) {
		s.Data(c.next(), FromClient, 0, clientHelloRecord)
		s.End(c.next(), FromServer, Fin)
	}), Options{})
	if k := conns[0]; k.TLS == nil || k.TLS.Err != nil || k.TLS.Version != 0 || k.how != [2]End{Cut, Fin} {
		t.Errorf("%+v, %v", k.TLS, k.how)
	}
}

// clientHelloRecord is a hello without extensions, of a client of TLS 1.0 that knows RC4.
var clientHelloRecord = append([]byte{recordHandshake, 3, 1, 0, 45, helloClient, 0, 0, 41, 3, 1}, append(make([]byte, 32), 0, 0, 2, 0, 5, 1, 0)...)

// Versions and suites that cannot be opened say so.
func TestUnknownSuites(t *testing.T) {
	for _, x := range []struct {
		version     uint16
		suite       uint16
		compression byte
		want        string
	}{
		{0x0300, 0x0005, 0, "SSL 3.0 with TLS_RSA_WITH_RC4_128_SHA"},
		{0x0303, 0xc09c, 0, "TLS 1.2 with 0xC09C"},
		{0x0303, 0x1301, 0, "TLS 1.2 with TLS_AES_128_GCM_SHA256"},
		{0x0301, 0x002f, 1, "TLS 1.0 with TLS_RSA_WITH_AES_128_CBC_SHA with compression"},
	} {
		body := append([]byte{byte(x.version >> 8), byte(x.version)}, make([]byte, 33)...)
		body = append(body, byte(x.suite>>8), byte(x.suite), x.compression)
		answer := append([]byte{recordHandshake, 3, 1, 0, byte(len(body) + 4), helloServer, 0, 0, byte(len(body))}, body...)
		conns, _ := read(t, script(simpleV4, func(s Stream, c *tick) {
			s.Data(c.next(), FromClient, 0, clientHelloRecord)
			s.Data(c.next(), FromServer, 0, answer)
		}), Options{})
		if k := conns[0]; k.TLS == nil || !errors.Is(k.TLS.Err, ErrSuite) || !strings.HasSuffix(k.TLS.Err.Error(), x.want) {
			t.Errorf("%+v, expected %s", k.TLS, x.want)
		}
	}
}

// A hello in the format of SSLv2, byte by byte: the secrets of a key log open what follows.
func TestOldHello(t *testing.T) {
	challenge := bytes.Repeat([]byte{7}, 16)
	old := append([]byte{0x80, 9 + 3 + 16, helloClient, 3, 1, 0, 3, 0, 0, 0, 16, 0, 0, 5}, challenge...)
	random := append(make([]byte, 16), challenge...)
	serverRandom := bytes.Repeat([]byte{9}, 32)
	hello := append(append([]byte{helloServer, 0, 0, 38, 3, 1}, serverRandom...), 0, 0, 5, 0)
	master := bytes.Repeat([]byte{5}, 48)

	// What the server says, encrypted by the same functions that open it: RC4 is its own inverse.
	suite := suites[0x0005]
	keys := prf(tls.VersionTLS10, &suite, master, "key expansion", append(append([]byte{}, serverRandom...), random...), 72)
	seal := func(mac, key []byte, kind byte, texts ...string) (records []byte) {
		stream, err := rc4.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range texts {
			h := hmac.New(sha1.New, mac)
			h.Write([]byte{0, 0, 0, 0, 0, 0, 0, byte(i), kind, 3, 1, 0, byte(len(text))})
			h.Write([]byte(text))
			body := h.Sum([]byte(text))
			stream.XORKeyStream(body, body)
			records = append(append(records, kind, 3, 1, 0, byte(len(body))), body...)
		}
		return records
	}
	change := []byte{recordChange, 3, 1, 0, 1, 1}
	file := script(simpleV4, func(s Stream, c *tick) {
		for i := range old {
			s.Data(c.next(), FromClient, int64(i), old[i:i+1])
		}
		answer := append([]byte{recordHandshake, 3, 1, 0, byte(len(hello))}, hello...)
		answer = append(append(answer, change...), seal(keys[20:40], keys[56:72], recordData, "hello", "you")...)
		s.Data(c.next(), FromServer, 0, answer)
		s.Data(c.next(), FromClient, int64(len(old)), append(bytes.Clone(change), seal(keys[:20], keys[40:56], recordData, "GET /")...))
	})
	log := fmt.Sprintf("CLIENT_RANDOM %x %x\n", random, master)
	conns, _ := read(t, file, Options{Keys: keyLog(t, []byte(log))})
	if k := conns[0]; k.TLS == nil || k.TLS.Err != nil || string(k.bytes(0)) != "GET /" || string(k.bytes(1)) != "helloyou" {
		t.Errorf("%+v, %q, %q", k.TLS, k.bytes(0), k.bytes(1))
	}
}
