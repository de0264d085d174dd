package server_test

import (
	"io"
	"log"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// Whatever a client sends, in whatever pieces: the server does not panic, ends
// the connection within its deadlines, and leaves no goroutine behind (the
// bubble would not end).
func FuzzServer(f *testing.F) {
	for _, l := range wstest.Clients {
		l := l().At("example.com", false)
		s := l.Head + l.Key3 + string(l.Text("hello"))
		if l.Fragments != nil {
			s += string(l.Fragments())
		}
		if l.CloseFrame != nil {
			s += string(l.CloseFrame())
		}
		f.Add([]byte(s), uint16(len(l.Head)), true)
		f.Add([]byte(strings.Replace(s, "\r\n\r\n", "\r\nContent-Length: 8\r\n\r\n", 1)), uint16(7), false)
	}
	for _, offer := range []string{"permessage-deflate", "x-webkit-deflate-frame"} {
		head := wstest.Head(draftwire.RFC6455, "Sec-WebSocket-Extensions: "+offer)
		f.Add(append([]byte(head), wstest.Frame(0xC1, "\xf2\x48\xcd\xc9\xc9\x07\x00", true)...), uint16(300), true)
	}
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), uint16(3), true)
	f.Add([]byte("<policy-file-request/>\x00"), uint16(3), true)
	f.Fuzz(func(t *testing.T, p []byte, cut uint16, fin bool) {
		synctest.Test(t, func(t *testing.T) {
			opt := wstest.Options()
			opt.Limits.ReadLimit = 1 << 12
			opt.Limits.IdleTimeout = time.Minute
			opt.Compression = wstest.DeflateTakeover
			opt.Tolerate = wire.ClientFaults()
			l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt, FlashPolicy: draftwire.DefaultFlashPolicy, ErrorLog: log.New(failOnPanic{t}, "", 0)})
			nc, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			began := time.Now()
			go func() {
				k := int(cut) % (len(p) + 1)
				nc.Write(p[:k])
				synctest.Wait()
				nc.Write(p[k:])
				if fin {
					nc.CloseWrite()
				}
			}()
			out, err := io.ReadAll(nc)
			if err != nil || len(out) > 2*len(p)+4096 {
				t.Fatalf("%d bytes made %d, %v", len(p), len(out), err)
			}
			if d := time.Since(began); d > 2*time.Minute {
				t.Fatalf("the connection took %v", d)
			}
		})
	})
}

// failOnPanic is the log of a server whose handlers must not panic.
type failOnPanic struct{ t *testing.T }

func (f failOnPanic) Write(p []byte) (int, error) {
	f.t.Errorf("log: %s", p)
	return len(p), nil
}
