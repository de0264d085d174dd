package draftwire

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/draftwire/draftwire/internal/sock"
)

// keepaliveOf is what a connection has that a listener takes.
func keepaliveOf(t *testing.T, l net.Listener) (got [5]int) {
	t.Helper()
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		for i, o := range [5][2]int{
			{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE}, {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL}, {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT},
			{syscall.IPPROTO_TCP, syscall.TCP_NODELAY},
		} {
			if got[i], err = syscall.GetsockoptInt(int(fd), o[0], o[1]); err != nil {
				t.Error(err)
			}
		}
	})
	return got
}

// What Listen takes is as what net.Listen takes, on kernels that refuse the options too.
func TestListen(t *testing.T) {
	defer func(was func(uintptr) error) { sock.Keepalive = was }(sock.Keepalive)
	listens := map[string]func(network, address string) (net.Listener, error){"inherited": Listen, "refused": func(network, address string) (net.Listener, error) {
		sock.Keepalive = func(uintptr) error { return errors.ErrUnsupported }
		return Listen(network, address)
	}}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		want := keepaliveOf(t, l)
		was := sock.Keepalive
		for name, listen := range listens {
			if l, err = listen("tcp", address); err != nil {
				t.Fatal(err)
			}
			if got := keepaliveOf(t, l); got != want || got[0] == 0 {
				t.Errorf("%s, %s: %v, not %v", address, name, got, want)
			}
			sock.Keepalive = was
		}
	}
	if _, err := Listen("tcp", "127.0.0.1:http-not"); err == nil {
		t.Error("no error")
	}
	l, err := Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}
