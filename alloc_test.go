//go:build !race

package draftwire_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
)

// The budget (without the race detector, under which pools forget at random)
// of a message on a server over TCP, whatever the version: none to
// write it, one to read it, which is the message itself.
func TestMessageAllocations(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan *draftwire.Conn)
	s := &draftwire.Server{Options: every(), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		conns <- c
		<-ctx.Done()
		return nil
	}}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	for v, newClient := range legacies {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		client := newClient().at(l.Addr().String(), false)
		send(t, nc, []byte(client.head+client.key3))
		if head := readHead(t, nc); client.learn != nil {
			client.learn(head)
		}
		c := <-conns
		ctx, cancel := context.WithCancel(bg)
		text := strings.Repeat("x", 125)

		msg, frame := []byte(text), client.text(text)
		if n := testing.AllocsPerRun(200, func() {
			nc.Write(frame)
			if _, p, err := c.Read(ctx); err != nil || len(p) != len(text) {
				t.Fatal(err)
			}
		}); n > 1 {
			t.Errorf("%s: Read allocates %v times", v, n)
		}
		out := make([]byte, len(client.echo(text)))
		if client.answer != "" {
			io.ReadFull(nc, make([]byte, len(client.answer)))
		}
		if n := testing.AllocsPerRun(200, func() {
			if err := c.Write(ctx, draftwire.OpText, msg); err != nil {
				t.Fatal(err)
			}
			io.ReadFull(nc, out)
		}); n > 0 {
			t.Errorf("%s: Write allocates %v times", v, n)
		}
		cancel()
	}
	s.Close()
	<-served
}
