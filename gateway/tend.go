package gateway

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/draftwire/draftwire"
)

// tick is how often the gateway looks which pings and health checks are due.
const tick = time.Second

// tend pings, checks backends and drops what has ended, until the gateway ends.
func (g *Gateway) tend() {
	t := time.NewTicker(tick)
	defer t.Stop()
	checked := make(map[*backend]time.Time)
	for {
		select {
		case <-g.ctx.Done():
			return
		case now := <-t.C:
			g.clock.Store(uint32(now.Sub(g.began)/tick) + 1)
			g.pingDue(now)
			g.dropGone()
			g.checkDue(now, checked)
			g.dropOld()
			g.tendRooms()
			g.workers.rest()
		}
	}
}

// keep adds an open session to the gateway's. It returns false if the gateway has already
// cut all sessions.
func (g *Gateway) keep(s *Session) bool {
	s.id = g.lastID.Add(1)
	now := time.Now()
	for i, every := range s.pings() {
		if every > 0 { // spread at random, so that clients that came together are not pinged together
			s.pinged[i].next = now.Add(every/2 + rand.N(every/2)).UnixNano()
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

// Sessions returns the open sessions.
func (g *Gateway) Sessions() []*Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.AppendSeq(make([]*Session, 0, len(g.sessions)), maps.Keys(g.sessions))
}

// pingDue pings the sides of sessions whose next ping is due, and sets the keepalive of new ones.
func (g *Gateway) pingDue(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.sessions {
		if back, ok := s.peer.(*socket); ok {
			back.keepAlive()
		}
		for i, every := range s.pings() {
			if every <= 0 || now.UnixNano() < s.pinged[i].next {
				continue
			}
			s.pinged[i].next = now.Add(every).UnixNano()
			if i == 0 {
				s.ping(ClientSide, s.client, &s.pinged[i], every)
			} else if back, ok := s.peer.(*socket); ok {
				s.ping(BackendSide, back, &s.pinged[i], every)
			}
		}
	}
}

// keepAlive sets package net's keepalive, once.
func (s *socket) keepAlive() {
	if s.fresh != nil {
		s.fresh.KeepAlive()
		s.fresh = nil
	}
}

// dropGone ends the sessions of which one side has reset its connection while it was not
// read, because the other side is slow. A read would have shown it.
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

// dropUnread ends a side that is gone, if it was not read at two ticks in a row.
func (s *Session) dropUnread(side Side, c *socket) {
	r := s.relay.Load()
	if r == nil || !r.holds(side).Load() {
		c.unread = false
		return
	}
	if c.unread && c.PeerGone() {
		s.g.working.Go(func() { s.drop(side, c, errReset) })
	}
	c.unread = true
}

// pings returns how often the client and the backend are pinged.
func (s *Session) pings() [2]time.Duration {
	p := &s.route.Policy
	return [2]time.Duration{time.Duration(p.Ping), time.Duration(p.PingBackend)}
}

// pinged is what is known of a side that is pinged.
type pinged struct {
	next   int64 // in Unix nanoseconds
	before bool  // a ping was sent
	unread bool  // the side was not read then, as the other one is slow
}

var errSilent = errors.New("gateway: nothing has come since the last ping")

// ping pings a side, if its version has pings, and drops it if nothing at all has come since
// the ping before. Any byte is a sign of life: there are peers whose pongs are empty, and
// some that only send pings of their own. Bytes that have come and are not read yet, because
// the other side is slow, count too.
func (s *Session) ping(side Side, c *socket, p *pinged, every time.Duration) {
	if !c.Version().Supports(draftwire.CapPing) {
		return
	}
	unread := s.relay.Load().holds(side).Load()
	if heard := c.Heard(); p.before && !heard && !p.unread && !unread && !c.Buffered() {
		s.g.working.Go(func() { s.drop(side, c, errSilent) })
		return
	}
	p.before, p.unread = c.PostPing() == nil, unread
}

// drop ends a side that is gone, because of why, and closes the other side.
func (s *Session) drop(side Side, c *socket, why error) {
	first := s.relay.Load().decide(side, why)
	c.CloseNow()
	if !first {
		return // the goroutine that was first closes the other side
	}
	other := s.peer
	if side == BackendSide {
		other = s.client
	}
	s.relay.Load().closeLost(other, side, nil)
}

// checkDue checks the backends whose next check is due. checked has the time of it.
func (g *Gateway) checkDue(now time.Time, checked map[*backend]time.Time) {
	live := make(map[*backend]bool)
	for _, r := range g.state.Load().routes {
		for _, b := range r.all() {
			live[b] = true
			if r.Health.Check == "off" {
				if b.sick.Swap(false) { // no check will find it up again
					g.tellBackend(r, b, nil)
				}
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

// check finds out whether a backend is up.
func (g *Gateway) check(r *route, b *backend) {
	if b.checking.Swap(true) {
		return // the last check has not ended
	}
	defer b.checking.Store(false)
	err := b.probe(g.ctx, g.dial, &r.Health)
	if g.ctx.Err() != nil || err != nil && ownerOf(err) == ofGateway {
		return
	}
	if err != nil {
		b.failed(err)
	}
	if b.sick.Swap(err != nil) != (err != nil) {
		if err == nil {
			b.risen.Store(time.Now().UnixNano())
			// A backend that stays up may rest on: it may accept connections and not answer.
			b.until.Store(0)
		}
		g.tellBackend(r, b, err)
	}
}

// tellBackend tells the hook that a backend is up, or down because of err.
func (g *Gateway) tellBackend(r *route, b *backend, err error) {
	if f := g.hooks.BackendUp; f != nil {
		f(r.Name, b.name, err == nil, err)
	}
}

// dropOld forgets replaced ports whose last connection has ended.
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
