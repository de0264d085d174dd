//go:build unix

package budget_test

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// Ten thousand clients that never finish their head cost a small, bounded
// amount of memory each, and are all gone after the deadline.
func TestHalfOpenMemory(t *testing.T) {
	n := 10000
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err == nil && uint64(lim.Cur) < uint64(2*n+100) {
		n = int(lim.Cur/2) - 100
		t.Logf("only %d connections: the limit of open files is %d", n, lim.Cur)
	}
	l := wstest.ListenTCP(t)
	opt := wstest.Options()
	refused := make(chan struct{}, n)
	opt.Limits.HandshakeTimeout = 30 * time.Second
	opt.Observer = &draftwire.Observer{Refused: func(string, []byte, *draftwire.HandshakeError) { refused <- struct{}{} }}
	s := &draftwire.Server{WebSocket: wstest.Echo, Options: opt}
	wstest.ServeOn(t, s, l)
	before := wstest.InUse(1).Sum()
	conns := make([]net.Conn, n)
	for i := range conns {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		switch i % 3 { // nothing, the beginning of a head, most of one
		case 1:
			io.WriteString(nc, "GET / HTTP/1.1\r\n")
		case 2:
			io.WriteString(nc, wstest.Head(draftwire.RFC6455)[:150])
		}
		conns[i] = nc
	}
	// A client that comes behind them all is served at once.
	c, _, err := draftwire.Dial(bg, "ws://"+l.Addr().String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	wstest.Write(t, c, "hello")
	wstest.Read(t, c, "hello")
	c.Close(draftwire.CodeNormal, "")
	each := (wstest.InUse(1).Sum() - before) / int64(n)
	t.Logf("%d half-open handshakes, %d bytes each (both ends)", n, each)
	if each > 16<<10 {
		t.Errorf("a half-open handshake costs %d bytes", each)
	}
	s.Close()
	for range n {
		<-refused
	}
}
