package draftwire_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

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
