package draftwire_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
)

// The clients of this file are bytes written by hand, from the drafts and not
// from this module's code. One server on one port takes them all, plain and
// over TLS, beside ordinary HTTP, Flash policy requests and rubbish.

// A legacy is a client version as bytes.
type legacy struct {
	head   string // up to and with the blank line
	key3   string // behind it
	begins string // of the response
	has    []string
	answer string // behind the response head
	text   func(s string) []byte
	echo   func(s string) []byte // the same from the server
	binary func(s string) []byte
	bback  func(s string) []byte
	ping   func() []byte
	pong   []byte
	parts  func() []byte // text "Hello world" in three frames, a ping in between
	close  func() []byte
	closed []byte            // the server's answer
	learn  func(head string) // from the response, what the frames need
}

const wsKey = "dGhlIHNhbXBsZSBub25jZQ==" // with the accept s3pPLMBiTxaQ9kYGzzhZRbK+xOo=

// hello is a text frame 00 ... FF.
func hixieText(s string) []byte { return append(append([]byte{0x00}, s...), 0xFF) }

// frame is a length-prefixed frame; with a mask where the client sends it.
func frame(b0 byte, s string, masked bool) []byte {
	mask := [4]byte{0x37, 0xFA, 0x21, 0x3D}
	b1 := byte(0)
	if masked {
		b1 = 0x80
	}
	var out []byte
	switch n := len(s); {
	case n <= 125:
		out = []byte{b0, b1 | byte(n)}
	case n <= 65535:
		out = []byte{b0, b1 | 126, byte(n >> 8), byte(n)}
	default:
		out = []byte{b0, b1 | 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	}
	if !masked {
		return append(out, s...)
	}
	out = append(out, mask[:]...)
	for i := range len(s) {
		out = append(out, s[i]^mask[i%4])
	}
	return out
}

func framed(version, originField string) legacy {
	in := func(b0 byte) func(string) []byte { return func(s string) []byte { return frame(b0, s, true) } }
	out := func(b0 byte) func(string) []byte { return func(s string) []byte { return frame(b0, s, false) } }
	return legacy{
		head: "GET /chat?a=b HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + wsKey +
			"\r\n" + originField + ": http://HOST\r\nSec-WebSocket-Protocol: other, sample\r\nSec-WebSocket-Version: " + version + "\r\n\r\n",
		begins: "HTTP/1.1 101 Switching Protocols\r\n",
		has: []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
			"Sec-WebSocket-Protocol: sample"},
		text: in(0x81), echo: out(0x81), binary: in(0x82), bback: out(0x82),
		ping: func() []byte { return frame(0x89, "p", true) }, pong: frame(0x8A, "p", false),
		parts: func() []byte {
			return bytes.Join([][]byte{frame(0x01, "Hello", true), frame(0x89, "p", true), frame(0x00, "", true), frame(0x80, " world", true)}, nil)
		},
		close: func() []byte { return frame(0x88, "\x03\xe8bye", true) }, closed: frame(0x88, "\x03\xe8", false),
	}
}

// old is a frame of hybi-01 to hybi-06 in clear: the opcodes of that time.
func old(b0 byte, s string) []byte { return frame(b0, s, false) }

// hidden4 is a client frame of hybi-05 and 06: the mask, then all under it.
func hidden4(b0 byte, s string) []byte {
	mask := []byte{0x37, 0xFA, 0x21, 0x3D}
	return append(slices.Clone(mask), xored(old(b0, s), mask)...)
}

// hidden20 is a client frame of hybi-04, for the connection's key: the server's
// nonce is random, so the key is only known once it has answered.
func hidden20(key *[]byte) func(b0 byte, s string) []byte {
	return func(b0 byte, s string) []byte {
		nonce := []byte("ABCD")
		mask := sha1.Sum(append(slices.Clone(nonce), *key...))
		return append(nonce, xored(old(b0, s), mask[:])...)
	}
}

func xored(p, mask []byte) []byte {
	out := make([]byte, len(p))
	for i := range p {
		out[i] = p[i] ^ mask[i%len(mask)]
	}
	return out
}

// early is a version of hybi-04 to 06; in is how its client frames.
func early(version string, in func(b0 byte, s string) []byte, closeIn, closeOut string) legacy {
	l := framed(version, "Sec-WebSocket-Origin")
	l.frames(in, 0x80, 0x00)
	l.close, l.closed = func() []byte { return in(0x81, closeIn) }, old(0x81, closeOut)
	return l
}

// frames sets what is said in the opcodes of hybi-01 to 06; last and more are
// the first bit of a frame that ends a message, and of one that does not.
func (l *legacy) frames(in func(b0 byte, s string) []byte, last, more byte) {
	l.text = func(s string) []byte { return in(last|4, s) }
	l.echo = func(s string) []byte { return old(last|4, s) }
	l.binary = func(s string) []byte { return in(last|5, s) }
	l.bback = func(s string) []byte { return old(last|5, s) }
	l.ping, l.pong = func() []byte { return in(last|2, "p") }, old(last|3, "p")
	l.parts = func() []byte {
		return bytes.Join([][]byte{in(more|4, "Hello"), in(last|2, "p"), in(more, ""), in(last, " world")}, nil)
	}
}

func hybi02() legacy {
	l := legacy{
		head: "GET /chat?a=b HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n" +
			"Sec-WebSocket-Protocol: other sample\r\nSec-WebSocket-Draft: 2\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://HOST\r\n\r\n",
		key3: "^n:ds[4U", answer: "8jKS'y:G*Co,Wxa-",
		begins: "HTTP/1.1 101 ",
		has: []string{"Upgrade: WebSocket", "Connection: Upgrade", "Sec-WebSocket-Origin: http://HOST",
			"Sec-WebSocket-Location: WS://HOST/chat?a=b", "Sec-WebSocket-Protocol: sample"},
	}
	l.frames(old, 0x00, 0x80) // MORE, not FIN
	l.close, l.closed = func() []byte { return old(0x01, "any bytes") }, old(0x01, "any bytes")
	return l
}

// hybi04 learns its key from the answer.
func hybi04() legacy {
	var key []byte
	l := early("4", hidden20(&key), "", "")
	l.learn = func(head string) {
		_, nonce, _ := strings.Cut(head, "\r\nSec-WebSocket-Nonce: ")
		nonce, _, _ = strings.Cut(nonce, "\r\n")
		sum := sha1.Sum([]byte(wsKey + nonce + "61AC5F19-FBBA-4540-B96F-6561F1AB40A8"))
		key = sum[:]
	}
	return l
}

// legacies makes a client of each version.
var legacies = map[draftwire.Version]func() legacy{
	draftwire.Hixie75: func() legacy {
		return legacy{
			head: "GET /chat?a=b HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: HOST\r\nOrigin: http://HOST\r\nWebSocket-Protocol: sample\r\n\r\n",
			begins: "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
				"WebSocket-Origin: http://HOST\r\nWebSocket-Location: WS://HOST/chat?a=b\r\nWebSocket-Protocol: sample\r\n\r\n",
			text: hixieText, echo: hixieText,
		}
	},
	draftwire.Hixie76: func() legacy {
		return legacy{
			head: "GET /chat?a=b HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n" +
				"Sec-WebSocket-Protocol: sample\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://HOST\r\n\r\n",
			key3: "^n:ds[4U", answer: "8jKS'y:G*Co,Wxa-",
			begins: "HTTP/1.1 101 ",
			has: []string{"Upgrade: WebSocket", "Connection: Upgrade", "Sec-WebSocket-Origin: http://HOST",
				"Sec-WebSocket-Location: WS://HOST/chat?a=b", "Sec-WebSocket-Protocol: sample"},
			text: hixieText, echo: hixieText,
			close: func() []byte { return []byte{0xFF, 0x00} }, closed: []byte{0xFF, 0x00},
		}
	},
	draftwire.Hybi02:  hybi02,
	draftwire.Hybi04:  hybi04,
	draftwire.Hybi05:  func() legacy { return early("5", hidden4, "C", "S") },
	draftwire.Hybi06:  func() legacy { return early("6", hidden4, "\x03\xe8bye", "\x03\xe8") },
	draftwire.Hybi07:  func() legacy { return framed("7", "Sec-WebSocket-Origin") },
	draftwire.Hybi08:  func() legacy { return framed("8", "Sec-WebSocket-Origin") },
	draftwire.RFC6455: func() legacy { return framed("13", "Origin") },
}

// delivery is how the client's bytes reach the server.
type delivery struct {
	name       string
	only76     bool
	whole      bool // the request in one write
	behind     bool // the first frame in the same write
	late       bool // the eight bytes after the response head has come
	declared   bool // with Content-Length: 8
	byteByByte bool
}

var deliveries = []delivery{
	{name: "all at once", whole: true},
	{name: "byte by byte", byteByByte: true},
	{name: "eight bytes late", only76: true, late: true},
	{name: "eight bytes declared", only76: true, whole: true, declared: true},
	{name: "eight bytes declared and late", only76: true, late: true, declared: true},
	{name: "frame directly behind", whole: true, behind: true},
}

func TestCompat(t *testing.T) {
	addr, roots := onePort(t)
	for _, overTLS := range []bool{false, true} {
		for v, client := range legacies {
			for _, d := range deliveries {
				if d.only76 && client().key3 == "" || d.behind && client().learn != nil {
					continue // no eight bytes in this version; no frame before the answer
				}
				name := fmt.Sprintf("%s/%s/%s", v, map[bool]string{false: "plain", true: "TLS"}[overTLS], d.name)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					nc := connect(t, addr, overTLS, roots)
					client().at(addr, overTLS).run(t, nc, d)
				})
			}
		}
	}
	t.Run("beside", func(t *testing.T) { besides(t, addr, roots) })
}

// at fills in the server's address.
func (l legacy) at(addr string, overTLS bool) legacy {
	scheme := "ws"
	if overTLS {
		scheme = "wss"
	}
	fill := strings.NewReplacer("HOST", addr, "WS://", scheme+"://").Replace
	l.head, l.begins = fill(l.head), fill(l.begins)
	l.has = append([]string(nil), l.has...)
	for i := range l.has {
		l.has[i] = fill(l.has[i])
	}
	return l
}

// onePort starts the server.
func onePort(t *testing.T) (addr string, roots *x509.CertPool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cert, roots := selfSigned(t)
	opt := every()
	opt.Origins = nil // the same host
	opt.Limits.ReadLimit = 1 << 20
	s := &draftwire.Server{
		WebSocket: echo, Options: opt, FlashPolicy: draftwire.DefaultFlashPolicy,
		TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s tls=%v", r.Method, r.URL.Path, r.TLS != nil)
		}),
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		<-served
	})
	return l.Addr().String(), roots
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func connect(t *testing.T, addr string, overTLS bool, roots *x509.CertPool) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	if overTLS {
		nc = tls.Client(nc, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
	}
	return nc
}

func (l legacy) run(t *testing.T, nc net.Conn, d delivery) {
	head := l.head
	if d.declared {
		head = strings.TrimSuffix(head, "\r\n") + "Content-Length: 8\r\n\r\n"
	}
	request := head
	if !d.late {
		request += l.key3
	}
	if d.behind {
		request += string(l.text("first"))
	}
	if d.byteByByte {
		for i := range len(request) {
			send(t, nc, []byte(request[i:i+1]))
		}
	} else {
		send(t, nc, []byte(request))
	}
	got := readHead(t, nc)
	if d.late {
		send(t, nc, []byte(l.key3))
	}
	if l.learn != nil {
		l.learn(got)
	}
	if !strings.HasPrefix(got, l.begins) {
		t.Fatalf("response %q\nshould begin with %q", got, l.begins)
	}
	for _, line := range l.has {
		if strings.Count(got, "\r\n"+line+"\r\n") != 1 {
			t.Errorf("response %q\nshould have the line %q once", got, line)
		}
	}
	want(t, nc, []byte(l.answer))
	if d.behind {
		want(t, nc, l.echo("first"))
	}
	exchange := func(in, out []byte) {
		t.Helper()
		if d.byteByByte && len(in) < 1000 {
			for i := range in {
				send(t, nc, in[i:i+1])
			}
		} else {
			var wg sync.WaitGroup
			wg.Go(func() { nc.Write(in) }) // both ways at once: the large ones fill the buffers
			defer wg.Wait()
		}
		want(t, nc, out)
	}
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		s := strings.Repeat("a", n)
		exchange(l.text(s), l.echo(s))
		if l.binary != nil {
			s = strings.Repeat("\x00\xFF", (n+1)/2)[:n]
			exchange(l.binary(s), l.bback(s))
		}
	}
	text := strings.Repeat("h\u00e9\u20ac\U0001d11e", 100)
	exchange(l.text(text), l.echo(text))
	exchange(append(l.text("one"), l.text("two")...), append(l.echo("one"), l.echo("two")...))
	if l.ping != nil {
		exchange(l.ping(), l.pong)
		exchange(l.parts(), append(append([]byte(nil), l.pong...), l.echo("Hello world")...))
	}
	if l.close != nil {
		exchange(l.close(), l.closed)
	} else if cw, ok := nc.(interface{ CloseWrite() error }); ok {
		cw.CloseWrite()
	}
	if rest, err := io.ReadAll(nc); err != nil || len(rest) > 0 {
		t.Errorf("behind the close came %x, %v", rest, err)
	}
}

func send(t *testing.T, nc net.Conn, p []byte) {
	t.Helper()
	if _, err := nc.Write(p); err != nil {
		t.Fatalf("send: %v", err)
	}
}

func want(t *testing.T, nc net.Conn, p []byte) {
	t.Helper()
	got := make([]byte, len(p))
	if n, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, p) {
		t.Fatalf("got %.80q (%d bytes), %v\nwant %.80q (%d bytes)", got[:n], n, err, p, len(p))
	}
}

// readHead reads to the blank line and not a byte further.
func readHead(t *testing.T, nc net.Conn) string {
	t.Helper()
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); {
		if _, err := io.ReadFull(nc, b); err != nil {
			t.Fatalf("after %q: %v", head, err)
		}
		head = append(head, b[0])
	}
	return string(head)
}

// besides is what else comes to the port.
func besides(t *testing.T, addr string, roots *x509.CertPool) {
	t.Run("HTTP", func(t *testing.T) {
		for _, overTLS := range []bool{false, true} {
			nc := connect(t, addr, overTLS, roots)
			for range 2 { // keep-alive
				send(t, nc, []byte("GET /page HTTP/1.1\r\nHost: "+addr+"\r\n\r\n"))
				if head := readHead(t, nc); !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") {
					t.Fatalf("response %q", head)
				}
				want(t, nc, fmt.Appendf(nil, "GET /page tls=%v", overTLS))
			}
			send(t, nc, []byte("POST /form HTTP/1.1\r\nHost: "+addr+"\r\nContent-Length: 3\r\n\r\nabc"))
			readHead(t, nc)
			want(t, nc, fmt.Appendf(nil, "POST /form tls=%v", overTLS))
		}
	})
	for v, client := range legacies {
		t.Run("upgrade as second request/"+v.String(), func(t *testing.T) {
			for _, overTLS := range []bool{false, true} {
				nc := connect(t, addr, overTLS, roots)
				send(t, nc, []byte("GET /page HTTP/1.1\r\nHost: "+addr+"\r\n\r\n"))
				readHead(t, nc)
				want(t, nc, fmt.Appendf(nil, "GET /page tls=%v", overTLS))
				for _, d := range deliveries[:1] {
					client().at(addr, overTLS).run(t, nc, d)
				}
			}
		})
	}
	t.Run("HTTP/2", func(t *testing.T) {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
		defer c.CloseIdleConnections()
		resp, err := c.Get("https://" + addr + "/two")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if p, _ := io.ReadAll(resp.Body); resp.ProtoMajor != 2 || string(p) != "GET /two tls=true" {
			t.Errorf("%s %q", resp.Proto, p)
		}
	})
	t.Run("HTTP/2 rubbish leaves no log line", func(t *testing.T) {
		var lines bytes.Buffer
		log.SetOutput(&lines)
		defer log.SetOutput(os.Stderr)
		nc, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(nc, strings.Repeat("rubbish ", 10))
		io.Copy(io.Discard, nc) // until the server has given up
		if lines.Len() > 0 {
			t.Errorf("a peer wrote %q", lines.String())
		}
	})
	t.Run("Flash policy", func(t *testing.T) {
		nc := connect(t, addr, false, nil)
		send(t, nc, []byte("<policy-file-request/>\x00"))
		if p, err := io.ReadAll(nc); err != nil || string(p) != draftwire.DefaultFlashPolicy+"\x00" {
			t.Errorf("%q, %v", p, err)
		}
	})
	for name, hostile := range map[string]string{
		"rubbish":        "\x00\x01\x02",
		"endless":        "GET / HTTP/1.1\r\nX: " + strings.Repeat("y", 20<<10),
		"mixed families": "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + wsKey + "\r\nSec-WebSocket-Key1: 1 2\r\nSec-WebSocket-Key2: 1 2\r\n\r\n12345678",
		"foreign origin": strings.Replace(legacies[draftwire.RFC6455]().head, "http://HOST", "http://evil.example", 1),
	} {
		t.Run("hostile/"+name, func(t *testing.T) {
			nc := connect(t, addr, false, nil)
			send(t, nc, []byte(hostile))
			if p, _ := io.ReadAll(nc); len(p) > 0 && !strings.HasPrefix(string(p), "HTTP/1.1 4") {
				t.Errorf("answered %q", p)
			}
		})
	}
}
