package gateway

import (
	"net"
	"sync"
)

// door is an open socket. Ports take turns at it: what it accepts goes to the one
// that holds it, so that a port whose settings have changed hands over to its
// successor and no client is turned away. (A second descriptor of the same socket
// would not do: in making one, package net blocks the socket for a moment, and an
// Accept that falls into that moment never returns.)
type door struct {
	net.Listener
	keep bool // the socket stays open while nobody holds the door

	mu     sync.Mutex
	change sync.Cond // of the next two
	holder *lease    // nil where nobody holds it
	closed bool
	pumped chan struct{} // closed when nothing more is accepted
}

// lease is a port's turn at a door: a listener whose end does not close the socket
// where somebody else has taken over.
type lease struct {
	*door
	taken chan accepted
	over  chan struct{}
	end   sync.Once
}

type accepted struct {
	nc  net.Conn
	err error
}

// openDoor makes a door of a listener.
func openDoor(l net.Listener, keep bool) *door {
	d := &door{Listener: l, keep: keep, pumped: make(chan struct{})}
	d.change.L = &d.mu
	go d.pump()
	return d
}

func (d *door) lease() *lease {
	return &lease{door: d, taken: make(chan accepted), over: make(chan struct{})}
}

// handOver makes to the holder; who held the door before gets no more.
func (d *door) handOver(to *lease) {
	d.mu.Lock()
	before := d.holder
	d.holder = to
	d.change.Broadcast()
	d.mu.Unlock()
	if before != nil {
		before.Close()
	}
}

// pump accepts until the socket is closed.
func (d *door) pump() {
	defer close(d.pumped)
	for {
		nc, err := d.Listener.Accept()
		if !d.give(accepted{nc, err}) {
			if nc != nil {
				nc.Close()
			}
			return
		}
	}
}

// give waits until a holder takes what was accepted; false where the door is closed.
func (d *door) give(a accepted) bool {
	for {
		d.mu.Lock()
		for d.holder == nil && !d.closed {
			d.change.Wait()
		}
		holder := d.holder
		d.mu.Unlock()
		if holder == nil {
			return false
		}
		select {
		case holder.taken <- a:
			return true
		case <-holder.over:
		}
	}
}

// holds reports whether it is this lease's turn.
func (l *lease) holds() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder == l
}

// Accept implements net.Listener.
func (l *lease) Accept() (net.Conn, error) {
	select {
	case a := <-l.taken:
		return a.nc, a.err
	case <-l.over:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener: it ends the lease and, where it held the door, closes
// the socket, or leaves it to the next holder.
func (l *lease) Close() (err error) {
	l.end.Do(func() {
		l.mu.Lock()
		last := l.holder == l
		if last {
			l.holder, l.closed = nil, !l.keep
			l.change.Broadcast()
		}
		l.mu.Unlock()
		close(l.over)
		if last && !l.keep {
			err = l.Listener.Close()
			<-l.pumped
		}
	})
	return err
}
