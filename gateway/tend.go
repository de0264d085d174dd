package gateway

import (
	"errors"
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
	var due []dueSide
	for {
		select {
		case <-g.ctx.Done():
			return
		case now := <-t.C:
			g.clock.Store(uint32(now.Sub(g.began)/tick) + 1)
			due = g.pingDue(now, due)
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
	back, _ := s.peer.(*socket)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sessions.add(s)
	for side, every := range s.pings() {
		if every > 0 { // spread at random, so that clients that came together are not pinged together
			first := now.Add(every/2 + rand.N(every/2))
			g.sessions.plan(s, side, g.second(first))
			s.pinged[side].next = first.UnixNano()
		}
	}
	if back != nil && back.fresh != nil { // its keepalive is due
		g.sessions.unplan(s, backendsSide)
		g.sessions.plan(s, backendsSide, 0)
	}
	return !g.ended
}

// backendsSide is the index of Session.pinged for the backend.
const backendsSide = 1

func (g *Gateway) forget(s *Session) {
	g.mu.Lock()
	g.sessions.remove(s)
	g.mu.Unlock()
	g.watched.remove(s)
}

// Sessions returns the open sessions.
func (g *Gateway) Sessions() []*Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.sessions.all)
}

// pingDue pings the sides of sessions whose next ping is due, and sets the keepalive of new ones. It
// gives back due, whose memory it uses.
func (g *Gateway) pingDue(now time.Time, due []dueSide) []dueSide {
	g.mu.Lock()
	due = g.sessions.take(g.second(now), due[:0])
	g.mu.Unlock()
	for i := range due { // without the lock, for which handshakes would wait
		due[i].again = due[i].look(now)
	}
	g.mu.Lock()
	for _, v := range due {
		switch {
		case v.again && v.s.place != 0: // it is still open
			g.sessions.plan(v.s, v.side, g.second(time.Unix(0, v.s.pinged[v.side].next)))
		case !v.s.isPinged():
			v.s.pinged = nil
		}
	}
	g.mu.Unlock()
	clear(due)
	return due
}

// look does what is due of a side. It reports whether it is to be looked at again, for its next ping.
func (v *dueSide) look(now time.Time) (again bool) {
	s, p, every := v.s, &v.s.pinged[v.side], v.s.pings()[v.side]
	side, c := ClientSide, s.client
	if v.side == backendsSide {
		back, ok := s.peer.(*socket)
		if !ok {
			return false
		}
		back.keepAlive()
		side, c = BackendSide, back
	}
	if every > 0 && now.UnixNano() >= p.next {
		p.next = now.Add(every).UnixNano()
		s.ping(side, c, p, every)
	}
	return every > 0
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
	w := &g.watched
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.all {
		held := s.dropUnread(ClientSide, s.client)
		if back, ok := s.peer.(*socket); ok && s.dropUnread(BackendSide, back) {
			held = true
		}
		if !held && (s.loop != nil || s.member != nil) {
			delete(w.all, s)
		}
	}
}

var errReset = errors.New("gateway: the connection was reset")

// dropUnread ends a side that is gone, if it was not read at two ticks in a row. It reports whether it is
// not read.
func (s *Session) dropUnread(side Side, c *socket) (held bool) {
	r := s.relay.Load()
	if r == nil || !r.holds(side).Load() {
		c.unread = false
		return false
	}
	if c.unread && c.PeerGone() {
		s.g.working.Go(func() { s.drop(side, c, errReset) })
	}
	c.unread = true
	return true
}

// pings returns how often the client and the backend are pinged.
func (s *Session) pings() [2]time.Duration {
	p := &s.route.Policy
	return [2]time.Duration{time.Duration(p.Ping), time.Duration(p.PingBackend)}
}

// isPinged reports whether a side is pinged.
func (s *Session) isPinged() bool {
	every := s.pings()
	return max(every[0], every[1]) > 0
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
