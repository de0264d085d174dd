package nats

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

// peers are the programs that are connected to the broker with the same prefix: who asks all of them
// knows how many answers there will be. Each says now and then that it is there.
type peers struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// How often a program says that it is there, when it is forgotten, and how many are known.
const (
	hereTime = 2 * time.Second
	goneTime = 7 * time.Second
	maxPeers = 1000
)

// askTime is how long an answer of all is waited for, when some of them do not answer.
const askTime = 500 * time.Millisecond

// note notes that a program is there, and reports whether it is new.
func (p *peers) note(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.seen = map[string]time.Time{}
	}
	_, known := p.seen[id]
	if known || len(p.seen) < maxPeers {
		p.seen[id] = time.Now()
	}
	return !known
}

// count is how many there are.
func (p *peers) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, at := range p.seen {
		if time.Since(at) > goneTime {
			delete(p.seen, id)
		}
	}
	return max(1, len(p.seen))
}

// answer lets this program answer what is asked of all.
func (b *Broker) answer() error {
	_, err := b.nc.Subscribe(b.o.Prefix+".members", func(m *natsgo.Msg) {
		m.Respond(binary.AppendUvarint(nil, uint64(b.members(string(m.Data)))))
	})
	if err != nil {
		return err
	}
	if _, err = b.nc.Subscribe(b.o.Prefix+".turn", func(m *natsgo.Msg) { b.otherTurn(m.Data) }); err != nil {
		return err
	}
	me := string(b.writer.id[:])
	_, err = b.nc.Subscribe(b.o.Prefix+".here", func(m *natsgo.Msg) {
		if id := string(m.Data); len(id) == len(me) && b.peers.note(id) && id != me {
			b.nc.Publish(b.o.Prefix+".here", []byte(me)) // so that it knows of this one too
		}
	})
	if err != nil {
		return err
	}
	b.wg.Go(func() {
		tick := time.NewTicker(hereTime)
		defer tick.Stop()
		for {
			b.nc.Publish(b.o.Prefix+".here", []byte(me))
			select {
			case <-tick.C:
			case <-b.ctx.Done():
				return
			}
		}
	})
	return nil
}

// members is how many members a room has in the hubs of this program.
func (b *Broker) members(name string) (n int) {
	var feeds []*room
	b.mu.Lock()
	for _, r := range b.rooms {
		if r.name == name {
			feeds = append(feeds, r)
		}
	}
	b.mu.Unlock()
	for _, r := range feeds {
		n += r.members()
	}
	return n
}

// Members implements hub.Broker. A program that does not answer within half a second is left out.
func (b *Broker) Members(ctx context.Context, room string) (total int, err error) {
	wait, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answers, err := b.all(wait, b.o.Prefix+".members", []byte(room), b.peers.count())
	for _, a := range answers {
		n, _ := binary.Uvarint(a)
		total += int(min(n, 1<<40))
	}
	return total, err
}

// all asks all programs, and returns the answers, at most n, that come until ctx ends.
func (b *Broker) all(ctx context.Context, subject string, data []byte, n int) (answers [][]byte, err error) {
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, away(ctx, b.reason(err))
	}
	defer sub.Unsubscribe()
	if err := b.nc.PublishRequest(subject, inbox, data); err != nil {
		return nil, away(ctx, b.reason(err))
	}
	for len(answers) < n {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil || m.Header.Get("Status") != "" {
			break
		}
		answers = append(answers, m.Data)
	}
	if len(answers) == 0 && n > 0 && !b.nc.IsConnected() {
		return nil, away(ctx, b.reason(ErrAway))
	}
	return answers, nil
}
