package usage

import (
	"crypto/rand"
	"encoding/hex"
	"hash/maphash"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// The defaults of Options.
const (
	DefaultClients  = 50_000
	DefaultEvery    = 10 * time.Second
	DefaultLockWait = 2 * time.Second
)

// Options are a ledger's. The zero value has the defaults.
type Options struct {
	// Name tells the gateway from others in reports. Default: the host's name.
	Name string

	// Clients is how many records are kept in all, one for each client of a
	// version. Above it the version with the most records gives up that of the
	// client that was not seen for the longest time, so that a crowd in one
	// version cannot drive out the few of another. Default 50,000, which take
	// some 30 MB of memory and 120 MB of file if each came daily for two months;
	// 100 MB of memory if each came daily for half a year, and sends in every
	// field all that is kept of one, unlike any other. Go's collector lets a
	// process hold up to as much again, unless GOMEMLIMIT bounds it.
	Clients int

	// Every is how often changes are written to the file: what a crash may
	// lose. Default 10s.
	Every time.Duration

	// LockWait is how long Open waits for another process that has the file.
	// Default 2s.
	LockWait time.Duration

	// Aside lets Open rename a damaged ledger and begin a new one. Without it that
	// is an error, and so is in any case a file that was never a ledger.
	Aside bool

	// Failed is told when the file cannot be written, from a goroutine of the
	// ledger's: at the first failure, when the error changes, and then once an
	// hour. What could not be written is tried again. Nil tells nobody.
	Failed func(error)

	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Ledger counts who uses which version. Its methods may be called from many
// goroutines; Opened, Refused and Traffic take a short lock and do no I/O.
type Ledger struct {
	o      Options
	store  *store // nil: in memory alone
	aside  string
	damage error // why

	flushing sync.Mutex    // before mu
	export   chan struct{} // has room for the one who answers with an export
	stop     chan struct{}
	stopped  chan struct{}
	closing  sync.Once
	closeErr error

	mu       sync.Mutex
	words    words
	id       string
	watched  []Span
	seats    map[seatKey]*seat
	versions map[wire.Version]*tally
	full     bool // closed: count no more
	dirty    []*seat
	drop     map[seatKey]struct{} // in the file, and to go
	written  time.Time            // when the times of watching were written last
}

type seatKey struct {
	version wire.Version
	client  string
}

// seat is the record of a client in a version. Those of a version form a list,
// the one seen last in front.
type seat struct {
	Client
	prev, next *seat
	dirty      bool // in Ledger.dirty
	stored     bool // may be in the file
	gone       bool
}

// tally is a version.
type tally struct {
	Totals
	dirty bool
	seats int
	list  seat // the ends of the list
}

func newTally(v wire.Version) *tally {
	t := &tally{Totals: Totals{Version: v}}
	t.list.prev, t.list.next = &t.list, &t.list
	return t
}

func (t *tally) pushFront(s *seat) {
	s.prev, s.next = &t.list, t.list.next
	s.prev.next, s.next.prev = s, s
	t.seats++
}

func (t *tally) remove(s *seat) {
	s.prev.next, s.next.prev = s.next, s.prev
	t.seats--
}

// Open opens the ledger in a file, which is made with mode 0600 if it is not
// there. An empty path keeps the ledger in memory alone. A nil o has the
// defaults. Errors match ErrLocked if another process has the file, and
// ErrDamaged if it is damaged or no ledger. Close closes.
func Open(path string, o *Options) (*Ledger, error) {
	l := &Ledger{
		seats:    map[seatKey]*seat{},
		versions: map[wire.Version]*tally{},
		drop:     map[seatKey]struct{}{},
		export:   make(chan struct{}, 1),
	}
	if o != nil {
		l.o = *o
	}
	l.o.fill()
	for _, v := range wire.Every.List() {
		l.versions[v] = newTally(v)
	}
	now := l.now()
	if path == "" {
		l.id, l.watched = newID(), resume(nil, now)
		return l, nil
	}
	if err := l.openFile(path, now); err != nil {
		l.store.close()
		return nil, err
	}
	err := l.Flush()
	if isDamaged(err) && l.o.Aside { // it can be read, but not be written: all of it goes into a new one
		if err = l.setAside(err, now); err == nil {
			l.markAll()
			err = l.Flush()
		}
	}
	if isDamaged(err) {
		l.store.close()
		return nil, err
	}
	l.stop, l.stopped = make(chan struct{}), make(chan struct{})
	go l.flushEvery(err)
	return l, nil
}

// openFile opens the file and reads it. A disk without room is no error: what is to
// be written waits.
func (l *Ledger) openFile(path string, now time.Time) (err error) {
	s := &Snapshot{}
	if l.store, err = openStore(path, false, l.o.LockWait); err == nil {
		var have *Snapshot
		if have, err = l.store.load(); err == nil {
			s = have
		}
	}
	if isDamaged(err) && l.o.Aside {
		err = l.setAside(err, now)
	}
	if err != nil && !isFull(err) {
		return err
	}
	l.begin(s, now)
	return nil
}

// setAside gives the file, which is damaged as why says, another name and begins a new one.
func (l *Ledger) setAside(why error, now time.Time) error {
	st, name, err := setAside(l.store, why, now, l.o.LockWait)
	if name != "" {
		l.aside, l.damage = name, why
	}
	l.store = st
	return err
}

func (o *Options) fill() {
	if o.Name == "" {
		o.Name, _ = os.Hostname()
	}
	o.Name = cleanText(o.Name)
	if o.Clients <= 0 {
		o.Clients = DefaultClients
	}
	if o.Every <= 0 {
		o.Every = DefaultEvery
	}
	if o.LockWait <= 0 {
		o.LockWait = DefaultLockWait
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

func newID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (l *Ledger) now() time.Time { return l.o.Now().UTC().Truncate(time.Second) }

// begin takes up what was in the file.
func (l *Ledger) begin(s *Snapshot, now time.Time) {
	l.id = newID()
	var spans []Span
	if len(s.Sources) > 0 {
		l.id, spans = s.Sources[0].ID, s.Sources[0].Watched
	}
	l.watched = resume(spans, now)
	for _, t := range s.Versions {
		l.versions[t.Version].Totals = t
	}
	slices.SortFunc(s.Clients, func(a, b Client) int { return a.Last.Compare(b.Last) })
	for _, c := range s.Clients {
		v := Visit{UserAgent: c.UserAgent, Path: c.Path, Host: c.Host, Origin: c.Origin}
		c.UserAgent, c.Path, c.Host, c.Origin = "", "", "", ""
		l.keep(&c, &v)
		e := &seat{Client: c, stored: true}
		l.seats[seatKey{c.Version, c.Key}] = e
		l.versions[c.Version].pushFront(e)
	}
	for len(l.seats) > l.o.Clients {
		l.evict()
	}
}

// Aside is the name that a damaged file was given; empty if there was none. What it held
// is counted anew from zero, unless it could be read and only not be written.
func (l *Ledger) Aside() string { return l.aside }

// Damage is what was found wrong with the file that Aside names; nil if there was none.
func (l *Ledger) Damage() error { return l.damage }

// Opened counts a handshake that opened a connection.
func (l *Ledger) Opened(v Visit) { l.visit(v, Day{Opened: 1}) }

// Refused counts a handshake that was refused though the version was
// understood: because it is off, or by a Stage that refuses a share.
func (l *Ledger) Refused(v Visit) { l.visit(v, Day{Refused: 1}) }

func (l *Ledger) visit(v Visit, d Day) {
	v = v.clean()
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	c, t := l.seat(v.Version, v.Client, now)
	if c == nil {
		return
	}
	c.Opened, t.Opened = sum(c.Opened, d.Opened), sum(t.Opened, d.Opened)
	c.Refused, t.Refused = sum(c.Refused, d.Refused), sum(t.Refused, d.Refused)
	c.Visited = c.Last
	l.keep(&c.Client, &v)
	c.TLS = v.TLS
	c.Tolerated |= v.Tolerated
	d.Date = DateOf(now)
	c.Days.add(d)
	t.Days = addDay(t.Days, d)
}

// keep notes what a client said at its last handshake.
func (l *Ledger) keep(c *Client, v *Visit) {
	l.words.keep(&c.UserAgent, v.UserAgent)
	l.words.keep(&c.Path, v.Path)
	l.words.keep(&c.Host, v.Host)
	l.words.keep(&c.Origin, v.Origin)
}

// words are what clients said lately, by a hash of it: clients of one make say the same,
// and their records share it. What every client says differently costs no more for it.
type words [256]string

var wordSeed = maphash.MakeSeed()

// keep copies a string that nobody said lately, as it may be part of a large one that
// should go.
func (w *words) keep(to *string, s string) {
	if *to == s {
		return
	}
	known := &w[maphash.String(wordSeed, s)%uint64(len(w))]
	if *known != s {
		*known = strings.Clone(s)
	}
	*to = *known
}

// Traffic counts what went over a client's connections since the last call.
// Call it at the end of a connection, and at least once a day while it is open:
// a client that stays connected is in use although it opens nothing. Zeros say
// that it is still there.
func (l *Ledger) Traffic(v wire.Version, client string, x Traffic) {
	client = cleanKey(client)
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	c, t := l.seat(v, client, now)
	if c == nil {
		return
	}
	c.In, t.In = sum(c.In, x.In), sum(t.In, x.In)
	c.Out, t.Out = sum(c.Out, x.Out), sum(t.Out, x.Out)
	c.MessagesIn, t.MessagesIn = sum(c.MessagesIn, x.MessagesIn), sum(t.MessagesIn, x.MessagesIn)
	c.MessagesOut, t.MessagesOut = sum(c.MessagesOut, x.MessagesOut), sum(t.MessagesOut, x.MessagesOut)
	c.Tolerated |= x.Tolerated
	d := Day{Date: DateOf(now), Carried: true, In: x.In, Out: x.Out}
	c.Days.add(d)
	t.Days = addDay(t.Days, d)
}

// seat finds or makes a client's record and puts it in front. It returns nil
// if there is nothing to count.
func (l *Ledger) seat(v wire.Version, client string, now time.Time) (*seat, *tally) {
	t := l.versions[v]
	if t == nil || l.full {
		return nil, nil
	}
	key := seatKey{v, client}
	c := l.seats[key]
	if c == nil {
		for len(l.seats) >= l.o.Clients {
			l.evict()
		}
		key.client = strings.Clone(client)
		c = &seat{Client: Client{Version: v, Key: key.client, First: now}}
		l.seats[key] = c
		_, c.stored = l.drop[key] // its old record: who gives this one up is to drop that
		delete(l.drop, key)
	} else {
		t.remove(c)
	}
	t.pushFront(c)
	c.Last = latest(c.Last, now)
	t.Last = latest(t.Last, now)
	if t.First.IsZero() {
		t.First = now
	}
	t.dirty = true
	l.mark(c)
	return c, t
}

func (l *Ledger) mark(c *seat) {
	if c.dirty || l.store == nil {
		return
	}
	c.dirty = true
	if len(l.dirty) >= 2*l.o.Clients { // most are of a crowd that came and went since the last Flush
		l.dirty = slices.DeleteFunc(l.dirty, func(s *seat) bool { return s.gone })
	}
	l.dirty = append(l.dirty, c)
}

// markAll marks all that there is, for a new file.
func (l *Ledger) markAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop = map[seatKey]struct{}{}
	for _, c := range l.seats {
		l.mark(c)
	}
	for _, t := range l.versions {
		t.dirty = true
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// evict gives up the record that was seen last the longest ago, in the version
// that has the most.
func (l *Ledger) evict() {
	var most *tally
	for _, t := range l.versions {
		if most == nil || t.seats > most.seats || t.seats == most.seats && t.Version > most.Version {
			most = t
		}
	}
	c := most.list.prev
	most.remove(c)
	most.dirty = true
	most.Evicted = sum(most.Evicted, 1)
	most.EvictedLast = latest(most.EvictedLast, c.Last)
	c.gone = true
	key := seatKey{c.Version, c.Key}
	delete(l.seats, key)
	if c.stored {
		l.drop[key] = struct{}{}
	}
}

// Snapshot copies the ledger. It holds the lock for short times only, so what
// is counted meanwhile may be in the record of a client and not yet in the totals
// of its version.
func (l *Ledger) Snapshot() *Snapshot {
	s, seats := l.outline()
	s.Clients = make([]Client, 0, len(seats))
	for some := range l.copies(seats) {
		s.Clients = append(s.Clients, some...)
	}
	return s
}

// outline is a snapshot without its clients, and the records of these, in order.
func (l *Ledger) outline() (*Snapshot, []*seat) {
	s := &Snapshot{Made: l.now()}
	l.mu.Lock()
	seats := make([]*seat, 0, len(l.seats))
	for _, t := range l.versions {
		s.Versions = append(s.Versions, t.copy())
		for c := t.list.next; c != &t.list; c = c.next {
			seats = append(seats, c)
		}
	}
	s.Sources = []Source{l.source(s.Made)}
	l.mu.Unlock()
	s.sort()
	slices.SortFunc(seats, func(a, b *seat) int { return compareClients(&a.Client, &b.Client) }) // by what never changes
	return s, seats
}

// copies are the records of seats, a batch at a time, each valid until the next: those
// who count must not wait for all of them. A record that had to go meanwhile is among
// them, as the totals of the outline do not say that it went.
func (l *Ledger) copies(seats []*seat) iter.Seq[[]Client] {
	return func(yield func([]Client) bool) {
		some := make([]Client, 0, min(batch, len(seats)))
		for todo := seats; len(todo) > 0; todo = todo[len(some):] {
			some = some[:0]
			l.mu.Lock()
			for _, c := range todo[:min(batch, len(todo))] {
				some = append(some, c.Client)
			}
			l.mu.Unlock()
			if !yield(some) {
				return
			}
		}
	}
}

func (t *tally) copy() Totals {
	c := t.Totals
	c.Days = slices.Clone(c.Days)
	return c
}

// source is the ledger itself, which watched until now.
func (l *Ledger) source(now time.Time) Source {
	if last := &l.watched[len(l.watched)-1]; !l.full {
		last.To = latest(last.To, now)
	}
	return Source{ID: l.id, Name: l.o.Name, Watched: slices.Clone(l.watched)}
}
