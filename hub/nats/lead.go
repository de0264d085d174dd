package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/draftwire/draftwire/hub"
	"github.com/nats-io/nats.go/jetstream"
)

// Who holds a name stands in the table behind "lead.", with the seat of a program as its value. A seat stands
// behind "seat.", and its program renews it; with it, the program holds all its names, so that the work does not
// grow with them.
//
// A program that could not renew its seat for loseTime stops to lead. Another one that has seen the same
// revision of the seat for deadTime takes it away, by compare and swap: if it was renewed meanwhile, that
// fails. All that counts is how long something takes, never what a clock shows.
const (
	renewTime = time.Second
	loseTime  = 4 * time.Second
	deadTime  = 7 * time.Second
	lookTime  = 2 * time.Second  // between two looks at the seat of another one
	pollTime  = 15 * time.Second // between two tries to get a name of which nothing was heard
)

// seats is a program's seat, and what it knows of those of others.
type seats struct {
	b    *Broker
	once sync.Once

	mu      sync.Mutex
	now     *seat                      // nil: there is none
	changed chan struct{}              // closed when now has changed
	others  map[string]*other          // those whose names somebody waits for, by id
	waiting map[string][]chan struct{} // for a name, by its key
	held    map[string]bool            // names that this program has, by their keys
}

// seat is a seat of this program.
type seat struct {
	id       string
	revision uint64
	ctx      context.Context // ends when it is lost
	end      context.CancelFunc
}

// other is a seat of another program, which is looked at while somebody waits.
type other struct {
	waiters int
	dead    chan struct{} // closed when it is
	end     context.CancelFunc
}

func newSeats(b *Broker) *seats {
	return &seats{b: b, changed: make(chan struct{}), others: map[string]*other{}, waiting: map[string][]chan struct{}{}, held: map[string]bool{}}
}

// start begins to hold a seat, with the first name that is asked for.
func (s *seats) start() {
	s.once.Do(func() {
		s.b.wg.Go(s.hold)
		s.b.wg.Go(s.watch)
	})
}

// hold holds a seat, and takes a new one when it is lost.
func (s *seats) hold() {
	for s.b.ctx.Err() == nil {
		x := &seat{id: fmt.Sprintf("%x", s.b.writer.next())}
		x.ctx, x.end = context.WithCancel(s.b.ctx)
		began := time.Now()
		if s.create(x) == nil {
			s.set(x)
			s.renew(x, began)
			s.set(nil)
		}
		x.end()
		s.pause(renewTime)
	}
}

func (s *seats) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.b.ctx.Done():
	}
}

// set says which seat the program has.
func (s *seats) set(x *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = x
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *seats) create(x *seat) error {
	ctx, cancel := context.WithTimeout(s.b.ctx, loseTime)
	defer cancel()
	t, err := s.b.table(ctx)
	if err == nil {
		x.revision, err = t.Create(ctx, "seat."+x.id, nil)
	}
	return err
}

// renew renews a seat until it is lost. good is when the last renewal that has succeeded began.
func (s *seats) renew(x *seat, good time.Time) {
	for time.Since(good) < loseTime {
		s.pause(renewTime)
		if s.b.ctx.Err() != nil {
			return
		}
		began := time.Now()
		ctx, cancel := context.WithDeadline(s.b.ctx, good.Add(loseTime))
		t, err := s.b.table(ctx)
		if err == nil {
			var n uint64
			if n, err = t.Update(ctx, "seat."+x.id, nil, x.revision); err == nil {
				x.revision, good = n, began
			}
		}
		cancel()
		if wrongRevision(err) {
			// It was taken away, or a renewal whose answer did not come has been stored.
			if !s.still(x, good.Add(loseTime)) {
				return
			}
		}
	}
}

// still reports whether the seat stands there with a later revision, and takes that.
func (s *seats) still(x *seat, until time.Time) bool {
	ctx, cancel := context.WithDeadline(s.b.ctx, until)
	defer cancel()
	t, err := s.b.table(ctx)
	if err != nil {
		return true // which the time decides
	}
	e, err := t.Get(ctx, "seat."+x.id)
	if err == nil && e.Revision() > x.revision {
		x.revision = e.Revision()
	}
	return err == nil
}

// close gives the seat back.
func (s *seats) close() {
	s.mu.Lock()
	x := s.now
	s.mu.Unlock()
	if x == nil {
		return
	}
	x.end()
	ctx, cancel := context.WithTimeout(s.b.ctx, time.Second)
	defer cancel()
	if t, err := s.b.table(ctx); err == nil {
		t.Purge(ctx, "seat."+x.id, jetstream.PurgeTTL(time.Hour))
	}
}

// current waits for a seat.
func (s *seats) current(ctx context.Context) (*seat, error) {
	for {
		s.mu.Lock()
		x, changed := s.now, s.changed
		s.mu.Unlock()
		if x != nil && x.ctx.Err() == nil {
			return x, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.b.ctx.Done():
			return nil, hub.ErrClosed
		}
	}
}

// Lead implements hub.Elector. While the broker is away nobody leads.
func (b *Broker) Lead(ctx context.Context, name string, f func(ctx context.Context) error) error {
	b.seats.start()
	key := "lead." + token(name)
	for {
		x, err := b.seats.current(ctx)
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		heard, forget := b.seats.listen(key)
		revision, owner, err := b.seats.claim(x, key)
		if err == nil && owner == x.id && revision > 0 {
			forget()
			return b.seats.lead(ctx, x, key, revision, f)
		}
		err = b.seats.wait(ctx, owner, heard)
		forget()
		if err != nil {
			return err
		}
	}
}

// lead calls f while the seat is held, and gives the name back.
func (s *seats) lead(ctx context.Context, x *seat, key string, revision uint64, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(x.ctx, cancel)()
	defer func() { go s.giveBack(x, key, revision) }()
	return f(ctx)
}

// giveBack frees a name. It is tried until it is done, or the seat is lost, and the name with it.
func (s *seats) giveBack(x *seat, key string, revision uint64) {
	for x.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(x.ctx, loseTime)
		t, err := s.b.table(ctx)
		if err == nil {
			err = t.Purge(ctx, key, jetstream.LastRevision(revision), jetstream.PurgeTTL(time.Hour))
		}
		cancel()
		if err == nil || wrongRevision(err) {
			break
		}
		s.pause(renewTime)
	}
	s.mu.Lock()
	delete(s.held, key)
	s.mu.Unlock()
	s.tell(key)
}

// mine notes that this program has a name, and is false where it has it already.
func (s *seats) mine(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[key] {
		return false
	}
	s.held[key] = true
	return true
}

// claim tries to get a name. The revision is above 0 where it was got just now; owner is the seat that has
// it.
func (s *seats) claim(x *seat, key string) (revision uint64, owner string, err error) {
	ctx, cancel := context.WithTimeout(x.ctx, s.b.o.Timeout)
	defer cancel()
	t, err := s.b.table(ctx)
	if err != nil {
		return 0, "", err
	}
	if revision, err = t.Create(ctx, key, []byte(x.id)); err == nil {
		if s.mine(key) {
			return revision, x.id, nil
		}
		return 0, x.id, nil // it is just being given back
	}
	if !errors.Is(err, jetstream.ErrKeyExists) {
		s.b.lost()
		return 0, "", err
	}
	e, err := t.Get(ctx, key)
	if err != nil {
		return 0, "", err
	}
	if owner = string(e.Value()); owner == x.id {
		if s.mine(key) { // it was got before, and the answer did not come
			return e.Revision(), owner, nil
		}
		return 0, owner, nil
	}
	if !s.isDead(ctx, t, owner) {
		return 0, owner, nil
	}
	if revision, err = t.Update(ctx, key, []byte(x.id), e.Revision()); err != nil || !s.mine(key) {
		return 0, "", err
	}
	return revision, x.id, nil
}

// isDead reports whether a seat was taken away. One that is not there may not have come to the server that was
// asked: the leader of the table knows.
func (s *seats) isDead(ctx context.Context, t jetstream.KeyValue, id string) bool {
	if _, err := t.Get(ctx, "seat."+id); !errors.Is(err, jetstream.ErrKeyNotFound) {
		return false
	}
	n, err := t.Create(ctx, "seat."+id, nil)
	if err != nil {
		return false
	}
	return t.Purge(ctx, "seat."+id, jetstream.LastRevision(n), jetstream.PurgeTTL(time.Hour)) == nil
}

// wait waits until a name may be free: its owner has died, or something was heard of it.
func (s *seats) wait(ctx context.Context, owner string, heard <-chan struct{}) error {
	var dead <-chan struct{}
	pause := pollTime
	if owner == "" { // nobody knows
		pause = renewTime
	} else {
		o := s.look(owner)
		defer s.lookAway(owner, o)
		dead = o.dead
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-heard:
	case <-dead:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.b.ctx.Done():
		return hub.ErrClosed
	}
	return nil
}

// look lets somebody look at a seat.
func (s *seats) look(id string) *other {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.others[id]
	if o == nil {
		o = &other{dead: make(chan struct{})}
		var ctx context.Context
		ctx, o.end = context.WithCancel(s.b.ctx)
		s.others[id] = o
		go s.lookAt(ctx, id, o)
	}
	o.waiters++
	return o
}

func (s *seats) lookAway(id string, o *other) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.waiters--; o.waiters == 0 {
		o.end()
		if s.others[id] == o {
			delete(s.others, id)
		}
	}
}

// lookAt looks at a seat until it is dead, and takes it away if it is not renewed.
func (s *seats) lookAt(ctx context.Context, id string, o *other) {
	tick := time.NewTicker(lookTime)
	defer tick.Stop()
	var revision uint64
	var since time.Time
	for {
		if t, err := s.b.table(ctx); err == nil {
			began := time.Now()
			try, cancel := context.WithTimeout(ctx, s.b.o.Timeout)
			e, err := t.Get(try, "seat."+id)
			dead := errors.Is(err, jetstream.ErrKeyNotFound) && s.isDead(try, t, id)
			switch {
			case err != nil:
			case e.Revision() != revision:
				revision, since = e.Revision(), time.Now()
			case began.Sub(since) > deadTime:
				dead = t.Purge(try, "seat."+id, jetstream.LastRevision(revision), jetstream.PurgeTTL(time.Hour)) == nil
			}
			cancel()
			if dead {
				s.mu.Lock()
				if s.others[id] == o {
					delete(s.others, id)
				}
				s.mu.Unlock()
				close(o.dead)
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// listen lets somebody hear of a name: the channel has an element then.
func (s *seats) listen(key string) (heard <-chan struct{}, forget func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[key] = append(s.waiting[key], c)
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		list := s.waiting[key]
		for i := range list {
			if list[i] == c {
				list = append(list[:i:i], list[i+1:]...)
				break
			}
		}
		s.waiting[key] = list
		if len(list) == 0 {
			delete(s.waiting, key)
		}
	}
}

// watch tells those who wait for a name when it was given back.
func (s *seats) watch() {
	for s.b.ctx.Err() == nil {
		s.watchOnce()
		s.pause(renewTime)
	}
}

func (s *seats) watchOnce() {
	t, err := s.b.table(s.b.ctx)
	if err != nil {
		return
	}
	w, err := t.Watch(s.b.ctx, "lead.>", jetstream.UpdatesOnly())
	if err != nil {
		s.b.lost()
		return
	}
	defer w.Stop()
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return
			}
			if e != nil && e.Operation() != jetstream.KeyValuePut {
				s.tell(e.Key())
			}
		case <-s.b.ctx.Done():
			return
		}
	}
}

// tell tells those who wait for a name.
func (s *seats) tell(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.waiting[key] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
