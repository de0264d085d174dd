package fleet

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// The defaults and bounds of a fleet.
const (
	// DefaultEvery is how often a node announces itself.
	DefaultEvery = 2 * time.Second
	// DefaultGroup is the name of the fleet.
	DefaultGroup = "draftwire"
	// MaxNodes is how many names a node knows at a time. Those of nodes that are not there any more make room
	// for others; further ones are told once (TooMany) and not taken.
	MaxNodes = 64
	// MaxName is how long the name of a node or of a fleet is at most.
	MaxName = 64

	deadAfter   = 3                // announcements that are missing
	leftKept    = 10 * time.Minute // a node that has said farewell is shown
	goneKept    = 24 * time.Hour   // a node that has ended without it is
	maxHello    = 16 << 10
	maxText     = 200
	maxList     = 32
	maxVersions = 32
	byeTimeout  = time.Second
	claimAgain  = time.Minute // a name that is claimed twice is told again
)

// Options are the options of a Node.
type Options struct {
	// Name is the node's name, which no other one has, and which it has again after a restart: 1 to MaxName
	// letters, digits and '-'. Required. CleanName makes one.
	Name string
	// Group is the name of the fleet: nodes of other fleets on the same bus are not seen. It looks like Name.
	// Default DefaultGroup.
	Group string
	// Every is how often the node announces itself. All nodes of a fleet need the same. A node that was not
	// heard for three and a half times that is taken for dead. Default DefaultEvery.
	Every time.Duration
	// About returns what is announced. It must not wait. Default: nothing.
	About func() About
	// Counts returns what the node counts of each client, to be counted elsewhere; nil: it announces none. It must
	// not wait.
	Counts func() []Count
	// Answers are what the node does when another one asks it, or it itself, by kind (Ask).
	Answers map[string]func(ctx context.Context, from string, body []byte) ([]byte, error)
	// Planned is called when another plan of the fleet was stored, or was found for the first time. It may
	// not call methods of the node that wait.
	Planned func(Plan)
	// Told is called when something has happened that is worth a line in a log. A peer can cause many of them.
	Told func(Event)
}

// About is what a node announces of itself.
type About struct {
	Version     string         `json:"version,omitempty"`   // of the program
	Listeners   []string       `json:"listeners,omitempty"` // their addresses
	Admin       string         `json:"admin,omitempty"`     // the address of the admin port
	Ready       bool           `json:"ready"`
	Why         string         `json:"why,omitempty"` // why it is not ready
	Draining    bool           `json:"draining,omitempty"`
	Connections int            `json:"connections"`
	Requests    int64          `json:"requests"`           // ordinary ones that were answered
	Versions    map[string]int `json:"versions,omitempty"` // connections by version
}

// State is whether a node is there.
type State string

// The states of a node.
const (
	Alive State = "alive"
	Left  State = "left" // it has said farewell
	Gone  State = "gone" // it was not heard for longer than Dead, without a farewell
)

// Member is what a node knows of one of the fleet.
type Member struct {
	Name    string    `json:"name"`
	ID      string    `json:"id"` // of its process
	Self    bool      `json:"self,omitempty"`
	State   State     `json:"state"`
	Started time.Time `json:"started,omitzero"` // as it says itself
	Heard   time.Time `json:"heard"`            // when it was heard last, by the clock of who tells it
	// Claimed tells that two processes have announced themselves under this name, in turns, a short time ago.
	Claimed bool   `json:"claimed,omitempty"`
	Plan    uint64 `json:"plan,omitzero"` // the number of the plan that it knows
	About
}

// EventKind is what an Event tells.
type EventKind string

// The kinds of events.
const (
	Joined   EventKind = "joined"   // a node is there, for the first time or again
	Leaving  EventKind = "left"     // a node has said farewell
	Died     EventKind = "died"     // a node is not heard any more
	Claim    EventKind = "claimed"  // two processes claim one name
	TooMany  EventKind = "too_many" // there are more than MaxNodes
	BusUp    EventKind = "bus_up"   // the bus carries messages again
	BusDown  EventKind = "bus_down" // it does not
	BadPlan  EventKind = "bad_plan" // what the bus has as the plan is none
	BadPeers EventKind = "bad_peer" // what came from the bus is not what a node says
)

// Event is something that happened in the fleet.
type Event struct {
	Kind EventKind
	Name string // of the node; "" for none
	Err  error  // nil for none
}

// hello is an announcement.
type hello struct {
	Name    string    `json:"name"`
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
	Bye     bool      `json:"bye,omitempty"`
	Plan    uint64    `json:"plan,omitempty"`
	About   About     `json:"about"`
}

// Node is a member of a fleet: it announces itself, and knows the others. Its methods may be called from many
// goroutines. None of them but those with a context waits for the bus.
type Node struct {
	bus     Bus
	o       Options
	id      string
	started time.Time
	stop    chan struct{}
	poke    chan struct{}
	working sync.WaitGroup
	ctx     context.Context
	cancel  context.CancelFunc
	closing sync.Once
	asked   chan struct{} // an element for each question that is being answered

	elsewhere counts
	book      writer

	planMu sync.Mutex // held while the plan is loaded or stored
	tried  time.Time  // when the plan was last looked for

	mu      sync.Mutex
	handled bool
	cancels []func()
	members map[string]*member
	echo    time.Time // when the node last heard itself
	up      bool
	plans   []Plan // the history, the newest last
	full    bool   // TooMany was told
	sentAny bool   // the last counts were not empty
}

// member is a Member and what is needed to judge it.
type member struct {
	Member
	other      string    // another process that had the name, "" for none
	otherBegan time.Time // of a node itself: when the other one says that it has begun
	since      time.Time // when it was heard first
	late       string    // the one of both that was heard when the other one should have ended
	claimed    time.Time // when it was found last that both are there
	told       time.Time // when Claim was told
}

// CleanName makes a name of a node out of that of a host: what a name cannot have becomes '-'.
func CleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		if isNameByte(r) {
			return r
		}
		return '-'
	}, s)
	s = strings.Trim(s[:min(len(s), MaxName)], "-")
	return cmp.Or(s, "gateway")
}

func isNameByte(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-'
}

// CheckName reports what is wrong with the name of a node or of a fleet.
func CheckName(s string) error {
	if len(s) == 0 || len(s) > MaxName || strings.ContainsFunc(s, func(r rune) bool { return !isNameByte(r) }) {
		return fmt.Errorf("fleet: %.80q is not a name of 1 to %d letters, digits and '-'", s, MaxName)
	}
	return nil
}

// Join returns a node that announces itself on a bus. It does not wait for the bus: where that is away, the node
// is alone until it is back. Close must be called.
func Join(bus Bus, o Options) (*Node, error) {
	o.Group = cmp.Or(o.Group, DefaultGroup)
	o.Every = cmp.Or(max(o.Every, 0), DefaultEvery)
	if err := cmpErr(CheckName(o.Name), CheckName(o.Group)); err != nil {
		return nil, err
	}
	var id [8]byte
	rand.Read(id[:]) // never fails
	n := &Node{
		bus: bus, o: o, id: hex.EncodeToString(id[:]), started: time.Now(), stop: make(chan struct{}), poke: make(chan struct{}, 1),
		asked: make(chan struct{}, maxAsked), members: map[string]*member{}, up: true,
	}
	n.book.init(n)
	n.echo = n.started
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.members[o.Name] = &member{Member: Member{Name: o.Name, ID: n.id, Self: true, State: Alive, Started: n.started, Heard: n.started}}
	n.working.Go(n.run)
	return n, nil
}

// Name returns the node's name.
func (n *Node) Name() string { return n.o.Name }

// Dead is how long a node is not heard until it is taken for dead.
func (n *Node) Dead() time.Duration { return deadAfter*n.o.Every + n.o.Every/2 }

// Close says farewell, so that the others need not wait for the node, and ends it. It waits at most a second for
// the bus, and for answers that are under way. What is to be stored has to be stored before (Put).
func (n *Node) Close() { n.end(true) }

// Leave ends the node without a farewell: another process has taken its place.
func (n *Node) Leave() { n.end(false) }

func (n *Node) end(bye bool) {
	n.closing.Do(func() {
		close(n.stop)
		n.cancel()
		n.working.Wait()
		n.mu.Lock()
		cancels := n.cancels
		n.mu.Unlock()
		for _, cancel := range cancels {
			cancel()
		}
		if !bye {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), byeTimeout)
		defer cancel()
		n.announce(ctx, bye)
	})
}

// subject is a subject or a key of the fleet.
func (n *Node) subject(s string) string { return "fleet." + n.o.Group + "." + s }

// load is Load of the bus, for one too that keeps an empty value where none is to stand: the revision is then that of
// this one.
func (n *Node) load(ctx context.Context, key string) ([]byte, uint64, error) {
	data, at, err := n.bus.Load(ctx, key)
	if err == nil && len(data) == 0 {
		err = ErrNone
	}
	return data, at, err
}

// run announces the node until its end.
func (n *Node) run() {
	tick := time.NewTicker(n.o.Every)
	defer tick.Stop()
	for {
		n.handle()
		ctx, cancel := context.WithTimeout(n.ctx, n.o.Every)
		n.announce(ctx, false)
		n.announceCounts(ctx)
		cancel()
		n.judge()
		n.followPlan()
		select {
		case <-n.stop:
			return
		case <-tick.C:
		case <-n.poke:
			if !n.pause(n.o.Every / 10) { // however much a peer gives cause to
				return
			}
		}
	}
}

// pause waits, and reports whether the node goes on.
func (n *Node) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-n.stop:
		return false
	case <-t.C:
		return true
	}
}

// announceNow makes the node announce itself, and not only when it is time.
func (n *Node) announceNow() {
	select {
	case n.poke <- struct{}{}:
	default:
	}
}

// handle begins to listen, if that has not succeeded before.
func (n *Node) handle() {
	if n.handled {
		return
	}
	for _, h := range []struct {
		subject string
		f       func([]byte) []byte
	}{
		{"hello", n.heard}, {"counts", n.heardCounts}, {"ask." + n.o.Name, n.answer},
	} {
		cancel, err := n.bus.Handle(n.subject(h.subject), h.f)
		if err != nil {
			for _, cancel := range n.cancels {
				cancel()
			}
			n.cancels = nil
			return
		}
		n.cancels = append(n.cancels, cancel)
	}
	n.handled = true
}

func (n *Node) announce(ctx context.Context, bye bool) {
	h := hello{Name: n.o.Name, ID: n.id, Started: n.started, Bye: bye, Plan: n.planNumber()}
	if n.o.About != nil {
		h.About = n.o.About()
	}
	h.About.clean()
	data, err := json.Marshal(h)
	if err == nil && len(data) <= maxHello {
		n.bus.Send(ctx, n.subject("hello"), data)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	self := n.members[n.o.Name]
	self.About, self.Plan, self.Heard = h.About, h.Plan, time.Now()
}

// clean bounds what a node says of itself.
func (a *About) clean() {
	a.Version, a.Admin, a.Why = cleanText(a.Version), cleanText(a.Admin), cleanText(a.Why)
	a.Listeners = a.Listeners[:min(len(a.Listeners), maxList)]
	for i := range a.Listeners {
		a.Listeners[i] = cleanText(a.Listeners[i])
	}
	a.Connections, a.Requests = max(a.Connections, 0), max(a.Requests, 0)
	if len(a.Versions) > maxVersions {
		a.Versions = nil
	}
	for v, c := range a.Versions {
		if len(v) > maxText || cleanText(v) != v || c < 0 {
			delete(a.Versions, v)
		}
	}
}

// cleanText bounds a text to one short line.
func cleanText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), maxText)], ""))
	return s
}

// parseHello reads an announcement of a peer.
func parseHello(data []byte) (h hello, err error) {
	if len(data) > maxHello {
		return h, ErrTooLarge
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&h); err != nil {
		return h, err
	}
	if err := CheckName(h.Name); err != nil {
		return h, err
	}
	if err := CheckName(h.ID); err != nil {
		return h, err
	}
	if y := h.Started.Year(); y < 1970 || y > 9999 {
		h.Started = time.Time{}
	}
	h.Started = h.Started.UTC()
	h.About.clean()
	return h, nil
}

func (n *Node) tell(kind EventKind, name string, err error) {
	if n.o.Told != nil {
		n.o.Told(Event{kind, name, err})
	}
}

// heard takes an announcement.
func (n *Node) heard(data []byte) []byte {
	h, err := parseHello(data)
	if err != nil {
		n.tell(BadPeers, "", err)
		return nil
	}
	n.mu.Lock()
	kinds, newer := n.note(&h, time.Now())
	n.mu.Unlock()
	for _, kind := range kinds {
		n.tell(kind, h.Name, nil)
	}
	if newer || slices.Contains(kinds, Joined) {
		n.announceNow() // so that a new one need not wait, and which looks for the plan too
	}
	return nil
}

// note notes an announcement, and returns what is to be told. newer reports that its node knows a newer plan.
func (n *Node) note(h *hello, now time.Time) (kinds []EventKind, newer bool) {
	if h.Name == n.o.Name && h.ID == n.id {
		n.echo = now
		if !n.up {
			n.up, kinds = true, append(kinds, BusUp)
		}
		return kinds, false
	}
	m := n.members[h.Name]
	if m == nil {
		if m = n.room(h.Name); m == nil {
			if n.full {
				return nil, false
			}
			n.full = true
			return []EventKind{TooMany}, false
		}
	}
	if m.rivals(h, now, n.o.Every) {
		if now.Sub(m.told) >= claimAgain {
			m.told, kinds = now, append(kinds, Claim)
		}
	} else if h.Bye && h.ID != m.ID {
		return kinds, false // the process before this one has ended
	}
	if m.Self {
		return kinds, false
	}
	newer = h.Plan > n.planNumberLocked()
	was := m.State
	m.State, m.Started, m.Heard = Alive, h.Started, now
	m.Plan, m.About = h.Plan, h.About
	switch {
	case h.Bye:
		m.State = Left
		n.elsewhere.drop(h.Name)
		kinds = append(kinds, Leaving)
	case was != Alive:
		kinds = append(kinds, Joined)
	}
	return kinds, newer
}

// rivals notes which process has a name, and reports whether two claim it. A process that is replaced, by a
// restart or an upgrade, may be heard for a moment behind the first words of the new one; one that is heard
// again and again, for longer than the time between two announcements, is there.
func (m *member) rivals(h *hello, now time.Time, every time.Duration) bool {
	switch {
	case h.Bye:
		if h.ID == m.other {
			m.other, m.late, m.claimed = "", "", time.Time{}
		}
		return false
	case h.ID == m.ID && !m.Self:
	case h.ID == m.other:
		m.otherBegan = h.Started
		if !m.Self {
			m.other, m.ID = m.ID, h.ID
		}
	default:
		m.other, m.otherBegan = h.ID, h.Started
		m.since, m.late = now, ""
		if !m.Self {
			m.other, m.ID = m.ID, h.ID
		}
	}
	if m.other == "" || now.Sub(m.since) < every {
		return false
	}
	if m.late == "" && !m.Self {
		m.late = h.ID
	}
	if m.late == h.ID {
		return false
	}
	m.late, m.claimed = "", now
	return true
}

// room makes a member of that name; nil where there are too many.
func (n *Node) room(name string) *member {
	if len(n.members) >= MaxNodes {
		var oldest *member
		for _, m := range n.members {
			if m.State != Alive && (oldest == nil || m.Heard.Before(oldest.Heard)) {
				oldest = m
			}
		}
		if oldest == nil {
			return nil
		}
		delete(n.members, oldest.Name)
	}
	m := &member{Member: Member{Name: name}}
	n.members[name] = m
	return m
}

// judge finds out who is not heard any more.
func (n *Node) judge() {
	now := time.Now()
	type told struct {
		kind EventKind
		name string
	}
	var list []told
	n.mu.Lock()
	for name, m := range n.members {
		silent := now.Sub(m.Heard)
		switch {
		case m.Self:
		case m.State == Alive && silent > n.Dead():
			m.State = Gone
			n.elsewhere.drop(name)
			list = append(list, told{Died, name})
		case m.State == Left && silent > leftKept, m.State == Gone && silent > goneKept:
			delete(n.members, name)
		}
	}
	n.full = n.full && len(n.members) >= MaxNodes
	if n.up && now.Sub(n.echo) > n.Dead() {
		n.up = false
		list = append(list, told{BusDown, ""})
	}
	n.mu.Unlock()
	for _, x := range list {
		n.tell(x.kind, x.name, nil)
	}
}

// Up reports whether the bus carries messages: the node has heard itself within Dead.
func (n *Node) Up() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.up
}

// Members returns the nodes that are known, this one too, by name.
func (n *Node) Members() (list []Member) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(n.members)) {
		list = append(list, n.memberLocked(n.members[name]))
	}
	return list
}

func (n *Node) memberLocked(m *member) Member {
	x := m.Member
	x.Claimed = !m.claimed.IsZero() && time.Since(m.claimed) <= n.Dead()
	x.Listeners, x.Versions = slices.Clone(x.Listeners), maps.Clone(x.Versions)
	return x
}

// Alive returns how many nodes are alive, this one too.
func (n *Node) Alive() (alive int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.members {
		if m.State == Alive {
			alive++
		}
	}
	return alive
}

// errClaimed is why a book is not written.
var errClaimed = errors.New("fleet: another process has this node's name: give each gateway its own (fleet: name)")

// yields reports whether another process claims the node's name and has begun earlier: that one may go on to write
// under it. Both compare the same two values, so one of them yields, whatever their clocks say.
func (n *Node) yields() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.members[n.o.Name]
	return n.memberLocked(m).Claimed && cmp.Or(m.otherBegan.Compare(n.started), strings.Compare(m.other, n.id)) < 0
}

// Elsewhere returns what the other nodes that are alive have announced for a client (Count), all together: with
// the bus away, and after Dead, that is 0.
func (n *Node) Elsewhere(client netip.Prefix) int { return n.elsewhere.of(client) }
