//go:build !race

package budget_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// The budget of a connection behind net/http is the same whether Handler or an Upgrader
// accepts it. Accept, which compiles its options for each connection, may hold their
// limits in addition, and nothing else.
func TestAcceptBudget(t *testing.T) {
	o := wstest.Options()
	u, err := draftwire.NewUpgrader(&o)
	if err != nil {
		t.Fatal(err)
	}
	stay := func(c *draftwire.Conn, err error) {
		if err == nil {
			c.Read(bg)
			c.CloseNow()
		}
	}
	heldBy(t, draftwire.Handler(wstest.Echo, &o)) // fills the pools
	handler := heldBy(t, draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error { stay(c, nil); return nil }, &o))
	upgrader := heldBy(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { stay(u.Accept(w, r)) }))
	accept := heldBy(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { stay(draftwire.Accept(w, r, &o)) }))
	t.Logf("bytes a connection: Handler %d, Upgrader.Accept %d, Accept %d", handler, upgrader, accept)
	if upgrader > handler+64 {
		t.Errorf("Upgrader.Accept holds %d bytes a connection, Handler %d", upgrader, handler)
	}
	if accept > handler+256 {
		t.Errorf("Accept holds %d bytes a connection, Handler %d", accept, handler)
	}
}

// heldBy returns how many bytes of heap a connection that h serves holds.
func heldBy(t *testing.T, h http.Handler) int {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	var clients []*draftwire.Conn
	open := func(n int) {
		for range n {
			c, _, err := draftwire.Dial(bg, srv.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			clients = append(clients, c)
		}
	}
	alive := func() int {
		var m runtime.MemStats
		for range 2 { // pools give back what they hold in the second collection
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	const n = 200
	open(20)
	before := alive()
	open(n)
	each := (alive() - before) / n
	for _, c := range clients {
		c.CloseNow()
	}
	return each
}
