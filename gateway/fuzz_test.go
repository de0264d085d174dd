package gateway_test

import (
	"bytes"
	"context"
	"net"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/wire"
)

// Whatever a client sends behind its handshake, in whatever pieces: nothing
// panics, and the session ends behind the client. A goroutine that is left behind
// fails the bubble.
func FuzzRelay(f *testing.F) {
	for i, v := range draftwire.Served().List() {
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
	list := draftwire.Served().List()
	v, b := list[int(front)%len(list)], list[int(back)%len(list)]
	w := newWorld(t)
	w.echo("back:80", draftwire.SetOf(b))
	pol := gateway.Policy{
		Binary:      []string{"reject", "base64", "hex", "latin1", "drop"}[policy%5],
		Fragments:   []string{"stream", "gather"}[policy/5%2],
		InvalidText: []string{"fail", "replace"}[policy/10%2],
		Compression: []string{"off", "both"}[policy/20%2],
	}
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
	// The client ends its half. Were it silent, a close would wait for the reader's
	// lock, and in a bubble time stands still meanwhile.
	below.(interface{ CloseWrite() error }).CloseWrite()
	<-w.ends
}
