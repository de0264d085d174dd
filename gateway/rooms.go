package gateway

import (
	"cmp"
	"container/list"
	"context"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/wire"
)

// Rooms of a route. The clients of a path are members of a room of package hub, which sends them what
// is published in it. A room has up to three rooms of the broker:
//
//	out:ROUTE/PATH  what its members hear
//	in:ROUTE/PATH   what they say to the backend; who leads the room hears it (upstream.go)
//	end:ROUTE/PATH  the closes with which the backend has ended the room
//
// All gateways with the same broker and the same names of routes have the same rooms.

// rooms are the rooms of a route, under all configurations.
type rooms struct {
	g     *Gateway
	name  string                // of the route
	route atomic.Pointer[route] // as the newest configuration with rooms has it
	count roomCounts
	// clients are those that were admitted, of whom some may not be members yet.
	clients atomic.Int64

	mu     sync.Mutex
	lines  map[string]*line // by path
	empty  list.List        // lines without a member, that which has had none for the longest time in front
	ending int              // lines that are not among these any more, as they make room for others
	hubs   []*hub.Hub       // of the configurations whose members have not all left
	past   hub.Stats        // what hubs have counted that are closed
}

// roomCounts are what is counted of rooms beside what their hubs count.
type roomCounts struct {
	upstreams                     atomic.Int64
	published, heard              atomic.Uint64
	unpublished, unheard, ignored atomic.Uint64
}

// RoomStats are what is counted of the rooms of a route since the start.
type RoomStats struct {
	Route     string `json:"-"`
	hub.Stats        // of this gateway's members
	// Upstreams is how many rooms have their connection to the backend here, now.
	Upstreams int
	// Published and Unpublished are the backend's messages that the broker has taken, and not; Heard and Unheard
	// those of members that the backend was sent, and not.
	Published, Unpublished, Heard, Unheard uint64
	// Ignored are messages of members that listen only.
	Ignored uint64
}

// line is what this gateway has of one room.
type line struct {
	rooms   *rooms
	path    string
	leading atomic.Bool
	led     atomic.Int64  // until when it is taken for sure that somebody leads the room, in Unix nanoseconds
	changed chan struct{} // has an element when members were changed
	asking  chan struct{} // has an element while a member asks the broker whether somebody leads the room
	// Of the lock of rooms.
	members map[*member]struct{}
	empty   *list.Element      // of rooms.empty
	ending  bool               // it makes room for another one: it does not linger
	cancel  context.CancelFunc // lets run begin anew; nil before it has begun
}

// key is the part of the names of a room's rooms that they share. The name of a route has no slash
// in it, so no two rooms have the same.
func (x *rooms) key(path string) string { return url.PathEscape(x.name) + path }

func (x *rooms) outName(path string) string { return "out:" + x.key(path) }
func (x *rooms) inName(path string) string  { return "in:" + x.key(path) }
func (x *rooms) endName(path string) string { return "end:" + x.key(path) }

// connectRooms sets what carries the messages of rooms.
func (g *Gateway) connectRooms(cfg *Config, o Options) {
	g.broker, g.elector, g.alone = o.Broker, o.Elector, o.Alone
	if g.broker != nil {
		return
	}
	c := cfg.Hub.WithDefaults()
	m := hub.NewMemory(&hub.MemoryOptions{History: max(c.History, 0), Age: max(time.Duration(c.Age), 0), Total: int(c.Bytes)})
	g.broker, g.elector, g.alone = m, m, true
}

// newRooms gives a route with rooms its hub: that of the route before, where nothing of it has
// changed. What it changes for others is left to use, which is called when the configuration comes into force.
func (g *Gateway) newRooms(r, before *route) {
	p := r.Policy
	p.Fragments = "gather" // a message is published as a whole
	r.roomPolicy = &p
	if r.rooms = g.roomsOf(r.Name); r.rooms == nil {
		r.rooms = &rooms{g: g, name: r.Name, lines: map[string]*line{}}
	}
	if before != nil && before.rooms != nil {
		if reflect.DeepEqual(before.Rooms, r.Rooms) && reflect.DeepEqual(before.Policy, r.Policy) {
			r.hub = before.hub
			return
		}
	}
	r.hub = r.newHub(g.broker)
}

// roomsOf returns the rooms of a route, also where only members of an earlier configuration are in them: those of one that
// has rooms again are the same. nil: there are none.
func (g *Gateway) roomsOf(name string) *rooms {
	for _, x := range g.allRooms() {
		if x.name == name {
			return x
		}
	}
	return nil
}

// newHub returns a hub for the members of a route.
func (r *route) newHub(b hub.Broker) *hub.Hub {
	c := r.Rooms
	o := &hub.Options{
		Broker: b, Rooms: c.MaxRooms, Members: c.MaxMembers, Each: 1, Message: int(c.Message),
		Name: c.Name + len(r.rooms.outName("")), Lag: lagOf[c.Lag], Behind: c.Behind, Held: int(c.Held),
		Missed:      func(m *draftwire.Conn, _ string, n uint64) error { return memberOf(m).missed(n) },
		Unsupported: func(m *draftwire.Conn, _ string, n uint64) error { return memberOf(m).unsupported(n) },
		TooSlow: func(m *draftwire.Conn, _ string) {
			memberOf(m).decide(GatewaySide, &refusal{draftwire.CodePolicy, "too slow"})
		},
	}
	if e := r.binary; e != nil && !slices.Contains(r.Policy.Fatal, LossBinaryEncoded) {
		o.AsText = func(p []byte) []byte {
			text, _ := e.encode(nil, p, true)
			return text
		}
	}
	return hub.New(o)
}

// lagOf has the words of Rooms.Lag.
var lagOf = map[string]hub.Lag{"drop-oldest": hub.DropOldest, "skip-to-latest": hub.SkipToLatest, "disconnect": hub.Disconnect}

// useRooms puts the rooms of a configuration into force. Members stay where they are; where the backend
// of rooms, or what is done with it, is another one, their connections to it are opened anew.
func (g *Gateway) useRooms(st *state) {
	for _, r := range st.routes {
		x := r.rooms
		if x == nil {
			continue
		}
		g.mu.Lock()
		if !slices.Contains(g.rooms, x) {
			g.rooms = append(g.rooms, x)
		}
		g.mu.Unlock()
		before := x.route.Swap(r)
		x.mu.Lock()
		if !slices.Contains(x.hubs, r.hub) {
			x.hubs = append(x.hubs, r.hub)
		}
		if before != nil && !sameUpstream(before, r) {
			for _, l := range x.lines {
				l.cancel()
			}
		}
		x.mu.Unlock()
	}
}

// sameUpstream reports whether a room's connection to its backend can go on.
func sameUpstream(a, b *route) bool {
	type is struct {
		Backends                         []Backend
		Rooms                            *Rooms
		Origin, Subprotocol, StripPrefix string
		SetHeaders                       map[string]string
	}
	of := func(r *route) is {
		return is{r.Backends, r.Rooms, r.Origin, r.Subprotocol, r.StripPrefix, r.SetHeaders}
	}
	return reflect.DeepEqual(of(a), of(b))
}

// tendRooms closes the hubs of earlier configurations whose members have left, and forgets rooms of routes that are gone.
func (g *Gateway) tendRooms() {
	if !g.changing.TryLock() { // a reload may be about to use them again
		return
	}
	defer g.changing.Unlock()
	st := g.state.Load()
	for _, x := range g.allRooms() {
		if !slices.ContainsFunc(st.routes, func(r *route) bool { return r.rooms == x }) && x.isOver() {
			g.mu.Lock()
			g.rooms = slices.DeleteFunc(g.rooms, func(y *rooms) bool { return y == x })
			g.mu.Unlock()
			g.working.Go(x.close)
			continue
		}
		now := x.route.Load().hub
		x.mu.Lock()
		x.hubs = slices.DeleteFunc(x.hubs, func(h *hub.Hub) bool {
			s := h.Stats()
			if h == now || s.Members > 0 {
				return false
			}
			x.past = addStats(x.past, s)
			g.working.Go(h.Close)
			return true
		})
		x.mu.Unlock()
	}
}

// closeRooms closes all hubs. Their members have ended before.
func (g *Gateway) closeRooms() {
	for _, x := range g.allRooms() {
		x.close()
	}
}

func (x *rooms) close() {
	x.mu.Lock()
	hubs := slices.Clone(x.hubs)
	x.mu.Unlock()
	for _, h := range hubs {
		h.Close()
	}
}

// isOver reports whether no client of the route is left, and no room.
func (x *rooms) isOver() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.clients.Load() == 0 && len(x.lines) == 0
}

// allRooms returns the rooms of all routes, those of earlier configurations too.
func (g *Gateway) allRooms() []*rooms {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.rooms)
}

// RoomStats returns what is counted of the rooms of each route that has, or had, some.
func (g *Gateway) RoomStats() (list []RoomStats) {
	for _, x := range g.allRooms() {
		list = append(list, x.stats())
	}
	return list
}

func (x *rooms) stats() RoomStats {
	s := RoomStats{
		Route: x.name, Upstreams: int(x.count.upstreams.Load()),
		Published: x.count.published.Load(), Unpublished: x.count.unpublished.Load(),
		Heard: x.count.heard.Load(), Unheard: x.count.unheard.Load(), Ignored: x.count.ignored.Load(),
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s.Stats = x.past
	for _, h := range x.hubs {
		s.Stats = addStats(s.Stats, h.Stats())
	}
	s.Rooms = len(x.lines)
	return s
}

func addStats(a, b hub.Stats) hub.Stats {
	return hub.Stats{
		Members: a.Members + b.Members, Lagging: a.Lagging + b.Lagging,
		Messages: a.Messages + b.Messages, Delivered: a.Delivered + b.Delivered, Missed: a.Missed + b.Missed,
		Unsupported: a.Unsupported + b.Unsupported, Disconnected: a.Disconnected + b.Disconnected,
	}
}

// enterRoom makes a client that was admitted one that will be a member of a room.
func (s *Session) enterRoom(a *draftwire.Answer) error {
	r, h := s.route, s.handshake
	path, _, _ := strings.Cut(h.Target(), "?")
	if r.Match.IgnoreCase {
		path = foldCase(path)
	}
	if len(path) > r.Rooms.Name {
		return wire.NewHandshakeError(h.Version(), wire.ReasonNoRoute, fmt.Sprintf("the path has %d bytes, and the name of a room at most %d", len(path), r.Rooms.Name))
	}
	if _, err := r.target("", path); err != nil && r.Rooms.Backend == "one" {
		return wire.NewHandshakeError(h.Version(), wire.ReasonNoRoute, err.Error())
	}
	if name := r.rooms.full(r, path); name != "" {
		return s.g.limited(h, name)
	}
	var ok bool
	if a.Protocol, ok = r.roomProtocol(h); !ok {
		return wire.NewHandshakeError(h.Version(), wire.ReasonProtocol, fmt.Sprintf("the rooms of the route have the subprotocol %s, and not %.200q", r.Subprotocol, h.Offered()))
	}
	r.rooms.clients.Add(1)
	s.member = newMember(s, path)
	s.peer = s.member
	return nil
}

// full returns the name of the limit that one more member would exceed.
func (x *rooms) full(r *route, path string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	n, l := r.hub.Stats(), x.lines[path]
	switch {
	case (l == nil || len(l.members) == 0) && len(x.lines)-x.empty.Len()-x.ending >= r.Rooms.MaxRooms:
		return limitRooms
	case n.Members >= r.Rooms.MaxMembers:
		return limitMembers
	}
	return ""
}

// roomProtocol returns the subprotocol of a member: that of the route, and the first that it offers where the route
// names none. ok is false where a member would fail as it offers only others.
func (r *route) roomProtocol(h *draftwire.Handshake) (name string, ok bool) {
	list := offered(h)
	want := r.Subprotocol
	switch {
	case len(list) == 0:
		return "", true
	case want != "" && !slices.Contains(list, want):
		return "", false
	case oneProtocol(h.Version()):
		return strings.Join(h.Offered(), ", "), true // it fails unless its whole string comes back
	}
	return cmp.Or(want, list[0]), true
}

// enter adds a member to its room, for which this gateway begins to stand where it is the first.
func (x *rooms) enter(m *member) *line {
	x.mu.Lock()
	defer x.mu.Unlock()
	l := x.lines[m.path]
	if l == nil {
		l = &line{rooms: x, path: m.path, changed: make(chan struct{}, 1), asking: make(chan struct{}, 1), members: map[*member]struct{}{}}
		x.lines[m.path] = l
		ctx := l.begin()
		x.g.working.Go(func() { l.run(ctx) })
	}
	l.notEmpty()
	l.members[m] = struct{}{}
	l.tell()
	x.makeRoom()
	return l
}

// makeRoom ends rooms without members that linger, where there are more than there may be: otherwise a client that goes from
// one to the next would take the place of others. The caller holds the lock.
func (x *rooms) makeRoom() {
	most := x.route.Load().Rooms.MaxRooms
	for len(x.lines)-x.ending > most && x.empty.Len() > 0 {
		l := x.empty.Front().Value.(*line)
		l.notEmpty()
		l.ending = true
		x.ending++
		l.tell()
	}
}

// notEmpty takes a room out of those without members. The caller holds the lock.
func (l *line) notEmpty() {
	if l.empty != nil {
		l.rooms.empty.Remove(l.empty)
		l.empty = nil
	}
	if l.ending {
		l.ending = false
		l.rooms.ending--
	}
}

// leave takes a member out.
func (l *line) leave(m *member) {
	x := l.rooms
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(l.members, m)
	if len(l.members) == 0 && x.lines[l.path] == l {
		l.empty = x.empty.PushBack(l)
	}
	l.tell()
}

func (l *line) tell() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// begin returns a context for what is done for the room until its settings change. The caller holds the lock.
func (l *line) begin() context.Context {
	ctx, cancel := context.WithCancel(l.rooms.g.ctx)
	l.cancel = cancel
	return ctx
}

// run does what this gateway has to do for a room, until that has had no member for a time.
func (l *line) run(same context.Context) {
	x := l.rooms
	for {
		r := x.route.Load()
		ctx, cancel := context.WithCancel(same)
		var all sync.WaitGroup
		if r.Rooms.Backend == "one" {
			all.Go(func() { l.stand(ctx, r) })
			if r.Rooms.OnBackendLoss == "close" {
				all.Go(func() { l.heed(ctx) })
			}
		}
		l.awaitEmpty(ctx, r)
		cancel()
		all.Wait()
		x.mu.Lock()
		l.cancel()
		if len(l.members) == 0 || x.g.ctx.Err() != nil {
			l.notEmpty()
			delete(x.lines, l.path)
			x.mu.Unlock()
			return
		}
		same = l.begin()
		x.mu.Unlock()
	}
}

// awaitEmpty waits until the room has had no member for the time of linger, in all gateways where this
// one leads it. A gateway that drains does not linger.
func (l *line) awaitEmpty(ctx context.Context, r *route) {
	x := l.rooms
	for {
		var due <-chan time.Time
		var draining <-chan struct{}
		x.mu.Lock()
		if l.ending {
			x.mu.Unlock()
			return
		}
		if len(l.members) == 0 {
			due, draining = time.After(r.Rooms.Linger.timeout()), x.g.accepting.Done()
		}
		x.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-l.changed:
		case <-draining:
			return
		case <-due:
			if !l.hasMembersElsewhere(ctx) {
				return
			}
		}
	}
}

// hasMembersElsewhere reports whether this gateway leads a room for the members of others.
func (l *line) hasMembersElsewhere(ctx context.Context) bool {
	if !l.leading.Load() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	n, err := l.rooms.g.broker.Members(ctx, l.rooms.outName(l.path))
	return err == nil && n > 0
}

// brokerTimeout bounds what the gateway asks of the broker, beside the broker's own bounds.
const brokerTimeout = 10 * time.Second

// farewellRooms closes the members of rooms, as their rooms go on in the process that has taken this one's place, and
// nothing goes from there to here. It spreads that over the drain time.
func (g *Gateway) farewellRooms() {
	var list []*member
	for _, s := range g.Sessions() {
		if s.member != nil {
			list = append(list, s.member)
		}
	}
	spread := g.state.Load().cfg.Drain.spread()
	for _, m := range list {
		select {
		case <-g.ctx.Done():
			return
		case <-time.After(spread / time.Duration(len(list))):
		}
		g.working.Go(func() { sayFarewell(m.s.client.Conn) })
	}
}
