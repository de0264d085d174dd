package gateway

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/draftwire/draftwire"
)

// tick is how often the gateway looks after its sessions and backends.
const tick = time.Second

// tend looks after sessions and backends until the gateway ends.
func (g *Gateway) tend() {
	t := time.NewTicker(tick)
	defer t.Stop()
	checked := make(map[*backend]time.Time)
	for {
		select {
		case <-g.ctx.Done():
			return
		case now := <-t.C:
			g.pingDue(now)
			g.dropGone()
			g.checkDue(now, checked)
			g.dropOld()
		}
	}
}

// keep notes an open session; false where all that is open was cut.
func (g *Gateway) keep(s *Session) bool {
	now := time.Now()
	for i, every := range s.pings() {
		if every > 0 { // spread, so that clients that came together are not pinged together
			s.next[i] = now.Add(every/2 + rand.N(every/2))
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sessions[s] = struct{}{}
	return !g.ended
}

func (g *Gateway) forget(s *Session) {
	g.mu.Lock()
	delete(g.sessions, s)
	g.mu.Unlock()
}

// Sessions returns those that are open at the moment.
func (g *Gateway) Sessions() []*Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.sessions))
}

// pingDue pings the sides of the sessions whose time has come.
func (g *Gateway) pingDue(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.sessions {
		for i, every := range s.pings() {
			if every <= 0 || now.Before(s.next[i]) {
				continue
			}
			s.next[i] = now.Add(every)
			if i == 0 {
				s.ping(ClientSide, s.client, every)
			} else if back, ok := s.peer.(*socket); ok {
				s.ping(BackendSide, back, every)
			}
		}
	}
}

// dropGone ends the sessions of which a side is gone that nobody reads, as what it has
// said before waits for the other side.
func (g *Gateway) dropGone() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.sessions {
		s.dropUnread(ClientSide, s.client)
		if back, ok := s.peer.(*socket); ok {
			s.dropUnread(BackendSide, back)
		}
	}
}

var errReset = errors.New("gateway: the connection was reset")

// dropUnread ends a side that is not read, and was not at the last look, if it is gone.
func (s *Session) dropUnread(side Side, c *socket) {
	r := s.relay.Load()
	if r == nil || !r.inHand(side).Load() {
		c.unread = false
		return
	}
	if c.unread && c.PeerGone() {
		s.g.working.Go(func() { s.drop(side, c, errReset) })
	}
	c.unread = true
}

// pings is how often the client and the backend are pinged.
func (s *Session) pings() [2]time.Duration {
	p := &s.route.Policy
	return [2]time.Duration{time.Duration(p.Ping), time.Duration(p.PingBackend)}
}

var errNoPong = errors.New("gateway: no pong in time")

// ping pings a side that has pings, and drops it where neither a pong nor
// anything else comes until the next one is due. What has come and is not read, as
// the other side is slow, counts: the pong may stand behind it.
func (s *Session) ping(side Side, c *socket, within time.Duration) {
	if !c.Version().Supports(draftwire.CapPing) {
		return
	}
	s.g.working.Go(func() {
		ctx, cancel := context.WithTimeout(s.g.ctx, within)
		defer cancel()
		before, inHand := c.Stats().BytesIn, s.relay.Load().inHand(side)
		waits := inHand.Load()
		err := c.Ping(ctx)
		waits = waits || inHand.Load() || c.Buffered()
		if errors.Is(err, context.DeadlineExceeded) && !waits && c.Stats().BytesIn == before {
			s.drop(side, c, errNoPong)
		}
	})
}

// drop ends a side that is not there any more, for why, and tells the other.
func (s *Session) drop(side Side, c *socket, why error) {
	first := s.relay.Load().ended(side, why)
	c.CloseNow()
	if !first {
		return // who was first tells it
	}
	s.lose(LossAbnormal)
	other := s.peer
	if side == BackendSide {
		other = s.client
	}
	code, reason := gone(side, nil)
	other.close(code, reason)
}

// checkDue checks the backends whose time has come.
func (g *Gateway) checkDue(now time.Time, checked map[*backend]time.Time) {
	live := make(map[*backend]bool)
	for _, r := range g.state.Load().routes {
		for _, b := range r.backends.list {
			live[b] = true
			if r.Health.Check == "off" {
				g.unchecked(r, b)
				continue
			}
			if now.Before(checked[b]) {
				continue
			}
			checked[b] = now.Add(time.Duration(r.Health.Interval))
			g.working.Go(func() { g.check(r, b) })
		}
	}
	for b := range checked {
		if !live[b] {
			delete(checked, b)
		}
	}
}

// check looks whether a backend is there.
func (g *Gateway) check(r *route, b *backend) {
	if !b.checking.CompareAndSwap(false, true) {
		return // the last one still waits
	}
	defer b.checking.Store(false)
	err := b.look(g.ctx, g.dial, time.Duration(r.Health.Timeout))
	if g.ctx.Err() != nil || err != nil && ownerOf(err) == ofGateway {
		return
	}
	if err != nil {
		b.err.Store(&err)
	}
	if b.sick.Swap(err != nil) != (err != nil) {
		if err == nil {
			b.until.Store(0) // else it rests: it may take connections and not answer
		}
		if f := g.hooks.BackendUp; f != nil {
			f(r.Name, b.name, err == nil, err)
		}
	}
}

// unchecked thinks well of a backend that is no longer checked.
func (g *Gateway) unchecked(r *route, b *backend) {
	if b.sick.CompareAndSwap(true, false) {
		if f := g.hooks.BackendUp; f != nil {
			f(r.Name, b.name, true, nil)
		}
	}
}

// dropOld lets go of replaced ports when their last connection has ended.
func (g *Gateway) dropOld() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.old = slices.DeleteFunc(g.old, func(p *port) bool {
		if !p.idle() {
			return false
		}
		g.working.Go(func() { p.server.Close() })
		return true
	})
}
