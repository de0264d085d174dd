package draftwire_test

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
)

// listFields are the fields of a request that are lists.
var listFields = []string{
	"Connection", "Upgrade", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions",
	"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "Cookie",
}

// listValues are lists of about 15 KiB.
var listValues = []struct{ name, value string }{
	{"commas", strings.Repeat(",", 15<<10)},
	{"tokens", distinct(15 << 10)},
	{"quotes", strings.Repeat(`a=";b=",`, 15<<7)},
	{"trusted", strings.Repeat("127.0.0.1,", 15<<10/10)},
	{"trusted-hops", strings.Repeat("for=127.0.0.1,", 15<<10/14)},
}

// distinct is a list of n bytes of members that are all different.
func distinct(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%x,", i)
	}
	return b.String()
}

// BenchmarkLists is what a handshake costs by a socket, plain and with a list of 15 KiB
// in each field that is one: none may cost much more than its bytes.
func BenchmarkLists(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	o := draftwire.AcceptOptions{Versions: draftwire.Every, Protocols: []string{"a", "b"}, TrustForwarded: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	o.Compression.Mode = draftwire.CompressLarge
	s := &draftwire.Server{Options: o, WebSocket: func(context.Context, *draftwire.Conn) error { return nil }}
	go s.Serve(l)
	defer s.Close()
	head := "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	benchHead(b, "plain", l.Addr().String(), head)
	for _, field := range listFields {
		for _, v := range listValues {
			benchHead(b, field+"/"+v.name, l.Addr().String(), head+field+": "+v.value+"\r\n")
		}
	}
}

func benchHead(b *testing.B, name, addr, head string) {
	head += "\r\n"
	if len(head) > 16<<10 {
		b.Fatalf("%s: %d bytes", name, len(head))
	}
	b.Run(name, func(b *testing.B) {
		for b.Loop() {
			nc, err := net.Dial("tcp", addr)
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
