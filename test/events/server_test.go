//go:build unix

package events_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// A connection closes in each way from each function, and the functions come in their order:
// where it has a goroutine, over TLS here, as on a loop.
func TestClosedInAFunction(t *testing.T) {
	ends := map[string]func(c *draftwire.Conn) error{
		"Close":      func(c *draftwire.Conn) error { return c.Close(4000, "") },
		"CloseNow":   func(c *draftwire.Conn) error { return c.CloseNow() },
		"CloseWrite": func(c *draftwire.Conn) error { return c.CloseWrite(4000, "") },
		"error":      func(*draftwire.Conn) error { return errModel },
		"panic":      func(*draftwire.Conn) error { panic(errModel) },
		"Go twice": func(c *draftwire.Conn) error {
			for range 2 {
				c.Go(func(_ context.Context, c *draftwire.Conn) error {
					time.Sleep(10 * time.Millisecond)
					return c.Close(4000, "")
				})
			}
			return nil
		},
		"Go, panic": func(c *draftwire.Conn) error {
			c.Go(func(context.Context, *draftwire.Conn) error { panic(errModel) })
			return nil
		},
		"elsewhere": func(c *draftwire.Conn) error {
			go c.CloseNow()
			return nil
		},
	}
	for _, network := range []wstest.Network{wstest.TCP, wstest.TLS} {
		for where := range 2 {
			for name, end := range ends {
				t.Run(string(network)+[]string{", Open, ", ", Message, "}[where]+name, func(t *testing.T) {
					t.Parallel()
					m := &model{t: t, recs: make(map[*draftwire.Conn]*record), ends: make(map[string]error)}
					m.s = &draftwire.Server{Options: wstest.Options(), ErrorLog: discardLog}
					done := make(chan struct{}, 100)
					m.s.Events = &draftwire.Events{
						Open: func(c *draftwire.Conn) error {
							m.open(c)
							if where == 0 {
								return end(c)
							}
							return nil
						},
						Message: func(c *draftwire.Conn, _ draftwire.Op, _ []byte) error {
							_, leave := m.enter(c, "Message")
							defer leave()
							return end(c)
						},
						Closed: func(c *draftwire.Conn, err error) {
							m.closed(c, err)
							done <- struct{}{}
							if name == "panic" {
								panic(errModel)
							}
						},
					}
					m.s.Options.Observer = &draftwire.Observer{
						Opened: func(*draftwire.Conn) { m.told.opened.Add(1) },
						Closed: func(*draftwire.Conn, error) { m.told.closed.Add(1) },
					}
					dial := wstest.ServeOver(t, m.s, network)
					for _, v := range draftwire.ServedVersions().List() {
						nc := dial()
						p := wstest.NewClient(v)
						p.Shake(t, nc)
						nc.Write(p.Text("a message"))
						nc.Write(p.Text("another"))
						if p.CloseFrame != nil {
							nc.Write(p.CloseFrame())
						}
						io.Copy(io.Discard, nc)
						nc.Close()
						wstest.Soon(t, v.String()+"'s end", done)
					}
					ctx, cancel := context.WithTimeout(bg, wstest.Patience)
					defer cancel()
					if err := m.s.Shutdown(ctx); err != nil {
						t.Error(err)
					}
					m.check()
				})
			}
		}
	}
}

// Calls that read are an error, from wherever, and take nothing from the loop.
func TestReadersAreRefused(t *testing.T) {
	conns := make(chan *draftwire.Conn, 1)
	e := &draftwire.Events{}
	tryAll := func(c *draftwire.Conn) {
		ctx, cancel := context.WithTimeout(bg, wstest.Patience)
		defer cancel()
		for name, read := range wstest.Readers {
			if p, err := read(ctx, c); err == nil || ctx.Err() != nil {
				t.Errorf("%s: %q, %v", name, p, err)
			}
		}
		if _, err := c.ReadPart(ctx); err == nil {
			t.Error("ReadPart has read")
		}
		if err := c.ReadLoop(ctx, func(draftwire.Op, []byte) error { return nil }); err == nil {
			t.Error("ReadLoop has read")
		}
		if _, err := draftwire.NetConn(ctx, c, draftwire.OpText).Read(make([]byte, 1)); err == nil {
			t.Error("a NetConn has read")
		}
	}
	e.Open = func(c *draftwire.Conn) error {
		tryAll(c)
		return nil
	}
	e.Message = func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
		tryAll(c)
		conns <- c
		return c.Write(c.Context(), op, p)
	}
	_, addr := serve(t, e)
	for _, v := range draftwire.ServedVersions().List() {
		p := open(t, addr, v)
		p.say(t, "hello")
		p.hear(t, "hello")
		tryAll(<-conns)
		p.say(t, "again")
		p.hear(t, "again")
		<-conns
	}
}

// What a program asks a connection of, and does with it beside the loop.
func TestBesideTheLoop(t *testing.T) {
	conns := make(chan *draftwire.Conn, 1)
	e := wstest.EchoEvents()
	e.Open = func(c *draftwire.Conn) error {
		conns <- c
		return nil
	}
	_, addr := serve(t, e)
	for _, v := range draftwire.ServedVersions().List() {
		p := open(t, addr, v)
		c := wstest.Soon(t, "Open", conns)
		if c.RemoteAddr().String() != p.LocalAddr().String() || c.LocalAddr().String() != addr {
			t.Errorf("%s: addresses %v, %v", v, c.RemoteAddr(), c.LocalAddr())
		}
		c.Heard()
		p.say(t, "hello")
		p.hear(t, "hello")
		if !c.Heard() {
			t.Errorf("%s: it has not heard", v)
		}
		want := draftwire.Stats{MessagesIn: 1, MessagesOut: 1, BytesIn: 5, BytesOut: 5}
		for late := time.After(wstest.Patience); c.Stats() != want; { // until the turn with the message has ended
			select {
			case <-late:
				t.Fatalf("%s: %+v", v, c.Stats())
			case <-time.After(time.Millisecond):
			}
		}
		if v.Supports(wire.CapPing) && v >= draftwire.Hybi07 {
			ponged := make(chan error, 1)
			go func() { ponged <- c.Ping(bg) }()
			wstest.Want(t, p, wstest.Frame(0x89, "\x00\x00\x00\x00\x00\x00\x00\x01", false))
			wstest.Send(t, p, wstest.Frame(0x8A, "\x00\x00\x00\x00\x00\x00\x00\x01", true))
			if err := wstest.Soon(t, "the pong", ponged); err != nil {
				t.Error(err)
			}
		}
		wstest.WriteFragments(t, c, "by a Writer", 1)
		b := p.Echo("by a Writer")
		got := make([]byte, len(b))
		if _, err := io.ReadFull(p, got); err != nil || !strings.Contains(string(got), "by a Writer") && v != draftwire.Hixie75 && !strings.Contains(string(got), "by a") {
			t.Errorf("%s: %q, %v", v, got, err)
		}
		nc := draftwire.NetConn(bg, c, draftwire.OpText)
		if _, err := io.WriteString(nc, "by a NetConn"); err != nil {
			t.Error(err)
		}
		if c.PeerGone() {
			t.Errorf("%s: the peer is not gone", v)
		}
		p.SetLinger(0)
		p.Close()
		select {
		case <-c.Context().Done():
		case <-time.After(wstest.Patience):
			t.Errorf("%s: the end is not seen", v)
		}
	}
}

// A program that does not read is told by PeerGone of a peer that has reset the connection.
func TestPeerGone(t *testing.T) {
	gone := make(chan bool, 1)
	e := &draftwire.Events{Message: func(c *draftwire.Conn, _ draftwire.Op, _ []byte) error {
		c.Go(func(context.Context, *draftwire.Conn) error {
			for began := time.Now(); !c.PeerGone() && time.Since(began) < 5*time.Second; {
				time.Sleep(time.Millisecond)
			}
			gone <- c.PeerGone()
			return nil
		})
		return nil
	}}
	_, addr := serve(t, e)
	p := open(t, addr, draftwire.RFC6455)
	p.say(t, "go")
	time.Sleep(20 * time.Millisecond)
	p.SetLinger(0)
	p.Close()
	if !wstest.Soon(t, "PeerGone", gone) {
		t.Error("it is not told")
	}
}

// Limits of messages hold, and the peer is told.
func TestReadLimit(t *testing.T) {
	e := wstest.EchoEvents()
	ended := endings(e)
	_, addr := serve(t, e, limits(draftwire.Limits{ReadLimit: 100}))
	for _, v := range draftwire.ServedVersions().List() {
		p := open(t, addr, v)
		p.say(t, strings.Repeat("x", 100))
		p.hear(t, strings.Repeat("x", 100))
		p.say(t, strings.Repeat("x", 101))
		p.gone(t)
		if err := wstest.Soon(t, "the end", ended); !errors.Is(err, draftwire.ErrTooBig) {
			t.Errorf("%s: %v", v, err)
		}
		p.Close()
	}
}

// At the limits of unfinished handshakes the oldest goes.
func TestPendingLimits(t *testing.T) {
	for name, limit := range map[string]func(*draftwire.Server){
		"all":         func(s *draftwire.Server) { s.MaxPending = 4; s.MaxPendingPerAddress = 100 },
		"per address": func(s *draftwire.Server) { s.MaxPendingPerAddress = 4 },
	} {
		t.Run(name, func(t *testing.T) {
			s, addr := serve(t, wstest.EchoEvents(), limit)
			var waiting []*net.TCPConn
			for i := range 10 {
				nc := dial(t, addr)
				if i%2 == 0 {
					io.WriteString(nc, "GET / HT") // it has a goroutine
				}
				waiting = append(waiting, nc)
				for began := time.Now(); s.Counts().Pending != min(4, i+1) && time.Since(began) < wstest.Patience; {
					time.Sleep(time.Millisecond)
				}
			}
			for _, nc := range waiting[:6] {
				if p, _ := io.ReadAll(nc); len(p) > 0 {
					t.Errorf("it got %q", p)
				}
			}
			p := open(t, addr, draftwire.RFC6455)
			p.say(t, "hello")
			p.hear(t, "hello")
			if c := s.Counts(); c.Pending != 3 || c.Open != 1 {
				t.Errorf("counts %+v", c)
			}
		})
	}
}

// A shutdown says farewell to all, in their version's way, at once or in a time, and waits for
// what functions of Conn.Go do; Close cuts.
func TestShutdown(t *testing.T) {
	for _, how := range []string{"Shutdown", "over", "Close"} {
		t.Run(how, func(t *testing.T) {
			e := wstest.EchoEvents()
			ended := endings(e)
			var went atomic.Bool
			e.Open = func(c *draftwire.Conn) error {
				if c.Handshake().Target() == "/x" {
					c.Go(func(ctx context.Context, _ *draftwire.Conn) error {
						<-ctx.Done()
						time.Sleep(50 * time.Millisecond)
						went.Store(true)
						return nil
					})
				}
				return nil
			}
			s, addr := serve(t, e, limits(draftwire.Limits{CloseTimeout: short}), func(s *draftwire.Server) {
				if how == "over" {
					s.FarewellOver = short
				}
			})
			going := dial(t, addr)
			wstest.Send(t, going, []byte(wstest.Head(draftwire.RFC6455)))
			wstest.ReadHead(t, going)
			var peers []peer
			for _, v := range draftwire.ServedVersions().List() {
				p := open(t, addr, v)
				p.say(t, "hello")
				p.hear(t, "hello")
				peers = append(peers, p)
			}
			half := dial(t, addr)
			io.WriteString(half, "GET")
			began := time.Now()
			told := make(chan struct{})
			go func() {
				defer close(told)
				for _, p := range peers {
					rest, _ := io.ReadAll(p)
					if how != "Close" && p.CloseFrame != nil && len(rest) == 0 {
						t.Error("one hears no farewell")
					}
					p.Close()
				}
			}()
			if how == "Close" {
				s.Close()
			}
			ctx, cancel := context.WithTimeout(bg, wstest.Patience)
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				t.Error(err)
			}
			if how == "over" {
				within(t, "farewells", began, short)
			}
			if len(ended) != len(peers)+1 || !went.Load() {
				t.Errorf("%d have ended, Go's function %v", len(ended), went.Load())
			}
			if c := s.Counts(); c != (draftwire.ServerCounts{}) {
				t.Errorf("counts %+v", c)
			}
			<-told
			half.Close()
			if _, err := net.Dial("tcp", addr); err == nil {
				t.Error("it still listens")
			}
		})
	}
}

// One server on several listeners, of TCP and unix sockets; a listener that somebody else
// closes ends its Serve alone.
func TestListeners(t *testing.T) {
	s, addr := serve(t, wstest.EchoEvents())
	second, third := listen(t), listen(t)
	path := filepath.Join(t.TempDir(), "socket")
	unix, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	wstest.ServeOn(t, s, second)
	wstest.ServeOn(t, s, unix)
	served := make(chan error, 1)
	go func() { served <- s.Serve(third) }()
	kept := open(t, third.Addr().String(), draftwire.RFC6455)
	third.Close()
	if err := wstest.Soon(t, "Serve's end", served); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	for range 20 {
		for _, a := range []string{addr, second.Addr().String()} {
			p := open(t, a, draftwire.RFC6455)
			p.say(t, "hello")
			p.hear(t, "hello")
			p.Close()
		}
		nc, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		p := wstest.NewClient(draftwire.RFC6455)
		p.Shake(t, nc)
		wstest.Send(t, nc, p.Text("hello"))
		wstest.Want(t, nc, p.Echo("hello"))
		nc.Close()
	}
	kept.say(t, "still there")
	kept.hear(t, "still there")
}

// A listener whose socket somebody else has too, as a process that takes over has, is let go
// all the same: the loops neither take from it nor run idle for it.
func TestListenerThatIsShared(t *testing.T) {
	l := listen(t)
	other, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	heir, err := net.FileListener(other)
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	old := &draftwire.Server{Events: wstest.EchoEvents(), Options: wstest.Options()}
	served := make(chan error, 1)
	go func() { served <- old.Serve(l) }()
	kept := open(t, addr, draftwire.RFC6455)
	down := make(chan error, 1)
	go func() { down <- old.Shutdown(bg) }()
	<-served

	waiting := peer{wstest.NewClient(draftwire.RFC6455), dial(t, addr)}
	rests(t)
	fresh := &draftwire.Server{Events: wstest.EchoEvents(), Options: wstest.Options()}
	wstest.ServeOn(t, fresh, heir)
	waiting.Shake(t, waiting)
	for range 50 {
		p := open(t, addr, draftwire.RFC6455)
		p.say(t, "hello")
		p.hear(t, "hello")
		p.Close()
	}
	kept.Close()
	if err := wstest.Soon(t, "the shutdown", down); err != nil {
		t.Error(err)
	}
}

// rests says that no loop of this process spins: one that does takes every stretch of time
// for itself, and what else the process does, a collection say, leaves one of them free.
func rests(t *testing.T) {
	t.Helper()
	var used []time.Duration
	for range 20 {
		was := processorTime(t)
		time.Sleep(short)
		d := processorTime(t) - was
		if d <= short/10 {
			return
		}
		used = append(used, d)
	}
	t.Errorf("processor time in each %v: %v", short, used)
}

// processorTime is what the process has used.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Where descriptors end, connections wait in the queue, and are taken when there are some
// again.
func TestDescriptorsEnd(t *testing.T) {
	s, addr := serve(t, wstest.EchoEvents())
	p := open(t, addr, draftwire.RFC6455)
	q := dial(t, addr)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); s.Counts().Pending != 1 && time.Since(began) < wstest.Patience; {
		time.Sleep(time.Millisecond)
	}
	nc, err := net.Dial("tcp", addr) // has its descriptor before they end
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	wait := func() { time.Sleep(120 * time.Millisecond) }
	var spare []*os.File
	for { // all that are left
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		spare = append(spare, f)
		if len(spare) == 200 {
			syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(f.Fd()) + 4, Max: was.Max})
		}
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was)
	spare[0].Close()
	late, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	wait()
	p.say(t, "hello")
	p.hear(t, "hello")
	rests(t)
	for _, f := range spare[1:] {
		f.Close()
	}
	late.SetDeadline(time.Now().Add(wstest.Patience))
	c := wstest.NewClient(draftwire.RFC6455)
	c.Shake(t, late)
	wstest.Send(t, late, c.Text("late"))
	wstest.Want(t, late, c.Echo("late"))
	q.Close()
}

// On one port with loops there is ordinary HTTP too, in clear and over TLS, and upgrades
// behind a request that net/http has served.
func TestOnePort(t *testing.T) {
	e := wstest.EchoEvents()
	ended := endings(e)
	cert, roots := wstest.SelfSigned(t)
	_, addr := serve(t, e, func(s *draftwire.Server) {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, _ := io.ReadAll(r.Body)
			w.Write(p)
		})
	})
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer c.CloseIdleConnections()
	for _, scheme := range []string{"http://", "https://"} {
		for range 20 {
			resp, err := c.Post(scheme+addr+"/", "text/plain", strings.NewReader(wstest.Words(200<<10)))
			if err != nil {
				t.Fatal(err)
			}
			if p, err := io.ReadAll(resp.Body); err != nil || string(p) != wstest.Words(200<<10) {
				t.Errorf("%d bytes, %v", len(p), err)
			}
			resp.Body.Close()
		}
	}
	for _, v := range draftwire.ServedVersions().List() {
		nc := dial(t, addr)
		io.WriteString(nc, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
		wstest.ReadHead(t, nc)
		wstest.Want(t, nc, []byte("hi"))
		p := peer{wstest.NewClient(v), nc}
		p.Shake(t, nc)
		p.say(t, wstest.Words(300<<10))
		p.hear(t, wstest.Words(300<<10))
		p.CloseWrite()
		p.gone(t)
		wstest.Soon(t, "its end", ended)
	}
}
