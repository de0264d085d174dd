//go:build !race

package budget_test

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
	"github.com/draftwire/draftwire/internal/wstest"
)

// overTCP calls f for each version with a connection on a real socket: its client,
// made by hand, and the server's end.
func overTCP(t *testing.T, f func(v draftwire.Version, client wstest.Client, nc net.Conn, c *draftwire.Conn)) {
	open := wstest.TCPPeers(t, wstest.TCP, draftwire.Limits{})
	for _, v := range draftwire.ServedVersions().List() {
		nc, client, c := open(v)
		f(v, client, nc, c)
	}
}

// The budget (without the race detector, under which pools forget at random)
// of a message on a server over TCP, whatever the version: none to
// write it, one to read it, which is the message itself.
func TestMessageAllocations(t *testing.T) {
	overTCP(t, func(v draftwire.Version, client wstest.Client, nc net.Conn, c *draftwire.Conn) {
		ctx, cancel := context.WithCancel(bg)
		text := strings.Repeat("x", 125)

		msg, frame := []byte(text), client.Text(text)
		if n := testing.AllocsPerRun(200, func() {
			nc.Write(frame)
			if _, p, err := c.Read(ctx); err != nil || len(p) != len(text) {
				t.Fatal(err)
			}
		}); n > 1 {
			t.Errorf("%s: Read allocates %v times", v, n)
		}
		out := make([]byte, len(client.Echo(text)))
		if n := testing.AllocsPerRun(200, func() {
			if err := c.Write(ctx, draftwire.OpText, msg); err != nil {
				t.Fatal(err)
			}
			io.ReadFull(nc, out)
		}); n > 0 {
			t.Errorf("%s: Write allocates %v times", v, n)
		}
		cancel()
	})
}

// The budget of an echo over TCP, whatever the version: a borrowed message and
// its answer allocate nothing, a message of the caller's own is allocated once.
func TestEchoAllocations(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which empties pools at random
	overTCP(t, func(v draftwire.Version, client wstest.Client, nc net.Conn, c *draftwire.Conn) {
		ctx, cancel := context.WithCancel(bg)
		for _, ctx := range []context.Context{ctx, c.Context()} {
			for _, n := range []int{125, 16 << 10} {
				text := wstest.Words(n)
				frame, back := client.Text(text), make([]byte, len(client.Echo(text)))
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
				text := wstest.Words(n)
				frame := client.Text(text)
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
	})
}

// The budget of an opening handshake over TCP, up to where the handler runs: the
// connection, its codec and what Handshake tells of it. The older versions have
// more to compute: numbers, nonces, the location.
func TestHandshakeAllocations(t *testing.T) {
	for v := range wstest.Clients {
		most := 10.0 + 1 // the goroutine, where none is left over
		if v < draftwire.Hybi07 {
			most = 15 + 1
		}
		switch v {
		case draftwire.Hybi02, draftwire.Hybi04, draftwire.Hybi05:
			most++ // the second goroutine, which TestHandshakeGoroutines allows them too
		}
		least := math.Inf(1) // other goroutines, and what pools and maps grow by, are counted too
		for try := 0; try < 40 && least >= most+0.5; try++ {
			least = min(least, handshakeAllocations(t, v))
		}
		if least >= most+0.5 {
			t.Errorf("%s: a handshake allocates %.1f times", v, least)
		}
	}
}

func handshakeAllocations(t *testing.T, v draftwire.Version) float64 {
	l := wstest.ListenTCP(t)
	defer l.Close()
	const warm, n = 20, 100
	conns := make([]net.Conn, warm+n)
	for i := range conns {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		client := wstest.Clients[v]().At(l.Addr().String(), false)
		wstest.Send(t, nc, []byte(protocolLine.ReplaceAllString(client.Head, "")+client.Key3))
		if conns[i], err = l.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	opened, end := make(chan struct{}), make(chan struct{})
	s := &draftwire.Server{Options: wstest.Options(), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
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
			for range 10 { // what opened it is to end, and be used again
				runtime.Gosched()
			}
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
	l := wstest.ListenTCP(t)
	s := &draftwire.Server{WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		for {
			if _, _, err := c.ReadBorrowed(ctx); err != nil {
				return err
			}
		}
	}}
	wstest.ServeOn(t, s, l)
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
}
