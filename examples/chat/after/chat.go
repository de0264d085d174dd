// Package after is the chat server of package before, by this library's own API. It serves clients of
// every version, and Shutdown of its Server says farewell to all of them.
package after

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/draftwire/draftwire"
)

const (
	maxMessage = 512       // bytes
	backlog    = 128 << 10 // bytes that may wait for a client
)

// Chat gives everybody what anybody says.
type Chat struct {
	mu    sync.Mutex
	conns map[*draftwire.Conn]bool
}

// New returns a Server of a new Chat.
func New() *draftwire.Server {
	c := &Chat{conns: map[*draftwire.Conn]bool{}}
	return &draftwire.Server{
		Options: draftwire.AcceptOptions{
			Versions: draftwire.AllVersions,
			Limits:   draftwire.Limits{ReadLimit: maxMessage, PostLimit: backlog},
		},
		WebSocket: c.serve,
	}
}

// serve is one client. When it returns, the connection closes.
func (c *Chat) serve(ctx context.Context, conn *draftwire.Conn) error {
	c.set(conn, true)
	defer c.set(conn, false)
	for m, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		c.say(m)
	}
	return nil
}

func (c *Chat) set(conn *draftwire.Conn, here bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if here {
		c.conns[conn] = true
	} else {
		delete(c.conns, conn)
	}
}

// say sends a message to all. Nobody waits for a client that lags: it is dropped.
func (c *Chat) say(m draftwire.Message) {
	c.mu.Lock()
	all := slices.Collect(maps.Keys(c.conns))
	c.mu.Unlock()
	draftwire.Broadcast(draftwire.NewPreparedMessage(m.Op, m.Data), all, func(conn *draftwire.Conn, _ error) { conn.CloseNow() })
}
