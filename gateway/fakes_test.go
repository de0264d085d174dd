package gateway_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// pass lets time pass in a bubble, and waits until everything that is due has happened.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// seen are the connections of a backend that follows a script.
type seen struct {
	made, gone atomic.Int64
	mu         sync.Mutex
	heads      []string // the requests
}

func (s *seen) head(i int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i >= len(s.heads) {
		return ""
	}
	return s.heads[i]
}

// script starts a backend that reads a request head and then does f. A connection counts as
// gone when the gateway has ended it.
func (w *world) script(address string, f func(nc net.Conn, r *bufio.Reader)) *seen {
	s := new(seen)
	w.raw(address, s, func(nc net.Conn) {
		r := bufio.NewReader(nc)
		var head strings.Builder
		for !strings.HasSuffix(head.String(), "\r\n\r\n") {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			head.WriteString(line)
		}
		s.mu.Lock()
		s.heads = append(s.heads, head.String())
		s.mu.Unlock()
		f(nc, r)
	})
	return s
}

// raw starts a backend that is a stream of bytes.
func (w *world) raw(address string, s *seen, f func(nc net.Conn)) {
	l, _ := w.listen(address)
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			s.made.Add(1)
			go func() {
				f(nc)
				io.Copy(io.Discard, nc)
				nc.Close()
				s.gone.Add(1)
			}()
		}
	}()
}

// says returns a script that answers with text and leaves.
func says(text string) func(net.Conn, *bufio.Reader) {
	return func(nc net.Conn, _ *bufio.Reader) {
		io.WriteString(nc, text)
		nc.Close()
	}
}

// silent is a script that never answers.
func silent(net.Conn, *bufio.Reader) {}

// down closes the listener at an address.
func (w *world) down(address string) {
	w.mu.Lock()
	l := w.at[address]
	delete(w.at, address)
	w.mu.Unlock()
	if l != nil {
		l.Close()
	}
}

// settled checks that the gateway holds nothing any more once everything has ended.
func (w *world) settled(backends ...*seen) {
	w.t.Helper()
	pass(20 * time.Second)
	s := w.gw.Status()
	if s.Connections != 0 {
		w.t.Errorf("%d connections are counted", s.Connections)
	}
	for _, l := range s.Listeners {
		if l.Pending+l.Open != 0 {
			w.t.Errorf("listener %s: %d pending, %d open", l.Name, l.Pending, l.Open)
		}
	}
	for _, r := range s.Routes {
		for _, b := range r.Backends {
			if b.Connections != 0 {
				w.t.Errorf("backend %s: %d connections are counted", b.URL, b.Connections)
			}
		}
	}
	if open, addresses := w.gw.Held(); open != 0 || addresses != 0 {
		w.t.Errorf("the limits count %d connections of %d addresses", open, addresses)
	}
	for i, b := range backends {
		if made, gone := b.made.Load(), b.gone.Load(); made != gone {
			w.t.Errorf("backend %d: %d connections came, %d have ended", i, made, gone)
		}
	}
}

// refusal returns how a client of that version is refused.
func (w *world) refusal(v draftwire.Version) *draftwire.HandshakeError {
	w.t.Helper()
	c, err := w.client(v, draftwire.DialOptions{})
	if err == nil {
		c.CloseNow()
		w.t.Fatalf("%s: not refused", v)
	}
	he, ok := errors.AsType[*draftwire.HandshakeError](err)
	if !ok {
		w.t.Fatalf("%s: %v", v, err)
	}
	return he
}

// front opens a plain connection to the gateway.
func (w *world) front() net.Conn {
	w.t.Helper()
	nc, err := w.dial(bg, "tcp", "front:80")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { nc.Close() })
	return nc
}

// exchange sends text and expects it back.
func exchange(c *draftwire.Conn, text string) error {
	if err := c.Write(bg, draftwire.OpText, []byte(text)); err != nil {
		return err
	}
	_, p, err := c.Read(bg)
	if err == nil && string(p) != text {
		err = errors.New("came back as " + string(p))
	}
	return err
}

// urls returns a route's list of backends.
func urls(list ...string) (out []gateway.Backend) {
	for _, u := range list {
		out = append(out, gateway.Backend{URL: u})
	}
	return out
}

// startWith starts the gateway with hooks of the test's own; it ends with the
// test.
func (w *world) startWith(cfg *gateway.Config, hooks gateway.Hooks) {
	w.t.Helper()
	if hooks.Ended == nil {
		hooks.Ended = func(s *gateway.Session, _ *draftwire.Conn) { w.ends <- s }
	}
	gw, err := gateway.New(cfg, gateway.Options{Hooks: hooks, Listen: w.listen, Dial: w.dial, Elsewhere: w.elsewhere})
	if err != nil {
		w.t.Fatal(err)
	}
	w.gw = gw
	done := make(chan error, 1)
	go func() { done <- gw.Run(bg) }()
	w.t.Cleanup(func() {
		gw.Close()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
}
