package conformance_test

import (
	"compress/flate"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// What Safari 6 to 14 and PhantomJS 2 offer: the first reserved bit on every frame, each compressed for itself: Hello in
// two frames, one in clear between them, and a ping.
func TestWebkitDeflateFrame(t *testing.T) {
	for _, v := range []draftwire.Version{draftwire.Hybi07, draftwire.Hybi08, draftwire.RFC6455} {
		eachWay(t, func(t *testing.T, connect func(*draftwire.Server) halfCloser) {
			opt := wstest.Options()
			opt.Compression = wstest.DeflateTakeover
			nc := connect(&draftwire.Server{Options: opt})
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(time.Minute))
			wstest.Send(t, nc, []byte(wstest.Head(v, "Sec-WebSocket-Extensions: x-webkit-deflate-frame")))
			if head := wstest.ReadHead(t, nc); !strings.Contains(head, "\r\nSec-WebSocket-Extensions: x-webkit-deflate-frame\r\n") {
				t.Fatalf("answer %q", head)
			}
			for _, p := range [][]byte{
				wstest.Frame(0x41, "\xf2\x48\xcd\x01\x00", true), wstest.Frame(0x89, "p", true), wstest.Frame(0x00, "--", true), wstest.Frame(0xC0, "\xca\xc9\x07\x00", true),
			} {
				wstest.Send(t, nc, p)
			}
			wstest.Want(t, nc, wstest.Frame(0x8A, "p", false))
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
			wstest.Send(t, nc, wstest.Frame(0xC9, "", true)) // a control frame never has the bit
			wstest.Want(t, nc, append([]byte{0x88, 18}, "\x03\xeareserved bit set"...))
		})
	}
}
