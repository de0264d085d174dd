package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// byHand is a client of a version as bytes, and the farewell that it must get.
type byHand struct {
	version  draftwire.Version
	request  string
	behind   int // bytes of the answer after its head
	farewell string
}

func hybiHead(version, origin string) string {
	return "GET /x HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + origin + ": http://example.com\r\nSec-WebSocket-Version: " + version + "\r\n\r\n"
}

// 1001, with the server's reason.
const goingAway = "\x03\xe9server is shutting down"

var clientsByHand = []byHand{
	{draftwire.Hixie75, "GET /x HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: example.com\r\nOrigin: http://example.com\r\n\r\n", 0, ""},
	{draftwire.Hixie76, head76 + "^n:ds[4U", 16, "\xff\x00"},
	{draftwire.Hybi02, strings.Replace(head76, "Upgrade: Web", "Sec-WebSocket-Draft: 2\r\nUpgrade: Web", 1) + "^n:ds[4U", 16, "\x01\x00"},
	{draftwire.Hybi04, hybiHead("4", "Sec-WebSocket-Origin"), 0, "\x81\x00"},
	{draftwire.Hybi05, hybiHead("5", "Sec-WebSocket-Origin"), 0, "\x81\x01S"},
	{draftwire.Hybi06, hybiHead("6", "Sec-WebSocket-Origin"), 0, "\x81\x19" + goingAway},
	{draftwire.Hybi07, hybiHead("7", "Sec-WebSocket-Origin"), 0, "\x88\x19" + goingAway},
	{draftwire.Hybi08, hybiHead("8", "Sec-WebSocket-Origin"), 0, "\x88\x19" + goingAway},
	{draftwire.RFC6455, hybiHead("13", "Origin"), 0, "\x88\x19" + goingAway},
}

// join opens the connection. When the gateway has ended it, it sends everything that came.
// The client leaves as soon as it has got its farewell.
func (c *byHand) join(w *world) <-chan string {
	w.t.Helper()
	nc := w.front()
	io.WriteString(nc, c.request)
	r := bufio.NewReader(nc)
	if head := readHead(r); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		w.t.Fatalf("%s: %q", c.version, head)
	}
	io.CopyN(io.Discard, r, int64(c.behind))
	heard := make(chan string, 1)
	go func() {
		p := make([]byte, len(c.farewell))
		n, _ := io.ReadFull(r, p)
		if n < len(p) || n == 0 {
			rest, _ := io.ReadAll(r)
			p = append(p[:n], rest...)
		}
		nc.Close()
		heard <- string(p)
	}()
	return heard
}

// Each client gets the farewell of its version, spread over the drain time, and no client is
// accepted any more.
func TestDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := accepts(w, "back:80", echo)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Drain = gateway.Duration(10 * time.Second)
		w.start(cfg)
		const each = 5
		heard := make(map[int][]<-chan string)
		for range each {
			for i := range clientsByHand {
				heard[i] = append(heard[i], clientsByHand[i].join(w))
			}
		}
		pass(0)
		if n := w.gw.Status().Connections; n != each*len(clientsByHand) {
			t.Errorf("%d connections", n)
		}
		for _, v := range clientsByHand {
			if n := w.gw.Status().Versions[v.version.String()]; n != each {
				t.Errorf("%s: %d connections", v.version, n)
			}
		}
		began := time.Now()
		drained := make(chan error, 2)
		for range 2 { // the second waits for the first
			go func() { drained <- w.gw.Drain(bg) }()
		}
		synctest.Wait()
		if s := w.gw.Status(); s.Ready || !s.Draining || s.Why != "draining" {
			t.Errorf("status: %+v", s)
		}
		if _, err := w.client(draftwire.RFC6455, draftwire.DialOptions{}); err == nil {
			t.Error("a client was taken")
		}
		if err := w.gw.Reload(cfg); err == nil {
			t.Error("a configuration was taken")
		}
		for i, list := range heard {
			for _, h := range list {
				if got := <-h; got != clientsByHand[i].farewell {
					t.Errorf("%s: heard %q", clientsByHand[i].version, got)
				}
			}
		}
		for range 2 {
			if err := <-drained; err != nil {
				t.Errorf("drain: %v", err)
			}
		}
		if d := time.Since(began); d > 15*time.Second {
			t.Errorf("took %v", d)
		}
		for range each * len(clientsByHand) {
			if by, err := (<-w.ends).By(); by != gateway.GatewaySide {
				t.Errorf("ended by %q: %v", by, err)
			}
		}
		w.settled(s)
	})
}

// A drain does not wait for a backend that does not answer, and refuses its client.
func TestDrainDuringDial(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.script("back:80", silent)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Routes[0].DialTimeout = gateway.Duration(time.Minute)
		cfg.Limits.HandshakeTimeout = gateway.Duration(time.Minute)
		w.start(cfg)
		nc := w.front()
		io.WriteString(nc, head13("/", ""))
		pass(time.Second)
		if s.made.Load() != 1 {
			t.Fatal("no dial")
		}
		began := time.Now()
		if err := w.gw.Drain(bg); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("took %v", d)
		}
		// The client gets a status, or its connection is cut because its handshake is
		// not finished.
		if p, _ := io.ReadAll(nc); len(p) > 0 && !strings.HasPrefix(string(p), "HTTP/1.1 503 ") {
			t.Errorf("the client was answered %q", p)
		}
		w.settled(s)
	})
}

// A client that does not leave in time is cut: when the context of the drain ends, or the
// context of a second call.
func TestDrainIsCut(t *testing.T) {
	for _, second := range []bool{false, true} {
		cfg := tcp(named(t, "a"), "main")
		cfg.Drain = gateway.Duration(time.Hour)
		r := realGateway(t, cfg, gateway.Options{})
		for range 3 {
			if _, err := r.client(r.address("main")); err != nil {
				t.Fatal(err)
			}
		}
		ctx, stop := context.WithCancel(bg)
		drained := make(chan error, 2)
		if second {
			go func() { drained <- r.gw.Drain(bg) }()
			for !r.gw.Status().Draining {
				<-time.After(time.Millisecond)
			}
		}
		go func() { drained <- r.gw.Drain(ctx) }()
		stop()
		if err := <-drained; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("drain: %v", err)
		}
		r.gw.Close()
		if n := r.gw.Status().Connections; n != 0 {
			t.Errorf("%d connections", n)
		}
	}
}

// Close does not wait for an answer of the client or of the backend.
func TestCloseAtOnce(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &draftwire.Server{Options: open(draftwire.AllVersions), WebSocket: func(context.Context, *draftwire.Conn) error {
		<-release // it does not read
		return nil
	}}
	go s.Serve(l)
	defer s.Close()
	ended := make(chan bool, 10)
	r := realGateway(t, tcp("ws://"+l.Addr().String(), "main"), gateway.Options{Hooks: gateway.Hooks{
		Ended: func(*gateway.Session, *draftwire.Conn) { ended <- true },
	}})
	for range 3 {
		if _, err := r.client(r.address("main")); err != nil {
			t.Fatal(err)
		}
	}
	for r.gw.Status().Connections < 3 {
		<-time.After(time.Millisecond)
	}
	began := time.Now()
	r.gw.Close()
	if d := time.Since(began); d > time.Second {
		t.Errorf("took %v", d)
	}
	if len(ended) != 3 || r.gw.Status().Connections != 0 {
		t.Errorf("%d sessions have ended, %+v", len(ended), r.gw.Status())
	}
}

// Inside a text of hixie-76 no close can be sent, as it would be part of the text: the stream
// ends.
func TestHixie76MessageIsCut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &draftwire.Server{Options: open(draftwire.AllVersions), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		if w, err := c.Writer(ctx, draftwire.OpText); err == nil {
			w.Write(bytes.Repeat([]byte("x"), 1000))
		}
		c.Read(ctx) // the client has seen that
		return c.CloseNow()
	}}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	defer func() { s.Close(); <-done; s.Shutdown(bg) }()
	r := realGateway(t, tcp("ws://"+l.Addr().String(), "main"), gateway.Options{})
	nc, err := net.Dial("tcp", r.address("main"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, head76+"^n:ds[4U")
	in := bufio.NewReader(nc)
	readHead(in)
	if _, err := io.ReadFull(in, make([]byte, 16+1+100)); err != nil {
		t.Fatal(err)
	}
	io.WriteString(nc, "\x00go\xff")
	rest, err := io.ReadAll(in)
	if err != nil || bytes.ContainsAny(rest, "\x00\xff") {
		t.Errorf("%v behind %q", err, rest)
	}
}

// Sockets of systemd: the test runs itself as its child.
func TestInheritedSockets(t *testing.T) {
	var files []*os.File
	var addrs []string
	for range 4 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		defer f.Close()
		files, addrs = append(files, f), append(addrs, l.Addr().String())
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// LISTEN_PID is the process number of the child. The shell knows it, as it then
	// becomes the child.
	child := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" -test.run='^TestInheritedChild$' -test.v`, exe)
	child.Env = append(os.Environ(), "LISTEN_FDS=4", "LISTEN_FDNAMES=web:other:twice:twice", "GATEWAY_CHILD="+named(t, "parent"))
	child.ExtraFiles = files
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	child.Stdout, child.Stderr = &out, &out
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		f.Close()
	}
	ctx, cancel := context.WithTimeout(bg, 20*time.Second)
	defer cancel()
	for i, addr := range addrs[:2] {
		got := ""
		for try := 0; got != "parent" && try < 5; try++ { // the port goes and comes back meanwhile
			c, _, err := draftwire.Dial(ctx, "ws://"+addr+"/", nil)
			if err != nil { // of the port that goes
				got = err.Error()
				continue
			}
			got = who(c)
			c.CloseNow()
		}
		if got != "parent" {
			t.Errorf("socket %d: %q", i, got)
		}
	}
	in.Close()
	if err := child.Wait(); err != nil || !strings.Contains(out.String(), "--- PASS") {
		t.Errorf("child: %v\n%s", err, &out)
	}
}

// TestInheritedChild is run as the child of TestInheritedSockets. Otherwise it does nothing.
func TestInheritedChild(t *testing.T) {
	url := os.Getenv("GATEWAY_CHILD")
	if url == "" {
		return
	}
	for address, why := range map[string]string{"fd:nobody": `not pass a socket named "nobody"`, "fd:twice": "passes 2 sockets"} {
		if _, err := gateway.Listen(address); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", address, err)
		}
	}
	cfg := tcp(url, "main")
	cfg.Listen = []gateway.Listener{{Name: "main", Address: "fd:web"}, {Name: "other", Address: "fd:other"}}
	r := realGateway(t, cfg, gateway.Options{})
	cfg.Limits.Message = 1000 // another server on the same socket
	if err := r.gw.Reload(cfg); err != nil {
		t.Error(err)
	}
	cfg.Listen = cfg.Listen[:1] // it goes, and comes back
	if err := r.gw.Reload(cfg); err != nil {
		t.Error(err)
	}
	cfg.Listen = cfg.Listen[:2]
	if err := r.gw.Reload(cfg); err != nil {
		t.Error(err)
	}
	io.Copy(io.Discard, os.Stdin) // until the parent has seen enough
}
