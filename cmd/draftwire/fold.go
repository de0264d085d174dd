package main

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// foldTime is how long a line speaks for those like it.
const foldTime = time.Minute

// folder lets the first of many like lines through and counts the others, so
// that whoever can cause a line cannot cause a flood. Keys must come from a
// bounded set.
type folder struct {
	every time.Duration
	more  func(key string, n int) // told at the end of the time, if n lines were held back

	mu   sync.Mutex
	held map[string]*fold
}

type fold struct {
	n     int
	timer *time.Timer
}

func newFolder(every time.Duration, more func(key string, n int)) *folder {
	return &folder{every: every, more: more, held: make(map[string]*fold)}
}

// pass reports whether a line of that key may be written now.
func (f *folder) pass(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.held[key]; h != nil {
		h.n++
		return false
	}
	h := &fold{}
	f.held[key] = h
	h.timer = time.AfterFunc(f.every, func() { f.expire(key, h) })
	return true
}

func (f *folder) expire(key string, h *fold) {
	f.mu.Lock()
	n := h.n
	if f.held[key] != h {
		n = 0 // flush has told it
	} else {
		delete(f.held, key)
	}
	f.mu.Unlock()
	if n > 0 {
		f.more(key, n)
	}
}

// flush tells what is still held back.
func (f *folder) flush() {
	f.mu.Lock()
	held := f.held
	f.held = make(map[string]*fold)
	f.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(held)) {
		held[key].timer.Stop()
		if n := held[key].n; n > 0 {
			f.more(key, n)
		}
	}
}
