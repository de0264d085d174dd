package conformance_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// runConnections plays every whole connection of the vectors against a server
// that echoes.
func runConnections(t *testing.T, serve func(t *testing.T, nonce io.Reader) *memnet.Listener) {
	files, err := vectors.All()
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, f := range files {
		for _, v := range f.Vectors {
			if v.Kind == vectors.KindSession {
				ran++
				t.Run(v.ID, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { connection(t, serve(t, nonceOf(&v)), &v) }) })
			}
		}
	}
	if ran < 5 {
		t.Errorf("only %d connections ran", ran)
	}
}

// nonceOf is what the server of a vector has for a source of random bytes.
func nonceOf(v *vectors.Vector) io.Reader {
	if v.Server == nil || v.Server.Nonce == nil {
		return nil
	}
	return bytes.NewReader(v.Server.Nonce)
}

func connection(t *testing.T, l *memnet.Listener, v *vectors.Vector) {
	nc, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	var due []byte // what the server has to say before the client goes on
	for i, s := range v.Steps {
		switch {
		case s.From == "client" && s.Event == "fin":
			nc.CloseWrite()
		case s.From == "client":
			if _, err := nc.Write(s.Bytes); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
		case s.Event == "fin":
			if p, err := io.ReadAll(nc); err != nil || len(p) > 0 {
				t.Fatalf("step %d: %x, %v, want the end of the stream", i, p, err)
			}
		default:
			due = make([]byte, len(s.Bytes))
			if n, err := io.ReadFull(nc, due); err != nil {
				t.Fatalf("step %d: %q, %v, want %q", i, due[:n], err, s.Bytes)
			}
			if !bytes.Equal(due, s.Bytes) && !sameHead(due, s.Bytes) {
				t.Fatalf("step %d: server says\n%q, want\n%q", i, due, s.Bytes)
			}
		}
	}
}

// sameHead compares response heads whose fields may come in any order.
func sameHead(a, b []byte) bool {
	lines := func(p []byte) []string {
		var out []string
		for _, l := range bytes.Split(p, []byte("\r\n")) {
			out = append(out, string(l))
		}
		slices.Sort(out)
		return out
	}
	return bytes.HasPrefix(a, []byte("HTTP/1.1 101")) && slices.Equal(lines(a), lines(b))
}

// Every handshake of the vectors, against a server with the vector's
// subprotocols: policy included, over TLS where the vector says so.
func TestVectorHandshakes(t *testing.T) {
	files, err := vectors.All()
	if err != nil {
		t.Fatal(err)
	}
	cert, roots := wstest.SelfSigned(t)
	ran := 0
	for _, f := range files {
		for _, v := range f.Vectors {
			if v.Kind != vectors.KindHandshake {
				continue
			}
			ran++
			t.Run(v.ID, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					opt := wstest.Options()
					opt.Protocols = nil
					opt.Rand = nonceOf(&v)
					if opt.Tolerate, err = wire.ParseTolerances(strings.Join(v.Tolerate, ","), wire.ClientFaults()); err != nil {
						t.Fatal(err)
					}
					if v.Server != nil {
						opt.Protocols = v.Server.Protocols
					}
					l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
					mem, err := l.Dial()
					if err != nil {
						t.Fatal(err)
					}
					defer mem.Close()
					var nc net.Conn = mem
					if v.Secure {
						nc = tls.Client(mem, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", Time: time.Now,
							InsecureSkipVerify: true}) // the bubble's clock is not the certificate's
					}
					wstest.Send(t, nc, append(vectors.Latin1(v.Request), v.Tail...))
					head := wstest.ReadHead(t, nc)
					if v.Result == vectors.Invalid {
						if !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", v.Status)) || !strings.Contains(head, "\r\nDraftwire-Reason: "+v.Reason+"\r\n") {
							t.Errorf("%s: %q", v.Comment, head)
						}
						return
					}
					wanted := vectors.Latin1(v.Response)
					if exact := f.Version == "hixie-75"; exact && head != string(wanted) || !sameHead([]byte(head), wanted) {
						t.Errorf("%s: head\n%q, want\n%q", v.Comment, head, wanted)
					}
					wstest.Want(t, nc, v.ResponseTail)
				})
			})
		}
	}
	if ran < 50 {
		t.Errorf("only %d handshakes ran", ran)
	}
}

// Whole connections of the vectors, against an echo server.
func TestVectorConnections(t *testing.T) {
	runConnections(t, func(t *testing.T, nonce io.Reader) *memnet.Listener {
		opt := wstest.Options()
		opt.Rand = nonce
		l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt})
		return l
	})
}
