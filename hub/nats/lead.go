package nats

import (
	"bytes"
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
	turns   map[string]*turn           // of names that this program has or wants, by their keys
	closed  bool
	leading sync.WaitGroup // functions that were called and have not returned
}

// turn lets one after the other in this program try to get a name, have it, and give it back.
type turn struct {
	users int
	c     chan struct{} // has an element while somebody does
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
	return &seats{b: b, changed: make(chan struct{}), others: map[string]*other{}, waiting: map[string][]chan struct{}{}, turns: map[string]*turn{}}
}

// start begins to hold a seat, with the first name that is asked for.
func (s *seats) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.once.Do(func() {
		s.b.wg.Go(s.hold)
		s.b.wg.Go(s.watch)
	})
}

// hold holds a seat, and takes a new one when it is lost.
func (s *seats) hold() {
	for s.b.ctx.Err() == nil && !s.isClosed() {
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

func (s *seats) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

var errYoung = errors.New("hub/nats: the table was just made: somebody may still lead by the one before")

func (s *seats) create(x *seat) error {
	ctx, cancel := context.WithTimeout(s.b.ctx, loseTime)
	defer cancel()
	t, err := s.b.table(ctx)
	if err != nil {
		return err
	}
	if x.revision, err = t.Create(ctx, "seat."+x.id, nil); err != nil {
		s.b.lost()
		return err
	}
	young, err := s.isYoung(ctx, t)
	if err == nil && young {
		err = errYoung
	}
	if err != nil {
		purge(ctx, t, "seat."+x.id, x.revision)
	}
	return err
}

// isYoung reports whether others may still lead who stood in a table that this one replaces: one in memory,
// of a server that has ended. Both times are of the servers.
func (s *seats) isYoung(ctx context.Context, t jetstream.KeyValue) (bool, error) {
	if s.b.o.Server != nil && s.b.o.Server.alone {
		return false, nil // nobody of another process, and whoever is of this one never comes back to it
	}
	status, err := t.Status(ctx)
	if err != nil {
		return false, err
	}
	of, is := status.(*jetstream.KeyValueBucketStatus)
	if !is {
		return false, nil
	}
	info := of.StreamInfo()
	return info.Config.Storage == jetstream.MemoryStorage && info.TimeStamp.Sub(info.Created) < loseTime+time.Second, nil
}

// renew renews a seat until it is lost. good is when the last renewal that has succeeded began.
func (s *seats) renew(x *seat, good time.Time) {
	lose := time.AfterFunc(time.Until(good.Add(loseTime)), x.end)
	defer lose.Stop()
	for {
		select {
		case <-time.After(renewTime):
		case <-x.ctx.Done():
			return
		}
		began := time.Now()
		ctx, cancel := context.WithDeadline(x.ctx, good.Add(loseTime))
		t, err := s.b.table(ctx)
		if err == nil {
			var n uint64
			if n, err = t.Update(ctx, "seat."+x.id, nil, x.revision); err == nil {
				x.revision, good = n, began
				lose.Reset(time.Until(good.Add(loseTime)))
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
	_, revision, err := s.b.entry(ctx, "seat."+x.id)
	if err != nil {
		return true // which the time decides
	}
	x.revision = max(x.revision, revision)
	return revision > 0
}

// close gives the seat back, when those who lead have stopped. If they do not within a second, the seat
// stays, and others wait until it is dead.
func (s *seats) close() {
	s.mu.Lock()
	x := s.now
	s.closed = true
	s.mu.Unlock()
	if x == nil {
		return
	}
	x.end()
	ctx, cancel := context.WithTimeout(s.b.ctx, time.Second)
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		s.leading.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
		return
	}
	if t, err := s.b.table(ctx); err == nil {
		t.Purge(ctx, "seat."+x.id, jetstream.PurgeTTL(time.Hour))
	}
}

// purge takes a value away that has that revision.
func purge(ctx context.Context, t jetstream.KeyValue, key string, revision uint64) error {
	return t.Purge(ctx, key, jetstream.LastRevision(revision), jetstream.PurgeTTL(time.Hour))
}

// entry returns what the leader of the table knows of a key: no revision where there is none.
func (b *Broker) entry(ctx context.Context, key string) (value string, revision uint64, err error) {
	bucket := b.o.Prefix + "-table"
	a, err := b.askLeader(ctx, "KV_"+bucket, &request{LastFor: "$KV." + bucket + "." + key})
	if err != nil || a.Message == nil {
		return "", 0, err
	}
	for _, gone := range []string{"KV-Operation", "Nats-Marker-Reason"} {
		if bytes.Contains(a.Message.Header, []byte(gone)) {
			return "", 0, nil
		}
	}
	return string(a.Message.Data), a.Message.Seq, nil
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
	s := b.seats
	s.start()
	key := "lead." + token(name)
	t := s.turn(key)
	select {
	case t.c <- struct{}{}:
	case <-ctx.Done():
		s.leave(key, t)
		return ctx.Err()
	case <-b.ctx.Done():
		s.leave(key, t)
		return hub.ErrClosed
	}
	x, revision, err := s.get(ctx, key)
	defer func() {
		go func() {
			s.giveBack(x, key, revision)
			<-t.c
			s.leave(key, t)
		}()
	}()
	if err != nil {
		return err
	}
	return s.lead(ctx, x, f)
}

// turn returns the turn of a name, and leave gives it back.
func (s *seats) turn(key string) *turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.turns[key]
	if t == nil {
		t = &turn{c: make(chan struct{}, 1)}
		s.turns[key] = t
	}
	t.users++
	return t
}

func (s *seats) leave(key string, t *turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(s.turns, key)
	}
}

// get waits until it has got a name. With an error it may have got it nevertheless, with a seat, if that is not nil.
func (s *seats) get(ctx context.Context, key string) (x *seat, revision uint64, err error) {
	for {
		now, err := s.current(ctx)
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return x, 0, err
		}
		x = now
		heard, forget := s.listen(key)
		revision, owner, err := s.claim(x, key)
		if revision > 0 {
			forget()
			return x, revision, nil
		}
		doubt := err != nil
		err = s.wait(ctx, owner, heard)
		forget()
		if !doubt {
			x = nil
		}
		if err != nil {
			return x, 0, err
		}
	}
}

// lead calls f while the seat is held.
func (s *seats) lead(ctx context.Context, x *seat, f func(ctx context.Context) error) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return hub.ErrClosed
	}
	s.leading.Add(1)
	s.mu.Unlock()
	defer s.leading.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(x.ctx, cancel)()
	return f(ctx)
}

// giveBack frees a name. It is tried until it is done, or the seat is lost, and the name with it. Without a
// revision nobody knows whether the program has the name: it then gets it, so as to give it back.
func (s *seats) giveBack(x *seat, key string, revision uint64) {
	for x != nil && x.ctx.Err() == nil {
		var err error
		if revision == 0 {
			revision, _, err = s.claim(x, key)
		}
		if err == nil && revision == 0 {
			return // another one has it
		}
		if err == nil {
			ctx, cancel := context.WithTimeout(x.ctx, loseTime)
			var t jetstream.KeyValue
			if t, err = s.b.table(ctx); err == nil {
				err = purge(ctx, t, key, revision)
			}
			cancel()
		}
		if err == nil || wrongRevision(err) {
			return
		}
		s.pause(renewTime)
	}
}

// claim tries to get a name. The revision is above 0 where it was got; owner is the seat that has
// it. What decides is what the leader of the table knows: other servers may be behind it.
func (s *seats) claim(x *seat, key string) (revision uint64, owner string, err error) {
	ctx, cancel := context.WithTimeout(x.ctx, s.b.o.Timeout)
	defer cancel()
	t, err := s.b.table(ctx)
	if err != nil {
		return 0, "", err
	}
	if revision, err = t.Create(ctx, key, []byte(x.id)); errors.Is(err, jetstream.ErrKeyExists) {
		var at uint64
		if owner, at, err = s.b.entry(ctx, key); err != nil || at == 0 {
			return 0, "", err
		}
		// Its own it is where the answer to a claim before did not come.
		if owner != x.id && !s.isDead(ctx, t, owner) {
			return 0, owner, nil
		}
		if revision, err = t.Update(ctx, key, []byte(x.id), at); wrongRevision(err) {
			return 0, "", nil // another one was quicker
		}
	}
	if err != nil {
		s.b.lost()
		return 0, "", err
	}
	// The table may be another one than that in which it took its seat.
	if _, seat, err := s.b.entry(ctx, "seat."+x.id); err != nil || seat == 0 {
		return 0, "", cmp.Or(err, errYoung)
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
	return purge(ctx, t, "seat."+id, n) == nil
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
				dead = purge(try, t, "seat."+id, revision) == nil
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
