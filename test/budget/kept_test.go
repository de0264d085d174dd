//go:build !race

package budget_test

import (
	"bytes"
	"context"
	"net"
	"runtime"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// A message that a program keeps keeps little beside itself: of small ones that came together at
// most 3 KiB, of a large one a third.
func TestKeptMemory(t *testing.T) {
	overTCP(t, func(v draftwire.Version, client wstest.Client, nc net.Conn, c *draftwire.Conn) {
		for _, tt := range []struct{ size, together, most int }{
			{1, 1000, 3 << 10}, {125, 32, 3 << 10}, {1000, 5, 3 << 10}, {1100, 5, 1280},
			{5000, 1, 6700}, {16 << 10, 1, 21900}, {100_000, 1, 134_000},
		} {
			const n = 100
			burst := bytes.Repeat(client.Text(wstest.Words(tt.size)), tt.together)
			var kept [][]byte
			receive := func() {
				go nc.Write(burst)
				for i := range tt.together {
					_, p, err := c.Read(context.Background())
					if err != nil {
						t.Fatal(err)
					}
					if i == 0 {
						kept = append(kept, p)
					}
				}
			}
			for range 10 {
				receive()
			}
			before := wstest.InUse(3).Heap
			for range n {
				receive()
			}
			each := int((wstest.InUse(3).Heap - before) / n)
			if each > tt.most+100 {
				t.Errorf("%s: a message of %d bytes, of %d that came together, keeps %d", v, tt.size, tt.together, each)
			}
			runtime.KeepAlive(kept)
		}
	})
}
