package conn_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

func TestCompression(t *testing.T) {
	noise := make([]byte, 40<<10)
	rand.Read(noise)
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		if v > draftwire.Hixie75 && !v.Supports(draftwire.CapDeflate) {
			return // one version without compression stands for all
		}
		for _, mode := range []draftwire.Compression{{}, wstest.Deflate, wstest.DeflateTakeover, wstest.DeflateLarge} {
			for _, ask := range []draftwire.Compression{{}, wstest.Deflate, wstest.DeflateTakeover} {
				opt := wstest.Options()
				opt.Compression = mode
				client, server := wstest.Pair(t, v, opt, draftwire.DialOptions{Compression: ask})
				want := ""
				if mode.Mode != 0 && ask.Mode != 0 && v.Supports(draftwire.CapDeflate) {
					want = "permessage-deflate"
					if !mode.Takeover || !ask.Takeover {
						want += "; server_no_context_takeover; client_no_context_takeover"
					}
				}
				if got := server.Handshake().Deflate(); got != want || client.Handshake().Deflate() != want {
					t.Errorf("server %+v, client %+v: agreed on %q and %q, want %q", mode, ask, got, client.Handshake().Deflate(), want)
				}
				exchange := func(from, to *draftwire.Conn, text string) {
					t.Helper()
					go wstest.Write(t, from, text)
					wstest.Read(t, to, text)
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
				wstest.Read(t, server, text)
				pm := draftwire.NewPreparedMessage(draftwire.OpText, []byte(text))
				for range 2 {
					go server.WritePrepared(bg, pm)
					wstest.Read(t, client, text)
				}
				client.CloseNow()
				server.CloseNow()
			}
		}
	})
}
