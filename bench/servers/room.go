package main

import "sync"

// room is the connections on the broadcast path, in the order they came. It is locked
// while a message goes out.
type room[C comparable] struct {
	mu    sync.Mutex
	conns []C
	place map[C]int // in conns
}

func (r *room[C]) join(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.place == nil {
		r.place = make(map[C]int)
	}
	r.place[c] = len(r.conns)
	r.conns = append(r.conns, c)
}

// leave puts the last into the gap.
func (r *room[C]) leave(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, last := r.place[c], len(r.conns)-1
	r.conns[i] = r.conns[last]
	r.place[r.conns[i]] = i
	r.conns = r.conns[:last]
	delete(r.place, c)
}

// all lends write the connections, for a library that has a way to write to many.
func (r *room[C]) all(write func(conns []C)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	write(r.conns)
}

// each calls write for one connection after the other. A write that fails is its
// reader's to notice.
func (r *room[C]) each(write func(c C) error) {
	r.all(func(conns []C) {
		for _, c := range conns {
			_ = write(c)
		}
	})
}
