package probe_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/probe"
	"github.com/draftwire/draftwire/wire"
)

// FuzzServer: whatever a server says behind the request, the probe ends in time and has a report.
func FuzzServer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi\x8a\x00\x88\x02\x03\xe8",
		"HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nWebSocket-Origin: http://example.com\r\nWebSocket-Location: ws://example.com/x\r\n\r\n\x00hi\xff",
		"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13, 8\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "\x15\x03\x01\x00\x02\x02\x46", "",
	} {
		seed.Add(f, []byte(s), true)
	}
	// A proof that fits any key, which no server can send, lets the frames be reached.
	f.Fuzz(func(t *testing.T, said []byte, behind bool) {
		synctest.Test(t, func(t *testing.T) {
			l := scripted(t, func(nc net.Conn) {
				if behind {
					accepts("", func(nc net.Conn) { nc.Write(said); drain(nc) })(nc)
					return
				}
				nc.Read(make([]byte, 4096))
				nc.Write(said)
			})
			began := time.Now()
			r, err := probe.Run(context.Background(), address, to(l, probe.Options{MaxConns: 12, Largest: 8 << 10, Faults: true}))
			if err != nil || len(r.Versions) != 9 {
				t.Fatalf("%+v, %v", r, err)
			}
			if time.Since(began) > 5*time.Minute {
				t.Fatalf("it took %s", time.Since(began))
			}
			roundTrip(t, r)
		})
	})
}

// FuzzWay: whatever a proxy answers, and whatever it sends to the backend, the probe ends in time.
func FuzzWay(f *testing.F) {
	seed.Add(f, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), []byte("GET /x HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
	seed.Add(f, []byte(""), []byte("GET / HTTP/1.1\r\n\r\n"))
	seed.Add(f, []byte("\x00\xff"), []byte("GET / HTTP/1.1\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key1: 1 2\r\nSec-WebSocket-Key2: 1 2\r\n\r\n12345678"))
	f.Fuzz(func(t *testing.T, answer, request []byte) {
		synctest.Test(t, func(t *testing.T) {
			back := memnet.Listen(64 << 10)
			l := scripted(t, func(nc net.Conn) {
				if far, err := back.Dial(); err == nil {
					defer far.Close()
					far.Write(request)
				}
				nc.Read(make([]byte, 4096))
				nc.Write(answer)
				drain(nc)
			})
			r, err := probe.Through(context.Background(), address, back, to(l, probe.Options{Versions: wire.VersionsOf(wire.Hixie76, wire.RFC6455), Quick: true}))
			if err != nil || len(r.Versions) != 2 {
				t.Fatalf("%+v, %v", r, err)
			}
		})
	})
}
