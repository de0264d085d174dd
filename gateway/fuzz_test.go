package gateway_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/wire"
	"pgregory.net/rapid"
)

// Whatever a client sends after its handshake, in whatever parts, nothing panics, and the
// session ends after the client. A goroutine that is left behind fails the bubble.
func FuzzRelay(f *testing.F) {
	for i, v := range draftwire.ServedVersions().List() {
		codec := draftOf[v].NewCodec(wire.CodecConfig{Role: wire.Client, Rand: bytes.NewReader(make([]byte, 1<<10)), MaskKey: []byte("k")})
		var p []byte
		p, _ = codec.AppendFrame(p, wire.OpText, true, []byte("grüße"))
		p, _ = codec.AppendFrame(p, wire.OpPing, true, []byte("p"))
		p, _ = codec.AppendFrame(p, wire.OpText, false, []byte("ab"))
		p, _ = codec.AppendFrame(p, wire.OpContinuation, true, []byte("cd"))
		f.Add(p, uint8(i), uint8(8-i), uint8(3), uint8(i))
		p, _ = codec.AppendFrame(p, wire.OpBinary, true, []byte("\x00\xff"))
		p, _ = codec.AppendClose(p, wire.CodePolicy, "bye")
		f.Add(p, uint8(i), uint8(i), uint8(200), uint8(i+100))
	}
	f.Fuzz(func(t *testing.T, p []byte, front, back, size, policy uint8) {
		bubble(t, func(t *testing.T) { fuzzRelay(t, p, front, back, max(1, int(size)), int(policy)) })
	})
}

func fuzzRelay(t *testing.T, p []byte, front, back uint8, size, policy int) {
	list := draftwire.ServedVersions().List()
	v, b := list[int(front)%len(list)], list[int(back)%len(list)]
	w := newWorld(t)
	w.echo("back:80", draftwire.VersionsOf(b))
	pol := gateway.Policy{
		Binary:      []string{"reject", "base64", "hex", "latin1", "drop"}[policy%5],
		Fragments:   []string{"stream", "gather"}[policy/5%2],
		InvalidText: []string{"fail", "replace"}[policy/10%2],
	}
	compress(&pol, []string{"off", "both"}[policy/20%2])
	pol.BinaryBack = encodes(pol.Binary) && policy/40%2 > 0
	cfg := to(pol, backURL(b))
	cfg.Routes[0].Message = 1 << 16
	w.start(cfg)
	var below net.Conn
	c, _, err := draftwire.Dial(bg, "ws://front/", &draftwire.DialOptions{
		Version: v, Compression: draftwire.Compression{Mode: draftwire.CompressAll},
		NetDial: func(ctx context.Context, n, a string) (_ net.Conn, err error) {
			below, err = w.dial(ctx, n, a)
			return below, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	go func() {
		for {
			if _, _, err := c.Read(bg); err != nil {
				return
			}
		}
	}()
	for len(p) > 0 {
		n := min(size, len(p))
		if _, err := below.Write(p[:n]); err != nil {
			break
		}
		p = p[n:]
	}
	// The client ends its half of the connection. If it did not, a close would wait for
	// the reader's lock, and time in a bubble does not pass during that.
	below.(interface{ CloseWrite() error }).CloseWrite()
	<-w.ends
}

// FuzzModel sends random traffic through the gateway, from one version to another and in both
// directions at once, and compares what arrives with what the oracle says, like TestModel.
// The fuzzer chooses what rapid would draw.
func FuzzModel(f *testing.F) {
	n := len(draftwire.ServedVersions().List())
	r := rand.New(rand.NewPCG(3, 4))
	for front := range n {
		for back := range n {
			draws := make([]byte, 2048)
			for i := range draws {
				draws[i] = byte(r.Uint32())
			}
			f.Add(uint8(front), uint8(back), draws)
		}
	}
	f.Fuzz(func(t *testing.T, front, back uint8, draws []byte) {
		list := draftwire.ServedVersions().List()
		rapid.MakeFuzz(func(rt *rapid.T) {
			p := drawPlan(rt, list[int(front)%n], list[int(back)%n])
			p.shorten(2000)
			var wrong string
			bubble(t, func(t *testing.T) { wrong = p.play(t) })
			if wrong != "" {
				rt.Fatalf("%s\n%v", wrong, p)
			}
		})(t, draws)
	})
}

// shorten cuts messages to at most that many bytes, as the length is not what the fuzzer
// should vary.
func (p *plan) shorten(most int) {
	for _, steps := range p.steps {
		for i := range steps {
			steps[i].size = min(steps[i].size, most)
		}
	}
	p.end.last.size = min(p.end.last.size, most)
}

// proxied starts a server that accepts PROXY headers with the gateway's reader, and tells for
// each request which client has sent it.
func proxied(t *testing.T) (dial func() (*memnet.Conn, error), seen chan string) {
	seen = make(chan string, 10)
	o := open(draftwire.AllVersions)
	o.Authorize = func(h *draftwire.Handshake, _ *draftwire.Answer) error {
		seen <- h.Remote()
		return nil
	}
	s := &draftwire.Server{WebSocket: echo, Options: o, Proxy: &draftwire.ProxyProtocol{
		From: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}, Read: gateway.ReadProxy,
	}}
	l := memnet.Listen(64 << 10)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return l.Dial, seen
}

// FuzzProxied fuzzes the beginning of a connection to a server that accepts PROXY headers. In
// whatever parts it comes, the client is the one that the whole header names. A malformed
// header, or a second one, ends the connection without an answer. The deadline holds.
func FuzzProxied(f *testing.F) {
	const ask = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	const v2 = "\r\n\r\n\x00\r\nQUIT\n"
	for i, header := range []string{
		"", "PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n", "PROXY TCP6 ::1 ::2 1000 80\r\n", "PROXY UNKNOWN\r\n", "PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\n", v2 + "\x20\x00\x00\x00", v2 + "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x03\xe8\x00\x50",
		v2 + "\x21\x11\x00\x0f\xc0\x00\x02\x01\xc0\x00\x02\x02\x03\xe8\x00\x50\x20\x00\x00", v2 + "\x21\x11\x00\x0d\xc0\x00\x02\x01\xc0\x00\x02\x02\x03\xe8\x00\x50!",
		v2 + "\x21\x21\x00\x24" + string(make([]byte, 36)), v2 + "\x21\x11\xff\xff", v2 + "\x31\x11\x00\x00",
	} {
		f.Add([]byte(header+ask), uint16(5*i))
	}
	f.Fuzz(func(t *testing.T, p []byte, cut uint16) {
		bubble(t, func(t *testing.T) { fuzzProxied(t, p[:min(len(p), 8<<10)], int(cut)) })
	})
}

func fuzzProxied(t *testing.T, p []byte, cut int) {
	dial, seen := proxied(t)
	nc, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	began := time.Now()
	var writer sync.WaitGroup
	writer.Go(func() {
		k := cut % (len(p) + 1)
		nc.Write(p[:k])
		rest()
		nc.Write(p[k:])
		nc.CloseWrite()
	})
	answer, _ := io.ReadAll(nc)
	writer.Wait()
	if d := time.Since(began); d > draftwire.DefaultHandshakeTimeout+draftwire.DefaultCloseTimeout {
		t.Errorf("%q: ended after %v", p, d)
	}
	n, h, err := gateway.ReadProxy(p)
	isHeader := bytes.HasPrefix(p, []byte("PROXY ")) || bytes.HasPrefix(p, []byte("\r\n\r\n\x00\r\nQUIT\n"))
	again := n > 0 && (bytes.HasPrefix(p[n:], []byte("PROXY ")) || bytes.HasPrefix(p[n:], []byte("\r\n\r\n\x00\r\nQUIT\n")))
	select {
	case remote := <-seen:
		if isHeader && (err != nil || n == 0) || again {
			t.Errorf("%q is believed: %q", p, remote)
		}
		if isHeader && h.Client.IsValid() != (remote == h.Client.String()) {
			t.Errorf("%q: the client is %q, want %v", p, remote, h.Client)
		}
	default:
		if isHeader && (err != nil || n == 0 || again) && len(answer) > 0 {
			t.Errorf("%q is answered with %q", p, answer)
		}
	}
}
