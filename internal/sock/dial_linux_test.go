//go:build (amd64 || arm64) && !msan && !asan

package sock

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// An address of a link has its zone.
func TestDialZone(t *testing.T) {
	var at netip.Addr
	list, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
				at = p.Addr().WithZone(i.Name)
			}
		}
	}
	if !at.IsValid() {
		t.Skip("no link has an address of IPv6")
	}
	l, err := net.ListenTCP("tcp6", net.TCPAddrFromAddrPort(netip.AddrPortFrom(at, 0)))
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	loops := NewLoops()
	defer loops.Close()
	to := netip.AddrPortFrom(at, l.Addr().(*net.TCPAddr).AddrPort().Port())
	s, err := loops.Dial(to, func(*Socket) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.RemoteAddr().String(); got != to.String() {
		t.Errorf("connected to %s, want %s", got, to)
	}
}

// A connection to itself is none, whatever ports the system chooses.
func TestDialItself(t *testing.T) {
	const lowest, highest = 20000, 20001
	own, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Skip(err)
	}
	if f := strings.Fields(string(own)); len(f) != 2 || f[0] != strconv.Itoa(lowest) || f[1] != strconv.Itoa(highest) {
		t.Skip("for a namespace in which the system chooses between two ports")
	}
	loops := NewLoops()
	defer loops.Close()
	for range 50 {
		s, err := loops.Dial(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), lowest), func(*Socket) {})
		if err == nil {
			t.Errorf("connected, from %v", s.LocalAddr())
			s.Close()
		}
	}
}

// The news that a loop has of a socket which another one's turn has closed is no news of a socket that connects, and has
// got the descriptor.
func TestDialBesideOldNews(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, s := accepted(t, "tcp", "127.0.0.1:0", nil)
	connected := make(chan bool, 1)
	began := false
	s.Drive(turner(func(turn *Turn) {
		if began {
			return
		}
		began = true
		first := true
		x, err := s.DialBeside(l.Addr().(*net.TCPAddr).AddrPort(), turner(func(turn *Turn) {
			if first {
				first = false
				connected <- !turn.Socket.Connecting()
				turn.Socket.Close()
			}
		}))
		if err != nil {
			t.Error(err)
			connected <- true
			return
		}
		on := s.loop.Load()
		on.news(&syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP, Fd: x.fd})
		if !x.Connecting() {
			t.Error("old news was taken for that of the connection")
		}
	}))
	client.Write([]byte("news"))
	if !<-connected {
		t.Error("a turn before there was news of the connection")
	}
}
