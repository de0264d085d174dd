package main

import (
	"errors"
	"slices"
	"sync"

	"github.com/draftwire/draftwire"
)

const tooSlow = "too slow"

// rooms are the broadcast rooms, one for each path.
type rooms struct {
	mu   sync.Mutex
	byID map[string]*room
}

// room has the connections that are in it.
type room struct {
	conns  []*draftwire.Conn
	visits map[*draftwire.Conn]*visit
}

// join makes c a member of the room. Each message goes to all members, the sender too.
func (r *rooms) join(id string, c *draftwire.Conn, v *visit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID == nil {
		r.byID = make(map[string]*room)
	}
	m := r.byID[id]
	if m == nil {
		m = &room{visits: make(map[*draftwire.Conn]*visit)}
		r.byID[id] = m
	}
	m.conns = append(m.conns, c)
	m.visits[c] = v
}

func (r *rooms) leave(id string, c *draftwire.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(id, c)
}

// remove does nothing if c has left already.
func (r *rooms) remove(id string, c *draftwire.Conn) {
	m := r.byID[id]
	if m == nil || m.visits[c] == nil {
		return
	}
	i := slices.Index(m.conns, c)
	m.conns = slices.Delete(m.conns, i, i+1)
	delete(m.visits, c)
	if len(m.conns) == 0 {
		delete(r.byID, id)
	}
}

// send sends to every member. The lock makes the order of messages the same for all. No
// member can delay it: one that does not keep up is closed.
func (r *rooms) send(id string, msg *draftwire.PreparedMessage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.byID[id]
	if m == nil {
		return // the sender was the last, and too slow
	}
	var mu sync.Mutex
	var slow []*draftwire.Conn
	draftwire.Broadcast(msg, m.conns, func(c *draftwire.Conn, err error) {
		switch {
		case errors.Is(err, draftwire.ErrUnsupported): // binary, and the version has none
			m.visits[c].dropped.Add(1)
		case errors.Is(err, draftwire.ErrBusy):
			mu.Lock()
			slow = append(slow, c)
			mu.Unlock()
		}
	})
	for _, c := range slow {
		m.visits[c].because(tooSlow)
		go c.Close(draftwire.CodePolicy, tooSlow) // returns within the close timeout
		r.remove(id, c)
	}
}
