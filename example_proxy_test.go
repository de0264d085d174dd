package draftwire_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"strings"

	"github.com/draftwire/draftwire"
)

// readProxy1 reads the header of version 1, as far as this example needs it.
func readProxy1(p []byte) (n int, h draftwire.ProxyHeader, err error) {
	i := bytes.Index(p, []byte("\r\n"))
	if i < 0 {
		return 0, h, nil // more is to come
	}
	f := strings.Fields(string(p[:i]))
	if len(f) != 6 {
		return i + 2, draftwire.ProxyHeader{Local: true}, nil // PROXY UNKNOWN
	}
	h.Client, err = netip.ParseAddrPort(net.JoinHostPort(f[2], f[4]))
	return i + 2, h, err
}

// Behind a balancer that forwards TCP and sends the PROXY protocol.
func ExampleProxyProtocol() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	came := make(chan string)
	s := &draftwire.Server{
		Proxy: &draftwire.ProxyProtocol{
			From:     []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			Required: true,
			Read:     readProxy1,
		},
		WebSocket: func(_ context.Context, c *draftwire.Conn) error {
			came <- c.Handshake().Remote()
			return nil
		},
	}
	go s.Serve(l)
	defer s.Close()

	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "PROXY TCP4 203.0.113.7 192.0.2.1 48396 80\r\n"+
		"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	fmt.Println(<-came)
	// Output: 203.0.113.7:48396
}

// What a parser makes of a header, and of the beginning of one.
func ExampleProxyHeader() {
	for _, p := range []string{"PROXY TCP6 2001:db8::7 ::1 48396 80\r\nGET /", "PROXY UNKNOWN\r\n", "PROXY TC"} {
		n, h, err := readProxy1([]byte(p))
		fmt.Println(n, h.Client, h.Local, err)
	}
	// Output:
	// 37 [2001:db8::7]:48396 false <nil>
	// 15 invalid AddrPort true <nil>
	// 0 invalid AddrPort false <nil>
}
