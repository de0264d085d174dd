package draftwire_test

import (
	"context"
	"net"
	"testing"

	"github.com/draftwire/draftwire"
)

// BenchmarkHandshake is what an opening handshake costs without the system.
func BenchmarkHandshake(b *testing.B) {
	for _, v := range []draftwire.Version{draftwire.Hixie75, draftwire.Hixie76, draftwire.Hybi07, draftwire.RFC6455} {
		b.Run(v.String(), func(b *testing.B) {
			client := legacies[v]().at("example.com", false)
			head := []byte(client.head + client.key3)
			closed := make(chan struct{}, 1)
			o := every()
			o.Observer = &draftwire.Observer{Closed: func(*draftwire.Conn, error) { closed <- struct{}{} }}
			s := &draftwire.Server{Options: o, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
				_, _, err := c.ReadBorrowed(ctx)
				return err
			}}
			lis := &one{conns: make(chan net.Conn, 1)}
			go s.Serve(lis)
			b.ReportAllocs()
			for b.Loop() {
				lis.conns <- &loop{rest: head}
				<-closed
			}
			close(lis.conns)
			s.Close()
		})
	}
}
