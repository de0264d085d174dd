package main

import (
	"crypto/rand"
	"encoding/base64"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/draftwire/draftwire"
)

// meter is a connection that counts its bytes.
type meter struct {
	net.Conn
	n *atomic.Int64
}

func (m meter) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	m.n.Add(int64(n))
	return n, err
}

// between passes connections on to a server and counts the bytes each way.
func between(t *testing.T, url string) (here string, up, down *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	up, down = new(atomic.Int64), new(atomic.Int64)
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", strings.TrimPrefix(url, "ws://"))
			if err != nil {
				client.Close()
				return
			}
			pass := func(to, from net.Conn, n *atomic.Int64) {
				io.Copy(to, meter{from, n})
				to.Close()
			}
			go pass(server, client, up)
			go pass(client, server, down)
		}
	}()
	return "ws://" + l.Addr().String(), up, down
}

// What is agreed on, and what then goes over the wire.
func TestCompression(t *testing.T) {
	noise := make([]byte, 1200)
	rand.Read(noise)
	text := base64.StdEncoding.EncodeToString(noise)
	in := strings.Repeat(text+text+"\n", 20)
	type span struct{ least, most int64 }
	clear, own, taken := span{64_000, 70_000}, span{20_000, 40_000}, span{1200, 10_000}
	const deflate = "permessage-deflate"
	const noTakeover = deflate + "; server_no_context_takeover; client_no_context_takeover"
	for _, c := range []struct {
		server, client string
		agreed         string
		up, down       span
	}{
		{"", "/", "", clear, clear},
		{"", "/ --compression all", "", clear, clear},
		{"--compression all", "/", "", clear, clear},
		{"--compression all", "/ --compression all", noTakeover, own, own},
		{"--compression large", "/ --compression large", noTakeover, own, own},
		{"--compression all", "/ --compression large --compression-threshold 4KiB", noTakeover, clear, own},
		{"--compression large --compression-threshold 4KiB", "/ --compression all", noTakeover, own, clear},
		{"--compression all --compression-takeover", "/ --compression all", noTakeover, own, own},
		{"--compression all", "/ --compression all --compression-takeover", noTakeover, own, own},
		{"--compression all --compression-takeover", "/ --compression all --compression-takeover", deflate, taken, taken},
		{"", "/deflate", "", clear, clear},
		{"", "/deflate --compression all", noTakeover, own, own},
		{"", "/deflate?x --compression all --compression-takeover", deflate, taken, taken},
		{"--compression large --compression-threshold 1MiB", "/deflate --compression all --compression-takeover", deflate, taken, taken},
		{"--compression all", "/ --compression all --version hybi-08", noTakeover, own, own},
		{"--compression all", "/deflate --compression all --version hybi-04", "", clear, clear},
		{"--compression all", "/deflate --compression all --version hixie-76", "", clear, clear},
	} {
		url, server := serveOn(t, strings.Fields(c.server)...)
		here, up, down := between(t, url)
		args := append([]string{"client", "--protocol", "p"}, strings.Fields(here+c.client)...)
		code, out, err := call(t, in, args...)
		if code != 0 || out != in {
			t.Errorf("%+v: exit %d, %d bytes of %d, %s", c, code, len(out), len(in), err)
		}
		line := " subprotocol=p\n"
		if c.agreed != "" {
			line = ` subprotocol=p deflate="` + c.agreed + "\"\n"
		}
		if !strings.Contains(err, line) {
			t.Errorf("%+v: stderr %q", c, err)
		}
		if n := up.Load(); n < c.up.least || n > c.up.most {
			t.Errorf("%+v: %d bytes went up", c, n)
		}
		if n := down.Load(); n < c.down.least || n > c.down.most {
			t.Errorf("%+v: %d bytes came down", c, n)
		}
		server.err.await(t, `"msg":"connection".*"deflate":"`+c.agreed+`"`)
	}
}

// The size from which messages are compressed, when none is named.
func TestCompressionThreshold(t *testing.T) {
	url, _ := serveOn(t, "--compression", "large")
	for _, c := range []struct{ size, least, most int }{
		{draftwire.DefaultCompressionThreshold - 1, 500, 1000}, {draftwire.DefaultCompressionThreshold, 5, 499},
	} {
		here, _, down := between(t, url)
		conn := dialWith(t, here, draftwire.DialOptions{Compression: draftwire.Compression{Mode: draftwire.CompressAll}})
		before := int(down.Load()) // the head
		text := strings.Repeat("x", c.size)
		write(t, conn, draftwire.OpText, text)
		wantMessage(t, conn, text)
		if n := int(down.Load()) - before; n < c.least || n > c.most {
			t.Errorf("%d bytes came as %d", c.size, n)
		}
	}
}

// Each side of a gateway compresses the messages that its own flag names.
func TestGatewayCompression(t *testing.T) {
	back, _ := serveOn(t, "--compression", "all")
	type compressed struct{ small, large bool }
	words := map[string]compressed{"off": {}, "large": {large: true}, "all": {small: true, large: true}}
	for client, toClient := range words {
		for backend, toBackend := range words {
			behind, up, _ := between(t, back)
			url, _, _ := gatewayOn(t, append(free, "--to", behind, "--compression", client, "--compression-backend", backend)...)
			front, _, down := between(t, url)
			c := dialWith(t, front, draftwire.DialOptions{Compression: draftwire.Compression{Mode: draftwire.CompressAll}})
			for _, m := range []struct {
				size                int
				toClient, toBackend bool
			}{{100, toClient.small, toBackend.small}, {1000, toClient.large, toBackend.large}} {
				upBefore, downBefore := up.Load(), down.Load()
				text := strings.Repeat("x", m.size)
				write(t, c, draftwire.OpText, text)
				wantMessage(t, c, text)
				if n := int(up.Load() - upBefore); n < m.size != m.toBackend {
					t.Errorf("--compression-backend %s: %d bytes went to the backend as %d", backend, m.size, n)
				}
				if n := int(down.Load() - downBefore); n < m.size != m.toClient {
					t.Errorf("--compression %s: %d bytes went to the client as %d", client, m.size, n)
				}
			}
			c.Close(draftwire.CodeNormal, "")
		}
	}
}

// The path echoes in every mode and every version.
func TestDeflatePath(t *testing.T) {
	for _, mode := range []string{"echo", "broadcast"} {
		url, _ := serveOn(t, "--mode", mode)
		for _, v := range draftwire.ServedVersions().List() {
			o := draftwire.DialOptions{Version: v, Compression: draftwire.Compression{Mode: draftwire.CompressAll, Takeover: true}}
			one, two := dialWith(t, url+deflatePath, o), dialWith(t, url+deflatePath, o)
			want := ""
			if v.Supports(draftwire.CapDeflate) {
				want = "permessage-deflate"
			}
			if got := one.Handshake().Deflate(); got != want {
				t.Errorf("%s: agreed on %q", v, got)
			}
			for range 2 {
				write(t, one, draftwire.OpText, "one")
				wantMessage(t, one, "one")
				write(t, two, draftwire.OpText, "two")
				wantMessage(t, two, "two") // and not what the other one sent
			}
		}
	}
}

// A room may hold members of every compression.
func TestBroadcastCompressed(t *testing.T) {
	url, _ := serveOn(t, "--compression", "all", "--compression-takeover")
	var all []*draftwire.Conn
	for _, v := range []draftwire.Version{draftwire.Hixie76, draftwire.Hybi08, draftwire.RFC6455} {
		for _, o := range []draftwire.Compression{{}, {Mode: draftwire.CompressAll}, {Mode: draftwire.CompressAll, Takeover: true}} {
			c := dialWith(t, url+broadcastPath, draftwire.DialOptions{Version: v, Compression: o})
			all = append(all, c)
			text := strings.Repeat("here is "+v.String(), 100)
			write(t, c, draftwire.OpText, text)
			for _, m := range all {
				wantMessage(t, m, text)
			}
		}
	}
}
