package websocket

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/draftwire/draftwire"
)

// This file gives gorilla's own tests, which test/gorilla runs in this package, the functions of
// gorilla's that they call.

// computeAcceptKey is the answer to a key (RFC 6455 4.2.2).
func computeAcceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// newConn returns a connection without a handshake: that one is played.
func newConn(nc net.Conn, isServer bool, readSize, writeSize int, _ BufferPool, _ *bufio.Reader, _ []byte) *Conn {
	var dw *draftwire.Conn
	var err error
	s := &staged{Conn: nc}
	if isServer {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for _, f := range [][2]string{{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Key", sampleKey}, {"Sec-WebSocket-Version", "13"}} {
			r.Header.Set(f[0], f[1])
		}
		dw, err = draftwire.Accept(&stage{s: s}, r, &draftwire.AcceptOptions{Limits: limits(0), DropHeads: true})
	} else {
		key, _ := base64.StdEncoding.DecodeString(sampleKey)
		s.answer = fmt.Sprintf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			computeAcceptKey(sampleKey))
		dw, _, err = draftwire.Open(s, &url.URL{Scheme: "ws", Host: "example.com"},
			&draftwire.DialOptions{Limits: limits(0), DropHeads: true, Rand: &keyThenRandom{key: string(key)}})
	}
	if err != nil {
		panic(err)
	}
	s.open = true
	c := wrap(dw, writeSize)
	c.net = nc
	return c
}

// keyThenRandom is a source of the key, and then of masks.
type keyThenRandom struct{ key string }

func (k *keyThenRandom) Read(p []byte) (int, error) {
	n := copy(p, k.key)
	k.key = k.key[n:]
	clear(p[n:]) // masks of zeros
	return len(p), nil
}

// staged is a connection on which a handshake is played before it is open.
type staged struct {
	net.Conn
	answer string
	open   bool
}

func (s *staged) Write(p []byte) (int, error) {
	if !s.open {
		return len(p), nil
	}
	return s.Conn.Write(p)
}

func (s *staged) Read(p []byte) (int, error) {
	if s.answer != "" {
		n := copy(p, s.answer)
		s.answer = s.answer[n:]
		return n, nil
	}
	return s.Conn.Read(p)
}

// stage is a response writer that is hijacked.
type stage struct {
	http.ResponseWriter
	s *staged
}

func (w *stage) Header() http.Header { return http.Header{} }
func (w *stage) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.s, bufio.NewReadWriter(bufio.NewReader(strings.NewReader("")), nil), nil
}
