package server_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// A client that stalls in any phase is dropped at that phase's deadline, and
// does not hold up others.
func TestStalls(t *testing.T) {
	long := "GET /x HTTP/1.1\r\nHost: example.com\r\nX: " + strings.Repeat("y", 5000)
	for _, tt := range []struct {
		name, sent string
		wait       time.Duration
		reason     wire.Reason
		status     string // what the client is told
	}{
		{"nothing", "", draftwire.DefaultHandshakeTimeout, wire.ReasonTimeout, ""},
		{"one byte", "G", draftwire.DefaultHandshakeTimeout, wire.ReasonTimeout, "408"},
		{"half a head", wstest.Head(draftwire.RFC6455)[:60], draftwire.DefaultHandshakeTimeout, wire.ReasonTimeout, "408"},
		{"most of a long head", long, draftwire.DefaultHandshakeTimeout, wire.ReasonTimeout, "408"},
		{"no key3", wstest.Head(draftwire.Hixie76), draftwire.DefaultKey3Timeout, wire.ReasonKey3, "101"},
		{"half of key3", wstest.Head(draftwire.Hixie76) + wstest.Key3[:4], draftwire.DefaultKey3Timeout, wire.ReasonKey3, "101"},
		{"half a policy request", "<policy-file", draftwire.DefaultHandshakeTimeout, wire.ReasonTimeout, "408"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told refusals
				opt := wstest.Options()
				opt.Observer = told.observer()
				l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt, FlashPolicy: draftwire.DefaultFlashPolicy})
				nc, err := l.Dial()
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				io.WriteString(nc, tt.sent)
				began := time.Now()
				other := wstest.Dial(t, l, draftwire.Hixie76, draftwire.DialOptions{})
				go wstest.Write(t, other, "not held up")
				wstest.Read(t, other, "not held up")
				if time.Since(began) != 0 {
					t.Errorf("another client was held up for %v", time.Since(began))
				}
				p, _ := io.ReadAll(nc)
				if d := time.Since(began); d < tt.wait || d > tt.wait+time.Second {
					t.Errorf("dropped after %v, want %v", d, tt.wait)
				}
				if status, _, _ := strings.Cut(strings.TrimPrefix(string(p), "HTTP/1.1 "), " "); status != tt.status {
					t.Errorf("the client was told %q, want %q", p, tt.status)
				}
				if got := told.reasons(); len(got) != 1 || got[0] != tt.reason {
					t.Errorf("refused for %v, want %v", got, tt.reason)
				}
			})
		})
	}
}

// One byte a second makes no progress past the deadline.
func TestDrippingHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: wstest.Options()})
		nc, _ := l.Dial()
		defer nc.Close()
		began := time.Now()
		for _, b := range []byte(wstest.Head(draftwire.RFC6455)) {
			if _, err := nc.Write([]byte{b}); err != nil {
				break
			}
			<-time.After(time.Second)
		}
		if d := time.Since(began); d > draftwire.DefaultHandshakeTimeout+2*time.Second {
			t.Errorf("a dripping client was dropped after %v", d)
		}
	})
}

// The eight bytes do not extend the deadline of the whole handshake.
func TestKey3WithinHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: wstest.Options()})
		nc, _ := l.Dial()
		defer nc.Close()
		began := time.Now()
		<-time.After(draftwire.DefaultHandshakeTimeout - time.Second)
		wstest.Send(t, nc, []byte(wstest.Head(draftwire.Hixie76)))
		io.Copy(io.Discard, nc)
		if d := time.Since(began); d != draftwire.DefaultHandshakeTimeout {
			t.Errorf("the connection ended after %v", d)
		}
	})
}

// Each handshake has the timeout of the options that it began with, whatever came
// before and behind it, and one that is done has none.
func TestHandshakeTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &draftwire.Server{WebSocket: wstest.Echo, Options: wstest.Options()}
		l := wstest.Serve(t, s)
		began := time.Now()
		ended := make(map[string]chan time.Duration)
		knock := func(name string, timeout time.Duration) {
			opt := wstest.Options()
			opt.Limits.HandshakeTimeout = timeout
			if err := s.SetOptions(opt); err != nil {
				t.Fatal(err)
			}
			nc, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(nc, "GET")
			synctest.Wait()
			ended[name] = make(chan time.Duration, 1)
			go func() {
				io.Copy(io.Discard, nc)
				nc.Close()
				ended[name] <- time.Since(began)
			}()
		}
		knock("long", 10*time.Second)
		knock("short", time.Second)
		knock("middle", 3*time.Second)
		knock("as short", time.Second)
		open := wstest.Dial(t, l, draftwire.RFC6455, draftwire.DialOptions{})
		synctest.Wait() // the client may have its 101 before the server has counted it
		if n := s.Counts(); n.Pending != 4 || n.Open != 1 {
			t.Errorf("%+v", n)
		}
		for name, want := range map[string]time.Duration{
			"long": 10 * time.Second, "short": time.Second, "middle": 3 * time.Second, "as short": time.Second,
		} {
			if got := <-ended[name]; got != want {
				t.Errorf("%s: ended after %v, not %v", name, got, want)
			}
		}
		synctest.Wait()
		if n := s.Counts(); n.Pending != 0 || n.Open != 1 {
			t.Errorf("%+v", n)
		}
		go wstest.Write(t, open, "still here")
		wstest.Read(t, open, "still here")
	})
}

// A deadline that passes while the answer is on its way is one that was missed.
func TestHandshakeLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt := wstest.Options()
		opened := make(chan *draftwire.Conn, 1)
		opt.Observer = &draftwire.Observer{Opened: func(c *draftwire.Conn) {
			<-time.After(2 * draftwire.DefaultHandshakeTimeout)
			opened <- c
		}}
		l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt})
		nc, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		wstest.Send(t, nc, []byte(wstest.Head(draftwire.RFC6455)))
		io.Copy(io.Discard, nc)
		<-(<-opened).Context().Done()
	})
}
