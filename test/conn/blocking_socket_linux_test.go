package conn_test

import (
	"context"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// blockingListener gives sockets whose calls wait, as Fd of net.TCPConn's File leaves
// them. t learns if that is no longer so.
type blockingListener struct {
	*net.TCPListener
	t *testing.T
}

func (l blockingListener) Accept() (net.Conn, error) {
	nc, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	f, err := nc.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if how, _, _ := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), syscall.F_GETFL, 0); how&syscall.O_NONBLOCK != 0 {
		l.t.Error("this socket does not block")
	}
	return nc, nil
}

// A socket whose calls wait holds up nobody, though the runtime is not told of them.
func TestBlockingSocket(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	tl, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &draftwire.Server{Options: wstest.Options(), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error { return c.Write(ctx, op, p) })
	}}
	wstest.ServeOn(t, s, blockingListener{tl, t})
	for _, v := range draftwire.ServedVersions().List() {
		nc, err := net.Dial("tcp", tl.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close() // not before: it waits while others talk
		nc.SetDeadline(time.Now().Add(time.Minute))
		client := wstest.NewClient(v)
		client.Shake(t, nc)
		for i := range 2 * wstest.BusyMessages {
			m := strings.Repeat("x", i*100)
			wstest.Send(t, nc, client.Text(m))
			wstest.Want(t, nc, client.Echo(m))
		}
	}
}
