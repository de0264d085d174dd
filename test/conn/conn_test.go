package conn_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

func TestStreams(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
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
			wstest.Write(t, client, "left unread")
			wstest.Write(t, client, "last")
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
		wstest.Read(t, server, "last") // the rest of the one before is dropped
		if n, err := r.Read(make([]byte, 3)); n != 0 || err != io.EOF {
			t.Errorf("the old reader gives %d, %v", n, err)
		}
	})
}

func TestManyWriters(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
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
			wstest.Read(t, client, strings.Repeat("p", 300))
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
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
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
	synctest.Test(t, func(t *testing.T) {
		client, _ := wstest.Pair(t, draftwire.RFC6455, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		if err := client.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ping: %v", err)
		}
	})
}

func TestUnsupported(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
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
		go wstest.Write(t, client, "still open")
		wstest.Read(t, server, "still open")
	})
}

func TestReadLimit(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{Limits: draftwire.Limits{ReadLimit: 1000}}, draftwire.DialOptions{})
		go func() {
			wstest.Write(t, client, strings.Repeat("x", 1000))
			client.Write(bg, draftwire.OpText, bytes.Repeat([]byte("x"), 1001))
		}()
		wstest.Read(t, server, strings.Repeat("x", 1000))
		if _, _, err := server.Read(bg); !errors.Is(err, draftwire.ErrTooBig) {
			t.Errorf("read: %v", err)
		}
		_, _, err := client.Read(bg)
		want := wstest.Heard(v, draftwire.CodeTooBig, "")
		if got := draftwire.CloseStatus(err); got != want.Code {
			t.Errorf("the client was told %v, want %v", err, want.Code)
		}
	})
}

// A peer that does not read cannot hold a writer for ever, and a context cuts
// it off sooner.
func TestStuckReader(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		_, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		big := bytes.Repeat([]byte("x"), 1<<20)
		began := time.Now()
		if err := server.Write(bg, draftwire.OpText, big); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > draftwire.DefaultWriteTimeout {
			t.Errorf("write: %v after %v", err, time.Since(began))
		}
		_, server = wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
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

func TestNetConn(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
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
		client, server = wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		b = draftwire.NetConn(bg, server, draftwire.OpText)
		b.SetReadDeadline(time.Now().Add(time.Second))
		var ne net.Error
		if _, err := b.Read(make([]byte, 1)); !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("read past a deadline: %v", err)
		}
		b.SetReadDeadline(time.Time{})
		go wstest.Write(t, client, "later")
		if n, err := b.Read(make([]byte, 9)); n != 5 || err != nil {
			t.Errorf("read after the deadline was lifted: %d, %v", n, err)
		}
	})
}

func TestObserver(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		var opened, closed int
		var why error
		o := &draftwire.Observer{
			Opened: func(*draftwire.Conn) { opened++ },
			Closed: func(_ *draftwire.Conn, err error) { closed++; why = err },
		}
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{Observer: o}, draftwire.DialOptions{})
		go client.Close(draftwire.CodeNormal, "done")
		server.Read(bg)
		<-server.Context().Done()
		if want := wstest.Heard(v, draftwire.CodeNormal, "").Code; opened != 1 || closed != 1 || draftwire.CloseStatus(why) != want {
			t.Errorf("opened %d, closed %d with %v", opened, closed, why)
		}
	})
}
