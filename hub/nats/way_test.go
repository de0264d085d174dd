package nats_test

import (
	"net"
	"sync"
	"testing"
	"time"
)

// way is a way to a server that can be cut and stalled.
type way struct {
	l  net.Listener
	to string

	mu    sync.Mutex
	open  sync.Cond
	stuck bool
	muted bool
	cut   bool
	far   time.Duration // how long what passes takes
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

func newWay(t *testing.T, to string) *way {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &way{l: l, to: to, conns: map[net.Conn]bool{}}
	w.open.L = &w.mu
	w.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.wg.Go(func() { w.pass(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.set(false, true)
		w.wg.Wait()
	})
	return w
}

func (w *way) addr() string { return w.l.Addr().String() }

// set says whether nothing passes, and whether all connections are cut and none begins.
func (w *way) set(stuck, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck, w.cut = stuck, cut
	w.open.Broadcast()
	if cut {
		for c := range w.conns {
			c.Close()
		}
	}
}

// mute says whether nothing passes that comes from the server.
func (w *way) mute(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.muted = on
	w.open.Broadcast()
}

// keep notes a connection, and is false where none may be.
func (w *way) keep(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		c.Close()
		return false
	}
	w.conns[c] = true
	return true
}

func (w *way) pass(c net.Conn) {
	defer c.Close()
	if !w.keep(c) {
		return
	}
	s, err := net.DialTimeout("tcp", w.to, time.Second)
	if err != nil || !w.keep(s) {
		return
	}
	defer s.Close()
	var both sync.WaitGroup
	for _, x := range [][2]net.Conn{{c, s}, {s, c}} {
		both.Go(func() {
			buf := make([]byte, 4096)
			for {
				n, err := x[0].Read(buf)
				w.mu.Lock()
				for (w.stuck || w.muted && x[0] == s) && !w.cut {
					w.open.Wait()
				}
				far := w.far
				w.mu.Unlock()
				if far > 0 {
					<-time.After(far)
				}
				if err == nil {
					_, err = x[1].Write(buf[:n])
				}
				if err != nil {
					c.Close()
					s.Close()
					return
				}
			}
		})
	}
	both.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
	delete(w.conns, s)
}
