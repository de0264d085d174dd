package gateway_test

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// scripted starts a backend that gives each connection, whose request it has read, to answer.
func scripted(t *testing.T, answer func(nc net.Conn, r *http.Request, accept string)) (url string) {
	t.Helper()
	return unasked(t, func(nc net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(nc))
		if err == nil {
			answer(nc, r, acceptOf(r.Header.Get("Sec-WebSocket-Key")))
		}
	})
}

// unasked starts a backend that gives each connection to say, and closes it then.
func unasked(t *testing.T, say func(nc net.Conn)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				say(nc)
			}()
		}
	}()
	return "ws://" + l.Addr().String()
}

// asks is a request that asks for an upgrade.
const asks = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "

// hello is a message in a frame of a server.
const hello = "\x81\x05hello"

// What a backend does with its answer comes to the client, though a loop opens the connection: the usual
// by itself, and the rest with the help of a goroutine.
func TestOpensOnLoop(t *testing.T) {
	stay := func(nc net.Conn) { io.Copy(io.Discard, nc) }
	refused := func() string { // where nobody listens
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return "ws://" + l.Addr().String()
	}()
	tests := []struct {
		name   string
		answer func(nc net.Conn, r *http.Request, accept string)
		status int // of the refusal; 0: the session opens, and the client gets hello
	}{
		{"at once", func(nc net.Conn, _ *http.Request, accept string) {
			io.WriteString(nc, switching+accept+"\r\n\r\n"+hello)
			stay(nc)
		}, 0},
		{"in parts", func(nc net.Conn, _ *http.Request, accept string) {
			io.WriteString(nc, switching)
			time.Sleep(10 * time.Millisecond)
			io.WriteString(nc, accept+"\r\n\r")
			time.Sleep(10 * time.Millisecond)
			io.WriteString(nc, "\n"+hello)
			stay(nc)
		}, 0},
		{"behind another one", func(nc net.Conn, _ *http.Request, accept string) {
			io.WriteString(nc, "HTTP/1.1 103 Early Hints\r\n\r\n")
			time.Sleep(10 * time.Millisecond)
			io.WriteString(nc, switching+accept+"\r\n\r\n"+hello)
			stay(nc)
		}, 0},
		{"with much for the client", func(nc net.Conn, _ *http.Request, accept string) {
			io.WriteString(nc, switching+accept+strings.Repeat("\r\nSet-Cookie: "+strings.Repeat("x", 900), 8)+"\r\n\r\n"+hello)
			stay(nc)
		}, 0},
		{"in another version", func(nc net.Conn, r *http.Request, accept string) {
			if r.Header.Get("Sec-WebSocket-Version") == "13" {
				io.WriteString(nc, "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8\r\nContent-Length: 0\r\n\r\n")
				return
			}
			io.WriteString(nc, switching+accept+"\r\n\r\n"+hello)
			stay(nc)
		}, 0},
		{"that it may not come", func(nc net.Conn, _ *http.Request, _ string) {
			io.WriteString(nc, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
		}, http.StatusForbidden},
		{"of nonsense", func(nc net.Conn, _ *http.Request, _ string) { io.WriteString(nc, "220 mail.example ready\r\n") }, http.StatusBadGateway},
		{"that is none", func(net.Conn, *http.Request, string) {}, http.StatusBadGateway},
		{"that does not come", func(nc net.Conn, _ *http.Request, _ string) { stay(nc) }, http.StatusGatewayTimeout},
		{"with a wrong key", func(nc net.Conn, _ *http.Request, _ string) { io.WriteString(nc, switching+"x\r\n\r\n") }, http.StatusBadGateway},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := scripted(t, tt.answer)
			r := opener(t, url)
			c, res, err := draftwire.Dial(bg, "ws://"+r.address("front")+"/", nil)
			if tt.status != 0 {
				he, ok := errors.AsType[*draftwire.HandshakeError](err)
				if !ok || he.Status != tt.status {
					t.Fatalf("%v, not %d", err, tt.status)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			if _, p, err := c.Read(bg); err != nil || string(p) != "hello" {
				t.Errorf("%q, %v", p, err)
			}
			if n := len(res.Header["Set-Cookie"]); strings.Contains(tt.name, "much") != (n == 8) {
				t.Errorf("%d cookies", n)
			}
		})
	}
	t.Run("behind one that is not there", func(t *testing.T) {
		t.Parallel()
		r := opener(t, refused, named(t, "there"))
		for range 4 {
			c, err := r.client(r.address("front"))
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(c.Write(bg, draftwire.OpText, []byte("who?"))); got != "<nil>" {
				t.Error(got)
			}
			if _, p, err := c.Read(bg); err != nil || string(p) != "there" {
				t.Errorf("%q, %v", p, err)
			}
		}
	})
	t.Run("of nobody", func(t *testing.T) {
		t.Parallel()
		_, err := opener(t, refused).client(opener(t, refused).address("front"))
		if he, ok := errors.AsType[*draftwire.HandshakeError](err); !ok || he.Status != http.StatusBadGateway {
			t.Error(err)
		}
	})
}

// While a backend answers, no goroutine waits for it, if a loop can open its connection; and one does otherwise.
func TestNoGoroutineOpens(t *testing.T) {
	for query, elsewhere := range map[string]bool{"": false, "/?version=hybi-08": true} {
		asked, goOn := make(chan struct{}), make(chan struct{})
		url := scripted(t, func(nc net.Conn, _ *http.Request, accept string) {
			close(asked)
			<-goOn
			io.WriteString(nc, switching+accept+"\r\n\r\n"+hello)
			io.Copy(io.Discard, nc)
		})
		r := opener(t, url+query)
		opened := make(chan error, 1)
		go func() {
			_, err := r.client(r.address("front"))
			opened <- err
		}()
		<-asked
		all := make([]byte, 1<<20)
		all = all[:runtime.Stack(all, true)]
		if got := bytes.Contains(all, []byte("gateway.(*opening).")); got != elsewhere {
			t.Errorf("%q: a goroutine opens it: %v\n%s", query, got, all)
		}
		close(goOn)
		if err := <-opened; err != nil {
			t.Error(err)
		}
	}
}

// A side of a session on a loop that does not answer pings is dropped, and one that answers stays.
func TestPingsOnLoop(t *testing.T) {
	t.Parallel()
	cfg := tcp(named(t, "there"), "front")
	cfg.Routes[0].Policy.Ping = gateway.Duration(time.Second)
	ended := make(chan *gateway.Session, 2)
	r := realGateway(t, cfg, gateway.Options{Hooks: gateway.Hooks{Ended: func(s *gateway.Session, _ *draftwire.Conn) { ended <- s }}})
	awake, err := r.client(r.address("front"))
	if err != nil {
		t.Fatal(err)
	}
	awake.CloseRead(bg) // which answers
	silent, err := net.Dial("tcp", r.address("front"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	io.WriteString(silent, asks)
	s := <-ended
	if by, err := s.By(); !s.OnLoop() || by != gateway.ClientSide || err == nil || s.Client().RemoteAddr().String() != silent.LocalAddr().String() {
		t.Errorf("on a loop: %v, ended by %q: %v, %v", s.OnLoop(), by, err, s.Client().RemoteAddr())
	}
	select {
	case <-ended:
		t.Error("the client that answers was dropped")
	case <-time.After(2500 * time.Millisecond): // it has been pinged twice since
	}
}

// A backend that answers before it is asked, as one that has no room may do, is heard at once: the news of its answer may be
// that of the connection.
func TestAnswersUnasked(t *testing.T) {
	r := opener(t, unasked(t, func(nc net.Conn) {
		io.WriteString(nc, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		nc.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, nc)
	}))
	for range 100 {
		_, err := r.client(r.address("front"))
		if he, ok := errors.AsType[*draftwire.HandshakeError](err); !ok || he.Status != http.StatusServiceUnavailable {
			t.Fatal(err)
		}
	}
}

// opener is a gateway with these backends.
func opener(t *testing.T, urls ...string) *real {
	t.Helper()
	cfg := &gateway.Config{
		Listen: []gateway.Listener{{Name: "front", Address: "127.0.0.1:0"}},
		Routes: []gateway.Route{{Name: "all", DialTimeout: gateway.Duration(300 * time.Millisecond)}},
	}
	for _, url := range urls {
		cfg.Routes[0].Backends = append(cfg.Routes[0].Backends, gateway.Backend{URL: url})
	}
	return realGateway(t, cfg, gateway.Options{})
}

// A client whose close comes behind what its backend has not taken, as it is gone, is answered at once.
func TestCloseBehindReset(t *testing.T) {
	url := scripted(t, func(nc net.Conn, _ *http.Request, accept string) {
		io.WriteString(nc, switching+accept+"\r\n\r\n")
		nc.(*net.TCPConn).SetLinger(0)
	})
	cfg := tcp(url, "front")
	cfg.Limits.CloseTimeout = gateway.Duration(patience)
	r := realGateway(t, cfg, gateway.Options{})
	visit := func() error {
		nc, err := net.Dial("tcp", r.address("front"))
		if err != nil {
			return err
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(patience / 4))
		io.WriteString(nc, asks)
		nc.Write(append(ownMasked(0x81, "one"), ownMasked(0x88, "\x03\xe8")...))
		_, err = io.ReadAll(nc)
		return err
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if err := visit(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// A client that leaves while its backend is opened, and a gateway that ends meanwhile, leave nothing.
func TestLeavesWhileOpened(t *testing.T) {
	asked := make(chan struct{}, 8)
	url := scripted(t, func(nc net.Conn, _ *http.Request, _ string) {
		asked <- struct{}{}
		io.Copy(io.Discard, nc)
	})
	r := opener(t, url)
	for _, end := range []func(nc net.Conn){
		func(nc net.Conn) { nc.Close() },
		func(nc net.Conn) { r.gw.Close() },
	} {
		nc, err := net.Dial("tcp", r.address("front"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		io.WriteString(nc, asks)
		<-asked
		end(nc)
		if !within(patience, func() bool { return r.gw.Status().Connections+len(r.gw.ByAddress()) == 0 }) {
			t.Fatalf("%d connections, %v", r.gw.Status().Connections, r.gw.ByAddress())
		}
	}
}
