package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/draftwire/draftwire"
)

// Bounds of what waits for one member of a room.
const (
	queueMessages = 256
	queueBytes    = 16 << 20
)

const tooSlow = "too slow"

// rooms are the broadcast rooms, one for each path.
type rooms struct {
	mu   sync.Mutex
	byID map[string]map[*member]struct{}
}

// member is a connection in a room. One goroutine writes what is queued for
// it, so that nobody waits for a slow one.
type member struct {
	conn   *draftwire.Conn
	visit  *visit
	queue  chan post
	queued atomic.Int64 // bytes
}

// post is a message on its way. It is encoded once for each version.
type post struct {
	msg  *draftwire.PreparedMessage
	size int64
}

// serve makes c a member of the room until it ends. Each message goes to all
// members, the sender too.
func (r *rooms) serve(ctx context.Context, c *draftwire.Conn, id string, v *visit) error {
	m := &member{conn: c, visit: v, queue: make(chan post, queueMessages)}
	ctx, cancel := context.WithCancel(ctx)
	var writer sync.WaitGroup
	defer writer.Wait()
	defer cancel() // cuts a write that hangs
	writer.Go(func() { m.drain(ctx) })
	r.join(id, m)
	defer r.leave(id, m)
	for msg, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		r.send(id, post{draftwire.NewPreparedMessage(msg.Op, msg.Data), int64(len(msg.Data))})
	}
	return nil
}

func (r *rooms) join(id string, m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID == nil {
		r.byID = make(map[string]map[*member]struct{})
	}
	if r.byID[id] == nil {
		r.byID[id] = make(map[*member]struct{})
	}
	r.byID[id][m] = struct{}{}
}

func (r *rooms) leave(id string, m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID[id], m)
	if len(r.byID[id]) == 0 {
		delete(r.byID, id)
	}
}

// send queues p for every member. The lock makes the order of messages the
// same for all. Who does not keep up goes.
func (r *rooms) send(id string, p post) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for m := range r.byID[id] {
		if m.offer(p) {
			continue
		}
		delete(r.byID[id], m)
		m.visit.because(tooSlow)
		go m.conn.Close(draftwire.CodePolicy, tooSlow) // ends within the close timeout
	}
}

// offer queues p unless too much is waiting.
func (m *member) offer(p post) bool {
	if waiting := m.queued.Add(p.size); waiting > queueBytes && waiting > p.size {
		return false
	}
	select {
	case m.queue <- p:
		return true
	default:
		return false
	}
}

// drain writes the queue until ctx or the connection ends.
func (m *member) drain(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-m.queue:
			err := m.conn.WritePrepared(ctx, p.msg)
			m.queued.Add(-p.size)
			switch {
			case errors.Is(err, draftwire.ErrUnsupported): // binary, and the version has none
				m.visit.dropped.Add(1)
			case err != nil:
				return
			}
		}
	}
}
