package nats

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/hub"
	natsgo "github.com/nats-io/nats.go"
)

// room is the subscription of a room: it makes of what comes, which may have holes and come twice, what is
// in the stream.
type room struct {
	b    *Broker
	name string
	feed hub.Feed
	sub  *natsgo.Subscription
	ctx  context.Context
	end  context.CancelFunc
	done chan struct{} // closed when no goroutine works any more, behind over
	late atomic.Bool   // something was dropped, and it is soon looked for

	mu      sync.Mutex // of what follows
	queue   []taken
	check   bool // something was lost: the stream has to be asked
	heard   bool // since the last sweep
	running bool // a goroutine works
	begun   bool // what is published from now on comes to the feed
	over    bool

	// Of the goroutine that works.
	at     hub.Position // of the last message that the feed has got
	stream uint64       // the number of its batch
}

// taken is a batch that waits.
type taken struct {
	*batch
	size int
}

// begin finds out where the room is, and begins to work.
func (r *room) begin(ctx context.Context) (at hub.Position, err error) {
	defer func() { r.rest(err == nil) }()
	if _, err := r.b.table(ctx); err != nil {
		return hub.Position{}, away(ctx, err)
	}
	// The server has the subscription before it is asked for the last message: none falls between.
	if err := r.b.nc.FlushWithContext(ctx); err != nil {
		return hub.Position{}, away(ctx, err)
	}
	r.at, r.stream, err = r.b.line(r.name).open(ctx)
	return r.at, err
}

// rest ends what begin does, and lets a goroutine do what has come meanwhile, if that has succeeded.
func (r *room) rest(ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running, r.begun = false, ok
	r.over = r.over || !ok
	if r.over {
		close(r.done)
	}
	r.wake()
}

// members is how many members the feed has: none until what is published comes to it, as who has
// seen some publishes for them.
func (r *room) members() int {
	r.mu.Lock()
	counts := r.begun && !r.over
	r.mu.Unlock()
	if !counts {
		return 0
	}
	return r.feed.Members()
}

// offer takes a batch that has come. It does not wait: what has no room is read from the stream later.
func (r *room) offer(x *batch, size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	r.heard = true
	if r.b.taken.Add(int64(size)) > maxTaken {
		r.b.taken.Add(-int64(size))
		r.check = true
	} else {
		r.queue = append(r.queue, taken{x, size})
	}
	r.wake()
}

// wake lets a goroutine work, if there is work. The caller holds the lock.
func (r *room) wake() {
	if !r.running && !r.over && (r.check || len(r.queue) > 0) {
		r.running = true
		go r.work()
	}
}

// work gives the feed what has come.
func (r *room) work() {
	for {
		r.mu.Lock()
		if r.over || len(r.queue) == 0 && !r.check {
			r.running = false
			if r.over {
				close(r.done)
			}
			r.mu.Unlock()
			return
		}
		var x taken
		if len(r.queue) > 0 {
			x = r.queue[0]
			r.queue[0] = taken{}
			r.queue = r.queue[1:]
		} else {
			r.check = false
		}
		r.mu.Unlock()
		if x.batch == nil {
			r.audit()
			continue
		}
		r.apply(x.batch)
		r.b.taken.Add(-int64(x.size))
	}
}

// apply gives the feed what is new of a batch, after what is missing before it.
func (r *room) apply(x *batch) {
	switch {
	case x.foreign:
		if x.stream > r.stream { // and may stand behind what did not come
			r.catchUp(r.stream + 1)
		}
		return
	case x.epoch == r.at.Epoch && x.last().Seq <= r.at.Seq:
		return
	}
	if x.epoch != r.at.Epoch { // a new one, or one that comes late
		r.catchUp(1)
	} else if x.first > r.at.Seq+1 {
		r.catchUp(r.stream + 1)
	}
	r.await(x)
	if x.epoch == r.at.Epoch {
		r.deliver(x)
	}
}

var errBehind = errors.New("hub/nats: the server that was asked is behind the leader of the stream")

// await waits until what precedes a batch has come, as far as the leader of the stream still has it: the server
// that answers catchUp may not know of it yet.
func (r *room) await(x *batch) {
	r.retry(func() error {
		if x.epoch == r.at.Epoch && x.first <= r.at.Seq+1 {
			return nil
		}
		next, err := r.b.ask(r.ctx, &request{Seq: r.stream + 1, NextFor: r.b.subject(r.name)})
		if err != nil || next == nil || x.epoch == r.at.Epoch && next.stream >= x.stream {
			return err
		}
		r.catchUp(r.stream + 1)
		return errBehind
	})
}

// audit looks whether the stream has something that did not come.
func (r *room) audit() {
	r.retry(func() error {
		last, _, err := r.b.last(r.ctx, r.b.subject(r.name))
		if err == nil && len(last) > 0 {
			r.apply(last[0])
		}
		return err
	})
}

// catchUp gives the feed what the stream has from a number on.
func (r *room) catchUp(from uint64) {
	for more := true; more; {
		more = false
		r.retry(func() error {
			list, rest, err := r.b.after(r.ctx, r.b.subject(r.name), from)
			for _, x := range list {
				r.deliver(x)
				from = x.stream + 1
			}
			more = rest && len(list) > 0 && err == nil
			return err
		})
	}
}

// retry does something until the broker answers, or the subscription ends.
func (r *room) retry(f func() error) {
	for pause := 50 * time.Millisecond; r.ctx.Err() == nil && f() != nil; pause = min(2*pause, 2*time.Second) {
		select {
		case <-time.After(pause):
		case <-r.ctx.Done():
		}
	}
}

// deliver gives the feed those messages of a batch that it has not got.
func (r *room) deliver(x *batch) {
	if x.foreign {
		r.stream = x.stream
		return
	}
	for _, m := range x.messages {
		if m.Epoch == r.at.Epoch && m.Seq <= r.at.Seq {
			continue
		}
		if r.ctx.Err() != nil {
			return
		}
		r.feed.Message(m)
		r.at = m.Position
	}
	if r.at.Epoch != x.epoch { // one that opens an epoch
		r.at = x.last()
	}
	r.stream = x.stream
}

// dropTime is how long after something of a room was dropped the stream is asked, when more may have been.
const dropTime = time.Second

// dropped lets a room ask the stream, of which something was dropped as too much came at a time. It is told of the
// first one alone.
func (b *Broker) dropped(sub *natsgo.Subscription) {
	b.mu.Lock()
	r := b.rooms[sub]
	b.mu.Unlock()
	if r == nil || r.late.Swap(true) {
		return
	}
	time.AfterFunc(dropTime, func() {
		r.late.Store(false)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.check = true
		r.wake()
	})
}

// stop ends the subscription.
func (r *room) stop() {
	r.b.leave(r)
	r.end()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	for _, x := range r.queue {
		r.b.taken.Add(-int64(x.size))
	}
	r.queue = nil
}

// cancel ends the subscription, and waits until the feed is not called any more.
func (r *room) cancel() {
	r.stop()
	r.mu.Lock()
	running := r.running
	r.mu.Unlock()
	if running {
		<-r.done
	}
}

// sweep asks for the last messages of rooms: of all, or of those that have heard nothing since the last time.
func (b *Broker) sweep(all bool) {
	rooms := map[string][]*room{}
	b.mu.Lock()
	for _, r := range b.rooms {
		r.mu.Lock()
		if all || !r.heard {
			s := b.subject(r.name)
			rooms[s] = append(rooms[s], r)
		}
		r.heard = false
		r.mu.Unlock()
	}
	b.mu.Unlock()
	for part := range slices.Chunk(slices.Collect(maps.Keys(rooms)), sweepMost) {
		for rest := true; rest && len(part) > 0; {
			list, more, err := b.last(b.ctx, part...)
			for _, x := range list {
				for _, r := range rooms[x.subject] {
					r.offer(x, 0)
				}
				delete(rooms, x.subject)
			}
			if rest = more && len(list) > 0 && err == nil; rest || err != nil {
				part = slices.DeleteFunc(part, func(s string) bool { return rooms[s] == nil })
			}
			if err != nil {
				b.check(rooms, part)
			}
		}
	}
}

// check lets rooms ask for their last messages, each by itself.
func (b *Broker) check(rooms map[string][]*room, subjects []string) {
	for _, s := range subjects {
		for _, r := range rooms[s] {
			r.mu.Lock()
			r.check = true
			r.wake()
			r.mu.Unlock()
		}
	}
}

// sweepMost is how many rooms are asked for at once.
const sweepMost = 200
