//go:build faults

package conn_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/faultnet"
	"github.com/draftwire/draftwire/internal/wstest"
)

// busyPair returns a server's connection, whose busy ReadLoop has got busy messages, and
// the client's socket. ended gets what ReadLoop returned.
func busyPair(t *testing.T, v draftwire.Version) (nc net.Conn, peer wstest.Client, c *draftwire.Conn, ended chan error) {
	t.Helper()
	const busy = 20
	l := faultnet.New(nil).Listen(64 << 10)
	conns, all := make(chan *draftwire.Conn, 1), make(chan struct{})
	ended = make(chan error, 1)
	s := &draftwire.Server{Options: wstest.Options(), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		conns <- c
		n := 0
		err := c.ReadLoop(ctx, func(draftwire.Op, []byte) error {
			if n++; n == busy {
				close(all)
			}
			return nil
		})
		ended <- err
		return err
	}}
	wstest.ServeOn(t, s, l)
	nc, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	peer = wstest.NewClient(v)
	peer.Shake(t, nc)
	for range busy {
		nc.Write(peer.Text("m"))
		synctest.Wait()
	}
	<-all
	return nc, peer, <-conns, ended
}

// While this side closes, a peer that ends the stream behind its last message, both at
// once, is not waited for until the close timeout: the end comes with no news of its own.
func TestBusyLoopSeesTheEndWhileClosing(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		nc, peer, c, ended := busyPair(t, v)
		go c.Close(draftwire.CodeNormal, "")
		synctest.Wait()
		began := time.Now()
		nc.Write(peer.Text("last"))
		nc.(*faultnet.Conn).CloseWrite()
		<-ended
		if d := time.Since(began); d > 200*time.Millisecond {
			t.Errorf("it took %v", d)
		}
	})
}
