//go:build !race

package draftwire_test

import (
	"context"
	"io"
	"net"
	"runtime/debug"
	"testing"

	"github.com/draftwire/draftwire"
)

// The budget of an echo over TCP, whatever the version: a borrowed message and
// its answer allocate nothing, a message of the caller's own is allocated once.
func TestEchoAllocations(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which empties pools at random
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
	defer func() {
		s.Close()
		<-served
	}()
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
		io.ReadFull(nc, make([]byte, len(client.answer)))
		c := <-conns
		ctx, cancel := context.WithCancel(bg)
		for _, ctx := range []context.Context{ctx, c.Context()} {
			for _, n := range []int{125, 16 << 10} {
				text := words(n)
				frame, back := client.text(text), make([]byte, len(client.echo(text)))
				round := func() {
					nc.Write(frame)
					op, p, err := c.ReadBorrowed(ctx)
					if err != nil || string(p) != text {
						t.Fatalf("%d bytes, %v", len(p), err)
					}
					if err := c.Write(ctx, op, p); err != nil {
						t.Fatal(err)
					}
					io.ReadFull(nc, back)
				}
				round()
				if n := testing.AllocsPerRun(100, round); n > 0 {
					t.Errorf("%s: an echo of %d bytes allocates %v times", v, len(text), n)
				}
			}
			for _, n := range []int{125, 16 << 10, 1 << 20} {
				if n == 1<<20 && ctx == c.Context() {
					continue // once is enough
				}
				text := words(n)
				frame := client.text(text)
				runs := 50
				if n == 1<<20 {
					runs = 8
				}
				write := make(chan struct{})
				go func() {
					for range write {
						nc.Write(frame)
					}
				}()
				if n := testing.AllocsPerRun(runs, func() {
					write <- struct{}{}
					if _, p, err := c.Read(ctx); err != nil || len(p) != len(text) {
						t.Fatalf("%d bytes, %v", len(p), err)
					}
				}); n > 1 {
					t.Errorf("%s: Read of %d bytes allocates %v times", v, len(text), n)
				}
				close(write)
			}
		}
		cancel()
	}
}
