package gateway

import (
	"runtime"
	"slices"
	"sync"
)

// workers make calls on goroutines that are used again and again. To open a connection to a
// backend takes more stack than the 2 KiB that a goroutine begins with, and to let a stack grow
// costs as much as several system calls; the goroutine of a client's connection would also
// keep the large one for as long as that is open. Here the stacks have grown before.
type workers struct {
	mu   sync.Mutex
	idle []*worker // the one that has worked last is the next
	low  int       // the fewest that were idle since rest was called
	over bool
}

// worker is one goroutine, and the call that it makes.
type worker struct {
	begin chan struct{} // closed when it is to end
	ended chan struct{}
	call  func() error
	err   error
	panic any
}

// idleWorkers is how many goroutines wait for a call at most. Others end after theirs.
var idleWorkers = 32 * runtime.GOMAXPROCS(0)

// do returns what call returns. A panic of it is one of the caller's.
func (all *workers) do(call func() error) error {
	all.mu.Lock()
	var w *worker
	if n := len(all.idle); n > 0 {
		w, all.idle = all.idle[n-1], all.idle[:n-1]
		all.low = min(all.low, n-1)
	}
	all.mu.Unlock()
	if w == nil {
		w = &worker{begin: make(chan struct{}, 1), ended: make(chan struct{}, 1)}
		go w.run()
	}
	w.call = call
	w.begin <- struct{}{}
	<-w.ended
	err, fault := w.err, w.panic
	w.call, w.err, w.panic = nil, nil, nil
	all.put(w)
	if fault != nil {
		panic(fault)
	}
	return err
}

func (all *workers) put(w *worker) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.over || len(all.idle) >= idleWorkers {
		close(w.begin)
		return
	}
	all.idle = append(all.idle, w)
}

// rest ends the goroutines that had nothing to do since it was called last.
func (all *workers) rest() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, w := range all.idle[:all.low] {
		close(w.begin)
	}
	all.idle = slices.Delete(all.idle, 0, all.low)
	all.low = len(all.idle)
}

// end ends the goroutines that wait, and each of the others after its call.
func (all *workers) end() {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.over = true
	for _, w := range all.idle {
		close(w.begin)
	}
	all.idle, all.low = nil, 0
}

func (w *worker) run() {
	for range w.begin {
		w.work()
		w.ended <- struct{}{}
	}
}

func (w *worker) work() {
	defer func() { w.panic = recover() }()
	w.err = w.call()
}
