package conn_test

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
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// What comes together is answered together, in order; what comes alone at once.
func TestAnswersGoTogether(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := wstest.NewPeer(t, v, 1<<20, draftwire.Limits{}, wstest.Echo)
		began := time.Now()
		for _, n := range []int{1, 20, 1, 2} {
			m := wstest.Numbers(n)
			wstest.Send(t, p, wstest.Texts(p.Text, m...))
			wstest.Want(t, p, wstest.Texts(p.Echo, m...))
			synctest.Wait()
			if w := p.Writes(); len(w) != 1 {
				t.Errorf("%d answers in writes of %d bytes", n, w)
			}
		}
		m := wstest.Numbers(2000) // more than is read at once
		wstest.Send(t, p, wstest.Texts(p.Text, m...))
		wstest.Want(t, p, wstest.Texts(p.Echo, m...))
		if w := p.Writes(); len(w) > 20 {
			t.Errorf("2000 answers in writes of %d bytes", w)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("the answers took %v", d)
		}
	})
}

func TestPongsGoTogether(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		if !v.Supports(wire.CapPing) {
			return
		}
		p := wstest.NewPeer(t, v, 1<<20, draftwire.Limits{}, wstest.Echo)
		began := time.Now()
		var in, out []byte
		for _, m := range wstest.Numbers(5) {
			in = append(append(in, p.Ping()...), p.Text(m)...)
			out = append(append(out, p.Pong...), p.Echo(m)...)
		}
		in, out = append(in, p.Ping()...), append(out, p.Pong...)
		wstest.Send(t, p, in)
		wstest.Want(t, p, out)
		synctest.Wait()
		if w, d := p.Writes(), time.Since(began); len(w) > 2 || d != 0 { // the last pong may go alone
			t.Errorf("5 answers and 6 pongs in writes of %d bytes, after %v", w, d)
		}
	})
}

// A handler that does not come back to read holds its answer for a millisecond.
func TestHoldIsShort(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := wstest.NewPeer(t, v, 1<<20, draftwire.Limits{}, nil)
		wstest.Send(t, p, wstest.Texts(p.Text, "a", "b"))
		wstest.Read(t, p.Server, "a")
		for i := range 3 {
			began := time.Now()
			wstest.Write(t, p.Server, "1")
			wstest.Write(t, p.Server, "2")
			synctest.Wait()
			if w := p.Writes(); len(w) != 0 {
				t.Errorf("round %d: written at once: %d bytes", i, w)
			}
			wstest.Want(t, p, wstest.Texts(p.Echo, "1", "2"))
			if d := time.Since(began); d != time.Millisecond {
				t.Errorf("round %d: held for %v", i, d)
			}
			if w := p.Writes(); len(w) != 1 {
				t.Errorf("round %d: written in %d bytes", i, w)
			}
		}
		wstest.Read(t, p.Server, "b")
		began := time.Now()
		wstest.Write(t, p.Server, "3")
		wstest.Want(t, p, p.Echo("3"))
		if d := time.Since(began); d != 0 {
			t.Errorf("held for %v with nothing to read", d)
		}
	})
}

// Nobody reads any more, though there is more to read, and other goroutines
// write.
func TestHoldWithoutReader(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := wstest.NewPeer(t, v, 2000, draftwire.Limits{}, nil)
		wstest.Send(t, p, wstest.Texts(p.Text, "a", "b"))
		wstest.Read(t, p.Server, "a")
		const writers, each = 5, 40
		text := strings.Repeat("x", 700)
		var wg sync.WaitGroup
		defer wg.Wait()
		for range writers {
			wg.Go(func() {
				for i := range each {
					wstest.Write(t, p.Server, text)
					time.Sleep(time.Duration(i%4) * 500 * time.Microsecond)
				}
			})
		}
		began := time.Now()
		for range writers * each {
			wstest.Want(t, p, p.Echo(text))
		}
		if d := time.Since(began); d > 200*time.Millisecond {
			t.Errorf("it took %v", d)
		}
	})
}

func TestHoldIsBounded(t *testing.T) {
	const most = 32 << 10
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		text := strings.Repeat("x", 1500)
		p := wstest.NewPeer(t, v, 1<<20, draftwire.Limits{}, nil)
		n := 60
		wstest.Send(t, p, wstest.Texts(p.Text, strings.Split(strings.Repeat("a", n), "")...))
		said, gone, writes := 0, 0, 0
		for range n {
			wstest.Read(t, p.Server, "a")
			wstest.Write(t, p.Server, text)
			said += len(p.Echo(text))
			for _, w := range p.Writes() {
				if writes++; w > most+len(p.Echo(text)) {
					t.Errorf("%d bytes in one write", w)
				}
				gone += w
			}
			if held := said - gone; held > most+len(p.Echo(text)) {
				t.Fatalf("%d bytes are held", held)
			}
		}
		if writes < 1 || writes > 4 {
			t.Errorf("%d writes before the reader waits", writes)
		}
		for range n {
			wstest.Want(t, p, p.Echo(text))
		}
	})
}

// A handler that returns while its answers are held.
func TestHoldThenReturn(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := wstest.NewPeer(t, v, 1<<20, draftwire.Limits{}, func(ctx context.Context, c *draftwire.Conn) error {
			for range 2 {
				wstest.Read(t, c, "a")
				wstest.Write(t, c, "answer")
			}
			return nil
		})
		wstest.Send(t, p, wstest.Texts(p.Text, "a", "a", "a"))
		wstest.Want(t, p, wstest.Texts(p.Echo, "answer", "answer"))
		if p.CloseAnswer != nil {
			b := make([]byte, 1)
			if _, err := io.ReadFull(p, b); err != nil || b[0] != p.CloseAnswer[0] {
				t.Errorf("then came %x, %v", b, err)
			}
		} else if n, err := p.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("then came %d, %v", n, err)
		}
	})
}

func TestCork(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := wstest.NewPeer(t, v, 1<<20, draftwire.Limits{}, nil)
		c := p.Server
		for range 2 {
			c.Cork()
			m := wstest.Numbers(5)
			for _, m := range m {
				wstest.Write(t, c, m)
			}
			time.Sleep(time.Hour)
			if w := p.Writes(); len(w) != 0 {
				t.Errorf("before Flush went %d bytes", w)
			}
			if err := c.Flush(bg); err != nil {
				t.Error(err)
			}
			if w := p.Writes(); len(w) != 1 {
				t.Errorf("at Flush went %d bytes", w)
			}
			wstest.Want(t, p, wstest.Texts(p.Echo, m...))
			for range 2 { // nothing to do
				if err := c.Flush(bg); err != nil || len(p.Writes()) != 0 {
					t.Errorf("another Flush: %v", err)
				}
			}
			wstest.Write(t, c, "at once")
			wstest.Want(t, p, p.Echo("at once"))
			p.Writes()
		}

		// The limit.
		c.Cork()
		text := strings.Repeat("x", 1000)
		for range 40 {
			wstest.Write(t, c, text)
		}
		if w := p.Writes(); len(w) != 1 || w[0] < 32<<10 || w[0] > 34<<10 {
			t.Errorf("at the limit went %d bytes", w)
		}
		if err := c.Flush(bg); err != nil {
			t.Error(err)
		}
		if w := p.Writes(); len(w) != 1 {
			t.Errorf("then went %d bytes", w)
		}
		for range 40 {
			wstest.Want(t, p, p.Echo(text))
		}
		if s := c.Stats(); s.MessagesOut != 52 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// Frames of a Writer, a prepared message and one of 200 KB keep their
// places behind what is held.
func TestCorkOrder(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		for _, c := range []*draftwire.Conn{server, client} {
			peer := client
			if c == client {
				peer = server
			}
			long := strings.Repeat("long", 50_000)
			go func() {
				c.Cork()
				wstest.Write(t, c, "a")
				w, err := c.Writer(bg, draftwire.OpText)
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(w, "b")
				io.WriteString(w, "c")
				w.Close()
				c.WritePrepared(bg, draftwire.NewPreparedMessage(draftwire.OpText, []byte("d")))
				wstest.Write(t, c, long)
				wstest.Write(t, c, "e")
				if err := c.Flush(bg); err != nil {
					t.Error(err)
				}
			}()
			for _, m := range []string{"a", "bc", "d", long, "e"} {
				wstest.Read(t, peer, m)
			}
		}
	})
}

func TestCorkThenClose(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		server.Cork()
		for _, m := range wstest.Numbers(10) {
			wstest.Write(t, server, m)
		}
		go server.Close(4001, "bye")
		for _, m := range wstest.Numbers(10) {
			wstest.Read(t, client, m)
		}
		_, _, err := client.Read(bg)
		var ce *draftwire.CloseError
		if !errors.As(err, &ce) || *ce != wstest.Heard(v, 4001, "bye") {
			t.Errorf("the close came as %v", err)
		}
		<-server.Context().Done()
		if err := server.Flush(bg); !errors.Is(err, draftwire.ErrClosed) {
			t.Errorf("Flush after the end: %v", err)
		}
	})
}

func TestCorkThenCloseNow(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := wstest.NewPeer(t, v, 1<<20, draftwire.Limits{}, nil)
		p.Server.Cork()
		for _, m := range wstest.Numbers(10) {
			wstest.Write(t, p.Server, m)
		}
		p.Server.CloseNow()
		all, err := io.ReadAll(p)
		if err != nil || !bytes.Equal(all, wstest.Texts(p.Echo, wstest.Numbers(10)...)) {
			t.Errorf("%d bytes came, %v", len(all), err)
		}
		p.Server.Cork()
		if err := p.Server.Write(bg, draftwire.OpText, nil); !errors.Is(err, draftwire.ErrClosed) {
			t.Errorf("write after the end: %v", err)
		}
		if err := p.Server.Flush(bg); !errors.Is(err, draftwire.ErrClosed) {
			t.Errorf("Flush after the end: %v", err)
		}

		// A peer that does not take it does not hold CloseNow up.
		p = wstest.NewPeer(t, v, 1000, draftwire.Limits{}, nil)
		p.Server.Cork()
		wstest.Write(t, p.Server, strings.Repeat("x", 5000))
		began := time.Now()
		p.Server.CloseNow()
		if d := time.Since(began); d > 10*time.Millisecond {
			t.Errorf("CloseNow took %v", d)
		}
		<-p.Server.Context().Done()
	})
}

func TestCorkWhileAnotherWrites(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := wstest.NewPeer(t, v, 1000, draftwire.Limits{}, nil)
		text := strings.Repeat("x", 3000)
		go wstest.Write(t, p.Server, text)
		synctest.Wait() // it waits for the peer
		p.Server.Cork()
		wstest.Write(t, p.Server, "held")
		wstest.Want(t, p, p.Echo(text))
		time.Sleep(time.Second)
		if w := p.Writes(); len(w) != 1 {
			t.Errorf("writes of %d bytes", w)
		}
		go func() {
			if err := p.Server.Flush(bg); err != nil {
				t.Error(err)
			}
		}()
		wstest.Want(t, p, p.Echo("held"))
	})
}

// What was held cannot go: the next call says so.
func TestCorkedPeerGone(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := wstest.NewPeer(t, v, 1000, draftwire.Limits{}, nil)
		p.Server.Cork()
		wstest.Write(t, p.Server, "held")
		p.Close()
		if err := p.Server.Flush(bg); err == nil {
			t.Error("Flush to nobody is no error")
		}
		if err := p.Server.Write(bg, draftwire.OpText, nil); err == nil {
			t.Error("Write behind it is no error")
		}
		<-p.Server.Context().Done()
	})
}

// The last message is not answered: what is held goes when the reader waits.
func TestHoldEndsWhenReaderWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, client, c := wstest.NewPeer(t, draftwire.RFC6455, 1<<20, draftwire.Limits{}, nil).Split()
		go func() {
			wstest.Read(t, c, "a")
			wstest.Write(t, c, "answer")
			wstest.Read(t, c, "b")
			c.Read(bg)
		}()
		began := time.Now()
		wstest.Send(t, nc, append(client.Text("a"), client.Text("b")...))
		wstest.Want(t, nc, client.Echo("answer"))
		if d := time.Since(began); d != 0 {
			t.Errorf("answered after %v", d)
		}
		nc.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		nc, client, c := wstest.NewPeer(t, draftwire.RFC6455, 1<<20, draftwire.Limits{}, nil).Split()
		go func() {
			wstest.Read(t, c, "b")
			c.Read(bg)
		}()
		began := time.Now()
		wstest.Send(t, nc, append(client.Ping(), client.Text("b")...))
		wstest.Want(t, nc, client.Pong)
		if d := time.Since(began); d != 0 {
			t.Errorf("pong after %v", d)
		}
		nc.Close()
	})
}

// A hold, then Cork, then Flush with a context that has ended.
func TestFlushWithEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, client, c := wstest.NewPeer(t, draftwire.RFC6455, 1<<20, draftwire.Limits{}, nil).Split()
		wstest.Send(t, nc, append(client.Text("a"), client.Text("b")...))
		wstest.Read(t, c, "a")
		wstest.Write(t, c, "1")
		c.Cork()
		time.Sleep(10 * time.Millisecond)
		ctx, cancel := context.WithCancel(bg)
		cancel()
		if err := c.Flush(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		wstest.Write(t, c, "2")
		nc.SetReadDeadline(time.Now().Add(time.Second))
		wstest.Want(t, nc, append(client.Echo("1"), client.Echo("2")...))
	})
}

// Cork holds a message of 10 KiB too.
func TestCorkLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, _, c := wstest.NewPeer(t, draftwire.RFC6455, 1<<20, draftwire.Limits{}, nil).Split()
		c.Cork()
		wstest.Write(t, c, strings.Repeat("x", 10<<10))
		synctest.Wait()
		nc.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := nc.Read(make([]byte, 1)); n > 0 {
			t.Errorf("it went before Flush (%v)", err)
		}
	})
}
