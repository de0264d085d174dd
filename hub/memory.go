package hub

import (
	"container/list"
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
)

// The defaults of MemoryOptions.
const (
	DefaultHistoryRooms = 10_000
	DefaultHistoryBytes = 1 << 20
	DefaultHistoryTotal = 256 << 20
)

// MemoryOptions are the options of a Memory. Fields that are zero have their defaults.
type MemoryOptions struct {
	// Rooms is how many rooms are kept. When there are more, those that have had no member
	// for the longest time are forgotten, and when each has members, nothing can be published in one that has none
	// (ErrRooms). How many have members is for the hubs to bound (Options.Rooms). Default 10,000.
	Rooms int
	// History is how many messages of each room are kept. Default none.
	History int
	// Bytes bounds the payload of the messages that are kept of a room. Default 1 MiB.
	Bytes int
	// Total bounds the payload of the messages that are kept of all rooms. When there is more, those rooms are
	// forgotten that have had no member for the longest time, and then the oldest messages of the room
	// that gets one. Default 256 MiB.
	Total int
	// Age is how long a message is kept. Default without end, as far as the others allow.
	Age time.Duration
}

// Memory is a broker within the process. It may serve several hubs.
type Memory struct {
	o     MemoryOptions
	total atomic.Int64 // payload that is kept of all rooms
	mu    sync.Mutex
	rooms map[string]*memoryRoom
	idle  list.List // of rooms without a feed, that which has none for the longest time in front
	names map[string]*lead
}

// lead is a name that somebody holds or waits for.
type lead struct {
	users int           // of the Memory's lock
	held  chan struct{} // has an element while it is held
}

type memoryRoom struct {
	name string
	mu   sync.Mutex // held while feeds are called: it makes the order
	at   Position
	kept []Message
	size int // of kept
	// Of the Memory's lock.
	users int // feeds, and calls that are under way
	idle  *list.Element
	feeds []*Feed
}

// NewMemory returns a broker. A nil o has the defaults.
func NewMemory(o *MemoryOptions) *Memory {
	m := &Memory{rooms: map[string]*memoryRoom{}, names: map[string]*lead{}}
	if o != nil {
		m.o = *o
	}
	if m.o.Rooms <= 0 {
		m.o.Rooms = DefaultHistoryRooms
	}
	if m.o.Bytes <= 0 {
		m.o.Bytes = DefaultHistoryBytes
	}
	if m.o.Total <= 0 {
		m.o.Total = DefaultHistoryTotal
	}
	return m
}

// use returns a room, which stays until leave. It makes one where there is none, above the bound only for a member.
func (m *Memory) use(name string, as user) (*memoryRoom, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rooms[name]
	if r == nil {
		for len(m.rooms) >= m.o.Rooms && m.forgetIdle() {
		}
		if as == publisher && len(m.rooms) >= m.o.Rooms {
			return nil, ErrRooms
		}
		r = &memoryRoom{name: name, at: Position{Epoch: rand.Uint64()}}
		m.rooms[name] = r
	}
	if r.idle != nil {
		m.idle.Remove(r.idle)
		r.idle = nil
	}
	r.users++
	return r, nil
}

// user is who uses a room.
type user uint8

const (
	subscriber user = iota
	publisher
)

// forgetIdle forgets the room that has had no member for the longest time, and is false where there
// is none. The caller holds the Memory's lock.
func (m *Memory) forgetIdle() bool {
	oldest := m.idle.Front()
	if oldest == nil {
		return false
	}
	r := m.idle.Remove(oldest).(*memoryRoom)
	delete(m.rooms, r.name)
	r.mu.Lock() // only History may hold it, and waits for nothing
	defer r.mu.Unlock()
	m.drop(r, len(r.kept))
	return true
}

func (m *Memory) leave(r *memoryRoom) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.users--; r.users == 0 {
		r.idle = m.idle.PushBack(r)
	}
}

// Subscribe implements Broker.
func (m *Memory) Subscribe(_ context.Context, room string, f Feed) (Position, func(), error) {
	r, err := m.use(room, subscriber)
	if err != nil {
		return Position{}, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.feeds = append(r.feeds, &f)
	var once sync.Once
	return r.at, func() {
		once.Do(func() {
			r.mu.Lock()
			for i := range r.feeds {
				if r.feeds[i] == &f {
					r.feeds = append(r.feeds[:i:i], r.feeds[i+1:]...)
					break
				}
			}
			r.mu.Unlock()
			m.leave(r)
		})
	}, nil
}

// Publish implements Broker. Its error is ErrRooms, or that of the context.
func (m *Memory) Publish(ctx context.Context, room string, op draftwire.Op, data []byte) (Position, error) {
	if err := ctx.Err(); err != nil {
		return Position{}, err
	}
	r, err := m.use(room, publisher)
	if err != nil {
		return Position{}, err
	}
	defer m.leave(r)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at.Seq++
	x := Message{r.at, time.Now(), op, data}
	if m.o.History > 0 {
		r.kept = append(r.kept, x)
		r.size += len(data)
		m.total.Add(int64(len(data)))
		m.trim(r)
		m.makeRoom(r)
	}
	for _, f := range r.feeds {
		f.Message(x)
	}
	return x.Position, nil
}

// trim forgets messages of a room that are too many or too old. The caller holds the room's lock.
func (m *Memory) trim(r *memoryRoom) {
	n, size := 0, r.size
	for n < len(r.kept) && (len(r.kept)-n > m.o.History || size > m.o.Bytes || m.o.Age > 0 && time.Since(r.kept[n].At) > m.o.Age) {
		size -= len(r.kept[n].Data)
		n++
	}
	m.drop(r, n)
}

// makeRoom forgets what is too much of all rooms, of which r has just got a message. The caller holds its lock.
func (m *Memory) makeRoom(r *memoryRoom) {
	tooMuch := func() bool { return m.total.Load() > int64(m.o.Total) }
	if !tooMuch() {
		return
	}
	m.mu.Lock()
	for tooMuch() && m.forgetIdle() {
	}
	m.mu.Unlock()
	for tooMuch() && len(r.kept) > 0 {
		m.drop(r, 1)
	}
}

// drop forgets the first n messages of a room. The caller holds the room's lock.
func (m *Memory) drop(r *memoryRoom, n int) {
	for i := range n {
		size := len(r.kept[i].Data)
		r.size -= size
		m.total.Add(-int64(size))
		r.kept[i] = Message{} // so that its payload is free
	}
	r.kept = r.kept[n:]
}

// History implements Broker.
func (m *Memory) History(ctx context.Context, room string, after Position, limit int) ([]Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	r := m.rooms[room]
	m.mu.Unlock()
	if r == nil {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m.trim(r)
	from := 0
	if after.Epoch == r.at.Epoch && len(r.kept) > 0 && after.Seq >= r.kept[0].Seq {
		from = int(min(after.Seq-r.kept[0].Seq+1, uint64(len(r.kept))))
	}
	to := min(len(r.kept), from+max(limit, 0))
	return append([]Message(nil), r.kept[from:to]...), nil
}

// Members implements Broker.
func (m *Memory) Members(_ context.Context, room string) (n int, _ error) {
	m.mu.Lock()
	r := m.rooms[room]
	m.mu.Unlock()
	if r == nil {
		return 0, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.feeds {
		n += f.Members()
	}
	return n, nil
}

// Lead implements Elector.
func (m *Memory) Lead(ctx context.Context, name string, f func(ctx context.Context) error) error {
	m.mu.Lock()
	l := m.names[name]
	if l == nil {
		l = &lead{held: make(chan struct{}, 1)}
		m.names[name] = l
	}
	l.users++
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(m.names, name)
		}
	}()
	select {
	case l.held <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.held }()
	return f(ctx)
}
