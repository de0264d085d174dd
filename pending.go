package draftwire

import (
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// pending are the connections of a Server whose handshake is not done, in the order
// of their deadlines, under Server.mu. One timer is for all of them: to set a deadline on
// each socket, and take it back, costs a handshake as much as its parsing does.
type pending struct {
	n           int
	first, last *opening
	due         *opening // the first that is not late
	oldest      *opening // the first that was not judged when somebody's place was needed
	timer       *time.Timer
	at          time.Time // when timer runs; zero while it does not
	from        addresses
}

// addresses counts connections by address, so that none can hold them all.
type addresses map[netip.Prefix]int

func (a addresses) add(key netip.Prefix) {
	if key.IsValid() {
		a[key]++
	}
}

func (a addresses) remove(key netip.Prefix) {
	if !key.IsValid() {
		return
	}
	if a[key]--; a[key] == 0 {
		delete(a, key)
	}
}

// addressOf is what counts as one address: an IPv6 client has a /64 to choose from. It is
// not valid for who speaks for many, a trusted proxy, and for who has none, on a unix
// socket.
func (r *rules) addressOf(nc net.Conn) (key netip.Prefix) {
	a, ok := peerIP(nc)
	if a = a.Unmap().WithZone(""); !ok || !a.IsValid() || contains(r.TrustForwarded, a) || r.proxy != nil && contains(r.proxy.From, a) {
		return key
	}
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	key, _ = a.Prefix(bits)
	return key
}

// How far a pending connection is, for others who need its place.
const (
	hasNoHead uint32 = iota // it has not sent a whole head
	isJudged                // it has, and is waited for
	isLeaving               // it was refused, and only has to hear of it
	isEvicted               // another has its place
)

// waiting is an opening's place among the pending.
type waiting struct {
	by         time.Time // the deadline
	prev, next *opening
	listed     bool
	answering  bool // the 101 is on its way
	late       bool // the deadline has passed
	from       netip.Prefix
	stage      atomic.Uint32
}

// enlist adds o to the pending connections, or says why not. At the limit, of all or of
// an address, the oldest that has sent no whole head goes: a client that means it is
// quicker. It is called under s.mu.
func (s *Server) enlist(o *opening) wire.Reason {
	if s.closing {
		return wire.ReasonShutdown
	}
	p := &s.pending
	o.from = o.rules.addressOf(o.below)
	if o.from.IsValid() && p.from[o.from] >= s.limits.pendingOf && !s.evict(o.from) || p.n >= s.limits.pending && !s.evict(netip.Prefix{}) {
		return wire.ReasonOverload
	}
	p.from.add(o.from)
	s.await(o)
	return ""
}

// evictLook is how many of the oldest are looked at for one that may go.
const evictLook = 64

// evict ends the oldest pending connection, of one address if that is valid, that may go
// for another. It is called under s.mu.
func (s *Server) evict(from netip.Prefix) bool {
	p := &s.pending
	for p.oldest != nil && p.oldest.stage.Load() == isJudged { // it does not come back
		p.oldest = p.oldest.next
	}
	o := p.oldest
	for i := 0; o != nil && i < evictLook; i++ {
		if (!from.IsValid() || o.from == from) &&
			(o.stage.CompareAndSwap(hasNoHead, isEvicted) || o.stage.CompareAndSwap(isLeaving, isEvicted)) {
			p.remove(o)
			go o.below.Close() // a listener of the program's may have connections whose Close waits
			return true
		}
		o = o.next
	}
	return false
}

// await adds o to the pending connections. It is called under s.mu.
func (s *Server) await(o *opening) {
	p := &s.pending
	o.by = o.began.Add(o.rules.Limits.HandshakeTimeout)
	o.prev, o.listed = p.last, true
	for o.prev != nil && !o.prev.late && o.by.Before(o.prev.by) { // only where the timeout has become shorter
		o.prev = o.prev.prev
	}
	if o.prev == nil {
		o.next, p.first = p.first, o
	} else {
		o.next, o.prev.next = o.prev.next, o
	}
	if o.next == nil {
		p.last = o
	} else {
		o.next.prev = o
	}
	if p.due == o.next {
		p.due = o
	}
	if p.oldest == o.next {
		p.oldest = o
	}
	p.n++
	if p.at.IsZero() || o.by.Before(p.at) {
		s.wake(o.by)
	}
}

// remove takes o out, if it is still there.
func (p *pending) remove(o *opening) {
	if !o.listed {
		return
	}
	if o.prev == nil {
		p.first = o.next
	} else {
		o.prev.next = o.next
	}
	if o.next == nil {
		p.last = o.prev
	} else {
		o.next.prev = o.prev
	}
	if p.due == o {
		p.due = o.next
	}
	if p.oldest == o {
		p.oldest = o.next
	}
	o.listed = false
	p.n--
	p.from.remove(o.from)
}

// wake sets the timer, which then runs until it finds nobody to wait for: a busy
// server sets it once in a handshake's timeout.
func (s *Server) wake(at time.Time) {
	p := &s.pending
	p.at = at
	if p.timer == nil {
		p.timer = time.AfterFunc(time.Until(at), s.expire)
	} else {
		p.timer.Reset(time.Until(at))
	}
}

// expire ends the waits of those whose deadline has passed.
func (s *Server) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.pending
	now := time.Now()
	for ; p.due != nil && !p.due.by.After(now); p.due = p.due.next {
		p.due.late = true
		p.due.below.SetDeadline(past)
	}
	if p.at = (time.Time{}); p.due != nil {
		s.wake(p.due.by)
	}
}

// answering notes that a connection gets its 101, so that a shutdown lets it
// open and then says farewell; false if the shutdown has begun.
func (s *Server) answering(o *opening) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	o.answering = true
	return true
}

// decided takes a connection out of the pending ones.
func (s *Server) decided(o *opening) {
	s.mu.Lock()
	s.pending.remove(o)
	s.mu.Unlock()
}
