package hub

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/spread"
)

// room is a room with members in this hub.
type room struct {
	h       *Hub
	name    string
	members int // of the hub's lock: those that have entered, and have not been removed

	life   sync.Mutex // of what follows; locked before mu
	cancel func()     // of the subscription; nil before it
	over   bool

	mu       sync.Mutex
	changed  sync.Cond // the queue has got shorter, or the room has ended
	at       Position  // of the last message that was sent
	queue    []Message // that wait to be sent
	queued   int       // bytes of them
	sending  bool      // a goroutine sends what is in the queue
	tending  bool      // a goroutine looks after members that lag
	ended    bool
	live     []*member  // that have got all messages
	behind   []*member  // that have not, or that have got more than this hub in another one
	recent   []prepared // the last ones that were sent, while there are members behind
	messages []*draftwire.PreparedMessage
	texts    []*draftwire.PreparedMessage
}

// prepared is a message that was sent.
type prepared struct {
	seq  uint64
	size int // of its payload
	// full is the message, and text that for members whose version has no binary messages; nil where
	// they get none.
	full, text *draftwire.PreparedMessage
}

// Bounds of what waits to be sent in a room: a publisher waits for room.
const (
	queueMessages = 1024
	queueBytes    = 1 << 20
	burst         = 64 // messages that are sent in a row
)

// subscribe begins the room's subscription, if nobody has, and returns the position of its last
// message.
func (r *room) subscribe(ctx context.Context) (Position, error) {
	r.life.Lock()
	defer r.life.Unlock()
	if r.over {
		return Position{}, ErrClosed
	}
	if r.cancel == nil {
		// Messages may come before Subscribe has returned: they wait.
		r.mu.Lock()
		r.sending = true
		r.mu.Unlock()
		at, cancel, err := r.h.o.Broker.Subscribe(ctx, r.name, Feed{Message: r.take, Members: r.count})
		r.mu.Lock()
		defer r.mu.Unlock()
		r.sending = false
		if err != nil {
			return Position{}, err
		}
		r.at, r.cancel = at, cancel
		r.send()
		return r.at, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at, nil
}

// end ends the room, whose last member has left.
func (r *room) end() {
	r.mu.Lock()
	r.ended = true
	r.queue, r.queued = nil, 0
	r.forget(all)
	r.changed.Broadcast()
	r.mu.Unlock()
	r.life.Lock()
	defer r.life.Unlock()
	r.over = true
	if r.cancel != nil {
		r.cancel()
	}
}

// count is how many members the room has.
func (r *room) count() int {
	r.h.mu.Lock()
	defer r.h.mu.Unlock()
	return r.members
}

// hasLeft reports whether a member was taken out.
func (r *room) hasLeft(m *member) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return m.gone
}

// enter lets a member in that has got what came before and at after, and sends it what it lacks of
// the last messages. It is false where these do not begin there, and where the room's epoch is another one.
func (r *room) enter(m *member, after Position) (at Position, ok bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case m.gone:
		return r.at, false, ErrClosed
	case after.Epoch != r.at.Epoch, after.Seq < r.at.Seq && (len(r.recent) == 0 || r.recent[0].seq > after.Seq+1):
		return r.at, false, nil
	}
	m.seq = after.Seq
	err = r.goOn(m)
	switch busy := errors.Is(err, draftwire.ErrBusy); {
	case err == nil && m.seq > r.at.Seq: // it comes from another hub, which is ahead of this one
		r.lag(m)
	case err == nil:
		r.live = append(r.live, m)
	case busy && r.h.o.Lag != Disconnect:
		r.lag(m)
	default:
		return r.at, false, err
	}
	return r.at, true, nil
}

// lag puts members behind. The caller holds the lock.
func (r *room) lag(list ...*member) {
	for _, m := range list {
		m.behind = true
	}
	r.behind = append(r.behind, list...)
	r.h.counts.lagging.Add(uint64(len(list)))
	r.tend()
}

// drop takes a member out.
func (r *room) drop(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.gone = true
	is := func(x *member) bool { return x == m }
	r.live = slices.DeleteFunc(r.live, is)
	if m.behind {
		r.h.counts.lagging.Add(^uint64(0))
		r.behind = slices.DeleteFunc(r.behind, is)
	}
}

// take takes a message of the broker. Messages that come while others are sent go together.
func (r *room) take(x Message) {
	if !x.canBeSaid() { // members have missed it then
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.ended && (len(r.queue) >= queueMessages || r.queued > queueBytes) {
		r.changed.Wait()
	}
	if r.ended {
		return
	}
	r.queue = append(r.queue, x)
	r.queued += len(x.Data)
	r.send()
}

// send lets a goroutine send what is in the queue. The caller holds the lock.
func (r *room) send() {
	if r.sending || len(r.queue) == 0 {
		return
	}
	r.sending = true
	r.h.wg.Go(r.sendAll)
}

// sendAll sends what is in the queue until it is empty.
func (r *room) sendAll() {
	for {
		r.mu.Lock()
		r.passOver()
		if len(r.queue) == 0 || r.ended {
			r.sending = false
			r.mu.Unlock()
			return
		}
		n := r.row()
		list := slices.Clone(r.queue[:n])
		r.queue = slices.Delete(r.queue, 0, n)
		for i := range list {
			r.queued -= len(list[i].Data)
		}
		r.changed.Broadcast()
		gone, slow := r.broadcast(list)
		r.mu.Unlock()
		r.dismiss(gone, slow)
	}
}

// passOver drops messages at the beginning of the queue that were sent already: a broker may give what
// came while it subscribed, or was connected anew, twice. The caller holds the lock.
func (r *room) passOver() {
	n := 0
	for n < len(r.queue) && r.queue[n].Epoch == r.at.Epoch && r.queue[n].Seq <= r.at.Seq {
		r.queued -= len(r.queue[n].Data)
		n++
	}
	if n > 0 {
		r.queue = slices.Delete(r.queue, 0, n)
		r.changed.Broadcast()
	}
}

// row is how many messages at the beginning of the queue can be sent in a row: without a hole
// between them. The caller holds the lock.
func (r *room) row() int {
	n := 1
	for n < min(len(r.queue), burst) && r.queue[n].Epoch == r.queue[0].Epoch && r.queue[n].Seq == r.queue[n-1].Seq+1 {
		n++
	}
	return n
}

// broadcast sends messages to all members. It returns those whose connection has ended, and those
// that are to be closed as they are too slow. The caller holds the lock.
func (r *room) broadcast(list []Message) (gone, slow []*member) {
	first, last := list[0].Seq, list[len(list)-1].Position
	if list[0].Epoch != r.at.Epoch {
		r.restart(first)
	} else if lost := first - r.at.Seq - 1; lost > 0 {
		for _, m := range r.live {
			r.missed(m, lost)
		}
	}
	r.prepare(list)
	r.h.counts.messages.Add(uint64(len(list)))
	var mu sync.Mutex
	var late []*member
	spread.Each(len(r.live), func(from, to int) {
		var delivered uint64
		for _, m := range r.live[from:to] {
			seq, no, err := m.post(first, r.messages, r.texts)
			delivered += seq + 1 - first - no
			if err == nil {
				continue
			}
			mu.Lock()
			if errors.Is(err, draftwire.ErrBusy) {
				m.seq = seq
				late = append(late, m)
			} else {
				gone = append(gone, m)
			}
			mu.Unlock()
		}
		r.h.counts.delivered.Add(delivered)
	})
	clear(r.messages) // so that a room in which nothing is said holds none
	clear(r.texts)
	r.at = last
	if len(late) > 0 && r.h.o.Lag != Disconnect {
		r.lag(late...)
		late = nil
		r.live = slices.DeleteFunc(r.live, func(m *member) bool { return m.behind })
	}
	if len(r.behind) == 0 {
		r.forget(all)
	}
	return gone, late
}

// restart goes on in another epoch: of what was between, nobody knows how much it was. The caller holds
// the lock.
func (r *room) restart(first uint64) {
	r.forget(all)
	for _, m := range r.behind {
		m.seq = first - 1
	}
	for _, m := range slices.Concat(r.live, r.behind) {
		r.missed(m, 0)
	}
}

// prepare prepares messages, and keeps the last ones. The caller holds the lock.
func (r *room) prepare(list []Message) {
	r.messages, r.texts = r.messages[:0], r.texts[:0]
	for _, x := range list {
		p := prepared{seq: x.Seq, size: len(x.Data), full: draftwire.NewPreparedMessage(x.Op, x.Data)}
		switch {
		case x.Op != draftwire.OpBinary:
			p.text = p.full
		case r.h.o.AsText != nil:
			p.text = draftwire.NewPreparedMessage(draftwire.OpText, r.h.o.AsText(x.Data))
		}
		r.messages, r.texts = append(r.messages, p.full), append(r.texts, p.text)
		r.recent = append(r.recent, p)
		r.h.held.Add(int64(p.size))
	}
	r.forget(func(n int) bool { return n > r.h.o.Behind || n > 1 && r.h.held.Load() > int64(r.h.o.Held) })
}

// forget forgets the oldest of the last messages while there are too many. The caller holds the
// lock.
func (r *room) forget(tooMany func(n int) bool) {
	n := 0
	for n < len(r.recent) && tooMany(len(r.recent)-n) {
		r.h.held.Add(-int64(r.recent[n].size))
		n++
	}
	r.recent = slices.Delete(r.recent, 0, n)
}

func all(int) bool { return true }

// post posts messages, the first of which has that number. seq is the last one that the member has
// got, or cannot get, of which there are no.
func (m *member) post(first uint64, full, texts []*draftwire.PreparedMessage) (seq, no uint64, err error) {
	list := full
	if m.text {
		list = texts
	}
	for seq = first - 1; len(list) > 0; {
		n := slices.IndexFunc(list, func(p *draftwire.PreparedMessage) bool { return p != nil })
		if n < 0 {
			n = len(list)
		}
		m.room.unsupported(m, uint64(n))
		no += uint64(n)
		seq += uint64(n)
		if list = list[n:]; len(list) == 0 {
			break
		}
		if n = slices.Index(list, nil); n < 0 {
			n = len(list)
		}
		if err := m.room.tell(m); err != nil {
			return seq, no, err
		}
		posted, err := m.c.PostAll(list[:n]...)
		seq += uint64(posted)
		if err != nil {
			return seq, no, err
		}
		list = list[n:]
	}
	return seq, no, nil
}

// missed counts what a member has missed, 0 where nobody knows. It is told before it is sent more. The caller holds the
// lock.
func (r *room) missed(m *member, n uint64) {
	r.h.counts.missed.Add(n)
	m.missed += n
	m.unsure = m.unsure || n == 0
}

// unsupported counts messages that a member's version cannot say. Where it cannot be told now, it is before it is sent more.
func (r *room) unsupported(m *member, n uint64) {
	if n > 0 {
		r.h.counts.unsupported.Add(n)
		m.unsaid += n
		r.tell(m)
	}
}

// tell tells a member what it has not got and was not told yet. Its error is ErrBusy where the member does not take that.
func (r *room) tell(m *member) error {
	one := func(f func(*draftwire.Conn, string, uint64) error, n *uint64) error {
		if f != nil {
			if err := f(m.c, r.name, *n); err != nil {
				return err
			}
		}
		*n = 0
		return nil
	}
	if m.unsure {
		if err := one(r.h.o.Missed, new(uint64)); err != nil {
			return err
		}
		m.unsure = false
	}
	if m.missed > 0 {
		if err := one(r.h.o.Missed, &m.missed); err != nil {
			return err
		}
	}
	if m.unsaid > 0 {
		return one(r.h.o.Unsupported, &m.unsaid)
	}
	return nil
}

// dismiss removes members whose connection has ended, and closes those that are too slow.
func (r *room) dismiss(gone, slow []*member) {
	for _, m := range gone {
		r.h.remove(m)
	}
	for _, m := range slow {
		if r.h.remove(m) {
			r.h.counts.disconnected.Add(1)
			r.h.wg.Go(func() {
				if f := r.h.o.TooSlow; f != nil {
					f(m.c, r.name) // which may publish: nobody waits for it
				}
				m.c.Close(draftwire.CodePolicy, tooSlow) // returns within the close timeout
			})
		}
	}
}

// tend lets a goroutine look after members that lag. The caller holds the lock.
func (r *room) tend() {
	if !r.tending {
		r.tending = true
		r.h.wg.Go(r.tendAll)
	}
}

// tendAll tries whether members that lag take more, until none lags.
func (r *room) tendAll() {
	tick := time.NewTicker(r.h.o.Retry)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-r.h.ctx.Done():
		}
		r.mu.Lock()
		if len(r.behind) == 0 || r.ended {
			r.tending = false
			r.mu.Unlock()
			return
		}
		gone := r.catchUp()
		r.mu.Unlock()
		r.dismiss(gone, nil)
	}
}

// catchUp sends members that lag what they have not got, as far as they take it. It returns those
// whose connection has ended. The caller holds the lock.
func (r *room) catchUp() (gone []*member) {
	for _, m := range slices.Clone(r.behind) {
		switch err := r.goOn(m); {
		case err == nil && m.seq <= r.at.Seq:
			m.behind = false
			r.h.counts.lagging.Add(^uint64(0))
			r.live = append(r.live, m)
		case err != nil && !errors.Is(err, draftwire.ErrBusy):
			gone = append(gone, m)
		}
	}
	r.behind = slices.DeleteFunc(r.behind, func(m *member) bool { return !m.behind })
	return gone
}

// goOn sends a member what it has not got of the last messages. Its error is ErrBusy while there is
// more. The caller holds the lock.
func (r *room) goOn(m *member) error {
	list := r.recent
	if r.h.o.Lag == SkipToLatest && len(list) > 1 && m.behind {
		list = list[len(list)-1:]
	}
	for _, p := range list {
		if p.seq <= m.seq {
			continue
		}
		if n := p.seq - m.seq - 1; n > 0 {
			r.missed(m, n)
			m.seq += n
		}
		one := p.full
		if m.text {
			one = p.text
		}
		if one == nil {
			r.unsupported(m, 1)
		} else {
			if err := r.tell(m); err != nil {
				return err
			}
			if err := m.c.Post(one); err != nil {
				return err
			}
			r.h.counts.delivered.Add(1)
		}
		m.seq = p.seq
	}
	return nil
}
