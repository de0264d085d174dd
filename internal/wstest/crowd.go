package wstest

import (
	"net"
	"testing"

	"github.com/draftwire/draftwire"
)

// Crowd opens n connections of RFC 6455 over TCP, and returns the server's ends. peer reads the other end of each, of the number i from 0
// on, in a goroutine of its own.
func Crowd(tb testing.TB, n int, peer func(i int, nc net.Conn)) (conns []*draftwire.Conn) {
	tb.Helper()
	opened := make(chan *draftwire.Conn)
	s := &draftwire.Server{Options: Options(), WebSocket: HandOver(opened)}
	s.Options.Limits.PostLimit = 1 << 20
	l := ListenTCP(tb)
	ServeOn(tb, s, l)
	for i := range n {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { nc.Close() })
		client := NewClient(draftwire.RFC6455)
		client.Shake(tb, nc)
		go peer(i, nc)
		conns = append(conns, <-opened)
	}
	return conns
}
