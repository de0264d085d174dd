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

// Options are the options of a ledger. Fields that are zero have their defaults.
type Options struct {
	// Name is the name of the gateway in reports. Default: the host's name.
	Name string

	// Clients is how many records are kept in all, one for each client of a version.
	// When there are more, the ledger evicts the record that was seen longest ago, of
	// the version that has the most records: so many clients of one version cannot
	// evict the few of another. Default 50,000. They take some 30 MB of memory and
	// 120 MB of file if each client came daily for two months, and 100 MB of memory if
	// each came daily for half a year and fills every field with different text. Go's
	// garbage collector lets a process use up to as much again, unless GOMEMLIMIT
	// bounds it.
	Clients int

	// Every is how often changes are written to the file. A crash may lose the changes
	// of that time. Default 10s.
	Every time.Duration

	// LockWait is how long Open waits if another process has locked the file.
	// Default 2s.
	LockWait time.Duration

	// Aside lets Open rename a damaged ledger and begin a new one. Without it a damaged
	// ledger is an error. A file that was never a ledger always is.
	Aside bool

	// Failed is called by a goroutine of the ledger when the file cannot be written: at
	// the first failure, when the error changes, and then once an hour. The ledger
	// writes the changes later.
	Failed func(error)
	// Recovered is called when the file has been written again after Failed, by the same
	// goroutine or by Close.
	Recovered func()

	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Ledger counts which clients use which version. Its methods may be called from many
// goroutines. Opened, Refused and Traffic hold a lock for a short time and do no I/O.
type Ledger struct {
	o      Options
	store  *store // nil: only in memory
	aside  string
	damage error // why the file was set aside

	flushing sync.Mutex    // locked before mu
	export   chan struct{} // has one element while an export is written
	stop     chan struct{}
	stopped  chan struct{}
	closing  sync.Once
	closeErr error
	failing  string // what Failed was told last, "" if the file can be written; of flushEvery, and then of Close

	mu       sync.Mutex
	words    words
	id       string
	watched  []Span
	seats    map[seatKey]*seat
	versions map[wire.Version]*tally
	finished bool // nothing is counted any more
	dirty    []*seat
	drop     map[seatKey]struct{} // in the file, and to be deleted from it
	written  time.Time            // when the watched time was last written
}

type seatKey struct {
	version wire.Version
	client  string
}

// seat is the record of a client of a version. The records of a version form a list, the one
// seen last in front.
type seat struct {
	Client
	prev, next *seat
	dirty      bool // in Ledger.dirty
	stored     bool // may be in the file
	gone       bool
}

// tally is what is counted of a version.
type tally struct {
	Totals
	dirty bool
	seats int
	list  seat // the sentinel of the list
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

// Open opens the ledger in a file, and creates the file with mode 0600 if it does not exist.
// With an empty path the ledger is kept only in memory. A nil o has the defaults. Errors
// match ErrLocked if another process has locked the file, and ErrDamaged if it is damaged or
// not a ledger. Close must be called.
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
	for _, v := range wire.AllVersions.List() {
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
	if isDamaged(err) && l.o.Aside { // the file can be read but not written: everything goes into a new one
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

// openFile opens the file and reads it. A full disk is not an error: the changes wait.
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

// setAside renames the file, which is damaged as why says, and begins a new one.
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

// begin goes on from what was in the file.
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
		c.clearTexts()
		l.keep(&c, &v)
		c.Mirrors = newestMirrors(c.Mirrors)
		e := &seat{Client: c, stored: true}
		l.seats[seatKey{c.Version, c.Key}] = e
		l.versions[c.Version].pushFront(e)
	}
	for len(l.seats) > l.o.Clients {
		l.evict()
	}
}

// Aside returns the new name of a file that was damaged; "" if there was none. Its contents
// are not in the ledger, unless the file could be read and only not be written.
func (l *Ledger) Aside() string { return l.aside }

// Damage is what was found wrong with the file that Aside names; nil if there was none.
func (l *Ledger) Damage() error { return l.damage }

// Opened counts a handshake that has opened a connection.
func (l *Ledger) Opened(v Visit) { l.visit(v, Day{Opened: 1}) }

// Refused counts a handshake that was refused because of its version: the version is off, or
// a Stage refuses a share of its handshakes.
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

// keep notes the texts of a client's last handshake.
func (l *Ledger) keep(c *Client, v *Visit) {
	l.words.keep(&c.UserAgent, v.UserAgent)
	l.words.keep(&c.Path, v.Path)
	l.words.keep(&c.Host, v.Host)
	l.words.keep(&c.Origin, v.Origin)
}

// words are texts of recent handshakes, by their hash. Clients of one make send the same
// texts, and their records share them (interning). Texts that differ for every client cost
// no more than without it.
type words [256]string

var wordSeed = maphash.MakeSeed()

// keep sets to to s, or to an equal string that is already known. It copies a new one, as s
// may be part of a large string that would otherwise stay in memory.
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

// Traffic counts what has gone over a client's connections since the last call. It must be
// called at the end of a connection, and at least once a day while it is open, even without
// traffic: a client that stays connected uses its version, though it opens no connection.
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

// seat finds or makes the record of a client and moves it to the front of its list. It
// returns nil if nothing is to be counted.
func (l *Ledger) seat(v wire.Version, client string, now time.Time) (*seat, *tally) {
	t := l.versions[v]
	if t == nil || l.finished {
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
		_, c.stored = l.drop[key] // its old record may still be in the file, and is now this one's
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
	if len(l.dirty) >= 2*l.o.Clients { // most of them were evicted again since the last Flush
		l.dirty = slices.DeleteFunc(l.dirty, func(s *seat) bool { return s.gone })
	}
	l.dirty = append(l.dirty, c)
}

// markAll marks everything as unwritten, for a new file.
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

// evict removes the record that was seen longest ago, of the version that has the most
// records.
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

// Snapshot returns a copy of the ledger. It holds the lock only for short times. So what is
// counted meanwhile may be in the record of a client and not in the totals of its version.
func (l *Ledger) Snapshot() *Snapshot {
	s, seats := l.outline()
	s.Clients = make([]Client, 0, len(seats))
	for some := range l.copies(seats) {
		s.Clients = append(s.Clients, some...)
	}
	return s
}

// outline returns a snapshot without clients, and the records of the clients in order.
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
	slices.SortFunc(seats, func(a, b *seat) int { return compareClients(&a.Client, &b.Client) }) // without the lock: version and key never change
	return s, seats
}

// copies returns the records of seats in batches, each valid until the next, so that
// goroutines that count do not wait for all of them. A record that is evicted meanwhile is
// included, as the totals of the outline do not count it as evicted.
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

// source returns this ledger as a Source, which has watched until now.
func (l *Ledger) source(now time.Time) Source {
	if !l.finished {
		last := &l.watched[len(l.watched)-1]
		last.To = latest(last.To, now)
	}
	return Source{ID: l.id, Name: l.o.Name, Watched: slices.Clone(l.watched)}
}
