package draftwire_test

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
)

var (
	everything   = draftwire.Compression{Mode: draftwire.CompressAll}
	withTakeover = draftwire.Compression{Mode: draftwire.CompressAll, Takeover: true}
	wherePays    = draftwire.Compression{Mode: draftwire.CompressLarge}
)

func TestCompression(t *testing.T) {
	noise := make([]byte, 40<<10)
	rand.Read(noise)
	forEach(t, func(t *testing.T, v draftwire.Version) {
		if v > draftwire.Hixie75 && !v.Supports(draftwire.CapDeflate) {
			return // one version without compression stands for all
		}
		for _, mode := range []draftwire.Compression{{}, everything, withTakeover, wherePays} {
			for _, ask := range []draftwire.Compression{{}, everything, withTakeover} {
				opt := every()
				opt.Compression = mode
				client, server := pair(t, v, opt, draftwire.DialOptions{Compression: ask})
				want := ""
				if mode.Mode != 0 && ask.Mode != 0 && v.Supports(draftwire.CapDeflate) {
					want = "permessage-deflate"
					if !mode.Takeover || !ask.Takeover {
						want += "; server_no_context_takeover; client_no_context_takeover"
					}
				}
				if got := server.Handshake().Deflate; got != want || client.Handshake().Deflate != want {
					t.Errorf("server %+v, client %+v: agreed on %q and %q, want %q", mode, ask, got, client.Handshake().Deflate, want)
				}
				exchange := func(from, to *draftwire.Conn, text string) {
					t.Helper()
					go write(t, from, text)
					read(t, to, text)
				}
				for _, text := range []string{"", "a", strings.Repeat("hello ", 100), strings.Repeat("h\u00e9\u20ac", 8000), "a"} {
					exchange(client, server, text)
					exchange(server, client, text)
				}
				if v.Supports(draftwire.CapBinary) {
					go server.Write(bg, draftwire.OpBinary, noise)
					if _, p, err := client.Read(bg); err != nil || !bytes.Equal(p, noise) {
						t.Errorf("noise: %d bytes, %v", len(p), err)
					}
				}
				// In pieces, with a ping in between.
				go func() {
					w, err := client.Writer(bg, draftwire.OpText)
					if err != nil {
						t.Error(err)
						return
					}
					for i := range 10 {
						io.WriteString(w, strings.Repeat(fmt.Sprint(i), 1000))
					}
					w.Close()
				}()
				var text string
				for i := range 10 {
					text += strings.Repeat(fmt.Sprint(i), 1000)
				}
				read(t, server, text)
				pm := draftwire.NewPreparedMessage(draftwire.OpText, []byte(text))
				for range 2 {
					go server.WritePrepared(bg, pm)
					read(t, client, text)
				}
				client.CloseNow()
				server.CloseNow()
			}
		}
	})
}

// webkitHead asks for what Safari 6 to 14 and PhantomJS 2 offer.
func webkitHead(v string) string {
	return "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + wsKey +
		"\r\nOrigin: http://example.com\r\nSec-WebSocket-Version: " + v + "\r\nSec-WebSocket-Extensions: x-webkit-deflate-frame\r\n\r\n"
}

// The first reserved bit on every frame, each compressed for itself: Hello in
// two frames, one in clear between them, and a ping.
func TestWebkitDeflateFrame(t *testing.T) {
	for _, version := range []string{"7", "8", "13"} {
		bubble(t, func(t *testing.T) {
			opt := every()
			opt.Compression = withTakeover
			_, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: opt})
			nc, _ := l.Dial()
			defer nc.Close()
			send(t, nc, []byte(webkitHead(version)))
			if head := readHead(t, nc); !strings.Contains(head, "\r\nSec-WebSocket-Extensions: x-webkit-deflate-frame\r\n") {
				t.Fatalf("answer %q", head)
			}
			for _, p := range [][]byte{
				frame(0x41, "\xf2\x48\xcd\x01\x00", true), frame(0x89, "p", true), frame(0x00, "--", true), frame(0xC0, "\xca\xc9\x07\x00", true),
			} {
				send(t, nc, p)
			}
			want(t, nc, frame(0x8A, "p", false))
			b := make([]byte, 2)
			io.ReadFull(nc, b)
			if b[0] != 0xC1 || b[1] > 20 {
				t.Fatalf("the echo begins with %x", b)
			}
			z := make([]byte, b[1])
			io.ReadFull(nc, z)
			text, err := io.ReadAll(flate.NewReader(strings.NewReader(string(z) + "\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
			if err != nil || string(text) != "Hel--lo" {
				t.Errorf("the echo is %q, %v", text, err)
			}
			send(t, nc, frame(0xC9, "", true)) // a control frame never has the bit
			want(t, nc, append([]byte{0x88, 18}, "\x03\xeareserved bit set"...))
		})
	}
}

// 1 GiB in 1 MiB is refused at the limit of messages, with bounded memory.
func TestBomb(t *testing.T) {
	var z bytes.Buffer
	w, _ := flate.NewWriter(&z, flate.BestCompression)
	w.Write(make([]byte, 1<<20))
	w.Flush() // ends at a byte, and needs nothing from before: it can be repeated
	all := bytes.Repeat(z.Bytes(), 1024)
	bomb := frame(0xC2, string(all[:len(all)-4]), true)
	for _, offer := range []string{"permessage-deflate", "x-webkit-deflate-frame"} {
		bubble(t, func(t *testing.T) {
			opt := every()
			opt.Compression = everything
			ended := make(chan error, 1)
			_, l := memServer(t, &draftwire.Server{Options: opt, WebSocket: func(_ context.Context, c *draftwire.Conn) error {
				_, _, err := c.Read(bg)
				ended <- err
				return nil
			}})
			nc, _ := l.Dial()
			defer nc.Close()
			send(t, nc, []byte(strings.Replace(webkitHead("13"), "x-webkit-deflate-frame", offer, 1)))
			readHead(t, nc)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			go nc.Write(bomb)
			if err := <-ended; !errors.Is(err, draftwire.ErrTooBig) {
				t.Errorf("%s: the bomb is %v", offer, err)
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
				t.Errorf("%s: a bomb of %d bytes used %d", offer, len(bomb), used)
			}
			want(t, nc, []byte{0x88})
		})
	}
}

// A connection with compression and no takeover holds nothing of it between
// messages.
func TestIdleCompression(t *testing.T) {
	held := func(c draftwire.Compression) uint64 {
		var each uint64
		bubble(t, func(t *testing.T) {
			opt := every()
			opt.Compression = c
			const n = 50
			text := strings.Repeat("hello ", 1000)
			dial, _ := memServer(t, &draftwire.Server{WebSocket: echo, Options: opt})
			conns := make([]*draftwire.Conn, n)
			for i := range conns {
				conns[i] = dial(draftwire.RFC6455, draftwire.DialOptions{Compression: c})
			}
			synctest.Wait()
			before := inUse()
			for _, c := range conns {
				go write(t, c, text)
				read(t, c, text)
			}
			synctest.Wait()
			for range 3 {
				runtime.GC() // pools forget in two rounds
			}
			if after := inUse(); after > before {
				each = (after - before) / n
			}
		})
		return each
	}
	plain, frugal, takeover := held(draftwire.Compression{}), held(everything), held(withTakeover)
	t.Logf("after a message both ends hold %d bytes without compression, %d with, %d with takeover", plain, frugal, takeover)
	if frugal > plain+32<<10 {
		t.Errorf("an idle connection with compression holds %d bytes, without %d", frugal, plain)
	}
	if takeover < 32<<10 || takeover > 256<<10 {
		t.Errorf("takeover holds %d bytes", takeover)
	}
}
