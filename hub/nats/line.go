package nats

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// writer numbers the batches of a broker, so that each knows its own.
type writer struct {
	id [8]byte
	n  atomic.Uint64
}

func (w *writer) begin() { rand.Read(w.id[:]) }

func (w *writer) next() (id [16]byte) {
	copy(id[:], w.id[:])
	binary.BigEndian.PutUint64(id[8:], w.n.Add(1))
	return id
}

// post is a message that waits to be published, or the question where the room is.
type post struct {
	ctx  context.Context
	asks bool // it is no message
	op   draftwire.Op
	data []byte
	at   time.Time
	done chan posted
}

// posted is what has become of it.
type posted struct {
	at     hub.Position
	stream uint64
	err    error
}

// line publishes what is said in a room, one batch behind the other.
type line struct {
	b    *Broker
	room string

	mu      sync.Mutex
	queue   []*post
	running bool
	why     error     // that of the last try, if it has failed
	until   time.Time // another program has its turn

	// Of the goroutine that publishes: the room's last batch, as far as it is known.
	known  bool
	at     hub.Position
	stream uint64 // 0: the room has none
}

// A batch has at most so many messages, and bytes, unless it is a single one.
const (
	batchMessages = 256
	batchBytes    = 64 << 10
)

// line returns the line of a room.
func (b *Broker) line(room string) *line {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.lines[room]
	if l == nil {
		for name, x := range b.lines {
			if len(b.lines) < maxLines {
				break
			}
			if x.idle() {
				delete(b.lines, name)
			}
		}
		l = &line{b: b, room: room}
		b.lines[room] = l
	}
	return l
}

func (l *line) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.running
}

// open returns where the room is; it opens one in which nothing was said yet.
func (l *line) open(ctx context.Context) (at hub.Position, stream uint64, err error) {
	p := &post{ctx: ctx, asks: true, at: time.Now(), done: make(chan posted, 1)}
	l.add(p)
	select {
	case r := <-p.done:
		return r.at, r.stream, r.err
	case <-ctx.Done():
		return hub.Position{}, 0, l.late(ctx)
	}
}

// late is the error of one whose time is over: with the reason why it was tried in vain.
func (l *line) late(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	cause, why := context.Cause(ctx), l.b.reason(l.why)
	switch {
	case cause != ErrAway || why == nil:
		return cause
	case errors.Is(why, ErrAway):
		return why
	}
	return fmt.Errorf("%w: %w", ErrAway, why)
}

// tried notes how a try has ended.
func (l *line) tried(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.why = err
}

// add lets a message be published behind those that wait.
func (l *line) add(p *post) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, p)
	if !l.running {
		l.running = true
		go l.publish()
	}
}

// take takes what goes together; nil where nothing waits.
func (l *line) take() (list []*post) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := batchRoom
	for len(l.queue) > 0 && len(list) < batchMessages {
		p := l.queue[0]
		if size += messageRoom + len(p.data); len(list) > 0 && size > batchBytes {
			break
		}
		l.queue[0] = nil
		l.queue = l.queue[1:]
		if p.ctx.Err() != nil { // nobody waits for it any more
			l.b.posted.Add(-int64(len(p.data)))
			size -= messageRoom + len(p.data)
			continue
		}
		list = append(list, p)
	}
	if len(list) == 0 {
		l.running = false
	}
	return list
}

// publish publishes until nothing waits.
func (l *line) publish() {
	for {
		l.giveWay()
		list := l.take()
		if len(list) == 0 {
			return
		}
		stored, err := l.store(list)
		for _, p := range list {
			r := posted{err: err, stream: l.stream}
			if err == nil && !p.asks {
				r.at, stored = stored, hub.Position{Epoch: stored.Epoch, Seq: stored.Seq + 1}
			} else if err == nil {
				r.at = l.at
			}
			l.b.posted.Add(-int64(len(p.data)))
			p.done <- r
		}
	}
}

// store stores messages as a batch, and returns the place of the first one. It tries as long as somebody waits
// for it.
func (l *line) store(list []*post) (hub.Position, error) {
	x := &batch{writer: l.b.writer.next(), at: list[0].at}
	for _, p := range list {
		if p.asks {
			l.known = false // another program may have said something since
		} else {
			x.messages = append(x.messages, hub.Message{Op: p.op, Data: p.data})
		}
	}
	tried := false // it may have been stored
	began := time.Now()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		try := time.Now()
		ctx, cancel := context.WithTimeout(l.b.ctx, tryTime)
		err := l.once(ctx, x, &tried)
		cancel()
		l.tried(err)
		if err == nil {
			return hub.Position{Epoch: x.epoch, Seq: x.first}, nil
		}
		if errors.Is(err, hub.ErrTooLarge) || errors.Is(err, errUnknown) || l.b.ctx.Err() != nil || over(list) {
			l.known = false
			if l.b.ctx.Err() != nil {
				err = hub.ErrClosed
			}
			return hub.Position{}, err
		}
		if errors.Is(err, errOvertaken) {
			if time.Since(began) > patience {
				l.b.wantTurn(l.room, time.Since(try))
				continue
			}
			pause = time.Millisecond
		}
		select {
		case <-time.After(time.Duration(mathrand.Int64N(int64(pause)) + 1)):
		case <-l.b.ctx.Done():
		}
	}
}

// A program that is far from the broker is always overtaken in a room where those that are near publish without
// a pause. After patience it asks the others to wait for as long as a try takes, at most mostTurn.
const (
	patience = 100 * time.Millisecond
	mostTurn = time.Second
)

// wantTurn asks all other programs to publish nothing in a room for some time.
func (b *Broker) wantTurn(room string, d time.Duration) {
	p := binary.AppendUvarint(bytes.Clone(b.writer.id[:]), uint64(d.Microseconds()))
	b.nc.Publish(b.o.Prefix+".turn", append(p, room...)) // if it does not arrive, the next one does
}

// otherTurn hears that another program wants its turn.
func (b *Broker) otherTurn(p []byte) {
	own := b.writer.id[:]
	if len(p) < len(own) || bytes.HasPrefix(p, own) {
		return
	}
	micro, n := binary.Uvarint(p[len(own):])
	if n <= 0 {
		return
	}
	b.mu.Lock()
	l := b.lines[string(p[len(own)+n:])]
	b.mu.Unlock()
	if l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.until = time.Now().Add(time.Duration(min(micro, uint64(mostTurn.Microseconds()))) * time.Microsecond)
	}
}

// giveWay waits while another program has its turn.
func (l *line) giveWay() {
	l.mu.Lock()
	d := time.Until(l.until)
	l.mu.Unlock()
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-l.b.ctx.Done():
	}
}

// over reports whether nobody waits for messages any more.
func over(list []*post) bool {
	for _, p := range list {
		if p.ctx.Err() == nil {
			return false
		}
	}
	return true
}

// tryTime is how long an answer to a publication is waited for, before it is tried again.
const tryTime = 2 * time.Second

var (
	errOvertaken = errors.New("hub/nats: somebody else has said something in the room meanwhile")
	errUnknown   = fmt.Errorf("%w: nobody knows whether the message was published", ErrAway)
)

// once tries to store a batch behind the room's last one. tried says that a try before may have done it: at
// most one does, as all but the first say that they stand behind the same one.
func (l *line) once(ctx context.Context, x *batch, tried *bool) error {
	if _, err := l.b.table(ctx); err != nil {
		return away(ctx, err)
	}
	subject := l.b.subject(l.room)
	if !l.known {
		last, err := l.b.ask(ctx, &request{LastFor: subject})
		if err == nil && last != nil && last.foreign {
			last, err = l.beneath(ctx, last)
		}
		if err != nil {
			return err
		}
		l.stand(last)
		if last != nil && last.writer == x.writer {
			x.epoch, x.first = last.epoch, last.first
			return nil
		}
	}
	if len(x.messages) == 0 && l.at.Epoch != 0 {
		return nil
	}
	x.epoch, x.first = l.at.Epoch, l.at.Seq+1
	if l.at.Epoch == 0 {
		x.epoch, x.first = mathrand.Uint64()|1, 1
	}
	for i := range x.messages {
		x.messages[i].Position = hub.Position{Epoch: x.epoch, Seq: x.first + uint64(i)}
	}
	ack, err := l.b.js.PublishMsg(ctx, &natsgo.Msg{Subject: subject, Data: x.append(nil)}, jetstream.WithExpectLastSequencePerSubject(l.stream), jetstream.WithRetryAttempts(0))
	if err == nil {
		l.at, l.stream, l.known = x.last(), ack.Sequence, true
		return nil
	}
	refused, is := errors.AsType[*jetstream.APIError](err)
	switch {
	case is && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence:
		return l.overtaken(ctx, x, *tried)
	case is && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return errOvertaken // the servers are just agreeing on another one: it is tried, refused and looked at again
	case is:
	case errors.Is(err, natsgo.ErrMaxPayload):
		return hub.ErrTooLarge
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, natsgo.ErrNoResponders):
		l.b.lost()
	default:
		*tried = true
	}
	return away(ctx, l.b.reason(err))
}

// stand notes which batch is the room's last one; nil: there is none.
func (l *line) stand(last *batch) {
	l.at, l.stream, l.known = hub.Position{}, 0, true
	if last == nil {
		return
	}
	l.stream = last.stream
	if !last.foreign {
		l.at = last.last()
	}
}

// beneath returns the last batch before one that is none, in whose place it then stands.
func (l *line) beneath(ctx context.Context, top *batch) (*batch, error) {
	last := top
	for from, more := uint64(1), true; more; {
		list, rest, err := l.b.after(ctx, l.b.subject(l.room), from)
		if err != nil {
			return nil, err
		}
		for _, x := range list {
			if !x.foreign && x.stream < top.stream {
				last = x
			}
			from = x.stream + 1
		}
		more = rest && len(list) > 0
	}
	last.stream = top.stream
	return last, nil
}

// overtaken looks which batch stands behind the one that was the last: it may be this one.
func (l *line) overtaken(ctx context.Context, x *batch, tried bool) error {
	next, err := l.b.ask(ctx, &request{Seq: l.stream + 1, NextFor: l.b.subject(l.room)})
	if err != nil {
		return err // l.known stays: it is tried, refused and looked at again
	}
	expected := l.at
	l.known = false
	switch {
	case next != nil && next.writer == x.writer:
		l.stand(next)
		l.known = false // there may be others behind it
		x.epoch, x.first = next.epoch, next.first
		return nil
	case !tried || len(x.messages) == 0:
	case next == nil || next.foreign || next.first != expected.Seq+1 || expected.Epoch != 0 && next.epoch != expected.Epoch:
		return errUnknown // the one behind is not kept any more
	}
	return errOvertaken
}
