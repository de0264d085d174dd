package draftwire_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
)

func (p byHand) split() (*memnet.Conn, legacy, *draftwire.Conn) { return p.Conn, p.legacy, p.server }

// Both sides read in one goroutine and write in another.
func TestBothSidesSend(t *testing.T) {
	for _, size := range []int{100, 2000, 20000} {
		bubble(t, func(t *testing.T) {
			client, server := pair(t, draftwire.RFC6455, draftwire.AcceptOptions{}, draftwire.DialOptions{})
			msg := bytes.Repeat([]byte("x"), size)
			n := (2 << 20 / size) &^ 3
			var wg sync.WaitGroup
			for _, c := range []*draftwire.Conn{client, server} {
				for range 4 {
					wg.Go(func() {
						for i := range n / 4 {
							if err := c.Write(bg, draftwire.OpText, msg); err != nil {
								t.Errorf("size %d write %d: %v", size, i, err)
								return
							}
						}
					})
				}
				wg.Go(func() {
					for i := range n {
						if _, _, err := c.Read(bg); err != nil {
							t.Errorf("size %d read %d: %v", size, i, err)
							return
						}
					}
				})
			}
			began := time.Now()
			wg.Wait()
			if d := time.Since(began); d > time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// A peer that does not take the answers does not hold up the reader's context.
func TestReadIsNotHeldUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		nc, client, c := handClient(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).split()
		go nc.Write(append(client.text("a"), client.text("b")...))
		synctest.Wait()
		c.Read(bg)
		c.Write(bg, draftwire.OpText, bytes.Repeat([]byte("x"), 5000)) // held
		c.Read(bg)
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		began := time.Now()
		_, _, err := c.Read(ctx)
		if d := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || d != time.Second {
			t.Errorf("read: %v after %v", err, d)
		}
	})
	bubble(t, func(t *testing.T) {
		nc, client, c := handClient(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).split()
		go nc.Write(append(append(client.text("a"), client.text("b")...), client.text("ccccc")[:3]...))
		synctest.Wait()
		c.Read(bg)
		c.Read(bg)
		c.Write(bg, draftwire.OpText, bytes.Repeat([]byte("x"), 5000)) // held
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		began := time.Now()
		_, _, err := c.Read(ctx)
		if d := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || d != time.Second {
			t.Errorf("read 2: %v after %v", err, d)
		}
	})
}

// A long Write waits for another's write, and meanwhile a Writer begins.
func TestLongWriteBehindWriter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		nc, client, c := handClient(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).split()
		first, long := strings.Repeat("a", 3000), strings.Repeat("b", 10000)
		go c.Write(bg, draftwire.OpText, []byte(first))
		synctest.Wait()
		go write(t, c, long)
		synctest.Wait()
		go func() {
			w, err := c.Writer(bg, draftwire.OpText)
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(w, "one")
			time.Sleep(time.Second)
			io.WriteString(w, "two")
			w.Close()
		}()
		synctest.Wait()
		want(t, nc, client.echo(first))
		go io.Copy(io.Discard, nc)
		time.Sleep(2 * time.Second)
	})
}

// There is a write deadline also after a context ended between two writes.
func TestWriteTimeoutAfterContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		nc, _, c := handClient(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).split()
		ctx, cancel := context.WithCancel(bg)
		if err := c.Write(ctx, draftwire.OpText, []byte("a")); err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		ended := make(chan error, 1)
		go func() { ended <- c.Write(bg, draftwire.OpText, make([]byte, 5000)) }()
		select {
		case err := <-ended:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		case <-time.After(time.Hour):
			t.Error("a write that nobody reads hangs for an hour")
			nc.Close()
			<-ended
		}
	})
}

// A slow handler is not an idle peer.
func TestIdleTimeoutSlowHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client, server := pair(t, draftwire.RFC6455, draftwire.AcceptOptions{Limits: draftwire.Limits{IdleTimeout: 10 * time.Second}}, draftwire.DialOptions{})
		go func() {
			for range 20 {
				time.Sleep(5 * time.Second)
				if client.Write(bg, draftwire.OpText, []byte("a")) != nil {
					return
				}
			}
		}()
		for i := range 5 {
			if _, _, err := server.Read(bg); err != nil {
				t.Errorf("read %d: %v", i, err)
				break
			}
			time.Sleep(16 * time.Second) // a slow handler
		}
		client.CloseNow()
		time.Sleep(time.Minute)
	})
}

// Contexts that end between do not put the idle timeout off.
func TestIdleTimeoutShortContexts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, server := pair(t, draftwire.RFC6455, draftwire.AcceptOptions{Limits: draftwire.Limits{IdleTimeout: 10 * time.Second}}, draftwire.DialOptions{})
		began := time.Now()
		var err error
		for range 100 {
			ctx, cancel := context.WithTimeout(bg, 3*time.Second)
			_, _, err = server.Read(ctx)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				break
			}
		}
		if d := time.Since(began); d < 10*time.Second || d > 10*time.Second+time.Millisecond {
			t.Errorf("%v after %v", err, d)
		}
	})
}

// The last message is not answered: what is held goes when the reader waits.
func TestHoldEndsWhenReaderWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		nc, client, c := handClient(t, draftwire.RFC6455, 1<<20, draftwire.Limits{}, nil).split()
		go func() {
			read(t, c, "a")
			write(t, c, "answer")
			read(t, c, "b")
			c.Read(bg)
		}()
		began := time.Now()
		send(t, nc, append(client.text("a"), client.text("b")...))
		want(t, nc, client.echo("answer"))
		if d := time.Since(began); d != 0 {
			t.Errorf("answered after %v", d)
		}
		nc.Close()
	})
	bubble(t, func(t *testing.T) {
		nc, client, c := handClient(t, draftwire.RFC6455, 1<<20, draftwire.Limits{}, nil).split()
		go func() {
			read(t, c, "b")
			c.Read(bg)
		}()
		began := time.Now()
		send(t, nc, append(client.ping(), client.text("b")...))
		want(t, nc, client.pong)
		if d := time.Since(began); d != 0 {
			t.Errorf("pong after %v", d)
		}
		nc.Close()
	})
}

// A Reader whose rest is dropped by a cancelled Read.
func TestReaderAfterCancelledRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		nc, client, c := handClient(t, draftwire.RFC6455, 1<<20, draftwire.Limits{}, nil).split()
		text := strings.Repeat("abcdefghij", 20)
		whole := client.text(text)
		send(t, nc, whole[:100])
		_, r, err := c.Reader(bg)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		if n, err := r.Read(b); n != 10 || err != nil {
			t.Fatal(n, err)
		}
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		for range 20 { // other connections get the buffer
			nc2, client2, c2 := handClient(t, draftwire.RFC6455, 1<<20, draftwire.Limits{}, nil).split()
			send(t, nc2, client2.text(strings.Repeat("SECRET", 30)))
			c2.ReadBorrowed(bg)
		}
		send(t, nc, whole[100:])
		rest, err := io.ReadAll(r)
		if !strings.HasSuffix(text, string(rest)) {
			t.Errorf("the reader of %.20q... gives %q, %v", text, rest, err)
		}
	})
}

// The error of a call whose context ends while another goroutine writes its frame.
func TestContextEndsBehindAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, _, c := handClient(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).split()
		go c.Write(bg, draftwire.OpText, make([]byte, 5000))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		if err := c.Write(ctx, draftwire.OpText, []byte("b")); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// The context ends in the instant the frame has gone.
func TestContextEndsAsWritten(t *testing.T) {
	for i := range 20 {
		bubble(t, func(t *testing.T) {
			nc, _, c := handClient(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).split()
			ctx, cancel := context.WithCancel(bg)
			defer cancel()
			errs := make(chan error, 3)
			go func() { errs <- c.Write(bg, draftwire.OpText, make([]byte, 1500)) }()
			synctest.Wait()
			go func() { errs <- c.Write(ctx, draftwire.OpText, []byte("b")) }()
			go func() { errs <- c.Write(bg, draftwire.OpText, make([]byte, 1500)) }()
			synctest.Wait()
			io.ReadFull(nc, make([]byte, 1504+500)) // the second system call has begun, and waits
			synctest.Wait()
			cancel()
			nc.Read(make([]byte, 1000)) // ... and ends
			ok := true
			for range 3 {
				if err := <-errs; err != nil {
					ok = false
				}
			}
			synctest.Wait()
			go io.Copy(io.Discard, nc)
			if err := c.Write(bg, draftwire.OpText, []byte("d")); err != nil && ok {
				t.Errorf("%d: all writes went, but the next: %v", i, err)
			}
			nc.Close()
		})
		if t.Failed() {
			return
		}
	}
}

// A hold, then Cork, then Flush with a context that has ended.
func TestFlushWithEndedContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		nc, client, c := handClient(t, draftwire.RFC6455, 1<<20, draftwire.Limits{}, nil).split()
		send(t, nc, append(client.text("a"), client.text("b")...))
		read(t, c, "a")
		write(t, c, "1")
		c.Cork()
		time.Sleep(10 * time.Millisecond)
		ctx, cancel := context.WithCancel(bg)
		cancel()
		if err := c.Flush(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		write(t, c, "2")
		nc.SetReadDeadline(time.Now().Add(time.Second))
		want(t, nc, append(client.echo("1"), client.echo("2")...))
	})
}

// Cork holds a message of 10 KiB too.
func TestCorkLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		nc, _, c := handClient(t, draftwire.RFC6455, 1<<20, draftwire.Limits{}, nil).split()
		c.Cork()
		write(t, c, strings.Repeat("x", 10<<10))
		synctest.Wait()
		nc.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := nc.Read(make([]byte, 1)); n > 0 {
			t.Errorf("it went before Flush (%v)", err)
		}
	})
}

// A later piece of a hixie message has no head: nothing goes before its payload.
func TestLongPieces(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		go func() {
			writePieces(t, server, words(30_000), 3)
			writePieces(t, server, words(300_000), 7)
		}()
		read(t, client, words(30_000))
		read(t, client, words(300_000))
	})
}

// What a borrower appends does not reach the next message.
func TestBorrowedIsAppendedTo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		nc, client, c := handClient(t, draftwire.RFC6455, 1<<20, draftwire.Limits{}, nil).split()
		send(t, nc, append(client.text("first"), client.text("second")...))
		_, p, _ := c.ReadBorrowed(bg)
		_ = append(p, '!')
		read(t, c, "second")
	})
}

// A Write whose message has gone does not answer for the frames of others.
func TestWriteReturnsWhenGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		nc, client, c := handClient(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).split()
		ctx, cancel := context.WithTimeout(bg, 5*time.Second)
		defer cancel()
		mine, other := strings.Repeat("x", 1500), strings.Repeat("y", 3000)
		began := time.Now()
		wrote := make(chan time.Duration, 1)
		go func() {
			if err := c.Write(ctx, draftwire.OpText, []byte(mine)); err != nil {
				t.Errorf("write: %v", err)
			}
			wrote <- time.Since(began)
		}()
		synctest.Wait() // it waits for the peer
		send(t, nc, texts(client.text, "a", "b"))
		read(t, c, "a")
		write(t, c, other) // held
		read(t, c, "b")
		go c.Read(bg) // no longer
		synctest.Wait()
		want(t, nc, client.echo(mine))
		if d := <-wrote; d != 0 {
			t.Errorf("Write returned after %v", d)
		}
		time.Sleep(10 * time.Second) // ctx ends
		want(t, nc, client.echo(other))
	})
}

// A peer that takes nothing and sends pings, two at a time so that their pongs are
// held, makes no goroutine for each: one write is under way, whatever is due
// behind it.
func TestHoldsBehindStuckWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		nc, client, c := handClient(t, draftwire.RFC6455, 1000, draftwire.Limits{}, nil).split()
		go c.Write(bg, draftwire.OpText, make([]byte, 5000)) // hangs
		go c.Read(bg)
		synctest.Wait()
		before := runtime.NumGoroutine()
		for range 500 {
			send(t, nc, append(client.ping(), client.ping()...))
			time.Sleep(5 * time.Millisecond)
		}
		if n := runtime.NumGoroutine() - before; n > 3 {
			t.Errorf("%d goroutines more", n)
		}
		c.CloseNow()
	})
}
