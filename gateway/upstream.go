package gateway

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/wire"
)

// The connection of a room to its backend. Of the gateways that have members of a room the broker
// chooses one that leads it: this one has the connection, publishes what the backend says, and sends the backend what
// members say. When it ends, or the broker cannot reach it, another one takes over.

// Bounds of what members have said and the backend has not been sent yet, of a room, beside the last message: those
// who say more wait.
const (
	uplinkMessages = 1024
	uplinkBytes    = 1 << 20
)

// firstRetry is how long a gateway waits at first until it connects anew; then twice as long each time, up to Rooms.Retry.
const firstRetry = 250 * time.Millisecond

// stand leads the room whenever it is this gateway's turn, until ctx ends.
func (l *line) stand(ctx context.Context, r *route) {
	x := l.rooms
	for ctx.Err() == nil {
		err := x.g.elector.Lead(ctx, x.inName(l.path), func(ctx context.Context) error { return l.lead(ctx, r) })
		if err != nil && ctx.Err() == nil {
			x.g.tellUpstream(r, "", l.path, err) // the broker does not let it lead
			pause(ctx, time.Second)
		}
	}
}

// pause waits, for half of d at least.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// lead keeps a connection to the backend until ctx ends.
func (l *line) lead(ctx context.Context, r *route) error {
	l.leading.Store(true)
	defer l.leading.Store(false)
	x := l.rooms
	up := &uplink{count: &x.count, ready: make(chan struct{}, 1)}
	up.changed.L = &up.mu
	_, cancel, err := x.g.broker.Subscribe(ctx, x.inName(l.path), hub.Feed{Message: up.put, Members: func() int { return 1 }})
	if err != nil {
		return err
	}
	defer cancel()
	l.led.Store(math.MaxInt64)
	defer l.led.Store(0)
	defer up.end() // before cancel, which waits for put
	stop := context.AfterFunc(ctx, up.end)
	defer stop()
	for wait := firstRetry; ctx.Err() == nil; wait = min(2*wait, r.Rooms.Retry.timeout()) {
		began := time.Now()
		c, b, err := l.dial(ctx, r)
		if err == nil {
			x.count.upstreams.Add(1)
			x.g.tellUpstream(r, b.name, l.path, nil)
			err = l.carry(ctx, c, r, up)
			x.count.upstreams.Add(-1)
			b.open.Add(-1)
		}
		if ctx.Err() != nil {
			break
		}
		l.lost(ctx, r, b, err)
		if time.Since(began) > r.Rooms.Retry.timeout() {
			wait = firstRetry
		}
		pause(ctx, wait)
	}
	return ctx.Err()
}

// The first and the longest pause of awaitLeader.
const (
	firstLook = 10 * time.Millisecond
	lastLook  = 500 * time.Millisecond
)

// ledTime is for how long a gateway takes it for sure that another one leads a room.
const ledTime = time.Second

// awaitLeader waits until a gateway leads the room, so that what is said while none does is heard all the same.
// However many wait, one of them asks the broker.
func (l *line) awaitLeader(ctx context.Context) error {
	if l.led.Load() > time.Now().UnixNano() {
		return nil
	}
	select {
	case l.asking <- struct{}{}:
		defer func() { <-l.asking }()
	case <-ctx.Done():
		return errNobodyLeads
	}
	for wait := firstLook; ; wait = min(2*wait, lastLook) {
		began, until := time.Now(), l.led.Load()
		if until > began.UnixNano() {
			return nil
		}
		if n, err := l.rooms.g.broker.Members(ctx, l.rooms.inName(l.path)); err == nil && n > 0 {
			l.led.CompareAndSwap(until, began.Add(ledTime).UnixNano()) // unless this gateway leads it now
			return nil
		}
		pause(ctx, wait)
		if ctx.Err() != nil {
			return errNobodyLeads
		}
	}
}

var errNobodyLeads = errors.New("no gateway has its backend")

// tellUpstream tells the hook of a connection that has opened, or has ended or not opened because of err.
func (g *Gateway) tellUpstream(r *route, backend, path string, err error) {
	if f := g.hooks.RoomBackend; f != nil {
		f(r.Name, backend, path, err)
	}
}

// lost tells that the room has no connection, because of err, and closes the members of all gateways, if
// that is what the route wants.
func (l *line) lost(ctx context.Context, r *route, b *backend, err error) {
	x := l.rooms
	name := ""
	if b != nil {
		name = b.name
	}
	x.g.tellUpstream(r, name, l.path, err)
	if r.Rooms.OnBackendLoss != "close" {
		return
	}
	code, reason := closeOfLost(BackendSide, err)
	if ce := closeOf(err); ce != nil && ce.Code.OnWire() {
		code, reason = ce.Code, ce.Reason
	}
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	x.g.broker.Publish(ctx, x.endName(l.path), draftwire.OpText, fmt.Appendf(nil, "%d %s", code, reason))
}

// heed closes the members of this gateway when who leads the room says that the backend has ended it.
func (l *line) heed(ctx context.Context) {
	x := l.rooms
	for ctx.Err() == nil {
		_, cancel, err := x.g.broker.Subscribe(ctx, x.endName(l.path), hub.Feed{Message: l.ended, Members: func() int { return 0 }})
		if err == nil {
			<-ctx.Done()
			cancel()
			return
		}
		pause(ctx, time.Second)
	}
}

// ended closes all members as a message says.
func (l *line) ended(m hub.Message) {
	code, reason, _ := strings.Cut(string(m.Data), " ")
	n, err := strconv.ParseUint(code, 10, 16)
	ce := &draftwire.CloseError{Code: draftwire.CloseCode(n), Reason: strings.ToValidUTF8(reason, "\ufffd")}
	if err != nil || !ce.Code.OnWire() { // it is another program's
		return
	}
	l.rooms.mu.Lock()
	defer l.rooms.mu.Unlock()
	for m := range l.members {
		m.endedByBackend(ce)
	}
}

// dial opens a connection to the first backend that accepts it. With an error, b is the last that was tried, nil
// where none was.
func (l *line) dial(ctx context.Context, r *route) (c *draftwire.Conn, b *backend, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.DialTimeout.timeout())
	defer cancel()
	by, _ := ctx.Deadline()
	if _, err := r.target("", l.path); err != nil { // after a reload; it is no backend's fault
		return nil, nil, err
	}
	key := ""
	if r.balance.kind == "path" {
		key = l.path
	}
	var failures []error
	list := r.backends.order(key)
	for i, one := range list {
		if !one.take() {
			failures = append(failures, fmt.Errorf("%s has as many connections as it may", one.name))
			continue
		}
		b = one
		share := time.Now().Add(max(time.Until(by)/time.Duration(len(list)-i), minTry))
		try, cancel := context.WithDeadline(ctx, share)
		c, err := l.dialOne(try, r, one)
		cancel()
		if err == nil {
			one.accepted()
			one.open.Add(1)
			one.give()
			return c, one, nil
		}
		one.give()
		if l.rooms.g.ctx.Err() == nil && ownerOf(err) != ofGateway {
			l.blame(r, one, err)
		}
		failures = append(failures, err)
	}
	return nil, b, errors.Join(failures...)
}

// blame notes a backend's failure.
func (l *line) blame(r *route, b *backend, err error) {
	if f := l.rooms.g.hooks.BackendFailed; f != nil {
		f(r.Name, b.name, err)
	}
	b.failed(err)
	if ownerOf(err) == ofBackend {
		b.rest(time.Duration(r.Health.Cooldown))
	}
}

// dialOne opens a connection to a backend. Its request is that of no client: it has the room's path without a query,
// and of fields those of set_headers and one that says what it is for.
func (l *line) dialOne(ctx context.Context, r *route, b *backend) (*draftwire.Conn, error) {
	target, err := r.target(b.url.EscapedPath(), l.path)
	if err != nil {
		return nil, err
	}
	limits := &l.rooms.g.state.Load().cfg.Limits
	v := &visit{
		target: target, origin: r.Origin, fields: r.set, compression: compressionModes[r.Policy.CompressionBackend],
		text: textPolicy(r.Policy.InvalidText),
		limits: draftwire.Limits{
			ReadLimit: int64(r.Rooms.Message), HeadLimit: int(limits.Head), HandshakeTimeout: r.DialTimeout.timeout(),
			CloseTimeout: limits.CloseTimeout.timeout(), WriteTimeout: limits.WriteTimeout.timeout(),
		},
	}
	if r.Forwarded != forwardedNone {
		v.fields = append(v.fields[:len(v.fields):len(v.fields)], wire.Field{Name: roomField, Value: r.Name})
	}
	if r.Subprotocol != "" {
		v.protocols = []string{r.Subprotocol}
	}
	p, _, err := b.openWith(v, func(o *draftwire.DialOptions) (*draftwire.Conn, wire.Fields, error) {
		o.Value = nil
		return b.dial(ctx, l.rooms.g.dial, o)
	})
	if err != nil {
		return nil, err
	}
	return p.(*socket).Conn, nil
}

// roomField is the field by which a backend sees that a connection is that of a room. Its value is the name of the route.
const roomField = "Draftwire-Room"

// carry publishes what the backend says, and sends it what members say, until the connection or ctx ends.
func (l *line) carry(ctx context.Context, c *draftwire.Conn, r *route, up *uplink) error {
	x := l.rooms
	ctx, cancel := context.WithCancelCause(ctx)
	var both sync.WaitGroup
	both.Go(func() {
		if err := up.run(ctx, c, time.Duration(r.Policy.PingBackend)); err != nil {
			cancel(err)
		}
	})
	out := x.outName(l.path)
	var err error
	for {
		var op draftwire.Op
		var p []byte
		if op, p, err = c.Read(ctx); err != nil {
			break
		}
		if _, err := x.g.broker.Publish(ctx, out, op, p); err == nil {
			x.count.published.Add(1)
		} else {
			x.count.unpublished.Add(1)
		}
	}
	if why := context.Cause(ctx); why != nil {
		err = why
	}
	cancel(nil)
	both.Wait()
	x.g.working.Go(func() { closeUpstream(c, err) }) // nobody who takes over waits for it
	return err
}

// closeUpstream closes a connection to the backend, or answers its close.
func closeUpstream(c *draftwire.Conn, err error) {
	code := draftwire.CodeGoingAway
	if ce := closeOf(err); ce != nil {
		code = ce.Code
	}
	if errors.Is(err, errSilent) {
		c.CloseNow()
		return
	}
	c.Close(code, "")
}

// uplink is what members have said and the backend has not been sent yet.
type uplink struct {
	count *roomCounts
	ready chan struct{} // has an element when there is something

	mu      sync.Mutex
	changed sync.Cond
	queue   []hub.Message
	bytes   int
	last    hub.Position // of what has come
	open    bool         // there is a connection
	ended   bool
}

// put takes a message of a member. It waits while there are too many and the backend is there to take them;
// otherwise the oldest goes, which is counted.
func (u *uplink) put(m hub.Message) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last.Epoch == m.Epoch && m.Seq > u.last.Seq+1 {
		u.count.unheard.Add(m.Seq - u.last.Seq - 1) // the broker has lost them
	}
	u.last = m.Position
	for u.open && !u.ended && u.full() {
		u.changed.Wait()
	}
	if u.ended {
		u.count.unheard.Add(1)
		return
	}
	u.queue = append(u.queue, m)
	u.bytes += len(m.Data)
	for !u.open && u.full() && len(u.queue) > 1 {
		u.bytes -= len(u.queue[0].Data)
		u.queue[0] = hub.Message{} // so that its payload is free
		u.queue = u.queue[1:]
		u.count.unheard.Add(1)
	}
	select {
	case u.ready <- struct{}{}:
	default:
	}
}

func (u *uplink) full() bool { return len(u.queue) > uplinkMessages || u.bytes > uplinkBytes }

// take returns all that is there.
func (u *uplink) take() []hub.Message {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.queue
	u.queue, u.bytes = nil, 0
	u.changed.Broadcast()
	return list
}

// connected sets whether there is a connection.
func (u *uplink) connected(yes bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.open = yes
	u.changed.Broadcast()
}

// end ends all waiting. What is there then is not heard.
func (u *uplink) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	u.count.unheard.Add(uint64(len(u.queue)))
	u.queue, u.bytes = nil, 0
	u.changed.Broadcast()
}

// run sends the backend what members say, and pings it, until ctx ends or the backend does not answer.
func (u *uplink) run(ctx context.Context, c *draftwire.Conn, ping time.Duration) error {
	u.connected(true)
	defer u.connected(false)
	var pings <-chan time.Time
	if ping > 0 && c.Version().Supports(draftwire.CapPing) {
		t := time.NewTicker(ping)
		defer t.Stop()
		pings = t.C
	}
	for pinged := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-u.ready:
			if err := u.send(ctx, c); err != nil {
				return err
			}
		case <-pings:
			if heard := c.Heard(); pinged && !heard {
				return errSilent
			}
			pinged = c.PostPing() == nil
		}
	}
}

// send sends all that is there.
func (u *uplink) send(ctx context.Context, c *draftwire.Conn) error {
	list := u.take()
	for i, m := range list {
		err := c.Write(ctx, m.Op, m.Data)
		switch {
		case err == nil:
			u.count.heard.Add(1)
		case errors.Is(err, draftwire.ErrUnsupported), errors.Is(err, draftwire.ErrInvalidText):
			// The version of the backend has no binary messages; or another program has published no text.
			u.count.unheard.Add(1)
		default:
			u.count.unheard.Add(uint64(len(list) - i))
			return err
		}
	}
	return nil
}
