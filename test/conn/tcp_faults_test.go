package conn_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/faultnet"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// tally is what an observer was told.
type tally struct {
	mu                      sync.Mutex
	opened, refused, closed int
}

func (s *tally) observer() *draftwire.Observer {
	note := func(n *int) {
		s.mu.Lock()
		*n++
		s.mu.Unlock()
	}
	return &draftwire.Observer{
		Opened:  func(*draftwire.Conn) { note(&s.opened) },
		Refused: func(string, []byte, *draftwire.HandshakeError) { note(&s.refused) },
		Closed:  func(*draftwire.Conn, error) { note(&s.closed) },
	}
}

// middled is a server of one version behind several middles, through each of which one
// session at a time goes.
type middled struct {
	v       draftwire.Version
	server  tally // of all sessions
	script  []string
	middles []*faultnet.Middle
}

var tcpLimits = draftwire.Limits{CloseTimeout: time.Second, HandshakeTimeout: 5 * time.Second, IdleTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}

func serveMiddled(t *testing.T, v draftwire.Version, middles int, script ...string) *middled {
	t.Helper()
	m := &middled{v: v, script: script}
	s := &draftwire.Server{Options: wstest.Options(), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error { return c.Write(ctx, op, p) })
	}}
	s.Options.Limits, s.Options.Observer = tcpLimits, m.server.observer()
	l := wstest.ListenTCP(t)
	served := make(chan struct{})
	go func() {
		s.Serve(l)
		close(served)
	}()
	for range middles {
		mid, err := faultnet.NewMiddle(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		m.middles = append(m.middles, mid)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(bg, wstest.Patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		<-served
		for _, mid := range m.middles {
			mid.Close()
		}
		if n := s.Counts(); n.Pending+n.Open != 0 || m.server.opened != m.server.closed {
			t.Errorf("counts: %+v, %d opened, %d closed", n, m.server.opened, m.server.closed)
		}
	})
	return m
}

// session is one, through a middle that treats it as w says. It returns what came back and
// how it ended.
func (m *middled) session(t *testing.T, mid *faultnet.Middle, w faultnet.Way) (got []string, end error) {
	t.Helper()
	mid.Set(w)
	ctx, cancel := context.WithTimeout(bg, wstest.Patience)
	defer cancel()
	var client tally
	c, _, err := draftwire.Dial(ctx, "ws://"+mid.Addr()+"/x", &draftwire.DialOptions{Version: m.v, Limits: tcpLimits, Observer: client.observer()})
	if err != nil {
		return nil, err
	}
	for _, s := range m.script {
		sent := make(chan error, 1)
		go func() { sent <- c.Write(ctx, draftwire.OpText, []byte(s)) }()
		var p []byte
		if _, p, end = c.Read(ctx); end != nil {
			c.CloseNow()
			<-sent
			break
		}
		<-sent
		got = append(got, string(p))
	}
	err = c.Close(draftwire.CodeNormal, "bye")
	if end == nil {
		end = err
	}
	if ctx.Err() != nil {
		t.Errorf("%+v: it takes too long", w)
	}
	if client.opened != 1 || client.closed != 1 || client.refused != 0 {
		t.Errorf("%+v: %d opened, %d closed, %d refused", w, client.opened, client.closed, client.refused)
	}
	if len(got) > len(m.script) || !slices.Equal(got, m.script[:len(got)]) {
		t.Errorf("%+v: got %.100q", w, got)
	}
	return got, end
}

// all plays a session of each way, as many at a time as there are middles.
func (m *middled) all(t *testing.T, ways []faultnet.Way, check func(w faultnet.Way, got []string, err error)) {
	t.Helper()
	var workers sync.WaitGroup
	todo := make(chan faultnet.Way)
	for _, mid := range m.middles {
		workers.Go(func() {
			for w := range todo {
				got, err := m.session(t, mid, w)
				if check != nil {
					check(w, got, err)
				}
			}
		})
	}
	for _, w := range ways {
		todo <- w
	}
	close(todo)
	workers.Wait()
}

// A TCP connection that is reset or half closed behind any of its bytes ends both sides.
func TestTCPBreaksAtEveryByte(t *testing.T) {
	for _, v := range draftwire.ServedVersions().List() {
		t.Run(v.String(), func(t *testing.T) {
			m := serveMiddled(t, v, 8, "hello", "world")
			var ways []faultnet.Way
			for at := 1; at < 420; at++ {
				if at < 300 && (at+int(v))%4 != 0 { // heads, for the most part
					continue
				}
				for _, up := range []bool{true, false} {
					ways = append(ways, faultnet.Way{At: at, Up: up, How: faultnet.Reset})
					if (at+int(v))%5 == 0 {
						ways = append(ways, faultnet.Way{At: at, Up: up, How: faultnet.HalfClose})
					}
				}
			}
			m.all(t, ways, nil)
		})
	}
}

// A byte at a time, or with a stall at any place, a session over TCP is what it is without.
func TestTCPSlow(t *testing.T) {
	for _, v := range draftwire.ServedVersions().List() {
		t.Run(v.String(), func(t *testing.T) {
			m := serveMiddled(t, v, 8, "hello", strings.Repeat("large ", 1500), "bye")
			ways := []faultnet.Way{{Step: 1}, {Step: 700, Small: true}}
			for at := 1; at < 1000; at += 140 {
				for _, up := range []bool{true, false} {
					ways = append(ways, faultnet.Way{At: at, Up: up, How: faultnet.Delay, After: 20 * time.Millisecond, Small: true})
				}
			}
			m.all(t, ways, func(w faultnet.Way, got []string, err error) {
				if len(got) != len(m.script) || err != nil && v.Supports(wire.CapCloseCode) && !errors.Is(err, draftwire.ErrClosed) {
					t.Errorf("%+v: %d messages, %v", w, len(got), err)
				}
			})
		})
	}
}
