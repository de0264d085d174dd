package session

import (
	"sync"

	"github.com/draftwire/draftwire/wire"
)

// offload is one call of DEFLATE that runs on a goroutine of its own. DEFLATE needs
// more stack than the 2 KiB that a goroutine begins with, and a stack that has grown
// does not shrink while its goroutine waits for a peer: a connection that has once
// compressed a message would hold twice the memory until it closes. The offload's
// goroutine ends after the call, and its stack goes with it.
type offload struct {
	start func()
	done  sync.WaitGroup
	s     *Session
	ev    *wire.Event // the argument of expand; nil for a call of pack
	dst   []byte      // with op, fin and p an argument of pack
	op    wire.Op
	fin   bool
	p     []byte
	err   error
	panic any
}

var offloads = sync.Pool{New: func() any {
	o := new(offload)
	o.start = o.call
	return o
}}

// call is the body of the offload's goroutine.
func (o *offload) call() {
	defer o.end()
	if o.ev != nil {
		o.err = o.s.expand(o.ev)
	} else {
		o.dst, o.err = o.s.z.out.pack(o.s.coder(), o.dst, o.op, o.fin, o.p)
	}
}

func (o *offload) end() {
	o.panic = recover()
	o.done.Done()
}

// run starts the goroutine and waits for its end. It is a call of its own so that the
// caller waits at a small depth of its stack.
func (o *offload) run() {
	o.done.Add(1)
	go o.start()
	o.done.Wait()
}

// result returns what the call returned, and gives o back to the pool. A panic of the
// call becomes a panic of the caller, and its offload is not used again.
func (o *offload) result() (dst []byte, err error) {
	if o.panic != nil {
		panic(o.panic)
	}
	dst, err = o.dst, o.err
	*o = offload{start: o.start}
	offloads.Put(o)
	return dst, err
}

// OnDeepStack says that the goroutine which reads has a deep stack anyway and keeps it: the
// session then needs no goroutine for DEFLATE.
func (s *Session) OnDeepStack() {
	if s.z != nil {
		s.z.deepStack.Store(true)
	}
}

// offloadExpand calls expand on a goroutine of its own.
func (s *Session) offloadExpand(ev *wire.Event) error {
	if s.z.deepStack.Load() {
		return s.expand(ev)
	}
	o := offloads.Get().(*offload)
	o.s, o.ev = s, ev
	o.run()
	_, err := o.result()
	return err
}

// packHere compresses a message or a frame on this goroutine, whose stack is deep anyway.
//
//go:noinline
func (s *Session) packHere(dst []byte, op wire.Op, fin bool, p []byte) ([]byte, error) { // noinline: keeps a cold frame off the 2 KiB stack
	return s.z.out.pack(s.coder(), dst, op, fin, p)
}

// packOffload returns the offload of a call of pack, which the caller runs.
func (s *Session) packOffload(dst []byte, op wire.Op, fin bool, p []byte) *offload {
	o := offloads.Get().(*offload)
	o.s, o.p = s, p
	o.dst, o.op, o.fin = dst, op, fin
	return o
}
