//go:build !race

package draftwire_test

import (
	"context"
	"io"
	"math"
	"net"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

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

// The budget of an opening handshake over TCP, up to where the handler runs: the
// connection, its codec and what Handshake tells of it. The older versions have
// more to compute: numbers, nonces, the location.
func TestHandshakeAllocations(t *testing.T) {
	for v := range legacies {
		most := 10.0 + 1 // the goroutine, where none is left over
		if v < draftwire.Hybi07 {
			most = 15 + 1
		}
		least := math.Inf(1) // other goroutines, and what pools and maps grow by, are counted too
		for try := 0; try < 10 && least >= most+0.5; try++ {
			least = min(least, handshakeAllocations(t, v))
		}
		if least >= most+0.5 {
			t.Errorf("%s: a handshake allocates %.1f times", v, least)
		}
	}
}

func handshakeAllocations(t *testing.T, v draftwire.Version) float64 {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const warm, n = 20, 100
	conns := make([]net.Conn, warm+n)
	for i := range conns {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		client := legacies[v]().at(l.Addr().String(), false)
		send(t, nc, []byte(protocolLine.ReplaceAllString(client.head, "")+client.key3))
		if conns[i], err = l.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	opened, end := make(chan struct{}), make(chan struct{})
	s := &draftwire.Server{Options: every(), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		opened <- struct{}{}
		<-end
		return nil
	}}
	lis := &one{conns: make(chan net.Conn, 1)}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	open := func(conns []net.Conn) {
		for _, nc := range conns {
			lis.conns <- nc
			<-opened
		}
	}
	open(conns[:warm])
	var ended sync.WaitGroup // goroutines to be used again
	for range 2 * n {
		ended.Go(func() { <-opened })
	}
	for range 2 * n {
		opened <- struct{}{}
	}
	ended.Wait()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would empty the pools
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	open(conns[warm:])
	runtime.ReadMemStats(&after)
	close(end)
	close(lis.conns)
	s.Close()
	<-served
	return float64(after.Mallocs-before.Mallocs) / n
}

var protocolLine = regexp.MustCompile(`(Sec-)?WebSocket-Protocol: .*\r\n`)

// A context for each call, as with a timeout, costs a write to a socket with room
// nothing beside the context.
func TestWriteContextAllocations(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &draftwire.Server{WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		for {
			if _, _, err := c.ReadBorrowed(ctx); err != nil {
				return err
			}
		}
	}}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	c, _, err := draftwire.Dial(bg, "ws://"+l.Addr().String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	msg := []byte("hello")
	call := func(write bool) func() {
		return func() {
			ctx, cancel := context.WithTimeout(bg, time.Minute)
			defer cancel()
			ctx.Done()
			if !write {
				return
			}
			if err := c.Write(ctx, draftwire.OpText, msg); err != nil {
				t.Error(err)
			}
		}
	}
	alone, with := testing.AllocsPerRun(200, call(false)), testing.AllocsPerRun(200, call(true))
	if with > alone {
		t.Errorf("a write with a context of its own allocates %v times, the context alone %v", with, alone)
	}
	c.CloseNow()
	s.Close()
	<-served
}
