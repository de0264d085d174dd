package main

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// foldTime is how long a line stands for those like it.
const foldTime = time.Minute

// Bounds of the lines that peers can cause in that time by being many, or by seeming to be.
// Above them a line stands for all peers of an address, or for all peers.
const (
	foldPeers  = 200 // with a line of their own
	foldTopic  = 50  // of them with one topic
	foldAgents = 5   // of these with one address

	foldFleet = "fleet " // begins topics of which gateways are the peers
)

// foldKey is what lines are alike in.
type foldKey struct {
	topic   string // of a bounded set
	address string // of the peer, or the name of a gateway; "": any
	agent   string // its User-Agent; "": any
}

// compare orders keys.
func (k foldKey) compare(o foldKey) int {
	return cmp.Or(cmp.Compare(k.topic, o.topic), cmp.Compare(k.address, o.address), cmp.Compare(k.agent, o.agent))
}

// folder lets the first of many similar lines through and counts the others, so that a
// peer that can cause a line cannot cause a flood of them.
type folder struct {
	every time.Duration
	more  func(k foldKey, n int) // called at the end of the time if n lines were held back

	mu    sync.Mutex
	held  map[foldKey]*fold
	peers map[foldKey]int // keys in held that have an address: all, of a topic, of one address in it
}

type fold struct {
	n     int
	timer *time.Timer
}

func newFolder(every time.Duration, more func(k foldKey, n int)) *folder {
	return &folder{every: every, more: more, held: map[foldKey]*fold{}, peers: map[foldKey]int{}}
}

// pass reports whether a line of that topic may be written now.
func (f *folder) pass(topic string) bool { return f.passPeer(foldKey{topic: topic}) }

// passPeer reports whether a line about a peer may be written now: one noisy peer hides
// no other.
func (f *folder) passPeer(k foldKey) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	k = f.fit(k)
	if h := f.held[k]; h != nil {
		h.n++
		return false
	}
	h := &fold{}
	f.held[k] = h
	f.count(k, 1)
	h.timer = time.AfterFunc(f.every, func() { f.expire(k, h) })
	return true
}

// fit returns the key under which a line of key k is folded.
func (f *folder) fit(k foldKey) foldKey {
	one := foldKey{topic: k.topic, address: k.address}
	all := foldKey{topic: k.topic}
	switch {
	case f.held[k] != nil || k == all:
		return k
	case f.held[one] != nil || f.peers[one] >= foldAgents:
		return one
	case f.peers[all] >= foldTopic || f.peers[foldKey{}] >= foldPeers:
		return all
	}
	return k
}

// count counts the keys of peers.
func (f *folder) count(k foldKey, n int) {
	if k.address == "" {
		return
	}
	for _, wider := range []foldKey{{}, {topic: k.topic}, {topic: k.topic, address: k.address}} {
		f.peers[wider] += n
		if f.peers[wider] == 0 {
			delete(f.peers, wider)
		}
	}
}

func (f *folder) expire(k foldKey, h *fold) {
	f.mu.Lock()
	n := h.n
	if f.held[k] != h {
		n = 0 // flush has reported it
	} else {
		delete(f.held, k)
		f.count(k, -1)
	}
	f.mu.Unlock()
	if n > 0 {
		f.more(k, n)
	}
}

// flush reports what is still held back.
func (f *folder) flush() {
	f.mu.Lock()
	held := f.held
	f.held, f.peers = map[foldKey]*fold{}, map[foldKey]int{}
	f.mu.Unlock()
	for _, k := range slices.SortedFunc(maps.Keys(held), foldKey.compare) {
		held[k].timer.Stop()
		if n := held[k].n; n > 0 {
			f.more(k, n)
		}
	}
}
