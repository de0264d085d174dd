package draftwire_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
)

// Each handshake has the timeout of the options that it began with, whatever came
// before and behind it, and one that is done has none.
func TestHandshakeTimeouts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &draftwire.Server{WebSocket: echo, Options: every()}
		dial, l := memServer(t, s)
		began := time.Now()
		ended := make(map[string]chan time.Duration)
		knock := func(name string, timeout time.Duration) {
			opt := every()
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
		open := dial(draftwire.RFC6455, draftwire.DialOptions{})
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
		go write(t, open, "still here")
		read(t, open, "still here")
	})
}

// A deadline that passes while the answer is on its way is one that was missed.
func TestHandshakeLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		opt := every()
		opened := make(chan *draftwire.Conn, 1)
		opt.Observer = &draftwire.Observer{Opened: func(c *draftwire.Conn) {
			<-time.After(2 * draftwire.DefaultHandshakeTimeout)
			opened <- c
		}}
		_, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: opt})
		nc, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		send(t, nc, []byte(upgradeHead[draftwire.RFC6455]))
		io.Copy(io.Discard, nc)
		<-(<-opened).Context().Done()
	})
}
