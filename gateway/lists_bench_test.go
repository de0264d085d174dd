package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// BenchmarkLists measures a handshake through a gateway, plain and with some 15 KiB in each
// field that is a list.
func BenchmarkLists(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &draftwire.Server{Options: open(draftwire.AllVersions), WebSocket: func(context.Context, *draftwire.Conn) error { return nil }}
	s.Options.Limits.HeadLimit = 64 << 10
	go s.Serve(l)
	defer s.Close()
	gw, err := gateway.New(&gateway.Config{
		Listen: []gateway.Listener{{Address: "127.0.0.1:0"}}, TrustForwarded: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Routes: []gateway.Route{{Backends: []gateway.Backend{{URL: "ws://" + l.Addr().String()}}}},
	}, gateway.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer gw.Close()
	go gw.Run(bg)
	var tokens, fields strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&tokens, "%x,", i)
		if tokens.Len() > 14<<10 {
			break
		}
	}
	for i := range 110 {
		fmt.Fprintf(&fields, "x%x: y\r\n", i)
	}
	commas := strings.Repeat(",", 15<<10)
	for _, x := range []struct{ name, more string }{
		{"plain", ""},
		{"Connection/tokens-and-110-fields", "Connection: " + tokens.String() + "\r\n" + fields.String()},
		{"Connection/commas", "Connection: " + commas + "\r\n"},
		{"Sec-WebSocket-Protocol/tokens", "Sec-WebSocket-Protocol: " + tokens.String() + "\r\n"},
		{"Sec-WebSocket-Protocol/commas", "Sec-WebSocket-Protocol: " + commas + "\r\n"},
		{"X-Forwarded-For/commas", "X-Forwarded-For: " + commas + "\r\n"},
		{"Forwarded/commas", "Forwarded: " + commas + "\r\n"},
		{"Cookie/commas", "Cookie: " + commas + "\r\n"},
	} {
		head := "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + x.more + "\r\n"
		b.Run(x.name, func(b *testing.B) {
			for b.Loop() {
				nc, err := net.Dial("tcp", gw.Status().Listeners[0].Address)
				if err != nil {
					b.Fatal(err)
				}
				io.WriteString(nc, head)
				if resp, err := http.ReadResponse(bufio.NewReader(nc), nil); err != nil || resp.StatusCode != 101 {
					b.Fatalf("%+v, %v", resp, err)
				}
				nc.Close()
			}
		})
	}
}
