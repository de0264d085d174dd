package server_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// from is a connection that comes from an address of the test's choice.
type from struct {
	net.Conn
	addr netip.AddrPort
}

func (f from) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(f.addr) }

func (f from) CloseWrite() error { return f.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// crossroads is a server in memory whose clients come from addresses of the test's choice.
type crossroads struct {
	t    *testing.T
	s    *draftwire.Server
	told refusals
	l    *memnet.Listener
	at   chan netip.AddrPort
}

func (x *crossroads) Accept() (net.Conn, error) {
	nc, err := x.l.Accept()
	if err != nil {
		return nil, err
	}
	return from{nc, <-x.at}, nil
}

func (x *crossroads) Close() error   { return x.l.Close() }
func (x *crossroads) Addr() net.Addr { return x.l.Addr() }

func newCrossroads(t *testing.T, s *draftwire.Server) *crossroads {
	x := &crossroads{t: t, s: s, l: memnet.Listen(64 << 10), at: make(chan netip.AddrPort, 1)}
	s.Options.Versions, s.Options.Origins, s.Options.Observer = draftwire.AllVersions, []string{"*"}, x.told.observer()
	done := make(chan error, 1)
	go func() { done <- s.Serve(x) }()
	t.Cleanup(func() { s.Close(); <-done; s.Shutdown(context.Background()) })
	return x
}

// come connects from an address, says something, and waits until the server has seen it.
func (x *crossroads) come(address, says string) net.Conn {
	x.t.Helper()
	nc, err := x.l.Dial()
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { nc.Close() })
	x.at <- netip.AddrPortFrom(netip.MustParseAddr(address), 1)
	io.WriteString(nc, says)
	synctest.Wait()
	return nc
}

// gone checks that the server has ended a connection at once, without a word.
func (x *crossroads) gone(what string, nc net.Conn) {
	x.t.Helper()
	if p, err := io.ReadAll(nc); len(p) > 0 || err != nil {
		x.t.Errorf("%s got %q, %v", what, p, err)
	}
}

func (x *crossroads) counts(pending, open, http int) {
	x.t.Helper()
	if got := x.s.Counts(); got != (draftwire.ServerCounts{Pending: pending, Open: open, HTTP: http}) {
		x.t.Errorf("%+v", got)
	}
}

// Where unfinished handshakes are at their limit, the oldest that has sent no whole head
// gives its place to one that comes; an open connection does not count.
func TestMaxPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newCrossroads(t, &draftwire.Server{WebSocket: wstest.Echo, MaxPending: 4})
		x.come("192.0.2.1", wstest.Head(draftwire.RFC6455))
		x.counts(0, 1, 0)
		first := x.come("192.0.2.1", "")
		second := x.come("192.0.2.2", "GET / HT")
		x.come("192.0.2.3", "")
		x.come("192.0.2.4", "")
		x.counts(4, 1, 0)
		x.come("192.0.2.5", "")
		x.gone("the oldest", first)
		x.counts(4, 1, 0)
		x.come("192.0.2.6", wstest.Head(draftwire.RFC6455)) // one that means it
		x.gone("the next", second)
		x.counts(3, 2, 0)
		if got := x.told.reasons(); !slices.Equal(got, []wire.Reason{wire.ReasonOverload, wire.ReasonOverload}) {
			t.Errorf("refused for %v", got)
		}
	})
}

// An address cannot hold all the places: at its share its own oldest goes, and others come
// in. Of IPv6 a /64 is an address. Those who speak for many have no share.
func TestMaxPendingPerAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &draftwire.Server{WebSocket: wstest.Echo, MaxPending: 20, MaxPendingPerAddress: 2}
		s.Options.TrustForwarded = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
		s.Proxy = &draftwire.ProxyProtocol{From: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
			Read: func([]byte) (int, draftwire.ProxyHeader, error) { return 0, draftwire.ProxyHeader{}, nil }}
		x := newCrossroads(t, s)
		other := x.come("2001:db8::1", "")
		first := x.come("2001:db8:1::1", "")
		x.come("2001:db8:1::2", "")
		x.come("2001:db8:1::3", "")
		x.gone("the address's oldest", first)
		for range 4 {
			x.come("198.51.100.7", "")
			x.come("203.0.113.7", "")
		}
		x.counts(11, 0, 0)
		io.WriteString(other, wstest.Head(draftwire.RFC6455))
		synctest.Wait()
		x.counts(10, 1, 0)
	})
}

// Who has sent a whole head is not sent away for others: they are, where all places are
// taken so. Who was refused and does not leave gives its place.
func TestPendingThatCannotGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		judge := make(chan struct{})
		s := &draftwire.Server{WebSocket: wstest.Echo, MaxPending: 2}
		s.Options.Authorize = func(*draftwire.Handshake, *draftwire.Answer) error { <-judge; return nil }
		x := newCrossroads(t, s)
		x.come("192.0.2.1", wstest.Head(draftwire.RFC6455))
		x.come("192.0.2.2", wstest.Head(draftwire.RFC6455))
		x.gone("one above the limit", x.come("192.0.2.3", wstest.Head(draftwire.RFC6455)))
		close(judge)
		synctest.Wait()
		x.counts(0, 2, 0)
		refused := []net.Conn{x.come("192.0.2.4", "GET / HTTP/1.1\r\n\r\n"), x.come("192.0.2.5", "GET / HTTP/1.1\r\n\r\n")}
		x.counts(2, 2, 0)
		x.come("192.0.2.6", wstest.Head(draftwire.RFC6455))
		x.counts(1, 3, 0)
		if p, err := io.ReadAll(refused[0]); len(p) == 0 || err != nil {
			t.Errorf("the refused one got %q, %v", p, err)
		}
	})
}

// A whole head without the eight bytes behind it keeps its place only where nobody else
// needs it, and of those the oldest goes.
func TestPendingWithoutItsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const head76 = "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nOrigin: http://example.com\r\n" +
			"Sec-WebSocket-Key1: 18x 6]8vM;54 *(5:  {   U1]8  z [  8\r\nSec-WebSocket-Key2: 1_ tx7X d  <  nw  334J702) 7]o}` 0\r\n\r\n"
		x := newCrossroads(t, &draftwire.Server{WebSocket: wstest.Echo, MaxPending: 4})
		whole := x.come("192.0.2.1", head76)
		first := x.come("192.0.2.2", head76+"Tm[K T")
		second := x.come("192.0.2.2", head76)
		silent := x.come("192.0.2.3", "")
		io.WriteString(whole, "Tm[K T2u")
		synctest.Wait()
		x.counts(3, 1, 0)
		x.come("192.0.2.4", "GET")
		x.come("192.0.2.5", "GET")
		x.gone("the silent one", silent)
		x.come("192.0.2.2", wstest.Head(draftwire.RFC6455)) // of an address that has its share
		if p, err := io.ReadAll(first); !strings.HasPrefix(string(p), "HTTP/1.1 101 ") || err != nil {
			t.Errorf("the oldest without its body got %q, %v", p, err)
		}
		x.counts(3, 2, 0)
		io.WriteString(second, "Tm[K T2u")
		synctest.Wait()
		x.counts(2, 3, 0)
		if got := x.told.reasons(); !slices.Equal(got, []wire.Reason{wire.ReasonOverload, wire.ReasonOverload}) {
			t.Errorf("refused for %v", got)
		}
	})
}

// Handshakes that wait for the program, however many came first, keep nobody from a place
// that a silent connection has.
func TestSilentBehindJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		judge := make(chan struct{})
		s := &draftwire.Server{WebSocket: wstest.Echo, MaxPending: 200, MaxPendingPerAddress: 200}
		s.Options.Authorize = func(*draftwire.Handshake, *draftwire.Answer) error { <-judge; return nil }
		x := newCrossroads(t, s)
		for range 100 {
			x.come("192.0.2.1", wstest.Head(draftwire.RFC6455))
		}
		first := x.come("192.0.2.2", "")
		for range 99 {
			x.come("192.0.2.2", "")
		}
		x.come("192.0.2.3", wstest.Head(draftwire.RFC6455))
		x.gone("the oldest silent one", first)
		x.counts(200, 0, 0)
		close(judge)
		synctest.Wait()
		x.counts(99, 101, 0)
	})
}
