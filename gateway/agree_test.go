package gateway_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// endedSession is what both sides and the gateway say of a session's end.
type endedSession struct{ by, backend, losses string }

// endWays are ends of a session. c is the client, b the backend's connection.
var endWays = map[string]func(c, b *draftwire.Conn, nc, nb net.Conn){
	"client closes":      func(c, b *draftwire.Conn, _, _ net.Conn) { c.Close(4001, "bye") },
	"client closes bare": func(c, b *draftwire.Conn, _, _ net.Conn) { c.Close(draftwire.CodeNoStatus, "") },
	"backend closes":     func(c, b *draftwire.Conn, _, _ net.Conn) { b.Close(4002, "go") },
	"client's end":       func(_, _ *draftwire.Conn, nc, _ net.Conn) { nc.(*net.TCPConn).CloseWrite() },
	"backend's end":      func(_, _ *draftwire.Conn, _, nb net.Conn) { nb.(*net.TCPConn).CloseWrite() },
	"client's reset":     func(_, _ *draftwire.Conn, nc, _ net.Conn) { nc.(*net.TCPConn).SetLinger(0); nc.Close() },
	"backend's reset":    func(_, _ *draftwire.Conn, _, nb net.Conn) { nb.(*net.TCPConn).SetLinger(0); nb.Close() },
	"client's fault":     func(_, _ *draftwire.Conn, nc, _ net.Conn) { nc.Write([]byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) },
	"client's end in a part": func(c, _ *draftwire.Conn, nc, _ net.Conn) {
		c.WritePart(bg, draftwire.Part{Op: draftwire.OpText, Data: []byte("x"), First: true})
		nc.Close()
	},
	"backend is silent": func(c, b *draftwire.Conn, _, _ net.Conn) { c.CloseWrite(4001, "") },
	"client's bad text": func(c, b *draftwire.Conn, nc, _ net.Conn) { nc.Write([]byte{0x81, 0x82, 0, 0, 0, 0, 0xff, 0xff}) },
}

func hearAll(c *draftwire.Conn) {
	for range c.Messages(bg) {
	}
}

// Sessions end in the same way whichever driver they have.
func TestDriversAgree(t *testing.T) {
	versions := []draftwire.Version{draftwire.RFC6455, draftwire.Hixie76, draftwire.Hixie75}
	for _, way := range slices.Sorted(maps.Keys(endWays)) {
		for _, from := range versions {
			for _, to := range versions {
				t.Run(fmt.Sprintf("%s/%s %s", way, from, to), func(t *testing.T) {
					t.Parallel()
					var both sync.WaitGroup
					var a, b endedSession
					both.Go(func() { a = endedBy(t, way, from, to, gateway.Options{}) })
					both.Go(func() { b = endedBy(t, way, from, to, gateway.Options{Dial: new(net.Dialer).DialContext}) })
					both.Wait()
					if a != b {
						t.Errorf("\nloop       %+v\ngoroutines %+v", a, b)
					}
				})
			}
		}
	}
}

var addressText = regexp.MustCompile(`[0-9.]+:[0-9]+(->[0-9.]+:[0-9]+)?`)

func endedBy(t *testing.T, way string, from, to draftwire.Version, o gateway.Options) (e endedSession) {
	ended := make(chan *gateway.Session, 1)
	o.Hooks.Ended = func(s *gateway.Session, _ *draftwire.Conn) { ended <- s }
	backs, over := make(chan *draftwire.Conn), make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ncs := make(chan net.Conn, 1)
	s := &draftwire.Server{Options: open(draftwire.AllVersions), WebSocket: func(_ context.Context, c *draftwire.Conn) error {
		backs <- c
		<-over
		return nil
	}}
	s.Options.Limits.CloseTimeout = time.Second
	go s.Serve(&acceptsTold{l, ncs})
	defer s.Close()
	cfg := tcp("ws://"+l.Addr().String()+"/?version="+to.String(), "main")
	cfg.Limits.WriteTimeout, cfg.Limits.CloseTimeout, cfg.Limits.Message = gateway.Duration(2*time.Second), gateway.Duration(time.Second), 2<<20
	cfg.Listen[0].Versions = "all"
	gw, err := gateway.New(cfg, o)
	if err != nil {
		t.Error(err)
		return
	}
	go gw.Run(bg)
	defer gw.Close()
	nc, err := net.Dial("tcp", (&real{gw: gw, t: t}).address("main"))
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	c, _, err := draftwire.Dial(bg, "ws://main/", &draftwire.DialOptions{Version: from, Limits: draftwire.Limits{CloseTimeout: time.Second},
		NetDial: func(context.Context, string, string) (net.Conn, error) { return nc, nil }})
	if err != nil {
		t.Error(err)
		return
	}
	defer c.CloseNow()
	nb := <-ncs
	b := <-backs
	defer close(over)
	go hearAll(c)
	if way != "backend is silent" {
		go hearAll(b)
	}
	endWays[way](c, b, nc, nb)
	select {
	case s := <-ended:
		by, err := s.By()
		e.by = addressText.ReplaceAllString(fmt.Sprint(by, " ", err), "ADDRESS")
		e.losses = fmt.Sprint(s.Losses())
	case <-time.After(15 * time.Second):
		t.Errorf("%s: the session does not end", way)
	}
	e.backend = lastHeard(b)
	return e
}

func lastHeard(c *draftwire.Conn) string {
	select {
	case <-c.Context().Done():
		return addressText.ReplaceAllString(fmt.Sprint(context.Cause(c.Context())), "ADDRESS")
	case <-time.After(3 * time.Second):
		return "open"
	}
}

// acceptsTold tells of what it accepts.
type acceptsTold struct {
	net.Listener
	got chan net.Conn
}

func (l *acceptsTold) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		l.got <- nc
	}
	return nc, err
}
