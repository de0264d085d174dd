package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/internal/hybi"
)

// ownMask is the mask of the frames that these tests send: whoever finds it at the backend has got a frame as it came.
var ownMask = [4]byte{0x5A, 0xC3, 0x99, 0x17}

// ownMasked returns a client's frame.
func ownMasked(first byte, payload string) []byte {
	p := []byte(payload)
	hybi.Mask(p, ownMask, 0)
	return append(append([]byte{first, 0x80 | byte(len(p))}, ownMask[:]...), p...)
}

// tapped is a listener that keeps what its connections read.
type tapped struct {
	net.Listener
	mu    sync.Mutex
	conns []*tap
}

func (l *tapped) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &tap{Conn: nc}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, c)
	return c, nil
}

// asSent counts the frames that came with the client's own mask.
func (l *tapped) asSent() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.mu.Lock()
		n += bytes.Count(c.read, ownMask[:])
		c.mu.Unlock()
	}
	return n
}

// tappedBackend starts a backend that echoes.
func tappedBackend(t *testing.T, o draftwire.AcceptOptions) *tapped {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := &tapped{Listener: l}
	serveOn(t, at, o, echo)
	return at
}

// What a client's message becomes on its way to the backend, by what the route asks for and what it is: the frame that it
// came in, or a new one.
func TestForward(t *testing.T) {
	text, binary := ownMasked(0x81, "hello, hello"), ownMasked(0x82, "\x00\x01\x02\x03\x04")
	two := bytes.Join([][]byte{text, binary}, nil)
	for name, x := range map[string]struct {
		client, backend draftwire.Version // RFC 6455 by default
		policy          gateway.Policy
		change          func(*gateway.Config)
		in              []byte // the two messages by default
		traced, tls     bool
		asSent, echoes  int
		lost            int // passed on, and then the session ends
	}{
		"RFC 6455 to RFC 6455":          {asSent: 2, echoes: 2},
		"hybi-07 to RFC 6455":           {client: draftwire.Hybi07, asSent: 2, echoes: 2},
		"RFC 6455 to hybi-08":           {backend: draftwire.Hybi08, asSent: 2, echoes: 2},
		"RFC 6455 to hybi-06":           {backend: draftwire.Hybi06, echoes: 2},
		"text beyond ASCII":             {in: ownMasked(0x81, "für €"), asSent: 1, echoes: 1},
		"fragments are gathered":        {policy: gateway.Policy{Fragments: "gather"}, asSent: 2, echoes: 2},
		"a message in fragments":        {in: append(ownMasked(0x01, "hello"), ownMasked(0x80, "!")...), echoes: 1},
		"a ping between":                {in: bytes.Join([][]byte{text, ownMasked(0x89, "p"), text}, nil), asSent: 2, echoes: 2},
		"invalid text is replaced":      {policy: gateway.Policy{InvalidText: "replace"}, echoes: 2},
		"the backend is sent deflate":   {policy: gateway.Policy{CompressionBackend: "all"}, echoes: 2},
		"binary messages become text":   {policy: gateway.Policy{Binary: "base64"}, asSent: 2, echoes: 2}, // for those that have none
		"every loss is fatal":           {policy: gateway.Policy{Fatal: everyLoss()}, asSent: 2, echoes: 2},
		"somebody is told of frames":    {traced: true, echoes: 2},
		"a mirror hears it":             {change: func(c *gateway.Config) { c.Routes[0].Mirror = &gateway.Mirror{To: c.Routes[0].Backends[0]} }, echoes: 2},
		"within the limit of a message": {change: func(c *gateway.Config) { c.Routes[0].Message = 12 }, asSent: 2, echoes: 2},
		"above the limit":               {change: func(c *gateway.Config) { c.Routes[0].Message = 11 }},
		"text that is not UTF-8":        {in: append(ownMasked(0x81, "a"), ownMasked(0x81, "\xff")...), asSent: 1, lost: 1},
		"TLS in front":                  {tls: true, asSent: 2, echoes: 2},
		"behind half a frame":           {in: append(text, text[:9]...), asSent: 1, echoes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := open(draftwire.AllVersions)
			o.Compression = draftwire.Compression{Mode: draftwire.CompressAll}
			at := tappedBackend(t, o)
			url := "ws://" + at.Addr().String()
			if x.backend != draftwire.Unknown {
				url += "/?version=" + x.backend.String()
			}
			cfg := tcp(url, "main")
			cfg.Routes[0].Policy = x.policy
			if x.change != nil {
				x.change(cfg)
			}
			if x.tls {
				cfg.Listen[0].TLS = &gateway.TLS{Certificates: []gateway.KeyPair{certificate(t)}}
			}
			counted := &counts{n: make(map[gateway.Side]int)}
			r := realGateway(t, cfg, gateway.Options{Hooks: gateway.Hooks{
				Meter:    counted.meter,
				Observer: func(string) *draftwire.Observer { return traceAll(x.traced) },
			}})
			in := x.in
			if in == nil {
				in = two
			}
			echoes := sendRaw(t, r.address("main"), x.client, x.tls, in, x.echoes)
			if echoes != x.echoes {
				t.Errorf("%d messages came back, want %d", echoes, x.echoes)
			}
			if !within(patience, func() bool { return at.asSent() >= x.asSent }) || at.asSent() > x.asSent {
				t.Errorf("%d frames went on as they came, want %d", at.asSent(), x.asSent)
			}
			if n := counted.of(gateway.ClientSide); n != x.echoes+x.lost {
				t.Errorf("%d messages of the client were counted, want %d", n, x.echoes+x.lost)
			}
		})
	}
}

// What goes on as it came to a client within TLS goes in records, however much it is.
func TestForwardTLS(t *testing.T) {
	at := tappedBackend(t, open(draftwire.AllVersions))
	cfg := tcp("ws://"+at.Addr().String(), "main")
	cfg.Listen[0].TLS = &gateway.TLS{Certificates: []gateway.KeyPair{certificate(t)}}
	r := realGateway(t, cfg, gateway.Options{})
	c, _, err := draftwire.Dial(bg, "wss://"+r.address("main")+"/", &draftwire.DialOptions{TLS: &tls.Config{InsecureSkipVerify: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for n := 1; n < 1<<20; n *= 4 {
		said := strings.Repeat("x", n)
		if err := c.Write(bg, draftwire.OpText, []byte(said)); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(bg); err != nil || string(p) != said {
			t.Fatalf("%d bytes came back of %d, %v", len(p), n, err)
		}
	}
}

// Many small messages that have to go the other way are not looked for anew behind each of them: that took minutes.
func TestForwardRefused(t *testing.T) {
	many := 1 << 20
	if raced { // which takes a quarter of a minute for them
		many = 1 << 17
	}
	frames := bytes.Repeat([]byte("\x81\x01x"), many)
	url := scripted(t, func(nc net.Conn, _ *http.Request, accept string) {
		io.WriteString(nc, switching+accept+"\r\n\r\n")
		nc.Write(frames)
		io.Copy(io.Discard, nc)
	})
	r := realGateway(t, tcp(url, "main"), gateway.Options{Hooks: gateway.Hooks{
		Observer: func(string) *draftwire.Observer { return traceAll(true) },
	}})
	c, err := r.client(r.address("main"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(bg, patience/4)
	defer cancel()
	for i := range many {
		if _, _, err := c.ReadBorrowed(ctx); err != nil {
			t.Fatalf("%v behind %d messages", err, i)
		}
	}
}

func everyLoss() (all []gateway.Loss) {
	for _, l := range gateway.Losses() {
		all = append(all, l.Loss)
	}
	return all
}

// traceAll is told of all frames of clients, or of nothing.
func traceAll(all bool) *draftwire.Observer {
	if !all {
		return nil
	}
	return &draftwire.Observer{Opened: func(c *draftwire.Conn) { c.TraceFrames(0, func(*draftwire.Frame) {}) }}
}

// counts are what a gateway has counted.
type counts struct {
	mu sync.Mutex
	n  map[gateway.Side]int
}

func (c *counts) meter(_ *gateway.Session, from gateway.Side) func(op draftwire.Op, n, times int) {
	return func(_ draftwire.Op, _, times int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.n[from] += times
	}
}

func (c *counts) of(side gateway.Side) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[side]
}

// sendRaw opens a connection, writes bytes to it past its engine, and returns how many messages come back: want, or
// fewer where it ends before.
func sendRaw(t *testing.T, address string, v draftwire.Version, secure bool, in []byte, want int) (echoes int) {
	var nc net.Conn
	conn, _, err := draftwire.Dial(bg, "ws://"+address+"/", &draftwire.DialOptions{Version: v,
		NetDial: func(ctx context.Context, network, _ string) (_ net.Conn, err error) {
			nc, err = new(net.Dialer).DialContext(ctx, network, address)
			if secure && err == nil {
				nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
			}
			return nc, err
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if _, err := nc.Write(in); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(bg, patience)
	defer cancel()
	for echoes < want {
		if _, _, err := conn.Read(ctx); err != nil {
			break
		}
		echoes++
	}
	return echoes
}
