package gateway

import (
	"slices"
	"sync"
	"time"
)

// sessions are the open sessions of a gateway. One that is silent is not looked at until a ping of it
// is due: to walk over all of them each second would cost more than the pings, as there may be many
// and none of them is in the processor's cache. It is guarded by Gateway.mu.
type sessions struct {
	all    []*Session                // each knows its place
	due    [2][dueSeconds][]*Session // whose client or backend is to be looked at in a second, modulo
	looked int64                     // the last of these seconds, since Gateway.began
}

// dueSeconds is how far ahead a look can be planned. What is due later is looked at before, in vain.
const dueSeconds = 64

// dueSide is a side of a session that is to be looked at.
type dueSide struct {
	s     *Session
	side  int  // 0 is the client
	again bool // it was looked at, and is to be again
}

// pinged is what is known of a side that is pinged. slot and at are guarded by Gateway.mu, the rest is for
// tend alone.
type pinged struct {
	next   int64 // in Unix nanoseconds
	before bool  // a ping was sent
	unread bool  // the side was not read then, as the other one is slow
	slot   uint8 // of sessions.due, counted from 1; 0: no look is planned
	at     int32 // the place there
}

// add adds a session.
func (x *sessions) add(s *Session) {
	x.all = append(x.all, s)
	s.place = int32(len(x.all))
}

// remove takes a session out.
func (x *sessions) remove(s *Session) {
	if s.place == 0 {
		return
	}
	for side := range x.due {
		x.unplan(s, side)
	}
	last := x.all[len(x.all)-1]
	x.all[s.place-1], last.place = last, s.place
	x.all[len(x.all)-1], s.place = nil, 0
	x.all = x.all[:len(x.all)-1]
	if cap(x.all) > 4*len(x.all)+sessionsRoom { // most have gone
		x.all = slices.Clip(slices.Clone(x.all))
	}
}

// sessionsRoom is the room for sessions that is not worth giving back.
const sessionsRoom = 1 << 10

// plan plans a look at a side, of a session for which none is planned: in that second, or in the next one that
// comes.
func (x *sessions) plan(s *Session, side int, second int64) {
	second = min(max(second, x.looked+1), x.looked+dueSeconds-1)
	if s.pinged == nil {
		s.pinged = new([2]pinged)
	}
	p, list := &s.pinged[side], &x.due[side][second%dueSeconds]
	p.slot, p.at = uint8(second%dueSeconds)+1, int32(len(*list))
	*list = append(*list, s)
}

// unplan takes a plan back.
func (x *sessions) unplan(s *Session, side int) {
	if s.pinged == nil || s.pinged[side].slot == 0 {
		return
	}
	p := &s.pinged[side]
	list := &x.due[side][p.slot-1]
	last := (*list)[len(*list)-1]
	(*list)[p.at], last.pinged[side].at = last, p.at
	(*list)[len(*list)-1] = nil
	*list = (*list)[:len(*list)-1]
	p.slot = 0
}

// take appends what is to be looked at up to a second, for which no look is planned then.
func (x *sessions) take(second int64, to []dueSide) []dueSide {
	for x.looked = max(x.looked, second-dueSeconds); x.looked < second; {
		x.looked++
		for side := range x.due {
			list := &x.due[side][x.looked%dueSeconds]
			for _, s := range *list {
				s.pinged[side].slot = 0
				to = append(to, dueSide{s: s, side: side})
			}
			clear(*list)
			*list = (*list)[:0]
		}
	}
	return to
}

// second is the number of the second in which a time is, since the gateway began.
func (g *Gateway) second(t time.Time) int64 { return int64(t.Sub(g.began) / time.Second) }

// watched are the sessions of which a side may not be read, as the other one is slow: those with
// goroutines as long as they last, others since a side was held.
type watched struct {
	mu  sync.Mutex
	all map[*Session]struct{}
}

func (w *watched) add(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = make(map[*Session]struct{})
	}
	w.all[s] = struct{}{}
}

func (w *watched) remove(s *Session) {
	w.mu.Lock()
	delete(w.all, s)
	w.mu.Unlock()
}
