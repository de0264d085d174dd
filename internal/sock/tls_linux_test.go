//go:build (amd64 || arm64) && !msan && !asan

package sock

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"github.com/draftwire/draftwire/internal/pool"
)

// overTLS opens a connection over TLS to a socket of a loop, which speaks it when this returns.
// wrap, unless it is nil, returns the connection below the client's.
func overTLS(t *testing.T, version uint16, wrap func(net.Conn) net.Conn) (client *tls.Conn, s *Socket) {
	t.Helper()
	nc, s := accepted(t, "tcp", "127.0.0.1:0", nil)
	if wrap != nil {
		nc = wrap(nc)
	}
	client = tls.Client(nc, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
	conn := tls.Server(NewTLS(s, s), &tls.Config{Certificates: []tls.Certificate{certificate(t)}})
	done := make(chan error, 1)
	go func() { done <- conn.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r := NewReader(conn, nil)
	if r.Raw() != nil {
		t.Error("crypto/tls has no socket")
	}
	r.Settle()
	if r.Conn() != net.Conn(s) || r.Raw() == nil || s.TLS() == nil {
		t.Fatal("the socket speaks no TLS")
	}
	return client, s
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

var tlsVersions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}

// A socket that speaks TLS is a net.Conn as one without is: what is long goes through, however slowly
// the peer takes it, and at the end comes close_notify.
func TestSocketOverTLS(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			client, s := overTLS(t, version, nil)
			done := make(chan error, 2)
			go func() {
				_, err := s.Write(long)
				done <- errors.Join(err, s.CloseWrite())
			}()
			go func() {
				_, err := client.Write(long)
				done <- errors.Join(err, client.CloseWrite())
			}()
			read := make(chan []byte)
			go func() {
				got, err := io.ReadAll(s)
				if err != nil {
					t.Error(err)
				}
				read <- got
			}()
			got, err := io.ReadAll(client)
			if err != nil || !bytes.Equal(got, long) {
				t.Errorf("%d of %d bytes came, %v", len(got), len(long), err)
			}
			if got := <-read; !bytes.Equal(got, long) {
				t.Errorf("%d of %d bytes went", len(got), len(long))
			}
			for range cap(done) {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err == nil {
				t.Error("closed twice without an error")
			}
		})
	}
}

// dripping writes byte by byte.
type dripping struct{ net.Conn }

func (d dripping) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		_, err = d.Conn.Write(p[n : n+1])
		n++
	}
	return n, err
}

// A record that comes in parts, each of them news, is whole in the end; one that is cut off is no
// end of the stream.
func TestRecordInParts(t *testing.T) {
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			client, s := overTLS(t, version, func(nc net.Conn) net.Conn { return dripping{nc} })
			got := make(chan string, 64)
			ended := make(chan error, 1)
			s.Drive(turner(func(turn *Turn) {
				var r Reader
				r.Attach(turn.Socket)
				defer r.EndTurn(turn)
				for full := true; full; {
					var err error
					full, err = r.BeginTurn(turn)
					if n := r.Buffered(); n > 0 {
						got <- string(r.Bytes())
						r.Discard(n)
					}
					if err != nil {
						turn.Socket.DriveHere(nil)
						ended <- err
						return
					}
				}
			}))
			for _, text := range []string{"hello", "", "world"} {
				if _, err := client.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			want := "helloworld"
			for have := ""; have != want; have += <-got {
				if len(have) > len(want) {
					t.Fatalf("read %q", have)
				}
			}
			below := client.NetConn().(dripping).Conn.(*net.TCPConn)
			below.Write([]byte{23, 3, 3, 0}) // the beginning of a record
			below.CloseWrite()
			if err := <-ended; err != io.ErrUnexpectedEOF {
				t.Errorf("cut off in a record: %v", err)
			}
		})
	}
}

// A write that the peer does not take waits for room until its deadline, and none of its records is
// lost then.
func TestRecordsWait(t *testing.T) {
	client, s := overTLS(t, tls.VersionTLS13, nil)
	w := &Writer{Hasty: true}
	w.Init()
	long := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	w.Bufs, w.TLS = [3][]byte{[]byte("first "), long, []byte(" last")}, s.TLS()
	if err := w.Result(s.Raw().Write(w.Try())); err != nil || !w.Remaining() {
		t.Fatalf("a hasty write: %v, and something remains: %v", err, w.Remaining())
	}
	waits := 0
	w.Hasty, w.Wait = false, waiter(func(bool) { waits++ })
	s.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	if err := w.Result(s.Raw().Write(w.Try())); !errors.Is(err, os.ErrDeadlineExceeded) || waits == 0 {
		t.Fatalf("behind the deadline: %v, %d waits", err, waits)
	}
	s.SetWriteDeadline(time.Time{})
	done := make(chan error, 1)
	go func() {
		err := w.Result(s.Raw().Write(w.Try()))
		done <- errors.Join(err, s.Close())
	}()
	got, err := io.ReadAll(client)
	if err != nil || string(got) != "first "+string(long)+" last" {
		t.Errorf("%d bytes came, %v", len(got), err)
	}
	if err := <-done; err != nil || w.Remaining() {
		t.Error(err)
	}
}

type waiter func(bool)

func (f waiter) BeforeWait(progress bool) { f(progress) }

// What crypto/tls answers by itself waits for the socket within bounds, and a fault of a record is
// told to the peer.
func TestAlerts(t *testing.T) {
	client, s := overTLS(t, tls.VersionTLS13, nil)
	layer := s.TLS()
	layer.Write(make([]byte, answerMost+1))
	if err := layer.answer(NoSocket); err != errAnswers {
		t.Errorf("too much is owed: %v", err)
	}
	layer.mu.Lock()
	pool.Put(layer.out)
	layer.out = nil
	layer.mu.Unlock()
	client.NetConn().Write([]byte{23, 3, 3, 0, 1, 0}) // which nobody has sealed
	if _, err := s.Read(make([]byte, 1)); err == nil {
		t.Error("a record that nobody has sealed is taken")
	}
	if _, err := client.Read(make([]byte, 1)); err == nil || err.Error() != "remote error: tls: bad record MAC" && err.Error() != "remote error: tls: unexpected message" {
		t.Errorf("the client hears %v", err)
	}
}

// Where something has come that crypto/tls was not given, the connection stays as it is.
func TestSettleLeavesNothing(t *testing.T) {
	_, s := accepted(t, "tcp", "127.0.0.1:0", nil)
	conn := tls.Server(NewTLS(buffered{s}, s), &tls.Config{})
	r := NewReader(conn, nil)
	if r.Settle(); r.Conn() != net.Conn(conn) || s.TLS() != nil {
		t.Error("bytes that were read would be lost")
	}
	r = NewReader(s, nil)
	if r.Settle(); r.Conn() != net.Conn(s) {
		t.Error("a socket without TLS is something else")
	}
}

type buffered struct{ *Socket }

func (buffered) Buffered() int { return 1 }
