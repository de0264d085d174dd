package hub

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/draftwire/draftwire"
)

// The defaults of Options.
const (
	DefaultRooms   = 10_000
	DefaultMembers = 100_000
	DefaultEach    = 100
	DefaultName    = 256
	DefaultMessage = 1 << 20
	DefaultBehind  = 64
	DefaultHeld    = 64 << 20
	DefaultRetry   = 20 * time.Millisecond
)

// Lag says what becomes of a member whose peer does not take what was sent: of one for which
// draftwire.Conn.Post says ErrBusy, as more than Limits.PostLimit waits.
type Lag uint8

// What can become of it.
const (
	// DropOldest: it goes on with the oldest of the last Options.Behind messages that it has not
	// got, as soon as it takes any. Those before them are missed.
	DropOldest Lag = iota
	// SkipToLatest: it goes on with the latest message. This is for states, of which the last one
	// alone counts.
	SkipToLatest
	// Disconnect: it is closed, with CodePolicy and the reason "too slow".
	Disconnect
)

// String returns a few words.
func (l Lag) String() string {
	switch l {
	case DropOldest:
		return "drop oldest"
	case SkipToLatest:
		return "skip to latest"
	case Disconnect:
		return "disconnect"
	}
	return "unknown"
}

// tooSlow is the reason of a close for a member that lags.
const tooSlow = "too slow"

// Options are the options of a hub. Fields that are zero have their defaults.
type Options struct {
	// Broker carries the messages. Default: a Memory of its own, without history.
	Broker Broker
	// Rooms is how many rooms this hub has members in at most (10,000), Members how many members all
	// of them have (100,000), and Each in how many a connection is (100).
	Rooms, Members, Each int
	// Name is how long the name of a room is at most, in bytes. Default 256.
	Name int
	// Message is how large a message is at most, in bytes. Default 1 MiB.
	Message int
	// Lag is what becomes of members that lag. Default DropOldest.
	Lag Lag
	// Behind is how many messages of a room wait for members that lag. They are held once for
	// all of them. Default 64.
	Behind int
	// Held is how many bytes all messages have that wait for members that lag, in all rooms. A room
	// then holds only the last one. Default 64 MiB.
	Held int
	// Retry is how often it is tried whether a member that lags takes more. Default 20ms.
	Retry time.Duration
	// AsText returns the text for members whose version has no binary messages (hixie), for example in
	// base64. Default: they do not get binary messages, which is counted as unsupported.
	AsText func(data []byte) []byte
	// Missed is called when a member has missed n messages, before it is sent a later one; n is 0
	// where the broker has begun anew, and nobody knows. It may send the member a notice by Post, and returns its
	// error: with ErrBusy the member lags, and Missed is called again, with all that it has missed by then. It
	// must not block, and of the hub's methods call none but Stats; several goroutines may call it at a time.
	Missed func(c *draftwire.Conn, room string, n uint64) error
	// Unsupported is called when a member does not get n binary messages, as its version has none.
	// What holds for Missed holds for it.
	Unsupported func(c *draftwire.Conn, room string, n uint64) error
	// TooSlow is called before a member is closed as it is too slow, and is no member of the room any more. It
	// may publish, but not call Close, which waits for it.
	TooSlow func(c *draftwire.Conn, room string)
}

// Stats are what a hub has counted.
type Stats struct {
	Rooms, Members, Lagging int // now
	Messages                uint64
	Delivered               uint64 // to members; each is one message for one member
	Missed                  uint64 // by members that lagged, or that the broker has lost
	Unsupported             uint64 // binary, for members whose version has none
	Disconnected            uint64 // members that were closed as they were too slow
}

// Hub has the rooms of a process. Its methods may be called from many goroutines.
type Hub struct {
	o      Options
	counts counts
	wg     sync.WaitGroup
	held   atomic.Int64    // bytes of messages that wait for members that lag
	ctx    context.Context // ends with the hub
	end    context.CancelFunc

	mu      sync.Mutex // is never held while a room's lock is taken
	closed  bool
	rooms   map[string]*room
	members map[*draftwire.Conn][]*member
	total   int
}

// counts are what is counted, by several goroutines.
type counts struct{ messages, delivered, missed, unsupported, disconnected, lagging atomic.Uint64 }

// New returns a hub. A nil o has the defaults. Close must be called.
func New(o *Options) *Hub {
	h := &Hub{rooms: map[string]*room{}, members: map[*draftwire.Conn][]*member{}}
	if o != nil {
		h.o = *o
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&h.o.Rooms, DefaultRooms}, {&h.o.Members, DefaultMembers}, {&h.o.Each, DefaultEach}, {&h.o.Name, DefaultName}, {&h.o.Message, DefaultMessage}, {&h.o.Behind, DefaultBehind}, {&h.o.Held, DefaultHeld}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if h.o.Retry <= 0 {
		h.o.Retry = DefaultRetry
	}
	if h.o.Broker == nil {
		h.o.Broker = NewMemory(&MemoryOptions{Rooms: h.o.Rooms})
	}
	h.ctx, h.end = context.WithCancel(context.Background())
	return h
}

// JoinOptions say where a member begins.
type JoinOptions struct {
	// After is the last message that the member has had. It gets those behind it first, as far as
	// the broker keeps them. Zero: it gets what is published from now on. It may come from a client: one that
	// the room cannot have had is unknown.
	After Position
	// Last is how many of the last messages a member gets first that has no After, or one that
	// the broker does not know any more.
	Last int
	// Begins is called, unless it is nil, with the place behind which what the member gets begins: before it gets
	// anything, and again where it goes on at another place without being told how much it has missed. Who counts
	// from there what the member gets and misses knows its place.
	Begins func(Position)
}

// Joined is how a member has begun.
type Joined struct {
	Position // of the last message before what is published from now on
	// Sent is how many messages of the history the member was sent.
	Sent int
	// Missed is how many messages behind After were not kept.
	Missed uint64
	// Unknown says that the broker does not know After: how many messages were missed is not known.
	Unknown bool
}

// Join makes a connection a member of a room. What it has to get of the history is sent first: that
// waits for the peer, as Write does, until ctx ends, so a program whose connections are driven by events
// calls Join in Conn.Go where it asks for history; with an error, Joined says what was sent before. The member leaves by Leave, LeaveAll, or when it is found
// that its connection has ended. Errors are ErrName, ErrRooms, ErrMembers, ErrJoined, ErrClosed (also for one that leaves
// meanwhile), why the connection has ended, and those of the broker and of Write.
func (h *Hub) Join(ctx context.Context, c *draftwire.Conn, name string, o JoinOptions) (Joined, error) {
	m, err := h.enter(c, name)
	if err != nil {
		return Joined{}, err
	}
	j := Joined{}
	// Who calls LeaveAll when a connection has ended may have done so before it was a member.
	if c.Context().Err() != nil {
		err = context.Cause(c.Context())
	} else {
		j, err = m.begin(ctx, o)
	}
	if err != nil {
		h.remove(m)
	}
	return j, err
}

// enter makes a member that gets nothing yet.
func (h *Hub) enter(c *draftwire.Conn, name string) (*member, error) {
	if name == "" || len(name) > h.o.Name {
		return nil, ErrName
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[name]
	switch {
	case h.closed:
		return nil, ErrClosed
	case r == nil && len(h.rooms) >= h.o.Rooms || len(h.members[c]) >= h.o.Each:
		return nil, ErrRooms
	case h.total >= h.o.Members:
		return nil, ErrMembers
	}
	for _, m := range h.members[c] {
		if m.room == r {
			return nil, ErrJoined
		}
	}
	if r == nil {
		r = &room{h: h, name: name}
		r.changed.L = &r.mu
		h.rooms[name] = r
	}
	m := &member{c: c, room: r, text: !c.Version().Supports(draftwire.CapBinary)}
	h.members[c] = append(h.members[c], m)
	h.total++
	r.members++
	return m, nil
}

// Leave ends the membership of a connection in a room, and reports whether there was one. Nothing is
// sent to it from then on, but for a message of the history that a Join is just writing.
func (h *Hub) Leave(c *draftwire.Conn, name string) bool {
	h.mu.Lock()
	var m *member
	for _, x := range h.members[c] {
		if x.room.name == name {
			m = x
		}
	}
	h.mu.Unlock()
	return m != nil && h.remove(m)
}

// LeaveAll ends all memberships of a connection.
func (h *Hub) LeaveAll(c *draftwire.Conn) {
	h.mu.Lock()
	all := append([]*member(nil), h.members[c]...)
	h.mu.Unlock()
	for _, m := range all {
		h.remove(m)
	}
}

// remove ends a membership; it is false where that was done before.
func (h *Hub) remove(m *member) bool {
	h.mu.Lock()
	list := h.members[m.c]
	at := -1
	for i := range list {
		if list[i] == m {
			at = i
		}
	}
	if at < 0 {
		h.mu.Unlock()
		return false
	}
	if list = append(list[:at:at], list[at+1:]...); len(list) == 0 {
		delete(h.members, m.c)
	} else {
		h.members[m.c] = list
	}
	h.total--
	r := m.room
	if r.members--; r.members == 0 {
		delete(h.rooms, r.name)
	}
	last := r.members == 0
	h.mu.Unlock()
	r.drop(m)
	if last {
		r.end()
	}
	return true
}

// Publish sends a message to all members of a room, in all hubs of the broker, and returns its place.
// data must not be changed afterwards. It may wait while the members get earlier messages. Errors are
// ErrName, ErrTooLarge, ErrClosed, draftwire.ErrInvalidText for text that is not UTF-8, and those of the broker. What
// other programs have published and is no message, members miss.
func (h *Hub) Publish(ctx context.Context, name string, op draftwire.Op, data []byte) (Position, error) {
	switch {
	case name == "" || len(name) > h.o.Name:
		return Position{}, ErrName
	case len(data) > h.o.Message:
		return Position{}, ErrTooLarge
	case h.ctx.Err() != nil:
		return Position{}, ErrClosed
	case op == draftwire.OpText && !utf8.Valid(data):
		return Position{}, draftwire.ErrInvalidText
	}
	return h.o.Broker.Publish(ctx, name, op, data)
}

// History returns messages of a room that the broker keeps: see Broker.
func (h *Hub) History(ctx context.Context, name string, after Position, limit int) ([]Message, error) {
	return h.o.Broker.History(ctx, name, after, limit)
}

// Members returns how many members a room has, in all hubs of the broker.
func (h *Hub) Members(ctx context.Context, name string) (int, error) {
	return h.o.Broker.Members(ctx, name)
}

// Stats returns what the hub has counted.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	s := Stats{Rooms: len(h.rooms), Members: h.total}
	h.mu.Unlock()
	c := &h.counts
	s.Lagging = int(c.lagging.Load())
	s.Messages, s.Delivered, s.Missed = c.messages.Load(), c.delivered.Load(), c.missed.Load()
	s.Unsupported, s.Disconnected = c.unsupported.Load(), c.disconnected.Load()
	return s
}

// Close ends the hub: all members leave, and stay open.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	var all []*member
	for _, list := range h.members {
		all = append(all, list...)
	}
	h.mu.Unlock()
	h.end()
	for _, m := range all {
		h.remove(m)
	}
	h.wg.Wait()
}
