package draftwire_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

var bg = context.Background()

func write(t *testing.T, c *draftwire.Conn, s string) {
	t.Helper()
	if err := c.Write(bg, draftwire.OpText, []byte(s)); err != nil {
		t.Errorf("write: %v", err)
	}
}

func read(t *testing.T, c *draftwire.Conn, want string) {
	t.Helper()
	if op, p, err := c.Read(bg); err != nil || op != draftwire.OpText || string(p) != want {
		t.Fatalf("read %v %.40q, %v, want %.40q", op, p, err, want)
	}
}

// What code and reason arrive as, by version.
func heard(v draftwire.Version, code draftwire.CloseCode, reason string) draftwire.CloseError {
	if !v.Supports(wire.CapCloseCode) {
		return draftwire.CloseError{Code: draftwire.CodeNoStatus}
	}
	return draftwire.CloseError{Code: code, Reason: reason}
}

func TestCloseByEitherSide(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		for _, byServer := range []bool{false, true} {
			closer, reader := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
			if byServer {
				closer, reader = reader, closer
			}
			ended := make(chan error, 1)
			go func() {
				_, _, err := reader.Read(bg)
				ended <- err
			}()
			began := time.Now()
			if err := closer.Close(4001, "bye"); err != nil {
				t.Errorf("server %v: close: %v", byServer, err)
			}
			if d := time.Since(began); d > 0 {
				t.Errorf("server %v: close took %v", byServer, d)
			}
			var ce *draftwire.CloseError
			if err := <-ended; !errors.As(err, &ce) || *ce != heard(v, 4001, "bye") {
				t.Errorf("server %v: the other side read %v", byServer, err)
			}
			if err := closer.Close(4002, ""); err != nil {
				t.Errorf("closing again: %v", err)
			}
			if err := closer.Write(bg, draftwire.OpText, nil); !errors.Is(err, draftwire.ErrClosed) {
				t.Errorf("write after close: %v", err)
			}
			if _, _, err := closer.Read(bg); !errors.Is(err, draftwire.ErrClosed) {
				t.Errorf("read after close: %v", err)
			}
			<-closer.Context().Done()
			<-reader.Context().Done()
		}
	})
}

func TestCloseByBothAtOnce(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		a, b := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		var wg sync.WaitGroup
		for _, c := range []*draftwire.Conn{a, b} {
			wg.Go(func() {
				if err := c.Close(draftwire.CodeNormal, ""); err != nil {
					t.Errorf("close: %v", err)
				}
			})
		}
		wg.Wait()
	})
}

// A peer that never answers costs the close timeout, 1 s on hixie-76 and
// nothing on hixie-75.
func TestCloseUnanswered(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		_, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		want := map[draftwire.Version]time.Duration{draftwire.Hixie75: 0, draftwire.Hixie76: time.Second}
		wait, ok := want[v]
		if !ok {
			wait = draftwire.DefaultCloseTimeout
		}
		began := time.Now()
		err := server.Close(draftwire.CodeNormal, "")
		if d := time.Since(began); d != wait {
			t.Errorf("close took %v, want %v", d, wait)
		}
		if hasCode := v.Supports(wire.CapCloseCode); (err != nil) != hasCode {
			t.Errorf("close: %v", err)
		} else if hasCode && draftwire.CloseStatus(err) != draftwire.CodeAbnormal {
			t.Errorf("close: %v, want a status of 1006", err)
		}
	})
}

// Messages under way when Close is called are dropped, and a peer that keeps
// sending cannot hold it up.
func TestCloseWhilePeerSends(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		go func() {
			for client.Write(bg, draftwire.OpText, []byte("more")) == nil {
				select {
				case <-client.Context().Done():
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		}()
		began := time.Now()
		server.Close(draftwire.CodeNormal, "")
		if d := time.Since(began); d > draftwire.DefaultCloseTimeout {
			t.Errorf("close took %v", d)
		}
		client.CloseNow()
	})
}

func TestCloseCodeRefused(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		for _, code := range []draftwire.CloseCode{0, 999, 1004, draftwire.CodeAbnormal, 1015, 2999, 5000} {
			if err := client.Close(code, ""); !errors.Is(err, draftwire.ErrUnsupported) {
				t.Errorf("close %d: %v", code, err)
			}
		}
		go write(t, client, "still open")
		read(t, server, "still open")
	})
}

func TestCancelledReadLosesNothing(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		cancelled := func() {
			t.Helper()
			ctx, cancel := context.WithTimeout(bg, time.Second)
			defer cancel()
			if _, _, err := server.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("read: %v", err)
			}
		}
		cancelled() // between messages
		w, err := client.Writer(bg, draftwire.OpText)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "half ")
		cancelled() // inside a message
		io.WriteString(w, "and half")
		cancelled()
		go w.Close()
		read(t, server, "half and half")
		go write(t, client, "next")
		read(t, server, "next")
	})
}

func TestStreams(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		text := strings.Repeat("h\u00e9\u20ac\U0001d11e", 5000)
		go func() {
			w, err := client.Writer(bg, draftwire.OpText)
			if err != nil {
				t.Error(err)
				return
			}
			for p := []byte(text); len(p) > 0; { // pieces cut through characters
				n := min(777, len(p))
				if _, err := w.Write(p[:n]); err != nil {
					t.Error(err)
				}
				p = p[n:]
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			write(t, client, "left unread")
			write(t, client, "last")
		}()
		_, r, err := server.Reader(bg)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := io.ReadAll(r); err != nil || string(p) != text {
			t.Errorf("read %d bytes, %v", len(p), err)
		}
		_, r, err = server.Reader(bg)
		if err != nil {
			t.Fatal(err)
		}
		r.Read(make([]byte, 3))
		read(t, server, "last") // the rest of the one before is dropped
		if n, err := r.Read(make([]byte, 3)); n != 0 || err != io.EOF {
			t.Errorf("the old reader gives %d, %v", n, err)
		}
	})
}

func TestManyWriters(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		const writers, each = 8, 20
		pm := draftwire.NewPreparedMessage(draftwire.OpText, []byte(strings.Repeat("p", 300)))
		for i := range writers {
			go func() {
				for range each {
					var err error
					switch i % 3 {
					case 0:
						err = server.WritePrepared(bg, pm)
					case 1:
						err = server.Write(bg, draftwire.OpText, bytes.Repeat([]byte("p"), 300))
					default:
						w, _ := server.Writer(bg, draftwire.OpText)
						for range 3 {
							w.Write(bytes.Repeat([]byte("p"), 100))
						}
						err = w.Close()
					}
					if err != nil {
						t.Error(err)
					}
				}
			}()
		}
		for range writers * each {
			read(t, client, strings.Repeat("p", 300))
		}
		synctest.Wait() // a message is counted behind its write
		if s := server.Stats(); s.MessagesOut != writers*each || s.BytesOut != writers*each*300 {
			t.Errorf("stats: %+v", s)
		}
		if s := client.Stats(); s.MessagesIn != writers*each || s.BytesIn != writers*each*300 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestPing(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		go client.Read(bg)
		go server.Read(bg)
		err := client.Ping(bg)
		if v.Supports(wire.CapPing) && err != nil || !v.Supports(wire.CapPing) && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("ping: %v", err)
		}
		// Inside a message of several frames a pong may stand between them.
		if w, err := client.Writer(bg, draftwire.OpText); err == nil && v.Supports(wire.CapPing) {
			io.WriteString(w, "a")
			if err := client.Ping(bg); err != nil {
				t.Errorf("ping inside a message: %v", err)
			}
		}
	})
}

func TestPingUnanswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client, _ := pair(t, draftwire.RFC6455, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		if err := client.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ping: %v", err)
		}
	})
}

func TestUnsupported(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		binary := []byte{0, 0xFF, 0x80}
		if v.Supports(wire.CapBinary) {
			go client.Write(bg, draftwire.OpBinary, binary)
			if op, p, err := server.Read(bg); op != draftwire.OpBinary || !bytes.Equal(p, binary) || err != nil {
				t.Errorf("binary: %v %x %v", op, p, err)
			}
		} else {
			if err := client.Write(bg, draftwire.OpBinary, binary); !errors.Is(err, draftwire.ErrUnsupported) {
				t.Errorf("binary: %v", err)
			}
			if _, err := client.Writer(bg, draftwire.OpBinary); !errors.Is(err, draftwire.ErrUnsupported) {
				t.Errorf("binary writer: %v", err)
			}
			if err := server.WritePrepared(bg, draftwire.NewPreparedMessage(draftwire.OpBinary, binary)); !errors.Is(err, draftwire.ErrUnsupported) {
				t.Errorf("binary prepared: %v", err)
			}
		}
		if err := client.Write(bg, draftwire.OpText, binary); !errors.Is(err, draftwire.ErrInvalidText) {
			t.Errorf("text that is not UTF-8: %v", err)
		}
		go write(t, client, "still open")
		read(t, server, "still open")
	})
}

func TestReadLimit(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{Limits: draftwire.Limits{ReadLimit: 1000}}, draftwire.DialOptions{})
		go func() {
			write(t, client, strings.Repeat("x", 1000))
			client.Write(bg, draftwire.OpText, bytes.Repeat([]byte("x"), 1001))
		}()
		read(t, server, strings.Repeat("x", 1000))
		if _, _, err := server.Read(bg); !errors.Is(err, draftwire.ErrTooBig) {
			t.Errorf("read: %v", err)
		}
		_, _, err := client.Read(bg)
		want := heard(v, draftwire.CodeTooBig, "")
		if got := draftwire.CloseStatus(err); got != want.Code {
			t.Errorf("the client was told %v, want %v", err, want.Code)
		}
	})
}

// A peer that does not read cannot hold a writer for ever, and a context cuts
// it off sooner.
func TestStuckReader(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		_, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		big := bytes.Repeat([]byte("x"), 1<<20)
		began := time.Now()
		if err := server.Write(bg, draftwire.OpText, big); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > draftwire.DefaultWriteTimeout {
			t.Errorf("write: %v after %v", err, time.Since(began))
		}
		_, server = pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		began = time.Now()
		if err := server.Write(ctx, draftwire.OpText, big); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("write: %v after %v", err, time.Since(began))
		}
		if err := server.Write(bg, draftwire.OpText, nil); err == nil {
			t.Error("the connection goes on after half a frame")
		}
		<-server.Context().Done()
	})
}

// Contexts that end between writes do no harm.
func TestContextEndsBetweenCalls(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		for range 3 {
			ctx, cancel := context.WithCancel(bg)
			go client.Write(ctx, draftwire.OpText, []byte("a"))
			if _, p, err := server.Read(ctx); string(p) != "a" || err != nil {
				t.Fatalf("%q, %v", p, err)
			}
			synctest.Wait()
			cancel()
			synctest.Wait()
			if err := client.Write(ctx, draftwire.OpText, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("write with a context that has ended: %v", err)
			}
			go write(t, client, "b")
			read(t, server, "b")
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		_, server := pair(t, v, draftwire.AcceptOptions{Limits: draftwire.Limits{IdleTimeout: 10 * time.Second}}, draftwire.DialOptions{})
		began := time.Now()
		_, _, err := server.Read(bg)
		if d := time.Since(began); err == nil || d != 10*time.Second {
			t.Errorf("read: %v after %v", err, d)
		}
	})
}

// A peer that goes away without a word is abnormal where the version has a
// closing handshake with codes, and an end in order elsewhere.
func TestAbruptEnd(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		client.CloseNow()
		want := draftwire.CodeNoStatus
		if v.Supports(wire.CapCloseCode) {
			want = draftwire.CodeAbnormal
		}
		if _, _, err := server.Read(bg); draftwire.CloseStatus(err) != want {
			t.Errorf("read: %v, want %v", err, want)
		}
		// Inside a message it is abnormal everywhere.
		client, server = pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		w, _ := client.Writer(bg, draftwire.OpText)
		io.WriteString(w, "half")
		client.CloseNow()
		if _, _, err := server.Read(bg); draftwire.CloseStatus(err) != draftwire.CodeAbnormal {
			t.Errorf("read inside a message: %v", err)
		}
	})
}

func TestCloseRead(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		ctx := server.CloseRead(bg)
		go write(t, client, "unexpected")
		_, _, err := client.Read(bg)
		want := heard(v, draftwire.CodePolicy, "").Code
		if v >= draftwire.Hybi06 && v <= draftwire.Hybi08 {
			want = draftwire.CodeProtocol // they have no 1008
		}
		if got := draftwire.CloseStatus(err); got != want {
			t.Errorf("the client was told %v, want %v", err, want)
		}
		<-ctx.Done()
	})
}

func TestNetConn(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		client, server := pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		a, b := draftwire.NetConn(bg, client, draftwire.OpText), draftwire.NetConn(bg, server, draftwire.OpText)
		go func() {
			io.WriteString(a, "hello ")
			io.WriteString(a, "")
			io.WriteString(a, "world")
			a.Close()
		}()
		if p, err := io.ReadAll(b); string(p) != "hello world" || err != nil {
			t.Errorf("read %q, %v", p, err)
		}
		client, server = pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		b = draftwire.NetConn(bg, server, draftwire.OpText)
		b.SetReadDeadline(time.Now().Add(time.Second))
		var ne net.Error
		if _, err := b.Read(make([]byte, 1)); !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("read past a deadline: %v", err)
		}
		b.SetReadDeadline(time.Time{})
		go write(t, client, "later")
		if n, err := b.Read(make([]byte, 9)); n != 5 || err != nil {
			t.Errorf("read after the deadline was lifted: %d, %v", n, err)
		}
	})
}

func TestObserver(t *testing.T) {
	forEach(t, func(t *testing.T, v draftwire.Version) {
		var opened, closed int
		var why error
		o := &draftwire.Observer{
			Opened: func(*draftwire.Conn) { opened++ },
			Closed: func(_ *draftwire.Conn, err error) { closed++; why = err },
		}
		client, server := pair(t, v, draftwire.AcceptOptions{Observer: o}, draftwire.DialOptions{})
		go client.Close(draftwire.CodeNormal, "done")
		server.Read(bg)
		<-server.Context().Done()
		if want := heard(v, draftwire.CodeNormal, "").Code; opened != 1 || closed != 1 || draftwire.CloseStatus(why) != want {
			t.Errorf("opened %d, closed %d with %v", opened, closed, why)
		}
	})
}

// A context that outlives connections does not keep them, however they ended.
func TestContextKeepsNoConnection(t *testing.T) {
	for name, end := range map[string]func(client, server *draftwire.Conn){
		"cut here":        func(_, server *draftwire.Conn) { server.CloseNow() },
		"closed here":     func(_, server *draftwire.Conn) { server.Close(draftwire.CodeNormal, "") },
		"gone over there": func(client, server *draftwire.Conn) { client.CloseNow(); server.Read(bg) },
	} {
		ctx, cancel := context.WithCancel(bg)
		var kept weak.Pointer[draftwire.Conn]
		t.Run(name, func(t *testing.T) {
			client, server := pair(t, draftwire.RFC6455, draftwire.AcceptOptions{}, draftwire.DialOptions{})
			kept = weak.Make(server)
			go client.Write(bg, draftwire.OpText, nil)
			if _, _, err := server.Read(ctx); err != nil {
				t.Error(err)
			}
			if err := server.Write(ctx, draftwire.OpText, nil); err != nil {
				t.Error(err)
			}
			go client.Read(bg)
			end(client, server)
			<-server.Context().Done()
		})
		deadline := time.After(5 * time.Second)
		for gone := false; !gone; {
			runtime.GC()
			select {
			case <-deadline:
				t.Errorf("%s: the connection is kept", name)
				gone = true
			case <-time.After(10 * time.Millisecond):
				gone = kept.Value() == nil
			}
		}
		cancel()
	}
}
