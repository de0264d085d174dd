package draftwire

import (
	"container/list"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/internal/origin"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// pending are the connections of a Server whose handshake is not done, in the order of
// their deadlines, under Server.mu. One timer is for all of them: setting a deadline on each
// socket, and taking it back, costs a handshake as much as its parsing does.
type pending struct {
	n            int
	ring         pendingEntry  // its ends: next is the first, prev the last
	nextToExpire *pendingEntry // the first that has not expired, or &ring
	oldest       *pendingEntry // the first that was not judged when a place was needed last, or &ring
	lacking      list.List     // of *pendingEntry: those at the stage lacksBody, in the order in which they came there
	timer        *time.Timer
	at           time.Time // when timer runs; zero while it does not
	from         addresses
}

func (p *pending) init() {
	p.from = make(addresses)
	p.ring.prev, p.ring.next = &p.ring, &p.ring
	p.nextToExpire, p.oldest = &p.ring, &p.ring
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
// not valid for a trusted proxy, which speaks for many, and for a peer without an address,
// on a unix socket.
func (l *liveConfig) addressOf(nc net.Conn) (key netip.Prefix) {
	a, ok := peerIP(nc)
	if a = a.Unmap().WithZone(""); !ok || !a.IsValid() || origin.Contains(l.config.TrustForwarded, a) || l.proxy != nil && origin.Contains(l.proxy.From, a) {
		return key
	}
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	key, _ = a.Prefix(bits)
	return key
}

// How far a pending connection is, for others that need its place.
const (
	hasNoHead uint32 = iota // it has not sent a whole head
	isJudged                // it has, and is waited for
	lacksBody               // it was judged, and the eight bytes behind its head have not come
	isLeaving               // it was refused, and only has to hear of it
	isEvicted               // another has its place
)

// pendingEntry is the place of a connection among the pending.
type pendingEntry struct {
	below      net.Conn  // as the listener gave it
	by         time.Time // the deadline
	prev, next *pendingEntry
	from       netip.Prefix
	answering  bool          // the 101 is on its way
	expired    bool          // the deadline has passed
	lacking    *list.Element // in pending.lacking
	stage      atomic.Uint32
}

// enlist adds h to the pending connections, or says why not. At the limit, of all or of
// an address, the oldest that has sent no whole head goes, otherwise the oldest that has not
// sent the eight bytes behind it: a client that means it is quicker. It is called under
// s.mu.
func (s *Server) enlist(h *handshakeState) wire.Reason {
	if s.closing {
		return wire.ReasonShutdown
	}
	p, e := &s.pending, &h.pendingEntry
	e.from = h.live.addressOf(e.below)
	if e.from.IsValid() && p.from[e.from] >= s.limits.pendingOf && !p.evict(e.from) || p.n >= s.limits.pending && !p.evict(netip.Prefix{}) {
		return wire.ReasonOverload
	}
	e.by = h.began.Add(h.live.config.Limits.HandshakeTimeout)
	p.insert(e)
	if p.at.IsZero() || e.by.Before(p.at) {
		s.wake(e.by)
	}
	return ""
}

// evictLook is how many of the oldest are looked at for one that may go.
const evictLook = 64

// evict ends the oldest pending connection, of one address if that is valid, that may go
// for another.
func (p *pending) evict(from netip.Prefix) bool {
	for p.oldest != &p.ring && p.oldest.isPastHead() { // it does not come back
		p.oldest = p.oldest.next
	}
	for i, e := 0, p.oldest; e != &p.ring && i < evictLook; i, e = i+1, e.next {
		if p.evictAt(hasNoHead, e, from) || p.evictAt(isLeaving, e, from) {
			return true
		}
	}
	for i, l := 0, p.lacking.Front(); l != nil && i < evictLook; i, l = i+1, l.Next() {
		if p.evictAt(lacksBody, l.Value.(*pendingEntry), from) {
			return true
		}
	}
	return false
}

// evictAt ends e if it is at that stage, and of that address where that is valid.
func (p *pending) evictAt(stage uint32, e *pendingEntry, from netip.Prefix) bool {
	if from.IsValid() && e.from != from || !e.stage.CompareAndSwap(stage, isEvicted) {
		return false
	}
	p.remove(e)
	go e.below.Close() // a listener of the program's may have connections whose Close waits
	return true
}

// isPastHead reports whether the connection's head has come whole, and was not refused.
func (e *pendingEntry) isPastHead() bool {
	stage := e.stage.Load()
	return stage == isJudged || stage == lacksBody
}

// lacksBody notes that h was judged and lacks the eight bytes behind its head: until they
// have come others may have its place.
func (h *handshakeState) lacksBody() {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	if h.stage.CompareAndSwap(isJudged, lacksBody) {
		h.lacking = h.s.pending.lacking.PushBack(&h.pendingEntry)
	}
}

// insert puts e behind those whose deadline is not later.
func (p *pending) insert(e *pendingEntry) {
	prev := p.ring.prev
	for prev != &p.ring && !prev.expired && e.by.Before(prev.by) { // only where the timeout has become shorter
		prev = prev.prev
	}
	e.prev, e.next = prev, prev.next
	e.prev.next, e.next.prev = e, e
	if p.nextToExpire == e.next {
		p.nextToExpire = e
	}
	if p.oldest == e.next {
		p.oldest = e
	}
	p.n++
	p.from.add(e.from)
}

// remove takes e out, if it is still there.
func (p *pending) remove(e *pendingEntry) {
	if e.next == nil {
		return
	}
	if p.nextToExpire == e {
		p.nextToExpire = e.next
	}
	if p.oldest == e {
		p.oldest = e.next
	}
	if e.lacking != nil {
		p.lacking.Remove(e.lacking)
		e.lacking = nil
	}
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
	p.n--
	p.from.remove(e.from)
}

// wake sets the timer, which then runs until it finds no connection to wait for: a busy
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

// expire ends the waits of the connections whose deadline has passed.
func (s *Server) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.pending
	now := time.Now()
	for p.nextToExpire != &p.ring && !p.nextToExpire.by.After(now) {
		p.nextToExpire.expired = true
		p.nextToExpire.below.SetDeadline(sock.Past)
		p.nextToExpire = p.nextToExpire.next
	}
	p.at = time.Time{}
	if p.nextToExpire != &p.ring {
		s.wake(p.nextToExpire.by)
	}
}

// answering notes that a connection gets its 101, so that a shutdown lets it
// open and then says farewell; false if the shutdown has begun.
func (s *Server) answering(h *handshakeState) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	h.answering = true
	return true
}

// unlist takes a connection out of the pending ones.
func (s *Server) unlist(h *handshakeState) {
	s.mu.Lock()
	s.pending.remove(&h.pendingEntry)
	s.mu.Unlock()
}
