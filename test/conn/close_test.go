package conn_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

func TestCloseByEitherSide(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		for _, byServer := range []bool{false, true} {
			closer, reader := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
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
			if err := <-ended; !errors.As(err, &ce) || *ce != wstest.Heard(v, 4001, "bye") {
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
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		a, b := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
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
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		_, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
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
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
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
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		for _, code := range []draftwire.CloseCode{0, 999, 1004, draftwire.CodeAbnormal, 1015, 2999, 5000} {
			if err := client.Close(code, ""); !errors.Is(err, draftwire.ErrUnsupported) {
				t.Errorf("close %d: %v", code, err)
			}
		}
		go wstest.Write(t, client, "still open")
		wstest.Read(t, server, "still open")
	})
}

// A peer that goes away without a word is abnormal where the version has a
// closing handshake with codes, and an end in order elsewhere.
func TestAbruptEnd(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		client.CloseNow()
		want := draftwire.CodeNoStatus
		if v.Supports(wire.CapCloseCode) {
			want = draftwire.CodeAbnormal
		}
		if _, _, err := server.Read(bg); draftwire.CloseStatus(err) != want {
			t.Errorf("read: %v, want %v", err, want)
		}
		// Inside a message it is abnormal everywhere.
		client, server = wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		w, _ := client.Writer(bg, draftwire.OpText)
		io.WriteString(w, "half")
		client.CloseNow()
		if _, _, err := server.Read(bg); draftwire.CloseStatus(err) != draftwire.CodeAbnormal {
			t.Errorf("read inside a message: %v", err)
		}
	})
}

func TestCloseRead(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		ctx := server.CloseRead(bg)
		go wstest.Write(t, client, "unexpected")
		_, _, err := client.Read(bg)
		want := wstest.Heard(v, draftwire.CodePolicy, "").Code
		if v >= draftwire.Hybi06 && v <= draftwire.Hybi08 {
			want = draftwire.CodeProtocol // they have no 1008
		}
		if got := draftwire.CloseStatus(err); got != want {
			t.Errorf("the client was told %v, want %v", err, want)
		}
		<-ctx.Done()
	})
}

// A peer's close that has come is answered, though the read that finds it may not wait:
// over TLS, where a write is watched from its beginning, too.
func TestCloseFoundWithoutWaiting(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			ended, cancel := context.WithCancel(bg)
			cancel()
			got := make(chan error, 1)
			s := &draftwire.Server{WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
				if _, err := c.ReadPart(ctx); err != nil {
					got <- err
					return err
				}
				_, err := c.ReadPart(ended)
				for err != nil && errors.Is(err, context.Canceled) && c.Context().Err() == nil {
					_, err = c.ReadPart(ctx)
				}
				got <- err
				return err
			}}
			nc := wstest.ServeTLS(t, s)("http/1.1")
			defer nc.Close()
			io.WriteString(nc, wstest.Head(draftwire.RFC6455))
			wstest.ReadHead(t, nc)
			// "a" and a close of 1000, masked with zeros, in one record
			io.WriteString(nc, "\x81\x81\x00\x00\x00\x00a\x88\x82\x00\x00\x00\x00\x03\xe8")
			b := make([]byte, 4)
			if _, err := io.ReadFull(nc, b); err != nil || string(b) != "\x88\x02\x03\xe8" {
				t.Fatalf("the answer is % x, %v; read: %v", b, err, <-got)
			}
			if err := <-got; draftwire.CloseStatus(err) != draftwire.CodeNormal {
				t.Errorf("read: %v", err)
			}
		})
	}
}

// A reader beside a Close that waits for its answer does not stop the clock.
func TestReadBesideClose(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		over := make(chan struct{})
		c := wstest.NewPeer(t, v, 64<<10, draftwire.Limits{}, func(ctx context.Context, c *draftwire.Conn) error {
			defer close(over)
			closed := make(chan error, 1)
			go func() { closed <- c.Close(draftwire.CodeNormal, "") }()
			<-time.After(time.Millisecond)
			_, _, err := c.Read(bg)
			if !errors.Is(err, draftwire.ErrClosed) {
				t.Errorf("read: %v", err)
			}
			<-closed
			return nil
		})
		io.Copy(io.Discard, c) // and answers nothing
		<-over
	})
}

// What a peer sends behind our close is dropped, but only so much of it: who sends without
// end does not keep the reader busy until the close timeout.
func TestFloodBehindClose(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		if !v.Supports(wire.CapCloseFrame) {
			return
		}
		p := wstest.NewPeer(t, v, 1<<20, draftwire.Limits{}, nil)
		sent := make(chan int)
		go func() {
			n := 0
			for m := bytes.Repeat(p.Text(wstest.Words(100)), 500); ; {
				k, err := p.Write(m)
				if n += k; err != nil {
					sent <- n
					return
				}
			}
		}()
		go io.Copy(io.Discard, p)
		began := time.Now()
		if err := p.Server.Close(draftwire.CodeNormal, ""); v.Supports(wire.CapCloseCode) && err == nil {
			t.Error("the close was answered")
		}
		if n := <-sent; n < 4<<20 || n > 24<<20 {
			t.Errorf("%d bytes were taken", n)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

func TestHeardCode(t *testing.T) {
	const none = draftwire.CodeNoStatus
	for _, tt := range []struct {
		v          draftwire.Version
		code, want draftwire.CloseCode
	}{
		{draftwire.Hixie75, 1000, none},
		{draftwire.Hixie76, 1000, none},
		{draftwire.Hybi02, 1000, none},
		{draftwire.Hybi05, 4000, none},
		{draftwire.Hybi06, 1009, 1009},
		{draftwire.Hybi06, 1007, 1002},
		{draftwire.Hybi08, 1007, 1007},
		{draftwire.Hybi08, 1011, 1002},
		{draftwire.Hybi08, 4321, 4321},
		{draftwire.RFC6455, 1014, 1014},
		{draftwire.RFC6455, 1005, none},
		{draftwire.RFC6455, 1006, none},
		{draftwire.Unknown, 1000, none},
	} {
		if got := draftwire.HeardCode(tt.v, tt.code); got != tt.want {
			t.Errorf("%s: %d is heard as %d, not %d", tt.v, tt.code, got, tt.want)
		}
	}
}
