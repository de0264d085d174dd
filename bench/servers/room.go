package main

import "sync"

// room is the connections on the broadcast path. It is locked while a message
// goes out: one goroutine writes to one connection after the other, which is
// the same for all libraries.
type room[C comparable] struct {
	mu    sync.Mutex
	conns map[C]struct{}
}

func (r *room[C]) join(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conns == nil {
		r.conns = make(map[C]struct{})
	}
	r.conns[c] = struct{}{}
}

func (r *room[C]) leave(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

// each calls write for every connection. A write that fails is its reader's to
// notice.
func (r *room[C]) each(write func(c C) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		_ = write(c)
	}
}
