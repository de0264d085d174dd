package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Errors of a Broker.
var (
	// ErrAway is for what needs the broker while there is no connection to it, or it does not answer in time. A
	// message whose publication ends so may have been published nevertheless.
	ErrAway = errors.New("hub/nats: the broker does not answer")
	// ErrBusy is for a message where too many wait to be published.
	ErrBusy = errors.New("hub/nats: too much waits to be published")
)

// The bounds of a Broker.
const (
	maxPosted  = 64 << 20           // bytes that wait to be published
	maxTaken   = 64 << 20           // bytes that have come and wait for hubs
	maxLines   = 10_000             // rooms whose last place is remembered for publishing
	forgetTime = 7 * 24 * time.Hour // after which a silent room is forgotten
	sweepTime  = 10 * time.Second   // between two looks at the rooms that hear nothing
	// leastHistory is how many batches of a room the stream keeps in any case: holes are filled from them.
	leastHistory = 100
	pingTime     = 2 * time.Second // between pings of the broker; two that are not answered end a connection
)

// Broker is a hub.Broker and a hub.Elector on servers of NATS. Its methods may be called from many
// goroutines.
type Broker struct {
	o      Options
	nc     *natsgo.Conn
	js     jetstream.JetStream
	ctx    context.Context // ends with the broker
	end    context.CancelFunc
	wg     sync.WaitGroup
	live   chan *natsgo.Msg // what the stream sends on
	taken  atomic.Int64     // bytes that wait for hubs
	posted atomic.Int64     // bytes that wait to be published
	writer writer
	seats  *seats
	peers  peers

	reading chan struct{} // has an element for each who reads from the stream
	denied  atomic.Value  // the last error of the broker that something is not allowed
	failed  atomic.Value  // why the last try to connect failed: an error

	making chan struct{} // has an element while the stream and the table are made
	made   atomic.Pointer[jetstream.KeyValue]

	mu     sync.Mutex
	closed bool
	rooms  map[*natsgo.Subscription]*room
	lines  map[string]*line
}

var prefixes = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// Connect begins to connect to the broker. It does not wait until it is connected: that is tried again
// without end, as the broker may come later; Wait waits. Errors say what is wrong with the options. Close must be called.
func Connect(o Options) (*Broker, error) {
	o.Prefix = cmp.Or(o.Prefix, DefaultPrefix)
	o.History = cmp.Or(o.History, DefaultHistory)
	o.Age = cmp.Or(o.Age, DefaultAge)
	o.Bytes = cmp.Or(o.Bytes, DefaultBytes)
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	switch {
	case (o.URL == "") == (o.Server == nil):
		return nil, errors.New("hub/nats: there must be a URL or a server in this process, and not both")
	case !prefixes.MatchString(o.Prefix):
		return nil, fmt.Errorf("hub/nats: the prefix %.70q is not of 1 to 64 letters, digits and '-'", o.Prefix)
	case o.History < 0 || o.Age < 0 || o.Bytes < 0 || o.Timeout < 0 || o.Replicas < 0:
		return nil, errors.New("hub/nats: an option is negative")
	case o.Bytes < maxPayload: // each message would take the room's last one away, and begin an epoch
		return nil, fmt.Errorf("hub/nats: Bytes must be at least %d, which is the longest message", maxPayload)
	}
	b := &Broker{o: o, live: make(chan *natsgo.Msg, 1024), making: make(chan struct{}, 1), reading: make(chan struct{}, maxReading), rooms: map[*natsgo.Subscription]*room{}, lines: map[string]*line{}}
	b.ctx, b.end = context.WithCancel(context.Background())
	b.writer.begin()
	changed := func(err error) {
		if f := o.Changed; f != nil && b.ctx.Err() == nil {
			f(err)
		}
	}
	again := make(chan struct{}, 1)
	connected := func(*natsgo.Conn) {
		select {
		case again <- struct{}{}:
		default:
		}
		changed(nil)
	}
	opts := []natsgo.Option{natsgo.Name("draftwire"), natsgo.RetryOnFailedConnect(true), natsgo.MaxReconnects(-1), natsgo.ReconnectWait(250 * time.Millisecond),
		natsgo.ReconnectBufSize(-1), natsgo.PingInterval(pingTime), natsgo.MaxPingsOutstanding(2), natsgo.Timeout(2 * time.Second),
		natsgo.IgnoreAuthErrorAbort(), // who refuses now may be configured anew
		natsgo.ConnectHandler(connected), natsgo.ReconnectHandler(connected),
		natsgo.DisconnectErrHandler(func(_ *natsgo.Conn, err error) {
			b.lost()
			changed(cmp.Or(err, ErrAway))
		}),
		natsgo.ReconnectErrHandler(func(_ *natsgo.Conn, err error) { b.failed.Store(fmt.Errorf("%w", err)) }),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, sub *natsgo.Subscription, err error) {
			switch {
			case errors.Is(err, natsgo.ErrPermissionViolation):
				b.denied.Store(fmt.Errorf("%w", err))
			case errors.Is(err, natsgo.ErrSlowConsumer):
				b.dropped(sub)
			}
		})}
	if o.Credentials != "" {
		opts = append(opts, natsgo.UserCredentials(o.Credentials))
	}
	if o.TLS != nil {
		opts = append(opts, natsgo.Secure(o.TLS))
	}
	if o.Server != nil {
		opts = append(opts, natsgo.InProcessServer(o.Server.ns), natsgo.Token(o.Server.token))
	}
	var err error
	if b.nc, err = natsgo.Connect(o.URL, opts...); err != nil {
		return nil, fmt.Errorf("hub/nats: %w", err)
	}
	if b.js, err = jetstream.New(b.nc); err == nil {
		err = b.answer()
	}
	if err != nil {
		b.nc.Close()
		return nil, fmt.Errorf("hub/nats: %w", err)
	}
	b.seats = newSeats(b)
	b.wg.Go(b.take)
	b.wg.Go(func() { b.tend(again) })
	return b, nil
}

// Wait waits until the broker is there, and ready to store messages, or ctx ends. The error then says why it is not.
func (b *Broker) Wait(ctx context.Context) error {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		_, err := b.table(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrAway, err)
		case <-b.ctx.Done():
			return hub.ErrClosed
		}
	}
}

// Connected reports whether there is a connection to the broker.
func (b *Broker) Connected() bool { return b.nc.IsConnected() }

// Close ends the broker: what waits to be published is not, and subscriptions get nothing more.
func (b *Broker) Close() {
	b.mu.Lock()
	b.closed = true
	rooms := make([]*room, 0, len(b.rooms))
	for _, r := range b.rooms {
		rooms = append(rooms, r)
	}
	b.mu.Unlock()
	b.seats.close()
	b.end()
	for _, r := range rooms {
		r.cancel()
	}
	b.nc.Close()
	b.wg.Wait()
}

// The names of things at the broker.
func (b *Broker) stream() string             { return b.o.Prefix + "-rooms" }
func (b *Broker) subject(room string) string { return b.o.Prefix + ".room." + token(room) }
func (b *Broker) told(room string) string    { return b.o.Prefix + ".told." + token(room) }

// table returns the table of values that all programs have, and makes it and the stream of the rooms, where
// they are not there.
func (b *Broker) table(ctx context.Context) (jetstream.KeyValue, error) {
	if t := b.made.Load(); t != nil {
		return *t, nil
	}
	if err := b.there(ctx); err != nil {
		return nil, err
	}
	select {
	case b.making <- struct{}{}:
		defer func() { <-b.making }()
	case <-ctx.Done():
		return nil, b.reason(ctx.Err())
	}
	if t := b.made.Load(); t != nil {
		return *t, nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.o.Timeout)
	defer cancel()
	storage := jetstream.MemoryStorage
	if b.o.Disk {
		storage = jetstream.FileStorage
	}
	replicas, err := b.makeStream(ctx, jetstream.StreamConfig{Name: b.stream(), Subjects: []string{b.o.Prefix + ".room.>"},
		Storage: storage, MaxMsgsPerSubject: int64(max(b.o.History, leastHistory)) + 1, MaxAge: b.o.Age + forgetTime, MaxBytes: b.o.Bytes,
		Discard: jetstream.DiscardOld, AllowDirect: true, Duplicates: time.Second,
		RePublish: &jetstream.RePublish{Source: b.o.Prefix + ".room.>", Destination: b.o.Prefix + ".told.>"}})
	if err != nil {
		return nil, b.reason(err)
	}
	t, err := b.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: b.o.Prefix + "-table", History: 1, Storage: storage, Replicas: replicas, MaxValueSize: maxPayload, MaxBytes: tableBytes, LimitMarkerTTL: time.Hour})
	if err != nil {
		return nil, b.reason(err)
	}
	b.made.Store(&t)
	return t, nil
}

// makeStream makes a stream, or changes the one that is there, and returns how many replicas it has.
func (b *Broker) makeStream(ctx context.Context, c jetstream.StreamConfig) (replicas int, err error) {
	s, err := b.js.Stream(ctx, c.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		c.Replicas = max(1, b.o.Replicas)
		if b.o.Replicas == 0 && b.o.Server != nil {
			c.Replicas = b.o.Server.replicas()
		}
		// A stream that is made anew begins with other numbers than the one before: who still knows the last
		// message of a room there does not take another one for it.
		c.FirstSeq = uint64(time.Now().UnixMicro())
		if _, err = b.js.CreateStream(ctx, c); !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return c.Replicas, err
		}
		s, err = b.js.Stream(ctx, c.Name) // another program has made it meanwhile
	}
	if err != nil {
		return 0, err
	}
	has := s.CachedInfo().Config
	c.FirstSeq, c.Replicas = has.FirstSeq, cmp.Or(b.o.Replicas, has.Replicas)
	_, err = b.js.UpdateStream(ctx, c)
	return c.Replicas, err
}

// there waits for a connection.
func (b *Broker) there(ctx context.Context) error {
	for pause := 10 * time.Millisecond; !b.nc.IsConnected(); pause = min(2*pause, 250*time.Millisecond) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return b.reason(ctx.Err())
		case <-b.ctx.Done():
			return hub.ErrClosed
		}
	}
	return nil
}

// reason is what is known of why the broker does not answer, where that says more than an error that it led to.
func (b *Broker) reason(err error) error {
	if !b.nc.IsConnected() {
		failed, _ := b.failed.Load().(error)
		return cmp.Or(failed, b.nc.LastError(), err)
	}
	late := err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, natsgo.ErrTimeout)
	if denied, is := b.denied.Load().(error); is && late {
		return denied
	}
	return err
}

// tableBytes bounds the table.
const tableBytes = 256 << 20

// lost notes that the broker may have no stream any more: it is made with the next use.
func (b *Broker) lost() { b.made.Store(nil) }

// tend looks after the rooms that hear nothing: when the connection is there again, after all.
func (b *Broker) tend(again <-chan struct{}) {
	tick := time.NewTicker(sweepTime)
	defer tick.Stop()
	for {
		all := false
		select {
		case <-tick.C:
		case <-again:
			b.lost()
			all = true
		case <-b.ctx.Done():
			return
		}
		b.sweep(all)
	}
}

// Publish implements hub.Broker. Its errors are ErrAway, ErrBusy, hub.ErrTooLarge, hub.ErrClosed and that of the
// context.
func (b *Broker) Publish(ctx context.Context, room string, op draftwire.Op, data []byte) (hub.Position, error) {
	if int64(len(data))+batchRoom+messageRoom > b.most() {
		return hub.Position{}, hub.ErrTooLarge
	}
	if b.ctx.Err() != nil {
		return hub.Position{}, hub.ErrClosed
	}
	if n := int64(len(data)); b.posted.Add(n) > maxPosted {
		b.posted.Add(-n)
		return hub.Position{}, ErrBusy
	}
	ctx, cancel := context.WithTimeoutCause(ctx, b.o.Timeout, ErrAway)
	defer cancel()
	p := &post{ctx: ctx, op: op, data: data, at: time.Now(), done: make(chan posted, 1)}
	l := b.line(room)
	l.add(p)
	select {
	case r := <-p.done:
		if r.err != nil && ctx.Err() != nil {
			r.err = l.late(ctx)
		}
		return r.at, r.err
	case <-ctx.Done():
		return hub.Position{}, l.late(ctx)
	}
}

// most is how long a message of NATS may be.
func (b *Broker) most() int64 {
	if n := b.nc.MaxPayload(); n > 0 {
		return n
	}
	return maxPayload // it was never connected
}

// History implements hub.Broker.
func (b *Broker) History(ctx context.Context, room string, after hub.Position, limit int) ([]hub.Message, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.o.Timeout, ErrAway)
	defer cancel()
	kept, err := b.kept(ctx, b.subject(room))
	if err != nil {
		return nil, err
	}
	from := 0
	for from < len(kept) && (time.Since(kept[from].At) > b.o.Age || kept[from].Epoch == after.Epoch && kept[from].Seq <= after.Seq) {
		from++
	}
	kept = kept[from:]
	return kept[:min(max(limit, 0), len(kept))], nil
}

// kept returns the last messages of a subject, as many as the history has.
func (b *Broker) kept(ctx context.Context, subject string) (kept []hub.Message, err error) {
	for from, pause := uint64(1), 10*time.Millisecond; ; pause = min(2*pause, time.Second) {
		// The leader knows which is the last one; the server that answers may be behind it.
		last, err := b.ask(ctx, &request{LastFor: subject})
		if err != nil {
			return nil, err
		}
		if last == nil || last.stream < from {
			return kept, nil
		}
		for more := true; more; {
			list, rest, err := b.after(ctx, subject, from)
			if err != nil {
				return nil, err
			}
			for _, x := range list {
				kept = append(kept, x.messages...)
				from = x.stream + 1
			}
			more = rest && len(list) > 0
			kept = kept[max(0, len(kept)-b.o.History):] // each batch has one message at least
		}
		if from > last.stream {
			return kept, nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, away(ctx, errBehind)
		}
	}
}

// Subscribe implements hub.Broker.
func (b *Broker) Subscribe(ctx context.Context, name string, f hub.Feed) (hub.Position, func(), error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.o.Timeout, ErrAway)
	defer cancel()
	r := &room{b: b, name: name, feed: f, running: true, done: make(chan struct{})}
	r.ctx, r.end = context.WithCancel(b.ctx)
	if err := b.enter(r); err != nil {
		r.end()
		return hub.Position{}, nil, err
	}
	at, err := r.begin(ctx)
	if err != nil {
		r.stop()
		return hub.Position{}, nil, err
	}
	return at, r.cancel, nil
}

// enter subscribes to what the stream sends on of a room.
func (b *Broker) enter(r *room) error {
	b.mu.Lock() // so that nothing that comes is looked for before it is there
	defer b.mu.Unlock()
	if b.closed {
		return hub.ErrClosed
	}
	sub, err := b.nc.ChanSubscribe(b.told(r.name), b.live)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	r.sub = sub
	b.rooms[sub] = r
	return nil
}

// leave takes a room out.
func (b *Broker) leave(r *room) {
	r.sub.Unsubscribe()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.rooms, r.sub)
}

// take hands what comes to its room. It waits for nobody.
func (b *Broker) take() {
	for {
		select {
		case m := <-b.live:
			b.mu.Lock()
			r := b.rooms[m.Sub]
			b.mu.Unlock()
			if x, err := received(m); r != nil && err == nil {
				r.offer(x, len(m.Data))
			}
		case <-b.ctx.Done():
			return
		}
	}
}
