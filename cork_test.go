package draftwire_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/wire"
)

// counted notes what each write of the server's end hands to the network.
type counted struct {
	*memnet.Conn
	mu    sync.Mutex
	sizes []int
}

func (c *counted) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.sizes = append(c.sizes, len(p))
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// writes returns the sizes of the writes since the last call.
func (c *counted) writes() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	sizes := c.sizes
	c.sizes = nil
	return sizes
}

type countedListener struct {
	*memnet.Listener
	conns chan *counted
}

func (l countedListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &counted{Conn: nc.(*memnet.Conn)}
	l.conns <- c
	return c, nil
}

// byHand is a connection whose client is bytes of the test.
type byHand struct {
	legacy
	*memnet.Conn // the client's end
	server       *draftwire.Conn
	net          *counted // the server's end, below
}

// handClient opens one, in memory that holds size bytes a direction. fn is the
// handler; nil leaves the server's end to the test.
func handClient(t *testing.T, v draftwire.Version, size int, lim draftwire.Limits, fn func(ctx context.Context, c *draftwire.Conn) error) byHand {
	t.Helper()
	opt := every()
	opt.Limits = lim
	got := make(chan *draftwire.Conn, 1)
	s := &draftwire.Server{Options: opt, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		got <- c
		if fn != nil {
			return fn(ctx, c)
		}
		<-ctx.Done()
		return nil
	}}
	l := countedListener{memnet.Listen(size), make(chan *counted, 1)}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	nc, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		s.Close()
		<-served
	})
	p := byHand{legacy: legacies[v]().at("example.com", false), Conn: nc, net: <-l.conns}
	send(t, nc, []byte(p.head+p.key3))
	if head := readHead(t, nc); p.learn != nil {
		p.learn(head)
	}
	want(t, nc, []byte(p.answer))
	p.server = <-got
	p.net.writes()
	return p
}

// texts is messages in one piece of the stream.
func texts(text func(string) []byte, messages ...string) []byte {
	var out []byte
	for _, m := range messages {
		out = append(out, text(m)...)
	}
	return out
}

func numbers(n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprint("message ", i)
	}
	return s
}

// What comes together is answered together, in order; what comes alone at once.
func TestAnswersGoTogether(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		p := handClient(t, v, 1<<20, draftwire.Limits{}, echo)
		began := time.Now()
		for _, n := range []int{1, 20, 1, 2} {
			m := numbers(n)
			send(t, p, texts(p.text, m...))
			want(t, p, texts(p.echo, m...))
			synctest.Wait()
			if w := p.net.writes(); len(w) != 1 {
				t.Errorf("%d answers in writes of %d bytes", n, w)
			}
		}
		m := numbers(2000) // more than is read at once
		send(t, p, texts(p.text, m...))
		want(t, p, texts(p.echo, m...))
		if w := p.net.writes(); len(w) > 20 {
			t.Errorf("2000 answers in writes of %d bytes", w)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("the answers took %v", d)
		}
	})
}

func TestPongsGoTogether(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		if !v.Supports(wire.CapPing) {
			return
		}
		p := handClient(t, v, 1<<20, draftwire.Limits{}, echo)
		began := time.Now()
		var in, out []byte
		for _, m := range numbers(5) {
			in = append(append(in, p.ping()...), p.text(m)...)
			out = append(append(out, p.pong...), p.echo(m)...)
		}
		in, out = append(in, p.ping()...), append(out, p.pong...)
		send(t, p, in)
		want(t, p, out)
		synctest.Wait()
		if w, d := p.net.writes(), time.Since(began); len(w) > 2 || d != 0 { // the last pong may go alone
			t.Errorf("5 answers and 6 pongs in writes of %d bytes, after %v", w, d)
		}
	})
}

// A handler that does not come back to read holds its answer for a millisecond.
func TestHoldIsShort(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		p := handClient(t, v, 1<<20, draftwire.Limits{}, nil)
		send(t, p, texts(p.text, "a", "b"))
		read(t, p.server, "a")
		for i := range 3 {
			began := time.Now()
			write(t, p.server, "1")
			write(t, p.server, "2")
			synctest.Wait()
			if w := p.net.writes(); len(w) != 0 {
				t.Errorf("round %d: written at once: %d bytes", i, w)
			}
			want(t, p, texts(p.echo, "1", "2"))
			if d := time.Since(began); d != time.Millisecond {
				t.Errorf("round %d: held for %v", i, d)
			}
			if w := p.net.writes(); len(w) != 1 {
				t.Errorf("round %d: written in %d bytes", i, w)
			}
		}
		read(t, p.server, "b")
		began := time.Now()
		write(t, p.server, "3")
		want(t, p, p.echo("3"))
		if d := time.Since(began); d != 0 {
			t.Errorf("held for %v with nothing to read", d)
		}
	})
}

// Nobody reads any more, though there is more to read, and other goroutines
// write.
func TestHoldWithoutReader(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		p := handClient(t, v, 2000, draftwire.Limits{}, nil)
		send(t, p, texts(p.text, "a", "b"))
		read(t, p.server, "a")
		const writers, each = 5, 40
		text := strings.Repeat("x", 700)
		var wg sync.WaitGroup
		defer wg.Wait()
		for range writers {
			wg.Go(func() {
				for i := range each {
					write(t, p.server, text)
					time.Sleep(time.Duration(i%4) * 500 * time.Microsecond)
				}
			})
		}
		began := time.Now()
		for range writers * each {
			want(t, p, p.echo(text))
		}
		if d := time.Since(began); d > 200*time.Millisecond {
			t.Errorf("it took %v", d)
		}
	})
}

func TestHoldIsBounded(t *testing.T) {
	const most = 32 << 10
	forEach(t, func(t *testing.T, v draftwire.Version) {
		text := strings.Repeat("x", 1500)
		p := handClient(t, v, 1<<20, draftwire.Limits{}, nil)
		n := 60
		send(t, p, texts(p.text, strings.Split(strings.Repeat("a", n), "")...))
		said, gone, writes := 0, 0, 0
		for range n {
			read(t, p.server, "a")
			write(t, p.server, text)
			said += len(p.echo(text))
			for _, w := range p.net.writes() {
				if writes++; w > most+len(p.echo(text)) {
					t.Errorf("%d bytes in one write", w)
				}
				gone += w
			}
			if held := said - gone; held > most+len(p.echo(text)) {
				t.Fatalf("%d bytes are held", held)
			}
		}
		if writes < 1 || writes > 4 {
			t.Errorf("%d writes before the reader waits", writes)
		}
		for range n {
			want(t, p, p.echo(text))
		}
	})
}

// A handler that returns while its answers are held.
func TestHoldThenReturn(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		p := handClient(t, v, 1<<20, draftwire.Limits{}, func(ctx context.Context, c *draftwire.Conn) error {
			for range 2 {
				read(t, c, "a")
				write(t, c, "answer")
			}
			return nil
		})
		send(t, p, texts(p.text, "a", "a", "a"))
		want(t, p, texts(p.echo, "answer", "answer"))
		if p.closed != nil {
			b := make([]byte, 1)
			if _, err := io.ReadFull(p, b); err != nil || b[0] != p.closed[0] {
				t.Errorf("then came %x, %v", b, err)
			}
		} else if n, err := p.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("then came %d, %v", n, err)
		}
	})
}

func TestCork(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		p := handClient(t, v, 1<<20, draftwire.Limits{}, nil)
		c := p.server
		for range 2 {
			c.Cork()
			m := numbers(5)
			for _, m := range m {
				write(t, c, m)
			}
			time.Sleep(time.Hour)
			if w := p.net.writes(); len(w) != 0 {
				t.Errorf("before Flush went %d bytes", w)
			}
			if err := c.Flush(bg); err != nil {
				t.Error(err)
			}
			if w := p.net.writes(); len(w) != 1 {
				t.Errorf("at Flush went %d bytes", w)
			}
			want(t, p, texts(p.echo, m...))
			for range 2 { // nothing to do
				if err := c.Flush(bg); err != nil || len(p.net.writes()) != 0 {
					t.Errorf("another Flush: %v", err)
				}
			}
			write(t, c, "at once")
			want(t, p, p.echo("at once"))
			p.net.writes()
		}

		// The limit.
		c.Cork()
		text := strings.Repeat("x", 1000)
		for range 40 {
			write(t, c, text)
		}
		if w := p.net.writes(); len(w) != 1 || w[0] < 32<<10 || w[0] > 34<<10 {
			t.Errorf("at the limit went %d bytes", w)
		}
		if err := c.Flush(bg); err != nil {
			t.Error(err)
		}
		if w := p.net.writes(); len(w) != 1 {
			t.Errorf("then went %d bytes", w)
		}
		for range 40 {
			want(t, p, p.echo(text))
		}
		if s := c.Stats(); s.MessagesOut != 52 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// Frames of a Writer, a prepared message and one of 200 KB keep their
// places behind what is held.
func TestCorkOrder(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		for _, c := range []*draftwire.Conn{server, client} {
			peer := client
			if c == client {
				peer = server
			}
			long := strings.Repeat("long", 50_000)
			go func() {
				c.Cork()
				write(t, c, "a")
				w, err := c.Writer(bg, draftwire.OpText)
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(w, "b")
				io.WriteString(w, "c")
				w.Close()
				c.WritePrepared(bg, draftwire.NewPreparedMessage(draftwire.OpText, []byte("d")))
				write(t, c, long)
				write(t, c, "e")
				if err := c.Flush(bg); err != nil {
					t.Error(err)
				}
			}()
			for _, m := range []string{"a", "bc", "d", long, "e"} {
				read(t, peer, m)
			}
		}
	})
}

func TestCorkThenClose(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		server.Cork()
		for _, m := range numbers(10) {
			write(t, server, m)
		}
		go server.Close(4001, "bye")
		for _, m := range numbers(10) {
			read(t, client, m)
		}
		_, _, err := client.Read(bg)
		var ce *draftwire.CloseError
		if !errors.As(err, &ce) || *ce != heard(v, 4001, "bye") {
			t.Errorf("the close came as %v", err)
		}
		<-server.Context().Done()
		if err := server.Flush(bg); !errors.Is(err, draftwire.ErrClosed) {
			t.Errorf("Flush after the end: %v", err)
		}
	})
}

func TestCorkThenCloseNow(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		p := handClient(t, v, 1<<20, draftwire.Limits{}, nil)
		p.server.Cork()
		for _, m := range numbers(10) {
			write(t, p.server, m)
		}
		p.server.CloseNow()
		all, err := io.ReadAll(p)
		if err != nil || !bytes.Equal(all, texts(p.echo, numbers(10)...)) {
			t.Errorf("%d bytes came, %v", len(all), err)
		}
		p.server.Cork()
		if err := p.server.Write(bg, draftwire.OpText, nil); !errors.Is(err, draftwire.ErrClosed) {
			t.Errorf("write after the end: %v", err)
		}
		if err := p.server.Flush(bg); !errors.Is(err, draftwire.ErrClosed) {
			t.Errorf("Flush after the end: %v", err)
		}

		// A peer that does not take it does not hold CloseNow up.
		p = handClient(t, v, 1000, draftwire.Limits{}, nil)
		p.server.Cork()
		write(t, p.server, strings.Repeat("x", 5000))
		began := time.Now()
		p.server.CloseNow()
		if d := time.Since(began); d > 10*time.Millisecond {
			t.Errorf("CloseNow took %v", d)
		}
		<-p.server.Context().Done()
	})
}

func TestCorkWhileAnotherWrites(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		p := handClient(t, v, 1000, draftwire.Limits{}, nil)
		text := strings.Repeat("x", 3000)
		go write(t, p.server, text)
		synctest.Wait() // it waits for the peer
		p.server.Cork()
		write(t, p.server, "held")
		want(t, p, p.echo(text))
		time.Sleep(time.Second)
		if w := p.net.writes(); len(w) != 1 {
			t.Errorf("writes of %d bytes", w)
		}
		go func() {
			if err := p.server.Flush(bg); err != nil {
				t.Error(err)
			}
		}()
		want(t, p, p.echo("held"))
	})
}

// What was held cannot go: the next call says so.
func TestCorkedPeerGone(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		p := handClient(t, v, 1000, draftwire.Limits{}, nil)
		p.server.Cork()
		write(t, p.server, "held")
		p.Close()
		if err := p.server.Flush(bg); err == nil {
			t.Error("Flush to nobody is no error")
		}
		if err := p.server.Write(bg, draftwire.OpText, nil); err == nil {
			t.Error("Write behind it is no error")
		}
		<-p.server.Context().Done()
	})
}

// Fifty goroutines write in all ways to a peer that reads slowly.
func TestManyWritersSlowPeer(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		writers, each := 12, 60
		if v == draftwire.RFC6455 {
			writers, each = 50, 200
		}
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		go server.Read(bg) // pongs
		text := func(i, j int) string { return fmt.Sprintf("%d/%d/%s", i, j, strings.Repeat("x", (i*31+j*17)%400)) }
		for i := range writers {
			go func() {
				for j := range each {
					m := text(i, j)
					var err error
					switch (i + j) % 8 {
					case 0:
						err = server.WritePrepared(bg, draftwire.NewPreparedMessage(draftwire.OpText, []byte(m)))
					case 1, 2:
						var w io.WriteCloser
						if w, err = server.Writer(bg, draftwire.OpText); err == nil {
							io.WriteString(w, m[:len(m)/2])
							io.WriteString(w, m[len(m)/2:])
							err = w.Close()
						}
					case 3:
						if i == 3 && v.Supports(wire.CapPing) {
							if err := server.Ping(bg); err != nil {
								t.Errorf("ping: %v", err)
							}
						}
						fallthrough
					default:
						err = server.Write(bg, draftwire.OpText, []byte(m))
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
		next := make([]int, writers) // of each its messages come in order
		for n := range writers * each {
			if n%100 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
			_, p, err := client.Read(bg)
			if err != nil {
				t.Fatal(err)
			}
			var i int
			fmt.Sscanf(string(p), "%d/", &i)
			if i >= writers || string(p) != text(i, next[i]) {
				t.Fatalf("message %d is %.40q", n, p)
			}
			next[i]++
		}
	})
}

// A peer that does not read: writers wait, what is queued is bounded, and the
// write timeout ends it.
func TestQueueIsBounded(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		p := handClient(t, v, 1000, draftwire.Limits{}, nil)
		text := strings.Repeat("x", 1000)
		const n = 200
		began := time.Now()
		errs := make(chan error, n)
		for range n {
			go func() { errs <- p.server.Write(bg, draftwire.OpText, []byte(text)) }()
		}
		synctest.Wait()
		want(t, p, p.echo(text))
		synctest.Wait()
		if w := p.net.writes(); len(w) != 2 || w[1] > 34<<10 {
			t.Errorf("writes of %d bytes", w)
		}
		failed := 0
		for range n {
			if err := <-errs; err != nil {
				failed++
			}
		}
		if d := time.Since(began); failed < n-1 || d > draftwire.DefaultWriteTimeout {
			t.Errorf("%d of %d failed, after %v", failed, n, d)
		}
		<-p.server.Context().Done()
		if err := context.Cause(p.server.Context()); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the end is %v", err)
		}
	})
}

// A context that ends before anything of its message is queued harms nobody.
func TestContextEndsWaiting(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		p := handClient(t, v, 1000, draftwire.Limits{}, nil)
		c := p.server
		short := func(what string, f func(context.Context) error) {
			t.Helper()
			ctx, cancel := context.WithTimeout(bg, time.Second)
			defer cancel()
			began := time.Now()
			if err := f(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("%s: %v after %v", what, err, time.Since(began))
			}
		}
		calls := func(what string) {
			t.Helper()
			short(what+", Write", func(ctx context.Context) error { return c.Write(ctx, draftwire.OpText, []byte("never")) })
			short(what+", a long Write", func(ctx context.Context) error { return c.Write(ctx, draftwire.OpText, make([]byte, 100_000)) })
			short(what+", Writer", func(ctx context.Context) error { _, err := c.Writer(ctx, draftwire.OpText); return err })
			short(what+", WritePrepared", func(ctx context.Context) error {
				return c.WritePrepared(ctx, draftwire.NewPreparedMessage(draftwire.OpText, nil))
			})
		}
		// For room.
		text := strings.Repeat("x", 2000)
		const n = 30
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() { write(t, c, text) })
		}
		synctest.Wait()
		calls("no room")
		for range n {
			want(t, p, p.echo(text))
		}
		wg.Wait()
		write(t, c, "next")
		want(t, p, p.echo("next"))
		// For the turn.
		w, err := c.Writer(bg, draftwire.OpText)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "half")
		calls("not its turn")
		go io.Copy(io.Discard, p)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		write(t, c, "last")
		// A context that has ended already.
		ctx, cancel := context.WithCancel(bg)
		cancel()
		if err := c.Write(ctx, draftwire.OpText, nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		write(t, c, "still open")
	})
}

// A context that ends inside a write ends the connection, and says so.
func TestContextEndsWriting(t *testing.T) {
	for name, f := range map[string]func(ctx context.Context, c *draftwire.Conn) error{
		"short": func(ctx context.Context, c *draftwire.Conn) error {
			return c.Write(ctx, draftwire.OpText, make([]byte, 5000))
		},
		"long": func(ctx context.Context, c *draftwire.Conn) error {
			return c.Write(ctx, draftwire.OpText, make([]byte, 50_000))
		},
		"writer": func(ctx context.Context, c *draftwire.Conn) error {
			w, err := c.Writer(ctx, draftwire.OpText)
			if err == nil {
				w.Write([]byte("begin"))
				_, err = w.Write(make([]byte, 5000))
			}
			return err
		},
		"flush": func(ctx context.Context, c *draftwire.Conn) error {
			c.Cork()
			c.Write(bg, draftwire.OpText, make([]byte, 5000))
			return c.Flush(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			forEach(t, func(t *testing.T, v draftwire.Version) {
				p := handClient(t, v, 1000, draftwire.Limits{}, nil)
				ctx, cancel := context.WithTimeout(bg, time.Second)
				defer cancel()
				began := time.Now()
				if err := f(ctx, p.server); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
				<-p.server.Context().Done()
				if err := context.Cause(p.server.Context()); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the end is %v", err)
				}
				if err := p.server.Write(bg, draftwire.OpText, nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a write behind it: %v", err)
				}
			})
		})
	}
}
