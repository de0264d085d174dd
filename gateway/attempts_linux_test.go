package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// full returns the address of a socket whose queue is full, so that nobody can connect to it.
func full(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	err = errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0))
	if err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for {
		nc, err := net.DialTimeout("tcp", at, 200*time.Millisecond)
		if err != nil {
			return at
		}
		t.Cleanup(func() { nc.Close() })
	}
}

// A socket that connects is interrupted when its time is over, and when the gateway opens
// nothing more; one that was late may go on with another address.
func TestConnectInterrupted(t *testing.T) {
	at := full(t)
	all := attempts{loops: sock.NewLoops()}
	defer all.loops.Close()
	a := all.begin(time.Now().Add(50 * time.Millisecond))
	if _, err := a.to(netip.MustParseAddrPort(at)); !errors.Is(err, os.ErrDeadlineExceeded) || !timedOut(err) || ownerOf(err) != ofBackend {
		t.Errorf("late: %v", err)
	}
	l := listen(t)
	defer l.Close()
	a.until(time.Now().Add(time.Minute))
	nc, err := a.to(netip.MustParseAddrPort(l.Addr().String()))
	if err != nil {
		t.Fatalf("the second address: %v", err)
	}
	nc.Close()
	if why := a.end(); why != nil {
		t.Errorf("then it has ended: %v", why)
	}
	other := all.begin(time.Now().Add(time.Hour))
	time.AfterFunc(50*time.Millisecond, all.stop)
	if _, err := other.to(netip.MustParseAddrPort(at)); !errors.Is(err, context.Canceled) || ownerOf(err) != ofGateway {
		t.Errorf("stopped: %v", err)
	}
	other.end()
	late := all.begin(time.Now().Add(time.Hour))
	if _, err := late.to(netip.MustParseAddrPort(at)); !errors.Is(err, context.Canceled) {
		t.Errorf("begun after the stop: %v", err)
	}
	late.end()
	if len(all.open) != 0 {
		t.Errorf("%d are open", len(all.open))
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// quickly returns a gateway that opens connections by attempts.
func quickly(t *testing.T) *Gateway {
	g := &Gateway{quick: true, loops: sock.NewLoops()}
	t.Cleanup(g.leaveLoops)
	g.attempts.loops = g.loops
	g.accepting, g.stopAccepting = context.WithCancel(background)
	return g
}

// A handshake that gets no answer is interrupted in the same ways. Its connection is closed.
func TestHandshakeInterrupted(t *testing.T) {
	l := listen(t)
	defer l.Close()
	closed := make(chan error, 2)
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, err := io.Copy(io.Discard, nc)
				closed <- err
			}()
		}
	}()
	for _, url := range []string{"ws://", "wss://"} {
		b, err := newBackend(&Backend{URL: url + l.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		g := quickly(t)
		v := &visit{remote: "192.0.2.1:1"}
		if _, _, err := g.try(b, 1, time.Now().Add(50*time.Millisecond), v); !timedOut(err) || ownerOf(err) == ofGateway {
			t.Errorf("%s, late: %v", url, err)
		}
		time.AfterFunc(50*time.Millisecond, g.attempts.stop)
		if _, _, err := g.try(b, 1, time.Now().Add(time.Minute), v); ownerOf(err) != ofGateway {
			t.Errorf("%s, stopped: %v", url, err)
		}
		for range 2 {
			<-closed
		}
	}
}

// A backend's connection has its keepalive when the session has lasted for a tick.
func TestKeepAlive(t *testing.T) {
	l := listen(t)
	s := &draftwire.Server{WebSocket: func(ctx context.Context, c *draftwire.Conn) error { <-ctx.Done(); return nil }}
	go s.Serve(l)
	defer s.Close()
	b, err := newBackend(&Backend{URL: "ws://" + l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := quickly(t).try(b, 1, time.Now().Add(10*time.Second), &visit{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.cut()
	back := p.(*socket)
	raw, err := back.fresh.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range [][4]int{{0, 7200, 75, 9}, {1, 15, 15, 9}} {
		var got [4]int
		raw.Control(func(fd uintptr) {
			got[0], _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
			for i, name := range []int{syscall.TCP_KEEPIDLE, syscall.TCP_KEEPINTVL, syscall.TCP_KEEPCNT} {
				got[i+1], _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, name)
			}
		})
		if got != want {
			t.Errorf("%v, not %v", got, want)
		}
		back.keepAlive()
	}
}

// A name is looked up once; again in the background when that was long ago, and at once where
// its address does not answer.
func TestAddressesOfName(t *testing.T) {
	l := listen(t)
	s := &draftwire.Server{WebSocket: func(_ context.Context, c *draftwire.Conn) error { return nil }}
	go s.Serve(l)
	defer s.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	var lookups atomic.Int64
	var found atomic.Pointer[[]netip.Addr]
	find := func(list ...string) {
		var ips []netip.Addr
		for _, a := range list {
			ips = append(ips, netip.MustParseAddr(a))
		}
		found.Store(&ips)
	}
	defer func(old func(context.Context, string, string) ([]netip.Addr, error)) { lookup = old }(lookup)
	lookup = func(context.Context, string, string) ([]netip.Addr, error) {
		lookups.Add(1)
		if found.Load() == nil {
			return nil, &net.DNSError{Err: "no such host", Name: "localhost", IsNotFound: true}
		}
		return *found.Load(), nil
	}
	b, err := newBackend(&Backend{URL: "ws://localhost:" + port})
	if err != nil {
		t.Fatal(err)
	}
	g := quickly(t)
	try := func(name string, ok bool, n int64) {
		t.Helper()
		p, _, err := g.try(b, 1, time.Now().Add(10*time.Second), &visit{limits: draftwire.Limits{}})
		if (err == nil) != ok || lookups.Load() != n {
			t.Errorf("%s: %v after %d lookups", name, err, lookups.Load())
		}
		if err == nil {
			p.cut()
		}
	}
	try("no such name", false, 1)
	find("127.0.0.9") // where nobody listens
	try("an address where nobody listens", false, 2)
	find("127.0.0.1")
	try("it has moved", true, 3)
	try("known", true, 3)
	b.known.at = time.Now().Add(-addressTime)
	if p, _, err := g.try(b, 1, time.Now().Add(10*time.Second), &visit{}); err != nil {
		t.Errorf("known for long: %v", err)
	} else {
		p.cut()
	}
	for until := time.Now().Add(5 * time.Second); lookups.Load() != 4; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("known for long: %d lookups", lookups.Load())
		}
	}
	find("127.0.0.9", "127.0.0.1")
	b.known.mu.Lock()
	b.known.list = nil
	b.known.mu.Unlock()
	try("the first of several does not answer", true, lookups.Load()+1)
}

// A panic of a call is the caller's, and the goroutine serves the next one.
func TestWorkers(t *testing.T) {
	var all workers
	call := func(f func() error) (fault any, err error) {
		defer func() { fault = recover() }()
		return nil, all.do(f)
	}
	want := wire.NewHandshakeError(wire.Unknown, wire.ReasonBackend, "")
	if fault, err := call(func() error { return want }); err != want || fault != nil {
		t.Errorf("%v, %v", err, fault)
	}
	if fault, err := call(func() error { panic("oh") }); err != nil || fault != "oh" {
		t.Errorf("%v, %v", err, fault)
	}
	if fault, err := call(func() error { return all.do(func() error { return want }) }); err != want || fault != nil {
		t.Errorf("within another: %v, %v", err, fault)
	}
	if len(all.idle) != 2 {
		t.Errorf("%d wait", len(all.idle))
	}
	all.rest() // of both, one has had nothing to do since
	if call(func() error { return nil }); len(all.idle) != 2 {
		t.Errorf("%d wait behind the first rest", len(all.idle))
	}
	if all.rest(); len(all.idle) != 1 {
		t.Errorf("%d wait, and one has worked since", len(all.idle))
	}
	all.end()
	if fault, err := call(func() error { return want }); err != want || fault != nil || len(all.idle) != 0 {
		t.Errorf("after the end: %v, %v", err, fault)
	}
}
