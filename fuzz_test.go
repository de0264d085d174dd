package draftwire_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
)

// Whatever a client sends, in whatever pieces: the server does not panic, ends
// the connection within its deadlines, and leaves no goroutine behind (the
// bubble would not end).
func FuzzServer(f *testing.F) {
	for _, l := range legacies {
		l := l().at("example.com", false)
		s := l.head + l.key3 + string(l.text("hello"))
		if l.parts != nil {
			s += string(l.parts())
		}
		if l.close != nil {
			s += string(l.close())
		}
		f.Add([]byte(s), uint16(len(l.head)), true)
		f.Add([]byte(strings.Replace(s, "\r\n\r\n", "\r\nContent-Length: 8\r\n\r\n", 1)), uint16(7), false)
	}
	for _, offer := range []string{"permessage-deflate", "x-webkit-deflate-frame"} {
		head := strings.Replace(webkitHead("13"), "x-webkit-deflate-frame", offer, 1)
		f.Add(append([]byte(head), frame(0xC1, "\xf2\x48\xcd\xc9\xc9\x07\x00", true)...), uint16(300), true)
	}
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), uint16(3), true)
	f.Add([]byte("<policy-file-request/>\x00"), uint16(3), true)
	f.Fuzz(func(t *testing.T, p []byte, cut uint16, fin bool) {
		synctest.Test(t, func(t *testing.T) {
			opt := every()
			opt.Limits.ReadLimit = 1 << 12
			opt.Limits.IdleTimeout = time.Minute
			opt.Compression = withTakeover
			opt.Tolerate = ^draftwire.Tolerances(0)
			_, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: opt, FlashPolicy: draftwire.DefaultFlashPolicy, ErrorLog: newLogger(failOnPanic{t})})
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
