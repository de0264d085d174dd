package wsconn

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/internal/leak"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// TestMain fails the run if a goroutine outlives the tests.
func TestMain(m *testing.M) { leak.Main(m, nil, nil) }

var bg = context.Background()

// told is what the hooks of a connection were told.
type told struct {
	closed    []error
	released  int
	discarded int
}

func (h *told) Closed(cause error) { h.closed = append(h.closed, cause) }
func (h *told) Released()          { h.released++ }
func (h *told) Discarded()         { h.discarded++ }

// The others are for connections that a loop drives.
func (h *told) Message(wire.Op, []byte)       {}
func (h *told) Part(Part)                     {}
func (h *told) Run([]byte, *session.Run) bool { return false }
func (h *told) Read()                         {}
func (h *told) Drained()                      {}
func (h *told) PeerClosed(*wire.CloseError)   {}
func (h *told) Ended()                        {}

// limits are small enough for a test to reach them.
var limits = Limits{CloseTimeout: 5 * time.Second, WriteTimeout: time.Minute, PostLimit: 100 << 10}

// connOn makes a connection of a version's side over nc.
func connOn(nc net.Conn, d *wire.Draft, role wire.Role) (*Conn, *told) {
	c, h := new(Conn), new(told)
	c.Init(&Config{Draft: d, Limits: &limits, Hooks: h, Source: sock.NewReader(nc, nil),
		Session: session.Config{CodecConfig: wire.CodecConfig{Role: role}}})
	return c, h
}

// serverOn makes a connection of the server's side over nc.
func serverOn(nc net.Conn) (*Conn, *told) { return connOn(nc, &rfc6455.Draft, wire.Server) }

// roomBelow is what the stream of inMemory takes while its peer does not read.
const roomBelow = 1000

// inMemory runs test in fake time, with a server's connection and its peer.
func inMemory(t *testing.T, test func(t *testing.T, c *Conn, h *told, peer *memnet.Conn)) {
	t.Helper()
	inMemoryAs(t, &rfc6455.Draft, wire.Server, test)
}

// inMemoryAs does so with a connection of any version's side.
func inMemoryAs(t *testing.T, d *wire.Draft, role wire.Role, test func(t *testing.T, c *Conn, h *told, peer *memnet.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ours, peer := memnet.Pipe(roomBelow)
		c, h := connOn(ours, d, role)
		test(t, c, h, peer)
		peer.Close()
		c.CloseNow()
		synctest.Wait()
	})
}

// text writes a message of n bytes in a goroutine of its own, and waits until that has done
// what it can.
func text(c *Conn, n int) <-chan error {
	done := make(chan error, 1)
	go func() { done <- c.Write(bg, wire.OpText, make([]byte, n)) }()
	synctest.Wait()
	return done
}

// phaseIs checks the phase of c's writer, and whether it has announced a hold.
func phaseIs(t *testing.T, c *Conn, when string, want phase, announced bool) {
	t.Helper()
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if got := c.w.phase(); got != want || c.is(outputHeld) != announced {
		t.Errorf("%s: phase %d, hold announced %v; want %d, %v", when, got, c.is(outputHeld), want, announced)
	}
}

// size is what a message of n bytes takes on the wire.
func size(n int) int {
	switch {
	case n < 126:
		return n + 2
	case n < 1<<16:
		return n + 4
	}
	return n + 10
}

// takes reads n bytes at the peer.
func takes(t *testing.T, peer *memnet.Conn, n int) {
	t.Helper()
	peer.SetReadDeadline(time.Now().Add(time.Hour))
	if got, err := io.ReadFull(peer, make([]byte, n)); err != nil {
		t.Fatalf("the peer got %d of %d bytes: %v", got, n, err)
	}
	synctest.Wait()
}
