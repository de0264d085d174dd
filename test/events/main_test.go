//go:build unix

// Package events_test holds what Server.Events promises on loops, over real sockets: order,
// limits, timeouts, peers that stall, leave or lie, and that nothing stays behind.
package events_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/leak"
	"github.com/draftwire/draftwire/internal/wstest"
)

// TestMain fails the run if a goroutine outlives the tests.
func TestMain(m *testing.M) { leak.Main(m, nil, nil) }

var bg = context.Background()

// discardLog is for panics that are wanted.
var discardLog = log.New(io.Discard, "", 0)

// little is how much the sockets of a test with slow peers take, about.
const little = 16 << 10

// listen listens on loopback; the sockets take little.
func listen(t testing.TB) *net.TCPListener {
	t.Helper()
	l := wstest.ListenTCP(t).(*net.TCPListener)
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, little)
		syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, little)
	})
	return l
}

// serve serves e until the test ends. The server takes all versions.
func serve(t testing.TB, e *draftwire.Events, change ...func(*draftwire.Server)) (s *draftwire.Server, addr string) {
	t.Helper()
	s = &draftwire.Server{Events: e, Options: wstest.Options()}
	for _, f := range change {
		f(s)
	}
	l := listen(t)
	wstest.ServeOn(t, s, l)
	return s, l.Addr().String()
}

// limits changes the limits of a server.
func limits(l draftwire.Limits) func(*draftwire.Server) {
	return func(s *draftwire.Server) { s.Options.Limits = l }
}

// peer is a client whose bytes the test writes.
type peer struct {
	wstest.Client
	*net.TCPConn
}

// dial connects to a server, and takes little.
func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, little) })
	}}
	nc, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(wstest.Patience))
	return nc.(*net.TCPConn)
}

// open opens a connection of version v.
func open(t testing.TB, addr string, v draftwire.Version) peer {
	t.Helper()
	p := peer{wstest.NewClient(v), dial(t, addr)}
	p.Shake(t, p.TCPConn)
	return p
}

// say sends a text.
func (p peer) say(t testing.TB, text string) {
	t.Helper()
	wstest.Send(t, p, p.Text(text))
}

// hear wants a text.
func (p peer) hear(t testing.TB, text string) {
	t.Helper()
	wstest.Want(t, p, p.Echo(text))
}

// gone wants the end of the stream, whatever comes before it.
func (p peer) gone(t testing.TB) (rest []byte) {
	t.Helper()
	rest, err := io.ReadAll(p)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the stream does not end: %v", err)
	}
	return rest
}

// endings is an Events.Closed that tells of each end.
func endings(e *draftwire.Events) <-chan error {
	ended := make(chan error, 1000)
	e.Closed = func(_ *draftwire.Conn, err error) { ended <- err }
	return ended
}

// eachVersion runs a test for each version, all at the same time.
func eachVersion(t *testing.T, f func(t *testing.T, v draftwire.Version)) {
	for _, v := range draftwire.ServedVersions().List() {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			f(t, v)
		})
	}
}
