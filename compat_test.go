package draftwire_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// The clients are bytes written by hand (wstest.Clients), from the drafts and not
// from this module's code. One server on one port takes them all, plain and
// over TLS, beside ordinary HTTP, Flash policy requests and rubbish.

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
	t.Run("goroutines", func(t *testing.T) { compat(t, &draftwire.Server{WebSocket: wstest.Echo}) })
	t.Run("loops", func(t *testing.T) { compat(t, &draftwire.Server{Events: wstest.EchoEvents()}) })
}

func compat(t *testing.T, s *draftwire.Server) {
	addr, roots := onePort(t, s)
	for _, v := range draftwire.ServedVersions().List() {
		if wstest.Clients[v] == nil {
			t.Errorf("%s has no client", v)
		}
	}
	for _, overTLS := range []bool{false, true} {
		for v, client := range wstest.Clients {
			for _, d := range deliveries {
				if d.only76 && client().Key3 == "" || d.behind && client().Learn != nil {
					continue // no eight bytes in this version; no frame before the answer
				}
				name := fmt.Sprintf("%s/%s/%s", v, map[bool]string{false: "plain", true: "TLS"}[overTLS], d.name)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					nc := connect(t, addr, overTLS, roots)
					visit(t, client().At(addr, overTLS), nc, d)
				})
			}
		}
	}
	t.Run("beside", func(t *testing.T) { besides(t, addr, roots) })
}

// onePort starts the server.
func onePort(t *testing.T, s *draftwire.Server) (addr string, roots *x509.CertPool) {
	t.Helper()
	l := wstest.ListenTCP(t)
	cert, roots := wstest.SelfSigned(t)
	opt := wstest.Options()
	opt.Origins = nil // the same host
	opt.Limits.ReadLimit = 1 << 20
	s.Options, s.FlashPolicy = opt, draftwire.DefaultFlashPolicy
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s tls=%v", r.Method, r.URL.Path, r.TLS != nil)
	})
	wstest.ServeOn(t, s, l)
	return l.Addr().String(), roots
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

// visit is a whole connection: the handshake in that delivery, messages of all sizes, the
// close.
func visit(t *testing.T, l wstest.Client, nc net.Conn, d delivery) {
	head := l.Head
	if d.declared {
		head = strings.TrimSuffix(head, "\r\n") + "Content-Length: 8\r\n\r\n"
	}
	request := head
	if !d.late {
		request += l.Key3
	}
	if d.behind {
		request += string(l.Text("first"))
	}
	if d.byteByByte {
		for i := range len(request) {
			wstest.Send(t, nc, []byte(request[i:i+1]))
		}
	} else {
		wstest.Send(t, nc, []byte(request))
	}
	got := wstest.ReadHead(t, nc)
	if d.late {
		wstest.Send(t, nc, []byte(l.Key3))
	}
	if l.Learn != nil {
		l.Learn(got)
	}
	if !strings.HasPrefix(got, l.Begins) {
		t.Fatalf("response %q\nshould begin with %q", got, l.Begins)
	}
	for _, line := range l.Lines {
		if strings.Count(got, "\r\n"+line+"\r\n") != 1 {
			t.Errorf("response %q\nshould have the line %q once", got, line)
		}
	}
	wstest.Want(t, nc, []byte(l.Tail))
	if d.behind {
		wstest.Want(t, nc, l.Echo("first"))
	}
	exchange := func(in, out []byte) {
		t.Helper()
		if d.byteByByte && len(in) < 1000 {
			for i := range in {
				wstest.Send(t, nc, in[i:i+1])
			}
		} else {
			var wg sync.WaitGroup
			wg.Go(func() { nc.Write(in) }) // both ways at once: the large ones fill the buffers
			defer wg.Wait()
		}
		wstest.Want(t, nc, out)
	}
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		s := strings.Repeat("a", n)
		exchange(l.Text(s), l.Echo(s))
		if l.Binary != nil {
			s = strings.Repeat("\x00\xFF", (n+1)/2)[:n]
			exchange(l.Binary(s), l.BinaryEcho(s))
		}
	}
	text := strings.Repeat("h\u00e9\u20ac\U0001d11e", 100)
	exchange(l.Text(text), l.Echo(text))
	exchange(append(l.Text("one"), l.Text("two")...), append(l.Echo("one"), l.Echo("two")...))
	if l.Ping != nil {
		exchange(l.Ping(), l.Pong)
		exchange(l.Fragments(), append(append([]byte(nil), l.Pong...), l.Echo("Hello world")...))
	}
	if l.CloseFrame != nil {
		exchange(l.CloseFrame(), l.CloseAnswer)
	} else if cw, ok := nc.(interface{ CloseWrite() error }); ok {
		cw.CloseWrite()
	}
	if rest, err := io.ReadAll(nc); err != nil || len(rest) > 0 {
		t.Errorf("behind the close came %x, %v", rest, err)
	}
}

// besides is what else comes to the port.
func besides(t *testing.T, addr string, roots *x509.CertPool) {
	t.Run("HTTP", func(t *testing.T) {
		for _, overTLS := range []bool{false, true} {
			nc := connect(t, addr, overTLS, roots)
			for range 2 { // keep-alive
				wstest.Send(t, nc, []byte("GET /page HTTP/1.1\r\nHost: "+addr+"\r\n\r\n"))
				if head := wstest.ReadHead(t, nc); !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") {
					t.Fatalf("response %q", head)
				}
				wstest.Want(t, nc, fmt.Appendf(nil, "GET /page tls=%v", overTLS))
			}
			wstest.Send(t, nc, []byte("POST /form HTTP/1.1\r\nHost: "+addr+"\r\nContent-Length: 3\r\n\r\nabc"))
			wstest.ReadHead(t, nc)
			wstest.Want(t, nc, fmt.Appendf(nil, "POST /form tls=%v", overTLS))
		}
	})
	for v, client := range wstest.Clients {
		t.Run("upgrade as second request/"+v.String(), func(t *testing.T) {
			for _, overTLS := range []bool{false, true} {
				nc := connect(t, addr, overTLS, roots)
				wstest.Send(t, nc, []byte("GET /page HTTP/1.1\r\nHost: "+addr+"\r\n\r\n"))
				wstest.ReadHead(t, nc)
				wstest.Want(t, nc, fmt.Appendf(nil, "GET /page tls=%v", overTLS))
				for _, d := range deliveries[:1] {
					visit(t, client().At(addr, overTLS), nc, d)
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
		wstest.Send(t, nc, []byte("<policy-file-request/>\x00"))
		if p, err := io.ReadAll(nc); err != nil || string(p) != draftwire.DefaultFlashPolicy+"\x00" {
			t.Errorf("%q, %v", p, err)
		}
	})
	for name, hostile := range map[string]string{
		"rubbish":        "\x00\x01\x02",
		"endless":        "GET / HTTP/1.1\r\nX: " + strings.Repeat("y", 20<<10),
		"mixed families": "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + wstest.Key + "\r\nSec-WebSocket-Key1: 1 2\r\nSec-WebSocket-Key2: 1 2\r\n\r\n12345678",
		"foreign origin": strings.Replace(wstest.Clients[draftwire.RFC6455]().Head, "http://HOST", "http://evil.example", 1),
	} {
		t.Run("hostile/"+name, func(t *testing.T) {
			nc := connect(t, addr, false, nil)
			wstest.Send(t, nc, []byte(hostile))
			if p, _ := io.ReadAll(nc); len(p) > 0 && !strings.HasPrefix(string(p), "HTTP/1.1 4") {
				t.Errorf("answered %q", p)
			}
		})
	}
}
