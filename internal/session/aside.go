package session

import (
	"sync"

	"github.com/draftwire/draftwire/wire"
)

// errand is DEFLATE's work on a goroutine of its own, whose stack goes with it. The
// work needs more than the 2 KiB that a goroutine begins with, and a stack that has
// grown stays as it is while its goroutine waits: a connection that has once said
// something compressed would hold twice the memory for as long as it lives.
type errand struct {
	start func()
	busy  sync.WaitGroup
	s     *Session
	ev    *wire.Event // to expand into; nil to pack
	dst   []byte      // to pack into
	op    wire.Op
	fin   bool
	p     []byte
	err   error
	panic any
}

var errands = sync.Pool{New: func() any {
	e := new(errand)
	e.start = e.do
	return e
}}

func (e *errand) do() {
	defer e.done()
	if e.ev != nil {
		e.err = e.s.expand(e.ev)
	} else {
		e.dst, e.err = e.s.z.out.pack(e.s.codec, e.dst, e.op, e.fin, e.p)
	}
}

func (e *errand) done() {
	e.panic = recover()
	e.busy.Done()
}

// run does the errand, and waits meanwhile: at a small depth.
func (e *errand) run() {
	e.busy.Add(1)
	go e.start()
	e.busy.Wait()
}

// result gives the errand back. A panic of the work is the caller's.
func (e *errand) result() (dst []byte, err error) {
	if e.panic != nil {
		panic(e.panic)
	}
	dst, err = e.dst, e.err
	e.s, e.ev, e.dst, e.p, e.err = nil, nil, nil, nil, nil
	errands.Put(e)
	return dst, err
}

// expandAside is expand, on another stack.
func (s *Session) expandAside(ev *wire.Event) error {
	e := errands.Get().(*errand)
	e.s, e.ev = s, ev
	e.run()
	_, err := e.result()
	return err
}

// packing returns the errand that is pack on another stack, to be run.
func (s *Session) packing(dst []byte, op wire.Op, fin bool, p []byte) *errand {
	e := errands.Get().(*errand)
	e.s, e.dst, e.op, e.fin, e.p = s, dst, op, fin, p
	return e
}
