package wsconn

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"

	"github.com/draftwire/draftwire/wire"
)

// Ping sends a ping and waits for its pong: see draftwire.Conn.Ping.
func (c *Conn) Ping(ctx context.Context) error {
	if !c.supports(wire.CapPing) {
		return wire.NewUnsupportedError(c.version, "ping and pong")
	}
	pings := &c.needRare().pings
	body, pong := pings.expect()
	defer pings.forget(body)
	if err := c.w.frame(ctx, wire.OpPing, alone, body[:]); err != nil {
		return err
	}
	return c.await(ctx, pong)
}

// gotPong is called for each pong that comes.
func (c *Conn) gotPong(data []byte) {
	if x := c.rare.Load(); x != nil {
		x.pings.got(data)
	}
}

// pings are those that wait for their pong.
type pings struct {
	mu      sync.Mutex
	last    uint64
	waiting map[[8]byte]chan struct{}
}

func (p *pings) expect() (body [8]byte, pong <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		p.waiting = make(map[[8]byte]chan struct{})
	}
	p.last++
	binary.BigEndian.PutUint64(body[:], p.last)
	ch := make(chan struct{})
	p.waiting[body] = ch
	return body, ch
}

func (p *pings) forget(body [8]byte) {
	p.mu.Lock()
	delete(p.waiting, body)
	p.mu.Unlock()
}

func (p *pings) got(data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for body, ch := range p.waiting {
		if bytes.Equal(body[:], data) {
			close(ch)
			delete(p.waiting, body)
		}
	}
}
