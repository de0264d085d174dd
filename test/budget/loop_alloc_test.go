//go:build !race

package budget_test

import (
	"io"
	"net"
	"runtime/debug"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// The budget of an echo in a busy loop, whatever the version: none.
func TestLoopAllocations(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which empties pools at random
	overTCP(t, func(v draftwire.Version, client wstest.Client, nc net.Conn, c *draftwire.Conn) {
		ended := make(chan error, 1)
		go func() {
			ended <- c.ReadLoop(c.Context(), func(op draftwire.Op, p []byte) error { return c.Write(c.Context(), op, p) })
		}()
		for _, n := range []int{0, 125, 1500, 16 << 10} {
			text := wstest.Words(n)
			frame, back := client.Text(text), make([]byte, len(client.Echo(text)))
			round := func() {
				nc.Write(frame)
				if _, err := io.ReadFull(nc, back); err != nil {
					t.Fatal(err)
				}
			}
			for range wstest.BusyMessages {
				round()
			}
			if n := testing.AllocsPerRun(500, round); n > 0 {
				t.Errorf("%s: an echo of %d bytes allocates %v times", v, len(text), n)
			}
		}
		nc.Close()
		<-ended
	})
}
