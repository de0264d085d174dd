package draftwire_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/memnet"
)

// The limit of a head holds for the head, whether it comes in one piece or in many, and
// whatever the buffers are that it comes in; so does that of its fields.
func TestHeadLimit(t *testing.T) {
	const limit = draftwire.DefaultHeadLimit
	sized := func(n int) string {
		return strings.Replace(head13, "\r\n\r\n", "\r\nX: "+strings.Repeat("x", n-len(head13)-5)+"\r\n\r\n", 1)
	}
	many := func(n int) string {
		return strings.Replace(head13, "\r\n\r\n", strings.Repeat("\r\nX: y", n-5)+"\r\n\r\n", 1)
	}
	for name, tc := range map[string]struct{ head, status string }{
		"as long as may be":   {sized(limit), "101"},
		"a byte more":         {sized(limit + 1), "431"},
		"17 KiB":              {sized(17 << 10), "431"},
		"31 KiB":              {sized(31 << 10), "431"},
		"40 KiB":              {sized(40 << 10), "431"},
		"as many as may be":   {many(httphead.MaxFields), "101"},
		"one more":            {many(httphead.MaxFields + 1), "431"},
		"two thousand fields": {many(2000), "431"},
	} {
		for _, piece := range []int{1 << 20, 1000, 7} {
			bubble(t, func(t *testing.T) {
				_, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: every()})
				nc, _ := l.Dial()
				defer nc.Close()
				go func() {
					for rest := tc.head; rest != ""; rest = rest[min(piece, len(rest)):] {
						if _, err := io.WriteString(nc, rest[:min(piece, len(rest))]); err != nil {
							return
						}
						synctest.Wait()
					}
				}()
				answer := make([]byte, 12)
				io.ReadFull(nc, answer)
				if got := string(answer[9:]); got != tc.status {
					t.Errorf("%s, in pieces of %d: %s, not %s", name, piece, got, tc.status)
				}
			})
		}
	}
	for _, n := range []int{limit, limit + 1, 17 << 10, 31 << 10} { // a client, to its server's
		bubble(t, func(t *testing.T) {
			client, server := memnet.Pipe(1 << 20)
			defer server.Close()
			go func() {
				key := regexp.MustCompile(`Key: (.*)\r`).FindStringSubmatch(readHead(t, server))[1]
				head := "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptOf(key) + "\r\nX: "
				io.WriteString(server, head+strings.Repeat("x", n-len(head)-4)+"\r\n\r\n")
			}()
			c, _, err := draftwire.Dial(bg, "ws://x/", &draftwire.DialOptions{
				NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil }})
			if (err == nil) != (n <= limit) {
				t.Errorf("an answer of %d bytes: %v", n, err)
			}
			if err == nil {
				c.CloseNow()
			}
		})
	}
}

// What peers cost that send and read nothing, messages or pings, is bounded in clear and
// over TLS: what the network takes of them, and no more.
func TestUnreadPeersMemory(t *testing.T) {
	const peers, most = 20, 320 << 10
	cert, _ := selfSigned(t)
	for name, piece := range map[string][]byte{
		"pings": frame(0x89, strings.Repeat("p", 100), true), "messages": frame(0x82, strings.Repeat("m", 1000), true),
	} {
		for _, secure := range []bool{false, true} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s := &draftwire.Server{WebSocket: echo, Options: every(), TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}
			served := make(chan error, 1)
			go func() { served <- s.Serve(l) }()
			var conns []net.Conn
			for range peers {
				nc, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				if secure {
					nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
				}
				send(t, nc, []byte(head13))
				readHead(t, nc)
				conns = append(conns, nc)
			}
			before := held()
			stuck := make(chan struct{}, peers)
			for _, nc := range conns {
				go func() {
					p := bytes.Repeat(piece, 200)
					for sent, err := 0, error(nil); err == nil && sent < 64<<20; sent += len(p) {
						nc.SetWriteDeadline(time.Now().Add(3 * time.Second)) // the server may be slow
						_, err = nc.Write(p)
					}
					stuck <- struct{}{}
				}()
			}
			for range peers {
				<-stuck
			}
			each := (held() - before) / peers
			t.Logf("%s, TLS %v: %d bytes each, of both ends", name, secure, each)
			if each > most {
				t.Errorf("%s, TLS %v: %d bytes each", name, secure, each)
			}
			for _, nc := range conns {
				nc.Close()
			}
			s.Close()
			<-served
		}
	}
}

// held is how many bytes cannot be let go, those of pools left out.
func held() int64 {
	for range 3 { // pools keep their buffers for two collections
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// acceptOf is the proof that a server of RFC 6455 gives for a key.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
