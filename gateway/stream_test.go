package gateway_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/wire"
)

// streams accepts connections at an address until the test ends.
func (w *world) streams(address string) <-chan net.Conn {
	l, _ := w.listen(address)
	conns := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
		}
	}()
	w.t.Cleanup(func() {
		l.Close()
		for len(conns) > 0 {
			(<-conns).Close()
		}
	})
	return conns
}

// viaStream connects a client of v to a stream.
func viaStream(t *testing.T, v draftwire.Version, policy gateway.Policy, url string, o draftwire.DialOptions) (*world, *draftwire.Conn, net.Conn) {
	w := newWorld(t)
	address := strings.TrimPrefix(strings.TrimPrefix(url, "tcp://"), "unix:")
	conns := w.streams(address)
	w.start(to(policy, url))
	c := w.mustClient(v, o)
	s := <-conns
	t.Cleanup(func() { s.Close() })
	return w, c, s
}

func forVersions(t *testing.T, f func(t *testing.T, v draftwire.Version)) {
	for _, v := range draftwire.ServedVersions().List() {
		t.Run(v.String(), func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, v) }) })
	}
}

func random(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(p)
	return p
}

// Bytes cross in both directions, as binary messages or, for clients that have none, as text.
func TestStream(t *testing.T) {
	for _, url := range []string{"tcp://raw:1", "unix:/run/raw"} {
		forVersions(t, func(t *testing.T, v draftwire.Version) {
			_, c, s := viaStream(t, v, gateway.Policy{Binary: "base64", BinaryBack: true}, url, draftwire.DialOptions{})
			data := random(300_000)
			go func() {
				if v.Supports(draftwire.CapBinary) {
					c.Write(bg, binary, data)
				} else {
					c.Write(bg, text, []byte(base64.StdEncoding.EncodeToString(data)))
				}
			}()
			go s.Write(data)
			got := make([]byte, len(data))
			if _, err := io.ReadFull(s, got); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("the stream got other bytes, %v", err)
			}
			var back []byte
			for len(back) < len(data) {
				op, p, err := c.Read(bg)
				if err != nil {
					t.Fatal(err)
				}
				if op == text {
					if p, err = base64.StdEncoding.DecodeString(string(p)); err != nil {
						t.Fatal(err)
					}
				}
				back = append(back, p...)
			}
			if !bytes.Equal(back, data) {
				t.Error("the client got other bytes")
			}
		})
	}
}

// A stream's text crosses however it is cut, and invalid text is repaired.
func TestStreamText(t *testing.T) {
	const s = "aé€\U0001F600z"
	tests := []struct {
		name, sends, want string
		repaired          bool
	}{
		{"text", s, s, false},
		{"not UTF-8", "a\xffb\xe2\x82c", "a\ufffdb\ufffd\ufffdc", true},
		{"a character cut by the end", "ab\xe2\x82", "ab\ufffd", true},
		{"one byte of a character", "\xe2", "\ufffd", true},
		{"nothing", "", "", false},
	}
	for _, tt := range tests {
		for size := 1; size <= 5; size++ {
			forVersions(t, func(t *testing.T, v draftwire.Version) {
				w, c, s := viaStream(t, v, gateway.Policy{RawText: true}, "tcp://raw:1", draftwire.DialOptions{})
				x := newPlayer(c, "")
				for p := []byte(tt.sends); len(p) > 0; p = p[min(size, len(p)):] {
					s.Write(p[:min(size, len(p))])
					rest()
				}
				s.Close()
				<-x.done
				var got string
				for _, m := range x.come() {
					if m.op != text {
						t.Errorf("%v", m)
					}
					got += m.data
				}
				<-w.ends
				if got != tt.want || w.losses()[gateway.LossTextRepaired] > 0 != tt.repaired {
					t.Errorf("%s, %d bytes each: got %q, want %q; lost %v", tt.name, size, got, tt.want, w.losses())
				}
			})
		}
	}
}

// websockify's subprotocols, for clients of every version.
func TestStreamProtocols(t *testing.T) {
	tests := []struct {
		offer  []string
		chosen string
		coded  bool
	}{
		{[]string{"binary"}, "binary", false},
		{[]string{"base64"}, "base64", true},
		{[]string{"base64", "binary"}, "binary", false},
	}
	for _, tt := range tests {
		forVersions(t, func(t *testing.T, v draftwire.Version) {
			if len(tt.offer) > 1 && !v.Supports(wire.CapProtocolSet) || !tt.coded && !v.Supports(draftwire.CapBinary) {
				return // it offers one string, or has no binary messages
			}
			w, c, s := viaStream(t, v, gateway.Policy{}, "tcp://raw:1", draftwire.DialOptions{Protocols: tt.offer})
			if c.Subprotocol() != tt.chosen {
				t.Errorf("%q was chosen", c.Subprotocol())
			}
			data, op := "\x00\xff\x80", binary
			if tt.coded {
				data, op = "AP+A", text
			}
			if err := c.Write(bg, op, []byte(data)); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 3)
			if _, err := io.ReadFull(s, got); err != nil || string(got) != "\x00\xff\x80" {
				t.Errorf("the stream got %q, %v", got, err)
			}
			s.Write(got)
			if o, p, err := c.Read(bg); err != nil || o != op || string(p) != data {
				t.Errorf("the client got %v %q, %v", o, p, err)
			}
			if n := w.losses(); n[gateway.LossBinaryEncoded] > 0 != tt.coded || n[gateway.LossTextDecoded] > 0 != tt.coded {
				t.Errorf("lost %v", n)
			}
		})
	}
}

// If one side ends its half, what it has sent arrives, and so does what the other side still
// has to send, as far as WebSocket allows it.
func TestStreamHalfClose(t *testing.T) {
	t.Run("backend", func(t *testing.T) {
		forVersions(t, func(t *testing.T, v draftwire.Version) {
			w, c, s := viaStream(t, v, gateway.Policy{RawText: true}, "tcp://raw:1", draftwire.DialOptions{})
			x := newPlayer(c, "")
			s.Write([]byte("last words"))
			s.(interface{ CloseWrite() error }).CloseWrite()
			<-x.done
			want := heard{draftwire.CodeNoStatus, ""}
			if saysCodes(v) {
				want.code = draftwire.CodeNormal
			}
			if got := x.come(); len(got) != 1 || got[0].data != "last words" || x.heard() != want {
				t.Errorf("got %v, %v", got, x.heard())
			}
			if s := <-w.ends; func() bool { by, _ := s.By(); return by != gateway.BackendSide }() {
				t.Error("ended by another")
			}
			if _, err := s.Read(make([]byte, 1)); err == nil {
				t.Error("the stream goes on")
			}
		})
	})
	t.Run("client", func(t *testing.T) {
		forVersions(t, func(t *testing.T, v draftwire.Version) {
			w, c, s := viaStream(t, v, gateway.Policy{RawText: true}, "tcp://raw:1", draftwire.DialOptions{})
			c.Write(bg, text, []byte("last words"))
			go c.Close(draftwire.CodeNormal, "")
			got, err := io.ReadAll(s)
			if err != nil || string(got) != "last words" {
				t.Errorf("the stream got %q, %v", got, err)
			}
			began := time.Now()
			<-w.ends
			if time.Since(began) > 3*time.Second {
				t.Errorf("the end took %v", time.Since(began)) // the backend never ends its half
			}
		})
	})
}

// brittle is a connection that can be reset.
type brittle struct {
	net.Conn
	reset atomic.Bool
}

func (c *brittle) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.reset.Load() {
		return 0, syscall.ECONNRESET
	}
	return n, err
}

func (c *brittle) Write(p []byte) (int, error) {
	if c.reset.Load() {
		return 0, syscall.ECONNRESET
	}
	return c.Conn.Write(p)
}

// A stream that is reset ends abnormally, whether the reader or the writer notices it first.
func TestStreamReset(t *testing.T) {
	for _, writes := range []bool{false, true} {
		forVersions(t, func(t *testing.T, v draftwire.Version) {
			w := newWorld(t)
			conns := w.streams("raw:1")
			var below *brittle
			w.wrap = func(address string, c net.Conn) net.Conn {
				if address != "raw:1" {
					return c
				}
				below = &brittle{Conn: c}
				return below
			}
			w.start(to(gateway.Policy{}, "tcp://raw:1"))
			c := w.mustClient(v, draftwire.DialOptions{})
			x := newPlayer(c, "")
			s := <-conns
			defer s.Close()
			synctest.Wait()
			below.reset.Store(true)
			if writes {
				c.Write(bg, text, []byte("x"))
			} else {
				s.Close()
			}
			<-x.done
			if want := hears(v, draftwire.CodeInternal, "backend: connection lost"); x.heard() != want {
				t.Errorf("the client heard %v, want %v", x.heard(), want)
			}
			ses := <-w.ends
			if by, err := ses.By(); by != gateway.BackendSide || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("ended by %q: %v", by, err)
			}
			if n := w.losses()[gateway.LossAbnormal]; n > 0 != (v != draftwire.Hixie75) {
				t.Errorf("lost %v", w.losses())
			}
		})
	}
}

// A backend that is gone ends the session in the same way whether the goroutine that writes
// to it or the one that reads notices it.
func TestBackendReset(t *testing.T) {
	forPairs(t, func(t *testing.T, front, back draftwire.Version) {
		w := newWorld(t)
		var below *brittle
		w.wrap = func(address string, c net.Conn) net.Conn {
			if address != "back:80" {
				return c
			}
			below = &brittle{Conn: c}
			return below
		}
		w.echo("back:80", draftwire.VersionsOf(back))
		w.start(to(gateway.Policy{}, backURL(back)))
		x := newPlayer(w.mustClient(front, draftwire.DialOptions{}), "")
		synctest.Wait()
		below.reset.Store(true)
		x.c.Write(bg, text, []byte("x"))
		<-x.done
		if want := hears(front, draftwire.CodeInternal, "backend: connection lost"); x.heard() != want {
			t.Errorf("the client heard %v, want %v", x.heard(), want)
		}
		s := <-w.ends
		if by, err := s.By(); by != gateway.BackendSide || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("ended by %q: %v", by, err)
		}
	})
}
