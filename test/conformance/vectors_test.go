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
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// eachWay calls f with a way to connect to a server that echoes: in memory, in fake time, and over TCP, where a loop drives it.
func eachWay(t *testing.T, f func(t *testing.T, connect func(*draftwire.Server) halfCloser)) {
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f(t, func(s *draftwire.Server) halfCloser {
				s.WebSocket = wstest.Echo
				nc, err := inMemory(t, s)()
				if err != nil {
					t.Fatal(err)
				}
				return nc
			})
		})
	})
	t.Run("loop", func(t *testing.T) {
		t.Parallel()
		f(t, func(s *draftwire.Server) halfCloser {
			s.Events = wstest.EchoEvents()
			return wstest.ServeOver(t, s, wstest.TCP)().(*net.TCPConn)
		})
	})
}

// Whole connections of the vectors, against an echo server.
func TestVectorConnections(t *testing.T) {
	files, err := vectors.All()
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, f := range files {
		for _, v := range f.Vectors {
			if v.Kind == vectors.KindSession {
				ran++
				t.Run(v.ID, func(t *testing.T) {
					eachWay(t, func(t *testing.T, connect func(*draftwire.Server) halfCloser) {
						opt := wstest.Options()
						opt.Rand = nonceOf(&v)
						connection(t, connect(&draftwire.Server{Options: opt}), &v)
					})
				})
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

func connection(t *testing.T, nc halfCloser, v *vectors.Vector) {
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
				eachWay(t, func(t *testing.T, connect func(*draftwire.Server) halfCloser) {
					var err error
					opt := wstest.Options()
					opt.Protocols = nil
					opt.Rand = nonceOf(&v)
					if opt.Tolerate, err = wire.ParseTolerances(strings.Join(v.Tolerate, ","), wire.ClientFaults()); err != nil {
						t.Fatal(err)
					}
					if v.Server != nil {
						opt.Protocols = v.Server.Protocols
					}
					below := connect(&draftwire.Server{Options: opt, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
					defer below.Close()
					below.SetDeadline(time.Now().Add(time.Minute))
					var nc net.Conn = below
					if v.Secure {
						nc = tls.Client(below, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", Time: time.Now,
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
